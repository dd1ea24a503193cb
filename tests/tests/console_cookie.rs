//! Sessions of browsers: the cookie, and that no foreign page can do anything with it.
#![allow(clippy::unwrap_used, reason = "in a test a panic is how it fails; clippy sees only functions marked #[test]")]

use cardine_tests::server::{ADMIN_EMAIL, ADMIN_PASSWORD};
use cardine_tests::{Answer, Launch, Server, on_both_databases};
use reqwest::{Method, RequestBuilder};
use serde_json::{Value, json};

const WHO: &str = "{ me { role } }";
const CREATE: &str = "mutation { createOrganization(data: {name: \"Acme\"}) { id } }";

/// A browser that is signed in.
struct Browser {
    /// `name=value`.
    cookie: String,
    csrf: String,
    /// The whole header, as it was set.
    set_cookie: String,
}

async fn browser(server: &Server) -> Browser {
    let body = json!({"email": ADMIN_EMAIL, "password": ADMIN_PASSWORD, "cookie": true});
    let answer = server.anonymous().post("/auth/sign-in", &body).await;
    assert_eq!(answer.status, 200, "{answer}");
    assert!(answer.body.get("accessToken").is_none() && answer.body["expiresIn"].as_i64() > Some(0), "{answer}");
    let set_cookie = answer.headers["set-cookie"].to_str().unwrap().to_owned();
    let cookie = set_cookie.split(';').next().unwrap().to_owned();
    Browser { cookie, csrf: answer.body["csrfToken"].as_str().unwrap().to_owned(), set_cookie }
}

impl Browser {
    /// A request with the cookie alone, as a foreign page could have it sent.
    fn forged(&self, server: &Server, method: Method, path: &str) -> RequestBuilder {
        server.anonymous().request(method, path).header("cookie", &self.cookie).header("accept", "application/json")
    }

    /// One of an own page.
    fn own(&self, server: &Server, method: Method, path: &str) -> RequestBuilder {
        self.forged(server, method, path).header("x-csrf-token", &self.csrf)
    }

    async fn query(&self, server: &Server, text: &str) -> Answer {
        Answer::of(self.own(server, Method::POST, "/graphql").json(&json!({"query": text}))).await
    }

    async fn is_signed_in(&self, server: &Server) -> bool {
        self.query(server, WHO).await.status == 200
    }
}

on_both_databases! {
    async fn an_own_page_reads_and_writes(server: Server) {
        let browser = browser(&server).await;
        assert!(browser.set_cookie.contains("; HttpOnly") && browser.set_cookie.contains("; SameSite=Lax"), "{}", browser.set_cookie);
        assert!(!browser.set_cookie.contains("Secure"), "over http it would be thrown away");
        browser.query(&server, WHO).await.ok();
        browser.query(&server, CREATE).await.ok();
        let admin = browser.own(&server, Method::POST, "/admin/graphql").json(&json!({"query": "{ sessions { current } users { email } }"}));
        assert!(Answer::of(admin).await.ok()["sessions"].as_array().unwrap().iter().any(|session| session["current"] == true));
        // Opened anew, it gets its token again.
        let session = Answer::of(browser.forged(&server, Method::GET, "/auth/session")).await;
        assert_eq!((session.status, &session.body["csrfToken"]), (200, &json!(browser.csrf)));
        assert!(session.headers.get("access-control-allow-origin").is_none());
        assert_eq!(Answer::of(server.anonymous().request(Method::GET, "/auth/session")).await.status, 401);
    }

    async fn a_foreign_page_changes_nothing_by_whatever_it_can_send(server: Server) {
        let browser = browser(&server).await;
        let other = browser_of_another(&server).await;
        let body = json!({"query": CREATE}).to_string();
        for (name, value) in [("", ""), ("x-csrf-token", ""), ("x-csrf-token", "null"), ("x-csrf-token", other.csrf.as_str())] {
            for content_type in ["application/json", "text/plain", "application/x-www-form-urlencoded", "multipart/form-data; boundary=b"] {
                for path in ["/graphql", "/admin/graphql"] {
                    let mut request = browser.forged(&server, Method::POST, path).header("content-type", content_type).body(body.clone());
                    if !name.is_empty() {
                        request = request.header(name, value);
                    }
                    let answer = Answer::of(request).await;
                    assert_eq!((answer.status, answer.codes()), (403, vec!["FORBIDDEN"]), "{name} {value} {content_type} {path}: {answer}");
                }
            }
        }
        // A link is sent with the cookie; it reads for the user's eyes, and changes nothing.
        let query = |text: &str| format!("/graphql?{}", url_encoded("query", text));
        Answer::of(browser.forged(&server, Method::GET, &query(WHO))).await.ok();
        let answer = Answer::of(browser.forged(&server, Method::GET, &query(CREATE))).await;
        assert_eq!(answer.status, 405, "{answer}");
        let answer = Answer::of(browser.forged(&server, Method::POST, "/auth/sign-out")).await;
        assert_eq!(answer.status, 403, "{answer}");
        assert!(browser.is_signed_in(&server).await);
        let found = browser.query(&server, "{ organizations { totalCount } }").await;
        assert_eq!(found.ok()["organizations"]["totalCount"], 0);
    }

    async fn a_websocket_takes_the_cookie_of_an_own_page_that_shows_its_token(server: Server) {
        let browser = browser(&server).await;
        let client = server.anonymous();
        let (own, foreign) = (server.address(), "https://evil.example".to_owned());
        let open = async |origin: Option<&str>| {
            let mut headers = vec![("sec-websocket-protocol", "graphql-transport-ws"), ("cookie", browser.cookie.as_str())];
            headers.extend(origin.map(|origin| ("origin", origin)));
            client.open_websocket(&headers).await
        };
        let init = |payload: Value| json!({"type": "connection_init", "payload": payload});
        let mut socket = open(Some(&own)).await.unwrap();
        socket.send(&init(json!({"csrfToken": browser.csrf}))).await;
        assert_eq!(socket.receive().await["type"], "connection_ack");
        socket.subscribe("1", "subscription { organizationChanges { kind } }", json!({})).await;
        browser.query(&server, CREATE).await.ok();
        assert_eq!(socket.next("1").await["organizationChanges"]["kind"], "CREATED");
        for payload in [json!({}), json!({"csrfToken": ""}), json!({"csrfToken": null}), json!({"csrfToken": [browser.csrf]}), json!({"csrfToken": "x"})] {
            let mut socket = open(Some(&own)).await.unwrap();
            socket.send(&init(payload.clone())).await;
            assert_eq!(socket.closed().await, 4403, "{payload}");
        }
        assert_eq!(open(Some(&foreign)).await.unwrap_err(), 403);
        // Without an origin it is no browser, so the cookie is not looked at: it is nobody.
        let mut socket = open(None).await.unwrap();
        socket.send(&init(json!({"csrfToken": browser.csrf}))).await;
        assert_eq!(socket.receive().await["type"], "connection_ack");
        socket.subscribe("1", "subscription { organizationChanges { kind } }", json!({})).await;
        assert_eq!(socket.error("1").await, ["BAD_USER_INPUT"]);
    }

    async fn a_cookie_of_a_listed_origin_is_not_taken_by_its_websocket(backend: Backend) {
        let server = Launch::new(backend).arguments(["--cors-origin", "https://app.example.org"]).start().await;
        let browser = browser(&server).await;
        let headers =
            [("sec-websocket-protocol", "graphql-transport-ws"), ("cookie", browser.cookie.as_str()), ("origin", "https://app.example.org")];
        let mut socket = server.anonymous().open_websocket(&headers).await.unwrap();
        socket.send(&json!({"type": "connection_init", "payload": {"csrfToken": browser.csrf}})).await;
        assert_eq!(socket.receive().await["type"], "connection_ack");
        socket.subscribe("1", "subscription { organizationChanges { kind } }", json!({})).await;
        assert_eq!(socket.error("1").await, ["BAD_USER_INPUT"]);
        let preflight = server.anonymous().request(Method::OPTIONS, "/graphql").header("origin", "https://app.example.org");
        let preflight = Answer::of(preflight.header("access-control-request-method", "POST").header("access-control-request-headers", "x-csrf-token")).await;
        assert!(!preflight.headers["access-control-allow-headers"].to_str().unwrap().contains("csrf"));
        assert!(preflight.headers.get("access-control-allow-credentials").is_none());
    }

    async fn signing_out_ends_the_session_and_takes_the_cookie_away(server: Server) {
        let browser = browser(&server).await;
        let answer = Answer::of(browser.own(&server, Method::POST, "/auth/sign-out")).await;
        assert_eq!(answer.body, json!({"signedOut": true}));
        assert!(answer.headers["set-cookie"].to_str().unwrap().contains("Max-Age=0"));
        let again = browser.query(&server, WHO).await;
        assert_eq!((again.status, again.codes()), (401, vec!["UNAUTHENTICATED"]), "never anonymous");
        assert_eq!(Answer::of(browser.forged(&server, Method::GET, "/auth/session")).await.status, 401);
    }

    async fn a_cookie_is_no_bearer_token_and_a_bearer_token_no_cookie(server: Server) {
        let browser = browser(&server).await;
        let value = browser.cookie.split_once('=').unwrap().1;
        assert_eq!(server.anonymous().with_token(value).query(WHO).await.status, 401);
        assert_eq!(server.anonymous().post("/auth/refresh", &json!({"refreshToken": value})).await.status, 401);
        let admin = server.admin().await;
        let name = browser.cookie.split_once('=').unwrap().0;
        let swapped = Browser { cookie: format!("{name}={}", admin.token().unwrap()), csrf: String::new(), set_cookie: String::new() };
        assert_eq!(swapped.query(&server, WHO).await.status, 401);
        // With a bearer token, the cookie is not looked at.
        let both = admin.request(Method::POST, "/graphql").header("cookie", &browser.cookie).json(&json!({"query": WHO}));
        Answer::of(both).await.ok();
    }

    async fn a_session_of_a_browser_ends_like_any_other(server: Server) {
        let (first, second) = (browser(&server).await, browser(&server).await);
        let end = second.own(&server, Method::POST, "/admin/graphql").json(&json!({"query": "mutation { revokeAllSessions }"}));
        Answer::of(end).await.ok();
        assert!(!first.is_signed_in(&server).await && second.is_signed_in(&server).await);
    }

    async fn over_https_the_cookie_is_this_hosts_alone(backend: Backend) {
        let server = Launch::new(backend).arguments(["--public-url", "https://crm.example.org/"]).start().await;
        let browser = browser(&server).await;
        assert!(browser.set_cookie.starts_with("__Host-cardine-session=") && browser.set_cookie.ends_with("; Secure"), "{}", browser.set_cookie);
        assert!(browser.set_cookie.contains("; Path=/;") && !browser.set_cookie.contains("Domain"));
        assert!(browser.is_signed_in(&server).await);
        let planted = Browser { cookie: browser.cookie.replace("__Host-", ""), ..browser };
        planted.query(&server, "{ organizations { totalCount } }").await.refused("BAD_USER_INPUT");
    }
}

async fn browser_of_another(server: &Server) -> Browser {
    browser(server).await
}

fn url_encoded(name: &str, value: &str) -> String {
    let bytes = value.bytes().map(|byte| format!("%{byte:02X}"));
    format!("{name}={}", bytes.collect::<String>())
}
