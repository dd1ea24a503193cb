//! The guard in front: bounds on the parsed document, before anything looks at what it means.
//!
//! Each fragment's cost is counted once and added up saturating, so a document that would unfold to 2^26 selections is
//! refused as fast as any other. Only then is the unfolded document walked: it is small by then, and not deep.

use std::cell::Cell;
use std::collections::HashMap;

use async_graphql_parser::types::{
    DocumentOperations, ExecutableDocument, Field, OperationDefinition, Selection, SelectionSet,
};
use async_graphql_parser::{Pos, Positioned};
use async_graphql_value::Name;
use rustc_hash::FxHashMap;
use serde_json::{Map, Value as Json};

use crate::error::Error;
use crate::limits::Limits;

/// Lists of the introspection system within each other: their number multiplies. The standard query has the fields of all types.
const INTROSPECTION_LISTS: [&str; 5] = ["types", "fields", "interfaces", "possibleTypes", "inputFields"];
const INTROSPECTION_LEVELS_MAX: usize = 2;
/// All of them together: the standard query has five.
const INTROSPECTION_LISTS_MAX: usize = 12;

/// Parses a query text whose document keeps the bounds.
pub fn parse(text: &str, limits: &Limits) -> Result<ExecutableDocument, Error> {
    let document = crate::parse::parse(text, limits)?;
    check(&document, limits)?;
    Ok(document)
}

/// Checks the bounds on a parsed document.
pub fn check(document: &ExecutableDocument, limits: &Limits) -> Result<(), Error> {
    if document.fragments.len() > limits.fragments {
        return Err(Error::limit("fragments", limits.fragments, document.fragments.len()));
    }
    let operations = operations(document);
    if operations.len() > limits.operations {
        return Err(Error::limit("operations", limits.operations, operations.len()));
    }
    check_directives(document, limits)?;

    let costs = Costs::of_fragments(document)?;
    let mut selections = 0_u64;
    for operation in &operations {
        let cost = costs.total(&Cost::of(&operation.node.selection_set.node));
        selections = selections.saturating_add(cost.selections);
        if cost.depth > limits.nesting as u64 {
            return Err(Error::limit("nested selections", limits.nesting, cost.depth).at(operation.pos));
        }
    }
    if selections > limits.selections as u64 {
        return Err(Error::limit("selections", limits.selections, count(selections)));
    }
    for operation in operations {
        let walk = Unfolded { document, limits, introspected: Cell::new(0) };
        walk.root(operation)?;
    }
    Ok(())
}

/// Checks the bound on the variables' values: input objects are dear to coerce, and a body has room for very many.
pub fn check_variables(variables: &Map<String, Json>, limits: &Limits) -> Result<(), Error> {
    fn objects(json: &Json) -> usize {
        match json {
            Json::Array(items) => items.iter().map(objects).sum(),
            Json::Object(fields) => 1 + fields.values().map(objects).sum::<usize>(),
            _ => 0,
        }
    }
    let found: usize = variables.values().map(objects).sum();
    if found > limits.variable_objects {
        return Err(Error::limit("objects in the variables", limits.variable_objects, found));
    }
    Ok(())
}

/// All operations, in the order of the text.
pub fn operations(document: &ExecutableDocument) -> Vec<&Positioned<OperationDefinition>> {
    let mut operations: Vec<_> = match &document.operations {
        DocumentOperations::Single(operation) => vec![operation],
        DocumentOperations::Multiple(operations) => operations.values().collect(),
    };
    operations.sort_by_key(|operation| operation.pos);
    operations
}

fn count(number: u64) -> String {
    if number == u64::MAX { "more than can be counted".to_owned() } else { number.to_string() }
}

/// What one selection set costs, fragments apart.
#[derive(Default)]
struct Cost<'a> {
    selections: u64,
    depth: u64,
    /// Fragments in it, and how deep each stands.
    spreads: Vec<(&'a Name, u64, Pos)>,
}

struct Total {
    selections: u64,
    depth: u64,
}

impl<'a> Cost<'a> {
    fn of(set: &'a SelectionSet) -> Self {
        let mut cost = Self::default();
        cost.add(set, 1);
        cost
    }

    fn add(&mut self, set: &'a SelectionSet, depth: u64) {
        self.depth = self.depth.max(depth);
        for selection in &set.items {
            self.selections += 1;
            match &selection.node {
                Selection::Field(field) => self.add(&field.node.selection_set.node, depth + 1),
                Selection::InlineFragment(inline) => self.add(&inline.node.selection_set.node, depth + 1),
                Selection::FragmentSpread(spread) => {
                    self.spreads.push((&spread.node.fragment_name.node, depth, spread.pos));
                }
            }
        }
    }
}

/// The unfolded cost of each fragment.
struct Costs<'a>(FxHashMap<&'a str, Total>);

impl<'a> Costs<'a> {
    fn of_fragments(document: &'a ExecutableDocument) -> Result<Self, Error> {
        let mut open: Vec<(&str, Cost<'a>)> = document
            .fragments
            .iter()
            .map(|(name, fragment)| (name.as_str(), Cost::of(&fragment.node.selection_set.node)))
            .collect();
        let mut known = Self(FxHashMap::default());
        // Fragments whose own fragments are known first; at most 200 rounds of at most 200. What never gets there is in a cycle.
        loop {
            let before = open.len();
            let mut waiting = Vec::new();
            for (name, cost) in open {
                let ready = cost.spreads.iter().all(|(spread, ..)| {
                    known.0.contains_key(spread.as_str()) || !document.fragments.contains_key(spread.as_str())
                });
                if ready {
                    let total = known.total(&cost);
                    known.0.insert(name, total);
                } else {
                    waiting.push((name, cost));
                }
            }
            if waiting.is_empty() {
                return Ok(known);
            }
            if waiting.len() == before {
                return Err(cycle(&waiting, document));
            }
            open = waiting;
        }
    }

    fn total(&self, cost: &Cost<'_>) -> Total {
        let mut total = Total { selections: cost.selections, depth: cost.depth };
        for (name, depth, _) in &cost.spreads {
            if let Some(fragment) = self.0.get(name.as_str()) {
                total.selections = total.selections.saturating_add(fragment.selections);
                total.depth = total.depth.max(depth.saturating_add(fragment.depth));
            }
        }
        total
    }
}

/// Follows the fragments that wait for each other until one comes again.
fn cycle(waiting: &[(&str, Cost<'_>)], document: &ExecutableDocument) -> Error {
    let by_name: HashMap<&str, &Cost<'_>> = waiting.iter().map(|(name, cost)| (*name, cost)).collect();
    let place = |name: &str| document.fragments.get(name).map(|fragment| fragment.pos);
    let first = waiting.iter().map(|(name, _)| *name).min_by_key(|name| place(name)).unwrap_or_default();
    let mut path = vec![first];
    let mut at = None;
    while let Some(cost) = path.last().and_then(|name| by_name.get(name)) {
        let Some((next, _, position)) = cost.spreads.iter().find(|(name, ..)| by_name.contains_key(name.as_str()))
        else {
            break;
        };
        at = Some(*position);
        if let Some(start) = path.iter().position(|name| *name == next.as_str()) {
            path.drain(..start);
            break;
        }
        path.push(next.as_str());
    }
    let name = path.first().copied().unwrap_or_default();
    let via: Vec<String> = path.iter().skip(1).map(|name| format!("\"{name}\"")).collect();
    let via = if via.is_empty() { String::new() } else { format!(" via {}", via.join(", ")) };
    let error = Error::input(format!("Cannot spread fragment \"{name}\" within itself{via}."));
    at.into_iter().fold(error, Error::at)
}

fn check_directives(document: &ExecutableDocument, limits: &Limits) -> Result<(), Error> {
    fn of_set(set: &SelectionSet) -> usize {
        let of = |selection: &Positioned<Selection>| {
            let inner = match &selection.node {
                Selection::Field(field) => of_set(&field.node.selection_set.node),
                Selection::InlineFragment(inline) => of_set(&inline.node.selection_set.node),
                Selection::FragmentSpread(_) => 0,
            };
            selection.node.directives().len() + inner
        };
        set.items.iter().map(of).sum()
    }
    let of_operation = |operation: &OperationDefinition| {
        let variables = operation.variable_definitions.iter().map(|variable| variable.node.directives.len());
        operation.directives.len() + variables.sum::<usize>() + of_set(&operation.selection_set.node)
    };
    let fragments = document.fragments.values().map(|fragment| &fragment.node);
    let total = operations(document).iter().map(|operation| of_operation(&operation.node)).sum::<usize>()
        + fragments.map(|fragment| fragment.directives.len() + of_set(&fragment.selection_set.node)).sum::<usize>();
    if total > limits.directives {
        return Err(Error::limit("directives", limits.directives, total));
    }
    Ok(())
}

/// A walk over the document as it unfolds; its size is known to be bounded.
struct Unfolded<'a> {
    document: &'a ExecutableDocument,
    limits: &'a Limits,
    /// Lists of the introspection system so far.
    introspected: Cell<usize>,
}

/// What is counted in the selection of one object.
#[derive(Default)]
struct Level<'a> {
    fields: usize,
    aliases: FxHashMap<&'a str, usize>,
}

impl<'a> Unfolded<'a> {
    fn root(&self, operation: &'a Positioned<OperationDefinition>) -> Result<(), Error> {
        let mut level = Level::default();
        self.set(&operation.node.selection_set.node, &mut level, None)?;
        if level.fields > self.limits.root_fields {
            return Err(Error::limit("root fields", self.limits.root_fields, level.fields).at(operation.pos));
        }
        Ok(())
    }

    /// `introspection` is the number of introspection's lists around it, if it is in introspection at all.
    fn set(&self, set: &'a SelectionSet, level: &mut Level<'a>, introspection: Option<usize>) -> Result<(), Error> {
        for selection in &set.items {
            match &selection.node {
                Selection::Field(field) => self.field(field, level, introspection)?,
                Selection::InlineFragment(inline) => self.set(&inline.node.selection_set.node, level, introspection)?,
                Selection::FragmentSpread(spread) => {
                    if let Some(fragment) = self.document.fragments.get(&spread.node.fragment_name.node) {
                        self.set(&fragment.node.selection_set.node, level, introspection)?;
                    }
                }
            }
        }
        Ok(())
    }

    fn field(
        &self,
        field: &'a Positioned<Field>,
        level: &mut Level<'a>,
        introspection: Option<usize>,
    ) -> Result<(), Error> {
        let name = field.node.name.node.as_str();
        level.fields += 1;
        if field.node.alias.is_some() {
            let aliases = level.aliases.entry(name).or_default();
            *aliases += 1;
            if *aliases > self.limits.aliases {
                let what = format!("aliases of the field \"{name}\"");
                return Err(Error::limit(&what, self.limits.aliases, format!("more than {}", self.limits.aliases))
                    .at(field.pos));
            }
        }
        let introspection = match (name, introspection) {
            ("__schema" | "__type", _) => Some(0),
            (_, Some(lists)) if INTROSPECTION_LISTS.contains(&name) => {
                self.introspected.set(self.introspected.get() + 1);
                Some(lists + 1)
            }
            (_, other) => other,
        };
        for (what, most, found) in [
            ("nested lists of introspection", INTROSPECTION_LEVELS_MAX, introspection.unwrap_or(0)),
            ("lists of introspection", INTROSPECTION_LISTS_MAX, self.introspected.get()),
        ] {
            if found > most {
                return Err(Error::limit(what, most, format!("more than {most}")).at(field.pos));
            }
        }
        self.set(&field.node.selection_set.node, &mut Level::default(), introspection)
    }
}

#[cfg(test)]
mod tests {
    use std::fmt::Write as _;
    use std::time::{Duration, Instant};

    use super::*;
    use crate::error::Code;

    /// Far above what a refusal takes even in an unoptimised build on a busy machine, and far below what a bomb would.
    const FAST: Duration = Duration::from_secs(2);

    fn refusal(text: &str) -> Error {
        let start = Instant::now();
        let error = parse(text, &Limits::default()).unwrap_err();
        assert!(start.elapsed() < FAST, "{:?} for {error}", start.elapsed());
        error
    }

    fn fan_out(levels: usize, width: usize, leaf: &str) -> String {
        let mut text = "{...F0}".to_owned();
        for level in 0..levels {
            let _ = write!(text, "fragment F{level} on Query{{{}}}", format!("...F{} ", level + 1).repeat(width));
        }
        let _ = write!(text, "fragment F{levels} on Query{{{leaf}}}");
        text
    }

    #[test]
    fn a_fragment_fan_out_is_refused_at_once() {
        for (levels, width) in [(26, 2), (20, 3), (15, 10), (10, 100), (4, 1_000)] {
            for leaf in ["me{role}", "...Unknown"] {
                let text = fan_out(levels, width, leaf);
                assert_eq!(refusal(&text).code, Code::LimitExceeded, "{levels}^{width} {leaf}");
            }
        }
        let small = fan_out(26, 2, "__typename");
        assert!(small.len() < 1_100, "{}", small.len());
        assert!(parse(&fan_out(3, 2, "__typename"), &Limits::default()).is_ok());
    }

    #[test]
    fn a_cycle_of_fragments_is_told_with_its_path() {
        let error =
            refusal("{...A} fragment A on Query{...B} fragment B on Query{...C} fragment C on Query{me{role} ...B}");
        assert_eq!(error.message, "Cannot spread fragment \"B\" within itself via \"C\".");
        assert_eq!(refusal("{...A} fragment A on Query{...A}").message, "Cannot spread fragment \"A\" within itself.");
        let mut long = "{...F0}".to_owned();
        for position in 0..200 {
            let _ = write!(long, "fragment F{position} on Query{{...F{}}}", (position + 1) % 200);
        }
        assert_eq!(refusal(&long).code, Code::BadUserInput);
    }

    #[test]
    fn a_chain_of_fragments_cannot_get_deep() {
        let mut text = "{...F0}".to_owned();
        for position in 0..199 {
            let _ = write!(
                text,
                "fragment F{position} on Query{{{}...F{}{}}}",
                "a{".repeat(9),
                position + 1,
                "}".repeat(9)
            );
        }
        text.push_str("fragment F199 on Query{a}");
        assert_eq!(refusal(&text).code, Code::LimitExceeded);
    }

    #[test]
    fn each_limit_tells_itself_and_the_value() {
        let aliases: String = (0..101).map(|alias| format!("a{alias}: name ")).collect();
        let fields: String = (0..21).map(|alias| format!("a{alias}: me{{role}} ")).collect();
        let many: String = "id ".repeat(2_001);
        let directives = "@include(if: true) ".repeat(51);
        let fragments: String = (0..201).map(|name| format!("fragment F{name} on Query{{me{{role}}}}")).collect();
        let cases = [
            (
                format!("{{me{{{aliases}}}}}"),
                "100 aliases of the field \"name\" is exceeded: the request has more than 100",
            ),
            (format!("{{{fields}}}"), "20 root fields is exceeded: the request has 21"),
            (format!("{{me{{{many}}}}}"), "2000 selections is exceeded: the request has 2002"),
            (format!("{{me {directives} {{role}}}}"), "50 directives is exceeded: the request has 51"),
            (format!("{{me{{role}}}}{fragments}"), "200 fragments is exceeded: the request has 201"),
        ];
        for (text, message) in cases {
            let error = refusal(&text);
            assert_eq!(error.code, Code::LimitExceeded);
            assert_eq!(error.message, format!("The limit of {message}."));
        }
    }

    #[test]
    fn aliases_are_counted_through_fragments() {
        let aliases: String = (0..60).map(|alias| format!("a{alias}: role ")).collect();
        let more: String = (60..120).map(|alias| format!("a{alias}: role ")).collect();
        let text = format!("{{me{{{aliases} ...F}}}} fragment F on Viewer{{{more}}}");
        assert_eq!(refusal(&text).code, Code::LimitExceeded);
    }

    #[test]
    fn introspection_cannot_multiply() {
        let error = refusal("{__schema{types{fields{type{fields{type{fields{name}}}}}}}}");
        assert_eq!(error.code, Code::LimitExceeded);
        let many: String = (0..13).map(|alias| format!("a{alias}: types{{name}}")).collect();
        assert_eq!(refusal(&format!("{{__schema{{{many}}}}}")).code, Code::LimitExceeded);
        for text in [
            include_str!("introspection_query.graphql"),
            "{__type(name: \"Node\"){fields{type{fields{name}}} possibleTypes{fields{name}}}}",
        ] {
            assert!(parse(text, &Limits::default()).is_ok(), "{text}");
        }
    }

    #[test]
    fn a_syntax_error_tells_its_place() {
        let error = refusal("{\n  deals(first: ) { nodes { id } }\n}");
        assert_eq!((error.code, error.locations[0].line), (Code::BadUserInput, 2));
        assert_eq!(error.message, "Syntax error: Expected a value, found \")\".");
    }
}
