//! `cardine plugin new` and `build`: a folder to begin with, and the package that is made of it.

use std::path::{Path, PathBuf};
use std::process::{Command, ExitCode};

use anyhow::{Context as _, bail, ensure};
use cardine_plugin_host::{Manifest, componentize, pack};

use crate::cli::PluginLanguage;

/// A file of a new plugin; `NAME` in it stands for the plugin's name.
type File = (&'static str, &'static str);

macro_rules! plugins {
    ($path:literal) => {
        include_str!(concat!("../../../plugins/", $path))
    };
}

/// What plugins in every language begin with.
const COMMON: &[File] = &[
    ("plugin.json", plugins!("templates/common/plugin.json")),
    ("cases.json", plugins!("templates/common/cases.json")),
];

const RUST: &[File] = &[
    ("Cargo.toml", plugins!("templates/rust/Cargo.toml")),
    ("src/lib.rs", plugins!("templates/rust/src/lib.rs")),
    ("wit/since_v0_1/cardine-plugin.wit", plugins!("wit/since_v0_1/cardine-plugin.wit")),
    // The SDK as it was when this server was made: the project depends on nothing that is not in its folder.
    ("sdk/rust/Cargo.toml", plugins!("sdk/rust/Cargo.toml")),
    ("sdk/rust/src/lib.rs", plugins!("sdk/rust/src/lib.rs")),
    ("sdk/rust/src/adapter.rs", plugins!("sdk/rust/src/adapter.rs")),
    ("sdk/rust/src/error.rs", plugins!("sdk/rust/src/error.rs")),
    ("sdk/rust/src/records.rs", plugins!("sdk/rust/src/records.rs")),
];

const JAVASCRIPT: &[File] = &[
    ("package.json", plugins!("templates/javascript/package.json")),
    ("plugin.js", plugins!("templates/javascript/plugin.js")),
    ("wit/cardine-plugin.wit", plugins!("wit/since_v0_1/cardine-plugin.wit")),
];

const PYTHON: &[File] = &[
    ("requirements.txt", plugins!("templates/python/requirements.txt")),
    ("app.py", plugins!("templates/python/app.py")),
    ("wit/cardine-plugin.wit", plugins!("wit/since_v0_1/cardine-plugin.wit")),
];

/// `cardine plugin new NAME`: a folder of that name with a plugin that greets.
pub fn new(name: &str, language: PluginLanguage) -> anyhow::Result<ExitCode> {
    let own = match language {
        PluginLanguage::Rust => RUST,
        PluginLanguage::Javascript => JAVASCRIPT,
        PluginLanguage::Python => PYTHON,
    };
    // Before anything is written: a name that the manifest's schema refuses.
    read_manifest(plugins!("templates/common/plugin.json").replace("NAME", name).as_bytes())?;
    let folder = Path::new(name);
    ensure!(!folder.exists(), "{name} is there already: choose another name, or remove it");
    for (path, text) in COMMON.iter().chain(own) {
        let file = folder.join(path);
        let parent = file.parent().context("a file stands in a folder")?;
        std::fs::create_dir_all(parent).with_context(|| format!("{} cannot be made", parent.display()))?;
        std::fs::write(&file, named(path, text, name))
            .with_context(|| format!("{} cannot be written", file.display()))?;
    }
    println!("{name} is made. Now: cd {name} && cardine plugin build && cardine plugin test {name}.cardine cases.json");
    Ok(ExitCode::SUCCESS)
}

/// The interface and the SDK are as they are.
fn named(path: &str, text: &str, name: &str) -> String {
    let is_given = path.starts_with("wit/") || path.starts_with("sdk/");
    if is_given { text.to_owned() } else { text.replace("NAME", name) }
}

/// `cardine plugin build [DIR]`: compiles the plugin by its language's own tools, and packs it.
pub fn build(folder: &Path) -> anyhow::Result<ExitCode> {
    let file = folder.join("plugin.json");
    let text = std::fs::read(&file).with_context(|| format!("{} cannot be read", file.display()))?;
    let manifest = read_manifest(&text)?;
    let module = if folder.join("Cargo.toml").exists() {
        build_rust(folder)?
    } else if folder.join("plugin.js").exists() {
        build_javascript(folder, &manifest, &text)?
    } else if folder.join("app.py").exists() {
        build_python(folder, &manifest, &text)?
    } else {
        bail!("{} holds no Cargo.toml, plugin.js or app.py: begin with `cardine plugin new`", folder.display());
    };
    let module = std::fs::read(&module).with_context(|| format!("{} was not made", module.display()))?;
    let package = pack(&text, &componentize(&module)?)?;
    let file = folder.join(format!("{}.cardine", manifest.name()));
    std::fs::write(&file, &package).with_context(|| format!("{} cannot be written", file.display()))?;
    println!("{}: {} bytes", file.display(), package.len());
    Ok(ExitCode::SUCCESS)
}

fn read_manifest(text: &[u8]) -> anyhow::Result<Manifest> {
    let text = std::str::from_utf8(text).context("plugin.json is no text in UTF-8")?;
    Manifest::parse(text).map_err(|issues| {
        let issues: Vec<String> = issues.iter().map(ToString::to_string).collect();
        anyhow::anyhow!("plugin.json: {}", issues.join("\n"))
    })
}

fn build_rust(folder: &Path) -> anyhow::Result<PathBuf> {
    const TARGET: &str = "wasm32-unknown-unknown";
    let target = std::env::var_os("CARGO_TARGET_DIR").map_or_else(|| folder.join("target"), PathBuf::from);
    run(Command::new("cargo").args(["build", "--release", "--target", TARGET]), folder)
        .with_context(|| format!("if the target is missing: rustup target add {TARGET}"))?;
    let manifest = folder.join("Cargo.toml");
    let text = std::fs::read_to_string(&manifest).with_context(|| format!("{} cannot be read", manifest.display()))?;
    let cargo: toml::Table = text.parse().with_context(|| format!("{} is no TOML", manifest.display()))?;
    let name = cargo.get("package").and_then(|package| package.get("name")).and_then(toml::Value::as_str);
    let name = name.with_context(|| format!("{} names no package", manifest.display()))?.replace('-', "_");
    Ok(target.join(TARGET).join("release").join(format!("{name}.wasm")))
}

fn build_javascript(folder: &Path, manifest: &Manifest, text: &[u8]) -> anyhow::Result<PathBuf> {
    if !folder.join("node_modules").exists() {
        run(Command::new("npm").args(["install", "--no-audit", "--no-fund"]), folder)?;
    }
    let made = folder.join("build");
    std::fs::create_dir_all(&made).with_context(|| format!("{} cannot be made", made.display()))?;
    let source = folder.join("plugin.js");
    let code = std::fs::read_to_string(&source).with_context(|| format!("{} cannot be read", source.display()))?;
    // Every JSON string is a JavaScript string.
    let whole = format!("const MANIFEST = {};\n{code}", literal(text));
    std::fs::write(made.join("plugin.js"), whole).context("build/plugin.js cannot be written")?;
    let command = ["componentize-qjs", "--wit", "wit", "-n", world(manifest), "--js", "build/plugin.js"];
    // Without the last ones it would import what no plugin gets, or need another kind of call.
    let rest = ["-o", "build/plugin.wasm", "--sync", "--stub-wasi", "-m"];
    run(Command::new("npx").args(command).args(rest), folder)?;
    Ok(made.join("plugin.wasm"))
}

fn build_python(folder: &Path, manifest: &Manifest, text: &[u8]) -> anyhow::Result<PathBuf> {
    let own = Path::new(".venv/bin/componentize-py");
    let tool = if folder.join(own).exists() { own } else { Path::new("componentize-py") };
    std::fs::create_dir_all(folder.join("build")).context("the folder build cannot be made")?;
    // JSON's escapes are Python's too.
    std::fs::write(folder.join("manifest.py"), format!("MANIFEST = {}\n", literal(text)))
        .context("manifest.py cannot be written")?;
    let rest = ["-d", "wit", "-w", world(manifest), "componentize", "--stub-wasi", "app", "-o", "build/plugin.wasm"];
    run(Command::new(tool).args(rest), folder).context(
        "componentize-py is installed by: python3 -m venv .venv && .venv/bin/pip install -r requirements.txt",
    )?;
    Ok(folder.join("build/plugin.wasm"))
}

/// The text as a string of JSON.
fn literal(text: &[u8]) -> String {
    serde_json::Value::from(String::from_utf8_lossy(text)).to_string()
}

/// The world of the WIT package that has what the manifest makes use of.
fn world(manifest: &Manifest) -> &'static str {
    let worlds = [
        (manifest.functions().is_empty(), "function-plugin"),
        (manifest.hooks().is_empty(), "hook-plugin"),
        (manifest.validators().is_empty(), "validator-plugin"),
        (manifest.computed().is_empty(), "computed-plugin"),
        (manifest.routes().is_empty(), "route-plugin"),
        (manifest.jobs().is_empty(), "job-plugin"),
    ];
    let mut used = worlds.into_iter().filter(|(is_empty, _)| !is_empty).map(|(_, world)| world);
    match (used.next(), used.next()) {
        (None, _) => "base",
        (Some(world), None) => world,
        (Some(_), Some(_)) => "full-plugin",
    }
}

fn run(command: &mut Command, folder: &Path) -> anyhow::Result<()> {
    let program = command.get_program().to_string_lossy().into_owned();
    let status = command.current_dir(folder).status().with_context(|| format!("{program} cannot be started"))?;
    ensure!(status.success(), "{program} failed");
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_template_has_a_manifest_that_is_accepted() {
        let (_, text) = COMMON[0];
        let manifest = read_manifest(text.replace("NAME", "my-plugin").as_bytes()).unwrap();
        assert_eq!((manifest.name(), world(&manifest)), ("my-plugin", "function-plugin"));
        assert!(read_manifest(text.replace("NAME", "My plugin").as_bytes()).is_err());
    }

    #[test]
    fn a_plugin_has_the_world_of_what_it_makes_use_of() {
        let world_of = |parts: &str| {
            let text = format!(r#"{{"name": "p", "version": "1.0.0", "title": "P", "api": "0.1"{parts}}}"#);
            world(&read_manifest(text.as_bytes()).unwrap())
        };
        let routes = r#", "routes": [{"path": "/", "methods": ["GET"], "auth": "none"}]"#;
        let computed =
            r#", "computed": [{"module": "Deal", "field": "score", "type": "integer", "inputs": ["amount"]}]"#;
        assert_eq!(world_of(""), "base");
        assert_eq!(world_of(routes), "route-plugin");
        assert_eq!(world_of(computed), "computed-plugin");
        assert_eq!(world_of(&format!("{routes}{computed}")), "full-plugin");
    }

    #[test]
    fn the_manifest_is_one_string_in_javascript_and_python() {
        assert_eq!(literal(b"{\n  \"a\": \"b\\\"\"}"), r#""{\n  \"a\": \"b\\\"\"}""#);
    }
}
