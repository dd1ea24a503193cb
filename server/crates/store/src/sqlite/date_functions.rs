//! The SQL functions of the calendar that SQLite lacks: the first day of the period that a date or an instant is in.

use cardine_query::DatePart;
use chrono::{Datelike as _, NaiveDate, NaiveTime};
use rusqlite::functions::{Context, FunctionFlags};
use rusqlite::types::ValueRef;
use rusqlite::{Connection, Error, Result};

use crate::calendar::{bounded, period_start};
use crate::zone::Zone;

/// `cardine_period(date, part)` and `cardine_period(instant, part, zone)`; null stays null.
pub(super) fn register(connection: &Connection) -> Result<()> {
    let flags = FunctionFlags::SQLITE_UTF8 | FunctionFlags::SQLITE_DETERMINISTIC | FunctionFlags::SQLITE_INNOCUOUS;
    connection.create_scalar_function("cardine_period", 2, flags, |context| {
        let Some(text) = text(context, 0)? else { return Ok(None) };
        let date = digits(text.as_bytes()).ok_or_else(|| user_error("a date was expected"))?;
        Ok(Some(show(period_start(date, part(context)?))))
    })?;
    connection.create_scalar_function("cardine_period", 3, flags, |context| {
        let Some(text) = text(context, 0)? else { return Ok(None) };
        let instant = instant(text.as_bytes()).ok_or_else(|| user_error("an instant was expected"))?;
        // Kept from row to row, as the zone is the same for all of them.
        let zone = context.get_or_create_aux(2, |zone| zone.as_str().map(Zone::named))?;
        Ok(Some(show(period_start(bounded(zone.local(instant).date()), part(context)?))))
    })
}

fn text<'a>(context: &'a Context<'_>, position: usize) -> Result<Option<&'a str>> {
    match context.get_raw(position) {
        ValueRef::Null => Ok(None),
        value => value.as_str().map(Some).map_err(|_| user_error("a text was expected")),
    }
}

fn part(context: &Context<'_>) -> Result<DatePart> {
    text(context, 1)?.and_then(DatePart::of_word).ok_or_else(|| user_error("a period of the calendar was expected"))
}

/// `YYYY-MM-DD`, as it is stored.
fn digits(text: &[u8]) -> Option<NaiveDate> {
    let number = |range: std::ops::Range<usize>| {
        text.get(range)?
            .iter()
            .try_fold(0_u32, |number, byte| byte.is_ascii_digit().then(|| number * 10 + u32::from(byte - b'0')))
    };
    NaiveDate::from_ymd_opt(number(0..4)?.try_into().ok()?, number(5..7)?, number(8..10)?)
}

/// `YYYY-MM-DDTHH:MM:SS.mmmZ`, as it is stored; the fraction of a second is in no period's bound.
fn instant(text: &[u8]) -> Option<chrono::DateTime<chrono::Utc>> {
    let pair = |at: usize| match text.get(at..at + 2)? {
        [tens @ b'0'..=b'9', ones @ b'0'..=b'9'] => Some(u32::from(tens - b'0') * 10 + u32::from(ones - b'0')),
        _ => None,
    };
    let time = NaiveTime::from_hms_opt(pair(11)?, pair(14)?, pair(17)?)?;
    Some(digits(text)?.and_time(time).and_utc())
}

fn show(date: NaiveDate) -> String {
    format!("{:04}-{:02}-{:02}", date.year(), date.month(), date.day())
}

fn user_error(message: &str) -> Error {
    Error::UserFunctionError(message.into())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn evaluate(expression: &str) -> Result<Option<String>> {
        let connection = Connection::open_in_memory().unwrap();
        register(&connection).unwrap();
        connection.query_row(&format!("SELECT {expression}"), [], |row| row.get(0))
    }

    #[test]
    fn periods_are_those_of_the_zone() {
        for (expression, expected) in [
            ("cardine_period('2026-05-14', 'month')", Some("2026-05-01")),
            ("cardine_period('2026-05-14', 'week')", Some("2026-05-11")),
            ("cardine_period(NULL, 'week')", None),
            ("cardine_period('2025-12-31T23:30:00.000Z', 'day', 'Europe/Rome')", Some("2026-01-01")),
            ("cardine_period('2025-12-31T23:30:00.000Z', 'quarter', 'UTC')", Some("2025-10-01")),
            // Before and after the clocks change: midnight is at 23:00 and at 22:00 in UTC.
            ("cardine_period('2026-03-28T22:59:59.999Z', 'day', 'Europe/Rome')", Some("2026-03-28")),
            ("cardine_period('2026-03-28T23:00:00.000Z', 'day', 'Europe/Rome')", Some("2026-03-29")),
            ("cardine_period('2026-03-29T21:59:59.999Z', 'day', 'Europe/Rome')", Some("2026-03-29")),
            ("cardine_period('2026-03-29T22:00:00.000Z', 'day', 'Europe/Rome')", Some("2026-03-30")),
            ("cardine_period(NULL, 'day', 'Europe/Rome')", None),
            // Beyond the first and the last day there is none.
            ("cardine_period('9999-12-31T23:59:59.999Z', 'day', 'Europe/Rome')", Some("9999-12-31")),
            ("cardine_period('9999-12-31T23:59:59.999Z', 'year', 'Europe/Rome')", Some("9999-01-01")),
            ("cardine_period('0001-01-01T00:00:00.000Z', 'month', 'America/New_York')", Some("0001-01-01")),
        ] {
            assert_eq!(evaluate(expression).unwrap().as_deref(), expected, "{expression}");
        }
    }

    #[test]
    fn what_is_no_date_is_refused() {
        for expression in [
            "cardine_period('2026-05', 'month')",
            "cardine_period('2026-05-14', 'decade')",
            "cardine_period(20260514, 'month')",
            "cardine_period('2026-05-14', 'day', 'UTC')",
        ] {
            assert!(evaluate(expression).is_err(), "{expression}");
        }
    }
}
