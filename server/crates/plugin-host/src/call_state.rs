//! What the host keeps for one store: whose call it is and what it has used.

use std::sync::Arc;
use std::time::{Duration, Instant};

use tokio::sync::Semaphore;
use wasmtime::{Engine, Store, UpdateDeadline};

use crate::call_context::CallContext;
use crate::cpu::CpuMeter;
use crate::limits::Limits;
use crate::logs::CallLog;
use crate::memory::MemoryBound;
use crate::services::HostServices;

/// A bound that the host itself found broken; it ends the call as a trap does.
#[derive(Debug, thiserror::Error)]
pub(crate) enum Breach {
    #[error("the CPU time is used up")]
    CpuTime,
    #[error("the wall-clock time is over")]
    WallClock,
    #[error("too many host calls")]
    HostCalls,
    #[error("too many random bytes asked for at once")]
    RandomBytes,
}

/// The data of one store.
pub(crate) struct CallState {
    pub(crate) services: Arc<dyn HostServices>,
    pub(crate) limits: Arc<Limits>,
    pub(crate) context: Arc<CallContext>,
    pub(crate) memory: MemoryBound,
    pub(crate) log: CallLog,
    pub(crate) cpu: Arc<CpuMeter>,
    pub(crate) cpu_budget: Duration,
    pub(crate) began: Instant,
    pub(crate) wall_budget: Duration,
    /// Whether the call may run on a lane.
    pub(crate) may_leave: bool,
    /// The turns in which the plugin's calls ask the API, for those that take turns.
    pub(crate) api_turns: Option<Arc<Semaphore>>,
    /// Calls of the host in the whole operation.
    pub(crate) host_calls: u64,
}

/// Slack for the envelope around the output's text.
const ENVELOPE_BYTES: usize = 64 << 10;

impl CallState {
    pub(crate) fn new(limits: Arc<Limits>, services: Arc<dyn HostServices>) -> Self {
        Self {
            services,
            context: Arc::default(),
            memory: MemoryBound::new(&limits),
            log: CallLog::default(),
            cpu: Arc::default(),
            cpu_budget: Duration::ZERO,
            began: Instant::now(),
            wall_budget: Duration::ZERO,
            may_leave: false,
            api_turns: None,
            host_calls: 0,
            limits,
        }
    }

    /// Starts a new call in the same store, with fresh budgets.
    pub(crate) fn begin_call(&mut self, context: Arc<CallContext>, cpu_budget: Duration, wall_budget: Duration) {
        self.context = context;
        self.log = CallLog::default();
        self.cpu = Arc::default();
        self.cpu_budget = cpu_budget;
        self.began = Instant::now();
        self.wall_budget = wall_budget;
    }

    /// A store in which every bound is on. Fuel is none: where the engine counts it, there is more than any call can use.
    pub(crate) fn into_store(self, engine: &Engine, counts_fuel: bool) -> Store<Self> {
        let fuel = self.limits.output_bytes + ENVELOPE_BYTES;
        let mut store = Store::new(engine, self);
        store.limiter(|state| &mut state.memory);
        store.set_hostcall_fuel(fuel);
        if counts_fuel {
            fill_up(&mut store);
        }
        // At every tick a running guest gives its thread back, so that it never holds one, and
        // its CPU time is looked at.
        store.epoch_deadline_callback(|store| {
            let state = store.data();
            if state.cpu.used_while_polled() >= state.cpu_budget {
                return Err(Breach::CpuTime.into());
            }
            // One that waits for the host is ended from outside; of one that runs it can be told where it was.
            if state.began.elapsed() >= state.wall_budget {
                return Err(Breach::WallClock.into());
            }
            Ok(UpdateDeadline::Yield(1))
        });
        store.set_epoch_deadline(1);
        store
    }
}

/// Gives a store all the fuel that there is.
pub(crate) fn fill_up(store: &mut Store<CallState>) {
    store.set_fuel(u64::MAX).expect("its engine counts fuel");
}
