//! The statements of a search: only what passed the gate stands in them, terms are parameters, and there is one statement for all modules.
#![allow(clippy::unwrap_used, reason = "in a test a panic is how it fails; clippy sees only functions marked #[test]")]

use cardine_access::{FieldAccess, Grants, ModuleGrant, Rights};
use cardine_model::Catalog;
use cardine_model::catalog::{FieldId, Module};
use cardine_model::resolve::builtin_catalog;
use cardine_query::{Search, SearchPlace, SearchedModule, Slot, authorise_search};
use cardine_sql::{Dialect, Statement, render_search};

const DIALECTS: [Dialect; 2] = [Dialect::Sqlite, Dialect::Postgres];

/// Rights to read all fields of the modules that have search fields, but for one.
fn rights_without(catalog: &Catalog, hidden: &str) -> Rights {
    let fields = [("*", FieldAccess::Read), (hidden, FieldAccess::None)];
    let fields = fields.into_iter().map(|(name, access)| (name.to_owned(), access)).collect();
    let grant = ModuleGrant { read: true, fields, ..ModuleGrant::default() };
    let modules = catalog.modules.iter().map(|module| (module.name.as_str(), grant.clone()));
    Rights::resolve(catalog, &[&Grants::of(modules)], true)
}

fn search(modules: Vec<SearchedModule>) -> Search {
    let after = Some(SearchPlace { score: Slot(3), id: Slot(4) });
    Search { modules, terms: vec![Slot(0), Slot(1)], first: Slot(2), after, rows: true, count: true }
}

fn searched(module: &Module, fields: Vec<FieldId>) -> SearchedModule {
    let title = module.name_field.filter(|field| fields.contains(field));
    SearchedModule { module: module.id, fields, title }
}

fn statements(dialect: Dialect, catalog: &Catalog, rights: &Rights, modules: Vec<SearchedModule>) -> [Statement; 2] {
    let search = authorise_search(search(modules), catalog, rights).unwrap();
    let statements = render_search(dialect, catalog, rights, &search);
    [statements.rows.unwrap(), statements.count.unwrap()]
}

#[test]
fn a_search_names_no_field_but_those_that_passed() {
    let catalog = builtin_catalog(1).unwrap();
    let rights = rights_without(&catalog, "description");
    let with_text = catalog.modules.iter().filter(|module| module.search.len() > 1 && !module.platform);
    let modules: Vec<SearchedModule> = with_text
        .map(|module| {
            let fields = module.search.iter().copied().filter(|field| rights.can_read(module.id, *field));
            searched(module, fields.collect())
        })
        .collect();
    assert!(modules.len() > 3);
    for dialect in DIALECTS {
        for statement in statements(dialect, &catalog, &rights, modules.clone()) {
            assert!(!statement.text.contains("description"), "{}", statement.text);
            assert!(statement.text.contains("deleted_at"), "{}", statement.text);
        }
    }
}

#[test]
fn a_hidden_field_and_one_that_is_not_searched_do_not_pass() {
    let catalog = builtin_catalog(1).unwrap();
    let rights = rights_without(&catalog, "description");
    for module in catalog.modules.iter().filter(|module| !module.search.is_empty()) {
        for field in &module.fields {
            let passes = !module.platform && module.search.contains(&field.id) && rights.can_read(module.id, field.id);
            let asked = search(vec![searched(module, vec![field.id])]);
            let name = (&module.name, &field.name);
            assert_eq!(authorise_search(asked, &catalog, &rights).is_ok(), passes, "{name:?}");
        }
        assert!(authorise_search(search(vec![searched(module, Vec::new())]), &catalog, &rights).is_err());
        let nobody = Rights::resolve(&catalog, &[], true);
        let asked = search(vec![searched(module, vec![module.search[0]])]);
        assert!(authorise_search(asked, &catalog, &nobody).is_err());
    }
}

#[test]
fn terms_are_parameters_and_the_modules_share_a_statement() {
    let catalog = builtin_catalog(1).unwrap();
    let rights = rights_without(&catalog, "none");
    let modules = catalog.modules.iter().filter(|module| !module.search.is_empty() && !module.platform);
    let modules: Vec<SearchedModule> = modules.map(|module| searched(module, module.search.clone())).collect();
    for dialect in DIALECTS {
        let [rows, count] = statements(dialect, &catalog, &rights, modules.clone());
        assert_eq!((rows.columns.len(), count.columns.len()), (3, 1));
        let table = |module: &SearchedModule| format!("\"{}\" t", catalog.module(module.module).table);
        assert!(modules.iter().all(|module| rows.text.contains(&table(module))), "{}", rows.text);
        // Nowhere, in no module: still a statement.
        let [nothing, _] = statements(dialect, &catalog, &rights, Vec::new());
        assert!(nothing.text.contains("WHERE 1 = 0"), "{}", nothing.text);
    }
}
