//! Checks whose absence no twins can show: what is changed and not told, what a key's scopes leave, and files. Each has an attack that
//! fails, and succeeds on a server without the check.

use std::sync::Arc;

use cardine_tests::{Backend, Client, Download, Launch, Server};
use futures_util::future::BoxFuture;
use reqwest::Method;
use serde_json::{Value as Json, json};

use super::at_once;
use super::base::{PASSWORD, change, started};

/// An attack on one check.
pub struct Attack {
    pub check: &'static str,
    /// Checks that do the same, and are switched off as well.
    pub with: &'static [&'static str],
    /// Whether it succeeds.
    succeeds: fn(Target) -> BoxFuture<'static, bool>,
}

macro_rules! attack {
    ($check:literal, [$($with:literal),*], $succeeds:path) => {
        Attack { check: $check, with: &[$($with),*], succeeds: |target| Box::pin($succeeds(target)) }
    };
}

pub static ATTACKS: [Attack; 15] = [
    attack!("module.create", [], creates),
    attack!("schema.create", ["write.create"], creates),
    attack!("write.create", ["schema.create"], creates),
    attack!("write.links", ["schema.input"], links),
    attack!("scope.module", [], reads_beyond_the_scope),
    attack!("scope.write", [], writes_beyond_the_scope),
    attack!("scope.admin", [], administers_beyond_the_scope),
    attack!("history.sensitive", [], reads_what_is_sensitive),
    attack!("schema.history", ["gate.history"], learns_who_changed_it),
    attack!("gate.history", ["schema.history"], learns_who_changed_it),
    attack!("file.own", [], takes_an_upload_of_another),
    attack!("file.record", [], takes_a_file_of_a_hidden_record),
    attack!("file.field", ["gate.group", "gate.filter"], takes_a_file_of_a_hidden_field),
    attack!("file.link", [], opens_an_address_of_another),
    attack!("file.until", [], opens_an_old_address),
];

/// What there is to attack: a clerk who sees their own papers and all goods, and a reader who changes nothing.
#[derive(Clone)]
struct Prepared {
    seen: String,
    good: String,
    upload: String,
    of_unseen: String,
    of_hidden_field: String,
}

/// A server without some checks, and what was prepared before.
struct Target {
    server: Server,
    prepared: Prepared,
}

/// Makes each attack on a server with all checks but those that do the same, and on one without the check too; tells what is wrong.
pub async fn faults(backend: Backend) -> Vec<String> {
    let launch = Launch::new(backend).variable("CARDINE_TEST_FAILPOINTS", "");
    let mut server = launch.start().await;
    let prepared = prepare(&server).await;
    assert!(server.stop().success());
    let server = Arc::new(server);
    let made = at_once(ATTACKS.iter().map(|attack: &'static Attack| {
        let (server, prepared) = (Arc::clone(&server), prepared.clone());
        async move {
            let without = [&[attack.check], attack.with].concat();
            let before = attack.without(attack.with, &server, &prepared).await;
            let after = attack.without(&without, &server, &prepared).await;
            match (before, after) {
                (false, true) => None,
                (true, _) => Some(format!("the attack on {} succeeds", attack.check)),
                (_, false) => Some(format!("the attack on {} fails without it", attack.check)),
            }
        }
    }));
    made.await.into_iter().flatten().collect()
}

impl Attack {
    /// Whether it succeeds on a server without these checks.
    async fn without(&self, off: &[&str], server: &Arc<Server>, prepared: &Prepared) -> bool {
        let (server, points) = (Arc::clone(server), off.iter().map(|name| format!("{name}=off;")).collect::<String>());
        let server = started(move || {
            let mut server = server.copy();
            server.set_variable("CARDINE_TEST_FAILPOINTS", &points);
            server
        });
        (self.succeeds)(Target { server: server.await, prepared: prepared.clone() }).await
    }
}

async fn prepare(server: &Server) -> Prepared {
    let admin = server.admin().await;
    let good = json!({"name": "Good", "plural": "Goods", "sharing": "PUBLIC_READ_WRITE", "fields": [{"name": "title", "type": "text"}]});
    admin.create_module(good).await.ok();
    let paper = json!({"name": "Paper", "plural": "Papers", "fields": [
        {"name": "title", "type": "text"},
        {"name": "pin", "type": "text", "sensitive": true},
        {"name": "scan", "type": "file"},
        {"name": "photo", "type": "file"},
        {"name": "goods", "type": "references", "to": "Good", "inverse": "papers"},
    ]});
    admin.create_module(paper).await.ok();
    let fields = json!({"*": "READ", "title": "WRITE", "scan": "WRITE", "photo": "NONE", "updatedBy": "NONE"});
    for (role, rights) in [
        ("clerk", json!({"create": true, "read": true, "update": true, "fields": fields})),
        ("reader", json!({"read": true, "fields": fields})),
    ] {
        admin.create_role(role, None).await;
        admin.set_access(role, "Paper", rights).await;
        admin.set_access(role, "Good", json!({"read": true, "update": true, "fields": {"*": "WRITE"}})).await;
        admin.create_user(&format!("{role}@example.org"), PASSWORD, role).await;
    }
    let clerk = sign_in(server, "clerk").await;
    let seen = clerk.create("Paper", json!({"title": "seen"})).await;
    let good = admin.create("Good", json!({"title": "good"})).await;
    let [upload, scan, photo] = [admin.upload("a", *b"a"), admin.upload("b", *b"b"), admin.upload("c", *b"c")];
    let (upload, of_unseen, of_hidden_field) = (upload.await, scan.await, photo.await);
    admin.create("Paper", json!({"title": "unseen", "scanId": of_unseen})).await;
    change(&admin, "Paper", &seen, json!({"pin": "1234", "photoId": of_hidden_field}), None).await;
    let own = clerk.upload("d", *b"d").await;
    change(&clerk, "Paper", &seen, json!({"scanId": own}), None).await;
    Prepared { seen, good, upload, of_unseen, of_hidden_field }
}

async fn sign_in(server: &Server, role: &str) -> Client {
    server.sign_in(&format!("{role}@example.org"), PASSWORD).await
}

/// Whether it gave this and no error.
async fn gives(caller: &Client, text: &str, variables: Json, wanted: impl Fn(&Json) -> bool) -> bool {
    let answer = caller.query_with(text, variables).await;
    answer.errors().is_empty() && answer.status == 200 && wanted(answer.data())
}

async fn creates(Target { server, .. }: Target) -> bool {
    let reader = sign_in(&server, "reader").await;
    let text = "mutation { createPaper(data: {title: \"made\"}) { title } }";
    gives(&reader, text, json!({}), |data| data["createPaper"]["title"] == "made").await
}

async fn links(Target { server, prepared }: Target) -> bool {
    let clerk = sign_in(&server, "clerk").await;
    let text = "mutation($id: ID!, $good: ID!) { updatePaper(id: $id, data: {goods: {connect: [$good]}}) { goods { totalCount } } }";
    let variables = json!({"id": prepared.seen, "good": prepared.good});
    gives(&clerk, text, variables, |data| data["updatePaper"]["goods"]["totalCount"] == 1).await
}

async fn reads_beyond_the_scope(Target { server, prepared }: Target) -> bool {
    let key = sign_in(&server, "clerk").await.with_api_key(Some(&["Good:read"])).await;
    let text = "query($id: ID!) { paper(id: $id) { title } }";
    gives(&key, text, json!({"id": prepared.seen}), |data| data["paper"]["title"] == "seen").await
}

async fn writes_beyond_the_scope(Target { server, prepared }: Target) -> bool {
    let key = sign_in(&server, "clerk").await.with_api_key(Some(&["records:read"])).await;
    let text = "mutation($id: ID!) { updatePaper(id: $id, data: {title: \"changed\"}) { title } }";
    gives(&key, text, json!({"id": prepared.seen}), |data| data["updatePaper"]["title"] == "changed").await
}

async fn administers_beyond_the_scope(Target { server, .. }: Target) -> bool {
    let key = server.admin().await.with_api_key(Some(&["records:write"])).await;
    let answer = key.admin_query("{ users { email } }").await;
    answer.errors().is_empty() && answer.data()["users"].is_array()
}

async fn reads_what_is_sensitive(Target { server, prepared }: Target) -> bool {
    let clerk = sign_in(&server, "clerk").await;
    let text = "query($id: ID!) { paper(id: $id) { history { nodes { changes { field new } } } } }";
    let is_told = |data: &Json| data.to_string().contains("1234");
    gives(&clerk, text, json!({"id": prepared.seen}), is_told).await
}

async fn learns_who_changed_it(Target { server, prepared }: Target) -> bool {
    let clerk = sign_in(&server, "clerk").await;
    let text = "query($id: ID!) { paper(id: $id) { history { nodes { actor { id } } } } }";
    let is_told = |data: &Json| !data["paper"]["history"]["nodes"][0]["actor"]["id"].is_null();
    gives(&clerk, text, json!({"id": prepared.seen}), is_told).await
}

async fn downloads(server: &Server, file: &str, content: &[u8]) -> bool {
    let found = sign_in(server, "clerk").await.download(file).await;
    found.status == 200 && found.content == content
}

async fn takes_an_upload_of_another(Target { server, prepared }: Target) -> bool {
    downloads(&server, &prepared.upload, b"a").await
}

async fn takes_a_file_of_a_hidden_record(Target { server, prepared }: Target) -> bool {
    downloads(&server, &prepared.of_unseen, b"b").await
}

async fn takes_a_file_of_a_hidden_field(Target { server, prepared }: Target) -> bool {
    downloads(&server, &prepared.of_hidden_field, b"c").await
}

/// The address of the scan of a paper, as made for the caller at a moment.
async fn address(caller: &Client, paper: &str, moment: Option<&str>) -> String {
    let mut request = caller.request(Method::POST, "/graphql");
    if let Some(moment) = moment {
        request = request.header("cardine-test-moment", moment);
    }
    let text = "query($id: ID!) { paper(id: $id) { scan { url } } }";
    let body = json!({"query": text, "variables": {"id": paper}});
    let answer = cardine_tests::Answer::of(request.json(&body)).await;
    let url = answer.ok()["paper"]["scan"]["url"].as_str().expect("an address").to_owned();
    let (_, rest) = url.split_once("://").expect("it is absolute");
    rest[rest.find('/').expect("it has a path")..].to_owned()
}

async fn opens_an_address_of_another(Target { server, prepared }: Target) -> bool {
    let (admin, clerk) = (server.admin().await, sign_in(&server, "clerk").await);
    let own = address(&clerk, &prepared.seen, None).await;
    // As if it had been made for somebody who may read more, and for another file.
    let [clerk_id, admin_id] = [clerk.own_id().await, admin.own_id().await].map(|id| id.replace('-', ""));
    let forged = own.replace(&clerk_id, &admin_id);
    assert_ne!(own, forged, "an address names its user");
    let query = forged.split_once('?').expect("it has parameters").1;
    let path = format!("/files/{}?{query}", prepared.of_unseen);
    Download::of(server.anonymous().request(Method::GET, &path)).await.status == 200
}

async fn opens_an_old_address(Target { server, prepared }: Target) -> bool {
    let clerk = sign_in(&server, "clerk").await;
    let path = address(&clerk, &prepared.seen, Some("2026-01-31T10:00:00Z")).await;
    Download::of(server.anonymous().request(Method::GET, &path)).await.status == 200
}
