//! A small catalog for the tests of introspection and SDL, and selections read from query text.

use std::collections::BTreeMap;

use async_graphql_parser::types::{ExecutableDocument, Selection, SelectionSet};
use async_graphql_value::Value as Literal;
use cardine_access::{FieldAccess, Grants, ModuleGrant, Rights};
use cardine_model::Catalog;
use cardine_model::resolve::{parse_document, platform_documents, resolve};
use serde_json::{Value as Json, json};

use super::{MetaField, write};
use crate::schema::Schema;

/// The gadgets' module has a field of each kind; `secret…` fields and the vault have types that nothing else uses.
pub(crate) fn catalog() -> Catalog {
    let gadget = json!({
        "name": "Gadget",
        "plural": "Gadgets",
        "label": {"en": "Gadget", "it": "Aggeggio"},
        "description": "Things with \"\"\"quotes\"\"\",\nand a second line.",
        "fields": [
            {"name": "title", "type": "text", "required": true, "help": "What it is called."},
            {"name": "notes", "type": "longText"},
            {"name": "page", "type": "richText"},
            {"name": "email", "type": "email"},
            {"name": "phone", "type": "phone"},
            {"name": "site", "type": "url"},
            {"name": "seats", "type": "integer", "required": true, "default": 1},
            {"name": "views", "type": "integer", "big": true},
            {"name": "rate", "type": "decimal", "scale": 6},
            {"name": "chance", "type": "percent"},
            {"name": "amount", "type": "money"},
            {"name": "urgent", "type": "boolean"},
            {"name": "due", "type": "date"},
            {"name": "seenAt", "type": "dateTime", "readOnly": true},
            {"name": "stage", "type": "choice", "options": [{"value": "NEW"}, {"value": "OLD", "active": false}]},
            {"name": "traits", "type": "multiChoice", "options": [{"value": "SMALL"}, {"value": "RED"}]},
            {"name": "maker", "type": "reference", "to": "Maker", "inverse": "gadgets", "onDelete": "RESTRICT"},
            {"name": "about", "type": "reference", "to": ["Maker", "Gadget"]},
            {"name": "number", "type": "autoNumber", "format": "G-{0000}"},
            {"name": "weighted", "type": "formula", "rule": "amount * chance / 100", "returns": "money"},
            {"name": "old", "type": "text", "required": true, "deprecated": "Use `title`, not \"old\"."},
            {"name": "secretTier", "type": "choice", "options": [{"value": "HUSH"}]},
            {"name": "secretHour", "type": "time"},
            {"name": "secretPlan", "type": "json"},
            {"name": "vault", "type": "reference", "to": "Vault", "inverse": "contents"}
        ]
    });
    let maker = json!({
        "name": "Maker",
        "plural": "Makers",
        "fields": [
            {"name": "name", "type": "text"},
            {"name": "output", "type": "rollup", "relation": "gadgets", "function": "SUM", "field": "amount"}
        ]
    });
    let vault = json!({"name": "Vault", "plural": "Vaults", "fields": [{"name": "combination", "type": "text"}]});
    resolved(&[gadget, maker, vault])
}

/// The catalog of `documents` beside the platform's.
pub(crate) fn resolved(documents: &[Json]) -> Catalog {
    let definition = |document: &Json| parse_document(document).unwrap();
    let platform = platform_documents();
    let platform: Vec<_> = platform.iter().map(|(_, text)| definition(&serde_json::from_str(text).unwrap())).collect();
    resolve(1, &platform, &documents.iter().map(definition).collect::<Vec<_>>()).unwrap()
}

/// What hides from [`salesperson`]: fields, and what they alone use.
pub(crate) const HIDDEN: [&str; 8] =
    ["secretTier", "GadgetSecretTier", "HUSH", "secretHour", "secretPlan", "Vault", "vault", "combination"];

pub(crate) fn administrator(catalog: &Catalog) -> Rights {
    Rights::resolve(catalog, &[&Grants { administrator: true, ..Grants::default() }], true)
}

/// Everything on gadgets and makers but the secret fields; nothing on vaults.
pub(crate) fn salesperson(catalog: &Catalog) -> Rights {
    let hidden = ["secretTier", "secretHour", "secretPlan"].map(|name| (name, FieldAccess::None));
    let fields = hidden.into_iter().chain([("*", FieldAccess::Write)]);
    let fields = fields.map(|(name, access)| (name.to_owned(), access)).collect();
    let grant = ModuleGrant { create: true, read: true, update: true, delete: true, fields };
    let modules = ["Gadget", "Maker"].map(|module| (module, grant.clone()));
    Rights::resolve(catalog, &[&Grants::of(modules)], true)
}

/// Any rights, the same for the same seed.
pub(crate) fn some_rights(catalog: &Catalog, seed: u64) -> Rights {
    let mut state = seed;
    let mut roll = move || {
        // Knuth's MMIX generator: its upper bits are random enough here.
        state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (state >> 33) % 3
    };
    let mut modules = BTreeMap::new();
    for module in catalog.modules.iter().filter(|module| !module.platform) {
        let access = |roll: u64| [FieldAccess::None, FieldAccess::Read, FieldAccess::Write][roll as usize];
        let fields = module.fields.iter().map(|field| (field.name.clone(), access(roll()))).collect();
        let grant =
            ModuleGrant { create: roll() > 0, read: roll() > 0, update: roll() > 0, delete: roll() > 0, fields };
        modules.insert(module.name.clone(), grant);
    }
    Rights::resolve(catalog, &[&Grants::of(modules)], roll() > 0)
}

/// Nothing at all.
pub(crate) fn stranger(catalog: &Catalog) -> Rights {
    Rights::resolve(catalog, &[], false)
}

/// The only root field of a query. Fragments are flattened and arguments taken as they stand; keys are not merged, so they must
/// differ.
pub(crate) fn root_field(query: &str) -> MetaField {
    let document = crate::parse::parse(query, &crate::limits::Limits::default()).unwrap();
    let (_, operation) = document.operations.iter().next().unwrap();
    let [field] = selection(&document, &operation.node.selection_set.node).try_into().unwrap();
    field
}

fn selection(document: &ExecutableDocument, set: &SelectionSet) -> Vec<MetaField> {
    let fields = |item: &Selection| match item {
        Selection::FragmentSpread(spread) => {
            let fragment = &document.fragments[&spread.node.fragment_name.node];
            selection(document, &fragment.node.selection_set.node)
        }
        Selection::InlineFragment(fragment) => selection(document, &fragment.node.selection_set.node),
        Selection::Field(field) => {
            let field = &field.node;
            let argument = |name| field.get_argument(name).map(|value| &value.node);
            let type_name = argument("name").map(|name| match name {
                Literal::String(name) => name.clone(),
                other => panic!("{other} is no name"),
            });
            vec![MetaField {
                key: field.response_key().node.to_string(),
                name: field.name.node.to_string(),
                type_name,
                include_deprecated: argument("includeDeprecated") == Some(&Literal::Boolean(true)),
                fields: selection(document, &field.selection_set.node),
            }]
        }
    };
    set.items.iter().flat_map(|item| fields(&item.node)).collect()
}

/// The value of the only root field of `query`.
pub(crate) fn answer(schema: Schema<'_>, query: &str) -> Json {
    let mut out = Vec::new();
    write(schema, &root_field(query), usize::MAX, &mut out).unwrap();
    serde_json::from_slice(&out).unwrap()
}

/// The value of `__type(name)` with `selection`.
pub(crate) fn type_answer(schema: Schema<'_>, name: &str, selection: &str) -> Json {
    answer(schema, &format!("{{ __type(name: {name:?}) {selection} }}"))
}

/// The query that clients send to learn a schema.
pub(crate) const STANDARD_QUERY: &str = include_str!("../introspection_query.graphql");
