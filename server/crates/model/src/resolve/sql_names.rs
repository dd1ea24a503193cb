//! Names in the database: what the databases and the platform keep for themselves, and how long a name may be.
//!
//! Two names of one document that give the same SQL name are equal apart from case, because snake_case only adds `_` and no name has
//! one; the stage of GraphQL names refuses those (the id of a reference included) and so covers columns and tables against each other.

use super::draft::{Document, Draft, Issues};
use super::field_types::group_shape;
use crate::definition::{FieldDefinition, ReferenceTarget};
use crate::name::{snake_case, upper_first};
use crate::path;

/// Longest SQL name in bytes: PostgreSQL cuts longer ones off, so that two could become one.
pub const SQL_NAME_LENGTH_MAX: usize = 63;

/// Tables of the platform that are no modules. A module's table never begins with `_`, so one that does needs no mention; and every
/// table that comes later does, as a module may have any other name by then.
pub const PLATFORM_TABLES: [&str; 34] = [
    "api_key",
    "audit_entry",
    "auto_number",
    "catalog_version",
    "change_job",
    "group_member",
    "idempotency_key",
    "mail_outbox",
    "module_definition",
    "outbox",
    "password_reset",
    "password_reset_token",
    "permission_set",
    "permission_set_member",
    "platform_setting",
    "platform_state",
    "plugin",
    "plugin_state",
    "record_rule",
    "record_share",
    "role_grant",
    "seaql_migrations",
    "session",
    "setup_token",
    "sharing_rule",
    "sign_in_failure",
    "workflow",
    "workflow_approval",
    "workflow_request",
    "workflow_request_count",
    "workflow_run",
    "workflow_step_log",
    "workflow_step_run",
    "workflow_version",
];

/// Beginnings of table names that a database or the platform keeps for itself. On SQLite a table `json_each` would be read
/// instead of the function of that name, which statements use.
const RESERVED_TABLE_PREFIXES: [&str; 6] = ["sqlite_", "pg_", "cardine_", "pragma_", "json_each", "json_tree"];

/// Columns that every table of a database has already.
const RESERVED_COLUMNS: [(&str, &str); 7] = [
    ("tableoid", "PostgreSQL"),
    ("xmin", "PostgreSQL"),
    ("cmin", "PostgreSQL"),
    ("xmax", "PostgreSQL"),
    ("cmax", "PostgreSQL"),
    ("ctid", "PostgreSQL"),
    ("rowid", "SQLite"),
];

/// Checks the SQL names of all documents.
pub(super) fn check(draft: &Draft<'_>, issues: &mut Issues) {
    for document in &draft.documents {
        check_table(document, issues);
        for (position, _, field) in document.fields() {
            check_column(document, position, field, issues);
            check_retired(document, position, field, issues);
        }
    }
}

fn check_table(document: &Document<'_>, issues: &mut Issues) {
    let module = document.definition;
    let table = snake_case(&module.name);
    let taken = if PLATFORM_TABLES.contains(&table.as_str()) {
        Some("the platform's own table of that name".to_owned())
    } else {
        let prefix = RESERVED_TABLE_PREFIXES.iter().find(|prefix| table.starts_with(**prefix));
        prefix.map(|prefix| format!("the database or the platform, as do all that begin with `{prefix}`"))
    };
    if let Some(party) = taken {
        let message = format!(
            "`{}` would need the SQL name `{table}`, which belongs to {party}; choose another name",
            module.name
        );
        issues.add(module, path!["name"], "nameTaken", message);
    }
    if table.len() > SQL_NAME_LENGTH_MAX {
        issues.add(module, path!["name"], "limit", too_long(&table));
    }
}

/// The SQL names of the columns that a field of this definition has; none of what is computed, or kept in a table of its own.
pub fn column_names(field: &FieldDefinition) -> Vec<String> {
    match field.kind.as_str() {
        "formula" | "computed" | "references" => Vec::new(),
        "rollup" if !field.stored => Vec::new(),
        "reference" | "file" | "image" => {
            let (column, module_column) = column_names_of_reference(field);
            [Some(column), module_column].into_iter().flatten().collect()
        }
        kind => match group_shape(kind) {
            None => vec![snake_case(&field.name)],
            Some(shape) => {
                shape.parts().iter().map(|part| snake_case(&format!("{}{}", field.name, upper_first(part)))).collect()
            }
        },
    }
}

/// A retired field keeps its columns, and its name with them: no other one may take what it would come back to.
fn check_retired(document: &Document<'_>, position: usize, field: &FieldDefinition, issues: &mut Issues) {
    let columns = column_names(field);
    let taken = document.definition.retired.iter().find(|retired| {
        retired.field.name.eq_ignore_ascii_case(&field.name)
            || column_names(&retired.field).iter().any(|column| columns.contains(column))
    });
    if let Some(retired) = taken {
        let message = format!(
            "the retired field `{}` still has this name in the database: restore it, or purge it first, or choose another name",
            retired.field.name
        );
        issues.add_at_field(document.definition, position, "name", "nameTaken", message);
    }
}

fn check_column(document: &Document<'_>, position: usize, field: &FieldDefinition, issues: &mut Issues) {
    let (column, module_column) = match field.kind.as_str() {
        "formula" | "computed" | "references" => return,
        "rollup" if !field.stored => return,
        "reference" | "file" | "image" => column_names_of_reference(field),
        kind => match group_shape(kind) {
            None => (snake_case(&field.name), None),
            // The longest of them: none can be one of a database's own.
            Some(shape) => {
                let columns =
                    shape.parts().iter().map(|part| snake_case(&format!("{}{}", field.name, upper_first(part))));
                (columns.max_by_key(String::len).unwrap_or_default(), None)
            }
        },
    };
    if let Some((_, database)) = RESERVED_COLUMNS.iter().find(|(name, _)| *name == column) {
        let message =
            format!("the SQL name `{column}` belongs to {database}, whose every table has it; choose another name");
        issues.add_at_field(document.definition, position, "name", "nameTaken", message);
    }
    let longest = module_column.unwrap_or(column);
    if longest.len() > SQL_NAME_LENGTH_MAX {
        issues.add_at_field(document.definition, position, "name", "limit", too_long(&longest));
    }
}

/// The column with a reference's id, and for one with several targets the column with the target module's name.
pub(super) fn column_names_of_reference(field: &FieldDefinition) -> (String, Option<String>) {
    let several = match &field.to {
        // `"*"` means several even while there is one module: another may come.
        Some(ReferenceTarget::One(target)) => target == "*",
        Some(ReferenceTarget::Several(targets)) => targets.len() > 1,
        None => false,
    };
    let module_column = several.then(|| format!("_{}_module", snake_case(&field.name)));
    (snake_case(&format!("{}Id", field.name)), module_column)
}

fn too_long(name: &str) -> String {
    format!(
        "the SQL name would be `{name}` with {} characters; databases take at most {SQL_NAME_LENGTH_MAX}: choose a shorter name",
        name.len()
    )
}
