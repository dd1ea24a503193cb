//! The texts that stand for dates, times and lists: in SQLite's columns, and in results of both databases.

use std::fmt::Write as _;

use cardine_model::Value;
use chrono::{DateTime, Datelike, NaiveDate, NaiveTime, Timelike, Utc};
use uuid::Uuid;

/// Appends `YYYY-MM-DD`.
pub(crate) fn push_date(date: NaiveDate, out: &mut String) {
    if (0..=9999).contains(&date.year()) {
        let mut text = *b"0000-00-00";
        put_date(date, &mut text);
        push_ascii(&text, out);
    } else {
        write!(out, "{date}").expect("a String takes all text");
    }
}

/// Appends `HH:MM:SS`.
pub(crate) fn push_time(time: NaiveTime, out: &mut String) {
    let mut text = *b"00:00:00";
    put_time(time, &mut text);
    push_ascii(&text, out);
}

/// Appends `YYYY-MM-DDTHH:MM:SS.mmmZ`; what is finer than a millisecond is cut off.
pub(crate) fn push_instant(instant: DateTime<Utc>, out: &mut String) {
    let (date, milliseconds) = (instant.date_naive(), instant.timestamp_subsec_millis().min(999));
    let mut text = *b"0000-00-00T00:00:00.000Z";
    put_time(instant.time(), &mut text[11..19]);
    put_digits(milliseconds, &mut text[20..23]);
    if (0..=9999).contains(&date.year()) {
        put_date(date, &mut text[..10]);
        push_ascii(&text, out);
    } else {
        push_date(date, out);
        push_ascii(&text[10..], out);
    }
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

/// Into `YYYY-MM-DD`, of a year with four digits.
fn put_date(date: NaiveDate, text: &mut [u8]) {
    put_digits(date.year().unsigned_abs(), &mut text[..4]);
    put_digits(date.month(), &mut text[5..7]);
    put_digits(date.day(), &mut text[8..10]);
}

/// Into `HH:MM:SS`.
fn put_time(time: NaiveTime, text: &mut [u8]) {
    put_digits(time.hour(), &mut text[..2]);
    put_digits(time.minute(), &mut text[3..5]);
    put_digits(time.second(), &mut text[6..8]);
}

fn put_digits(number: u32, places: &mut [u8]) {
    let mut rest = number;
    for place in places.iter_mut().rev() {
        *place = b'0' + u8::try_from(rest % 10).expect("less than ten");
        rest /= 10;
    }
}

/// Appends what was put together in bytes: a text is appended once, as there are many of them in an answer.
fn push_ascii(text: &[u8], out: &mut String) {
    out.push_str(std::str::from_utf8(text).expect("digits and signs are ASCII"));
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
    fn each_part_stands_in_its_place() {
        let instant = |text: &str| text.parse::<DateTime<Utc>>().unwrap();
        let written = |instant: DateTime<Utc>| {
            let (mut whole, mut date, mut time) = (String::new(), String::new(), String::new());
            push_instant(instant, &mut whole);
            push_date(instant.date_naive(), &mut date);
            push_time(instant.time(), &mut time);
            assert_eq!(whole.split_once('T').unwrap().0, date);
            assert_eq!(whole.split_once('T').unwrap().1[..8], time);
            whole
        };
        for text in ["0000-01-01T00:00:00.000Z", "2026-11-22T13:14:15.016Z", "9999-12-31T23:59:59.999Z"] {
            assert_eq!(written(instant(text)), text);
        }
        // Beyond four digits a year has a sign.
        assert_eq!(written(instant("+12026-11-22T13:14:15.016Z")), "+12026-11-22T13:14:15.016Z");
        assert_eq!(written(instant("-0001-11-22T13:14:15.016Z")), "-0001-11-22T13:14:15.016Z");
        // A leap second is the second before it.
        let leap = NaiveDate::from_ymd_opt(2016, 12, 31).unwrap().and_hms_milli_opt(23, 59, 59, 1_500).unwrap();
        assert_eq!(written(leap.and_utc()), "2016-12-31T23:59:59.999Z");
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
