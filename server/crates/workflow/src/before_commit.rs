//! Workflows inside the write: done at once over the record as it is being written, which they change, or refuse.

use std::collections::BTreeSet;

use cardine_access::{Actor, Rights};
use cardine_engine::events::{RecordEvent, Refusal};
use cardine_engine::{Record, RecordScope};
use cardine_model::Value;
use cardine_model::catalog::{Field, FieldId, FieldPath, Module};
use cardine_model::rule::{Root, RuleType, Scope};
use chrono::{DateTime, NaiveDate, Utc};
use serde_json::Value as Json;

use crate::definition::{OnError, RunAs};
use crate::program::{Act, Action, Given, Node};
use crate::template::Filling;
use crate::value::typed_value;
use crate::versions::Version;

/// What somebody is told whose write could not be looked at: why, only administrators may know.
const NOT_DONE: &str = "a workflow that belongs to this change could not be done; ask an administrator";

/// The record as it is being written, and who writes it.
struct Written<'a> {
    event: &'a RecordEvent<'a>,
    record: Record,
    /// What was set, be it to what it was.
    set: BTreeSet<FieldId>,
}

impl Written<'_> {
    fn scope(&self) -> RecordScope<'_> {
        let (ctx, old) = (self.event.ctx, self.event.before);
        RecordScope { record: &self.record, old, actor: ctx.actor.user, now: ctx.now, today: ctx.today }
    }
}

impl Scope for Written<'_> {
    fn field(&self, root: Root, path: &FieldPath) -> Value {
        self.scope().field(root, path)
    }

    fn outside(&self, _: &[String], _: RuleType) -> Value {
        Value::Null
    }

    fn actor_id(&self) -> Value {
        self.scope().actor_id()
    }

    fn now(&self) -> DateTime<Utc> {
        self.event.ctx.now
    }

    fn today(&self) -> NaiveDate {
        self.event.ctx.today
    }
}

impl Filling for Written<'_> {
    fn at(&self, _: &[String]) -> Json {
        Json::Null
    }

    fn scope(&self) -> &dyn Scope {
        self
    }
}

/// Why a workflow goes no further.
enum Stop {
    /// It says that the change is not to be.
    Refused(Refusal),
    /// It could not be done; for the log.
    Failed(String),
}

/// What these workflows set, one after the other, each over what those before left; or why one refuses.
pub(crate) fn ask<'w>(
    workflows: impl Iterator<Item = &'w Version>,
    event: &RecordEvent<'_>,
    is_meant: impl Fn(&Version, &RecordEvent<'_>) -> bool,
) -> Result<Vec<(FieldId, Value)>, Refusal> {
    let mut written = Written { event, record: event.after.clone(), set: BTreeSet::new() };
    for version in workflows {
        let (module, before) = (event.module, event.before);
        let empty = Record::empty(module);
        let changed = written.record.changed(before.unwrap_or(&empty));
        let changed = if event.kind == "DELETED" { event.changed.to_vec() } else { changed };
        let seen = RecordEvent {
            ctx: event.ctx,
            kind: event.kind,
            id: event.id,
            module,
            before,
            after: &written.record,
            changed: &changed,
            relation: None,
        };
        if !is_meant(version, &seen) {
            continue;
        }
        if let Err(stop) = carry_out(version, &mut written) {
            return Err(match stop {
                Stop::Refused(refusal) => refusal,
                Stop::Failed(error) => {
                    tracing::warn!(
                        workflow = version.workflow.name,
                        error,
                        "a workflow inside a write failed, so the write is refused"
                    );
                    Refusal { message: NOT_DONE.to_owned(), fields: Vec::new() }
                }
            });
        }
    }
    let Written { record, set, .. } = written;
    Ok(set.into_iter().map(|field| (field, record.get(field).clone())).collect())
}

fn carry_out(version: &Version, written: &mut Written<'_>) -> Result<(), Stop> {
    let actor = actor(version, written.event).ok_or_else(|| {
        Stop::Failed("the user or role with whose rights the workflow runs is not there or not active".to_owned())
    })?;
    let steps = &version.workflow.steps;
    let mut place = 0;
    // Branches go forward only, so each place is come to once.
    while let Some(node) = steps.get(place) {
        place = match step(node, place, &actor.rights, written) {
            Ok(next) => next,
            Err(Stop::Failed(error)) if node.on_error == OnError::Continue => {
                tracing::info!(
                    workflow = version.workflow.name,
                    step = node.id,
                    error,
                    "a step inside a write failed and is passed over"
                );
                node.after(place)
            }
            Err(stop) => return Err(stop),
        };
    }
    Ok(())
}

/// Whose rights the steps have: those of the moment.
fn actor(version: &Version, event: &RecordEvent<'_>) -> Option<Actor> {
    let snapshot = &event.ctx.snapshot;
    match &version.workflow.run_as {
        RunAs::Role { role } => snapshot.access.role_actor(&snapshot.catalog, role),
        RunAs::Author => snapshot.access.actor(&snapshot.catalog, version.author?, None, None),
        RunAs::Actor => Some((*event.ctx.actor).clone()),
    }
}

/// Does what stands at a place, and tells which one is next.
fn step(node: &Node, place: usize, rights: &Rights, written: &mut Written<'_>) -> Result<usize, Stop> {
    let module = written.event.module;
    if let Some(field) = unreadable(node, module, rights) {
        return Err(Stop::Failed(format!("FORBIDDEN: whoever the workflow runs as may not read `{}`", field.name)));
    }
    if node.when.as_ref().is_some_and(|when| !when.is_met(written)) {
        return Ok(node.after(place));
    }
    match &node.act {
        Act::Jump(to) => return Ok(*to),
        Act::Branch { cases, otherwise, .. } => {
            let met = cases.iter().find(|(when, _)| when.is_met(written));
            return Ok(met.map_or(*otherwise, |(_, start)| *start));
        }
        Act::Do(Action::Refuse { message, fields }) => {
            let message = match message.fill(written) {
                Json::String(text) if !text.trim().is_empty() => text,
                _ => "a workflow refuses this change".to_owned(),
            };
            return Err(Stop::Refused(Refusal { message, fields: fields.clone() }));
        }
        Act::Do(Action::Update { set, .. }) => {
            let mut values = Vec::with_capacity(set.len());
            for (id, given) in set {
                let field = module.field(*id);
                let Given::Template(template) = given else { continue };
                if !rights.can_write(module.id, *id) {
                    return Err(Stop::Failed(format!(
                        "FORBIDDEN: whoever the workflow runs as may not write `{}`",
                        field.name
                    )));
                }
                let value = typed_value(field, &template.fill(written));
                let misfit = || Stop::Failed(format!("the value for `{}` does not fit its type", field.name));
                values.push((*id, value.ok_or_else(misfit)?));
            }
            for (id, value) in values {
                written.record.set(id, value);
                written.set.insert(id);
            }
        }
        // Refused when the workflow was saved.
        _ => return Err(Stop::Failed("this kind of step can't be done inside a write".to_owned())),
    }
    Ok(place + 1)
}

/// A field that the rules of a place read and that these rights do not give.
pub(crate) fn unreadable<'m>(node: &Node, module: &'m Module, rights: &Rights) -> Option<&'m Field> {
    let mut fields = node.rules().into_iter().flat_map(|rule| rule.inputs()).map(|(_, path)| path.field);
    fields.find(|field| !rights.can_read(module.id, *field)).map(|hidden| module.field(hidden))
}
