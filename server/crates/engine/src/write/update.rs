//! Changes of records that are there: taken in the caller's reach, checked, written.

use cardine_model::catalog::Module;
use cardine_model::{Issue, Value, path};
use cardine_query::{Authorised, List};
use cardine_sql::write::{Life, Purpose, Reach, Selection, Which, select_rows};
use cardine_store::{Bindings, WriteTx};
use uuid::Uuid;

use super::batch::Batch;
use super::{Data, Writing, data_path};
use crate::EngineError;
use crate::record::Record;

impl Writing<'_> {
    pub(super) async fn update(
        &self,
        tx: &mut WriteTx,
        id: Uuid,
        data: &Data,
        if_version: Option<i64>,
    ) -> Result<Vec<Uuid>, EngineError> {
        self.check_may_update()?;
        let before = self.take_one(tx, id, Purpose::Update, Life::Live).await?;
        check_version(&before, if_version)?;
        let mut batch = Batch::new(self.ctx);
        batch.add_change(self.module, before, data, data_path())?;
        batch.write(tx).await?;
        Ok(vec![id])
    }

    pub(super) async fn update_many(
        &self,
        tx: &mut WriteTx,
        list: &Authorised<List>,
        values: &[Value],
        limit: usize,
        data: &Data,
    ) -> Result<Vec<Uuid>, EngineError> {
        self.check_may_update()?;
        let records = self.take_filtered(tx, list, values, limit, (Purpose::Update, Life::Live)).await?;
        let ids = records.iter().filter_map(id_of).collect();
        let mut batch = Batch::new(self.ctx);
        for before in records {
            batch.add_change(self.module, before, data, data_path())?;
        }
        batch.write(tx).await?;
        Ok(ids)
    }

    /// Records as they are, locked, in the order of their ids. `ids` are what [`Which::Ids`] and [`Which::Referring`] mean.
    pub(super) async fn take(
        &self,
        tx: &mut WriteTx,
        selection: Selection<'_>,
        ids: &[Uuid],
        values: &[Value],
    ) -> Result<Vec<Record>, EngineError> {
        if ids.is_empty() && !matches!(selection.which, Which::Filter(_) | Which::Holding(_)) {
            return Ok(Vec::new());
        }
        let rights = &self.ctx.actor.rights;
        let statement = select_rows(tx.dialect(), self.ctx.catalog(), rights, self.module.id, selection);
        let rows = tx.query(&statement, &Bindings { parents: ids, ..self.ctx.bindings(values) }).await?;
        Ok((0..rows.len()).map(|row| Record::from_row(self.module, &rows, row)).collect())
    }

    /// The record, if it is in the caller's scope for `purpose`.
    pub(super) async fn take_one(
        &self,
        tx: &mut WriteTx,
        id: Uuid,
        purpose: Purpose,
        life: Life,
    ) -> Result<Record, EngineError> {
        let selection = Selection { which: Which::Ids, purpose, reach: Reach::Caller, life, limit: None };
        let found = self.take(tx, selection, &[id], &[]).await?;
        found.into_iter().next().ok_or(EngineError::NotFound)
    }

    /// The records of the filter that are in the caller's scope for `purpose`.
    pub(super) async fn take_filtered(
        &self,
        tx: &mut WriteTx,
        list: &Authorised<List>,
        values: &[Value],
        limit: usize,
        (purpose, life): (Purpose, Life),
    ) -> Result<Vec<Record>, EngineError> {
        let (which, one_more) = (Which::Filter(list), Some(limit + 1));
        let selection = Selection { which, purpose, reach: Reach::Caller, life, limit: one_more };
        let found = self.take(tx, selection, &[], values).await?;
        if found.len() > limit {
            let message = format!("the filter finds more than the limit of {limit} records a mutation");
            return Err(EngineError::Limit(message));
        }
        Ok(found)
    }

    pub(super) fn stamp_changed(&self, record: &mut Record, before: &Record) {
        let version = match before.get(Module::VERSION) {
            Value::Integer(version) => version + 1,
            _ => 1,
        };
        record.set(Module::VERSION, Value::Integer(version));
        record.set(Module::UPDATED_AT, Value::DateTime(self.ctx.now));
        record.set(Module::UPDATED_BY, self.ctx.actor.user.map_or(Value::Null, Value::Id));
    }
}

/// Refuses if somebody else was faster.
pub(super) fn check_version(record: &Record, expected: Option<i64>) -> Result<(), EngineError> {
    let (Some(expected), Value::Integer(actual)) = (expected, record.get(Module::VERSION)) else { return Ok(()) };
    if expected == *actual {
        return Ok(());
    }
    Err(EngineError::Conflict {
        message: format!("the record has version {actual}, not {expected}: read it again"),
        issues: vec![Issue::new(path!["ifVersion"], "version", format!("expected {expected}, found {actual}"))],
    })
}

pub(super) fn id_of(record: &Record) -> Option<Uuid> {
    match record.get(Module::ID) {
        Value::Id(id) => Some(*id),
        _ => None,
    }
}
