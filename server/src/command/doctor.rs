//! `cardine doctor`: looks at database, tables and data folder, and tells what it finds; it changes nothing unless asked to.

use std::process::ExitCode;

use cardine_engine::Engine;
use cardine_store::platform::condition::{fetch_integrity_faults, fetch_version};
use cardine_store::{DatabaseUrl, Dialect, FileStore, FilesUrl, Store, StoreError};

use super::database;
use crate::cli::Doctor;
use crate::config::Config;

/// Most files that are told of one by one.
const FILES_TOLD_MAX: usize = 20;

/// Most records that are told of one by one.
const RECORDS_TOLD_MAX: usize = 10;

/// What was looked at, and what is wrong with it.
struct Report {
    faults: usize,
}

impl Report {
    fn good(&mut self, what: &str) {
        println!("ok     {what}");
    }

    fn fault(&mut self, what: &str) {
        self.faults += 1;
        println!("FAULT  {what}");
    }
}

/// Runs it. 0 if nothing is wrong, else 1.
pub async fn doctor(config: &Config, options: Doctor) -> anyhow::Result<ExitCode> {
    println!("Cardine {}", env!("CARGO_PKG_VERSION"));
    let mut report = Report { faults: 0 };
    check_data_folder(config, &mut report);
    if let Some(store) = check_reachable(config, &mut report).await {
        check_database(config, options, &store, &mut report).await;
        store.shutdown().await;
    }
    match report.faults {
        0 => println!("Nothing is wrong."),
        1 => println!("1 fault."),
        count => println!("{count} faults."),
    }
    Ok(if report.faults == 0 { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

fn check_data_folder(config: &Config, report: &mut Report) {
    let folder = config.data.display();
    let Ok(metadata) = std::fs::metadata(&config.data) else {
        return report.fault(&format!("the data folder {folder} is not there; `cardine serve` makes it"));
    };
    #[cfg(unix)]
    {
        use std::os::unix::fs::PermissionsExt as _;
        if metadata.permissions().mode() & 0o077 != 0 {
            return report.fault(&format!("others may look into the data folder {folder}: chmod 700 {folder}"));
        }
    }
    if metadata.is_dir() {
        report.good(&format!("the data folder {folder} is its owner's alone"));
    } else {
        report.fault(&format!("{folder} is a file, not a folder"));
    }
}

async fn check_reachable(config: &Config, report: &mut Report) -> Option<Store> {
    if let DatabaseUrl::Sqlite(path) = &config.database
        && !path.exists()
    {
        report.fault(&format!("the database {} is not there; `cardine migrate` makes it", path.display()));
        return None;
    }
    match database::open_existing_beside(config).await {
        Ok(store) => Some(store),
        Err(error) => {
            report.fault(&format!("{error:#}"));
            None
        }
    }
}

async fn check_database(config: &Config, options: Doctor, store: &Store, report: &mut Report) {
    let version = store.read(|tx| Box::pin(fetch_version(tx))).await;
    match version {
        Ok(version) => report.good(&format!("the database answers: {version}")),
        Err(error) => return report.fault(&format!("the database does not answer: {error}")),
    }
    if store.dialect() == Dialect::Sqlite {
        match store.read(|tx| Box::pin(fetch_integrity_faults(tx))).await {
            Ok(faults) if faults.is_empty() => report.good("SQLite's integrity check finds nothing"),
            Ok(faults) => faults.iter().for_each(|fault| report.fault(&format!("SQLite's integrity check: {fault}"))),
            Err(error) => report.fault(&format!("SQLite's integrity check failed: {error}")),
        }
    }
    let state: Result<_, StoreError> = store.read(|tx| Box::pin(tx.state())).await;
    if !state.is_ok_and(|state| state.catalog_version > 0) {
        return report.fault("the platform's tables are not there; `cardine migrate` makes them");
    }
    let engine = match Engine::open(store.clone()).await {
        Ok(engine) => engine,
        Err(error) => {
            return report.fault(&format!("the modules cannot be loaded ({error}); `cardine migrate` may help"));
        }
    };
    let snapshot = engine.snapshot();
    report.good(&format!("version {} of {} modules", snapshot.catalog.version, snapshot.catalog.modules.len()));
    engine.unserved_modules().iter().for_each(|told| report.fault(told));
    match engine.check_tables().await {
        Ok(differences) if differences.is_empty() => report.good("the tables are as the modules say"),
        Ok(differences) => differences.iter().for_each(|difference| report.fault(difference)),
        Err(error) => report.fault(&format!("the tables cannot be compared with the modules: {error}")),
    }
    check_rollups(&engine, options, report).await;
    check_files(config, &engine, report).await;
    if snapshot.access.has_administrator() {
        report.good("there is an administrator who may sign in");
    } else {
        report.fault("there is no administrator who may sign in: `cardine user add EMAIL --role administrator`");
    }
}

/// A stored rollup that differs was changed past Cardine, or by a fault of it.
async fn check_rollups(engine: &Engine, options: Doctor, report: &mut Report) {
    if options.recompute_rollups {
        match engine.recompute_rollups().await {
            Ok(count) => report.good(&format!("{count} values of stored rollups were computed anew")),
            Err(error) => report.fault(&format!("the stored rollups cannot be computed: {error}")),
        }
    }
    match engine.check_rollups().await {
        Ok(found) if found.is_empty() => report.good("the stored rollups are what they should be"),
        Ok(found) => {
            for differing in found {
                let some: Vec<String> =
                    differing.records.iter().take(RECORDS_TOLD_MAX).map(ToString::to_string).collect();
                let least = if differing.more { "more than " } else { "" };
                report.fault(&format!(
                    "{}.{} of {least}{} records is not what it should be: `cardine doctor --recompute-rollups` computes it; records {}{}",
                    differing.module,
                    differing.field,
                    differing.records.len(),
                    some.join(", "),
                    if differing.records.len() > some.len() { ", …" } else { "" }
                ));
            }
        }
        Err(error) => report.fault(&format!("the stored rollups cannot be compared: {error}")),
    }
}

/// Rows without contents are lost files. Contents without rows are of uploads that were broken off: the server removes them.
async fn check_files(config: &Config, engine: &Engine, report: &mut Report) {
    // The folder is made with the first start: opening it would make it.
    let is_there = !matches!(&config.files, FilesUrl::Folder(folder) if !folder.exists());
    let files = is_there.then(|| FileStore::open(&config.files)).transpose();
    let found = match files {
        Ok(files) => engine.check_files(files.as_ref()).await.map_err(|error| error.to_string()),
        Err(error) => Err(error.to_string()),
    };
    match found {
        Err(error) => report.fault(&format!("the contents of files cannot be looked at: {error}")),
        Ok(found) => {
            if found.without_content.is_empty() {
                report.good(&format!("{} files have their contents", found.sound));
            }
            for file in found.without_content.iter().take(FILES_TOLD_MAX) {
                report.fault(&format!(
                    "the file {file} has no content, or one of another size; restore it from a backup"
                ));
            }
            let untold = found.without_content.len().saturating_sub(FILES_TOLD_MAX);
            if untold > 0 {
                report.fault(&format!("{untold} more files have no content"));
            }
            if !found.without_row.is_empty() {
                let count = found.without_row.len();
                report.good(&format!("{count} contents of broken uploads wait to be removed by the server"));
            }
        }
    }
}
