//! What rules compute with dates and instants; what leaves the years 1 to 9999 is null.

use chrono::{DateTime, Datelike as _, Days, Months, NaiveDate, TimeDelta, Utc};

use crate::Decimal;
use crate::rule::Function;

/// More days or months than there are, so that no sum overflows.
const DAYS_MAX: i64 = 4_000_000;
/// More seconds than there are.
const SECONDS_MAX: i64 = 400_000_000_000;

/// A part of a date that is a number; `None` for other functions.
pub fn part(function: Function, date: NaiveDate) -> Option<i64> {
    Some(i64::from(match function {
        Function::Year => u32::try_from(date.year()).ok()?,
        Function::Month => date.month(),
        Function::Day => date.day(),
        Function::Weekday => date.weekday().number_from_monday(),
        _ => return None,
    }))
}

/// The first or last day of the period that a date is in; `None` for other functions.
pub fn bound(function: Function, date: NaiveDate) -> Option<NaiveDate> {
    let day = |month| NaiveDate::from_ymd_opt(date.year(), month, 1);
    match function {
        Function::StartOfWeek => date.checked_sub_days(Days::new(date.weekday().num_days_from_monday().into())),
        Function::StartOfMonth => day(date.month()),
        Function::StartOfQuarter => day(date.month0() / 3 * 3 + 1),
        Function::StartOfYear => day(1),
        Function::EndOfMonth => day(date.month())?.checked_add_months(Months::new(1))?.pred_opt(),
        _ => None,
    }
}

/// So many days later; a fraction is cut off.
pub fn add_days(date: NaiveDate, days: &Decimal) -> Option<NaiveDate> {
    let days = within(days, DAYS_MAX)?;
    date.checked_add_signed(TimeDelta::days(days)).filter(is_storable)
}

/// So many months later; a fraction is cut off.
pub fn add_months(date: NaiveDate, months: &Decimal) -> Option<NaiveDate> {
    let months = within(months, DAYS_MAX)?;
    let count = Months::new(u32::try_from(months.unsigned_abs()).ok()?);
    let moved = if months < 0 { date.checked_sub_months(count) } else { date.checked_add_months(count) };
    moved.filter(is_storable)
}

/// The days from one date to another.
pub fn days_until(from: NaiveDate, to: NaiveDate) -> i64 {
    (to - from).num_days()
}

/// So many seconds later; what is finer than a millisecond is cut off.
pub fn add_seconds(instant: DateTime<Utc>, seconds: &Decimal) -> Option<DateTime<Utc>> {
    within(seconds, SECONDS_MAX)?;
    let milliseconds = truncated(&(seconds * &Decimal::from_i64(1000)))?;
    let moved = instant.checked_add_signed(TimeDelta::milliseconds(milliseconds))?;
    is_storable(&moved.date_naive()).then_some(moved)
}

/// The seconds from one instant to another.
pub fn seconds_until(from: DateTime<Utc>, to: DateTime<Utc>) -> Decimal {
    Decimal::from_parts(i128::from((to - from).num_milliseconds()), 3)
}

/// The number without its fraction, if it is not beyond `most`.
fn within(number: &Decimal, most: i64) -> Option<i64> {
    truncated(number).filter(|number| number.unsigned_abs() <= most.unsigned_abs())
}

/// The number without its fraction; none if it is too large for 64 bits.
pub(super) fn truncated(number: &Decimal) -> Option<i64> {
    let fraction = number.rem(&Decimal::from_i64(1))?;
    (number - &fraction).to_i64()
}

fn is_storable(date: &NaiveDate) -> bool {
    (1..=9999).contains(&date.year())
}
