//! Turns: who had which number when something was given to users one after the other.

use cardine_model::Value;
use cardine_sql::ColumnType;
use uuid::Uuid;

use super::access::id;
use super::{insert_rows, portable};
use crate::{Bindings, StoreError, WriteTx};

/// Who had a turn under a name of a module, each with the number of their last one.
pub async fn fetch_turns(tx: &mut WriteTx, module: &str, name: &str) -> Result<Vec<(Uuid, i64)>, StoreError> {
    let text = r#"SELECT "user_id", "number" FROM "_turn" WHERE "module" = $1::text AND "name" = $2::text"#;
    let statement = portable(tx.dialect(), text, 2, &[ColumnType::Id, ColumnType::Integer]);
    let values = [module, name].map(|text| Value::Text(text.to_owned()));
    let rows = tx.query(&statement, &Bindings { values: &values, ..Bindings::default() }).await?;
    let turn = |row| {
        let number = rows.cell(row, 1).integer();
        Ok((id(&rows, row, 0)?, number.ok_or_else(|| StoreError::corrupt("a turn without a number"))?))
    };
    (0..rows.len()).map(turn).collect()
}

/// Keeps the numbers of these users' last turns; a user once.
pub async fn store_turns(tx: &mut WriteTx, module: &str, name: &str, turns: &[(Uuid, i64)]) -> Result<(), StoreError> {
    const COLUMNS: [(&str, &str); 4] =
        [("module", "text"), ("name", "text"), ("user_id", "uuid"), ("number", "bigint")];
    const TAIL: &str = r#"ON CONFLICT ("module", "name", "user_id") DO UPDATE SET "number" = excluded."number""#;
    let text = |text: &str| Value::Text(text.to_owned());
    let rows =
        turns.iter().map(|(user, number)| vec![text(module), text(name), Value::Id(*user), Value::Integer(*number)]);
    let statement = insert_rows(tx.dialect(), "_turn", &COLUMNS, turns.len(), TAIL, &[]);
    tx.execute_rows(&statement, rows.collect()).await.map(|_| ())
}
