//! Where the data is: what `--database` takes.

use std::path::PathBuf;
use std::str::FromStr;

use crate::StoreError;

/// Which database, and where.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum DatabaseUrl {
    /// A file, made if it is not there: `sqlite://path`, where `sqlite:///srv/crm.db` is absolute.
    Sqlite(PathBuf),
    /// A connection string for PostgreSQL: `postgres://user:password@host:port/database`.
    Postgres(String),
}

impl FromStr for DatabaseUrl {
    type Err = StoreError;

    fn from_str(text: &str) -> Result<Self, StoreError> {
        if text.starts_with("postgres://") || text.starts_with("postgresql://") {
            return Ok(Self::Postgres(text.to_owned()));
        }
        match text.strip_prefix("sqlite://") {
            Some(path) if !path.is_empty() && !path.contains([':', '?']) => Ok(Self::Sqlite(PathBuf::from(path))),
            _ => Err(StoreError::Setting(
                "the database must be sqlite://PATH (a file) or postgres://USER:PASSWORD@HOST/DATABASE".to_owned(),
            )),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_file_and_a_server_are_told_apart() {
        assert_eq!("sqlite://data/crm.db".parse::<DatabaseUrl>().unwrap(), DatabaseUrl::Sqlite("data/crm.db".into()));
        assert_eq!("sqlite:///srv/crm.db".parse::<DatabaseUrl>().unwrap(), DatabaseUrl::Sqlite("/srv/crm.db".into()));
        let server = "postgres://cardine:secret@localhost/crm";
        assert_eq!(server.parse::<DatabaseUrl>().unwrap(), DatabaseUrl::Postgres(server.to_owned()));
    }

    #[test]
    fn a_database_in_memory_or_of_another_kind_is_refused() {
        for url in [
            "sqlite::memory:",
            "sqlite://:memory:",
            "sqlite://",
            "mysql://localhost/crm",
            "crm.db",
            "sqlite://a?mode=ro",
        ] {
            assert!(matches!(url.parse::<DatabaseUrl>(), Err(StoreError::Setting(_))), "{url}");
        }
    }
}
