//! The documents under `schema/`: all built-in ones resolve, every refused case is refused where it says.

use std::fs;
use std::path::{Path, PathBuf};

use serde_json::Value as Json;

use super::{builtin, definition, parse_document, path_of, platform, resolve};
use crate::definition::ModuleDefinition;
use crate::{Issue, Module};

fn folder(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../../../schema").join(name)
}

#[test]
fn every_built_in_document_resolves() {
    let catalog = builtin::builtin_catalog(7).unwrap_or_else(|issues| panic!("{issues:#?}"));
    assert_eq!(catalog.version, 7);
    // Beside them there are only those that their many-to-many references bring, which have no names.
    let declared = catalog.modules.iter().filter(|module| module.link.is_none());
    assert_eq!(declared.clone().count(), builtin::builtin_documents().len());
    assert!(catalog.modules.iter().any(|module| !module.platform));
    for module in declared {
        assert_eq!(catalog.module_by_name(&module.name).map(|found| found.id), Some(module.id));
        for (position, field) in module.fields.iter().enumerate() {
            assert_eq!(field.id.0 as usize, position);
            assert_eq!(module.field_named(&field.name).map(|found| found.id), Some(field.id));
        }
        let names: Vec<&str> = module.fields.iter().take(8).map(|field| field.name.as_str()).collect();
        assert_eq!(names, Module::SYSTEM_FIELDS);
    }
}

#[test]
fn embedded_documents_are_those_of_the_folders() {
    for (name, embedded) in [
        ("modules", builtin::module_documents()),
        ("platform", builtin::platform_documents()),
        ("roles", builtin::role_documents()),
        ("demo", builtin::demo_documents()),
    ] {
        let mut files: Vec<String> = fs::read_dir(folder(name))
            .unwrap()
            .map(|entry| entry.unwrap().file_name().to_string_lossy().into_owned())
            .filter(|file| file.ends_with(".json"))
            .collect();
        files.sort();
        assert!(!files.is_empty(), "{name}");
        assert_eq!(embedded.iter().map(|(file, _)| file.to_string()).collect::<Vec<_>>(), files, "{name}");
    }
}

#[test]
fn every_refused_case_is_refused_at_its_path() {
    let mut wrong = Vec::new();
    let mut cases = 0;
    for entry in fs::read_dir(folder("cases/refused")).unwrap() {
        let path = entry.unwrap().path();
        let case: Json = serde_json::from_str(&fs::read_to_string(&path).unwrap()).unwrap();
        let (stage, issues) = verdict(&case["definition"]);
        cases += 1;
        let at_place = issues.iter().any(|issue| path_of(&issue.path) == case["path"]);
        if stage != case["refusedBy"] || !at_place {
            wrong.push(format!(
                "{}: {} at {}\n  got {stage}: {issues:?}",
                path.display(),
                case["refusedBy"],
                case["path"]
            ));
        }
        for issue in &issues {
            assert!(issue.message.len() < 700, "{}: too long: {}", path.display(), issue.message);
        }
    }
    assert!(cases > 0);
    assert!(wrong.is_empty(), "{} of {cases} cases:\n{}", wrong.len(), wrong.join("\n"));
}

fn built_in_modules() -> Vec<ModuleDefinition> {
    let documents = builtin::module_documents();
    documents.iter().map(|(_, text)| definition(&serde_json::from_str(text).unwrap())).collect()
}

/// Which stage refuses the document, and why.
fn verdict(document: &Json) -> (&'static str, Vec<Issue>) {
    match parse_document(document) {
        Err(issues) => ("schema", issues),
        // Last, as a change of it would be.
        Ok(definition) => match resolve(1, &platform(), &[built_in_modules(), vec![definition]].concat()) {
            Err(issues) => ("catalog", issues.into_iter().map(|issue| issue.issue).collect()),
            Ok(_) => ("nobody", Vec::new()),
        },
    }
}
