//! What is known of a step's output before it runs, so that the paths into it are checked when a workflow is saved.

use cardine_model::catalog::{Catalog, FieldId, FieldKind, Module, ModuleId};
use cardine_model::rule::{Context, Expected, Outside, RuleType, Schema, SchemaField};
use cardine_model::suggest::did_you_mean;

use crate::definition::{Step, StepKind};

/// A named part of a value, and the field that it was read from.
type Entry = (String, Shape, Option<(ModuleId, FieldId)>);

/// What a value is.
#[derive(Debug, Clone, PartialEq)]
pub(crate) enum Shape {
    /// Known only when it is there.
    Any,
    /// One value, of this type where rules have one for it.
    Value(Option<RuleType>),
    /// As many as there are.
    List(Box<Shape>),
    /// By name, each with the field that it was read from.
    Object(Vec<Entry>),
}

impl Shape {
    fn object<const N: usize>(entries: [(&str, Self); N]) -> Self {
        Self::Object(entries.into_iter().map(|(name, shape)| (name.to_owned(), shape, None)).collect())
    }

    /// `trigger` of a run that the clock started.
    pub fn of_time() -> Self {
        Self::object([("dueAt", Self::Value(Some(RuleType::DateTime)))])
    }

    /// `trigger` of a run that a person started.
    pub fn of_input() -> Self {
        Self::object([("input", Self::Any)])
    }

    /// `trigger` of a run that a request started.
    pub fn of_body() -> Self {
        Self::object([("body", Self::Any)])
    }

    /// `trigger` of a run that a plugin's event started.
    pub fn of_payload() -> Self {
        Self::object([("payload", Self::Any)])
    }

    /// What a step gives.
    pub fn of_output(step: &Step, catalog: &Catalog) -> Self {
        let number = || Self::Value(Some(RuleType::Number));
        let id = || Self::object([("id", Self::Value(Some(RuleType::Id)))]);
        match &step.kind {
            StepKind::Update(_) | StepKind::Create(_) | StepKind::AssignTask(_) => id(),
            StepKind::Find(find) => {
                let Some(module) = catalog.module_by_name(&find.module) else { return Self::Any };
                let record = Self::of_record(catalog, module, &find.fields);
                Self::object([
                    ("first", record.clone()),
                    ("nodes", Self::List(Box::new(record))),
                    ("totalCount", number()),
                ])
            }
            StepKind::SendEmail(_) => Self::object([("recipients", number())]),
            StepKind::SendSms(_) => {
                Self::object([("recipients", number()), ("messages", Self::List(Box::new(Self::Any)))])
            }
            StepKind::Approve(_) => Self::object([
                ("approved", Self::Value(Some(RuleType::Boolean))),
                ("by", Self::Value(Some(RuleType::Id))),
                ("comment", Self::Value(Some(RuleType::Text))),
            ]),
            StepKind::Webhook(_) => Self::object([("status", number()), ("body", Self::Any)]),
            StepKind::Branch(_) => Self::object([("case", number())]),
            StepKind::ForEach(_) | StepKind::StartWorkflow(_) => Self::object([("count", number())]),
            StepKind::Wait(_) => Self::object([("until", Self::Value(Some(RuleType::DateTime)))]),
            StepKind::Call(_) | StepKind::Refuse(_) | StepKind::Hook(_) | StepKind::Job(_) => Self::Any,
        }
    }

    fn of_record(catalog: &Catalog, module: &Module, names: &[String]) -> Self {
        let mut entries = vec![("id".to_owned(), Self::Value(Some(RuleType::Id)), None)];
        for name in names {
            let Some(field) = readable_field(module, name) else { continue };
            let field = module.field(field);
            let shape = match &field.kind {
                FieldKind::Json { .. } => Self::Any,
                _ => Self::Value(Schema::field(catalog, module.id, name).map(|field| field.ty)),
            };
            entries.push((name.clone(), shape, Some((module.id, field.id))));
        }
        Self::Object(entries)
    }

    /// What `names` lead to inside, or what is wrong with them. They stand behind so many others.
    fn at(&self, names: &[&str], behind: usize) -> Result<Found<'_>, String> {
        let mut found = Found { shape: self, field: None };
        for (position, name) in names.iter().enumerate() {
            found.shape = match found.shape {
                Self::Any => break,
                Self::Object(entries) => match entries.iter().find(|(known, ..)| known == name) {
                    Some((_, shape, field)) => {
                        found.field = field.map(|(module, field)| (behind + position, module, field)).or(found.field);
                        shape
                    }
                    None => {
                        let known: Vec<&str> = entries.iter().map(|(known, ..)| known.as_str()).collect();
                        let hint = did_you_mean(name, known.iter().copied());
                        return Err(format!("there is no `{name}` in it{hint}; it has: {}", known.join(", ")));
                    }
                },
                Self::List(_) => return Err(format!("a list has no `{name}`: go through it with `forEach`")),
                Self::Value(_) => return Err(format!("a single value has no `{name}`")),
            };
        }
        Ok(found)
    }
}

/// Where a path leads to.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Found<'a> {
    pub shape: &'a Shape,
    /// The field that the value was read from, and which of the path's names means it.
    pub field: Option<(usize, ModuleId, FieldId)>,
}

/// A module's stored field by its name in the API: a reference by `accountId`, a part by `site.city`.
pub(crate) fn readable_field(module: &Module, name: &str) -> Option<FieldId> {
    let mut stored = module.fields.iter().filter(|field| field.column.is_some());
    stored.find(|field| cardine_engine::json_name(field) == name).map(|field| field.id)
}

/// What the rules of a step may name: the fields of the event's record, and what the steps before gave.
#[derive(Debug, Clone)]
pub(crate) struct Names<'a> {
    pub catalog: &'a Catalog,
    /// None of a workflow that is about no record.
    pub module: Option<&'a Module>,
    /// `trigger`, `steps.<id>.output`, and the items of the loops around, by their first names.
    pub steps: Vec<(String, Shape)>,
    pub items: Vec<(String, Shape)>,
    pub trigger: Option<Shape>,
}

impl<'a> Names<'a> {
    /// No step came before.
    pub fn of(catalog: &'a Catalog, module: Option<&'a Module>) -> Self {
        Self { catalog, module, steps: Vec::new(), items: Vec::new(), trigger: None }
    }

    /// Where rules of this step stand.
    pub fn context(&self, expected: Expected) -> Context {
        let module = self.module.map_or(ModuleId(0), |module| module.id);
        Context { module, allow_old: self.module.is_some(), allow_relations: false, expected }
    }

    /// What a path from outside of the record leads to; `None` if its first name is none of these.
    pub fn find(&self, path: &[&str]) -> Option<Result<Found<'_>, String>> {
        match *path {
            ["steps", step, ref rest @ ..] => Some(self.output(step, rest)),
            ["steps"] => Some(Err("name a step, as in `steps.find.output`".to_owned())),
            ["trigger", ref rest @ ..] => self.trigger.as_ref().map(|trigger| trigger.at(rest, 1)),
            [first, ref rest @ ..] => {
                let item = self.items.iter().rev().find(|(name, _)| name == first);
                item.map(|(_, shape)| shape.at(rest, 1))
            }
            [] => None,
        }
    }

    fn output(&self, step: &str, rest: &[&str]) -> Result<Found<'_>, String> {
        let Some((_, shape)) = self.steps.iter().find(|(id, _)| id == step) else {
            return Err(format!("there is no step `{step}` before this one"));
        };
        match rest {
            ["output", way @ ..] => shape.at(way, 3),
            _ => Err(format!("of a step there is the output: `steps.{step}.output`")),
        }
    }
}

impl Schema for Names<'_> {
    fn field(&self, module: ModuleId, name: &str) -> Option<SchemaField> {
        self.module.and_then(|_| Schema::field(self.catalog, module, name))
    }

    fn field_names(&self, module: ModuleId) -> Vec<String> {
        self.module.map(|_| Schema::field_names(self.catalog, module)).unwrap_or_default()
    }

    fn outside(&self, path: &[&str]) -> Option<Result<Outside, String>> {
        Some(self.find(path)?.and_then(|found| match found.shape {
            Shape::Any => Ok(Outside { ty: None, field: found.field }),
            Shape::Value(ty) => Ok(Outside { ty: *ty, field: found.field }),
            Shape::List(_) => Err("a rule takes single values; this is a list".to_owned()),
            Shape::Object(_) => Err("a rule takes single values; name one of those in it".to_owned()),
        }))
    }
}
