//! Documents beside what is there → what is to be written of roles, permission sets, sharing rules and workflows; pure.

use std::collections::{BTreeMap, BTreeSet};

use cardine_access::{FieldAccess, Grants, ModuleGrant};
use cardine_model::{Catalog, Issue};
use serde_json::Value as Json;
use uuid::Uuid;

use super::access_check::Checking;
use super::access_documents::{PermissionSetDocument, PrincipalName, RoleDocument, SharingRuleDocument};
use super::present::{workflow_content, written};
use super::{CheckedWorkflow, Difference, Fate, Kind, Present, WantedFiles, WorkflowDocuments, lines};

/// What is to be written, and what is told of it.
#[derive(Debug, Default)]
pub(crate) struct AccessPart {
    /// In the order in which it must be.
    pub writes: Vec<AccessWrite>,
    pub differences: Vec<Difference>,
    pub left: Vec<String>,
    /// Workflows that go: what they need is no reason to keep it.
    pub workflows_gone: Vec<String>,
    /// The epoch that it was planned on.
    pub epoch: i64,
}

/// One thing that is written; everything by name, as what is new has no id yet.
#[derive(Debug)]
pub(crate) enum AccessWrite {
    /// A group without members, if there is none of this name.
    Group(String),
    /// A role that may do nothing yet, at the top of the tree.
    NewRole {
        name: String,
        label: Option<Json>,
    },
    /// A role's place in the tree and label.
    PlaceRole {
        name: String,
        label: Option<Json>,
        parent: Option<String>,
    },
    /// What a role may do with a module; none takes it away.
    Grant {
        role: String,
        module: String,
        grant: Option<ModuleGrant>,
    },
    /// What narrows a role's reach; none takes it away.
    RecordRule {
        role: String,
        module: String,
        rule: Option<String>,
    },
    PermissionSet {
        name: String,
        label: Option<Json>,
        access: BTreeMap<String, ModuleGrant>,
    },
    SharingRule(SharingRuleDocument),
    Workflow {
        name: String,
        content: Json,
        status: &'static str,
        author: Option<Uuid>,
    },
    SwitchWorkflowOff(String),
    RemoveSharingRule(String),
    RemovePermissionSet(String),
    RemoveRole(String),
}

impl AccessPart {
    /// All faults of the documents beside the modules that there are, and those that there will be.
    pub fn faults(
        files: &WantedFiles,
        present: &Present,
        (before, catalog): (&Catalog, &Catalog),
        workflows: &dyn WorkflowDocuments,
    ) -> Vec<Issue> {
        Checking { files, present, before, catalog }.faults(workflows)
    }

    /// What documents without faults come to.
    pub fn plan(
        files: &WantedFiles,
        present: &Present,
        (before, catalog): (&Catalog, &Catalog),
        workflows: &dyn WorkflowDocuments,
    ) -> Self {
        let checking = Checking { files, present, before, catalog };
        let mut planning = Planning { checking, part: Self { epoch: present.access.epoch, ..Self::default() } };
        planning.groups();
        planning.roles();
        planning.permission_sets();
        planning.sharing_rules();
        planning.workflows(workflows);
        planning.removed_roles();
        planning.part
    }
}

struct Planning<'a> {
    checking: Checking<'a>,
    part: AccessPart,
}

impl Planning<'_> {
    fn differs(&mut self, kind: Kind, name: &str, fate: Fate) {
        self.part.differences.push(Difference { kind, name: name.to_owned(), fate });
    }

    /// Tells of a difference between what is there and what is wanted; whether there is one.
    fn compare(&mut self, kind: Kind, name: &str, before: Option<&Json>, after: &Json) -> bool {
        let fate = match before {
            None => Fate::Created,
            Some(before) if before == after => return false,
            Some(before) => Fate::Changed(lines(before, after)),
        };
        self.differs(kind, name, fate);
        true
    }

    /// What has no document: whether it goes.
    fn unwanted(&mut self, kind: Kind, name: &str) -> bool {
        if !self.checking.files.speaks_of(kind) || self.checking.is_wanted(kind, name) {
            return false;
        }
        let goes = self.checking.goes(kind, name);
        if !goes {
            self.part.left.push(format!("the {} {name} has no file", kind.words()));
        }
        goes
    }

    fn groups(&mut self) {
        let Checking { files, present, .. } = self.checking;
        let known: BTreeSet<&str> = present.access.groups().map(|(name, _)| name).collect();
        let named = files.sharing_rules.iter().flat_map(SharingRuleDocument::principals);
        let groups: BTreeSet<&String> = named
            .filter_map(|(_, principal)| match principal {
                PrincipalName::Group(name) => Some(name),
                _ => None,
            })
            .filter(|name| !known.contains(name.as_str()))
            .collect();
        self.part.writes.extend(groups.into_iter().cloned().map(AccessWrite::Group));
    }

    fn roles(&mut self) {
        let Checking { files, present, catalog, .. } = self.checking;
        let access = &present.access;
        let (mut made, mut placed, mut grants, mut rules) = (Vec::new(), Vec::new(), Vec::new(), Vec::new());
        for role in &files.roles {
            let known = access.role_named(&role.name);
            let before = known.map(|known| RoleDocument::of(known, access, catalog));
            if !self.compare(Kind::Role, &role.name, before.as_ref().map(written).as_ref(), &written(role)) {
                continue;
            }
            let RoleDocument { name, label, parent, .. } = role.clone();
            if known.is_none() {
                made.push(AccessWrite::NewRole { name: name.clone(), label: label.clone() });
            }
            if before.as_ref().map(|before| (&before.label, &before.parent)) != Some((&label, &parent)) {
                placed.push(AccessWrite::PlaceRole { name: name.clone(), label, parent });
            }
            let nothing = Grants::default();
            let kept = known.map_or(&nothing, |known| &known.grants);
            let old = before.as_ref().map(|before| before.access.clone()).unwrap_or_default();
            let modules: BTreeSet<&String> = old.keys().chain(role.access.keys()).collect();
            for module in modules {
                let new = granted(role.access.get(module));
                if granted(old.get(module)) != new {
                    let grant = with_resting(catalog, kept, module, new.cloned());
                    grants.push(AccessWrite::Grant { role: name.clone(), module: module.clone(), grant });
                }
            }
            let old = before.map(|before| before.record_rules).unwrap_or_default();
            let modules: BTreeSet<&String> = old.keys().chain(role.record_rules.keys()).collect();
            for module in modules.into_iter().filter(|module| old.get(*module) != role.record_rules.get(*module)) {
                let rule = role.record_rules.get(module).cloned();
                rules.push(AccessWrite::RecordRule { role: name.clone(), module: module.clone(), rule });
            }
        }
        self.part.writes.extend(made.into_iter().chain(placed).chain(grants).chain(rules));
    }

    fn permission_sets(&mut self) {
        let Checking { files, present, catalog, .. } = self.checking;
        for set in &files.permission_sets {
            let known = present.access.permission_sets().iter().find(|known| known.name == set.name);
            let before = known.map(|known| written(&PermissionSetDocument::of(known, catalog)));
            if !self.compare(Kind::PermissionSet, &set.name, before.as_ref(), &written(set)) {
                continue;
            }
            let nothing = Grants::default();
            let kept = known.map_or(&nothing, |known| &known.grants);
            let resting = kept.modules.keys().filter(|module| catalog.module_by_name(module).is_none());
            let modules: BTreeSet<String> =
                set.access.keys().cloned().chain(resting.map(|module| module.to_string())).collect();
            let access = modules.into_iter().filter_map(|module| {
                let grant = with_resting(catalog, kept, &module, granted(set.access.get(&module)).cloned())?;
                Some((module, grant))
            });
            let access = access.collect();
            let PermissionSetDocument { name, label, .. } = set.clone();
            self.part.writes.push(AccessWrite::PermissionSet { name, label, access });
        }
        for set in present.access.permission_sets() {
            if self.unwanted(Kind::PermissionSet, &set.name) {
                self.differs(Kind::PermissionSet, &set.name, Fate::Removed);
                self.part.writes.push(AccessWrite::RemovePermissionSet(set.name.clone()));
            }
        }
    }

    fn sharing_rules(&mut self) {
        let Checking { files, present, .. } = self.checking;
        let access = &present.access;
        for rule in &files.sharing_rules {
            let known = access.sharing_rules().iter().find(|known| known.name == rule.name);
            // One that names a person is replaced as well.
            let before = known
                .map(|known| SharingRuleDocument::of(known, access).map_or(Json::Null, |document| written(&document)));
            if self.compare(Kind::SharingRule, &rule.name, before.as_ref(), &written(rule)) {
                self.part.writes.push(AccessWrite::SharingRule(rule.clone()));
            }
        }
        for rule in access.sharing_rules() {
            if self.checking.is_document(rule) && self.unwanted(Kind::SharingRule, &rule.name) {
                self.differs(Kind::SharingRule, &rule.name, Fate::Removed);
                self.part.writes.push(AccessWrite::RemoveSharingRule(rule.name.clone()));
            }
        }
    }

    fn workflows(&mut self, workflows: &dyn WorkflowDocuments) {
        let Checking { files, present, catalog, .. } = self.checking;
        for (name, content) in &files.workflows {
            let known = present.workflows.iter().find(|row| row.name == *name);
            let before = known.map(workflow_content);
            if !self.compare(Kind::Workflow, name, before.as_ref(), content) {
                continue;
            }
            // Its faults were told before.
            let Ok(CheckedWorkflow { status, .. }) = workflows.check(catalog, &|_| true, content) else { continue };
            let author = files.author.or(self.checking.workflow_author(name));
            let (name, content) = (name.clone(), content.clone());
            self.part.writes.push(AccessWrite::Workflow { name, content, status, author });
        }
        for row in &present.workflows {
            if !self.unwanted(Kind::Workflow, &row.name) {
                continue;
            }
            self.part.workflows_gone.push(row.name.clone());
            if row.status == "ACTIVE" {
                self.differs(Kind::Workflow, &row.name, Fate::SwitchedOff);
                self.part.writes.push(AccessWrite::SwitchWorkflowOff(row.name.clone()));
            }
        }
    }

    /// Last: rules that named them have gone.
    fn removed_roles(&mut self) {
        let mut removed = Vec::new();
        for role in self.checking.present.access.roles() {
            if self.unwanted(Kind::Role, &role.name) {
                self.differs(Kind::Role, &role.name, Fate::Removed);
                removed.push(role);
            }
        }
        // What stands below goes before what stands above.
        while let Some(position) =
            removed.iter().position(|role| removed.iter().all(|other| other.parent != Some(role.id)))
        {
            let role = removed.swap_remove(position);
            self.part.writes.push(AccessWrite::RemoveRole(role.name.clone()));
        }
    }
}

/// A grant that grants something.
fn granted(grant: Option<&ModuleGrant>) -> Option<&ModuleGrant> {
    grant.filter(|grant| **grant != ModuleGrant::default())
}

/// The grant with what rests in it for what is retired, so that it is there again when that comes back.
fn with_resting(catalog: &Catalog, kept: &Grants, name: &str, grant: Option<ModuleGrant>) -> Option<ModuleGrant> {
    let before = kept.modules.get(name);
    let Some(module) = catalog.module_by_name(name) else { return before.map(|before| ModuleGrant::clone(before)) };
    let is_there = |field: &str| field == "*" || module.own_fields().any(|known| known.name == field);
    let resting: BTreeMap<String, FieldAccess> = before
        .into_iter()
        .flat_map(|before| &before.fields)
        .filter(|(field, _)| !is_there(field))
        .map(|(field, access)| (field.clone(), *access))
        .collect();
    if grant.is_none() && resting.is_empty() {
        return None;
    }
    let mut grant = grant.unwrap_or_default();
    grant.fields.extend(resting);
    Some(grant)
}
