//! The SQL function that groups rows without sorting them: `cardine_groups(keys, key …, number …)`.
//!
//! SQLite has no other way to group than in order, by a sort or by an index whose rows lie anywhere in the table; this one keeps the
//! groups in a hash table while the table is read from front to back. It gives a JSON list, by keys, of a list for each group: its keys, how many
//! rows it has, and of each number how many rows have one, and their exact sum as text.

use std::collections::HashMap;

use rusqlite::functions::{Aggregate, Context, FunctionFlags};
use rusqlite::types::ValueRef;
use rusqlite::{Connection, Result};

use super::functions::{Total, user_error};

pub(super) fn register(connection: &Connection, flags: FunctionFlags) -> Result<()> {
    connection.create_aggregate_function("cardine_groups", -1, flags, Groups)
}

struct Groups;

/// The groups so far, by their keys one behind the other.
#[derive(Default)]
struct Found {
    places: HashMap<Box<[u8]>, usize>,
    groups: Vec<Group>,
    /// The row's keys, in memory that is used again.
    key: Vec<u8>,
}

struct Group {
    keys: Vec<Key>,
    rows: i64,
    numbers: Vec<(i64, Total)>,
}

/// In SQLite's order.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
enum Key {
    Null,
    Integer(i64),
    Text(Box<str>),
}

impl Aggregate<Found, Option<String>> for Groups {
    fn init(&self, _: &mut Context<'_>) -> Result<Found> {
        Ok(Found::default())
    }

    fn step(&self, context: &mut Context<'_>, found: &mut Found) -> Result<()> {
        let keys = key_count(context)?;
        let mut key = std::mem::take(&mut found.key);
        key.clear();
        for position in 1..=keys {
            match context.get_raw(position) {
                ValueRef::Null => key.push(0),
                ValueRef::Integer(number) => {
                    key.push(1);
                    key.extend_from_slice(&number.to_ne_bytes());
                }
                ValueRef::Text(text) => {
                    key.push(2);
                    key.extend_from_slice(&text.len().to_ne_bytes());
                    key.extend_from_slice(text);
                }
                _ => return Err(user_error("rows are grouped by what is no key")),
            }
        }
        let place = match found.places.get(key.as_slice()) {
            Some(place) => *place,
            None => {
                let numbers = (keys + 1..context.len()).map(|_| (0, Total::default())).collect();
                let keys = (1..=keys).map(|position| key_of(context.get_raw(position))).collect::<Result<_>>()?;
                found.groups.push(Group { keys, rows: 0, numbers });
                found.places.insert(key.as_slice().into(), found.groups.len() - 1);
                found.groups.len() - 1
            }
        };
        found.key = key;
        let group = &mut found.groups[place];
        group.rows += 1;
        for (position, (count, total)) in group.numbers.iter_mut().enumerate() {
            if total.add_argument(context, keys + 1 + position)? {
                *count += 1;
            }
        }
        Ok(())
    }

    fn finalize(&self, _: &mut Context<'_>, found: Option<Found>) -> Result<Option<String>> {
        let mut groups = found.unwrap_or_default().groups;
        groups.sort_unstable_by(|one, other| one.keys.cmp(&other.keys));
        let mut json = vec![b'['];
        for group in groups {
            json.extend_from_slice(if json.len() > 1 { b",[" } else { b"[" });
            for key in &group.keys {
                match key {
                    Key::Null => json.extend_from_slice(b"null"),
                    Key::Integer(number) => json.extend_from_slice(number.to_string().as_bytes()),
                    Key::Text(text) => {
                        serde_json::to_writer(&mut json, text).map_err(|_| user_error("a key is no JSON"))?;
                    }
                }
                json.push(b',');
            }
            json.extend_from_slice(group.rows.to_string().as_bytes());
            for (count, total) in group.numbers {
                let sum = total.text().map_or_else(|| "null".to_owned(), |sum| format!("\"{sum}\""));
                json.extend_from_slice(format!(",{count},{sum}").as_bytes());
            }
            json.push(b']');
        }
        json.push(b']');
        String::from_utf8(json).map(Some).map_err(|_| user_error("a key is no UTF-8"))
    }
}

/// How many of the arguments behind the first are keys.
fn key_count(context: &Context<'_>) -> Result<usize> {
    match context.get_raw(0) {
        ValueRef::Integer(keys) => usize::try_from(keys).ok().filter(|keys| *keys < context.len()),
        _ => None,
    }
    .ok_or_else(|| user_error("the keys of groups are not counted right"))
}

fn key_of(value: ValueRef<'_>) -> Result<Key> {
    Ok(match value {
        ValueRef::Integer(number) => Key::Integer(number),
        ValueRef::Text(text) => Key::Text(std::str::from_utf8(text)?.into()),
        _ => Key::Null,
    })
}

#[cfg(test)]
mod tests {
    use super::super::functions;
    use super::*;

    fn grouped(select: &str) -> Result<Option<String>> {
        let connection = Connection::open_in_memory().unwrap();
        functions::register(&connection).unwrap();
        connection.query_row(&format!("SELECT {select}"), [], |row| row.get(0))
    }

    #[test]
    fn rows_are_counted_and_numbers_added_by_key() {
        let rows = "(VALUES ('b', 1, '0.1'), (NULL, 1, '7'), ('b', 1, '0.2'), ('b', 2, NULL), ('a\"', 1, 3))";
        let by = |arguments: &str| grouped(&format!("cardine_groups({arguments}) FROM {rows}")).unwrap().unwrap();
        assert_eq!(by("1, column1"), r#"[[null,1],["a\"",1],["b",3]]"#);
        assert_eq!(by("1, column1, column3"), r#"[[null,1,1,"7"],["a\"",1,1,"3"],["b",3,2,"0.3"]]"#);
        assert_eq!(
            by("2, column1, column2, column3, column2"),
            r#"[[null,1,1,1,"7",1,"1"],["a\"",1,1,1,"3",1,"1"],["b",1,2,2,"0.3",2,"2"],["b",2,1,0,null,1,"2"]]"#
        );
        assert_eq!(by("0, column2"), r#"[[5,5,"6"]]"#);
    }

    #[test]
    fn keys_of_different_types_or_lengths_never_meet() {
        let rows = "(VALUES ('1', ''), (1, ''), ('', '1'), ('11', ''), ('1', '1'))";
        let json = grouped(&format!("cardine_groups(2, column1, column2) FROM {rows}")).unwrap().unwrap();
        assert_eq!(json, r#"[[1,"",1],["","1",1],["1","",1],["1","1",1],["11","",1]]"#);
    }

    #[test]
    fn of_no_rows_there_are_no_groups_and_faults_are_told() {
        assert_eq!(grouped("cardine_groups(1, column1) FROM (VALUES (1)) WHERE 0").unwrap().as_deref(), Some("[]"));
        for faulty in
            ["cardine_groups(2, 1)", "cardine_groups('x', 1)", "cardine_groups(1, 0.5)", "cardine_groups(1, 1, 'x')"]
        {
            assert!(grouped(faulty).is_err(), "{faulty}");
        }
    }
}
