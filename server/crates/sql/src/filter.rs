//! `WHERE`: a filter → a condition with SQL's three-valued logic.

use cardine_failpoints::switched_off;
use cardine_model::ScalarType;
use cardine_model::catalog::{FieldId, FieldPath, Hop, RelationId};
use cardine_model::rule::Function;
use cardine_query::{CompareOp, Filter, Quantifier, Slot, Span};

use crate::expr::{DECIMAL_COLLATION, Shape};
use crate::hierarchy::{Tie, Tied};
use crate::ident::column;
use crate::statement::{Dialect, Param, SpanOf, Transform};
use crate::writer::{Source, Writer};

impl Writer<'_> {
    /// The condition of `filter` over `source`.
    pub fn condition(&mut self, source: &mut Source, filter: &Filter) -> String {
        match filter {
            Filter::All(parts) if parts.is_empty() => "1 = 1".to_owned(),
            Filter::Any(parts) if parts.is_empty() => "1 = 0".to_owned(),
            Filter::All(parts) => self.joined(source, parts, " AND "),
            Filter::Any(parts) => self.joined(source, parts, " OR "),
            Filter::Not(part) => format!("(NOT {})", self.condition(source, part)),
            Filter::IsNull { path, negated } => {
                let value = self.shown(source, path);
                format!("({value} IS {}NULL)", if *negated { "NOT " } else { "" })
            }
            Filter::Compare { path, op, operand } => self.compare(source, path, *op, *operand),
            Filter::CompareJson { path, place, op, operand } => self.compare_json(source, path, *place, *op, *operand),
            Filter::Within { path, span } => {
                let (_, field) = self.end(source.module, path);
                let shape = Shape::of(field);
                let value = self.shown(source, path);
                self.within(shape, &value, *span)
            }
            Filter::IsNullJson { path, place, negated } => {
                let key = self.json_value(source, path, *place).key;
                format!("({key} IS {}NULL)", if *negated { "NOT " } else { "" })
            }
            Filter::Alike { field, record } => self.alike(source, *field, *record),
            Filter::Related { at, relation, quantifier, filter } => {
                self.related(source, at, *relation, *quantifier, filter)
            }
        }
    }

    fn joined(&mut self, source: &mut Source, parts: &[Filter], between: &str) -> String {
        let parts: Vec<String> = parts.iter().map(|part| self.condition(source, part)).collect();
        format!("({})", parts.join(between))
    }

    fn compare(&mut self, source: &mut Source, path: &FieldPath, op: CompareOp, operand: Slot) -> String {
        let catalog = self.catalog;
        let module = path.hops.last().map_or(source.module, |hop| hop.target);
        let field = catalog.field(module, path.field);
        let leads = |index: &Vec<FieldId>| index.first() == Some(&path.field);
        // What is unique alone has an index over its folded form.
        let unique = field.unique && matches!(op, CompareOp::Eq | CompareOp::In);
        let by_key = field.indexed || unique || catalog.module(module).indexes.iter().any(leads);
        let value = self.shown(source, path);
        self.compare_value(Shape::of(field), by_key, &value, op, operand)
    }

    /// Compares a value of this shape; `by_key` where an index on its sort key may help.
    pub fn compare_value(&mut self, shape: Shape, by_key: bool, value: &str, op: CompareOp, operand: Slot) -> String {
        match shape {
            Shape::TextList => self.compare_list(value, op, operand),
            Shape::Scalar(scalar) if scalar.is_text() => self.compare_text(by_key, value, op, operand),
            Shape::Scalar(scalar) => {
                let ty = shape.postgres_type();
                let collation = match (self.dialect, scalar) {
                    (Dialect::Sqlite, ScalarType::Decimal { .. }) => format!(" {DECIMAL_COLLATION}"),
                    _ => String::new(),
                };
                self.compare_plain(&format!("{value}{collation}"), ty, op, operand)
            }
        }
    }

    /// Whether a date or an instant is in a span: from its start, and before what is behind it.
    pub fn within(&mut self, shape: Shape, value: &str, span: Span) -> String {
        let (of, ty) = match shape {
            Shape::Scalar(ScalarType::DateTime) => (SpanOf::Instants, "timestamptz"),
            _ => (SpanOf::Dates, "date"),
        };
        let start = self.typed_param(Param::SpanStart(span, of), ty);
        let end = self.typed_param(Param::SpanEnd(span, of), ty);
        format!("({value} >= {start} AND {value} < {end})")
    }

    /// A value beside that of another record, which is read under the same record rules.
    fn alike(&mut self, source: &mut Source, field: FieldId, record: Slot) -> String {
        let path = FieldPath::own(field);
        let own = self.shown(source, &path);
        let mut other = self.source(source.module, source.visibility);
        let theirs = self.shown(&mut other, &path);
        let id = self.typed_param(Param::Slot(record, Transform::None), "uuid");
        let visibility = other.visibility.unless(switched_off!("record.alike"));
        let live = self.live_and_visible(source.module, &other.alias, visibility);
        let from = format!("FROM {} WHERE {} = {id} AND {live}", self.from(&other), column(&other.alias, "id"));
        let field = self.catalog.field(source.module, field);
        match Shape::of(field) {
            Shape::Scalar(scalar) if scalar.is_text() => {
                let same = |function: &str| format!("{function}({own}) = (SELECT {function}({theirs}) {from})");
                let folded = same("cardine_fold");
                if field.indexed || field.unique {
                    format!("({} AND {folded})", same("cardine_sort_key"))
                } else {
                    format!("({folded})")
                }
            }
            Shape::Scalar(ScalarType::Decimal { .. }) if self.dialect == Dialect::Sqlite => {
                format!("({own} {DECIMAL_COLLATION} = (SELECT {theirs} {from}))")
            }
            _ => format!("({own} = (SELECT {theirs} {from}))"),
        }
    }

    fn compare_plain(&mut self, value: &str, ty: &str, op: CompareOp, operand: Slot) -> String {
        let slot = Param::Slot(operand, Transform::None);
        if let CompareOp::In | CompareOp::NotIn = op {
            let list = self.typed_param(slot, &format!("{ty}[]"));
            let among = match (self.dialect, ty) {
                (Dialect::Sqlite, "numeric") => {
                    format!("{value} IN (SELECT CAST(value AS TEXT) FROM json_each({list}))")
                }
                _ => self.among(value, &list),
            };
            return membership(&among, op);
        }
        let operand = self.operand(slot, ty);
        format!("({value} {} {operand})", operator(op))
    }

    /// Text is compared by its folded form; an indexed field's sort key narrows the candidates first.
    fn compare_text(&mut self, by_key: bool, value: &str, op: CompareOp, operand: Slot) -> String {
        let folded = format!("cardine_fold({value})");
        let param = |writer: &mut Self, transform| writer.typed_param(Param::Slot(operand, transform), "text");
        match op {
            CompareOp::In if by_key => {
                let keys = self.typed_param(Param::Slot(operand, Transform::SortKey), "text[]");
                let list = self.typed_param(Param::Slot(operand, Transform::Fold), "text[]");
                let key = self.among(&format!("cardine_sort_key({value})"), &keys);
                format!("({key} AND {})", self.among(&folded, &list))
            }
            CompareOp::In | CompareOp::NotIn => {
                let list = self.typed_param(Param::Slot(operand, Transform::Fold), "text[]");
                membership(&self.among(&folded, &list), op)
            }
            CompareOp::StartsWith if by_key => {
                let start = param(self, Transform::PrefixStart);
                let end = param(self, Transform::PrefixEnd);
                let text = param(self, Transform::Fold);
                let test = self.call(Function::StartsWith, &[folded, text], false, 0);
                let key = format!("cardine_sort_key({value})");
                format!("({key} >= {start} AND {key} < {end} AND {test})")
            }
            // Not by LIKE, whose patterns SQLite bounds.
            CompareOp::Contains | CompareOp::StartsWith | CompareOp::EndsWith => {
                let test = match op {
                    CompareOp::Contains => Function::Contains,
                    CompareOp::StartsWith => Function::StartsWith,
                    _ => Function::EndsWith,
                };
                let text = param(self, Transform::Fold);
                self.call(test, &[folded, text], false, 0)
            }
            CompareOp::Lt | CompareOp::Lte | CompareOp::Gt | CompareOp::Gte => {
                let key = param(self, Transform::SortKey);
                let text = param(self, Transform::None);
                let pair = format!("((cardine_sort_key({value}), {value}) {} ({key}, {text}))", operator(op));
                // Of a pair whose first is no column, SQLite searches no index.
                let rough = match op {
                    CompareOp::Lt | CompareOp::Lte => "<=",
                    _ => ">=",
                };
                match self.dialect {
                    Dialect::Sqlite if by_key => format!("(cardine_sort_key({value}) {rough} {key} AND {pair})"),
                    _ => pair,
                }
            }
            CompareOp::Eq if by_key => {
                let key = param(self, Transform::SortKey);
                let text = param(self, Transform::Fold);
                format!("(cardine_sort_key({value}) = {key} AND {folded} = {text})")
            }
            _ => {
                let text = param(self, Transform::Fold);
                format!("({folded} {} {text})", operator(op))
            }
        }
    }

    fn compare_list(&mut self, value: &str, op: CompareOp, operand: Slot) -> String {
        let slot = Param::Slot(operand, Transform::None);
        match (self.dialect, op) {
            (Dialect::Postgres, CompareOp::HasAny) => format!("({value} && {})", self.typed_param(slot, "text[]")),
            (Dialect::Postgres, CompareOp::HasAll) => format!("({value} @> {})", self.typed_param(slot, "text[]")),
            (Dialect::Postgres, _) => format!("({} = ANY({value}))", self.typed_param(slot, "text")),
            (Dialect::Sqlite, op) => {
                let operand = self.param(slot);
                let has = match op {
                    CompareOp::HasAny => format!(
                        "EXISTS (SELECT 1 FROM json_each({value}) h WHERE h.value IN (SELECT value FROM json_each({operand})))"
                    ),
                    CompareOp::HasAll => format!(
                        "NOT EXISTS (SELECT 1 FROM json_each({operand}) w WHERE w.value NOT IN (SELECT value FROM json_each({value})))"
                    ),
                    _ => format!("EXISTS (SELECT 1 FROM json_each({value}) h WHERE h.value = {operand})"),
                };
                format!("(CASE WHEN {value} IS NULL OR {operand} IS NULL THEN NULL ELSE {has} END)")
            }
        }
    }

    /// A parameter beside a value of PostgreSQL's type `ty`. On SQLite decimals are text, and so must be an integer beside one.
    pub fn operand(&mut self, param: Param, ty: &str) -> String {
        let placeholder = self.typed_param(param, ty);
        match (self.dialect, ty) {
            (Dialect::Sqlite, "numeric") => format!("CAST({placeholder} AS TEXT)"),
            _ => placeholder,
        }
    }

    fn related(
        &mut self,
        source: &mut Source,
        at: &[Hop],
        relation: RelationId,
        quantifier: Quantifier,
        filter: &Filter,
    ) -> String {
        let catalog = self.catalog;
        let module = at.last().map_or(source.module, |hop| hop.target);
        let relation = catalog.module(module).relation(relation);
        let record = self.join(source, at);
        let mut related = self.source(relation.module, source.visibility);
        let (tied, id) = (Tied::of(catalog, relation), column(&record, "id"));
        let Tie { before, condition: linked } = self.tie(tied, &related.alias, &id, source.visibility);
        let alias = related.alias.clone();
        let visibility = source.visibility.unless(switched_off!("record.related"));
        let live = self.live_and_visible(relation.module, &alias, visibility);
        let condition = self.condition(&mut related, filter);
        let condition = match quantifier {
            Quantifier::Some | Quantifier::None => condition,
            Quantifier::Every => format!("({condition}) IS NOT TRUE"),
        };
        let not = if quantifier == Quantifier::Some { "" } else { "NOT " };
        let from = self.from(&related);
        let exists = format!("{not}EXISTS (SELECT 1 FROM {before}{from} WHERE {linked} AND {live} AND {condition})");
        if at.is_empty() {
            return format!("({exists})");
        }
        // Of a record that is not there nothing is known.
        format!("(CASE WHEN {} IS NULL THEN NULL ELSE {exists} END)", column(&record, "id"))
    }
}

pub(crate) fn membership(among: &str, op: CompareOp) -> String {
    if op == CompareOp::NotIn { format!("(NOT ({among}))") } else { format!("({among})") }
}

pub(crate) fn operator(op: CompareOp) -> &'static str {
    match op {
        CompareOp::Ne => "<>",
        CompareOp::Lt => "<",
        CompareOp::Lte => "<=",
        CompareOp::Gt => ">",
        CompareOp::Gte => ">=",
        _ => "=",
    }
}
