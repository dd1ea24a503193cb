//! A user's calendar: what they own and what does not leave them free, each time that it occurs, with its name.

use async_recursion::async_recursion as boxed;
use std::sync::Arc;

use cardine_model::Value;
use cardine_model::catalog::{Field, FieldPath, Module, ModuleId};
use cardine_model::recurrence::{Recurrence, RecurrenceFields, whole_days};
use cardine_query::{CompareOp, Deleted, Filter, List, Nulls, OrderKey, Page, Slot, Take, authorise};
use cardine_store::Cell;
use chrono::{DateTime, NaiveDate, Utc};
use rustc_hash::FxHashMap;
use uuid::Uuid;

use crate::occurrences::Place;
use crate::read::ListResult;
use crate::{Engine, EngineError, RequestContext};

/// One time that a record occurs.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CalendarEntry {
    /// The record.
    pub record: Uuid,
    /// What it is called, as far as the user may read that.
    pub title: Option<String>,
    /// When it begins.
    pub starts: DateTime<Utc>,
    /// When it ends.
    pub ends: Option<DateTime<Utc>>,
    /// Where it is about whole days: the first one, and the one after the last.
    pub days: Option<(NaiveDate, NaiveDate)>,
    /// Whether it is one of a series.
    pub recurs: bool,
    /// When the record was changed.
    pub changed: DateTime<Utc>,
    /// Whether nobody but its owner is told what it is.
    pub is_private: bool,
}

/// Where the values stand in the list of the records.
struct Outputs<'m> {
    /// Choices with the options by which it is private.
    private: Vec<(usize, &'m [String])>,
    /// Whether there is one that its user may not read, so that all may be.
    may_be_private: bool,
    title: Option<usize>,
    time_zone: Option<usize>,
    all_day: Option<usize>,
}

impl Engine {
    /// The calendar of the caller: of a module's records that they own, in the order of time; as much as busy times look at. None where
    /// records of the module do not occur, or the caller may not read when.
    #[boxed]
    pub async fn calendar(
        &self,
        ctx: &RequestContext,
        module: ModuleId,
        window: (DateTime<Utc>, DateTime<Utc>),
    ) -> Result<Option<Vec<CalendarEntry>>, EngineError> {
        let Some(user) = ctx.actor.user else { return Ok(None) };
        let Some((found, _)) = self.own_places(ctx, module, window, user).await? else { return Ok(None) };
        self.entries_at(ctx, module, found).await
    }

    /// What a user's records are that occur there, as the caller reads them.
    pub(crate) async fn entries_at(
        &self,
        ctx: &RequestContext,
        module: ModuleId,
        found: Vec<Place>,
    ) -> Result<Option<Vec<CalendarEntry>>, EngineError> {
        let mut ids: Vec<Uuid> = found.iter().map(|(_, id, ..)| *id).collect();
        ids.sort_unstable();
        ids.dedup();
        let module = ctx.catalog().module(module);
        let Some(recurrence) = module.recurrence.as_deref() else { return Ok(None) };
        let Some(fields) = recurrence.fields(module) else { return Ok(None) };
        let (list, outputs) = records(ctx, module, recurrence, fields);
        let Ok(list) = authorise(list, ctx.catalog(), &ctx.actor.rights) else { return Ok(None) };
        let values = vec![Value::Integer(ids.len() as i64), Value::List(ids.into_iter().map(Value::Id).collect())];
        let read = self.read(ctx, vec![list], Arc::from(values)).await?;
        let Some(rows) = read.first() else { return Ok(None) };
        let row_of: FxHashMap<Uuid, usize> =
            rows.root().rows.filter_map(|row| Some((text(rows, row, Some(0))?.parse().ok()?, row))).collect();
        let entry = |(starts, record, ends, recurs): (DateTime<Utc>, Uuid, Option<DateTime<Utc>>, bool)| {
            // One that went away since is none any more.
            let row = *row_of.get(&record)?;
            let all_day = outputs.all_day.map(|output| rows.cell(row, output)) == Some(Cell::Boolean(true));
            let zone = text(rows, row, outputs.time_zone).unwrap_or_default();
            Some(CalendarEntry {
                record,
                title: text(rows, row, outputs.title).map(str::to_owned),
                starts,
                ends,
                days: all_day.then(|| whole_days(starts, ends, zone)),
                recurs,
                changed: text(rows, row, Some(1))?.parse().ok()?,
                is_private: outputs.may_be_private
                    || outputs.private.iter().any(|(output, options)| {
                        text(rows, row, Some(*output)).is_some_and(|option| options.iter().any(|known| known == option))
                    }),
            })
        };
        Ok(Some(found.into_iter().filter_map(entry).collect()))
    }
}

/// The list of the records whose number is in slot 0 and whose ids are in slot 1: the id, when it was changed, and what the outputs tell.
fn records<'m>(
    ctx: &RequestContext,
    module: &'m Module,
    recurrence: &'m Recurrence,
    fields: RecurrenceFields<'_>,
) -> (List, Outputs<'m>) {
    let mut paths = vec![FieldPath::own(Module::ID), FieldPath::own(Module::UPDATED_AT)];
    let mut output = |field: Option<&Field>| {
        let field = field.filter(|field| ctx.actor.rights.can_read(module.id, field.id))?;
        paths.push(FieldPath::own(field.id));
        Some(paths.len() - 1)
    };
    let outputs = Outputs {
        // Also where what would tell it has been taken away: its values are kept, and may come back.
        may_be_private: recurrence.private.len()
            != recurrence
                .private_fields(module)
                .filter(|(field, _)| ctx.actor.rights.can_read(module.id, field.id))
                .count(),
        private: recurrence
            .private_fields(module)
            .filter_map(|(field, options)| Some((output(Some(field))?, options)))
            .collect(),
        title: output(module.name_field.map(|field| module.field(field))),
        time_zone: output(fields.time_zone),
        all_day: output(fields.all_day),
    };
    let list = List {
        module: module.id,
        filter: Some(Filter::Compare { path: FieldPath::own(Module::ID), op: CompareOp::In, operand: Slot(1) }),
        order: vec![OrderKey { path: FieldPath::own(Module::ID), descending: false, nulls: Nulls::Last }],
        page: Page { take: Take::First(Slot(0)), after: None, before: None, offset: None },
        deleted: Deleted::Exclude,
        outputs: paths,
        rows: true,
        totals: Vec::new(),
        groups: None,
        children: Vec::new(),
        histories: Vec::new(),
    };
    (list, outputs)
}

fn text(rows: &ListResult, row: usize, output: Option<usize>) -> Option<&str> {
    output.and_then(|output| match rows.cell(row, output) {
        Cell::Text(text) => Some(text),
        _ => None,
    })
}
