//! What callers have a transaction do, without its types: what runs transactions is compiled once, and not for each of them.

use std::sync::{Arc, Mutex, PoisonError};

use futures_util::future::BoxFuture;

use crate::StoreError;
use crate::transaction::{ReadTx, WriteTx};

/// Why there is no answer.
pub(crate) enum Failure {
    /// The work itself failed; its error stands in its [`Slot`].
    Own,
    /// What runs the work failed.
    Store(StoreError),
}

impl From<StoreError> for Failure {
    fn from(error: StoreError) -> Self {
        Self::Store(error)
    }
}

/// What became of work whose answer, or own error, stands in its [`Slot`].
pub(crate) type Outcome = Result<(), Failure>;
/// Reads by whatever it is given.
pub(crate) type ReadWork = Box<dyn for<'a> FnOnce(&'a mut ReadTx) -> BoxFuture<'a, Outcome> + Send>;
/// Writes by whatever it is given; may be run again.
pub(crate) type WriteWork = Box<dyn for<'a> Fn(&'a mut WriteTx) -> BoxFuture<'a, Outcome> + Send + Sync>;

/// Where work leaves what it came to when it ran last.
pub(crate) struct Slot<T, E>(Arc<Mutex<Option<Result<T, E>>>>);

impl<T, E: From<StoreError>> Slot<T, E> {
    fn new() -> Self {
        Self(Arc::default())
    }

    fn another(&self) -> Self {
        Self(Arc::clone(&self.0))
    }

    fn put(&self, result: Result<T, E>) -> Outcome {
        let outcome = result.as_ref().map(|_| ()).map_err(|_| Failure::Own);
        *self.0.lock().unwrap_or_else(PoisonError::into_inner) = Some(result);
        outcome
    }

    /// The work's answer or error, or why it came to none.
    pub(crate) fn answer(&self, outcome: Outcome) -> Result<T, E> {
        match outcome {
            Err(Failure::Store(error)) => Err(error.into()),
            Ok(()) | Err(Failure::Own) => {
                let result = self.0.lock().unwrap_or_else(PoisonError::into_inner).take();
                result.unwrap_or_else(|| Err(StoreError::internal("work was answered before it ran").into()))
            }
        }
    }
}

/// Work that reads, and where its answer will stand.
pub(crate) fn reading<T, E, F>(work: F) -> (ReadWork, Slot<T, E>)
where
    F: for<'a> FnOnce(&'a mut ReadTx) -> BoxFuture<'a, Result<T, E>> + Send + 'static,
    T: Send + 'static,
    E: From<StoreError> + Send + 'static,
{
    let slot = Slot::new();
    let kept = slot.another();
    let erased: ReadWork = Box::new(move |tx| {
        let result = work(tx);
        Box::pin(async move { kept.put(result.await) })
    });
    (erased, slot)
}

/// Work that writes, and where its answer will stand.
pub(crate) fn writing<T, E, F>(work: F) -> (WriteWork, Slot<T, E>)
where
    F: for<'a> Fn(&'a mut WriteTx) -> BoxFuture<'a, Result<T, E>> + Send + Sync + 'static,
    T: Send + 'static,
    E: From<StoreError> + Send + 'static,
{
    let slot = Slot::new();
    let kept = slot.another();
    let erased: WriteWork = Box::new(move |tx| {
        let (result, kept) = (work(tx), kept.another());
        Box::pin(async move { kept.put(result.await) })
    });
    (erased, slot)
}
