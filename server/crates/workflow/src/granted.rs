//! What a plugin may do: what its manifest asks for, as far as an administrator granted it.

use std::collections::{BTreeMap, BTreeSet};

use cardine_access::{Grants, ModuleGrant, Rights};
use cardine_egress::{HostPattern, Hosts};
use cardine_engine::json_name;
use cardine_model::catalog::{Catalog, Field, Module};
use cardine_model::{Issue, PathSegment, path};
use cardine_plugin_host::Manifest;
use serde::Deserialize;
use serde_json::Value as Json;

use crate::plugin_parts::Parts;

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
    /// Whether it may ask with the rights of whoever caused a call.
    pub as_caller: bool,
    /// The hosts that it may call; none at all if it was granted none.
    pub hosts: Option<Hosts>,
    /// What it may keep; 0 is nothing.
    pub state_bytes: u64,
    /// Secrets that it may see, rather than only send.
    pub revealed: Vec<String>,
    /// The names of the events that it may emit.
    pub events: Vec<String>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, default, rename_all = "camelCase")]
struct Permissions {
    api: ApiPermissions,
    http: HttpPermissions,
    state: StatePermissions,
    secrets: SecretPermissions,
    events: EventPermissions,
}

#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, default, rename_all = "camelCase")]
struct ApiPermissions {
    plugin: BTreeMap<String, ModuleGrant>,
    as_caller: bool,
}

#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
struct HttpPermissions {
    hosts: Vec<String>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
struct StatePermissions {
    bytes: u64,
}

#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
struct SecretPermissions {
    reveal: Vec<String>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
struct EventPermissions {
    emit: Vec<String>,
}

/// The keys of a record's JSON under which there is what these rights may read.
pub fn visible_keys(module: &Module, rights: &Rights) -> BTreeSet<String> {
    let readable = module.own_fields().filter(|field| rights.can_read(module.id, field.id));
    readable.map(json_name).collect()
}

impl Granted {
    /// What the grant of records comes to over a catalog.
    pub fn rights(&self, catalog: &Catalog) -> Rights {
        let grants = Grants::of(self.records.iter().map(|(name, grant)| (name.as_str(), grant.clone())));
        Rights::resolve(catalog, &[&grants], false)
    }

    /// Reads a grant. What the manifest does not ask for cannot be granted.
    pub(crate) fn parse(manifest: &Manifest, grant: &Json) -> Result<Self, Vec<Issue>> {
        let granted = Permissions::read(grant)?;
        // What no grant of this version can hold is as if it were not asked for.
        let part = |key: &str| manifest.raw().pointer(&format!("/permissions/{key}")).cloned().unwrap_or_default();
        let asked = Permissions {
            api: serde_json::from_value(part("api")).unwrap_or_default(),
            http: serde_json::from_value(part("http")).unwrap_or_default(),
            state: serde_json::from_value(part("state")).unwrap_or_default(),
            secrets: serde_json::from_value(part("secrets")).unwrap_or_default(),
            events: serde_json::from_value(part("events")).unwrap_or_default(),
        };
        let mut issues = Vec::new();
        for (module, granted) in &granted.api.plugin {
            let asked = asked.api.plugin.get(module).cloned().unwrap_or_default();
            excess(
                &asked,
                granted,
                &["grant".into(), "api".into(), "plugin".into(), module.as_str().into()],
                &mut issues,
            );
        }
        let mut refuse = |path: Vec<PathSegment>, rule: &str, message: String| {
            issues.push(Issue::new(path, rule, message));
        };
        if granted.api.as_caller && !asked.api.as_caller {
            refuse(path!["grant", "api", "asCaller"], "notAskedFor", NOT_ASKED_FOR.to_owned());
        }
        for (position, host) in granted.http.hosts.iter().enumerate() {
            let place = path!["grant", "http", "hosts", position];
            if !asked.http.hosts.iter().any(|asked| covers(asked, host)) {
                refuse(place, "notAskedFor", NOT_ASKED_FOR.to_owned());
            } else if host != ANY_HOST
                && let Err(message) = host.parse::<HostPattern>()
            {
                refuse(place, "host", message);
            }
        }
        if granted.state.bytes > asked.state.bytes {
            let message = format!("the plugin asks for {} bytes; grant no more", asked.state.bytes);
            refuse(path!["grant", "state", "bytes"], "notAskedFor", message);
        }
        for (position, name) in granted.secrets.reveal.iter().enumerate() {
            if !asked.secrets.reveal.contains(name) {
                let place = path!["grant", "secrets", "reveal", position];
                refuse(place, "notAskedFor", NOT_ASKED_FOR.to_owned());
            }
        }
        for (position, name) in granted.events.emit.iter().enumerate() {
            if !asked.events.emit.contains(name) {
                let place = path!["grant", "events", "emit", position];
                refuse(place, "notAskedFor", NOT_ASKED_FOR.to_owned());
            }
        }
        if issues.is_empty() { Ok(Self::of(granted)) } else { Err(issues) }
    }

    /// Reads what was granted before. It names modules and fields as they are called now, which the manifest may not know.
    pub(crate) fn stored(grant: &Json) -> Result<Self, Vec<Issue>> {
        Permissions::read(grant).map(Self::of)
    }

    fn of(granted: Permissions) -> Self {
        let patterns = || granted.http.hosts.iter().filter_map(|host| host.parse().ok()).collect();
        let hosts = match granted.http.hosts.iter().any(|host| host == ANY_HOST) {
            true => Some(Hosts::Public),
            false if granted.http.hosts.is_empty() => None,
            false => Some(Hosts::Named(patterns())),
        };
        Self {
            records: granted.api.plugin,
            as_caller: granted.api.as_caller,
            hosts,
            state_bytes: granted.state.bytes,
            revealed: granted.secrets.reveal,
            events: granted.events.emit,
        }
    }
}

impl Permissions {
    fn read(grant: &Json) -> Result<Self, Vec<Issue>> {
        // A list would be read as the parts in their order.
        let parsed = match grant {
            Json::Object(_) => serde_json::from_value(grant.clone()).map_err(|error| error.to_string()),
            _ => Err("it is no object".to_owned()),
        };
        parsed.map_err(|error| {
            let message = format!(
                "this is no grant of this version, which knows {{\"api\": {{\"plugin\": {{\"Module\": {{\"read\": true, \"fields\": \
                 {{\"*\": \"READ\"}}}}}}, \"asCaller\": true}}, \"http\": {{\"hosts\": [\"api.example.org\"]}}, \"state\": {{\"bytes\": \
                 65536}}, \"secrets\": {{\"reveal\": [\"NAME\"]}}, \"events\": {{\"emit\": [\"name\"]}}}}: {error}"
            );
            vec![Issue::new(path!["grant"], "shape", message)]
        })
    }
}

const NOT_ASKED_FOR: &str = "the plugin does not ask for this; grant no more than its `permissions`";

/// Any host of the public internet: for plugins whose hosts an administrator names.
const ANY_HOST: &str = "*";

/// Whether all that `granted` means is meant by `asked`.
fn covers(asked: &str, granted: &str) -> bool {
    if asked == ANY_HOST || asked == granted {
        return true;
    }
    let parts = |host: &str| match host.rsplit_once(':') {
        Some((host, port)) if !port.contains(']') => (host.to_owned(), Some(port.to_owned())),
        _ => (host.to_owned(), None),
    };
    let ((asked, asked_port), (granted, granted_port)) = (parts(asked), parts(granted));
    // `*.example.org` ends with `.example.org`, and so does all that is below it.
    let is_below = asked.strip_prefix('*').is_some_and(|suffix| granted.ends_with(suffix));
    is_below && asked_port == granted_port
}

/// Everything of `granted` that goes beyond `asked`.
fn excess(asked: &ModuleGrant, granted: &ModuleGrant, place: &[PathSegment], issues: &mut Vec<Issue>) {
    let below = |names: &[&str]| -> Vec<PathSegment> {
        place.iter().cloned().chain(names.iter().map(|name| (*name).into())).collect()
    };
    let mut refuse = |names: &[&str]| {
        issues.push(Issue::new(below(names), "notAskedFor", NOT_ASKED_FOR));
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
        if !granted.records.get(&hook.module).is_some_and(|grant| grant.read) {
            let message = format!("the hook needs `read` on {0}: grant api.plugin.{0}.read", hook.module);
            refuse("module", "notGranted", message);
        }
        // What the package brings itself is as its documents say, which are checked whole.
        if Parts::of(manifest.raw()).has_module(&hook.module) {
            continue;
        }
        let Some(module) = hook_module(catalog, &hook.module) else {
            refuse("module", "unknownModule", format!("there is no module `{}`", hook.module));
            continue;
        };
        if let Some(name) = &hook.siblings
            && module.field_named(name).and_then(Field::reference).is_none()
        {
            refuse("siblings", "unknownField", format!("{} has no reference `{name}`", module.name));
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
            "Deal": {"read": true, "fields": {"*": "READ", "score": "WRITE", "salary": "NONE"}}}},
            "http": {"hosts": ["api.example.org", "*.example.com:8443"]}, "state": {"bytes": 1000}, "secrets": {"reveal": ["KEY"]}, "events": {"emit": ["deal.won"]}}});
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
    fn what_was_granted_may_have_other_names_since() {
        let grant = json!({"api": {"plugin": {"Offer": {"read": true, "fields": {"rating": "WRITE"}}}}, "http": {"hosts": ["api.example.org"]}});
        assert!(Granted::parse(&manifest(), &grant).is_err());
        let granted = Granted::stored(&grant).unwrap();
        assert!(
            granted.records["Offer"].read && matches!(granted.hosts, Some(Hosts::Named(hosts)) if hosts.len() == 1)
        );
        assert_eq!(Granted::stored(&json!({"http": {"ports": []}})).unwrap_err()[0].rule, "shape");
    }

    #[test]
    fn hosts_state_and_secrets_are_granted_as_far_as_they_are_asked_for() {
        let parse = |grant: Json| Granted::parse(&manifest(), &grant);
        let all = json!({"http": {"hosts": ["api.example.org", "eu.example.com:8443"]}, "state": {"bytes": 1000}, "secrets": {"reveal": ["KEY"]}});
        let granted = parse(all).unwrap();
        assert!(matches!(&granted.hosts, Some(Hosts::Named(hosts)) if hosts.len() == 2), "{granted:?}");
        assert_eq!((granted.state_bytes, granted.revealed), (1000, vec!["KEY".to_owned()]));
        assert_eq!(parse(json!({"events": {"emit": ["deal.won"]}})).unwrap().events, ["deal.won"]);
        assert_eq!(parse(json!({"http": {"hosts": []}})).unwrap().hosts, None, "an empty list names no host");
        for more in [
            json!({"http": {"hosts": ["*"]}}),
            json!({"http": {"hosts": ["api.example.org:8443"]}}),
            json!({"http": {"hosts": ["example.com:8443"]}}),
            json!({"http": {"hosts": ["eu.example.com"]}}),
            json!({"http": {"hosts": ["notexample.com:8443"]}}),
            json!({"state": {"bytes": 1001}}),
            json!({"secrets": {"reveal": ["OTHER"]}}),
            json!({"events": {"emit": ["deal.lost"]}}),
            json!({"api": {"asCaller": true}}),
        ] {
            let issues = parse(more.clone()).unwrap_err();
            assert_eq!((issues.len(), issues[0].rule.as_str()), (1, "notAskedFor"), "{more}");
        }
    }

    #[test]
    fn a_plugin_that_asks_for_any_host_is_granted_those_that_the_administrator_names() {
        let manifest = json!({"name": "p", "version": "1.0.0", "title": "P", "api": "0.1", "permissions": {"http": {"hosts": ["*"]}}});
        let manifest = Manifest::parse(&manifest.to_string()).unwrap();
        let parse = |host: &str| Granted::parse(&manifest, &json!({"http": {"hosts": [host]}}));
        assert_eq!(parse("*").unwrap().hosts, Some(Hosts::Public));
        assert!(matches!(parse("127.0.0.1:8080").unwrap().hosts, Some(Hosts::Named(_))));
        assert_eq!(parse("https://a.example").unwrap_err()[0].rule, "host");
    }

    #[test]
    fn a_grant_of_what_is_not_there_is_refused() {
        for grant in [json!({"events": {"hear": ["deal.won"]}}), json!([]), json!({"api": {"asPlugin": true}})] {
            assert_eq!(Granted::parse(&manifest(), &grant).unwrap_err()[0].rule, "shape", "{grant}");
        }
    }
}
