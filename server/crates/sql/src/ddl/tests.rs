//! Names and statements, without a database.

use std::collections::HashSet;

use cardine_model::Catalog;
use cardine_model::definition::ModuleDefinition;
use cardine_model::resolve::{builtin_catalog, resolve};

use super::{difference, index_names, table_columns, unique_index_fields};
use crate::statement::Dialect;

const DIALECTS: [Dialect; 2] = [Dialect::Sqlite, Dialect::Postgres];

/// The built-in catalog with one more module, of text fields with these names; `more` goes on in its list of fields.
fn with_module(name: &str, fields: &[&str], more: &str) -> Catalog {
    let base = builtin_catalog(1).unwrap();
    let definitions = |platform| -> Vec<ModuleDefinition> {
        let modules = base.modules.iter().filter(|module| module.platform == platform && module.link.is_none());
        modules.map(|module| module.definition()).collect()
    };
    let fields: Vec<String> = fields
        .iter()
        .map(|field| {
            format!(r#"{{"name": "{field}", "type": "text", "indexed": true, "unique": true, "maxLength": 80}}"#)
        })
        .collect();
    let document = format!(r#"{{"name": "{name}", "plural": "Others", "fields": [{}{more}]}}"#, fields.join(", "));
    let mut modules = definitions(false);
    modules.push(serde_json::from_str(&document).unwrap());
    resolve(2, &definitions(true), &modules).unwrap()
}

#[test]
fn a_catalog_does_not_differ_from_itself() {
    let catalog = builtin_catalog(1).unwrap();
    for dialect in DIALECTS {
        assert!(difference(dialect, Some(&catalog), &catalog).is_empty());
        assert!(!difference(dialect, None, &catalog).is_empty());
    }
}

#[test]
fn platform_tables_are_left_to_the_migrations() {
    let catalog = builtin_catalog(1).unwrap();
    for dialect in DIALECTS {
        for statement in difference(dialect, None, &catalog) {
            for table in ["user", "group", "role"] {
                assert!(
                    !statement.contains(&format!("TABLE \"{table}\""))
                        && !statement.contains(&format!("ON \"{table}\"")),
                    "{statement}"
                );
            }
        }
    }
}

#[test]
fn adding_a_field_adds_its_column_and_its_indexes_only() {
    let (before, after) = (with_module("Gadget", &["first"], ""), with_module("Gadget", &["first", "next"], ""));
    assert_eq!(
        difference(Dialect::Postgres, Some(&before), &after),
        [
            r#"ALTER TABLE "gadget" ADD COLUMN "next" text COLLATE "C""#,
            r#"CREATE UNIQUE INDEX "_ux_gadget__next" ON "gadget" (cardine_fold("next")) WHERE "deleted_at" IS NULL"#,
            r#"CREATE INDEX "_ix_gadget__next" ON "gadget" (cardine_sort_key("next"), "next", "id") WHERE "deleted_at" IS NULL"#,
        ]
    );
    // What is taken away keeps its column; an index that would go on to refuse values goes.
    assert_eq!(
        difference(Dialect::Sqlite, Some(&after), &before),
        [r#"DROP INDEX "_ux_gadget__next""#, r#"DROP INDEX "_ix_gadget__next""#]
    );
}

#[test]
fn decimals_on_sqlite_have_text_affinity_and_no_type_has_two() {
    let catalog = builtin_catalog(1).unwrap();
    let mut decimals = 0;
    for module in &catalog.modules {
        for column in table_columns(Dialect::Sqlite, module) {
            // The rules of SQLite in their order; a decimal in any but the second is a float.
            let affinity = if column.ty.contains("INT") {
                "INTEGER"
            } else if column.ty.contains("TEXT") {
                "TEXT"
            } else {
                "other"
            };
            assert_ne!(affinity, "other", "{column:?}");
            if column.ty.contains("DECIMAL") {
                decimals += 1;
                assert_eq!(affinity, "TEXT");
            }
        }
    }
    assert!(decimals > 5);
}

#[test]
fn names_of_indexes_are_short_and_differ() {
    let long = "A".to_owned() + &"bcdEfgh".repeat(6);
    let fields: Vec<String> = ["x", "y"].iter().map(|end| "a".to_owned() + &"bcdEfgh".repeat(6) + end).collect();
    let fields: Vec<&str> = fields.iter().map(String::as_str).collect();
    let mut names = HashSet::new();
    // `Order` with `lineNo` and `OrderLine` with `no` would meet if one `_` stood between table and column.
    for catalog in
        [with_module(&long, &fields, ""), with_module("Order", &["lineNo"], ""), with_module("OrderLine", &["no"], "")]
    {
        let module = catalog.modules.iter().find(|module| module.plural == "Others").unwrap();
        for name in index_names(Dialect::Postgres, module) {
            assert!(name.len() <= 63, "{name}");
            assert!(name.starts_with('_'), "{name} could be a module's table");
            assert!(names.insert(name.clone()), "{name} twice");
        }
    }
    assert_eq!(names.len(), 4 + 2 + 2 + 3 * 3);
}

#[test]
fn a_unique_index_is_found_by_its_name() {
    let catalog = with_module(
        "Gadget",
        &["code"],
        r#", {"name": "area", "type": "text"}, {"name": "place", "type": "text"}], "uniques": [{"fields": ["area", "place"]}"#,
    );
    let module = catalog.module_by_name("Gadget").unwrap();
    let names = |index: &str| {
        let fields = unique_index_fields(module, index)?;
        Some(fields.iter().map(|field| module.field(*field).name.as_str()).collect::<Vec<_>>())
    };
    assert_eq!(names("_ux_gadget__code"), Some(vec!["code"]));
    assert_eq!(names("_ux_gadget__area__place"), Some(vec!["area", "place"]));
    assert_eq!(names("_pk_gadget"), Some(vec!["id"]));
    assert_eq!(names("gadget_pkey"), Some(vec!["id"]));
    for other in ["_ix_gadget__code", "_ux_gadget__area", "_ux_lead__code", ""] {
        assert_eq!(names(other), None, "{other}");
    }
}
