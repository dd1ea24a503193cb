//! Recurrence: the rule by which a record occurs again makes sense when it is written, and the server keeps when it ends.

use cardine_model::recurrence::{Recurrence, RecurrenceFields, Series, SeriesPart, SeriesText, TooMuch, Work};
use cardine_model::{Field, Issue, Value};
use chrono::{DateTime, Utc};

use super::batch::{Batch, Draft};
use crate::RequestContext;
use crate::check::issue;
use crate::record::Record;

/// The rule that an issue names.
const RULE: &str = "recurrence";
/// Most days that are looked at for the ends of the series that one mutation writes: a year of days each for a thousand series.
const WORK_MAX: u64 = 400_000;

impl Batch<'_> {
    /// Checks the rules of the records that are written. The field with the end of a series is the server's alone: what is given for
    /// it is not taken.
    pub(super) fn keep_recurrences(&mut self) {
        let ctx = self.ctx;
        let mut work = Work(WORK_MAX);
        for draft in &mut self.drafts {
            let recurrence: Option<&Recurrence> = draft.module.recurrence.as_deref();
            let Some(fields) = recurrence.and_then(|recurrence| recurrence.fields(draft.module)) else { continue };
            if let Some(last) = fields.last {
                let kept = draft.before.as_ref().map_or(Value::Null, |before| before.get(last.id).clone());
                draft.after.set(last.id, kept);
            }
            let is_as_before =
                |before: &Record| fields.read().all(|field| before.get(field.id) == draft.after.get(field.id));
            if !draft.before.as_ref().is_some_and(is_as_before) {
                keep(ctx, fields, draft, &mut work);
            }
        }
    }
}

fn keep(ctx: &RequestContext, fields: RecurrenceFields<'_>, draft: &mut Draft<'_>, work: &mut Work) {
    let mut end = Value::Null;
    if !text(&draft.after, Some(fields.rule)).trim().is_empty() {
        // Whoever says at what time it recurs, and not where, means their own clock.
        if let Some(zone) = fields.time_zone.filter(|zone| draft.after.get(zone.id).is_null()) {
            draft.after.set(zone.id, Value::Text(ctx.actor.time_zone.clone()));
        }
        let ends = series(fields, &draft.after).and_then(|series| {
            let words = "when this series ends, with those that are written beside it, takes too long to find: give a nearer end, or write fewer at once";
            series.last_end(work).map_err(|TooMuch| vec![(fields.rule, words.to_owned())])
        });
        match ends {
            Ok(ends) => end = ends.map_or(Value::Null, Value::DateTime),
            Err(faults) => draft.issues.extend(faults.into_iter().map(|(field, message)| {
                match ctx.actor.rights.can_read(draft.module.id, field.id) {
                    true => issue(field, &draft.path, RULE, message),
                    false => {
                        Issue::new(draft.path.clone(), RULE, "the record would recur in a way that makes no sense")
                    }
                }
            })),
        }
    }
    if let Some(last) = fields.last {
        draft.after.set(last.id, end);
    }
}

/// The series of a record that has a rule, or its faults with the fields that have them.
fn series<'m>(fields: RecurrenceFields<'m>, record: &Record) -> Result<Series, Vec<(&'m Field, String)>> {
    let Some(start) = instant(record, Some(fields.start)) else {
        return Err(vec![(fields.start, "a record that recurs has a start".to_owned())]);
    };
    let all_day = fields.all_day.is_some_and(|field| *record.get(field.id) == Value::Boolean(true));
    let said = SeriesText {
        rule: text(record, Some(fields.rule)),
        exceptions: text(record, fields.exceptions),
        time_zone: text(record, fields.time_zone),
        all_day,
    };
    Series::parse(start, instant(record, fields.end), said).map_err(|faults| {
        let field = |part| match part {
            SeriesPart::End => fields.end,
            SeriesPart::Rule => None,
            SeriesPart::Exceptions => fields.exceptions,
            SeriesPart::TimeZone => fields.time_zone,
        };
        faults.into_iter().map(|(part, message)| (field(part).unwrap_or(fields.rule), message)).collect()
    })
}

fn text<'r>(record: &'r Record, field: Option<&Field>) -> &'r str {
    match field.map(|field| record.get(field.id)) {
        Some(Value::Text(text)) => text,
        _ => "",
    }
}

fn instant(record: &Record, field: Option<&Field>) -> Option<DateTime<Utc>> {
    match field.map(|field| record.get(field.id)) {
        Some(Value::DateTime(at)) => Some(*at),
        _ => None,
    }
}
