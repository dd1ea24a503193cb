//! Statements that PostgreSQL takes outside of transactions only, such as `CREATE INDEX CONCURRENTLY`.

use super::error::translate;
use super::pool::{Pool, Pooled};
use crate::StoreError;

/// Runs one statement on a connection of its own, which is closed afterwards.
pub(crate) async fn run_alone(pool: &Pool, text: &str) -> Result<(), StoreError> {
    let connection = Pooled::take(pool.get().await?);
    for statement in ["SET default_transaction_read_only = off", text] {
        connection.client.batch_execute(statement).await.map_err(translate)?;
    }
    Ok(())
}
