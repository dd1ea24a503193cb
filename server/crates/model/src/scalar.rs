//! The scalar types of field values: what a value is, apart from how a field is declared, stored or shown.

/// The type of a field's value in GraphQL, in rules and in storage.
///
/// Lists (multi-choice) and references are kinds of field, not scalars.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum ScalarType {
    /// A record's id: UUIDv7, `ID` in GraphQL.
    Id,
    /// UTF-8 text: `String`.
    Text,
    /// `EmailAddress`.
    Email,
    /// `PhoneNumber`.
    Phone,
    /// `URL`.
    Url,
    /// 32-bit integer: `Int`.
    Integer,
    /// 64-bit integer: `BigInt`, a string in JSON.
    BigInteger,
    /// Exact decimal with this many digits after the point: `Decimal`, a string in JSON.
    Decimal {
        /// Digits after the point, 0 to 10.
        scale: u8,
    },
    /// `Boolean`.
    Boolean,
    /// Calendar date: `Date`, `YYYY-MM-DD`.
    Date,
    /// Time of day without zone: `Time`, `HH:MM:SS`.
    Time,
    /// Instant in UTC to the millisecond: `DateTime`, RFC 3339.
    DateTime,
    /// A length of time in whole seconds: `Duration`, ISO 8601.
    Duration,
    /// One of a field's options, by its value; an enum of its own in GraphQL.
    Choice,
    /// Any JSON value: `JSON`.
    Json,
}

impl ScalarType {
    /// Whether values compare as text: folded, without regard to case.
    pub fn is_text(self) -> bool {
        matches!(self, Self::Text | Self::Email | Self::Phone | Self::Url)
    }

    /// Whether values are numbers.
    pub fn is_number(self) -> bool {
        matches!(self, Self::Integer | Self::BigInteger | Self::Decimal { .. })
    }

    /// Whether rules see values as numbers: a duration is the number of its seconds.
    pub fn is_number_in_rules(self) -> bool {
        self.is_number() || self == Self::Duration
    }

    /// Whether values are stored and computed with as whole numbers.
    pub fn is_whole(self) -> bool {
        matches!(self, Self::Integer | Self::BigInteger | Self::Duration)
    }
}
