//! The clock that interrupts running plugins, so that each can be looked at.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::thread::{self, Thread};
use std::time::Duration;

use wasmtime::Engine;

const TICK: Duration = Duration::from_millis(5);

/// Advances the engine's epoch every 5 ms while calls run, and sleeps while none do.
#[derive(Debug)]
pub(crate) struct Ticker {
    shared: Arc<Shared>,
    thread: Thread,
}

#[derive(Debug, Default)]
struct Shared {
    running_calls: AtomicUsize,
    stopped: AtomicBool,
}

/// Keeps the clock going while a call runs.
pub(crate) struct Ticking {
    shared: Arc<Shared>,
}

impl Ticker {
    pub(crate) fn start(engine: &Engine) -> std::io::Result<Self> {
        let shared = Arc::new(Shared::default());
        let (engine, state) = (engine.weak(), shared.clone());
        let builder = thread::Builder::new().name("plugin-ticker".to_owned());
        let handle = builder.spawn(move || {
            while !state.stopped.load(Ordering::Acquire) {
                if state.running_calls.load(Ordering::Acquire) == 0 {
                    // A call that starts now has left a token for `park`, which then returns at once.
                    thread::park();
                    continue;
                }
                thread::sleep(TICK);
                match engine.upgrade() {
                    Some(engine) => engine.increment_epoch(),
                    None => return,
                }
            }
        })?;
        Ok(Self { shared, thread: handle.thread().clone() })
    }

    pub(crate) fn run(&self) -> Ticking {
        if self.shared.running_calls.fetch_add(1, Ordering::AcqRel) == 0 {
            self.thread.unpark();
        }
        Ticking { shared: self.shared.clone() }
    }
}

impl Drop for Ticker {
    fn drop(&mut self) {
        self.shared.stopped.store(true, Ordering::Release);
        self.thread.unpark();
    }
}

impl Drop for Ticking {
    fn drop(&mut self) {
        self.shared.running_calls.fetch_sub(1, Ordering::AcqRel);
    }
}
