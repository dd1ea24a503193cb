//! Runs: leased, done step by step, each step's effect recorded with it, until they end, wait or fail.

mod acts;
mod approve;
mod clock;
mod commit;
mod dates;
mod failure;
mod hook;
mod ids;
mod job;
mod mail;
mod pace;
mod queue;
mod share;
mod simulate;
mod sms;
mod start;
mod state;
mod steps;
mod together;
mod upkeep;
mod way;
mod webhook;

use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use cardine_egress::Egress;
use cardine_engine::Engine;
use chrono::TimeDelta;
use rustc_hash::FxHashMap;
use tokio::sync::{OwnedSemaphorePermit, Semaphore};

use crate::counters::Counters;
use crate::plugins::Plugins;
use crate::signing::WebhookKey;
use crate::versions::Versions;

use failure::StepError;
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
/// Calls of one plugin that steps make at the same time, and only three in four of those that it has places for: whoever calls it in a request
/// finds one, and a step that waits for others is no try that failed.
const CALLS_OF_ONE_PLUGIN_MAX: usize = 12;
/// Lists that items of loops look for beside another one of their run: requests find a connection.
const LOOKS_BESIDE_MAX: usize = 8;
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
    /// Lists that they look for.
    looks: Semaphore,
    /// Places of steps that call a plugin, by its name.
    calls: Places,
    /// What writes go by while requests write too.
    way: way::Way,
}

/// Places of each plugin for so many calls.
#[derive(Debug, Default)]
struct Places(Mutex<FxHashMap<String, Arc<Semaphore>>>);

impl Places {
    /// Waits for a place among those of a plugin that does so many calls at the same time; it is free again when what is given here is dropped.
    async fn take(&self, plugin: &str, concurrent: usize) -> Option<OwnedSemaphorePermit> {
        let places = {
            let mut all = self.0.lock().unwrap_or_else(PoisonError::into_inner);
            let most = (concurrent - concurrent / 4).clamp(1, CALLS_OF_ONE_PLUGIN_MAX);
            Arc::clone(all.entry(plugin.to_owned()).or_insert_with(|| Arc::new(Semaphore::new(most))))
        };
        // An error is that it is closed, which it never is.
        places.acquire_owned().await.ok()
    }
}

impl Runner {
    fn new(engine: Engine, outside: Outside) -> Self {
        let versions = Versions::new(engine.clone());
        let [beside, looks] = [ITEMS_BESIDE_MAX, LOOKS_BESIDE_MAX].map(Semaphore::new);
        Self { engine, outside, versions, beside, looks, calls: Places::default(), way: way::Way::default() }
    }
}

#[cfg(test)]
mod tests {
    use futures_util::FutureExt as _;

    use super::*;

    #[tokio::test]
    async fn steps_leave_places_of_a_plugin_to_others() {
        let places = Places::default();
        for (plugin, concurrent, most) in [("a", 16, 12), ("b", 64, 12), ("c", 4, 3), ("d", 1, 1)] {
            let mut taken = Vec::new();
            for _ in 0..most {
                taken.push(places.take(plugin, concurrent).now_or_never().flatten().expect("there is one"));
            }
            assert!(places.take(plugin, concurrent).now_or_never().is_none(), "{plugin} has more than {most}");
            taken.pop();
            assert!(places.take(plugin, concurrent).now_or_never().flatten().is_some());
        }
    }
}
