//! `cardine user add`: makes a user from the command line, with the password from standard input.

use std::io::{BufRead as _, IsTerminal as _};
use std::process::ExitCode;

use anyhow::Context as _;
use cardine_engine::Engine;
use cardine_engine::identity::{ChangedBy, NewUser};
use chrono::Utc;

use super::database;
use crate::config::Config;
use cardine_auth::password::Passwords;

/// Runs it. A running server of the same database knows the user within a second.
pub async fn add(config: &Config, email: String, role: String, name: Option<String>) -> anyhow::Result<ExitCode> {
    if std::io::stdin().is_terminal() {
        eprint!("Password for {email} (it will be visible): ");
    }
    let mut password = String::new();
    std::io::stdin().lock().read_line(&mut password).context("standard input cannot be read")?;
    let password_hash = Passwords::new().hash(password.trim_end_matches(['\r', '\n'])).await?;
    let store = database::open_beside(config).await?;
    store.migrate().await.context("the platform's tables could not be brought up to date")?;
    let engine = Engine::open(store.clone()).await.context("the modules could not be loaded")?;
    let password_hash = Some(password_hash);
    let new = NewUser { email, name, role, password_hash, locale: None, time_zone: None };
    let by = ChangedBy::system("command line", Utc::now());
    let made = engine.create_user(by, new).await;
    drop(engine);
    store.shutdown().await;
    println!("{}", made?);
    Ok(ExitCode::SUCCESS)
}
