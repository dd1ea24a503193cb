//! Whether two answers say the same: the yardstick and PostGraphile write some values in another form.

use anyhow::ensure;
use chrono::DateTime;
use serde_json::Value as Json;

/// Fails with the first difference.
pub fn ensure_same(ours: &Json, theirs: &Json) -> anyhow::Result<()> {
    compare(ours, theirs, &mut String::from("data"))
}

fn compare(ours: &Json, theirs: &Json, place: &mut String) -> anyhow::Result<()> {
    let length = place.len();
    match (ours, theirs) {
        (Json::Object(ours), Json::Object(theirs)) => {
            let names = |fields: &serde_json::Map<String, Json>| {
                let mut names: Vec<String> = fields.keys().cloned().collect();
                names.sort_unstable();
                names
            };
            ensure!(names(ours) == names(theirs), "{place}: {:?} and {:?}", names(ours), names(theirs));
            for (name, value) in ours {
                place.push('.');
                place.push_str(name);
                compare(value, &theirs[name], place)?;
                place.truncate(length);
            }
        }
        (Json::Array(ours), Json::Array(theirs)) => {
            ensure!(ours.len() == theirs.len(), "{place}: {} and {} elements", ours.len(), theirs.len());
            for (position, (ours, theirs)) in ours.iter().zip(theirs).enumerate() {
                place.push_str(&format!("[{position}]"));
                compare(ours, theirs, place)?;
                place.truncate(length);
            }
        }
        _ => ensure!(ours == theirs || is_same_value(ours, theirs), "{place}: {ours} and {theirs}"),
    }
    Ok(())
}

/// A number in quotes is that number; an instant is the same with any offset and any number of zeros.
fn is_same_value(ours: &Json, theirs: &Json) -> bool {
    if let (Some(ours), Some(theirs)) = (number(ours), number(theirs)) {
        // JSON's reader may be wrong in the last binary digit; no value here has more than 13 decimal ones.
        return (ours - theirs).abs() <= ours.abs() * 1e-14;
    }
    let instant = |value: &Json| DateTime::parse_from_rfc3339(value.as_str()?).ok();
    instant(ours).is_some_and(|ours| instant(theirs) == Some(ours))
}

fn number(value: &Json) -> Option<f64> {
    match value {
        Json::Number(number) => number.as_f64(),
        Json::String(text) if text.bytes().all(|byte| byte.is_ascii_digit() || b".-".contains(&byte)) => {
            text.parse().ok()
        }
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn other_forms_of_a_value_are_the_same() {
        let ours = json!({"a": "12.50", "b": "2026-01-31T10:00:00.000Z", "c": [1, null, true], "d": "x"});
        let theirs = json!({"d": "x", "c": [1, null, true], "b": "2026-01-31T11:00:00+01:00", "a": 12.5});
        ensure_same(&ours, &theirs).unwrap();
    }

    #[test]
    fn other_values_are_found_with_their_place() {
        for (ours, theirs, place) in [
            (json!({"a": [{"b": "12.50"}]}), json!({"a": [{"b": 12.51}]}), "data.a[0].b"),
            (json!({"a": null}), json!({"a": ""}), "data.a"),
            (json!({"a": [1]}), json!({"a": [1, 2]}), "data.a"),
            (json!({"a": 1}), json!({"a": 1, "b": 1}), "data"),
            (json!({"a": "2026-01-31T10:00:00Z"}), json!({"a": "2026-01-31T10:00:01Z"}), "data.a"),
            (json!({"a": true}), json!({"a": 1}), "data.a"),
        ] {
            let error = ensure_same(&ours, &theirs).unwrap_err().to_string();
            assert!(error.starts_with(&format!("{place}:")), "{error}");
        }
    }
}
