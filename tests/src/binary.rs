//! Finds the `cardine` binary under test and prepares commands that run it.

use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::SystemTime;

use crate::repository;

/// Names another binary to test, such as a release build.
pub const BINARY_VARIABLE: &str = "CARDINE_TEST_BINARY";

/// The binary that Cargo built beside the tests or the bench: `target/<profile>/cardine`, or the one in `CARDINE_TEST_BINARY`.
///
/// # Panics
/// If there is none.
#[must_use]
pub fn path() -> PathBuf {
    if let Some(path) = std::env::var_os(BINARY_VARIABLE) {
        return PathBuf::from(path);
    }
    let own = std::env::current_exe().expect("the path of the executable is known");
    let folder = own.parent().expect("an executable is in a folder");
    // Tests and examples are built into folders of target/<profile>, other binaries beside the server.
    let apart = folder.ends_with("deps") || folder.ends_with("examples");
    let profile = if apart { folder.parent() } else { Some(folder) };
    let path = profile.expect("it is below target/<profile>").join("cardine");
    assert!(
        path.is_file(),
        "{} is not there. `cargo test --workspace` builds it; for the whole-system tests alone run \
         `cargo build --bin cardine` first, or name another binary in {BINARY_VARIABLE}",
        path.display()
    );
    path
}

/// `cardine` in `directory`, without any setting from the caller's environment.
///
/// In an empty directory it finds no `cardine.toml` either.
#[must_use]
pub fn command(directory: &Path) -> Command {
    let mut command = Command::new(path());
    command.current_dir(directory);
    for (name, _) in std::env::vars_os() {
        if name.to_string_lossy().starts_with("CARDINE_") {
            command.env_remove(name);
        }
    }
    command
}

/// A sentence for a failing test if sources are newer than the binary: then it may fail for what is mended already.
#[must_use]
pub fn staleness() -> Option<String> {
    if std::env::var_os(BINARY_VARIABLE).is_some() {
        return None;
    }
    let built = modified(&path())?;
    let source_folders = ["server/src", "server/crates", "migrations/src"];
    let sources = source_folders.iter().flat_map(|folder| files_below(&repository::root().join(folder)));
    let newest = sources.filter_map(|file| Some((modified(&file)?, file))).max()?;
    (newest.0 > built).then(|| format!("the tested binary is older than {}: build it again", newest.1.display()))
}

fn modified(path: &Path) -> Option<SystemTime> {
    std::fs::metadata(path).ok()?.modified().ok()
}

fn files_below(directory: &Path) -> Vec<PathBuf> {
    let entries = std::fs::read_dir(directory).into_iter().flatten().flatten();
    entries
        .flat_map(|entry| match entry.file_type() {
            Ok(kind) if kind.is_dir() => files_below(&entry.path()),
            _ => vec![entry.path()],
        })
        .filter(|path| path.extension().is_some_and(|extension| extension == "rs"))
        .collect()
}
