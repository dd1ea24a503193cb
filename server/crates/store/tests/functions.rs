//! Cardine's SQL functions on SQLite give what PostgreSQL's own operators and functions give.
#![allow(clippy::unwrap_used, reason = "in a test a panic is how it fails; clippy sees only functions marked #[test]")]

mod databases;

use cardine_model::Value;
use cardine_store::{Bindings, Cell, ColumnType, Dialect, Param, RowSet, Statement, StoreError};
use databases::TestDatabase;
use proptest::strategy::{Strategy as _, ValueTree as _};
use proptest::test_runner::{Config, TestRunner};

const CASES: usize = 300;

/// The same values on every run.
fn samples(pattern: &str) -> Vec<String> {
    let mut runner = TestRunner::new_with_rng(
        Config::default(),
        proptest::test_runner::TestRng::deterministic_rng(proptest::test_runner::RngAlgorithm::ChaCha),
    );
    let strategy = proptest::string::string_regex(pattern).unwrap();
    (0..CASES).map(|_| strategy.new_tree(&mut runner).unwrap().current()).collect()
}

async fn load(database: &TestDatabase, rows: &[Vec<String>]) {
    database
        .ddl(
            &database
                .either("CREATE TABLE t (n INTEGER, a TEXT, b TEXT)", "CREATE TABLE t (n integer, a text, b text)"),
        )
        .await;
    for (number, row) in (0..).zip(rows) {
        let values = vec![Value::Integer(number), Value::Text(row[0].clone()), Value::Text(row[1].clone())];
        database.execute("INSERT INTO t VALUES ($1, $2, $3)", values).await.unwrap();
    }
}

fn lines(rows: &RowSet) -> Vec<String> {
    let line = |row| (0..rows.columns()).map(|column| format!("{:?}", rows.cell(row, column))).collect::<Vec<_>>();
    (0..rows.len()).map(|row| line(row).join(" ")).collect()
}

#[tokio::test]
async fn decimal_functions_compute_as_postgresql_does() {
    let Some(postgres) = databases::postgres().await else { return };
    let sqlite = databases::sqlite().await;
    let numbers = samples(r"-?(0|[1-9][0-9]{0,17})(\.[0-9]{1,10})?");
    let divisors = samples(r"-?[1-9][0-9]{0,9}(\.[0-9]{1,4})?");
    let rows: Vec<_> = numbers.into_iter().zip(divisors).map(|(a, b)| vec![a, b]).collect();
    load(&sqlite, &rows).await;
    load(&postgres, &rows).await;

    let columns = [ColumnType::Decimal; 8];
    // `trim_scale` takes off the zeros at the end that a Decimal does not keep.
    let ours = "SELECT cardine_add(a, b), cardine_sub(a, b), cardine_mul(a, b), cardine_rem(a, b), cardine_neg(a), cardine_abs(a),
                cardine_round(a, 2), cardine_round(a, 0) FROM t ORDER BY n";
    let theirs = "SELECT trim_scale(a::numeric + b::numeric), trim_scale(a::numeric - b::numeric), trim_scale(a::numeric * b::numeric),
                  trim_scale(a::numeric % b::numeric), trim_scale(-a::numeric), trim_scale(abs(a::numeric)),
                  round(a::numeric, 2), round(a::numeric, 0) FROM t ORDER BY n";
    let ours = lines(&sqlite.query(ours, Vec::new(), &columns).await.unwrap());
    let theirs = lines(&postgres.query(theirs, Vec::new(), &columns).await.unwrap());
    assert_eq!(ours.len(), CASES);
    assert_eq!(ours, theirs);

    // The quotient is cut off after 20 digits; PostgreSQL is given enough of them to cut.
    let ours = "SELECT cardine_div(a, b) FROM t ORDER BY n";
    let theirs = "SELECT trim_scale(trunc(round(a::numeric, 60) / b::numeric, 20)) FROM t ORDER BY n";
    let ours = lines(&sqlite.query(ours, Vec::new(), &columns[..1]).await.unwrap());
    let theirs = lines(&postgres.query(theirs, Vec::new(), &columns[..1]).await.unwrap());
    assert_eq!(ours, theirs);

    let ours = "SELECT cardine_sum(a), max(a COLLATE cardine_decimal), min(a COLLATE cardine_decimal) FROM t";
    let theirs = "SELECT trim_scale(sum(a::numeric)), max(a::numeric), min(a::numeric) FROM t";
    let ours = lines(&sqlite.query(ours, Vec::new(), &columns[..3]).await.unwrap());
    let theirs = lines(&postgres.query(theirs, Vec::new(), &columns[..3]).await.unwrap());
    assert_eq!(ours, theirs);

    let ours = "SELECT n FROM t ORDER BY a COLLATE cardine_decimal, n";
    let theirs = "SELECT n FROM t ORDER BY a::numeric, n";
    let ours = lines(&sqlite.query(ours, Vec::new(), &[ColumnType::Integer]).await.unwrap());
    let theirs = lines(&postgres.query(theirs, Vec::new(), &[ColumnType::Integer]).await.unwrap());
    assert_eq!(ours, theirs);
}

#[tokio::test]
async fn text_folds_and_orders_alike() {
    let Some(postgres) = databases::postgres().await else { return };
    let sqlite = databases::sqlite().await;
    postgres.store.migrate().await.unwrap();
    sqlite.store.migrate().await.unwrap();
    let texts = samples(r"[A-Za-zÀ-žΑ-ωА-я\u{300}-\u{304}ßİıſﬁǅ 0-9€]{0,12}");
    let rows: Vec<_> = texts.into_iter().map(|text| vec![text, String::new()]).collect();
    load(&sqlite, &rows).await;
    load(&postgres, &rows).await;
    let text = "SELECT cardine_fold(a), cardine_sort_key(a) FROM t ORDER BY n";
    let columns = [ColumnType::Text; 2];
    let ours = lines(&sqlite.query(text, Vec::new(), &columns).await.unwrap());
    let theirs = lines(&postgres.query(text, Vec::new(), &columns).await.unwrap());
    assert_eq!(ours, theirs);
    // The samples are not all fixed points.
    let changed = sqlite
        .number("SELECT count(*) FROM t WHERE cardine_fold(a) <> a AND cardine_sort_key(a) <> cardine_fold(a)")
        .await;
    assert!(changed > 100, "{changed}");
}

#[tokio::test]
async fn functions_may_stand_in_indexes_and_are_used_from_them() {
    for database in databases::each().await {
        database.store.migrate().await.unwrap();
        database.ddl(&database.either("CREATE TABLE t (a TEXT)", "CREATE TABLE t (a text)")).await;
        database.ddl("CREATE UNIQUE INDEX t_a ON t (cardine_fold(a))").await;
        database.execute("INSERT INTO t VALUES ($1)", vec![Value::Text("Straße".to_owned())]).await.unwrap();
        let again = database.execute("INSERT INTO t VALUES ($1)", vec![Value::Text("STRASSE".to_owned())]).await;
        match again {
            Err(cardine_store::StoreError::UniqueViolation { index }) => assert_eq!(index, "t_a"),
            other => panic!("{other:?}"),
        }
        let rows =
            database.query("SELECT a FROM t WHERE cardine_fold(a) = 'strasse'", Vec::new(), &[ColumnType::Text]).await;
        assert_eq!(rows.unwrap().cell(0, 0), Cell::Text("Straße"));
    }
}

#[tokio::test]
async fn texts_have_the_same_words_on_both_databases() {
    let Some(postgres) = databases::postgres().await else { return };
    let sqlite = databases::sqlite().await;
    postgres.ddl(&cardine_model::text::postgres::postgres_functions()).await;
    // Beyond these, a decomposition may be newer than the server.
    let mut texts = samples(r"[\u{20}-\u{d7ff}\u{e000}-\u{fffd}]{0,30}");
    texts.extend(samples(r"[a-zA-Zàèéìòùßİ’'.,@+() \n\t0-9-]{0,40}"));
    texts.extend(["Perché l’Aquila?", "anna@rossi.it", "", "…", "🙂", "\u{37e}\u{387}\u{1fef}"].map(str::to_owned));
    texts.push("x".repeat(200));
    texts.push("è ".repeat(30_000));
    let rows: Vec<_> = texts.into_iter().map(|text| vec![text.replace('\0', ""), String::new()]).collect();
    load(&sqlite, &rows).await;
    load(&postgres, &rows).await;
    let sorted = |rows: RowSet| -> Vec<Vec<String>> {
        let words = |row| {
            let Cell::Text(text) = rows.cell(row, 0) else { return Vec::new() };
            let mut words: Vec<String> = text.split(' ').filter(|word| !word.is_empty()).map(str::to_owned).collect();
            words.sort_unstable();
            words.dedup();
            words
        };
        (0..rows.len()).map(words).collect()
    };
    let text = [ColumnType::Text];
    let ours = sorted(sqlite.query("SELECT cardine_words(a) FROM t ORDER BY n", Vec::new(), &text).await.unwrap());
    let theirs = "SELECT array_to_string(tsvector_to_array(cardine_words(a)), ' ') FROM t ORDER BY n";
    let theirs = sorted(postgres.query(theirs, Vec::new(), &text).await.unwrap());
    for (row, (ours, theirs)) in rows.iter().zip(ours.iter().zip(&theirs)) {
        assert_eq!(ours, theirs, "{:?}", row[0]);
    }
    assert!(ours.iter().flatten().count() > 1_000, "the samples have words");
}

#[tokio::test]
async fn an_id_is_among_those_of_a_list_on_both_databases_alike() {
    let id = |number: u128| uuid::Uuid::from_u128(number << 64 | number);
    for database in databases::each().await {
        let (ty, is_among) = match database.dialect() {
            Dialect::Sqlite => ("TEXT", "cardine_is_among(id, $1)"),
            Dialect::Postgres => ("uuid", "CASE WHEN id = ANY($1::uuid[]) THEN true ELSE false END"),
        };
        database.ddl(&format!("CREATE TABLE t (n INTEGER, id {ty})")).await;
        for number in 0..40 {
            let value = Value::Id(id(u128::try_from(number).unwrap() * 7 % 40));
            database.execute("INSERT INTO t VALUES ($1, $2)", vec![Value::Integer(number), value]).await.unwrap();
        }
        database.execute("INSERT INTO t VALUES (99, NULL)", Vec::new()).await.unwrap();
        for count in [0, 1, 2, 3, 20, 39] {
            let mut owners: Vec<_> = (0..count).map(|position| id(position * 2 % 40 + position / 20)).collect();
            owners.sort_unstable();
            let text = format!("SELECT n FROM t WHERE {is_among} ORDER BY n");
            let params = vec![Param::VisibleOwnersInOrder];
            let asked = Statement { text, params, columns: vec![ColumnType::Integer] };
            let among = owners.clone();
            let found = database.store.read::<_, StoreError, _>(move |tx| {
                Box::pin(
                    async move { tx.query(&asked, &Bindings { visible_owners: &among, ..Bindings::default() }).await },
                )
            });
            let found = found.await.unwrap();
            let found: Vec<_> = (0..found.len()).map(|row| found.cell(row, 0).integer().unwrap()).collect();
            let expected: Vec<i64> =
                (0..40).filter(|n| owners.contains(&id(u128::try_from(*n).unwrap() * 7 % 40))).collect();
            assert_eq!(found, expected, "{owners:?}");
        }
    }
}
