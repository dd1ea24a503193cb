//! Each fault of a document is told at its place.
#![allow(clippy::unwrap_used, reason = "in a test a panic is how it fails")]

use cardine_model::resolve::builtin_catalog;
use serde_json::json;

use super::*;
use crate::definition::parse;
use crate::program::{Act, Start};
use serde_json::Value as Json;

fn document() -> Json {
    json!({"name": "note-won-deals", "module": "Opportunity",
    "trigger": {"on": ["UPDATED"], "changed": ["stage", "organizationId"], "when": "stage == \"CLOSED_WON\" && old.stage != \"CLOSED_WON\""},
    "steps": [
        {"id": "ask", "call": {"plugin": "p", "function": "f", "input": {"amount": "{{ record.amount }}", "fixed": [1, "a"]}}},
        {"id": "write", "when": "amount > 5", "update": {"set": {"nextStep": "Got {{ steps.ask.output.a.b }} of {{ record.name }}", "stage": "CLOSED_LOST"}}},
    ]})
}

fn faults(document: &Json) -> Vec<String> {
    let catalog = builtin_catalog(1).unwrap();
    let issues = parse(document).and_then(|definition| check(&definition, &catalog, None)).err().unwrap_or_default();
    let path = |issue: &Issue| serde_json::to_value(&issue.path).unwrap().to_string().replace(['[', ']', '"'], "");
    issues.iter().map(|issue| format!("{} {}", path(issue), issue.rule)).collect()
}

/// The document with another value at a JSON pointer.
fn with(pointer: &str, value: Json) -> Json {
    let mut document = document();
    let (parent, name) = pointer.rsplit_once('/').unwrap();
    match document.pointer_mut(parent).unwrap() {
        Json::Array(items) => items[name.parse::<usize>().unwrap()] = value,
        parent => parent[name] = value,
    }
    document
}

#[test]
fn a_right_document_becomes_steps() {
    let catalog = builtin_catalog(1).unwrap();
    let workflow = check(&parse(&document()).unwrap(), &catalog, None).unwrap();
    assert_eq!((workflow.steps.len(), &workflow.run_as), (2, &RunAs::Author));
    assert!(matches!(&workflow.start, Start::Change { on, changed, .. } if *on == ["UPDATED"] && changed.len() == 2));
}

#[test]
fn every_fault_is_told_at_its_place() {
    for (pointer, value, expected) in [
        ("/module", json!("User"), "definition,module unknownModule"),
        ("/trigger/changed", json!(["weightedAmount"]), "definition,trigger,changed,0 unknownField"),
        ("/trigger/when", json!("stage"), "definition,trigger,when rule"),
        ("/trigger/when", json!("organization.name == \"x\""), "definition,trigger,when rule"),
        ("/steps/1/when", json!("amount >"), "definition,steps,1,when rule"),
        ("/steps/0/call/input", json!({"a": [{"b": "{{ nothing }}"}]}), "definition,steps,0,call,input,a,0,b rule"),
        ("/steps/0/call/input", json!({"a": "{{ steps.ask.output }}"}), "definition,steps,0,call,input,a rule"),
        ("/steps/0/call/input", json!({"a": "{{ weightedAmount }}"}), "definition,steps,0,call,input,a rule"),
        ("/steps/1/update/set", json!({"stage": "WON"}), "definition,steps,1,update,set,stage type"),
        ("/steps/1/update/set", json!({"name": ["a"]}), "definition,steps,1,update,set,name type"),
        ("/steps/1/update/set", json!({"version": 1}), "definition,steps,1,update,set,version readOnly"),
        ("/steps/1/update/record", json!("{{ record.name }}"), "definition,steps,1,update,record type"),
        ("/steps/1/retry", json!({"atMost": "PT1S"}), "definition,steps,1,retry,atMost range"),
        ("/steps/1/id", json!("ask"), "definition,steps,1,id unique"),
    ] {
        assert_eq!(faults(&with(pointer, value.clone())), [expected], "{pointer} {value}");
    }
    assert_eq!(faults(&document()), Vec::<String>::new());
}

#[test]
fn several_faults_come_together_also_without_the_module() {
    let mut document = with("/module", json!("Deal"));
    document["retry"] = json!({"firstAfter": "P1M"});
    document["steps"][1] = json!({"id": "later", "refuse": {"message": "x"}});
    let expected =
        ["definition,module unknownModule", "definition,retry,firstAfter duration", "definition,steps,1,refuse timing"];
    assert_eq!(faults(&document), expected);
}

#[test]
fn branches_and_loops_become_jumps() {
    let mut document = document();
    document["steps"] = json!([
        {"id": "ask", "call": {"plugin": "p", "function": "f"}},
        {"id": "way", "branch": {
            "cases": [{"when": "number(steps.ask.output.score) > 5", "steps": [{"id": "a", "wait": {"for": "P1D"}}]}],
            "otherwise": [{"id": "each", "forEach": {"in": "{{ steps.ask.output.list }}", "as": "one", "steps": [
                {"id": "b", "when": "text(one.kind) == \"x\"", "wait": {"for": "P1D"}}]}}]}},
        {"id": "c", "wait": {"for": "P1D"}}]);
    let catalog = builtin_catalog(1).unwrap();
    let workflow = check(&parse(&document).unwrap(), &catalog, None).unwrap();
    let row: Vec<String> = workflow
        .steps
        .iter()
        .map(|node| {
            format!(
                "{} {}",
                node.id,
                match &node.act {
                    Act::Do(_) => "do".to_owned(),
                    Act::Branch { cases, otherwise, after } => format!("{} or {otherwise}, then {after}", cases[0].1),
                    Act::ForEach { after, .. } => format!("each, then {after}"),
                    Act::Next { each } => format!("next of {each}"),
                    Act::Jump(to) => format!("to {to}"),
                }
            )
        })
        .collect();
    assert_eq!(
        row,
        ["ask do", "way 2 or 4, then 7", "a do", "way to 7", "each each, then 7", "b do", "each next of 4", "c do"]
    );
}
