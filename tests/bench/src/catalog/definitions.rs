//! The modules of the catalog bench: fields of every common kind, references to other modules, formulas, a rollup and a validation.

use serde_json::{Value as Json, json};

/// A question about them that every role may ask.
pub const LIST: &str = "{ things1(first: 1) { nodes { id title0 } } }";

/// The name of the n-th module.
pub fn name(n: u32) -> String {
    format!("Thing{n}")
}

/// The n-th module, with so many fields; it refers to modules before it.
pub fn module(n: u32, fields: u32) -> Json {
    let mut definitions = vec![
        json!({"name": "title0", "type": "text", "required": true, "indexed": true, "maxLength": 200}),
        json!({"name": "amount0", "type": "money"}),
        json!({"name": "amount1", "type": "money"}),
        json!({"name": "margin", "type": "formula", "rule": "amount0 - amount1", "returns": "money"}),
        json!({
            "name": "rating", "type": "formula", "returns": "text",
            "rule": "amount0 == null ? \"none\" : amount0 / (amount1 + 1) > 10.5 && state4 == \"OPEN\" ? \"good\" : \"poor\"",
        }),
        state(4),
    ];
    if n > 0 {
        let relations = [("above", n - 1), ("other", n / 2)];
        for (field, target) in relations {
            definitions.push(json!({
                "name": field, "type": "reference", "to": name(target), "inverse": format!("{field}Of{n}"),
            }));
        }
        definitions.push(
            json!({"name": "aboveMargin", "type": "formula", "rule": "above.amount0 + amount0", "returns": "money"}),
        );
    }
    for position in definitions.len() as u32..fields {
        definitions.push(plain(position));
    }
    json!({
        "name": name(n),
        "plural": format!("Things{n}"),
        "label": {"en": format!("Thing {n}"), "it": format!("Cosa {n}")},
        "nameField": "title0",
        "fields": definitions,
        "search": ["title0"],
        "sharing": if n.is_multiple_of(2) { "PRIVATE" } else { "PUBLIC_READ" },
        "validations": [{"rule": "amount1 == null || amount0 >= amount1", "message": {"en": "Too little", "it": "Troppo poco"}, "fields": ["amount1"]}],
    })
}

fn plain(position: u32) -> Json {
    let label = json!({"en": format!("Field {position}"), "it": format!("Campo {position}")});
    let mut field = match position % 8 {
        0 => state(position),
        1 => json!({"name": format!("note{position}"), "type": "longText"}),
        2 => json!({"name": format!("amount{position}"), "type": "decimal", "scale": 4, "min": 0}),
        3 => json!({"name": format!("day{position}"), "type": "date"}),
        4 => json!({"name": format!("flag{position}"), "type": "boolean", "default": false}),
        5 => json!({"name": format!("number{position}"), "type": "integer", "min": 0, "max": 1000}),
        6 => json!({"name": format!("mail{position}"), "type": "email"}),
        _ => json!({"name": format!("text{position}"), "type": "text", "maxLength": 120}),
    };
    field["label"] = label;
    field
}

fn state(position: u32) -> Json {
    let options = ["NEW", "OPEN", "WAITING", "CLOSED"].map(|value| {
        json!({"value": value, "label": {"en": value.to_lowercase(), "it": format!("{} (it)", value.to_lowercase())}})
    });
    json!({"name": format!("state{position}"), "type": "choice", "options": options, "default": "NEW"})
}

#[cfg(test)]
mod tests {
    use cardine_model::resolve::{module_documents, parse_document, platform_documents, resolve};

    use super::*;

    #[test]
    fn the_modules_resolve_together_and_have_as_many_fields_as_asked() {
        let parse = |text: &str| parse_document(&serde_json::from_str(text).unwrap()).unwrap();
        let platform: Vec<_> = platform_documents().iter().map(|(_, text)| parse(text)).collect();
        let mut modules: Vec<_> = module_documents().iter().map(|(_, text)| parse(text)).collect();
        modules.extend((0..5).map(|n| parse_document(&module(n, 40)).unwrap()));
        let catalog = resolve(1, &platform, &modules).unwrap();
        for n in 0..5 {
            assert_eq!(catalog.module_by_name(&name(n)).unwrap().definition().fields.len(), 40);
        }
    }
}
