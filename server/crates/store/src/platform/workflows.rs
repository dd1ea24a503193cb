//! Workflows and their runs: definitions, the queue with its leases, and the log of steps.

use cardine_failpoints::pass;
use cardine_model::Value;
use cardine_sql::{ColumnType, Dialect};
use chrono::{DateTime, Utc};
use serde_json::Value as Json;
use uuid::Uuid;

use super::{insert_rows, optional_text, portable};
use crate::{Bindings, Cell, ReadTx, RowSet, StoreError, WriteTx};

/// A saved workflow.
#[derive(Debug, Clone)]
pub struct WorkflowRow {
    /// Its id.
    pub id: Uuid,
    /// Its name.
    pub name: String,
    /// Its document.
    pub definition: Json,
    /// Whether it starts runs.
    pub active: bool,
    /// Counts its saves.
    pub version: i64,
    /// Who saved it last.
    pub author: Option<Uuid>,
}

/// A run to be queued.
#[derive(Debug, Clone)]
pub struct NewRun {
    /// The workflow.
    pub workflow: Uuid,
    /// What caused it and what its steps gave.
    pub state: Json,
}

/// A run that this process has leased.
#[derive(Debug, Clone)]
pub struct LeasedRun {
    /// Its id.
    pub id: Uuid,
    /// The workflow.
    pub workflow: Uuid,
    /// The record that it is about.
    pub record: Option<Uuid>,
    /// The next step's position.
    pub step: usize,
    /// What caused it and what its steps gave.
    pub state: Json,
    /// How often the step was begun, this time included.
    pub attempts: i64,
    /// Shows that the lease is still ours.
    pub token: Uuid,
}

/// A run for people.
#[derive(Debug, Clone)]
pub struct RunRow {
    /// Its id.
    pub id: Uuid,
    /// The workflow's name.
    pub workflow: String,
    /// The record that it is about.
    pub record: Option<Uuid>,
    /// `QUEUED`, `RUNNING`, `DONE`, `FAILED`.
    pub status: String,
    /// How often its step was begun.
    pub attempts: i64,
    /// Why it failed, or waits to be tried again.
    pub error: Option<String>,
    /// When it was queued.
    pub created_at: String,
    /// When it ended.
    pub finished_at: Option<String>,
}

/// A step's log entry.
#[derive(Debug)]
pub struct StepLog<'a> {
    /// The run.
    pub run: Uuid,
    /// The step's id.
    pub step: &'a str,
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
    /// When it began.
    pub started_at: DateTime<Utc>,
    /// When it ended.
    pub finished_at: DateTime<Utc>,
}

/// All workflows, by name.
pub async fn load_workflows(tx: &mut ReadTx) -> Result<Vec<WorkflowRow>, StoreError> {
    let columns =
        [ColumnType::Id, ColumnType::Text, ColumnType::Text, ColumnType::Boolean, ColumnType::Integer, ColumnType::Id];
    let text = r#"SELECT "id", "name", "definition", "active", "version", "author_id" FROM "workflow" ORDER BY "name""#;
    let rows = tx.query(&portable(tx.dialect(), text, 0, &columns), &Bindings::default()).await?;
    (0..rows.len())
        .map(|row| {
            Ok(WorkflowRow {
                id: required_id(&rows, row, 0)?,
                name: text_of(rows.cell(row, 1)).unwrap_or_default(),
                definition: json_of(rows.cell(row, 2))?,
                active: rows.cell(row, 3).boolean().unwrap_or_default(),
                version: rows.cell(row, 4).integer().unwrap_or_default(),
                author: id_of(rows.cell(row, 5)),
            })
        })
        .collect()
}

/// Saves a workflow under its name: a new one, or the next version of the one that has it.
pub async fn save_workflow(
    tx: &mut WriteTx,
    name: &str,
    definition: &Json,
    active: bool,
    author: Option<Uuid>,
    now: DateTime<Utc>,
) -> Result<Uuid, StoreError> {
    let text = r#"INSERT INTO "workflow" ("id", "name", "definition", "active", "version", "author_id", "created_at", "updated_at")
        VALUES ($1::uuid, $2::text, $3::text, $4::boolean, 1, $5::uuid, $6::timestamptz, $6::timestamptz)
        ON CONFLICT ("name") DO UPDATE SET "definition" = $3::text, "active" = $4::boolean, "version" = "workflow"."version" + 1,
        "author_id" = $5::uuid, "updated_at" = $6::timestamptz RETURNING "id""#;
    let values = [
        Value::Id(Uuid::now_v7()),
        Value::Text(name.to_owned()),
        Value::Text(definition.to_string()),
        Value::Boolean(active),
        author.map_or(Value::Null, Value::Id),
        Value::DateTime(now),
    ];
    let statement = portable(tx.dialect(), text, values.len(), &[ColumnType::Id]);
    let rows = tx.query(&statement, &bound(&values)).await?;
    if rows.is_empty() { Err(StoreError::corrupt("a saved workflow without an id")) } else { required_id(&rows, 0, 0) }
}

/// Queues runs, each with the event's number and the record; one that is queued already for the same event stays as it is.
pub async fn queue_runs(tx: &mut WriteTx, runs: &[(i64, Uuid, NewRun)], now: DateTime<Utc>) -> Result<(), StoreError> {
    const COLUMNS: [(&str, &str); 8] = [
        ("id", "uuid"),
        ("workflow_id", "uuid"),
        ("event_seq", "bigint"),
        ("record_id", "uuid"),
        ("status", "text"),
        ("state", "text"),
        ("run_at", "timestamptz"),
        ("created_at", "timestamptz"),
    ];
    let values = |(event, record, run): &(i64, Uuid, NewRun)| {
        vec![
            Value::Id(Uuid::now_v7()),
            Value::Id(run.workflow),
            Value::Integer(*event),
            Value::Id(*record),
            Value::Text("QUEUED".to_owned()),
            Value::Text(run.state.to_string()),
            Value::DateTime(now),
            Value::DateTime(now),
        ]
    };
    if runs.is_empty() {
        return Ok(());
    }
    pass!("write.runs");
    let once = r#"ON CONFLICT ("workflow_id", "event_seq") DO NOTHING"#;
    let statement = insert_rows(tx.dialect(), "workflow_run", &COLUMNS, runs.len(), once, &[]);
    tx.execute_rows(&statement, runs.iter().map(values).collect()).await.map(|_| ())
}

/// Leases due runs until `until`. Of one record's runs only the oldest unfinished one is ever due; runs that another process
/// has leased are passed over, those whose lease ended are taken.
pub async fn lease_runs(
    tx: &mut WriteTx,
    limit: usize,
    now: DateTime<Utc>,
    until: DateTime<Utc>,
) -> Result<Vec<LeasedRun>, StoreError> {
    let skip = match tx.dialect() {
        Dialect::Postgres => " FOR UPDATE OF r SKIP LOCKED",
        Dialect::Sqlite => "",
    };
    let text = format!(
        r#"UPDATE "workflow_run" SET "lease_until" = $2::timestamptz, "lease_token" = $3::uuid, "status" = 'RUNNING',
        "attempts" = "attempts" + 1 WHERE "id" IN (SELECT r."id" FROM "workflow_run" r
            WHERE r."finished_at" IS NULL AND r."run_at" <= $1::timestamptz AND (r."lease_until" IS NULL OR r."lease_until" < $1::timestamptz)
            AND NOT EXISTS (SELECT 1 FROM "workflow_run" e WHERE e."record_id" = r."record_id" AND e."finished_at" IS NULL
                AND (e."event_seq" < r."event_seq" OR (e."event_seq" = r."event_seq" AND e."id" < r."id")))
            ORDER BY r."run_at", r."event_seq" LIMIT {limit}{skip})
        RETURNING "id", "workflow_id", "record_id", "step", "state", "attempts""#
    );
    let token = Uuid::new_v4();
    let values = [Value::DateTime(now), Value::DateTime(until), Value::Id(token)];
    let columns =
        [ColumnType::Id, ColumnType::Id, ColumnType::Id, ColumnType::Integer, ColumnType::Text, ColumnType::Integer];
    let rows = tx.query(&portable(tx.dialect(), &text, values.len(), &columns), &bound(&values)).await?;
    (0..rows.len())
        .map(|row| {
            Ok(LeasedRun {
                id: required_id(&rows, row, 0)?,
                workflow: required_id(&rows, row, 1)?,
                record: id_of(rows.cell(row, 2)),
                step: rows.cell(row, 3).integer().and_then(|step| usize::try_from(step).ok()).unwrap_or_default(),
                state: json_of(rows.cell(row, 4))?,
                attempts: rows.cell(row, 5).integer().unwrap_or_default(),
                token,
            })
        })
        .collect()
}

/// Keeps a run until `until`. False if the lease is not ours any more.
pub async fn renew_lease(tx: &mut WriteTx, run: &LeasedRun, until: DateTime<Utc>) -> Result<bool, StoreError> {
    let text = r#"UPDATE "workflow_run" SET "lease_until" = $3::timestamptz
        WHERE "id" = $1::uuid AND "lease_token" = $2::uuid AND "finished_at" IS NULL"#;
    changed_one(tx, text, &[Value::Id(run.id), Value::Id(run.token), Value::DateTime(until)]).await
}

/// Ends all leases: for a process that has the database to itself, whose predecessor can't go on.
pub async fn end_leases(tx: &mut WriteTx) -> Result<(), StoreError> {
    let text = r#"UPDATE "workflow_run" SET "lease_until" = NULL, "lease_token" = NULL
        WHERE "lease_token" IS NOT NULL AND "finished_at" IS NULL"#;
    tx.execute(&portable(tx.dialect(), text, 0, &[]), &bound(&[])).await.map(|_| ())
}

/// Records what a step gave and goes on to the next. False if the lease is not ours any more: then nothing may be committed.
pub async fn advance_run(tx: &mut WriteTx, run: &LeasedRun, step: usize, state: &Json) -> Result<bool, StoreError> {
    let text = r#"UPDATE "workflow_run" SET "step" = $3::integer, "state" = $4::text, "attempts" = 1, "error" = NULL
        WHERE "id" = $1::uuid AND "lease_token" = $2::uuid AND "finished_at" IS NULL"#;
    let values = [
        Value::Id(run.id),
        Value::Id(run.token),
        Value::Integer(i64::try_from(step).unwrap_or(i64::MAX)),
        Value::Text(state.to_string()),
    ];
    changed_one(tx, text, &values).await
}

/// Ends a run as `DONE` or `FAILED`. False if the lease is not ours any more.
pub async fn finish_run(
    tx: &mut WriteTx,
    run: &LeasedRun,
    status: &str,
    error: Option<&str>,
    now: DateTime<Utc>,
) -> Result<bool, StoreError> {
    let text = r#"UPDATE "workflow_run" SET "status" = $3::text, "error" = $4::text, "finished_at" = $5::timestamptz,
        "lease_until" = NULL, "lease_token" = NULL WHERE "id" = $1::uuid AND "lease_token" = $2::uuid"#;
    let values = [
        Value::Id(run.id),
        Value::Id(run.token),
        Value::Text(status.to_owned()),
        optional_text(error),
        Value::DateTime(now),
    ];
    changed_one(tx, text, &values).await
}

/// Gives a run back to be tried again at `run_at`. False if the lease is not ours any more.
pub async fn postpone_run(
    tx: &mut WriteTx,
    run: &LeasedRun,
    error: &str,
    run_at: DateTime<Utc>,
) -> Result<bool, StoreError> {
    let text = r#"UPDATE "workflow_run" SET "status" = 'QUEUED', "error" = $3::text, "run_at" = $4::timestamptz,
        "lease_until" = NULL, "lease_token" = NULL WHERE "id" = $1::uuid AND "lease_token" = $2::uuid"#;
    let values = [Value::Id(run.id), Value::Id(run.token), Value::Text(error.to_owned()), Value::DateTime(run_at)];
    changed_one(tx, text, &values).await
}

/// Puts a step's end into the log.
pub async fn log_step(tx: &mut WriteTx, log: &StepLog<'_>) -> Result<(), StoreError> {
    let text = r#"INSERT INTO "workflow_step_run" ("run_id", "step", "attempt", "status", "input", "output", "error", "started_at", "finished_at")
        VALUES ($1::uuid, $2::text, $3::integer, $4::text, $5::text, $6::text, $7::text, $8::timestamptz, $9::timestamptz)
        ON CONFLICT ("run_id", "step", "attempt") DO UPDATE SET "status" = $4::text, "output" = $6::text, "error" = $7::text,
        "finished_at" = $9::timestamptz"#;
    let json = |json: Option<&Json>| json.map_or(Value::Null, |json| Value::Text(json.to_string()));
    let values = [
        Value::Id(log.run),
        Value::Text(log.step.to_owned()),
        Value::Integer(log.attempt),
        Value::Text(log.status.to_owned()),
        json(log.input),
        json(log.output),
        optional_text(log.error),
        Value::DateTime(log.started_at),
        Value::DateTime(log.finished_at),
    ];
    tx.execute(&portable(tx.dialect(), text, values.len(), &[]), &bound(&values)).await.map(|_| ())
}

/// The newest runs first, at most `limit`.
pub async fn newest_runs(tx: &mut ReadTx, limit: i64) -> Result<Vec<RunRow>, StoreError> {
    let text = r#"SELECT r."id", w."name", r."record_id", r."status", r."attempts", r."error", r."created_at", r."finished_at"
        FROM "workflow_run" r JOIN "workflow" w ON w."id" = r."workflow_id" ORDER BY r."id" DESC LIMIT $1::bigint"#;
    let columns = [
        ColumnType::Id,
        ColumnType::Text,
        ColumnType::Id,
        ColumnType::Text,
        ColumnType::Integer,
        ColumnType::Text,
        ColumnType::DateTime,
        ColumnType::DateTime,
    ];
    let values = [Value::Integer(limit)];
    let rows = tx.query(&portable(tx.dialect(), text, 1, &columns), &bound(&values)).await?;
    (0..rows.len())
        .map(|row| {
            Ok(RunRow {
                id: required_id(&rows, row, 0)?,
                workflow: text_of(rows.cell(row, 1)).unwrap_or_default(),
                record: id_of(rows.cell(row, 2)),
                status: text_of(rows.cell(row, 3)).unwrap_or_default(),
                attempts: rows.cell(row, 4).integer().unwrap_or_default(),
                error: text_of(rows.cell(row, 5)),
                created_at: text_of(rows.cell(row, 6)).unwrap_or_default(),
                finished_at: text_of(rows.cell(row, 7)),
            })
        })
        .collect()
}

async fn changed_one(tx: &mut WriteTx, text: &str, values: &[Value]) -> Result<bool, StoreError> {
    let changed = tx.execute(&portable(tx.dialect(), text, values.len(), &[]), &bound(values)).await?;
    Ok(changed == 1)
}

fn bound(values: &[Value]) -> Bindings<'_> {
    Bindings { values, ..Bindings::default() }
}

fn required_id(rows: &RowSet, row: usize, column: usize) -> Result<Uuid, StoreError> {
    id_of(rows.cell(row, column)).ok_or_else(|| StoreError::corrupt("a row without an id"))
}

fn id_of(cell: Cell<'_>) -> Option<Uuid> {
    cell.text().and_then(|text| Uuid::try_parse(text).ok())
}

fn text_of(cell: Cell<'_>) -> Option<String> {
    cell.text().map(str::to_owned)
}

fn json_of(cell: Cell<'_>) -> Result<Json, StoreError> {
    let text = cell.text().unwrap_or("null");
    serde_json::from_str(text).map_err(|_| StoreError::corrupt("a JSON column without JSON"))
}
