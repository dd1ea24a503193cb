//! Others' GraphQL clients and tests: scripts of `tests/clients/`, run under Node with their packages installed.

use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::sync::Once;

use tokio::io::AsyncWriteExt as _;
use tokio::process::Command;

use crate::{binary, repository};

/// The folder with the scripts and their packages, outside the sources.
#[derive(Debug, Clone)]
pub struct Node {
    folder: PathBuf,
}

impl Node {
    /// Ready to run scripts; `None` only on a machine without Node that is not CI, and standard error then tells so.
    ///
    /// # Panics
    /// If there is no Node and `CI` is set; if the packages cannot be installed.
    pub async fn prepare() -> Option<Node> {
        if !(runs("node").await && runs("npm").await) {
            let ci = std::env::var_os("CI").is_some_and(|value| !value.is_empty() && value != "false" && value != "0");
            assert!(!ci, "{MISSING}");
            warn_once();
            return None;
        }
        let target = binary::path();
        // The binary stands in target/<profile>/: the packages are the same for all profiles.
        let target = target.parent().and_then(Path::parent).expect("the binary is below target/<profile>");
        let folder = target.join("clients");
        let install = repository::root().join("tests/clients/install.sh");
        let output = Command::new("bash").arg(install).arg(&folder).output().await.expect("there is a shell");
        assert!(output.status.success(), "installing packages: {}", String::from_utf8_lossy(&output.stderr));
        Some(Node { folder })
    }

    /// What `script` writes to its standard output, given `input` on its standard input.
    ///
    /// # Panics
    /// If the script fails, with what it wrote.
    pub async fn run(&self, script: &str, arguments: &[&str], input: String) -> String {
        let mut child = Command::new("node")
            .arg(script)
            .args(arguments)
            .current_dir(&self.folder)
            // Without what the packages look at for their users while they develop, which takes most of the time.
            .env("NODE_ENV", "production")
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .kill_on_drop(true)
            .spawn()
            .expect("node was found");
        let mut stdin = child.stdin.take().expect("standard input was piped");
        // Beside reading: a script may write before it has read everything, and the pipes are small.
        let write = tokio::spawn(async move {
            // A script that ends early tells why itself.
            let _ = stdin.write_all(input.as_bytes()).await;
        });
        let output = child.wait_with_output().await.expect("the process is a child of this one");
        let _ = write.await;
        let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
        assert!(
            output.status.success(),
            "{script} ended with {}\n{}\n{}",
            output.status,
            text(&output.stdout),
            text(&output.stderr)
        );
        text(&output.stdout)
    }
}

const MISSING: &str = "no Node.js for the tests with others' GraphQL clients: neither `node` nor `npm` may be missing on PATH \
     (on Debian: apt-get install nodejs npm)";

async fn runs(program: &str) -> bool {
    let version = Command::new(program).arg("--version").output().await;
    version.is_ok_and(|output| output.status.success())
}

/// Written past the test runner's capture of `eprintln!`, which hides the output of tests that pass.
fn warn_once() {
    static WARNED: Once = Once::new();
    WARNED.call_once(|| {
        let _ = writeln!(std::io::stderr(), "\nNOT TESTED WITH OTHERS' CLIENTS: {MISSING}\n");
    });
}
