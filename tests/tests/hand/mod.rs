//! A hand in the database itself, for what takes time to happen, or must not be found there.
#![allow(dead_code, reason = "each file of cases uses a part")]
#![allow(clippy::unwrap_used, reason = "in a test a panic is how it fails")]

use std::time::Duration;

use cardine_tests::Server;

/// The number that a statement gives, on the database itself.
pub async fn count(server: &Server, statement: &str) -> i64 {
    match server.postgres() {
        Some(database) => {
            let (client, connection) = tokio_postgres::connect(database.url(), tokio_postgres::NoTls).await.unwrap();
            let connection = tokio::spawn(connection);
            let count = client.query_one(statement, &[]).await.unwrap().get(0);
            drop(client);
            let _ = connection.await;
            count
        }
        None => sqlite(server, statement).trim().parse().unwrap(),
    }
}

/// Runs a statement on the database itself.
pub async fn run(server: &Server, statement: &str) {
    match server.postgres() {
        Some(database) => {
            let (client, connection) = tokio_postgres::connect(database.url(), tokio_postgres::NoTls).await.unwrap();
            let connection = tokio::spawn(connection);
            client.batch_execute(statement).await.unwrap();
            drop(client);
            let _ = connection.await;
        }
        None => drop(sqlite(server, statement)),
    }
}

fn sqlite(server: &Server, statement: &str) -> String {
    let database = rusqlite::Connection::open(server.data_directory().join("cardine.db")).unwrap();
    database.busy_timeout(Duration::from_secs(30)).unwrap();
    rows(&database, statement).unwrap()
}

/// The rows as text, a line each.
fn rows(database: &rusqlite::Connection, statement: &str) -> rusqlite::Result<String> {
    let mut statement = database.prepare(statement)?;
    let columns = statement.column_count();
    let mut rows = statement.query([])?;
    let mut text = String::new();
    while let Some(row) = rows.next()? {
        for column in 0..columns {
            let value = match row.get_ref(column)? {
                rusqlite::types::ValueRef::Text(bytes) | rusqlite::types::ValueRef::Blob(bytes) => {
                    String::from_utf8_lossy(bytes).into_owned()
                }
                rusqlite::types::ValueRef::Integer(number) => number.to_string(),
                other => format!("{other:?}"),
            };
            text.push_str(&value);
            text.push(' ');
        }
        text.push('\n');
    }
    Ok(text)
}

/// All rows of all tables, as text.
pub async fn everything(server: &Server) -> String {
    let Some(postgres) = server.postgres() else {
        let names = sqlite(server, "SELECT name FROM sqlite_master WHERE type = 'table' AND name NOT LIKE 'sqlite_%'");
        let path = server.data_directory().join("cardine.db");
        let database = rusqlite::Connection::open(path).unwrap();
        // An index of words is read by nobody but SQLite itself.
        let tables = names.lines().map(|name| rows(&database, &format!("SELECT * FROM \"{}\"", name.trim())));
        return tables.map(Result::unwrap_or_default).collect();
    };
    let (client, connection) = tokio_postgres::connect(postgres.url(), tokio_postgres::NoTls).await.unwrap();
    let connection = tokio::spawn(connection);
    let mut text = String::new();
    let tables = "SELECT relname::text FROM pg_class WHERE relkind = 'r' AND relnamespace = 'public'::regnamespace";
    for table in client.query(tables, &[]).await.unwrap() {
        let name: String = table.get(0);
        for row in client.query(&format!("SELECT t::text FROM \"{name}\" t"), &[]).await.unwrap() {
            text.push_str(row.get(0));
            text.push('\n');
        }
    }
    drop(client);
    let _ = connection.await;
    text
}
