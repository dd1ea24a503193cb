//! One subscriber: behind its group it reads by itself, beside it what the group gives.

use async_recursion::async_recursion as boxed;
use std::collections::VecDeque;
use std::sync::Arc;

use bytes::Bytes;
use cardine_engine::feed::Following;

use super::evaluate::{Item, evaluate, gap, renew};
use super::group::{Membership, UNREADABLE};
use super::plan::Plan;
use super::{End, Hub, Source};

/// A subscription's changes as whole answers, one after the other.
pub struct Subscriber {
    hub: Arc<Hub>,
    source: Arc<Source>,
    following: Following,
    plan: Option<Arc<Plan>>,
    /// Everything up to here was given out or stands in `ready`.
    place: i64,
    ready: VecDeque<Item>,
    membership: Option<Membership>,
}

impl Subscriber {
    pub(super) fn new(
        hub: Arc<Hub>,
        source: Arc<Source>,
        following: Following,
        place: i64,
        plan: Arc<Plan>,
        first: Option<Item>,
    ) -> Self {
        let ready = first.into_iter().collect();
        Self { hub, source, following, plan: Some(plan), place, ready, membership: None }
    }

    /// The next change, or why there will be none. May be given up and called again: nothing is lost.
    #[boxed]
    pub async fn next(&mut self) -> Result<Bytes, End> {
        loop {
            if let Some(item) = self.ready.pop_front() {
                return Ok(item.body);
            }
            let Some(membership) = &mut self.membership else {
                self.catch_up().await?;
                continue;
            };
            match membership.next().await {
                Some(item) => {
                    self.place = item.seq;
                    return Ok(item.body);
                }
                None => match membership.end() {
                    Some(end) => return Err(end),
                    None => self.membership = None,
                },
            }
        }
    }

    /// Reads a part of what is missing, or joins the group if nothing is.
    async fn catch_up(&mut self) -> Result<(), End> {
        let Ok(read) = self.following.read(self.place).await else {
            tokio::time::sleep(UNREADABLE).await;
            return Ok(());
        };
        if read.missed {
            let (ctx, plan) = renew(&self.hub, &self.source, &mut self.plan)?;
            self.ready.push_back(gap(&self.hub, &ctx, &plan, &self.source, read.through)?);
        } else if read.changes.is_empty() {
            let (_, plan) = renew(&self.hub, &self.source, &mut self.plan)?;
            self.membership = self.hub.join(&self.source, read.through, &plan);
        } else {
            let items = evaluate(&self.hub, &self.source, &mut self.plan, &read.changes).await?;
            self.ready.extend(items);
        }
        self.place = read.through;
        Ok(())
    }
}

impl std::fmt::Debug for Subscriber {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Subscriber").field("module", &self.following).finish_non_exhaustive()
    }
}
