//! The SQL functions of the calendar that SQLite lacks: the period that a date or an instant is in, and what rules compute with them.

use cardine_model::Decimal;
use cardine_model::rule::{Function, calendar};
use cardine_query::DatePart;
use chrono::{DateTime, Datelike as _, NaiveDate, NaiveTime, Utc};
use rusqlite::functions::Context;
use rusqlite::types::ValueRef;
use rusqlite::{Connection, Error, Result};

use super::functions::{argument, flags};
use crate::calendar::{bounded, period_start};
use crate::zone::Zone;

/// `cardine_period(date, part)` and `cardine_period(instant, part, zone)`; null stays null.
pub(super) fn register(connection: &Connection) -> Result<()> {
    connection.create_scalar_function("cardine_period", 2, flags(), |context| {
        let Some(text) = text(context, 0)? else { return Ok(None) };
        let date = digits(text.as_bytes()).ok_or_else(|| user_error("a date was expected"))?;
        Ok(Some(show(period_start(date, part(context)?))))
    })?;
    connection.create_scalar_function("cardine_period", 3, flags(), |context| {
        let Some(text) = text(context, 0)? else { return Ok(None) };
        let instant = instant(text.as_bytes()).ok_or_else(|| user_error("an instant was expected"))?;
        // Kept from row to row, as the zone is the same for all of them.
        let zone = context.get_or_create_aux(2, |zone| zone.as_str().map(Zone::named))?;
        Ok(Some(show(period_start(bounded(zone.local(instant).date()), part(context)?))))
    })?;
    register_functions_of_rules(connection)
}

/// Dates and instants are texts, and numbers are exact decimals in texts; null stays null.
fn register_functions_of_rules(connection: &Connection) -> Result<()> {
    for (name, function) in [
        ("cardine_year", Function::Year),
        ("cardine_month", Function::Month),
        ("cardine_day", Function::Day),
        ("cardine_weekday", Function::Weekday),
    ] {
        connection.create_scalar_function(name, 1, flags(), move |context| {
            Ok(date(context, 0)?.and_then(|date| calendar::part(function, date)).map(|part| part.to_string()))
        })?;
    }
    for (name, function) in [
        ("cardine_start_of_week", Function::StartOfWeek),
        ("cardine_start_of_month", Function::StartOfMonth),
        ("cardine_start_of_quarter", Function::StartOfQuarter),
        ("cardine_start_of_year", Function::StartOfYear),
        ("cardine_end_of_month", Function::EndOfMonth),
    ] {
        connection.create_scalar_function(name, 1, flags(), move |context| {
            Ok(date(context, 0)?.and_then(|date| calendar::bound(function, date)).map(show))
        })?;
    }
    for (name, function) in [
        ("cardine_add_days", calendar::add_days as fn(NaiveDate, &Decimal) -> Option<NaiveDate>),
        ("cardine_add_months", calendar::add_months),
    ] {
        connection.create_scalar_function(name, 2, flags(), move |context| {
            let (Some(date), Some(number)) = (date(context, 0)?, argument(context, 1)?) else { return Ok(None) };
            Ok(function(date, &number).map(show))
        })?;
    }
    connection.create_scalar_function("cardine_days_until", 2, flags(), |context| {
        let (Some(from), Some(to)) = (date(context, 0)?, date(context, 1)?) else { return Ok(None) };
        Ok(Some(calendar::days_until(from, to).to_string()))
    })?;
    connection.create_scalar_function("cardine_add_seconds", 2, flags(), |context| {
        let (Some(instant), Some(number)) = (moment(context, 0)?, argument(context, 1)?) else { return Ok(None) };
        Ok(calendar::add_seconds(instant, &number).map(|instant| instant.format("%Y-%m-%dT%H:%M:%S%.3fZ").to_string()))
    })?;
    connection.create_scalar_function("cardine_seconds_until", 2, flags(), |context| {
        let (Some(from), Some(to)) = (moment(context, 0)?, moment(context, 1)?) else { return Ok(None) };
        Ok(Some(calendar::seconds_until(from, to).to_string()))
    })
}

fn date(context: &Context<'_>, position: usize) -> Result<Option<NaiveDate>> {
    let Some(text) = text(context, position)? else { return Ok(None) };
    digits(text.as_bytes()).map(Some).ok_or_else(|| user_error("a date was expected"))
}

/// An instant to the millisecond.
fn moment(context: &Context<'_>, position: usize) -> Result<Option<DateTime<Utc>>> {
    let Some(text) = text(context, position)? else { return Ok(None) };
    let instant = DateTime::parse_from_rfc3339(text).map_err(|_| user_error("an instant was expected"))?;
    Ok(Some(instant.with_timezone(&Utc)))
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
