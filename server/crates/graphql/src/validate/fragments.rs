//! Fragments: on composite types that exist, defined, used, and spread where they can apply. Cycles are the guard's.

use std::collections::HashSet;

use async_graphql_parser::types::{FragmentSpread, InlineFragment, Selection, SelectionSet};
use async_graphql_parser::{Pos, Positioned};

use super::Validator;
use crate::guard;
use crate::schema::TypeKey;

impl<'a> Validator<'a> {
    pub(super) fn fragments(&mut self) {
        let document = self.document;
        let mut used = HashSet::new();
        for operation in guard::operations(document) {
            self.reach(&operation.node.selection_set.node, &mut used);
        }
        let mut fragments: Vec<_> = document.fragments.iter().collect();
        fragments.sort_unstable_by_key(|(_, fragment)| fragment.pos);
        for (name, fragment) in fragments {
            if !used.contains(name.as_str()) {
                self.refuse(format!("Fragment \"{name}\" is never used."), fragment.pos);
            }
            let condition = &fragment.node.type_condition;
            let owner = format!("Fragment \"{name}\"");
            let ty = self.condition(condition.node.on.node.as_str(), &owner, condition.pos);
            self.directives(&fragment.node.directives, "FRAGMENT_DEFINITION");
            self.selection_set(&fragment.node.selection_set.node, ty);
            let uses = std::mem::take(&mut self.uses);
            self.fragment_uses.insert(name.as_str(), uses);
        }
    }

    pub(super) fn inline_fragment(&mut self, inline: &'a Positioned<InlineFragment>, parent: Option<TypeKey>) {
        self.directives(&inline.node.directives, "INLINE_FRAGMENT");
        let ty = match &inline.node.type_condition {
            Some(condition) => {
                let ty = self.condition(condition.node.on.node.as_str(), "Fragment", condition.pos);
                self.check_overlap(ty, parent, "Fragment", inline.pos);
                ty
            }
            None => parent,
        };
        self.selection_set(&inline.node.selection_set.node, ty);
    }

    pub(super) fn spread(&mut self, spread: &'a Positioned<FragmentSpread>, parent: Option<TypeKey>) {
        self.directives(&spread.node.directives, "FRAGMENT_SPREAD");
        let name = &spread.node.fragment_name;
        let Some(fragment) = self.document.fragments.get(&name.node) else {
            self.refuse(format!("Unknown fragment \"{}\".", name.node), name.pos);
            return;
        };
        let ty = self.schema.type_named(fragment.node.type_condition.node.on.node.as_str());
        self.check_overlap(ty, parent, &format!("Fragment \"{}\"", name.node), spread.pos);
    }

    /// The composite type of a condition.
    fn condition(&mut self, name: &str, owner: &str, position: Pos) -> Option<TypeKey> {
        let Some(ty) = self.schema.type_named(name) else {
            self.refuse(format!("Unknown type \"{name}\"."), position);
            return None;
        };
        if !self.schema.is_composite(ty) {
            self.refuse(format!("{owner} cannot condition on non composite type \"{name}\"."), position);
            return None;
        }
        Some(ty)
    }

    fn check_overlap(&mut self, ty: Option<TypeKey>, parent: Option<TypeKey>, owner: &str, position: Pos) {
        let (Some(ty), Some(parent)) = (ty, parent) else { return };
        if self.schema.is_composite(ty) && !self.schema.overlaps(ty, parent) {
            let (parent, ty) = (self.schema.name(parent), self.schema.name(ty));
            let message =
                format!("{owner} cannot be spread here as objects of type \"{parent}\" can never be of type \"{ty}\".");
            self.refuse(message, position);
        }
    }

    /// Adds the names of all fragments that the selection reaches, each once.
    pub(super) fn reach(&self, set: &'a SelectionSet, reached: &mut HashSet<&'a str>) {
        let mut open = vec![set];
        while let Some(set) = open.pop() {
            for selection in &set.items {
                match &selection.node {
                    Selection::Field(field) => open.push(&field.node.selection_set.node),
                    Selection::InlineFragment(inline) => open.push(&inline.node.selection_set.node),
                    Selection::FragmentSpread(spread) => {
                        let name = spread.node.fragment_name.node.as_str();
                        if let (true, Some(fragment)) = (reached.insert(name), self.document.fragments.get(name)) {
                            open.push(&fragment.node.selection_set.node);
                        }
                    }
                }
            }
        }
    }
}
