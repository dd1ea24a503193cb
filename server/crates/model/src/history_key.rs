//! By what the history of records knows fields: what does not change with their names.

use std::borrow::Cow;

use crate::catalog::{Catalog, Field, Module, Relation};

/// What stands before the key of a many-to-many reference where it is seen from its other side. No name begins with it.
const OTHER_SIDE: char = '~';

impl Module {
    /// The key of a field: by what the server calls it; its name where that never changes.
    pub fn history_key<'a>(&'a self, field: &'a Field) -> Cow<'a, str> {
        match self.stable_field_id(field.id) {
            Some(id) => Cow::Owned(format!("f{id:010}")),
            None => Cow::Borrowed(self.whole_of(field).name.as_str()),
        }
    }
}

impl Catalog {
    /// The key of the links of a relation; `None` of one without links.
    pub fn link_history_key(&self, relation: &Relation) -> Option<String> {
        relation.through?;
        let link = self.module(relation.module).link?;
        let owner = self.module(link.owner);
        let key = owner.history_key(owner.field(link.field));
        Some(if relation.field == link.source { key.into_owned() } else { format!("{OTHER_SIDE}{key}") })
    }
}
