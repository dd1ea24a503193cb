//! The versions of workflows: a run finishes on the one that it began with.

use async_recursion::async_recursion as boxed;
use std::collections::VecDeque;
use std::sync::{Arc, Mutex, PoisonError};

use cardine_engine::{Engine, EngineError, Snapshot};
use cardine_store::ReadTx;
use cardine_store::platform::workflows::load_version;
use uuid::Uuid;

use crate::check::check;
use crate::definition::parse;
use crate::matcher::Workflows;
use crate::program::Workflow;

/// A version of a workflow, and who saved it.
#[derive(Debug)]
pub(crate) struct Version {
    pub author: Option<Uuid>,
    pub number: i64,
    pub workflow: Workflow,
}

/// Versions that are not the newest any more, and still have runs; those asked for last are kept.
pub(crate) struct Versions {
    engine: Engine,
    kept: Mutex<VecDeque<(Key, Arc<Version>)>>,
}

/// Workflow, version, and the catalog that it was checked against.
type Key = (Uuid, i64, u64);

/// Most versions in memory that are not the newest.
const KEPT_MAX: usize = 64;

impl Versions {
    pub fn new(engine: Engine) -> Self {
        Self { engine, kept: Mutex::default() }
    }

    /// Whose workflows they are versions of.
    pub fn engine(&self) -> &Engine {
        &self.engine
    }

    /// A version over the catalog of a snapshot, which is the newest one, and that snapshot. `None` if it does not fit the modules.
    #[boxed]
    pub async fn fetch(
        &self,
        workflow: Uuid,
        number: i64,
    ) -> Result<(Arc<Snapshot>, Option<Arc<Version>>), EngineError> {
        let snapshot = self.engine.snapshot();
        if let Some(version) = self.known(&snapshot, workflow, number) {
            return Ok((snapshot, Some(version)));
        }
        // Another process may have saved it a moment ago.
        self.engine.reload().await?;
        let snapshot = self.engine.snapshot();
        if let Some(version) = self.known(&snapshot, workflow, number) {
            return Ok((snapshot, Some(version)));
        }
        let row = self
            .engine
            .store()
            .read(move |tx: &mut ReadTx| {
                Box::pin(async move { Ok::<_, EngineError>(load_version(tx, workflow, number).await?) })
            })
            .await?;
        let Some(row) = row else { return Ok((snapshot, None)) };
        let checked = parse(&row.definition).and_then(|definition| check(&definition, &snapshot.catalog, None));
        let Ok(checked) = checked else { return Ok((snapshot, None)) };
        let version = Arc::new(Version { author: row.author, number, workflow: checked });
        let mut kept = self.kept.lock().unwrap_or_else(PoisonError::into_inner);
        kept.truncate(KEPT_MAX - 1);
        kept.push_front(((workflow, number, snapshot.catalog.version), Arc::clone(&version)));
        drop(kept);
        Ok((snapshot, Some(version)))
    }

    fn known(&self, snapshot: &Snapshot, workflow: Uuid, number: i64) -> Option<Arc<Version>> {
        if let Some(newest) = Workflows::of(snapshot, workflow).filter(|newest| newest.number == number) {
            return Some(Arc::clone(newest));
        }
        let key = (workflow, number, snapshot.catalog.version);
        let kept = self.kept.lock().unwrap_or_else(PoisonError::into_inner);
        kept.iter().find(|(known, _)| *known == key).map(|(_, version)| Arc::clone(version))
    }
}
