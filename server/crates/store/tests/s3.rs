//! Contents of files on a server that speaks S3: a small one, which keeps what the protocol says, and is as strict as the real one where that matters.
#![cfg(feature = "s3")]
#![allow(clippy::unwrap_used, reason = "in a test a panic is how it fails; clippy sees only functions marked #[test]")]

use std::collections::{BTreeMap, HashMap};
use std::convert::Infallible;
use std::sync::{Arc, Mutex};

use bytes::Bytes;
use cardine_store::{FileStore, FilesUrl, StoreError};
use futures_util::TryStreamExt as _;
use http_body_util::{BodyExt as _, Full};
use hyper::body::Incoming;
use hyper::service::service_fn;
use hyper::{Method, Request, Response, StatusCode, header};
use hyper_util::rt::TokioIo;
use tokio::net::TcpListener;
use uuid::Uuid;

/// The least that a part but the last may have.
const PART_BYTES_MIN: usize = 5 << 20;
const MODIFIED: &str = "Sun, 22 Nov 2026 10:00:00 GMT";

#[derive(Default)]
struct Bucket {
    objects: BTreeMap<String, Bytes>,
    /// Parts of uploads that are not ended, by the upload's number.
    uploads: BTreeMap<u32, BTreeMap<u32, Bytes>>,
    begun: u32,
    unsigned: u32,
    /// So many requests are told that there are too many.
    busy: u32,
}

/// A bucket named `bucket`, and the address of its server.
async fn serve() -> (Arc<Mutex<Bucket>>, String) {
    let bucket = Arc::<Mutex<Bucket>>::default();
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = format!("http://{}", listener.local_addr().unwrap());
    let shared = Arc::clone(&bucket);
    tokio::spawn(async move {
        while let Ok((stream, _)) = listener.accept().await {
            let bucket = Arc::clone(&shared);
            tokio::spawn(async move {
                let answer = service_fn(move |request| answer(request, Arc::clone(&bucket)));
                let _ = hyper::server::conn::http1::Builder::new().serve_connection(TokioIo::new(stream), answer).await;
            });
        }
    });
    (bucket, address)
}

async fn answer(request: Request<Incoming>, bucket: Arc<Mutex<Bucket>>) -> Result<Response<Full<Bytes>>, Infallible> {
    let (head, body) = request.into_parts();
    let body = body.collect().await.unwrap().to_bytes();
    let mut bucket = bucket.lock().unwrap();
    let authorization = head.headers.get(header::AUTHORIZATION).and_then(|value| value.to_str().ok());
    if !authorization.is_some_and(|value| value.starts_with("AWS4-HMAC-SHA256 Credential=keyname/")) {
        bucket.unsigned += 1;
        return Ok(with(StatusCode::FORBIDDEN, "<Error><Code>AccessDenied</Code></Error>"));
    }
    if bucket.busy > 0 {
        bucket.busy -= 1;
        return Ok(with(StatusCode::SERVICE_UNAVAILABLE, "<Error><Code>SlowDown</Code></Error>"));
    }
    let query: HashMap<String, String> =
        url::form_urlencoded::parse(head.uri.query().unwrap_or_default().as_bytes()).into_owned().collect();
    let key = head.uri.path().strip_prefix("/bucket").unwrap().trim_start_matches('/').to_owned();
    let upload = query.get("uploadId").and_then(|upload| upload.parse::<u32>().ok());
    let missing = || with(StatusCode::NOT_FOUND, "<Error><Code>NoSuchKey</Code></Error>");
    Ok(match (head.method, upload) {
        (Method::GET, _) if key.is_empty() => {
            let prefix = query.get("prefix").map_or("", String::as_str);
            let contents = bucket.objects.iter().filter(|(key, _)| key.starts_with(prefix)).map(|(key, object)| {
                format!("<Contents><Key>{key}</Key><LastModified>2026-11-22T10:00:00.000Z</LastModified><ETag>\"e\"</ETag><Size>{}</Size></Contents>", object.len())
            });
            let contents: String = contents.collect();
            with(
                StatusCode::OK,
                &format!("<ListBucketResult><IsTruncated>false</IsTruncated>{contents}</ListBucketResult>"),
            )
        }
        (Method::POST, None) if query.contains_key("uploads") => {
            bucket.begun += 1;
            let upload = bucket.begun;
            bucket.uploads.insert(upload, BTreeMap::new());
            with(
                StatusCode::OK,
                &format!(
                    "<InitiateMultipartUploadResult><UploadId>{upload}</UploadId></InitiateMultipartUploadResult>"
                ),
            )
        }
        (Method::PUT, Some(upload)) => {
            let part = query["partNumber"].parse().unwrap();
            bucket.uploads.get_mut(&upload).unwrap().insert(part, body);
            with(StatusCode::OK, "")
        }
        (Method::POST, Some(upload)) => {
            let parts = bucket.uploads.remove(&upload).unwrap();
            let last = parts.keys().max().copied();
            if parts.iter().any(|(number, part)| Some(*number) != last && part.len() < PART_BYTES_MIN) {
                return Ok(with(StatusCode::BAD_REQUEST, "<Error><Code>EntityTooSmall</Code></Error>"));
            }
            let whole: Vec<u8> = parts.values().flat_map(|part| part.iter().copied()).collect();
            bucket.objects.insert(key, Bytes::from(whole));
            with(StatusCode::OK, "<CompleteMultipartUploadResult><ETag>\"e\"</ETag></CompleteMultipartUploadResult>")
        }
        (Method::DELETE, Some(upload)) => {
            bucket.uploads.remove(&upload);
            with(StatusCode::NO_CONTENT, "")
        }
        (Method::PUT, None) => {
            bucket.objects.insert(key, body);
            with(StatusCode::OK, "")
        }
        (Method::DELETE, None) => {
            bucket.objects.remove(&key);
            with(StatusCode::NO_CONTENT, "")
        }
        (Method::HEAD, _) => match bucket.objects.get(&key) {
            None => with(StatusCode::NOT_FOUND, ""),
            Some(object) => {
                let mut response = with(StatusCode::OK, "");
                response.headers_mut().insert(header::CONTENT_LENGTH, object.len().into());
                response
            }
        },
        (Method::GET, _) => match bucket.objects.get(&key) {
            None => missing(),
            Some(object) => match head.headers.get(header::RANGE).and_then(|range| range.to_str().ok()) {
                None => with_bytes(StatusCode::OK, object.clone()),
                Some(range) => {
                    let (from, to) = range.strip_prefix("bytes=").unwrap().split_once('-').unwrap();
                    let from: usize = from.parse().unwrap();
                    let to = to.parse::<usize>().map_or(object.len(), |to| (to + 1).min(object.len()));
                    let place = format!("bytes {from}-{}/{}", to - 1, object.len());
                    let mut response = with_bytes(StatusCode::PARTIAL_CONTENT, object.slice(from..to));
                    response.headers_mut().insert(header::CONTENT_RANGE, place.parse().unwrap());
                    response
                }
            },
        },
        _ => with(StatusCode::METHOD_NOT_ALLOWED, ""),
    })
}

fn with(status: StatusCode, body: &str) -> Response<Full<Bytes>> {
    with_bytes(status, Bytes::from(body.to_owned()))
}

fn with_bytes(status: StatusCode, body: Bytes) -> Response<Full<Bytes>> {
    let response =
        Response::builder().status(status).header(header::ETAG, "\"e\"").header(header::LAST_MODIFIED, MODIFIED);
    response.body(Full::new(body)).unwrap()
}

fn open(address: &str, key: &str) -> FileStore {
    let url = format!(
        "s3://bucket/folder?region=eu-south-1&endpoint={address}&access_key_id={key}&secret_access_key=secret&disable_config_load=true"
    );
    FileStore::open(&url.parse::<FilesUrl>().unwrap()).unwrap()
}

async fn write(store: &FileStore, file: Uuid, pieces: impl IntoIterator<Item = Bytes>) {
    let mut writer = store.write(file).await.unwrap();
    for piece in pieces {
        writer.write(piece).await.unwrap();
    }
    writer.finish().await.unwrap();
}

async fn read(store: &FileStore, file: Uuid, part: std::ops::Range<u64>) -> Vec<u8> {
    let pieces: Vec<Bytes> = store.read(file, part).await.unwrap().try_collect().await.unwrap();
    pieces.concat()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_content_is_written_read_listed_and_removed() {
    let (bucket, address) = serve().await;
    let store = open(&address, "keyname");
    let (small, large) = (Uuid::now_v7(), Uuid::now_v7());
    write(&store, small, [Bytes::from_static(b"hel"), Bytes::from_static(b"lo")]).await;
    // In pieces as they come from a connection: none of them is large enough for a part by itself.
    let content: Vec<u8> = (0..3_000_000_u32).flat_map(u32::to_le_bytes).collect();
    write(&store, large, content.chunks(64 * 1024).map(Bytes::copy_from_slice)).await;
    assert_eq!(store.size(small).await.unwrap(), Some(5));
    assert_eq!(store.size(large).await.unwrap(), Some(content.len() as u64));
    assert_eq!(store.size(Uuid::now_v7()).await.unwrap(), None);
    assert_eq!(read(&store, small, 1..4).await, b"ell");
    assert!(read(&store, large, 0..content.len() as u64).await == content, "all of it comes back");
    assert_eq!(read(&store, large, 7_000_000..7_000_100).await, content[7_000_000..7_000_100]);
    assert!(bucket.lock().unwrap().objects.keys().all(|key| key.starts_with("folder/")));
    let mut listed: Vec<_> = store.list().await.unwrap().try_collect().await.unwrap();
    listed.sort_by_key(|stored| stored.id);
    assert_eq!(listed.iter().map(|stored| stored.id).collect::<Vec<_>>(), [small, large]);
    assert!(listed.iter().all(|stored| stored.modified.is_some()));
    store.remove(small).await.unwrap();
    store.remove(small).await.unwrap();
    assert_eq!(store.size(small).await.unwrap(), None);
    assert_eq!(store.remove_unfinished(chrono::Utc::now()).await.unwrap(), 0);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_is_not_finished_is_not_there() {
    let (bucket, address) = serve().await;
    let store = open(&address, "keyname");
    let file = Uuid::now_v7();
    let mut writer = store.write(file).await.unwrap();
    for _ in 0..3 {
        writer.write(Bytes::from(vec![0; 4 << 20])).await.unwrap();
    }
    drop(writer);
    // It is taken back without anybody waiting for it.
    while !bucket.lock().unwrap().uploads.is_empty() {
        tokio::task::yield_now().await;
    }
    assert_eq!(store.size(file).await.unwrap(), None);
    assert!(bucket.lock().unwrap().objects.is_empty());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_server_that_refuses_is_a_fault_and_no_content() {
    let (bucket, address) = serve().await;
    let store = open(&address, "another");
    let file = Uuid::now_v7();
    let mut writer = store.write(file).await.unwrap();
    writer.write(Bytes::from_static(b"x")).await.unwrap();
    assert!(matches!(writer.finish().await, Err(StoreError::Unavailable(_))));
    assert!(matches!(store.size(file).await, Err(StoreError::Unavailable(_))));
    let bucket = bucket.lock().unwrap();
    assert!(bucket.unsigned > 0 && bucket.objects.is_empty());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_server_that_is_busy_is_asked_again() {
    let (bucket, address) = serve().await;
    let store = open(&address, "keyname");
    let file = Uuid::now_v7();
    let busy = || bucket.lock().unwrap().busy = 2;
    busy();
    write(&store, file, [Bytes::from_static(b"hello")]).await;
    busy();
    assert_eq!(store.size(file).await.unwrap(), Some(5));
    busy();
    assert_eq!(read(&store, file, 0..5).await, b"hello");
    busy();
    store.remove(file).await.unwrap();
    assert_eq!(bucket.lock().unwrap().busy, 0);
    // Not for ever.
    bucket.lock().unwrap().busy = u32::MAX;
    assert!(matches!(store.size(file).await, Err(StoreError::Unavailable(_))));
}
