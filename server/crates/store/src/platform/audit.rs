//! The audit log as administrators read it: the newest entries first, by who, what, where and when.

use cardine_model::Value;
use cardine_sql::ColumnType;
use chrono::{DateTime, Utc};
use uuid::Uuid;

use super::access::{id, optional_id_of, text_of};
use super::portable;
use crate::{Bindings, ReadTx, StoreError};

/// An entry of the audit log, as it is read.
#[derive(Debug, Clone)]
pub struct AuditRow {
    /// Its id.
    pub id: Uuid,
    /// RFC 3339.
    pub at: String,
    /// Who.
    pub actor: Option<Uuid>,
    /// On whose behalf, if the actor did not act for themselves.
    pub on_behalf_of: Option<Uuid>,
    /// Through what.
    pub via: String,
    /// What was done.
    pub action: String,
    /// To a record of which module, by its name at that time.
    pub module: Option<String>,
    /// To which record.
    pub record: Option<Uuid>,
    /// JSON: old and new values by field.
    pub changes: String,
    /// The request.
    pub request: Option<String>,
}

/// Which entries; what is `None` does not matter.
#[derive(Debug, Clone, Default)]
pub struct AuditFilter {
    /// By this user.
    pub actor: Option<Uuid>,
    /// Of this module.
    pub module: Option<String>,
    /// Of this record.
    pub record: Option<Uuid>,
    /// Of this action.
    pub action: Option<String>,
    /// Through this.
    pub via: Option<String>,
    /// In this request.
    pub request: Option<String>,
    /// At this instant or later.
    pub from: Option<DateTime<Utc>>,
    /// Before this instant.
    pub until: Option<DateTime<Utc>>,
    /// Only those that come after this entry, that is, were written before it.
    pub after: Option<Uuid>,
}

impl AuditFilter {
    /// Conditions with a `$` for the parameter's number and type, and their values.
    fn conditions(&self) -> Vec<(&'static str, Value)> {
        let text = |text: &Option<String>| text.as_ref().map(|text| Value::Text(text.clone()));
        let all = [
            (r#""actor_id" = $n::uuid"#, self.actor.map(Value::Id)),
            (r#""module" = $n::text"#, text(&self.module)),
            (r#""record_id" = $n::uuid"#, self.record.map(Value::Id)),
            (r#""action" = $n::text"#, text(&self.action)),
            (r#""via" = $n::text"#, text(&self.via)),
            (r#""request_id" = $n::text"#, text(&self.request)),
            (r#""at" >= $n::timestamptz"#, self.from.map(Value::DateTime)),
            (r#""at" < $n::timestamptz"#, self.until.map(Value::DateTime)),
            (r#""id" < $n::uuid"#, self.after.map(Value::Id)),
        ];
        all.into_iter().filter_map(|(condition, value)| Some((condition, value?))).collect()
    }
}

/// The newest entries that meet the filter. Ids are given in the order of writing.
pub async fn fetch_audit(tx: &mut ReadTx, filter: &AuditFilter, count: u32) -> Result<Vec<AuditRow>, StoreError> {
    let columns = [
        ("id", ColumnType::Id),
        ("at", ColumnType::DateTime),
        ("actor_id", ColumnType::Id),
        ("on_behalf_of_id", ColumnType::Id),
        ("via", ColumnType::Text),
        ("action", ColumnType::Text),
        ("module", ColumnType::Text),
        ("record_id", ColumnType::Id),
        ("changes", ColumnType::Text),
        ("request_id", ColumnType::Text),
    ];
    let names = columns.map(|(name, _)| format!("\"{name}\"")).join(", ");
    let mut values = vec![Value::Integer(i64::from(count))];
    let mut conditions = vec!["1 = 1".to_owned()];
    for (condition, value) in filter.conditions() {
        values.push(value);
        conditions.push(condition.replace("$n", &format!("${}", values.len())));
    }
    let text = format!(
        r#"SELECT {names} FROM "audit_entry" WHERE {} ORDER BY "id" DESC LIMIT $1::bigint"#,
        conditions.join(" AND ")
    );
    let statement = portable(tx.dialect(), &text, values.len(), &columns.map(|(_, ty)| ty));
    let rows = tx.query(&statement, &Bindings { values: &values, ..Bindings::default() }).await?;
    let entry = |row| {
        Ok(AuditRow {
            id: id(&rows, row, 0)?,
            at: text_of(&rows, row, 1)?,
            actor: optional_id_of(&rows, row, 2)?,
            on_behalf_of: optional_id_of(&rows, row, 3)?,
            via: text_of(&rows, row, 4)?,
            action: text_of(&rows, row, 5)?,
            module: rows.cell(row, 6).text().map(str::to_owned),
            record: optional_id_of(&rows, row, 7)?,
            changes: text_of(&rows, row, 8)?,
            request: rows.cell(row, 9).text().map(str::to_owned),
        })
    };
    (0..rows.len()).map(entry).collect()
}
