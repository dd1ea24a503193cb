//! Who and what caused a plugin call.

use std::time::Duration;

use serde_json::Value;

use crate::bindings::cardine::plugin::types;

/// Who and what caused a call. The host adds the plugin's name and the time budget.
#[derive(Debug, Clone, PartialEq)]
pub struct CallContext {
    /// Id of the request, for logs on both sides.
    pub request_id: String,
    /// W3C trace context.
    pub trace_parent: Option<String>,
    /// Id of the acting user; none for jobs.
    pub user: Option<String>,
    /// BCP 47 language tag.
    pub locale: String,
    /// IANA time zone.
    pub time_zone: String,
    /// How many calls caused by plugins lie above this one; 0 for a direct call.
    pub depth: u8,
    /// Whether nothing that the call does will be kept.
    pub dry_run: bool,
    /// Whether the user's request is over, so that nothing may be done with the user's rights any more.
    pub is_detached: bool,
    /// A JSON object for what has no field of its own.
    pub extra: Value,
}

impl Default for CallContext {
    fn default() -> Self {
        Self {
            request_id: String::new(),
            trace_parent: None,
            user: None,
            locale: "en".to_owned(),
            time_zone: "UTC".to_owned(),
            depth: 0,
            dry_run: false,
            is_detached: false,
            extra: Value::Object(serde_json::Map::new()),
        }
    }
}

impl CallContext {
    /// The context as the component gets it.
    pub(crate) fn for_guest(&self, plugin: &str, wall_budget: Duration) -> types::CallContext {
        types::CallContext {
            // There is one tenant until there are more.
            tenant: "default".to_owned(),
            plugin: plugin.to_owned(),
            request_id: self.request_id.clone(),
            trace_parent: self.trace_parent.clone(),
            user: self.user.clone(),
            locale: self.locale.clone(),
            time_zone: self.time_zone.clone(),
            deadline_ms: u32::try_from(wall_budget.as_millis()).unwrap_or(u32::MAX),
            depth: self.depth,
            dry_run: self.dry_run,
            extra: self.extra.to_string(),
        }
    }
}
