//! Reads an answer's body within its bound.

use http_body_util::{BodyExt as _, LengthLimitError, Limited};
use hyper::body::Incoming;

use crate::error::EgressError;

/// The whole body; one that says that it is larger is not even begun.
pub(crate) async fn read_body(body: Incoming, bytes_max: usize) -> Result<Vec<u8>, EgressError> {
    use hyper::body::Body as _;
    if body.size_hint().lower() > bytes_max as u64 {
        return Err(EgressError::TooLarge(bytes_max));
    }
    match Limited::new(body, bytes_max).collect().await {
        Ok(collected) => Ok(collected.to_bytes().into()),
        Err(error) if error.is::<LengthLimitError>() => Err(EgressError::TooLarge(bytes_max)),
        Err(_) => Err(EgressError::Connect("the connection broke before the answer's end".to_owned())),
    }
}
