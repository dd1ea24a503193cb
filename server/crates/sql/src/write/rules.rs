//! What records must meet as a whole: the module's validations, and values that no other record may have.

use cardine_access::Rights;
use cardine_model::catalog::{Catalog, Field, FieldId, Module};

use super::rows::lists;
use super::{placeholder, slots};
use crate::expr::Shape;
use crate::ident::{column, quote};
use crate::statement::{ColumnType, Dialect, ForRows, Param, Statement};
use crate::writer::{Visibility, Writer, stored_column};

/// The module's validations over the records with the parents' ids: the id, and then a column for each, true, false, or null.
pub fn validations(dialect: Dialect, catalog: &Catalog, rights: &Rights, module: &Module) -> Option<Statement> {
    if module.validations.is_empty() {
        return None;
    }
    let mut writer = Writer::computing(dialect, catalog, rights);
    // What a record must meet does not depend on who looks.
    let mut source = writer.source(module.id, Visibility::All);
    let ids = writer.typed_param(Param::Parents, "uuid[]");
    let id = column(&source.alias, "id");
    let among = writer.among(&id, &ids);
    let rules: Vec<String> =
        module.validations.iter().map(|validation| writer.rule(&validation.rule.expr, &mut source, &[])).collect();
    let text = format!("SELECT {id}, {} FROM {} WHERE {among}", rules.join(", "), writer.from(&source));
    let mut columns = vec![ColumnType::Id];
    columns.resize(module.validations.len() + 1, ColumnType::Boolean);
    Some(Statement { text, params: writer.into_params(), columns })
}

/// Which rows have values of a unique set of fields that another record, not deleted, has already: for each such row its id and that of the
/// other. A row's values are its id and then those of the set's fields.
pub fn unique_holders(dialect: Dialect, module: &Module, unique: &[FieldId], rows: usize) -> ForRows {
    let fields: Vec<&Field> = unique.iter().map(|field| module.field(*field)).collect();
    let types = || std::iter::once("uuid").chain(fields.iter().map(|field| Shape::of(field).postgres_type()));
    let one_by_one = dialect == Dialect::Sqlite || rows == 1;
    let value = |slot: usize, ty: &str| {
        if one_by_one { placeholder(dialect, slot, ty) } else { format!("v.c{slot}") }
    };
    let mut conditions: Vec<String> = fields
        .iter()
        .zip(types().skip(1))
        .enumerate()
        .map(|(position, (field, ty))| {
            let own = format!("t.{}", quote(stored_column(field)));
            same(dialect, field, &own, &value(position + 1, ty))
        })
        .collect();
    let id = value(0, "uuid");
    conditions.push(format!("t.\"id\" <> {id} AND t.\"deleted_at\" IS NULL"));
    let (table, conditions) = (quote(&module.table), conditions.join(" AND "));
    let columns = vec![ColumnType::Id, ColumnType::Id];
    let params: Vec<Param> = slots(fields.len() + 1);
    if one_by_one {
        let text = format!("SELECT {id}, t.\"id\" FROM {table} t WHERE {conditions}");
        return ForRows::Each(Statement { text, params, columns });
    }
    let text = format!("SELECT v.c0, t.\"id\" FROM {} JOIN {table} t ON {conditions}", lists(types()));
    ForRows::Lists(Statement { text, params, columns })
}

/// As the unique index compares: text without regard to case.
fn same(dialect: Dialect, field: &Field, own: &str, other: &str) -> String {
    if field.scalar().is_some_and(cardine_model::ScalarType::is_text) {
        return format!("cardine_fold({own}) = cardine_fold({other})");
    }
    match (dialect, Shape::of(field).postgres_type()) {
        (Dialect::Sqlite, "numeric") => format!("{own} {} = {other}", crate::expr::DECIMAL_COLLATION),
        _ => format!("{own} = {other}"),
    }
}
