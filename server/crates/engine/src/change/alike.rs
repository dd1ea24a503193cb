//! Whether records would share what is unique, by the values that a change gives them: looked at before anything is changed.

use std::collections::BTreeSet;
use std::collections::hash_map::Entry;

use cardine_model::catalog::{Catalog, Field, FieldId, Module};
use cardine_model::text::fold;
use cardine_model::{Issue, PathSegment, ScalarType, Value};
use cardine_sql::Dialect;
use rustc_hash::FxHashMap;
use uuid::Uuid;

use super::commit::CommitError;
use super::faults::{EXAMPLES_MAX, told_alike};
use super::plan::Planned;
use super::steps::{Step, Tx};
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
    /// Fields that keep their values.
    kept: Vec<Field>,
    /// Where the values of the sets' fields come from.
    origins: FxHashMap<FieldId, Origin>,
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
        let (mut kept, mut origins) = (Vec::new(), FxHashMap::default());
        for field in fields {
            let origin = match made.iter().position(|made| *made == field) {
                Some(position) => Origin::Made(position),
                None => {
                    kept.push(kept_of(field)?.clone());
                    Origin::Kept(kept.len() - 1)
                }
            };
            origins.insert(field, origin);
        }
        Some(Self { work, sets, kept, origins })
    }

    /// Whether it tells if records would share these fields' values.
    pub(super) fn covers(&self, module: &str, fields: &[String]) -> bool {
        let of = self.work.ahead.module();
        let is_alike = |ids: &Vec<FieldId>| ids.iter().map(|id| &of.field(*id).name).eq(fields);
        of.name == module && self.sets.iter().any(|(ids, _)| is_alike(ids))
    }

    /// Whether defaults are among what it looks at.
    pub(super) fn is_of_defaults(&self, planned: &Planned) -> bool {
        let own = &self.work.ahead.module().name;
        planned.steps.iter().any(|step| matches!(step, Step::Fill { module, .. } if module == own))
    }

    /// That it takes the job to tell what would be shared.
    pub(super) fn left_to_job(&self) -> impl Iterator<Item = Issue> {
        let module = self.work.ahead.module();
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
    pub(super) async fn issues(&self, tx: &mut Tx<'_>) -> Result<Vec<Issue>, CommitError> {
        let sources: Vec<&Field> = self.work.sources().chain(&self.kept).collect();
        // Behind id, version and what values are made of.
        let first_kept = sources.len() - self.kept.len() + 2;
        let statement = self.work.ahead.next_live_rows(&sources, BATCH);
        let mut seen: Vec<Seen> = self.sets.iter().map(|_| Seen::default()).collect();
        let mut last = Value::Null;
        loop {
            let found = tx.query(&statement, &[last]).await?;
            last = Value::Null;
            for row in 0..found.len() {
                let id =
                    found.cell(row, 0).text().and_then(|id| id.parse::<Uuid>().ok()).ok_or(EngineError::Internal)?;
                last = Value::Id(id);
                // What cannot be converted is told by itself.
                let Ok(made) = self.work.values(&found, row) else { continue };
                let value_of = |field: &FieldId| match self.origins.get(field) {
                    Some(Origin::Made(position)) => made[*position].clone(),
                    Some(Origin::Kept(position)) => {
                        value_of_cell(&self.kept[*position], found.cell(row, first_kept + position))
                    }
                    None => Value::Null,
                };
                for ((fields, _), seen) in self.sets.iter().zip(&mut seen) {
                    let module = self.work.ahead.module();
                    let keys = fields.iter().map(|field| key_of(module.field(*field), value_of(field)));
                    if let Some(key) = keys.collect::<Option<Vec<String>>>() {
                        seen.note(key, id);
                    }
                }
            }
            if found.len() < BATCH {
                break;
            }
        }
        let module = self.work.ahead.module();
        let shared = self.sets.iter().zip(seen).filter(|(_, seen)| seen.shared > 0);
        let told = shared.map(|((fields, at), seen)| {
            let some = seen.some.iter().map(Uuid::to_string);
            told_alike(seen.shared, module, fields, at, some)
        });
        Ok(told.flatten().collect())
    }
}

/// The keys of a unique set that were met, and the records that share one.
#[derive(Default)]
struct Seen {
    /// By key, the first record that has it, and whether another one has it too.
    keys: FxHashMap<Vec<String>, (Uuid, bool)>,
    shared: i64,
    /// The first of those that share one.
    some: BTreeSet<Uuid>,
}

impl Seen {
    fn note(&mut self, key: Vec<String>, id: Uuid) {
        match self.keys.entry(key) {
            Entry::Vacant(free) => {
                free.insert((id, false));
            }
            Entry::Occupied(mut taken) => {
                let (first, is_shared) = taken.get_mut();
                let first = (!std::mem::replace(is_shared, true)).then_some(*first);
                for id in first.into_iter().chain([id]) {
                    self.shared += 1;
                    self.some.insert(id);
                    if self.some.len() > EXAMPLES_MAX {
                        self.some.pop_last();
                    }
                }
            }
        }
    }
}

/// What a unique index compares: texts folded, everything else as it is. `None` where there is no value, which none shares.
fn key_of(field: &Field, value: Value) -> Option<String> {
    match value {
        Value::Null => None,
        Value::Text(text) if field.scalar().is_some_and(ScalarType::is_text) => Some(fold(&text).into_owned()),
        Value::Text(text) => Some(text),
        value => Some(format!("{value:?}")),
    }
}
