//! What opens and narrows records beside their owner: sharing rules, shares of single records, roles' record rules.

use async_recursion::async_recursion as boxed;
use std::sync::Arc;

use cardine_access::Opens;
use cardine_model::catalog::{Catalog, ModuleId};
use cardine_model::rule::{Context, Expected, TypedRule, check};
use cardine_model::{Issue, PathSegment, path};
use cardine_store::platform::access::{find_role, find_user};
use cardine_store::platform::sharing::{
    ShareRow, SharingRuleRow, delete_share, delete_sharing_rule, fetch_shares, find_record_rule, find_share,
    find_sharing_rule, put_record_rule, put_share, put_sharing_rule, record_exists,
};
use serde::{Deserialize, Serialize};
use serde_json::{Value as Json, json};
use uuid::Uuid;

use super::roles::unknown_role;
use super::{AccessState, ChangedBy, UserAccess, audit, begin_change};
use crate::{Engine, EngineError};

/// Most sharing rules: each is part of every statement over its module's records.
pub(crate) const SHARING_RULES_MAX: usize = 500;

/// Users, by what they have in common.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum Principal {
    /// Those with this role.
    Role(Uuid),
    /// Those with this role or one below it.
    RoleAndBelow(Uuid),
    /// The members of this group; as an owner, the group too.
    Group(Uuid),
    /// This one.
    User(Uuid),
}

/// Which records of its module a sharing rule opens.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum SharedRecords {
    /// Those that these own.
    OwnedBy(Principal),
    /// Those of which this rule is true.
    Rule(String),
}

/// Opens records of one module to some users.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SharingRule {
    /// Its name, unique.
    pub name: String,
    /// The module's name.
    pub module: String,
    /// Which records.
    pub records: SharedRecords,
    /// To whom.
    pub with: Principal,
    /// How far.
    pub opens: Opens,
}

/// What is kept of a sharing rule beside its name and module.
#[derive(Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
struct Document {
    records: SharedRecords,
    with: Principal,
    update: bool,
    delete: bool,
}

impl SharingRule {
    /// From its row; `None` if it cannot be read.
    pub(super) fn from_row(row: SharingRuleRow) -> Option<Self> {
        let Document { records, with, update, delete } = serde_json::from_str(&row.definition).ok()?;
        Some(Self { name: row.name, module: row.module, records, with, opens: Opens { update, delete } })
    }

    /// Whether it opens records to this role, or opens those that users with it own.
    pub(crate) fn names(&self, role: Uuid) -> bool {
        let is_meant = |principal| matches!(principal, Principal::Role(id) | Principal::RoleAndBelow(id) if id == role);
        is_meant(self.with) || matches!(self.records, SharedRecords::OwnedBy(owners) if is_meant(owners))
    }

    /// Whether it opens records to this group, or opens those that the group and its members own.
    pub(super) fn names_group(&self, group: Uuid) -> bool {
        let is_meant = |principal| principal == Principal::Group(group);
        is_meant(self.with) || matches!(self.records, SharedRecords::OwnedBy(owners) if is_meant(owners))
    }

    pub(crate) fn row(&self) -> Result<SharingRuleRow, EngineError> {
        let Opens { update, delete } = self.opens;
        let document = Document { records: self.records.clone(), with: self.with, update, delete };
        let definition = serde_json::to_string(&document).map_err(|_| EngineError::Internal)?;
        Ok(SharingRuleRow { name: self.name.clone(), module: self.module.clone(), definition })
    }
}

/// One record opened to one user, group or role.
#[derive(Debug, Clone, Copy)]
pub struct Share {
    /// The record.
    pub record: Uuid,
    /// To whom; a role without those below it.
    pub with: Principal,
    /// How far.
    pub opens: Opens,
}

/// An administrator's condition on records of `module`, typed; `Err` with what is wrong with it.
pub(crate) fn typed_condition(catalog: &Catalog, module: ModuleId, source: &str) -> Result<Arc<TypedRule>, String> {
    let context = Context { module, allow_old: false, allow_relations: true, expected: Expected::Boolean };
    check(source, &context, catalog).map(Arc::new).map_err(|faults| {
        let told: Vec<String> = faults
            .into_iter()
            .map(|fault| {
                let character =
                    source.char_indices().take_while(|(position, _)| *position < fault.position).count() + 1;
                format!("{} (at character {character} of the rule)", fault.message)
            })
            .collect();
        told.join("; ")
    })
}

impl Engine {
    /// Saves a sharing rule under its name, in place of one that has it. Issues' paths start at `rule`.
    #[boxed]
    pub async fn save_sharing_rule(&self, by: ChangedBy, rule: SharingRule) -> Result<(), EngineError> {
        let snapshot = self.snapshot();
        let mut issues = Vec::new();
        if !super::roles::is_role_name(&rule.name) {
            let message =
                "a sharing rule's name has 1 to 64 lower-case letters, digits and hyphens, and begins with a letter";
            issues.push(Issue::new(path!["rule", "name"], "pattern", message));
        }
        let module = module_of(
            &snapshot.catalog,
            &rule.module,
            &[PathSegment::from("rule"), PathSegment::from("module")],
            &mut issues,
        );
        if let (Some(module), SharedRecords::Rule(source)) = (module, &rule.records)
            && let Err(message) = typed_condition(&snapshot.catalog, module, source)
        {
            issues.push(Issue::new(path!["rule", "rule"], "rule", message));
        }
        let known = snapshot.access.sharing_rules();
        if known.len() >= SHARING_RULES_MAX && known.iter().all(|known| known.name != rule.name) {
            let message = format!("there are {SHARING_RULES_MAX} sharing rules already, which is the limit");
            issues.push(Issue::new(path!["rule", "name"], "limit", message));
        }
        if !issues.is_empty() {
            return Err(EngineError::Validation(issues));
        }
        let row = rule.row()?;
        let write = self.store().write(move |tx| {
            let row = row.clone();
            Box::pin(async move {
                begin_change(tx).await?;
                let old = find_sharing_rule(tx, &row.name).await?;
                put_sharing_rule(tx, &row).await?;
                let changes = changes_of_rule(&row.name, old.as_ref(), Some(&row));
                audit(tx, &by, "SAVED", "SharingRule", Uuid::nil(), changes).await?;
                Ok::<_, EngineError>(())
            })
        });
        write.await?;
        self.reload().await
    }

    /// Takes a sharing rule away.
    #[boxed]
    pub async fn delete_sharing_rule(&self, by: ChangedBy, name: &str) -> Result<(), EngineError> {
        let name = name.to_owned();
        let write = self.store().write(move |tx| {
            let name = name.clone();
            Box::pin(async move {
                begin_change(tx).await?;
                let old = find_sharing_rule(tx, &name).await?.ok_or(EngineError::NotFound)?;
                delete_sharing_rule(tx, &name).await?;
                let changes = changes_of_rule(&name, Some(&old), None);
                audit(tx, &by, "DELETED", "SharingRule", Uuid::nil(), changes).await?;
                Ok::<_, EngineError>(())
            })
        });
        write.await?;
        self.reload().await
    }

    /// Sets the rule that narrows which records of a module a role reaches; `None` takes it away.
    #[boxed]
    pub async fn set_record_rule(
        &self,
        by: ChangedBy,
        role: &str,
        module: &str,
        rule: Option<&str>,
    ) -> Result<Uuid, EngineError> {
        let snapshot = self.snapshot();
        let mut issues = Vec::new();
        let module_id = module_of(&snapshot.catalog, module, &[PathSegment::from("module")], &mut issues);
        if let (Some(module), Some(source)) = (module_id, rule)
            && let Err(message) = typed_condition(&snapshot.catalog, module, source)
        {
            issues.push(Issue::new(path!["rule"], "rule", message));
        }
        if !issues.is_empty() {
            return Err(EngineError::Validation(issues));
        }
        let (role, module, rule) = (role.to_owned(), module.to_owned(), rule.map(str::to_owned));
        let write = self.store().write(move |tx| {
            let (role, module, rule) = (role.clone(), module.clone(), rule.clone());
            Box::pin(async move {
                begin_change(tx).await?;
                let role = find_role(tx, &role).await?.ok_or_else(|| unknown_role("role", &role))?;
                if role.administrator {
                    let message = format!("the role {} may do everything, which cannot be changed", role.name);
                    return Err(EngineError::Validation(vec![Issue::new(path!["role"], "administrator", message)]));
                }
                let old = find_record_rule(tx, role.id, &module).await?;
                put_record_rule(tx, role.id, &module, rule.as_deref()).await?;
                let changes = json!({"module": module, "rule": {"old": old, "new": rule}});
                audit(tx, &by, "RECORD_RULE_SET", "Role", role.id, changes).await?;
                Ok(role.id)
            })
        });
        let role = write.await?;
        self.reload().await?;
        Ok(role)
    }

    /// Opens one record to a user, group or role, in place of what was opened to the same before.
    #[boxed]
    pub async fn share_record(&self, by: ChangedBy, module: &str, share: Share) -> Result<(), EngineError> {
        let snapshot = self.snapshot();
        let mut issues = Vec::new();
        let Some(id) = module_of(&snapshot.catalog, module, &[PathSegment::from("module")], &mut issues) else {
            return Err(EngineError::Validation(issues));
        };
        let (kind, principal) = principal_of_share(share.with)?;
        let table = snapshot.catalog.module(id).table.clone();
        let row = ShareRow {
            record: share.record,
            module: module.to_owned(),
            principal,
            kind: kind.to_owned(),
            opens_update: share.opens.update,
            opens_delete: share.opens.delete,
        };
        let first_of_module = !snapshot.access.has_shares(module);
        let write = self.store().write(move |tx| {
            let (row, table) = (row.clone(), table.clone());
            Box::pin(async move {
                // Who reaches a shared record is asked in the database; only that there is any is kept in memory.
                if first_of_module {
                    begin_change(tx).await?;
                }
                if row.kind == "user" && find_user(tx, row.principal).await?.is_none() {
                    return Err(EngineError::NotFound);
                }
                if !record_exists(tx, &table, row.record).await? {
                    return Err(EngineError::NotFound);
                }
                let old = find_share(tx, row.record, row.principal).await?;
                put_share(tx, &row, by.at, by.actor).await?;
                audit(tx, &by, "SHARED", &row.module, row.record, changes_of_share(&row, old.as_ref(), Some(&row)))
                    .await?;
                Ok(())
            })
        });
        write.await?;
        if first_of_module { self.reload().await } else { Ok(()) }
    }

    /// Ends the sharing of a record with a user, group or role.
    #[boxed]
    pub async fn unshare_record(&self, by: ChangedBy, module: &str, share: Share) -> Result<(), EngineError> {
        let (_, principal) = principal_of_share(share.with)?;
        let module = module.to_owned();
        let write = self.store().write(move |tx| {
            let module = module.clone();
            Box::pin(async move {
                let old = find_share(tx, share.record, principal).await?.ok_or(EngineError::NotFound)?;
                delete_share(tx, share.record, principal).await?;
                let changes = changes_of_share(&old, Some(&old), None);
                audit(tx, &by, "UNSHARED", &module, share.record, changes).await?;
                Ok::<_, EngineError>(())
            })
        });
        write.await
    }

    /// With whom a record is shared by itself.
    #[boxed]
    pub async fn record_shares(&self, record: Uuid) -> Result<Vec<ShareRow>, EngineError> {
        self.store().read(move |tx| Box::pin(async move { Ok(fetch_shares(tx, record).await?) })).await
    }
}

impl AccessState {
    /// Whose ownership a principal stands for: users; of the groups, that which is named.
    pub(super) fn owners_of(&self, principal: Principal) -> Vec<Uuid> {
        let meant = |user: &&UserAccess| self.is_meant(principal, Some(user.id), user.role, &user.groups);
        let group = if let Principal::Group(group) = principal { Some(group) } else { None };
        group.into_iter().chain(self.users().into_iter().filter(meant).map(|user| user.id)).collect()
    }

    /// Whether someone with this role, in these groups, is meant by a principal.
    pub(super) fn is_meant(
        &self,
        principal: Principal,
        user: Option<Uuid>,
        role: Option<Uuid>,
        groups: &[Uuid],
    ) -> bool {
        match principal {
            Principal::User(wanted) => user == Some(wanted),
            Principal::Role(wanted) => role == Some(wanted),
            Principal::RoleAndBelow(wanted) => role.is_some_and(|role| self.is_at_or_below(role, wanted)),
            Principal::Group(wanted) => groups.contains(&wanted),
        }
    }
}

/// What the audit log tells of a sharing rule.
pub(crate) fn changes_of_rule(name: &str, old: Option<&SharingRuleRow>, new: Option<&SharingRuleRow>) -> Json {
    let module = |row: &SharingRuleRow| Json::from(row.module.as_str());
    let definition = |row: &SharingRuleRow| serde_json::from_str::<Json>(&row.definition).unwrap_or_default();
    json!({
        "name": name,
        "module": {"old": old.map(module), "new": new.map(module)},
        "definition": {"old": old.map(definition), "new": new.map(definition)},
    })
}

/// What the audit log tells of the sharing of a record with somebody.
fn changes_of_share(with: &ShareRow, old: Option<&ShareRow>, new: Option<&ShareRow>) -> Json {
    let opens = |row: &ShareRow| json!({"update": row.opens_update, "delete": row.opens_delete});
    let opens = json!({"old": old.map(opens), "new": new.map(opens)});
    json!({"with": {"kind": with.kind, "id": with.principal}, "opens": opens})
}

fn principal_of_share(with: Principal) -> Result<(&'static str, Uuid), EngineError> {
    match with {
        Principal::User(id) => Ok(("user", id)),
        Principal::Group(id) => Ok(("group", id)),
        Principal::Role(id) => Ok(("role", id)),
        Principal::RoleAndBelow(_) => {
            let message =
                "a single record is shared with a user, a group or a role; a sharing rule reaches those below a role";
            Err(EngineError::Validation(vec![Issue::new(path!["with"], "principal", message)]))
        }
    }
}

/// The module of this name, which stands `at` among the arguments.
fn module_of(catalog: &Catalog, name: &str, at: &[PathSegment], issues: &mut Vec<Issue>) -> Option<ModuleId> {
    let Some(module) = catalog.module_by_name(name) else {
        issues.push(Issue::new(at.to_vec(), "unknownModule", format!("there is no module named {name}")));
        return None;
    };
    if module.platform {
        let message =
            format!("records of {name} are the platform's: everyone who is signed in reads their public fields");
        issues.push(Issue::new(at.to_vec(), "platform", message));
        return None;
    }
    Some(module.id)
}
