//! Recurrence rules of RFC 5545, section 3.3.10, as far as a calendar of days needs them, and the days that they give.

use std::collections::BTreeSet;
use std::ops::RangeInclusive;

use chrono::{DateTime, Datelike, Days, Months, NaiveDate, NaiveDateTime, Utc, Weekday};

/// Most occurrences that `COUNT` gives.
pub const COUNT_MAX: u32 = 1_000;
/// Most bytes of a rule.
const LENGTH_MAX: usize = 500;
const INTERVAL_MAX: u32 = 999;
/// A series is followed for so many years.
const YEARS_MAX: u32 = 100;

/// What a rule says.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RecurrenceRule {
    frequency: Frequency,
    interval: u32,
    end: End,
    months: BTreeSet<u32>,
    month_days: BTreeSet<i32>,
    /// With the how-manieth one of the month or year it is, from its end where that is negative.
    weekdays: Vec<(Option<i32>, Weekday)>,
    positions: BTreeSet<i32>,
    week_start: Weekday,
    /// What a day that a month does not have becomes: its last one, or nothing (RFC 7529, section 4.1).
    to_last_day: bool,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Frequency {
    Daily,
    Weekly,
    Monthly,
    Yearly,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum End {
    Never,
    Count(u32),
    /// Up to this instant.
    At(DateTime<Utc>),
    /// Up to this moment, as clocks show it in the series' time zone.
    Wall(NaiveDateTime),
}

/// How many more days may be looked at.
#[derive(Debug)]
pub struct Work(pub u64);

/// Finding the days would take too long.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct TooMuch;

impl Work {
    fn take(&mut self, days: u64) -> Result<(), TooMuch> {
        self.0 = self.0.checked_sub(days).ok_or(TooMuch)?;
        Ok(())
    }
}

impl RecurrenceRule {
    /// Reads `FREQ=WEEKLY;BYDAY=MO,WE;COUNT=10`.
    ///
    /// # Errors
    /// What is wrong, for whoever wrote it.
    pub fn parse(text: &str) -> Result<Self, String> {
        if text.len() > LENGTH_MAX {
            return Err(format!("a rule has at most {LENGTH_MAX} bytes"));
        }
        let mut rule = Self {
            frequency: Frequency::Daily,
            interval: 1,
            end: End::Never,
            months: BTreeSet::new(),
            month_days: BTreeSet::new(),
            weekdays: Vec::new(),
            positions: BTreeSet::new(),
            week_start: Weekday::Mon,
            to_last_day: false,
        };
        let mut known: Vec<String> = Vec::new();
        for part in text.trim().split(';') {
            let Some((name, value)) = part.split_once('=') else {
                return Err(format!(
                    "`{part}` is no part of a rule: write NAME=VALUE, such as FREQ=WEEKLY, with `;` between"
                ));
            };
            let (name, value) = (name.to_ascii_uppercase(), value.to_ascii_uppercase());
            if known.contains(&name) {
                return Err(format!("{name} is there twice"));
            }
            rule.part(&name, &value)?;
            known.push(name);
        }
        let has = |name: &str| known.iter().any(|known| known == name);
        if !has("FREQ") {
            return Err("FREQ is missing: DAILY, WEEKLY, MONTHLY or YEARLY".to_owned());
        }
        if has("COUNT") && has("UNTIL") {
            return Err("a rule has COUNT or UNTIL, not both".to_owned());
        }
        if has("SKIP") && !has("RSCALE") {
            return Err("SKIP needs RSCALE=GREGORIAN beside it (RFC 7529)".to_owned());
        }
        rule.check()?;
        Ok(rule)
    }

    fn part(&mut self, name: &str, value: &str) -> Result<(), String> {
        match name {
            "FREQ" => {
                self.frequency = match value {
                    "DAILY" => Frequency::Daily,
                    "WEEKLY" => Frequency::Weekly,
                    "MONTHLY" => Frequency::Monthly,
                    "YEARLY" => Frequency::Yearly,
                    "HOURLY" | "MINUTELY" | "SECONDLY" => {
                        return Err(format!("FREQ={value} is too often: a record occurs at most once a day"));
                    }
                    _ => return Err(format!("FREQ={value} is unknown: DAILY, WEEKLY, MONTHLY or YEARLY")),
                }
            }
            "INTERVAL" => self.interval = number(name, value, 1..=INTERVAL_MAX as i32)? as u32,
            "COUNT" => self.end = End::Count(number(name, value, 1..=COUNT_MAX as i32)? as u32),
            "UNTIL" => self.end = until(value)?,
            "BYMONTH" => {
                self.months = numbers(name, value, 1..=12)?.into_iter().map(i32::unsigned_abs).collect();
            }
            "BYMONTHDAY" => self.month_days = signed(name, value, 31)?,
            "BYSETPOS" => self.positions = signed(name, value, 366)?,
            "BYDAY" => {
                for named in value.split(',') {
                    let named = weekday_of(named)?;
                    if !self.weekdays.contains(&named) {
                        self.weekdays.push(named);
                    }
                }
            }
            "WKST" => {
                self.week_start =
                    weekday(value).ok_or_else(|| format!("WKST={value} is no weekday: write MO to SU"))?;
            }
            "RSCALE" if value == "GREGORIAN" => {}
            "SKIP" if value == "OMIT" => {}
            "SKIP" if value == "BACKWARD" => self.to_last_day = true,
            "RSCALE" | "SKIP" => {
                return Err(format!(
                    "{name}={value} is not served: RSCALE=GREGORIAN with SKIP=OMIT or SKIP=BACKWARD is"
                ));
            }
            "BYHOUR" | "BYMINUTE" | "BYSECOND" => {
                return Err(format!(
                    "{name} is not served: a record occurs at most once a day, at the time of its start"
                ));
            }
            "BYWEEKNO" | "BYYEARDAY" => {
                return Err(format!("{name} is not served: name the days by BYMONTH, BYMONTHDAY, BYDAY and BYSETPOS"));
            }
            _ => return Err(format!("`{name}` is no part of a rule")),
        }
        Ok(())
    }

    /// What RFC 5545 forbids together.
    fn check(&self) -> Result<(), String> {
        let counts = self.weekdays.iter().any(|(number, _)| number.is_some());
        if counts && matches!(self.frequency, Frequency::Daily | Frequency::Weekly) {
            return Err("BYDAY has numbers, such as 2TU, only with FREQ=MONTHLY and FREQ=YEARLY".to_owned());
        }
        if self.frequency == Frequency::Weekly && !self.month_days.is_empty() {
            return Err("BYMONTHDAY does not go with FREQ=WEEKLY".to_owned());
        }
        let names_days = !(self.months.is_empty() && self.month_days.is_empty() && self.weekdays.is_empty());
        if !self.positions.is_empty() && !names_days {
            return Err(
                "BYSETPOS chooses among what BYMONTH, BYMONTHDAY and BYDAY name: one of them is missing".to_owned()
            );
        }
        Ok(())
    }

    /// Whether a series that starts then has its start among its occurrences.
    pub fn begins_with(&self, start: NaiveDateTime, instant: impl Fn(NaiveDate) -> DateTime<Utc>) -> bool {
        let day = start.date();
        self.days_of_period(day, 0).contains(&day) && self.is_within(day, start, &instant)
    }

    /// The days on which a series that starts then occurs, from one day to another; in their order, at most so many. What instant the
    /// series has on a day is asked where the rule ends at an instant.
    ///
    /// # Errors
    /// When that needs more work than there may be.
    pub fn days(
        &self,
        start: NaiveDateTime,
        span: RangeInclusive<NaiveDate>,
        most: usize,
        instant: impl Fn(NaiveDate) -> DateTime<Utc>,
        work: &mut Work,
    ) -> Result<Vec<NaiveDate>, TooMuch> {
        let anchor = start.date();
        let last = (*span.end()).min(horizon(anchor));
        let count = match self.end {
            End::Count(count) => Some(count as usize),
            _ => None,
        };
        // What is counted, is counted from the start on.
        let first = if count.is_some() { 0 } else { self.period_of(anchor, *span.start()) };
        let (mut found, mut counted) = (Vec::new(), 0);
        for period in first.. {
            if self.period_start(anchor, period).is_none_or(|start| start > last) {
                break;
            }
            work.take(self.days_looked_at())?;
            for day in self.days_of_period(anchor, period).into_iter().filter(|day| *day >= anchor) {
                counted += 1;
                let is_over = count.is_some_and(|count| counted > count) || !self.is_within(day, start, &instant);
                if is_over || day > last || found.len() >= most {
                    return Ok(found);
                }
                if day >= *span.start() {
                    found.push(day);
                }
            }
        }
        Ok(found)
    }

    /// The last day of a series; none of one without an end.
    ///
    /// # Errors
    /// When that needs more work than there may be.
    pub fn last_day(
        &self,
        start: NaiveDateTime,
        instant: impl Fn(NaiveDate) -> DateTime<Utc>,
        work: &mut Work,
    ) -> Result<Option<NaiveDate>, TooMuch> {
        let anchor = start.date();
        let limit = match self.end {
            End::Never => return Ok(None),
            End::Count(_) => {
                let all = self.days(start, anchor..=horizon(anchor), usize::MAX, &instant, work)?;
                return Ok(all.last().copied());
            }
            // On the other side of the world it may be the next day already.
            End::At(at) => at.date_naive().checked_add_days(Days::new(1)).unwrap_or(NaiveDate::MAX),
            End::Wall(at) => at.date(),
        };
        let newest = self.period_of(anchor, limit.min(horizon(anchor)));
        for period in (0..=newest).rev() {
            work.take(self.days_looked_at())?;
            let days = self.days_of_period(anchor, period).into_iter().rev();
            let last = days.filter(|day| *day >= anchor).find(|day| self.is_within(*day, start, &instant));
            if last.is_some() {
                return Ok(last);
            }
        }
        Ok(None)
    }

    fn is_within(&self, day: NaiveDate, start: NaiveDateTime, instant: &impl Fn(NaiveDate) -> DateTime<Utc>) -> bool {
        match self.end {
            End::Never | End::Count(_) => true,
            End::At(at) => instant(day) <= at,
            End::Wall(at) => day.and_time(start.time()) <= at,
        }
    }

    /// What one period costs.
    fn days_looked_at(&self) -> u64 {
        match self.frequency {
            Frequency::Daily => 1,
            Frequency::Weekly => 7,
            Frequency::Monthly => 31,
            Frequency::Yearly if self.month_days.is_empty() && self.weekdays.is_empty() => 12,
            Frequency::Yearly => 366,
        }
    }

    /// The position of the period that a day is in, or of the last one before it.
    fn period_of(&self, anchor: NaiveDate, day: NaiveDate) -> u32 {
        let passed = match self.frequency {
            Frequency::Daily => (day - anchor).num_days(),
            Frequency::Weekly => (day - anchor.week(self.week_start).first_day()).num_days().div_euclid(7),
            Frequency::Monthly => i64::from(months_of(day) - months_of(anchor)),
            Frequency::Yearly => i64::from(day.year() - anchor.year()),
        };
        u32::try_from(passed.max(0) / i64::from(self.interval)).unwrap_or(u32::MAX)
    }

    /// The first day of a period; none where the calendar ends.
    fn period_start(&self, anchor: NaiveDate, period: u32) -> Option<NaiveDate> {
        let passed = period.checked_mul(self.interval)?;
        match self.frequency {
            Frequency::Daily => anchor.checked_add_days(Days::new(u64::from(passed))),
            Frequency::Weekly => {
                anchor.week(self.week_start).first_day().checked_add_days(Days::new(7 * u64::from(passed)))
            }
            Frequency::Monthly => anchor.with_day(1)?.checked_add_months(Months::new(passed)),
            Frequency::Yearly => NaiveDate::from_ymd_opt(anchor.year().checked_add_unsigned(passed)?, 1, 1),
        }
    }

    /// The days of a period that the rule names, in their order; those before the start of the series included.
    fn days_of_period(&self, anchor: NaiveDate, period: u32) -> Vec<NaiveDate> {
        let Some(first) = self.period_start(anchor, period) else { return Vec::new() };
        let names_days = !self.month_days.is_empty() || !self.weekdays.is_empty();
        let days: BTreeSet<NaiveDate> = match self.frequency {
            Frequency::Daily => BTreeSet::from([first]),
            Frequency::Weekly => {
                let week = first.iter_days().take(7);
                week.filter(|day| names_days || day.weekday() == anchor.weekday()).collect()
            }
            Frequency::Monthly => self.days_of_month(first, anchor, names_days),
            Frequency::Yearly => {
                let every = 1..=12;
                let is_meant = |month: &u32| match self.months.is_empty() {
                    true => names_days || *month == anchor.month(),
                    false => self.months.contains(month),
                };
                let months = every.filter(is_meant).filter_map(|month| first.with_month(month));
                months.flat_map(|month| self.days_of_month(month, anchor, names_days)).collect()
            }
        };
        let days: Vec<NaiveDate> = days.into_iter().filter(|day| self.takes(*day)).collect();
        if self.positions.is_empty() {
            return days;
        }
        let length = days.len() as i32;
        let is_chosen =
            |position: i32| self.positions.contains(&(position + 1)) || self.positions.contains(&(position - length));
        (0..).zip(days).filter(|(position, _)| is_chosen(*position)).map(|(_, day)| day).collect()
    }

    /// Of the month that begins then: the days that are named by their numbers, all where only weekdays are, or that of the start.
    fn days_of_month(&self, first: NaiveDate, anchor: NaiveDate, names_days: bool) -> BTreeSet<NaiveDate> {
        let length = first.num_days_in_month() as i32;
        let of_number = |number: i32| {
            let number = match number {
                ..0 => length + 1 + number,
                _ if self.to_last_day => number.min(length),
                _ => number,
            };
            first.with_day(u32::try_from(number).ok()?)
        };
        if !names_days {
            return of_number(anchor.day() as i32).into_iter().collect();
        }
        if self.month_days.is_empty() {
            return first.iter_days().take(length as usize).collect();
        }
        self.month_days.iter().filter_map(|number| of_number(*number)).collect()
    }

    /// Whether month, day and weekday are among those that are named.
    fn takes(&self, day: NaiveDate) -> bool {
        let by_month = self.months.is_empty() || self.months.contains(&day.month());
        let by_number = self.frequency != Frequency::Daily
            || self.month_days.is_empty()
            || self.month_days.contains(&(day.day() as i32))
            || self.month_days.contains(&(day.day() as i32 - day.num_days_in_month() as i32 - 1));
        by_month
            && by_number
            && (self.weekdays.is_empty() || self.weekdays.iter().any(|named| self.is_named(*named, day)))
    }

    fn is_named(&self, (number, weekday): (Option<i32>, Weekday), day: NaiveDate) -> bool {
        if day.weekday() != weekday {
            return false;
        }
        let Some(number) = number else { return true };
        // In a year without named months it is counted through the year.
        let (place, length) = match self.frequency == Frequency::Yearly && self.months.is_empty() {
            true => (day.ordinal0(), if day.leap_year() { 366 } else { 365 }),
            false => (day.day0(), u32::from(day.num_days_in_month())),
        };
        let (before, after) = (place / 7, (length - 1 - place) / 7);
        number == before as i32 + 1 || number == -(after as i32) - 1
    }
}

/// Up to when a series is followed.
fn horizon(anchor: NaiveDate) -> NaiveDate {
    // What is kept of its end stays among the years that are served, however long it takes.
    let last = NaiveDate::from_ymd_opt(9998, 12, 30).unwrap_or(NaiveDate::MAX);
    anchor.checked_add_months(Months::new(12 * YEARS_MAX)).unwrap_or(last).min(last)
}

fn months_of(day: NaiveDate) -> i32 {
    day.year() * 12 + day.month0() as i32
}

fn number(name: &str, text: &str, range: RangeInclusive<i32>) -> Result<i32, String> {
    let found = text.strip_prefix('+').unwrap_or(text).parse().ok().filter(|number| range.contains(number));
    found.ok_or_else(|| format!("{name}: `{text}` is no number from {} to {}", range.start(), range.end()))
}

fn numbers(name: &str, text: &str, range: RangeInclusive<i32>) -> Result<BTreeSet<i32>, String> {
    text.split(',').map(|part| number(name, part, range.clone())).collect()
}

/// Numbers that count from the end where they are negative.
fn signed(name: &str, text: &str, most: i32) -> Result<BTreeSet<i32>, String> {
    let numbers = numbers(name, text, -most..=most)?;
    if numbers.contains(&0) { Err(format!("{name}: there is no 0: 1 is the first, -1 the last")) } else { Ok(numbers) }
}

fn weekday(text: &str) -> Option<Weekday> {
    Some(match text {
        "MO" => Weekday::Mon,
        "TU" => Weekday::Tue,
        "WE" => Weekday::Wed,
        "TH" => Weekday::Thu,
        "FR" => Weekday::Fri,
        "SA" => Weekday::Sat,
        "SU" => Weekday::Sun,
        _ => return None,
    })
}

/// `MO`, `2TU`, `-1FR`.
fn weekday_of(text: &str) -> Result<(Option<i32>, Weekday), String> {
    let fault =
        || format!("BYDAY: `{text}` is no weekday: write MO to SU, or 2TU for the second and -1FR for the last");
    let (count, day) = text.split_at_checked(text.len().saturating_sub(2)).ok_or_else(fault)?;
    let day = weekday(day).ok_or_else(fault)?;
    if count.is_empty() {
        return Ok((None, day));
    }
    match number("BYDAY", count, -53..=53) {
        Ok(count) if count != 0 => Ok((Some(count), day)),
        _ => Err(fault()),
    }
}

/// `20261231`, `20261231T170000` or `20261231T170000Z`.
fn until(text: &str) -> Result<End, String> {
    let fault = || format!("UNTIL: `{text}` is no date: write 20261231, 20261231T170000 or, in UTC, 20261231T170000Z");
    let instant = |text: &str| NaiveDateTime::parse_from_str(text, "%Y%m%dT%H%M%S").ok();
    match (text.len(), text.strip_suffix('Z')) {
        (8, None) => {
            let day = NaiveDate::parse_from_str(text, "%Y%m%d").ok();
            day.and_then(|day| day.and_hms_opt(23, 59, 59)).map(End::Wall).ok_or_else(fault)
        }
        (15, None) => instant(text).map(End::Wall).ok_or_else(fault),
        (16, Some(text)) => instant(text).map(|at| End::At(at.and_utc())).ok_or_else(fault),
        _ => Err(fault()),
    }
}
