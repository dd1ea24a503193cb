//! Time zones: the offsets of a zone as a table, for a database that is not asked what it knows of zones itself.

use std::collections::HashMap;
use std::str::FromStr as _;
use std::sync::{LazyLock, Mutex, OnceLock};

use cardine_model::Value;
use chrono::{DateTime, Duration, NaiveDate, NaiveDateTime, Offset as _, TimeZone as _, Utc};
use chrono_tz::Tz;

/// Between these years a zone's offsets are looked for; before and after they are those of the first and last of them.
const YEARS: std::ops::RangeInclusive<i32> = 1800..=2200;

/// A time zone.
#[derive(Debug)]
pub(crate) struct Zone {
    tz: Tz,
    offsets: OnceLock<Offsets>,
}

/// From each of the instants on the offset beside it holds.
#[derive(Debug)]
pub(crate) struct Offsets {
    /// A list of instants, ascending; the first is before all that is stored.
    pub starts: Value,
    /// A list of seconds east of UTC.
    pub seconds: Value,
}

/// Every zone that was asked for: there are some six hundred names, so they are kept for good.
static ZONES: LazyLock<Mutex<HashMap<Tz, &'static Zone>>> = LazyLock::new(Mutex::default);

impl Zone {
    /// The zone of this IANA name; UTC for one that is not known (any more).
    pub fn named(name: &str) -> &'static Self {
        let tz = Tz::from_str(name).unwrap_or(Tz::UTC);
        let mut zones = ZONES.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
        zones.entry(tz).or_insert_with(|| Box::leak(Box::new(Self { tz, offsets: OnceLock::new() })))
    }

    /// Its name.
    pub fn name(&self) -> &'static str {
        self.tz.name()
    }

    /// The wall clock of the zone at an instant.
    pub fn local(&self, instant: DateTime<Utc>) -> NaiveDateTime {
        instant.with_timezone(&self.tz).naive_local()
    }

    /// The instant at which a day begins there: where no clock shows its midnight, the first one after.
    pub fn start_of(&self, day: NaiveDate) -> DateTime<Utc> {
        let midnight = day.and_time(chrono::NaiveTime::MIN);
        // Clocks that go forward leave out a whole day at most, and by whole quarters of an hour.
        let shown = (0..=100).find_map(|quarters| {
            let clock = midnight.checked_add_signed(Duration::minutes(15 * quarters))?;
            self.tz.from_local_datetime(&clock).earliest()
        });
        shown.map_or_else(|| midnight.and_utc(), |shown| shown.with_timezone(&Utc))
    }

    /// Its offsets, found when they are first asked for.
    pub fn offsets(&self) -> &Offsets {
        self.offsets.get_or_init(|| {
            let first = NaiveDate::from_ymd_opt(1, 1, 1).expect("a date").and_time(chrono::NaiveTime::MIN).and_utc();
            let mut table = vec![(first, self.seconds(start_of(*YEARS.start())))];
            let (mut from, last) = (start_of(*YEARS.start()), start_of(*YEARS.end()));
            while from < last {
                let to = from + Duration::days(1);
                let seconds = self.seconds(to);
                if table.last().is_none_or(|(_, known)| *known != seconds) {
                    table.push((self.change(from, to), seconds));
                }
                from = to;
            }
            Offsets {
                starts: Value::List(table.iter().map(|(start, _)| Value::DateTime(*start)).collect()),
                seconds: Value::List(table.iter().map(|(_, seconds)| Value::Integer(*seconds)).collect()),
            }
        })
    }

    /// The second of the day after `before` at which the offset becomes that of `after`.
    fn change(&self, before: DateTime<Utc>, after: DateTime<Utc>) -> DateTime<Utc> {
        let seconds = self.seconds(after);
        let (mut before, mut after) = (before, after);
        while after - before > Duration::seconds(1) {
            let middle = before + Duration::seconds((after - before).num_seconds() / 2);
            if self.seconds(middle) == seconds { after = middle } else { before = middle }
        }
        after
    }

    fn seconds(&self, instant: DateTime<Utc>) -> i64 {
        self.tz.offset_from_utc_datetime(&instant.naive_utc()).fix().local_minus_utc().into()
    }
}

fn start_of(year: i32) -> DateTime<Utc> {
    NaiveDate::from_ymd_opt(year, 1, 1).expect("a date").and_time(chrono::NaiveTime::MIN).and_utc()
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The wall clock by the table.
    fn by_table(zone: &Zone, instant: DateTime<Utc>) -> NaiveDateTime {
        let (Value::List(starts), Value::List(seconds)) = (&zone.offsets().starts, &zone.offsets().seconds) else {
            panic!("no lists")
        };
        let position = starts.partition_point(|start| matches!(start, Value::DateTime(start) if *start <= instant));
        let Value::Integer(seconds) = seconds[position - 1] else { panic!("no seconds") };
        instant.naive_utc() + Duration::seconds(seconds)
    }

    #[test]
    fn the_table_tells_the_same_as_the_zone() {
        for name in
            ["UTC", "Europe/Rome", "America/New_York", "Asia/Kolkata", "Australia/Lord_Howe", "America/Sao_Paulo"]
        {
            let zone = Zone::named(name);
            assert_eq!(zone.name(), name);
            // Seven hours and some: every hour of the day comes, and each change has instants close to it.
            let mut instant = start_of(1850);
            while instant < start_of(2120) {
                assert_eq!(by_table(zone, instant), zone.local(instant), "{name} {instant}");
                instant += Duration::seconds(25_261);
            }
        }
        let rome = Zone::named("Europe/Rome");
        for instant in
            ["2026-03-29T00:59:59.999Z", "2026-03-29T01:00:00Z", "2026-10-25T00:59:59Z", "2026-10-25T01:00:00Z"]
        {
            let instant = instant.parse().unwrap();
            assert_eq!(by_table(rome, instant), rome.local(instant), "{instant}");
        }
    }

    #[test]
    fn a_name_that_is_not_known_is_utc() {
        assert_eq!(Zone::named("Nowhere/Land").name(), "UTC");
        assert_eq!(Zone::named("").name(), "UTC");
    }
}
