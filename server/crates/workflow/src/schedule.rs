//! When a workflow starts by the clock: a cron expression, read in a time zone with its daylight saving.

use chrono::{DateTime, Datelike, Days, NaiveDate, TimeZone, Timelike, Utc};
use chrono_tz::Tz;

/// A cron expression's times in a zone.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Times {
    minutes: Set,
    hours: Set,
    days: Set,
    months: Set,
    weekdays: Set,
    zone: Tz,
}

/// Numbers up to 63, and whether all that there are were meant by a `*`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Set {
    bits: u64,
    any: bool,
}

/// How far a next time is looked for: a 29 February that is a given weekday comes at least once in 40 years.
const YEARS_MAX: i32 = 41;

const MONTHS: [&str; 12] = ["JAN", "FEB", "MAR", "APR", "MAY", "JUN", "JUL", "AUG", "SEP", "OCT", "NOV", "DEC"];
const WEEKDAYS: [&str; 7] = ["SUN", "MON", "TUE", "WED", "THU", "FRI", "SAT"];

impl Times {
    /// Five fields: minute, hour, day of month, month, day of week (0 and 7 are Sunday); each `*`, numbers, ranges, lists and steps.
    ///
    /// # Errors
    /// What is wrong with it, for people.
    pub fn parse(cron: &str, zone: Tz) -> Result<Self, String> {
        let fields: Vec<&str> = cron.split_whitespace().collect();
        let [minute, hour, day, month, weekday] = fields.as_slice() else {
            return Err("a cron expression has five fields: minute, hour, day of month, month, day of week".to_owned());
        };
        let mut weekdays = Set::parse(weekday, "day of week", 0, 7, &WEEKDAYS, 0)?;
        if weekdays.has(7) {
            weekdays.bits |= 1;
        }
        let times = Self {
            minutes: Set::parse(minute, "minute", 0, 59, &[], 0)?,
            hours: Set::parse(hour, "hour", 0, 23, &[], 0)?,
            days: Set::parse(day, "day of month", 1, 31, &[], 0)?,
            months: Set::parse(month, "month", 1, 12, &MONTHS, 1)?,
            weekdays,
            zone,
        };
        let never = times.after(DateTime::UNIX_EPOCH).is_none();
        if never { Err("there is no such day in any year".to_owned()) } else { Ok(times) }
    }

    /// The first time after `instant`. A time of day that the clocks skip comes when they have been put forward; one that they show
    /// twice comes once, the first time, unless the hour is a `*`.
    pub fn after(&self, instant: DateTime<Utc>) -> Option<DateTime<Utc>> {
        let local = instant.with_timezone(&self.zone);
        let mut day = local.date_naive();
        let last_year = day.year() + YEARS_MAX;
        while day.year() < last_year {
            if !self.months.has(day.month()) {
                day = first_of_next_month(day)?;
                continue;
            }
            if self.is_day(day)
                && let Some(found) = self.of_day(day).into_iter().find(|time| *time > instant)
            {
                return Some(found);
            }
            day = day.checked_add_days(Days::new(1))?;
        }
        None
    }

    /// As cron has it: if both days are given, one of them is enough.
    fn is_day(&self, day: NaiveDate) -> bool {
        let of_month = self.days.has(day.day());
        let of_week = self.weekdays.has(day.weekday().num_days_from_sunday());
        if self.days.any || self.weekdays.any { of_month && of_week } else { of_month || of_week }
    }

    /// Every time of a day, in order.
    fn of_day(&self, day: NaiveDate) -> Vec<DateTime<Utc>> {
        let mut times = Vec::new();
        for hour in (0..24).filter(|hour| self.hours.has(*hour)) {
            for minute in (0..60).filter(|minute| self.minutes.has(*minute)) {
                let Some(local) = day.and_hms_opt(hour, minute, 0) else { continue };
                match self.zone.from_local_datetime(&local) {
                    chrono::LocalResult::Single(time) => times.push(time.to_utc()),
                    chrono::LocalResult::Ambiguous(first, second) => {
                        times.push(first.to_utc());
                        if self.hours.any {
                            times.push(second.to_utc());
                        }
                    }
                    chrono::LocalResult::None => times.extend(self.first_after_gap(local)),
                }
            }
        }
        times.sort_unstable();
        times.dedup();
        times
    }

    /// The moment at which the clocks go on, for a time of day that they skip; nothing where every hour is meant anyway.
    fn first_after_gap(&self, skipped: chrono::NaiveDateTime) -> Option<DateTime<Utc>> {
        if self.hours.any {
            return None;
        }
        let minutes =
            (1..=24 * 60).map(|minute| skipped.with_second(0).map(|at| at + chrono::TimeDelta::minutes(minute)));
        minutes.flatten().find_map(|at| self.zone.from_local_datetime(&at).earliest()).map(|at| at.to_utc())
    }
}

fn first_of_next_month(day: NaiveDate) -> Option<NaiveDate> {
    let (year, month) = if day.month() == 12 { (day.year() + 1, 1) } else { (day.year(), day.month() + 1) };
    NaiveDate::from_ymd_opt(year, month, 1)
}

impl Set {
    fn has(self, number: u32) -> bool {
        self.bits & (1 << number) != 0
    }

    fn parse(text: &str, what: &str, least: u32, most: u32, names: &[&str], first: u32) -> Result<Self, String> {
        let wrong =
            || format!("`{text}` is no {what}: it is `*`, numbers from {least} to {most}, ranges, lists or steps");
        let number = |text: &str| -> Option<u32> {
            let named = names.iter().position(|name| name.eq_ignore_ascii_case(text));
            let number = match named {
                Some(position) => u32::try_from(position).ok()? + first,
                None if text.bytes().all(|byte| byte.is_ascii_digit()) => text.parse().ok()?,
                None => return None,
            };
            (least..=most).contains(&number).then_some(number)
        };
        let mut bits = 0;
        for part in text.split(',') {
            let (range, step) = match part.split_once('/') {
                Some((range, step)) => {
                    let step = step.parse().ok().filter(|step| (1..=most).contains(step)).ok_or_else(wrong)?;
                    (range, Some(step))
                }
                None => (part, None),
            };
            let (from, to) = match (range, range.split_once('-')) {
                ("*", _) => (least, most),
                (_, Some((from, to))) => (number(from).ok_or_else(wrong)?, number(to).ok_or_else(wrong)?),
                (one, None) => {
                    let from = number(one).ok_or_else(wrong)?;
                    (from, if step.is_some() { most } else { from })
                }
            };
            if from > to {
                return Err(wrong());
            }
            for one in (from..=to).step_by(step.unwrap_or(1) as usize) {
                bits |= 1 << one;
            }
        }
        Ok(Self { bits, any: text == "*" })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The next times after `from`, in UTC.
    fn next(cron: &str, zone: Tz, from: &str, count: usize) -> Vec<String> {
        let times = Times::parse(cron, zone).unwrap();
        let mut at: DateTime<Utc> = from.parse().unwrap();
        let mut found = Vec::new();
        for _ in 0..count {
            at = times.after(at).unwrap();
            found.push(at.format("%Y-%m-%dT%H:%MZ").to_string());
        }
        found
    }

    #[test]
    fn fields_are_numbers_ranges_lists_steps_and_names() {
        let utc = |cron: &str| next(cron, Tz::UTC, "2026-01-01T00:00:00Z", 2);
        assert_eq!(utc("30 7 * * *"), ["2026-01-01T07:30Z", "2026-01-02T07:30Z"]);
        assert_eq!(utc("*/20 8-9 * * *"), ["2026-01-01T08:00Z", "2026-01-01T08:20Z"]);
        assert_eq!(utc("0 0 1 jan,JUL *"), ["2026-07-01T00:00Z", "2027-01-01T00:00Z"]);
        assert_eq!(utc("0 9 * * MON-FRI"), ["2026-01-01T09:00Z", "2026-01-02T09:00Z"]);
        assert_eq!(utc("0 9 * * 7"), utc("0 9 * * 0"));
        assert_eq!(utc("0 0 29 2 *"), ["2028-02-29T00:00Z", "2032-02-29T00:00Z"]);
        // Both days: one of them is enough.
        assert_eq!(utc("0 0 13 * 5"), ["2026-01-02T00:00Z", "2026-01-09T00:00Z"]);
    }

    #[test]
    fn what_is_no_time_is_refused() {
        for wrong in [
            "",
            "* * * *",
            "60 * * * *",
            "* 24 * * *",
            "* * 0 * *",
            "* * * 13 *",
            "* * * * 8",
            "5-1 * * * *",
            "*/0 * * * *",
            "a * * * *",
            "1,,2 * * * *",
            "0 0 30 2 *",
            "* * * * * *",
            "-1 * * * *",
        ] {
            assert!(Times::parse(wrong, Tz::UTC).is_err(), "{wrong}");
        }
    }

    /// In Rome the clocks go from 02:00 to 03:00 on 29 March 2026, and from 03:00 back to 02:00 on 25 October.
    #[test]
    fn daylight_saving_neither_skips_nor_doubles_a_daily_time() {
        let rome = Tz::Europe__Rome;
        assert_eq!(
            next("30 2 * * *", rome, "2026-03-28T00:00:00Z", 3),
            ["2026-03-28T01:30Z", "2026-03-29T01:00Z", "2026-03-30T00:30Z"]
        );
        assert_eq!(
            next("30 2 * * *", rome, "2026-10-24T12:00:00Z", 3),
            ["2026-10-25T00:30Z", "2026-10-26T01:30Z", "2026-10-27T01:30Z"]
        );
        assert_eq!(
            next("0 9 * * *", rome, "2026-03-28T00:00:00Z", 3),
            ["2026-03-28T08:00Z", "2026-03-29T07:00Z", "2026-03-30T07:00Z"]
        );
        // Every hour is every hour, also of these nights.
        assert_eq!(
            next("0 * * * *", rome, "2026-03-29T00:00:00Z", 3),
            ["2026-03-29T01:00Z", "2026-03-29T02:00Z", "2026-03-29T03:00Z"]
        );
        assert_eq!(
            next("0 * * * *", rome, "2026-10-24T23:30:00Z", 3),
            ["2026-10-25T00:00Z", "2026-10-25T01:00Z", "2026-10-25T02:00Z"]
        );
    }
}
