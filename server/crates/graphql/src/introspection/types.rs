//! Writes `__Schema` and `__Type`.

use super::directives::DIRECTIVES;
use super::scalars::specified_by;
use super::selection::{MetaName, Selected};
use super::writer::{Writer, Written};
use crate::schema::{Kind, Members, TypeKey, TypeRef};

impl Writer<'_> {
    pub(super) fn schema(&mut self, fields: &[Selected]) -> Written {
        self.object(fields, |writer, field| match field.name {
            MetaName::Typename => writer.name("__Schema"),
            MetaName::Types => {
                let types = writer.schema.reachable();
                writer.list(types, |writer, (key, members)| writer.named(key, Some(&members), &field.children))
            }
            MetaName::QueryType => writer.named_type(TypeKey::Query, &field.children),
            MetaName::MutationType if writer.schema.exists(TypeKey::Mutation) => {
                writer.named_type(TypeKey::Mutation, &field.children)
            }
            MetaName::SubscriptionType if writer.schema.exists(TypeKey::Subscription) => {
                writer.named_type(TypeKey::Subscription, &field.children)
            }
            MetaName::Directives => {
                writer.list(&DIRECTIVES, |writer, directive| writer.directive(directive, &field.children))
            }
            // `description`, and roots that do not exist.
            _ => writer.null(),
        })
    }

    pub(super) fn ty(&mut self, ty: &TypeRef, fields: &[Selected]) -> Written {
        match ty {
            TypeRef::Named(key) => self.named_type(*key, fields),
            TypeRef::NonNull(inner) => self.wrapper("NON_NULL", inner, fields),
            TypeRef::List(inner) => self.wrapper("LIST", inner, fields),
        }
    }

    fn wrapper(&mut self, kind: &str, inner: &TypeRef, fields: &[Selected]) -> Written {
        self.object(fields, |writer, field| match field.name {
            MetaName::Typename => writer.name("__Type"),
            MetaName::Kind => writer.name(kind),
            MetaName::OfType => writer.ty(inner, &field.children),
            _ => writer.null(),
        })
    }

    pub(super) fn named_type(&mut self, key: TypeKey, fields: &[Selected]) -> Written {
        self.named(key, None, fields)
    }

    /// A named type, with its members where they are known already. What its kind does not have is null
    /// (<https://spec.graphql.org/September2025/#sec-Type-Kinds>).
    fn named(&mut self, key: TypeKey, members: Option<&Members>, fields: &[Selected]) -> Written {
        let schema = self.schema;
        let kind = schema.kind(key);
        self.object(fields, |writer, field| match (field.name, kind) {
            (MetaName::Typename, _) => writer.name("__Type"),
            (MetaName::Kind, _) => writer.name(kind_name(kind)),
            (MetaName::Name, _) => writer.name(&schema.name(key)),
            (MetaName::Description, _) => writer.text_or_null(schema.description(key).as_deref()),
            (MetaName::Fields, Kind::Object | Kind::Interface) => match members {
                Some(members) => writer.fields(&members.fields, field),
                None => writer.fields(&schema.fields(key), field),
            },
            (MetaName::Interfaces, Kind::Object | Kind::Interface) => writer.types(schema.interfaces(key), field),
            (MetaName::PossibleTypes, Kind::Interface | Kind::Union) => writer.types(schema.possible_types(key), field),
            (MetaName::EnumValues, Kind::Enum) => writer.enum_values(schema.enum_values(key), field),
            (MetaName::InputFields, Kind::InputObject) => match members {
                Some(members) => writer.input_values(&members.input_fields, field),
                None => writer.input_values(&schema.input_fields(key), field),
            },
            (MetaName::IsOneOf, Kind::InputObject) => writer.flag(schema.is_one_of(key)),
            (MetaName::SpecifiedByUrl, Kind::Scalar) => writer.text_or_null(specified_by(key)),
            _ => writer.null(),
        })
    }

    fn types(&mut self, keys: Vec<TypeKey>, field: &Selected) -> Written {
        self.list(keys, |writer, key| writer.named_type(key, &field.children))
    }
}

fn kind_name(kind: Kind) -> &'static str {
    match kind {
        Kind::Scalar => "SCALAR",
        Kind::Object => "OBJECT",
        Kind::Interface => "INTERFACE",
        Kind::Union => "UNION",
        Kind::Enum => "ENUM",
        Kind::InputObject => "INPUT_OBJECT",
    }
}
