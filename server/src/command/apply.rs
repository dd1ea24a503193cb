//! `cardine diff DIR` and `cardine apply DIR`: what files say beside what a database has, told or done.

use std::process::ExitCode;
use std::sync::Arc;

use anyhow::Context as _;
use cardine_engine::EngineError;
use cardine_engine::as_code::{Applied, Difference, Fate, Going, Wanted};
use cardine_engine::events::EventMatcherLoader;
use cardine_model::{Issue, PathSegment};
use cardine_workflow::{WorkflowFiles, WorkflowLoader};

use super::as_code::{FilesRead, Opened, read};
use super::plugin;
use crate::cli::{Apply, FromFiles};
use crate::config::Config;

/// `diff` ends with it where something differs.
const DIFFERENT: u8 = 1;
/// The files cannot be used, or the database.
const FAULTY: u8 = 2;

/// What came of the files.
enum Outcome {
    Applied(Applied),
    Faults(Vec<Issue>),
}

/// Runs `diff`. 0 if nothing differs, 1 if something does, 2 if that cannot be told.
pub async fn diff(config: &Config, options: &FromFiles) -> ExitCode {
    let compared = async {
        let opened = Opened::existing(config).await?;
        run(config, opened, options, true).await
    };
    match compared.await {
        Ok(Outcome::Applied(applied)) => {
            tell(&applied, options);
            if applied.differences.is_empty() { ExitCode::SUCCESS } else { ExitCode::from(DIFFERENT) }
        }
        Ok(Outcome::Faults(faults)) => tell_faults(&faults),
        Err(error) => {
            eprintln!("cardine: {error:#}");
            ExitCode::from(FAULTY)
        }
    }
}

/// Runs `apply`. 0 if the database is as the files say, 2 if they have faults.
pub async fn apply(config: &Config, options: &Apply) -> anyhow::Result<ExitCode> {
    let Apply { files, dry_run } = options;
    let opened = Opened::migrated(config).await?;
    match run(config, opened, files, *dry_run).await? {
        Outcome::Faults(faults) => Ok(tell_faults(&faults)),
        Outcome::Applied(applied) => {
            tell(&applied, files);
            if applied.change.applied {
                println!("Applied: version {} of the definitions.", applied.change.version);
            }
            Ok(ExitCode::SUCCESS)
        }
    }
}

async fn run(config: &Config, opened: Opened, options: &FromFiles, dry_run: bool) -> anyhow::Result<Outcome> {
    let outcome = run_on(config, &opened, options, dry_run).await;
    opened.close().await;
    outcome
}

async fn run_on(config: &Config, opened: &Opened, options: &FromFiles, dry_run: bool) -> anyhow::Result<Outcome> {
    let FilesRead { documents, unread, kinds, mut faults } = read(&options.folder)?;
    let author = match &options.author {
        None => None,
        Some(email) => {
            let known = opened.request.snapshot.access.user_with_email(email);
            Some(known.with_context(|| format!("--author: there is no user with the address {email}"))?.id)
        }
    };
    let plugins = plugin::open_plugins(config, &opened.store).await?;
    let loader: Arc<dyn EventMatcherLoader> = Arc::new(WorkflowLoader);
    opened.engine.set_matcher_loader(loader).await.context("the workflows could not be loaded")?;
    let workflows = Arc::new(WorkflowFiles::new(plugins));
    let wanted =
        Wanted { documents, unread, kinds, prune: options.prune, author, going: Going::default(), beside: None };
    // With files that are no JSON nothing may be changed, but the others' faults are told as well.
    let dry = dry_run || !faults.is_empty();
    match opened.engine.apply_definitions(&opened.request, wanted, workflows, dry).await {
        Ok(applied) if faults.is_empty() => Ok(Outcome::Applied(applied)),
        Ok(_) => Ok(Outcome::Faults(faults)),
        Err(EngineError::Validation(found) | EngineError::Conflict { issues: found, .. }) if !found.is_empty() => {
            faults.extend(found);
            Ok(Outcome::Faults(faults))
        }
        Err(error) => Err(error.into()),
    }
}

fn tell_faults(faults: &[Issue]) -> ExitCode {
    for fault in faults {
        eprintln!("{}", told(fault));
    }
    match faults.len() {
        1 => eprintln!("1 fault; nothing is changed."),
        count => eprintln!("{count} faults; nothing is changed."),
    }
    ExitCode::from(FAULTY)
}

/// `modules/Deal.json: fields[0].type: …`
fn told(issue: &Issue) -> String {
    match issue.path.split_first() {
        Some((PathSegment::Name(file), rest)) => {
            format!("{file}: {}", Issue { path: rest.to_vec(), ..issue.clone() })
        }
        _ => issue.to_string(),
    }
}

fn tell(applied: &Applied, options: &FromFiles) {
    for difference in &applied.differences {
        tell_difference(difference);
    }
    for left in &applied.left {
        match options.prune {
            true => println!("= {left}: it stays"),
            false => println!("= {left}: it stays; --prune takes it away"),
        }
    }
    if !applied.change.statements.is_empty() {
        println!("Statements:");
        for statement in &applied.change.statements {
            println!("  {};", statement.replace('\n', "\n  "));
        }
    }
    if !applied.change.warnings.is_empty() {
        println!("To be known:");
        for warning in &applied.change.warnings {
            println!("  {}", told(warning));
        }
    }
    if applied.differences.is_empty() {
        println!("Nothing differs.");
    }
}

fn tell_difference(difference: &Difference) {
    let (sign, fate, lines): (_, _, &[String]) = match &difference.fate {
        Fate::Created => ('+', "", &[]),
        Fate::Restored(lines) => ('+', ", which was retired", lines),
        Fate::Changed(lines) => ('~', "", lines),
        Fate::Retired => ('-', " is retired", &[]),
        Fate::Removed => ('-', " is removed", &[]),
        Fate::SwitchedOff => ('-', " is switched off", &[]),
    };
    println!("{sign} {} {}{fate}", difference.kind.words(), difference.name);
    for line in lines {
        println!("    {line}");
    }
}
