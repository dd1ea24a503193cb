//! Timelines: which records of several modules belong to one, in the order of time.

use async_recursion::async_recursion as boxed;
use std::sync::Arc;

use cardine_model::Value;
use cardine_query::{Authorised, Timeline};
use cardine_sql::render_timeline;
use cardine_store::{Cell, ReadTx, RowSet};
use futures_util::FutureExt as _;
use uuid::Uuid;

use crate::{Engine, EngineError, RequestContext};

/// A record in a timeline.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Moment {
    /// Position of the way that led to it.
    pub way: usize,
    /// Its id.
    pub id: Uuid,
    /// When, as the API writes it.
    pub at: String,
}

/// One page of a timeline.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Moments {
    /// In their order: the latest first, then the highest id.
    pub page: Vec<Moment>,
    /// Whether there are more after them.
    pub has_more: bool,
}

impl Engine {
    /// Answers several timelines on one snapshot of the database. `values` are those that their slots name.
    #[boxed]
    pub async fn timelines(
        &self,
        ctx: &RequestContext,
        timelines: Vec<Authorised<Timeline>>,
        values: Arc<[Value]>,
    ) -> Result<Vec<Moments>, EngineError> {
        let dialect = self.store().dialect();
        let render = |timeline: &Authorised<Timeline>| {
            let limit = match values.get(timeline.get().first.0 as usize) {
                Some(Value::Integer(limit)) => usize::try_from(*limit).unwrap_or(0),
                _ => 0,
            };
            (render_timeline(dialect, ctx.catalog(), &ctx.actor.rights, timeline), limit)
        };
        let statements: Vec<_> = timelines.iter().map(render).collect();
        let ctx = ctx.clone();
        self.store()
            .until(ctx.deadline)
            .read(move |tx: &mut ReadTx| {
                async move {
                    let bindings = ctx.bindings(&values);
                    let mut answers = Vec::with_capacity(statements.len());
                    for (statement, limit) in &statements {
                        answers.push(page(&tx.query(statement, &bindings).await?, *limit));
                    }
                    Ok(answers)
                }
                .boxed()
            })
            .await
    }
}

/// One row more than the limit tells that there are more.
fn page(rows: &RowSet, limit: usize) -> Moments {
    let moment = |row| {
        let (Cell::Text(at), Cell::Text(id)) = (rows.cell(row, 0), rows.cell(row, 2)) else { return None };
        let way = usize::try_from(rows.cell(row, 1).integer()?).ok()?;
        Some(Moment { way, id: Uuid::try_parse(id).ok()?, at: at.to_owned() })
    };
    let page = (0..rows.len().min(limit)).filter_map(moment).collect();
    Moments { page, has_more: rows.len() > limit }
}
