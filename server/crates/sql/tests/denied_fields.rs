//! Random questions under random rights: the gate refuses exactly those that name something hidden, and in the SQL of the
//! others stands no column and no table of anything hidden.
//!
//! Two things of hidden fields may stand there, and only in their own form: the columns that record rules compare (the owner,
//! the reference to the parent), and what published fields are made of. The latter are left out here; `cases/published_…`
//! shows them.
#![allow(clippy::unwrap_used, reason = "in a test a panic is how it fails; clippy sees only functions marked #[test]")]

#[path = "../../access/tests/company/mod.rs"]
mod company;

use std::cell::Cell;
use std::collections::{BTreeMap, HashSet};
use std::sync::Arc;

use cardine_access::{FieldAccess, Grants, ModuleGrant, Rights};
use cardine_model::catalog::{Catalog, Field, FieldId, FieldKind, FieldPath, Hop, Module, ModuleId};
use cardine_query::{
    Child, CompareOp, DatePart, Deleted, Filter, GroupCondition, GroupKey, GroupOrder, GroupTerm, GroupTest, Grouping,
    History, KeysetValue, List, Measure, Nulls, OrderKey, Page, Quantifier, Slot, Take, authorise,
};
use cardine_sql::{Dialect, Found, ListStatements, render_list};
use proptest::prelude::*;
use proptest::test_runner::{Config, TestRunner};

/// What is published, or made of it.
const PUBLISHED: [&str; 3] = ["score", "level", "allMargin"];

#[test]
fn a_denied_field_is_in_no_sql() {
    let catalog = company::catalog();
    let (passed, refused) = (Cell::new(0), Cell::new(0));
    let mut runner = TestRunner::new(Config { cases: 2_000, failure_persistence: None, ..Config::default() });
    let choices = proptest::collection::vec(any::<u16>(), 300);
    let outcome = runner.run(&choices, |choices| {
        let mut chance = Chance { choices, next: 0 };
        let rights = Rights::resolve(&catalog, &[&chance.grants(&catalog)], true);
        let list = chance.list(&catalog, None, 2);
        let mut named = HashSet::new();
        names_in_list(&catalog, &list, &mut named);
        let hidden = named.iter().any(|(module, field)| !rights.can_read(*module, *field));
        let authorised = authorise(list, &catalog, &rights);
        prop_assert_eq!(authorised.is_err(), hidden, "the gate");
        let Ok(list) = authorised else {
            refused.set(refused.get() + 1);
            return Ok(());
        };
        passed.set(passed.get() + 1);
        for dialect in [Dialect::Sqlite, Dialect::Postgres] {
            for found in [Found::Asked, Found::Written] {
                for text in texts(&render_list(dialect, &catalog, &rights, &list, found)) {
                    let leak = leak(&catalog, &rights, &text);
                    prop_assert!(leak.is_none(), "{} in {text}", leak.unwrap_or_default());
                }
            }
        }
        Ok(())
    });
    outcome.unwrap();
    assert!(passed.get() > 200 && refused.get() > 200, "{} passed and {} refused", passed.get(), refused.get());
}

#[test]
fn a_hidden_column_in_sql_is_found() {
    let catalog = company::catalog();
    let rights = company::sales(&catalog);
    let leak = |text: &str| leak(&catalog, &rights, text);
    assert!(leak(r#"SELECT t1."title" FROM "deal" t1 WHERE t1."owner_id" = ANY($1::uuid[])"#).is_none());
    assert_eq!(leak(r#"SELECT t1."margin" FROM "deal" t1"#).as_deref(), Some("Deal.margin"));
    assert_eq!(leak(r#"SELECT 1 FROM "account" t1 ORDER BY t1."vault_id""#).as_deref(), Some("Account.vault"));
    assert_eq!(leak(r#"SELECT 1 FROM "vault" t1"#).as_deref(), Some("Vault"));

    let nobody = Rights::resolve(&catalog, &[&company::on("Line", company::reading(&[]))], true);
    let rule = r#"SELECT 1 FROM "line" t1 WHERE EXISTS (SELECT 1 FROM "deal" t2 WHERE t2."id" = t1."deal_id" AND t2."deleted_at" IS NULL)"#;
    assert!(self::leak(&catalog, &nobody, rule).is_none());
    let join = r#"SELECT 1 FROM "line" t1 LEFT JOIN "deal" t2 ON t2."id" = t1."deal_id""#;
    assert!(self::leak(&catalog, &nobody, join).is_some());
}

/// What stands in `text` and is hidden, outside the record rules.
fn leak(catalog: &Catalog, rights: &Rights, text: &str) -> Option<String> {
    let words = text.split(|c: char| c.is_whitespace() || "(),".contains(c)).filter(|word| !word.is_empty());
    let words: Vec<&str> = words.collect();
    let follows = |position: usize, before: &[&str]| words[..position].ends_with(before);
    let mut tables: BTreeMap<&str, &Module> = BTreeMap::new();
    for (position, pair) in words.windows(2).enumerate() {
        let table = pair[0].strip_prefix('"').and_then(|name| name.strip_suffix('"'));
        let Some(module) = table.and_then(|table| catalog.modules.iter().find(|module| module.table == table)) else {
            continue;
        };
        tables.insert(pair[1], module);
        let is_parent = catalog.modules.iter().any(|child| {
            let parent = child.parent.map(|parent| child.field(parent));
            parent.and_then(Field::reference).is_some_and(|parent| parent.targets.contains(&module.id))
        });
        let in_record_rule = is_parent && follows(position, &["EXISTS", "SELECT", "1", "FROM"]);
        if !rights.can_read_module(module.id) && !rights.can_follow(module.id) && !in_record_rule {
            return Some(module.name.clone());
        }
    }
    for (position, word) in words.iter().enumerate() {
        let Some((alias, column)) = word.split_once('.') else { continue };
        let (Some(module), Some(column)) = (tables.get(alias), column.split('"').nth(1)) else { continue };
        let is_of = |field: &&Field| {
            let second = field.reference().and_then(|reference| reference.module_column.as_deref());
            field.column.as_deref() == Some(column) || second == Some(column)
        };
        let field = module.fields.iter().find(is_of).unwrap_or_else(|| panic!("whose is {column}? {text}"));
        // Every table's own keys: a record that may be read is found by them.
        let is_key = [Module::ID, Module::DELETED_AT].contains(&field.id);
        let after = words[position + 1..].join(" ");
        let is_owner_rule = field.id == Module::OWNER
            && (after.starts_with("IN SELECT value FROM json_each") || after.starts_with("= ANY"));
        let is_parent_rule = module.parent == Some(field.id)
            && position >= 3
            && words[position - 3] == "WHERE"
            && words[position - 1] == "=";
        if !is_key && !rights.can_read(module.id, field.id) && !is_owner_rule && !is_parent_rule {
            return Some(format!("{}.{}", module.name, field.name));
        }
    }
    None
}

fn texts(list: &ListStatements) -> Vec<String> {
    let own = [&list.rows, &list.totals].into_iter().flatten().map(|statement| statement.text.clone());
    own.chain(list.children.iter().chain(&list.histories).flat_map(texts)).collect()
}

/// Every field that a list names, with the module that it is a field of: the second opinion on what the gate looks at.
fn names_in_list(catalog: &Catalog, list: &List, named: &mut HashSet<(ModuleId, FieldId)>) {
    named.insert((list.module, Module::ID));
    let paths = list.outputs.iter().chain(list.order.iter().map(|key| &key.path));
    paths.for_each(|path| names_in_path(list.module, path, named));
    let groups = list.groups.iter();
    let keys = groups.clone().flat_map(|groups| &groups.keys).map(|key| &key.path);
    let measures = list.totals.iter().chain(groups.flat_map(|groups| &groups.measures)).filter_map(Measure::path);
    keys.chain(measures).for_each(|path| names_in_path(list.module, path, named));
    list.filter.iter().for_each(|filter| names_in_filter(catalog, list.module, filter, named));
    for child in &list.children {
        names_in_path(list.module, &FieldPath { hops: child.at.clone(), field: Module::ID }, named);
        let owner = child.at.last().map_or(list.module, |hop| hop.target);
        let relation = catalog.module(owner).relation(child.relation);
        named.insert((relation.module, relation.field));
        names_in_list(catalog, &child.list, named);
    }
}

fn names_in_filter(catalog: &Catalog, module: ModuleId, filter: &Filter, named: &mut HashSet<(ModuleId, FieldId)>) {
    match filter {
        Filter::All(parts) | Filter::Any(parts) => {
            parts.iter().for_each(|part| names_in_filter(catalog, module, part, named));
        }
        Filter::Not(part) => names_in_filter(catalog, module, part, named),
        Filter::Compare { path, .. }
        | Filter::IsNull { path, .. }
        | Filter::CompareJson { path, .. }
        | Filter::IsNullJson { path, .. }
        | Filter::Within { path, .. } => names_in_path(module, path, named),
        Filter::Alike { field, .. } => names_in_path(module, &FieldPath::own(*field), named),
        Filter::Related { at, relation, filter, .. } => {
            names_in_path(module, &FieldPath { hops: at.clone(), field: Module::ID }, named);
            let owner = at.last().map_or(module, |hop| hop.target);
            let relation = catalog.module(owner).relation(*relation);
            named.insert((relation.module, relation.field));
            names_in_filter(catalog, relation.module, filter, named);
        }
    }
}

fn names_in_path(module: ModuleId, path: &FieldPath, named: &mut HashSet<(ModuleId, FieldId)>) {
    let mut at = module;
    for hop in &path.hops {
        named.insert((at, hop.field));
        at = hop.target;
        named.insert((at, Module::ID));
    }
    named.insert((at, path.field));
}

/// Choices that the runner makes, and makes smaller when one fails.
struct Chance {
    choices: Vec<u16>,
    next: usize,
}

impl Chance {
    /// A number below `bound`; 0 once all choices are used up.
    fn below(&mut self, bound: usize) -> usize {
        let choice = self.choices.get(self.next).copied().unwrap_or_default();
        self.next += 1;
        usize::from(choice) % bound
    }

    /// One in `many` modules and fields is hidden; what is published always is.
    fn grants(&mut self, catalog: &Catalog) -> Grants {
        let mut modules = BTreeMap::new();
        for module in catalog.modules.iter().filter(|module| !module.platform) {
            let read = self.below(12) != 1;
            let mut fields = BTreeMap::new();
            for field in &module.fields {
                let hidden = self.below(10) == 1 || PUBLISHED.contains(&field.name.as_str());
                fields.insert(field.name.clone(), if hidden { FieldAccess::None } else { FieldAccess::Read });
            }
            modules.insert(module.name.clone(), ModuleGrant { read, fields, ..ModuleGrant::default() });
        }
        Grants::of(modules)
    }

    fn list(&mut self, catalog: &Catalog, module: Option<ModuleId>, depth: usize) -> List {
        let own: Vec<&Module> = catalog.modules.iter().map(Arc::as_ref).filter(|module| !module.platform).collect();
        let module = module.map_or_else(|| own[self.below(own.len())], |id| catalog.module(id));
        let mut outputs = vec![FieldPath::own(Module::ID)];
        for _ in 0..self.below(4) {
            outputs.push(self.path(catalog, module));
        }
        let filter = (self.below(2) == 1).then(|| self.filter(catalog, module, 2));
        let mut order = Vec::new();
        for _ in 0..self.below(2) {
            let nulls = if self.below(2) == 1 { Nulls::First } else { Nulls::Last };
            order.push(OrderKey { path: self.path(catalog, module), descending: self.below(2) == 1, nulls });
        }
        order.push(OrderKey { path: FieldPath::own(Module::ID), descending: false, nulls: Nulls::Last });
        let keyset = order.iter().map(|_| KeysetValue { slot: Slot(1), is_null: false }).collect();
        let after = (self.below(3) == 1).then_some(keyset);
        let mut children = Vec::new();
        if depth > 0 && !module.relations.is_empty() && self.below(2) == 1 {
            let relation = &module.relations[self.below(module.relations.len())];
            let list = self.list(catalog, Some(relation.module), depth - 1);
            children.push(Child { parent_output: 0, at: Vec::new(), relation: relation.id, list });
        }
        let take = if self.below(2) == 1 { Take::Last(Slot(0)) } else { Take::First(Slot(0)) };
        let histories = if self.below(4) == 1 && module.link.is_none() { vec![self.history(take)] } else { Vec::new() };
        let page = Page { take, after, before: None, offset: None };
        let deleted = Deleted::Exclude;
        let totals = self.measures(catalog, module);
        if depth == 2 && self.below(3) == 1 {
            let groups = Some(self.grouping(catalog, module));
            let (outputs, order, children) = (Vec::new(), Vec::new(), Vec::new());
            let page = Page { after: None, ..page };
            return List {
                module: module.id,
                filter,
                order,
                page,
                deleted,
                outputs,
                rows: true,
                totals,
                groups,
                children,
                histories: Vec::new(),
            };
        }
        List {
            module: module.id,
            filter,
            order,
            page,
            deleted,
            outputs,
            rows: true,
            totals,
            groups: None,
            children,
            histories,
        }
    }

    /// All that a history can ask of the records themselves.
    fn history(&mut self, take: Take) -> History {
        let page = Page { take, after: None, before: None, offset: None };
        History {
            parent_output: 0,
            at: Vec::new(),
            page,
            rows: self.below(2) == 1,
            count: self.below(2) == 1,
            changes: self.below(2) == 1,
            users: Vec::new(),
        }
    }

    fn measures(&mut self, catalog: &Catalog, module: &Module) -> Vec<Measure> {
        let of = [Measure::Sum, Measure::Avg, Measure::Min, Measure::Max, Measure::CountDistinct];
        (0..self.below(3))
            .map(|_| match self.below(of.len() + 1) {
                0 => Measure::Count,
                function => of[function - 1](self.path(catalog, module)),
            })
            .collect()
    }

    fn grouping(&mut self, catalog: &Catalog, module: &Module) -> Grouping {
        let keys = (0..=self.below(2)).map(|_| {
            let part = (self.below(3) == 1).then_some(DatePart::Month);
            GroupKey { path: self.path(catalog, module), part }
        });
        let keys: Vec<GroupKey> = keys.collect();
        let measures = self.measures(catalog, module);
        let test = GroupTest::IsNull { negated: true };
        let having = (0..measures.len()).map(|measure| GroupCondition { measure, test }).collect();
        let by = (0..keys.len()).map(GroupTerm::Key).chain((0..measures.len()).map(GroupTerm::Measure));
        let order = by.map(|by| GroupOrder { by, descending: true, nulls: Nulls::First }).collect();
        Grouping { keys, measures, having, order }
    }

    fn path(&mut self, catalog: &Catalog, module: &Module) -> FieldPath {
        let mut hops: Vec<Hop> = Vec::new();
        loop {
            let at = hops.last().map_or(module, |hop| catalog.module(hop.target));
            let field = &at.fields[self.below(at.fields.len())];
            if !field.has_value() {
                continue;
            }
            match field.reference() {
                Some(reference) if hops.len() < 2 && self.below(2) == 1 => {
                    let target = reference.targets[self.below(reference.targets.len())];
                    hops.push(Hop { field: field.id, target });
                }
                _ => return FieldPath { hops, field: field.id },
            }
        }
    }

    fn filter(&mut self, catalog: &Catalog, module: &Module, depth: usize) -> Filter {
        match self.below(if depth == 0 { 4 } else { 8 }) {
            0 => Filter::IsNull { path: self.path(catalog, module), negated: self.below(2) == 1 },
            1 | 2 => {
                let path = self.path(catalog, module);
                let end = path.hops.last().map_or(module, |hop| catalog.module(hop.target));
                let op = self.operator(end.field(path.field));
                Filter::Compare { path, op, operand: Slot(1) }
            }
            3 => {
                let field = &module.fields[self.below(module.fields.len())];
                let is_plain = field.has_value() && !matches!(field.kind, FieldKind::MultiChoice { .. });
                let field = if is_plain { field.id } else { Module::ID };
                Filter::Alike { field, record: Slot(1) }
            }
            4 => Filter::All(vec![self.filter(catalog, module, depth - 1), self.filter(catalog, module, depth - 1)]),
            5 => Filter::Any(vec![self.filter(catalog, module, depth - 1)]),
            6 => Filter::Not(Box::new(self.filter(catalog, module, depth - 1))),
            _ if module.relations.is_empty() => Filter::All(Vec::new()),
            _ => {
                let relation = &module.relations[self.below(module.relations.len())];
                let quantifier = [Quantifier::Some, Quantifier::None, Quantifier::Every][self.below(3)];
                let filter = Box::new(self.filter(catalog, catalog.module(relation.module), depth - 1));
                Filter::Related { at: Vec::new(), relation: relation.id, quantifier, filter }
            }
        }
    }

    fn operator(&mut self, field: &Field) -> CompareOp {
        let of_lists = [CompareOp::Has, CompareOp::HasAny, CompareOp::HasAll];
        let of_text = [CompareOp::Eq, CompareOp::Contains, CompareOp::StartsWith, CompareOp::Gte, CompareOp::NotIn];
        let of_others = [CompareOp::Eq, CompareOp::Ne, CompareOp::Lt, CompareOp::In];
        match &field.kind {
            FieldKind::MultiChoice { .. } => of_lists[self.below(of_lists.len())],
            _ if field.scalar().is_some_and(cardine_model::ScalarType::is_text) => of_text[self.below(of_text.len())],
            _ => of_others[self.below(of_others.len())],
        }
    }
}
