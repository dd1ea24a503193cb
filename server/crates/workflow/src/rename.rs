//! A workflow's document where modules and fields get other names, or are hidden: its rules by their syntax trees, the names that
//! stand alone as they are.

use cardine_model::catalog::{Catalog, FieldId, Module, ModuleId};
use cardine_model::renaming::Renaming;
use cardine_model::rule::{Context, Expected, mentions};
use serde_json::{Map, Value as Json};

use crate::template::split_hole;

/// The document with the names that modules and fields of `catalog` have from now on.
pub(crate) fn renamed(catalog: &Catalog, renaming: &Renaming, mut document: Json) -> Json {
    let Some(module) = module_of(catalog, &document) else { return document };
    let context = context(module);
    let rule = |source: &str| renaming.rule(catalog, &context, source);
    let name = |name: &str| renaming.field_name(module, name).into_owned();
    walk(&mut document, &rule, &name);
    document["module"] = renaming.module_name(&module.name).into();
    document
}

/// Whether the document makes no sense without these fields and modules.
pub(crate) fn needs(catalog: &Catalog, document: &Json, fields: &[(ModuleId, FieldId)], modules: &[ModuleId]) -> bool {
    let Some(module) = module_of(catalog, document) else { return false };
    if modules.contains(&module.id) {
        return true;
    }
    let context = context(module);
    let found = std::cell::Cell::new(false);
    let rule = |source: &str| {
        let mentions = mentions(source, &context, catalog).unwrap_or_default();
        let is_gone = |id: ModuleId, field: FieldId| {
            let owner = catalog.module(id);
            fields.contains(&(id, owner.whole_of(owner.field(field)).id)) || modules.contains(&id)
        };
        if mentions.iter().any(|mention| is_gone(mention.module, mention.field)) {
            found.set(true);
        }
        source.to_owned()
    };
    let name = |name: &str| {
        let whole = name.split('.').next().unwrap_or(name);
        let field = module.field_named(whole).or_else(|| module.field_named(whole.strip_suffix("Id")?));
        if field.is_some_and(|field| fields.contains(&(module.id, field.id))) {
            found.set(true);
        }
        name.to_owned()
    };
    walk(&mut document.clone(), &rule, &name);
    found.get()
}

fn module_of<'c>(catalog: &'c Catalog, document: &Json) -> Option<&'c Module> {
    catalog.module_by_name(document["module"].as_str()?)
}

/// Of conditions and of what stands in braces alike.
fn context(module: &Module) -> Context {
    Context { module: module.id, allow_old: true, allow_relations: false, expected: Expected::Any }
}

/// Puts what `rule` and `name` give in the place of every rule and every field's name.
fn walk(document: &mut Json, rule: &dyn Fn(&str) -> String, name: &dyn Fn(&str) -> String) {
    if let Some(when) = document.pointer_mut("/trigger/when") {
        replace(when, rule);
    }
    if let Some(changed) = document.pointer_mut("/trigger/changed").and_then(Json::as_array_mut) {
        changed.iter_mut().for_each(|place| replace(place, name));
    }
    let Some(steps) = document.get_mut("steps").and_then(Json::as_array_mut) else { return };
    for step in steps {
        if let Some(when) = step.get_mut("when") {
            replace(when, rule);
        }
        if let Some(input) = step.get_mut("call").and_then(|call| call.get_mut("input")) {
            templates(input, rule);
        }
        if let Some(set) = step.get_mut("update").and_then(|update| update.get_mut("set"))
            && let Json::Object(entries) = &*set
        {
            let mut named: Map<String, Json> = entries.iter().map(|(key, value)| (name(key), value.clone())).collect();
            named.values_mut().for_each(|value| templates(value, rule));
            *set = Json::Object(named);
        }
    }
}

fn replace(place: &mut Json, by: &dyn Fn(&str) -> String) {
    if let Some(text) = place.as_str() {
        *place = by(text).into();
    }
}

/// The texts of a value, with the rules between their braces replaced.
fn templates(value: &mut Json, rule: &dyn Fn(&str) -> String) {
    match value {
        Json::String(text) => *text = template(text, rule),
        Json::Array(items) => items.iter_mut().for_each(|item| templates(item, rule)),
        Json::Object(entries) => entries.values_mut().for_each(|item| templates(item, rule)),
        _ => {}
    }
}

fn template(text: &str, rule: &dyn Fn(&str) -> String) -> String {
    let mut written = String::with_capacity(text.len());
    let mut rest = text;
    while let Some((before, after)) = rest.split_once("{{") {
        let Some((inside, behind)) = split_hole(after) else { break };
        written.push_str(before);
        written.push_str("{{");
        let source = inside.trim();
        let start = inside.len() - inside.trim_start().len();
        if source.starts_with("steps.") {
            written.push_str(inside);
        } else {
            written.push_str(&inside[..start]);
            written.push_str(&rule(source));
            written.push_str(&inside[start + source.len()..]);
        }
        written.push_str("}}");
        rest = behind;
    }
    written.push_str(rest);
    written
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
