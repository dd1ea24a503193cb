//! While requests write, runs leave them the machine: few of them write at the same time then.

use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use tokio::sync::{Semaphore, SemaphorePermit};

/// Runs that write at the same time while requests do.
const WRITES_BESIDE_MAX: usize = 2;
/// How long one waits for that, at most: a database that is far away takes long for each, and several at the same time.
const WAIT_MAX: Duration = Duration::from_millis(25);

/// Whether requests write, and the places of runs beside them.
#[derive(Debug)]
pub(super) struct Way {
    requests_write: AtomicBool,
    places: Semaphore,
}

impl Default for Way {
    fn default() -> Self {
        Self { requests_write: AtomicBool::new(false), places: Semaphore::new(WRITES_BESIDE_MAX) }
    }
}

impl Way {
    /// Requests have written since the last look at the queue, or have not.
    pub fn note(&self, requests_write: bool) {
        self.requests_write.store(requests_write, Ordering::Relaxed);
    }

    /// Waits for a place to write, where requests write too; it is free again when what is given here is dropped.
    pub(super) async fn give(&self) -> Option<SemaphorePermit<'_>> {
        if !self.requests_write.load(Ordering::Relaxed) {
            return None;
        }
        // An error is that it took too long, or that it is closed, which it never is.
        tokio::time::timeout(WAIT_MAX, self.places.acquire()).await.ok()?.ok()
    }
}

#[cfg(test)]
mod tests {
    use futures_util::FutureExt as _;

    use super::*;

    #[tokio::test]
    async fn few_write_beside_requests_and_nobody_waits_where_there_are_none() {
        let way = Way::default();
        for _ in 0..10 * WRITES_BESIDE_MAX {
            assert!(way.give().now_or_never().expect("it does not wait").is_none());
        }
        way.note(true);
        let mut places: Vec<_> =
            (0..WRITES_BESIDE_MAX).map(|_| way.give().now_or_never().flatten().expect("a place")).collect();
        assert!(way.give().now_or_never().is_none(), "it waits");
        places.pop();
        assert!(way.give().now_or_never().flatten().is_some());
        places.push(way.give().now_or_never().flatten().expect("a place"));
        assert!(way.give().await.is_none(), "in the end it goes on all the same");
        way.note(false);
        assert!(way.give().now_or_never().is_some(), "nobody is in the way any more");
    }
}
