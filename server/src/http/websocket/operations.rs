//! The operations that run in one WebSocket, by the names that the client gave them.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard};

use tokio::task::AbortHandle;

/// Those that run. Clones are the same ones.
#[derive(Clone, Default)]
pub struct Operations(Arc<Mutex<Running>>);

#[derive(Default)]
struct Running {
    by_id: HashMap<String, Operation>,
    begun: u64,
}

struct Operation {
    /// Two may have one name, one after the other.
    number: u64,
    task: Option<AbortHandle>,
}

/// One that was begun.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Begun {
    /// The client's name for it.
    pub id: String,
    number: u64,
}

impl Operations {
    /// How many run.
    pub fn count(&self) -> usize {
        self.running().by_id.len()
    }

    /// Begins one; `None` if one with its name runs.
    pub fn begin(&self, id: &str) -> Option<Begun> {
        let mut running = self.running();
        if running.by_id.contains_key(id) {
            return None;
        }
        running.begun += 1;
        let number = running.begun;
        running.by_id.insert(id.to_owned(), Operation { number, task: None });
        Some(Begun { id: id.to_owned(), number })
    }

    /// Says which task does it, unless it has ended in the meantime: then the task is ended.
    pub fn runs(&self, begun: &Begun, task: AbortHandle) {
        match self.running().by_id.get_mut(&begun.id).filter(|operation| operation.number == begun.number) {
            Some(operation) => operation.task = Some(task),
            None => task.abort(),
        }
    }

    /// It has ended by itself: its name is free. False if the client has ended it already, and wants to hear no more of it.
    pub fn finish(&self, begun: &Begun) -> bool {
        let mut running = self.running();
        let is_there = running.by_id.get(&begun.id).is_some_and(|operation| operation.number == begun.number);
        if is_there {
            running.by_id.remove(&begun.id);
        }
        is_there
    }

    /// The client ends one. There may be none any more: it may have ended while the client was saying so.
    pub fn stop(&self, id: &str) {
        if let Some(Operation { task: Some(task), .. }) = self.running().by_id.remove(id) {
            task.abort();
        }
    }

    /// Ends all.
    pub fn stop_all(&self) {
        for (_, operation) in self.running().by_id.drain() {
            if let Some(task) = operation.task {
                task.abort();
            }
        }
    }

    fn running(&self) -> MutexGuard<'_, Running> {
        self.0.lock().expect("nobody panics while looking")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_name_is_free_again_when_its_operation_has_ended() {
        let operations = Operations::default();
        let first = operations.begin("a").unwrap();
        assert!(operations.begin("a").is_none() && operations.begin("b").is_some());
        assert_eq!(operations.count(), 2);
        assert!(operations.finish(&first));
        assert!(!operations.finish(&first), "once");
        let second = operations.begin("a").unwrap();
        assert!(!operations.finish(&first), "the second is another one");
        assert!(operations.finish(&second));
    }

    #[tokio::test]
    async fn who_is_stopped_is_stopped_also_before_its_task_is_known() {
        let operations = Operations::default();
        let begun = operations.begin("a").unwrap();
        operations.stop("a");
        let task = tokio::spawn(std::future::pending::<()>());
        operations.runs(&begun, task.abort_handle());
        assert!(task.await.unwrap_err().is_cancelled());
        let begun = operations.begin("a").unwrap();
        let task = tokio::spawn(std::future::pending::<()>());
        operations.runs(&begun, task.abort_handle());
        operations.stop_all();
        assert!(task.await.unwrap_err().is_cancelled());
    }
}
