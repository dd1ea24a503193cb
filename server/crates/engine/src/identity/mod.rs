//! Who may sign in and what they may do: users, roles, groups, grants and sessions.
//!
//! All of it but passwords and tokens is kept in memory as an [`AccessState`], one per access epoch; every change counts the
//! epoch up in its own transaction, so that each process loads it anew.

mod api_keys;
mod attempts;
mod audit_log;
mod built_in;
mod explain;
mod failed_sign_in;
mod known_actors;
mod named;
mod open_tokens;
mod passwords;
mod permission_sets;
mod reach;
mod removal;
mod roles;
mod secrets;
mod sessions;
mod shared_grants;
mod sharing;
mod state;
mod users;

use chrono::{DateTime, Utc};
use uuid::Uuid;

pub use api_keys::{ApiKey, ApiKeyRow};
pub use attempts::Attempt;
pub(crate) use built_in::bootstrap;
pub use built_in::{ADMINISTRATOR, ANONYMOUS};
pub use cardine_store::platform::audit::{AuditFilter, AuditRow};
pub use cardine_store::platform::sharing::ShareRow;
pub use explain::{Decision, FieldDecision, RecordDecision, Seer};
pub use passwords::{RESET_LIFETIME, RESET_MAIL, ResetLimits};
pub use roles::AccessPatch;
pub(crate) use roles::{faults_of_access, is_role_name};
pub use sessions::{ListedSession, Origin, RefreshOutcome, SessionOf, TokenOwner, TokenPair};
pub use sharing::{Principal, Share, SharedRecords, SharingRule};
pub(crate) use sharing::{SHARING_RULES_MAX, changes_of_rule, typed_condition};
pub(crate) use state::load;
pub use state::{AccessState, PermissionSet, RoleAccess, UserAccess};
pub use users::{Assignment, NewUser, UserPatch};

use cardine_store::platform::events::{NewAudit, insert_audit};
use cardine_store::{StoreError, WriteTx};

use crate::RequestContext;

/// On whose behalf and through what a change of users, roles or rights is made: what its audit entry says.
#[derive(Debug, Clone, Copy)]
pub struct ChangedBy {
    /// The user; `None` for the system.
    pub actor: Option<Uuid>,
    /// `api`, `setup`, `command line`, `system`.
    pub via: &'static str,
    /// The request.
    pub request: Uuid,
    /// When.
    pub at: DateTime<Utc>,
}

impl ChangedBy {
    /// The system itself, through `via`.
    pub fn system(via: &'static str, at: DateTime<Utc>) -> Self {
        Self { actor: None, via, request: Uuid::now_v7(), at }
    }

    /// Nobody yet: who signs in, in the request that their origin tells.
    pub fn by_origin(origin: &Origin, at: DateTime<Utc>) -> Self {
        let by = Self::system("auth", at);
        Self { request: origin.request.unwrap_or(by.request), ..by }
    }
}

impl From<&RequestContext> for ChangedBy {
    fn from(context: &RequestContext) -> Self {
        Self { actor: context.actor.user, via: context.via, request: context.request_id, at: context.now }
    }
}

/// Begins a change of the rights: counts the epoch up. The counter's row stays locked, so that changes run one after the other
/// and what one has checked is still true when it writes.
async fn begin_change(tx: &mut WriteTx) -> Result<(), StoreError> {
    tx.bump_access_epoch().await.map(|_| ())
}

pub(crate) async fn audit(
    tx: &mut WriteTx,
    by: &ChangedBy,
    action: &str,
    module: &str,
    record: Uuid,
    changes: serde_json::Value,
) -> Result<(), StoreError> {
    let entry = NewAudit {
        at: by.at,
        actor: by.actor,
        on_behalf_of: None,
        via: by.via,
        action,
        module: Some(module),
        record: Some(record),
        changes: changes.to_string().into(),
        request: by.request,
    };
    insert_audit(tx, &entry).await
}
