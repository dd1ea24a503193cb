//! HTML pages: the start page, and the frame that all of them share.

use std::sync::Arc;

use poem::http::{StatusCode, header};
use poem::{Request, Response};

use super::error::ApiError;
use crate::app::App;

/// Own styles and forms, nothing else: no script, no foreign content, no frame.
const PAGE_POLICY: &str =
    "default-src 'none'; style-src 'self'; form-action 'self'; base-uri 'none'; frame-ancestors 'none'";

/// GraphiQL: own scripts only. Its libraries make style elements and inline fonts and pictures, so those are allowed.
const GRAPHIQL_POLICY: &str = "default-src 'none'; script-src 'self'; style-src 'self' 'unsafe-inline'; font-src data:; \
     img-src 'self' data:; connect-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'";

/// `GET /`: what there is, with links.
pub async fn home(app: Arc<App>, _: Request) -> Result<Response, ApiError> {
    let version = env!("CARGO_PKG_VERSION");
    let modules = app.engine.snapshot().catalog.version;
    let body = format!(
        "<h1>Cardine {version}</h1>\n\
         <p>A headless CRM: everything is done by GraphQL.</p>\n\
         <ul>\n\
         <li><a href=\"graphql\">/graphql</a>: records</li>\n\
         <li><a href=\"admin/graphql\">/admin/graphql</a>: modules, roles, users (for administrators)</li>\n\
         <li><a href=\"graphql/schema.graphql\">/graphql/schema.graphql</a>: the schema as text</li>\n\
         <li><a href=\"schema/module.schema.json\">module.schema.json</a>, \
         <a href=\"schema/workflow.schema.json\">workflow.schema.json</a>, \
         <a href=\"schema/plugin.schema.json\">plugin.schema.json</a>: how definitions are written</li>\n\
         <li><a href=\"health/ready\">/health/ready</a>, <a href=\"metrics\">/metrics</a>: for whoever watches the server</li>\n\
         </ul>\n\
         <p>Version {modules} of the module definitions.</p>"
    );
    Ok(page(StatusCode::OK, "Cardine", "assets/page.css", &body))
}

/// A page of the server's own. `title` and `body` are HTML; what came from outside was escaped with [`escape`].
pub fn page(status: StatusCode, title: &str, style: &str, body: &str) -> Response {
    let html = format!(
        "<!doctype html>\n<html lang=\"en\">\n<head>\n<meta charset=\"utf-8\">\n\
         <meta name=\"viewport\" content=\"width=device-width, initial-scale=1\">\n<title>{title}</title>\n\
         <link rel=\"stylesheet\" href=\"{style}\">\n</head>\n<body>\n{body}\n</body>\n</html>\n"
    );
    html_response(status, PAGE_POLICY, html)
}

/// GraphiQL for the endpoint at `path`, such as `/graphql`, whose folder is `root` (relative, ending with a slash).
pub fn graphiql(root: &str, endpoint: &str) -> Response {
    let html = format!(
        "<!doctype html>\n<html lang=\"en\">\n<head>\n<meta charset=\"utf-8\">\n\
         <meta name=\"viewport\" content=\"width=device-width, initial-scale=1\">\n<title>Cardine {endpoint}</title>\n\
         <link rel=\"icon\" href=\"data:,\">\n\
         <link rel=\"stylesheet\" href=\"{root}assets/graphiql/graphiql.min.css\">\n\
         <style>html, body, #graphiql {{ height: 100%; margin: 0; }}</style>\n\
         <script src=\"{root}assets/graphiql/react.production.min.js\" defer></script>\n\
         <script src=\"{root}assets/graphiql/react-dom.production.min.js\" defer></script>\n\
         <script src=\"{root}assets/graphiql/graphiql.min.js\" defer></script>\n\
         <script src=\"{root}assets/graphiql/start.js\" defer></script>\n\
         </head>\n<body>\n<div id=\"graphiql\" data-endpoint=\"{root}{endpoint}\">GraphiQL needs JavaScript.</div>\n</body>\n</html>\n"
    );
    html_response(StatusCode::OK, GRAPHIQL_POLICY, html)
}

fn html_response(status: StatusCode, policy: &'static str, html: String) -> Response {
    Response::builder()
        .status(status)
        .content_type("text/html; charset=utf-8")
        .header(header::CONTENT_SECURITY_POLICY, policy)
        .body(html)
}

/// Text as HTML, in elements and in quoted attributes.
pub fn escape(text: &str) -> String {
    let mut escaped = String::with_capacity(text.len());
    for character in text.chars() {
        match character {
            '&' => escaped.push_str("&amp;"),
            '<' => escaped.push_str("&lt;"),
            '>' => escaped.push_str("&gt;"),
            '"' => escaped.push_str("&quot;"),
            '\'' => escaped.push_str("&#39;"),
            other => escaped.push(other),
        }
    }
    escaped
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn text_from_outside_is_no_markup() {
        assert_eq!(escape("<b title=\"x\" id='y'>&"), "&lt;b title=&quot;x&quot; id=&#39;y&#39;&gt;&amp;");
    }

    #[test]
    fn no_page_runs_foreign_scripts() {
        for policy in [PAGE_POLICY, GRAPHIQL_POLICY] {
            assert!(policy.starts_with("default-src 'none'") && policy.contains("frame-ancestors 'none'"));
            let scripts = policy.split(';').find(|part| part.trim().starts_with("script-src"));
            assert!(scripts.is_none_or(|scripts| scripts.trim() == "script-src 'self'"), "{policy}");
        }
    }
}
