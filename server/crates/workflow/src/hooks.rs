//! Requests from outside that start runs: at an address that nobody guesses, signed where the workflow says so, each once by its key.

use async_recursion::async_recursion as boxed;
use std::sync::Arc;

use cardine_engine::{ANSWER_RETENTION, Engine, EngineError, Snapshot};
use cardine_model::Issue;
use cardine_store::platform::requests::{Claim, assign_run, claim, count_request};
use cardine_store::platform::workflows::{NewRun, Origin, queue_runs};
use cardine_store::{StoreError, WriteTx};
use chrono::{DateTime, TimeDelta, Utc};
use serde_json::{Value as Json, json};
use sha2::{Digest as _, Sha256};
use uuid::Uuid;

use crate::definition::Status;
use crate::matcher::Workflows;
use crate::program::{Hook, Start};
use crate::run::RunState;
use crate::signing::{WebhookKey, is_same};
use crate::started::check_input;
use crate::versions::Version;

/// Longest body of a request that starts a run: it is kept with the run.
pub const HOOK_BODY_BYTES_MAX: usize = 256 << 10;
/// Over how long requests are counted.
const WINDOW: TimeDelta = TimeDelta::minutes(1);

/// What a caller sends to an address that is there.
#[derive(Debug)]
pub struct HookRequest {
    /// As it came.
    pub body: Vec<u8>,
    /// The header with the signature.
    pub signature: Option<String>,
    /// What the caller chose for this request and its repetitions.
    pub key: Option<String>,
    /// Names the request in the log, and in the audit log of what follows.
    pub id: Uuid,
    /// When it came.
    pub at: DateTime<Utc>,
    /// How many may come for one workflow in a minute.
    pub per_minute: usize,
}

/// Why a request starts nothing.
#[derive(Debug, thiserror::Error)]
pub enum HookError {
    /// Its signature is missing, is not right, or too old.
    #[error("the request is not signed as it must be")]
    Unsigned,
    /// Its body is no JSON.
    #[error("the body is no JSON")]
    NoJson,
    /// Its body is not what the workflow takes.
    #[error("the body is not what is taken here")]
    Invalid(Vec<Issue>),
    /// Its key was sent with another body before.
    #[error("the key was used for another body")]
    OtherBody,
    /// More than may be have come in this minute.
    #[error("too many requests")]
    TooMany {
        /// Until the next one is taken.
        wait_seconds: u64,
    },
    /// It can't be taken for the moment, or at all.
    #[error(transparent)]
    Engine(#[from] EngineError),
}

impl From<StoreError> for HookError {
    fn from(error: StoreError) -> Self {
        Self::Engine(error.into())
    }
}

/// An active workflow that requests start.
#[derive(Debug)]
pub struct OpenHook {
    workflow: Uuid,
    version: Arc<Version>,
}

/// The workflow that has this address; none for one that is not active, as if it were not there.
pub fn hook_at(snapshot: &Snapshot, key: &WebhookKey, path: &str, token: &str) -> Option<OpenHook> {
    let found = Workflows::all(snapshot).find(|(_, version)| {
        hook_of(version).is_some_and(|hook| hook.path == path)
            && version.workflow.status == Status::Active
            && is_same(&key.address(&version.workflow.name, path), token)
    });
    found.map(|(id, version)| OpenHook { workflow: *id, version: Arc::clone(version) })
}

/// Where requests start the workflow of this name, behind the server's own address; none if its trigger is another one.
pub fn hook_address(snapshot: &Snapshot, key: &WebhookKey, workflow: &str) -> Option<String> {
    let (_, version) = Workflows::all(snapshot).find(|(_, version)| version.workflow.name == workflow)?;
    let path = &hook_of(version)?.path;
    Some(format!("hooks/workflows/{path}/{}", key.address(workflow, path)))
}

fn hook_of(version: &Version) -> Option<&Hook> {
    match &version.workflow.start {
        Start::Request(hook) => Some(hook),
        _ => None,
    }
}

/// All that one request's transaction writes.
struct Taken {
    run: (Origin, NewRun),
    /// What tells its repetitions: the key, the signature.
    keys: Vec<String>,
    body_hash: String,
    at: DateTime<Utc>,
    per_minute: usize,
}

impl OpenHook {
    /// Queues a run, whose id is given; for a repetition of an earlier request it is that one's run.
    ///
    /// # Errors
    /// As [`HookError`] lists them: nothing is queued then.
    #[boxed]
    pub async fn start(&self, engine: &Engine, key: &WebhookKey, request: HookRequest) -> Result<Uuid, HookError> {
        let Some(hook) = hook_of(&self.version) else { return Err(EngineError::NotFound.into()) };
        let mut keys = Vec::new();
        if let Some(secret) = &hook.secret {
            let header = request.signature.as_deref().unwrap_or_default();
            let code = key.signed(secret, request.at.timestamp(), &request.body, header);
            // Whoever sends what another has signed once more, under whatever key, starts nothing.
            keys.push(format!("signature:{}", code.ok_or(HookError::Unsigned)?));
        }
        keys.extend(request.key.as_ref().map(|key| format!("key:{key}")));
        let body: Json = serde_json::from_slice(&request.body).map_err(|_| HookError::NoJson)?;
        check_input(&hook.schema, &body, "body").map_err(HookError::Invalid)?;
        let body_hash = Sha256::digest(&request.body).iter().map(|byte| format!("{byte:02x}")).collect();
        let (at, per_minute) = (request.at, request.per_minute);
        let taken = Arc::new(Taken { run: self.run(&request, body), keys, body_hash, at, per_minute });
        let run = engine
            .store()
            .write(move |tx: &mut WriteTx| {
                let taken = Arc::clone(&taken);
                Box::pin(async move { taken.queue(tx).await })
            })
            .await?;
        engine.wake_event_readers();
        Ok(run)
    }

    fn run(&self, request: &HookRequest, body: Json) -> (Origin, NewRun) {
        let state = RunState::of_event(json!({
            "kind": "REQUESTED",
            "at": request.at,
            "today": request.at.date_naive(),
            "actor": null,
            "cause": null,
            "request": request.id,
            "depth": 0,
            "trigger": {"body": body},
        }));
        let run = NewRun { workflow: self.workflow, version: self.version.number, state, cause: None, depth: 0 };
        (Origin { event: None, record: None, due_at: None }, run)
    }
}

impl Taken {
    async fn queue(&self, tx: &mut WriteTx) -> Result<Uuid, HookError> {
        let workflow = self.run.1.workflow;
        let counted = count_request(tx, workflow, self.at, self.at - WINDOW).await?;
        if usize::try_from(counted.count).unwrap_or(usize::MAX) > self.per_minute {
            let wait = counted.began_at.map_or(WINDOW, |began_at| began_at + WINDOW - self.at);
            return Err(HookError::TooMany { wait_seconds: u64::try_from(wait.num_seconds()).unwrap_or_default() + 1 });
        }
        let mut earlier = None;
        for key in &self.keys {
            match claim(tx, workflow, key, &self.body_hash, self.at, self.at - ANSWER_RETENTION).await? {
                Claim::New => {}
                Claim::Known { run, body_hash } if body_hash == self.body_hash => earlier = earlier.or(Some(run)),
                Claim::Known { .. } => return Err(HookError::OtherBody),
            }
        }
        let run = match earlier {
            Some(run) => run,
            None => {
                let queued = queue_runs(tx, std::slice::from_ref(&self.run), self.at).await?;
                queued.first().copied().ok_or(EngineError::Internal)?
            }
        };
        for key in &self.keys {
            assign_run(tx, workflow, key, run).await?;
        }
        Ok(run)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::Database;

    fn request(body: &str, key: Option<&str>, at: DateTime<Utc>) -> HookRequest {
        let (body, key) = (body.as_bytes().to_vec(), key.map(str::to_owned));
        HookRequest { body, signature: None, key, id: Uuid::nil(), at, per_minute: 4 }
    }

    /// What comes within a minute of the clock, and after it: chosen here, so that nobody waits.
    #[tokio::test(flavor = "multi_thread")]
    async fn requests_are_counted_by_the_minute_and_repetitions_for_a_day() {
        for database in Database::each().await {
            let engine = database.engine().await;
            let steps = json!([{"id": "wait", "wait": {"for": "P1D"}}]);
            database.save(&engine, json!({"name": "in", "trigger": {"webhook": {"path": "in"}}, "steps": steps})).await;
            let key = WebhookKey::new(&[1; 32]);
            let address = hook_address(&engine.snapshot(), &key, "in").unwrap();
            let (path, token) = address.strip_prefix("hooks/workflows/").unwrap().split_once('/').unwrap();
            assert!(hook_at(&engine.snapshot(), &key, path, &token[1..]).is_none());
            let hook = hook_at(&engine.snapshot(), &key, path, token).unwrap();
            let start: DateTime<Utc> = "2026-01-01T00:00:30Z".parse().unwrap();
            let send = |body, key_of_request, at| hook.start(&engine, &key, request(body, key_of_request, at));
            let first = send("{}", Some("one"), start).await.unwrap();
            let (again, both) = tokio::join!(send("{}", Some("one"), start), send("{}", Some("one"), start));
            assert_eq!((again.unwrap(), both.unwrap()), (first, first));
            assert_ne!(send("{}", None, start).await.unwrap(), first);
            let at = start + TimeDelta::seconds(45);
            assert!(matches!(send("{}", None, at).await, Err(HookError::TooMany { wait_seconds: 16 })));
            let at = start + WINDOW;
            assert!(matches!(send("[]", Some("one"), at).await, Err(HookError::OtherBody)));
            assert_eq!(send("{}", Some("one"), at).await.unwrap(), first);
            assert_ne!(send("[]", Some("one"), start + ANSWER_RETENTION + WINDOW).await.unwrap(), first);
        }
    }
}
