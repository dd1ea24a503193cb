//! The caller's schema as text in the schema definition language: root types first, then the others by name.
//!
//! What every schema has (the introspection types, the scalars and directives of the specification) is left out, as the
//! specification asks (<https://spec.graphql.org/September2025/#sec-Type-System>).

mod difference;
mod text;

#[cfg(test)]
mod tests;

use std::borrow::Cow;

use crate::introspection::specified_by;
use crate::schema::{EnumValue, InputValue, Kind, OutputField, Scalar, Schema, TypeKey, TypeRef, Words};

pub use difference::difference;

const INDENT: &str = "  ";

/// The whole schema that exists for the caller.
pub fn sdl(schema: &Schema<'_>) -> String {
    printed(schema, true)
}

/// The schema, with descriptions or without.
fn printed(schema: &Schema<'_>, is_described: bool) -> String {
    let mut types: Vec<(Cow<'_, str>, TypeKey)> =
        schema.all_types().into_iter().filter(|key| !is_known(*key)).map(|key| (schema.name(key), key)).collect();
    types.sort_by(|(name, key), (other_name, other)| (rank(*key), name).cmp(&(rank(*other), other_name)));
    let mut printer = Printer { schema, is_described, out: String::new() };
    for (position, (name, key)) in types.iter().enumerate() {
        if position > 0 {
            printer.out.push('\n');
        }
        printer.definition(name, *key);
    }
    printer.out
}

/// Whether every GraphQL tool knows the type without being told.
fn is_known(key: TypeKey) -> bool {
    match key {
        TypeKey::Introspection(_) => true,
        TypeKey::Scalar(scalar) => {
            matches!(scalar, Scalar::Int | Scalar::Float | Scalar::String | Scalar::Boolean | Scalar::Id)
        }
        _ => false,
    }
}

fn rank(key: TypeKey) -> u8 {
    match key {
        TypeKey::Query => 0,
        TypeKey::Mutation => 1,
        TypeKey::Subscription => 2,
        _ => 3,
    }
}

struct Printer<'a> {
    schema: &'a Schema<'a>,
    is_described: bool,
    out: String,
}

impl Printer<'_> {
    fn definition(&mut self, name: &str, key: TypeKey) {
        self.description(self.schema.description(key).as_deref(), "");
        match self.schema.kind(key) {
            Kind::Scalar => self.scalar(name, key),
            Kind::Object => self.composite("type", name, key),
            Kind::Interface => self.composite("interface", name, key),
            Kind::Union => self.union(name, key),
            Kind::Enum => self.enumeration(name, key),
            Kind::InputObject => self.input(name, key),
        }
    }

    fn scalar(&mut self, name: &str, key: TypeKey) {
        self.push(&["scalar ", name]);
        if let Some(url) = specified_by(key) {
            self.push(&[" @specifiedBy(url: ", &text::quoted(url), ")"]);
        }
        self.out.push('\n');
    }

    fn composite(&mut self, keyword: &str, name: &str, key: TypeKey) {
        self.push(&[keyword, " ", name]);
        for (position, interface) in self.schema.interfaces(key).into_iter().enumerate() {
            let before = if position == 0 { " implements " } else { " & " };
            self.push(&[before, &self.schema.name(interface)]);
        }
        self.out.push_str(" {\n");
        for field in self.schema.fields(key) {
            self.field(&field);
        }
        self.out.push_str("}\n");
    }

    fn field(&mut self, field: &OutputField) {
        self.words(field.description.as_ref(), INDENT);
        self.push(&[INDENT, &field.name]);
        if !field.arguments.is_empty() {
            self.out.push_str("(\n");
            for argument in &field.arguments {
                self.input_value(argument, "    ");
            }
            self.push(&[INDENT, ")"]);
        }
        self.out.push_str(": ");
        self.ty(&field.ty);
        self.deprecation(field.deprecated.as_deref());
        self.out.push('\n');
    }

    fn union(&mut self, name: &str, key: TypeKey) {
        self.push(&["union ", name]);
        for (position, member) in self.schema.possible_types(key).into_iter().enumerate() {
            let before = if position == 0 { " = " } else { " | " };
            self.push(&[before, &self.schema.name(member)]);
        }
        self.out.push('\n');
    }

    fn enumeration(&mut self, name: &str, key: TypeKey) {
        self.push(&["enum ", name, " {\n"]);
        for EnumValue { name, description, deprecated } in self.schema.enum_values(key) {
            self.words(description.as_ref(), INDENT);
            self.push(&[INDENT, &name]);
            self.deprecation(deprecated.as_deref());
            self.out.push('\n');
        }
        self.out.push_str("}\n");
    }

    fn input(&mut self, name: &str, key: TypeKey) {
        self.push(&["input ", name]);
        if self.schema.is_one_of(key) {
            self.out.push_str(" @oneOf");
        }
        self.out.push_str(" {\n");
        for field in self.schema.input_fields(key) {
            self.input_value(&field, INDENT);
        }
        self.out.push_str("}\n");
    }

    /// An argument or a field of an input object, on a line of its own.
    fn input_value(&mut self, value: &InputValue, indent: &str) {
        self.words(value.description.as_ref(), indent);
        self.push(&[indent, &value.name, ": "]);
        self.ty(&value.ty);
        if let Some(default) = &value.default {
            self.push(&[" = ", default]);
        }
        self.deprecation(value.deprecated.as_deref());
        self.out.push('\n');
    }

    fn ty(&mut self, ty: &TypeRef) {
        match ty {
            TypeRef::Named(key) => self.out.push_str(&self.schema.name(*key)),
            TypeRef::NonNull(inner) => {
                self.ty(inner);
                self.out.push('!');
            }
            TypeRef::List(inner) => {
                self.out.push('[');
                self.ty(inner);
                self.out.push(']');
            }
        }
    }

    fn deprecation(&mut self, reason: Option<&str>) {
        if let Some(reason) = reason {
            self.push(&[" @deprecated(reason: ", &text::quoted(reason), ")"]);
        }
    }

    fn words(&mut self, words: Option<&Words>, indent: &str) {
        let language = self.schema.language;
        self.description(words.map(|words| words.text(language)).as_deref(), indent);
    }

    fn description(&mut self, description: Option<&str>, indent: &str) {
        if let Some(description) = description.filter(|_| self.is_described) {
            text::push_description(&mut self.out, description, indent);
            self.out.push('\n');
        }
    }

    fn push(&mut self, parts: &[&str]) {
        self.out.extend(parts.iter().copied());
    }
}
