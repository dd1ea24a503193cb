//! Records that another question found (a search, a timeline, occurrences, notifications), in the form that is asked for: a list
//! for each module among them, and the order in which they were found.

use async_graphql_parser::types::SelectionSet;
use cardine_model::Value;
use cardine_model::catalog::{FieldPath, Module, ModuleId};
use cardine_query::{CompareOp, Filter, Page, Take};
use uuid::Uuid;

use super::arguments::Arguments;
use super::collect::Collected;
use super::list::ListBuilder;
use super::record::unvalidated;
use super::root::by_id;
use super::{Compiler, key, quoted};
use crate::error::Error;
use crate::schema::TypeKey;
use crate::shape::{Fields, HitField, HitPlace, HitsOfModule, NoticePart, RootField, SearchField, SearchShape};

/// The types of an answer.
#[derive(Debug, Clone, Copy)]
pub(super) struct FoundTypes {
    pub connection: TypeKey,
    pub edge: TypeKey,
    pub entry: TypeKey,
}

/// What was found.
pub(super) struct Found {
    pub types: FoundTypes,
    /// Each hit's module, where the caller may know of it; the record's id; and its place, whose module and id are filled in here.
    pub page: Vec<(Option<ModuleId>, Uuid, HitPlace)>,
    pub has_more: bool,
    /// The connection's counts, by their fields, as they are written.
    pub counts: Vec<(&'static str, String)>,
    /// The words that were searched for.
    pub terms: Vec<String>,
}

impl<'a> Compiler<'a> {
    /// The answer's form.
    pub(super) fn found(
        &mut self,
        found: Found,
        collected: &Collected<'a>,
        arguments: &Arguments,
    ) -> Result<RootField, Error> {
        let Found { types, page, has_more, counts, terms } = found;
        let fields = self.collect(types.connection, &collected.sets);
        let mut modules: Vec<ModuleId> = page.iter().filter_map(|(module, ..)| *module).collect();
        modules.sort_unstable();
        modules.dedup();
        // For each field that shows what was found, a form for each module.
        let mut shown: Vec<Vec<Fields<HitField>>> = vec![Vec::new(); fields.len()];
        let mut of_modules = Vec::with_capacity(modules.len());
        for module in &modules {
            let ids = page.iter().filter(|(of, ..)| of == &Some(*module)).map(|(_, id, _)| *id).collect();
            let mut list = self.found_list(*module, ids, collected)?;
            for (position, field) in fields.iter().enumerate() {
                let form = match field.name() {
                    "nodes" => self.found_fields(&mut list, *module, types.entry, &field.sets)?,
                    "edges" => self.found_edge_fields(&mut list, *module, (types.edge, types.entry), &field.sets)?,
                    _ => continue,
                };
                shown[position].push(form);
            }
            let id = list.output(&[], Module::ID)?;
            of_modules.push(HitsOfModule { list: self.add(list)?, id });
        }
        let places = page.into_iter().map(|(of, id, place)| {
            let module = modules.iter().position(|module| Some(*module) == of).unwrap_or(usize::MAX);
            HitPlace { module, id: id.to_string(), ..place }
        });
        let places: Vec<HitPlace> = places.collect();
        let mut shapes = Vec::with_capacity(fields.len());
        for (field, forms) in fields.iter().zip(shown) {
            let count = counts.iter().find(|(name, _)| *name == field.name());
            let shape = match (field.name(), count) {
                (_, Some((_, count))) => SearchField::Constant(count.clone().into_bytes()),
                ("nodes" | "edges", _) => SearchField::Hits(forms),
                ("__typename", _) => SearchField::Constant(quoted(&self.schema.name(types.connection))),
                ("pageInfo", _) => SearchField::Constant(self.found_page_info(field, has_more, &places, arguments)?),
                _ => return Err(unvalidated()),
            };
            shapes.push((key(field.key), shape));
        }
        Ok(RootField::Search(SearchShape { fields: shapes, places, modules: of_modules, terms }))
    }

    /// A record that was found more than once is read once, and is in the answer as often, with all that is asked of it.
    pub(super) fn found_list(
        &mut self,
        module: ModuleId,
        mut ids: Vec<Uuid>,
        collected: &Collected<'a>,
    ) -> Result<ListBuilder<'a>, Error> {
        let rows = ids.len() as u64;
        ids.sort_unstable();
        ids.dedup();
        let size = self.slot(Value::Integer(ids.len() as i64));
        let operand = self.slot(Value::List(ids.into_iter().map(Value::Id).collect()));
        let page = Page { take: Take::First(size), after: None, before: None, offset: None };
        let mut list = ListBuilder::new(module, page, self.setting.limits, 0, collected.field.pos);
        list.filter(Filter::Compare { path: FieldPath::own(Module::ID), op: CompareOp::In, operand });
        list.order(by_id())?;
        list.rows = rows;
        self.rows = self.rows.saturating_add(rows);
        Ok(list)
    }

    fn found_edge_fields(
        &mut self,
        list: &mut ListBuilder<'a>,
        module: ModuleId,
        (edge, entry): (TypeKey, TypeKey),
        sets: &[&'a SelectionSet],
    ) -> Result<Fields<HitField>, Error> {
        let mut fields = Vec::new();
        for field in self.collect(edge, sets) {
            let shape = match field.name() {
                "__typename" => HitField::Constant(quoted(&self.schema.name(edge))),
                "cursor" => HitField::Cursor,
                "node" => HitField::Node(self.found_fields(list, module, entry, &field.sets)?),
                _ => return Err(unvalidated()),
            };
            fields.push((key(field.key), shape));
        }
        Ok(fields)
    }

    /// What is asked of each. Validation has seen that the type has the fields; those of one name mean the same in all of these types.
    pub(super) fn found_fields(
        &mut self,
        list: &mut ListBuilder<'a>,
        module: ModuleId,
        entry: TypeKey,
        sets: &[&'a SelectionSet],
    ) -> Result<Fields<HitField>, Error> {
        let definition = self.schema.catalog.module(module);
        let title = definition.name_field.filter(|field| self.schema.rights.can_read(module, *field));
        let mut fields = Vec::new();
        for field in self.collect(entry, sets) {
            let shape = match field.name() {
                "__typename" => HitField::Constant(quoted(&self.schema.name(entry))),
                "record" => HitField::Record(self.object(list, &[], module, &field.sets)?),
                "module" => HitField::Constant(quoted(&definition.name)),
                "title" => match title {
                    Some(title) => HitField::Title(list.output(&[], title)?),
                    None => HitField::Constant(b"null".to_vec()),
                },
                "score" => HitField::Score,
                "at" | "startsAt" => HitField::At,
                "endsAt" => HitField::Ends,
                "recurs" => HitField::Recurs,
                "list" | "kind" => HitField::Way,
                "id" => HitField::Notice(NoticePart::Id),
                "readAt" => HitField::Notice(NoticePart::ReadAt),
                "snippet" => {
                    // The title is shown beside it, so it is the last place to show a part of.
                    let (last, first): (Vec<_>, Vec<_>) =
                        self.schema.searched_fields(module).partition(|field| Some(*field) == title);
                    let texts = first.into_iter().chain(last);
                    let texts = texts.map(|field| {
                        let is_rich = cardine_model::text::words::is_rich(definition.field(field));
                        Ok((list.output(&[], field)?, is_rich))
                    });
                    HitField::Snippet(texts.collect::<Result<_, Error>>()?)
                }
                _ => return Err(unvalidated()),
            };
            fields.push((key(field.key), shape));
        }
        Ok(fields)
    }

    fn found_page_info(
        &self,
        collected: &Collected<'a>,
        has_more: bool,
        places: &[HitPlace],
        arguments: &Arguments,
    ) -> Result<Vec<u8>, Error> {
        let truth = |truth: bool| if truth { b"true".to_vec() } else { b"false".to_vec() };
        let cursor = |place: Option<&HitPlace>| place.map_or(b"null".to_vec(), |place| quoted(&place.cursor));
        let mut json = vec![b'{'];
        for (position, field) in self.collect(TypeKey::PageInfo, &collected.sets).iter().enumerate() {
            if position > 0 {
                json.push(b',');
            }
            json.extend_from_slice(&key(field.key));
            json.extend(match field.name() {
                "__typename" => quoted("PageInfo"),
                "hasNextPage" => truth(has_more),
                "hasPreviousPage" => truth(arguments.get("after").is_some()),
                "startCursor" => cursor(places.first()),
                "endCursor" => cursor(places.last()),
                _ => return Err(unvalidated()),
            });
        }
        json.push(b'}');
        Ok(json)
    }
}
