//! Installed plugins: packages in the database, compiled code in memory.

use async_recursion::async_recursion as boxed;
use std::collections::BTreeMap;
use std::sync::{Arc, OnceLock, RwLock};

use cardine_engine::{Engine, EngineError, RequestContext};
use cardine_model::{Issue, path};
use cardine_plugin_host::{
    CallCount, DeniedServices, HostServices, LoadError, LoadedPlugin, Manifest, Package, PackageError, PluginHost,
};
use cardine_store::platform::events::{NewAudit, insert_audit};
use cardine_store::platform::plugins::{PluginRow, load_package, load_plugins, save_plugin};
use cardine_store::{ReadTx, Store, WriteTx};
use serde_json::{Value as Json, json};

use crate::granted::{Grant, Granted, misfits};

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
#[derive(Debug, Clone, PartialEq)]
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
        let loaded = self.load_granted(&package, &row.grants).await?;
        Ok(GrantedPlugin { settings: row.settings.clone(), ..loaded })
    }

    /// Does all of an installation but storing it.
    #[boxed]
    pub async fn check(&self, engine: &Engine, bytes: &[u8], grant: &Grant) -> Result<InstalledPlugin, InstallError> {
        self.prepare(engine, bytes, grant).await.map(|plugin| describe(&plugin))
    }

    /// What is to be installed, if it fits the modules and what it is granted.
    async fn prepare(&self, engine: &Engine, bytes: &[u8], grant: &Grant) -> Result<GrantedPlugin, InstallError> {
        let manifest = Package::read(bytes)?;
        let manifest = manifest.manifest();
        let grants = match grant {
            Grant::These(grants) => grants.clone(),
            Grant::AllThatItAsksFor => permissions(manifest),
            Grant::AsBefore => {
                self.read().get(manifest.name()).map_or_else(|| json!({}), |installed| installed.grants.clone())
            }
        };
        let loaded = self.load_granted(bytes, &grants).await?;
        let issues = misfits(loaded.plugin.manifest(), &loaded.granted, &engine.snapshot().catalog);
        if issues.is_empty() { Ok(loaded) } else { Err(EngineError::Validation(issues).into()) }
    }

    async fn load_granted(&self, bytes: &[u8], grants: &Json) -> Result<GrantedPlugin, InstallError> {
        let package = Package::read(bytes)?;
        let granted = Granted::parse(package.manifest(), grants).map_err(EngineError::Validation)?;
        let plugin = self.host.load(&package).await?;
        Ok(GrantedPlugin { plugin, granted: Arc::new(granted), settings: json!({}), grants: grants.clone() })
    }

    /// Installs a package, in place of one of the same name: checked, compiled, stored, and callable when this returns.
    #[boxed]
    pub async fn install(
        &self,
        engine: &Engine,
        ctx: &RequestContext,
        bytes: Vec<u8>,
        grant: Grant,
    ) -> Result<InstalledPlugin, InstallError> {
        if !ctx.actor.rights.administrator {
            return Err(EngineError::Forbidden("only administrators may install plugins".to_owned()).into());
        }
        let loaded = self.prepare(engine, &bytes, &grant).await?;
        let plugin = &loaded.plugin;
        let row = PluginRow {
            name: plugin.manifest().name().to_owned(),
            version: plugin.manifest().version().to_owned(),
            digest: plugin.digest().to_owned(),
            grants: loaded.grants.clone(),
            active: true,
            settings: json!({}),
        };
        let manifest = plugin.manifest().raw().clone();
        let (actor, now, via, request) = (ctx.actor.user, ctx.now, ctx.via, ctx.request_id);
        let one_at_a_time = self.changing.lock().await;
        let shared = Arc::new((row, manifest, bytes));
        let stored = Arc::clone(&shared);
        engine
            .store()
            .write(move |tx: &mut WriteTx| {
                let shared = Arc::clone(&stored);
                Box::pin(async move {
                    let (row, manifest, bytes) = &*shared;
                    save_plugin(tx, row, manifest, bytes, now).await?;
                    let audit = NewAudit {
                        at: now,
                        actor,
                        on_behalf_of: None,
                        via,
                        action: "INSTALLED",
                        module: Some("Plugin"),
                        record: None,
                        changes: json!({
                            "name": row.name, "version": row.version, "digest": row.digest, "grant": row.grants,
                        }),
                        request,
                    };
                    insert_audit(tx, &audit).await?;
                    tx.bump_access_epoch().await?;
                    Ok::<_, InstallError>(())
                })
            })
            .await?;
        let installed = describe(&loaded);
        drop(one_at_a_time);
        // With what was set for an earlier version.
        self.reload(engine.store()).await?;
        engine.reload().await?;
        Ok(installed)
    }

    pub(crate) fn read(&self) -> std::sync::RwLockReadGuard<'_, BTreeMap<String, GrantedPlugin>> {
        self.loaded.read().unwrap_or_else(std::sync::PoisonError::into_inner)
    }

    fn write(&self) -> std::sync::RwLockWriteGuard<'_, BTreeMap<String, GrantedPlugin>> {
        self.loaded.write().unwrap_or_else(std::sync::PoisonError::into_inner)
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
    }
}

fn permissions(manifest: &Manifest) -> Json {
    manifest.raw().get("permissions").cloned().unwrap_or_else(|| json!({}))
}

fn function_names(plugin: &LoadedPlugin) -> Vec<String> {
    plugin.manifest().functions().iter().map(|function| function.name.clone()).collect()
}
