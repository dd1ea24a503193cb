//! Runs: leased, done step by step, each step's effect recorded with it, until they end, wait or fail.

mod acts;
mod approve;
mod clock;
mod commit;
mod dates;
mod hook;
mod ids;
mod job;
mod mail;
mod queue;
mod simulate;
mod sms;
mod start;
mod state;
mod steps;
mod together;
mod upkeep;
mod webhook;

use std::sync::Arc;
use std::time::Duration;

use cardine_egress::Egress;
use cardine_engine::{Engine, EngineError};
use cardine_store::StoreError;
use chrono::TimeDelta;
use tokio::sync::Semaphore;

use crate::counters::Counters;
use crate::plugins::Plugins;
use crate::signing::WebhookKey;
use crate::versions::Versions;

pub use queue::run_workflows;
pub use simulate::{SimulatedStep, Simulation, WhichChange, simulate_workflow};
pub(crate) use sms::SMS_FUNCTION;
pub(crate) use state::{Elements, Noted, RunState, instant_of};

/// How long a run belongs to the process that leased it without a sign of life; as long does a run wait whose process died.
pub const LEASE: Duration = Duration::from_secs(15);
/// Most steps that one run does, those of its loops counted each time.
pub const STEPS_DONE_MAX: i64 = 20_000;
/// Items of loops that a process does beside another one of the same run: what runs do at the same time takes memory and connections.
const ITEMS_BESIDE_MAX: usize = 32;
/// Largest output of a step, in bytes of JSON.
pub const OUTPUT_BYTES_MAX: usize = 1 << 20;

/// What steps use beside the database.
#[derive(Clone)]
pub struct Outside {
    /// Whose functions are called.
    pub plugins: Plugins,
    /// The one way by which requests leave.
    pub egress: Egress,
    /// What they are signed with.
    pub webhook_key: WebhookKey,
    /// Whether there is a mail server.
    pub sends_mail: bool,
    /// How long runs are kept after their end; none: for good.
    pub runs_kept_for: Option<TimeDelta>,
    /// What has been done.
    pub counters: Arc<Counters>,
}

struct Runner {
    engine: Engine,
    outside: Outside,
    versions: Versions,
    /// Items of loops that are done beside another one of their run.
    beside: Semaphore,
}

impl Runner {
    fn new(engine: Engine, outside: Outside) -> Self {
        let versions = Versions::new(engine.clone());
        Self { engine, outside, versions, beside: Semaphore::new(ITEMS_BESIDE_MAX) }
    }
}

/// Why a step did not succeed.
#[derive(Debug)]
enum StepError {
    /// A later try may succeed.
    Temporary(String, Option<Duration>),
    /// It will not.
    Final(String),
    /// The lease went to another process, which goes on, or the run was cancelled; nothing may be written.
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
