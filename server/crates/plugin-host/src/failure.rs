//! Why a plugin call did not give an output, for users and, apart from that, for the admin.

use std::fmt;

use serde::Serialize;
use serde_json::Value;

use crate::issue::Issue;
use crate::limits::Limits;
use crate::logs::LogLine;
use crate::plugin::Usage;

/// Why a call did not give an output. Everything but [`PluginFailure::diagnosis`] may be shown to
/// the API's user: it never holds text of a trap.
#[derive(Debug, Clone, thiserror::Error)]
#[error("{message}")]
pub struct PluginFailure {
    /// The reason, `extensions.reason` of the API's error.
    pub reason: Reason,
    /// What happened, for users.
    pub message: String,
    /// The bound that was broken, if one was.
    pub bound: Option<Bound>,
    /// What was wrong with the input: of the schema's finding or of the plugin's.
    pub issues: Vec<PluginIssue>,
    /// Earliest sensible next try, in milliseconds from now.
    pub retry_after_ms: Option<u64>,
    /// For the admin only.
    pub diagnosis: Box<Diagnosis>,
}

/// Why a call ended without an output.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize)]
#[serde(rename_all = "SCREAMING_SNAKE_CASE")]
pub enum Reason {
    /// It wanted more memory than it may have.
    Memory,
    /// It used up its CPU time or its wall-clock time.
    Time,
    /// Its calls nested too deep for the stack.
    Stack,
    /// Its answer is too large.
    Output,
    /// Its answer is not JSON or does not fit the function's `outputSchema`.
    OutputInvalid,
    /// It called the host too often.
    Calls,
    /// Plugin calls caused plugin calls too deep.
    Depth,
    /// It stopped by itself: a panic or a forbidden instruction.
    Trap,
    /// The input is too large or does not fit the function's `inputSchema`.
    Input,
    /// The plugin has no such function.
    UnknownFunction,
    /// Too many calls at the same time; a later one may pass.
    Busy,
    /// The plugin failed too often and rests.
    Suspended,
    /// The plugin answered that the input is wrong.
    Invalid,
    /// The plugin answered that something named in the input is not there.
    NotFound,
    /// The plugin answered that it refuses.
    Denied,
    /// The plugin answered that a later try may pass.
    Retryable,
    /// The plugin answered that it met a bug or an unexpected state.
    Failed,
}

impl Reason {
    /// The reason as the API spells it.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Memory => "MEMORY",
            Self::Time => "TIME",
            Self::Stack => "STACK",
            Self::Output => "OUTPUT",
            Self::OutputInvalid => "OUTPUT_INVALID",
            Self::Calls => "CALLS",
            Self::Depth => "DEPTH",
            Self::Trap => "TRAP",
            Self::Input => "INPUT",
            Self::UnknownFunction => "UNKNOWN_FUNCTION",
            Self::Busy => "BUSY",
            Self::Suspended => "SUSPENDED",
            Self::Invalid => "INVALID",
            Self::NotFound => "NOT_FOUND",
            Self::Denied => "DENIED",
            Self::Retryable => "RETRYABLE",
            Self::Failed => "FAILED",
        }
    }

    /// Whether the same call may pass later without a change of anybody's.
    pub fn is_temporary(self) -> bool {
        matches!(self, Self::Busy | Self::Suspended | Self::Retryable)
    }
}

impl fmt::Display for Reason {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(self.as_str())
    }
}

/// A bound and what was asked of it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Bound {
    /// Such as `memoryBytes` or `cpuMs`.
    pub name: &'static str,
    /// What the call used or asked for, at the moment it was ended.
    pub used: u64,
    /// What it may have.
    pub allowed: u64,
}

/// One thing that is wrong with an input.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct PluginIssue {
    /// Position in a batch.
    pub item: Option<u32>,
    /// Path inside the input, such as `address.city`.
    pub path: Option<String>,
    /// Stable word such as `amount-malformed` or the JSON Schema keyword.
    pub code: String,
    /// What is wrong and what would be right.
    pub message: String,
    /// The message's parameters.
    pub params: Value,
}

impl From<&Issue> for PluginIssue {
    fn from(issue: &Issue) -> Self {
        let place = Issue { message: String::new(), ..issue.clone() };
        let path = place.to_string().trim_end_matches(": ").to_owned();
        Self {
            item: None,
            path: (!path.is_empty()).then_some(path),
            code: issue.rule.clone(),
            message: issue.message.clone(),
            params: Value::Object(serde_json::Map::new()),
        }
    }
}

/// What the admin sees of a failed call.
#[derive(Debug, Clone, Default)]
pub struct Diagnosis {
    /// The trap with its WebAssembly backtrace, or the plugin's own words.
    pub detail: String,
    /// What the call used until it ended.
    pub usage: Usage,
    /// What it logged.
    pub logs: Vec<LogLine>,
}

/// So much of a detail is kept, in bytes: backtraces are shorter, a plugin's own words need not be.
const DETAIL_BYTES_KEPT: usize = 16 << 10;

impl Diagnosis {
    /// The detail as it is kept for administrators; none if there is nothing to tell.
    pub fn kept_detail(&self) -> Option<&str> {
        let kept = &self.detail[..self.detail.floor_char_boundary(DETAIL_BYTES_KEPT)];
        Some(kept).filter(|kept| !kept.is_empty())
    }
}

impl PluginFailure {
    pub(crate) fn new(reason: Reason, message: impl Into<String>) -> Self {
        Self {
            reason,
            message: message.into(),
            bound: None,
            issues: Vec::new(),
            retry_after_ms: None,
            diagnosis: Box::default(),
        }
    }

    pub(crate) fn of_bound(reason: Reason, message: impl Into<String>, bound: Bound) -> Self {
        Self { bound: Some(bound), ..Self::new(reason, message) }
    }

    pub(crate) fn busy(plugin: &str, limits: &Limits) -> Self {
        let message = format!("plugin `{plugin}` has too many calls at the same time");
        Self { retry_after_ms: Some(limits.queue_ms), ..Self::new(Reason::Busy, message) }
    }

    /// Whether the plugin itself broke the call. A wall clock that ran out may be the fault of
    /// what the plugin waited for.
    pub(crate) fn counts_towards_suspension(&self) -> bool {
        match self.reason {
            Reason::Memory | Reason::Stack | Reason::Output | Reason::Calls | Reason::Trap => true,
            Reason::Time => self.bound.as_ref().is_some_and(|bound| bound.name == "cpuMs"),
            _ => false,
        }
    }

    pub(crate) fn with_detail(mut self, detail: impl Into<String>) -> Self {
        self.diagnosis.detail = detail.into();
        self
    }
}
