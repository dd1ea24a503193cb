//! A behaviour of the server that a module asks for under `features`, with its settings.

use serde::de::DeserializeOwned;

use crate::catalog::{Catalog, Module};
use crate::definition::ModuleDefinition;
use crate::{Issue, path};

/// The settings of one feature, as the module's document has them.
pub trait Feature: DeserializeOwned {
    /// What it is called there.
    const NAME: &'static str;

    /// What is at fault in what the settings name, with paths that begin at the settings.
    fn check(&self, catalog: &Catalog, module: &Module) -> Vec<Issue>;

    /// The feature of a document, if it is declared as it should be.
    fn of(definition: &ModuleDefinition) -> Option<Self> {
        let declared = definition.features.as_ref()?.get(Self::NAME)?;
        serde_json::from_value(declared.clone()).ok()
    }

    /// What is at fault in the module's declaration, with the paths in its document.
    fn faults(catalog: &Catalog, module: &Module) -> Vec<Issue> {
        let definition = module.definition();
        let Some(declared) = definition.features.as_ref().and_then(|features| features.get(Self::NAME)) else {
            return Vec::new();
        };
        let place = path!["features", Self::NAME];
        match serde_json::from_value::<Self>(declared.clone()) {
            Ok(feature) => {
                let faults = feature.check(catalog, module).into_iter();
                faults.map(|fault| Issue { path: [place.clone(), fault.path.clone()].concat(), ..fault }).collect()
            }
            Err(error) => vec![Issue::new(place, "type", error.to_string())],
        }
    }
}
