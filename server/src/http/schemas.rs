//! The JSON Schemas of definitions, as they are published: `/schema/module.schema.json` and its like.

use std::sync::Arc;

use poem::{Request, Response};

use super::error::ApiError;
use crate::app::App;

const SCHEMAS: [(&str, &str); 3] = [
    ("module.schema.json", include_str!("../../../schema/module.schema.json")),
    ("plugin.schema.json", include_str!("../../../schema/plugin.schema.json")),
    ("workflow.schema.json", include_str!("../../../schema/workflow.schema.json")),
];

/// `GET /schema/{file}`.
pub async fn schema(_: Arc<App>, request: Request) -> Result<Response, ApiError> {
    let file = request.raw_path_param("file").unwrap_or_default();
    let (_, text) = SCHEMAS.iter().find(|(name, _)| *name == file).ok_or_else(ApiError::not_found)?;
    Ok(Response::builder().content_type("application/schema+json; charset=utf-8").body(*text))
}
