//! A text search over modules: which fields of which modules, and which part of what is found.

use cardine_access::Rights;
use cardine_failpoints::switched_off;
use cardine_model::catalog::{Catalog, FieldId, ModuleId};

use crate::authorise::{Authorised, Denied};
use crate::list::Slot;

/// A search for records in which every term stands at the beginning of a word of a searched field.
///
/// What is found is ordered by its score, highest first, then by id. The score tells only where the terms stand in the record
/// itself: no number of other records goes into it, as it would tell of those that the caller may not see.
#[derive(Debug, Clone, PartialEq)]
pub struct Search {
    /// Where to look.
    pub modules: Vec<SearchedModule>,
    /// Folded words; at least one.
    pub terms: Vec<Slot>,
    /// How many records.
    pub first: Slot,
    /// Only what comes after this place.
    pub after: Option<SearchPlace>,
    /// Whether records are wanted at all, or only their number.
    pub rows: bool,
    /// Whether the number of all records that are found is wanted.
    pub count: bool,
}

/// The fields of one module that are searched.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SearchedModule {
    /// The module.
    pub module: ModuleId,
    /// Those of its search fields that exist for the caller; at least one.
    pub fields: Vec<FieldId>,
    /// The one among them that names a record: what stands there counts more.
    pub title: Option<FieldId>,
}

/// A place in the order of what is found.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct SearchPlace {
    /// The score there.
    pub score: Slot,
    /// The record's id.
    pub id: Slot,
}

/// Lets `search` pass if it looks into nothing but search fields that exist under `rights`, of modules that have an index: the
/// platform's own have none.
pub fn authorise_search(search: Search, catalog: &Catalog, rights: &Rights) -> Result<Authorised<Search>, Denied> {
    let passes = |searched: &SearchedModule| {
        let module = searched.module;
        let is_open = |field: &FieldId| {
            catalog.module(module).search.contains(field)
                && (rights.can_read(module, *field) || switched_off!("gate.search"))
        };
        rights.can_read_module(module)
            && !catalog.module(module).platform
            && !searched.fields.is_empty()
            && searched.fields.iter().all(is_open)
            && searched.title.is_none_or(|title| searched.fields.contains(&title))
    };
    if search.terms.is_empty() || !search.modules.iter().all(passes) {
        return Err(Denied);
    }
    Ok(Authorised::passed(search))
}
