//! Plugins in the server: their hooks and validators fill the engine's port, and what they may use is given to them.

mod computed;
mod emitting;
mod hooks;
mod http;
mod records;
mod services;
mod state;
mod values;

use std::collections::BTreeMap;
use std::fmt;
use std::sync::Arc;

use cardine_engine::hooks::{Computation, Proposed, RecordHooks, RecordHooksLoader, ValueCheck};
use cardine_engine::{EngineError, Record, RequestContext};
use cardine_model::catalog::{FieldId, Module, ModuleId};
use cardine_model::{Catalog, Issue};
use cardine_plugin_host::PluginFailure;
use cardine_store::{BoxFuture, Store};
use cardine_workflow::{GrantedPlugin, Plugins};

use serde_json::{Map, Value as Json};

use hooks::Hook;

pub use http::stored_secret;
pub use services::{PluginServices, Provider};

/// Loads the plugins' hooks for the engine's snapshots. What other processes installed is loaded with them, so that no write of a
/// snapshot passes a hook that was in force when the snapshot was made.
pub struct PluginHooksLoader {
    plugins: Plugins,
}

impl PluginHooksLoader {
    /// Over the plugins of this process.
    pub fn new(plugins: Plugins) -> Self {
        Self { plugins }
    }
}

impl RecordHooksLoader for PluginHooksLoader {
    fn load<'a>(
        &'a self,
        store: &'a Store,
        catalog: &'a Catalog,
    ) -> BoxFuture<'a, Result<Arc<dyn RecordHooks>, EngineError>> {
        Box::pin(async move {
            self.plugins.reload(store).await?;
            let installed = self.plugins.all();
            let by_module = hooks::by_module(&installed, catalog);
            let name = |one: &GrantedPlugin| one.plugin.manifest().name().to_owned();
            let installed = installed.into_iter().map(|one| (name(&one), one)).collect();
            Ok(Arc::new(PluginHooks { by_module, installed }) as Arc<dyn RecordHooks>)
        })
    }
}

/// The hooks over one catalog. Calls in flight keep the version of a plugin that they began with.
struct PluginHooks {
    /// In the order in which they are called.
    by_module: BTreeMap<ModuleId, Vec<Hook>>,
    installed: BTreeMap<String, GrantedPlugin>,
}

impl fmt::Debug for PluginHooks {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("PluginHooks").field("installed", &self.installed.keys()).finish_non_exhaustive()
    }
}

impl RecordHooks for PluginHooks {
    fn concerns(&self, module: ModuleId) -> bool {
        self.by_module.contains_key(&module)
    }

    fn siblings(&self, module: ModuleId, operation: &str) -> Vec<FieldId> {
        let hooks = self.by_module.get(&module).into_iter().flatten();
        let mut references: Vec<FieldId> = hooks.filter_map(|hook| hook.siblings(operation)).collect();
        references.sort_unstable();
        references.dedup();
        references
    }

    fn before_write<'a>(
        &'a self,
        ctx: &'a RequestContext,
        module: &'a Module,
        operation: &'static str,
        changes: &'a mut [Proposed],
        siblings: &'a [Record],
    ) -> BoxFuture<'a, Result<(), EngineError>> {
        Box::pin(async move {
            for hook in self.by_module.get(&module.id).into_iter().flatten() {
                hook.ask(ctx, (module, operation), changes, siblings).await?;
            }
            Ok(())
        })
    }

    fn check_values<'a>(
        &'a self,
        ctx: &'a RequestContext,
        values: &'a [ValueCheck<'a>],
    ) -> BoxFuture<'a, Result<Vec<(usize, Issue)>, EngineError>> {
        Box::pin(values::check(&self.installed, ctx, values))
    }

    fn compute<'a>(
        &'a self,
        ctx: &'a RequestContext,
        asked: Computation<'a>,
    ) -> BoxFuture<'a, Result<Vec<Map<String, Json>>, EngineError>> {
        Box::pin(computed::compute(&self.installed, ctx, asked))
    }
}

fn refusal(failure: &PluginFailure) -> EngineError {
    EngineError::PluginFailed { reason: failure.reason.to_string(), message: failure.message.clone() }
}
