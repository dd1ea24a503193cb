//! What each kind of step does.

use std::time::Duration;

use cardine_engine::{Data, RequestContext, Write, json_name, json_of_field};
use cardine_model::Value;
use cardine_model::catalog::{FieldId, FieldKind, Module};
use cardine_plugin_host::{CallContext, PluginFailure};
use cardine_query::authorise;
use cardine_store::platform::workflows::LeasedRun;
use chrono::{DateTime, TimeDelta, Utc};
use serde_json::{Map, Value as Json, json};
use uuid::Uuid;

use super::commit::Effect;
use super::state::{Known, id_of, instant_of};
use super::steps::{Here, branch, check_readable, today_in};
use super::{RunState, Runner, StepError};
use crate::definition::ErrorClass;
use crate::find::FindRecords;
use crate::plugins::call_context;
use crate::program::{Act, Action, Given, Until};
use crate::template::Template;
use crate::value::typed_value;

/// How long a step may look for records.
const FIND_MAX: Duration = Duration::from_secs(30);

/// What a step did.
#[derive(Default)]
pub(super) struct Done {
    pub skipped: bool,
    pub input: Option<Json>,
    pub output: Json,
    /// Made when the step's end is recorded.
    pub effect: Option<Effect>,
    /// Where the run goes on, if not at the next place.
    pub next: Option<usize>,
    /// The loop that begins here.
    pub enters: Option<usize>,
    /// The run goes on then.
    pub waits: Option<DateTime<Utc>>,
}

impl Runner {
    pub(super) async fn act(&self, run: &LeasedRun, state: &RunState, at: &Here<'_>) -> Result<Done, StepError> {
        if at.node.has_own_rights() {
            // Whether there is an author is nothing to it.
            return self.act_as_plugin(run, state, at).await;
        }
        let ctx = self.context(run, state, at)?;
        check_readable(&ctx, at)?;
        let known = Known::of(state, at.module);
        if at.node.when.as_ref().is_some_and(|when| !when.is_met(&known)) {
            return Ok(Done { skipped: true, ..Done::default() });
        }
        match &at.node.act {
            Act::Do(Action::Call { plugin, function, input }) => {
                let input = input.fill(&known);
                let output = self.call(&ctx, run, plugin, function, input.clone()).await?;
                Ok(Done { input: Some(input), output, ..Done::default() })
            }
            Act::Do(Action::Hook { .. } | Action::Job { .. }) => self.act_as_plugin(run, state, at).await,
            Act::Do(Action::Update { module, record, set }) => {
                let id = match record {
                    None => run.record.ok_or_else(|| StepError::lasting("the run has no record to update"))?,
                    Some(template) => record_id(template, &known)?,
                };
                let (data, mut input) = values(&ctx, ctx.catalog().module(*module), set, &known)?;
                if record.is_some() {
                    input.insert("id".to_owned(), json!(id));
                }
                let write = Write::Update { module: *module, id, data, if_version: None };
                Ok(written(ctx, write, input))
            }
            Act::Do(Action::Create { module, set }) => {
                let (data, input) = values(&ctx, ctx.catalog().module(*module), set, &known)?;
                let write = Write::Create { module: *module, data };
                Ok(written(ctx, write, input))
            }
            Act::Do(Action::Find(find)) => {
                let _look = match at.beside {
                    Some(_) => self.looks.acquire().await.ok(),
                    None => None,
                };
                self.find(&ctx, find, &known).await
            }
            Act::Do(Action::SendEmail(_)) if !self.outside.sends_mail => {
                Err(StepError::lasting("no mail server is configured: say --smtp-url and --mail-from"))
            }
            Act::Do(Action::SendEmail(mail)) => self.send_email(&ctx, mail, &known).await,
            Act::Do(Action::SendSms(sms)) => self.send_sms(&ctx, run, state, at, sms).await,
            Act::Do(Action::Approve(asked)) => self.approve(&ctx, run, state, at, asked).await,
            Act::Do(Action::Webhook(webhook)) => self.webhook(&ctx, run.id, state, at, webhook).await,
            Act::Do(Action::Start(start)) => self.start(&ctx, run, start, &known).await,
            Act::Do(Action::Wait(until)) => {
                let until = wait_until(&ctx, until, &known)?;
                let output = json!({"until": json_of_instant(until)});
                Ok(Done { output, waits: until.filter(|until| *until > Utc::now()), ..Done::default() })
            }
            act @ Act::Branch { .. } => {
                let (output, next) = branch(&known, act);
                Ok(Done { output, next: Some(next), ..Done::default() })
            }
            Act::ForEach { list, max, after, .. } => {
                let count = match list.fill(&known) {
                    Json::Array(items) => items.len(),
                    Json::Null => 0,
                    _ => return Err(StepError::lasting("`in` gave no list")),
                };
                if count > *max {
                    let message = format!("LIMIT_EXCEEDED: the list has {count} items; `max` allows {max}");
                    return Err(StepError::lasting(message));
                }
                let output = json!({"count": count});
                let next = (count == 0).then_some(*after);
                Ok(Done { output, next, enters: (count > 0).then_some(run.step), ..Done::default() })
            }
            // Refused when the workflow was saved.
            Act::Do(Action::Refuse { .. }) => Err(StepError::lasting("what is committed can't be refused")),
            // The run settles behind them.
            Act::Next { .. } | Act::Jump(_) => Ok(Done::default()),
        }
    }

    /// What a plugin does with its own rights.
    async fn act_as_plugin(&self, run: &LeasedRun, state: &RunState, at: &Here<'_>) -> Result<Done, StepError> {
        match &at.node.act {
            Act::Do(Action::Hook { plugin }) => self.tell_hook(run, state, at, plugin).await,
            Act::Do(Action::Job { plugin, name }) => self.run_job(run, state, at, plugin, name).await,
            _ => unreachable!("others have the rights of the run"),
        }
    }

    pub(super) async fn call(
        &self,
        ctx: &RequestContext,
        run: &LeasedRun,
        plugin: &str,
        function: &str,
        input: Json,
    ) -> Result<Json, StepError> {
        let installed = || self.outside.plugins.get(plugin).ok_or_else(|| not_installed(plugin));
        let _place = self.calls.take(plugin, installed()?.limits().concurrent_per_plugin).await;
        // Another version may have come while it waited.
        let loaded = installed()?;
        let context = CallContext {
            request_id: run.id.to_string(),
            depth: u8::try_from(ctx.depth).unwrap_or(u8::MAX),
            ..call_context(ctx)
        };
        match loaded.invoke(context, function, input, self.outside.plugins.services(plugin)).await {
            Ok(outcome) => Ok(outcome.output),
            Err(failure) => Err(call_failed(plugin, function, &failure)),
        }
    }

    /// Only records that whoever the workflow runs as may see, and of them only what they may read.
    async fn find(&self, ctx: &RequestContext, find: &FindRecords, known: &Known<'_>) -> Result<Done, StepError> {
        let catalog = ctx.catalog();
        let (list, values) = find.question(catalog, known).map_err(|misfit| StepError::lasting(misfit.0))?;
        let list = authorise(list, catalog, &ctx.actor.rights).map_err(|_| {
            let message = "FORBIDDEN: whoever the workflow runs as may not read all that is looked for";
            StepError::lasting(message.to_owned())
        })?;
        let input = values.iter().skip(1).map(cardine_engine::json_of_value).collect();
        let found = self.engine.read(&ctx.within(FIND_MAX), vec![list], values.into()).await?;
        let module = catalog.module(find.module);
        let output = found.first().map_or(Json::Null, |result| find.output(module, result));
        Ok(Done { input: Some(Json::Array(input)), output, ..Done::default() })
    }
}

pub(super) fn not_installed(plugin: &str) -> StepError {
    StepError::of_class(ErrorClass::Unavailable, format!("the plugin `{plugin}` is not installed"), None)
}

pub(super) fn call_failed(plugin: &str, what: &str, failure: &PluginFailure) -> StepError {
    tracing::warn!(plugin, what, reason = %failure.reason, detail = failure.diagnosis.detail, "a plugin call failed");
    StepError::of_call(failure)
}

fn written(ctx: RequestContext, write: Write, input: Map<String, Json>) -> Done {
    Done {
        input: Some(Json::Object(input)),
        effect: Some(Effect::Write(Box::new(ctx), Box::new(write))),
        ..Done::default()
    }
}

fn record_id(template: &Template, known: &Known<'_>) -> Result<Uuid, StepError> {
    let given = template.fill(known);
    id_of(&given).ok_or_else(|| {
        let what = if given.is_null() { "nothing" } else { "no id" };
        StepError::lasting(format!("NOT_FOUND: `record` gave {what}, so there is no record to update"))
    })
}

/// The values that are written, each of its field's type, and as they were given.
fn values(
    ctx: &RequestContext,
    module: &Module,
    set: &[(FieldId, Given)],
    known: &Known<'_>,
) -> Result<(Data, Map<String, Json>), StepError> {
    let mut data: Vec<(FieldId, Value)> = Vec::new();
    let mut input = Map::new();
    for (id, given) in set {
        let field = module.field(*id);
        let value = match given {
            Given::Template(template) => {
                let json = template.fill(known);
                let typed = typed_value(field, &json);
                input.insert(json_name(field), json);
                typed
            }
            Given::Later(seconds) => {
                let value = later(ctx, &field.kind, *seconds);
                input.insert(json_name(field), json_of_field(field, &value));
                Some(value)
            }
        };
        let value =
            value.ok_or_else(|| StepError::lasting(format!("the value for `{}` does not fit its type", field.name)))?;
        data.push((*id, value));
    }
    Ok((data.into(), input))
}

/// So many seconds from now, as the day or the instant that a field holds.
fn later(ctx: &RequestContext, kind: &FieldKind, seconds: i64) -> Value {
    let Some(at) = TimeDelta::try_seconds(seconds).and_then(|length| ctx.now.checked_add_signed(length)) else {
        return Value::Null;
    };
    match kind {
        FieldKind::Date => Value::Date(today_in(&ctx.actor.time_zone, at)),
        _ => Value::DateTime(at),
    }
}

/// None if there is nothing to wait for.
fn wait_until(ctx: &RequestContext, until: &Until, known: &Known<'_>) -> Result<Option<DateTime<Utc>>, StepError> {
    match until {
        Until::Later(seconds) => {
            let length = TimeDelta::try_seconds(*seconds);
            Ok(length.and_then(|length| ctx.now.checked_add_signed(length)))
        }
        Until::Date(template) => match template.fill(known) {
            Json::Null => Ok(None),
            given => {
                let zone = ctx.actor.time_zone.parse().unwrap_or(chrono_tz::Tz::UTC);
                let at = given.as_str().and_then(|text| instant_of(text, zone));
                at.map(Some).ok_or_else(|| StepError::lasting("`until` gave no date"))
            }
        },
    }
}

fn json_of_instant(at: Option<DateTime<Utc>>) -> Json {
    at.map_or(Json::Null, |at| cardine_engine::json_of_value(&Value::DateTime(at)))
}
