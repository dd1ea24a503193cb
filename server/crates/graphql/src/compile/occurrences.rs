//! Occurrences of records, in two steps as a search: the question, whose answer is times with ids, and then a list of the records.

use cardine_engine::{OccurrencesAsked, SERIES_MAX};
use cardine_model::Value;
use cardine_model::catalog::ModuleId;
use cardine_model::recurrence::LENGTH_DAYS_MAX;
use cardine_query::{Filter, OccurrenceQuestion, Page, Take};
use chrono::{DateTime, TimeDelta, Utc};
use uuid::Uuid;

use super::Compiler;
use super::arguments::Arguments;
use super::collect::Collected;
use super::found::{Found, FoundTypes};
use super::list::ListBuilder;
use super::record::unvalidated;
use super::search::faulty;
use super::timeline::instant;
use crate::coerce::Input;
use crate::cursor::CursorContext;
use crate::error::Error;
use crate::schema::{OutputField, TypeKey};
use crate::shape::{HitPlace, RootField, TimeShown};

/// Most days of a window.
const WINDOW_DAYS_MAX: i64 = 366;

/// From when on, and before when.
pub(super) type Window = (DateTime<Utc>, DateTime<Utc>);

/// The types of its answer.
const TYPES: FoundTypes = FoundTypes {
    connection: TypeKey::OccurrenceConnection,
    edge: TypeKey::OccurrenceEdge,
    entry: TypeKey::OccurrenceEntry,
};

impl<'a> Compiler<'a> {
    /// The question.
    pub(super) fn occurrences_asked(
        &mut self,
        module: ModuleId,
        collected: &Collected<'a>,
        definition: &OutputField,
    ) -> Result<OccurrencesAsked, Error> {
        let fields = self.schema.recurrence_fields(module).ok_or_else(unvalidated)?;
        let arguments = self.arguments(collected.field, definition)?;
        let window = window(&arguments)?;
        let (take, size) = self.take(&arguments, self.setting.limits.page_default)?;
        let Take::First(first) = take else { return Err(unvalidated()) };
        let after = match arguments.text("after") {
            None => None,
            Some(cursor) => {
                let place = self.setting.cursors.open(&self.occurrences_context(module, window, &arguments), cursor);
                let place = place.as_deref().and_then(|place| match place {
                    [at, id] => Some((instant(at.as_str()?)?, Uuid::try_parse(id.as_str()?).ok()?)),
                    _ => None,
                });
                let words = "`after` is no cursor of these occurrences: cursors hold for one window and filter.";
                Some(place.ok_or_else(|| faulty("after", words))?)
            }
        };
        let earliest = window.0.checked_sub_signed(TimeDelta::days(LENGTH_DAYS_MAX)).unwrap_or(window.0);
        let question = OccurrenceQuestion {
            module,
            filter: self.occurring(module, collected, &arguments)?,
            earliest: self.slot(Value::DateTime(earliest)),
            from: self.slot(Value::DateTime(window.0)),
            to: self.slot(Value::DateTime(window.1)),
            first,
            after: after.map(|(at, id)| [self.slot(Value::DateTime(at)), self.slot(Value::Id(id))]),
            most: self.slot(Value::Integer(SERIES_MAX as i64)),
        };
        let (once, series, outputs) = question.lists(fields);
        let (once, series) = (self.authorise(once)?, self.authorise(series)?);
        let first = usize::try_from(size).unwrap_or(usize::MAX);
        Ok(OccurrencesAsked { once, series, outputs, window, first, after })
    }

    /// The caller's filter.
    fn occurring(
        &mut self,
        module: ModuleId,
        collected: &Collected<'a>,
        arguments: &Arguments,
    ) -> Result<Option<Filter>, Error> {
        let page = Page { take: Take::One, after: None, before: None, offset: None };
        let mut list = ListBuilder::new(module, page, self.setting.limits, 0, collected.field.pos);
        let Some(filter) = arguments.get("filter") else { return Ok(None) };
        self.filter(&mut list, &[], module, filter, 0, &mut vec!["filter".into()]).map(Some)
    }

    fn occurrences_context(&self, module: ModuleId, (from, to): Window, arguments: &Arguments) -> CursorContext {
        let of = &self.schema.catalog.module(module).name;
        self.filtered_context(&["occurrences", of], &[Value::DateTime(from), Value::DateTime(to)], arguments)
    }

    /// The answer's form, when it is known what occurs.
    pub(super) fn occurrences(
        &mut self,
        module: ModuleId,
        collected: &Collected<'a>,
        definition: &OutputField,
    ) -> Result<RootField, Error> {
        let occurring = self.located.occurring.get(collected.key).cloned().unwrap_or_default();
        let arguments = self.arguments(collected.field, definition)?;
        let context = self.occurrences_context(module, window(&arguments)?, &arguments);
        let page = occurring.page.iter().map(|one| {
            let place = HitPlace {
                cursor: self.setting.cursors.seal(&context, format!("[\"{}\",\"{}\"]", one.starts, one.id).as_bytes()),
                at: one.starts.clone(),
                time: Some(TimeShown { ends: one.ends.clone(), recurs: one.recurs }),
                ..HitPlace::default()
            };
            (Some(module), one.id, place)
        });
        let (page, counts, terms) = (page.collect(), Vec::new(), Vec::new());
        self.found(Found { types: TYPES, page, has_more: occurring.has_more, counts, terms }, collected, &arguments)
    }
}

/// The window that is asked for.
pub(super) fn window(arguments: &Arguments) -> Result<Window, Error> {
    let instant = |name| match arguments.get(name) {
        Some(Input::Value(Value::DateTime(at))) => Ok(*at),
        _ => Err(unvalidated()),
    };
    let (from, to) = (instant("from")?, instant("to")?);
    if to <= from {
        return Err(faulty("to", "`to` must be later than `from`."));
    }
    if to - from > TimeDelta::days(WINDOW_DAYS_MAX) {
        return Err(Error::limit("days between `from` and `to`", WINDOW_DAYS_MAX, (to - from).num_days()));
    }
    Ok((from, to))
}
