//! What is set in this process, and what happens at the points.

use std::collections::HashMap;
use std::hash::{BuildHasher as _, RandomState};
use std::sync::{LazyLock, Mutex, PoisonError};
use std::time::Duration;

use crate::action::{Action, Step, parse};

/// By point, its steps and how often it was passed.
type Points = HashMap<String, (Vec<Step>, u64)>;

static POINTS: LazyLock<Mutex<Points>> = LazyLock::new(Mutex::default);

/// Sets what happens at a point.
///
/// # Errors
/// What is no action.
pub fn set(point: &str, actions: &str) -> Result<(), String> {
    let steps = parse(actions).map_err(|fault| format!("{point}: {fault}"))?;
    POINTS.lock().unwrap_or_else(PoisonError::into_inner).insert(point.to_owned(), (steps, 0));
    Ok(())
}

/// Does what the point was set to.
pub fn pass(point: &str) {
    match next(point) {
        Action::Pass | Action::Off => {}
        Action::Abort => std::process::abort(),
        Action::Panic => panic!("the test wants it so: {point}"),
        Action::Sleep(time) => std::thread::sleep(time),
        Action::Wait(file) => {
            std::fs::write(&file, point).expect("the test named a file that can be written");
            while file.exists() {
                std::thread::sleep(Duration::from_millis(5));
            }
        }
    }
}

/// Whether the check is left out.
pub fn is_off(check: &str) -> bool {
    next(check) == Action::Off
}

fn next(point: &str) -> Action {
    if !crate::is_tested() {
        return Action::Pass;
    }
    let mut points = POINTS.lock().unwrap_or_else(PoisonError::into_inner);
    let Some((steps, passed)) = points.get_mut(point) else { return Action::Pass };
    let mut before = 0;
    for step in steps.iter() {
        match step.times {
            Some(times) if *passed >= before + times => before += times,
            _ => {
                *passed += 1;
                // A hasher of the standard library has random keys.
                let is_likely = step.percent == 100 || RandomState::new().hash_one(*passed) % 100 < step.percent;
                return if is_likely { step.action.clone() } else { Action::Pass };
            }
        }
    }
    Action::Pass
}
