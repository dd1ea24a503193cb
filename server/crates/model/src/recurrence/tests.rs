//! Rules give the days that another implementation gives, and the instants that clocks and daylight saving make of them.

use chrono::{DateTime, NaiveDate, TimeDelta, Utc};

use super::*;

fn at(text: &str) -> DateTime<Utc> {
    text.parse().unwrap()
}

fn day(text: &str) -> NaiveDate {
    text.parse().unwrap()
}

/// The first days of a rule.
fn days(start: &str, rule: &str, most: usize) -> Vec<String> {
    let start = day(start).and_hms_opt(9, 30, 0).unwrap();
    let rule = RecurrenceRule::parse(rule).unwrap();
    let instant = |day: NaiveDate| day.and_time(start.time()).and_utc();
    assert!(rule.begins_with(start, instant), "{rule:?}");
    let span = start.date()..=day("2059-12-31");
    let found = rule.days(start, span, most, instant, &mut Work(u64::MAX)).unwrap();
    // What is asked for from a later day on, is the rest of it.
    if let Some(later) = found.get(2) {
        let rest = rule.days(start, *later..=day("2059-12-31"), most - 2, instant, &mut Work(u64::MAX)).unwrap();
        assert_eq!(rest, found[2..], "{rule:?}");
    }
    if let Some(last) = rule.last_day(start, instant, &mut Work(u64::MAX)).unwrap()
        && last < day("2060-01-01")
    {
        let all = rule.days(start, start.date()..=day("2059-12-31"), usize::MAX, instant, &mut Work(u64::MAX)).unwrap();
        assert_eq!(all.last(), Some(&last), "{rule:?}");
    }
    found.iter().map(ToString::to_string).collect()
}

#[test]
fn rules_give_the_days_that_another_implementation_gives() {
    let mut compared = 0;
    for case in include_str!("cases.txt").lines().filter(|line| !line.starts_with('#')) {
        let (asked, expected) = case.split_once(" = ").unwrap();
        let (start, rule) = asked.split_once(' ').unwrap();
        assert_eq!(days(start, rule, 8).join(" "), expected, "{asked}");
        compared += 1;
    }
    assert_eq!(compared, 160);
}

#[test]
fn what_began_on_the_31st_comes_back_to_it() {
    let clamped = ["2026-01-31", "2026-02-28", "2026-03-31", "2026-04-30", "2026-05-31"];
    assert_eq!(days("2026-01-31", "FREQ=MONTHLY;RSCALE=GREGORIAN;SKIP=BACKWARD", 5), clamped);
    assert_eq!(days("2026-01-31", "FREQ=MONTHLY;BYMONTHDAY=-1", 5), clamped);
    // By RFC 5545 months without such a day are passed over.
    assert_eq!(days("2026-01-31", "FREQ=MONTHLY", 3), ["2026-01-31", "2026-03-31", "2026-05-31"]);
    let leap = "FREQ=YEARLY;RSCALE=GREGORIAN;SKIP=BACKWARD";
    assert_eq!(days("2024-02-29", leap, 5), ["2024-02-29", "2025-02-28", "2026-02-28", "2027-02-28", "2028-02-29"]);
    assert_eq!(days("2028-01-31", "FREQ=MONTHLY;RSCALE=GREGORIAN;SKIP=BACKWARD", 2), ["2028-01-31", "2028-02-29"]);
    let both = "RSCALE=GREGORIAN;FREQ=MONTHLY;BYMONTHDAY=30,31;SKIP=BACKWARD";
    assert_eq!(days("2026-01-30", both, 4), ["2026-01-30", "2026-01-31", "2026-02-28", "2026-03-30"]);
}

#[test]
fn a_faulty_rule_is_told() {
    for (rule, told) in [
        ("", "is no part of a rule"),
        ("COUNT=3", "FREQ is missing"),
        ("FREQ=SECONDLY", "too often"),
        ("FREQ=HOURLY", "too often"),
        ("FREQ=FORTNIGHTLY", "unknown"),
        ("FREQ=DAILY;COUNT=1001", "no number from 1 to 1000"),
        ("FREQ=DAILY;COUNT=0", "no number"),
        ("FREQ=DAILY;INTERVAL=0", "no number"),
        ("FREQ=DAILY;INTERVAL=99999999999999", "no number"),
        ("FREQ=DAILY;COUNT=2;UNTIL=20270101", "not both"),
        ("FREQ=DAILY;FREQ=DAILY", "twice"),
        ("FREQ=DAILY;BYHOUR=1,2,3", "once a day"),
        ("FREQ=YEARLY;BYWEEKNO=20", "not served"),
        ("FREQ=WEEKLY;BYDAY=2MO", "only with"),
        ("FREQ=WEEKLY;BYMONTHDAY=2", "does not go"),
        ("FREQ=MONTHLY;BYMONTHDAY=0", "no 0"),
        ("FREQ=MONTHLY;BYDAY=XX", "no weekday"),
        ("FREQ=MONTHLY;BYDAY=è", "no weekday"),
        ("FREQ=MONTHLY;BYSETPOS=1", "chooses among"),
        ("FREQ=DAILY;UNTIL=2027-01-01", "no date"),
        ("FREQ=DAILY;UNTIL=20270230", "no date"),
        ("FREQ=MONTHLY;SKIP=BACKWARD", "RSCALE"),
        ("FREQ=MONTHLY;RSCALE=HEBREW", "not served"),
        ("RRULE:FREQ=DAILY", "`RRULE:FREQ` is no part"),
        ("FREQ=DAILY;", "is no part"),
        (&format!("FREQ=DAILY{}", ";".repeat(500)), "500 bytes"),
    ] {
        let fault = RecurrenceRule::parse(rule).unwrap_err();
        // A name is told as it is compared.
        assert!(fault.to_lowercase().contains(&told.to_lowercase()), "{rule}: {fault}");
    }
}

/// A series of one hour in Rome.
fn series(start: &str, rule: &str) -> Series {
    let text = SeriesText { rule, time_zone: "Europe/Rome", ..SeriesText::default() };
    Series::parse(at(start), Some(at(start) + TimeDelta::hours(1)), text).unwrap()
}

fn shown(series: &Series, from: &str, to: &str) -> Vec<String> {
    let found = series.occurrences((at(from), at(to)), None, 1_000, &mut Work(u64::MAX)).unwrap();
    found
        .iter()
        .map(|one| format!("{}/{}", one.starts.format("%m-%dT%H:%M"), one.ends.unwrap().format("%H:%M")))
        .collect()
}

#[test]
fn times_stay_as_clocks_show_them() {
    // 09:00 in Rome, before and after the clocks are put forward.
    let spring = series("2026-03-27T08:00:00Z", "FREQ=DAILY");
    let found = shown(&spring, "2026-03-28T00:00:00Z", "2026-03-31T00:00:00Z");
    assert_eq!(found, ["03-28T08:00/09:00", "03-29T07:00/08:00", "03-30T07:00/08:00"]);
    // 02:30 does not exist on that day: it is as late as it would be without the change.
    let night = series("2026-03-28T01:30:00Z", "FREQ=DAILY;COUNT=3");
    let all = ("2026-01-01T00:00:00Z", "2026-12-31T00:00:00Z");
    assert_eq!(shown(&night, all.0, all.1), ["03-28T01:30/02:30", "03-29T01:30/02:30", "03-30T00:30/01:30"]);
    // In autumn clocks show 02:30 twice: the first time is meant, but of the start itself.
    let autumn = series("2026-10-24T00:30:00Z", "FREQ=DAILY;COUNT=3");
    assert_eq!(shown(&autumn, all.0, all.1), ["10-24T00:30/01:30", "10-25T00:30/01:30", "10-26T01:30/02:30"]);
    let second = series("2026-10-25T01:30:00Z", "FREQ=DAILY;COUNT=2");
    assert_eq!(shown(&second, all.0, all.1), ["10-25T01:30/02:30", "10-26T01:30/02:30"]);
}

#[test]
fn whole_days_are_whole_on_the_days_of_daylight_saving() {
    let text = |all_day| SeriesText { rule: "FREQ=WEEKLY", time_zone: "Europe/Rome", all_day, ..SeriesText::default() };
    let (start, end) = (at("2026-03-21T23:00:00Z"), at("2026-03-22T23:00:00Z"));
    let window = ("2026-03-28T12:00:00Z", "2026-03-30T12:00:00Z");
    let whole = Series::parse(start, Some(end), text(true)).unwrap();
    assert_eq!(shown(&whole, window.0, window.1), ["03-28T23:00/22:00"]);
    let exact = Series::parse(start, Some(end), text(false)).unwrap();
    assert_eq!(shown(&exact, window.0, window.1), ["03-28T23:00/23:00"]);
}

#[test]
fn days_are_left_out_and_still_counted() {
    let rule = "FREQ=WEEKLY;BYDAY=MO,WE;COUNT=4";
    let text = SeriesText { rule, exceptions: "2026-01-07, 20260112", ..SeriesText::default() };
    let series = Series::parse(at("2026-01-05T09:00:00Z"), Some(at("2026-01-05T10:00:00Z")), text).unwrap();
    let all = shown(&series, "2026-01-01T00:00:00Z", "2027-01-01T00:00:00Z");
    assert_eq!(all, ["01-05T09:00/10:00", "01-14T09:00/10:00"]);
    assert_eq!(series.last_end(&mut Work(1_000)), Ok(Some(at("2026-01-14T10:00:00Z"))));
}

#[test]
fn a_window_has_what_reaches_into_it() {
    let text = SeriesText { rule: "FREQ=DAILY", ..SeriesText::default() };
    let (start, window) = (at("2026-01-01T22:00:00Z"), (at("2026-01-11T00:00:00Z"), at("2026-01-11T22:00:00Z")));
    let found = |end: Option<&str>, since: Option<&str>| {
        let series = Series::parse(start, end.map(at), text).unwrap();
        let found = series.occurrences(window, since.map(at), 100, &mut Work(1_000)).unwrap();
        found.iter().map(|one| one.starts.format("%d").to_string()).collect::<Vec<_>>().join(" ")
    };
    // It begins on the evening before, or three evenings before; what ends when the window begins is not in it.
    assert_eq!(found(Some("2026-01-02T00:01:00Z"), None), "10");
    assert_eq!(found(Some("2026-01-02T00:00:00Z"), None), "");
    assert_eq!(found(Some("2026-01-04T12:00:00Z"), None), "08 09 10");
    assert_eq!(found(Some("2026-01-04T12:00:00Z"), Some("2026-01-09T22:00:00Z")), "09 10");
    // Without an end it is where it begins.
    assert_eq!(found(None, None), "");
    // Even long after its start little is looked at.
    let late = (at("2100-01-01T00:00:00Z"), at("2100-01-03T00:00:00Z"));
    let series = Series::parse(start, None, text).unwrap();
    assert_eq!(series.occurrences(late, None, 100, &mut Work(20)).unwrap().len(), 2);
}

#[test]
fn a_series_with_faults_is_refused_with_all_of_them() {
    let start = at("2026-01-05T09:00:00Z");
    let text =
        SeriesText { rule: "FREQ=SECONDLY", exceptions: "tomorrow", time_zone: "Europe/Atlantis", all_day: false };
    let faults = Series::parse(start, Some(at("2028-01-05T09:00:00Z")), text).unwrap_err();
    let parts: Vec<SeriesPart> = faults.iter().map(|(part, _)| *part).collect();
    assert_eq!(parts, [SeriesPart::TimeZone, SeriesPart::Exceptions, SeriesPart::End, SeriesPart::Rule]);
    for (rule, zone) in [
        // A Monday, of which the rule knows nothing.
        ("FREQ=WEEKLY;BYDAY=TU", ""),
        ("FREQ=YEARLY;BYMONTH=2;BYMONTHDAY=30", ""),
        ("FREQ=DAILY;UNTIL=20251231", ""),
        ("FREQ=DAILY;UNTIL=20260105T085959Z", ""),
        // Tuesday has come in Kiritimati.
        ("FREQ=WEEKLY;BYDAY=MO", "Pacific/Kiritimati"),
    ] {
        let faults = Series::parse(
            at("2026-01-05T12:00:00Z"),
            None,
            SeriesText { rule, time_zone: zone, ..SeriesText::default() },
        );
        let faults = faults.unwrap_err();
        assert!(
            matches!(&faults[..], [(SeriesPart::Rule, message)] if message.contains("start")),
            "{rule}: {faults:?}"
        );
    }
    let many: Vec<String> =
        (0..=EXCEPTIONS_MAX as i64).map(|days| (day("2026-01-05") + TimeDelta::days(days)).to_string()).collect();
    let text = SeriesText { rule: "FREQ=DAILY", exceptions: &many.join("\n"), ..SeriesText::default() };
    assert!(Series::parse(start, None, text).is_err());
    let text = SeriesText { exceptions: &many[1..].join(","), ..text };
    assert!(Series::parse(start, None, text).is_ok());
}

#[test]
fn the_work_of_a_rule_is_bounded() {
    let sparse = series("2024-02-29T09:00:00Z", "FREQ=DAILY;BYMONTH=2;BYMONTHDAY=29;COUNT=1000");
    let window = (at("2120-01-01T00:00:00Z"), at("2120-12-31T00:00:00Z"));
    assert_eq!(sparse.occurrences(window, None, 10, &mut Work(30_000)).unwrap_err(), TooMuch);
    // It is followed for a hundred years.
    assert_eq!(sparse.last_end(&mut Work(40_000)), Ok(Some(at("2124-02-29T10:00:00Z"))));
    let seldom = series("2024-02-29T09:00:00Z", "FREQ=DAILY;BYMONTH=2;BYMONTHDAY=29;UNTIL=21240101");
    for sparse in [sparse, seldom] {
        assert_eq!(sparse.last_end(&mut Work(1_000)), Err(TooMuch));
    }
    let far = (at("2200-01-01T00:00:00Z"), at("2200-12-31T00:00:00Z"));
    assert_eq!(series("2024-02-29T09:00:00Z", "FREQ=DAILY").occurrences(far, None, 10, &mut Work(10)), Ok(Vec::new()));
}
