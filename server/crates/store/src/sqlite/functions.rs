//! The SQL functions and the collation that SQLite lacks: exact decimals, and text as PostgreSQL folds and orders it here.
//!
//! All are deterministic and innocuous, so they may stand in indexes. rusqlite catches panics before they reach C.

use std::cmp::Ordering;
use std::collections::HashMap;

use cardine_model::Decimal;
use cardine_model::rule::strings;
use cardine_model::text::{self, words};
use rusqlite::functions::{Aggregate, Context, FunctionFlags};
use rusqlite::types::ValueRef;
use rusqlite::{Connection, Error, Result};
use uuid::Uuid;

use super::{group_function, json_functions};

/// Longest decimal text that is read; a formula's intermediate result may be longer than any stored value.
const DECIMAL_LENGTH_MAX: usize = 4_096;

/// Digits that are read at once: they fit an `i128`.
const CHUNK_DIGITS: usize = 30;

pub(super) fn register(connection: &Connection) -> Result<()> {
    let text_function = |name: &str, function: fn(&str) -> String| {
        connection.create_scalar_function(name, 1, flags(), move |context| match context.get_raw(0) {
            ValueRef::Null => Ok(None),
            ValueRef::Text(bytes) => Ok(Some(function(std::str::from_utf8(bytes)?))),
            ValueRef::Integer(number) => Ok(Some(function(&number.to_string()))),
            _ => Err(user_error("a text function got what is no text")),
        })
    };
    text_function("cardine_fold", |value| text::fold(value).into_owned())?;
    text_function("cardine_lower", text::lower)?;
    text_function("cardine_upper", text::upper)?;
    text_function("cardine_trim", |value| value.trim().to_owned())?;
    text_function("cardine_words", words::words_text)?;
    text_function("cardine_plain", words::plain)?;
    text_function("cardine_sort_key", |value| text::sort_key(value).into_owned())?;

    let binary = |name: &str, function: fn(&Decimal, &Decimal) -> Option<Decimal>| {
        connection.create_scalar_function(name, 2, flags(), move |context| {
            let (Some(a), Some(b)) = (argument(context, 0)?, argument(context, 1)?) else {
                return Ok(None);
            };
            Ok(function(&a, &b).map(|result| result.to_string()))
        })
    };
    binary("cardine_add", |a, b| Some(a + b))?;
    binary("cardine_sub", |a, b| Some(a - b))?;
    binary("cardine_mul", |a, b| Some(a * b))?;
    binary("cardine_div", Decimal::checked_div_20)?;
    binary("cardine_rem", Decimal::rem)?;

    let unary = |name: &str, function: fn(&Decimal) -> Decimal| {
        connection.create_scalar_function(name, 1, flags(), move |context| {
            Ok(argument(context, 0)?.map(|a| function(&a).to_string()))
        })
    };
    unary("cardine_neg", |a| -a)?;
    unary("cardine_abs", Decimal::abs)?;
    unary("cardine_text", Clone::clone)?;
    unary("cardine_floor", |a| strings::whole(a, false))?;
    unary("cardine_ceil", |a| strings::whole(a, true))?;
    connection.create_scalar_function("cardine_substring", 3, flags(), |context| {
        let text = context.get::<Option<String>>(0)?;
        let (Some(text), Some(start), Some(end)) = (text, argument(context, 1)?, argument(context, 2)?) else {
            return Ok(None);
        };
        Ok(Some(strings::substring(&text, &start, &end)))
    })?;

    connection.create_scalar_function("cardine_round", 2, flags(), |context| {
        let (Some(number), Some(digits)) = (argument(context, 0)?, context.get::<Option<u32>>(1)?) else {
            return Ok(None);
        };
        Ok(Some(number.to_fixed(digits)))
    })?;
    // Where a text stands in a JSON list of names, counted from 0; the list is a parameter, and so is read once.
    connection.create_scalar_function("cardine_place", 2, flags(), |context| {
        let names = context.get_or_create_aux(0, |list| list.as_str().map(names_of).map_err(Error::from))?;
        Ok(match context.get_raw(1) {
            ValueRef::Text(name) => names.get(name).copied(),
            _ => None,
        })
    })?;
    // Whether an id is among those of a blob that has 16 bytes for each, in their order.
    connection.create_scalar_function("cardine_is_among", 2, flags(), |context| {
        let (ValueRef::Text(id), ValueRef::Blob(ids)) = (context.get_raw(0), context.get_raw(1)) else {
            return Ok(false);
        };
        let (ids, rest) = ids.as_chunks::<16>();
        if !rest.is_empty() {
            return Err(user_error("cardine_is_among got a blob that is no list of ids"));
        }
        let id = Uuid::try_parse_ascii(id).map_err(|_| user_error("cardine_is_among got what is no id"))?;
        Ok(ids.binary_search(id.as_bytes()).is_ok())
    })?;
    json_functions::register(connection, flags())?;
    group_function::register(connection, flags())?;
    connection.create_aggregate_function("cardine_sum", 1, flags(), Sum)?;
    connection.create_aggregate_function("cardine_min_text", 1, flags(), ExtremeText(Ordering::Less))?;
    connection.create_aggregate_function("cardine_max_text", 1, flags(), ExtremeText(Ordering::Greater))?;
    connection.create_collation("cardine_decimal", Decimal::compare_text)
}

/// The places in a JSON list of names, which nothing in JSON escapes.
fn names_of(list: &str) -> HashMap<Box<[u8]>, i64> {
    let names = list.split('"').skip(1).step_by(2).map(|name| name.as_bytes().into());
    names.zip(0..).collect()
}

/// The exact sum of what is not null; null if nothing is.
struct Sum;

/// Numbers of up to this many characters are added as integers, aligned at the point.
const SMALL_LENGTH_MAX: usize = 30;

/// A sum in the making: in an integer as long as that holds it, and what goes beyond beside it.
#[derive(Default)]
pub(super) struct Total {
    digits: i128,
    scale: u32,
    beyond: Option<Decimal>,
    is_some: bool,
}

impl Total {
    fn add_small(&mut self, digits: i128, scale: u32) {
        let sum = (|| {
            let raise = |digits: i128, by: u32| digits.checked_mul(10_i128.checked_pow(by)?);
            let common = self.scale.max(scale);
            let sum = raise(self.digits, common - self.scale)?.checked_add(raise(digits, common - scale)?)?;
            Some((sum, common))
        })();
        match sum {
            Some((digits, scale)) => (self.digits, self.scale) = (digits, scale),
            None => self.add(&Decimal::from_parts(digits, scale)),
        }
    }

    fn add(&mut self, number: &Decimal) {
        self.beyond = Some(self.beyond.as_ref().map_or_else(|| number.clone(), |beyond| beyond + number));
    }

    /// Adds an argument; whether it is a number, and not null.
    pub(super) fn add_argument(&mut self, context: &Context<'_>, position: usize) -> Result<bool> {
        let small = match context.get_raw(position) {
            ValueRef::Integer(number) => Some((i128::from(number), 0)),
            ValueRef::Text(bytes) => small(bytes),
            _ => None,
        };
        if let Some((digits, scale)) = small {
            self.add_small(digits, scale);
        } else if let Some(number) = argument(context, position)? {
            self.add(&number);
        } else {
            return Ok(false);
        }
        self.is_some = true;
        Ok(true)
    }

    /// The sum; none of nothing.
    pub(super) fn text(self) -> Option<String> {
        if !self.is_some {
            return None;
        }
        let sum = Decimal::from_parts(self.digits, self.scale);
        Some(self.beyond.map_or_else(|| sum.to_string(), |beyond| (&sum + &beyond).to_string()))
    }
}

impl Aggregate<Total, Option<String>> for Sum {
    fn init(&self, _: &mut Context<'_>) -> Result<Total> {
        Ok(Total::default())
    }

    fn step(&self, context: &mut Context<'_>, total: &mut Total) -> Result<()> {
        total.add_argument(context, 0).map(|_| ())
    }

    fn finalize(&self, _: &mut Context<'_>, total: Option<Total>) -> Result<Option<String>> {
        Ok(total.and_then(Total::text))
    }
}

/// A plain number of few digits: its digits, and how many of them stand behind the point. What is anything else is looked at
/// more closely elsewhere.
fn small(text: &[u8]) -> Option<(i128, u32)> {
    let (negative, text) = text.strip_prefix(b"-").map_or((false, text), |text| (true, text));
    if text.len() > SMALL_LENGTH_MAX || !text.first()?.is_ascii_digit() || !text.last()?.is_ascii_digit() {
        return None;
    }
    let (mut digits, mut point) = (0_i128, None);
    for (position, byte) in text.iter().enumerate() {
        match byte {
            b'0'..=b'9' => digits = digits * 10 + i128::from(byte - b'0'),
            b'.' if point.is_none() => point = Some(position),
            _ => return None,
        }
    }
    let scale = point.map_or(0, |point| text.len() - point - 1);
    Some((if negative { -digits } else { digits }, u32::try_from(scale).ok()?))
}

/// The text that stands first or last in the order of texts: by sort key, then by code points; null if there is none.
struct ExtremeText(Ordering);

impl Aggregate<Option<(String, String)>, Option<String>> for ExtremeText {
    fn init(&self, _: &mut Context<'_>) -> Result<Option<(String, String)>> {
        Ok(None)
    }

    fn step(&self, context: &mut Context<'_>, best: &mut Option<(String, String)>) -> Result<()> {
        let value = match context.get_raw(0) {
            ValueRef::Null => return Ok(()),
            value => value.as_str().map_err(|_| user_error("a text function got what is no text"))?,
        };
        let key = text::sort_key(value);
        let beats = |(best_key, best): &(String, String)| {
            (key.as_ref(), value).cmp(&(best_key.as_str(), best.as_str())) == self.0
        };
        if best.as_ref().is_none_or(beats) {
            *best = Some((key.into_owned(), value.to_owned()));
        }
        Ok(())
    }

    fn finalize(&self, _: &mut Context<'_>, best: Option<Option<(String, String)>>) -> Result<Option<String>> {
        Ok(best.flatten().map(|(_, text)| text))
    }
}

pub(super) fn flags() -> FunctionFlags {
    FunctionFlags::SQLITE_UTF8 | FunctionFlags::SQLITE_DETERMINISTIC | FunctionFlags::SQLITE_INNOCUOUS
}

/// A number from text or an integer; never from a float, which has lost digits already.
pub(super) fn argument(context: &Context<'_>, position: usize) -> Result<Option<Decimal>> {
    match context.get_raw(position) {
        ValueRef::Null => Ok(None),
        ValueRef::Integer(number) => Ok(Some(Decimal::from_i64(number))),
        ValueRef::Text(bytes) => {
            let number = std::str::from_utf8(bytes).ok().and_then(parse);
            number.map(Some).ok_or_else(|| user_error("a decimal function got text that is no decimal"))
        }
        _ => Err(user_error("a decimal function got what is no exact number")),
    }
}

fn parse(text: &str) -> Option<Decimal> {
    Decimal::parse(text).or_else(|| parse_long(text))
}

/// As [`Decimal::parse`], for texts longer than it takes.
fn parse_long(text: &str) -> Option<Decimal> {
    let (negative, digits) = text.strip_prefix('-').map_or((false, text), |digits| (true, digits));
    let (whole, fraction) = digits.split_once('.').unwrap_or((digits, ""));
    if whole.is_empty() || digits.ends_with('.') || text.len() > DECIMAL_LENGTH_MAX {
        return None;
    }
    let digits = [whole, fraction].concat();
    if !digits.bytes().all(|byte| byte.is_ascii_digit()) {
        return None;
    }
    let mut number = Decimal::ZERO;
    for chunk in digits.as_bytes().chunks(CHUNK_DIGITS) {
        let chunk_value: i128 = std::str::from_utf8(chunk).ok()?.parse().ok()?;
        let shift = 10_i128.pow(u32::try_from(chunk.len()).ok()?);
        number = &(&number * &Decimal::from_parts(shift, 0)) + &Decimal::from_parts(chunk_value, 0);
    }
    let number = &number * &Decimal::from_parts(1, u32::try_from(fraction.len()).ok()?);
    Some(if negative { -&number } else { number })
}

pub(super) fn user_error(message: &str) -> Error {
    Error::UserFunctionError(message.into())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn evaluate(expression: &str) -> Option<String> {
        let connection = Connection::open_in_memory().unwrap();
        register(&connection).unwrap();
        connection.query_row(&format!("SELECT {expression}"), [], |row| row.get(0)).unwrap()
    }

    fn fails(expression: &str) -> bool {
        let connection = Connection::open_in_memory().unwrap();
        register(&connection).unwrap();
        connection.query_row(&format!("SELECT {expression}"), [], |row| row.get::<_, Option<String>>(0)).is_err()
    }

    #[test]
    fn arithmetic_is_exact_and_null_stays_null() {
        let cases = [
            ("cardine_add('0.1', '0.2')", Some("0.3")),
            ("cardine_sub(1, '9999999999999999999999999999.9')", Some("-9999999999999999999999999998.9")),
            ("cardine_mul('-1.5', '1.50')", Some("-2.25")),
            ("cardine_div(1, 3)", Some("0.33333333333333333333")),
            ("cardine_div(1, '0.00')", None),
            ("cardine_rem('-7.5', 2)", Some("-1.5")),
            ("cardine_rem(1, 0)", None),
            ("cardine_neg('0')", Some("0")),
            ("cardine_abs('-0.10')", Some("0.1")),
            ("cardine_round('-2.5', 0)", Some("-3")),
            ("cardine_round('2', 2)", Some("2.00")),
            ("cardine_round(NULL, 2)", None),
            ("cardine_add(NULL, 1)", None),
            ("cardine_fold('ÈSSE')", Some("èsse")),
            ("cardine_fold(NULL)", None),
            ("cardine_sort_key('È')", Some("e")),
            ("(SELECT cardine_sum(column1) FROM (VALUES ('0.1'), (2), (NULL)))", Some("2.1")),
            ("(SELECT cardine_sum(column1) FROM (VALUES ('-0.05'), ('12'), ('0.050'), ('-12.5')))", Some("-0.5")),
            (
                "(SELECT cardine_sum(column1) FROM (VALUES ('99999999999999999999999999.9999'), (9223372036854775807), ('0.0000000001'), ('99999999999999999999999999999'), ('1')))",
                Some("100100000009223372036854775806.9999000001"),
            ),
            (
                "(SELECT cardine_sum(column1 || '.25') FROM (VALUES ('123456789012345678901234567890123456789'), ('-123456789012345678901234567890123456789'), ('170141183460469231731687303715884105727')))",
                Some("170141183460469231731687303715884105727.25"),
            ),
            ("(SELECT cardine_sum(column1) FROM (VALUES (NULL)))", None),
            ("(SELECT cardine_sum(column1) FROM (VALUES (1)) WHERE 0)", None),
            ("(SELECT cardine_min_text(column1) FROM (VALUES ('f'), (NULL), ('Èa'), ('eb'), ('È')))", Some("È")),
            ("(SELECT cardine_max_text(column1) FROM (VALUES ('eb'), (NULL), ('Èb'), ('EA')))", Some("Èb")),
            ("(SELECT cardine_max_text(column1) FROM (VALUES (NULL)))", None),
            ("(SELECT max(column1 COLLATE cardine_decimal) FROM (VALUES ('9'), ('10'), ('-11')))", Some("10")),
        ];
        for (expression, expected) in cases {
            assert_eq!(evaluate(expression).as_deref(), expected, "{expression}");
        }
    }

    #[test]
    fn a_float_or_text_that_is_no_number_is_refused() {
        for expression in [
            "cardine_add(0.1, 1)",
            "cardine_mul('1e3', 1)",
            "cardine_neg('x')",
            "cardine_neg('')",
            "(SELECT cardine_sum(column1) FROM (VALUES ('1.2.3')))",
            "(SELECT cardine_sum(column1) FROM (VALUES ('1.')))",
            "(SELECT cardine_sum(column1) FROM (VALUES (0.5)))",
            "cardine_fold(x'00')",
        ] {
            assert!(fails(expression), "{expression}");
        }
    }

    #[test]
    fn long_intermediate_results_are_read_as_well() {
        let factor = "9".repeat(90);
        let nested = format!("cardine_sub(cardine_mul(cardine_mul('{factor}', '{factor}'), '-0.01'), 0)");
        let product = evaluate(&nested).unwrap();
        assert_eq!(product, format!("-{}8{}.01", "9".repeat(89), "0".repeat(88)));
        assert!(fails(&format!("cardine_neg('{}.')", "1".repeat(200))));
        assert!(fails(&format!("cardine_neg('{}')", "1".repeat(DECIMAL_LENGTH_MAX + 1))));
    }
}
