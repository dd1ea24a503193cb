//! Definitions as files of a folder: one for each thing, in a folder for each kind.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};

use anyhow::Context as _;
use cardine_engine::as_code::{Document, Kind};
use cardine_engine::{Engine, RequestContext};
use cardine_model::{Issue, path};
use cardine_store::{DatabaseUrl, Store};
use chrono::Utc;
use serde_json::{Map, Value as Json};

use super::{database, unambiguous_json};
use crate::config::Config;
use crate::http::schemas::SCHEMAS;

/// Where the JSON Schemas stand beside the definitions.
const SCHEMA_FOLDER: &str = "schema";
/// The largest file that is read, in bytes: a module of 500 fields has some 200 KB.
const FILE_SIZE_MAX: u64 = 16 * 1024 * 1024;

/// What the files say, and what of them cannot be read.
#[derive(Debug, Default)]
pub struct FilesRead {
    /// The documents.
    pub documents: Vec<Document>,
    /// The kinds that have a folder.
    pub kinds: Vec<Kind>,
    /// What files describe that are no documents.
    pub unread: Vec<(Kind, String)>,
    /// Why.
    pub faults: Vec<Issue>,
}

/// Reads all files of a folder.
pub fn read(folder: &Path) -> anyhow::Result<FilesRead> {
    let mut read = FilesRead::default();
    for kind in Kind::ALL {
        let Some(files) = files_in(&folder.join(kind.folder()))? else { continue };
        read.kinds.push(kind);
        for (name, file) in files {
            match read_json(&file) {
                Ok(content) => read.documents.push(Document { kind, name, content }),
                Err(error) => {
                    let place = format!("{}/{name}.json", kind.folder());
                    read.faults.push(Issue::new(path![place], "json", format!("{error:#}")));
                    read.unread.push((kind, name));
                }
            }
        }
    }
    anyhow::ensure!(
        !read.kinds.is_empty(),
        "{} has none of the folders {}: `cardine export` makes them",
        folder.display(),
        Kind::ALL.map(Kind::folder).join(", ")
    );
    Ok(read)
}

fn read_json(file: &Path) -> anyhow::Result<Json> {
    let size = fs::metadata(file).context("it cannot be read")?.len();
    anyhow::ensure!(size <= FILE_SIZE_MAX, "it has {size} bytes; {FILE_SIZE_MAX} are the limit");
    let text = fs::read_to_string(file).context("it cannot be read")?;
    // Some editors put a mark before the text, which is none of JSON.
    unambiguous_json::parse(text.strip_prefix('\u{feff}').unwrap_or(&text)).map_err(|error| match error.is_data() {
        true => error.into(),
        false => anyhow::Error::new(error).context("this is not JSON"),
    })
}

/// The documents of a folder by name; none if there is no such folder.
fn files_in(folder: &Path) -> anyhow::Result<Option<BTreeMap<String, PathBuf>>> {
    let entries = match fs::read_dir(folder) {
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(None),
        entries => entries.with_context(|| format!("{} cannot be read", folder.display()))?,
    };
    let mut files = BTreeMap::new();
    for entry in entries {
        let entry = entry?;
        let name = entry.file_name().to_string_lossy().into_owned();
        // Such as `.x.json.swp` of an editor.
        if let Some(name) = name.strip_suffix(".json").filter(|name| !name.starts_with('.')) {
            files.insert(name.to_owned(), entry.path());
        }
    }
    Ok(Some(files))
}

/// Writes documents, their JSON Schemas and a page about the folder. Gives files of things that are no documents (any more); with
/// `prune` they are removed.
pub fn write(folder: &Path, documents: &[Document], prune: bool) -> anyhow::Result<Vec<String>> {
    let make =
        |folder: &Path| fs::create_dir_all(folder).with_context(|| format!("{} cannot be made", folder.display()));
    make(folder)?;
    put(&folder.join("README.md"), PAGE)?;
    let schemas = folder.join(SCHEMA_FOLDER);
    make(&schemas)?;
    for (name, text) in SCHEMAS.iter().filter(|(name, _)| Kind::ALL.iter().any(|kind| kind.schema() == *name)) {
        put(&schemas.join(name), text)?;
    }
    let mut others = Vec::new();
    for kind in Kind::ALL {
        let place = folder.join(kind.folder());
        make(&place)?;
        // With a page in it, a version control that keeps no empty folders keeps this one: it says that there is nothing of its kind.
        put(&place.join("README.md"), page_of(kind))?;
        for document in documents.iter().filter(|document| document.kind == kind) {
            put(&folder.join(document.file()), &text_of(document))?;
        }
        let known = |name: &str| documents.iter().any(|document| document.kind == kind && document.name == name);
        for (name, file) in files_in(&place)?.unwrap_or_default() {
            if known(&name) {
                continue;
            }
            if prune {
                fs::remove_file(&file).with_context(|| format!("{} cannot be removed", file.display()))?;
            }
            others.push(format!("{}/{name}.json", kind.folder()));
        }
    }
    Ok(others)
}

/// Only what differs is written, so that nothing looks changed that is not.
fn put(file: &Path, text: &str) -> anyhow::Result<()> {
    if fs::read_to_string(file).is_ok_and(|known| known == text) {
        return Ok(());
    }
    fs::write(file, text).with_context(|| format!("{} cannot be written", file.display()))
}

/// A document as its file has it: with its schema for editors, a line for each value, so that differences are short.
fn text_of(document: &Document) -> String {
    let mut content = Map::new();
    content.insert("$schema".to_owned(), format!("../{SCHEMA_FOLDER}/{}", document.kind.schema()).into());
    if let Json::Object(entries) = &document.content {
        content.extend(entries.clone());
    }
    let mut text = serde_json::to_string_pretty(&content).expect("definitions are JSON");
    text.push('\n');
    text
}

/// The engine on a database, and an administrator's request from the command line.
pub struct Opened {
    /// To be closed in the end.
    pub store: Store,
    /// The engine.
    pub engine: Engine,
    /// In the name of nobody.
    pub request: RequestContext,
}

impl Opened {
    /// Opens a database of this version, beside a server that may run, and changes nothing.
    pub async fn existing(config: &Config) -> anyhow::Result<Self> {
        if let DatabaseUrl::Sqlite(path) = &config.database {
            // Opening it would make it.
            anyhow::ensure!(path.exists(), "the database {} is not there: `cardine migrate` makes it", path.display());
        }
        let store = database::open_existing_beside(config).await?;
        let state: Result<_, cardine_store::StoreError> = store.read(|tx| Box::pin(tx.state())).await;
        anyhow::ensure!(
            state.is_ok_and(|state| state.catalog_version > 0),
            "the platform's tables are not there: `cardine migrate` makes them"
        );
        Self::with(store).await
    }

    /// Opens a database, and brings its tables up to this version.
    pub async fn migrated(config: &Config) -> anyhow::Result<Self> {
        let store = database::open_beside(config).await?;
        store.migrate().await.context("the platform's tables could not be brought up to date")?;
        Self::with(store).await
    }

    async fn with(store: Store) -> anyhow::Result<Self> {
        let engine = Engine::open(store.clone()).await.context("the modules could not be loaded")?;
        let snapshot = engine.snapshot();
        let actor = snapshot.access.system(&snapshot.catalog);
        let now = Utc::now();
        let mut request = engine.request(snapshot, actor, now, now.date_naive());
        request.via = "command line";
        Ok(Self { store, engine, request })
    }

    /// Lets go of the database.
    pub async fn close(self) {
        let Self { store, engine, request } = self;
        drop((engine, request));
        store.shutdown().await;
    }
}

/// What stands in a folder beside its files.
fn page_of(kind: Kind) -> &'static str {
    match kind {
        Kind::Module => {
            "# Modules\n\nA file is a module: its fields in order, its relations, indexes, rules and sharing. A field with another name is another field.\n"
        }
        Kind::Role => {
            "# Roles\n\nA file is a role: the one above it, all that it grants by module and field, and rules that narrow which records it reaches.\n"
        }
        Kind::PermissionSet => "# Permission sets\n\nA file is a set of grants that users have beside their role's.\n",
        Kind::SharingRule => {
            "# Sharing rules\n\nA file is a rule that opens records of one module to a role or group. Rules that name a person are in none.\n"
        }
        Kind::Workflow => "# Workflows\n\nA file is a workflow: what starts it, whose rights it has, and its steps.\n",
    }
}

/// What stands beside the definitions, for who finds them.
const PAGE: &str = "\
# Definitions

Written by `cardine export`, a file for each thing; `cardine diff` compares them with a database, `cardine apply` makes it so.

| folder | what |
| --- | --- |
| `modules/` | modules with their fields, relations and rules |
| `roles/` | roles: place in the tree, grants, record rules |
| `permission-sets/` | grants beside those of roles |
| `sharing-rules/` | what opens records beside their owner |
| `workflows/` | what happens by itself |
| `schema/` | the JSON Schemas of all of them, which editors complete and check the files by |

A file is named after what it describes. A folder that is not there says nothing about its kind. Users, secrets and records are in none.
Comments belong into `description` (modules, workflows) and `help` (fields): they are kept and shown. `export` writes this page, the schemas
and the definitions anew, and leaves all other files alone.
";
