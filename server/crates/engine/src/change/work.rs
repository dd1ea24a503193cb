//! What of a change is done ahead of it, batch by batch, where the records are too many for one transaction.

use cardine_model::catalog::{Catalog, Field, FieldId, Module};
use cardine_model::{Issue, PathSegment, Value};
use cardine_sql::Dialect;
use cardine_sql::ddl::Ahead;
use cardine_store::{Bindings, RowSet, StoreError, WriteTx};
use uuid::Uuid;

use super::commit::CommitError;
use super::convert::{converted, with_all_options};
use super::faults::{Faults, missing, not_allowed, not_convertible};
use super::plan::{Planned, Written};
use super::steps::{Conversion, Step, constant_default, parts_of};
use crate::EngineError;
use crate::check::check_value;
use crate::record::value_of_cell;

/// What is done ahead in one table.
#[derive(Debug)]
pub(super) struct Work<'p> {
    pub ahead: Ahead<'p>,
    catalog: &'p Catalog,
    /// What a row is read by; each column once.
    sources: Vec<Field>,
    duties: Vec<Duty<'p>>,
    /// Sets of fields that become unique, or are and get other values, and where that is told.
    pub alike: Vec<(Vec<FieldId>, Vec<PathSegment>)>,
}

#[derive(Debug)]
enum Duty<'p> {
    /// A value of another type.
    Convert {
        conversion: &'p Conversion,
        source: usize,
        field: &'p Field,
        default: Option<Option<Value>>,
        at: &'p [PathSegment],
    },
    /// A value where there is none.
    Fill { field: &'p Field, parts: Vec<Part>, is_new: bool, at: &'p [PathSegment] },
    /// A look.
    Check { field: &'p Field, open: Field, source: usize, at: &'p [PathSegment] },
}

impl<'p> Duty<'p> {
    /// The field that it is about, and where it is told what is in its way.
    fn subject(&self) -> (&'p Field, &'p [PathSegment]) {
        match self {
            Self::Convert { field, at, .. } | Self::Fill { field, at, .. } | Self::Check { field, at, .. } => {
                (*field, *at)
            }
        }
    }
}

#[derive(Debug)]
struct Part {
    source: Option<usize>,
    /// Its column is filled ahead.
    default: Option<Value>,
    is_written: bool,
}

/// The works of a plan, one for each table. Empty if there is nothing in it that takes longer the more records there are.
pub(super) fn works(dialect: Dialect, planned: &Planned) -> Vec<Work<'_>> {
    let Some(base) = planned.base.as_deref() else { return Vec::new() };
    let written = planned.definitions.iter().filter(|written| written.how == Written::Instead);
    let owners: Vec<&Module> =
        written.filter_map(|written| planned.catalog.module_by_name(&written.definition.name)).collect();
    let is_touched = |module: &&Module| {
        let owner = module.link.map_or(module.id, |link| link.owner);
        owners.iter().any(|touched| touched.id == owner)
    };
    // A stored rollup is computed where nobody writes: in one transaction with all that it follows from.
    let columns = |catalog: &Catalog, module: &str| -> Vec<String> {
        let module = catalog.module_or_link_named(module).into_iter();
        let rollups = module.flat_map(|module| module.stored_rollups().filter_map(Field::kept_column));
        rollups.map(str::to_owned).collect()
    };
    let is_moved = |module: &&Module| columns(base, &module.name) != columns(&planned.catalog, &module.name);
    if planned.steps.iter().any(|step| matches!(step, Step::Rollup { .. })) || owners.iter().any(is_moved) {
        return Vec::new();
    }
    let touched = planned.catalog.modules.iter().map(AsRef::as_ref).filter(is_touched);
    touched.filter_map(|module| Work::of(dialect, base, planned, module)).collect()
}

impl<'p> Work<'p> {
    /// The work in the table of `module`; none if there is nothing to be done in it.
    pub(super) fn of(dialect: Dialect, base: &'p Catalog, planned: &'p Planned, module: &'p Module) -> Option<Self> {
        let mut sources: Vec<Field> = Vec::new();
        let mut source_of = |field: &Field| -> usize {
            sources.iter().position(|known| known.column == field.column).unwrap_or_else(|| {
                sources.push(field.clone());
                sources.len() - 1
            })
        };
        let catalog = &*planned.catalog;
        let default_of = |field: &Field| -> Option<Value> {
            // As one that a caller gives: an address in its one form, rich text without what could run.
            let value = constant_default(field)?.clone();
            Some(check_value(catalog, module.id, field, value, &[], &mut Vec::new()))
        };
        let (mut duties, mut exchanged): (Vec<Duty<'p>>, Vec<FieldId>) = Default::default();
        let mut alike: Vec<(Vec<FieldId>, Vec<PathSegment>)> = Vec::new();
        for step in &planned.steps {
            match step {
                Step::Convert(conversion) if conversion.module == module.name => {
                    let field = module.field_named(&conversion.field)?;
                    exchanged.push(field.id);
                    let (source, at) = (source_of(&conversion.before), conversion.at.as_slice());
                    duties.push(Duty::Convert { source, conversion, field, default: None, at });
                }
                Step::Fill { module: name, field, at, is_new } if *name == module.name => {
                    let field = module.field_named(field)?;
                    if !field.required || field.is_derived() {
                        continue;
                    }
                    let of_converted = duties.iter_mut().find_map(|duty| match duty {
                        Duty::Convert { field: converted, default, .. } if converted.id == field.id => Some(default),
                        _ => None,
                    });
                    if let Some(default) = of_converted {
                        *default = Some(default_of(field));
                        continue;
                    }
                    let all: Vec<&Field> = parts_of(module, field).collect();
                    let parts = all.iter().map(|part| {
                        let default = default_of(part);
                        // Without any default it is a look.
                        let is_written = default.is_some();
                        Part { source: (!is_new).then(|| source_of(part)), default, is_written }
                    });
                    let parts: Vec<Part> = parts.collect();
                    exchanged
                        .extend(all.iter().zip(&parts).filter(|(_, part)| part.is_written).map(|(field, _)| field.id));
                    duties.push(Duty::Fill { field, parts, is_new: *is_new, at });
                }
                Step::Values { module: name, field, at } if *name == module.name => {
                    let field = module.field_named(field)?;
                    let source = source_of(field);
                    duties.push(Duty::Check { field, open: with_all_options(field), source, at });
                }
                Step::Alike { module: name, fields, at } if *name == module.name => {
                    let ids: Option<Vec<FieldId>> =
                        fields.iter().map(|field| module.field_named(field).map(|field| field.id)).collect();
                    alike.push((ids?, at.clone()));
                }
                _ => {}
            }
        }
        // What is unique already may be so no longer.
        let before = base.module_or_link_named(&module.name)?;
        let is_known = |field: &Field| before.field_named(&field.name).is_some_and(|known| known.column.is_some());
        let has_values = |field: &FieldId| exchanged.contains(field) || is_known(module.field(*field));
        for fields in module.uniques.iter().filter(|fields| fields.iter().all(has_values)) {
            let is_moved = |field: &Field| fields.contains(&field.id) && exchanged.contains(&field.id);
            let mut subjects = duties.iter().map(Duty::subject);
            let moved = subjects.find(|(field, _)| parts_of(module, field).any(is_moved));
            if let Some((field, at)) = moved.filter(|_| alike.iter().all(|(known, _)| known != fields)) {
                let unique = (field.unique && *fields == [field.id]).then(|| PathSegment::from("unique"));
                alike.push((fields.clone(), at.iter().cloned().chain(unique).collect()));
            }
        }
        let ahead = Ahead::new(dialect, base, catalog, &module.name, &exchanged)?;
        if duties.is_empty() && alike.is_empty() && !ahead.has_indexes() {
            return None;
        }
        Some(Self { ahead, catalog, sources, duties, alike })
    }

    /// Whether rows are looked at one by one.
    pub(super) fn reads_rows(&self) -> bool {
        !self.duties.is_empty()
    }

    /// No faults, one place for each duty.
    pub(super) fn no_faults(&self) -> Vec<Faults> {
        vec![Faults::default(); self.duties.len()]
    }

    /// What stands in the way, of as many places as there are duties; empty if nothing does.
    pub(super) fn told(&self, faults: Vec<Faults>) -> Vec<Issue> {
        let told = self.duties.iter().zip(faults).filter(|(_, faults)| faults.count > 0).map(|(duty, faults)| {
            let (module, count) = (self.ahead.module(), faults.count);
            match duty {
                Duty::Convert { at, .. } => {
                    faults.told(at, "notConvertible", not_convertible(&format!("{count} values")))
                }
                Duty::Fill { field, at, .. } => {
                    let at = [at, &[PathSegment::from("required")][..]].concat();
                    let message = missing(i64::try_from(count).unwrap_or(i64::MAX), module, field);
                    faults.told(&at, "required", message)
                }
                Duty::Check { field, at, .. } => faults.told(at, "existingValues", not_allowed(count, module, field)),
            }
        });
        told.flatten().collect()
    }

    /// What a row is read by, behind its id and version.
    pub(super) fn sources(&self) -> impl Iterator<Item = &Field> {
        self.sources.iter()
    }

    /// The values that a row gets ahead, or which duties it is in the way of.
    pub(super) fn values(&self, found: &RowSet, row: usize) -> Result<Vec<Value>, Vec<(usize, String)>> {
        let source = |source: usize| value_of_cell(&self.sources[source], found.cell(row, source + 2));
        let (mut values, mut faults) = (Vec::new(), Vec::new());
        let module = self.ahead.module();
        for (number, duty) in self.duties.iter().enumerate() {
            match duty {
                Duty::Convert { conversion, source: from, field, default, .. } => {
                    let before = source(*from);
                    let mut value = match before {
                        Value::Null => Value::Null,
                        value => match converted(self.catalog, module.id, &conversion.before, field, &value) {
                            Ok(value) => value,
                            Err(_) if conversion.clears => Value::Null,
                            Err(message) => {
                                faults.push((number, message));
                                Value::Null
                            }
                        },
                    };
                    if value.is_null()
                        && let Some(default) = default
                    {
                        match default {
                            Some(default) => value = default.clone(),
                            None => faults.push((number, "has no value".to_owned())),
                        }
                    }
                    values.push(value);
                }
                Duty::Fill { parts, is_new, .. } => {
                    let known: Vec<Value> = parts.iter().map(|part| part.source.map_or(Value::Null, source)).collect();
                    let is_missing = *is_new || known.iter().all(Value::is_null);
                    if is_missing && parts.iter().all(|part| part.default.is_none()) {
                        faults.push((number, "has no value".to_owned()));
                    }
                    for (part, known) in parts.iter().zip(known).filter(|(part, _)| part.is_written) {
                        values.push(if is_missing { part.default.clone().unwrap_or(Value::Null) } else { known });
                    }
                }
                Duty::Check { open, source: from, .. } => {
                    let mut issues = Vec::new();
                    let value = source(*from);
                    if !value.is_null() {
                        check_value(self.catalog, module.id, open, value, &[], &mut issues);
                    }
                    faults.extend(issues.into_iter().next().map(|issue| (number, issue.message)));
                }
            }
        }
        if faults.is_empty() { Ok(values) } else { Err(faults) }
    }

    /// What was written meanwhile would get a value that another record has.
    fn shared_meanwhile(&self) -> CommitError {
        let module = self.ahead.module();
        let issues = self.alike.iter().map(|(fields, at)| {
            let names: Vec<&str> = fields.iter().map(|field| module.field(*field).name.as_str()).collect();
            let message = format!(
                "a record of `{}` that was written meanwhile would not be alone with its value in `{}`",
                module.name,
                names.join("`, `")
            );
            Issue::new(at.clone(), "unique", message)
        });
        EngineError::Validation(issues.collect()).into()
    }

    /// Does the next rows behind `last` that were not done, or have been written since.
    pub(super) async fn run_batch(
        &self,
        tx: &mut WriteTx,
        last: Option<Uuid>,
        limit: usize,
    ) -> Result<Batch, CommitError> {
        let sources: Vec<&Field> = self.sources.iter().collect();
        let behind = [last.map_or(Value::Null, Value::Id)];
        let bindings = Bindings { values: &behind, ..Bindings::default() };
        let found = tx.query(&self.ahead.next_rows(&sources, limit), &bindings).await?;
        let mut batch = Batch { is_last: found.len() < limit, last, done: 0, faults: self.no_faults() };
        let mut written = Vec::with_capacity(found.len());
        for row in 0..found.len() {
            let id = found.cell(row, 0).text().and_then(|id| id.parse::<Uuid>().ok()).ok_or(EngineError::Internal)?;
            batch.last = Some(id);
            match self.values(&found, row) {
                Ok(mut values) => {
                    values.push(Value::Integer(found.cell(row, 1).integer().ok_or(EngineError::Internal)?));
                    values.push(Value::Id(id));
                    written.push(values);
                }
                Err(faults) => {
                    for (duty, message) in faults {
                        batch.faults[duty].add(&id.to_string(), message);
                    }
                }
            }
        }
        batch.done = written.len();
        if !written.is_empty() {
            let statement = self.ahead.put_rows(written.len());
            match tx.execute_rows(&statement, written).await {
                // On PostgreSQL by an index that was made ahead.
                Err(StoreError::UniqueViolation { .. }) => return Err(self.shared_meanwhile()),
                put => put?,
            };
        }
        Ok(batch)
    }
}

impl Batch {
    /// Records that were looked at.
    pub(super) fn seen(&self) -> i64 {
        let faulty = self.faults.iter().map(|faults| faults.count).max().unwrap_or_default();
        i64::try_from(self.done + faulty).unwrap_or(i64::MAX)
    }
}

/// What became of some rows.
#[derive(Debug)]
pub(super) struct Batch {
    /// Nothing is behind it.
    pub is_last: bool,
    /// The last record that was looked at.
    pub last: Option<Uuid>,
    /// Records that are done.
    pub done: usize,
    /// Those that are in the way, by duty.
    pub faults: Vec<Faults>,
}
