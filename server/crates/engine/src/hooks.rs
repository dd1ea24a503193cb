//! The port to those that look at records before they are written: higher crates say what becomes of a change, and check values.

use std::fmt::Debug;
use std::sync::Arc;

use cardine_model::catalog::{Field, FieldId, FieldKind, Module, ModuleId};
use cardine_model::definition::ValidatorUse;
use cardine_model::{Catalog, Decimal, Issue, Value};
use cardine_sql::write::stored_fields;
use cardine_store::{BoxFuture, Store};
use serde_json::{Map, Value as Json};
use uuid::Uuid;

use crate::check::{check_groups, check_value, issue};
use crate::record::{Record, json_name, value_of_json};
use crate::{EngineError, RequestContext};

/// A change of a record that is about to be written.
#[derive(Debug, Clone)]
pub struct Proposed {
    /// The record.
    pub id: Uuid,
    /// As it is; none for a new one.
    pub before: Option<Record>,
    /// As it is to be; none if it goes.
    pub after: Option<Record>,
    /// Why it is refused, with paths from the record on.
    pub issues: Vec<Issue>,
}

/// A value that a field's definition lets plugins check.
#[derive(Debug)]
pub struct ValueCheck<'a> {
    /// The record's module.
    pub module: &'a Module,
    /// The field.
    pub field: &'a Field,
    /// By whom, and what they are told.
    pub by: &'a ValidatorUse,
    /// The record that holds the value.
    pub record: &'a Record,
}

/// Fields that one plugin computes, for records of one module.
#[derive(Debug)]
pub struct Computation<'a> {
    /// The module.
    pub module: &'a Module,
    /// The plugin's name.
    pub by: &'a str,
    /// The fields; all have the same inputs.
    pub fields: &'a [&'a Field],
    /// For each record a JSON object of the fields' inputs, by the plugin's names.
    pub records: Vec<String>,
}

/// Looks at records before they are written, and computes fields of those that are shown. It belongs to a snapshot, so it is over that snapshot's catalog.
pub trait RecordHooks: Send + Sync + Debug {
    /// Whether anybody wants to see changes of this module. Where nobody does, nothing else is asked.
    fn concerns(&self, module: ModuleId) -> bool;

    /// References of a module whose hooks want to see, beside changes by this operation, the records that share their targets.
    fn siblings(&self, module: ModuleId, operation: &str) -> Vec<FieldId>;

    /// Lets everybody who wants to see them change or refuse changes of one module, which are all of one operation: `create`, `update`,
    /// `delete`, `restore`. What was changed meets the rules of single values already. `siblings` are live records of the module
    /// that share one of the references of [`RecordHooks::siblings`] with a change, and are none themselves.
    fn before_write<'a>(
        &'a self,
        ctx: &'a RequestContext,
        module: &'a Module,
        operation: &'static str,
        changes: &'a mut [Proposed],
        siblings: &'a [Record],
    ) -> BoxFuture<'a, Result<(), EngineError>>;

    /// What is wrong with values; each issue with the position of its value, and a path from the field on.
    fn check_values<'a>(
        &'a self,
        ctx: &'a RequestContext,
        values: &'a [ValueCheck<'a>],
    ) -> BoxFuture<'a, Result<Vec<(usize, Issue)>, EngineError>>;

    /// The values of computed fields, for each record by the plugin's names.
    fn compute<'a>(
        &'a self,
        ctx: &'a RequestContext,
        asked: Computation<'a>,
    ) -> BoxFuture<'a, Result<Vec<Map<String, Json>>, EngineError>>;
}

/// Makes the hooks of a snapshot; called when the catalog or the access epoch has changed.
pub trait RecordHooksLoader: Send + Sync {
    /// Reads what there is in the database.
    fn load<'a>(
        &'a self,
        store: &'a Store,
        catalog: &'a Catalog,
    ) -> BoxFuture<'a, Result<Arc<dyn RecordHooks>, EngineError>>;
}

/// Sees nothing, and vouches for nothing: the hooks of an engine without plugins.
#[derive(Debug)]
pub(crate) struct NoHooks;

impl RecordHooks for NoHooks {
    fn concerns(&self, _module: ModuleId) -> bool {
        false
    }

    fn siblings(&self, _module: ModuleId, _operation: &str) -> Vec<FieldId> {
        Vec::new()
    }

    fn before_write<'a>(
        &'a self,
        _ctx: &'a RequestContext,
        _module: &'a Module,
        _operation: &'static str,
        _changes: &'a mut [Proposed],
        _siblings: &'a [Record],
    ) -> BoxFuture<'a, Result<(), EngineError>> {
        Box::pin(std::future::ready(Ok(())))
    }

    fn check_values<'a>(
        &'a self,
        _ctx: &'a RequestContext,
        values: &'a [ValueCheck<'a>],
    ) -> BoxFuture<'a, Result<Vec<(usize, Issue)>, EngineError>> {
        let missing = values.first().map(|value| no_plugin(&value.by.plugin));
        Box::pin(std::future::ready(missing.map_or(Ok(Vec::new()), Err)))
    }

    fn compute<'a>(
        &'a self,
        _ctx: &'a RequestContext,
        asked: Computation<'a>,
    ) -> BoxFuture<'a, Result<Vec<Map<String, Json>>, EngineError>> {
        Box::pin(std::future::ready(Err(not_computed(asked.by))))
    }
}

/// A definition names a plugin that is not there: the field has no value.
pub fn not_computed(name: &str) -> EngineError {
    EngineError::PluginFailed {
        reason: "UNKNOWN_FUNCTION".to_owned(),
        message: format!("a field is computed by the plugin `{name}`, which is not installed"),
    }
}

/// A definition names a plugin that is not there: nobody can say that the value is right.
pub fn no_plugin(name: &str) -> EngineError {
    EngineError::PluginFailed {
        reason: "UNKNOWN_FUNCTION".to_owned(),
        message: format!("a field is checked by the plugin `{name}`, which is not installed"),
    }
}

/// Why a patch cannot be applied.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum PatchFault {
    /// It names what is no field of the module that can be patched.
    #[error("`{0}` is no field that a patch can change")]
    Field(String),
    /// A value is not of its field's type.
    #[error("the value of `{0}` does not fit its type")]
    Type(String),
    /// A value breaks a rule of its field.
    #[error("{0}")]
    Rule(String),
}

/// Applies a JSON merge patch, in the names and forms of the API, to a record. Each field that it names is asked of `may_write`.
///
/// References and files keep their values: which records exist is for the caller's rights to say, not for a patch.
pub fn apply_patch(
    ctx: &RequestContext,
    module: &Module,
    record: &mut Record,
    patch: &Map<String, Json>,
    may_write: impl Fn(&Field) -> bool,
) -> Result<(), Vec<PatchFault>> {
    let mut faults = Vec::new();
    let mut issues = Vec::new();
    let before = record.clone();
    let mut set = |name: &str, json: &Json| {
        let found = stored_fields(module).find(|field| json_name(field) == name);
        let Some(field) = found.filter(|field| is_patchable(field) && may_write(field)) else {
            return faults.push(PatchFault::Field(name.to_owned()));
        };
        let Some(value) = typed(field, json) else { return faults.push(PatchFault::Type(name.to_owned())) };
        if *record.get(field.id) != value {
            let value = check_value(ctx.catalog(), module.id, field, value, &[], &mut issues);
            record.set(field.id, value);
        }
    };
    for (name, json) in patch {
        match json {
            Json::Object(parts) if module.fields.iter().any(|field| field.name == *name && field.group().is_some()) => {
                for (part, json) in parts {
                    set(&format!("{name}.{part}"), json);
                }
            }
            json => set(name, json),
        }
    }
    check_groups(module, &ctx.actor.rights, record, Some(&before), &[], &mut issues);
    faults.extend(issues.iter().map(|issue| PatchFault::Rule(issue.to_string())));
    if faults.is_empty() { Ok(()) } else { Err(faults) }
}

fn is_patchable(field: &Field) -> bool {
    !field.system && !matches!(field.kind, FieldKind::Reference(_) | FieldKind::AutoNumber { .. } | FieldKind::Id)
}

/// JSON in the field's own form; none if it is of another type. Nothing is rounded.
fn typed(field: &Field, json: &Json) -> Option<Value> {
    match (&field.kind, json) {
        (_, Json::Null) => Some(Value::Null),
        (FieldKind::Json { .. }, json) => Some(Value::Json(json.clone())),
        (FieldKind::Boolean, Json::Bool(truth)) => Some(Value::Boolean(*truth)),
        (FieldKind::Integer { .. }, Json::Number(number)) => number.as_i64().map(Value::Integer),
        (FieldKind::Decimal { .. }, Json::Number(number)) => {
            number.as_i64().map(|number| Value::Decimal(Decimal::from_i64(number)))
        }
        (FieldKind::MultiChoice { .. }, Json::Array(items)) if items.iter().all(Json::is_string) => {
            Some(value_of_json(field, json))
        }
        (FieldKind::Boolean | FieldKind::MultiChoice { .. }, _) => None,
        (_, Json::String(_)) => Some(value_of_json(field, json)).filter(|value| !value.is_null()),
        _ => None,
    }
}

/// An issue at a place of a record that somebody else named; what the caller may not read is not named.
pub fn issue_at(ctx: &RequestContext, module: &Module, path: Option<&str>, rule: &str, message: &str) -> Issue {
    let named = path.and_then(|path| {
        let own = |field: &&Field| !field.name.contains('.');
        let first = path.split('.').next().unwrap_or_default();
        let field = module.fields.iter().filter(own).find(|field| field.name == first || json_name(field) == first)?;
        ctx.actor.rights.can_read(module.id, field.id).then_some(path)
    });
    let path = named.map(|path| path.split('.').map(Into::into).collect()).unwrap_or_default();
    Issue::new(path, rule, message)
}

/// An issue at a field of a record; one that the caller may not read is not named.
pub fn issue_of_field(ctx: &RequestContext, module: &Module, field: &Field, rule: &str, message: &str) -> Issue {
    let whole = field.part_of.unwrap_or(field.id);
    match ctx.actor.rights.can_read(module.id, whole) {
        true => issue(field, &[], rule, message),
        false => Issue::new(Vec::new(), rule, "a value that you may not see is not valid; ask an administrator"),
    }
}
