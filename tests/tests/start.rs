//! Starting, ending and looking after a server: sub-commands, the first administrator, crashes, and two servers at once.

use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::path::Path;
use std::process::{Command, Output, Stdio};

use cardine_tests::{Answer, Backend, Launch, Server, binary, on_both_databases};
use serde_json::json;

fn run(directory: &Path, arguments: &[&str]) -> Output {
    let output = binary::command(directory).args(arguments).stdin(Stdio::null()).output();
    output.expect("the binary runs")
}

/// Standard output, then standard error.
fn said(output: &Output) -> String {
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
    text(&output.stdout) + &text(&output.stderr)
}

/// The arguments that name a server's data, for other sub-commands.
fn on_data_of(server: &Server) -> Vec<String> {
    let mut arguments = vec!["--data".to_owned(), server.data_directory().display().to_string()];
    if let Some(database) = server.postgres() {
        arguments.extend(["--database".to_owned(), database.url().to_owned()]);
    }
    arguments
}

fn run_on(server: &Server, words: &[&str]) -> Output {
    let data = on_data_of(server);
    let arguments: Vec<&str> = words.iter().copied().chain(data.iter().map(String::as_str)).collect();
    run(&server.data_directory(), &arguments)
}

on_both_databases! {
    async fn a_server_ends_well_on_sigterm_and_starts_again_after_a_crash(mut server: Server) {
        let admin = server.admin().await;
        let id = admin.create("Lead", json!({"lastName": "Kept"})).await;
        assert!(server.stop().success(), "{}", server.log());
        server.restart().await;
        let see = "query($id: ID!) { lead(id: $id) { lastName } }";
        assert_eq!(admin.query_with(see, json!({"id": id})).await.ok()["lead"]["lastName"], "Kept");
        // A crash among writes: each write that was answered is there, and no half of one.
        let mut answered = Vec::new();
        let crash = tokio::spawn({
            let admin = admin.clone();
            async move {
                let mut ids = Vec::new();
                for n in 0..10_000 {
                    let text = format!("mutation {{ a: createLead(data: {{lastName: \"A{n}\"}}) {{ id }} b: createLead(data: {{lastName: \"B{n}\"}}) {{ id }} }}");
                    let request = admin.request(reqwest::Method::POST, "/graphql").json(&json!({"query": text}));
                    match request.send().await {
                        Ok(response) => match response.json::<serde_json::Value>().await {
                            Ok(body) if body["data"]["a"]["id"].is_string() => ids.push(n),
                            _ => break,
                        },
                        Err(_) => break,
                    }
                }
                ids
            }
        });
        cardine_tests::eventually("some writes were answered", || async {
            let answer = admin.query("{ leads { totalCount } }").await;
            (answer.ok()["leads"]["totalCount"].as_i64() > Some(20)).then_some(())
        }).await;
        server.kill_hard();
        answered.extend(crash.await.expect("the writer ends"));
        server.restart().await;
        let last = answered.last().expect("some writes were answered");
        let text = format!("{{ a: leads(filter: {{lastName: {{startsWith: \"A\"}}}}) {{ totalCount }} b: leads(filter: {{lastName: {{startsWith: \"B\"}}}}) {{ totalCount }}
            last: leads(filter: {{lastName: {{in: [\"A{last}\", \"B{last}\"]}}}}) {{ totalCount }} }}");
        let answer = admin.query(&text).await;
        assert_eq!(answer.ok()["a"], answer.ok()["b"]);
        assert_eq!(answer.ok()["last"]["totalCount"], 2);
        assert!(answer.ok()["a"]["totalCount"].as_i64() >= i64::try_from(answered.len()).ok());
    }

    async fn migrate_is_idempotent_and_doctor_finds_nothing(mut server: Server) {
        server.admin().await.create("Lead", json!({"lastName": "Kept"})).await;
        assert!(server.stop().success());
        for words in [["migrate"], ["migrate"], ["doctor"]] {
            let output = run_on(&server, &words);
            assert!(output.status.success(), "{words:?}: {}", said(&output));
        }
        server.restart().await;
        assert_eq!(server.admin().await.query("{ leads { totalCount } }").await.ok()["leads"]["totalCount"], 1);
    }

    async fn doctor_tells_of_a_table_that_is_gone(mut server: Server) {
        assert!(server.stop().success());
        match server.postgres() {
            Some(database) => {
                let (client, connection) = tokio_postgres::connect(database.url(), tokio_postgres::NoTls).await.expect("it can be reached");
                let connection = tokio::spawn(connection);
                client.batch_execute("DROP TABLE event CASCADE").await.expect("the table was there");
                drop(client);
                let _ = connection.await;
            }
            None => {
                // An empty file where the database was.
                let file = server.data_directory().join("cardine.db");
                std::fs::write(&file, b"this is no database, but long enough to look at its first bytes").expect("the file can be written");
            }
        }
        let output = run_on(&server, &["doctor"]);
        assert!(!output.status.success(), "{}", said(&output));
        assert!(!said(&output).contains("panicked"), "{}", said(&output));
    }

    async fn migrate_makes_an_empty_database_ready(mut server: Server) {
        // A fresh folder; on PostgreSQL the server's own database again.
        assert!(server.stop().success());
        let folder = tempfile::tempdir().expect("a folder");
        let data = folder.path().join("data").display().to_string();
        let mut arguments = vec!["--data", &data];
        let url = server.postgres().map(|database| database.url().to_owned());
        if let Some(url) = &url {
            arguments.extend(["--database", url]);
        }
        let run = |words: &[&str]| {
            let words: Vec<&str> = words.iter().copied().chain(arguments.iter().copied()).collect();
            run(folder.path(), &words)
        };
        let migrated = run(&["migrate"]);
        assert!(migrated.status.success(), "{}", said(&migrated));
        let doctor = run(&["doctor"]);
        if url.is_none() {
            assert!(!doctor.status.success() && said(&doctor).contains("administrator"), "nobody could sign in: {}", said(&doctor));
        } else {
            assert!(doctor.status.success(), "the server's own administrator is there: {}", said(&doctor));
        }
    }

    async fn a_user_is_added_from_the_command_line(mut server: Server) {
        assert!(server.stop().success());
        let add = |email: &str, role: &str, password: &str| {
            let mut child = binary::command(&server.data_directory()).args(["user", "add", email, "--role", role]).args(on_data_of(&server))
                .stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().expect("the binary runs");
            let _ = child.stdin.take().expect("piped").write_all(password.as_bytes());
            child.wait_with_output().expect("it ends")
        };
        let output = add("ada@example.org", "administrator", "ada counts with engines\n");
        assert!(output.status.success(), "{}", said(&output));
        assert!(!said(&output).contains("engines"), "the password is not shown");
        for output in [
            add("ada@example.org", "administrator", "another password\n"), add("eve@example.org", "nothing", "a long password\n"), add("eve@example.org", "administrator", "short\n"),
        ] {
            assert!(!output.status.success(), "{}", said(&output));
        }
        server.restart().await;
        let ada = server.sign_in("ada@example.org", "ada counts with engines").await;
        assert_eq!(ada.query("{ me { role } }").await.ok()["me"]["role"], "administrator");
    }

    async fn the_demo_company_is_there_and_not_twice(backend: Backend) {
        let mut server = Launch::new(backend).demo().start().await;
        let count = "{ organizations { totalCount } contacts { totalCount } opportunities { totalCount nodes { organization { name } } } users { totalCount } }";
        let admin = server.admin().await;
        let before = admin.query(count).await;
        assert!(before.ok()["organizations"]["totalCount"].as_i64() > Some(3), "{before}");
        assert!(before.ok()["opportunities"]["nodes"][0]["organization"]["name"].is_string(), "{before}");
        assert!(!server.log().contains("makes no sense"), "its records make sense\n{}", server.log());
        server.restart().await;
        let after = admin.query(count).await;
        assert_eq!(after.ok()["organizations"], before.ok()["organizations"]);
        assert_eq!(after.ok()["users"], before.ok()["users"]);
    }
}

#[test]
fn help_tells_all_and_unknown_options_are_refused() {
    let folder = tempfile::tempdir().expect("a folder");
    let help = run(folder.path(), &["--help"]);
    assert!(help.status.success());
    for word in [
        "serve",
        "migrate",
        "doctor",
        "plugin",
        "user",
        "--listen",
        "--database",
        "--data",
        "--public-url",
        "--cors-origin",
        "--log",
        "CARDINE_",
    ] {
        assert!(said(&help).contains(word), "{word}: {}", said(&help));
    }
    for arguments in [
        &["--lisen", "127.0.0.1:0"][..],
        &["nothing"],
        &["serve", "--nothing"],
        &["serve", "--listen", "nowhere"],
        &["serve", "--database", "mysql://x"],
        &["serve", "--listen", "127.0.0.1:0", "--listen", "127.0.0.1:0"],
        &["serve", "--cors-origin", "not an origin"],
        &["migrate", "--demo"],
        &["plugin", "check", "nothing.cardine"],
    ] {
        let output = run(folder.path(), arguments);
        assert!(!output.status.success(), "{arguments:?}");
        assert!(!said(&output).contains("panicked") && !said(&output).is_empty(), "{arguments:?}: {}", said(&output));
    }
    let output =
        binary::command(folder.path()).arg("migrate").env("CARDINE_LISEN", "x").output().expect("the binary runs");
    assert!(!output.status.success(), "an unknown variable: {}", said(&output));
    std::fs::write(folder.path().join("cardine.toml"), "lisen = \"x\"\n").expect("the file can be written");
    assert!(!run(folder.path(), &["migrate"]).status.success(), "an unknown key of the file");
    let left: Vec<_> =
        std::fs::read_dir(folder.path()).expect("the folder").flatten().map(|entry| entry.file_name()).collect();
    assert_eq!(left, ["cardine.toml"], "a refused start leaves nothing behind");
}

#[test]
fn two_servers_on_one_sqlite_folder_are_refused() {
    let runtime = tokio::runtime::Runtime::new().expect("a runtime");
    let server = runtime.block_on(Server::start(Backend::Sqlite));
    let output = run_on(&server, &["serve", "--listen", "127.0.0.1:0"]);
    assert!(!output.status.success(), "{}", said(&output));
    assert!(!said(&output).contains("panicked"), "{}", said(&output));
    runtime.block_on(async {
        assert_eq!(server.anonymous().get("/health/ready").await.status, 200, "the first one serves on");
    });
}

/// A server without an administrator, started by hand to read what it prints.
struct Printed {
    child: std::process::Child,
    address: String,
    link: String,
    _folder: tempfile::TempDir,
}

impl Printed {
    fn start() -> Printed {
        Self::logging_to(Stdio::null())
    }

    fn logging_to(log: Stdio) -> Printed {
        let folder = tempfile::tempdir().expect("a folder");
        let mut command: Command = binary::command(folder.path());
        command
            .args(["serve", "--listen", "127.0.0.1:0"])
            .env("CARDINE_LOG", "debug")
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(log);
        let mut child = command.spawn().expect("the binary runs");
        let mut lines = BufReader::new(child.stdout.take().expect("piped")).lines().map_while(Result::ok);
        let (mut address, mut link) = (String::new(), String::new());
        while address.is_empty() || link.is_empty() {
            let line = lines.next().expect("it prints the address and the link, then goes on");
            if let Some(rest) = line.trim().strip_prefix("listening on ") {
                rest.trim_end_matches('/').clone_into(&mut address);
            }
            if let Some(start) = line.find("http").filter(|_| line.contains("/setup?token=")) {
                link = line[start..].split_whitespace().next().expect("an address").to_owned();
            }
        }
        std::thread::spawn(move || lines.for_each(drop));
        Printed { child, address, link, _folder: folder }
    }
}

impl Drop for Printed {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_first_administrator_is_made_by_the_printed_link_once() {
    let server = tokio::task::spawn_blocking(Printed::start).await.expect("it starts");
    assert!(server.link.starts_with(&format!("{}/setup?token=", server.address)), "{}", server.link);
    let http = reqwest::Client::new();
    let page = Answer::of(http.get(&server.link)).await;
    assert_eq!(page.status, 200, "{page}");
    assert!(page.text.contains("<form"));
    let token = server.link.split("token=").nth(1).expect("a token").to_owned();
    let form = |token: &str, email: &str, password: &str, repeated: &str| {
        let mut body = reqwest::Url::parse("http://form").expect("an address");
        body.query_pairs_mut()
            .append_pair("token", token)
            .append_pair("email", email)
            .append_pair("password", password)
            .append_pair("repeated", repeated);
        let body = body.query().unwrap_or_default().to_owned();
        let request =
            http.post(format!("{}/setup", server.address)).header("content-type", "application/x-www-form-urlencoded");
        Answer::of(request.body(body))
    };
    let good = "a password of some length";
    for (answer, why) in [
        (form("wrong", "ada@example.org", good, good).await, "another token"),
        (form(&token, "ada@example.org", good, "something else").await, "two passwords"),
        (form(&token, "ada@example.org", "short", "short").await, "too short"),
        (form(&token, "no address", good, good).await, "no address"),
    ] {
        assert!((400..500).contains(&answer.status), "{why}: {answer}");
    }
    let sign_in = || {
        let request = http.post(format!("{}/auth/sign-in", server.address));
        Answer::of(request.json(&json!({"email": "ada@example.org", "password": good})))
    };
    assert_eq!(sign_in().await.status, 401);
    let made = form(&token, "ada@example.org", good, good).await;
    assert_eq!(made.status, 200, "{made}");
    assert_eq!(sign_in().await.status, 200);
    assert!((400..500).contains(&form(&token, "eve@example.org", good, good).await.status), "the link is used up");
    assert!((400..500).contains(&Answer::of(http.get(&server.link)).await.status));
}

#[cfg(target_os = "linux")]
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn who_can_not_log_serves_all_the_same() {
    let full =
        std::fs::OpenOptions::new().write(true).open("/dev/full").expect("a device that has no room for anything");
    let server = tokio::task::spawn_blocking(|| Printed::logging_to(full.into())).await.expect("it starts");
    let http = reqwest::Client::new();
    let answer =
        Answer::of(http.post(format!("{}/graphql", server.address)).json(&json!({"query": "{ __typename }"}))).await;
    assert_eq!(answer.ok()["__typename"], "Query");
}

#[test]
fn a_server_that_cannot_listen_says_so() {
    let taken = std::net::TcpListener::bind("127.0.0.1:0").expect("a free port");
    let address = taken.local_addr().expect("bound").to_string();
    let folder = tempfile::tempdir().expect("a folder");
    let mut child = binary::command(folder.path())
        .args(["serve", "--listen", &address])
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(Stdio::piped())
        .spawn()
        .expect("the binary runs");
    let mut log = String::new();
    let _ = child.stderr.take().expect("piped").read_to_string(&mut log);
    assert!(!child.wait().expect("it ends").success());
    assert!(log.contains(&address) && !log.contains("panicked"), "{log}");
}
