//! Taking roles and groups away. One that something needs stays, and all that needs it is told.

use async_recursion::async_recursion as boxed;
use cardine_model::assignment::Named;
use cardine_model::catalog::{Catalog, Module};
use cardine_model::resolve::role_documents;
use cardine_model::{Issue, path};
use cardine_sql::write::{Purpose, lock_rows};
use cardine_store::platform::access::{find_grants_of, find_role, remove_role};
use cardine_store::platform::needed::{
    count_holding, count_open_questions, count_users_with_role, find_records_shared_with, find_roles_below,
    find_sharing_rules, find_workflows_in_use, remove_group,
};
use cardine_store::platform::permission_sets::{find_group, find_members_of};
use cardine_store::platform::sharing::find_record_rules_of;
use cardine_store::{Bindings, WriteTx};
use serde_json::{Value as Json, json};
use uuid::Uuid;

use super::roles::told;
use super::{ANONYMOUS, ChangedBy, SharingRule, audit, begin_change};
use crate::{Engine, EngineError, json_name};

/// The platform's module of groups.
const GROUP: &str = "Group";
/// How often modules may change meanwhile.
const ATTEMPTS_MAX: usize = 3;

impl Engine {
    /// Takes a role away that nothing needs, with what it grants, its record rules and its shares of single records.
    #[boxed]
    pub async fn delete_role(&self, by: ChangedBy, name: &str) -> Result<(), EngineError> {
        self.remove(move || self.delete_role_now(by, name)).await
    }

    /// Once more, by the modules as they are now, where they have changed since this process looked.
    async fn remove<F: Future<Output = Result<(), EngineError>>>(
        &self,
        now: impl Fn() -> F,
    ) -> Result<(), EngineError> {
        for _ in 1..ATTEMPTS_MAX {
            match now().await {
                Err(EngineError::Stale) => self.reload().await?,
                ended => return ended,
            }
        }
        now().await
    }

    #[boxed]
    async fn delete_role_now(&self, by: ChangedBy, name: &str) -> Result<(), EngineError> {
        let (name, snapshot) = (name.to_owned(), self.snapshot());
        let write = self.store().write(move |tx| {
            let (name, snapshot) = (name.clone(), snapshot.clone());
            Box::pin(async move {
                begin_change(tx).await?;
                if tx.state().await?.catalog_version != i64::try_from(snapshot.catalog.version).unwrap_or(i64::MAX) {
                    return Err(EngineError::Stale);
                }
                let role = find_role(tx, &name).await?.ok_or(EngineError::NotFound)?;
                if role.administrator || name == ANONYMOUS || is_built_in(&name) {
                    let message = format!("the role {name} is built in: every start would make it again");
                    return Err(EngineError::Validation(vec![Issue::new(path!["name"], "builtIn", message)]));
                }
                let mut needed = Vec::new();
                needed.extend(counted(count_users_with_role(tx, role.id).await?, "user has it", "users have it"));
                let below = find_roles_below(tx, role.id).await?;
                needed.extend(below.iter().map(|below| format!("the role {below} stands below it")));
                needed.extend(rules_that(tx, |rule| rule.names(role.id)).await?);
                needed.extend(workflows_that(tx, |document| names_role(document, &name)).await?);
                needed.extend(questions_to(tx, role.id).await?);
                needed.extend(modules_that(&snapshot.catalog, "stages", |module| {
                    let moves = module.stages.iter().flat_map(|stages| &stages.moves);
                    moves.flat_map(|one| &one.roles).any(|role| *role == name)
                }));
                refuse_if_needed("role", &name, needed)?;
                let granted = find_grants_of(tx, role.id).await?;
                let granted: Json = granted.iter().map(|grant| (grant.module.clone(), told(grant))).collect();
                let rules: Json = find_record_rules_of(tx, role.id).await?.into_iter().collect();
                let shared = find_records_shared_with(tx, role.id).await?;
                remove_role(tx, role.id, by.at, by.actor).await?;
                let changes = json!({
                    "name": {"old": name, "new": null},
                    "access": {"old": granted, "new": null},
                    "recordRules": {"old": rules, "new": null},
                    "sharedRecords": {"old": shared, "new": []},
                });
                audit(tx, &by, "DELETED", "Role", role.id, changes).await?;
                Ok::<_, EngineError>(())
            })
        });
        write.await?;
        self.reload().await
    }

    /// Takes a group away that nothing needs, with its members and its shares of single records.
    #[boxed]
    pub async fn delete_group(&self, by: ChangedBy, name: &str) -> Result<(), EngineError> {
        self.remove(move || self.delete_group_now(by, name)).await
    }

    #[boxed]
    async fn delete_group_now(&self, by: ChangedBy, name: &str) -> Result<(), EngineError> {
        let (name, snapshot) = (name.trim().to_owned(), self.snapshot());
        let write = self.store().write(move |tx| {
            let (name, snapshot) = (name.clone(), snapshot.clone());
            Box::pin(async move {
                begin_change(tx).await?;
                if tx.state().await?.catalog_version != i64::try_from(snapshot.catalog.version).unwrap_or(i64::MAX) {
                    return Err(EngineError::Stale);
                }
                let group = find_group(tx, &name).await?.ok_or(EngineError::NotFound)?;
                // Whoever gives a record to the group waits, and then finds none; whoever has done so is found.
                if let Some(lock) = snapshot
                    .catalog
                    .module_by_name(GROUP)
                    .and_then(|groups| lock_rows(tx.dialect(), groups, Purpose::Delete))
                {
                    tx.query(&lock, &Bindings { parents: &[group.id], ..Bindings::default() }).await?;
                }
                let mut needed = rules_that(tx, |rule| rule.names_group(group.id)).await?;
                // In a document a group stands by its id.
                let id = group.id.to_string();
                needed.extend(workflows_that(tx, |document| holds_text(document, &id)).await?);
                needed.extend(questions_to(tx, group.id).await?);
                needed.extend(modules_that(&snapshot.catalog, "assignment", |module| {
                    let assignment = module.assignment.iter();
                    assignment.flat_map(|assignment| assignment.named()).any(|named| named == Named::Group(&group.name))
                }));
                needed.extend(records_that_hold(tx, &snapshot.catalog, group.id).await?);
                refuse_if_needed("group", &group.name, needed)?;
                let members = find_members_of(tx, group.id).await?;
                let shared = find_records_shared_with(tx, group.id).await?;
                remove_group(tx, group.id, by.at, by.actor).await?;
                let changes = json!({
                    "name": {"old": group.name, "new": null},
                    "members": {"old": members, "new": []},
                    "sharedRecords": {"old": shared, "new": []},
                });
                audit(tx, &by, "DELETED", "Group", group.id, changes).await?;
                Ok::<_, EngineError>(())
            })
        });
        write.await?;
        self.reload().await
    }
}

fn is_built_in(role: &str) -> bool {
    let name = |text: &str| serde_json::from_str::<Json>(text).ok()?.get("name")?.as_str().map(str::to_owned);
    role_documents().iter().any(|(_, text)| name(text).as_deref() == Some(role))
}

/// With one issue for each that needs it.
fn refuse_if_needed(kind: &str, name: &str, needed: Vec<String>) -> Result<(), EngineError> {
    if needed.is_empty() {
        return Ok(());
    }
    let message = format!("the {kind} {name} is needed: {}", needed.join(", "));
    let issues = needed.into_iter().map(|need| Issue::new(path!["name"], "needed", need)).collect();
    Err(EngineError::Conflict { message, issues })
}

fn counted(count: i64, one: &str, several: &str) -> Option<String> {
    match count {
        0 => None,
        1 => Some(format!("1 {one}")),
        count => Some(format!("{count} {several}")),
    }
}

async fn rules_that(tx: &mut WriteTx, need: impl Fn(&SharingRule) -> bool) -> Result<Vec<String>, EngineError> {
    let rules = find_sharing_rules(tx).await?.into_iter().filter_map(SharingRule::from_row);
    Ok(rules.filter(|rule| need(rule)).map(|rule| format!("the sharing rule {} names it", rule.name)).collect())
}

async fn workflows_that(tx: &mut WriteTx, need: impl Fn(&Json) -> bool) -> Result<Vec<String>, EngineError> {
    let is_meant = |text: &str| serde_json::from_str(text).is_ok_and(|document| need(&document));
    let workflows = find_workflows_in_use(tx).await?.into_iter().filter(|(_, text)| is_meant(text));
    let mut names: Vec<String> = workflows.map(|(name, _)| name).collect();
    names.dedup();
    Ok(names.iter().map(|name| format!("the workflow {name} names it")).collect())
}

async fn questions_to(tx: &mut WriteTx, principal: Uuid) -> Result<Option<String>, EngineError> {
    let open = count_open_questions(tx, principal).await?;
    Ok(counted(open, "run waits for its decision", "runs wait for its decision"))
}

fn modules_that<'a>(
    catalog: &'a Catalog,
    feature: &'static str,
    need: impl Fn(&Module) -> bool + 'a,
) -> impl Iterator<Item = String> + 'a {
    let modules = catalog.modules.iter().filter(move |module| need(module));
    modules.map(move |module| format!("the module {} names it in its feature {feature}", module.name))
}

/// What a group owns, and what refers to it in other ways; deleted records too, as they may be restored.
async fn records_that_hold(tx: &mut WriteTx, catalog: &Catalog, group: Uuid) -> Result<Vec<String>, EngineError> {
    let mut found = Vec::new();
    let Some(groups) = catalog.module_by_name(GROUP).map(|module| module.id) else { return Ok(found) };
    for module in catalog.modules.iter().filter(|module| !module.platform) {
        let leads_there = |reference: &[cardine_model::ModuleId]| reference.contains(&groups);
        for field in &module.fields {
            let Some(column) = &field.column else { continue };
            if field.reference().is_some_and(|reference| leads_there(&reference.targets)) {
                let count = count_holding(tx, &module.table, column, group).await?;
                let (name, plural) = (json_name(field), &module.plural);
                let one = format!("record of {plural} has it as {name}");
                found.extend(counted(count, &one, &format!("records of {plural} have it as {name}")));
            }
        }
    }
    Ok(found)
}

/// Whether a workflow runs as this role, or asks it: `"role": "…"` anywhere in its document.
fn names_role(document: &Json, role: &str) -> bool {
    match document {
        Json::Object(entries) => entries
            .iter()
            .any(|(key, value)| (key == "role" && value.as_str() == Some(role)) || names_role(value, role)),
        Json::Array(items) => items.iter().any(|item| names_role(item, role)),
        _ => false,
    }
}

fn holds_text(document: &Json, wanted: &str) -> bool {
    match document {
        Json::String(text) => text.to_ascii_lowercase().contains(wanted),
        Json::Object(entries) => entries.values().any(|value| holds_text(value, wanted)),
        Json::Array(items) => items.iter().any(|item| holds_text(item, wanted)),
        _ => false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_document_names_a_role_wherever_it_stands() {
        let runs = json!({"name": "a", "runAs": {"role": "clerk"}, "steps": []});
        let asks = json!({"steps": [{"branch": {"cases": [{"steps": [{"approve": {"by": {"role": "clerk"}}}]}]}}]});
        assert!(names_role(&runs, "clerk") && names_role(&asks, "clerk") && !names_role(&asks, "cler"));
        assert!(holds_text(&json!({"set": {"ownerId": "X{{ \"AB-1\" }}"}}), "ab-1") && !holds_text(&runs, "ab-1"));
    }

    #[test]
    fn built_in_roles_are_known() {
        assert!(is_built_in("administrator") && is_built_in("anonymous") && !is_built_in("clerk"));
    }
}
