//! Who may read a file: whoever may read a record and a field that hold it; before any record does, its uploader alone.

use async_recursion::async_recursion as boxed;
use cardine_failpoints::switched_off;
use cardine_model::Value;
use cardine_model::catalog::{Field, FieldId, FieldPath, Module, ModuleId};
use cardine_query::{
    CompareOp, Deleted, Filter, GroupKey, GroupOrder, GroupTerm, Grouping, List, Nulls, Page, Slot, Take, authorise,
};
use cardine_sql::{Found, file_fields, locate_holders, render_list};
use cardine_store::platform::files::{read_files, select_files};
use cardine_store::{Bindings, ReadTx};
use futures_util::FutureExt as _;
use rustc_hash::FxHashSet;
use uuid::Uuid;

use super::FileRow;
use crate::read::{Tx, fetch_list};
use crate::{Engine, EngineError, RequestContext};

impl Engine {
    /// The file, if there is one and the caller may read it.
    #[boxed]
    pub async fn find_file(&self, ctx: &RequestContext, id: Uuid) -> Result<Option<FileRow>, EngineError> {
        let asked = ctx.clone();
        self.store()
            .until(ctx.deadline)
            .read(move |tx: &mut ReadTx| {
                async move { Ok::<_, EngineError>(readable_files(&mut Tx::Read(tx), &asked, &[id]).await?.pop()) }
                    .boxed()
            })
            .await
    }
}

/// Those of the files that are there and that the caller may read.
///
/// The records that hold them are asked for as any list is, under the caller's rights; which fields hold them at all is looked
/// up first, so that the number of statements does not grow with the fields that could.
pub(crate) async fn readable_files(
    tx: &mut Tx<'_>,
    ctx: &RequestContext,
    ids: &[Uuid],
) -> Result<Vec<FileRow>, EngineError> {
    let (dialect, catalog, rights) = (tx.dialect(), ctx.catalog(), &ctx.actor.rights);
    let rows = tx.query(&select_files(dialect), &Bindings { parents: ids, ..ctx.bindings(&[]) }).await?;
    let (held, fresh): (Vec<FileRow>, Vec<FileRow>) = read_files(&rows)?.into_iter().partition(|file| file.attached);
    // Of the uploader's rights a key may leave less than it takes to upload: then it was not by this key.
    let uploads = may_upload(ctx);
    let is_own = |file: &FileRow| {
        let is_uploader = uploads && file.uploader.is_some() && file.uploader == ctx.actor.user;
        is_uploader || switched_off!("file.own")
    };
    let mut readable: Vec<FileRow> = fresh.into_iter().filter(is_own).collect();
    let Some(locate) = locate_holders(dialect, catalog, rights).filter(|_| !held.is_empty()) else {
        return Ok(readable);
    };
    let ids: Vec<Uuid> = held.iter().map(|file| file.id).collect();
    let places = tx.query(&locate, &Bindings { parents: &ids, ..ctx.bindings(&[]) }).await?;
    let limit = Value::Integer(i64::try_from(ids.len()).unwrap_or(i64::MAX));
    let values = [Value::List(ids.iter().copied().map(Value::Id).collect()), limit];
    let mut seen: FxHashSet<Uuid> = FxHashSet::default();
    let position = |row, column| places.cell(row, column).integer().and_then(|position| u32::try_from(position).ok());
    for row in 0..places.len() {
        let (Some(module), Some(field)) = (position(row, 0), position(row, 1)) else {
            return Err(EngineError::Internal);
        };
        let module = catalog.module(ModuleId(module));
        let list = files_seen(module, module.field(FieldId(field)), rights.module(module.id).delete);
        let list = authorise(list, catalog, rights).map_err(|_| EngineError::Internal)?;
        let found = if switched_off!("file.record") { Found::Written } else { Found::Asked };
        let statements = render_list(dialect, catalog, rights, &list, found);
        let found = fetch_list(tx, &statements, ctx.bindings(&values)).await?;
        seen.extend(found.root().rows.filter_map(|row| Uuid::try_parse(found.cell(row, 0).text()?).ok()));
    }
    readable.extend(held.into_iter().filter(|file| seen.contains(&file.id)));
    Ok(readable)
}

/// Whether there is a field for files that the caller may write; a file that could be put nowhere is not taken.
pub(super) fn may_upload(ctx: &RequestContext) -> bool {
    let rights = &ctx.actor.rights;
    file_fields(ctx.catalog(), rights).any(|(module, field)| rights.can_write(module.id, field.id))
}

/// Which of the files in the list of slot 0 the field holds in records that the caller may see: a group for each. Slot 1 is how many
/// files there are. Who may delete records sees deleted ones too, as in every list.
fn files_seen(module: &Module, field: &Field, deleted: bool) -> List {
    let path = FieldPath::own(field.id);
    List {
        module: module.id,
        filter: Some(Filter::Compare { path: path.clone(), op: CompareOp::In, operand: Slot(0) }),
        order: Vec::new(),
        page: Page { take: Take::First(Slot(1)), after: None, before: None, offset: None },
        deleted: if deleted { Deleted::Include } else { Deleted::Exclude },
        outputs: Vec::new(),
        rows: true,
        totals: Vec::new(),
        groups: Some(Grouping {
            keys: vec![GroupKey { path, part: None }],
            measures: Vec::new(),
            having: Vec::new(),
            order: vec![GroupOrder { by: GroupTerm::Key(0), descending: false, nulls: Nulls::Last }],
        }),
        children: Vec::new(),
        histories: Vec::new(),
    }
}
