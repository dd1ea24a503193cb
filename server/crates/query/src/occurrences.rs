//! When records occur: the two lists that tell it, of the records that occur once and of those with rules.

use cardine_model::catalog::{Field, FieldPath, Module, ModuleId};
use cardine_model::recurrence::RecurrenceFields;

use crate::list::{CompareOp, Deleted, Filter, KeysetValue, List, Nulls, OrderKey, Page, Slot, Take};

/// What is asked of both lists.
#[derive(Debug, Clone)]
pub struct OccurrenceQuestion {
    /// The module.
    pub module: ModuleId,
    /// Of which records.
    pub filter: Option<Filter>,
    /// Records without a rule are looked for if they begin from then on.
    pub earliest: Slot,
    /// From when on.
    pub from: Slot,
    /// Before when.
    pub to: Slot,
    /// How many of those without a rule.
    pub first: Slot,
    /// Of these only what comes after an instant and an id.
    pub after: Option<[Slot; 2]>,
    /// How many with a rule.
    pub most: Slot,
}

/// Positions among the outputs of both lists.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct OccurrenceOutputs {
    /// The id.
    pub id: usize,
    /// When the record begins.
    pub start: usize,
    /// When it ends.
    pub end: Option<usize>,
    /// Its rule.
    pub rule: usize,
    /// The days that are left out.
    pub exceptions: Option<usize>,
    /// The time zone.
    pub time_zone: Option<usize>,
    /// Whether it is about whole days.
    pub all_day: Option<usize>,
}

impl OccurrenceQuestion {
    /// The records without a rule that are in the window, by when they begin and then by id; and those with a rule that may be in it.
    pub fn lists(self, fields: RecurrenceFields<'_>) -> (List, List, OccurrenceOutputs) {
        let compare = |field: &Field, op, operand| Filter::Compare { path: FieldPath::own(field.id), op, operand };
        let is_null = |field: &Field, negated| Filter::IsNull { path: FieldPath::own(field.id), negated };
        let mut reaches = vec![compare(fields.start, CompareOp::Gte, self.from)];
        reaches.extend(fields.end.map(|end| compare(end, CompareOp::Gt, self.from)));
        let mut once = vec![
            is_null(fields.rule, false),
            compare(fields.start, CompareOp::Gte, self.earliest),
            compare(fields.start, CompareOp::Lt, self.to),
            Filter::Any(reaches),
        ];
        let mut series = vec![is_null(fields.rule, true), compare(fields.start, CompareOp::Lt, self.to)];
        series.extend(
            fields.last.map(|last| Filter::Any(vec![is_null(last, false), compare(last, CompareOp::Gte, self.from)])),
        );
        once.extend(self.filter.clone());
        series.extend(self.filter);

        let (paths, outputs) = OccurrenceOutputs::of(fields);
        let list = |conditions, order: Vec<OrderKey>, first, after| List {
            module: self.module,
            filter: Some(Filter::All(conditions)),
            order,
            page: Page { take: Take::First(first), after, before: None, offset: None },
            deleted: Deleted::Exclude,
            outputs: paths.clone(),
            rows: true,
            totals: Vec::new(),
            groups: None,
            children: Vec::new(),
            histories: Vec::new(),
        };
        let ascending = |field| OrderKey { path: FieldPath::own(field), descending: false, nulls: Nulls::Last };
        let after = self.after.map(|place| place.map(|slot| KeysetValue { slot, is_null: false }).to_vec());
        let by_start = vec![ascending(fields.start.id), ascending(Module::ID)];
        let once = list(once, by_start, self.first, after);
        (once, list(series, vec![ascending(Module::ID)], self.most, None), outputs)
    }
}

impl OccurrenceOutputs {
    fn of(fields: RecurrenceFields<'_>) -> (Vec<FieldPath>, Self) {
        let mut paths = vec![FieldPath::own(Module::ID)];
        let mut output = |field: &Field| {
            paths.push(FieldPath::own(field.id));
            paths.len() - 1
        };
        let outputs = Self {
            id: 0,
            start: output(fields.start),
            end: fields.end.map(&mut output),
            rule: output(fields.rule),
            exceptions: fields.exceptions.map(&mut output),
            time_zone: fields.time_zone.map(&mut output),
            all_day: fields.all_day.map(&mut output),
        };
        (paths, outputs)
    }
}
