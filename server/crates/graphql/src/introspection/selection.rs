//! What was selected of an introspection object: as the compiler gives it, and made ready for writing.

/// A selected field of the introspection system: fragments flattened, equal keys merged, conditions applied, arguments coerced.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct MetaField {
    /// Its name in the answer.
    pub key: String,
    /// Its name in the schema (`__typename` included).
    pub name: String,
    /// The argument `name` of `__type`.
    pub type_name: Option<String>,
    /// The argument `includeDeprecated` of fields that have it.
    pub include_deprecated: bool,
    /// What is selected in it; empty for scalars and enums.
    pub fields: Vec<MetaField>,
}

/// The same, ready to be written for any number of objects.
pub(super) struct Selected {
    /// `"key":`, as it is written.
    pub(super) key: Box<[u8]>,
    pub(super) name: MetaName,
    pub(super) include_deprecated: bool,
    pub(super) children: Vec<Selected>,
}

impl Selected {
    /// The selection in `field`.
    pub(super) fn all_in(field: &MetaField) -> Vec<Self> {
        field.fields.iter().map(Self::one).collect()
    }

    fn one(field: &MetaField) -> Self {
        Self {
            key: format!("\"{}\":", field.key).into_bytes().into(),
            name: MetaName::named(&field.name).expect("a selection is validated before it is compiled"),
            include_deprecated: field.include_deprecated,
            children: Self::all_in(field),
        }
    }
}

/// The names of all fields of the introspection types; which type has which is known to
/// [`crate::schema::introspection_types`].
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(super) enum MetaName {
    Typename,
    Args,
    DefaultValue,
    DeprecationReason,
    Description,
    Directives,
    EnumValues,
    Fields,
    InputFields,
    Interfaces,
    IsDeprecated,
    IsOneOf,
    IsRepeatable,
    Kind,
    Locations,
    MutationType,
    Name,
    OfType,
    PossibleTypes,
    QueryType,
    SpecifiedByUrl,
    SubscriptionType,
    Type,
    Types,
}

impl MetaName {
    /// The field of this name; `None` if no introspection type has one.
    pub(super) fn named(name: &str) -> Option<Self> {
        Some(match name {
            "__typename" => Self::Typename,
            "args" => Self::Args,
            "defaultValue" => Self::DefaultValue,
            "deprecationReason" => Self::DeprecationReason,
            "description" => Self::Description,
            "directives" => Self::Directives,
            "enumValues" => Self::EnumValues,
            "fields" => Self::Fields,
            "inputFields" => Self::InputFields,
            "interfaces" => Self::Interfaces,
            "isDeprecated" => Self::IsDeprecated,
            "isOneOf" => Self::IsOneOf,
            "isRepeatable" => Self::IsRepeatable,
            "kind" => Self::Kind,
            "locations" => Self::Locations,
            "mutationType" => Self::MutationType,
            "name" => Self::Name,
            "ofType" => Self::OfType,
            "possibleTypes" => Self::PossibleTypes,
            "queryType" => Self::QueryType,
            "specifiedByURL" => Self::SpecifiedByUrl,
            "subscriptionType" => Self::SubscriptionType,
            "type" => Self::Type,
            "types" => Self::Types,
            _ => return None,
        })
    }
}
