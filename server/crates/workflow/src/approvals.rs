//! Decisions that runs wait for, as people see and make them.

use async_recursion::async_recursion as boxed;
use cardine_engine::{Engine, EngineError, RequestContext};
use cardine_model::{Issue, path};
use cardine_store::platform::approvals::{self, ApprovalRow, decide, delegate, find_approval, open_approvals};
use cardine_store::platform::events::{NewAudit, insert_audit};
use cardine_store::{ReadTx, WriteTx};
use serde_json::{Value as Json, json};
use uuid::Uuid;

/// Most open questions that are told at once.
const OPEN_MAX: i64 = 200;
/// Longest comment, in characters.
const COMMENT_MAX: usize = 10_000;

/// The open questions to the caller, the oldest first; for administrators those to everybody.
#[boxed]
pub async fn approvals_for(engine: &Engine, ctx: &RequestContext) -> Result<Vec<ApprovalRow>, EngineError> {
    let principals = if ctx.actor.rights.administrator { Vec::new() } else { ctx.actor.principals.to_vec() };
    if principals.is_empty() && !ctx.actor.rights.administrator {
        return Ok(Vec::new());
    }
    let read = engine.store().read(move |tx: &mut ReadTx| {
        Box::pin(async move { Ok::<_, EngineError>(open_approvals(tx, &principals, OPEN_MAX).await?) })
    });
    read.await
}

/// Decides, and lets the run go on.
///
/// # Errors
/// [`EngineError::NotFound`] if there is no such question to the caller; [`EngineError::Conflict`] if it was decided already.
#[boxed]
pub async fn decide_approval(
    engine: &Engine,
    ctx: &RequestContext,
    id: Uuid,
    approved: bool,
    comment: Option<String>,
) -> Result<ApprovalRow, EngineError> {
    if comment.as_ref().is_some_and(|comment| comment.chars().count() > COMMENT_MAX) {
        let message = format!("at most {COMMENT_MAX} characters");
        return Err(EngineError::Validation(vec![Issue::new(path!["comment"], "maxLength", message)]));
    }
    let row = asked(engine, ctx, id).await?;
    let shared = std::sync::Arc::new((ctx.clone(), row, comment));
    let write = engine.store().write(move |tx: &mut WriteTx| {
        let shared = std::sync::Arc::clone(&shared);
        Box::pin(async move {
            let (ctx, row, comment) = &*shared;
            if !decide(tx, row, ctx.actor.user, approved, comment.as_deref(), ctx.now).await? {
                return Err(already_decided());
            }
            note(tx, ctx, "DECIDED", row, json!({"approved": approved, "comment": comment})).await
        })
    });
    write.await?;
    engine.wake_event_readers();
    found(engine, id).await
}

/// Asks another user in the caller's place.
///
/// # Errors
/// As [`decide_approval`]; [`EngineError::Validation`] if there is no such user.
#[boxed]
pub async fn delegate_approval(
    engine: &Engine,
    ctx: &RequestContext,
    id: Uuid,
    to: Uuid,
) -> Result<ApprovalRow, EngineError> {
    if !ctx.snapshot.access.user(to).is_some_and(|user| user.active) {
        return Err(EngineError::Validation(vec![Issue::new(path!["to"], "unknownUser", "there is no such user")]));
    }
    let row = asked(engine, ctx, id).await?;
    let shared = std::sync::Arc::new((ctx.clone(), row));
    let write = engine.store().write(move |tx: &mut WriteTx| {
        let shared = std::sync::Arc::clone(&shared);
        Box::pin(async move {
            let (ctx, row) = &*shared;
            if !delegate(tx, row.id, to).await? {
                return Err(already_decided());
            }
            note(tx, ctx, "DELEGATED", row, json!({"to": to})).await
        })
    });
    write.await?;
    found(engine, id).await
}

/// A question that the caller may decide: it is asked of them, of somebody whose role stands below theirs, or they are administrators.
async fn asked(engine: &Engine, ctx: &RequestContext, id: Uuid) -> Result<approvals::ApprovalRow, EngineError> {
    let row = found(engine, id).await?;
    let actor = &ctx.actor;
    let is_asked = actor.user.is_some()
        && (actor.rights.administrator
            || actor.principals.contains(&row.principal)
            || actor.visible_owners.contains(&row.principal));
    if is_asked { Ok(row) } else { Err(EngineError::NotFound) }
}

async fn found(engine: &Engine, id: Uuid) -> Result<ApprovalRow, EngineError> {
    let read = engine
        .store()
        .read(move |tx: &mut ReadTx| Box::pin(async move { Ok::<_, EngineError>(find_approval(tx, id).await?) }));
    read.await?.ok_or(EngineError::NotFound)
}

async fn note(
    tx: &mut WriteTx,
    ctx: &RequestContext,
    action: &'static str,
    row: &ApprovalRow,
    changes: Json,
) -> Result<(), EngineError> {
    let audit = NewAudit {
        at: ctx.now,
        actor: ctx.actor.user,
        on_behalf_of: None,
        via: ctx.via,
        action,
        module: Some("WorkflowRun"),
        record: Some(row.run),
        changes: changes.to_string().into(),
        request: ctx.request_id,
    };
    Ok(insert_audit(tx, &audit).await?)
}

fn already_decided() -> EngineError {
    EngineError::Conflict { message: "this was decided already, or its run has ended".to_owned(), issues: Vec::new() }
}
