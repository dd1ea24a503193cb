//! What is stored of a plugin when it is installed or taken out of service, with its audit entry, in one transaction.

use cardine_engine::as_code::WrittenBeside;
use cardine_engine::{EngineError, RequestContext};
use cardine_store::platform::events::{NewAudit, insert_audit};
use cardine_store::platform::plugins::{PluginRow, deactivate_plugin, find_active, save_plugin};
use cardine_store::{BoxFuture, WriteTx};
use chrono::{DateTime, Utc};
use serde_json::{Value as Json, json};
use uuid::Uuid;

/// What becomes of a plugin.
#[derive(Debug)]
pub(crate) enum Stored {
    /// It is there.
    Installed(Box<InstalledRow>),
    /// It is out of service.
    Uninstalled(String),
}

/// A plugin that is there.
#[derive(Debug)]
pub(crate) struct InstalledRow {
    pub row: PluginRow,
    pub manifest: Json,
    pub package: Vec<u8>,
}

/// Who changes it.
#[derive(Debug, Clone)]
pub(crate) struct ChangedPlugin {
    actor: Option<Uuid>,
    via: &'static str,
    request: Uuid,
    now: DateTime<Utc>,
}

impl ChangedPlugin {
    pub fn of(ctx: &RequestContext) -> Self {
        Self { actor: ctx.actor.user, via: ctx.via, request: ctx.request_id, now: ctx.now }
    }
}

/// What is written.
#[derive(Debug)]
pub(crate) struct WrittenPlugin {
    pub stored: Stored,
    pub by: ChangedPlugin,
}

impl WrittenBeside for WrittenPlugin {
    fn plugin(&self) -> &str {
        match &self.stored {
            Stored::Installed(installed) => &installed.row.name,
            Stored::Uninstalled(name) => name,
        }
    }

    fn write<'a>(&'a self, tx: &'a mut WriteTx) -> BoxFuture<'a, Result<(), EngineError>> {
        Box::pin(async move {
            let (action, changes) = match &self.stored {
                Stored::Installed(installed) => {
                    let InstalledRow { row, manifest, package } = &**installed;
                    save_plugin(tx, row, manifest, package, self.by.now).await?;
                    let told = json!({
                        "name": row.name, "version": row.version, "digest": row.digest, "grant": row.grants,
                    });
                    ("INSTALLED", told)
                }
                Stored::Uninstalled(name) => {
                    if find_active(tx, name).await? != Some(true) {
                        return Err(EngineError::NotFound);
                    }
                    deactivate_plugin(tx, name).await?;
                    ("UNINSTALLED", json!({"name": name}))
                }
            };
            let audit = NewAudit {
                at: self.by.now,
                actor: self.by.actor,
                on_behalf_of: None,
                via: self.by.via,
                action,
                module: Some("Plugin"),
                record: None,
                changes: changes.to_string().into(),
                request: self.by.request,
            };
            insert_audit(tx, &audit).await?;
            tx.bump_access_epoch().await?;
            Ok(())
        })
    }
}
