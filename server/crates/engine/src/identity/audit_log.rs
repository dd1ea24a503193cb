//! The audit log, for administrators.

use async_recursion::async_recursion as boxed;
use cardine_store::platform::audit::{AuditFilter, AuditRow, fetch_audit};
use serde_json::{Map, Value as Json};

use crate::{Engine, EngineError};

/// The most entries of the audit log that one request gets.
const AUDIT_MAX: u32 = 1_000;

impl Engine {
    /// The newest entries of the audit log that meet the filter, at most 1,000; fields by the names that they had then.
    #[boxed]
    pub async fn audit_log(&self, filter: AuditFilter, count: u32) -> Result<Vec<AuditRow>, EngineError> {
        let count = count.min(AUDIT_MAX);
        let read = self.store().read(move |tx| {
            let filter = filter.clone();
            Box::pin(async move { Ok::<_, EngineError>(fetch_audit(tx, &filter, count).await?) })
        });
        let mut rows = read.await?;
        for row in &mut rows {
            if let Ok(Json::Object(changes)) = serde_json::from_str(&row.changes) {
                row.changes = named(changes).to_string();
            }
        }
        Ok(rows)
    }
}

/// The changes by the names that they tell, in place of keys that mean nothing to people.
fn named(changes: Map<String, Json>) -> Json {
    let named = changes.into_iter().map(|(key, mut change)| {
        let name = change.as_object_mut().filter(|change| change.contains_key("old") && change.contains_key("new"));
        let name = name.and_then(|change| change.remove("name"));
        (name.as_ref().and_then(Json::as_str).map_or(key, str::to_owned), change)
    });
    Json::Object(named.collect())
}
