//! Answers requests with what it was told of them: for tests of what comes to a plugin and what goes back. It is never shipped.

use cardine_plugin::host::api;
use cardine_plugin::{
    CallContext, Issue, Manifest, Plugin, PluginError, RouteRequest, RouteResponse, serde_json::json,
};

/// The plugin `test-routes`.
pub struct TestRoutes;

impl Plugin for TestRoutes {
    fn describe() -> Manifest {
        Manifest::from_json(include_str!("../plugin.json"))
    }

    fn serve(context: &CallContext, route: &str, request: &RouteRequest) -> Result<RouteResponse, PluginError> {
        let answer = |status: u16, headers: &[(&str, &str)], body: &str| RouteResponse {
            status,
            headers: headers.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect(),
            body: body.as_bytes().to_vec(),
        };
        match request.query.as_str() {
            "trap" => panic!("the route panicked on purpose"),
            "loop" => loop {
                std::hint::black_box(0);
            },
            "missing" => return Err(PluginError::NotFound("on purpose".to_owned())),
            "denied" => return Err(PluginError::Denied("on purpose".to_owned())),
            "failed" => return Err(PluginError::Failed("on purpose".to_owned())),
            "later" => return Err(PluginError::Retryable { message: "later".to_owned(), after_ms: Some(3_000) }),
            "invalid" => return Err(PluginError::Invalid(vec![Issue::at("order.number", "malformed", "no number")])),
            "status" => return Ok(answer(99, &[], "")),
            "page" => {
                let headers = [("content-type", "text/html"), ("set-cookie", "a=b"), ("etag", "\"1\"")];
                return Ok(answer(203, &headers, "<script>alert(1)</script>"));
            }
            _ => {}
        }
        let ask = |run_as| {
            let document = "{ organizations { totalCount nodes { name } } }".to_owned();
            let operation = api::Operation { document, variables: "{}".to_owned(), operation_name: None };
            api::execute(run_as, &operation).unwrap_or_else(|refused| format!("{refused:?}"))
        };
        let names: Vec<&str> = request.headers.iter().map(|(name, _)| name.as_str()).collect();
        let told = json!({
            "route": route, "method": request.method, "path": request.path, "query": request.query, "headers": names,
            "body": String::from_utf8_lossy(&request.body), "verified": request.verified, "user": context.user,
            "asPlugin": ask(api::RunAs::Plugin), "asCaller": ask(api::RunAs::Caller),
        });
        Ok(answer(200, &[("content-type", "application/json")], &told.to_string()))
    }
}

cardine_plugin::export_plugin!(TestRoutes);
