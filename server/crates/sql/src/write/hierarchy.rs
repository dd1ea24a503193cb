//! What a hierarchy must be: no record stands above itself, and no way up is longer than the bound. Deleted records and those out
//! of sight count like all others, as they may come back.

use cardine_model::catalog::{Field, HIERARCHY_LEVELS_MAX, Module};

use super::slots;
use crate::ident::quote;
use crate::statement::{ColumnType, Dialect, Param, Statement};
use crate::writer::stored_column;

/// Of the records with the parents' ids: the id, whether the record stands above itself, and on which level it stands, its top being
/// the first.
pub fn levels_above(dialect: Dialect, module: &Module, reference: &Field) -> Statement {
    let (table, above, ids) = names(dialect, module, reference);
    let text = format!(
        "WITH RECURSIVE way(start, id, level) AS (\
         SELECT t.\"id\", t.{above}, 1 FROM {table} t WHERE t.\"id\" {ids} UNION ALL \
         SELECT way.start, t.{above}, way.level + 1 FROM way CROSS JOIN {table} t \
         WHERE t.\"id\" = way.id AND way.id <> way.start AND way.level <= {HIERARCHY_LEVELS_MAX}) \
         SELECT start, count(CASE WHEN id = start THEN 1 END) > 0, max(level) FROM way GROUP BY start"
    );
    Statement {
        text,
        params: vec![Param::Parents],
        columns: vec![ColumnType::Id, ColumnType::Boolean, ColumnType::Integer],
    }
}

/// Of the records with the parents' ids: the id, and how many levels there are below the record. None of them may stand above itself.
pub fn levels_below(dialect: Dialect, module: &Module, reference: &Field) -> Statement {
    let (table, above, ids) = names(dialect, module, reference);
    let text = format!(
        "WITH RECURSIVE way(start, id, level) AS (\
         SELECT t.\"id\", t.\"id\", 0 FROM {table} t WHERE t.\"id\" {ids} UNION ALL \
         SELECT way.start, t.\"id\", way.level + 1 FROM way CROSS JOIN {table} t \
         WHERE t.{above} = way.id AND way.level <= {HIERARCHY_LEVELS_MAX}) \
         SELECT start, max(level) FROM way GROUP BY start"
    );
    Statement { text, params: vec![Param::Parents], columns: vec![ColumnType::Id, ColumnType::Integer] }
}

/// The ids of the records above that of slot 0, the nearest first.
pub fn path_above(dialect: Dialect, module: &Module, reference: &Field) -> Statement {
    let (table, above, _) = names(dialect, module, reference);
    let id = super::placeholder(dialect, 0, "uuid");
    let text = format!(
        "WITH RECURSIVE way(id, level) AS (\
         SELECT t.{above}, 1 FROM {table} t WHERE t.\"id\" = {id} UNION ALL \
         SELECT t.{above}, way.level + 1 FROM way CROSS JOIN {table} t WHERE t.\"id\" = way.id AND way.level <= {HIERARCHY_LEVELS_MAX}) \
         SELECT id FROM way WHERE id IS NOT NULL ORDER BY level"
    );
    Statement { text, params: slots(1), columns: vec![ColumnType::Id] }
}

fn names(dialect: Dialect, module: &Module, reference: &Field) -> (String, String, &'static str) {
    let ids = match dialect {
        Dialect::Sqlite => "IN (SELECT value FROM json_each(?1))",
        Dialect::Postgres => "= ANY($1::uuid[])",
    };
    (quote(&module.table), quote(stored_column(reference)), ids)
}
