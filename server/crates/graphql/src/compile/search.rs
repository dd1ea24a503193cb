//! The text search, in two steps: the question, whose answer is ids, and then a list for each module among them.

use std::collections::HashSet;

use async_graphql_parser::types::SelectionSet;
use cardine_engine::{BusyAsked, NoticesAsked, OccurrencesAsked, SEARCH_SCORE_MAX};
use cardine_model::catalog::ModuleId;
use cardine_model::text::words::words;
use cardine_model::{Issue, PathSegment, Value};
use cardine_query::{Authorised, Search, SearchPlace, SearchedModule, Take, Timeline, authorise_search};
use uuid::Uuid;

use super::Compiler;
use super::arguments::Arguments;
use super::collect::Collected;
use super::found::{Found, FoundTypes};
use super::record::unvalidated;
use crate::coerce::Input;
use crate::cursor::{ContextBuilder, CursorContext};
use crate::error::{Code, Error};
use crate::schema::{Meaning, OutputField, TypeKey};
use crate::shape::{HitPlace, RootField};

/// Most characters of the text that is searched for.
const TEXT_LENGTH_MAX: usize = 1_000;

/// The searches, timelines, occurrences and notifications of an operation, and what their slots name.
#[derive(Debug, Default)]
pub struct Searches {
    /// By their keys in the answer.
    pub questions: Vec<(String, Authorised<Search>)>,
    /// Likewise.
    pub timelines: Vec<(String, Authorised<Timeline>)>,
    /// When records occur, likewise.
    pub occurrences: Vec<(String, OccurrencesAsked)>,
    /// When users are busy, likewise.
    pub busy: Vec<(String, BusyAsked)>,
    /// The pages of the caller's notifications, likewise.
    pub notices: Vec<(String, NoticesAsked)>,
    /// The values.
    pub values: Vec<Value>,
}

/// The types of its answer.
const TYPES: FoundTypes =
    FoundTypes { connection: TypeKey::SearchConnection, edge: TypeKey::SearchEdge, entry: TypeKey::SearchHit };

impl<'a> Compiler<'a> {
    /// The questions of the searches, timelines, occurrences and notifications at the root; not yet with the values of their slots.
    pub(super) fn searches(&mut self, set: &'a SelectionSet) -> Searches {
        let (mut questions, mut timelines) = (Vec::new(), Vec::new());
        let (mut occurrences, mut busy, mut notices) = (Vec::new(), Vec::new(), Vec::new());
        for collected in self.collect(TypeKey::Query, &[set]) {
            let Some(definition) = self.schema.field(TypeKey::Query, collected.name()) else { continue };
            let key = || collected.key.to_owned();
            let asked = match definition.meaning {
                Meaning::Search => {
                    self.search_question(&collected, &definition).map(|question| questions.push((key(), question)))
                }
                Meaning::Timeline(module) => self
                    .timeline_question(module, &collected, &definition)
                    .map(|question| timelines.extend(question.map(|question| (key(), question)))),
                Meaning::Occurrences(module) => self
                    .occurrences_asked(module, &collected, &definition)
                    .map(|asked| occurrences.push((key(), asked))),
                Meaning::BusyTimes(module) => {
                    self.busy_asked(module, &collected, &definition).map(|asked| busy.push((key(), asked)))
                }
                Meaning::Notifications => {
                    self.notifications_asked(&collected, &definition).map(|asked| notices.push((key(), asked)))
                }
                _ => continue,
            };
            if let Err(error) = asked {
                let error = error.at(collected.field.pos).under(vec![PathSegment::from(collected.key)]);
                self.errors.push(error);
            }
        }
        Searches { questions, timelines, occurrences, busy, notices, values: Vec::new() }
    }

    fn search_question(
        &mut self,
        collected: &Collected<'a>,
        definition: &OutputField,
    ) -> Result<Authorised<Search>, Error> {
        let arguments = self.arguments(collected.field, definition)?;
        let terms = self.search_terms(&arguments)?;
        let modules = self.search_modules(&arguments)?;
        let context = self.search_context(&terms, &modules);
        let (take, _) = self.take(&arguments, self.setting.limits.page_default)?;
        let (Take::First(first) | Take::Last(first)) = take else { return Err(unvalidated()) };
        let after = match arguments.text("after") {
            None => None,
            Some(cursor) => {
                let place = self.setting.cursors.open(&context, cursor);
                let place = place.as_deref().and_then(|place| match place {
                    [score, id] => Some((score.as_i64()?, Uuid::try_parse(id.as_str()?).ok()?)),
                    _ => None,
                });
                let (score, id) = place.ok_or_else(|| {
                    faulty("after", "`after` is no cursor of this search: cursors hold for one text and its modules.")
                })?;
                Some(SearchPlace { score: self.slot(Value::Integer(score)), id: self.slot(Value::Id(id)) })
            }
        };
        let selected = self.collect(TypeKey::SearchConnection, &collected.sets);
        let searched = |module: &ModuleId| {
            let fields: Vec<_> = self.schema.searched_fields(*module).collect();
            let title = self.schema.catalog.module(*module).name_field.filter(|field| fields.contains(field));
            SearchedModule { module: *module, fields, title }
        };
        let search = Search {
            modules: modules.iter().map(searched).collect(),
            first,
            after,
            rows: selected.iter().any(|field| matches!(field.name(), "nodes" | "edges" | "pageInfo")),
            count: selected.iter().any(|field| field.name() == "totalCount"),
            terms: terms.into_iter().map(|term| self.slot(Value::Text(term))).collect(),
        };
        authorise_search(search, self.schema.catalog, self.schema.rights)
            .map_err(|_| Error::new(Code::Internal, "The search was compiled wrongly."))
    }

    /// The text's words, each once.
    fn search_terms(&self, arguments: &Arguments) -> Result<Vec<String>, Error> {
        let text = arguments.text("text").unwrap_or_default();
        let length = text.chars().count();
        if length > TEXT_LENGTH_MAX {
            return Err(Error::limit("characters of a search", TEXT_LENGTH_MAX, length));
        }
        let mut seen = HashSet::new();
        let mut terms = words(text);
        terms.retain(|term| seen.insert(term.clone()));
        let most = self.setting.limits.search_terms;
        if terms.len() > most {
            return Err(Error::limit("words of a search", most, terms.len()));
        }
        if terms.is_empty() {
            return Err(faulty("text", "There is nothing to search for: give at least one letter or digit."));
        }
        Ok(terms)
    }

    /// Those of the argument, each once, or all. A module that is hidden is one that does not exist.
    fn search_modules(&self, arguments: &Arguments) -> Result<Vec<ModuleId>, Error> {
        let Some(names) = arguments.get("modules").map(Input::items) else {
            return Ok(self.schema.searched_modules().collect());
        };
        let mut modules = Vec::new();
        let mut issues = Vec::new();
        for (position, name) in names.iter().enumerate() {
            let Input::Value(Value::Text(name)) = name else { continue };
            let module = self.schema.catalog.module_by_name(name);
            let module = module.filter(|module| self.schema.rights.can_read_module(module.id));
            let message = match module {
                None => format!("There is no module \"{name}\"."),
                Some(module) if self.schema.searched_fields(module.id).next().is_none() => {
                    format!("Nothing is searched in the module \"{name}\".")
                }
                Some(module) => {
                    modules.push(module.id);
                    continue;
                }
            };
            if issues.len() < self.setting.limits.errors {
                let path: Vec<PathSegment> = vec!["modules".into(), position.into()];
                issues.push(Issue::new(path, "module", message));
            }
        }
        modules.sort_unstable();
        modules.dedup();
        if issues.is_empty() { Ok(modules) } else { Err(super::arguments::refused(issues)) }
    }

    /// What the cursors of a search belong to.
    fn search_context(&self, terms: &[String], modules: &[ModuleId]) -> CursorContext {
        let mut context = ContextBuilder::default();
        context.text("search");
        for (mark, names) in [
            ("terms", terms.iter().map(String::as_str).collect::<Vec<_>>()),
            ("modules", modules.iter().map(|module| self.schema.catalog.module(*module).name.as_str()).collect()),
        ] {
            context.text(mark);
            context.text(&names.len().to_string());
            names.iter().for_each(|name| context.text(name));
        }
        context.finish()
    }

    /// The answer's form, when it is known what was found.
    pub(super) fn search(&mut self, collected: &Collected<'a>, definition: &OutputField) -> Result<RootField, Error> {
        let located = self.located;
        let hits = located.found.get(collected.key).ok_or_else(unvalidated)?;
        let arguments = self.arguments(collected.field, definition)?;
        let (terms, modules) = (self.search_terms(&arguments)?, self.search_modules(&arguments)?);
        let context = self.search_context(&terms, &modules);
        let hit = |hit: &cardine_engine::Hit| {
            let place = HitPlace {
                score: hit.score as f64 / SEARCH_SCORE_MAX as f64,
                cursor: self.setting.cursors.seal(&context, format!("[{},\"{}\"]", hit.score, hit.id).as_bytes()),
                ..HitPlace::default()
            };
            (Some(hit.module), hit.id, place)
        };
        let page = hits.page.iter().map(hit).collect();
        let counts = vec![("totalCount", hits.total.to_string())];
        let found = Found { types: TYPES, page, has_more: hits.has_more, counts, terms };
        self.found(found, collected, &arguments)
    }
}

pub(super) fn faulty(argument: &str, message: &str) -> Error {
    let path: Vec<PathSegment> = vec![argument.into()];
    let issue = Issue::new(path, argument, message);
    Error { issues: vec![issue], ..Error::input(message) }
}
