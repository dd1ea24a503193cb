//! Files that pages need, embedded into the binary: GraphiQL and the style of the server's own pages.

use std::sync::Arc;

use poem::http::header;
use poem::{Request, Response};

use super::error::ApiError;
use crate::app::App;

const SCRIPT: &str = "text/javascript; charset=utf-8";
const STYLE: &str = "text/css; charset=utf-8";

/// Name, media type, content. See the README beside the files for where they come from.
const GRAPHIQL: [(&str, &str, &[u8]); 5] = [
    ("start.js", SCRIPT, include_bytes!("../../assets/graphiql/start.js")),
    ("graphiql.min.js", SCRIPT, include_bytes!("../../assets/graphiql/graphiql.min.js")),
    ("graphiql.min.css", STYLE, include_bytes!("../../assets/graphiql/graphiql.min.css")),
    ("react.production.min.js", SCRIPT, include_bytes!("../../assets/graphiql/react.production.min.js")),
    ("react-dom.production.min.js", SCRIPT, include_bytes!("../../assets/graphiql/react-dom.production.min.js")),
];

/// `GET /assets/graphiql/{file}`.
pub async fn graphiql(_: Arc<App>, request: Request) -> Result<Response, ApiError> {
    let file = request.raw_path_param("file").unwrap_or_default();
    let (_, media_type, content) = GRAPHIQL.iter().find(|(name, ..)| *name == file).ok_or_else(ApiError::not_found)?;
    Ok(asset(media_type, content))
}

/// `GET /assets/page.css`.
pub async fn page_css(_: Arc<App>, _: Request) -> Result<Response, ApiError> {
    Ok(asset(STYLE, include_bytes!("../../assets/page.css")))
}

fn asset(media_type: &str, content: &'static [u8]) -> Response {
    // An hour: the names do not change with the version.
    Response::builder().content_type(media_type).header(header::CACHE_CONTROL, "public, max-age=3600").body(content)
}
