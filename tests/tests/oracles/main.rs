//! What Cardine takes for valid, and what it tells of its schema, is what graphql-js (the reference implementation, under
//! Node) and async-graphql take and tell, both given Cardine's own schema.

mod compare;
mod document;
mod dynamic;
mod generate;
mod mutate;
mod schema;

use std::collections::BTreeMap;

use cardine_tests::{Backend, Chance, Client, Node, Server};
use futures_util::{StreamExt as _, stream};
use serde_json::{Value, json};

use compare::{Verdict, against_async_graphql, against_graphql_js};
use document::Document;
use dynamic::Dynamic;
use schema::Schema;

/// For the administrator, and for a caller who sees a part.
const OPERATIONS: [usize; 2] = [15_000, 5_000];
/// Any number but zero; a difference is printed with its text, so another is a matter of this line.
const SEED: u64 = 0x2545_F491_4F6C_DD1D;
/// Requests at a time.
const REQUESTS: usize = 16;
/// An operation that no document has: a request for it is validated and not executed.
const NO_OPERATION: &str = "no operation has this name";

/// A module with what the built-in ones may lack: types, a deprecated field, a retired option, references of all kinds.
fn gadget() -> Value {
    json!({
        "name": "Gadget", "plural": "Gadgets", "description": "Things with \"\"\"quotes\"\"\",\nand a second line \\ here.",
        "fields": [
            {"name": "title", "type": "text", "required": true, "help": "What it is called."},
            {"name": "page", "type": "richText"},
            {"name": "views", "type": "integer", "big": true},
            {"name": "seats", "type": "integer", "required": true, "default": 1},
            {"name": "rate", "type": "decimal", "scale": 6},
            {"name": "hour", "type": "time"},
            {"name": "plan", "type": "json"},
            {"name": "stage", "type": "choice", "options": [{"value": "NEW"}, {"value": "trueish"}, {"value": "OLD", "active": false}]},
            {"name": "traits", "type": "multiChoice", "options": [{"value": "SMALL"}, {"value": "nullable"}]},
            {"name": "about", "type": "reference", "to": ["Lead", "Ticket", "Gadget"]},
            {"name": "part", "type": "reference", "to": "Gadget", "inverse": "whole"},
            {"name": "manual", "type": "file", "accept": ["application/pdf"]},
            {"name": "old", "type": "text", "deprecated": "Use `title`, not \"old\"."},
            {"name": "former", "type": "reference", "to": "Lead", "deprecated": "Gone."},
        ]
    })
}

/// The administrator, and somebody who may read and write a part of the modules and fields.
async fn callers(server: &Server) -> [Client; 2] {
    let admin = server.admin().await;
    let _ = admin.create_module(gadget()).await.ok();
    admin.create_role("clerk", None).await;
    let all = json!({"create": true, "read": true, "update": true, "delete": true});
    let with = |fields: Value| {
        let mut rights = all.clone();
        rights["fields"] = fields;
        rights
    };
    admin.set_access("clerk", "Gadget", with(json!({"*": "WRITE", "views": "NONE", "stage": "READ"}))).await;
    admin.set_access("clerk", "Lead", with(json!({"*": "READ", "status": "NONE"}))).await;
    admin.set_access("clerk", "Task", json!({"read": true, "fields": {"*": "READ"}})).await;
    let clerk = server.create_user_with_role("clerk").await;
    [admin, clerk]
}

/// The SDL and the answer to the standard introspection query.
async fn told(client: &Client, node: &Node) -> (String, Value) {
    let sdl = client.get("/graphql/schema.graphql").await.text;
    let query: String = answers(&node.run("oracle.mjs", &["query"], String::new()).await).remove(0);
    let introspection = client.query(&query).await.ok().clone();
    (sdl, introspection)
}

fn answers<T: serde::de::DeserializeOwned>(output: &str) -> Vec<T> {
    output.lines().map(|line| serde_json::from_str(line).unwrap_or_else(|error| panic!("{error}: {line}"))).collect()
}

fn lines(values: impl IntoIterator<Item = Value>) -> String {
    values.into_iter().map(|value| format!("{value}\n")).collect()
}

/// What graphql-js has beside or instead of the specification of September 2025, by which Cardine goes.
const DRAFTS: [&str; 13] = [
    // Directives that are deprecated themselves: a draft.
    "/types/__Schema/fields/directives/args/includeDeprecated",
    "/types/__Directive/fields/isDeprecated",
    "/types/__Directive/fields/deprecationReason",
    "/types/__DirectiveLocation/enumValues/DIRECTIVE_DEFINITION",
    "/directives/include/isDeprecated",
    "/directives/skip/isDeprecated",
    "/directives/deprecated/isDeprecated",
    "/directives/specifiedBy/isDeprecated",
    "/directives/oneOf/isDeprecated",
    "/directives/deprecated/locations/DIRECTIVE_DEFINITION",
    // The reason is `String!` since September 2025; graphql-js 17 has it.
    "/directives/deprecated/args/reason/type/kind",
    "/directives/deprecated/args/reason/type/name",
    "/directives/deprecated/args/reason/type/ofType",
];

fn is_draft(difference: &str) -> bool {
    DRAFTS.iter().any(|draft| difference.strip_prefix(draft).is_some_and(|rest| rest.starts_with(':')))
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn introspection_and_sdl_are_what_the_oracles_make_of_the_schema() {
    let Some(node) = Node::prepare().await else { return };
    let server = Server::start(Backend::Sqlite).await;
    for client in callers(&server).await {
        let (sdl, introspection) = told(&client, &node).await;
        let both = json!({"sdl": sdl, "introspection": introspection});
        let output = node.run("oracle.mjs", &["introspection"], lines([both])).await;
        let differences: Vec<String> = answers::<Vec<String>>(&output).remove(0);
        let (drafts, faults): (Vec<_>, Vec<_>) = differences.into_iter().partition(|line| is_draft(line));
        assert!(faults.is_empty(), "{} differences:\n{}", faults.len(), faults.join("\n"));
        assert_eq!(drafts.len(), DRAFTS.len(), "take what agrees now off the list: {drafts:#?}");

        let dynamic = Dynamic::build(&Schema::read(&introspection["__schema"])).sdl();
        let output = node.run("oracle.mjs", &["same"], lines([json!({"sdl": sdl}), json!({"sdl": dynamic})])).await;
        let [ours, theirs]: [String; 2] = answers(&output).try_into().expect("two texts");
        for (ours, theirs) in ours.lines().zip(theirs.lines()) {
            assert_eq!(ours, theirs, "async-graphql's SDL is another");
        }
        assert_eq!(ours.lines().count(), theirs.lines().count());
    }
}

/// A document, and what was done to it.
struct Case {
    text: String,
    /// `None` if the text is none of this tree any more.
    document: Option<Document>,
    changes: Vec<&'static str>,
}

fn cases(schema: &Schema, many: usize, chance: &mut Chance) -> Vec<Case> {
    (0..many).map(|_| case(schema, chance)).collect()
}

fn case(schema: &Schema, chance: &mut Chance) -> Case {
    let mut document = generate::document(schema, chance);
    let mut changes = Vec::new();
    let wanted = [0, 0, 1, 1, 1, 2][chance.below(6)];
    while changes.len() < wanted {
        let (name, change) = *chance.item(mutate::CHANGES);
        if change(&mut document, schema, chance) {
            changes.push(name);
        }
    }
    let text = document.text(chance);
    if chance.one_in(12) {
        changes.push("the text itself");
        return Case { text: mutate::change_text(&text, chance), document: None, changes };
    }
    if chance.one_in(200) {
        changes.push("a definition of a type");
        let definition = chance.of(&["type A { a: Int }", "extend schema @a", "directive @a on FIELD"]);
        return Case { text: text + definition, document: None, changes };
    }
    Case { text, document: Some(document), changes }
}

/// What the server says; `None` if a limit kept it from looking.
async fn verdict_of(client: &Client, text: &str) -> Option<Verdict> {
    let body = json!({"query": text, "operationName": NO_OPERATION});
    let answer = client.post("/graphql", &body).await;
    assert!(!answer.errors().is_empty(), "{text} was executed: {answer}");
    if answer.codes().contains(&"LIMIT_EXCEEDED") {
        return None;
    }
    let message = |error: &Value| error["message"].as_str().unwrap_or_default().to_owned();
    let with_code =
        |error: &Value| format!("{}: {}", error["extensions"]["code"].as_str().unwrap_or_default(), message(error));
    let valid = answer.errors().iter().all(|error| message(error).contains(NO_OPERATION));
    Some(if valid { Verdict::new() } else { answer.errors().iter().map(with_code).collect() })
}

#[derive(serde::Deserialize)]
struct Reference {
    #[serde(default)]
    errors: Verdict,
    rules: Vec<String>,
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn verdicts_are_those_of_the_oracles() {
    let Some(node) = Node::prepare().await else { return };
    let server = Server::start(Backend::Sqlite).await;
    let mut chance = Chance::new(SEED);
    let mut differences = Vec::new();
    let mut counts = Counts::default();
    let mut asked_of_all = Vec::new();
    for (client, many) in callers(&server).await.into_iter().zip(OPERATIONS) {
        let (sdl, introspection) = told(&client, &node).await;
        let schema = Schema::read(&introspection["__schema"]);
        counts.subscriptions |= schema.subscription.is_some();
        let cases = cases(&schema, many, &mut chance);
        let texts = cases.iter().map(|case| Value::from(case.text.as_str()));
        let input = lines([json!({"sdl": sdl})].into_iter().chain(texts));
        let asked = stream::iter(&cases).map(|case| verdict_of(&client, &case.text)).buffered(REQUESTS);
        let (output, ours) = tokio::join!(node.run("oracle.mjs", &["verdicts"], input), asked.collect::<Vec<_>>());
        let mut references: Vec<Reference> = answers(&output);
        for rule in references.pop().expect("the rules").rules {
            counts.rules.entry(rule).or_default();
        }
        assert_eq!((references.len(), ours.len()), (many, many));
        asked_of_all.push((schema, cases, ours, references));
    }
    // Only now, since it takes minutes, and a token lasts a quarter of an hour.
    for (schema, cases, ours, references) in asked_of_all {
        let dynamic = Dynamic::build(&schema);
        for ((case, ours), reference) in cases.iter().zip(ours).zip(references) {
            counts.add(case, &reference);
            let Some(ours) = ours else {
                counts.limited += 1;
                continue;
            };
            differences.extend(against_graphql_js(&case.text, &ours, &reference.errors));
            if let Some(document) = &case.document {
                let plain = document.plain_text();
                let other = dynamic.verdict(&plain).await;
                differences.extend(against_async_graphql(&plain, &ours, &reference.errors, &other));
            }
        }
    }
    println!("{counts:#?}\nNot counted as differences:\n{}", compare::reasons().collect::<Vec<_>>().join("\n"));
    let shown: Vec<&str> = differences.iter().take(20).map(String::as_str).collect();
    assert!(differences.is_empty(), "{} differences, such as:\n{}", differences.len(), shown.join("\n\n"));
    counts.assert_that_everything_was_tried();
}

/// What was tried, so that a generator that makes nothing of interest is noticed.
#[derive(Debug, Default)]
struct Counts {
    valid: usize,
    invalid: usize,
    /// Beyond a limit of the server.
    limited: usize,
    /// Whether the schema has any.
    subscriptions: bool,
    /// Of each change: how often it alone made a document invalid, and how often it did not.
    changes: BTreeMap<&'static str, [usize; 2]>,
    /// How often each rule of the specification spoke.
    rules: BTreeMap<String, usize>,
}

/// No rule of the specification, but a limit; Cardine has its own.
const RULE_OF_GRAPHQL_JS: &str = "MaxIntrospectionDepthRule";
/// It can be broken only where there are subscriptions.
const RULE_OF_SUBSCRIPTIONS: &str = "SingleFieldSubscriptionsRule";

impl Counts {
    fn add(&mut self, case: &Case, reference: &Reference) {
        let invalid = !reference.errors.is_empty();
        *(if invalid { &mut self.invalid } else { &mut self.valid }) += 1;
        if let [change] = case.changes.as_slice() {
            self.changes.entry(change).or_default()[usize::from(!invalid)] += 1;
        }
        for rule in &reference.rules {
            *self.rules.entry(rule.clone()).or_default() += 1;
        }
    }

    fn assert_that_everything_was_tried(&self) {
        let all = self.valid + self.invalid;
        assert!(self.valid * 4 > all && self.invalid * 4 > all, "too few of a kind: {self:#?}");
        assert!(self.limited * 50 < all, "too many beyond the limits: {self:#?}");
        for (change, _) in mutate::CHANGES {
            assert!(self.changes.get(change).is_some_and(|[invalid, _]| *invalid > 20), "{change}: {self:#?}");
        }
        for (rule, spoke) in &self.rules {
            let expected = match rule.as_str() {
                RULE_OF_GRAPHQL_JS => false,
                RULE_OF_SUBSCRIPTIONS => self.subscriptions,
                _ => true,
            };
            assert_eq!(*spoke > 0, expected, "{rule}: {self:#?}");
        }
    }
}
