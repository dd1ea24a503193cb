//! What plugins get of the server while they run: each thing as far as it was granted, and counted.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};

use cardine_access::Rights;
use cardine_egress::Egress;
use cardine_engine::Engine;
use cardine_graphql::Front;
use cardine_graphql::plans::Plans;
use cardine_model::Catalog;
use cardine_plugin_host::port::{Change, Entry, HostError, HttpError, Operation, Request, Response, RunAs, StateError};
use cardine_plugin_host::{Answer, CallContext, HostServices};
use cardine_workflow::{Granted, GrantedPlugin, ServiceProvider};
use serde_json::Value as Json;

use super::{emitting, http, records, state};

/// Rows that one of a plugin's requests may fetch by its page sizes: it has less than people have.
const ROWS_MAX: u64 = 10_000;

/// Provides to all plugins of this process.
pub struct PluginServices {
    pub(super) engine: Engine,
    pub(super) front: Front,
    pub(super) egress: Egress,
    rights: Mutex<BTreeMap<String, OwnRights>>,
}

/// A plugin's rights over one catalog. They are kept because compiled requests are kept by them.
struct OwnRights {
    granted: Arc<Granted>,
    rights: Arc<Rights>,
}

impl PluginServices {
    /// Over the parts of this server.
    pub fn new(engine: Engine, front: &Front, egress: Egress) -> Arc<Self> {
        let mut front = front.clone();
        front.limits.rows = front.limits.rows.min(ROWS_MAX);
        // What is compiled for plugins must not push out what is compiled for people.
        front.plans = Arc::new(Plans::default());
        Arc::new(Self { engine, front, egress, rights: Mutex::default() })
    }

    /// The rights of a plugin's own role. It stands in no tree of roles and owns nothing: it reaches all records of the modules that
    /// it was granted, and of them the granted fields.
    pub(super) fn rights(&self, plugin: &GrantedPlugin, catalog: &Catalog) -> Arc<Rights> {
        let mut known = self.rights.lock().expect("nobody panics while resolving rights");
        let name = plugin.plugin.manifest().name();
        if let Some(own) = known.get(name)
            && Arc::ptr_eq(&own.granted, &plugin.granted)
            && own.rights.catalog_version == catalog.version
        {
            return Arc::clone(&own.rights);
        }
        let rights = Arc::new(plugin.granted.rights(catalog).over_all_records());
        let own = OwnRights { granted: Arc::clone(&plugin.granted), rights: Arc::clone(&rights) };
        known.insert(name.to_owned(), own);
        rights
    }
}

/// The door by which the host of plugins comes here.
pub struct Provider(pub Arc<PluginServices>);

impl ServiceProvider for Provider {
    fn for_operation(&self, plugin: &GrantedPlugin) -> Arc<dyn HostServices> {
        let (server, plugin) = (Arc::clone(&self.0), plugin.clone());
        Arc::new(OfOperation {
            server,
            plugin,
            requests: AtomicUsize::new(0),
            operations: AtomicUsize::new(0),
            events: AtomicUsize::new(0),
        })
    }
}

/// What one operation of one plugin gets.
pub(super) struct OfOperation {
    pub(super) server: Arc<PluginServices>,
    pub(super) plugin: GrantedPlugin,
    requests: AtomicUsize,
    operations: AtomicUsize,
    events: AtomicUsize,
}

impl OfOperation {
    pub(super) fn granted(&self) -> &Granted {
        &self.plugin.granted
    }

    pub(super) fn name(&self) -> &str {
        self.plugin.plugin.manifest().name()
    }

    /// Counts what the plugin sends outside.
    pub(super) fn count_requests(&self, more: usize) -> Result<(), String> {
        count(&self.requests, more, 20, "HTTP requests")
    }

    /// Counts the events that it emits.
    pub(super) fn count_event(&self) -> Result<(), String> {
        count(&self.events, 1, 100, "events")
    }

    /// Counts what it asks of the API.
    pub(super) fn count_operations(&self, more: usize) -> Result<(), String> {
        count(&self.operations, more, 100, "requests of the API")
    }
}

fn count(counter: &AtomicUsize, more: usize, allowed: usize, what: &str) -> Result<(), String> {
    let used = counter.fetch_add(more, Ordering::Relaxed).saturating_add(more);
    if used > allowed {
        Err(format!("an operation of a plugin has {allowed} {what}; this would be {used}"))
    } else {
        Ok(())
    }
}

impl HostServices for OfOperation {
    fn settings(&self) -> Json {
        self.plugin.settings.clone()
    }

    fn execute<'a>(
        &'a self,
        call: &'a CallContext,
        run_as: RunAs,
        operations: Vec<Operation>,
    ) -> Answer<'a, Result<Vec<String>, HostError>> {
        Box::pin(records::execute(self, call, run_as, operations))
    }

    fn fetch_state<'a>(
        &'a self,
        _call: &'a CallContext,
        keys: Vec<String>,
    ) -> Answer<'a, Result<Vec<Option<Entry>>, StateError>> {
        Box::pin(state::fetch(self, keys))
    }

    fn store_state<'a>(
        &'a self,
        _call: &'a CallContext,
        changes: Vec<Change>,
    ) -> Answer<'a, Result<Vec<String>, StateError>> {
        Box::pin(state::store(self, changes))
    }

    fn fetch_state_keys<'a>(
        &'a self,
        _call: &'a CallContext,
        prefix: String,
        after: Option<String>,
        limit: u32,
    ) -> Answer<'a, Result<Vec<String>, StateError>> {
        Box::pin(state::fetch_keys(self, prefix, after, limit))
    }

    fn secret_handle<'a>(&'a self, _call: &'a CallContext, name: String) -> Answer<'a, Result<String, HostError>> {
        Box::pin(std::future::ready(http::secret_handle(self, &name)))
    }

    fn reveal_secret<'a>(&'a self, _call: &'a CallContext, name: String) -> Answer<'a, Result<String, HostError>> {
        Box::pin(http::reveal_secret(self, name))
    }

    fn send_http<'a>(
        &'a self,
        _call: &'a CallContext,
        requests: Vec<Request>,
    ) -> Answer<'a, Vec<Result<Response, HttpError>>> {
        Box::pin(http::send(self, requests))
    }

    fn emit_event<'a>(
        &'a self,
        call: &'a CallContext,
        name: String,
        payload: String,
    ) -> Answer<'a, Result<(), HostError>> {
        Box::pin(emitting::emit(self, call, name, payload))
    }

    fn enqueue<'a>(
        &'a self,
        _call: &'a CallContext,
        _function: String,
        _input: String,
        _delay_ms: f64,
        _key: Option<String>,
    ) -> Answer<'a, Result<String, HostError>> {
        let message = "work is queued by an event: a workflow that waits for it calls the function";
        Box::pin(std::future::ready(Err(HostError::Denied(message.to_owned()))))
    }
}
