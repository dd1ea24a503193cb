//! `WS /graphql`: who may open a WebSocket, and from which page.

mod connection;
mod operations;
mod run;
mod writer;

use std::sync::Arc;

use cardine_graphql::transport_ws::SUB_PROTOCOL;
use poem::http::header;
use poem::web::websocket::{WebSocket, WebSocketConfig};
use poem::{FromRequest as _, IntoResponse as _, Request, RequestBody, Response};
use url::{Host, Origin, Url};

use super::caller::Wishes;
use super::credential::Credential;
use super::error::ApiError;
use super::peer::peer_address;
use crate::app::App;
use crate::config::CorsOrigins;
use connection::Opening;

/// Whether the request wants to become a WebSocket.
pub fn is_upgrade(request: &Request) -> bool {
    request.header(header::UPGRADE).is_some_and(|upgrade| upgrade.eq_ignore_ascii_case("websocket"))
}

/// Answers the request that opens one. Browsers let pages of any origin open WebSockets and only tell which it is, so that is
/// looked at here; programs tell none.
pub async fn open(app: Arc<App>, request: Request) -> Result<Response, ApiError> {
    if let Some(origin) = request.header(header::ORIGIN)
        && !may_open(origin, &app.public_url, &app.config.cors_origins)
    {
        return Err(ApiError::forbidden("Pages of this origin may not open WebSockets here; see --cors-origin."));
    }
    let opening = Opening {
        credential: credential(&app, &request)?,
        wishes: Wishes::of(&request)?,
        address: peer_address(&request, &app.config.trusted_proxies)?,
        counted: app.connections.open().map_err(|too_many| ApiError::too_many(too_many.to_string()))?,
        speaks: request.headers().get_all(header::SEC_WEBSOCKET_PROTOCOL).iter().any(|offered| {
            offered.to_str().is_ok_and(|offered| offered.split(',').any(|name| name.trim() == SUB_PROTOCOL))
        }),
    };
    let message_bytes = app.front.limits.body_bytes;
    let config = WebSocketConfig::default().max_message_size(Some(message_bytes)).max_frame_size(Some(message_bytes));
    let socket = WebSocket::from_request(&request, &mut RequestBody::default()).await?;
    let upgraded = socket
        .protocols([SUB_PROTOCOL])
        .config(config)
        .on_upgrade(move |stream| connection::serve(app, opening, stream));
    Ok(upgraded.into_response())
}

/// What the request shows. A cookie is that of a page of this server's own: no other page's requests have it looked at, and the
/// page must show its token in the first message.
fn credential(app: &App, request: &Request) -> Result<Option<Credential>, ApiError> {
    let own = |origin: &str| Url::parse(origin).is_ok_and(|page| is_same(&page.origin(), &app.public_url.origin()));
    match Credential::of(request, &app.public_url)? {
        Some(Credential::Cookie(_)) if !request.header(header::ORIGIN).is_some_and(own) => Ok(None),
        credential => Ok(credential),
    }
}

/// Whether a page of this origin may: one of the server's own, or of a listed origin.
fn may_open(origin: &str, own: &Url, listed: &CorsOrigins) -> bool {
    let Ok(page) = Url::parse(origin) else { return false };
    is_same(&page.origin(), &own.origin()) || listed.allow(origin)
}

/// The same origin; on one machine by whichever of its own names.
fn is_same(page: &Origin, own: &Origin) -> bool {
    match (page, own) {
        (Origin::Tuple(page_scheme, page_host, page_port), Origin::Tuple(scheme, host, port)) => {
            let same_host = page_host == host || (is_loopback(page_host) && is_loopback(host));
            page_scheme == scheme && page_port == port && same_host
        }
        _ => false,
    }
}

fn is_loopback(host: &Host) -> bool {
    match host {
        Host::Domain(name) => name == "localhost",
        Host::Ipv4(address) => address.is_loopback(),
        Host::Ipv6(address) => address.is_loopback(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_own_and_listed_pages_may_open() {
        let listed = CorsOrigins::parse(&["https://app.example.org".to_owned()]).unwrap();
        let own = Url::parse("https://crm.example.org/base/").unwrap();
        for origin in ["https://crm.example.org", "https://crm.example.org:443", "https://app.example.org"] {
            assert!(may_open(origin, &own, &listed), "{origin}");
        }
        for origin in [
            "http://crm.example.org",
            "https://crm.example.org:8443",
            "https://crm.example.org.evil.example",
            "https://evil.example",
            "http://localhost",
            "null",
            "",
            "file://",
        ] {
            assert!(!may_open(origin, &own, &listed), "{origin}");
        }
        assert!(may_open("https://any.example", &own, &CorsOrigins::All));
    }

    #[test]
    fn a_local_server_is_the_same_by_each_of_its_names() {
        let (own, none) = (Url::parse("http://127.0.0.1:8000/").unwrap(), CorsOrigins::Listed(Vec::new()));
        for origin in ["http://127.0.0.1:8000", "http://localhost:8000", "http://[::1]:8000"] {
            assert!(may_open(origin, &own, &none), "{origin}");
        }
        for origin in ["http://localhost:8001", "https://localhost:8000", "http://192.168.0.1:8000"] {
            assert!(!may_open(origin, &own, &none), "{origin}");
        }
    }
}
