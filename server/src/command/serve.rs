//! `cardine serve`: from an empty folder to a running server, and its orderly end.

use std::io::Write as _;
use std::process::ExitCode;
use std::sync::Arc;
use std::time::Duration;

use anyhow::Context as _;
use cardine_engine::Engine;
use cardine_engine::events::EventMatcherLoader;
use cardine_engine::identity::ChangedBy;
use cardine_graphql::Front;
use cardine_graphql::cursor::CursorKey;
use cardine_workflow::{WebhookKey, WorkflowLoader, run_workflows};
use chrono::Utc;
use poem::Server;
use poem::listener::TcpAcceptor;
use tokio::net::TcpListener;
use tokio::signal::unix::{SignalKind, signal};
use tokio::sync::watch;

use super::{database, plugin};
use crate::app::App;
use crate::cli::Serve;
use crate::config::{Config, FirstAdmin};
use crate::demo;
use crate::http::acceptor::ClosesSilent;
use crate::http::routes;
use crate::http::setup::Setup;
use crate::mail::Mailer;
use crate::plugin::{PluginHooksLoader, PluginServices, Provider};
use cardine_auth::password::Passwords;
use cardine_auth::secret::Secret;

/// How long requests may go on after the signal to end.
const DRAIN: Duration = Duration::from_secs(30);
/// How long connections that last may take to end after that.
const FAREWELL: Duration = Duration::from_secs(5);
/// How long a connection may be silent.
const IDLE: Duration = Duration::from_secs(75);

/// Runs until a signal ends it.
pub async fn serve(config: Config, options: Serve) -> anyhow::Result<ExitCode> {
    // Before anything else is done, so that a signal during a long start ends in order too.
    let ended = end_signal()?;
    let store = database::open(&config).await?;
    store.migrate().await.context("the platform's tables could not be brought up to date")?;
    let engine = Engine::open(store.clone()).await.context("the modules could not be loaded")?;
    engine.set_retention(config.retention);
    engine.set_job_rows(config.job_rows);
    engine.set_files(database::open_files(&config)?);
    if options.demo {
        demo::load(&engine).await.context("the demo company's data could not be loaded")?;
    }
    let plugins = plugin::open_plugins(&config, &store).await?;
    let loader: Arc<dyn EventMatcherLoader> = Arc::new(WorkflowLoader);
    engine.set_matcher_loader(loader).await.context("the workflows could not be loaded")?;
    let hooks = PluginHooksLoader::new(plugins.clone());
    engine.set_hooks_loader(Arc::new(hooks)).await.context("the hooks of plugins could not be loaded")?;
    let (setup, setup_secret) = prepare_administrator(&engine, config.first_admin.as_ref()).await?;
    let secret = engine.shared_secret("cursor_key").await.context("the key of cursors could not be read")?;
    let front = Front::new(config.limits.clone(), CursorKey::new(&secret));
    let webhook_secret = engine.shared_secret("webhook_key").await.context("the key of webhooks could not be read")?;
    let webhook_key = WebhookKey::new(&webhook_secret);
    let listener = TcpListener::bind(config.listen)
        .await
        .with_context(|| format!("cannot listen on {}: choose another address by --listen", config.listen))?;
    let address = listener.local_addr().context("the address listened on is not known")?;
    let app = Arc::new(App::new(engine.clone(), front, plugins.clone(), webhook_key, config, address, setup));
    let services = PluginServices::new(engine.clone(), &app.front, app.outside.egress.clone());
    plugins.set_services(Arc::new(Provider(services)));
    announce(&app, address, setup_secret.as_ref());
    let (stop, stopped) = watch::channel(false);
    let sender = match &app.config.mail {
        None => None,
        Some(server) => Some(Mailer::new(engine.clone(), server, app.public_url.clone(), app.reset_limits())?),
    };
    let sender = sender.map(|mailer| tokio::spawn(mailer.run(stopped.clone())));
    let jobs = engine.run_jobs(stopped.clone());
    let runner = tokio::spawn(run_workflows(engine, app.outside.clone(), stopped));

    let draining = Arc::clone(&app);
    let until = async move {
        ended.await;
        tracing::info!("ending: no new requests, {} s for those that run", DRAIN.as_secs());
        draining.start_draining();
    };
    let acceptor = TcpAcceptor::from_tokio(listener).context("the listener cannot be used")?;
    Server::new_with_acceptor(ClosesSilent::new(acceptor, IDLE))
        .http2_max_concurrent_streams(100)
        .run_with_graceful_shutdown(routes(&app), until, Some(DRAIN))
        .await
        .context("the server failed")?;
    // Their clients are told to go; who does not listen is left.
    if tokio::time::timeout(FAREWELL, app.connections.closed()).await.is_err() {
        tracing::debug!("some connections did not end in time");
    }
    // Runs that have begun a step finish it.
    stop.send_replace(true);
    if tokio::time::timeout(DRAIN, runner).await.is_err() {
        tracing::warn!("a workflow's step did not end in time; it is tried again after the next start");
    }
    // A batch that has begun is undone, and done after the next start.
    if tokio::time::timeout(FAREWELL, jobs).await.is_err() {
        tracing::debug!("a job did not stop in time");
    }
    if let Some(sender) = sender
        && tokio::time::timeout(DRAIN, sender).await.is_err()
    {
        tracing::warn!("a mail server took too long; the mail is tried again after the next start");
    }
    drop(app);
    store.shutdown().await;
    Ok(ExitCode::SUCCESS)
}

/// Makes the first administrator from the environment, or the link that lets a person do it.
async fn prepare_administrator(engine: &Engine, first: Option<&FirstAdmin>) -> anyhow::Result<(Setup, Option<Secret>)> {
    if engine.snapshot().access.has_administrator() {
        return Ok((Setup::default(), None));
    }
    let Some(first) = first else {
        let (setup, secret) = Setup::open();
        return Ok((setup, Some(secret)));
    };
    let hash = Passwords::new().hash(&first.password).await.context("CARDINE_ADMIN_PASSWORD")?;
    let by = ChangedBy::system("environment", Utc::now());
    let made = engine.create_first_administrator(by, &first.email, hash).await;
    made.context("CARDINE_ADMIN_EMAIL: the first administrator could not be made")?;
    Ok((Setup::default(), None))
}

/// What a person and a supervising program need to know. The second line is read by programs: its words are fixed.
fn announce(app: &App, address: std::net::SocketAddr, setup: Option<&Secret>) {
    let url = &app.public_url;
    let mut text = format!("Cardine {}\nlistening on http://{address}\n", env!("CARGO_PKG_VERSION"));
    for (what, path) in [("records", "graphql"), ("administration", "admin/graphql"), ("health", "health/ready")] {
        text.push_str(&format!("  {what:<15} {url}{path}\n"));
    }
    if let Some(secret) = setup {
        text.push_str(&format!(
            "There is no administrator yet. Within an hour, make the first one at\n  {url}setup?token={}\n",
            secret.reveal()
        ));
    }
    let mut output = std::io::stdout().lock();
    // Who closed our output does not want to know; the server goes on.
    let _ = output.write_all(text.as_bytes()).and_then(|()| output.flush());
}

/// Completes at the first `SIGTERM` or `SIGINT`. The second one ends the process as if there were no handler.
fn end_signal() -> anyhow::Result<impl Future<Output = ()>> {
    let mut terminate = signal(SignalKind::terminate()).context("signals cannot be received")?;
    let mut interrupt = signal(SignalKind::interrupt()).context("signals cannot be received")?;
    Ok(async move {
        tokio::select! {
            _ = terminate.recv() => {}
            _ = interrupt.recv() => {}
        }
        tokio::spawn(async move {
            tokio::select! {
                _ = terminate.recv() => {}
                _ = interrupt.recv() => {}
            }
            std::process::exit(130);
        });
    })
}
