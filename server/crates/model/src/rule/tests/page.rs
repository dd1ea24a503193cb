//! Every example of the page on rules, run.

use serde_json::Value as Json;

use super::super::*;
use super::fixture::*;
use crate::{Decimal, Value};

const PAGE: &str = include_str!("../../../../../../docs/rules.md");

/// The lines of the page's blocks of this kind.
fn blocks(kind: &str) -> Vec<&'static str> {
    let fence = format!("```{kind}\n");
    let bodies = PAGE.split(&fence).skip(1).map(|rest| rest.split("```").next().expect("a first part"));
    bodies.flat_map(str::lines).filter(|line| !line.trim().is_empty()).collect()
}

/// A rule's result as the page writes it.
fn shown(value: &Value) -> String {
    match value {
        Value::Null => "null".to_owned(),
        Value::Boolean(truth) => truth.to_string(),
        Value::Decimal(number) => number.to_string(),
        Value::Text(text) => format!("\"{text}\""),
        Value::Date(date) => date.to_string(),
        Value::Time(time) => time.to_string(),
        Value::DateTime(instant) => instant.format("%Y-%m-%dT%H:%M:%SZ").to_string(),
        Value::Id(id) => id.to_string(),
        other => panic!("the page shows no {other:?}"),
    }
}

#[test]
fn every_example_of_the_page_is_true() {
    let record: Json = serde_json::from_str(&blocks("json").join("\n")).expect("the page's record is JSON");
    let record = Record(record);
    let examples = blocks("rule");
    assert!(examples.len() > 60, "only {} examples were found", examples.len());
    for example in examples {
        let (source, expected) = example.split_once(" → ").unwrap_or_else(|| panic!("no result: {example}"));
        let rule =
            check(source, &context(Expected::Any), &World).unwrap_or_else(|issues| panic!("{source}: {issues:?}"));
        assert_eq!(shown(&rule.eval(&record)), expected.trim(), "{source}");
    }
}

#[test]
fn every_mistake_of_the_page_is_refused_as_it_says() {
    let mistakes = blocks("mistake");
    assert!(mistakes.len() > 8, "only {} mistakes were found", mistakes.len());
    for mistake in mistakes {
        let (source, expected) = mistake.split_once(" → ").unwrap_or_else(|| panic!("no message: {mistake}"));
        let messages: Vec<String> = issues(source.trim()).into_iter().map(|issue| issue.message).collect();
        assert_eq!(messages, [expected.trim()], "{source}");
    }
}

#[test]
fn the_page_has_every_function() {
    for (name, _) in super::super::check::call::USAGES {
        assert!(blocks("rule").iter().any(|line| line.contains(&format!("{name}("))), "no example of {name}");
    }
}

#[test]
fn the_pages_rounding_is_the_decimals_rounding() {
    // The page rounds two halves; should `to_fixed` change, its words would be wrong as well.
    assert_eq!(Decimal::parse("2.345").expect("a decimal").to_fixed(2), "2.35");
    assert_eq!(Decimal::parse("-2.345").expect("a decimal").to_fixed(2), "-2.35");
}
