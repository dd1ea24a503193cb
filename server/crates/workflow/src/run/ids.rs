//! Ids as templates give them: one, a list of them, or of what has one.

use serde_json::Value as Json;
use uuid::Uuid;

use super::StepError;
use super::state::id_of;

/// What `name` gave, each id once; nothing for null.
pub(super) fn ids_of(given: &Json, name: &str, max: usize) -> Result<Vec<Uuid>, StepError> {
    let items = match given {
        Json::Null => &[],
        Json::Array(items) => items.as_slice(),
        one => std::slice::from_ref(one),
    };
    if items.len() > max {
        let message = format!("LIMIT_EXCEEDED: `{name}` gave {} ids; at most {max} are allowed", items.len());
        return Err(StepError::lasting(message));
    }
    let mut ids = Vec::with_capacity(items.len());
    for item in items {
        let id = id_of(item).or_else(|| id_of(&item["id"]));
        let id = id.ok_or_else(|| StepError::lasting(format!("`{name}` gave what is no id")))?;
        if !ids.contains(&id) {
            ids.push(id);
        }
    }
    Ok(ids)
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn ids_come_alone_in_lists_and_with_what_was_found() {
        let (one, two) = (Uuid::from_u128(1), Uuid::from_u128(2));
        let ids = |given: &Json| ids_of(given, "records", 3);
        assert_eq!(ids(&json!(one)).unwrap(), [one]);
        assert_eq!(ids(&json!([{"id": two, "name": "x"}, one, two])).unwrap(), [two, one]);
        assert_eq!(ids(&Json::Null).unwrap(), [] as [Uuid; 0]);
        for faulty in [json!("x"), json!([null]), json!([{"name": 1}]), json!(vec![one; 4])] {
            assert!(ids(&faulty).is_err(), "{faulty}");
        }
    }
}
