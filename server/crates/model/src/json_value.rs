//! Values inside JSON documents, as filters see them: where they are, and what they compare by.
//!
//! Both databases must find and compare alike. PostgreSQL does it by its own operators (`#>` and casts); what stands here is the same
//! for SQLite and for operands.

use serde_json::{Number, Value as Json};

use crate::text;

/// Most steps of a path.
const STEPS_MAX: usize = 32;

/// The steps of a path: `$` is the whole document, `.name` and `["any name"]`, quoted as in JSON, a member, `[0]` an element of a
/// list. `None` if it is none.
pub fn steps(path: &str) -> Option<Vec<String>> {
    let mut rest = path.strip_prefix('$')?;
    let mut steps = Vec::new();
    while !rest.is_empty() {
        let (step, behind) = if let Some(name) = rest.strip_prefix('.') {
            name.split_at(name.find(['.', '[']).unwrap_or(name.len()))
        } else if rest.starts_with("[\"") {
            let (name, behind) = quoted(&rest[1..])?;
            steps.push(checked(name)?);
            rest = behind.strip_prefix(']')?;
            continue;
        } else {
            let (index, behind) = rest.strip_prefix('[')?.split_once(']')?;
            index.bytes().all(|byte| byte.is_ascii_digit()).then_some((index, behind))?
        };
        steps.push(checked(step.to_owned())?);
        rest = behind;
    }
    (steps.len() <= STEPS_MAX).then_some(steps)
}

/// A step that both databases take for the same.
fn checked(step: String) -> Option<String> {
    // PostgreSQL reads a number with a sign as an index, too, and counts a negative one from the end.
    let is_signed_index = step.trim_start().starts_with(['-', '+']) && step.trim_start().parse::<i64>().is_ok();
    let is_other = step.is_empty() || is_signed_index || step.starts_with(char::is_whitespace) || step.contains('\0');
    (!is_other).then_some(step)
}

/// The JSON string at the beginning of a text, and what stands behind it.
fn quoted(text: &str) -> Option<(String, &str)> {
    let mut strings = serde_json::Deserializer::from_str(text).into_iter::<String>();
    let string = strings.next()?.ok()?;
    Some((string, &text[strings.byte_offset()..]))
}

/// What stands at the end of `steps`; a step of digits is an index in a list and a name in an object.
pub fn at<'j>(document: &'j Json, steps: &[String]) -> Option<&'j Json> {
    steps.iter().try_fold(document, |value, step| match value {
        Json::Object(members) => members.get(step),
        Json::Array(elements) => elements.get(step.parse::<usize>().ok()?),
        _ => None,
    })
}

/// What a value is equal by: text without regard to case, numbers by value, and no number equals a text. `None` for null.
pub fn key(value: &Json) -> Option<String> {
    Some(match value {
        Json::Null => return None,
        Json::Bool(truth) => format!("b{truth}"),
        Json::Number(number) => format!("n{}", plain(number)),
        Json::String(text) => format!("s{}", text::fold(text)),
        // Lists and objects are not compared: they are there, and equal to no operand.
        Json::Array(_) | Json::Object(_) => "o".to_owned(),
    })
}

/// A number in plain digits; `None` for what is none.
pub fn number(value: &Json) -> Option<String> {
    match value {
        Json::Number(number) => Some(plain(number)),
        _ => None,
    }
}

/// Whether a number written like this in JSON keeps its value where numbers have 64 bits. What is no number, or too large for one, is
/// for the parser to tell.
pub fn survives(written: &str) -> bool {
    // So many digits always do.
    const DIGITS_MAX: usize = 15;
    // Far beyond all exponents that there are, and far below what could not be written out.
    const EXPONENT_MAX: i64 = 2_000;
    if written.len() <= DIGITS_MAX && !written.contains(['e', 'E']) {
        return true;
    }
    let Ok(number) = serde_json::from_str::<Number>(written) else { return true };
    let exponent = written.split_once(['e', 'E']).map_or(Ok(0), |(_, exponent)| exponent.parse::<i64>());
    exponent.is_ok_and(|exponent| exponent.abs() <= EXPONENT_MAX) && plain(&number) == plain_text(written)
}

/// Whether a document says all that its text says. Reading takes digits away from a number that 64 bits do not hold, and of members of
/// one name all but the last.
pub fn says_all(document: &Json, text: &str) -> bool {
    let (bytes, mut at, mut members) = (text.as_bytes(), 0, 0);
    while let Some(byte) = bytes.get(at) {
        at += match byte {
            b'"' => string_length(&bytes[at..]),
            b'-' | b'0'..=b'9' => {
                let is_part = |byte: &&u8| matches!(byte, b'0'..=b'9' | b'.' | b'e' | b'E' | b'+' | b'-');
                let length = bytes[at..].iter().take_while(is_part).count();
                if !text.get(at..at + length).is_some_and(survives) {
                    return false;
                }
                length
            }
            b':' => {
                members += 1;
                1
            }
            _ => 1,
        };
    }
    members == count_members(document)
}

/// The length of the string at the beginning, with its quotes.
fn string_length(bytes: &[u8]) -> usize {
    let mut length = 1;
    while let Some(byte) = bytes.get(length) {
        length += if *byte == b'\\' { 2 } else { 1 };
        if *byte == b'"' {
            break;
        }
    }
    length
}

/// How many members its objects have, on all levels.
fn count_members(document: &Json) -> usize {
    match document {
        Json::Object(members) => members.len() + members.values().map(count_members).sum::<usize>(),
        Json::Array(elements) => elements.iter().map(count_members).sum(),
        _ => 0,
    }
}

/// The number without exponent, and without zeros that mean nothing.
fn plain(number: &Number) -> String {
    plain_text(&number.to_string())
}

fn plain_text(text: &str) -> String {
    let (mantissa, exponent) = text.split_once(['e', 'E']).unwrap_or((text, "0"));
    let exponent: i64 = exponent.parse().unwrap_or(0);
    let (sign, mantissa) = mantissa.strip_prefix('-').map_or(("", mantissa), |rest| ("-", rest));
    let (whole, fraction) = mantissa.split_once('.').unwrap_or((mantissa, ""));
    let mut digits = [whole, fraction].concat();
    // Where the point stands among the digits; a JSON number of 64 bits has an exponent of at most a few hundred.
    let mut point = i64::try_from(whole.len()).unwrap_or(0) + exponent;
    if point <= 0 {
        digits.insert_str(0, &"0".repeat(usize::try_from(1 - point).unwrap_or(0)));
        point = 1;
    }
    let point = usize::try_from(point).unwrap_or(0);
    if digits.len() < point {
        digits.push_str(&"0".repeat(point - digits.len()));
    }
    let (whole, fraction) = digits.split_at(point);
    let (whole, fraction) = (whole.trim_start_matches('0'), fraction.trim_end_matches('0'));
    match (whole, fraction) {
        ("", "") => "0".to_owned(),
        (whole, "") => format!("{sign}{whole}"),
        ("", fraction) => format!("{sign}0.{fraction}"),
        (whole, fraction) => format!("{sign}{whole}.{fraction}"),
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn paths_are_steps_or_refused() {
        for (path, expected) in [
            ("$", vec![]),
            ("$.a", vec!["a"]),
            ("$.a.b[0].c", vec!["a", "b", "0", "c"]),
            ("$[\"two words\"].x", vec!["two words", "x"]),
            ("$[12]", vec!["12"]),
            (r#"$["a\"b"]["\\"].c"#, vec!["a\"b", "\\", "c"]),
            (r#"$["x\"].y"]"#, vec!["x\"].y"]),
            ("$.è-1", vec!["è-1"]),
        ] {
            assert_eq!(steps(path), Some(expected.into_iter().map(str::to_owned).collect()), "{path}");
        }
        let deep = format!("${}", ".a".repeat(33));
        for path in [
            "",
            "a",
            "$a",
            "$.",
            "$..a",
            "$[",
            "$[]",
            "$[a]",
            "$[-1]",
            "$.-1",
            "$[\"a]",
            "$[\"a\"",
            r#"$["a"b"]"#,
            r#"$["\x"]"#,
            "$[\"\"]",
            "$[\" 1\"]",
            "$[\"+1\"]",
            &deep,
        ] {
            assert_eq!(steps(path), None, "{path}");
        }
    }

    #[test]
    fn values_are_found_by_name_and_index() {
        let document = json!({"a": [{"b": 1}, "x"], "0": "zero"});
        let found = |path: &str| at(&document, &steps(path).unwrap()).cloned();
        assert_eq!(found("$"), Some(document.clone()));
        assert_eq!(found("$.a[0].b"), Some(json!(1)));
        assert_eq!(found("$[0]"), Some(json!("zero")));
        assert_eq!(found("$.a[2]"), None);
        assert_eq!(found("$.a.b"), None);
        assert_eq!(found("$.a[1].b"), None);
    }

    #[test]
    fn numbers_are_plain() {
        for (given, expected) in [
            ("0", "0"),
            ("-0.0", "0"),
            ("1.50", "1.5"),
            ("100", "100"),
            ("1e3", "1000"),
            ("-1.25e-3", "-0.00125"),
            ("1e-7", "0.0000001"),
            ("12.5e1", "125"),
            ("18446744073709551615", "18446744073709551615"),
        ] {
            assert_eq!(number(&serde_json::from_str(given).unwrap()).as_deref(), Some(expected), "{given}");
        }
        assert_eq!(number(&json!(1e300)).unwrap(), format!("1{}", "0".repeat(300)));
        assert_eq!(number(&json!("1")), None);
    }

    #[test]
    fn numbers_that_lose_digits_are_known() {
        for kept in
            ["0", "-0.0", "0.1", "1.10", "100000000000000000000", "1e22", "1e-7", "18446744073709551615", "-1.5E+300"]
        {
            assert!(survives(kept), "{kept}");
        }
        for lost in [
            "123456789012345678901234567890.5",
            "0.1000000000000000055511151231257827",
            "18446744073709551617",
            "3.14159265358979323846",
            "1e-400",
            "1e-999999999",
            "0e999999999",
        ] {
            assert!(!survives(lost), "{lost}");
        }
        for other in ["1e400", "", "-", "1.2.3.4.5.6.7.8.9.0", &"9".repeat(400)] {
            assert!(survives(other), "{other}: the parser tells");
        }
    }

    #[test]
    fn what_a_document_does_not_say_is_known() {
        let says_all = |text: &str| says_all(&serde_json::from_str(text).unwrap(), text);
        for text in [
            "null",
            "1.50",
            "[1, -2e3, \"123456789012345678901234567890.5\"]",
            r#"{"a": {"b": [{"a": 1}, {"a": 2}]}, "a:": ":", "\"b\":": "\\"}"#,
        ] {
            assert!(says_all(text), "{text}");
        }
        for text in [
            "123456789012345678901",
            r#"{"\\": 0.1000000000000000055511151231257827}"#,
            r#"{"a": 1, "b": [{"c": 2, "c": 2}]}"#,
            r#"{"a": {"b": 1}, "a": 1}"#,
        ] {
            assert!(!says_all(text), "{text}");
        }
    }

    #[test]
    fn keys_tell_types_apart() {
        let keys = [json!(1), json!("1"), json!(true), json!("true"), json!([1]), json!("")].map(|value| key(&value));
        for (position, one) in keys.iter().enumerate() {
            assert!(keys.iter().skip(position + 1).all(|other| other != one), "{one:?}");
        }
        assert_eq!(key(&json!("STRASSE")), key(&json!("straße")));
        assert_eq!(key(&json!(1.0)), key(&json!(1)));
        assert_eq!(key(&Json::Null), None);
    }
}
