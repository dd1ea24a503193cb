//! A workflow as it runs: its steps in one row, where branches and loops are jumps, so that a run's place is one number.

use std::time::Duration;

use cardine_model::catalog::{FieldId, ModuleId, RelationId};
use cardine_model::rule::TypedRule;

use crate::definition::{ErrorClass, OnError, Provider, RunAs, Status, Timing, Undecided};
use crate::due_dates::DueDates;
use crate::find::FindRecords;
use crate::schedule::Times;
use crate::template::Template;

/// A workflow that can run.
#[derive(Debug)]
pub(crate) struct Workflow {
    pub name: String,
    /// None of one that is about no record.
    pub module: Option<ModuleId>,
    pub status: Status,
    pub run_as: RunAs,
    pub timing: Timing,
    pub start: Start,
    pub when: Option<TypedRule>,
    pub steps: Vec<Node>,
}

/// What starts a run.
#[derive(Debug)]
pub(crate) enum Start {
    /// A record's change.
    Change {
        /// Kinds of event.
        on: Vec<String>,
        /// Of updates: only if one of these changed; any if both are empty.
        changed: Vec<FieldId>,
        /// Or the links of one of these.
        relinked: Vec<RelationId>,
    },
    /// The clock.
    Times(Times),
    /// A date of each record.
    Date(DueDates),
    /// A person, with an input that meets this JSON Schema.
    Hand(InputSchema),
    /// A step of another workflow, in the same way.
    Call(InputSchema),
    /// A request at an address of its own.
    Request(Hook),
    /// An event that a plugin emits, by its name.
    Emitted { plugin: String, name: String },
}

/// What an input must meet; none: anything.
pub(crate) type InputSchema = Option<Box<jsonschema::Validator>>;

/// An address at which requests start runs.
#[derive(Debug)]
pub(crate) struct Hook {
    /// The part of it that the document chose.
    pub path: String,
    /// The name of the secret that requests are signed with.
    pub secret: Option<String>,
    /// What their bodies must meet.
    pub schema: InputSchema,
}

/// One place of the row.
#[derive(Debug)]
pub(crate) struct Node {
    /// The step's id; of a jump that of the step that it belongs to.
    pub id: String,
    pub when: Option<TypedRule>,
    pub on_error: OnError,
    pub retrying: Retrying,
    /// How many loops are around it.
    pub depth: usize,
    pub act: Act,
}

/// What is done at a place.
#[derive(Debug)]
pub(crate) enum Act {
    /// A step of its own; the next place follows.
    Do(Action),
    /// Goes on at the first case that is met.
    Branch { cases: Vec<(TypedRule, usize)>, otherwise: usize, after: usize },
    /// Goes on with the next place for each item of the list, for so many of them at the same time.
    ForEach { list: Template, item: String, max: usize, concurrency: usize, after: usize },
    /// The end of a loop's steps: the next item, or what comes after it.
    Next { each: usize },
    /// Goes on there.
    Jump(usize),
}

/// What a step does.
#[derive(Debug)]
pub(crate) enum Action {
    /// Calls a function of a plugin.
    Call { plugin: String, function: String, input: Template },
    /// Tells a plugin's hook after writes of the event.
    Hook { plugin: String },
    /// Lets a plugin do a part of a job.
    Job { plugin: String, name: String },
    /// Changes a record; the event's where none is named.
    Update { module: ModuleId, record: Option<Template>, set: Vec<(FieldId, Given)> },
    /// Makes a record.
    Create { module: ModuleId, set: Vec<(FieldId, Given)> },
    /// Looks for records.
    Find(Box<FindRecords>),
    /// Lets time pass.
    Wait(Until),
    /// Sends a mail.
    SendEmail(Box<MailOut>),
    /// Sends a text message.
    SendSms(Box<SmsOut>),
    /// Calls an address outside.
    Webhook(Box<WebhookOut>),
    /// Waits for somebody's decision.
    Approve(Box<Asked>),
    /// Starts runs of another workflow.
    Start(Box<StartOf>),
    /// Refuses the write that it stands in.
    Refuse { message: Template, fields: Vec<FieldId> },
}

/// A decision that a step waits for.
#[derive(Debug)]
pub(crate) struct Asked {
    pub by: AskedOf,
    pub question: Option<Template>,
    /// So many seconds from when it is asked.
    pub due_in: Option<i64>,
    pub on_timeout: Undecided,
    /// What holds where there is nobody to be asked.
    pub on_nobody: Undecided,
}

/// Who is asked.
#[derive(Debug)]
pub(crate) enum AskedOf {
    /// Whoever has this role.
    Role(String),
    /// The user, or the members of the group, with this id.
    Id(Template),
    /// Whoever has the nearest role above that of the user with this id.
    SuperiorOf(Template),
}

/// Runs of another workflow that a step starts.
#[derive(Debug)]
pub(crate) struct StartOf {
    pub workflow: String,
    pub records: Option<Template>,
    pub input: Template,
}

/// A request that a step sends.
#[derive(Debug)]
pub(crate) struct WebhookOut {
    pub url: Template,
    pub method: String,
    pub headers: Vec<(String, Template)>,
    /// The event, where none is given.
    pub body: Option<Template>,
    pub timeout: Duration,
    pub secret: Option<String>,
}

/// A mail that a step sends.
#[derive(Debug)]
pub(crate) struct MailOut {
    pub to: Vec<Template>,
    pub cc: Vec<Template>,
    pub bcc: Vec<Template>,
    pub reply_to: Option<Template>,
    pub subject: Template,
    pub text: Option<Template>,
    pub html: Option<Template>,
    /// Ids of files.
    pub attachments: Vec<Template>,
}

/// A text message that a step sends.
#[derive(Debug)]
pub(crate) struct SmsOut {
    pub to: Vec<Template>,
    pub text: Template,
    /// Left out: the only plugin that offers to.
    pub provider: Option<Provider>,
}

impl MailOut {
    fn templates(&self) -> Vec<&Template> {
        let lists = [&self.to, &self.cc, &self.bcc, &self.attachments].into_iter().flatten();
        let others = [&self.reply_to, &self.text, &self.html].into_iter().flatten();
        lists.chain(others).chain([&self.subject]).collect()
    }
}

/// A value that is written.
#[derive(Debug)]
pub(crate) enum Given {
    /// What the template gives.
    Template(Template),
    /// So many seconds from the moment of the step.
    Later(i64),
}

/// How long a step waits.
#[derive(Debug)]
pub(crate) enum Until {
    /// So many seconds.
    Later(i64),
    /// Until the instant, or the start of the day, that this gives.
    Date(Template),
}

/// How a failed step is tried again, by the class of its last error.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Retrying([Backoff; ErrorClass::ALL.len()]);

/// How a step is tried again after errors of one class.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Backoff {
    /// How often a step is begun, whatever ended it each time, before such an error is the last.
    pub attempts_max: i64,
    /// The first wait; each further one is twice as long.
    pub first_after: Duration,
    /// The longest wait.
    pub at_most: Duration,
}

impl Default for Backoff {
    fn default() -> Self {
        Self { attempts_max: 8, first_after: Duration::from_secs(2), at_most: Duration::from_secs(3_600) }
    }
}

impl Default for Retrying {
    fn default() -> Self {
        Self::of(|class| if class.passes() { Backoff::default() } else { Backoff::never() })
    }
}

impl Retrying {
    /// As is said of each class.
    pub fn of(said: impl Fn(ErrorClass) -> Backoff) -> Self {
        Self(ErrorClass::ALL.map(said))
    }

    /// After errors of this class.
    pub fn after(&self, class: ErrorClass) -> Backoff {
        self.0[class as usize]
    }

    /// How often a step is begun at most, whatever its errors.
    pub fn attempts_max(&self) -> i64 {
        self.0.iter().map(|backoff| backoff.attempts_max).max().unwrap_or(1)
    }
}

impl Backoff {
    /// The first try is the last.
    pub fn never() -> Self {
        Self { attempts_max: 1, ..Self::default() }
    }

    /// The wait after so many tries.
    pub fn wait(&self, attempts: i64) -> Duration {
        let doubled = u32::try_from(attempts.clamp(1, 32) - 1).unwrap_or_default();
        self.first_after.saturating_mul(1_u32.checked_shl(doubled).unwrap_or(u32::MAX)).min(self.at_most)
    }
}

impl Workflow {
    /// The jobs that its steps do, each by its plugin and name.
    pub fn jobs(&self) -> impl Iterator<Item = (&str, &str)> {
        self.steps.iter().filter_map(|node| match &node.act {
            Act::Do(Action::Job { plugin, name }) => Some((plugin.as_str(), name.as_str())),
            _ => None,
        })
    }

    /// Whether its steps do what its author may do.
    pub fn uses_author(&self) -> bool {
        self.run_as == RunAs::Author && !self.steps.iter().all(Node::has_own_rights)
    }
}

impl Node {
    /// Whether nobody's rights but a plugin's own matter here.
    pub fn has_own_rights(&self) -> bool {
        matches!(self.act, Act::Do(Action::Hook { .. } | Action::Job { .. })) && self.when.is_none()
    }

    /// Every template that is filled here.
    pub fn templates(&self) -> Vec<&Template> {
        fn given(set: &[(FieldId, Given)]) -> impl Iterator<Item = &Template> {
            set.iter().filter_map(|(_, given)| match given {
                Given::Template(template) => Some(template),
                Given::Later(_) => None,
            })
        }
        match &self.act {
            Act::Do(Action::Call { input: one, .. } | Action::Refuse { message: one, .. }) => vec![one],
            Act::Do(Action::Update { record, set, .. }) => record.iter().chain(given(set)).collect(),
            Act::Do(Action::Create { set, .. }) => given(set).collect(),
            Act::Do(Action::Find(find)) => find.templates(),
            Act::Do(Action::SendEmail(mail)) => mail.templates(),
            Act::Do(Action::SendSms(sms)) => sms.to.iter().chain([&sms.text]).collect(),
            Act::Do(Action::Approve(asked)) => {
                let by = match &asked.by {
                    AskedOf::Role(_) => None,
                    AskedOf::Id(template) | AskedOf::SuperiorOf(template) => Some(template),
                };
                by.into_iter().chain(&asked.question).collect()
            }
            Act::Do(Action::Webhook(webhook)) => {
                let headers = webhook.headers.iter().map(|(_, template)| template);
                headers.chain(&webhook.body).chain([&webhook.url]).collect()
            }
            Act::Do(Action::Start(start)) => start.records.iter().chain([&start.input]).collect(),
            Act::Do(Action::Wait(Until::Date(template))) => vec![template],
            Act::ForEach { list, .. } => vec![list],
            Act::Do(Action::Wait(Until::Later(_)) | Action::Hook { .. } | Action::Job { .. })
            | Act::Branch { .. }
            | Act::Next { .. }
            | Act::Jump(_) => Vec::new(),
        }
    }

    /// Every rule over the event's record.
    pub fn rules(&self) -> Vec<&TypedRule> {
        let cases = match &self.act {
            Act::Branch { cases, .. } => cases.as_slice(),
            _ => &[],
        };
        let conditions = self.when.iter().chain(cases.iter().map(|(when, _)| when));
        conditions.chain(self.templates().into_iter().flat_map(Template::rules)).collect()
    }

    /// Where a run goes on that leaves this step out.
    pub fn after(&self, place: usize) -> usize {
        match &self.act {
            Act::Branch { after, .. } | Act::ForEach { after, .. } => *after,
            _ => place + 1,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn waits_double_up_to_the_longest() {
        let retrying =
            Backoff { attempts_max: 9, first_after: Duration::from_secs(3), at_most: Duration::from_secs(20) };
        let waits: Vec<u64> = (1..=5).map(|attempts| retrying.wait(attempts).as_secs()).collect();
        assert_eq!(waits, [3, 6, 12, 20, 20]);
        assert_eq!(retrying.wait(i64::MAX).as_secs(), 20);
    }

    #[test]
    fn what_time_does_not_help_with_is_not_tried_again_unless_that_is_said() {
        let usual = Retrying::default();
        let tried: Vec<&str> = ErrorClass::ALL
            .into_iter()
            .filter(|class| usual.after(*class).attempts_max > 1)
            .map(ErrorClass::name)
            .collect();
        assert_eq!(tried, ["TIMEOUT", "NETWORK", "UPSTREAM", "RATE_LIMITED", "UNAVAILABLE"]);
        assert_eq!((usual.attempts_max(), Retrying::of(|_| Backoff::never()).attempts_max()), (8, 1));
    }
}
