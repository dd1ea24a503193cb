//! Saving a workflow: checked whole against modules and plugins, then in force with the next write.

use async_recursion::async_recursion as boxed;
use cardine_engine::{Engine, EngineError, RequestContext};
use cardine_store::WriteTx;
use cardine_store::platform::events::{NewAudit, insert_audit};
use cardine_store::platform::workflows::save_workflow as store_workflow;
use serde_json::{Value as Json, json};
use uuid::Uuid;

use crate::check::{Installed, check};
use crate::definition::parse;
use crate::plugins::Plugins;

/// Saves a workflow under its name, in place of one that has it. The caller becomes its author.
///
/// # Errors
/// [`EngineError::Forbidden`] if the caller is no administrator; [`EngineError::Validation`] with every fault of the document,
/// paths starting at `definition`.
#[boxed]
pub async fn save_workflow(
    engine: &Engine,
    plugins: &Plugins,
    ctx: &RequestContext,
    document: Json,
) -> Result<Uuid, EngineError> {
    if !ctx.actor.rights.administrator {
        return Err(EngineError::Forbidden("only administrators may save workflows".to_owned()));
    }
    let definition = parse(&document).map_err(EngineError::Validation)?;
    let has_role = |role: &str| ctx.snapshot.access.role_named(role).is_some();
    let installed = Installed { plugins, has_role: &has_role };
    check(&definition, ctx.catalog(), Some(&installed)).map_err(EngineError::Validation)?;
    let (actor, now, via, request) = (ctx.actor.user, ctx.now, ctx.via, ctx.request_id);
    let id = engine
        .store()
        .write(move |tx: &mut WriteTx| {
            let (name, status, document) = (definition.name.clone(), definition.status.name(), document.clone());
            Box::pin(async move {
                let id = store_workflow(tx, &name, &document, status, actor, now).await?;
                let audit = NewAudit {
                    at: now,
                    actor,
                    on_behalf_of: None,
                    via,
                    action: "SAVED",
                    module: Some("Workflow"),
                    record: Some(id),
                    changes: json!({"definition": {"new": document}}).to_string().into(),
                    request,
                };
                insert_audit(tx, &audit).await?;
                // Every process loads the workflows again when this counter moves.
                tx.bump_access_epoch().await?;
                Ok::<_, EngineError>(id)
            })
        })
        .await?;
    engine.reload().await?;
    Ok(id)
}
