//! A small company for the tests of rights, questions and SQL: every way in which one field can lead to another.
#![allow(dead_code, clippy::unwrap_used, reason = "each test uses its part, and a panic is how it fails")]

use std::collections::BTreeMap;

use cardine_access::{FieldAccess, Grants, ModuleGrant, Rights};
use cardine_model::catalog::{Catalog, FieldId, FieldPath, Hop, Module, RelationId};
use cardine_model::resolve::{parse_document, platform_documents, resolve};
use serde_json::{Value as Json, json};

/// Accounts with deals, their lines, and notes on both; vaults hang on accounts.
pub fn catalog() -> Catalog {
    let documents = [
        json!({"name": "Account", "plural": "Accounts", "sharing": "PUBLIC_READ", "fields": [
            {"name": "name", "type": "text", "required": true, "indexed": true},
            {"name": "tags", "type": "multiChoice", "options": [{"value": "HOT"}, {"value": "COLD"}]},
            {"name": "employees", "type": "integer"},
            {"name": "parent", "type": "reference", "to": "Account", "inverse": "subsidiaries"},
            {"name": "vault", "type": "reference", "to": "Vault", "inverse": "accounts"},
            {"name": "revenue", "type": "rollup", "relation": "deals", "function": "SUM", "field": "amount"},
            {"name": "wonDeals", "type": "rollup", "relation": "deals", "function": "COUNT", "filter": "margin > 0"},
            {"name": "allMargin", "type": "rollup", "relation": "deals", "function": "SUM", "field": "margin",
             "scope": "ALL", "published": true}
        ]}),
        json!({"name": "Deal", "plural": "Deals", "sharing": "PRIVATE", "fields": [
            {"name": "title", "type": "text", "required": true},
            {"name": "amount", "type": "money"},
            {"name": "margin", "type": "decimal"},
            {"name": "closeDate", "type": "date"},
            {"name": "site", "type": "address"},
            {"name": "partners", "type": "references", "to": "Account", "inverse": "partnerOf", "link": {"fields": [
                {"name": "share", "type": "percent"}
            ]}},
            {"name": "account", "type": "reference", "to": "Account", "inverse": "deals"},
            {"name": "gain", "type": "formula", "rule": "amount * margin / 100", "returns": "money"},
            {"name": "rank", "type": "formula", "rule": "gain > 1000 ? 2 : 1", "returns": "integer"},
            {"name": "score", "type": "formula", "rule": "margin * 2", "returns": "decimal", "published": true},
            {"name": "level", "type": "formula", "rule": "score + 1", "returns": "decimal"},
            {"name": "accountSize", "type": "formula", "rule": "account.employees + 0", "returns": "integer"}
        ]}),
        json!({"name": "Line", "plural": "Lines", "sharing": "CONTROLLED_BY_PARENT", "parent": "deal", "fields": [
            {"name": "text", "type": "text"},
            {"name": "deal", "type": "reference", "to": "Deal", "required": true, "inverse": "lines",
             "onDelete": "CASCADE"}
        ]}),
        json!({"name": "Note", "plural": "Notes", "sharing": "PUBLIC_READ_WRITE", "fields": [
            {"name": "text", "type": "longText"},
            {"name": "scan", "type": "file"},
            {"name": "about", "type": "reference", "to": ["Account", "Deal", "Vault"], "inverse": "notes"}
        ]}),
        json!({"name": "Vault", "plural": "Vaults", "fields": [{"name": "code", "type": "text"}]}),
    ];
    let definition = |document: &Json| parse_document(document).unwrap();
    let platform: Vec<_> =
        platform_documents().iter().map(|(_, text)| definition(&serde_json::from_str(text).unwrap())).collect();
    resolve(1, &platform, &documents.iter().map(definition).collect::<Vec<_>>()).unwrap()
}

/// Bound by nothing.
pub fn administrator() -> Grants {
    Grants { administrator: true, ..Grants::default() }
}

/// One source that grants `grant` on `module`, and on nothing else.
pub fn on(module: &str, grant: ModuleGrant) -> Grants {
    Grants::of([(module, grant)])
}

/// All actions, and these fields.
pub fn full(fields: &[(&str, FieldAccess)]) -> ModuleGrant {
    ModuleGrant { create: true, read: true, update: true, delete: true, fields: named(fields) }
}

/// Reading alone, and these fields.
pub fn reading(fields: &[(&str, FieldAccess)]) -> ModuleGrant {
    ModuleGrant { read: true, fields: named(fields), ..ModuleGrant::default() }
}

fn named(fields: &[(&str, FieldAccess)]) -> BTreeMap<String, FieldAccess> {
    fields.iter().map(|(name, access)| ((*name).to_owned(), *access)).collect()
}

/// Everything but vaults and a deal's margin.
pub fn sales(catalog: &Catalog) -> Rights {
    let all = full(&[("*", FieldAccess::Write)]);
    let grants = [
        on("Account", all.clone()),
        on("Deal", full(&[("*", FieldAccess::Write), ("margin", FieldAccess::None)])),
        on("Line", all.clone()),
        on("Note", all),
    ];
    Rights::resolve(catalog, &grants.iter().collect::<Vec<_>>(), true)
}

/// The module of this name.
pub fn module<'a>(catalog: &'a Catalog, name: &str) -> &'a Module {
    catalog.module_or_link_named(name).unwrap()
}

/// The field that `path` leads to from `module`: names between dots; where a reference has several targets, the target
/// stands behind a colon (`about:Deal.title`).
pub fn path(catalog: &Catalog, module: &Module, path: &str) -> FieldPath {
    // A part of an address: `site.city`.
    if let Some(field) = module.field_named(path) {
        return FieldPath::own(field.id);
    }
    let (hops, field) =
        path.rsplit_once('.').map_or((Vec::new(), path), |(hops, field)| (way(catalog, module, hops), field));
    let end = hops.last().map_or(module, |hop| catalog.module(hop.target));
    FieldPath { field: field_of(end, field), hops }
}

/// The to-one references of `way`, written like those of [`path`].
pub fn way(catalog: &Catalog, module: &Module, way: &str) -> Vec<Hop> {
    let mut at = module;
    let mut hops = Vec::new();
    for step in way.split('.') {
        let (name, target) = step.split_once(':').map_or((step, None), |(name, target)| (name, Some(target)));
        let field = at.field_named(name).unwrap();
        let target = target.map_or(field.reference().unwrap().targets[0], |target| catalog.by_name[target]);
        hops.push(Hop { field: field.id, target });
        at = catalog.module(target);
    }
    hops
}

/// The field of this name.
pub fn field_of(module: &Module, name: &str) -> FieldId {
    module.field_named(name).unwrap_or_else(|| panic!("{} has no field {name}", module.name)).id
}

/// The to-many relation of this name.
pub fn relation_of(module: &Module, name: &str) -> RelationId {
    module.relation_named(name).unwrap_or_else(|| panic!("{} has no relation {name}", module.name)).id
}
