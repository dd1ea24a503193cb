//! The rules of single values: normalised and checked before a write, every fault told at once.

use std::net::IpAddr;

use cardine_access::Rights;
use cardine_model::catalog::{Catalog, Checks, DecimalUnit, Field, FieldKind, Module, ModuleId, TextFormat};
use cardine_model::resolve::INDEXED_TEXT_LENGTH_MAX;
use cardine_model::{Decimal, Issue, PathSegment, Value, duration};
use regex::Regex;

use crate::record::{Record, json_name};

/// Most digits of a decimal, before and after the point together.
pub const DECIMAL_DIGITS_MAX: usize = 28;
/// Most characters of a one-line text without a `maxLength` of its own.
pub const TEXT_LENGTH_MAX: u32 = 10_000;
/// Most characters of a text of several lines without a `maxLength` of its own.
pub const LONG_TEXT_LENGTH_MAX: u32 = 1_000_000;

/// Normalises and checks one value of `field`; what breaks a rule goes to `issues` under `path`.
///
/// A text of spaces alone is no value: a form that was sent empty must not satisfy `required`.
pub fn check_value(
    catalog: &Catalog,
    module: ModuleId,
    field: &Field,
    value: Value,
    path: &[PathSegment],
    issues: &mut Vec<Issue>,
) -> Value {
    let is_blank = matches!(&value, Value::Text(text) if text.trim().is_empty());
    if value.is_null() || (is_blank && field.required) {
        if field.required {
            issues.push(issue(field, path, "required", "a value is required"));
        }
        return value;
    }
    match normalise(&catalog.module(module).checks, field, value) {
        Ok(value) => value,
        Err((rule, message)) => {
            issues.push(issue(field, path, rule, message));
            Value::Null
        }
    }
}

/// A value as it would be stored; null if it breaks a rule of its field.
pub fn normalised(catalog: &Catalog, module: ModuleId, field: &Field, value: Value) -> Value {
    check_value(catalog, module, field, value, &[], &mut Vec::new())
}

/// An issue at a field's place in an input.
pub fn issue(field: &Field, path: &[PathSegment], rule: &str, message: impl Into<String>) -> Issue {
    // A part stands inside the object of its whole.
    let name = json_name(field);
    let place = name.split('.').map(PathSegment::from);
    Issue::new(path.iter().cloned().chain(place).collect(), rule, message)
}

/// Checks what the parts of an address or place must be together, where they are new or changed.
pub fn check_groups(
    module: &Module,
    rights: &Rights,
    record: &Record,
    before: Option<&Record>,
    path: &[PathSegment],
    issues: &mut Vec<Issue>,
) {
    for field in &module.fields {
        let Some(group) = field.group() else { continue };
        let untouched = |before: &Record| group.parts.iter().all(|part| before.get(*part) == record.get(*part));
        if before.is_some_and(untouched) {
            continue;
        }
        let is_given =
            |value: &Value| !value.is_null() && !matches!(value, Value::Text(text) if text.trim().is_empty());
        let given = group.parts.iter().filter(|part| is_given(record.get(**part))).count();
        let fault = match given {
            0 if field.required => ("required", "a value is required".to_owned()),
            given if group.shape.is_whole() && given > 0 && given < group.parts.len() => {
                ("parts", format!("needs all of its parts: {}", group.shape.parts().join(", ")))
            }
            _ => continue,
        };
        // A part that is faulty by itself is told already.
        if issues.iter().any(|known| known.path.starts_with(&issue(field, path, "", "").path)) {
            continue;
        }
        issues.push(if rights.can_read(module.id, field.id) {
            issue(field, path, fault.0, fault.1)
        } else {
            Issue::new(path.to_vec(), fault.0, "a value is required that you may not set; ask an administrator")
        });
    }
}

type Fault = (&'static str, String);

fn normalise(checks: &Checks, field: &Field, value: Value) -> Result<Value, Fault> {
    match (&field.kind, value) {
        (FieldKind::Text { format, pattern, .. }, Value::Text(text)) => {
            let max_length = length_max(field);
            let pattern = checks.patterns.get(&field.id).zip(pattern.as_deref());
            normalise_text(*format, max_length, pattern, text).map(Value::Text)
        }
        (FieldKind::Integer { big, min, max }, Value::Integer(number)) => {
            let least = min.unwrap_or(if *big { i64::MIN } else { i64::from(i32::MIN) });
            let most = max.unwrap_or(if *big { i64::MAX } else { i64::from(i32::MAX) });
            if (least..=most).contains(&number) {
                Ok(Value::Integer(number))
            } else {
                Err(("range", format!("must be from {least} to {most}")))
            }
        }
        (FieldKind::Duration, Value::Integer(seconds)) => {
            if (-duration::SECONDS_MAX..=duration::SECONDS_MAX).contains(&seconds) {
                Ok(Value::Integer(seconds))
            } else {
                Err(("range", "must be at most 10,000 years".to_owned()))
            }
        }
        (FieldKind::Decimal { unit, scale, min, max }, Value::Decimal(number)) => {
            check_decimal(*unit, *scale, min.as_ref(), max.as_ref(), &number)?;
            Ok(Value::Decimal(number))
        }
        (FieldKind::Choice { options }, Value::Text(text)) => {
            let option = options.iter().find(|option| option.value == text);
            match option {
                Some(option) if option.active => Ok(Value::Text(text)),
                Some(_) => Err(("retired", "this choice is retired and can't be chosen any more".to_owned())),
                None => Err(("choice", "is none of the choices".to_owned())),
            }
        }
        (FieldKind::MultiChoice { options }, Value::List(values)) => {
            let mut chosen: Vec<Value> = Vec::new();
            for value in values {
                let known = matches!(&value, Value::Text(text) if options.iter().any(|option| option.active && option.value == *text));
                if !known {
                    return Err(("choice", "holds a value that is none of the choices".to_owned()));
                }
                if !chosen.contains(&value) {
                    chosen.push(value);
                }
            }
            Ok(Value::List(chosen))
        }
        (FieldKind::Json { .. }, Value::Json(json)) => match checks.json_schemas.get(&field.id) {
            Some(schema) if !schema.is_valid(&json) => {
                let faults = schema.iter_errors(&json).take(3).map(|fault| fault.to_string());
                Err((
                    "schema",
                    format!("does not meet the field's JSON Schema: {}", faults.collect::<Vec<_>>().join("; ")),
                ))
            }
            _ => Ok(Value::Json(json)),
        },
        (_, value) => Ok(value),
    }
}

fn normalise_text(
    format: TextFormat,
    length_max: u32,
    pattern: Option<(&Regex, &str)>,
    text: String,
) -> Result<String, Fault> {
    if text.contains('\0') {
        return Err(("characters", "must not contain the character NUL".to_owned()));
    }
    let text = match format {
        TextFormat::Plain | TextFormat::Long => text,
        TextFormat::Rich => rich_text(&text),
        TextFormat::Email => email(&text)?,
        TextFormat::Phone => phone(&text)?,
        TextFormat::Url => web_address(&text)?,
    };
    let length = text.chars().count();
    if length > length_max as usize {
        return Err(("maxLength", format!("has {length} characters, at most {length_max} are allowed")));
    }
    if let Some((compiled, pattern)) = pattern
        && !compiled.is_match(&text)
    {
        return Err(("pattern", format!("must match the pattern {pattern}")));
    }
    Ok(text)
}

/// Most characters of a text field's values; 0 of others.
pub(crate) fn length_max(field: &Field) -> u32 {
    match &field.kind {
        FieldKind::Text { format, max_length, .. } => {
            max_length.unwrap_or(default_length_max(*format, field.indexed || field.unique))
        }
        _ => 0,
    }
}

/// Most characters of a text whose field has no `maxLength`. One that is `searched` stands in an index, whose entries
/// PostgreSQL bounds to a third of a page.
fn default_length_max(format: TextFormat, searched: bool) -> u32 {
    match format {
        _ if searched => INDEXED_TEXT_LENGTH_MAX,
        TextFormat::Long | TextFormat::Rich => LONG_TEXT_LENGTH_MAX,
        _ => TEXT_LENGTH_MAX,
    }
}

fn check_decimal(
    unit: DecimalUnit,
    scale: u8,
    min: Option<&Decimal>,
    max: Option<&Decimal>,
    number: &Decimal,
) -> Result<(), Fault> {
    let what = match unit {
        DecimalUnit::Plain => "number",
        DecimalUnit::Percent => "percentage",
        DecimalUnit::Money => "amount",
    };
    if number.fraction_digits() > u32::from(scale) {
        return Err(("scale", format!("this {what} has more than {scale} digits after the point")));
    }
    let digits = number.integer_digits() as usize + usize::from(scale);
    if digits > DECIMAL_DIGITS_MAX {
        let most = DECIMAL_DIGITS_MAX - usize::from(scale);
        return Err(("digits", format!("this {what} has more than {most} digits before the point")));
    }
    if min.is_some_and(|min| number < min) || max.is_some_and(|max| number > max) {
        let bounds = match (min, max) {
            (Some(min), Some(max)) => format!("must be from {min} to {max}"),
            (Some(min), None) => format!("must be at least {min}"),
            (_, max) => format!("must be at most {}", max.map(ToString::to_string).unwrap_or_default()),
        };
        return Err(("range", bounds));
    }
    Ok(())
}

/// HTML that a page can show as it is: known elements and attributes alone, no script, no style, no other address than a link's.
fn rich_text(text: &str) -> String {
    ammonia::clean(text)
}

/// An address as of RFC 5321: the domain in small letters, the local part as it is.
fn email(text: &str) -> Result<String, Fault> {
    let text = text.trim();
    let fault = || ("email", "is no e-mail address, such as name@example.com".to_owned());
    let (local, domain) = text.rsplit_once('@').ok_or_else(fault)?;
    if !email_address::EmailAddress::is_valid(text) || !domain.contains('.') || domain.parse::<IpAddr>().is_ok() {
        return Err(fault());
    }
    Ok(format!("{local}@{}", domain.to_lowercase()))
}

/// A number as people write it, reduced to `+` and digits; an extension behind `x` is kept.
fn phone(text: &str) -> Result<String, Fault> {
    let fault = || ("phone", "is no phone number, such as +39 051 123456".to_owned());
    let (number, extension) = match text.split_once(['x', 'X']) {
        Some((number, extension)) => (number, Some(extension.trim())),
        None => (text, None),
    };
    let international = number.trim_start().starts_with('+') || number.trim_start().starts_with("00");
    let digits: String = number.chars().filter(char::is_ascii_digit).collect();
    let others = number.trim().trim_start_matches('+').chars().all(|c| c.is_ascii_digit() || " -./()".contains(c));
    let digits = if number.trim_start().starts_with("00") { digits[2..].to_owned() } else { digits };
    if !others || !(3..=15).contains(&digits.len()) {
        return Err(fault());
    }
    let plus = if international { "+" } else { "" };
    match extension {
        None => Ok(format!("{plus}{digits}")),
        Some(extension)
            if !extension.is_empty() && extension.len() <= 6 && extension.bytes().all(|b| b.is_ascii_digit()) =>
        {
            Ok(format!("{plus}{digits}x{extension}"))
        }
        Some(_) => Err(fault()),
    }
}

/// A phone number as it is kept; `None` for what is none.
pub fn normalise_phone(text: &str) -> Option<String> {
    phone(text).ok()
}

/// An absolute `http` or `https` address; `https://` is put before one without a scheme.
fn web_address(text: &str) -> Result<String, Fault> {
    let fault = || ("url", "is no web address, such as https://example.com".to_owned());
    let text = text.trim();
    let full = if text.contains("://") { text.to_owned() } else { format!("https://{text}") };
    let address = url::Url::parse(&full).map_err(|_| fault())?;
    if !matches!(address.scheme(), "http" | "https")
        || !address.host_str().is_some_and(|host| host.contains('.') || host == "localhost")
    {
        return Err(fault());
    }
    Ok(address.to_string())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses_and_numbers_are_normalised() {
        assert_eq!(email(" Mario.Rossi@Example.COM ").as_deref(), Ok("Mario.Rossi@example.com"));
        assert!(email("mario").is_err());
        assert!(email("a@b").is_err());
        assert_eq!(phone("+39 (051) 12.34-56").as_deref(), Ok("+39051123456"));
        assert_eq!(phone("0039 051 123456 x 12").as_deref(), Ok("+39051123456x12"));
        assert_eq!(phone("051 123456").as_deref(), Ok("051123456"));
        assert!(phone("call me").is_err());
        assert!(phone("00").is_err());
        assert_eq!(web_address("example.com/a").as_deref(), Ok("https://example.com/a"));
        assert!(web_address("javascript:alert(1)").is_err());
        assert!(web_address("ftp://example.com").is_err());
    }

    #[test]
    fn rich_text_keeps_its_meaning_and_loses_what_could_run() {
        for (given, kept) in [
            ("<p>Hello <b>world</b></p>", "<p>Hello <b>world</b></p>"),
            ("a < b & c", "a &lt; b &amp; c"),
            ("<script>alert(1)</script>x", "x"),
            ("<p onclick=\"alert(1)\">x</p>", "<p>x</p>"),
            ("<img src=x onerror=alert(1)>", "<img src=\"x\">"),
            ("<a href=\"javascript:alert(1)\">x</a>", "<a rel=\"noopener noreferrer\">x</a>"),
            ("<iframe src=\"https://example.com\"></iframe>", ""),
        ] {
            let once = rich_text(given);
            assert_eq!(once, kept, "{given}");
            assert_eq!(rich_text(&once), once, "what is clean stays as it is");
        }
    }

    #[test]
    fn decimals_keep_to_scale_and_digits() {
        let check = |text: &str| {
            check_decimal(DecimalUnit::Money, 2, None, None, &Decimal::parse(text).unwrap()).map_err(|fault| fault.0)
        };
        assert_eq!(check("12.50"), Ok(()));
        assert_eq!(check("12.500"), Ok(()));
        assert_eq!(check("12.505"), Err("scale"));
        assert_eq!(check("99999999999999999999999999.99"), Ok(()));
        assert_eq!(check("100000000000000000000000000.00"), Err("digits"));
    }
}
