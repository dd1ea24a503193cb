//! What is written is read again in the same form, on both databases.
#![allow(clippy::unwrap_used, reason = "in a test a panic is how it fails; clippy sees only functions marked #[test]")]

mod databases;

use cardine_model::{Decimal, Value};
use cardine_store::{Bindings, ColumnType, Param, Statement, StoreError, Transform};
use chrono::{DateTime, NaiveDate, NaiveTime, Utc};
use serde_json::json;
use uuid::Uuid;

fn text(text: &str) -> Value {
    Value::Text(text.to_owned())
}

fn instant(text: &str) -> DateTime<Utc> {
    DateTime::parse_from_rfc3339(text).unwrap().to_utc()
}

fn decimal(text: &str) -> Value {
    Value::Decimal(Decimal::parse(text).unwrap())
}

const ID: &str = "0197a5c0-1234-7abc-8def-0123456789ab";

/// SQLite's column type, PostgreSQL's, the result's, the value, and what is read: `Debug` of the cell.
fn cases() -> Vec<(&'static str, &'static str, ColumnType, Value, String)> {
    let time = |text| Value::Time(NaiveTime::parse_from_str(text, "%H:%M:%S").unwrap());
    let date = |text: &str| Value::Date(text.parse::<NaiveDate>().unwrap());
    let shown = |text: &str| format!("Text({text:?})");
    let numbers = [
        "0",
        "1",
        "-1",
        "0.1",
        "-0.0001",
        "1234567890123456789012345678",
        "-9999999999999999999999999999",
        "123456789012345678.0123456789",
        "10000",
        "0.00001",
    ];
    let mut cases: Vec<_> =
        numbers.map(|number| ("DECIMAL_TEXT", "numeric", ColumnType::Decimal, decimal(number), shown(number))).into();
    cases.extend([
        ("TEXT", "uuid", ColumnType::Id, Value::Id(ID.parse().unwrap()), shown(ID)),
        ("TEXT", "text", ColumnType::Text, text("È \"x\"\\ 𝄞\n"), shown("È \"x\"\\ 𝄞\n")),
        ("TEXT", "text", ColumnType::Text, text(""), shown("")),
        (
            "INTEGER",
            "integer",
            ColumnType::Integer,
            Value::Integer(i64::from(i32::MIN)),
            format!("Integer({})", i32::MIN),
        ),
        ("INTEGER", "bigint", ColumnType::Integer, Value::Integer(i64::MAX), format!("Integer({})", i64::MAX)),
        ("INTEGER", "bigint", ColumnType::Integer, Value::Integer(i64::MIN), format!("Integer({})", i64::MIN)),
        ("BOOLEAN_INTEGER", "boolean", ColumnType::Boolean, Value::Boolean(true), "Boolean(true)".to_owned()),
        ("BOOLEAN_INTEGER", "boolean", ColumnType::Boolean, Value::Boolean(false), "Boolean(false)".to_owned()),
        ("TEXT", "date", ColumnType::Date, date("2024-02-29"), shown("2024-02-29")),
        ("TEXT", "date", ColumnType::Date, date("0001-01-01"), shown("0001-01-01")),
        ("TEXT", "time(0)", ColumnType::Time, time("23:59:59"), shown("23:59:59")),
        (
            "TEXT",
            "timestamp(3) with time zone",
            ColumnType::DateTime,
            Value::DateTime(instant("1969-12-31T23:59:59.9999Z")),
            shown("1969-12-31T23:59:59.999Z"),
        ),
        (
            "TEXT",
            "timestamp(3) with time zone",
            ColumnType::DateTime,
            Value::DateTime(instant("2026-11-22T07:00:00.5+01:00")),
            shown("2026-11-22T06:00:00.500Z"),
        ),
        (
            "TEXT",
            "text[]",
            ColumnType::TextList,
            Value::List(vec![text("A\"B"), text("C,{}")]),
            shown("[\"A\\\"B\",\"C,{}\"]"),
        ),
        ("TEXT", "text[]", ColumnType::TextList, Value::List(Vec::new()), shown("[]")),
        ("TEXT", "jsonb", ColumnType::Json, Value::Json(json!(["x", 1.5, null])), String::new()),
    ]);
    cases
}

#[tokio::test]
async fn every_type_of_value_survives_the_round_trip() {
    for database in databases::each().await {
        for (position, (sqlite, postgres, column, value, expected)) in cases().into_iter().enumerate() {
            let ty = database.either(sqlite, postgres);
            database.ddl(&format!("CREATE TABLE \"t{position}\" (\"v\" {ty})")).await;
            for value in [value.clone(), Value::Null] {
                let inserted = database.execute(&format!("INSERT INTO \"t{position}\" VALUES ($1)"), vec![value]).await;
                assert_eq!(inserted.unwrap(), 1);
            }
            let all = format!("SELECT \"v\" FROM \"t{position}\" ORDER BY \"v\" IS NULL");
            let rows = database.query(&all, Vec::new(), &[column]).await.unwrap();
            assert_eq!(rows.len(), 2);
            assert!(rows.cell(1, 0).is_null());
            if column == ColumnType::Json {
                let read: serde_json::Value = serde_json::from_str(rows.cell(0, 0).text().unwrap()).unwrap();
                assert_eq!(Value::Json(read), value);
            } else {
                assert_eq!(format!("{:?}", rows.cell(0, 0)), expected, "{:?} {ty}", database.dialect());
            }
            // It is found again by its own value: compared in the database, not by its text alone.
            if column != ColumnType::Json {
                let same = format!("SELECT count(*) FROM \"t{position}\" WHERE \"v\" = $1");
                let found = database.query(&same, vec![value], &[ColumnType::Integer]).await.unwrap();
                assert_eq!(found.cell(0, 0).integer(), Some(1), "{:?} {ty}", database.dialect());
            }
        }
    }
}

#[tokio::test]
async fn a_list_is_a_set_to_search_in() {
    let ids: Vec<Uuid> = (0_u128..5).map(Uuid::from_u128).collect();
    for database in databases::each().await {
        database
            .ddl(&database.either("CREATE TABLE t (id TEXT, n INTEGER)", "CREATE TABLE t (id uuid, n integer)"))
            .await;
        for (number, id) in (0..).zip(&ids) {
            database
                .execute("INSERT INTO t VALUES ($1, $2)", vec![Value::Id(*id), Value::Integer(number)])
                .await
                .unwrap();
        }
        let among = database.either(
            "SELECT n FROM t WHERE id IN (SELECT value FROM json_each(?1)) AND n IN (SELECT value FROM json_each(?2)) ORDER BY n",
            "SELECT n FROM t WHERE id = ANY($1) AND n = ANY($2) ORDER BY n",
        );
        let numbers = Value::List(vec![Value::Integer(1), Value::Integer(3), Value::Integer(4)]);
        let statement = Statement {
            text: among,
            params: vec![Param::Parents, Param::Value(numbers, Transform::None)],
            columns: vec![ColumnType::Integer],
        };
        let parents = ids[..4].to_vec();
        let rows = database
            .store
            .read::<_, StoreError, _>(move |tx| {
                Box::pin(
                    async move { tx.query(&statement, &Bindings { parents: &parents, ..Bindings::default() }).await },
                )
            })
            .await
            .unwrap();
        let found: Vec<_> = (0..rows.len()).map(|row| rows.cell(row, 0).integer().unwrap()).collect();
        assert_eq!(found, [1, 3], "{:?}", database.dialect());
    }
}

#[tokio::test]
async fn a_value_that_the_column_cannot_hold_is_refused() {
    if let Some(database) = databases::postgres().await {
        database.ddl("CREATE TABLE t (n integer, d numeric(4,2), x text)").await;
        for (column, value) in [("n", Value::Integer(1 << 40)), ("d", decimal("100")), ("x", text("a\0b"))] {
            let refused = database.execute(&format!("INSERT INTO t ({column}) VALUES ($1)"), vec![value]).await;
            assert!(matches!(refused, Err(StoreError::ValueRefused(_))), "{column}: {refused:?}");
        }
    }
    let database = databases::sqlite().await;
    database.ddl("CREATE TABLE t (d REAL)").await;
    database.execute("INSERT INTO t VALUES ($1)", vec![decimal("0.1")]).await.unwrap();
    // A column that has made a float of a decimal is noticed, not shown.
    let damaged = database.query("SELECT d FROM t", Vec::new(), &[ColumnType::Decimal]).await;
    assert!(matches!(damaged, Err(StoreError::Corrupt(_))), "{damaged:?}");
}
