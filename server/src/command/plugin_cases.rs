//! `cardine plugin test`: runs the cases of a plugin without a database, and tells what each of them used.

use std::fmt;
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::sync::Arc;

use anyhow::Context as _;
use cardine_plugin_host::{
    CallContext, CheckedValue, Decision, DeniedServices, HookPhase, HostServices, LoadedPlugin, PluginFailure,
    PluginIssue, RecordChange, RouteAuth, RouteManifest, RouteRequest, RouteResponse, Usage,
};
use serde::Deserialize;
use serde_json::{Map, Value as Json, json};

use super::plugin_case_services::{CaseServices, Exchange};

/// A file of cases.
#[derive(Debug, Deserialize)]
#[serde(untagged)]
enum TestCases {
    Many(Vec<TestCase>),
    One(Box<TestCase>),
}

/// One call, and what is to come of it.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
struct TestCase {
    /// A function of the manifest, with its input.
    function: Option<String>,
    #[serde(default)]
    input: Json,
    /// A validator of the manifest, with values.
    validator: Option<String>,
    #[serde(default)]
    params: Json,
    #[serde(default)]
    values: Vec<Json>,
    /// Computed fields of the manifest, with records.
    #[serde(default)]
    computed: Vec<String>,
    #[serde(default)]
    records: Vec<Json>,
    /// A hook of the manifest, `before` or `after`, with changes of records.
    hook: Option<HookPhase>,
    #[serde(default)]
    module: String,
    #[serde(default)]
    operation: String,
    #[serde(default)]
    changes: Vec<Change>,
    /// A route of the manifest, with a request.
    route: Option<String>,
    #[serde(default)]
    request: Asked,
    /// A job of the manifest, with where it goes on.
    job: Option<String>,
    #[serde(default)]
    cursor: Option<Json>,
    /// The id of the user who causes the call.
    user: Option<String>,
    /// What `config.settings` tells.
    #[serde(default)]
    settings: Option<Json>,
    /// What a function, a hook after writes, a job or a route asks the API, in order, and what it is answered.
    #[serde(default)]
    api: Vec<Exchange>,
    /// What the function answers; where the job goes on; the values of each record's computed fields; what the hook before writes decides of each change; of the
    /// route's answer what is to be there. Absent: anything.
    output: Option<Json>,
    /// The issues that the validator finds: `{item, code}`, the item being the position of the value.
    issues: Option<Json>,
    /// The reason for which there is no answer.
    failure: Option<String>,
    /// The budget of the case.
    cpu_ms: Option<f64>,
    memory_bytes: Option<u64>,
    host_calls: Option<u64>,
    fuel: Option<u64>,
}

/// A change of a record, as the plugin sees it.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
struct Change {
    #[serde(default)]
    id: String,
    before: Option<Map<String, Json>>,
    after: Option<Map<String, Json>>,
}

/// A request to a route.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
struct Asked {
    #[serde(default = "get")]
    method: String,
    #[serde(default)]
    query: String,
    #[serde(default)]
    headers: Map<String, Json>,
    /// A text is sent as it is, all else as JSON.
    #[serde(default)]
    body: Json,
}

impl Default for Asked {
    fn default() -> Self {
        Self { method: get(), query: String::new(), headers: Map::new(), body: Json::Null }
    }
}

fn get() -> String {
    "GET".to_owned()
}

impl fmt::Display for TestCase {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match (&self.hook, &self.route) {
            (Some(phase), _) => write!(formatter, "{} {} of {}", phase.as_str(), self.operation, self.module),
            (_, Some(route)) => write!(formatter, "{} {route}", self.request.method),
            _ => match self.function.as_ref().or(self.validator.as_ref()).or(self.job.as_ref()) {
                Some(name) => formatter.write_str(name),
                None => formatter.write_str(&self.computed.join(", ")),
            },
        }
    }
}

/// What a case may use: what it says itself, or else the plugin's bounds.
struct Budget {
    /// Known of functions; of other calls it depends on how many records or values they are about.
    cpu_ms: Option<f64>,
    memory_bytes: u64,
    host_calls: u64,
    /// The plugin itself has no bound of it.
    fuel: Option<u64>,
}

impl Budget {
    fn of(plugin: &LoadedPlugin, case: &TestCase) -> Self {
        let limits = plugin.limits();
        let named = |name: &String| plugin.manifest().functions().iter().find(|function| function.name == *name);
        let function_ms = case.function.as_ref().and_then(named).map(|function| function.timeout_ms);
        let bound_ms = function_ms.map(|own| own.unwrap_or(limits.cpu_ms).min(limits.cpu_ms_max) as f64);
        Self {
            cpu_ms: case.cpu_ms.or(bound_ms),
            memory_bytes: case.memory_bytes.unwrap_or(limits.memory_bytes as u64),
            host_calls: case.host_calls.unwrap_or(limits.host_calls),
            fuel: case.fuel,
        }
    }
}

/// Runs the cases of the files, in order; fails if one does.
pub async fn run(plugin: &LoadedPlugin, files: &[PathBuf]) -> anyhow::Result<ExitCode> {
    let (mut passed, mut failed) = (0, 0);
    for file in files {
        for (number, case) in read(file)?.into_iter().enumerate() {
            // Cases that fail on purpose must not suspend the plugin for the others.
            plugin.resume();
            let services = Arc::new(CaseServices::new(case.settings.clone(), case.api.clone()));
            let (mut faults, usage) = match outcome(plugin, &case, services.clone()).await {
                Ok((told, usage)) => (faults(&case, &told, &usage), usage),
                Err(missing) => (vec![missing], Usage::default()),
            };
            faults.extend(services.faults());
            let verdict = if faults.is_empty() { "ok" } else { "FAILED" };
            let budget = Budget::of(plugin, &case);
            println!(
                "{verdict:<6} {}:{} {case}  cpu {:.2}{} ms  memory {} of {} KiB  host calls {} of {}  fuel {}{}",
                file.display(),
                number + 1,
                usage.cpu_ms,
                budget.cpu_ms.map_or(String::new(), |most| format!(" of {most}")),
                usage.memory_peak.div_ceil(1024),
                budget.memory_bytes / 1024,
                usage.host_calls,
                budget.host_calls,
                usage.fuel.unwrap_or_default(),
                budget.fuel.map_or(String::new(), |most| format!(" of {most}")),
            );
            for fault in &faults {
                println!("       {fault}");
            }
            if faults.is_empty() { passed += 1 } else { failed += 1 }
        }
    }
    println!("{passed} passed, {failed} failed");
    Ok(if failed == 0 { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

fn read(file: &Path) -> anyhow::Result<Vec<TestCase>> {
    let text = std::fs::read_to_string(file).with_context(|| format!("{} cannot be read", file.display()))?;
    let cases = serde_json::from_str(&text).with_context(|| format!("{} holds no cases", file.display()))?;
    Ok(match cases {
        TestCases::Many(cases) => cases,
        TestCases::One(case) => vec![*case],
    })
}

type Told = Result<Json, PluginFailure>;

/// What came of a case: the answer or the failure, in the words of cases. The error says what the manifest does not have.
async fn outcome(
    plugin: &LoadedPlugin,
    case: &TestCase,
    services: Arc<dyn HostServices>,
) -> Result<(Told, Usage), String> {
    let context = CallContext { request_id: "test".to_owned(), user: case.user.clone(), ..CallContext::default() };
    if let Some(phase) = case.hook {
        return hooked(plugin, case, phase, context, services).await;
    }
    if let Some(path) = &case.route {
        return served(plugin, case, path, context, services).await;
    }
    if let Some(validator) = &case.validator {
        let values = case.values.iter().map(|value| CheckedValue { value: value.clone(), siblings: json!({}) });
        let mut session = plugin.session(services);
        let found = session.validate(&context, validator, &case.params, values.collect()).await;
        let word = |issue: &PluginIssue| json!({"item": issue.item, "code": issue.code});
        return Ok((found.map(|issues| issues.iter().map(word).collect()), session.used()));
    }
    if let Some(job) = &case.job {
        let context = CallContext { is_detached: true, ..context };
        let mut session = plugin.session(services);
        // Any time will do: a case whose answer follows from the hour would hold at that hour alone.
        let next = session.run_job(context, job, 0.0, case.cursor.as_ref()).await;
        return Ok((next.map(Option::unwrap_or_default), session.used()));
    }
    if !case.computed.is_empty() {
        let known = plugin.manifest().computed().iter().find(|known| case.computed.contains(&known.field));
        let known = known.ok_or_else(|| format!("the manifest computes no field {case}"))?;
        let mut session = plugin.session(services);
        let records = case.records.iter().map(Json::to_string).collect();
        let values = session.compute(&context, &known.module, &case.computed, records).await;
        return Ok((values.map(|values| values.into_iter().map(Json::Object).collect()), session.used()));
    }
    let function = case.function.as_deref().unwrap_or_default();
    Ok(match plugin.invoke(context, function, case.input.clone(), services).await {
        Ok(outcome) => (Ok(outcome.output), outcome.usage),
        Err(failure) => {
            let usage = failure.diagnosis.usage;
            (Err(failure), usage)
        }
    })
}

/// A hook gets what the server gives it: within a write nothing, after it all that the case has.
async fn hooked(
    plugin: &LoadedPlugin,
    case: &TestCase,
    phase: HookPhase,
    context: CallContext,
    services: Arc<dyn HostServices>,
) -> Result<(Told, Usage), String> {
    let (module, operation) = (&case.module, &case.operation);
    let is_there = plugin.manifest().hooks().iter().any(|hook| {
        hook.phase == phase && (hook.module == *module || hook.module == "*") && hook.operation.contains(operation)
    });
    if !is_there {
        return Err(format!("the manifest has no hook {case}"));
    }
    let changes = case.changes.iter().map(seen).collect();
    Ok(match phase {
        HookPhase::Before => {
            let mut session = plugin.session(Arc::new(DeniedServices));
            let decisions = session.before_write(&context, module, operation, changes).await;
            (decisions.map(|decisions| decisions.iter().map(decided).collect()), session.used())
        }
        HookPhase::After => {
            let context = CallContext { is_detached: true, ..context };
            let mut session = plugin.session(services);
            let told = session.after_write(&context, module, operation, changes).await;
            (told.map(|()| Json::Null), session.used())
        }
    })
}

fn seen(change: &Change) -> RecordChange {
    let images = [&change.before, &change.after];
    let visible = images.into_iter().flatten().flat_map(|image| image.keys().cloned()).collect();
    RecordChange::seen(change.id.clone(), change.before.clone(), change.after.clone(), &visible)
}

fn decided(decision: &Decision) -> Json {
    match decision {
        Decision::Keep => json!("keep"),
        Decision::Patch(patch) => json!({"patch": patch}),
        Decision::Veto(issues) => json!({"veto": issues.iter().map(|issue| &issue.code).collect::<Vec<_>>()}),
    }
}

async fn served(
    plugin: &LoadedPlugin,
    case: &TestCase,
    path: &str,
    context: CallContext,
    services: Arc<dyn HostServices>,
) -> Result<(Told, Usage), String> {
    let asked = &case.request;
    let is_asked = |route: &&RouteManifest| route.path == path && route.methods.contains(&asked.method);
    let route = plugin.manifest().routes().iter().find(is_asked);
    let route = route.ok_or_else(|| format!("the manifest has no route {case}"))?;
    let text = |value: &Json| value.as_str().map_or_else(|| value.to_string(), str::to_owned);
    let request = RouteRequest {
        method: asked.method.clone(),
        path: path.to_owned(),
        query: asked.query.clone(),
        headers: asked.headers.iter().map(|(name, value)| (name.to_lowercase(), text(value))).collect(),
        body: if asked.body.is_null() { Vec::new() } else { text(&asked.body).into_bytes() },
        verified: route.auth != RouteAuth::None,
    };
    let mut session = plugin.session(services);
    let answer = session.serve(context, path, request).await;
    Ok((answer.map(answered), session.used()))
}

/// The body is JSON where it can be read as that.
fn answered(response: RouteResponse) -> Json {
    let body = serde_json::from_slice(&response.body)
        .unwrap_or_else(|_| Json::from(String::from_utf8_lossy(&response.body).into_owned()));
    let headers = response.headers.into_iter().map(|(name, value)| (name.to_lowercase(), Json::from(value)));
    json!({"status": response.status, "headers": headers.collect::<Map<_, _>>(), "body": body})
}

/// Of a route's answer only what the case names is compared.
fn is_expected(case: &TestCase, expected: &Json, output: &Json) -> bool {
    let parts = |of: &Json| of.as_object().cloned().unwrap_or_default();
    let has = |output: &Json, (key, value): (&String, &Json)| output.get(key) == Some(value);
    if case.route.is_none() {
        return expected == output;
    }
    expected.is_object()
        && parts(expected).iter().all(|(key, value)| match key.as_str() {
            "headers" => parts(value).iter().all(|header| has(&output["headers"], header)),
            _ => has(output, (key, value)),
        })
}

fn faults(case: &TestCase, told: &Told, usage: &Usage) -> Vec<String> {
    let mut faults = Vec::new();
    let expected = if case.validator.is_some() { &case.issues } else { &case.output };
    match (told, &case.failure) {
        (Ok(output), None) => {
            if expected.as_ref().is_some_and(|expected| !is_expected(case, expected, output)) {
                faults.push(format!("answered {output}"));
            }
        }
        (Ok(output), Some(reason)) => faults.push(format!("answered {output}, and was to fail with {reason}")),
        (Err(failure), reason) if reason.as_deref() != Some(failure.reason.as_str()) => {
            faults.push(format!("failed with {}: {failure} {}", failure.reason, failure.diagnosis.detail));
        }
        (Err(_), _) => {}
    }
    let mut over = |what: &str, used: f64, allowed: Option<f64>| {
        if let Some(allowed) = allowed.filter(|allowed| used > *allowed) {
            faults.push(format!("{what} {used} over the budget of {allowed}"));
        }
    };
    over("cpuMs", usage.cpu_ms, case.cpu_ms);
    over("memoryBytes", usage.memory_peak as f64, case.memory_bytes.map(|bytes| bytes as f64));
    over("hostCalls", usage.host_calls as f64, case.host_calls.map(|calls| calls as f64));
    over("fuel", usage.fuel.unwrap_or_default() as f64, case.fuel.map(|fuel| fuel as f64));
    faults
}
