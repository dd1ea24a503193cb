//! The fields of `Query` and `Mutation`, and what the caller may know about themselves.

use async_graphql_parser::types::SelectionSet;
use cardine_model::catalog::{FieldPath, Module, ModuleId};
use cardine_model::{PathSegment, Value};
use cardine_query::{CompareOp, Filter, Nulls, OrderKey, Page, Take};
use uuid::Uuid;

use super::collect::Collected;
use super::list::ListBuilder;
use super::record::unvalidated;
use super::{Compiler, NodeAsked, key, quoted};
use crate::coerce::Input;
use crate::error::Error;
use crate::schema::{Meaning, OutputField, TypeKey};
use crate::shape::{Fields, NodesShape, ObjectShape, RootField, ViewerField};
use crate::variables::Reading;

impl<'a> Compiler<'a> {
    pub(super) fn root(&mut self, root: TypeKey, set: &'a SelectionSet) -> Fields<RootField> {
        let mut fields = Vec::new();
        for collected in self.collect(root, &[set]) {
            match self.root_field(root, &collected) {
                Ok(shape) => fields.push((key(collected.key), shape)),
                Err(error) => {
                    let error = if error.locations.is_empty() { error.at(collected.field.pos) } else { error };
                    self.errors.push(error.under(vec![PathSegment::from(collected.key)]));
                }
            }
        }
        fields
    }

    fn root_field(&mut self, root: TypeKey, collected: &Collected<'a>) -> Result<RootField, Error> {
        let definition = self.schema.field(root, collected.name()).ok_or_else(unvalidated)?;
        // What was found, and what is written, are of this request alone; and what is not known to be otherwise is taken to be.
        // What the schema says of itself is in the caller's language.
        self.reusable &= matches!(
            definition.meaning,
            Meaning::Typename | Meaning::One(_) | Meaning::List(_) | Meaning::Groups(_) | Meaning::Node | Meaning::Me
        );
        match definition.meaning {
            Meaning::Typename => Ok(RootField::Constant(quoted(&self.schema.name(root)))),
            Meaning::One(module) => {
                let arguments = self.arguments(collected.field, &definition)?;
                let slot = self.slot_given(Value::Id(arguments.id("id")), arguments.given("id"), Reading::Free);
                self.one(module, slot, collected)
            }
            Meaning::List(module) => self.list(module, collected, &definition),
            Meaning::Groups(module) => self.groups(module, collected, &definition),
            Meaning::Duplicates(module) => self.duplicates(module, collected, &definition),
            Meaning::Node => self.node(collected, &definition),
            Meaning::Nodes => self.nodes(collected, &definition),
            Meaning::Search => self.search(collected, &definition),
            Meaning::Timeline(module) => self.timeline(module, collected, &definition),
            Meaning::Occurrences(module) => self.occurrences(module, collected, &definition),
            Meaning::BusyTimes(_) => self.busy_times(collected),
            Meaning::Notifications => self.notifications(collected, &definition),
            Meaning::Me => self.me(collected),
            Meaning::Create(_)
            | Meaning::CreateMany(_)
            | Meaning::Update(_)
            | Meaning::UpdateMany(_)
            | Meaning::Upsert(_)
            | Meaning::UpsertMany(_)
            | Meaning::Delete(_)
            | Meaning::DeleteMany(_)
            | Meaning::Restore(_)
            | Meaning::RestoreMany(_)
            | Meaning::Destroy(_)
            | Meaning::DestroyMany(_)
            | Meaning::Merge(_)
            | Meaning::Convert(..)
            | Meaning::MarkNotificationsRead => self.write(collected, &definition),
            Meaning::IntrospectSchema | Meaning::IntrospectType => {
                self.introspect(collected, &definition).map(RootField::Constant)
            }
            _ => Err(unvalidated()),
        }
    }

    fn list(
        &mut self,
        module: ModuleId,
        collected: &Collected<'a>,
        definition: &OutputField,
    ) -> Result<RootField, Error> {
        let arguments = self.arguments(collected.field, definition)?;
        let default = self.setting.limits.page_default;
        let (list, shape) = self.connection(TypeKey::Connection(module), collected, &arguments, default, 1, 0)?;
        Ok(RootField::Connection { list: self.add(list)?, shape })
    }

    /// The record of any module: which one it is, is found out before, and asked again for each request that the operation serves.
    fn node(&mut self, collected: &Collected<'a>, definition: &OutputField) -> Result<RootField, Error> {
        let arguments = self.arguments(collected.field, definition)?;
        let id = arguments.id("id");
        let module = self.located.modules.get(&id).copied();
        let slot = self.slot_given(Value::Id(id), arguments.given("id"), Reading::Free);
        self.nodes.push(NodeAsked { slot: slot.0 as usize, module });
        match module {
            Some(module) => self.one(module, slot, collected),
            None => Ok(RootField::Constant(b"null".to_vec())),
        }
    }

    fn one(
        &mut self,
        module: ModuleId,
        slot: cardine_query::Slot,
        collected: &Collected<'a>,
    ) -> Result<RootField, Error> {
        let (list, object) = self.by_id(module, slot, collected)?;
        Ok(RootField::One { list: self.add(list)?, object })
    }

    /// The list with the one record whose id is in `slot`.
    pub(super) fn by_id(
        &mut self,
        module: ModuleId,
        slot: cardine_query::Slot,
        collected: &Collected<'a>,
    ) -> Result<(ListBuilder<'a>, ObjectShape), Error> {
        let page = Page { take: Take::One, after: None, before: None, offset: None };
        let mut list = ListBuilder::new(module, page, self.setting.limits, 0, collected.field.pos);
        list.filter(Filter::Compare { path: FieldPath::own(Module::ID), op: CompareOp::Eq, operand: slot });
        list.order(by_id())?;
        self.rows = self.rows.saturating_add(1);
        let object = self.object(&mut list, &[], module, &collected.sets)?;
        list.never_empty()?;
        Ok((list, object))
    }

    pub(super) fn add(&mut self, list: ListBuilder<'a>) -> Result<usize, Error> {
        let list = self.authorise(list.list)?;
        self.lists.push(list);
        Ok(self.lists.len() - 1)
    }

    /// A list for each module among the ids.
    fn nodes(&mut self, collected: &Collected<'a>, definition: &OutputField) -> Result<RootField, Error> {
        let ids = self.ids(collected, definition)?;
        let mut modules: Vec<ModuleId> = ids.iter().filter_map(|id| self.located.modules.get(id)).copied().collect();
        modules.sort_unstable();
        modules.dedup();
        let mut lists = Vec::with_capacity(modules.len());
        for module in &modules {
            let mut wanted: Vec<Uuid> =
                ids.iter().filter(|id| self.located.modules.get(id) == Some(module)).copied().collect();
            wanted.sort_unstable();
            wanted.dedup();
            let count = wanted.len() as u64;
            let size = self.slot(Value::Integer(count as i64));
            let operand = self.slot(Value::List(wanted.into_iter().map(Value::Id).collect()));
            let page = Page { take: Take::First(size), after: None, before: None, offset: None };
            let mut list = ListBuilder::new(*module, page, self.setting.limits, 0, collected.field.pos);
            list.filter(Filter::Compare { path: FieldPath::own(Module::ID), op: CompareOp::In, operand });
            list.order(by_id())?;
            list.rows = count;
            self.rows = self.rows.saturating_add(count);
            let id = list.output(&[], Module::ID)?;
            let object = self.object(&mut list, &[], *module, &collected.sets)?;
            lists.push((self.add(list)?, id, object));
        }
        let entry = |id: &Uuid| {
            let module = self.located.modules.get(id)?;
            modules.iter().position(|known| known == module).map(|position| (id.to_string(), position))
        };
        Ok(RootField::Nodes(NodesShape { entries: ids.iter().map(entry).collect(), lists }))
    }

    fn ids(&self, collected: &Collected<'a>, definition: &OutputField) -> Result<Vec<Uuid>, Error> {
        let arguments = self.arguments(collected.field, definition)?;
        let items = arguments.get("ids").map(Input::items).unwrap_or_default();
        let most = self.setting.limits.page;
        if items.len() as u64 > most {
            return Err(Error::limit("ids", most, items.len()));
        }
        Ok(arguments.get("ids").map(Input::ids).unwrap_or_default())
    }

    /// What `node` and `nodes` ask for.
    pub(super) fn node_ids(&mut self, set: &'a SelectionSet) -> Vec<Uuid> {
        let mut ids = Vec::new();
        for collected in self.collect(TypeKey::Query, &[set]) {
            let Some(definition) = self.schema.field(TypeKey::Query, collected.name()) else { continue };
            let found = match definition.meaning {
                Meaning::Node => self.arguments(collected.field, &definition).map(|arguments| vec![arguments.id("id")]),
                Meaning::Nodes => self.ids(&collected, &definition),
                _ => continue,
            };
            match found {
                Ok(found) => ids.extend(found.into_iter().filter(|id| !id.is_nil())),
                Err(error) => {
                    let error = if error.locations.is_empty() { error.at(collected.field.pos) } else { error };
                    self.errors.push(error.under(vec![PathSegment::from(collected.key)]));
                }
            }
        }
        ids.sort_unstable();
        ids.dedup();
        ids
    }

    fn me(&mut self, collected: &Collected<'a>) -> Result<RootField, Error> {
        let viewer = self.setting.viewer;
        let mut fields = Vec::new();
        for field in self.collect(TypeKey::Viewer, &collected.sets) {
            let shape = match field.name() {
                "__typename" => RootField::Constant(quoted("Viewer")),
                "user" => match (self.schema.user_module(), viewer.user) {
                    (Some(module), Some(id)) => {
                        let slot = self.slot(Value::Id(id));
                        self.persons.push(Some(slot.0 as usize));
                        self.one(module, slot, &field)?
                    }
                    (Some(_), None) => {
                        self.persons.push(None);
                        RootField::Constant(b"null".to_vec())
                    }
                    (None, _) => RootField::Constant(b"null".to_vec()),
                },
                "role" => RootField::Viewer(ViewerField::Role),
                "locale" => RootField::Viewer(ViewerField::Locale),
                "timeZone" => RootField::Viewer(ViewerField::TimeZone),
                "modules" => RootField::Constant(self.viewer_modules(&field)),
                _ => return Err(unvalidated()),
            };
            fields.push((key(field.key), shape));
        }
        Ok(RootField::Object(fields))
    }

    fn viewer_modules(&self, collected: &Collected<'a>) -> Vec<u8> {
        let fields = self.collect(TypeKey::ViewerModule, &collected.sets);
        let mut json = vec![b'['];
        let modules = self.schema.catalog.modules.iter().filter(|module| self.schema.is_listed(module.id));
        for (position, module) in modules.enumerate() {
            if position > 0 {
                json.push(b',');
            }
            json.push(b'{');
            for (position, field) in fields.iter().enumerate() {
                if position > 0 {
                    json.push(b',');
                }
                json.extend_from_slice(&key(field.key));
                let flag = match field.name() {
                    "create" => self.schema.may_create(module.id),
                    "update" => self.schema.may_update(module.id),
                    "delete" => self.schema.may_delete(module.id),
                    "read" => true,
                    name => {
                        let text = if name == "name" { module.name.as_str() } else { "ViewerModule" };
                        json.extend_from_slice(&quoted(text));
                        continue;
                    }
                };
                json.extend_from_slice(if flag { b"true" } else { b"false" });
            }
            json.push(b'}');
        }
        json.push(b']');
        json
    }
}

/// The order of ids.
pub(super) fn by_id() -> OrderKey {
    OrderKey { path: FieldPath::own(Module::ID), descending: false, nulls: Nulls::Last }
}
