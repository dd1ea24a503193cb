//! What a module's feature `assignment` says: who owns a new record that nobody gave an owner.

use serde::Deserialize;

use crate::catalog::{Catalog, FieldKind, Module, ModuleId};
use crate::definition::ModuleDefinition;
use crate::rule::{self, Context, Expected, Schema, Scope, TypedRule};
use crate::{Issue, PathSegment, path};

/// The feature as the module's document has it.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Assignment {
    /// The first one that is met, and that leads to somebody, decides.
    pub rules: Vec<AssignmentRule>,
}

/// Whom records of some kind are given to.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct AssignmentRule {
    /// One among the rules. Turns are counted under it.
    pub name: String,
    /// A condition over the new record's own stored fields; left out: always.
    #[serde(default)]
    pub when: Option<String>,
    /// Who gets them.
    pub to: Assignee,
    /// The condition as it was checked; none where a name in it leads nowhere any more.
    #[serde(skip)]
    condition: Option<TypedRule>,
}

/// Who gets records.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum Assignee {
    /// The user with this address.
    User(String),
    /// The group of this name, as a queue from which its members take.
    Group(String),
    /// One after the other.
    RoundRobin(Pool),
}

/// Who takes turns.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum Pool {
    /// The users with these addresses, in this order.
    Users(Vec<String>),
    /// The members of the group of this name.
    Group(String),
}

/// Somebody whom a rule names.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Named<'a> {
    /// A user, by address.
    User(&'a str),
    /// A group, by name.
    Group(&'a str),
}

impl Assignment {
    /// The feature of a document, if it is declared as it should be, with its conditions as far as they make sense.
    pub fn of(definition: &ModuleDefinition, module: ModuleId, schema: &dyn Schema) -> Option<Self> {
        let declared = definition.features.as_ref()?.get("assignment")?;
        let mut assignment: Self = serde_json::from_value(declared.clone()).ok()?;
        for rule in &mut assignment.rules {
            let typed = |source: &str| rule::check(source, &context(module), schema).ok();
            rule.condition = rule.when.as_deref().and_then(typed);
        }
        Some(assignment)
    }

    /// What is at fault in the module's declaration, with the paths in its document. `is_known` tells whether there is such a
    /// user or group.
    pub fn faults(catalog: &Catalog, module: &Module, is_known: impl Fn(Named<'_>) -> bool) -> Vec<Issue> {
        let definition = module.definition();
        let Some(declared) = definition.features.as_ref().and_then(|features| features.get("assignment")) else {
            return Vec::new();
        };
        let assignment = match serde_json::from_value::<Self>(declared.clone()) {
            Ok(assignment) => assignment,
            Err(error) => return vec![Issue::new(path!["features", "assignment"], "type", error.to_string())],
        };
        let mut issues = Vec::new();
        for (position, rule) in assignment.rules.iter().enumerate() {
            let place = |more: Vec<PathSegment>| [path!["features", "assignment", "rules", position], more].concat();
            if assignment.rules[..position].iter().any(|other| other.name == rule.name) {
                let message = format!("another rule is called `{}` already: turns are counted by name", rule.name);
                issues.push(Issue::new(place(path!["name"]), "nameTaken", message));
            }
            if let Some(source) = &rule.when {
                let faults = condition_faults(catalog, module, source, Expected::Boolean).into_iter();
                issues.extend(faults.map(|message| Issue::new(place(path!["when"]), "rule", message)));
            }
            for (more, named) in rule.to.named() {
                if !is_known(named) {
                    let (kind, message) = match named {
                        Named::User(email) => ("unknownUser", format!("there is no user with the address {email}")),
                        Named::Group(name) => ("unknownGroup", format!("there is no group `{name}`")),
                    };
                    issues.push(Issue::new(place([path!["to"], more].concat()), kind, message));
                }
            }
        }
        issues
    }
}

impl Assignment {
    /// Whom its rules name.
    pub fn named(&self) -> Vec<Named<'_>> {
        let named = self.rules.iter().flat_map(|rule| rule.to.named());
        named.map(|(_, named)| named).collect()
    }
}

impl AssignmentRule {
    /// Whether the rule is for a record.
    pub fn is_for(&self, record: &dyn Scope) -> bool {
        self.when.is_none() || self.condition.as_ref().is_some_and(|condition| condition.is_met(record))
    }
}

impl Assignee {
    /// Whom it names, with the places.
    fn named(&self) -> Vec<(Vec<PathSegment>, Named<'_>)> {
        match self {
            Self::User(email) => vec![(path!["user"], Named::User(email))],
            Self::Group(name) => vec![(path!["group"], Named::Group(name))],
            Self::RoundRobin(Pool::Group(name)) => vec![(path!["roundRobin", "group"], Named::Group(name))],
            Self::RoundRobin(Pool::Users(emails)) => {
                let places = emails.iter().enumerate();
                places.map(|(at, email)| (path!["roundRobin", "users", at], Named::User(email))).collect()
            }
        }
    }
}

/// What a condition may be of: the record's own fields, before anything of it is in the database.
pub(crate) fn context(module: ModuleId) -> Context {
    Context { module, allow_old: false, allow_relations: false, expected: Expected::Boolean }
}

/// What is wrong with a rule over a record's own fields that must give something.
pub(crate) fn condition_faults(catalog: &Catalog, module: &Module, source: &str, expected: Expected) -> Vec<String> {
    let at = |byte: usize| source.char_indices().take_while(|(position, _)| *position < byte).count() + 1;
    match rule::mentions(source, &Context { expected, ..context(module.id) }, catalog) {
        Err(faults) => {
            let told =
                |fault: rule::RuleIssue| format!("{} (at character {} of the rule)", fault.message, at(fault.position));
            faults.into_iter().map(told).collect()
        }
        Ok(mentions) => {
            let unknown = mentions.iter().filter_map(|mention| {
                let (field, at) = (module.field(mention.field), at(mention.position));
                let name = &field.name;
                // Numbers are given when the record is written, after its owner.
                if matches!(field.kind, FieldKind::AutoNumber { .. }) {
                    return Some(format!("`{name}` is a number that the record does not have yet (at character {at})"));
                }
                // A formula and a rollup have no value yet.
                let message = format!("`{name}` is computed: name the stored fields instead (at character {at})");
                field.column.is_none().then_some(message)
            });
            unknown.collect()
        }
    }
}
