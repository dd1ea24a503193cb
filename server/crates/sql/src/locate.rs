//! Which module a record of a given id belongs to: one statement over all modules that the caller may read.

use cardine_access::Rights;
use cardine_failpoints::switched_off;
use cardine_model::catalog::Catalog;

use crate::ident::{column, quote};
use crate::statement::{ColumnType, Dialect, Param, Statement};
use crate::writer::{Visibility, Writer};

/// Most parts of one `UNION ALL`: SQLite takes 500, and as many in each subquery.
const UNION_PARTS_MAX: usize = 400;

/// For each of the parents' ids that is a live record which the caller may see: the module's position in the catalog, and the id.
/// None if the caller may read no module.
pub fn locate_records(dialect: Dialect, catalog: &Catalog, rights: &Rights) -> Option<Statement> {
    let mut writer = Writer::new(dialect, catalog, rights);
    let ids = writer.typed_param(Param::Parents, "uuid[]");
    let mut parts = Vec::new();
    for module in catalog.modules.iter().filter(|module| rights.can_read_module(module.id)) {
        let source = writer.source(module.id, Visibility::Caller);
        let id = column(&source.alias, "id");
        let among = writer.among(&id, &ids);
        let visibility = Visibility::Caller.unless(switched_off!("record.node"));
        let live = writer.live_and_visible(module.id, &source.alias, visibility);
        let (position, table) = (module.id.0, quote(&module.table));
        parts.push(format!("SELECT {position}, {id} FROM {table} {} WHERE {among} AND {live}", source.alias));
    }
    let groups: Vec<String> = parts.chunks(UNION_PARTS_MAX).map(|group| group.join(" UNION ALL ")).collect();
    let text = match groups.as_slice() {
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
    };
    Some(Statement { text, params: writer.into_params(), columns: vec![ColumnType::Integer, ColumnType::Id] })
}
