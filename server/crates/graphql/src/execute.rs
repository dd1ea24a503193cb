//! The front's one door: a request in, bytes out; between them one read or one write of the engine.

use async_recursion::async_recursion as boxed;
use std::sync::Arc;

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use cardine_engine::{
    Cell, Engine, EngineError, FailedStep, Group, KeyUse, ListResult, Mutated, MutationResult, MutationStep, Once,
    RequestContext,
};
use sha2::{Digest as _, Sha256};
use uuid::Uuid;

use crate::answer::{Rows, Sealing, Written, write_data};
use crate::compile::{Located, Mutation, Operation, Searches, Setting, Viewer};
use crate::computed::compute;
use crate::cursor::{CursorContext, CursorKey};
use crate::error::Error;
use crate::file_link::FileLinks;
use crate::limits::Limits;
use crate::plans::{Plan, Plans, SIZE_GUESSED, Served};
use crate::prepare::Prepared;
use crate::protocol::Request;
use crate::response::{Kind, Response};
use crate::schema::Schema;
use crate::shape::{Fields, RootField};

/// What all requests of a process share.
#[derive(Debug, Clone)]
pub struct Front {
    /// Bounds.
    pub limits: Limits,
    /// Authenticates cursors; the same on all servers of one database.
    pub cursors: CursorKey,
    /// What was compiled for earlier requests.
    pub plans: Arc<Plans>,
    /// What stands before a file's id in its address.
    pub files: Arc<str>,
}

impl Front {
    /// With nothing compiled yet.
    pub fn new(limits: Limits, cursors: CursorKey) -> Self {
        Self { limits, cursors, plans: Arc::default(), files: Arc::from("/files/") }
    }

    /// To whom this request's answer links files.
    pub(crate) fn links(&self, ctx: &RequestContext) -> FileLinks<'_> {
        FileLinks { base: &self.files, user: ctx.actor.user, until: FileLinks::until(ctx.now.timestamp()) }
    }

    fn sealing<'a>(&'a self, ctx: &RequestContext, contexts: &'a [CursorContext]) -> Sealing<'a> {
        Sealing { key: &self.cursors, links: self.links(ctx), contexts, computed: &[] }
    }
}

/// A subscription by a transport that gives one answer.
const NO_STREAM: &str = "A subscription is answered by a stream: accept text/event-stream, or use a WebSocket with the sub-protocol graphql-transport-ws.";

/// A kept answer that lacks what a plugin could not give at that moment would lack it for ever.
const KEPT_ANSWER: &str = "The answer to a mutation with an Idempotency-Key is kept, so it has no field that plugins compute: read it by a query.";

/// Executes a request. `allow_mutation` is false where the transport promises to change nothing (GET).
#[boxed]
pub async fn execute(
    front: &Front,
    engine: &Engine,
    ctx: &RequestContext,
    request: &Request,
    allow_mutation: bool,
) -> Response {
    let ctx = &ctx.within(front.limits.execution);
    let setting = setting(front, ctx);
    let known = match front.plans.find(setting, request) {
        Ok(known) => known,
        Err(errors) => return Response::refused(&errors),
    };
    if known.document().is_subscription() {
        return Response::refused(&[Error::input(NO_STREAM)]);
    }
    if known.document().is_mutation() && !allow_mutation {
        let error = Error::input("A mutation must be sent by POST.");
        return Response { kind: Kind::MethodNotAllowed, ..Response::refused(&[error]) };
    }
    let inputs = match known.document().coerce(setting, &request.variables) {
        Ok(inputs) => inputs,
        Err(errors) => return Response::refused(&errors),
    };
    let known_ids = known.node_ids(&inputs);
    let mut located = Located::default();
    if !known_ids.is_empty() {
        match engine.locate(ctx, known_ids.clone()).await {
            Ok(modules) => located.modules = modules,
            Err(error) => return failed(engine, ctx, error, Error::from).await,
        }
    }
    if let Some((plan, served)) = known.plan(setting, &inputs, &located.modules) {
        return read(front, engine, ctx, &plan, served).await;
    }
    let prepared = Prepared::with(Arc::clone(known.document()), inputs, &request.variables);
    let asked = prepared.node_ids(setting).and_then(|ids| Ok((ids, prepared.searches(setting)?)));
    match asked {
        Ok((mut ids, searches)) => {
            if ids == known_ids {
                ids.clear();
            }
            if let Err(error) = locate(engine, ctx, ids, searches, &mut located).await {
                return failed(engine, ctx, error, Error::from).await;
            }
        }
        Err(errors) => return Response::refused(&errors),
    }
    let operation = match prepared.compile(setting, &located) {
        Ok(operation) => operation,
        Err(errors) => return Response::refused(&errors),
    };
    if !operation.mutations.is_empty() {
        return match key_use(ctx, request) {
            Ok(Some(_)) if !operation.computings.is_empty() => Response::refused(&[Error::input(KEPT_ANSWER)]),
            Ok(key) => write(front, engine, ctx, operation, key).await,
            Err(error) => Response::refused(&[error]),
        };
    }
    let served = Served { values: Arc::from(operation.values.as_slice()), contexts: operation.contexts.clone() };
    let plan = Arc::new(Plan::new(operation, |lists| engine.plan_read(ctx, lists)));
    front.plans.keep(&known, &plan);
    read(front, engine, ctx, &plan, served).await
}

/// What is to be known before compilation.
async fn locate(
    engine: &Engine,
    ctx: &RequestContext,
    ids: Vec<Uuid>,
    searches: Searches,
    located: &mut Located,
) -> Result<(), EngineError> {
    if !ids.is_empty() {
        located.modules = engine.locate(ctx, ids).await?;
    }
    let values: Arc<[_]> = Arc::from(searches.values);
    if !searches.questions.is_empty() {
        let (keys, questions): (Vec<_>, Vec<_>) = searches.questions.into_iter().unzip();
        let answers = engine.search(ctx, questions, Arc::clone(&values)).await?;
        located.found = keys.into_iter().zip(answers).collect();
    }
    if !searches.timelines.is_empty() {
        let (keys, questions): (Vec<_>, Vec<_>) = searches.timelines.into_iter().unzip();
        let answers = engine.timelines(ctx, questions, Arc::clone(&values)).await?;
        located.moments = keys.into_iter().zip(answers).collect();
    }
    if !searches.occurrences.is_empty() {
        let (keys, asked): (Vec<_>, Vec<_>) = searches.occurrences.into_iter().unzip();
        let answers = engine.occurrences(ctx, asked, values).await?;
        located.occurring = keys.into_iter().zip(answers).collect();
    }
    for (key, asked) in searches.busy {
        located.busy.insert(key, engine.busy_times(ctx, &asked).await?);
    }
    if !searches.notices.is_empty() {
        let (keys, asked): (Vec<_>, Vec<_>) = searches.notices.into_iter().unzip();
        located.notices = keys.into_iter().zip(engine.notifications(ctx, &asked).await?).collect();
    }
    Ok(())
}

async fn read(
    front: &Front,
    engine: &Engine,
    ctx: &RequestContext,
    plan: &Plan,
    Served { values, contexts }: Served,
) -> Response {
    match engine.read_planned(ctx, plan.reading(), values).await {
        // A column may have got the name of another one meanwhile.
        Ok(_) if engine.may_be_behind(ctx) && engine.is_behind(ctx).await => {
            failed(engine, ctx, EngineError::Stale, Error::from).await
        }
        Ok(results) => {
            let computed = compute(ctx, plan.computings(), plan.shape(), &results, &[]).await;
            let (viewer, sealing) = (setting(front, ctx).viewer, front.sealing(ctx, &contexts));
            let sealing = Sealing { computed: &computed.columns, ..sealing };
            let answer = answer(plan.shape(), &results, &[], sealing, Some(viewer), plan.size_before());
            let answer = answer.map(|answer| answer.beside(&computed.errors));
            let answer = answer.unwrap_or_else(|error| Response::failed(&[error]));
            plan.note_size(answer.body.len());
            answer
        }
        Err(error) => failed(engine, ctx, error, Error::from).await,
    }
}

/// The answer to a failure: `told` makes its error, unless it only shows that modules changed under the request.
async fn failed(
    engine: &Engine,
    ctx: &RequestContext,
    error: EngineError,
    told: impl FnOnce(EngineError) -> Error,
) -> Response {
    let kind = match &error {
        EngineError::Stale => Kind::Overtaken,
        // A value may have been read as one of another type.
        EngineError::Internal if engine.is_behind(ctx).await => Kind::Overtaken,
        _ => Kind::Executed,
    };
    Response { kind, ..Response::failed(&[told(error)]) }
}

/// What a request is compiled against.
pub(crate) fn setting<'a>(front: &'a Front, ctx: &'a RequestContext) -> Setting<'a> {
    Setting {
        schema: Schema { catalog: ctx.catalog(), rights: &ctx.actor.rights, language: &ctx.actor.languages },
        limits: &front.limits,
        cursors: &front.cursors,
        viewer: Viewer {
            user: ctx.actor.user,
            role: &ctx.actor.role,
            locale: ctx.actor.locale(),
            time_zone: &ctx.actor.time_zone,
        },
    }
}

async fn write(
    front: &Front,
    engine: &Engine,
    ctx: &RequestContext,
    operation: Operation,
    key: Option<KeyUse>,
) -> Response {
    let Operation { mutations, shape, contexts, computings, .. } = operation;
    let places: Vec<_> = mutations.iter().map(|mutation| (mutation.path.clone(), mutation.position)).collect();
    let shown = Arc::new((front.clone(), ctx.clone(), shape, contexts));
    let once = key.map(|key| {
        let shown = Arc::clone(&shown);
        let answer = move |results: &[MutationResult]| {
            let (front, ctx, shape, contexts) = &*shown;
            let answer = answer_written(shape, results, front.sealing(ctx, contexts));
            // What cannot be shown has not happened: the key stays free.
            answer.map(|answer| answer.body.to_vec()).map_err(|error| EngineError::Forbidden(error.message))
        };
        Once { key, answer: Arc::new(answer) }
    });
    match engine.mutate(ctx, mutations.into_iter().map(step_of).collect(), once).await {
        Ok(Mutated::Answered(answer)) => Response::data(answer),
        Ok(Mutated::Done(results)) => {
            let (front, ctx, shape, contexts) = &*shown;
            let computed = compute(ctx, &computings, shape, &[], &written(&results)).await;
            let sealing = Sealing { computed: &computed.columns, ..front.sealing(ctx, contexts) };
            answer_written(shape, &results, sealing)
                .map(|answer| answer.beside(&computed.errors))
                .unwrap_or_else(|error| Response::failed(&[error]))
        }
        Err(FailedStep { position, error }) => {
            let told = |error: EngineError| match places.into_iter().nth(position) {
                Some((path, place)) => Error::from(error).under(path).at(place),
                None => error.into(),
            };
            failed(engine, ctx, error, told).await
        }
    }
}

fn answer_written(
    shape: &Fields<RootField>,
    results: &[MutationResult],
    sealing: Sealing<'_>,
) -> Result<Response, Error> {
    answer(shape, &[], &written(results), sealing, None, SIZE_GUESSED)
}

fn written(results: &[MutationResult]) -> Vec<Written<'_, ListResult>> {
    results.iter().map(|result| Written { ids: &result.ids, rows: &result.list }).collect()
}

/// The key that a client sent with a mutation, and what tells this request from others.
fn key_use(ctx: &RequestContext, request: &Request) -> Result<Option<KeyUse>, Error> {
    let Some(key) = &request.idempotency_key else { return Ok(None) };
    let Some(actor) = ctx.actor.user else {
        return Err(Error::input(
            "The header Idempotency-Key needs a caller who is signed in, as a key is one user's.",
        ));
    };
    let variables = serde_json::to_vec(&request.variables).expect("JSON is written as JSON");
    let mut hash = Sha256::new();
    for part in [request.query.as_bytes(), request.operation_name.as_deref().unwrap_or_default().as_bytes(), &variables]
    {
        hash.update((part.len() as u64).to_le_bytes());
        hash.update(part);
    }
    let request_hash = URL_SAFE_NO_PAD.encode(hash.finalize());
    Ok(Some(KeyUse { actor, key: key.clone(), request_hash }))
}

/// Writes the whole answer once, into memory of about the size that it needs.
fn answer(
    shape: &Fields<RootField>,
    read: &[ListResult],
    written: &[Written<'_, ListResult>],
    sealing: Sealing<'_>,
    viewer: Option<Viewer<'_>>,
    size: usize,
) -> Result<Response, Error> {
    let mut body = Vec::with_capacity(size);
    body.extend_from_slice(b"{\"data\":");
    write_data(shape, read, written, sealing, viewer, &mut body)?;
    body.push(b'}');
    Ok(Response::data(body))
}

fn step_of(mutation: Mutation) -> MutationStep {
    MutationStep { write: mutation.write, then: mutation.then, values: mutation.values }
}

impl Rows for ListResult {
    fn cell(&self, row: usize, output: usize) -> Cell<'_> {
        self.cell(row, output)
    }

    fn total(&self, group: &Group, position: usize) -> Cell<'_> {
        self.total(group, position)
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

    fn history(&self, position: usize) -> &Self {
        &self.histories[position]
    }
}
