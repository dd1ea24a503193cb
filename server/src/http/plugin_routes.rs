//! `/hooks/{plugin}/…`: addresses that plugins answer at. Who may come is what the manifest says; what comes back can do nothing to a
//! browser that is signed in here.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use cardine_engine::new_request_id;
use cardine_model::{Issue, PathSegment};
use cardine_plugin_host::{
    CallContext, HmacManifest, PluginFailure, PluginIssue, Reason, RouteAuth, RouteManifest, RouteRequest,
    RouteResponse,
};
use cardine_workflow::{call_context, is_code};
use chrono::Utc;
use poem::http::{HeaderName, HeaderValue, Method, StatusCode, header};
use poem::{Request, Response};

use super::border::RequestId;
use super::caller::{Caller, Wishes};
use super::error::ApiError;
use super::graphql_request::read_body;
use crate::app::App;
use crate::plugin::stored_secret;

/// What a plugin is not told of a request: what proves who the caller is.
const UNTOLD: [HeaderName; 3] = [header::AUTHORIZATION, header::COOKIE, header::PROXY_AUTHORIZATION];
/// What a plugin may say about its answer. No cookies, and nothing that opens the answer to other sites.
const SAID: [HeaderName; 9] = [
    header::CACHE_CONTROL,
    header::CONTENT_DISPOSITION,
    header::CONTENT_LANGUAGE,
    header::CONTENT_TYPE,
    header::ETAG,
    header::LAST_MODIFIED,
    header::LOCATION,
    header::RETRY_AFTER,
    header::VARY,
];
/// A page of a plugin is none of this server's: it runs no scripts, and has no origin.
const POLICY: &str =
    "default-src 'none'; img-src data:; style-src 'unsafe-inline'; form-action 'none'; frame-ancestors 'none'; sandbox";
/// Over how long requests are counted.
const WINDOW: Duration = Duration::from_secs(60);

/// How many requests came for each plugin since when.
#[derive(Debug, Default)]
pub struct RouteCounts(Mutex<HashMap<String, (Instant, usize)>>);

impl RouteCounts {
    /// Counts a request, or tells for how many seconds there may be no more.
    fn count(&self, plugin: &str, now: Instant, per_minute: usize) -> Result<(), u64> {
        let mut counts = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let (since, count) = counts.entry(plugin.to_owned()).or_insert((now, 0));
        if now.duration_since(*since) >= WINDOW {
            (*since, *count) = (now, 0);
        }
        if *count >= per_minute {
            return Err((WINDOW - now.duration_since(*since)).as_secs() + 1);
        }
        *count += 1;
        Ok(())
    }
}

/// Lets the plugin of the path answer. What is not one of its routes is answered alike, whether the plugin is there or not.
pub async fn serve(app: Arc<App>, mut request: Request) -> Result<Response, ApiError> {
    let name = request.raw_path_param("plugin").unwrap_or_default().to_owned();
    let path = format!("/{}", request.raw_path_param("rest").unwrap_or_default());
    let plugin = app.outside.plugins.granted(&name).ok_or_else(ApiError::not_found)?.plugin;
    let route = route_of(plugin.manifest().routes(), &path, request.method())?;
    let limits = &app.front.limits;
    app.route_counts.count(&name, Instant::now(), limits.hook_requests).map_err(ApiError::too_many_requests)?;
    let context = context(&app, &request, &route.auth).await?;
    let body = read_body(request.take_body(), route.max_body.min(plugin.limits().input_bytes)).await?.to_vec();
    if let RouteAuth::Hmac(how) = &route.auth {
        check_code(&app, &request, &name, how, &body).await?;
    }
    let told = RouteRequest {
        method: request.method().to_string(),
        path,
        query: request.uri().query().unwrap_or_default().to_owned(),
        headers: told_headers(&request),
        body,
        verified: route.auth != RouteAuth::None,
    };
    let mut session = plugin.session(app.outside.plugins.services(&name));
    let answer = session.serve(context, &route.path, told).await.map_err(refusal)?;
    response(answer, &name)
}

fn route_of<'r>(routes: &'r [RouteManifest], path: &str, method: &Method) -> Result<&'r RouteManifest, ApiError> {
    let method = if method == Method::HEAD { "GET" } else { method.as_str() };
    let here: Vec<&RouteManifest> = routes.iter().filter(|route| route.path == path).collect();
    if here.is_empty() {
        return Err(ApiError::not_found());
    }
    let found = here.iter().find(|route| route.methods.iter().any(|offered| offered == method));
    found.copied().ok_or_else(|| {
        let offered: Vec<&str> = here.iter().flat_map(|route| &route.methods).map(String::as_str).collect();
        ApiError::method_not_allowed(&offered.join(", "))
    })
}

/// Whom the plugin answers. With the rights of somebody who is signed in it may ask, if that was granted; a key's rights may be less than
/// its owner's, so with those it may not.
async fn context(app: &App, request: &Request, auth: &RouteAuth) -> Result<CallContext, ApiError> {
    let wants_key = match auth {
        RouteAuth::User => false,
        RouteAuth::ApiKey => true,
        RouteAuth::None | RouteAuth::Hmac(_) => {
            let Wishes { time_zone, languages } = Wishes::of(request)?;
            let nobody = CallContext::default();
            let id = request.extensions().get().map_or_else(|| new_request_id(Utc::now()), |RequestId(id)| *id);
            return Ok(CallContext {
                request_id: id.to_string(),
                locale: languages.unwrap_or(nobody.locale),
                time_zone: time_zone.unwrap_or(nobody.time_zone),
                ..CallContext::default()
            });
        }
    };
    // A browser sends its cookie wherever a link leads: here it stands for nobody.
    if request.headers().get(header::AUTHORIZATION).is_none() {
        return Err(ApiError::unauthenticated("Send the header Authorization: Bearer <token>."));
    }
    let caller = Caller::authenticate(app, request).await?;
    let is_key = caller.token.as_ref().is_some_and(|token| token.session.is_none());
    if is_key != wants_key {
        let wanted = if wants_key { "an API key" } else { "the access token of a user" };
        return Err(ApiError::forbidden(format!("This address answers to {wanted}.")));
    }
    Ok(CallContext { is_detached: wants_key, ..call_context(&caller.context) })
}

async fn check_code(
    app: &App,
    request: &Request,
    plugin: &str,
    how: &HmacManifest,
    body: &[u8],
) -> Result<(), ApiError> {
    let secret = stored_secret(&app.engine, plugin, &how.secret).await?;
    if secret.is_none() {
        tracing::warn!(plugin, secret = how.secret, "nobody has stored the secret that requests are checked with");
    }
    let is_signed = |secret: String| {
        let mut codes = request.headers().get_all(how.header.as_str()).iter();
        let code = codes.next().and_then(|code| code.to_str().ok());
        code.is_some_and(|code| is_code(&secret, how.algorithm, body, code)) && codes.next().is_none()
    };
    if secret.is_some_and(is_signed) {
        return Ok(());
    }
    Err(ApiError::unauthenticated(format!("Sign the request: {} is the HMAC of the body.", how.header)))
}

fn told_headers(request: &Request) -> Vec<(String, String)> {
    let told = request.headers().iter().filter(|(name, _)| !UNTOLD.contains(name));
    told.map(|(name, value)| (name.as_str().to_owned(), String::from_utf8_lossy(value.as_bytes()).into_owned()))
        .collect()
}

/// The answer as it is sent. What a plugin may not say is left out.
fn response(answer: RouteResponse, plugin: &str) -> Result<Response, ApiError> {
    let invalid = || {
        let message = format!("plugin `{plugin}` gave an answer that cannot be sent");
        ApiError::plugin_failed(StatusCode::BAD_GATEWAY, message)
    };
    let status = StatusCode::from_u16(answer.status).map_err(|_| invalid())?;
    let mut response = Response::builder().status(status).body(answer.body);
    let headers = response.headers_mut();
    for (name, value) in &answer.headers {
        let Ok(name) = name.parse::<HeaderName>() else { return Err(invalid()) };
        if SAID.contains(&name) {
            headers.insert(name, HeaderValue::from_str(value).map_err(|_| invalid())?);
        }
    }
    headers.insert(header::CONTENT_SECURITY_POLICY, HeaderValue::from_static(POLICY));
    Ok(response)
}

fn refusal(failure: PluginFailure) -> ApiError {
    let message = failure.message.clone();
    match failure.reason {
        Reason::NotFound => ApiError::not_found(),
        Reason::Denied => ApiError::forbidden("The plugin refuses this."),
        Reason::Invalid | Reason::Input => {
            ApiError::invalid("The plugin does not take this.", failure.issues.iter().map(issue).collect())
        }
        Reason::Busy | Reason::Suspended | Reason::Retryable => {
            let wait = Duration::from_millis(failure.retry_after_ms.unwrap_or(1_000));
            ApiError::later(message, wait.as_secs().max(1))
        }
        Reason::Time => ApiError::plugin_failed(StatusCode::GATEWAY_TIMEOUT, message),
        _ => ApiError::plugin_failed(StatusCode::BAD_GATEWAY, message),
    }
}

fn issue(issue: &PluginIssue) -> Issue {
    let path = issue.path.iter().flat_map(|path| path.split('.')).map(PathSegment::from).collect();
    Issue::new(path, &issue.code, issue.message.clone())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn requests_are_counted_by_the_minute() {
        let (counts, start) = (RouteCounts::default(), Instant::now());
        for _ in 0..3 {
            assert_eq!(counts.count("one", start, 3), Ok(()));
        }
        assert_eq!(counts.count("one", start + Duration::from_secs(20), 3), Err(41));
        assert_eq!(counts.count("other", start, 3), Ok(()));
        assert_eq!(counts.count("one", start + WINDOW, 3), Ok(()));
    }

    #[test]
    fn an_answer_says_what_it_may_and_nothing_more() {
        let answer = |headers: &[(&str, &str)]| {
            let headers = headers.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect();
            response(RouteResponse { status: 201, headers, body: b"x".to_vec() }, "p")
        };
        let sent = answer(&[
            ("Content-Type", "text/html"),
            ("Set-Cookie", "a=b"),
            ("Content-Security-Policy", "script-src *"),
            ("Access-Control-Allow-Origin", "*"),
        ])
        .unwrap();
        assert_eq!((sent.status().as_u16(), sent.header("content-type")), (201, Some("text/html")));
        assert_eq!((sent.header("set-cookie"), sent.header("access-control-allow-origin")), (None, None));
        assert!(sent.header("content-security-policy").unwrap().ends_with("sandbox"));
        assert_eq!(answer(&[("location", "a\r\nset-cookie: b")]).unwrap_err().status.as_u16(), 502);
        assert_eq!(answer(&[("not a name", "a")]).unwrap_err().status.as_u16(), 502);
    }

    #[test]
    fn a_route_is_found_by_path_and_method() {
        let route = |path: &str, method: &str| RouteManifest {
            path: path.to_owned(),
            methods: vec![method.to_owned()],
            auth: RouteAuth::None,
            max_body: 1,
        };
        let routes = [route("/a", "GET"), route("/a", "POST"), route("/", "PUT")];
        assert_eq!(route_of(&routes, "/a", &Method::HEAD).unwrap().methods, ["GET"]);
        assert_eq!(route_of(&routes, "/a", &Method::POST).unwrap().methods, ["POST"]);
        assert_eq!(route_of(&routes, "/a", &Method::PUT).unwrap_err().status.as_u16(), 405);
        assert_eq!(route_of(&routes, "/b", &Method::GET).unwrap_err().status.as_u16(), 404);
    }
}
