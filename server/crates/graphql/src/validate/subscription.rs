//! A subscription has one field at its root, always the same one (<https://spec.graphql.org/September2025/#sec-Single-Root-Field>).

use std::collections::HashSet;

use async_graphql_parser::types::{Field, OperationDefinition, Selection, SelectionSet};
use async_graphql_parser::{Pos, Positioned};
use indexmap::IndexMap;

use super::Validator;

/// The fields of the root by their keys in the answer, whatever their conditions say.
#[derive(Default)]
struct RootFields<'a> {
    fields: IndexMap<&'a str, &'a Positioned<Field>>,
    visited: HashSet<&'a str>,
    /// The first `@skip` or `@include`.
    conditional: Option<Pos>,
}

impl<'a> Validator<'a> {
    pub(super) fn single_root_field(&mut self, operation: &'a Positioned<OperationDefinition>) {
        let mut root = RootFields::default();
        self.root_fields(&operation.node.selection_set.node, &mut root);
        let name = self.operation_name(operation);
        if let Some(position) = root.conditional {
            let message = format!("{name} must not use `@skip` or `@include` directives in the top level selection.");
            self.refuse(message, position);
        }
        if let Some(second) = root.fields.values().nth(1) {
            self.refuse(format!("{name} must select only one top level field."), second.pos);
        }
        for field in root.fields.values() {
            if field.node.name.node.starts_with("__") {
                self.refuse(format!("{name} must not select an introspection top level field."), field.pos);
            }
        }
    }

    fn root_fields(&self, set: &'a SelectionSet, root: &mut RootFields<'a>) {
        for selection in &set.items {
            let conditional = selection
                .node
                .directives()
                .iter()
                .find(|directive| matches!(directive.node.name.node.as_str(), "skip" | "include"));
            root.conditional = root.conditional.or(conditional.map(|directive| directive.pos));
            match &selection.node {
                Selection::Field(field) => {
                    root.fields.entry(field.node.response_key().node.as_str()).or_insert(field);
                }
                Selection::InlineFragment(inline) => self.root_fields(&inline.node.selection_set.node, root),
                Selection::FragmentSpread(spread) => {
                    let name = spread.node.fragment_name.node.as_str();
                    if let Some(fragment) = self.document.fragments.get(name).filter(|_| root.visited.insert(name)) {
                        self.root_fields(&fragment.node.selection_set.node, root);
                    }
                }
            }
        }
    }

    fn operation_name(&self, operation: &'a Positioned<OperationDefinition>) -> String {
        let document = self.document;
        let named = document.operations.iter().find(|(_, known)| known.pos == operation.pos);
        match named.and_then(|(name, _)| name) {
            Some(name) => format!("Subscription \"{name}\""),
            None => "Anonymous Subscription".to_owned(),
        }
    }
}
