//! When requests are sent, as far as the servers know: one after the other from a fixed noon on, alike in both worlds.

use chrono::{DateTime, TimeDelta, Utc};

#[derive(Debug, Clone)]
pub struct Moments {
    now: DateTime<Utc>,
}

impl Moments {
    pub fn new() -> Self {
        Self::after(0)
    }

    /// Those of later requests do not meet those of earlier ones.
    pub fn after(hours: i64) -> Self {
        let noon: DateTime<Utc> = "2026-06-15T12:00:00Z".parse().expect("a moment");
        Self { now: noon + TimeDelta::hours(hours) }
    }

    pub fn next(&mut self) -> String {
        self.now += TimeDelta::milliseconds(7);
        self.now.to_rfc3339_opts(chrono::SecondsFormat::Millis, true)
    }
}
