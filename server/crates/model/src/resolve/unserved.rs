//! Modules that were there before the API took a name of theirs, or of a field: they stay, and the API has nothing of them until it is renamed.
//!
//! Which modules these are depends on the documents alone and not on the order in which they came, so that all processes, and each
//! start, find the same: of two modules that want one name the first by name has it, and the API itself comes before all.

use std::sync::Arc;

use rustc_hash::{FxHashMap, FxHashSet};

use super::draft::{Document, Draft, Issues};
use super::graphql_names::{built_in_claims, clashes};
use crate::catalog::{Catalog, ModuleId};
use crate::definition::{FieldDefinition, ModuleDefinition};
use crate::name::snake_case;
use crate::{Issue, PathSegment};

/// Which documents may stay although a name of theirs is taken.
pub(super) enum Kept<'a> {
    /// None: all are new.
    None,
    /// Those that are unserved in this catalog, as long as they keep the names that they have.
    Unserved(&'a Catalog),
    /// These too, and the one of this name, which comes back, where the API itself has a name of it.
    UnservedAnd(&'a Catalog, &'a str),
    /// All.
    All,
}

/// A module that stays, and why it is not served.
pub(super) struct Unserved {
    module: ModuleId,
    why: String,
}

impl Kept<'_> {
    fn has(&self, definition: &ModuleDefinition, claims: &[u64]) -> bool {
        let is_unserved = |base: &Catalog| {
            let known = base.module_by_name(&definition.name);
            known.is_some_and(|known| known.unserved.is_some() && known.plural == definition.plural)
        };
        match self {
            Self::None => false,
            Self::All => true,
            Self::Unserved(base) => is_unserved(base),
            Self::UnservedAnd(base, name) => {
                let built_in = built_in_claims();
                let comes_back = definition.name == *name && claims.iter().any(|claim| built_in.contains(claim));
                comes_back || is_unserved(base)
            }
        }
    }

    /// The same of the field at `position`, of which the API has the name itself, or that of its inverse.
    fn has_member(&self, document: &Document<'_>, position: usize) -> bool {
        let field = &document.definition.fields[position];
        let was_there = |base: &Catalog| {
            let is_unserved = base.module_by_name(owner(document)).is_some_and(|known| known.unserved.is_some());
            let known = base.module_or_link_named(&document.definition.name).filter(|_| is_unserved);
            let same = |known: &FieldDefinition| known.name == field.name && known.inverse == field.inverse;
            known.is_some_and(|known| known.definition().fields.iter().any(same))
        };
        match self {
            Self::None => false,
            Self::All => true,
            Self::Unserved(base) => was_there(base),
            Self::UnservedAnd(base, name) => owner(document) == *name || was_there(base),
        }
    }
}

/// Sorts the faults of a document's members: what is kept, of those in which the API alone has the name (by their places in `found`),
/// is why the module stays unserved; the others are faults.
pub(super) fn tell_members_apart(
    draft: &Draft<'_>,
    document: &Document<'_>,
    (found, of_api): (Issues, &[usize]),
    kept: &Kept<'_>,
    unserved: &mut Vec<Unserved>,
    issues: &mut Issues,
) {
    for (place, fault) in found.0.into_iter().enumerate() {
        let position = match fault.issue.path.as_slice() {
            [_, PathSegment::Index(position), ..] if of_api.contains(&place) => Some(*position),
            _ => None,
        };
        let Some(position) = position.filter(|position| kept.has_member(document, *position)) else {
            issues.0.push(fault);
            continue;
        };
        let why = told_of(document.definition, &fault.issue, position);
        let module = document.link.map_or(Some(document.id), |link| draft.by_name.get(&link.owner).copied());
        match unserved.iter_mut().find(|known| Some(known.module) == module) {
            Some(known) => known.why = format!("{}; {why}", known.why),
            None => unserved.extend(module.map(|module| Unserved { module, why })),
        }
    }
}

/// Those of the documents that stay unserved, and the faults of those that may not.
pub(super) fn told_apart(draft: &Draft<'_>, documents: &[Document<'_>], kept: &Kept<'_>) -> (Vec<Unserved>, Issues) {
    let mut by_id = documents.to_vec();
    by_id.sort_by_key(|document| document.id);
    let mut taken = built_in_claims();
    let mut hindered: FxHashSet<&str> = FxHashSet::default();
    for document in &by_id {
        let claims = &draft.module_at(document.id).claims;
        let own: FxHashSet<u64> = claims.iter().copied().collect();
        if own.len() == claims.len() && own.is_disjoint(&taken) {
            taken.extend(own);
        } else {
            hindered.insert(owner(document));
        }
    }
    let (those, served): (Vec<Document<'_>>, Vec<Document<'_>>) =
        by_id.into_iter().partition(|document| hindered.contains(owner(document)));
    let told = clashes(&[served, those.clone()].concat());
    let modules = || those.iter().filter(|document| document.link.is_none());
    let stays = |document: &&Document<'_>| kept.has(document.definition, &draft.module_at(document.id).claims);
    // Two that would have one table cannot both be kept: one of them is new.
    let mut tables = FxHashSet::default();
    let is_sound = documents.iter().all(|document| tables.insert(snake_case(&document.definition.name)));
    let stay: FxHashSet<&str> = modules().filter(|_| is_sound).filter(stays).map(owner).collect();
    if stay.len() < hindered.len() {
        // In the order of the caller, who is told of what comes last.
        let others = documents.iter().filter(|document| !stay.contains(owner(document)));
        let others: Vec<Document<'_>> = others.copied().collect();
        let faults = clashes(&others);
        return (Vec::new(), if faults.0.is_empty() { told } else { faults });
    }
    let unserved = modules().map(|document| {
        let own = those.iter().filter(|other| owner(other) == owner(document));
        let own: FxHashMap<&str, &ModuleDefinition> =
            own.map(|other| (other.definition.name.as_str(), other.definition)).collect();
        let why = told.0.iter().filter_map(|fault| {
            let definition = *own.get(fault.module.as_str())?;
            Some(match fault.issue.path.as_slice() {
                [_, PathSegment::Index(position), ..] => told_of(definition, &fault.issue, *position),
                _ => fault.issue.message.clone(),
            })
        });
        Unserved { module: document.id, why: why.collect::<Vec<_>>().join("; ") }
    });
    (unserved.collect(), Issues::default())
}

/// Notes in the draft which modules are not served.
pub(super) fn mark(draft: &mut Draft<'_>, unserved: Vec<Unserved>) {
    for Unserved { module, why } in unserved {
        draft.module_mut(module).unserved = Some(Arc::from(why));
    }
}

/// The fault of a field, for who sees no path: with the field's name.
fn told_of(definition: &ModuleDefinition, fault: &Issue, position: usize) -> String {
    let field = definition.fields.get(position).map(|field| field.name.as_str()).unwrap_or_default();
    format!("field `{field}`: {}", fault.message)
}

/// The module in whose document it stands.
fn owner<'a>(document: &Document<'a>) -> &'a str {
    document.link.map_or(document.definition.name.as_str(), |link| link.owner.as_str())
}
