//! Values of steps: JSON whose texts may hold `{{ … }}`. A text that is one `{{ … }}` alone keeps the value's type.
//!
//! Inside stands a path into what the steps before gave (`steps.score.output.value`) or to a loop's item, or a rule over the
//! event's record (`record.amount`, `old.stage`, `actor.id`, arithmetic and all else of the rule language) and over such paths.

use cardine_model::rule::{self, Expected, Scope, TypedRule};
use serde_json::Value as Json;

use crate::shape::{Found, Names, Shape};

/// A value with its rules checked.
#[derive(Debug, Clone)]
pub(crate) enum Template {
    /// As it stands.
    Constant(Json),
    /// One `{{ … }}` alone.
    Value(Hole),
    /// Text with holes.
    Text(Vec<Part>),
    /// A list.
    List(Vec<Template>),
    /// An object.
    Object(Vec<(String, Template)>),
}

/// A piece of a text.
#[derive(Debug, Clone)]
pub(crate) enum Part {
    /// As it stands.
    Constant(String),
    /// What a `{{ … }}` gives; nothing for null.
    Hole(Hole),
}

/// What stands between the braces.
#[derive(Debug, Clone)]
pub(crate) enum Hole {
    /// A path to what is no field of the record, and what is known of the value there.
    Outside(Vec<String>, Shape),
    /// A rule over the record.
    Rule(Box<TypedRule>),
}

/// A fault of a template: the way to the text inside the value, and what is wrong.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Fault {
    pub path: Vec<cardine_model::PathSegment>,
    pub message: String,
}

/// What fills the holes.
pub(crate) trait Filling: Scope {
    /// The value at a path from outside of the record; null if there is none.
    fn at(&self, path: &[String]) -> Json;
    /// As the rules see it.
    fn scope(&self) -> &dyn Scope;
}

/// What templates are checked against.
pub(crate) struct Checker<'a> {
    pub names: &'a Names<'a>,
}

impl Checker<'_> {
    /// Checks a value; every fault goes to `faults`.
    pub fn check(&self, value: &Json, faults: &mut Vec<Fault>) -> Template {
        match value {
            Json::String(text) => self.check_text(text, faults),
            Json::Array(items) => {
                let items = items.iter().enumerate();
                Template::List(items.map(|(index, item)| self.below(index.into(), item, faults)).collect())
            }
            Json::Object(entries) => {
                let entries = entries.iter();
                let below =
                    |(name, item): (&String, &Json)| (name.clone(), self.below(name.as_str().into(), item, faults));
                Template::Object(entries.map(below).collect())
            }
            other => Template::Constant(other.clone()),
        }
    }

    fn below(&self, step: cardine_model::PathSegment, value: &Json, faults: &mut Vec<Fault>) -> Template {
        let before = faults.len();
        let template = self.check(value, faults);
        for fault in &mut faults[before..] {
            fault.path.insert(0, step.clone());
        }
        template
    }

    fn check_text(&self, text: &str, faults: &mut Vec<Fault>) -> Template {
        let mut parts = Vec::new();
        let mut rest = text;
        while let Some((before, after)) = rest.split_once("{{") {
            let Some((inside, behind)) = split_hole(after) else {
                faults.push(fault("`{{` without its `}}`".to_owned()));
                return Template::Constant(Json::Null);
            };
            if !before.is_empty() {
                parts.push(Part::Constant(before.to_owned()));
            }
            if let Some(hole) = self.check_hole(inside.trim(), faults) {
                parts.push(Part::Hole(hole));
            }
            rest = behind;
        }
        if !rest.is_empty() {
            parts.push(Part::Constant(rest.to_owned()));
        }
        match parts.as_slice() {
            [] => Template::Constant(Json::String(String::new())),
            [Part::Constant(text)] => Template::Constant(Json::String(text.clone())),
            [Part::Hole(hole)] => Template::Value(hole.clone()),
            _ => Template::Text(parts),
        }
    }

    fn check_hole(&self, inside: &str, faults: &mut Vec<Fault>) -> Option<Hole> {
        if let Some(path) = path_of(inside)
            && let Some(found) = self.names.find(&path)
        {
            return match found {
                Ok(Found { shape, .. }) => {
                    Some(Hole::Outside(path.into_iter().map(str::to_owned).collect(), shape.clone()))
                }
                Err(message) => {
                    faults.push(fault(message));
                    None
                }
            };
        }
        match rule::check(inside, &self.names.context(Expected::Any), self.names) {
            Ok(rule) if reads_computed_fields(&rule, self.names) => {
                faults.push(fault(COMPUTED_FIELDS.to_owned()));
                None
            }
            Ok(rule) => Some(Hole::Rule(Box::new(rule))),
            Err(issues) => {
                faults.extend(issues.into_iter().map(|issue| fault(issue.message)));
                None
            }
        }
    }
}

/// The names of a text that is a path and nothing else.
pub(crate) fn path_of(text: &str) -> Option<Vec<&str>> {
    let names: Vec<&str> = text.split('.').collect();
    let is_name = |name: &&str| {
        let starts = name.starts_with(|c: char| c.is_ascii_alphabetic() || c == '_');
        starts && name.chars().all(|c| c.is_ascii_alphanumeric() || c == '_')
    };
    names.iter().all(is_name).then_some(names)
}

/// Why a rule over a formula is refused.
pub(crate) const COMPUTED_FIELDS: &str = "formulas and rollups can't be read in workflows yet; stored fields can";

/// Whether a rule reads what is not stored: an event does not hold it, so it would silently be null.
pub(crate) fn reads_computed_fields(rule: &TypedRule, names: &Names<'_>) -> bool {
    let Some(module) = names.module else { return false };
    rule.inputs().iter().any(|(_, path)| module.field(path.field).column.is_none())
}

fn fault(message: String) -> Fault {
    Fault { path: Vec::new(), message }
}

/// What stands before the closing braces, and behind them; braces inside text literals don't close.
pub(crate) fn split_hole(text: &str) -> Option<(&str, &str)> {
    let mut quote: Option<u8> = None;
    let bytes = text.as_bytes();
    let mut position = 0;
    while position < bytes.len() {
        let byte = bytes[position];
        match quote {
            Some(_) if byte == b'\\' => position += 1,
            Some(open) if byte == open => quote = None,
            None if byte == b'"' || byte == b'\'' => quote = Some(byte),
            None if bytes[position..].starts_with(b"}}") => return Some((&text[..position], &text[position + 2..])),
            _ => {}
        }
        position += 1;
    }
    None
}

impl Template {
    /// Every rule that stands in it.
    pub fn rules(&self) -> Vec<&TypedRule> {
        match self {
            Self::Constant(_) => Vec::new(),
            Self::Value(hole) => hole.rule().into_iter().collect(),
            Self::Text(parts) => {
                let holes = parts.iter().filter_map(|part| match part {
                    Part::Hole(hole) => Some(hole),
                    Part::Constant(_) => None,
                });
                holes.filter_map(Hole::rule).collect()
            }
            Self::List(items) => items.iter().flat_map(Self::rules).collect(),
            Self::Object(entries) => entries.iter().flat_map(|(_, item)| item.rules()).collect(),
        }
    }

    /// The value, with every hole filled.
    pub fn fill(&self, filling: &dyn Filling) -> Json {
        match self {
            Self::Constant(value) => value.clone(),
            Self::Value(hole) => hole.value(filling),
            Self::Text(parts) => {
                let mut text = String::new();
                for part in parts {
                    match part {
                        Part::Constant(piece) => text.push_str(piece),
                        Part::Hole(hole) => match hole.value(filling) {
                            Json::Null => {}
                            Json::String(piece) => text.push_str(&piece),
                            other => text.push_str(&other.to_string()),
                        },
                    }
                }
                Json::String(text)
            }
            Self::List(items) => Json::Array(items.iter().map(|item| item.fill(filling)).collect()),
            Self::Object(entries) => {
                Json::Object(entries.iter().map(|(name, item)| (name.clone(), item.fill(filling))).collect())
            }
        }
    }
}

impl Template {
    /// A text of HTML: what fills the holes is text in it, whatever it holds.
    pub fn fill_html(&self, filling: &dyn Filling) -> String {
        self.fill_parts(filling, escape)
    }

    /// A text of a language of its own: what fills the holes is written in it by `write`.
    pub fn fill_parts(&self, filling: &dyn Filling, write: impl Fn(&str) -> String) -> String {
        let text = |value: Json| match value {
            Json::Null => String::new(),
            Json::String(text) => text,
            other => other.to_string(),
        };
        let written = |hole: &Hole| write(&text(hole.value(filling)));
        match self {
            Self::Value(hole) => written(hole),
            Self::Text(parts) => {
                let parts = parts.iter().map(|part| match part {
                    Part::Constant(piece) => piece.clone(),
                    Part::Hole(hole) => written(hole),
                });
                parts.collect()
            }
            Self::Constant(value) => text(value.clone()),
            Self::List(_) | Self::Object(_) => write(&self.fill(filling).to_string()),
        }
    }
}

/// As text between tags and inside quoted attributes.
fn escape(text: &str) -> String {
    let mut escaped = String::with_capacity(text.len());
    for character in text.chars() {
        match character {
            '&' => escaped.push_str("&amp;"),
            '<' => escaped.push_str("&lt;"),
            '>' => escaped.push_str("&gt;"),
            '"' => escaped.push_str("&quot;"),
            '\'' => escaped.push_str("&#39;"),
            other => escaped.push(other),
        }
    }
    escaped
}

impl Hole {
    fn rule(&self) -> Option<&TypedRule> {
        match self {
            Self::Rule(rule) => Some(rule),
            Self::Outside(..) => None,
        }
    }

    fn value(&self, filling: &dyn Filling) -> Json {
        match self {
            Self::Rule(rule) => cardine_engine::json_of_value(&rule.eval(filling.scope())),
            Self::Outside(path, _) => filling.at(path),
        }
    }
}

#[cfg(test)]
mod tests {
    use cardine_model::catalog::{Catalog, FieldPath};
    use cardine_model::resolve::builtin_catalog;
    use cardine_model::rule::Root;
    use cardine_model::{Decimal, Value};
    use chrono::{DateTime, NaiveDate, Utc};
    use serde_json::json;

    use super::*;

    #[test]
    fn holes_end_outside_of_text_literals() {
        assert_eq!(split_hole(r#" "}}" + name }} rest"#), Some((r#" "}}" + name "#, " rest")));
        assert_eq!(split_hole("no end }"), None);
    }

    struct Deal(Decimal, Json);

    impl Scope for Deal {
        fn field(&self, _root: Root, _path: &FieldPath) -> Value {
            Value::Decimal(self.0.clone())
        }

        fn actor_id(&self) -> Value {
            Value::Null
        }

        fn now(&self) -> DateTime<Utc> {
            DateTime::UNIX_EPOCH
        }

        fn today(&self) -> NaiveDate {
            NaiveDate::default()
        }
    }

    impl Filling for Deal {
        fn at(&self, path: &[String]) -> Json {
            path.iter().fold(&self.1, |place, name| &place[name]).clone()
        }

        fn scope(&self) -> &dyn Scope {
            self
        }
    }

    fn names(catalog: &Catalog) -> Names<'_> {
        let mut names = Names::of(catalog, catalog.module_by_name("Opportunity"));
        names.steps.push(("a".to_owned(), Shape::Any));
        names
    }

    /// The value filled over a deal worth 12.50 and the output `{"n": 3, "none": null}` of a step `a`; or the faults.
    fn filled(value: &Json) -> Result<Json, Vec<Fault>> {
        let catalog = builtin_catalog(1).unwrap();
        let mut faults = Vec::new();
        let template = Checker { names: &names(&catalog) }.check(value, &mut faults);
        let outside = json!({"steps": {"a": {"output": {"n": 3, "none": null}}}});
        let filled = template.fill(&Deal(Decimal::parse("12.50").unwrap(), outside));
        if faults.is_empty() { Ok(filled) } else { Err(faults) }
    }

    #[test]
    fn a_hole_alone_keeps_its_type_and_others_become_text() {
        for (value, expected) in [
            (json!("{{ steps.a.output.n }}"), json!(3)),
            (json!("{{steps.a.output}}"), json!({"n": 3, "none": null})),
            (json!("n = {{ steps.a.output.n }}!"), json!("n = 3!")),
            (json!("[{{ steps.a.output.none }}][{{ steps.a.output.x.y }}]"), json!("[][]")),
            (json!("{{ record.amount }}"), json!("12.5")),
            (json!("{{ amount > 12 }}"), json!(true)),
            (json!("{{ \"}}\" }}"), json!("}}")),
            (json!(["{{ steps.a.output.n }}", {"b": "x"}, 1, null]), json!([3, {"b": "x"}, 1, null])),
            (json!(""), json!("")),
        ] {
            assert_eq!(filled(&value), Ok(expected), "{value}");
        }
    }

    #[test]
    fn what_fills_html_is_text_in_it() {
        let catalog = builtin_catalog(1).unwrap();
        let html = |text: &str| {
            let template = Checker { names: &names(&catalog) }.check(&json!(text), &mut Vec::new());
            let given = json!({"steps": {"a": {"output": {"n": "<b onclick='x'>\"A\" & co</b>", "none": null}}}});
            template.fill_html(&Deal(Decimal::parse("1").unwrap(), given))
        };
        let escaped = "&lt;b onclick=&#39;x&#39;&gt;&quot;A&quot; &amp; co&lt;/b&gt;";
        assert_eq!(html("{{ steps.a.output.n }}"), escaped);
        assert_eq!(html("<p>{{ steps.a.output.n }}</p>{{ steps.a.output.none }}"), format!("<p>{escaped}</p>"));
        assert_eq!(html("<p>&amp;</p>"), "<p>&amp;</p>");
    }

    #[test]
    fn faults_are_told_with_the_way_to_them() {
        let faulty = json!({"a": ["{{ steps.b.output }}", "{{ amount", "{{ steps.a.result }}", "{{ }}", "fine"]});
        let faults = filled(&faulty).unwrap_err();
        let ways: Vec<Json> = faults.iter().map(|fault| serde_json::to_value(&fault.path).unwrap()).collect();
        assert_eq!(ways, [json!(["a", 0]), json!(["a", 1]), json!(["a", 2]), json!(["a", 3])]);
    }

    #[test]
    fn every_rule_of_a_template_is_found() {
        let catalog = builtin_catalog(1).unwrap();
        let value =
            json!({"a": ["{{ amount }}", "x {{ name }} {{ steps.a.output }}"], "b": {"c": "{{ stage }}"}, "d": 1});
        let template = Checker { names: &names(&catalog) }.check(&value, &mut Vec::new());
        let mut found: Vec<&str> = template.rules().into_iter().map(|rule| rule.source.as_str()).collect();
        found.sort_unstable();
        assert_eq!(found, ["amount", "name", "stage"]);
    }
}
