//! Files: uploaded once, put into records by their id, read by whoever may read a record that holds them, removed when none does.
//!
//! A content is whole and on disk before its row is committed, and its row is gone before the content is removed: so no row is
//! ever without content. That a record holds a file is a foreign key, so no record is ever without its file either.

mod access;
mod check;
mod media_type;
mod name;
mod sweep;
#[cfg(test)]
mod tests;
mod upload;

use async_recursion::async_recursion as boxed;
use std::ops::Range;

use cardine_store::FileStore;
pub use cardine_store::platform::files::FileRow;
use cardine_store::{ContentStream, StoreError};

use crate::{Engine, EngineError};

pub(crate) use access::readable_files;
pub use check::FilesFound;
pub use name::NAME_LENGTH_MAX;
pub use sweep::{ORPHAN_GRACE, SWEEP_INTERVAL, UNATTACHED_RETENTION};
pub use upload::{Upload, UploadBounds};

impl Engine {
    /// Sets, once, where the contents of files are, and from then on removes those that nothing holds.
    pub fn set_files(&self, files: FileStore) {
        if self.0.files.set(files).is_err() {
            return tracing::error!("the store of files was set twice; the first one stays");
        }
        self.sweep_files();
    }

    /// A part of a file's content. The caller has found the file by [`Engine::find_file`].
    #[boxed]
    pub async fn read_content(&self, file: &FileRow, part: Range<u64>) -> Result<ContentStream, EngineError> {
        let files = self.files()?;
        if files.size(file.id).await? != Some(file.size) {
            tracing::error!(file = %file.id, "the content of a file is missing or is not what was uploaded");
            return Err(EngineError::Internal);
        }
        Ok(files.read(file.id, part).await?)
    }

    pub(crate) fn files(&self) -> Result<&FileStore, EngineError> {
        self.0.files.get().ok_or_else(|| StoreError::Setting("there is no store of files".to_owned()).into())
    }
}
