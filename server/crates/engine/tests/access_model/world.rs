//! A random company as plain data: the tree of roles, users, groups, grants, rules, shares and records, by their positions.

use std::collections::BTreeMap;

use super::chance::Chance;

/// What a module is to the model: how its records are shared and where its reference `up` leads.
pub struct Module {
    pub name: &'static str,
    pub plural: &'static str,
    pub sharing: Sharing,
    /// The modules that `up` leads to; none: there is no such field.
    pub up: &'static [usize],
    /// The to-many relation that `up` makes on the other side.
    pub inverse: &'static str,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Sharing {
    Private,
    PublicRead,
    PublicReadWrite,
    /// `up` leads to the parent.
    Controlled,
}

pub const OPEN: usize = 0;
pub const DEAL: usize = 1;
pub const BOARD: usize = 2;
pub const LINE: usize = 3;

/// One of each way of sharing, a detail that has two kinds of parents, and a detail of a detail.
pub const MODULES: [Module; 5] = [
    Module { name: "Open", plural: "Opens", sharing: Sharing::PublicRead, up: &[], inverse: "" },
    Module { name: "Deal", plural: "Deals", sharing: Sharing::Private, up: &[OPEN], inverse: "deals" },
    Module { name: "Board", plural: "Boards", sharing: Sharing::PublicReadWrite, up: &[DEAL], inverse: "boards" },
    Module { name: "Line", plural: "Lines", sharing: Sharing::Controlled, up: &[DEAL, BOARD], inverse: "lines" },
    Module { name: "Scrap", plural: "Scraps", sharing: Sharing::Controlled, up: &[LINE], inverse: "scraps" },
];

/// What comes with the right to read a module.
pub const FREE: [&str; 5] = ["id", "version", "createdAt", "updatedAt", "deletedAt"];

/// What a field is to the model.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Field {
    /// Comes with the module.
    Free,
    /// A value, or a reference to what everybody who is signed in may read.
    Plain { writable: bool },
    /// The reference to these modules.
    Up(&'static [usize]),
    /// Computed of these.
    Derived(Vec<(usize, &'static str)>),
    /// Computed, and to be read without its inputs.
    Published,
    /// The records on the other side of this module's `up`.
    Inverse(usize),
}

/// All fields of a module by name, those on the other side of references included.
pub fn fields(module: usize) -> Vec<(&'static str, Field)> {
    let mut fields: Vec<(&str, Field)> = FREE.iter().map(|name| (*name, Field::Free)).collect();
    fields.extend(["createdBy", "updatedBy"].map(|name| (name, Field::Plain { writable: false })));
    fields.extend(["owner", "title", "size", "other"].map(|name| (name, Field::Plain { writable: true })));
    fields.push(("twice", Field::Derived(vec![(module, "size")])));
    fields.push(("sum", Field::Derived(vec![(module, "size"), (module, "other")])));
    fields.push(("told", Field::Published));
    let up = MODULES[module].up;
    if !up.is_empty() {
        fields.push(("up", Field::Up(up)));
    }
    if let [target] = up {
        fields.push(("upSize", Field::Derived(vec![(module, "up"), (*target, "size")])));
    }
    if module == OPEN {
        fields.push(("dealSize", Field::Derived(vec![(DEAL, "up"), (DEAL, "size")])));
    }
    for (other, from) in MODULES.iter().enumerate().filter(|(_, from)| from.up.contains(&module)) {
        fields.push((from.inverse, Field::Inverse(other)));
    }
    fields
}

/// Names that grants are given by.
pub fn grantable(module: usize) -> Vec<&'static str> {
    let own = fields(module).into_iter().filter(|(_, field)| !matches!(field, Field::Inverse(_)));
    std::iter::once("*").chain(own.map(|(name, _)| name)).collect()
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Default)]
pub enum Access {
    #[default]
    None,
    Read,
    Write,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Action {
    Create,
    Read,
    Update,
    Delete,
}

#[derive(Debug, Clone, Default)]
pub struct Grant {
    pub create: bool,
    pub read: bool,
    pub update: bool,
    pub delete: bool,
    pub fields: BTreeMap<&'static str, Access>,
}

/// By module.
pub type Grants = BTreeMap<usize, Grant>;

/// The first role is the administrators', the second that of callers without a token.
pub const ADMINISTRATORS: usize = 0;
pub const ANONYMOUS: usize = 1;

#[derive(Debug, Clone, Default)]
pub struct Role {
    /// Stands before it in the list when made, so that there is no circle.
    pub parent: Option<usize>,
    pub grants: Grants,
    /// By module.
    pub record_rules: BTreeMap<usize, Rule>,
}

#[derive(Debug, Clone)]
pub struct User {
    pub role: usize,
    pub groups: Vec<usize>,
    pub sets: Vec<usize>,
    pub active: bool,
}

/// An API key: what its scopes leave of a user's rights.
#[derive(Debug, Clone)]
pub struct Key {
    pub user: usize,
    /// For every module.
    pub records: Access,
    /// For these, where it is more.
    pub modules: BTreeMap<usize, Access>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Owner {
    User(usize),
    Group(usize),
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Principal {
    Role(usize),
    RoleAndBelow(usize),
    Group(usize),
    User(usize),
}

/// A condition on a record; a number that is absent makes it neither true nor false.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Rule {
    SizeBelow(i64),
    NotSizeBelow(i64),
    NoSize,
    /// The caller owns it, without any group.
    Mine,
    UpSizeAbove(i64),
    SizeBelowOrOther(i64, i64),
    Never,
}

#[derive(Debug, Clone, Copy)]
pub enum Records {
    OwnedBy(Principal),
    Meeting(Rule),
}

#[derive(Debug, Clone, Copy)]
pub struct Opens {
    pub update: bool,
    pub delete: bool,
}

#[derive(Debug, Clone)]
pub struct SharingRule {
    pub module: usize,
    pub records: Records,
    pub with: Principal,
    pub opens: Opens,
}

#[derive(Debug, Clone)]
pub struct Share {
    pub record: usize,
    pub with: Principal,
    pub opens: Opens,
}

#[derive(Debug, Clone)]
pub struct Record {
    pub module: usize,
    pub owner: Owner,
    pub size: Option<i64>,
    pub other: Option<i64>,
    /// A record of one of the modules that `up` leads to; always there where the parent decides who sees it.
    pub up: Option<usize>,
    pub deleted: bool,
}

#[derive(Debug, Clone, Default)]
pub struct World {
    pub roles: Vec<Role>,
    pub users: Vec<User>,
    pub keys: Vec<Key>,
    pub groups: usize,
    pub sets: Vec<Grants>,
    pub sharing: Vec<SharingRule>,
    pub shares: Vec<Share>,
    pub records: Vec<Record>,
}

/// How much of everything a world has at most.
#[derive(Debug, Clone, Copy)]
pub struct Size {
    pub roles: usize,
    pub users: usize,
    pub groups: usize,
    pub sets: usize,
    pub rules: usize,
    pub records: usize,
}

impl World {
    /// The same for the same seed and size.
    pub fn random(chance: &mut Chance, size: Size) -> Self {
        let roles = 3 + chance.below(size.roles);
        let mut world = World { groups: chance.below(size.groups + 1), ..World::default() };
        for role in 0..roles {
            let parent = (role > ANONYMOUS && !chance.one_in(4)).then(|| chance.below(role)).filter(|above| *above > 1);
            let grants = if role == ADMINISTRATORS { Grants::new() } else { random_grants(chance) };
            world.roles.push(Role { parent, grants, record_rules: BTreeMap::new() });
        }
        let sets = chance.below(size.sets + 1);
        world.sets.extend((0..sets).map(|_| random_grants(chance)));
        // There is always somebody who may do everything.
        world.users.push(User { role: ADMINISTRATORS, groups: Vec::new(), sets: Vec::new(), active: true });
        for _ in 0..1 + chance.below(size.users) {
            let role = if chance.one_in(12) { ADMINISTRATORS } else { 2 + chance.below(roles - 2) };
            let (groups, sets) = (chance.some_of(world.groups, 3), chance.some_of(sets, 4));
            world.users.push(User { role, groups, sets, active: !chance.one_in(10) });
        }
        for user in chance.some_of(world.users.len(), 4) {
            let level =
                |chance: &mut Chance| [Access::None, Access::None, Access::Read, Access::Write][chance.below(4)];
            let records = level(chance);
            let modules = chance.some_of(MODULES.len(), 2).into_iter().map(|module| (module, level(chance))).collect();
            world.keys.push(Key { user, records, modules });
        }
        for module in 0..MODULES.len() {
            for _ in 0..chance.below(size.records / MODULES.len() + 1) {
                let record = world.random_record(chance, module);
                world.records.extend(record);
            }
        }
        for _ in 0..chance.below(size.rules + 1) {
            world.sharing.push(world.random_sharing(chance));
            if !world.records.is_empty() {
                let record = chance.below(world.records.len());
                let share = world.random_share(chance, record);
                world.share(share);
            }
            let role = 1 + chance.below(roles - 1);
            let module = chance.below(MODULES.len());
            if chance.one_in(2) {
                let rule = random_rule(chance, module);
                world.roles[role].record_rules.insert(module, rule);
            }
        }
        world
    }

    /// None where there is nothing that it could hang on.
    fn random_record(&self, chance: &mut Chance, module: usize) -> Option<Record> {
        let targets = self.targets_of(module);
        let hangs = MODULES[module].sharing == Sharing::Controlled;
        if hangs && targets.is_empty() {
            return None;
        }
        let is_alone = targets.is_empty() || (!hangs && chance.one_in(6));
        let up = if is_alone { None } else { Some(targets[chance.below(targets.len())]) };
        let number = |chance: &mut Chance| (!chance.one_in(5)).then(|| chance.below(6) as i64);
        let owner = self.random_owner(chance);
        let mut record =
            Record { module, owner, size: number(chance), other: number(chance), up, deleted: chance.one_in(10) };
        record.deleted |= self.hangs_on_deleted(&record);
        Some(record)
    }

    /// Whether it was deleted with what it hangs on.
    pub fn hangs_on_deleted(&self, record: &Record) -> bool {
        MODULES[record.module].sharing == Sharing::Controlled && record.up.is_some_and(|up| self.records[up].deleted)
    }

    /// Records that the module's `up` may lead to, when they are made in the order of their modules.
    fn targets_of(&self, module: usize) -> Vec<usize> {
        let fits = |record: &Record| MODULES[module].up.contains(&record.module);
        let records = self.records.iter().enumerate();
        records.filter(|(_, record)| fits(record)).map(|(position, _)| position).collect()
    }

    pub fn random_owner(&self, chance: &mut Chance) -> Owner {
        match self.groups {
            0 => Owner::User(chance.below(self.users.len())),
            groups if chance.one_in(3) => Owner::Group(chance.below(groups)),
            _ => Owner::User(chance.below(self.users.len())),
        }
    }

    pub fn random_sharing(&self, chance: &mut Chance) -> SharingRule {
        let module = chance.below(MODULES.len());
        let records = if chance.one_in(2) {
            Records::OwnedBy(self.random_principal(chance))
        } else {
            Records::Meeting(random_rule(chance, module))
        };
        SharingRule { module, records, with: self.random_principal(chance), opens: random_opens(chance) }
    }

    pub fn random_share(&self, chance: &mut Chance, record: usize) -> Share {
        let with = match self.random_principal(chance) {
            Principal::RoleAndBelow(role) => Principal::Role(role),
            other => other,
        };
        Share { record, with, opens: random_opens(chance) }
    }

    /// A record is shared with somebody in one way.
    pub fn share(&mut self, share: Share) {
        self.shares.retain(|known| known.record != share.record || known.with != share.with);
        self.shares.push(share);
    }

    fn random_principal(&self, chance: &mut Chance) -> Principal {
        match chance.below(4) {
            0 => Principal::Role(1 + chance.below(self.roles.len() - 1)),
            1 => Principal::RoleAndBelow(2 + chance.below(self.roles.len() - 2)),
            2 if self.groups > 0 => Principal::Group(chance.below(self.groups)),
            _ => Principal::User(chance.below(self.users.len())),
        }
    }
}

pub fn random_grants(chance: &mut Chance) -> Grants {
    let mut grants = Grants::new();
    for module in 0..MODULES.len() {
        if chance.one_in(5) {
            continue;
        }
        let mut grant = Grant {
            create: chance.one_in(2),
            read: !chance.one_in(6),
            update: !chance.one_in(3),
            delete: chance.one_in(2),
            fields: BTreeMap::new(),
        };
        for name in grantable(module) {
            if (name == "*" && !chance.one_in(6)) || chance.one_in(5) {
                let access = [Access::Write, Access::Write, Access::Read, Access::None][chance.below(4)];
                grant.fields.insert(name, access);
            }
        }
        grants.insert(module, grant);
    }
    grants
}

pub fn random_rule(chance: &mut Chance, module: usize) -> Rule {
    let number = |chance: &mut Chance| chance.below(6) as i64;
    match chance.below(8) {
        0 | 1 => Rule::SizeBelow(number(chance)),
        2 => Rule::NotSizeBelow(number(chance)),
        3 => Rule::NoSize,
        4 => Rule::Mine,
        5 if MODULES[module].up.len() == 1 => Rule::UpSizeAbove(number(chance)),
        6 if chance.one_in(3) => Rule::Never,
        _ => Rule::SizeBelowOrOther(number(chance), number(chance)),
    }
}

fn random_opens(chance: &mut Chance) -> Opens {
    Opens { update: chance.one_in(2), delete: chance.one_in(4) }
}
