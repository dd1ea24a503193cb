//! The one rule language: CEL syntax with Cardine's types and exact decimals; checked when saved, evaluated in memory or compiled to SQL.
//!
//! Numbers are decimals; `/` is exact division carried to 20 decimals (further digits are cut off, so that rounding half away
//! from zero at output stays right); `x / 0` is null. Null propagates through arithmetic and comparison, `&&` and `||` are
//! three-valued as in SQL, and a null condition is not met. `==` and `!=` with the literal `null` test for absence.
//! Text compares by code points; choices compare as text with their option's value.

pub mod calendar;
pub(crate) mod catalog_schema;
mod check;
mod eval;
mod inputs;
mod mentions;
mod parse;
mod scan;
pub mod strings;

#[cfg(test)]
mod tests;

pub use check::{Context, Expected, Outside, Schema, SchemaField, check};
pub use eval::Scope;
pub use mentions::{Mention, mentions};

use crate::Value;
use crate::catalog::FieldPath;

/// Longest rule, in characters.
pub const SOURCE_LENGTH_MAX: usize = 4_096;
/// Deepest nesting of a rule: brackets, and chains of one operator.
pub const DEPTH_MAX: usize = 64;
/// Most nodes of a rule's expression.
pub const NODES_MAX: usize = 500;

/// One fault of a rule.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RuleIssue {
    /// Where it is: bytes from the start of the rule's text.
    pub position: usize,
    /// What is wrong and what would be right.
    pub message: String,
}

/// A rule that was parsed and type-checked against a catalog.
#[derive(Debug, Clone)]
pub struct TypedRule {
    /// As it was written.
    pub source: String,
    /// What to evaluate.
    pub expr: Expr,
    /// The type of its result.
    pub ty: RuleType,
}

/// The types of the rule language.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum RuleType {
    /// The type of the literal `null`, which fits any other.
    Null,
    /// True or false.
    Boolean,
    /// An exact decimal of any scale; integers included.
    Number,
    /// Text; choices included.
    Text,
    /// A calendar date.
    Date,
    /// A time of day.
    Time,
    /// An instant.
    DateTime,
    /// A record's id.
    Id,
    /// Several texts: a multi-choice or a list literal of texts.
    TextList,
}

/// Whose fields a bare path reads.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Root {
    /// The record itself (in a rollup's filter: the related record).
    Record,
    /// The record before the change; only in workflow conditions and validations.
    Old,
}

/// A typed expression; every field is resolved to its id.
#[derive(Debug, Clone, PartialEq)]
pub enum Expr {
    /// A constant. Numbers are `Value::Decimal`.
    Literal(Value),
    /// A field's value; a formula's unrounded one.
    Field(Root, FieldPath),
    /// A value from outside of the record, by its path; only in the rules of workflows, which are evaluated in memory.
    Outside(Vec<String>, RuleType),
    /// The id of the user who acts, or null.
    ActorId,
    /// The instant of the request.
    Now,
    /// Today's date in the caller's time zone.
    Today,
    /// `-x`.
    Negate(Box<Expr>),
    /// `!x`.
    Not(Box<Expr>),
    /// `x == null`.
    IsNull(Box<Expr>),
    /// An operator with two operands of fitting types.
    Binary(BinaryOp, Box<Expr>, Box<Expr>),
    /// `condition ? then : otherwise`; a null condition takes `otherwise`.
    Conditional(Box<Expr>, Box<Expr>, Box<Expr>),
    /// `x in [a, b]`: null if `x` is null.
    In(Box<Expr>, Vec<Expr>),
    /// A call of a built-in function.
    Call(Function, Vec<Expr>),
}

/// Operators with two operands.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum BinaryOp {
    /// Sum of numbers.
    Add,
    /// Difference of numbers.
    Subtract,
    /// Product of numbers.
    Multiply,
    /// Quotient, carried to 20 decimals; null if the divisor is zero.
    Divide,
    /// Remainder with the dividend's sign; null if the divisor is zero.
    Remainder,
    /// Texts joined.
    Concat,
    /// Equal.
    Equal,
    /// Not equal.
    NotEqual,
    /// Less.
    Less,
    /// Less or equal.
    LessOrEqual,
    /// Greater.
    Greater,
    /// Greater or equal.
    GreaterOrEqual,
    /// Three-valued and.
    And,
    /// Three-valued or.
    Or,
}

/// Built-in functions; each means the same in memory, on SQLite and on PostgreSQL.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Function {
    /// `round(x, digits)`: half away from zero; `digits` is a literal from 0 to 20.
    Round,
    /// `abs(x)`.
    Abs,
    /// `coalesce(a, b, …)`: the first that is not null.
    Coalesce,
    /// `min(a, b, …)` of numbers or dates: null if one is null.
    Least,
    /// `max(a, b, …)`: null if one is null.
    Greatest,
    /// `text.size()`: number of code points.
    Size,
    /// `text.startsWith(x)`, by code points.
    StartsWith,
    /// `text.endsWith(x)`.
    EndsWith,
    /// `text.contains(x)`.
    Contains,
    /// `list.has(x)` of a multi-choice.
    Has,
    /// `floor(x)`: the whole number below.
    Floor,
    /// `ceil(x)`: the whole number above.
    Ceil,
    /// `text(x)` of a number: its digits, without zeros at the end.
    TextOfNumber,
    /// `text(x)` of a date: `2026-01-31`.
    TextOfDate,
    /// `text.lower()`.
    Lower,
    /// `text.upper()`.
    Upper,
    /// `text.trim()`.
    Trim,
    /// `text.replace(a, b)`: each `a` by `b`.
    Replace,
    /// `text.substring(start, end)`; the checker fills in the end where there is none.
    Substring,
    /// `text.indexOf(x)`: from 0; -1 where it is not.
    IndexOf,
    /// `instant.date()`: its date in UTC.
    DateOf,
    /// `date.year()`.
    Year,
    /// `date.month()`: from 1.
    Month,
    /// `date.day()` of the month.
    Day,
    /// `date.weekday()`: Monday is 1.
    Weekday,
    /// `date.addDays(n)`.
    AddDays,
    /// `date.addMonths(n)`: the last day of a month that has no such day.
    AddMonths,
    /// `date.startOfWeek()`: its Monday.
    StartOfWeek,
    /// `date.startOfMonth()`.
    StartOfMonth,
    /// `date.startOfQuarter()`.
    StartOfQuarter,
    /// `date.startOfYear()`.
    StartOfYear,
    /// `date.endOfMonth()`: its last day.
    EndOfMonth,
    /// `date.daysUntil(x)`.
    DaysUntil,
    /// `instant.addSeconds(n)`, to the millisecond.
    AddSeconds,
    /// `instant.secondsUntil(x)`.
    SecondsUntil,
}

impl Function {
    /// Whether it gives a number.
    pub fn gives_number(self) -> bool {
        use Function as F;
        matches!(
            self,
            F::Round
                | F::Abs
                | F::Size
                | F::Floor
                | F::Ceil
                | F::IndexOf
                | F::Year
                | F::Month
                | F::Day
                | F::Weekday
                | F::DaysUntil
                | F::SecondsUntil
        )
    }
}
