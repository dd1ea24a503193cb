//! Busy times: when users have something to do, told to those with whom they share their calendar, and nothing but the times.
//!
//! A calendar is read under the rights of its user, so that what keeps them from their own records keeps it from everybody. What
//! is told are spans of time that are made one where they touch: neither how many records there are, nor which.

use async_recursion::async_recursion as boxed;
use std::sync::Arc;

use cardine_model::catalog::{FieldPath, Module, ModuleId};
use cardine_model::recurrence::LENGTH_DAYS_MAX;
use cardine_model::{Field, Value};
use cardine_query::{
    CompareOp, Deleted, Filter, List, Nulls, OccurrenceQuestion, OrderKey, Page, Quantifier, Slot, Take, authorise,
};
use chrono::{DateTime, SecondsFormat, TimeDelta, Utc};
use uuid::Uuid;

use crate::calendar::CalendarEntry;
use crate::occurrences::{OccurrencesAsked, Place, SERIES_MAX};
use crate::{Engine, EngineError, RequestContext};

/// Most records by which one user shares a calendar that are looked at.
const SHARES_MAX: i64 = 100;
/// Most times of one user that are looked at.
const TIMES_MAX: usize = 5_000;

/// Whose busy times are asked for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct BusyAsked {
    /// The module whose records make them busy.
    pub module: ModuleId,
    /// The users.
    pub users: Vec<Uuid>,
    /// From when on, and before when.
    pub window: (DateTime<Utc>, DateTime<Utc>),
    /// Whether what they are busy with is asked for too.
    pub entries: bool,
}

/// When a user is busy.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct BusyTimes {
    /// The user.
    pub user: Uuid,
    /// From when until when, as the API writes it; in their order, apart from each other. None where there is too much to be told.
    pub times: Option<Vec<(String, String)>>,
    /// What they are busy with; none where that is not shared, or there is too much.
    pub entries: Option<Vec<BusyEntry>>,
}

/// One time that a user is busy, and what with.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct BusyEntry {
    /// When it begins, as the API writes it.
    pub starts: String,
    /// When it ends.
    pub ends: Option<String>,
    /// What it is called; none of what is private, or where the caller may not read such names.
    pub title: Option<String>,
}

/// The values of a question, by their slots.
#[derive(Default)]
struct Values(Vec<Value>);

impl Values {
    fn slot(&mut self, value: Value) -> Slot {
        self.0.push(value);
        Slot(u32::try_from(self.0.len() - 1).expect("a question has few values"))
    }
}

impl Engine {
    /// The busy times of those users who share their calendar with the caller, in the order asked for; the caller's own always.
    #[boxed]
    pub async fn busy_times(&self, ctx: &RequestContext, asked: &BusyAsked) -> Result<Vec<BusyTimes>, EngineError> {
        let Some(caller) = ctx.actor.user else { return Ok(Vec::new()) };
        let mut answers = Vec::new();
        for user in &asked.users {
            let access = &ctx.snapshot.access;
            let Some(actor) = access.shared_actor_within(ctx.catalog(), *user, None, None, None) else { continue };
            // An API key may do less than its user.
            let theirs = if *user == caller { ctx.clone() } else { RequestContext { actor, ..ctx.clone() } };
            let is_own = *user == caller;
            let detailed = if is_own { Some(true) } else { self.shared(&theirs, asked.module, *user, caller).await? };
            let Some(detailed) = detailed else { continue };
            // One calendar with too much in it is in nobody else's way. Of what there is too much, and how much, would tell more than
            // when its user is busy.
            match self.own_places(&theirs, asked.module, asked.window, *user).await {
                Ok(Some((found, false))) => {
                    let times = Some(times_of(&found, asked.window));
                    let entries = match detailed && asked.entries {
                        true => self.entries_of(ctx, &theirs, asked, found, is_own).await?,
                        false => None,
                    };
                    answers.push(BusyTimes { user: *user, times, entries });
                }
                Ok(Some((_, true))) => answers.push(BusyTimes { user: *user, times: None, entries: None }),
                Ok(None) => {}
                Err(EngineError::Limit(_)) if !ctx.is_late() => {
                    answers.push(BusyTimes { user: *user, times: None, entries: None });
                }
                Err(error) => return Err(error),
            }
        }
        Ok(answers)
    }

    /// What a user is busy with: as the user reads it, and as the caller may read names of such records.
    async fn entries_of(
        &self,
        ctx: &RequestContext,
        theirs: &RequestContext,
        asked: &BusyAsked,
        found: Vec<Place>,
        is_own: bool,
    ) -> Result<Option<Vec<BusyEntry>>, EngineError> {
        let module = ctx.catalog().module(asked.module);
        let is_named = module.name_field.is_some_and(|field| ctx.actor.rights.can_read(module.id, field));
        let Some(entries) = self.entries_at(theirs, asked.module, found).await? else { return Ok(None) };
        let entry = |entry: CalendarEntry| BusyEntry {
            starts: text_of(entry.starts),
            ends: entry.ends.map(text_of),
            title: entry.title.filter(|_| is_named && (is_own || !entry.is_private)),
        };
        Ok(Some(entries.into_iter().map(entry).collect()))
    }

    /// Whether a user shares the calendar of a module with another, by a record that the user may read: none if not, else whether with
    /// what it is about.
    async fn shared(
        &self,
        theirs: &RequestContext,
        module: ModuleId,
        user: Uuid,
        caller: Uuid,
    ) -> Result<Option<bool>, EngineError> {
        let catalog = theirs.catalog();
        let name = &catalog.module(module).name;
        let mut shared = None;
        for shares_module in &catalog.modules {
            let shares = shares_module.calendar_shares.as_deref();
            let Some(shares) = shares.filter(|shares| shares.of.contains(name)) else { continue };
            let Some((of, mode)) = shares.fields(shares_module) else { continue };
            let mut values = Values::default();
            let one_of = |values: &mut Values, options: &[String]| Filter::Compare {
                path: FieldPath::own(mode.id),
                op: CompareOp::In,
                operand: values.slot(texts(options)),
            };
            let mut ways = vec![one_of(&mut values, &shares.everybody)];
            if let Some(relation) = shares.chosen_users(catalog, shares_module) {
                let hops = catalog.hop_through(relation).into_iter().collect();
                let path = FieldPath { hops, field: Module::ID };
                let operand = values.slot(Value::Id(caller));
                let filter = Box::new(Filter::Compare { path, op: CompareOp::Eq, operand });
                let (at, quantifier) = (Vec::new(), Quantifier::Some);
                let is_chosen = Filter::Related { at, relation: relation.id, quantifier, filter };
                ways.push(Filter::All(vec![one_of(&mut values, &shares.chosen), is_chosen]));
            }
            let operand = values.slot(Value::Id(user));
            let is_theirs = Filter::Compare { path: FieldPath::own(of.id), op: CompareOp::Eq, operand };
            // Several records share by the most that one of them does.
            let first = values.slot(Value::Integer(SHARES_MAX));
            let reads = |field: &&Field| theirs.actor.rights.can_read(shares_module.id, field.id);
            let detail = shares.detail_field(shares_module).filter(reads);
            let shown = detail.map_or(Module::ID, |field| field.id);
            let list = List {
                module: shares_module.id,
                filter: Some(Filter::All(vec![is_theirs, Filter::Any(ways)])),
                order: vec![OrderKey { path: FieldPath::own(Module::ID), descending: false, nulls: Nulls::Last }],
                page: Page { take: Take::First(first), after: None, before: None, offset: None },
                deleted: Deleted::Exclude,
                outputs: vec![FieldPath::own(shown)],
                rows: true,
                totals: Vec::new(),
                groups: None,
                children: Vec::new(),
                histories: Vec::new(),
            };
            let Ok(list) = authorise(list, catalog, &theirs.actor.rights) else { continue };
            let found = self.read(theirs, vec![list], Arc::from(values.0)).await?;
            let Some(found) = found.first() else { continue };
            for row in found.root().rows {
                let is_detailed = |option: &str| detail.is_some() && shares.details.iter().any(|known| known == option);
                let detailed = found.cell(row, 0).text().is_some_and(is_detailed);
                shared = Some(shared.unwrap_or_default() || detailed);
            }
        }
        Ok(shared)
    }

    /// When the records occur that a user owns and that do not leave them free: the earliest, and whether there are more. None of a user who
    /// may not read what would tell it.
    pub(crate) async fn own_places(
        &self,
        theirs: &RequestContext,
        of: ModuleId,
        window: (DateTime<Utc>, DateTime<Utc>),
        user: Uuid,
    ) -> Result<Option<(Vec<Place>, bool)>, EngineError> {
        let catalog = theirs.catalog();
        let module = catalog.module(of);
        let Some(recurrence) = module.recurrence.as_deref() else { return Ok(None) };
        let Some(fields) = recurrence.fields(module) else { return Ok(None) };
        let (from, to) = window;
        let mut values = Values::default();
        let owner = values.slot(Value::Id(user));
        let is_owned = Filter::Compare { path: FieldPath::own(Module::OWNER), op: CompareOp::Eq, operand: owner };
        let free = recurrence.free_fields(module).map(|(field, options)| {
            let operand = values.slot(texts(options));
            busy_unless(field, operand)
        });
        let filter = std::iter::once(is_owned).chain(free).collect();
        let earliest = from.checked_sub_signed(TimeDelta::days(LENGTH_DAYS_MAX)).unwrap_or(from);
        let question = OccurrenceQuestion {
            module: of,
            filter: Some(Filter::All(filter)),
            earliest: values.slot(Value::DateTime(earliest)),
            from: values.slot(Value::DateTime(from)),
            to: values.slot(Value::DateTime(to)),
            first: values.slot(Value::Integer(TIMES_MAX as i64)),
            after: None,
            most: values.slot(Value::Integer(SERIES_MAX as i64)),
        };
        let reads = |field: &Field| theirs.actor.rights.can_read(module.id, field.id);
        let fields =
            cardine_model::recurrence::RecurrenceFields { last: fields.last.filter(|last| reads(last)), ..fields };
        let (once, series, outputs) = question.lists(fields);
        let gate = |list| authorise(list, catalog, &theirs.actor.rights);
        let (Ok(once), Ok(series)) = (gate(once), gate(series)) else { return Ok(None) };
        let occurrences = OccurrencesAsked { once, series, outputs, window, first: TIMES_MAX, after: None };
        Ok(self.places(theirs, vec![occurrences], Arc::from(values.0)).await?.into_iter().next())
    }
}

/// When a user is busy in the window whose records occur there.
fn times_of(found: &[Place], (from, to): (DateTime<Utc>, DateTime<Utc>)) -> Vec<(String, String)> {
    let times = found.iter().filter_map(|(starts, _, ends, _)| Some(((*starts).max(from), (*ends)?.min(to))));
    merged(times).into_iter().map(|(starts, ends)| (text_of(starts), text_of(ends))).collect()
}

fn text_of(at: DateTime<Utc>) -> String {
    at.to_rfc3339_opts(SecondsFormat::Millis, true)
}

/// A record whose field has one of these options leaves its owner free.
fn busy_unless(field: &Field, operand: Slot) -> Filter {
    let path = FieldPath::own(field.id);
    let is_another = Filter::Compare { path: path.clone(), op: CompareOp::NotIn, operand };
    Filter::Any(vec![Filter::IsNull { path, negated: false }, is_another])
}

fn texts(options: &[String]) -> Value {
    Value::List(options.iter().cloned().map(Value::Text).collect())
}

/// Spans in the order of their starts, made one where they touch; those without a length are none.
fn merged(spans: impl Iterator<Item = (DateTime<Utc>, DateTime<Utc>)>) -> Vec<(DateTime<Utc>, DateTime<Utc>)> {
    let mut merged: Vec<(DateTime<Utc>, DateTime<Utc>)> = Vec::new();
    for (starts, ends) in spans.filter(|(starts, ends)| starts < ends) {
        match merged.last_mut() {
            Some(last) if starts <= last.1 => last.1 = last.1.max(ends),
            _ => merged.push((starts, ends)),
        }
    }
    merged
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn spans_that_touch_are_one() {
        let at = |hour: u32| DateTime::from_timestamp(i64::from(hour) * 3_600, 0).unwrap();
        let spans = |hours: &[(u32, u32)]| merged(hours.iter().map(|(from, to)| (at(*from), at(*to))));
        let expected = |hours: &[(u32, u32)]| hours.iter().map(|(from, to)| (at(*from), at(*to))).collect::<Vec<_>>();
        assert_eq!(
            spans(&[(1, 2), (2, 3), (4, 9), (5, 6), (8, 10), (12, 12), (13, 14)]),
            expected(&[(1, 3), (4, 10), (13, 14)])
        );
        assert_eq!(spans(&[]), expected(&[]));
    }
}
