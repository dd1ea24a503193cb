//! The way of a plugin's author: a new folder, a package built from source, its cases, its installation.

use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};

use cardine_tests::{Backend, Launch, binary, plugins, repository};
use tempfile::TempDir;

fn script() -> PathBuf {
    repository::root().join("plugins/build.sh")
}

/// Standard output, then standard error.
fn said(output: &Output) -> String {
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
    text(&output.stdout) + &text(&output.stderr)
}

fn run(folder: &Path, words: &[&str]) -> Output {
    binary::command(folder).args(words).current_dir(folder).stdin(Stdio::null()).output().expect("the binary runs")
}

fn folder() -> TempDir {
    tempfile::tempdir().expect("a folder can be made")
}

#[test]
fn a_new_plugin_in_rust_is_built_from_source_and_passes_its_cases() {
    let place = folder();
    let made = run(place.path(), &["plugin", "new", "my-greeter"]);
    assert!(made.status.success(), "{}", said(&made));
    let project = place.path().join("my-greeter");

    // Where the machine's Rust has no library for WebAssembly, the script's one is used; its compiled parts are shared.
    let binary = binary::command(place.path()).get_program().to_owned();
    let build = "environment=$(\"$SCRIPT\" --environment) && eval \"$environment\" && exec \"$CARDINE\" plugin build";
    let built = Command::new("bash")
        .args(["-c", build])
        .env("SCRIPT", script())
        .env("CARDINE", binary)
        .env("CARGO_TARGET_DIR", repository::root().join("plugins/target/projects"))
        .current_dir(&project)
        .stdin(Stdio::null())
        .output()
        .expect("bash runs");
    assert!(built.status.success(), "{}", said(&built));
    let tested = run(&project, &["plugin", "test", "my-greeter.cardine", "cases.json", "--data", "data"]);
    assert!(tested.status.success() && said(&tested).contains("3 passed, 0 failed"), "{}", said(&tested));
    let again = run(place.path(), &["plugin", "new", "my-greeter"]);
    assert!(!again.status.success() && said(&again).contains("is there already"), "{}", said(&again));
}

#[test]
fn a_new_plugin_in_javascript_is_built_from_source_and_passes_its_cases() {
    if !is_there("npm", &["--version"], "Node.js with npm (on Debian: apt-get install nodejs npm)") {
        return;
    }
    builds_and_passes("javascript", "package.json", "node_modules", |tools| {
        done(Command::new("npm").args(["install", "--no-audit", "--no-fund"]).current_dir(tools));
    });
}

#[test]
fn a_new_plugin_in_python_is_built_from_source_and_passes_its_cases() {
    if !is_there(
        "python3",
        &["-c", "import ensurepip, venv"],
        "Python 3 with venv (on Debian: apt-get install python3-venv)",
    ) {
        return;
    }
    builds_and_passes("python", "requirements.txt", ".venv", |tools| {
        done(Command::new("python3").args(["-m", "venv", "--clear", ".venv"]).current_dir(tools));
        let pip = tools.join(".venv/bin/pip");
        done(Command::new(pip).args(["install", "--quiet", "-r", "requirements.txt"]).current_dir(tools));
    });
}

/// Makes a new plugin, builds it by its language's own tools, and runs its cases, of which one that does not hold must fail. The tools are
/// installed once, beside what is built of the plugins, and again where the template asks for others.
fn builds_and_passes(language: &str, wanted: &str, tools: &str, install: impl Fn(&Path)) {
    let place = folder();
    let made = run(place.path(), &["plugin", "new", "my-greeter", "--lang", language]);
    assert!(made.status.success(), "{}", said(&made));
    let project = place.path().join("my-greeter");
    let shared = repository::root().join("plugins/target/tools").join(language);
    std::fs::create_dir_all(&shared).expect("a folder can be made");
    let lock = std::fs::File::create(shared.join("lock")).expect("a file can be made");
    lock.lock().expect("it can be locked");
    let asked = std::fs::read(project.join(wanted)).expect("it was made");
    let installed = shared.join("installed");
    if std::fs::read(&installed).ok().as_ref() != Some(&asked) {
        std::fs::write(shared.join(wanted), &asked).expect("it can be written");
        install(&shared);
        std::fs::write(&installed, &asked).expect("it can be written");
    }
    drop(lock);
    std::os::unix::fs::symlink(shared.join(tools), project.join(tools)).expect("a link can be made");

    let built = run(&project, &["plugin", "build"]);
    assert!(built.status.success(), "{}", said(&built));
    let test = |cases: &str| run(&project, &["plugin", "test", "my-greeter.cardine", cases, "--data", "data"]);
    let tested = test("cases.json");
    assert!(tested.status.success() && said(&tested).contains("3 passed, 0 failed"), "{}", said(&tested));
    let wrong = r#"{"function": "greet", "input": {"name": "Ada"}, "output": {"text": "Hello, Bob!"}}"#;
    std::fs::write(project.join("wrong.json"), wrong).expect("it can be written");
    let refused = test("wrong.json");
    assert!(!refused.status.success() && said(&refused).contains("Hello, Ada!"), "{}", said(&refused));
}

fn done(command: &mut Command) {
    let output = command.stdin(Stdio::null()).output().expect("the program is there");
    assert!(output.status.success(), "{command:?}: {}", said(&output));
}

/// Whether a language's own tools are there. In CI they must be; elsewhere standard error tells what was not tested.
fn is_there(program: &str, words: &[&str], missing: &str) -> bool {
    let found = Command::new(program).args(words).stdin(Stdio::null()).output();
    if found.is_ok_and(|output| output.status.success()) {
        return true;
    }
    let ci = std::env::var_os("CI").is_some_and(|value| !value.is_empty() && value != "false" && value != "0");
    assert!(!ci, "no {missing}");
    // Past the test runner's capture, which hides the output of tests that pass.
    let _ = writeln!(std::io::stderr(), "\nA PLUGIN'S LANGUAGE IS NOT TESTED: no {missing}\n");
    false
}

#[test]
fn a_new_plugin_in_each_language_has_its_interface_and_a_sound_manifest() {
    let interface = repository::root().join("plugins/wit/since_v0_1/cardine-plugin.wit");
    let interface = std::fs::read_to_string(interface).expect("it is in the repository");
    for (language, source) in [("javascript", "plugin.js"), ("python", "app.py")] {
        let place = folder();
        let made = run(place.path(), &["plugin", "new", "greeter", "--lang", language]);
        assert!(made.status.success(), "{}", said(&made));
        let read = |name: &str| std::fs::read_to_string(place.path().join("greeter").join(name)).expect("it was made");
        assert_eq!(read("wit/cardine-plugin.wit"), interface);
        assert!(read("plugin.json").contains("\"name\": \"greeter\"") && !read(source).is_empty());
    }
    let place = folder();
    for words in
        [&["plugin", "new", "No Name"][..], &["plugin", "new", "../out"], &["plugin", "new", "a", "--lang", "cobol"]]
    {
        assert!(!run(place.path(), words).status.success(), "{words:?}");
    }
    assert_eq!(std::fs::read_dir(place.path()).expect("a folder").count(), 0, "nothing is made of what is refused");
    let nothing = run(place.path(), &["plugin", "build"]);
    assert!(!nothing.status.success() && said(&nothing).contains("plugin.json"), "{}", said(&nothing));
}

#[test]
fn cases_that_do_not_hold_are_told_and_fail() {
    let place = folder();
    let test = |name: &str, cases: &Path| {
        let package = plugins::package(name);
        let words =
            ["plugin", "test", package.to_str().expect("text"), cases.to_str().expect("text"), "--data", "data"];
        run(place.path(), &words)
    };
    for name in ["deal-score", "italian-codes", "lead-score"] {
        let own = test(name, &repository::root().join("plugins").join(name).join("cases.json"));
        assert!(own.status.success() && said(&own).contains(" 0 failed"), "{}", said(&own));
    }
    // What is used stands beside what may be: of a case, or of the plugin.
    let file = place.path().join("budget.json");
    let stated = r#"{"function": "score", "input": {"id": "1", "amount": null}, "cpuMs": 900, "memoryBytes": 4194304, "hostCalls": 7}"#;
    for (case, budget) in [
        (stated, [" of 900 ms ", " of 4096 KiB ", "host calls 0 of 7"]),
        (
            r#"{"function": "score", "input": {"id": "1", "amount": null}}"#,
            [" of 1000 ms ", " of 65536 KiB ", "host calls 0 of 1000"],
        ),
    ] {
        std::fs::write(&file, case).expect("it can be written");
        let told = said(&test("deal-score", &file));
        assert!(budget.iter().all(|budget| told.contains(budget)), "{told}");
    }
    // Fuel is the same wherever and however often a call is made, and more for one that does more.
    let file = place.path().join("fuel.json");
    let (little, more) = (
        r#"{"function": "score", "input": {"id": "1", "amount": null}}"#,
        r#"{"function": "score", "input": {"id": "1", "amount": "164002.75"}}"#,
    );
    std::fs::write(&file, format!("[{little}, {little}, {more}]")).expect("it can be written");
    let fuel = |data: &str| -> Vec<u64> {
        let package = plugins::package("deal-score");
        let words = ["plugin", "test", package.to_str().expect("text"), file.to_str().expect("text"), "--data", data];
        let told = said(&run(place.path(), &words));
        let number = |line: &str| line.split_once("  fuel ").and_then(|(_, number)| number.trim().parse().ok());
        told.lines().filter_map(number).collect()
    };
    let used = fuel("data");
    assert!(used.len() == 3 && used[0] > 0 && used[0] == used[1] && used[1] < used[2], "{used:?}");
    assert_eq!(fuel("other"), used, "compiled anew it uses as much");
    for (budget, is_kept) in [(used[0], true), (used[0] - 1, false)] {
        let case = format!(r#"{{"function": "score", "input": {{"id": "1", "amount": null}}, "fuel": {budget}}}"#);
        std::fs::write(&file, case).expect("it can be written");
        let tested = test("deal-score", &file);
        assert_eq!(tested.status.success(), is_kept, "{}", said(&tested));
        assert!(said(&tested).contains(&format!("fuel {} of {budget}", used[0])), "{}", said(&tested));
    }
    for (cases, fault) in [
        (
            r#"{"function": "score", "input": {"id": "1", "amount": null}, "output": {"value": 1}}"#,
            "answered {\"value\":0}",
        ),
        (r#"{"function": "score", "input": {"id": "1", "amount": null}, "failure": "TRAP"}"#, "was to fail with TRAP"),
        (r#"{"function": "score", "input": {"id": "1", "amount": "much"}}"#, "failed with INVALID"),
        (r#"{"function": "other", "input": {}}"#, "UNKNOWN_FUNCTION"),
        (r#"[{"function": "score", "input": {"id": "1", "amount": null}, "memoryBytes": 1}]"#, "over the budget"),
    ] {
        let file = place.path().join("cases.json");
        std::fs::write(&file, cases).expect("it can be written");
        let tested = test("deal-score", &file);
        assert!(!tested.status.success() && said(&tested).contains(fault), "{cases}: {}", said(&tested));
    }
    let file = place.path().join("cases.json");
    std::fs::write(&file, r#"{"function": "score", "inptu": {}}"#).expect("it can be written");
    assert!(said(&test("deal-score", &file)).contains("holds no cases"));
}

#[test]
fn cases_call_hooks_and_routes() {
    let place = folder();
    let test = |name: &str, cases: &str| {
        std::fs::write(place.path().join("cases.json"), cases).expect("it can be written");
        let package = plugins::package(name);
        run(place.path(), &["plugin", "test", package.to_str().expect("text"), "cases.json", "--data", "data"])
    };
    let of = |phase: &str, operation: &str, change: &str, rest: &str| {
        format!(
            r#"{{"hook": "{phase}", "module": "Organization", "operation": "{operation}", "changes": [{change}], {rest}}}"#
        )
    };
    let renamed = r#"{"id": "1", "before": {"name": "Acme"}, "after": {"name": "Ajax"}}"#;
    let answer = r#"{"document": "createAfterNote", "answer": {"data": {"createAfterNote": {"id": "2"}}}}"#;
    let patch = r#"{"after": {"name": "A", "description": "{\"patch\": {\"name\": \"B\"}}"}}"#;
    let show = r#"{"id": "1", "before": {"description": "show"}, "after": {"description": "show", "website": "a.it"}}"#;
    let shown =
        r#"{\"changed\":[\"website\"],\"count\":1,\"keys\":[\"description\",\"website\"],\"operation\":\"update\"}"#;
    let refused = r#"{"after": {"description": "veto"}}"#;

    let note = r#"{"document": "createJobNote", "answer": {"data": {"createJobNote": {"id": "2"}}}}"#;
    let held: [(&str, Vec<String>); 4] = [
        (
            "test-jobs",
            vec![
                format!(r#"{{"job": "note", "api": [{{"answer": {{}}}}, {note}], "output": {{"part": 1}}, "hostCalls": 2}}"#),
                format!(r#"{{"job": "note", "cursor": {{"part": 2}}, "api": [{{"answer": {{}}}}, {note}], "hostCalls": 2}}"#),
                r#"{"job": "fail", "failure": "FAILED"}"#.to_owned(),
                r#"{"job": "other", "failure": "UNKNOWN_FUNCTION"}"#.to_owned(),
            ],
        ),
        (
            "test-hooks",
            vec![
                of("before", "create", patch, r#""output": [{"patch": {"name": "B"}}], "hostCalls": 0"#),
                of("before", "create", refused, r#""output": [{"veto": ["on-purpose"]}]"#),
                of("before", "update", show, &format!(r#""output": [{{"patch": {{"name": "{shown}"}}}}]"#)),
                of("before", "update", renamed, r#""output": ["keep"]"#),
                of("before", "create", r#"{"after": {"description": "trap"}}"#, r#""failure": "TRAP""#),
            ],
        ),
        (
            "test-after",
            vec![
                of("after", "update", renamed, &format!(r#""api": [{answer}], "hostCalls": 1"#)),
                of("after", "create", r#"{"after": {"description": "fail"}}"#, r#""failure": "FAILED""#),
                of("after", "create", r#"{"after": {"description": "later"}}"#, r#""failure": "FAILED""#),
            ],
        ),
        (
            "test-routes",
            [
                r#"{"route": "/", "request": {"query": "page"},
                    "output": {"status": 203, "headers": {"etag": "\"1\""}, "body": "<script>alert(1)</script>"}}"#,
                r#"{"route": "/signed", "request": {"method": "POST", "query": "denied"}, "failure": "DENIED"}"#,
                r#"{"route": "/me", "request": {"headers": {"Accept": "*/*"}, "body": "hi"}, "user": "u1",
                    "api": [{"answer": {"data": 1}}, {"variables": {}, "answer": {"data": 2}}], "hostCalls": 2,
                    "output": {"body": {"route": "/me", "method": "GET", "path": "/me", "query": "", "headers": ["accept"], "body": "hi",
                        "verified": true, "user": "u1", "asPlugin": "{\"data\":1}", "asCaller": "{\"data\":2}"}}}"#,
            ]
            .map(str::to_owned)
            .to_vec(),
        ),
    ];
    for (name, cases) in held {
        let tested = test(name, &format!("[{}]", cases.join(",")));
        let all = format!("{} passed, 0 failed", cases.len());
        assert!(tested.status.success() && said(&tested).contains(&all), "{name}: {}", said(&tested));
        assert!(said(&tested).contains(" cpu ") && said(&tested).contains("host calls"), "{name}: {}", said(&tested));
    }
    let twice = format!(r#""api": [{answer}, {answer}]"#);
    let other = answer.replace("createAfterNote\", \"answer", "deleteAfterNote\", \"answer");
    for (name, case, fault) in [
        (
            "test-hooks",
            of("before", "create", refused, r#""output": ["keep"]"#),
            r#"answered [{"veto":["on-purpose"]}]"#,
        ),
        ("test-hooks", of("after", "create", refused, r#""cpuMs": 1000"#), "no hook after create of Organization"),
        ("test-after", of("after", "update", renamed, r#""api": []"#), "failed with FAILED"),
        ("test-after", of("after", "update", renamed, &twice), "1 more operations of the API"),
        ("test-after", of("after", "update", renamed, &format!(r#""api": [{other}]"#)), "asked the API for mutation"),
        ("test-routes", r#"{"route": "/", "request": {"query": "page"}, "output": {"status": 204}}"#.to_owned(), "203"),
        (
            "test-routes",
            r#"{"route": "/", "request": {"method": "PUT"}}"#.to_owned(),
            "the manifest has no route PUT /",
        ),
        ("test-routes", r#"{"computed": ["score"], "records": []}"#.to_owned(), "computes no field score"),
    ] {
        let tested = test(name, &case);
        assert!(!tested.status.success() && said(&tested).contains(fault), "{case}: {}", said(&tested));
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_server_that_trusts_keys_takes_only_what_they_signed() {
    let place = folder();
    let file = |name: &str| place.path().join(name).to_str().expect("text").to_owned();
    let key = |name: &str| {
        let made = run(place.path(), &["plugin", "key", name]);
        assert!(made.status.success(), "{}", said(&made));
        String::from_utf8_lossy(&made.stdout).trim().to_owned()
    };
    let (trusted, stranger) = (key("trusted.key"), key("stranger.key"));
    assert!(!run(place.path(), &["plugin", "key", "trusted.key"]).status.success(), "a key is not overwritten");
    let server = Launch::new(Backend::Sqlite).arguments(["--plugin-key".to_owned(), trusted.clone()]).start().await;

    std::fs::copy(plugins::package("deal-score"), file("p.cardine")).expect("it is there");
    let install = || server.run(&["plugin", "install", &file("p.cardine"), "--plugin-key", &trusted]);
    let refused = install();
    assert!(!refused.status.success() && said(&refused).contains("not signed"), "{}", said(&refused));
    for (name, public) in [("stranger.key", &stranger), ("trusted.key", &trusted)] {
        let signed = run(place.path(), &["plugin", "sign", "p.cardine", "--key", name]);
        assert!(signed.status.success(), "{}", said(&signed));
        let installed = install();
        assert_eq!(installed.status.success(), *public == trusted, "{}", said(&installed));
        assert!(*public == trusted || said(&installed).contains(public.as_str()), "{}", said(&installed));
    }
    let admin = server.admin().await;
    cardine_tests::eventually("the plugin is in force", || async {
        let plugins = admin.admin_query("{ plugins { name } }").await;
        (plugins.ok()["plugins"][0]["name"] == "deal-score").then_some(())
    })
    .await;
}
