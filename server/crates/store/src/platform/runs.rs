//! Runs of workflows as administrators see and change them: lists, logs, chains of causes; cancelling, retrying, skipping.

use cardine_model::Value;
use cardine_sql::ColumnType;
use chrono::{DateTime, Utc};
use serde_json::Value as Json;
use uuid::Uuid;

use super::workflows::{bound, changed_one, id_of, json_of, required_id, text_of};
use super::{optional_text, portable};
use crate::{ReadTx, RowSet, StoreError, WriteTx};

/// A run for people.
#[derive(Debug, Clone)]
pub struct RunRow {
    /// Its id.
    pub id: Uuid,
    /// The workflow's name.
    pub workflow: String,
    /// The version that it began with.
    pub version: i64,
    /// The record that it is about.
    pub record: Option<Uuid>,
    /// `QUEUED`, `RUNNING`, `WAITING`, `DONE`, `FAILED`, `CANCELLED`.
    pub status: String,
    /// How often its step was begun.
    pub attempts: i64,
    /// Why it failed, or waits to be tried again.
    pub error: Option<String>,
    /// The run whose write caused it.
    pub cause: Option<Uuid>,
    /// How many causes came before it.
    pub depth: i64,
    /// The due time that started it.
    pub due_at: Option<String>,
    /// When it goes on, or went on last.
    pub run_at: String,
    /// When it was queued.
    pub created_at: String,
    /// When it ended.
    pub finished_at: Option<String>,
}

/// Which runs are meant; what is left out means any.
#[derive(Debug, Clone, Default)]
pub struct RunFilter {
    /// The workflow's name.
    pub workflow: Option<String>,
    /// The status.
    pub status: Option<String>,
    /// The record.
    pub record: Option<Uuid>,
    /// Those that this run's write caused.
    pub cause: Option<Uuid>,
    /// This one.
    pub id: Option<Uuid>,
    /// Only those older than this one.
    pub before: Option<Uuid>,
}

/// One time that a step was begun.
#[derive(Debug, Clone)]
pub struct StepRow {
    /// The step's id.
    pub step: String,
    /// The items of the loops around, such as `3.1`; empty outside of loops.
    pub place: String,
    /// Which attempt, from 1.
    pub attempt: i64,
    /// `DONE`, `SKIPPED`, `FAILED`.
    pub status: String,
    /// What it was given.
    pub input: Option<Json>,
    /// What it gave.
    pub output: Option<Json>,
    /// Why it failed.
    pub error: Option<String>,
    /// What administrators are told of that beside.
    pub failure: Option<Json>,
    /// When it began.
    pub started_at: String,
    /// When it ended.
    pub finished_at: String,
}

/// A run that has ended, for what starts it again.
#[derive(Debug, Clone)]
pub struct EndedRun {
    /// The workflow.
    pub workflow: Uuid,
    /// The version that it began with.
    pub version: i64,
    /// The step's position that it ended at.
    pub step: usize,
    /// `DONE`, `FAILED`, `CANCELLED`.
    pub status: String,
    /// What caused it and what its steps gave.
    pub state: Json,
    /// The loops that it is in.
    pub loops: Json,
}

/// Where an ended run goes on.
#[derive(Debug)]
pub struct GoOn<'a> {
    /// The step's position.
    pub step: usize,
    /// What its steps gave.
    pub state: &'a Json,
    /// The loops that it is in.
    pub loops: &'a Json,
}

/// The newest runs first, at most `limit`.
pub async fn find_runs(tx: &mut ReadTx, filter: &RunFilter, limit: i64) -> Result<Vec<RunRow>, StoreError> {
    let id = |id: Option<Uuid>| id.map_or(Value::Null, Value::Id);
    let mut conditions = Vec::new();
    let mut values = vec![Value::Integer(limit)];
    for (condition, value) in [
        (r#"w."name" = {}::text"#, optional_text(filter.workflow.as_deref())),
        (r#"r."status" = {}::text"#, optional_text(filter.status.as_deref())),
        (r#"r."record_id" = {}::uuid"#, id(filter.record)),
        (r#"r."cause_run_id" = {}::uuid"#, id(filter.cause)),
        (r#"r."id" = {}::uuid"#, id(filter.id)),
        (r#"r."id" < {}::uuid"#, id(filter.before)),
    ] {
        if !value.is_null() {
            values.push(value);
            conditions.push(condition.replace("{}", &format!("${}", values.len())));
        }
    }
    let where_all = if conditions.is_empty() { String::new() } else { format!("WHERE {}", conditions.join(" AND ")) };
    let text = format!(
        r#"SELECT r."id", w."name", r."version", r."record_id", r."status", r."attempts", r."error", r."cause_run_id", r."depth",
        r."run_at", r."created_at", r."finished_at", r."due_at"
        FROM "workflow_run" r JOIN "workflow" w ON w."id" = r."workflow_id" {where_all} ORDER BY r."id" DESC LIMIT $1::bigint"#
    );
    let columns = [
        ColumnType::Id,
        ColumnType::Text,
        ColumnType::Integer,
        ColumnType::Id,
        ColumnType::Text,
        ColumnType::Integer,
        ColumnType::Text,
        ColumnType::Id,
        ColumnType::Integer,
        ColumnType::DateTime,
        ColumnType::DateTime,
        ColumnType::DateTime,
        ColumnType::DateTime,
    ];
    let rows = tx.query(&portable(tx.dialect(), &text, values.len(), &columns), &bound(&values)).await?;
    (0..rows.len()).map(|row| run_row(&rows, row)).collect()
}

fn run_row(rows: &RowSet, row: usize) -> Result<RunRow, StoreError> {
    Ok(RunRow {
        id: required_id(rows, row, 0)?,
        workflow: text_of(rows.cell(row, 1)).unwrap_or_default(),
        version: rows.cell(row, 2).integer().unwrap_or_default(),
        record: id_of(rows.cell(row, 3)),
        status: text_of(rows.cell(row, 4)).unwrap_or_default(),
        attempts: rows.cell(row, 5).integer().unwrap_or_default(),
        error: text_of(rows.cell(row, 6)),
        cause: id_of(rows.cell(row, 7)),
        depth: rows.cell(row, 8).integer().unwrap_or_default(),
        run_at: text_of(rows.cell(row, 9)).unwrap_or_default(),
        created_at: text_of(rows.cell(row, 10)).unwrap_or_default(),
        finished_at: text_of(rows.cell(row, 11)),
        due_at: text_of(rows.cell(row, 12)),
    })
}

/// What a run's steps did, the newest entries in the order in which they were made, at most `limit`.
pub async fn steps_of_run(tx: &mut ReadTx, run: Uuid, limit: i64) -> Result<Vec<StepRow>, StoreError> {
    let text = r#"SELECT "step", "place", "attempt", "status", "input", "output", "error", "failure", "started_at", "finished_at"
        FROM "workflow_step_log" WHERE "run_id" = $1::uuid ORDER BY "seq" DESC LIMIT $2::bigint"#;
    let columns = [
        ColumnType::Text,
        ColumnType::Text,
        ColumnType::Integer,
        ColumnType::Text,
        ColumnType::Text,
        ColumnType::Text,
        ColumnType::Text,
        ColumnType::Text,
        ColumnType::DateTime,
        ColumnType::DateTime,
    ];
    let values = [Value::Id(run), Value::Integer(limit)];
    let rows = tx.query(&portable(tx.dialect(), text, values.len(), &columns), &bound(&values)).await?;
    let json = |row: usize, column: usize| match rows.cell(row, column).text() {
        Some(_) => json_of(rows.cell(row, column)).map(Some),
        None => Ok(None),
    };
    let step = |row: usize| -> Result<StepRow, StoreError> {
        Ok(StepRow {
            step: text_of(rows.cell(row, 0)).unwrap_or_default(),
            place: text_of(rows.cell(row, 1)).unwrap_or_default(),
            attempt: rows.cell(row, 2).integer().unwrap_or_default(),
            status: text_of(rows.cell(row, 3)).unwrap_or_default(),
            input: json(row, 4)?,
            output: json(row, 5)?,
            error: text_of(rows.cell(row, 6)),
            failure: json(row, 7)?,
            started_at: text_of(rows.cell(row, 8)).unwrap_or_default(),
            finished_at: text_of(rows.cell(row, 9)).unwrap_or_default(),
        })
    };
    (0..rows.len()).rev().map(step).collect()
}

/// Ends a run that has not ended; whoever has leased it can't record anything more, and keeps the lease until they know and have stopped.
/// False if it had ended, or is not there.
pub async fn cancel_run(tx: &mut WriteTx, run: Uuid, now: DateTime<Utc>) -> Result<bool, StoreError> {
    let text = r#"UPDATE "workflow_run" SET "status" = 'CANCELLED', "finished_at" = $2::timestamptz
        WHERE "id" = $1::uuid AND "finished_at" IS NULL"#;
    changed_one(tx, text, &[Value::Id(run), Value::DateTime(now)]).await
}

/// Whether there is such a run.
pub async fn is_there(tx: &mut WriteTx, run: Uuid) -> Result<bool, StoreError> {
    let values = [Value::Id(run)];
    let text = r#"SELECT 1 FROM "workflow_run" WHERE "id" = $1::uuid"#;
    let statement = portable(tx.dialect(), text, 1, &[ColumnType::Integer]);
    Ok(!tx.query(&statement, &bound(&values)).await?.is_empty())
}

/// Takes a failed run off the list of those that wait for somebody; it has ended as cancelled then, and keeps its error. False if it did not fail.
pub async fn dismiss_run(tx: &mut WriteTx, run: Uuid) -> Result<bool, StoreError> {
    let text = r#"UPDATE "workflow_run" SET "status" = 'CANCELLED' WHERE "id" = $1::uuid AND "status" = 'FAILED'"#;
    changed_one(tx, text, &[Value::Id(run)]).await
}

/// Deletes runs that ended before `before`, with their logs, at most `limit`; gives how many. Those that failed stay until somebody has
/// looked after them, and of each schedule the last one, which tells what is due next.
pub async fn delete_old_runs(tx: &mut WriteTx, before: DateTime<Utc>, limit: usize) -> Result<u64, StoreError> {
    let text = format!(
        r#"DELETE FROM "workflow_run" WHERE "id" IN (SELECT r."id" FROM "workflow_run" r
            WHERE r."status" IN ('DONE', 'CANCELLED') AND r."finished_at" < $1::timestamptz
            AND (r."due_at" IS NULL OR r."record_id" IS NOT NULL OR r."due_at" < (SELECT MAX(l."due_at") FROM "workflow_run" l
                WHERE l."workflow_id" = r."workflow_id" AND l."due_at" IS NOT NULL AND l."record_id" IS NULL))
            ORDER BY r."finished_at" LIMIT {limit})"#
    );
    let values = [Value::DateTime(before)];
    tx.execute(&portable(tx.dialect(), &text, 1, &[]), &bound(&values)).await
}

/// A run that has ended.
pub async fn ended_run(tx: &mut WriteTx, run: Uuid) -> Result<Option<EndedRun>, StoreError> {
    let text = r#"SELECT "workflow_id", "version", "step", "status", "state", "loops" FROM "workflow_run"
        WHERE "id" = $1::uuid AND "finished_at" IS NOT NULL"#;
    let columns = [
        ColumnType::Id,
        ColumnType::Integer,
        ColumnType::Integer,
        ColumnType::Text,
        ColumnType::Text,
        ColumnType::Text,
    ];
    let values = [Value::Id(run)];
    let rows = tx.query(&portable(tx.dialect(), text, values.len(), &columns), &bound(&values)).await?;
    if rows.is_empty() {
        return Ok(None);
    }
    Ok(Some(EndedRun {
        workflow: required_id(&rows, 0, 0)?,
        version: rows.cell(0, 1).integer().unwrap_or_default(),
        step: rows.cell(0, 2).integer().and_then(|step| usize::try_from(step).ok()).unwrap_or_default(),
        status: text_of(rows.cell(0, 3)).unwrap_or_default(),
        state: json_of(rows.cell(0, 4))?,
        loops: json_of(rows.cell(0, 5))?,
    }))
}

/// Lets an ended run go on, behind the lease of whoever has not given it back yet, and can't record anything by it. False if it has been started again meanwhile.
pub async fn requeue_run(tx: &mut WriteTx, run: Uuid, at: &GoOn<'_>, now: DateTime<Utc>) -> Result<bool, StoreError> {
    let text = r#"UPDATE "workflow_run" SET "status" = 'QUEUED', "step" = $2::integer, "state" = $3::text, "loops" = $4::text,
        "attempts" = 0, "error" = NULL, "run_at" = $5::timestamptz, "finished_at" = NULL, "lease_token" = NULL
        WHERE "id" = $1::uuid AND "finished_at" IS NOT NULL"#;
    let values = [
        Value::Id(run),
        Value::Integer(i64::try_from(at.step).unwrap_or(i64::MAX)),
        Value::Text(at.state.to_string()),
        Value::Text(at.loops.to_string()),
        Value::DateTime(now),
    ];
    changed_one(tx, text, &values).await
}
