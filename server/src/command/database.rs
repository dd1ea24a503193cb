//! Opens the data folder and the database for a command.

use std::path::Path;

use anyhow::Context as _;
use cardine_store::{DatabaseUrl, FileStore, FilesUrl, Options, Store};

use crate::config::Config;

/// Makes the data folder if it is not there, readable by its owner alone, and opens the database.
pub async fn open(config: &Config) -> anyhow::Result<Store> {
    make_private_folder(&config.data)
        .with_context(|| format!("the data folder {} cannot be used", config.data.display()))?;
    open_with(config, &Options::default()).await
}

/// As [`open`], but beside a server that may run on the same SQLite file: for a command that makes one change.
pub async fn open_beside(config: &Config) -> anyhow::Result<Store> {
    make_private_folder(&config.data)
        .with_context(|| format!("the data folder {} cannot be used", config.data.display()))?;
    open_existing_beside(config).await
}

/// As [`open_beside`], without making the data folder: for a command that changes nothing.
pub async fn open_existing_beside(config: &Config) -> anyhow::Result<Store> {
    open_with(config, &Options { sqlite_exclusive: false, ..Options::default() }).await
}

/// Opens the place where the contents of files are; a folder is made if it is not there.
pub fn open_files(config: &Config) -> anyhow::Result<FileStore> {
    if let FilesUrl::Folder(folder) = &config.files {
        make_private_folder(folder)
            .with_context(|| format!("the folder of files {} cannot be used", folder.display()))?;
    }
    FileStore::open(&config.files).context("the store of files cannot be opened")
}

async fn open_with(config: &Config, options: &Options) -> anyhow::Result<Store> {
    let what = match &config.database {
        DatabaseUrl::Sqlite(path) => format!("the database {} cannot be opened", path.display()),
        // Without the address, which may hold a password.
        DatabaseUrl::Postgres(_) => "the PostgreSQL database cannot be opened".to_owned(),
    };
    let opened = Store::open(&config.database, options).await;
    opened
        .map_err(|error| {
            tracing::debug!(error = ?error, "opening the database failed");
            anyhow::Error::new(error)
        })
        .context(what)
}

/// Makes a folder, if it is not there, that its owner alone may look into.
pub fn make_private_folder(folder: &Path) -> std::io::Result<()> {
    let mut builder = std::fs::DirBuilder::new();
    builder.recursive(true);
    #[cfg(unix)]
    std::os::unix::fs::DirBuilderExt::mode(&mut builder, 0o700);
    builder.create(folder)?;
    // It may have been there already, open to others: it holds keys and everybody's data.
    #[cfg(unix)]
    {
        use std::os::unix::fs::PermissionsExt as _;
        std::fs::set_permissions(folder, std::fs::Permissions::from_mode(0o700))?;
    }
    Ok(())
}

#[cfg(all(test, unix))]
mod tests {
    use std::os::unix::fs::PermissionsExt as _;

    use super::*;

    #[test]
    fn the_folder_is_its_owners_alone_even_if_it_was_open() {
        let parent = tempfile::tempdir().unwrap();
        let folder = parent.path().join("a/data");
        make_private_folder(&folder).unwrap();
        let mode = || std::fs::metadata(&folder).unwrap().permissions().mode() & 0o777;
        assert_eq!(mode(), 0o700);
        std::fs::set_permissions(&folder, std::fs::Permissions::from_mode(0o755)).unwrap();
        make_private_folder(&folder).unwrap();
        assert_eq!(mode(), 0o700);
        std::fs::write(parent.path().join("file"), "").unwrap();
        assert!(make_private_folder(&parent.path().join("file")).is_err());
    }
}
