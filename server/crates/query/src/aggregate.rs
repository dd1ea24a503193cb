//! Figures over many records: measures of a whole list, and groups of its records with the measures of each.

use cardine_model::ScalarType;
use cardine_model::catalog::FieldPath;

use crate::list::{CompareOp, Nulls, Slot, Span};

/// One figure over the values that records show. Absent values take no part in it.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub enum Measure {
    /// The number of records.
    Count,
    /// The sum of numbers; absent over none.
    Sum(FieldPath),
    /// Their mean.
    Avg(FieldPath),
    /// The first value in ascending order.
    Min(FieldPath),
    /// The last one.
    Max(FieldPath),
    /// The number of different values.
    CountDistinct(FieldPath),
}

impl Measure {
    /// What it is made of; none for the number of records.
    pub fn path(&self) -> Option<&FieldPath> {
        match self {
            Self::Count => None,
            Self::Sum(path) | Self::Avg(path) | Self::Min(path) | Self::Max(path) | Self::CountDistinct(path) => {
                Some(path)
            }
        }
    }
}

/// Digits after the point of a mean: those of the values, none of seconds, or two of integers, as in a rollup that says nothing
/// of it.
pub fn mean_scale(values: ScalarType) -> u8 {
    match values {
        ScalarType::Decimal { scale } => scale,
        ScalarType::Duration => 0,
        _ => 2,
    }
}

/// Records that are alike in their keys become one row: the keys, then the measures.
#[derive(Debug, Clone, PartialEq)]
pub struct Grouping {
    /// What the records of a group have in common; absent values are alike.
    pub keys: Vec<GroupKey>,
    /// What is told of each group.
    pub measures: Vec<Measure>,
    /// Only groups that meet all of these.
    pub having: Vec<GroupCondition>,
    /// In which order; names every key, so that it is total.
    pub order: Vec<GroupOrder>,
}

/// One key of a group.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct GroupKey {
    /// The value.
    pub path: FieldPath,
    /// Of a date or an instant: the period that it falls in, in the caller's time zone. Its first day is the key.
    pub part: Option<DatePart>,
}

/// A period of the calendar.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum DatePart {
    /// A day.
    Day,
    /// A week, from Monday on.
    Week,
    /// A month.
    Month,
    /// Three months, from January on.
    Quarter,
    /// A year.
    Year,
}

impl DatePart {
    /// All of them, from short to long.
    pub const ALL: [Self; 5] = [Self::Day, Self::Week, Self::Month, Self::Quarter, Self::Year];

    /// The word for it, which both databases and the API share but for its case.
    pub fn word(self) -> &'static str {
        match self {
            Self::Day => "day",
            Self::Week => "week",
            Self::Month => "month",
            Self::Quarter => "quarter",
            Self::Year => "year",
        }
    }

    /// The period of this word, whatever its case.
    pub fn of_word(word: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|part| part.word().eq_ignore_ascii_case(word))
    }
}

/// A condition on a measure.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct GroupCondition {
    /// Position among the grouping's measures.
    pub measure: usize,
    /// What must hold.
    pub test: GroupTest,
}

/// What must hold of a measure.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum GroupTest {
    /// Compares it. Not met if either side is null.
    Compare {
        /// How.
        op: CompareOp,
        /// The right side; a list for the operators that take one.
        operand: Slot,
    },
    /// Whether it is in a span of time.
    Within(Span),
    /// Whether it is absent.
    IsNull {
        /// Asks for presence instead.
        negated: bool,
    },
}

/// One key of an order of groups.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct GroupOrder {
    /// What to order by.
    pub by: GroupTerm,
    /// Greatest first.
    pub descending: bool,
    /// Where absent values stand.
    pub nulls: Nulls,
}

/// What groups are ordered by.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum GroupTerm {
    /// The key at this position.
    Key(usize),
    /// The measure at this position.
    Measure(usize),
}
