//! Mail to be sent: a row in the transaction of what causes it, leased by one sender at a time.

use cardine_model::Value;
use cardine_sql::{ColumnType, Dialect};
use chrono::{DateTime, Utc};
use uuid::Uuid;

use super::access::{change, id, select, text_of};
use super::portable;
use crate::{Bindings, ReadTx, StoreError, WriteTx};

/// A mail to be queued.
#[derive(Debug, Clone)]
pub struct NewMail {
    /// Its id.
    pub id: Uuid,
    /// What stands in `Message-ID`, without the brackets.
    pub message_id: String,
    /// The one address that it goes to.
    pub recipient: String,
    /// The template's name.
    pub template: String,
    /// BCP 47.
    pub locale: String,
    /// What the template is filled with: a JSON object.
    pub parameters: String,
    /// When it was caused.
    pub created_at: DateTime<Utc>,
    /// After this it is of no use.
    pub expires_at: DateTime<Utc>,
}

/// A mail that a sender has to itself for a while.
#[derive(Debug, Clone)]
pub struct LeasedMail {
    /// Its id.
    pub id: Uuid,
    /// What stands in `Message-ID`, without the brackets.
    pub message_id: String,
    /// The one address that it goes to.
    pub recipient: String,
    /// The template's name.
    pub template: String,
    /// BCP 47.
    pub locale: String,
    /// What the template is filled with: a JSON object.
    pub parameters: String,
    /// When it was caused; RFC 3339.
    pub created_at: String,
    /// How often it was tried, this time included.
    pub attempts: i64,
    /// Proves the lease.
    pub token: Uuid,
}

/// Queues a mail.
pub async fn insert_mail(tx: &mut WriteTx, mail: &NewMail) -> Result<(), StoreError> {
    let text = r#"INSERT INTO "mail_outbox" ("id", "message_id", "recipient", "template", "locale", "parameters",
            "created_at", "due_at", "expires_at")
        VALUES ($1::uuid, $2::text, $3::text, $4::text, $5::text, $6::text, $7::timestamptz, $7::timestamptz, $8::timestamptz)"#;
    let values = [
        Value::Id(mail.id),
        Value::Text(mail.message_id.clone()),
        Value::Text(mail.recipient.clone()),
        Value::Text(mail.template.clone()),
        Value::Text(mail.locale.clone()),
        Value::Text(mail.parameters.clone()),
        Value::DateTime(mail.created_at),
        Value::DateTime(mail.expires_at),
    ];
    change(tx, text, &values).await.map(|_| ())
}

/// Whether a mail is due.
pub async fn any_due(tx: &mut ReadTx, now: DateTime<Utc>) -> Result<bool, StoreError> {
    let text = r#"SELECT 1 FROM "mail_outbox" WHERE "sent_at" IS NULL AND "failed_at" IS NULL AND "due_at" <= $1::timestamptz
        AND ("lease_until" IS NULL OR "lease_until" < $1::timestamptz) LIMIT 1"#;
    let values = [Value::DateTime(now)];
    let statement = portable(tx.dialect(), text, values.len(), &[ColumnType::Integer]);
    Ok(!tx.query(&statement, &Bindings { values: &values, ..Bindings::default() }).await?.is_empty())
}

/// Leases the mail that is due for longest until `until`. What is past its use is given up first.
pub async fn lease_mail(
    tx: &mut WriteTx,
    now: DateTime<Utc>,
    until: DateTime<Utc>,
) -> Result<Option<LeasedMail>, StoreError> {
    let text = r#"UPDATE "mail_outbox" SET "failed_at" = $1::timestamptz, "error" = coalesce("error", 'it was not sent in time')
        WHERE "sent_at" IS NULL AND "failed_at" IS NULL AND "expires_at" <= $1::timestamptz"#;
    change(tx, text, &[Value::DateTime(now)]).await?;
    let skip = match tx.dialect() {
        Dialect::Postgres => " FOR UPDATE SKIP LOCKED",
        Dialect::Sqlite => "",
    };
    let text = format!(
        r#"UPDATE "mail_outbox" SET "lease_until" = $2::timestamptz, "lease_token" = $3::uuid, "attempts" = "attempts" + 1
        WHERE "id" IN (SELECT "id" FROM "mail_outbox" WHERE "sent_at" IS NULL AND "failed_at" IS NULL AND "due_at" <= $1::timestamptz
            AND ("lease_until" IS NULL OR "lease_until" < $1::timestamptz) ORDER BY "due_at", "id" LIMIT 1{skip})
        RETURNING "id", "message_id", "recipient", "template", "locale", "parameters", "created_at", "attempts""#
    );
    let token = Uuid::new_v4();
    let string = ColumnType::Text;
    let columns = [ColumnType::Id, string, string, string, string, string, ColumnType::DateTime, ColumnType::Integer];
    let values = [Value::DateTime(now), Value::DateTime(until), Value::Id(token)];
    let rows = select(tx, &text, &values, &columns).await?;
    if rows.is_empty() {
        return Ok(None);
    }
    Ok(Some(LeasedMail {
        id: id(&rows, 0, 0)?,
        message_id: text_of(&rows, 0, 1)?,
        recipient: text_of(&rows, 0, 2)?,
        template: text_of(&rows, 0, 3)?,
        locale: text_of(&rows, 0, 4)?,
        parameters: text_of(&rows, 0, 5)?,
        created_at: text_of(&rows, 0, 6)?,
        attempts: rows.cell(0, 7).integer().unwrap_or_default(),
        token,
    }))
}

/// Notes that a mail was taken by the mail server. False if the lease is not ours any more.
pub async fn set_sent(tx: &mut WriteTx, mail: &LeasedMail, now: DateTime<Utc>) -> Result<bool, StoreError> {
    let text = r#"UPDATE "mail_outbox" SET "sent_at" = $3::timestamptz, "lease_until" = NULL, "error" = NULL
        WHERE "id" = $1::uuid AND "lease_token" = $2::uuid AND "sent_at" IS NULL"#;
    Ok(change(tx, text, &[Value::Id(mail.id), Value::Id(mail.token), Value::DateTime(now)]).await? > 0)
}

/// Gives a mail back to be tried again at `due_at`. False if the lease is not ours any more.
pub async fn postpone_mail(
    tx: &mut WriteTx,
    mail: &LeasedMail,
    error: &str,
    due_at: DateTime<Utc>,
) -> Result<bool, StoreError> {
    let text = r#"UPDATE "mail_outbox" SET "due_at" = $3::timestamptz, "error" = $4::text, "lease_until" = NULL
        WHERE "id" = $1::uuid AND "lease_token" = $2::uuid AND "sent_at" IS NULL"#;
    let values = [Value::Id(mail.id), Value::Id(mail.token), Value::DateTime(due_at), Value::Text(error.to_owned())];
    Ok(change(tx, text, &values).await? > 0)
}

/// Gives a mail up. False if the lease is not ours any more.
pub async fn give_mail_up(
    tx: &mut WriteTx,
    mail: &LeasedMail,
    error: &str,
    now: DateTime<Utc>,
) -> Result<bool, StoreError> {
    let text = r#"UPDATE "mail_outbox" SET "failed_at" = $3::timestamptz, "error" = $4::text, "lease_until" = NULL
        WHERE "id" = $1::uuid AND "lease_token" = $2::uuid AND "sent_at" IS NULL"#;
    let values = [Value::Id(mail.id), Value::Id(mail.token), Value::DateTime(now), Value::Text(error.to_owned())];
    Ok(change(tx, text, &values).await? > 0)
}

/// Forgets mails that were sent or given up before `before`; gives how many.
pub async fn delete_old_mails(tx: &mut WriteTx, before: DateTime<Utc>) -> Result<u64, StoreError> {
    let text = r#"DELETE FROM "mail_outbox" WHERE coalesce("sent_at", "failed_at") < $1::timestamptz"#;
    change(tx, text, &[Value::DateTime(before)]).await
}
