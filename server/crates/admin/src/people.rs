//! Users, groups, roles, what roles grant, and keys.

use std::sync::Arc;

use async_graphql::{ComplexObject, Context, ID, SimpleObject};
use cardine_access::{FieldAccess, ModuleGrant};
use cardine_engine::Snapshot;
use cardine_engine::identity::{AccessState, RoleAccess, UserAccess};
use serde_json::Value as Json;
use uuid::Uuid;

use super::AdminContext;

/// A role.
#[derive(SimpleObject)]
pub struct Role {
    /// Its id.
    id: ID,
    /// Its name, unique.
    name: String,
    /// Text, or text by language.
    label: Option<Json>,
    /// The name of the role above it.
    parent: Option<String>,
    /// Bound by nothing.
    administrator: bool,
    /// What it grants; a module that is not there is closed.
    access: Vec<ModuleAccess>,
    /// What narrows which records it reaches, by module.
    record_rules: Vec<RecordRule>,
}

/// A rule that narrows which records of a module a role reaches.
#[derive(SimpleObject)]
pub struct RecordRule {
    /// The module's name.
    module: String,
    /// What must be true of a record, such as `ownerId == actor.id`.
    rule: String,
}

/// What a role may do with a module.
#[derive(SimpleObject)]
pub struct ModuleAccess {
    /// The module's name.
    module: String,
    /// Create records.
    create: bool,
    /// Read records.
    read: bool,
    /// Update records.
    update: bool,
    /// Delete, restore and destroy records.
    delete: bool,
    /// `NONE`, `READ` or `WRITE` by field name; `*` stands for those that are not named.
    fields: Json,
}

/// A user.
#[derive(SimpleObject)]
#[graphql(complex)]
pub struct User {
    /// Its id.
    id: ID,
    /// For people.
    name: String,
    /// To sign in with.
    email: String,
    /// Whether it may sign in.
    active: bool,
    /// BCP 47.
    locale: Option<String>,
    /// IANA name.
    time_zone: Option<String>,
    #[graphql(skip)]
    role_id: Option<Uuid>,
    #[graphql(skip)]
    group_ids: Vec<Uuid>,
    #[graphql(skip)]
    set_ids: Vec<Uuid>,
}

#[ComplexObject]
impl User {
    /// The one role.
    async fn role(&self, ctx: &Context<'_>) -> Option<Role> {
        let access = &newest(ctx).access;
        self.role_id.and_then(|id| access.role(id)).map(|role| Role::of(role, access))
    }

    /// The names of the permission sets that it has.
    async fn permission_sets(&self, ctx: &Context<'_>) -> Vec<String> {
        let access = &newest(ctx).access;
        let sets = access.permission_sets().iter().filter(|set| self.set_ids.contains(&set.id));
        sets.map(|set| set.name.clone()).collect()
    }

    /// The groups that it is a member of.
    async fn groups(&self, ctx: &Context<'_>) -> Vec<Group> {
        let access = &newest(ctx).access;
        let own = access.groups().filter(|(_, id)| self.group_ids.contains(id));
        own.map(|(name, id)| Group::of(name, id)).collect()
    }
}

/// Users who own and see records together.
#[derive(SimpleObject)]
#[graphql(complex)]
pub struct Group {
    /// Its id.
    id: ID,
    /// Its name.
    name: String,
    #[graphql(skip)]
    group: Uuid,
}

#[ComplexObject]
impl Group {
    /// Its members, by address.
    async fn members(&self, ctx: &Context<'_>) -> Vec<User> {
        let access = &newest(ctx).access;
        let mut members: Vec<&UserAccess> = access.members_of(self.group).collect();
        members.sort_by(|one, other| one.email.cmp(&other.email));
        members.into_iter().map(User::from).collect()
    }
}

impl Group {
    /// A group as this schema shows it.
    pub fn of(name: &str, group: Uuid) -> Self {
        Self { id: ID(group.to_string()), name: name.to_owned(), group }
    }
}

/// An API key with its secret, which is shown this once.
#[derive(SimpleObject)]
pub struct NewApiKey {
    /// Its id.
    pub id: ID,
    /// For the header `Authorization: Bearer <secret>`.
    pub secret: String,
}

impl Role {
    /// A role as this schema shows it.
    pub fn of(role: &RoleAccess, access: &AccessState) -> Self {
        let grants = role.grants.modules.iter().map(|(module, grant)| ModuleAccess::of(module, grant));
        Self {
            id: ID(role.id.to_string()),
            name: role.name.clone(),
            label: role.label.as_deref().and_then(|label| serde_json::from_str(label).ok()),
            parent: role.parent.and_then(|id| access.role(id)).map(|parent| parent.name.clone()),
            administrator: role.grants.administrator,
            access: grants.collect(),
            record_rules: access.record_rules_of(role.id).into_iter().map(RecordRule::from).collect(),
        }
    }
}

impl From<(&str, &str)> for RecordRule {
    fn from((module, rule): (&str, &str)) -> Self {
        Self { module: module.to_owned(), rule: rule.to_owned() }
    }
}

impl ModuleAccess {
    /// A grant on a module as this schema shows it.
    pub fn of(module: &str, grant: &ModuleGrant) -> Self {
        let fields = grant.fields.iter().map(|(name, access)| (name.clone(), Json::from(access_name(*access))));
        Self {
            module: module.to_owned(),
            create: grant.create,
            read: grant.read,
            update: grant.update,
            delete: grant.delete,
            fields: fields.collect(),
        }
    }
}

impl From<&UserAccess> for User {
    fn from(user: &UserAccess) -> Self {
        Self {
            id: ID(user.id.to_string()),
            name: user.name.clone(),
            email: user.email.clone(),
            active: user.active,
            locale: user.locale.clone(),
            time_zone: user.time_zone.clone(),
            role_id: user.role,
            group_ids: user.groups.clone(),
            set_ids: user.permission_sets.clone(),
        }
    }
}

/// What is in force now. Not the request's own snapshot, which is older than what an earlier mutation of the same request has made.
pub fn newest(ctx: &Context<'_>) -> Arc<Snapshot> {
    ctx.data_unchecked::<AdminContext>().app.engine.snapshot()
}

/// As it is written in grants.
pub fn access_name(access: FieldAccess) -> &'static str {
    match access {
        FieldAccess::None => "NONE",
        FieldAccess::Read => "READ",
        FieldAccess::Write => "WRITE",
    }
}
