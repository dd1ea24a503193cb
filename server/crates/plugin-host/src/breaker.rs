//! Suspends a plugin whose calls end badly again and again.

use std::collections::VecDeque;
use std::time::{Duration, Instant};

/// Counts ended calls within a window; too many suspend the plugin for as long as the window.
#[derive(Debug)]
pub(crate) struct Breaker {
    ends_allowed: usize,
    window: Duration,
    ends: VecDeque<Instant>,
    suspended_until: Option<Instant>,
}

impl Breaker {
    pub(crate) fn new(ends_allowed: usize, window: Duration) -> Self {
        Self { ends_allowed, window, ends: VecDeque::new(), suspended_until: None }
    }

    /// How long the plugin still rests; none if it may run.
    pub(crate) fn rest(&mut self, now: Instant) -> Option<Duration> {
        let left = self.suspended_until?.checked_duration_since(now).filter(|left| !left.is_zero());
        if left.is_none() {
            self.resume();
        }
        left
    }

    /// Notes a call that ended badly; true if the plugin is suspended because of it.
    pub(crate) fn note_end(&mut self, now: Instant) -> bool {
        while self.ends.front().is_some_and(|first| now.duration_since(*first) >= self.window) {
            self.ends.pop_front();
        }
        self.ends.push_back(now);
        let suspended = self.ends.len() >= self.ends_allowed && self.suspended_until.is_none();
        if suspended {
            self.suspended_until = Some(now + self.window);
        }
        suspended
    }

    /// Forgets everything.
    pub(crate) fn resume(&mut self) {
        self.ends.clear();
        self.suspended_until = None;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SECOND: Duration = Duration::from_secs(1);

    #[test]
    fn enough_ends_within_the_window_suspend() {
        let (mut breaker, start) = (Breaker::new(3, SECOND * 10), Instant::now());
        assert!(!breaker.note_end(start));
        assert!(!breaker.note_end(start + SECOND));
        assert_eq!(breaker.rest(start + SECOND), None);
        assert!(breaker.note_end(start + SECOND * 2));
        assert_eq!(breaker.rest(start + SECOND * 3), Some(SECOND * 9));
        assert_eq!(breaker.rest(start + SECOND * 12), None);
        assert!(!breaker.note_end(start + SECOND * 12), "it begins anew");
    }

    #[test]
    fn ends_far_apart_do_not() {
        let (mut breaker, start) = (Breaker::new(3, SECOND * 10), Instant::now());
        for end in 0..50 {
            assert!(!breaker.note_end(start + SECOND * 5 * end));
        }
    }

    #[test]
    fn an_admin_can_end_the_rest() {
        let (mut breaker, start) = (Breaker::new(1, SECOND), Instant::now());
        breaker.note_end(start);
        breaker.resume();
        assert_eq!(breaker.rest(start), None);
    }
}
