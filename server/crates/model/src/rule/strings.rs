//! What rules compute with texts, by code points; the same that the databases' own functions give.

use super::calendar::truncated;
use crate::Decimal;

/// The end of a `substring` that has none.
pub const END: i64 = 2_147_483_647;

/// The text with each `part` replaced; an empty one is nowhere.
pub fn replace(text: &str, part: &str, by: &str) -> String {
    if part.is_empty() { text.to_owned() } else { text.replace(part, by) }
}

/// From `start`, counted from 0, up to before `end`; both as far as the text goes, without their fractions.
pub fn substring(text: &str, start: &Decimal, end: &Decimal) -> String {
    let place = |number: &Decimal| {
        let beyond = if number.is_negative() { 0 } else { usize::MAX };
        truncated(number).map_or(beyond, |number| usize::try_from(number).unwrap_or(0))
    };
    let (start, end) = (place(start), place(end));
    text.chars().skip(start).take(end.saturating_sub(start)).collect()
}

/// Where `part` begins first, counted from 0; -1 if it is not there.
pub fn index_of(text: &str, part: &str) -> i64 {
    text.find(part).map_or(-1, |byte| i64::try_from(text[..byte].chars().count()).unwrap_or(i64::MAX))
}

/// The whole number below, or above with `up`.
pub fn whole(number: &Decimal, up: bool) -> Decimal {
    let one = Decimal::from_i64(1);
    let fraction = number.rem(&one).unwrap_or(Decimal::ZERO);
    let cut = number - &fraction;
    match (fraction.is_zero(), fraction.is_negative(), up) {
        (false, false, true) => &cut + &one,
        (false, true, false) => &cut - &one,
        _ => cut,
    }
}
