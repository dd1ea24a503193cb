//! The yardstick: a bare HTTP server that answers each question with the best statement that was written for it by hand.
//!
//! It knows no GraphQL, no rights and no catalog: `POST /list/all` with the variables as JSON runs the statement of that question.
//! It is a process of its own, so that what it costs is told apart from what the bench costs.

mod by_poem;
mod postgres;
mod sqlite;

pub use sqlite::open as open_sqlite;

use std::convert::Infallible;
use std::path::PathBuf;
use std::sync::Arc;

use anyhow::{Context as _, ensure};
use bytes::Bytes;
use http_body_util::{BodyExt as _, Full};
use hyper::body::Incoming;
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper::{Request, Response, StatusCode};
use hyper_util::rt::TokioIo;
use serde_json::Value as Json;
use tokio::net::TcpListener;
use uuid::Uuid;

use crate::questions::{Question, View};

/// What it works on.
#[derive(Debug, clap::Args)]
pub struct Options {
    /// A PostgreSQL database
    #[arg(long, conflicts_with = "sqlite")]
    postgres: Option<String>,
    /// A SQLite file that no server has open
    #[arg(long, required_unless_present = "postgres")]
    sqlite: Option<PathBuf>,
    /// Ids of those whose records a manager sees
    #[arg(long, value_delimiter = ',')]
    owners: Vec<Uuid>,
    /// Serve by poem, as Cardine does, and not by hyper alone
    #[arg(long)]
    poem: bool,
}

enum Database {
    Postgres(postgres::Pool),
    Sqlite(sqlite::File),
}

/// Serves on a free port of the loopback interface until the process is ended; prints where, as Cardine does.
pub async fn serve(options: Options) -> anyhow::Result<()> {
    let database = match (options.postgres, options.sqlite) {
        (Some(url), _) => Database::Postgres(postgres::Pool::open(&url, options.owners).await?),
        (None, Some(path)) => Database::Sqlite(sqlite::File::new(path, &options.owners)),
        (None, None) => anyhow::bail!("no database is named"),
    };
    let database = Arc::new(database);
    let listener = TcpListener::bind("127.0.0.1:0").await?;
    println!("listening on http://{}", listener.local_addr()?);
    if options.poem {
        return by_poem::serve(listener, database).await;
    }
    loop {
        let (stream, _) = listener.accept().await?;
        stream.set_nodelay(true)?;
        let database = Arc::clone(&database);
        tokio::spawn(async move {
            let service = service_fn(|request| respond(&database, request));
            // A client that goes away is nothing to tell.
            let _ = http1::Builder::new().serve_connection(TokioIo::new(stream), service).await;
        });
    }
}

async fn respond(database: &Database, request: Request<Incoming>) -> Result<Response<Full<Bytes>>, Infallible> {
    let path = request.uri().path().to_owned();
    let answered = async { answer(database, &path, &request.into_body().collect().await?.to_bytes()).await };
    let (status, body) = match answered.await {
        Ok(body) => (StatusCode::OK, body),
        Err(error) => (StatusCode::INTERNAL_SERVER_ERROR, format!("{error:#}").into_bytes()),
    };
    let response = Response::builder().status(status).header("content-type", "application/json");
    Ok(response.body(Full::new(Bytes::from(body))).expect("the header is one"))
}

async fn answer(database: &Database, path: &str, body: &[u8]) -> anyhow::Result<Vec<u8>> {
    let (question, view) = asked(path).context("no such question")?;
    let variables: Json = serde_json::from_slice(body)?;
    let mut out = Vec::with_capacity(1 << 10);
    out.extend_from_slice(br#"{"data":{""#);
    out.extend_from_slice(question.root().as_bytes());
    out.extend_from_slice(br#"":"#);
    match database {
        Database::Postgres(pool) => pool.answer(question, view, &variables, &mut out).await?,
        // On the thread that has the request: a hop to another costs more than most of these statements.
        Database::Sqlite(file) => file.answer(question, view, &variables, &mut out)?,
    }
    out.extend_from_slice(b"}}");
    ensure!(out.len() < 16 << 20, "an answer of {} bytes", out.len());
    Ok(out)
}

fn asked(path: &str) -> Option<(Question, View)> {
    let (question, view) = path.strip_prefix('/')?.split_once('/')?;
    let question = Question::ALL.into_iter().find(|known| known.slug() == question)?;
    let view = [View::All, View::Team].into_iter().find(|known| known.slug() == view)?;
    Some((question, view))
}
