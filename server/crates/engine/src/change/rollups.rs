//! Stored rollups beside changes of modules: columns are computed where a change makes them others, and looked at by the doctor.

use async_recursion::async_recursion as boxed;
use cardine_access::Rights;
use cardine_model::catalog::{Catalog, Field, Module};
use cardine_sql::Dialect;
use cardine_sql::write::{Keeping, differing_rollups, keep_rollup};
use cardine_store::{Bindings, ReadTx, RowSet, StoreError, WriteTx};
use futures_util::FutureExt as _;
use uuid::Uuid;

use super::plan::Planned;
use super::steps::Step;
use crate::write::{compute_rollup, lock_rollups};
use crate::{Engine, EngineError};

/// Records whose stored rollups are compared or computed at once.
const BATCH: usize = 500;

/// A stored rollup that is not what it should be.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DifferingRollup {
    /// The module's name.
    pub module: String,
    /// The field's name.
    pub field: String,
    /// The records, not all of them if they are many.
    pub records: Vec<Uuid>,
    /// Whether there are more.
    pub more: bool,
}

/// The plan, with the columns computed that are made, or made otherwise, by it.
///
/// `base` is what the requests of the moment work on: of what comes back with the plan, nothing was kept meanwhile.
/// Nobody writes the related records from the first step on: what an older version has written is either seen here or refused.
pub(super) fn with_rollups(dialect: Dialect, base: &Catalog, mut planned: Planned) -> Planned {
    // Names stand in rollups, but change nothing of their values.
    let is_renaming = matches!(planned.action, "MODULE_RENAMED" | "FIELD_RENAMED");
    if is_renaming || planned.catalog.stored_rollups.is_empty() {
        return planned;
    }
    let rights = all_rights(&planned.catalog);
    let rights_before = all_rights(base);
    let (mut held, mut kept) = (Vec::new(), Vec::new());
    for (module, field) in stored_rollups(&planned.catalog) {
        let statement = keep_rollup(dialect, &planned.catalog, &rights, (module, field), Keeping::All);
        let known = base.module_by_name(&module.name).and_then(|module| {
            let field = module.field_named(&field.name).filter(|field| field.kept_column().is_some())?;
            Some(keep_rollup(dialect, base, &rights_before, (module, field), Keeping::All))
        });
        let Some(related) = field.rollup().map(|rollup| module.relation(rollup.relation).module) else { continue };
        let related = planned.catalog.module(related);
        let is_rewritten = planned.steps.iter().any(|step| match step {
            Step::Convert(conversion) => conversion.module == related.name,
            Step::Fill { module, is_new: false, .. } => *module == related.name,
            _ => false,
        });
        let is_same = known.is_some_and(|known| known.text == statement.text && known.params == statement.params);
        if is_same && !is_rewritten {
            continue;
        }
        if base.module_by_name(&related.name).is_some() {
            held.push(related.table.clone());
        }
        kept.push(Step::Rollup { module: module.name.clone(), field: field.name.clone() });
    }
    held.sort_unstable();
    held.dedup();
    let hold = (!held.is_empty()).then_some(Step::Hold(held));
    planned.steps = hold.into_iter().chain(planned.steps).chain(kept).collect();
    planned
}

/// Computes a rollup's column for all records.
pub(super) async fn compute_all(
    tx: &mut WriteTx,
    catalog: &Catalog,
    module: &Module,
    field: &Field,
) -> Result<u64, StoreError> {
    let statement = keep_rollup(tx.dialect(), catalog, &all_rights(catalog), (module, field), Keeping::All);
    tx.execute(&statement, &Bindings::default()).await
}

impl Engine {
    /// Compares the columns of all stored rollups with what they should have.
    #[boxed]
    pub async fn check_rollups(&self) -> Result<Vec<DifferingRollup>, EngineError> {
        let snapshot = self.snapshot();
        let catalog = &snapshot.catalog;
        let mut found = Vec::new();
        for (module, field) in stored_rollups(catalog) {
            let mut records = self.differing(catalog, module, field).await?;
            if !records.is_empty() {
                let more = records.len() > BATCH;
                records.truncate(BATCH);
                found.push(DifferingRollup { module: module.name.clone(), field: field.name.clone(), records, more });
            }
        }
        Ok(found)
    }

    /// Computes the columns that [`Engine::check_rollups`] would tell of; gives how many values were others.
    #[boxed]
    pub async fn recompute_rollups(&self) -> Result<usize, EngineError> {
        let snapshot = self.snapshot();
        let mut computed = 0;
        for (module, field) in stored_rollups(&snapshot.catalog) {
            loop {
                let mut ids = self.differing(&snapshot.catalog, module, field).await?;
                let more = ids.len() > BATCH;
                ids.truncate(BATCH);
                computed += ids.len();
                self.compute_some(module.id, field.id, ids).await?;
                if !more {
                    break;
                }
            }
        }
        Ok(computed)
    }

    async fn compute_some(
        &self,
        module: cardine_model::ModuleId,
        field: cardine_model::FieldId,
        ids: Vec<Uuid>,
    ) -> Result<(), EngineError> {
        let snapshot = self.snapshot();
        self.store()
            .write(move |tx: &mut WriteTx| {
                let (snapshot, ids) = (std::sync::Arc::clone(&snapshot), ids.clone());
                async move {
                    let catalog = &*snapshot.catalog;
                    let module = catalog.module(module);
                    lock_rollups(tx, module, &ids).await?;
                    compute_rollup(tx, (catalog, &all_rights(catalog)), (module, field), &ids).await?;
                    Ok::<_, EngineError>(())
                }
                .boxed()
            })
            .await
    }

    /// One more than a batch, if there are more.
    async fn differing(&self, catalog: &Catalog, module: &Module, field: &Field) -> Result<Vec<Uuid>, EngineError> {
        let dialect = self.store().dialect();
        let statement = differing_rollups(dialect, catalog, &all_rights(catalog), (module, field), BATCH + 1);
        let rows: RowSet = self
            .store()
            .read(move |tx: &mut ReadTx| {
                let statement = statement.clone();
                async move { tx.query(&statement, &Bindings::default()).await }.boxed()
            })
            .await?;
        Ok((0..rows.len()).filter_map(|row| rows.cell(row, 0).text()?.parse().ok()).collect())
    }
}

fn stored_rollups(catalog: &Catalog) -> impl Iterator<Item = (&Module, &Field)> {
    catalog.modules.iter().flat_map(|module| module.stored_rollups().map(|field| (&**module, field)))
}

/// A stored rollup is the same for everybody.
fn all_rights(catalog: &Catalog) -> Rights {
    Rights::to_all(catalog)
}
