//! `cardine export DIR`: writes all definitions as files.

use std::process::ExitCode;

use super::as_code::{Opened, write};
use crate::cli::Export;
use crate::config::Config;

/// Runs it.
pub async fn export(config: &Config, options: &Export) -> anyhow::Result<ExitCode> {
    let opened = Opened::existing(config).await?;
    let definitions = opened.engine.definitions(&opened.request).await;
    opened.close().await;
    let definitions = definitions?;
    let others = write(&options.folder, &definitions.documents, options.prune)?;
    println!("{} definitions are in {}.", definitions.documents.len(), options.folder.display());
    for left_out in &definitions.left_out {
        println!("{left_out}");
    }
    for file in &others {
        match options.prune {
            true => println!("{file} is removed: the database has no such thing"),
            false => println!("{file} is of nothing in the database; --prune removes it"),
        }
    }
    Ok(ExitCode::SUCCESS)
}
