//! Every route of the server, in one list.

use std::sync::Arc;

use poem::http::Method;
use poem::{Endpoint, Request, Response, Route};

use super::border::{Handler, Site};
use super::{
    admin_graphql, assets, auth, calendar, download, graphql, health, hooks, page, plugin_routes, reset, schemas,
    setup, upload,
};
use crate::app::App;

/// Makes a [`Handler`] of an async function.
macro_rules! handler {
    ($function:path) => {
        |app, request| Box::pin($function(app, request))
    };
}

/// A plugin says itself which methods it answers.
const PLUGIN: &[(Method, Handler)] = &[
    (Method::GET, handler!(plugin_routes::serve)),
    (Method::POST, handler!(plugin_routes::serve)),
    (Method::PUT, handler!(plugin_routes::serve)),
    (Method::PATCH, handler!(plugin_routes::serve)),
    (Method::DELETE, handler!(plugin_routes::serve)),
];

/// Path, and what each method does there. `HEAD` is answered as `GET`, `OPTIONS` by the border.
const ROUTES: &[(&str, &[(Method, Handler)])] = &[
    ("/", &[(Method::GET, handler!(page::home))]),
    (
        "/admin/graphql",
        &[(Method::GET, handler!(admin_graphql::answer)), (Method::POST, handler!(admin_graphql::answer))],
    ),
    ("/auth/forgot-password", &[(Method::POST, handler!(auth::forgot_password))]),
    ("/auth/reset-password", &[(Method::POST, handler!(auth::reset_password))]),
    ("/auth/session", &[(Method::GET, handler!(auth::session))]),
    ("/auth/sign-in", &[(Method::POST, handler!(auth::sign_in))]),
    ("/auth/refresh", &[(Method::POST, handler!(auth::refresh))]),
    ("/auth/sign-out", &[(Method::POST, handler!(auth::sign_out))]),
    ("/calendars/:key/:file", &[(Method::GET, handler!(calendar::feed))]),
    ("/files", &[(Method::POST, handler!(upload::upload))]),
    ("/files/:id", &[(Method::GET, handler!(download::download))]),
    ("/graphql", &[(Method::GET, handler!(graphql::answer)), (Method::POST, handler!(graphql::answer))]),
    ("/graphql/schema.graphql", &[(Method::GET, handler!(graphql::sdl))]),
    ("/health/live", &[(Method::GET, handler!(health::live))]),
    ("/health/ready", &[(Method::GET, handler!(health::ready))]),
    ("/metrics", &[(Method::GET, handler!(health::metrics))]),
    ("/hooks/workflows/:path/:token", &[(Method::POST, handler!(hooks::start))]),
    ("/hooks/:plugin", PLUGIN),
    ("/hooks/:plugin/*rest", PLUGIN),
    ("/reset", &[(Method::GET, handler!(reset::form)), (Method::POST, handler!(reset::reset))]),
    ("/schema/:file", &[(Method::GET, handler!(schemas::schema))]),
    ("/setup", &[(Method::GET, handler!(setup::form)), (Method::POST, handler!(setup::create))]),
    ("/assets/graphiql/:file", &[(Method::GET, handler!(assets::graphiql))]),
    ("/assets/page.css", &[(Method::GET, handler!(assets::page_css))]),
];

/// All of them, and an answer for every other path.
pub fn routes(app: &Arc<App>) -> impl Endpoint<Output = Response> + use<> {
    let site = |pattern, methods| Site { pattern, methods, app: Arc::clone(app) };
    let (mut fixed, mut route) = (Vec::new(), Route::new());
    for (pattern, methods) in ROUTES {
        if pattern.contains(':') {
            route = route.at(*pattern, site(pattern, methods));
        } else {
            fixed.push(site(pattern, methods));
        }
    }
    Table { fixed, route, elsewhere: site("(unknown)", &[]) }
}

/// The list, and what is beside it. (A wildcard in the list would take `/` too.)
struct Table {
    /// Paths without parameters.
    fixed: Vec<Site>,
    route: Route,
    elsewhere: Site,
}

impl Endpoint for Table {
    type Output = Response;

    async fn call(&self, request: Request) -> poem::Result<Response> {
        if let Some(site) = self.fixed.iter().find(|site| site.pattern == request.uri().path()) {
            return site.call(request).await;
        }
        let mut unrouted = Request::builder().method(request.method().clone()).finish();
        unrouted.headers_mut().clone_from(request.headers());
        match self.route.call(request).await {
            // A site answers everything itself, so this was no site.
            Err(_) => self.elsewhere.call(unrouted).await,
            answered => answered,
        }
    }
}
