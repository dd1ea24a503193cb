//! What a module's feature `stages` says: which moves between the options of a choice are allowed, and what the server keeps of them.

use std::collections::BTreeMap;

use serde::Deserialize;
use serde_json::Value as Json;

use crate::catalog::{Catalog, Field, FieldKind, Module};
use crate::feature::Feature;
use crate::{Decimal, Issue, PathSegment, path};

/// The feature as the module's document has it. What a name no longer leads to is passed over when a record is written.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Stages {
    /// The choice whose options are the stages.
    pub field: String,
    /// What new records may be in; empty for any.
    #[serde(default)]
    pub start: Vec<String>,
    /// The allowed moves; empty for any.
    #[serde(default)]
    pub moves: Vec<Move>,
    /// What is said of single stages.
    #[serde(default)]
    pub stages: BTreeMap<String, Stage>,
    /// A number that a stage gives a default for.
    #[serde(default)]
    pub probability: Option<String>,
    /// A choice that is kept at the stage's kind.
    #[serde(default)]
    pub kind: Option<String>,
    /// An instant that is kept at when the stage began.
    #[serde(default)]
    pub since: Option<String>,
    /// A date or instant that is kept at when the record was closed.
    #[serde(default)]
    pub closed: Option<String>,
    /// Where each stay in a stage is kept that is over.
    #[serde(default)]
    pub history: Option<StageHistory>,
}

/// Moves that are allowed.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Move {
    /// From one of these; empty for any.
    #[serde(default)]
    pub from: Vec<String>,
    /// To one of these; empty for any.
    #[serde(default)]
    pub to: Vec<String>,
    /// To these roles; empty for all.
    #[serde(default)]
    pub roles: Vec<String>,
    /// Only to who stands above the record's owner.
    #[serde(default)]
    pub superiors: bool,
}

/// Who moves a record.
#[derive(Debug, Clone, Copy)]
pub struct Mover<'a> {
    /// The role's name.
    pub role: &'a str,
    /// Whether the role stands above that of the record's owner.
    pub is_superior: bool,
}

/// What is said of one stage.
#[derive(Debug, Clone, Default, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Stage {
    /// What it means to be in it, whatever it is called.
    #[serde(default)]
    pub kind: StageKind,
    /// The probability that comes with it, where none is given.
    #[serde(default, deserialize_with = "exact")]
    pub probability: Option<Decimal>,
}

/// What it means to be in a stage.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "UPPERCASE")]
pub enum StageKind {
    /// It goes on.
    #[default]
    Open,
    /// Closed with success.
    Won,
    /// Closed without.
    Lost,
    /// Closed, and neither.
    Done,
}

impl StageKind {
    /// As documents and records have it.
    pub fn name(self) -> &'static str {
        match self {
            Self::Open => "OPEN",
            Self::Won => "WON",
            Self::Lost => "LOST",
            Self::Done => "DONE",
        }
    }
}

/// The list of stays that are over, and what its records' fields get.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct StageHistory {
    /// A list of the record.
    pub list: String,
    /// A text or choice of its records: the stage.
    pub stage: String,
    /// An instant: when the stay began.
    pub entered: String,
    /// An instant: when it ended.
    pub left: String,
}

impl Stages {
    /// The choice whose options are the stages.
    pub fn choice<'m>(&self, module: &'m Module) -> Option<&'m Field> {
        module.field_named(&self.field).filter(|field| matches!(field.kind, FieldKind::Choice { .. }))
    }

    /// What it means to be in the stage, or in none.
    pub fn kind_of(&self, stage: Option<&str>) -> StageKind {
        stage.and_then(|stage| self.stages.get(stage)).map(|stage| stage.kind).unwrap_or_default()
    }

    /// The options among `options` that somebody may move to from a stage, or start in.
    pub fn allowed<'o>(
        &self,
        from: Option<&str>,
        mover: Mover<'_>,
        options: impl Iterator<Item = &'o str>,
    ) -> Vec<&'o str> {
        let has = |names: &[String], name: &str| names.is_empty() || names.iter().any(|known| known == name);
        let Some(from) = from else { return options.filter(|option| has(&self.start, option)).collect() };
        let is_by = |one: &Move| has(&one.roles, mover.role) && (!one.superiors || mover.is_superior);
        let allows = |to: &str| self.moves.iter().any(|one| has(&one.from, from) && has(&one.to, to) && is_by(one));
        options.filter(|option| *option != from && (self.moves.is_empty() || allows(option))).collect()
    }
}

impl Feature for Stages {
    const NAME: &'static str = "stages";

    fn check(&self, catalog: &Catalog, module: &Module) -> Vec<Issue> {
        let mut check = Check { module, issues: Vec::new() };
        check.stages(self);
        if let Some(history) = &self.history {
            check.history(catalog, history);
        }
        check.issues
    }
}

struct Check<'a> {
    module: &'a Module,
    issues: Vec<Issue>,
}

impl Check<'_> {
    fn stages(&mut self, stages: &Stages) {
        let Some(choice) = stages.choice(self.module) else {
            return self.fault(path!["field"], "type", format!("`{}` must be a choice of the module", stages.field));
        };
        let known: Vec<&str> =
            choice.options().unwrap_or_default().iter().map(|option| option.value.as_str()).collect();
        let mut named: Vec<(Vec<PathSegment>, &str)> = Vec::new();
        named.extend(stages.start.iter().enumerate().map(|(at, name)| (path!["start", at], name.as_str())));
        named.extend(stages.stages.keys().map(|name| (path!["stages", name.as_str()], name.as_str())));
        for (position, one) in stages.moves.iter().enumerate() {
            for (side, names) in [("from", &one.from), ("to", &one.to)] {
                let places = names.iter().enumerate();
                named.extend(places.map(|(at, name)| (path!["moves", position, side, at], name.as_str())));
            }
        }
        for (place, name) in named {
            if !known.contains(&name) {
                let message = format!("`{name}` is no option of `{}`: {}", choice.name, known.join(", "));
                self.fault(place, "unknownOption", message);
            }
        }
        let is_number = |field: &Field| matches!(field.kind, FieldKind::Decimal { .. } | FieldKind::Integer { .. });
        self.own("probability", stages.probability.as_deref(), "a stored number", is_number);
        let is_instant = |field: &Field| matches!(field.kind, FieldKind::DateTime);
        self.own("since", stages.since.as_deref(), "a dateTime", is_instant);
        let is_moment = |field: &Field| matches!(field.kind, FieldKind::DateTime | FieldKind::Date);
        self.own("closed", stages.closed.as_deref(), "a date or a dateTime", is_moment);
        let kinds: Vec<&str> =
            known.iter().map(|stage| stages.kind_of(Some(stage)).name()).chain([StageKind::Open.name()]).collect();
        let words = format!("a choice with the options {}", unique(&kinds).join(", "));
        let has_kinds = |field: &Field| {
            let is_option =
                |kind: &&str| field.options().unwrap_or_default().iter().any(|option| option.value == **kind);
            matches!(field.kind, FieldKind::Choice { .. }) && kinds.iter().all(is_option)
        };
        self.own("kind", stages.kind.as_deref(), &words, has_kinds);
        for (name, stage) in &stages.stages {
            if stage.probability.is_some() && stages.probability.is_none() {
                let message = "name the field that gets it: `probability` of the feature";
                self.fault(path!["stages", name.as_str(), "probability"], "required", message.to_owned());
            }
        }
    }

    fn history(&mut self, catalog: &Catalog, history: &StageHistory) {
        let relation = self.module.relation_named(&history.list);
        let relation = relation.filter(|relation| relation.through.is_none() && relation.module != self.module.id);
        let Some(relation) = relation else {
            let message = format!("`{}` has no list `{}` of records of their own", self.module.name, history.list);
            return self.fault(path!["history", "list"], "unknownRelation", message);
        };
        let module = catalog.module(relation.module);
        let is_word = |field: &Field| matches!(field.kind, FieldKind::Text { .. } | FieldKind::Choice { .. });
        let is_instant = |field: &Field| matches!(field.kind, FieldKind::DateTime);
        let named = [
            ("stage", &history.stage, "a text or a choice", &is_word as &dyn Fn(&Field) -> bool),
            ("entered", &history.entered, "a dateTime", &is_instant),
            ("left", &history.left, "a dateTime", &is_instant),
        ];
        for (key, name, words, fits) in named {
            if !module.field_named(name).is_some_and(|field| field.column.is_some() && fits(field)) {
                self.fault(path!["history", key], "type", format!("`{name}` must be {words} of `{}`", module.name));
            }
        }
        let given = [&history.stage, &history.entered, &history.left];
        let lacks = |field: &&Field| {
            field.required
                && !field.system
                && field.default.is_none()
                && field.id != relation.field
                && !matches!(field.kind, FieldKind::AutoNumber { .. })
                && !given.contains(&&field.name)
        };
        if let Some(field) = module.fields.iter().find(lacks) {
            let message =
                format!("`{}` of `{}` is required, and the server has no value for it", field.name, module.name);
            self.fault(path!["history", "list"], "required", message);
        }
    }

    /// Tells a name that is no own stored field, or one of another kind.
    fn own(&mut self, key: &str, name: Option<&str>, words: &str, fits: impl Fn(&Field) -> bool) {
        let Some(name) = name else { return };
        match self.module.field_named(name) {
            Some(field) if field.column.is_some() && !field.system && fits(field) => {}
            Some(_) => self.fault(path![key], "type", format!("`{name}` must be {words}")),
            None => self.fault(path![key], "unknownField", format!("`{}` has no field `{name}`", self.module.name)),
        }
    }

    fn fault(&mut self, place: Vec<PathSegment>, rule: &str, message: String) {
        self.issues.push(Issue::new(place, rule, message));
    }
}

fn unique<'n>(names: &[&'n str]) -> Vec<&'n str> {
    let mut names = names.to_vec();
    names.sort_unstable();
    names.dedup();
    names
}

/// A whole number, or a text: a fraction never passes through a binary float.
fn exact<'de, D: serde::Deserializer<'de>>(deserializer: D) -> Result<Option<Decimal>, D::Error> {
    let number = match Json::deserialize(deserializer)? {
        Json::Number(number) => number.as_i64().map(Decimal::from_i64),
        Json::String(text) => Decimal::parse(&text),
        _ => None,
    };
    let message = "a probability is a whole number, or a text such as \"12.5\"";
    number.map(Some).ok_or_else(|| serde::de::Error::custom(message))
}
