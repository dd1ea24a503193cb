//! Workflows' documents for the engine, which brings in documents of every kind together.

use std::fmt;

use cardine_engine::as_code::{CheckedWorkflow, WorkflowDocuments};
use cardine_model::{Catalog, Issue};
use serde_json::Value as Json;

use crate::check::{Installed, check};
use crate::definition::parse;
use crate::plugins::Plugins;

/// Checks documents against the installed plugins.
#[derive(Clone)]
pub struct WorkflowFiles {
    plugins: Plugins,
}

impl WorkflowFiles {
    /// With these plugins.
    pub fn new(plugins: Plugins) -> Self {
        Self { plugins }
    }
}

impl fmt::Debug for WorkflowFiles {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("WorkflowFiles").finish_non_exhaustive()
    }
}

impl WorkflowDocuments for WorkflowFiles {
    fn check(
        &self,
        catalog: &Catalog,
        has_role: &(dyn Fn(&str) -> bool + Sync),
        document: &Json,
    ) -> Result<CheckedWorkflow, Vec<Issue>> {
        let installed = Installed { plugins: &self.plugins, has_role };
        let checked = parse(document).and_then(|definition| {
            let workflow = check(&definition, catalog, Some(&installed))?;
            Ok(CheckedWorkflow { status: definition.status.name(), runs_as_author: workflow.uses_author() })
        });
        checked.map_err(|issues| issues.into_iter().map(without_argument).collect())
    }
}

/// Told from the document's root, not from the argument `definition`.
fn without_argument(issue: Issue) -> Issue {
    let path = issue.path.into_iter().skip(1).collect();
    Issue { path, ..issue }
}
