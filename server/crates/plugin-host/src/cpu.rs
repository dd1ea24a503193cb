//! Measures the CPU time that one call uses, wherever its pieces run.

use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::task::{Context, Poll};
use std::time::Duration;

/// CPU time of one call. It is the thread's own clock, read around each poll: time in which the
/// machine runs something else, or in which the call waits for the host, does not count.
#[derive(Debug, Default)]
pub(crate) struct CpuMeter {
    finished_ns: AtomicU64,
    /// The thread's clock when the current poll of the call itself began.
    poll_began_ns: AtomicU64,
}

impl CpuMeter {
    /// What was used, the current poll included. Exact only on the thread that polls.
    pub(crate) fn used_while_polled(&self) -> Duration {
        let current = thread_cpu_ns().saturating_sub(self.poll_began_ns.load(Ordering::Relaxed));
        Duration::from_nanos(self.finished_ns.load(Ordering::Relaxed) + current)
    }

    /// What all finished polls used.
    pub(crate) fn used(&self) -> Duration {
        Duration::from_nanos(self.finished_ns.load(Ordering::Relaxed))
    }
}

/// A future whose polls are measured.
pub(crate) struct Metered<F> {
    meter: Arc<CpuMeter>,
    call: Pin<Box<F>>,
    is_beside: bool,
}

impl<F: Future> Metered<F> {
    pub(crate) fn new(meter: Arc<CpuMeter>, call: F) -> Self {
        Self { meter, call: Box::pin(call), is_beside: false }
    }

    /// Of work that another task does for the call. A poll of the call may go on meanwhile: the meter keeps the clock of its thread, and
    /// those of two threads have nothing in common.
    pub(crate) fn beside(meter: Arc<CpuMeter>, work: F) -> Self {
        Self { is_beside: true, ..Self::new(meter, work) }
    }
}

impl<F: Future> Future for Metered<F> {
    type Output = F::Output;

    fn poll(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<F::Output> {
        let began_ns = thread_cpu_ns();
        if !self.is_beside {
            self.meter.poll_began_ns.store(began_ns, Ordering::Relaxed);
        }
        let polled = self.call.as_mut().poll(context);
        let used_ns = thread_cpu_ns().saturating_sub(began_ns);
        self.meter.finished_ns.fetch_add(used_ns, Ordering::Relaxed);
        polled
    }
}

#[cfg(unix)]
fn thread_cpu_ns() -> u64 {
    let now = rustix::time::clock_gettime(rustix::time::ClockId::ThreadCPUTime);
    u64::try_from(now.tv_sec).unwrap_or(0) * 1_000_000_000 + u64::try_from(now.tv_nsec).unwrap_or(0)
}

/// Elsewhere the wall clock stands in: a busy machine then takes from a plugin's budget.
#[cfg(not(unix))]
fn thread_cpu_ns() -> u64 {
    use std::sync::OnceLock;
    use std::time::Instant;
    static START: OnceLock<Instant> = OnceLock::new();
    u64::try_from(START.get_or_init(Instant::now).elapsed().as_nanos()).unwrap_or(u64::MAX)
}

#[cfg(test)]
mod tests {
    use std::task::Waker;

    use super::*;

    #[tokio::test]
    async fn waiting_is_free_and_work_is_not() {
        let meter = Arc::new(CpuMeter::default());
        let work = async {
            tokio::time::sleep(Duration::from_millis(30)).await;
            let mut number = 1_u64;
            while meter.used_while_polled() < Duration::from_millis(10) {
                number = std::hint::black_box(number.wrapping_mul(31));
            }
        };
        Metered::new(meter.clone(), work).await;
        assert!(meter.used() >= Duration::from_millis(10), "{:?}", meter.used());
        assert!(meter.used() < Duration::from_millis(30), "{:?}", meter.used());
    }

    fn work_for(used: Duration) {
        let (began, mut number) = (thread_cpu_ns(), 1_u64);
        while thread_cpu_ns() - began < used.as_nanos() as u64 {
            number = std::hint::black_box(number.wrapping_mul(31));
        }
    }

    /// The new thread's clock stands near zero, the call's own far from it.
    #[tokio::test]
    async fn work_beside_a_poll_is_added_and_leaves_the_polls_clock_alone() {
        work_for(Duration::from_millis(50));
        let meter = Arc::new(CpuMeter::default());
        let call = async {
            let work = Metered::beside(meter.clone(), async { work_for(Duration::from_millis(5)) });
            let done = std::thread::spawn(|| Box::pin(work).as_mut().poll(&mut Context::from_waker(Waker::noop())));
            assert!(done.join().unwrap().is_ready());
            meter.used_while_polled()
        };
        let used = Metered::new(meter.clone(), call).await;
        assert!(used >= Duration::from_millis(5) && used < Duration::from_millis(40), "{used:?}");
    }
}
