//! All that a server keeps: every row of every table, read past the server, and its files to the byte.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use cardine_tests::Server;
use rusqlite::types::Value;
use rusqlite::{Connection, OpenFlags};
use tokio_postgres::NoTls;

/// What is kept, by table and file: each table's rows, each file's bytes.
pub type Kept = BTreeMap<String, Vec<Vec<u8>>>;

/// When a session or key was used last: kept to the minute for whoever sends any request, a refused one too.
const NOTED_OF_EVERY_REQUEST: &str = "last_used_at";

/// Everything but [`NOTED_OF_EVERY_REQUEST`]. The server goes on working meanwhile, but must not be asked to write.
pub async fn everything(server: &Server) -> Kept {
    let folder = server.data_directory();
    let mut kept = Kept::new();
    match server.postgres() {
        Some(database) => rows_of_postgres(database.url(), &mut kept).await,
        None => rows_of_sqlite(&folder, &mut kept),
    }
    for file in files_in(&folder) {
        let name = file.strip_prefix(&folder).expect("it stands in the folder").display().to_string();
        // The database's own files are looked at row by row: their bytes change when the server tidies up.
        if !name.contains(".db") {
            kept.insert(format!("file {name}"), vec![std::fs::read(&file).expect("a file can be read")]);
        }
    }
    kept
}

/// In which tables and files two states differ.
pub fn differences(before: &Kept, after: &Kept) -> Vec<String> {
    let names = before.keys().chain(after.keys().filter(|name| !before.contains_key(*name)));
    let told = |rows: Option<&Vec<Vec<u8>>>, other: Option<&Vec<Vec<u8>>>| -> Vec<String> {
        let rows = rows.into_iter().flatten().filter(|row| other.is_none_or(|other| !other.contains(*row)));
        rows.take(3).map(|row| String::from_utf8_lossy(&row[..row.len().min(300)]).into_owned()).collect()
    };
    names
        .filter(|name| before.get(*name) != after.get(*name))
        .map(|name| {
            let (before, after) = (before.get(name), after.get(name));
            format!("{name}: gone {:?}, new {:?}", told(before, after), told(after, before))
        })
        .collect()
}

fn files_in(folder: &Path) -> Vec<PathBuf> {
    let mut files = Vec::new();
    for entry in std::fs::read_dir(folder).expect("the folder is there") {
        let path = entry.expect("an entry").path();
        if path.is_dir() { files.extend(files_in(&path)) } else { files.push(path) }
    }
    files
}

/// The running server has its file to itself, so that a copy is read: what was committed stands in the file or in its log.
fn rows_of_sqlite(folder: &Path, kept: &mut Kept) {
    let copy = tempfile::tempdir().expect("a temporary directory");
    let mut database = None;
    for file in files_in(folder) {
        let name = file.file_name().expect("a name").to_string_lossy().into_owned();
        if name.ends_with(".db") || name.ends_with(".db-wal") {
            std::fs::copy(&file, copy.path().join(&name)).expect("a file can be copied");
        }
        if name.ends_with(".db") {
            database = Some(copy.path().join(name));
        }
    }
    let database = database.expect("the server has a database file");
    let flags = OpenFlags::SQLITE_OPEN_READ_WRITE;
    let connection = Connection::open_with_flags(database, flags).expect("the copy can be opened");
    let tables = "SELECT name FROM sqlite_schema WHERE type = 'table' AND name NOT LIKE 'sqlite\\_%' ESCAPE '\\' \
                  AND sql NOT LIKE 'CREATE VIRTUAL%' ORDER BY name";
    let mut tables = connection.prepare(tables).expect("a statement");
    let tables = tables.query_map([], |row| row.get::<_, String>(0)).expect("tables");
    for table in tables.map(|table| table.expect("a name")) {
        let mut all = connection.prepare(&format!("SELECT * FROM \"{table}\"")).expect("a table can be read");
        let names = all.column_names().into_iter().enumerate();
        let columns: Vec<usize> =
            names.filter(|(_, name)| *name != NOTED_OF_EVERY_REQUEST).map(|(column, _)| column).collect();
        let rows = all.query_map([], |row| {
            let cells = columns.iter().map(|column| row.get::<_, Value>(*column)).collect::<Result<Vec<_>, _>>()?;
            Ok(format!("{cells:?}").into_bytes())
        });
        let mut rows: Vec<Vec<u8>> = rows.expect("rows").map(|row| row.expect("a row")).collect();
        rows.sort_unstable();
        kept.insert(table, rows);
    }
}

async fn rows_of_postgres(url: &str, kept: &mut Kept) {
    let (client, connection) = tokio_postgres::connect(url, NoTls).await.expect("the database can be reached");
    let connection = tokio::spawn(connection);
    let tables =
        "SELECT table_name FROM information_schema.tables WHERE table_schema = 'public' AND table_type = 'BASE TABLE'";
    for table in client.query(tables, &[]).await.expect("tables") {
        let table: String = table.get(0);
        let all = format!("SELECT (to_jsonb(t) - '{NOTED_OF_EVERY_REQUEST}')::text FROM \"{table}\" t ORDER BY 1");
        let rows = client.query(&all, &[]).await.expect("a table can be read");
        // Sequences are no rows: a number that was given to what was undone is not given again.
        kept.insert(table, rows.iter().map(|row| row.get::<_, String>(0).into_bytes()).collect());
    }
    drop(client);
    let _ = connection.await;
}
