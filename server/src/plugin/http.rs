//! Requests of plugins to hosts outside: to those that were granted, with secrets that the plugin does not see.

use std::sync::Arc;
use std::time::Duration;

use cardine_egress::{EgressError, HostPattern, Hosts, Request as Outgoing};
use cardine_engine::{Engine, EngineError};
use cardine_plugin_host::port::{HostError, HttpError, Request, Response};
use cardine_store::ReadTx;
use cardine_store::platform::plugins::secret_key;
use cardine_store::platform::settings::fetch_setting;
use futures_util::StreamExt as _;

use super::services::OfOperation;

/// Requests of one call under way at the same time.
const CONCURRENT_MAX: usize = 8;
const TIMEOUT_MS_MAX: u32 = 10_000;

/// Sends requests; one answer for each, in their order.
pub(super) async fn send(of: &OfOperation, requests: Vec<Request>) -> Vec<Result<Response, HttpError>> {
    let Some(hosts) = &of.granted().hosts else {
        let message = "the plugin was granted no host: `http.hosts`";
        return requests.iter().map(|_| Err(HttpError::Denied(message.to_owned()))).collect();
    };
    if let Err(message) = of.count_requests(requests.len()) {
        return requests.iter().map(|_| Err(HttpError::Limit(message.clone()))).collect();
    }
    let sent = requests.into_iter().map(|request| send_one(of, hosts, request));
    futures_util::stream::iter(sent).buffered(CONCURRENT_MAX).collect().await
}

async fn send_one(of: &OfOperation, hosts: &Hosts, request: Request) -> Result<Response, HttpError> {
    let mut outgoing = Outgoing::new(&request.method, &request.url);
    outgoing.body = request.body.unwrap_or_default();
    outgoing.timeout = Duration::from_millis(request.timeout_ms.unwrap_or(TIMEOUT_MS_MAX).min(TIMEOUT_MS_MAX).into());
    // Looked at before a secret is: an answer must not tell whether there is one.
    of.server.egress.check(hosts, &request.url).map_err(refusal)?;
    for (name, value) in request.headers {
        let value = fill(of, &request.url, value).await?;
        outgoing.headers.push((name, value));
    }
    let answer = of.server.egress.send(hosts, outgoing).await.map_err(refusal)?;
    Ok(Response { status: answer.status, headers: answer.headers, body: answer.body })
}

fn refusal(error: EgressError) -> HttpError {
    match error {
        EgressError::Invalid(message) | EgressError::Denied(message) => HttpError::Denied(message),
        EgressError::Timeout(_) => HttpError::Timeout,
        EgressError::TooLarge(_) => HttpError::TooLarge,
        EgressError::Connect(message) => HttpError::Connect(message),
        EgressError::Tls(message) => HttpError::Tls(message),
    }
}

/// Puts secrets in the place of `{{secret:NAME}}`, for the hosts that the secret may be sent to.
async fn fill(of: &OfOperation, url: &str, value: String) -> Result<String, HttpError> {
    const BEGIN: &str = "{{secret:";
    let mut filled = String::new();
    let mut rest = value.as_str();
    while let Some((before, name)) = rest.split_once(BEGIN) {
        let Some((name, behind)) = name.split_once("}}") else { break };
        let hosts = declared(of, name).map_err(|()| HttpError::Denied(no_secret(name)))?;
        if let Some(hosts) = hosts {
            let sent = of.server.egress.check(&hosts, url);
            sent.map_err(|_| HttpError::Denied(format!("the secret `{name}` may not be sent to this host")))?;
        }
        let secret = stored(of, name).await.map_err(HttpError::Connect)?;
        filled.push_str(before);
        filled.push_str(&secret.ok_or_else(|| HttpError::Denied(not_stored(name)))?);
        rest = behind;
    }
    filled.push_str(rest);
    Ok(filled)
}

/// What stands for a secret in a header.
pub(super) fn secret_handle(of: &OfOperation, name: &str) -> Result<String, HostError> {
    declared(of, name).map_err(|()| HostError::Denied(no_secret(name)))?;
    Ok(format!("{{{{secret:{name}}}}}"))
}

/// The value of a secret that the plugin may see.
pub(super) async fn reveal_secret(of: &OfOperation, name: String) -> Result<String, HostError> {
    if !of.granted().revealed.contains(&name) {
        return Err(HostError::Denied(format!("the plugin was not granted to see `{name}`: `secrets.reveal`")));
    }
    let secret = stored(of, &name).await.map_err(HostError::Unavailable)?;
    secret.ok_or_else(|| HostError::Denied(not_stored(&name)))
}

/// The hosts that a secret of the manifest may be sent to; none: all that the plugin may call.
fn declared(of: &OfOperation, name: &str) -> Result<Option<Hosts>, ()> {
    let secret = of.plugin.plugin.manifest().secrets().iter().find(|secret| secret.name == name).ok_or(())?;
    let patterns = |hosts: &Vec<String>| hosts.iter().filter_map(|host| host.parse::<HostPattern>().ok()).collect();
    Ok(secret.hosts.as_ref().map(|hosts| Hosts::Named(patterns(hosts))))
}

async fn stored(of: &OfOperation, name: &str) -> Result<Option<String>, String> {
    let secret = stored_secret(&of.server.engine, of.name(), name).await;
    secret.map_err(|_| "the secrets cannot be reached at the moment".to_owned())
}

/// What an administrator has stored for a plugin under a secret's name.
pub async fn stored_secret(engine: &Engine, plugin: &str, name: &str) -> Result<Option<String>, EngineError> {
    let key: Arc<str> = secret_key(plugin, name).into();
    let read = engine.store().read(move |tx: &mut ReadTx| {
        let key = Arc::clone(&key);
        Box::pin(async move { Ok::<_, EngineError>(fetch_setting(tx, &key).await?) })
    });
    read.await
}

fn no_secret(name: &str) -> String {
    format!("the plugin's manifest names no secret `{name}`")
}

fn not_stored(name: &str) -> String {
    format!("no administrator has stored the secret `{name}`")
}
