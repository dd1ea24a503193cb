//! The catalog beside the tables, columns and indexes that are really there.

use std::collections::BTreeMap;

use cardine_model::Catalog;
use cardine_model::catalog::Module;
use cardine_model::resolve::column_names;
use cardine_sql::Dialect;
use cardine_sql::ddl::{self, AHEAD, TableColumn, records};
use cardine_store::platform::jobs::fetch_jobs;
use cardine_store::{Bindings, ReadTx, RowSet, Store, StoreError};
use futures_util::FutureExt as _;
use rustc_hash::FxHashSet;

use crate::EngineError;

/// Jobs that are looked at; those that run are among the newest.
const JOBS_MAX: u32 = 1_000;

/// Columns by table.
pub(super) type TablesFound = BTreeMap<String, Vec<TableColumn>>;

/// Every difference between `catalog` and the database, as a sentence. Of the platform's own tables only the columns that the
/// catalog names are looked at: they have others too, and their indexes are the migrations'.
pub(super) async fn differences(store: &Store, catalog: &Catalog) -> Result<Vec<String>, EngineError> {
    let dialect = store.dialect();
    let (columns, indexes, ahead) = store
        .read(move |tx: &mut ReadTx| {
            async move {
                let columns = tx.query(&records::select_columns(dialect), &Bindings::default()).await?;
                let indexes = tx.query(&records::select_indexes(dialect), &Bindings::default()).await?;
                let jobs = fetch_jobs(tx, JOBS_MAX).await?.into_iter().filter(|job| job.finished_at.is_none());
                let ahead = jobs.flat_map(|job| serde_json::from_str::<Vec<String>>(&job.tables).unwrap_or_default());
                Ok::<_, StoreError>((columns, indexes, ahead.collect::<FxHashSet<String>>()))
            }
            .boxed()
        })
        .await?;
    let mut tables = read_columns(columns);
    // What a job makes beside the columns in use goes with the job.
    for (_, columns) in tables.iter_mut().filter(|(table, _)| ahead.contains(*table)) {
        columns.retain(|column| !column.name.starts_with(AHEAD));
    }
    let indexes: FxHashSet<String> = (0..indexes.len()).map(|row| text(&indexes, row, 1)).collect();
    let mut differences = Vec::new();
    for module in &catalog.modules {
        match tables.get(&module.table) {
            None => {
                differences.push(format!("the table `{}` of the module `{}` is missing", module.table, module.name))
            }
            Some(found) => {
                compare_columns(dialect, module, found, &mut differences);
                if !module.platform {
                    let expected = ddl::index_names(dialect, module).into_iter();
                    let missing = expected.filter(|name| !indexes.contains(name));
                    differences.extend(
                        missing.map(|name| format!("the index `{name}` of the table `{}` is missing", module.table)),
                    );
                    let triggers = ddl::search_trigger_names(dialect, module).into_iter();
                    let missing = triggers.filter(|name| !indexes.contains(name));
                    differences.extend(
                        missing.map(|name| format!("the trigger `{name}` of the table `{}` is missing", module.table)),
                    );
                }
            }
        }
    }
    Ok(differences)
}

fn compare_columns(dialect: Dialect, module: &Module, found: &[TableColumn], differences: &mut Vec<String>) {
    let table = &module.table;
    let expected = ddl::table_columns(dialect, module);
    for column in &expected {
        match found.iter().find(|found| found.name == column.name) {
            None => differences.push(format!("the column `{}` of the table `{table}` is missing", column.name)),
            Some(_) if module.platform => {}
            Some(found) if found.ty != column.ty => differences.push(format!(
                "the column `{}` of the table `{table}` has the type {}, not {}",
                column.name, found.ty, column.ty
            )),
            Some(found) if found.not_null != column.not_null => differences.push(format!(
                "the column `{}` of the table `{table}` should {}take null",
                column.name,
                if column.not_null { "not " } else { "" }
            )),
            Some(_) => {}
        }
    }
    if !module.platform {
        let retired: Vec<String> =
            module.definition().retired.iter().flat_map(|retired| column_names(&retired.field)).collect();
        let unknown = found
            .iter()
            .filter(|found| !expected.iter().any(|column| column.name == found.name) && !retired.contains(&found.name));
        differences.extend(
            unknown.map(|column| format!("the column `{}` of the table `{table}` belongs to no field", column.name)),
        );
    }
}

/// Reads the rows of [`records::select_columns`].
pub(super) fn read_columns(rows: RowSet) -> TablesFound {
    let mut tables = TablesFound::new();
    for row in 0..rows.len() {
        let column = TableColumn {
            name: text(&rows, row, 1),
            ty: text(&rows, row, 2),
            not_null: rows.cell(row, 3).boolean() == Some(true),
        };
        tables.entry(text(&rows, row, 0)).or_default().push(column);
    }
    tables
}

fn text(rows: &RowSet, row: usize, column: usize) -> String {
    rows.cell(row, column).text().unwrap_or_default().to_owned()
}
