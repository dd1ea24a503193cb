//! Evaluation in memory: the meaning of every expression, which the compiled SQL must match.

use std::cmp::Ordering;

use chrono::{DateTime, NaiveDate, Utc};

use super::{BinaryOp, Expr, Function, Root, RuleType, TypedRule, calendar, strings};
use crate::catalog::FieldPath;
use crate::{Decimal, Value};

/// What a rule is evaluated over.
pub trait Scope {
    /// The value at `path`; null where a reference on the way is null or its record may not be seen. A formula's unrounded value.
    fn field(&self, root: Root, path: &FieldPath) -> Value;
    /// The value from outside of the record at `path`, of this type; null where it has another one.
    fn outside(&self, _path: &[String], _ty: RuleType) -> Value {
        Value::Null
    }
    /// The id of the user who acts, or null.
    fn actor_id(&self) -> Value;
    /// The instant of the request.
    fn now(&self) -> DateTime<Utc>;
    /// Today's date in the caller's time zone.
    fn today(&self) -> NaiveDate;
}

impl TypedRule {
    /// What the rule gives over `scope`; every number is a `Value::Decimal`, not rounded.
    pub fn eval(&self, scope: &dyn Scope) -> Value {
        self.expr.eval(scope)
    }

    /// Whether the rule, a condition, is met: true, and neither false nor null.
    pub fn is_met(&self, scope: &dyn Scope) -> bool {
        self.eval(scope) == Value::Boolean(true)
    }
}

impl Expr {
    /// What the expression gives over `scope`.
    pub fn eval(&self, scope: &dyn Scope) -> Value {
        match self {
            Self::Literal(value) => value.clone(),
            Self::Field(root, path) => widened(scope.field(*root, path)),
            Self::Outside(path, ty) => widened(scope.outside(path, *ty)),
            Self::ActorId => scope.actor_id(),
            Self::Now => Value::DateTime(scope.now()),
            Self::Today => Value::Date(scope.today()),
            Self::Negate(number) => from_number(number.number(scope).map(|number| -&number)),
            Self::Not(condition) => from_truth(condition.truth(scope).map(|truth| !truth)),
            Self::IsNull(operand) => Value::Boolean(operand.eval(scope).is_null()),
            Self::Binary(op, left, right) => binary(*op, left, right, scope),
            Self::Conditional(condition, then, otherwise) => {
                if condition.truth(scope) == Some(true) {
                    then.eval(scope)
                } else {
                    otherwise.eval(scope)
                }
            }
            Self::In(operand, values) => from_truth(is_in(operand, values, scope)),
            Self::Call(function, arguments) => call(*function, arguments, scope),
        }
    }

    fn number(&self, scope: &dyn Scope) -> Option<Decimal> {
        match self.eval(scope) {
            Value::Decimal(number) => Some(number),
            _ => None,
        }
    }

    fn truth(&self, scope: &dyn Scope) -> Option<bool> {
        match self.eval(scope) {
            Value::Boolean(truth) => Some(truth),
            _ => None,
        }
    }

    fn text(&self, scope: &dyn Scope) -> Option<String> {
        match self.eval(scope) {
            Value::Text(text) => Some(text),
            _ => None,
        }
    }
}

fn binary(op: BinaryOp, left: &Expr, right: &Expr, scope: &dyn Scope) -> Value {
    match op {
        BinaryOp::And => from_truth(and(left.truth(scope), || right.truth(scope))),
        BinaryOp::Or => from_truth(or(left.truth(scope), || right.truth(scope))),
        BinaryOp::Concat => {
            let joined = left.text(scope).zip(right.text(scope)).map(|(left, right)| left + &right);
            joined.map_or(Value::Null, Value::Text)
        }
        BinaryOp::Add | BinaryOp::Subtract | BinaryOp::Multiply | BinaryOp::Divide | BinaryOp::Remainder => {
            let numbers = left.number(scope).zip(right.number(scope));
            from_number(numbers.and_then(|(left, right)| arithmetic(op, &left, &right)))
        }
        _ => from_truth(compare(&left.eval(scope), &right.eval(scope)).map(|order| holds(op, order))),
    }
}

fn arithmetic(op: BinaryOp, left: &Decimal, right: &Decimal) -> Option<Decimal> {
    match op {
        BinaryOp::Add => Some(left + right),
        BinaryOp::Subtract => Some(left - right),
        BinaryOp::Multiply => Some(left * right),
        BinaryOp::Divide => left.checked_div_20(right),
        BinaryOp::Remainder => left.rem(right),
        _ => None,
    }
}

fn and(left: Option<bool>, right: impl FnOnce() -> Option<bool>) -> Option<bool> {
    match left {
        Some(false) => Some(false),
        Some(true) => right(),
        None => right().filter(|right| !right),
    }
}

fn or(left: Option<bool>, right: impl FnOnce() -> Option<bool>) -> Option<bool> {
    match left {
        Some(true) => Some(true),
        Some(false) => right(),
        None => right().filter(|right| *right),
    }
}

fn holds(op: BinaryOp, order: Ordering) -> bool {
    match op {
        BinaryOp::Equal => order.is_eq(),
        BinaryOp::NotEqual => order.is_ne(),
        BinaryOp::Less => order.is_lt(),
        BinaryOp::LessOrEqual => order.is_le(),
        BinaryOp::Greater => order.is_gt(),
        BinaryOp::GreaterOrEqual => order.is_ge(),
        _ => false,
    }
}

/// The order of two values of one type; `None` if one is null.
fn compare(left: &Value, right: &Value) -> Option<Ordering> {
    Some(match (left, right) {
        (Value::Decimal(left), Value::Decimal(right)) => left.cmp(right),
        // The order of UTF-8's bytes is that of code points.
        (Value::Text(left), Value::Text(right)) => left.as_bytes().cmp(right.as_bytes()),
        (Value::Boolean(left), Value::Boolean(right)) => left.cmp(right),
        (Value::Date(left), Value::Date(right)) => left.cmp(right),
        (Value::Time(left), Value::Time(right)) => left.cmp(right),
        (Value::DateTime(left), Value::DateTime(right)) => left.cmp(right),
        (Value::Id(left), Value::Id(right)) => left.cmp(right),
        _ => return None,
    })
}

/// As SQL's `IN`: true if one is equal, else null if one is null, else false.
fn is_in(operand: &Expr, values: &[Expr], scope: &dyn Scope) -> Option<bool> {
    let operand = operand.eval(scope);
    if operand.is_null() {
        return None;
    }
    let mut found = Some(false);
    for value in values {
        match compare(&operand, &value.eval(scope)) {
            Some(Ordering::Equal) => return Some(true),
            Some(_) => {}
            None => found = None,
        }
    }
    found
}

fn call(function: Function, arguments: &[Expr], scope: &dyn Scope) -> Value {
    match (function, arguments) {
        (Function::Coalesce, _) => {
            arguments.iter().map(|argument| argument.eval(scope)).find(|value| !value.is_null()).unwrap_or(Value::Null)
        }
        (Function::Least, _) => extreme(Ordering::Less, arguments, scope),
        (Function::Greatest, _) => extreme(Ordering::Greater, arguments, scope),
        (Function::Abs, [number]) => from_number(number.number(scope).map(|number| number.abs())),
        (Function::Round, [number, digits]) => {
            let digits = digits.number(scope).and_then(|digits| u32::try_from(digits.to_i64()?).ok());
            from_number(number.number(scope).zip(digits).map(|(number, digits)| number.round(digits)))
        }
        (Function::Size, [text]) => {
            from_number(text.text(scope).map(|text| Decimal::from_parts(text.chars().count() as i128, 0)))
        }
        (Function::StartsWith, [text, part]) => text_test(text, part, scope, |text, part| text.starts_with(part)),
        (Function::EndsWith, [text, part]) => text_test(text, part, scope, |text, part| text.ends_with(part)),
        (Function::Contains, [text, part]) => text_test(text, part, scope, |text, part| text.contains(part)),
        (Function::Has, [list, element]) => match (list.eval(scope), element.eval(scope)) {
            (Value::List(values), element @ Value::Text(_)) => Value::Boolean(values.contains(&element)),
            _ => Value::Null,
        },
        _ => {
            let values: Vec<Value> = arguments.iter().map(|argument| argument.eval(scope)).collect();
            of_values(function, &values).unwrap_or(Value::Null)
        }
    }
}

/// The functions that are null where an operand is.
fn of_values(function: Function, operands: &[Value]) -> Option<Value> {
    use Function as F;
    let whole = |number: i64| Value::Decimal(Decimal::from_i64(number));
    Some(match (function, operands) {
        (F::Floor | F::Ceil, [Value::Decimal(number)]) => Value::Decimal(strings::whole(number, function == F::Ceil)),
        (F::TextOfNumber, [Value::Decimal(number)]) => Value::Text(number.to_string()),
        (F::TextOfDate, [Value::Date(date)]) => Value::Text(date.format("%Y-%m-%d").to_string()),
        (F::Lower, [Value::Text(text)]) => Value::Text(crate::text::lower(text)),
        (F::Upper, [Value::Text(text)]) => Value::Text(crate::text::upper(text)),
        (F::Trim, [Value::Text(text)]) => Value::Text(text.trim().to_owned()),
        (F::Replace, [Value::Text(text), Value::Text(part), Value::Text(by)]) => {
            Value::Text(strings::replace(text, part, by))
        }
        (F::Substring, [Value::Text(text), Value::Decimal(start), Value::Decimal(end)]) => {
            Value::Text(strings::substring(text, start, end))
        }
        (F::IndexOf, [Value::Text(text), Value::Text(part)]) => whole(strings::index_of(text, part)),
        (F::DateOf, [Value::DateTime(instant)]) => Value::Date(instant.date_naive()),
        (F::Year | F::Month | F::Day | F::Weekday, [Value::Date(date)]) => whole(calendar::part(function, *date)?),
        (F::AddDays, [Value::Date(date), Value::Decimal(days)]) => Value::Date(calendar::add_days(*date, days)?),
        (F::AddMonths, [Value::Date(date), Value::Decimal(months)]) => {
            Value::Date(calendar::add_months(*date, months)?)
        }
        (F::DaysUntil, [Value::Date(from), Value::Date(to)]) => whole(calendar::days_until(*from, *to)),
        (F::AddSeconds, [Value::DateTime(instant), Value::Decimal(seconds)]) => {
            Value::DateTime(calendar::add_seconds(*instant, seconds)?)
        }
        (F::SecondsUntil, [Value::DateTime(from), Value::DateTime(to)]) => {
            Value::Decimal(calendar::seconds_until(*from, *to))
        }
        (_, [Value::Date(date)]) => Value::Date(calendar::bound(function, *date)?),
        _ => return None,
    })
}

/// The argument that comes first or last; null if one is null.
fn extreme(wanted: Ordering, arguments: &[Expr], scope: &dyn Scope) -> Value {
    let mut values = arguments.iter().map(|argument| argument.eval(scope));
    let Some(mut best) = values.next() else {
        return Value::Null;
    };
    for value in values {
        match compare(&value, &best) {
            Some(order) if order == wanted => best = value,
            Some(_) => {}
            None => return Value::Null,
        }
    }
    best
}

fn text_test(text: &Expr, part: &Expr, scope: &dyn Scope, test: impl FnOnce(&str, &str) -> bool) -> Value {
    from_truth(text.text(scope).zip(part.text(scope)).map(|(text, part)| test(&text, &part)))
}

fn widened(value: Value) -> Value {
    match value {
        Value::Integer(number) => Value::Decimal(Decimal::from_i64(number)),
        value => value,
    }
}

fn from_number(number: Option<Decimal>) -> Value {
    number.map_or(Value::Null, Value::Decimal)
}

fn from_truth(truth: Option<bool>) -> Value {
    truth.map_or(Value::Null, Value::Boolean)
}
