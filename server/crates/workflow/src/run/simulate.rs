//! What a workflow would do over a change that has been: its rules are judged and its steps gone through, and nothing comes of it.

use async_recursion::async_recursion as boxed;
use std::sync::Arc;

use cardine_engine::events::RecordEvent;
use cardine_engine::{Engine, EngineError, Record, RequestContext, Write, apply};
use cardine_model::catalog::Module;
use cardine_model::{Issue, path};
use cardine_store::platform::past_changes::{PastChange, fetch_past_change};
use cardine_store::platform::workflows::LeasedRun;
use cardine_store::{ReadTx, StoreError, WriteTx};
use serde_json::{Map, Value as Json, json};
use uuid::Uuid;

use super::acts::Done;
use super::commit::Effect;
use super::state::Known;
use super::steps::{Here, check_readable, today_in};
use super::{Outside, RunState, Runner, StepError, sms, webhook};
use crate::before_commit;
use crate::check::{Installed, check};
use crate::definition::{OnError, Status, Timing, parse};
use crate::matcher::{initial_state, matches};
use crate::program::{Act, Action, Start, Workflow};
use crate::versions::Version;

/// Most steps that one simulation goes through.
const STEPS_MAX: usize = 1_000;

/// A change of a record.
#[derive(Debug, Clone, Copy)]
pub struct WhichChange {
    /// The record.
    pub record: Uuid,
    /// The entry of the audit log that tells of it; left out: the newest one.
    pub entry: Option<Uuid>,
}

/// What a workflow would do.
#[derive(Debug, Default)]
pub struct Simulation {
    /// Whether the change starts it.
    pub starts: bool,
    /// What its steps would do, in their order.
    pub steps: Vec<SimulatedStep>,
    /// Of one inside the write: what it sets.
    pub set: Option<Json>,
    /// Of one inside the write: why it refuses.
    pub refused: Option<String>,
    /// Why a run would fail.
    pub error: Option<String>,
}

/// What a step would do.
#[derive(Debug)]
pub struct SimulatedStep {
    /// Its id.
    pub step: String,
    /// The items of the loops around, such as `3.1`.
    pub place: String,
    /// `DONE`, `SIMULATED` where it has an effect that was left out, `SKIPPED`, `FAILED`.
    pub status: &'static str,
    /// What it is given.
    pub input: Option<Json>,
    /// What it gives, or is taken to give.
    pub output: Option<Json>,
    /// Why it fails.
    pub error: Option<String>,
}

/// Goes through a document over a change of a record that is still kept, with the rights that its runs would have, the caller being its
/// author. Writes are tried one by one and undone; nothing leaves the server: `outputs` says by step what those outside answer.
///
/// # Errors
/// [`EngineError::Forbidden`] if the caller is no administrator; [`EngineError::Validation`] with every fault of the document, or if its
/// trigger is no change; [`EngineError::NotFound`] if there is no such change, or it is not kept any more.
#[boxed]
pub async fn simulate_workflow(
    engine: &Engine,
    outside: Outside,
    ctx: &RequestContext,
    document: &Json,
    change: WhichChange,
    outputs: &Map<String, Json>,
) -> Result<Simulation, EngineError> {
    if !ctx.actor.rights.administrator {
        return Err(EngineError::Forbidden("only administrators may simulate workflows".to_owned()));
    }
    let definition = parse(document).map_err(EngineError::Validation)?;
    let has_role = |role: &str| ctx.snapshot.access.role_named(role).is_some();
    let installed = Installed { plugins: &outside.plugins, has_role: &has_role };
    let checked = check(&definition, ctx.catalog(), Some(&installed)).map_err(EngineError::Validation)?;
    let (Start::Change { .. }, Some(module)) = (&checked.start, checked.module) else {
        let message = "what a change of a record starts can be simulated: the trigger has `on`";
        return Err(EngineError::Validation(vec![Issue::new(path!["definition", "trigger"], "notAvailable", message)]));
    };
    // A draft is what is simulated most.
    let workflow = Workflow { status: Status::Active, ..checked };
    let version = Version { author: ctx.actor.user, number: 0, workflow };
    let module = ctx.catalog().module(module);
    let past = fetch(engine, module, change).await?.ok_or(EngineError::NotFound)?;
    let image = |json: &Json| json.as_object().map(|json| Record::from_json(module, json));
    let (before, after) = (image(&past.before), image(&past.after));
    let Some(seen) = after.as_ref().or(before.as_ref()) else { return Err(EngineError::NotFound) };
    let kind = KINDS.into_iter().find(|kind| *kind == past.kind).ok_or(EngineError::NotFound)?;
    let nothing = Record::empty(module);
    let changed = after.as_ref().unwrap_or(&nothing).changed(before.as_ref().unwrap_or(&nothing));
    let caused = context_of(ctx, &past);
    let event = RecordEvent {
        ctx: &caused,
        module,
        kind,
        id: change.record,
        before: before.as_ref(),
        after: seen,
        changed: &changed,
        relation: None,
    };
    if !matches(&version.workflow, &event) {
        return Ok(Simulation::default());
    }
    if version.workflow.timing == Timing::BeforeCommit {
        let asked = before_commit::ask(std::iter::once(&version), &event, |_, _| true);
        let simulation = Simulation { starts: true, ..Simulation::default() };
        return Ok(match asked {
            Ok(set) => {
                let value = |(id, value): &(_, _)| {
                    let field = module.field(*id);
                    (cardine_engine::json_name(field), cardine_engine::json_of_field(field, value))
                };
                Simulation { set: Some(Json::Object(set.iter().map(value).collect())), ..simulation }
            }
            Err(refusal) => Simulation { refused: Some(refusal.message), ..simulation },
        });
    }
    let runner = Runner::new(engine.clone(), outside);
    let going = Going { runner, ctx, version: &version, module, outputs, record: change.record };
    going.through(initial_state(&event)).await
}

const KINDS: [&str; 3] = ["CREATED", "UPDATED", "DELETED"];

async fn fetch(engine: &Engine, module: &Module, change: WhichChange) -> Result<Option<PastChange>, EngineError> {
    let name = module.name.clone();
    let read = engine.store().read(move |tx: &mut ReadTx| {
        Box::pin(async move { Ok::<_, EngineError>(fetch_past_change(tx, &name, change.record, change.entry).await?) })
    });
    read.await
}

/// As whoever made the change, at its moment. One who is not there any more is like one who is not signed in.
fn context_of(ctx: &RequestContext, past: &PastChange) -> RequestContext {
    let (access, catalog) = (&ctx.snapshot.access, ctx.catalog());
    let actor = past.actor.and_then(|user| access.actor(catalog, user, None, None));
    let actor = actor.unwrap_or_else(|| access.anonymous(catalog, None, None));
    let now = past.at.parse().unwrap_or(ctx.now);
    let today = today_in(&actor.time_zone, now);
    RequestContext { actor: Arc::new(actor), now, today, ..ctx.clone() }
}

/// A way through the steps.
struct Going<'a> {
    runner: Runner,
    ctx: &'a RequestContext,
    version: &'a Version,
    module: &'a Module,
    /// What is answered from outside, by step.
    outputs: &'a Map<String, Json>,
    record: Uuid,
}

impl Going<'_> {
    async fn through(&self, begin: Json) -> Result<Simulation, EngineError> {
        let (steps, module) = (&self.version.workflow.steps, Some(self.module));
        let mut simulation = Simulation { starts: true, ..Simulation::default() };
        let mut run = self.run();
        // Records that would be there.
        let mut made = Vec::new();
        let restored = RunState::restore(&begin, &json!([]), steps, module);
        let Ok(mut state) = restored else { return Err(EngineError::Internal) };
        let mut next = 0;
        loop {
            next = state.settle(steps, next, module).map_err(|_| EngineError::Internal)?;
            let Some(node) = steps.get(next) else { return Ok(simulation) };
            if simulation.steps.len() >= STEPS_MAX {
                let message = format!("LIMIT_EXCEEDED: a simulation goes through {STEPS_MAX} steps");
                return Ok(Simulation { error: Some(message), ..simulation });
            }
            run.step = next;
            let (step, place) = (node.id.clone(), state.place());
            let at = Here { snapshot: &self.ctx.snapshot, version: self.version, module, node, beside: None };
            let told = |status, input, output, error| SimulatedStep { step, place, status, input, output, error };
            match self.step(&run, &state, &at, &mut made).await {
                Ok((status, done)) => {
                    state.set_output(&node.id, done.output.clone());
                    if let Some(each) = done.enters {
                        state.enter_first(steps, each, module).map_err(|_| EngineError::Internal)?;
                    }
                    let behind = if done.skipped { node.after(next) } else { next + 1 };
                    next = done.next.unwrap_or(behind);
                    simulation.steps.push(told(status, done.input, Some(done.output), None));
                }
                Err(error) => {
                    let error = match error {
                        StepError::Failed(failed) => failed.message,
                        StepError::LeaseLost => return Err(EngineError::Internal),
                    };
                    simulation.steps.push(told("FAILED", None, None, Some(error.clone())));
                    if node.on_error == OnError::Fail {
                        return Ok(Simulation { error: Some(error), ..simulation });
                    }
                    state.set_output(&node.id, Json::Null);
                    next = node.after(next);
                }
            }
        }
    }

    /// One that nobody has leased, so nothing could be recorded of it.
    fn run(&self) -> LeasedRun {
        LeasedRun {
            id: Uuid::nil(),
            workflow: Uuid::nil(),
            version: 0,
            record: Some(self.record),
            step: 0,
            state: Json::Null,
            loops: Json::Null,
            steps_done: 0,
            attempts: 1,
            token: Uuid::nil(),
            until: chrono::DateTime::UNIX_EPOCH,
        }
    }

    async fn step(
        &self,
        run: &LeasedRun,
        state: &RunState,
        at: &Here<'_>,
        made: &mut Vec<Uuid>,
    ) -> Result<(&'static str, Done), StepError> {
        let assumed = || self.outputs.get(&at.node.id).cloned();
        if let Some((skipped, input)) = self.left_out(run, state, at)? {
            let output = if skipped { Json::Null } else { assumed().unwrap_or_default() };
            let status = if skipped { "SKIPPED" } else { "SIMULATED" };
            return Ok((status, Done { skipped, input, output, ..Done::default() }));
        }
        let mut done = self.runner.act(run, state, at).await?;
        if done.skipped {
            return Ok(("SKIPPED", done));
        }
        let status = match done.effect.take() {
            None => "DONE",
            Some(Effect::Write(ctx, write)) => {
                done.output = assumed().unwrap_or(json!({"id": self.written(*ctx, *write, made).await?}));
                "SIMULATED"
            }
            Some(_) => "SIMULATED",
        };
        Ok((status, Done { waits: None, ..done }))
    }

    /// What steps that reach outside, or wait for somebody, are given, and whether they are skipped; `None` of the others.
    fn left_out(
        &self,
        run: &LeasedRun,
        state: &RunState,
        at: &Here<'_>,
    ) -> Result<Option<(bool, Option<Json>)>, StepError> {
        let Act::Do(action) = &at.node.act else { return Ok(None) };
        if !matches!(
            action,
            Action::Call { .. }
                | Action::Hook { .. }
                | Action::Job { .. }
                | Action::Webhook(_)
                | Action::SendSms(_)
                | Action::Approve(_)
        ) {
            return Ok(None);
        }
        let ctx = self.runner.context(run, state, at)?;
        check_readable(&ctx, at)?;
        let known = Known::of(state, at.module);
        if at.node.when.as_ref().is_some_and(|when| !when.is_met(&known)) {
            return Ok(Some((true, None)));
        }
        let input = match action {
            Action::Call { input, .. } => input.fill(&known),
            Action::Webhook(out) => {
                let (url, body) = webhook::outgoing(&ctx, state, at, out, &known);
                json!({"method": out.method, "url": url, "body": body})
            }
            Action::SendSms(out) => {
                let (numbers, text) = sms::outgoing(out, &known)?;
                json!({"to": numbers, "text": text})
            }
            Action::Approve(asked) => {
                json!({"question": asked.question.as_ref().map(|question| question.fill(&known))})
            }
            _ => Json::Null,
        };
        Ok(Some((false, Some(input))))
    }

    /// Tries a write by the rules and rights of the moment, and undoes it; gives the id of its record. One that is only made up has
    /// nothing to be tried on.
    async fn written(&self, ctx: RequestContext, write: Write, made: &mut Vec<Uuid>) -> Result<Uuid, StepError> {
        let target = match &write {
            Write::Update { id, .. } => Some(*id),
            _ => None,
        };
        if let Some(id) = target.filter(|id| made.contains(id)) {
            return Ok(id);
        }
        let shared = Arc::new((ctx, write));
        let tried = self.runner.engine.store().write(move |tx: &mut WriteTx| {
            let shared = Arc::clone(&shared);
            Box::pin(async move {
                let (ctx, write) = &*shared;
                let written = apply(tx, ctx, write).await.map_err(Undone::Refused)?;
                // An error undoes it.
                Err::<(), _>(Undone::Written(written.first().copied()))
            })
        });
        match tried.await {
            Err(Undone::Refused(error)) => Err(error.into()),
            Err(Undone::Written(Some(id))) => {
                if target.is_none() {
                    made.push(id);
                }
                Ok(id)
            }
            Err(Undone::Written(None)) | Ok(()) => Err(StepError::lasting("nothing would be written")),
        }
    }
}

/// How a write that was tried ended.
enum Undone {
    Written(Option<Uuid>),
    Refused(EngineError),
}

impl From<StoreError> for Undone {
    fn from(error: StoreError) -> Self {
        Self::Refused(error.into())
    }
}
