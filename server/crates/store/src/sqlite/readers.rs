//! The reading threads: each has a connection, and drives whole read transactions, one after the other.

use std::collections::VecDeque;
use std::path::PathBuf;
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::thread::JoinHandle;

use tokio::runtime::Handle;

use super::{Connection, Purpose, thread};
use crate::error::cause;
use crate::transaction::ReadTx;
use crate::{Options, StoreError};

/// A whole read transaction, with the sending of its answer.
pub(crate) type ReadJob = Box<dyn FnOnce(&mut ReadTx, &Handle) + Send>;

/// Threads that read. Jobs stand in one queue, so that a thread that is done goes on with the next one without sleeping.
pub(crate) struct Readers {
    shared: Arc<Shared>,
    path: PathBuf,
    options: Options,
    runtime: Handle,
    threads: Mutex<Vec<JoinHandle<()>>>,
}

#[derive(Default)]
struct Shared {
    queue: Mutex<Queue>,
    ready: Condvar,
}

#[derive(Default)]
struct Queue {
    closed: bool,
    jobs: VecDeque<ReadJob>,
}

impl Readers {
    /// Opens the connections and starts the threads. The file must be there.
    pub(crate) fn start(path: PathBuf, options: &Options, runtime: Handle) -> Result<Self, StoreError> {
        let shared = Arc::<Shared>::default();
        let mut threads = Vec::new();
        for number in 0..options.sqlite_readers.max(1) {
            let connection = Connection::open(&path, Purpose::Read, options)?;
            let (own_shared, runtime) = (Arc::clone(&shared), runtime.clone());
            let run = move || read_until_closed(ReadTx::sqlite(connection), &own_shared, &runtime);
            threads.push(spawn(format!("cardine-read-{number}"), run)?);
        }
        Ok(Self { shared, path, options: options.clone(), runtime, threads: Mutex::new(threads) })
    }

    /// Has `job` run by a thread, as soon as one is free. It is dropped if the store is shut down before.
    pub(crate) fn run(&self, job: ReadJob) -> Result<(), StoreError> {
        if thread::runs_on_store_thread().is_some() {
            return self.run_apart(job);
        }
        let mut queue = lock(&self.shared.queue);
        if queue.closed {
            return Err(StoreError::Unavailable(cause("the store was shut down")));
        }
        queue.jobs.push_back(job);
        drop(queue);
        self.shared.ready.notify_one();
        Ok(())
    }

    /// Runs a job that a transaction of the store waits for, on a thread of its own: were all threads to wait for each
    /// other's, none would ever be free.
    fn run_apart(&self, job: ReadJob) -> Result<(), StoreError> {
        let connection = Connection::open(&self.path, Purpose::Read, &self.options)?;
        let runtime = self.runtime.clone();
        let run = move || {
            thread::mark(Purpose::Read);
            job(&mut ReadTx::sqlite(connection), &runtime);
        };
        spawn("cardine-read-apart".to_owned(), run).map(|_| ())
    }

    /// Lets the jobs that run end, and takes no more.
    pub(crate) fn close(&self) {
        let mut queue = lock(&self.shared.queue);
        queue.closed = true;
        queue.jobs.clear();
        drop(queue);
        self.shared.ready.notify_all();
    }

    /// Waits for the threads' end after [`Readers::close`].
    pub(crate) fn join(&self) {
        for thread in lock(&self.threads).drain(..) {
            let _ = thread.join();
        }
    }
}

impl Drop for Readers {
    fn drop(&mut self) {
        self.close();
    }
}

fn read_until_closed(mut tx: ReadTx, shared: &Shared, runtime: &Handle) {
    thread::mark(Purpose::Read);
    while let Some(job) = next_job(shared) {
        job(&mut tx, runtime);
    }
}

fn next_job(shared: &Shared) -> Option<ReadJob> {
    let waits = |queue: &mut Queue| queue.jobs.is_empty() && !queue.closed;
    let mut queue = shared.ready.wait_while(lock(&shared.queue), waits).unwrap_or_else(PoisonError::into_inner);
    queue.jobs.pop_front()
}

pub(super) fn spawn(name: String, run: impl FnOnce() + Send + 'static) -> Result<JoinHandle<()>, StoreError> {
    let spawned = std::thread::Builder::new().name(name).spawn(run);
    spawned.map_err(|error| StoreError::Unavailable(Arc::new(error)))
}

/// What is behind these locks is whole at every moment, so a panic elsewhere does not matter.
fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
