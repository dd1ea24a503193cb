//! A record's history: a page of entries, the users that they name as lists of one, and their changes.

use std::sync::Arc;

use cardine_engine::json_name;
use cardine_failpoints::switched_off;
use cardine_model::catalog::{FieldKind, FieldPath, Hop, Module, ModuleId};
use cardine_query::{ENTRY_ACTOR, ENTRY_ON_BEHALF_OF, History, HistoryUser, Nulls, OrderKey, Page, Take};
use rustc_hash::FxHashMap;

use super::collect::Collected;
use super::list::ListBuilder;
use super::record::unvalidated;
use super::{Compiler, key, quoted};
use crate::error::Error;
use crate::schema::{OutputField, TypeKey};
use crate::shape::{
    ConnectionField, ConnectionShape, CursorShape, EdgeField, Encoding, EntryField, FieldChangeField, FieldShape,
    Fields, ObjectShape,
};

/// Positions of an entry's own values.
const ID: usize = 0;
const AT: usize = 1;
const ACTION: usize = 2;
const VIA: usize = 3;
const REQUEST_ID: usize = 4;
/// Position of the number of entries among the figures.
const COUNT: usize = 0;

/// A history in the making.
struct Making {
    module: ModuleId,
    users: Vec<HistoryUser>,
    changes: bool,
    /// Entries at most, all records together.
    rows: u64,
    level: usize,
}

impl<'a> Compiler<'a> {
    /// The history of the record of `module` that `at` leads to.
    pub(super) fn history(
        &mut self,
        parent: &mut ListBuilder<'a>,
        at: &[Hop],
        module: ModuleId,
        collected: &Collected<'a>,
        definition: &OutputField,
    ) -> Result<FieldShape, Error> {
        let position = collected.field.pos;
        let located = |error: Error| if error.locations.is_empty() { error.at(position) } else { error };
        let arguments = self.arguments(collected.field, definition)?;
        let level = parent.level + 1;
        parent.check_level(level)?;
        let parent_output = parent.output(at, Module::ID)?;
        let (take, size) = self.take(&arguments, self.setting.limits.page_default_nested).map_err(located)?;
        let ty = TypeKey::HistoryConnection;
        let fields = self.collect(ty, &collected.sets);
        let wanted = self.wanted(TypeKey::HistoryEdge, &fields);
        let has_place = ["after", "before"].iter().any(|name| arguments.get(name).is_some());
        let context = (wanted.cursors || has_place).then(|| {
            self.contexts.push(self.context(ty, &arguments));
            self.contexts.len() - 1
        });
        // Entries are ordered by their ids, but are no module's records: this list only takes the place that a cursor names.
        let page = Page { take, after: None, before: None, offset: None };
        let mut order = ListBuilder::new(module, page, self.setting.limits, level, position);
        order.order(OrderKey { path: FieldPath::own(Module::ID), descending: true, nulls: Nulls::Last })?;
        let cut = self.place(&mut order, &arguments, context).map_err(located)?;
        let rows = parent.rows.saturating_mul(size);
        self.rows = self.rows.saturating_add(if wanted.rows { rows } else { parent.rows });

        let mut making = Making { module, users: Vec::new(), changes: false, rows, level };
        let mut shapes = Vec::with_capacity(fields.len());
        for field in &fields {
            let shape = match field.name() {
                "__typename" => ConnectionField::Constant(quoted(&self.schema.name(ty))),
                "nodes" => ConnectionField::Nodes(self.entry(&mut making, field)?),
                "edges" => ConnectionField::Edges(self.entry_edges(&mut making, field)?),
                "pageInfo" => ConnectionField::PageInfo(self.page_info(&field.sets)?),
                "totalCount" => ConnectionField::TotalCount(COUNT),
                _ => return Err(unvalidated()),
            };
            shapes.push((key(field.key), shape));
        }
        let history = parent.list.histories.len();
        parent.list.histories.push(History {
            parent_output,
            at: at.to_vec(),
            page: order.list.page,
            rows: wanted.rows,
            count: fields.iter().any(|field| field.name() == "totalCount"),
            changes: making.changes,
            users: making.users,
        });
        let cursor = context.filter(|_| wanted.cursors).map(|context| CursorShape { keys: vec![ID], context });
        let shape = ConnectionShape { fields: shapes, cursor, from_end: matches!(take, Take::Last(_)), cut };
        Ok(FieldShape::History { history, parent: parent_output, shape })
    }

    fn entry_edges(&mut self, making: &mut Making, collected: &Collected<'a>) -> Result<Fields<EdgeField>, Error> {
        let mut fields = Vec::new();
        for field in self.collect(TypeKey::HistoryEdge, &collected.sets) {
            let shape = match field.name() {
                "__typename" => EdgeField::Constant(quoted(&self.schema.name(TypeKey::HistoryEdge))),
                "cursor" => EdgeField::Cursor,
                "node" => EdgeField::Node(self.entry(making, &field)?),
                _ => return Err(unvalidated()),
            };
            fields.push((key(field.key), shape));
        }
        Ok(fields)
    }

    fn entry(&mut self, making: &mut Making, collected: &Collected<'a>) -> Result<ObjectShape, Error> {
        let mut object = ObjectShape::default();
        let plain = |output| FieldShape::Cell { output, encoding: Encoding::Plain };
        for field in self.collect(TypeKey::HistoryEntry, &collected.sets) {
            let shape = match field.name() {
                "__typename" => FieldShape::Constant(quoted(&self.schema.name(TypeKey::HistoryEntry))),
                "id" => plain(ID),
                "at" => plain(AT),
                "action" => plain(ACTION),
                "via" => FieldShape::Entry(EntryField::Via(VIA)),
                "requestId" => plain(REQUEST_ID),
                "actor" => self.entry_user(making, ENTRY_ACTOR, &field)?,
                "onBehalfOf" => self.entry_user(making, ENTRY_ON_BEHALF_OF, &field)?,
                "changes" => FieldShape::Entry(self.entry_changes(making, &field)?),
                _ => return Err(unvalidated()),
            };
            object.fields.push((key(field.key), shape));
        }
        Ok(object)
    }

    /// A user, by a list of one: whoever may not read `updatedBy` is not told who changed the record here either.
    fn entry_user(
        &mut self,
        making: &mut Making,
        entry_value: usize,
        collected: &Collected<'a>,
    ) -> Result<FieldShape, Error> {
        let user = self.schema.history_user().ok_or_else(unvalidated)?;
        let is_told = self.schema.rights.can_read(making.module, Module::UPDATED_BY) || switched_off!("schema.history");
        if !is_told {
            return Ok(FieldShape::Constant(b"null".to_vec()));
        }
        let page = Page { take: Take::One, after: None, before: None, offset: None };
        let level = making.level + 1;
        let mut list = ListBuilder::new(user, page, self.setting.limits, level, collected.field.pos);
        list.check_level(level)?;
        list.rows = making.rows;
        self.rows = self.rows.saturating_add(making.rows);
        let object = self.object(&mut list, &[], user, &collected.sets)?;
        list.never_empty()?;
        making.users.push(HistoryUser { entry_value, list: list.list });
        // The changes come first.
        Ok(FieldShape::Entry(EntryField::User { child: making.users.len(), id: entry_value, object }))
    }

    fn entry_changes(&mut self, making: &mut Making, collected: &Collected<'a>) -> Result<EntryField, Error> {
        if !making.changes {
            making.changes = true;
            self.rows = self.rows.saturating_add(making.rows);
        }
        let ty = TypeKey::FieldChange;
        let mut fields = Vec::new();
        for field in self.collect(ty, &collected.sets) {
            let shape = match field.name() {
                "__typename" => FieldChangeField::Constant(quoted(&self.schema.name(ty))),
                "field" => FieldChangeField::Name,
                "old" => FieldChangeField::Old,
                "new" => FieldChangeField::New,
                _ => return Err(unvalidated()),
            };
            fields.push((key(field.key), shape));
        }
        Ok(EntryField::Changes { fields, names: Arc::new(self.names_by_key(making.module)) })
    }

    /// The names of a module's fields today, by their keys: of those that the caller may read.
    fn names_by_key(&self, module: ModuleId) -> FxHashMap<String, Vec<u8>> {
        let catalog = self.schema.catalog;
        let definition = catalog.module(module);
        let fields = definition.own_fields().filter(|field| self.schema.rights.can_read(module, field.id));
        let fields = fields.filter(|field| !matches!(field.kind, FieldKind::References { .. }));
        let fields = fields.map(|field| (definition.history_key(field).into_owned(), quoted(&json_name(field))));
        let relations = definition.relations.iter();
        let links = relations.filter(|relation| self.schema.rights.can_read_relation(relation));
        let links = links.filter_map(|relation| Some((catalog.link_history_key(relation)?, quoted(&relation.name))));
        fields.chain(links).collect()
    }
}
