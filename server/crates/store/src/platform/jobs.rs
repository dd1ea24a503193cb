//! Changes of modules that run as jobs: a row each, leased by one process at a time, with how far it is.

use cardine_model::Value;
use cardine_sql::{ColumnType, Dialect};
use chrono::{DateTime, Utc};
use uuid::Uuid;

use super::access::{change, id, optional_id, optional_id_of, select, text_of};
use super::portable;
use crate::{Bindings, ReadTx, RowSet, StoreError, WriteTx};

/// It runs, or will when a process takes it.
pub const RUNNING: &str = "RUNNING";
/// It is to be undone.
pub const CANCELLING: &str = "CANCELLING";

const COLUMNS: &str = r#""id", "change", "summary", "modules", "tables", "actor_id", "via", "request_id", "created_at", "state",
    "done", "total", "progress", "error", "catalog_version", "finished_at""#;

const TYPES: [ColumnType; 16] = {
    use ColumnType::{DateTime, Id, Integer, Text};
    [Id, Text, Text, Text, Text, Id, Text, Id, DateTime, Text, Integer, Integer, Text, Text, Integer, DateTime]
};

/// A job as it is kept.
#[derive(Debug, Clone)]
pub struct JobRow {
    /// Its id.
    pub id: Uuid,
    /// What was asked for: JSON.
    pub change: String,
    /// What it does, for people.
    pub summary: String,
    /// The modules that nothing else may change meanwhile: a JSON list of names.
    pub modules: String,
    /// The tables that have columns of it: a JSON list of names.
    pub tables: String,
    /// Who asked for it; none for the system.
    pub actor: Option<Uuid>,
    /// Through what.
    pub via: String,
    /// By which request.
    pub request: Uuid,
    /// Since when there is the job.
    pub created_at: String,
    /// `RUNNING`, `CANCELLING`, `DONE`, `FAILED`, `CANCELLED`.
    pub state: String,
    /// Records that it has been at.
    pub done: i64,
    /// Records that there were when it began.
    pub total: i64,
    /// Where it goes on: JSON, or nothing.
    pub progress: String,
    /// Why it failed: a JSON list of issues.
    pub error: Option<String>,
    /// The version that it has led to.
    pub catalog_version: Option<i64>,
    /// When it ended.
    pub finished_at: Option<String>,
}

/// A new job.
#[derive(Debug, Clone)]
pub struct NewJob {
    /// Its id.
    pub id: Uuid,
    /// JSON.
    pub change: String,
    /// For people.
    pub summary: String,
    /// A JSON list of names.
    pub modules: String,
    /// A JSON list of names.
    pub tables: String,
    /// Who asked for it.
    pub actor: Option<Uuid>,
    /// Through what.
    pub via: String,
    /// By which request.
    pub request: Uuid,
    /// Records to be looked at.
    pub total: i64,
    /// When.
    pub created_at: DateTime<Utc>,
}

/// How far a job is.
#[derive(Debug, Clone, Default)]
pub struct Progress {
    /// Where it goes on.
    pub place: String,
    /// Records that it has been at.
    pub done: i64,
}

/// Keeps a new job.
pub async fn insert_job(tx: &mut WriteTx, job: &NewJob) -> Result<(), StoreError> {
    let text = r#"INSERT INTO "change_job" ("id", "change", "summary", "modules", "tables", "actor_id", "via", "request_id",
            "created_at", "total", "state")
        VALUES ($1::uuid, $2::text, $3::text, $4::text, $5::text, $6::uuid, $7::text, $8::uuid, $9::timestamptz, $10::bigint, 'RUNNING')"#;
    let values = [
        Value::Id(job.id),
        Value::Text(job.change.clone()),
        Value::Text(job.summary.clone()),
        Value::Text(job.modules.clone()),
        Value::Text(job.tables.clone()),
        optional_id(job.actor),
        Value::Text(job.via.clone()),
        Value::Id(job.request),
        Value::DateTime(job.created_at),
        Value::Integer(job.total),
    ];
    change(tx, text, &values).await.map(|_| ())
}

/// The jobs that have not ended, oldest first.
pub async fn fetch_open_jobs(tx: &mut WriteTx) -> Result<Vec<JobRow>, StoreError> {
    let text = format!(r#"SELECT {COLUMNS} FROM "change_job" WHERE "finished_at" IS NULL ORDER BY "created_at", "id""#);
    let rows = select(tx, &text, &[], &TYPES).await?;
    (0..rows.len()).map(|row| job(&rows, row)).collect()
}

/// The newest jobs, at most `first`.
pub async fn fetch_jobs(tx: &mut ReadTx, first: u32) -> Result<Vec<JobRow>, StoreError> {
    let text = format!(r#"SELECT {COLUMNS} FROM "change_job" ORDER BY "created_at" DESC, "id" DESC LIMIT {first}"#);
    let rows = tx.query(&portable(tx.dialect(), &text, 0, &TYPES), &Bindings::default()).await?;
    (0..rows.len()).map(|row| job(&rows, row)).collect()
}

/// The job with this id.
pub async fn fetch_job(tx: &mut ReadTx, id: Uuid) -> Result<Option<JobRow>, StoreError> {
    let text = format!(r#"SELECT {COLUMNS} FROM "change_job" WHERE "id" = $1::uuid"#);
    let values = [Value::Id(id)];
    let statement = portable(tx.dialect(), &text, 1, &TYPES);
    let rows = tx.query(&statement, &Bindings { values: &values, ..Bindings::default() }).await?;
    if rows.is_empty() { Ok(None) } else { job(&rows, 0).map(Some) }
}

/// Whether there is a job that nobody is at.
pub async fn any_waiting(tx: &mut ReadTx, now: DateTime<Utc>) -> Result<bool, StoreError> {
    let text = r#"SELECT 1 FROM "change_job" WHERE "finished_at" IS NULL
        AND ("lease_until" IS NULL OR "lease_until" < $1::timestamptz) LIMIT 1"#;
    let values = [Value::DateTime(now)];
    let statement = portable(tx.dialect(), text, 1, &[ColumnType::Integer]);
    Ok(!tx.query(&statement, &Bindings { values: &values, ..Bindings::default() }).await?.is_empty())
}

/// Takes the oldest job that nobody is at until `until`; `token` proves it.
pub async fn lease_job(
    tx: &mut WriteTx,
    now: DateTime<Utc>,
    until: DateTime<Utc>,
    token: Uuid,
) -> Result<Option<JobRow>, StoreError> {
    let skip = match tx.dialect() {
        Dialect::Postgres => " FOR UPDATE SKIP LOCKED",
        Dialect::Sqlite => "",
    };
    let text = format!(
        r#"UPDATE "change_job" SET "lease_until" = $2::timestamptz, "lease_token" = $3::uuid
        WHERE "id" IN (SELECT "id" FROM "change_job" WHERE "finished_at" IS NULL
            AND ("lease_until" IS NULL OR "lease_until" < $1::timestamptz) ORDER BY "created_at", "id" LIMIT 1{skip})
        RETURNING {COLUMNS}"#
    );
    let values = [Value::DateTime(now), Value::DateTime(until), Value::Id(token)];
    let rows = select(tx, &text, &values, &TYPES).await?;
    if rows.is_empty() { Ok(None) } else { job(&rows, 0).map(Some) }
}

/// Keeps a job until `until`, and notes how far it is. False if it is not ours any more, or is to be undone.
pub async fn keep_job(
    tx: &mut WriteTx,
    (id, token): (Uuid, Uuid),
    until: DateTime<Utc>,
    progress: Option<&Progress>,
) -> Result<bool, StoreError> {
    let text = r#"UPDATE "change_job" SET "lease_until" = $3::timestamptz, "progress" = coalesce($4::text, "progress"),
            "done" = coalesce($5::bigint, "done")
        WHERE "id" = $1::uuid AND "lease_token" = $2::uuid AND "finished_at" IS NULL AND "state" = 'RUNNING'"#;
    let place = progress.map_or(Value::Null, |progress| Value::Text(progress.place.clone()));
    let done = progress.map_or(Value::Null, |progress| Value::Integer(progress.done));
    let values = [Value::Id(id), Value::Id(token), Value::DateTime(until), place, done];
    Ok(change(tx, text, &values).await? > 0)
}

/// Lets go of all jobs of a process, or of every process where there is one alone: another goes on with them.
pub async fn release_jobs(tx: &mut WriteTx, token: Option<Uuid>) -> Result<(), StoreError> {
    let text = r#"UPDATE "change_job" SET "lease_until" = NULL WHERE "finished_at" IS NULL AND ("lease_token" = $1::uuid OR $1::uuid IS NULL)"#;
    change(tx, text, &[optional_id(token)]).await.map(|_| ())
}

/// Ends a job that was in the state `from`. False if it is not ours any more, or is in another one.
pub async fn finish_job(
    tx: &mut WriteTx,
    (id, token): (Uuid, Uuid),
    (from, to): (&str, &str),
    outcome: (Option<i64>, Option<String>),
    now: DateTime<Utc>,
) -> Result<bool, StoreError> {
    let text = r#"UPDATE "change_job" SET "state" = $4::text, "catalog_version" = $5::bigint, "error" = $6::text, "finished_at" = $7::timestamptz,
            "lease_until" = NULL, "done" = CASE WHEN $4::text = 'DONE' THEN "total" ELSE "done" END
        WHERE "id" = $1::uuid AND "lease_token" = $2::uuid AND "finished_at" IS NULL AND "state" = $3::text"#;
    let (version, error) = outcome;
    let values = [
        Value::Id(id),
        Value::Id(token),
        Value::Text(from.to_owned()),
        Value::Text(to.to_owned()),
        version.map_or(Value::Null, Value::Integer),
        error.map_or(Value::Null, Value::Text),
        Value::DateTime(now),
    ];
    Ok(change(tx, text, &values).await? > 0)
}

/// Asks for a job to be undone. False if it has ended.
pub async fn cancel_job(tx: &mut WriteTx, id: Uuid) -> Result<bool, StoreError> {
    let text = r#"UPDATE "change_job" SET "state" = 'CANCELLING' WHERE "id" = $1::uuid AND "finished_at" IS NULL"#;
    Ok(change(tx, text, &[Value::Id(id)]).await? > 0)
}

fn job(rows: &RowSet, row: usize) -> Result<JobRow, StoreError> {
    let text = |column| text_of(rows, row, column);
    let optional = |column| rows.cell(row, column).text().map(str::to_owned);
    let number = |column| rows.cell(row, column).integer();
    Ok(JobRow {
        id: id(rows, row, 0)?,
        change: text(1)?,
        summary: text(2)?,
        modules: text(3)?,
        tables: text(4)?,
        actor: optional_id_of(rows, row, 5)?,
        via: text(6)?,
        request: id(rows, row, 7)?,
        created_at: text(8)?,
        state: text(9)?,
        done: number(10).unwrap_or_default(),
        total: number(11).unwrap_or_default(),
        progress: text(12)?,
        error: optional(13),
        catalog_version: number(14),
        finished_at: optional(15),
    })
}
