//! A run of random operations against both worlds, until one is answered differently.

use std::sync::Arc;

use cardine_tests::Chance;
use futures_util::future::join_all;
use serde_json::{Value as Json, json};

use super::diverge::Twins;
use super::follow;
use super::generate::{Focus, Generator};
use super::moments::Moments;
use super::operation::{Kind, Operation};
use super::pair::{Difference, Pair};
use super::profile::Profile;
use super::schema::{self, Schema};
use super::shrink;
use super::values::Ids;

/// How many questions are asked at once.
const BATCH: usize = 8;
/// How many subscriptions are followed at once.
const FOLLOWED: usize = 8;
const CURSORS_MAX: usize = 200;

/// What is run against whom.
#[derive(Clone)]
pub struct Run {
    pub twins: Arc<Twins>,
    pub profile: &'static Profile,
    /// What is switched off, in the words of `CARDINE_TEST_FAILPOINTS`.
    pub points: String,
    pub focus: Focus<'static>,
    pub lean: &'static [&'static str],
    pub operations: usize,
    /// Followed after them.
    pub subscriptions: usize,
    pub seed: u64,
}

/// What was done, or the first operation that was answered differently; cut down to what is needed for it, if all checks were on.
#[derive(Debug, Default)]
pub struct Outcome {
    pub operations: usize,
    pub refused: usize,
    pub written: usize,
    pub paged: usize,
    pub followed: usize,
    pub difference: Option<Found>,
}

#[derive(Debug)]
pub struct Found {
    pub operation: String,
    pub difference: Box<Difference>,
}

impl std::fmt::Display for Found {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}\n  in A: {}\n  in B: {}", self.operation, self.difference.a, self.difference.b)
    }
}

/// A list that was asked for, and a place in it.
struct Place {
    operation: Operation,
    cursor: String,
}

impl Run {
    /// In parts, each with worlds of its own, until a part finds a difference.
    pub async fn until_different(self, tried_max: usize) -> Outcome {
        let mut tried = 0;
        loop {
            let mut outcome = Run { seed: self.seed + tried as u64, ..self.clone() }.go().await;
            tried += outcome.operations.max(1);
            if outcome.difference.is_some() || tried >= tried_max {
                outcome.operations = tried;
                return outcome;
            }
        }
    }

    /// The questions and writes, and then the subscriptions.
    pub async fn go(&self) -> Outcome {
        let pair = Pair::start(&self.twins, self.profile, &self.points).await;
        let mut outcome = Outcome { difference: self.ask_schema(&pair).await, ..Outcome::default() };
        if outcome.difference.is_none() {
            self.ask(&pair, &mut outcome).await;
        }
        pair.end().await;
        outcome
    }

    async fn ask_schema(&self, pair: &Pair) -> Option<Found> {
        let found = |operation: &str, difference| Some(Found { operation: operation.to_owned(), difference });
        if let Err(difference) = pair.ask_sdl().await {
            return found("the schema's text", difference);
        }
        match pair.ask_text(schema::QUESTION, json!({}), &Moments::after(23).next()).await {
            Ok(_) => None,
            Err(difference) => found("introspection", difference),
        }
    }

    async fn ask(&self, pair: &Pair, outcome: &mut Outcome) {
        let schema = &Schema::of(&pair.callers[0]).await;
        let (mut ids, mut chance, mut moments) = (self.twins.ids.clone(), Chance::new(self.seed), Moments::after(24));
        let (mut places, mut written): (Vec<Place>, Vec<Operation>) = (Vec::new(), Vec::new());
        let mut waiting: Vec<Operation> = Vec::new();
        let lean = self.lean;
        while outcome.operations < self.operations {
            let operation = match chance.one_in(10) && !places.is_empty() {
                true => next_page(&places[chance.below(places.len())], &mut chance, outcome),
                false => Generator { schema, ids: &ids, chance: &mut chance, lean }.operation(self.focus),
            };
            let writes = operation.kind == Kind::Mutation;
            waiting.push(operation);
            if !writes && waiting.len() < BATCH && outcome.operations + waiting.len() < self.operations {
                continue;
            }
            // What writes is the last, and comes after all that was asked before it.
            let writing = if writes { waiting.pop() } else { None };
            let asked: Vec<(Operation, String)> =
                waiting.drain(..).map(|operation| (operation, moments.next())).collect();
            let answers = join_all(asked.iter().map(|(operation, moment)| pair.ask(operation, moment))).await;
            outcome.operations += asked.len() + usize::from(writing.is_some());
            for ((operation, moment), answer) in asked.into_iter().zip(answers) {
                match answer {
                    Ok(said) => {
                        // Most answers need not be taken apart.
                        outcome.refused += usize::from(said.text.contains("\"errors\":["));
                        if said.text.contains("pageInfo") {
                            let body: Json = serde_json::from_str(&said.text).unwrap_or_default();
                            note_places(&operation, &body, &mut places, &mut chance);
                        }
                    }
                    Err(difference) => {
                        outcome.difference = Some(match self.points.is_empty() {
                            true => shrink::question(pair, operation, &moment, difference).await,
                            false => Found { operation: operation.to_string(), difference },
                        });
                        return;
                    }
                }
            }
            if let Some(operation) = writing {
                let moment = moments.next();
                match pair.ask(&operation, &moment).await {
                    Ok(said) => {
                        let body: Json = serde_json::from_str(&said.text).unwrap_or_default();
                        outcome.refused += usize::from(body.get("errors").is_some());
                        outcome.written += usize::from(body.get("errors").is_none());
                        note_ids(&operation, &body, &mut ids);
                        written.push(operation);
                    }
                    Err(difference) => {
                        outcome.difference = Some(match self.points.is_empty() {
                            true => shrink::write(self, &written, operation, difference).await,
                            false => Found { operation: operation.to_string(), difference },
                        });
                        return;
                    }
                }
            }
        }
        while outcome.followed < self.subscriptions {
            let mut make = |focus| Generator { schema, ids: &ids, chance: &mut chance, lean }.operation(focus);
            let first = make(Focus::Changes);
            let name = first.roots[0].name.clone();
            let more = FOLLOWED.min(self.subscriptions - outcome.followed) - 1;
            let together: Vec<Operation> =
                [first].into_iter().chain((0..more).map(|_| make(Focus::Followed(&name)))).collect();
            outcome.operations += together.len();
            outcome.followed += together.len();
            outcome.difference = follow::round(pair, &together, &self.twins, &mut chance, &mut moments).await;
            if outcome.difference.is_some() {
                return;
            }
        }
    }
}

/// Keeps the places that an answer names in lists at the root.
fn note_places(operation: &Operation, body: &Json, places: &mut Vec<Place>, chance: &mut Chance) {
    for (position, root) in operation.roots.iter().enumerate() {
        let page = &body["data"][format!("r{position}")];
        let Some(object) = page.as_object() else { continue };
        let pages = object.iter().filter(|(key, _)| key.starts_with("pageInfo")).map(|(_, page)| page);
        let cursors = pages.flat_map(|page| [&page["endCursor"], &page["startCursor"]]);
        for cursor in cursors.filter_map(Json::as_str) {
            let place = Place {
                operation: Operation { kind: operation.kind, roots: vec![root.clone()] },
                cursor: cursor.to_owned(),
            };
            if places.len() < CURSORS_MAX {
                places.push(place);
            } else {
                let replaced = chance.below(CURSORS_MAX);
                places[replaced] = place;
            }
        }
    }
}

/// The same list from a place on, or up to it.
fn next_page(place: &Place, chance: &mut Chance, outcome: &mut Outcome) -> Operation {
    outcome.paged += 1;
    let mut operation = place.operation.clone();
    let root = &mut operation.roots[0];
    let backwards = root.name != "search" && chance.one_in(2);
    for name in ["first", "last", "after", "before", "offset"] {
        root.set(name, "", None);
    }
    let count = json!(1 + chance.below(4));
    let (size, cursor) = if backwards { ("last", "before") } else { ("first", "after") };
    root.set(size, "Int", Some(count));
    root.set(cursor, "String", Some(json!(place.cursor)));
    root.arguments.last_mut().expect("just set").by_variable = chance.one_in(2);
    operation
}

/// New records may be named from now on.
fn note_ids(operation: &Operation, body: &Json, ids: &mut Ids) {
    for (position, root) in operation.roots.iter().enumerate() {
        let Some(module) = root.name.strip_prefix("create") else { continue };
        let made = &body["data"][format!("r{position}")]["id"];
        if let (Some(known), Some(id)) = (ids.seen.get_mut(module), made.as_str()) {
            known.push(id.to_owned());
        }
    }
}
