//! What every request handler shares: the engine, the configuration, and what authentication and metrics keep in memory.

use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use cardine_admin::{Administered, Administration};
use cardine_auth::Auth;
use cardine_egress::Egress;
use cardine_engine::Engine;
use cardine_engine::identity::ResetLimits;
use cardine_graphql::{Front, Subscriptions};
use cardine_workflow::{Outside, Plugins, WebhookKey};
use url::Url;

use crate::config::Config;
use crate::http::connections::Connections;
use crate::http::context_of;
use crate::http::metrics::Metrics;
use crate::http::plugin_routes::RouteCounts;
use crate::http::setup::Setup;

/// One running server.
pub struct App {
    /// The use cases.
    pub engine: Engine,
    /// The records API.
    pub front: Front,
    /// What clients follow.
    pub subscriptions: Subscriptions,
    /// Connections that last.
    pub connections: Arc<Connections>,
    /// What steps of workflows use beside the database: installed plugins, requests to others.
    pub outside: Outside,
    /// Read once at the start.
    pub config: Config,
    /// What links begin with; ends with a slash.
    pub public_url: Url,
    /// Passwords, tokens, back-off.
    pub auth: Arc<Auth>,
    /// The page that makes the first administrator.
    pub setup: Setup,
    /// Counters.
    pub metrics: Metrics,
    /// Requests that plugins answer.
    pub route_counts: RouteCounts,
    /// What `/admin/graphql` answers.
    pub administration: Administration,
    draining: AtomicBool,
}

impl App {
    /// For a server that listens on `address`.
    pub fn new(
        engine: Engine,
        front: Front,
        plugins: Plugins,
        webhook_key: WebhookKey,
        config: Config,
        address: SocketAddr,
        setup: Setup,
    ) -> Self {
        let public_url = config
            .public_url
            .clone()
            .unwrap_or_else(|| Url::parse(&format!("http://{address}/")).expect("an address and port make a URL"));
        let files = public_url.join("files/").expect("a path can be joined to a URL");
        let front = Front { files: Arc::from(files.as_str()), ..front };
        let outside = Outside {
            plugins,
            egress: Egress::new(config.inner_hosts.clone()),
            webhook_key,
            sends_mail: config.mail.is_some(),
            runs_kept_for: config.run_retention,
            counters: Arc::default(),
        };
        let auth = Arc::new(Auth::new());
        let administered = Administered {
            engine: engine.clone(),
            auth: Arc::clone(&auth),
            outside: outside.clone(),
            public_url: public_url.clone(),
        };
        let contexts = engine.clone();
        let contexts = Box::new(move |identity: &_| context_of(&contexts, identity));
        Self {
            subscriptions: Subscriptions::new(front.clone(), engine.clone(), contexts),
            connections: Connections::new(&front.limits, engine.clone()),
            engine,
            front,
            administration: Administration::new(administered),
            outside,
            config,
            public_url,
            auth,
            setup,
            metrics: Metrics::default(),
            route_counts: RouteCounts::default(),
            draining: AtomicBool::new(false),
        }
    }

    /// From now on `/health/ready` says no, so that a load balancer sends nothing more, and connections that last are ended.
    pub fn start_draining(&self) {
        self.draining.store(true, Ordering::Relaxed);
        self.connections.drain();
    }

    /// How many resets of passwords may be asked for.
    pub fn reset_limits(&self) -> ResetLimits {
        let limits = &self.front.limits;
        ResetLimits { per_user: limits.resets_per_user, per_network: limits.resets_per_network }
    }

    /// Whether the server is about to end.
    pub fn is_draining(&self) -> bool {
        self.draining.load(Ordering::Relaxed)
    }
}
