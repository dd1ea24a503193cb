//! Installed plugins: packages in the database, compiled code in memory.

use async_recursion::async_recursion as boxed;
use std::collections::BTreeMap;
use std::sync::{Arc, OnceLock, RwLock};

use cardine_engine::as_code::{Kind, Wanted, WrittenBeside};
use cardine_engine::{Engine, EngineError, RequestContext};
use cardine_model::{Catalog, Issue, path};
use cardine_plugin_host::{
    CallContext, CallCount, DeniedServices, HostServices, LoadError, LoadedPlugin, Manifest, Package, PackageError,
    PluginHost,
};
use cardine_store::platform::plugins::{PluginRow, load_manifest, load_package, load_plugins};
use cardine_store::{ReadTx, Store, WriteTx};
use serde_json::{Value as Json, json};

use crate::documents::WorkflowFiles;
use crate::granted::{Grant, Granted, misfits};
use crate::plugin_parts::{self, Parts};
use crate::plugin_row::{ChangedPlugin, InstalledRow, Stored, WrittenPlugin};

/// The plugins that this process can call. Cheap to clone.
#[derive(Clone)]
pub struct Plugins {
    host: PluginHost,
    loaded: Arc<RwLock<BTreeMap<String, GrantedPlugin>>>,
    /// One at a time: what was read before an installation must not undo it.
    pub(crate) changing: Arc<tokio::sync::Mutex<()>>,
    /// Filled by whoever has what plugins may use.
    services: Arc<OnceLock<Arc<dyn ServiceProvider>>>,
}

/// Has what plugins may use while they run.
pub trait ServiceProvider: Send + Sync {
    /// What one operation of this plugin gets.
    fn for_operation(&self, plugin: &GrantedPlugin) -> Arc<dyn HostServices>;
}

/// A plugin that can be called, with what it may do.
#[derive(Clone)]
pub struct GrantedPlugin {
    /// Ready to be called.
    pub plugin: LoadedPlugin,
    /// What it asked for and an administrator granted.
    pub granted: Arc<Granted>,
    /// What an administrator set for it, a JSON object.
    pub settings: Json,
    /// As it was granted, to tell a change.
    grants: Json,
}

/// An installed plugin for people.
#[derive(Debug, Clone)]
pub struct InstalledPlugin {
    /// Its name.
    pub name: String,
    /// Its version.
    pub version: String,
    /// Its title.
    pub title: String,
    /// SHA-256 of its component, in hexadecimal digits.
    pub digest: String,
    /// The functions that workflows can call.
    pub functions: Vec<String>,
    /// What it was granted.
    pub grant: Json,
    /// What its manifest asks for.
    pub permissions: Json,
    /// What was set for it.
    pub settings: Json,
    /// Whether it rests because its calls ended badly too often.
    pub suspended: bool,
    /// What its installation changes, or changed, of modules, roles and workflows; a line each. Empty where it is only looked at.
    pub changes: Vec<String>,
    /// The modules that there are by its installation; none where they stay, and where it is only looked at.
    pub catalog: Option<Arc<Catalog>>,
}

/// Why a plugin cannot be installed.
#[derive(Debug, thiserror::Error)]
pub enum InstallError {
    /// The package is faulty.
    #[error(transparent)]
    Package(#[from] PackageError),
    /// The component is.
    #[error(transparent)]
    Load(#[from] LoadError),
    /// The database or the rights refuse.
    #[error(transparent)]
    Engine(#[from] EngineError),
}

impl From<cardine_store::StoreError> for InstallError {
    fn from(error: cardine_store::StoreError) -> Self {
        Self::Engine(error.into())
    }
}

impl From<InstallError> for EngineError {
    fn from(error: InstallError) -> Self {
        match error {
            InstallError::Engine(error) => error,
            InstallError::Package(error) => {
                Self::Validation(vec![Issue::new(path!["file"], "package", error.to_string())])
            }
            InstallError::Load(error) => {
                Self::Validation(vec![Issue::new(path!["file"], "component", error.to_string())])
            }
        }
    }
}

impl Plugins {
    /// No plugin yet.
    pub fn new(host: PluginHost) -> Self {
        Self { host, loaded: Arc::default(), changing: Arc::default(), services: Arc::default() }
    }

    /// Sets, once, who has what plugins may use. Until then everything is denied.
    pub fn set_services(&self, provider: Arc<dyn ServiceProvider>) {
        if self.services.set(provider).is_err() {
            tracing::error!("the services of plugins were set twice; the first ones stay");
        }
    }

    /// What one operation of the plugin of this name gets.
    pub fn services(&self, name: &str) -> Arc<dyn HostServices> {
        match (self.services.get(), self.read().get(name)) {
            (Some(provider), Some(plugin)) => provider.for_operation(plugin),
            _ => Arc::new(DeniedServices),
        }
    }

    /// The plugin of this name.
    pub fn get(&self, name: &str) -> Option<LoadedPlugin> {
        self.read().get(name).map(|installed| installed.plugin.clone())
    }

    /// The plugin of this name, with what it may do.
    pub fn granted(&self, name: &str) -> Option<GrantedPlugin> {
        self.read().get(name).cloned()
    }

    /// All that can be called, by name.
    pub fn all(&self) -> Vec<GrantedPlugin> {
        self.read().values().cloned().collect()
    }

    /// The names of a plugin's functions; `None` if it is not installed.
    pub fn functions(&self, name: &str) -> Option<Vec<String>> {
        self.read().get(name).map(|installed| function_names(&installed.plugin))
    }

    /// The plugins that have a function of this name.
    pub fn with_function(&self, name: &str) -> Vec<String> {
        let loaded = self.read();
        let has = |installed: &GrantedPlugin| function_names(&installed.plugin).iter().any(|known| known == name);
        loaded.iter().filter(|(_, installed)| has(installed)).map(|(plugin, _)| plugin.clone()).collect()
    }

    /// What the calls of this process came to.
    pub fn counts(&self) -> Vec<CallCount> {
        self.host.counts()
    }

    /// All installed plugins, by name.
    pub fn installed(&self) -> Vec<InstalledPlugin> {
        self.read().values().map(describe).collect()
    }

    /// Loads what is installed in the database and not here, and forgets what is not installed any more. Calls in flight finish on
    /// the version that they began with. One that cannot be loaded is left out, and the log says so.
    #[boxed]
    pub async fn reload(&self, store: &Store) -> Result<(), EngineError> {
        let _one_at_a_time = self.changing.lock().await;
        let rows = store
            .read(|tx: &mut ReadTx| Box::pin(async move { Ok::<_, EngineError>(load_plugins(tx).await?) }))
            .await?;
        for row in rows.iter().filter(|row| row.active) {
            let same = |known: &GrantedPlugin| {
                known.plugin.digest() == row.digest
                    && known.plugin.manifest().version() == row.version
                    && known.grants == row.grants
                    && known.settings == row.settings
            };
            if self.read().get(&row.name).is_some_and(same) {
                continue;
            }
            match self.load(store, row).await {
                Ok(loaded) => {
                    self.write().insert(row.name.clone(), loaded);
                }
                Err(error) => tracing::error!(plugin = row.name, %error, "this plugin can't be loaded"),
            }
        }
        self.write().retain(|name, _| rows.iter().any(|row| row.active && row.name == *name));
        Ok(())
    }

    async fn load(&self, store: &Store, row: &PluginRow) -> Result<GrantedPlugin, InstallError> {
        let name = row.name.clone();
        let package = store
            .read(move |tx: &mut ReadTx| Box::pin(async move { Ok::<_, InstallError>(load_package(tx, &name).await?) }))
            .await?;
        let package = package.ok_or(EngineError::NotFound)?;
        let granted = Granted::stored(&row.grants).map_err(EngineError::Validation)?;
        let plugin = self.host.load_installed(&Package::read(&package)?).await?;
        let (granted, settings, grants) = (Arc::new(granted), row.settings.clone(), row.grants.clone());
        Ok(GrantedPlugin { plugin, granted, settings, grants })
    }

    /// Does all of an installation but storing it, and tells what would change.
    #[boxed]
    pub async fn check(
        &self,
        engine: &Engine,
        ctx: &RequestContext,
        bytes: Vec<u8>,
        grant: Grant,
    ) -> Result<InstalledPlugin, InstallError> {
        self.bring(engine, ctx, bytes, grant, true).await
    }

    /// What is to be installed, if it fits the modules and what it is granted.
    async fn prepare(&self, engine: &Engine, bytes: &[u8], grant: &Grant) -> Result<GrantedPlugin, InstallError> {
        let package = Package::read(bytes)?;
        let manifest = package.manifest();
        let grants = match grant {
            Grant::These(grants) => grants.clone(),
            Grant::AllThatItAsksFor => permissions(manifest),
            Grant::AsBefore => {
                self.read().get(manifest.name()).map_or_else(|| json!({}), |installed| installed.grants.clone())
            }
        };
        let granted = Granted::parse(manifest, &grants).map_err(EngineError::Validation)?;
        let plugin = self.host.load(&package).await?;
        let loaded = GrantedPlugin { plugin, granted: Arc::new(granted), settings: json!({}), grants };
        let issues = misfits(loaded.plugin.manifest(), &loaded.granted, &engine.snapshot().catalog);
        if issues.is_empty() { Ok(loaded) } else { Err(EngineError::Validation(issues).into()) }
    }

    /// Installs a package, in place of one of the same name: checked, compiled, stored together with the modules, fields, roles and
    /// workflows that it brings, and callable when this returns.
    #[boxed]
    pub async fn install(
        &self,
        engine: &Engine,
        ctx: &RequestContext,
        bytes: Vec<u8>,
        grant: Grant,
    ) -> Result<InstalledPlugin, InstallError> {
        self.bring(engine, ctx, bytes, grant, false).await
    }

    async fn bring(
        &self,
        engine: &Engine,
        ctx: &RequestContext,
        bytes: Vec<u8>,
        grant: Grant,
        dry_run: bool,
    ) -> Result<InstalledPlugin, InstallError> {
        if !ctx.actor.rights.administrator {
            return Err(EngineError::Forbidden("only administrators may install plugins".to_owned()).into());
        }
        let loaded = self.prepare(engine, &bytes, &grant).await?;
        let manifest = loaded.plugin.manifest();
        let before = fetch_manifest(engine, manifest.name()).await?;
        let before = before.as_ref().map(Parts::of).unwrap_or_default();
        let row = PluginRow {
            name: manifest.name().to_owned(),
            version: manifest.version().to_owned(),
            digest: loaded.plugin.digest().to_owned(),
            grants: loaded.grants.clone(),
            active: true,
            settings: json!({}),
        };
        let mut installed = describe(&loaded);
        let parts = Parts::of(manifest.raw());
        let manifest = manifest.raw().clone();
        let stored = Stored::Installed(Box::new(InstalledRow { row, manifest, package: bytes }));
        let by = self.with(loaded);
        (installed.changes, installed.catalog) =
            self.store(engine, ctx, (&by, &before, &parts), stored, dry_run).await?;
        Ok(installed)
    }

    /// Stores what becomes of a plugin, with what it brings and takes away: one change, or nothing. `by` knows the plugins that
    /// there will be. Tells what differs, and with it the modules that there are.
    pub(crate) async fn store(
        &self,
        engine: &Engine,
        ctx: &RequestContext,
        (by, before, parts): (&Self, &Parts, &Parts),
        stored: Stored,
        dry_run: bool,
    ) -> Result<(Vec<String>, Option<Arc<Catalog>>), EngineError> {
        let written = Arc::new(WrittenPlugin { stored, by: ChangedPlugin::of(ctx) });
        let present = engine.definitions(ctx).await?;
        let wish = parts.wish(before, &present).map_err(EngineError::Validation)?;
        let (mut told, mut catalog, mut is_stored) = (Vec::new(), None, dry_run);
        if !wish.is_empty() {
            let wanted = Wanted {
                documents: wish.documents,
                unread: Vec::new(),
                kinds: vec![Kind::Module, Kind::Role, Kind::Workflow],
                prune: false,
                author: ctx.actor.user,
                going: wish.going,
                beside: Some(Arc::clone(&written) as Arc<dyn WrittenBeside>),
            };
            let workflows = Arc::new(WorkflowFiles::new(by.clone()));
            let applied = engine.apply_definitions(ctx, wanted, workflows, dry_run).await.map_err(in_package)?;
            told = plugin_parts::told(&applied.differences);
            catalog = Some(applied.catalog);
            is_stored |= applied.change.applied;
        }
        if !is_stored {
            let one_at_a_time = self.changing.lock().await;
            let write = engine.store().write(move |tx: &mut WriteTx| {
                let written = Arc::clone(&written);
                Box::pin(async move { written.write(tx).await })
            });
            write.await?;
            drop(one_at_a_time);
        }
        if !dry_run {
            // With what was set for an earlier version.
            self.reload(engine.store()).await?;
            engine.reload().await?;
        }
        Ok((told, catalog))
    }

    /// These plugins, and this one.
    fn with(&self, coming: GrantedPlugin) -> Self {
        let mut loaded = self.read().clone();
        loaded.insert(coming.plugin.manifest().name().to_owned(), coming);
        Self { loaded: Arc::new(RwLock::new(loaded)), ..self.clone() }
    }

    pub(crate) fn read(&self) -> std::sync::RwLockReadGuard<'_, BTreeMap<String, GrantedPlugin>> {
        self.loaded.read().unwrap_or_else(std::sync::PoisonError::into_inner)
    }

    fn write(&self) -> std::sync::RwLockWriteGuard<'_, BTreeMap<String, GrantedPlugin>> {
        self.loaded.write().unwrap_or_else(std::sync::PoisonError::into_inner)
    }
}

pub(crate) async fn fetch_manifest(engine: &Engine, name: &str) -> Result<Option<Json>, EngineError> {
    let name = name.to_owned();
    let read = engine.store().read(move |tx: &mut ReadTx| {
        let name = name.clone();
        Box::pin(async move { Ok::<_, EngineError>(load_manifest(tx, &name).await?) })
    });
    read.await
}

/// Faults of what a package brings are told at the package.
fn in_package(error: EngineError) -> EngineError {
    match error {
        EngineError::Validation(issues) => {
            EngineError::Validation(issues.into_iter().map(plugin_parts::at_package).collect())
        }
        other => other,
    }
}

fn describe(installed: &GrantedPlugin) -> InstalledPlugin {
    let manifest = installed.plugin.manifest();
    InstalledPlugin {
        name: manifest.name().to_owned(),
        version: manifest.version().to_owned(),
        title: manifest.title().to_owned(),
        digest: installed.plugin.digest().to_owned(),
        functions: function_names(&installed.plugin),
        grant: installed.grants.clone(),
        permissions: permissions(manifest),
        settings: installed.settings.clone(),
        suspended: installed.plugin.suspended_for().is_some(),
        changes: Vec::new(),
        catalog: None,
    }
}

fn permissions(manifest: &Manifest) -> Json {
    manifest.raw().get("permissions").cloned().unwrap_or_else(|| json!({}))
}

fn function_names(plugin: &LoadedPlugin) -> Vec<String> {
    plugin.manifest().functions().iter().map(|function| function.name.clone()).collect()
}
/// What a plugin learns of who caused a call. Only what plugins cause counts as depth, and a hook causes no writes.
pub fn call_context(ctx: &RequestContext) -> CallContext {
    CallContext {
        request_id: ctx.request_id.to_string(),
        user: ctx.actor.user.map(|user| user.to_string()),
        locale: ctx.actor.locale().to_owned(),
        time_zone: ctx.actor.time_zone.to_string(),
        ..CallContext::default()
    }
}
