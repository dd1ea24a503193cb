//! What is told of a change, in its own transaction: the audit entry, the event, and the runs that it starts.

use cardine_model::catalog::{FieldId, Module};
use cardine_store::WriteTx;
use cardine_store::platform::events::{self, NewAudit, NewEvent};
use cardine_store::platform::workflows;
use serde_json::Value as Json;
use uuid::Uuid;

use super::Writing;
use crate::EngineError;
use crate::events::{CAUSE_DEPTH_MAX, RecordEvent};
use crate::record::{Record, json_name, json_of_field};

impl Writing<'_> {
    /// Audit and outbox, in the write's own transaction.
    pub(super) async fn record_change(
        &self,
        tx: &mut WriteTx,
        kind: &'static str,
        id: Uuid,
        before: Option<&Record>,
        after: Option<&Record>,
    ) -> Result<(), EngineError> {
        let empty = Record::empty(self.module);
        let changed = after.unwrap_or(&empty).changed(before.unwrap_or(&empty));
        let names: Vec<String> = changed.iter().map(|field| json_name(self.module.field(*field))).collect();
        let changes: serde_json::Map<String, Json> = changed
            .iter()
            .filter(|field| !self.module.field(**field).system || **field == Module::OWNER)
            .map(|field| {
                let definition = self.module.field(*field);
                let value = |record: Option<&Record>| {
                    record.map_or(Json::Null, |record| json_of_field(definition, record.get(*field)))
                };
                (json_name(definition), serde_json::json!({"old": value(before), "new": value(after)}))
            })
            .collect();
        let audit = NewAudit {
            at: self.ctx.now,
            actor: self.ctx.actor.user,
            via: self.ctx.via,
            action: kind,
            module: Some(&self.module.name),
            record: Some(id),
            changes: Json::Object(changes),
            request: self.ctx.request_id,
        };
        events::insert_audit(tx, &audit).await?;
        let event = NewEvent {
            at: self.ctx.now,
            module: &self.module.name,
            record: id,
            kind,
            actor: self.ctx.actor.user,
            depth: self.ctx.depth,
            before: before.map(|record| Json::Object(record.to_json(self.module))),
            after: after.map(|record| Json::Object(record.to_json(self.module))),
            changed: names,
        };
        let seq = events::insert_event(tx, &event).await?;
        self.queue_runs(tx, kind, id, seq, before, after, &changed).await
    }

    /// What follows the event is queued in the event's own transaction.
    #[expect(clippy::too_many_arguments, reason = "the parts of one event")]
    pub(super) async fn queue_runs(
        &self,
        tx: &mut WriteTx,
        kind: &'static str,
        id: Uuid,
        seq: i64,
        before: Option<&Record>,
        after: Option<&Record>,
        changed: &[FieldId],
    ) -> Result<(), EngineError> {
        let Some(after) = after else { return Ok(()) };
        if self.ctx.depth >= CAUSE_DEPTH_MAX {
            tracing::warn!(depth = self.ctx.depth, "a chain of causes is too long: this event queues nothing");
            return Ok(());
        }
        let event = RecordEvent { ctx: self.ctx, module: self.module, kind, id, before, after, changed };
        let runs = self.ctx.snapshot.matcher.runs(&event);
        if !runs.is_empty() {
            workflows::queue_runs(tx, seq, id, &runs, self.ctx.now).await?;
        }
        Ok(())
    }
}
