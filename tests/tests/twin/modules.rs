//! The modules of the worlds: every type of field, every kind of relation and of sharing, and something to hide in each.

use cardine_tests::Chance;
use serde_json::{Value as Json, json};

use super::values::{self, AMOUNTS, scalar, word};

/// The modules' names and plurals, in the order in which they can be made.
pub const MODULES: [(&str, &str); 6] = [
    ("Vault", "Vaults"),
    ("Firm", "Firms"),
    ("Person", "Persons"),
    ("Deal", "Deals"),
    ("Note", "Notes"),
    ("Plan", "Plans"),
];

pub fn plural(module: &str) -> &'static str {
    MODULES.iter().find(|(name, _)| *name == module).map(|(_, plural)| *plural).expect("a module of the worlds")
}

/// Fields that differ between the worlds wherever they are hidden, and how such a value is made.
///
/// What only a validation reads (`limit`) is not among them: it differs in records that the caller may not change, see `diverge`.
pub fn hideable(module: &str) -> &'static [(&'static str, &'static str)] {
    match module {
        "Vault" => &[("name", "String"), ("code", "String")],
        "Firm" => &[
            ("name", "String"),
            ("trade", "Trade"),
            ("size", "Int"),
            ("worth", "Decimal"),
            ("active", "Boolean"),
            ("founded", "Date"),
            ("seen", "DateTime"),
            ("opens", "Time"),
            ("lag", "Duration"),
            ("tags", "Tags"),
            ("extra", "JSON"),
            ("site", "Address"),
            ("spot", "Spot"),
            ("page", "URL"),
            ("note", "String"),
            ("secret", "String"),
            ("margin", "Margin"),
            ("tier", "Tier"),
        ],
        "Person" => &[
            ("name", "String"),
            ("phone", "PhoneNumber"),
            ("salary", "Decimal"),
            ("born", "Date"),
            ("secret", "String"),
        ],
        "Deal" => &[
            ("name", "String"),
            ("amount", "Amount"),
            ("stage", "Stage"),
            ("closes", "Date"),
            ("secret", "String"),
            ("cost", "Decimal"),
        ],
        "Note" => &[("text", "String"), ("weight", "Int")],
        _ => &[("name", "String"), ("secret", "String")],
    }
}

/// A value of one of these kinds.
pub fn value(chance: &mut Chance, kind: &str) -> Json {
    match kind {
        "Trade" => json!(chance.of(&["BANK", "FARM", "SHOP"])),
        "Tier" => json!(chance.of(&["GOLD", "LEAD"])),
        "Stage" => json!(chance.of(&["OPEN", "WON", "LOST"])),
        "Tags" => [json!([]), json!(["RED"]), json!(["RED", "BLUE"]), json!(["BLUE"])][chance.below(4)].clone(),
        "Address" => json!({"city": word(chance), "country": chance.of(&["Italia", "France"])}),
        "Spot" => json!({"latitude": chance.of(&["45.1000000", "-3.0000000"]), "longitude": "7.5000000"}),
        "Margin" => json!(chance.of(&["1.00", "7.50", "1000.00"])),
        // A deal's limit is never less.
        "Amount" => json!(chance.of(&AMOUNTS[..5])),
        "EmailAddress" => json!(format!("p{}@example.org", chance.below(1_000_000_000))),
        "String" => json!(chance.of(&values::WORDS)),
        other => scalar(chance, other),
    }
}

pub fn definition(module: &str) -> Json {
    let choice = |name: &str, values: &[&str]| {
        let options: Vec<Json> = values.iter().map(|value| json!({"value": value})).collect();
        json!({"name": name, "type": "choice", "options": options})
    };
    match module {
        "Vault" => {
            json!({"name": "Vault", "plural": "Vaults", "nameField": "name", "sharing": "PUBLIC_READ", "fields": [
            {"name": "name", "type": "text"}, {"name": "code", "type": "text"},
        ], "search": ["name", "code"]})
        }
        "Firm" => json!({"name": "Firm", "plural": "Firms", "nameField": "name", "sharing": "PRIVATE", "fields": [
            {"name": "name", "type": "text", "required": true, "indexed": true},
            choice("trade", &["BANK", "FARM", "SHOP"]),
            {"name": "size", "type": "integer", "indexed": true},
            {"name": "worth", "type": "money"},
            {"name": "active", "type": "boolean"},
            {"name": "founded", "type": "date"},
            {"name": "seen", "type": "dateTime"},
            {"name": "opens", "type": "time"},
            {"name": "lag", "type": "duration"},
            {"name": "tags", "type": "multiChoice", "options": [{"value": "RED"}, {"value": "BLUE"}]},
            {"name": "extra", "type": "json"},
            {"name": "site", "type": "address"},
            {"name": "spot", "type": "geoPoint"},
            {"name": "page", "type": "url"},
            {"name": "note", "type": "longText"},
            {"name": "secret", "type": "text"},
            {"name": "margin", "type": "money"},
            choice("tier", &["GOLD", "LEAD"]),
            {"name": "parent", "type": "reference", "to": "Firm", "inverse": "branches"},
            {"name": "vault", "type": "reference", "to": "Vault", "inverse": "firms"},
            {"name": "doubled", "type": "formula", "returns": "decimal", "rule": "size * 2"},
            {"name": "marginShown", "type": "formula", "returns": "money", "rule": "margin * 2"},
            {"name": "above", "type": "formula", "returns": "text", "rule": "parent.name"},
            {"name": "aboveSecret", "type": "formula", "returns": "text", "rule": "parent.secret"},
        ], "search": ["name", "note", "secret", "site.city"],
           "duplicates": [{"fields": ["name"]}, {"fields": ["trade", "size"]}, {"fields": ["secret"]}]}),
        "Person" => {
            json!({"name": "Person", "plural": "Persons", "nameField": "name", "sharing": "PRIVATE", "fields": [
            {"name": "name", "type": "text"},
            {"name": "email", "type": "email", "unique": true},
            {"name": "phone", "type": "phone"},
            {"name": "born", "type": "date"},
            {"name": "salary", "type": "money"},
            {"name": "secret", "type": "text", "indexed": true},
            {"name": "firm", "type": "reference", "to": "Firm", "inverse": "persons"},
        ], "search": ["name", "secret"], "duplicates": [{"fields": ["name"]}, {"fields": ["email"]}]})
        }
        "Deal" => json!({"name": "Deal", "plural": "Deals", "nameField": "name", "sharing": "PRIVATE", "fields": [
            {"name": "name", "type": "text"},
            {"name": "amount", "type": "money"},
            choice("stage", &["OPEN", "WON", "LOST", "SHUT"]),
            {"name": "closes", "type": "date"},
            {"name": "secret", "type": "text"},
            {"name": "cost", "type": "money"},
            {"name": "limit", "type": "money"},
            {"name": "firm", "type": "reference", "to": "Firm", "inverse": "deals"},
            {"name": "agent", "type": "reference", "to": "Person", "inverse": "represented"},
            {"name": "persons", "type": "references", "to": "Person", "inverse": "deals", "link": {"fields": [
                {"name": "part", "type": "text"}, {"name": "share", "type": "decimal"}]}},
            {"name": "advisers", "type": "references", "to": "Person", "inverse": "advised"},
            {"name": "gain", "type": "formula", "returns": "money", "rule": "amount - cost"},
        ], "search": ["name", "secret"], "duplicates": [{"fields": ["name"]}, {"fields": ["closes"]}],
           "validations": [{"rule": "limit == null || amount == null || amount <= limit", "message": "too much"}]}),
        "Note" => {
            json!({"name": "Note", "plural": "Notes", "nameField": "text", "sharing": "CONTROLLED_BY_PARENT", "parent": "firm", "fields": [
            {"name": "text", "type": "text"},
            {"name": "weight", "type": "integer"},
            {"name": "firm", "type": "reference", "to": "Firm", "inverse": "notes", "required": true, "onDelete": "CASCADE"},
            {"name": "about", "type": "reference", "to": ["Deal", "Person"]},
        ], "search": ["text"]})
        }
        _ => json!({"name": "Plan", "plural": "Plans", "nameField": "name", "sharing": "PUBLIC_READ", "fields": [
            {"name": "name", "type": "text"},
            {"name": "price", "type": "money"},
            {"name": "secret", "type": "text"},
            {"name": "limit", "type": "money"},
            {"name": "firm", "type": "reference", "to": "Firm", "inverse": "plans"},
        ], "search": ["name", "secret"],
           "validations": [{"rule": "limit == null || price == null || price <= limit", "message": "too much"}]}),
    }
}

/// Fields that need other modules, once all are there.
pub fn later_fields() -> Vec<(&'static str, Json)> {
    let rollup = |name: &str, relation: &str, function: &str, field: Option<&str>| {
        let mut rollup = json!({"name": name, "type": "rollup", "relation": relation, "function": function});
        if let Some(field) = field {
            rollup["field"] = json!(field);
        }
        rollup
    };
    vec![
        ("Vault", json!({"name": "firm", "type": "reference", "to": "Firm", "inverse": "vaults"})),
        ("Person", json!({"name": "boss", "type": "reference", "to": "Person", "inverse": "staff", "hierarchy": true})),
        ("Vault", json!({"name": "plan", "type": "reference", "to": "Plan", "onDelete": "RESTRICT"})),
        ("Firm", rollup("dealCount", "deals", "COUNT", None)),
        ("Firm", rollup("dealSum", "deals", "SUM", Some("amount"))),
        ("Firm", rollup("costSum", "deals", "SUM", Some("cost"))),
        ("Firm", rollup("vaultCount", "vaults", "COUNT", None)),
        ("Firm", rollup("lastBirth", "persons", "MAX", Some("born"))),
        ("Deal", rollup("personCount", "persons", "COUNT", None)),
        ("Deal", rollup("shares", "persons", "SUM", Some("share"))),
        ("Deal", rollup("adviserCount", "advisers", "COUNT", None)),
    ]
}
