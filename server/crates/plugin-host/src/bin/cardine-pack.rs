//! Turns a manifest and a core module (or component) into a `.cardine` package.

use std::path::Path;
use std::process::ExitCode;

fn main() -> ExitCode {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let [manifest, module, package] = arguments.as_slice() else {
        eprintln!("usage: cardine-pack <plugin.json> <module.wasm> <package.cardine>");
        return ExitCode::from(2);
    };
    match write_package(Path::new(manifest), Path::new(module), Path::new(package)) {
        Ok(bytes) => {
            println!("{package}: {bytes} bytes");
            ExitCode::SUCCESS
        }
        Err(error) => {
            eprintln!("cardine-pack: {error}");
            ExitCode::FAILURE
        }
    }
}

/// Writes beside the target and renames, so that readers never see half a package.
fn write_package(manifest: &Path, module: &Path, package: &Path) -> Result<usize, String> {
    let read = |path: &Path| std::fs::read(path).map_err(|error| format!("{}: {error}", path.display()));
    let component =
        cardine_plugin_host::componentize(&read(module)?).map_err(|error| format!("{}: {error}", module.display()))?;
    let packed = cardine_plugin_host::pack(&read(manifest)?, &component)
        .map_err(|error| format!("{}: {error}", manifest.display()))?;
    let unfinished = package.with_extension("unfinished");
    std::fs::write(&unfinished, &packed)
        .and_then(|()| std::fs::rename(&unfinished, package))
        .map_err(|error| format!("{}: {error}", package.display()))?;
    Ok(packed.len())
}
