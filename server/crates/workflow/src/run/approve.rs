//! Decisions: the run rests at the step until somebody has decided, or the time is over.

use cardine_engine::{EngineError, RequestContext};
use cardine_store::ReadTx;
use cardine_store::platform::approvals::{ApprovalRow, NewApproval, approval_of};
use cardine_store::platform::workflows::LeasedRun;
use chrono::{DateTime, TimeDelta, Utc};
use serde_json::{Value as Json, json};
use uuid::Uuid;

use super::acts::Done;
use super::commit::Effect;
use super::state::{Known, id_of};
use super::steps::Here;
use super::{RunState, Runner, StepError};
use crate::definition::Undecided;
use crate::program::{Asked, AskedOf};

/// How long a run rests that has no time limit; then it looks again, and rests on.
const REST: TimeDelta = TimeDelta::days(365);

impl Runner {
    pub(super) async fn approve(
        &self,
        ctx: &RequestContext,
        run: &LeasedRun,
        state: &RunState,
        at: &Here<'_>,
        asked: &Asked,
    ) -> Result<Done, StepError> {
        let (id, step, place, now) = (run.id, at.node.id.clone(), state.place(), Utc::now());
        let read = self.engine.store().read(move |tx: &mut ReadTx| {
            Box::pin(async move { Ok::<_, EngineError>(approval_of(tx, id, &step, &place).await?) })
        });
        match read.await? {
            // One that was decided before the run came back to the step is of an earlier time.
            Some(row) if row.decided_at.is_some() && state.is_asking(&at.node.id) => Ok(decided(&row)),
            Some(row) if row.decided_at.is_none() => match instant(row.due_at.as_deref()) {
                Some(due) if due <= now => timed_out(row, asked),
                due => Ok(rest(run, due.unwrap_or(now + REST), None)),
            },
            _ => self.ask(ctx, run, state, at, asked, now),
        }
    }

    fn ask(
        &self,
        ctx: &RequestContext,
        run: &LeasedRun,
        state: &RunState,
        at: &Here<'_>,
        asked: &Asked,
        now: DateTime<Utc>,
    ) -> Result<Done, StepError> {
        let known = Known::of(state, at.module);
        let access = &ctx.snapshot.access;
        let principal: Option<Uuid> = match &asked.by {
            AskedOf::Role(name) => access.role_named(name).map(|role| role.id),
            AskedOf::Id(template) => id_of(&template.fill(&known)),
            AskedOf::SuperiorOf(template) => {
                id_of(&template.fill(&known)).and_then(|user| access.superior_role(user)).map(|role| role.id)
            }
        };
        let Some(principal) = principal else {
            let output = undecided(asked.on_nobody, "NOT_FOUND: there is nobody to be asked")?;
            return Ok(Done { output, ..Done::default() });
        };
        let question = match asked.question.as_ref().map(|question| question.fill(&known)) {
            None | Some(Json::Null) => None,
            Some(Json::String(text)) => Some(text),
            Some(other) => Some(other.to_string()),
        };
        let due_at = asked.due_in.and_then(TimeDelta::try_seconds).and_then(|length| now.checked_add_signed(length));
        let new =
            NewApproval { run: run.id, step: at.node.id.clone(), place: state.place(), principal, question, due_at };
        Ok(rest(run, due_at.unwrap_or(now + REST), Some(new)))
    }
}

/// The run stays at the step, which is asking.
fn rest(run: &LeasedRun, until: DateTime<Utc>, new: Option<NewApproval>) -> Done {
    Done {
        output: json!({"asking": true}),
        effect: new.map(|new| Effect::Ask(Box::new(new))),
        next: Some(run.step),
        waits: Some(until),
        ..Done::default()
    }
}

fn decided(row: &ApprovalRow) -> Done {
    let output = json!({"approved": row.approved, "by": row.decided_by, "comment": row.comment});
    Done { output, ..Done::default() }
}

fn timed_out(row: ApprovalRow, asked: &Asked) -> Result<Done, StepError> {
    let output = undecided(asked.on_timeout, "nobody has decided in time")?;
    let approved = output["approved"] == Json::Bool(true);
    Ok(Done { output, effect: Some(Effect::Close(Box::new(row), approved)), ..Done::default() })
}

/// What holds where nobody decides, or why the step fails.
fn undecided(holds: Undecided, why: &str) -> Result<Json, StepError> {
    let approved = match holds {
        Undecided::Approve => true,
        Undecided::Reject => false,
        Undecided::Fail => return Err(StepError::lasting(why)),
    };
    Ok(json!({"approved": approved, "by": null, "comment": null}))
}

fn instant(text: Option<&str>) -> Option<DateTime<Utc>> {
    text.and_then(|text| DateTime::parse_from_rfc3339(text).ok()).map(|at| at.to_utc())
}
