//! The one task of a process that reads the outbox, for as long as somebody follows.

use std::collections::HashMap;
use std::sync::{Arc, Weak};
use std::time::Duration;

use cardine_store::ReadTx;
use cardine_store::platform::feed::{OutboxMark, fetch_events, fetch_outbox_mark};

use super::{BATCH, Inner, KEPT_BYTES_MAX, KEPT_MAX, RecordChange, State};
use crate::EngineError;

/// How often other processes' events are looked for.
const IDLE: Duration = Duration::from_millis(250);
/// How long a transaction that may still commit an event is waited for before it is looked at again, at first and at most.
const UNSETTLED: (Duration, Duration) = (Duration::from_millis(1), Duration::from_millis(50));
/// The pause after a failure of the database.
const FAILED: Duration = Duration::from_secs(1);

enum Progress {
    /// All that there is was read.
    Done,
    /// There is more.
    More,
    /// There are events that another one may still come before.
    Unsettled,
}

/// Runs until nobody follows or the engine is gone.
pub(super) async fn poll(feed: Weak<Inner>) {
    let mut pending = None;
    let mut pause = UNSETTLED.0;
    loop {
        let Some(feed) = feed.upgrade() else { return };
        if feed.rest() {
            return;
        }
        match feed.advance(&mut pending).await {
            Ok(Progress::More) => pause = UNSETTLED.0,
            Ok(Progress::Unsettled) => {
                tokio::time::sleep(pause).await;
                pause = (pause * 2).min(UNSETTLED.1);
            }
            Ok(Progress::Done) => {
                pause = UNSETTLED.0;
                // Sooner if this process writes.
                let _ = tokio::time::timeout(IDLE, feed.wake.notified()).await;
            }
            Err(_) if feed.store.is_shut_down() => return,
            Err(error) => {
                tracing::warn!(%error, "the outbox could not be read; it is read again");
                tokio::time::sleep(FAILED).await;
            }
        }
    }
}

impl Inner {
    /// Forgets everything if nobody follows.
    fn rest(&self) -> bool {
        let mut state = self.state();
        if state.followed.is_empty() {
            *state = State::default();
            self.head.send_replace(None);
            return true;
        }
        false
    }

    async fn advance(&self, pending: &mut Option<OutboxMark>) -> Result<Progress, EngineError> {
        let mark = self
            .store
            .read(|tx: &mut ReadTx| Box::pin(async move { Ok::<_, EngineError>(fetch_outbox_mark(tx).await?) }));
        let mark = mark.await?;
        let head = *self.head.borrow();
        if head == Some(mark.last) {
            *pending = None;
            return Ok(Progress::Done);
        }
        let Some(settled) = settled(pending, mark) else { return Ok(Progress::Unsettled) };
        match head {
            None => self.begin(settled),
            Some(head) if head < settled => return self.fetch(head, settled).await,
            // The database was put back to an earlier state: what was read is of no use.
            Some(head) if head > settled && pending.is_none() => self.begin(settled),
            Some(_) => {}
        }
        Ok(Progress::More)
    }

    fn begin(&self, head: i64) {
        let mut state = self.state();
        state.kept.clear();
        state.kept_bytes = 0;
        state.followed.values_mut().for_each(|followed| followed.since = head);
        self.head.send_replace(Some(head));
    }

    async fn fetch(&self, head: i64, settled: i64) -> Result<Progress, EngineError> {
        let modules: Vec<String> = self.state().followed.keys().cloned().collect();
        let asked = modules.clone();
        let rows = self.store.read(move |tx: &mut ReadTx| {
            Box::pin(async move { Ok::<_, EngineError>(fetch_events(tx, &asked, head, settled, BATCH).await?) })
        });
        let rows = rows.await?;
        let is_all = rows.len() < BATCH;
        let head = if is_all { settled } else { rows.last().map_or(settled, |row| row.seq) };
        let mut state = self.state();
        let mut last = HashMap::new();
        for row in rows {
            let change = RecordChange::decode(row);
            last.insert(change.module.clone(), change.seq);
            state.keep(change);
        }
        // Who began to follow in the meantime was not asked for.
        for (name, followed) in &mut state.followed {
            if !modules.contains(name) {
                followed.since = head;
            }
        }
        self.head.send_replace(Some(head));
        for (module, seq) in last {
            if let Some(followed) = state.followed.get(&module) {
                followed.last.send_replace(seq);
            }
        }
        Ok(Progress::More)
    }
}

impl State {
    fn keep(&mut self, change: Arc<RecordChange>) {
        self.kept_bytes += change.bytes;
        self.kept.push_back(change);
        while self.kept.len() > KEPT_MAX || self.kept_bytes > KEPT_BYTES_MAX {
            let Some(oldest) = self.kept.pop_front() else { return };
            self.kept_bytes -= oldest.bytes;
            if let Some(followed) = self.followed.get_mut(&oldest.module) {
                followed.since = followed.since.max(oldest.seq);
            }
        }
    }
}

/// The number up to which nothing can appear any more; `None` if that is not known yet.
fn settled(pending: &mut Option<OutboxMark>, mark: OutboxMark) -> Option<i64> {
    if mark.open.is_empty() {
        *pending = None;
        return Some(mark.last);
    }
    match pending {
        Some(earlier) if earlier.is_settled_at(&mark) => {
            let last = earlier.last;
            *pending = Some(mark);
            Some(last)
        }
        Some(_) => None,
        None => {
            *pending = Some(mark);
            None
        }
    }
}
