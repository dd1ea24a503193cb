//! Fields that share a place in the answer must be mergeable.
//!
//! The specification's own algorithm compares pairs, whose number explodes. Here fields with one name in the answer are kept
//! as a set: all must have the same shape as the first, and all of one parent type the same field and arguments as the first;
//! their selections are merged and looked at once. (The idea is Simon Adameit's, <https://sangria-graphql.github.io>.) The
//! cost is the unfolded document, which the guard bounds, times its depth.

use async_graphql_parser::Positioned;
use async_graphql_parser::types::{Field, Selection, SelectionSet};
use async_graphql_value::{Name, Value};
use indexmap::IndexMap;

use super::Validator;
use crate::error::Error;
use crate::schema::{OutputField, Schema, TypeKey, TypeRef};

/// A field, and the type that it was selected on.
#[derive(Clone)]
struct Selected<'a> {
    parent: TypeKey,
    field: &'a Positioned<Field>,
    definition: OutputField,
}

impl<'a> Validator<'a> {
    pub(super) fn merge(&mut self, root: TypeKey, set: &'a SelectionSet) {
        let mut groups = IndexMap::new();
        self.group(root, set, &mut groups);
        if let Err(error) = self.same_response(groups) {
            self.add(error);
        }
    }

    /// Fields of one name, all of which may be in the same object or in objects of the same place.
    fn same_response(&self, groups: IndexMap<&'a str, Vec<Selected<'a>>>) -> Result<(), Error> {
        for (key, fields) in groups {
            self.check_shape(key, &fields)?;
            let mut by_parent: IndexMap<TypeKey, Vec<Selected<'a>>> = IndexMap::new();
            for field in fields.iter().cloned() {
                by_parent.entry(field.parent).or_default().push(field);
            }
            if by_parent.len() > 1 {
                self.same_shape(self.below(&fields))?;
            }
            for same in by_parent.values() {
                self.check_field(key, same)?;
                self.same_response(self.below(same))?;
            }
        }
        Ok(())
    }

    /// Fields of one name in objects of different types: only what they look like must be the same.
    fn same_shape(&self, groups: IndexMap<&'a str, Vec<Selected<'a>>>) -> Result<(), Error> {
        for (key, fields) in groups {
            self.check_shape(key, &fields)?;
            self.same_shape(self.below(&fields))?;
        }
        Ok(())
    }

    fn check_shape(&self, key: &str, fields: &[Selected<'a>]) -> Result<(), Error> {
        let Some((first, others)) = fields.split_first() else { return Ok(()) };
        for other in others {
            if !same_shape(self.schema, &first.definition.ty, &other.definition.ty) {
                let (one, two) = (self.schema.show(&first.definition.ty), self.schema.show(&other.definition.ty));
                return Err(conflict(
                    key,
                    &format!("they return conflicting types \"{one}\" and \"{two}\""),
                    first,
                    other,
                ));
            }
        }
        Ok(())
    }

    fn check_field(&self, key: &str, fields: &[Selected<'a>]) -> Result<(), Error> {
        let Some((first, others)) = fields.split_first() else { return Ok(()) };
        for other in others {
            if std::ptr::eq(first.field, other.field) {
                continue;
            }
            let (one, two) = (&first.field.node, &other.field.node);
            if one.name.node != two.name.node {
                let why = format!("\"{}\" and \"{}\" are different fields", one.name.node, two.name.node);
                return Err(conflict(key, &why, first, other));
            }
            if !same_arguments(&one.arguments, &two.arguments) {
                return Err(conflict(key, "they have differing arguments", first, other));
            }
        }
        Ok(())
    }

    fn below(&self, fields: &[Selected<'a>]) -> IndexMap<&'a str, Vec<Selected<'a>>> {
        let mut groups = IndexMap::new();
        for field in fields {
            let ty = field.definition.ty.inner();
            if self.schema.is_composite(ty) {
                self.group(ty, &field.field.node.selection_set.node, &mut groups);
            }
        }
        groups
    }

    fn group(&self, parent: TypeKey, set: &'a SelectionSet, groups: &mut IndexMap<&'a str, Vec<Selected<'a>>>) {
        for selection in &set.items {
            match &selection.node {
                Selection::Field(field) => {
                    if let Some(definition) = self.schema.field(parent, field.node.name.node.as_str()) {
                        let key = field.node.response_key().node.as_str();
                        groups.entry(key).or_default().push(Selected { parent, field, definition });
                    }
                }
                Selection::InlineFragment(inline) => {
                    let condition = inline.node.type_condition.as_ref();
                    let ty = match condition {
                        Some(condition) => self.schema.type_named(condition.node.on.node.as_str()),
                        None => Some(parent),
                    };
                    if let Some(ty) = ty {
                        self.group(ty, &inline.node.selection_set.node, groups);
                    }
                }
                Selection::FragmentSpread(spread) => {
                    let fragment = self.document.fragments.get(&spread.node.fragment_name.node);
                    let ty = fragment.and_then(|fragment| {
                        self.schema.type_named(fragment.node.type_condition.node.on.node.as_str())
                    });
                    if let (Some(fragment), Some(ty)) = (fragment, ty) {
                        self.group(ty, &fragment.node.selection_set.node, groups);
                    }
                }
            }
        }
    }
}

fn same_shape(schema: Schema<'_>, one: &TypeRef, other: &TypeRef) -> bool {
    match (one, other) {
        (TypeRef::NonNull(one), TypeRef::NonNull(other)) | (TypeRef::List(one), TypeRef::List(other)) => {
            same_shape(schema, one, other)
        }
        (TypeRef::Named(one), TypeRef::Named(other)) => {
            one == other || (schema.is_composite(*one) && schema.is_composite(*other))
        }
        _ => false,
    }
}

fn same_arguments(
    one: &[(Positioned<Name>, Positioned<Value>)],
    other: &[(Positioned<Name>, Positioned<Value>)],
) -> bool {
    one.len() == other.len()
        && one.iter().all(|(name, value)| {
            other.iter().any(|(other_name, other_value)| name.node == other_name.node && value.node == other_value.node)
        })
}

fn conflict(key: &str, why: &str, one: &Selected<'_>, other: &Selected<'_>) -> Error {
    let message = format!(
        "Fields \"{key}\" conflict because {why}. Use different aliases on the fields to fetch both if this was intentional."
    );
    Error::input(message).at(one.field.pos).at(other.field.pos)
}
