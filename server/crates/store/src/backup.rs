//! A copy of a SQLite database, taken while a server uses it.

use std::path::Path;

use crate::sqlite::{Connection, Purpose};
use crate::{DatabaseUrl, Options, Store, StoreError};

impl Store {
    /// Writes the SQLite database as it is at this moment into a new file, without stopping anybody who uses it, in this process or
    /// another. Blocks the calling thread.
    ///
    /// # Errors
    /// If the database is PostgreSQL, which has `pg_dump`; if `target` is there already.
    pub fn back_up(url: &DatabaseUrl, target: &Path) -> Result<(), StoreError> {
        let DatabaseUrl::Sqlite(path) = url else {
            return Err(StoreError::Setting("a PostgreSQL database is backed up with pg_dump".to_owned()));
        };
        if target.exists() {
            return Err(StoreError::Setting("the backup's file exists already".to_owned()));
        }
        Connection::open(path, Purpose::Read, &Options::default())?.copy_into(target)
    }
}
