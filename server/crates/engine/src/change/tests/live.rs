//! Changes beside requests that run.

use cardine_store::{BoxFuture, ColumnType, Dialect, ReadTx, Statement, StoreError};
use serde_json::json;
use tokio::sync::oneshot;

use super::database::{Database, administrator, rows};

/// A request holds the table; the change waits for it, and takes effect when it has ended. The request sees its snapshot to the end.
#[tokio::test(flavor = "multi_thread")]
async fn a_change_waits_for_a_request_on_the_table() {
    for database in Database::each().await {
        let engine = database.engine().await;
        let count =
            |text: &str| Statement { text: text.to_owned(), params: Vec::new(), columns: vec![ColumnType::Integer] };
        let (reading, has_read) = oneshot::channel();
        let (end, ended) = oneshot::channel::<()>();
        let store = engine.store().clone();
        let request = tokio::spawn(async move {
            store
                .read(move |tx: &mut ReadTx| -> BoxFuture<'_, Result<usize, StoreError>> {
                    Box::pin(async move {
                        let statement = count(r#"SELECT count("id") FROM "product""#);
                        let mut answers = tx.query(&statement, &Default::default()).await?.len();
                        reading.send(()).unwrap();
                        ended.await.unwrap();
                        answers += tx.query(&statement, &Default::default()).await?.len();
                        Ok(answers)
                    })
                })
                .await
        });
        has_read.await.unwrap();
        let changing = tokio::spawn({
            let engine = engine.clone();
            let field = json!({"name": "size", "type": "integer"});
            async move { engine.add_field(&administrator(&engine), "Product", field, false).await }
        });
        if engine.store().dialect() == Dialect::Postgres {
            // Until the change really waits for the table.
            let waiting = "SELECT count(*) FROM pg_locks WHERE NOT granted AND relation = 'product'::regclass";
            while rows(engine.store(), waiting, vec![ColumnType::Integer]).await == [["0"]] {
                tokio::task::yield_now().await;
            }
            assert!(!changing.is_finished());
            assert_eq!(engine.snapshot().catalog.version, 1);
        }
        end.send(()).unwrap();
        assert_eq!(request.await.unwrap().unwrap(), 2);
        assert_eq!(changing.await.unwrap().unwrap().version, 2);
        assert_eq!(engine.check_tables().await.unwrap(), Vec::<String>::new());
    }
}
