//! What is wrong with the roles, permission sets, sharing rules and workflows of documents, beside a catalog and what else stays.

use std::collections::{BTreeMap, BTreeSet};

use cardine_access::ModuleGrant;
use cardine_model::resolve::role_documents;
use cardine_model::{Catalog, Issue, PathSegment, path};

use super::access_documents::{RoleDocument, SharingRuleDocument};
use super::read::{at_file, file_of};
use super::{Kind, Present, WantedFiles, WorkflowDocuments};
use crate::identity::{SHARING_RULES_MAX, SharingRule, faults_of_access, is_role_name, typed_condition};

/// The names of the roles that come with Cardine: every start makes those that are missing.
fn built_in_roles() -> impl Iterator<Item = &'static str> {
    role_documents().into_iter().map(|(file, _)| file.trim_end_matches(".json"))
}

/// The documents beside what is there.
#[derive(Clone, Copy)]
pub(super) struct Checking<'a> {
    pub files: &'a WantedFiles,
    pub present: &'a Present,
    /// What there is of modules.
    pub before: &'a Catalog,
    /// What there will be of them.
    pub catalog: &'a Catalog,
}

impl<'a> Checking<'a> {
    /// Whether a thing has a document, a faulty one too.
    pub fn is_wanted(&self, kind: Kind, name: &str) -> bool {
        let files = self.files;
        files.unread.iter().any(|(of, unread)| *of == kind && unread == name)
            || match kind {
                Kind::Module => files.modules.iter().any(|file| file.definition.name == name),
                Kind::Role => files.roles.iter().any(|role| role.name == name),
                Kind::PermissionSet => files.permission_sets.iter().any(|set| set.name == name),
                Kind::SharingRule => files.sharing_rules.iter().any(|rule| rule.name == name),
                Kind::Workflow => files.workflows.iter().any(|(workflow, _)| workflow == name),
            }
    }

    /// Whether what is there goes, having no document.
    pub fn goes(&self, kind: Kind, name: &str) -> bool {
        let stays = kind == Kind::Role && built_in_roles().any(|role| role == name);
        let is_pruned = self.files.prune && self.files.speaks_of(kind);
        (is_pruned || self.files.going.has(kind, name)) && !stays && !self.is_wanted(kind, name)
    }

    /// Whether a sharing rule that is there could have a document: not if it names a person, nor if it rests with a retired module.
    pub fn is_document(&self, rule: &SharingRule) -> bool {
        self.before.module_by_name(&rule.module).is_some()
            && SharingRuleDocument::of(rule, &self.present.access).is_some()
    }

    /// Each role that there will be, with the one above it.
    fn roles(&self) -> BTreeMap<&'a str, Option<&'a str>> {
        let access = &self.present.access;
        let parent = |role: &'a crate::identity::RoleAccess| role.parent.and_then(|id| access.role(id));
        let staying = access.roles().into_iter().filter(|role| !self.goes(Kind::Role, &role.name));
        let staying = staying.map(|role| (role.name.as_str(), parent(role).map(|parent| parent.name.as_str())));
        let mut roles: BTreeMap<_, _> = staying.collect();
        let unread = self.files.unread.iter().filter(|(kind, _)| *kind == Kind::Role);
        roles.extend(unread.map(|(_, name)| (name.as_str(), None)));
        roles.extend(self.files.roles.iter().map(|role| (role.name.as_str(), role.parent.as_deref())));
        roles
    }

    /// All faults; each path begins with a file.
    pub fn faults(&self, workflows: &dyn WorkflowDocuments) -> Vec<Issue> {
        let roles = self.roles();
        let mut faults = Vec::new();
        for role in &self.files.roles {
            let found = self.faults_of_role(role, &roles);
            faults.extend(found.into_iter().map(|issue| at_file(&file_of(Kind::Role, &role.name), issue)));
        }
        for set in &self.files.permission_sets {
            let found = faults_of_access(self.catalog, &set.access);
            faults.extend(found.into_iter().map(|issue| at_file(&file_of(Kind::PermissionSet, &set.name), issue)));
        }
        for rule in &self.files.sharing_rules {
            let found = self.faults_of_sharing_rule(rule, &roles);
            faults.extend(found.into_iter().map(|issue| at_file(&file_of(Kind::SharingRule, &rule.name), issue)));
        }
        for (name, content) in &self.files.workflows {
            let file = file_of(Kind::Workflow, name);
            match workflows.check(self.catalog, &|role| roles.contains_key(role), content) {
                Err(found) => faults.extend(found.into_iter().map(|issue| at_file(&file, issue))),
                Ok(checked) => {
                    let author = self.files.author.or(self.workflow_author(name));
                    if checked.status == "ACTIVE" && checked.runs_as_author && author.is_none() {
                        let message = "nobody is the author of this workflow, with whose rights it is to run: say --author, or let it run as a role";
                        faults.push(Issue::new(path![file, "runAs"], "author", message));
                    }
                }
            }
        }
        faults.extend(self.faults_of_removed_roles(&roles));
        faults.extend(self.too_many_sharing_rules());
        faults
    }

    /// Who saved the workflow of this name last.
    pub fn workflow_author(&self, name: &str) -> Option<uuid::Uuid> {
        self.present.workflows.iter().find(|row| row.name == name)?.author
    }

    fn faults_of_role(&self, role: &RoleDocument, roles: &BTreeMap<&str, Option<&str>>) -> Vec<Issue> {
        let known = self.present.access.role_named(&role.name);
        let mut faults = Vec::new();
        if known.is_none() && !is_role_name(&role.name) {
            let message = "a role's name has 1 to 64 lower-case letters, digits and hyphens, and begins with a letter";
            faults.push(Issue::new(path!["name"], "pattern", message));
        }
        if let Some(parent) = &role.parent {
            if !roles.contains_key(parent.as_str()) {
                faults.push(Issue::new(path!["parent"], "unknownRole", format!("there is no role named {parent}")));
            } else if *parent == role.name {
                faults.push(Issue::new(path!["parent"], "circle", "a role can't stand above itself"));
            } else if is_above_itself(&role.name, roles) {
                let message = format!("{parent} stands below this role, which would stand above itself");
                faults.push(Issue::new(path!["parent"], "circle", message));
            }
        }
        let is_administrator = known.is_some_and(|known| known.grants.administrator);
        if role.administrator != is_administrator {
            let message = "who is bound by nothing cannot be changed: only the built-in role is";
            faults.push(Issue::new(path!["administrator"], "administrator", message));
        }
        if role.administrator
            && !(role.access.values().all(|grant| *grant == ModuleGrant::default()) && role.record_rules.is_empty())
        {
            let message = "this role may do everything: it has no grants and no record rules";
            faults.push(Issue::new(path!["access"], "administrator", message));
        }
        faults.extend(faults_of_access(self.catalog, &role.access));
        for (name, rule) in &role.record_rules {
            faults.extend(self.fault_of_condition(
                name,
                rule,
                path!["recordRules", name.as_str()],
                path!["recordRules", name.as_str()],
            ));
        }
        faults
    }

    fn faults_of_sharing_rule(&self, rule: &SharingRuleDocument, roles: &BTreeMap<&str, Option<&str>>) -> Vec<Issue> {
        let source = rule.rule.as_deref().unwrap_or("true");
        let mut faults: Vec<Issue> =
            self.fault_of_condition(&rule.module, source, path!["module"], path!["rule"]).into_iter().collect();
        for (key, principal) in rule.principals() {
            if let Some((kind, role)) = principal.role()
                && !roles.contains_key(role)
            {
                faults.push(Issue::new(path![key, kind], "unknownRole", format!("there is no role named {role}")));
            }
        }
        faults
    }

    /// What is wrong with a condition on the records of the module of this name.
    fn fault_of_condition(
        &self,
        module: &str,
        source: &str,
        at_module: Vec<PathSegment>,
        at: Vec<PathSegment>,
    ) -> Option<Issue> {
        match self.catalog.module_by_name(module) {
            None => Some(Issue::new(at_module, "unknownModule", format!("there is no module named {module}"))),
            Some(found) if found.platform => {
                let message = format!(
                    "records of {module} are the platform's: everyone who is signed in reads their public fields"
                );
                Some(Issue::new(at_module, "platform", message))
            }
            Some(found) => {
                typed_condition(self.catalog, found.id, source).err().map(|message| Issue::new(at, "rule", message))
            }
        }
    }

    /// A role goes only if nothing is left of what needs it.
    fn faults_of_removed_roles(&self, roles: &BTreeMap<&str, Option<&str>>) -> Vec<Issue> {
        let access = &self.present.access;
        let mut faults = Vec::new();
        for role in access.roles().into_iter().filter(|role| self.goes(Kind::Role, &role.name)) {
            let mut needed = Vec::new();
            let users = access.users().into_iter().filter(|user| user.role == Some(role.id)).count();
            if users > 0 {
                needed.push(format!("{users} users have it"));
            }
            let below = roles.iter().find(|(_, parent)| **parent == Some(role.name.as_str()));
            needed.extend(below.map(|(name, _)| format!("the role {name} stands below it")));
            for rule in access.sharing_rules() {
                let goes = self.goes(Kind::SharingRule, &rule.name) && self.is_document(rule);
                let stays = !goes && !self.is_wanted(Kind::SharingRule, &rule.name);
                if stays && rule.names(role.id) {
                    needed.push(format!("the sharing rule {} names it", rule.name));
                }
            }
            if !needed.is_empty() {
                let message = format!("the role has no file, and cannot go: {}", needed.join(", "));
                faults.push(Issue::new(path![file_of(Kind::Role, &role.name)], "needed", message));
            }
        }
        faults
    }

    fn too_many_sharing_rules(&self) -> Option<Issue> {
        let present = self.present.access.sharing_rules().iter().map(|rule| rule.name.as_str());
        let staying = present.filter(|name| !self.goes(Kind::SharingRule, name));
        let all: BTreeSet<&str> =
            staying.chain(self.files.sharing_rules.iter().map(|rule| rule.name.as_str())).collect();
        let message = format!("there would be {} sharing rules; {SHARING_RULES_MAX} is the limit", all.len());
        (all.len() > SHARING_RULES_MAX).then(|| Issue::new(path![Kind::SharingRule.folder()], "limit", message))
    }
}

fn is_above_itself(role: &str, roles: &BTreeMap<&str, Option<&str>>) -> bool {
    let mut above = roles.get(role).copied().flatten();
    // A circle that others make ends too.
    for _ in 0..=roles.len() {
        match above {
            Some(name) if name == role => return true,
            Some(name) => above = roles.get(name).copied().flatten(),
            None => return false,
        }
    }
    false
}
