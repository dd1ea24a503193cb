//! Who did what: the audit log as administrators ask for it.

use async_graphql::{ID, InputObject, Result, SimpleObject};
use cardine_engine::identity::{self, AuditRow};
use cardine_model::{Issue, path};
use chrono::{DateTime, Utc};
use serde_json::Value as Json;
use uuid::Uuid;

use super::error::invalid;

/// Who did what, when, and through what.
#[derive(SimpleObject)]
pub struct AuditEntry {
    /// Its id.
    id: ID,
    /// When.
    at: DateTime<Utc>,
    /// The user; null for the system and for anonymous callers.
    actor_id: Option<ID>,
    /// The user for whom the actor acted: who caused the run of a workflow.
    on_behalf_of_id: Option<ID>,
    /// `api`, `workflow`, `auth`, `setup`, …
    via: String,
    /// `CREATED`, `UPDATED`, …
    action: String,
    /// The module of the record, by the name that it had then.
    module: Option<String>,
    /// The record.
    record_id: Option<ID>,
    /// By field, `{"old": …, "new": …}`.
    changes: Json,
    /// The request, as its answer's `X-Request-Id` told.
    request_id: Option<ID>,
}

/// Which entries: all conditions that are given hold.
#[derive(InputObject, Default)]
pub struct AuditFilter {
    /// By this user.
    actor_id: Option<ID>,
    /// Of this module, by the name that it had then.
    module: Option<String>,
    /// Of this record.
    record_id: Option<ID>,
    /// Of this action.
    action: Option<String>,
    /// Through this.
    via: Option<String>,
    /// In this request.
    request_id: Option<ID>,
    /// At this instant or later.
    from: Option<DateTime<Utc>>,
    /// Before this instant.
    until: Option<DateTime<Utc>>,
}

impl AuditFilter {
    /// As the engine takes it.
    pub fn stored(self, after: Option<&ID>) -> Result<identity::AuditFilter> {
        Ok(identity::AuditFilter {
            actor: id(self.actor_id.as_ref(), "actorId")?,
            module: self.module,
            record: id(self.record_id.as_ref(), "recordId")?,
            action: self.action,
            via: self.via,
            request: id(self.request_id.as_ref(), "requestId")?.map(|id| id.to_string()),
            from: self.from,
            until: self.until,
            after: id(after, "after")?,
        })
    }
}

fn id(id: Option<&ID>, argument: &'static str) -> Result<Option<Uuid>> {
    let parse = |id: &ID| {
        Uuid::try_parse(id).map_err(|_| {
            let place = if argument == "after" { path![argument] } else { path!["filter", argument] };
            invalid(Issue::new(place, "id", format!("`{argument}` is no id")))
        })
    };
    id.map(parse).transpose()
}

impl From<AuditRow> for AuditEntry {
    fn from(row: AuditRow) -> Self {
        let id = |id: Uuid| ID(id.to_string());
        Self {
            id: id(row.id),
            at: DateTime::parse_from_rfc3339(&row.at).map(|at| at.to_utc()).unwrap_or_default(),
            actor_id: row.actor.map(id),
            on_behalf_of_id: row.on_behalf_of.map(id),
            via: row.via,
            action: row.action,
            module: row.module,
            record_id: row.record.map(id),
            changes: serde_json::from_str(&row.changes).unwrap_or_default(),
            request_id: row.request.map(ID),
        }
    }
}
