//! Rollups → the relation and field that they compute over, and the type of their result.

use super::draft::{Document, Draft, Issues};
use super::numbers::SCALE_DEFAULT;
use crate::catalog::{FieldKind, Rollup};
use crate::definition::{FieldDefinition, RollupFunction};
use crate::suggest::did_you_mean;
use crate::{Field, FieldId, ModuleId, RelationId, ScalarType};

/// Resolves every rollup: first what it is over, then its type, which may depend on another rollup's.
pub(super) fn resolve(draft: &mut Draft<'_>, issues: &mut Issues) {
    let mut found = Vec::new();
    for document in draft.documents.clone() {
        for (position, id, definition) in document.fields() {
            if definition.kind != "rollup" || draft.is_faulty(document.id, id) {
                continue;
            }
            match sources(draft, &document, position, definition, issues) {
                Some((relation, field)) => {
                    if let Some(rollup) = rollup_mut(draft, document.id, id) {
                        (rollup.relation, rollup.field) = (relation, field);
                    }
                    found.push((document, position, id));
                }
                None => {
                    draft.faulty.insert((document.id, id));
                }
            }
        }
    }
    let mut types = Types { resolved: rustc_hash::FxHashMap::default() };
    for (document, position, id) in &found {
        let Some(returns) = types.of(draft, document.id, *id) else {
            continue;
        };
        if let Err(message) = returns {
            issues.add_at_field(document.definition, *position, "function", "type", message);
            draft.faulty.insert((document.id, *id));
        }
    }
    for ((module, id), returns) in types.resolved {
        if let (Some(Ok(returns)), Some(rollup)) = (returns, rollup_mut(draft, module, id)) {
            rollup.returns = returns;
        }
    }
}

fn rollup_mut<'d>(draft: &'d mut Draft<'_>, module: ModuleId, id: FieldId) -> Option<&'d mut Rollup> {
    match &mut draft.module_mut(module).fields[id.0 as usize].kind {
        FieldKind::Rollup(rollup) => Some(rollup),
        _ => None,
    }
}

/// The relation and the related module's field; `None` after telling a fault, or if the field is faulty itself.
fn sources(
    draft: &Draft<'_>,
    document: &Document<'_>,
    position: usize,
    definition: &FieldDefinition,
    issues: &mut Issues,
) -> Option<(RelationId, Option<FieldId>)> {
    let module = draft.module_at(document.id);
    let name = definition.relation.as_deref().unwrap_or_default();
    let Some(relation) = module.relation_named(name) else {
        let hint = did_you_mean(name, module.relations.iter().map(|relation| relation.name.as_str()));
        let message =
            format!("`{}` has no to-many relation `{name}`, made by an `inverse` that points here{hint}", module.name);
        issues.add_at_field(document.definition, position, "relation", "unknownRelation", message);
        return None;
    };
    let Some(name) = definition.field.as_deref() else {
        return Some((relation.id, None));
    };
    let related = draft.module_at(relation.module);
    let Some(field) = related.field_named(name) else {
        let hint = did_you_mean(name, related.fields.iter().map(|field| field.name.as_str()));
        let message = format!("`{}` has no field `{name}`{hint}", related.name);
        issues.add_at_field(document.definition, position, "field", "unknownField", message);
        return None;
    };
    (!draft.is_faulty(related.id, field.id)).then_some((relation.id, Some(field.id)))
}

/// Types of rollups as far as they are known; `None` stands for one that is being looked into, or leads into a cycle.
struct Types {
    resolved: rustc_hash::FxHashMap<(ModuleId, FieldId), Option<Result<ScalarType, String>>>,
}

impl Types {
    /// The type of a rollup's result, or why its function does not fit; `None` in a cycle, which the stage of dependencies tells.
    fn of(&mut self, draft: &Draft<'_>, module: ModuleId, id: FieldId) -> Option<Result<ScalarType, String>> {
        // Down a chain of rollups over rollups until one whose type is known, then up again: no recursion, chains may be long.
        let mut chain = vec![(module, id)];
        while let Some((module, id)) = chain.last().copied() {
            if matches!(self.resolved.get(&(module, id)), Some(Some(_))) {
                chain.pop();
                continue;
            }
            let FieldKind::Rollup(rollup) = &draft.module_at(module).field(id).kind else {
                chain.pop();
                continue;
            };
            let returns = match rollup.field {
                None => Some(Ok(ScalarType::Integer)),
                Some(field) => {
                    let related = draft.module_at(draft.module_at(module).relation(rollup.relation).module);
                    let field = related.field(field);
                    let is_rollup = matches!(field.kind, FieldKind::Rollup(_)) && draft.is_open(related.id);
                    match self.resolved.get(&(related.id, field.id)) {
                        _ if draft.is_faulty(related.id, field.id) => None,
                        None if is_rollup => {
                            self.resolved.insert((module, id), None);
                            chain.push((related.id, field.id));
                            continue;
                        }
                        Some(Some(Ok(scalar))) => {
                            Some(returns(rollup.function, field, Some(*scalar), scale_of(draft, module, id)))
                        }
                        Some(_) => None,
                        None => Some(returns(rollup.function, field, field.scalar(), scale_of(draft, module, id))),
                    }
                }
            };
            self.resolved.insert((module, id), returns);
            chain.pop();
        }
        self.resolved.get(&(module, id)).cloned().flatten()
    }
}

/// The `scale` that the rollup declares.
fn scale_of(draft: &Draft<'_>, module: ModuleId, id: FieldId) -> Option<u8> {
    draft.definition(module)?.fields.get(super::draft::position_of(id))?.scale
}

/// The type of `function` over `field` with values of type `scalar`, or what the function needs.
fn returns(
    function: RollupFunction,
    field: &Field,
    scalar: Option<ScalarType>,
    scale: Option<u8>,
) -> Result<ScalarType, String> {
    use RollupFunction as F;
    use ScalarType as T;
    match (function, scalar) {
        (F::Count, _) => Ok(T::Integer),
        (F::CountDistinct, Some(T::Json)) => {
            Err(unfit(field, "COUNT_DISTINCT needs a field whose values can be compared"))
        }
        (F::CountDistinct, Some(_)) => Ok(T::Integer),
        (F::CountDistinct, None) if field.reference().is_some() => Ok(T::Integer),
        (F::CountDistinct, None) => Err(unfit(field, "COUNT_DISTINCT needs a field with one value")),
        (F::Sum, Some(T::Integer | T::BigInteger)) => Ok(T::BigInteger),
        (F::Sum, Some(decimal @ T::Decimal { .. })) => Ok(decimal),
        (F::Sum, _) => Err(unfit(field, "SUM needs a number")),
        (F::Avg, Some(T::Integer | T::BigInteger)) => Ok(T::Decimal { scale: scale.unwrap_or(SCALE_DEFAULT) }),
        (F::Avg, Some(T::Decimal { scale: own })) => Ok(T::Decimal { scale: scale.unwrap_or(own) }),
        (F::Avg, _) => Err(unfit(field, "AVG needs a number")),
        (F::Min | F::Max, Some(T::Duration)) if matches!(field.kind, FieldKind::Formula(_)) => {
            Err(unfit(field, "MIN and MAX of durations need a field of the type `duration`"))
        }
        (F::Min | F::Max, Some(scalar))
            if scalar.is_number() || matches!(scalar, T::Date | T::Time | T::DateTime | T::Duration) =>
        {
            Ok(scalar)
        }
        (F::Min | F::Max, _) => {
            Err(unfit(field, "MIN and MAX need a number, a date, a time, an instant or a duration"))
        }
    }
}

fn unfit(field: &Field, needs: &str) -> String {
    format!("{needs}; `{}` is none", field.name)
}
