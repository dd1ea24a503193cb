//! Marks the threads that drive transactions, so that one that is opened inside another is noticed.

use std::cell::Cell;

use super::Purpose;

thread_local! {
    static PURPOSE: Cell<Option<Purpose>> = const { Cell::new(None) };
}

/// Marks this thread for its whole life.
pub(super) fn mark(purpose: Purpose) {
    PURPOSE.set(Some(purpose));
}

/// What the store uses this thread for, if it is one of its own.
pub(crate) fn runs_on_store_thread() -> Option<Purpose> {
    PURPOSE.get()
}
