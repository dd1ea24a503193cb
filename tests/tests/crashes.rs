//! What was acknowledged is there after a crash, once, and nothing is there by half: 64 writers, and a server that dies again and again.
//!
//! `CARDINE_TEST_CRASHES` tells how often on each database (50 unless told otherwise), `CARDINE_TEST_SEED` which choices are made.

use std::time::{Duration, Instant};

use cardine_tests::chance::Chance;
use cardine_tests::{Client, Server, on_both_databases};
use reqwest::Method;
use serde_json::{Value, json};

const WRITERS: usize = 64;

/// Where the server dies by itself; between them it is killed from outside.
const POINTS: [&str; 8] = [
    "write.audit",
    "write.outbox",
    "write.before_commit",
    "write.after_commit",
    "idempotency.claim",
    "idempotency.answer",
    "group.begun",
    "group.job_done",
];

/// What a writer wants of one of its entries; `value` is that of the entry and of both its lines.
#[derive(Debug, Clone)]
enum Wish {
    Create { code: String, value: usize },
    Update { id: String, value: usize },
    Delete { id: String },
}

/// One of a writer's entries, as far as it was acknowledged.
#[derive(Debug, Clone)]
struct Entry {
    id: String,
    code: String,
    value: usize,
    deleted: bool,
}

/// A writer, what it was told, and what it was not told.
#[derive(Debug)]
struct Writer {
    client: Client,
    name: usize,
    wishes: usize,
    chance: Chance,
    entries: Vec<Entry>,
    in_doubt: Option<(Wish, String)>,
    acknowledged: usize,
}

impl Writer {
    /// Writes until the server is gone, or for as long as `patience` lasts.
    async fn write(mut self, patience: Duration) -> Writer {
        let begun = Instant::now();
        if !self.settle().await {
            return self;
        }
        while begun.elapsed() < patience {
            let wish = self.next_wish();
            let key = format!("{}-{}", self.name, self.wishes);
            self.in_doubt = Some((wish.clone(), key.clone()));
            let Some(answer) = ask(&self.client, &wish, &key).await else { return self };
            self.note(wish, &answer);
        }
        self
    }

    fn next_wish(&mut self) -> Wish {
        self.wishes += 1;
        let value = self.wishes;
        let living: Vec<&Entry> = self.entries.iter().filter(|entry| !entry.deleted).collect();
        match self.chance.below(10) {
            0 | 1 if !living.is_empty() => Wish::Delete { id: self.chance.item(&living).id.clone() },
            2..=5 if !living.is_empty() => Wish::Update { id: self.chance.item(&living).id.clone(), value },
            _ => Wish::Create { code: format!("w{}n{value}", self.name), value },
        }
    }

    /// The wish was acknowledged.
    fn note(&mut self, wish: Wish, answer: &Value) {
        assert!(answer["errors"].is_null() && answer["error"].is_null(), "{wish:?}: {answer}");
        self.in_doubt = None;
        self.acknowledged += 1;
        match wish {
            Wish::Create { code, value } => {
                let id = answer["data"]["entry"]["id"].as_str().expect("an id").to_owned();
                self.entries.push(Entry { id, code, value, deleted: false });
            }
            Wish::Update { id, value } => self.entry(&id).value = value,
            Wish::Delete { id } => self.entry(&id).deleted = true,
        }
    }

    fn entry(&mut self, id: &str) -> &mut Entry {
        self.entries.iter_mut().find(|entry| entry.id == id).expect("it wishes for its own entries only")
    }

    /// Asks again for what it does not know of, with the key that it had: it takes effect once, whether it had or not. False if
    /// the server is gone.
    async fn settle(&mut self) -> bool {
        let Some((wish, key)) = self.in_doubt.clone() else { return true };
        let Some(answer) = ask(&self.client, &wish, &key).await else { return false };
        self.note(wish, &answer);
        true
    }

    /// All its entries are there as it was told, with both lines of each, and no others.
    async fn verify(&self) {
        let text = "query($from: String!, $after: String) { entries(filter: {code: {startsWith: $from}}, first: 200, after: $after) {
            nodes { id code value lines { nodes { value } } } pageInfo { hasNextPage endCursor } } }";
        let (mut found, mut after) = (Vec::new(), Value::Null);
        loop {
            let variables = json!({"from": format!("w{}n", self.name), "after": after});
            let page = self.client.query_with(text, variables).await.ok()["entries"].clone();
            found.extend(page["nodes"].as_array().expect("nodes").iter().map(|node| {
                let lines: Vec<_> = node["lines"]["nodes"]
                    .as_array()
                    .expect("lines")
                    .iter()
                    .map(|line| line["value"].clone())
                    .collect();
                assert_eq!(
                    lines,
                    [node["value"].clone(), node["value"].clone()],
                    "an entry and its lines are written together"
                );
                (
                    node["id"].as_str().expect("an id").to_owned(),
                    node["code"].as_str().expect("a code").to_owned(),
                    node["value"].clone(),
                )
            }));
            if page["pageInfo"]["hasNextPage"] != true {
                break;
            }
            after = page["pageInfo"]["endCursor"].clone();
        }
        let living = self.entries.iter().filter(|entry| !entry.deleted);
        let mut known: Vec<_> =
            living.map(|entry| (entry.id.clone(), entry.code.clone(), json!(entry.value))).collect();
        found.sort_by(|one, other| one.0.cmp(&other.0));
        known.sort_by(|one, other| one.0.cmp(&other.0));
        assert_eq!(found, known, "writer {}", self.name);
        if let Some((_, code, _)) = known.last() {
            let hits = self.client.query_with(
                "query($text: String!) { search(text: $text, modules: [\"Entry\"]) { nodes { title } } }",
                json!({"text": code}),
            );
            let hits = hits.await.ok()["search"]["nodes"].clone();
            assert_eq!(hits.as_array().map_or(0, Vec::len), 1, "what was written is found: {code}: {hits}");
        }
    }
}

/// The whole answer; `None` if the server is gone.
async fn ask(client: &Client, wish: &Wish, key: &str) -> Option<Value> {
    let (text, variables) = match wish {
        Wish::Create { code, value } => (
            "mutation($code: String!, $value: Int!) { entry: createEntry(data: {code: $code, value: $value, lines: {create: [{value: $value}, {value: $value}]}}) { id } }",
            json!({"code": code, "value": value}),
        ),
        Wish::Update { id, value } => (
            "mutation($id: ID!, $value: Int!) { updateEntry(id: $id, data: {value: $value}) { id } updateLines(filter: {entryId: {eq: $id}}, data: {value: $value}) { count } }",
            json!({"id": id, "value": value}),
        ),
        Wish::Delete { id } => ("mutation($id: ID!) { deleteEntry(id: $id) { id } }", json!({"id": id})),
    };
    let mut tries = 0;
    loop {
        let request = client.request(Method::POST, "/graphql").header("idempotency-key", key);
        let response = request.json(&json!({"query": text, "variables": variables})).send().await.ok()?;
        let answer = response.bytes().await.ok()?;
        let answer: Value = serde_json::from_slice(&answer).expect("a whole answer is JSON");
        // A machine that stands still for longer than a request may take is told of, and asked again, as after a crash.
        let codes = [&answer["errors"][0]["extensions"]["code"], &answer["error"]["code"]];
        let is_slow = ["LIMIT_EXCEEDED", "UNAVAILABLE"].iter().any(|code| codes.contains(&&json!(code)));
        tries += 1;
        if !is_slow || tries == 5 {
            return Some(answer);
        }
    }
}

/// A whole number that the database tells while no server runs.
async fn number(server: &Server, text: &str) -> i64 {
    match server.postgres() {
        Some(database) => {
            let connected = tokio_postgres::connect(database.url(), tokio_postgres::NoTls).await;
            let (client, connection) = connected.expect("the database can be reached");
            let connection = tokio::spawn(connection);
            let row = client.query_one(text, &[]).await.expect("a number");
            drop(client);
            let _ = connection.await;
            row.get(0)
        }
        None => {
            let file = rusqlite::Connection::open(server.data_directory().join("cardine.db")).expect("the file opens");
            file.query_row(text, [], |row| row.get(0)).expect("a number")
        }
    }
}

/// Each version of each record has its audit entry and its event.
async fn nothing_is_there_by_half(server: &Server) {
    for table in ["entry", "line"] {
        for beside in ["audit_entry", "outbox"] {
            let text = format!(
                "SELECT count(*) FROM {table} r LEFT JOIN (SELECT record_id, count(*) AS entries FROM {beside} GROUP BY record_id) b
                    ON b.record_id = r.id WHERE r.version <> coalesce(b.entries, 0)"
            );
            assert_eq!(number(server, &text).await, 0, "records of {table} whose versions are not all in {beside}");
        }
    }
    let orphans = "SELECT count(*) FROM line l JOIN entry e ON e.id = l.entry_id
        WHERE (l.deleted_at IS NULL) <> (e.deleted_at IS NULL) OR (l.deleted_at IS NULL AND l.value <> e.value)";
    assert_eq!(number(server, orphans).await, 0, "lines that are not as their entry is");
}

fn setting(name: &str, otherwise: u64) -> u64 {
    std::env::var(name).map_or(otherwise, |value| value.parse().unwrap_or_else(|_| panic!("{name} is a number")))
}

on_both_databases! {
    async fn what_was_acknowledged_survives_every_crash_and_nothing_else_does(backend: Backend) {
        let (crashes, seed) = (setting("CARDINE_TEST_CRASHES", 50), setting("CARDINE_TEST_SEED", 20_261_122));
        println!("CARDINE_TEST_SEED={seed}");
        let mut chance = Chance::new(seed);
        let mut server = Server::start(backend).await;
        let admin = server.admin().await;
        admin.create_module(json!({"name": "Entry", "plural": "Entries", "nameField": "code", "search": ["code"], "fields": [
            {"name": "code", "type": "text", "maxLength": 40, "unique": true}, {"name": "value", "type": "integer"}]})).await.ok();
        admin.create_module(json!({"name": "Line", "plural": "Lines", "fields": [
            {"name": "value", "type": "integer"},
            {"name": "entry", "type": "reference", "to": "Entry", "inverse": "lines", "onDelete": "CASCADE"}]})).await.ok();
        let mut writers: Vec<Writer> = (0..WRITERS)
            .map(|name| Writer { client: admin.clone(), name, wishes: 0, chance: Chance::new(seed + name as u64 + 1), entries: Vec::new(), in_doubt: None, acknowledged: 0 })
            .collect();
        let (mut slowest, mut died_by_itself) = (Duration::ZERO, 0);
        for crash in 0..crashes {
            // Half of the crashes come at a point, the others at any moment.
            let point = (crash % 2 == 0).then(|| chance.item(&POINTS));
            let failpoints = point.map_or(String::new(), |point| format!("{point}={}*pass->abort", chance.below(60)));
            server.kill_hard();
            server.set_variable("CARDINE_TEST_FAILPOINTS", &failpoints);
            let started = Instant::now();
            if !server.restart_unless_it_aborts().await {
                assert!(point.is_some(), "it ended by itself\n{}", server.log());
                nothing_is_there_by_half(&server).await;
                continue;
            }
            slowest = slowest.max(started.elapsed());
            if crash % 20 == 19 {
                // A token lasts for fifteen minutes.
                let admin = server.admin().await;
                writers.iter_mut().for_each(|writer| writer.client = admin.clone());
            }
            let patience = Duration::from_secs(if point.is_some() { 5 } else { 20 });
            let working: Vec<_> = writers.drain(..).map(|writer| tokio::spawn(writer.write(patience))).collect();
            if point.is_none() {
                tokio::time::sleep(Duration::from_millis(50 + chance.below(600) as u64)).await;
                server.kill_hard();
            }
            for writer in working {
                writers.push(writer.await.expect("a writer is never told wrongly"));
            }
            died_by_itself += usize::from(point.is_some() && writers.iter().all(|writer| writer.in_doubt.is_some()));
            server.kill_hard();
            nothing_is_there_by_half(&server).await;
        }
        server.set_variable("CARDINE_TEST_FAILPOINTS", "");
        server.restart().await;
        let admin = server.admin().await;
        for writer in &mut writers {
            writer.client = admin.clone();
            assert!(writer.settle().await, "the server runs");
            writer.verify().await;
        }
        let acknowledged: usize = writers.iter().map(|writer| writer.acknowledged).sum();
        println!("{crashes} crashes, {died_by_itself} at a point; {acknowledged} writes acknowledged; ready after at most {slowest:?}");
        assert!(acknowledged > WRITERS * 2, "the writers had time to write");
        assert!(crashes < 20 || died_by_itself > 0, "no point was reached");
        server.stop();
        let doctor = cardine_tests::binary::command(&server.data_directory())
            .args(["doctor", "--data"])
            .arg(server.data_directory())
            .args(server.postgres().map(|database| ["--database", database.url()]).into_iter().flatten())
            .output()
            .expect("the binary runs");
        assert!(doctor.status.success(), "{}", String::from_utf8_lossy(&doctor.stdout));
    }
}
