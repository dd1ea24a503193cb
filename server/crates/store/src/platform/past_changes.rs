//! Changes of records that are still kept whole: the events of the outbox, found by what the audit log says of them.

use cardine_model::Value;
use cardine_sql::ColumnType;
use serde_json::Value as Json;
use uuid::Uuid;

use super::access::{optional_id, optional_id_of, text_of};
use super::portable;
use crate::{Bindings, ReadTx, StoreError};

/// A change as it was.
#[derive(Debug, Clone)]
pub struct PastChange {
    /// `CREATED`, `UPDATED`, `DELETED`.
    pub kind: String,
    /// Who made it.
    pub actor: Option<Uuid>,
    /// When; RFC 3339.
    pub at: String,
    /// The stored fields before; null for a new record.
    pub before: Json,
    /// The stored fields after; null for a record that is gone.
    pub after: Json,
}

/// The newest change of a module's record, or the one that an entry of the audit log tells of; `None` if it is not kept any more.
pub async fn fetch_past_change(
    tx: &mut ReadTx,
    module: &str,
    record: Uuid,
    entry: Option<Uuid>,
) -> Result<Option<PastChange>, StoreError> {
    // Both were written at the same instant of one request; by instants and records there are indexes.
    let text = r#"SELECT o."kind", o."actor_id", o."at", o."before", o."after" FROM "audit_entry" a
        JOIN "outbox" o ON o."at" = a."at" AND o."record_id" = a."record_id"
        WHERE a."record_id" = $1::uuid AND o."module" = $2::text AND ($3::uuid IS NULL OR a."id" = $3::uuid)
        ORDER BY o."seq" DESC LIMIT 1"#;
    let columns = [ColumnType::Text, ColumnType::Id, ColumnType::DateTime, ColumnType::Text, ColumnType::Text];
    let values = [Value::Id(record), Value::Text(module.to_owned()), optional_id(entry)];
    let statement = portable(tx.dialect(), text, values.len(), &columns);
    let rows = tx.query(&statement, &Bindings { values: &values, ..Bindings::default() }).await?;
    if rows.is_empty() {
        return Ok(None);
    }
    let image = |column| match rows.cell(0, column).text() {
        None => Ok(Json::Null),
        Some(text) => serde_json::from_str(text).map_err(|_| StoreError::corrupt("an event's image is no JSON")),
    };
    Ok(Some(PastChange {
        kind: text_of(&rows, 0, 0)?,
        actor: optional_id_of(&rows, 0, 1)?,
        at: text_of(&rows, 0, 2)?,
        before: image(3)?,
        after: image(4)?,
    }))
}
