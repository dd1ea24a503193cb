//! PostgreSQL's rows → a row set.

use std::error::Error;

use cardine_sql::ColumnType;
use chrono::{DateTime, NaiveTime, TimeDelta};
use tokio_postgres::Row;
use tokio_postgres::types::{FromSql, Type};
use uuid::Uuid;

use super::encode::{EPOCH_DATE, EPOCH_SECONDS};
use super::numeric;
use crate::StoreError;
use crate::rows::RowSetBuilder;
use crate::text_form::{push_date, push_id, push_instant, push_json_string, push_time};

/// Appends one row.
pub(super) fn push_row(row: &Row, columns: &[ColumnType], builder: &mut RowSetBuilder) -> Result<(), StoreError> {
    for (position, column) in columns.iter().enumerate() {
        let cell: Option<Raw<'_>> = row.try_get(position).map_err(|error| StoreError::internal(error.to_string()))?;
        match cell {
            None => builder.null(),
            Some(Raw(bytes)) => push_cell(bytes, row.columns()[position].type_(), *column, builder)?,
        }
    }
    builder.end_row();
    Ok(())
}

/// A value's bytes, of whatever type.
struct Raw<'a>(&'a [u8]);

impl<'a> FromSql<'a> for Raw<'a> {
    fn from_sql(_: &Type, raw: &'a [u8]) -> Result<Self, Box<dyn Error + Sync + Send>> {
        Ok(Self(raw))
    }

    fn accepts(_: &Type) -> bool {
        true
    }
}

/// The column's type tells what is wanted, the database's type what there is: a sum of integers, for one, is `numeric`.
fn push_cell(bytes: &[u8], ty: &Type, column: ColumnType, builder: &mut RowSetBuilder) -> Result<(), StoreError> {
    match (ty, column) {
        (&Type::INT8 | &Type::INT4 | &Type::INT2, ColumnType::Integer) => builder.integer(integer(bytes)?),
        (&Type::NUMERIC, ColumnType::Integer) => {
            let mut digits = String::new();
            numeric::decode(bytes, &mut digits)?;
            builder.integer(digits.parse().map_err(|_| mismatch(ty, column))?);
        }
        (&Type::BOOL, ColumnType::Boolean) => builder.boolean(bytes == [1]),
        (_, ColumnType::Integer | ColumnType::Boolean) => return Err(mismatch(ty, column)),
        _ => builder.text_with(|out| push_text(bytes, ty, column, out))?,
    }
    Ok(())
}

fn push_text(bytes: &[u8], ty: &Type, column: ColumnType, out: &mut String) -> Result<(), StoreError> {
    match *ty {
        Type::TEXT | Type::VARCHAR | Type::BPCHAR | Type::NAME | Type::JSON | Type::UNKNOWN => {
            out.push_str(utf8(bytes)?)
        }
        Type::UUID => {
            let id = Uuid::from_slice(bytes).map_err(|_| mismatch(ty, column))?;
            push_id(id, out);
        }
        Type::NUMERIC => numeric::decode(bytes, out)?,
        Type::INT8 | Type::INT4 | Type::INT2 => {
            out.push_str(itoa::Buffer::new().format(integer(bytes)?));
        }
        Type::DATE => {
            let days = TimeDelta::days(integer(bytes)?);
            push_date(EPOCH_DATE.checked_add_signed(days).ok_or_else(|| mismatch(ty, column))?, out);
        }
        Type::TIME => {
            let micros = integer(bytes)?;
            let seconds = u32::try_from(micros / 1_000_000).map_err(|_| mismatch(ty, column))?;
            // 24:00:00 is a time for PostgreSQL alone.
            push_time(
                NaiveTime::from_num_seconds_from_midnight_opt(seconds, 0).ok_or_else(|| mismatch(ty, column))?,
                out,
            );
        }
        Type::TIMESTAMPTZ | Type::TIMESTAMP => {
            let micros = integer(bytes)?.checked_add(EPOCH_SECONDS * 1_000_000);
            let instant = micros.and_then(DateTime::from_timestamp_micros).ok_or_else(|| mismatch(ty, column))?;
            push_instant(instant, out);
        }
        Type::JSONB => out.push_str(utf8(bytes.get(1..).unwrap_or_default())?),
        Type::TEXT_ARRAY | Type::VARCHAR_ARRAY => push_text_array(bytes, out)?,
        _ => return Err(mismatch(ty, column)),
    }
    Ok(())
}

/// `text[]` of one dimension as a JSON list; a null in it as `null`.
fn push_text_array(bytes: &[u8], out: &mut String) -> Result<(), StoreError> {
    let damaged = || StoreError::corrupt("an array that is no list of texts");
    let mut rest = bytes;
    let mut word = |length: usize| -> Result<&[u8], StoreError> {
        let (head, tail) = rest.split_at_checked(length).ok_or_else(damaged)?;
        rest = tail;
        Ok(head)
    };
    let dimensions = integer(word(4)?)?;
    word(8)?;
    out.push('[');
    if dimensions == 1 {
        let count = integer(word(4)?)?;
        word(4)?;
        for position in 0..count {
            if position > 0 {
                out.push(',');
            }
            match usize::try_from(integer(word(4)?)?) {
                Ok(length) => push_json_string(utf8(word(length)?)?, out),
                Err(_) => out.push_str("null"),
            }
        }
    } else if dimensions != 0 {
        return Err(damaged());
    }
    out.push(']');
    Ok(())
}

/// A signed integer of 2, 4 or 8 bytes.
fn integer(bytes: &[u8]) -> Result<i64, StoreError> {
    let wrong = || StoreError::corrupt("an integer of no known size");
    Ok(match bytes.len() {
        2 => i64::from(i16::from_be_bytes(bytes.try_into().map_err(|_| wrong())?)),
        4 => i64::from(i32::from_be_bytes(bytes.try_into().map_err(|_| wrong())?)),
        8 => i64::from_be_bytes(bytes.try_into().map_err(|_| wrong())?),
        _ => return Err(wrong()),
    })
}

fn utf8(bytes: &[u8]) -> Result<&str, StoreError> {
    std::str::from_utf8(bytes).map_err(|_| StoreError::corrupt("a text that is not UTF-8"))
}

fn mismatch(ty: &Type, column: ColumnType) -> StoreError {
    StoreError::corrupt(format!("a value of {ty} in a column of {column:?}"))
}
