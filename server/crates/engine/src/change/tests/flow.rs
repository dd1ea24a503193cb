//! What a change does to definitions, tables and requests; and that one that fails does nothing.

use cardine_model::{Issue, PathSegment};
use serde_json::{Value as Json, json};

use super::database::{Database, administrator, everything, module_names, nobody, rows, run, state};
use crate::EngineError;

fn gadget() -> Json {
    json!({
        "name": "Gadget", "plural": "Gadgets", "nameField": "name",
        "fields": [
            {"name": "name", "type": "text", "required": true, "indexed": true, "maxLength": 100},
            {"name": "code", "type": "text", "unique": true, "maxLength": 20},
            {"name": "maker", "type": "reference", "to": "Organization", "inverse": "gadgets"}
        ]
    })
}

fn issues(error: EngineError) -> Vec<Issue> {
    match error {
        EngineError::Validation(issues) | EngineError::Conflict { issues, .. } => issues,
        other => panic!("{other:?}"),
    }
}

fn paths(issues: &[Issue]) -> Vec<String> {
    let segment = |segment: &PathSegment| match segment {
        PathSegment::Name(name) => name.clone(),
        PathSegment::Index(index) => index.to_string(),
    };
    issues.iter().map(|issue| issue.path.iter().map(segment).collect::<Vec<_>>().join(".")).collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_module_is_there_at_once_and_after_a_restart() {
    for database in Database::each().await {
        let engine = database.engine().await;
        let before = engine.snapshot();
        let change = engine.create_module(&administrator(&engine), gadget(), false).await.unwrap();
        assert_eq!((change.version, change.applied, change.job), (2, true, None));
        assert!(change.statements.iter().any(|statement| statement.starts_with("CREATE TABLE \"gadget\"")));
        assert_eq!(change.warnings, []);

        // A request that began before stays on its version.
        assert!(before.catalog.module_by_name("Gadget").is_none());
        let catalog = engine.snapshot().catalog.clone();
        assert_eq!(catalog.version, 2);
        assert!(catalog.module_by_name("Organization").unwrap().relation_named("gadgets").is_some());
        assert_eq!(engine.check_tables().await.unwrap(), Vec::<String>::new());

        drop(engine);
        let database = database.restart().await;
        let after = database.engine().await.snapshot().catalog.clone();
        assert_eq!(after.version, 2);
        assert!(format!("{:?}", after.modules) == format!("{:?}", catalog.modules));
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_dry_run_tells_the_same_statements_and_changes_nothing() {
    for database in Database::each().await {
        let engine = database.engine().await;
        let before = everything(engine.store()).await;
        let dry = engine.create_module(&administrator(&engine), gadget(), true).await.unwrap();
        assert_eq!((dry.version, dry.applied), (1, false));
        assert_eq!(everything(engine.store()).await, before);
        assert_eq!(engine.snapshot().catalog.version, 1);
        let real = engine.create_module(&administrator(&engine), gadget(), false).await.unwrap();
        assert_eq!(dry.statements, real.statements);
        assert_ne!(everything(engine.store()).await, before);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_faulty_definition_changes_nothing_and_every_fault_is_told() {
    for database in Database::each().await {
        let engine = database.engine().await;
        let before = everything(engine.store()).await;
        let faulty = json!({
            "name": "Gadget", "plural": "Gadgets", "nameField": "nmae", "colour": "red",
            "fields": [
                {"name": "Name", "type": "text"},
                {"name": "price", "type": "money", "maxLength": 3},
                {"name": "maker", "type": "reference", "to": "Organisation"},
                {"name": "share", "type": "formula", "returns": "decimal", "rule": "price / nothing"}
            ]
        });
        let error = engine.create_module(&administrator(&engine), faulty, false).await.unwrap_err();
        let found = paths(&issues(error));
        // `colour` makes the document unreadable as a definition, so what follows from meaning is not looked for.
        for path in ["definition.colour", "definition.fields.0.name", "definition.fields.1.maxLength"] {
            assert!(found.iter().any(|found| found == path), "{path} in {found:?}");
        }

        let readable = json!({
            "name": "Gadget", "plural": "Leads", "nameField": "nmae",
            "fields": [
                {"name": "Name", "type": "text"},
                {"name": "maker", "type": "reference", "to": "Organisation", "inverse": "gadgets"},
                {"name": "share", "type": "formula", "returns": "decimal", "rule": "price / nothing"}
            ]
        });
        let error = engine.create_module(&administrator(&engine), readable, false).await.unwrap_err();
        let found = paths(&issues(error));
        for path in [
            "definition.fields.0.name",
            "definition.nameField",
            "definition.fields.1.to",
            "definition.fields.2.rule",
            "definition.plural",
        ] {
            assert!(found.iter().any(|found| found == path), "{path} in {found:?}");
        }

        for no_document in [json!(null), json!("Gadget"), json!([]), json!({})] {
            let error = engine.create_module(&administrator(&engine), no_document, false).await.unwrap_err();
            assert!(paths(&issues(error)).iter().all(|path| path.starts_with("definition")));
        }
        assert_eq!(everything(engine.store()).await, before);
        assert_eq!(engine.snapshot().catalog.version, 1);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn faults_of_an_added_field_are_told_at_the_field() {
    for database in Database::each().await {
        let engine = database.engine().await;
        let ctx = administrator(&engine);
        let before = everything(engine.store()).await;
        let fault = async |module: &str, field: Json| {
            paths(&issues(engine.add_field(&ctx, module, field, false).await.unwrap_err()))
        };
        assert_eq!(fault("Product", json!({"name": "size", "type": "txt"})).await, ["field.type"]);
        assert_eq!(fault("Product", json!({"name": "name", "type": "text"})).await, ["field.name"]);
        assert_eq!(fault("Product", json!({"name": "id", "type": "text"})).await, ["field.name"]);
        assert_eq!(fault("Product", json!("size")).await, ["field"]);
        assert_eq!(fault("Produkt", json!({"name": "size", "type": "text"})).await, ["module"]);
        assert_eq!(fault("User", json!({"name": "size", "type": "text"})).await, ["module"]);
        // The fault shows in another module: the relation's name is taken there.
        let taken = json!({"name": "origin", "type": "reference", "to": "Organization", "inverse": "contacts"});
        let found = fault("Product", taken).await;
        assert!(!found.is_empty() && found.iter().all(|path| path.starts_with("field")), "{found:?}");
        assert_eq!(everything(engine.store()).await, before);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn only_administrators_change_modules() {
    for database in Database::each().await {
        let engine = database.engine().await;
        let before = everything(engine.store()).await;
        let ctx = nobody(&engine);
        let created = engine.create_module(&ctx, gadget(), false).await;
        assert!(matches!(created, Err(EngineError::Forbidden(_))));
        // Nor may they learn what is there by a dry run, or from faults.
        let added = engine.add_field(&ctx, "Nothing", json!({}), true).await;
        assert!(matches!(added, Err(EngineError::Forbidden(_))));
        assert_eq!(everything(engine.store()).await, before);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_field_is_added_to_a_table_with_records() {
    for database in Database::each().await {
        let engine = database.engine().await;
        let ctx = administrator(&engine);
        engine.create_module(&ctx, gadget(), false).await.unwrap();
        let empty = json!({"name": "early", "type": "text", "required": true});
        assert_eq!(engine.add_field(&ctx, "Gadget", empty, false).await.unwrap().warnings, []);
        insert_gadgets(&engine, 2).await;

        let optional = json!({"name": "weight", "type": "decimal", "scale": 3, "indexed": true, "default": "1.5"});
        let change = engine.add_field(&ctx, "Gadget", optional, false).await.unwrap();
        assert_eq!((change.version, change.warnings.len()), (4, 0));
        assert_eq!(gadget_values(&engine, "weight").await, ["", ""]);

        let required = json!({"name": "colour", "type": "text", "required": true});
        let before = everything(engine.store()).await;
        for dry_run in [true, false] {
            let refused = engine.add_field(&ctx, "Gadget", required.clone(), dry_run).await.unwrap_err();
            assert_eq!(paths(&issues(refused)), ["field.required"]);
        }
        assert_eq!(everything(engine.store()).await, before);

        let filled = json!({"name": "state", "type": "choice", "required": true, "default": "NEW", "options": [{"value": "NEW"}, {"value": "OLD"}]});
        let told = engine.add_field(&ctx, "Gadget", filled, false).await.unwrap().warnings;
        assert_eq!(told.iter().map(|issue| issue.rule.as_str()).collect::<Vec<_>>(), ["filled"]);
        assert_eq!(gadget_values(&engine, "state").await, ["NEW", "NEW"]);

        let before = everything(engine.store()).await;
        let twice = json!({"name": "serial", "type": "text", "required": true, "unique": true, "default": "x"});
        let error = engine.add_field(&ctx, "Gadget", twice, false).await.unwrap_err();
        assert_eq!(paths(&issues(error)), ["field.unique"]);
        assert_eq!(everything(engine.store()).await, before);
        assert_eq!(engine.check_tables().await.unwrap(), Vec::<String>::new());
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn built_in_modules_take_fields_of_every_kind_without_tables_too() {
    for database in Database::each().await {
        let engine = database.engine().await;
        let ctx = administrator(&engine);
        let formula =
            json!({"name": "grossPrice", "type": "formula", "returns": "decimal", "rule": "unitPrice * 1.22"});
        let change = engine.add_field(&ctx, "Product", formula, false).await.unwrap();
        assert_eq!((change.version, change.statements), (2, Vec::new()));
        let reference =
            json!({"name": "origin", "type": "reference", "to": ["Organization", "Contact"], "inverse": "supplied"});
        let change = engine.add_field(&ctx, "Product", reference, false).await.unwrap();
        let added = change.statements.iter().filter(|statement| statement.starts_with("ALTER TABLE")).count();
        assert_eq!(added, 2);
        assert!(engine.snapshot().catalog.module_by_name("Contact").unwrap().relation_named("supplied").is_some());
        assert_eq!(engine.check_tables().await.unwrap(), Vec::<String>::new());
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn changes_at_the_same_time_all_land() {
    for database in Database::each().await {
        let engine = database.engine().await;
        let changes = (0..6).map(|number| {
            let engine = engine.clone();
            tokio::spawn(async move {
                let ctx = administrator(&engine);
                let field = json!({"name": format!("extra{number}"), "type": "text"});
                engine.add_field(&ctx, "Product", field, false).await.unwrap().version
            })
        });
        let mut versions = Vec::new();
        for change in changes.collect::<Vec<_>>() {
            versions.push(change.await.unwrap());
        }
        versions.sort_unstable();
        assert_eq!(versions, [2, 3, 4, 5, 6, 7]);
        let product = engine.snapshot().catalog.clone();
        let product = product.module_by_name("Product").unwrap();
        assert!((0..6).all(|number| product.field_named(&format!("extra{number}")).is_some()));
        assert_eq!(engine.check_tables().await.unwrap(), Vec::<String>::new());
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_change_on_an_old_catalog_is_planned_anew() {
    for database in Database::each().await {
        // Two engines over one store are as two processes to each other: neither knows the other's snapshot.
        let (one, other) = (database.engine().await, database.engine().await);
        one.create_module(&administrator(&one), gadget(), false).await.unwrap();
        assert_eq!(other.snapshot().catalog.version, 1);
        let field = json!({"name": "weight", "type": "integer"});
        let change = other.add_field(&administrator(&other), "Product", field, false).await.unwrap();
        assert_eq!(change.version, 3);
        assert!(module_names(&other.snapshot().catalog).contains(&"Gadget"));
        // The same name once more is refused by the catalog that is really in force.
        let again =
            one.add_field(&administrator(&one), "Product", json!({"name": "weight", "type": "text"}), false).await;
        assert_eq!(paths(&issues(again.unwrap_err())), ["field.name"]);

        one.reload().await.unwrap();
        assert_eq!(one.snapshot().catalog.version, 3);
        assert!(format!("{:?}", one.snapshot().catalog.modules) == format!("{:?}", other.snapshot().catalog.modules));
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn what_the_database_refuses_leaves_the_old_version() {
    for database in Database::each().await {
        let engine = database.engine().await;
        let ctx = administrator(&engine);
        run(engine.store(), "CREATE TABLE gadget (id integer)").await;
        let before = everything(engine.store()).await;
        let error = engine.create_module(&ctx, gadget(), false).await.unwrap_err();
        assert_eq!(paths(&issues(error)), ["definition.name"]);
        let error = engine.create_module(&ctx, gadget(), true).await.unwrap_err();
        assert_eq!(paths(&issues(error)), ["definition.name"]);
        assert_eq!(everything(engine.store()).await, before);

        // What is in the way of the last statement undoes those before it.
        run(
            engine.store(),
            "DROP TABLE gadget; CREATE TABLE other (id integer); CREATE INDEX _ix_gadget__maker_id ON other (id)",
        )
        .await;
        let before = everything(engine.store()).await;
        engine.create_module(&ctx, gadget(), false).await.unwrap_err();
        assert_eq!(everything(engine.store()).await, before);
        assert_eq!(engine.snapshot().catalog.version, 1);

        run(engine.store(), "DROP TABLE other").await;
        assert_eq!(engine.create_module(&ctx, gadget(), false).await.unwrap().version, 2);
        assert_eq!(state(engine.store()).await.catalog_version, 2);
    }
}

async fn insert_gadgets(engine: &crate::Engine, count: usize) {
    for number in 0..count {
        let id = uuid::Uuid::now_v7();
        let insert = format!(
            "INSERT INTO gadget (id, version, created_at, updated_at, name, code) VALUES ('{id}', 1, '2026-01-01T00:00:00.000Z', '2026-01-01T00:00:00.000Z', 'G', 'g{number}')"
        );
        run(engine.store(), &insert).await;
    }
}

async fn gadget_values(engine: &crate::Engine, column: &str) -> Vec<String> {
    let text = format!("SELECT CAST({column} AS text) FROM gadget ORDER BY id");
    let rows = rows(engine.store(), &text, vec![cardine_store::ColumnType::Text]).await;
    rows.into_iter().flatten().collect()
}
