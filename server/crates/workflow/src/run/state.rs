//! What a run knows: the event, what its steps gave, and the loops that it is in.

use cardine_engine::{Record, RecordScope};
use cardine_model::Value;
use cardine_model::catalog::{FieldPath, Module};
use cardine_model::rule::{Root, RuleType, Scope};
use chrono::{DateTime, NaiveDate, NaiveTime, TimeZone, Utc};
use chrono_tz::Tz;
use serde_json::{Map, Value as Json, json};
use uuid::Uuid;

use crate::program::{Act, Node};
use crate::template::Filling;
use crate::value::rule_value;

/// A run's state in memory.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct RunState {
    event: Json,
    /// Of the steps outside of loops.
    outputs: Map<String, Json>,
    loops: Vec<Loop>,
}

/// A loop that the run is in.
#[derive(Debug, Clone, PartialEq)]
struct Loop {
    /// Where the loop begins.
    each: usize,
    /// Which item.
    at: usize,
    /// Of the steps inside, for this item.
    outputs: Map<String, Json>,
    name: String,
    item: Json,
}

/// Why a run can't go on where it was: its version's document is another one than it began with.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
#[error("the run's place is none of its version's any more")]
pub(crate) struct Misplaced;

impl RunState {
    /// From a run's row; the loops' items are looked up again, as they follow from what the steps gave.
    pub fn restore(state: &Json, loops: &Json, steps: &[Node], module: Option<&Module>) -> Result<Self, Misplaced> {
        let outputs = state["outputs"].as_object().cloned().unwrap_or_default();
        let mut restored = Self { event: state["event"].clone(), outputs, loops: Vec::new() };
        for kept in loops.as_array().into_iter().flatten() {
            let number = |name: &str| kept[name].as_u64().and_then(|number| usize::try_from(number).ok());
            let (Some(each), Some(at)) = (number("each"), number("at")) else { return Err(Misplaced) };
            let outputs = kept["outputs"].as_object().cloned().unwrap_or_default();
            restored.enter(steps, each, at, outputs, module)?;
        }
        Ok(restored)
    }

    /// What a run begins with.
    pub fn of_event(event: Json) -> Json {
        json!({"event": event, "outputs": {}})
    }

    pub fn event(&self, name: &str) -> &Json {
        &self.event[name]
    }

    /// What steps outside of loops gave, with the event.
    pub fn to_json(&self) -> Json {
        json!({"event": self.event, "outputs": self.outputs})
    }

    pub fn loops_to_json(&self) -> Json {
        let kept = |one: &Loop| json!({"each": one.each, "at": one.at, "outputs": one.outputs});
        Json::Array(self.loops.iter().map(kept).collect())
    }

    /// How many loops the run is in.
    pub fn depth(&self) -> usize {
        self.loops.len()
    }

    /// The items of the loops around, such as `3.1`.
    pub fn place(&self) -> String {
        self.loops.iter().map(|one| one.at.to_string()).collect::<Vec<_>>().join(".")
    }

    /// Notes what the step gave at which the run is.
    pub fn set_output(&mut self, step: &str, output: Json) {
        let outputs = self.loops.last_mut().map_or(&mut self.outputs, |one| &mut one.outputs);
        outputs.insert(step.to_owned(), output);
    }

    /// Puts another output in the place of one noted when the run was in so many loops, if it is still remembered.
    pub fn change_output(&mut self, step: &str, depth: usize, output: Json) {
        let outputs = match depth.checked_sub(1) {
            None => Some(&mut self.outputs),
            Some(innermost) => self.loops.get_mut(innermost).map(|one| &mut one.outputs),
        };
        if let Some(kept) = outputs.and_then(|outputs| outputs.get_mut(step)) {
            *kept = output;
        }
    }

    /// What the step at which the run is gave when it was here last; null if it was not.
    pub fn output(&self, step: &str) -> &Json {
        let outputs = self.loops.last().map_or(&self.outputs, |one| &one.outputs);
        outputs.get(step).unwrap_or(&Json::Null)
    }

    /// Whether a step rests until somebody decides.
    pub fn is_asking(&self, step: &str) -> bool {
        let path = ["steps", step, "output", "asking"].map(str::to_owned);
        self.at(&path) == Some(&Json::Bool(true))
    }

    /// Forgets what these steps gave.
    pub fn forget(&mut self, is_meant: impl Fn(&str) -> bool) {
        self.outputs.retain(|step, _| !is_meant(step));
        self.loops.clear();
    }

    /// Enters the loop that begins at `each`, with its first item.
    pub fn enter_first(&mut self, steps: &[Node], each: usize, module: Option<&Module>) -> Result<(), Misplaced> {
        self.enter(steps, each, 0, Map::new(), module)
    }

    fn enter(
        &mut self,
        steps: &[Node],
        each: usize,
        at: usize,
        outputs: Map<String, Json>,
        module: Option<&Module>,
    ) -> Result<(), Misplaced> {
        let name = match steps.get(each).map(|node| &node.act) {
            Some(Act::ForEach { item, .. }) => item.clone(),
            _ => return Err(Misplaced),
        };
        let item = self.items(steps, each, module).into_iter().nth(at).ok_or(Misplaced)?;
        self.loops.push(Loop { each, at, outputs, name, item });
        Ok(())
    }

    /// The list of the loop that begins at `each`; empty if it gives none.
    pub fn items(&self, steps: &[Node], each: usize, module: Option<&Module>) -> Vec<Json> {
        let Some(Act::ForEach { list, .. }) = steps.get(each).map(|node| &node.act) else { return Vec::new() };
        match list.fill(&Known::of(self, module)) {
            Json::Array(items) => items,
            _ => Vec::new(),
        }
    }

    /// From a place on: over jumps, to the next item or out of the loop, until there is something to do.
    pub fn settle(&mut self, steps: &[Node], mut place: usize, module: Option<&Module>) -> Result<usize, Misplaced> {
        loop {
            place = match steps.get(place).map(|node| &node.act) {
                Some(Act::Jump(to)) => *to,
                Some(Act::Next { each }) => {
                    let done = self.loops.pop().filter(|one| one.each == *each).ok_or(Misplaced)?;
                    let next = done.at + 1;
                    if next < self.items(steps, *each, module).len() {
                        self.enter(steps, *each, next, Map::new(), module)?;
                        each + 1
                    } else {
                        steps.get(*each).map_or(place + 1, |node| node.after(*each))
                    }
                }
                _ => return Ok(place),
            };
        }
    }

    fn at(&self, path: &[String]) -> Option<&Json> {
        let (root, rest) = match path {
            [first, step, _output, rest @ ..] if first == "steps" => {
                let inside = self.loops.iter().rev().find_map(|one| one.outputs.get(step));
                (inside.or_else(|| self.outputs.get(step))?, rest)
            }
            [first, rest @ ..] if first == "trigger" => (&self.event["trigger"], rest),
            [first, rest @ ..] => (&self.loops.iter().rev().find(|one| one.name == *first)?.item, rest),
            [] => return None,
        };
        rest.iter().try_fold(root, |place, name| place.get(name))
    }
}

/// What rules and templates see of a run.
pub(crate) struct Known<'a> {
    state: &'a RunState,
    record: Option<(Record, Option<Record>)>,
    actor: Option<Uuid>,
    now: DateTime<Utc>,
    today: NaiveDate,
}

impl<'a> Known<'a> {
    /// The record is that of the event, as it was then; the module is the one of the moment.
    pub fn of(state: &'a RunState, module: Option<&Module>) -> Self {
        let record = module.map(|module| {
            let image = |json: &Json| json.as_object().map(|json| Record::from_json(module, json));
            (image(state.event("record")).unwrap_or_else(|| Record::empty(module)), image(state.event("old")))
        });
        let now = state.event("at").as_str().and_then(|at| at.parse().ok()).unwrap_or_default();
        let today = state.event("today").as_str().and_then(|day| day.parse().ok()).unwrap_or_default();
        Self { state, record, actor: id_of(state.event("actor")), now, today }
    }
}

impl Scope for Known<'_> {
    fn field(&self, root: Root, path: &FieldPath) -> Value {
        let Some((record, old)) = &self.record else { return Value::Null };
        let scope = RecordScope { record, old: old.as_ref(), actor: self.actor, now: self.now, today: self.today };
        scope.field(root, path)
    }

    fn outside(&self, path: &[String], ty: RuleType) -> Value {
        self.state.at(path).map_or(Value::Null, |json| rule_value(json, ty))
    }

    fn actor_id(&self) -> Value {
        self.actor.map_or(Value::Null, Value::Id)
    }

    fn now(&self) -> DateTime<Utc> {
        self.now
    }

    fn today(&self) -> NaiveDate {
        self.today
    }
}

impl Filling for Known<'_> {
    fn at(&self, path: &[String]) -> Json {
        self.state.at(path).cloned().unwrap_or(Json::Null)
    }

    fn scope(&self) -> &dyn Scope {
        self
    }
}

/// An id in JSON.
pub(crate) fn id_of(json: &Json) -> Option<Uuid> {
    json.as_str().and_then(|text| Uuid::try_parse(text).ok())
}

/// The instant that a text means: itself, or the start of a day in a zone.
pub(crate) fn instant_of(text: &str, zone: Tz) -> Option<DateTime<Utc>> {
    if let Ok(day) = text.parse::<NaiveDate>() {
        return zone.from_local_datetime(&day.and_time(NaiveTime::MIN)).earliest().map(|at| at.to_utc());
    }
    DateTime::parse_from_rfc3339(text).ok().map(|at| at.to_utc())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::check::check;
    use crate::definition::parse;
    use crate::program::Workflow;
    use cardine_model::resolve::builtin_catalog;

    /// A loop in a loop: of each found record, its tags; a step in each, one behind.
    fn nested() -> Workflow {
        let document = json!({"name": "w", "module": "Opportunity", "trigger": {"on": ["CREATED"]}, "steps": [
            {"id": "ask", "call": {"plugin": "p", "function": "f"}},
            {"id": "outer", "forEach": {"in": "{{ steps.ask.output.rows }}", "as": "row", "steps": [
                {"id": "inner", "forEach": {"in": "{{ row.cells }}", "as": "cell", "steps": [
                    {"id": "say", "call": {"plugin": "p", "function": "f", "input": {"cell": "{{ cell }}"}}}]}}]}},
            {"id": "last", "wait": {"for": "P1D"}}]});
        check(&parse(&document).unwrap(), &builtin_catalog(1).unwrap(), None).unwrap()
    }

    fn state(rows: Json) -> RunState {
        let json = json!({"event": {}, "outputs": {"ask": {"rows": rows}}});
        RunState::restore(&json, &json!([]), &[], None).unwrap()
    }

    /// The places and items that a run goes through behind the outer loop's start.
    fn visited(workflow: &Workflow, mut state: RunState) -> Vec<String> {
        let steps = &workflow.steps;
        let mut place = 1;
        let mut seen = Vec::new();
        while let Some(node) = steps.get(place) {
            // Kept and restored at every place, as if the process had ended there.
            state = RunState::restore(&state.to_json(), &state.loops_to_json(), steps, None).unwrap();
            let next = match &node.act {
                Act::ForEach { after, .. } if state.items(steps, place, None).is_empty() => *after,
                Act::ForEach { .. } => {
                    state.enter_first(steps, place, None).unwrap();
                    place + 1
                }
                _ => {
                    let cell = Filling::at(&Known::of(&state, None), &["cell".to_owned()]);
                    seen.push(format!("{} {} {cell}", node.id, state.place()));
                    state.set_output(&node.id, json!(seen.len()));
                    place + 1
                }
            };
            place = state.settle(steps, next, None).unwrap();
        }
        seen
    }

    #[test]
    fn loops_go_through_every_item_and_end() {
        let workflow = nested();
        let rows = json!([{"cells": [1, 2]}, {"cells": []}, {"cells": [3]}]);
        assert_eq!(visited(&workflow, state(rows)), ["say 0.0 1", "say 0.1 2", "say 2.0 3", "last  null"]);
        for nothing in [json!([]), json!(null), json!("text")] {
            assert_eq!(visited(&workflow, state(nothing)), ["last  null"]);
        }
    }

    #[test]
    fn an_output_of_a_loop_is_forgotten_with_its_item() {
        let workflow = nested();
        let mut state = state(json!([{"cells": [1]}, {"cells": [2]}]));
        state.enter_first(&workflow.steps, 1, None).unwrap();
        state.set_output("inner", json!(7));
        state.change_output("inner", 1, json!(8));
        assert_eq!(state.at(&["steps", "inner", "output"].map(str::to_owned)), Some(&json!(8)));
        let before = state.clone();
        state.change_output("inner", 2, json!(9));
        state.change_output("other", 0, json!(9));
        assert_eq!(state, before);
        let end = workflow.steps.iter().position(|node| matches!(node.act, Act::Next { each: 1 })).unwrap();
        state.settle(&workflow.steps, end, None).unwrap();
        assert_eq!(state.at(&["steps", "inner", "output"].map(str::to_owned)), None);
    }

    #[test]
    fn a_place_that_is_none_is_told() {
        let workflow = nested();
        let json = json!({"event": {}, "outputs": {}});
        let restored = RunState::restore(&json, &json!([{"each": 0, "at": 0}]), &workflow.steps, None);
        assert_eq!(restored, Err(Misplaced));
        let restored = RunState::restore(&json, &json!([{"each": 1, "at": 0}]), &workflow.steps, None);
        assert_eq!(restored, Err(Misplaced), "the list has no such item");
    }

    #[test]
    fn a_day_begins_where_its_zone_is() {
        let at = |text: &str, zone| instant_of(text, zone).map(|at| at.to_rfc3339());
        assert_eq!(at("2026-07-01", Tz::Europe__Rome).as_deref(), Some("2026-06-30T22:00:00+00:00"));
        assert_eq!(at("2026-07-01T10:00:00+02:00", Tz::UTC).as_deref(), Some("2026-07-01T08:00:00+00:00"));
        assert_eq!(at("soon", Tz::UTC), None);
    }
}
