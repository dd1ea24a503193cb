//! SQLite's rows → a row set.

use cardine_sql::ColumnType;
use rusqlite::Rows;
use rusqlite::types::ValueRef;

use super::error::translate;
use crate::StoreError;
use crate::rows::{RowSet, RowSetBuilder};

/// Reads all rows. A value that its column's type does not allow, such as a floating-point number, is damage.
pub(super) fn read_rows(mut rows: Rows<'_>, columns: &[ColumnType]) -> Result<RowSet, StoreError> {
    let mut builder = RowSetBuilder::new(columns.len());
    while let Some(row) = rows.next().map_err(translate)? {
        for (position, column) in columns.iter().enumerate() {
            let value = row.get_ref(position).map_err(translate)?;
            push_cell(value, *column, &mut builder)?;
        }
        builder.end_row();
    }
    Ok(builder.finish())
}

fn push_cell(value: ValueRef<'_>, column: ColumnType, builder: &mut RowSetBuilder) -> Result<(), StoreError> {
    match (value, column) {
        (ValueRef::Null, _) => builder.null(),
        (ValueRef::Integer(number), ColumnType::Integer) => builder.integer(number),
        (ValueRef::Integer(number @ (0 | 1)), ColumnType::Boolean) => builder.boolean(number == 1),
        (ValueRef::Integer(number), ColumnType::Decimal | ColumnType::Text | ColumnType::Json) => {
            builder.text_with(|out| {
                out.push_str(itoa::Buffer::new().format(number));
                Ok(())
            })?
        }
        (ValueRef::Text(bytes), ColumnType::Integer) => {
            // An exact sum is text, also of integers.
            let number = utf8(bytes)?.parse().map_err(|_| mismatch("text", column))?;
            builder.integer(number);
        }
        (ValueRef::Text(_), ColumnType::Boolean) => return Err(mismatch("text", column)),
        (ValueRef::Text(bytes), _) => builder.text(utf8(bytes)?)?,
        (other, _) => return Err(mismatch(&other.data_type().to_string(), column)),
    }
    Ok(())
}

fn utf8(bytes: &[u8]) -> Result<&str, StoreError> {
    std::str::from_utf8(bytes).map_err(|_| StoreError::corrupt("a text that is not UTF-8"))
}

fn mismatch(found: &str, column: ColumnType) -> StoreError {
    StoreError::corrupt(format!("a stored {found} in a column of {column:?}"))
}
