//! What the database's planner knows of the tables: looked after, so that it is never asked to plan for a table of which it knows
//! nothing. PostgreSQL's own upkeep comes a minute late, or not at all where it is switched off; until then conditions on
//! related records may be planned to run for seconds over a handful of records.

use cardine_sql::{ColumnType, Dialect, Statement};

use crate::{Bindings, Store, StoreError};

/// Tables looked at in one go; the others follow in the next.
const TABLES_MAX: usize = 50;

/// SQLite looks for itself, and reads no more than so many entries of an index. The bits: do it, within the limit, for all tables.
const SQLITE_OPTIMIZE: &str = "PRAGMA analysis_limit = 1000; PRAGMA optimize = 0x10012;";

/// Has the database look at tables that it knows nothing of, or that have changed by more than a tenth since it looked. Gives
/// their names where it is known which they are: on PostgreSQL.
pub async fn refresh(store: &Store) -> Result<Vec<String>, StoreError> {
    if store.dialect() == Dialect::Sqlite {
        store.write(|tx| Box::pin(async move { tx.run_ddl(SQLITE_OPTIMIZE).await })).await?;
        return Ok(Vec::new());
    }
    let text = format!(
        "SELECT quote_ident(c.relname) FROM pg_class c LEFT JOIN pg_stat_user_tables s ON s.relid = c.oid
         WHERE c.relkind = 'r' AND c.relnamespace = current_schema()::regnamespace
           AND (c.reltuples < 0 AND pg_relation_size(c.oid) > 0
                OR s.n_mod_since_analyze > 50 + 0.1 * greatest(c.reltuples, 0))
         ORDER BY s.n_mod_since_analyze DESC NULLS LAST LIMIT {TABLES_MAX}"
    );
    let statement = Statement { text, params: Vec::new(), columns: vec![ColumnType::Text] };
    let names: Vec<String> = store
        .read::<_, StoreError, _>(move |tx| {
            Box::pin(async move {
                let rows = tx.query(&statement, &Bindings::default()).await?;
                Ok((0..rows.len()).filter_map(|row| rows.cell(row, 0).text().map(str::to_owned)).collect())
            })
        })
        .await?;
    for name in &names {
        // Each by itself, so that none is held up by another.
        let analyze = format!("ANALYZE {name}");
        store
            .write(move |tx| {
                let analyze = analyze.clone();
                Box::pin(async move { tx.run_ddl(&analyze).await })
            })
            .await?;
    }
    Ok(names)
}
