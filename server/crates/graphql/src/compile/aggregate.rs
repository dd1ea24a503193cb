//! Figures over many records: aggregates of a list, and groups with their keys, conditions and order.

use async_graphql_parser::types::SelectionSet;
use cardine_model::catalog::{FieldId, FieldPath, Hop, Module, ModuleId};
use cardine_model::{Issue, PathSegment, ScalarType, Value};
use cardine_query::{
    CompareOp, DatePart, GroupCondition, GroupKey, GroupOrder, GroupTerm, GroupTest, Grouping, Measure, Nulls, Page,
    mean_scale,
};

use super::collect::Collected;
use super::filter::{compare_op, null_refused};
use super::list::ListBuilder;
use super::order::direction;
use super::record::unvalidated;
use super::{Compiler, key, quoted};
use crate::coerce::Input;
use crate::error::Error;
use crate::schema::{FigureType, InputTarget, InputValue, Meaning, OutputField, TypeKey};
use crate::shape::{Encoding, Fields, FigureField, RootField};
use crate::variables::Reading;

impl<'a> Compiler<'a> {
    /// `dealGroups`.
    pub(super) fn groups(
        &mut self,
        module: ModuleId,
        collected: &Collected<'a>,
        definition: &OutputField,
    ) -> Result<RootField, Error> {
        let arguments = self.arguments(collected.field, definition)?;
        let (take, size) = self.take(&arguments, self.setting.limits.page_default)?;
        let page = Page { take, after: None, before: None, offset: None };
        let mut list = ListBuilder::new(module, page, self.setting.limits, 0, collected.field.pos);
        if let Some(filter) = arguments.get("filter") {
            let filter = self.filter(&mut list, &[], module, filter, 0, &mut vec!["filter".into()])?;
            list.filter(filter);
        }
        let keys = self.group_keys(&mut list, module, arguments.get("groupBy"))?;
        let mut groups = Grouping { keys, measures: Vec::new(), having: Vec::new(), order: Vec::new() };
        let set = GroupType { module, ty: FigureType::Group };
        let fields = self.figures(set, &[], &collected.sets, &groups.keys, &mut groups.measures)?;
        if let Some(having) = arguments.get("having") {
            self.having(&mut list, &mut groups, having)?;
        }
        self.group_order(&mut list, module, &mut groups, arguments.get("orderBy"))?;
        self.rows = self.rows.saturating_add(size);
        list.list.groups = Some(groups);
        list.check_totals()?;
        Ok(RootField::Groups { list: self.add(list)?, fields })
    }

    /// `aggregate` of a connection, whose records `base` leads to: its measures are added to the list's totals.
    pub(super) fn aggregate(
        &mut self,
        module: ModuleId,
        base: &[Hop],
        sets: &[&'a SelectionSet],
        totals: &mut Vec<Measure>,
    ) -> Result<Fields<FigureField>, Error> {
        self.figures(GroupType { module, ty: FigureType::Aggregate }, base, sets, &[], totals)
    }

    fn figures(
        &self,
        GroupType { module, ty }: GroupType,
        base: &[Hop],
        sets: &[&'a SelectionSet],
        keys: &[GroupKey],
        measures: &mut Vec<Measure>,
    ) -> Result<Fields<FigureField>, Error> {
        let owner = TypeKey::Figures(module, ty);
        let mut fields = Vec::new();
        for collected in self.collect(owner, sets) {
            let shape = match collected.name() {
                "__typename" => FigureField::Constant(quoted(&self.schema.name(owner))),
                "key" => FigureField::Object(self.group_key(module, &mut Vec::new(), &collected.sets, keys)?),
                "count" => {
                    let position = keys.len() + position_of(measures, Measure::Count);
                    FigureField::Cell { position, encoding: Encoding::Count }
                }
                name => {
                    let ty = measure_type(name).ok_or_else(unvalidated)?;
                    let set = GroupType { module, ty };
                    FigureField::Object(self.measured(set, base, &collected.sets, keys.len(), measures)?)
                }
            };
            fields.push((key(collected.key), shape));
        }
        Ok(fields)
    }

    fn measured(
        &self,
        GroupType { module, ty }: GroupType,
        base: &[Hop],
        sets: &[&'a SelectionSet],
        keys: usize,
        measures: &mut Vec<Measure>,
    ) -> Result<Fields<FigureField>, Error> {
        let owner = TypeKey::Figures(module, ty);
        let mut fields = Vec::new();
        for collected in self.collect(owner, sets) {
            let definition = self.schema.field(owner, collected.name()).ok_or_else(unvalidated)?;
            let shape = match definition.meaning {
                Meaning::Typename => FigureField::Constant(quoted(&self.schema.name(owner))),
                Meaning::Value(field) | Meaning::ReferenceId(field) => {
                    let measure = measure(ty, FieldPath { hops: base.to_vec(), field }).ok_or_else(unvalidated)?;
                    let encoding = self.measure_encoding(module, field, ty);
                    FigureField::Cell { position: keys + position_of(measures, measure), encoding }
                }
                _ => return Err(unvalidated()),
            };
            fields.push((key(collected.key), shape));
        }
        Ok(fields)
    }

    fn measure_encoding(&self, module: ModuleId, field: FieldId, ty: FigureType) -> Encoding {
        let scalar = self.schema.catalog.field(module, field).scalar();
        match (ty, scalar) {
            (FigureType::CountDistinct, _) => Encoding::Count,
            (FigureType::Sum, Some(ScalarType::Integer)) => Encoding::NumberText,
            (FigureType::Avg, Some(ScalarType::Duration)) => Encoding::Duration,
            (FigureType::Avg, Some(scalar)) => Encoding::Decimal { scale: mean_scale(scalar) },
            _ => self.encoding(module, field),
        }
    }

    /// `key`, and the keys of the record that `at` leads to.
    fn group_key(
        &self,
        module: ModuleId,
        at: &mut Vec<Hop>,
        sets: &[&'a SelectionSet],
        keys: &[GroupKey],
    ) -> Result<Fields<FigureField>, Error> {
        let owner = TypeKey::Figures(module, FigureType::GroupKey);
        let mut fields = Vec::new();
        for collected in self.collect(owner, sets) {
            let definition = self.schema.field(owner, collected.name()).ok_or_else(unvalidated)?;
            let null = || FigureField::Constant(b"null".to_vec());
            let shape = match definition.meaning {
                Meaning::Typename => FigureField::Constant(quoted(&self.schema.name(owner))),
                Meaning::Value(field) | Meaning::ReferenceId(field) => {
                    let position = keys.iter().position(|key| key.path.hops == *at && key.path.field == field);
                    position.map_or_else(null, |position| {
                        let is_value = keys[position].part.is_none() && matches!(definition.meaning, Meaning::Value(_));
                        let encoding = if is_value { self.encoding(module, field) } else { Encoding::Plain };
                        FigureField::Cell { position, encoding }
                    })
                }
                Meaning::Reference(field) => {
                    let target = self.target(module, field).ok_or_else(unvalidated)?;
                    at.push(Hop { field, target });
                    let shape = if keys.iter().any(|key| key.path.hops.starts_with(at)) {
                        FigureField::Object(self.group_key(target, at, &collected.sets, keys)?)
                    } else {
                        null()
                    };
                    at.pop();
                    shape
                }
                _ => return Err(unvalidated()),
            };
            fields.push((key(collected.key), shape));
        }
        Ok(fields)
    }

    /// The only module that a reference may lead to.
    fn target(&self, module: ModuleId, field: FieldId) -> Option<ModuleId> {
        match self.schema.catalog.field(module, field).reference()?.targets.as_slice() {
            [target] => Some(*target),
            _ => None,
        }
    }

    /// Each key once.
    fn group_keys(
        &self,
        list: &mut ListBuilder<'a>,
        module: ModuleId,
        group_by: Option<&Input>,
    ) -> Result<Vec<GroupKey>, Error> {
        let entries = group_by.map(Input::items).unwrap_or_default();
        let most = self.setting.limits.order_keys;
        if entries.len() > most {
            return Err(Error::limit("keys of a group", most, entries.len()));
        }
        if entries.is_empty() {
            let message = "`groupBy` must name a key; figures over all records are the `aggregate` of the list.";
            return Err(fault(vec!["groupBy".into()], message.to_owned()));
        }
        let mut keys: Vec<GroupKey> = Vec::with_capacity(entries.len());
        for (position, entry) in entries.iter().enumerate() {
            let path = vec!["groupBy".into(), position.into()];
            let key = self.group_key_asked(list, module, entry, &path)?;
            match keys.iter().find(|known| known.path == key.path) {
                Some(known) if known.part != key.part => {
                    let message = "A field can be grouped by one period only: its key has one value.";
                    return Err(fault(path, message.to_owned()));
                }
                Some(_) => {}
                None => {
                    list.joins(&key.path.hops)?;
                    keys.push(key);
                }
            }
        }
        Ok(keys)
    }

    fn group_key_asked(
        &self,
        list: &ListBuilder<'a>,
        mut module: ModuleId,
        entry: &Input,
        path: &[PathSegment],
    ) -> Result<GroupKey, Error> {
        let mut hops = Vec::new();
        let mut entry = entry;
        let mut path = path.to_vec();
        while let [(field, value)] = entry.fields() {
            path.push(field.name.as_str().into());
            match (field.target, value) {
                (Some(InputTarget::Reference(reference)), _) => {
                    let target = self.target(module, reference).ok_or_else(unvalidated)?;
                    hops.push(Hop { field: reference, target });
                    list.check_level(hops.len())?;
                    module = target;
                    entry = value;
                }
                (Some(InputTarget::Value(id) | InputTarget::ReferenceId(id)), Input::Value(value)) => {
                    let part = match value {
                        Value::Boolean(true) => None,
                        Value::Text(word) => Some(DatePart::of_word(word).ok_or_else(unvalidated)?),
                        _ => {
                            let message =
                                format!("`{}` must be true: leave it out to group by something else.", field.name);
                            return Err(fault(path, message));
                        }
                    };
                    return Ok(GroupKey { path: FieldPath { hops, field: id }, part });
                }
                _ => break,
            }
        }
        Err(fault(path, "Give exactly one field.".to_owned()))
    }

    fn having(&mut self, list: &mut ListBuilder<'a>, groups: &mut Grouping, having: &Input) -> Result<(), Error> {
        for (measure, value) in having.fields() {
            let path = vec!["having".into(), measure.name.as_str().into()];
            if *value == Input::Null {
                return Err(null_refused(&path));
            }
            let Some(ty) = measure_type(&measure.name) else {
                self.group_conditions(list, groups, Measure::Count, value, &path)?;
                continue;
            };
            for (field, operators) in value.fields() {
                let path = [path.as_slice(), &[field.name.as_str().into()]].concat();
                if *operators == Input::Null {
                    return Err(null_refused(&path));
                }
                self.group_conditions(list, groups, measure_of(ty, field)?, operators, &path)?;
            }
        }
        Ok(())
    }

    fn group_conditions(
        &mut self,
        list: &mut ListBuilder<'a>,
        groups: &mut Grouping,
        measure: Measure,
        operators: &Input,
        path: &[PathSegment],
    ) -> Result<(), Error> {
        let measure = position_of(&mut groups.measures, measure);
        for (operator, operand) in operators.fields() {
            list.condition()?;
            if let Some(span) = self.span(operator, operand, path)? {
                groups.having.push(GroupCondition { measure, test: GroupTest::Within(span) });
                continue;
            }
            let test = match (compare_op(&operator.name), operand) {
                // Null matches nothing, whatever the operator: comparing with it is unknown.
                (_, Input::Null) => GroupTest::Compare { op: CompareOp::Eq, operand: self.slot(Value::Null) },
                (Some(op), operand) => {
                    let operand = self.slot_given(operand.to_value(), operator.given, Reading::Free);
                    GroupTest::Compare { op, operand }
                }
                (None, operand) => GroupTest::IsNull { negated: operand.to_value() != Value::Boolean(true) },
            };
            groups.having.push(GroupCondition { measure, test });
        }
        Ok(())
    }

    /// The order that is asked for, then by every key that it leaves open.
    fn group_order(
        &self,
        list: &mut ListBuilder<'a>,
        module: ModuleId,
        groups: &mut Grouping,
        order: Option<&Input>,
    ) -> Result<(), Error> {
        let entries = order.map(Input::items).unwrap_or_default();
        let most = self.setting.limits.order_keys;
        if entries.len() > most {
            return Err(Error::limit("keys of an order", most, entries.len()));
        }
        for (position, entry) in entries.iter().enumerate() {
            let [(term, value)] = entry.fields() else { continue };
            let (by, descending, nulls) = match term.name.as_str() {
                "key" => {
                    let Some(order) = self.order_key(list, module, value, 0)? else { continue };
                    let by = groups.keys.iter().position(|key| is_key(&key.path, &order.path)).ok_or_else(|| {
                        let message = "The groups can be ordered by what they are grouped by, and by figures.";
                        fault(vec!["orderBy".into(), position.into(), "key".into()], message.to_owned())
                    })?;
                    (GroupTerm::Key(by), order.descending, order.nulls)
                }
                "count" => {
                    let (descending, nulls) = direction(value).ok_or_else(unvalidated)?;
                    (GroupTerm::Measure(position_of(&mut groups.measures, Measure::Count)), descending, nulls)
                }
                name => {
                    let ty = measure_type(name).ok_or_else(unvalidated)?;
                    let [(field, value)] = value.fields() else { continue };
                    let (descending, nulls) = direction(value).ok_or_else(unvalidated)?;
                    let measure = measure_of(ty, field)?;
                    (GroupTerm::Measure(position_of(&mut groups.measures, measure)), descending, nulls)
                }
            };
            if !groups.order.iter().any(|known| known.by == by) {
                groups.order.push(GroupOrder { by, descending, nulls });
            }
        }
        for position in 0..groups.keys.len() {
            let by = GroupTerm::Key(position);
            if !groups.order.iter().any(|known| known.by == by) {
                groups.order.push(GroupOrder { by, descending: false, nulls: Nulls::Last });
            }
        }
        Ok(())
    }
}

/// A type of figures of one module.
#[derive(Clone, Copy)]
struct GroupType {
    module: ModuleId,
    ty: FigureType,
}

/// The position of a measure, each once.
pub(super) fn position_of(measures: &mut Vec<Measure>, measure: Measure) -> usize {
    measures.iter().position(|known| *known == measure).unwrap_or_else(|| {
        measures.push(measure);
        measures.len() - 1
    })
}

/// Whether the order's path is the key's. A reference is grouped by as itself, and ordered by as its target's id.
fn is_key(key: &FieldPath, order: &FieldPath) -> bool {
    if key == order {
        return true;
    }
    match order.hops.split_last() {
        Some((last, before)) => order.field == Module::ID && key.field == last.field && key.hops == before,
        None => false,
    }
}

fn measure_type(name: &str) -> Option<FigureType> {
    Some(match name {
        "sum" => FigureType::Sum,
        "avg" => FigureType::Avg,
        "min" => FigureType::Min,
        "max" => FigureType::Max,
        "countDistinct" => FigureType::CountDistinct,
        _ => return None,
    })
}

fn measure(ty: FigureType, path: FieldPath) -> Option<Measure> {
    Some(match ty {
        FigureType::Sum => Measure::Sum(path),
        FigureType::Avg => Measure::Avg(path),
        FigureType::Min => Measure::Min(path),
        FigureType::Max => Measure::Max(path),
        FigureType::CountDistinct => Measure::CountDistinct(path),
        _ => return None,
    })
}

/// The measure that an input's field stands for.
fn measure_of(ty: FigureType, field: &InputValue) -> Result<Measure, Error> {
    match field.target {
        Some(InputTarget::Value(id) | InputTarget::ReferenceId(id)) => {
            measure(ty, FieldPath::own(id)).ok_or_else(unvalidated)
        }
        _ => Err(unvalidated()),
    }
}

/// A faulty argument of groups.
fn fault(path: Vec<PathSegment>, message: String) -> Error {
    let issue = Issue::new(path, "groups", message.clone());
    Error { issues: vec![issue], ..Error::input(message) }
}
