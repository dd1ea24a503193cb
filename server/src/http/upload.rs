//! `POST /files`: one file as the part `file` of a multipart form, streamed to the file store.

use std::pin::Pin;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::task::{Context, Poll};

use bytes::Bytes;
use cardine_engine::files::{FileRow, UploadBounds};
use cardine_engine::{EngineError, RequestContext};
use futures_util::{Stream, StreamExt as _};
use multer::{Constraints, Multipart, SizeLimit};
use poem::http::{StatusCode, header};
use poem::{Body, Request, Response};
use serde_json::json;

use super::Caller;
use super::error::ApiError;
use super::graphql_request::discard;
use crate::app::App;

/// The part with the content.
const PART: &str = "file";
/// Most bytes before the content begins, and what may stand around it.
const FRAME_BYTES_MAX: usize = 64 * 1024;

/// `POST /files`.
pub async fn upload(app: Arc<App>, mut request: Request) -> Result<Response, ApiError> {
    let caller = Caller::authenticate(&app, &request).await?;
    if caller.context.actor.user.is_none() {
        return Err(ApiError::unauthenticated(
            "Sign in to upload files: send the header Authorization: Bearer <token>.",
        ));
    }
    let boundary = request.content_type().and_then(|media_type| multer::parse_boundary(media_type).ok());
    let boundary = boundary.ok_or_else(|| ApiError::unsupported_media_type("multipart/form-data; boundary=…"))?;
    let parts = Parts::new(request.take_body());
    match receive(&app, &caller.context, boundary, &parts).await {
        Ok(file) => Ok(created(&file)),
        Err(error) => {
            discard(Pin::new(&mut parts.rest())).await;
            Err(error)
        }
    }
}

async fn receive(app: &App, ctx: &RequestContext, boundary: String, parts: &Parts) -> Result<FileRow, ApiError> {
    let limits = &app.front.limits;
    let whole = SizeLimit::new().whole_stream(limits.file_bytes.saturating_add(FRAME_BYTES_MAX as u64));
    let constraints = Constraints::new().size_limit(whole);
    let too_large = || {
        let message = format!("The file has more than {} bytes, which is the limit of a file.", limits.file_bytes);
        ApiError::file_too_large(message)
    };
    let faulty = |error: multer::Error| match error {
        multer::Error::StreamSizeExceeded { .. } | multer::Error::FieldSizeExceeded { .. } => too_large(),
        _ => ApiError::bad_request("The body is no multipart form, or it broke off."),
    };
    let mut form = Multipart::with_constraints(parts.clone(), boundary, constraints);
    let field = form.next_field().await.map_err(faulty)?;
    let mut field =
        field.ok_or_else(|| ApiError::bad_request("The form is empty: send the file as its part `file`."))?;
    if field.name() != Some(PART) {
        return Err(ApiError::bad_request("The form's one part is the file, with the name `file`."));
    }
    let name = field.file_name().ok_or_else(|| ApiError::bad_request("The part `file` needs a file name."))?;
    let bounds = UploadBounds { bytes: limits.file_bytes, unattached: limits.uploads };
    let mut upload = app.engine.begin_upload(ctx, name, bounds).await?;
    parts.begin_content();
    while let Some(piece) = field.chunk().await.map_err(faulty)? {
        upload.write(piece).await.map_err(|error| match error {
            EngineError::Limit(_) => too_large(),
            error => error.into(),
        })?;
    }
    drop(field);
    if form.next_field().await.map_err(faulty)?.is_some() {
        return Err(ApiError::bad_request("Send one file in a request."));
    }
    Ok(upload.finish().await?)
}

fn created(file: &FileRow) -> Response {
    let FileRow { id, name, mime_type, size, checksum, .. } = file;
    let body = json!({"id": id, "name": name, "mimeType": mime_type, "size": size, "checksum": checksum});
    Response::builder()
        .status(StatusCode::CREATED)
        .content_type("application/json; charset=utf-8")
        .header(header::LOCATION, format!("/files/{id}"))
        .body(body.to_string())
}

type Incoming = Pin<Box<dyn Stream<Item = std::io::Result<Bytes>> + Send>>;

/// The body as it comes in: read by the form, and by who discards the rest.
#[derive(Clone)]
struct Parts(Arc<Shared>);

struct Shared {
    body: Mutex<Incoming>,
    /// Bytes so far, as long as no content has begun.
    frame: AtomicUsize,
    in_content: AtomicBool,
}

impl Parts {
    fn new(body: Body) -> Self {
        let body: Incoming = Box::pin(body.into_bytes_stream());
        Self(Arc::new(Shared {
            body: Mutex::new(body),
            frame: AtomicUsize::new(0),
            in_content: AtomicBool::new(false),
        }))
    }

    fn begin_content(&self) {
        self.0.in_content.store(true, Ordering::Relaxed);
    }

    /// What the form has not read.
    fn rest(&self) -> impl Stream<Item = std::io::Result<Bytes>> + Unpin {
        self.begin_content();
        self.clone()
    }
}

impl Stream for Parts {
    type Item = std::io::Result<Bytes>;

    /// The form keeps in memory what stands before a part's content, so that this must end.
    fn poll_next(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        let shared = &self.0;
        let in_content = shared.in_content.load(Ordering::Relaxed);
        if !in_content && shared.frame.load(Ordering::Relaxed) > FRAME_BYTES_MAX {
            return Poll::Ready(Some(Err(std::io::Error::other("too much stands before the file"))));
        }
        let polled = shared.body.lock().expect("nobody panics while reading").poll_next_unpin(cx);
        if let Poll::Ready(Some(Ok(piece))) = &polled {
            shared.frame.fetch_add(piece.len(), Ordering::Relaxed);
        }
        polled
    }
}
