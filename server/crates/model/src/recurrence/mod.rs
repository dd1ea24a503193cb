//! What a module's feature `recurrence` says: which fields hold when a record occurs, once or by a rule, and the occurrences of a record.

mod rule;
#[cfg(test)]
mod tests;

use std::collections::{BTreeMap, BTreeSet};

use chrono::{DateTime, Days, NaiveDate, NaiveDateTime, NaiveTime, Offset, TimeDelta, TimeZone, Utc};
use chrono_tz::Tz;
use serde::Deserialize;

use crate::catalog::{Catalog, Field, FieldKind, Module, TextFormat};
use crate::feature::Feature;
use crate::{Issue, path};

pub use rule::{COUNT_MAX, RecurrenceRule, TooMuch, Work};

/// Most days that are left out of a series.
pub const EXCEPTIONS_MAX: usize = 500;
/// For so many days from its start a record is looked for, and a record that recurs lasts at most so long.
pub const LENGTH_DAYS_MAX: i64 = 366;

/// The feature as the module's document has it. Without the fields `start` and `rule` nothing of the module occurs; another name that
/// leads nowhere is passed over.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Recurrence {
    /// A dateTime: when a record begins, the first time.
    pub start: String,
    /// A dateTime: when it ends; left out, or without a value: at once.
    #[serde(default)]
    pub end: Option<String>,
    /// A text: a rule of RFC 5545. Without a value the record occurs once.
    pub rule: String,
    /// A text: days that are left out.
    #[serde(default)]
    pub exceptions: Option<String>,
    /// A text: the IANA name of the zone whose clocks and days are meant; left out, or without a value: UTC.
    #[serde(default)]
    pub time_zone: Option<String>,
    /// A boolean: whether the record is about whole days, which daylight saving makes no shorter.
    #[serde(default)]
    pub all_day: Option<String>,
    /// A dateTime, kept at the end of the last occurrence of a series that has an end.
    #[serde(default)]
    pub last: Option<String>,
    /// Choices, each with options in which a record leaves its owner free.
    #[serde(default)]
    pub free: BTreeMap<String, Vec<String>>,
    /// Choices, each with options in which nobody is told more than when, whatever the owner shares.
    #[serde(default)]
    pub private: BTreeMap<String, Vec<String>>,
}

/// The fields that it names.
#[derive(Debug, Clone, Copy)]
pub struct RecurrenceFields<'m> {
    /// When a record begins.
    pub start: &'m Field,
    /// When it ends.
    pub end: Option<&'m Field>,
    /// The rule.
    pub rule: &'m Field,
    /// Days that are left out.
    pub exceptions: Option<&'m Field>,
    /// The time zone.
    pub time_zone: Option<&'m Field>,
    /// Whether it is about whole days.
    pub all_day: Option<&'m Field>,
    /// Kept at the end of the last occurrence.
    pub last: Option<&'m Field>,
}

impl<'m> RecurrenceFields<'m> {
    /// Those that tell when a record occurs.
    pub fn read(&self) -> impl Iterator<Item = &'m Field> {
        [self.end, self.exceptions, self.time_zone, self.all_day].into_iter().flatten().chain([self.start, self.rule])
    }
}

impl Recurrence {
    /// The fields, if it can be told when records occur.
    pub fn fields<'m>(&self, module: &'m Module) -> Option<RecurrenceFields<'m>> {
        let own = |name: &String, fits: fn(&Field) -> bool| {
            module.field_named(name).filter(|field| field.column.is_some() && !field.system && fits(field))
        };
        let perhaps = |name: &Option<String>, fits| name.as_ref().and_then(|name| own(name, fits));
        Some(RecurrenceFields {
            start: own(&self.start, is_instant)?,
            end: perhaps(&self.end, is_instant),
            rule: own(&self.rule, is_text)?,
            exceptions: perhaps(&self.exceptions, is_text),
            time_zone: perhaps(&self.time_zone, is_text),
            all_day: perhaps(&self.all_day, is_truth),
            last: perhaps(&self.last, is_instant),
        })
    }
}

impl Recurrence {
    /// Choices with the options in which a record leaves its owner free.
    pub fn free_fields<'m>(&'m self, module: &'m Module) -> impl Iterator<Item = (&'m Field, &'m [String])> {
        choices(&self.free, module)
    }

    /// Choices with the options in which nobody is told more than when.
    pub fn private_fields<'m>(&'m self, module: &'m Module) -> impl Iterator<Item = (&'m Field, &'m [String])> {
        choices(&self.private, module)
    }

    fn check_choices(&self, key: &str, module: &Module, issues: &mut Vec<Issue>) {
        for (name, options) in if key == "free" { &self.free } else { &self.private } {
            let field = module.field_named(name);
            let Some(known) = field.filter(|field| is_choice(field)).and_then(Field::options) else {
                let message = match field {
                    None => format!("`{}` has no field `{name}`", module.name),
                    Some(_) => format!("`{name}` must be a stored choice"),
                };
                let rule = if field.is_none() { "unknownField" } else { "type" };
                issues.push(Issue::new(path![key, name.as_str()], rule, message));
                continue;
            };
            for (position, option) in options.iter().enumerate() {
                if !known.iter().any(|known| known.value == *option) {
                    let message = format!("`{name}` has no option `{option}`");
                    issues.push(Issue::new(path![key, name.as_str(), position], "unknownOption", message));
                }
            }
        }
    }
}

impl Feature for Recurrence {
    const NAME: &'static str = "recurrence";

    fn check(&self, _: &Catalog, module: &Module) -> Vec<Issue> {
        let named = [
            ("start", Some(&self.start), is_instant as fn(&Field) -> bool, "dateTime"),
            ("end", self.end.as_ref(), is_instant, "dateTime"),
            ("rule", Some(&self.rule), is_text, "text, of one line or several"),
            ("exceptions", self.exceptions.as_ref(), is_text, "text, of one line or several"),
            ("timeZone", self.time_zone.as_ref(), is_text, "text, of one line or several"),
            ("allDay", self.all_day.as_ref(), is_truth, "boolean"),
            ("last", self.last.as_ref(), is_instant, "dateTime"),
        ];
        let mut issues = Vec::new();
        let mut known: Vec<&str> = Vec::new();
        for (key, name, fits, kind) in named {
            let Some(name) = name else { continue };
            let (rule, message) = match module.field_named(name) {
                None => ("unknownField", format!("`{}` has no field `{name}`", module.name)),
                Some(field) if field.column.is_none() || field.system || !fits(field) => {
                    ("type", format!("`{name}` must be a stored {kind}"))
                }
                Some(_) if known.contains(&name.as_str()) => {
                    ("nameTaken", format!("`{name}` is named twice: each has a field of its own"))
                }
                Some(field) if key == "last" && field.required => (
                    "type",
                    format!(
                        "`{name}` must not be required: it has no value where a record occurs once, or without an end"
                    ),
                ),
                Some(_) => {
                    known.push(name);
                    continue;
                }
            };
            issues.push(Issue::new(path![key], rule, message));
        }
        for key in ["free", "private"] {
            self.check_choices(key, module, &mut issues);
        }
        issues
    }
}

fn choices<'m>(
    named: &'m BTreeMap<String, Vec<String>>,
    module: &'m Module,
) -> impl Iterator<Item = (&'m Field, &'m [String])> {
    let choice = |name: &String| module.field_named(name).filter(|field| is_choice(field));
    named.iter().filter_map(move |(name, options)| Some((choice(name)?, options.as_slice())))
}

fn is_instant(field: &Field) -> bool {
    matches!(field.kind, FieldKind::DateTime)
}

fn is_choice(field: &Field) -> bool {
    field.column.is_some() && matches!(field.kind, FieldKind::Choice { .. })
}

fn is_truth(field: &Field) -> bool {
    matches!(field.kind, FieldKind::Boolean)
}

fn is_text(field: &Field) -> bool {
    matches!(&field.kind, FieldKind::Text { format: TextFormat::Plain | TextFormat::Long, .. })
}

/// What a record's values say of when it occurs.
#[derive(Debug, Clone, Copy, Default)]
pub struct SeriesText<'t> {
    /// The rule.
    pub rule: &'t str,
    /// Days that are left out, with commas or spaces between: `2026-12-24`.
    pub exceptions: &'t str,
    /// An IANA name; empty: UTC.
    pub time_zone: &'t str,
    /// Whether it is about whole days.
    pub all_day: bool,
}

/// Which of the values is at fault.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum SeriesPart {
    /// The end.
    End,
    /// The rule.
    Rule,
    /// The days that are left out.
    Exceptions,
    /// The zone.
    TimeZone,
}

/// A record that occurs by a rule.
#[derive(Debug, Clone)]
pub struct Series {
    start: DateTime<Utc>,
    /// As clocks in the zone show it.
    local: NaiveDateTime,
    length: Option<Length>,
    zone: Tz,
    rule: RecurrenceRule,
    exceptions: BTreeSet<NaiveDate>,
}

#[derive(Debug, Clone, Copy)]
enum Length {
    /// So much time.
    Exact(TimeDelta),
    /// Until clocks show so much more.
    Shown(TimeDelta),
}

/// One time that a record occurs.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Occurrence {
    /// When it begins.
    pub starts: DateTime<Utc>,
    /// When it ends.
    pub ends: Option<DateTime<Utc>>,
}

impl Occurrence {
    /// Whether some of it is from one instant on and before another; what has no length is there if it begins there.
    pub fn is_in(&self, from: DateTime<Utc>, to: DateTime<Utc>) -> bool {
        self.starts < to && (self.starts >= from || self.ends.is_some_and(|ends| ends > from))
    }
}

impl Series {
    /// From a record's values.
    ///
    /// # Errors
    /// All that is wrong.
    pub fn parse(
        start: DateTime<Utc>,
        end: Option<DateTime<Utc>>,
        text: SeriesText<'_>,
    ) -> Result<Self, Vec<(SeriesPart, String)>> {
        let mut faults = Vec::new();
        let zone = match text.time_zone.trim() {
            "" => Tz::UTC,
            name => name.parse().unwrap_or_else(|_| {
                let message = format!("`{name}` is no time zone: it is an IANA name, such as Europe/Rome");
                faults.push((SeriesPart::TimeZone, message));
                Tz::UTC
            }),
        };
        let exceptions = days_of(text.exceptions).unwrap_or_else(|message| {
            faults.push((SeriesPart::Exceptions, message));
            BTreeSet::new()
        });
        let local = start.with_timezone(&zone).naive_local();
        let length = end.map(|end| match text.all_day {
            true => Length::Shown((end.with_timezone(&zone).naive_local() - local).max(TimeDelta::zero())),
            false => Length::Exact((end - start).max(TimeDelta::zero())),
        });
        if length.is_some_and(|length| length.time() > TimeDelta::days(LENGTH_DAYS_MAX)) {
            faults.push((SeriesPart::End, format!("what recurs lasts at most {LENGTH_DAYS_MAX} days")));
        }
        let rule = match RecurrenceRule::parse(text.rule) {
            Ok(rule) => rule,
            Err(message) => {
                faults.push((SeriesPart::Rule, message));
                return Err(faults);
            }
        };
        let series = Self { start, local, length, zone, rule, exceptions };
        if faults.is_empty() && !series.rule.begins_with(local, |day| series.instant(day)) {
            let shown = local.format("%A, %Y-%m-%d %H:%M");
            let message = format!(
                "the rule does not give the start itself, {shown} in {zone}: let it begin with the first day that the rule gives"
            );
            faults.push((SeriesPart::Rule, message));
        }
        if faults.is_empty() { Ok(series) } else { Err(faults) }
    }

    /// What of it is in a window, and begins no earlier than `since`; in the order of time, at least the first `most`.
    ///
    /// # Errors
    /// When finding them takes more work than there may be.
    pub fn occurrences(
        &self,
        (from, to): (DateTime<Utc>, DateTime<Utc>),
        since: Option<DateTime<Utc>>,
        most: usize,
        work: &mut Work,
    ) -> Result<Vec<Occurrence>, TooMuch> {
        let length = self.length.map_or(TimeDelta::zero(), Length::time);
        let earliest = from.checked_sub_signed(length).unwrap_or(from);
        let earliest = since.map_or(earliest, |since| since.max(earliest));
        // Clocks that are put back, or forward, move a time by some hours; the day around it is looked at, too.
        let day = |at: DateTime<Utc>| at.with_timezone(&self.zone).date_naive();
        let first = day(earliest).checked_sub_days(Days::new(2)).unwrap_or(NaiveDate::MIN);
        let last = day(to).checked_add_days(Days::new(1)).unwrap_or(NaiveDate::MAX);
        let looked_at = most.saturating_add(self.exceptions.len() + 6);
        let days = self.rule.days(self.local, first..=last, looked_at, |day| self.instant(day), work)?;
        let days = days.into_iter().filter(|day| !self.exceptions.contains(day)).map(|day| self.on(day));
        Ok(days.filter(|one| one.is_in(from, to) && since.is_none_or(|since| one.starts >= since)).collect())
    }

    /// When the last occurrence ends; none of a series without an end. Days that are left out count as others do.
    ///
    /// # Errors
    /// When finding it needs more work than there may be.
    pub fn last_end(&self, work: &mut Work) -> Result<Option<DateTime<Utc>>, TooMuch> {
        let last = self.rule.last_day(self.local, |day| self.instant(day), work)?;
        Ok(last.map(|last| self.on(last)).map(|last| last.ends.unwrap_or(last.starts)))
    }

    fn on(&self, day: NaiveDate) -> Occurrence {
        let starts = self.instant(day);
        let ends = self.length.map(|length| match length {
            Length::Exact(length) => starts + length,
            Length::Shown(length) => self.shown(day.and_time(self.local.time()) + length).max(starts),
        });
        Occurrence { starts, ends }
    }

    /// When it begins on a day.
    fn instant(&self, day: NaiveDate) -> DateTime<Utc> {
        // A time that clocks show twice may be the second one.
        if day == self.local.date() { self.start } else { self.shown(day.and_time(self.local.time())) }
    }

    /// When clocks show a time: the first time that they do, and one that they skip by the offset before (RFC 5545, section 3.3.5).
    fn shown(&self, local: NaiveDateTime) -> DateTime<Utc> {
        let found = self.zone.from_local_datetime(&local).earliest();
        found.map_or_else(
            || {
                let before = self.zone.offset_from_utc_datetime(&(local - TimeDelta::days(1))).fix();
                (local - TimeDelta::seconds(i64::from(before.local_minus_utc()))).and_utc()
            },
            |at| at.to_utc(),
        )
    }
}

/// Of what is about whole days in a zone: the first one, and the one after the last. A zone that there is not is UTC.
pub fn whole_days(starts: DateTime<Utc>, ends: Option<DateTime<Utc>>, zone: &str) -> (NaiveDate, NaiveDate) {
    let zone: Tz = zone.trim().parse().unwrap_or(Tz::UTC);
    let local = |at: DateTime<Utc>| at.with_timezone(&zone).naive_local();
    let first = local(starts).date();
    let ends = local(ends.unwrap_or(starts));
    let is_midnight = ends.time() == NaiveTime::MIN;
    let after = if is_midnight { ends.date() } else { next(ends.date()) };
    (first, after.max(next(first)))
}

fn next(day: NaiveDate) -> NaiveDate {
    day.checked_add_days(Days::new(1)).unwrap_or(NaiveDate::MAX)
}

impl Length {
    fn time(self) -> TimeDelta {
        match self {
            Self::Exact(length) | Self::Shown(length) => length,
        }
    }
}

/// `2026-12-24, 2026-12-31`; `20261224` too, as calendars write it.
fn days_of(text: &str) -> Result<BTreeSet<NaiveDate>, String> {
    let parts = text.split(|character: char| character == ',' || character.is_whitespace());
    let mut days = BTreeSet::new();
    for part in parts.filter(|part| !part.is_empty()) {
        let form = if part.len() == 8 { "%Y%m%d" } else { "%Y-%m-%d" };
        let day = NaiveDate::parse_from_str(part, form).map_err(|_| {
            format!("`{part}` is no day: write 2026-12-24, with commas between, as it is in the series' time zone")
        })?;
        days.insert(day);
        if days.len() > EXCEPTIONS_MAX {
            return Err(format!("at most {EXCEPTIONS_MAX} days are left out"));
        }
    }
    Ok(days)
}
