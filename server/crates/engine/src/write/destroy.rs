//! Removing records for good: what refers to one goes too, holds it back, or refers to nothing afterwards.

use cardine_model::Value;
use cardine_model::catalog::Module;
use cardine_model::definition::OnDelete;
use cardine_query::{Authorised, List};
use cardine_sql::write::{Life, Purpose, Reach, Selection, Which, delete_rows};
use cardine_store::platform::sharing::delete_shares_of;
use cardine_store::{Bindings, WriteTx};
use rustc_hash::FxHashSet;
use uuid::Uuid;

use super::batch::Batch;
use super::delete::{Taken, references_to};
use super::files::release_files_of;
use super::history::{Change, tell};
use super::hooks::ask_about;
use super::many_to_many::remove_links_of;
use super::update::id_of;
use super::{CASCADE_MAX, Writing};
use crate::EngineError;
use crate::record::Record;

impl Writing<'_> {
    pub(super) async fn destroy(&self, tx: &mut WriteTx, id: Uuid) -> Result<Vec<Uuid>, EngineError> {
        self.check_may_delete()?;
        let record = self.take_one(tx, id, Purpose::Delete, Life::Any).await?;
        self.destroy_taken(tx, vec![record]).await?;
        Ok(vec![id])
    }

    /// The list says whether deleted ones are among them.
    pub(super) async fn destroy_many(
        &self,
        tx: &mut WriteTx,
        list: &Authorised<List>,
        values: &[Value],
        limit: usize,
    ) -> Result<Vec<Uuid>, EngineError> {
        self.check_may_delete()?;
        let records = self.take_filtered(tx, list, values, limit, (Purpose::Delete, Life::Any)).await?;
        let ids = records.iter().filter_map(id_of).collect();
        self.destroy_taken(tx, records).await?;
        Ok(ids)
    }

    async fn destroy_taken(&self, tx: &mut WriteTx, records: Vec<Record>) -> Result<(), EngineError> {
        let all = self.with_dependents(tx, records, Life::Any, &[]).await?;
        self.check_held_back(tx, &all).await?;
        let live = all.iter().map(|taken| Taken {
            module: taken.module,
            records: taken.records.iter().filter(|record| record.get(Module::DELETED_AT).is_null()).cloned().collect(),
        });
        ask_about(tx, self.ctx, &live.collect::<Vec<_>>(), "delete").await?;
        self.clear_references(tx, &all).await?;
        for taken in &all {
            let ids = taken.ids();
            remove_links_of(tx, self.ctx, taken.module.id, &ids).await?;
            // Whoever it was shared with is no reason to keep a row about what is gone.
            delete_shares_of(tx, &ids).await?;
            let statement = delete_rows(tx.dialect(), taken.module);
            tx.execute(&statement, &Bindings { parents: &ids, ..self.ctx.bindings(&[]) }).await?;
            release_files_of(tx, self.ctx, taken.module, &taken.records).await?;
            self.tell_destroyed(tx, taken).await?;
        }
        Ok(())
    }

    /// Whatever stays refers to nothing. Deleted records are no exception: one that is restored must not refer to what is gone.
    async fn clear_references(&self, tx: &mut WriteTx, all: &[Taken<'_>]) -> Result<(), EngineError> {
        let going: FxHashSet<Uuid> = all.iter().flat_map(Taken::ids).collect();
        let mut batch = Batch::new(self.ctx);
        for taken in all {
            let others = references_to(self.ctx.catalog(), taken.module.id);
            for (module, field, _) in others.filter(|(.., what)| *what != OnDelete::Cascade) {
                let (which, most) = (Which::Referring(field.id), CASCADE_MAX + going.len() + 1);
                let limit = Some(most);
                let selection =
                    Selection { which, purpose: Purpose::Update, reach: Reach::All, life: Life::Any, limit };
                let records = Writing { ctx: self.ctx, module }.take(tx, selection, &taken.ids(), &[]).await?;
                if records.len() == most {
                    let message = format!("more than {CASCADE_MAX} records refer to what would be destroyed");
                    return Err(EngineError::Limit(message));
                }
                for record in records.into_iter().filter(|record| id_of(record).is_some_and(|id| !going.contains(&id)))
                {
                    batch.add_consequence(module, record, field.id, None)?;
                }
            }
        }
        batch.write(tx).await
    }

    /// A deleted record's disappearing is an event no more, as nobody sees it.
    async fn tell_destroyed(&self, tx: &mut WriteTx, taken: &Taken<'_>) -> Result<(), EngineError> {
        let now = Value::DateTime(self.ctx.now);
        let gone = |record: &Record| {
            let is_live = record.get(Module::DELETED_AT).is_null();
            let mut after = record.clone();
            after.set(Module::DELETED_AT, now.clone());
            Some((id_of(record)?, is_live, after))
        };
        let gone: Vec<(Uuid, bool, Record)> = taken.records.iter().filter_map(gone).collect();
        let changes: Vec<Change<'_>> = taken
            .records
            .iter()
            .zip(&gone)
            .map(|(before, (id, is_live, after))| Change {
                module: taken.module,
                id: *id,
                action: "DESTROYED",
                event: is_live.then_some("DELETED"),
                before: Some(before),
                after: is_live.then_some(after),
                told: None,
            })
            .collect();
        tell(tx, self.ctx, &changes).await
    }
}
