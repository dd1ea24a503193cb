//! Workflows and their runs: definitions with their versions, the queue with its leases, and the log of steps.

use cardine_failpoints::pass;
use cardine_model::Value;
use cardine_sql::{ColumnType, Dialect};
use chrono::{DateTime, Utc};
use serde_json::Value as Json;
use uuid::Uuid;

use super::{insert_rows, optional_text, portable};
use crate::{Bindings, Cell, ReadTx, RowSet, StoreError, WriteTx};

/// A saved workflow, as it is in force.
#[derive(Debug, Clone)]
pub struct WorkflowRow {
    /// Its id.
    pub id: Uuid,
    /// Its name.
    pub name: String,
    /// Its document.
    pub definition: Json,
    /// `DRAFT`, `ACTIVE`, `PAUSED`.
    pub status: String,
    /// Counts its saves.
    pub version: i64,
    /// Who saved it last.
    pub author: Option<Uuid>,
}

/// A version of a workflow.
#[derive(Debug, Clone)]
pub struct VersionRow {
    /// Its document.
    pub definition: Json,
    /// Who saved it.
    pub author: Option<Uuid>,
}

/// A run to be queued.
#[derive(Debug, Clone)]
pub struct NewRun {
    /// The workflow.
    pub workflow: Uuid,
    /// Its version.
    pub version: i64,
    /// What caused it and what its steps gave.
    pub state: Json,
    /// The run whose write caused it.
    pub cause: Option<Uuid>,
    /// How many causes came before it.
    pub depth: u32,
}

/// A run that this process has leased.
#[derive(Debug, Clone)]
pub struct LeasedRun {
    /// Its id.
    pub id: Uuid,
    /// The workflow.
    pub workflow: Uuid,
    /// The version that it began with.
    pub version: i64,
    /// The record that it is about.
    pub record: Option<Uuid>,
    /// The next step's position.
    pub step: usize,
    /// What caused it and what its steps gave.
    pub state: Json,
    /// The loops that it is in.
    pub loops: Json,
    /// How many steps it has done.
    pub steps_done: i64,
    /// How often the step was begun, this time included.
    pub attempts: i64,
    /// Shows that the lease is still ours.
    pub token: Uuid,
    /// Until when it was leased.
    pub until: DateTime<Utc>,
}

/// How far a run has come.
#[derive(Debug)]
pub struct Advance<'a> {
    /// The next step's position.
    pub step: usize,
    /// What its steps gave, where that has changed.
    pub state: Option<&'a Json>,
    /// The loops that it is in.
    pub loops: &'a Json,
    /// How many steps it has done.
    pub steps_done: i64,
    /// What becomes of it now.
    pub then: Then,
}

/// What becomes of a run after a step.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Then {
    /// It goes on at once, with the same lease.
    GoOn,
    /// It goes on then, by whoever leases it.
    Wait(DateTime<Utc>),
    /// It has ended well.
    End(DateTime<Utc>),
}

/// Log entries of the steps of one run.
#[derive(Debug)]
pub struct StepLog<'a> {
    /// The run.
    pub run: Uuid,
    /// The step's id.
    pub step: &'a str,
    /// The items of the loops around, such as `3.1`; empty outside of loops.
    pub place: &'a str,
    /// Which attempt, from 1.
    pub attempt: i64,
    /// `DONE`, `SKIPPED`, `FAILED`.
    pub status: &'a str,
    /// What it was given.
    pub input: Option<&'a Json>,
    /// What it gave.
    pub output: Option<&'a Json>,
    /// Why it failed.
    pub error: Option<&'a str>,
    /// What administrators are told of that beside.
    pub failure: Option<&'a Json>,
    /// When it began.
    pub started_at: DateTime<Utc>,
    /// When it ended.
    pub finished_at: DateTime<Utc>,
}

/// All workflows, by name.
pub async fn load_workflows(tx: &mut ReadTx) -> Result<Vec<WorkflowRow>, StoreError> {
    let columns =
        [ColumnType::Id, ColumnType::Text, ColumnType::Text, ColumnType::Text, ColumnType::Integer, ColumnType::Id];
    let text = r#"SELECT "id", "name", "definition", "status", "version", "author_id" FROM "workflow" ORDER BY "name""#;
    let rows = tx.query(&portable(tx.dialect(), text, 0, &columns), &Bindings::default()).await?;
    (0..rows.len())
        .map(|row| {
            Ok(WorkflowRow {
                id: required_id(&rows, row, 0)?,
                name: text_of(rows.cell(row, 1)).unwrap_or_default(),
                definition: json_of(rows.cell(row, 2))?,
                status: text_of(rows.cell(row, 3)).unwrap_or_default(),
                version: rows.cell(row, 4).integer().unwrap_or_default(),
                author: id_of(rows.cell(row, 5)),
            })
        })
        .collect()
}

/// One version of a workflow.
pub async fn load_version(tx: &mut ReadTx, workflow: Uuid, version: i64) -> Result<Option<VersionRow>, StoreError> {
    let text = r#"SELECT "definition", "author_id" FROM "workflow_version" WHERE "workflow_id" = $1::uuid AND "version" = $2::integer"#;
    let values = [Value::Id(workflow), Value::Integer(version)];
    let statement = portable(tx.dialect(), text, values.len(), &[ColumnType::Text, ColumnType::Id]);
    let rows = tx.query(&statement, &bound(&values)).await?;
    if rows.is_empty() {
        return Ok(None);
    }
    Ok(Some(VersionRow { definition: json_of(rows.cell(0, 0))?, author: id_of(rows.cell(0, 1)) }))
}

/// Saves a workflow under its name: a new one, or the next version of the one that has it.
pub async fn save_workflow(
    tx: &mut WriteTx,
    name: &str,
    definition: &Json,
    status: &str,
    author: Option<Uuid>,
    now: DateTime<Utc>,
) -> Result<Uuid, StoreError> {
    let text = r#"INSERT INTO "workflow" ("id", "name", "definition", "status", "version", "author_id", "created_at", "updated_at")
        VALUES ($1::uuid, $2::text, $3::text, $4::text, 1, $5::uuid, $6::timestamptz, $6::timestamptz)
        ON CONFLICT ("name") DO UPDATE SET "definition" = $3::text, "status" = $4::text, "version" = "workflow"."version" + 1,
        "author_id" = $5::uuid, "updated_at" = $6::timestamptz RETURNING "id", "version""#;
    let author = author.map_or(Value::Null, Value::Id);
    let definition = Value::Text(definition.to_string());
    let values = [
        Value::Id(Uuid::now_v7()),
        Value::Text(name.to_owned()),
        definition.clone(),
        Value::Text(status.to_owned()),
        author.clone(),
        Value::DateTime(now),
    ];
    let statement = portable(tx.dialect(), text, values.len(), &[ColumnType::Id, ColumnType::Integer]);
    let rows = tx.query(&statement, &bound(&values)).await?;
    if rows.is_empty() {
        return Err(StoreError::corrupt("a saved workflow without an id"));
    }
    let id = required_id(&rows, 0, 0)?;
    let version = rows.cell(0, 1).integer().unwrap_or_default();
    let text = r#"INSERT INTO "workflow_version" ("workflow_id", "version", "definition", "author_id", "created_at")
        VALUES ($1::uuid, $2::integer, $3::text, $4::uuid, $5::timestamptz)"#;
    let values = [Value::Id(id), Value::Integer(version), definition, author, Value::DateTime(now)];
    tx.execute(&portable(tx.dialect(), text, values.len(), &[]), &bound(&values)).await?;
    Ok(id)
}

/// Where a run comes from.
#[derive(Debug, Clone, Copy)]
pub struct Origin {
    /// The event's number.
    pub event: Option<i64>,
    /// The record that it is about.
    pub record: Option<Uuid>,
    /// The due time of a schedule.
    pub due_at: Option<DateTime<Utc>>,
}

/// The columns of a queued run, and PostgreSQL's types of them.
pub(super) const RUN_COLUMNS: [(&str, &str); 12] = [
    ("id", "uuid"),
    ("workflow_id", "uuid"),
    ("version", "integer"),
    ("event_seq", "bigint"),
    ("record_id", "uuid"),
    ("due_at", "timestamptz"),
    ("status", "text"),
    ("state", "text"),
    ("cause_run_id", "uuid"),
    ("depth", "integer"),
    ("run_at", "timestamptz"),
    ("created_at", "timestamptz"),
];

/// A queued run's values in those columns.
pub(super) fn values_of_run(own: Uuid, origin: &Origin, run: &NewRun, now: DateTime<Utc>) -> Vec<Value> {
    let id = |id: Option<Uuid>| id.map_or(Value::Null, Value::Id);
    vec![
        Value::Id(own),
        Value::Id(run.workflow),
        Value::Integer(run.version),
        origin.event.map_or(Value::Null, Value::Integer),
        id(origin.record),
        origin.due_at.map_or(Value::Null, Value::DateTime),
        Value::Text("QUEUED".to_owned()),
        Value::Text(run.state.to_string()),
        id(run.cause),
        Value::Integer(i64::from(run.depth)),
        Value::DateTime(now),
        Value::DateTime(now),
    ]
}

/// Queues runs; one that is queued already for the same event, or for the same due time, stays as it is.
pub async fn queue_runs(
    tx: &mut WriteTx,
    runs: &[(Origin, NewRun)],
    now: DateTime<Utc>,
) -> Result<Vec<Uuid>, StoreError> {
    if runs.is_empty() {
        return Ok(Vec::new());
    }
    pass!("write.runs");
    let ids: Vec<Uuid> = runs.iter().map(|_| Uuid::now_v7()).collect();
    let rows = runs.iter().zip(&ids).map(|((origin, run), id)| values_of_run(*id, origin, run, now)).collect();
    let statement = insert_rows(tx.dialect(), "workflow_run", &RUN_COLUMNS, runs.len(), "ON CONFLICT DO NOTHING", &[]);
    tx.execute_rows(&statement, rows).await?;
    Ok(ids)
}

/// Up to when a workflow's due times are settled: the last one that was queued, or when it was saved.
pub async fn last_due(tx: &mut ReadTx, workflow: Uuid) -> Result<Option<DateTime<Utc>>, StoreError> {
    let text = r#"SELECT w."updated_at", (SELECT MAX(r."due_at") FROM "workflow_run" r WHERE r."workflow_id" = w."id" AND r."due_at" IS NOT NULL)
        FROM "workflow" w WHERE w."id" = $1::uuid"#;
    let values = [Value::Id(workflow)];
    let statement = portable(tx.dialect(), text, values.len(), &[ColumnType::DateTime, ColumnType::DateTime]);
    let rows = tx.query(&statement, &bound(&values)).await?;
    let instant = |column| rows.cell(0, column).text().and_then(|text| text.parse().ok());
    Ok(if rows.is_empty() { None } else { instant(0).max(instant(1)) })
}

/// Ends as cancelled what a schedule has queued and nobody has begun, where a later time of it is queued too.
pub async fn pass_over_due(tx: &mut WriteTx, workflow: Uuid, now: DateTime<Utc>) -> Result<u64, StoreError> {
    // What was begun has its steps in the log; what a person has tried again without that goes on at another moment than it was queued at.
    let text = r#"UPDATE "workflow_run" SET "status" = 'CANCELLED', "error" = $2::text, "finished_at" = $3::timestamptz
        WHERE "workflow_id" = $1::uuid AND "finished_at" IS NULL AND "attempts" = 0 AND "lease_token" IS NULL AND "record_id" IS NULL
        AND "run_at" = "created_at" AND "due_at" < (SELECT MAX(l."due_at") FROM "workflow_run" l
            WHERE l."workflow_id" = $1::uuid AND l."due_at" IS NOT NULL AND l."record_id" IS NULL)
        AND NOT EXISTS (SELECT 1 FROM "workflow_step_log" s WHERE s."run_id" = "workflow_run"."id")"#;
    let why = Value::Text("a later time came before this one could begin".to_owned());
    let values = [Value::Id(workflow), why, Value::DateTime(now)];
    tx.execute(&portable(tx.dialect(), text, values.len(), &[]), &bound(&values)).await
}

/// Up to when the due times of a workflow's records are settled: the last look that was noted, or when it was saved.
pub async fn last_look(tx: &mut ReadTx, workflow: Uuid) -> Result<Option<DateTime<Utc>>, StoreError> {
    let text = r#"SELECT "updated_at", "looked_at" FROM "workflow" WHERE "id" = $1::uuid"#;
    let values = [Value::Id(workflow)];
    let statement = portable(tx.dialect(), text, values.len(), &[ColumnType::DateTime, ColumnType::DateTime]);
    let rows = tx.query(&statement, &bound(&values)).await?;
    let instant = |column| rows.cell(0, column).text().and_then(|text| text.parse().ok());
    Ok(if rows.is_empty() { None } else { instant(0).max(instant(1)) })
}

/// Notes that records' due times are settled up to an instant.
pub async fn note_look(tx: &mut WriteTx, workflow: Uuid, at: DateTime<Utc>) -> Result<(), StoreError> {
    let text = r#"UPDATE "workflow" SET "looked_at" = $2::timestamptz WHERE "id" = $1::uuid"#;
    let values = [Value::Id(workflow), Value::DateTime(at)];
    tx.execute(&portable(tx.dialect(), text, values.len(), &[]), &bound(&values)).await?;
    Ok(())
}

/// The workflows that have something to do, by their ids, each with the version of the run that is due first. Those that are paused rest.
pub async fn due_workflows(tx: &mut ReadTx, now: DateTime<Utc>) -> Result<Vec<(Uuid, i64)>, StoreError> {
    versions_at(tx, DUE_WORKFLOWS, now).await
}

/// One look into the index for each workflow: as `EXISTS`, it would be joined with all that is due.
const DUE_WORKFLOWS: &str = r#"SELECT d."id", d."version" FROM (SELECT w."id", (SELECT r."version" FROM "workflow_run" r
        WHERE r."workflow_id" = w."id" AND r."finished_at" IS NULL AND r."run_at" <= $1::timestamptz
        AND (r."lease_until" IS NULL OR r."lease_until" < $1::timestamptz) ORDER BY r."run_at" LIMIT 1) AS "version"
        FROM "workflow" w WHERE w."status" <> 'PAUSED') d WHERE d."version" IS NOT NULL ORDER BY d."id""#;

/// The versions of workflows whose runs are under way, in whatever process.
pub async fn leased_versions(tx: &mut ReadTx, now: DateTime<Utc>) -> Result<Vec<(Uuid, i64)>, StoreError> {
    versions_at(tx, LEASED_VERSIONS, now).await
}

const LEASED_VERSIONS: &str =
    r#"SELECT DISTINCT r."workflow_id", r."version" FROM "workflow_run" r WHERE r."lease_until" >= $1::timestamptz"#;

async fn versions_at(tx: &mut ReadTx, text: &str, now: DateTime<Utc>) -> Result<Vec<(Uuid, i64)>, StoreError> {
    let values = [Value::DateTime(now)];
    let statement = portable(tx.dialect(), text, values.len(), &[ColumnType::Id, ColumnType::Integer]);
    let rows = tx.query(&statement, &bound(&values)).await?;
    (0..rows.len())
        .map(|row| Ok((required_id(&rows, row, 0)?, rows.cell(row, 1).integer().unwrap_or_default())))
        .collect()
}

/// Keeps other processes from leasing runs of these workflows until the transaction ends, so that what it then sees of their leases holds.
pub async fn hold_workflows(tx: &mut WriteTx, workflows: &[Uuid]) -> Result<(), StoreError> {
    // SQLite has one writer.
    if workflows.is_empty() || tx.dialect() == Dialect::Sqlite {
        return Ok(());
    }
    // In one order, so that nobody waits in a circle; queueing runs, which refer to the workflow, goes on.
    let text = format!(
        r#"SELECT "id" FROM "workflow" WHERE "id" IN ({}) ORDER BY "id" FOR NO KEY UPDATE"#,
        slots(workflows.len(), 0)
    );
    let values: Vec<Value> = workflows.iter().copied().map(Value::Id).collect();
    tx.query(&portable(tx.dialect(), &text, values.len(), &[ColumnType::Id]), &bound(&values)).await.map(|_| ())
}

/// `$3::uuid, $4::uuid`: two, behind two others.
fn slots(count: usize, behind: usize) -> String {
    (1..=count).map(|slot| format!("${}::uuid", behind + slot)).collect::<Vec<_>>().join(", ")
}

/// Leases due runs of one workflow until `until`. Of one record's runs only the oldest is ever due, save that none waits for one
/// whose step waits; runs that another process has leased are passed over, those whose lease ended are taken.
///
/// Where there are workflows `beside` whose runs it must not run (itself among them, and all of them held by [`hold_workflows`]), at most one is
/// leased, while none of theirs is: its oldest, whatever record it is about, save again that none waits for one whose step waits, nor for one
/// that waits for older runs of its record.
pub async fn lease_runs(
    tx: &mut WriteTx,
    workflow: Uuid,
    limit: usize,
    beside: &[Uuid],
    now: DateTime<Utc>,
    until: DateTime<Utc>,
) -> Result<Vec<LeasedRun>, StoreError> {
    let text = lease_text(tx.dialect(), if beside.is_empty() { limit } else { limit.min(1) }, beside.len());
    let token = Uuid::new_v4();
    let mut values = vec![Value::DateTime(now), Value::DateTime(until), Value::Id(token), Value::Id(workflow)];
    values.extend(beside.iter().copied().map(Value::Id));
    let columns = [
        ColumnType::Id,
        ColumnType::Id,
        ColumnType::Integer,
        ColumnType::Id,
        ColumnType::Integer,
        ColumnType::Text,
        ColumnType::Text,
        ColumnType::Integer,
        ColumnType::Integer,
    ];
    let rows = tx.query(&portable(tx.dialect(), &text, values.len(), &columns), &bound(&values)).await?;
    (0..rows.len())
        .map(|row| {
            Ok(LeasedRun {
                id: required_id(&rows, row, 0)?,
                workflow: required_id(&rows, row, 1)?,
                version: rows.cell(row, 2).integer().unwrap_or_default(),
                record: id_of(rows.cell(row, 3)),
                step: rows.cell(row, 4).integer().and_then(|step| usize::try_from(step).ok()).unwrap_or_default(),
                state: json_of(rows.cell(row, 5))?,
                loops: json_of(rows.cell(row, 6))?,
                steps_done: rows.cell(row, 7).integer().unwrap_or_default(),
                attempts: rows.cell(row, 8).integer().unwrap_or_default(),
                token,
                until,
            })
        })
        .collect()
}

/// The statement of [`lease_runs`], where so many workflows may not run beside this one.
///
/// What is asked of each run stands in a statement of its own that ends at the first row found: it is asked in the order of the index until there
/// are enough, where a join would first look at all that is due.
fn lease_text(dialect: Dialect, limit: usize, beside: usize) -> String {
    let skip = match dialect {
        Dialect::Postgres => " FOR UPDATE OF r SKIP LOCKED",
        Dialect::Sqlite => "",
    };
    let alone = if beside == 0 {
        String::new()
    } else {
        // A run that was cancelled has ended, and who leased it may not know yet: it counts until they give the lease back.
        // The order is that of a record's runs, so that two rules never make two runs wait for each other.
        format!(
            r#"AND (SELECT l."id" FROM "workflow_run" l WHERE l."workflow_id" IN ({}) AND l."lease_until" >= $1::timestamptz LIMIT 1) IS NULL
            AND r."id" = (SELECT o."id" FROM "workflow_run" o WHERE o."workflow_id" = $4::uuid AND o."finished_at" IS NULL
                AND (o."status" <> 'WAITING' OR o."run_at" <= $1::timestamptz) AND {} ORDER BY COALESCE(o."event_seq", 0), o."id" LIMIT 1)"#,
            slots(beside, 4),
            is_first_of_its_record("o")
        )
    };
    format!(
        r#"UPDATE "workflow_run" SET "lease_until" = $2::timestamptz, "lease_token" = $3::uuid, "status" = 'RUNNING',
        "attempts" = "attempts" + 1 WHERE "id" IN (SELECT r."id" FROM "workflow_run" r
            WHERE r."workflow_id" = $4::uuid AND r."finished_at" IS NULL AND r."run_at" <= $1::timestamptz
            AND (r."lease_until" IS NULL OR r."lease_until" < $1::timestamptz)
            AND {}
            {alone}
            ORDER BY r."run_at", r."event_seq", r."id" LIMIT {limit}{skip})
        RETURNING "id", "workflow_id", "version", "record_id", "step", "state", "loops", "steps_done", "attempts""#,
        is_first_of_its_record("r")
    )
}

/// That no older run of its record, of whatever workflow, has still to be done.
fn is_first_of_its_record(run: &str) -> String {
    format!(
        r#"(SELECT e."id" FROM "workflow_run" e WHERE e."record_id" = {run}."record_id" AND e."finished_at" IS NULL
                AND e."status" <> 'WAITING' AND e."event_seq" <= {run}."event_seq" AND (e."event_seq" < {run}."event_seq" OR e."id" < {run}."id")
                ORDER BY e."event_seq", e."id" LIMIT 1) IS NULL"#
    )
}

/// Keeps a run until `until`. False if the lease is not ours any more.
pub async fn renew_lease(tx: &mut WriteTx, run: &LeasedRun, until: DateTime<Utc>) -> Result<bool, StoreError> {
    let text = r#"UPDATE "workflow_run" SET "lease_until" = $3::timestamptz
        WHERE "id" = $1::uuid AND "lease_token" = $2::uuid AND "finished_at" IS NULL"#;
    changed_one(tx, text, &[Value::Id(run.id), Value::Id(run.token), Value::DateTime(until)]).await
}

/// Gives back the lease of a run that ended while it was ours, so that nobody waits until it ends by itself.
pub async fn release_lease(tx: &mut WriteTx, run: &LeasedRun) -> Result<(), StoreError> {
    let text = r#"UPDATE "workflow_run" SET "lease_until" = NULL, "lease_token" = NULL
        WHERE "id" = $1::uuid AND "lease_token" = $2::uuid AND "finished_at" IS NOT NULL"#;
    changed_one(tx, text, &[Value::Id(run.id), Value::Id(run.token)]).await.map(|_| ())
}

/// Ends all leases: for a process that has the database to itself, whose predecessor can't go on.
pub async fn end_leases(tx: &mut WriteTx) -> Result<(), StoreError> {
    let text =
        r#"UPDATE "workflow_run" SET "lease_until" = NULL, "lease_token" = NULL WHERE "lease_until" IS NOT NULL"#;
    tx.execute(&portable(tx.dialect(), text, 0, &[]), &bound(&[])).await.map(|_| ())
}

/// Records how far a run has come. False if the lease is not ours any more, or the row is further than the run as we know it, by a transaction
/// of ours whose end was not heard: then nothing may be committed, and the row is to be read anew.
pub async fn advance_run(tx: &mut WriteTx, run: &LeasedRun, to: &Advance<'_>) -> Result<bool, StoreError> {
    let values = values_of_advance(run, to);
    changed_one(tx, ADVANCE, &values).await
}

/// The same together with the log of the step, on PostgreSQL in one round trip.
pub async fn advance_run_and_log(
    tx: &mut WriteTx,
    run: &LeasedRun,
    to: &Advance<'_>,
    log: &StepLog<'_>,
) -> Result<bool, StoreError> {
    if tx.dialect() == Dialect::Sqlite {
        let advanced = advance_run(tx, run, to).await?;
        if advanced {
            log_step(tx, log).await?;
        }
        return Ok(advanced);
    }
    let mut values = values_of_advance(run, to).to_vec();
    let slots: Vec<String> = (1..).zip(LOG_TYPES).map(|(slot, ty)| format!("${}::{ty}", slot + values.len())).collect();
    values.extend(values_of_log(log));
    let text = format!(
        r#"WITH r AS ({ADVANCE} RETURNING "id"), l AS (INSERT INTO "workflow_step_log" ({LOG_COLUMNS}) SELECT {} FROM r)
        SELECT COUNT(*) FROM r"#,
        slots.join(", ")
    );
    let statement = portable(Dialect::Postgres, &text, values.len(), &[ColumnType::Integer]);
    let advanced = tx.query(&statement, &bound(&values)).await?;
    Ok(advanced.first_integer() == Some(1))
}

const ADVANCE: &str = r#"UPDATE "workflow_run" SET "step" = $3::integer, "state" = COALESCE($4::text, "state"), "loops" = $5::text,
        "steps_done" = $6::integer, "attempts" = $7::integer, "error" = NULL, "status" = $8::text,
        "run_at" = COALESCE($9::timestamptz, "run_at"), "finished_at" = $10::timestamptz,
        "lease_until" = CASE WHEN $8::text = 'RUNNING' THEN "lease_until" END,
        "lease_token" = CASE WHEN $8::text = 'RUNNING' THEN "lease_token" END
        WHERE "id" = $1::uuid AND "lease_token" = $2::uuid AND "finished_at" IS NULL AND "steps_done" = $11::integer"#;

fn values_of_advance(run: &LeasedRun, to: &Advance<'_>) -> [Value; 11] {
    let (attempts, status, run_at, finished_at) = match to.then {
        Then::GoOn => (1, "RUNNING", Value::Null, Value::Null),
        Then::Wait(until) => (0, "WAITING", Value::DateTime(until), Value::Null),
        Then::End(now) => (run.attempts, "DONE", Value::Null, Value::DateTime(now)),
    };
    [
        Value::Id(run.id),
        Value::Id(run.token),
        Value::Integer(i64::try_from(to.step).unwrap_or(i64::MAX)),
        to.state.map_or(Value::Null, |state| Value::Text(state.to_string())),
        Value::Text(to.loops.to_string()),
        Value::Integer(to.steps_done),
        Value::Integer(attempts),
        Value::Text(status.to_owned()),
        run_at,
        finished_at,
        Value::Integer(run.steps_done),
    ]
}

/// Ends a run as failed, at the step that it is at. False as for [`advance_run`].
pub async fn fail_run(tx: &mut WriteTx, run: &LeasedRun, error: &str, now: DateTime<Utc>) -> Result<bool, StoreError> {
    put_down(tx, run, ("FAILED", "finished_at"), error, now).await
}

/// Gives a run back to be tried again at `run_at`. False as for [`advance_run`].
pub async fn postpone_run(
    tx: &mut WriteTx,
    run: &LeasedRun,
    error: &str,
    run_at: DateTime<Utc>,
) -> Result<bool, StoreError> {
    put_down(tx, run, ("QUEUED", "run_at"), error, run_at).await
}

/// Takes the lease from a run whose step did not succeed: what it is then, and the column with the instant of that.
async fn put_down(
    tx: &mut WriteTx,
    run: &LeasedRun,
    (status, column): (&str, &str),
    error: &str,
    at: DateTime<Utc>,
) -> Result<bool, StoreError> {
    let text = format!(
        r#"UPDATE "workflow_run" SET "status" = '{status}', "error" = $3::text, "{column}" = $4::timestamptz,
        "lease_until" = NULL, "lease_token" = NULL
        WHERE "id" = $1::uuid AND "lease_token" = $2::uuid AND "finished_at" IS NULL AND "steps_done" = $5::integer"#
    );
    let values = [
        Value::Id(run.id),
        Value::Id(run.token),
        Value::Text(error.to_owned()),
        Value::DateTime(at),
        Value::Integer(run.steps_done),
    ];
    changed_one(tx, &text, &values).await
}

const LOG_COLUMNS: &str = r#""run_id", "step", "place", "attempt", "status", "input", "output", "error", "failure", "started_at", "finished_at""#;

/// PostgreSQL's types of those columns.
const LOG_TYPES: [&str; 11] =
    ["uuid", "text", "text", "integer", "text", "text", "text", "text", "text", "timestamptz", "timestamptz"];

fn values_of_log(log: &StepLog<'_>) -> [Value; 11] {
    let json = |json: Option<&Json>| json.map_or(Value::Null, |json| Value::Text(json.to_string()));
    [
        Value::Id(log.run),
        Value::Text(log.step.to_owned()),
        Value::Text(log.place.to_owned()),
        Value::Integer(log.attempt),
        Value::Text(log.status.to_owned()),
        json(log.input),
        json(log.output),
        optional_text(log.error),
        json(log.failure),
        Value::DateTime(log.started_at),
        Value::DateTime(log.finished_at),
    ]
}

/// Puts a step's end into the log.
pub async fn log_step(tx: &mut WriteTx, log: &StepLog<'_>) -> Result<(), StoreError> {
    let slots: Vec<String> = (1..).zip(LOG_TYPES).map(|(slot, ty): (usize, _)| format!("${slot}::{ty}")).collect();
    let text = format!(r#"INSERT INTO "workflow_step_log" ({LOG_COLUMNS}) VALUES ({})"#, slots.join(", "));
    let values = values_of_log(log);
    tx.execute(&portable(tx.dialect(), &text, values.len(), &[]), &bound(&values)).await.map(|_| ())
}

pub(super) async fn changed_one(tx: &mut WriteTx, text: &str, values: &[Value]) -> Result<bool, StoreError> {
    let changed = tx.execute(&portable(tx.dialect(), text, values.len(), &[]), &bound(values)).await?;
    Ok(changed == 1)
}

pub(super) fn bound(values: &[Value]) -> Bindings<'_> {
    Bindings { values, ..Bindings::default() }
}

pub(super) fn required_id(rows: &RowSet, row: usize, column: usize) -> Result<Uuid, StoreError> {
    id_of(rows.cell(row, column)).ok_or_else(|| StoreError::corrupt("a row without an id"))
}

pub(super) fn id_of(cell: Cell<'_>) -> Option<Uuid> {
    cell.text().and_then(|text| Uuid::try_parse(text).ok())
}

pub(super) fn text_of(cell: Cell<'_>) -> Option<String> {
    cell.text().map(str::to_owned)
}

pub(super) fn json_of(cell: Cell<'_>) -> Result<Json, StoreError> {
    let text = cell.text().unwrap_or("null");
    serde_json::from_str(text).map_err(|_| StoreError::corrupt("a JSON column without JSON"))
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "in a test a panic is how it fails")]

    use cardine_test_postgres::PostgresDatabase;

    use super::*;
    use crate::{DatabaseUrl, Options, Store};

    const WAITING: usize = 50_000;

    /// A database of each kind with a workflow whose runs are many, each about a record of its own, and one with a single run.
    async fn databases() -> Vec<(Store, Option<tempfile::TempDir>, Option<PostgresDatabase>)> {
        let directory = tempfile::tempdir().unwrap();
        let mut urls = vec![(DatabaseUrl::Sqlite(directory.path().join("test.db")), Some(directory), None)];
        if let Some(postgres) = cardine_test_postgres::database() {
            urls.push((postgres.url().parse().unwrap(), None, Some(postgres)));
        }
        let mut databases = Vec::new();
        for (url, directory, postgres) in urls {
            let store = Store::open(&url, &Options::default()).await.unwrap();
            store.migrate().await.unwrap();
            let (numbers, id) = match store.dialect() {
                Dialect::Sqlite => (
                    "(WITH RECURSIVE r(n) AS (SELECT 1 UNION ALL SELECT n + 1 FROM r WHERE n < {n}) SELECT n FROM r) r",
                    "printf('00000000-0000-7000-8{x}-%012x', {n})",
                ),
                Dialect::Postgres => {
                    ("generate_series(1, {n}) r(n)", "('00000000-0000-7000-8{x}-' || lpad(to_hex({n}), 12, '0'))::uuid")
                }
            };
            let id = |kind: &str, number: &str| id.replace("{x}", kind).replace("{n}", number);
            let at = "'2026-01-01T00:00:00.000Z'";
            let mut text = String::new();
            for (number, count) in [("1", WAITING), ("2", 1)] {
                let numbers = numbers.replace("{n}", &count.to_string());
                let workflow = id("000", number);
                text.push_str(&format!(
                    r#"INSERT INTO "workflow" ("id", "name", "definition", "created_at", "updated_at") VALUES ({workflow}, 'w{number}', '{{}}', {at}, {at});
                    INSERT INTO "workflow_run" ("id", "workflow_id", "event_seq", "record_id", "status", "run_at", "created_at")
                    SELECT {run}, {workflow}, n, {record}, 'QUEUED', {at}, {at} FROM {numbers};"#,
                    run = id(&format!("{number}00"), "n"), record = id(&format!("f0{number}"), "n")
                ));
            }
            let write = store.write(move |tx: &mut WriteTx| {
                let text = text.clone();
                Box::pin(async move { tx.run_ddl(&text).await })
            });
            write.await.unwrap();
            databases.push((store, directory, postgres));
        }
        databases
    }

    /// How many rows of the queue PostgreSQL has read in this transaction.
    async fn rows_read(tx: &mut WriteTx) -> i64 {
        let text = "SELECT seq_tup_read + idx_tup_fetch FROM pg_stat_xact_user_tables WHERE relname = 'workflow_run'";
        let rows = tx.query(&portable(tx.dialect(), text, 0, &[ColumnType::Integer]), &bound(&[])).await.unwrap();
        rows.cell(0, 0).integer().unwrap()
    }

    /// How SQLite goes about it, a line for each table.
    async fn plan(tx: &mut WriteTx, text: &str, values: usize) -> Vec<String> {
        let columns = [ColumnType::Integer, ColumnType::Integer, ColumnType::Integer, ColumnType::Text];
        let statement = portable(tx.dialect(), &format!("EXPLAIN QUERY PLAN {text}"), values, &columns);
        let rows = tx.query(&statement, &bound(&vec![Value::Null; values])).await.unwrap();
        (0..rows.len()).filter_map(|row| text_of(rows.cell(row, 3))).collect()
    }

    #[tokio::test(flavor = "multi_thread")]
    async fn a_long_queue_is_leased_from_its_index_and_delays_no_other() {
        for (store, _directory, _postgres) in databases().await {
            let [many, one] = [1, 2].map(|number| Uuid::from_u128(0x7000_8000_0000_0000_0000 + number));
            let now = Utc::now();
            let read = store.read(move |tx: &mut ReadTx| {
                Box::pin(async move {
                    let found = (due_workflows(tx, now).await?, leased_versions(tx, now).await?);
                    Ok::<_, StoreError>(found)
                })
            });
            assert_eq!(read.await.unwrap(), (vec![(many, 1), (one, 1)], vec![]));
            let write = store.write(move |tx: &mut WriteTx| {
                Box::pin(async move {
                    // Two looks, as if the first one's runs were still under way at the second.
                    let mut leased = lease_runs(tx, many, 12, &[], now, now).await?;
                    leased.extend(lease_runs(tx, many, 4, &[], now - chrono::TimeDelta::seconds(1), now).await?);
                    let mut other = lease_runs(tx, one, 12, &[], now, now).await?;
                    // As if they did a job: one at a time. None of those above is under way any more a second later.
                    let later = now + chrono::TimeDelta::seconds(1);
                    let alone = lease_runs(tx, many, 12, &[many, one], later, later).await?;
                    assert_eq!(alone.len(), 1);
                    other.extend(lease_runs(tx, one, 12, &[many, one], later, later).await?);
                    match tx.dialect() {
                        Dialect::Postgres => {
                            let read = rows_read(tx).await;
                            assert!(read < 500, "{read} rows of {WAITING} were read");
                        }
                        Dialect::Sqlite => {
                            let (due, oldest) = ("workflow_run_due_idx", "workflow_run_oldest_idx");
                            for (text, values, index) in [
                                (DUE_WORKFLOWS.to_owned(), 1, due),
                                (LEASED_VERSIONS.to_owned(), 1, "USING INDEX workflow_run_leased_idx"),
                                (lease_text(Dialect::Sqlite, 12, 0), 4, due),
                                (lease_text(Dialect::Sqlite, 1, 1), 5, oldest),
                                (lease_text(Dialect::Sqlite, 1, 2), 6, "workflow_run_leased_idx"),
                            ] {
                                let plan = plan(tx, &text, values).await;
                                let is_bad = |line: &String| {
                                    let is_small = index != due && line.contains("TEMP B-TREE")
                                        || line.contains("workflow_run_leased_idx");
                                    let reads_all = ["SCAN r", "SCAN e", "SCAN o", "SCAN l", "TEMP B-TREE"];
                                    !is_small && reads_all.iter().any(|all| line.contains(all))
                                };
                                assert!(!plan.iter().any(is_bad), "{plan:#?}");
                                assert!(plan.iter().any(|line| line.contains(index)), "{plan:#?}");
                            }
                        }
                    }
                    Ok::<_, StoreError>((leased, other))
                })
            });
            let (leased, other) = write.await.unwrap();
            let first: Vec<Uuid> =
                (1..=16).map(|number| Uuid::from_u128(0x7000_8100_0000_0000_0000 + number)).collect();
            let mut found: Vec<Uuid> = leased.iter().map(|run| run.id).collect();
            found.sort_unstable();
            assert_eq!(found, first, "the oldest");
            assert_eq!(other.len(), 1);
        }
    }
}
