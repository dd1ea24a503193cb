//! The front's one door: a request in, bytes out; between them one read or one write of the engine.

use std::sync::Arc;

use cardine_engine::{Cell, Engine, EngineError, FailedStep, Group, ListResult, MutationStep, RequestContext};

use crate::answer::{Rows, write_data};
use crate::compile::{Located, Mutation, Operation, Setting, Viewer, Write};
use crate::cursor::CursorKey;
use crate::error::{Code, Error};
use crate::limits::Limits;
use crate::prepare::Prepared;
use crate::protocol::Request;
use crate::response::{Kind, Response};
use crate::schema::Schema;

/// What all requests of a process share.
#[derive(Debug, Clone)]
pub struct Front {
    /// Bounds.
    pub limits: Limits,
    /// Authenticates cursors; the same on all servers of one database.
    pub cursors: CursorKey,
}

/// Executes a request. `allow_mutation` is false where the transport promises to change nothing (GET).
pub async fn execute(
    front: &Front,
    engine: &Engine,
    ctx: &RequestContext,
    request: Request,
    allow_mutation: bool,
) -> Response {
    let ctx = &ctx.within(front.limits.execution);
    let setting = Setting {
        schema: Schema { catalog: ctx.catalog(), rights: &ctx.actor.rights },
        limits: &front.limits,
        cursors: &front.cursors,
        viewer: Viewer {
            user: ctx.actor.user,
            role: &ctx.actor.role,
            locale: &ctx.actor.locale,
            time_zone: &ctx.actor.time_zone,
        },
    };
    let prepared = match Prepared::new(setting, &request) {
        Ok(prepared) => prepared,
        Err(errors) => return Response::refused(&errors),
    };
    if prepared.is_mutation() && !allow_mutation {
        let error = Error::input("A mutation must be sent by POST.");
        return Response { kind: Kind::MethodNotAllowed, ..Response::refused(&[error]) };
    }
    let located = match prepared.node_ids(setting) {
        Ok(ids) if ids.is_empty() => Located::default(),
        Ok(ids) => match engine.locate(ctx, ids).await {
            Ok(located) => located,
            Err(error) => return Response::failed(&[error_of(error)]),
        },
        Err(errors) => return Response::refused(&errors),
    };
    match prepared.compile(setting, &located) {
        Ok(operation) => run(front, engine, ctx, operation).await,
        Err(errors) => Response::refused(&errors),
    }
}

async fn run(front: &Front, engine: &Engine, ctx: &RequestContext, operation: Operation) -> Response {
    let Operation { lists, values, mutations, shape, .. } = operation;
    let mut written = Vec::new();
    if !mutations.is_empty() {
        let places: Vec<_> = mutations.iter().map(|mutation| (mutation.path.clone(), mutation.position)).collect();
        match engine.mutate(ctx, mutations.into_iter().map(step_of).collect()).await {
            Ok(results) => written.extend(results.into_iter().map(|result| result.list)),
            Err(FailedStep { position, error }) => {
                let error = error_of(error);
                let error = match places.into_iter().nth(position) {
                    Some((path, place)) => error.under(path).at(place),
                    None => error,
                };
                return Response::failed(&[error]);
            }
        }
    }
    let mut results = Vec::new();
    if !lists.is_empty() {
        match engine.read(ctx, lists, Arc::from(values)).await {
            Ok(read) => results = read,
            Err(error) => return Response::failed(&[error_of(error)]),
        }
    }
    let mut body = Vec::with_capacity(4096);
    body.extend_from_slice(b"{\"data\":");
    match write_data(&shape, &results, &written, &front.cursors, &mut body) {
        Ok(()) => {
            body.push(b'}');
            Response::data(body)
        }
        Err(error) => Response::failed(&[error]),
    }
}

fn step_of(mutation: Mutation) -> MutationStep {
    let write = match mutation.write {
        Write::Create { module, data } => cardine_engine::Write::Create { module, data },
        Write::Update { module, id, data, if_version } => {
            cardine_engine::Write::Update { module, id, data, if_version }
        }
        Write::Delete { module, id, if_version } => cardine_engine::Write::Delete { module, id, if_version },
    };
    MutationStep { write, then: mutation.then, values: mutation.values }
}

impl Rows for ListResult {
    fn cell(&self, row: usize, output: usize) -> Cell<'_> {
        self.cell(row, output)
    }

    fn root(&self) -> Group {
        self.root()
    }

    fn of_parent(&self, parent: &str) -> Group {
        self.of_parent(parent)
    }

    fn child(&self, position: usize) -> &Self {
        &self.children[position]
    }
}

/// The engine's failures as GraphQL shows them; their texts are for users already.
fn error_of(error: EngineError) -> Error {
    let message = sentence(&error.to_string());
    match error {
        EngineError::NotFound => Error::new(Code::NotFound, message),
        EngineError::Conflict { issues, .. } => Error { issues, ..Error::new(Code::Conflict, message) },
        EngineError::Validation(issues) => Error { issues, ..Error::new(Code::ValidationFailed, message) },
        EngineError::Forbidden(_) => Error::new(Code::Forbidden, message),
        EngineError::Limit(_) => Error::new(Code::LimitExceeded, message),
        EngineError::PluginFailed { reason, .. } => {
            Error { reason: Some(reason.into_boxed_str()), ..Error::new(Code::PluginFailed, message) }
        }
        EngineError::Unavailable => Error::new(Code::Unavailable, message),
        EngineError::Internal => Error::new(Code::Internal, message),
    }
}

/// With a capital and a full stop, as all other messages.
fn sentence(text: &str) -> String {
    let mut characters = text.chars();
    let Some(first) = characters.next() else { return String::new() };
    let end = if text.ends_with(['.', '!', '?']) { "" } else { "." };
    format!("{}{}{end}", first.to_uppercase(), characters.as_str())
}
