//! When a workflow starts by a date of each record: so long before or after it, and at which time of day.

use cardine_model::Value;
use cardine_model::catalog::FieldId;
use chrono::{DateTime, Days, NaiveDate, NaiveTime, TimeDelta, TimeZone, Utc};
use chrono_tz::Tz;

/// What is due when, by a field's value.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct DueDates {
    pub field: FieldId,
    pub moment: Moment,
}

/// How a value means an instant.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Moment {
    /// A day, so many days later, at a time of day in a zone.
    OfDay { days: i64, at: NaiveTime, zone: Tz },
    /// An instant, so many seconds later.
    Later { seconds: i64 },
}

impl DueDates {
    /// When a record with this value is due.
    pub fn due(&self, value: &Value) -> Option<DateTime<Utc>> {
        match (&self.moment, value) {
            (Moment::OfDay { days, at, zone }, Value::Date(day)) => instant_of(shifted(*day, *days)?, *at, *zone),
            (Moment::Later { seconds }, Value::DateTime(at)) => {
                at.checked_add_signed(TimeDelta::try_seconds(*seconds)?)
            }
            _ => None,
        }
    }

    /// The least and the largest value that may be due between two instants; whether one is, [`Self::due`] tells.
    pub fn values(&self, from: DateTime<Utc>, to: DateTime<Utc>) -> Option<(Value, Value)> {
        match &self.moment {
            Moment::OfDay { days, zone, .. } => {
                // One day more on each side, as clocks are put forward and back.
                let day = |at: DateTime<Utc>, more: i64| shifted(at.with_timezone(zone).date_naive(), more - days);
                Some((Value::Date(day(from, -1)?), Value::Date(day(to, 1)?)))
            }
            Moment::Later { seconds } => {
                let length = TimeDelta::try_seconds(*seconds)?;
                let at = |at: DateTime<Utc>| at.checked_sub_signed(length).map(Value::DateTime);
                Some((at(from)?, at(to)?))
            }
        }
    }
}

fn shifted(day: NaiveDate, days: i64) -> Option<NaiveDate> {
    let length = Days::new(days.unsigned_abs());
    if days < 0 { day.checked_sub_days(length) } else { day.checked_add_days(length) }
}

/// A time of day that the clocks skip comes when they have been put forward.
fn instant_of(day: NaiveDate, at: NaiveTime, zone: Tz) -> Option<DateTime<Utc>> {
    let local = day.and_time(at);
    let mut minutes = (0..24 * 60).map(|minute| local + TimeDelta::minutes(minute));
    minutes.find_map(|local| zone.from_local_datetime(&local).earliest()).map(|at| at.to_utc())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(text: &str) -> DateTime<Utc> {
        text.parse().unwrap()
    }

    fn day(text: &str) -> Value {
        Value::Date(text.parse().unwrap())
    }

    fn of_day(days: i64, time: &str, zone: Tz) -> DueDates {
        DueDates { field: FieldId(3), moment: Moment::OfDay { days, at: time.parse().unwrap(), zone } }
    }

    #[test]
    fn days_are_those_of_the_zone_and_survive_daylight_saving() {
        let before = of_day(-3, "09:00:00", Tz::Europe__Rome);
        assert_eq!(before.due(&day("2026-03-30")), Some(at("2026-03-27T08:00:00Z")));
        assert_eq!(
            before.due(&day("2026-04-01")),
            Some(at("2026-03-29T07:00:00Z")),
            "the clocks have been put forward"
        );
        // 02:30 is skipped that night.
        assert_eq!(of_day(0, "02:30:00", Tz::Europe__Rome).due(&day("2026-03-29")), Some(at("2026-03-29T01:00:00Z")));
        // 02:30 comes twice.
        assert_eq!(of_day(0, "02:30:00", Tz::Europe__Rome).due(&day("2026-10-25")), Some(at("2026-10-25T00:30:00Z")));
        assert_eq!(before.due(&Value::Null), None);
        assert_eq!(
            before.due(&Value::DateTime(at("2026-03-30T00:00:00Z"))),
            None,
            "another type than when it was saved"
        );
    }

    #[test]
    fn what_is_due_in_a_span_is_among_the_values_asked_for() {
        for zone in [Tz::UTC, Tz::Europe__Rome, Tz::Pacific__Kiritimati, Tz::Pacific__Pago_Pago] {
            for (days, time) in [(-3, "00:00:00"), (0, "23:59:00"), (14, "12:00:00")] {
                let due_dates = of_day(days, time, zone);
                for offset in 0..20_u64 {
                    let date = NaiveDate::from_ymd_opt(2026, 3, 20).unwrap() + Days::new(offset);
                    let due = due_dates.due(&Value::Date(date)).unwrap();
                    let (least, most) = due_dates.values(due - TimeDelta::seconds(1), due).unwrap();
                    let (Value::Date(least), Value::Date(most)) = (least, most) else { panic!("they are days") };
                    assert!(least <= date && date <= most, "{zone} {date}");
                }
            }
        }
    }

    #[test]
    fn instants_are_moved_by_a_length() {
        let dates = DueDates { field: FieldId(3), moment: Moment::Later { seconds: -3_600 } };
        let value = Value::DateTime(at("2026-01-01T10:00:00Z"));
        assert_eq!(dates.due(&value), Some(at("2026-01-01T09:00:00Z")));
        let (least, most) = dates.values(at("2026-01-01T08:00:00Z"), at("2026-01-01T09:00:00Z")).unwrap();
        assert_eq!((least, most), (Value::DateTime(at("2026-01-01T09:00:00Z")), value));
    }
}
