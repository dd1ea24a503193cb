//! The reading threads: each has a connection, and drives whole read transactions, one after the other.

use std::path::PathBuf;
use std::sync::mpsc::{Receiver, Sender, channel};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::thread::JoinHandle;

use tokio::runtime::Handle;
use tokio::sync::Semaphore;

use super::{Connection, Purpose, thread};
use crate::error::cause;
use crate::transaction::ReadTx;
use crate::{Options, StoreError};

/// A whole read transaction, with the sending of its answer.
pub(crate) type ReadJob = Box<dyn FnOnce(&mut ReadTx, &Handle) + Send>;

/// Threads that read. A job waits for one that is free; the one that was free last is taken, as its caches are warm.
pub(crate) struct Readers {
    shared: Arc<Shared>,
    path: PathBuf,
    options: Options,
    runtime: Handle,
    threads: Mutex<Vec<JoinHandle<()>>>,
}

struct Shared {
    free: Semaphore,
    idle: Mutex<Idle>,
}

#[derive(Default)]
struct Idle {
    closed: bool,
    threads: Vec<Sender<ReadJob>>,
}

impl Readers {
    /// Opens the connections and starts the threads. The file must be there.
    pub(crate) fn start(path: PathBuf, options: &Options, runtime: Handle) -> Result<Self, StoreError> {
        let shared = Arc::new(Shared { free: Semaphore::new(0), idle: Mutex::default() });
        let mut threads = Vec::new();
        for number in 0..options.sqlite_readers.max(1) {
            let connection = Connection::open(&path, Purpose::Read, options)?;
            let (sender, receiver) = channel();
            let (own_shared, runtime, own) = (Arc::clone(&shared), runtime.clone(), sender.clone());
            let run = move || read_until_closed(ReadTx::sqlite(connection), &receiver, &own, &own_shared, &runtime);
            threads.push(spawn(format!("cardine-read-{number}"), run)?);
            lock(&shared.idle).threads.push(sender);
            shared.free.add_permits(1);
        }
        Ok(Self { shared, path, options: options.clone(), runtime, threads: Mutex::new(threads) })
    }

    /// Runs `job` on a thread that is free, as soon as one is.
    pub(crate) async fn run(&self, job: ReadJob) -> Result<(), StoreError> {
        if thread::runs_on_store_thread().is_some() {
            return self.run_apart(job);
        }
        let closed = || StoreError::Unavailable(cause("the store was shut down"));
        let permit = self.shared.free.acquire().await.map_err(|_| closed())?;
        let idle = lock(&self.shared.idle).threads.pop().ok_or_else(closed)?;
        // The thread gives it back when it is free again.
        permit.forget();
        idle.send(job).map_err(|_| closed())
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
        self.shared.free.close();
        let mut idle = lock(&self.shared.idle);
        idle.closed = true;
        for sender in idle.threads.drain(..) {
            // The thread ends on it, as `closed` is set.
            let _ = sender.send(Box::new(|_, _| ()));
        }
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

fn read_until_closed(
    mut tx: ReadTx,
    jobs: &Receiver<ReadJob>,
    own: &Sender<ReadJob>,
    shared: &Shared,
    runtime: &Handle,
) {
    thread::mark(Purpose::Read);
    while let Ok(job) = jobs.recv() {
        job(&mut tx, runtime);
        let mut idle = lock(&shared.idle);
        if idle.closed {
            return;
        }
        idle.threads.push(own.clone());
        drop(idle);
        shared.free.add_permits(1);
    }
}

pub(super) fn spawn(name: String, run: impl FnOnce() + Send + 'static) -> Result<JoinHandle<()>, StoreError> {
    let spawned = std::thread::Builder::new().name(name).spawn(run);
    spawned.map_err(|error| StoreError::Unavailable(Arc::new(error)))
}

/// What is behind these locks is whole at every moment, so a panic elsewhere does not matter.
fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
