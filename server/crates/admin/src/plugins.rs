//! What administrators do with installed plugins.

use async_graphql::{Context, Object, Result, SimpleObject};
use cardine_engine::EngineError;
use cardine_plugin_host::{Bound, Diagnosis, FailedCall, LogLine, Outcome, PluginFailure, Reason};
use cardine_workflow::call_context;
use chrono::{DateTime, SecondsFormat, Utc};
use serde_json::Value as Json;

use super::AdminContext;
use super::error::graphql_error;
use super::workflow::Plugin;

/// What is read of plugins beside the list of them.
#[derive(Default)]
pub struct PluginsQuery;

#[Object]
impl PluginsQuery {
    /// The names of the secrets that are stored for a plugin. Their values are shown to nobody.
    async fn plugin_secrets(&self, ctx: &Context<'_>, name: String) -> Result<Vec<String>> {
        let app = &ctx.data_unchecked::<AdminContext>().app;
        app.outside.plugins.stored_secrets(&app.engine, &name).await.map_err(graphql_error)
    }
}

/// What is changed of plugins beside their installation.
#[derive(Default)]
pub struct PluginsMutation;

#[Object]
impl PluginsMutation {
    /// Sets what a plugin reads as its settings, in place of all that was set; it must fit the manifest's `settingsSchema`.
    async fn set_plugin_settings(&self, ctx: &Context<'_>, name: String, settings: Json) -> Result<Plugin> {
        let AdminContext { app, request, .. } = ctx.data_unchecked();
        app.outside.plugins.set_settings(&app.engine, request, &name, settings).await.map_err(graphql_error)?;
        installed(ctx, &name)
    }

    /// Stores a secret that the plugin's manifest names; without `value` it is taken away. Answers with the names of those stored.
    async fn set_plugin_secret(
        &self,
        ctx: &Context<'_>,
        name: String,
        secret: String,
        value: Option<String>,
    ) -> Result<Vec<String>> {
        let AdminContext { app, request, .. } = ctx.data_unchecked();
        app.outside.plugins.set_secret(&app.engine, request, &name, &secret, value).await.map_err(graphql_error)?;
        app.outside.plugins.stored_secrets(&app.engine, &name).await.map_err(graphql_error)
    }

    /// Takes a plugin out of service. What it kept stays until `purgePlugin`. Refused while a field or an active workflow needs it;
    /// with `dryRun` only that is told.
    async fn uninstall_plugin(&self, ctx: &Context<'_>, name: String, dry_run: Option<bool>) -> Result<bool> {
        let AdminContext { app, request, .. } = ctx.data_unchecked();
        let dry_run = dry_run.unwrap_or(false);
        app.outside.plugins.uninstall(&app.engine, request, &name, dry_run).await.map_err(graphql_error)?;
        Ok(!dry_run)
    }

    /// Takes away all that is left of a plugin that was uninstalled: its package, state, settings and secrets.
    async fn purge_plugin(&self, ctx: &Context<'_>, name: String) -> Result<bool> {
        let AdminContext { app, request, .. } = ctx.data_unchecked();
        app.outside.plugins.purge(&app.engine, request, &name).await.map_err(graphql_error)?;
        Ok(true)
    }

    /// Calls a function of a plugin at once, on behalf of the caller, and tells all about it: for trying it and for finding faults.
    async fn call_plugin(&self, ctx: &Context<'_>, name: String, function: String, input: Json) -> Result<PluginCall> {
        let AdminContext { app, request, .. } = ctx.data_unchecked();
        let plugin = app.outside.plugins.get(&name).ok_or_else(|| graphql_error(EngineError::NotFound))?;
        let context = call_context(request);
        let called = plugin.invoke(context, &function, input, app.outside.plugins.services(&name)).await;
        Ok(PluginCall::from(called))
    }

    /// Lets a plugin that rests, because its calls ended badly too often, be called again in this process.
    async fn resume_plugin(&self, ctx: &Context<'_>, name: String) -> Result<Plugin> {
        let app = &ctx.data_unchecked::<AdminContext>().app;
        app.outside.plugins.get(&name).ok_or_else(|| graphql_error(EngineError::NotFound))?.resume();
        installed(ctx, &name)
    }
}

/// What a call came to.
#[derive(SimpleObject)]
pub struct PluginCall {
    /// What the function answered.
    pub output: Option<Json>,
    /// Why there is no answer.
    pub failure: Option<PluginCallFailure>,
    /// CPU time in milliseconds.
    pub cpu_ms: f64,
    /// The most memory that it had, in bytes.
    pub memory_bytes: f64,
    /// How often it called the host.
    pub host_calls: f64,
    /// What it logged, as far as logs go.
    pub log: Vec<PluginLogLine>,
}

/// Why a call gave no answer.
#[derive(SimpleObject)]
pub struct PluginCallFailure {
    /// `MEMORY`, `TIME`, `TRAP`, …
    pub reason: String,
    /// What callers are told.
    pub message: String,
    /// The bound that was broken.
    pub bound: Option<String>,
    /// How much of it was used.
    pub used: Option<f64>,
    /// How much may be.
    pub allowed: Option<f64>,
    /// What callers are not told: the text and the backtrace of a trap, the plugin's own words.
    pub detail: Option<String>,
}

impl PluginCallFailure {
    fn new(reason: Reason, message: String, bound: Option<&Bound>, detail: Option<String>) -> Self {
        Self {
            reason: reason.to_string(),
            message,
            bound: bound.map(|bound| bound.name.to_owned()),
            used: bound.map(|bound| bound.used as f64),
            allowed: bound.map(|bound| bound.allowed as f64),
            detail,
        }
    }
}

/// A call that broke a bound, or was trapped. Of its `detail` there are the first 16 KiB.
#[derive(SimpleObject)]
pub struct FailedPluginCall {
    /// When it ended.
    pub at: String,
    /// What was called, such as "function `score`".
    pub what: String,
    /// Why it failed.
    #[graphql(flatten)]
    pub failure: PluginCallFailure,
}

impl From<FailedCall> for FailedPluginCall {
    fn from(call: FailedCall) -> Self {
        let FailedCall { at, what, reason, message, bound, detail } = call;
        Self {
            at: DateTime::<Utc>::from(at).to_rfc3339_opts(SecondsFormat::Millis, true),
            what,
            failure: PluginCallFailure::new(reason, message, bound.as_ref(), detail),
        }
    }
}

/// A line of a plugin's log.
#[derive(SimpleObject)]
pub struct PluginLogLine {
    /// `TRACE`, `DEBUG`, `INFO`, `WARN`, `ERROR`.
    pub level: String,
    /// The text.
    pub message: String,
}

impl From<std::result::Result<Outcome, PluginFailure>> for PluginCall {
    fn from(called: std::result::Result<Outcome, PluginFailure>) -> Self {
        let (output, failure, usage, logs) = match called {
            Ok(Outcome { output, usage, logs }) => (Some(output), None, usage, logs),
            Err(PluginFailure { reason, message, bound, diagnosis, .. }) => {
                let Diagnosis { detail, usage, logs } = *diagnosis;
                let detail = Some(detail).filter(|detail| !detail.is_empty());
                let failure = PluginCallFailure::new(reason, message, bound.as_ref(), detail);
                (None, Some(failure), usage, logs)
            }
        };
        let line =
            |line: LogLine| PluginLogLine { level: format!("{:?}", line.level).to_uppercase(), message: line.message };
        Self {
            output,
            failure,
            cpu_ms: usage.cpu_ms,
            memory_bytes: usage.memory_peak as f64,
            host_calls: usage.host_calls as f64,
            log: logs.into_iter().map(line).collect(),
        }
    }
}

fn installed(ctx: &Context<'_>, name: &str) -> Result<Plugin> {
    let plugins = ctx.data_unchecked::<AdminContext>().app.outside.plugins.installed();
    let found = plugins.into_iter().find(|plugin| plugin.name == name).map(Plugin::from);
    found.ok_or_else(|| graphql_error(EngineError::NotFound))
}
