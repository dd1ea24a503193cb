//! Decisions that workflows wait for: everybody who is signed in sees and makes their own.

use async_graphql::{Context, ID, Object, Result, SimpleObject};
use cardine_engine::EngineError;
use cardine_store::platform::approvals::ApprovalRow;
use cardine_workflow::{approvals_for, decide_approval, delegate_approval};

use super::AdminContext;
use super::error::graphql_error;
use super::mutation::parse_id;

/// A question that a run of a workflow asks.
#[derive(SimpleObject)]
pub struct Approval {
    /// Its id.
    id: ID,
    /// The run that waits for it.
    run_id: ID,
    /// The workflow's name.
    workflow: String,
    /// The record that it is about.
    record_id: Option<ID>,
    /// Who is asked: a user, a group or a role.
    asked_id: ID,
    /// What is to be decided.
    question: Option<String>,
    /// When it was asked.
    created_at: String,
    /// Until when.
    due_at: Option<String>,
    /// When it was decided.
    decided_at: Option<String>,
    /// By whom.
    decided_by_id: Option<ID>,
    /// What was decided.
    approved: Option<bool>,
    /// Why.
    comment: Option<String>,
}

impl From<ApprovalRow> for Approval {
    fn from(row: ApprovalRow) -> Self {
        let id = |id: uuid::Uuid| ID(id.to_string());
        Self {
            id: id(row.id),
            run_id: id(row.run),
            workflow: row.workflow,
            record_id: row.record.map(id),
            asked_id: id(row.principal),
            question: row.question,
            created_at: row.created_at,
            due_at: row.due_at,
            decided_at: row.decided_at,
            decided_by_id: row.decided_by.map(id),
            approved: row.approved,
            comment: row.comment,
        }
    }
}

/// The fields at the root of this part of the schema.
pub const ROOT_FIELDS: [&str; 3] = ["approvals", "decideApproval", "delegateApproval"];

/// What is asked.
#[derive(Default)]
pub struct ApprovalsQuery;

/// What is answered.
#[derive(Default)]
pub struct ApprovalsMutation;

#[Object]
impl ApprovalsQuery {
    /// The open questions of workflows to oneself, one's groups and one's role, the oldest first; at most 200. Administrators see all.
    async fn approvals(&self, ctx: &Context<'_>) -> Result<Vec<Approval>> {
        let AdminContext { app, request, .. } = ctx.data_unchecked();
        let rows = approvals_for(&app.engine, request).await.map_err(graphql_error)?;
        Ok(rows.into_iter().map(Approval::from).collect())
    }
}

#[Object]
impl ApprovalsMutation {
    /// Decides a question to oneself, or to somebody whose role stands below one's own; the run goes on.
    async fn decide_approval(
        &self,
        ctx: &Context<'_>,
        id: ID,
        approved: bool,
        comment: Option<String>,
    ) -> Result<Approval> {
        let AdminContext { app, request, .. } = ctx.data_unchecked();
        by_person(ctx)?;
        let id = parse_id(&id, "id")?;
        let row = decide_approval(&app.engine, request, id, approved, comment).await;
        row.map(Approval::from).map_err(graphql_error)
    }

    /// Lets another user decide in one's place.
    async fn delegate_approval(&self, ctx: &Context<'_>, id: ID, to: ID) -> Result<Approval> {
        let AdminContext { app, request, .. } = ctx.data_unchecked();
        by_person(ctx)?;
        let (id, to) = (parse_id(&id, "id")?, parse_id(&to, "to")?);
        let row = delegate_approval(&app.engine, request, id, to).await;
        row.map(Approval::from).map_err(graphql_error)
    }
}

/// A person decides, not a program's key.
fn by_person(ctx: &Context<'_>) -> Result<()> {
    let AdminContext { token, .. } = ctx.data_unchecked();
    if token.as_ref().is_some_and(|token| token.session.is_some()) {
        return Ok(());
    }
    let message = "an API key decides nothing: sign in by password".to_owned();
    Err(graphql_error(EngineError::Forbidden(message)))
}
