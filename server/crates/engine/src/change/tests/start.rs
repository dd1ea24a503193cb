//! First start, later starts, several at once, and a newer program with more modules.

use cardine_model::resolve::{builtin_catalog, module_documents};

use super::database::{Database, everything, module_names, run, state};
use crate::change::bootstrap::bootstrap_with;
use crate::change::load::{fetch, parse_built_in, resolve_stored};
use crate::change::{bootstrap, tables};

#[tokio::test(flavor = "multi_thread")]
async fn the_first_start_installs_all_and_a_restart_changes_nothing() {
    for database in Database::each().await {
        let first = bootstrap(&database.store).await.unwrap();
        assert_eq!(first.version, 1);
        assert_eq!(module_names(&first), module_names(&builtin_catalog(1).unwrap()));
        let before = everything(&database.store).await;

        let database = database.restart().await;
        let store = &database.store;
        let second = bootstrap(store).await.unwrap();
        assert!(format!("{:?}", second.modules) == format!("{:?}", first.modules));
        assert_eq!(everything(store).await, before);
        assert_eq!(tables::differences(store, &second).await.unwrap(), Vec::<String>::new());
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn processes_that_start_at_once_install_once() {
    for database in Database::each().await {
        let starts = (0..4).map(|_| {
            let store = database.store.clone();
            tokio::spawn(async move { bootstrap(&store).await })
        });
        for start in starts.collect::<Vec<_>>() {
            assert_eq!(start.await.unwrap().unwrap().version, 1);
        }
        assert_eq!(state(&database.store).await.catalog_version, 1);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_newer_program_adds_what_is_missing_and_leaves_the_rest() {
    for database in Database::each().await {
        let mut older = parse_built_in(&module_documents());
        // One that no other refers to, so that the older set resolves without it.
        older.retain(|definition| definition.name != "SmsMessage");
        bootstrap_with(&database.store, older).await.unwrap();
        // An administrator's own change of a built-in module.
        run(
            &database.store,
            "UPDATE module_definition SET definition = replace(definition, '\"icon\"', '\"description\":\"ours\",\"icon\"') WHERE name = 'Product' AND definition NOT LIKE '%\"description\"%'",
        )
        .await;
        let product = resolve_stored(fetch(&database.store).await.unwrap())
            .await
            .unwrap()
            .module_by_name("Product")
            .unwrap()
            .definition();

        let catalog = bootstrap(&database.store).await.unwrap();
        assert_eq!(catalog.version, 2);
        assert!(catalog.module_by_name("SmsMessage").is_some());
        assert_eq!(catalog.module_by_name("Product").unwrap().definition(), product);
        assert_eq!(tables::differences(&database.store, &catalog).await.unwrap(), Vec::<String>::new());
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn indexes_that_an_older_program_did_not_make_are_made_by_one_of_those_that_start() {
    for database in Database::each().await {
        let catalog = bootstrap(&database.store).await.unwrap();
        let made = everything(&database.store).await;
        for module in catalog.modules.iter().filter(|module| !module.platform).take(3) {
            let names = cardine_sql::ddl::index_names(database.store.dialect(), module);
            for name in names.iter().filter(|name| !name.starts_with("_ux_")) {
                run(&database.store, &format!("DROP INDEX \"{name}\"")).await;
            }
        }
        let missing = tables::differences(&database.store, &catalog).await.unwrap();
        assert!(!missing.is_empty() && missing.iter().all(|what| what.contains("the index `_")), "{missing:?}");
        let starts = (0..3).map(|_| {
            let store = database.store.clone();
            tokio::spawn(async move { bootstrap(&store).await })
        });
        for start in starts.collect::<Vec<_>>() {
            start.await.unwrap().unwrap();
        }
        assert_eq!(tables::differences(&database.store, &catalog).await.unwrap(), Vec::<String>::new());
        assert_eq!(everything(&database.store).await, made);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_name_that_is_taken_does_not_keep_a_newer_program_from_starting() {
    for database in Database::each().await {
        let taken: cardine_model::definition::ModuleDefinition = serde_json::from_value(serde_json::json!({
            "name": "Occasion", "plural": "SmsMessages", "fields": [{"name": "title", "type": "text"}]
        }))
        .unwrap();
        let mut older = parse_built_in(&module_documents());
        older.retain(|definition| definition.name != "SmsMessage");
        older.push(taken);
        bootstrap_with(&database.store, older).await.unwrap();

        let catalog = bootstrap(&database.store).await.unwrap();
        assert!(catalog.module_by_name("SmsMessage").is_none());
        assert!(catalog.module_by_name("Occasion").is_some());
        assert_eq!(catalog.version, 1);
    }
}
