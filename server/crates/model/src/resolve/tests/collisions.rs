//! Names that two parties want: refused with the other party named; and names that look dangerous but are free.

use serde_json::{Value as Json, json};

use super::{catalog, deal, definition, platform, refused, resolve};
use crate::resolve::{BUILT_IN_TYPES, PLATFORM_TABLES};

/// A module with these fields.
fn module(name: &str, plural: &str, fields: Json) -> Json {
    json!({"name": name, "plural": plural, "fields": fields})
}

fn text(name: &str) -> Json {
    json!({"name": name, "type": "text"})
}

fn choice(name: &str) -> Json {
    json!({"name": name, "type": "choice", "options": [{"value": "A"}]})
}

#[test]
fn a_taken_name_is_refused_with_its_owner() {
    let deals = || deal(json!([text("title")]));
    for (documents, issue) in [
        // Types, of the API and of modules.
        (
            vec![module("Query", "Queries", json!([]))],
            "Query name: `Query` would need the type name `Query`, which belongs to Cardine's own API",
        ),
        (vec![module("Int", "Ints", json!([]))], "which belongs to Cardine's own API"),
        (vec![module("String", "Strings", json!([]))], "the type name `String`, which belongs to Cardine's own API"),
        (vec![module("PAGEINFO", "Pages", json!([]))], "PAGEINFO name: `PAGEINFO` would need the type name `PAGEINFO`"),
        (
            vec![module("User", "People", json!([]))],
            "User name: `User` would need the type name `User`, which belongs to the module `User`",
        ),
        (
            vec![deals(), module("DealFilter", "DealFilters", json!([]))],
            "DealFilter name: `DealFilter` would need the type name `DealFilter`, which belongs to the module `Deal`",
        ),
        (
            vec![module("DealFilter", "DealFilters", json!([])), deals()],
            "Deal name: `Deal` would need the type name `DealFilter`, which belongs to the module `DealFilter`",
        ),
        (
            vec![deals(), module("DEAL", "Others", json!([]))],
            "DEAL name: `DEAL` would need the type name `DEAL`, which belongs to the module `Deal`",
        ),
        (vec![deals(), module("DealGroup", "Bundles", json!([]))], "`DealGroup`, which belongs to the module `Deal`"),
        // Root fields.
        (vec![module("Me", "Mes", json!([]))], "the query name `me`, which belongs to Cardine's own API"),
        (vec![module("Knot", "Nodes", json!([]))], "Knot plural: `Nodes` would need the query name `nodes`"),
        (
            vec![deals(), module("Bargain", "Deals", json!([]))],
            "Bargain plural: `Deals` would need the query name `deals`, which belongs to the module `Deal`",
        ),
        (
            vec![deals(), module("Deals", "ManyDeals", json!([]))],
            "Deals name: `Deals` would need the query name `deals`, which belongs to the module `Deal`",
        ),
        (
            vec![deals(), module("Bundle", "DealGroups", json!([]))],
            "Bundle plural: `DealGroups` would need the query name `dealGroups`",
        ),
        (vec![deals(), module("DuplicatesOfDeal", "Others", json!([]))], "the query name `duplicatesOfDeal`"),
        (vec![deals(), module("DealUpsert", "DealUpserts", json!([]))], "the type name `DealUpsert`"),
        // Types of fields.
        (
            vec![deal(json!([choice("filter")]))],
            "Deal fields[0].name: the field would need the type name `DealFilter`, which belongs to the module `Deal`",
        ),
        (
            vec![deal(json!([choice("stage"), choice("stageFilter")]))],
            "Deal fields[1].name: the field would need the type name `DealStageFilter`, which belongs to the field `Deal.stage`",
        ),
        (
            vec![deal(json!([choice("stage")])), module("DealStage", "DealStages", json!([]))],
            "Deal fields[0].name: the field would need the type name `DealStage`, which belongs to the module `DealStage`",
        ),
        (
            vec![deal(json!([{"name": "edge", "type": "reference", "to": ["Deal", "User"]}]))],
            "the type name `DealEdge`",
        ),
        // Fields of one module.
        (
            vec![deal(json!([text("title"), text("TITLE".to_lowercase().as_str())]))],
            "Deal fields[1].name: the name `title` belongs to the field `title`",
        ),
        (
            vec![deal(json!([text("taxId2"), text("taxID2")]))],
            "Deal fields[1].name: the name `taxID2` belongs to the field `taxId2`",
        ),
        (vec![deal(json!([text("createdat")]))], "the name `createdat` belongs to the system field `createdAt`"),
        (vec![deal(json!([text("ownerID")]))], "the name `ownerID` belongs to the id of the system field `owner`"),
        (vec![deal(json!([text("hisTory")]))], "the name `hisTory` belongs to the system field `history`"),
        (vec![deal(json!([text("and")]))], "the name `and` belongs to the combinators of every filter"),
        (
            vec![deal(json!([{"name": "buyer", "type": "reference", "to": "User"}, text("buyerId")]))],
            "Deal fields[1].name: the name `buyerId` belongs to the id of the reference `buyer`",
        ),
        (
            vec![deal(json!([text("buyerId"), {"name": "buyer", "type": "reference", "to": "User"}]))],
            "Deal fields[1].name: `buyer` would also need the name `buyerId`, which belongs to the field `buyerId`",
        ),
        // Inverses.
        (
            vec![deal(
                json!([text("parts"), {"name": "whole", "type": "reference", "to": "Deal", "inverse": "parts"}]),
            )],
            "Deal fields[1].inverse: on `Deal` the name `parts` belongs to the field `parts`",
        ),
        (
            vec![deal(
                json!([{"name": "buyer", "type": "reference", "to": "User", "inverse": "deals"}, {"name": "seller", "type": "reference", "to": "User", "inverse": "deals"}]),
            )],
            "Deal fields[1].inverse: on `User` the name `deals` belongs to the inverse of `Deal.buyer`",
        ),
        (
            vec![deal(
                json!([{"name": "buyer", "type": "reference", "to": "User", "inverse": "EMAIL".to_lowercase()}]),
            )],
            "Deal fields[0].inverse: on `User` the name `email` belongs to the field `email`",
        ),
        (
            vec![deal(json!([{"name": "buyer", "type": "reference", "to": ["User", "Group"], "inverse": "name"}]))],
            "on `Group` the name `name`",
        ),
        (
            vec![
                module(
                    "Part",
                    "Parts",
                    json!([{"name": "deal", "type": "reference", "to": "Deal", "inverse": "parts"}]),
                ),
                deal(json!([text("parts")])),
            ],
            "Deal fields[0].name: the name `parts` belongs to the inverse of `Part.deal`",
        ),
        (
            vec![
                deal(json!([])),
                module("Note", "Notes", json!([{"name": "about", "type": "reference", "to": "*", "inverse": "about"}])),
            ],
            "on `Note` the name `about` belongs to the field `about`",
        ),
        // The databases' own names.
        (
            vec![module("SqliteSequence", "Sequences", json!([]))],
            "the SQL name `sqlite_sequence`, which belongs to the database",
        ),
        (
            vec![module("AuditEntry2", "A2", json!([])), module("RoleGrant", "RoleGrants", json!([]))],
            "the SQL name `role_grant`, which belongs to the platform's own table",
        ),
        (vec![deal(json!([text("xmin")]))], "Deal fields[0].name: the SQL name `xmin` belongs to PostgreSQL"),
        (vec![deal(json!([text(&"aB".repeat(24))]))], "databases take at most 63"),
        (vec![module(&"Ab".repeat(24), "Abs", json!([]))], "databases take at most 63"),
    ] {
        let issues = refused(&documents);
        assert!(issues.iter().any(|found| found.contains(issue)), "{issue}\n  got {issues:#?}");
    }
}

#[test]
fn one_clash_is_one_issue() {
    let deals = deal(json!([text("title")]));
    assert_eq!(refused(&[deals.clone(), module("Deal", "Others", json!([]))]).len(), 1);
    assert_eq!(refused(&[deals.clone(), deals]).len(), 2, "one for the name, one for the plural");
    assert_eq!(refused(&[deal(json!([choice("stage"), choice("stage")]))]).len(), 1);
}

#[test]
fn free_names_are_free() {
    let catalog = catalog(&[
        // Words of SQL and of GraphQL that are no names of anything here.
        module(
            "Order",
            "Orders",
            json!([
                text("order"),
                text("select"),
                text("table"),
                text("from"),
                text("type"),
                text("input"),
                text("query")
            ]),
        ),
        module("Select", "Selects", json!([text("where"), text("user"), text("group"), choice("stage")])),
        module(
            "Table",
            "Tables",
            json!([text("null"), text("true"), text("on"), text("count"), text("key"), text("oid")]),
        ),
        // The same field names and option types in several modules.
        module(
            "Index",
            "Indices",
            json!([choice("stage"), {"name": "buyer", "type": "reference", "to": "User", "inverse": "indices"}]),
        ),
        module(
            "View",
            "Views",
            json!([{"name": "buyer", "type": "reference", "to": "User", "inverse": "views"}, text("buyers")]),
        ),
        // As long as names may be.
        module(&format!("A{}", "b".repeat(47)), "LongOnes", json!([text(&"c".repeat(48))])),
    ]);
    assert_eq!(catalog.module_by_name("Order").unwrap().table, "order");
    assert_eq!(
        catalog.module_by_name("Order").unwrap().field_named("select").unwrap().column.as_deref(),
        Some("select")
    );
}

#[test]
fn built_in_names_stand_once_in_their_lists() {
    for names in [BUILT_IN_TYPES.as_slice(), PLATFORM_TABLES.as_slice()] {
        let mut sorted = names.to_vec();
        sorted.sort_unstable();
        sorted.dedup();
        assert_eq!(sorted.len(), names.len());
    }
}

#[test]
fn every_table_of_the_platform_is_known() {
    let folder = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("../../../migrations/src");
    let mut tables = Vec::new();
    for entry in std::fs::read_dir(folder).unwrap() {
        let source = std::fs::read_to_string(entry.unwrap().path()).unwrap();
        for statement in source.split("CREATE TABLE \"").skip(1) {
            tables.push(statement.split('"').next().unwrap().to_owned());
        }
    }
    assert!(!tables.is_empty());
    let modules: Vec<String> =
        resolve(1, &platform(), &[]).unwrap().modules.iter().map(|module| module.table.clone()).collect();
    for table in tables {
        let known = modules.contains(&table) || PLATFORM_TABLES.contains(&table.as_str()) || table.starts_with('_');
        assert!(known, "{table} is missing in PLATFORM_TABLES");
    }
}

#[test]
fn no_later_table_of_the_platform_is_in_the_way_of_a_module() {
    // Those that the migrations up to the tenth made; a new one has a name that no module's table can have.
    assert_eq!(PLATFORM_TABLES.len(), 34, "a table of a later migration begins with `_`");
    let folder = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("../../../migrations/src");
    let mut later = 0;
    for entry in std::fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        let number = path.file_stem().and_then(|stem| stem.to_str()?.strip_prefix('m')?.get(..4)?.parse::<u32>().ok());
        if number.is_none_or(|number| number <= 10) {
            continue;
        }
        let source = std::fs::read_to_string(&path).unwrap();
        for statement in source.split("CREATE TABLE ").skip(1) {
            later += 1;
            assert!(statement.starts_with("\"_"), "{}: {}", path.display(), statement.lines().next().unwrap());
        }
    }
    assert!(later > 1);
}

#[test]
fn the_earlier_document_keeps_a_contested_name() {
    let first = definition(&deal(json!([])));
    let second = definition(&module("Bargain", "Deals", json!([])));
    for (documents, at_fault) in [([first.clone(), second.clone()], "Bargain"), ([second, first], "Deal")] {
        let issues = resolve(1, &platform(), &documents).unwrap_err();
        assert!(issues.iter().all(|issue| issue.module == at_fault), "{issues:?}");
    }
}
