//! Automatic numbers: a format such as `TT-{YYYY}-{0000}` and the period in which its counter runs.

use chrono::{Datelike, NaiveDate};

/// The counter's period: numbers start again with each year or month that the format names.
pub fn period(format: &str, today: NaiveDate) -> String {
    let mut period = String::new();
    if format.contains("{YYYY}") || format.contains("{YY}") {
        period.push_str(&format!("{:04}", today.year()));
    }
    if format.contains("{MM}") {
        period.push_str(&format!("-{:02}", today.month()));
    }
    period
}

/// The number `counter` in this format: `{0000}` has at least as many digits as it has zeros.
pub fn write(format: &str, today: NaiveDate, counter: i64) -> String {
    let mut text = String::new();
    let mut rest = format;
    while let Some((before, after)) = rest.split_once('{') {
        text.push_str(before);
        let Some((place, behind)) = after.split_once('}') else {
            text.push('{');
            rest = after;
            continue;
        };
        match place {
            "YYYY" => text.push_str(&format!("{:04}", today.year())),
            "YY" => text.push_str(&format!("{:02}", today.year().rem_euclid(100))),
            "MM" => text.push_str(&format!("{:02}", today.month())),
            zeros if !zeros.is_empty() && zeros.bytes().all(|byte| byte == b'0') => {
                text.push_str(&format!("{counter:0width$}", width = zeros.len()));
            }
            other => text.push_str(&format!("{{{other}}}")),
        }
        rest = behind;
    }
    text.push_str(rest);
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_follow_their_format() {
        let today = NaiveDate::from_ymd_opt(2026, 3, 9).unwrap();
        assert_eq!(write("TT-{YYYY}-{0000}", today, 42), "TT-2026-0042");
        assert_eq!(write("LEA-{00000}", today, 123_456), "LEA-123456");
        assert_eq!(write("{YY}{MM}/{0}", today, 7), "2603/7");
        assert_eq!(period("TT-{YYYY}-{0000}", today), "2026");
        assert_eq!(period("{YY}{MM}/{0}", today), "2026-03");
        assert_eq!(period("LEA-{00000}", today), "");
    }
}
