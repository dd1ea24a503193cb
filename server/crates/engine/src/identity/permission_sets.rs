//! Permission sets: grants that are given to users beside their role's; and groups.

use async_recursion::async_recursion as boxed;
use std::collections::BTreeMap;

use cardine_access::ModuleGrant;
use cardine_model::{Issue, path};
use cardine_store::WriteTx;
use cardine_store::platform::access::{GroupRow, find_user};
use cardine_store::platform::permission_sets::{
    PermissionSetRow, delete_permission_set, find_group, find_holders_of, find_members_of, find_permission_set,
    insert_group, put_permission_set, replace_groups_of, replace_members_of, replace_permission_sets_of,
};
use serde_json::{Value as Json, json};
use uuid::Uuid;

use super::roles::{document, fault_of_label, faults_of_access, is_role_name};
use super::{ChangedBy, audit, begin_change};
use crate::{Engine, EngineError};

impl Engine {
    /// Saves a permission set under its name, in place of one that has it.
    #[boxed]
    pub async fn save_permission_set(
        &self,
        by: ChangedBy,
        name: &str,
        label: Option<Json>,
        access: BTreeMap<String, ModuleGrant>,
    ) -> Result<Uuid, EngineError> {
        let mut issues = Vec::new();
        if !is_role_name(name) {
            let message =
                "a permission set's name has 1 to 64 lower-case letters, digits and hyphens, and begins with a letter";
            issues.push(Issue::new(path!["name"], "pattern", message));
        }
        issues.extend(fault_of_label(label.as_ref()));
        issues.extend(faults_of_access(&self.snapshot().catalog, &access));
        if !issues.is_empty() {
            return Err(EngineError::Validation(issues));
        }
        let row = PermissionSetRow {
            id: Uuid::now_v7(),
            name: name.to_owned(),
            label: label.map(|label| label.to_string()),
            access: serde_json::to_string(&access).map_err(|_| EngineError::Internal)?,
        };
        let write = self.store().write(move |tx| {
            let mut row = row.clone();
            Box::pin(async move {
                begin_change(tx).await?;
                let old = find_permission_set(tx, &row.name).await?;
                if let Some(old) = &old {
                    row.id = old.id;
                }
                put_permission_set(tx, &row).await?;
                let access = |set: &PermissionSetRow| document(Some(&set.access));
                let label = |set: &PermissionSetRow| document(set.label.as_deref());
                let mut changes =
                    json!({"name": row.name, "access": {"old": old.as_ref().map(access), "new": access(&row)}});
                let label_before = old.as_ref().map(label).unwrap_or_default();
                if label_before != label(&row) {
                    changes["label"] = json!({"old": label_before, "new": label(&row)});
                }
                audit(tx, &by, "SAVED", "PermissionSet", row.id, changes).await?;
                Ok::<_, EngineError>(row.id)
            })
        });
        let id = write.await?;
        self.reload().await?;
        Ok(id)
    }

    /// Takes a permission set away, from everybody who has it too.
    #[boxed]
    pub async fn delete_permission_set(&self, by: ChangedBy, name: &str) -> Result<(), EngineError> {
        let name = name.to_owned();
        let write = self.store().write(move |tx| {
            let name = name.clone();
            Box::pin(async move {
                begin_change(tx).await?;
                let set = find_permission_set(tx, &name).await?.ok_or(EngineError::NotFound)?;
                let holders = find_holders_of(tx, set.id).await?;
                delete_permission_set(tx, set.id).await?;
                let access = json!({"old": document(Some(&set.access)), "new": null});
                let changes = json!({"name": name, "access": access, "users": {"old": holders, "new": []}});
                audit(tx, &by, "DELETED", "PermissionSet", set.id, changes).await?;
                Ok::<_, EngineError>(())
            })
        });
        write.await?;
        self.reload().await
    }

    /// Makes a group if there is none of this name; `members`, where given, become its members in place of those it has.
    #[boxed]
    pub async fn save_group(&self, by: ChangedBy, name: &str, members: Option<Vec<Uuid>>) -> Result<Uuid, EngineError> {
        let name = name.trim().to_owned();
        if name.is_empty() || name.chars().count() > 255 {
            let issue = Issue::new(path!["name"], "length", "a group's name has 1 to 255 characters");
            return Err(EngineError::Validation(vec![issue]));
        }
        let write = self.store().write(move |tx| {
            let (name, members) = (name.clone(), members.clone());
            Box::pin(async move {
                begin_change(tx).await?;
                let group = match find_group(tx, &name).await? {
                    Some(group) => group,
                    None => {
                        let group = GroupRow { id: Uuid::now_v7(), name };
                        insert_group(tx, &group, by.at, by.actor).await?;
                        group
                    }
                };
                let mut changes = json!({"name": group.name});
                if let Some(mut members) = members {
                    let before = find_members_of(tx, group.id).await?;
                    members.sort_unstable();
                    members.dedup();
                    for (index, member) in members.iter().enumerate() {
                        if find_user(tx, *member).await?.is_none() {
                            let message = format!("there is no user with the id {member}");
                            let issue = Issue::new(path!["members", index], "unknownUser", message);
                            return Err(EngineError::Validation(vec![issue]));
                        }
                    }
                    replace_members_of(tx, group.id, &members).await?;
                    changes["members"] = json!({"old": before, "new": members});
                }
                audit(tx, &by, "SAVED", "Group", group.id, changes).await?;
                Ok(group.id)
            })
        });
        let id = write.await?;
        self.reload().await?;
        Ok(id)
    }
}

/// Gives a user these permission sets and no others.
pub(super) async fn assign_permission_sets(tx: &mut WriteTx, user: Uuid, names: &[String]) -> Result<(), EngineError> {
    let mut sets = Vec::with_capacity(names.len());
    for (index, name) in names.iter().enumerate() {
        let Some(set) = find_permission_set(tx, name).await? else {
            let message = format!("there is no permission set named {name}");
            let issue = Issue::new(path!["permissionSets", index], "unknownPermissionSet", message);
            return Err(EngineError::Validation(vec![issue]));
        };
        sets.push(set.id);
    }
    sets.sort_unstable();
    sets.dedup();
    Ok(replace_permission_sets_of(tx, user, &sets).await?)
}

/// Makes a user a member of these groups and no others.
pub(super) async fn assign_groups(tx: &mut WriteTx, user: Uuid, names: &[String]) -> Result<(), EngineError> {
    let mut groups = Vec::with_capacity(names.len());
    for (index, name) in names.iter().enumerate() {
        let Some(group) = find_group(tx, name).await? else {
            let message = format!("there is no group named {name}");
            return Err(EngineError::Validation(vec![Issue::new(path!["groups", index], "unknownGroup", message)]));
        };
        groups.push(group.id);
    }
    groups.sort_unstable();
    groups.dedup();
    Ok(replace_groups_of(tx, user, &groups).await?)
}
