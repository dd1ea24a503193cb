//! What a module's feature `conversion` says: which records are made of one of its records, and what moves to them.

use std::collections::BTreeMap;

use serde::de::Error as _;
use serde::{Deserialize, Deserializer};
use serde_json::Value as Json;

use crate::Issue;
use crate::catalog::{Catalog, Field, FieldKind, Module, ModuleId, Relation};
use crate::definition::ModuleDefinition;
use crate::feature::Feature;
use crate::name::upper_first;
use crate::{PathSegment, path};

/// In a mapping, the record that is converted.
pub const ITSELF: &str = "this";
/// What no target is called, as the mutation has arguments of these names.
const TAKEN: [&str; 3] = [ITSELF, "id", "ifVersion"];

/// The feature as the module's document has it: one conversion, or a list of them.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Conversions {
    /// In the order of the document.
    pub all: Vec<Conversion>,
    /// Whether the document has them as a list.
    listed: bool,
}

impl<'de> Deserialize<'de> for Conversions {
    /// By what it is, so that a fault is told as one of its parts and not as none of the two.
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let document = Json::deserialize(deserializer)?;
        let listed = document.is_array();
        let all = match listed {
            true => serde_json::from_value(document),
            false => serde_json::from_value(document).map(|only| vec![only]),
        };
        Ok(Self { all: all.map_err(D::Error::custom)?, listed })
    }
}

impl Conversions {
    /// The mutations of a document's conversions, as far as they are declared as they should be.
    pub fn mutation_names(definition: &ModuleDefinition) -> Vec<String> {
        let all = Self::of(definition).map(|conversions| conversions.all).unwrap_or_default();
        all.iter().map(|conversion| conversion.mutation_name(&definition.name)).collect()
    }
}

/// One conversion. What a name no longer leads to is passed over when a record is converted.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Conversion {
    /// What it is called among several; at most one has no name.
    #[serde(default)]
    pub name: Option<String>,
    /// A boolean of the module, true once it was done.
    pub done: String,
    /// A date or instant of the module: when it was done.
    #[serde(default)]
    pub at: Option<String>,
    /// What is made, in this order.
    pub targets: Vec<ConversionTarget>,
}

/// One of the records that are made.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct ConversionTarget {
    /// What the mutation's arguments call it.
    pub name: String,
    /// Its module.
    pub module: String,
    /// A field without whose value it is made only where values are given for it.
    #[serde(default)]
    pub when: Option<String>,
    /// It is made only where values are given for it.
    #[serde(default)]
    pub optional: bool,
    /// A reference of the converted record that leads to it from then on.
    #[serde(default)]
    pub keep: Option<String>,
    /// What its fields get.
    #[serde(default)]
    pub fields: BTreeMap<String, Mapped>,
    /// Lists of the converted record whose records belong to it from then on.
    #[serde(default)]
    pub takes: Vec<String>,
    /// Lists of the converted record whose records are made again for it.
    #[serde(default)]
    pub copies: Vec<CopiedList>,
}

/// A list whose records are made again, as records of another module: a quote's lines become those of an order.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct CopiedList {
    /// The list of the converted record.
    pub list: String,
    /// The module of the new records.
    pub module: String,
    /// Their reference that leads to the target's record.
    pub to: String,
    /// What their fields get: the value of this field of the record that is made again.
    #[serde(default)]
    pub fields: BTreeMap<String, String>,
}

/// What a field of a new record gets.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(untagged)]
pub enum Mapped {
    /// The value of this field of the converted record.
    Field(String),
    /// A record.
    Record(MappedRecord),
}

/// A record that a reference of a new one leads to.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct MappedRecord {
    /// A target that stands before, or [`ITSELF`].
    pub target: String,
}

impl Conversion {
    /// Its mutation: `convertDeal`, or `convertDealToQuote` by its name.
    pub fn mutation_name(&self, module: &str) -> String {
        match &self.name {
            Some(name) => format!("convert{module}To{}", upper_first(name)),
            None => format!("convert{module}"),
        }
    }

    /// The stored fields that get a value where the field `to` gets that of `from`, with where it comes from: the fields themselves, or the
    /// parts of an address. None where a value of the one is none of the other.
    pub fn pairs<'m>(to: &'m Module, name: &str, from: &'m Module, from_name: &str) -> Vec<(&'m Field, &'m Field)> {
        let target = to.field_named(name).filter(|field| !field.system || field.id == Module::OWNER);
        match target.zip(from.field_named(from_name)) {
            Some((target, source)) if fits(source, target) => match (source.group(), target.group()) {
                (Some(source), Some(target)) => {
                    let parts = target.parts.iter().zip(&source.parts);
                    parts.map(|(target, source)| (to.field(*target), from.field(*source))).collect()
                }
                _ => vec![(target, source)],
            },
            _ => Vec::new(),
        }
    }
}

impl Feature for Conversions {
    const NAME: &'static str = "conversion";

    fn check(&self, catalog: &Catalog, module: &Module) -> Vec<Issue> {
        let mut issues = Vec::new();
        for (index, conversion) in self.all.iter().enumerate() {
            let mut check = Check { catalog, module, issues: Vec::new() };
            let own = conversion.mutation_name(&module.name);
            let is_own = |other: &Conversion| other.mutation_name(&module.name).eq_ignore_ascii_case(&own);
            if self.all[..index].iter().any(is_own) {
                let message = match &conversion.name {
                    Some(name) => format!("`{name}` is taken: choose a name of its own for each conversion"),
                    None => "one conversion has no name already: choose one".to_owned(),
                };
                check.fault(path!["name"], "nameTaken", message);
            }
            check.conversion(conversion);
            let place = if self.listed { path![index] } else { Vec::new() };
            issues.extend(
                check.issues.into_iter().map(|issue| Issue { path: [place.clone(), issue.path].concat(), ..issue }),
            );
        }
        issues
    }
}

struct Check<'a> {
    catalog: &'a Catalog,
    module: &'a Module,
    issues: Vec<Issue>,
}

impl Check<'_> {
    fn conversion(&mut self, conversion: &Conversion) {
        self.own(&conversion.done, path!["done"], "a boolean", |field| matches!(field.kind, FieldKind::Boolean));
        if let Some(name) = &conversion.at {
            let fits = |field: &Field| matches!(field.kind, FieldKind::Date | FieldKind::DateTime);
            self.own(name, path!["at"], "a date or a dateTime", fits);
        }
        if conversion.targets.is_empty() {
            self.fault(path!["targets"], "minItems", "name at least one module to make a record of".to_owned());
        }
        for (index, target) in conversion.targets.iter().enumerate() {
            let place = path!["targets", index];
            let before = &conversion.targets[..index];
            // Its arguments are called by its name, and by its name with `Id` behind.
            let is_taken = |other: &ConversionTarget| {
                other.name == target.name
                    || other.name.strip_suffix("Id") == Some(&target.name)
                    || target.name.strip_suffix("Id") == Some(&other.name)
            };
            if TAKEN.contains(&target.name.as_str()) || before.iter().any(is_taken) {
                let message = format!("`{}` is taken: choose a name of its own for each target", target.name);
                self.fault(at(&place, ["name"]), "nameTaken", message);
            }
            self.target(target, before, &place);
        }
    }

    fn target(&mut self, target: &ConversionTarget, before: &[ConversionTarget], place: &[PathSegment]) {
        if let Some(name) = &target.when {
            self.own(name, at(place, ["when"]), "a field", |_| true);
        }
        let catalog = self.catalog;
        let Some(module) = catalog.module_by_name(&target.module).filter(|module| !module.platform) else {
            let message = format!("there is no module `{}` to make records of", target.module);
            return self.fault(at(place, ["module"]), "unknownModule", message);
        };
        let leads_there = |field: &Field| leads_to(field, module.id);
        if let Some(name) = &target.keep {
            self.own(name, at(place, ["keep"]), "a reference to that module", leads_there);
        }
        for (name, from) in &target.fields {
            let place = at(place, ["fields", name.as_str()]);
            match from {
                Mapped::Field(from) => self.pair((module, name), (self.module, from), place),
                Mapped::Record(record) => {
                    let known = match record.target.as_str() {
                        ITSELF => Some(self.module.id),
                        other => {
                            let found = before.iter().find(|target| target.name == other);
                            found.and_then(|target| catalog.module_by_name(&target.module)).map(|module| module.id)
                        }
                    };
                    let Some(field) = module.field_named(name) else {
                        let message = format!("`{}` has no field `{name}`", module.name);
                        self.fault(place, "unknownField", message);
                        continue;
                    };
                    if !known.is_some_and(|known| leads_to(field, known)) {
                        let message = format!(
                            "`{name}` cannot lead to `{}`: name a target that stands before this one, or `{ITSELF}`, to whose module it may lead",
                            record.target
                        );
                        self.fault(place, "type", message);
                    }
                }
            }
        }
        for (index, name) in target.takes.iter().enumerate() {
            let is_fit =
                self.list(name).is_some_and(|relation| leads_there(catalog.field(relation.module, relation.field)));
            if !is_fit {
                let message = format!(
                    "`{name}` must be a list of `{}` whose records may lead to `{}` instead",
                    self.module.name, module.name
                );
                self.fault([place.to_vec(), path!["takes", index]].concat(), "type", message);
            }
        }
        for (index, copied) in target.copies.iter().enumerate() {
            self.copied(copied, module, &[place.to_vec(), path!["copies", index]].concat());
        }
    }

    /// A list of records whose own reference leads to the module's, not of links.
    fn list(&self, name: &str) -> Option<&Relation> {
        let relation = self.module.relation_named(name)?;
        let is_own = self.catalog.module(relation.module).link.is_none() && relation.hierarchy.is_none();
        is_own.then_some(relation)
    }

    fn copied(&mut self, copied: &CopiedList, target: &Module, place: &[PathSegment]) {
        let catalog = self.catalog;
        let from = self.list(&copied.list).map(|relation| catalog.module(relation.module));
        if from.is_none() {
            let message = format!("`{}` has no list `{}` of records of their own", self.module.name, copied.list);
            self.fault(at(place, ["list"]), "unknownRelation", message);
        }
        let Some(module) = catalog.module_by_name(&copied.module).filter(|module| !module.platform) else {
            let message = format!("there is no module `{}` to make records of", copied.module);
            return self.fault(at(place, ["module"]), "unknownModule", message);
        };
        if !module.field_named(&copied.to).is_some_and(|field| leads_to(field, target.id)) {
            let message = format!("`{}` must be a reference of `{}` to `{}`", copied.to, module.name, target.name);
            self.fault(at(place, ["to"]), "type", message);
        }
        for (name, source) in &copied.fields {
            if let Some(from) = from {
                self.pair((module, name), (from, source), at(place, ["fields", name.as_str()]));
            }
        }
    }

    /// Tells a mapping of a field that is not there, or from one whose values are none of it.
    fn pair(&mut self, (to, name): (&Module, &str), (from, source): (&Module, &str), place: Vec<PathSegment>) {
        let stored = |field: &&Field| field.column.is_some() || field.group().is_some();
        if to.field_named(name).filter(stored).is_none_or(|field| field.system && field.id != Module::OWNER) {
            let message = format!("`{}` has no stored field `{name}`", to.name);
            self.fault(place, "unknownField", message);
        } else if from.field_named(source).filter(stored).is_none() {
            let message = format!("`{}` has no stored field `{source}`", from.name);
            self.fault(place, "unknownField", message);
        } else if Conversion::pairs(to, name, from, source).is_empty() {
            self.fault(place, "type", format!("`{source}` must be a field whose values fit into `{name}`"));
        }
    }

    /// Tells a name that is no own field, or one of another kind.
    fn own(&mut self, name: &str, place: Vec<PathSegment>, words: &str, fits: impl Fn(&Field) -> bool) {
        match self.module.field_named(name) {
            Some(field) if field.column.is_some() && fits(field) => {}
            Some(_) => self.fault(place, "type", format!("`{name}` must be {words}, and stored")),
            None => self.fault(place, "unknownField", format!("`{}` has no field `{name}`", self.module.name)),
        }
    }

    fn fault(&mut self, place: Vec<PathSegment>, rule: &str, message: String) {
        self.issues.push(Issue::new(place, rule, message));
    }
}

fn at<'n>(place: &[PathSegment], more: impl IntoIterator<Item = &'n str>) -> Vec<PathSegment> {
    place.iter().cloned().chain(more.into_iter().map(PathSegment::from)).collect()
}

fn leads_to(field: &Field, module: ModuleId) -> bool {
    field.reference().is_some_and(|reference| reference.targets.contains(&module))
}

/// Whether a value of one field may be one of the other; what its own rules refuse is told when a record is converted.
fn fits(from: &Field, to: &Field) -> bool {
    if let (Some(from), Some(to)) = (from.reference(), to.reference()) {
        return from.targets.iter().all(|target| to.targets.contains(target));
    }
    if let (Some(from), Some(to)) = (from.group(), to.group()) {
        return from.shape == to.shape;
    }
    let is_text = |field: &Field| matches!(field.kind, FieldKind::Text { .. });
    let is_written = |field: &Field| is_text(field) || matches!(field.kind, FieldKind::AutoNumber { .. });
    let is_stored = from.column.is_some() && to.column.is_some() && !matches!(to.kind, FieldKind::AutoNumber { .. });
    let is_alike = std::mem::discriminant(&from.kind) == std::mem::discriminant(&to.kind);
    is_stored && ((is_written(from) && is_text(to)) || is_alike)
}
