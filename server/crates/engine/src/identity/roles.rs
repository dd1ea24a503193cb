//! Roles and what they grant: making a role, and setting a role's access to a module.

use async_recursion::async_recursion as boxed;
use std::collections::BTreeMap;

use cardine_access::{FieldAccess, ModuleGrant};
use cardine_model::{Catalog, Issue, path};
use cardine_store::WriteTx;
use cardine_store::platform::access::{
    GrantRow, RoleRow, find_grant, find_name_of_role, find_parent_of_role, find_role, insert_role, put_grant,
    update_role,
};
use serde_json::{Value as Json, json};
use uuid::Uuid;

use super::{ChangedBy, audit, begin_change};
use crate::{Engine, EngineError};

/// What `setAccess` was given; what is left out keeps its value.
#[derive(Debug, Clone, Default)]
pub struct AccessPatch {
    /// Create records.
    pub create: Option<bool>,
    /// Read records.
    pub read: Option<bool>,
    /// Update records.
    pub update: Option<bool>,
    /// Delete records.
    pub delete: Option<bool>,
    /// Access by field name, in place of all that was there.
    pub fields: Option<BTreeMap<String, FieldAccess>>,
}

impl Engine {
    /// Makes a role that may do nothing, below `parent` where one is named. `label` is text, or text by language.
    #[boxed]
    pub async fn create_role(
        &self,
        by: ChangedBy,
        name: &str,
        parent: Option<&str>,
        label: Option<Json>,
    ) -> Result<Uuid, EngineError> {
        let mut issues = Vec::new();
        if !is_role_name(name) {
            let message = "a role's name has 1 to 64 lower-case letters, digits and hyphens, and begins with a letter";
            issues.push(Issue::new(path!["name"], "pattern", message));
        }
        issues.extend(fault_of_label(label.as_ref()));
        if !issues.is_empty() {
            return Err(EngineError::Validation(issues));
        }
        let role = RoleRow {
            id: Uuid::now_v7(),
            name: name.to_owned(),
            label: label.map(|label| label.to_string()),
            parent: None,
            administrator: false,
        };
        let id = role.id;
        let parent = parent.map(str::to_owned);
        let write = self.store().write(move |tx| {
            let (mut role, parent) = (role.clone(), parent.clone());
            Box::pin(async move {
                begin_change(tx).await?;
                if find_role(tx, &role.name).await?.is_some() {
                    let message = format!("there is a role named {} already", role.name);
                    let issues = vec![Issue::new(path!["name"], "unique", message.clone())];
                    return Err(EngineError::Conflict { message, issues });
                }
                if let Some(parent) = &parent {
                    let above = find_role(tx, parent).await?.ok_or_else(|| unknown_role("parent", parent))?;
                    role.parent = Some(above.id);
                }
                insert_role(tx, &role, by.at, by.actor).await?;
                let mut changes =
                    json!({"name": {"old": null, "new": role.name}, "parent": {"old": null, "new": parent}});
                if let Some(label) = &role.label {
                    changes["label"] = json!({"old": null, "new": document(Some(label))});
                }
                audit(tx, &by, "CREATED", "Role", role.id, changes).await?;
                Ok(())
            })
        });
        write.await?;
        self.reload().await?;
        Ok(id)
    }

    /// Gives a role another place in the tree, or another label; what is `None` stays. `Some(None)` puts it at the top.
    #[boxed]
    pub async fn update_role(
        &self,
        by: ChangedBy,
        name: &str,
        parent: Option<Option<&str>>,
        label: Option<Json>,
    ) -> Result<Uuid, EngineError> {
        if let Some(fault) = fault_of_label(label.as_ref()) {
            return Err(EngineError::Validation(vec![fault]));
        }
        let name = name.to_owned();
        let parent = parent.map(|parent| parent.map(str::to_owned));
        let write = self.store().write(move |tx| {
            let (name, parent, label) = (name.clone(), parent.clone(), label.clone());
            Box::pin(async move {
                begin_change(tx).await?;
                let mut role = find_role(tx, &name).await?.ok_or_else(|| unknown_role("name", &name))?;
                let mut changes = serde_json::Map::new();
                if let Some(parent) = parent {
                    let before = match role.parent {
                        Some(parent) => find_name_of_role(tx, parent).await?,
                        None => None,
                    };
                    role.parent = match &parent {
                        None => None,
                        Some(parent) => {
                            let above = find_role(tx, parent).await?.ok_or_else(|| unknown_role("parent", parent))?;
                            refuse_circle(tx, role.id, above.id).await?;
                            Some(above.id)
                        }
                    };
                    changes.insert("parent".to_owned(), json!({"old": before, "new": parent}));
                }
                if let Some(label) = label {
                    changes.insert("label".to_owned(), json!({"old": document(role.label.as_deref()), "new": label}));
                    role.label = Some(label.to_string());
                }
                update_role(tx, &role, by.at, by.actor).await?;
                audit(tx, &by, "UPDATED", "Role", role.id, changes.into()).await?;
                Ok::<_, EngineError>(role.id)
            })
        });
        let id = write.await?;
        self.reload().await?;
        Ok(id)
    }

    /// Sets what a role may do with a module.
    #[boxed]
    pub async fn set_access(
        &self,
        by: ChangedBy,
        role: &str,
        module: &str,
        patch: AccessPatch,
    ) -> Result<Uuid, EngineError> {
        let issues = faults_of(&self.snapshot().catalog, module, &patch);
        if !issues.is_empty() {
            return Err(EngineError::Validation(issues));
        }
        let (role, module) = (role.to_owned(), module.to_owned());
        let write = self.store().write(move |tx| {
            let (role, module, patch) = (role.clone(), module.clone(), patch.clone());
            Box::pin(async move {
                begin_change(tx).await?;
                let role = find_role(tx, &role).await?.ok_or_else(|| unknown_role("role", &role))?;
                if role.administrator {
                    let message = format!("the role {} may do everything, which cannot be changed", role.name);
                    return Err(EngineError::Validation(vec![Issue::new(path!["role"], "administrator", message)]));
                }
                let old = find_grant(tx, role.id, &module).await?.unwrap_or_else(|| nothing(role.id, &module));
                let new = patched(&old, &patch)?;
                put_grant(tx, &new).await?;
                let changes = json!({"module": module, "access": {"old": told(&old), "new": told(&new)}});
                audit(tx, &by, "ACCESS_SET", "Role", role.id, changes).await?;
                Ok(role.id)
            })
        });
        let id = write.await?;
        self.reload().await?;
        Ok(id)
    }
}

/// A role that is named by `argument` and does not exist.
pub(super) fn unknown_role(argument: &str, name: &str) -> EngineError {
    let message = format!("there is no role named {name}");
    EngineError::Validation(vec![Issue::new(path![argument], "unknownRole", message)])
}

pub(crate) fn is_role_name(name: &str) -> bool {
    let fits = name.len() <= 64 && name.starts_with(|c: char| c.is_ascii_lowercase());
    fits && name.chars().all(|c| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '-')
}

/// What is wrong with a label, if one is given.
pub(super) fn fault_of_label(label: Option<&Json>) -> Option<Issue> {
    let message = "a label is text, or an object with text by language: {\"en\": \"…\", \"it\": \"…\"}";
    label.filter(|label| !is_label(label)).map(|_| Issue::new(path!["label"], "type", message))
}

fn is_label(label: &Json) -> bool {
    match label {
        Json::String(_) => true,
        Json::Object(texts) => !texts.is_empty() && texts.values().all(Json::is_string),
        _ => false,
    }
}

fn faults_of(catalog: &Catalog, module: &str, patch: &AccessPatch) -> Vec<Issue> {
    faults_of_fields(catalog, module, patch.fields.iter().flat_map(BTreeMap::keys))
}

/// What is wrong with granting access to these fields of a module.
pub(super) fn faults_of_fields<'a>(
    catalog: &Catalog,
    module: &str,
    names: impl Iterator<Item = &'a String>,
) -> Vec<Issue> {
    let Some(found) = catalog.module_by_name(module) else {
        let message = format!("there is no module named {module}");
        return vec![Issue::new(path!["module"], "unknownModule", message)];
    };
    if found.platform {
        let message = format!("everyone who is signed in reads the public fields of {module}, which cannot be changed");
        return vec![Issue::new(path!["module"], "platform", message)];
    }
    let unknown = names.filter(|name| *name != "*" && !found.own_fields().any(|field| field.name == **name));
    unknown
        .map(|name| {
            let message = format!("{module} has no field named {name}; * stands for all that are not named");
            Issue::new(path!["fields", name.as_str()], "unknownField", message)
        })
        .collect()
}

/// What is wrong with granting this on modules, told at `access`.
pub(crate) fn faults_of_access(catalog: &Catalog, access: &BTreeMap<String, ModuleGrant>) -> Vec<Issue> {
    let of = |(module, grant): (&String, &ModuleGrant)| {
        let found = faults_of_fields(catalog, module, grant.fields.keys());
        let at = path!["access", module.as_str()];
        let told = found.into_iter().map(move |mut issue| {
            // Told at the module's entry.
            let rest = issue.path.drain(..).filter(|segment| *segment != path!["module"][0]);
            let path = at.iter().cloned().chain(rest).collect();
            Issue { path, ..issue }
        });
        told.collect::<Vec<_>>()
    };
    access.iter().flat_map(of).collect()
}

/// No role stands above itself. The tree does not change meanwhile: changes of rights run one after the other.
async fn refuse_circle(tx: &mut WriteTx, role: Uuid, parent: Uuid) -> Result<(), EngineError> {
    let mut above = Some(parent);
    while let Some(next) = above {
        if next == role {
            let message = "this role stands below the one that is to have it as its parent";
            return Err(EngineError::Validation(vec![Issue::new(path!["parent"], "circle", message)]));
        }
        above = find_parent_of_role(tx, next).await?;
    }
    Ok(())
}

fn nothing(role: Uuid, module: &str) -> GrantRow {
    GrantRow {
        role,
        module: module.to_owned(),
        create: false,
        read: false,
        update: false,
        delete: false,
        fields: "{}".to_owned(),
    }
}

fn patched(old: &GrantRow, patch: &AccessPatch) -> Result<GrantRow, EngineError> {
    let fields = match &patch.fields {
        None => old.fields.clone(),
        Some(fields) => serde_json::to_string(fields).map_err(|_| EngineError::Internal)?,
    };
    Ok(GrantRow {
        create: patch.create.unwrap_or(old.create),
        read: patch.read.unwrap_or(old.read),
        update: patch.update.unwrap_or(old.update),
        delete: patch.delete.unwrap_or(old.delete),
        fields,
        ..old.clone()
    })
}

/// A document as it is stored → as the audit log tells it.
pub(super) fn document(stored: Option<&str>) -> Json {
    stored.and_then(|stored| serde_json::from_str(stored).ok()).unwrap_or_default()
}

pub(super) fn told(grant: &GrantRow) -> Json {
    let fields: Json = serde_json::from_str(&grant.fields).unwrap_or_default();
    json!({"create": grant.create, "read": grant.read, "update": grant.update, "delete": grant.delete, "fields": fields})
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_of_roles_are_plain() {
        for name in ["a", "sales-person", "tier-2"] {
            assert!(is_role_name(name), "{name}");
        }
        for name in ["", "Sales", "2nd", "-a", "a b", "è", "a_b", &"a".repeat(65)] {
            assert!(!is_role_name(name), "{name}");
        }
    }

    #[test]
    fn what_is_left_out_keeps_its_value() {
        let old = GrantRow { read: true, fields: r#"{"*":"READ"}"#.to_owned(), ..nothing(Uuid::nil(), "M") };
        let new = patched(&old, &AccessPatch { update: Some(true), ..AccessPatch::default() }).unwrap();
        assert!(new.read && new.update && !new.create);
        assert_eq!(new.fields, old.fields);
        let fields = BTreeMap::from([("salary".to_owned(), FieldAccess::None)]);
        let new =
            patched(&new, &AccessPatch { read: Some(false), fields: Some(fields), ..AccessPatch::default() }).unwrap();
        assert!(!new.read && new.update);
        assert_eq!(new.fields, r#"{"salary":"NONE"}"#, "fields are replaced, not merged");
    }
}
