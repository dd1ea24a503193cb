//! Stored rollups → what they read, and the refusal of those whose value could change without a write of a related record.

use std::sync::Arc;

use rustc_hash::FxHashMap;

use super::draft::{Draft, Issues, UNKNOWN_RELATION, position_of};
use crate::catalog::{FieldKind, Module, Rollup, StoredRollup};
use crate::definition::RollupScope;
use crate::rule::{Expr, TypedRule};
use crate::{FieldId, ModuleId, path};

/// Tells every stored rollup that a write of the related records alone cannot keep.
pub(super) fn check(draft: &Draft<'_>, issues: &mut Issues) {
    for module in &draft.modules {
        for field in module.stored_rollups().filter(|field| !draft.is_faulty(module.id, field.id)) {
            let Some(rollup) = field.rollup().filter(|rollup| rollup.relation != UNKNOWN_RELATION) else { continue };
            if let Some(message) = obstacle(&draft.modules, module, rollup) {
                issues.add_in(&module.name, path!["fields", position_of(field.id), "stored"], "stored", message);
            }
        }
    }
}

/// The stored rollups of sound modules, by the module of the records that they are computed over.
pub(super) fn by_related_module(modules: &[Arc<Module>]) -> FxHashMap<ModuleId, Vec<StoredRollup>> {
    let mut found: FxHashMap<ModuleId, Vec<StoredRollup>> = FxHashMap::default();
    for module in modules {
        for field in module.stored_rollups() {
            let Some(rollup) = field.rollup() else { continue };
            let relation = module.relation(rollup.relation);
            let mut reads = Reads::of(&modules[relation.module.0 as usize], rollup);
            reads.fields.sort_unstable();
            let stored =
                StoredRollup { module: module.id, field: field.id, reference: relation.field, reads: reads.fields };
            found.entry(relation.module).or_default().push(stored);
        }
    }
    found
}

fn obstacle(modules: &[Arc<Module>], module: &Module, rollup: &Rollup) -> Option<String> {
    if rollup.scope != RollupScope::All {
        return Some(
            "a stored rollup has one value for everybody: add `\"scope\": \"ALL\"`, or leave `stored` out".to_owned(),
        );
    }
    let relation = module.relation(rollup.relation);
    if relation.through.is_some() || relation.hierarchy.is_some() {
        let message = format!(
            "`{}` leads over links or a hierarchy, so that other writes than those of the related records change it; leave `stored` out",
            relation.name
        );
        return Some(message);
    }
    let what = Reads::of(&modules[relation.module.0 as usize], rollup).obstacle?;
    Some(format!(
        "it reads {what}, which can change without a write of the related record; a stored rollup reads the stored fields of related records, and formulas over these: leave `stored` out"
    ))
}

/// What a rollup reads of the related record.
struct Reads<'a> {
    related: &'a Module,
    /// Its stored fields.
    fields: Vec<FieldId>,
    /// Formulas that were looked into.
    formulas: Vec<FieldId>,
    /// What it reads that is not the record's own.
    obstacle: Option<String>,
}

impl<'a> Reads<'a> {
    fn of(related: &'a Module, rollup: &Rollup) -> Self {
        let mut reads = Self { related, fields: Vec::new(), formulas: Vec::new(), obstacle: None };
        if let Some(field) = rollup.field {
            reads.field(field);
        }
        if let Some(filter) = &rollup.filter {
            reads.rule(filter);
        }
        reads
    }

    fn field(&mut self, id: FieldId) {
        let field = self.related.field(id);
        match &field.kind {
            FieldKind::Formula(formula) => {
                if !self.formulas.contains(&id) {
                    self.formulas.push(id);
                    self.rule(&formula.rule);
                }
            }
            FieldKind::Rollup(_) => self.refuse(format!("the rollup `{}`", field.name)),
            // A reference to a record that was deleted reads as null.
            FieldKind::Reference(_) => self.refuse(format!("the reference `{}`", field.name)),
            _ if self.fields.contains(&id) => {}
            _ => self.fields.push(id),
        }
    }

    fn rule(&mut self, rule: &TypedRule) {
        let related = self.related;
        rule.expr.walk(&mut |expr| match expr {
            Expr::Now | Expr::Today => self.refuse("the time".to_owned()),
            Expr::ActorId => self.refuse("who acts".to_owned()),
            Expr::Field(_, path) => match path.hops.first() {
                Some(hop) => self.refuse(format!("what `{}` leads to", related.field(hop.field).name)),
                None => self.field(path.field),
            },
            _ => {}
        });
    }

    fn refuse(&mut self, what: String) {
        self.obstacle.get_or_insert(what);
    }
}
