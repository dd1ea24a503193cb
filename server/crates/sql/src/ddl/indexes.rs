//! Which indexes a module's table has, what they are over, and what they are called.
//!
//! All but one are over live records only (`WHERE deleted_at IS NULL`), as are the statements that use them; that is also what
//! frees a unique value on delete. There is one for
//! - each unique set of fields;
//! - each own reference and the owner, for to-many relations, rollups, deletes and the visibility of private records;
//! - each field declared `indexed`, and each of the module's `indexes`;
//! - `createdAt`, which is written once, so that it costs little. `updatedAt`, `createdBy` and `updatedBy` have none by themselves,
//!   as they would cost every update a write to each; a module may declare them in its `indexes`;
//! - on PostgreSQL, the words of each field that the search reads; [`super::search`] tells what SQLite has in their place;
//! - on PostgreSQL, the ids of deleted records, of which there are few: whether a reference leads to one is seen there, without a look
//!   at the record. SQLite would take the primary key nevertheless.
//!
//! Keys follow the statements' order: text by its sort key and then itself, `id` last, so that pages are read without sorting.

use cardine_model::ScalarType;
use cardine_model::catalog::{Field, FieldId, FieldKind, Module, TextFormat};

use super::search::{searched_fields, searched_text};
use crate::expr::{DECIMAL_COLLATION, Shape};
use crate::ident::quote;
use crate::statement::Dialect;

/// Longest name of anything in PostgreSQL, in bytes; it cuts off the rest.
const NAME_LENGTH_MAX: usize = 63;

/// Most characters of text in one index on PostgreSQL whose texts stand in it twice, as sort key and as they are: it refuses a
/// row whose index entry has more than about 2,700 bytes, and a character has up to 4.
const DOUBLED_TEXT_LENGTH_MAX: u32 = 300;

/// Longest e-mail address (RFC 5321) in characters.
const EMAIL_LENGTH_MAX: u32 = 254;

/// Longest phone number in characters, with room.
const PHONE_LENGTH_MAX: u32 = 40;

/// One index of a table.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Index {
    /// Its name, in which table and fields stand.
    pub name: String,
    unique: bool,
    /// `USING …`, if it is not the usual kind.
    method: &'static str,
    keys: Vec<String>,
    /// Whether it is over deleted records, and not over live ones.
    deleted: bool,
}

impl Index {
    pub(super) fn create(&self, module: &Module) -> String {
        format!(
            "CREATE {}INDEX {} ON {} {}({}) WHERE {} IS {}NULL",
            if self.unique { "UNIQUE " } else { "" },
            quote(&self.name),
            quote(&module.table),
            self.method,
            self.keys.join(", "),
            quote("deleted_at"),
            if self.deleted { "NOT " } else { "" }
        )
    }

    /// Whether one of its keys is made of this column.
    pub(super) fn is_over(&self, column: &str) -> bool {
        let column = quote(column);
        self.keys.iter().any(|key| key.contains(&column))
    }

    /// The same under another name.
    pub(super) fn named(self, name: String) -> Self {
        Self { name, ..self }
    }

    /// Gives it the name of another.
    pub(super) fn rename(&self, other: &Self) -> String {
        format!("ALTER INDEX {} RENAME TO {}", quote(&self.name), quote(&other.name))
    }

    pub(super) fn drop_statement(&self) -> String {
        format!("DROP INDEX {}", quote(&self.name))
    }
}

/// The names of the indexes that a module's table has, its primary key's apart.
pub fn index_names(dialect: Dialect, module: &Module) -> Vec<String> {
    indexes_of(dialect, module).into_iter().map(|index| index.name).collect()
}

/// The statements that make those of a module's indexes which are not among `there`, unique ones apart: an older program did not make
/// them.
pub fn missing_indexes(dialect: Dialect, module: &Module, there: &dyn Fn(&str) -> bool) -> Vec<String> {
    let missing = indexes_of(dialect, module).into_iter().filter(|index| !index.unique && !there(&index.name));
    missing.map(|index| index.create(module)).collect()
}

/// The fields whose values must be unique together by the index of this name; `None` if the module has no such index.
pub fn unique_index_fields<'a>(module: &'a Module, index_name: &str) -> Option<&'a [FieldId]> {
    if index_name == primary_key_name(module) || index_name.strip_suffix("_pkey") == Some(&module.table) {
        return Some(&[Module::ID]);
    }
    module.uniques.iter().find(|fields| name(UNIQUE, module, fields) == index_name).map(Vec::as_slice)
}

/// The name of the primary key's index. PostgreSQL would choose `lead_pkey`, the table of a module `LeadPkey`.
pub(super) fn primary_key_name(module: &Module) -> String {
    name(PRIMARY, module, &[])
}

/// The keys of a unique index over `fields`, which all have a value where it compares.
pub(super) fn unique_keys(dialect: Dialect, module: &Module, fields: &[FieldId]) -> Vec<String> {
    unique(dialect, module, fields).keys
}

/// All indexes of a module's table, its primary key's apart; each once.
pub(super) fn indexes_of(dialect: Dialect, module: &Module) -> Vec<Index> {
    let uniques = module.uniques.iter().map(|fields| unique(dialect, module, fields));
    let is_unique = |field: &Field| module.uniques.iter().any(|fields| fields.as_slice() == [field.id]);
    let single = module
        .fields
        .iter()
        .filter(|field| {
            field.kept_column().is_some() && is_indexed(field) && !(field.reference().is_some() && is_unique(field))
        })
        .map(|field| vec![field.id]);
    let ordered = single.chain(module.indexes.iter().cloned()).map(|fields| ordered(dialect, module, fields));
    let mut indexes: Vec<Index> = Vec::new();
    let searched =
        searched_fields(module).filter(|_| dialect == Dialect::Postgres).map(|field| searched(module, field));
    // No reference leads to a link.
    let deleted = (dialect == Dialect::Postgres && module.link.is_none()).then(|| deleted(module));
    for index in uniques.chain(ordered).chain(searched).chain(deleted) {
        if !indexes.iter().any(|known| known.name == index.name) {
            indexes.push(index);
        }
    }
    indexes
}

fn is_indexed(field: &Field) -> bool {
    let own_reference = field.reference().is_some() && !field.system;
    field.indexed || own_reference || field.id == Module::OWNER || field.id == Module::CREATED_AT
}

/// Text is unique by its folded form: `Anna@x.it` and `anna@X.it` are one address.
fn unique(dialect: Dialect, module: &Module, fields: &[FieldId]) -> Index {
    let keys = columns(module, fields).map(|(field, column)| match is_text(field) {
        true => format!("cardine_fold({column})"),
        false => compared(dialect, field, column),
    });
    Index { name: name(UNIQUE, module, fields), keys: keys.collect(), method: "", unique: true, deleted: false }
}

fn ordered(dialect: Dialect, module: &Module, fields: Vec<FieldId>) -> Index {
    let doubled_length: u32 =
        columns(module, &fields).map(|(field, _)| text_length_max(field)).fold(0, u32::saturating_add);
    let too_long = dialect == Dialect::Postgres && doubled_length > DOUBLED_TEXT_LENGTH_MAX;
    let mut keys: Vec<String> = columns(module, &fields)
        .flat_map(|(field, column)| match is_text(field) {
            // Ties of equal sort keys are then sorted, which is still right.
            true if too_long => vec![format!("cardine_sort_key({column})")],
            true => vec![format!("cardine_sort_key({column})"), column],
            false => vec![compared(dialect, field, column)],
        })
        .collect();
    if !fields.contains(&Module::ID) {
        keys.push(quote("id"));
    }
    Index { name: name(ORDERED, module, &fields), keys, method: "", unique: false, deleted: false }
}

/// The words of a searched field, for PostgreSQL.
fn searched(module: &Module, field: &Field) -> Index {
    let column = quote(field.column.as_deref().unwrap_or_default());
    let text = searched_text(Dialect::Postgres, field, &column);
    let (name, keys) = (name(SEARCHED, module, &[field.id]), vec![format!("cardine_words({text})")]);
    Index { name, keys, method: "USING gin ", unique: false, deleted: false }
}

/// The ids of deleted records.
fn deleted(module: &Module) -> Index {
    let (name, keys) = (name(DELETED, module, &[]), vec![quote("id")]);
    Index { name, keys, method: "", unique: false, deleted: true }
}

fn columns<'a>(module: &'a Module, fields: &'a [FieldId]) -> impl Iterator<Item = (&'a Field, String)> {
    fields.iter().filter_map(|id| {
        let field = module.field(*id);
        field.kept_column().map(|column| (field, quote(column)))
    })
}

fn compared(dialect: Dialect, field: &Field, column: String) -> String {
    match (dialect, Shape::of(field)) {
        (Dialect::Sqlite, Shape::Scalar(ScalarType::Decimal { .. })) => format!("{column} {DECIMAL_COLLATION}"),
        _ => column,
    }
}

fn is_text(field: &Field) -> bool {
    field.scalar().is_some_and(ScalarType::is_text)
}

/// Most characters of a text field; 0 of others.
fn text_length_max(field: &Field) -> u32 {
    match &field.kind {
        FieldKind::Text { format: TextFormat::Email, .. } => EMAIL_LENGTH_MAX,
        FieldKind::Text { format: TextFormat::Phone, .. } => PHONE_LENGTH_MAX,
        FieldKind::Text { max_length, .. } => max_length.unwrap_or(u32::MAX),
        FieldKind::AutoNumber { format } => u32::try_from(format.len()).unwrap_or(u32::MAX),
        _ => 0,
    }
}

const ORDERED: &str = "_ix";
const UNIQUE: &str = "_ux";
const PRIMARY: &str = "_pk";
const SEARCHED: &str = "_fx";
const DELETED: &str = "_dx";

/// `_ix_sales_order__status__due_date`. Indexes share a name space with tables, of which none of a module begins with `_`; and no
/// SQL name has two `_` beside each other, so that different tables and columns never give one name. What is too long
/// ends in a hash of the whole.
fn name(kind: &str, module: &Module, fields: &[FieldId]) -> String {
    let mut name = format!("{kind}_{}", module.table);
    for id in fields {
        name.push_str("__");
        name.push_str(module.field(*id).kept_column().unwrap_or_default());
    }
    if name.len() <= NAME_LENGTH_MAX {
        return name;
    }
    let hash = format!("__{:016x}", fnv1a(&name));
    // Names are ASCII, so that any byte is a character's end.
    name.truncate(NAME_LENGTH_MAX - hash.len());
    name + &hash
}

/// FNV-1a with 64 bits: the same in every version of Cardine, as names must be found again.
pub(super) fn fnv1a(text: &str) -> u64 {
    text.bytes().fold(0xcbf2_9ce4_8422_2325, |hash, byte| (hash ^ u64::from(byte)).wrapping_mul(0x0000_0100_0000_01b3))
}
