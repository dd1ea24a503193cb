//! A document as a tree that can be changed at any place, valid or not, and its text.

use std::fmt::Write as _;

use cardine_tests::Chance;

/// Arguments, or the fields of an object: names with their literals.
pub type Entries = Vec<(String, Literal)>;

#[derive(Debug, Clone, Default)]
pub struct Document {
    pub operations: Vec<Operation>,
    pub fragments: Vec<Fragment>,
}

#[derive(Debug, Clone)]
pub struct Operation {
    /// `query`, `mutation`, `subscription`, or nothing for the short form.
    pub kind: String,
    pub name: Option<String>,
    pub variables: Vec<Variable>,
    pub directives: Vec<Directive>,
    pub selections: Vec<Selection>,
}

#[derive(Debug, Clone)]
pub struct Variable {
    pub name: String,
    pub ty: String,
    pub default: Option<Literal>,
    pub directives: Vec<Directive>,
}

#[derive(Debug, Clone)]
pub struct Fragment {
    pub name: String,
    pub on: String,
    pub directives: Vec<Directive>,
    pub selections: Vec<Selection>,
}

#[derive(Debug, Clone)]
pub enum Selection {
    Field(Field),
    Spread { name: String, directives: Vec<Directive> },
    Inline { on: Option<String>, directives: Vec<Directive>, selections: Vec<Selection> },
}

#[derive(Debug, Clone)]
pub struct Field {
    pub alias: Option<String>,
    pub name: String,
    pub arguments: Vec<(String, Literal)>,
    pub directives: Vec<Directive>,
    /// `None` where there are no braces.
    pub selections: Option<Vec<Selection>>,
}

#[derive(Debug, Clone)]
pub struct Directive {
    pub name: String,
    pub arguments: Vec<(String, Literal)>,
}

#[derive(Debug, Clone, PartialEq)]
pub enum Literal {
    Variable(String),
    /// A scalar or an enum's value as it is written.
    Plain(String),
    List(Vec<Literal>),
    Object(Vec<(String, Literal)>),
}

/// Shows every place of one kind in a document to a function.
pub type Visit<T> = fn(&mut Document, &mut dyn FnMut(&mut T));

impl Document {
    pub fn selection_sets(&mut self, see: &mut dyn FnMut(&mut Vec<Selection>)) {
        fn below(selections: &mut Vec<Selection>, see: &mut dyn FnMut(&mut Vec<Selection>)) {
            see(selections);
            for selection in selections {
                match selection {
                    Selection::Field(field) => field.selections.iter_mut().for_each(|set| below(set, see)),
                    Selection::Inline { selections, .. } => below(selections, see),
                    Selection::Spread { .. } => {}
                }
            }
        }
        self.operations.iter_mut().for_each(|operation| below(&mut operation.selections, see));
        self.fragments.iter_mut().for_each(|fragment| below(&mut fragment.selections, see));
    }

    pub fn selections(&mut self, see: &mut dyn FnMut(&mut Selection)) {
        self.selection_sets(&mut |set| set.iter_mut().for_each(&mut *see));
    }

    pub fn fields(&mut self, see: &mut dyn FnMut(&mut Field)) {
        self.selections(&mut |selection| {
            if let Selection::Field(field) = selection {
                see(field);
            }
        });
    }

    /// Where a directive may be written.
    pub fn directives(&mut self, see: &mut dyn FnMut(&mut Vec<Directive>)) {
        for operation in &mut self.operations {
            see(&mut operation.directives);
            operation.variables.iter_mut().for_each(|variable| see(&mut variable.directives));
        }
        self.fragments.iter_mut().for_each(|fragment| see(&mut fragment.directives));
        self.selections(&mut |selection| match selection {
            Selection::Field(Field { directives, .. })
            | Selection::Spread { directives, .. }
            | Selection::Inline { directives, .. } => see(directives),
        });
    }

    /// Where an argument may be written.
    pub fn arguments(&mut self, see: &mut dyn FnMut(&mut Entries)) {
        self.fields(&mut |field| see(&mut field.arguments));
        self.directives(&mut |directives| directives.iter_mut().for_each(|directive| see(&mut directive.arguments)));
    }

    pub fn literals(&mut self, see: &mut dyn FnMut(&mut Literal)) {
        fn below(literal: &mut Literal, see: &mut dyn FnMut(&mut Literal)) {
            see(literal);
            match literal {
                Literal::List(items) => items.iter_mut().for_each(|item| below(item, see)),
                Literal::Object(fields) => fields.iter_mut().for_each(|(_, value)| below(value, see)),
                Literal::Variable(_) | Literal::Plain(_) => {}
            }
        }
        for operation in &mut self.operations {
            let defaults = operation.variables.iter_mut().filter_map(|variable| variable.default.as_mut());
            defaults.for_each(|default| below(default, see));
        }
        self.arguments(&mut |arguments| arguments.iter_mut().for_each(|(_, value)| below(value, see)));
    }

    pub fn objects(&mut self, see: &mut dyn FnMut(&mut Entries)) {
        self.literals(&mut |literal| {
            if let Literal::Object(fields) = literal {
                see(fields);
            }
        });
    }

    pub fn variables(&mut self, see: &mut dyn FnMut(&mut Variable)) {
        self.operations.iter_mut().flat_map(|operation| &mut operation.variables).for_each(see);
    }

    pub fn operations(&mut self, see: &mut dyn FnMut(&mut Operation)) {
        self.operations.iter_mut().for_each(see);
    }

    pub fn fragments(&mut self, see: &mut dyn FnMut(&mut Fragment)) {
        self.fragments.iter_mut().for_each(see);
    }

    /// Its text; what means nothing (spaces, commas, comments) by chance.
    pub fn text(&self, chance: &mut Chance) -> String {
        self.print(Some(chance))
    }

    /// Its text with nothing but single spaces.
    pub fn plain_text(&self) -> String {
        self.print(None)
    }

    fn print(&self, chance: Option<&mut Chance>) -> String {
        let mut printer = Printer { out: String::new(), chance };
        // Fragments may stand before what uses them.
        let first = printer.one_in(3);
        if first {
            self.fragments.iter().for_each(|fragment| printer.fragment(fragment));
        }
        self.operations.iter().for_each(|operation| printer.operation(operation));
        if !first {
            self.fragments.iter().for_each(|fragment| printer.fragment(fragment));
        }
        printer.out
    }
}

struct Printer<'a> {
    out: String,
    chance: Option<&'a mut Chance>,
}

impl Printer<'_> {
    fn one_in(&mut self, many: usize) -> bool {
        self.chance.as_mut().is_some_and(|chance| chance.one_in(many))
    }

    fn gap(&mut self) {
        let gap = if self.one_in(4)
            && let Some(chance) = &mut self.chance
        {
            chance.of(&["\n", "  ", ",", "\t", "\r\n", " # \"{ è\n", "\u{FEFF}", " , ,"])
        } else {
            " "
        };
        self.out.push_str(gap);
    }

    fn word(&mut self, word: &str) {
        self.out.push_str(word);
        self.gap();
    }

    fn operation(&mut self, operation: &Operation) {
        if !operation.kind.is_empty() && self.one_in(20) {
            self.word("\"\"\"What it is for.\"\"\"");
        }
        self.word(&operation.kind);
        self.word(operation.name.as_deref().unwrap_or_default());
        if !operation.variables.is_empty() {
            self.word("(");
            for variable in &operation.variables {
                let _ = write!(self.out, "${}:{}", variable.name, variable.ty);
                if let Some(default) = &variable.default {
                    self.out.push('=');
                    self.literal(default);
                }
                self.gap();
                self.directives(&variable.directives);
            }
            self.word(")");
        }
        self.directives(&operation.directives);
        self.selections(&operation.selections);
    }

    fn fragment(&mut self, fragment: &Fragment) {
        self.word("fragment");
        self.word(&fragment.name);
        self.word("on");
        self.word(&fragment.on);
        self.directives(&fragment.directives);
        self.selections(&fragment.selections);
    }

    fn selections(&mut self, selections: &[Selection]) {
        self.word("{");
        for selection in selections {
            match selection {
                Selection::Field(field) => self.field(field),
                Selection::Spread { name, directives } => {
                    self.out.push_str("...");
                    self.word(name);
                    self.directives(directives);
                }
                Selection::Inline { on, directives, selections } => {
                    self.word("...");
                    if let Some(on) = on {
                        self.word("on");
                        self.word(on);
                    }
                    self.directives(directives);
                    self.selections(selections);
                }
            }
        }
        self.word("}");
    }

    fn field(&mut self, field: &Field) {
        if let Some(alias) = &field.alias {
            self.word(alias);
            self.word(":");
        }
        self.word(&field.name);
        self.arguments(&field.arguments);
        self.directives(&field.directives);
        if let Some(selections) = &field.selections {
            self.selections(selections);
        }
    }

    fn directives(&mut self, directives: &[Directive]) {
        for directive in directives {
            self.out.push('@');
            self.word(&directive.name);
            self.arguments(&directive.arguments);
        }
    }

    fn arguments(&mut self, arguments: &[(String, Literal)]) {
        if arguments.is_empty() {
            return;
        }
        self.word("(");
        for (name, value) in arguments {
            self.word(name);
            self.word(":");
            self.literal(value);
        }
        self.word(")");
    }

    fn literal(&mut self, literal: &Literal) {
        match literal {
            Literal::Variable(name) => {
                self.out.push('$');
                self.word(name);
            }
            Literal::Plain(text) => self.word(text),
            Literal::List(items) => {
                self.word("[");
                items.iter().for_each(|item| self.literal(item));
                self.word("]");
            }
            Literal::Object(fields) => {
                self.word("{");
                for (name, value) in fields {
                    self.word(name);
                    self.word(":");
                    self.literal(value);
                }
                self.word("}");
            }
        }
    }
}
