//! What a table gets ahead of a change that is too large for one transaction: columns beside those in use, filled batch by batch while
//! the old version serves, and put into their places at the end.
//!
//! `__job_version` is the version that a record had when it was last looked at, so that whatever was written since shows. Its
//! neighbours hold the values that columns will have. No other name of a table has two `_` beside each other.

use cardine_model::catalog::{Catalog, Field, FieldId, Module};
use cardine_query::Slot;

use super::columns::{TableColumn, column_definition, field_columns};
use super::indexes::{Index, fnv1a, indexes_of};
use super::{Kept, added_columns, search};
use crate::expr::Shape;
use crate::ident::quote;
use crate::statement::{ColumnType, Dialect, ForRows, Param, Statement, Transform};
use crate::write::{Assignment, update_rows};
use crate::writer::stored_column;

/// How all that is made ahead begins.
pub const AHEAD: &str = "__job_";

const VERSION: &str = "__job_version";

/// A module's table on its way from one catalog to another.
#[derive(Debug)]
pub struct Ahead<'a> {
    dialect: Dialect,
    catalog: &'a Catalog,
    before: &'a Module,
    after: &'a Module,
    exchanged: Vec<Exchanged<'a>>,
}

/// A column that is filled beside the one in use.
#[derive(Debug, Clone)]
struct Exchanged<'a> {
    field: &'a Field,
    helper: String,
    /// The columns that go when this one takes its place.
    old: Vec<String>,
}

/// An index that is made while others write; PostgreSQL alone can.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct IndexAhead {
    /// Takes away what an attempt has left that was interrupted. To be run outside of any transaction, as is the other.
    pub drop: String,
    /// Makes it.
    pub create: String,
}

impl<'a> Ahead<'a> {
    /// The way of `module`, whose `exchanged` fields get values ahead. `None` if it is not in both catalogs.
    pub fn new(
        dialect: Dialect,
        old: &'a Catalog,
        new: &'a Catalog,
        module: &str,
        exchanged: &[FieldId],
    ) -> Option<Self> {
        let (before, after) = (old.module_or_link_named(module)?, new.module_or_link_named(module)?);
        let exchanged = exchanged.iter().enumerate().map(|(number, field)| {
            let field = after.field(*field);
            let known = before.field_named(&field.name);
            let old = known.map(|known| field_columns(dialect, known)).unwrap_or_default();
            let old = old.into_iter().map(|column| column.name).collect();
            Exchanged { field, helper: format!("{AHEAD}{}", number + 1), old }
        });
        Some(Self { dialect, catalog: new, before, after, exchanged: exchanged.collect() })
    }

    /// The module as it will be.
    pub fn module(&self) -> &'a Module {
        self.after
    }

    /// Makes the columns. None of it rewrites the table.
    pub fn prepare(&self) -> Vec<String> {
        let ty = if self.dialect == Dialect::Sqlite { "INTEGER" } else { "bigint" };
        let version = TableColumn { name: VERSION.to_owned(), ty: ty.to_owned(), not_null: false };
        let helpers = self.exchanged.iter().flat_map(|exchanged| {
            let columns = field_columns(self.dialect, exchanged.field).into_iter().take(1);
            columns.map(|column| TableColumn { name: exchanged.helper.clone(), ..column })
        });
        let add = |column: TableColumn| {
            format!("ALTER TABLE {} ADD COLUMN {}", self.table(), column_definition(self.dialect, &column))
        };
        std::iter::once(version).chain(helpers).map(add).collect()
    }

    /// The module with the columns that are filled ahead in the places of those in use.
    pub fn interim(&self) -> Module {
        let mut interim = self.after.clone();
        for exchanged in &self.exchanged {
            interim.fields[exchanged.field.id.0 as usize].column = Some(exchanged.helper.clone());
        }
        interim
    }

    /// The fields that get values ahead, in their order.
    pub fn exchanged(&self) -> impl Iterator<Item = &'a Field> {
        self.exchanged.iter().map(|exchanged| exchanged.field)
    }

    /// The next records behind the id of slot 0 (all behind null) that were not looked at, or have been written since: id, version, and
    /// the values of `sources`. On PostgreSQL they are locked, and those that others have locked are left for later.
    pub fn next_rows(&self, sources: &[&Field], limit: usize) -> Statement {
        let (differs, locked) = match self.dialect {
            Dialect::Sqlite => ("IS NOT", ""),
            Dialect::Postgres => ("IS DISTINCT FROM", " FOR UPDATE SKIP LOCKED"),
        };
        self.rows_behind(sources, &format!("{} {differs} \"version\"", quote(VERSION)), limit, locked)
    }

    /// As [`Ahead::next_rows`], of all live records, where nothing was made ahead. None of them is locked.
    pub fn next_live_rows(&self, sources: &[&Field], limit: usize) -> Statement {
        self.rows_behind(sources, "\"deleted_at\" IS NULL", limit, "")
    }

    fn rows_behind(&self, sources: &[&Field], condition: &str, limit: usize, locked: &str) -> Statement {
        let mut columns = vec![ColumnType::Id, ColumnType::Integer];
        columns.extend(sources.iter().map(|field| Shape::of(field).column_type()));
        let columns_read = ["id", "version"].into_iter().chain(sources.iter().map(|field| stored_column(field)));
        let listed: Vec<String> = columns_read.map(quote).collect();
        let behind = match self.dialect {
            Dialect::Sqlite => "(?1 IS NULL OR \"id\" > ?1)",
            Dialect::Postgres => "($1::uuid IS NULL OR \"id\" > $1::uuid)",
        };
        let text = format!(
            "SELECT {} FROM {} WHERE {behind} AND {condition} ORDER BY \"id\" LIMIT {limit}{locked}",
            listed.join(", "),
            self.table(),
        );
        Statement { text, params: vec![Param::Slot(Slot(0), Transform::None)], columns }
    }

    /// Writes values ahead. A row's values: one for each exchanged field, the version that they were made of, the id.
    pub fn put_rows(&self, rows: usize) -> ForRows {
        let values = self.exchanged.iter();
        let values = values.map(|exchanged| Assignment::field(exchanged.field).in_column(&exchanged.helper));
        let assignments: Vec<Assignment> = values.chain([Assignment::whole_number(VERSION)]).collect();
        update_rows(self.dialect, self.after, &assignments, rows)
    }

    /// The indexes that can be made before the end; none on SQLite.
    pub fn indexes(&self) -> Vec<IndexAhead> {
        if self.dialect == Dialect::Sqlite {
            return Vec::new();
        }
        let interim = self.interim();
        let made = self.index_pairs(&interim).into_iter().enumerate().map(|(number, (ahead, _))| {
            let name = self.index_name(number);
            let drop = format!("DROP INDEX CONCURRENTLY IF EXISTS {}", quote(&name));
            let create = ahead.named(name).create(&interim);
            IndexAhead { drop, create: create.replacen("INDEX ", "INDEX CONCURRENTLY ", 1) }
        });
        made.collect()
    }

    /// Whether there is an index to be made over values that are there already, or words of a search.
    pub fn has_indexes(&self) -> bool {
        let known: Vec<&str> =
            self.before.fields.iter().filter(|field| !field.system).filter_map(Field::kept_column).collect();
        let is_over_known =
            |(index, _): (Index, Index)| known.iter().any(|column| index.is_over(column)) || self.is_over_ahead(&index);
        let removed = search::changes(self.dialect, Some(self.before), Some(self.after));
        self.index_pairs(&self.interim()).into_iter().any(is_over_known) || !removed.1.is_empty()
    }

    /// Puts what was made ahead into its place: first what goes and what takes its place, then indexes and what is searched. `prepared`
    /// tells whether [`Ahead::prepare`] has made columns.
    pub fn switch(&self, prepared: bool) -> (Vec<String>, Vec<String>) {
        let table = self.table();
        let is_searched = |exchanged: &Exchanged<'_>| {
            self.before
                .search
                .iter()
                .any(|field| exchanged.old.iter().any(|old| self.before.field(*field).column.as_ref() == Some(old)))
        };
        let (mut first, searches) = if self.exchanged.iter().any(is_searched) {
            let removed = search::changes(self.dialect, Some(self.before), None).0;
            (removed, search::changes(self.dialect, None, Some(self.after)).1)
        } else {
            search::changes(self.dialect, Some(self.before), Some(self.after))
        };
        let new = indexes_of(self.dialect, self.after);
        let gone = indexes_of(self.dialect, self.before).into_iter();
        let gone = gone.filter(|index| !new.contains(index) || self.is_over_exchanged(index));
        first.extend(gone.map(|index| index.drop_statement()));
        for exchanged in &self.exchanged {
            let column = quote(stored_column(exchanged.field));
            first.extend(exchanged.old.iter().map(|old| format!("ALTER TABLE {table} DROP COLUMN {}", quote(old))));
            first.push(format!("ALTER TABLE {table} RENAME COLUMN {} TO {column}", quote(&exchanged.helper)));
        }
        if prepared {
            first.push(format!("ALTER TABLE {table} DROP COLUMN {}", quote(VERSION)));
        }
        let ahead = self
            .exchanged
            .iter()
            .map(|exchanged| (self.after.name.clone(), self.after.whole_of(exchanged.field).name.clone()));
        let kept = Kept { fields: ahead.collect(), ..Kept::default() };
        let mut added = added_columns(self.dialect, self.catalog, self.before, self.after, &kept);
        added.extend(self.other_parts());
        first.append(&mut added);
        let made = self.index_pairs(&self.interim()).into_iter().enumerate().map(|(number, (ahead, index))| match self
            .dialect
        {
            Dialect::Postgres => ahead.named(self.index_name(number)).rename(&index),
            Dialect::Sqlite => index.create(self.after),
        });
        (first, made.chain(searches).collect())
    }

    /// Parts of a new field that get no value ahead.
    fn other_parts(&self) -> Vec<String> {
        let ahead = |field: &Field| self.exchanged.iter().any(|exchanged| exchanged.field.id == field.id);
        let of_ahead = |field: &Field| {
            let whole = self.after.whole_of(field).id;
            self.exchanged.iter().any(|exchanged| self.after.whole_of(exchanged.field).id == whole)
        };
        let is_new = |field: &Field| self.before.field_named(&field.name).is_none();
        let parts = self.after.fields.iter().filter(|field| is_new(field) && !ahead(field) && of_ahead(field));
        let columns = parts.flat_map(|field| field_columns(self.dialect, field));
        columns
            .map(|column| {
                format!("ALTER TABLE {} ADD COLUMN {}", self.table(), column_definition(self.dialect, &column))
            })
            .collect()
    }

    /// The indexes that are new or over an exchanged column: as they are made ahead, and as they will be.
    fn index_pairs(&self, interim: &Module) -> Vec<(Index, Index)> {
        let old = indexes_of(self.dialect, self.before);
        let pairs = indexes_of(self.dialect, interim).into_iter().zip(indexes_of(self.dialect, self.after));
        pairs.filter(|(ahead, new)| !old.contains(new) || self.is_over_ahead(ahead)).collect()
    }

    fn is_over_ahead(&self, index: &Index) -> bool {
        self.exchanged.iter().any(|exchanged| index.is_over(&exchanged.helper))
    }

    fn is_over_exchanged(&self, index: &Index) -> bool {
        self.exchanged.iter().flat_map(|exchanged| &exchanged.old).any(|column| index.is_over(column))
    }

    fn index_name(&self, number: usize) -> String {
        format!("{AHEAD}{number}_{:016x}", fnv1a(&self.after.table))
    }

    fn table(&self) -> String {
        quote(&self.after.table)
    }
}

/// Takes away a column that was made ahead.
pub fn drop_column_ahead(table: &str, column: &str) -> String {
    format!("ALTER TABLE {} DROP COLUMN {}", quote(table), quote(column))
}

/// Takes away an index that was made ahead.
pub fn drop_index_ahead(index: &str) -> String {
    format!("DROP INDEX {}", quote(index))
}

/// How many rows a table has, counted up to `limit`.
pub fn count_up_to(table: &str, limit: usize) -> Statement {
    let text = format!("SELECT count(*) FROM (SELECT 1 FROM {} LIMIT {limit}) AS counted", quote(table));
    Statement { text, params: Vec::new(), columns: vec![ColumnType::Integer] }
}
