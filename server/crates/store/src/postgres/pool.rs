//! The connections to one PostgreSQL database, each with the statements that are prepared on it.

use async_recursion::async_recursion as boxed;
use std::sync::Arc;
use std::time::Duration;

use deadpool::Runtime;
use deadpool::managed::{self, Metrics, Object, PoolConfig, QueueMode, RecycleError, RecycleResult, Timeouts};
use quick_cache::unsync::Cache;
use tokio::task::JoinHandle;
use tokio_postgres::{Client, Config, NoTls, Statement};

use super::error::translate;
use super::session::Planning;
use crate::error::cause;
use crate::{Options, StoreError};

/// What every session sets. It writes only where it says so. Plans are made for the values at hand ([`Planning::Custom`]). Statements with many formulas and rollups look dear to the planner, which would then
/// compile them for longer than they run: JIT is off. Workers for one statement cost a
/// sixth more processor time, and where many ask there are not enough of them: other processors are for other requests. A transaction that this process forgets, as when it is stopped by a debugger, ends
/// after a minute, so that it does not hold its locks for ever.
const SESSION_SETTINGS: &str = "-c TimeZone=UTC -c default_transaction_read_only=on -c plan_cache_mode=force_custom_plan -c jit=off -c max_parallel_workers_per_gather=0 -c idle_in_transaction_session_timeout=60000";

/// Connections that are kept free: a change of modules has one, and what it loads beside it another.
const KEPT_FREE: usize = 2;

/// The oldest server that is supported, as `server_version_num` tells it.
const OLDEST_VERSION: i32 = 140_000;

/// A connection of the pool.
pub(super) type Pooled = Object<Manager>;

/// The pool.
#[derive(Clone)]
pub(crate) struct Pool {
    connections: managed::Pool<Manager>,
    /// How long a change of tables waits for a lock, try by try.
    lock_waits: Arc<[Duration]>,
}

impl Pool {
    /// Makes the pool, and one connection to see that the server is there and fit.
    #[boxed]
    pub(crate) async fn open(url: &str, options: &Options) -> Result<Self, StoreError> {
        let pool = Self::of(url, options, options.postgres_connections)?;
        pool.check_server().await?;
        Ok(pool)
    }

    /// The connections for what others wait for, beside those of everybody. None is made before it is needed.
    pub(crate) fn kept_free(url: &str, options: &Options) -> Result<Self, StoreError> {
        Self::of(url, options, KEPT_FREE)
    }

    fn of(url: &str, options: &Options, connections: usize) -> Result<Self, StoreError> {
        let mut config: Config =
            url.parse().map_err(|_| StoreError::Setting("the URL of PostgreSQL cannot be read".to_owned()))?;
        if config.get_ssl_mode() == tokio_postgres::config::SslMode::Require {
            let message = "sslmode=require is not supported: use a local socket, a private network or a TLS tunnel";
            return Err(StoreError::Setting(message.to_owned()));
        }
        let own = config.get_options().unwrap_or_default().to_owned();
        config.options(format!("{SESSION_SETTINGS} {own}").trim());
        config.connect_timeout(options.connect_timeout);
        if config.get_application_name().is_none() {
            config.application_name("cardine");
        }
        let manager = Manager { config, statements: options.statement_cache_size };
        let pool_config = PoolConfig {
            max_size: connections.max(1),
            timeouts: Timeouts {
                wait: Some(options.queue_timeout),
                create: Some(options.connect_timeout),
                recycle: None,
            },
            // The connection used last has the most statements prepared.
            queue_mode: QueueMode::Lifo,
        };
        let pool = managed::Pool::builder(manager).config(pool_config).runtime(Runtime::Tokio1).build();
        let connections = pool.map_err(|error| StoreError::internal(error.to_string()))?;
        Ok(Self { connections, lock_waits: Arc::clone(&options.lock_waits) })
    }

    /// A connection that nobody else uses.
    #[boxed]
    pub(super) async fn get(&self) -> Result<Pooled, StoreError> {
        self.connections.get().await.map_err(|error| match error {
            managed::PoolError::Backend(error) => translate(error),
            other => StoreError::Unavailable(cause(format!("no connection from the pool: {other}"))),
        })
    }

    /// Closes what is not in use, and the rest when it is given back.
    pub(crate) fn close(&self) {
        self.connections.close();
    }

    /// How long a change of tables waits for a lock, try by try.
    pub(super) fn lock_waits(&self) -> Arc<[Duration]> {
        Arc::clone(&self.lock_waits)
    }

    async fn check_server(&self) -> Result<(), StoreError> {
        let connection = self.get().await?;
        let text = "SELECT current_setting('server_version_num')::int, current_setting('server_encoding')";
        let row = connection.client.query_one(text, &[]).await.map_err(translate)?;
        let (version, encoding): (i32, String) = (row.get(0), row.get(1));
        if version < OLDEST_VERSION {
            return Err(StoreError::Setting(format!(
                "PostgreSQL {} is too old: it must be 14 or newer",
                version / 10_000
            )));
        }
        if encoding != "UTF8" {
            return Err(StoreError::Setting(format!(
                "the PostgreSQL database has the encoding {encoding}: it must be UTF8"
            )));
        }
        Ok(())
    }
}

/// Makes connections.
pub(super) struct Manager {
    config: Config,
    statements: usize,
}

/// A connection, and the statements prepared on it; those used least are closed when there are too many.
pub(super) struct Connection {
    pub(super) client: Client,
    pub(super) statements: Cache<String, Statement>,
    /// How the session plans; `None` if that is not known.
    pub(super) planning: Option<Planning>,
    driver: JoinHandle<()>,
}

impl managed::Manager for Manager {
    type Type = Connection;
    type Error = tokio_postgres::Error;

    async fn create(&self) -> Result<Connection, tokio_postgres::Error> {
        let (client, connection) = self.config.connect(NoTls).await?;
        let driver = tokio::spawn(async move {
            if let Err(error) = connection.await {
                tracing::warn!(error = ?Arc::new(error), "a connection to PostgreSQL was lost");
            }
        });
        let statements = Cache::new(self.statements.max(1));
        Ok(Connection { client, statements, planning: Some(Planning::Custom), driver })
    }

    async fn recycle(&self, connection: &mut Connection, _: &Metrics) -> RecycleResult<tokio_postgres::Error> {
        // Asking the server would cost a round trip per request; a session starts again on another connection if this one turns out to be dead.
        if connection.client.is_closed() {
            return Err(RecycleError::message("closed"));
        }
        Ok(())
    }
}

impl Drop for Connection {
    fn drop(&mut self) {
        self.driver.abort();
    }
}
