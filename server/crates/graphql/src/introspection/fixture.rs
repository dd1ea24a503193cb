//! A small catalog for the tests of introspection and SDL, and selections read from query text.

use async_graphql_parser::types::{DocumentOperations, ExecutableDocument, Selection, SelectionSet};
use async_graphql_value::Value as Literal;
use cardine_access::{FieldAccess, Grants, ModuleGrant, Rights};
use cardine_model::Catalog;
use cardine_model::resolve::{parse_document, platform_documents, resolve};
use serde_json::{Value as Json, json};

use super::{MetaField, MetaName, write_schema, write_type};
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
            {"name": "startsAt", "type": "time"},
            {"name": "seenAt", "type": "dateTime", "readOnly": true},
            {"name": "stage", "type": "choice", "options": [{"value": "NEW"}, {"value": "OLD", "active": false}]},
            {"name": "traits", "type": "multiChoice", "options": [{"value": "SMALL"}, {"value": "RED"}]},
            {"name": "maker", "type": "reference", "to": "Maker", "inverse": "gadgets", "onDelete": "RESTRICT"},
            {"name": "about", "type": "reference", "to": ["Maker", "Gadget"]},
            {"name": "number", "type": "autoNumber", "format": "G-{0000}"},
            {"name": "weighted", "type": "formula", "rule": "amount * chance / 100", "returns": "money"},
            {"name": "old", "type": "text", "required": true, "deprecated": "Use `title`, not \"old\"."},
            {"name": "secretTier", "type": "choice", "options": [{"value": "HUSH"}]},
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

pub(crate) fn administrator(catalog: &Catalog) -> Rights {
    Rights::resolve(catalog, &[&Grants { administrator: true, ..Grants::default() }], true)
}

/// Everything on gadgets and makers but the secret fields; nothing on vaults.
pub(crate) fn salesperson(catalog: &Catalog) -> Rights {
    let fields = [("*", FieldAccess::Write), ("secretTier", FieldAccess::None), ("secretPlan", FieldAccess::None)];
    let fields = fields.into_iter().map(|(name, access)| (name.to_owned(), access)).collect();
    let grant = ModuleGrant { create: true, read: true, update: true, delete: true, fields };
    let modules = ["Gadget", "Maker"].into_iter().map(|module| (module.to_owned(), grant.clone())).collect();
    Rights::resolve(catalog, &[&Grants { administrator: false, modules }], true)
}

/// Nothing at all.
pub(crate) fn stranger(catalog: &Catalog) -> Rights {
    Rights::resolve(catalog, &[], false)
}

/// Selections by text. Fragments are flattened and arguments taken as they stand; keys are not merged, so they must differ.
pub(crate) fn select(query: &str) -> Vec<MetaField> {
    let document = async_graphql_parser::parse_query(query).unwrap();
    let DocumentOperations::Single(operation) = &document.operations else { panic!("{query}: one operation") };
    selection(&document, &operation.node.selection_set.node)
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
            // `__schema` and `__type` stand for their selections alone.
            let name = MetaName::named(&field.name.node).unwrap_or(MetaName::Typename);
            let deprecated = field.get_argument("includeDeprecated").map(|value| &value.node);
            vec![
                MetaField::new(&field.response_key().node, name)
                    .including_deprecated(deprecated == Some(&Literal::Boolean(true)))
                    .selecting(selection(document, &field.selection_set.node)),
            ]
        }
    };
    set.items.iter().flat_map(|item| fields(&item.node)).collect()
}

/// The value of the only root field of `query`, `__schema`.
pub(crate) fn schema_json(schema: Schema<'_>, query: &str) -> Json {
    let mut out = Vec::new();
    write_schema(schema, &select(query)[0].children, usize::MAX, &mut out).unwrap();
    serde_json::from_slice(&out).unwrap()
}

/// The value of `__type(name)` with the selections of `query`.
pub(crate) fn type_json(schema: Schema<'_>, name: &str, query: &str) -> Json {
    let mut out = Vec::new();
    write_type(schema, name, &select(query), usize::MAX, &mut out).unwrap();
    serde_json::from_slice(&out).unwrap()
}

/// The query that clients send to learn a schema, by graphql-js 16 with all options.
pub(crate) const STANDARD_QUERY: &str = include_str!("standard_query.graphql");
