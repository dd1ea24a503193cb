//! Notifications: their table is in no module's way.
#![allow(clippy::unwrap_used, reason = "in a test a panic is how it fails; clippy sees only functions marked #[test]")]

mod databases;

#[tokio::test]
async fn a_table_of_that_name_that_a_module_made_stays() {
    for database in databases::each().await {
        database.ddl("CREATE TABLE \"notification\" (id integer); INSERT INTO \"notification\" (id) VALUES (7)").await;
        database.store.migrate().await.unwrap();
        assert_eq!(database.number("SELECT CAST(id AS bigint) FROM \"notification\"").await, 7);
    }
}
