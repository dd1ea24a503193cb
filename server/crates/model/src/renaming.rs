//! A new name for a module or a field, brought to every document and rule that names it: by the rules' syntax trees, so that
//! a text or another module's field of the same name stays as it is.

use std::borrow::Cow;

use rustc_hash::FxHashMap;
use serde_json::Value as Json;

use crate::assignment;
use crate::catalog::{Catalog, Field, FieldId, FieldKind, Module, ModuleId};
use crate::clocks::Clocks;
use crate::definition::{FieldDefinition, FieldList, ModuleDefinition, ReferenceTarget};
use crate::name::lower_first;
use crate::rule::{self, Context, Expected};

/// Names that mean something else in rules, so that no field is given one of them later.
pub const NAMES_OF_RULES: [&str; 3] = ["actor", "old", "record"];

/// What is called otherwise from now on.
#[derive(Debug, Clone, Default)]
pub struct Renaming {
    /// A module: its old and its new name.
    module: Option<(String, String)>,
    /// Fields, and their new names: the one that is meant, or the ends of links that are called by a module's name.
    fields: FxHashMap<(ModuleId, FieldId), String>,
}

impl Renaming {
    /// A field is called `to`.
    pub fn of_field(module: ModuleId, field: FieldId, to: &str) -> Self {
        Self { module: None, fields: FxHashMap::from_iter([((module, field), to.to_owned())]) }
    }

    /// A module is called `to`, and so are the ends of links that lead to it.
    pub fn of_module(catalog: &Catalog, module: &Module, to: &str) -> Self {
        let mut fields = FxHashMap::default();
        for links in &catalog.modules {
            let Some(link) = links.link else { continue };
            let leads = |end: FieldId| {
                links.field(end).reference().is_some_and(|reference| reference.targets.as_slice() == [module.id])
            };
            let (source, target) = (leads(link.source), leads(link.target));
            if source {
                fields.insert((links.id, link.source), lower_first(to));
            }
            if target {
                let name = if source { format!("other{to}") } else { lower_first(to) };
                fields.insert((links.id, link.target), name);
            }
        }
        Self { module: Some((module.name.clone(), to.to_owned())), fields }
    }

    /// What a module of this name is called.
    pub fn module_name<'n>(&'n self, name: &'n str) -> &'n str {
        match &self.module {
            Some((from, to)) if from == name => to,
            _ => name,
        }
    }

    /// The old and the new name of the module, if it is one that is renamed.
    pub fn module(&self) -> Option<(&str, &str)> {
        self.module.as_ref().map(|(from, to)| (from.as_str(), to.as_str()))
    }

    /// The fields with new names, links' ends included.
    pub fn fields(&self) -> impl Iterator<Item = (ModuleId, FieldId, &str)> {
        self.fields.iter().map(|((module, field), name)| (*module, *field, name.as_str()))
    }

    /// What a field of `module` is called that documents call `name`: `accountId` and `billingAddress.city` follow too.
    pub fn field_name<'n>(&'n self, module: &Module, name: &'n str) -> Cow<'n, str> {
        let (whole, behind) = name.split_at(name.find('.').unwrap_or(name.len()));
        if let Some(to) = self.new_name(module, module.field_named(whole)) {
            return Cow::Owned(format!("{to}{behind}"));
        }
        let reference = whole.strip_suffix("Id").and_then(|name| module.field_named(name));
        match self.new_name(module, reference.filter(|field| field.reference().is_some())) {
            Some(to) if module.field_named(whole).is_none() => Cow::Owned(format!("{to}Id{behind}")),
            _ => Cow::Borrowed(name),
        }
    }

    fn new_name(&self, module: &Module, field: Option<&Field>) -> Option<&str> {
        let whole = module.whole_of(field?);
        self.fields.get(&(module.id, whole.id)).map(String::as_str)
    }

    /// A rule of `context` with the new names. What is no sound rule stays as it is.
    pub fn rule(&self, catalog: &Catalog, context: &Context, source: &str) -> String {
        let Ok(mentions) = rule::mentions(source, context, catalog) else { return source.to_owned() };
        let mut text = String::with_capacity(source.len());
        let mut done = 0;
        for mention in mentions {
            let Some(old) = source.get(mention.position..mention.position + mention.length) else { continue };
            let new = self.field_name(catalog.module(mention.module), old);
            if mention.position < done || new == old {
                continue;
            }
            text.push_str(&source[done..mention.position]);
            text.push_str(&new);
            done = mention.position + mention.length;
        }
        text.push_str(&source[done..]);
        text
    }

    /// The document of `module` with the new names.
    pub fn definition(&self, catalog: &Catalog, module: &Module) -> ModuleDefinition {
        let mut document = module.definition();
        let named = |name: &String| self.field_name(module, name).into_owned();
        document.name = self.module_name(&document.name).to_owned();
        document.name_field = document.name_field.as_ref().map(named);
        document.parent = document.parent.as_ref().map(named);
        document.search = document.search.iter().map(named).collect();
        // What a feature says of the module's fields.
        for setting in document.features.iter_mut().filter_map(|features| features.get_mut("tasks")?.as_object_mut()) {
            for field in setting.values_mut() {
                if let Some(name) = field.as_str().map(str::to_owned) {
                    *field = named(&name).into();
                }
            }
        }
        self.assignment(catalog, module, &mut document);
        self.clocks(catalog, module, &mut document);
        self.conversions(catalog, module, &mut document);
        self.mentions(module, &mut document);
        self.stages(catalog, module, &mut document);
        self.timeline(catalog, module, &mut document);
        self.recurrence(module, &mut document);
        self.calendar_shares(module, &mut document);
        for lists in [&mut document.indexes, &mut document.uniques, &mut document.duplicates] {
            for FieldList { fields } in lists.iter_mut() {
                *fields = fields.iter().map(named).collect();
            }
        }
        for validation in &mut document.validations {
            validation.rule = self.rule(catalog, &context(module.id, true, false), &validation.rule);
            validation.fields = validation.fields.iter().map(named).collect();
        }
        let fields = document.fields.iter().enumerate();
        document.fields = fields
            .map(|(position, definition)| {
                let field = module.fields.get(Module::SYSTEM_FIELDS.len() + position);
                match field {
                    Some(field) => self.field(catalog, module, field, definition),
                    None => definition.clone(),
                }
            })
            .collect();
        for retired in &mut document.retired {
            self.retired(catalog, module, &mut retired.field);
            let uses = &mut retired.uses;
            for FieldList { fields } in
                [&mut uses.indexes, &mut uses.uniques, &mut uses.duplicates].into_iter().flatten()
            {
                *fields = fields.iter().map(named).collect();
            }
        }
        document
    }

    /// What a retired field says, so that it finds what it needs when it comes back. It is not in the catalog: a rule that names it,
    /// or another one that is retired, stays as it is.
    fn retired(&self, catalog: &Catalog, module: &Module, definition: &mut FieldDefinition) {
        definition.to = definition.to.take().map(|to| self.target(to));
        self.rules(catalog, module, definition);
        let relation = definition.relation.as_deref().and_then(|name| module.relation_named(name));
        if let Some(related) = relation.map(|relation| catalog.module(relation.module)) {
            self.rolled_up(catalog, module, related, definition);
        }
    }

    /// The rules that a field's document has, and the fields of its module that it names.
    fn rules(&self, catalog: &Catalog, module: &Module, definition: &mut FieldDefinition) {
        if let Some(source) = &definition.required_if {
            definition.required_if = Some(self.rule(catalog, &context(module.id, false, false), source));
        }
        definition.depends_on = definition.depends_on.take().map(|name| self.field_name(module, &name).into_owned());
        if let Some(default) = &mut definition.default {
            self.default(catalog, module.id, default);
        }
        if let Some(source) = &definition.rule {
            definition.rule = Some(self.rule(catalog, &context(module.id, false, true), source));
        }
        for input in definition.inputs.values_mut() {
            *input = self.field_name(module, input).into_owned();
        }
    }

    /// What a rollup's document says of the records that it is over.
    fn rolled_up(&self, catalog: &Catalog, module: &Module, related: &Module, definition: &mut FieldDefinition) {
        definition.field = definition.field.take().map(|name| self.field_name(related, &name).into_owned());
        if let Some(source) = &definition.filter {
            definition.filter = Some(self.rule(catalog, &context(related.id, false, true), source));
        }
        // A many-to-many relation is called as its reference; others have a name of their own.
        let named_so = definition.relation.as_deref().and_then(|name| module.field_named(name));
        if named_so.is_some_and(|field| matches!(field.kind, FieldKind::References { .. })) {
            definition.relation = definition.relation.take().map(|name| self.field_name(module, &name).into_owned());
        }
    }

    /// The conditions of the feature `assignment`.
    fn assignment(&self, catalog: &Catalog, module: &Module, document: &mut ModuleDefinition) {
        let assignment = document.features.as_mut().and_then(|features| features.get_mut("assignment"));
        let rules = assignment.and_then(|assignment| assignment.get_mut("rules")).and_then(Json::as_array_mut);
        for rule in rules.into_iter().flatten() {
            if let Some(Json::String(source)) = rule.get_mut("when") {
                *source = self.rule(catalog, &assignment::context(module.id), source);
            }
        }
    }

    /// What the feature `clocks` names: fields of the module, of its policies, of their targets and of their calendars.
    fn clocks(&self, catalog: &Catalog, module: &Module, document: &mut ModuleDefinition) {
        let clocks = document.features.as_mut().and_then(|features| features.get_mut("clocks"));
        let Some(Ok(read)) = clocks.as_ref().map(|clocks| serde_json::from_value::<Clocks>((**clocks).clone())) else {
            return;
        };
        let Some(clocks) = clocks else { return };
        let follow = |of: Option<&Module>, place: Option<&mut Json>| {
            if let (Some(of), Some(Json::String(name))) = (of, place) {
                *name = self.field_name(of, name).into_owned();
            }
        };
        let rule = |of: Option<&Module>, place: Option<&mut Json>| {
            if let (Some(of), Some(Json::String(source))) = (of, place) {
                *source = self.rule(catalog, &assignment::context(of.id), source);
            }
        };
        let policies = read.policy.as_ref().and_then(|policy| policy.module(catalog, module));
        let list = read.policy.as_ref().and_then(|policy| policies?.relation_named(&policy.targets.list));
        let targets = list.map(|relation| catalog.module(relation.module));
        let calendar = read.policy.as_ref().and_then(|policy| policy.calendar.as_ref());
        let calendars = calendar.and_then(|calendar| calendar.module(catalog, policies?));
        for clock in clocks.get_mut("clocks").and_then(Json::as_array_mut).into_iter().flatten() {
            for key in ["start", "pause", "stop"] {
                rule(Some(module), clock.get_mut(key));
            }
            if let Some(Json::String(source)) = clock.get_mut("minutes") {
                let context = Context { expected: Expected::Number, ..assignment::context(module.id) };
                *source = self.rule(catalog, &context, source);
            }
            for key in ["due", "since", "spent"] {
                follow(Some(module), clock.get_mut(key));
            }
            follow(targets, clock.get_mut("target"));
        }
        let Some(policy) = clocks.get_mut("policy") else { return };
        follow(Some(module), policy.get_mut("field"));
        follow(policies, policy.get_mut("default"));
        rule(policies, policy.get_mut("when"));
        let matching = policy.get_mut("targets").and_then(|targets| targets.get_mut("match"));
        if let (Some(targets), Some(Json::Object(matching))) = (targets, matching) {
            for (of_target, mut own) in std::mem::take(matching) {
                follow(Some(module), Some(&mut own));
                matching.insert(self.field_name(targets, &of_target).into_owned(), own);
            }
        }
        if let Some(calendar) = policy.get_mut("calendar") {
            follow(policies, calendar.get_mut("field"));
            for key in ["timeZone", "weekdays", "exceptions"] {
                follow(calendars, calendar.get_mut(key));
            }
        }
    }

    /// What the feature `conversion` names: of one conversion, or of each of a list.
    fn conversions(&self, catalog: &Catalog, module: &Module, document: &mut ModuleDefinition) {
        let declared = document.features.as_mut().and_then(|features| features.get_mut("conversion"));
        let all = match declared {
            Some(Json::Array(all)) => all.as_mut_slice(),
            Some(only) => std::slice::from_mut(only),
            None => return,
        };
        for conversion in all {
            self.conversion(catalog, module, conversion);
        }
    }

    /// Fields of the module, other modules and their fields.
    fn conversion(&self, catalog: &Catalog, module: &Module, conversion: &mut Json) {
        let Some(conversion) = conversion.as_object_mut() else { return };
        let follow = |of: &mut serde_json::Map<String, Json>, key: &str| {
            if let Some(Json::String(name)) = of.get_mut(key) {
                *name = self.field_name(module, name).into_owned();
            }
        };
        follow(conversion, "done");
        follow(conversion, "at");
        for target in conversion.get_mut("targets").and_then(Json::as_array_mut).into_iter().flatten() {
            let Some(target) = target.as_object_mut() else { continue };
            follow(target, "when");
            follow(target, "keep");
            let of = target.get("module").and_then(Json::as_str).and_then(|name| catalog.module_by_name(name));
            if let (Some(of), Some(Json::Object(fields))) = (of, target.get_mut("fields")) {
                for (to, mut from) in std::mem::take(fields) {
                    if let Json::String(name) = &mut from {
                        *name = self.field_name(module, name).into_owned();
                    }
                    fields.insert(self.field_name(of, &to).into_owned(), from);
                }
            }
            for copied in target.get_mut("copies").and_then(Json::as_array_mut).into_iter().flatten() {
                self.copied(catalog, module, copied);
            }
            if let Some(Json::String(name)) = target.get_mut("module") {
                *name = self.module_name(name).to_owned();
            }
        }
    }

    /// The texts of the feature `mentions`.
    fn mentions(&self, module: &Module, document: &mut ModuleDefinition) {
        let mentions = document.features.as_mut().and_then(|features| features.get_mut("mentions"));
        let fields = mentions.and_then(|mentions| mentions.get_mut("fields")).and_then(Json::as_array_mut);
        for field in fields.into_iter().flatten() {
            if let Json::String(name) = field {
                *name = self.field_name(module, name).into_owned();
            }
        }
    }

    /// What the feature `stages` names: fields of the module, and of the records of its history.
    fn stages(&self, catalog: &Catalog, module: &Module, document: &mut ModuleDefinition) {
        let stages = document.features.as_mut().and_then(|features| features.get_mut("stages"));
        let Some(stages) = stages.and_then(Json::as_object_mut) else { return };
        let follow = |of: &Module, names: &mut serde_json::Map<String, Json>, keys: &[&str]| {
            for key in keys {
                if let Some(Json::String(name)) = names.get_mut(*key) {
                    *name = self.field_name(of, name).into_owned();
                }
            }
        };
        follow(module, stages, &["field", "probability", "kind", "since", "closed"]);
        if let Some(history) = stages.get_mut("history").and_then(Json::as_object_mut) {
            let list = history.get("list").and_then(Json::as_str).and_then(|list| module.relation_named(list));
            if let Some(of) = list.map(|relation| catalog.module(relation.module)) {
                follow(of, history, &["stage", "entered", "left"]);
            }
        }
    }

    /// The fields that the feature `timeline` names, of the records at the end of each way.
    fn timeline(&self, catalog: &Catalog, module: &Module, document: &mut ModuleDefinition) {
        let timeline = document.features.as_mut().and_then(|features| features.get_mut("timeline"));
        let sources = timeline.and_then(|timeline| timeline.get_mut("sources")).and_then(Json::as_array_mut);
        for source in sources.into_iter().flatten() {
            let way = source.get("list").and_then(Json::as_str).unwrap_or_default();
            let end = way.split('.').try_fold(module, |of, list| Some(catalog.module(of.relation_named(list)?.module)));
            if let (Some(end), Some(Json::String(name))) = (end, source.get_mut("at")) {
                *name = self.field_name(end, name).into_owned();
            }
        }
    }

    /// The fields of the feature `recurrence`.
    fn recurrence(&self, module: &Module, document: &mut ModuleDefinition) {
        let recurrence = document.features.as_mut().and_then(|features| features.get_mut("recurrence"));
        for name in recurrence.and_then(Json::as_object_mut).into_iter().flat_map(serde_json::Map::values_mut) {
            match name {
                Json::String(name) => *name = self.field_name(module, name).into_owned(),
                Json::Object(free) => {
                    for (name, options) in std::mem::take(free) {
                        free.insert(self.field_name(module, &name).into_owned(), options);
                    }
                }
                _ => {}
            }
        }
    }

    /// The modules and fields of the feature `calendarShares`.
    fn calendar_shares(&self, module: &Module, document: &mut ModuleDefinition) {
        let shares = document.features.as_mut().and_then(|features| features.get_mut("calendarShares"));
        let Some(shares) = shares.and_then(Json::as_object_mut) else { return };
        for key in ["user", "mode", "users", "detail"] {
            if let Some(Json::String(name)) = shares.get_mut(key) {
                *name = self.field_name(module, name).into_owned();
            }
        }
        for name in shares.get_mut("of").and_then(Json::as_array_mut).into_iter().flatten() {
            if let Json::String(name) = name {
                *name = self.module_name(name).to_owned();
            }
        }
    }

    /// What a conversion says of a list that is made again.
    fn copied(&self, catalog: &Catalog, module: &Module, copied: &mut Json) {
        let named = |key: &str| copied.get(key).and_then(Json::as_str).unwrap_or_default();
        let to = catalog.module_by_name(named("module"));
        let from = module.relation_named(named("list")).map(|relation| catalog.module(relation.module));
        let Some(copied) = copied.as_object_mut() else { return };
        if let (Some(to), Some(Json::String(name))) = (to, copied.get_mut("to")) {
            *name = self.field_name(to, name).into_owned();
        }
        if let (Some(to), Some(from), Some(Json::Object(fields))) = (to, from, copied.get_mut("fields")) {
            for (name, mut source) in std::mem::take(fields) {
                if let Json::String(source) = &mut source {
                    *source = self.field_name(from, source).into_owned();
                }
                fields.insert(self.field_name(to, &name).into_owned(), source);
            }
        }
        if let Some(Json::String(name)) = copied.get_mut("module") {
            *name = self.module_name(name).to_owned();
        }
    }

    fn field(
        &self,
        catalog: &Catalog,
        module: &Module,
        field: &Field,
        definition: &FieldDefinition,
    ) -> FieldDefinition {
        let mut definition = definition.clone();
        definition.name = self.field_name(module, &definition.name).into_owned();
        definition.to = definition.to.map(|to| self.target(to));
        self.rules(catalog, module, &mut definition);
        if let FieldKind::Rollup(rollup) = &field.kind {
            let related = catalog.module(module.relation(rollup.relation).module);
            self.rolled_up(catalog, module, related, &mut definition);
        }
        if let (FieldKind::References { link }, Some(written)) = (&field.kind, &mut definition.link) {
            for own in &mut written.fields {
                own.to = own.to.take().map(|to| self.target(to));
                if let Some(default) = &mut own.default {
                    self.default(catalog, *link, default);
                }
            }
        }
        definition
    }

    fn default(&self, catalog: &Catalog, module: ModuleId, default: &mut serde_json::Value) {
        let source = default.as_object().filter(|entries| entries.len() == 1).and_then(|entries| entries.get("rule"));
        if let Some(source) = source.and_then(serde_json::Value::as_str) {
            let renamed = self.rule(catalog, &context(module, false, false), source);
            default["rule"] = renamed.into();
        }
    }

    fn target(&self, target: ReferenceTarget) -> ReferenceTarget {
        match target {
            ReferenceTarget::One(name) => ReferenceTarget::One(self.module_name(&name).to_owned()),
            ReferenceTarget::Several(names) => {
                ReferenceTarget::Several(names.iter().map(|name| self.module_name(name).to_owned()).collect())
            }
        }
    }
}

/// The context of a rule whose type is settled already.
fn context(module: ModuleId, allow_old: bool, allow_relations: bool) -> Context {
    Context { module, allow_old, allow_relations, expected: Expected::Any }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::resolve::{platform_documents, resolve};

    fn catalog() -> Catalog {
        let documents = [
            json!({"name": "Account", "plural": "Accounts", "nameField": "name", "fields": [
                {"name": "name", "type": "text"}, {"name": "site", "type": "address"},
                {"name": "total", "type": "rollup", "relation": "deals", "function": "SUM", "field": "amount",
                 "filter": "amount > 1 && title != \"amount\" && account.name != null"},
                {"name": "tags", "type": "references", "to": "Tag"},
                {"name": "tagCount", "type": "rollup", "relation": "tags", "function": "COUNT"}]}),
            json!({"name": "Deal", "plural": "Deals", "search": ["title"], "uniques": [{"fields": ["title", "account"]}],
                "fields": [
                {"name": "title", "type": "text"},
                {"name": "amount", "type": "money", "default": {"rule": "2 * 3"}},
                {"name": "account", "type": "reference", "to": "Account", "inverse": "deals"},
                {"name": "half", "type": "formula", "returns": "decimal", "rule": "record.amount / 2 + amount // amount"},
                {"name": "city", "type": "formula", "returns": "text",
                 "rule": "accountId == null ? 'account' : account.site.city + account.name"}],
                "validations": [{"rule": "old.amount == null || amount >= old.amount", "message": "m", "fields": ["amount"]}]}),
            json!({"name": "Tag", "plural": "Tags", "fields": [{"name": "amount", "type": "integer"}]}),
        ];
        let definitions: Vec<ModuleDefinition> =
            documents.into_iter().map(|document| serde_json::from_value(document).unwrap()).collect();
        resolve(1, &platform(), &definitions).unwrap()
    }

    fn platform() -> Vec<ModuleDefinition> {
        let documents = platform_documents().into_iter();
        documents.map(|(_, document)| serde_json::from_str(document).unwrap()).collect()
    }

    fn renamed(catalog: &Catalog, renaming: &Renaming) -> (Vec<ModuleDefinition>, Catalog) {
        let own = catalog.modules.iter().filter(|module| module.link.is_none() && !module.platform);
        let definitions: Vec<_> = own.map(|module| renaming.definition(catalog, module)).collect();
        let resolved = resolve(2, &platform(), &definitions).unwrap_or_else(|issues| panic!("{issues:?}"));
        (definitions, resolved)
    }

    #[test]
    fn a_field_is_called_otherwise_wherever_it_is_meant_and_nowhere_else() {
        let catalog = catalog();
        let deal = catalog.module_by_name("Deal").unwrap();
        let renaming = Renaming::of_field(deal.id, deal.field_named("amount").unwrap().id, "value");
        let (definitions, _) = renamed(&catalog, &renaming);
        let [account, deal, tag] = definitions.as_slice() else { panic!() };
        assert_eq!(account.fields[2].field.as_deref(), Some("value"));
        assert_eq!(
            account.fields[2].filter.as_deref(),
            Some("value > 1 && title != \"amount\" && account.name != null")
        );
        assert_eq!(deal.fields[3].rule.as_deref(), Some("record.value / 2 + value // amount"));
        assert_eq!(deal.validations[0].rule, "old.value == null || value >= old.value");
        assert_eq!(deal.validations[0].fields, ["value"]);
        assert_eq!(tag.fields[0].name, "amount", "another module's field of the same name");
    }

    #[test]
    fn a_reference_is_called_otherwise_with_its_id_and_a_part_with_its_whole() {
        let catalog = catalog();
        let (account, deal) = (catalog.module_by_name("Account").unwrap(), catalog.module_by_name("Deal").unwrap());
        let renaming = Renaming::of_field(deal.id, deal.field_named("account").unwrap().id, "client");
        let (definitions, resolved) = renamed(&catalog, &renaming);
        let rule = "clientId == null ? 'account' : client.site.city + client.name";
        assert_eq!(definitions[1].fields[4].rule.as_deref(), Some(rule));
        assert_eq!(definitions[1].uniques[0].fields, ["title", "client"]);
        assert!(definitions[0].fields[2].filter.as_deref().unwrap().ends_with("client.name != null"));
        assert!(resolved.module_by_name("Account").unwrap().relation_named("deals").is_some());
        let renaming = Renaming::of_field(account.id, account.field_named("site").unwrap().id, "office");
        let (definitions, _) = renamed(&catalog, &renaming);
        assert!(definitions[1].fields[4].rule.as_deref().unwrap().contains("account.office.city"));
    }

    #[test]
    fn links_follow_their_reference_and_their_modules() {
        let catalog = catalog();
        let account = catalog.module_by_name("Account").unwrap();
        let renaming = Renaming::of_field(account.id, account.field_named("tags").unwrap().id, "labels");
        let (definitions, resolved) = renamed(&catalog, &renaming);
        assert_eq!(definitions[0].fields[4].relation.as_deref(), Some("labels"));
        assert!(resolved.module_or_link_named("AccountLabels").is_some());
        let renaming = Renaming::of_module(&catalog, account, "Client");
        let (definitions, resolved) = renamed(&catalog, &renaming);
        assert_eq!(definitions[1].fields[2].to, Some(ReferenceTarget::One("Client".to_owned())));
        let links = resolved.module_or_link_named("ClientTags").unwrap();
        assert!(links.field_named("client").is_some() && links.field_named("tag").is_some());
        assert!(resolved.module_by_name("Account").is_none());
    }
}
