//! Names that mean something to a database are only names.

use cardine_store::ColumnType;
use serde_json::json;

use super::database::{Database, administrator, rows, run};
use crate::EngineError;

/// Reserved by PostgreSQL, by SQLite, or the name of something that both have.
const MODULES: [&str; 12] = [
    "Order",
    "Select",
    "Table",
    "Index",
    "Values",
    "Trigger",
    "Unnest",
    "Column",
    "Transaction",
    "P",
    "T1",
    "JsonTable",
];

#[tokio::test(flavor = "multi_thread")]
async fn reserved_words_are_names_of_modules_and_fields() {
    for database in Database::each().await {
        let engine = database.engine().await;
        let ctx = administrator(&engine);
        for name in MODULES {
            let fields: Vec<_> =
                ["select", "table", "group", "order", "index", "where", "user", "values", "key", "p", "c"]
                    .iter()
                    .map(|field| json!({"name": field, "type": "text", "indexed": true, "maxLength": 50}))
                    .chain([
                        json!({"name": "from", "type": "decimal", "unique": true}),
                        json!({"name": "check", "type": "reference", "to": ["Contact", "Lead"]}),
                    ])
                    .collect();
            let definition = json!({"name": name, "plural": format!("{name}Plural"), "fields": fields, "uniques": [{"fields": ["group", "order"]}]});
            engine.create_module(&ctx, definition, false).await.unwrap_or_else(|error| panic!("{name}: {error:?}"));
        }
        assert_eq!(engine.check_tables().await.unwrap(), Vec::<String>::new());
        run(
            engine.store(),
            r#"INSERT INTO "order" ("id", "version", "created_at", "updated_at", "select", "group") VALUES ('01900000-0000-7000-8000-000000000001', 1, '2026-01-01T00:00:00Z', '2026-01-01T00:00:00Z', 'x', 'y')"#,
        )
        .await;
        let read =
            rows(engine.store(), r#"SELECT "select", "group" FROM "order""#, vec![ColumnType::Text, ColumnType::Text])
                .await;
        assert_eq!(read, [["x", "y"]]);
    }
}

/// A table of such a name would be read instead of the platform's, or of a function of the database.
#[tokio::test(flavor = "multi_thread")]
async fn names_of_the_platforms_tables_and_of_table_functions_are_refused() {
    for database in Database::each().await {
        let engine = database.engine().await;
        let ctx = administrator(&engine);
        let columns = cardine_sql::ddl::records::select_columns(engine.store().dialect());
        let text = ColumnType::Text;
        let found = rows(engine.store(), &columns.text, vec![text, text, text, ColumnType::Boolean]).await;
        let modules: Vec<String> =
            engine.snapshot().catalog.modules.iter().map(|module| module.table.clone()).collect();
        let mut tables: Vec<String> = found.into_iter().map(|mut row| row.swap_remove(0)).collect();
        tables.dedup();
        // No module's table begins with `_`, as those of the search do.
        tables.retain(|table| !modules.contains(table) && !table.starts_with("sqlite_") && !table.starts_with('_'));
        assert!(tables.len() > 10, "{tables:?}");
        tables.extend(["json_each", "json_tree", "pragma_table_info"].map(str::to_owned));
        for table in tables {
            let name: String = table.split('_').map(cardine_model::name::upper_first).collect();
            let definition =
                json!({"name": name, "plural": format!("Many{name}"), "fields": [{"name": "title", "type": "text"}]});
            match engine.create_module(&ctx, definition, true).await {
                Err(EngineError::Validation(issues)) => assert_eq!(issues[0].rule, "nameTaken", "{table}"),
                other => panic!("{table}: {other:?}"),
            }
        }
    }
}
