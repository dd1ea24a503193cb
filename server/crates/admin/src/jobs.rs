//! Changes of modules that run as jobs, because they go through many records.

use async_graphql::{Context, Enum, ID, Object, Result, SimpleObject};
use cardine_engine::{EngineError, change};
use cardine_model::path;
use chrono::{DateTime, Utc};
use uuid::Uuid;

use super::AdminContext;
use super::error::{graphql_error, invalid};
use super::model::Issue;

/// Most jobs of an answer.
const JOBS_MAX: u32 = 1_000;

/// What is told of jobs.
#[derive(Default)]
pub struct JobsQuery;

/// What is done with jobs.
#[derive(Default)]
pub struct JobsMutation;

/// A change of modules that runs, or has run, as a job: the old version serves until it ends.
#[derive(SimpleObject)]
pub struct Job {
    /// Its id.
    id: ID,
    /// What it does.
    summary: String,
    /// The modules that nothing else changes meanwhile.
    modules: Vec<String>,
    /// How it stands.
    state: JobState,
    /// Records that it has been at.
    done: i64,
    /// Records that it has to go through.
    total: i64,
    /// Why it failed: what would have to be mended, with some of the records.
    error: Vec<Issue>,
    /// The user who started it; null of the system.
    started_by: Option<ID>,
    /// Since when there is the job.
    created_at: Option<DateTime<Utc>>,
    /// When it ended.
    finished_at: Option<DateTime<Utc>>,
    /// The catalog version that it has led to.
    version: Option<i64>,
}

/// How a job stands.
#[derive(Enum, Clone, Copy, PartialEq, Eq)]
pub enum JobState {
    /// It runs, or goes on as soon as a server process takes it up.
    Running,
    /// It is being undone.
    Cancelling,
    /// Its change is in force.
    Done,
    /// It has changed nothing; `error` tells why.
    Failed,
    /// It was undone.
    Cancelled,
}

#[Object]
impl JobsQuery {
    /// The newest jobs; at most 1,000.
    async fn jobs(&self, ctx: &Context<'_>, #[graphql(default = 50)] first: i32) -> Result<Vec<Job>> {
        let fits = u32::try_from(first).ok().filter(|count| *count <= JOBS_MAX);
        let range = || invalid(cardine_model::Issue::new(path!["first"], "range", "first must be from 0 to 1,000"));
        let jobs = engine(ctx).jobs(fits.ok_or_else(range)?).await.map_err(graphql_error)?;
        Ok(jobs.into_iter().map(Job::from).collect())
    }

    /// The job with this id.
    async fn job(&self, ctx: &Context<'_>, id: ID) -> Result<Option<Job>> {
        let Ok(id) = id.parse::<Uuid>() else { return Ok(None) };
        let job = engine(ctx).job(id).await.map_err(graphql_error)?;
        Ok(job.map(Job::from))
    }
}

#[Object]
impl JobsMutation {
    /// Has a job undone: nothing of it stays in the tables. One that has ended is refused.
    async fn cancel_job(&self, ctx: &Context<'_>, id: ID) -> Result<Job> {
        let id = id.parse::<Uuid>().map_err(|_| graphql_error(EngineError::NotFound))?;
        let AdminContext { app, request, .. } = ctx.data_unchecked();
        app.engine.cancel_job(request, id).await.map(Job::from).map_err(graphql_error)
    }
}

fn engine<'a>(ctx: &Context<'a>) -> &'a cardine_engine::Engine {
    &ctx.data_unchecked::<AdminContext>().app.engine
}

impl From<change::Job> for Job {
    fn from(job: change::Job) -> Self {
        let state = match job.state.as_str() {
            "CANCELLING" => JobState::Cancelling,
            "DONE" => JobState::Done,
            "FAILED" => JobState::Failed,
            "CANCELLED" => JobState::Cancelled,
            _ => JobState::Running,
        };
        Self {
            id: ID(job.id.to_string()),
            summary: job.summary,
            modules: job.modules,
            state,
            done: job.done,
            total: job.total,
            error: job.errors.into_iter().map(Issue::from).collect(),
            started_by: job.started_by.map(|user| ID(user.to_string())),
            created_at: job.created_at,
            finished_at: job.finished_at,
            version: job.version,
        }
    }
}
