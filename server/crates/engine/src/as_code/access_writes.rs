//! Writes roles, permission sets, sharing rules and workflows in a change's transaction, each with its audit entry.

use async_recursion::async_recursion as boxed;
use cardine_access::{ModuleGrant, Opens};
use cardine_store::WriteTx;
use cardine_store::platform::access::{
    GrantRow, GroupRow, RoleRow, delete_grant, find_grant, find_role, insert_role, put_grant, remove_role, update_role,
};
use cardine_store::platform::names::switch_workflow_off;
use cardine_store::platform::permission_sets::{
    PermissionSetRow, delete_permission_set, find_group, find_permission_set, insert_group, put_permission_set,
};
use cardine_store::platform::sharing::{delete_sharing_rule, find_sharing_rule, put_record_rule, put_sharing_rule};
use cardine_store::platform::workflows::save_workflow;
use serde_json::{Value as Json, json};
use uuid::Uuid;

use super::access_documents::{PrincipalName, SharedAccess, SharingRuleDocument};
use super::access_plan::{AccessPart, AccessWrite};
use crate::EngineError;
use crate::identity::{ChangedBy, Principal, SharedRecords, SharingRule, audit, changes_of_rule};

impl AccessPart {
    /// Writes everything, in order.
    #[boxed]
    pub async fn write(&self, tx: &mut WriteTx, by: &ChangedBy) -> Result<(), EngineError> {
        for write in &self.writes {
            write.run(tx, by).await?;
        }
        Ok(())
    }
}

impl AccessWrite {
    async fn run(&self, tx: &mut WriteTx, by: &ChangedBy) -> Result<(), EngineError> {
        match self {
            Self::Group(name) => {
                if find_group(tx, name).await?.is_none() {
                    let group = GroupRow { id: Uuid::now_v7(), name: name.clone() };
                    insert_group(tx, &group, by.at, by.actor).await?;
                    audit(tx, by, "SAVED", "Group", group.id, json!({"name": name})).await?;
                }
            }
            Self::NewRole { name, label } => {
                let label = label.as_ref().map(Json::to_string);
                let role =
                    RoleRow { id: Uuid::now_v7(), name: name.clone(), label, parent: None, administrator: false };
                insert_role(tx, &role, by.at, by.actor).await?;
                let changes = json!({"name": {"old": null, "new": name}});
                audit(tx, by, "CREATED", "Role", role.id, changes).await?;
            }
            Self::PlaceRole { name, label, parent } => {
                let mut role = find(tx, name).await?;
                let old = role.parent;
                role.parent = match parent {
                    None => None,
                    Some(parent) => Some(find(tx, parent).await?.id),
                };
                role.label = label.as_ref().map(Json::to_string);
                update_role(tx, &role, by.at, by.actor).await?;
                let changes = json!({"parent": {"old": old, "new": role.parent}, "label": role.label});
                audit(tx, by, "UPDATED", "Role", role.id, changes).await?;
            }
            Self::Grant { role, module, grant } => {
                let role = find(tx, role).await?;
                let old = find_grant(tx, role.id, module).await?;
                match grant {
                    None => delete_grant(tx, role.id, module).await?,
                    Some(grant) => put_grant(tx, &grant_row(role.id, module, grant)?).await?,
                }
                let old = old.map(|old| grant_of(&old));
                let changes = json!({"module": module, "access": {"old": old, "new": grant}});
                audit(tx, by, "ACCESS_SET", "Role", role.id, changes).await?;
            }
            Self::RecordRule { role, module, rule } => {
                let role = find(tx, role).await?;
                put_record_rule(tx, role.id, module, rule.as_deref()).await?;
                let changes = json!({"module": module, "rule": rule});
                audit(tx, by, "RECORD_RULE_SET", "Role", role.id, changes).await?;
            }
            Self::PermissionSet { name, label, access } => {
                let old = find_permission_set(tx, name).await?;
                let row = PermissionSetRow {
                    id: old.as_ref().map_or_else(Uuid::now_v7, |old| old.id),
                    name: name.clone(),
                    label: label.as_ref().map(Json::to_string),
                    access: serde_json::to_string(access).map_err(|_| EngineError::Internal)?,
                };
                put_permission_set(tx, &row).await?;
                let old = old.and_then(|old| serde_json::from_str::<Json>(&old.access).ok());
                let changes = json!({"name": name, "access": {"old": old, "new": access}});
                audit(tx, by, "SAVED", "PermissionSet", row.id, changes).await?;
            }
            Self::SharingRule(document) => {
                let row = sharing_rule(tx, document).await?.row()?;
                let old = find_sharing_rule(tx, &row.name).await?;
                put_sharing_rule(tx, &row).await?;
                let changes = changes_of_rule(&row.name, old.as_ref(), Some(&row));
                audit(tx, by, "SAVED", "SharingRule", Uuid::nil(), changes).await?;
            }
            Self::Workflow { name, content, status, author } => {
                let id = save_workflow(tx, name, content, status, *author, by.at).await?;
                let changes = json!({"definition": {"new": content}});
                audit(tx, by, "SAVED", "Workflow", id, changes).await?;
            }
            Self::SwitchWorkflowOff(name) => {
                switch_workflow_off(tx, name).await?;
                let changes = json!({"name": name});
                audit(tx, by, "SWITCHED_OFF", "Workflow", Uuid::nil(), changes).await?;
            }
            Self::RemoveSharingRule(name) => {
                if let Some(old) = find_sharing_rule(tx, name).await? {
                    delete_sharing_rule(tx, name).await?;
                    let changes = changes_of_rule(name, Some(&old), None);
                    audit(tx, by, "DELETED", "SharingRule", Uuid::nil(), changes).await?;
                }
            }
            Self::RemovePermissionSet(name) => {
                if let Some(set) = find_permission_set(tx, name).await? {
                    delete_permission_set(tx, set.id).await?;
                    audit(tx, by, "DELETED", "PermissionSet", set.id, json!({"name": name})).await?;
                }
            }
            Self::RemoveRole(name) => {
                let role = find(tx, name).await?;
                remove_role(tx, role.id, by.at, by.actor).await?;
                audit(tx, by, "DELETED", "Role", role.id, json!({"name": name})).await?;
            }
        }
        Ok(())
    }
}

/// A role that the plan has seen: rights have not changed since.
async fn find(tx: &mut WriteTx, name: &str) -> Result<RoleRow, EngineError> {
    find_role(tx, name).await?.ok_or(EngineError::Internal)
}

fn grant_row(role: Uuid, module: &str, grant: &ModuleGrant) -> Result<GrantRow, EngineError> {
    let ModuleGrant { create, read, update, delete, fields } = grant.clone();
    let fields = serde_json::to_string(&fields).map_err(|_| EngineError::Internal)?;
    Ok(GrantRow { role, module: module.to_owned(), create, read, update, delete, fields })
}

fn grant_of(row: &GrantRow) -> ModuleGrant {
    let fields = serde_json::from_str(&row.fields).unwrap_or_default();
    ModuleGrant { create: row.create, read: row.read, update: row.update, delete: row.delete, fields }
}

async fn sharing_rule(tx: &mut WriteTx, document: &SharingRuleDocument) -> Result<SharingRule, EngineError> {
    let records = match (&document.owned_by, &document.rule) {
        (Some(owners), _) => SharedRecords::OwnedBy(principal(tx, owners).await?),
        (None, Some(source)) => SharedRecords::Rule(source.clone()),
        // The schema asks for one of them.
        (None, None) => return Err(EngineError::Internal),
    };
    Ok(SharingRule {
        name: document.name.clone(),
        module: document.module.clone(),
        records,
        with: principal(tx, &document.with).await?,
        opens: Opens { update: document.access == SharedAccess::Write, delete: document.delete },
    })
}

async fn principal(tx: &mut WriteTx, name: &PrincipalName) -> Result<Principal, EngineError> {
    Ok(match name {
        PrincipalName::Role(role) => Principal::Role(find(tx, role).await?.id),
        PrincipalName::RoleAndBelow(role) => Principal::RoleAndBelow(find(tx, role).await?.id),
        PrincipalName::Group(group) => Principal::Group(find_group(tx, group).await?.ok_or(EngineError::Internal)?.id),
    })
}
