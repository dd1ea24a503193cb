//! Taking soft deletes back: the records come, and what went along with them.

use cardine_model::Value;
use cardine_model::catalog::Module;
use cardine_query::{Authorised, List, Slot};
use cardine_sql::write::{Life, Purpose};
use cardine_store::WriteTx;
use uuid::Uuid;

use super::Writing;
use super::delete::set_deleted_at;
use super::hooks::ask_about;
use super::update::id_of;
use crate::EngineError;
use crate::record::Record;

impl Writing<'_> {
    pub(super) async fn restore(&self, tx: &mut WriteTx, id: Uuid) -> Result<Vec<Uuid>, EngineError> {
        self.check_may_delete()?;
        let record = self.take_one(tx, id, Purpose::Delete, Life::Deleted).await?;
        self.restore_taken(tx, vec![record]).await?;
        Ok(vec![id])
    }

    pub(super) async fn restore_many(
        &self,
        tx: &mut WriteTx,
        list: &Authorised<List>,
        values: &[Value],
        limit: usize,
    ) -> Result<Vec<Uuid>, EngineError> {
        self.check_may_delete()?;
        let records = self.take_filtered(tx, list, values, limit, (Purpose::Delete, Life::Deleted)).await?;
        let ids = records.iter().filter_map(id_of).collect();
        self.restore_taken(tx, records).await?;
        Ok(ids)
    }

    async fn restore_taken(&self, tx: &mut WriteTx, records: Vec<Record>) -> Result<(), EngineError> {
        // Whatever a delete took along has its instant.
        let mut instants: Vec<Value> = Vec::new();
        for record in &records {
            let instant = record.get(Module::DELETED_AT);
            if !instants.contains(instant) {
                instants.push(instant.clone());
            }
        }
        let all = self.with_dependents(tx, records, Life::DeletedAt(Slot(0)), &[Value::List(instants)]).await?;
        for taken in &all {
            self.guard_restored_calendars(taken.module, &taken.records)?;
        }
        ask_about(tx, self.ctx, &all, "restore").await?;
        for taken in &all {
            set_deleted_at(tx, self.ctx, taken, &Value::Null, "RESTORED", "UPDATED").await?;
        }
        Ok(())
    }
}
