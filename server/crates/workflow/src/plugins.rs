//! Installed plugins: packages in the database, compiled code in memory.

use async_recursion::async_recursion as boxed;
use std::collections::BTreeMap;
use std::sync::{Arc, RwLock};

use cardine_engine::{Engine, EngineError, RequestContext};
use cardine_model::{Issue, path};
use cardine_plugin_host::{LoadError, LoadedPlugin, Package, PackageError, PluginHost};
use cardine_store::platform::events::{NewAudit, insert_audit};
use cardine_store::platform::plugins::{PluginRow, load_package, load_plugins, save_plugin};
use cardine_store::{ReadTx, Store, WriteTx};
use serde_json::{Value as Json, json};

/// The plugins that this process can call. Cheap to clone.
#[derive(Clone)]
pub struct Plugins {
    host: PluginHost,
    loaded: Arc<RwLock<BTreeMap<String, LoadedPlugin>>>,
    /// One at a time: what was read before an installation must not undo it.
    changing: Arc<tokio::sync::Mutex<()>>,
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
        Self { host, loaded: Arc::default(), changing: Arc::default() }
    }

    /// The plugin of this name.
    pub fn get(&self, name: &str) -> Option<LoadedPlugin> {
        self.read().get(name).cloned()
    }

    /// The names of a plugin's functions; `None` if it is not installed.
    pub fn functions(&self, name: &str) -> Option<Vec<String>> {
        self.read().get(name).map(function_names)
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
            let same =
                |plugin: &LoadedPlugin| plugin.digest() == row.digest && plugin.manifest().version() == row.version;
            if self.get(&row.name).is_some_and(|plugin| same(&plugin)) {
                continue;
            }
            match self.load(store, row).await {
                Ok(plugin) => {
                    self.write().insert(row.name.clone(), plugin);
                }
                Err(error) => tracing::error!(plugin = row.name, %error, "this plugin can't be loaded"),
            }
        }
        self.write().retain(|name, _| rows.iter().any(|row| row.active && row.name == *name));
        Ok(())
    }

    async fn load(&self, store: &Store, row: &PluginRow) -> Result<LoadedPlugin, InstallError> {
        let name = row.name.clone();
        let package = store
            .read(move |tx: &mut ReadTx| Box::pin(async move { Ok::<_, InstallError>(load_package(tx, &name).await?) }))
            .await?;
        let package = Package::read(&package.ok_or(EngineError::NotFound)?)?;
        Ok(self.host.load(&package).await?)
    }

    /// Does all of an installation but storing it.
    #[boxed]
    pub async fn check(&self, bytes: &[u8], grants: &Json) -> Result<InstalledPlugin, InstallError> {
        self.load_granted(bytes, grants).await.map(|plugin| describe(&plugin))
    }

    async fn load_granted(&self, bytes: &[u8], grants: &Json) -> Result<LoadedPlugin, InstallError> {
        if grants.as_object().is_none_or(|grants| !grants.is_empty()) {
            // Better none than one that looks as if it were in force.
            let message = "plugins get no capabilities yet, so there is nothing to grant: leave `grant` out";
            let issue = Issue::new(path!["grant"], "notAvailable", message);
            return Err(EngineError::Validation(vec![issue]).into());
        }
        let package = Package::read(bytes)?;
        Ok(self.host.load(&package).await?)
    }

    /// Installs a package, in place of one of the same name: checked, compiled, stored, and callable when this returns.
    #[boxed]
    pub async fn install(
        &self,
        engine: &Engine,
        ctx: &RequestContext,
        bytes: Vec<u8>,
        grants: Json,
    ) -> Result<InstalledPlugin, InstallError> {
        if !ctx.actor.rights.administrator {
            return Err(EngineError::Forbidden("only administrators may install plugins".to_owned()).into());
        }
        let plugin = self.load_granted(&bytes, &grants).await?;
        let row = PluginRow {
            name: plugin.manifest().name().to_owned(),
            version: plugin.manifest().version().to_owned(),
            digest: plugin.digest().to_owned(),
            grants,
            active: true,
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
                        changes: json!({"name": row.name, "version": row.version, "digest": row.digest}),
                        request,
                    };
                    insert_audit(tx, &audit).await?;
                    tx.bump_access_epoch().await?;
                    Ok::<_, InstallError>(())
                })
            })
            .await?;
        let installed = describe(&plugin);
        self.write().insert(shared.0.name.clone(), plugin);
        drop(one_at_a_time);
        engine.reload().await?;
        Ok(installed)
    }

    fn read(&self) -> std::sync::RwLockReadGuard<'_, BTreeMap<String, LoadedPlugin>> {
        self.loaded.read().unwrap_or_else(std::sync::PoisonError::into_inner)
    }

    fn write(&self) -> std::sync::RwLockWriteGuard<'_, BTreeMap<String, LoadedPlugin>> {
        self.loaded.write().unwrap_or_else(std::sync::PoisonError::into_inner)
    }
}

fn describe(plugin: &LoadedPlugin) -> InstalledPlugin {
    InstalledPlugin {
        name: plugin.manifest().name().to_owned(),
        version: plugin.manifest().version().to_owned(),
        title: plugin.manifest().title().to_owned(),
        digest: plugin.digest().to_owned(),
        functions: function_names(plugin),
    }
}

fn function_names(plugin: &LoadedPlugin) -> Vec<String> {
    plugin.manifest().functions().iter().map(|function| function.name.clone()).collect()
}
