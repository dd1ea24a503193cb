//! The gate: a question becomes `Authorised` only if every module, field and relation in it exists for the caller.

use cardine_access::Rights;
use cardine_failpoints::switched_off;
use cardine_model::catalog::{Catalog, FieldPath, Hop, Module, ModuleId, RelationId};

use crate::aggregate::{GroupTerm, Grouping, Measure};
use crate::history::{ENTRY_ACTOR, ENTRY_ON_BEHALF_OF, History};
use crate::list::{Child, Deleted, Filter, List};

/// Something that passed a gate of this crate: nothing else makes one.
///
/// ```compile_fail,E0423
/// fn forge(list: cardine_query::List) -> cardine_query::Authorised<cardine_query::List> {
///     cardine_query::Authorised(list)
/// }
/// ```
///
/// The same through the gate compiles:
///
/// ```
/// # use cardine_query::{Authorised, Denied, List, authorise};
/// # use cardine_access::Rights;
/// # use cardine_model::Catalog;
/// fn ask(list: List, catalog: &Catalog, rights: &Rights) -> Result<Authorised<List>, Denied> {
///     authorise(list, catalog, rights)
/// }
/// ```
#[derive(Debug, Clone)]
pub struct Authorised<T>(T);

impl<T> Authorised<T> {
    /// For the gates of this crate alone.
    pub(crate) fn passed(question: T) -> Self {
        Self(question)
    }

    /// What passed.
    pub fn get(&self) -> &T {
        &self.0
    }
}

/// The question names what does not exist for the caller.
///
/// A front compiles against the same rights, so this is a front's fault and never a message for people: it tells no name.
#[derive(Debug, thiserror::Error, PartialEq, Eq)]
#[error("the request asks for something that does not exist")]
pub struct Denied;

/// Lets `list` pass if all that it reads exists under `rights`: values, filters, orders, relations and nested lists alike.
pub fn authorise(list: List, catalog: &Catalog, rights: &Rights) -> Result<Authorised<List>, Denied> {
    // What records hold is reached through them alone.
    if catalog.module(list.module).held {
        return Err(Denied);
    }
    Gate { catalog, rights }.list(&list)?;
    Ok(Authorised(list))
}

struct Gate<'a> {
    catalog: &'a Catalog,
    rights: &'a Rights,
}

impl Gate<'_> {
    fn list(&self, list: &List) -> Result<(), Denied> {
        self.module(list.module)?;
        let may_see_deleted = self.rights.module(list.module).delete || switched_off!("gate.deleted");
        if list.deleted != Deleted::Exclude && !may_see_deleted {
            return Err(Denied);
        }
        for path in list.outputs.iter().filter(|_| !switched_off!("gate.output")) {
            self.path(list.module, path)?;
        }
        for key in list.order.iter().filter(|_| !switched_off!("gate.order")) {
            self.path(list.module, &key.path)?;
        }
        list.filter.iter().try_for_each(|filter| self.filter(list.module, filter))?;
        self.measures(list.module, &list.totals)?;
        list.groups.iter().try_for_each(|groups| self.groups(list, groups))?;
        list.children.iter().try_for_each(|child| self.child(list, child))?;
        list.histories.iter().try_for_each(|history| self.history(list, history))
    }

    /// Who changed a record is what `updatedBy` says, so it takes the right to read that.
    fn history(&self, list: &List, history: &History) -> Result<(), Denied> {
        let module = self.hops(list.module, &history.at)?;
        let id = FieldPath { hops: history.at.clone(), field: Module::ID };
        let definition = self.catalog.module(module);
        let has_history = self.rights.can_read_module(module) && !definition.platform && definition.link.is_none();
        if !has_history || list.outputs.get(history.parent_output) != Some(&id) {
            return Err(Denied);
        }
        let users = definition.field(Module::UPDATED_BY).reference().map_or(&[][..], |reference| &reference.targets);
        history.users.iter().try_for_each(|user| {
            let is_named = [ENTRY_ACTOR, ENTRY_ON_BEHALF_OF].contains(&user.entry_value);
            let is_told = self.rights.can_read(module, Module::UPDATED_BY) || switched_off!("gate.history");
            if !is_named || !is_told || !users.contains(&user.list.module) {
                return Err(Denied);
            }
            self.list(&user.list)
        })
    }

    fn measures(&self, module: ModuleId, measures: &[Measure]) -> Result<(), Denied> {
        let mut paths = measures.iter().filter_map(Measure::path).filter(|_| !switched_off!("gate.measure"));
        paths.try_for_each(|path| self.path(module, path))
    }

    /// Conditions and orders name keys and measures by position, so what they reach has passed with those.
    fn groups(&self, list: &List, groups: &Grouping) -> Result<(), Denied> {
        for key in groups.keys.iter().filter(|_| !switched_off!("gate.group")) {
            self.path(list.module, &key.path)?;
        }
        self.measures(list.module, &groups.measures)?;
        let is_term = |term: GroupTerm| match term {
            GroupTerm::Key(position) => position < groups.keys.len(),
            GroupTerm::Measure(position) => position < groups.measures.len(),
        };
        let known = groups.having.iter().all(|condition| is_term(GroupTerm::Measure(condition.measure)))
            && groups.order.iter().all(|order| is_term(order.by));
        let alone =
            list.outputs.is_empty() && list.children.is_empty() && list.histories.is_empty() && list.order.is_empty();
        if known && alone { Ok(()) } else { Err(Denied) }
    }

    fn child(&self, list: &List, child: &Child) -> Result<(), Denied> {
        let related = self.relation(list.module, &child.at, child.relation)?;
        let id = FieldPath { hops: child.at.clone(), field: Module::ID };
        if child.list.module != related || list.outputs.get(child.parent_output) != Some(&id) {
            return Err(Denied);
        }
        self.list(&child.list)
    }

    fn filter(&self, module: ModuleId, filter: &Filter) -> Result<(), Denied> {
        match filter {
            _ if switched_off!("gate.filter") => Ok(()),
            Filter::All(parts) | Filter::Any(parts) => parts.iter().try_for_each(|part| self.filter(module, part)),
            Filter::Not(part) => self.filter(module, part),
            Filter::Compare { path, .. }
            | Filter::IsNull { path, .. }
            | Filter::CompareJson { path, .. }
            | Filter::IsNullJson { path, .. }
            | Filter::Within { path, .. } => self.path(module, path),
            Filter::Alike { field, .. } => self.path(module, &FieldPath::own(*field)),
            Filter::Related { at, relation, filter, .. } => {
                let related = self.relation(module, at, *relation)?;
                self.filter(related, filter)
            }
        }
    }

    fn relation(&self, module: ModuleId, at: &[Hop], relation: RelationId) -> Result<ModuleId, Denied> {
        let module = self.hops(module, at)?;
        let relation = self.catalog.module(module).relations.get(relation.0 as usize).ok_or(Denied)?;
        if !self.rights.can_read_relation(relation) && !switched_off!("gate.relation") {
            return Err(Denied);
        }
        Ok(relation.module)
    }

    fn path(&self, module: ModuleId, path: &FieldPath) -> Result<(), Denied> {
        let module = self.hops(module, &path.hops)?;
        let field = self.catalog.module(module).fields.get(path.field.0 as usize).ok_or(Denied)?;
        // What has parts, or leads to many, has no value itself.
        if field.has_value() && self.rights.can_read(module, path.field) { Ok(()) } else { Err(Denied) }
    }

    fn hops(&self, start: ModuleId, hops: &[Hop]) -> Result<ModuleId, Denied> {
        hops.iter().try_fold(start, |module, hop| {
            self.path(module, &FieldPath::own(hop.field))?;
            let targets = self.catalog.field(module, hop.field).reference().map(|reference| &reference.targets);
            if targets.is_some_and(|targets| targets.contains(&hop.target)) {
                self.module(hop.target).map(|()| hop.target)
            } else {
                Err(Denied)
            }
        })
    }

    fn module(&self, module: ModuleId) -> Result<(), Denied> {
        let exists = self.rights.can_read_module(module) || self.rights.can_follow(module);
        if exists || switched_off!("gate.module") { Ok(()) } else { Err(Denied) }
    }
}
