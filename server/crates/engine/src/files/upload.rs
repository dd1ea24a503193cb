//! An upload: the content goes to the file store piece by piece, and only when it is whole and on disk a row tells of it.

use async_recursion::async_recursion as boxed;
use bytes::Bytes;
use cardine_model::{Issue, path};
use cardine_store::platform::files::{count_unattached, insert_file};
use cardine_store::{ContentWriter, ReadTx, WriteTx};
use chrono::Utc;
use futures_util::FutureExt as _;
use sha2::{Digest as _, Sha256};
use uuid::Uuid;

use super::access::may_upload;
use super::media_type::{HEAD_BYTES, of_head};
use super::name::clean;
use super::{FileRow, UNATTACHED_RETENTION};
use crate::{Engine, EngineError, RequestContext};

/// How much may be uploaded.
#[derive(Debug, Clone, Copy)]
pub struct UploadBounds {
    /// Bytes of one file.
    pub bytes: u64,
    /// Files of one user that no record holds yet.
    pub unattached: u64,
}

/// An upload that has begun. Dropped before it is finished, it leaves nothing.
pub struct Upload {
    engine: Engine,
    id: Uuid,
    name: String,
    uploader: Uuid,
    bytes_max: u64,
    content: ContentWriter,
    hash: Sha256,
    head: Vec<u8>,
    size: u64,
}

impl Engine {
    /// Begins an upload of the caller, who must be a user. `name` is only shown.
    #[boxed]
    pub async fn begin_upload(
        &self,
        ctx: &RequestContext,
        name: &str,
        bounds: UploadBounds,
    ) -> Result<Upload, EngineError> {
        let uploader = ctx.actor.user;
        let uploader = uploader.ok_or_else(|| EngineError::Forbidden("sign in to upload files".to_owned()))?;
        if !may_upload(ctx) {
            let message = "you may upload nothing, as there is no field for files that you may write";
            return Err(EngineError::Forbidden(message.to_owned()));
        }
        let store = self.store().until(ctx.deadline);
        if store.read(move |tx: &mut ReadTx| count_unattached(tx, uploader).boxed()).await? >= bounds.unattached {
            let message = format!(
                "you have uploaded {} files that no record holds, which is the limit; put them into records or wait a day",
                bounds.unattached
            );
            return Err(EngineError::Limit(message));
        }
        let id = Uuid::now_v7();
        let content = self.files()?.write(id).await?;
        Ok(Upload {
            engine: self.clone(),
            id,
            name: clean(name),
            uploader,
            bytes_max: bounds.bytes,
            content,
            hash: Sha256::new(),
            head: Vec::new(),
            size: 0,
        })
    }
}

impl std::fmt::Debug for Upload {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Upload").field("id", &self.id).field("size", &self.size).finish_non_exhaustive()
    }
}

impl Upload {
    /// Takes the next piece of the content.
    ///
    /// # Errors
    /// [`EngineError::Limit`] if the file becomes too long.
    #[boxed]
    pub async fn write(&mut self, piece: Bytes) -> Result<(), EngineError> {
        self.size += piece.len() as u64;
        if self.size > self.bytes_max {
            let message = format!("the file has more than {} bytes, which is the limit of a file", self.bytes_max);
            return Err(EngineError::Limit(message));
        }
        let missing = HEAD_BYTES.saturating_sub(self.head.len());
        self.head.extend_from_slice(&piece[..missing.min(piece.len())]);
        self.hash.update(&piece);
        Ok(self.content.write(piece).await?)
    }

    /// The file is whole: its content is made to last, and then its row.
    #[boxed]
    pub async fn finish(self) -> Result<FileRow, EngineError> {
        if self.size == 0 {
            let message = "the file is empty: send at least one byte";
            return Err(EngineError::Validation(vec![Issue::new(path!["file"], "minLength", message)]));
        }
        let Self { engine, id, name, uploader, content, hash, head, size, .. } = self;
        content.finish().await?;
        let checksum = hash.finalize().iter().map(|byte| format!("{byte:02x}")).collect();
        let mime_type = of_head(&head).to_owned();
        let file = FileRow { id, name, mime_type, size, checksum, uploader: Some(uploader), attached: false };
        let (row, now) = (file.clone(), Utc::now());
        let inserted = engine.store().write(move |tx: &mut WriteTx| {
            let row = row.clone();
            async move { insert_file(tx, &row, now, now + UNATTACHED_RETENTION).await }.boxed()
        });
        if let Err(error) = inserted.await.map_err(EngineError::from) {
            // Whether or not the row was committed is not known if the database went away; the sweep finds out.
            if !matches!(error, EngineError::Unavailable)
                && let Err(error) = engine.files()?.remove(id).await
            {
                tracing::debug!(%error, "the content of a failed upload stays until the next sweep");
            }
            return Err(error);
        }
        Ok(file)
    }
}
