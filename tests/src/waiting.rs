//! The one place where a test waits for something that happens later, such as a workflow's effect.

use std::future::Future;
use std::time::{Duration, Instant};

/// Long enough for a loaded machine with two cores; a passing case never takes it.
const PATIENCE: Duration = Duration::from_secs(60);

/// Asks again, ever more slowly, until `ask` gives something.
///
/// # Panics
/// After a minute, with `what` in the message.
pub async fn eventually<T, F: Future<Output = Option<T>>>(what: &str, mut ask: impl FnMut() -> F) -> T {
    let give_up = Instant::now() + PATIENCE;
    let mut pause = Duration::from_millis(2);
    loop {
        if let Some(answer) = ask().await {
            return answer;
        }
        assert!(Instant::now() < give_up, "waited {} s in vain: {what}", PATIENCE.as_secs());
        tokio::time::sleep(pause).await;
        pause = (pause * 2).min(Duration::from_millis(100));
    }
}
