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
    pub actor: Actor,
    /// The instant of the request.
    pub now: DateTime<Utc>,
    /// Today in the caller's time zone.
    pub today: NaiveDate,
    /// Names the request in logs, audit and answers.
    pub request_id: Uuid,
    /// How deep in a chain of causes this request stands; 0 for one from outside.
    pub depth: u32,
    /// Through what it came: `api`, `workflow`, `plugin`, `system`.
    pub via: &'static str,
    /// Until when it may work; none for one that nobody waits for.
    pub deadline: Option<Deadline>,
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
