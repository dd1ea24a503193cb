//! What one request runs with: one version of catalog and rights, who asks, and when.

use std::sync::Arc;
use std::time::Duration;

use cardine_access::Actor;
use cardine_model::Catalog;
use cardine_store::{Bindings, Deadline};
use chrono::{DateTime, NaiveDate, Utc};
use uuid::Uuid;

use crate::Snapshot;

/// Pinned for a whole request: nothing in it changes while the request runs.
#[derive(Debug, Clone)]
pub struct RequestContext {
    /// One version of everything that is kept in memory.
    pub snapshot: Arc<Snapshot>,
    /// Who asks. Its rights are over the snapshot's catalog.
    pub actor: Arc<Actor>,
    /// The instant of the request.
    pub now: DateTime<Utc>,
    /// Today in the caller's time zone.
    pub today: NaiveDate,
    /// Names the request in logs, audit and answers.
    pub request_id: Uuid,
    /// How deep in a chain of causes this request stands; 0 for one from outside.
    pub depth: u32,
    /// The run of a workflow that it is a step of.
    pub run: Option<Uuid>,
    /// Through what it came: `api`, `workflow`, `plugin`, `system`.
    pub via: &'static str,
    /// On whose behalf the actor acts: who caused the run of a workflow. None where the actor acts for themselves.
    pub on_behalf_of: Option<Uuid>,
    /// Until when it may work; none for one that nobody waits for.
    pub deadline: Option<Deadline>,
    /// Makes the ids of its new records.
    pub new_ids: NewIds,
}

/// A new request's name: an id of the moment. It guards nothing, so its chance need not be asked of the system, which costs each
/// request a call.
pub fn new_request_id(now: DateTime<Utc>) -> Uuid {
    let milliseconds = u64::try_from(now.timestamp_millis()).unwrap_or_default();
    uuid::Builder::from_unix_timestamp_millis(milliseconds, &rand::random()).into_uuid()
}

/// Where the ids of new records come from: the clock and chance, unless a test wants the same ones each time.
#[derive(Debug, Clone, Default)]
pub struct NewIds {
    #[cfg(debug_assertions)]
    counted: Option<Arc<Counted>>,
}

/// The next id is that of the moment with the next number.
#[cfg(debug_assertions)]
#[derive(Debug)]
struct Counted {
    milliseconds: u64,
    made: std::sync::atomic::AtomicU64,
}

impl NewIds {
    /// Ids that depend on the moment alone, for a test that lets two servers do the same.
    #[cfg(debug_assertions)]
    #[must_use]
    pub fn counted_from(moment: DateTime<Utc>) -> Self {
        let milliseconds = u64::try_from(moment.timestamp_millis()).unwrap_or_default();
        Self { counted: Some(Arc::new(Counted { milliseconds, made: 0.into() })) }
    }

    /// A new one.
    pub fn next(&self) -> Uuid {
        #[cfg(debug_assertions)]
        if let Some(Counted { milliseconds, made }) = self.counted.as_deref() {
            let number = made.fetch_add(1, std::sync::atomic::Ordering::Relaxed);
            let mut bytes = [0; 10];
            bytes[2..].copy_from_slice(&number.to_be_bytes());
            return uuid::Builder::from_unix_timestamp_millis(*milliseconds, &bytes).into_uuid();
        }
        Uuid::now_v7()
    }
}

impl RequestContext {
    /// The catalog of this request.
    pub fn catalog(&self) -> &Catalog {
        &self.snapshot.catalog
    }

    /// The same request, with so much time from now.
    #[must_use]
    pub fn within(&self, limit: Duration) -> Self {
        Self { deadline: Some(Deadline::after(limit)), ..self.clone() }
    }

    /// Whether its time is over.
    pub fn is_late(&self) -> bool {
        self.deadline.is_some_and(|deadline| deadline.is_over())
    }

    /// Bindings with these values.
    pub fn bindings<'a>(&'a self, values: &'a [cardine_model::Value]) -> Bindings<'a> {
        Bindings {
            values,
            parents: &[],
            visible_owners: &self.actor.visible_owners,
            shared_owners: &self.actor.shared_owners,
            principals: &self.actor.principals,
            actor: self.actor.user,
            now: self.now,
            today: self.today,
            time_zone: &self.actor.time_zone,
        }
    }
}
