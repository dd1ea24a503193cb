//! A world in a real database: put there as a whole, then changed by what administrators call.

use std::collections::BTreeMap;
use std::sync::Arc;

use cardine_access::{Actor, FieldAccess, ModuleGrant, Scope, ScopeLevel, Scopes};
use cardine_engine::identity::{
    AccessPatch, Assignment, ChangedBy, Principal as StoredPrincipal, Share as StoredShare, SharedRecords,
    SharingRule as StoredRule,
};
use cardine_engine::{Data, Engine, EngineError, Mutated, MutationStep, RequestContext, Write};
use cardine_model::Value;
use cardine_model::catalog::ModuleId;
use cardine_store::platform::access::{GrantRow, GroupRow, RoleRow, UserRow, insert_role, insert_user, put_grant};
use cardine_store::platform::permission_sets::{
    PermissionSetRow, insert_group, put_permission_set, replace_groups_of, replace_permission_sets_of,
};
use cardine_store::{BoxFuture, Store, StoreError, WriteTx};
use chrono::Utc;
use serde_json::json;
use uuid::Uuid;

use super::chance::Chance;
use super::model::Caller;
use super::world::{
    ADMINISTRATORS, ANONYMOUS, Access, Grant, Grants, Key, MODULES, OPEN, Opens, Owner, Principal, Record, Records,
    Rule, Share, SharingRule, World, random_grants, random_rule,
};

/// All that a world leaves in the platform's tables.
const FORGET: &str = r#"DELETE FROM "record_share"; DELETE FROM "sharing_rule"; DELETE FROM "record_rule";
    DELETE FROM "permission_set_member"; DELETE FROM "permission_set"; DELETE FROM "group_member";
    DELETE FROM "role_grant"; DELETE FROM "user"; DELETE FROM "group"; UPDATE "role" SET "parent_id" = NULL; DELETE FROM "role""#;

/// A database with the model's modules, and the ids of what stands in it.
pub struct Site {
    pub engine: Engine,
    pub modules: Vec<ModuleId>,
    pub roles: Vec<Uuid>,
    pub users: Vec<Uuid>,
    pub groups: Vec<Uuid>,
    pub records: Vec<Uuid>,
}

impl Site {
    /// The modules, without anything in them.
    pub async fn new(store: Store) -> Self {
        store.migrate().await.unwrap();
        let engine = Engine::open(store).await.unwrap();
        let mut site = Self {
            engine,
            modules: Vec::new(),
            roles: Vec::new(),
            users: Vec::new(),
            groups: Vec::new(),
            records: Vec::new(),
        };
        for module in &MODULES {
            let targets: Vec<&str> = module.up.iter().map(|target| MODULES[*target].name).collect();
            let mut fields = vec![
                json!({"name": "title", "type": "text"}),
                json!({"name": "size", "type": "integer"}),
                json!({"name": "other", "type": "integer"}),
                json!({"name": "twice", "type": "formula", "rule": "size * 2", "returns": "integer"}),
                json!({"name": "sum", "type": "formula", "rule": "size + other", "returns": "integer"}),
                json!({"name": "told", "type": "formula", "rule": "other + 1", "returns": "integer", "published": true}),
            ];
            if !targets.is_empty() {
                let mut up = json!({"name": "up", "type": "reference", "to": targets, "inverse": module.inverse});
                if module.sharing == super::world::Sharing::Controlled {
                    up["required"] = json!(true);
                    up["onDelete"] = json!("CASCADE");
                }
                fields.push(up);
            }
            if targets.len() == 1 {
                fields.push(json!({"name": "upSize", "type": "formula", "rule": "up.size + 0", "returns": "integer"}));
            }
            let mut definition = json!({"name": module.name, "plural": module.plural, "fields": fields,
            "sharing": match module.sharing {
                super::world::Sharing::Private => "PRIVATE",
                super::world::Sharing::PublicRead => "PUBLIC_READ",
                super::world::Sharing::PublicReadWrite => "PUBLIC_READ_WRITE",
                super::world::Sharing::Controlled => "CONTROLLED_BY_PARENT",
            }});
            if module.sharing == super::world::Sharing::Controlled {
                definition["parent"] = json!("up");
            }
            site.engine.create_module(&site.system(), definition, false).await.unwrap();
        }
        let rollup =
            json!({"name": "dealSize", "type": "rollup", "relation": "deals", "function": "SUM", "field": "size"});
        site.engine.add_field(&site.system(), MODULES[OPEN].name, rollup, false).await.unwrap();
        let catalog = &site.engine.snapshot().catalog;
        site.modules = MODULES.iter().map(|module| catalog.by_name[module.name]).collect();
        site
    }

    /// A request that is bound by nothing.
    pub fn system(&self) -> RequestContext {
        let snapshot = self.engine.snapshot();
        let actor = snapshot.access.system(&snapshot.catalog);
        self.request(actor)
    }

    /// A request of a caller; none if it may not sign in.
    pub fn asking(&self, world: &World, caller: Caller) -> Option<RequestContext> {
        let snapshot = self.engine.snapshot();
        let (access, catalog) = (&snapshot.access, &snapshot.catalog);
        let actor = match caller {
            Caller::User(user) => access.actor(catalog, self.users[user], None, None),
            Caller::Key(key) => {
                let key = &world.keys[key];
                let scopes = Some(Arc::new(key.scopes()));
                access.actor_within(catalog, self.users[key.user], scopes.as_ref(), None, None)
            }
            Caller::Anonymous => Some(access.anonymous(catalog, None, None)),
            Caller::Role(role) => access.role_actor(catalog, &role_name(role)),
        };
        actor.map(|actor| self.request(actor))
    }

    fn request(&self, actor: Actor) -> RequestContext {
        let now = Utc::now();
        self.engine.request(self.engine.snapshot(), actor, now, now.date_naive())
    }

    fn by(&self) -> ChangedBy {
        ChangedBy::system("test", Utc::now())
    }

    /// Puts a world into the database in place of the one before.
    pub async fn install(&mut self, world: &World) {
        let new = |count: usize| (0..count).map(|_| Uuid::now_v7()).collect::<Vec<_>>();
        (self.roles, self.users, self.groups) = (new(world.roles.len()), new(world.users.len()), new(world.groups));
        let rows = Arc::new(Rows::of(self, world));
        let forget = Arc::new(self.forget());
        let written: Result<(), StoreError> = self
            .engine
            .store()
            .write(move |tx: &mut WriteTx| -> BoxFuture<'_, Result<(), StoreError>> {
                let (rows, forget) = (Arc::clone(&rows), Arc::clone(&forget));
                Box::pin(async move {
                    tx.bump_access_epoch().await?;
                    tx.run_ddl(&forget).await?;
                    rows.write(tx).await
                })
            })
            .await;
        written.unwrap();
        self.engine.reload().await.unwrap();
        self.records.clear();
        for module in 0..MODULES.len() {
            let data: Vec<Data> = world
                .records
                .iter()
                .filter(|record| record.module == module)
                .map(|record| self.data(record, true))
                .collect();
            if !data.is_empty() {
                let made = self.write(vec![Write::CreateMany { module: self.modules[module], data }]).await;
                self.records.extend(made);
            }
        }
        for rule in 0..world.sharing.len() {
            self.save_sharing(world, rule).await;
        }
        for share in &world.shares {
            self.share(world, share).await;
        }
        for (role, rules) in world.roles.iter().enumerate() {
            for (module, rule) in &rules.record_rules {
                self.set_record_rule(role, *module, Some(*rule)).await;
            }
        }
        // What hangs on a deleted record goes along with it.
        let deleted =
            world.records.iter().enumerate().filter(|(_, record)| record.deleted && !world.hangs_on_deleted(record));
        let deletes = deleted.map(|(position, record)| Write::Delete {
            module: self.modules[record.module],
            id: self.records[position],
            if_version: None,
        });
        self.write(deletes.collect()).await;
    }

    fn forget(&self) -> String {
        let catalog = &self.engine.snapshot().catalog;
        let tables = self.modules.iter().map(|module| format!("DELETE FROM \"{}\"; ", catalog.module(*module).table));
        // Those that refer to others first.
        let tables: Vec<String> = tables.rev().collect();
        format!("{}{FORGET}", tables.concat())
    }

    fn data(&self, record: &Record, is_new: bool) -> Data {
        let catalog = &self.engine.snapshot().catalog;
        let module = catalog.module(self.modules[record.module]);
        let field = |name: &str| module.field_named(name).unwrap().id;
        let number = |number: Option<i64>| number.map_or(Value::Null, Value::Integer);
        let mut values = vec![
            (field("title"), Value::Text("t".to_owned())),
            (field("owner"), Value::Id(self.owner(record.owner))),
            (field("size"), number(record.size)),
            (field("other"), number(record.other)),
        ];
        // One that is deleted by now could not be written again.
        let up = record.up.and_then(|up| self.records.get(up)).filter(|_| is_new);
        values.extend(up.map(|up| (field("up"), Value::Id(*up))));
        values.into()
    }

    fn owner(&self, owner: Owner) -> Uuid {
        match owner {
            Owner::User(user) => self.users[user],
            Owner::Group(group) => self.groups[group],
        }
    }

    fn principal(&self, principal: Principal) -> StoredPrincipal {
        match principal {
            Principal::Role(role) => StoredPrincipal::Role(self.roles[role]),
            Principal::RoleAndBelow(role) => StoredPrincipal::RoleAndBelow(self.roles[role]),
            Principal::Group(group) => StoredPrincipal::Group(self.groups[group]),
            Principal::User(user) => StoredPrincipal::User(self.users[user]),
        }
    }

    /// Writes as the system; gives the ids of all.
    pub async fn write(&self, writes: Vec<Write>) -> Vec<Uuid> {
        self.try_write(&self.system(), writes).await.unwrap()
    }

    /// Writes as a caller; gives the ids of all.
    pub async fn try_write(&self, ctx: &RequestContext, writes: Vec<Write>) -> Result<Vec<Uuid>, EngineError> {
        if writes.is_empty() {
            return Ok(Vec::new());
        }
        let steps = writes.into_iter().map(|write| MutationStep { write, then: None, values: Vec::new() });
        match self.engine.mutate(ctx, steps.collect(), None).await {
            Ok(Mutated::Done(results)) => Ok(results.into_iter().flat_map(|result| result.ids).collect()),
            Ok(Mutated::Answered(_)) => panic!("nothing was asked twice"),
            Err(failed) => Err(failed.error),
        }
    }

    async fn save_sharing(&self, world: &World, position: usize) {
        let SharingRule { module, records, with, opens } = &world.sharing[position];
        let records = match records {
            Records::OwnedBy(owners) => SharedRecords::OwnedBy(self.principal(*owners)),
            Records::Meeting(rule) => SharedRecords::Rule(rule.source()),
        };
        let rule = StoredRule {
            name: format!("rule-{position}"),
            module: MODULES[*module].name.to_owned(),
            records,
            with: self.principal(*with),
            opens: opens.stored(),
        };
        self.engine.save_sharing_rule(self.by(), rule).await.unwrap();
    }

    async fn share(&self, world: &World, share: &Share) {
        let module = MODULES[world.records[share.record].module].name;
        self.engine.share_record(self.by(), module, self.stored_share(share)).await.unwrap();
    }

    fn stored_share(&self, share: &Share) -> StoredShare {
        let (record, with) = (self.records[share.record], self.principal(share.with));
        StoredShare { record, with, opens: share.opens.stored() }
    }

    async fn set_record_rule(&self, role: usize, module: usize, rule: Option<Rule>) {
        let source = rule.map(Rule::source);
        let (role, module) = (role_name(role), MODULES[module].name);
        self.engine.set_record_rule(self.by(), &role, module, source.as_deref()).await.unwrap();
    }

    /// Changes something of the world by what administrators call, and tells what.
    pub async fn change(&self, world: &mut World, chance: &mut Chance) -> String {
        let roles = world.roles.len();
        let (role, module) = (1 + chance.below(roles - 1), chance.below(MODULES.len()));
        let user = 1 + chance.below(world.users.len() - 1);
        match chance.below(9) {
            0 | 1 if role > ANONYMOUS => {
                let parent = Some(chance.below(roles)).filter(|above| *above > ANONYMOUS && !chance.one_in(4));
                if parent.is_some_and(|parent| parent == role || world.stands_below(parent, role)) {
                    return "nothing".to_owned();
                }
                let name = parent.map(role_name);
                self.engine.update_role(self.by(), &role_name(role), Some(name.as_deref()), None).await.unwrap();
                world.roles[role].parent = parent;
                format!("role {role} stands below {parent:?}")
            }
            2 => {
                let grant = random_grants(chance).remove(&module).unwrap_or_default();
                let stored = stored_grant(&grant);
                let patch = AccessPatch {
                    create: Some(stored.create),
                    read: Some(stored.read),
                    update: Some(stored.update),
                    delete: Some(stored.delete),
                    fields: Some(stored.fields),
                };
                let name = MODULES[module].name;
                self.engine.set_access(self.by(), &role_name(role), name, patch).await.unwrap();
                let told = format!("role {role} on module {module}: {grant:?}");
                world.roles[role].grants.insert(module, grant);
                told
            }
            3 => {
                let (role, groups) = (2 + chance.below(roles - 2), chance.some_of(world.groups, 2));
                let sets = chance.some_of(world.sets.len(), 2);
                let assignment = Assignment {
                    role: Some(role_name(role)),
                    permission_sets: Some(sets.iter().map(|set| set_name(*set)).collect()),
                    groups: Some(groups.iter().map(|group| group_name(*group)).collect()),
                };
                self.engine.assign_user(self.by(), self.users[user], assignment).await.unwrap();
                let known = &mut world.users[user];
                (known.role, known.groups, known.sets) = (role, groups, sets);
                format!("user {user} is {known:?}")
            }
            4 => {
                let active = !world.users[user].active;
                self.engine.set_user_active(self.by(), self.users[user], active).await.unwrap();
                world.users[user].active = active;
                format!("user {user} is active: {active}")
            }
            5 => {
                if world.sharing.is_empty() || chance.one_in(2) {
                    world.sharing.push(world.random_sharing(chance));
                    self.save_sharing(world, world.sharing.len() - 1).await;
                    return format!("a sharing rule: {:?}", world.sharing.last());
                }
                world.sharing.pop();
                let name = format!("rule-{}", world.sharing.len());
                self.engine.delete_sharing_rule(self.by(), &name).await.unwrap();
                format!("no sharing rule {name}")
            }
            6 => {
                let live: Vec<usize> = (0..world.records.len()).filter(|at| !world.records[*at].deleted).collect();
                if !world.shares.is_empty() && chance.one_in(3) {
                    let share = world.shares.swap_remove(chance.below(world.shares.len()));
                    let module = MODULES[world.records[share.record].module].name;
                    self.engine.unshare_record(self.by(), module, self.stored_share(&share)).await.unwrap();
                    return format!("not shared: {share:?}");
                }
                if live.is_empty() {
                    return "nothing".to_owned();
                }
                let record = live[chance.below(live.len())];
                let share = world.random_share(chance, record);
                self.share(world, &share).await;
                let told = format!("{share:?}");
                world.share(share);
                told
            }
            7 => {
                let rule = (!chance.one_in(3)).then(|| random_rule(chance, module));
                self.set_record_rule(role, module, rule).await;
                match rule {
                    Some(rule) => world.roles[role].record_rules.insert(module, rule),
                    None => world.roles[role].record_rules.remove(&module),
                };
                format!("role {role} on module {module}: {rule:?}")
            }
            _ => {
                let live: Vec<usize> = (0..world.records.len()).filter(|at| !world.records[*at].deleted).collect();
                if live.is_empty() {
                    return "nothing".to_owned();
                }
                let record = live[chance.below(live.len())];
                let (owner, size) = (world.random_owner(chance), Some(chance.below(6) as i64));
                (world.records[record].owner, world.records[record].size) = (owner, size);
                let (module, id) = (self.modules[world.records[record].module], self.records[record]);
                let data = self.data(&world.records[record], false);
                self.write(vec![Write::Update { module, id, data, if_version: None }]).await;
                format!("record {record}: owner {owner:?}, size {size:?}")
            }
        }
    }
}

impl World {
    fn stands_below(&self, role: usize, above: usize) -> bool {
        self.roles[role].parent.is_some_and(|parent| parent == above || self.stands_below(parent, above))
    }
}

impl Rule {
    fn source(self) -> String {
        match self {
            Self::SizeBelow(most) => format!("size < {most}"),
            Self::NotSizeBelow(most) => format!("!(size < {most})"),
            Self::NoSize => "size == null".to_owned(),
            Self::Mine => "ownerId == actor.id".to_owned(),
            Self::UpSizeAbove(least) => format!("up.size > {least}"),
            Self::SizeBelowOrOther(most, other) => format!("size < {most} || other == {other}"),
            Self::Never => "false".to_owned(),
        }
    }
}

impl Key {
    fn scopes(&self) -> Scopes {
        let level = |access: Access| match access {
            Access::None => ScopeLevel::None,
            Access::Read => ScopeLevel::Read,
            Access::Write => ScopeLevel::Write,
        };
        let modules =
            self.modules.iter().map(|(module, access)| Scope::Module(MODULES[*module].name.to_owned(), level(*access)));
        modules.chain([Scope::Records(level(self.records))]).collect()
    }
}

impl Opens {
    fn stored(self) -> cardine_access::Opens {
        cardine_access::Opens { update: self.update, delete: self.delete }
    }
}

/// The platform's rows of a world.
struct Rows {
    roles: Vec<RoleRow>,
    grants: Vec<GrantRow>,
    groups: Vec<GroupRow>,
    sets: Vec<PermissionSetRow>,
    users: Vec<(UserRow, Vec<Uuid>, Vec<Uuid>)>,
}

impl Rows {
    fn of(site: &Site, world: &World) -> Self {
        let role = |(position, role): (usize, &super::world::Role)| RoleRow {
            id: site.roles[position],
            name: role_name(position),
            label: None,
            parent: role.parent.map(|parent| site.roles[parent]),
            administrator: position == ADMINISTRATORS,
        };
        let grants = |(position, role): (usize, &super::world::Role)| {
            let rows = stored_grants(&role.grants).into_iter().map(move |(module, grant)| GrantRow {
                role: site.roles[position],
                module,
                create: grant.create,
                read: grant.read,
                update: grant.update,
                delete: grant.delete,
                fields: serde_json::to_string(&grant.fields).unwrap(),
            });
            rows.collect::<Vec<_>>()
        };
        let sets: Vec<PermissionSetRow> = world
            .sets
            .iter()
            .enumerate()
            .map(|(position, grants)| PermissionSetRow {
                id: Uuid::now_v7(),
                name: set_name(position),
                label: None,
                access: serde_json::to_string(&stored_grants(grants)).unwrap(),
            })
            .collect();
        let user = |(position, user): (usize, &super::world::User)| {
            let row = UserRow {
                id: site.users[position],
                name: format!("user {position}"),
                email: format!("user-{position}@example.org"),
                role: Some(site.roles[user.role]),
                active: user.active,
                locale: None,
                time_zone: None,
            };
            let groups = user.groups.iter().map(|group| site.groups[*group]).collect();
            (row, groups, user.sets.iter().map(|set| sets[*set].id).collect())
        };
        let group = |(position, id): (usize, &Uuid)| GroupRow { id: *id, name: group_name(position) };
        Self {
            roles: world.roles.iter().enumerate().map(role).collect(),
            grants: world.roles.iter().enumerate().flat_map(grants).collect(),
            groups: site.groups.iter().enumerate().map(group).collect(),
            users: world.users.iter().enumerate().map(user).collect(),
            sets,
        }
    }

    async fn write(&self, tx: &mut WriteTx) -> Result<(), StoreError> {
        let now = Utc::now();
        for role in &self.roles {
            insert_role(tx, role, now, None).await?;
        }
        for grant in &self.grants {
            put_grant(tx, grant).await?;
        }
        for group in &self.groups {
            insert_group(tx, group, now, None).await?;
        }
        for set in &self.sets {
            put_permission_set(tx, set).await?;
        }
        for (user, groups, sets) in &self.users {
            insert_user(tx, user, None, now, None).await?;
            replace_groups_of(tx, user.id, groups).await?;
            replace_permission_sets_of(tx, user.id, sets).await?;
        }
        Ok(())
    }
}

fn role_name(role: usize) -> String {
    match role {
        ADMINISTRATORS => "administrator".to_owned(),
        ANONYMOUS => "anonymous".to_owned(),
        other => format!("role-{other}"),
    }
}

fn set_name(set: usize) -> String {
    format!("set-{set}")
}

fn group_name(group: usize) -> String {
    format!("Group {group}")
}

fn stored_grants(grants: &Grants) -> BTreeMap<String, ModuleGrant> {
    grants.iter().map(|(module, grant)| (MODULES[*module].name.to_owned(), stored_grant(grant))).collect()
}

fn stored_grant(grant: &Grant) -> ModuleGrant {
    let fields = grant.fields.iter().map(|(name, access)| ((*name).to_owned(), field_access(*access)));
    ModuleGrant {
        create: grant.create,
        read: grant.read,
        update: grant.update,
        delete: grant.delete,
        fields: fields.collect(),
    }
}

pub fn field_access(access: Access) -> FieldAccess {
    match access {
        Access::None => FieldAccess::None,
        Access::Read => FieldAccess::Read,
        Access::Write => FieldAccess::Write,
    }
}
