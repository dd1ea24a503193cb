//! Tables that the planner knows nothing of are looked at, and only they.
#![allow(clippy::unwrap_used, reason = "in a test a panic is how it fails; clippy sees only functions marked #[test]")]

mod databases;

use cardine_store::Dialect;
use cardine_store::platform::statistics::refresh;

#[tokio::test(flavor = "multi_thread")]
async fn a_table_with_rows_and_without_statistics_is_looked_at_once() {
    for database in databases::each().await {
        let rows = match database.dialect() {
            Dialect::Sqlite => {
                "WITH RECURSIVE r(n) AS (SELECT 1 UNION ALL SELECT n + 1 FROM r WHERE n < 300) SELECT n FROM r"
            }
            Dialect::Postgres => "SELECT generate_series(1, 300)",
        };
        database.ddl("CREATE TABLE \"Odd name\" (n integer); CREATE INDEX odd ON \"Odd name\" (n); CREATE TABLE bare (n integer)").await;
        database.ddl(&format!("INSERT INTO \"Odd name\" {rows}")).await;
        let looked_at = refresh(&database.store).await.unwrap();
        let (known, text) = match database.dialect() {
            Dialect::Sqlite => {
                (vec![], "SELECT count(*) FROM sqlite_stat1 WHERE tbl = 'Odd name' AND stat LIKE '300 %'")
            }
            Dialect::Postgres => (
                vec!["\"Odd name\"".to_owned()],
                "SELECT count(*) FROM pg_class WHERE relname = 'Odd name' AND reltuples = 300",
            ),
        };
        assert_eq!(looked_at, known);
        assert_eq!(database.number(text).await, 1);
        assert_eq!(refresh(&database.store).await.unwrap(), Vec::<String>::new(), "nothing has changed");
    }
}
