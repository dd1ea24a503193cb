//! Two documents of one thing → what differs between them, a line each, for people.

use serde_json::Value as Json;

/// Characters of a value that are shown.
const SHOWN_MAX: usize = 100;
/// By which key the entries of a list are told apart, where they have one.
const KEYS: [&str; 3] = ["name", "value", "id"];

/// What differs: `+ place: new`, `- place: old`, `place: old → new`.
pub(crate) fn lines(before: &Json, after: &Json) -> Vec<String> {
    let mut lines = Vec::new();
    compare("", before, after, &mut lines);
    lines
}

fn compare(place: &str, before: &Json, after: &Json, lines: &mut Vec<String>) {
    if before == after {
        return;
    }
    match (before, after) {
        (Json::Object(old), Json::Object(new)) => {
            for (key, old) in old {
                match new.get(key) {
                    Some(new) => compare(&inside(place, key), old, new, lines),
                    None => lines.push(format!("- {}: {}", inside(place, key), shown(old))),
                }
            }
            for (key, new) in new.iter().filter(|(key, _)| !old.contains_key(*key)) {
                lines.push(format!("+ {}: {}", inside(place, key), shown(new)));
            }
        }
        (Json::Array(old), Json::Array(new)) => match (named(old), named(new)) {
            (Some(old_names), Some(new_names)) => {
                for (name, old) in old_names.iter().zip(old) {
                    match new_names.iter().position(|new| new == name) {
                        Some(position) => compare(&inside(place, name), old, &new[position], lines),
                        None => lines.push(format!("- {}: {}", inside(place, name), shown(old))),
                    }
                }
                for (name, new) in new_names.iter().zip(new).filter(|(name, _)| !old_names.contains(name)) {
                    lines.push(format!("+ {}: {}", inside(place, name), shown(new)));
                }
                let common = |names: &[&str], others: &[&str]| -> Vec<String> {
                    names.iter().filter(|name| others.contains(name)).map(|name| (*name).to_owned()).collect()
                };
                if common(&old_names, &new_names) != common(&new_names, &old_names) {
                    lines.push(format!("{place}: in the order {}", new_names.join(", ")));
                }
            }
            _ => lines.push(format!("{place}: {} → {}", shown(before), shown(after))),
        },
        _ => lines.push(format!("{place}: {} → {}", shown(before), shown(after))),
    }
}

fn inside(place: &str, key: &str) -> String {
    if place.is_empty() { key.to_owned() } else { format!("{place}.{key}") }
}

/// What the entries of a list are called, if all have names and no two the same.
fn named(list: &[Json]) -> Option<Vec<&str>> {
    let key = KEYS.into_iter().find(|key| list.iter().all(|entry| entry.get(key).is_some_and(Json::is_string)))?;
    let names: Vec<&str> = list.iter().filter_map(|entry| entry[key].as_str()).collect();
    let is_alone = |(position, name): (usize, &&str)| !names[..position].contains(name);
    names.iter().enumerate().all(is_alone).then_some(names)
}

fn shown(value: &Json) -> String {
    let text = value.to_string();
    if text.chars().count() <= SHOWN_MAX {
        return text;
    }
    text.chars().take(SHOWN_MAX).chain(['…']).collect()
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn what_differs_is_told_by_names() {
        let before = json!({"name": "Deal", "sharing": "PRIVATE", "fields": [{"name": "a", "type": "text"}, {"name": "b", "type": "date"}], "search": ["a"]});
        let after = json!({"name": "Deal", "icon": "x", "fields": [{"name": "b", "type": "date", "required": true}, {"name": "a", "type": "text"}, {"name": "c", "type": "time"}], "search": ["a", "b"]});
        assert_eq!(
            lines(&before, &after),
            [
                "- sharing: \"PRIVATE\"",
                "+ fields.b.required: true",
                "+ fields.c: {\"name\":\"c\",\"type\":\"time\"}",
                "fields: in the order b, a, c",
                "search: [\"a\"] → [\"a\",\"b\"]",
                "+ icon: \"x\"",
            ]
        );
        assert!(lines(&before, &before).is_empty());
    }

    #[test]
    fn long_values_are_cut() {
        let told = lines(&json!({"a": 1}), &json!({"a": "è".repeat(500)}));
        assert_eq!(told[0].chars().count(), "a: 1 → ".chars().count() + SHOWN_MAX + 1);
    }
}
