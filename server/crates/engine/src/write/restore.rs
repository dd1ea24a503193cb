//! Taking a soft delete back: the record comes, and what went along with it.

use cardine_model::Value;
use cardine_model::catalog::Module;
use cardine_query::Slot;
use cardine_sql::write::{Life, Purpose};
use cardine_store::WriteTx;
use uuid::Uuid;

use super::Writing;
use super::delete::set_deleted_at;
use super::hooks::ask_about;
use crate::EngineError;

impl Writing<'_> {
    pub(super) async fn restore(&self, tx: &mut WriteTx, id: Uuid) -> Result<Vec<Uuid>, EngineError> {
        self.check_may_delete()?;
        let record = self.take_one(tx, id, Purpose::Delete, Life::Deleted).await?;
        // Whatever a delete took along has its instant.
        let values = [record.get(Module::DELETED_AT).clone()];
        let all = self.with_dependents(tx, vec![record], Life::DeletedAt(Slot(0)), &values).await?;
        ask_about(tx, self.ctx, &all, "restore").await?;
        for taken in &all {
            set_deleted_at(tx, self.ctx, taken, &Value::Null, "RESTORED", "UPDATED").await?;
        }
        Ok(vec![id])
    }
}
