//! Notifications: their table is in no module's way, and old ones go in portions.
#![allow(clippy::unwrap_used, reason = "in a test a panic is how it fails; clippy sees only functions marked #[test]")]

mod databases;

use cardine_model::Value;
use cardine_store::WriteTx;
use cardine_store::platform::notifications::{NewNotification, delete_notifications, insert_notifications, mark_read};
use chrono::{DateTime, TimeDelta, Utc};
use uuid::Uuid;

#[tokio::test]
async fn a_table_of_that_name_that_a_module_made_stays() {
    for database in databases::each().await {
        database.ddl("CREATE TABLE \"notification\" (id integer); INSERT INTO \"notification\" (id) VALUES (7)").await;
        database.store.migrate().await.unwrap();
        assert_eq!(database.number("SELECT CAST(id AS bigint) FROM \"notification\"").await, 7);
    }
}

#[tokio::test]
async fn those_that_are_given_are_marked_and_old_ones_go_in_portions() {
    for database in databases::each().await {
        database.store.migrate().await.unwrap();
        let (store, user, now) = (&database.store, Uuid::now_v7(), Utc::now());
        let text = database.either(
            "INSERT INTO \"user\" (\"id\", \"created_at\", \"updated_at\", \"name\", \"email\") VALUES (?1, ?2, ?2, 'u', 'u')",
            "INSERT INTO \"user\" (\"id\", \"created_at\", \"updated_at\", \"name\", \"email\") VALUES ($1::uuid, $2::timestamptz, $2::timestamptz, 'u', 'u')",
        );
        database.execute(&text, vec![Value::Id(user), Value::DateTime(now)]).await.unwrap();
        let ids: Vec<Uuid> = (0..5).map(|_| Uuid::now_v7()).collect();
        let (made, marked) = (ids.clone(), vec![ids[3], ids[1]]);
        let write = store.write(move |tx: &mut WriteTx| {
            let (ids, marked) = (made.clone(), marked.clone());
            Box::pin(async move {
                let made = |(position, id): (usize, &Uuid)| NewNotification {
                    id: *id,
                    user,
                    at: if position < 3 { now - TimeDelta::days(200) } else { now },
                    kind: "MENTION",
                    module: "Remark",
                    record: *id,
                };
                let new: Vec<_> = ids.iter().enumerate().map(made).collect();
                insert_notifications(tx, &new).await?;
                mark_read(tx, user, &marked, now).await
            })
        });
        assert_eq!(write.await.unwrap(), [ids[1], ids[3]]);
        let delete = async |before: DateTime<Utc>| -> u64 {
            store.write(move |tx: &mut WriteTx| Box::pin(delete_notifications(tx, before, 2))).await.unwrap()
        };
        let before = now - TimeDelta::days(180);
        assert_eq!([delete(before).await, delete(before).await, delete(before).await], [2, 1, 0]);
        assert_eq!(database.number("SELECT count(*) FROM \"_notification\" WHERE \"read_at\" IS NULL").await, 1);
    }
}
