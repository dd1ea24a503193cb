//! The limits of requests as settings: `--limit NAME=NUMBER`, `CARDINE_LIMIT_…`, and the table `[limits]` of the file.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::ops::RangeInclusive;
use std::time::Duration;

use cardine_graphql::limits::Limits;
use serde::{Deserialize as _, Deserializer};

/// One limit as a source gives it, not checked yet.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LimitSetting {
    /// Such as `selections`.
    pub name: String,
    /// What is to hold.
    pub number: String,
}

/// What can be set of the limits. Those that are not here follow from what the parser and the databases can do.
struct Entry {
    name: &'static str,
    what: &'static str,
    range: RangeInclusive<u64>,
    set: fn(&mut Limits, u64),
    get: fn(&Limits) -> u64,
}

macro_rules! entry {
    ($name:literal, $field:ident, $range:expr, $what:literal) => {
        Entry {
            name: $name,
            what: $what,
            range: $range,
            set: |limits, number| limits.$field = number.try_into().unwrap_or(limits.$field),
            get: |limits| limits.$field as u64,
        }
    };
}

const ENTRIES: [Entry; 27] = [
    entry!("body-bytes", body_bytes, 1_024..=1 << 30, "bytes of a request's body, files apart"),
    entry!("query-bytes", text_bytes, 64..=1 << 24, "bytes of a query's text"),
    entry!("selections", selections, 1..=100_000, "selections, each fragment counted wherever it stands"),
    entry!("aliases", aliases, 1..=10_000, "aliases of one field in one selection"),
    entry!("root-fields", root_fields, 1..=1_000, "fields at the root of an operation"),
    entry!("relation-levels", relation_levels, 1..=30, "relations within relations"),
    entry!("fragments", fragments, 1..=1_000, "fragments of a document"),
    entry!("directives", directives, 1..=10_000, "directives of a document"),
    entry!("variable-objects", variable_objects, 1..=1_000_000, "objects in the variables"),
    entry!("variable-values", variable_values, 1..=10_000_000, "values in the variables, objects and lists included"),
    entry!("conditions", conditions, 1..=1_000, "conditions of one list's filter"),
    entry!("rows", rows, 1..=10_000_000, "rows that an operation may fetch, by its page sizes"),
    entry!("page", page, 1..=10_000, "records of a page"),
    entry!("records", records, 1..=100_000, "records that a mutation writes"),
    entry!("nested-records", nested_records, 1..=1_000_000, "records that a mutation writes within others"),
    entry!("search-terms", search_terms, 1..=32, "words of a search"),
    entry!("connections", connections, 1..=1_000_000, "WebSockets and event streams at once"),
    entry!(
        "connections-per-caller",
        connections_per_caller,
        1..=100_000,
        "those of one user, or of one address without a token"
    ),
    entry!("operations-per-connection", operations_per_connection, 1..=10_000, "operations at once in one WebSocket"),
    entry!("errors", errors, 1..=1_000, "errors of an answer"),
    entry!("batch", batch, 0..=100, "requests sent together as a list; 0 refuses lists"),
    entry!("resets-per-user", resets_per_user, 1..=1_000, "mails to one user who forgot the password, in an hour"),
    entry!(
        "resets-per-network",
        resets_per_network,
        1..=100_000,
        "requests for such mails from one network, in an hour"
    ),
    entry!("hook-requests", hook_requests, 1..=1_000_000, "requests that start one workflow, in a minute"),
    entry!("file-bytes", file_bytes, 1..=(1 << 31) - 1, "bytes of a file"),
    entry!("uploads", uploads, 1..=1_000_000, "files of one user that no record holds yet"),
    Entry {
        name: "execution-ms",
        what: "milliseconds that an operation may run",
        range: 1..=3_600_000,
        set: |limits, number| limits.execution = Duration::from_millis(number),
        get: |limits| u64::try_from(limits.execution.as_millis()).unwrap_or(u64::MAX),
    },
];

/// The limits that the settings come to; every fault at once.
pub fn resolve(settings: &[LimitSetting]) -> Result<Limits, Vec<String>> {
    let mut limits = Limits::default();
    let mut faults = Vec::new();
    for LimitSetting { name, number } in settings {
        let Some(entry) = ENTRIES.iter().find(|entry| entry.name == name) else {
            let names: Vec<&str> = ENTRIES.iter().map(|entry| entry.name).collect();
            faults.push(format!("limit: there is no limit {name:?}; there are {}", names.join(", ")));
            continue;
        };
        match number.parse::<u64>().ok().filter(|number| entry.range.contains(number)) {
            Some(number) => (entry.set)(&mut limits, number),
            None => faults.push(format!(
                "limit: {name} is a whole number from {} to {}, not {number:?}",
                entry.range.start(),
                entry.range.end()
            )),
        }
    }
    limits.page_default = limits.page_default.min(limits.page);
    limits.page_default_nested = limits.page_default_nested.min(limits.page);
    let mut names: Vec<&str> = settings.iter().map(|setting| setting.name.as_str()).collect();
    names.sort_unstable();
    if let Some(twice) = names.windows(2).find(|pair| pair[0] == pair[1]) {
        faults.push(format!("limit: {} is set twice", twice[0]));
    }
    if faults.is_empty() { Ok(limits) } else { Err(faults) }
}

/// The stronger source's limits, and the weaker's where it is silent.
pub fn or(stronger: Vec<LimitSetting>, weaker: Vec<LimitSetting>) -> Vec<LimitSetting> {
    let missing = weaker.into_iter().filter(|setting| stronger.iter().all(|known| known.name != setting.name));
    let missing: Vec<LimitSetting> = missing.collect();
    [stronger, missing].concat()
}

/// Reads a flag's `selections=3000`.
pub fn parse_flag(text: &str) -> Result<LimitSetting, String> {
    match text.split_once('=') {
        Some((name, number)) => Ok(LimitSetting { name: name.to_owned(), number: number.to_owned() }),
        None => Err("give a name and a number, such as selections=3000".to_owned()),
    }
}

/// The limit of a variable, by what stands after `CARDINE_LIMIT_`.
pub fn of_variable(name: &str, number: String) -> LimitSetting {
    LimitSetting { name: name.to_lowercase().replace('_', "-"), number }
}

/// Reads the file's table.
pub fn deserialize<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Vec<LimitSetting>, D::Error> {
    let table = BTreeMap::<String, i64>::deserialize(deserializer)?;
    Ok(table.into_iter().map(|(name, number)| LimitSetting { name, number: number.to_string() }).collect())
}

/// All limits with their defaults, for `--help`.
pub fn help() -> String {
    let defaults = Limits::default();
    let mut text =
        "Limits (--limit NAME=NUMBER, CARDINE_LIMIT_NAME, or the table [limits] of cardine.toml):\n".to_owned();
    for entry in &ENTRIES {
        let _ = writeln!(text, "  {:<16} {} [default: {}]", entry.name, entry.what, (entry.get)(&defaults));
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    fn setting(name: &str, number: &str) -> LimitSetting {
        LimitSetting { name: name.to_owned(), number: number.to_owned() }
    }

    #[test]
    fn each_limit_can_be_set_and_sets_itself_alone() {
        for entry in &ENTRIES {
            let number = *entry.range.end();
            let limits = resolve(&[setting(entry.name, &number.to_string())]).unwrap();
            assert_ne!(limits, Limits::default(), "{}", entry.name);
            for other in &ENTRIES {
                let expected = if other.name == entry.name { number } else { (other.get)(&Limits::default()) };
                assert_eq!((other.get)(&limits), expected, "{} when {} is set", other.name, entry.name);
            }
            assert!(entry.range.contains(&(entry.get)(&Limits::default())), "{}", entry.name);
        }
    }

    #[test]
    fn what_is_no_limit_is_refused_with_what_would_be_right() {
        for (name, number, right) in [
            ("selection", "5", "there are body-bytes, query-bytes, selections"),
            ("selections", "0", "from 1 to 100000"),
            ("selections", "-1", "from 1 to 100000"),
            ("selections", "many", "not \"many\""),
            ("relation-levels", "31", "from 1 to 30"),
        ] {
            let faults = resolve(&[setting(name, number)]).unwrap_err();
            assert!(faults.len() == 1 && faults[0].contains(right), "{faults:?}");
        }
        assert_eq!(resolve(&[setting("page", "5"), setting("page", "6")]).unwrap_err().len(), 1);
        assert!(parse_flag("page").is_err());
    }

    #[test]
    fn the_stronger_source_wins_limit_by_limit() {
        let all = or(vec![setting("page", "5")], vec![setting("page", "6"), setting("rows", "7")]);
        assert_eq!(all, [setting("page", "5"), setting("rows", "7")]);
        assert_eq!(of_variable("ROOT_FIELDS", "3".to_owned()), setting("root-fields", "3"));
    }

    #[test]
    fn every_limit_and_its_default_are_documented() {
        let page = include_str!("../../../docs/api.md");
        for entry in &ENTRIES {
            let row = page.lines().find(|line| line.contains(&format!("| `{}` |", entry.name)));
            let default = (entry.get)(&Limits::default()).to_string();
            let digits = row.unwrap_or_else(|| panic!("{} is not in docs/api.md", entry.name)).replace(',', "");
            assert!(digits.contains(&format!("| {default} |")), "{}: {default}: {digits}", entry.name);
        }
    }
}
