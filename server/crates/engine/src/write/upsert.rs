//! A record by its unique values: changed if it is there, made if not.

use cardine_model::Value;
use cardine_model::catalog::FieldId;
use cardine_sql::write::{Life, Purpose};
use cardine_store::WriteTx;
use uuid::Uuid;

use super::batch::Batch;
use super::rules::find_holder;
use super::{Data, Writing, data_path, refuse};
use crate::EngineError;
use crate::check::check_value;

impl Writing<'_> {
    pub(super) async fn upsert(
        &self,
        tx: &mut WriteTx,
        key: &[(FieldId, Value)],
        data: &Data,
    ) -> Result<Vec<Uuid>, EngineError> {
        self.check_may_update()?;
        self.check_may_create()?;
        let key = self.normalise_key(key)?;
        let Some(id) = find_holder(tx, self.module, &key).await? else {
            return self.create_by_key(tx, &key, data).await;
        };
        let taken = self.take_one(tx, id, Purpose::Update, Life::Live).await;
        // While this waited for the record's lock, it may have been changed.
        if find_holder(tx, self.module, &key).await? != Some(id) {
            return Err(tx.run_again().into());
        }
        let before = match taken {
            // As if it were created: what somebody else has is a conflict, seen or not.
            Err(EngineError::NotFound) => return self.create_by_key(tx, &key, data).await,
            taken => taken?,
        };
        let mut batch = Batch::new(self.ctx);
        batch.add_change(self.module, before, data, data_path())?;
        batch.write(tx).await?;
        Ok(vec![id])
    }

    /// As the values are stored, so that what was written one way is found the other.
    fn normalise_key(&self, key: &[(FieldId, Value)]) -> Result<Vec<(FieldId, Value)>, EngineError> {
        let mut issues = Vec::new();
        let mut normal = Vec::with_capacity(key.len());
        for (id, value) in key {
            let field = self.module.field(*id);
            let value =
                check_value(self.ctx.catalog(), self.module.id, field, value.clone(), &["match".into()], &mut issues);
            normal.push((*id, value));
        }
        refuse(issues)?;
        Ok(normal)
    }

    /// What `data` leaves out of the key, and the caller may write, is the key's.
    async fn create_by_key(
        &self,
        tx: &mut WriteTx,
        key: &[(FieldId, Value)],
        data: &Data,
    ) -> Result<Vec<Uuid>, EngineError> {
        let mut data = data.clone();
        for (field, value) in key {
            let given = data.values.iter().any(|(given, _)| given == field)
                || data.to_one.iter().any(|(given, _)| given == field);
            if !given && self.ctx.actor.rights.can_write(self.module.id, *field) {
                data.values.push((*field, value.clone()));
            }
        }
        let created = self.create(tx, std::slice::from_ref(&data), false).await;
        // Somebody else has made it meanwhile: then it is there to be changed.
        if let Err(EngineError::Conflict { .. }) = &created
            && let Some(id) = find_holder(tx, self.module, key).await?
            && self.take_one(tx, id, Purpose::Update, Life::Live).await.is_ok()
        {
            return Err(tx.run_again().into());
        }
        created
    }
}
