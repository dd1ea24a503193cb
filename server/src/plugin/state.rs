//! What a plugin keeps between calls: small values by key, within the bytes that it was granted.

use std::sync::Arc;

use cardine_engine::EngineError;
use cardine_plugin_host::port::{Change, Entry, StateError};
use cardine_store::platform::plugin_state::{self, StateEntry};
use cardine_store::{ReadTx, StoreError, WriteTx};
use chrono::{TimeDelta, Utc};
use uuid::Uuid;

use super::services::OfOperation;

const KEYS_MAX: usize = 100;
const KEY_BYTES_MAX: usize = 256;
const VALUE_BYTES_MAX: usize = 1 << 20;
/// Values of one call together, each way.
const BATCH_BYTES_MAX: usize = 4 << 20;
const LISTED_MAX: u32 = 1_000;

/// Why a transaction gives nothing.
#[derive(Debug, thiserror::Error)]
enum Failure {
    #[error(transparent)]
    Store(#[from] StoreError),
    #[error("refused")]
    Refused(StateError),
}

impl From<Failure> for StateError {
    fn from(failure: Failure) -> Self {
        match failure {
            Failure::Refused(error) => error,
            Failure::Store(error) => {
                // The log tells more of it than a plugin is to know.
                let _ = EngineError::from(error);
                Self::Unavailable("the state cannot be reached at the moment".to_owned())
            }
        }
    }
}

/// One answer for each key.
pub(super) async fn fetch(of: &OfOperation, keys: Vec<String>) -> Result<Vec<Option<Entry>>, StateError> {
    check_granted(of)?;
    check_keys(keys.len(), keys.iter())?;
    let shared = Arc::new((of.name().to_owned(), keys));
    let now = Utc::now();
    let read = of.server.engine.store().read(move |tx: &mut ReadTx| {
        let shared = Arc::clone(&shared);
        Box::pin(async move {
            let (plugin, keys) = &*shared;
            let mut found = Vec::with_capacity(keys.len());
            let mut bytes = 0;
            for key in keys {
                let entry = plugin_state::fetch_entry(tx, plugin, key, now).await?;
                bytes += entry.as_ref().map_or(0, |entry| entry.value.len());
                if bytes > BATCH_BYTES_MAX {
                    let message = format!("the values have more than {BATCH_BYTES_MAX} bytes: ask for fewer at once");
                    return Err(Failure::Refused(StateError::Limit(message)));
                }
                found.push(entry.map(|StateEntry { value, etag }| Entry { key: key.clone(), value, etag }));
            }
            Ok(found)
        })
    });
    read.await.map_err(StateError::from)
}

/// All changes or none; the new etags, empty for what is forgotten.
pub(super) async fn store(of: &OfOperation, changes: Vec<Change>) -> Result<Vec<String>, StateError> {
    check_granted(of)?;
    check_keys(changes.len(), changes.iter().map(|change| &change.key))?;
    let sizes = changes.iter().map(|change| change.value.as_ref().map_or(0, Vec::len));
    if sizes.clone().any(|bytes| bytes > VALUE_BYTES_MAX) || sizes.sum::<usize>() > BATCH_BYTES_MAX {
        let message = format!("a value may have {VALUE_BYTES_MAX} bytes, and all of one call {BATCH_BYTES_MAX}");
        return Err(StateError::Limit(message));
    }
    let allowed = of.granted().state_bytes;
    let shared = Arc::new((of.name().to_owned(), changes));
    let now = Utc::now();
    let write = of.server.engine.store().write(move |tx: &mut WriteTx| {
        let shared = Arc::clone(&shared);
        Box::pin(async move {
            let (plugin, changes) = &*shared;
            let refused = |error| Err(Failure::Refused(error));
            if !plugin_state::begin_changes(tx, plugin, now).await? {
                return refused(StateError::Denied("the plugin is not installed any more".to_owned()));
            }
            let mut etags = Vec::with_capacity(changes.len());
            for change in changes {
                if let Some(expected) = &change.expected_etag
                    && plugin_state::find_etag(tx, plugin, &change.key).await?.as_ref() != Some(expected)
                {
                    return refused(StateError::Conflict);
                }
                let Some(value) = &change.value else {
                    plugin_state::delete_entry(tx, plugin, &change.key).await?;
                    etags.push(String::new());
                    continue;
                };
                let entry = StateEntry { value: value.clone(), etag: Uuid::now_v7().to_string() };
                let expires_at = change.ttl_seconds.map(|seconds| now + TimeDelta::seconds(seconds.into()));
                plugin_state::put_entry(tx, plugin, &change.key, &entry, expires_at).await?;
                etags.push(entry.etag);
            }
            let bytes = plugin_state::count_bytes(tx, plugin).await?;
            if bytes > allowed {
                let message = format!("the plugin may keep {allowed} bytes, keys included; this would be {bytes}");
                return refused(StateError::Quota(message));
            }
            Ok(etags)
        })
    });
    write.await.map_err(StateError::from)
}

/// Keys in order.
pub(super) async fn fetch_keys(
    of: &OfOperation,
    prefix: String,
    after: Option<String>,
    limit: u32,
) -> Result<Vec<String>, StateError> {
    check_granted(of)?;
    if limit > LISTED_MAX {
        return Err(StateError::Limit(format!("at most {LISTED_MAX} keys are listed at once")));
    }
    let after = after.unwrap_or_default();
    check_text(&prefix)?;
    check_text(&after)?;
    let shared = Arc::new((of.name().to_owned(), prefix, after));
    let now = Utc::now();
    let read = of.server.engine.store().read(move |tx: &mut ReadTx| {
        let shared = Arc::clone(&shared);
        Box::pin(async move {
            let (plugin, prefix, after) = &*shared;
            Ok::<_, Failure>(plugin_state::fetch_keys(tx, plugin, prefix, after, limit, now).await?)
        })
    });
    read.await.map_err(StateError::from)
}

fn check_granted(of: &OfOperation) -> Result<(), StateError> {
    match of.granted().state_bytes {
        0 => Err(StateError::Denied("the plugin was granted no state: `state.bytes`".to_owned())),
        _ => Ok(()),
    }
}

fn check_keys<'a>(count: usize, keys: impl Iterator<Item = &'a String>) -> Result<(), StateError> {
    if count > KEYS_MAX {
        return Err(StateError::Limit(format!("a call may name {KEYS_MAX} keys")));
    }
    for key in keys {
        check_text(key)?;
        if key.is_empty() {
            return Err(StateError::Limit("a key is not empty".to_owned()));
        }
    }
    Ok(())
}

fn check_text(key: &str) -> Result<(), StateError> {
    if key.len() > KEY_BYTES_MAX || key.contains('\0') {
        return Err(StateError::Limit(format!("a key has at most {KEY_BYTES_MAX} bytes, and no NUL")));
    }
    Ok(())
}
