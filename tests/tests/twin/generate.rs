//! Random operations from a caller's schema: every field, argument and input that it has may stand in one.

use cardine_tests::Chance;
use serde_json::json;

use super::base::lower_first;
use super::operation::{Argument, Given, Kind, Operation, Selection};
use super::schema::{Input, Output, Schema, Ty};
use super::values::{Ids, scalar, word};

/// Which operations are made.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Focus<'a> {
    /// Any; one in seven writes.
    All,
    /// Only queries of these root fields: those whose name holds this.
    Queries(&'a str),
    /// Only mutations whose name begins so.
    Mutations(&'a str),
    /// Only what is followed.
    Changes,
    /// The same, of this root field.
    Followed(&'a str),
}

pub struct Generator<'a> {
    pub schema: &'a Schema,
    pub ids: &'a Ids,
    pub chance: &'a mut Chance,
    /// Names of fields, arguments and inputs that are chosen in every second case where they can be.
    pub lean: &'a [&'a str],
}

/// In place of a name to lean to: ids that are in one world alone.
pub const LOPSIDED: &str = "lopsided";
/// How deep selections and inputs go.
const DEPTH_MAX: usize = 5;

impl Generator<'_> {
    pub fn operation(&mut self, focus: Focus<'_>) -> Operation {
        let kind = match focus {
            Focus::All if self.chance.one_in(7) => Kind::Mutation,
            Focus::All | Focus::Queries(_) => Kind::Query,
            Focus::Mutations(_) => Kind::Mutation,
            Focus::Changes | Focus::Followed(_) => Kind::Subscription,
        };
        let (root, wanted) = match (kind, focus) {
            (Kind::Query, Focus::Queries(part)) => ("Query", part),
            (Kind::Query, _) => ("Query", ""),
            (Kind::Mutation, Focus::Mutations(part)) => ("Mutation", part),
            (Kind::Mutation, _) => ("Mutation", ""),
            (Kind::Subscription, Focus::Followed(name)) => ("Subscription", name),
            (Kind::Subscription, _) => ("Subscription", ""),
        };
        let fields: Vec<Output> = self.schema.get(root).fields.clone();
        let mut fields: Vec<&Output> = fields.iter().filter(|field| field.name.contains(wanted)).collect();
        if kind == Kind::Mutation && wanted.is_empty() && !self.chance.one_in(6) {
            // What takes many records away leaves little to ask about.
            fields.retain(|field| !["delete", "destroy", "merge"].iter().any(|verb| field.name.starts_with(verb)));
        }
        if fields.is_empty() {
            return Operation { kind: Kind::Query, roots: vec![Selection::leaf("__typename")] };
        }
        let count = if kind == Kind::Subscription { 1 } else { 1 + usize::from(self.chance.one_in(6)) };
        let roots = (0..count).map(|_| {
            let field = self.choose(&fields, |field| &field.name).clone();
            // Small ones tell more of a single place, which must not be too deep for them.
            let small = if self.lean.is_empty() { 1 } else { 2 };
            let depth = if self.chance.one_in(2) { DEPTH_MAX - 1 } else { small };
            let mut selection = self.field(&field, depth);
            if field.name == "search" && self.chance.one_in(2) {
                selection.arguments.retain(|argument| argument.name != "modules");
            }
            selection
        });
        let mut operation = Operation { kind, roots: roots.collect() };
        if self.chance.one_in(25) {
            self.spoil(&mut operation);
        }
        operation
    }

    /// A field with arguments, and what is selected of it.
    fn field(&mut self, field: &Output, depth: usize) -> Selection {
        let mut selection = Selection::leaf(&field.name);
        let module = self.module_of(field.ty.name());
        for input in &field.arguments {
            let is_needed = input.ty.is_required() && !input.has_default;
            let often = match input.name.as_str() {
                name if self.lean.contains(&name) => 1,
                "filter" | "orderBy" => 2,
                _ => 4,
            };
            if is_needed || self.chance.one_in(often) {
                let value = self.argument(input, module.as_deref());
                let by_variable = self.chance.one_in(4);
                selection.arguments.push(Argument {
                    name: input.name.clone(),
                    ty: input.ty.show(),
                    value,
                    by_variable,
                });
            }
        }
        self.settle_page(&mut selection);
        selection.inner = self.selections(field.ty.name(), depth);
        selection
    }

    /// Mostly what a page may be; one in ten stays as chance would have it.
    fn settle_page(&mut self, selection: &mut Selection) {
        if self.chance.one_in(10) {
            return;
        }
        let has = |selection: &Selection, name: &str| selection.arguments.iter().any(|one| one.name == name);
        selection.arguments.retain(|argument| !["after", "before"].contains(&argument.name.as_str()));
        if has(selection, "first") {
            selection.arguments.retain(|argument| argument.name != "last");
        }
        if has(selection, "last") {
            selection.arguments.retain(|argument| argument.name != "offset");
        }
    }

    fn selections(&mut self, ty: &str, depth: usize) -> Vec<Selection> {
        let ty = self.schema.get(ty).clone();
        if !["OBJECT", "INTERFACE", "UNION"].contains(&ty.kind.as_str()) {
            return Vec::new();
        }
        let mut found = Vec::new();
        if ty.kind != "OBJECT" {
            found.push(Selection::leaf("__typename"));
            for possible in &ty.possible {
                if ty.possible.len() < 3 || self.chance.one_in(2) {
                    let inner = self.selections(possible, depth.saturating_sub(1));
                    found.push(Selection::fragment(possible, inner));
                }
            }
        }
        let is_leaf = |generator: &Self, field: &Output| {
            !["OBJECT", "INTERFACE", "UNION"].contains(&generator.schema.get(field.ty.name()).kind.as_str())
        };
        let (leaves, branches): (Vec<&Output>, Vec<&Output>) =
            ty.fields.iter().filter(|field| !field.name.starts_with("__")).partition(|field| is_leaf(self, field));
        let introspects = ty.name.starts_with("__");
        for _ in 0..1 + self.chance.below(4) {
            if !leaves.is_empty() {
                let field = self.choose(&leaves, |field| &field.name).clone();
                let one = self.field(&field, 0);
                if !found.contains(&one) {
                    found.push(one);
                }
            }
        }
        let most = if introspects { 1 } else { 3 };
        let is_wanted = leaves.is_empty() || branches.iter().any(|field| self.lean.contains(&field.name.as_str()));
        let wanted = usize::from(is_wanted) + self.chance.below(most);
        let lists = ["nodes", "edges", "record", "node", "aggregate", "key"];
        for _ in 0..wanted {
            let near: Vec<&Output> = branches
                .iter()
                .copied()
                .filter(|field| depth > 0 || (lists.contains(&field.name.as_str()) && leaves.is_empty()))
                .collect();
            if near.is_empty() {
                break;
            }
            let field = self.choose(&near, |field| &field.name).clone();
            let one = self.field(&field, depth.saturating_sub(1));
            if !found.contains(&one) && (!one.inner.is_empty() || is_leaf(self, &field)) {
                found.push(one);
            }
        }
        if found.is_empty() {
            found.push(Selection::leaf("__typename"));
        }
        if ty.fields.iter().any(|field| field.name == "pageInfo") && self.chance.one_in(2) {
            let page = ["hasNextPage", "hasPreviousPage", "startCursor", "endCursor"].map(Selection::leaf);
            found.retain(|one| one.name != "pageInfo");
            found.push(Selection::leaf("pageInfo").with(page.to_vec()));
        }
        found
    }

    fn argument(&mut self, input: &Input, module: Option<&str>) -> Given {
        match input.name.as_str() {
            "first" | "last" if !self.chance.one_in(12) => Given::Json(json!(1 + self.chance.below(6))),
            "offset" if !self.chance.one_in(12) => Given::Json(json!(self.chance.below(4))),
            "modules" => {
                let known: Vec<&String> = self.ids.seen.keys().collect();
                let one = if known.is_empty() || self.chance.one_in(5) {
                    "Vault".to_owned()
                } else {
                    (*self.chance.item(&known)).clone()
                };
                Given::List(vec![Given::Json(json!(one))])
            }
            "name" if input.ty.show() == "String!" => {
                let names = self.schema.names();
                Given::Json(json!(if self.chance.one_in(4) { "Vault" } else { *self.chance.item(&names) }))
            }
            _ => self.value(&input.ty, &input.name, module, 0),
        }
    }

    fn value(&mut self, ty: &Ty, name: &str, module: Option<&str>, depth: usize) -> Given {
        match ty {
            Ty::NonNull(inner) => match self.value(inner, name, module, depth) {
                Given::Json(json) if json.is_null() && inner.name() != "JSON" => self.value(inner, name, module, depth),
                value => value,
            },
            Ty::List(inner) => {
                let count = if self.chance.one_in(8) { 0 } else { 1 + self.chance.below(3) };
                Given::List((0..count).map(|_| self.value(inner, name, module, depth)).collect())
            }
            Ty::Named(_) if depth > 0 && self.chance.one_in(25) => Given::Json(json!(null)),
            Ty::Named(ty) => self.named(ty, name, module, depth),
        }
    }

    fn named(&mut self, name: &str, field: &str, module: Option<&str>, depth: usize) -> Given {
        let ty = self.schema.get(name).clone();
        match ty.kind.as_str() {
            "ENUM" => Given::Enum(self.choose(&ty.values.iter().collect::<Vec<_>>(), |value| value).clone()),
            "INPUT_OBJECT" => self.input_object(&ty.name, depth),
            _ if name == "ID" => {
                let module = self.module_named_in(field).or_else(|| module.map(str::to_owned));
                let lopsided = self.lean.contains(&LOPSIDED) && self.chance.one_in(2);
                let lopsided = module.as_ref().filter(|_| lopsided).and_then(|module| self.ids.lopsided.get(module));
                Given::Json(json!(match lopsided {
                    Some(ids) => self.chance.item(ids).clone(),
                    None => self.ids.one(self.chance, module.as_deref()),
                }))
            }
            _ if field == "path" => Given::Json(json!(self.chance.of(&["$.a", "$.b[0]", "$.c.d", "a"]))),
            _ if name == "String" => Given::Json(json!(word(self.chance))),
            _ => Given::Json(scalar(self.chance, name)),
        }
    }

    fn input_object(&mut self, name: &str, depth: usize) -> Given {
        let ty = self.schema.get(name).clone();
        let module = self.module_of(name);
        let is_object = |generator: &Self, input: &Input| generator.schema.get(input.ty.name()).kind == "INPUT_OBJECT";
        let is_operators = |generator: &Self, input: &Input| {
            let inner = generator.schema.get(input.ty.name());
            inner.kind == "INPUT_OBJECT" && inner.inputs.iter().any(|inner| inner.name == "isNull")
        };
        // Where it is deep already, what ends.
        let fits = |generator: &Self, input: &Input| {
            depth < DEPTH_MAX || !is_object(generator, input) || (depth == DEPTH_MAX && is_operators(generator, input))
        };
        let known: Vec<&Input> = ty.inputs.iter().filter(|input| fits(self, input)).collect();
        if known.is_empty() {
            return Given::Object(Vec::new());
        }
        if ty.one_of {
            let input = self.choose(&known, |input| &input.name).clone();
            let value = self.value(&Ty::NonNull(Box::new(input.ty.clone())), &input.name, module.as_deref(), depth + 1);
            return Given::Object(vec![(input.name, value)]);
        }
        let wanted = 1 + if self.chance.one_in(3) { self.chance.below(3) } else { 0 };
        let mut chosen: Vec<Input> =
            ty.inputs.iter().filter(|input| input.ty.is_required() && !input.has_default).cloned().collect();
        let needs_more = if ty.name.ends_with("Create") { self.chance.below(5) } else { wanted };
        for _ in 0..needs_more {
            let input = self.choose(&known, |input| &input.name).clone();
            if !chosen.iter().any(|one| one.name == input.name) {
                chosen.push(input);
            }
        }
        let entries = chosen.into_iter().map(|input| {
            let value = self.value(&input.ty, &input.name, module.as_deref(), depth + 1);
            (input.name, value)
        });
        Given::Object(entries.collect())
    }

    /// One of them, by its name.
    fn choose<'x, T>(&mut self, items: &[&'x T], name: impl Fn(&T) -> &str) -> &'x T {
        if !self.lean.is_empty() && self.chance.one_in(2) {
            let liked: Vec<&T> = items.iter().copied().filter(|item| self.lean.contains(&name(item))).collect();
            if !liked.is_empty() {
                return liked[self.chance.below(liked.len())];
            }
        }
        items[self.chance.below(items.len())]
    }

    /// The module that a type belongs to: the longest name that it begins with; of the links of a many-to-many relation the one that
    /// they lead to.
    fn module_of(&self, ty: &str) -> Option<String> {
        let longest = |ty: &str| {
            let modules = self.ids.seen.keys().filter(|module| ty.starts_with(module.as_str()));
            modules.max_by_key(|module| module.len()).cloned()
        };
        let module = longest(ty)?;
        let rest = ty[module.len()..].strip_suffix("Input").map(|rest| rest.strip_suffix("Link").unwrap_or(rest));
        let relation = rest.map(lower_first).unwrap_or_default();
        let fields = &self.schema.get(&module).fields;
        let connection = fields.iter().find(|field| field.name == relation).map(|field| field.ty.name());
        let nodes = connection.map(|connection| self.schema.get(connection).fields.iter());
        let nodes = nodes.and_then(|mut fields| fields.find(|field| field.name == "nodes"));
        Some(nodes.and_then(|nodes| longest(nodes.ty.name())).unwrap_or(module))
    }

    /// Of `firmId` that is `Firm`.
    fn module_named_in(&self, field: &str) -> Option<String> {
        let name = field.strip_suffix("Id")?;
        self.ids.seen.keys().find(|module| module.eq_ignore_ascii_case(name)).cloned()
    }

    /// Puts in a name that the caller does not know, or that nobody does.
    fn spoil(&mut self, operation: &mut Operation) {
        let name = self.chance.of(&["secret", "margin", "cost", "salary", "vaults", "nothing", "deletedAt"]);
        let root = &mut operation.roots[0];
        match self.chance.below(3) {
            0 => root.inner.push(Selection::leaf(name)),
            1 => {
                let value = Given::Object(vec![(
                    name.to_owned(),
                    Given::Object(vec![("eq".to_owned(), Given::Json(json!("alpha")))]),
                )]);
                root.arguments.retain(|argument| argument.name != "filter");
                let argument =
                    Argument { name: "filter".to_owned(), ty: "String".to_owned(), value, by_variable: false };
                root.arguments.push(argument);
            }
            _ => root.name = format!("{name}s"),
        }
    }
}
