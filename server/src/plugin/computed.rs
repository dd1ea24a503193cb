//! Fields that plugins compute: a plugin is told what it was granted, and what the caller may read already.

use std::collections::BTreeMap;
use std::sync::Arc;

use cardine_access::FieldAccess;
use cardine_engine::hooks::{Computation, not_computed};
use cardine_engine::{EngineError, RequestContext};
use cardine_model::ScalarType;
use cardine_model::catalog::{Computed, FieldId};
use cardine_plugin_host::{ComputedManifest, DeniedServices};
use cardine_workflow::GrantedPlugin;
use serde_json::{Map, Value as Json};

use cardine_workflow::call_context;

use super::hooks::whole_name;
use super::refusal;

/// Asks the plugin about all records at once.
pub async fn compute(
    installed: &BTreeMap<String, GrantedPlugin>,
    ctx: &RequestContext,
    asked: Computation<'_>,
) -> Result<Vec<Map<String, Json>>, EngineError> {
    let plugin = installed.get(asked.by).ok_or_else(|| not_computed(asked.by))?;
    let mut names = Vec::with_capacity(asked.fields.len());
    for field in asked.fields {
        let Some(computed) = field.computed() else { continue };
        let named = format!("{}.{}", asked.module.name, field.name);
        let refuse = |reason: &str, message: String| {
            Err(EngineError::PluginFailed { reason: reason.to_owned(), message: format!("{named} {message}") })
        };
        let known = plugin.plugin.manifest().computed().iter().find(|known| known.field == computed.by.field);
        let Some(known) = known else {
            let message = format!(
                "is computed as `{}` of the plugin `{}`, which computes no such field",
                computed.by.field, asked.by
            );
            return refuse("UNKNOWN_FUNCTION", message);
        };
        if let Some(misfit) = misfit(known, computed) {
            return refuse("INPUT", format!("does not fit what the plugin `{}` computes: {misfit}", asked.by));
        }
        // By the plugin's names, as which fields they mean is what an administrator says in the definition; or the field itself, by the
        // name that it has now.
        let opens = |module: &String, name: &str| {
            let grant = plugin.granted.records.get(module).filter(|grant| grant.read);
            grant.is_some_and(|grant| grant.field(name) >= FieldAccess::Read)
        };
        let is_granted = |(input, field): &(String, FieldId)| {
            opens(&known.module, input) || opens(&asked.module.name, whole_name(asked.module.field(*field)))
        };
        if !computed.inputs.iter().all(is_granted) {
            let message =
                format!("is computed by the plugin `{}`, which was not granted to read all of its inputs", asked.by);
            return refuse("DENIED", message);
        }
        names.push(known.field.clone());
    }
    let mut session = plugin.plugin.session(Arc::new(DeniedServices));
    let answers = session.compute(&call_context(ctx), &asked.module.name, &names, asked.records).await;
    answers.map_err(|failure| refusal(&failure))
}

/// Why the definition of a field does not fit the manifest.
fn misfit(known: &ComputedManifest, computed: &Computed) -> Option<String> {
    let fits = match known.returns.as_str() {
        "integer" => computed.returns == ScalarType::Integer,
        "decimal" | "percent" | "money" => matches!(computed.returns, ScalarType::Decimal { .. }),
        "boolean" => computed.returns == ScalarType::Boolean,
        "date" => computed.returns == ScalarType::Date,
        "dateTime" => computed.returns == ScalarType::DateTime,
        "json" => computed.returns == ScalarType::Json,
        _ => computed.returns == ScalarType::Text,
    };
    if !fits {
        return Some(format!("it returns `{}`", known.returns));
    }
    let told = |name: &String| computed.inputs.iter().any(|(input, _)| input == name);
    let missing = known.inputs.iter().find(|name| !told(name)).map(|name| format!("its input `{name}` is missing"));
    let unknown = computed.inputs.iter().find(|(name, _)| !known.inputs.contains(name));
    missing.or_else(|| unknown.map(|(name, _)| format!("it has no input `{name}`")))
}
