//! The history of records → its statements: entries and their number, the changes of each entry, the users that it names.
//!
//! An entry's changes are one JSON object by the fields' keys. What the caller may not read is left out where they are taken
//! apart, so that an update of hidden fields alone is neither shown nor counted; so is what a definition calls sensitive, for all
//! but administrators. A reference shows the id of a record that the
//! caller may see, and is no change if both of its sides are out of sight.

use cardine_failpoints::switched_off;
use cardine_model::Value;
use cardine_model::catalog::{Field, FieldKind, Module, ModuleId, Relation};
use cardine_query::{History, HistoryUser, List, Page, Take};

use crate::hierarchy::Tied;
use crate::ident::{column, quote};
use crate::list::{ListStatements, Making};
use crate::statement::{ColumnType, Dialect, Param, Statement, Transform};
use crate::writer::{Visibility, Writer};

/// What was done to a record as a whole: shown whatever changed.
pub const WHOLE_ACTIONS: [&str; 5] = ["CREATED", "DELETED", "RESTORED", "DESTROYED", "MERGED"];
/// What was done to some of a record's fields: shown with a change that the caller may see.
pub const PART_ACTIONS: [&str; 3] = ["UPDATED", "LINKED", "UNLINKED"];

const TABLE: &str = "audit_entry";

/// An entry's values, in the order that [`History`] tells.
const ENTRY: [(&str, ColumnType); 7] = [
    ("id", ColumnType::Id),
    ("at", ColumnType::DateTime),
    ("action", ColumnType::Text),
    ("via", ColumnType::Text),
    ("request_id", ColumnType::Text),
    ("actor_id", ColumnType::Id),
    ("on_behalf_of_id", ColumnType::Id),
];

/// What a caller may see of a module's changes, by the fields' keys.
#[derive(Default)]
struct Shown {
    /// Of these all values.
    plain: Vec<String>,
    /// Of these the ids of visible records: references with the same targets together.
    references: Vec<(Vec<ModuleId>, Vec<String>)>,
    /// Of these the links with visible records: relations with the same module together.
    links: Vec<(Vec<ModuleId>, Vec<String>)>,
}

/// One side of a change.
#[derive(Clone, Copy)]
enum Side {
    Old,
    New,
}

impl Making<'_> {
    pub(crate) fn histories(&self, list: &List) -> Vec<ListStatements> {
        let statements = |history: &History| {
            let module = history.at.last().map_or(list.module, |hop| hop.target);
            let changes = self.changes(module, history.changes);
            let children = [changes].into_iter().chain(history.users.iter().map(|user| self.user(user))).collect();
            ListStatements {
                rows: history.rows.then(|| self.entries(module, &history.page)),
                totals: history.count.then(|| self.entry_counts(module)),
                take: history.page.take,
                parent_output: history.parent_output,
                children,
                histories: Vec::new(),
            }
        };
        list.histories.iter().map(statements).collect()
    }

    /// A list of one record for each of the ids.
    fn user(&self, user: &HistoryUser) -> ListStatements {
        ListStatements {
            rows: Some(self.nested_rows(&user.list, Tied::By("id"))),
            totals: None,
            take: user.list.page.take,
            parent_output: user.entry_value,
            children: self.children(&user.list),
            histories: self.histories(&user.list),
        }
    }

    fn entries(&self, module: ModuleId, page: &Page) -> Statement {
        let mut writer = self.writer();
        let parents = writer.typed_param(Param::Parents, "uuid[]");
        let direction = if matches!(page.take, Take::Last(_)) { "ASC" } else { "DESC" };
        let values = |alias: &str| ENTRY.map(|(name, _)| column(alias, name)).join(", ");
        let (values, picked) = (values("h"), values("e"));
        let parent = if self.dialect == Dialect::Postgres { "p.id" } else { "p.value" };
        let mut conditions = vec![format!("{} = {parent}", column("e", "record_id")), writer.is_shown(module)];
        for (place, operator) in [(&page.after, "<"), (&page.before, ">")] {
            for value in place.iter().flatten() {
                let id = writer.typed_param(Param::Slot(value.slot, Transform::None), "uuid");
                conditions.push(format!("{} {operator} {id}", column("e", "id")));
            }
        }
        let limit = writer.limit(page);
        let (table, conditions) = (quote(TABLE), conditions.join(" AND "));
        let order = format!("ORDER BY {} {direction}", column("e", "id"));
        let text = match self.dialect {
            Dialect::Postgres => format!(
                "SELECT p.id, {values} FROM unnest({parents}) AS p(id) CROSS JOIN LATERAL \
                 (SELECT {picked} FROM {table} e WHERE {conditions} {order}{limit}) h"
            ),
            Dialect::Sqlite => format!(
                "SELECT p.value, {values} FROM json_each({parents}) p CROSS JOIN {table} h WHERE h.rowid IN \
                 (SELECT e.rowid FROM {table} e WHERE {conditions} {order}{limit}) \
                 ORDER BY p.key, {} {direction}",
                column("h", "id")
            ),
        };
        let columns = [ColumnType::Id].into_iter().chain(ENTRY.iter().map(|(_, ty)| *ty)).collect();
        Statement { text, params: writer.into_params(), columns }
    }

    fn entry_counts(&self, module: ModuleId) -> Statement {
        let mut writer = self.writer();
        let parents = writer.typed_param(Param::Parents, "uuid[]");
        let record = column("e", "record_id");
        let (among, shown) = (writer.among(&record, &parents), writer.is_shown(module));
        let text =
            format!("SELECT {record}, count(*) FROM {} e WHERE {among} AND {shown} GROUP BY {record}", quote(TABLE));
        Statement { text, params: writer.into_params(), columns: vec![ColumnType::Id, ColumnType::Integer] }
    }

    /// Of the entries with the parents' ids: key, old and new value of each change.
    fn changes(&self, module: ModuleId, wanted: bool) -> ListStatements {
        ListStatements {
            rows: wanted.then(|| self.change_rows(module)),
            totals: None,
            take: Take::One,
            parent_output: 0,
            children: Vec::new(),
            histories: Vec::new(),
        }
    }

    fn change_rows(&self, module: ModuleId) -> Statement {
        let mut writer = self.writer();
        let parents = writer.typed_param(Param::Parents, "uuid[]");
        let shown = Shown::of(&writer, module);
        let id = column("e", "id");
        let (old, new) = (writer.side(&shown, Side::Old), writer.side(&shown, Side::New));
        let condition = writer.shows(&shown);
        let (table, parts) = (quote(TABLE), writer.parts_of("e"));
        let text = match self.dialect {
            Dialect::Postgres => format!(
                "SELECT {id}, c.key, {old}, {new} FROM {table} e CROSS JOIN LATERAL {parts} \
                 WHERE {} AND {condition} ORDER BY {id}, c.key COLLATE \"C\"",
                writer.among(&id, &parents)
            ),
            Dialect::Sqlite => format!(
                "SELECT {id}, c.key, {old}, {new} FROM json_each({parents}) p CROSS JOIN {table} e CROSS JOIN {parts} \
                 WHERE {id} = p.value AND {condition} ORDER BY p.key, c.key"
            ),
        };
        let columns = vec![ColumnType::Id, ColumnType::Text, ColumnType::Json, ColumnType::Json];
        Statement { text, params: writer.into_params(), columns }
    }
}

impl Shown {
    fn of(writer: &Writer<'_>, module: ModuleId) -> Self {
        let (catalog, rights) = (writer.catalog, writer.rights);
        let definition = catalog.module(module);
        let key = |field: &Field| definition.history_key(field).into_owned();
        let mut shown = Self::default();
        let document = (!rights.administrator).then(|| definition.definition());
        let is_kept_back = |field: &Field| {
            let fields = document.iter().flat_map(|document| document.fields.iter());
            fields.filter(|one| one.sensitive).any(|one| one.name == field.name)
        };
        let is_readable = |field: &&Field| rights.can_read(module, field.id) || switched_off!("history.field");
        let is_told = |field: &&Field| !is_kept_back(field) || switched_off!("history.sensitive");
        for field in definition.own_fields().filter(is_readable).filter(is_told) {
            match &field.kind {
                _ if field.system && field.id != Module::OWNER => {}
                FieldKind::Reference(_) => {
                    put(&mut shown.references, rights.readable_targets(field).collect(), key(field));
                }
                FieldKind::References { .. }
                | FieldKind::Formula(_)
                | FieldKind::Rollup(_)
                | FieldKind::Computed(_) => {}
                _ => shown.plain.push(key(field)),
            }
        }
        let exists = |relation: &&Relation| rights.can_read_relation(relation) || switched_off!("history.link");
        for relation in definition.relations.iter().filter(exists) {
            if let Some(key) = catalog.link_history_key(relation) {
                put(&mut shown.links, vec![catalog.related_module(relation)], key);
            }
        }
        shown
    }
}

fn put(groups: &mut Vec<(Vec<ModuleId>, Vec<String>)>, targets: Vec<ModuleId>, key: String) {
    match groups.iter_mut().find(|(known, _)| *known == targets) {
        Some((_, keys)) => keys.push(key),
        None => groups.push((targets, vec![key])),
    }
}

impl Writer<'_> {
    /// The condition that the entry `e` is there for the caller.
    fn is_shown(&mut self, module: ModuleId) -> String {
        let shown = Shown::of(self, module);
        let action = column("e", "action");
        let (whole, part) = (self.words(&WHOLE_ACTIONS), self.words(&PART_ACTIONS));
        let (whole, part) = (self.among(&action, &whole), self.among(&action, &part));
        let (parts, condition) = (self.parts_of("e"), self.shows(&shown));
        format!("({whole} OR ({part} AND EXISTS (SELECT 1 FROM {parts} WHERE {condition})))")
    }

    /// An entry's changes as rows `c` of key and value.
    fn parts_of(&self, entry: &str) -> String {
        let changes = column(entry, "changes");
        match self.dialect {
            Dialect::Postgres => format!("json_each({changes}::json) AS c(key, value)"),
            Dialect::Sqlite => format!("json_each({changes}) c"),
        }
    }

    /// The condition that the change `c` is there for the caller. The cases keep a value from being taken for an id that is none.
    fn shows(&mut self, shown: &Shown) -> String {
        let mut ways = Vec::new();
        if !shown.plain.is_empty() {
            ways.push(format!("WHEN {} THEN 1 = 1", self.is_one_of(&shown.plain)));
        }
        for (targets, keys) in &shown.references {
            let keys = self.is_one_of(keys);
            let [old, new] = [Side::Old, Side::New].map(|side| {
                let id = self.id_in(side);
                let text = self.text_in(side);
                format!("CASE WHEN {} THEN {text} END", self.is_visible(targets, &id))
            });
            let differ = if self.dialect == Dialect::Postgres { "IS DISTINCT FROM" } else { "IS NOT" };
            ways.push(format!("WHEN {keys} THEN {old} {differ} {new}"));
        }
        for (targets, keys) in &shown.links {
            let (keys, id) = (self.is_one_of(keys), self.linked_id());
            ways.push(format!("WHEN {keys} THEN {}", self.is_visible(targets, &id)));
        }
        if ways.is_empty() { "1 = 0".to_owned() } else { format!("CASE {} ELSE 1 = 0 END", ways.join(" ")) }
    }

    /// One side of the change `c` as the caller sees it.
    fn side(&mut self, shown: &Shown, side: Side) -> String {
        let value = self.json_in(side);
        let mut ways = Vec::new();
        for (targets, keys) in &shown.references {
            let (keys, id) = (self.is_one_of(keys), self.id_in(side));
            ways.push(format!("WHEN {keys} THEN CASE WHEN {} THEN {value} END", self.is_visible(targets, &id)));
        }
        // A link is there as a whole or not at all.
        if ways.is_empty() { value } else { format!("CASE {} ELSE {value} END", ways.join(" ")) }
    }

    fn is_visible(&mut self, targets: &[ModuleId], id: &str) -> String {
        let catalog = self.catalog;
        let of_target = targets.iter().map(|target| {
            let source = self.source(*target, Visibility::Caller);
            let visibility = Visibility::Caller.unless(switched_off!("history.record"));
            let live = self.live_and_visible(*target, &source.alias, visibility);
            let table = quote(&catalog.module(*target).table);
            format!(
                "EXISTS (SELECT 1 FROM {table} {0} WHERE {1} = {id} AND {live})",
                source.alias,
                column(&source.alias, "id")
            )
        });
        let ways: Vec<String> = of_target.collect();
        if ways.is_empty() { "1 = 0".to_owned() } else { format!("({})", ways.join(" OR ")) }
    }

    fn is_one_of(&mut self, keys: &[String]) -> String {
        let keys = self.words(keys);
        self.among("c.key", &keys)
    }

    fn words<T: AsRef<str>>(&mut self, words: &[T]) -> String {
        let words = words.iter().map(|word| Value::Text(word.as_ref().to_owned())).collect();
        self.typed_param(Param::Value(Value::List(words), Transform::None), "text[]")
    }

    fn json_in(&mut self, side: Side) -> String {
        let place = self.place_in_json(side.word(), None);
        format!("c.value -> {place}")
    }

    fn text_in(&mut self, side: Side) -> String {
        let place = self.place_in_json(side.word(), None);
        format!("c.value ->> {place}")
    }

    fn id_in(&mut self, side: Side) -> String {
        let text = self.text_in(side);
        self.id_of(&text)
    }

    /// The id of the record that a link leads to: that of both sides, if both are there.
    fn linked_id(&mut self) -> String {
        let [new, old] = [Side::New, Side::Old].map(|side| match self.dialect {
            Dialect::Postgres => format!("c.value -> {}", self.place_in_json(side.word(), Some("id"))),
            Dialect::Sqlite => format!("c.value ->> {}", self.place_in_json(side.word(), Some("id"))),
        });
        self.id_of(&format!("coalesce({new}, {old})"))
    }

    /// The key of an object in a JSON document, and of one inside it: as what stands behind an arrow.
    fn place_in_json(&mut self, key: &str, inner: Option<&str>) -> String {
        match (self.dialect, inner) {
            (Dialect::Postgres, None) => self.fixed_text(key),
            (Dialect::Postgres, Some(inner)) => format!("{} ->> {}", self.fixed_text(key), self.fixed_text(inner)),
            (Dialect::Sqlite, None) => self.fixed_text(&format!("$.{key}")),
            (Dialect::Sqlite, Some(inner)) => self.fixed_text(&format!("$.{key}.{inner}")),
        }
    }

    fn fixed_text(&mut self, word: &str) -> String {
        self.typed_param(Param::Value(Value::Text(word.to_owned()), Transform::None), "text")
    }

    /// Text as an id; null if it is none, as a field may have held other values before.
    fn id_of(&mut self, text: &str) -> String {
        match self.dialect {
            Dialect::Postgres => {
                let form = self.fixed_text("^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$");
                format!("CASE WHEN ({text}) ~ {form} THEN ({text})::uuid END")
            }
            Dialect::Sqlite => text.to_owned(),
        }
    }
}

impl Side {
    fn word(self) -> &'static str {
        match self {
            Self::Old => "old",
            Self::New => "new",
        }
    }
}
