//! Exact numbers in definitions: bounds and defaults, written as integers or as strings, never as JSON fractions.

use serde_json::Value as Json;

use crate::Decimal;

/// Most digits of a decimal.
pub(super) const DIGITS_MAX: u32 = 28;
/// Most digits after the point.
pub(super) const SCALE_MAX: u8 = 10;
/// Digits after the point where a definition doesn't say.
pub(super) const SCALE_DEFAULT: u8 = 2;

/// An integer of 32 or (`big`) 64 bits, as a JSON integer or a string of digits; else what would be right.
pub(super) fn parse_integer(value: &Json, big: bool) -> Result<i64, String> {
    let integer = match value {
        Json::Number(number) => number.as_i64(),
        Json::String(text) => text.parse().ok(),
        _ => None,
    };
    match integer {
        Some(integer) if big || i32::try_from(integer).is_ok() => Ok(integer),
        _ if big => Err("must be an integer of 64 bits (-9223372036854775808 to 9223372036854775807)".to_owned()),
        Some(_) => Err("must be an integer of 32 bits (-2147483648 to 2147483647); `big: true` allows more".to_owned()),
        None => Err("must be an integer such as 5".to_owned()),
    }
}

/// A decimal of at most `scale` digits after the point, as a JSON integer or a string; else what would be right.
pub(super) fn parse_decimal(value: &Json, scale: u8) -> Result<Decimal, String> {
    let decimal = match value {
        // By its text: an integer beyond 64 bits must not become a binary fraction on the way.
        Json::Number(number) if number.is_i64() || number.is_u64() => Decimal::parse(&number.to_string()),
        Json::Number(_) => {
            return Err("a number with a fraction is written as a string, such as \"12.50\"".to_owned());
        }
        Json::String(text) => Decimal::parse(text),
        _ => None,
    };
    let Some(decimal) = decimal else {
        return Err("must be a number: an integer, or a string such as \"12.50\"".to_owned());
    };
    if decimal.fraction_digits() > u32::from(scale) {
        return Err(format!(
            "has {} digits after the point; the field's `scale` is {scale}",
            decimal.fraction_digits()
        ));
    }
    // Values are stored with exactly `scale` digits, so those count even if they are zeros.
    let digits = decimal.integer_digits() + u32::from(scale);
    if digits > DIGITS_MAX {
        return Err(format!(
            "needs {digits} digits; a decimal has at most {DIGITS_MAX}, those after the point included"
        ));
    }
    Ok(decimal)
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn integers_are_whole_and_fit_their_bits() {
        assert_eq!(parse_integer(&json!(2_147_483_647), false), Ok(2_147_483_647));
        assert_eq!(parse_integer(&json!("-5"), false), Ok(-5));
        assert_eq!(parse_integer(&json!("9223372036854775807"), true), Ok(i64::MAX));
        for (value, big) in [
            (json!(2_147_483_648_i64), false),
            (json!(1.5), true),
            (json!(1.0), true),
            (json!("9223372036854775808"), true),
            (json!(u64::MAX), true),
            (json!("1e3"), true),
            (json!(true), true),
        ] {
            assert!(parse_integer(&value, big).is_err(), "{value}");
        }
    }

    #[test]
    fn decimals_are_strings_or_integers_within_their_scale() {
        let decimal = |text: &str| Decimal::parse(text).expect("a number");
        assert_eq!(parse_decimal(&json!("12.50"), 2), Ok(decimal("12.5")));
        assert_eq!(parse_decimal(&json!(12), 2), Ok(decimal("12")));
        assert_eq!(parse_decimal(&json!("0.0000000001"), 10), Ok(decimal("0.0000000001")));
        let longest = "9".repeat(26);
        assert_eq!(parse_decimal(&json!(longest), 2), Ok(decimal(&longest)));
        for (value, scale) in [
            (json!(12.5), 2),
            (json!("12.505"), 2),
            (json!("9".repeat(27)), 2),
            (json!("twelve"), 2),
            (json!(null), 2),
            (json!([1]), 2),
        ] {
            assert!(parse_decimal(&value, scale).is_err(), "{value}");
        }
    }
}
