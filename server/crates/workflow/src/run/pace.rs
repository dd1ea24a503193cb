//! When the queue is looked at next: at once on an idle server, and while requests keep writing so seldom that what they start is leased and done
//! together, so that it takes little of what they need themselves.

use std::time::Duration;

use tokio::time::Instant;

use super::share::Share;

/// How long at most it is waited for more to be due before the queue is looked at again.
const GATHER: Duration = Duration::from_millis(25);
/// How often the queue is looked at without being told: for other processes' events, postponed runs and ended leases.
const POLL: Duration = Duration::from_millis(500);

/// The last look at the queue, and what has happened since.
#[derive(Debug)]
pub(super) struct Pace {
    looked_at: Instant,
    /// Some workflow gave as many runs as it was asked for: more of its runs may be due.
    is_more_due: bool,
    /// Some run began.
    has_begun: bool,
    /// Runs under way behind the look.
    running: usize,
    /// How many writes of requests there were before it.
    written: u64,
    /// Something was written, or a run has ended behind which another one waits perhaps.
    is_told: bool,
}

impl Pace {
    /// It is looked now, when so many writes of requests are known.
    pub fn look(now: Instant, written: u64) -> Self {
        Self { looked_at: now, is_more_due: false, has_begun: false, running: 0, written, is_told: false }
    }

    /// What the look has led to.
    pub fn found(&mut self, is_more_due: bool, has_begun: bool, share: &Share) {
        self.is_more_due = is_more_due;
        self.has_begun = has_begun;
        self.running = share.all();
    }

    /// There may be something to do.
    pub fn tell(&mut self) {
        self.is_told = true;
    }

    /// When it is looked next, as it stands; never while no run could begin.
    pub fn next(&self, share: &Share, written: u64) -> Option<Instant> {
        if share.is_full() {
            return None;
        }
        // Where all places of what is due are taken, nothing changes until one of its runs ends, which is told.
        if !(self.is_told || self.is_more_due && self.has_begun) {
            return Some(self.looked_at + POLL);
        }
        // Requests write on: what they start next is waited for, unless there is enough to do anyway.
        let gathers = written > self.written && !self.is_more_due;
        // Half of what was under way has ended: those in its place begin together.
        let is_little_left = share.all() <= self.running / 2;
        Some(if is_little_left && !gathers { self.looked_at } else { self.looked_at + GATHER })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use uuid::Uuid;

    const WORKFLOW: Uuid = Uuid::from_u128(1);

    /// Behind a look with so many runs under way, so many writes since.
    fn pace(share: &mut Share, running: usize, is_more_due: bool) -> Pace {
        let mut pace = Pace::look(Instant::now(), 10);
        (0..running).for_each(|_| share.begin(WORKFLOW));
        pace.found(is_more_due, running > 0, share);
        pace
    }

    #[tokio::test]
    async fn an_idle_server_looks_at_once_when_it_is_told_and_now_and_then() {
        let mut share = Share::default();
        let mut pace = pace(&mut share, 1, false);
        assert_eq!(pace.next(&share, 10), Some(pace.looked_at + POLL));
        // A run that ends may make way for the next one of its record, or have caused one.
        share.end(WORKFLOW);
        pace.tell();
        assert_eq!(pace.next(&share, 10), Some(pace.looked_at));
    }

    #[tokio::test]
    async fn while_requests_write_it_is_waited_for_more_of_them_but_never_long() {
        let mut share = Share::default();
        let mut pace = pace(&mut share, 0, false);
        assert_eq!(pace.next(&share, 11), Some(pace.looked_at + POLL), "nothing was told");
        for written in 11..1_000 {
            pace.tell();
            assert_eq!(pace.next(&share, written), Some(pace.looked_at + GATHER), "however many there are");
        }
        assert!(GATHER <= Duration::from_millis(50), "as it is documented");
    }

    #[tokio::test]
    async fn a_long_queue_is_gone_on_with_when_half_has_ended_whoever_writes() {
        for written in [10, 500] {
            let mut share = Share::default();
            let mut pace = pace(&mut share, 12, true);
            for left in (0..12).rev() {
                share.end(WORKFLOW);
                pace.tell();
                let pause = if left > 6 { GATHER } else { Duration::ZERO };
                assert_eq!(pace.next(&share, written), Some(pace.looked_at + pause), "{left} are left");
            }
        }
    }

    #[tokio::test]
    async fn what_is_due_of_a_workflow_whose_places_are_taken_waits_until_a_run_of_it_ends() {
        let mut share = Share::default();
        (0..12).for_each(|_| share.begin(WORKFLOW));
        let mut pace = pace(&mut share, 0, true);
        assert_eq!(pace.next(&share, 10), Some(pace.looked_at + POLL));
        pace.tell();
        assert_eq!(pace.next(&share, 10), Some(pace.looked_at + GATHER));
    }

    #[tokio::test]
    async fn it_is_not_looked_while_no_run_can_begin() {
        let mut share = Share::default();
        let mut pace = pace(&mut share, 16, true);
        pace.tell();
        assert_eq!(pace.next(&share, 10), None);
        share.end(WORKFLOW);
        assert_eq!(pace.next(&share, 10), Some(pace.looked_at + GATHER));
    }
}
