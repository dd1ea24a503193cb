//! Busy times: the question is whose, and the answer is written as it was found, since no record stands in it.

use cardine_engine::BusyAsked;
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
        Ok(BusyAsked { module, users, window: window(&arguments)? })
    }

    /// The answer, when it is known.
    pub(super) fn busy_times(&mut self, collected: &Collected<'a>) -> Result<RootField, Error> {
        let answers = self.located.busy.get(collected.key).cloned().unwrap_or_default();
        let fields = self.collect(TypeKey::BusyTimes, &collected.sets);
        // Before any of them is written, as often as it is asked for.
        let spans: u64 = answers.iter().map(|answer| answer.times.as_ref().map_or(0, Vec::len) as u64).sum();
        let asked = fields.iter().filter(|field| field.name() == "times");
        let shown: u64 = asked.map(|field| spans * self.collect(TypeKey::BusyTime, &field.sets).len() as u64).sum();
        self.rows = self.rows.saturating_add(shown.max(spans));
        if self.rows > self.setting.limits.rows {
            return Err(Error::limit("estimated rows", self.setting.limits.rows, self.rows));
        }
        let of_users = answers.iter().map(|answer| {
            let of_user = fields.iter().map(|field| {
                let value = match field.name() {
                    "__typename" => quoted("BusyTimes"),
                    "userId" => quoted(&answer.user.to_string()),
                    "times" => {
                        let parts = self.collect(TypeKey::BusyTime, &field.sets);
                        let Some(times) = &answer.times else {
                            return Ok([key(field.key).into_vec(), b"null".to_vec()].concat());
                        };
                        let times = times.iter().map(|(starts, ends)| {
                            let of_time = parts.iter().map(|part| {
                                let value = match part.name() {
                                    "__typename" => quoted("BusyTime"),
                                    "startsAt" => quoted(starts),
                                    "endsAt" => quoted(ends),
                                    _ => return Err(unvalidated()),
                                };
                                Ok([key(part.key).into_vec(), value].concat())
                            });
                            Ok(within(b'{', of_time.collect::<Result<Vec<_>, Error>>()?, b'}'))
                        });
                        within(b'[', times.collect::<Result<Vec<_>, Error>>()?, b']')
                    }
                    _ => return Err(unvalidated()),
                };
                Ok([key(field.key).into_vec(), value].concat())
            });
            Ok(within(b'{', of_user.collect::<Result<Vec<_>, Error>>()?, b'}'))
        });
        Ok(RootField::Constant(within(b'[', of_users.collect::<Result<Vec<_>, Error>>()?, b']')))
    }
}

/// Parts of JSON with commas between, in brackets.
fn within(open: u8, parts: Vec<Vec<u8>>, close: u8) -> Vec<u8> {
    let mut json = vec![open];
    json.extend(parts.join(&b','));
    json.push(close);
    json
}
