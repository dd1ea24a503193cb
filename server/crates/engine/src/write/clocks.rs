//! Clocks: what the server keeps of until when something is to be done, in the transaction of the write that changes it.

use std::collections::BTreeMap;
use std::collections::hash_map::Entry;
use std::sync::Arc;

use cardine_model::clocks::{Asked, Calendar, Clock, Clocks, Dials, Policy, seconds_of};
use cardine_model::working_hours::WorkingHours;
use cardine_model::{Module, Value};
use cardine_sql::write::{Life, Purpose, Reach, Selection, Which};
use cardine_store::WriteTx;
use chrono::{DateTime, Utc};
use rustc_hash::FxHashMap;
use serde_json::Value as Json;
use uuid::Uuid;

use super::Writing;
use super::batch::{Batch, Draft};
use super::update::id_of;
use crate::record::{Record, RecordScope};
use crate::{EngineError, RequestContext};

/// Most targets of a policy, and policies that are the default, that are looked at.
const LOOKED_AT_MAX: usize = 1_000;

/// What is kept of a clock.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
struct State {
    /// Until when; none while time stands still, and where there is no time.
    due: Option<DateTime<Utc>>,
    /// Since when time passes; none while it does not.
    since: Option<DateTime<Utc>>,
    /// The seconds that had passed by then; none before the start.
    spent: Option<i64>,
}

/// What becomes of a clock.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Step {
    /// It starts, and time passes or does not.
    Start { runs: bool },
    /// Time stands still from now on.
    Pause,
    /// Time passes again.
    Resume,
    /// It is done.
    Stop,
    /// Another time is given.
    Retime,
}

/// How much time a record has, and when it passes.
struct Terms<'a> {
    hours: Arc<WorkingHours>,
    /// The target that the record's policy has for it.
    target: Option<(&'a Module, Record)>,
}

/// A record whose clocks are moved.
struct Moved<'a> {
    position: usize,
    clocks: &'a Clocks,
    steps: Vec<(&'a Clock, Dials<'a>, Step)>,
}

impl<'a> Batch<'a> {
    /// Moves the clocks of the records that are written. Their fields are the server's alone: what is given for them is not taken.
    pub(super) async fn keep_clocks(&mut self, tx: &mut WriteTx) -> Result<(), EngineError> {
        let ctx = self.ctx;
        let mut moved = Vec::new();
        for (position, draft) in self.drafts.iter_mut().enumerate() {
            let module: &'a Module = draft.module;
            let Some(clocks) = module.clocks.as_deref() else { continue };
            for (_, dials) in dialled(clocks, module) {
                let kept = draft.before.as_ref().map(|before| State::of(before, dials)).unwrap_or_default();
                kept.put(&mut draft.after, dials);
            }
            if !draft.is_changed() || !draft.issues.is_empty() {
                continue;
            }
            let steps = steps(ctx, clocks, draft);
            if !steps.is_empty() {
                moved.push(Moved { position, clocks, steps });
            }
        }
        if moved.is_empty() || self.is_faulty() {
            return Ok(());
        }
        self.take_default_policies(tx, &mut moved).await?;
        let terms = self.terms(tx, &moved).await?;
        for (Moved { position, clocks, steps }, terms) in moved.into_iter().zip(terms) {
            let draft = &mut self.drafts[position];
            for (clock, dials, step) in steps {
                let by_target = terms.target.as_ref().and_then(|(module, target)| {
                    seconds_of(target.get(module.field_named(clock.target.as_ref()?)?.id))
                });
                let seconds = clock.seconds_by_rule(&scope(ctx, &draft.after)).or(by_target);
                // What stood still and kept a due time was late then: that it stays.
                let was_paused = draft.before.as_ref().and_then(|before| clock.asked(true, &scope(ctx, before)));
                let is_retimed = was_paused != Some(Asked::Pause) && is_retimed(ctx, clocks, clock, draft);
                let state = State::of(&draft.after, dials).moved(step, ctx.now, seconds, is_retimed, &terms.hours);
                state.put(&mut draft.after, dials);
            }
        }
        Ok(())
    }

    /// Records that name no policy when a clock starts get the one that is the default.
    async fn take_default_policies(&mut self, tx: &mut WriteTx, moved: &mut [Moved<'a>]) -> Result<(), EngineError> {
        let ctx = self.ctx;
        // By both modules: each has a default of its own, of the same policies too.
        let mut known: FxHashMap<(u32, u32), Option<Uuid>> = FxHashMap::default();
        for Moved { position, clocks, steps: taken } in moved {
            let module = self.drafts[*position].module;
            let starts = taken.iter().any(|(_, _, step)| matches!(step, Step::Start { .. }));
            let Some(policy) = clocks.policy.as_ref().filter(|_| starts) else { continue };
            let (Some(policies), Some(field)) =
                (policy.module(ctx.catalog(), module), module.field_named(&policy.field))
            else {
                continue;
            };
            let Some(holding) = policy.default.as_ref().and_then(|name| policies.field_named(name)) else { continue };
            if !self.drafts[*position].after.get(field.id).is_null() {
                continue;
            }
            let key = (module.id.0, policies.id.0);
            let default = match known.get(&key) {
                Some(known) => *known,
                None => {
                    let found = self.look(tx, policies, Which::Holding(holding.id), &[]).await?;
                    let in_force = found.iter().filter(|found| is_in_force(ctx, policy, policies, found));
                    let mut default = None;
                    for id in in_force.filter_map(id_of) {
                        if self.stays(tx, policies, id).await? {
                            default = Some(id);
                            break;
                        }
                    }
                    *known.entry(key).or_insert(default)
                }
            };
            if let Some(default) = default {
                let draft = &mut self.drafts[*position];
                draft.after.set(field.id, Value::Id(default));
                draft.targets.push((field.id, Some(policies.id)));
                // A clock that runs already has the policy's time from now on, too.
                *taken = steps(ctx, clocks, draft);
            }
        }
        Ok(())
    }

    /// The terms of each record, by its policy; read once for all of them, whether or not the caller may see them.
    async fn terms(&self, tx: &mut WriteTx, moved: &[Moved<'a>]) -> Result<Vec<Terms<'a>>, EngineError> {
        let ctx = self.ctx;
        let mut known: FxHashMap<(u32, Uuid), Agreement<'a>> = FxHashMap::default();
        let mut terms = Vec::with_capacity(moved.len());
        for Moved { position, clocks, .. } in moved {
            let draft = &self.drafts[*position];
            let none = || Terms { hours: clocks.working_hours(), target: None };
            let named = clocks.policy.as_ref().and_then(|policy| {
                Some((policy, draft.module.field_named(&policy.field)?, policy.module(ctx.catalog(), draft.module)?))
            });
            let Some((policy, field, policies)) = named else {
                terms.push(none());
                continue;
            };
            let Value::Id(id) = *draft.after.get(field.id) else {
                terms.push(none());
                continue;
            };
            let agreement = match known.entry((draft.module.id.0, id)) {
                Entry::Occupied(known) => known.into_mut(),
                Entry::Vacant(free) => free.insert(agreement(tx, self, policy, policies, id).await?),
            };
            terms.push(Terms {
                hours: agreement.hours.clone().unwrap_or_else(|| clocks.working_hours()),
                target: agreement.target_of(policy, draft),
            });
        }
        Ok(terms)
    }

    /// Whether a record is there and is not deleted before this write ends: who deletes it waits, and finds what refers to it.
    async fn stays(&self, tx: &mut WriteTx, module: &Module, id: Uuid) -> Result<bool, EngineError> {
        let (which, purpose, limit) = (Which::Ids, Purpose::Refer, None);
        let selection = Selection { which, purpose, reach: Reach::All, life: Life::Live, limit };
        let is_beside = self.by_id.contains_key(&id);
        Ok(is_beside || !Writing { ctx: self.ctx, module }.take(tx, selection, &[id], &[]).await?.is_empty())
    }

    /// Records as they will be, whoever may see them: what follows from a write does not stop at what its cause may see. Those that
    /// are written beside it are not in their tables yet.
    async fn look(
        &self,
        tx: &mut WriteTx,
        module: &Module,
        which: Which<'_>,
        ids: &[Uuid],
    ) -> Result<Vec<Record>, EngineError> {
        let limit = Some(LOOKED_AT_MAX);
        let selection = Selection { which, purpose: Purpose::Look, reach: Reach::All, life: Life::Live, limit };
        let mut found = Writing { ctx: self.ctx, module }.take(tx, selection, ids, &[]).await?;
        let is_beside = |id: &Uuid| self.by_id.contains_key(id);
        found.retain(|found| !id_of(found).as_ref().is_some_and(is_beside));
        let is_meant = |draft: &&Draft<'_>| match which {
            _ if draft.module.id != module.id || !draft.after.get(Module::DELETED_AT).is_null() => false,
            Which::Ids => ids.contains(&draft.id),
            Which::Referring(field) => matches!(draft.after.get(field), Value::Id(id) if ids.contains(id)),
            Which::Holding(field) => *draft.after.get(field) == Value::Boolean(true),
            Which::Filter(_) => false,
        };
        found.extend(self.drafts.iter().filter(is_meant).map(|draft| draft.after.clone()));
        found.sort_by_key(id_of);
        Ok(found)
    }
}

/// What a policy says.
struct Agreement<'a> {
    hours: Option<Arc<WorkingHours>>,
    targets: Option<(&'a Module, Vec<Record>)>,
}

impl<'a> Agreement<'a> {
    /// The target that fits the record best: the one that says most of it.
    fn target_of(&self, policy: &Policy, draft: &Draft<'_>) -> Option<(&'a Module, Record)> {
        let (module, targets) = self.targets.as_ref()?;
        let fit = |target: &Record| {
            let mut said = 0;
            for (of_target, own) in &policy.targets.matching {
                let value = target.get(module.field_named(of_target)?.id);
                if *value == *draft.after.get(draft.module.field_named(own)?.id) {
                    said += usize::from(!value.is_null());
                } else if !value.is_null() {
                    return None;
                }
            }
            Some(said)
        };
        let fitting = targets.iter().filter_map(|target| Some((fit(target)?, target)));
        // Of two that fit alike the first.
        let best = fitting.rev().max_by_key(|(said, _)| *said);
        best.map(|(_, target)| (*module, target.clone()))
    }
}

async fn agreement<'a>(
    tx: &mut WriteTx,
    batch: &Batch<'a>,
    policy: &Policy,
    policies: &'a Module,
    id: Uuid,
) -> Result<Agreement<'a>, EngineError> {
    let ctx = batch.ctx;
    let catalog = ctx.catalog();
    let found = batch.look(tx, policies, Which::Ids, &[id]).await?;
    let Some(found) = found.first().filter(|found| is_in_force(ctx, policy, policies, found)) else {
        return Ok(Agreement { hours: None, targets: None });
    };
    let targets = match policies.relation_named(&policy.targets.list) {
        Some(relation) => {
            let module = catalog.module(relation.module);
            Some((module, batch.look(tx, module, Which::Referring(relation.field), &[id]).await?))
        }
        None => None,
    };
    let hours = match &policy.calendar {
        Some(calendar) => hours_of(tx, batch, calendar, policies, found).await?,
        None => None,
    };
    Ok(Agreement { hours, targets })
}

/// The working hours of a policy's calendar; none where it has no calendar, or one that makes no sense, which the log tells.
async fn hours_of(
    tx: &mut WriteTx,
    batch: &Batch<'_>,
    calendar: &Calendar,
    policies: &Module,
    policy: &Record,
) -> Result<Option<Arc<WorkingHours>>, EngineError> {
    let named = policies.field_named(&calendar.field).zip(calendar.module(batch.ctx.catalog(), policies));
    let Some((field, calendars)) = named else { return Ok(None) };
    let Value::Id(id) = *policy.get(field.id) else { return Ok(None) };
    let found = batch.look(tx, calendars, Which::Ids, &[id]).await?;
    let Some(found) = found.first() else { return Ok(None) };
    let json = |name: &str| match calendars.field_named(name).map(|field| found.get(field.id)) {
        Some(Value::Json(json)) => json.clone(),
        _ => Json::Null,
    };
    let zone = match calendars.field_named(&calendar.time_zone).map(|field| found.get(field.id)) {
        Some(Value::Text(zone)) => zone.clone(),
        _ => String::new(),
    };
    let exceptions = calendar.exceptions.as_deref().map_or(Json::Null, json);
    match WorkingHours::parse(&zone, &json(&calendar.weekdays), &exceptions) {
        Ok(hours) => Ok(Some(Arc::new(hours))),
        Err(issues) => {
            let faults: Vec<&str> = issues.iter().map(|issue| issue.message.as_str()).collect();
            tracing::warn!(module = calendars.name, record = %id, ?faults, "a calendar makes no sense, so the module's hours are taken");
            Ok(None)
        }
    }
}

fn is_in_force(ctx: &RequestContext, policy: &Policy, policies: &Module, found: &Record) -> bool {
    policy.is_in_force(ctx.catalog(), policies.id, &scope(ctx, found))
}

fn scope<'r>(ctx: &RequestContext, record: &'r Record) -> RecordScope<'r> {
    RecordScope { record, old: None, actor: ctx.actor.user, now: ctx.now, today: ctx.today }
}

/// The clocks of a module, with the fields that keep them.
fn dialled<'a>(clocks: &'a Clocks, module: &'a Module) -> impl Iterator<Item = (&'a Clock, Dials<'a>)> {
    clocks.clocks.iter().filter_map(|clock| Some((clock, clock.dials(module)?)))
}

/// What becomes of a record's clocks.
fn steps<'a>(ctx: &RequestContext, clocks: &'a Clocks, draft: &Draft<'a>) -> Vec<(&'a Clock, Dials<'a>, Step)> {
    let module: &'a Module = draft.module;
    let moved = dialled(clocks, module)
        .filter_map(|(clock, dials)| Some((clock, dials, step(ctx, clocks, clock, dials, draft)?)));
    moved.collect()
}

/// What becomes of a clock by the values that a record has now.
fn step(ctx: &RequestContext, clocks: &Clocks, clock: &Clock, dials: Dials<'_>, draft: &Draft<'_>) -> Option<Step> {
    let state = State::of(&draft.after, dials);
    let has_started = state.spent.is_some();
    let asked = clock.asked(has_started, &scope(ctx, &draft.after))?;
    match (has_started, state.since.is_some(), asked) {
        (false, _, Asked::Wait | Asked::Stop) => None,
        (false, _, asked) => Some(Step::Start { runs: asked == Asked::Run }),
        (true, true, Asked::Pause) => Some(Step::Pause),
        (true, true, Asked::Stop) => Some(Step::Stop),
        (true, true, _) => is_retimed(ctx, clocks, clock, draft).then_some(Step::Retime),
        (true, false, Asked::Run | Asked::Wait) => Some(Step::Resume),
        (true, false, asked) => {
            let before = draft.before.as_ref()?;
            let was_asked = clock.asked(true, &scope(ctx, before));
            let step = if asked == Asked::Stop { Step::Stop } else { Step::Pause };
            (was_asked != Some(asked)).then_some(step)
        }
    }
}

/// Whether a write changes what the time of a record is found by.
fn is_retimed(ctx: &RequestContext, clocks: &Clocks, clock: &Clock, draft: &Draft<'_>) -> bool {
    let Some(before) = &draft.before else { return false };
    if clock.seconds_by_rule(&scope(ctx, before)) != clock.seconds_by_rule(&scope(ctx, &draft.after)) {
        return true;
    }
    let Some(policy) = &clocks.policy else { return false };
    // A policy has hours for all clocks, and targets for those without minutes of their own.
    let matching = clock.minutes.is_none().then_some(&policy.targets.matching);
    let mut names = std::iter::once(&policy.field).chain(matching.into_iter().flat_map(BTreeMap::values));
    names.any(|name| {
        let field = draft.module.field_named(name);
        field.is_some_and(|field| before.get(field.id) != draft.after.get(field.id))
    })
}

impl State {
    fn of(record: &Record, dials: Dials<'_>) -> Self {
        let instant = |value: &Value| match value {
            Value::DateTime(at) => Some(*at),
            _ => None,
        };
        let spent = match record.get(dials.spent.id) {
            Value::Integer(seconds) => Some(*seconds),
            _ => None,
        };
        Self { due: instant(record.get(dials.due.id)), since: instant(record.get(dials.since.id)), spent }
    }

    fn put(self, record: &mut Record, dials: Dials<'_>) {
        record.set(dials.due.id, self.due.map_or(Value::Null, Value::DateTime));
        record.set(dials.since.id, self.since.map_or(Value::Null, Value::DateTime));
        record.set(dials.spent.id, self.spent.map_or(Value::Null, Value::Integer));
    }

    /// After a step, with so many seconds in all, which the same write changes if it `is_retimed`: what was done late is not told
    /// from what was done in time then.
    fn moved(
        self,
        step: Step,
        now: DateTime<Utc>,
        seconds: Option<i64>,
        is_retimed: bool,
        hours: &WorkingHours,
    ) -> Self {
        let running = self.since.map_or(0, |since| hours.between(since, now));
        let spent = self.spent.unwrap_or_default() + running;
        let is_overdue = self.due.is_some_and(|due| due <= now);
        // What was not done in time stays so, from the moment that was told; what becomes so by another time does now. What was done in
        // time keeps a due time that passes meanwhile: by that alone it is not late.
        let over = || if is_overdue && (self.since.is_some() || !is_retimed) { self.due } else { Some(now) };
        let due = || match seconds? {
            seconds if spent < seconds => hours.after(now, seconds - spent),
            _ => over(),
        };
        match step {
            Step::Start { runs: true } | Step::Resume => Self { due: due(), since: Some(now), spent: Some(spent) },
            Step::Start { runs: false } => Self { due: None, since: None, spent: Some(spent) },
            Step::Pause => {
                let is_late = is_overdue && (self.since.is_some() || seconds.is_some_and(|seconds| spent >= seconds));
                Self { due: if is_late { over() } else { None }, since: None, spent: Some(spent) }
            }
            Step::Stop => Self { due: self.due.or_else(due), since: None, spent: Some(spent) },
            // From when it began to run, so that no part of a second is lost.
            Step::Retime => {
                let due = seconds.and_then(|seconds| match seconds - self.spent.unwrap_or_default() {
                    left if spent < seconds => hours.after(self.since.unwrap_or(now), left),
                    _ => over(),
                });
                Self { due, ..self }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn at(text: &str) -> DateTime<Utc> {
        text.parse().unwrap()
    }

    fn office() -> WorkingHours {
        let day = json!([["09:00", "17:00"]]);
        WorkingHours::parse("UTC", &json!({"1": day, "2": day, "3": day, "4": day, "5": day}), &Json::Null).unwrap()
    }

    /// The state after steps, each at its moment, with so many hours in all.
    fn after(steps: &[(Step, &str, Option<i64>)]) -> State {
        let mut state = State::default();
        let mut before = None;
        for (step, now, hours) in steps {
            let is_retimed = before.is_some_and(|before| before != *hours);
            state = state.moved(*step, at(now), hours.map(|hours| hours * 3_600), is_retimed, &office());
            before = Some(*hours);
        }
        state
    }

    const START: Step = Step::Start { runs: true };

    #[test]
    fn what_stands_still_is_due_so_much_later() {
        // Monday to Wednesday: eight hours, of which six were left when the customer was asked.
        let paused = [(START, "2026-06-01T15:00:00Z", Some(8)), (Step::Pause, "2026-06-01T20:00:00Z", Some(8))];
        assert_eq!(after(&paused[..1]).due, Some(at("2026-06-02T15:00:00Z")));
        assert_eq!(after(&paused), State { due: None, since: None, spent: Some(2 * 3_600) });
        let resumed = [&paused[..], &[(Step::Resume, "2026-06-03T10:00:00Z", Some(8))]].concat();
        let expected = State {
            due: Some(at("2026-06-03T16:00:00Z")),
            since: Some(at("2026-06-03T10:00:00Z")),
            spent: Some(2 * 3_600),
        };
        assert_eq!(after(&resumed), expected);
        let stopped = [&resumed[..], &[(Step::Stop, "2026-06-03T12:00:00Z", Some(8))]].concat();
        let kept = State { since: None, spent: Some(4 * 3_600), ..expected };
        assert_eq!(after(&stopped), kept, "until when it was to be done stays");
        // Opened again it has what was left.
        let again = [&stopped[..], &[(Step::Resume, "2026-06-04T09:00:00Z", Some(8))]].concat();
        assert_eq!(after(&again).due, Some(at("2026-06-04T13:00:00Z")));
    }

    #[test]
    fn what_is_done_while_time_stands_still_was_done_in_time() {
        let steps = [
            (START, "2026-06-01T09:00:00Z", Some(4)),
            (Step::Pause, "2026-06-01T10:00:00Z", Some(4)),
            (Step::Stop, "2026-06-02T10:00:00Z", Some(4)),
        ];
        assert_eq!(after(&steps).due, Some(at("2026-06-02T13:00:00Z")));
    }

    #[test]
    fn what_is_overdue_stays_so() {
        let overdue = [(START, "2026-06-01T09:00:00Z", Some(1)), (Step::Pause, "2026-06-01T12:00:00Z", Some(1))];
        assert_eq!(
            after(&overdue),
            State { due: Some(at("2026-06-01T10:00:00Z")), since: None, spent: Some(3 * 3_600) }
        );
        let resumed = [&overdue[..], &[(Step::Resume, "2026-06-02T12:00:00Z", Some(1))]].concat();
        assert_eq!(after(&resumed).due, Some(at("2026-06-01T10:00:00Z")));
    }

    #[test]
    fn what_was_done_in_time_is_not_late_when_it_is_opened_again() {
        let steps = [
            (START, "2026-06-01T09:00:00Z", Some(4)),
            (Step::Stop, "2026-06-01T10:00:00Z", Some(4)),
            (Step::Pause, "2026-06-02T10:00:00Z", Some(4)),
            (Step::Stop, "2026-06-02T11:00:00Z", Some(4)),
        ];
        assert_eq!(after(&steps[..3]), State { due: None, since: None, spent: Some(3_600) });
        assert_eq!(after(&steps).due, Some(at("2026-06-02T14:00:00Z")), "done again, with what was left");
        let late = [
            (START, "2026-06-01T09:00:00Z", Some(4)),
            (Step::Stop, "2026-06-01T14:00:00Z", Some(4)),
            (Step::Pause, "2026-06-02T10:00:00Z", Some(4)),
        ];
        assert_eq!(after(&late).due, Some(at("2026-06-01T13:00:00Z")), "what was not stays late");
        // Opened again with less time than it took, it is late from then on.
        for step in [Step::Resume, Step::Pause] {
            let urgent = [
                (START, "2026-06-01T09:00:00Z", Some(4)),
                (Step::Stop, "2026-06-01T11:00:00Z", Some(4)),
                (step, "2026-06-02T10:00:00Z", Some(1)),
            ];
            assert_eq!(after(&urgent).due, Some(at("2026-06-02T10:00:00Z")));
        }
    }

    #[test]
    fn another_time_counts_from_the_start() {
        let retimed = |hours: Option<i64>| {
            after(&[(START, "2026-06-01T09:00:00Z", Some(6)), (Step::Retime, "2026-06-01T12:00:00Z", hours)])
        };
        assert_eq!(retimed(Some(4)).due, Some(at("2026-06-01T13:00:00Z")));
        assert_eq!(retimed(Some(10)).due, Some(at("2026-06-02T11:00:00Z")));
        // Less than has passed: it is overdue from now on, so that it is told once.
        assert_eq!(retimed(Some(2)).due, Some(at("2026-06-01T12:00:00Z")));
        // Outside working hours, too, and not only when people work again.
        let early = [(START, "2026-06-01T03:00:00Z", Some(6)), (Step::Retime, "2026-06-01T04:00:00Z", Some(0))];
        assert_eq!(after(&early).due, Some(at("2026-06-01T04:00:00Z")));
        assert_eq!(retimed(None), State { due: None, since: Some(at("2026-06-01T09:00:00Z")), spent: Some(0) });
    }
}
