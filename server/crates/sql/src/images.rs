//! Images of records, as events keep them, asked like rows: which of them meet a list's filter and may be seen.
//!
//! An image takes the place of the table's row; whatever the filter and the record rules reach from it is read as it is now.
//! On PostgreSQL: `SELECT t1."_image" FROM (SELECT * FROM jsonb_to_recordset($1::text::jsonb) AS i("_image" bigint,
//! "_gone" timestamptz, "account_id" uuid, …)) t1 WHERE …`.

use cardine_access::Rights;
use cardine_failpoints::switched_off;
use cardine_model::ScalarType;
use cardine_model::catalog::{Catalog, Module};
use cardine_query::{Authorised, List, Slot};

use crate::expr::{Shape, TEXT_COLLATION};
use crate::ident::{column, quote};
use crate::statement::{ColumnType, Dialect, Param, Statement, Transform};
use crate::write::stored_fields;
use crate::writer::{Visibility, Writer, stored_column};

/// The key of an image's own number, beside its fields; the statement gives these numbers back.
pub const IMAGE_NUMBER: &str = "_image";
/// The key of the instant at which the record of an image was deleted afterwards; null or left out if it was not.
pub const IMAGE_GONE: &str = "_gone";

/// The numbers of those images that are of live records, meet the filter of `list`, and which the caller may see. Slot `images`
/// holds a JSON list of objects with [`IMAGE_NUMBER`], perhaps [`IMAGE_GONE`] and, by their columns, the stored values that are not null; each value must
/// fit its column.
pub fn render_matches(
    dialect: Dialect,
    catalog: &Catalog,
    rights: &Rights,
    list: &Authorised<List>,
    images: Slot,
) -> Statement {
    let list = list.get();
    let mut writer = Writer::computing(dialect, catalog, rights);
    let images = writer.typed_param(Param::Slot(images, Transform::None), "text");
    let mut source = writer.source(list.module, Visibility::Caller);
    // Without whether it may be seen, which is asked of that time.
    let mut conditions = writer.conditions(&mut source, list, None, false);
    let gone = column(&source.alias, IMAGE_GONE);
    if !switched_off!("record.change") {
        conditions.extend(writer.visible_until(list.module, &source.alias, gone));
    }
    let table = image_table(dialect, catalog.module(list.module), &images);
    let text = format!(
        "SELECT {} FROM ({table}) {}{} WHERE {}",
        column(&source.alias, IMAGE_NUMBER),
        source.alias,
        writer.joins(&source),
        conditions.join(" AND ")
    );
    Statement { text, params: writer.into_params(), columns: vec![ColumnType::Integer] }
}

/// The images as a table with the columns of the module's own.
fn image_table(dialect: Dialect, module: &Module, images: &str) -> String {
    let (number, gone) = (quote(IMAGE_NUMBER), quote(IMAGE_GONE));
    match dialect {
        Dialect::Postgres => {
            let column = |field| {
                let ty = Shape::of(field).postgres_type();
                let collation = if ty == "text" { format!(" {TEXT_COLLATION}") } else { String::new() };
                format!("{} {ty}{collation}", quote(stored_column(field)))
            };
            let columns: Vec<String> = stored_fields(module).map(column).collect();
            let columns = columns.join(", ");
            format!(
                "SELECT * FROM jsonb_to_recordset({images}::jsonb) AS i({number} bigint, {gone} timestamptz, {columns})"
            )
        }
        Dialect::Sqlite => {
            let column = |field| {
                let name = stored_column(field);
                let value = match Shape::of(field) {
                    // What a column of JSON holds is its text, also of a plain string.
                    Shape::Scalar(ScalarType::Json) => format!("i.value -> '$.{name}'"),
                    _ => format!("json_extract(i.value, '$.{name}')"),
                };
                format!("{value} AS {}", quote(name))
            };
            let columns: Vec<String> = stored_fields(module).map(column).collect();
            let columns = columns.join(", ");
            format!(
                "SELECT json_extract(i.value, '$.{IMAGE_NUMBER}') AS {number}, json_extract(i.value, '$.{IMAGE_GONE}') AS {gone}, \
                 {columns} FROM json_each({images}) i"
            )
        }
    }
}
