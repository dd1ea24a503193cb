//! Where the scalars that GraphQL does not define are specified.

use crate::schema::{Scalar, TypeKey};

/// The address of the scalar's specification; `None` for types that have none.
pub(crate) fn specified_by(key: TypeKey) -> Option<&'static str> {
    let TypeKey::Scalar(scalar) = key else { return None };
    match scalar {
        Scalar::Date | Scalar::DateTime => Some("https://www.rfc-editor.org/rfc/rfc3339"),
        // The rules of ISO 8601 that RFC 3339 quotes in its appendix A.
        Scalar::Duration => Some("https://www.rfc-editor.org/rfc/rfc3339#appendix-A"),
        Scalar::EmailAddress => Some("https://www.rfc-editor.org/rfc/rfc5321"),
        Scalar::PhoneNumber => Some("https://www.itu.int/rec/T-REC-E.164"),
        Scalar::Url => Some("https://url.spec.whatwg.org/"),
        Scalar::Json => Some("https://www.rfc-editor.org/rfc/rfc8259"),
        Scalar::Time
        | Scalar::BigInt
        | Scalar::Decimal
        | Scalar::Int
        | Scalar::Float
        | Scalar::String
        | Scalar::Boolean
        | Scalar::Id => None,
    }
}
