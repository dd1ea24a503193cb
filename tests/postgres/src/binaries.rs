//! Finds an installed PostgreSQL server: the directory that holds `initdb` and `postgres`.

use std::path::{Path, PathBuf};
use std::process::Command;

/// The oldest major version that Cardine supports.
const OLDEST_MAJOR: u32 = 14;

/// A directory with PostgreSQL's server binaries, and their major version.
#[derive(Debug)]
pub(crate) struct Binaries {
    pub(crate) directory: PathBuf,
    pub(crate) major: u32,
}

/// The newest server that is installed and supported, `PATH` before Debian's own place for several versions.
pub(crate) fn find() -> Option<Binaries> {
    let from_path =
        std::env::var_os("PATH").map(|path| std::env::split_paths(&path).collect::<Vec<_>>()).unwrap_or_default();
    let on_path = from_path.into_iter().find_map(supported);
    on_path.or_else(|| newest_of(versioned_directories("/usr/lib/postgresql")))
}

fn newest_of(directories: Vec<PathBuf>) -> Option<Binaries> {
    directories.into_iter().filter_map(supported).max_by_key(|binaries| binaries.major)
}

fn versioned_directories(root: impl AsRef<Path>) -> Vec<PathBuf> {
    let entries = std::fs::read_dir(root).into_iter().flatten().flatten();
    entries.map(|entry| entry.path().join("bin")).collect()
}

fn supported(directory: PathBuf) -> Option<Binaries> {
    if !directory.join("initdb").is_file() {
        return None;
    }
    let output = Command::new(directory.join("postgres")).arg("--version").output().ok()?;
    let major = parse_major(&String::from_utf8_lossy(&output.stdout))?;
    (major >= OLDEST_MAJOR).then_some(Binaries { directory, major })
}

/// `postgres (PostgreSQL) 15.18 (Debian 15.18-0+deb12u1)` → 15; `17beta2` → 17.
fn parse_major(version: &str) -> Option<u32> {
    let number = version.split_whitespace().find(|word| word.starts_with(|c: char| c.is_ascii_digit()))?;
    let digits = number.split(|c: char| !c.is_ascii_digit()).next()?;
    digits.parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn major_version_is_read_from_what_postgres_prints() {
        assert_eq!(parse_major("postgres (PostgreSQL) 15.18 (Debian 15.18-0+deb12u1)\n"), Some(15));
        assert_eq!(parse_major("postgres (PostgreSQL) 17beta2"), Some(17));
        assert_eq!(parse_major("postgres (PostgreSQL) devel"), None);
    }

    #[test]
    fn a_directory_without_a_server_is_not_taken() {
        let empty = tempfile::tempdir().unwrap();
        assert!(supported(empty.path().to_path_buf()).is_none());
        assert!(newest_of(versioned_directories(empty.path())).is_none());
    }
}
