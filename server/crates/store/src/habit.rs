//! What is known of a read that is run again and again, so that it is run in the cheapest way.

use std::sync::atomic::{AtomicU32, Ordering};

/// After a read was not short, so many others of its kind go to a reading thread at once.
const LONG_AGAIN: u32 = 100;

/// How much a read asks, and how it went before.
#[derive(Debug, Default)]
pub struct Habit {
    extent: Extent,
    /// How many of the next ones are taken to be long.
    long: AtomicU32,
}

/// How much a read asks.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Extent {
    /// Any number of statements, which must see one snapshot.
    #[default]
    Several,
    /// One statement.
    One,
    /// One statement that finds one record by its key, by the same plan whatever the key.
    Key,
}

impl Habit {
    /// Of a read that asks so much.
    pub fn new(extent: Extent) -> Self {
        Self { extent, long: AtomicU32::new(0) }
    }

    pub(crate) fn extent(&self) -> Extent {
        self.extent
    }

    /// Whether it may be tried where it is asked for.
    pub(crate) fn is_short(&self) -> bool {
        self.long.fetch_update(Ordering::Relaxed, Ordering::Relaxed, |left| left.checked_sub(1)).is_err()
    }

    pub(crate) fn was_long(&self) {
        self.long.store(LONG_AGAIN, Ordering::Relaxed);
    }
}
