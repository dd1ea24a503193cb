//! Lists with their pages: arguments, the selection of a connection, and what a page costs.

use async_graphql_parser::types::SelectionSet;
use cardine_model::catalog::{Hop, ModuleId, Relation};
use cardine_model::{PathSegment, Value};
use cardine_query::{Child, Deleted, Measure, Page, Take};

use super::aggregate::position_of;
use super::arguments::Arguments;
use super::collect::Collected;
use super::list::ListBuilder;
use super::record::unvalidated;
use super::{Compiler, key, quoted};
use crate::error::Error;
use crate::schema::{OutputField, TypeKey};
use crate::shape::{ConnectionField, ConnectionShape, CursorShape, EdgeField, FieldShape, Fields, PageInfoField};
use crate::variables::Reading;

/// What is selected of a connection, before its records are looked at.
#[derive(Default)]
pub(super) struct Wanted {
    pub rows: bool,
    pub cursors: bool,
}

/// What a connection is a page of: records, or links that lead to records.
struct Paged {
    connection: TypeKey,
    edge: TypeKey,
    /// The module of the list's rows.
    list: ModuleId,
    /// The way from a row to the record that is meant.
    base: Vec<Hop>,
    /// That record's module.
    record: ModuleId,
}

impl<'a> Compiler<'a> {
    /// A list nested in `parent`, for the record that `at` leads to. Gives its position among the children.
    pub(super) fn child(
        &mut self,
        parent: &mut ListBuilder<'a>,
        at: &[Hop],
        parent_output: usize,
        relation: &Relation,
        collected: &Collected<'a>,
        definition: &OutputField,
    ) -> Result<(usize, ConnectionShape), Error> {
        let arguments = self.arguments(collected.field, definition)?;
        let level = parent.level + 1;
        parent.check_level(level)?;
        let default = self.setting.limits.page_default_nested;
        let ty = definition.ty.inner();
        let (list, shape) = self.connection(ty, collected, &arguments, default, parent.rows, level)?;
        let position = parent.list.children.len();
        parent.list.children.push(Child { parent_output, at: at.to_vec(), relation: relation.id, list: list.list });
        Ok((position, shape))
    }

    pub(super) fn connection(
        &mut self,
        ty: TypeKey,
        collected: &Collected<'a>,
        arguments: &Arguments,
        page_default: u64,
        parents: u64,
        level: usize,
    ) -> Result<(ListBuilder<'a>, ConnectionShape), Error> {
        let at = |error: Error| if error.locations.is_empty() { error.at(collected.field.pos) } else { error };
        let (take, size) = self.take(arguments, page_default).map_err(at)?;
        let page = Page { take, after: None, before: None, offset: None };
        let paged = self.paged(ty).ok_or_else(unvalidated)?;
        let module = paged.record;
        let mut list = ListBuilder::new(paged.list, page, self.setting.limits, level, collected.field.pos);
        list.base.clone_from(&paged.base);
        list.list.deleted = deleted(arguments);
        if let Some(filter) = arguments.get("filter") {
            let filter =
                self.filter(&mut list, &paged.base, module, filter, level, &mut vec!["filter".into()]).map_err(at)?;
            list.filter(filter);
        }
        self.order(&mut list, module, arguments.get("orderBy"), level).map_err(at)?;
        let fields = self.collect(ty, &collected.sets);
        let wanted = self.wanted(paged.edge, &fields);
        let has_place = ["after", "before"].iter().any(|name| arguments.get(name).is_some());
        let context = (wanted.cursors || has_place).then(|| {
            self.contexts.push(self.context(ty, arguments));
            self.contexts.len() - 1
        });
        let cut = self.place(&mut list, arguments, context).map_err(at)?;
        list.list.rows = wanted.rows;
        list.rows = parents.saturating_mul(size);
        self.rows = self.rows.saturating_add(if wanted.rows { list.rows } else { parents });

        let mut shapes = Vec::with_capacity(fields.len());
        for field in &fields {
            shapes.push((key(field.key), self.connection_field(&mut list, &paged, field)?));
        }
        let cursor = match context.filter(|_| wanted.cursors) {
            Some(context) => {
                let paths: Vec<_> = list.list.order.iter().map(|key| key.path.clone()).collect();
                let keys = paths.iter().map(|path| list.output(&path.hops, path.field)).collect::<Result<_, _>>()?;
                Some(CursorShape { keys, context })
            }
            None => None,
        };
        if wanted.rows {
            list.never_empty()?;
        }
        let from_end = matches!(take, Take::Last(_));
        Ok((list, ConnectionShape { fields: shapes, cursor, from_end, cut }))
    }

    /// How many, from which end.
    pub(super) fn take(&mut self, arguments: &Arguments, default: u64) -> Result<(Take, u64), Error> {
        let (first, last) = (arguments.integer("first"), arguments.integer("last"));
        let (name, size) = match (first, last) {
            (Some(_), Some(_)) => {
                return Err(page_error(
                    "last",
                    "`first` and `last` cannot both be given: take one end of the list.".to_owned(),
                ));
            }
            (Some(first), None) => ("first", first),
            (None, Some(last)) => ("last", last),
            (None, None) => ("first", i64::try_from(default).unwrap_or(i64::MAX)),
        };
        let most = self.setting.limits.page;
        let Ok(rows) = u64::try_from(size) else {
            return Err(page_error(name, format!("`{name}` must not be negative, found {size}.")));
        };
        if rows > most {
            return Err(page_error(name, format!("`{name}` may be at most {most}, found {size}.")));
        }
        let slot = self.slot(Value::Integer(size));
        Ok((if name == "last" { Take::Last(slot) } else { Take::First(slot) }, rows))
    }

    /// The cursors and the offset; tells whether they leave out records on the side from which the page is taken.
    pub(super) fn place(
        &mut self,
        list: &mut ListBuilder<'a>,
        arguments: &Arguments,
        context: Option<usize>,
    ) -> Result<bool, Error> {
        for name in ["after", "before"] {
            let Some(cursor) = arguments.text(name) else { continue };
            let given = arguments.given(name);
            let opened = context.and_then(|context| self.open_cursor(list, cursor, given, context));
            let place = opened.ok_or_else(|| {
                page_error(
                    name,
                    format!("`{name}` is no cursor of this list: cursors hold for one module, order and filter."),
                )
            })?;
            match name {
                "after" => list.list.page.after = Some(place),
                _ => list.list.page.before = Some(place),
            }
        }
        let offset = arguments.integer("offset").unwrap_or(0);
        if offset < 0 {
            return Err(page_error("offset", format!("`offset` must not be negative, found {offset}.")));
        }
        if offset > 0 {
            let slot = self.slot_given(Value::Integer(offset), arguments.given("offset"), Reading::Positive);
            list.list.page.offset = Some(slot);
        }
        let cursor = match list.list.page.take {
            Take::Last(_) => &list.list.page.before,
            Take::First(_) | Take::One => &list.list.page.after,
        };
        Ok(offset > 0 || cursor.is_some())
    }

    pub(super) fn wanted(&self, edge: TypeKey, fields: &[Collected<'a>]) -> Wanted {
        let mut wanted = Wanted::default();
        for field in fields {
            match field.name() {
                "nodes" => wanted.rows = true,
                "edges" => {
                    wanted.rows = true;
                    let edge = self.collect(edge, &field.sets);
                    wanted.cursors |= edge.iter().any(|field| field.name() == "cursor");
                }
                "pageInfo" => {
                    wanted.rows = true;
                    let info = self.collect(TypeKey::PageInfo, &field.sets);
                    wanted.cursors |= info.iter().any(|field| matches!(field.name(), "startCursor" | "endCursor"));
                }
                _ => {}
            }
        }
        wanted
    }

    fn connection_field(
        &mut self,
        list: &mut ListBuilder<'a>,
        paged: &Paged,
        field: &Collected<'a>,
    ) -> Result<ConnectionField, Error> {
        let module = paged.record;
        Ok(match field.name() {
            "__typename" => ConnectionField::Constant(quoted(&self.schema.name(paged.connection))),
            "nodes" => ConnectionField::Nodes(self.object(list, &paged.base, module, &field.sets)?),
            "edges" => ConnectionField::Edges(self.edges(list, paged, &field.sets)?),
            "pageInfo" => ConnectionField::PageInfo(self.page_info(&field.sets)?),
            "totalCount" => ConnectionField::TotalCount(position_of(&mut list.list.totals, Measure::Count)),
            "aggregate" => {
                let fields = self.aggregate(module, &paged.base, &field.sets, &mut list.list.totals)?;
                list.check_totals()?;
                ConnectionField::Aggregate(fields)
            }
            _ => return Err(unvalidated()),
        })
    }

    fn edges(
        &mut self,
        list: &mut ListBuilder<'a>,
        paged: &Paged,
        sets: &[&'a SelectionSet],
    ) -> Result<Fields<EdgeField>, Error> {
        let mut fields = Vec::new();
        for field in self.collect(paged.edge, sets) {
            let shape = match field.name() {
                "__typename" => EdgeField::Constant(quoted(&self.schema.name(paged.edge))),
                "cursor" => EdgeField::Cursor,
                "node" => EdgeField::Node(self.object(list, &paged.base, paged.record, &field.sets)?),
                _ => EdgeField::Link(self.link_field(list, paged, &field)?),
            };
            fields.push((key(field.key), shape));
        }
        Ok(fields)
    }

    /// A field of the link itself: the list's own rows are links.
    fn link_field(
        &mut self,
        list: &mut ListBuilder<'a>,
        paged: &Paged,
        collected: &Collected<'a>,
    ) -> Result<FieldShape, Error> {
        let definition = self.schema.field(paged.edge, collected.name()).ok_or_else(unvalidated)?;
        self.value(list, &[], paged.list, definition.meaning, collected)
    }

    /// What a connection of this type is a page of.
    fn paged(&self, ty: TypeKey) -> Option<Paged> {
        Some(match ty {
            TypeKey::Connection(module) => {
                Paged { connection: ty, edge: TypeKey::Edge(module), list: module, base: Vec::new(), record: module }
            }
            TypeKey::LinkConnection(module, relation) => {
                let edge = TypeKey::LinkEdge(module, relation);
                let relation = self.schema.catalog.module(module).relation(relation);
                let hop = self.schema.catalog.hop_through(relation)?;
                Paged { connection: ty, edge, list: relation.module, base: vec![hop], record: hop.target }
            }
            _ => return None,
        })
    }

    pub(super) fn page_info(&self, sets: &[&'a SelectionSet]) -> Result<Fields<PageInfoField>, Error> {
        let shape = |name: &str| {
            Ok(match name {
                "__typename" => PageInfoField::Constant(quoted("PageInfo")),
                "hasNextPage" => PageInfoField::HasNextPage,
                "hasPreviousPage" => PageInfoField::HasPreviousPage,
                "startCursor" => PageInfoField::StartCursor,
                "endCursor" => PageInfoField::EndCursor,
                _ => return Err(unvalidated()),
            })
        };
        let fields = self.collect(TypeKey::PageInfo, sets);
        fields.iter().map(|field| Ok((key(field.key), shape(field.name())?))).collect()
    }
}

fn deleted(arguments: &Arguments) -> Deleted {
    match arguments.text("deleted") {
        Some("INCLUDE") => Deleted::Include,
        Some("ONLY") => Deleted::Only,
        _ => Deleted::Exclude,
    }
}

/// A faulty argument of a page.
fn page_error(argument: &str, message: String) -> Error {
    let path: Vec<PathSegment> = vec![argument.into()];
    let issue = cardine_model::Issue::new(path, "page", message.clone());
    Error { issues: vec![issue], ..Error::input(message) }
}
