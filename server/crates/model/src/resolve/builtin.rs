//! The documents that come with Cardine, embedded; which ones there are is known to the folder `schema/` alone.

use super::{ModuleIssue, parse_document, resolve};
use crate::Catalog;
use crate::definition::ModuleDefinition;

include!(concat!(env!("OUT_DIR"), "/documents.rs"));

/// The built-in modules' documents by file name, sorted.
pub fn module_documents() -> Vec<(&'static str, &'static str)> {
    MODULES.to_vec()
}

/// The platform modules' documents by file name, sorted.
pub fn platform_documents() -> Vec<(&'static str, &'static str)> {
    PLATFORM.to_vec()
}

/// All built-in documents by file name: the platform modules', then the others'.
pub fn builtin_documents() -> Vec<(&'static str, &'static str)> {
    PLATFORM.iter().chain(MODULES).copied().collect()
}

/// The built-in roles' documents by file name, sorted.
pub fn role_documents() -> Vec<(&'static str, &'static str)> {
    ROLES.to_vec()
}

/// The demo company's documents by file name, sorted.
pub fn demo_documents() -> Vec<(&'static str, &'static str)> {
    DEMO.to_vec()
}

/// The catalog of the built-in modules alone: what a fresh server starts with.
pub fn builtin_catalog(version: u64) -> Result<Catalog, Vec<ModuleIssue>> {
    resolve(version, &parse_all(PLATFORM)?, &parse_all(MODULES)?)
}

fn parse_all(documents: &[(&str, &str)]) -> Result<Vec<ModuleDefinition>, Vec<ModuleIssue>> {
    let mut definitions = Vec::with_capacity(documents.len());
    let mut issues = Vec::new();
    for (file, text) in documents {
        let module = || file.trim_end_matches(".json").to_owned();
        match serde_json::from_str(text) {
            Err(error) => {
                let issue = crate::Issue::new(Vec::new(), "json", format!("not a JSON document: {error}"));
                issues.push(ModuleIssue { module: module(), issue });
            }
            Ok(document) => match parse_document(&document) {
                Ok(definition) => definitions.push(definition),
                Err(faults) => {
                    issues.extend(faults.into_iter().map(|issue| ModuleIssue { module: module(), issue }));
                }
            },
        }
    }
    if issues.is_empty() { Ok(definitions) } else { Err(issues) }
}
