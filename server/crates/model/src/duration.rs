//! Durations: text by ISO 8601 ↔ whole seconds.
//!
//! A duration here is a length of time that two people measure alike: weeks, days of 24 hours, hours, minutes and seconds. Years and
//! months have no fixed length, so a stored value cannot have them: it could be neither compared nor summed.

use std::fmt::Write as _;

/// Longest duration, either way: 10,000 years of 365.25 days.
pub const SECONDS_MAX: i64 = 315_576_000_000;

/// The designators before and behind the `T`, and the seconds of each.
const DAY_PARTS: [(char, i64); 2] = [('W', 604_800), ('D', 86_400)];
const TIME_PARTS: [(char, i64); 3] = [('H', 3_600), ('M', 60), ('S', 1)];

/// Why a text is no duration.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum DurationFault {
    /// Not by ISO 8601.
    Form,
    /// With years or months.
    Calendar,
    /// With parts of a second.
    Fraction,
    /// Longer than [`SECONDS_MAX`].
    Range,
}

impl DurationFault {
    /// What a duration is, to be put right behind the faulty value.
    pub fn hint(self) -> &'static str {
        match self {
            Self::Form => ": it is written by ISO 8601, such as \"PT1H30M\" or \"P2D\"",
            Self::Calendar => {
                ": it has no years or months, whose lengths differ; write weeks, days, hours, minutes and seconds"
            }
            Self::Fraction => ": it is in whole seconds",
            Self::Range => ": it is at most 10,000 years",
        }
    }
}

/// The seconds of `-?P(nW)?(nD)?(T(nH)?(nM)?(nS)?)?`, with at least one part.
pub fn parse(text: &str) -> Result<i64, DurationFault> {
    let (sign, unsigned) = text.strip_prefix('-').map_or((1, text), |rest| (-1, rest));
    let rest = unsigned.strip_prefix('P').ok_or(DurationFault::Form)?;
    let (days, time) = match rest.split_once('T') {
        Some((_, "")) => return Err(DurationFault::Form),
        Some((days, time)) => (days, time),
        None => (rest, ""),
    };
    if days.is_empty() && time.is_empty() {
        return Err(DurationFault::Form);
    }
    if days.contains(['Y', 'M']) {
        return Err(DurationFault::Calendar);
    }
    if text.contains(['.', ',']) {
        return Err(DurationFault::Fraction);
    }
    let seconds = sum(days, &DAY_PARTS)?.checked_add(sum(time, &TIME_PARTS)?).ok_or(DurationFault::Range)?;
    if seconds > SECONDS_MAX { Err(DurationFault::Range) } else { Ok(sign * seconds) }
}

fn sum(mut text: &str, parts: &[(char, i64)]) -> Result<i64, DurationFault> {
    let mut seconds: i64 = 0;
    for (designator, length) in parts {
        let Some((number, rest)) = text.split_once(*designator) else { continue };
        if number.is_empty() || !number.bytes().all(|byte| byte.is_ascii_digit()) {
            return Err(DurationFault::Form);
        }
        let part = number.parse::<i64>().ok().and_then(|number| number.checked_mul(*length));
        seconds = part.and_then(|part| seconds.checked_add(part)).ok_or(DurationFault::Range)?;
        text = rest;
    }
    if text.is_empty() { Ok(seconds) } else { Err(DurationFault::Form) }
}

/// The text of so many seconds, in one form alone: `P1DT2H3M4S`, without parts that are 0; `PT0S`.
pub fn text(seconds: i64) -> String {
    let mut text = String::from(if seconds < 0 { "-P" } else { "P" });
    let mut rest = seconds.unsigned_abs();
    let days = rest / 86_400;
    rest %= 86_400;
    let mut part = |number: u64, designator: char| {
        if number > 0 {
            write!(text, "{number}{designator}").expect("text can be written to");
        }
    };
    part(days, 'D');
    if rest > 0 || days == 0 {
        let (hours, minutes, seconds) = (rest / 3_600, rest / 60 % 60, rest % 60);
        text.push('T');
        for (number, designator) in [(hours, 'H'), (minutes, 'M'), (seconds, 'S')] {
            if number > 0 || (rest == 0 && designator == 'S') {
                write!(text, "{number}{designator}").expect("text can be written to");
            }
        }
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_length_has_one_text() {
        for (given, seconds, shown) in [
            ("PT0S", 0, "PT0S"),
            ("P0D", 0, "PT0S"),
            ("-PT0S", 0, "PT0S"),
            ("P1W", 604_800, "P7D"),
            ("PT36H", 129_600, "P1DT12H"),
            ("P1DT12H", 129_600, "P1DT12H"),
            ("PT90M", 5_400, "PT1H30M"),
            ("P2W3DT4H5M6S", 1_483_506, "P17DT4H5M6S"),
            ("-PT1M", -60, "-PT1M"),
            ("PT007S", 7, "PT7S"),
            ("P3652500D", SECONDS_MAX, "P3652500D"),
        ] {
            assert_eq!(parse(given), Ok(seconds), "{given}");
            assert_eq!(text(seconds), shown, "{given}");
            assert_eq!(parse(shown), Ok(seconds), "{shown}");
        }
    }

    #[test]
    fn what_has_no_fixed_length_is_refused_with_the_reason() {
        for (given, fault) in [
            ("", DurationFault::Form),
            ("P", DurationFault::Form),
            ("PT", DurationFault::Form),
            ("P1DT", DurationFault::Form),
            ("1H", DurationFault::Form),
            ("P1H", DurationFault::Form),
            ("PT1D", DurationFault::Form),
            ("PT1M1H", DurationFault::Form),
            ("P1D1W", DurationFault::Form),
            ("PTS", DurationFault::Form),
            ("PT-1S", DurationFault::Form),
            ("+PT1S", DurationFault::Form),
            ("PT1S ", DurationFault::Form),
            ("pt1s", DurationFault::Form),
            ("P1M", DurationFault::Calendar),
            ("P1Y2D", DurationFault::Calendar),
            ("PT0.5S", DurationFault::Fraction),
            ("PT0,5S", DurationFault::Fraction),
            ("P3652500DT1S", DurationFault::Range),
            ("P99999999999999999999D", DurationFault::Range),
            ("P9223372036854775807W", DurationFault::Range),
        ] {
            assert_eq!(parse(given), Err(fault), "{given}");
        }
    }
}
