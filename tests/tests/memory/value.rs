//! Values as the tests hold them: how they compare, fold and order, and how they stand in a query and in an answer.

use std::cmp::Ordering;

use chrono::{DateTime, NaiveDate, NaiveTime, SecondsFormat, Utc};
use serde_json::{Value as Json, json};

use crate::record::STAGES;

/// Decimals are whole numbers of thousandths here.
pub const UNIT: i128 = 1_000;

/// What a field of a record holds.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Value {
    Null,
    Text(String),
    Integer(i128),
    /// Thousandths.
    Decimal(i128),
    Boolean(bool),
    Date(NaiveDate),
    Time(NaiveTime),
    Instant(DateTime<Utc>),
    Choice(&'static str),
    Options(Vec<&'static str>),
    /// A record, by its position.
    Record(usize),
}

impl Value {
    pub fn is_null(&self) -> bool {
        *self == Self::Null
    }

    /// A literal in a query.
    pub fn literal(&self) -> String {
        match self {
            Self::Null => "null".to_owned(),
            Self::Text(text) => json!(text).to_string(),
            Self::Integer(number) => format!("\"{number}\""),
            Self::Decimal(number) => format!("\"{}\"", decimal(*number, 3)),
            Self::Boolean(truth) => truth.to_string(),
            Self::Choice(option) => (*option).to_owned(),
            Self::Options(options) => format!("[{}]", options.join(", ")),
            other => other.shown(2).to_string(),
        }
    }

    /// As an answer shows it; decimals with so many digits.
    pub fn shown(&self, scale: u32) -> Json {
        match self {
            Self::Null | Self::Record(_) => Json::Null,
            Self::Text(text) => json!(text),
            Self::Integer(number) => json!(i64::try_from(*number).expect("within 64 bits")),
            Self::Decimal(number) => json!(decimal(*number, scale)),
            Self::Boolean(truth) => json!(truth),
            Self::Date(date) => json!(date.to_string()),
            Self::Time(time) => json!(time.format("%H:%M:%S").to_string()),
            Self::Instant(instant) => json!(instant.to_rfc3339_opts(SecondsFormat::Millis, true)),
            Self::Choice(option) => json!(option),
            Self::Options(options) => json!(options),
        }
    }

    /// Whether two values are equal to a filter; `None` if that is not known.
    pub fn equals(&self, other: &Self) -> Option<bool> {
        match (self, other) {
            (Self::Null, _) | (_, Self::Null) => None,
            (Self::Text(one), Self::Text(other)) => Some(fold(one) == fold(other)),
            (one, other) => Some(one == other),
        }
    }

    /// The order of two values; `None` if one is absent.
    pub fn compare(&self, other: &Self) -> Option<Ordering> {
        Some(match (self, other) {
            (Self::Text(one), Self::Text(other)) => (sort_key(one), one).cmp(&(sort_key(other), other)),
            (Self::Integer(one), Self::Integer(other)) | (Self::Decimal(one), Self::Decimal(other)) => one.cmp(other),
            (Self::Boolean(one), Self::Boolean(other)) => one.cmp(other),
            (Self::Date(one), Self::Date(other)) => one.cmp(other),
            (Self::Time(one), Self::Time(other)) => one.cmp(other),
            (Self::Instant(one), Self::Instant(other)) => one.cmp(other),
            (Self::Choice(one), Self::Choice(other)) => place(one).cmp(&place(other)),
            (Self::Record(one), Self::Record(other)) => one.cmp(other),
            _ => return None,
        })
    }

    /// The order of two values in a list, with the absent ones where they belong.
    pub fn ordered(&self, other: &Self, descending: bool, nulls_first: bool) -> Ordering {
        match (self.is_null(), other.is_null()) {
            (true, true) => Ordering::Equal,
            (true, false) => {
                if nulls_first {
                    Ordering::Less
                } else {
                    Ordering::Greater
                }
            }
            (false, true) => {
                if nulls_first {
                    Ordering::Greater
                } else {
                    Ordering::Less
                }
            }
            (false, false) => {
                let order = self.compare(other).expect("values of one field compare");
                if descending { order.reverse() } else { order }
            }
        }
    }
}

/// The place of an option among the others.
fn place(stage: &str) -> Option<usize> {
    STAGES.iter().position(|known| *known == stage)
}

/// A number of thousandths with so many digits after the point, which hold it.
pub fn decimal(thousandths: i128, scale: u32) -> String {
    let number = round(thousandths, UNIT / 10_i128.pow(scale));
    let unit = 10_i128.pow(scale);
    let sign = if number < 0 { "-" } else { "" };
    let (whole, rest) = (number.abs() / unit, number.abs() % unit);
    if scale == 0 { format!("{sign}{whole}") } else { format!("{sign}{whole}.{rest:0width$}", width = scale as usize) }
}

/// `number` divided by `divisor`, half away from zero.
pub fn round(number: i128, divisor: i128) -> i128 {
    let (number, divisor) = if divisor < 0 { (-number, -divisor) } else { (number, divisor) };
    let half = (number.abs() * 2 + divisor) / (divisor * 2);
    if number < 0 { -half } else { half }
}

/// Full case folding of the letters that the tests use, written down by hand: this is the second opinion.
pub fn fold(text: &str) -> String {
    let mut folded = String::new();
    for letter in text.chars() {
        match letter {
            'ß' | 'ẞ' => folded.push_str("ss"),
            'İ' => folded.push_str("i\u{307}"),
            'ς' => folded.push('σ'),
            'ﬁ' => folded.push_str("fi"),
            'K' => folded.push('k'),
            other => folded.extend(other.to_lowercase()),
        }
    }
    folded
}

/// The folded text without marks.
pub fn sort_key(text: &str) -> String {
    const PLAIN: [(&str, char); 8] =
        [("àáâä", 'a'), ("èéêë", 'e'), ("ìíîï", 'i'), ("òóôö", 'o'), ("ùúûü", 'u'), ("ç", 'c'), ("ñ", 'n'), ("ί", 'ι')];
    let letters = fold(text).chars().collect::<Vec<_>>().into_iter();
    let letters = letters.filter(|letter| !('\u{300}'..='\u{36f}').contains(letter));
    letters
        .map(|letter| PLAIN.iter().find(|(marked, _)| marked.contains(letter)).map_or(letter, |(_, plain)| *plain))
        .collect()
}
