//! A module of one version of the catalog → the same module in the next one, where ids are others.

use crate::catalog::{Default, Field, FieldKind, Module};
use crate::rule::Expr;
use crate::{ModuleId, Relation};

/// The module with the ids that `ids` has for the old ones, and whether nothing in it mentions a module that is gone.
/// A relation that is gone is left out; whatever else is lost is the old id, as such a module is resolved anew.
pub(super) fn renumbered(module: &Module, ids: &[Option<ModuleId>]) -> (Module, bool) {
    let mut module = module.clone();
    let mut numbers = Numbers { ids, whole: true };
    let count = module.relations.len();
    let relations = std::mem::take(&mut module.relations).into_iter();
    let stays = relations.filter_map(|relation| Some(Relation { module: numbers.of(relation.module)?, ..relation }));
    module.relations = stays.collect();
    numbers.whole &= module.relations.len() == count;
    numbers.change(&mut module.id);
    if let Some(link) = &mut module.link {
        numbers.change(&mut link.owner);
    }
    module.fields.iter_mut().for_each(|field| numbers.change_field(field));
    module.validations.iter_mut().for_each(|validation| numbers.change_rule(&mut validation.rule.expr));
    (module, numbers.whole)
}

struct Numbers<'a> {
    ids: &'a [Option<ModuleId>],
    whole: bool,
}

impl Numbers<'_> {
    fn of(&self, old: ModuleId) -> Option<ModuleId> {
        self.ids[old.0 as usize]
    }

    fn change(&mut self, id: &mut ModuleId) {
        match self.of(*id) {
            Some(new) => *id = new,
            None => self.whole = false,
        }
    }

    fn change_field(&mut self, field: &mut Field) {
        if let Some(Default::Rule(rule)) = field.default.as_deref_mut() {
            self.change_rule(&mut rule.expr);
        }
        match &mut field.kind {
            FieldKind::Reference(reference) => reference.targets.iter_mut().for_each(|target| self.change(target)),
            FieldKind::References { link } => self.change(link),
            FieldKind::Formula(formula) => self.change_rule(&mut formula.rule.expr),
            FieldKind::Rollup(rollup) => {
                if let Some(filter) = &mut rollup.filter {
                    self.change_rule(&mut filter.expr);
                }
            }
            _ => {}
        }
    }

    fn change_rule(&mut self, expr: &mut Expr) {
        expr.walk_mut(&mut |expr| {
            if let Expr::Field(_, path) = expr {
                path.hops.iter_mut().for_each(|hop| self.change(&mut hop.target));
            }
        });
    }
}
