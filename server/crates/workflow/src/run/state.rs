//! What a run knows: the event, what its steps gave, and the loops that it is in.

use std::collections::BTreeMap;

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
    /// Of a loop, innermost then, whose items are done at the same time.
    elements: Option<Elements>,
    /// Where the loop begins of which this is the state of one item, done beside others.
    element_of: Option<usize>,
}

/// How far the items of a loop have come that are done at the same time.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Elements {
    /// Where the loop begins.
    each: usize,
    /// The first item that has not begun.
    next: usize,
    /// Those that have begun and not ended, by their number.
    begun: BTreeMap<usize, Element>,
}

/// How far one of them has come.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Element {
    /// The place that it is at.
    pub step: usize,
    /// How often the step there was begun, this time included.
    pub attempts: i64,
    /// Until when it rests, to be tried again.
    pub until: Option<DateTime<Utc>>,
    /// Why it ended the run, if it did.
    pub failed: Option<String>,
    /// The loops that it is in, from the one on whose item it is.
    loops: Json,
}

/// What becomes of one of them with the end of a step.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Noted {
    /// It begins the step at this place.
    At(usize),
    /// It rests until then, and begins the same step again.
    Rests(DateTime<Utc>),
    /// It ends the run, because of this.
    Failed(String),
    /// Its steps are done.
    Ended,
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
        let event = state["event"].clone();
        let mut restored = Self { event, outputs, loops: Vec::new(), elements: None, element_of: None };
        for kept in loops.as_array().into_iter().flatten() {
            if kept["elements"].is_array() {
                restored.elements = Some(Elements::restore(kept)?);
            } else {
                restored.enter_kept(kept, steps, module)?;
            }
        }
        Ok(restored)
    }

    fn enter_kept(&mut self, kept: &Json, steps: &[Node], module: Option<&Module>) -> Result<(), Misplaced> {
        let (each, at) = (number(kept, "each")?, number(kept, "at")?);
        let outputs = kept["outputs"].as_object().cloned().unwrap_or_default();
        self.enter(steps, each, at, outputs, module)
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
        let elements = self.elements.iter().map(Elements::to_json);
        Json::Array(self.loops.iter().map(Loop::to_json).chain(elements).collect())
    }

    /// Those of the loop whose items are done at the same time, if the run is in one.
    pub fn elements(&self) -> Option<&Elements> {
        self.elements.as_ref()
    }

    /// To note how far they have come.
    pub fn elements_mut(&mut self) -> Option<&mut Elements> {
        self.elements.as_mut()
    }

    /// Enters the loop that begins at `each`, whose items are done at the same time.
    pub fn enter_together(&mut self, each: usize) {
        self.elements = Some(Elements { each, next: 0, begun: BTreeMap::new() });
    }

    /// Leaves it.
    pub fn leave_together(&mut self) {
        self.elements = None;
    }

    /// What one of its items knows, and where it is.
    pub fn of_element(
        &self,
        number: usize,
        steps: &[Node],
        module: Option<&Module>,
    ) -> Result<(Self, Element), Misplaced> {
        let elements = self.elements.as_ref().ok_or(Misplaced)?;
        let element = elements.begun.get(&number).ok_or(Misplaced)?.clone();
        let mut own = Self { elements: None, element_of: Some(elements.each), ..self.clone() };
        for kept in element.loops.as_array().into_iter().flatten() {
            own.enter_kept(kept, steps, module)?;
        }
        Ok((own, element))
    }

    /// Whether at this place the item ends whose state this is.
    pub fn element_ends(&self, place: usize, steps: &[Node]) -> bool {
        let each_of = |node: &Node| if let Act::Next { each } = node.act { Some(each) } else { None };
        self.element_of.is_some() && steps.get(place).and_then(each_of) == self.element_of
    }

    /// Which item it is whose state this is.
    pub fn element_number(&self) -> Option<usize> {
        self.element_at().map(|(_, number)| number)
    }

    fn element_at(&self) -> Option<(usize, usize)> {
        let depth = self.loops.iter().position(|one| Some(one.each) == self.element_of)?;
        Some((depth, self.loops[depth].at))
    }

    /// Notes what became of the item whose state `own` is.
    pub fn note_element(&mut self, own: &Self, noted: Noted) {
        let Some(elements) = &mut self.elements else { return };
        let Some((depth, number)) = own.element_at() else { return };
        match noted {
            Noted::Ended => _ = elements.begun.remove(&number),
            Noted::At(step) => {
                let loops = own.loops[depth..].iter().map(Loop::to_json).collect();
                elements.begun.insert(number, Element { step, attempts: 1, until: None, failed: None, loops });
            }
            Noted::Rests(until) => {
                if let Some(element) = elements.begun.get_mut(&number) {
                    element.until = Some(until);
                }
            }
            Noted::Failed(error) => {
                if let Some(element) = elements.begun.get_mut(&number) {
                    element.failed = Some(error);
                }
            }
        }
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
        self.elements = None;
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

    /// From a place on: over jumps, to the next item or out of the loop, until there is something to do. One of the items that are done at the
    /// same time ends where the next one would begin.
    pub fn settle(&mut self, steps: &[Node], mut place: usize, module: Option<&Module>) -> Result<usize, Misplaced> {
        loop {
            place = match steps.get(place).map(|node| &node.act) {
                Some(Act::Jump(to)) => *to,
                Some(Act::Next { each }) if self.element_of == Some(*each) => return Ok(place),
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

impl Loop {
    fn to_json(&self) -> Json {
        json!({"each": self.each, "at": self.at, "outputs": self.outputs})
    }
}

impl Elements {
    fn restore(kept: &Json) -> Result<Self, Misplaced> {
        let mut begun = BTreeMap::new();
        for kept in kept["elements"].as_array().into_iter().flatten() {
            let element = Element {
                step: number(kept, "step")?,
                attempts: kept["attempts"].as_i64().unwrap_or(1),
                until: kept["until"].as_str().and_then(|until| until.parse().ok()),
                failed: kept["failed"].as_str().map(str::to_owned),
                loops: kept["loops"].clone(),
            };
            begun.insert(number(&kept["loops"][0], "at")?, element);
        }
        Ok(Self { each: number(kept, "each")?, next: number(kept, "next")?, begun })
    }

    fn to_json(&self) -> Json {
        let kept = |one: &Element| {
            let mut kept = json!({"step": one.step, "attempts": one.attempts, "loops": one.loops});
            if let Some(until) = one.until {
                kept["until"] = json!(until);
            }
            if let Some(error) = &one.failed {
                kept["failed"] = json!(error);
            }
            kept
        };
        json!({"each": self.each, "next": self.next, "elements": self.begun.values().map(kept).collect::<Vec<_>>()})
    }

    /// How many of so many items have not begun.
    pub fn left(&self, count: usize) -> usize {
        count.saturating_sub(self.next)
    }

    /// Begins the next item, and gives its number.
    pub fn begin_next(&mut self, attempts: i64) -> usize {
        let number = self.next;
        self.next += 1;
        let loops = json!([{"each": self.each, "at": number, "outputs": {}}]);
        let element = Element { step: self.each + 1, attempts, until: None, failed: None, loops };
        self.begun.insert(number, element);
        number
    }

    /// The one that ended the run, by its number, and why.
    pub fn failed(&self) -> Option<(usize, &str)> {
        self.begun.iter().find_map(|(number, element)| Some((*number, element.failed.as_deref()?)))
    }

    /// As a process does that leased the run, whose leases since the last note are so many: who rests until when, all others begin the step
    /// that they are at, once more if it was begun before.
    pub fn resume(&mut self, leases: i64, now: DateTime<Utc>) -> Vec<(usize, Option<DateTime<Utc>>)> {
        let mut resumed = Vec::new();
        for (number, element) in &mut self.begun {
            let rests = element.until.filter(|until| *until > now);
            if rests.is_none() {
                // One that has rested was begun for certain; of the others the first lease is the one by which they were noted.
                element.attempts += (leases - 1).max(i64::from(element.until.is_some()));
                element.until = None;
            }
            resumed.push((*number, rests));
        }
        resumed
    }

    /// Wakes one that rested.
    pub fn wake(&mut self, number: usize) {
        if let Some(element) = self.begun.get_mut(&number) {
            element.attempts += 1;
            element.until = None;
        }
    }

    /// As somebody has the run tried again: every step there counts as begun for the first time.
    pub fn begin_again(&mut self) {
        for element in self.begun.values_mut() {
            (element.attempts, element.until, element.failed) = (1, None, None);
        }
    }
}

/// A number of a kept place.
fn number(kept: &Json, name: &str) -> Result<usize, Misplaced> {
    kept[name].as_u64().and_then(|number| usize::try_from(number).ok()).ok_or(Misplaced)
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
    fn items_that_are_done_together_are_kept_each_with_its_place() {
        let mut workflow = nested();
        let Act::ForEach { concurrency, .. } = &mut workflow.steps[1].act else { panic!("a loop") };
        *concurrency = 2;
        let steps = &workflow.steps;
        let mut run = state(json!([{"cells": [1, 2]}, {"cells": [3]}, {"cells": []}]));
        run.enter_together(1);
        // Kept and restored, as if the process had ended there.
        let kept = |run: &RunState| RunState::restore(&run.to_json(), &run.loops_to_json(), steps, None).unwrap();
        for number in [0, 1] {
            assert_eq!(run.elements_mut().unwrap().begin_next(1), number);
        }
        run = kept(&run);
        assert_eq!(run.elements().unwrap().left(3), 1);
        // The first one does its inner loop, and ends where another item would begin.
        let (mut own, element) = run.of_element(0, steps, None).unwrap();
        assert_eq!(
            (element.step, element.attempts, own.place(), own.element_ends(2, steps)),
            (2, 1, "0".to_owned(), false)
        );
        own.enter_first(steps, 2, None).unwrap();
        run.note_element(&own, Noted::At(3));
        run = kept(&run);
        let (mut own, element) = run.of_element(0, steps, None).unwrap();
        let mut place = element.step;
        for inner in ["0.0", "0.1"] {
            assert_eq!((place, own.place()), (3, inner.to_owned()));
            place = own.settle(steps, place + 1, None).unwrap();
        }
        assert!(own.element_ends(place, steps) && own.place() == "0", "{place}");
        run.note_element(&own, Noted::Ended);
        run = kept(&run);
        assert_eq!(run.of_element(0, steps, None), Err(Misplaced));
        assert_eq!(run.of_element(1, steps, None).unwrap().0.place(), "1");
        run.leave_together();
        assert_eq!(kept(&run), run);
    }

    #[test]
    fn every_begin_of_a_step_is_counted_whoever_began_it() {
        let now = DateTime::UNIX_EPOCH;
        let mut elements = Elements { each: 0, next: 0, begun: BTreeMap::new() };
        for _ in 0..3 {
            elements.begin_next(1);
        }
        let later = now + chrono::TimeDelta::seconds(1);
        elements.begun.get_mut(&1).unwrap().until = Some(now);
        elements.begun.get_mut(&2).unwrap().until = Some(later);
        let attempts = |elements: &Elements| elements.begun.values().map(|one| one.attempts).collect::<Vec<_>>();
        // By the lease behind that by which they were noted: who has rested begins once more, who rests does not.
        assert_eq!(elements.resume(2, now), [(0, None), (1, None), (2, Some(later))]);
        assert_eq!(attempts(&elements), [2, 2, 1]);
        elements.wake(2);
        assert_eq!(attempts(&elements), [2, 2, 2]);
        // By the first one since somebody had them tried again.
        elements.begun.get_mut(&2).unwrap().failed = Some("no".to_owned());
        let kept = Elements::restore(&elements.to_json()).unwrap();
        assert_eq!(kept.failed(), Some((2, "no")), "a process behind this one knows it too");
        elements.begin_again();
        assert_eq!(elements.failed(), None);
        elements.resume(1, now);
        assert_eq!(attempts(&elements), [1, 1, 1]);
        // Of a process that ended twice before it noted anything.
        elements.begun.get_mut(&1).unwrap().until = Some(now);
        elements.resume(3, now);
        assert_eq!(attempts(&elements), [3, 3, 3]);
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
