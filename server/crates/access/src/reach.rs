//! What opens records to others than their owner, and what narrows the reach of a role.

use std::sync::Arc;

use cardine_model::catalog::ModuleId;
use cardine_model::rule::TypedRule;
use uuid::Uuid;

/// What is done with a record.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum RecordAction {
    /// See it.
    Read,
    /// Change it.
    Update,
    /// Delete, restore or destroy it.
    Delete,
}

/// How far a sharing rule or a share opens records. Reading is always open.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
pub struct Opens {
    /// Changing too.
    pub update: bool,
    /// Deleting too; never by itself.
    pub delete: bool,
}

impl Opens {
    /// Whether this action is open.
    pub fn covers(self, action: RecordAction) -> bool {
        match action {
            RecordAction::Read => true,
            RecordAction::Update => self.update,
            RecordAction::Delete => self.delete,
        }
    }
}

/// Whose records of a module are open to one caller by sharing rules, beside those that its place in the tree of roles opens.
#[derive(Debug, Clone)]
pub struct SharedOwners {
    /// The module.
    pub module: ModuleId,
    /// For this action.
    pub action: RecordAction,
    /// Users and groups.
    pub owners: Arc<[Uuid]>,
}

/// What bears on the reach of a module's records beside the module's sharing.
#[derive(Debug, Clone, Default)]
pub struct RecordRules {
    /// Records are in reach only where each of these is true.
    pub narrowing: Vec<Arc<TypedRule>>,
    /// Records are open also where one of these is true.
    pub opening: Vec<(Opens, Arc<TypedRule>)>,
    /// Whether records are open by their owner to some caller with these rights ([`SharedOwners`] says whose to whom).
    pub shared_owners: bool,
    /// Whether single records are shared.
    pub shares: bool,
}
