//! What was retired long ago is purged by itself.

use async_recursion::async_recursion as boxed;
use chrono::{DateTime, TimeDelta, Utc};

use super::bootstrap::system;
use super::load;
use super::plan::Change;
use crate::{Engine, EngineError};

impl Engine {
    /// How long what is retired may be restored; none if for good.
    pub fn set_retention(&self, retention: Option<TimeDelta>) {
        *self.0.retention.lock().expect("nobody panics while holding it") = retention;
    }

    /// Purges modules and fields that were retired longer ago than the retention at `now`; gives how many.
    #[boxed]
    pub async fn purge_expired(&self, now: DateTime<Utc>) -> Result<usize, EngineError> {
        let Some(retention) = *self.0.retention.lock().expect("nobody panics while holding it") else { return Ok(0) };
        let before = now - retention;
        let (_, modules) = load::fetch_retired(self.store()).await?;
        let modules = modules.into_iter().filter(|retired| retired.at < before);
        let mut due: Vec<Change> =
            modules.map(|retired| Change::PurgeModule { module: retired.definition.name }).collect();
        for module in self.snapshot().catalog.modules.iter().filter(|module| !module.platform) {
            let retired = module.definition().retired;
            let expired = retired.iter().filter(|retired| retired.at < before);
            due.extend(
                expired.map(|retired| Change::PurgeField {
                    module: module.name.clone(),
                    field: retired.field.name.clone(),
                }),
            );
        }
        let mut purged = 0;
        for change in due {
            match self.change_as(system(), change, false, None).await {
                Ok(_) => purged += 1,
                // Another process, or an administrator, was faster; or a job changes the module, and it is purged after it.
                Err(EngineError::Validation(issues) | EngineError::Conflict { issues, .. }) => {
                    tracing::debug!(?issues, "what is due was not purged")
                }
                Err(error) => return Err(error),
            }
        }
        Ok(purged)
    }
}
