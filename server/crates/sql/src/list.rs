//! A list → its statements: one for its records or groups, one for figures over all of them, and the same for each list nested in it.
//!
//! A nested list is one statement for all parents, whatever their number. On PostgreSQL:
//! `SELECT p.id, c.* FROM unnest($1::uuid[]) AS p(id) CROSS JOIN LATERAL (SELECT … WHERE t1."account_id" = p.id ORDER BY … LIMIT …) c`;
//! on SQLite, which has no lateral joins, the parents come from `json_each` and a correlated subquery picks each parent's row ids.

use cardine_access::Rights;
use cardine_failpoints::switched_off;
use cardine_model::catalog::{Catalog, FieldPath, Hop, RelationId};
use cardine_model::{ScalarType, Value};
use cardine_query::{Authorised, Deleted, Grouping, KeysetValue, List, Nulls, OrderKey, Page, Take};

use crate::aggregate::{columns, texts};
use crate::expr::{DECIMAL_COLLATION, Shape, never_null};
use crate::hierarchy::{Tie, Tied};
use crate::ident::column;
use crate::place::places;
use crate::statement::{ColumnType, Dialect, Param, Statement, Transform};
use crate::writer::{Source, Visibility, Writer, among};

/// The statements of a list. A nested list's rows and totals have the parent's id as first column.
#[derive(Debug, Clone)]
pub struct ListStatements {
    /// The records or groups; none if only totals are wanted.
    pub rows: Option<Statement>,
    /// The figures over all records of the filter: one row at the root, one per parent that has records in a nested list.
    pub totals: Option<Statement>,
    /// What bounds the rows (of each parent).
    pub take: Take,
    /// Position in the parent's outputs of the id that this list belongs to; unused at the root.
    pub parent_output: usize,
    /// The nested lists. A history's are the changes of each entry, and then the users that entries name, as asked.
    pub children: Vec<ListStatements>,
    /// The records' histories.
    pub histories: Vec<ListStatements>,
}

/// How the records of a list's first level were found.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Found {
    /// By asking: the record rules hold.
    Asked,
    /// The caller has just written it, in the same transaction: it is answered even if the write took it out of the caller's
    /// sight. Everything reached from it is under the record rules.
    Written,
}

/// Makes the statements of `list`, with the record rules of `rights` in every place where a record is read.
pub fn render_list(
    dialect: Dialect,
    catalog: &Catalog,
    rights: &Rights,
    list: &Authorised<List>,
    found: Found,
) -> ListStatements {
    let list = list.get();
    let making = Making { dialect, catalog, rights, found };
    ListStatements {
        rows: list.rows.then(|| match &list.groups {
            Some(groups) => making.groups(list, groups),
            None => making.root_rows(list),
        }),
        totals: (!list.totals.is_empty()).then(|| making.root_totals(list)),
        take: list.page.take,
        parent_output: 0,
        children: making.children(list),
        histories: making.histories(list),
    }
}

pub(crate) struct Making<'a> {
    pub dialect: Dialect,
    catalog: &'a Catalog,
    rights: &'a Rights,
    found: Found,
}

impl Making<'_> {
    pub fn writer(&self) -> Writer<'_> {
        Writer::new(self.dialect, self.catalog, self.rights)
    }

    pub fn children(&self, list: &List) -> Vec<ListStatements> {
        let child = |child: &cardine_query::Child| {
            let tied = self.tied(list, &child.at, child.relation);
            ListStatements {
                rows: child.list.rows.then(|| self.nested_rows(&child.list, tied)),
                totals: (!child.list.totals.is_empty()).then(|| self.nested_totals(&child.list, tied)),
                take: child.list.page.take,
                parent_output: child.parent_output,
                children: self.children(&child.list),
                histories: self.histories(&child.list),
            }
        };
        list.children.iter().map(child).collect()
    }

    /// How the related records are tied to their parent.
    fn tied(&self, list: &List, at: &[Hop], relation: RelationId) -> Tied<'_> {
        let module = at.last().map_or(list.module, |hop| hop.target);
        Tied::of(self.catalog, self.catalog.module(module).relation(relation))
    }

    fn root_rows(&self, list: &List) -> Statement {
        let by_rules = self.found == Found::Asked && !switched_off!("record.list");
        let mut writer = Writer::paged(self.dialect, self.catalog, self.rights);
        let mut source = writer.source(list.module, Visibility::Caller);
        let (outputs, columns) = writer.outputs(&mut source, list);
        let text = self.page(&mut writer, &mut source, list, &outputs, |writer, source| {
            (String::new(), writer.conditions(source, list, None, by_rules))
        });
        Statement { text, params: writer.into_params(), columns }
    }

    /// The records of a page with their outputs, in one parent or at the root. `conditions` tells what stands before the table in `FROM`, and the conditions.
    ///
    /// PostgreSQL makes the joins of a statement before it sorts and cuts. What the outputs need and the order does not is therefore
    /// joined to the records of the page, and not to all that are sorted for it.
    fn page(
        &self,
        writer: &mut Writer<'_>,
        source: &mut Source,
        list: &List,
        outputs: &[String],
        conditions: impl FnOnce(&mut Writer<'_>, &mut Source) -> (String, Vec<String>),
    ) -> String {
        let outputs = outputs.join(", ");
        let late = self.dialect == Dialect::Postgres
            && list.page.take != Take::One
            && source.has_joins()
            && list.order.iter().all(|key| key.path.hops.is_empty());
        let mut picked = late.then(|| writer.source(list.module, Visibility::Caller));
        let found = picked.as_mut().unwrap_or(source);
        let (before, conditions) = conditions(writer, found);
        let order = writer.order(found, list);
        let limit = writer.limit(&list.page);
        let rest = format!("{before}{} WHERE {}{order}{limit}", writer.from(found), conditions.join(" AND "));
        match picked {
            None => format!("SELECT {outputs} FROM {rest}"),
            Some(picked) => {
                let order = writer.order(source, list);
                let (inner, outer) = (&picked.alias, &source.alias);
                format!("SELECT {outputs} FROM (SELECT {inner}.* FROM {rest}) {outer}{}{order}", writer.joins(source))
            }
        }
    }

    fn groups(&self, list: &List, groups: &Grouping) -> Statement {
        let by_rules = self.found == Found::Asked && !switched_off!("record.groups");
        let mut writer = self.writer();
        let mut source = writer.source(list.module, Visibility::Caller);
        if self.dialect == Dialect::Sqlite
            && let Some((arguments, figures)) = writer.hashed_figures(&mut source, groups)
        {
            let conditions = writer.conditions(&mut source, list, None, by_rules).join(" AND ");
            let tail = writer.group_clauses(groups, &figures, false);
            let limit = writer.limit(&list.page);
            let rows = format!("SELECT cardine_groups({arguments}) FROM {} WHERE {conditions}", writer.from(&source));
            let text = format!("SELECT {} FROM json_each(({rows})) g{tail}{limit}", texts(&figures));
            return Statement { text, params: writer.into_params(), columns: columns(&figures) };
        }
        let figures = writer.group_figures(&mut source, groups);
        let conditions = writer.conditions(&mut source, list, None, by_rules);
        let tail = writer.group_clauses(groups, &figures, true);
        let limit = writer.limit(&list.page);
        let from = writer.from(&source);
        let text = format!("SELECT {} FROM {from} WHERE {}{tail}{limit}", texts(&figures), conditions.join(" AND "));
        Statement { text, params: writer.into_params(), columns: columns(&figures) }
    }

    fn root_totals(&self, list: &List) -> Statement {
        let by_rules = self.found == Found::Asked && !switched_off!("record.totals");
        let mut writer = self.writer();
        let mut source = writer.source(list.module, Visibility::Caller);
        let figures = writer.measures(&mut source, &list.totals);
        let conditions = writer.conditions(&mut source, &unpaged(list), None, by_rules);
        let from = writer.from(&source);
        let text = format!("SELECT {} FROM {from} WHERE {}", texts(&figures), conditions.join(" AND "));
        Statement { text, params: writer.into_params(), columns: columns(&figures) }
    }

    pub fn nested_rows(&self, list: &List, tied: Tied<'_>) -> Statement {
        let by_rules = !switched_off!("record.nested");
        let mut writer = Writer::paged(self.dialect, self.catalog, self.rights);
        let parents = writer.typed_param(Param::Parents, "uuid[]");
        let (text, columns) = match self.dialect {
            Dialect::Postgres => {
                let mut source = writer.source(list.module, Visibility::Caller);
                let (outputs, columns) = writer.outputs(&mut source, list);
                let outputs: Vec<String> =
                    outputs.iter().enumerate().map(|(position, value)| format!("{value} AS c{position}")).collect();
                let inner = self.page(&mut writer, &mut source, list, &outputs, |writer, source| {
                    let tie = writer.tie(tied, &source.alias.clone(), "p.id", Visibility::Caller);
                    (tie.before, writer.conditions(source, list, Some(tie.condition), by_rules))
                });
                (format!("SELECT p.id, c.* FROM unnest({parents}) AS p(id) CROSS JOIN LATERAL ({inner}) c"), columns)
            }
            Dialect::Sqlite => {
                let mut picked = writer.source(list.module, Visibility::Caller);
                let tie = writer.tie(tied, &picked.alias.clone(), "p.value", Visibility::Caller);
                let conditions = writer.conditions(&mut picked, list, Some(tie.condition), by_rules);
                let picked_order = writer.order(&mut picked, list);
                let limit = writer.limit(&list.page);
                let from = writer.from(&picked);
                let inner = format!(
                    "SELECT {}.rowid FROM {}{from} WHERE {}{picked_order}{limit}",
                    picked.alias,
                    tie.before,
                    conditions.join(" AND ")
                );
                let mut source = writer.source(list.module, Visibility::Caller);
                let (outputs, columns) = writer.outputs(&mut source, list);
                let order = writer.order(&mut source, list).replacen(" ORDER BY ", " ORDER BY p.key, ", 1);
                let table = writer.from(&source);
                let text = format!(
                    "SELECT p.value, {} FROM json_each({parents}) p CROSS JOIN {table} WHERE {}.rowid IN ({inner}){order}",
                    outputs.join(", "),
                    source.alias
                );
                (text, columns)
            }
        };
        let columns = [vec![ColumnType::Id], columns].concat();
        Statement { text, params: writer.into_params(), columns }
    }

    fn nested_totals(&self, list: &List, tied: Tied<'_>) -> Statement {
        let by_rules = !switched_off!("record.nested_totals");
        let mut writer = self.writer();
        let parents = writer.typed_param(Param::Parents, "uuid[]");
        let mut source = writer.source(list.module, Visibility::Caller);
        let (Tie { before, condition: linked }, parent) = match tied {
            Tied::By(name) => {
                let parent = column(&source.alias, name);
                (Tie { before: String::new(), condition: writer.among(&parent, &parents) }, parent)
            }
            Tied::Along(relation, way) => {
                let dialect = self.dialect;
                let starts = move |id: &str| among(dialect, id, &parents);
                writer.along(relation, way, &starts, &source.alias.clone(), Visibility::Caller)
            }
        };
        let figures = writer.measures(&mut source, &list.totals);
        let conditions = writer.conditions(&mut source, &unpaged(list), Some(linked), by_rules);
        let from = writer.from(&source);
        let text = format!(
            "SELECT {parent}, {} FROM {before}{from} WHERE {} GROUP BY {parent}",
            texts(&figures),
            conditions.join(" AND ")
        );
        let columns = [vec![ColumnType::Id], columns(&figures)].concat();
        Statement { text, params: writer.into_params(), columns }
    }
}

/// The same list without its page, for counting.
fn unpaged(list: &List) -> List {
    let page = Page { after: None, before: None, ..list.page.clone() };
    List { page, outputs: Vec::new(), children: Vec::new(), histories: Vec::new(), ..list.clone() }
}

impl Writer<'_> {
    fn outputs(&mut self, source: &mut Source, list: &List) -> (Vec<String>, Vec<ColumnType>) {
        let mut values = Vec::with_capacity(list.outputs.len());
        let mut columns = Vec::with_capacity(list.outputs.len());
        let ordered: Vec<&FieldPath> = list.order.iter().map(|key| &key.path).collect();
        for path in &list.outputs {
            let others = list.outputs.iter().filter(|other| *other != path).chain(ordered.iter().copied());
            values.push(self.output(source, path, others));
            let (_, field) = self.end(source.module, path);
            columns.push(Shape::of(field).column_type());
        }
        if values.is_empty() {
            values.push("1".to_owned());
            columns.push(ColumnType::Integer);
        }
        (values, columns)
    }

    /// The conditions of a list's `WHERE`, at least one; with `by_rules` the record rules are among them.
    pub(crate) fn conditions(
        &mut self,
        source: &mut Source,
        list: &List,
        linked: Option<String>,
        by_rules: bool,
    ) -> Vec<String> {
        let alias = source.alias.clone();
        let mut conditions: Vec<String> = linked.into_iter().collect();
        let deleted_at = column(&alias, "deleted_at");
        match list.deleted {
            Deleted::Exclude if switched_off!("record.deleted") => {}
            Deleted::Exclude => conditions.push(format!("{deleted_at} IS NULL")),
            Deleted::Only => conditions.push(format!("{deleted_at} IS NOT NULL")),
            Deleted::Include => {}
        }
        if by_rules {
            conditions.extend(self.visible(list.module, &alias, source.visibility));
        }
        if let Some(filter) = &list.filter {
            conditions.push(self.condition(source, filter));
        }
        if let Some(values) = &list.page.after {
            conditions.push(self.keyset(source, &list.order, values, false));
        }
        if let Some(values) = &list.page.before {
            conditions.push(self.keyset(source, &list.order, values, true));
        }
        if conditions.is_empty() {
            conditions.push("1 = 1".to_owned());
        }
        conditions
    }

    /// `ORDER BY`, reversed where the page is taken from the end; nothing where one record is all there can be.
    fn order(&mut self, source: &mut Source, list: &List) -> String {
        let reversed = match list.page.take {
            Take::One => return String::new(),
            Take::First(_) => false,
            Take::Last(_) => true,
        };
        let mut keys = Vec::new();
        for key in &list.order {
            let direction = if key.descending != reversed { "DESC" } else { "ASC" };
            let nulls = match (key.nulls == Nulls::First) != reversed {
                true => "NULLS FIRST",
                false => "NULLS LAST",
            };
            let (_, field) = self.end(source.module, &key.path);
            let nulls = if key.path.hops.is_empty() && never_null(field) { String::new() } else { format!(" {nulls}") };
            let mut values = self.order_values(source, key).into_iter();
            keys.extend(values.next().map(|value| format!("{value} {direction}{nulls}")));
            // A text is null where its sort key is, so nulls are in their place already; and a second word on nulls keeps
            // SQLite from reading the order from an index.
            keys.extend(values.map(|value| format!("{value} {direction}")));
        }
        format!(" ORDER BY {}", keys.join(", "))
    }

    /// What a key orders by.
    fn order_values(&mut self, source: &mut Source, key: &OrderKey) -> Vec<String> {
        let (_, field) = self.end(source.module, &key.path);
        let (shape, places) = (Shape::of(field), places(field));
        let value = self.shown(source, &key.path);
        self.ordered(shape, places.as_ref(), value)
    }

    /// What puts values in their order: text by its sort key, then by code points; a choice by the places of its options.
    pub fn ordered(&mut self, shape: Shape, places: Option<&Value>, value: String) -> Vec<String> {
        if let Some(places) = places {
            return vec![self.place(places, &value)];
        }
        match (shape, self.dialect) {
            (Shape::Scalar(scalar), _) if scalar.is_text() => vec![format!("cardine_sort_key({value})"), value],
            (Shape::Scalar(ScalarType::Decimal { .. }), Dialect::Sqlite) => {
                vec![format!("{value} {DECIMAL_COLLATION}")]
            }
            _ => vec![value],
        }
    }

    pub(crate) fn limit(&mut self, page: &Page) -> String {
        let mut text = match page.take {
            Take::One => return String::new(),
            Take::First(slot) | Take::Last(slot) => {
                format!(" LIMIT {}", self.typed_param(Param::SlotPlus(slot, 1), "bigint"))
            }
        };
        if let Some(offset) = page.offset {
            text.push_str(&format!(" OFFSET {}", self.typed_param(Param::Slot(offset, Transform::None), "bigint")));
        }
        text
    }

    /// The condition that a record stands behind (or before) a place in the order:
    /// `k1 > v1 OR (k1 = v1 AND (k2 > v2 OR …))`, with nulls where the order has them.
    fn keyset(&mut self, source: &mut Source, order: &[OrderKey], values: &[KeysetValue], before: bool) -> String {
        let mut condition: Option<String> = None;
        for (key, value) in order.iter().zip(values).rev() {
            let beyond = self.beyond(source, key, *value, before);
            condition = Some(match condition {
                None => beyond,
                Some(rest) => format!("({beyond} OR ({} AND {rest}))", self.level(source, key, *value)),
            });
        }
        condition.unwrap_or_else(|| "1 = 1".to_owned())
    }

    fn beyond(&mut self, source: &mut Source, key: &OrderKey, value: KeysetValue, before: bool) -> String {
        let nulls_ahead = (key.nulls == Nulls::First) == before;
        let own = self.order_values(source, key);
        let plain = self.shown(source, &key.path);
        if value.is_null {
            return if nulls_ahead { "1 = 0".to_owned() } else { format!("{plain} IS NOT NULL") };
        }
        let operator = if key.descending == before { ">" } else { "<" };
        let theirs = self.keyset_params(source, key, value);
        let compared = match (own.as_slice(), theirs.as_slice()) {
            ([own], [theirs]) => format!("{own} {operator} {theirs}"),
            (own, theirs) => format!("({}) {operator} ({})", own.join(", "), theirs.join(", ")),
        };
        if nulls_ahead { format!("({compared} OR {plain} IS NULL)") } else { compared }
    }

    fn level(&mut self, source: &mut Source, key: &OrderKey, value: KeysetValue) -> String {
        let own = self.order_values(source, key);
        if value.is_null {
            return format!("{} IS NULL", self.shown(source, &key.path));
        }
        let theirs = self.keyset_params(source, key, value);
        let equal: Vec<String> = own.iter().zip(&theirs).map(|(own, theirs)| format!("{own} = {theirs}")).collect();
        equal.join(" AND ")
    }

    fn keyset_params(&mut self, source: &Source, key: &OrderKey, value: KeysetValue) -> Vec<String> {
        let (_, field) = self.end(source.module, &key.path);
        let (shape, places) = (Shape::of(field), places(field));
        let ty = shape.postgres_type();
        let own = self.operand(Param::Slot(value.slot, Transform::None), ty);
        if let Some(places) = places {
            return vec![self.place_of_cursor(&places, &own)];
        }
        match shape {
            Shape::Scalar(scalar) if scalar.is_text() => {
                vec![self.typed_param(Param::Slot(value.slot, Transform::SortKey), ty), own]
            }
            _ => vec![own],
        }
    }
}
