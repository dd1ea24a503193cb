//! What was selected of an introspection object, ready to be written: one entry for each key of the response.


/// The most lists of a type's members that a selection may nest (`fields { type { fields … } }`).
///
/// Each level multiplies the answer by the members of a type. The standard introspection query has one.
pub const DEPTH_MAX: usize = 3;

/// One field of an introspection object in the response: fragments flattened, equal keys merged, `@skip` and `@include` done.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct MetaField {
    /// `"key":`, as it is written.
    pub(super) key: Box<[u8]>,
    /// Which field.
    pub name: MetaName,
    /// The argument `includeDeprecated` of fields that have it.
    pub include_deprecated: bool,
    /// What is selected of the field's value; empty for scalars and enums.
    pub children: Vec<MetaField>,
}

impl MetaField {
    /// A field under `response_key` (its alias or name).
    pub fn new(response_key: &str, name: MetaName) -> Self {
        let key = format!("\"{response_key}\":").into_bytes().into();
        Self { key, name, include_deprecated: false, children: Vec::new() }
    }

    /// The same with the value of `includeDeprecated`.
    pub fn including_deprecated(mut self, include_deprecated: bool) -> Self {
        self.include_deprecated = include_deprecated;
        self
    }

    /// The same with `children` selected.
    pub fn selecting(mut self, children: Vec<Self>) -> Self {
        self.children = children;
        self
    }
}

/// The names of all fields of the introspection types; which type has which is known to
/// [`crate::schema::introspection_types`].
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum MetaName {
    /// `__typename`.
    Typename,
    /// `args`.
    Args,
    /// `defaultValue`.
    DefaultValue,
    /// `deprecationReason`.
    DeprecationReason,
    /// `description`.
    Description,
    /// `directives`.
    Directives,
    /// `enumValues`.
    EnumValues,
    /// `fields`.
    Fields,
    /// `inputFields`.
    InputFields,
    /// `interfaces`.
    Interfaces,
    /// `isDeprecated`.
    IsDeprecated,
    /// `isOneOf`.
    IsOneOf,
    /// `isRepeatable`.
    IsRepeatable,
    /// `kind`.
    Kind,
    /// `locations`.
    Locations,
    /// `mutationType`.
    MutationType,
    /// `name`.
    Name,
    /// `ofType`.
    OfType,
    /// `possibleTypes`.
    PossibleTypes,
    /// `queryType`.
    QueryType,
    /// `specifiedByURL`.
    SpecifiedByUrl,
    /// `subscriptionType`.
    SubscriptionType,
    /// `type`.
    Type,
    /// `types`.
    Types,
}

impl MetaName {
    /// The field of this name; `None` if no introspection type has one.
    pub fn named(name: &str) -> Option<Self> {
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

    /// Whether the value is a list of a type's members, which lead to further types.
    fn lists_members(self) -> bool {
        matches!(self, Self::Fields | Self::InputFields | Self::Interfaces | Self::PossibleTypes)
    }
}

/// How many lists of members the selection nests at most; more than [`DEPTH_MAX`] should be refused before it is written.
pub fn depth(fields: &[MetaField]) -> usize {
    fields.iter().map(|field| usize::from(field.name.lists_members()) + depth(&field.children)).max().unwrap_or(0)
}
