//! Reading: the statements of a list, level by level, in one transaction; rows are grouped by the parent that they belong to.

use async_recursion::async_recursion as boxed;
use std::collections::VecDeque;
use std::ops::Range;
use std::sync::{Arc, Mutex, PoisonError};

use cardine_model::Value;
use cardine_model::catalog::ModuleId;
use cardine_query::{Authorised, List, Take};
use cardine_sql::{Dialect, Found, ListStatements, Param, Statement, locate_records, render_list};
use cardine_store::{Bindings, Cell, Extent, Habit, ReadTx, RowSet, StoreError, WriteTx};
use futures_util::FutureExt as _;
use futures_util::future::BoxFuture;
use rustc_hash::{FxHashMap, FxHashSet};
use uuid::Uuid;

use crate::{Engine, EngineError, RequestContext};

/// The answer to one list.
#[derive(Debug, Default)]
pub struct ListResult {
    rows: RowSet,
    /// One row at the root, one per parent that has records in a nested list.
    totals: RowSet,
    /// 1 in a nested list, whose first column is the parent's id.
    skip: usize,
    groups: Groups,
    /// The nested lists' answers, in the question's order.
    pub children: Vec<ListResult>,
    /// The histories' answers, likewise: the children of each are the changes of its entries, and then the users that these name.
    pub histories: Vec<ListResult>,
}

/// One parent's part of a list; the whole of it at the root.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Group {
    /// Which rows of the list.
    pub rows: Range<usize>,
    /// Whether there are more beyond the page, in the direction in which it was taken.
    pub has_more: bool,
    /// Which row of the totals; none if they were not asked for, or if a parent has no records.
    pub totals: Option<usize>,
}

#[derive(Debug)]
enum Groups {
    Root(Group),
    ByParent(FxHashMap<Uuid, Group>),
}

impl Default for Groups {
    fn default() -> Self {
        Self::Root(Group::default())
    }
}

impl ListResult {
    /// The value of output `output` in row `row`.
    // Called for each value of an answer, from another crate.
    #[inline]
    pub fn cell(&self, row: usize, output: usize) -> Cell<'_> {
        self.rows.cell(row, output + self.skip)
    }

    /// The figure at this position of the list's totals, for one of its parts. A part without records has none.
    pub fn total(&self, group: &Group, position: usize) -> Cell<'_> {
        group.totals.map_or(Cell::Null, |row| self.totals.cell(row, position + self.skip))
    }

    /// The whole of a list that is not nested.
    pub fn root(&self) -> Group {
        match &self.groups {
            Groups::Root(group) => group.clone(),
            Groups::ByParent(_) => Group::default(),
        }
    }

    /// The part of the parent with this id, as it stands in the parent's row; empty if it has none.
    pub fn of_parent(&self, parent: &str) -> Group {
        match &self.groups {
            Groups::Root(_) => Group::default(),
            Groups::ByParent(groups) => {
                Uuid::try_parse(parent).ok().and_then(|id| groups.get(&id)).cloned().unwrap_or_default()
            }
        }
    }
}

/// The statements of several lists: made once, they serve every request under the same rights.
#[derive(Debug, Default)]
pub struct ReadPlan {
    /// [`cardine_access::Rights::serial`] of those under which it was made.
    rights: u64,
    lists: Vec<ListStatements>,
    habit: Habit,
}

impl ReadPlan {
    /// Bytes of the statements' texts.
    pub fn text_bytes(&self) -> usize {
        fn of(lists: &[ListStatements]) -> usize {
            let texts = |list: &ListStatements| list.rows.iter().chain(&list.totals).map(|one| one.text.len()).sum();
            lists
                .iter()
                .map(|list| {
                    let own: usize = texts(list);
                    own + of(&list.children) + of(&list.histories)
                })
                .sum()
        }
        of(&self.lists)
    }
}

impl Engine {
    /// Makes the statements of several lists, with the record rules of the caller's rights.
    pub fn plan_read(&self, ctx: &RequestContext, lists: &[Authorised<List>]) -> ReadPlan {
        let (dialect, rights) = (self.store().dialect(), &ctx.actor.rights);
        let render = |list| render_list(dialect, ctx.catalog(), rights, list, Found::Asked);
        let lists: Vec<_> = lists.iter().map(render).collect();
        ReadPlan { rights: rights.serial, habit: Habit::new(extent(&lists)), lists }
    }

    /// Answers a plan's lists on one snapshot of the database. `values` are those that the lists' slots name.
    #[boxed]
    pub async fn read_planned(
        &self,
        ctx: &RequestContext,
        plan: &Arc<ReadPlan>,
        values: Arc<[Value]>,
    ) -> Result<Vec<ListResult>, EngineError> {
        if plan.rights != ctx.actor.rights.serial {
            tracing::error!("a plan was asked to answer under other rights than it was made for");
            return Err(EngineError::Internal);
        }
        if plan.lists.is_empty() {
            return Ok(Vec::new());
        }
        let store = self.store().until(ctx.deadline);
        let asked = Arc::new((ctx.clone(), Arc::clone(plan), values));
        store
            .read_again(&plan.habit, move |tx: &mut ReadTx| {
                let asked = Arc::clone(&asked);
                async move {
                    let (ctx, plan, values) = &*asked;
                    fetch_lists(tx, plan, ctx.bindings(values)).await
                }
                .boxed()
            })
            .await
    }

    /// Answers several lists that are asked for once.
    #[boxed]
    pub async fn read(
        &self,
        ctx: &RequestContext,
        lists: Vec<Authorised<List>>,
        values: Arc<[Value]>,
    ) -> Result<Vec<ListResult>, EngineError> {
        self.read_planned(ctx, &Arc::new(self.plan_read(ctx, &lists)), values).await
    }
}

impl Engine {
    /// The modules of those ids that are records which the caller may see; one statement, however many modules there are.
    #[boxed]
    pub async fn locate(&self, ctx: &RequestContext, ids: Vec<Uuid>) -> Result<FxHashMap<Uuid, ModuleId>, EngineError> {
        let Some(statement) = self.0.locating.statement(self.store().dialect(), ctx) else {
            return Ok(FxHashMap::default());
        };
        let ctx = ctx.clone();
        self.store()
            .until(ctx.deadline)
            .read(move |tx: &mut ReadTx| {
                async move {
                    let bindings = Bindings { parents: &ids, ..ctx.bindings(&[]) };
                    let rows = tx.query(&statement, &bindings).await?;
                    Ok(places(&rows))
                }
                .boxed()
            })
            .await
    }
}

/// The records and modules of the rows of [`locate_records`].
pub(crate) fn places(rows: &RowSet) -> FxHashMap<Uuid, ModuleId> {
    let place = |row| {
        let module = u32::try_from(rows.cell(row, 0).integer()?).ok()?;
        let id = Uuid::try_parse(rows.cell(row, 1).text()?).ok()?;
        Some((id, ModuleId(module)))
    };
    (0..rows.len()).filter_map(place).collect()
}

/// The statements that find records of any module: long ones, as each names all modules, so those made last are kept.
#[derive(Default)]
pub(crate) struct Locating(Mutex<VecDeque<LocatingUnder>>);

struct LocatingUnder {
    /// [`cardine_access::Rights::serial`] of those under which it was made.
    rights: u64,
    /// None where no module may be read.
    statement: Option<Arc<Statement>>,
}

impl Locating {
    /// Rights that are asked under at the same time: few roles ask for most.
    const KEPT_MAX: usize = 16;

    fn statement(&self, dialect: Dialect, ctx: &RequestContext) -> Option<Arc<Statement>> {
        let rights = &ctx.actor.rights;
        let mut kept = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(known) = kept.iter().find(|known| known.rights == rights.serial) {
            return known.statement.clone();
        }
        let statement = locate_records(dialect, ctx.catalog(), rights, |_| true).map(Arc::new);
        kept.truncate(Self::KEPT_MAX - 1);
        kept.push_front(LocatingUnder { rights: rights.serial, statement: statement.clone() });
        statement
    }
}

async fn fetch_lists(tx: &mut ReadTx, plan: &ReadPlan, bindings: Bindings<'_>) -> Result<Vec<ListResult>, EngineError> {
    let mut results = Vec::with_capacity(plan.lists.len());
    for statements in &plan.lists {
        results.push(fetch_list(&mut Tx::Read(tx), statements, bindings).await?);
    }
    Ok(results)
}

fn extent(lists: &[ListStatements]) -> Extent {
    match lists {
        [ListStatements { rows: Some(_), totals: None, take: Take::One, children, histories, .. }]
            if children.is_empty() && histories.is_empty() =>
        {
            Extent::Key
        }
        [ListStatements { rows, totals, children, histories, .. }]
            if children.is_empty() && histories.is_empty() && (rows.is_none() || totals.is_none()) =>
        {
            Extent::One
        }
        _ => Extent::Several,
    }
}

/// A transaction that can be read from.
pub(crate) enum Tx<'a> {
    Read(&'a mut ReadTx),
    Write(&'a mut WriteTx),
}

impl Tx<'_> {
    pub(crate) fn dialect(&self) -> Dialect {
        match self {
            Self::Read(tx) => tx.dialect(),
            Self::Write(tx) => tx.dialect(),
        }
    }

    pub(crate) async fn query(&mut self, statement: &Statement, bindings: &Bindings<'_>) -> Result<RowSet, StoreError> {
        match self {
            Self::Read(tx) => tx.query(statement, bindings).await,
            Self::Write(tx) => tx.query(statement, bindings).await,
        }
    }
}

/// Runs a list's statements and those of the lists nested in it.
pub(crate) async fn fetch_list(
    tx: &mut Tx<'_>,
    statements: &ListStatements,
    bindings: Bindings<'_>,
) -> Result<ListResult, EngineError> {
    let rows = match &statements.rows {
        Some(statement) => tx.query(statement, &bindings).await?,
        None => RowSet::default(),
    };
    let mut group = page(statements.take, 0..rows.len(), bindings.values, statements);
    let mut totals = RowSet::default();
    if let Some(statement) = &statements.totals {
        totals = tx.query(statement, &bindings).await?;
        group.totals = (!totals.is_empty()).then_some(0);
    }
    let rows = forward(statements.take, rows, std::slice::from_ref(&group));
    let mut result =
        ListResult { rows, totals, skip: 0, groups: Groups::Root(group), children: Vec::new(), histories: Vec::new() };
    fetch_children(tx, statements, bindings, &mut result).await?;
    Ok(result)
}

fn fetch_children<'a>(
    tx: &'a mut Tx<'_>,
    statements: &'a ListStatements,
    bindings: Bindings<'a>,
    parent: &'a mut ListResult,
) -> BoxFuture<'a, Result<(), EngineError>> {
    async move {
        for (nested, is_history) in of_children(statements) {
            let ids = parent_ids(parent, nested.parent_output);
            let mut result = fetch_nested(tx, nested, Bindings { parents: &ids, ..bindings }).await?;
            fetch_children(tx, nested, bindings, &mut result).await?;
            if is_history { &mut parent.histories } else { &mut parent.children }.push(result);
        }
        Ok(())
    }
    .boxed()
}

/// What is nested in a list, and whether it is a history.
fn of_children(statements: &ListStatements) -> impl Iterator<Item = (&ListStatements, bool)> {
    let children = statements.children.iter().map(|child| (child, false));
    children.chain(statements.histories.iter().map(|history| (history, true)))
}

async fn fetch_nested(
    tx: &mut Tx<'_>,
    statements: &ListStatements,
    bindings: Bindings<'_>,
) -> Result<ListResult, EngineError> {
    let mut groups: FxHashMap<Uuid, Group> = FxHashMap::default();
    let mut rows = RowSet::default();
    let mut order = Vec::new();
    if let (Some(statement), false) = (&statements.rows, bindings.parents.is_empty()) {
        rows = tx.query(statement, &bindings).await?;
        let mut start = 0;
        while start < rows.len() {
            let parent = rows.cell(start, 0);
            let mut end = start + 1;
            while end < rows.len() && rows.cell(end, 0) == parent {
                end += 1;
            }
            if let Some(id) = parent.text().and_then(|id| Uuid::try_parse(id).ok()) {
                let group = page(statements.take, start..end, bindings.values, statements);
                order.push(group.clone());
                groups.insert(id, group);
            }
            start = end;
        }
        rows = forward(statements.take, rows, &order);
    }
    let mut totals = RowSet::default();
    if let (Some(statement), false) = (&statements.totals, bindings.parents.is_empty()) {
        totals = tx.query(statement, &bindings).await?;
        for row in 0..totals.len() {
            if let Some(id) = totals.cell(row, 0).text().and_then(|id| Uuid::try_parse(id).ok()) {
                groups.entry(id).or_default().totals = Some(row);
            }
        }
    }
    Ok(ListResult {
        rows,
        totals,
        skip: 1,
        groups: Groups::ByParent(groups),
        children: Vec::new(),
        histories: Vec::new(),
    })
}

/// The page among the rows that were fetched: one more than asked for tells that there are more.
fn page(take: Take, fetched: Range<usize>, values: &[Value], statements: &ListStatements) -> Group {
    let limit = match take {
        Take::One => {
            return Group { rows: fetched, ..Group::default() };
        }
        Take::First(slot) | Take::Last(slot) => match values.get(slot.0 as usize) {
            Some(Value::Integer(limit)) => usize::try_from(*limit).unwrap_or(0),
            _ => {
                debug_assert!(!has_limit(statements), "a page's size is an integer");
                0
            }
        },
    };
    let has_more = fetched.len() > limit;
    let rows = if has_more { fetched.start..fetched.start + limit } else { fetched };
    Group { rows, has_more, totals: None }
}

fn has_limit(statements: &ListStatements) -> bool {
    let params = statements.rows.iter().flat_map(|statement| &statement.params);
    params.into_iter().any(|param| matches!(param, Param::SlotPlus(..)))
}

/// A page from the end was fetched backwards: each group's rows are turned round.
fn forward(take: Take, rows: RowSet, groups: &[Group]) -> RowSet {
    match take {
        Take::First(_) | Take::One => rows,
        Take::Last(_) => {
            let mut order: Vec<usize> = (0..rows.len()).collect();
            for group in groups {
                order[group.rows.clone()].reverse();
            }
            rows.reordered(&order)
        }
    }
}

/// The ids that nested lists belong to, each once.
fn parent_ids(parent: &ListResult, output: usize) -> Vec<Uuid> {
    let mut seen = FxHashSet::default();
    // Without the rows that only tell that there are more.
    let groups: Vec<&Group> = match &parent.groups {
        Groups::Root(group) => vec![group],
        Groups::ByParent(groups) => groups.values().collect(),
    };
    groups
        .into_iter()
        .flat_map(|group| group.rows.clone())
        .filter_map(|row| parent.cell(row, output).text().and_then(|id| Uuid::try_parse(id).ok()))
        .filter(|id| seen.insert(*id))
        .collect()
}
