//! Values: a field's path → an SQL expression, formulas and rollups included.
//!
//! Rules see every number as an exact decimal: `numeric` on PostgreSQL, decimal text on SQLite, where Cardine's functions do the
//! arithmetic and the collation `cardine_decimal` the comparing. `raw` is a value as rules use it, `shown` as the API shows,
//! filters, orders and groups it: a formula rounded to its scale.

use cardine_failpoints::switched_off;
use cardine_model::catalog::{Catalog, Field, FieldKind, FieldPath, Hop, Module, ModuleId, Rollup};
use cardine_model::definition::{RollupFunction, RollupScope};
use cardine_model::rule::{BinaryOp, Expr, Function, Root};
use cardine_model::{ScalarType, Value};

use crate::functions;
use crate::hierarchy::{Tie, Tied};
use crate::ident::column;
use crate::statement::{ColumnType, Dialect, Param, Transform};
use crate::writer::{Source, Visibility, Writer, stored_column};

/// The collation that compares decimal texts as numbers on SQLite.
pub(crate) const DECIMAL_COLLATION: &str = "COLLATE cardine_decimal";

/// By which PostgreSQL orders text: its code points, as SQLite does. Columns have it, and what is made of them; text that comes from nowhere else
/// would have that of the database.
pub(crate) const TEXT_COLLATION: &str = "COLLATE \"C\"";

/// What a field's values are, for comparing and reading them.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Shape {
    /// One value of a scalar type.
    Scalar(ScalarType),
    /// A list of texts.
    TextList,
}

impl Shape {
    pub fn of(field: &Field) -> Self {
        match &field.kind {
            FieldKind::MultiChoice { .. } => Self::TextList,
            FieldKind::Reference(_) => Self::Scalar(ScalarType::Id),
            FieldKind::Formula(formula) if formula.returns.is_number_in_rules() => Self::number(formula.returns),
            FieldKind::Rollup(rollup) if rollup.returns.is_number() && !counts(rollup.function) => {
                Self::number(rollup.returns)
            }
            _ => Self::Scalar(field.scalar().expect("all other kinds have a scalar type")),
        }
    }

    /// A computed number is an exact decimal also where it is shown as an integer or a duration: no size of it can fail a statement.
    fn number(returns: ScalarType) -> Self {
        match returns {
            ScalarType::Decimal { .. } => Self::Scalar(returns),
            _ => Self::Scalar(ScalarType::Decimal { scale: 0 }),
        }
    }

    /// How a result column of it is read.
    pub fn column_type(self) -> ColumnType {
        match self {
            Self::TextList => ColumnType::TextList,
            Self::Scalar(scalar) => match scalar {
                ScalarType::Id => ColumnType::Id,
                ScalarType::Text | ScalarType::Email | ScalarType::Phone | ScalarType::Url | ScalarType::Choice => {
                    ColumnType::Text
                }
                ScalarType::Integer | ScalarType::BigInteger | ScalarType::Duration => ColumnType::Integer,
                ScalarType::Decimal { .. } => ColumnType::Decimal,
                ScalarType::Boolean => ColumnType::Boolean,
                ScalarType::Date => ColumnType::Date,
                ScalarType::Time => ColumnType::Time,
                ScalarType::DateTime => ColumnType::DateTime,
                ScalarType::Json => ColumnType::Json,
            },
        }
    }

    /// PostgreSQL's type of one value.
    pub fn postgres_type(self) -> &'static str {
        match self.column_type() {
            ColumnType::Id => "uuid",
            ColumnType::Text => "text",
            ColumnType::Integer => "bigint",
            ColumnType::Decimal => "numeric",
            ColumnType::Boolean => "boolean",
            ColumnType::Date => "date",
            ColumnType::Time => "time",
            ColumnType::DateTime => "timestamptz",
            ColumnType::TextList => "text[]",
            ColumnType::Json => "json",
        }
    }
}

impl Writer<'_> {
    /// The field at the end of `path`, and its module.
    pub fn end(&self, module: ModuleId, path: &FieldPath) -> (ModuleId, &Field) {
        let module = path.hops.last().map_or(module, |hop| hop.target);
        (module, self.catalog.field(module, path.field))
    }

    /// The value as the API shows it.
    pub fn shown(&mut self, source: &mut Source, path: &FieldPath) -> String {
        let catalog = self.catalog;
        let module = path.hops.last().map_or(source.module, |hop| hop.target);
        let field = catalog.field(module, path.field);
        let raw = self.raw(source, path);
        match &field.kind {
            FieldKind::Rollup(rollup) if !self.computing && is_kept_as_shown(rollup, catalog, module) => raw,
            FieldKind::Formula(_) | FieldKind::Rollup(_) => match Shape::of(field) {
                Shape::Scalar(ScalarType::Decimal { scale }) => self.rounded(&raw, scale),
                _ => raw,
            },
            _ => raw,
        }
    }

    /// The value of an output, beside other paths of the statement. On PostgreSQL a reference whose record's id alone is shown, to a module of which
    /// the caller sees every record, is not joined: it leads to a record that is there, so that it is null only if that one is
    /// deleted.
    pub fn output<'p>(
        &mut self,
        source: &mut Source,
        path: &FieldPath,
        mut others: impl Iterator<Item = &'p FieldPath>,
    ) -> String {
        match self.lead(source, path).filter(|_| self.dialect == Dialect::Postgres) {
            Some((hops, hop)) if !others.any(|other| is_through(&other.hops, hops, hop)) => {
                self.lead_id(source, hops, hop)
            }
            _ => self.shown(source, path),
        }
    }

    /// Where a path shows no more than which record a reference leads to, and all that it could lead to may be seen: the way to the
    /// record that refers, and the reference with its target. What the platform keeps itself is apart, as no index tells of it.
    fn lead<'p>(&self, source: &Source, path: &'p FieldPath) -> Option<(&'p [Hop], Hop)> {
        let catalog = self.catalog;
        let of = |hops: &[Hop]| hops.last().map_or(source.module, |hop| hop.target);
        let (hops, hop) = match (&catalog.field(of(&path.hops), path.field).kind, path.hops.split_last()) {
            (FieldKind::Reference(reference), _) => match reference.targets.as_slice() {
                [target] => (path.hops.as_slice(), Hop { field: path.field, target: *target }),
                _ => return None,
            },
            (FieldKind::Id, Some((last, before))) if path.field == Module::ID => (before, *last),
            _ => return None,
        };
        let reference = catalog.field(of(hops), hop.field).reference()?;
        let module = catalog.module(hop.target);
        let may_be_read = source.visibility == Visibility::All || self.rights.can_read_module(hop.target);
        let visibility = source.visibility.unless(switched_off!("record.join"));
        let is_plain = reference.targets.len() == 1 && !module.platform && !module.held;
        let all_seen =
            || Writer::new(self.dialect, catalog, self.rights).visible(hop.target, "t", visibility).is_none();
        let is_joined = [hops, &[hop]].concat();
        (is_plain && may_be_read && !source.joins(&is_joined) && all_seen()).then_some((hops, hop))
    }

    /// The id of the record that a reference leads to, null if that one is deleted.
    fn lead_id(&mut self, source: &mut Source, hops: &[Hop], hop: Hop) -> String {
        let from = self.join(source, hops);
        let from_module = hops.last().map_or(source.module, |hop| hop.target);
        let id = column(&from, stored_column(self.catalog.field(from_module, hop.field)));
        if switched_off!("record.deleted") {
            return id;
        }
        let target = self.source(hop.target, Visibility::All);
        format!(
            "CASE WHEN EXISTS (SELECT 1 FROM {} WHERE {} = {id} AND {} IS NOT NULL) THEN NULL ELSE {id} END",
            self.from(&target),
            column(&target.alias, "id"),
            column(&target.alias, "deleted_at")
        )
    }

    /// A computed number with the digits that are shown.
    fn rounded(&self, number: &str, scale: u8) -> String {
        match self.dialect {
            Dialect::Sqlite => format!("cardine_round({number}, {scale})"),
            Dialect::Postgres => format!("round(({number})::numeric, {scale})"),
        }
    }

    /// The value before rounding: a stored field's column, a visible target's id, a formula's or rollup's expression.
    pub fn raw(&mut self, source: &mut Source, path: &FieldPath) -> String {
        let catalog = self.catalog;
        let module = path.hops.last().map_or(source.module, |hop| hop.target);
        let field = catalog.field(module, path.field);
        let value = match &field.kind {
            FieldKind::Reference(reference) => {
                let ids: Vec<String> = reference
                    .targets
                    .iter()
                    .filter(|target| {
                        source.visibility == Visibility::All
                            || self.rights.can_read_module(**target)
                            || switched_off!("module.target")
                    })
                    .copied()
                    .collect::<Vec<_>>()
                    .into_iter()
                    .map(|target| {
                        let mut hops = path.hops.clone();
                        hops.push(Hop { field: field.id, target });
                        let alias = self.join(source, &hops);
                        column(&alias, "id")
                    })
                    .collect();
                return match ids.as_slice() {
                    [] => "NULL".to_owned(),
                    [id] => id.clone(),
                    several => format!("coalesce({})", several.join(", ")),
                };
            }
            FieldKind::Formula(formula) => self.rule(&formula.rule.expr, source, &path.hops),
            FieldKind::Rollup(rollup) => match rollup.stored.as_deref().filter(|_| !self.computing) {
                Some(name) => {
                    let alias = self.join(source, &path.hops);
                    return column(&alias, name);
                }
                None => self.rollup(module, rollup, source, &path.hops),
            },
            _ => {
                let alias = self.join(source, &path.hops);
                return column(&alias, stored_column(field));
            }
        };
        if path.hops.is_empty() {
            return value;
        }
        // What is computed may have a value even over nothing (a count is 0); of a record that is not there, it has none.
        let record = self.join(source, &path.hops);
        format!("CASE WHEN {} IS NULL THEN NULL ELSE {value} END", column(&record, "id"))
    }

    fn rollup(&mut self, module: ModuleId, rollup: &Rollup, source: &mut Source, hops: &[Hop]) -> String {
        let catalog = self.catalog;
        let relation = catalog.module(module).relation(rollup.relation);
        let record = self.join(source, hops);
        let visibility = match rollup.scope {
            RollupScope::All => Visibility::All,
            RollupScope::Visible => source.visibility,
        };
        let shown = visibility.unless(switched_off!("record.rollup"));
        let mut related = self.source(relation.module, visibility);
        let (tied, id) = (Tied::of(catalog, relation), column(&record, "id"));
        let Tie { before, condition: linked } = self.tie(tied, &related.alias, &id, visibility);
        let mut conditions = vec![linked, self.live_and_visible(relation.module, &related.alias.clone(), shown)];
        if let Some(filter) = &rollup.filter {
            conditions.push(self.rule(&filter.expr, &mut related, &[]));
        }
        let field = rollup.field.map(|field| catalog.field(relation.module, field));
        let value = field.map(|field| self.raw(&mut related, &FieldPath::own(field.id)));
        let (result, tail) = self.aggregate(rollup.function, field, value);
        if !tail.is_empty() {
            conditions.push(format!("{result} IS NOT NULL"));
        }
        format!("(SELECT {result} FROM {before}{} WHERE {}{tail})", self.from(&related), conditions.join(" AND "))
    }

    /// The select item of an aggregate, and what must stand behind the conditions for it.
    fn aggregate(&self, function: RollupFunction, field: Option<&Field>, value: Option<String>) -> (String, String) {
        let none = String::new();
        let (Some(field), Some(value)) = (field, value) else {
            return ("count(*)".to_owned(), none);
        };
        let scalar = field.scalar().unwrap_or(ScalarType::Text);
        let sqlite = self.dialect == Dialect::Sqlite;
        // A formula over numbers is a decimal until it is shown, whatever it returns.
        let decimal =
            matches!(scalar, ScalarType::Decimal { .. }) || (field.is_derived() && scalar.is_number_in_rules());
        let sum = if sqlite { format!("cardine_sum({value})") } else { format!("sum({value})::numeric") };
        let comparable = if sqlite && decimal { format!("{value} {DECIMAL_COLLATION}") } else { value.clone() };
        let result = match function {
            RollupFunction::Count => format!("count({value})"),
            RollupFunction::CountDistinct => format!("count(DISTINCT {comparable})"),
            RollupFunction::Sum => sum,
            RollupFunction::Avg if sqlite => format!("cardine_div({sum}, count({value}))"),
            RollupFunction::Avg => postgres_division(&sum, &format!("count({value})")),
            RollupFunction::Min | RollupFunction::Max if scalar.is_text() => {
                let direction = if function == RollupFunction::Min { "ASC" } else { "DESC" };
                let key = format!("cardine_sort_key({value})");
                return (value.clone(), format!(" ORDER BY {key} {direction}, {value} {direction} LIMIT 1"));
            }
            RollupFunction::Min => format!("min({comparable})"),
            RollupFunction::Max => format!("max({comparable})"),
        };
        (result, none)
    }

    /// A rule over the record that `hops` lead to.
    pub fn rule(&mut self, expr: &Expr, source: &mut Source, hops: &[Hop]) -> String {
        match expr {
            Expr::Literal(value) => self.literal(value),
            Expr::Field(Root::Record, path) => self.rule_field(source, hops, path),
            // Only rules that are evaluated in memory may name the record before the change; the checker sees to it.
            Expr::Field(Root::Old, _) | Expr::Outside(..) => "NULL".to_owned(),
            Expr::ActorId => self.typed_param(Param::ActorId, "uuid"),
            Expr::Now => self.typed_param(Param::Now, "timestamptz"),
            Expr::Today => self.typed_param(Param::Today, "date"),
            Expr::Negate(x) => {
                let x = self.rule(x, source, hops);
                self.number_function("-", "cardine_neg", &x)
            }
            Expr::Not(x) => format!("(NOT {})", self.rule(x, source, hops)),
            Expr::IsNull(x) => format!("({} IS NULL)", self.rule(x, source, hops)),
            Expr::Binary(op, left, right) => {
                let number = self.is_number(left, source.module, hops) || self.is_number(right, source.module, hops);
                let left = self.rule(left, source, hops);
                let right = self.rule(right, source, hops);
                self.binary(*op, &left, &right, number)
            }
            Expr::Conditional(condition, then, otherwise) => format!(
                "(CASE WHEN {} THEN {} ELSE {} END)",
                self.rule(condition, source, hops),
                self.rule(then, source, hops),
                self.rule(otherwise, source, hops)
            ),
            Expr::In(x, list) if list.is_empty() => {
                format!("(CASE WHEN {} IS NULL THEN NULL ELSE 1 = 0 END)", self.rule(x, source, hops))
            }
            Expr::In(x, list) => {
                let collation = self.number_collation(self.is_number(x, source.module, hops));
                let x = self.rule(x, source, hops);
                let list: Vec<String> = list.iter().map(|item| self.rule(item, source, hops)).collect();
                format!("({x}{collation} IN ({}))", list.join(", "))
            }
            Expr::Call(function, arguments) => {
                let number = arguments.first().is_some_and(|first| self.is_number(first, source.module, hops));
                let digits = match arguments.get(1) {
                    Some(Expr::Literal(Value::Decimal(digits))) => digits.to_i64().unwrap_or_default(),
                    Some(Expr::Literal(Value::Integer(digits))) => *digits,
                    _ => 0,
                };
                // The digits of `round` stand in the text: PostgreSQL refuses a parameter that no text uses.
                let rendered = if *function == Function::Round { 1 } else { arguments.len() };
                let arguments: Vec<String> =
                    arguments.iter().take(rendered).map(|argument| self.rule(argument, source, hops)).collect();
                self.call(*function, &arguments, number, digits)
            }
        }
    }

    fn rule_field(&mut self, source: &mut Source, hops: &[Hop], path: &FieldPath) -> String {
        let path = FieldPath { hops: [hops, &path.hops].concat(), field: path.field };
        let catalog = self.catalog;
        let module = path.hops.last().map_or(source.module, |hop| hop.target);
        let field = catalog.field(module, path.field);
        let value = self.raw(source, &path);
        // A formula over numbers is a decimal already; what is stored or counted as an integer becomes one.
        let is_integer = field.scalar().is_some_and(ScalarType::is_whole);
        if !is_integer || matches!(field.kind, FieldKind::Formula(_)) {
            return value;
        }
        match self.dialect {
            Dialect::Sqlite => format!("CAST({value} AS TEXT)"),
            Dialect::Postgres => format!("({value})::numeric"),
        }
    }

    fn literal(&mut self, value: &Value) -> String {
        let ty = match value {
            Value::Null => return "NULL".to_owned(),
            Value::Boolean(true) => return "(1 = 1)".to_owned(),
            Value::Boolean(false) => return "(1 = 0)".to_owned(),
            Value::Integer(_) | Value::Decimal(_) => "numeric",
            Value::Text(_) => "text",
            Value::Date(_) => "date",
            Value::Time(_) => "time",
            Value::DateTime(_) => "timestamptz",
            Value::Id(_) => "uuid",
            Value::List(_) => "text[]",
            Value::Json(_) => "json",
        };
        let value = match value {
            Value::Integer(number) => Value::Decimal(cardine_model::Decimal::from_i64(*number)),
            other => other.clone(),
        };
        let is_text = matches!(value, Value::Text(_));
        let param = self.typed_param(Param::Value(value, Transform::None), ty);
        match self.dialect {
            Dialect::Postgres if is_text => format!("({param} {TEXT_COLLATION})"),
            _ => param,
        }
    }

    fn binary(&self, op: BinaryOp, left: &str, right: &str, number: bool) -> String {
        let collation = self.number_collation(number);
        let compare = |operator: &str| format!("({left}{collation} {operator} {right})");
        let arithmetic = |operator: &str, function: &str| match self.dialect {
            Dialect::Sqlite => format!("{function}({left}, {right})"),
            Dialect::Postgres => format!("({left} {operator} {right})"),
        };
        match op {
            BinaryOp::Add => arithmetic("+", "cardine_add"),
            BinaryOp::Subtract => arithmetic("-", "cardine_sub"),
            BinaryOp::Multiply => arithmetic("*", "cardine_mul"),
            BinaryOp::Divide => match self.dialect {
                Dialect::Sqlite => format!("cardine_div({left}, {right})"),
                Dialect::Postgres => postgres_division(left, right),
            },
            BinaryOp::Remainder => match self.dialect {
                Dialect::Sqlite => format!("cardine_rem({left}, {right})"),
                Dialect::Postgres => format!("mod({left}, nullif({right}, 0))"),
            },
            BinaryOp::Concat => format!("({left} || {right})"),
            BinaryOp::Equal => compare("="),
            BinaryOp::NotEqual => compare("<>"),
            BinaryOp::Less => compare("<"),
            BinaryOp::LessOrEqual => compare("<="),
            BinaryOp::Greater => compare(">"),
            BinaryOp::GreaterOrEqual => compare(">="),
            BinaryOp::And => format!("({left} AND {right})"),
            BinaryOp::Or => format!("({left} OR {right})"),
        }
    }

    /// A built-in function over rendered arguments.
    pub fn call(&self, function: Function, arguments: &[String], number: bool, digits: i64) -> String {
        let sqlite = self.dialect == Dialect::Sqlite;
        let first = arguments.first().map_or("NULL", String::as_str);
        let second = arguments.get(1).map_or("NULL", String::as_str);
        let all = arguments.join(", ");
        match function {
            Function::Round if sqlite => format!("cardine_round({first}, {digits})"),
            Function::Round => format!("round({first}, {digits})"),
            Function::Abs => self.number_function("abs", "cardine_abs", first),
            Function::Coalesce => format!("coalesce({all})"),
            Function::Least | Function::Greatest => {
                let (sqlite_name, postgres_name) =
                    if function == Function::Least { ("min", "least") } else { ("max", "greatest") };
                if sqlite {
                    // With several arguments SQLite's min and max are null if one is, and compare by the first one's collation.
                    let rest: String = arguments.iter().skip(1).map(|argument| format!(", {argument}")).collect();
                    let rest = if rest.is_empty() { format!(", {first}") } else { rest };
                    format!("{sqlite_name}({first}{}{rest})", self.number_collation(number))
                } else {
                    // PostgreSQL's ignore nulls.
                    let nulls: Vec<String> = arguments.iter().map(|argument| format!("{argument} IS NULL")).collect();
                    format!("(CASE WHEN {} THEN NULL ELSE {postgres_name}({all}) END)", nulls.join(" OR "))
                }
            }
            Function::Size if sqlite => format!("CAST(length({first}) AS TEXT)"),
            Function::Size => format!("length({first})::numeric"),
            Function::StartsWith if sqlite => format!("(substr({first}, 1, length({second})) = {second})"),
            Function::StartsWith => format!("starts_with({first}, {second})"),
            Function::EndsWith if sqlite => {
                format!(
                    "(CASE WHEN length({second}) = 0 THEN {first} IS NOT NULL OR NULL ELSE substr({first}, -length({second})) = {second} END)"
                )
            }
            Function::EndsWith => format!("(right({first}, length({second})) = {second})"),
            Function::Contains if sqlite => format!("(instr({first}, {second}) > 0)"),
            Function::Contains => format!("(position({second} in {first}) > 0)"),
            Function::Has if sqlite => format!(
                "(CASE WHEN {first} IS NULL OR {second} IS NULL THEN NULL ELSE EXISTS (SELECT 1 FROM json_each({first}) WHERE value = {second}) END)"
            ),
            Function::Has => format!("({second} = ANY({first}))"),
            _ => functions::call(self.dialect, function, arguments),
        }
    }

    fn number_function(&self, postgres: &str, sqlite: &str, number: &str) -> String {
        match self.dialect {
            Dialect::Sqlite => format!("{sqlite}({number})"),
            Dialect::Postgres => format!("({postgres}({number}))"),
        }
    }

    pub(crate) fn number_collation(&self, number: bool) -> String {
        if number && self.dialect == Dialect::Sqlite { format!(" {DECIMAL_COLLATION}") } else { String::new() }
    }

    /// Whether an expression's type is a number; null literals take the other operand's type.
    fn is_number(&self, expr: &Expr, module: ModuleId, hops: &[Hop]) -> bool {
        match expr {
            Expr::Literal(value) => matches!(value, Value::Decimal(_) | Value::Integer(_)),
            Expr::Field(_, path) => {
                let start = hops.last().map_or(module, |hop| hop.target);
                let (_, field) = self.end(start, path);
                field.scalar().is_some_and(ScalarType::is_number_in_rules)
            }
            Expr::Negate(_) => true,
            Expr::Binary(op, ..) => matches!(
                op,
                BinaryOp::Add | BinaryOp::Subtract | BinaryOp::Multiply | BinaryOp::Divide | BinaryOp::Remainder
            ),
            Expr::Conditional(_, then, otherwise) => {
                self.is_number(then, module, hops) || self.is_number(otherwise, module, hops)
            }
            Expr::Call(function, arguments) => match function {
                _ if function.gives_number() => true,
                Function::Coalesce | Function::Least | Function::Greatest => {
                    arguments.iter().any(|argument| self.is_number(argument, module, hops))
                }
                _ => false,
            },
            Expr::Outside(..)
            | Expr::ActorId
            | Expr::Now
            | Expr::Today
            | Expr::Not(_)
            | Expr::IsNull(_)
            | Expr::In(..) => false,
        }
    }
}

/// Exact division carried to 20 decimals, the rest cut off; null if the divisor is zero or null.
///
/// `div` cuts towards zero without rounding, so the dividend is widened by 20 digits before and narrowed after.
pub(crate) fn postgres_division(left: &str, right: &str) -> String {
    format!("(div({left} * 100000000000000000000, nullif({right}, 0)) * 0.00000000000000000001)")
}

/// Whether a stored rollup's column has the digits that are shown, so that an index over it serves: not of a mean, nor of what is
/// made of formulas, which are kept with all their digits for the formulas that use them.
pub(crate) fn is_kept_as_shown(rollup: &Rollup, catalog: &Catalog, module: ModuleId) -> bool {
    let related = catalog.module(module).relation(rollup.relation).module;
    let over_stored = rollup.field.is_none_or(|field| !catalog.field(related, field).is_derived());
    rollup.stored.is_some() && rollup.function != RollupFunction::Avg && over_stored
}

/// Whether a way goes on from the record that `hop` leads to behind `hops`, or ends there.
fn is_through(way: &[Hop], hops: &[Hop], hop: Hop) -> bool {
    way.strip_prefix(hops).and_then(<[Hop]>::first) == Some(&hop)
}

fn counts(function: RollupFunction) -> bool {
    matches!(function, RollupFunction::Count | RollupFunction::CountDistinct)
}

/// Whether a stored field can never be null, so that an order by it needs no word on nulls.
pub(crate) fn never_null(field: &Field) -> bool {
    field.is_non_null() && field.system
}
