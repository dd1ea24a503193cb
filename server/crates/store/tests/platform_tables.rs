//! The tables of the migrations are those that the definitions of the platform's modules describe.
#![allow(clippy::unwrap_used, reason = "in a test a panic is how it fails; clippy sees only functions marked #[test]")]

mod databases;

use cardine_model::resolve::builtin_catalog;
use cardine_sql::ddl::{difference, index_names, records, table_columns};
use cardine_store::{Bindings, Statement, Store, StoreError};

async fn rows(store: &Store, statement: Statement) -> Vec<Vec<String>> {
    let read = store
        .read::<_, StoreError, _>(move |tx| Box::pin(async move { tx.query(&statement, &Bindings::default()).await }));
    let rows = read.await.unwrap();
    let cell = |row, column| format!("{:?}", rows.cell(row, column));
    (0..rows.len()).map(|row| (0..rows.columns()).map(|column| cell(row, column)).collect()).collect()
}

#[tokio::test]
async fn the_platforms_modules_have_the_columns_of_their_definitions() {
    let catalog = builtin_catalog(1).unwrap();
    for database in databases::each().await {
        database.store.migrate().await.unwrap();
        let there = rows(&database.store, records::select_columns(database.dialect())).await;
        let mut checked = 0;
        for module in catalog.modules.iter().filter(|module| module.platform) {
            for column in table_columns(database.dialect(), module) {
                let of_table = [module.table.as_str(), column.name.as_str(), column.ty.as_str()];
                let mut expected: Vec<String> = of_table.map(|text| format!("Text({text:?})")).into();
                expected.push(format!("Boolean({})", column.not_null));
                // A column that the definition requires, and the table refuses null in, is stricter than a module's.
                let mut stricter = expected.clone();
                stricter[3] = "Boolean(true)".to_owned();
                assert!(
                    there.contains(&expected) || there.contains(&stricter),
                    "{:?} {expected:?}",
                    database.dialect()
                );
                checked += 1;
            }
        }
        assert!(checked > 30, "{checked}");
    }
}

#[tokio::test]
async fn unique_fields_of_the_platforms_modules_are_unique() {
    let catalog = builtin_catalog(1).unwrap();
    for database in databases::each().await {
        database.store.migrate().await.unwrap();
        let there = rows(&database.store, records::select_indexes(database.dialect())).await;
        let modules = catalog.modules.iter().filter(|module| module.platform);
        for module in modules.filter(|module| !module.uniques.is_empty()) {
            let wanted = index_names(database.dialect(), module).into_iter().find(|name| name.starts_with("_ux"));
            let wanted = format!("Text({:?})", wanted.unwrap());
            assert!(there.iter().any(|index| index[1] == wanted), "{:?} {wanted}", database.dialect());
        }
    }
}

#[tokio::test]
async fn the_tables_of_all_built_in_modules_are_made_in_one_transaction() {
    let catalog = builtin_catalog(1).unwrap();
    for database in databases::each().await {
        database.store.migrate().await.unwrap();
        let statements = difference(database.dialect(), None, &catalog);
        assert!(statements.len() > 12);
        database.ddl(&statements.join(";\n")).await;
        for module in &catalog.modules {
            assert_eq!(database.number(&format!("SELECT count(*) FROM \"{}\"", module.table)).await, 0);
        }
        // What fails leaves nothing behind.
        let again =
            databases::run_ddl(&database.store, "CREATE TABLE first (n integer); CREATE TABLE first (n integer)").await;
        assert!(again.is_err());
        let first =
            database.query("SELECT count(*) FROM first", Vec::new(), &[cardine_store::ColumnType::Integer]).await;
        assert!(matches!(first, Err(StoreError::Stale(_))), "{first:?}");
    }
}
