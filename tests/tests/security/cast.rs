//! Who attacks what: a manager above two salespeople who do not see each other's records, some fields that these may not read,
//! and somebody without a token.

use cardine_tests::{Answer, Client, Server};
use serde_json::{Value, json};

/// Fields of a person, and what is made of them, that salespeople may not read.
pub const HIDDEN: [&str; 5] = ["salary", "yearly", "badge", "vault", "memo"];

pub struct Cast {
    pub server: Server,
    pub admin: Client,
    pub manager: Client,
    pub rep: Client,
    /// A peer of `rep`.
    pub other: Client,
    pub guest: Client,
}

impl Cast {
    pub async fn new(server: Server) -> Self {
        let admin = server.admin().await;
        let company = json!({"name": "Company", "plural": "Companies", "search": ["name"], "fields": [
            {"name": "name", "type": "text", "required": true},
            {"name": "rating", "type": "integer"},
            {"name": "budget", "type": "money"}]});
        admin.create_module(company).await.ok();
        let person = json!({"name": "Person", "plural": "People", "search": ["name", "memo"], "nameField": "name", "fields": [
            {"name": "name", "type": "text", "required": true},
            {"name": "stage", "type": "choice", "options": [{"value": "NEW"}, {"value": "OLD"}]},
            {"name": "grade", "type": "integer"},
            {"name": "prefs", "type": "json"},
            {"name": "salary", "type": "money"},
            {"name": "yearly", "type": "formula", "rule": "salary * 12", "returns": "money"},
            {"name": "badge", "type": "text", "unique": true},
            {"name": "vault", "type": "json"},
            {"name": "memo", "type": "longText"},
            {"name": "company", "type": "reference", "to": "Company", "inverse": "staff"},
            {"name": "topic", "type": "reference", "to": ["Company", "Person"], "inverse": "mentions"}],
            "duplicates": [{"fields": ["name"]}]});
        admin.create_module(person).await.ok();
        admin.create_role("manager", None).await;
        admin.create_role("rep", Some("manager")).await;
        let rights =
            |fields: Value| json!({"create": true, "read": true, "update": true, "delete": true, "fields": fields});
        admin.set_access("manager", "Person", rights(json!({"*": "WRITE"}))).await;
        admin.set_access("manager", "Company", rights(json!({"*": "WRITE"}))).await;
        let mut fields = json!({"*": "WRITE", "grade": "READ"});
        for name in HIDDEN {
            fields[name] = json!("NONE");
        }
        admin.set_access("rep", "Person", rights(fields)).await;
        admin.set_access("rep", "Company", rights(json!({"*": "WRITE", "budget": "NONE"}))).await;
        Self {
            manager: server.create_user_with_role("manager").await,
            rep: server.create_user_with_role("rep").await,
            other: server.create_user_with_role("rep").await,
            guest: server.anonymous(),
            admin,
            server,
        }
    }

    /// A mutation of `/admin/graphql` that must succeed.
    pub async fn administer(&self, text: &str, variables: Value) -> Value {
        self.admin.admin_query_with(text, variables).await.ok().clone()
    }

    /// Sets values that the caller of [`Client::create`] may not.
    pub async fn set(&self, person: &str, data: Value) {
        let text = "mutation($id: ID!, $data: PersonUpdate!) { updatePerson(id: $id, data: $data) { id } }";
        self.admin.query_with(text, json!({"id": person, "data": data})).await.ok();
    }
}

/// The user's id.
pub async fn id_of(caller: &Client) -> String {
    let me = caller.query("{ me { user { id } } }").await;
    me.ok()["me"]["user"]["id"].as_str().expect("a user").to_owned()
}

/// The names of the people that somebody sees, in order.
pub async fn people(caller: &Client) -> Vec<String> {
    let answer = caller.query("{ people(orderBy: [{name: ASC}], first: 1000) { nodes { name } } }").await;
    let nodes = answer.ok()["people"]["nodes"].as_array().expect("nodes").clone();
    nodes.iter().map(|node| node["name"].as_str().expect("a name").to_owned()).collect()
}

/// The answer is the one that a name that was never there gets, to the byte.
pub async fn same_as_unknown(caller: &Client, text: &str, name: &str) -> Answer {
    let unknown = "z".repeat(name.len());
    let twin = caller.query(&text.replace(name, &unknown)).await;
    let answer = caller.query(text).await;
    answer.refused("BAD_USER_INPUT");
    assert_eq!((answer.status, &answer.text), (twin.status, &twin.text.replace(&unknown, name)), "{text}");
    answer
}

/// An answer has nothing of the server's inside, and is no fault of the server's.
pub fn tells_no_insides(answer: &Answer) {
    assert!(answer.status < 500 && !answer.codes().contains(&"INTERNAL"), "{answer}");
    for inside in [
        "sqlite",
        "postgres",
        "constraint",
        "syntax error at",
        "panicked",
        ".rs:",
        "_ux_",
        "_ix_",
        "argon2",
        "no such column",
    ] {
        answer.never_says(inside);
    }
}

/// A path with parameters, each escaped.
pub fn address(path: &str, parameters: &[(&str, &str)]) -> String {
    let escaped = |text: &str| -> String {
        let byte =
            |byte: u8| if byte.is_ascii_alphanumeric() { char::from(byte).to_string() } else { format!("%{byte:02X}") };
        text.bytes().map(byte).collect()
    };
    let parameters: Vec<String> = parameters.iter().map(|(name, value)| format!("{name}={}", escaped(value))).collect();
    format!("{path}?{}", parameters.join("&"))
}
