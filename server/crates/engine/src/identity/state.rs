//! Users, roles, groups and grants in memory: who is below whom, and each role's rights over a catalog.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard};

use cardine_access::{Actor, Grants, ModuleGrant, Rights, Scopes, SharedOwners};
use cardine_model::Catalog;
use cardine_model::text::account_key;
use cardine_store::Store;
use cardine_store::platform::access as tables;
use cardine_store::platform::permission_sets::{PermissionSetRow, fetch_permission_set_members, fetch_permission_sets};
use cardine_store::platform::sharing::{fetch_record_rules, fetch_shared_modules, fetch_sharing_rules};
use rustc_hash::{FxHashMap, FxHashSet};
use uuid::Uuid;

use super::known_actors::{KnownActors, MadeFor};
use super::shared_grants::SharedGrants;
use super::{ANONYMOUS, SharingRule};
use crate::EngineError;

/// Users, roles and grants of one access epoch. Immutable but for what is derived from it and kept.
#[derive(Debug, Default)]
pub struct AccessState {
    /// Counts up with every change.
    pub epoch: i64,
    roles: FxHashMap<Uuid, RoleAccess>,
    users: FxHashMap<Uuid, UserAccess>,
    groups: BTreeMap<String, Uuid>,
    roles_by_name: FxHashMap<String, Uuid>,
    users_by_email: FxHashMap<String, Uuid>,
    /// All users whose role stands below the key's, and the groups that they are in.
    below: FxHashMap<Uuid, Vec<Uuid>>,
    permission_sets: Vec<PermissionSet>,
    sharing_rules: Vec<SharingRule>,
    record_rules: FxHashMap<(Uuid, String), String>,
    /// Names of the modules of which any single record is shared.
    shared_modules: Vec<String>,
    derived: Mutex<Derived>,
}

/// A role.
#[derive(Debug, Clone)]
pub struct RoleAccess {
    /// Its id.
    pub id: Uuid,
    /// Its name, unique.
    pub name: String,
    /// JSON: text, or text by language.
    pub label: Option<String>,
    /// The role above it.
    pub parent: Option<Uuid>,
    /// What it grants.
    pub grants: Grants,
}

/// A user.
#[derive(Debug, Clone)]
pub struct UserAccess {
    /// Its id.
    pub id: Uuid,
    /// For people.
    pub name: String,
    /// Folded.
    pub email: String,
    /// The one role.
    pub role: Option<Uuid>,
    /// Whether it may sign in.
    pub active: bool,
    /// The groups that it is a member of.
    pub groups: Vec<Uuid>,
    /// Its permission sets.
    pub permission_sets: Vec<Uuid>,
    /// BCP 47.
    pub locale: Option<String>,
    /// IANA name.
    pub time_zone: Option<String>,
}

/// Grants that users have beside their role's.
#[derive(Debug, Clone)]
pub struct PermissionSet {
    /// Its id.
    pub id: Uuid,
    /// Its name, unique.
    pub name: String,
    /// JSON: text, or text by language.
    pub label: Option<String>,
    /// What it grants.
    pub grants: Grants,
}

/// Made when first asked for.
#[derive(Debug, Default)]
struct Derived {
    /// Of one catalog version; that of another replaces all.
    catalog_version: u64,
    rights: FxHashMap<RightsKey, Arc<Rights>>,
    visible_owners: FxHashMap<Uuid, Arc<[Uuid]>>,
    shared_owners: FxHashMap<Uuid, Arc<[SharedOwners]>>,
    actors: KnownActors,
}

/// What rights are made of: callers with the same key share them.
#[derive(Debug, PartialEq, Eq, Hash)]
struct RightsKey {
    role: Option<Uuid>,
    permission_sets: Vec<Uuid>,
    /// Positions of the sharing rules that mean the caller.
    sharing_rules: Vec<usize>,
    signed_in: bool,
    /// Of the API key that is used.
    scopes: Option<Arc<Scopes>>,
}

/// Sets of rights that are kept; beyond it all are made anew. Callers choose their keys' scopes, so there must be a bound.
/// Over 500 modules of 40 fields each takes 11 KiB.
const RIGHTS_MAX: usize = 500;

impl AccessState {
    /// The actor for a user; `None` if there is none, or if it may not sign in (any more).
    ///
    /// `time_zone` and `languages` are what the request asks for; the user's own settings come first.
    pub fn actor(
        &self,
        catalog: &Catalog,
        user: Uuid,
        time_zone: Option<&str>,
        languages: Option<&str>,
    ) -> Option<Actor> {
        self.actor_within(catalog, user, None, time_zone, languages)
    }

    /// As [`Self::actor`], with what the scopes of an API key leave of the user's rights.
    pub fn actor_within(
        &self,
        catalog: &Catalog,
        user: Uuid,
        scopes: Option<&Arc<Scopes>>,
        time_zone: Option<&str>,
        languages: Option<&str>,
    ) -> Option<Actor> {
        let user = self.users.get(&user).filter(|user| user.active)?;
        let role = user.role.and_then(|role| self.roles.get(&role));
        let caller = Caller { user: Some(user), role, signed_in: true, scopes };
        Some(Actor {
            visible_owners: self.visible_owners(user),
            time_zone: user.time_zone.as_deref().or(time_zone).unwrap_or("UTC").to_owned(),
            languages: user.locale.as_deref().or(languages).unwrap_or("en").to_owned(),
            ..self.actor_of(catalog, &caller)
        })
    }

    /// As [`Self::actor_within`], made once for requests that are alike in all of this: most are.
    pub fn shared_actor_within(
        &self,
        catalog: &Catalog,
        user: Uuid,
        scopes: Option<&Arc<Scopes>>,
        time_zone: Option<&str>,
        languages: Option<&str>,
    ) -> Option<Arc<Actor>> {
        let made_for = MadeFor { scopes, time_zone, languages };
        let known = self.derived_of(catalog).actors.find(user, made_for);
        if known.is_some() {
            return known;
        }
        let actor = Arc::new(self.actor_within(catalog, user, scopes, time_zone, languages)?);
        self.derived_of(catalog).actors.keep(user, made_for, &actor);
        Some(actor)
    }

    /// The actor of a request without a token: the role `anonymous`.
    pub fn anonymous(&self, catalog: &Catalog, time_zone: Option<&str>, languages: Option<&str>) -> Actor {
        let caller = Caller { user: None, role: self.role_named(ANONYMOUS), signed_in: false, scopes: None };
        Actor {
            role: ANONYMOUS.to_owned(),
            time_zone: time_zone.unwrap_or("UTC").to_owned(),
            languages: languages.unwrap_or("en").to_owned(),
            ..self.actor_of(catalog, &caller)
        }
    }

    /// The actor of what runs with a role's rights and is no user, such as a workflow; `None` if there is no such role. It
    /// owns nothing, and sees what users below the role own.
    pub fn role_actor(&self, catalog: &Catalog, role: &str) -> Option<Actor> {
        let role = self.role_named(role)?;
        let caller = Caller { user: None, role: Some(role), signed_in: true, scopes: None };
        Some(Actor { visible_owners: self.owners_below(role.id).into(), ..self.actor_of(catalog, &caller) })
    }

    /// What is alike for all callers; nothing is visible yet.
    fn actor_of(&self, catalog: &Catalog, caller: &Caller<'_>) -> Actor {
        let user = caller.user;
        let principals = user.map(|user| user.id).into_iter();
        let principals = principals.chain(user.into_iter().flat_map(|user| user.groups.iter().copied()));
        Actor {
            user: user.map(|user| user.id),
            role: caller.role.map(|role| role.name.clone()).unwrap_or_default(),
            rights: self.rights(catalog, caller),
            visible_owners: Arc::default(),
            shared_owners: self.shared_owners(catalog, caller),
            principals: principals.chain(caller.role.map(|role| role.id)).collect(),
            time_zone: "UTC".to_owned(),
            languages: "en".to_owned(),
        }
    }

    /// The server itself: bound by nothing, and no user.
    pub fn system(&self, catalog: &Catalog) -> Actor {
        let everything = Grants { administrator: true, ..Grants::default() };
        Actor {
            user: None,
            role: super::ADMINISTRATOR.to_owned(),
            rights: Arc::new(Rights::resolve(catalog, &[&everything], true)),
            visible_owners: Arc::default(),
            shared_owners: Arc::default(),
            principals: Arc::default(),
            time_zone: "UTC".to_owned(),
            languages: "en".to_owned(),
        }
    }

    /// The user with this id.
    pub fn user(&self, id: Uuid) -> Option<&UserAccess> {
        self.users.get(&id)
    }

    /// The user with this address, however it is written.
    pub fn user_with_email(&self, email: &str) -> Option<&UserAccess> {
        self.users.get(self.users_by_email.get(&account_key(email))?)
    }

    /// The role with this id.
    pub fn role(&self, id: Uuid) -> Option<&RoleAccess> {
        self.roles.get(&id)
    }

    /// The role of this name.
    pub fn role_named(&self, name: &str) -> Option<&RoleAccess> {
        self.roles.get(self.roles_by_name.get(name)?)
    }

    /// All roles, by name.
    pub fn roles(&self) -> Vec<&RoleAccess> {
        let mut roles: Vec<_> = self.roles.values().collect();
        roles.sort_by(|one, other| one.name.cmp(&other.name));
        roles
    }

    /// All users, by address.
    pub fn users(&self) -> Vec<&UserAccess> {
        let mut users: Vec<_> = self.users.values().collect();
        users.sort_by(|one, other| one.email.cmp(&other.email));
        users
    }

    /// All groups, by name.
    pub fn groups(&self) -> impl Iterator<Item = (&str, Uuid)> {
        self.groups.iter().map(|(name, id)| (name.as_str(), *id))
    }

    /// The group of this name.
    pub fn group_named(&self, name: &str) -> Option<Uuid> {
        self.groups.get(name).copied()
    }

    /// The users in a group, in no order.
    pub fn members_of(&self, group: Uuid) -> impl Iterator<Item = &UserAccess> {
        self.users.values().filter(move |user| user.groups.contains(&group))
    }

    /// Whether somebody may sign in who is bound by nothing.
    pub fn has_administrator(&self) -> bool {
        let is_administrator = |role: Uuid| self.roles.get(&role).is_some_and(|role| role.grants.administrator);
        self.users.values().any(|user| user.active && user.role.is_some_and(is_administrator))
    }

    /// All permission sets, by name.
    pub fn permission_sets(&self) -> &[PermissionSet] {
        &self.permission_sets
    }

    /// All sharing rules, by name.
    pub fn sharing_rules(&self) -> &[SharingRule] {
        &self.sharing_rules
    }

    /// The rule that narrows a role's reach in a module.
    pub fn record_rule(&self, role: Uuid, module: &str) -> Option<&str> {
        self.record_rules.get(&(role, module.to_owned())).map(String::as_str)
    }

    /// All rules that narrow a role's reach, each with its module's name, by module.
    pub fn record_rules_of(&self, role: Uuid) -> BTreeMap<&str, &str> {
        let own = self.record_rules.iter().filter(|((of, _), _)| *of == role);
        own.map(|((_, module), rule)| (module.as_str(), rule.as_str())).collect()
    }

    /// Whether any single record of the module is shared.
    pub(super) fn has_shares(&self, module: &str) -> bool {
        self.shared_modules.iter().any(|shared| shared == module)
    }

    /// Users below a role, and their groups.
    pub(super) fn owners_below(&self, role: Uuid) -> &[Uuid] {
        self.below.get(&role).map_or(&[], Vec::as_slice)
    }

    /// The nearest role above a user's own that somebody has who may sign in. None where nobody stands above, and of what is no user.
    pub fn superior_role(&self, user: Uuid) -> Option<&RoleAccess> {
        let parent = |role: Uuid| self.roles.get(&role).and_then(|role| role.parent);
        let own = self.users.get(&user)?.role?;
        // The tree is made without circles; the bound is against a database that was changed by hand.
        let above = std::iter::successors(parent(own), |role| parent(*role)).take(self.roles.len());
        let has_role = |role: Uuid| self.users.values().any(|user| user.active && user.role == Some(role));
        above.filter(|role| has_role(*role)).find_map(|role| self.roles.get(&role))
    }

    /// Whether a role is this one or stands below it.
    pub(super) fn is_at_or_below(&self, role: Uuid, wanted: Uuid) -> bool {
        // The tree is made without circles; the bound is against a database that was changed by hand.
        let mut at = Some(role);
        for _ in 0..=self.roles.len() {
            match at {
                Some(role) if role == wanted => return true,
                Some(role) => at = self.roles.get(&role).and_then(|role| role.parent),
                None => return false,
            }
        }
        false
    }

    /// What is kept of this version of the catalog, and of no other.
    fn derived_of(&self, catalog: &Catalog) -> MutexGuard<'_, Derived> {
        let mut derived = self.derived.lock().expect("resolving rights does not panic");
        derived.follow(catalog);
        derived
    }

    fn rights(&self, catalog: &Catalog, caller: &Caller<'_>) -> Arc<Rights> {
        let key = RightsKey {
            role: caller.role.map(|role| role.id),
            permission_sets: caller.user.map(|user| user.permission_sets.clone()).unwrap_or_default(),
            sharing_rules: self.sharing_rules_for(caller),
            signed_in: caller.signed_in,
            scopes: caller.scopes.cloned(),
        };
        let mut derived = self.derived_of(catalog);
        if let Some(known) = derived.rights.get(&key) {
            return Arc::clone(known);
        }
        let sets = self.permission_sets.iter().filter(|set| key.permission_sets.contains(&set.id));
        let sources: Vec<&Grants> =
            caller.role.map(|role| &role.grants).into_iter().chain(sets.map(|set| &set.grants)).collect();
        let rules = self.record_rules_for(catalog, key.role, &key.sharing_rules);
        let scopes = caller.scopes.map(|scopes| &**scopes);
        let rights = Rights::resolve_within(catalog, &sources, caller.signed_in, scopes)
            .with_record_rules(rules)
            .with_broad_reach(key.role.is_some_and(|role| self.is_broad(role)));
        let rights = Arc::new(rights);
        if derived.rights.len() >= RIGHTS_MAX {
            derived.rights.clear();
            // They hold rights too.
            derived.actors.clear();
        }
        derived.rights.insert(key, Arc::clone(&rights));
        rights
    }

    /// Whether users of the role see what others own, and at least a 32nd of all who may own records: the owners below them, and
    /// themselves. How many records each owns is not known; if they own alike, a page is full when 32 times its records have been
    /// looked at, which takes a millisecond or two, as finding and sorting some thousand records does. Who sees nothing but their own
    /// may own next to nothing of very much, however few they are.
    fn is_broad(&self, role: Uuid) -> bool {
        let below = self.owners_below(role).len();
        below > 0 && (below + 1) * 32 >= self.users.len() + self.groups.len()
    }

    fn shared_owners(&self, catalog: &Catalog, caller: &Caller<'_>) -> Arc<[SharedOwners]> {
        let rules = self.sharing_rules_for(caller);
        if rules.is_empty() {
            return Arc::default();
        }
        let Some(user) = caller.user else {
            return self.owners_by_rules(catalog, &rules);
        };
        let mut derived = self.derived_of(catalog);
        Arc::clone(derived.shared_owners.entry(user.id).or_insert_with(|| self.owners_by_rules(catalog, &rules)))
    }

    fn visible_owners(&self, user: &UserAccess) -> Arc<[Uuid]> {
        let mut derived = self.derived.lock().expect("resolving rights does not panic");
        let owners = || {
            let below = user.role.and_then(|role| self.below.get(&role)).into_iter().flatten();
            let own = std::iter::once(user.id).chain(user.groups.iter().copied());
            let mut owners: Vec<Uuid> = own.chain(below.copied()).collect();
            owners.sort_unstable();
            owners.dedup();
            owners.into()
        };
        Arc::clone(derived.visible_owners.entry(user.id).or_insert_with(owners))
    }

    fn new(epoch: i64, roles: Vec<RoleAccess>, users: Vec<UserAccess>, groups: BTreeMap<String, Uuid>) -> Self {
        let roles: FxHashMap<_, _> = roles.into_iter().map(|role| (role.id, role)).collect();
        let users: FxHashMap<_, _> = users.into_iter().map(|user| (user.id, user)).collect();
        Self {
            epoch,
            roles_by_name: roles.values().map(|role| (role.name.clone(), role.id)).collect(),
            users_by_email: users.values().map(|user| (user.email.clone(), user.id)).collect(),
            below: users_below(&roles, &users),
            roles,
            users,
            groups,
            ..Self::default()
        }
    }
}

/// Who asks, as far as rights are concerned.
pub(super) struct Caller<'a> {
    pub user: Option<&'a UserAccess>,
    pub role: Option<&'a RoleAccess>,
    pub signed_in: bool,
    /// Of the API key that is used.
    pub scopes: Option<&'a Arc<Scopes>>,
}

impl Derived {
    /// Forgets what was made for another version of the catalog.
    fn follow(&mut self, catalog: &Catalog) {
        if self.catalog_version != catalog.version {
            self.rights.clear();
            self.shared_owners.clear();
            self.actors.clear();
            self.catalog_version = catalog.version;
        }
    }
}

/// For each role, the users whose role stands strictly below it, and their groups. A role is counted once even if the tree had a loop.
fn users_below(roles: &FxHashMap<Uuid, RoleAccess>, users: &FxHashMap<Uuid, UserAccess>) -> FxHashMap<Uuid, Vec<Uuid>> {
    let mut below: FxHashMap<Uuid, Vec<Uuid>> = FxHashMap::default();
    for user in users.values() {
        let Some(own) = user.role else { continue };
        let mut seen = FxHashSet::from_iter([own]);
        let mut above = roles.get(&own).and_then(|role| role.parent);
        while let Some(role) = above.filter(|role| seen.insert(*role)) {
            below.entry(role).or_default().extend(std::iter::once(user.id).chain(user.groups.iter().copied()));
            above = roles.get(&role).and_then(|role| role.parent);
        }
    }
    // The same order every time: what is made from it, such as a statement's parameters, is then the same too.
    below.values_mut().for_each(|owners| {
        owners.sort_unstable();
        owners.dedup();
    });
    below
}

impl PermissionSet {
    fn from_row(row: PermissionSetRow, shared: &mut SharedGrants) -> Self {
        let modules = serde_json::from_str(&row.access).unwrap_or_else(|error| {
            // Nothing is granted by what cannot be read.
            tracing::error!(%error, name = row.name, "a permission set cannot be read");
            BTreeMap::new()
        });
        let grants = Grants { administrator: false, modules: shared.share_all(modules) };
        Self { id: row.id, name: row.name, label: row.label, grants }
    }
}

/// Reads all of it on one snapshot of the database.
pub(crate) async fn load(store: &Store) -> Result<AccessState, EngineError> {
    store
        .read(|tx| {
            Box::pin(async move {
                let epoch = tx.state().await?.access_epoch;
                let mut shared = SharedGrants::default();
                let mut grants: FxHashMap<Uuid, Vec<_>> = FxHashMap::default();
                for row in tables::fetch_grants(tx).await? {
                    let fields = serde_json::from_str(&row.fields).unwrap_or_else(|error| {
                        // Nothing is granted by what cannot be read.
                        tracing::error!(%error, module = row.module, "a grant's fields cannot be read");
                        BTreeMap::new()
                    });
                    let grant = ModuleGrant {
                        create: row.create,
                        read: row.read,
                        update: row.update,
                        delete: row.delete,
                        fields,
                    };
                    grants.entry(row.role).or_default().push(shared.share(&row.module, grant));
                }
                let role = |row: tables::RoleRow| {
                    let modules = grants.remove(&row.id).unwrap_or_default().into_iter().collect();
                    let grants = Grants { administrator: row.administrator, modules };
                    RoleAccess { id: row.id, name: row.name, label: row.label, parent: row.parent, grants }
                };
                let roles = tables::fetch_roles(tx).await?.into_iter().map(role).collect();
                let mut memberships: FxHashMap<Uuid, Vec<Uuid>> = FxHashMap::default();
                for (group, user) in tables::fetch_group_members(tx).await? {
                    memberships.entry(user).or_default().push(group);
                }
                let mut sets_of: FxHashMap<Uuid, Vec<Uuid>> = FxHashMap::default();
                for (set, user) in fetch_permission_set_members(tx).await? {
                    sets_of.entry(user).or_default().push(set);
                }
                let user = |row: tables::UserRow| UserAccess {
                    groups: memberships.remove(&row.id).unwrap_or_default(),
                    permission_sets: sets_of.remove(&row.id).unwrap_or_default(),
                    id: row.id,
                    name: row.name,
                    email: row.email,
                    role: row.role,
                    active: row.active,
                    locale: row.locale,
                    time_zone: row.time_zone,
                };
                let users = tables::fetch_users(tx).await?.into_iter().map(user).collect();
                let groups = tables::fetch_groups(tx).await?.into_iter().map(|group| (group.name, group.id)).collect();
                let permission_sets = fetch_permission_sets(tx)
                    .await?
                    .into_iter()
                    .map(|row| PermissionSet::from_row(row, &mut shared))
                    .collect();
                let sharing_rules = fetch_sharing_rules(tx).await?.into_iter().filter_map(|row| {
                    let name = row.name.clone();
                    let rule = SharingRule::from_row(row);
                    if rule.is_none() {
                        // Nothing is opened by what cannot be read.
                        tracing::error!(name, "a sharing rule cannot be read");
                    }
                    rule
                });
                let sharing_rules = sharing_rules.collect();
                let record_rules = fetch_record_rules(tx).await?.into_iter();
                let record_rules = record_rules.map(|row| ((row.role, row.module), row.rule)).collect();
                let shared_modules = fetch_shared_modules(tx).await?;
                Ok(AccessState {
                    permission_sets,
                    sharing_rules,
                    record_rules,
                    shared_modules,
                    ..AccessState::new(epoch, roles, users, groups)
                })
            })
        })
        .await
}

#[cfg(test)]
mod tests {
    use super::*;

    fn id(number: u128) -> Uuid {
        Uuid::from_u128(number)
    }

    fn role(number: u128, parent: Option<u128>) -> RoleAccess {
        let grants = Grants { administrator: number == 1, ..Grants::default() };
        RoleAccess { id: id(number), name: format!("role-{number}"), label: None, parent: parent.map(id), grants }
    }

    fn user(number: u128, role: u128, groups: &[u128]) -> UserAccess {
        UserAccess {
            id: id(number),
            name: format!("user {number}"),
            email: format!("user{number}@example.org"),
            role: Some(id(role)),
            active: true,
            groups: groups.iter().copied().map(id).collect(),
            permission_sets: Vec::new(),
            locale: None,
            time_zone: None,
        }
    }

    /// 2 above 3 above 4; 5 beside them.
    fn state() -> AccessState {
        let roles = vec![role(1, None), role(2, None), role(3, Some(2)), role(4, Some(3)), role(5, None)];
        let users =
            vec![user(12, 2, &[]), user(13, 3, &[90]), user(23, 3, &[]), user(14, 4, &[90, 91]), user(15, 5, &[])];
        AccessState::new(7, roles, users, BTreeMap::new())
    }

    fn owners(state: &AccessState, user: u128) -> Vec<u128> {
        state.visible_owners(&state.users[&id(user)]).iter().map(|id| id.as_u128()).collect()
    }

    fn catalog(version: u64) -> Catalog {
        Catalog {
            version,
            modules: Vec::new(),
            by_name: FxHashMap::default(),
            inputs: FxHashMap::default(),
            stored_rollups: FxHashMap::default(),
        }
    }

    #[test]
    fn requests_that_are_alike_share_their_actor() {
        let (state, catalog) = (state(), catalog(1));
        let actor = |user, time_zone: Option<&str>, languages: Option<&str>| {
            state.shared_actor_within(&catalog, id(user), None, time_zone, languages)
        };
        let first = actor(12, Some("Europe/Rome"), None).unwrap();
        assert_eq!((first.user, first.time_zone.as_str(), first.locale()), (Some(id(12)), "Europe/Rome", "en"));
        assert!(Arc::ptr_eq(&first, &actor(12, Some("Europe/Rome"), None).unwrap()));
        assert_eq!(actor(12, None, Some("it,en")).unwrap().languages, "it,en");
        assert_eq!(actor(12, Some("Europe/Paris"), None).unwrap().time_zone, "Europe/Paris");
        let other = actor(13, Some("Europe/Rome"), None).unwrap();
        assert_eq!((other.user, &*other.principals), (Some(id(13)), &[id(13), id(90), id(3)][..]));
        for _ in 0..2 {
            assert!(actor(99, None, None).is_none(), "nobody");
            let made = state.actor_within(&catalog, id(12), None, Some("Europe/Rome"), None).unwrap();
            assert_eq!(made.visible_owners, first.visible_owners);
            assert_eq!(made.rights.serial, first.rights.serial);
        }
    }

    #[test]
    fn who_may_not_sign_in_any_more_is_nobody_by_the_state_that_says_so() {
        let catalog = catalog(1);
        let with = |epoch, active| {
            let user = UserAccess { active, ..user(12, 2, &[]) };
            AccessState::new(epoch, vec![role(2, None)], vec![user], BTreeMap::new())
        };
        let (before, after) = (with(1, true), with(2, false));
        for _ in 0..2 {
            assert!(before.shared_actor_within(&catalog, id(12), None, None, None).is_some());
            assert!(after.shared_actor_within(&catalog, id(12), None, None, None).is_none());
        }
    }

    #[test]
    fn an_actors_rights_are_over_the_catalog_of_its_request() {
        let (state, one, other) = (state(), catalog(1), catalog(2));
        let serial = |catalog: &Catalog| {
            let actor = state.shared_actor_within(catalog, id(13), None, None, None).unwrap();
            let made = state.actor_within(catalog, id(13), None, None, None).unwrap();
            assert_eq!(actor.rights.serial, made.rights.serial);
            actor.rights.serial
        };
        // A request that began earlier may still ask after one that began later.
        let serials = [serial(&one), serial(&other), serial(&one)];
        assert!(serials[0] != serials[1] && serials[1] != serials[2]);
    }

    #[test]
    fn kept_actors_keep_no_more_rights_than_are_kept() {
        let (state, catalog) = (state(), catalog(1));
        for number in 0..RIGHTS_MAX + 2 {
            let scope = cardine_access::Scope::parse(&format!("Module{number}:read")).unwrap();
            let scopes = Arc::new(Scopes::from_iter([scope]));
            state.shared_actor_within(&catalog, id(12 + number as u128 % 2), Some(&scopes), None, None).unwrap();
        }
        let derived = state.derived.lock().unwrap();
        let kept: Vec<u64> = derived.rights.values().map(|rights| rights.serial).collect();
        assert!(kept.len() <= RIGHTS_MAX);
        assert!(derived.actors.all().all(|actor| kept.contains(&actor.rights.serial)));
        assert!(derived.actors.all().count() > 0);
    }

    #[test]
    fn one_sees_what_users_strictly_below_own() {
        let state = state();
        assert_eq!(owners(&state, 12), [12, 13, 14, 23, 90, 91], "with the groups of those below");
        assert_eq!(owners(&state, 13), [13, 14, 90, 91], "not the one beside in the same role, nor those above");
        assert_eq!(owners(&state, 14), [14, 90, 91]);
        assert_eq!(owners(&state, 15), [15]);
    }

    #[test]
    fn who_sees_a_32nd_of_all_owners_has_a_broad_reach() {
        let roles = || vec![role(1, None), role(2, Some(1)), role(3, Some(2)), role(4, Some(1))];
        let is_broad =
            |state: &AccessState, user| state.actor(&catalog(1), id(user), None, None).unwrap().rights.is_broad();
        let users = |sellers: u128, others: u128| {
            let sellers = (0..sellers).map(|number| user(100 + number, 3, &[]));
            let others = (0..others).map(|number| user(1_000 + number, 4, &[]));
            sellers.chain(others).chain([user(11, 1, &[]), user(12, 2, &[])]).collect()
        };
        let large = AccessState::new(1, roles(), users(3, 123), BTreeMap::new());
        assert!(is_broad(&large, 12), "four of 128");
        assert!(!is_broad(&large, 100) && !is_broad(&large, 1_000), "nothing but their own");
        let larger = AccessState::new(1, roles(), users(3, 124), BTreeMap::new());
        assert!(!is_broad(&larger, 12), "four of 129");
        let small = AccessState::new(1, roles(), users(2, 0), BTreeMap::new());
        assert!(is_broad(&small, 12) && !is_broad(&small, 100), "nothing but their own, however few there are");
    }

    #[test]
    fn a_loop_in_the_tree_ends() {
        let roles = vec![role(2, Some(3)), role(3, Some(2))];
        let state = AccessState::new(1, roles, vec![user(12, 2, &[]), user(13, 3, &[])], BTreeMap::new());
        assert_eq!(owners(&state, 12), [12, 13]);
    }

    #[test]
    fn an_inactive_user_is_no_actor() {
        let mut inactive = user(12, 1, &[]);
        inactive.active = false;
        let state = AccessState::new(1, vec![role(1, None)], vec![inactive], BTreeMap::new());
        assert!(!state.has_administrator());
        let active = AccessState::new(1, vec![role(1, None)], vec![user(12, 1, &[])], BTreeMap::new());
        assert!(active.has_administrator());
    }

    #[test]
    fn an_address_is_found_however_it_is_written() {
        let state = state();
        assert_eq!(state.user_with_email(" USER12@Example.org ").map(|user| user.id), Some(id(12)));
        assert!(state.user_with_email("user12@exampl\u{e8}.org").is_none());
    }
}
