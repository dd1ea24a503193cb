//! Subscribers that ask the same: each change is evaluated once for them.

use async_recursion::async_recursion as boxed;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, OnceLock, Weak};
use std::time::Duration;

use cardine_engine::feed::Following;
use tokio::sync::{Notify, mpsc};

use super::evaluate::{Item, evaluate, gap, renew};
use super::plan::Plan;
use super::{End, Hub, Source};

/// Changes that wait for one subscriber.
const WAITING_MAX: usize = 256;
/// Bytes of those; one change may always wait, however long it is.
const WAITING_BYTES_MAX: usize = 1 << 20;

/// The pause before the outbox is read again that could not be read.
pub(super) const UNREADABLE: Duration = Duration::from_millis(500);

pub(super) struct Group {
    source: Arc<Source>,
    state: Mutex<State>,
    /// Why it ended, where its members must end too.
    ended: OnceLock<End>,
    /// Rung when a member has left.
    left: Notify,
}

struct State {
    /// Changes up to here were given to the members.
    place: i64,
    members: Vec<Member>,
    /// It has ended: nobody can join.
    closed: bool,
}

struct Member {
    /// Only what comes after this is for it.
    after: i64,
    sender: mpsc::Sender<Item>,
    waiting_bytes: Arc<AtomicUsize>,
}

/// A member's end of its queue.
pub(super) struct Membership {
    group: Arc<Group>,
    receiver: mpsc::Receiver<Item>,
    waiting_bytes: Arc<AtomicUsize>,
}

impl Membership {
    /// The next change; `None` if the group has left this member behind, or has ended.
    #[boxed]
    pub async fn next(&mut self) -> Option<Item> {
        let item = self.receiver.recv().await?;
        self.waiting_bytes.fetch_sub(item.body.len(), Ordering::Relaxed);
        Some(item)
    }

    /// Why the group ended, if its members must end too.
    pub fn end(&self) -> Option<End> {
        self.group.ended.get().cloned()
    }
}

impl Drop for Membership {
    fn drop(&mut self) {
        self.receiver.close();
        self.group.left.notify_one();
    }
}

impl Hub {
    /// Makes somebody who has seen everything up to `place` a member of its group; `None` if the group is ahead already.
    pub fn join(self: &Arc<Self>, source: &Arc<Source>, place: i64, plan: &Arc<Plan>) -> Option<Membership> {
        let (sender, receiver) = mpsc::channel(WAITING_MAX);
        let waiting_bytes = Arc::new(AtomicUsize::new(0));
        let member = Member { after: place, sender, waiting_bytes: Arc::clone(&waiting_bytes) };
        let mut groups = self.groups.lock().expect("nobody panics while joining");
        let known = groups.get(&source.key).and_then(Weak::upgrade);
        if let Some(group) = known {
            let mut state = group.state();
            if !state.closed {
                if place < state.place {
                    return None;
                }
                state.members.push(member);
                drop(state);
                return Some(Membership { group, receiver, waiting_bytes });
            }
        }
        let state = Mutex::new(State { place, members: vec![member], closed: false });
        let group = Group { source: Arc::clone(source), state, ended: OnceLock::new(), left: Notify::new() };
        let group = Arc::new(group);
        groups.insert(source.key, Arc::downgrade(&group));
        let following = self.engine.feed().follow(plan.module_name());
        tokio::spawn(run(Arc::clone(self), Arc::clone(&group), following, Arc::clone(plan)));
        Some(Membership { group, receiver, waiting_bytes })
    }

    fn forget(&self, group: &Arc<Group>) {
        let mut groups = self.groups.lock().expect("nobody panics while joining");
        let is_this = groups.get(&group.source.key).is_some_and(|known| known.as_ptr() == Arc::as_ptr(group));
        if is_this {
            groups.remove(&group.source.key);
        }
    }
}

/// Follows the module until the last member has left.
async fn run(hub: Arc<Hub>, group: Arc<Group>, mut following: Following, plan: Arc<Plan>) {
    let mut renewed = hub.renewed.subscribe();
    let mut plan = Some(plan);
    loop {
        match advance(&hub, &group, &following, &mut plan).await {
            Ok(true) => {}
            Ok(false) => break,
            Err(end) => {
                let _ = group.ended.set(end);
                break;
            }
        }
        tokio::select! {
            () = following.changed() => {}
            _ = renewed.changed() => {}
            () = group.left.notified() => {}
        }
    }
    group.close();
    hub.forget(&group);
}

/// Gives the members all that is new; false if there are none any more.
async fn advance(
    hub: &Arc<Hub>,
    group: &Group,
    following: &Following,
    plan: &mut Option<Arc<Plan>>,
) -> Result<bool, End> {
    renew(hub, &group.source, plan)?;
    loop {
        let Some(place) = group.place() else { return Ok(false) };
        let read = match following.read(place).await {
            Ok(read) => read,
            Err(_) => {
                tokio::time::sleep(UNREADABLE).await;
                continue;
            }
        };
        let items = match read.missed {
            true => {
                let (ctx, current) = renew(hub, &group.source, plan)?;
                vec![gap(hub, &ctx, &current, &group.source, read.through)?]
            }
            false => evaluate(hub, &group.source, plan, &read.changes).await?,
        };
        group.give(&items, read.through);
        if read.through == place || read.changes.is_empty() && !read.missed {
            return Ok(true);
        }
    }
}

impl Group {
    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().expect("nobody panics while holding a group's state")
    }

    /// Where to read on; `None` if nobody is there any more, after which nobody can join.
    fn place(&self) -> Option<i64> {
        let mut state = self.state();
        state.members.retain(|member| !member.sender.is_closed());
        state.closed = state.members.is_empty();
        (!state.closed).then_some(state.place)
    }

    /// Queues the items for each member. One whose queue is full is left behind.
    fn give(&self, items: &[Item], through: i64) {
        let mut state = self.state();
        for item in items {
            state.members.retain(|member| item.seq <= member.after || member.take(item));
        }
        state.place = through;
    }

    fn close(&self) {
        let mut state = self.state();
        state.closed = true;
        state.members.clear();
    }
}

impl Member {
    fn take(&self, item: &Item) -> bool {
        let waiting = self.waiting_bytes.load(Ordering::Relaxed);
        if waiting > 0 && waiting + item.body.len() > WAITING_BYTES_MAX {
            return false;
        }
        self.waiting_bytes.fetch_add(item.body.len(), Ordering::Relaxed);
        self.sender.try_send(item.clone()).is_ok()
    }
}
