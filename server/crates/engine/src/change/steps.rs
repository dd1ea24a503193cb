//! What a change does to tables and rows, step by step in its transaction; a dry run looks at the rows, and writes nothing.

use cardine_failpoints::pass;
use cardine_model::catalog::{Default as FieldDefault, Field, FieldId, HIERARCHY_LEVELS_MAX, Module, ModuleId};
use cardine_model::definition::ModuleDefinition;
use cardine_model::name::snake_case;
use cardine_model::resolve::column_names;
use cardine_model::{Issue, PathSegment, Value, path};
use cardine_sql::ddl::{self, Difference, Kept, records, rows};
use cardine_sql::{Dialect, Statement};
use cardine_store::{Bindings, ReadTx, RowSet, StoreError, WriteTx};

use super::alike::Look;
use super::blocking;
use super::commit::{CommitError, Manner};
use super::convert::{converted, with_all_options};
use super::faults::{EXAMPLES_MAX, Faults, missing as told_missing, not_allowed, not_convertible, told_alike};
use super::plan::Planned;
use super::rollups::compute_all;
use super::work::works;
use crate::EngineError;
use crate::check::check_value;
use crate::record::value_of_cell;

/// Rows that are looked at or converted at once.
const BATCH: usize = 1_000;

/// One step.
#[derive(Debug)]
pub(super) enum Step {
    /// Changes tables.
    Ddl(Vec<String>),
    /// From here on nobody writes to these tables until the change is made, so that what was checked stays so.
    Hold(Vec<String>),
    /// A field becomes required: its constant default fills what is missing; without one nothing may be.
    Fill { module: String, field: String, at: Vec<PathSegment>, is_new: bool },
    /// All values of a field meet what its definition asks now.
    Values { module: String, field: String, at: Vec<PathSegment> },
    /// No record stands above itself, or on too low a level.
    Hierarchy { module: String, field: String, at: Vec<PathSegment> },
    /// A reference to several modules leads to none but those that it still names.
    Targets { module: String, field: String, at: Vec<PathSegment> },
    /// No two live records are alike in these fields.
    Alike { module: String, fields: Vec<String>, at: Vec<PathSegment> },
    /// The column of a stored rollup is computed for all records.
    Rollup { module: String, field: String },
    /// A field's values get another type.
    Convert(Box<Conversion>),
    /// Tells how many values are dropped.
    LostValues { definition: Box<ModuleDefinition>, field: String },
    /// Tells how many records are dropped.
    LostRecords { definition: Box<ModuleDefinition> },
}

/// A field that gets another type.
#[derive(Debug)]
pub(super) struct Conversion {
    pub module: String,
    pub field: String,
    /// The field as it was.
    pub before: Field,
    /// Whether what can't be converted is cleared.
    pub clears: bool,
    /// Where what is found is told.
    pub at: Vec<PathSegment>,
}

impl Step {
    /// The statements that change tables.
    pub(super) fn statements(&self) -> Vec<String> {
        match self {
            Self::Ddl(statements) => statements.clone(),
            Self::Convert(conversion) => {
                vec![format!("-- the values of {}.{} are converted", conversion.module, conversion.field)]
            }
            Self::Rollup { module, field } => vec![format!("-- {module}.{field} is computed for all records")],
            _ => Vec::new(),
        }
    }
}

/// What steps do, or would.
#[derive(Debug, Default)]
pub(super) struct Effects {
    /// What should be known.
    pub warnings: Vec<Issue>,
    /// Records that get other values, or go.
    pub rows: i64,
}

/// Runs the steps of a plan in order.
pub(super) async fn run(tx: &mut WriteTx, planned: &Planned) -> Result<Effects, CommitError> {
    let looks = Look::all(tx.dialect(), planned);
    let (mut tx, mut shared) = (Tx::Writing(tx), Vec::new());
    // When a unique index refuses a default, it is too late to look for the records.
    for look in looks.iter().filter(|look| look.is_of_defaults(planned)) {
        shared.extend(look.issues(&mut tx).await?);
    }
    let mut running = Running { tx, planned, effects: Effects::of(planned), shared };
    running.all(&[]).await?;
    Ok(running.effects)
}

/// Looks what the steps of a plan would do.
pub(super) async fn look(tx: &mut ReadTx, planned: &Planned, manner: Manner) -> Result<Effects, CommitError> {
    let looks = Look::all(tx.dialect(), planned);
    let mut running = Running { tx: Tx::Reading(tx), planned, effects: Effects::of(planned), shared: Vec::new() };
    running.all(&looks).await?;
    for look in &looks {
        if manner == Manner::DryOfMany {
            running.effects.warnings.extend(look.left_to_job());
            continue;
        }
        let shared = look.issues(&mut running.tx).await?;
        if !shared.is_empty() {
            return Err(EngineError::Validation(shared).into());
        }
    }
    Ok(running.effects)
}

impl Effects {
    fn of(planned: &Planned) -> Self {
        Self { warnings: planned.warnings.clone(), rows: 0 }
    }
}

fn find<'p>(planned: &'p Planned, module: &str, field: &str) -> Option<(&'p Module, &'p Field)> {
    let module = planned.catalog.module_or_link_named(module)?;
    Some((module, module.field_named(field)?))
}

/// Ends what was begun ahead: what was written since is done, with nobody else writing, and all of it takes its place.
pub(super) async fn finish(tx: &mut WriteTx, planned: &Planned) -> Result<Effects, CommitError> {
    let dialect = tx.dialect();
    let works = works(dialect, planned);
    if works.is_empty() {
        // A stored rollup over the records was added meanwhile.
        let message = "what was added meanwhile has to be computed together with this change: make the change again";
        return Err(EngineError::Conflict { message: message.to_owned(), issues: Vec::new() }.into());
    }
    let mut running = Running { tx: Tx::Writing(tx), planned, effects: Effects::of(planned), shared: Vec::new() };
    let mut tables: Vec<String> = works.iter().map(|work| work.ahead.module().table.clone()).collect();
    tables.extend(planned.steps.iter().filter_map(|step| match step {
        Step::Targets { module, field, .. } => find(planned, module, field).map(|(module, _)| module.table.clone()),
        _ => None,
    }));
    tables.sort();
    tables.dedup();
    running.hold(&tables).await?;
    pass!("job.held");
    for work in works.iter().filter(|work| work.reads_rows()) {
        let (mut faults, mut last) = (work.no_faults(), None);
        while let Tx::Writing(tx) = &mut running.tx {
            let batch = work.run_batch(tx, last, BATCH).await?;
            faults.iter_mut().zip(batch.faults).for_each(|(all, more)| all.join(more));
            last = batch.last;
            if batch.is_last {
                break;
            }
        }
        let issues = work.told(faults);
        if !issues.is_empty() {
            return Err(EngineError::Validation(issues).into());
        }
    }
    for step in &planned.steps {
        match step {
            Step::Hierarchy { module, field, at } => {
                if let Some((module, field)) = find(planned, module, field) {
                    running.check_hierarchy(module, field, at).await?;
                }
            }
            Step::Targets { module, field, at } => {
                if let Some((module, field)) = find(planned, module, field) {
                    running.check_targets(module, field, at).await?;
                }
            }
            _ => {}
        }
    }
    for work in &works {
        // On PostgreSQL the index is there already and has seen to it.
        if dialect == Dialect::Sqlite {
            let interim = work.ahead.interim();
            for (fields, at) in &work.alike {
                refuse_alike(&mut running.tx, &interim, fields, at).await?;
            }
        }
        let (first, then) = work.ahead.switch(work.reads_rows());
        running.ddl(&first).await?;
        running.ddl(&then).await?;
    }
    let elsewhere = works.iter().map(|work| work.ahead.module().name.clone()).collect();
    let kept = Kept { elsewhere, ..Kept::default() };
    let Difference { removed, made } =
        ddl::difference_beside(dialect, planned.base.as_deref(), &planned.catalog, &kept);
    running.ddl(&removed).await?;
    running.ddl(&made).await?;
    Ok(running.effects)
}

/// Refuses live records that share the values of these fields.
pub(super) async fn refuse_alike(
    tx: &mut Tx<'_>,
    module: &Module,
    fields: &[FieldId],
    at: &[PathSegment],
) -> Result<(), CommitError> {
    let dialect = tx.dialect();
    let count = tx.query(&rows::count_alike(dialect, module, fields), &[]).await?;
    let count = count.first_integer().unwrap_or_default();
    if count == 0 {
        return Ok(());
    }
    let some = tx.query(&rows::some_alike(dialect, module, fields, EXAMPLES_MAX), &[]).await?;
    let some = (0..some.len()).map(|row| id_of(&some, row).to_owned());
    Err(EngineError::Validation(told_alike(count, module, fields, at, some)).into())
}

/// Where steps are run. Who only reads is on a snapshot, in nobody's way.
pub(super) enum Tx<'a> {
    Reading(&'a mut ReadTx),
    Writing(&'a mut WriteTx),
}

impl Tx<'_> {
    fn dialect(&self) -> Dialect {
        match self {
            Self::Reading(tx) => tx.dialect(),
            Self::Writing(tx) => tx.dialect(),
        }
    }

    /// Runs a statement and gives its rows.
    pub(super) async fn query(&mut self, statement: &Statement, values: &[Value]) -> Result<RowSet, StoreError> {
        let bindings = Bindings { values, ..Bindings::default() };
        match self {
            Self::Reading(tx) => tx.query(statement, &bindings).await,
            Self::Writing(tx) => tx.query(statement, &bindings).await,
        }
    }
}

struct Running<'a> {
    tx: Tx<'a>,
    planned: &'a Planned,
    effects: Effects,
    /// Which records would share what is unique, if defaults are written.
    shared: Vec<Issue>,
}

impl<'a> Running<'a> {
    /// One step after the other. What `looks` tell is looked at behind all others, as records do not have it yet.
    async fn all(&mut self, looks: &[Look<'_>]) -> Result<(), CommitError> {
        let planned: &'a Planned = self.planned;
        for step in &planned.steps {
            match step {
                Step::Ddl(statements) => self.ddl(statements).await?,
                Step::Hold(tables) => self.hold(tables).await?,
                Step::Fill { module, field, at, is_new } => {
                    if let Some((module, field)) = find(planned, module, field) {
                        self.fill(module, field, at, *is_new).await?;
                    }
                }
                Step::Values { module, field, at } => {
                    if let Some((module, field)) = find(planned, module, field) {
                        self.check_values(module, field, at).await?;
                    }
                }
                Step::Hierarchy { module, field, at } => {
                    if let Some((module, field)) = find(planned, module, field) {
                        self.check_hierarchy(module, field, at).await?;
                    }
                }
                Step::Targets { module, field, at } => {
                    if let Some((module, field)) = find(planned, module, field) {
                        self.check_targets(module, field, at).await?;
                    }
                }
                Step::Alike { module, fields, .. } if looks.iter().any(|look| look.covers(module, fields)) => {}
                Step::Alike { module, fields, at } => self.check_alike(module, fields, at).await?,
                Step::Convert(conversion) => self.convert(conversion).await?,
                Step::Rollup { module, field } => {
                    if let Some((module, field)) = find(planned, module, field) {
                        self.compute_rollup(module, field).await?;
                    }
                }
                Step::LostValues { definition, field } => self.tell_lost_values(definition, field).await?,
                Step::LostRecords { definition } => self.tell_lost_records(definition).await?,
            }
        }
        Ok(())
    }

    async fn ddl(&mut self, statements: &[String]) -> Result<(), CommitError> {
        let Tx::Writing(tx) = &mut self.tx else { return Ok(()) };
        // One after the other, so that a test can end the server between any two.
        for statement in statements {
            tx.run_ddl(statement).await?;
            pass!("catalog.statement");
        }
        Ok(())
    }

    async fn hold(&mut self, tables: &[String]) -> Result<(), CommitError> {
        let Tx::Writing(tx) = &mut self.tx else { return Ok(()) };
        // SQLite has one writer, which is this one.
        if tx.dialect() == Dialect::Sqlite {
            return Ok(());
        }
        let held: Vec<String> = tables.iter().map(|table| records::hold_table(table)).collect();
        Ok(tx.run_ddl(&held.join(";\n")).await?)
    }

    async fn query(&mut self, statement: &Statement, values: &[Value]) -> Result<RowSet, StoreError> {
        self.tx.query(statement, values).await
    }

    async fn number(&mut self, statement: &Statement) -> Result<i64, StoreError> {
        Ok(self.query(statement, &[]).await?.first_integer().unwrap_or_default())
    }

    /// Gives records a required field's default, so that they have a value where none may be missing.
    async fn fill(
        &mut self,
        module: &Module,
        field: &Field,
        at: &[PathSegment],
        is_new: bool,
    ) -> Result<(), CommitError> {
        if !field.required || field.is_derived() {
            return Ok(());
        }
        let parts: Vec<&Field> = parts_of(module, field).collect();
        let missing = if is_new {
            self.number(&rows::count_rows(&module.table)).await?
        } else {
            self.number(&rows::count_missing(module, &parts)).await?
        };
        if missing == 0 {
            return Ok(());
        }
        if !parts.iter().any(|part| constant_default(part).is_some()) {
            let message = if is_new {
                format!(
                    "`{}` has records, which would have no value in `{}` although it is required: give it a constant `default` that fills them, or leave out `required`",
                    module.name, field.name
                )
            } else {
                told_missing(missing, module, field)
            };
            let required = Issue::new([at, &[PathSegment::from("required")]].concat(), "required", message);
            let mut issues = vec![required];
            if !is_new {
                let some = self.query(&rows::some_missing(module, &parts, EXAMPLES_MAX), &[]).await?;
                issues.extend(named(&some, at, "required", "has no value"));
            }
            return Err(EngineError::Validation(issues).into());
        }
        let message = format!("{missing} records get the default of `{}`", field.name);
        self.effects.warnings.push(Issue::new(at.to_vec(), "filled", message));
        self.effects.rows += missing;
        refuse_one_for_all(&mut self.tx, module, field, at, is_new).await?;
        let Tx::Writing(tx) = &mut self.tx else { return Ok(()) };
        // As those that a caller gives: an address in its one form, rich text without what could run.
        let catalog = &self.planned.catalog;
        let given = |part: &&Field| {
            let value = constant_default(part)?.clone();
            Some(check_value(catalog, module.id, part, value, &[], &mut Vec::new()))
        };
        let (filled, values): (Vec<&Field>, Vec<Value>) =
            parts.iter().filter_map(|part| Some((*part, given(part)?))).unzip();
        let statement = records::fill_missing(tx.dialect(), module, &filled, &parts);
        match tx.execute(&statement, &Bindings { values: &values, ..Bindings::default() }).await {
            Err(StoreError::UniqueViolation { .. }) => Err(match std::mem::take(&mut self.shared) {
                shared if shared.is_empty() => one_default_for_all(at),
                shared => EngineError::Validation(shared).into(),
            }),
            filled => Ok(filled.map(|_| ())?),
        }
    }

    async fn check_values(&mut self, module: &Module, field: &Field, at: &[PathSegment]) -> Result<(), CommitError> {
        let open = with_all_options(field);
        let mut faults = Faults::default();
        let mut last = Value::Null;
        loop {
            let statement = rows::next_values(self.tx.dialect(), &module.table, field, BATCH);
            let found = self.query(&statement, std::slice::from_ref(&last)).await?;
            for row in 0..found.len() {
                let value = value_of_cell(field, found.cell(row, 1));
                let mut issues = Vec::new();
                check_value(&self.planned.catalog, module.id, &open, value, &[], &mut issues);
                if let Some(issue) = issues.into_iter().next() {
                    faults.add(id_of(&found, row), issue.message);
                }
            }
            if found.len() < BATCH {
                break;
            }
            last = found.cell(found.len() - 1, 0).text().and_then(|id| id.parse().ok()).map_or(Value::Null, Value::Id);
        }
        match faults.count {
            0 => Ok(()),
            count => {
                let message = not_allowed(count, module, field);
                Err(EngineError::Validation(faults.told(at, "existingValues", message)).into())
            }
        }
    }

    async fn check_alike(&mut self, module: &str, fields: &[String], at: &[PathSegment]) -> Result<(), CommitError> {
        let Some(module) = self.planned.catalog.module_or_link_named(module) else { return Ok(()) };
        let ids: Option<Vec<FieldId>> =
            fields.iter().map(|field| module.field_named(field).map(|field| field.id)).collect();
        let Some(ids) = ids else { return Ok(()) };
        refuse_alike(&mut self.tx, module, &ids, at).await
    }

    async fn compute_rollup(&mut self, module: &Module, field: &Field) -> Result<(), CommitError> {
        let records = match &mut self.tx {
            // The table may be one that is still to be made.
            Tx::Reading(_) => None,
            Tx::Writing(tx) => Some(compute_all(tx, &self.planned.catalog, module, field).await?),
        };
        let count = records.map(|records| format!("{records} records")).unwrap_or_else(|| "all records".to_owned());
        let message = format!("`{}.{}` is computed for {count}", module.name, field.name);
        self.effects.warnings.push(Issue::new(path![], "computed", message));
        Ok(())
    }

    async fn check_hierarchy(&mut self, module: &Module, field: &Field, at: &[PathSegment]) -> Result<(), CommitError> {
        let count = self.number(&rows::count_misplaced(module, field)).await?;
        if count == 0 {
            return Ok(());
        }
        let message = format!(
            "{count} records of `{}` stand above themselves, or below more than {HIERARCHY_LEVELS_MAX} levels: change their `{}` first",
            module.name, field.name
        );
        let at = [at, &[PathSegment::from("hierarchy")]].concat();
        let mut issues = vec![Issue::new(at.clone(), "existingValues", message)];
        let some = self.query(&rows::some_misplaced(module, field, EXAMPLES_MAX), &[]).await?;
        issues.extend(named(&some, &at, "existingValues", "has no way up to a record at the top"));
        Err(EngineError::Validation(issues).into())
    }

    async fn check_targets(&mut self, module: &Module, field: &Field, at: &[PathSegment]) -> Result<(), CommitError> {
        let Some(reference) = field.reference() else { return Ok(()) };
        let Some(column) = &reference.module_column else { return Ok(()) };
        let name = |target: &ModuleId| Value::Text(self.planned.catalog.module(*target).name.clone());
        let names: Vec<Value> = reference.targets.iter().map(name).collect();
        let dialect = self.tx.dialect();
        let counting = rows::count_led_elsewhere(dialect, module, column, names.len());
        let count = self.query(&counting, &names).await?.first_integer().unwrap_or_default();
        if count == 0 {
            return Ok(());
        }
        let message = format!(
            "{count} records of `{}` lead by `{}` to a module that would not be among its targets, deleted ones included: change them first",
            module.name, field.name
        );
        let mut issues = vec![Issue::new(at.to_vec(), "existingValues", message)];
        let naming = rows::some_led_elsewhere(dialect, module, column, names.len(), EXAMPLES_MAX);
        let some = self.query(&naming, &names).await?;
        issues.extend(named(&some, at, "existingValues", "leads there"));
        Err(EngineError::Validation(issues).into())
    }

    async fn convert(&mut self, conversion: &Conversion) -> Result<(), CommitError> {
        let Some((module, field)) = find(self.planned, &conversion.module, &conversion.field) else { return Ok(()) };
        let (dialect, before) = (self.tx.dialect(), &conversion.before);
        let (made, column, finished) = ddl::convert_column(dialect, module, before, field);
        self.ddl(&made).await?;
        let mut faults = Faults::default();
        let mut last = Value::Null;
        let mut touched = 0_usize;
        loop {
            let statement = rows::next_values(dialect, &module.table, before, BATCH);
            let found = self.query(&statement, std::slice::from_ref(&last)).await?;
            let mut written = Vec::with_capacity(found.len());
            for row in 0..found.len() {
                let value = value_of_cell(before, found.cell(row, 1));
                let new = converted(&self.planned.catalog, module.id, before, field, &value);
                let new = new.unwrap_or_else(|message| {
                    faults.add(id_of(&found, row), message);
                    Value::Null
                });
                let id = id_of(&found, row).parse().map_err(|_| EngineError::Internal)?;
                written.push(vec![new, Value::Id(id)]);
                last = Value::Id(id);
            }
            touched += found.len();
            match &mut self.tx {
                // On a thread that may wait: a test lets it.
                Tx::Reading(_) => {
                    blocking(|| {
                        pass!("dry.rows");
                    })
                    .await?
                }
                Tx::Writing(_) if written.is_empty() => {}
                Tx::Writing(tx) => {
                    let statement = rows::put_values(dialect, module, field, &column, written.len());
                    tx.execute_rows(&statement, written).await?;
                }
            }
            if found.len() < BATCH {
                break;
            }
        }
        let at = &conversion.at;
        self.effects.rows += i64::try_from(touched).unwrap_or(i64::MAX);
        if faults.count > 0 {
            let count = faults.count;
            if conversion.clears {
                let message = format!("{count} of {touched} values can't be converted, and are cleared");
                self.effects.warnings.extend(faults.told(at, "cleared", message));
            } else {
                let message = not_convertible(&format!("{count} of {touched} values"));
                return Err(EngineError::Validation(faults.told(at, "notConvertible", message)).into());
            }
        } else if touched > 0 {
            let message = format!("{touched} values are converted");
            self.effects.warnings.push(Issue::new(at.clone(), "converted", message));
        }
        self.ddl(&finished).await
    }

    async fn tell_lost_values(&mut self, definition: &ModuleDefinition, field: &str) -> Result<(), CommitError> {
        let Some(retired) = definition.retired_named(field) else { return Ok(()) };
        let table = snake_case(&definition.name);
        let mut most = 0;
        for column in column_names(&retired.field) {
            most = most.max(self.number(&rows::count_values(&table, &column)).await?);
        }
        let message = if retired.field.kind == "references" {
            let mut alone = definition.clone();
            (alone.fields, alone.retired) = (Vec::new().into(), vec![retired.clone()]);
            for table in ddl::link_tables(&alone) {
                most += self.number(&rows::count_rows(&table)).await?;
            }
            format!("{most} links of `{}.{field}` are lost", definition.name)
        } else {
            format!("the values of `{}.{field}` in {most} records are lost", definition.name)
        };
        self.effects.warnings.push(Issue::new(path!["name"], "lost", message));
        self.effects.rows += most;
        Ok(())
    }

    async fn tell_lost_records(&mut self, definition: &ModuleDefinition) -> Result<(), CommitError> {
        let records = self.number(&rows::count_rows(&snake_case(&definition.name))).await?;
        let mut links = 0;
        for table in ddl::link_tables(definition) {
            links += self.number(&rows::count_rows(&table)).await?;
        }
        let message = format!("{records} records of `{}` and {links} links of them are lost", definition.name);
        self.effects.warnings.push(Issue::new(path!["name"], "lost", message));
        self.effects.rows += records + links;
        Ok(())
    }
}

/// Refuses defaults of which each is all that records get where it would have to be unique.
pub(super) async fn refuse_defaults(tx: &mut WriteTx, planned: &Planned) -> Result<(), CommitError> {
    for step in &planned.steps {
        if let Step::Fill { module, field, at, is_new } = step
            && let Some((module, field)) = find(planned, module, field)
        {
            refuse_one_for_all(&mut Tx::Writing(&mut *tx), module, field, at, *is_new).await?;
        }
    }
    Ok(())
}

async fn refuse_one_for_all(
    tx: &mut Tx<'_>,
    module: &Module,
    field: &Field,
    at: &[PathSegment],
    is_new: bool,
) -> Result<(), CommitError> {
    let is_filled = field.required && constant_default(field).is_some();
    if !is_filled || !module.uniques.iter().any(|set| *set == [field.id]) {
        return Ok(());
    }
    let missing = rows::count_live_missing(module, &[field], is_new);
    let missing = tx.query(&missing, &[]).await?.first_integer().unwrap_or_default();
    if missing > 1 { Err(one_default_for_all(at)) } else { Ok(()) }
}

fn one_default_for_all(at: &[PathSegment]) -> CommitError {
    let message = "the records that are there would all get the default, which is unique; leave out `unique`, `required` or `default`";
    let place = [at, &[PathSegment::from("unique")]].concat();
    EngineError::Validation(vec![Issue::new(place, "unique", message)]).into()
}

fn named<'r>(
    found: &'r RowSet,
    at: &'r [PathSegment],
    rule: &'r str,
    what: &'r str,
) -> impl Iterator<Item = Issue> + 'r {
    (0..found.len()).map(move |row| Issue::new(at.to_vec(), rule, format!("record {} {what}", id_of(found, row))))
}

fn id_of(found: &RowSet, row: usize) -> &str {
    match found.cell(row, 0) {
        cardine_store::Cell::Text(text) => text,
        _ => "",
    }
}

/// The fields that hold the values of `field`: its parts, or itself.
pub(super) fn parts_of<'a>(module: &'a Module, field: &'a Field) -> impl Iterator<Item = &'a Field> {
    let (parts, itself) = match field.group() {
        Some(group) => (group.parts.as_slice(), None),
        None => (&[][..], Some(field)),
    };
    parts.iter().map(|part| module.field(*part)).chain(itself)
}

/// The default that records get when a required field is added; where none is required, no value is truer to what was.
pub(super) fn constant_default(field: &Field) -> Option<&Value> {
    match field.default.as_deref() {
        Some(FieldDefault::Value(value)) if !value.is_null() => Some(value),
        _ => None,
    }
}
