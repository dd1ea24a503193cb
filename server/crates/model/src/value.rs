//! A field's value in memory, the same for inputs, rules, statements and rows.

use chrono::{DateTime, NaiveDate, NaiveTime, Utc};
use uuid::Uuid;

use crate::Decimal;

/// One value. `Null` stands for every type's absent value.
#[derive(Debug, Clone, PartialEq)]
pub enum Value {
    /// No value.
    Null,
    /// True or false.
    Boolean(bool),
    /// An integer of up to 64 bits.
    Integer(i64),
    /// An exact decimal.
    Decimal(Decimal),
    /// Text, a choice's value included.
    Text(String),
    /// A calendar date.
    Date(NaiveDate),
    /// A time of day, to the second.
    Time(NaiveTime),
    /// An instant, to the millisecond.
    DateTime(DateTime<Utc>),
    /// A record's id.
    Id(Uuid),
    /// The values of a multi-choice field, or of a list operand.
    List(Vec<Value>),
    /// A JSON document.
    Json(serde_json::Value),
}

impl Value {
    /// Whether this is `Null`.
    pub fn is_null(&self) -> bool {
        matches!(self, Self::Null)
    }
}
