//! A search → its statements: what is found in each module, by where the terms stand, without any table's statistics.
//!
//! A module's part asks its index up to four times, and keeps the best answer of each record:
//! 4 all terms are words of the naming field, 3 beginnings of its words, 2 words of any searched field, 1 beginnings of them.
//! Only then are deleted and hidden records left out. The fields that are looked into stand in the statement's text; the terms are
//! parameters, and hold nothing but word characters.

use cardine_access::Rights;
use cardine_failpoints::switched_off;
use cardine_model::catalog::{Catalog, FieldId, Module};
use cardine_query::{Authorised, Search, SearchPlace, SearchedModule, Slot};

use crate::ddl::search::{ids_table, searched_text, word_column, words_table};
use crate::ident::{column, quote};
use crate::statement::{ColumnType, Dialect, Param, Statement, Transform};
use crate::writer::{Visibility, Writer};

/// The best score; the API's is 1.
pub const SEARCH_SCORE_MAX: i64 = 4;

/// Most parts of one `UNION ALL`: SQLite takes 500.
const UNION_PARTS_MAX: usize = 400;

/// The statements of a search.
#[derive(Debug, Clone)]
pub struct SearchStatements {
    /// Score, the module's position in the catalog, id: one row more than asked for, if there are more.
    pub rows: Option<Statement>,
    /// The number of all records that are found.
    pub count: Option<Statement>,
}

/// Makes the statements of `search`, with the record rules of `rights`.
pub fn render_search(
    dialect: Dialect,
    catalog: &Catalog,
    rights: &Rights,
    search: &Authorised<Search>,
) -> SearchStatements {
    let search = search.get();
    let rows = search.rows.then(|| {
        let mut writer = Writer::new(dialect, catalog, rights);
        let found = found(&mut writer, search);
        let after = search.after.map(|place| after(&mut writer, place)).unwrap_or_default();
        let limit = writer.param(Param::SlotPlus(search.first, 1));
        let text =
            format!("SELECT r.score, r.module, r.id FROM {found} r{after} ORDER BY r.score DESC, r.id LIMIT {limit}");
        let columns = vec![ColumnType::Integer, ColumnType::Integer, ColumnType::Id];
        Statement { text, params: writer.into_params(), columns }
    });
    let count = search.count.then(|| {
        let mut writer = Writer::new(dialect, catalog, rights);
        let text = format!("SELECT count(*) FROM {} r", found(&mut writer, search));
        Statement { text, params: writer.into_params(), columns: vec![ColumnType::Integer] }
    });
    SearchStatements { rows, count }
}

/// All records that are found, in brackets.
fn found(writer: &mut Writer<'_>, search: &Search) -> String {
    let parts: Vec<String> = search.modules.iter().map(|searched| of_module(writer, searched, &search.terms)).collect();
    let groups: Vec<String> = parts.chunks(UNION_PARTS_MAX).map(|group| group.join(" UNION ALL ")).collect();
    match groups.as_slice() {
        [] => {
            let id = if writer.dialect == Dialect::Postgres { "NULL::uuid" } else { "NULL" };
            format!("(SELECT 0 AS score, 0 AS module, {id} AS id WHERE 1 = 0)")
        }
        [all] => format!("({all})"),
        several => {
            let several =
                several.iter().enumerate().map(|(number, group)| format!("SELECT * FROM ({group}) g{number}"));
            format!("({})", several.collect::<Vec<_>>().join(" UNION ALL "))
        }
    }
}

fn of_module(writer: &mut Writer<'_>, searched: &SearchedModule, terms: &[Slot]) -> String {
    let module = writer.catalog.module(searched.module);
    let mut hits = Vec::with_capacity(4);
    for (fields, whole, beginning) in
        [(searched.title.as_slice(), SEARCH_SCORE_MAX, 3), (searched.fields.as_slice(), 2, 1)]
    {
        if !fields.is_empty() {
            hits.push(hits_of(writer, module, fields, terms, whole, true));
            hits.push(hits_of(writer, module, fields, terms, beginning, false));
        }
    }
    let source = writer.source(searched.module, Visibility::Caller);
    let visibility = Visibility::Caller.unless(switched_off!("record.search"));
    let live = writer.live_and_visible(searched.module, &source.alias, visibility);
    let (alias, position, table) = (&source.alias, searched.module.0, quote(&module.table));
    let id = column(alias, "id");
    format!(
        "SELECT max(h.score) AS score, {position} AS module, {id} AS id FROM ({}) h JOIN {table} {alias} ON {id} = h.id \
         WHERE {live} GROUP BY {id}",
        hits.join(" UNION ALL ")
    )
}

/// The ids of the records in whose `fields` all terms stand, as whole words or as beginnings of words.
fn hits_of(
    writer: &mut Writer<'_>,
    module: &Module,
    fields: &[FieldId],
    terms: &[Slot],
    score: i64,
    whole: bool,
) -> String {
    let columns =
        fields.iter().map(|field| module.field(*field)).filter_map(|field| Some((field, field.column.as_deref()?)));
    match writer.dialect {
        Dialect::Sqlite => {
            let (words, ids) = (words_table(module), ids_table(module));
            let columns: Vec<String> = columns.map(|(_, column)| quote(&word_column(column))).collect();
            let query = fts_query(writer, &columns, terms, whole);
            format!(
                "SELECT {score} AS score, i.{} AS id FROM {} w JOIN {} i ON i.{} = w.rowid WHERE {} MATCH {query}",
                quote("id"),
                quote(&words),
                quote(&ids),
                quote("n"),
                column("w", &words)
            )
        }
        Dialect::Postgres => {
            let columns: Vec<String> = columns
                .map(|(field, name)| {
                    format!("cardine_words({})", searched_text(Dialect::Postgres, field, &column("w", name)))
                })
                .collect();
            let conditions: Vec<String> = terms.iter().map(|term| stands_in(writer, &columns, *term, whole)).collect();
            format!(
                "SELECT {score} AS score, {} AS id FROM {} w WHERE {} IS NULL AND {}",
                column("w", "id"),
                quote(&module.table),
                column("w", "deleted_at"),
                conditions.join(" AND ")
            )
        }
    }
}

/// A query of FTS5: `'{"_name" "_city"} : ("' || ?1 || '" * AND "' || ?2 || '" *)'`.
fn fts_query(writer: &mut Writer<'_>, columns: &[String], terms: &[Slot], whole: bool) -> String {
    let end = if whole { "\"" } else { "\" *" };
    let terms: Vec<String> = terms
        .iter()
        .map(|term| format!("\"' || {} || '{end}", writer.param(Param::Slot(*term, Transform::None))))
        .collect();
    format!("'{{{}}} : ({})'", columns.join(" ").replace('\'', "''"), terms.join(" AND "))
}

fn stands_in(writer: &mut Writer<'_>, columns: &[String], term: Slot, whole: bool) -> String {
    let end = if whole { "''''" } else { "''':*'" };
    let term = writer.typed_param(Param::Slot(term, Transform::None), "text");
    let conditions: Vec<String> =
        columns.iter().map(|words| format!("{words} @@ ('''' || {term} || {end})::tsquery")).collect();
    format!("({})", conditions.join(" OR "))
}

fn after(writer: &mut Writer<'_>, place: SearchPlace) -> String {
    let score = writer.typed_param(Param::Slot(place.score, Transform::None), "int8");
    let id = writer.typed_param(Param::Slot(place.id, Transform::None), "uuid");
    format!(" WHERE r.score < {score} OR (r.score = {score} AND r.id > {id})")
}
