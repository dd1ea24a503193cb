//! The plugins of this repository, built from source, and as other plugins than they are; and their installation.

use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};
use std::sync::LazyLock;

use reqwest::multipart::{Form, Part};
use reqwest::{Method, RequestBuilder};
use serde_json::{Value, json};

use crate::{Answer, Client, repository};

/// The folder of the packages, built once per process; the script does only what changed.
static PACKAGES: LazyLock<PathBuf> = LazyLock::new(|| {
    let folder = repository::root().join("plugins");
    let output = Command::new(folder.join("build.sh")).stdin(Stdio::null()).output().expect("the script can be run");
    assert_success("the plugins can't be built", &output);
    folder.join("target/packages")
});

/// The package of the plugin with this name.
#[must_use]
pub fn package(name: &str) -> PathBuf {
    PACKAGES.join(format!("{name}.cardine"))
}

/// The package as another plugin, or as another version of itself: texts of its manifest are replaced by others of the same length, in the
/// component too.
///
/// # Panics
/// If a text is not there, or is of another length.
#[must_use]
pub fn altered(name: &str, texts: &[(&str, &str)]) -> Vec<u8> {
    let _ = &*PACKAGES;
    let folder = repository::root().join("plugins");
    let compiled = format!("target/wasm32-unknown-unknown/release/cardine_plugin_{}.wasm", name.replace('-', "_"));
    let read = |path: &str| {
        let mut bytes = std::fs::read(folder.join(path)).expect("the script built it");
        for (old, new) in texts {
            replace(&mut bytes, old, new);
        }
        bytes
    };
    pack(&read(&format!("{name}/plugin.json")), &read(&compiled))
}

/// A package of a manifest and a component, or of a module that was built with the interface's bindings.
///
/// # Panics
/// If they make none.
#[must_use]
pub fn pack(manifest: &[u8], component: &[u8]) -> Vec<u8> {
    let _ = &*PACKAGES;
    let folder = tempfile::tempdir().expect("a folder");
    let file = |name: &str| folder.path().join(name);
    let write = |path: &Path, bytes: &[u8]| std::fs::write(path, bytes).expect("a file can be written");
    write(&file("plugin.json"), manifest);
    write(&file("plugin.wasm"), component);
    let packer = repository::root().join("plugins/target/pack/debug/cardine-pack");
    let words = [file("plugin.json"), file("plugin.wasm"), file("plugin.cardine")];
    let output = Command::new(packer).args(words).output().expect("the script built the packer");
    assert_success("this makes no package", &output);
    std::fs::read(file("plugin.cardine")).expect("it was packed")
}

fn replace(bytes: &mut [u8], old: &str, new: &str) {
    assert_eq!(old.len(), new.len(), "nothing moves");
    let places: Vec<usize> =
        (0..=bytes.len().saturating_sub(old.len())).filter(|at| bytes[*at..].starts_with(old.as_bytes())).collect();
    assert!(!places.is_empty(), "there is no {old}");
    for at in places {
        bytes[at..at + new.len()].copy_from_slice(new.as_bytes());
    }
}

/// Installs a package, or only looks at it; `selected` is what is asked of the plugin.
pub async fn install(admin: &Client, package: Vec<u8>, grant: Value, dry_run: bool, selected: &str) -> Answer {
    Answer::of(upload(admin, package, grant, dry_run, selected).header("graphql-preflight", "1")).await
}

/// The request of [`install`], without the header by which a form is known not to come from another's page.
pub fn upload(client: &Client, package: Vec<u8>, grant: Value, dry_run: bool, selected: &str) -> RequestBuilder {
    let query = format!(
        "mutation($file: Upload!, $grant: JSON, $dryRun: Boolean) {{ \
         installPlugin(file: $file, grant: $grant, dryRun: $dryRun) {{ {selected} }} }}"
    );
    let variables = json!({"file": null, "grant": grant, "dryRun": dry_run});
    let form = Form::new()
        .text("operations", json!({"query": query, "variables": variables}).to_string())
        .text("map", json!({"0": ["variables.file"]}).to_string())
        .part("0", Part::bytes(package).file_name("plugin.cardine"));
    client.request(Method::POST, "/admin/graphql").multipart(form)
}

fn assert_success(what: &str, output: &Output) {
    assert!(output.status.success(), "{what}: {}", String::from_utf8_lossy(&output.stderr));
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn texts_are_replaced_wherever_they_stand() {
        let mut bytes = b"a-one b-one c".to_vec();
        replace(&mut bytes, "one", "two");
        assert_eq!(bytes, b"a-two b-two c");
    }
}
