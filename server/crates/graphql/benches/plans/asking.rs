//! A server's engine and front in this process, and how they are asked.

use bytes::Bytes;
use cardine_access::Actor;
use cardine_engine::Engine;
use cardine_graphql::cursor::CursorKey;
use cardine_graphql::limits::Limits;
use cardine_graphql::{Front, Kind, Request, execute};
use cardine_store::{DatabaseUrl, Options, Store};
use chrono::Utc;
use serde_json::{Value as Json, json};

/// Who asks, on an own database.
pub struct Asker {
    pub engine: Engine,
    actor: Actor,
}

impl Asker {
    /// Who may do all, on an empty database with the built-in modules.
    pub async fn new(url: &DatabaseUrl) -> Self {
        let store = Store::open(url, &Options::default()).await.unwrap();
        store.migrate().await.unwrap();
        let engine = Engine::open(store).await.unwrap();
        let snapshot = engine.snapshot();
        let actor = snapshot.access.system(&snapshot.catalog);
        Self { engine, actor }
    }

    /// Makes so many organizations; gives the last one's id.
    pub async fn fill(&self, records: usize) -> Json {
        let front = new_front();
        let mut id = Json::Null;
        for number in 0..records {
            let create = "mutation($data: OrganizationCreate!) { createOrganization(data: $data) { id } }";
            let data = json!({"name": format!("Company {number:03}"), "employees": number + 1, "website": "https://example.org"});
            let body = self.ask(&front, &request(create, &json!({"data": data}))).await;
            let answer: Json = serde_json::from_slice(&body).unwrap();
            id = answer["data"]["createOrganization"]["id"].clone();
            assert!(id.is_string(), "{answer}");
        }
        id
    }

    /// The bytes of the answer.
    pub async fn ask(&self, front: &Front, request: &Request) -> Bytes {
        let now = Utc::now();
        let context = self.engine.request(self.engine.snapshot(), self.actor.clone(), now, now.date_naive());
        let answer = execute(front, &self.engine, &context, request, true).await;
        assert_eq!(answer.kind, Kind::Executed);
        answer.body
    }
}

/// With nothing compiled yet.
pub fn new_front() -> Front {
    Front::new(Limits::default(), CursorKey::new(&[7; 32]))
}

/// As it comes out of a body.
pub fn request(text: &str, variables: &Json) -> Request {
    let variables = variables.as_object().cloned().unwrap_or_default();
    Request { query: text.to_owned(), variables, ..Request::default() }
}
