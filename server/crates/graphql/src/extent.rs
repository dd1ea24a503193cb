//! What a request's JSON holds, looked at in its bytes before anything is made of it: too much is refused, and a number that would
//! lose digits.

use cardine_model::json_value::survives;

use crate::answer::plain_length;
use crate::error::Error;
use crate::limits::Limits;

/// Objects and values around the variables: the request itself, its parts, extensions.
const AROUND: usize = 100;

/// What stands in a JSON text. What is no JSON is counted somehow; the parser tells what is wrong with it.
#[derive(Debug, Default, PartialEq, Eq)]
struct Extent {
    objects: usize,
    values: usize,
}

/// A number that is not kept as it is written.
pub(crate) fn too_precise(digits: &str) -> Error {
    const LENGTH_MAX: usize = 60;
    let shown = digits.get(..LENGTH_MAX).map_or_else(|| digits.to_owned(), |start| format!("{start}…"));
    Error::input(format!("The number {shown} has more digits than a number of 64 bits keeps: write it as a string."))
}

/// Refuses a text that holds more than `requests` requests may.
pub(crate) fn check(json: &[u8], requests: usize, limits: &Limits) -> Result<(), Error> {
    let extent = Extent::of(json)?;
    for (what, most, found) in [
        ("objects in the variables", limits.variable_objects, extent.objects),
        ("values in the variables", limits.variable_values, extent.values),
    ] {
        if found > most.saturating_add(AROUND).saturating_mul(requests) {
            return Err(Error::limit(what, most, found));
        }
    }
    Ok(())
}

impl Extent {
    fn of(json: &[u8]) -> Result<Self, Error> {
        let mut extent = Self::default();
        let mut rest = json;
        while let [byte, behind @ ..] = rest {
            rest = behind;
            match byte {
                b'"' => rest = behind_string(rest),
                b'-' | b'0'..=b'9' => {
                    let is_part = |byte: &u8| matches!(byte, b'0'..=b'9' | b'.' | b'e' | b'E' | b'+' | b'-');
                    let length = rest.iter().take_while(|byte| is_part(byte)).count();
                    let start = json.len() - rest.len() - 1;
                    rest = &rest[length..];
                    let number = std::str::from_utf8(&json[start..=start + length]).unwrap_or_default();
                    if !survives(number) {
                        return Err(too_precise(number));
                    }
                }
                b'{' => {
                    extent.objects += 1;
                    extent.values += 1;
                }
                // Each value is the first of a list, or stands behind a comma.
                b'[' | b',' => extent.values += 1,
                _ => {}
            }
        }
        Ok(extent)
    }
}

/// What stands behind a string that was opened before.
fn behind_string(mut rest: &[u8]) -> &[u8] {
    loop {
        rest = match &rest[plain_length(rest)..] {
            [b'"', behind @ ..] => return behind,
            [b'\\', behind @ ..] => behind.get(1..).unwrap_or_default(),
            [_, behind @ ..] => behind,
            [] => return &[],
        };
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_stands_in_texts_is_no_structure() {
        for (json, objects, values) in [
            ("{}", 1, 1),
            ("[1, 2, 3]", 0, 3),
            (r#"{"a{": "[{,", "b\\": {}, "c\"{": [{}]}"#, 3, 6),
            (r#"{"open": "{{{"#, 1, 1),
            ("", 0, 0),
        ] {
            assert_eq!(Extent::of(json.as_bytes()).unwrap(), Extent { objects, values }, "{json}");
        }
    }

    #[test]
    fn a_string_ends_at_its_quote_wherever_that_stands() {
        for length in 0..40 {
            for (within, is_open) in
                [("", false), ("\\\"", false), ("\\\\", false), ("\\", true), ("\t", false), ("è", false)]
            {
                let text = format!("{}{within}", "x".repeat(length));
                let json = format!("{text}\"{{behind");
                let behind = behind_string(json.as_bytes());
                assert_eq!(behind == b"{behind", !is_open, "{text}");
                assert!(!is_open || behind.is_empty());
                assert!(behind_string(text.as_bytes()).is_empty());
            }
        }
    }

    #[test]
    fn numbers_that_would_lose_digits_are_refused() {
        for kept in [r#"{"a": [1.50, -12, 1e3], "b": "123456789012345678901234567890.5"}"#, "1.5"] {
            assert!(Extent::of(kept.as_bytes()).is_ok(), "{kept}");
        }
        let error = Extent::of(br#"{"a": [1, -0.12345678901234567890]}"#).unwrap_err();
        assert!(error.message.starts_with("The number -0.12345678901234567890 has more digits"), "{error}");
    }

    #[test]
    fn what_holds_too_much_is_refused_and_what_holds_as_much_is_not() {
        let limits = Limits { variable_objects: 10, variable_values: 50, ..Limits::default() };
        let of = |item: &str, count: usize| format!("[{}]", vec![item; count].join(","));
        assert!(check(of("{}", 10 + AROUND - 50).as_bytes(), 1, &limits).is_ok());
        let error = check(of("{}", 11 + AROUND).as_bytes(), 1, &limits).unwrap_err();
        assert_eq!(error.message, "The limit of 10 objects in the variables is exceeded: the request has 111.");
        assert!(check(of("1", 50 + AROUND).as_bytes(), 1, &limits).is_ok());
        let error = check(of("1", 51 + AROUND).as_bytes(), 1, &limits).unwrap_err();
        assert_eq!(error.message, "The limit of 50 values in the variables is exceeded: the request has 151.");
        assert!(check(of("1", 51 + AROUND).as_bytes(), 2, &limits).is_ok(), "for two requests");
    }
}
