//! Who may see and change which module, field and record; pure, and readable in one sitting.
//!
//! The rules, in prose:
//! - Nothing is granted by default: a new module, field or role starts closed.
//! - A role grants `create`, `read`, `update`, `delete` per module, and per field `NONE`, `READ` or `WRITE`; `*` stands for the
//!   fields that are not named, a named field beats `*`, and `WRITE` includes `READ`. Grants of several sources add up; the highest wins.
//! - `id`, `version` and the timestamps come with module read.
//! - A reference is readable only if a module that it leads to is; a to-many relation only if the module on its other side, and
//!   that side's reference, are.
//! - A formula or rollup is readable only where every field that it uses is, unless it is declared `published`.
//! - What may not be read does not exist: it is in no [`Rights`] answer, so no later stage can reach it.
//! - Records: the module's sharing says who sees them without more; `PRIVATE` means the owner, the owning group's members and
//!   everyone whose role stands above theirs, for reading and writing. Peers of one role don't see each other's.
//! - Sharing rules and single-record shares open more: to read, to write, and to delete only where they say so.
//! - A role's record rule narrows all of that; what the rule does not call true is out of reach.
//! - Administrators are bound by none of this.
//! - An API key may have scopes. They take away what they do not name, from an administrator too, and never add.

mod actor;
mod grant;
mod mask;
mod reach;
mod rights;
mod scopes;

pub use actor::Actor;
pub use grant::{FieldAccess, Grants, ModuleGrant};
pub use mask::{Actions, Permitted};
pub use reach::{Opens, RecordAction, RecordRules, SharedOwners};
pub use rights::{RecordScope, Rights};
pub use scopes::{Scope, ScopeLevel, Scopes};
