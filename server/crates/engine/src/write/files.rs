//! The files that records hold: attached when a record takes them up, free to go when it holds them no longer.

use cardine_model::Value;
use cardine_model::catalog::{FieldId, FileRules, Module};
use cardine_store::WriteTx;
use cardine_store::platform::files::{FileRow, free_files, keep_files};
use rustc_hash::FxHashSet;
use uuid::Uuid;

use super::batch::{Batch, Draft};
use crate::check::issue;
use crate::files::readable_files;
use crate::read::Tx;
use crate::record::Record;
use crate::{EngineError, RequestContext};

impl Batch<'_> {
    /// Of these the files that the caller may read: no others can be put into a record, or everybody could read them by doing so.
    pub(super) async fn find_files(&mut self, tx: &mut WriteTx, ids: &[Uuid]) -> Result<FxHashSet<Uuid>, EngineError> {
        let files = readable_files(&mut Tx::Write(tx), self.ctx, ids).await?;
        let found = files.iter().map(|file| file.id).collect();
        self.check_files(&files);
        Ok(found)
    }

    /// Notes every file that its field does not take.
    fn check_files(&mut self, files: &[FileRow]) {
        for draft in &mut self.drafts {
            for (field, rules) in file_fields(draft.module) {
                let Value::Id(id) = *draft.after.get(field) else { continue };
                let is_new = draft.before.as_ref().is_none_or(|before| *before.get(field) != Value::Id(id));
                let Some(file) = files.iter().find(|file| file.id == id).filter(|_| is_new) else { continue };
                let definition = draft.module.field(field);
                if !rules.accepts(&file.mime_type) {
                    let wanted = match (rules.accept.as_slice(), rules.image) {
                        ([], true) => "an image".to_owned(),
                        ([], false) => "any type".to_owned(),
                        (accept, _) => format!("one of {}", accept.join(", ")),
                    };
                    let message = format!("the file is of the type {}, and this field takes {wanted}", file.mime_type);
                    draft.issues.push(issue(definition, &draft.path, "accept", message));
                }
                if let Some(max) = rules.max_size.filter(|max| file.size > *max) {
                    let message = format!("the file has {} bytes, and this field takes at most {max}", file.size);
                    draft.issues.push(issue(definition, &draft.path, "maxSize", message));
                }
            }
        }
    }

    /// Notes that records hold the files that they are given, before any row says so: then none of them goes meanwhile.
    pub(super) async fn attach_files(&self, tx: &mut WriteTx) -> Result<(), EngineError> {
        let attached = self.changed_files(|draft| (Some(&draft.after), draft.before.as_ref()));
        if attached.is_empty() {
            return Ok(());
        }
        let kept = keep_files(tx, &attached, self.ctx.now).await?;
        // One that has gone since it was looked up is not there the next time.
        if kept == attached.len() as u64 { Ok(()) } else { Err(tx.run_again().into()) }
    }

    /// Notes that records hold no longer what was replaced or cleared.
    pub(super) async fn release_files(&self, tx: &mut WriteTx) -> Result<(), EngineError> {
        let released = self.changed_files(|draft| (draft.before.as_ref(), Some(&draft.after)));
        release(tx, self.ctx, &released).await
    }

    /// The files that the first record of each pair holds and the second does not, in the order of their ids, so that nobody waits for
    /// another in a circle.
    fn changed_files<'s>(
        &'s self,
        pair: impl Fn(&'s Draft<'_>) -> (Option<&'s Record>, Option<&'s Record>),
    ) -> Vec<Uuid> {
        let mut files = Vec::new();
        for position in self.groups(|_| true).into_iter().flatten() {
            let draft = &self.drafts[position];
            let (one, other) = pair(draft);
            for (field, _) in file_fields(draft.module) {
                let value = one.map(|record| record.get(field));
                if let (Some(Value::Id(id)), false) = (value, value == other.map(|record| record.get(field))) {
                    files.push(*id);
                }
            }
        }
        files.sort_unstable();
        files.dedup();
        files
    }
}

/// Notes that records that are gone hold their files no longer.
pub(super) async fn release_files_of(
    tx: &mut WriteTx,
    ctx: &RequestContext,
    module: &Module,
    records: &[Record],
) -> Result<(), EngineError> {
    let held = |record: &Record| -> Vec<Uuid> {
        let id = |field| match record.get(field) {
            Value::Id(id) => Some(*id),
            _ => None,
        };
        file_fields(module).filter_map(|(field, _)| id(field)).collect()
    };
    let mut files: Vec<Uuid> = records.iter().flat_map(held).collect();
    files.sort_unstable();
    files.dedup();
    release(tx, ctx, &files).await
}

async fn release(tx: &mut WriteTx, ctx: &RequestContext, files: &[Uuid]) -> Result<(), EngineError> {
    if files.is_empty() {
        return Ok(());
    }
    Ok(free_files(tx, files, ctx.now).await?)
}

fn file_fields(module: &Module) -> impl Iterator<Item = (FieldId, &FileRules)> {
    module.fields.iter().filter_map(|field| Some((field.id, field.reference()?.file.as_ref()?)))
}
