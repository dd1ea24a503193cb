//! JSON Merge Patch (RFC 7386): an object replaces what it names, and null takes away.

use serde_json::Value as Json;

/// `target` after `patch`.
pub fn merge(target: Json, patch: &Json) -> Json {
    let Json::Object(changes) = patch else { return patch.clone() };
    let mut merged = match target {
        Json::Object(entries) => entries,
        _ => serde_json::Map::new(),
    };
    for (key, change) in changes {
        match merged.get_mut(key) {
            _ if change.is_null() => drop(merged.shift_remove(key)),
            Some(place) => *place = merge(place.take(), change),
            None => drop(merged.insert(key.clone(), merge(Json::Null, change))),
        }
    }
    Json::Object(merged)
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::merge;

    /// The cases of RFC 7386, appendix A.
    #[test]
    fn it_does_what_the_standard_says() {
        for (target, patch, merged) in [
            (json!({"a": "b"}), json!({"a": "c"}), json!({"a": "c"})),
            (json!({"a": "b"}), json!({"b": "c"}), json!({"a": "b", "b": "c"})),
            (json!({"a": "b"}), json!({"a": null}), json!({})),
            (json!({"a": "b", "b": "c"}), json!({"a": null}), json!({"b": "c"})),
            (json!({"a": ["b"]}), json!({"a": "c"}), json!({"a": "c"})),
            (json!({"a": "c"}), json!({"a": ["b"]}), json!({"a": ["b"]})),
            (json!({"a": {"b": "c"}}), json!({"a": {"b": "d", "c": null}}), json!({"a": {"b": "d"}})),
            (json!({"a": [{"b": "c"}]}), json!({"a": [1]}), json!({"a": [1]})),
            (json!(["a", "b"]), json!(["c", "d"]), json!(["c", "d"])),
            (json!({"a": "b"}), json!(["c"]), json!(["c"])),
            (json!({"a": "foo"}), json!(null), json!(null)),
            (json!({"a": "foo"}), json!("bar"), json!("bar")),
            (json!({"e": null}), json!({"a": 1}), json!({"e": null, "a": 1})),
            (json!([1, 2]), json!({"a": "b", "c": null}), json!({"a": "b"})),
            (json!({}), json!({"a": {"bb": {"ccc": null}}}), json!({"a": {"bb": {}}})),
        ] {
            assert_eq!(merge(target.clone(), &patch), merged, "{target} with {patch}");
        }
    }
}
