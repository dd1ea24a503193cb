//! Records that a step looks for: a filter and an order as in the records API, whose values are filled in when the step runs.

use cardine_engine::{ListResult, json_name, json_of_field, value_of_cell};
use cardine_model::Value;
use cardine_model::catalog::{Catalog, Field, FieldId, FieldKind, FieldPath, Module, ModuleId};
use cardine_query::{CompareOp, Deleted, Filter, List, Measure, OrderKey, Page, Slot, Take};
use serde_json::{Map, Value as Json, json};

use crate::template::{Filling, Template};
use crate::value::typed_value;

/// What is looked for.
#[derive(Debug)]
pub(crate) struct FindRecords {
    pub module: ModuleId,
    pub filter: Option<Condition>,
    pub order: Vec<OrderKey>,
    pub first: u32,
    /// Of each record, beside its id.
    pub fields: Vec<FieldId>,
}

/// A condition whose values are filled in later.
#[derive(Debug)]
pub(crate) enum Condition {
    All(Vec<Condition>),
    Any(Vec<Condition>),
    Not(Box<Condition>),
    Compare { path: FieldPath, op: CompareOp, operand: Template },
    IsNull { path: FieldPath, negated: bool },
}

/// A value does not fit the field that it is compared with.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Misfit(pub String);

impl FindRecords {
    /// Every value that is filled in.
    pub fn templates(&self) -> Vec<&Template> {
        let mut found = Vec::new();
        if let Some(filter) = &self.filter {
            filter.templates(&mut found);
        }
        found
    }

    /// The question with its values.
    pub fn question(&self, catalog: &Catalog, filling: &dyn Filling) -> Result<(List, Vec<Value>), Misfit> {
        let mut values = vec![Value::Integer(i64::from(self.first))];
        let filter = self.filter.as_ref().map(|filter| filter.filled(catalog, self.module, filling, &mut values));
        let mut order = self.order.clone();
        order.push(OrderKey { path: FieldPath::own(Module::ID), descending: false, nulls: cardine_query::Nulls::Last });
        let list = List {
            module: self.module,
            filter: filter.transpose()?,
            order,
            page: Page { take: Take::First(Slot(0)), after: None, before: None, offset: None },
            deleted: Deleted::Exclude,
            outputs: std::iter::once(Module::ID).chain(self.fields.iter().copied()).map(FieldPath::own).collect(),
            rows: true,
            totals: vec![Measure::Count],
            groups: None,
            children: Vec::new(),
            histories: Vec::new(),
        };
        Ok((list, values))
    }

    /// `{first, nodes, totalCount}`.
    pub fn output(&self, module: &Module, result: &ListResult) -> Json {
        let group = result.root();
        let node = |row: usize| {
            let mut node = Map::new();
            for (output, field) in std::iter::once(&Module::ID).chain(&self.fields).enumerate() {
                let field = module.field(*field);
                let value = value_of_cell(field, result.cell(row, output));
                node.insert(json_name(field), json_of_field(field, &value));
            }
            Json::Object(node)
        };
        let nodes: Vec<Json> = group.rows.clone().map(node).collect();
        let count = result.total(&group, 0).integer().unwrap_or_default();
        json!({"first": nodes.first(), "totalCount": count, "nodes": nodes})
    }
}

impl Condition {
    fn templates<'a>(&'a self, found: &mut Vec<&'a Template>) {
        match self {
            Self::All(parts) | Self::Any(parts) => parts.iter().for_each(|part| part.templates(found)),
            Self::Not(part) => part.templates(found),
            Self::Compare { operand, .. } => found.push(operand),
            Self::IsNull { .. } => {}
        }
    }

    fn filled(
        &self,
        catalog: &Catalog,
        module: ModuleId,
        filling: &dyn Filling,
        values: &mut Vec<Value>,
    ) -> Result<Filter, Misfit> {
        let mut all = |parts: &[Self]| {
            parts.iter().map(|part| part.filled(catalog, module, filling, values)).collect::<Result<Vec<_>, _>>()
        };
        Ok(match self {
            Self::All(parts) => Filter::All(all(parts)?),
            Self::Any(parts) => Filter::Any(all(parts)?),
            Self::Not(part) => Filter::Not(Box::new(part.filled(catalog, module, filling, values)?)),
            Self::IsNull { path, negated } => Filter::IsNull { path: path.clone(), negated: *negated },
            Self::Compare { path, op, operand } => {
                let owner = path.hops.last().map_or(module, |hop| hop.target);
                let field = catalog.field(owner, path.field);
                let value = operand_value(field, *op, &operand.fill(filling)).ok_or_else(|| {
                    Misfit(format!("a value of the filter does not fit the type of `{}`", field.name))
                })?;
                // Null matches nothing, whatever the operator.
                let op = if value.is_null() { CompareOp::Eq } else { *op };
                values.push(value);
                let slot = u32::try_from(values.len() - 1).unwrap_or(u32::MAX);
                Filter::Compare { path: path.clone(), op, operand: Slot(slot) }
            }
        })
    }
}

/// What an operator compares with; `None` if it is no such value.
pub(crate) fn operand_value(field: &Field, op: CompareOp, json: &Json) -> Option<Value> {
    let single = |json: &Json| match (&field.kind, json) {
        (FieldKind::MultiChoice { .. }, Json::String(text)) => Some(Value::Text(text.clone())),
        (FieldKind::MultiChoice { .. }, _) => None,
        _ => typed_value(field, json),
    };
    match op {
        _ if json.is_null() => Some(Value::Null),
        CompareOp::In | CompareOp::NotIn | CompareOp::HasAny | CompareOp::HasAll => {
            json.as_array()?.iter().map(single).collect::<Option<Vec<_>>>().map(Value::List)
        }
        _ => single(json),
    }
}
