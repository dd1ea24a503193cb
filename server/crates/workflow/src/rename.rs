//! A workflow's document where modules and fields get other names, or are hidden: its rules by their syntax trees, the names that
//! stand alone as they are.

use cardine_model::catalog::{Catalog, FieldId, Module, ModuleId};
use cardine_model::renaming::Renaming;
use cardine_model::rule::{Expected, Mention, mentions};
use serde_json::{Map, Value as Json};

use crate::definition::{Step, StepKind};
use crate::shape::{Names, Shape};
use crate::template::{path_of, split_hole};

/// The document with the names that modules and fields of `catalog` have from now on.
pub(crate) fn renamed(catalog: &Catalog, renaming: &Renaming, mut document: Json) -> Json {
    let name = |module: &Module, name: &str| renaming.field_name(module, name).into_owned();
    let rule = |source: &str, mentions: Vec<Mention>| {
        let mut text = String::with_capacity(source.len());
        let mut done = 0;
        for mention in mentions {
            let Some(old) = source.get(mention.position..mention.position + mention.length) else { continue };
            let new = name(catalog.module(mention.module), old);
            if mention.position >= done && new != old {
                text.push_str(&source[done..mention.position]);
                text.push_str(&new);
                done = mention.position + mention.length;
            }
        }
        text.push_str(&source[done..]);
        text
    };
    let module = |name: &str| renaming.module_name(name).to_owned();
    Walk { catalog, rule: &rule, name: &name, module: &module }.document(&mut document);
    document
}

/// Whether the document makes no sense without these fields and modules.
pub(crate) fn needs(catalog: &Catalog, document: &Json, fields: &[(ModuleId, FieldId)], modules: &[ModuleId]) -> bool {
    let found = std::cell::Cell::new(false);
    let rule = |source: &str, mentions: Vec<Mention>| {
        let is_gone = |mention: &Mention| {
            let owner = catalog.module(mention.module);
            fields.contains(&(mention.module, owner.whole_of(owner.field(mention.field)).id))
                || modules.contains(&mention.module)
        };
        if mentions.iter().any(is_gone) {
            found.set(true);
        }
        source.to_owned()
    };
    let name = |module: &Module, name: &str| {
        let whole = name.split('.').next().unwrap_or(name);
        let field = module.field_named(whole).or_else(|| module.field_named(whole.strip_suffix("Id")?));
        if field.is_some_and(|field| fields.contains(&(module.id, field.id))) {
            found.set(true);
        }
        name.to_owned()
    };
    let module = |name: &str| {
        if catalog.module_by_name(name).is_some_and(|module| modules.contains(&module.id)) {
            found.set(true);
        }
        name.to_owned()
    };
    Walk { catalog, rule: &rule, name: &name, module: &module }.document(&mut document.clone());
    found.get()
}

/// Goes through a document, and puts in the place of every rule and name what these give.
struct Walk<'a> {
    catalog: &'a Catalog,
    rule: &'a dyn Fn(&str, Vec<Mention>) -> String,
    name: &'a dyn Fn(&Module, &str) -> String,
    module: &'a dyn Fn(&str) -> String,
}

impl<'a> Walk<'a> {
    fn document(&self, document: &mut Json) {
        let module = document["module"].as_str().and_then(|name| self.catalog.module_by_name(name));
        let mut names = Names::of(self.catalog, module);
        names.trigger = Some(Shape::Any);
        if let Some(when) = document.pointer_mut("/trigger/when") {
            self.condition(when, &names);
        }
        if let (Some(changed), Some(module)) =
            (document.pointer_mut("/trigger/changed").and_then(Json::as_array_mut), module)
        {
            changed.iter_mut().for_each(|place| self.field(place, module));
        }
        if let (Some(field), Some(module)) = (document.pointer_mut("/trigger/date/field"), module) {
            self.field(field, module);
        }
        if let Some(steps) = document.get_mut("steps") {
            self.steps(steps, &mut names);
        }
        self.module_at(document, "module");
    }

    fn steps(&self, steps: &mut Json, names: &mut Names<'a>) {
        let known = names.steps.len();
        for json in steps.as_array_mut().into_iter().flatten() {
            // As it was, for what the steps behind it name.
            let Ok(step) = serde_json::from_value::<Step>(json.clone()) else { continue };
            self.step(json, &step, names);
            names.steps.push((step.id.clone(), Shape::of_output(&step, self.catalog)));
        }
        names.steps.truncate(known);
    }

    fn step(&self, json: &mut Json, step: &Step, names: &mut Names<'a>) {
        if let Some(when) = json.get_mut("when") {
            self.condition(when, names);
        }
        let module_of = |name: Option<&str>| name.and_then(|name| self.catalog.module_by_name(name));
        match &step.kind {
            StepKind::Call(_) => self.templates_at(&mut json["call"], "input", names),
            StepKind::Update(update) => {
                let module = module_of(update.module.as_deref()).or(names.module);
                let place = &mut json["update"];
                self.templates_at(place, "record", names);
                self.values(place, "set", module, names);
                self.module_at(place, "module");
            }
            StepKind::Create(create) => {
                let place = &mut json["create"];
                self.values(place, "set", module_of(Some(&create.module)), names);
                self.module_at(place, "module");
            }
            StepKind::AssignTask(task) => {
                let place = &mut json["assignTask"];
                for name in ["to", "subject", "description", "priority"] {
                    self.templates_at(place, name, names);
                }
                let has_tasks = |module: &&Module| {
                    module.definition().features.is_some_and(|features| features["tasks"].is_object())
                };
                let only = self.catalog.modules.iter().map(|module| &**module).find(has_tasks);
                self.values(place, "set", module_of(task.module.as_deref()).or(only), names);
                self.module_at(place, "module");
            }
            StepKind::Find(find) => {
                let place = &mut json["find"];
                if let Some(module) = module_of(Some(&find.module)) {
                    if let Some(filter) = place.get_mut("filter") {
                        self.filter(filter, module, names);
                    }
                    for key in place.get_mut("orderBy").and_then(Json::as_array_mut).into_iter().flatten() {
                        self.keys(key, module);
                    }
                    for field in place.get_mut("fields").and_then(Json::as_array_mut).into_iter().flatten() {
                        self.field(field, module);
                    }
                }
                self.module_at(place, "module");
            }
            StepKind::Wait(_) => self.templates_at(&mut json["wait"], "until", names),
            StepKind::Webhook(_) => {
                for name in ["url", "headers", "body"] {
                    self.templates_at(&mut json["webhook"], name, names);
                }
            }
            StepKind::Approve(_) => {
                self.templates_at(&mut json["approve"], "question", names);
                for name in ["user", "group", "superior"] {
                    self.templates_at(&mut json["approve"]["by"], name, names);
                }
            }
            StepKind::StartWorkflow(_) => {
                for name in ["records", "input"] {
                    self.templates_at(&mut json["startWorkflow"], name, names);
                }
            }
            StepKind::SendEmail(_) => {
                for name in ["to", "cc", "bcc", "replyTo", "subject", "text", "html", "attachments"] {
                    self.templates_at(&mut json["sendEmail"], name, names);
                }
            }
            StepKind::Refuse(_) => {
                let place = &mut json["refuse"];
                self.templates_at(place, "message", names);
                if let (Some(fields), Some(module)) =
                    (place.get_mut("fields").and_then(Json::as_array_mut), names.module)
                {
                    fields.iter_mut().for_each(|field| self.field(field, module));
                }
            }
            StepKind::Branch(_) => {
                for case in json["branch"]["cases"].as_array_mut().into_iter().flatten() {
                    self.condition(&mut case["when"], names);
                    self.steps(&mut case["steps"], names);
                }
                if let Some(otherwise) = json["branch"].get_mut("otherwise") {
                    self.steps(otherwise, names);
                }
            }
            StepKind::ForEach(each) => {
                let place = &mut json["forEach"];
                let list = each.list.trim().trim_start_matches("{{").trim_end_matches("}}").trim();
                let item = match path_of(list).and_then(|path| names.find(&path)) {
                    Some(Ok(found)) => match found.shape {
                        Shape::List(item) => (**item).clone(),
                        _ => Shape::Any,
                    },
                    _ => Shape::Any,
                };
                self.templates_at(place, "in", names);
                names.items.push((each.item.clone(), item));
                self.steps(&mut place["steps"], names);
                names.items.pop();
            }
            StepKind::Hook(_) | StepKind::Job(_) => {}
            StepKind::SendSms(_) => {
                for name in ["to", "text"] {
                    self.templates_at(&mut json["sendSms"], name, names);
                }
            }
        }
    }

    fn condition(&self, place: &mut Json, names: &Names<'_>) {
        if let Some(source) = place.as_str() {
            *place = self.source(source, names).into();
        }
    }

    fn source(&self, source: &str, names: &Names<'_>) -> String {
        let found = mentions(source, &names.context(Expected::Any), names).or_else(|faults| {
            // A path to what is no single value is no rule, and names a field all the same.
            let path = path_of(source).ok_or(faults)?;
            let field = names.find(&path).and_then(Result::ok).and_then(|found| found.field);
            Ok::<_, Vec<_>>(
                field.into_iter().map(|(segment, module, field)| mention(&path, segment, module, field)).collect(),
            )
        });
        (self.rule)(source, found.unwrap_or_default())
    }

    /// Values by field name.
    fn values(&self, place: &mut Json, key: &str, module: Option<&Module>, names: &Names<'_>) {
        let Some(set) = place.get_mut(key) else { return };
        for value in set.as_object_mut().into_iter().flat_map(|entries| entries.values_mut()) {
            self.templates(value, names);
        }
        if let Some(module) = module {
            self.keys(set, module);
        }
    }

    /// The names of an object's entries, where they are fields.
    fn keys(&self, place: &mut Json, module: &Module) {
        if let Json::Object(entries) = &*place {
            let named: Map<String, Json> =
                entries.iter().map(|(key, value)| ((self.name)(module, key), value.clone())).collect();
            *place = Json::Object(named);
        }
    }

    fn filter(&self, filter: &mut Json, module: &Module, names: &Names<'_>) {
        for (name, value) in filter.as_object_mut().into_iter().flatten() {
            let target = module.field_named(name).and_then(|field| field.reference()).map(|to| to.targets.as_slice());
            match (name.as_str(), value, target) {
                ("and" | "or", Json::Array(items), _) => {
                    items.iter_mut().for_each(|item| self.filter(item, module, names));
                }
                ("not", value, _) => self.filter(value, module, names),
                (_, value, Some([target])) => self.filter(value, self.catalog.module(*target), names),
                (_, value, _) => self.templates(value, names),
            }
        }
        self.keys(filter, module);
    }

    fn field(&self, place: &mut Json, module: &Module) {
        if let Some(name) = place.as_str() {
            *place = (self.name)(module, name).into();
        }
    }

    fn module_at(&self, place: &mut Json, key: &str) {
        if let Some(name) = place.get(key).and_then(Json::as_str) {
            place[key] = (self.module)(name).into();
        }
    }

    fn templates_at(&self, place: &mut Json, key: &str, names: &Names<'_>) {
        if let Some(value) = place.get_mut(key) {
            self.templates(value, names);
        }
    }

    /// The texts of a value, with the rules between their braces replaced.
    fn templates(&self, value: &mut Json, names: &Names<'_>) {
        match value {
            Json::String(text) => *text = self.template(text, names),
            Json::Array(items) => items.iter_mut().for_each(|item| self.templates(item, names)),
            Json::Object(entries) => entries.values_mut().for_each(|item| self.templates(item, names)),
            _ => {}
        }
    }

    fn template(&self, text: &str, names: &Names<'_>) -> String {
        let mut written = String::with_capacity(text.len());
        let mut rest = text;
        while let Some((before, after)) = rest.split_once("{{") {
            let Some((inside, behind)) = split_hole(after) else { break };
            let source = inside.trim();
            let start = inside.len() - inside.trim_start().len();
            written.push_str(before);
            written.push_str("{{");
            written.push_str(&inside[..start]);
            written.push_str(&self.source(source, names));
            written.push_str(&inside[start + source.len()..]);
            written.push_str("}}");
            rest = behind;
        }
        written.push_str(rest);
        written
    }
}

fn mention(path: &[&str], segment: usize, module: ModuleId, field: FieldId) -> Mention {
    let position = path.iter().take(segment).map(|name| name.len() + 1).sum();
    Mention { position, length: path.get(segment).map_or(0, |name| name.len()), module, field }
}

#[cfg(test)]
mod tests {
    use cardine_model::resolve::builtin_catalog;
    use serde_json::json;

    use super::*;

    fn document() -> Json {
        json!({"name": "n", "module": "Opportunity",
            "trigger": {"on": ["UPDATED"], "changed": ["stage", "amount"], "when": "amount > 1 && old.amount != amount"},
            "steps": [
                {"id": "a", "when": "name == \"amount\"",
                 "call": {"plugin": "p", "function": "f", "input": {"amount": "{{ record.amount }} of {{steps.a.output.amount}}"}}},
                {"id": "b", "update": {"set": {"amount": "{{ amount }}", "name": "amount"}}}]})
    }

    #[test]
    fn a_field_is_called_otherwise_where_it_is_meant() {
        let catalog = builtin_catalog(1).unwrap();
        let module = catalog.module_by_name("Opportunity").unwrap();
        let renaming = Renaming::of_field(module.id, module.field_named("amount").unwrap().id, "worth");
        assert_eq!(
            renamed(&catalog, &renaming, document()),
            json!({"name": "n", "module": "Opportunity",
                "trigger": {"on": ["UPDATED"], "changed": ["stage", "worth"], "when": "worth > 1 && old.worth != worth"},
                "steps": [
                    {"id": "a", "when": "name == \"amount\"",
                     "call": {"plugin": "p", "function": "f", "input": {"amount": "{{ record.worth }} of {{steps.a.output.amount}}"}}},
                    {"id": "b", "update": {"set": {"worth": "{{ worth }}", "name": "amount"}}}]})
        );
        let renaming = Renaming::of_module(&catalog, module, "Deal");
        assert_eq!(renamed(&catalog, &renaming, document())["module"], "Deal");
    }

    #[test]
    fn names_of_other_modules_follow_into_filters_and_outputs() {
        let catalog = builtin_catalog(1).unwrap();
        let document = |subject: &str| {
            json!({"name": "n", "module": "Opportunity", "trigger": {"on": ["UPDATED"]}, "steps": [
                {"id": "find", "find": {"module": "Task", "fields": [subject], "orderBy": [{subject: "ASC"}],
                    "filter": {"or": [{subject: {"eq": "{{ name }}"}}, {"contact": {"lastName": {"eq": "subject"}}}]}}},
                {"id": "each", "forEach": {"in": "{{ steps.find.output.nodes }}", "as": "one", "steps": [
                    {"id": "a", "when": format!("one.{subject} == \"subject\""), "update": {"module": "Task", "record": "{{ one.id }}",
                        "set": {subject: format!("{{{{ one.{subject} }}}}!")}}}]}},
                {"id": "b", "create": {"module": "Task", "set": {subject: format!("{{{{steps.find.output.first.{subject}}}}}")}}}]})
        };
        let module = catalog.module_by_name("Task").unwrap();
        let subject = module.field_named("subject").unwrap().id;
        let renaming = Renaming::of_field(module.id, subject, "title");
        assert_eq!(renamed(&catalog, &renaming, document("subject")), document("title"));
        assert!(super::needs(&catalog, &document("subject"), &[(module.id, subject)], &[]));
        assert!(super::needs(&catalog, &document("subject"), &[], &[module.id]));
        let other = module.field_named("location").unwrap().id;
        assert!(!super::needs(&catalog, &document("subject"), &[(module.id, other)], &[]));
        let renaming = Renaming::of_module(&catalog, module, "Chore");
        let text = renamed(&catalog, &renaming, document("subject")).to_string();
        assert!(text.matches("\"Chore\"").count() == 3 && !text.contains("Task"), "{text}");
    }

    #[test]
    fn it_needs_what_it_names() {
        let catalog = builtin_catalog(1).unwrap();
        let module = catalog.module_by_name("Opportunity").unwrap();
        let needs = |field: &str| {
            let field = (module.id, module.field_named(field).unwrap().id);
            super::needs(&catalog, &document(), &[field], &[])
        };
        assert!(needs("amount") && needs("stage") && needs("name"));
        assert!(!needs("closeDate"));
        assert!(super::needs(&catalog, &document(), &[], &[module.id]));
        let other = catalog.module_by_name("Lead").unwrap().id;
        assert!(!super::needs(&catalog, &document(), &[], &[other]));
    }
}
