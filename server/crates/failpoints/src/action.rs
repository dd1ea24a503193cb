//! What happens at a point: `abort`, `panic`, `sleep(50)`, `wait(/a/file)`, `off`, `pass`; `20*pass->abort` is the last one after twenty, and `5%abort` once in
//! twenty.

use std::path::PathBuf;
use std::time::Duration;

#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Action {
    /// Nothing.
    Pass,
    /// The check is left out.
    Off,
    /// The process ends at once, as by a crash.
    Abort,
    Panic,
    /// The thread waits.
    Sleep(Duration),
    /// The thread makes this file, and waits until it is gone.
    Wait(PathBuf),
}

/// An action with how often it is done, and how likely.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Step {
    pub action: Action,
    /// How often, before the next step's turn; `None`: always.
    pub times: Option<u64>,
    /// Of a hundred.
    pub percent: u64,
}

/// The steps of `20*pass->abort`.
pub(crate) fn parse(text: &str) -> Result<Vec<Step>, String> {
    text.split("->").map(str::trim).map(step).collect()
}

fn step(text: &str) -> Result<Step, String> {
    let fault =
        || format!("{text:?} is no action such as abort, sleep(50), wait(/a/file), off, 20*pass->abort or 5%abort");
    let (percent, rest) = match text.split_once('%') {
        Some((percent, rest)) => (percent.parse().ok().filter(|percent| *percent <= 100).ok_or_else(fault)?, rest),
        None => (100, text),
    };
    let (times, word) = match rest.split_once('*') {
        Some((times, word)) => (Some(times.parse().map_err(|_| fault())?), word),
        None => (None, rest),
    };
    let action = match word {
        "pass" => Action::Pass,
        "off" => Action::Off,
        "abort" => Action::Abort,
        "panic" => Action::Panic,
        waits if waits.starts_with("wait(") => {
            let file = waits.strip_prefix("wait(").and_then(|rest| rest.strip_suffix(')')).ok_or_else(fault)?;
            Action::Wait(PathBuf::from(file))
        }
        other => {
            let milliseconds = other.strip_prefix("sleep(").and_then(|rest| rest.strip_suffix(')'));
            let milliseconds = milliseconds.and_then(|number| number.parse().ok()).ok_or_else(fault)?;
            Action::Sleep(Duration::from_millis(milliseconds))
        }
    };
    Ok(Step { action, times, percent })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn steps_are_read() {
        let step = |action, times, percent| Step { action, times, percent };
        assert_eq!(parse("abort"), Ok(vec![step(Action::Abort, None, 100)]));
        assert_eq!(
            parse("20*pass -> 5%abort"),
            Ok(vec![step(Action::Pass, Some(20), 100), step(Action::Abort, None, 5)])
        );
        assert_eq!(parse("sleep(50)"), Ok(vec![step(Action::Sleep(Duration::from_millis(50)), None, 100)]));
        assert_eq!(parse("wait(/a/b)"), Ok(vec![step(Action::Wait("/a/b".into()), None, 100)]));
        assert!(parse("abort->").is_err() && parse("wait(/a").is_err());
    }
}
