//! Statements that write records: the row locked for a write, insert, update, and the checks around them.

use cardine_access::{RecordAction, Rights};
use cardine_model::catalog::{Catalog, Field, FieldId, FieldKind, Module, ModuleId};
use cardine_query::Slot;

use crate::expr::Shape;
use crate::ident::{column, quote};
use crate::statement::{ColumnType, Dialect, Param, Statement, Transform};
use crate::writer::{Visibility, Writer, stored_column};

/// What a row is locked for; each has its own record scope.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Purpose {
    /// An update.
    Update,
    /// A delete.
    Delete,
}

/// A column to write, and PostgreSQL's type of its value.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Assignment {
    column: String,
    ty: &'static str,
    /// Of decimals: SQLite holds them as text, which gets exactly so many digits after the point, as PostgreSQL's column type does.
    scale: Option<u8>,
}

impl Assignment {
    /// The column of a stored field.
    pub fn field(field: &Field) -> Self {
        let scale = match field.kind {
            FieldKind::Decimal { scale, .. } => Some(scale),
            _ => None,
        };
        Self { column: stored_column(field).to_owned(), ty: Shape::of(field).postgres_type(), scale }
    }

    /// The column with the name of the module that a reference to several modules leads to.
    pub fn target_module(field: &Field) -> Option<Self> {
        let column = field.reference()?.module_column.clone()?;
        Some(Self { column, ty: "text", scale: None })
    }
}

/// The stored fields of a module, in the order of the columns that [`select_row`] reads.
pub fn stored_fields(module: &Module) -> impl Iterator<Item = &Field> {
    module.fields.iter().filter(|field| field.column.is_some())
}

/// Reads the stored fields of the record whose id is slot 0, if it is not deleted and in the caller's scope; locks it.
pub fn select_row(
    dialect: Dialect,
    catalog: &Catalog,
    rights: &Rights,
    module: ModuleId,
    purpose: Purpose,
) -> Statement {
    let mut writer = Writer::new(dialect, catalog, rights);
    let source = writer.source(module, Visibility::Caller);
    let module = catalog.module(module);
    let id = writer.typed_param(Param::Slot(Slot(0), Transform::None), "uuid");
    let mut conditions = vec![
        format!("{} = {id}", column(&source.alias, "id")),
        format!("{} IS NULL", column(&source.alias, "deleted_at")),
    ];
    let action = match purpose {
        Purpose::Update => RecordAction::Update,
        Purpose::Delete => RecordAction::Delete,
    };
    conditions.extend(writer.visible(module.id, &source.alias, Visibility::Caller));
    conditions.extend(writer.in_reach(module.id, &source.alias, action));
    let values: Vec<String> = stored_fields(module).map(|field| column(&source.alias, stored_column(field))).collect();
    // A child's write holds `KEY SHARE` on its parent: it waits for a delete, and a delete for it, but no update does.
    let lock = match (dialect, purpose) {
        (Dialect::Sqlite, _) => String::new(),
        (Dialect::Postgres, Purpose::Update) => format!(" FOR NO KEY UPDATE OF {}", source.alias),
        (Dialect::Postgres, Purpose::Delete) => format!(" FOR UPDATE OF {}", source.alias),
    };
    let text =
        format!("SELECT {} FROM {} WHERE {}{lock}", values.join(", "), writer.from(&source), conditions.join(" AND "));
    let columns = stored_fields(module).map(|field| Shape::of(field).column_type()).collect();
    Statement { text, params: writer.into_params(), columns }
}

/// Inserts a row; the value of the n-th assignment is slot n.
pub fn insert(dialect: Dialect, module: &Module, assignments: &[Assignment]) -> Statement {
    let columns: Vec<String> = assignments.iter().map(|assignment| quote(&assignment.column)).collect();
    let values: Vec<String> =
        assignments.iter().enumerate().map(|(slot, assignment)| assigned(dialect, slot, assignment)).collect();
    let text = format!("INSERT INTO {} ({}) VALUES ({})", quote(&module.table), columns.join(", "), values.join(", "));
    Statement { text, params: slots(assignments.len()), columns: Vec::new() }
}

/// Updates the row whose id is the slot behind those of the assignments.
pub fn update(dialect: Dialect, module: &Module, assignments: &[Assignment]) -> Statement {
    let values: Vec<String> = assignments
        .iter()
        .enumerate()
        .map(|(slot, assignment)| format!("{} = {}", quote(&assignment.column), assigned(dialect, slot, assignment)))
        .collect();
    let id = placeholder(dialect, assignments.len(), "uuid");
    let text = format!("UPDATE {} SET {} WHERE \"id\" = {id}", quote(&module.table), values.join(", "));
    Statement { text, params: slots(assignments.len() + 1), columns: Vec::new() }
}

/// Locks the records of a module with the parents' ids, in the order of their ids; a record that is not there is passed over.
///
/// Operations that write several records take their locks in this one order, so that none waits for another in a circle. SQLite
/// has one writer and needs none.
pub fn lock_rows(dialect: Dialect, module: &Module, purpose: Purpose) -> Option<Statement> {
    let strength = match (dialect, purpose) {
        (Dialect::Sqlite, _) => return None,
        (Dialect::Postgres, Purpose::Update) => "FOR NO KEY UPDATE",
        (Dialect::Postgres, Purpose::Delete) => "FOR UPDATE",
    };
    let table = quote(&module.table);
    let text = format!("SELECT \"id\" FROM {table} WHERE \"id\" = ANY($1::uuid[]) ORDER BY \"id\" {strength}");
    Some(Statement { text, params: vec![Param::Parents], columns: vec![ColumnType::Id] })
}

/// Whether the record whose id is slot 0 exists, is not deleted and may be seen by the caller: its id, or no row.
pub fn visible_record(dialect: Dialect, catalog: &Catalog, rights: &Rights, module: ModuleId) -> Statement {
    let mut writer = Writer::new(dialect, catalog, rights);
    let source = writer.source(module, Visibility::Caller);
    let id = writer.typed_param(Param::Slot(Slot(0), Transform::None), "uuid");
    let own = column(&source.alias, "id");
    let live = writer.live_and_visible(module, &source.alias, Visibility::Caller);
    // Whoever deletes the record waits, and then finds what refers to it. Records of the platform, such as users, are
    // never deleted, and every write refers to one.
    let lock = match dialect {
        Dialect::Postgres if !catalog.module(module).platform => format!(" FOR KEY SHARE OF {}", source.alias),
        Dialect::Postgres | Dialect::Sqlite => String::new(),
    };
    let text = format!("SELECT {own} FROM {} WHERE {own} = {id} AND {live}{lock}", writer.from(&source));
    Statement { text, params: writer.into_params(), columns: vec![ColumnType::Id] }
}

/// The ids of the records of `module` that are not deleted and refer by `field` to the record whose id is slot 0; at most `limit`.
pub fn referring_records(dialect: Dialect, module: &Module, field: FieldId, limit: usize) -> Statement {
    let reference = quote(stored_column(module.field(field)));
    let id = placeholder(dialect, 0, "uuid");
    let text = format!(
        "SELECT \"id\" FROM {} WHERE {reference} = {id} AND \"deleted_at\" IS NULL ORDER BY \"id\" LIMIT {limit}",
        quote(&module.table)
    );
    Statement { text, params: slots(1), columns: vec![ColumnType::Id] }
}

/// Whether the table has a record that is not deleted and whose id is slot 0: its id, or no row.
pub fn select_live_record(dialect: Dialect, table: &str) -> Statement {
    let id = placeholder(dialect, 0, "uuid");
    let text = format!("SELECT \"id\" FROM {} WHERE \"id\" = {id} AND \"deleted_at\" IS NULL", quote(table));
    Statement { text, params: slots(1), columns: vec![ColumnType::Id] }
}

/// The module's validations over the record whose id is slot 0, one column each: true, false, or null.
pub fn validations(dialect: Dialect, catalog: &Catalog, rights: &Rights, module: &Module) -> Option<Statement> {
    if module.validations.is_empty() {
        return None;
    }
    let mut writer = Writer::new(dialect, catalog, rights);
    // What a record must meet does not depend on who looks.
    let mut source = writer.source(module.id, Visibility::All);
    let id = writer.typed_param(Param::Slot(Slot(0), Transform::None), "uuid");
    let rules: Vec<String> =
        module.validations.iter().map(|validation| writer.rule(&validation.rule.expr, &mut source, &[])).collect();
    let text = format!(
        "SELECT {} FROM {} WHERE {} = {id}",
        rules.join(", "),
        writer.from(&source),
        column(&source.alias, "id")
    );
    let columns = vec![ColumnType::Boolean; module.validations.len()];
    Some(Statement { text, params: writer.into_params(), columns })
}

fn slots(count: usize) -> Vec<Param> {
    (0..count).map(|slot| Param::Slot(Slot(slot as u32), Transform::None)).collect()
}

fn assigned(dialect: Dialect, slot: usize, assignment: &Assignment) -> String {
    let value = placeholder(dialect, slot, assignment.ty);
    match (dialect, assignment.scale) {
        (Dialect::Sqlite, Some(scale)) => format!("cardine_round({value}, {scale})"),
        _ => value,
    }
}

fn placeholder(dialect: Dialect, slot: usize, ty: &str) -> String {
    match dialect {
        Dialect::Sqlite => format!("?{}", slot + 1),
        Dialect::Postgres => format!("${}::{ty}", slot + 1),
    }
}
