//! A compiled operation as text with names in place of ids, for the cases of the tests.

use std::fmt::Write as _;

use cardine_engine::{Data, LinkChange, ToOne};
use cardine_model::catalog::{Catalog, FieldPath, Hop, ModuleId};
use cardine_query::{Filter, GroupKey, Grouping, History, KeysetValue, List, Measure, Nulls, Take};

use super::{Operation, Write};
use crate::shape::{
    ConnectionField, ConnectionShape, EdgeField, EntryField, FieldShape, Fields, FigureField, ObjectShape,
    PageInfoField, RootField,
};

pub(super) fn print(catalog: &Catalog, operation: &Operation) -> String {
    let mut printer = Printer { catalog, out: String::new() };
    for (position, list) in operation.lists.iter().enumerate() {
        let _ = writeln!(printer.out, "list {position}");
        printer.list(list.get(), 1);
    }
    for mutation in &operation.mutations {
        printer.write(&mutation.write);
        if let Some(then) = &mutation.then {
            printer.list(then.get(), 1);
        }
        for (position, value) in mutation.values.iter().enumerate() {
            let _ = writeln!(printer.out, "  ${} = {value:?}", position + 1);
        }
    }
    for (position, value) in operation.values.iter().enumerate() {
        let _ = writeln!(printer.out, "${position} = {value:?}");
    }
    let _ = writeln!(printer.out, "rows {}", operation.rows);
    printer.out.push_str("answer\n");
    for (key, field) in &operation.shape {
        printer.key(key, 1);
        printer.root_field(field, 1);
    }
    printer.out
}

struct Printer<'a> {
    catalog: &'a Catalog,
    out: String,
}

impl Printer<'_> {
    fn line(&mut self, depth: usize, text: &str) {
        let _ = writeln!(self.out, "{}{text}", "  ".repeat(depth));
    }

    fn list(&mut self, list: &List, depth: usize) {
        let take = match list.page.take {
            Take::First(slot) => format!("first ${}", slot.0),
            Take::Last(slot) => format!("last ${}", slot.0),
            Take::One => "one".to_owned(),
        };
        let mut head = format!("{} {take}", self.catalog.module(list.module).name);
        for (word, place) in [("after", &list.page.after), ("before", &list.page.before)] {
            let slot = |value: &KeysetValue| format!("${}{}", value.slot.0, if value.is_null { " null" } else { "" });
            if let Some(place) = place {
                let _ = write!(head, " {word} ({})", place.iter().map(slot).collect::<Vec<_>>().join(", "));
            }
        }
        if let Some(offset) = list.page.offset {
            let _ = write!(head, " offset ${}", offset.0);
        }
        let _ = write!(head, " deleted {:?}", list.deleted);
        if list.rows {
            head.push_str(if list.groups.is_some() { " groups" } else { " rows" });
        }
        self.line(depth, &head);
        if !list.totals.is_empty() {
            let totals = self.measures(list.module, &list.totals);
            self.line(depth + 1, &format!("totals {totals}"));
        }
        if let Some(groups) = &list.groups {
            self.groups(list.module, groups, depth + 1);
        }
        if let Some(filter) = &list.filter {
            let filter = self.filter(list.module, filter);
            self.line(depth + 1, &format!("where {filter}"));
        }
        for key in &list.order {
            let path = self.path(list.module, &key.path);
            let direction = if key.descending { "desc" } else { "asc" };
            let nulls = if key.nulls == Nulls::First { "nulls first" } else { "nulls last" };
            self.line(depth + 1, &format!("order {path} {direction} {nulls}"));
        }
        let outputs: Vec<String> = list.outputs.iter().map(|path| self.path(list.module, path)).collect();
        self.line(depth + 1, &format!("outputs {}", outputs.join(", ")));
        for child in &list.children {
            let module = child.at.last().map_or(list.module, |hop| hop.target);
            let relation = &self.catalog.module(module).relation(child.relation).name;
            self.line(depth + 1, &format!("child {relation} of output {}", child.parent_output));
            self.list(&child.list, depth + 2);
        }
        for history in &list.histories {
            let History { parent_output, rows, count, changes, users, .. } = history;
            let head = format!("history of output {parent_output}: rows {rows} count {count} changes {changes}");
            self.line(depth + 1, &head);
            for user in users {
                self.line(depth + 2, &format!("user of entry's value {}", user.entry_value));
                self.list(&user.list, depth + 3);
            }
        }
    }

    fn groups(&mut self, module: ModuleId, groups: &Grouping, depth: usize) {
        let key = |key: &GroupKey| {
            let part = key.part.map_or_else(String::new, |part| format!(" by {}", part.word()));
            format!("{}{part}", self.path(module, &key.path))
        };
        let keys: Vec<String> = groups.keys.iter().map(key).collect();
        let measures = self.measures(module, &groups.measures);
        self.line(depth, &format!("keys {}", keys.join(", ")));
        self.line(depth, &format!("measures {measures}"));
        for condition in &groups.having {
            self.line(depth, &format!("having measure {} {:?}", condition.measure, condition.test));
        }
        for order in &groups.order {
            let direction = if order.descending { "desc" } else { "asc" };
            self.line(depth, &format!("order {:?} {direction} nulls {:?}", order.by, order.nulls));
        }
    }

    fn measures(&self, module: ModuleId, measures: &[Measure]) -> String {
        let measure = |measure: &Measure| {
            let word = match measure {
                Measure::Count => "count",
                Measure::Sum(_) => "sum",
                Measure::Avg(_) => "avg",
                Measure::Min(_) => "min",
                Measure::Max(_) => "max",
                Measure::CountDistinct(_) => "count distinct",
            };
            measure.path().map_or_else(|| word.to_owned(), |path| format!("{word} {}", self.path(module, path)))
        };
        measures.iter().map(measure).collect::<Vec<_>>().join(", ")
    }

    fn hops(&self, module: ModuleId, hops: &[Hop]) -> (ModuleId, String) {
        let mut at = module;
        let mut text = String::new();
        for hop in hops {
            let _ =
                write!(text, "{}:{}.", self.catalog.field(at, hop.field).name, self.catalog.module(hop.target).name);
            at = hop.target;
        }
        (at, text)
    }

    fn path(&self, module: ModuleId, path: &FieldPath) -> String {
        let (module, hops) = self.hops(module, &path.hops);
        format!("{hops}{}", self.catalog.field(module, path.field).name)
    }

    fn filter(&self, module: ModuleId, filter: &Filter) -> String {
        let all = |parts: &[Filter], word: &str| {
            let parts: Vec<String> = parts.iter().map(|part| self.filter(module, part)).collect();
            format!("{word}({})", parts.join(", "))
        };
        match filter {
            Filter::All(parts) => all(parts, "all"),
            Filter::Any(parts) => all(parts, "any"),
            Filter::Not(part) => format!("not({})", self.filter(module, part)),
            Filter::Compare { path, op, operand } => format!("{} {op:?} ${}", self.path(module, path), operand.0),
            Filter::IsNull { path, negated } => {
                format!("{} is {}null", self.path(module, path), if *negated { "not " } else { "" })
            }
            Filter::CompareJson { path, place, op, operand } => {
                format!("{} at ${} {op:?} ${}", self.path(module, path), place.0, operand.0)
            }
            Filter::Within { path, span } => format!("{} within {span:?}", self.path(module, path)),
            Filter::IsNullJson { path, place, negated } => {
                format!("{} at ${} is {}null", self.path(module, path), place.0, if *negated { "not " } else { "" })
            }
            Filter::Alike { field, record } => {
                format!("{} alike ${}", self.catalog.field(module, *field).name, record.0)
            }
            Filter::Related { at, relation, quantifier, filter } => {
                let (module, hops) = self.hops(module, at);
                let relation = self.catalog.module(module).relation(*relation);
                format!("{hops}{} {quantifier:?}({})", relation.name, self.filter(relation.module, filter))
            }
        }
    }

    fn write(&mut self, write: &Write) {
        let name = write.module().map_or("notifications", |module| self.catalog.module(module).name.as_str());
        match write {
            Write::Create { module, data } => self.data(*module, &format!("{name} create"), data, 0),
            Write::CreateMany { module, data } => {
                self.line(0, &format!("{name} create many"));
                for data in data {
                    self.data(*module, "record", data, 1);
                }
            }
            Write::Update { module, id, data, if_version } => {
                self.data(*module, &format!("{name} update {id} {if_version:?}"), data, 0);
            }
            Write::UpdateMany { list, values, limit, data } => {
                let head = format!("{name} update at most {limit}, values {values:?}");
                self.data(list.get().module, &head, data, 0);
                self.list(list.get(), 1);
            }
            Write::Upsert { module, key, data } => {
                self.data(*module, &format!("{name} upsert"), data, 0);
                self.data(*module, "key", &key.clone().into(), 1);
            }
            Write::UpsertMany { module, entries } => {
                self.line(0, &format!("{name} upsert many"));
                for entry in entries {
                    self.data(*module, "record", &entry.data, 1);
                    self.data(*module, "key", &entry.key.clone().into(), 2);
                }
            }
            Write::Delete { id, if_version, .. } => self.line(0, &format!("{name} delete {id} {if_version:?}")),
            Write::DeleteMany { list, values, limit } => {
                self.line(0, &format!("{name} delete at most {limit}, values {values:?}"));
                self.list(list.get(), 1);
            }
            Write::RestoreMany { list, values, limit } => {
                self.line(0, &format!("{name} restore at most {limit}, values {values:?}"));
                self.list(list.get(), 1);
            }
            Write::DestroyMany { list, values, limit } => {
                self.line(0, &format!("{name} destroy at most {limit}, values {values:?}"));
                self.list(list.get(), 1);
            }
            Write::Restore { id, .. } => self.line(0, &format!("{name} restore {id}")),
            Write::Destroy { id, .. } => self.line(0, &format!("{name} destroy {id}")),
            Write::Merge { module, ids, into, data, dry_run } => {
                self.data(*module, &format!("{name} merge {ids:?} into {into}, dry run {dry_run}"), data, 0);
            }
            Write::MarkNotificationsRead { ids } => self.line(0, &format!("{name} mark read {ids:?}")),
            Write::Convert { id, conversion, given, if_version, .. } => {
                self.line(0, &format!("{name} convert {conversion} {id} {given:?} {if_version:?}"));
            }
        }
    }

    fn data(&mut self, module: ModuleId, head: &str, data: &Data, depth: usize) {
        self.line(depth, head);
        let module = self.catalog.module(module);
        for (field, value) in &data.values {
            self.line(depth + 1, &format!("{} = {value:?}", module.field(*field).name));
        }
        for (field, to_one) in &data.to_one {
            let field = module.field(*field);
            match to_one {
                ToOne::Connect(id) => self.line(depth + 1, &format!("{} = connect {id}", field.name)),
                ToOne::Create(data) => {
                    let target = field.reference().unwrap().targets[0];
                    self.data(target, &format!("{} = create", field.name), data, depth + 1);
                }
            }
        }
        for change in &data.links {
            let LinkChange { relation, connect, disconnect, set, link } = change;
            let name = &module.relation(*relation).name;
            self.line(
                depth + 1,
                &format!("{name}: connect {connect:?} disconnect {disconnect:?} set {set:?} link {link:?}"),
            );
        }
        for (relation, list) in &data.to_many {
            let relation = module.relation(*relation);
            let (connect, disconnect, set) = (&list.connect, &list.disconnect, &list.set);
            let head = format!("{}: connect {connect:?} disconnect {disconnect:?} set {set:?}", relation.name);
            self.line(depth + 1, &head);
            for data in &list.create {
                self.data(relation.module, "create", data, depth + 2);
            }
        }
    }

    fn key(&mut self, key: &[u8], depth: usize) {
        let _ = write!(self.out, "{}{} ", "  ".repeat(depth), String::from_utf8_lossy(key));
    }

    fn root_field(&mut self, field: &RootField, depth: usize) {
        match field {
            RootField::Constant(json) => self.line(0, &String::from_utf8_lossy(json)),
            RootField::Viewer(field) => self.line(0, &format!("of the caller: {field:?}")),
            RootField::Object(fields) => {
                self.out.push('\n');
                for (key, field) in fields {
                    self.key(key, depth + 1);
                    self.root_field(field, depth + 1);
                }
            }
            RootField::One { list, object } => self.object(&format!("one of list {list}"), object, depth),
            RootField::Written { step, object } => self.object(&format!("written by {step}"), object, depth),
            RootField::List { list, object } => self.object(&format!("all of list {list}"), object, depth),
            RootField::WrittenList { step, id, object } => {
                let order = id.map(|id| format!(", in the order of {id}")).unwrap_or_default();
                self.object(&format!("all written by {step}{order}"), object, depth);
            }
            RootField::WrittenId { step } => self.line(0, &format!("id written by {step}")),
            RootField::Bulk { step, fields } => {
                self.line(0, &format!("bulk of {step}"));
                for (key, field) in fields {
                    self.key(key, depth + 1);
                    self.line(0, &format!("{field:?}"));
                }
            }
            RootField::Connection { list, shape } => self.connection(&format!("page of list {list}"), shape, depth),
            RootField::Groups { list, fields } => {
                self.line(0, &format!("groups of list {list}"));
                self.figures(fields, depth + 1);
            }
            RootField::Search(search) => self.line(0, &format!("search {search:?}")),
            RootField::Nodes(nodes) => {
                self.line(0, &format!("nodes {:?}", nodes.entries));
                for (list, id, object) in &nodes.lists {
                    let _ = write!(self.out, "{}", "  ".repeat(depth + 1));
                    self.object(&format!("of list {list}, id {id}"), object, depth + 1);
                }
            }
        }
    }

    fn figures(&mut self, fields: &Fields<FigureField>, depth: usize) {
        for (key, field) in fields {
            self.key(key, depth);
            match field {
                FigureField::Constant(json) => self.line(0, &String::from_utf8_lossy(json)),
                FigureField::Cell { position, encoding } => self.line(0, &format!("figure {position} {encoding:?}")),
                FigureField::Object(fields) => {
                    self.out.push('\n');
                    self.figures(fields, depth + 1);
                }
            }
        }
    }

    fn object(&mut self, head: &str, object: &ObjectShape, depth: usize) {
        self.line(0, head);
        for (key, field) in &object.fields {
            self.key(key, depth + 1);
            match field {
                FieldShape::Constant(json) => self.line(0, &String::from_utf8_lossy(json)),
                FieldShape::Cell { output, encoding } => self.line(0, &format!("output {output} {encoding:?}")),
                FieldShape::FileLink { id } => self.line(0, &format!("link to output {id}")),
                FieldShape::Computed(computing) => self.line(0, &format!("computed {computing}")),
                FieldShape::Group { parts, object } => {
                    self.object(&format!("if one of outputs {parts:?}"), object, depth + 1);
                }
                FieldShape::ToOne(targets) => {
                    self.out.push('\n');
                    for target in targets {
                        let _ = write!(self.out, "{}", "  ".repeat(depth + 2));
                        self.object(&format!("if output {}", target.id), &target.object, depth + 2);
                    }
                }
                FieldShape::ToMany { child, parent, shape } => {
                    self.connection(&format!("page of child {child} by output {parent}"), shape, depth + 1);
                }
                FieldShape::History { history, parent, shape } => {
                    self.connection(&format!("page of history {history} by output {parent}"), shape, depth + 1);
                }
                FieldShape::Entry(EntryField::User { child, id, object }) => {
                    self.object(&format!("user of child {child} by output {id}"), object, depth + 1);
                }
                FieldShape::Entry(EntryField::Via(output)) => self.line(0, &format!("via of output {output}")),
                FieldShape::Entry(EntryField::Changes { fields, names }) => {
                    let mut names: Vec<_> = names.keys().collect();
                    names.sort();
                    self.line(0, &format!("changes {fields:?} of {names:?}"));
                }
            }
        }
    }

    fn connection(&mut self, head: &str, shape: &ConnectionShape, depth: usize) {
        let mut head = head.to_owned();
        for (word, is) in [("from the end", shape.from_end), ("cut", shape.cut)] {
            if is {
                let _ = write!(head, ", {word}");
            }
        }
        if let Some(cursor) = &shape.cursor {
            let _ = write!(head, ", cursor of outputs {:?}", cursor.keys);
        }
        self.line(0, &head);
        for (key, field) in &shape.fields {
            self.key(key, depth + 1);
            match field {
                ConnectionField::Constant(json) => self.line(0, &String::from_utf8_lossy(json)),
                ConnectionField::TotalCount(position) => self.line(0, &format!("total count {position}")),
                ConnectionField::Aggregate(fields) => {
                    self.line(0, "aggregate");
                    self.figures(fields, depth + 2);
                }
                ConnectionField::Nodes(object) => self.object("nodes", object, depth + 1),
                ConnectionField::Edges(fields) => {
                    self.line(0, "edges");
                    for (key, field) in fields {
                        self.key(key, depth + 2);
                        match field {
                            EdgeField::Constant(json) => self.line(0, &String::from_utf8_lossy(json)),
                            EdgeField::Cursor => self.line(0, "cursor"),
                            EdgeField::Link(field) => self.line(0, &format!("of the link {field:?}")),
                            EdgeField::Node(object) => self.object("node", object, depth + 2),
                        }
                    }
                }
                ConnectionField::PageInfo(fields) => {
                    let name = |field: &PageInfoField| match field {
                        PageInfoField::Constant(json) => String::from_utf8_lossy(json).into_owned(),
                        other => format!("{other:?}"),
                    };
                    let fields: Vec<String> = fields.iter().map(|(_, field)| name(field)).collect();
                    self.line(0, &format!("page info {}", fields.join(", ")));
                }
            }
        }
    }
}
