//! The throw-away PostgreSQL holds what it promises: databases of their own, and nothing left behind.
#![allow(clippy::unwrap_used, reason = "in a test a panic is how it fails; clippy sees only functions marked #[test]")]

use std::io::{BufRead as _, BufReader};
use std::path::Path;
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use cardine_test_postgres::{OwnServer, PostgresDatabase, database};

#[tokio::test]
async fn each_database_is_empty_and_of_its_own() {
    let (Some(one), Some(other)) = (database(), database()) else {
        return;
    };
    one.connect().await.batch_execute("CREATE TABLE only_here (id int)").await.unwrap();

    assert_ne!(one.name(), other.name());
    assert_eq!(count_of_tables(&one).await, 1);
    assert_eq!(count_of_tables(&other).await, 0);
    let encoding = other.connect().await.query_one("SHOW server_encoding", &[]).await.unwrap();
    assert_eq!(encoding.get::<_, &str>(0), "UTF8");
}

#[tokio::test]
async fn a_dropped_value_drops_the_database_even_while_somebody_is_connected() {
    let (Some(kept), Some(dropped)) = (database(), database()) else {
        return;
    };
    let name = dropped.name().to_owned();
    let connected = dropped.connect().await;
    assert!(exists(&kept, &name).await);

    drop(dropped);

    assert!(!exists(&kept, &name).await);
    assert!(connected.query_one("SELECT 1", &[]).await.is_err());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_crash_ends_connections_and_keeps_what_was_committed() {
    if !cardine_test_postgres::is_available() || std::env::var_os("CARDINE_TEST_POSTGRES").is_some() {
        return; // Without binaries there is none to start.
    }
    let mut own = tokio::task::block_in_place(OwnServer::start).unwrap();
    let database = own.database();
    let before = database.connect().await;
    before.batch_execute("CREATE TABLE kept (id int); INSERT INTO kept VALUES (1)").await.unwrap();
    before.batch_execute("BEGIN; INSERT INTO kept VALUES (2)").await.unwrap();

    tokio::task::block_in_place(|| own.crash());

    assert!(before.query_one("SELECT 1", &[]).await.is_err());
    let kept = database.connect().await.query_one("SELECT count(*) FROM kept", &[]).await.unwrap();
    assert_eq!(kept.get::<_, i64>(0), 1);
}

/// Starts this test again in a process of its own, which prints where its server lives and is then killed.
#[test]
fn server_and_files_go_when_the_process_is_killed() {
    const CHILD: &str = "CARDINE_TEST_POSTGRES_CHILD";
    if std::env::var_os(CHILD).is_some() {
        print_data_directory_and_wait();
        return;
    }
    if !cardine_test_postgres::is_available() || std::env::var_os("CARDINE_TEST_POSTGRES").is_some() {
        return; // A given server is not ours to stop.
    }
    let mut child = Command::new(std::env::current_exe().unwrap())
        .args(["--exact", "server_and_files_go_when_the_process_is_killed", "--nocapture"])
        .env(CHILD, "1")
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let directory = BufReader::new(child.stdout.take().unwrap())
        .lines()
        .find_map(|line| line.unwrap().strip_prefix("data directory: ").map(str::to_owned))
        .expect("the child prints its server's directory");
    assert!(Path::new(&directory).parent().unwrap().exists());

    child.kill().unwrap();
    child.wait().unwrap();

    let give_up = Instant::now() + Duration::from_secs(30);
    while Path::new(&directory).parent().unwrap().exists() {
        assert!(Instant::now() < give_up, "{directory} is still there");
        std::thread::yield_now();
    }
}

fn print_data_directory_and_wait() {
    let database = database().expect("the parent process found a server");
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    let row = runtime.block_on(async { database.connect().await.query_one("SHOW data_directory", &[]).await.unwrap() });
    println!("\ndata directory: {}", row.get::<_, &str>(0));
    let mut line = String::new();
    std::io::stdin().read_line(&mut line).unwrap();
}

async fn count_of_tables(database: &PostgresDatabase) -> i64 {
    let query = "SELECT count(*) FROM pg_tables WHERE schemaname = 'public'";
    database.connect().await.query_one(query, &[]).await.unwrap().get(0)
}

async fn exists(connected: &PostgresDatabase, name: &str) -> bool {
    let query = "SELECT count(*) FROM pg_database WHERE datname = $1";
    connected.connect().await.query_one(query, &[&name]).await.unwrap().get::<_, i64>(0) == 1
}
