//! Whether rows and contents agree, for who looks after an installation.

use async_recursion::async_recursion as boxed;
use cardine_store::platform::files::fetch_page;
use cardine_store::{FileStore, ReadTx};
use futures_util::{FutureExt as _, StreamExt as _};
use uuid::Uuid;

use crate::{Engine, EngineError};

/// Looked up in one statement.
const BATCH: u32 = 500;

/// What was found of files.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct FilesFound {
    /// Rows whose content is there, with its size.
    pub sound: u64,
    /// Files whose content is missing, or has another size.
    pub without_content: Vec<Uuid>,
    /// Contents without a row: of uploads that were broken off, until the sweep removes them.
    pub without_row: Vec<Uuid>,
}

impl Engine {
    /// Compares the rows of files with the contents in `files`, of which there are none where there is no store, and changes nothing.
    #[boxed]
    pub async fn check_files(&self, files: Option<&FileStore>) -> Result<FilesFound, EngineError> {
        let mut found = FilesFound::default();
        let mut after = Uuid::nil();
        loop {
            let page = self.store().read(move |tx: &mut ReadTx| fetch_page(tx, after, BATCH).boxed()).await?;
            for (file, size) in &page {
                let there = match files {
                    Some(files) => files.size(*file).await?,
                    None => None,
                };
                if there == Some(*size) {
                    found.sound += 1;
                } else {
                    found.without_content.push(*file);
                }
            }
            match page.last() {
                Some((last, _)) => after = *last,
                None => break,
            }
        }
        let Some(files) = files else { return Ok(found) };
        let stored = files.list().await?;
        let mut batches = stored.chunks(BATCH as usize);
        while let Some(batch) = batches.next().await {
            let ids = batch.into_iter().map(|one| one.map(|one| one.id)).collect::<Result<_, _>>()?;
            found.without_row.extend(self.without_row(ids).await?);
        }
        Ok(found)
    }
}
