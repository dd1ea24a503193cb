//! Time grows with the number of modules and no faster: a catalog is resolved anew with every change.

use std::time::{Duration, Instant};

use serde_json::{Value as Json, json};

use super::{definition, platform, resolve};
use crate::definition::ModuleDefinition;

/// `count` modules of 40 fields: texts, numbers, choices, references along a chain, formulas and rollups over them.
fn modules(count: usize) -> Vec<ModuleDefinition> {
    (0..count).map(|number| definition(&module(number, count))).collect()
}

fn module(number: usize, count: usize) -> Json {
    let mut fields: Vec<Json> = (0..20)
        .map(|field| json!({"name": format!("text{field}"), "type": "text", "label": {"en": "Text", "it": "Testo"}}))
        .collect();
    fields.extend(
        (0..10).map(|field| json!({"name": format!("number{field}"), "type": "decimal", "scale": 2, "default": "1.5"})),
    );
    fields.extend((0..4).map(|field| {
        json!({"name": format!("choice{field}"), "type": "choice", "options": [{"value": "ONE"}, {"value": "TWO"}, {"value": "THREE"}]})
    }));
    fields.push(json!({"name": "next", "type": "reference", "to": format!("Module{}", (number + 1) % count), "inverse": "previous"}));
    fields.push(json!({"name": "ratio", "type": "formula", "returns": "decimal", "rule": "number0 / number1"}));
    fields.push(json!({"name": "double", "type": "formula", "returns": "decimal", "rule": "ratio * 2 + next.number3"}));
    fields.push(
        json!({"name": "late", "type": "formula", "returns": "boolean", "rule": "choice0 == \"ONE\" && number2 > 5"}),
    );
    fields.push(
        json!({"name": "total", "type": "rollup", "relation": "previous", "function": "SUM", "field": "number0"}),
    );
    fields.push(
        json!({"name": "some", "type": "rollup", "relation": "previous", "function": "COUNT", "filter": "number1 > 2"}),
    );
    assert_eq!(fields.len(), 40);
    json!({"name": format!("Module{number}"), "plural": format!("Many{number}"), "nameField": "text0", "fields": fields})
}

/// The shortest of a few runs, which is what other work on the machine disturbs least.
fn time_to_resolve(platform: &[ModuleDefinition], modules: &[ModuleDefinition]) -> Duration {
    let run = || {
        let start = Instant::now();
        let catalog = resolve(1, platform, modules).unwrap_or_else(|issues| panic!("{issues:?}"));
        assert_eq!(catalog.modules.len(), platform.len() + modules.len());
        start.elapsed()
    };
    (0..3).map(|_| run()).min().unwrap()
}

#[test]
fn ten_times_the_modules_take_far_less_than_a_hundred_times_the_time() {
    let platform = platform();
    let (few, many) = (modules(50), modules(500));
    let (short, long) = (time_to_resolve(&platform, &few), time_to_resolve(&platform, &many));
    println!("50 modules: {short:?}, 500 modules: {long:?}");
    assert!(long < short * 40, "50 modules: {short:?}, 500 modules: {long:?}");
}
