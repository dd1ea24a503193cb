//! The routes over a real database, without a network: what each answers to good and to bad requests.

// In a test a panic is how it fails, in the functions that it calls too.
#![allow(clippy::unwrap_used)]

use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::sync::Arc;

use cardine::app::App;
use cardine::config::{AdminSettings, Config, Settings};
use cardine::http::{routes, setup::Setup};
use cardine_engine::Engine;
use cardine_engine::identity::ChangedBy;
use cardine_graphql::Front;
use cardine_graphql::cursor::CursorKey;
use cardine_graphql::limits::Limits;
use cardine_plugin_host::{HostConfig, PluginHost};
use cardine_store::{Options, Store};
use cardine_workflow::{Plugins, WebhookKey};
use chrono::Utc;
use poem::endpoint::{DynEndpoint, ToDynEndpoint};
use poem::http::{Method, header};
use poem::{Request, RequestBuilder, Response};
use serde_json::{Value, json};
use tempfile::TempDir;

const JSON: &str = "application/json";
const GRAPHQL: &str = "application/graphql-response+json";
const ORIGIN: &str = "https://app.example.org";

struct Site {
    routes: Box<dyn DynEndpoint<Output = Response>>,
    token: String,
    _folder: TempDir,
}

impl Site {
    async fn new() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let settings = Settings {
            data: Some(folder.path().to_owned()),
            cors_origin: vec![ORIGIN.to_owned()],
            ..Settings::default()
        };
        let config = Config::resolve(settings, AdminSettings::default()).unwrap();
        let store = Store::open(&config.database, &Options::default()).await.unwrap();
        store.migrate().await.unwrap();
        let engine = Engine::open(store).await.unwrap();
        let front = Front::new(Limits::default(), CursorKey::new(b"test"));
        let plugins = Plugins::new(PluginHost::new(HostConfig::new(folder.path().join("plugins"))).unwrap());
        let address = SocketAddr::from(([127, 0, 0, 1], 8000));
        let app =
            Arc::new(App::new(engine, front, plugins, WebhookKey::new(b"test"), config, address, Setup::default()));
        let hash = app.auth.passwords.hash("correct horse").await.unwrap();
        let by = ChangedBy::system("test", Utc::now());
        app.engine.create_first_administrator(by, "admin@example.org", hash).await.unwrap();
        let address = IpAddr::V4(Ipv4Addr::LOCALHOST);
        let signed_in =
            app.auth.sign_in(&app.engine, "admin@example.org", "correct horse", &address.into(), Utc::now()).await;
        let token = format!("Bearer {}", signed_in.unwrap().access.reveal());
        Self { routes: Box::new(ToDynEndpoint(routes(&app))), token, _folder: folder }
    }

    async fn send(&self, request: Request) -> Response {
        self.routes.call(request).await.unwrap()
    }

    async fn json(&self, request: Request) -> (u16, Value) {
        let response = self.send(request).await;
        let status = response.status().as_u16();
        let text = response.into_body().into_string().await.unwrap();
        (status, serde_json::from_str(&text).unwrap_or(Value::String(text)))
    }
}

fn get(path: &str) -> RequestBuilder {
    Request::builder().method(Method::GET).uri(path.parse().unwrap())
}

fn post(path: &str, content_type: &str) -> RequestBuilder {
    Request::builder().method(Method::POST).uri(path.parse().unwrap()).content_type(content_type)
}

fn query(text: &str) -> String {
    json!({"query": text}).to_string()
}

#[tokio::test]
async fn the_token_decides_who_calls() {
    let site = Site::new().await;
    let me = || post("/graphql", JSON).body(query("{ me { role } }"));
    let with = |token: &str| post("/graphql", JSON).header(header::AUTHORIZATION, token).body(query("{ me { role } }"));
    assert_eq!(site.json(me()).await.1["data"]["me"]["role"], "anonymous");
    assert_eq!(site.json(with(&site.token)).await.1["data"]["me"]["role"], "administrator");
    for token in ["Bearer nonsense", "Bearer ", "Basic YTpi", &site.token.replace("cat_", "crt_")] {
        let (status, answer) = site.json(with(token)).await;
        assert_eq!((status, &answer["error"]["code"]), (401, &json!("UNAUTHENTICATED")), "{token}");
    }
}

#[tokio::test]
async fn the_status_of_a_refused_request_follows_the_media_type() {
    let site = Site::new().await;
    let ask = |accept: &str, body: String| post("/graphql", JSON).header(header::ACCEPT, accept).body(body);
    for (accept, body, status) in [
        (JSON, query("{ me { role } }"), 200),
        (JSON, query("{ nope }"), 200),
        (JSON, query("{"), 200),
        (JSON, "{".to_owned(), 400),
        (JSON, "{}".to_owned(), 400),
        (GRAPHQL, query("{ me { role } }"), 200),
        (GRAPHQL, query("{ nope }"), 400),
        (GRAPHQL, query("{"), 400),
        (GRAPHQL, "[]".to_owned(), 400),
        ("text/plain", query("{ me { role } }"), 406),
    ] {
        let response = site.send(ask(accept, body.clone())).await;
        assert_eq!(response.status().as_u16(), status, "{accept} {body}");
        if status != 406 {
            let content_type = response.content_type().unwrap().to_owned();
            assert!(content_type.starts_with(accept) && content_type.contains("charset=utf-8"), "{content_type}");
        }
    }
}

#[tokio::test]
async fn a_browser_gets_graphiql_and_nothing_is_loaded_from_elsewhere() {
    let site = Site::new().await;
    for path in ["/graphql", "/admin/graphql"] {
        let response = site.send(get(path).header(header::ACCEPT, "text/html,*/*;q=0.8").finish()).await;
        let policy = response.header("content-security-policy").unwrap().to_owned();
        assert!(policy.contains("script-src 'self';") && policy.contains("default-src 'none'"), "{policy}");
        let html = response.into_body().into_string().await.unwrap();
        assert!(html.contains("graphiql.min.js") && !html.contains("//"), "{html}");
    }
    for file in
        ["graphiql.min.js", "graphiql.min.css", "react.production.min.js", "react-dom.production.min.js", "start.js"]
    {
        let response = site.send(get(&format!("/assets/graphiql/{file}")).finish()).await;
        assert_eq!(response.status().as_u16(), 200, "{file}");
    }
    assert_eq!(site.send(get("/assets/graphiql/README.md").finish()).await.status().as_u16(), 404);
}

#[tokio::test]
async fn nothing_changes_by_get() {
    let site = Site::new().await;
    let mutation = "mutation%7BcreateRole(name:%22x%22)%7Bname%7D%7D";
    for path in ["/admin/graphql", "/graphql"] {
        let request = get(&format!("{path}?query={mutation}")).header(header::AUTHORIZATION, &site.token);
        let (status, answer) = site.json(request.finish()).await;
        assert_ne!(status, 500);
        assert!(answer["errors"][0]["message"].is_string() && answer["data"].is_null(), "{answer}");
    }
    let request = get("/admin/graphql?query=%7Broles%7Bname%7D%7D").header(header::AUTHORIZATION, &site.token);
    let (_, answer) = site.json(request.finish()).await;
    let roles = answer["data"]["roles"].as_array().unwrap();
    assert!(roles.len() >= 7 && roles.iter().all(|role| role["name"] != "x"), "{answer}");
}

#[tokio::test]
async fn bodies_that_a_foreign_page_could_send_are_refused() {
    let site = Site::new().await;
    for path in ["/graphql", "/admin/graphql", "/auth/sign-in", "/auth/refresh", "/auth/sign-out"] {
        for content_type in ["text/plain", "application/x-www-form-urlencoded"] {
            let request =
                post(path, content_type).header(header::AUTHORIZATION, &site.token).body(query("{ me { role } }"));
            assert_eq!(site.send(request).await.status().as_u16(), 415, "{path} {content_type}");
        }
    }
}

#[tokio::test]
async fn files_need_a_header_that_asks_the_browser_first() {
    let site = Site::new().await;
    let body = "--b\r\ncontent-disposition: form-data; name=\"operations\"\r\n\r\n{\"query\":\"{ catalogVersion }\"}\r\n\
                --b\r\ncontent-disposition: form-data; name=\"map\"\r\n\r\n{}\r\n--b--\r\n";
    let request =
        || post("/admin/graphql", "multipart/form-data; boundary=b").header(header::AUTHORIZATION, &site.token);
    assert_eq!(site.json(request().body(body)).await.0, 400);
    let (status, answer) = site.json(request().header("graphql-preflight", "1").body(body)).await;
    assert_eq!((status, &answer["data"]["catalogVersion"]), (200, &json!(1)), "{answer}");
}

#[tokio::test]
async fn administration_is_for_administrators() {
    let site = Site::new().await;
    let ask = |text: &str| post("/admin/graphql", JSON).header(header::ACCEPT, GRAPHQL).body(query(text));
    for text in
        ["{ catalogVersion }", "{ __schema { types { name } } }", "mutation { createRole(name: \"x\") { name } }"]
    {
        let (status, answer) = site.json(ask(text)).await;
        assert_eq!((status, &answer["errors"][0]["extensions"]["code"]), (401, &json!("UNAUTHENTICATED")), "{answer}");
    }
    let mut request = ask("{ __schema { queryType { name } mutationType { name } } }");
    request.headers_mut().insert(header::AUTHORIZATION, site.token.parse().unwrap());
    assert_eq!(site.json(request).await.1["data"]["__schema"]["mutationType"]["name"], "Mutation");
}

#[tokio::test]
async fn rights_change_with_the_next_request() {
    let site = Site::new().await;
    let admin = async |text: &str| {
        let request = post("/admin/graphql", JSON).header(header::AUTHORIZATION, &site.token).body(query(text));
        let (status, answer) = site.json(request).await;
        assert!(status == 200 && answer["errors"].is_null(), "{answer}");
        answer["data"].clone()
    };
    let count = async || site.json(post("/graphql", JSON).body(query("{ products { totalCount } }"))).await.1;
    assert!(count().await["data"].is_null());
    let set = "mutation { setAccess(role: \"anonymous\", module: \"Product\", read: true, fields: {name: READ}) { access { module read update fields } } }";
    let access = admin(&set.replace("READ}", "\"READ\"}")).await["setAccess"]["access"][0].clone();
    assert_eq!(access, json!({"module": "Product", "read": true, "update": false, "fields": {"name": "READ"}}));
    assert_eq!(count().await["data"]["products"]["totalCount"], 0);
    admin("mutation { setAccess(role: \"anonymous\", module: \"Product\", read: false) { name } }").await;
    assert!(count().await["data"].is_null());
}

#[tokio::test]
async fn every_fault_of_a_grant_is_told() {
    let site = Site::new().await;
    let text =
        "mutation { setAccess(role: \"marketing\", module: \"Product\", fields: {name: \"read\", code: 1}) { name } }";
    let request = post("/admin/graphql", JSON).header(header::AUTHORIZATION, &site.token).body(query(text));
    let answer = site.json(request).await.1;
    let extensions = &answer["errors"][0]["extensions"];
    assert_eq!(extensions["code"], "VALIDATION_FAILED");
    assert_eq!(extensions["issues"].as_array().map(Vec::len), Some(2), "{answer}");
}

#[tokio::test]
async fn every_answer_names_itself_and_is_guarded() {
    let site = Site::new().await;
    for path in [
        "/",
        "/health/live",
        "/health/ready",
        "/metrics",
        "/schema/module.schema.json",
        "/setup",
        "/nowhere",
        "/graphql",
    ] {
        let response = site.send(get(path).finish()).await;
        for header in ["x-request-id", "content-security-policy", "x-content-type-options", "referrer-policy"] {
            assert!(response.header(header).is_some(), "{path} has no {header}");
        }
        assert!(response.status().as_u16() < 500, "{path}");
    }
    let (status, answer) = site.json(get("/nowhere").finish()).await;
    assert_eq!((status, &answer["error"]["code"]), (404, &json!("NOT_FOUND")));
    let response = site.send(Request::builder().method(Method::DELETE).uri_str("/auth/refresh").finish()).await;
    assert_eq!((response.status().as_u16(), response.header("allow")), (405, Some("POST, OPTIONS")));
}

#[tokio::test]
async fn pages_of_listed_origins_alone_may_read() {
    let site = Site::new().await;
    for (origin, allowed) in [(ORIGIN, true), ("https://evil.example", false)] {
        let request = post("/graphql", JSON).header(header::ORIGIN, origin).body(query("{ me { role } }"));
        let response = site.send(request).await;
        assert_eq!(response.header("access-control-allow-origin").is_some(), allowed, "{origin}");
        let preflight = Request::builder()
            .method(Method::OPTIONS)
            .uri_str("/graphql")
            .header(header::ORIGIN, origin)
            .header(header::ACCESS_CONTROL_REQUEST_METHOD, "POST");
        assert_eq!(site.send(preflight.finish()).await.status().is_success(), allowed, "{origin}");
    }
}

#[tokio::test]
async fn the_time_zone_is_an_iana_name() {
    let site = Site::new().await;
    let ask = |zone: &str| {
        let text = query("{ me { timeZone } }");
        post("/graphql", JSON).header("time-zone", zone).body(text)
    };
    assert_eq!(site.json(ask("Europe/Rome")).await.1["data"]["me"]["timeZone"], "Europe/Rome");
    assert_eq!(site.json(ask("Rome'; --")).await.0, 400);
}

#[tokio::test]
async fn a_mutation_shows_what_the_one_before_it_made() {
    let site = Site::new().await;
    let text = "mutation { createRole(name: \"junior\", parent: \"sales-person\") { parent } \
                createUser(email: \"Bob@example.org\", role: \"junior\") { email role { name } } }";
    let request = post("/admin/graphql", JSON).header(header::AUTHORIZATION, &site.token).body(query(text));
    let answer = site.json(request).await.1;
    let made = json!({"email": "bob@example.org", "role": {"name": "junior"}});
    assert_eq!(answer["data"], json!({"createRole": {"parent": "sales-person"}, "createUser": made}), "{answer}");
}
