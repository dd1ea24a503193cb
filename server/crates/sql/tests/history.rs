//! What a history's statements ask for: keys of the fields that the caller may read, and of no other.
#![allow(clippy::unwrap_used, reason = "in a test a panic is how it fails; clippy sees only functions marked #[test]")]

#[path = "../../access/tests/company/mod.rs"]
mod company;
mod question;

use cardine_access::Rights;
use cardine_model::Value;
use cardine_model::catalog::{Catalog, FieldKind, Module};
use cardine_query::authorise;
use cardine_sql::{Dialect, Found, ListStatements, Param, render_list};
use serde_json::json;

fn statements(catalog: &Catalog, rights: &Rights, module: &str) -> ListStatements {
    let json = json!({"list": module, "outputs": ["id"], "histories": [{"count": true, "changes": true}]});
    let list = authorise(question::question(catalog, &json), catalog, rights).unwrap();
    render_list(Dialect::Postgres, catalog, rights, &list, Found::Asked)
}

/// The keys among the parameters, sorted.
fn keys(list: &ListStatements) -> Vec<String> {
    let history = &list.histories[0];
    let mut keys = Vec::new();
    for statement in [&history.children[0].rows, &history.rows, &history.totals].into_iter().flatten() {
        let lists = statement.params.iter().filter_map(|param| match param {
            Param::Value(Value::List(words), _) => Some(words),
            _ => None,
        });
        keys.extend(lists.flatten().filter_map(|word| match word {
            Value::Text(word) if !word.bytes().all(|byte| byte.is_ascii_uppercase()) => Some(word.clone()),
            _ => None,
        }));
    }
    keys.sort();
    keys.dedup();
    keys
}

/// The stored fields and links that the rights show, sorted.
fn shown(catalog: &Catalog, module: &Module, rights: &Rights) -> Vec<String> {
    let is_kept =
        |kind: &FieldKind| !matches!(kind, FieldKind::Formula(_) | FieldKind::Rollup(_) | FieldKind::References { .. });
    let fields = module.own_fields().filter(|field| !field.system || field.id == Module::OWNER);
    let fields = fields.filter(|field| is_kept(&field.kind) && rights.can_read(module.id, field.id));
    let links = module.relations.iter().filter(|relation| rights.can_read_relation(relation));
    let links = links.filter_map(|relation| catalog.link_history_key(relation));
    let mut names: Vec<String> = fields.map(|field| module.history_key(field).into_owned()).chain(links).collect();
    names.sort();
    names
}

#[test]
fn only_fields_that_the_caller_may_read_are_asked_for() {
    let catalog = company::catalog();
    let (sales, all) = (company::sales(&catalog), Rights::resolve(&catalog, &[&company::administrator()], true));
    let mut hidden = 0;
    for module in catalog.modules.iter().filter(|module| !module.platform && module.link.is_none()) {
        for rights in [&sales, &all].into_iter().filter(|rights| rights.can_read_module(module.id)) {
            assert_eq!(
                keys(&statements(&catalog, rights, &module.name)),
                shown(&catalog, module, rights),
                "{}",
                module.name
            );
        }
        if sales.can_read_module(module.id) {
            hidden += shown(&catalog, module, &all).len() - shown(&catalog, module, &sales).len();
        }
    }
    assert!(hidden > 0, "something is hidden from sales");
}
