//! The records API for plugins: with the rights of the plugin's own role, or of whoever caused the call.

use std::sync::Arc;

use cardine_access::Actor;
use cardine_engine::RequestContext;
use cardine_graphql::{Kind, protocol};
use cardine_plugin_host::CallContext;
use cardine_plugin_host::port::{HostError, Operation, RunAs};
use chrono::Utc;
use serde_json::{Map, Value as Json};

use super::services::OfOperation;
use crate::http::today;

/// Operations of one call of the host.
const OPERATIONS_MAX: usize = 20;
/// Bytes of their answers together.
const ANSWER_BYTES_MAX: usize = 1 << 20;
/// How often an operation is begun whose modules are changed under it.
const ATTEMPTS_MAX: usize = 4;

/// Runs operations one after the other; one JSON answer for each.
pub(super) async fn execute(
    of: &OfOperation,
    call: &CallContext,
    run_as: RunAs,
    operations: Vec<Operation>,
) -> Result<Vec<String>, HostError> {
    if operations.len() > OPERATIONS_MAX {
        return Err(HostError::Limit(format!("a call of the host may hold {OPERATIONS_MAX} operations")));
    }
    of.count_operations(operations.len()).map_err(HostError::Limit)?;
    // Only one operation is one transaction.
    let may_write = operations.len() == 1;
    let mut answers = Vec::with_capacity(operations.len());
    let mut bytes = 0;
    for operation in operations {
        let answer = execute_one(of, call, run_as, operation, may_write).await?;
        bytes += answer.len();
        if bytes > ANSWER_BYTES_MAX {
            let message = format!("the answer has more than {ANSWER_BYTES_MAX} bytes: ask for smaller pages");
            return Err(HostError::Limit(message));
        }
        answers.push(answer);
    }
    Ok(answers)
}

async fn execute_one(
    of: &OfOperation,
    call: &CallContext,
    run_as: RunAs,
    operation: Operation,
    may_write: bool,
) -> Result<String, HostError> {
    let request = protocol::Request {
        query: operation.document,
        operation_name: operation.operation_name,
        variables: variables(&operation.variables)?,
        ..protocol::Request::default()
    };
    let server = &of.server;
    let mut attempt = 1;
    loop {
        let context = context(of, call, run_as)?;
        let answer = cardine_graphql::execute(&server.front, &server.engine, &context, &request, may_write).await;
        match answer.kind {
            Kind::Overtaken if attempt < ATTEMPTS_MAX && server.engine.reload().await.is_ok() => attempt += 1,
            Kind::MethodNotAllowed => {
                let message =
                    "several operations in one call can only read; what is to be written together is one operation";
                return Err(HostError::Denied(message.to_owned()));
            }
            _ => {
                let text = String::from_utf8(answer.body.to_vec());
                return text.map_err(|_| HostError::Unavailable("the answer is no text".to_owned()));
            }
        }
    }
}

fn variables(text: &str) -> Result<Map<String, Json>, HostError> {
    match serde_json::from_str(text) {
        Ok(Json::Object(variables)) => Ok(variables),
        Ok(Json::Null) => Ok(Map::new()),
        _ => Err(HostError::Denied("the variables of an operation are a JSON object".to_owned())),
    }
}

fn context(of: &OfOperation, call: &CallContext, run_as: RunAs) -> Result<RequestContext, HostError> {
    let denied = |message: &str| HostError::Denied(message.to_owned());
    let (server, now) = (&of.server, Utc::now());
    let snapshot = server.engine.snapshot();
    let user = call.user.as_deref().and_then(|user| user.parse().ok());
    let actor = match run_as {
        RunAs::Plugin if of.granted().records.is_empty() => {
            return Err(denied("the plugin was granted no module: `api.plugin`"));
        }
        RunAs::Plugin => Actor {
            user: None,
            role: format!("plugin {}", of.name()),
            rights: server.rights(&of.plugin, &snapshot.catalog),
            visible_owners: Arc::default(),
            shared_owners: Arc::default(),
            principals: Arc::default(),
            time_zone: call.time_zone.clone(),
            languages: call.locale.clone(),
        },
        RunAs::Caller if call.is_detached => {
            return Err(denied("whoever caused this call is gone: it has the plugin's own rights alone"));
        }
        RunAs::Caller if !of.granted().as_caller => {
            return Err(denied("the plugin was not granted `api.asCaller`"));
        }
        RunAs::Caller => {
            let (time_zone, locale) = (Some(call.time_zone.as_str()), Some(call.locale.as_str()));
            let actor = user.and_then(|user| snapshot.access.actor(&snapshot.catalog, user, time_zone, locale));
            actor.ok_or_else(|| denied("no user caused this call"))?
        }
    };
    let today = today(&actor.time_zone, now);
    let mut context = server.engine.request(snapshot, actor, now, today);
    context.via = "plugin";
    context.depth = u32::from(call.depth) + 1;
    context.on_behalf_of = user.filter(|_| run_as == RunAs::Plugin);
    if let Ok(id) = call.request_id.parse() {
        context.request_id = id;
    }
    Ok(context)
}
