//! The records that belong to one record, of several modules, in the order of time.

use cardine_access::Rights;
use cardine_model::catalog::{Catalog, FieldId, ModuleId, RelationId};

use crate::authorise::{Authorised, Denied};
use crate::list::Slot;

/// What belongs to a record by some ways, the latest first, then the highest id; each record once.
#[derive(Debug, Clone, PartialEq)]
pub struct Timeline {
    /// The record's module.
    pub module: ModuleId,
    /// Its id.
    pub record: Slot,
    /// By which ways; a module at the end of several has the same `at` in all.
    pub ways: Vec<TimelineWay>,
    /// How many.
    pub first: Slot,
    /// Only what comes after this place.
    pub after: Option<TimelinePlace>,
}

/// From the record to those that belong to it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TimelineWay {
    /// The lists on the way, each of the module that the one before leads to; at least one.
    pub relations: Vec<RelationId>,
    /// When a record is, or else when it was made.
    pub at: FieldId,
}

/// A place in the order of time.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct TimelinePlace {
    /// The instant.
    pub at: Slot,
    /// The record's id.
    pub id: Slot,
}

/// Lets `timeline` pass if every module, list and field on its ways exists under `rights`.
pub fn authorise_timeline(
    timeline: Timeline,
    catalog: &Catalog,
    rights: &Rights,
) -> Result<Authorised<Timeline>, Denied> {
    let is_open = |module: ModuleId| rights.can_read_module(module) && !catalog.module(module).held;
    let passes = |way: &TimelineWay| {
        let mut of = timeline.module;
        for relation in &way.relations {
            let relation = catalog.module(of).relation(*relation);
            let is_own = relation.through.is_none() && relation.hierarchy.is_none();
            if !is_own || !rights.can_read_relation(relation) || !is_open(relation.module) {
                return false;
            }
            of = relation.module;
        }
        !way.relations.is_empty() && rights.can_read(of, way.at)
    };
    if !is_open(timeline.module) || timeline.ways.is_empty() || !timeline.ways.iter().all(passes) {
        return Err(Denied);
    }
    Ok(Authorised::passed(timeline))
}
