//! Documents from outside → what they say: each checked by its JSON Schema, as far as that goes without knowing what is there.

use std::sync::Arc;

use cardine_model::definition::ModuleDefinition;
use cardine_model::resolve::{PERMISSION_SET_SCHEMA, ROLE_SCHEMA, SHARING_RULE_SCHEMA, parse_document};
use cardine_model::{Issue, PathSegment};
use serde::de::DeserializeOwned;
use serde_json::Value as Json;
use uuid::Uuid;

use super::access_documents::{PermissionSetDocument, RoleDocument, SharingRuleDocument};
use super::{Document, Going, Kind, Wanted, WrittenBeside};
use crate::EngineError;
use crate::change::without_unknown_keys;

/// What only helps editors.
const SCHEMA_KEY: &str = "$schema";

/// Documents that could be read, with the faults that were found so far.
#[derive(Debug, Default)]
pub(crate) struct WantedFiles {
    pub modules: Vec<ModuleFile>,
    pub roles: Vec<RoleDocument>,
    pub permission_sets: Vec<PermissionSetDocument>,
    pub sharing_rules: Vec<SharingRuleDocument>,
    /// By name.
    pub workflows: Vec<(String, Json)>,
    /// Of what kinds they speak.
    pub kinds: Vec<Kind>,
    pub prune: bool,
    pub author: Option<Uuid>,
    pub going: Going,
    pub beside: Option<Arc<dyn WrittenBeside>>,
    /// What the schemas found.
    pub faults: Vec<Issue>,
    /// Documents that say something, but what cannot be told.
    pub unread: Vec<(Kind, String)>,
}

/// A module's document.
#[derive(Debug)]
pub(crate) struct ModuleFile {
    pub definition: ModuleDefinition,
}

impl ModuleFile {
    /// Its file.
    pub fn file(&self) -> String {
        module_file(&self.definition.name)
    }
}

/// The file of a module.
pub(crate) fn module_file(name: &str) -> String {
    file_of(Kind::Module, name)
}

/// The file of a thing.
pub(super) fn file_of(kind: Kind, name: &str) -> String {
    format!("{}/{name}.json", kind.folder())
}

impl WantedFiles {
    /// Reads all documents. Faults are kept, so that they can be told together with those that show later.
    ///
    /// # Errors
    /// Only if two documents are of the same thing.
    pub fn read(wanted: Wanted) -> Result<Self, EngineError> {
        let Wanted { mut documents, unread, kinds, prune, author, going, beside } = wanted;
        documents.sort_by(|one, other| (one.kind, &one.name).cmp(&(other.kind, &other.name)));
        if let Some(twice) =
            documents.windows(2).find(|pair| (pair[0].kind, &pair[0].name) == (pair[1].kind, &pair[1].name))
        {
            let issue = Issue::new(vec![twice[0].file().into()], "unique", "this document is there twice");
            return Err(EngineError::Validation(vec![issue]));
        }
        let mut files = Self { kinds, prune, author, going, beside, unread, ..Self::default() };
        for document in documents {
            files.take(document);
        }
        Ok(files)
    }

    fn take(&mut self, document: Document) {
        let (kind, file) = (document.kind, document.file());
        let Document { name, mut content, .. } = document;
        if let Json::Object(entries) = &mut content {
            entries.shift_remove(SCHEMA_KEY);
        }
        let found = content.get("name").and_then(Json::as_str);
        if let Some(found) = found.filter(|found| *found != name) {
            let message = format!("the file is named after `{name}`, and describes `{found}`: one of the two is wrong");
            self.faults.push(Issue::new(vec![file.as_str().into(), "name".into()], "fileName", message));
            self.unread.push((kind, name));
            return;
        }
        let mut faults = Vec::new();
        let is_read = match kind {
            Kind::Module => self.take_module(&content, &mut faults),
            Kind::Role => {
                faults = ROLE_SCHEMA.faults(&content);
                put(&mut self.roles, content)
            }
            Kind::PermissionSet => {
                faults = PERMISSION_SET_SCHEMA.faults(&content);
                put(&mut self.permission_sets, content)
            }
            Kind::SharingRule => {
                faults = SHARING_RULE_SCHEMA.faults(&content);
                put(&mut self.sharing_rules, content)
            }
            // Its own crate checks it.
            Kind::Workflow => {
                self.workflows.push((name.clone(), content));
                true
            }
        };
        if !is_read {
            self.unread.push((kind, name));
            if faults.is_empty() {
                faults.push(Issue::new(
                    Vec::new(),
                    "document",
                    format!("this is not the document of a {}", kind.words()),
                ));
            }
        }
        self.faults.extend(faults.into_iter().map(|issue| at_file(&file, issue)));
    }

    fn take_module(&mut self, content: &Json, faults: &mut Vec<Issue>) -> bool {
        let definition = match parse_document(content) {
            Ok(definition) => Some(definition),
            Err(issues) => {
                let rest = serde_json::from_value(without_unknown_keys(content, &issues)).ok();
                *faults = issues;
                rest
            }
        };
        let Some(definition) = definition else { return false };
        self.modules.push(ModuleFile { definition });
        true
    }

    /// Whether a kind is spoken of.
    pub fn speaks_of(&self, kind: Kind) -> bool {
        self.kinds.contains(&kind)
    }
}

fn put<T: DeserializeOwned>(list: &mut Vec<T>, content: Json) -> bool {
    match serde_json::from_value(content) {
        Ok(document) => {
            list.push(document);
            true
        }
        Err(_) => false,
    }
}

/// A fault of a document with its file before its path.
pub(crate) fn at_file(file: &str, issue: Issue) -> Issue {
    let path = std::iter::once(PathSegment::from(file)).chain(issue.path).collect();
    Issue { path, ..issue }
}
