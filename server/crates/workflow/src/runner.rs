//! Runs queued workflows: lease, step by step, retry with back-off, until nothing is due.

use async_recursion::async_recursion as boxed;
use std::sync::Arc;
use std::time::Duration;

use cardine_access::Actor;
use cardine_engine::{Engine, EngineError, Record, RecordScope, RequestContext, Snapshot, Write, apply};
use cardine_model::Value;
use cardine_model::catalog::{FieldId, Module};
use cardine_plugin_host::{CallContext, DeniedServices};
use cardine_store::platform::workflows::{
    LeasedRun, StepLog, advance_run, end_leases, finish_run, lease_runs, log_step, postpone_run, renew_lease,
};
use cardine_store::{Dialect, StoreError, WriteTx};
use chrono::{DateTime, NaiveDate, Utc};
use serde_json::{Map, Value as Json};
use tokio::sync::watch;
use tokio::task::{JoinError, JoinSet};
use uuid::Uuid;

use crate::check::{Action, CheckedStep};
use crate::definition::{OnError, RunAs};
use crate::matcher::{ActiveWorkflow, Workflows};
use crate::plugins::Plugins;
use crate::template::Template;
use crate::value::typed_value;

/// How long a run belongs to the process that leased it without a sign of life; as long does a run wait whose process died.
pub const LEASE: Duration = Duration::from_secs(15);
/// How often a run shows that its process lives.
const RENEWAL: Duration = Duration::from_secs(5);
/// How often a step is begun before its run fails.
pub const ATTEMPTS_MAX: i64 = 8;
/// Runs at the same time.
const RUNS_MAX: usize = 16;
/// How often the queue is looked at without being told: for other processes' events, postponed runs and ended leases.
const POLL: Duration = Duration::from_millis(500);

/// Runs workflows until `stop` says so; runs that have begun finish.
#[boxed]
pub async fn run_workflows(engine: Engine, plugins: Plugins, mut stop: watch::Receiver<bool>) {
    let runner = Arc::new(Runner { engine, plugins });
    if let Err(error) = runner.take_over().await {
        tracing::warn!(%error, "leases of the process before can't be ended; they end by themselves");
    }
    let mut running = JoinSet::new();
    while !*stop.borrow() {
        let free = RUNS_MAX - running.len();
        let leased = if free == 0 { Ok(Vec::new()) } else { runner.lease(free).await };
        let leased = leased.unwrap_or_else(|error| {
            tracing::warn!(%error, "the queue of workflows can't be read");
            Vec::new()
        });
        if !leased.is_empty() {
            for run in leased {
                let runner = Arc::clone(&runner);
                running.spawn(async move { runner.run(run).await });
            }
            continue;
        }
        tokio::select! {
            Some(ended) = running.join_next() => note_end(ended),
            () = runner.engine.events_written(), if free > 0 => {}
            () = tokio::time::sleep(POLL), if free > 0 => {}
            changed = stop.changed() => if changed.is_err() { break },
        }
    }
    while let Some(ended) = running.join_next().await {
        note_end(ended);
    }
}

fn note_end(ended: Result<(), JoinError>) {
    if let Err(error) = ended {
        tracing::error!(%error, "a workflow's run ended unexpectedly; it is tried again when its lease ends");
    }
}

struct Runner {
    engine: Engine,
    plugins: Plugins,
}

/// Why a step did not succeed.
enum StepError {
    /// A later try may succeed.
    Temporary(String, Option<Duration>),
    /// It will not.
    Final(String),
    /// The lease went to another process, which goes on; nothing may be written.
    LeaseLost,
}

impl From<EngineError> for StepError {
    fn from(error: EngineError) -> Self {
        match error {
            EngineError::Unavailable | EngineError::Stale => Self::Temporary(error.to_string(), None),
            EngineError::Validation(issues) => {
                let issues: Vec<String> = issues.iter().map(ToString::to_string).collect();
                Self::Final(format!("VALIDATION_FAILED: {}", issues.join("; ")))
            }
            other => Self::Final(other.to_string()),
        }
    }
}

impl From<StoreError> for StepError {
    fn from(error: StoreError) -> Self {
        EngineError::from(error).into()
    }
}

/// A run's state, as it is kept in its row.
struct State {
    json: Json,
}

impl State {
    fn event(&self, name: &str) -> &Json {
        &self.json["event"][name]
    }

    fn outputs(&self) -> Map<String, Json> {
        self.json["outputs"].as_object().cloned().unwrap_or_default()
    }

    fn set_output(&mut self, step: &str, output: Json) {
        self.json["outputs"][step] = serde_json::json!({ "output": output });
    }
}

impl Runner {
    /// SQLite serves one process, so what is leased at the start was leased by one that ended.
    async fn take_over(&self) -> Result<(), EngineError> {
        self.engine
            .store()
            .write(|tx: &mut WriteTx| {
                Box::pin(async move {
                    if tx.dialect() == Dialect::Sqlite {
                        end_leases(tx).await?;
                    }
                    Ok::<_, EngineError>(())
                })
            })
            .await
    }

    async fn lease(&self, count: usize) -> Result<Vec<LeasedRun>, EngineError> {
        let now = Utc::now();
        let until = now + LEASE;
        self.engine
            .store()
            .write(move |tx: &mut WriteTx| {
                Box::pin(async move { Ok::<_, EngineError>(lease_runs(tx, count, now, until).await?) })
            })
            .await
    }

    async fn run(&self, mut run: LeasedRun) {
        let leased = run.clone();
        let ended = tokio::select! {
            ended = self.run_steps(&mut run) => ended,
            () = self.keep(leased) => Err(StepError::LeaseLost),
        };
        let result = match ended {
            Ok(()) => self.finish(&run, "DONE", None).await,
            Err(StepError::LeaseLost) => Ok(()),
            Err(StepError::Temporary(error, after)) => self.postpone(&run, error, after).await,
            Err(StepError::Final(error)) => {
                tracing::warn!(run = %run.id, error, "a workflow's run failed");
                self.finish(&run, "FAILED", Some(error)).await
            }
        };
        if let Err(error) = result {
            tracing::warn!(run = %run.id, %error, "a run's end could not be recorded; it is tried again when its lease ends");
        }
    }

    /// Renews the lease; returns when it is lost.
    async fn keep(&self, run: LeasedRun) {
        let run = Arc::new(run);
        loop {
            tokio::time::sleep(RENEWAL).await;
            let (until, kept) = (Utc::now() + LEASE, Arc::clone(&run));
            let renewed = self
                .engine
                .store()
                .write(move |tx: &mut WriteTx| {
                    let run = Arc::clone(&kept);
                    Box::pin(async move { renew_lease(tx, &run, until).await })
                })
                .await;
            match renewed {
                Ok(true) => {}
                Ok(false) => return,
                Err(error) => tracing::warn!(run = %run.id, %error, "a lease can't be renewed"),
            }
        }
    }

    async fn run_steps(&self, run: &mut LeasedRun) -> Result<(), StepError> {
        let mut state = State { json: run.state.clone() };
        loop {
            // The modules, rights and workflows of the moment, from one snapshot: the checked steps fit its catalog.
            let snapshot = self.snapshot_with(run.workflow).await?;
            let active = Workflows::of(&snapshot, run.workflow).ok_or_else(|| {
                StepError::Final("the workflow is not active, or does not fit the modules any more".to_owned())
            })?;
            let Some(step) = active.workflow.steps.get(run.step) else { return Ok(()) };
            let started_at = Utc::now();
            let ended = if run.attempts > ATTEMPTS_MAX {
                let message = format!("the step was begun {ATTEMPTS_MAX} times, and the server ended before it did");
                Err(StepError::Final(message))
            } else {
                self.run_step(&snapshot, active, step, run, &mut state, started_at).await
            };
            match ended {
                Ok(()) => {}
                Err(StepError::Final(error)) if step.on_error == OnError::Continue => {
                    self.go_on(run, &mut state, step, error, started_at).await?;
                }
                Err(StepError::Temporary(error, _)) if run.attempts >= ATTEMPTS_MAX => {
                    if step.on_error == OnError::Fail {
                        let error = StepError::Final(error);
                        self.log_failure(run, step, &error, started_at).await?;
                        return Err(error);
                    }
                    self.go_on(run, &mut state, step, error, started_at).await?;
                }
                Err(error) => {
                    self.log_failure(run, step, &error, started_at).await?;
                    return Err(error);
                }
            }
            run.step += 1;
            run.attempts = 1;
        }
    }

    /// The next step comes although this one failed; its output is null.
    async fn go_on(
        &self,
        run: &LeasedRun,
        state: &mut State,
        step: &CheckedStep,
        error: String,
        started_at: DateTime<Utc>,
    ) -> Result<(), StepError> {
        state.set_output(&step.id, Json::Null);
        self.advance(run, state, step, "FAILED", None, Some(error), started_at).await
    }

    /// The newest snapshot; if it lacks the workflow, which another process may have saved a moment ago, the database's.
    async fn snapshot_with(&self, workflow: Uuid) -> Result<Arc<Snapshot>, StepError> {
        let snapshot = self.engine.snapshot();
        if Workflows::of(&snapshot, workflow).is_some() {
            return Ok(snapshot);
        }
        self.engine.reload().await?;
        Ok(self.engine.snapshot())
    }

    async fn run_step(
        &self,
        snapshot: &Arc<Snapshot>,
        active: &ActiveWorkflow,
        step: &CheckedStep,
        run: &LeasedRun,
        state: &mut State,
        started_at: DateTime<Utc>,
    ) -> Result<(), StepError> {
        let ctx = self.context(snapshot, active, state)?;
        let module = ctx.catalog().module(active.workflow.module);
        check_readable(&ctx, module, step)?;
        let record = record_of(module, state.event("record"));
        let old = state.event("old").is_object().then(|| record_of(module, state.event("old")));
        let outputs = outputs_of(state);
        let scope = RecordScope {
            record: &record,
            old: old.as_ref(),
            actor: id_of(state.event("actor")),
            now: state.event("at").as_str().and_then(|at| at.parse().ok()).unwrap_or(started_at),
            today: state.event("today").as_str().and_then(|day| day.parse().ok()).unwrap_or(ctx.today),
        };
        if step.when.as_ref().is_some_and(|when| !when.is_met(&scope)) {
            state.set_output(&step.id, Json::Null);
            return self.advance(run, state, step, "SKIPPED", None, None, started_at).await;
        }
        match &step.action {
            Action::Call { plugin, function, input } => {
                let input = input.fill(&scope, &outputs);
                let output = self.call(&ctx, run, plugin, function, input.clone()).await?;
                state.set_output(&step.id, output.clone());
                self.advance(run, state, step, "DONE", Some((input, output)), None, started_at).await
            }
            Action::Update { set } => {
                let mut data: Vec<(FieldId, Value)> = Vec::new();
                let mut written = Map::new();
                for (field, template) in set {
                    let value = template.fill(&scope, &outputs);
                    let field = module.field(*field);
                    let typed = typed_value(field, &value).ok_or_else(|| {
                        StepError::Final(format!("the value for `{}` does not fit its type", field.name))
                    })?;
                    data.push((field.id, typed));
                    written.insert(cardine_engine::json_name(field), value);
                }
                self.update(&ctx, module, run, state, step, data, Json::Object(written), started_at).await
            }
        }
    }

    async fn call(
        &self,
        ctx: &RequestContext,
        run: &LeasedRun,
        plugin: &str,
        function: &str,
        input: Json,
    ) -> Result<Json, StepError> {
        let Some(loaded) = self.plugins.get(plugin) else {
            return Err(StepError::Temporary(format!("the plugin `{plugin}` is not installed"), None));
        };
        let context = CallContext {
            request_id: run.id.to_string(),
            user: ctx.actor.user.map(|user| user.to_string()),
            locale: ctx.actor.locale.clone(),
            time_zone: ctx.actor.time_zone.clone(),
            depth: u8::try_from(ctx.depth).unwrap_or(u8::MAX),
            ..CallContext::default()
        };
        match loaded.invoke(context, function, input, Arc::new(DeniedServices)).await {
            Ok(outcome) => Ok(outcome.output),
            Err(failure) => {
                tracing::warn!(plugin, function, reason = %failure.reason, detail = failure.diagnosis.detail, "a plugin call failed");
                let error = format!("PLUGIN_FAILED {}: {}", failure.reason, failure.message);
                if failure.reason.is_temporary() {
                    Err(StepError::Temporary(error, failure.retry_after_ms.map(Duration::from_millis)))
                } else {
                    Err(StepError::Final(error))
                }
            }
        }
    }

    /// The change of the record and the run's progress commit together, so the change is made once however often this runs.
    #[expect(clippy::too_many_arguments, reason = "one step's parts")]
    async fn update(
        &self,
        ctx: &RequestContext,
        module: &Module,
        run: &LeasedRun,
        state: &mut State,
        step: &CheckedStep,
        data: Vec<(FieldId, Value)>,
        input: Json,
        started_at: DateTime<Utc>,
    ) -> Result<(), StepError> {
        let Some(id) = run.record else {
            return Err(StepError::Final("the run has no record to update".to_owned()));
        };
        state.set_output(&step.id, serde_json::json!({"id": id}));
        let write = Write::Update { module: module.id, id, data: data.into(), if_version: None };
        let shared = Arc::new((ctx.clone(), write, run.clone(), state.json.clone(), step.id.clone(), input));
        let done = self
            .engine
            .store()
            .write(move |tx: &mut WriteTx| {
                let shared = Arc::clone(&shared);
                Box::pin(async move {
                    let (ctx, write, run, state, step, input) = &*shared;
                    if !advance_run(tx, run, run.step + 1, state).await? {
                        return Err(Ended::LeaseLost);
                    }
                    apply(tx, ctx, write).await.map_err(Ended::Engine)?;
                    let log = StepLog {
                        run: run.id,
                        step,
                        attempt: run.attempts,
                        status: "DONE",
                        input: Some(input),
                        output: None,
                        error: None,
                        started_at,
                        finished_at: Utc::now(),
                    };
                    log_step(tx, &log).await?;
                    Ok(())
                })
            })
            .await;
        match done {
            Ok(()) => {
                self.engine.wake_event_readers();
                Ok(())
            }
            Err(Ended::LeaseLost) => Err(StepError::LeaseLost),
            Err(Ended::Engine(error)) => Err(error.into()),
        }
    }

    #[expect(clippy::too_many_arguments, reason = "one log entry's parts")]
    async fn advance(
        &self,
        run: &LeasedRun,
        state: &State,
        step: &CheckedStep,
        status: &'static str,
        values: Option<(Json, Json)>,
        error: Option<String>,
        started_at: DateTime<Utc>,
    ) -> Result<(), StepError> {
        let shared = Arc::new((run.clone(), state.json.clone(), step.id.clone(), values, error));
        let ours = self
            .engine
            .store()
            .write(move |tx: &mut WriteTx| {
                let shared = Arc::clone(&shared);
                Box::pin(async move {
                    let (run, state, step, values, error) = &*shared;
                    let log = StepLog {
                        run: run.id,
                        step,
                        attempt: run.attempts,
                        status,
                        input: values.as_ref().map(|(input, _)| input),
                        output: values.as_ref().map(|(_, output)| output),
                        error: error.as_deref(),
                        started_at,
                        finished_at: Utc::now(),
                    };
                    let ours = advance_run(tx, run, run.step + 1, state).await?;
                    if ours {
                        log_step(tx, &log).await?;
                    }
                    Ok::<_, StoreError>(ours)
                })
            })
            .await?;
        if ours { Ok(()) } else { Err(StepError::LeaseLost) }
    }

    async fn log_failure(
        &self,
        run: &LeasedRun,
        step: &CheckedStep,
        error: &StepError,
        started_at: DateTime<Utc>,
    ) -> Result<(), StepError> {
        let message = match error {
            StepError::LeaseLost => return Ok(()),
            StepError::Temporary(message, _) | StepError::Final(message) => message.clone(),
        };
        let shared = Arc::new((run.clone(), step.id.clone(), message));
        self.engine
            .store()
            .write(move |tx: &mut WriteTx| {
                let shared = Arc::clone(&shared);
                Box::pin(async move {
                    let (run, step, message) = &*shared;
                    let log = StepLog {
                        run: run.id,
                        step,
                        attempt: run.attempts,
                        status: "FAILED",
                        input: None,
                        output: None,
                        error: Some(message),
                        started_at,
                        finished_at: Utc::now(),
                    };
                    log_step(tx, &log).await
                })
            })
            .await?;
        Ok(())
    }

    async fn finish(&self, run: &LeasedRun, status: &'static str, error: Option<String>) -> Result<(), EngineError> {
        let shared = Arc::new((run.clone(), error));
        self.engine
            .store()
            .write(move |tx: &mut WriteTx| {
                let shared = Arc::clone(&shared);
                Box::pin(async move {
                    finish_run(tx, &shared.0, status, shared.1.as_deref(), Utc::now()).await?;
                    Ok::<_, EngineError>(())
                })
            })
            .await?;
        Ok(())
    }

    /// 2, 4, 8, … seconds, at most an hour, unless the failure said when.
    async fn postpone(&self, run: &LeasedRun, error: String, after: Option<Duration>) -> Result<(), EngineError> {
        let backoff = Duration::from_secs(1 << run.attempts.clamp(1, 11)).min(Duration::from_secs(3_600));
        let run_at = Utc::now() + after.unwrap_or(backoff);
        let shared = Arc::new((run.clone(), error));
        self.engine
            .store()
            .write(move |tx: &mut WriteTx| {
                let shared = Arc::clone(&shared);
                Box::pin(async move {
                    postpone_run(tx, &shared.0, &shared.1, run_at).await?;
                    Ok::<_, EngineError>(())
                })
            })
            .await?;
        Ok(())
    }

    /// The rights of the moment, one step deeper in the chain of causes.
    fn context(
        &self,
        snapshot: &Arc<Snapshot>,
        active: &ActiveWorkflow,
        state: &State,
    ) -> Result<RequestContext, StepError> {
        let now = Utc::now();
        let user = match &active.workflow.run_as {
            RunAs::Author => active.author,
            RunAs::Actor => id_of(state.event("actor")),
            RunAs::Role { .. } => None,
        };
        let actor = match &active.workflow.run_as {
            RunAs::Role { role } => snapshot.access.role_actor(&snapshot.catalog, role),
            RunAs::Author | RunAs::Actor => {
                user.and_then(|user| snapshot.access.actor(&snapshot.catalog, user, None, None))
            }
        };
        let actor: Actor = actor.ok_or_else(|| {
            StepError::Final(
                "the user or role with whose rights the workflow runs is not there or not active".to_owned(),
            )
        })?;
        let today = today_in(&actor.time_zone, now);
        let mut ctx = self.engine.request(Arc::clone(snapshot), actor, now, today);
        ctx.depth = state.event("depth").as_u64().and_then(|depth| u32::try_from(depth).ok()).unwrap_or(0) + 1;
        ctx.via = "workflow";
        ctx.on_behalf_of = id_of(state.event("cause"));
        ctx.request_id = id_of(state.event("request")).unwrap_or(ctx.request_id);
        Ok(ctx)
    }
}

/// How the transaction of an update ended without taking effect.
enum Ended {
    LeaseLost,
    Engine(EngineError),
}

impl From<StoreError> for Ended {
    fn from(error: StoreError) -> Self {
        Self::Engine(error.into())
    }
}

fn today_in(time_zone: &str, now: DateTime<Utc>) -> NaiveDate {
    time_zone.parse::<chrono_tz::Tz>().map_or_else(|_| now.date_naive(), |zone| now.with_timezone(&zone).date_naive())
}

fn record_of(module: &Module, json: &Json) -> Record {
    json.as_object().map_or_else(|| Record::empty(module), |json| Record::from_json(module, json))
}

/// The steps' outputs without their envelope, by step.
fn outputs_of(state: &State) -> Map<String, Json> {
    state.outputs().into_iter().map(|(step, value)| (step, value["output"].clone())).collect()
}

fn id_of(json: &Json) -> Option<Uuid> {
    json.as_str().and_then(|text| Uuid::try_parse(text).ok())
}

/// Every field that the step's rules read must be one that the run may read: an event holds all of them.
fn check_readable(ctx: &RequestContext, module: &Module, step: &CheckedStep) -> Result<(), StepError> {
    let templates = match &step.action {
        Action::Call { input, .. } => vec![input],
        Action::Update { set } => set.iter().map(|(_, template)| template).collect(),
    };
    let rules = step.when.iter().chain(templates.into_iter().flat_map(Template::rules));
    let mut fields = rules.flat_map(|rule| rule.inputs()).map(|(_, path)| path.field);
    match fields.find(|field| !ctx.actor.rights.can_read(module.id, *field)) {
        None => Ok(()),
        Some(hidden) => {
            let name = &module.field(hidden).name;
            Err(StepError::Final(format!("FORBIDDEN: whoever the workflow runs as may not read `{name}`")))
        }
    }
}
