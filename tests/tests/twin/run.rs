//! A run of random operations against both worlds, until one is answered differently.

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
const CURSORS_MAX: usize = 200;
/// Operations of one part of a longer run.
const PART: usize = 800;

/// What is run against whom.
#[derive(Clone, Copy)]
pub struct Run<'a> {
    pub twins: &'a Twins,
    pub profile: &'a Profile,
    /// What is switched off, in the words of `CARDINE_TEST_FAILPOINTS`.
    pub points: &'a str,
    pub focus: Focus,
    pub operations: usize,
    pub seed: u64,
}

/// What was done, or the first operation that was answered differently, cut down to what is needed for it.
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

impl Run<'_> {
    /// In parts, each with worlds of its own, until a part finds a difference.
    pub async fn until_different(self) -> Outcome {
        let mut all = Outcome::default();
        for part in 0_u64.. {
            let run = Run { operations: PART.min(self.operations), seed: self.seed + part, ..self };
            let outcome = run.go().await;
            all.operations += outcome.operations;
            if outcome.difference.is_some() || all.operations >= self.operations {
                return Outcome { operations: all.operations, ..outcome };
            }
        }
        all
    }

    pub async fn go(self) -> Outcome {
        let pair = Pair::start(self.twins, self.profile, self.points).await;
        let mut outcome = Outcome::default();
        if let Err(difference) = pair.ask_sdl().await {
            outcome.difference = Some(Found { operation: "the schema's text".to_owned(), difference });
            return outcome;
        }
        let whole = pair.ask_text(schema::QUESTION, json!({}), &Moments::after(23).next()).await;
        if let Err(difference) = whole {
            outcome.difference = Some(Found { operation: "introspection".to_owned(), difference });
            return outcome;
        }
        let schema = Schema::of(&pair.callers[0]).await;
        let (mut ids, mut chance, mut moments) = (self.twins.ids.clone(), Chance::new(self.seed), Moments::after(24));
        let (mut places, mut written): (Vec<Place>, Vec<Operation>) = (Vec::new(), Vec::new());
        let mut waiting: Vec<Operation> = Vec::new();
        while outcome.operations < self.operations {
            let operation = match chance.one_in(10) && !places.is_empty() {
                true => next_page(&places[chance.below(places.len())], &mut chance, &mut outcome),
                false => Generator { schema: &schema, ids: &ids, chance: &mut chance }.operation(self.focus),
            };
            if operation.kind == Kind::Subscription {
                outcome.operations += 1;
                outcome.followed += 1;
                let found = follow::round(&pair, &operation, self.twins, &mut chance, &mut moments).await;
                if let Some(found) = found {
                    outcome.difference = Some(found);
                    return outcome;
                }
                continue;
            }
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
                        let body: Json = serde_json::from_str(&said.text).unwrap_or_default();
                        outcome.refused += usize::from(body.get("errors").is_some());
                        note_places(&operation, &body, &mut places, &mut chance);
                    }
                    Err(difference) => {
                        outcome.difference = Some(shrink::question(&pair, operation, &moment, difference).await);
                        return outcome;
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
                        outcome.difference = Some(shrink::write(self, &written, operation, difference).await);
                        return outcome;
                    }
                }
            }
        }
        outcome
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
