//! A bound value → the bytes of the type that PostgreSQL expects for the parameter.

use std::error::Error;

use bytes::{BufMut as _, BytesMut};
use cardine_model::Value;
use chrono::{NaiveDate, NaiveTime, Timelike as _};
use tokio_postgres::types::{IsNull, Kind, ToSql, Type};
use uuid::Uuid;

use super::numeric;
use crate::StoreError;
use crate::bindings::Bound;
use crate::error::cause;
use crate::text_form::{push_json_list, push_json_string, push_list, push_plain};

/// Seconds from 1970 to 2000, where PostgreSQL's time begins.
pub(super) const EPOCH_SECONDS: i64 = 946_684_800;

/// 2000-01-01.
pub(super) const EPOCH_DATE: NaiveDate = NaiveDate::from_ymd_opt(2000, 1, 1).expect("a date of the calendar");

impl ToSql for Bound<'_> {
    fn to_sql(&self, ty: &Type, out: &mut BytesMut) -> Result<IsNull, Box<dyn Error + Sync + Send>> {
        let encoded = match self {
            Self::Value(value) => encode(value, ty, out),
            Self::Ids(ids) | Self::IdsInOrder(ids) => encode_ids(ids, ty, out).map(|()| IsNull::No),
        };
        Ok(encoded?)
    }

    fn accepts(_: &Type) -> bool {
        true
    }

    fn to_sql_checked(&self, ty: &Type, out: &mut BytesMut) -> Result<IsNull, Box<dyn Error + Sync + Send>> {
        self.to_sql(ty, out)
    }
}

fn encode(value: &Value, ty: &Type, out: &mut BytesMut) -> Result<IsNull, StoreError> {
    match (value, ty.kind()) {
        (Value::Null, _) => return Ok(IsNull::Yes),
        (Value::List(elements), Kind::Array(element)) => {
            encode_array(elements, element, out, |value, out| encode(value, element, out))?;
        }
        (Value::Json(_) | Value::List(_) | Value::Text(_), _) if *ty == Type::JSON || *ty == Type::JSONB => {
            if *ty == Type::JSONB {
                // The version of jsonb's binary format.
                out.put_u8(1);
            }
            out.put_slice(json_text(value).as_bytes());
        }
        (Value::Text(text), _) if is_text(ty) => out.put_slice(text.as_bytes()),
        (value, _) if is_text(ty) => {
            let mut text = String::new();
            push_plain(value, &mut text);
            out.put_slice(text.as_bytes());
        }
        (Value::Boolean(truth), _) if *ty == Type::BOOL => out.put_u8(u8::from(*truth)),
        (Value::Integer(number), _) => encode_integer(*number, ty, out)?,
        (Value::Decimal(number), _) if *ty == Type::NUMERIC => numeric::encode(&number.to_string(), out)?,
        (Value::Decimal(number), _) => {
            let whole = number.to_i64().ok_or_else(|| mismatch(value, ty))?;
            encode_integer(whole, ty, out)?;
        }
        (Value::Date(date), _) if *ty == Type::DATE => encode_date(*date, out)?,
        (Value::Time(time), _) if *ty == Type::TIME => out.put_i64(time_micros(*time)),
        (Value::DateTime(instant), _) if *ty == Type::TIMESTAMPTZ || *ty == Type::TIMESTAMP => {
            // Cut to milliseconds, as on SQLite; the server would round.
            out.put_i64((instant.timestamp_millis() - EPOCH_SECONDS * 1_000) * 1_000);
        }
        (Value::Id(id), _) if *ty == Type::UUID => out.put_slice(id.as_bytes()),
        (Value::Text(text), _) if *ty == Type::UUID => {
            let id: Uuid = text.parse().map_err(|_| mismatch(value, ty))?;
            out.put_slice(id.as_bytes());
        }
        _ => return Err(mismatch(value, ty)),
    }
    Ok(IsNull::No)
}

fn encode_ids(ids: &[Uuid], ty: &Type, out: &mut BytesMut) -> Result<(), StoreError> {
    if let Kind::Array(element) = ty.kind() {
        return encode_array(ids, element, out, |id, out| encode(&Value::Id(*id), element, out));
    }
    if !is_text(ty) {
        return Err(StoreError::internal(format!("a list of ids for a parameter of {ty}")));
    }
    let mut text = String::new();
    push_list(ids, &mut text, |id, text| push_json_string(&id.to_string(), text));
    out.put_slice(text.as_bytes());
    Ok(())
}

/// An array of one dimension (`array_send` in PostgreSQL's `arrayfuncs.c`).
fn encode_array<T>(
    elements: &[T],
    ty: &Type,
    out: &mut BytesMut,
    encode_element: impl Fn(&T, &mut BytesMut) -> Result<IsNull, StoreError>,
) -> Result<(), StoreError> {
    let too_long = || StoreError::ValueRefused(cause("a list that is too long"));
    out.put_i32(i32::from(!elements.is_empty()));
    // Whether there are nulls: the server looks for itself.
    out.put_i32(1);
    out.put_u32(ty.oid());
    if elements.is_empty() {
        return Ok(());
    }
    out.put_i32(i32::try_from(elements.len()).map_err(|_| too_long())?);
    out.put_i32(1);
    for element in elements {
        let start = out.len();
        out.put_i32(-1);
        if let IsNull::No = encode_element(element, out)? {
            let length = i32::try_from(out.len() - start - 4).map_err(|_| too_long())?;
            out[start..start + 4].copy_from_slice(&length.to_be_bytes());
        }
    }
    Ok(())
}

fn encode_integer(number: i64, ty: &Type, out: &mut BytesMut) -> Result<(), StoreError> {
    let out_of_range = |_| StoreError::ValueRefused(cause(format!("{number} is out of range of {ty}")));
    match *ty {
        Type::INT8 => out.put_i64(number),
        Type::INT4 => out.put_i32(i32::try_from(number).map_err(out_of_range)?),
        Type::INT2 => out.put_i16(i16::try_from(number).map_err(out_of_range)?),
        Type::NUMERIC => numeric::encode(&number.to_string(), out)?,
        _ => return Err(mismatch(&Value::Integer(number), ty)),
    }
    Ok(())
}

fn encode_date(date: NaiveDate, out: &mut BytesMut) -> Result<(), StoreError> {
    let days = (date - EPOCH_DATE).num_days();
    out.put_i32(i32::try_from(days).map_err(|_| StoreError::ValueRefused(cause("a date out of range")))?);
    Ok(())
}

fn time_micros(time: NaiveTime) -> i64 {
    i64::from(time.num_seconds_from_midnight()) * 1_000_000
}

fn json_text(value: &Value) -> String {
    match value {
        Value::Text(text) => text.clone(),
        Value::List(elements) => {
            let mut text = String::new();
            push_json_list(elements, &mut text);
            text
        }
        other => {
            let mut text = String::new();
            push_plain(other, &mut text);
            text
        }
    }
}

fn is_text(ty: &Type) -> bool {
    [Type::TEXT, Type::VARCHAR, Type::BPCHAR, Type::NAME, Type::UNKNOWN].contains(ty)
}

fn mismatch(value: &Value, ty: &Type) -> StoreError {
    let kind = match value {
        Value::Null => "null",
        Value::Boolean(_) => "a boolean",
        Value::Integer(_) => "an integer",
        Value::Decimal(_) => "a decimal",
        Value::Text(_) => "a text",
        Value::Date(_) => "a date",
        Value::Time(_) => "a time",
        Value::DateTime(_) => "an instant",
        Value::Id(_) => "an id",
        Value::List(_) => "a list",
        Value::Json(_) => "a document",
    };
    StoreError::internal(format!("{kind} for a parameter of {ty}"))
}
