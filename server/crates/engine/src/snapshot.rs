//! Everything that is kept in memory, in one immutable piece: the catalog and who may do what.

use std::sync::Arc;

use cardine_model::Catalog;

use crate::events::EventMatcher;
use crate::hooks::RecordHooks;
use crate::identity::AccessState;

/// One version of the catalog and of the rights. A request pins one; a change makes a new one and swaps it in.
#[derive(Debug, Clone)]
pub struct Snapshot {
    /// The modules.
    pub catalog: Arc<Catalog>,
    /// Users, roles, groups and grants.
    pub access: Arc<AccessState>,
    /// What follows events.
    pub matcher: Arc<dyn EventMatcher>,
    /// What looks at records before they are written.
    pub hooks: Arc<dyn RecordHooks>,
}
