//! What plugins ask for by name: by their hooks, as their packages say, and by what they were granted, which follows other names.

use cardine_model::catalog::Module;
use cardine_store::platform::names::{DocumentKind, NamedDocument};
use serde_json::Value as Json;

use super::Gone;

/// The part of a grant that is about records, by module.
pub(super) fn records(grant: &Json) -> Option<&Json> {
    grant.pointer(RECORDS)
}

/// The same, to be changed.
pub(super) fn records_mut(grant: &mut Json) -> Option<&mut Json> {
    grant.pointer_mut(RECORDS)
}

const RECORDS: &str = "/api/plugin";

impl Gone<'_> {
    /// The plugins in service whose code asks for something of it. One that takes whatever there is (`*`) needs nothing of it.
    pub(super) fn plugins<'d>(&self, documents: &'d [NamedDocument]) -> Vec<&'d str> {
        let json = |document: &NamedDocument| serde_json::from_str::<Json>(&document.text).unwrap_or_default();
        let is_asking = |plugin: &&NamedDocument| {
            let is_its_grant =
                |other: &&NamedDocument| other.kind == DocumentKind::PluginGrant && other.name == plugin.name;
            let grant = documents.iter().find(is_its_grant);
            self.is_hooked(&json(plugin)) || grant.is_some_and(|grant| self.is_opened_by(&json(grant)))
        };
        let in_service = documents.iter().filter(|document| document.kind == DocumentKind::PluginManifest);
        in_service.filter(is_asking).map(|plugin| plugin.name.as_str()).collect()
    }

    fn is_hooked(&self, manifest: &Json) -> bool {
        manifest["hooks"].as_array().into_iter().flatten().any(|hook| {
            let module = hook["module"].as_str().and_then(|name| self.base.module_by_name(name));
            let fields = hook["fields"].as_array().into_iter().flatten().chain(hook.get("siblings"));
            let mut names = fields.filter_map(Json::as_str);
            module.is_some_and(|module| {
                self.modules.contains(&module.id) || names.any(|name| self.has_field(module, name))
            })
        })
    }

    fn is_opened_by(&self, grant: &Json) -> bool {
        let granted = records(grant).and_then(Json::as_object).into_iter().flatten();
        granted.into_iter().any(|(name, grant)| {
            let fields = grant["fields"].as_object().into_iter().flatten();
            let mut opened = fields.filter(|(_, access)| access.as_str() != Some("NONE"));
            self.base.module_by_name(name).is_some_and(|module| {
                self.modules.contains(&module.id) || opened.any(|(name, _)| self.has_field(module, name))
            })
        })
    }

    fn has_field(&self, module: &Module, name: &str) -> bool {
        module.field_named(name).is_some_and(|field| self.fields.contains(&(module.id, field.id)))
    }
}
