//! From a subscription's text to its plan, which holds for one version of catalog and rights.

use std::sync::Arc;

use cardine_engine::RequestContext;
use cardine_engine::feed::{CHANGES_MAX, NOTIFICATIONS};
use cardine_engine::identity::AccessState;
use cardine_model::Catalog;

use crate::compile::{Followed, NoticeTold, Operation};
use crate::error::Error;
use crate::execute::{Front, setting};
use crate::prepare::{Document, Prepared};
use crate::protocol::Request;

/// A subscription as it is evaluated.
pub(super) struct Plan {
    pub followed: Followed,
    document: Arc<Document>,
    catalog: Arc<Catalog>,
    access: Arc<AccessState>,
}

impl Plan {
    /// Guards, validates and compiles the request as any other.
    pub fn new(front: &Front, ctx: &RequestContext, request: &Request) -> Result<Self, Vec<Error>> {
        let setting = setting(front, ctx);
        let known = front.plans.find(setting, request)?;
        if !known.document().is_subscription() {
            return Err(vec![Error::input("The operation is no subscription.")]);
        }
        let inputs = known.document().coerce(setting, &request.variables)?;
        let prepared = Prepared::with(Arc::clone(known.document()), inputs, &request.variables);
        let followed = prepared.compile_subscription(setting)?;
        let document = Arc::clone(known.document());
        let (catalog, access) = (Arc::clone(&ctx.snapshot.catalog), Arc::clone(&ctx.snapshot.access));
        Ok(Self { followed, document, catalog, access })
    }

    /// What a notification is told as, for the request that this was made for.
    pub fn notice(
        &self,
        front: &Front,
        ctx: &RequestContext,
        request: &Request,
        told: &NoticeTold,
    ) -> Result<Operation, Vec<Error>> {
        let setting = setting(front, ctx);
        let inputs = self.document.coerce(setting, &request.variables)?;
        Prepared::with(Arc::clone(&self.document), inputs, &request.variables).compile_notice(setting, told)
    }

    /// Whether it was made for the request's versions of catalog and rights.
    pub fn fits(&self, ctx: &RequestContext) -> bool {
        Arc::ptr_eq(&self.catalog, &ctx.snapshot.catalog) && Arc::ptr_eq(&self.access, &ctx.snapshot.access)
    }

    /// The name of the module that is followed.
    pub fn module_name(&self) -> &str {
        match &self.followed {
            Followed::Records(changes) => &self.catalog.module(changes.module).name,
            Followed::Notices(_) => NOTIFICATIONS,
        }
    }

    /// How many changes are evaluated together, so that no statement gives more rows than an operation may fetch.
    pub fn batch(&self, front: &Front) -> usize {
        let affordable = front.limits.rows / self.followed.rows().max(1);
        usize::try_from(affordable).unwrap_or(usize::MAX).clamp(1, CHANGES_MAX)
    }
}

/// Whether the request's operation is a subscription. One that is faulty is none: executing it tells the fault.
pub(super) fn is_subscription(front: &Front, ctx: &RequestContext, request: &Request) -> bool {
    // Most requests are decided by this alone.
    request.query.contains("subscription")
        && front.plans.find(setting(front, ctx), request).is_ok_and(|known| known.document().is_subscription())
}
