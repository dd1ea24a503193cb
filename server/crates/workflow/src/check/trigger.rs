//! What starts a workflow, checked.

use cardine_model::catalog::FieldKind;
use cardine_model::{PathSegment, duration, path};
use chrono::NaiveTime;
use serde_json::Value as Json;

use super::Checking;
use crate::definition::{DateTrigger, Definition, EventTrigger, RunAs, Schedule};
use crate::due_dates::{DueDates, Moment};
use crate::program::{Hook, InputSchema, Start};
use crate::schedule::Times;
use crate::shape::Shape;

impl Checking<'_> {
    /// The trigger; what rules may name of it is put to the names.
    pub(super) fn start(&mut self, definition: &Definition) -> Option<Start> {
        let trigger = &definition.trigger;
        let place = || path!["definition", "trigger"];
        let is_change = trigger.on.is_some();
        if !is_change && trigger.date.is_none() && trigger.when.is_some() {
            self.tell([place(), path!["when"]].concat(), "notAvailable", "`when` is about a record: leave it out here");
        }
        if let Some(on) = &trigger.on {
            let (mut changed, mut relinked) = (Vec::new(), Vec::new());
            let module = self.names.module?;
            for (position, name) in trigger.changed.iter().enumerate() {
                let relation = module.relation_named(name).filter(|relation| relation.through.is_some());
                match relation {
                    Some(relation) => relinked.push(relation.id),
                    None => {
                        let place = path!["definition", "trigger", "changed", position];
                        changed.extend(self.changing_fields(module, name, place));
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
            self.needs_somebody(definition);
            return self.times(schedule);
        }
        if let Some(date) = &trigger.date {
            self.names.trigger = Some(Shape::of_time());
            self.needs_somebody(definition);
            return self.date(date);
        }
        if let Some(manual) = &trigger.manual {
            self.names.trigger = Some(Shape::of_input());
            return self.input_schema(manual.input_schema.as_ref(), "manual").map(Start::Hand);
        }
        if let Some(called) = &trigger.workflow {
            self.names.trigger = Some(Shape::of_input());
            return self.input_schema(called.input_schema.as_ref(), "workflow").map(Start::Call);
        }
        if let Some(webhook) = &trigger.webhook {
            if definition.module.is_some() {
                let message = "a run that a request starts is about no record: leave `module` out, and look for records with `find`";
                self.tell(path!["definition", "module"], "notAvailable", message);
            }
            self.names.trigger = Some(Shape::of_body());
            self.needs_somebody(definition);
            let schema = self.input_schema(webhook.input_schema.as_ref(), "webhook")?;
            return Some(Start::Request(Hook { path: webhook.path.clone(), secret: webhook.secret.clone(), schema }));
        }
        if let Some(event) = &trigger.event {
            if definition.module.is_some() {
                let message = "a run that an event starts is about no record: leave `module` out, and look for records with `find`";
                self.tell(path!["definition", "module"], "notAvailable", message);
            }
            self.names.trigger = Some(Shape::of_payload());
            self.needs_somebody(definition);
            self.check_event(event);
            return Some(Start::Emitted { plugin: event.plugin.clone(), name: event.name.clone() });
        }
        None
    }

    fn check_event(&mut self, event: &EventTrigger) {
        let place = |name: &str| path!["definition", "trigger", "event", name];
        let Some(plugins) = self.plugins else { return };
        let Some(plugin) = plugins.get(&event.plugin) else {
            self.tell(place("plugin"), "unknownPlugin", format!("no plugin `{}` is installed", event.plugin));
            return;
        };
        let known: Vec<&str> = plugin.manifest().events().collect();
        if !known.contains(&event.name.as_str()) {
            let emits = if known.is_empty() { "none at all".to_owned() } else { known.join(", ") };
            let message = format!("the plugin emits no event `{}`; it emits: {emits}", event.name);
            self.tell(place("name"), "unknownEvent", message);
        }
    }

    /// What an input must meet; `None` if that is no JSON Schema.
    fn input_schema(&mut self, schema: Option<&Json>, trigger: &str) -> Option<InputSchema> {
        let Some(schema) = schema else { return Some(None) };
        match jsonschema::validator_for(schema) {
            Ok(validator) => Some(Some(Box::new(validator))),
            Err(_) => {
                let place = path!["definition", "trigger", trigger, "inputSchema"];
                self.tell(place, "schema", "this is no JSON Schema");
                None
            }
        }
    }

    /// Nobody causes what the clock or a request starts.
    fn needs_somebody(&mut self, definition: &Definition) {
        if definition.run_as == RunAs::Actor {
            let message = "nobody is known to cause this: run as the author or a role";
            self.tell(path!["definition", "runAs"], "notAvailable", message);
        }
    }

    fn date(&mut self, date: &DateTrigger) -> Option<Start> {
        let place = |name: &str| path!["definition", "trigger", "date", name];
        let module = self.names.module?;
        let id = self.stored_field(module, &date.field, place("field"))?;
        let seconds = match &date.offset {
            None => 0,
            Some(text) => match duration::parse(text) {
                Ok(seconds) => seconds,
                Err(fault) => {
                    self.tell(place("offset"), "duration", format!("this is no duration{}", fault.hint()));
                    return None;
                }
            },
        };
        let moment = match module.field(id).kind {
            FieldKind::Date => {
                if seconds % 86_400 != 0 {
                    self.tell(
                        place("offset"),
                        "duration",
                        "from a day on, whole days are counted, such as -P3D; say the time of day by `at`",
                    );
                }
                let zone = self.zone(date.time_zone.as_deref(), place("timeZone"))?;
                let at = date.at.as_deref().unwrap_or("00:00");
                let Ok(at) = NaiveTime::parse_from_str(at, "%H:%M") else {
                    self.tell(place("at"), "time", "this is no time of day such as 09:00");
                    return None;
                };
                Moment::OfDay { days: seconds / 86_400, at, zone }
            }
            FieldKind::DateTime => {
                for (name, is_given) in [("at", date.at.is_some()), ("timeZone", date.time_zone.is_some())] {
                    if is_given {
                        self.tell(place(name), "notAvailable", "the field has a time of its own: leave this out");
                    }
                }
                Moment::Later { seconds }
            }
            _ => {
                self.tell(place("field"), "type", format!("`{}` is no date, and no date and time", date.field));
                return None;
            }
        };
        Some(Start::Date(DueDates { field: id, moment }))
    }

    fn zone(&mut self, name: Option<&str>, place: Vec<PathSegment>) -> Option<chrono_tz::Tz> {
        let zone = name.unwrap_or("UTC").parse::<chrono_tz::Tz>();
        if zone.is_err() {
            self.tell(place, "timeZone", "this is not an IANA name such as Europe/Rome");
        }
        zone.ok()
    }

    fn times(&mut self, schedule: &Schedule) -> Option<Start> {
        let place = |name: &str| path!["definition", "trigger", "schedule", name];
        let zone = self.zone(schedule.time_zone.as_deref(), place("timeZone"))?;
        match Times::parse(&schedule.cron, zone) {
            Ok(times) => Some(Start::Times(times)),
            Err(message) => {
                self.tell(place("cron"), "cron", message);
                None
            }
        }
    }
}
