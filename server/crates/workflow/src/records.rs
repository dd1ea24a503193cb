//! Records as runs begin with them: the stored values that somebody may read.

use std::sync::Arc;

use cardine_engine::{Engine, EngineError, Record, RequestContext, value_of_cell};
use cardine_model::Value;
use cardine_model::catalog::{FieldId, FieldPath, Module, ModuleId};
use cardine_query::{Deleted, Filter, List, Nulls, OrderKey, Page, Slot, Take, authorise};

/// The records of a module that meet a filter, by their ids, at most `first`; of those that the caller sees, what the caller may read.
/// `values` are what the filter's slots name; slot 0 is not theirs.
pub(crate) async fn fetch_records(
    engine: &Engine,
    ctx: &RequestContext,
    module: ModuleId,
    filter: Filter,
    values: Vec<Value>,
    first: u32,
) -> Result<Vec<Record>, EngineError> {
    let definition = ctx.catalog().module(module);
    let fields = readable(ctx, definition);
    let list = List {
        module,
        filter: Some(filter),
        order: vec![OrderKey { path: FieldPath::own(Module::ID), descending: false, nulls: Nulls::Last }],
        page: Page { take: Take::First(Slot(0)), after: None, before: None, offset: None },
        deleted: Deleted::Exclude,
        outputs: fields.iter().copied().map(FieldPath::own).collect(),
        rows: true,
        totals: Vec::new(),
        groups: None,
        children: Vec::new(),
        histories: Vec::new(),
    };
    let list = authorise(list, ctx.catalog(), &ctx.actor.rights).map_err(|_| EngineError::NotFound)?;
    let values: Vec<Value> = std::iter::once(Value::Integer(i64::from(first))).chain(values).collect();
    let found = engine.read(ctx, vec![list], Arc::from(values)).await?;
    let Some(result) = found.first() else { return Ok(Vec::new()) };
    let record = |row: usize| {
        let mut record = Record::empty(definition);
        for (output, field) in fields.iter().enumerate() {
            record.set(*field, value_of_cell(definition.field(*field), result.cell(row, output)));
        }
        record
    };
    Ok(result.root().rows.clone().map(record).collect())
}

fn readable(ctx: &RequestContext, module: &Module) -> Vec<FieldId> {
    let stored = module.fields.iter().filter(|field| field.column.is_some() && field.has_value());
    stored.map(|field| field.id).filter(|field| ctx.actor.rights.can_read(module.id, *field)).collect()
}
