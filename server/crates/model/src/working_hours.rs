//! Working hours: the spans in which people work, by weekday and with exceptions, in a time zone with its daylight saving.

use std::collections::BTreeMap;

use chrono::{DateTime, Datelike, Days, NaiveDate, NaiveTime, TimeDelta, TimeZone, Utc};
use chrono_tz::Tz;
use serde_json::Value as Json;

use crate::{Issue, PathSegment, path};

const MINUTES_OF_DAY: u32 = 24 * 60;
/// For so many days working time is looked for, and counted.
const DAYS_MAX: u64 = 366 * 20;
/// As many as the schema of modules allows.
const SPANS_MAX: usize = 20;
const EXCEPTIONS_MAX: usize = 2_000;

/// When people work.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct WorkingHours {
    zone: Tz,
    /// From Monday on.
    weekdays: [Vec<Span>; 7],
    /// By date.
    dates: BTreeMap<NaiveDate, Vec<Span>>,
    /// By month and day, for each year.
    yearly: BTreeMap<(u32, u32), Vec<Span>>,
}

/// Minutes of a day: from, and up to.
type Span = (u32, u32);

impl WorkingHours {
    /// Around the clock.
    pub fn always() -> Self {
        let day = || vec![(0, MINUTES_OF_DAY)];
        Self {
            zone: Tz::UTC,
            weekdays: std::array::from_fn(|_| day()),
            dates: BTreeMap::new(),
            yearly: BTreeMap::new(),
        }
    }

    /// From an IANA time zone, spans by ISO weekday from `"1"` (Monday) to `"7"`, and spans by date (`2026-12-24`) or by day of each
    /// year (`12-25`); a span is `["09:00", "13:00"]`. A weekday that is not named is free.
    ///
    /// # Errors
    /// All that is wrong, at `timeZone`, `weekdays` and `exceptions`.
    pub fn parse(time_zone: &str, weekdays: &Json, exceptions: &Json) -> Result<Self, Vec<Issue>> {
        let mut issues = Vec::new();
        let zone = time_zone.parse::<Tz>().unwrap_or_else(|_| {
            let message = format!("`{time_zone}` is no time zone: it is an IANA name, such as Europe/Rome");
            issues.push(Issue::new(path!["timeZone"], "timeZone", message));
            Tz::UTC
        });
        let mut hours = Self { zone, weekdays: Default::default(), dates: BTreeMap::new(), yearly: BTreeMap::new() };
        for (day, spans) in entries(weekdays, "weekdays", &mut issues) {
            let place = path!["weekdays", day.as_str()];
            match day.parse::<usize>() {
                Ok(number @ 1..=7) => hours.weekdays[number - 1] = spans_of(spans, &place, &mut issues),
                _ => issues.push(Issue::new(place, "weekday", format!("`{day}` is no weekday: 1 is Monday, 7 Sunday"))),
            }
        }
        let exceptions = entries(exceptions, "exceptions", &mut issues);
        if exceptions.len() > EXCEPTIONS_MAX {
            let message = format!("there are at most {EXCEPTIONS_MAX} exceptions");
            return Err(vec![Issue::new(path!["exceptions"], "maxProperties", message)]);
        }
        for (day, spans) in exceptions {
            let place = path!["exceptions", day.as_str()];
            // The 29th of February is a day of some years.
            let is_yearly = day.len() == 5;
            let date = if is_yearly { format!("2024-{day}") } else { day.clone() };
            match NaiveDate::parse_from_str(&date, "%Y-%m-%d") {
                Ok(date) if date.to_string().ends_with(day.as_str()) => {
                    let spans = spans_of(spans, &place, &mut issues);
                    if is_yearly {
                        hours.yearly.insert((date.month(), date.day()), spans);
                    } else {
                        hours.dates.insert(date, spans);
                    }
                }
                _ => {
                    let message = format!("`{day}` is no date: write 2026-12-24, or 12-25 for that day of each year");
                    issues.push(Issue::new(place, "date", message));
                }
            }
        }
        if issues.is_empty() { Ok(hours) } else { Err(issues) }
    }

    /// When so many seconds of working time have passed since an instant; none where they do not within twenty years.
    pub fn after(&self, from: DateTime<Utc>, seconds: i64) -> Option<DateTime<Utc>> {
        let mut left = TimeDelta::try_seconds(seconds)?;
        for (start, end) in self.spans_since(from) {
            let start = start.max(from);
            if end <= start {
                continue;
            }
            if left <= end - start {
                return Some(start + left);
            }
            left -= end - start;
        }
        None
    }

    /// How many whole seconds of working time there are between two instants.
    pub fn between(&self, from: DateTime<Utc>, to: DateTime<Utc>) -> i64 {
        let spans = self.spans_since(from).take_while(|(start, _)| *start < to);
        let lengths = spans.map(|(start, end)| (end.min(to) - start.max(from)).max(TimeDelta::zero()));
        lengths.sum::<TimeDelta>().num_seconds()
    }

    /// The spans from the day of an instant on, in their order.
    fn spans_since(&self, from: DateTime<Utc>) -> impl Iterator<Item = (DateTime<Utc>, DateTime<Utc>)> + '_ {
        let days = self.days_since(from);
        days.flat_map(move |day| self.of_day(day).iter().filter_map(move |span| self.instants(day, *span)))
    }

    /// The days that are looked at: none where nobody ever works.
    fn days_since(&self, from: DateTime<Utc>) -> impl Iterator<Item = NaiveDate> + use<> {
        let first = from.with_timezone(&self.zone).date_naive();
        let mut given = self.weekdays.iter().chain(self.dates.values()).chain(self.yearly.values());
        let days = if given.any(|spans| !spans.is_empty()) { DAYS_MAX } else { 0 };
        (0..days).map_while(move |days| first.checked_add_days(Days::new(days)))
    }

    fn of_day(&self, day: NaiveDate) -> &[Span] {
        let exception = self.dates.get(&day).or_else(|| self.yearly.get(&(day.month(), day.day())));
        exception.unwrap_or(&self.weekdays[day.weekday().num_days_from_monday() as usize])
    }

    fn instants(&self, day: NaiveDate, (from, to): Span) -> Option<(DateTime<Utc>, DateTime<Utc>)> {
        Some((self.instant(day, from)?, self.instant(day, to)?))
    }

    /// A time of day that the clocks skip is when they have been put forward; of one that they show twice, the first is meant.
    fn instant(&self, day: NaiveDate, minute: u32) -> Option<DateTime<Utc>> {
        let local = day.and_time(NaiveTime::MIN) + TimeDelta::minutes(i64::from(minute));
        // A whole day is the most that a zone ever left out.
        let mut shown = (0..=25 * 60).map(|minutes| local + TimeDelta::minutes(minutes));
        shown.find_map(|local| self.zone.from_local_datetime(&local).earliest()).map(|at| at.to_utc())
    }
}

fn entries<'j>(json: &'j Json, name: &str, issues: &mut Vec<Issue>) -> Vec<(&'j String, &'j Json)> {
    match json {
        Json::Null => Vec::new(),
        Json::Object(entries) => entries.iter().collect(),
        _ => {
            issues.push(Issue::new(path![name], "type", "it is an object of spans by day"));
            Vec::new()
        }
    }
}

fn spans_of(json: &Json, place: &[PathSegment], issues: &mut Vec<Issue>) -> Vec<Span> {
    let span = |json: &Json| -> Option<Span> {
        let [from, to] = json.as_array()?.as_slice() else { return None };
        Some((minute_of(from.as_str()?)?, minute_of(to.as_str()?)?))
    };
    let spans = json.as_array().and_then(|spans| spans.iter().map(span).collect::<Option<Vec<Span>>>());
    let in_order = |spans: &Vec<Span>| {
        let follow = spans.iter().all(|(from, to)| from < to) && spans.windows(2).all(|two| two[0].1 <= two[1].0);
        follow && spans.len() <= SPANS_MAX
    };
    spans.filter(in_order).unwrap_or_else(|| {
        let message =
            format!("it is a list of at most {SPANS_MAX} spans such as [\"09:00\", \"13:00\"], one after the other");
        issues.push(Issue::new(place.to_vec(), "spans", message));
        Vec::new()
    })
}

fn minute_of(text: &str) -> Option<u32> {
    let (hour, minute) = text.split_once(':').filter(|(hour, minute)| hour.len() == 2 && minute.len() == 2)?;
    let (hour, minute): (u32, u32) = (hour.parse().ok()?, minute.parse().ok()?);
    (minute < 60).then_some(hour * 60 + minute).filter(|minutes| *minutes <= MINUTES_OF_DAY)
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn at(text: &str) -> DateTime<Utc> {
        text.parse().unwrap()
    }

    /// Monday to Friday from nine to one and from two to six, in Rome.
    fn office() -> WorkingHours {
        let day = json!([["09:00", "13:00"], ["14:00", "18:00"]]);
        let weekdays = json!({"1": day, "2": day, "3": day, "4": day, "5": day});
        let exceptions = json!({"12-25": [], "12-26": [], "2026-12-24": [["09:00", "12:00"]]});
        WorkingHours::parse("Europe/Rome", &weekdays, &exceptions).unwrap()
    }

    #[test]
    fn time_passes_while_people_work() {
        for (from, hours, due) in [
            // Monday: within a span, over the break, into the next day.
            ("2026-06-01T07:00:00Z", 2, "2026-06-01T09:00:00Z"),
            ("2026-06-01T10:00:00.250Z", 2, "2026-06-01T13:00:00.250Z"),
            ("2026-06-01T15:00:00Z", 2, "2026-06-02T08:00:00Z"),
            // Before the day begins, and in the break.
            ("2026-06-01T03:00:00Z", 1, "2026-06-01T08:00:00Z"),
            ("2026-06-01T11:30:00Z", 1, "2026-06-01T13:00:00Z"),
            // What fills a span ends with it.
            ("2026-06-01T07:00:00Z", 8, "2026-06-01T16:00:00Z"),
            // Over the weekend.
            ("2026-06-05T15:30:00Z", 1, "2026-06-08T07:30:00Z"),
            // Over Christmas: the 24th is short, the 25th and 26th are free, then comes a Sunday.
            ("2026-12-24T10:00:00Z", 2, "2026-12-28T09:00:00Z"),
            ("2027-12-24T16:30:00Z", 1, "2027-12-27T08:30:00Z"),
        ] {
            assert_eq!(office().after(at(from), hours * 3_600), Some(at(due)), "{from} and {hours} hours");
            assert_eq!(office().between(at(from), at(due)), hours * 3_600, "{from} to {due}");
        }
        assert_eq!(office().between(at("2026-06-06T00:00:00Z"), at("2026-06-07T23:00:00Z")), 0, "a weekend");
        assert_eq!(office().between(at("2026-06-02T00:00:00Z"), at("2026-06-01T00:00:00Z")), 0, "backwards");
    }

    /// In Rome the clocks go from 02:00 to 03:00 on 29 March 2026, and from 03:00 back to 02:00 on 25 October.
    #[test]
    fn daylight_saving_moves_the_hours_and_neither_adds_nor_loses_any() {
        // From Friday to Monday: the same time of day is an hour earlier.
        assert_eq!(office().after(at("2026-03-27T16:30:00Z"), 3_600), Some(at("2026-03-30T07:30:00Z")));
        assert_eq!(office().after(at("2026-10-23T15:30:00Z"), 3_600), Some(at("2026-10-26T08:30:00Z")));
        let every_day = |spans: Json| {
            let week: serde_json::Map<String, Json> = (1..=7).map(|day: u8| (day.to_string(), spans.clone())).collect();
            WorkingHours::parse("Europe/Rome", &week.into(), &Json::Null).unwrap()
        };
        let whole = every_day(json!([["00:00", "24:00"]]));
        let halves = every_day(json!([["00:00", "02:30"], ["02:30", "24:00"]]));
        for hours in [&whole, &halves] {
            // A day of 23 hours, and one of 25.
            assert_eq!(hours.between(at("2026-03-28T23:00:00Z"), at("2026-03-29T22:00:00Z")), 23 * 3_600);
            assert_eq!(hours.between(at("2026-10-24T22:00:00Z"), at("2026-10-25T23:00:00Z")), 25 * 3_600);
            assert_eq!(hours.after(at("2026-10-24T22:00:00Z"), 25 * 3_600), Some(at("2026-10-25T23:00:00Z")));
        }
        // A night shift within the hour that is skipped has no length.
        let night = every_day(json!([["02:00", "03:00"]]));
        assert_eq!(night.between(at("2026-03-28T23:00:00Z"), at("2026-03-29T22:00:00Z")), 0);
    }

    #[test]
    fn around_the_clock_is_the_time_itself() {
        let always = WorkingHours::always();
        assert_eq!(always.after(at("2026-06-05T15:30:00Z"), 100_000), Some(at("2026-06-06T19:16:40Z")));
        assert_eq!(always.between(at("2026-06-05T15:30:00Z"), at("2026-06-06T19:16:40Z")), 100_000);
    }

    #[test]
    fn who_never_works_is_never_done() {
        let never = WorkingHours::parse("UTC", &json!({}), &Json::Null).unwrap();
        assert_eq!(never.after(at("2026-06-05T15:30:00Z"), 1), None);
        assert_eq!(never.between(at("2026-06-05T15:30:00Z"), at("2030-06-05T15:30:00Z")), 0);
        // Nobody looks for it, through twenty years, at each write.
        assert_eq!(never.days_since(at("2026-06-05T15:30:00Z")).count(), 0);
        let free = WorkingHours::parse("UTC", &json!({"1": []}), &json!({"12-25": []})).unwrap();
        assert_eq!(free.days_since(at("2026-06-05T15:30:00Z")).count(), 0);
        let once = WorkingHours::parse("UTC", &json!({}), &json!({"2027-02-01": [["09:00", "10:00"]]})).unwrap();
        assert_eq!(once.after(at("2026-06-05T15:30:00Z"), 60), Some(at("2027-02-01T09:01:00Z")));
        let yearly = WorkingHours::parse("UTC", &json!({}), &json!({"02-29": [["09:00", "10:00"]]})).unwrap();
        assert_eq!(yearly.after(at("2026-06-05T15:30:00Z"), 60), Some(at("2028-02-29T09:01:00Z")));
    }

    /// A record may have a calendar, and no schema stands before it.
    #[test]
    fn a_calendar_has_no_more_than_the_schema_of_modules_allows() {
        let day = |spans: usize| -> Json {
            (0..spans).map(|minute| json!([format!("09:{minute:02}"), format!("09:{:02}", minute + 1)])).collect()
        };
        let year = |days: u64| -> Json {
            let first = NaiveDate::from_ymd_opt(2026, 1, 1).unwrap();
            let days = (0..days).map(|number| ((first + Days::new(number)).to_string(), json!([])));
            Json::Object(days.collect())
        };
        for (spans, days, is_sound) in [(20, 2_000, true), (21, 2_000, false), (20, 2_001, false)] {
            let parsed = WorkingHours::parse("UTC", &json!({"1": day(spans)}), &year(days));
            assert_eq!(parsed.is_ok(), is_sound, "{spans} and {days}");
        }
    }

    #[test]
    fn all_that_is_wrong_is_told_at_its_place() {
        let weekdays = json!({"0": [], "1": [["9:00", "10:00"]], "2": [["10:00", "09:00"]], "3": [["09:00", "12:00"], ["11:00", "13:00"]], "4": [["09:00", "24:01"]]});
        let exceptions = json!({"2026-02-30": [], "13-01": [], "02-29": [], "12-25": "free"});
        let issues = WorkingHours::parse("Rome", &weekdays, &exceptions).unwrap_err();
        let step = |step: &PathSegment| match step {
            PathSegment::Name(name) => name.clone(),
            PathSegment::Index(index) => index.to_string(),
        };
        let place = |issue: &Issue| issue.path.iter().map(step).collect::<Vec<String>>().join(".");
        let places: Vec<String> = issues.iter().map(place).collect();
        let expected = [
            "timeZone",
            "weekdays.0",
            "weekdays.1",
            "weekdays.2",
            "weekdays.3",
            "weekdays.4",
            "exceptions.2026-02-30",
            "exceptions.13-01",
            "exceptions.12-25",
        ];
        let (mut places, mut expected) = (places, expected.map(str::to_owned).to_vec());
        places.sort();
        expected.sort();
        assert_eq!(places, expected);
    }
}
