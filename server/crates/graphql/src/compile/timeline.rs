//! A record's timeline, in two steps as a search: the question, whose answer is ids in order, and then a list for each module among them.

use cardine_model::catalog::ModuleId;
use cardine_model::timeline::TimelineWay;
use cardine_model::{Issue, PathSegment, Value};
use cardine_query::{Authorised, Take, Timeline, TimelinePlace, authorise_timeline};
use chrono::{DateTime, Utc};
use uuid::Uuid;

use super::Compiler;
use super::arguments::Arguments;
use super::collect::Collected;
use super::found::{Found, FoundTypes};
use super::record::unvalidated;
use super::search::faulty;
use crate::coerce::Input;
use crate::cursor::{ContextBuilder, CursorContext};
use crate::error::{Code, Error};
use crate::schema::{OutputField, TypeKey};
use crate::shape::{HitPlace, RootField};

/// The types of its answer.
const TYPES: FoundTypes =
    FoundTypes { connection: TypeKey::TimelineConnection, edge: TypeKey::TimelineEdge, entry: TypeKey::TimelineEntry };

impl<'a> Compiler<'a> {
    /// The question; none where no list is asked for.
    pub(super) fn timeline_question(
        &mut self,
        module: ModuleId,
        collected: &Collected<'a>,
        definition: &OutputField,
    ) -> Result<Option<Authorised<Timeline>>, Error> {
        let arguments = self.arguments(collected.field, definition)?;
        let ways = self.ways(module, &arguments)?;
        let id = arguments.id("id");
        let context = self.timeline_context(module, id, &ways);
        let (take, _) = self.take(&arguments, self.setting.limits.page_default)?;
        let (Take::First(first) | Take::Last(first)) = take else { return Err(unvalidated()) };
        let after = match arguments.text("after") {
            None => None,
            Some(cursor) => {
                let place = self.setting.cursors.open(&context, cursor);
                let place = place.as_deref().and_then(|place| match place {
                    [at, id] => Some((instant(at.as_str()?)?, Uuid::try_parse(id.as_str()?).ok()?)),
                    _ => None,
                });
                let (at, id) = place.ok_or_else(|| {
                    faulty("after", "`after` is no cursor of this timeline: cursors hold for one record and its lists.")
                })?;
                Some(TimelinePlace { at: self.slot(Value::DateTime(at)), id: self.slot(Value::Id(id)) })
            }
        };
        if ways.is_empty() {
            return Ok(None);
        }
        let record = self.slot(Value::Id(id));
        let ways = ways.iter().map(|way| cardine_query::TimelineWay {
            relations: way.relations.iter().map(|relation| relation.id).collect(),
            at: way.at,
        });
        let timeline = Timeline { module, record, ways: ways.collect(), first, after };
        authorise_timeline(timeline, self.schema.catalog, self.schema.rights)
            .map(Some)
            .map_err(|_| Error::new(Code::Internal, "The timeline was compiled wrongly."))
    }

    /// Those of the argument, or all. A list that is hidden is one that does not exist.
    fn ways(&self, module: ModuleId, arguments: &Arguments) -> Result<Vec<TimelineWay<'a>>, Error> {
        let mut ways = self.schema.timeline_ways(module);
        let Some(names) = arguments.get("lists").map(Input::items) else { return Ok(ways) };
        let names = names.iter().enumerate().filter_map(|(position, name)| match name {
            Input::Value(Value::Text(name)) => Some((position, name.as_str())),
            _ => None,
        });
        let names: Vec<(usize, &str)> = names.collect();
        let unknown = names.iter().filter(|(_, name)| !ways.iter().any(|way| way.list == *name));
        let issues: Vec<Issue> = unknown
            .take(self.setting.limits.errors)
            .map(|(position, name)| {
                let path: Vec<PathSegment> = vec!["lists".into(), (*position).into()];
                let known: Vec<&str> = ways.iter().map(|way| way.list).collect();
                Issue::new(path, "list", format!("There is no list \"{name}\" here, but {}.", known.join(", ")))
            })
            .collect();
        if !issues.is_empty() {
            return Err(super::arguments::refused(issues));
        }
        ways.retain(|way| names.iter().any(|(_, name)| *name == way.list));
        Ok(ways)
    }

    /// What the cursors of a timeline belong to.
    fn timeline_context(&self, module: ModuleId, id: Uuid, ways: &[TimelineWay<'_>]) -> CursorContext {
        let mut context = ContextBuilder::default();
        context.text("timeline");
        context.text(&self.schema.catalog.module(module).name);
        context.value(&Value::Id(id));
        for way in ways {
            context.text(way.list);
            let at = way.module().map(|end| self.schema.catalog.field(end, way.at).name.as_str());
            context.text(at.unwrap_or_default());
        }
        context.finish()
    }

    /// The answer's form, when it is known what belongs to the record.
    pub(super) fn timeline(
        &mut self,
        module: ModuleId,
        collected: &Collected<'a>,
        definition: &OutputField,
    ) -> Result<RootField, Error> {
        let moments = self.located.moments.get(collected.key).cloned().unwrap_or_default();
        let arguments = self.arguments(collected.field, definition)?;
        let ways = self.ways(module, &arguments)?;
        let context = self.timeline_context(module, arguments.id("id"), &ways);
        let page = moments.page.iter().map(|moment| {
            let way = ways.get(moment.way);
            let place = HitPlace {
                cursor: self
                    .setting
                    .cursors
                    .seal(&context, format!("[\"{}\",\"{}\"]", moment.at, moment.id).as_bytes()),
                at: moment.at.clone(),
                way: way.map(|way| way.list.to_owned()).unwrap_or_default(),
                ..HitPlace::default()
            };
            (way.and_then(TimelineWay::module), moment.id, place)
        });
        let (page, counts, terms) = (page.collect(), Vec::new(), Vec::new());
        self.found(Found { types: TYPES, page, has_more: moments.has_more, counts, terms }, collected, &arguments)
    }
}

pub(super) fn instant(text: &str) -> Option<DateTime<Utc>> {
    DateTime::parse_from_rfc3339(text).ok().map(|instant| instant.with_timezone(&Utc))
}
