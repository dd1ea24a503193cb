//! What the server answered, with assertions that print all of it when they fail.

use std::fmt;

use reqwest::RequestBuilder;
use reqwest::header::HeaderMap;
use serde_json::Value;

/// One HTTP answer; `body` is the parsed JSON, or the text as a JSON string where it is none.
#[derive(Debug, Clone)]
pub struct Answer {
    /// The HTTP status.
    pub status: u16,
    /// The HTTP headers.
    pub headers: HeaderMap,
    /// The parsed body.
    pub body: Value,
    /// The body as it came, for what JSON does not keep, such as the digits of a number.
    pub text: String,
}

impl Answer {
    /// Sends a request that [`Client::request`](crate::Client::request) made.
    ///
    /// # Panics
    /// If no whole answer comes.
    pub async fn of(request: RequestBuilder) -> Answer {
        let response = request.send().await.unwrap_or_else(|error| panic!("no answer from the server: {error:?}"));
        let status = response.status().as_u16();
        let headers = response.headers().clone();
        let text = response.text().await.unwrap_or_else(|error| panic!("the answer broke off: {error:?}"));
        let body = serde_json::from_str(&text).unwrap_or_else(|_| Value::String(text.clone()));
        Answer { status, headers, body, text }
    }

    /// The GraphQL data; null where there are none.
    #[must_use]
    pub fn data(&self) -> &Value {
        &self.body["data"]
    }

    /// The GraphQL errors.
    #[must_use]
    pub fn errors(&self) -> &[Value] {
        self.body["errors"].as_array().map_or(&[], Vec::as_slice)
    }

    /// The code of each GraphQL error, or of the one error outside GraphQL; empty text for one that has none.
    #[must_use]
    pub fn codes(&self) -> Vec<&str> {
        if let Some(error) = self.body.get("error") {
            return vec![error["code"].as_str().unwrap_or_default()];
        }
        self.errors().iter().map(|error| error["extensions"]["code"].as_str().unwrap_or_default()).collect()
    }

    /// Every issue of every error: `{path, rule, message}`.
    #[must_use]
    pub fn issues(&self) -> Vec<&Value> {
        let of_graphql = self.errors().iter().map(|error| &error["extensions"]["issues"]);
        let outside = std::iter::once(&self.body["error"]["issues"]);
        of_graphql.chain(outside).filter_map(Value::as_array).flatten().collect()
    }

    /// The data of an answer without any error.
    ///
    /// # Panics
    /// If there is an error or no data.
    #[track_caller]
    pub fn ok(&self) -> &Value {
        assert!(self.status == 200 && self.body.get("errors").is_none(), "expected data and no error, got {self}");
        assert!(self.data().is_object(), "expected data, got {self}");
        self.data()
    }

    /// The answer itself, if it has errors, all of them with that code, and no data.
    ///
    /// # Panics
    /// If anything succeeded or another code is there.
    #[track_caller]
    pub fn refused(&self, code: &str) -> &Answer {
        let codes = self.codes();
        let only_that = !codes.is_empty() && codes.iter().all(|found| *found == code);
        assert!(only_that && self.data().is_null(), "expected nothing but {code}, got {self}");
        self
    }

    /// The answer itself, if `text` stands nowhere in it, whatever the case of the letters.
    ///
    /// # Panics
    /// If it does: what is hidden was told.
    #[track_caller]
    pub fn never_says(&self, text: &str) -> &Answer {
        let said = self.text.to_lowercase().contains(&text.to_lowercase());
        assert!(!said, "the answer must not say {text:?}, but is {self}");
        self
    }
}

impl fmt::Display for Answer {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(out, "HTTP {} {:#}", self.status, self.body)
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn answer(status: u16, body: Value) -> Answer {
        Answer { status, headers: HeaderMap::new(), text: body.to_string(), body }
    }

    fn refusal() -> Answer {
        let extensions =
            json!({"code": "BAD_USER_INPUT", "issues": [{"path": ["data"], "rule": "type", "message": "m"}]});
        answer(400, json!({"errors": [{"message": "no such field", "extensions": extensions}]}))
    }

    #[test]
    fn data_without_errors_is_ok() {
        assert_eq!(answer(200, json!({"data": {"a": 1}})).ok()["a"], 1);
    }

    #[test]
    #[should_panic(expected = "expected data and no error")]
    fn data_beside_an_error_is_not_ok() {
        let _ = answer(200, json!({"data": {"a": null}, "errors": [{"message": "x"}]})).ok();
    }

    #[test]
    #[should_panic(expected = "expected data, got")]
    fn no_data_is_not_ok() {
        let _ = answer(200, json!({"data": null})).ok();
    }

    #[test]
    fn a_refusal_gives_its_code_and_issues() {
        let answer = refusal();
        assert_eq!(answer.refused("BAD_USER_INPUT").codes(), ["BAD_USER_INPUT"]);
        assert_eq!(answer.issues()[0]["rule"], "type");
        answer.never_says("salary");
    }

    #[test]
    fn an_error_outside_graphql_has_a_code_too() {
        assert_eq!(answer(401, json!({"error": {"code": "UNAUTHENTICATED"}})).codes(), ["UNAUTHENTICATED"]);
    }

    #[test]
    #[should_panic(expected = "expected nothing but FORBIDDEN")]
    fn another_code_is_not_the_expected_refusal() {
        refusal().refused("FORBIDDEN");
    }

    #[test]
    #[should_panic(expected = "expected nothing but BAD_USER_INPUT")]
    fn success_is_not_a_refusal() {
        answer(200, json!({"data": {"a": 1}})).refused("BAD_USER_INPUT");
    }

    #[test]
    #[should_panic(expected = "must not say")]
    fn a_hidden_name_in_the_text_is_found_in_any_case() {
        refusal().never_says("NO SUCH");
    }
}
