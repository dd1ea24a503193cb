//! What administrators do with installed plugins: settings, secrets, and taking them away.

use async_recursion::async_recursion as boxed;
use std::sync::Arc;

use cardine_engine::change::CatalogChange;
use cardine_engine::{Engine, EngineError, RequestContext};
use cardine_model::{Issue, PathSegment, path};
use cardine_plugin_host::{LoadedPlugin, PathStep};
use cardine_store::platform::events::{NewAudit, insert_audit};
use cardine_store::platform::plugins::{
    delete_secret, fetch_secret_names, find_active, purge_plugin, purge_workflow, secret_key, settings_key,
};
use cardine_store::platform::settings::put_setting;
use cardine_store::platform::workflows::load_workflows;
use cardine_store::{ReadTx, WriteTx};
use serde_json::{Value as Json, json};

use crate::plugin_parts::Parts;
use crate::plugin_row::Stored;
use crate::plugins::{Plugins, fetch_manifest};

/// Bytes of a secret.
const SECRET_BYTES_MAX: usize = 8 << 10;
/// Bytes of a plugin's settings.
const SETTINGS_BYTES_MAX: usize = 64 << 10;

/// A change of what is stored of a plugin.
enum Change {
    Settings(Json),
    Secret(String, String),
    NoSecret(String),
    /// With the workflows that it brought.
    Purge(Vec<String>),
}

impl Plugins {
    /// Sets what the plugin reads as its settings, in place of all that was set before.
    #[boxed]
    pub async fn set_settings(
        &self,
        engine: &Engine,
        ctx: &RequestContext,
        name: &str,
        settings: Json,
    ) -> Result<(), EngineError> {
        let plugin = self.get(name).ok_or(EngineError::NotFound)?;
        let mut issues: Vec<Issue> = plugin.manifest().settings_issues(&settings).iter().map(at_settings).collect();
        if settings.to_string().len() > SETTINGS_BYTES_MAX {
            let message = format!("settings may have {SETTINGS_BYTES_MAX} bytes");
            issues.push(Issue::new(path!["settings"], "maxLength", message));
        }
        if !issues.is_empty() {
            return Err(EngineError::Validation(issues));
        }
        self.change(engine, ctx, name, Change::Settings(settings)).await
    }

    /// Stores a secret that the manifest names, or with `None` takes it away.
    #[boxed]
    pub async fn set_secret(
        &self,
        engine: &Engine,
        ctx: &RequestContext,
        name: &str,
        secret: &str,
        value: Option<String>,
    ) -> Result<(), EngineError> {
        let plugin = self.get(name).ok_or(EngineError::NotFound)?;
        let Some(value) = value else {
            return self.change(engine, ctx, name, Change::NoSecret(secret.to_owned())).await;
        };
        if !plugin.manifest().secrets().iter().any(|known| known.name == secret) {
            let message = format!("the plugin's manifest names {}", names_of_secrets(&plugin));
            return Err(EngineError::Validation(vec![Issue::new(path!["secret"], "unknownSecret", message)]));
        }
        // It stands in headers.
        let is_sound = !value.is_empty() && value.len() <= SECRET_BYTES_MAX && !value.contains(['\0', '\r', '\n']);
        if !is_sound {
            let message = format!("a secret has 1 to {SECRET_BYTES_MAX} bytes in one line");
            return Err(EngineError::Validation(vec![Issue::new(path!["value"], "format", message)]));
        }
        self.change(engine, ctx, name, Change::Secret(secret.to_owned(), value)).await
    }

    /// The names of the secrets that are stored for a plugin.
    #[boxed]
    pub async fn stored_secrets(&self, engine: &Engine, name: &str) -> Result<Vec<String>, EngineError> {
        let name = name.to_owned();
        let read = engine.store().read(move |tx: &mut ReadTx| {
            let name = name.clone();
            Box::pin(async move { Ok::<_, EngineError>(fetch_secret_names(tx, &name).await?) })
        });
        read.await
    }

    /// Takes a plugin out of service; calls in flight end as they began. What it brought is retired with it, and what it kept stays,
    /// until it is purged. Refused while fields or active workflows of others need it. Tells what changes.
    #[boxed]
    pub async fn uninstall(
        &self,
        engine: &Engine,
        ctx: &RequestContext,
        name: &str,
        dry_run: bool,
    ) -> Result<Vec<String>, EngineError> {
        if !ctx.actor.rights.administrator {
            return Err(EngineError::Forbidden("only administrators may change plugins".to_owned()));
        }
        let Some(plugin) = self.get(name) else { return Err(EngineError::NotFound) };
        let parts = Parts::of(plugin.manifest().raw());
        let users = self.users(engine, ctx, name, &parts).await?;
        if !users.is_empty() {
            return Err(EngineError::Validation(users));
        }
        let nothing = Parts::default();
        let stored = self.store(engine, ctx, (self, &parts, &nothing), Stored::Uninstalled(name.to_owned()), dry_run);
        stored.await.map(|(told, _)| told)
    }

    /// Takes away all that is left of a plugin that is not in service any more: the modules and fields that it brought with all
    /// that they hold, its state, settings and secrets.
    #[boxed]
    pub async fn purge(&self, engine: &Engine, ctx: &RequestContext, name: &str) -> Result<(), EngineError> {
        if !ctx.actor.rights.administrator {
            return Err(EngineError::Forbidden("only administrators may change plugins".to_owned()));
        }
        if self.get(name).is_some() {
            return Err(in_service(name));
        }
        // Each is a change of its own: what a crash leaves is purged when it is asked for again.
        let mut workflows = Vec::new();
        if let Some(manifest) = fetch_manifest(engine, name).await? {
            let parts = Parts::of(&manifest);
            workflows = parts.workflows().map(str::to_owned).collect();
            let (modules, fields) = parts.purged();
            for (module, field) in fields {
                gone(engine.purge_field(ctx, (module, field), false).await)?;
            }
            for module in modules {
                gone(engine.purge_module(ctx, module, false).await)?;
            }
        }
        self.change(engine, ctx, name, Change::Purge(workflows)).await
    }

    /// What of others would break without the plugin.
    async fn users(
        &self,
        engine: &Engine,
        ctx: &RequestContext,
        name: &str,
        parts: &Parts,
    ) -> Result<Vec<Issue>, EngineError> {
        let mut issues = Vec::new();
        let mut needed = |by: String| issues.push(Issue::new(path!["name"], "inUse", by));
        for module in ctx.catalog().modules.iter().filter(|module| !parts.has_module(&module.name)) {
            let others = module.fields.iter().filter(|field| !parts.has_field(&module.name, &field.name));
            for field in others.filter(|field| field.computed().is_some_and(|computed| computed.by.plugin == name)) {
                needed(format!("the field `{}` of {} is computed by it", field.name, module.name));
            }
            for (field, uses) in &module.checks.validators {
                let field = &module.field(*field).name;
                if uses.iter().any(|by| by.plugin == name) && !parts.has_field(&module.name, field) {
                    needed(format!("the field `{field}` of {} has its values checked by it", module.name));
                }
            }
        }
        let read = engine
            .store()
            .read(|tx: &mut ReadTx| Box::pin(async move { Ok::<_, EngineError>(load_workflows(tx).await?) }));
        let active = read.await?.into_iter().filter(|workflow| workflow.status == "ACTIVE");
        for workflow in active.filter(|workflow| !parts.has_workflow(&workflow.name)) {
            if calls(&workflow.definition, name) {
                needed(format!("the active workflow `{}` calls it", workflow.name));
            }
        }
        Ok(issues)
    }

    async fn change(
        &self,
        engine: &Engine,
        ctx: &RequestContext,
        name: &str,
        change: Change,
    ) -> Result<(), EngineError> {
        if !ctx.actor.rights.administrator {
            return Err(EngineError::Forbidden("only administrators may change plugins".to_owned()));
        }
        let shared = Arc::new((name.to_owned(), change));
        let (actor, now, via, request) = (ctx.actor.user, ctx.now, ctx.via, ctx.request_id);
        let one_at_a_time = self.changing.lock().await;
        let write = engine.store().write(move |tx: &mut WriteTx| {
            let shared = Arc::clone(&shared);
            Box::pin(async move {
                let (name, change) = &*shared;
                let is_active = find_active(tx, name).await?.ok_or(EngineError::NotFound)?;
                if is_active == matches!(change, Change::Purge(_)) {
                    return match is_active {
                        true => Err(in_service(name)),
                        false => Err(EngineError::NotFound),
                    };
                }
                // A secret's value is in no log.
                let (action, told) = match change {
                    Change::Settings(settings) => {
                        put_setting(tx, &settings_key(name), &settings.to_string()).await?;
                        ("CONFIGURED", json!({"name": name, "settings": settings}))
                    }
                    Change::Secret(secret, value) => {
                        put_setting(tx, &secret_key(name, secret), value).await?;
                        ("CONFIGURED", json!({"name": name, "secret": secret}))
                    }
                    Change::NoSecret(secret) => {
                        if !delete_secret(tx, name, secret).await? {
                            return Err(EngineError::NotFound);
                        }
                        ("CONFIGURED", json!({"name": name, "secret": secret, "removed": true}))
                    }
                    Change::Purge(workflows) => {
                        purge_plugin(tx, name).await?;
                        for workflow in workflows {
                            purge_workflow(tx, workflow).await?;
                        }
                        ("PURGED", json!({"name": name}))
                    }
                };
                let audit = NewAudit {
                    at: now,
                    actor,
                    on_behalf_of: None,
                    via,
                    action,
                    module: Some("Plugin"),
                    record: None,
                    changes: told.to_string().into(),
                    request,
                };
                insert_audit(tx, &audit).await?;
                tx.bump_access_epoch().await?;
                Ok::<_, EngineError>(())
            })
        });
        write.await?;
        drop(one_at_a_time);
        self.reload(engine.store()).await?;
        engine.reload().await
    }
}

/// What was purged before is no fault.
fn gone(purged: Result<CatalogChange, EngineError>) -> Result<(), EngineError> {
    match purged {
        Ok(_) | Err(EngineError::NotFound) => Ok(()),
        Err(error) => Err(error),
    }
}

fn in_service(name: &str) -> EngineError {
    let message = format!("`{name}` is in service: uninstall it first, which keeps its data");
    EngineError::Validation(vec![Issue::new(path!["name"], "inUse", message)])
}

fn at_settings(issue: &cardine_plugin_host::Issue) -> Issue {
    let mut path = path!["settings"];
    path.extend(issue.path.iter().map(|step| match step {
        PathStep::Name(name) => PathSegment::from(name.as_str()),
        PathStep::Index(index) => PathSegment::from(*index),
    }));
    Issue::new(path, &issue.rule, issue.message.clone())
}

fn names_of_secrets(plugin: &LoadedPlugin) -> String {
    let names: Vec<&str> = plugin.manifest().secrets().iter().map(|secret| secret.name.as_str()).collect();
    if names.is_empty() { "no secret".to_owned() } else { format!("only the secrets {}", names.join(", ")) }
}

/// Whether a workflow's document waits for an event of the plugin, or has a step that calls it, however deep.
fn calls(document: &Json, plugin: &str) -> bool {
    match document {
        Json::Object(parts) => {
            let named =
                |step: &str| parts.get(step).and_then(|step| step.get("plugin")).is_some_and(|name| name == plugin);
            named("call")
                || named("hook")
                || named("job")
                || named("event")
                || parts.values().any(|part| calls(part, plugin))
        }
        Json::Array(parts) => parts.iter().any(|part| calls(part, plugin)),
        _ => false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_call_is_found_however_deep_it_stands() {
        let document =
            json!({"steps": [{"forEach": {"steps": [{"call": {"plugin": "deal-score", "function": "score"}}]}}]});
        assert!(calls(&document, "deal-score"));
        assert!(calls(&json!({"steps": [{"hook": {"plugin": "deal-score"}}]}), "deal-score"));
        assert!(calls(&json!({"steps": [{"job": {"plugin": "deal-score", "name": "nightly"}}]}), "deal-score"));
        assert!(!calls(&document, "deal"));
        assert!(!calls(&json!({"steps": [{"update": {"set": {"plugin": "deal-score"}}}]}), "deal-score"));
    }
}
