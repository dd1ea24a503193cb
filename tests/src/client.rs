//! One caller of the API: nobody, or a user who is signed in.

use std::sync::{Arc, Mutex};

use reqwest::{Method, RequestBuilder};
use serde_json::{Value, json};

use crate::Answer;

/// What makes a GraphQL server answer with the HTTP status of the GraphQL-over-HTTP specification.
const GRAPHQL_RESPONSE: &str = "application/graphql-response+json";

/// Sends requests to one server, with one user's token or none.
#[derive(Debug, Clone)]
pub struct Client {
    http: reqwest::Client,
    address: Arc<Mutex<String>>,
    token: Option<String>,
}

impl Client {
    pub(crate) fn anonymous(address: Arc<Mutex<String>>) -> Client {
        Client { http: reqwest::Client::new(), address, token: None }
    }

    /// Sends a GraphQL operation to `/graphql`.
    pub async fn query(&self, text: &str) -> Answer {
        self.query_with(text, json!({})).await
    }

    /// Sends a GraphQL operation with variables to `/graphql`.
    pub async fn query_with(&self, text: &str, variables: Value) -> Answer {
        self.graphql("/graphql", text, variables).await
    }

    /// Sends a GraphQL operation to `/admin/graphql`.
    pub async fn admin_query(&self, text: &str) -> Answer {
        self.admin_query_with(text, json!({})).await
    }

    /// Sends a GraphQL operation with variables to `/admin/graphql`.
    pub async fn admin_query_with(&self, text: &str, variables: Value) -> Answer {
        self.graphql("/admin/graphql", text, variables).await
    }

    /// Sends `body` as it stands, for input that is no JSON or no GraphQL request.
    pub async fn post_raw(&self, path: &str, content_type: &str, body: impl Into<reqwest::Body>) -> Answer {
        let request = self.request(Method::POST, path).header("content-type", content_type).body(body);
        Answer::of(request).await
    }

    /// Sends JSON to any path.
    pub async fn post(&self, path: &str, body: &Value) -> Answer {
        Answer::of(self.request(Method::POST, path).json(body)).await
    }

    /// Gets any path.
    pub async fn get(&self, path: &str) -> Answer {
        Answer::of(self.request(Method::GET, path)).await
    }

    /// A request with this caller's token, for what the other methods do not offer.
    ///
    /// # Panics
    /// Never, unless another thread panicked while reading the address.
    pub fn request(&self, method: Method, path: &str) -> RequestBuilder {
        let request = self.http.request(method, format!("{}{path}", self.address()));
        match &self.token {
            Some(token) => request.bearer_auth(token),
            None => request,
        }
    }

    pub(crate) fn address(&self) -> String {
        self.address.lock().expect("nobody panics while holding it").clone()
    }

    /// The same caller with another token, which need not be valid.
    #[must_use]
    pub fn with_token(&self, token: &str) -> Client {
        Client { token: Some(token.to_owned()), ..self.clone() }
    }

    /// The access token, of a caller who is signed in.
    #[must_use]
    pub fn token(&self) -> Option<&str> {
        self.token.as_deref()
    }

    /// The user with that password.
    ///
    /// # Errors
    /// The answer that refused it.
    pub async fn sign_in(&self, email: &str, password: &str) -> Result<Client, Answer> {
        let answer = self.post("/auth/sign-in", &json!({"email": email, "password": password})).await;
        match answer.body["accessToken"].as_str() {
            Some(token) if answer.status == 200 => Ok(self.with_token(token)),
            _ => Err(answer),
        }
    }

    pub(crate) async fn is_ready(&self) -> bool {
        let answer = self.request(Method::GET, "/health/ready").send().await;
        answer.is_ok_and(|answer| answer.status() == 200)
    }

    async fn graphql(&self, path: &str, text: &str, variables: Value) -> Answer {
        let request = self.request(Method::POST, path).header("accept", GRAPHQL_RESPONSE);
        Answer::of(request.json(&json!({"query": text, "variables": variables}))).await
    }
}
