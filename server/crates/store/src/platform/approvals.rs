//! Decisions that runs wait for: asked once for each place of a run, decided once.

use cardine_model::Value;
use cardine_sql::ColumnType;
use chrono::{DateTime, Utc};
use uuid::Uuid;

use super::workflows::{bound, changed_one, id_of, required_id, text_of};
use super::{optional_text, portable};
use crate::{ReadTx, RowSet, StoreError, WriteTx};

/// A question to be asked.
#[derive(Debug, Clone)]
pub struct NewApproval {
    /// The run that waits.
    pub run: Uuid,
    /// Its step.
    pub step: String,
    /// The items of the loops around.
    pub place: String,
    /// A user, a group or a role.
    pub principal: Uuid,
    /// What is to be decided.
    pub question: Option<String>,
    /// Until when.
    pub due_at: Option<DateTime<Utc>>,
}

/// A question, and what was decided.
#[derive(Debug, Clone)]
pub struct ApprovalRow {
    /// Its id.
    pub id: Uuid,
    /// The run that waits, or waited.
    pub run: Uuid,
    /// The workflow's name.
    pub workflow: String,
    /// The record that the run is about.
    pub record: Option<Uuid>,
    /// Who is asked: a user, a group or a role.
    pub principal: Uuid,
    /// What is to be decided.
    pub question: Option<String>,
    /// When it was asked.
    pub created_at: String,
    /// Until when.
    pub due_at: Option<String>,
    /// When it was decided.
    pub decided_at: Option<String>,
    /// By whom; nobody, where the time was over.
    pub decided_by: Option<Uuid>,
    /// What.
    pub approved: Option<bool>,
    /// Why.
    pub comment: Option<String>,
}

const SELECT: &str = r#"SELECT a."id", a."run_id", w."name", r."record_id", a."principal_id", a."question", a."created_at", a."due_at",
    a."decided_at", a."decided_by_id", a."approved", a."comment" FROM "workflow_approval" a JOIN "workflow_run" r ON r."id" = a."run_id"
    JOIN "workflow" w ON w."id" = r."workflow_id""#;

const COLUMNS: [ColumnType; 12] = [
    ColumnType::Id,
    ColumnType::Id,
    ColumnType::Text,
    ColumnType::Id,
    ColumnType::Id,
    ColumnType::Text,
    ColumnType::DateTime,
    ColumnType::DateTime,
    ColumnType::DateTime,
    ColumnType::Id,
    ColumnType::Boolean,
    ColumnType::Text,
];

/// Asks, where this place of the run does not ask already.
pub async fn insert_approval(tx: &mut WriteTx, new: &NewApproval, now: DateTime<Utc>) -> Result<(), StoreError> {
    let text = r#"INSERT INTO "workflow_approval" ("id", "run_id", "step", "place", "principal_id", "question", "created_at", "due_at")
        VALUES ($1::uuid, $2::uuid, $3::text, $4::text, $5::uuid, $6::text, $7::timestamptz, $8::timestamptz) ON CONFLICT DO NOTHING"#;
    let values = [
        Value::Id(Uuid::now_v7()),
        Value::Id(new.run),
        Value::Text(new.step.clone()),
        Value::Text(new.place.clone()),
        Value::Id(new.principal),
        optional_text(new.question.as_deref()),
        Value::DateTime(now),
        new.due_at.map_or(Value::Null, Value::DateTime),
    ];
    tx.execute(&portable(tx.dialect(), text, values.len(), &[]), &bound(&values)).await?;
    Ok(())
}

/// The newest question that a place of a run has asked.
pub async fn approval_of(
    tx: &mut ReadTx,
    run: Uuid,
    step: &str,
    place: &str,
) -> Result<Option<ApprovalRow>, StoreError> {
    let text = format!(
        r#"{SELECT} WHERE a."run_id" = $1::uuid AND a."step" = $2::text AND a."place" = $3::text ORDER BY a."id" DESC LIMIT 1"#
    );
    let values = [Value::Id(run), Value::Text(step.to_owned()), Value::Text(place.to_owned())];
    let rows = tx.query(&portable(tx.dialect(), &text, values.len(), &COLUMNS), &bound(&values)).await?;
    Ok(approvals(&rows)?.pop())
}

/// The question with this id.
pub async fn find_approval(tx: &mut ReadTx, id: Uuid) -> Result<Option<ApprovalRow>, StoreError> {
    let text = format!(r#"{SELECT} WHERE a."id" = $1::uuid"#);
    let values = [Value::Id(id)];
    let rows = tx.query(&portable(tx.dialect(), &text, values.len(), &COLUMNS), &bound(&values)).await?;
    Ok(approvals(&rows)?.pop())
}

/// The open questions to these, the oldest first; to anybody where none are named.
pub async fn open_approvals(tx: &mut ReadTx, principals: &[Uuid], limit: i64) -> Result<Vec<ApprovalRow>, StoreError> {
    let places: Vec<String> = (0..principals.len()).map(|position| format!("${}::uuid", position + 2)).collect();
    let asked =
        if places.is_empty() { String::new() } else { format!(r#" AND a."principal_id" IN ({})"#, places.join(", ")) };
    let text = format!(
        r#"{SELECT} WHERE a."decided_at" IS NULL AND r."finished_at" IS NULL{asked} ORDER BY a."id" LIMIT $1::bigint"#
    );
    let values: Vec<Value> =
        std::iter::once(Value::Integer(limit)).chain(principals.iter().map(|id| Value::Id(*id))).collect();
    let rows = tx.query(&portable(tx.dialect(), &text, values.len(), &COLUMNS), &bound(&values)).await?;
    approvals(&rows)
}

/// Decides, and lets the run go on. False if it was decided already, or the run has ended.
pub async fn decide(
    tx: &mut WriteTx,
    row: &ApprovalRow,
    by: Option<Uuid>,
    approved: bool,
    comment: Option<&str>,
    now: DateTime<Utc>,
) -> Result<bool, StoreError> {
    let text = r#"UPDATE "workflow_approval" SET "decided_at" = $2::timestamptz, "decided_by_id" = $3::uuid, "approved" = $4::boolean,
        "comment" = $5::text WHERE "id" = $1::uuid AND "decided_at" IS NULL
        AND EXISTS (SELECT 1 FROM "workflow_run" r WHERE r."id" = "workflow_approval"."run_id" AND r."finished_at" IS NULL)"#;
    let values = [
        Value::Id(row.id),
        Value::DateTime(now),
        by.map_or(Value::Null, Value::Id),
        Value::Boolean(approved),
        optional_text(comment),
    ];
    if !changed_one(tx, text, &values).await? {
        return Ok(false);
    }
    let text = r#"UPDATE "workflow_run" SET "run_at" = $2::timestamptz WHERE "id" = $1::uuid AND "finished_at" IS NULL AND "status" = 'WAITING'"#;
    let values = [Value::Id(row.run), Value::DateTime(now)];
    tx.execute(&portable(tx.dialect(), text, values.len(), &[]), &bound(&values)).await?;
    Ok(true)
}

/// Nobody decides what a run has asked so far: it begins again before that.
pub async fn withdraw(tx: &mut WriteTx, run: Uuid, now: DateTime<Utc>) -> Result<(), StoreError> {
    let text = r#"UPDATE "workflow_approval" SET "decided_at" = $2::timestamptz WHERE "run_id" = $1::uuid AND "decided_at" IS NULL"#;
    let values = [Value::Id(run), Value::DateTime(now)];
    tx.execute(&portable(tx.dialect(), text, values.len(), &[]), &bound(&values)).await?;
    Ok(())
}

/// Asks somebody else. False if it was decided already.
pub async fn delegate(tx: &mut WriteTx, id: Uuid, to: Uuid) -> Result<bool, StoreError> {
    let text =
        r#"UPDATE "workflow_approval" SET "principal_id" = $2::uuid WHERE "id" = $1::uuid AND "decided_at" IS NULL"#;
    changed_one(tx, text, &[Value::Id(id), Value::Id(to)]).await
}

fn approvals(rows: &RowSet) -> Result<Vec<ApprovalRow>, StoreError> {
    (0..rows.len())
        .map(|row| {
            Ok(ApprovalRow {
                id: required_id(rows, row, 0)?,
                run: required_id(rows, row, 1)?,
                workflow: text_of(rows.cell(row, 2)).unwrap_or_default(),
                record: id_of(rows.cell(row, 3)),
                principal: required_id(rows, row, 4)?,
                question: text_of(rows.cell(row, 5)),
                created_at: text_of(rows.cell(row, 6)).unwrap_or_default(),
                due_at: text_of(rows.cell(row, 7)),
                decided_at: text_of(rows.cell(row, 8)),
                decided_by: id_of(rows.cell(row, 9)),
                approved: rows.cell(row, 10).boolean(),
                comment: text_of(rows.cell(row, 11)),
            })
        })
        .collect()
}
