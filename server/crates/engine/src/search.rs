//! Searching: which records hold the terms, and in which order they are answered.

use async_recursion::async_recursion as boxed;
use std::sync::Arc;

use cardine_model::Value;
use cardine_model::catalog::ModuleId;
use cardine_query::{Authorised, Search};
use cardine_sql::render_search;
use cardine_store::{Cell, ReadTx, RowSet};
use futures_util::FutureExt as _;
use uuid::Uuid;

use crate::{Engine, EngineError, RequestContext};

pub use cardine_sql::SEARCH_SCORE_MAX;

/// A record that was found.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Hit {
    /// Its module.
    pub module: ModuleId,
    /// Its id.
    pub id: Uuid,
    /// From 1 to [`SEARCH_SCORE_MAX`].
    pub score: i64,
}

/// One page of what was found.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Hits {
    /// In their order: the score, highest first, then the id.
    pub page: Vec<Hit>,
    /// Whether there are more after them.
    pub has_more: bool,
    /// The number of all, where it was asked for.
    pub total: i64,
}

impl Engine {
    /// Answers several searches on one snapshot of the database. `values` are those that their slots name.
    #[boxed]
    pub async fn search(
        &self,
        ctx: &RequestContext,
        searches: Vec<Authorised<Search>>,
        values: Arc<[Value]>,
    ) -> Result<Vec<Hits>, EngineError> {
        let dialect = self.store().dialect();
        let render = |search: &Authorised<Search>| {
            let limit = match values.get(search.get().first.0 as usize) {
                Some(Value::Integer(limit)) => usize::try_from(*limit).unwrap_or(0),
                _ => 0,
            };
            (render_search(dialect, ctx.catalog(), &ctx.actor.rights, search), limit)
        };
        let statements: Vec<_> = searches.iter().map(render).collect();
        let ctx = ctx.clone();
        self.store()
            .until(ctx.deadline)
            .read(move |tx: &mut ReadTx| {
                async move {
                    let bindings = ctx.bindings(&values);
                    let mut answers = Vec::with_capacity(statements.len());
                    for (statements, limit) in &statements {
                        let mut hits = Hits::default();
                        if let Some(statement) = &statements.rows {
                            hits = page(&tx.query(statement, &bindings).await?, *limit);
                        }
                        if let Some(statement) = &statements.count {
                            let counted = tx.query(statement, &bindings).await?;
                            hits.total = if counted.is_empty() { 0 } else { counted.cell(0, 0).integer().unwrap_or(0) };
                        }
                        answers.push(hits);
                    }
                    Ok(answers)
                }
                .boxed()
            })
            .await
    }
}

/// One row more than the limit tells that there are more.
fn page(rows: &RowSet, limit: usize) -> Hits {
    let hit = |row| {
        let module = u32::try_from(rows.cell(row, 1).integer()?).ok()?;
        let Cell::Text(id) = rows.cell(row, 2) else { return None };
        Some(Hit { module: ModuleId(module), id: Uuid::try_parse(id).ok()?, score: rows.cell(row, 0).integer()? })
    };
    let page = (0..rows.len().min(limit)).filter_map(hit).collect();
    Hits { page, has_more: rows.len() > limit, total: 0 }
}
