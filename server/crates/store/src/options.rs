//! How many connections the store opens, and how long it waits.

use std::sync::Arc;
use std::time::Duration;

/// Settings of a [`crate::Store`].
#[derive(Debug, Clone)]
pub struct Options {
    /// Whether the SQLite file is this process's alone: a server's is. A command that makes one change beside a running server
    /// waits its turn to write instead. Default: true.
    pub sqlite_exclusive: bool,
    /// Reading threads on SQLite, each with a connection. Default: one per core, at least 2.
    pub sqlite_readers: usize,
    /// Bytes of the SQLite file that each connection maps into memory. Default: 256 MiB.
    pub sqlite_mmap_bytes: u64,
    /// Connections to PostgreSQL. Default: 16.
    pub postgres_connections: usize,
    /// How long making a connection to PostgreSQL may take. Default: 5 s.
    pub connect_timeout: Duration,
    /// How long work without a limit of its own waits for a connection to PostgreSQL while all are in use. A request waits until
    /// its limit: that others are before it does not mean that the database cannot be reached. Default: 30 s.
    pub queue_timeout: Duration,
    /// How long a change of tables on PostgreSQL waits for a lock, one try after the other: whoever comes to the table meanwhile waits
    /// behind it, so it waits shortly at first, and lets them through before the next try. Without any there is one try. Default: 50, 150, 400 and 1,400 ms.
    pub lock_waits: Arc<[Duration]>,
    /// Prepared statements that each connection keeps. Default: 512.
    pub statement_cache_size: usize,
    /// How often [`crate::Store::watch`] looks whether another process changed the catalog or the rights. Default: 300 ms.
    pub watch_interval: Duration,
}

impl Default for Options {
    fn default() -> Self {
        let cores = std::thread::available_parallelism().map_or(2, usize::from);
        Self {
            sqlite_exclusive: true,
            sqlite_readers: cores.max(2),
            sqlite_mmap_bytes: 256 << 20,
            postgres_connections: 16,
            connect_timeout: Duration::from_secs(5),
            queue_timeout: Duration::from_secs(30),
            lock_waits: [50, 150, 400, 1_400].map(Duration::from_millis).into(),
            statement_cache_size: 512,
            watch_interval: Duration::from_millis(300),
        }
    }
}
