//! Whether records would share what is unique, by the values that a change gives them: looked at before anything is changed.

use cardine_model::catalog::{Catalog, Field, FieldId, Module};
use cardine_model::{Issue, PathSegment, Value};
use cardine_sql::Dialect;
use cardine_sql::ddl::LookedAt;
use cardine_store::{Bindings, WriteTx};
use uuid::Uuid;

use super::commit::CommitError;
use super::plan::Planned;
use super::steps::{Step, refuse_alike};
use super::work::Work;
use crate::EngineError;
use crate::record::value_of_cell;

/// Rows that are looked at at once.
const BATCH: usize = 1_000;

/// A look at the records of one module.
pub(super) struct Look<'p> {
    work: Work<'p>,
    /// Unique sets with fields that get other values, and where that is told.
    sets: Vec<(Vec<FieldId>, Vec<PathSegment>)>,
    table: LookedAt,
    /// Fields that keep their values.
    kept: Vec<Field>,
    /// Where the values of the table's fields come from.
    origins: Vec<Origin>,
}

#[derive(Clone, Copy)]
enum Origin {
    /// The n-th value that is made.
    Made(usize),
    /// The n-th field that keeps its values.
    Kept(usize),
}

impl<'p> Look<'p> {
    /// All that a plan asks for.
    pub(super) fn all(dialect: Dialect, planned: &'p Planned) -> Vec<Self> {
        let Some(base) = planned.base.as_deref() else { return Vec::new() };
        let mut modules: Vec<&str> = Vec::new();
        for step in &planned.steps {
            let module = match step {
                Step::Fill { module, .. } => module.as_str(),
                Step::Convert(conversion) => conversion.module.as_str(),
                _ => continue,
            };
            if !modules.contains(&module) {
                modules.push(module);
            }
        }
        let modules = modules.into_iter().filter_map(|module| planned.catalog.module_or_link_named(module));
        modules.filter_map(|module| Self::of(dialect, base, planned, module)).collect()
    }

    fn of(dialect: Dialect, base: &'p Catalog, planned: &'p Planned, module: &'p Module) -> Option<Self> {
        let before = base.module_or_link_named(&module.name)?;
        let work = Work::of(dialect, base, planned, module)?;
        let made: Vec<FieldId> = work.ahead.exchanged().map(|field| field.id).collect();
        let kept_of =
            |field: FieldId| before.field_named(&module.field(field).name).filter(|kept| kept.column.is_some());
        let has_values = |field: &FieldId| made.contains(field) || kept_of(*field).is_some();
        let mut sets = work.alike.clone();
        // Where a field has no values, none are shared.
        sets.retain(|(fields, _)| fields.iter().any(|field| made.contains(field)) && fields.iter().all(has_values));
        if sets.is_empty() {
            return None;
        }
        let mut fields: Vec<FieldId> = sets.iter().flat_map(|(fields, _)| fields.iter().copied()).collect();
        fields.sort_unstable();
        fields.dedup();
        let (mut kept, mut origins) = (Vec::new(), Vec::new());
        for field in &fields {
            origins.push(match made.iter().position(|made| made == field) {
                Some(position) => Origin::Made(position),
                None => {
                    kept.push(kept_of(*field)?.clone());
                    Origin::Kept(kept.len() - 1)
                }
            });
        }
        let table = LookedAt::new(dialect, module, fields);
        Some(Self { work, sets, table, kept, origins })
    }

    /// Whether it tells if records would share these fields' values.
    pub(super) fn covers(&self, module: &str, fields: &[String]) -> bool {
        let of = self.table.module();
        let is_alike = |ids: &Vec<FieldId>| ids.iter().map(|id| &of.field(*id).name).eq(fields);
        of.name == module && self.sets.iter().any(|(ids, _)| is_alike(ids))
    }

    /// Whether defaults are among what it looks at.
    pub(super) fn is_of_defaults(&self, planned: &Planned) -> bool {
        let own = &self.table.module().name;
        planned.steps.iter().any(|step| matches!(step, Step::Fill { module, .. } if module == own))
    }

    /// That it takes the job to tell what would be shared.
    pub(super) fn left_to_job(&self) -> impl Iterator<Item = Issue> {
        let module = self.table.module();
        self.sets.iter().map(|(fields, at)| {
            let names: Vec<&str> = fields.iter().map(|field| module.field(*field).name.as_str()).collect();
            let message = format!(
                "the job tells whether records of `{}` would not be alone with their value in `{}`",
                module.name,
                names.join("`, `")
            );
            Issue::new(at.clone(), "job", message)
        })
    }

    /// What would be shared, with some of the records.
    pub(super) async fn issues(&self, tx: &mut WriteTx) -> Result<Vec<Issue>, CommitError> {
        tx.run_ddl(&self.table.create()).await?;
        self.fill(tx).await?;
        let mut issues = Vec::new();
        for (fields, at) in &self.sets {
            match refuse_alike(tx, self.table.module(), fields, at).await {
                Err(CommitError::Engine(EngineError::Validation(found))) => issues.extend(found),
                other => other?,
            }
        }
        tx.run_ddl(&self.table.drop()).await?;
        Ok(issues)
    }

    async fn fill(&self, tx: &mut WriteTx) -> Result<(), CommitError> {
        let sources: Vec<&Field> = self.work.sources().chain(&self.kept).collect();
        // Behind id, version and what values are made of.
        let first_kept = sources.len() - self.kept.len() + 2;
        let statement = self.work.ahead.next_live_rows(&sources, BATCH);
        let mut last = Value::Null;
        loop {
            let found = tx.query(&statement, &Bindings { values: &[last], ..Bindings::default() }).await?;
            let mut rows = Vec::with_capacity(found.len());
            last = Value::Null;
            for row in 0..found.len() {
                let id =
                    found.cell(row, 0).text().and_then(|id| id.parse::<Uuid>().ok()).ok_or(EngineError::Internal)?;
                last = Value::Id(id);
                // What cannot be converted is told by itself.
                let Ok(made) = self.work.values(&found, row) else { continue };
                let values = self.origins.iter().map(|origin| match origin {
                    Origin::Made(position) => made[*position].clone(),
                    Origin::Kept(position) => {
                        value_of_cell(&self.kept[*position], found.cell(row, first_kept + position))
                    }
                });
                rows.push(values.chain([Value::Id(id)]).collect());
            }
            if !rows.is_empty() {
                let statement = self.table.put(rows.len());
                tx.execute_rows(&statement, rows).await?;
            }
            if found.len() < BATCH {
                return Ok(());
            }
        }
    }
}
