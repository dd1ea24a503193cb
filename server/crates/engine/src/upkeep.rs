//! What the engine looks after by itself: old events go, and the database knows its tables.

use async_recursion::async_recursion as boxed;
use std::time::{Duration, Instant};

use cardine_store::WriteTx;
use cardine_store::platform::events::delete_events;
use cardine_store::platform::idempotency::delete_expired;
use cardine_store::platform::notifications::delete_notifications;
use cardine_store::platform::requests::delete_old_requests;
use cardine_store::platform::statistics;
use chrono::{DateTime, TimeDelta, Utc};

use crate::{ANSWER_RETENTION, Engine, EngineError, NOTIFICATION_RETENTION};

/// How long events are kept for those who read on after a pause. Runs of workflows are queued with the event and keep their own copy.
pub const EVENT_RETENTION: TimeDelta = TimeDelta::days(7);
/// How often old events are looked for.
pub const UPKEEP_INTERVAL: Duration = Duration::from_secs(3_600);
/// How often tables are looked for that the database knows too little of.
pub const STATISTICS_INTERVAL: Duration = Duration::from_secs(15);
/// Deleted in one transaction, so that no write waits long.
const BATCH: usize = 5_000;

impl Engine {
    /// Deletes events older than [`EVENT_RETENTION`] at `now`; gives how many.
    #[boxed]
    pub async fn delete_old_events(&self, now: DateTime<Utc>) -> Result<u64, EngineError> {
        let before = now - EVENT_RETENTION;
        let mut deleted = 0;
        loop {
            let batch = self
                .store()
                .write(move |tx: &mut WriteTx| {
                    Box::pin(async move { Ok::<_, EngineError>(delete_events(tx, before, BATCH).await?) })
                })
                .await?;
            deleted += batch;
            if batch < BATCH as u64 {
                return Ok(deleted);
            }
        }
    }

    /// Forgets answers that are no longer given again at `now`, those to requests that start workflows too; gives how many.
    #[boxed]
    pub async fn delete_old_answers(&self, now: DateTime<Utc>) -> Result<u64, EngineError> {
        let expired = now - ANSWER_RETENTION;
        self.store()
            .write(move |tx: &mut WriteTx| {
                Box::pin(async move {
                    let answers = delete_expired(tx, expired).await?;
                    Ok::<_, EngineError>(answers + delete_old_requests(tx, expired).await?)
                })
            })
            .await
    }

    /// Forgets failures to sign in, resets and mails of which nothing follows any more at `now`; gives how many.
    #[boxed]
    pub async fn delete_old_traces_of_sign_in(&self, now: DateTime<Utc>) -> Result<u64, EngineError> {
        let (failures, resets) = (self.delete_old_failures(now).await?, self.delete_old_resets(now).await?);
        Ok(failures + resets + self.delete_old_mails(now).await?)
    }

    /// Deletes notifications that were made long ago at `now`; gives how many.
    #[boxed]
    pub async fn delete_old_notifications(&self, now: DateTime<Utc>) -> Result<u64, EngineError> {
        let before = now - NOTIFICATION_RETENTION;
        let mut deleted = 0;
        loop {
            let batch = self
                .store()
                .write(move |tx: &mut WriteTx| {
                    Box::pin(async move { Ok::<_, EngineError>(delete_notifications(tx, before, BATCH).await?) })
                })
                .await?;
            deleted += batch;
            if batch < BATCH as u64 {
                return Ok(deleted);
            }
        }
    }

    /// Lets the database look at its tables anew, so that it plans well: after much was loaded at once.
    #[boxed]
    pub async fn refresh_statistics(&self) -> Result<(), EngineError> {
        self.store()
            .write(|tx: &mut WriteTx| Box::pin(async move { Ok::<_, EngineError>(tx.run_ddl("ANALYZE").await?) }))
            .await
    }

    /// Looks for old events and answers every [`UPKEEP_INTERVAL`], and for tables without fresh statistics every [`STATISTICS_INTERVAL`], for as
    /// long as the engine lives.
    pub(crate) fn keep_up(&self) {
        let weak = self.downgrade();
        tokio::spawn(async move {
            let mut events_due = Instant::now() + UPKEEP_INTERVAL;
            loop {
                tokio::time::sleep(STATISTICS_INTERVAL).await;
                let Some(engine) = weak.upgrade().map(Self) else { return };
                if let Err(error) = statistics::refresh(engine.store()).await {
                    tracing::debug!(%error, "a table's statistics could not be made; they are tried again");
                }
                if Instant::now() < events_due {
                    continue;
                }
                events_due = Instant::now() + UPKEEP_INTERVAL;
                if let Err(error) = engine.delete_old_events(Utc::now()).await {
                    tracing::warn!(%error, "old events could not be deleted; they are tried again");
                }
                if let Err(error) = engine.purge_expired(Utc::now()).await {
                    tracing::warn!(%error, "what was retired long ago could not be purged; it is tried again");
                }
                if let Err(error) = engine.delete_old_answers(Utc::now()).await {
                    tracing::warn!(%error, "old answers could not be deleted; they are tried again");
                }
                if let Err(error) = engine.delete_old_notifications(Utc::now()).await {
                    tracing::warn!(%error, "old notifications could not be deleted; they are tried again");
                }
                if let Err(error) = engine.delete_old_traces_of_sign_in(Utc::now()).await {
                    tracing::warn!(%error, "old failures, resets and mails could not be deleted; they are tried again");
                }
            }
        });
    }
}
