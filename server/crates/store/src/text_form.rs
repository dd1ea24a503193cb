//! The texts that stand for dates, times and lists: in SQLite's columns, and in results of both databases.

use std::fmt::Write as _;

use cardine_model::Value;
use chrono::{DateTime, Datelike, NaiveDate, NaiveTime, Timelike, Utc};
use uuid::Uuid;

/// Appends `YYYY-MM-DD`.
pub(crate) fn push_date(date: NaiveDate, out: &mut String) {
    if (0..=9999).contains(&date.year()) {
        push_digits(date.year().unsigned_abs(), 4, out);
        out.push('-');
        push_digits(date.month(), 2, out);
        out.push('-');
        push_digits(date.day(), 2, out);
    } else {
        write!(out, "{date}").expect("a String takes all text");
    }
}

/// Appends `HH:MM:SS`.
pub(crate) fn push_time(time: NaiveTime, out: &mut String) {
    push_digits(time.hour(), 2, out);
    out.push(':');
    push_digits(time.minute(), 2, out);
    out.push(':');
    push_digits(time.second(), 2, out);
}

/// Appends `YYYY-MM-DDTHH:MM:SS.mmmZ`; what is finer than a millisecond is cut off.
pub(crate) fn push_instant(instant: DateTime<Utc>, out: &mut String) {
    push_date(instant.date_naive(), out);
    out.push('T');
    push_time(instant.time(), out);
    out.push('.');
    push_digits(instant.timestamp_subsec_millis().min(999), 3, out);
    out.push('Z');
}

/// Appends an id, hyphenated in lower case.
pub(crate) fn push_id(id: Uuid, out: &mut String) {
    out.push_str(id.hyphenated().encode_lower(&mut Uuid::encode_buffer()));
}

/// Appends a JSON string.
pub(crate) fn push_json_string(text: &str, out: &mut String) {
    out.push('"');
    for character in text.chars() {
        match character {
            '"' => out.push_str("\\\""),
            '\\' => out.push_str("\\\\"),
            '\n' => out.push_str("\\n"),
            '\r' => out.push_str("\\r"),
            '\t' => out.push_str("\\t"),
            control if control < ' ' => {
                write!(out, "\\u{:04x}", u32::from(control)).expect("a String takes all text");
            }
            other => out.push(other),
        }
    }
    out.push('"');
}

/// Appends a JSON list. Elements are written as SQLite stores single values of their type, so that `json_each` gives
/// what a column holds: decimals, dates and ids as strings, booleans as 0 and 1.
pub(crate) fn push_json_list(elements: &[Value], out: &mut String) {
    push_list(elements, out, |element, out| match element {
        Value::Null => out.push_str("null"),
        Value::Boolean(truth) => out.push(if *truth { '1' } else { '0' }),
        Value::Integer(number) => write!(out, "{number}").expect("a String takes all text"),
        Value::Json(document) => write!(out, "{document}").expect("a String takes all text"),
        Value::List(inner) => push_json_list(inner, out),
        Value::Text(text) => push_json_string(text, out),
        Value::Decimal(_) | Value::Date(_) | Value::Time(_) | Value::DateTime(_) | Value::Id(_) => {
            out.push('"');
            push_plain(element, out);
            out.push('"');
        }
    });
}

/// Appends a list in brackets.
pub(crate) fn push_list<T>(
    elements: impl IntoIterator<Item = T>,
    out: &mut String,
    mut push: impl FnMut(T, &mut String),
) {
    out.push('[');
    for (position, element) in elements.into_iter().enumerate() {
        if position > 0 {
            out.push(',');
        }
        push(element, out);
    }
    out.push(']');
}

/// Appends the text that stands for a value by itself; nothing for null.
pub(crate) fn push_plain(value: &Value, out: &mut String) {
    match value {
        Value::Null => {}
        Value::Boolean(truth) => out.push(if *truth { '1' } else { '0' }),
        Value::Integer(number) => write!(out, "{number}").expect("a String takes all text"),
        Value::Decimal(number) => write!(out, "{number}").expect("a String takes all text"),
        Value::Text(text) => out.push_str(text),
        Value::Date(date) => push_date(*date, out),
        Value::Time(time) => push_time(*time, out),
        Value::DateTime(instant) => push_instant(*instant, out),
        Value::Id(id) => push_id(*id, out),
        Value::List(elements) => push_json_list(elements, out),
        Value::Json(document) => write!(out, "{document}").expect("a String takes all text"),
    }
}

fn push_digits(number: u32, width: usize, out: &mut String) {
    let mut digits = [b'0'; 4];
    let mut rest = number;
    for digit in digits.iter_mut().rev() {
        *digit = b'0' + u8::try_from(rest % 10).expect("less than ten");
        rest /= 10;
    }
    out.push_str(std::str::from_utf8(&digits[4 - width..]).expect("digits are ASCII"));
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_instant_has_exactly_three_digits_of_a_second() {
        let instant = DateTime::parse_from_rfc3339("0987-03-04T05:06:07.0089999Z").unwrap().to_utc();
        let mut text = String::new();
        push_instant(instant, &mut text);
        assert_eq!(text, "0987-03-04T05:06:07.008Z");
    }

    #[test]
    fn strings_in_lists_are_escaped_as_json() {
        let text = "a\"\\\n\u{1}è€𝄞";
        let mut out = String::new();
        push_json_list(&[Value::Text(text.to_owned()), Value::Boolean(true), Value::Null], &mut out);
        let read: serde_json::Value = serde_json::from_str(&out).unwrap();
        assert_eq!(read, serde_json::json!([text, 1, null]));
    }
}
