//! `cardine plugin test`: runs the cases of a plugin without a database, and tells what each of them used.

use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::sync::Arc;

use anyhow::Context as _;
use cardine_plugin_host::{CallContext, CheckedValue, HostServices, LoadedPlugin, PluginFailure, PluginIssue, Usage};
use serde::Deserialize;
use serde_json::{Value as Json, json};

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
    /// What `config.settings` tells.
    #[serde(default)]
    settings: Option<Json>,
    /// What the function answers, or the values of each record's computed fields; absent: anything.
    output: Option<Json>,
    /// The issues that the validator finds: `{item, code}`, the item being the position of the value.
    issues: Option<Json>,
    /// The reason for which there is no answer.
    failure: Option<String>,
    /// The budget of the case.
    cpu_ms: Option<f64>,
    memory_bytes: Option<u64>,
    host_calls: Option<u64>,
}

/// Everything is denied but settings: what a case needs stands in it.
struct CaseServices {
    settings: Json,
}

impl HostServices for CaseServices {
    fn settings(&self) -> Json {
        self.settings.clone()
    }
}

/// Runs the cases of the files, in order; fails if one does.
pub async fn run(plugin: &LoadedPlugin, files: &[PathBuf]) -> anyhow::Result<ExitCode> {
    let (mut passed, mut failed) = (0, 0);
    for file in files {
        for (number, case) in read(file)?.into_iter().enumerate() {
            // Cases that fail on purpose must not suspend the plugin for the others.
            plugin.resume();
            let (told, usage) = outcome(plugin, &case).await;
            let faults = faults(&case, &told, &usage);
            let computed = case.computed.join(", ");
            let called = case.function.as_deref().or(case.validator.as_deref()).unwrap_or(&computed);
            let verdict = if faults.is_empty() { "ok" } else { "FAILED" };
            println!(
                "{verdict:<6} {}:{} {called}  cpu {:.2} ms  memory {} KiB  host calls {}",
                file.display(),
                number + 1,
                usage.cpu_ms,
                usage.memory_peak.div_ceil(1024),
                usage.host_calls,
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

/// What came of a case: the answer or the failure, in the words of cases.
async fn outcome(plugin: &LoadedPlugin, case: &TestCase) -> (Result<Json, PluginFailure>, Usage) {
    let settings = case.settings.clone().unwrap_or_else(|| json!({}));
    let services: Arc<dyn HostServices> = Arc::new(CaseServices { settings });
    let context = CallContext { request_id: "test".to_owned(), ..CallContext::default() };
    if let Some(validator) = &case.validator {
        let values = case.values.iter().map(|value| CheckedValue { value: value.clone(), siblings: json!({}) });
        let mut session = plugin.session(services);
        let found = session.validate(&context, validator, &case.params, values.collect()).await;
        let word = |issue: &PluginIssue| json!({"item": issue.item, "code": issue.code});
        return (found.map(|issues| issues.iter().map(word).collect()), session.used());
    }
    if !case.computed.is_empty() {
        let mut session = plugin.session(services);
        let records = case.records.iter().map(Json::to_string).collect();
        let known = plugin.manifest().computed().iter().find(|known| case.computed.contains(&known.field));
        let module = known.map_or("", |known| &known.module);
        let values = session.compute(&context, module, &case.computed, records).await;
        return (values.map(|values| values.into_iter().map(Json::Object).collect()), session.used());
    }
    let function = case.function.as_deref().unwrap_or_default();
    match plugin.invoke(context, function, case.input.clone(), services).await {
        Ok(outcome) => (Ok(outcome.output), outcome.usage),
        Err(failure) => {
            let usage = failure.diagnosis.usage;
            (Err(failure), usage)
        }
    }
}

fn faults(case: &TestCase, told: &Result<Json, PluginFailure>, usage: &Usage) -> Vec<String> {
    let mut faults = Vec::new();
    let expected = if case.validator.is_some() { &case.issues } else { &case.output };
    match (told, &case.failure) {
        (Ok(output), None) => {
            if expected.as_ref().is_some_and(|expected| expected != output) {
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
    faults
}
