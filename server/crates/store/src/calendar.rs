//! The calendar: the period that a day is in, and spans of time around a moment; the same on both databases.

use cardine_query::DatePart;
use chrono::{DateTime, Datelike as _, Days, Months, NaiveDate, NaiveTime, SubsecRound as _, TimeDelta, Utc};

use crate::zone::Zone;

/// The first and the last date that both databases hold.
const FIRST: NaiveDate = NaiveDate::from_ymd_opt(1, 1, 1).expect("a date of the calendar");
const LAST: NaiveDate = NaiveDate::from_ymd_opt(9999, 12, 31).expect("a date of the calendar");

/// How far a span of time reaches.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Length {
    /// So many seconds back.
    Last(i64),
    /// So many seconds ahead.
    Next(i64),
    /// The period of the calendar that is now.
    This(DatePart),
}

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

/// The first day behind the period that begins at `start`.
fn period_end(start: NaiveDate, part: DatePart) -> NaiveDate {
    let end = match part {
        DatePart::Day => start.checked_add_days(Days::new(1)),
        DatePart::Week => start.checked_add_days(Days::new(7)),
        DatePart::Month => start.checked_add_months(Months::new(1)),
        DatePart::Quarter => start.checked_add_months(Months::new(3)),
        DatePart::Year => start.checked_add_months(Months::new(12)),
    };
    end.map_or(LAST, bounded)
}

/// The dates of a span: its first one, and the first one behind it. A day counts by its beginning.
pub(crate) fn dates(length: Length, today: NaiveDate) -> (NaiveDate, NaiveDate) {
    let (midnight, tomorrow) = (today.and_time(NaiveTime::MIN), period_end(today, DatePart::Day));
    match length {
        Length::This(part) => {
            let start = period_start(today, part);
            (bounded(start), period_end(start, part))
        }
        Length::Last(seconds) => {
            let since = midnight.checked_sub_signed(TimeDelta::seconds(seconds));
            // The first day that begins after that moment.
            let first = since.and_then(|since| since.date().succ_opt());
            (first.map_or(FIRST, bounded), tomorrow)
        }
        Length::Next(seconds) => {
            let until = midnight.checked_add_signed(TimeDelta::seconds(seconds));
            // The first day that begins no earlier than that moment.
            let end = until.and_then(|until| {
                if until.time() == NaiveTime::MIN { Some(until.date()) } else { until.date().succ_opt() }
            });
            (today, end.map_or(LAST, bounded))
        }
    }
}

/// The instants of a span: its first one, and the first one behind it, to the millisecond.
pub(crate) fn instants(
    length: Length,
    now: DateTime<Utc>,
    today: NaiveDate,
    zone: &Zone,
) -> (DateTime<Utc>, DateTime<Utc>) {
    let now = now.trunc_subsecs(3);
    let (first, last) = (FIRST.and_time(NaiveTime::MIN).and_utc(), LAST.and_time(NaiveTime::MIN).and_utc());
    let tick = TimeDelta::milliseconds(1);
    match length {
        Length::This(part) => {
            let start = period_start(today, part);
            (zone.start_of(start), zone.start_of(period_end(start, part)))
        }
        Length::Last(seconds) => {
            let since = now.checked_sub_signed(TimeDelta::seconds(seconds));
            (since.map_or(first, |since| (since + tick).clamp(first, last)), now + tick)
        }
        Length::Next(seconds) => {
            let until = now.checked_add_signed(TimeDelta::seconds(seconds));
            (now, until.map_or(last, |until| until.clamp(first, last)))
        }
    }
}

/// The date, or the first or last one if it lies beyond: a zone's clock may show more than the calendar has.
pub(crate) fn bounded(date: NaiveDate) -> NaiveDate {
    date.clamp(FIRST, LAST)
}

#[cfg(test)]
mod tests {
    use super::*;

    const DAY: i64 = 86_400;

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

    #[test]
    fn a_span_of_dates_holds_today_and_whole_days() {
        let span = |length| {
            let (start, end) = dates(length, "2026-03-31".parse().unwrap());
            format!("{start} {end}")
        };
        for (length, expected) in [
            (Length::Last(7 * DAY), "2026-03-25 2026-04-01"),
            (Length::Last(DAY), "2026-03-31 2026-04-01"),
            (Length::Last(DAY + 1), "2026-03-30 2026-04-01"),
            (Length::Last(3_600), "2026-03-31 2026-04-01"),
            (Length::Next(7 * DAY), "2026-03-31 2026-04-07"),
            (Length::Next(DAY), "2026-03-31 2026-04-01"),
            (Length::Next(DAY + 1), "2026-03-31 2026-04-02"),
            (Length::Next(1), "2026-03-31 2026-04-01"),
            (Length::This(DatePart::Day), "2026-03-31 2026-04-01"),
            (Length::This(DatePart::Week), "2026-03-30 2026-04-06"),
            (Length::This(DatePart::Month), "2026-03-01 2026-04-01"),
            (Length::This(DatePart::Quarter), "2026-01-01 2026-04-01"),
            (Length::This(DatePart::Year), "2026-01-01 2027-01-01"),
            (Length::Last(315_576_000_000), "0001-01-01 2026-04-01"),
            (Length::Next(315_576_000_000), "2026-03-31 9999-12-31"),
        ] {
            assert_eq!(span(length), expected, "{length:?}");
        }
    }

    #[test]
    fn a_span_of_instants_ends_at_midnights_of_the_zone() {
        let span = |length, now: &str, zone: &str| {
            let now: DateTime<Utc> = now.parse().unwrap();
            let zone = Zone::named(zone);
            let (start, end) = instants(length, now, zone.local(now).date(), zone);
            format!("{} {}", start.to_rfc3339(), end.to_rfc3339()).replace("+00:00", "Z")
        };
        let noon = "2026-03-29T12:00:00.5006Z";
        for (length, zone, expected) in [
            (Length::Last(1), "UTC", "2026-03-29T11:59:59.501Z 2026-03-29T12:00:00.501Z"),
            (Length::Next(DAY), "UTC", "2026-03-29T12:00:00.500Z 2026-03-30T12:00:00.500Z"),
            // The day has 23 hours where the clocks go forward.
            (Length::This(DatePart::Day), "Europe/Rome", "2026-03-28T23:00:00Z 2026-03-29T22:00:00Z"),
            (Length::This(DatePart::Week), "Europe/Rome", "2026-03-22T23:00:00Z 2026-03-29T22:00:00Z"),
            (Length::This(DatePart::Month), "Asia/Kolkata", "2026-02-28T18:30:00Z 2026-03-31T18:30:00Z"),
            (Length::This(DatePart::Year), "America/New_York", "2026-01-01T05:00:00Z 2027-01-01T05:00:00Z"),
        ] {
            assert_eq!(span(length, noon, zone), expected, "{length:?} {zone}");
        }
        // A midnight that no clock shows: the day begins at one o'clock, at the instant at which the clocks change.
        let gap = span(Length::This(DatePart::Day), "2018-11-04T12:00:00Z", "America/Sao_Paulo");
        assert_eq!(gap, "2018-11-04T03:00:00Z 2018-11-05T02:00:00Z");
        // One that they show twice: the day begins with the first.
        let twice = span(Length::This(DatePart::Day), "2018-02-17T12:00:00Z", "America/Sao_Paulo");
        assert_eq!(twice, "2018-02-17T02:00:00Z 2018-02-18T03:00:00Z");
        // A day that was left out.
        let none = span(Length::This(DatePart::Week), "2011-12-29T12:00:00Z", "Pacific/Apia");
        assert_eq!(none, "2011-12-26T10:00:00Z 2012-01-01T10:00:00Z");
    }
}
