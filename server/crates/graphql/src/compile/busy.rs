//! Busy times: the question is whose, and the answer is written as it was found, since no record stands in it.

use cardine_engine::{BusyAsked, BusyTimes};
use cardine_model::catalog::ModuleId;
use uuid::Uuid;

use super::collect::Collected;
use super::occurrences::window;
use super::record::unvalidated;
use super::{Compiler, key, quoted};
use crate::coerce::Input;
use crate::error::Error;
use crate::schema::{OutputField, TypeKey};
use crate::shape::RootField;

/// Most users of one question.
const USERS_MAX: usize = 20;

impl<'a> Compiler<'a> {
    /// The question.
    pub(super) fn busy_asked(
        &mut self,
        module: ModuleId,
        collected: &Collected<'a>,
        definition: &OutputField,
    ) -> Result<BusyAsked, Error> {
        let arguments = self.arguments(collected.field, definition)?;
        let mut users: Vec<Uuid> = arguments.get("users").map(Input::ids).unwrap_or_default();
        if users.len() > USERS_MAX {
            return Err(Error::limit("users", USERS_MAX, users.len()));
        }
        let mut seen = Vec::new();
        users.retain(|user| {
            let is_new = !seen.contains(user);
            seen.push(*user);
            is_new
        });
        let entries = self.collect(TypeKey::BusyTimes, &collected.sets).iter().any(|field| field.name() == "entries");
        Ok(BusyAsked { module, users, window: window(&arguments)?, entries })
    }

    /// The answer, when it is known.
    pub(super) fn busy_times(&mut self, collected: &Collected<'a>) -> Result<RootField, Error> {
        let answers = self.located.busy.get(collected.key).cloned().unwrap_or_default();
        let fields = self.collect(TypeKey::BusyTimes, &collected.sets);
        // Before any of them is written, as often as it is asked for.
        let found = |field: &Collected<'_>, answer: &BusyTimes| match field.name() {
            "times" => answer.times.as_ref().map_or(0, Vec::len) as u64,
            "entries" => answer.entries.as_ref().map_or(0, Vec::len) as u64,
            _ => 0,
        };
        let mut shown: u64 = 0;
        for field in &fields {
            let count: u64 = answers.iter().map(|answer| found(field, answer)).sum();
            shown += count * self.collect(type_of(field.name()), &field.sets).len().max(1) as u64;
        }
        self.rows = self.rows.saturating_add(shown);
        if self.rows > self.setting.limits.rows {
            return Err(Error::limit("estimated rows", self.setting.limits.rows, self.rows));
        }
        let of_users = answers.iter().map(|answer| {
            let of_user = fields.iter().map(|field| {
                let value = match field.name() {
                    "__typename" => quoted("BusyTimes"),
                    "userId" => quoted(&answer.user.to_string()),
                    "times" => {
                        let times = answer.times.iter().flatten().map(|(starts, ends)| (starts, Some(ends), None));
                        self.spans(field, answer.times.is_some(), times)?
                    }
                    "entries" => {
                        let entries = answer.entries.iter().flatten();
                        let entries = entries.map(|one| (&one.starts, one.ends.as_ref(), one.title.as_ref()));
                        self.spans(field, answer.entries.is_some(), entries)?
                    }
                    _ => return Err(unvalidated()),
                };
                Ok([key(field.key).into_vec(), value].concat())
            });
            Ok(within(b'{', of_user.collect::<Result<Vec<_>, Error>>()?, b'}'))
        });
        Ok(RootField::Constant(within(b'[', of_users.collect::<Result<Vec<_>, Error>>()?, b']')))
    }

    /// A list of spans, each with its start, its end and what it is called; null where it is not told.
    fn spans<'s>(
        &self,
        field: &Collected<'a>,
        is_told: bool,
        spans: impl Iterator<Item = (&'s String, Option<&'s String>, Option<&'s String>)>,
    ) -> Result<Vec<u8>, Error> {
        if !is_told {
            return Ok(b"null".to_vec());
        }
        let ty = type_of(field.name());
        let parts = self.collect(ty, &field.sets);
        let text = |text: Option<&String>| text.map_or_else(|| b"null".to_vec(), |text| quoted(text));
        let spans = spans.map(|(starts, ends, title)| {
            let of_span = parts.iter().map(|part| {
                let value = match part.name() {
                    "__typename" => quoted(&self.schema.name(ty)),
                    "startsAt" => quoted(starts),
                    "endsAt" => text(ends),
                    "title" => text(title),
                    _ => return Err(unvalidated()),
                };
                Ok([key(part.key).into_vec(), value].concat())
            });
            Ok(within(b'{', of_span.collect::<Result<Vec<_>, Error>>()?, b'}'))
        });
        Ok(within(b'[', spans.collect::<Result<Vec<_>, Error>>()?, b']'))
    }
}

/// The type of what a field of the answer lists.
fn type_of(field: &str) -> TypeKey {
    if field == "entries" { TypeKey::BusyEntry } else { TypeKey::BusyTime }
}

/// Parts of JSON with commas between, in brackets.
fn within(open: u8, parts: Vec<Vec<u8>>, close: u8) -> Vec<u8> {
    let mut json = vec![open];
    json.extend(parts.join(&b','));
    json.push(close);
    json
}
