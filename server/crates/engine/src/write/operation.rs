//! The mutations of an operation: one transaction for all of them, and what is asked of the records afterwards.

use async_recursion::async_recursion as boxed;
use std::sync::Arc;

use cardine_model::Value;
use cardine_query::{Authorised, List};
use cardine_sql::{Found, render_list};
use cardine_store::platform::idempotency::{Claim, KeyUse, claim, store_answer};
use cardine_store::{StoreError, WriteTx};
use chrono::TimeDelta;
use futures_util::FutureExt as _;
use uuid::Uuid;

use super::locks::lock_in_order;
use super::{Write, apply_locked};
use crate::read::{Tx, fetch_list};
use crate::{Engine, EngineError, ListResult, RequestContext};

/// A mutation, and what is asked of its records afterwards.
#[derive(Debug, Clone)]
pub struct MutationStep {
    /// What is written.
    pub write: Write,
    /// The answer's list, if records are shown. Its filter compares the id with slot 0, or asks whether it is in the list of slot 0
    /// for a mutation of several records.
    pub then: Option<Authorised<List>>,
    /// The values of that list from slot 1 on; slot 0 is the record's id, or the list of their ids.
    pub values: Vec<Value>,
}

/// Makes an answer of what the mutations did.
pub type MakeAnswer = dyn Fn(&[MutationResult]) -> Result<Vec<u8>, EngineError> + Send + Sync;

/// A request that is answered once, however often it is sent.
#[derive(Clone)]
pub struct Once {
    /// The caller's key and the request.
    pub key: KeyUse,
    /// Makes the answer that is kept.
    pub answer: Arc<MakeAnswer>,
}

/// What became of an operation.
#[derive(Debug)]
pub enum Mutated {
    /// It took effect, or would for a dry run.
    Done(Vec<MutationResult>),
    /// Its answer, made and kept now or when it was sent for the first time.
    Answered(Vec<u8>),
}

/// How long an answer is given again.
pub const ANSWER_RETENTION: TimeDelta = TimeDelta::hours(24);

/// What a mutation did.
#[derive(Debug)]
pub struct MutationResult {
    /// The records.
    pub ids: Vec<Uuid>,
    /// The answer to the step's list; empty if it has none.
    pub list: ListResult,
}

impl Engine {
    /// Runs mutations in order in one transaction: all take effect, or none.
    ///
    /// A failed step is told with its position among the steps. With `once`, what has taken effect before does not do so again.
    #[boxed]
    pub async fn mutate(
        &self,
        ctx: &RequestContext,
        steps: Vec<MutationStep>,
        once: Option<Once>,
    ) -> Result<Mutated, FailedStep> {
        let shared = Arc::new((ctx.clone(), steps, once));
        let outcome = self
            .store()
            .until(ctx.deadline)
            .write(move |tx: &mut WriteTx| {
                let shared = Arc::clone(&shared);
                async move {
                    let (ctx, steps, once) = &*shared;
                    if let Some(once) = once
                        && let Some(answer) = find_answer(tx, ctx, &once.key).await?
                    {
                        return Ok(Mutated::Answered(answer));
                    }
                    let results = run_steps(tx, ctx, steps).await?;
                    if steps.iter().any(|step| matches!(step.write, Write::Merge { dry_run: true, .. })) {
                        return Err(Ended::InVain(results));
                    }
                    match once {
                        Some(once) => keep_answer(tx, once, &results).await.map(Mutated::Answered),
                        None => Ok(Mutated::Done(results)),
                    }
                }
                .boxed()
            })
            .await;
        match outcome {
            Ok(results) => {
                self.count_written();
                self.wake_event_readers();
                Ok(results)
            }
            Err(Ended::InVain(results)) => Ok(Mutated::Done(results)),
            Err(Ended::Failed(failed)) => Err(failed),
        }
    }
}

/// Why a transaction is undone.
enum Ended {
    Failed(FailedStep),
    /// A dry run.
    InVain(Vec<MutationResult>),
}

impl From<FailedStep> for Ended {
    fn from(failed: FailedStep) -> Self {
        Self::Failed(failed)
    }
}

impl From<StoreError> for Ended {
    fn from(error: StoreError) -> Self {
        Self::Failed(error.into())
    }
}

/// The mutation that failed, and why. Nothing of the operation took effect.
#[derive(Debug, Clone, thiserror::Error)]
#[error("{error}")]
pub struct FailedStep {
    /// Its position among the steps; that of the first one, or none of them, when the failure belongs to all.
    pub position: usize,
    /// Why.
    pub error: EngineError,
}

impl From<StoreError> for FailedStep {
    fn from(error: StoreError) -> Self {
        Self { position: 0, error: error.into() }
    }
}

/// The answer that the request got before; none if it is new.
async fn find_answer(tx: &mut WriteTx, ctx: &RequestContext, key: &KeyUse) -> Result<Option<Vec<u8>>, FailedStep> {
    match claim(tx, key, ctx.now, ctx.now - ANSWER_RETENTION).await? {
        Claim::New => Ok(None),
        Claim::Answered(answer) => Ok(Some(answer.into_bytes())),
        Claim::Other => {
            let message = "this Idempotency-Key was sent with another request: choose a new one for each".to_owned();
            Err(FailedStep { position: usize::MAX, error: EngineError::Conflict { message, issues: Vec::new() } })
        }
    }
}

async fn keep_answer(tx: &mut WriteTx, once: &Once, results: &[MutationResult]) -> Result<Vec<u8>, Ended> {
    let failed = |error| FailedStep { position: 0, error };
    let answer = (once.answer)(results).map_err(failed)?;
    let text = String::from_utf8(answer).map_err(|_| failed(EngineError::Internal))?;
    store_answer(tx, &once.key, &text).await?;
    Ok(text.into_bytes())
}

async fn run_steps(
    tx: &mut WriteTx,
    ctx: &RequestContext,
    steps: &[MutationStep],
) -> Result<Vec<MutationResult>, FailedStep> {
    let locked = lock_in_order(tx, ctx, steps.iter().map(|step| &step.write)).await;
    locked.map_err(|error| FailedStep { position: 0, error })?;
    let mut results = Vec::with_capacity(steps.len());
    for (position, step) in steps.iter().enumerate() {
        let result = run_step(tx, ctx, step).await;
        results.push(result.map_err(|error| FailedStep { position, error })?);
    }
    Ok(results)
}

async fn run_step(tx: &mut WriteTx, ctx: &RequestContext, step: &MutationStep) -> Result<MutationResult, EngineError> {
    let ids = apply_locked(tx, ctx, &step.write).await?;
    let Some(then) = &step.then else {
        return Ok(MutationResult { ids, list: ListResult::default() });
    };
    let found = match (&step.write, ids.first()) {
        (Write::CreateMany { .. } | Write::UpsertMany { .. }, _) => {
            Value::List(ids.iter().copied().map(Value::Id).collect())
        }
        (_, id) => id.map_or(Value::Null, |id| Value::Id(*id)),
    };
    let statements = render_list(tx.dialect(), ctx.catalog(), &ctx.actor.rights, then, Found::Written);
    let mut values = vec![found];
    values.extend(step.values.iter().cloned());
    let list = fetch_list(&mut Tx::Write(tx), &statements, ctx.bindings(&values)).await?;
    Ok(MutationResult { ids, list })
}
