//! The contents of files: a folder, or another store that `opendal` speaks to. A content's name is its file's id, never a person's word.

use std::io;
use std::ops::Range;
use std::path::PathBuf;
use std::str::FromStr;
use std::sync::Arc;
use std::time::SystemTime;

use bytes::Bytes;
use chrono::{DateTime, Utc};
use futures_util::stream::BoxStream;
use futures_util::{StreamExt as _, TryStreamExt as _};
use opendal::{EntryMode, ErrorKind, Operator, services};
use uuid::Uuid;

use crate::StoreError;

/// Where contents are until they are whole; not below the folder of the whole ones, so that no list shows them.
const UNFINISHED: &str = "unfinished";
/// Where whole ones are.
const WHOLE: &str = "whole";

/// Where the contents of files are: what `--files` takes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum FilesUrl {
    /// A folder: `fs:///srv/cardine/files`.
    Folder(PathBuf),
    /// A bucket of S3 or what speaks its protocol, with the options in the address; credentials come from the environment.
    S3(String),
}

impl FromStr for FilesUrl {
    type Err = StoreError;

    fn from_str(text: &str) -> Result<Self, StoreError> {
        if let Some(path) = text.strip_prefix("fs://").filter(|path| path.starts_with('/') && path.len() > 1) {
            return Ok(Self::Folder(PathBuf::from(path)));
        }
        if text.starts_with("s3://") && cfg!(feature = "s3") {
            return Ok(Self::S3(text.to_owned()));
        }
        let s3 = if cfg!(feature = "s3") {
            " or s3://BUCKET/FOLDER?region=REGION"
        } else {
            "; for s3:// build with --features s3"
        };
        Err(StoreError::Setting(format!("the files must be fs:///FOLDER (an absolute path){s3}")))
    }
}

/// A content's bytes, piece by piece.
pub type ContentStream = BoxStream<'static, io::Result<Bytes>>;

/// A content in the store.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Stored {
    /// Its file.
    pub id: Uuid,
    /// When it was written, if the store tells.
    pub modified: Option<DateTime<Utc>>,
}

/// The contents of files. Clones are the same one.
#[derive(Debug, Clone)]
pub struct FileStore {
    operator: Operator,
    /// The folder, where it is one: what was renamed there lasts only when the folder itself has reached the disk.
    folder: Option<Arc<PathBuf>>,
}

impl FileStore {
    /// Opens the store. A folder is made if it is not there.
    ///
    /// # Errors
    /// [`StoreError::Setting`] if it cannot be used as it is.
    pub fn open(url: &FilesUrl) -> Result<Self, StoreError> {
        match url {
            FilesUrl::Folder(folder) => {
                let folder = std::path::absolute(folder).map_err(|error| setting(&error))?;
                for part in [UNFINISHED, WHOLE] {
                    std::fs::create_dir_all(folder.join(part)).map_err(|error| setting(&error))?;
                }
                sync(&folder).map_err(|error| setting(&error))?;
                let text = |path: PathBuf| path.into_os_string().into_string();
                let (Ok(root), Ok(unfinished)) = (text(folder.join(WHOLE)), text(folder.join(UNFINISHED))) else {
                    return Err(StoreError::Setting("the folder of files must have a name in UTF-8".to_owned()));
                };
                let service = services::Fs::default().root(&root).atomic_write_dir(&unfinished);
                let operator = Operator::new(service).map_err(|error| setting(&error))?;
                Ok(Self { operator, folder: Some(Arc::new(folder)) })
            }
            FilesUrl::S3(url) => {
                #[cfg(feature = "s3")]
                know_s3();
                let operator = Operator::from_uri(url.as_str()).map_err(|error| setting(&error))?;
                #[cfg(feature = "s3")]
                let operator = patient(operator);
                Ok(Self { operator, folder: None })
            }
        }
    }

    /// Begins to write a content.
    pub async fn write(&self, file: Uuid) -> Result<ContentWriter, StoreError> {
        let writer = self.operator.writer(&name(file)).await.map_err(failed)?;
        Ok(ContentWriter { writer: Some(writer), folder: self.folder.clone() })
    }

    /// A part of a content.
    pub async fn read(&self, file: Uuid, part: Range<u64>) -> Result<ContentStream, StoreError> {
        let reader = self.operator.reader(&name(file)).await.map_err(failed)?;
        Ok(reader.into_bytes_stream(part).await.map_err(failed)?.boxed())
    }

    /// The bytes of a content; `None` if it is not there.
    pub async fn size(&self, file: Uuid) -> Result<Option<u64>, StoreError> {
        match self.operator.stat(&name(file)).await {
            Ok(found) => Ok(Some(found.content_length())),
            Err(error) if error.kind() == ErrorKind::NotFound => Ok(None),
            Err(error) => Err(failed(error)),
        }
    }

    /// Removes a content; one that is not there is no fault.
    pub async fn remove(&self, file: Uuid) -> Result<(), StoreError> {
        self.operator.delete(&name(file)).await.map_err(failed)
    }

    /// All contents that are whole, in no order.
    pub async fn list(&self) -> Result<BoxStream<'static, Result<Stored, StoreError>>, StoreError> {
        let operator = self.operator.clone();
        let entries = self.operator.lister("/").await.map_err(failed)?;
        let stored = entries.map_err(failed).try_filter_map(move |entry| {
            let operator = operator.clone();
            async move {
                let id = Uuid::try_parse(entry.name()).ok().filter(|_| entry.metadata().mode() == EntryMode::FILE);
                let Some(id) = id else { return Ok(None) };
                // A folder tells no times in its list; what has gone since is not there.
                let modified = match entry.metadata().last_modified() {
                    Some(modified) => Some(modified),
                    None => match operator.stat(entry.path()).await {
                        Ok(found) => found.last_modified(),
                        Err(error) if error.kind() == ErrorKind::NotFound => return Ok(None),
                        Err(error) => return Err(failed(error)),
                    },
                };
                let modified = modified.map(|at| DateTime::from(SystemTime::from(at)));
                Ok(Some(Stored { id, modified }))
            }
        });
        Ok(stored.boxed())
    }

    /// Removes what a process that was killed had begun to write before `before`; gives how many.
    pub async fn remove_unfinished(&self, before: DateTime<Utc>) -> Result<u64, StoreError> {
        // Others than a folder keep parts of uploads out of sight, and forget them by rules of their own.
        let Some(folder) = self.folder.clone() else { return Ok(0) };
        let removed = tokio::task::spawn_blocking(move || -> io::Result<u64> {
            let mut removed = 0;
            for entry in std::fs::read_dir(folder.join(UNFINISHED))? {
                let entry = entry?;
                let modified = entry.metadata().and_then(|metadata| metadata.modified());
                if modified.is_ok_and(|modified| DateTime::<Utc>::from(modified) < before) {
                    std::fs::remove_file(entry.path())?;
                    removed += 1;
                }
            }
            Ok(removed)
        });
        let removed = removed.await.map_err(|error| StoreError::internal(error.to_string()))?;
        removed.map_err(|error| StoreError::Unavailable(Arc::new(error)))
    }
}

/// A content that is being written. Dropped before it is finished, it leaves nothing.
pub struct ContentWriter {
    writer: Option<opendal::Writer>,
    folder: Option<Arc<PathBuf>>,
}

impl ContentWriter {
    /// Appends a piece.
    pub async fn write(&mut self, piece: Bytes) -> Result<(), StoreError> {
        let writer = self.writer.as_mut().expect("it is taken by `finish` and `drop` alone");
        writer.write(piece).await.map_err(failed)
    }

    /// Makes it whole: after this it is there, whatever happens to the machine.
    pub async fn finish(mut self) -> Result<(), StoreError> {
        let mut writer = self.writer.take().expect("it is taken by `finish` and `drop` alone");
        if let Err(error) = writer.close().await {
            abort(writer);
            return Err(failed(error));
        }
        if let Some(folder) = self.folder.clone() {
            let synced = tokio::task::spawn_blocking(move || sync(&folder.join(WHOLE)));
            let synced = synced.await.map_err(|error| StoreError::internal(error.to_string()))?;
            synced.map_err(|error| StoreError::Unavailable(Arc::new(error)))?;
        }
        Ok(())
    }
}

impl Drop for ContentWriter {
    fn drop(&mut self) {
        if let Some(writer) = self.writer.take() {
            abort(writer);
        }
    }
}

impl std::fmt::Debug for ContentWriter {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("ContentWriter").finish_non_exhaustive()
    }
}

/// Makes the protocol known, the client that speaks it, and the cryptography of its connections.
#[cfg(feature = "s3")]
fn know_s3() {
    opendal::init_default_registry();
    opendal_http_transport_reqwest::install_default();
    // Refused where the process has one already, which is as good.
    let _ = rustls::crypto::ring::default_provider().install_default();
}

/// Asks again, a few times, where the other side is busy or does not answer in time.
#[cfg(feature = "s3")]
fn patient(operator: Operator) -> Operator {
    use opendal::layers::{RetryLayer, TimeoutLayer};
    use std::time::Duration;

    let again = RetryLayer::new().with_max_times(4).with_min_delay(Duration::from_millis(100)).with_jitter();
    // The time is that of each attempt.
    operator.layer(TimeoutLayer::new()).layer(again)
}

/// Removes what was written so far, without anybody waiting for it.
fn abort(mut writer: opendal::Writer) {
    let Ok(runtime) = tokio::runtime::Handle::try_current() else { return };
    runtime.spawn(async move {
        if let Err(error) = writer.abort().await {
            tracing::debug!(%error, "an upload that was given up could not be removed; the sweep will");
        }
    });
}

/// A file that was renamed into a folder lasts when the folder does.
fn sync(folder: &std::path::Path) -> io::Result<()> {
    std::fs::File::open(folder)?.sync_all()
}

fn name(file: Uuid) -> String {
    file.hyphenated().to_string()
}

fn setting(error: &dyn std::error::Error) -> StoreError {
    StoreError::Setting(format!("the store of files cannot be used: {error}"))
}

fn failed(error: opendal::Error) -> StoreError {
    StoreError::Unavailable(Arc::new(error))
}
