//! Conditions on values inside JSON documents, alike on both databases and whatever the type of the operand.
//!
//! A text of a question holds for every operand, so the type of the operand is not in it: what the operand is not, is null in its
//! parameters. On PostgreSQL, for the value `v` = `t1."data" #> $1::text[]`, equality compares keys that tell types apart
//! (`'n' || …` for numbers, `'s' || …` for folded text), and an order compares numbers, or else texts.

use cardine_model::catalog::FieldPath;
use cardine_model::rule::Function;
use cardine_query::{CompareOp, Slot};

use crate::expr::TEXT_COLLATION;
use crate::filter::{membership, operator};
use crate::statement::{Dialect, Param, Transform};
use crate::writer::{Source, Writer};

/// A value inside a document, as SQL sees it.
pub(crate) struct JsonValue {
    /// What it is equal by; null for null.
    pub key: String,
    /// Its number, or null.
    number: String,
    /// Its text, or null.
    text: String,
}

impl Writer<'_> {
    pub(crate) fn json_value(&mut self, source: &mut Source, path: &FieldPath, place: Slot) -> JsonValue {
        let document = self.shown(source, path);
        let steps = self.typed_param(Param::Slot(place, Transform::JsonSteps), "text[]");
        match self.dialect {
            Dialect::Sqlite => {
                let function = |name: &str| format!("cardine_json_{name}({document}, {steps})");
                JsonValue { key: function("key"), number: function("number"), text: function("text") }
            }
            Dialect::Postgres => {
                let value = format!("({document} #> {steps})");
                let (ty, content) =
                    (format!("json_typeof({value})"), format!("(({value} #>> '{{}}') {TEXT_COLLATION})"));
                let number = format!("{content}::numeric");
                JsonValue {
                    key: format!(
                        "(CASE {ty} WHEN 'string' THEN 's' || cardine_fold({content}) WHEN 'number' THEN 'n' || trim_scale({number})::text \
                         WHEN 'boolean' THEN 'b' || {content} WHEN 'object' THEN 'o' WHEN 'array' THEN 'o' END)"
                    ),
                    number: format!("(CASE {ty} WHEN 'number' THEN {number} END)"),
                    text: format!("(CASE {ty} WHEN 'string' THEN {content} END)"),
                }
            }
        }
    }

    pub(crate) fn compare_json(
        &mut self,
        source: &mut Source,
        path: &FieldPath,
        place: Slot,
        op: CompareOp,
        operand: Slot,
    ) -> String {
        let value = self.json_value(source, path, place);
        let slot = |transform| Param::Slot(operand, transform);
        match op {
            CompareOp::In | CompareOp::NotIn => {
                let keys = self.typed_param(slot(Transform::JsonKey), "text[]");
                membership(&self.among(&value.key, &keys), op)
            }
            CompareOp::Contains | CompareOp::StartsWith | CompareOp::EndsWith => {
                let test = match op {
                    CompareOp::Contains => Function::Contains,
                    CompareOp::StartsWith => Function::StartsWith,
                    _ => Function::EndsWith,
                };
                let part = self.typed_param(slot(Transform::Fold), "text");
                self.call(test, &[format!("cardine_fold({})", value.text), part], false, 0)
            }
            CompareOp::Lt | CompareOp::Lte | CompareOp::Gt | CompareOp::Gte => {
                let operator = operator(op);
                let number = self.operand(slot(Transform::JsonNumber), "numeric");
                let collation = self.number_collation(true);
                let key = self.typed_param(slot(Transform::JsonSortKey), "text");
                let text = self.typed_param(slot(Transform::JsonText), "text");
                format!(
                    "(CASE WHEN {number} IS NOT NULL THEN {own}{collation} {operator} {number} \
                     ELSE (cardine_sort_key({own_text}), {own_text}) {operator} ({key}, {text}) END)",
                    own = value.number,
                    own_text = value.text
                )
            }
            _ => {
                let key = self.typed_param(slot(Transform::JsonKey), "text");
                format!("({} {} {key})", value.key, operator(op))
            }
        }
    }
}
