//! Lists the documents under `schema/` so that they are embedded without any of them being named in code.

use std::fmt::Write as _;
use std::path::Path;
use std::{env, fs, io};

/// Folders of `schema/` and the constants that they become.
const FOLDERS: [(&str, &str); 4] =
    [("platform", "PLATFORM"), ("modules", "MODULES"), ("roles", "ROLES"), ("demo", "DEMO")];

fn main() -> io::Result<()> {
    let schema = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../../schema");
    let mut source = String::new();
    for (folder, constant) in FOLDERS {
        let folder = schema.join(folder);
        println!("cargo::rerun-if-changed={}", folder.display());
        writeln!(source, "const {constant}: &[(&str, &str)] = &[").expect("text can be written to");
        for file in documents_in(&folder)? {
            let address = folder.join(&file);
            writeln!(source, "    ({file:?}, include_str!({address:?})),").expect("text can be written to");
        }
        source.push_str("];\n");
    }
    let target = env::var_os("OUT_DIR").expect("cargo sets it for build scripts");
    fs::write(Path::new(&target).join("documents.rs"), source)
}

/// Names of the JSON files in `folder`, sorted so that builds are the same everywhere; none if there is no such folder.
fn documents_in(folder: &Path) -> io::Result<Vec<String>> {
    let entries = match fs::read_dir(folder) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Vec::new()),
        entries => entries?,
    };
    let mut files = Vec::new();
    for entry in entries {
        let name = entry?.file_name().to_string_lossy().into_owned();
        if name.ends_with(".json") {
            files.push(name);
        }
    }
    files.sort();
    Ok(files)
}
