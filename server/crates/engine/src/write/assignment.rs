//! Assignment: the owners of new records that nobody gave an owner, by the rules of their modules.

use std::collections::BTreeMap;

use cardine_model::Value;
use cardine_model::assignment::{Assignee, AssignmentRule, Pool};
use cardine_model::catalog::{Module, ModuleId};
use cardine_store::WriteTx;
use cardine_store::platform::events;
use cardine_store::platform::turns::{fetch_turns, store_turns};
use rustc_hash::{FxHashMap, FxHashSet};
use uuid::Uuid;

use super::batch::Batch;
use crate::EngineError;
use crate::identity::{AccessState, UserAccess};
use crate::record::RecordScope;

/// Whom a rule leads to.
enum Chosen {
    User(Uuid),
    Group(Uuid),
    /// One of these, whoever's turn it is; there is at least one.
    Turn(Vec<Uuid>),
}

/// Who takes turns, and the positions of the records that they get.
type Turns = (Vec<Uuid>, Vec<usize>);

impl<'a> Batch<'a> {
    /// Gives owners to the new records that neither the caller nor a workflow inside the write gave one. It is the turn of who
    /// had none for longest, whoever came and went meanwhile. The counter's row is locked until the transaction ends, so that nobody
    /// is passed over and nobody comes twice.
    pub(super) async fn assign(&mut self, tx: &mut WriteTx) -> Result<(), EngineError> {
        // By module and rule: every writer takes the counters in the same order.
        let mut turns: BTreeMap<(&str, &str), Turns> = BTreeMap::new();
        let ctx = self.ctx;
        for position in 0..self.drafts.len() {
            let draft = &self.drafts[position];
            let module: &'a Module = draft.module;
            let Some(assignment) = module.assignment.as_deref() else { continue };
            if draft.before.is_some() || draft.lookups.contains(&Module::OWNER) || self.owned.contains(&draft.id) {
                continue;
            }
            let record =
                RecordScope { record: &draft.after, old: None, actor: ctx.actor.user, now: ctx.now, today: ctx.today };
            let access = &ctx.snapshot.access;
            let mut rules = assignment.rules.iter().filter(|rule| rule.is_for(&record));
            match rules.find_map(|rule| Some((rule, chosen(access, rule)?))) {
                None => {}
                Some((_, Chosen::User(user))) => self.give(position, user, true),
                Some((_, Chosen::Group(group))) => self.give(position, group, false),
                Some((rule, Chosen::Turn(users))) => {
                    let key = (module.name.as_str(), rule.name.as_str());
                    turns.entry(key).or_insert_with(|| (users, Vec::new())).1.push(position);
                }
            }
        }
        for ((module, rule), (users, positions)) in turns {
            // No field has a point in its name, so that its counter is another one.
            let counter = format!("assignment.{rule}");
            let first = events::next_numbers(tx, module, &counter, "", positions.len()).await?;
            let had: FxHashMap<Uuid, i64> = fetch_turns(tx, module, &counter).await?.into_iter().collect();
            let users = in_turn(users, &had);
            let mut taken = Vec::new();
            for ((number, position), user) in (first..).zip(positions).zip(users.iter().cycle()) {
                self.give(position, *user, true);
                taken.push((*user, number));
            }
            // Of each the last one; who had no turn now is not among them.
            let last = taken.split_off(taken.len().saturating_sub(users.len()));
            store_turns(tx, module, &counter, &last).await?;
        }
        Ok(())
    }

    fn give(&mut self, position: usize, owner: Uuid, to_user: bool) {
        let draft = &mut self.drafts[position];
        let targets = draft.module.field(Module::OWNER).reference().map_or(&[][..], |owner| &owner.targets);
        let users = draft.module.field(Module::CREATED_BY).reference().and_then(|users| users.targets.first().copied());
        let target: Option<ModuleId> = targets.iter().copied().find(|target| (Some(*target) == users) == to_user);
        draft.after.set(Module::OWNER, Value::Id(owner));
        draft.targets.push((Module::OWNER, target));
    }
}

/// Those who take turns in the order in which they come: who never had one first, as they are given, then by their last turn.
fn in_turn(mut users: Vec<Uuid>, had: &FxHashMap<Uuid, i64>) -> Vec<Uuid> {
    users.sort_by_key(|user| had.get(user).copied().unwrap_or(i64::MIN));
    users
}

/// Whom a rule leads to now; nobody where it names who is not there, or who may not sign in.
fn chosen(access: &AccessState, rule: &AssignmentRule) -> Option<Chosen> {
    let active = |email: &String| access.user_with_email(email).filter(|user| user.active).map(|user| user.id);
    match &rule.to {
        Assignee::User(email) => active(email).map(Chosen::User),
        Assignee::Group(name) => access.group_named(name).map(Chosen::Group),
        Assignee::RoundRobin(pool) => {
            let users: Vec<Uuid> = match pool {
                // Each once, however their address is written.
                Pool::Users(emails) => {
                    let mut seen = FxHashSet::default();
                    emails.iter().filter_map(active).filter(|user| seen.insert(*user)).collect()
                }
                Pool::Group(name) => {
                    let members = access.members_of(access.group_named(name)?).filter(|user: &&UserAccess| user.active);
                    let mut members: Vec<Uuid> = members.map(|user| user.id).collect();
                    members.sort_unstable();
                    members
                }
            };
            (!users.is_empty()).then_some(Chosen::Turn(users))
        }
    }
}
