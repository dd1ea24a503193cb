//! What a rule reads: for the order in which formulas depend on one another, and for permissions.

use super::{Expr, Root, TypedRule};
use crate::catalog::FieldPath;

impl TypedRule {
    /// Every field that the rule reads, each once, in the order of reading.
    pub fn inputs(&self) -> Vec<(Root, FieldPath)> {
        let mut inputs = Vec::new();
        self.expr.walk(&mut |expr| {
            if let Expr::Field(root, path) = expr {
                let input = (*root, path.clone());
                if !inputs.contains(&input) {
                    inputs.push(input);
                }
            }
        });
        inputs
    }
}

impl Expr {
    /// Visits this expression and then its parts, from left to right.
    pub fn walk(&self, visit: &mut dyn FnMut(&Self)) {
        visit(self);
        match self {
            Self::Literal(_) | Self::Field(..) | Self::Outside(..) | Self::ActorId | Self::Now | Self::Today => {}
            Self::Negate(operand) | Self::Not(operand) | Self::IsNull(operand) => operand.walk(visit),
            Self::Binary(_, left, right) => {
                left.walk(visit);
                right.walk(visit);
            }
            Self::Conditional(condition, then, otherwise) => {
                condition.walk(visit);
                then.walk(visit);
                otherwise.walk(visit);
            }
            Self::In(operand, values) => {
                operand.walk(visit);
                values.iter().for_each(|value| value.walk(visit));
            }
            Self::Call(_, arguments) => arguments.iter().for_each(|argument| argument.walk(visit)),
        }
    }

    /// Visits this expression and then its parts, from left to right, to change them.
    pub(crate) fn walk_mut(&mut self, visit: &mut dyn FnMut(&mut Self)) {
        visit(self);
        match self {
            Self::Literal(_) | Self::Field(..) | Self::Outside(..) | Self::ActorId | Self::Now | Self::Today => {}
            Self::Negate(operand) | Self::Not(operand) | Self::IsNull(operand) => operand.walk_mut(visit),
            Self::Binary(_, left, right) => {
                left.walk_mut(visit);
                right.walk_mut(visit);
            }
            Self::Conditional(condition, then, otherwise) => {
                condition.walk_mut(visit);
                then.walk_mut(visit);
                otherwise.walk_mut(visit);
            }
            Self::In(operand, values) => {
                operand.walk_mut(visit);
                values.iter_mut().for_each(|value| value.walk_mut(visit));
            }
            Self::Call(_, arguments) => arguments.iter_mut().for_each(|argument| argument.walk_mut(visit)),
        }
    }
}
