//! The model: who may do what, decided one record and one field at a time, as docs/api.md tells it and without any SQL.

use super::world::{
    ADMINISTRATORS, ANONYMOUS, Access, Action, Field, Grant, MODULES, Opens, Owner, Principal, Records, Rule, Sharing,
    World, fields,
};

/// Who asks.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Caller {
    User(usize),
    /// A user by an API key.
    Key(usize),
    /// Without a token.
    Anonymous,
    /// What runs as a role and is no user, such as a workflow.
    Role(usize),
}

impl World {
    pub fn user_of(&self, caller: Caller) -> Option<usize> {
        match caller {
            Caller::User(user) => Some(user),
            Caller::Key(key) => Some(self.keys[key].user),
            Caller::Anonymous | Caller::Role(_) => None,
        }
    }

    pub fn role_of(&self, caller: Caller) -> usize {
        match (caller, self.user_of(caller)) {
            (Caller::Role(role), _) => role,
            (_, Some(user)) => self.users[user].role,
            (_, None) => ANONYMOUS,
        }
    }

    /// What a key's scopes leave of the rights over a module; all to those without a key.
    fn left(&self, caller: Caller, module: usize) -> Access {
        let Caller::Key(key) = caller else { return Access::Write };
        let key = &self.keys[key];
        key.modules.get(&module).copied().unwrap_or_default().max(key.records)
    }

    fn is_administrator(&self, caller: Caller) -> bool {
        self.role_of(caller) == ADMINISTRATORS
    }

    fn groups_of(&self, caller: Caller) -> &[usize] {
        self.user_of(caller).map_or(&[], |user| &self.users[user].groups)
    }

    /// What the role and the permission sets grant on a module.
    fn grants(&self, caller: Caller, module: usize) -> impl Iterator<Item = &Grant> {
        let sets: &[usize] = self.user_of(caller).map_or(&[], |user| &self.users[user].sets);
        let sources = std::iter::once(&self.roles[self.role_of(caller)].grants);
        sources.chain(sets.iter().map(|set| &self.sets[*set])).filter_map(move |grants| grants.get(&module))
    }

    /// Grants add up; without read there is nothing.
    pub fn may(&self, caller: Caller, module: usize, action: Action) -> bool {
        let granted = |action: Action| {
            self.grants(caller, module).any(|grant| match action {
                Action::Create => grant.create,
                Action::Read => grant.read,
                Action::Update => grant.update,
                Action::Delete => grant.delete,
            })
        };
        let needed = if action == Action::Read { Access::Read } else { Access::Write };
        let may = self.is_administrator(caller) || (granted(Action::Read) && granted(action));
        may && self.left(caller, module) >= needed
    }

    pub fn access(&self, caller: Caller, module: usize, name: &str) -> Access {
        let (_, field) = fields(module).into_iter().find(|(known, _)| *known == name).unwrap();
        if !self.may(caller, module, Action::Read) {
            return Access::None;
        }
        let named = |grant: &Grant| grant.fields.get(name).or(grant.fields.get("*")).copied().unwrap_or_default();
        let granted = match self.is_administrator(caller) {
            true => Access::Write,
            false => self.grants(caller, module).map(named).max().unwrap_or_default(),
        };
        let granted = granted.min(self.left(caller, module));
        let readable = |(module, name): &(usize, &str)| self.access(caller, *module, name) >= Access::Read;
        let at_most = |most: Access, condition: bool| if condition { granted.min(most) } else { Access::None };
        match &field {
            Field::Free => Access::Read,
            Field::Plain { writable: true } => at_most(Access::Write, self.knows_people(caller, name)),
            Field::Plain { writable: false } => at_most(Access::Read, self.knows_people(caller, name)),
            Field::Up(targets) => {
                at_most(Access::Write, targets.iter().any(|target| self.may(caller, *target, Action::Read)))
            }
            Field::Derived(inputs) => at_most(Access::Read, inputs.iter().all(readable)),
            Field::Published => at_most(Access::Read, true),
            // What is seen and written from the other side is that side's reference.
            Field::Inverse(other) => {
                let access = self.access(caller, *other, "up");
                let writes = self.may(caller, *other, Action::Create) || self.may(caller, *other, Action::Update);
                if writes { access } else { access.min(Access::Read) }
            }
        }
    }

    /// Users and groups are read by whoever is signed in, and by a key whose scopes name all records: it has none that names users.
    fn knows_people(&self, caller: Caller, field: &str) -> bool {
        let knows = match caller {
            Caller::Anonymous => false,
            Caller::Key(key) => self.keys[key].records >= Access::Read,
            Caller::User(_) | Caller::Role(_) => true,
        };
        knows || !["owner", "createdBy", "updatedBy"].contains(&field)
    }

    /// Whether a record is in reach for an action, whatever may be done with its module.
    pub fn reaches(&self, caller: Caller, record: usize, action: Action) -> bool {
        if self.is_administrator(caller) {
            return true;
        }
        let module = self.records[record].module;
        let narrowed = self.roles[self.role_of(caller)].record_rules.get(&module);
        (action == Action::Read || self.reaches(caller, record, Action::Read))
            && narrowed.is_none_or(|rule| self.meets(caller, record, *rule))
            && self.is_open(caller, record, action)
    }

    fn is_open(&self, caller: Caller, position: usize, action: Action) -> bool {
        let record = &self.records[position];
        let by_sharing = match MODULES[record.module].sharing {
            Sharing::PublicRead if action == Action::Read => true,
            Sharing::PublicReadWrite if action != Action::Delete => true,
            Sharing::Controlled => {
                record.up.is_some_and(|parent| !self.records[parent].deleted && self.reaches(caller, parent, action))
            }
            _ => self.owns_or_stands_above(caller, record.owner),
        };
        let by_rule = self.sharing.iter().any(|rule| {
            rule.module == record.module
                && covers(rule.opens, action)
                && self.means(rule.with, caller)
                && match rule.records {
                    Records::OwnedBy(owners) => self.owns(owners, record.owner),
                    Records::Meeting(rule) => self.meets(caller, position, rule),
                }
        });
        let by_share = self
            .shares
            .iter()
            .any(|share| share.record == position && covers(share.opens, action) && self.means(share.with, caller));
        by_sharing || by_rule || by_share
    }

    fn owns_or_stands_above(&self, caller: Caller, owner: Owner) -> bool {
        let is_mine = match owner {
            Owner::User(owner) => self.user_of(caller) == Some(owner),
            Owner::Group(group) => self.groups_of(caller).contains(&group),
        };
        let below = |user: &super::world::User| self.is_strictly_below(user.role, self.role_of(caller));
        let is_of_those_below = match owner {
            Owner::User(owner) => below(&self.users[owner]),
            Owner::Group(group) => self.users.iter().any(|user| user.groups.contains(&group) && below(user)),
        };
        is_mine || (is_of_those_below && caller != Caller::Anonymous)
    }

    fn is_strictly_below(&self, role: usize, above: usize) -> bool {
        self.roles[role].parent.is_some_and(|parent| parent == above || self.is_strictly_below(parent, above))
    }

    /// Whether a rule's or share's `with` means the caller.
    fn means(&self, with: Principal, caller: Caller) -> bool {
        let role = self.role_of(caller);
        match with {
            Principal::Role(wanted) => role == wanted,
            Principal::RoleAndBelow(wanted) => role == wanted || self.is_strictly_below(role, wanted),
            Principal::Group(group) => self.groups_of(caller).contains(&group),
            Principal::User(user) => self.user_of(caller) == Some(user),
        }
    }

    /// Whether a sharing rule's `ownedBy` means the owner: a user by role, group or person; a group by its name.
    fn owns(&self, owners: Principal, owner: Owner) -> bool {
        match owner {
            Owner::Group(group) => owners == Principal::Group(group),
            Owner::User(user) => self.means(owners, Caller::User(user)),
        }
    }

    fn meets(&self, caller: Caller, record: usize, rule: Rule) -> bool {
        let record = &self.records[record];
        let below = |most: i64| record.size.map(|size| size < most);
        let met = match rule {
            Rule::SizeBelow(most) => below(most),
            Rule::NotSizeBelow(most) => below(most).map(|is_below| !is_below),
            Rule::NoSize => Some(record.size.is_none()),
            Rule::Mine => self.user_of(caller).map(|user| record.owner == Owner::User(user)),
            Rule::UpSizeAbove(least) => {
                let up = record.up.map(|up| &self.records[up]).filter(|up| !up.deleted);
                up.and_then(|up| up.size).map(|size| size > least)
            }
            Rule::SizeBelowOrOther(most, other) => Some(below(most) == Some(true) || record.other == Some(other)),
            Rule::Never => Some(false),
        };
        met == Some(true)
    }
}

fn covers(opens: Opens, action: Action) -> bool {
    match action {
        Action::Read => true,
        Action::Update => opens.update,
        Action::Delete => opens.delete,
        Action::Create => false,
    }
}
