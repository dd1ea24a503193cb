//! What is kept and has a name that is taken now stays, unserved; what is new does not.

use serde_json::{Value as Json, json};

use super::platform;
use crate::Catalog;
use crate::definition::ModuleDefinition;
use crate::resolve::{resolve, resolve_change, resolve_kept, resolve_kept_change, resolve_restored};

/// As it is read when it has been kept: the JSON Schema, which knows the names of today, is not asked.
fn module(name: &str, plural: &str, fields: &Json) -> ModuleDefinition {
    serde_json::from_value(json!({"name": name, "plural": plural, "fields": fields})).unwrap()
}

fn plain(name: &str, plural: &str) -> ModuleDefinition {
    module(name, plural, &json!([{"name": "title", "type": "text"}]))
}

fn unserved(catalog: &Catalog) -> Vec<&str> {
    let modules = catalog.modules.iter().filter(|module| module.unserved.is_some());
    modules.map(|module| module.name.as_str()).collect()
}

#[test]
fn what_is_kept_stays_with_a_name_that_the_api_has() {
    let kept = [
        plain("Deal", "Deals"),
        plain("Memo", "Notifications"),
        module(
            "TimelineEntry",
            "Entries",
            &json!([{"name": "deal", "type": "reference", "to": "Deal", "inverse": "entries"}]),
        ),
        module(
            "SearchHit",
            "Pasts",
            &json!([{"name": "deals", "type": "references", "to": "Deal", "inverse": "pasts"}]),
        ),
        module("Sort", "Sorts", &json!([{"name": "order", "type": "choice", "options": [{"value": "A"}]}])),
    ];
    assert!(resolve(1, &platform(), &kept).is_err());
    let catalog = resolve_kept(1, &platform(), &kept).unwrap();
    assert_eq!(unserved(&catalog), ["Memo", "SearchHit", "Sort", "TimelineEntry"]);
    let why = |name: &str| catalog.module_by_name(name).unwrap().unserved.clone().unwrap();
    assert!(why("Memo").contains("`notifications`, which belongs to Cardine's own API"), "{}", why("Memo"));
    assert!(why("Sort").contains("`SortOrder`, which belongs to Cardine's own API"), "{}", why("Sort"));
    assert!(catalog.served_by_name("Memo").is_none() && catalog.served_by_name("Deal").is_some());

    // What else is changed has no part in that; a name that is free ends it.
    let more = [plain("Lead", "Leads")];
    let catalog = resolve_change(&catalog, 2, &[], &more).unwrap();
    assert_eq!(unserved(&catalog), ["Memo", "SearchHit", "Sort", "TimelineEntry"]);
    let options = [module("Memo", "Notifications", &json!([{"name": "other", "type": "date"}]))];
    let catalog = resolve_change(&catalog, 3, &["Memo"], &options).unwrap();
    assert_eq!(unserved(&catalog), ["Memo", "SearchHit", "Sort", "TimelineEntry"]);
    let renamed = [plain("Memo", "Memos"), module("Sort", "Sorts", &json!([{"name": "kind", "type": "date"}]))];
    let catalog = resolve_change(&catalog, 4, &["Memo", "Sort"], &renamed).unwrap();
    assert_eq!(unserved(&catalog), ["SearchHit", "TimelineEntry"]);

    for (gone, come) in [
        (None, plain("Note", "Notifications")),
        (None, plain("SearchEdge", "Edges")),
        (None, plain("TimelineEntry", "Others")),
        (Some("Memo"), plain("Memo", "Notifications")),
        (Some("TimelineEntry"), plain("TimelineEntry", "Notifications")),
        (Some("TimelineEntry"), plain("TimelineEdge", "Entries")),
    ] {
        let gone: Vec<&str> = gone.into_iter().collect();
        let faults = resolve_change(&catalog, 5, &gone, std::slice::from_ref(&come)).unwrap_err();
        assert!(faults.iter().any(|fault| fault.module == come.name && fault.issue.rule == "nameTaken"), "{faults:?}");
    }
}

#[test]
fn what_is_kept_stays_with_a_field_of_a_name_that_the_api_has() {
    let text = |name: &str| json!({"name": name, "type": "text"});
    let to_deal = |inverse: &str| json!({"name": "deal", "type": "reference", "to": "Deal", "inverse": inverse});
    let links = json!({"name": "others", "type": "references", "to": "Deal", "link": {"fields": [text("not")]}});
    let kept = [
        module("Deal", "Deals", &json!([text("title")])),
        module("Memo", "Memos", &json!([text("history"), text("or"), text("line")])),
        module("Note", "Notes", &json!([to_deal("history")])),
        module("Web", "Webs", &json!([links])),
    ];
    assert!(resolve(1, &platform(), &kept).is_err());
    let catalog = resolve_kept(1, &platform(), &kept).unwrap();
    assert_eq!(unserved(&catalog), ["Memo", "Note", "Web"]);
    let why = |name: &str| catalog.module_by_name(name).unwrap().unserved.clone().unwrap();
    assert!(why("Memo").contains("field `history`: ") && why("Memo").contains("field `or`: "), "{}", why("Memo"));
    assert!(why("Note").contains("field `deal`: "), "{}", why("Note"));
    assert!(why("Web").contains("field `not`: "), "{}", why("Web"));

    // They change as others do, and get no more names of that kind.
    let change = |base: &Catalog, name: &str, plural: &str, fields: Json| {
        resolve_change(base, base.version + 1, &[name], &[module(name, plural, &fields)])
    };
    let catalog = change(&catalog, "Memo", "Memos", json!([text("line"), text("history"), text("more")])).unwrap();
    assert_eq!(unserved(&catalog), ["Memo", "Note", "Web"]);
    assert!(change(&catalog, "Memo", "Memos", json!([text("line"), text("history"), text("not")])).is_err());
    assert!(change(&catalog, "Deal", "Deals", json!([text("title"), text("history")])).is_err());
    assert!(change(&catalog, "Note", "Notes", json!([to_deal("or")])).is_err());
    assert!(resolve_change(&catalog, 3, &[], &[module("New", "News", &json!([text("history")]))]).is_err());

    // A name that is free ends it.
    let catalog = change(&catalog, "Memo", "Memos", json!([text("line"), text("past"), text("more")])).unwrap();
    assert_eq!(unserved(&catalog), ["Note", "Web"]);
    let catalog = change(&catalog, "Note", "Notes", json!([to_deal("notes")])).unwrap();
    let links = json!({"name": "others", "type": "references", "to": "Deal", "link": {"fields": [text("no")]}});
    let catalog = change(&catalog, "Web", "Webs", json!([links])).unwrap();
    assert_eq!(unserved(&catalog), [""; 0]);
    assert!(change(&catalog, "Memo", "Memos", json!([text("history")])).is_err());

    // What was hidden comes back, whole module or field.
    let back = module("Memo", "Memos", &json!([text("history")]));
    assert_eq!(unserved(&resolve_restored(&catalog, 9, &back).unwrap()), ["Memo"]);
    let base = resolve(1, &platform(), &kept[..1]).unwrap();
    assert_eq!(unserved(&resolve_restored(&base, 9, &back).unwrap()), ["Memo"]);
    // What a column has already is no name of the API alone.
    assert!(resolve_kept(1, &platform(), &[module("Deal", "Deals", &json!([text("ownerId")]))]).is_err());
}

#[test]
fn of_two_that_are_kept_the_first_by_name_has_what_both_want() {
    let (deal, other) = (plain("Deal", "Deals"), plain("DealFilter", "DealFilters"));
    let beside = plain("DealFilterEdge", "Edges");
    for kept in [
        [deal.clone(), other.clone(), beside.clone()],
        [other.clone(), beside.clone(), deal.clone()],
        [beside.clone(), other.clone(), deal.clone()],
    ] {
        let catalog = resolve_kept(1, &platform(), &kept).unwrap();
        assert_eq!(unserved(&catalog), ["DealFilter"], "who is not served is in nobody's way");
    }
    // The other process sees one come after the other.
    let one = resolve_kept(1, &platform(), std::slice::from_ref(&other)).unwrap();
    let both = resolve_kept_change(&one, 2, &[], std::slice::from_ref(&deal)).unwrap();
    assert_eq!(unserved(&both), ["DealFilter"]);
    assert!(resolve_change(&one, 2, &[], std::slice::from_ref(&deal)).is_err(), "nobody loses a name to a new module");
    // Who had the name goes.
    let catalog = resolve_change(&both, 3, &["Deal"], &[]).unwrap();
    assert_eq!(unserved(&catalog), [""; 0]);
}

#[test]
fn what_is_restored_stays_with_a_name_of_the_api_alone() {
    let base = resolve(1, &platform(), &[plain("Deal", "Deals")]).unwrap();
    let catalog = resolve_restored(&base, 2, &plain("Memo", "Notifications")).unwrap();
    assert_eq!(unserved(&catalog), ["Memo"]);
    assert!(resolve_restored(&base, 2, &plain("Bargain", "Deals")).is_err());
    assert!(resolve_restored(&base, 2, &plain("Car", "Deals")).is_err());
    assert_eq!(unserved(&resolve_restored(&base, 2, &plain("Memo", "Memos")).unwrap()), [""; 0]);
}

#[test]
fn other_faults_are_faults_of_what_is_kept_too() {
    assert!(resolve_kept(1, &platform(), &[plain("Deal", "Deals"), plain("Deal", "Others")]).is_err());
    assert!(
        resolve_kept(1, &platform(), &[module("Deal", "Deals", &json!([{"name": "xmin", "type": "text"}]))]).is_err()
    );
    assert!(resolve_kept(1, &platform(), &[plain("Role", "Parts")]).is_err(), "its table is the platform's");
}
