//! Files that come with a mutation.

use async_recursion::async_recursion as boxed;
use std::io::Read as _;

use async_graphql::{Context, InputValueError, InputValueResult, Result, Scalar, ScalarType, Upload, Value};
use cardine_engine::EngineError;
use cardine_model::{Issue, path};

use super::AdminContext;
use super::error::{graphql_error, invalid};

/// What the library puts in place of a file, before its number.
const PREFIX: &str = "#__graphql_file__:";
const ELSEWHERE: &str = "send the file as a part of a multipart form, to which the form's `map` leads";

/// Most bytes of a plugin's package.
pub const PACKAGE_BYTES_MAX: u64 = 64 << 20;

/// A file of a multipart request.
///
/// To the library it is a number in a text, which a client can write by itself; its own type ends in a panic where that is no
/// number, or one of no file.
#[derive(Debug, Clone, Copy)]
pub struct PackageFile(usize);

#[Scalar(name = "Upload", specified_by_url = "https://github.com/jaydenseric/graphql-multipart-request-spec")]
impl ScalarType for PackageFile {
    fn parse(value: Value) -> InputValueResult<Self> {
        let Value::String(text) = &value else { return Err(InputValueError::custom(ELSEWHERE)) };
        let number = text.strip_prefix(PREFIX).and_then(|number| number.parse().ok());
        number.map(Self).ok_or_else(|| InputValueError::custom(ELSEWHERE))
    }

    fn to_value(&self) -> Value {
        Value::Null
    }
}

/// The bytes of an uploaded package.
#[boxed]
pub async fn read_package(ctx: &Context<'_>, file: PackageFile) -> Result<Vec<u8>> {
    if file.0 >= ctx.data_unchecked::<AdminContext>().uploads {
        return Err(invalid(Issue::new(path!["file"], "upload", ELSEWHERE)));
    }
    let upload = Upload(file.0).value(ctx).map_err(|_| graphql_error(EngineError::Internal))?;
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
