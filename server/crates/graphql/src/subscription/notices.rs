//! Which of a batch of notifications are told to one caller: their own, of records that they see at that moment.

use std::sync::Arc;

use bytes::Bytes;
use cardine_engine::feed::RecordChange;
use cardine_engine::{EngineError, ListResult, Notice, RequestContext};
use rustc_hash::FxHashMap;
use uuid::Uuid;

use super::evaluate::{Failure, Item};
use super::plan::Plan;
use super::{End, Hub, Source};
use crate::answer::{Sealing, write_data};
use crate::compile::{NoticeTold, Operation};

/// The notifications among the changes that are the caller's, and that they see.
pub(super) async fn evaluate_notices(
    hub: &Hub,
    ctx: &RequestContext,
    plan: &Plan,
    source: &Source,
    batch: &[Arc<RecordChange>],
) -> Result<Vec<Item>, Failure> {
    let own = batch.iter().filter(|change| Some(change.record) == ctx.actor.user);
    let own: Vec<(i64, Uuid)> = own.filter_map(|change| Some((change.seq, change.notification()?))).collect();
    let ids = own.iter().map(|(_, id)| *id).collect();
    let seen = hub.engine.notifications_by_id(ctx, ids).await.map_err(Failure::Engine)?;
    let seen: FxHashMap<Uuid, Notice> = seen.into_iter().map(|notice| (notice.id, notice)).collect();
    let mut items = Vec::new();
    for (seq, id) in own {
        let Some(notice) = seen.get(&id) else { continue };
        let position = hub.front.cursors.seal_position(seq);
        let told = NoticeTold { kind: "CREATED", notice: Some(notice.clone()), position };
        let operation = plan.notice(&hub.front, ctx, &source.request, &told).map_err(Failure::Front)?;
        let read = hub.engine.read(ctx, operation.lists.clone(), operation.values.clone().into()).await;
        let rows = read.map_err(Failure::Engine)?;
        let body = body(hub, ctx, &operation, &rows).map_err(Failure::Engine)?;
        items.push(Item { seq, body });
    }
    Ok(items)
}

/// Tells that notifications up to `seq` are not told.
pub(super) fn notice_gap(hub: &Hub, ctx: &RequestContext, plan: &Plan, source: &Source, seq: i64) -> Result<Item, End> {
    let told = NoticeTold { kind: "GAP", notice: None, position: hub.front.cursors.seal_position(seq) };
    let operation =
        plan.notice(&hub.front, ctx, &source.request, &told).map_err(|errors| End::Failed(errors.into()))?;
    let body = body(hub, ctx, &operation, &[]).map_err(|error| End::failed(error.into()))?;
    Ok(Item { seq, body })
}

fn body(hub: &Hub, ctx: &RequestContext, operation: &Operation, rows: &[ListResult]) -> Result<Bytes, EngineError> {
    let (key, links) = (&hub.front.cursors, hub.front.links(ctx));
    let sealing = Sealing { key, links, contexts: &operation.contexts, computed: &[] };
    let mut out = b"{\"data\":".to_vec();
    // What cannot be shown is a fault of ours: the form was made for these rows.
    write_data(&operation.shape, rows, &[], sealing, None, &mut out).map_err(|_| EngineError::Internal)?;
    out.push(b'}');
    Ok(out.into())
}
