//! The transaction of a change: version row, definitions, tables, version's history and audit entry.

use std::sync::Arc;

use cardine_failpoints::pass;
use cardine_model::catalog::{Default as FieldDefault, Field, Module};
use cardine_model::{Issue, Value, path};
use cardine_sql::ddl::records;
use cardine_store::platform::events::{NewAudit, insert_audit};
use cardine_store::{Bindings, ReadTx, RowSet, Statement, Store, StoreError, WriteTx};
use chrono::{DateTime, Utc};
use futures_util::FutureExt as _;
use uuid::Uuid;

use super::plan::Planned;
use super::tables::{TablesFound, read_columns};
use crate::EngineError;
use crate::check::check_value;

/// In whose name a change is made.
#[derive(Debug, Clone)]
pub(super) struct Author {
    /// The user; none for the system.
    pub actor: Option<Uuid>,
    /// Through what.
    pub via: &'static str,
    /// The request.
    pub request: Uuid,
    /// When.
    pub now: DateTime<Utc>,
}

/// Why a change was not made.
#[derive(Debug)]
pub(super) enum CommitError {
    /// The catalog is not any more what the plan was made on.
    Overtaken,
    /// The database.
    Store(StoreError),
    /// What is to be told as it is.
    Engine(EngineError),
}

/// Makes the change, and gives its warnings.
pub(super) async fn commit(store: &Store, planned: Arc<Planned>, author: Author) -> Result<Vec<Issue>, CommitError> {
    store
        .write(move |tx: &mut WriteTx| {
            let (planned, author) = (Arc::clone(&planned), author.clone());
            async move { commit_in(tx, &planned, &author).await }.boxed()
        })
        .await
}

/// What the change would warn about, if it were made on the version that `expected` says.
pub(super) async fn inspect(store: &Store, planned: &Arc<Planned>, expected: u64) -> Result<Vec<Issue>, CommitError> {
    let planned = Arc::clone(planned);
    store
        .read(move |tx: &mut ReadTx| {
            async move {
                if u64::try_from(tx.state().await?.catalog_version) != Ok(expected) {
                    return Err(CommitError::Overtaken);
                }
                let tables = tables_of(&planned);
                if !tables.is_empty() {
                    let statement = records::select_columns_of_tables(tx.dialect(), tables.len());
                    let found = tx.query(&statement, &Bindings { values: &tables, ..Bindings::default() }).await?;
                    refuse_what_exists(&planned, &read_columns(found))?;
                }
                let Some((module, field)) = added_field(&planned) else {
                    return Ok(Vec::new());
                };
                let rows = tx.query(&records::select_has_records(module), &Bindings::default()).await?;
                refuse_missing_values(module, field, has_records(&rows))?;
                Ok(Vec::new())
            }
            .boxed()
        })
        .await
}

async fn commit_in(tx: &mut WriteTx, planned: &Planned, author: &Author) -> Result<Vec<Issue>, CommitError> {
    // The row is locked from here on: of two changes the second waits, and then finds itself overtaken.
    let state = tx.bump_catalog_version().await?;
    if u64::try_from(state.catalog_version) != Ok(planned.catalog.version) {
        return Err(CommitError::Overtaken);
    }
    let dialect = tx.dialect();
    let tables = tables_of(planned);
    if !tables.is_empty() {
        let statement = records::select_columns_of_tables(dialect, tables.len());
        let found = tx.query(&statement, &Bindings { values: &tables, ..Bindings::default() }).await?;
        refuse_what_exists(planned, &read_columns(found))?;
    }
    for written in &planned.definitions {
        let document = serde_json::to_string(&written.definition).expect("a definition is a JSON document");
        let (name, document) = (Value::Text(written.definition.name.clone()), Value::Text(document));
        if written.is_new {
            execute(tx, &records::insert_definition(dialect), &[name, document]).await?;
        } else {
            execute(tx, &records::update_definition(dialect), &[document, name]).await?;
        }
    }
    pass!("catalog.definitions");
    // One after the other, so that a test can end the server between any two.
    for statement in &planned.statements {
        tx.run_ddl(statement).await?;
        pass!("catalog.statement");
    }
    let warnings = fill(tx, planned).await?;
    let version = [
        Value::Integer(state.catalog_version),
        Value::DateTime(author.now),
        author.actor.map_or(Value::Null, Value::Id),
        Value::Text(planned.summary.clone()),
    ];
    pass!("catalog.version");
    execute(tx, &records::insert_version(dialect), &version).await?;
    let audit = NewAudit {
        at: author.now,
        actor: author.actor,
        on_behalf_of: None,
        via: author.via,
        action: planned.action,
        module: planned.module.as_deref(),
        record: None,
        changes: serde_json::json!({"catalogVersion": state.catalog_version, "summary": planned.summary}),
        request: author.request,
    };
    insert_audit(tx, &audit).await?;
    pass!("catalog.before_commit");
    Ok(warnings)
}

/// Gives the records of a module a new required field's default, so that they have a value where none may be missing.
async fn fill(tx: &mut WriteTx, planned: &Planned) -> Result<Vec<Issue>, CommitError> {
    let Some((module, field)) = added_field(planned) else {
        return Ok(Vec::new());
    };
    let rows = tx.query(&records::select_has_records(module), &Bindings::default()).await?;
    let has_records = has_records(&rows);
    for part in parts_of(module, field) {
        let (Some(value), true, true) = (constant_default(part), field.required, has_records) else { continue };
        let Some(statement) = records::fill_column(tx.dialect(), module, part) else { continue };
        // As one that a caller gives: an address in its one form, rich text without what could run.
        let value = check_value(&planned.catalog, module.id, part, value.clone(), &["field".into()], &mut Vec::new());
        let filled =
            tx.execute(&statement, &Bindings { values: std::slice::from_ref(&value), ..Bindings::default() }).await;
        if let Err(StoreError::UniqueViolation { .. }) = &filled {
            let message = "the records that are there would all get the default, which is unique; leave out `unique`, `required` or `default`";
            return Err(EngineError::Validation(vec![Issue::new(path!["field", "unique"], "unique", message)]).into());
        }
        filled?;
    }
    refuse_missing_values(module, field, has_records)?;
    Ok(Vec::new())
}

async fn execute(tx: &mut WriteTx, statement: &Statement, values: &[Value]) -> Result<(), StoreError> {
    tx.execute(statement, &Bindings { values, ..Bindings::default() }).await.map(|_| ())
}

/// The tables that [`refuse_what_exists`] looks at: a database with all of a large catalog's is slow to tell their columns.
fn tables_of(planned: &Planned) -> Vec<Value> {
    let new = planned.definitions.iter().filter(|written| written.is_new);
    let new = new.filter_map(|written| planned.catalog.module_by_name(&written.definition.name));
    let tables = new.chain(added_field(planned).map(|(module, _)| module)).map(|module| module.table.clone());
    tables.map(Value::Text).collect()
}

/// Tells what somebody else has made, where the database's own words would be no help.
fn refuse_what_exists(planned: &Planned, found: &TablesFound) -> Result<(), EngineError> {
    let mut issues = Vec::new();
    for written in planned.definitions.iter().filter(|written| written.is_new) {
        let module = planned.catalog.module_by_name(&written.definition.name);
        if let Some(module) = module.filter(|module| found.contains_key(&module.table)) {
            let message = format!(
                "the database has a table `{}` already that belongs to no module: rename or drop it, or choose another name than `{}`",
                module.table, module.name
            );
            issues.push(Issue::new(path!["definition", "name"], "nameTaken", message));
        }
    }
    let added = added_field(planned).into_iter().flat_map(|(module, field)| {
        parts_of(module, field).filter_map(move |part| Some((module, part.column.as_ref()?)))
    });
    for (module, column) in added {
        if !found.get(&module.table).is_some_and(|columns| columns.iter().any(|found| found.name == *column)) {
            continue;
        }
        let message = format!(
            "the table `{}` has a column `{column}` already that belongs to no field: rename or drop it, or choose another name",
            module.table
        );
        issues.push(Issue::new(path!["field", "name"], "nameTaken", message));
    }
    match issues.first() {
        None => Ok(()),
        Some(first) => Err(EngineError::Conflict { message: first.message.clone(), issues }),
    }
}

fn added_field(planned: &Planned) -> Option<(&Module, &Field)> {
    let (module, field) = planned.added.as_ref()?;
    let module = planned.catalog.module_by_name(module)?;
    Some((module, module.field(*field)))
}

/// A required field is never null in answers, so records that are there must get a value with the field.
fn refuse_missing_values(module: &Module, field: &Field, has_records: bool) -> Result<(), EngineError> {
    let has_default = parts_of(module, field).any(|part| constant_default(part).is_some());
    if !field.required || field.is_derived() || !has_records || has_default {
        return Ok(());
    }
    let message = format!(
        "`{}` has records, which would have no value in `{}` although it is required: give it a constant `default` that fills them, or leave out `required`",
        module.name, field.name
    );
    Err(EngineError::Validation(vec![Issue::new(path!["field", "required"], "required", message)]))
}

/// The fields that hold the values of `field`: its parts, or itself.
fn parts_of<'a>(module: &'a Module, field: &'a Field) -> impl Iterator<Item = &'a Field> {
    let (parts, itself) = match field.group() {
        Some(group) => (group.parts.as_slice(), None),
        None => (&[][..], Some(field)),
    };
    parts.iter().map(|part| module.field(*part)).chain(itself)
}

/// The default that records get when a required field is added; where none is required, no value is truer to what was.
fn constant_default(field: &Field) -> Option<&Value> {
    match field.default.as_deref() {
        Some(FieldDefault::Value(value)) if !value.is_null() => Some(value),
        _ => None,
    }
}

fn has_records(rows: &RowSet) -> bool {
    !rows.is_empty() && rows.cell(0, 0).boolean() == Some(true)
}
