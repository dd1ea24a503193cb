//! What was compiled for earlier requests: a request with the same text, operation name and rights is neither parsed nor
//! validated again, and one whose variables decide the same takes its statements as they are.
//!
//! What is kept depends on no value but those that decided something ([`crate::variables::Dependence`]), on nobody's person and
//! on no clock: callers with equal rights share it. Rights have a number of their own for each catalog version and each change of
//! roles, so that neither a change of the catalog nor of a permission is ever answered by what was compiled before it.

use std::hash::Hash;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, PoisonError, RwLock};

use cardine_engine::ReadPlan;
use cardine_model::Value;
use cardine_model::catalog::ModuleId;
use cardine_query::{Authorised, List};
use quick_cache::sync::Cache;
use quick_cache::{Equivalent, Weighter};
use rustc_hash::FxHashMap;
use uuid::Uuid;

use crate::compile::{Computing, ContextRecipe, GivenCursor, NodeAsked, Operation, Reuse, Setting};
use crate::cursor::CursorContext;
use crate::error::Error;
use crate::prepare::Document;
use crate::protocol::Request;
use crate::shape::{Fields, RootField};
use crate::variables::Inputs;

/// Most memory that is used for it, as estimated.
const BYTES_MAX: u64 = 32 << 20;
/// About what a parsed document takes for each byte of its text.
const DOCUMENT_BYTES_PER_BYTE: usize = 24;
/// Operations that are kept of one text, for variables that decided differently; more of them drop the oldest.
const PLANS_OF_TEXT_MAX: usize = 16;
/// Answers that are longer than this in themselves are made anew: they are as long as many plans.
const CONSTANT_BYTES_MAX: usize = 64 << 10;
/// The size of an answer, before there was one.
pub const SIZE_GUESSED: usize = 4096;

/// A compiled reading operation with its statements.
#[derive(Debug)]
pub struct Plan {
    shape: Fields<RootField>,
    read: Arc<ReadPlan>,
    values: Vec<Value>,
    computings: Vec<Computing>,
    reuse: Option<Reuse>,
    size: AtomicUsize,
}

impl Plan {
    /// From a compiled operation; `plan_read` makes the statements of its lists.
    pub fn new(operation: Operation, plan_read: impl FnOnce(&[Authorised<List>]) -> ReadPlan) -> Self {
        let Operation { lists, mut values, shape, computings, reuse, .. } = operation;
        let reuse = reuse.map(|reuse| {
            // What came from variables is of that request alone.
            for (slot, _) in &reuse.given {
                values[*slot] = Value::Null;
            }
            reuse.cursors.iter().flat_map(GivenCursor::slots).for_each(|slot| values[slot] = Value::Null);
            reuse.persons.iter().flatten().for_each(|slot| values[*slot] = Value::Null);
            Reuse { contexts: reuse.contexts.into_iter().map(ContextRecipe::emptied).collect(), ..reuse }
        });
        let (read, size) = (Arc::new(plan_read(&lists)), AtomicUsize::new(SIZE_GUESSED));
        Self { shape, read, values, computings, reuse, size }
    }

    /// The form of the answer.
    pub fn shape(&self) -> &Fields<RootField> {
        &self.shape
    }

    /// What plugins compute of what was read.
    pub fn computings(&self) -> &[Computing] {
        &self.computings
    }

    /// The statements.
    pub fn reading(&self) -> &Arc<ReadPlan> {
        &self.read
    }

    /// The ids of any module that a request with these variables asks for; `None` if this plan is none for it anyway.
    pub fn node_ids(&self, inputs: &Inputs) -> Option<Vec<Uuid>> {
        let reuse = self.reuse.as_ref().filter(|reuse| reuse.dependence.holds(inputs))?;
        let id = |node: &NodeAsked| match self.value(reuse, node.slot, inputs) {
            Value::Id(id) => Some(id),
            _ => None,
        };
        Some(reuse.nodes.iter().filter_map(id).filter(|id| !id.is_nil()).collect())
    }

    fn value(&self, reuse: &Reuse, slot: usize, inputs: &Inputs) -> Value {
        let given = reuse.given.iter().find(|(given, _)| *given == slot);
        given.map_or_else(|| self.values[slot].clone(), |(_, place)| place.value(inputs))
    }

    /// What a request with these variables has of its own; `None` if it must be compiled anew. `modules` are those of the ids that
    /// [`Plan::node_ids`] gives.
    pub fn serve(&self, setting: Setting<'_>, inputs: &Inputs, modules: &FxHashMap<Uuid, ModuleId>) -> Option<Served> {
        let reuse = self.reuse.as_ref().filter(|reuse| reuse.dependence.holds(inputs))?;
        let contexts: Vec<_> = reuse.contexts.iter().map(|recipe| recipe.of(inputs)).collect();
        let mut shared: Arc<[Value]> = self.values.iter().cloned().collect();
        let values = Arc::get_mut(&mut shared).expect("nobody else has it yet");
        for (slot, place) in &reuse.given {
            values[*slot] = place.value(inputs);
        }
        for NodeAsked { slot, module } in &reuse.nodes {
            let Value::Id(id) = &values[*slot] else { return None };
            if modules.get(id) != module.as_ref() {
                return None;
            }
        }
        for person in &reuse.persons {
            match (person, setting.viewer.user) {
                (Some(slot), Some(user)) => values[*slot] = Value::Id(user),
                (None, None) => {}
                _ => return None,
            }
        }
        reuse.cursors.iter().try_for_each(|cursor| cursor.put(setting, inputs, &contexts, values))?;
        Some(Served { values: shared, contexts })
    }

    /// Bytes of the last answer, with some room.
    pub fn size_before(&self) -> usize {
        let size = self.size.load(Ordering::Relaxed);
        size + size / 8
    }

    /// Tells how large an answer was.
    pub fn note_size(&self, bytes: usize) {
        self.size.store(bytes, Ordering::Relaxed);
    }

    /// Bytes of the answer that are in the plan itself.
    fn constant_bytes(&self) -> usize {
        fn of(fields: &Fields<RootField>) -> usize {
            let bytes = |field: &RootField| match field {
                RootField::Constant(json) => json.len(),
                RootField::Object(fields) => of(fields),
                _ => 0,
            };
            fields.iter().map(|(_, field)| bytes(field)).sum()
        }
        of(&self.shape)
    }

    fn weight(&self) -> usize {
        2048 + 3 * self.read.text_bytes() + 64 * self.values.len() + self.constant_bytes()
    }
}

/// What a request has of its own, beside its plan.
#[derive(Debug)]
pub struct Served {
    /// What the statements' slots name.
    pub values: Arc<[Value]>,
    /// What the cursors belong to.
    pub contexts: Vec<CursorContext>,
}

/// A valid document, and what was compiled of it.
#[derive(Debug)]
pub struct Known {
    key: Key,
    document: Arc<Document>,
    plans: RwLock<Vec<Arc<Plan>>>,
}

impl Known {
    /// The document.
    pub fn document(&self) -> &Arc<Document> {
        &self.document
    }

    /// The ids of any module that a request with these variables asks for, as far as it is known without compiling it.
    pub fn node_ids(&self, inputs: &Inputs) -> Vec<Uuid> {
        let plans = self.plans.read().unwrap_or_else(PoisonError::into_inner);
        let mut ids = plans.iter().rev().find_map(|plan| plan.node_ids(inputs)).unwrap_or_default();
        ids.sort_unstable();
        ids.dedup();
        ids
    }

    /// What serves a request with these variables, where the ids of any module are records of these.
    pub fn plan(
        &self,
        setting: Setting<'_>,
        inputs: &Inputs,
        modules: &FxHashMap<Uuid, ModuleId>,
    ) -> Option<(Arc<Plan>, Served)> {
        let serve = |plan: &Arc<Plan>| Some((Arc::clone(plan), plan.serve(setting, inputs, modules)?));
        // The newest are at the end.
        self.plans.read().unwrap_or_else(PoisonError::into_inner).iter().rev().find_map(serve)
    }

    fn weight(&self) -> usize {
        let plans = self.plans.read().unwrap_or_else(PoisonError::into_inner);
        let plans: usize = plans.iter().map(|plan| plan.weight()).sum();
        plans + DOCUMENT_BYTES_PER_BYTE * self.key.query.len() + 1024
    }
}

#[derive(Debug, Clone, PartialEq, Eq, Hash)]
struct Key {
    rights: u64,
    operation_name: Option<Arc<str>>,
    query: Arc<str>,
}

/// A key that is looked for, without memory of its own.
#[derive(Hash)]
struct KeyOf<'a> {
    rights: u64,
    operation_name: Option<&'a str>,
    query: &'a str,
}

impl Equivalent<Key> for KeyOf<'_> {
    fn equivalent(&self, key: &Key) -> bool {
        self.rights == key.rights && self.operation_name == key.operation_name.as_deref() && self.query == &*key.query
    }
}

/// With its weight as it was when it was put there: the cache counts on one that does not change.
#[derive(Debug, Clone)]
struct Weighed {
    known: Arc<Known>,
    weight: u64,
}

impl Weighed {
    fn new(known: &Arc<Known>) -> Self {
        Self { known: Arc::clone(known), weight: known.weight() as u64 }
    }
}

#[derive(Debug, Clone)]
struct Weight;

impl Weighter<Key, Weighed> for Weight {
    fn weight(&self, _: &Key, weighed: &Weighed) -> u64 {
        weighed.weight
    }
}

/// What was compiled; bounded. What is asked for often stays longest.
#[derive(Debug)]
pub struct Plans(Cache<Key, Weighed, Weight>);

impl Default for Plans {
    fn default() -> Self {
        Self::with_capacity(BYTES_MAX)
    }
}

impl Plans {
    /// For so many bytes, as estimated.
    pub fn with_capacity(bytes: u64) -> Self {
        const ENTRIES_EXPECTED: usize = 1_000;
        Self(Cache::with_weighter(ENTRIES_EXPECTED, bytes, Weight))
    }

    /// The request's document, known or made. What is not valid is not kept.
    pub fn find(&self, setting: Setting<'_>, request: &Request) -> Result<Arc<Known>, Vec<Error>> {
        let rights = setting.schema.rights.serial;
        let operation_name = request.operation_name.as_deref();
        if let Some(weighed) = self.0.get(&KeyOf { rights, operation_name, query: &request.query }) {
            return Ok(weighed.known);
        }
        let document = Arc::new(Document::new(setting, &request.query, operation_name)?);
        let key = Key { rights, operation_name: operation_name.map(Arc::from), query: Arc::from(&*request.query) };
        let known = Arc::new(Known { key: key.clone(), document, plans: RwLock::default() });
        self.0.insert(key, Weighed::new(&known));
        Ok(known)
    }

    /// Keeps a plan for later requests, if it serves any.
    pub fn keep(&self, known: &Arc<Known>, plan: &Arc<Plan>) {
        if plan.reuse.is_none() || plan.constant_bytes() > CONSTANT_BYTES_MAX {
            return;
        }
        {
            let mut plans = known.plans.write().unwrap_or_else(PoisonError::into_inner);
            if plans.len() >= PLANS_OF_TEXT_MAX {
                plans.remove(0);
            }
            plans.push(Arc::clone(plan));
        }
        // Weighed anew.
        self.0.insert(known.key.clone(), Weighed::new(known));
    }

    /// How many texts are known.
    pub fn len(&self) -> usize {
        self.0.len()
    }

    /// Whether none is.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }
}

#[cfg(test)]
mod tests;
