//! Values that plugins check: one call for each validator, over all records of a write.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use cardine_engine::hooks::{ValueCheck, issue_of_field, no_plugin};
use cardine_engine::{EngineError, RequestContext, json_name, json_of_field};
use cardine_model::Issue;
use cardine_model::catalog::{DecimalUnit, FieldKind, ModuleId, TextFormat};
use cardine_model::definition::ValidatorUse;
use cardine_plugin_host::{CheckedValue, DeniedServices};
use cardine_workflow::{GrantedPlugin, call_context, visible_keys};
use serde_json::{Map, Value as Json};

use super::refusal;

/// Asks the validators that the fields name. Each issue comes with the position of its value.
pub async fn check(
    installed: &BTreeMap<String, GrantedPlugin>,
    ctx: &RequestContext,
    values: &[ValueCheck<'_>],
) -> Result<Vec<(usize, Issue)>, EngineError> {
    let mut groups: Vec<(&ValidatorUse, Vec<usize>)> = Vec::new();
    for (position, value) in values.iter().enumerate() {
        match groups.iter_mut().find(|(by, _)| *by == value.by) {
            Some((_, group)) => group.push(position),
            None => groups.push((value.by, vec![position])),
        }
    }
    let mut issues = Vec::new();
    for (by, group) in groups {
        let plugin = installed.get(&by.plugin).ok_or_else(|| no_plugin(&by.plugin))?;
        check_use(plugin, by, &group, values)?;
        let mut siblings = Siblings { plugin, ctx, keys: BTreeMap::new() };
        let checked = group.iter().map(|position| {
            let value = &values[*position];
            let own = json_of_field(value.field, value.record.get(value.field.id));
            CheckedValue { value: own, siblings: siblings.of(value) }
        });
        let checked = checked.collect();
        let mut session = plugin.plugin.session(Arc::new(DeniedServices));
        let found = session.validate(&call_context(ctx), &by.validator, &by.params, checked).await;
        for issue in found.map_err(|failure| refusal(&failure))? {
            let Some(position) = issue.item.and_then(|item| group.get(item as usize)) else { continue };
            let value = &values[*position];
            let said = issue_of_field(ctx, value.module, value.field, &issue.code, &issue.message);
            issues.push((*position, said));
        }
    }
    Ok(issues)
}

/// Refuses a validator that is not there, is not for the field's type, or takes no such parameters.
fn check_use(
    plugin: &GrantedPlugin,
    by: &ValidatorUse,
    group: &[usize],
    values: &[ValueCheck<'_>],
) -> Result<(), EngineError> {
    let refuse = |reason: &str, message: String| Err(EngineError::PluginFailed { reason: reason.to_owned(), message });
    let named = format!("validator `{}` of plugin `{}`", by.validator, by.plugin);
    let manifest = plugin.plugin.manifest();
    let Some(validator) = manifest.validators().iter().find(|known| known.name == by.validator) else {
        return refuse("UNKNOWN_FUNCTION", format!("a field is checked by the {named}, which does not exist"));
    };
    for value in group.iter().map(|position| &values[*position]) {
        let field_type = type_name(&value.field.kind);
        if !validator.applies_to.iter().any(|known| known == field_type) {
            let types = validator.applies_to.join(", ");
            return refuse("INPUT", format!("the {named} is for fields of the types {types}, not {field_type}"));
        }
    }
    let issues = validator.params_issues(&by.params);
    match issues.first() {
        None => Ok(()),
        Some(issue) => {
            refuse("INPUT", format!("a field's definition tells the {named} what it can't be told: {issue}"))
        }
    }
}

/// What a plugin sees beside a value: what its own role may read of the record.
struct Siblings<'a> {
    plugin: &'a GrantedPlugin,
    ctx: &'a RequestContext,
    keys: BTreeMap<ModuleId, BTreeSet<String>>,
}

impl Siblings<'_> {
    fn of(&mut self, value: &ValueCheck<'_>) -> Json {
        let records = &self.plugin.granted.records;
        if !records.contains_key(&value.module.name) {
            return Json::Object(Map::new());
        }
        let keys = self
            .keys
            .entry(value.module.id)
            .or_insert_with(|| visible_keys(value.module, &self.plugin.granted.rights(self.ctx.catalog())));
        let own = json_name(value.field);
        let siblings = value.record.to_json(value.module).into_iter();
        Json::Object(siblings.filter(|(key, _)| keys.contains(key) && *key != own).collect())
    }
}

/// The type as a definition names it, of fields whose values can be checked.
fn type_name(kind: &FieldKind) -> &'static str {
    match kind {
        FieldKind::Text { format, .. } => match format {
            TextFormat::Plain => "text",
            TextFormat::Long => "longText",
            TextFormat::Rich => "richText",
            TextFormat::Email => "email",
            TextFormat::Phone => "phone",
            TextFormat::Url => "url",
        },
        FieldKind::Integer { .. } => "integer",
        FieldKind::Decimal { unit, .. } => match unit {
            DecimalUnit::Plain => "decimal",
            DecimalUnit::Percent => "percent",
            DecimalUnit::Money => "money",
        },
        FieldKind::Boolean => "boolean",
        FieldKind::Date => "date",
        FieldKind::Time => "time",
        FieldKind::DateTime => "dateTime",
        FieldKind::Duration => "duration",
        FieldKind::Choice { .. } => "choice",
        FieldKind::MultiChoice { .. } => "multiChoice",
        FieldKind::Json { .. } => "json",
        _ => "other",
    }
}
