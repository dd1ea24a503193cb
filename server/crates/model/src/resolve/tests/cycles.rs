//! What reads what: cycles are refused with their path, chains are followed, and inputs are all that a field stands on.

use serde_json::{Value as Json, json};

use super::{catalog, deal, refused};
use crate::Catalog;

fn formula(name: &str, rule: &str) -> Json {
    json!({"name": name, "type": "formula", "returns": "decimal", "rule": rule})
}

fn sum(name: &str, relation: &str, field: &str) -> Json {
    json!({"name": name, "type": "rollup", "relation": relation, "function": "SUM", "field": field})
}

/// Deals with a campaign each.
fn campaign_and_deal(campaign_fields: Vec<Json>, deal_fields: Vec<Json>) -> [Json; 2] {
    let mut deal_fields = deal_fields;
    deal_fields.push(json!({"name": "amount", "type": "money"}));
    deal_fields.push(json!({"name": "stage", "type": "choice", "options": [{"value": "WON"}, {"value": "LOST"}]}));
    deal_fields.push(json!({"name": "campaign", "type": "reference", "to": "Campaign", "inverse": "deals"}));
    let mut campaign_fields = campaign_fields;
    campaign_fields.push(json!({"name": "budget", "type": "money"}));
    [json!({"name": "Campaign", "plural": "Campaigns", "fields": campaign_fields}), deal(json!(deal_fields))]
}

/// The inputs of a field as `Module.field`, sorted.
fn inputs(catalog: &Catalog, module: &str, field: &str) -> Vec<String> {
    let module = catalog.module_by_name(module).unwrap();
    let inputs = catalog.inputs_of(module.id, module.field_named(field).unwrap().id);
    let mut names: Vec<String> = inputs
        .iter()
        .map(|(module, field)| format!("{}.{}", catalog.module(*module).name, catalog.field(*module, *field).name))
        .collect();
    names.sort();
    names
}

#[test]
fn a_cycle_is_refused_with_its_path() {
    for (documents, issue) in [
        (vec![deal(json!([formula("a", "a + 1")]))], "Deal fields[0].rule: the field reads itself: Deal.a → Deal.a"),
        (
            vec![deal(json!([formula("a", "b"), formula("b", "a")]))],
            "Deal fields[1].rule: the field reads itself: Deal.b → Deal.a → Deal.b",
        ),
        (
            campaign_and_deal(vec![sum("total", "deals", "share")], vec![formula("share", "amount / campaign.total")])
                .to_vec(),
            "Deal fields[0].rule: the field reads itself: Deal.share → Campaign.total → Deal.share",
        ),
        (
            campaign_and_deal(vec![sum("total", "deals", "amount")], vec![])
                .into_iter()
                .map(|mut document| {
                    document["fields"][0]["filter"] = json!("campaign.total > 5");
                    if document["name"] == "Deal" {
                        document["fields"][0].as_object_mut().unwrap().remove("filter");
                    }
                    document
                })
                .collect(),
            "Campaign fields[0].relation: the field reads itself: Campaign.total → Campaign.total",
        ),
        (
            vec![deal(json!([
                {"name": "whole", "type": "reference", "to": "Deal", "inverse": "parts"},
                {"name": "cost", "type": "rollup", "relation": "parts", "function": "SUM", "field": "cost"},
            ]))],
            "Deal fields[1].relation: the field reads itself: Deal.cost → Deal.cost",
        ),
    ] {
        assert!(refused(&documents).iter().any(|found| found == issue), "{issue}\n  got {:#?}", refused(&documents));
    }
}

#[test]
fn two_cycles_are_two_issues() {
    let fields = [
        formula("a", "b"),
        formula("b", "a"),
        formula("c", "d"),
        formula("d", "c"),
        formula("e", "a + c"),
        formula("f", "1"),
    ];
    let issues = refused(&[deal(json!(fields))]);
    assert_eq!(issues.len(), 2, "{issues:#?}");
}

#[test]
fn what_is_no_cycle_is_accepted() {
    // A diamond, a way through a relation and back to another field, and a self reference to another field.
    let [campaign, deals] = campaign_and_deal(
        vec![sum("total", "deals", "amount"), formula("rate", "total / budget")],
        vec![
            formula("double", "amount * 2"),
            formula("triple", "double + amount"),
            formula("share", "triple / campaign.rate + double"),
        ],
    );
    let catalog = catalog(&[campaign, deals]);
    assert_eq!(
        inputs(&catalog, "Deal", "share"),
        [
            "Campaign.budget",
            "Campaign.rate",
            "Campaign.total",
            "Deal.amount",
            "Deal.campaign",
            "Deal.double",
            "Deal.triple"
        ]
    );
}

#[test]
fn inputs_are_hops_fields_and_filters_through_all_levels() {
    let mut won = sum("won", "deals", "amount");
    won["filter"] = json!("stage == \"WON\" && owner != null");
    let [campaign, deals] =
        campaign_and_deal(vec![won, formula("left", "budget - won")], vec![formula("rest", "campaign.left - amount")]);
    let catalog = catalog(&[campaign, deals]);
    assert_eq!(inputs(&catalog, "Campaign", "won"), ["Deal.amount", "Deal.campaign", "Deal.owner", "Deal.stage"]);
    assert_eq!(
        inputs(&catalog, "Campaign", "left"),
        ["Campaign.budget", "Campaign.won", "Deal.amount", "Deal.campaign", "Deal.owner", "Deal.stage"]
    );
    assert_eq!(
        inputs(&catalog, "Deal", "rest"),
        [
            "Campaign.budget",
            "Campaign.left",
            "Campaign.won",
            "Deal.amount",
            "Deal.campaign",
            "Deal.owner",
            "Deal.stage"
        ]
    );
    assert!(inputs(&catalog, "Deal", "amount").is_empty());
}

#[test]
fn a_published_field_stands_for_its_inputs() {
    let fields = |published: bool| {
        let mut rate = formula("rate", "budget / 2");
        rate["published"] = json!(published);
        campaign_and_deal(vec![rate], vec![formula("share", "amount * campaign.rate")])
    };
    let shown = ["Campaign.rate", "Deal.amount", "Deal.campaign"];
    let all = ["Campaign.budget", "Campaign.rate", "Deal.amount", "Deal.campaign"];
    assert_eq!(inputs(&catalog(&fields(true)), "Deal", "share"), shown);
    assert_eq!(inputs(&catalog(&fields(false)), "Deal", "share"), all);
}

#[test]
fn a_chain_may_have_32_levels_and_no_more() {
    let chain = |levels: usize| {
        let mut fields = vec![json!({"name": "f0", "type": "decimal"})];
        fields.extend((1..=levels).map(|level| formula(&format!("f{level}"), &format!("f{} + 1", level - 1))));
        deal(json!(fields))
    };
    assert_eq!(inputs(&catalog(&[chain(32)]), "Deal", "f32").len(), 32);
    for levels in [33, 400] {
        let issues = refused(&[chain(levels)]);
        assert_eq!(issues.len(), 1, "{issues:#?}");
        assert!(issues[0].starts_with("Deal fields[33]: `Deal.f33` stands on more than 32"), "{issues:#?}");
    }
}

#[test]
fn a_long_cycle_is_told_in_short() {
    let fields: Vec<Json> =
        (0..300).map(|number| formula(&format!("f{number}"), &format!("f{}", (number + 1) % 300))).collect();
    let issues = refused(&[deal(json!(fields))]);
    assert_eq!(issues.len(), 1);
    assert!(
        issues[0].contains("Deal.f299 → Deal.f0 → ") && issues[0].contains(" → … → ") && issues[0].len() < 500,
        "{issues:?}"
    );
}
