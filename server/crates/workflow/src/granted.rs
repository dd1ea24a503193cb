//! What a plugin may do: what its manifest asks for, as far as an administrator granted it.

use std::collections::BTreeMap;

use cardine_access::ModuleGrant;
use cardine_model::catalog::{Catalog, Module};
use cardine_model::{Issue, PathSegment, path};
use cardine_plugin_host::Manifest;
use serde::Deserialize;
use serde_json::Value as Json;

/// What an administrator says of a plugin's wishes.
#[derive(Debug, Clone, PartialEq)]
pub enum Grant {
    /// Part of the manifest's `permissions`, in their form.
    These(Json),
    /// The manifest's `permissions` as they are.
    AllThatItAsksFor,
    /// What the installed version was granted; nothing for a new plugin.
    AsBefore,
}

/// What a plugin may do.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Granted {
    /// The rights of its own role, by module.
    pub records: BTreeMap<String, ModuleGrant>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
struct Permissions {
    api: ApiPermissions,
}

#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
struct ApiPermissions {
    plugin: BTreeMap<String, ModuleGrant>,
}

impl Granted {
    /// Reads a grant. What the manifest does not ask for cannot be granted.
    pub(crate) fn parse(manifest: &Manifest, grant: &Json) -> Result<Self, Vec<Issue>> {
        // A list would be read as the parts in their order.
        let parsed = match grant {
            Json::Object(_) => serde_json::from_value(grant.clone()).map_err(|error| error.to_string()),
            _ => Err("it is no object".to_owned()),
        };
        let granted: Permissions = parsed.map_err(|error| {
            let message = format!(
                "this is no grant of this version, which knows {{\"api\": {{\"plugin\": {{\"Module\": {{\"read\": true, \"fields\": \
                 {{\"*\": \"READ\"}}}}}}}}}}: {error}"
            );
            vec![Issue::new(path!["grant"], "shape", message)]
        })?;
        let asked = manifest.raw().pointer("/permissions/api/plugin").cloned().unwrap_or_default();
        let asked: BTreeMap<String, ModuleGrant> = serde_json::from_value(asked).unwrap_or_default();
        let mut issues = Vec::new();
        for (module, granted) in &granted.api.plugin {
            let asked = asked.get(module).cloned().unwrap_or_default();
            excess(&asked, granted, &path!["grant", "api", "plugin", module.as_str()], &mut issues);
        }
        if issues.is_empty() { Ok(Self { records: granted.api.plugin }) } else { Err(issues) }
    }
}

/// Everything of `granted` that goes beyond `asked`.
fn excess(asked: &ModuleGrant, granted: &ModuleGrant, place: &[PathSegment], issues: &mut Vec<Issue>) {
    let below = |names: &[&str]| -> Vec<PathSegment> {
        place.iter().cloned().chain(names.iter().map(|name| (*name).into())).collect()
    };
    let mut refuse = |names: &[&str]| {
        let message = "the plugin does not ask for this; grant no more than its `permissions`";
        issues.push(Issue::new(below(names), "notAskedFor", message));
    };
    for (name, asked, granted) in [
        ("create", asked.create, granted.create),
        ("read", asked.read, granted.read),
        ("update", asked.update, granted.update),
        ("delete", asked.delete, granted.delete),
    ] {
        if granted && !asked {
            refuse(&[name]);
        }
    }
    let star = granted.fields.get("*").copied().unwrap_or_default();
    for (field, access) in &granted.fields {
        if *access > asked.field(field) {
            refuse(&["fields", field]);
        }
    }
    // What is asked for by name may be less than what is asked for all others.
    for field in asked.fields.keys().filter(|field| !granted.fields.contains_key(*field)) {
        if star > asked.field(field) {
            refuse(&["fields", field]);
        }
    }
}

/// Why the hooks of a manifest cannot be in force over these modules with this grant.
pub(crate) fn misfits(manifest: &Manifest, granted: &Granted, catalog: &Catalog) -> Vec<Issue> {
    let mut issues = Vec::new();
    let may_read = |module: &Module| granted.records.get(&module.name).is_some_and(|grant| grant.read);
    for (position, hook) in manifest.hooks().iter().enumerate() {
        let mut refuse = |key: &str, rule: &str, message: String| {
            issues.push(Issue::new(path!["file", "hooks", position, key], rule, message));
        };
        if hook.module == "*" {
            if granted.records.values().all(|grant| !grant.read) {
                let message = "the hook sees nothing: grant `read` on the modules that it is for".to_owned();
                refuse("module", "notGranted", message);
            }
            continue;
        }
        let Some(module) = hook_module(catalog, &hook.module) else {
            refuse("module", "unknownModule", format!("there is no module `{}`", hook.module));
            continue;
        };
        if !may_read(module) {
            let message = format!("the hook needs `read` on {0}: grant api.plugin.{0}.read", module.name);
            refuse("module", "notGranted", message);
        }
        for field in hook.fields.iter().flatten() {
            if !module.own_fields().any(|known| known.name == *field) {
                refuse("fields", "unknownField", format!("{} has no field `{field}`", module.name));
            }
        }
    }
    issues
}

/// A module whose records hooks may see.
fn hook_module<'c>(catalog: &'c Catalog, name: &str) -> Option<&'c Module> {
    catalog.module_by_name(name).filter(|module| !module.platform && module.link.is_none())
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn manifest() -> Manifest {
        let manifest = json!({"name": "p", "version": "1.0.0", "title": "P", "api": "0.1", "permissions": {"api": {"plugin": {
            "Deal": {"read": true, "fields": {"*": "READ", "score": "WRITE", "salary": "NONE"}}}}}});
        Manifest::parse(&manifest.to_string()).unwrap()
    }

    fn refused(deal: Json) -> Vec<String> {
        let parsed = Granted::parse(&manifest(), &json!({"api": {"plugin": {"Deal": deal}}}));
        let mut found: Vec<String> = parsed.err().into_iter().flatten().map(|issue| issue.to_string()).collect();
        found.sort();
        found
    }

    #[test]
    fn what_is_asked_for_can_be_granted_in_part() {
        for deal in [
            json!({"read": true, "fields": {"*": "READ", "score": "WRITE", "salary": "NONE"}}),
            json!({"read": true, "fields": {"score": "READ"}}),
            json!({}),
        ] {
            assert_eq!(refused(deal.clone()), Vec::<String>::new(), "{deal}");
        }
        assert_eq!(Granted::parse(&manifest(), &json!({})), Ok(Granted::default()), "nothing is granted by itself");
    }

    #[test]
    fn what_is_not_asked_for_cannot_be_granted() {
        assert_eq!(refused(json!({"read": true, "update": true})).len(), 1);
        assert_eq!(refused(json!({"fields": {"name": "WRITE", "salary": "READ"}})).len(), 2);
        assert_eq!(refused(json!({"fields": {"*": "READ"}})).len(), 1, "the star would open salary");
        assert_eq!(refused(json!({"fields": {"*": "WRITE", "salary": "NONE"}})).len(), 1);
        let other = Granted::parse(&manifest(), &json!({"api": {"plugin": {"Account": {"read": true}}}}));
        assert_eq!(other.unwrap_err().len(), 1);
    }

    #[test]
    fn a_grant_of_what_is_not_there_yet_is_refused() {
        for grant in [json!({"http": {"hosts": ["a.example"]}}), json!([]), json!({"api": {"asCaller": true}})] {
            assert_eq!(Granted::parse(&manifest(), &grant).unwrap_err()[0].rule, "shape", "{grant}");
        }
    }
}
