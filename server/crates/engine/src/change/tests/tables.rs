//! The tables of modules: every kind of field keeps its values, and what is missing or different is found.

use std::sync::Arc;

use cardine_model::catalog::{Field, Module};
use cardine_model::{Decimal, Value};
use cardine_sql::write::{
    Assignment, Life, Purpose, Reach, Selection, Which, delete_rows, insert_rows, select_rows, stored_fields,
};
use cardine_store::{Bindings, BoxFuture, StoreError, WriteTx};
use chrono::{DateTime, NaiveDate, NaiveTime};
use serde_json::{Value as Json, json};
use uuid::Uuid;

use super::database::{Database, administrator, run};
use crate::{Engine, Record, RequestContext};

/// A module with a field of every type and the options that change how it is stored.
pub(super) fn every_type(name: &str) -> Json {
    json!({
        "name": name, "plural": format!("{name}s"),
        "fields": [
            {"name": "line", "type": "text", "indexed": true, "maxLength": 400},
            {"name": "story", "type": "longText"},
            {"name": "page", "type": "richText"},
            {"name": "mail", "type": "email", "unique": true},
            {"name": "phone", "type": "phone", "indexed": true},
            {"name": "site", "type": "url", "indexed": true},
            {"name": "count", "type": "integer", "indexed": true},
            {"name": "bigCount", "type": "integer", "big": true, "unique": true},
            {"name": "amount", "type": "money", "indexed": true},
            {"name": "ratio", "type": "decimal", "scale": 10, "unique": true},
            {"name": "share", "type": "percent", "scale": 0},
            {"name": "open", "type": "boolean", "indexed": true},
            {"name": "day", "type": "date", "indexed": true},
            {"name": "hour", "type": "time", "indexed": true},
            {"name": "instant", "type": "dateTime", "indexed": true},
            {"name": "kind", "type": "choice", "indexed": true, "options": [{"value": "ONE"}, {"value": "TWO"}]},
            {"name": "kinds", "type": "multiChoice", "options": [{"value": "ONE"}, {"value": "TWO"}]},
            {"name": "extra", "type": "json"},
            {"name": "maker", "type": "reference", "to": "Organization", "inverse": format!("made{name}s")},
            {"name": "subject", "type": "reference", "to": ["Organization", "Contact"]},
            {"name": "any", "type": "reference", "to": "*"},
            {"name": "number", "type": "autoNumber", "format": "N-{0000}"},
            {"name": "double", "type": "formula", "returns": "decimal", "rule": "amount * 2"}
        ],
        "indexes": [{"fields": ["kind", "day"]}, {"fields": ["line", "createdBy"]}],
        "uniques": [{"fields": ["kind", "count", "maker"]}]
    })
}

/// A value of a field of [`every_type`] that a careless type would change.
fn delicate_value(field: &Field) -> Value {
    let id = || Value::Id(Uuid::from_u128(0x0190_0000_0000_7000_8000_0000_0000_00ff));
    match field.name.as_str() {
        "id" => id(),
        "version" => Value::Integer(i64::from(i32::MAX)),
        "createdAt" | "updatedAt" | "instant" => {
            Value::DateTime(DateTime::parse_from_rfc3339("1999-12-31T23:59:59.999Z").unwrap().to_utc())
        }
        "deletedAt" => Value::Null,
        "line" => Value::Text("12".to_owned()),
        "story" => Value::Text("à la\ncarte 🍽 '\"\\".to_owned()),
        "page" => Value::Text("<p>1e3</p>".to_owned()),
        "mail" => Value::Text("Anna.Rossi@example.com".to_owned()),
        "phone" => Value::Text("+390123456".to_owned()),
        "site" => Value::Text("https://example.com/à".to_owned()),
        "count" => Value::Integer(-2_147_483_648),
        "bigCount" => Value::Integer(i64::MAX),
        "amount" => decimal("99999999999999999999999999.90"),
        "ratio" => decimal("-123456789012345678.0123456789"),
        "share" => decimal("0"),
        "open" => Value::Boolean(false),
        "day" => Value::Date(NaiveDate::from_ymd_opt(2024, 2, 29).unwrap()),
        "hour" => Value::Time(NaiveTime::from_hms_opt(23, 59, 59).unwrap()),
        "kind" => Value::Text("TWO".to_owned()),
        "kinds" => Value::List(vec![Value::Text("TWO".to_owned()), Value::Text("ONE".to_owned())]),
        "extra" => Value::Json(json!({"a": [1, "x", null], "b": {"c": true}})),
        "number" => Value::Text("0001".to_owned()),
        _ => id(),
    }
}

fn decimal(text: &str) -> Value {
    Value::Decimal(Decimal::parse(text).unwrap())
}

#[tokio::test(flavor = "multi_thread")]
async fn every_type_keeps_its_values_as_a_new_table_and_as_added_columns() {
    for database in Database::each().await {
        let engine = database.engine().await;
        let ctx = administrator(&engine);
        engine.create_module(&ctx, every_type("Sample"), false).await.unwrap();
        assert_eq!(engine.check_tables().await.unwrap(), Vec::<String>::new());

        let bare = json!({"name": "Grown", "plural": "Growns", "fields": [{"name": "first", "type": "text"}]});
        engine.create_module(&ctx, bare, false).await.unwrap();
        for field in every_type("Grown")["fields"].as_array().unwrap() {
            engine.add_field(&ctx, "Grown", field.clone(), false).await.unwrap();
        }
        assert_eq!(engine.check_tables().await.unwrap(), Vec::<String>::new());

        let ctx = administrator(&engine);
        for (name, many) in [("Sample", false), ("Grown", false), ("Sample", true), ("Grown", true)] {
            let module = engine.snapshot().catalog.module_by_name(name).unwrap().clone();
            let mut written = Record::empty(&module);
            for field in stored_fields(&module).filter(|field| field.name != "first") {
                written.set(field.id, delicate_value(field));
            }
            let read = write_and_read(&engine, &ctx, &module, &written, many).await;
            for field in stored_fields(&module) {
                assert_eq!(
                    read.get(field.id),
                    written.get(field.id),
                    "{} on {:?}",
                    field.name,
                    engine.store().dialect()
                );
            }
        }
    }
}

async fn write_and_read(engine: &Engine, ctx: &RequestContext, module: &Module, record: &Record, many: bool) -> Record {
    let dialect = engine.store().dialect();
    let mut assignments = Vec::new();
    let mut values = Vec::new();
    // A second one beside it, so that PostgreSQL takes lists; empty, because some of its values would have to be unique.
    let mut other = Vec::new();
    for field in stored_fields(module) {
        assignments.push(Assignment::field(field));
        values.push(record.get(field.id).clone());
        other.push(if field.system { record.get(field.id).clone() } else { Value::Null });
        if let Some(target) = Assignment::target_module(field) {
            assignments.push(target);
            values.push(Value::Text("Organization".to_owned()));
            other.push(if field.system { Value::Text("Organization".to_owned()) } else { Value::Null });
        }
    }
    let selection =
        Selection { which: Which::Ids, purpose: Purpose::Update, reach: Reach::Caller, life: Life::Live, limit: None };
    let select = select_rows(dialect, ctx.catalog(), &ctx.actor.rights, module.id, selection);
    let Value::Id(id) = *record.get(Module::ID) else { panic!("a record without an id") };
    other[Module::ID.0 as usize] = Value::Id(Uuid::now_v7());
    let rows = if many { vec![values, other] } else { vec![values] };
    let insert = insert_rows(dialect, module, &assignments, rows.len());
    let delete = delete_rows(dialect, module);
    let work = Arc::new((insert, select, delete, rows, id, module.clone()));
    engine
        .store()
        .write(move |tx: &mut WriteTx| -> BoxFuture<'_, Result<Record, StoreError>> {
            let work = Arc::clone(&work);
            Box::pin(async move {
                let (insert, select, delete, rows, id, module) = &*work;
                assert_eq!(tx.execute_rows(insert, rows.clone()).await?, rows.len() as u64);
                let bindings = Bindings { parents: std::slice::from_ref(id), ..Bindings::default() };
                let rows = tx.query(select, &bindings).await?;
                // The place is free for the next.
                tx.execute(delete, &bindings).await?;
                assert_eq!(rows.len(), 1);
                Ok(Record::from_row(module, &rows, 0))
            })
        })
        .await
        .unwrap()
}

#[tokio::test(flavor = "multi_thread")]
async fn what_was_changed_by_hand_is_found() {
    for database in Database::each().await {
        let engine = database.engine().await;
        assert_eq!(engine.check_tables().await.unwrap(), Vec::<String>::new());
        run(
            engine.store(),
            "DROP TABLE ticket; DROP INDEX _ix_product__owner_id; ALTER TABLE quote ADD COLUMN scratch text;
             DROP INDEX _ix_campaign__start_date; ALTER TABLE campaign DROP COLUMN start_date",
        )
        .await;
        assert_eq!(
            engine.check_tables().await.unwrap(),
            [
                "the column `start_date` of the table `campaign` is missing",
                "the index `_ix_campaign__start_date` of the table `campaign` is missing",
                "the index `_ix_product__owner_id` of the table `product` is missing",
                "the column `scratch` of the table `quote` belongs to no field",
                "the table `ticket` of the module `Ticket` is missing",
            ]
        );
    }
}
