//! Named points at which a test ends the server, makes it wait, or switches off one of its checks; a release build has none.
//!
//! A test gives its server the variable `CARDINE_TEST_FAILPOINTS`, points and what happens there:
//! `write.before_commit=20*off->abort;catalog.statement=5%abort;record.join=off`. Without `debug_assertions` the macros expand to nothing
//! and to `false`, and nothing is ever set.
//!
//! The points stand in `docs/failpoints.md`. (The crate `fail` does the same; it brings a second random generator, and another set of
//! features for the logging of all other crates.)

use std::sync::atomic::{AtomicBool, Ordering};

#[cfg(debug_assertions)]
mod action;
#[cfg(debug_assertions)]
#[doc(hidden)]
pub mod switched;

/// The variable that a test sets.
pub const VARIABLE: &str = "CARDINE_TEST_FAILPOINTS";

/// A point that the server passes, and where a test may end it or make it wait.
#[macro_export]
macro_rules! pass {
    ($point:literal) => {
        #[cfg(debug_assertions)]
        $crate::switched::pass($point);
    };
}

/// Whether a test has switched off the check of this name: always false in a release build.
#[macro_export]
macro_rules! switched_off {
    ($check:literal) => {{
        #[cfg(debug_assertions)]
        let off = $crate::switched::is_off($check);
        #[cfg(not(debug_assertions))]
        let off = false;
        off
    }};
}

static TESTED: AtomicBool = AtomicBool::new(false);

/// Whether the variable was set, be it to nothing: the server is a test's.
pub fn is_tested() -> bool {
    TESTED.load(Ordering::Relaxed)
}

/// Sets what the variable asks for. In a release build nothing can be asked for.
///
/// # Errors
/// What of its value is no point and action.
pub fn set(asked: &str) -> Result<(), String> {
    if !cfg!(debug_assertions) {
        return Ok(());
    }
    #[cfg(debug_assertions)]
    for setting in asked.split(';').map(str::trim).filter(|setting| !setting.is_empty()) {
        let Some((point, actions)) = setting.split_once('=') else {
            return Err(format!("{setting:?} is not of the form point=action"));
        };
        switched::set(point.trim(), actions.trim())?;
    }
    let _ = asked;
    TESTED.store(true, Ordering::Relaxed);
    Ok(())
}

#[cfg(all(test, debug_assertions))]
mod tests {
    use super::*;

    #[test]
    fn a_check_is_on_until_it_is_switched_off() {
        assert!(!switched_off!("test.check"));
        set(" test.other = pass ; test.check=off;").unwrap();
        assert!(switched_off!("test.check") && !switched_off!("test.other") && is_tested());
        set("test.check=pass").unwrap();
        assert!(!switched_off!("test.check"));
    }

    #[test]
    fn what_is_no_setting_is_told() {
        assert!(set("test.check").unwrap_err().contains("point=action"));
        for faulty in ["fly", "sleep(x)", "x*abort", "200%abort", ""] {
            assert!(set(&format!("test.faulty={faulty}")).unwrap_err().starts_with("test.faulty"), "{faulty}");
        }
    }
}
