//! Which module a record of a given id belongs to, and which fields hold a file: one statement over all of them.

use std::sync::Arc;

use cardine_access::Rights;
use cardine_failpoints::switched_off;
use cardine_model::catalog::{Catalog, Field, FieldId, Module};

use crate::ident::{column, quote};
use crate::statement::{ColumnType, Dialect, Param, Statement};
use crate::writer::{Visibility, Writer, stored_column};

/// Most parts of one `UNION ALL`: SQLite takes 500, and as many in each subquery.
const UNION_PARTS_MAX: usize = 400;

/// For each of the parents' ids that is a live record which the caller may see: the module's position in the catalog, and the id.
/// Only modules that are asked for are looked into; none if the caller may read none of them.
pub fn locate_records(
    dialect: Dialect,
    catalog: &Catalog,
    rights: &Rights,
    asked: impl Fn(&Module) -> bool,
) -> Option<Statement> {
    let mut writer = Writer::new(dialect, catalog, rights);
    let ids = writer.typed_param(Param::Parents, "uuid[]");
    let mut parts = Vec::new();
    let shown = |module: &&Arc<Module>| rights.can_read_module(module.id) && !module.held && asked(module);
    for module in catalog.modules.iter().filter(shown) {
        let source = writer.source(module.id, Visibility::Caller);
        let id = column(&source.alias, "id");
        let among = writer.among(&id, &ids);
        let visibility = Visibility::Caller.unless(switched_off!("record.node"));
        let live = writer.live_and_visible(module.id, &source.alias, visibility);
        let (position, table) = (module.id.0, quote(&module.table));
        parts.push(format!("SELECT {position}, {id} FROM {table} {} WHERE {among} AND {live}", source.alias));
    }
    let text = union_all(&parts)?;
    Some(Statement { text, params: writer.into_params(), columns: vec![ColumnType::Integer, ColumnType::Id] })
}

/// The fields that hold a file and exist for the caller.
pub fn file_fields<'a>(catalog: &'a Catalog, rights: &'a Rights) -> impl Iterator<Item = (&'a Module, &'a Field)> {
    catalog.modules.iter().map(|module| &**module).flat_map(move |module: &Module| {
        let fields = module.fields.iter().filter(|field| field.reference().is_some_and(|one| one.file.is_some()));
        let exists = |field: &FieldId| rights.can_read(module.id, *field) || switched_off!("file.field");
        fields.filter(move |field| exists(&field.id)).map(move |field| (module, field))
    })
}

/// Of those fields the ones of which any record, whoever may see it, holds a file with one of the parents' ids: the module's position in the
/// catalog, and the field's in the module. It only tells where to ask; none if there are no such fields.
pub fn locate_holders(dialect: Dialect, catalog: &Catalog, rights: &Rights) -> Option<Statement> {
    let mut writer = Writer::new(dialect, catalog, rights);
    let ids = writer.typed_param(Param::Parents, "uuid[]");
    let mut parts = Vec::new();
    for (module, field) in file_fields(catalog, rights) {
        let source = writer.source(module.id, Visibility::All);
        let among = writer.among(&column(&source.alias, stored_column(field)), &ids);
        let from = writer.from(&source);
        parts.push(format!("SELECT {}, {} WHERE EXISTS (SELECT 1 FROM {from} WHERE {among})", module.id.0, field.id.0));
    }
    let text = union_all(&parts)?;
    Some(Statement { text, params: writer.into_params(), columns: vec![ColumnType::Integer; 2] })
}

/// `None` of nothing.
fn union_all(parts: &[String]) -> Option<String> {
    let groups: Vec<String> = parts.chunks(UNION_PARTS_MAX).map(|group| group.join(" UNION ALL ")).collect();
    Some(match groups.as_slice() {
        [] => return None,
        [all] => all.clone(),
        several => {
            let several: Vec<String> = several
                .iter()
                .enumerate()
                .map(|(number, group)| format!("SELECT * FROM ({group}) g{number}"))
                .collect();
            several.join(" UNION ALL ")
        }
    })
}
