//! Components are compiled in a process of their own: one that takes too much memory ends that process, and nothing of the server's.

use std::path::Path;
use std::process::Output;

use cardine_tests::{Launch, binary, on_both_databases, plugins};
use serde_json::{Value, json};

/// A package with one function, which takes some hundred MiB to be compiled where it is long.
fn glutton(length: usize) -> Vec<u8> {
    let manifest = json!({"name": "glutton", "version": "1.0.0", "title": "Glutton", "api": "0.1"});
    plugins::pack(manifest.to_string().as_bytes(), &component(length))
}

const LONG: usize = 120_000;

/// A component, of a module with one function: so often it multiplies, and branches by what comes of it.
fn component(times: usize) -> Vec<u8> {
    // (func (param i32) (result i32) (block (local.set 0 (i32.mul (local.get 0) (i32.const 3))) (br_if 0 (local.get 0)))… (local.get 0))
    const STEP: [u8; 14] = [0x02, 0x40, 0x20, 0x00, 0x41, 0x03, 0x6c, 0x21, 0x00, 0x20, 0x00, 0x0d, 0x00, 0x0b];
    let code = [&[0x00][..], &STEP.repeat(times), &[0x20, 0x00, 0x0b]].concat();
    let function = [length(code.len()), code].concat();
    let types = section(1, &[0x01, 0x60, 0x01, 0x7f, 0x01, 0x7f]);
    let module =
        [b"\0asm\x01\0\0\0".to_vec(), types, section(3, &[0x01, 0x00]), section(10, &[vec![0x01], function].concat())];
    [b"\0asm\x0d\0\x01\0".to_vec(), section(1, &module.concat())].concat()
}

fn section(kind: u8, content: &[u8]) -> Vec<u8> {
    [vec![kind], length(content.len()), content.to_vec()].concat()
}

/// As WebAssembly writes numbers: seven bits a byte, the lowest first.
fn length(mut number: usize) -> Vec<u8> {
    let mut bytes = Vec::new();
    while number >= 0x80 {
        bytes.push(u8::try_from(number & 0x7f).expect("seven bits") | 0x80);
        number >>= 7;
    }
    bytes.push(u8::try_from(number).expect("less than a byte"));
    bytes
}

fn check(folder: &Path, words: &[&str]) -> Output {
    let words = [&["plugin", "check", "glutton.cardine", "--data", "data"], words].concat();
    binary::command(folder).args(words).current_dir(folder).output().expect("the binary runs")
}

const TOO_MUCH: &str = "compiling the component takes more than the 96 MiB of memory that are allowed for it";

#[test]
fn what_takes_too_much_memory_to_compile_is_refused() {
    let folder = tempfile::tempdir().expect("a folder can be made");
    let write =
        |length| std::fs::write(folder.path().join("glutton.cardine"), glutton(length)).expect("it can be written");
    write(LONG);
    let refused = check(folder.path(), &["--plugin-compile-mib", "96"]);
    let said = String::from_utf8_lossy(&refused.stderr);
    assert!(!refused.status.success() && said.contains(TOO_MUCH), "{said}");
    // With less to do, it is compiled, and fails for what it lacks.
    write(100);
    let refused = check(folder.path(), &["--plugin-compile-mib", "96"]);
    let said = String::from_utf8_lossy(&refused.stderr);
    assert!(
        !refused.status.success() && said.contains("no exported instance named `cardine:plugin/lifecycle"),
        "{said}"
    );
    let refused = check(folder.path(), &["--plugin-compile-mib", "63"]);
    assert!(String::from_utf8_lossy(&refused.stderr).contains("plugin-compile-mib: 63 is not between"), "{refused:?}");
}

on_both_databases! {
    async fn a_server_refuses_it_and_goes_on(backend: Backend) {
        let server = Launch::new(backend).arguments(["--plugin-compile-mib", "96"]).start().await;
        let admin = server.admin().await;
        let answer = plugins::install(&admin, glutton(LONG), Value::Null, false, "name").await;
        let told = answer.refused("VALIDATION_FAILED").issues()[0]["message"].as_str().unwrap_or_default().to_owned();
        assert!(told.contains(TOO_MUCH), "{told}");
        let good = std::fs::read(plugins::package("deal-score")).expect("the script built it");
        plugins::install(&admin, good, Value::Null, false, "name").await.ok();
        assert_eq!(admin.admin_query("{ plugins { name } }").await.ok()["plugins"], json!([{"name": "deal-score"}]));
    }
}
