//! Operators: which types fit which, and what is compared with null.

use cel::common::ast::Expr as Syntax;
use cel::parser::Expression;

use super::{Checked, Checker, Typed};
use crate::Value;
use crate::rule::{BinaryOp, Expr, Function, RuleType};

impl Checker<'_> {
    pub(super) fn conditional(&mut self, operands: &[Expression], position: usize) -> Checked {
        let [condition, then, otherwise] = operands else {
            return self.fail(position, "a condition is written `condition ? then : otherwise`");
        };
        let condition = self.operand(condition, RuleType::Boolean, "`?`");
        let (then, otherwise) = (self.expression(then), self.expression(otherwise));
        let (condition, then, otherwise) = (condition?, then?, otherwise?);
        let Some(ty) = unified(&then, &otherwise) else {
            let message =
                format!("both results of `?` must have one type, but they are {} and {}", then.ty, otherwise.ty);
            return self.fail(position, message);
        };
        let expr = Expr::Conditional(Box::new(condition.expr), Box::new(then.expr), Box::new(otherwise.expr));
        self.typed(expr, ty, position)
    }

    pub(super) fn not(&mut self, operands: &[Expression], position: usize) -> Checked {
        let [operand] = operands else {
            return self.fail(position, "`!` needs one operand");
        };
        let operand = self.operand(operand, RuleType::Boolean, "`!`")?;
        self.typed(Expr::Not(Box::new(operand.expr)), RuleType::Boolean, position)
    }

    pub(super) fn negate(&mut self, operands: &[Expression], position: usize) -> Checked {
        let [operand] = operands else {
            return self.fail(position, "`-` needs an operand");
        };
        let operand = self.operand(operand, RuleType::Number, "`-`")?;
        let expr = match operand.expr {
            Expr::Literal(Value::Decimal(number)) => Expr::Literal(Value::Decimal(-&number)),
            expr => Expr::Negate(Box::new(expr)),
        };
        self.typed(expr, RuleType::Number, position)
    }

    /// `x == y` and `x != y`; with the literal `null`, whether there is a value.
    pub(super) fn equality(&mut self, op: BinaryOp, operands: &[Expression], position: usize) -> Checked {
        let [left, right] = operands else {
            return self.fail(position, "an operator needs two operands");
        };
        let (left, right) = (self.expression(left), self.expression(right));
        let (left, right) = (left?, right?);
        let operand = match (&left.expr, &right.expr) {
            (_, Expr::Literal(Value::Null)) => left,
            (Expr::Literal(Value::Null), _) => right,
            _ => {
                let (left, right) = (self.fit(left.clone(), &right)?, self.fit(right, &left)?);
                return self.binary(op, left, right, position);
            }
        };
        let is_null = Expr::IsNull(Box::new(operand.expr));
        let expr = if op == BinaryOp::Equal { is_null } else { Expr::Not(Box::new(is_null)) };
        self.typed(expr, RuleType::Boolean, position)
    }

    pub(super) fn binary(&mut self, op: BinaryOp, left: Typed, right: Typed, position: usize) -> Checked {
        let (op, ty) = match result_type(op, left.ty, right.ty) {
            Ok(fitting) => fitting,
            Err(why) => {
                let (left, right) = (left.ty, right.ty);
                let message = format!("`{}` does not fit {left} and {right}; {why}", symbol(op));
                return self.fail(position, message);
            }
        };
        self.typed(Expr::Binary(op, Box::new(left.expr), Box::new(right.expr)), ty, position)
    }

    /// `x in [a, b]`, and `x in list` for the list of a field.
    pub(super) fn membership(&mut self, operands: &[Expression], position: usize) -> Checked {
        let [left, right] = operands else {
            return self.fail(position, "`in` needs two operands");
        };
        let left = self.expression(left);
        let Syntax::List(list) = &right.expr else {
            let right = self.expression(right);
            let (left, right) = (left?, right?);
            return self.has(right, left, position);
        };
        let elements: Vec<Checked> = list.elements.iter().map(|element| self.expression(element)).collect();
        let left = left?;
        if elements.is_empty() {
            return self.fail(position, "this list is empty, so nothing can be in it");
        }
        let mut checked = Vec::with_capacity(elements.len());
        let mut complete = true;
        for element in elements {
            let Some(element) = element.and_then(|element| self.fit(element, &left)) else {
                complete = false;
                continue;
            };
            if let Err(why) = result_type(BinaryOp::Equal, left.ty, element.ty) {
                let message = format!("{} cannot be among values of which one is {}; {why}", left.ty, element.ty);
                self.issue(element.position, message);
                complete = false;
            }
            checked.push(element.expr);
        }
        if !complete {
            return None;
        }
        self.typed(Expr::In(Box::new(left.expr), checked), RuleType::Boolean, position)
    }

    /// Whether the texts of `list` include `element`.
    pub(super) fn has(&mut self, list: Typed, element: Typed, position: usize) -> Checked {
        if list.ty != RuleType::TextList {
            let message = format!("a list is expected here, as in `x in [\"A\", \"B\"]`, but this is {}", list.ty);
            return self.fail(list.position, message);
        }
        let element = self.fit(element, &list)?;
        if element.ty != RuleType::Text {
            let message = format!("this list holds texts, so {} is never in it", element.ty);
            return self.fail(element.position, message);
        }
        self.typed(Expr::Call(Function::Has, vec![list.expr, element.expr]), RuleType::Boolean, position)
    }

    /// A part of the type that `user` needs.
    pub(super) fn operand(&mut self, node: &Expression, ty: RuleType, user: &str) -> Checked {
        let typed = self.expression(node)?;
        if typed.ty != ty {
            let message = format!("{user} needs {ty}, but this is {}", typed.ty);
            return self.fail(typed.position, message);
        }
        Some(typed)
    }
}

/// The type of two results of which one is taken.
pub(super) fn unified(a: &Typed, b: &Typed) -> Option<RuleType> {
    match (a.ty, b.ty) {
        (ty, RuleType::Null) | (RuleType::Null, ty) => Some(ty),
        (a, b) => (a == b).then_some(a),
    }
}

/// The operator that is meant and its result's type, or why the operands do not fit it.
fn result_type(op: BinaryOp, left: RuleType, right: RuleType) -> Result<(BinaryOp, RuleType), &'static str> {
    use BinaryOp as Op;
    use RuleType as Ty;
    if left == Ty::Null || right == Ty::Null {
        return Err("the result would always be null; compare with null by `==` or `!=`, or use `coalesce`");
    }
    match op {
        Op::Add if (left, right) == (Ty::Text, Ty::Text) => Ok((Op::Concat, Ty::Text)),
        Op::Add => numbers(left, right, Ty::Number, "it adds two numbers or joins two texts").map(|ty| (op, ty)),
        Op::Subtract | Op::Multiply | Op::Divide | Op::Remainder => {
            numbers(left, right, Ty::Number, "both must be numbers").map(|ty| (op, ty))
        }
        Op::Concat => Err("it joins two texts"),
        Op::And | Op::Or if (left, right) == (Ty::Boolean, Ty::Boolean) => Ok((op, Ty::Boolean)),
        Op::And | Op::Or => Err("both must be conditions"),
        Op::Equal | Op::NotEqual if left == Ty::TextList => Err("ask for single values by `list.has(x)`"),
        Op::Less | Op::LessOrEqual | Op::Greater | Op::GreaterOrEqual
            if matches!(left, Ty::Boolean | Ty::Id | Ty::TextList) =>
        {
            Err("only numbers, texts, dates and times have an order")
        }
        _ if left == right => Ok((op, Ty::Boolean)),
        _ => Err(literal_hint(left, right)),
    }
}

fn numbers(left: RuleType, right: RuleType, ty: RuleType, why: &'static str) -> Result<RuleType, &'static str> {
    ((left, right) == (RuleType::Number, RuleType::Number)).then_some(ty).ok_or(why)
}

/// How a value that is compared with a text would be written right.
fn literal_hint(left: RuleType, right: RuleType) -> &'static str {
    match (left, right) {
        (RuleType::Date, RuleType::Text) | (RuleType::Text, RuleType::Date) => {
            "both must have one type; a date is written `date(\"2026-01-31\")`"
        }
        (RuleType::Time, RuleType::Text) | (RuleType::Text, RuleType::Time) => {
            "both must have one type; a time is written `time(\"09:30:00\")`"
        }
        (RuleType::DateTime, RuleType::Text) | (RuleType::Text, RuleType::DateTime) => {
            "both must have one type; a date with time is written `datetime(\"2026-01-31T09:30:00Z\")`"
        }
        (RuleType::Number, RuleType::Text) | (RuleType::Text, RuleType::Number) => {
            "both must have one type; a number is written without quotes"
        }
        _ => "both must have one type",
    }
}

fn symbol(op: BinaryOp) -> &'static str {
    match op {
        BinaryOp::Add | BinaryOp::Concat => "+",
        BinaryOp::Subtract => "-",
        BinaryOp::Multiply => "*",
        BinaryOp::Divide => "/",
        BinaryOp::Remainder => "%",
        BinaryOp::Equal => "==",
        BinaryOp::NotEqual => "!=",
        BinaryOp::Less => "<",
        BinaryOp::LessOrEqual => "<=",
        BinaryOp::Greater => ">",
        BinaryOp::GreaterOrEqual => ">=",
        BinaryOp::And => "&&",
        BinaryOp::Or => "||",
    }
}
