//! What a batch of changes means for one caller: which of them are told, as what, and with which record.

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use cardine_engine::feed::{RecordChange, Sides};
use cardine_engine::{EngineError, ListResult, RequestContext};
use rustc_hash::FxHashMap;
use uuid::Uuid;

use super::notices::{evaluate_notices, notice_gap};
use super::plan::Plan;
use super::{End, Hub, Source};
use crate::answer::{Sealing, write_record, write_text};
use crate::compile::{Changes, Followed};
use crate::error::Error;
use crate::execute::Front;
use crate::file_link::FileLinks;
use crate::shape::ChangeField;

/// Pauses before an evaluation that failed is tried again. A database that cannot be reached is waited for without end.
const PAUSE: Duration = Duration::from_millis(300);
const FAILURES_MAX: u32 = 3;

/// A change as it goes out: a whole answer.
#[derive(Debug, Clone)]
pub(super) struct Item {
    pub seq: i64,
    pub body: Bytes,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Kind {
    Created,
    Updated,
    Deleted,
    Entered,
    Left,
    Gap,
}

impl Kind {
    /// What happened for somebody who sees the list: by whether the record was in it before and is after.
    fn of(change: &RecordChange, sides: Sides) -> Option<Self> {
        Some(match (sides.before, sides.after) {
            (false, false) => return None,
            (true, true) => Self::Updated,
            (false, true) if change.is_first() => Self::Created,
            (false, true) => Self::Entered,
            (true, false) if change.is_last() => Self::Deleted,
            (true, false) => Self::Left,
        })
    }

    fn name(self) -> &'static str {
        match self {
            Self::Created => "CREATED",
            Self::Updated => "UPDATED",
            Self::Deleted => "DELETED",
            Self::Entered => "ENTERED",
            Self::Left => "LEFT",
            Self::Gap => "GAP",
        }
    }

    fn has_record(self) -> bool {
        matches!(self, Self::Created | Self::Updated | Self::Entered)
    }
}

/// A change that is told.
struct Told<'a> {
    kind: Kind,
    id: Option<Uuid>,
    seq: i64,
    changed: Vec<String>,
    record: Option<(&'a ListResult, usize)>,
}

/// Why an evaluation gave nothing.
pub(super) enum Failure {
    /// It could not be read.
    Engine(EngineError),
    /// The text does not hold any more.
    Front(Vec<Error>),
}

/// Evaluates as often as needed, under the rights of the moment; the plan is made anew when they have changed.
pub(super) async fn evaluate(
    hub: &Hub,
    source: &Source,
    plan: &mut Option<Arc<Plan>>,
    changes: &[Arc<RecordChange>],
) -> Result<Vec<Item>, End> {
    let mut items = Vec::new();
    let mut rest = changes;
    let mut failures = 0;
    while !rest.is_empty() {
        let (ctx, current) = renew(hub, source, plan)?;
        let (batch, later) = rest.split_at(current.batch(&hub.front).min(rest.len()));
        // Requests come first: only so many evaluations use the database at once.
        let permit = hub.evaluations.acquire().await.expect("the semaphore is never closed");
        let ctx = ctx.within(hub.front.limits.execution);
        let evaluated = match &current.followed {
            Followed::Records(asked) => evaluate_batch(hub, &ctx, asked, batch).await.map_err(Failure::Engine),
            Followed::Notices(_) => evaluate_notices(hub, &ctx, &current, source, batch).await,
        };
        drop(permit);
        match evaluated {
            Ok(mut told) => {
                items.append(&mut told);
                rest = later;
                failures = 0;
            }
            Err(Failure::Engine(EngineError::Unavailable | EngineError::Stale)) => tokio::time::sleep(PAUSE).await,
            // A table may have changed between the catalog that the plan was made with and this moment.
            Err(Failure::Engine(EngineError::Internal)) if failures < FAILURES_MAX => {
                failures += 1;
                tokio::time::sleep(PAUSE).await;
            }
            Err(Failure::Engine(error)) => return Err(End::failed(error.into())),
            Err(Failure::Front(errors)) => return Err(End::Failed(errors.into())),
        }
    }
    Ok(items)
}

/// The caller as of now, and the plan under the rights of now.
pub(super) fn renew(
    hub: &Hub,
    source: &Source,
    plan: &mut Option<Arc<Plan>>,
) -> Result<(RequestContext, Arc<Plan>), End> {
    let ctx = (hub.contexts)(&source.identity).ok_or(End::Unauthenticated)?;
    if let Some(plan) = plan.as_ref().filter(|plan| plan.fits(&ctx)) {
        return Ok((ctx, Arc::clone(plan)));
    }
    let made = Plan::new(&hub.front, &ctx, &source.request).map_err(|errors| End::Failed(errors.into()))?;
    let made = Arc::new(made);
    *plan = Some(Arc::clone(&made));
    Ok((ctx, made))
}

async fn evaluate_batch(
    hub: &Hub,
    ctx: &RequestContext,
    asked: &Changes,
    batch: &[Arc<RecordChange>],
) -> Result<Vec<Item>, EngineError> {
    let sides = hub.engine.match_changes(ctx, &asked.matches, asked.values.clone(), batch).await?;
    let told: Vec<(&RecordChange, Kind)> = batch
        .iter()
        .zip(sides)
        .filter_map(|(change, sides)| Some((&**change, Kind::of(change, sides)?)))
        .filter(|(_, kind)| asked.kinds.as_ref().is_none_or(|kinds| kinds.iter().any(|name| name == kind.name())))
        .collect();

    let mut ids: Vec<Uuid> =
        told.iter().filter(|(_, kind)| kind.has_record()).map(|(change, _)| change.record).collect();
    ids.sort_unstable();
    ids.dedup();
    let mut rows = ListResult::default();
    let mut row_of = FxHashMap::default();
    if let Some(records) = asked.records.as_ref().filter(|_| !ids.is_empty()) {
        let values = records.values(&asked.values, &ids);
        rows = hub.engine.read(ctx, vec![records.list.clone()], values.into()).await?.pop().unwrap_or_default();
        for row in rows.root().rows {
            let id = rows.cell(row, records.id_output).text().and_then(|id| Uuid::try_parse(id).ok());
            row_of.extend(id.map(|id| (id, row)));
        }
    }
    let item = |(change, kind): (&RecordChange, Kind)| {
        let record = row_of.get(&change.record).filter(|_| kind.has_record()).map(|row| (&rows, *row));
        // Of a record that is out of sight nothing is told but that it is.
        let changed = match kind.has_record() {
            true => hub.engine.changed_fields(ctx, asked.module, change),
            false => Vec::new(),
        };
        let told = Told { kind, id: Some(change.record), seq: change.seq, changed, record };
        Item { seq: change.seq, body: write_change(asked, &told, sealing(&hub.front, ctx, asked)) }
    };
    Ok(told.into_iter().map(item).collect())
}

/// Tells that changes up to `seq` are not told.
pub(super) fn gap(hub: &Hub, ctx: &RequestContext, plan: &Plan, source: &Source, seq: i64) -> Result<Item, End> {
    let asked = match &plan.followed {
        Followed::Records(asked) => asked,
        Followed::Notices(_) => return notice_gap(hub, ctx, plan, source, seq),
    };
    let told = Told { kind: Kind::Gap, id: None, seq, changed: Vec::new(), record: None };
    let (key, links) = (&hub.front.cursors, FileLinks::default());
    let sealing = Sealing { key, links, contexts: &asked.contexts, computed: &[] };
    Ok(Item { seq, body: write_change(asked, &told, sealing) })
}

fn sealing<'a>(front: &'a Front, ctx: &RequestContext, asked: &'a Changes) -> Sealing<'a> {
    Sealing { key: &front.cursors, links: front.links(ctx), contexts: &asked.contexts, computed: &[] }
}

fn write_change(asked: &Changes, told: &Told<'_>, sealing: Sealing<'_>) -> Bytes {
    let mut out = Vec::with_capacity(256);
    out.extend_from_slice(b"{\"data\":{");
    out.extend_from_slice(&asked.key);
    out.push(b'{');
    for (position, (key, field)) in asked.fields.iter().enumerate() {
        if position > 0 {
            out.push(b',');
        }
        out.extend_from_slice(key);
        match field {
            ChangeField::Constant(json) => out.extend_from_slice(json),
            ChangeField::Kind => write_text(told.kind.name(), &mut out),
            ChangeField::Id => match told.id {
                Some(id) => write_text(&id.to_string(), &mut out),
                None => out.extend_from_slice(b"null"),
            },
            ChangeField::Record(object) => match told.record {
                Some((rows, row)) => write_record(rows, row, object, sealing, &mut out),
                None => out.extend_from_slice(b"null"),
            },
            ChangeField::ChangedFields => {
                out.push(b'[');
                for (position, name) in told.changed.iter().enumerate() {
                    if position > 0 {
                        out.push(b',');
                    }
                    write_text(name, &mut out);
                }
                out.push(b']');
            }
            ChangeField::Position => write_text(&sealing.key.seal_position(told.seq), &mut out),
        }
    }
    out.extend_from_slice(b"}}}");
    Bytes::from(out)
}
