//! Grants as they are written: per module and field, by name, before a catalog gives them meaning.

use std::collections::BTreeMap;
use std::sync::Arc;

use serde::{Deserialize, Serialize};

/// What may be done with a field's value.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Default, Serialize, Deserialize)]
#[serde(rename_all = "SCREAMING_SNAKE_CASE")]
pub enum FieldAccess {
    /// Nothing: the field does not exist.
    #[default]
    None,
    /// See it.
    Read,
    /// See and change it.
    Write,
}

/// What one source grants on one module.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Default, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct ModuleGrant {
    /// Create records.
    #[serde(default)]
    pub create: bool,
    /// Read records.
    #[serde(default)]
    pub read: bool,
    /// Update records.
    #[serde(default)]
    pub update: bool,
    /// Delete, restore and destroy records.
    #[serde(default)]
    pub delete: bool,
    /// By field name; `*` stands for the fields that are not named.
    #[serde(default)]
    pub fields: BTreeMap<String, FieldAccess>,
}

impl ModuleGrant {
    /// The access to the field of this name: its own entry, else that of `*`, else none.
    pub fn field(&self, name: &str) -> FieldAccess {
        self.fields.get(name).or_else(|| self.fields.get("*")).copied().unwrap_or_default()
    }
}

/// All that one source (a role, a permission set) grants.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Grants {
    /// Bound by nothing.
    pub administrator: bool,
    /// By module name. Many sources grant the same on many modules, and share it.
    pub modules: BTreeMap<Arc<str>, Arc<ModuleGrant>>,
}

impl Grants {
    /// Of somebody who is no administrator.
    pub fn of<M: Into<Arc<str>>>(modules: impl IntoIterator<Item = (M, ModuleGrant)>) -> Self {
        let modules = modules.into_iter().map(|(module, grant)| (module.into(), Arc::new(grant)));
        Self { administrator: false, modules: modules.collect() }
    }
}
