//! The packages that the tests use, built from source by the project's own script.
#![allow(dead_code)]

use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::OnceLock;

use cardine_plugin_host::Package;

/// A package of the folder `plugins`.
pub fn package(name: &str) -> Package {
    Package::read(&package_bytes(name)).unwrap_or_else(|error| panic!("{name}: {error}"))
}

/// The bytes of a package of the folder `plugins`.
pub fn package_bytes(name: &str) -> Vec<u8> {
    let path = built_packages().join(format!("{name}.cardine"));
    std::fs::read(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display()))
}

/// Runs the script once per test program; it is quick when nothing changed.
fn built_packages() -> &'static Path {
    static FOLDER: OnceLock<PathBuf> = OnceLock::new();
    FOLDER.get_or_init(|| {
        let plugins = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../../plugins");
        let output = Command::new(plugins.join("build.sh"))
            .env("CARDINE_PACK", env!("CARGO_BIN_EXE_cardine-pack"))
            .output()
            .expect("plugins/build.sh can be started");
        assert!(
            output.status.success(),
            "plugins/build.sh failed:\n{}\n{}",
            String::from_utf8_lossy(&output.stdout),
            String::from_utf8_lossy(&output.stderr)
        );
        plugins.join("target/packages")
    })
}
