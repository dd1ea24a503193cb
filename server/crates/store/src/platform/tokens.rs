//! Which of the sessions and API keys that open connections were begun with are still good.

use cardine_sql::{ColumnType, Dialect, Param, Statement};
use chrono::{DateTime, Utc};
use uuid::Uuid;

use super::access::id;
use crate::{Bindings, ReadTx, StoreError};

/// Those of `ids` that are sessions or API keys and good at `now`; one statement for all of them.
pub async fn fetch_good_tokens(tx: &mut ReadTx, ids: &[Uuid], now: DateTime<Utc>) -> Result<Vec<Uuid>, StoreError> {
    let (among, now_param) = match tx.dialect() {
        Dialect::Sqlite => (r#""id" IN (SELECT value FROM json_each(?1))"#, "?2"),
        Dialect::Postgres => (r#""id" = ANY($1::uuid[])"#, "$2::timestamptz"),
    };
    let text = format!(
        r#"SELECT "id" FROM "session"
            WHERE {among} AND "revoked_at" IS NULL AND "replaced_by_id" IS NULL AND "expires_at" > {now_param}
        UNION ALL
        SELECT "id" FROM "api_key"
            WHERE {among} AND "revoked_at" IS NULL AND ("expires_at" IS NULL OR "expires_at" > {now_param})"#
    );
    let statement = Statement { text, params: vec![Param::Parents, Param::Now], columns: vec![ColumnType::Id] };
    let rows = tx.query(&statement, &Bindings { parents: ids, now, ..Bindings::default() }).await?;
    (0..rows.len()).map(|row| id(&rows, row, 0)).collect()
}
