//! Keeps two servers from sharing one SQLite file, whose group commit and caches are made for one process.

use std::fs::{File, OpenOptions, TryLockError};
use std::path::Path;
use std::sync::Arc;

use crate::StoreError;

/// A lock by the operating system on the file beside the database; it ends with the value, also when the process is killed.
#[derive(Debug)]
pub(crate) struct FileLock(#[expect(dead_code, reason = "held for its lock")] File);

impl FileLock {
    /// Takes the lock, and makes the directory if it is not there.
    pub(crate) fn take(database: &Path) -> Result<Self, StoreError> {
        if let Some(directory) = database.parent().filter(|directory| !directory.as_os_str().is_empty()) {
            std::fs::create_dir_all(directory).map_err(|error| StoreError::Unavailable(Arc::new(error)))?;
        }
        let mut path = database.as_os_str().to_owned();
        path.push(".lock");
        let opened = OpenOptions::new().create(true).truncate(false).write(true).open(path);
        let file = opened.map_err(|error| StoreError::Unavailable(Arc::new(error)))?;
        match file.try_lock() {
            Ok(()) => Ok(Self(file)),
            Err(TryLockError::WouldBlock) => Err(StoreError::Setting(format!(
                "another process uses the database {}; stop it first, or use PostgreSQL for several servers",
                database.display()
            ))),
            Err(TryLockError::Error(error)) => Err(StoreError::Unavailable(Arc::new(error))),
        }
    }
}
