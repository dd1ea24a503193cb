//! Changes to a document, each of a kind that most often makes it invalid.

use cardine_tests::Chance;

use super::document::{Directive, Document, Field, Fragment, Literal, Operation, Selection, Variable, Visit};
use super::schema::{Ref, Schema};

/// A change by chance; false if the document has no place for it.
type Change = fn(&mut Document, &Schema, &mut Chance) -> bool;

pub const CHANGES: &[(&str, Change)] = &[
    ("a field that its type has not", wrong_field),
    ("selections where none may be, or none where they must be", wrong_braces),
    ("an argument of another name, twice, or too many", wrong_argument),
    ("a missing argument", missing_argument),
    ("another literal", other_literal),
    ("an enum as a string, or a string as an enum", quoted_or_not),
    ("a list more or less", other_list),
    ("an input object's field unknown, twice, missing, null or too many", other_object),
    ("a variable of another type", other_variable_type),
    ("a variable that is undefined, unused or defined twice", undefined_variable),
    ("another default", other_default),
    ("a variable in the place of a value", variable_as_value),
    ("a cycle of fragments", fragment_cycle),
    ("a fragment on another type", other_condition),
    ("a fragment unused, unknown or defined twice", stray_fragment),
    ("two fields of one name", conflict),
    ("a directive unknown, misplaced, repeated or without its argument", wrong_directive),
    ("an operation too many, of a taken name or another kind", other_operation),
];

pub fn change_text(text: &str, chance: &mut Chance) -> String {
    let mut characters: Vec<char> = text.chars().collect();
    let place = chance.below(characters.len());
    match chance.below(4) {
        0 => {
            characters.remove(place);
        }
        1 => {
            let other = chance.below(characters.len());
            characters.swap(place, other);
        }
        2 => {
            let end = (place + 1 + chance.below(12)).min(characters.len());
            characters.drain(place..end);
        }
        _ => {
            let pieces = [
                "{",
                "}",
                "(",
                ")",
                "[",
                "]",
                ":",
                "!",
                "$",
                "@",
                "=",
                "|",
                "&",
                "...",
                "..",
                ".",
                "\"",
                "\"\"\"",
                "\\",
                "#",
                "0",
                "1",
                "-",
                ".5",
                "e3",
                "_",
                "x",
                "on",
                "true",
                "null",
                "fragment",
                "query",
                "\u{0}",
                "è",
                "\n",
                "\r",
                "\"\\u{41}\"",
                "\"\\u{110000}\"",
                "\"\\uD800\"",
                "\"\\uD83D\\uDE00\"",
                "\"\\x\"",
                "type A { a: Int }",
                "\u{7f}",
            ];
            let piece: Vec<char> = chance.of(&pieces).chars().collect();
            characters.splice(place..place, piece);
        }
    }
    characters.into_iter().collect()
}

/// Changes one place by chance, if there is any.
fn at_one<T>(
    document: &mut Document,
    chance: &mut Chance,
    visit: Visit<T>,
    change: impl FnOnce(&mut T, &mut Chance),
) -> bool {
    let mut places = 0;
    visit(document, &mut |_| places += 1);
    if places == 0 {
        return false;
    }
    let wanted = chance.below(places);
    let mut change = Some(change);
    let mut place = 0;
    visit(document, &mut |found| {
        if place == wanted
            && let Some(change) = change.take()
        {
            change(found, chance);
        }
        place += 1;
    });
    true
}

fn plain(text: &str) -> Literal {
    Literal::Plain(text.to_owned())
}

/// A type's name by chance.
fn any_type(schema: &Schema, chance: &mut Chance) -> String {
    if chance.one_in(6) {
        return "NoSuchType".to_owned();
    }
    let names: Vec<&String> = schema.types.keys().collect();
    (*chance.item(&names)).clone()
}

/// A field's name of any type by chance.
fn any_field(schema: &Schema, chance: &mut Chance) -> String {
    let types: Vec<_> = schema.types.values().filter(|ty| !ty.fields.is_empty()).collect();
    let ty = *chance.item(&types);
    match chance.below(6) {
        0 => "noSuchField".to_owned(),
        1 => "__typename".to_owned(),
        _ => chance.item(&ty.fields).name.clone(),
    }
}

fn any_literal(chance: &mut Chance) -> Literal {
    match chance.below(8) {
        0 => Literal::List(vec![any_literal(chance)]),
        1 => Literal::Object(vec![(chance.of(&["a", "eq", "and", "id"]).to_owned(), any_literal(chance))]),
        2 => Literal::Variable(chance.of(&["v1", "v2", "v3", "v4", "noSuchVariable"]).to_owned()),
        _ => plain(chance.of(&[
            "0",
            "-1",
            "2147483647",
            "2147483648",
            "-2147483649",
            "9007199254740993",
            "9223372036854775808",
            "123456789012345678901234567890",
            "1.0",
            "1.5",
            "1e3",
            "true",
            "null",
            "A_WORD",
            "nullable",
            "ASC",
            "[]",
            "{}",
            "[[]]",
            "[null]",
            "\"\"",
            "\"x\"",
            "\"12.50\"",
            "\"1e5\"",
            "\"true\"",
            "\"ASC\"",
            "\"2026-01-31\"",
            "\"2026-02-30\"",
            "\"2026-1-31\"",
            "\"23:59:60\"",
            "\"12:00\"",
            "\"2026-01-31T12:00:00Z\"",
            "\"2026-01-31T12:00:00\"",
            "\"99999999999999999999999999999999\"",
            "\"\"\"block\"\"\"",
        ])),
    }
}

fn wrong_field(document: &mut Document, schema: &Schema, chance: &mut Chance) -> bool {
    at_one(document, chance, Document::fields, |field, chance| field.name = any_field(schema, chance))
}

fn wrong_braces(document: &mut Document, schema: &Schema, chance: &mut Chance) -> bool {
    at_one(document, chance, Document::fields, |field, chance| {
        field.selections = match (&field.selections, chance.below(4)) {
            (_, 0) => Some(Vec::new()),
            (Some(_), _) => None,
            (None, _) => Some(vec![Selection::Field(bare(&any_field(schema, chance)))]),
        };
    })
}

fn bare(name: &str) -> Field {
    Field { alias: None, name: name.to_owned(), arguments: Vec::new(), directives: Vec::new(), selections: None }
}

fn wrong_argument(document: &mut Document, schema: &Schema, chance: &mut Chance) -> bool {
    at_one(document, chance, Document::arguments, |arguments, chance| match chance.below(3) {
        0 if !arguments.is_empty() => {
            let again = chance.item(arguments).clone();
            arguments.push(again);
        }
        1 if !arguments.is_empty() => {
            let position = chance.below(arguments.len());
            arguments[position].0 = chance.of(&["noSuchArgument", "id", "filter", "first", "if"]).to_owned();
        }
        _ => arguments.push((any_field(schema, chance), any_literal(chance))),
    })
}

fn missing_argument(document: &mut Document, _: &Schema, chance: &mut Chance) -> bool {
    let visit: Visit<Vec<(String, Literal)>> = |document, see| {
        document.arguments(&mut |arguments| {
            if !arguments.is_empty() {
                see(arguments);
            }
        });
    };
    at_one(document, chance, visit, |arguments, chance| {
        arguments.remove(chance.below(arguments.len()));
    })
}

fn other_literal(document: &mut Document, _: &Schema, chance: &mut Chance) -> bool {
    at_one(document, chance, Document::literals, |literal, chance| *literal = any_literal(chance))
}

fn quoted_or_not(document: &mut Document, _: &Schema, chance: &mut Chance) -> bool {
    let visit: Visit<String> = |document, see| {
        document.literals(&mut |literal| match literal {
            Literal::Plain(text) if text.starts_with(|first: char| first.is_ascii_alphabetic() || first == '"') => {
                see(text)
            }
            _ => {}
        });
    };
    at_one(document, chance, visit, |text, _| {
        *text = match text.strip_prefix('"') {
            Some(_) => text.chars().filter(char::is_ascii_alphanumeric).chain(['_']).collect(),
            None => format!("\"{text}\""),
        };
    })
}

fn other_list(document: &mut Document, _: &Schema, chance: &mut Chance) -> bool {
    at_one(document, chance, Document::literals, |literal, chance| {
        *literal = match std::mem::replace(literal, plain("null")) {
            Literal::List(mut items) if items.len() == 1 && chance.one_in(2) => items.remove(0),
            other => Literal::List(vec![other]),
        };
    })
}

fn other_object(document: &mut Document, schema: &Schema, chance: &mut Chance) -> bool {
    at_one(document, chance, Document::objects, |fields, chance| match chance.below(5) {
        0 if !fields.is_empty() => {
            fields.remove(chance.below(fields.len()));
        }
        1 if !fields.is_empty() => {
            let again = chance.item(fields).clone();
            fields.push(again);
        }
        2 if !fields.is_empty() => {
            let position = chance.below(fields.len());
            fields[position].1 = plain("null");
        }
        3 => {
            let inputs: Vec<_> = schema.types.values().filter(|ty| !ty.input_fields.is_empty()).collect();
            let ty = *chance.item(&inputs);
            fields.push((chance.item(&ty.input_fields).name.clone(), any_literal(chance)));
        }
        _ => fields.push((chance.of(&["id", "name", "eq", "createdAt"]).to_owned(), any_literal(chance))),
    })
}

fn other_variable_type(document: &mut Document, schema: &Schema, chance: &mut Chance) -> bool {
    at_one(document, chance, Document::variables, |variable, chance| {
        variable.ty = match chance.below(5) {
            0 => match variable.ty.strip_suffix('!') {
                Some(nullable) => nullable.to_owned(),
                None => format!("{}!", variable.ty),
            },
            1 => format!("[{}]", variable.ty),
            2 => variable.ty.trim_end_matches('!').trim_start_matches('[').trim_end_matches([']', '!']).to_owned(),
            3 => chance.of(&["Int", "String", "ID", "Boolean", "Float", "[Int!]", "JSON", "Decimal"]).to_owned(),
            _ => any_type(schema, chance),
        };
    })
}

fn undefined_variable(document: &mut Document, _: &Schema, chance: &mut Chance) -> bool {
    at_one(document, chance, Document::operations, |operation, chance| {
        let variables = &mut operation.variables;
        match chance.below(3) {
            0 if !variables.is_empty() => {
                variables.remove(chance.below(variables.len()));
            }
            1 if !variables.is_empty() => {
                let again = chance.item(variables).clone();
                variables.push(again);
            }
            _ => variables.push(Variable {
                name: "unused".to_owned(),
                ty: "Int".to_owned(),
                default: None,
                directives: Vec::new(),
            }),
        }
        with_kind(operation);
    })
}

/// The short form has no variables and no directives.
fn with_kind(operation: &mut Operation) {
    if operation.kind.is_empty() {
        operation.kind = "query".to_owned();
    }
}

fn other_default(document: &mut Document, _: &Schema, chance: &mut Chance) -> bool {
    at_one(document, chance, Document::variables, |variable, chance| {
        variable.default =
            if variable.default.is_some() && chance.one_in(3) { None } else { Some(any_literal(chance)) };
    })
}

fn variable_as_value(document: &mut Document, schema: &Schema, chance: &mut Chance) -> bool {
    let names: Vec<String> = {
        let mut names = Vec::new();
        document.variables(&mut |variable| names.push(variable.name.clone()));
        names
    };
    let name = if names.is_empty() || chance.one_in(3) {
        let inputs: Vec<&String> = schema.types.keys().filter(|name| schema.is_input(name)).collect();
        let named = Ref::Named((*chance.item(&inputs)).clone());
        let ty = match chance.below(3) {
            0 => named,
            1 => Ref::NonNull(Box::new(named)),
            _ => Ref::List(Box::new(named)),
        };
        let variable = Variable { name: "more".to_owned(), ty: ty.to_string(), default: None, directives: Vec::new() };
        for operation in &mut document.operations {
            operation.variables.push(variable.clone());
            with_kind(operation);
        }
        "more".to_owned()
    } else {
        chance.item(&names).clone()
    };
    at_one(document, chance, Document::literals, |literal, _| *literal = Literal::Variable(name))
}

fn fragment_cycle(document: &mut Document, _: &Schema, chance: &mut Chance) -> bool {
    let mut names = Vec::new();
    document.fragments(&mut |fragment| names.push(fragment.name.clone()));
    if names.is_empty() {
        return false;
    }
    let name = chance.item(&names).clone();
    at_one(document, chance, Document::fragments, |fragment, _| {
        let spread = Selection::Spread { name, directives: Vec::new() };
        match fragment.selections.first_mut() {
            Some(
                Selection::Field(Field { selections: Some(below), .. }) | Selection::Inline { selections: below, .. },
            ) => below.push(spread),
            _ => fragment.selections.push(spread),
        }
    })
}

fn other_condition(document: &mut Document, schema: &Schema, chance: &mut Chance) -> bool {
    if !document.fragments.is_empty() && chance.one_in(2) {
        return at_one(document, chance, Document::fragments, |fragment, chance| {
            fragment.on = any_type(schema, chance)
        });
    }
    at_one(document, chance, Document::selection_sets, |set, chance| {
        let selections = match set.first() {
            Some(first) if chance.one_in(2) => vec![first.clone()],
            _ => vec![Selection::Field(bare("__typename"))],
        };
        set.push(Selection::Inline { on: Some(any_type(schema, chance)), directives: Vec::new(), selections });
    })
}

fn stray_fragment(document: &mut Document, schema: &Schema, chance: &mut Chance) -> bool {
    match chance.below(3) {
        0 => {
            let on = any_type(schema, chance);
            let selections = vec![Selection::Field(bare("__typename"))];
            document.fragments.push(Fragment { name: "Unused".to_owned(), on, directives: Vec::new(), selections });
            true
        }
        1 => at_one(document, chance, Document::selection_sets, |set, _| {
            set.push(Selection::Spread { name: "NoSuchFragment".to_owned(), directives: Vec::new() });
        }),
        _ => {
            let again = document.fragments.first().cloned();
            again.map(|fragment| document.fragments.push(fragment)).is_some()
        }
    }
}

fn conflict(document: &mut Document, _: &Schema, chance: &mut Chance) -> bool {
    let visit: Visit<Vec<Selection>> = |document, see| {
        document.selection_sets(&mut |set| {
            if set.iter().any(|selection| matches!(selection, Selection::Field(_))) {
                see(set);
            }
        });
    };
    at_one(document, chance, visit, |set, chance| {
        let mut fields: Vec<Field> = set
            .iter()
            .filter_map(|selection| if let Selection::Field(field) = selection { Some(field.clone()) } else { None })
            .collect();
        let mut again = chance.item(&fields).clone();
        match chance.below(4) {
            0 => {
                let other = fields.remove(chance.below(fields.len()));
                again.alias = Some(other.alias.unwrap_or(other.name));
            }
            1 if !again.arguments.is_empty() => {
                let position = chance.below(again.arguments.len());
                again.arguments[position].1 = any_literal(chance);
            }
            2 if !again.arguments.is_empty() => again.arguments.reverse(),
            _ => again.alias = None,
        }
        let again = Selection::Field(again);
        set.push(if chance.one_in(2) {
            again
        } else {
            Selection::Inline { on: None, directives: Vec::new(), selections: vec![again] }
        });
    })
}

fn wrong_directive(document: &mut Document, _: &Schema, chance: &mut Chance) -> bool {
    let done = at_one(document, chance, Document::directives, |directives, chance| {
        let name = chance.of(&["skip", "include", "deprecated", "specifiedBy", "oneOf", "noSuchDirective"]);
        let condition = |literal: Literal| vec![("if".to_owned(), literal)];
        let arguments = match chance.below(6) {
            0 => Vec::new(),
            1 => condition(any_literal(chance)),
            2 => vec![("if".to_owned(), plain("true")), ("unless".to_owned(), plain("true"))],
            _ => condition(plain("true")),
        };
        directives.push(Directive { name: name.to_owned(), arguments });
    });
    document.operations.iter_mut().filter(|operation| !operation.directives.is_empty()).for_each(with_kind);
    done
}

fn other_operation(document: &mut Document, _: &Schema, chance: &mut Chance) -> bool {
    match chance.below(4) {
        0 => {
            let again = document.operations[0].clone();
            document.operations.push(again);
            true
        }
        1 => at_one(document, chance, Document::operations, |operation, chance| {
            operation.kind = chance.of(&["query", "mutation", "subscription", "Query", "fragment"]).to_owned();
        }),
        2 => at_one(document, chance, Document::operations, |operation, _| {
            with_kind(operation);
            operation.name = match operation.name.take() {
                Some(_) => None,
                None => Some("on".to_owned()),
            };
        }),
        _ => {
            let selections = vec![Selection::Field(bare("__typename"))];
            let name = chance.one_in(2).then(|| "More".to_owned());
            document.operations.push(Operation {
                kind: chance.of(&["query", "mutation", "subscription"]).to_owned(),
                name,
                variables: Vec::new(),
                directives: Vec::new(),
                selections,
            });
            true
        }
    }
}
