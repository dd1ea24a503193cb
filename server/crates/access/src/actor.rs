//! Who sends a request, with the rights that hold for it.

use std::sync::Arc;

use uuid::Uuid;

use crate::{Rights, SharedOwners};

/// The one on whose behalf a request runs. Requests that are alike share theirs; everything below asks it.
#[derive(Debug, Clone)]
pub struct Actor {
    /// The user; `None` for the role `anonymous` and for the system itself.
    pub user: Option<Uuid>,
    /// The role's name, for logs and `me`.
    pub role: String,
    /// What may be done with modules and fields.
    pub rights: Arc<Rights>,
    /// Owners whose private records are visible: the user, the user's groups, and all users whose role
    /// stands below the user's, with their groups. In the order of their bytes, each once.
    pub visible_owners: Arc<[Uuid]>,
    /// Whose records sharing rules open to it, by module and action.
    pub shared_owners: Arc<[SharedOwners]>,
    /// Whom single records are shared with, as far as it is meant: the user, the user's groups, the role.
    pub principals: Arc<[Uuid]>,
    /// IANA name of the caller's time zone.
    pub time_zone: String,
    /// The languages that the caller reads, by BCP 47: best one first, with commas between.
    pub languages: String,
}

impl Actor {
    /// The language that the caller likes best.
    pub fn locale(&self) -> &str {
        self.languages.split(',').next().unwrap_or_default()
    }
}
