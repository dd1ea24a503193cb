//! Roles, permission sets and sharing rules as they are written in files: by names, not by the ids of one database.

use std::collections::BTreeMap;

use cardine_access::{FieldAccess, Grants, ModuleGrant};
use cardine_model::Catalog;
use serde::{Deserialize, Serialize};
use serde_json::Value as Json;

use crate::identity::{AccessState, PermissionSet, Principal, RoleAccess, SharedRecords, SharingRule};

/// A role: `schema/role.schema.json`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub(crate) struct RoleDocument {
    pub name: String,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub label: Option<Json>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub parent: Option<String>,
    #[serde(default, skip_serializing_if = "is_false")]
    pub administrator: bool,
    /// By module name.
    #[serde(default, serialize_with = "written_access")]
    pub access: BTreeMap<String, ModuleGrant>,
    /// By module name.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub record_rules: BTreeMap<String, String>,
}

/// A permission set: `schema/permission-set.schema.json`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub(crate) struct PermissionSetDocument {
    pub name: String,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub label: Option<Json>,
    /// By module name.
    #[serde(default, serialize_with = "written_access")]
    pub access: BTreeMap<String, ModuleGrant>,
}

/// A sharing rule: `schema/sharing-rule.schema.json`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub(crate) struct SharingRuleDocument {
    pub name: String,
    pub module: String,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub owned_by: Option<PrincipalName>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub rule: Option<String>,
    pub with: PrincipalName,
    pub access: SharedAccess,
    #[serde(default, skip_serializing_if = "is_false")]
    pub delete: bool,
}

/// Users by what they have in common.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) enum PrincipalName {
    Role(String),
    RoleAndBelow(String),
    Group(String),
}

/// How far sharing opens a record.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "SCREAMING_SNAKE_CASE")]
pub(crate) enum SharedAccess {
    Read,
    Write,
}

impl RoleDocument {
    /// The document of a role over `catalog`: what rests for what is retired is no part of it.
    pub fn of(role: &RoleAccess, access: &AccessState, catalog: &Catalog) -> Self {
        let rules = catalog.modules.iter().filter_map(|module| {
            let rule = access.record_rule(role.id, &module.name)?;
            Some((module.name.clone(), rule.to_owned()))
        });
        Self {
            name: role.name.clone(),
            label: parse_label(role.label.as_deref()),
            parent: role.parent.and_then(|parent| access.role(parent)).map(|parent| parent.name.clone()),
            administrator: role.grants.administrator,
            access: access_over(catalog, &role.grants),
            record_rules: rules.collect(),
        }
    }
}

impl PermissionSetDocument {
    /// As [`RoleDocument::of`].
    pub fn of(set: &PermissionSet, catalog: &Catalog) -> Self {
        Self {
            name: set.name.clone(),
            label: parse_label(set.label.as_deref()),
            access: access_over(catalog, &set.grants),
        }
    }
}

impl SharingRuleDocument {
    /// The document of a rule; `None` of one that names a person.
    pub fn of(rule: &SharingRule, access: &AccessState) -> Option<Self> {
        let (owned_by, source) = match &rule.records {
            SharedRecords::OwnedBy(owners) => (Some(PrincipalName::of(*owners, access)?), None),
            SharedRecords::Rule(source) => (None, Some(source.clone())),
        };
        Some(Self {
            name: rule.name.clone(),
            module: rule.module.clone(),
            owned_by,
            rule: source,
            with: PrincipalName::of(rule.with, access)?,
            access: if rule.opens.update { SharedAccess::Write } else { SharedAccess::Read },
            delete: rule.opens.delete,
        })
    }

    /// Whom it names.
    pub fn principals(&self) -> impl Iterator<Item = (&'static str, &PrincipalName)> {
        self.owned_by.iter().map(|owners| ("ownedBy", owners)).chain(std::iter::once(("with", &self.with)))
    }
}

impl PrincipalName {
    fn of(principal: Principal, access: &AccessState) -> Option<Self> {
        let role = |id| access.role(id).map(|role| role.name.clone());
        match principal {
            Principal::Role(id) => role(id).map(Self::Role),
            Principal::RoleAndBelow(id) => role(id).map(Self::RoleAndBelow),
            Principal::Group(id) => {
                access.groups().find(|(_, group)| *group == id).map(|(name, _)| Self::Group(name.to_owned()))
            }
            Principal::User(_) => None,
        }
    }

    /// The role that it names.
    pub fn role(&self) -> Option<(&'static str, &str)> {
        match self {
            Self::Role(name) => Some(("role", name)),
            Self::RoleAndBelow(name) => Some(("roleAndBelow", name)),
            Self::Group(_) => None,
        }
    }
}

/// The grants on what there is in `catalog`, fields in their modules alike.
fn access_over(catalog: &Catalog, grants: &Grants) -> BTreeMap<String, ModuleGrant> {
    let over = |(name, grant): (&std::sync::Arc<str>, &std::sync::Arc<ModuleGrant>)| {
        let module = catalog.module_by_name(name).filter(|module| !module.platform)?;
        let is_there = |field: &str| field == "*" || module.own_fields().any(|known| known.name == field);
        let mut grant = ModuleGrant::clone(grant);
        grant.fields.retain(|field, _| is_there(field));
        Some((module.name.clone(), grant))
    };
    grants.modules.iter().filter_map(over).collect()
}

fn parse_label(label: Option<&str>) -> Option<Json> {
    label.and_then(|label| serde_json::from_str(label).ok())
}

/// As people write them: what is not granted is left out.
fn written_access<S: serde::Serializer>(
    access: &BTreeMap<String, ModuleGrant>,
    serializer: S,
) -> Result<S::Ok, S::Error> {
    let granted = access.iter().filter(|(_, grant)| **grant != ModuleGrant::default());
    serializer.collect_map(granted.map(|(module, grant)| (module, WrittenGrant::from(grant))))
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct WrittenGrant<'a> {
    #[serde(skip_serializing_if = "is_false")]
    create: bool,
    #[serde(skip_serializing_if = "is_false")]
    read: bool,
    #[serde(skip_serializing_if = "is_false")]
    update: bool,
    #[serde(skip_serializing_if = "is_false")]
    delete: bool,
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    fields: &'a BTreeMap<String, FieldAccess>,
}

impl<'a> From<&'a ModuleGrant> for WrittenGrant<'a> {
    fn from(grant: &'a ModuleGrant) -> Self {
        let ModuleGrant { create, read, update, delete, fields } = grant;
        Self { create: *create, read: *read, update: *update, delete: *delete, fields }
    }
}

fn is_false(value: &bool) -> bool {
    !*value
}
