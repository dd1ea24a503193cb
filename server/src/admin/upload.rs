//! Files that come with a mutation.

use std::io::Read as _;

use async_graphql::{Context, Result, Upload};
use cardine_engine::EngineError;

use super::error::graphql_error;

/// Most bytes of a plugin's package.
pub const PACKAGE_BYTES_MAX: u64 = 64 << 20;

/// The bytes of an uploaded package.
pub async fn read_package(ctx: &Context<'_>, file: Upload) -> Result<Vec<u8>> {
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
