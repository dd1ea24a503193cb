//! Statements over the links of a many-to-many relation, seen from one record: `from` is the link's reference to it, `to` the one to
//! the record on the other side.

use cardine_access::Rights;
use cardine_failpoints::switched_off;
use cardine_model::catalog::{Catalog, FieldId, Module, ModuleId};
use cardine_query::Slot;

use crate::expr::Shape;
use crate::ident::{column, quote};
use crate::statement::{ColumnType, Dialect, Param, Statement, Transform};
use crate::write::stored_fields;
use crate::writer::{Visibility, Writer, stored_column};

/// The ids of the records that the record of slot 0 is linked with and the caller may see; at most `limit`.
pub fn linked_records(
    dialect: Dialect,
    catalog: &Catalog,
    rights: &Rights,
    links: ModuleId,
    (from, to): (FieldId, FieldId),
    limit: usize,
) -> Statement {
    let mut writer = Writer::new(dialect, catalog, rights);
    let source = writer.source(links, Visibility::Caller);
    let module = catalog.module(links);
    let id = writer.typed_param(Param::Slot(Slot(0), Transform::None), "uuid");
    let (own, other) = (end(module, from, &source.alias), end(module, to, &source.alias));
    let visibility = Visibility::Caller.unless(switched_off!("write.linked"));
    let live = writer.live_and_visible(links, &source.alias, visibility);
    let text = format!(
        "SELECT {other} FROM {} WHERE {own} = {id} AND {live} ORDER BY {other} LIMIT {limit}",
        writer.from(&source)
    );
    Statement { text, params: writer.into_params(), columns: vec![ColumnType::Id] }
}

/// The stored fields of the links between the record of slot 0 and those of the parents' ids; locks them.
pub fn link_rows(dialect: Dialect, links: &Module, (from, to): (FieldId, FieldId)) -> Statement {
    let (own, other) = (end(links, from, "t"), end(links, to, "t"));
    let among = match dialect {
        Dialect::Sqlite => format!("{own} = ?1 AND {other} IN (SELECT value FROM json_each(?2))"),
        Dialect::Postgres => format!("{own} = $1::uuid AND {other} = ANY($2::uuid[])"),
    };
    let lock = if dialect == Dialect::Postgres { " FOR UPDATE" } else { "" };
    let values: Vec<String> = stored_fields(links).map(|field| column("t", stored_column(field))).collect();
    let text = format!(
        "SELECT {} FROM {} t WHERE {among} ORDER BY {}{lock}",
        values.join(", "),
        quote(&links.table),
        column("t", "id")
    );
    let params = vec![Param::Slot(Slot(0), Transform::None), Param::Parents];
    let columns = stored_fields(links).map(|field| Shape::of(field).column_type()).collect();
    Statement { text, params, columns }
}

/// Removes the links between the record of slot 0 and those of the parents' ids.
pub fn remove_links(dialect: Dialect, links: &Module, (from, to): (FieldId, FieldId)) -> Statement {
    let (own, other) = (quote(stored_column(links.field(from))), quote(stored_column(links.field(to))));
    let among = match dialect {
        Dialect::Sqlite => format!("{own} = ?1 AND {other} IN (SELECT value FROM json_each(?2))"),
        Dialect::Postgres => format!("{own} = $1::uuid AND {other} = ANY($2::uuid[])"),
    };
    let text = format!("DELETE FROM {} WHERE {among}", quote(&links.table));
    Statement { text, params: vec![Param::Slot(Slot(0), Transform::None), Param::Parents], columns: Vec::new() }
}

fn end(links: &Module, field: FieldId, alias: &str) -> String {
    column(alias, stored_column(links.field(field)))
}
