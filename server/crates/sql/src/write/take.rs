//! Rows taken for a write: read with all stored values, and locked; and the records that a write refers to.

use cardine_access::{RecordAction, Rights};
use cardine_failpoints::switched_off;
use cardine_model::catalog::{Catalog, FieldId, Module, ModuleId};
use cardine_query::{Authorised, List, Slot};

use super::{Purpose, placeholder, slots, stored_fields};
use crate::expr::Shape;
use crate::ident::{column, quote};
use crate::statement::{ColumnType, Dialect, Param, Statement, Transform};
use crate::writer::{Visibility, Writer, stored_column};

/// Which records.
#[derive(Debug, Clone, Copy)]
pub enum Which<'a> {
    /// Those with the parents' ids.
    Ids,
    /// Those that meet the filter of a list.
    Filter(&'a Authorised<List>),
    /// Those whose reference holds one of the parents' ids.
    Referring(FieldId),
    /// Those whose boolean holds.
    Holding(FieldId),
}

/// By whose right.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Reach {
    /// Records that the caller may read, and write for this purpose.
    Caller,
    /// All: what follows from a write does not stop at what its cause may see.
    All,
}

/// Whether deleted records are meant.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Life {
    /// Only those that are not deleted.
    Live,
    /// Only deleted ones.
    Deleted,
    /// Only those that were deleted at one of the instants in this slot.
    DeletedAt(Slot),
    /// Both.
    Any,
}

/// What to take.
#[derive(Debug, Clone, Copy)]
pub struct Selection<'a> {
    /// Which records.
    pub which: Which<'a>,
    /// What for.
    pub purpose: Purpose,
    /// By whose right.
    pub reach: Reach,
    /// Whether deleted ones.
    pub life: Life,
    /// At most so many.
    pub limit: Option<usize>,
}

/// Reads the stored fields of records, in the order of their ids, and locks them.
pub fn select_rows(
    dialect: Dialect,
    catalog: &Catalog,
    rights: &Rights,
    module: ModuleId,
    selection: Selection<'_>,
) -> Statement {
    let mut writer = Writer::new(dialect, catalog, rights);
    let visibility = match selection.reach {
        Reach::Caller => Visibility::Caller,
        Reach::All => Visibility::All,
    };
    let mut source = writer.source(module, visibility);
    let module = catalog.module(module);
    let alias = source.alias.clone();
    let id = column(&alias, "id");
    let mut conditions = Vec::new();
    match selection.which {
        Which::Ids => {
            let ids = writer.typed_param(Param::Parents, "uuid[]");
            conditions.push(writer.among(&id, &ids));
        }
        Which::Filter(list) => conditions.extend(writer.conditions(&mut source, list.get(), None, false)),
        Which::Referring(field) => {
            let ids = writer.typed_param(Param::Parents, "uuid[]");
            conditions.push(writer.among(&column(&alias, stored_column(module.field(field))), &ids));
        }
        // Both databases take a boolean column for a condition.
        Which::Holding(field) => conditions.push(column(&alias, stored_column(module.field(field)))),
    }
    let deleted_at = column(&alias, "deleted_at");
    match selection.life {
        Life::Live => conditions.push(format!("{deleted_at} IS NULL")),
        Life::Deleted => conditions.push(format!("{deleted_at} IS NOT NULL")),
        Life::DeletedAt(slot) => {
            let instants = writer.typed_param(Param::Slot(slot, Transform::None), "timestamptz[]");
            conditions.push(writer.among(&deleted_at, &instants));
        }
        Life::Any => {}
    }
    if selection.reach == Reach::Caller {
        let action = match selection.purpose {
            Purpose::Update => RecordAction::Update,
            Purpose::Delete | Purpose::Transfer => RecordAction::Delete,
            Purpose::Look | Purpose::Refer => RecordAction::Read,
        };
        if !switched_off!("write.seen") {
            conditions.extend(writer.visible(module.id, &alias, Visibility::Caller));
        }
        if !switched_off!("write.reach") {
            conditions.extend(writer.in_reach(module.id, &alias, action));
        }
    }
    let values: Vec<String> = stored_fields(module).map(|field| column(&alias, stored_column(field))).collect();
    let limit = selection.limit.map(|limit| format!(" LIMIT {limit}")).unwrap_or_default();
    // A child's write holds `KEY SHARE` on its parent: it waits for a delete, and a delete for it, but no update does.
    let lock = strength(dialect, selection.purpose).map(|lock| format!(" {lock} OF {alias}")).unwrap_or_default();
    let text = format!(
        "SELECT {} FROM {} WHERE {} ORDER BY {id}{limit}{lock}",
        values.join(", "),
        writer.from(&source),
        conditions.join(" AND ")
    );
    let columns = stored_fields(module).map(|field| Shape::of(field).column_type()).collect();
    Statement { text, params: writer.into_params(), columns }
}

/// Locks the records of a module with the parents' ids, in the order of their ids; a record that is not there is passed over.
///
/// Operations that write several records take their locks in this one order, so that none waits for another in a circle. SQLite
/// has one writer and needs none.
pub fn lock_rows(dialect: Dialect, module: &Module, purpose: Purpose) -> Option<Statement> {
    let lock = strength(dialect, purpose)?;
    let table = quote(&module.table);
    let text = format!("SELECT \"id\" FROM {table} WHERE \"id\" = ANY($1::uuid[]) ORDER BY \"id\" {lock}");
    Some(Statement { text, params: vec![Param::Parents], columns: vec![ColumnType::Id] })
}

/// Of the parents' ids those of records that exist, are not deleted and may be seen by the caller.
pub fn visible_records(dialect: Dialect, catalog: &Catalog, rights: &Rights, module: ModuleId) -> Statement {
    let mut writer = Writer::new(dialect, catalog, rights);
    let source = writer.source(module, Visibility::Caller);
    let ids = writer.typed_param(Param::Parents, "uuid[]");
    let id = column(&source.alias, "id");
    let among = writer.among(&id, &ids);
    let visibility = Visibility::Caller.unless(switched_off!("write.target"));
    let live = writer.live_and_visible(module, &source.alias, visibility);
    // Whoever deletes the record waits, and then finds what refers to it. Of the platform's only groups are ever deleted, and
    // every write refers to a user.
    let module = catalog.module(module);
    let lock = match dialect {
        Dialect::Postgres if !module.platform || module.name == "Group" => {
            format!(" FOR KEY SHARE OF {}", source.alias)
        }
        Dialect::Postgres | Dialect::Sqlite => String::new(),
    };
    let text = format!("SELECT {id} FROM {} WHERE {among} AND {live} ORDER BY {id}{lock}", writer.from(&source));
    Statement { text, params: writer.into_params(), columns: vec![ColumnType::Id] }
}

/// The ids of records that are not deleted and whose reference holds one of the parents' ids; at most `limit`.
pub fn referring_ids(dialect: Dialect, module: &Module, field: FieldId, limit: usize) -> Statement {
    let reference = quote(stored_column(module.field(field)));
    let among = match dialect {
        Dialect::Sqlite => format!("{reference} IN (SELECT value FROM json_each(?1))"),
        Dialect::Postgres => format!("{reference} = ANY($1::uuid[])"),
    };
    let text = format!(
        "SELECT \"id\" FROM {} WHERE {among} AND \"deleted_at\" IS NULL ORDER BY \"id\" LIMIT {limit}",
        quote(&module.table)
    );
    Statement { text, params: vec![Param::Parents], columns: vec![ColumnType::Id] }
}

/// Whether the table has a record that is not deleted and whose id is slot 0: its id, or no row.
pub fn select_live_record(dialect: Dialect, table: &str) -> Statement {
    let id = placeholder(dialect, 0, "uuid");
    let text = format!("SELECT \"id\" FROM {} WHERE \"id\" = {id} AND \"deleted_at\" IS NULL", quote(table));
    Statement { text, params: slots(1), columns: vec![ColumnType::Id] }
}

/// How many records of a table hold an id in a column, deleted ones too.
pub fn count_holding(dialect: Dialect, table: &str, column: &str) -> Statement {
    let held = placeholder(dialect, 0, "uuid");
    let text = format!("SELECT COUNT(*) FROM {} WHERE {} = {held}", quote(table), quote(column));
    Statement { text, params: slots(1), columns: vec![ColumnType::Integer] }
}

fn strength(dialect: Dialect, purpose: Purpose) -> Option<&'static str> {
    match (dialect, purpose) {
        (Dialect::Sqlite, _) | (_, Purpose::Look | Purpose::Transfer) => None,
        (Dialect::Postgres, Purpose::Refer) => Some("FOR KEY SHARE"),
        (Dialect::Postgres, Purpose::Update) => Some("FOR NO KEY UPDATE"),
        (Dialect::Postgres, Purpose::Delete) => Some("FOR UPDATE"),
    }
}
