//! API keys: tokens of programs, which do what their owner may, or what their scopes leave of it.

use async_recursion::async_recursion as boxed;
use std::sync::Arc;

use cardine_access::{Rights, Scope, Scopes};
use cardine_model::{Catalog, Issue, path};
use cardine_store::platform::api_keys::{
    NewApiKey, count_api_keys_of, fetch_api_keys_of, insert_api_key, revoke_api_key,
};
use chrono::{DateTime, Utc};
use serde_json::json;
use uuid::Uuid;

use super::{ChangedBy, audit};
use crate::{Engine, EngineError};

pub use cardine_store::platform::api_keys::ApiKeyRow;

/// Most keys of one user at a time.
const KEYS_MAX: usize = 100;
/// Most scopes of one key.
const SCOPES_MAX: usize = 100;
/// Modules that a message lists.
const LISTED_MAX: usize = 20;

/// An API key to be made.
#[derive(Debug, Clone)]
pub struct ApiKey {
    /// For people.
    pub name: String,
    /// SHA-256, in hexadecimal.
    pub secret_hash: String,
    /// What it leaves of the user's rights; `None`: all.
    pub scopes: Option<Vec<String>>,
    /// When it ends by itself.
    pub expires_at: Option<DateTime<Utc>>,
}

impl Engine {
    /// Stores an API key of a user. A scope that names nothing which the user may read is refused.
    #[boxed]
    pub async fn create_api_key(&self, by: ChangedBy, user: Uuid, key: ApiKey) -> Result<Uuid, EngineError> {
        let snapshot = self.snapshot();
        let actor = snapshot.access.actor(&snapshot.catalog, user, None, None).ok_or(EngineError::NotFound)?;
        let issues = faults(&snapshot.catalog, &actor.rights, &key, by.at);
        if !issues.is_empty() {
            return Err(EngineError::Validation(issues));
        }
        let scopes = key.scopes.unwrap_or_default();
        let new = NewApiKey {
            id: Uuid::now_v7(),
            user,
            name: key.name.trim().to_owned(),
            secret_hash: key.secret_hash,
            scopes: serde_json::to_string(&scopes).map_err(|_| EngineError::Internal)?,
            expires_at: key.expires_at,
            created_at: by.at,
        };
        let id = new.id;
        let write = self.store().write(move |tx| {
            let (new, scopes) = (new.clone(), scopes.clone());
            Box::pin(async move {
                if count_api_keys_of(tx, user, by.at).await? >= KEYS_MAX as i64 {
                    let message = format!("a user has at most {KEYS_MAX} API keys: revoke one first");
                    return Err(EngineError::Limit(message));
                }
                insert_api_key(tx, &new).await?;
                let changes = json!({"name": {"old": null, "new": new.name}, "scopes": {"old": null, "new": scopes}});
                audit(tx, &by, "API_KEY_CREATED", "User", user, changes).await?;
                Ok::<_, EngineError>(())
            })
        });
        write.await?;
        Ok(id)
    }

    /// The API keys of a user that are good now, the newest first.
    #[boxed]
    pub async fn api_keys_of(&self, user: Uuid, now: DateTime<Utc>) -> Result<Vec<ApiKeyRow>, EngineError> {
        let read = self.store().read(move |tx| {
            Box::pin(async move { Ok::<_, EngineError>(fetch_api_keys_of(tx, user, now, KEYS_MAX).await?) })
        });
        read.await
    }

    /// Ends an API key; if `owner` is given, one of theirs alone.
    #[boxed]
    pub async fn revoke_api_key(&self, by: ChangedBy, key: Uuid, owner: Option<Uuid>) -> Result<(), EngineError> {
        let write = self.store().write(move |tx| {
            Box::pin(async move {
                let (name, user) = revoke_api_key(tx, key, owner, by.at).await?.ok_or(EngineError::NotFound)?;
                let changes = json!({"name": {"old": name, "new": null}});
                audit(tx, &by, "API_KEY_REVOKED", "User", user, changes).await?;
                Ok::<_, EngineError>(())
            })
        });
        write.await
    }
}

/// What a key's stored scopes leave; `None`: everything.
pub(super) fn scopes_of(stored: &str) -> Result<Option<Arc<Scopes>>, EngineError> {
    // A key whose scopes cannot be read must not be taken for one without bounds.
    let unreadable = || {
        tracing::error!("the scopes of an API key cannot be read");
        EngineError::Internal
    };
    let texts: Vec<String> = serde_json::from_str(stored).map_err(|_| unreadable())?;
    if texts.is_empty() {
        return Ok(None);
    }
    let scopes = texts.iter().map(|text| Scope::parse(text)).collect::<Option<Scopes>>().ok_or_else(unreadable)?;
    Ok(Some(Arc::new(scopes)))
}

fn faults(catalog: &Catalog, rights: &Rights, key: &ApiKey, now: DateTime<Utc>) -> Vec<Issue> {
    let mut issues = Vec::new();
    if key.name.trim().is_empty() || key.name.chars().count() > 255 {
        issues.push(Issue::new(path!["name"], "length", "a key's name has 1 to 255 characters"));
    }
    if key.expires_at.is_some_and(|end| end <= now) {
        issues.push(Issue::new(path!["expiresAt"], "range", "the key would have expired already"));
    }
    let Some(scopes) = &key.scopes else { return issues };
    if scopes.is_empty() || scopes.len() > SCOPES_MAX {
        let message = format!("give 1 to {SCOPES_MAX} scopes, or leave them out for all that you may do");
        issues.push(Issue::new(path!["scopes"], "length", message));
        return issues;
    }
    for (position, text) in scopes.iter().enumerate() {
        let is_known = match Scope::parse(text) {
            Some(Scope::Admin | Scope::Records(_)) => true,
            Some(Scope::Module(name, _)) => catalog
                .module_by_name(&name)
                .is_some_and(|module| module.link.is_none() && rights.can_read_module(module.id)),
            None => false,
        };
        if !is_known {
            let message = format!("there is no such scope; there are {}", known(catalog, rights));
            issues.push(Issue::new(path!["scopes", position], "enum", message));
        }
    }
    issues
}

/// The scopes that there are for somebody with these rights.
fn known(catalog: &Catalog, rights: &Rights) -> String {
    let modules = catalog.modules.iter().filter(|module| module.link.is_none() && rights.can_read_module(module.id));
    let mut names: Vec<&str> = modules.map(|module| module.name.as_str()).collect();
    names.sort_unstable();
    let more = names.len().saturating_sub(LISTED_MAX);
    names.truncate(LISTED_MAX);
    let more = if more == 0 { String::new() } else { format!(" and {more} more") };
    let modules = if names.is_empty() {
        String::new()
    } else {
        format!(", and MODULE:read and MODULE:write for the modules {}{more}", names.join(", "))
    };
    format!("admin, records:read, records:write{modules}")
}
