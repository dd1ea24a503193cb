//! Random operations on a schema, valid but for what they happen to say twice in different ways.

use cardine_tests::Chance;

use super::document::{Directive, Document, Field, Fragment, Literal, Operation, Selection, Variable};
use super::schema::{Input, Ref, Schema, Type};

/// Selections within each other, and input objects within each other.
const DEPTH_MAX: usize = 5;
const INPUT_DEPTH_MAX: usize = 3;
/// Selections of a document, about.
const SELECTIONS: usize = 30;
/// Lists of the introspection system within each other are bounded by the server.
const INTROSPECTION_DEPTH: usize = 2;

pub fn document(schema: &Schema, chance: &mut Chance) -> Document {
    let mut generator = Generator {
        schema,
        chance,
        fragments: Vec::new(),
        own_fragments: Vec::new(),
        variables: Vec::new(),
        left: SELECTIONS,
        names: 0,
    };
    let several = generator.chance.one_in(6);
    let operations = (0..if several { 2 } else { 1 }).map(|number| generator.operation(number, several)).collect();
    Document { operations, fragments: generator.fragments }
}

struct Generator<'a> {
    schema: &'a Schema,
    chance: &'a mut Chance,
    fragments: Vec<Fragment>,
    /// Names and types of the fragments of the operation at hand: others may use variables that it has not.
    own_fragments: Vec<(String, String)>,
    variables: Vec<Variable>,
    left: usize,
    names: usize,
}

impl Generator<'_> {
    fn operation(&mut self, number: usize, named: bool) -> Operation {
        self.own_fragments.clear();
        let (kind, root) = match self.chance.below(10) {
            0..=2 if self.schema.mutation.is_some() => ("mutation", self.schema.mutation.clone()),
            3 if self.schema.subscription.is_some() => ("subscription", self.schema.subscription.clone()),
            _ => ("query", None),
        };
        let root = root.unwrap_or_else(|| self.schema.query.clone());
        let mut selections = self.selections(&root, 0);
        if kind == "subscription" {
            selections = vec![Selection::Field(self.field(&root, 0))];
        }
        let variables = std::mem::take(&mut self.variables);
        let name = (named || self.chance.one_in(2)).then(|| format!("Q{number}"));
        let short = kind == "query" && name.is_none() && variables.is_empty() && self.chance.one_in(2);
        let kind = if short { "" } else { kind };
        Operation { kind: kind.to_owned(), name, variables, directives: Vec::new(), selections }
    }

    fn fresh(&mut self, prefix: &str) -> String {
        self.names += 1;
        format!("{prefix}{}", self.names)
    }

    fn selections(&mut self, parent: &str, depth: usize) -> Vec<Selection> {
        let many = 1 + self.chance.below(4);
        (0..many).map(|_| self.selection(parent, depth)).collect()
    }

    fn selection(&mut self, parent: &str, depth: usize) -> Selection {
        self.left = self.left.saturating_sub(1);
        match self.chance.below(12) {
            0 | 1 if depth < DEPTH_MAX => {
                let on = (!self.chance.one_in(4)).then(|| self.condition(parent));
                let selections = self.selections(&on.clone().unwrap_or_else(|| parent.to_owned()), depth + 1);
                Selection::Inline { on, directives: self.directives(), selections }
            }
            2 if depth < DEPTH_MAX => self.spread(parent, depth),
            _ => Selection::Field(self.field(parent, depth)),
        }
    }

    fn condition(&mut self, parent: &str) -> String {
        let overlapping = self.schema.overlapping(parent);
        self.chance.of(&overlapping).to_owned()
    }

    fn spread(&mut self, parent: &str, depth: usize) -> Selection {
        let known: Vec<&(String, String)> = self.own_fragments.iter().filter(|(_, on)| on == parent).collect();
        let name = if !known.is_empty() && self.chance.one_in(2) {
            self.chance.of(&known).0.clone()
        } else {
            let on = self.condition(parent);
            let name = self.fresh("F");
            let selections = self.selections(&on, depth + 1);
            self.fragments.push(Fragment { name: name.clone(), on: on.clone(), directives: Vec::new(), selections });
            self.own_fragments.push((name.clone(), on));
            name
        };
        Selection::Spread { name, directives: self.directives() }
    }

    fn field(&mut self, parent: &str, depth: usize) -> Field {
        let schema = self.schema;
        let deepest = if parent.starts_with("__") { INTROSPECTION_DEPTH } else { DEPTH_MAX };
        let fields: Vec<_> = {
            let deep = depth >= deepest || self.left == 0;
            let fits = |field: &&super::schema::Field| !deep || !schema.is_composite(field.ty.inner());
            schema.ty(parent).fields.iter().filter(fits).collect()
        };
        let meta = parent == schema.query && self.chance.one_in(20);
        if meta && depth < deepest {
            let schema_field = self.chance.one_in(2);
            let arguments = if schema_field { vec![] } else { vec![("name".to_owned(), self.required_text())] };
            let (name, ty) = if schema_field { ("__schema", "__Schema") } else { ("__type", "__Type") };
            let selections = Some(self.selections(ty, 1));
            return Field {
                alias: Some(self.fresh("a")),
                name: name.to_owned(),
                arguments,
                directives: self.directives(),
                selections,
            };
        }
        if fields.is_empty() || self.chance.one_in(12) {
            let alias = self.chance.one_in(4).then(|| self.fresh("a"));
            return Field {
                alias,
                name: "__typename".to_owned(),
                arguments: Vec::new(),
                directives: self.directives(),
                selections: None,
            };
        }
        let field = *self.chance.item(&fields);
        let arguments = self.arguments(&field.arguments);
        // Where the same field stands twice with other arguments, another name keeps them apart; mostly.
        let aliased = if arguments.is_empty() { self.chance.one_in(6) } else { !self.chance.one_in(6) };
        let alias = aliased.then(|| self.fresh("a"));
        let inner = field.ty.inner();
        let selections = schema.is_composite(inner).then(|| self.selections(inner, depth + 1));
        Field { alias, name: field.name.clone(), arguments, directives: self.directives(), selections }
    }

    fn required_text(&mut self) -> Literal {
        self.value(&Ref::NonNull(Box::new(Ref::Named("String".to_owned()))), false, false, 0)
    }

    fn directives(&mut self) -> Vec<Directive> {
        let mut directives = Vec::new();
        for name in ["skip", "include"] {
            if self.chance.one_in(16) {
                let condition = Ref::NonNull(Box::new(Ref::Named("Boolean".to_owned())));
                let value = self.value(&condition, false, false, 0);
                directives.push(Directive { name: name.to_owned(), arguments: vec![("if".to_owned(), value)] });
            }
        }
        directives
    }

    fn arguments(&mut self, defined: &[Input]) -> Vec<(String, Literal)> {
        let mut given = Vec::new();
        for argument in defined {
            let required = argument.ty.is_non_null() && argument.default.is_none();
            if required || self.chance.one_in(4) {
                let value = self.value(&argument.ty, argument.default.is_some(), false, 0);
                given.push((argument.name.clone(), value));
            }
        }
        given
    }

    /// A value of the type, or a variable that may stand there.
    fn value(&mut self, ty: &Ref, has_default: bool, one_of: bool, depth: usize) -> Literal {
        if self.chance.one_in(6) {
            return self.variable(ty, has_default, one_of, depth);
        }
        match ty {
            _ if !ty.is_non_null() && !one_of && self.chance.one_in(12) => plain("null"),
            Ref::NonNull(inner) => self.present(inner, depth),
            _ => self.present(ty, depth),
        }
    }

    fn present(&mut self, ty: &Ref, depth: usize) -> Literal {
        match ty {
            Ref::NonNull(inner) => self.present(inner, depth),
            Ref::List(item) if self.chance.one_in(5) => self.present(item, depth),
            Ref::List(item) => {
                let many = self.chance.below(3);
                Literal::List((0..many).map(|_| self.value(item, false, false, depth)).collect())
            }
            Ref::Named(name) => {
                let schema = self.schema;
                let ty = schema.ty(name);
                match ty.kind.as_str() {
                    "ENUM" => plain(&self.chance.item(&ty.values).0),
                    "INPUT_OBJECT" => Literal::Object(self.object(ty, depth)),
                    _ => scalar(name, self.chance),
                }
            }
        }
    }

    fn object(&mut self, ty: &Type, depth: usize) -> Vec<(String, Literal)> {
        let schema = self.schema;
        let is_leaf = |field: &&Input| schema.ty(field.ty.inner()).kind != "INPUT_OBJECT";
        if ty.one_of {
            let shallow: Vec<&Input> = ty.input_fields.iter().filter(is_leaf).collect();
            let any: Vec<&Input> = ty.input_fields.iter().collect();
            let among = if depth < INPUT_DEPTH_MAX || shallow.is_empty() { &any } else { &shallow };
            let field = *self.chance.item(among);
            return vec![(field.name.clone(), self.value(&field.ty, false, true, depth + 1))];
        }
        let mut given = Vec::new();
        let optional = if depth < INPUT_DEPTH_MAX { 1 + self.chance.below(3) } else { 0 };
        let mut chosen: Vec<usize> = (0..optional).map(|_| self.chance.below(ty.input_fields.len())).collect();
        chosen.dedup();
        for (position, field) in ty.input_fields.iter().enumerate() {
            let required = field.ty.is_non_null() && field.default.is_none();
            if required || chosen.contains(&position) {
                let value = self.value(&field.ty, field.default.is_some(), false, depth + 1);
                given.push((field.name.clone(), value));
            }
        }
        given
    }

    fn variable(&mut self, ty: &Ref, has_default: bool, one_of: bool, depth: usize) -> Literal {
        // The same variable again, where its type is to the letter what is expected.
        let known: Vec<&Variable> = self.variables.iter().filter(|known| known.ty == ty.to_string()).collect();
        if !known.is_empty() && !one_of && self.chance.one_in(2) {
            return Literal::Variable(self.chance.of(&known).name.clone());
        }
        let nullable = ty.nullable();
        let (shown, default) = match (ty.is_non_null(), self.chance.below(3)) {
            _ if one_of => (format!("{nullable}!"), None),
            (true, 0) if !has_default => (nullable.to_string(), Some(self.constant(nullable, depth))),
            (true, _) if has_default => (nullable.to_string(), None),
            (true, _) => (ty.to_string(), None),
            (false, 0) => (format!("{ty}!"), None),
            (false, 1) => (ty.to_string(), Some(self.constant(nullable, depth))),
            (false, _) => (ty.to_string(), None),
        };
        let name = self.fresh("v");
        self.variables.push(Variable { name: name.clone(), ty: shown, default, directives: Vec::new() });
        Literal::Variable(name)
    }

    /// A value without variables, never null.
    fn constant(&mut self, ty: &Ref, depth: usize) -> Literal {
        let before = self.variables.len();
        let value = self.present(ty, depth.max(INPUT_DEPTH_MAX));
        if self.variables.len() == before {
            return value;
        }
        self.variables.truncate(before);
        match ty {
            Ref::List(_) => Literal::List(Vec::new()),
            _ => plain("null"),
        }
    }
}

fn plain(text: &str) -> Literal {
    Literal::Plain(text.to_owned())
}

/// A literal of a scalar.
fn scalar(name: &str, chance: &mut Chance) -> Literal {
    let texts = [
        "\"\"",
        "\"è \\\"q\\\"\"",
        "\"\\u00e8\\u{1F600}\\uD83D\\uDE00\"",
        "\"\"\"\n  a \\\"\"\"\n   b\n\"\"\"",
        "\"null\"",
        "\"Zürich\"",
    ];
    plain(match name {
        "Int" => chance.of(&["0", "1", "-1", "7", "2147483647", "-2147483648"]),
        "Float" => chance.of(&["0", "1.5", "-2e10", "3"]),
        "Boolean" => chance.of(&["true", "false"]),
        "ID" => chance.of(&["\"x\"", "7", "-3", "\"0198c1a0-0000-7000-8000-000000000000\"", "9007199254740993"]),
        "BigInt" => chance.of(&["0", "-5", "9223372036854775807", "\"9007199254740993\"", "\"-1\""]),
        "Decimal" => chance.of(&["0", "-12", "\"12.50\"", "\"-0.1\"", "\"100\""]),
        "Date" => chance.of(&["\"2026-01-31\"", "\"2024-02-29\""]),
        "Time" => chance.of(&["\"00:00:00\"", "\"23:59:59\""]),
        "DateTime" => chance.of(&["\"2026-01-31T12:00:00Z\"", "\"2026-01-31T12:00:00.123+02:00\""]),
        "Duration" => chance.of(&["\"P1D\"", "\"PT36H\""]),
        "JSON" => return json(chance),
        _ => chance.of(&texts),
    })
}

fn json(chance: &mut Chance) -> Literal {
    match chance.below(6) {
        0 => Literal::List(vec![plain("1"), plain("\"x\""), plain("A_WORD")]),
        1 => Literal::Object(vec![("a".to_owned(), plain("1.5")), ("b".to_owned(), Literal::List(Vec::new()))]),
        2 => plain("true"),
        3 => plain("\"text\""),
        4 => plain("12"),
        _ => Literal::Object(Vec::new()),
    }
}
