//! What is there, as documents.

use async_recursion::async_recursion as boxed;
use std::sync::Arc;

use cardine_model::Catalog;
use cardine_store::platform::workflows::{WorkflowRow, load_workflows};
use cardine_store::{PlatformState, ReadTx, Store};
use serde_json::Value as Json;

use super::access_documents::{PermissionSetDocument, RoleDocument, SharingRuleDocument};
use super::{Definitions, Document, Kind};
use crate::EngineError;
use crate::identity::AccessState;

/// Rights and workflows at one moment; modules are the catalog's.
#[derive(Debug, Clone)]
pub(crate) struct Present {
    /// The counters when the workflows were read.
    pub state: PlatformState,
    pub access: Arc<AccessState>,
    pub workflows: Vec<WorkflowRow>,
}

impl Present {
    /// Reads the workflows beside the rights in memory.
    #[boxed]
    pub async fn fetch(store: &Store, access: Arc<AccessState>) -> Result<Self, EngineError> {
        let (state, workflows) = store
            .read(|tx: &mut ReadTx| {
                Box::pin(async move { Ok::<_, EngineError>((tx.state().await?, load_workflows(tx).await?)) })
            })
            .await?;
        Ok(Self { state, access, workflows })
    }

    /// All of it, with the modules of `catalog`.
    pub fn definitions(&self, catalog: &Catalog) -> Definitions {
        let mut documents = Vec::new();
        let mut left_out = Vec::new();
        let mut take = |kind, name: &str, content| documents.push(Document { kind, name: name.to_owned(), content });
        for module in catalog.modules.iter().filter(|module| !module.platform && module.link.is_none()) {
            take(Kind::Module, &module.name, written(&module.definition().written()));
        }
        for role in self.access.roles() {
            take(Kind::Role, &role.name, written(&RoleDocument::of(role, &self.access, catalog)));
        }
        for set in self.access.permission_sets() {
            take(Kind::PermissionSet, &set.name, written(&PermissionSetDocument::of(set, catalog)));
        }
        for rule in self.access.sharing_rules() {
            // What is about a retired module rests with it.
            if catalog.module_by_name(&rule.module).is_none() {
                continue;
            }
            match SharingRuleDocument::of(rule, &self.access) {
                Some(document) => take(Kind::SharingRule, &rule.name, written(&document)),
                None => left_out.push(format!("the sharing rule {} is left out: it names a person", rule.name)),
            }
        }
        for workflow in &self.workflows {
            take(Kind::Workflow, &workflow.name, workflow_content(workflow));
        }
        documents.sort_by(|one, other| (one.kind, &one.name).cmp(&(other.kind, &other.name)));
        Definitions { documents, left_out }
    }
}

/// A workflow's document; one that has been switched off since it was saved says so.
pub(super) fn workflow_content(workflow: &WorkflowRow) -> Json {
    let mut content = workflow.definition.clone();
    if let Json::Object(entries) = &mut content {
        entries.shift_remove("$schema");
        if entries.get("status").map_or(Some("ACTIVE"), Json::as_str) != Some(&workflow.status) {
            entries.insert("status".to_owned(), workflow.status.clone().into());
        }
    }
    content
}

/// A document of the model as JSON; its types have names for keys, so this cannot fail.
pub(crate) fn written(document: &impl serde::Serialize) -> Json {
    serde_json::to_value(document).expect("definitions are JSON")
}
