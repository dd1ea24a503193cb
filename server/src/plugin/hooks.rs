//! A plugin's hook before writes: what it sees of the records, and what becomes of its answer.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use cardine_access::{FieldAccess, ModuleGrant};
use cardine_engine::hooks::{Proposed, apply_patch, issue_at};
use cardine_engine::{EngineError, Record, RequestContext};
use cardine_model::Catalog;
use cardine_model::catalog::{Field, FieldId, Module, ModuleId};
use cardine_plugin_host::{
    Decision, DeniedServices, HookManifest, HookPhase, LoadedPlugin, OnError, PluginIssue, RecordChange,
};
use cardine_workflow::{GrantedPlugin, call_context, visible_keys};
use serde_json::{Value as Json, json};

use super::refusal;

/// One hook of one plugin on one module.
pub struct Hook {
    plugin: LoadedPlugin,
    operations: Vec<String>,
    /// Of updates only those that change one of these.
    fields: Option<Vec<FieldId>>,
    /// The reference whose records it wants to see beside changes; none in it if the module has no such reference.
    siblings: Option<Option<FieldId>>,
    order: i32,
    on_error: OnError,
    /// The keys of a record's JSON that the plugin may see.
    visible: BTreeSet<String>,
    grant: ModuleGrant,
}

/// The hooks of all plugins, by module, in their order. One on a module that is not there any more, or is called otherwise, waits for
/// its return, or for a version of the plugin that knows the new name.
pub fn by_module(installed: &[GrantedPlugin], catalog: &Catalog) -> BTreeMap<ModuleId, Vec<Hook>> {
    let mut by_module: BTreeMap<ModuleId, Vec<Hook>> = BTreeMap::new();
    for GrantedPlugin { plugin, granted, .. } in installed {
        let before = |hook: &&HookManifest| hook.phase == HookPhase::Before;
        if !plugin.manifest().hooks().iter().any(|hook| before(&hook)) {
            continue;
        }
        let rights = granted.rights(catalog);
        for hook in plugin.manifest().hooks().iter().filter(|hook| hook.module != "*") {
            if catalog.module_by_name(&hook.module).is_none() {
                let (plugin, module) = (plugin.manifest().name(), &hook.module);
                tracing::warn!(plugin, module, "a hook's module is not there: nothing is asked of it");
            }
        }
        for (name, grant) in granted.records.iter().filter(|(_, grant)| grant.read) {
            let Some(module) = catalog.module_by_name(name) else { continue };
            let visible = visible_keys(module, &rights);
            let hooks = plugin.manifest().hooks().iter().filter(before);
            let hooks = hooks.filter(|hook| hook.module == "*" || hook.module == *name);
            let hooks: Vec<Hook> = hooks.map(|hook| Hook::new(plugin, hook, module, grant, &visible)).collect();
            if !hooks.is_empty() {
                by_module.entry(module.id).or_default().extend(hooks);
            }
        }
    }
    for hooks in by_module.values_mut() {
        // Plugins come by name, and this keeps their order.
        hooks.sort_by_key(|hook| hook.order);
    }
    by_module
}

impl Hook {
    fn new(
        plugin: &LoadedPlugin,
        hook: &HookManifest,
        module: &Module,
        grant: &ModuleGrant,
        visible: &BTreeSet<String>,
    ) -> Self {
        let named = |names: &Vec<String>| {
            let fields = module.fields.iter().filter(|field| names.iter().any(|name| name == whole_name(field)));
            fields.map(|field| field.id).collect()
        };
        Self {
            plugin: plugin.clone(),
            operations: hook.operation.clone(),
            fields: hook.fields.as_ref().map(named),
            siblings: hook
                .siblings
                .as_deref()
                .map(|name| module.field_named(name).filter(|field| field.reference().is_some()).map(|field| field.id)),
            order: hook.order,
            on_error: hook.on_error,
            visible: visible.clone(),
            grant: grant.clone(),
        }
    }

    /// Asks about all changes that are not refused yet, at once.
    pub async fn ask(
        &self,
        ctx: &RequestContext,
        (module, operation): (&Module, &'static str),
        changes: &mut [Proposed],
        siblings: &[Record],
    ) -> Result<(), EngineError> {
        if !self.operations.iter().any(|wanted| wanted == operation) {
            return Ok(());
        }
        let wanted = |change: &Proposed| change.issues.is_empty() && self.is_about(change);
        let asked: Vec<usize> = (0..changes.len()).filter(|position| wanted(&changes[*position])).collect();
        if asked.is_empty() {
            return Ok(());
        }
        let shown = asked.iter().map(|position| self.shown(module, &changes[*position])).collect();
        let mut session = self.plugin.session(Arc::new(DeniedServices));
        let mut context = call_context(ctx);
        if let Some(reference) = &self.siblings {
            match self.beside(module, *reference, changes, siblings) {
                Ok(siblings) => context.extra = json!({"siblings": siblings}),
                Err(error) => return self.failed(error),
            }
        }
        let decisions = match session.before_write(&context, &module.name, operation, shown).await {
            Ok(decisions) => decisions,
            Err(failure) => return self.failed(refusal(&failure)),
        };
        // Of an answer that is faulty anywhere nothing is taken.
        let mut decided = Vec::with_capacity(asked.len());
        for (position, decision) in asked.iter().zip(decisions) {
            match self.decide(ctx, module, operation, &changes[*position], decision) {
                Ok(change) => decided.push(change),
                Err(error) => return self.failed(error),
            }
        }
        for (position, change) in asked.into_iter().zip(decided) {
            changes[position] = change;
        }
        Ok(())
    }

    /// The reference whose records it wants to see beside changes by this operation.
    pub fn siblings(&self, operation: &str) -> Option<FieldId> {
        self.siblings.flatten().filter(|_| self.operations.iter().any(|wanted| wanted == operation))
    }

    /// What the plugin may see of the records that share the reference with a change.
    fn beside(
        &self,
        module: &Module,
        reference: Option<FieldId>,
        changes: &[Proposed],
        siblings: &[Record],
    ) -> Result<Vec<Json>, EngineError> {
        let Some(reference) = reference else {
            return Err(EngineError::PluginFailed {
                reason: "INPUT".to_owned(),
                message: format!("a hook wants to see records of {} by a reference that is not there", module.name),
            });
        };
        let targets = changes.iter().filter_map(|change| Some(change.after.as_ref()?.get(reference)));
        let targets: Vec<_> = targets.filter(|target| !target.is_null()).collect();
        let beside = siblings.iter().filter(|sibling| targets.contains(&sibling.get(reference)));
        Ok(beside.map(|sibling| self.image(module, sibling)).collect())
    }

    fn failed(&self, error: EngineError) -> Result<(), EngineError> {
        match self.on_error {
            OnError::Fail => Err(error),
            OnError::Ignore => {
                tracing::warn!(plugin = self.plugin.manifest().name(), %error, "a hook failed; the write goes on without it");
                Ok(())
            }
        }
    }

    fn is_about(&self, change: &Proposed) -> bool {
        match (&self.fields, &change.before, &change.after) {
            (Some(fields), Some(before), Some(after)) => {
                fields.iter().any(|field| before.get(*field) != after.get(*field))
            }
            _ => true,
        }
    }

    fn shown(&self, module: &Module, change: &Proposed) -> RecordChange {
        let image = |record: &Option<Record>| record.as_ref().map(|record| record.to_json(module));
        RecordChange::seen(change.id.to_string(), image(&change.before), image(&change.after), &self.visible)
    }

    fn image(&self, module: &Module, record: &Record) -> Json {
        let image = record.to_json(module).into_iter();
        Json::Object(image.filter(|(key, _)| self.visible.contains(key)).collect())
    }

    fn decide(
        &self,
        ctx: &RequestContext,
        module: &Module,
        operation: &str,
        change: &Proposed,
        decision: Decision,
    ) -> Result<Proposed, EngineError> {
        let mut change = change.clone();
        match decision {
            Decision::Keep => {}
            Decision::Veto(issues) => {
                let said =
                    |issue: &PluginIssue| issue_at(ctx, module, issue.path.as_deref(), &issue.code, &issue.message);
                change.issues.extend(issues.iter().map(said));
                if change.issues.is_empty() {
                    let message = format!("plugin `{}` refuses this", self.plugin.manifest().name());
                    change.issues.push(issue_at(ctx, module, None, "veto", &message));
                }
            }
            Decision::Patch(patch) => {
                // What is brought back comes as it was.
                let is_written = matches!(operation, "create" | "update");
                let (Some(after), Json::Object(patch), true) = (&mut change.after, &patch, is_written) else {
                    return Err(self.invalid(&["a record that goes, or comes back, cannot be changed".to_owned()]));
                };
                let may_write = |field: &Field| self.grant.field(whole_name(field)) == FieldAccess::Write;
                let applied = apply_patch(ctx, module, after, patch, may_write);
                applied.map_err(|faults| self.invalid(&faults.iter().map(ToString::to_string).collect::<Vec<_>>()))?;
            }
        }
        Ok(change)
    }

    /// The faults are for the administrator: they may name what the caller must not see.
    fn invalid(&self, faults: &[String]) -> EngineError {
        let plugin = self.plugin.manifest().name();
        tracing::warn!(plugin, faults = faults.join("; "), "a hook's patch is not valid");
        let message = format!("plugin `{plugin}` answered with a change that may not be made");
        EngineError::PluginFailed { reason: "OUTPUT_INVALID".to_owned(), message }
    }
}

/// A field's name; of a part that of its whole.
pub(super) fn whole_name(field: &Field) -> &str {
    field.name.split('.').next().unwrap_or(&field.name)
}
