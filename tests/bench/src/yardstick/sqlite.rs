//! The statements for SQLite, and bare loops that write the JSON from their rows.
//!
//! A decimal is told as it stands in its column, a sum as a number. A reference to a record that is deleted, or that a manager
//! does not see, reads as null, as in Cardine.

use std::cell::RefCell;
use std::path::{Path, PathBuf};

use anyhow::{Context as _, bail};
use cardine_model::{Decimal, text};
use rusqlite::functions::FunctionFlags;
use rusqlite::types::ValueRef;
use rusqlite::{Connection, OpenFlags, Row};
use serde_json::Value as Json;
use uuid::Uuid;

use crate::questions::{Question, View};

/// A file, of which each thread opens a connection of its own.
pub struct File {
    path: PathBuf,
    /// `'…', '…'`: the owners whose records a manager sees.
    owners: String,
}

thread_local! {
    static CONNECTION: RefCell<Option<Connection>> = const { RefCell::new(None) };
}

/// How a column's value is written.
#[derive(Clone, Copy)]
enum Form {
    /// As what it is: text with escapes, or a number.
    Value,
    /// Text that needs no escapes: ids, choices, dates, decimals.
    Plain,
    /// 0 or 1.
    Truth,
}

type Columns = &'static [(&'static str, Form)];

const ORGANIZATION: Columns = &[
    ("id", Form::Plain),
    ("number", Form::Value),
    ("name", Form::Value),
    ("website", Form::Value),
    ("phone", Form::Value),
    ("email", Form::Value),
    ("employees", Form::Value),
    ("industry", Form::Plain),
    ("annualRevenue", Form::Plain),
    ("billingCity", Form::Value),
];
const LISTED: Columns = &[
    ("id", Form::Plain),
    ("number", Form::Value),
    ("name", Form::Value),
    ("amount", Form::Plain),
    ("closeDate", Form::Plain),
    ("stage", Form::Plain),
    ("probability", Form::Plain),
    ("type", Form::Plain),
    ("leadSource", Form::Plain),
    ("productLine", Form::Plain),
    ("nextStep", Form::Value),
    ("convertedFromLead", Form::Truth),
    ("version", Form::Value),
    ("createdAt", Form::Plain),
    ("updatedAt", Form::Plain),
];
const CUSTOMER: Columns = &[("id", Form::Plain), ("name", Form::Value)];
const CONTACT: Columns = &[("id", Form::Plain), ("firstName", Form::Value), ("lastName", Form::Value)];
const OPPORTUNITY: Columns =
    &[("id", Form::Plain), ("name", Form::Value), ("amount", Form::Plain), ("stage", Form::Plain)];
const OWNER: Columns = &[("id", Form::Plain), ("name", Form::Value)];
const WHOLE: Columns = &[
    ("id", Form::Plain),
    ("version", Form::Value),
    ("createdAt", Form::Plain),
    ("updatedAt", Form::Plain),
    ("ownerId", Form::Plain),
    ("deletedAt", Form::Plain),
    ("number", Form::Value),
    ("name", Form::Value),
    ("organizationId", Form::Plain),
    ("contactId", Form::Plain),
    ("amount", Form::Plain),
    ("closeDate", Form::Plain),
    ("stage", Form::Plain),
    ("probability", Form::Plain),
    ("type", Form::Plain),
    ("leadSource", Form::Plain),
    ("campaignId", Form::Plain),
    ("productLine", Form::Plain),
    ("nextStep", Form::Value),
    ("lostReason", Form::Plain),
    ("convertedFromLead", Form::Truth),
    ("convertedToProject", Form::Truth),
    ("description", Form::Value),
    ("region", Form::Plain),
    ("discount", Form::Plain),
];

impl File {
    /// The file at `path`.
    pub fn new(path: PathBuf, owners: &[Uuid]) -> Self {
        let owners: Vec<String> = owners.iter().map(|owner| format!("'{owner}'")).collect();
        Self { path, owners: owners.join(", ") }
    }

    /// Appends the answer's JSON.
    pub fn answer(&self, question: Question, view: View, variables: &Json, out: &mut Vec<u8>) -> anyhow::Result<()> {
        CONNECTION.with_borrow_mut(|connection| {
            let connection = match connection {
                Some(connection) => connection,
                none => none.insert(open(&self.path, "PRAGMA query_only = ON;")?),
            };
            let visible = |alias: &str| match view {
                View::All => String::new(),
                View::Team => format!("AND {alias}.owner_id IN ({})", self.owners),
            };
            ask(connection, question, &visible, variables, out)
        })
    }
}

/// Opens a file of Cardine's, with the functions that its indexes and the triggers of its search need.
pub fn open(path: &Path, pragmas: &str) -> anyhow::Result<Connection> {
    let flags = OpenFlags::SQLITE_OPEN_READ_WRITE | OpenFlags::SQLITE_OPEN_NO_MUTEX;
    let connection = Connection::open_with_flags(path, flags)?;
    connection.set_prepared_statement_cache_capacity(64);
    connection.execute_batch(&format!("PRAGMA mmap_size = 268435456; PRAGMA temp_store = MEMORY; {pragmas}"))?;
    let flags = FunctionFlags::SQLITE_UTF8 | FunctionFlags::SQLITE_DETERMINISTIC | FunctionFlags::SQLITE_INNOCUOUS;
    type TextFunction = fn(&str) -> String;
    let functions: [(&str, TextFunction); 4] = [
        ("cardine_fold", |value| text::fold(value).into_owned()),
        ("cardine_sort_key", |value| text::sort_key(value).into_owned()),
        ("cardine_words", text::words::words_text),
        ("cardine_plain", text::words::plain),
    ];
    for (name, function) in functions {
        connection.create_scalar_function(name, 1, flags, move |context| match context.get_raw(0) {
            ValueRef::Text(bytes) => Ok(Some(function(std::str::from_utf8(bytes)?))),
            _ => Ok(None),
        })?;
    }
    connection.create_collation("cardine_decimal", Decimal::compare_text)?;
    Ok(connection)
}

fn ask(
    connection: &Connection,
    question: Question,
    visible: &dyn Fn(&str) -> String,
    variables: &Json,
    out: &mut Vec<u8>,
) -> anyhow::Result<()> {
    let given = |name: &str| variables[name].as_str().with_context(|| format!("no {name}"));
    match question {
        Question::ById => {
            let mut statement = connection.prepare_cached(&format!(
                "SELECT o.id, o.number, o.name, o.website, o.phone, o.email, o.employees, o.industry, o.annual_revenue,
                   o.billing_city
                 FROM organization o WHERE o.id = ?1 AND o.deleted_at IS NULL {}",
                visible("o")
            ))?;
            let mut rows = statement.query([given("id")?])?;
            match rows.next()? {
                Some(row) => object(row, 0, ORGANIZATION, out)?,
                None => out.extend_from_slice(b"null"),
            }
        }
        Question::List => {
            let mut statement = connection.prepare_cached(&format!(
                "SELECT o.id, o.number, o.name, o.amount, o.close_date, o.stage, o.probability, o.type, o.lead_source,
                   o.product_line, o.next_step, o.converted_from_lead, o.version, o.created_at, o.updated_at
                 FROM opportunity o
                 WHERE o.stage = ?1 AND CAST(o.amount AS REAL) >= CAST(?2 AS REAL) AND o.deleted_at IS NULL {}
                 ORDER BY o.close_date DESC, o.id DESC LIMIT 50",
                visible("o")
            ))?;
            nodes(statement.query([given("stage")?, given("amount")?])?, LISTED, out)?;
        }
        Question::Nested => {
            nested(connection, visible, given("from")?, out)?;
        }
        Question::Groups => {
            let mut statement = connection.prepare_cached(&format!(
                "SELECT o.stage, count(*), sum(CAST(round(CAST(o.amount AS REAL) * 100) AS INTEGER))
                 FROM opportunity o WHERE o.deleted_at IS NULL {} GROUP BY o.stage",
                visible("o")
            ))?;
            let mut rows = statement.query([])?;
            out.push(b'[');
            while let Some(row) = rows.next()? {
                let cents: i64 = row.get(2)?;
                separate(out);
                out.extend_from_slice(br#"{"key":{"stage":"#);
                value(row.get_ref(0)?, Form::Plain, out)?;
                out.extend_from_slice(br#"},"count":"#);
                value(row.get_ref(1)?, Form::Value, out)?;
                out.extend_from_slice(
                    format!(r#","sum":{{"amount":"{}.{:02}"}}}}"#, cents / 100, cents % 100).as_bytes(),
                );
            }
            out.push(b']');
        }
        Question::Thousand => {
            let mut statement = connection.prepare_cached(&format!(
                r#"SELECT o.id, o.version, o.created_at, o.updated_at,
                     coalesce((SELECT u.id FROM "user" u WHERE u.id = o.owner_id AND u.deleted_at IS NULL),
                       (SELECT g.id FROM "group" g WHERE g.id = o.owner_id AND g.deleted_at IS NULL)),
                     o.deleted_at, o.number, o.name,
                     (SELECT x.id FROM organization x WHERE x.id = o.organization_id AND x.deleted_at IS NULL {}),
                     (SELECT c.id FROM contact c WHERE c.id = o.contact_id AND c.deleted_at IS NULL {}),
                     o.amount, o.close_date, o.stage, o.probability, o.type, o.lead_source,
                     (SELECT a.id FROM campaign a WHERE a.id = o.campaign_id AND a.deleted_at IS NULL {}),
                     o.product_line, o.next_step, o.lost_reason, o.converted_from_lead, o.converted_to_project,
                     o.description, o.region, o.discount
                   FROM opportunity o WHERE o.close_date >= ?1 AND o.deleted_at IS NULL {}
                   ORDER BY o.close_date, o.id LIMIT 1000"#,
                visible("x"),
                visible("c"),
                visible("a"),
                visible("o")
            ))?;
            nodes(statement.query([given("from")?])?, WHOLE, out)?;
        }
    }
    Ok(())
}

fn nested(
    connection: &Connection,
    visible: &dyn Fn(&str) -> String,
    from: &str,
    out: &mut Vec<u8>,
) -> anyhow::Result<()> {
    let owner = |alias: &str| format!(r#"LEFT JOIN "user" u ON u.id = {alias}.owner_id AND u.deleted_at IS NULL"#);
    let mut customers = connection.prepare_cached(&format!(
        "SELECT o.id, o.name FROM organization o
         WHERE o.type = 'CUSTOMER' AND o.created_at >= ?1 AND o.deleted_at IS NULL {}
         ORDER BY o.created_at, o.id LIMIT 20",
        visible("o")
    ))?;
    let mut contacts = connection.prepare_cached(&format!(
        "SELECT c.id, c.first_name, c.last_name, u.id, u.name FROM contact c {}
         WHERE c.organization_id = ?1 AND c.deleted_at IS NULL {} ORDER BY c.id LIMIT 10",
        owner("c"),
        visible("c")
    ))?;
    let mut opportunities = connection.prepare_cached(&format!(
        "SELECT p.id, p.name, p.amount, p.stage, u.id, u.name FROM opportunity p {}
         WHERE p.organization_id = ?1 AND p.deleted_at IS NULL {}
         ORDER BY CAST(p.amount AS REAL) DESC, p.id DESC LIMIT 10",
        owner("p"),
        visible("p")
    ))?;
    let mut rows = customers.query([from])?;
    out.extend_from_slice(br#"{"nodes":["#);
    while let Some(row) = rows.next()? {
        let id = row.get_ref(0)?.as_str()?;
        separate(out);
        object(row, 0, CUSTOMER, out)?;
        out.pop();
        out.extend_from_slice(br#","contacts":"#);
        owned(contacts.query([id])?, CONTACT, out)?;
        out.extend_from_slice(br#","opportunities":"#);
        owned(opportunities.query([id])?, OPPORTUNITY, out)?;
        out.push(b'}');
    }
    out.extend_from_slice(b"]}");
    Ok(())
}

fn nodes(mut rows: rusqlite::Rows<'_>, columns: Columns, out: &mut Vec<u8>) -> anyhow::Result<()> {
    out.extend_from_slice(br#"{"nodes":["#);
    while let Some(row) = rows.next()? {
        separate(out);
        object(row, 0, columns, out)?;
    }
    out.extend_from_slice(b"]}");
    Ok(())
}

/// Rows whose last columns are their owner's.
fn owned(mut rows: rusqlite::Rows<'_>, columns: Columns, out: &mut Vec<u8>) -> anyhow::Result<()> {
    out.extend_from_slice(br#"{"nodes":["#);
    while let Some(row) = rows.next()? {
        separate(out);
        object(row, 0, columns, out)?;
        out.pop();
        out.extend_from_slice(br#","owner":"#);
        match row.get_ref(columns.len())? {
            ValueRef::Null => out.extend_from_slice(b"null"),
            _ => object(row, columns.len(), OWNER, out)?,
        }
        out.push(b'}');
    }
    out.extend_from_slice(b"]}");
    Ok(())
}

fn object(row: &Row<'_>, first: usize, columns: Columns, out: &mut Vec<u8>) -> anyhow::Result<()> {
    out.push(b'{');
    for (position, (name, form)) in columns.iter().enumerate() {
        if position > 0 {
            out.push(b',');
        }
        out.push(b'"');
        out.extend_from_slice(name.as_bytes());
        out.extend_from_slice(b"\":");
        value(row.get_ref(first + position)?, *form, out)?;
    }
    out.push(b'}');
    Ok(())
}

fn value(value: ValueRef<'_>, form: Form, out: &mut Vec<u8>) -> anyhow::Result<()> {
    match (value, form) {
        (ValueRef::Null, _) => out.extend_from_slice(b"null"),
        (ValueRef::Integer(truth), Form::Truth) => out.extend_from_slice(if truth == 0 { b"false" } else { b"true" }),
        (ValueRef::Integer(number), _) => out.extend_from_slice(itoa::Buffer::new().format(number).as_bytes()),
        (ValueRef::Text(text), Form::Value) => serde_json::to_writer(out, std::str::from_utf8(text)?)?,
        (ValueRef::Text(text), _) => {
            out.push(b'"');
            out.extend_from_slice(text);
            out.push(b'"');
        }
        (other, _) => bail!("a column holds {:?}", other.data_type()),
    }
    Ok(())
}

/// A comma behind what stands in the list already.
fn separate(out: &mut Vec<u8>) {
    if out.last() != Some(&b'[') {
        out.push(b',');
    }
}
