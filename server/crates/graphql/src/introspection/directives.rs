//! The directives of every schema, all by the specification (<https://spec.graphql.org/September2025/#sec-Type-System.Directives>).

use super::selection::{MetaName, Selected};
use super::writer::{Writer, Written};
use crate::schema::{InputValue, Scalar, TypeKey, TypeRef};

/// A directive, none of which is repeatable.
pub(super) struct Directive {
    name: &'static str,
    description: &'static str,
    locations: &'static [&'static str],
    argument: Option<Argument>,
}

struct Argument {
    name: &'static str,
    description: &'static str,
    scalar: Scalar,
    default: Option<&'static str>,
}

const EXECUTABLE: &[&str] = &["FIELD", "FRAGMENT_SPREAD", "INLINE_FRAGMENT"];

pub(super) static DIRECTIVES: [Directive; 5] = [
    Directive {
        name: "include",
        description: "Takes the field or fragment only if the condition is true.",
        locations: EXECUTABLE,
        argument: Some(Argument {
            name: "if",
            description: "Whether it is taken.",
            scalar: Scalar::Boolean,
            default: None,
        }),
    },
    Directive {
        name: "skip",
        description: "Leaves the field or fragment out if the condition is true.",
        locations: EXECUTABLE,
        argument: Some(Argument {
            name: "if",
            description: "Whether it is left out.",
            scalar: Scalar::Boolean,
            default: None,
        }),
    },
    Directive {
        name: "deprecated",
        description: "Marks what should no longer be used.",
        locations: &["FIELD_DEFINITION", "ARGUMENT_DEFINITION", "INPUT_FIELD_DEFINITION", "ENUM_VALUE"],
        argument: Some(Argument {
            name: "reason",
            description: "Why, and what to use instead.",
            scalar: Scalar::String,
            default: Some("\"No longer supported\""),
        }),
    },
    Directive {
        name: "specifiedBy",
        description: "Tells where a scalar is specified.",
        locations: &["SCALAR"],
        argument: Some(Argument {
            name: "url",
            description: "The specification's address.",
            scalar: Scalar::String,
            default: None,
        }),
    },
    Directive {
        name: "oneOf",
        description: "Exactly one field of the input object must be given, and not null.",
        locations: &["INPUT_OBJECT"],
        argument: None,
    },
];

impl Argument {
    fn input_value(&self) -> InputValue {
        InputValue {
            name: self.name.to_owned(),
            description: Some(self.description.into()),
            ty: TypeRef::required(TypeKey::Scalar(self.scalar)),
            default: self.default.map(str::to_owned),
            deprecated: None,
            target: None,
            given: None,
        }
    }
}

impl Writer<'_> {
    pub(super) fn directive(&mut self, directive: &Directive, fields: &[Selected]) -> Written {
        self.object(fields, |writer, field| match field.name {
            MetaName::Typename => writer.name("__Directive"),
            MetaName::Name => writer.name(directive.name),
            MetaName::Description => writer.string(directive.description),
            MetaName::IsRepeatable => writer.flag(false),
            MetaName::Locations => writer.list(directive.locations, |writer, location| writer.name(location)),
            MetaName::Args => {
                let arguments: Vec<InputValue> = directive.argument.iter().map(Argument::input_value).collect();
                writer.input_values(&arguments, field)
            }
            _ => writer.null(),
        })
    }
}
