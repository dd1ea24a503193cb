//! The calendar: the first day of the period that a day is in, the same on both databases.

use cardine_query::DatePart;
use chrono::{Datelike as _, Days, NaiveDate};

/// The first day of the period that `date` is in.
pub(crate) fn period_start(date: NaiveDate, part: DatePart) -> NaiveDate {
    let month = |month: u32| NaiveDate::from_ymd_opt(date.year(), month, 1).expect("the first day of a month");
    match part {
        DatePart::Day => date,
        DatePart::Week => {
            let since_monday = u64::from(date.weekday().num_days_from_monday());
            date.checked_sub_days(Days::new(since_monday)).expect("a week before the first year is still a date")
        }
        DatePart::Month => month(date.month()),
        DatePart::Quarter => month((date.month() - 1) / 3 * 3 + 1),
        DatePart::Year => month(1),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_period_starts_on_its_first_day() {
        for (date, week, month, quarter, year) in [
            ("2026-01-01", "2025-12-29", "2026-01-01", "2026-01-01", "2026-01-01"),
            ("2026-03-31", "2026-03-30", "2026-03-01", "2026-01-01", "2026-01-01"),
            ("2026-04-01", "2026-03-30", "2026-04-01", "2026-04-01", "2026-01-01"),
            ("2024-02-29", "2024-02-26", "2024-02-01", "2024-01-01", "2024-01-01"),
            ("2026-12-28", "2026-12-28", "2026-12-01", "2026-10-01", "2026-01-01"),
            ("0001-01-01", "0001-01-01", "0001-01-01", "0001-01-01", "0001-01-01"),
            ("9999-12-31", "9999-12-27", "9999-12-01", "9999-10-01", "9999-01-01"),
        ] {
            let day: NaiveDate = date.parse().unwrap();
            let starts = DatePart::ALL.map(|part| period_start(day, part).to_string());
            assert_eq!(starts, [date, week, month, quarter, year]);
        }
    }
}
