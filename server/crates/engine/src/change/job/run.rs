//! A job's way: columns beside those in use, batch after batch, what was written meanwhile, indexes, and the end in one transaction.

use std::sync::Arc;

use cardine_failpoints::pass;
use cardine_model::Issue;
use cardine_sql::ddl::{self, AHEAD, records};
use cardine_store::platform::jobs::{self, JobRow, Progress};
use cardine_store::{Bindings, WriteTx};
use chrono::Utc;
use futures_util::FutureExt as _;
use serde::{Deserialize, Serialize};
use uuid::Uuid;

use super::{Held, Stop, keep};
use crate::change::commit::{Author, CommitError};
use crate::change::faults::Faults;
use crate::change::plan::{Base, Change, Planned, plan};
use crate::change::steps::{Tx, refuse_alike};
use crate::change::work::{Batch, works};
use crate::change::{blocking, load};
use crate::{Engine, EngineError};

/// Most records of a batch.
const BATCH_MAX: usize = 1_000;
/// How often what was written meanwhile is done before the end, which does the rest with nobody else writing.
const ROUNDS_MAX: usize = 10;

/// Where a job goes on.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
#[serde(default)]
struct Place {
    /// Its columns are there.
    prepared: bool,
    /// The table that it is at.
    work: usize,
    /// The last record that was looked at.
    last: Option<Uuid>,
    /// Records of it that were looked at.
    seen: i64,
}

impl Engine {
    /// Runs a job as far as it goes.
    pub(super) async fn run_job(&self, row: &JobRow, held: Held) -> Result<(), Stop> {
        let change: Change = serde_json::from_str(&row.change).map_err(|error| {
            tracing::error!(%error, job = %row.id, "a job's change can't be read");
            Stop::Broken(EngineError::Internal)
        })?;
        let planned = self.plan_of(&change).await?;
        let mut place: Place = serde_json::from_str(&row.progress).unwrap_or_default();
        let mut done = row.done;
        let batch_size = (self.job_rows() / 10).clamp(1, BATCH_MAX);
        if !place.prepared {
            place.prepared = true;
            self.prepare(&planned, held, Progress { place: text_of(&place), done }).await?;
        }
        pass!("job.prepared");
        let count = works(self.store().dialect(), &planned).len();
        while place.work < count {
            let before = place.clone();
            let batch = self
                .run_batch(&planned, held, (before.work, before.last), batch_size, Some((before.clone(), done)))
                .await?;
            done += i64::try_from(batch.done).unwrap_or_default();
            place.last = batch.last;
            place.seen += batch.seen();
            // What others add all the time is not run after.
            if batch.is_last || place.seen >= row.total {
                place = Place { work: place.work + 1, prepared: true, ..Place::default() };
            }
            pass!("job.batch_done");
        }
        self.catch_up(&planned, held, count, batch_size).await?;
        self.make_indexes(&planned, held, count).await?;
        pass!("job.indexed");
        // What was written while indexes were made.
        self.catch_up(&planned, held, count, batch_size).await?;
        let author = Author {
            actor: row.actor,
            via: if row.via == "system" { "system" } else { "api" },
            request: row.request,
            now: Utc::now(),
        };
        let change = self.change_as(author, change, false, Some(held));
        let changed = self.while_held(held, change).await?;
        match changed {
            Ok(_) => Ok(()),
            Err(error) => Err(self.named_conflict(&planned, count, error.into()).await),
        }
    }

    /// The plan of a job on the newest catalog.
    async fn plan_of(&self, change: &Change) -> Result<Arc<Planned>, Stop> {
        self.reload().await?;
        let snapshot = self.snapshot();
        let (catalog, access) = (Arc::clone(&snapshot.catalog), Arc::clone(&snapshot.access));
        let (_, retired) = load::fetch_retired(self.store()).await?;
        let base = Base { catalog, retired, now: Utc::now(), without_required: false, present: None, access };
        let (dialect, change) = (self.store().dialect(), change.clone());
        let planned = blocking(move || plan(dialect, &base, &change)).await?;
        planned.map(Arc::new).map_err(Stop::Failed)
    }

    async fn prepare(&self, planned: &Arc<Planned>, held: Held, progress: Progress) -> Result<(), Stop> {
        let planned = Arc::clone(planned);
        let made = self.store().write(move |tx: &mut WriteTx| {
            let (planned, progress) = (Arc::clone(&planned), progress.clone());
            async move {
                keep(tx, held, Some(&progress)).await?;
                let dialect = tx.dialect();
                for work in works(dialect, &planned).iter().filter(|work| work.reads_rows()) {
                    for statement in work.ahead.prepare() {
                        tx.run_ddl(&statement).await?;
                    }
                }
                pass!("job.columns");
                Ok::<_, CommitError>(())
            }
            .boxed()
        });
        Ok(made.await?)
    }

    /// One batch of the work at `at`; `noted` is where the job stands before it, if it counts.
    async fn run_batch(
        &self,
        planned: &Arc<Planned>,
        held: Held,
        at: (usize, Option<Uuid>),
        size: usize,
        noted: Option<(Place, i64)>,
    ) -> Result<Batch, Stop> {
        let planned = Arc::clone(planned);
        let batch = self.store().write(move |tx: &mut WriteTx| {
            let (planned, noted) = (Arc::clone(&planned), noted.clone());
            async move {
                let works = works(tx.dialect(), &planned);
                let Some(work) = works.get(at.0).filter(|work| work.reads_rows()) else {
                    keep(tx, held, None).await?;
                    return Ok(Batch { is_last: true, last: None, done: 0, faults: Vec::new() });
                };
                let batch = work.run_batch(tx, at.1, size).await?;
                let progress = noted.map(|(place, done)| Progress {
                    place: text_of(&Place { last: batch.last, seen: place.seen + batch.seen(), ..place }),
                    done: done + i64::try_from(batch.done).unwrap_or_default(),
                });
                keep(tx, held, progress.as_ref()).await?;
                pass!("job.batch");
                Ok::<_, CommitError>(batch)
            }
            .boxed()
        });
        Ok(batch.await?)
    }

    /// Does what was written meanwhile, until little is left. What is in the way then fails the job.
    async fn catch_up(&self, planned: &Arc<Planned>, held: Held, count: usize, size: usize) -> Result<(), Stop> {
        for number in 0..count {
            for round in 1..=ROUNDS_MAX {
                let (mut faults, mut done, mut last) = (Vec::new(), 0, None);
                loop {
                    let batch = self.run_batch(planned, held, (number, last), size, None).await?;
                    if faults.is_empty() {
                        faults = batch.faults;
                    } else {
                        faults.iter_mut().zip(batch.faults).for_each(|(all, more): (&mut Faults, _)| all.join(more));
                    }
                    done += batch.done;
                    last = batch.last;
                    // As above: the next round begins anew.
                    if batch.is_last || done >= self.job_rows().max(size) {
                        break;
                    }
                }
                let works = works(self.store().dialect(), planned);
                let issues = works.get(number).map(|work| work.told(faults)).unwrap_or_default();
                if !issues.is_empty() {
                    return Err(Stop::Failed(issues));
                }
                if done <= size || round == ROUNDS_MAX {
                    break;
                }
            }
        }
        Ok(())
    }

    /// Makes the indexes that can be made while others write, and looks for what would not be unique.
    async fn make_indexes(&self, planned: &Arc<Planned>, held: Held, count: usize) -> Result<(), Stop> {
        self.refuse_alike(planned, count).await?;
        let indexes: Vec<_> =
            works(self.store().dialect(), planned).iter().flat_map(|work| work.ahead.indexes()).collect();
        for index in indexes {
            for statement in [&index.drop, &index.create] {
                let made = self.while_held(held, self.store().run_alone(statement)).await?;
                if let Err(error) = made {
                    return Err(self.named_conflict(planned, count, error.into()).await);
                }
            }
        }
        Ok(())
    }

    /// A unique index's refusal becomes the list of the records.
    async fn named_conflict(&self, planned: &Arc<Planned>, count: usize, stop: Stop) -> Stop {
        match self.refuse_alike(planned, count).await {
            Err(Stop::Failed(issues)) => Stop::Failed(issues),
            _ => stop,
        }
    }

    /// Fails if records share what is to be unique, by the values that they get ahead.
    async fn refuse_alike(&self, planned: &Arc<Planned>, count: usize) -> Result<(), Stop> {
        for number in 0..count {
            let planned = Arc::clone(planned);
            let looked = self.store().write(move |tx: &mut WriteTx| {
                let planned = Arc::clone(&planned);
                async move {
                    let works = works(tx.dialect(), &planned);
                    let Some(work) = works.get(number) else { return Ok(()) };
                    let interim = work.ahead.interim();
                    for (fields, at) in &work.alike {
                        refuse_alike(&mut Tx::Writing(&mut *tx), &interim, fields, at).await?;
                    }
                    Ok::<_, CommitError>(())
                }
                .boxed()
            });
            looked.await?;
        }
        Ok(())
    }

    /// Takes away what was made ahead, and ends the job.
    pub(super) async fn clean_up(
        &self,
        row: &JobRow,
        held: Held,
        states: (&'static str, &'static str),
        issues: Vec<Issue>,
    ) -> Result<(), Stop> {
        let tables: Vec<String> = serde_json::from_str(&row.tables).unwrap_or_default();
        let error = (!issues.is_empty()).then(|| serde_json::to_string(&issues).unwrap_or_default());
        let cleaned = self.store().write(move |tx: &mut WriteTx| {
            let (tables, error) = (tables.clone(), error.clone());
            async move {
                if !jobs::finish_job(tx, (held.id, held.token), states, (None, error), Utc::now()).await? {
                    return Err(CommitError::Lost);
                }
                drop_what_is_ahead(tx, &tables).await?;
                pass!("job.cleaned");
                Ok(())
            }
            .boxed()
        });
        Ok(cleaned.await?)
    }
}

async fn drop_what_is_ahead(tx: &mut WriteTx, tables: &[String]) -> Result<(), CommitError> {
    let dialect = tx.dialect();
    let found = tx.query(&records::select_indexes(dialect), &Bindings::default()).await?;
    for row in 0..found.len() {
        let (table, index) = (found.cell(row, 0).text(), found.cell(row, 1).text());
        if let (Some(table), Some(index)) = (table, index)
            && index.starts_with(AHEAD)
            && tables.iter().any(|known| known == table)
        {
            tx.run_ddl(&ddl::drop_index_ahead(index)).await?;
        }
    }
    let found = tx.query(&records::select_columns(dialect), &Bindings::default()).await?;
    for row in 0..found.len() {
        let (table, column) = (found.cell(row, 0).text(), found.cell(row, 1).text());
        if let (Some(table), Some(column)) = (table, column)
            && column.starts_with(AHEAD)
            && tables.iter().any(|known| known == table)
        {
            tx.run_ddl(&ddl::drop_column_ahead(table, column)).await?;
        }
    }
    Ok(())
}

fn text_of(place: &Place) -> String {
    serde_json::to_string(place).unwrap_or_default()
}
