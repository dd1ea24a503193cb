//! Type checking: from CEL's syntax tree to an expression over a module's fields, with every fault named at once.

pub(super) mod call;
mod operator;
mod path;

use cel::common::ast::{CallExpr, Expr as Syntax, operators as symbol};
use cel::parser::Expression;
use uuid::Uuid;

use super::mentions::Mention;
use super::parse::{Name, Parsed, parse};
use super::{BinaryOp, Expr, NODES_MAX, RuleIssue, RuleType, TypedRule};
use crate::Value;
use crate::catalog::{FieldId, ModuleId};
use crate::suggest::did_you_mean;

/// What a rule may read: the modules' fields, by name.
pub trait Schema {
    /// The field `name` of `module`.
    ///
    /// For a reference `account`, both `account` (with its targets) and `accountId` (without) are answered, each with the
    /// reference's id and the type [`RuleType::Id`].
    fn field(&self, module: ModuleId, name: &str) -> Option<SchemaField>;

    /// The names that `module` has, from which a near one is suggested.
    fn field_names(&self, _module: ModuleId) -> Vec<String> {
        Vec::new()
    }

    /// What a path means that begins with no field, such as the output of a workflow's step, or why it means nothing; `None` if its
    /// first name is none that stands for something outside of the record.
    fn outside(&self, _path: &[&str]) -> Option<Result<Outside, String>> {
        None
    }
}

/// A value from outside of the record.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Outside {
    /// Its type; `None` if it is known only when the rule runs, so that the rule must say what it takes it for.
    pub ty: Option<RuleType>,
    /// The field that it was read from: which of the path's names that is, its module, and its id.
    pub field: Option<(usize, ModuleId, FieldId)>,
}

/// A field as rules see it.
#[derive(Debug, Clone, PartialEq)]
pub struct SchemaField {
    /// Its id.
    pub id: FieldId,
    /// The type of its value.
    pub ty: RuleType,
    /// For references: the modules that it may point to.
    pub targets: Vec<ModuleId>,
    /// For choices: the values that it may have.
    pub options: Option<Vec<String>>,
}

/// Where a rule stands, and so what it may say.
#[derive(Debug, Clone)]
pub struct Context {
    /// The module whose record the rule is over.
    pub module: ModuleId,
    /// Whether `old` makes sense.
    pub allow_old: bool,
    /// Whether it may follow references.
    pub allow_relations: bool,
    /// What it must give.
    pub expected: Expected,
}

/// The type that a rule must give; null fits any.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Expected {
    /// A condition.
    Boolean,
    /// A number.
    Number,
    /// A text.
    Text,
    /// This type.
    Type(RuleType),
    /// Whatever the rule gives.
    Any,
}

/// Most faults that are told of one rule; more help nobody.
const ISSUES_MAX: usize = 20;

/// Parses `source` and checks it against `schema`; all faults at once.
pub fn check(source: &str, context: &Context, schema: &dyn Schema) -> Result<TypedRule, Vec<RuleIssue>> {
    check_with_mentions(source, context, schema).map(|(rule, _)| rule)
}

/// As [`check`], and the fields that the rule names, with their places in its text.
pub(super) fn check_with_mentions(
    source: &str,
    context: &Context,
    schema: &dyn Schema,
) -> Result<(TypedRule, Vec<Mention>), Vec<RuleIssue>> {
    let parsed = parse(source).map_err(in_order)?;
    let mut checker = Checker { parsed: &parsed, context, schema, issues: Vec::new(), mentions: Vec::new() };
    let typed = checker.expression(&parsed.root);
    if let Some(typed) = &typed {
        checker.result(typed);
    }
    let Checker { issues, mentions, .. } = checker;
    match typed {
        Some(typed) if issues.is_empty() => {
            Ok((TypedRule { source: source.to_owned(), expr: typed.expr, ty: typed.ty }, mentions))
        }
        _ => Err(in_order(issues)),
    }
}

fn in_order(mut issues: Vec<RuleIssue>) -> Vec<RuleIssue> {
    issues.sort_by_key(|issue| issue.position);
    issues.dedup();
    issues.truncate(ISSUES_MAX);
    issues
}

struct Checker<'a> {
    parsed: &'a Parsed,
    context: &'a Context,
    schema: &'a dyn Schema,
    issues: Vec<RuleIssue>,
    mentions: Vec<Mention>,
}

/// A checked part of a rule.
#[derive(Debug, Clone)]
struct Typed {
    expr: Expr,
    ty: RuleType,
    /// A choice's values, to check the texts that it is compared with.
    options: Option<Vec<String>>,
    position: usize,
}

/// A part in which a fault was found and told is `None`.
type Checked = Option<Typed>;

impl Checker<'_> {
    fn expression(&mut self, node: &Expression) -> Checked {
        let position = self.parsed.position(node);
        match &node.expr {
            Syntax::Ident(_) | Syntax::Select(_) => self.name_or_path(node),
            Syntax::Literal(literal) => self.literal(literal, position),
            Syntax::Call(call) => self.operation(call, position),
            Syntax::List(_) => {
                self.fail(position, "a list may only stand on the right of `in`, as in `x in [\"A\", \"B\"]`")
            }
            Syntax::Comprehension(_) => self.fail(
                self.parsed.name_before(position),
                "`all`, `exists`, `exists_one`, `map` and `filter` are not part of the rule language",
            ),
            Syntax::Map(_) | Syntax::Struct(_) | Syntax::Unspecified => {
                self.fail(position, "the rule language has no maps or messages")
            }
        }
    }

    fn literal(&mut self, literal: &cel::common::ast::LiteralValue, position: usize) -> Checked {
        use cel::common::ast::LiteralValue;
        let (value, ty) = match literal {
            LiteralValue::Boolean(value) => (Value::Boolean(*value.inner()), RuleType::Boolean),
            LiteralValue::Null => (Value::Null, RuleType::Null),
            // Numbers and texts are names in the tree; see `scan`.
            _ => return self.fail(position, "this literal is not part of the rule language"),
        };
        self.typed(Expr::Literal(value), ty, position)
    }

    fn name_or_path(&mut self, node: &Expression) -> Checked {
        match (&node.expr, self.parsed.atom(node)) {
            (Syntax::Ident(_), Some(Name::Literal(value))) => {
                let ty = if matches!(value, Value::Text(_)) { RuleType::Text } else { RuleType::Number };
                let literal = Expr::Literal(value.clone());
                self.typed(literal, ty, self.parsed.position(node))
            }
            _ => self.path(node),
        }
    }

    fn operation(&mut self, call: &CallExpr, position: usize) -> Checked {
        let operands = call.args.as_slice();
        let binary = match call.func_name.as_str() {
            symbol::CONDITIONAL => return self.conditional(operands, position),
            symbol::LOGICAL_NOT => return self.not(operands, position),
            symbol::NEGATE => return self.negate(operands, position),
            symbol::IN => return self.membership(operands, position),
            symbol::EQUALS => return self.equality(BinaryOp::Equal, operands, position),
            symbol::NOT_EQUALS => return self.equality(BinaryOp::NotEqual, operands, position),
            symbol::INDEX => {
                return self.fail(position, "values cannot be taken out of a list by position; use `list.has(x)`");
            }
            symbol::ADD => BinaryOp::Add,
            symbol::SUBSTRACT => BinaryOp::Subtract,
            symbol::MULTIPLY => BinaryOp::Multiply,
            symbol::DIVIDE => BinaryOp::Divide,
            symbol::MODULO => BinaryOp::Remainder,
            symbol::LESS => BinaryOp::Less,
            symbol::LESS_EQUALS => BinaryOp::LessOrEqual,
            symbol::GREATER => BinaryOp::Greater,
            symbol::GREATER_EQUALS => BinaryOp::GreaterOrEqual,
            symbol::LOGICAL_AND => BinaryOp::And,
            symbol::LOGICAL_OR => BinaryOp::Or,
            _ => return self.call(call, self.parsed.name_before(position)),
        };
        let [left, right] = operands else {
            return self.fail(position, "an operator needs two operands");
        };
        let (left, right) = (self.expression(left), self.expression(right));
        self.binary(binary, left?, right?, position)
    }

    /// The rule's own type, against what its place expects.
    fn result(&mut self, typed: &Typed) {
        let expected = match self.context.expected {
            Expected::Boolean => RuleType::Boolean,
            Expected::Number => RuleType::Number,
            Expected::Text => RuleType::Text,
            Expected::Type(ty) => ty,
            Expected::Any => typed.ty,
        };
        if typed.ty != expected && typed.ty != RuleType::Null {
            let message = format!("the rule gives {}, but {} is expected here", typed.ty, expected);
            self.issue(0, message);
        }
        let mut nodes = 0;
        typed.expr.walk(&mut |_| nodes += 1);
        if nodes > NODES_MAX {
            let message = format!("the rule has {nodes} parts; at most {NODES_MAX} are allowed");
            self.issue(0, message);
        }
    }

    /// Makes a text literal an id where `other` is one, and checks it against the options of `other`.
    fn fit(&mut self, operand: Typed, other: &Typed) -> Checked {
        let Expr::Literal(Value::Text(text)) = &operand.expr else {
            return Some(operand);
        };
        if other.ty == RuleType::Id {
            return match Uuid::parse_str(text) {
                Ok(id) => self.typed(Expr::Literal(Value::Id(id)), RuleType::Id, operand.position),
                Err(_) => {
                    let message = format!(
                        "\"{text}\" is not an id; an id is written as in \"01890a5d-ac96-774b-bcce-b302099a8057\""
                    );
                    self.fail(operand.position, message)
                }
            };
        }
        if let Some(options) = &other.options
            && !options.contains(text)
        {
            let hint = did_you_mean(text, options.iter().map(String::as_str));
            let hint = if hint.is_empty() { format!("; it has {}", shown(options)) } else { hint };
            return self.fail(operand.position, format!("this choice has no option \"{text}\"{hint}"));
        }
        Some(operand)
    }

    fn typed(&self, expr: Expr, ty: RuleType, position: usize) -> Checked {
        Some(Typed { expr, ty, options: None, position })
    }

    fn issue(&mut self, position: usize, message: impl Into<String>) {
        self.issues.push(RuleIssue { position, message: message.into() });
    }

    fn fail(&mut self, position: usize, message: impl Into<String>) -> Checked {
        self.issue(position, message);
        None
    }
}

/// The first options, for a message.
fn shown(options: &[String]) -> String {
    let mut text = options.iter().take(8).map(|option| format!("\"{option}\"")).collect::<Vec<_>>().join(", ");
    if options.len() > 8 {
        text.push_str(", …");
    }
    text
}

impl std::fmt::Display for RuleType {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(match self {
            Self::Null => "null",
            Self::Boolean => "true or false",
            Self::Number => "a number",
            Self::Text => "a text",
            Self::Date => "a date",
            Self::Time => "a time",
            Self::DateTime => "a date with time",
            Self::Id => "an id",
            Self::TextList => "a list of texts",
        })
    }
}
