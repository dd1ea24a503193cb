//! Files that come with a mutation.

use std::io::Read as _;

use async_graphql::{Context, Result, Upload};
use cardine_engine::EngineError;
use cardine_model::{Issue, path};

use super::AdminContext;
use super::error::{graphql_error, invalid};

/// Most bytes of a plugin's package.
pub const PACKAGE_BYTES_MAX: u64 = 64 << 20;

/// The bytes of an uploaded package.
///
/// To the library a file is a number in a text, which a client can write by itself: a number of no file would end in a panic.
pub async fn read_package(ctx: &Context<'_>, file: Upload) -> Result<Vec<u8>> {
    if file.0 >= ctx.data_unchecked::<AdminContext>().uploads {
        let message = "send the file as a part of a multipart form, to which the form's `map` leads";
        return Err(invalid(Issue::new(path!["file"], "upload", message)));
    }
    let upload = file.value(ctx).map_err(|_| graphql_error(EngineError::Internal))?;
    let read = tokio::task::spawn_blocking(move || {
        let mut bytes = Vec::new();
        upload.into_read().take(PACKAGE_BYTES_MAX + 1).read_to_end(&mut bytes).map(|_| bytes)
    });
    let bytes = read.await.ok().and_then(|read| read.ok()).ok_or_else(|| graphql_error(EngineError::Internal))?;
    if bytes.len() as u64 > PACKAGE_BYTES_MAX {
        return Err(graphql_error(EngineError::Limit("a package has at most 64 MiB".to_owned())));
    }
    Ok(bytes)
}
