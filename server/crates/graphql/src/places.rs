//! Where an operation's variables stand: the faults of a value are told by the path of the argument that it is for, so that a
//! client finds the same path whether it wrote the value into the text or gave it as a variable.

use async_graphql_parser::types::{ExecutableDocument, OperationDefinition, Selection, SelectionSet};
use async_graphql_value::{Name, Value};
use cardine_model::PathSegment;
use rustc_hash::{FxHashMap, FxHashSet};

/// For each variable the path of the first place in which it stands, from the argument on.
pub fn places<'a>(
    document: &'a ExecutableDocument,
    operation: &'a OperationDefinition,
) -> FxHashMap<&'a str, Vec<PathSegment>> {
    let mut walk = Walk { document, seen: FxHashSet::default(), path: Vec::new(), places: FxHashMap::default() };
    for directive in &operation.directives {
        walk.arguments(directive.node.arguments.iter().map(|(name, value)| (&name.node, &value.node)));
    }
    walk.selections(&operation.selection_set.node);
    walk.places
}

struct Walk<'a> {
    document: &'a ExecutableDocument,
    seen: FxHashSet<&'a str>,
    path: Vec<PathSegment>,
    places: FxHashMap<&'a str, Vec<PathSegment>>,
}

impl<'a> Walk<'a> {
    fn selections(&mut self, set: &'a SelectionSet) {
        for selection in &set.items {
            for directive in selection.node.directives() {
                self.arguments(directive.node.arguments.iter().map(|(name, value)| (&name.node, &value.node)));
            }
            match &selection.node {
                Selection::Field(field) => {
                    self.arguments(field.node.arguments.iter().map(|(name, value)| (&name.node, &value.node)));
                    self.selections(&field.node.selection_set.node);
                }
                Selection::InlineFragment(inline) => self.selections(&inline.node.selection_set.node),
                Selection::FragmentSpread(spread) => {
                    let name = spread.node.fragment_name.node.as_str();
                    if let (true, Some(fragment)) = (self.seen.insert(name), self.document.fragments.get(name)) {
                        self.selections(&fragment.node.selection_set.node);
                    }
                }
            }
        }
    }

    /// Arguments, or the fields of an input object.
    fn arguments(&mut self, given: impl Iterator<Item = (&'a Name, &'a Value)>) {
        for (name, value) in given {
            self.path.push(name.as_str().into());
            self.value(value);
            self.path.pop();
        }
    }

    fn value(&mut self, value: &'a Value) {
        match value {
            Value::Variable(name) => {
                self.places.entry(name.as_str()).or_insert_with(|| self.path.clone());
            }
            Value::List(items) => {
                for (position, item) in items.iter().enumerate() {
                    self.path.push(position.into());
                    self.value(item);
                    self.path.pop();
                }
            }
            Value::Object(fields) => self.arguments(fields.iter()),
            _ => {}
        }
    }
}
