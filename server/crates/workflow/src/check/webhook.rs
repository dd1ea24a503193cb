//! Calls of addresses outside, checked as far as they are known.

use std::time::Duration;

use cardine_model::PathSegment;
use serde_json::Value as Json;

use super::{Checking, below};
use crate::definition::Webhook;
use crate::program::{Action, WebhookOut};
use crate::template::{Part, Template};

impl Checking<'_> {
    pub(super) fn webhook(&mut self, webhook: &Webhook, place: &[PathSegment]) -> Action {
        let url = self.template(&Json::String(webhook.url.clone()), &below(place, "url"));
        // What is put into it may be a part of the path or the query: whom it goes to is the author's word alone.
        let start = match &url {
            Template::Constant(Json::String(text)) => Some(text.as_str()),
            Template::Text(parts) => match parts.first() {
                Some(Part::Constant(text)) => Some(text.as_str()),
                _ => None,
            },
            _ => None,
        };
        let names_host = start.and_then(|text| text.split_once("://")).is_some_and(|(_, rest)| match &url {
            Template::Constant(_) => !rest.is_empty(),
            _ => rest.contains('/'),
        });
        if !names_host && !matches!(url, Template::Constant(Json::Null)) {
            let message = "the host stands in the address as it is; rules may fill its path and query";
            self.tell(below(place, "url"), "host", message);
        }
        let mut headers = Vec::new();
        for (name, value) in &webhook.headers {
            let place = below(&below(place, "headers"), name.as_str());
            headers.push((name.clone(), self.template(value, &place)));
        }
        let body = webhook.body.as_ref().map(|body| self.template(body, &below(place, "body")));
        let timeout = Duration::from_millis(webhook.timeout_ms);
        let (method, secret) = (webhook.method.clone(), webhook.secret.clone());
        Action::Webhook(Box::new(WebhookOut { url, method, headers, body, timeout, secret }))
    }
}
