//! Threads of low priority for guests' code and for the compiler: they get what the rest of the server leaves, and a small part of
//! the processors where it leaves nothing.

use std::future::Future;
use std::num::NonZero;
use std::pin::Pin;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::task::{Context, Poll, Wake, Waker, ready};
use std::thread;
use std::time::Duration;

use rayon::{ThreadPool, ThreadPoolBuildError, ThreadPoolBuilder};
use tokio::runtime::Handle;
use tokio::sync::oneshot;

use crate::cpu::CpuMeter;

/// How much lower than the server's own: beside a busy thread of the server, one of these gets about a tenth of a processor. Less
/// would keep apart no better, and calls that are honest would not end in their time.
#[cfg(target_os = "linux")]
const NICENESS: i32 = 10;
#[cfg(target_os = "linux")]
const NICENESS_MAX: i32 = 19;

/// Of a compilation.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Priority {
    /// An administrator waits.
    Low,
    /// Requests wait: the server's own.
    Own,
}

/// The threads of one host. They sleep while there is nothing to do.
pub(crate) struct Lanes {
    guests: ThreadPool,
    compiler: ThreadPool,
    urgent_compiler: ThreadPool,
}

impl Lanes {
    pub(crate) fn start() -> Result<Self, ThreadPoolBuildError> {
        Ok(Self {
            guests: pool("plugin-guest", lower_priority)?,
            compiler: pool("plugin-compiler", lower_priority)?,
            urgent_compiler: pool("plugin-loader", || ())?,
        })
    }

    /// How many calls run at the same time: half of the processors, so that the others are the server's even on a machine that knows
    /// no priorities.
    pub(crate) fn width() -> usize {
        (thread::available_parallelism().map_or(1, NonZero::get) / 2).max(1)
    }

    /// Compiles on the threads that are there for that, and waits.
    pub(crate) fn compile<T: Send>(&self, priority: Priority, work: impl FnOnce() -> T + Send) -> T {
        match priority {
            Priority::Low => self.compiler.install(work),
            Priority::Own => self.urgent_compiler.install(work),
        }
    }
}

/// A pool in which a panic ends what panicked alone: whoever waits for it finds out.
fn pool(name: &'static str, start: fn()) -> Result<ThreadPool, ThreadPoolBuildError> {
    ThreadPoolBuilder::new()
        .num_threads(Lanes::width())
        .thread_name(move |number| format!("{name}-{number}"))
        .start_handler(move |_| start())
        .panic_handler(|_| ())
        .build()
}

/// On Linux each thread has a priority of its own, which anybody may lower. Elsewhere it is the process's, and stays.
pub(crate) fn lower_priority() {
    #[cfg(target_os = "linux")]
    {
        use rustix::process::{getpriority_process, setpriority_process};
        let lowered = getpriority_process(None)
            .and_then(|own| setpriority_process(None, own.saturating_add(NICENESS).min(NICENESS_MAX)));
        if let Err(error) = lowered {
            tracing::warn!(error = %error, "plugins run at the server's own priority: the system refuses to lower it");
        }
    }
}

/// A call of a guest that is polled where it was asked for until it has used its head start, and on a lane from then on.
pub(crate) struct Laned<T> {
    lanes: Arc<Lanes>,
    meter: Arc<CpuMeter>,
    head_start: Duration,
    bell: Arc<Bell>,
    place: Place<T>,
}

type Call<T> = Pin<Box<dyn Future<Output = T> + Send>>;

enum Place<T> {
    Here(Call<T>),
    /// It comes back from each poll, with what that gave.
    Away(oneshot::Receiver<(Call<T>, Poll<T>)>),
}

impl<T: Send + 'static> Laned<T> {
    /// `meter` measures the call.
    pub(crate) fn new(
        lanes: Arc<Lanes>,
        meter: Arc<CpuMeter>,
        head_start: Duration,
        call: impl Future<Output = T> + Send + 'static,
    ) -> Self {
        let bell = Arc::new(Bell { rung: AtomicBool::new(true), waker: Mutex::new(Waker::noop().clone()) });
        Self { lanes, meter, head_start, bell, place: Place::Here(Box::pin(call)) }
    }
}

impl<T: Send + 'static> Future for Laned<T> {
    type Output = T;

    fn poll(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<T> {
        let this = &mut *self;
        this.bell.is_heard_by(context.waker());
        loop {
            match &mut this.place {
                Place::Away(coming) => {
                    let (call, polled) = ready!(Pin::new(coming).poll(context)).expect("no call panics");
                    this.place = Place::Here(call);
                    if polled.is_ready() {
                        return polled;
                    }
                }
                Place::Here(_) if !this.bell.take_ring() => return Poll::Pending,
                Place::Here(call) if this.meter.used() < this.head_start => {
                    return call.as_mut().poll(&mut Context::from_waker(&Waker::from(Arc::clone(&this.bell))));
                }
                Place::Here(_) => {
                    let (sender, coming) = oneshot::channel();
                    let Place::Here(call) = std::mem::replace(&mut this.place, Place::Away(coming)) else {
                        unreachable!("it is here")
                    };
                    this.lanes.guests.spawn_fifo(poll_once(call, Arc::clone(&this.bell), sender));
                }
            }
        }
    }
}

/// What a lane does with a call. It is still of the runtime, and of the span, that asked for it: its timers and connections are
/// the server's.
fn poll_once<T: Send + 'static>(
    mut call: Call<T>,
    bell: Arc<Bell>,
    sender: oneshot::Sender<(Call<T>, Poll<T>)>,
) -> impl FnOnce() + Send + 'static {
    let (runtime, span) = (Handle::current(), tracing::Span::current());
    move || {
        // What is dropped here is dropped within the runtime too.
        let _inside = runtime.enter();
        if sender.is_closed() {
            return drop(call);
        }
        let polled = span.in_scope(|| call.as_mut().poll(&mut Context::from_waker(&Waker::from(bell))));
        // Who has gone away wants it no more.
        let _ = sender.send((call, polled));
    }
}

/// Remembers that a call can go on, which may be said while the call is still away.
struct Bell {
    rung: AtomicBool,
    waker: Mutex<Waker>,
}

impl Bell {
    fn is_heard_by(&self, waker: &Waker) {
        self.waker.lock().unwrap_or_else(PoisonError::into_inner).clone_from(waker);
    }

    fn take_ring(&self) -> bool {
        self.rung.swap(false, Ordering::AcqRel)
    }
}

impl Wake for Bell {
    fn wake(self: Arc<Self>) {
        self.wake_by_ref();
    }

    fn wake_by_ref(self: &Arc<Self>) {
        self.rung.store(true, Ordering::Release);
        let waker = self.waker.lock().unwrap_or_else(PoisonError::into_inner).clone();
        waker.wake();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn laned<T: Send + 'static>(head_start: Duration, call: impl Future<Output = T> + Send + 'static) -> Laned<T> {
        let lanes = Arc::new(Lanes::start().unwrap());
        Laned::new(lanes, Arc::default(), head_start, call)
    }

    fn thread_name() -> String {
        thread::current().name().unwrap_or_default().to_owned()
    }

    #[cfg(target_os = "linux")]
    #[test]
    fn guests_and_the_compiler_have_a_lower_priority_than_the_server() {
        let priority = || rustix::process::getpriority_process(None).unwrap();
        let lanes = Lanes::start().unwrap();
        let lower = (priority() + NICENESS).min(NICENESS_MAX);
        assert_eq!((lanes.guests.install(priority), lanes.compile(Priority::Low, priority)), (lower, lower));
        assert_eq!(lanes.compile(Priority::Own, priority), priority());
        assert_eq!(lanes.guests.current_num_threads(), Lanes::width());
    }

    #[tokio::test]
    async fn a_call_leaves_when_its_head_start_is_used() {
        assert!(laned(Duration::ZERO, async { thread_name() }).await.starts_with("plugin-guest-"));
        let here = thread_name();
        assert_eq!(laned(Duration::from_millis(1), async { thread_name() }).await, here, "it has used nothing");
    }

    /// A yielding guest wakes itself while it is away; a waiting one is woken by the server's runtime, whose timer this is.
    #[tokio::test]
    async fn a_call_goes_on_whenever_it_is_woken() {
        let lanes = laned(Duration::ZERO, async {
            let mut names = Vec::new();
            for round in 0..200 {
                match round % 20 {
                    0 => tokio::time::sleep(Duration::from_millis(1)).await,
                    _ => tokio::task::yield_now().await,
                }
                names.push(thread_name());
            }
            names
        })
        .await;
        assert!(lanes.len() == 200 && lanes.iter().all(|name| name.starts_with("plugin-guest-")), "{lanes:?}");
    }

    #[tokio::test]
    async fn a_call_that_nobody_waits_for_is_dropped() {
        struct Dropped(Option<oneshot::Sender<()>>);
        impl Drop for Dropped {
            fn drop(&mut self) {
                let _ = self.0.take().unwrap().send(());
            }
        }
        let (sender, dropped) = oneshot::channel();
        let guard = Dropped(Some(sender));
        let call = laned(Duration::ZERO, async move {
            let _guard = guard;
            loop {
                tokio::task::yield_now().await;
            }
        });
        assert!(tokio::time::timeout(Duration::from_millis(20), call).await.is_err());
        dropped.await.unwrap();
    }
}
