//! What the server answers to random questions is what a plain evaluation of them in memory gives, on both databases, which
//! answer each other alike to the byte: filters, orders, pages, numbers, figures and groups.

#[path = "memory/chance.rs"]
mod chance;
#[path = "memory/figure.rs"]
mod figure;
#[path = "memory/filter.rs"]
mod filter;
#[path = "memory/groups.rs"]
mod groups;
#[path = "memory/list.rs"]
mod list;
#[path = "memory/record.rs"]
mod record;
#[path = "memory/value.rs"]
mod value;

use cardine_tests::{Answer, Backend, Client, Server};
use chance::Chance;
use chrono_tz::Tz;
use groups::Groups;
use list::List;
use record::Record;
use reqwest::Method;
use serde_json::{Value as Json, json};

/// How many operations are sent, and how many questions each holds.
const OPERATIONS: usize = 250;
const QUESTIONS: usize = 12;
const RECORDS: usize = 70;
/// Any number but zero; the failing question is printed, so another is a matter of this line.
const SEED: u64 = 0x9E37_79B9_7F4A_7C15;

const ZONES: [Tz; 7] = [
    Tz::UTC,
    Tz::Europe__Rome,
    Tz::America__New_York,
    Tz::Asia__Kolkata,
    Tz::Pacific__Apia,
    Tz::Australia__Lord_Howe,
    Tz::America__Sao_Paulo,
];

enum Question {
    List(List),
    Groups(Groups),
}

impl Question {
    fn random(chance: &mut Chance) -> Self {
        if chance.below(2) == 0 { Self::List(List::random(chance)) } else { Self::Groups(Groups::random(chance)) }
    }

    fn text(&self) -> String {
        match self {
            Self::List(list) => list.text("samples"),
            Self::Groups(groups) => groups.text(),
        }
    }

    fn answer(&self, records: &[Record], ids: &[String], zone: Tz) -> Json {
        let all: Vec<usize> = (0..records.len()).collect();
        match self {
            Self::List(list) => list.answer(records, &all),
            Self::Groups(groups) => groups.answer(records, ids, zone),
        }
    }
}

/// A server with the records, which have ids that it chose.
struct World {
    client: Client,
    ids: Vec<String>,
}

impl World {
    async fn new(server: &Server, records: &[Record]) -> Self {
        let client = server.admin().await;
        client.create_module(record::definition()).await.ok();
        let mut ids: Vec<String> = Vec::new();
        for record in records {
            let id = client.create("Sample", record::input(record, &ids)).await;
            ids.push(id);
        }
        server.gather_statistics().await;
        Self { client, ids }
    }

    async fn ask(&self, text: &str, zone: Tz) -> Answer {
        let request = self.client.request(Method::POST, "/graphql").header("time-zone", zone.name());
        Answer::of(request.json(&json!({"query": text}))).await
    }

    /// The answer without this server's own ids: each is replaced by the number of its record.
    fn without_ids(&self, answer: &str) -> String {
        let mut text = answer.to_owned();
        for (number, id) in self.ids.iter().enumerate() {
            text = text.replace(id, &format!("id {number}"));
        }
        text
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn random_questions_are_answered_as_in_memory() {
    let mut chance = Chance(SEED);
    let records = record::random_records(&mut chance, RECORDS);
    let mut servers = Vec::new();
    for backend in [Backend::Sqlite, Backend::Postgres] {
        if backend.is_available() {
            servers.push(Server::start(backend).await);
        }
    }
    let mut worlds = Vec::new();
    for server in &servers {
        worlds.push(World::new(server, &records).await);
    }
    let mut found = 0;
    for _ in 0..OPERATIONS {
        let questions: Vec<Question> = (0..QUESTIONS).map(|_| Question::random(&mut chance)).collect();
        let zone = *chance.pick(&ZONES);
        let texts: Vec<String> = questions.iter().map(Question::text).collect();
        let aliased: String = texts.iter().enumerate().map(|(number, text)| format!("q{number}: {text}\n")).collect();
        let mut answers = Vec::new();
        for (world, server) in worlds.iter().zip(&servers) {
            let answer = world.ask(&format!("{{ {aliased} }}"), zone).await;
            assert!(answer.status == 200 && answer.errors().is_empty(), "{:?}: {aliased}\n{answer}", server.backend());
            for (number, question) in questions.iter().enumerate() {
                let given = &answer.data()[format!("q{number}")];
                let expected = question.answer(&records, &world.ids, zone);
                let text = &texts[number];
                assert!(
                    *given == expected,
                    "{:?} in {zone}: {text}\nanswered {given}\nexpected {expected}",
                    server.backend()
                );
                let is_empty = expected["totalCount"] == json!(0) || expected == json!([]);
                found += usize::from(!is_empty);
            }
            answers.push(world.without_ids(&answer.text));
        }
        if let [one, other] = answers.as_slice() {
            assert!(one == other, "{aliased}\nSQLite: {one}\nPostgreSQL: {other}");
        }
    }
    assert!(found > OPERATIONS * QUESTIONS / 2 * worlds.len(), "most questions find something: {found}");
}
