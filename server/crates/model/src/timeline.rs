//! What a module's feature `timeline` says: which related records are shown together in the order of time.

use serde::Deserialize;

use crate::catalog::{Catalog, FieldId, FieldKind, Module, ModuleId, Relation};
use crate::feature::Feature;
use crate::{Issue, path};

/// Most lists that one source goes through.
const STEPS_MAX: usize = 3;

/// The feature as the module's document has it. What a name no longer leads to is left out of the timeline.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Timeline {
    /// Where its records come from.
    pub sources: Vec<TimelineSource>,
}

/// A list of the record, or of records of its lists.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct TimelineSource {
    /// `tasks`, or `opportunities.tasks`.
    pub list: String,
    /// When such a record was or will be: a dateTime of it. Without a value there, or left out: when it was made.
    #[serde(default)]
    pub at: Option<String>,
}

/// The way from a record to those of one source.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TimelineWay<'a> {
    /// What the document calls it.
    pub list: &'a str,
    /// The lists on the way, each of the module that the one before leads to.
    pub relations: Vec<&'a Relation>,
    /// When a record at its end is.
    pub at: FieldId,
}

impl TimelineWay<'_> {
    /// The module of the records at its end.
    pub fn module(&self) -> Option<ModuleId> {
        self.relations.last().map(|relation| relation.module)
    }
}

impl Timeline {
    /// The ways to its sources, those that are there.
    pub fn ways<'a>(&'a self, catalog: &'a Catalog, module: &'a Module) -> impl Iterator<Item = TimelineWay<'a>> {
        self.sources.iter().filter_map(move |source| source.way(catalog, module))
    }
}

impl Feature for Timeline {
    const NAME: &'static str = "timeline";

    fn check(&self, catalog: &Catalog, module: &Module) -> Vec<Issue> {
        let mut issues = Vec::new();
        let mut known: Vec<TimelineWay<'_>> = Vec::new();
        for (position, source) in self.sources.iter().enumerate() {
            let mut fault = |key: &str, rule: &str, message: String| {
                let place = path!["sources", position, key];
                issues.push(Issue::new(place, rule, message));
            };
            let Some(way) = source.way(catalog, module) else {
                let message = format!(
                    "`{}` leads nowhere: name a list of `{}`, or up to {STEPS_MAX} lists with points between, whose records' own references lead back",
                    source.list, module.name
                );
                fault("list", "unknownRelation", message);
                continue;
            };
            let of = way.module().map(|module| catalog.module(module));
            if let (Some(at), Some(of)) = (&source.at, of)
                && !is_instant(of, at)
            {
                fault("at", "type", format!("`{at}` must be a stored dateTime of `{}`", of.name));
            }
            if known.iter().any(|other| other.module() == way.module() && other.at != way.at) {
                let message = "its records come by another way too, with another `at`: a record has one place";
                fault("at", "differs", message.to_owned());
            }
            known.push(way);
        }
        issues
    }
}

impl TimelineSource {
    fn way<'a>(&'a self, catalog: &'a Catalog, module: &'a Module) -> Option<TimelineWay<'a>> {
        let (mut relations, mut of) = (Vec::new(), module);
        for name in self.list.split('.') {
            let relation = of.relation_named(name)?;
            if relation.through.is_some() || relation.hierarchy.is_some() {
                return None;
            }
            relations.push(relation);
            of = catalog.module(relation.module);
        }
        let at = self.at.as_ref().filter(|at| is_instant(of, at)).and_then(|at| of.field_named(at));
        let at = at.map_or(Module::CREATED_AT, |field| field.id);
        (relations.len() <= STEPS_MAX).then_some(TimelineWay { list: &self.list, relations, at })
    }
}

fn is_instant(module: &Module, name: &str) -> bool {
    let is = |field: &crate::Field| field.column.is_some() && matches!(field.kind, FieldKind::DateTime);
    module.field_named(name).is_some_and(is)
}
