//! Whether a caller reaches one record, and which rules are true of it: for explaining, by the conditions that every request has.

use cardine_access::{RecordAction, Rights};
use cardine_model::catalog::{Catalog, ModuleId};
use cardine_model::rule::Expr;
use cardine_query::Slot;

use crate::ident::column;
use crate::statement::{ColumnType, Dialect, Param, Statement, Transform};
use crate::writer::{Visibility, Writer};

/// One row about the record whose id is slot 0, none if it is deleted or was never there: whether the caller may read, update
/// and delete it, the owner's id, and whether each of `rules` is true of it.
///
/// ```sql
/// SELECT t1."owner_id" = ANY($1::uuid[]), …, t1."owner_id", (t1."stage" = 'WON') IS TRUE FROM "deal" t1 WHERE t1."id" = $2::uuid AND …
/// ```
pub fn select_reach(
    dialect: Dialect,
    catalog: &Catalog,
    rights: &Rights,
    module: ModuleId,
    rules: &[&Expr],
) -> Statement {
    let mut writer = Writer::new(dialect, catalog, rights);
    let source = writer.source(module, Visibility::All);
    let alias = source.alias.clone();
    let read = writer.in_reach(module, &alias, RecordAction::Read);
    let mut items = Vec::with_capacity(rules.len() + 4);
    for action in [RecordAction::Read, RecordAction::Update, RecordAction::Delete] {
        // What cannot be seen can be neither changed nor deleted.
        let further = if action == RecordAction::Read { None } else { writer.in_reach(module, &alias, action) };
        let conditions: Vec<String> = read.iter().cloned().chain(further).collect();
        let condition = if conditions.is_empty() { "1 = 1".to_owned() } else { conditions.join(" AND ") };
        items.push(format!("({condition}) IS TRUE"));
    }
    items.push(column(&alias, "owner_id"));
    for rule in rules {
        items.push(format!("({}) IS TRUE", writer.meets(module, &alias, rule)));
    }
    let id = writer.typed_param(Param::Slot(Slot(0), Transform::None), "uuid");
    let text = format!(
        "SELECT {} FROM {} WHERE {} = {id} AND {} IS NULL",
        items.join(", "),
        writer.from(&source),
        column(&alias, "id"),
        column(&alias, "deleted_at")
    );
    let mut columns = vec![ColumnType::Boolean; 3];
    columns.push(ColumnType::Id);
    columns.extend(rules.iter().map(|_| ColumnType::Boolean));
    Statement { text, params: writer.into_params(), columns }
}
