//! A value of one type → the same value of another, if it is one without loss.

use cardine_model::catalog::{Catalog, Field, FieldKind, ModuleId};
use cardine_model::{Decimal, Value, duration, json_value};
use chrono::{DateTime, Datelike as _, NaiveDate, NaiveTime, Timelike as _, Utc};

use crate::check::check_value;
use crate::record::json_of_field;

/// What the API takes too.
const YEARS: std::ops::RangeInclusive<i32> = 1..=9999;
/// From here on the nanoseconds of a time mean a second that is put in, which no column takes.
const LEAP: u32 = 1_000_000_000;

/// The value of `before` as one of `field`, as it would be written; or why there is none.
pub(super) fn converted(
    catalog: &Catalog,
    module: ModuleId,
    before: &Field,
    field: &Field,
    value: &Value,
) -> Result<Value, String> {
    let is_file = |field: &Field| field.reference().is_some_and(|reference| reference.file.is_some());
    if is_file(field) != is_file(before) {
        return Err(format!("{} cannot become a file, nor a file anything else", shown(before, value)));
    }
    let is_blank = matches!(value, Value::Text(text) if text.trim().is_empty());
    if is_blank && !field.required && !matches!(field.kind, FieldKind::Text { .. }) {
        return Ok(Value::Null);
    }
    let unfit = || format!("{} is no such value", shown(before, value));
    let typed = typed(before, field, value).ok_or_else(unfit)?;
    if let Some(lost) = lost(before, value, &typed) {
        return Err(format!("{}: {lost}", shown(before, value)));
    }
    let mut issues = Vec::new();
    let open = with_all_options(field);
    let checked = check_value(catalog, module, &open, typed, &[], &mut issues);
    match issues.first() {
        None => Ok(checked),
        Some(issue) => Err(format!("{}: {}", shown(before, value), issue.message)),
    }
}

/// The field as it takes what was written before: with the options too that new values can't use.
pub(super) fn with_all_options(field: &Field) -> Field {
    let mut open = field.clone();
    if let FieldKind::Choice { options } | FieldKind::MultiChoice { options } = &mut open.kind {
        options.iter_mut().for_each(|option| option.active = true);
    }
    open
}

/// What a text says that its value would not. Types whose values are short say by themselves what they take.
fn lost(before: &Field, value: &Value, typed: &Value) -> Option<&'static str> {
    let text = text_of(before, value)?;
    match typed {
        // Read digit by digit: the parser of instants itself goes no further than nanoseconds.
        Value::DateTime(_) => {
            let fraction = text.split_once('.').map_or("", |(_, fraction)| fraction);
            let digits = fraction.bytes().take_while(u8::is_ascii_digit);
            digits.skip(3).any(|digit| digit != b'0').then_some("what is shorter than a millisecond would be lost")
        }
        Value::Json(json) if matches!(value, Value::Text(_)) => (!json_value::says_all(json, &text))
            .then_some("digits of a number, or a name that stands twice, would be lost"),
        _ => None,
    }
}

fn typed(before: &Field, field: &Field, value: &Value) -> Option<Value> {
    let text = text_of(before, value);
    let text = text.as_deref().map(str::trim);
    match &field.kind {
        FieldKind::Text { .. } => match value {
            Value::Text(text) => Some(Value::Text(text.clone())),
            _ => text.map(|text| Value::Text(text.to_owned())),
        },
        FieldKind::Choice { .. } => match value {
            Value::List(values) => match values.as_slice() {
                [] => Some(Value::Null),
                [one] => Some(one.clone()),
                _ => None,
            },
            _ => text.map(|text| Value::Text(text.to_owned())),
        },
        FieldKind::MultiChoice { .. } => match value {
            Value::List(_) => Some(value.clone()),
            _ => text.map(|text| Value::List(vec![Value::Text(text.to_owned())])),
        },
        FieldKind::Integer { .. } => match value {
            Value::Integer(number) => Some(Value::Integer(*number)),
            Value::Boolean(truth) => Some(Value::Integer(i64::from(*truth))),
            _ => whole(&Decimal::parse(text?)?).map(Value::Integer),
        },
        FieldKind::Decimal { .. } => match value {
            Value::Integer(number) => Some(Value::Decimal(Decimal::from_i64(*number))),
            Value::Decimal(number) => Some(Value::Decimal(number.clone())),
            Value::Boolean(_) => None,
            _ => Decimal::parse(text?).map(Value::Decimal),
        },
        FieldKind::Boolean => match value {
            Value::Integer(0) => Some(Value::Boolean(false)),
            Value::Integer(1) => Some(Value::Boolean(true)),
            _ => match text?.to_ascii_lowercase().as_str() {
                "true" | "1" | "yes" => Some(Value::Boolean(true)),
                "false" | "0" | "no" => Some(Value::Boolean(false)),
                _ => None,
            },
        },
        FieldKind::Date => match value {
            Value::DateTime(instant) => (instant.time() == NaiveTime::MIN).then(|| Value::Date(instant.date_naive())),
            _ => day(text?).map(Value::Date),
        },
        FieldKind::Time => {
            let text = text?;
            let time = ["%H:%M:%S", "%H:%M"].iter().find_map(|form| NaiveTime::parse_from_str(text, form).ok());
            time.filter(|time| time.nanosecond() < LEAP).map(Value::Time)
        }
        FieldKind::DateTime => match value {
            Value::Date(day) => Some(Value::DateTime(day.and_time(NaiveTime::MIN).and_utc())),
            _ => instant(text?).map(Value::DateTime),
        },
        FieldKind::Duration => match value {
            Value::Integer(seconds) => Some(Value::Integer(*seconds)),
            _ => duration::parse(text?).ok().map(Value::Integer),
        },
        FieldKind::Json { .. } => match value {
            Value::Text(text) => serde_json::from_str(text).ok().map(Value::Json),
            _ => Some(Value::Json(json_of_field(before, value))),
        },
        _ => None,
    }
}

/// A number without a fraction.
fn whole(number: &Decimal) -> Option<i64> {
    if number.fraction_digits() > 0 { None } else { number.to_i64() }
}

fn day(text: &str) -> Option<NaiveDate> {
    text.parse::<NaiveDate>().ok().filter(|day| YEARS.contains(&day.year()))
}

fn instant(text: &str) -> Option<DateTime<Utc>> {
    let exact = DateTime::parse_from_rfc3339(text).ok().map(|instant| instant.to_utc());
    let exact = exact.filter(|instant| YEARS.contains(&instant.year()) && instant.nanosecond() < LEAP);
    exact.or_else(|| Some(day(text)?.and_time(NaiveTime::MIN).and_utc()))
}

/// The value as the API tells it; `None` if it has several.
fn text_of(field: &Field, value: &Value) -> Option<String> {
    if let (FieldKind::Decimal { scale, .. }, Value::Decimal(number)) = (&field.kind, value) {
        return Some(number.to_fixed(u32::from(*scale)));
    }
    match json_of_field(field, value) {
        serde_json::Value::String(text) => Some(text),
        serde_json::Value::Bool(truth) => Some(truth.to_string()),
        serde_json::Value::Number(number) => Some(number.to_string()),
        json if matches!(field.kind, FieldKind::Json { .. }) => Some(json.to_string()),
        _ => None,
    }
}

/// The value for people, not longer than it helps.
fn shown(field: &Field, value: &Value) -> String {
    let json = json_of_field(field, value).to_string();
    match json.char_indices().nth(60) {
        Some((end, _)) => format!("{}…", &json[..end]),
        None => json,
    }
}
