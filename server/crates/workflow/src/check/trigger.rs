//! What starts a workflow, checked.

use cardine_model::{Issue, path};

use super::Checking;
use crate::definition::{Definition, Schedule};
use crate::program::Start;
use crate::schedule::Times;
use crate::shape::Shape;

impl Checking<'_> {
    /// The trigger; what rules may name of it is put to the names.
    pub(super) fn start(&mut self, definition: &Definition) -> Option<Start> {
        let trigger = &definition.trigger;
        let place = || path!["definition", "trigger"];
        let is_change = trigger.on.is_some();
        if !is_change && trigger.when.is_some() {
            self.tell(
                [place(), path!["when"]].concat(),
                "notAvailable",
                "`when` is about a record's change: leave it out here",
            );
        }
        if let Some(on) = &trigger.on {
            let (mut changed, mut relinked) = (Vec::new(), Vec::new());
            let Some(module) = self.names.module else { return None };
            for (position, name) in trigger.changed.iter().enumerate() {
                let relation = module.relation_named(name).filter(|relation| relation.through.is_some());
                match relation {
                    Some(relation) => relinked.push(relation.id),
                    None => {
                        let place = path!["definition", "trigger", "changed", position];
                        changed.extend(self.stored_field(module, name, place));
                    }
                }
            }
            return Some(Start::Change { on: on.clone(), changed, relinked });
        }
        if let Some(schedule) = &trigger.schedule {
            if definition.module.is_some() {
                let message = "a run that the clock starts is about no record: leave `module` out, and look for records with `find`";
                self.tell(path!["definition", "module"], "notAvailable", message);
            }
            self.names.trigger = Some(Shape::of_time());
            return self.times(schedule);
        }
        if let Some(manual) = &trigger.manual {
            self.names.trigger = Some(Shape::of_input());
            let Some(schema) = &manual.input_schema else { return Some(Start::Hand(None)) };
            return match jsonschema::validator_for(schema) {
                Ok(validator) => Some(Start::Hand(Some(Box::new(validator)))),
                Err(_) => {
                    self.tell([place(), path!["manual", "inputSchema"]].concat(), "schema", "this is no JSON Schema");
                    None
                }
            };
        }
        for (name, given) in [("date", &trigger.date), ("webhook", &trigger.webhook), ("workflow", &trigger.workflow)] {
            if given.is_some() {
                let message = format!("`{name}` is not available yet; triggers are `on`, `schedule` and `manual`");
                self.issues.push(Issue::new([place(), path![name]].concat(), "notAvailable", message));
            }
        }
        None
    }

    fn times(&mut self, schedule: &Schedule) -> Option<Start> {
        let place = |name: &str| path!["definition", "trigger", "schedule", name];
        let name = schedule.time_zone.as_deref().unwrap_or("UTC");
        let Ok(zone) = name.parse::<chrono_tz::Tz>() else {
            let message = "this is not an IANA name such as Europe/Rome";
            self.tell(place("timeZone"), "timeZone", message);
            return None;
        };
        match Times::parse(&schedule.cron, zone) {
            Ok(times) => Some(Start::Times(times)),
            Err(message) => {
                self.tell(place("cron"), "cron", message);
                None
            }
        }
    }
}
