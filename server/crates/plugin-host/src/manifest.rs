//! What a plugin says about itself in `plugin.json`.

use std::collections::HashSet;

use serde::Deserialize;
use serde_json::Value;

use crate::issue::{Issue, PathStep};

/// What stands in the place of a plugin's name where requests start workflows.
const WORKFLOWS: &str = "workflows";

/// Letters of a workflow's name.
const WORKFLOW_NAME_MAX: usize = 64;

/// More issues than this tell nothing new.
const ISSUES_MAX: usize = 50;

/// A checked `plugin.json`.
#[derive(Debug, Clone, PartialEq)]
pub struct Manifest {
    typed: TypedManifest,
    raw: Value,
}

#[derive(Debug, Clone, PartialEq, Deserialize)]
#[serde(rename_all = "camelCase")]
struct TypedManifest {
    name: String,
    version: String,
    title: String,
    min_server: Option<String>,
    #[serde(default)]
    functions: Vec<FunctionManifest>,
    #[serde(default)]
    hooks: Vec<HookManifest>,
    #[serde(default)]
    validators: Vec<ValidatorManifest>,
    #[serde(default)]
    computed: Vec<ComputedManifest>,
    #[serde(default)]
    routes: Vec<RouteManifest>,
    #[serde(default)]
    jobs: Vec<JobManifest>,
    #[serde(default)]
    secrets: Vec<SecretManifest>,
    settings_schema: Option<Value>,
    #[serde(default)]
    limits: LimitWishes,
}

/// A secret that an administrator stores for the plugin.
#[derive(Debug, Clone, PartialEq, Deserialize)]
pub struct SecretManifest {
    /// Unique within the plugin.
    pub name: String,
    /// Hosts that it may be sent to; absent: all that the plugin may call.
    pub hosts: Option<Vec<String>>,
}

/// Bounds that a plugin wishes for; the operator's maxima hold them.
#[derive(Debug, Clone, Default, PartialEq, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct LimitWishes {
    /// Linear memory of one instance, in bytes.
    pub memory_bytes: Option<u64>,
    /// CPU time of one call where the function does not say, in milliseconds.
    pub timeout_ms: Option<u64>,
    /// Answer of one call, in bytes.
    pub output_bytes: Option<u64>,
    /// Calls of the host in one operation.
    pub host_calls: Option<u64>,
    /// Nesting of calls that it causes.
    pub depth: Option<u64>,
}

/// A function that workflow steps may call.
#[derive(Debug, Clone, PartialEq, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct FunctionManifest {
    /// Unique within the plugin, in lower case with hyphens.
    pub name: String,
    /// What it does, for people who choose it in a workflow.
    pub description: Option<String>,
    /// JSON Schema that every input must fit; absent: anything.
    pub input_schema: Option<Value>,
    /// JSON Schema that every output must fit; absent: anything.
    pub output_schema: Option<Value>,
    /// CPU time that a call may take, in milliseconds; the operator's maximum holds it.
    pub timeout_ms: Option<u64>,
    /// Whether a call may be repeated without harm.
    #[serde(default)]
    pub idempotent: bool,
}

/// A call before or after records are written.
#[derive(Debug, Clone, PartialEq, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct HookManifest {
    /// A module by name, or `*` for each that the plugin may read.
    pub module: String,
    /// `create`, `update`, `delete`, `restore`.
    pub operation: Vec<String>,
    /// When it is called.
    pub phase: HookPhase,
    /// Of updates only those that change one of these fields; absent: all.
    pub fields: Option<Vec<String>>,
    /// A reference: the hook sees the live records that share it with a change.
    pub siblings: Option<String>,
    /// A rule over the record; only records that meet it.
    pub filter: Option<String>,
    /// Smaller ones go first.
    #[serde(default)]
    pub order: i32,
    /// Whether a call that failed refuses the write.
    #[serde(default)]
    pub on_error: OnError,
}

/// When a hook is called.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum HookPhase {
    /// In the write's transaction: it may change or refuse it.
    Before,
    /// Once it is committed.
    After,
}

impl HookPhase {
    /// As the manifest writes it.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Before => "before",
            Self::After => "after",
        }
    }
}

/// What a hook's failed call does to the write.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum OnError {
    /// It is refused.
    #[default]
    Fail,
    /// It goes on as if there were no hook.
    Ignore,
}

/// A check of values.
#[derive(Debug, Clone, PartialEq, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct ValidatorManifest {
    /// Unique within the plugin.
    pub name: String,
    /// Types of field, as definitions of modules name them.
    pub applies_to: Vec<String>,
    /// JSON Schema of the parameters that a field's definition gives; absent: none may be given.
    pub params_schema: Option<Value>,
}

/// A field whose values the plugin computes.
#[derive(Debug, Clone, PartialEq, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct ComputedManifest {
    /// The module that it is made for.
    pub module: String,
    /// Its name; unique within the plugin.
    pub field: String,
    /// The type of its values, as definitions of modules name it.
    #[serde(rename = "type")]
    pub returns: String,
    /// What the plugin is told of a record: names of fields, or its own names for them.
    pub inputs: Vec<String>,
}

/// Work at given times.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct JobManifest {
    /// Unique within the plugin, in lower case with hyphens.
    pub name: String,
    /// When it is due: five fields of cron.
    pub schedule: String,
    /// The IANA time zone of its times; absent: UTC.
    pub time_zone: Option<String>,
}

/// An address that the plugin answers at.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct RouteManifest {
    /// Behind the plugin's own address; begins with a slash.
    pub path: String,
    /// `GET`, `POST`, …
    pub methods: Vec<String>,
    /// Who may come.
    pub auth: RouteAuth,
    /// Longest body, in bytes.
    #[serde(default = "mebibyte")]
    pub max_body: usize,
}

/// Who may come to a route.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum RouteAuth {
    /// Anybody.
    None,
    /// Whoever shows an API key.
    ApiKey,
    /// Whoever is signed in.
    User,
    /// Whoever signs what it sends.
    Hmac(HmacManifest),
}

/// How what is sent to a route is signed.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
pub struct HmacManifest {
    /// The header with the code, in hexadecimal digits.
    pub header: String,
    /// The name of the secret.
    pub secret: String,
    /// How the code is made of secret and body.
    #[serde(default)]
    pub algorithm: HmacAlgorithm,
}

/// A hash that codes are made with.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum HmacAlgorithm {
    /// Of 32 bytes.
    #[default]
    Sha256,
    /// Of 64 bytes.
    Sha512,
}

fn mebibyte() -> usize {
    1 << 20
}

impl ValidatorManifest {
    /// What is wrong with these parameters.
    pub fn params_issues(&self, params: &Value) -> Vec<Issue> {
        let Some(schema) = &self.params_schema else {
            let is_none = params.is_null() || params.as_object().is_some_and(serde_json::Map::is_empty);
            let message = format!("the validator `{}` takes no parameters", self.name);
            return if is_none { Vec::new() } else { vec![Issue::new(Vec::new(), "params", message)] };
        };
        // A manifest that was read has schemas that compile.
        let Ok(schema) = compile_schema(schema) else { return Vec::new() };
        schema.iter_errors(params).map(|error| Issue::from_schema(&error)).take(ISSUES_MAX).collect()
    }
}

impl Manifest {
    /// Parses and checks the text of a `plugin.json`.
    ///
    /// # Errors
    /// All issues at once, at most 50.
    pub fn parse(text: &str) -> Result<Self, Vec<Issue>> {
        let raw: Value = serde_json::from_str(text)
            .map_err(|error| vec![Issue::new(vec![], "json", format!("malformed JSON: {error}"))])?;
        let mut issues = shape_issues(&raw);
        issues.extend(meaning_issues(&raw));
        if !issues.is_empty() {
            issues.truncate(ISSUES_MAX);
            return Err(issues);
        }
        match TypedManifest::deserialize(&raw) {
            Ok(typed) => Ok(Self { typed, raw }),
            Err(error) => Err(vec![Issue::new(vec![], "shape", error.to_string())]),
        }
    }

    /// The plugin's name: unique on a server, in lower case with hyphens.
    pub fn name(&self) -> &str {
        &self.typed.name
    }

    /// The plugin's own version, a semantic version.
    pub fn version(&self) -> &str {
        &self.typed.version
    }

    /// The name for people.
    pub fn title(&self) -> &str {
        &self.typed.title
    }

    /// The bounds that the plugin wishes for.
    pub fn limits(&self) -> &LimitWishes {
        &self.typed.limits
    }

    /// The lowest server version that the plugin runs on.
    pub fn min_server(&self) -> Option<&str> {
        self.typed.min_server.as_deref()
    }

    /// The functions that workflow steps may call.
    pub fn functions(&self) -> &[FunctionManifest] {
        &self.typed.functions
    }

    /// The calls before and after records are written.
    pub fn hooks(&self) -> &[HookManifest] {
        &self.typed.hooks
    }

    /// Whether there is a hook after writes of the module, by this operation or by any.
    pub fn has_hook_after(&self, module: &str, operation: Option<&str>) -> bool {
        let is_about = |hook: &HookManifest| {
            let has = |operation: &str| hook.operation.iter().any(|known| known == operation);
            hook.phase == HookPhase::After && hook.module == module && operation.is_none_or(has)
        };
        self.hooks().iter().any(is_about)
    }

    /// The checks of values.
    pub fn validators(&self) -> &[ValidatorManifest] {
        &self.typed.validators
    }

    /// The fields whose values it computes.
    pub fn computed(&self) -> &[ComputedManifest] {
        &self.typed.computed
    }

    /// The addresses that it answers at.
    pub fn routes(&self) -> &[RouteManifest] {
        &self.typed.routes
    }

    /// The work at given times.
    pub fn jobs(&self) -> &[JobManifest] {
        &self.typed.jobs
    }

    /// The names of the events that it asks to emit.
    pub fn events(&self) -> impl Iterator<Item = &str> {
        let asked = self.raw.pointer("/permissions/events/emit").and_then(Value::as_array);
        asked.into_iter().flatten().filter_map(Value::as_str)
    }

    /// The secrets that an administrator stores for it.
    pub fn secrets(&self) -> &[SecretManifest] {
        &self.typed.secrets
    }

    /// What is wrong with an administrator's settings.
    pub fn settings_issues(&self, settings: &Value) -> Vec<Issue> {
        let Some(schema) = &self.typed.settings_schema else {
            return vec![Issue::new(Vec::new(), "settings", format!("the plugin `{}` has no settings", self.name()))];
        };
        if !settings.is_object() {
            return vec![Issue::new(Vec::new(), "type", "settings are a JSON object".to_owned())];
        }
        // A manifest that was read has schemas that compile.
        let Ok(schema) = compile_schema(schema) else { return Vec::new() };
        schema.iter_errors(settings).map(|error| Issue::from_schema(&error)).take(ISSUES_MAX).collect()
    }

    /// The whole document: module definitions, wanted permissions and settings schema are read from
    /// here by the parts of the server that grant or install them.
    pub fn raw(&self) -> &Value {
        &self.raw
    }

    /// Paths at which two manifests differ, at most ten.
    #[cfg(feature = "runtime")]
    pub(crate) fn differences(&self, other: &Value) -> Vec<String> {
        let mut found = Vec::new();
        collect_differences(&self.raw, other, &mut Vec::new(), &mut found);
        found.truncate(10);
        found
    }
}

fn shape_issues(raw: &Value) -> Vec<Issue> {
    let schema: Value = serde_json::from_str(include_str!("../../../../schema/plugin.schema.json"))
        .expect("the manifest's schema is valid JSON");
    let validator =
        jsonschema::options().offline().build(&schema).expect("the manifest's schema is a valid JSON Schema");
    validator.iter_errors(raw).map(|error| Issue::from_schema(&error)).take(ISSUES_MAX).collect()
}

/// What a JSON Schema cannot say: unique names, schemas that are schemas.
fn meaning_issues(raw: &Value) -> Vec<Issue> {
    let mut issues = Vec::new();
    named_entries(raw, "functions", "function", &["inputSchema", "outputSchema"], &mut issues);
    named_entries(raw, "validators", "validator", &["paramsSchema"], &mut issues);
    named_entries(raw, "jobs", "job", &[], &mut issues);
    named_entries(raw, "secrets", "secret", &[], &mut issues);
    named_entries(raw, "modules", "module", &[], &mut issues);
    named_entries(raw, "roles", "role", &[], &mut issues);
    named_entries(raw, "workflows", "workflow", &[], &mut issues);
    job_issues(raw, &mut issues);
    computed_issues(raw, &mut issues);
    route_issues(raw, &mut issues);
    if let Some(Err(error)) = raw.get("settingsSchema").map(compile_schema) {
        let message = format!("not a JSON Schema that can be used: {error}");
        issues.push(Issue::new(vec!["settingsSchema".into()], "schema", message));
    }
    issues
}

/// The name of the workflow that a plugin's job becomes.
pub fn job_workflow(plugin: &str, job: &str) -> String {
    format!("{plugin}-job-{job}")
}

/// The workflows that jobs become have names that workflows may have, and that no other of the package has.
fn job_issues(raw: &Value, issues: &mut Vec<Issue>) {
    let list = |key: &str| raw.get(key).and_then(Value::as_array).map(Vec::as_slice).unwrap_or_default();
    let Some(plugin) = raw["name"].as_str() else { return };
    for (index, job) in list("jobs").iter().enumerate() {
        let Some(job) = job["name"].as_str() else { continue };
        let workflow = job_workflow(plugin, job);
        let letters = workflow.len();
        if letters > WORKFLOW_NAME_MAX {
            let message = format!(
                "the job becomes the workflow `{workflow}`, whose name has {letters} letters; at most {WORKFLOW_NAME_MAX} are allowed"
            );
            issues.push(Issue::new(vec!["jobs".into(), index.into(), "name".into()], "maxLength", message));
        }
        if let Some(index) = list("workflows").iter().position(|own| own["name"] == *workflow) {
            let message = format!("the job `{job}` becomes a workflow of this name");
            issues.push(Issue::new(vec!["workflows".into(), index.into(), "name".into()], "duplicate", message));
        }
    }
}

/// A definition names a computed field by the plugin and the field alone.
fn computed_issues(raw: &Value, issues: &mut Vec<Issue>) {
    let entries = raw.get("computed").and_then(Value::as_array).map(Vec::as_slice).unwrap_or_default();
    let mut names = HashSet::new();
    for (index, entry) in entries.iter().enumerate() {
        let mut refuse = |key: &str, rule: &str, message: String| {
            issues.push(Issue::new(vec!["computed".into(), index.into(), key.into()], rule, message));
        };
        if let Some(name) = entry.get("field").and_then(Value::as_str)
            && !names.insert(name)
        {
            refuse("field", "duplicate", format!("there is another computed field `{name}`; names must be unique"));
        }
        if entry.get("cache").is_some_and(|cache| cache == "stored") {
            let message = "this server keeps no computed values: it computes them when they are selected";
            refuse("cache", "unsupported", message.to_owned());
        }
    }
}

/// One answer for each path and method, and secrets that are there.
fn route_issues(raw: &Value, issues: &mut Vec<Issue>) {
    let list = |key: &str| raw.get(key).and_then(Value::as_array).map(Vec::as_slice).unwrap_or_default();
    let mut taken = HashSet::new();
    for (index, route) in list("routes").iter().enumerate() {
        let mut refuse = |key: &str, rule: &str, message: String| {
            issues.push(Issue::new(vec!["routes".into(), index.into(), key.into()], rule, message));
        };
        if raw["name"] == WORKFLOWS {
            refuse("path", "nameTaken", format!("addresses below `/hooks/{WORKFLOWS}` are those of workflows"));
        }
        for method in route["methods"].as_array().into_iter().flatten().filter_map(Value::as_str) {
            if !taken.insert((route["path"].as_str().unwrap_or_default(), method)) {
                refuse("methods", "duplicate", format!("there is another route for {method} of this path"));
            }
        }
        if let Some(name) = route["auth"].pointer("/hmac/secret")
            && !list("secrets").iter().any(|secret| secret["name"] == *name)
        {
            refuse("auth", "unknownSecret", format!("`secrets` names no {name}"));
        }
    }
}

fn named_entries(raw: &Value, list: &str, what: &str, schemas: &[&str], issues: &mut Vec<Issue>) {
    let none = Vec::new();
    let entries = raw.get(list).and_then(Value::as_array).unwrap_or(&none);
    let mut names = HashSet::new();
    for (index, entry) in entries.iter().enumerate() {
        let path = |key: &str| -> Vec<PathStep> { vec![list.into(), index.into(), key.into()] };
        if let Some(name) = entry.get("name").and_then(Value::as_str)
            && !names.insert(name)
        {
            let message = format!("there is another {what} `{name}`; names must be unique");
            issues.push(Issue::new(path("name"), "duplicate", message));
        }
        for key in schemas {
            if let Some(schema) = entry.get(*key)
                && let Err(error) = compile_schema(schema)
            {
                let message = format!("not a JSON Schema that can be used: {error}");
                issues.push(Issue::new(path(key), "schema", message));
            }
        }
    }
}

/// Compiles a schema that a plugin brought: no network, and regular expressions that take linear
/// time, so that no pattern can hold up the server.
pub(crate) fn compile_schema(schema: &Value) -> Result<jsonschema::Validator, String> {
    jsonschema::options()
        .offline()
        .with_pattern_options(jsonschema::PatternOptions::regex())
        .build(schema)
        .map_err(|error| error.to_string())
}

#[cfg(feature = "runtime")]
fn collect_differences(left: &Value, right: &Value, path: &mut Vec<String>, found: &mut Vec<String>) {
    match (left, right) {
        (Value::Object(left), Value::Object(right)) => {
            let only_right = right.keys().filter(|key| !left.contains_key(*key));
            for key in left.keys().chain(only_right) {
                path.push(key.clone());
                let absent = Value::Null;
                collect_differences(left.get(key).unwrap_or(&absent), right.get(key).unwrap_or(&absent), path, found);
                path.pop();
            }
        }
        (Value::Array(left), Value::Array(right)) if left.len() == right.len() => {
            for (index, (left, right)) in left.iter().zip(right).enumerate() {
                path.push(index.to_string());
                collect_differences(left, right, path, found);
                path.pop();
            }
        }
        (left, right) if left == right => {}
        _ if path.is_empty() => found.push("the whole document".to_owned()),
        _ => found.push(path.join(".")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const GOOD: &str = r#"{"name": "deal-score", "version": "0.1.0", "title": "Deal score", "api": "0.1",
        "functions": [{"name": "score", "inputSchema": {"type": "object"}, "timeoutMs": 500}]}"#;

    #[test]
    fn a_good_manifest_is_read() {
        let manifest = Manifest::parse(GOOD).unwrap();
        assert_eq!((manifest.name(), manifest.version()), ("deal-score", "0.1.0"));
        assert_eq!(manifest.title(), "Deal score");
        assert_eq!(manifest.functions()[0].timeout_ms, Some(500));
    }

    #[test]
    fn routes_are_told_apart_and_their_secrets_are_there() {
        let text = |name: &str, routes: Value| {
            serde_json::json!({"name": name, "version": "1.0.0", "title": "P", "api": "0.1", "routes": routes,
                "secrets": [{"name": "SHOP"}]})
            .to_string()
        };
        let route =
            |path: &str, auth: Value| serde_json::json!({"path": path, "methods": ["GET", "POST"], "auth": auth});
        let hmac = |secret: &str| serde_json::json!({"hmac": {"header": "X-Signature", "secret": secret}});
        let good =
            Manifest::parse(&text("p", serde_json::json!([route("/", "user".into()), route("/a", hmac("SHOP"))])))
                .unwrap();
        let signed = HmacManifest {
            header: "X-Signature".to_owned(),
            secret: "SHOP".to_owned(),
            algorithm: HmacAlgorithm::Sha256,
        };
        assert_eq!(good.routes()[0].auth, RouteAuth::User);
        assert_eq!((&good.routes()[1].auth, good.routes()[1].max_body), (&RouteAuth::Hmac(signed), 1 << 20));
        let rules = |name: &str, routes: Value| -> Vec<String> {
            Manifest::parse(&text(name, routes)).unwrap_err().into_iter().map(|issue| issue.rule).collect()
        };
        let twice =
            serde_json::json!([route("/a", "none".into()), {"path": "/a", "methods": ["POST"], "auth": "user"}]);
        assert_eq!(rules("p", twice), ["duplicate"]);
        assert_eq!(rules("p", serde_json::json!([route("/a", hmac("OTHER"))])), ["unknownSecret"]);
        assert_eq!(rules("workflows", serde_json::json!([route("/a", "none".into())])), ["nameTaken"]);
        assert!(!rules("p", serde_json::json!([route("/a", "everybody".into())])).is_empty());
    }

    #[test]
    fn the_workflows_of_jobs_have_names_of_their_own() {
        let faults = |plugin: &str, workflow: &str| -> Vec<String> {
            let text = serde_json::json!({"name": plugin, "version": "1.0.0", "title": "P", "api": "0.1",
                "jobs": [{"name": "sync", "schedule": "0 * * * *"}], "workflows": [{"name": workflow}]});
            let issues = Manifest::parse(&text.to_string()).err().unwrap_or_default();
            issues.iter().map(|issue| issue.to_string().split(':').next().unwrap().to_owned()).collect()
        };
        assert!(faults("stock", "stock-sync").is_empty());
        assert_eq!(faults("stock", "stock-job-sync"), ["workflows[0].name"]);
        let longest = 64 - "-job-sync".len();
        assert!(faults(&"p".repeat(longest), "stock-sync").is_empty());
        assert_eq!(faults(&"p".repeat(longest + 1), "stock-sync"), ["jobs[0].name"]);
    }

    #[test]
    fn all_issues_are_reported_at_once() {
        let text = r#"{"name": "Deal Score", "version": "new", "api": "0.9", "colour": 1,
            "functions": [{"name": "a", "inputSchema": {"type": "objekt"}}, {"name": "a"}, {}]}"#;
        let issues = Manifest::parse(text).unwrap_err();
        let found: Vec<String> = issues.iter().map(ToString::to_string).collect();
        for start in ["name:", "version:", "api:", "functions[0].inputSchema:", "functions[1].name:", "functions[2]:"] {
            assert!(found.iter().any(|issue| issue.starts_with(start)), "{start} in {found:#?}");
        }
        assert!(found.iter().any(|issue| issue.contains("colour")), "{found:#?}");
    }

    #[test]
    fn malformed_json_is_one_issue() {
        assert_eq!(Manifest::parse("{").unwrap_err()[0].rule, "json");
    }

    #[test]
    fn schemas_from_the_network_are_refused() {
        let text = GOOD.replace(r#"{"type": "object"}"#, r#"{"$ref": "https://example.org/schema.json"}"#);
        assert_eq!(Manifest::parse(&text).unwrap_err()[0].rule, "schema");
    }

    #[cfg(feature = "runtime")]
    #[test]
    fn differences_name_their_place() {
        let manifest = Manifest::parse(GOOD).unwrap();
        assert!(manifest.differences(manifest.raw()).is_empty());
        let mut other = manifest.raw().clone();
        other["functions"][0]["name"] = "steal".into();
        other["title"] = "x".into();
        assert_eq!(manifest.differences(&other), ["title", "functions.0.name"]);
    }
}
