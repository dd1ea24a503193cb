//! The transaction of a change: version row, definitions, tables, version's history and audit entry.

use std::sync::Arc;
use std::time::Duration;

use cardine_failpoints::pass;
use cardine_model::catalog::{Field, Module};
use cardine_model::{Issue, Value, path};
use cardine_sql::ddl::records;
use cardine_store::platform::events::{NewAudit, insert_audit};
use cardine_store::platform::jobs::{NewJob, insert_job};
use cardine_store::{Bindings, PlatformState, ReadTx, Statement, Store, StoreError, WriteTx};
use chrono::{DateTime, Utc};
use futures_util::FutureExt as _;
use uuid::Uuid;

use super::follow::{Follow, follow};
use super::job::{self, Held};
use super::plan::{Planned, Written, WrittenDefinition};
use super::steps::{self, Effects, Step, parts_of};
use super::tables::{TablesFound, read_columns};
use crate::EngineError;
use crate::events::EventMatcherLoader;
use crate::identity::ChangedBy;

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
    /// What a dry run has written is undone; this is to be told.
    InVain(Vec<Issue>),
    /// A job is another process's now, or is to be undone.
    Lost,
    /// A name that is to be taken was free for too short a time: for so long other processes may mean the old thing by it.
    TooSoon(Duration),
}

/// What became of a plan.
pub(super) struct Committed {
    /// What it has done, or would.
    pub effects: Effects,
    /// Whether rights may be other ones.
    pub touches_rights: bool,
}

/// How a change is made.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Manner {
    /// It is not: it is told what would be.
    Dry,
    /// As [`Self::Dry`], where a job would make it: what takes a copy of all records is left to the job.
    DryOfMany,
    /// In one transaction.
    Whole,
    /// By a job, which has done most of it ahead.
    Ahead(Held),
}

impl Manner {
    /// Whether nothing is changed.
    pub(super) fn is_dry(self) -> bool {
        matches!(self, Self::Dry | Self::DryOfMany)
    }
}

/// Makes the change, or looks what it would do and undoes it.
pub(super) async fn commit(
    store: &Store,
    planned: Arc<Planned>,
    author: Author,
    workflows: Option<Arc<dyn EventMatcherLoader>>,
    manner: Manner,
) -> Result<Committed, CommitError> {
    let touches_rights = touches_rights(&planned);
    if manner.is_dry() {
        let effects = look(store, planned, author, workflows, manner).await?;
        return Ok(Committed { effects, touches_rights });
    }
    let effects = store
        .write(move |tx: &mut WriteTx| {
            let (planned, author, workflows) = (Arc::clone(&planned), author.clone(), workflows.clone());
            async move { commit_in(tx, &planned, &author, workflows.as_deref(), manner).await }.boxed()
        })
        .await?;
    Ok(Committed { effects, touches_rights })
}

/// What the change would do and warn about, or be refused for. Records, of which there may be many, are read on a snapshot: who
/// writes meanwhile waits for nothing.
async fn look(
    store: &Store,
    planned: Arc<Planned>,
    author: Author,
    workflows: Option<Arc<dyn EventMatcherLoader>>,
    manner: Manner,
) -> Result<Effects, CommitError> {
    let of_names = Arc::clone(&planned);
    let looked = store.write(move |tx: &mut WriteTx| {
        let (planned, author, workflows) = (Arc::clone(&of_names), author.clone(), workflows.clone());
        let look = async move { look_at_names(tx, &planned, &author, workflows.as_deref()).await };
        async move { look.await.and_then(|told| Err::<(), _>(CommitError::InVain(told))) }.boxed()
    });
    let told = match looked.await {
        Ok(()) => Vec::new(),
        Err(CommitError::InVain(told)) => told,
        Err(error) => return Err(error),
    };
    let looked = store.read(move |tx: &mut ReadTx| {
        async move {
            refuse_overtaken(&planned, tx.state().await?)?;
            steps::look(tx, &planned, manner).await
        }
        .boxed()
    });
    let mut effects = looked.await?;
    effects.warnings.extend(told);
    Ok(effects)
}

/// Refuses a plan that was made on another version.
fn refuse_overtaken(planned: &Planned, state: PlatformState) -> Result<(), CommitError> {
    let next = u64::try_from(state.catalog_version).ok().map(|version| version + 1);
    let is_overtaken = next != Some(planned.catalog.version) || is_overtaken_by_rights(planned, state.access_epoch);
    if is_overtaken { Err(CommitError::Overtaken) } else { Ok(()) }
}

/// What follows in the platform's tables.
async fn look_at_names(
    tx: &mut WriteTx,
    planned: &Planned,
    author: &Author,
    workflows: Option<&dyn EventMatcherLoader>,
) -> Result<Vec<Issue>, CommitError> {
    refuse_overtaken(planned, tx.state().await?)?;
    job::refuse_held(tx, planned, None).await?;
    look_at_tables(tx, planned).await?;
    // Undone in the end: what follows from what goes is looked at beside the rights that there will be.
    write_access(tx, planned, author).await?;
    follow(tx, planned, workflows, true).await
}

/// Has a job make the change; what can be refused at once is.
pub(super) async fn begin_job(
    store: &Store,
    planned: Arc<Planned>,
    workflows: Option<Arc<dyn EventMatcherLoader>>,
    job: NewJob,
) -> Result<(), CommitError> {
    let begun = store.write(move |tx: &mut WriteTx| {
        let (planned, workflows, job) = (Arc::clone(&planned), workflows.clone(), job.clone());
        async move {
            // Two that would change one module come one after the other.
            let state = tx.lock_state().await?;
            if u64::try_from(state.catalog_version).ok().map(|version| version + 1) != Some(planned.catalog.version) {
                return Err(CommitError::Overtaken);
            }
            job::refuse_held(tx, &planned, None).await?;
            look_at_tables(tx, &planned).await?;
            follow(tx, &planned, workflows.as_deref(), true).await?;
            steps::refuse_defaults(tx, &planned).await?;
            Ok(insert_job(tx, &job).await?)
        }
        .boxed()
    });
    begun.await?;
    pass!("job.begun");
    Ok(())
}

async fn commit_in(
    tx: &mut WriteTx,
    planned: &Planned,
    author: &Author,
    workflows: Option<&dyn EventMatcherLoader>,
    manner: Manner,
) -> Result<Effects, CommitError> {
    // The row is locked from here on: of two changes the second waits, and then finds itself overtaken.
    let state = tx.bump_catalog_version().await?;
    let is_next = u64::try_from(state.catalog_version) == Ok(planned.catalog.version);
    if !is_next || is_overtaken_by_rights(planned, state.access_epoch) {
        return Err(CommitError::Overtaken);
    }
    let dialect = tx.dialect();
    let held = match manner {
        Manner::Ahead(held) => Some(held),
        Manner::Dry | Manner::DryOfMany | Manner::Whole => None,
    };
    job::refuse_held(tx, planned, held).await?;
    look_at_tables(tx, planned).await?;
    for written in &planned.definitions {
        write_definition(tx, written, author.now).await?;
    }
    pass!("catalog.definitions");
    write_access(tx, planned, author).await?;
    if let Some(beside) = planned.documents.as_ref().and_then(|part| part.beside.as_ref()) {
        beside.write(tx).await?;
    }
    let told = follow(tx, planned, workflows, false).await?;
    pass!("catalog.follow");
    if touches_rights(planned) {
        tx.bump_access_epoch().await?;
    }
    pass!("catalog.version");
    let version = [
        Value::Integer(state.catalog_version),
        Value::DateTime(author.now),
        author.actor.map_or(Value::Null, Value::Id),
        Value::Text(planned.summary.clone()),
    ];
    execute(tx, &records::insert_version(dialect), &version).await?;
    let audit = NewAudit {
        at: author.now,
        actor: author.actor,
        on_behalf_of: None,
        via: author.via,
        action: planned.action,
        module: planned.module.as_deref(),
        record: None,
        changes: serde_json::json!({"catalogVersion": state.catalog_version, "summary": planned.summary})
            .to_string()
            .into(),
        request: author.request,
    };
    insert_audit(tx, &audit).await?;
    // Last: from the first statement on that changes a table, whoever uses the table waits for the end.
    let mut effects = match held {
        None => steps::run(tx, planned).await?,
        Some(_) => steps::finish(tx, planned).await?,
    };
    effects.warnings.extend(told);
    if let Some(held) = held {
        // Its row is the lease, which is kept alive while tables are changed.
        job::end_with(tx, held, state.catalog_version).await?;
    }
    pass!("catalog.before_commit");
    Ok(effects)
}

/// Whether rights are other ones afterwards, or workflows, which each process loads with them.
fn touches_rights(planned: &Planned) -> bool {
    let by_documents =
        planned.documents.as_ref().is_some_and(|part| !part.access.writes.is_empty() || part.beside.is_some());
    by_documents || planned.follow.as_ref().is_some_and(Follow::touches_rights)
}

/// Whether rights were changed since documents were compared with them.
fn is_overtaken_by_rights(planned: &Planned, epoch: i64) -> bool {
    planned.documents.as_ref().is_some_and(|part| part.access.epoch != epoch)
}

async fn write_access(tx: &mut WriteTx, planned: &Planned, author: &Author) -> Result<(), CommitError> {
    let Some(part) = &planned.documents else { return Ok(()) };
    let by = ChangedBy { actor: author.actor, via: author.via, request: author.request, at: author.now };
    Ok(part.access.write(tx, &by).await?)
}

async fn write_definition(tx: &mut WriteTx, written: &WrittenDefinition, now: DateTime<Utc>) -> Result<(), StoreError> {
    let dialect = tx.dialect();
    let document = serde_json::to_string(&written.definition).expect("a definition is a JSON document");
    let (name, document) = (Value::Text(written.definition.name.clone()), Value::Text(document));
    match &written.how {
        Written::New => execute(tx, &records::insert_definition(dialect), &[name, document]).await,
        Written::Instead => execute(tx, &records::update_definition(dialect), &[document, name]).await,
        Written::InsteadOf(old) => {
            execute(tx, &records::rename_definition(dialect), &[name, document, Value::Text(old.clone())]).await
        }
        Written::Retired => execute(tx, &records::retire_definition(dialect), &[Value::DateTime(now), name]).await,
        Written::Restored => execute(tx, &records::retire_definition(dialect), &[Value::Null, name]).await,
        Written::Purged => execute(tx, &records::delete_definition(dialect), &[name]).await,
    }
}

async fn execute(tx: &mut WriteTx, statement: &Statement, values: &[Value]) -> Result<(), StoreError> {
    tx.execute(statement, &Bindings { values, ..Bindings::default() }).await.map(|_| ())
}

/// Looks for what is in the way of new tables and columns. Only at the tables concerned: a database with all of a large catalog's
/// is slow to tell their columns.
async fn look_at_tables(tx: &mut WriteTx, planned: &Planned) -> Result<(), CommitError> {
    let new = planned.definitions.iter().filter(|written| written.how == Written::New);
    let new = new.filter_map(|written| planned.catalog.module_by_name(&written.definition.name));
    let tables = new.chain(new_fields(planned).map(|(module, _)| module)).map(|module| module.table.clone());
    let tables: Vec<Value> = tables.map(Value::Text).collect();
    if tables.is_empty() {
        return Ok(());
    }
    let statement = records::select_columns_of_tables(tx.dialect(), tables.len());
    let found = tx.query(&statement, &Bindings { values: &tables, ..Bindings::default() }).await?;
    Ok(refuse_what_exists(planned, &read_columns(found))?)
}

/// The fields that are added to modules that may have records.
fn new_fields(planned: &Planned) -> impl Iterator<Item = (&Module, &Field)> {
    planned.steps.iter().filter_map(|step| match step {
        Step::Fill { module, field, is_new: true, .. } => {
            let module = planned.catalog.module_or_link_named(module)?;
            Some((module, module.field_named(field)?))
        }
        _ => None,
    })
}

/// Tells what somebody else has made, where the database's own words would be no help.
fn refuse_what_exists(planned: &Planned, found: &TablesFound) -> Result<(), EngineError> {
    let mut issues = Vec::new();
    for written in planned.definitions.iter().filter(|written| written.how == Written::New) {
        let module = planned.catalog.module_by_name(&written.definition.name);
        if let Some(module) = module.filter(|module| found.contains_key(&module.table)) {
            let message = format!(
                "the database has a table `{}` already that belongs to no module: rename or drop it, or choose another name than `{}`",
                module.table, module.name
            );
            issues.push(Issue::new(path!["definition", "name"], "nameTaken", message));
        }
    }
    let added = new_fields(planned).flat_map(|(module, field)| {
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
