//! What each sub-command does, from the command line to the exit code.

mod apply;
mod as_code;
mod database;
mod doctor;
mod export;
mod migrate;
mod plugin;
mod plugin_case_services;
mod plugin_cases;
mod plugin_project;
mod serve;
mod unambiguous_json;
mod user;

use std::process::ExitCode;

use clap::Parser as _;
use tracing_subscriber::EnvFilter;

use crate::cli::{Cli, Command, Plugin, Serve, User};
use crate::config::{Config, ConfigError, gather};

/// As `sysexits` has it: the command was used incorrectly.
const USAGE: u8 = 64;

/// Runs the command line of this process. 0: done; 1: it failed, or `doctor` found faults, or `diff` differences; 2: unknown options (from
/// the command line's parser), or files that `diff` and `apply` cannot use; 64: a configuration that cannot be used.
pub fn run() -> ExitCode {
    if std::env::args_os().nth(1).is_some_and(|argument| argument == cardine_plugin_host::COMPILE_ARGUMENT) {
        // The server started this for itself; it has no options, and no threads before it is bounded.
        return cardine_plugin_host::compile_from_stdin();
    }
    let cli = Cli::parse();
    let command = cli.command.clone().unwrap_or(Command::Serve(Serve::default()));
    let config = match configure(cli) {
        Ok(config) => config,
        Err(error) => {
            eprintln!("cardine: {error}");
            return ExitCode::from(USAGE);
        }
    };
    start_log(&config.log);
    if let Some(Err(fault)) =
        std::env::var(cardine_failpoints::VARIABLE).ok().map(|asked| cardine_failpoints::set(&asked))
    {
        eprintln!("cardine: {}: {fault}", cardine_failpoints::VARIABLE);
        return ExitCode::from(USAGE);
    }
    let runtime = tokio::runtime::Runtime::new().expect("the operating system gives threads");
    match runtime.block_on(run_command(command, config)) {
        Ok(code) => code,
        Err(error) => {
            eprintln!("cardine: {error:#}");
            ExitCode::FAILURE
        }
    }
}

async fn run_command(command: Command, config: Config) -> anyhow::Result<ExitCode> {
    match command {
        Command::Serve(options) => serve::serve(config, options).await,
        Command::Migrate => migrate::migrate(&config).await,
        Command::Export(options) => export::export(&config, &options).await,
        Command::Diff(options) => Ok(apply::diff(&config, &options).await),
        Command::Apply(options) => apply::apply(&config, &options).await,
        Command::Doctor(options) => doctor::doctor(&config, options).await,
        Command::Plugin(Plugin::New { name, lang }) => plugin_project::new(&name, lang),
        Command::Plugin(Plugin::Build { folder }) => plugin_project::build(&folder),
        Command::Plugin(Plugin::Key { file }) => plugin::key(&file),
        Command::Plugin(Plugin::Sign { file, key }) => plugin::sign(&file, &key),
        Command::Plugin(Plugin::Test { file, cases }) => plugin::test(&config, &file, &cases).await,
        Command::Plugin(Plugin::Check { file }) => plugin::check(&config, &file).await,
        Command::Plugin(Plugin::Install { file, grant_all }) => plugin::install(&config, &file, grant_all).await,
        Command::User(User::Add { email, role, name }) => user::add(&config, email, role, name).await,
    }
}

fn configure(cli: Cli) -> Result<Config, ConfigError> {
    let variables = std::env::vars_os()
        .map(|(name, value)| (name.to_string_lossy().into_owned(), value.to_string_lossy().into_owned()));
    let (settings, admin) = gather(cli.settings, variables, cli.config.as_deref())?;
    Config::resolve(settings, admin)
}

/// Standard error, so that standard output holds the announcements alone.
fn start_log(filter: &str) {
    let filter = EnvFilter::builder().parse_lossy(filter);
    tracing_subscriber::fmt()
        .with_env_filter(filter)
        .with_writer(std::io::stderr)
        // It would be told on standard error as well, which panics where that is what can't be written: on a full disk.
        .log_internal_errors(false)
        .with_ansi(std::io::IsTerminal::is_terminal(&std::io::stderr()))
        .init();
}
