//! What nothing holds goes: uploads that no record ever held, files that none holds any more, contents without a row.

use async_recursion::async_recursion as boxed;
use std::time::Duration;

use cardine_store::platform::files::{delete_free, fetch_free, fetch_known, keep_free};
use cardine_store::{ReadTx, StoreError, Stored, WriteTx};
use chrono::{DateTime, TimeDelta, Utc};
use futures_util::{FutureExt as _, StreamExt as _};
use rustc_hash::FxHashSet;
use uuid::Uuid;

use crate::{Engine, EngineError};

/// How long a file waits for the first record that holds it.
pub const UNATTACHED_RETENTION: TimeDelta = TimeDelta::hours(24);
/// How long a content may be without a row: it is written before its row is.
pub const ORPHAN_GRACE: TimeDelta = TimeDelta::minutes(15);
/// How often it is looked for what can go; what a write frees goes at once.
pub const SWEEP_INTERVAL: Duration = Duration::from_secs(600);
/// Between a write and the look at what it freed: many writes are one look.
const PAUSE: Duration = Duration::from_secs(1);
/// Looked up in one statement.
const BATCH: u32 = 500;

impl Engine {
    /// Removes the files that may go at `now` and that no record holds; gives how many.
    #[boxed]
    pub async fn remove_free_files(&self, now: DateTime<Utc>) -> Result<u64, EngineError> {
        let mut removed = 0;
        loop {
            let free = self.store().read(move |tx: &mut ReadTx| fetch_free(tx, now, BATCH).boxed()).await?;
            if free.is_empty() {
                return Ok(removed);
            }
            for file in free {
                if self.remove_free_file(file, now).await? {
                    removed += 1;
                    // If this fails, it is a content without a row.
                    if let Err(error) = self.files()?.remove(file).await {
                        tracing::warn!(%error, "the content of a file that is gone could not be removed; it is tried again");
                    }
                }
            }
        }
    }

    /// Removes the row, or notes that a record holds the file: whichever, it is not found free again.
    async fn remove_free_file(&self, file: Uuid, now: DateTime<Utc>) -> Result<bool, EngineError> {
        match self.store().write(move |tx: &mut WriteTx| delete_free(tx, file, now).boxed()).await {
            Ok(deleted) => Ok(deleted),
            Err(StoreError::ForeignKeyViolation { .. }) => {
                self.store().write(move |tx: &mut WriteTx| keep_free(tx, file, now).boxed()).await?;
                Ok(false)
            }
            Err(error) => Err(error.into()),
        }
    }

    /// Removes contents and unfinished uploads that are older than [`ORPHAN_GRACE`] at `now` and have no row; gives how many.
    #[boxed]
    pub async fn remove_orphan_contents(&self, now: DateTime<Utc>) -> Result<u64, EngineError> {
        let files = self.files()?;
        let mut removed = files.remove_unfinished(now - ORPHAN_GRACE).await?;
        let stored = files.list().await?;
        let mut batches = stored.chunks(BATCH as usize);
        while let Some(batch) = batches.next().await {
            let batch: Vec<Stored> = batch.into_iter().collect::<Result<_, _>>()?;
            let old = |one: &&Stored| one.modified.is_some_and(|modified| modified < now - ORPHAN_GRACE);
            let old: Vec<Uuid> = batch.iter().filter(old).map(|one| one.id).collect();
            for orphan in self.without_row(old).await? {
                files.remove(orphan).await?;
                removed += 1;
            }
        }
        Ok(removed)
    }

    /// Those of the ids that are no files.
    pub(super) async fn without_row(&self, ids: Vec<Uuid>) -> Result<Vec<Uuid>, EngineError> {
        if ids.is_empty() {
            return Ok(ids);
        }
        let asked = ids.clone();
        let known =
            self.store().read(move |tx: &mut ReadTx| async move { fetch_known(tx, &asked).await }.boxed()).await?;
        let known: FxHashSet<Uuid> = known.into_iter().collect();
        Ok(ids.into_iter().filter(|id| !known.contains(id)).collect())
    }

    /// Sweeps now, every [`SWEEP_INTERVAL`], and soon after writes, for as long as the engine lives.
    pub(super) fn sweep_files(&self) {
        let weak = self.downgrade();
        let freed = std::sync::Arc::clone(&self.0.files_freed);
        tokio::spawn(async move {
            let mut orphans_due = tokio::time::Instant::now();
            loop {
                let Some(engine) = weak.upgrade().map(Engine) else { return };
                if let Err(error) = engine.remove_free_files(Utc::now()).await {
                    tracing::warn!(%error, "files that nothing holds could not be removed; they are tried again");
                }
                if orphans_due <= tokio::time::Instant::now() {
                    orphans_due += SWEEP_INTERVAL;
                    if let Err(error) = engine.remove_orphan_contents(Utc::now()).await {
                        tracing::warn!(%error, "contents without a row could not be removed; they are tried again");
                    }
                }
                drop(engine);
                tokio::select! {
                    () = tokio::time::sleep_until(orphans_due) => {}
                    () = freed.notified() => tokio::time::sleep(PAUSE).await,
                }
            }
        });
    }
}
