//! Decisions that steps wait for, checked.

use cardine_model::PathSegment;
use serde_json::Value as Json;

use super::{Checking, below};
use crate::definition::{Approve, Approver};
use crate::program::{Action, Asked, AskedOf};

impl Checking<'_> {
    pub(super) fn approve(&mut self, approve: &Approve, place: &[PathSegment]) -> Option<Action> {
        let by = below(place, "by");
        let by = match &approve.by {
            Approver::Role(role) => {
                if self.has_role.is_some_and(|has_role| !has_role(role)) {
                    self.tell(below(&by, "role"), "unknownRole", format!("there is no role `{role}`"));
                }
                AskedOf::Role(role.clone())
            }
            Approver::User(id) => AskedOf::Id(self.id_template(id, below(&by, "user"))),
            Approver::Group(id) => AskedOf::Id(self.id_template(id, below(&by, "group"))),
            Approver::Superior(of) => AskedOf::SuperiorOf(self.id_template(of, below(&by, "superior"))),
        };
        let question = approve.question.as_ref();
        let question = question.map(|text| self.template(&Json::String(text.clone()), &below(place, "question")));
        let due_in = match &approve.due_in {
            Some(text) => Some(self.seconds(text, below(place, "dueIn"))?),
            None => None,
        };
        let (on_timeout, on_nobody) = (approve.on_timeout, approve.on_nobody);
        Some(Action::Approve(Box::new(Asked { by, question, due_in, on_timeout, on_nobody })))
    }
}
