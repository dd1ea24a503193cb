//! The checked-out sources, for tests about the sources themselves.

use std::path::{Path, PathBuf};
use std::process::Command;

/// The top folder of the repository.
///
/// # Panics
/// If the tests were moved away from it after they were built.
#[must_use]
pub fn root() -> PathBuf {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("..");
    root.canonicalize().expect("the tests stand in a folder of the repository")
}

/// Every file that git tracks or would add, by its path from [`root`], with its text; files that are not UTF-8 are left out.
///
/// # Panics
/// If git cannot be run there.
#[must_use]
pub fn text_files() -> Vec<(String, String)> {
    let root = root();
    let output = Command::new("git")
        .args(["-c", "safe.directory=*", "ls-files", "-z", "--cached", "--others", "--exclude-standard"])
        .current_dir(&root)
        .output()
        .expect("git is installed");
    assert!(output.status.success(), "git ls-files: {}", String::from_utf8_lossy(&output.stderr));
    let listed = String::from_utf8(output.stdout).expect("tracked paths are UTF-8");
    let paths = listed.split('\0').filter(|path| !path.is_empty());
    paths.filter_map(|path| Some((path.to_owned(), std::fs::read_to_string(root.join(path)).ok()?))).collect()
}
