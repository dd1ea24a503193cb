//! The JSON Schemas of definitions, as they are published: `/schema/module.schema.json` and its like.

use std::sync::Arc;

use poem::{Request, Response};

use super::error::ApiError;
use crate::app::App;

/// By file name; `cardine export` writes those of what it exports beside it.
pub const SCHEMAS: [(&str, &str); 6] = [
    ("module.schema.json", include_str!("../../../schema/module.schema.json")),
    ("permission-set.schema.json", include_str!("../../../schema/permission-set.schema.json")),
    ("plugin.schema.json", include_str!("../../../schema/plugin.schema.json")),
    ("role.schema.json", include_str!("../../../schema/role.schema.json")),
    ("sharing-rule.schema.json", include_str!("../../../schema/sharing-rule.schema.json")),
    ("workflow.schema.json", include_str!("../../../schema/workflow.schema.json")),
];

/// `GET /schema/{file}`.
pub async fn schema(_: Arc<App>, request: Request) -> Result<Response, ApiError> {
    let file = request.raw_path_param("file").unwrap_or_default();
    let (_, text) = SCHEMAS.iter().find(|(name, _)| *name == file).ok_or_else(ApiError::not_found)?;
    Ok(Response::builder().content_type("application/schema+json; charset=utf-8").body(*text))
}
