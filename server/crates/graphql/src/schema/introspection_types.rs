//! The types of the introspection system (<https://spec.graphql.org/September2025/#sec-Schema-Introspection>), the same for
//! every caller.

use super::{EnumValue, InputValue, Kind, Meaning, OutputField, Scalar, TypeKey, TypeRef};

/// `__Schema`.
pub const SCHEMA: TypeKey = TypeKey::Introspection(0);
/// `__Type`.
pub const TYPE: TypeKey = TypeKey::Introspection(1);
/// `__Field`.
pub const FIELD: TypeKey = TypeKey::Introspection(2);
/// `__InputValue`.
pub const INPUT_VALUE: TypeKey = TypeKey::Introspection(3);
/// `__EnumValue`.
pub const ENUM_VALUE: TypeKey = TypeKey::Introspection(4);
/// `__Directive`.
pub const DIRECTIVE: TypeKey = TypeKey::Introspection(5);
/// `__TypeKind`.
pub const TYPE_KIND: TypeKey = TypeKey::Introspection(6);
/// `__DirectiveLocation`.
pub const DIRECTIVE_LOCATION: TypeKey = TypeKey::Introspection(7);

const NAMES: [&str; 8] = [
    "__Schema",
    "__Type",
    "__Field",
    "__InputValue",
    "__EnumValue",
    "__Directive",
    "__TypeKind",
    "__DirectiveLocation",
];

const TYPE_KINDS: [&str; 8] = ["SCALAR", "OBJECT", "INTERFACE", "UNION", "ENUM", "INPUT_OBJECT", "LIST", "NON_NULL"];

const DIRECTIVE_LOCATIONS: [&str; 19] = [
    "QUERY",
    "MUTATION",
    "SUBSCRIPTION",
    "FIELD",
    "FRAGMENT_DEFINITION",
    "FRAGMENT_SPREAD",
    "INLINE_FRAGMENT",
    "VARIABLE_DEFINITION",
    "SCHEMA",
    "SCALAR",
    "OBJECT",
    "FIELD_DEFINITION",
    "ARGUMENT_DEFINITION",
    "INTERFACE",
    "UNION",
    "ENUM",
    "ENUM_VALUE",
    "INPUT_OBJECT",
    "INPUT_FIELD_DEFINITION",
];

pub(super) fn all() -> impl Iterator<Item = TypeKey> {
    (0..8).map(TypeKey::Introspection)
}

pub(super) fn position(name: &str) -> Option<u8> {
    (0..).zip(NAMES).find(|(_, known)| *known == name).map(|(position, _)| position)
}

pub(super) fn name(position: u8) -> &'static str {
    NAMES[usize::from(position)]
}

pub(super) fn kind(position: u8) -> Kind {
    if position < 6 { Kind::Object } else { Kind::Enum }
}

pub(super) fn enum_values(position: u8) -> Vec<EnumValue> {
    let names: &[&str] = match TypeKey::Introspection(position) {
        TYPE_KIND => &TYPE_KINDS,
        DIRECTIVE_LOCATION => &DIRECTIVE_LOCATIONS,
        _ => &[],
    };
    names.iter().map(|name| EnumValue { name: (*name).to_owned(), description: None, deprecated: None }).collect()
}

pub(super) fn fields(position: u8) -> Vec<OutputField> {
    const STRING: TypeKey = TypeKey::Scalar(Scalar::String);
    const BOOLEAN: TypeKey = TypeKey::Scalar(Scalar::Boolean);
    let text = |name| field(name, TypeRef::named(STRING));
    let named = |name| field(name, TypeRef::required(STRING));
    let flag = |name| field(name, TypeRef::required(BOOLEAN));
    match TypeKey::Introspection(position) {
        SCHEMA => vec![
            text("description"),
            field("types", TypeRef::required_list(TYPE)),
            field("queryType", TypeRef::required(TYPE)),
            field("mutationType", TypeRef::named(TYPE)),
            field("subscriptionType", TypeRef::named(TYPE)),
            field("directives", TypeRef::required_list(DIRECTIVE)),
        ],
        TYPE => vec![
            field("kind", TypeRef::required(TYPE_KIND)),
            text("name"),
            text("description"),
            text("specifiedByURL"),
            with_deprecated(field("fields", TypeRef::list(FIELD))),
            field("interfaces", TypeRef::list(TYPE)),
            field("possibleTypes", TypeRef::list(TYPE)),
            with_deprecated(field("enumValues", TypeRef::list(ENUM_VALUE))),
            with_deprecated(field("inputFields", TypeRef::list(INPUT_VALUE))),
            field("ofType", TypeRef::named(TYPE)),
            field("isOneOf", TypeRef::named(BOOLEAN)),
        ],
        FIELD => vec![
            named("name"),
            text("description"),
            with_deprecated(field("args", TypeRef::required_list(INPUT_VALUE))),
            field("type", TypeRef::required(TYPE)),
            flag("isDeprecated"),
            text("deprecationReason"),
        ],
        INPUT_VALUE => vec![
            named("name"),
            text("description"),
            field("type", TypeRef::required(TYPE)),
            text("defaultValue"),
            flag("isDeprecated"),
            text("deprecationReason"),
        ],
        ENUM_VALUE => vec![named("name"), text("description"), flag("isDeprecated"), text("deprecationReason")],
        DIRECTIVE => vec![
            named("name"),
            text("description"),
            flag("isRepeatable"),
            field("locations", TypeRef::required_list(DIRECTIVE_LOCATION)),
            with_deprecated(field("args", TypeRef::required_list(INPUT_VALUE))),
        ],
        _ => Vec::new(),
    }
}

fn field(name: &str, ty: TypeRef) -> OutputField {
    OutputField::new(name, ty, Meaning::Part, None)
}

fn with_deprecated(field: OutputField) -> OutputField {
    let ty = TypeRef::named(TypeKey::Scalar(Scalar::Boolean));
    let argument = InputValue::operator("includeDeprecated", ty).defaulting("false");
    field.with(vec![argument])
}
