//! Cargo builds the binary for the tests, where the whole-system tests in `tests/` look for it.
//!
//! It does so only for a package with an integration test: without this file `cargo test --workspace` on a fresh
//! clone leaves them nothing to run.

use std::path::Path;

#[test]
fn the_binary_stands_beside_the_tests() {
    let this_test = std::env::current_exe().expect("the path of the test executable is known");
    let profile = this_test.parent().and_then(Path::parent).expect("tests are built into target/<profile>/deps");
    let expected = profile.join("cardine").canonicalize().expect("the binary was built");
    let built = Path::new(env!("CARGO_BIN_EXE_cardine")).canonicalize().expect("Cargo names a file that exists");
    assert_eq!(built, expected);
}
