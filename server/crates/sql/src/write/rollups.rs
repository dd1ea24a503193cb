//! Stored rollups: their columns are computed anew, by the expression that reads them where they are not stored.
//!
//! The records are locked first, by a statement of its own ([`super::lock_rows`]): the one that computes then sees everything that
//! whoever held the lock before has committed, so that no change is lost among many writers.

use cardine_access::Rights;
use cardine_model::catalog::{Catalog, Field, FieldPath, Module};

use crate::expr::is_kept_as_shown;
use crate::ident::{column, quote};
use crate::statement::{ColumnType, Dialect, Param, Statement};
use crate::writer::{Visibility, Writer};

/// Which records.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Keeping {
    /// All of the module.
    All,
    /// Those with the parents' ids.
    Ids,
}

/// Computes the column of a stored rollup.
///
/// ```sql
/// UPDATE "box" AS t1 SET "item_count" = (SELECT count(*) FROM "item" t2 WHERE t2."box_id" = t1."id" AND …) WHERE t1."id" = ANY($1::uuid[])
/// ```
pub fn keep_rollup(
    dialect: Dialect,
    catalog: &Catalog,
    rights: &Rights,
    (module, field): (&Module, &Field),
    which: Keeping,
) -> Statement {
    let mut writer = Writer::computing(dialect, catalog, rights);
    let (alias, value) = computed(&mut writer, module, field);
    let condition = match which {
        Keeping::All => String::new(),
        Keeping::Ids => {
            let ids = writer.typed_param(Param::Parents, "uuid[]");
            format!(" WHERE {}", writer.among(&column(&alias, "id"), &ids))
        }
    };
    let (table, kept) = (quote(&module.table), quote(field.kept_column().unwrap_or_default()));
    let text = format!("UPDATE {table} AS {alias} SET {kept} = {value}{condition}");
    Statement { text, params: writer.into_params(), columns: Vec::new() }
}

/// The ids of at most `limit` records whose column has another value than the rollup.
pub fn differing_rollups(
    dialect: Dialect,
    catalog: &Catalog,
    rights: &Rights,
    (module, field): (&Module, &Field),
    limit: usize,
) -> Statement {
    let mut writer = Writer::computing(dialect, catalog, rights);
    let (alias, value) = computed(&mut writer, module, field);
    let kept = column(&alias, field.kept_column().unwrap_or_default());
    let differs = match dialect {
        Dialect::Sqlite => format!("{kept} IS NOT {value}"),
        Dialect::Postgres => format!("{kept} IS DISTINCT FROM {value}"),
    };
    let (table, id) = (quote(&module.table), column(&alias, "id"));
    let text = format!("SELECT {id} FROM {table} {alias} WHERE {differs} ORDER BY {id} LIMIT {limit}");
    Statement { text, params: writer.into_params(), columns: vec![ColumnType::Id] }
}

/// The table's alias, and the rollup's value beside it as its column has it.
fn computed(writer: &mut Writer<'_>, module: &Module, field: &Field) -> (String, String) {
    let mut source = writer.source(module.id, Visibility::All);
    let path = FieldPath::own(field.id);
    let as_shown = field.rollup().is_some_and(|rollup| is_kept_as_shown(rollup, writer.catalog, module.id));
    let value = if as_shown { writer.shown(&mut source, &path) } else { writer.raw(&mut source, &path) };
    (source.alias, value)
}
