//! Field collection (<https://spec.graphql.org/September2025/#CollectFields()>): fragments that apply are put in their place,
//! `@skip` and `@include` decided, and fields with one name in the answer merged.

use std::collections::HashSet;

use async_graphql_parser::Positioned;
use async_graphql_parser::types::{Directive, Field, Selection, SelectionSet};
use indexmap::IndexMap;

use super::Compiler;
use crate::coerce::{Coercion, Input, Raw};
use crate::schema::{InputValue, TypeKey};

/// A field of the answer: the first of those that were merged, and the selections of all.
pub(super) struct Collected<'a> {
    pub key: &'a str,
    pub field: &'a Positioned<Field>,
    pub sets: Vec<&'a SelectionSet>,
}

impl Collected<'_> {
    pub fn name(&self) -> &str {
        self.field.node.name.node.as_str()
    }
}

impl<'a> Compiler<'a> {
    /// The fields of an object of the type `object`, in the order of the answer.
    pub(super) fn collect(&self, object: TypeKey, sets: &[&'a SelectionSet]) -> Vec<Collected<'a>> {
        let mut fields = IndexMap::new();
        let mut visited = HashSet::new();
        for set in sets {
            self.collect_into(object, set, &mut fields, &mut visited);
        }
        fields.into_values().collect()
    }

    fn collect_into(
        &self,
        object: TypeKey,
        set: &'a SelectionSet,
        fields: &mut IndexMap<&'a str, Collected<'a>>,
        visited: &mut HashSet<&'a str>,
    ) {
        for selection in &set.items {
            if !self.is_included(selection.node.directives()) {
                continue;
            }
            match &selection.node {
                Selection::Field(field) => {
                    let key = field.node.response_key().node.as_str();
                    let collected = fields.entry(key).or_insert_with(|| Collected { key, field, sets: Vec::new() });
                    collected.sets.push(&field.node.selection_set.node);
                }
                Selection::InlineFragment(inline) => {
                    let condition = inline.node.type_condition.as_ref();
                    if condition.is_none_or(|condition| self.applies(object, condition.node.on.node.as_str())) {
                        self.collect_into(object, &inline.node.selection_set.node, fields, visited);
                    }
                }
                Selection::FragmentSpread(spread) => {
                    let name = spread.node.fragment_name.node.as_str();
                    if !visited.insert(name) {
                        continue;
                    }
                    let Some(fragment) = self.document.fragments.get(name) else { continue };
                    if self.applies(object, fragment.node.type_condition.node.on.node.as_str()) {
                        self.collect_into(object, &fragment.node.selection_set.node, fields, visited);
                    }
                }
            }
        }
    }

    fn applies(&self, object: TypeKey, condition: &str) -> bool {
        self.schema.type_named(condition).is_some_and(|condition| self.schema.implements(object, condition))
    }

    fn is_included(&self, directives: &[Positioned<Directive>]) -> bool {
        directives.iter().all(|directive| match directive.node.name.node.as_str() {
            "skip" => !self.condition(&directive.node),
            "include" => self.condition(&directive.node),
            _ => true,
        })
    }

    fn condition(&self, directive: &Directive) -> bool {
        let ty = InputValue::condition().ty;
        let value = directive.get_argument("if").and_then(|value| {
            Coercion::new(self.schema, Some(self.variables), self.setting.limits, Vec::new())
                .value(Raw::Literal(&value.node), &ty)
        });
        value == Some(Input::Value(cardine_model::Value::Boolean(true)))
    }
}
