//! Values for arguments: words, numbers, days and ids of which some are in the records that are seen, some only in those that
//! are not, and some nowhere.

use std::collections::BTreeMap;

use cardine_tests::Chance;
use serde_json::{Value as Json, json};

/// Few, so that records are alike, filters find something and groups have several members.
pub const WORDS: [&str; 10] =
    ["alpha", "Beta one", "gamma", "delta two", "Épsilon", "zeta", "eta nine", "theta", "iota", "kappa blue"];
pub const AMOUNTS: [&str; 7] = ["-3.50", "0.00", "1.00", "2.25", "10.00", "250.75", "9000.00"];
pub const DAYS: [&str; 7] =
    ["2025-12-31", "2026-02-28", "2026-05-20", "2026-06-14", "2026-06-15", "2026-06-16", "2026-09-01"];
pub const INSTANTS: [&str; 5] = [
    "2026-01-01T00:00:00Z",
    "2026-06-14T22:30:00Z",
    "2026-06-15T12:00:00Z",
    "2026-06-15T23:59:59Z",
    "2027-03-01T08:00:00Z",
];
pub const TIMES: [&str; 3] = ["00:00:00", "09:30:00", "23:59:59"];
pub const DURATIONS: [&str; 5] = ["PT0S", "PT1H30M", "P1D", "P30D", "P52W"];
pub const ADDRESSES: [&str; 4] = ["ann@example.org", "bob@example.org", "cas@example.net", "nobody@example.com"];
pub const PHONES: [&str; 3] = ["+39051123456", "+4930123", "051123456"];
pub const SITES: [&str; 2] = ["https://example.org/", "https://example.net/a"];

/// The ids that may be named.
#[derive(Debug, Clone, Default)]
pub struct Ids {
    /// Of the records that the caller sees, by module; those that it has made are added.
    pub seen: BTreeMap<String, Vec<String>>,
    /// Of records in one of the worlds, or both, that it does not see.
    pub unseen: Vec<String>,
    /// Those of them that are in one world alone, by module.
    pub lopsided: BTreeMap<String, Vec<String>>,
}

impl Ids {
    /// One that is likely to be there for the caller, or not.
    pub fn one(&self, chance: &mut Chance, module: Option<&str>) -> String {
        let seen: Vec<&String> = match module.and_then(|module| self.seen.get(module)).filter(|ids| !ids.is_empty()) {
            Some(ids) if !chance.one_in(8) => ids.iter().collect(),
            _ => self.seen.values().flatten().collect(),
        };
        match chance.below(20) {
            0..=11 if !seen.is_empty() => (*chance.item(&seen)).clone(),
            12..=14 if !self.unseen.is_empty() => chance.item(&self.unseen).clone(),
            15..=17 if !self.lopsided.is_empty() => {
                let of_module = module.and_then(|module| self.lopsided.get(module)).filter(|_| !chance.one_in(4));
                let all: Vec<&String> = self.lopsided.values().flatten().collect();
                match of_module {
                    Some(ids) => chance.item(ids).clone(),
                    None => (*chance.item(&all)).clone(),
                }
            }
            18 => "not an id".to_owned(),
            _ => format!("00000000-0000-7000-8000-{:012x}", chance.below(4)),
        }
    }
}

/// A value of a scalar.
pub fn scalar(chance: &mut Chance, ty: &str) -> Json {
    match ty {
        "Int" => json!([-1, 0, 1, 2, 5, 10, 250][chance.below(7)]),
        "BigInt" => json!(chance.of(&["0", "1", "2", "5", "10", "9007199254740993"])),
        "Float" => json!(1.5),
        "Boolean" => json!(chance.one_in(2)),
        "Decimal" => json!(chance.of(&AMOUNTS)),
        "Date" => json!(chance.of(&DAYS)),
        "DateTime" => json!(chance.of(&INSTANTS)),
        "Time" => json!(chance.of(&TIMES)),
        "Duration" => json!(chance.of(&DURATIONS)),
        "EmailAddress" => json!(chance.of(&ADDRESSES)),
        "PhoneNumber" => json!(chance.of(&PHONES)),
        "URL" => json!(chance.of(&SITES)),
        "JSON" => {
            [json!({"a": 1}), json!({"a": "alpha", "b": [1, 2]}), json!("alpha"), json!(null)][chance.below(4)].clone()
        }
        _ => json!(word(chance)),
    }
}

/// A word, or its beginning.
pub fn word(chance: &mut Chance) -> String {
    let word = chance.of(&WORDS);
    match chance.below(5) {
        0 => word.chars().take(2).collect(),
        1 => word.split(' ').next().unwrap_or_default().to_uppercase(),
        _ => word.to_owned(),
    }
}
