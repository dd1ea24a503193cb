//! Calls of built-in functions: how each is written, what it takes and what it gives.

use cel::common::ast::CallExpr;
use cel::parser::Expression;
use chrono::{DateTime, Datelike, NaiveDate, NaiveTime, Timelike, Utc};

use super::operator::unified;
use super::{Checked, Checker, Typed};
use crate::rule::parse::Name;
use crate::rule::strings::END;
use crate::rule::{Expr, Function, RuleType};
use crate::suggest::did_you_mean;
use crate::{Decimal, Value};

/// Largest number of digits that `round` takes.
const ROUND_DIGITS_MAX: i64 = 20;

/// Each function's name and how it is written.
pub(in crate::rule) const USAGES: [(&str, &str); 39] = [
    ("abs", "abs(x)"),
    ("addDays", "date.addDays(n)"),
    ("addMonths", "date.addMonths(n)"),
    ("addSeconds", "instant.addSeconds(n)"),
    ("ceil", "ceil(x)"),
    ("coalesce", "coalesce(a, b)"),
    ("contains", "text.contains(x)"),
    ("date", "date(\"2026-01-31\")` or `instant.date()"),
    ("day", "date.day()"),
    ("daysUntil", "date.daysUntil(x)"),
    ("datetime", "datetime(\"2026-01-31T09:30:00Z\")"),
    ("duration", "duration(\"PT1H30M\")"),
    ("endOfMonth", "date.endOfMonth()"),
    ("endsWith", "text.endsWith(x)"),
    ("floor", "floor(x)"),
    ("has", "list.has(x)"),
    ("indexOf", "text.indexOf(x)"),
    ("lower", "text.lower()"),
    ("max", "max(a, b)"),
    ("min", "min(a, b)"),
    ("month", "date.month()"),
    ("now", "now()"),
    ("replace", "text.replace(a, b)"),
    ("round", "round(x, 2)"),
    ("secondsUntil", "instant.secondsUntil(x)"),
    ("size", "text.size()"),
    ("startOfMonth", "date.startOfMonth()"),
    ("startOfQuarter", "date.startOfQuarter()"),
    ("startOfWeek", "date.startOfWeek()"),
    ("startOfYear", "date.startOfYear()"),
    ("startsWith", "text.startsWith(x)"),
    ("substring", "text.substring(start, end)"),
    ("text", "text(x)"),
    ("time", "time(\"09:30:00\")"),
    ("today", "today()"),
    ("trim", "text.trim()"),
    ("upper", "text.upper()"),
    ("weekday", "date.weekday()"),
    ("year", "date.year()"),
];

/// A function whose operands have one type each: its name, the types that it is called on and with, the type that it gives.
type Signature = (&'static str, &'static [RuleType], RuleType, Function);

/// What is called on its first operand: `text.lower()`.
const METHODS: [Signature; 21] = {
    use Function as F;
    use RuleType::{Date, DateTime, Number, Text};
    [
        ("lower", &[Text], Text, F::Lower),
        ("upper", &[Text], Text, F::Upper),
        ("trim", &[Text], Text, F::Trim),
        ("replace", &[Text, Text, Text], Text, F::Replace),
        ("substring", &[Text, Number, Number], Text, F::Substring),
        ("indexOf", &[Text, Text], Number, F::IndexOf),
        ("date", &[DateTime], Date, F::DateOf),
        ("year", &[Date], Number, F::Year),
        ("month", &[Date], Number, F::Month),
        ("day", &[Date], Number, F::Day),
        ("weekday", &[Date], Number, F::Weekday),
        ("addDays", &[Date, Number], Date, F::AddDays),
        ("addMonths", &[Date, Number], Date, F::AddMonths),
        ("startOfWeek", &[Date], Date, F::StartOfWeek),
        ("startOfMonth", &[Date], Date, F::StartOfMonth),
        ("startOfQuarter", &[Date], Date, F::StartOfQuarter),
        ("startOfYear", &[Date], Date, F::StartOfYear),
        ("endOfMonth", &[Date], Date, F::EndOfMonth),
        ("daysUntil", &[Date, Date], Number, F::DaysUntil),
        ("addSeconds", &[DateTime, Number], DateTime, F::AddSeconds),
        ("secondsUntil", &[DateTime, DateTime], Number, F::SecondsUntil),
    ]
};

/// The functions that say what a value from outside is.
fn type_named(function: &str) -> Option<RuleType> {
    Some(match function {
        "number" => RuleType::Number,
        "text" => RuleType::Text,
        "boolean" => RuleType::Boolean,
        "date" => RuleType::Date,
        "datetime" => RuleType::DateTime,
        _ => return None,
    })
}

impl Checker<'_> {
    pub(super) fn call(&mut self, call: &CallExpr, position: usize) -> Checked {
        let name = call.func_name.as_str();
        let arguments = call.args.as_slice();
        if let (Some(ty), None, [value]) = (type_named(name), &call.target, arguments)
            && let Some(taken) = self.taken_for(ty, value)
        {
            return taken;
        }
        match (name, call.target.as_deref(), arguments) {
            ("now", None, []) => self.typed(Expr::Now, RuleType::DateTime, position),
            ("today", None, []) => self.typed(Expr::Today, RuleType::Date, position),
            ("date" | "datetime" | "duration" | "time", None, [text]) => self.instant(name, text),
            ("round", None, [number, digits]) => self.round(number, digits, position),
            ("abs", None, [number]) => {
                let number = self.operand(number, RuleType::Number, "`abs`")?;
                self.typed(Expr::Call(Function::Abs, vec![number.expr]), RuleType::Number, position)
            }
            ("coalesce", None, [_, _, ..]) => self.coalesce(arguments, position),
            ("min", None, [_, _, ..]) => self.extreme(Function::Least, arguments, position),
            ("max", None, [_, _, ..]) => self.extreme(Function::Greatest, arguments, position),
            ("size", Some(text), []) | ("size", None, [text]) => {
                let text = self.operand(text, RuleType::Text, "`size`")?;
                self.typed(Expr::Call(Function::Size, vec![text.expr]), RuleType::Number, position)
            }
            ("startsWith", Some(text), [part]) => self.text_test(Function::StartsWith, text, part, position),
            ("endsWith", Some(text), [part]) => self.text_test(Function::EndsWith, text, part, position),
            ("contains", Some(text), [part]) => self.text_test(Function::Contains, text, part, position),
            ("has", Some(list), [element]) => {
                let (list, element) = (self.expression(list), self.expression(element));
                self.has(list?, element?, position)
            }
            ("floor", None, [number]) => {
                self.plain(name, &[number], &[RuleType::Number], RuleType::Number, Function::Floor, position)
            }
            ("ceil", None, [number]) => {
                self.plain(name, &[number], &[RuleType::Number], RuleType::Number, Function::Ceil, position)
            }
            ("text", None, [value]) => self.text_of(value, position),
            ("substring", Some(text), [start]) => {
                let end = Expr::Literal(Value::Decimal(Decimal::from_i64(END)));
                let Expr::Call(function, mut operands) = self
                    .plain(
                        name,
                        &[text, start],
                        &[RuleType::Text, RuleType::Number],
                        RuleType::Text,
                        Function::Substring,
                        position,
                    )?
                    .expr
                else {
                    return None;
                };
                operands.push(end);
                self.typed(Expr::Call(function, operands), RuleType::Text, position)
            }
            (_, Some(target), _) => {
                let fits = |(known, takes, ..): &&Signature| *known == name && takes.len() == arguments.len() + 1;
                match METHODS.iter().find(fits) {
                    Some((_, takes, gives, function)) => {
                        let operands: Vec<&Expression> = std::iter::once(target).chain(arguments).collect();
                        self.plain(name, &operands, takes, *gives, *function, position)
                    }
                    None => self.misuse(call, position),
                }
            }
            _ => self.misuse(call, position),
        }
    }

    /// A function whose operands have one type each.
    fn plain(
        &mut self,
        name: &str,
        operands: &[&Expression],
        takes: &[RuleType],
        gives: RuleType,
        function: Function,
        position: usize,
    ) -> Checked {
        let user = format!("`{name}`");
        let checked: Vec<Checked> =
            operands.iter().zip(takes).map(|(operand, ty)| self.operand(operand, *ty, &user)).collect();
        let checked: Option<Vec<Expr>> = checked.into_iter().map(|typed| typed.map(|typed| typed.expr)).collect();
        self.typed(Expr::Call(function, checked?), gives, position)
    }

    fn text_of(&mut self, value: &Expression, position: usize) -> Checked {
        let typed = self.expression(value)?;
        let function = match typed.ty {
            RuleType::Number => Function::TextOfNumber,
            RuleType::Date => Function::TextOfDate,
            ty => return self.fail(typed.position, format!("`text` takes a number or a date, but this is {ty}")),
        };
        self.typed(Expr::Call(function, vec![typed.expr]), RuleType::Text, position)
    }

    /// A call that fits no function: its parts are checked all the same, so that their faults are told too.
    fn misuse(&mut self, call: &CallExpr, position: usize) -> Checked {
        for part in call.target.as_deref().into_iter().chain(&call.args) {
            self.expression(part);
        }
        // A reserved word is masked in the tree.
        let name = match self.parsed.atom_at(position) {
            Some(Name::Reserved(name)) => name,
            _ => &call.func_name,
        };
        match USAGES.iter().find(|(known, _)| known == name) {
            Some((_, usage)) => self.fail(position, format!("`{name}` is written `{usage}`")),
            None => {
                let hint = did_you_mean(name, USAGES.iter().map(|(known, _)| *known));
                self.fail(position, format!("there is no function `{name}`{hint}"))
            }
        }
    }

    /// A literal date, time, both, or length of time: checked now, so that no rule fails over it later.
    fn instant(&mut self, name: &str, text: &Expression) -> Checked {
        let typed = self.expression(text)?;
        let Expr::Literal(Value::Text(text)) = &typed.expr else {
            return self
                .fail(typed.position, format!("`{name}` takes a text in quotes, so that it can be checked now"));
        };
        let (value, ty, form) = match name {
            "date" => (date(text).map(Value::Date), RuleType::Date, "2026-01-31"),
            "time" => (time(text).map(Value::Time), RuleType::Time, "09:30:00"),
            "duration" => {
                let seconds = crate::duration::parse(text).ok();
                (seconds.map(|seconds| Value::Decimal(Decimal::from_i64(seconds))), RuleType::Number, "PT1H30M")
            }
            _ => (datetime(text).map(Value::DateTime), RuleType::DateTime, "2026-01-31T09:30:00Z"),
        };
        match value {
            Some(value) => self.typed(Expr::Literal(value), ty, typed.position),
            None if name == "duration" => {
                self.fail(typed.position, format!("\"{text}\" is not a duration; it is written as in \"{form}\""))
            }
            None => self.fail(typed.position, format!("\"{text}\" is not {ty}; it is written as in \"{form}\"")),
        }
    }

    fn round(&mut self, number: &Expression, digits: &Expression, position: usize) -> Checked {
        let number = self.operand(number, RuleType::Number, "`round`");
        let digits = self.expression(digits)?;
        let valid = match &digits.expr {
            Expr::Literal(Value::Decimal(digits)) => {
                digits.to_i64().filter(|digits| (0..=ROUND_DIGITS_MAX).contains(digits))
            }
            _ => None,
        };
        let Some(valid) = valid else {
            let message = format!("the digits of `round` are a whole number from 0 to {ROUND_DIGITS_MAX}, written out");
            return self.fail(digits.position, message);
        };
        let digits = Expr::Literal(Value::Decimal(Decimal::from_i64(valid)));
        self.typed(Expr::Call(Function::Round, vec![number?.expr, digits]), RuleType::Number, position)
    }

    fn coalesce(&mut self, arguments: &[Expression], position: usize) -> Checked {
        let arguments = self.one_type("coalesce", arguments)?;
        let ty =
            arguments.iter().map(|argument| argument.ty).find(|ty| *ty != RuleType::Null).unwrap_or(RuleType::Null);
        let options = arguments[0].options.clone();
        let arguments = arguments.into_iter().map(|argument| argument.expr).collect();
        Some(Typed { expr: Expr::Call(Function::Coalesce, arguments), ty, options, position })
    }

    fn extreme(&mut self, function: Function, arguments: &[Expression], position: usize) -> Checked {
        let name = if function == Function::Least { "min" } else { "max" };
        let arguments = self.one_type(name, arguments)?;
        let ty = arguments[0].ty;
        if !matches!(ty, RuleType::Number | RuleType::Date | RuleType::Time | RuleType::DateTime) {
            return self
                .fail(arguments[0].position, format!("`{name}` takes numbers, dates or times, but this is {ty}"));
        }
        if let Some(null) = arguments.iter().find(|argument| argument.ty == RuleType::Null) {
            let message = format!("`{name}` with null is always null; leave it out, or use `coalesce`");
            return self.fail(null.position, message);
        }
        let arguments = arguments.into_iter().map(|argument| argument.expr).collect();
        self.typed(Expr::Call(function, arguments), ty, position)
    }

    /// Arguments that are all of the first one's type, or null.
    fn one_type(&mut self, name: &str, arguments: &[Expression]) -> Option<Vec<Typed>> {
        let checked: Vec<Checked> = arguments.iter().map(|argument| self.expression(argument)).collect();
        let checked: Vec<Typed> = checked.into_iter().collect::<Option<_>>()?;
        let first = checked.iter().find(|argument| argument.ty != RuleType::Null).unwrap_or(&checked[0]).clone();
        let mut fitting = Vec::with_capacity(checked.len());
        for argument in checked {
            let argument = self.fit(argument, &first)?;
            if unified(&first, &argument).is_none() {
                let message = format!(
                    "all arguments of `{name}` must have one type, but one is {} and this is {}",
                    first.ty, argument.ty
                );
                self.issue(argument.position, message);
                return None;
            }
            fitting.push(argument);
        }
        Some(fitting)
    }

    fn text_test(&mut self, function: Function, text: &Expression, part: &Expression, position: usize) -> Checked {
        let user = match function {
            Function::StartsWith => "`startsWith`",
            Function::EndsWith => "`endsWith`",
            _ => "`contains`",
        };
        let text = self.operand(text, RuleType::Text, user);
        let part = self.operand(part, RuleType::Text, user);
        self.typed(Expr::Call(function, vec![text?.expr, part?.expr]), RuleType::Boolean, position)
    }
}

fn date(text: &str) -> Option<NaiveDate> {
    let date = NaiveDate::parse_from_str(text, "%Y-%m-%d").ok()?;
    // No other spelling, as in every answer.
    (is_storable(date.year()) && date.format("%Y-%m-%d").to_string() == text).then_some(date)
}

fn time(text: &str) -> Option<NaiveTime> {
    let time = NaiveTime::parse_from_str(text, "%H:%M:%S").ok()?;
    (time.format("%H:%M:%S").to_string() == text).then_some(time)
}

/// RFC 3339, no finer than a millisecond.
fn datetime(text: &str) -> Option<DateTime<Utc>> {
    let instant = DateTime::parse_from_rfc3339(text).ok()?.with_timezone(&Utc);
    // A leap second has more than 999 milliseconds; there is no such instant in the databases.
    let to_millisecond = instant.nanosecond() % 1_000_000 == 0;
    let no_leap = instant.nanosecond() < 1_000_000_000;
    (to_millisecond && no_leap && is_storable(instant.year())).then_some(instant)
}

/// Years that both databases and RFC 3339 write alike.
fn is_storable(year: i32) -> bool {
    (1..=9999).contains(&year)
}
