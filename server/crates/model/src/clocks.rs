//! What a module's feature `clocks` says: until when something is to be done to a record, in working time, and when that time stands still.

use std::collections::BTreeMap;
use std::sync::Arc;

use serde::Deserialize;
use serde_json::Value as Json;

use crate::assignment::{condition_faults, context};
use crate::catalog::{Catalog, Field, FieldKind, Module, ModuleId};
use crate::definition::ModuleDefinition;
use crate::rule::{self, Context, Expected, Schema, Scope, TypedRule};
use crate::working_hours::WorkingHours;
use crate::{Decimal, Issue, PathSegment, Value, path};

/// The feature as the module's document has it. What a name no longer leads to is passed over when a record is written.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Clocks {
    /// When time passes where no policy says it; left out: always.
    #[serde(default)]
    pub hours: Option<Hours>,
    /// Records that say how much time there is.
    #[serde(default)]
    pub policy: Option<Policy>,
    /// The clocks.
    pub clocks: Vec<Clock>,
    #[serde(skip)]
    working_hours: Option<Arc<WorkingHours>>,
}

/// Working hours as they are declared.
#[derive(Debug, Clone, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Hours {
    /// An IANA name.
    pub time_zone: String,
    /// Spans by ISO weekday.
    pub weekdays: Json,
    /// Spans by date, or by day of each year.
    #[serde(default)]
    pub exceptions: Json,
}

/// Where the time that there is comes from: a record of another module, with a list of targets.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Policy {
    /// A reference of the module to its policy.
    pub field: String,
    /// A boolean of the policies: the first one that has it is taken where a record names none when a clock starts.
    #[serde(default)]
    pub default: Option<String>,
    /// A condition over the policy's own fields; one that does not meet it gives no time.
    #[serde(default)]
    pub when: Option<String>,
    /// Its targets.
    pub targets: Targets,
    /// Its working hours.
    #[serde(default)]
    pub calendar: Option<Calendar>,
}

/// The targets of a policy.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Targets {
    /// A list of the policy.
    pub list: String,
    /// Fields of a target, each with the field of the module that must have the same value; null in a target is any.
    #[serde(default, rename = "match")]
    pub matching: BTreeMap<String, String>,
}

/// The working hours of a policy.
#[derive(Debug, Clone, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Calendar {
    /// A reference of the policy to its calendar.
    pub field: String,
    /// A text of the calendar: an IANA name.
    pub time_zone: String,
    /// A JSON field: spans by ISO weekday.
    pub weekdays: String,
    /// A JSON field: spans by date, or by day of each year.
    #[serde(default)]
    pub exceptions: Option<String>,
}

/// One clock.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Clock {
    /// One among the clocks.
    pub name: String,
    /// Starts it; left out: that the record is there.
    #[serde(default)]
    pub start: Option<String>,
    /// While it is met, time stands still.
    #[serde(default)]
    pub pause: Option<String>,
    /// While it is met, what was to be done is done.
    pub stop: String,
    /// How many minutes there are: a rule that gives a number.
    #[serde(default)]
    pub minutes: Option<String>,
    /// How many minutes there are: a number of the policy's target.
    #[serde(default)]
    pub target: Option<String>,
    /// A dateTime, kept at until when it is to be done; null while time stands still.
    pub due: String,
    /// A dateTime, kept at since when time passes; null while it does not.
    pub since: String,
    /// A duration, kept at the time that had passed by then.
    pub spent: String,
    #[serde(skip)]
    rules: Rules,
}

/// The rules as they were checked; none where a name in one leads nowhere any more.
#[derive(Debug, Clone, Default)]
struct Rules {
    start: Option<TypedRule>,
    pause: Option<TypedRule>,
    stop: Option<TypedRule>,
    minutes: Option<TypedRule>,
}

/// What the record's values ask of a clock.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Asked {
    /// Not to start yet.
    Wait,
    /// That time passes.
    Run,
    /// That time stands still.
    Pause,
    /// Nothing more: it is done.
    Stop,
}

/// The fields that a clock is kept in.
#[derive(Debug, Clone, Copy)]
pub struct Dials<'m> {
    /// A dateTime.
    pub due: &'m Field,
    /// A dateTime.
    pub since: &'m Field,
    /// A duration.
    pub spent: &'m Field,
}

impl Clocks {
    /// The feature of a document, if it is declared as it should be, with its rules as far as they make sense.
    pub fn of(definition: &ModuleDefinition, module: ModuleId, schema: &dyn Schema) -> Option<Self> {
        let declared = definition.features.as_ref()?.get("clocks")?;
        let mut clocks: Self = serde_json::from_value(declared.clone()).ok()?;
        clocks.working_hours = clocks.hours.as_ref().and_then(|hours| hours.parse().ok()).map(Arc::new);
        for clock in &mut clocks.clocks {
            let typed = |source: &str, expected: Expected| {
                rule::check(source, &Context { expected, ..context(module) }, schema).ok()
            };
            let condition = |source: &Option<String>| typed(source.as_deref()?, Expected::Boolean);
            clock.rules = Rules {
                start: condition(&clock.start),
                pause: condition(&clock.pause),
                stop: typed(&clock.stop, Expected::Boolean),
                minutes: clock.minutes.as_deref().and_then(|source| typed(source, Expected::Number)),
            };
        }
        Some(clocks)
    }

    /// When time passes where no policy says it.
    pub fn working_hours(&self) -> Arc<WorkingHours> {
        self.working_hours.clone().unwrap_or_else(|| Arc::new(WorkingHours::always()))
    }

    /// What is at fault in the module's declaration, with the paths in its document.
    pub fn faults(catalog: &Catalog, module: &Module) -> Vec<Issue> {
        let definition = module.definition();
        let Some(declared) = definition.features.as_ref().and_then(|features| features.get("clocks")) else {
            return Vec::new();
        };
        let clocks = match serde_json::from_value::<Self>(declared.clone()) {
            Ok(clocks) => clocks,
            Err(error) => return vec![Issue::new(path!["features", "clocks"], "type", error.to_string())],
        };
        let mut check = Check { catalog, module, issues: Vec::new() };
        if let Some(Err(issues)) = clocks.hours.as_ref().map(Hours::parse) {
            check
                .issues
                .extend(issues.into_iter().map(|issue| Issue { path: [path!["hours"], issue.path].concat(), ..issue }));
        }
        let targets = clocks.policy.as_ref().and_then(|policy| check.policy(policy));
        let mut kept: Vec<&str> = Vec::new();
        for (position, clock) in clocks.clocks.iter().enumerate() {
            if clocks.clocks[..position].iter().any(|other| other.name == clock.name) {
                let message = format!("another clock is called `{}` already", clock.name);
                check.fault(path!["clocks", position, "name"], "nameTaken", message);
            }
            check.clock(position, clock, clocks.policy.is_some(), targets);
            for (key, name) in [("due", &clock.due), ("since", &clock.since), ("spent", &clock.spent)] {
                if kept.contains(&name.as_str()) {
                    let message = format!("`{name}` is kept by a clock already: each has fields of its own");
                    check.fault(path!["clocks", position, key], "nameTaken", message);
                }
                kept.push(name);
            }
        }
        let place = path!["features", "clocks"];
        check.issues.into_iter().map(|issue| Issue { path: [place.clone(), issue.path].concat(), ..issue }).collect()
    }
}

impl Hours {
    fn parse(&self) -> Result<WorkingHours, Vec<Issue>> {
        WorkingHours::parse(&self.time_zone, &self.weekdays, &self.exceptions)
    }
}

impl Policy {
    /// The module of the policies, as the reference leads there.
    pub fn module<'c>(&self, catalog: &'c Catalog, module: &Module) -> Option<&'c Module> {
        match module.field_named(&self.field)?.reference()?.targets.as_slice() {
            [one] => Some(catalog.module(*one)),
            _ => None,
        }
    }

    /// Whether a policy is in force.
    pub fn is_in_force(&self, catalog: &Catalog, module: ModuleId, policy: &dyn Scope) -> bool {
        // Read anew each time: a change of the policies' module makes nothing of this one anew.
        let met = |source: &str| rule::check(source, &context(module), catalog).is_ok_and(|rule| rule.is_met(policy));
        self.when.as_deref().is_none_or(met)
    }
}

impl Calendar {
    /// The module of the calendars.
    pub fn module<'c>(&self, catalog: &'c Catalog, policies: &Module) -> Option<&'c Module> {
        match policies.field_named(&self.field)?.reference()?.targets.as_slice() {
            [one] => Some(catalog.module(*one)),
            _ => None,
        }
    }
}

impl Clock {
    /// The fields that it is kept in, if they are all there.
    pub fn dials<'m>(&self, module: &'m Module) -> Option<Dials<'m>> {
        let own = |name: &str, fits: fn(&Field) -> bool| {
            module.field_named(name).filter(|field| field.column.is_some() && !field.system && fits(field))
        };
        let (due, since) = (own(&self.due, is_instant)?, own(&self.since, is_instant)?);
        Some(Dials { due, since, spent: own(&self.spent, is_length)? })
    }

    /// What a record asks of it; none where nobody can tell any more, since what a rule names has gone.
    pub fn asked(&self, has_started: bool, record: &dyn Scope) -> Option<Asked> {
        let met = |rule: &Option<TypedRule>| rule.as_ref().map(|rule| rule.is_met(record));
        let asked = if met(&self.rules.stop)? {
            Asked::Stop
        } else if !has_started && self.start.is_some() && !met(&self.rules.start)? {
            Asked::Wait
        } else if self.pause.is_some() && met(&self.rules.pause)? {
            Asked::Pause
        } else {
            Asked::Run
        };
        Some(asked)
    }

    /// The time that its rule gives a record, in seconds; none without a rule, and where it gives none.
    pub fn seconds_by_rule(&self, record: &dyn Scope) -> Option<i64> {
        seconds_of(&self.rules.minutes.as_ref()?.eval(record))
    }
}

/// Minutes as whole seconds; at least none.
pub fn seconds_of(minutes: &Value) -> Option<i64> {
    let minutes = match minutes {
        Value::Integer(number) => Decimal::from_i64(*number),
        Value::Decimal(number) => number.clone(),
        _ => return None,
    };
    Some((&minutes * &Decimal::from_i64(60)).round(0).to_i64()?.max(0))
}

/// Whether values of two fields can be the same.
fn are_alike(one: &FieldKind, other: &FieldKind) -> bool {
    let is_text = |kind: &FieldKind| matches!(kind, FieldKind::Text { .. } | FieldKind::Choice { .. });
    let is_id = |kind: &FieldKind| matches!(kind, FieldKind::Id | FieldKind::Reference(_));
    is_text(one) && is_text(other)
        || is_id(one) && is_id(other)
        || std::mem::discriminant(one) == std::mem::discriminant(other)
}

fn is_instant(field: &Field) -> bool {
    matches!(field.kind, FieldKind::DateTime)
}

fn is_length(field: &Field) -> bool {
    matches!(field.kind, FieldKind::Duration)
}

fn is_number(field: &Field) -> bool {
    matches!(field.kind, FieldKind::Integer { .. } | FieldKind::Decimal { .. })
}

fn is_boolean(field: &Field) -> bool {
    matches!(field.kind, FieldKind::Boolean)
}

fn is_text(field: &Field) -> bool {
    matches!(field.kind, FieldKind::Text { .. })
}

fn is_json(field: &Field) -> bool {
    matches!(field.kind, FieldKind::Json { .. })
}

struct Check<'a> {
    catalog: &'a Catalog,
    module: &'a Module,
    issues: Vec<Issue>,
}

impl<'a> Check<'a> {
    fn clock(&mut self, position: usize, clock: &Clock, has_policy: bool, targets: Option<&Module>) {
        let place = |key: &str| path!["clocks", position, key];
        let rules = [
            ("start", clock.start.as_ref(), Expected::Boolean),
            ("pause", clock.pause.as_ref(), Expected::Boolean),
            ("stop", Some(&clock.stop), Expected::Boolean),
            ("minutes", clock.minutes.as_ref(), Expected::Number),
        ];
        for (key, source, expected) in rules {
            self.rule(self.module, place(key), source, expected);
        }
        for (key, name, words, fits) in [
            ("due", &clock.due, "a dateTime that is not required", is_instant as fn(&Field) -> bool),
            ("since", &clock.since, "a dateTime that is not required", is_instant),
            ("spent", &clock.spent, "a duration that is not required", is_length),
        ] {
            self.named(self.module, place(key), name, words, |field| fits(field) && !field.required && !field.system);
        }
        match (&clock.minutes, &clock.target) {
            (None, Some(_)) if !has_policy => {
                self.fault(place("target"), "required", "say in `policy` whose targets are meant".to_owned());
            }
            (None, Some(name)) => {
                if let Some(targets) = targets {
                    self.named(targets, place("target"), name, "a number", is_number);
                }
            }
            (Some(_), None) => {}
            _ => {
                let message = "say by `minutes` or by `target` how much time there is".to_owned();
                self.fault(path!["clocks", position], "oneOf", message);
            }
        }
    }

    /// Gives the module of the targets.
    fn policy(&mut self, policy: &Policy) -> Option<&'a Module> {
        let Some(policies) = policy.module(self.catalog, self.module) else {
            let message = format!("`{}` must be a reference to one module", policy.field);
            self.fault(path!["policy", "field"], "type", message);
            return None;
        };
        if let Some(name) = &policy.default {
            self.named(policies, path!["policy", "default"], name, "a boolean", is_boolean);
        }
        self.rule(policies, path!["policy", "when"], policy.when.as_ref(), Expected::Boolean);
        if let Some(calendar) = &policy.calendar {
            self.calendar(policies, calendar);
        }
        let relation = policies.relation_named(&policy.targets.list).filter(|relation| relation.through.is_none());
        let Some(relation) = relation else {
            let message = format!("`{}` has no list `{}` of records of their own", policies.name, policy.targets.list);
            self.fault(path!["policy", "targets", "list"], "unknownRelation", message);
            return None;
        };
        let targets = self.catalog.module(relation.module);
        for (of_target, own) in &policy.targets.matching {
            let place = || path!["policy", "targets", "match", of_target.as_str()];
            self.named(targets, place(), of_target, "a stored field", |_| true);
            self.named(self.module, place(), own, "a stored field", |_| true);
            if let (Some(theirs), Some(ours)) = (targets.field_named(of_target), self.module.field_named(own))
                && !are_alike(&theirs.kind, &ours.kind)
            {
                let (of_targets, of_own) = (&targets.name, &self.module.name);
                let message =
                    format!("`{of_target}` of `{of_targets}` and `{own}` of `{of_own}` never have the same value");
                self.fault(place(), "type", message);
            }
        }
        Some(targets)
    }

    fn calendar(&mut self, policies: &Module, calendar: &Calendar) {
        let Some(calendars) = calendar.module(self.catalog, policies) else {
            let message = format!("`{}` of `{}` must be a reference to one module", calendar.field, policies.name);
            return self.fault(path!["policy", "calendar", "field"], "type", message);
        };
        let place = |key: &str| path!["policy", "calendar", key];
        self.named(calendars, place("timeZone"), &calendar.time_zone, "a text", is_text);
        self.named(calendars, place("weekdays"), &calendar.weekdays, "JSON", is_json);
        if let Some(name) = &calendar.exceptions {
            self.named(calendars, place("exceptions"), name, "JSON", is_json);
        }
    }

    fn rule(&mut self, of: &Module, place: Vec<PathSegment>, source: Option<&String>, expected: Expected) {
        let faults = source.map(|source| condition_faults(self.catalog, of, source, expected)).unwrap_or_default();
        self.issues.extend(faults.into_iter().map(|message| Issue::new(place.clone(), "rule", message)));
    }

    /// Tells a name that is no stored field of a module, or one of another kind.
    fn named(&mut self, of: &Module, place: Vec<PathSegment>, name: &str, words: &str, fits: impl Fn(&Field) -> bool) {
        match of.field_named(name) {
            Some(field) if field.column.is_some() && fits(field) => {}
            Some(_) => self.fault(place, "type", format!("`{name}` of `{}` must be {words}", of.name)),
            None => self.fault(place, "unknownField", format!("`{}` has no field `{name}`", of.name)),
        }
    }

    fn fault(&mut self, place: Vec<PathSegment>, rule: &str, message: String) {
        self.issues.push(Issue::new(place, rule, message));
    }
}
