//! Workflow documents as they are written, as far as the server carries them out.

use std::collections::BTreeMap;
use std::sync::LazyLock;

use cardine_model::{Issue, PathSegment};
use jsonschema::error::ValidationErrorKind;
use serde::Deserialize;
use serde_json::Value as Json;

/// The JSON Schema of workflow documents.
pub const WORKFLOW_SCHEMA: &str = include_str!("../../../../schema/workflow.schema.json");

/// A workflow's document. What the schema allows beyond this is told as not available when it is saved.
#[derive(Debug, Clone, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Definition {
    pub name: String,
    pub module: Option<String>,
    #[serde(default)]
    pub status: Status,
    #[serde(default)]
    pub run_as: RunAs,
    #[serde(default)]
    pub timing: Timing,
    pub trigger: Trigger,
    pub steps: Vec<Step>,
    /// Of every step that does not say otherwise.
    pub retry: Option<Retry>,
}

/// Whether a workflow does anything.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Deserialize)]
#[serde(rename_all = "SCREAMING_SNAKE_CASE")]
pub(crate) enum Status {
    /// It starts nothing: it is still being written.
    Draft,
    /// Its trigger starts runs.
    #[default]
    Active,
    /// It starts nothing, and its runs rest where they are.
    Paused,
}

impl Status {
    /// As it is kept and told.
    pub fn name(self) -> &'static str {
        match self {
            Self::Draft => "DRAFT",
            Self::Active => "ACTIVE",
            Self::Paused => "PAUSED",
        }
    }
}

/// How a step is tried again.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Retry {
    /// How often, after the first try.
    pub times: Option<u32>,
    /// The first wait; each further one is twice as long.
    pub first_after: Option<String>,
    /// The longest wait.
    pub at_most: Option<String>,
    /// Of errors of one class, what is different.
    #[serde(default)]
    pub by_error: BTreeMap<ErrorClass, RetryOf>,
}

/// How a step is tried again after errors of one class; what is left out is as for the others.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct RetryOf {
    pub times: Option<u32>,
    pub first_after: Option<String>,
    pub at_most: Option<String>,
}

/// What kind of error a later try may help with. What has no class fails the step at once, however often it were tried.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Deserialize)]
#[serde(rename_all = "SCREAMING_SNAKE_CASE")]
pub(crate) enum ErrorClass {
    /// Whoever was asked outside gave no answer in time.
    Timeout,
    /// There was no connection to whoever was to be asked outside, or it broke.
    Network,
    /// Whoever was asked outside, or a plugin, can't do it now.
    Upstream,
    /// It was asked too often: outside, or of a plugin that is busy or rests.
    RateLimited,
    /// The database can't be reached, modules have just changed, or the plugin is not installed.
    Unavailable,
    /// Another record, or another state of what is outside, is in the way.
    Conflict,
    /// A plugin broke one of its bounds.
    PluginLimit,
}

impl ErrorClass {
    pub const ALL: [Self; 7] = [
        Self::Timeout,
        Self::Network,
        Self::Upstream,
        Self::RateLimited,
        Self::Unavailable,
        Self::Conflict,
        Self::PluginLimit,
    ];

    /// As documents and administrators call it.
    pub fn name(self) -> &'static str {
        match self {
            Self::Timeout => "TIMEOUT",
            Self::Network => "NETWORK",
            Self::Upstream => "UPSTREAM",
            Self::RateLimited => "RATE_LIMITED",
            Self::Unavailable => "UNAVAILABLE",
            Self::Conflict => "CONFLICT",
            Self::PluginLimit => "PLUGIN_LIMIT",
        }
    }

    /// Whether time alone makes it pass, so that it is tried again where nothing is said of it.
    pub fn passes(self) -> bool {
        !matches!(self, Self::Conflict | Self::PluginLimit)
    }
}

/// Whose rights the steps have.
#[derive(Debug, Clone, PartialEq, Eq, Default, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) enum RunAs {
    /// Those that the author has when the step runs.
    #[default]
    Author,
    /// Those of whoever caused the event.
    Actor,
    /// Those of a role.
    #[serde(untagged)]
    Role { role: String },
}

/// When the steps run.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Deserialize)]
#[serde(rename_all = "SCREAMING_SNAKE_CASE")]
pub(crate) enum Timing {
    /// Queued in the write's transaction.
    #[default]
    AfterCommit,
    /// Inside the write.
    BeforeCommit,
}

/// What starts a run: one of these.
#[derive(Debug, Clone, Deserialize)]
pub(crate) struct Trigger {
    pub on: Option<Vec<String>>,
    #[serde(default)]
    pub changed: Vec<String>,
    pub when: Option<String>,
    pub schedule: Option<Schedule>,
    pub manual: Option<Manual>,
    pub date: Option<DateTrigger>,
    pub webhook: Option<WebhookTrigger>,
    pub event: Option<EventTrigger>,
    pub workflow: Option<Called>,
}

/// Starts a run at given times.
#[derive(Debug, Clone, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Schedule {
    pub cron: String,
    pub time_zone: Option<String>,
}

/// Starts a run at a time relative to a date of each record.
#[derive(Debug, Clone, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct DateTrigger {
    pub field: String,
    pub offset: Option<String>,
    pub at: Option<String>,
    pub time_zone: Option<String>,
}

/// Starts a run where a person says so.
#[derive(Debug, Clone, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Manual {
    pub input_schema: Option<Json>,
}

/// Starts a run where a request comes in.
#[derive(Debug, Clone, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct WebhookTrigger {
    /// A part of the address.
    pub path: String,
    /// The name of the secret that callers sign with.
    pub secret: Option<String>,
    pub input_schema: Option<Json>,
}

/// Starts a run where a plugin says that something has happened.
#[derive(Debug, Clone, Deserialize)]
pub(crate) struct EventTrigger {
    pub plugin: String,
    pub name: String,
}

/// Starts a run where a step of another workflow says so.
#[derive(Debug, Clone, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Called {
    pub input_schema: Option<Json>,
}

/// One step.
#[derive(Debug, Clone, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Step {
    pub id: String,
    pub when: Option<String>,
    #[serde(default)]
    pub on_error: OnError,
    pub retry: Option<Retry>,
    #[serde(flatten)]
    pub kind: StepKind,
}

/// What a step does.
#[derive(Debug, Clone, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) enum StepKind {
    Call(Call),
    Update(Update),
    Create(Create),
    Find(Find),
    AssignTask(AssignTask),
    Branch(Branch),
    ForEach(ForEach),
    Wait(Wait),
    Refuse(Refuse),
    SendEmail(SendEmail),
    Webhook(Webhook),
    Approve(Approve),
    StartWorkflow(StartWorkflow),
    SendSms(SendSms),
    Hook(ToHook),
    Job(ToJob),
}

/// What a failed step does to its run.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Deserialize)]
#[serde(rename_all = "SCREAMING_SNAKE_CASE")]
pub(crate) enum OnError {
    /// Ends it.
    #[default]
    Fail,
    /// The next step runs; this one's output is null.
    Continue,
}

/// Calls a function of a plugin.
#[derive(Debug, Clone, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Call {
    pub plugin: String,
    pub function: String,
    #[serde(default = "no_input")]
    pub input: Json,
    /// Not carried out yet.
    pub timeout_ms: Option<u64>,
}

/// Tells a plugin's hook after writes of the change.
#[derive(Debug, Clone, Deserialize)]
pub(crate) struct ToHook {
    pub plugin: String,
}

/// Lets a plugin do one of its jobs.
#[derive(Debug, Clone, Deserialize)]
pub(crate) struct ToJob {
    pub plugin: String,
    pub name: String,
}

/// Changes a record: that of the event, or another one by its id.
#[derive(Debug, Clone, Deserialize)]
pub(crate) struct Update {
    pub module: Option<String>,
    pub record: Option<String>,
    pub set: Values,
}

/// Values by field name, which may hold rules.
pub(crate) type Values = serde_json::Map<String, Json>;

/// Makes a record.
#[derive(Debug, Clone, Deserialize)]
pub(crate) struct Create {
    pub module: String,
    pub set: Values,
}

/// Looks for records.
#[derive(Debug, Clone, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Find {
    pub module: String,
    pub filter: Option<Values>,
    #[serde(default)]
    pub order_by: Vec<Values>,
    #[serde(default = "page")]
    pub first: u32,
    #[serde(default)]
    pub fields: Vec<String>,
}

/// Makes a record that somebody has to do something, about the event's record.
#[derive(Debug, Clone, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct AssignTask {
    pub module: Option<String>,
    pub to: String,
    pub subject: String,
    pub description: Option<String>,
    pub due_in: Option<String>,
    pub priority: Option<String>,
    #[serde(default)]
    pub set: Values,
}

/// Goes one of several ways.
#[derive(Debug, Clone, Deserialize)]
pub(crate) struct Branch {
    pub cases: Vec<Case>,
    #[serde(default)]
    pub otherwise: Vec<Step>,
}

/// One of the ways, and when it is gone.
#[derive(Debug, Clone, Deserialize)]
pub(crate) struct Case {
    pub when: String,
    pub steps: Vec<Step>,
}

/// Does steps once for each item of a list.
#[derive(Debug, Clone, Deserialize)]
pub(crate) struct ForEach {
    #[serde(rename = "in")]
    pub list: String,
    #[serde(rename = "as")]
    pub item: String,
    pub steps: Vec<Step>,
    #[serde(default = "items")]
    pub max: u32,
    /// How many items are done at the same time.
    #[serde(default = "one")]
    pub concurrency: u32,
}

/// Lets time pass: so long, or until then.
#[derive(Debug, Clone, Deserialize)]
pub(crate) struct Wait {
    #[serde(rename = "for")]
    pub length: Option<String>,
    pub until: Option<String>,
}

/// Sends a mail.
#[derive(Debug, Clone, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct SendEmail {
    pub to: Texts,
    pub cc: Option<Texts>,
    pub bcc: Option<Texts>,
    pub reply_to: Option<String>,
    /// Ids of files.
    pub attachments: Option<Texts>,
    pub subject: String,
    pub text: Option<String>,
    pub html: Option<String>,
}

/// One text, or several.
#[derive(Debug, Clone, Deserialize)]
#[serde(untagged)]
pub(crate) enum Texts {
    One(String),
    Several(Vec<String>),
}

impl Texts {
    /// All of them.
    pub fn all(&self) -> &[String] {
        match self {
            Self::One(one) => std::slice::from_ref(one),
            Self::Several(several) => several,
        }
    }
}

/// Calls an address outside.
#[derive(Debug, Clone, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Webhook {
    pub url: String,
    #[serde(default = "post")]
    pub method: String,
    #[serde(default)]
    pub headers: serde_json::Map<String, Json>,
    pub body: Option<Json>,
    #[serde(default = "ten_seconds")]
    pub timeout_ms: u64,
    /// The name of the secret that it is signed with.
    pub secret: Option<String>,
}

/// Waits for somebody's decision.
#[derive(Debug, Clone, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Approve {
    pub by: Approver,
    pub question: Option<String>,
    pub due_in: Option<String>,
    #[serde(default)]
    pub on_timeout: Undecided,
    #[serde(default = "fail")]
    pub on_nobody: Undecided,
}

/// Sends a text message, by a plugin.
#[derive(Debug, Clone, Deserialize)]
pub(crate) struct SendSms {
    pub to: Texts,
    pub text: String,
    pub provider: Option<Provider>,
}

/// A function of a plugin that sends text messages.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
pub(crate) struct Provider {
    pub plugin: String,
    pub function: String,
}

/// Starts runs of another workflow.
#[derive(Debug, Clone, Deserialize)]
pub(crate) struct StartWorkflow {
    pub workflow: String,
    /// One id, or a list of them; left out: the run's own record, where the other workflow is about such records.
    pub records: Option<String>,
    #[serde(default = "no_input")]
    pub input: Json,
}

/// Who decides.
#[derive(Debug, Clone, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) enum Approver {
    Role(String),
    User(String),
    Group(String),
    /// Whoever stands above the user with this id.
    Superior(String),
}

/// What holds where nobody decides: in time, or at all.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Deserialize)]
#[serde(rename_all = "SCREAMING_SNAKE_CASE")]
pub(crate) enum Undecided {
    Approve,
    #[default]
    Reject,
    Fail,
}

/// Refuses the write that the workflow stands in.
#[derive(Debug, Clone, Deserialize)]
pub(crate) struct Refuse {
    pub message: String,
    /// Those at fault.
    #[serde(default)]
    pub fields: Vec<String>,
}

fn fail() -> Undecided {
    Undecided::Fail
}

fn post() -> String {
    "POST".to_owned()
}

fn ten_seconds() -> u64 {
    10_000
}

fn page() -> u32 {
    50
}

fn items() -> u32 {
    1_000
}

fn one() -> u32 {
    1
}

fn no_input() -> Json {
    Json::Object(serde_json::Map::new())
}

/// Checks a document against the JSON Schema and reads it; all faults at once.
pub(crate) fn parse(document: &Json) -> Result<Definition, Vec<Issue>> {
    static VALIDATOR: LazyLock<jsonschema::Validator> = LazyLock::new(|| {
        let schema = serde_json::from_str(WORKFLOW_SCHEMA).expect("the schema in the repository is JSON");
        jsonschema::validator_for(&schema).expect("the schema in the repository is a JSON Schema")
    });
    let issues: Vec<Issue> = VALIDATOR
        .iter_errors(document)
        .map(|error| {
            let pointer = error.instance_path().to_string();
            let message = match error.kind() {
                // The schema says it of steps inside the write alone.
                ValidationErrorKind::Not { .. } => "this kind of step can't be done inside the write".to_owned(),
                _ => error.masked_with("this value").to_string(),
            };
            Issue::new(path_of("definition", &pointer, document), "schema", message)
        })
        .collect();
    if !issues.is_empty() {
        return Err(issues);
    }
    serde_json::from_value(document.clone())
        .map_err(|error| vec![Issue::new(vec!["definition".into()], "schema", format!("can't be read: {error}"))])
}

/// A JSON pointer as a path from the argument on.
pub(crate) fn path_of(argument: &str, pointer: &str, document: &Json) -> Vec<PathSegment> {
    let mut path = vec![PathSegment::from(argument)];
    let mut place = document;
    for part in pointer.split('/').skip(1) {
        let part = part.replace("~1", "/").replace("~0", "~");
        match place {
            Json::Array(items) => {
                let index: usize = part.parse().unwrap_or_default();
                path.push(index.into());
                place = items.get(index).unwrap_or(&Json::Null);
            }
            other => {
                place = other.get(&part).unwrap_or(&Json::Null);
                path.push(part.into());
            }
        }
    }
    path
}
