//! Occurrences: when the records of a module occur in a window of time, once or by their rules, in the order of time.

use async_recursion::async_recursion as boxed;
use std::sync::Arc;

use cardine_model::Value;
use cardine_model::recurrence::{Occurrence, Series, SeriesText, Work};
use cardine_query::{Authorised, List, OccurrenceOutputs};
use cardine_store::Cell;
use chrono::{DateTime, SecondsFormat, Utc};
use uuid::Uuid;

use crate::read::ListResult;
use crate::{Engine, EngineError, RequestContext};

/// Most records with rules that one page looks at. The list of them asks for no more.
pub const SERIES_MAX: usize = 1_000;
/// Most days that the rules of one page look at.
const WORK_MAX: u64 = 1_000_000;

/// A page of occurrences that is asked for.
#[derive(Debug)]
pub struct OccurrencesAsked {
    /// The records without a rule that are in the window: a page of them, by when they begin and then by id.
    pub once: Authorised<List>,
    /// Those with a rule that may be in it, at most [`SERIES_MAX`].
    pub series: Authorised<List>,
    /// Where the values stand in both.
    pub outputs: OccurrenceOutputs,
    /// From when on, and before when.
    pub window: (DateTime<Utc>, DateTime<Utc>),
    /// How many.
    pub first: usize,
    /// Only what comes after this place.
    pub after: Option<(DateTime<Utc>, Uuid)>,
}

/// One time that a record occurs.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Occurring {
    /// The record.
    pub id: Uuid,
    /// When it begins, as the API writes it.
    pub starts: String,
    /// When it ends, likewise.
    pub ends: Option<String>,
    /// Whether it is one of a series.
    pub recurs: bool,
}

/// One page of occurrences.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Occurrings {
    /// In their order: the earliest first, then the lowest id.
    pub page: Vec<Occurring>,
    /// Whether there are more after them.
    pub has_more: bool,
}

impl Engine {
    /// Answers several pages on one snapshot of the database. `values` are those that their slots name.
    #[boxed]
    pub async fn occurrences(
        &self,
        ctx: &RequestContext,
        asked: Vec<OccurrencesAsked>,
        values: Arc<[Value]>,
    ) -> Result<Vec<Occurrings>, EngineError> {
        let text = |at: DateTime<Utc>| at.to_rfc3339_opts(SecondsFormat::Millis, true);
        let occurring =
            |(starts, id, ends, recurs): Place| Occurring { id, starts: text(starts), ends: ends.map(text), recurs };
        let found = self.places(ctx, asked, values).await?.into_iter();
        let pages =
            found.map(|(page, has_more)| Occurrings { page: page.into_iter().map(occurring).collect(), has_more });
        Ok(pages.collect())
    }

    /// The same in figures: what occurs, in order, and whether there is more.
    pub(crate) async fn places(
        &self,
        ctx: &RequestContext,
        asked: Vec<OccurrencesAsked>,
        values: Arc<[Value]>,
    ) -> Result<Vec<(Vec<Place>, bool)>, EngineError> {
        let (mut lists, mut pages) = (Vec::with_capacity(2 * asked.len()), Vec::with_capacity(asked.len()));
        for OccurrencesAsked { once, series, outputs, window, first, after } in asked {
            lists.extend([once, series]);
            pages.push(Page { outputs, window, first, after });
        }
        let answers = self.read(ctx, lists, values).await?;
        let answers = answers.chunks_exact(2);
        pages.iter().zip(answers).map(|(page, answer)| page.of(&answer[0], &answer[1])).collect()
    }
}

struct Page {
    outputs: OccurrenceOutputs,
    window: (DateTime<Utc>, DateTime<Utc>),
    first: usize,
    after: Option<(DateTime<Utc>, Uuid)>,
}

/// What orders occurrences, and then what is shown of them: when it begins, the record, when it ends, whether it is one of a series.
pub(crate) type Place = (DateTime<Utc>, Uuid, Option<DateTime<Utc>>, bool);

impl Page {
    fn of(&self, once: &ListResult, series: &ListResult) -> Result<(Vec<Place>, bool), EngineError> {
        let (singles, rows) = (once.root(), series.root());
        if rows.has_more {
            let message =
                format!("more than {SERIES_MAX} records with rules may occur in the window: narrow it, or `filter`");
            return Err(EngineError::Limit(message));
        }
        let single = |row| {
            let row = self.row(once, row)?;
            Some((row.start, row.id, row.end, false))
        };
        let mut found: Vec<Place> = singles.rows.filter_map(single).collect();
        // One more than the page tells that there are more.
        let most = self.first.saturating_add(1);
        let mut work = Work(WORK_MAX);
        for row in rows.rows.filter_map(|row| self.row(series, row)) {
            found.extend(self.of_series(&row, most, &mut work)?);
            if found.len() > 4 * most + SERIES_MAX {
                found.sort_unstable();
                found.truncate(most);
            }
        }
        found.sort_unstable();
        let has_more = singles.has_more || found.len() > self.first;
        found.truncate(self.first);
        Ok((found, has_more))
    }

    /// A record whose rule makes no sense, as it was written before the module had the feature, occurs once.
    fn of_series(&self, row: &Row<'_>, most: usize, work: &mut Work) -> Result<Vec<Place>, EngineError> {
        let (from, to) = self.window;
        let (recurs, found) = match Series::parse(row.start, row.end, row.text) {
            Ok(series) => {
                let since = self.after.map(|(at, _)| at);
                // One of them may be where the page before ended.
                let found = series.occurrences((from, to), since, most.saturating_add(1), work).map_err(|_| {
                    let message = "the rules of these records take too long: narrow the window, or `filter`";
                    EngineError::Limit(message.to_owned())
                })?;
                (true, found)
            }
            Err(_) => {
                let once = Occurrence { starts: row.start, ends: row.end };
                (false, Some(once).into_iter().filter(|once| once.is_in(from, to)).collect())
            }
        };
        let is_after = |one: &Occurrence| self.after.is_none_or(|place| (one.starts, row.id) > place);
        let found = found.into_iter().filter(is_after).take(most);
        Ok(found.map(|one| (one.starts, row.id, one.ends, recurs)).collect())
    }

    /// None of a record that has no start.
    fn row<'r>(&self, list: &'r ListResult, row: usize) -> Option<Row<'r>> {
        let outputs = self.outputs;
        let text = |output: Option<usize>| output.and_then(|output| list.cell(row, output).text());
        let instant = |output| text(output).and_then(|text| text.parse::<DateTime<Utc>>().ok());
        let all_day = outputs.all_day.map(|output| list.cell(row, output));
        Some(Row {
            id: Uuid::try_parse(text(Some(outputs.id))?).ok()?,
            start: instant(Some(outputs.start))?,
            end: instant(outputs.end),
            text: SeriesText {
                rule: text(Some(outputs.rule)).unwrap_or_default(),
                exceptions: text(outputs.exceptions).unwrap_or_default(),
                time_zone: text(outputs.time_zone).unwrap_or_default(),
                all_day: all_day == Some(Cell::Boolean(true)),
            },
        })
    }
}

struct Row<'r> {
    id: Uuid,
    start: DateTime<Utc>,
    end: Option<DateTime<Utc>>,
    text: SeriesText<'r>,
}
