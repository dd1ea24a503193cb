//! Audit entries are appended, and the database itself refuses to change or delete one.
#![allow(clippy::unwrap_used, reason = "in a test a panic is how it fails; clippy sees only functions marked #[test]")]

mod databases;

use cardine_store::platform::audit::{AuditFilter, fetch_audit};
use cardine_store::platform::events::{NewAudit, insert_audit};
use cardine_store::{Dialect, Store, StoreError};
use chrono::Utc;
use uuid::Uuid;

async fn append(store: &Store, action: &'static str) {
    let write = store.write(move |tx| {
        Box::pin(async move {
            let entry = NewAudit {
                at: Utc::now(),
                actor: None,
                on_behalf_of: None,
                via: "system",
                action,
                module: None,
                record: None,
                changes: "{}".into(),
                request: Uuid::now_v7(),
            };
            insert_audit(tx, &entry).await
        })
    });
    write.await.unwrap();
}

async fn actions(store: &Store) -> Vec<String> {
    let read = store.read(|tx| Box::pin(async move { fetch_audit(tx, &AuditFilter::default(), 100).await }));
    read.await.unwrap().into_iter().map(|row| row.action).collect()
}

#[tokio::test]
async fn no_entry_is_changed_or_deleted() {
    for database in databases::each().await {
        let store = &database.store;
        store.migrate().await.unwrap();
        append(store, "ONE").await;
        let mut statements = vec![
            r#"UPDATE "audit_entry" SET "action" = 'NONE'"#,
            r#"UPDATE "audit_entry" SET "action" = 'NONE' WHERE 1 = 0 OR "action" = 'ONE'"#,
            r#"DELETE FROM "audit_entry""#,
        ];
        if database.dialect() == Dialect::Postgres {
            statements.push(r#"TRUNCATE "audit_entry""#);
        }
        for statement in statements {
            let change =
                store.write::<_, StoreError, _>(move |tx| Box::pin(async move { tx.run_ddl(statement).await }));
            assert!(change.await.is_err(), "{:?} {statement}", database.dialect());
        }
        append(store, "TWO").await;
        assert_eq!(actions(store).await, ["TWO", "ONE"], "{:?}", database.dialect());
    }
}
