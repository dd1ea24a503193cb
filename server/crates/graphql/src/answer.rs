//! From rows to JSON bytes along the form of the answer: no tree of values in between.

mod history;
mod search;

use std::cmp::Ordering;

use cardine_engine::{Cell, Group};
use rustc_hash::FxHashMap;
use uuid::Uuid;

use crate::compile::Viewer;
use crate::computed::ComputedColumn;
use crate::cursor::{CursorContext, CursorKey};
use crate::error::{Code, Error};
use crate::file_link::FileLinks;
use crate::shape::{
    BulkField, ConnectionField, ConnectionShape, EdgeField, Encoding, FieldShape, Fields, FigureField, NodesShape,
    ObjectShape, PageInfoField, RootField, Target, ViewerField,
};

/// The rows that answer one list. The engine's are one kind; the writer's own tests have another.
pub trait Rows {
    /// The value of output `output` in row `row`.
    fn cell(&self, row: usize, output: usize) -> Cell<'_>;
    /// The figure at this position of the list's totals, for one of its parts; null if it has no records.
    fn total(&self, group: &Group, position: usize) -> Cell<'_>;
    /// The whole of a list that is not nested.
    fn root(&self) -> Group;
    /// The part of the parent with this id; empty if it has none.
    fn of_parent(&self, parent: &str) -> Group;
    /// The answer to the nested list at this position.
    fn child(&self, position: usize) -> &Self;
    /// The answer to the history at this position.
    fn history(&self, position: usize) -> &Self;
}

/// What stands in an answer beside what was read: cursors and the addresses of files, with the key that makes them and what they
/// belong to, and what plugins computed.
#[derive(Debug, Clone, Copy)]
pub struct Sealing<'a> {
    /// The secret.
    pub key: &'a CursorKey,
    /// To whom files are linked.
    pub links: FileLinks<'a>,
    /// As [`crate::shape::CursorShape`] names them.
    pub contexts: &'a [CursorContext],
    /// As [`FieldShape::Computed`] names them.
    pub computed: &'a [ComputedColumn],
}

/// What one mutation wrote.
#[derive(Debug)]
pub struct Written<'a, R> {
    /// The records' ids.
    pub ids: &'a [Uuid],
    /// The answer to its list.
    pub rows: &'a R,
}

/// Appends `{…}`, the value of `data`. Without a `viewer` nothing is told of who asks.
pub fn write_data<R: Rows>(
    shape: &Fields<RootField>,
    lists: &[R],
    written: &[Written<'_, R>],
    cursors: Sealing<'_>,
    viewer: Option<Viewer<'_>>,
    out: &mut Vec<u8>,
) -> Result<(), Error> {
    Writer { lists, written, cursors, viewer, out }.root(shape)
}

/// Appends one record.
pub(crate) fn write_record<R: Rows>(
    rows: &R,
    row: usize,
    object: &ObjectShape,
    cursors: Sealing<'_>,
    out: &mut Vec<u8>,
) {
    Writer { lists: &[], written: &[], cursors, viewer: None, out }.object(rows, row, object);
}

/// The row with this id, of a list in the order of ids, which is that of their texts. It is looked for as often as the record is
/// answered.
fn row_of<R: Rows>(rows: &R, output: usize, id: &str) -> Option<usize> {
    let (mut from, mut until) = (rows.root().rows.start, rows.root().rows.end);
    while from < until {
        let middle = from.midpoint(until);
        match rows.cell(middle, output).text().cmp(&Some(id)) {
            Ordering::Equal => return Some(middle),
            Ordering::Less => from = middle + 1,
            Ordering::Greater => until = middle,
        }
    }
    None
}

struct Writer<'a, R> {
    lists: &'a [R],
    written: &'a [Written<'a, R>],
    cursors: Sealing<'a>,
    viewer: Option<Viewer<'a>>,
    out: &'a mut Vec<u8>,
}

impl<R: Rows> Writer<'_, R> {
    fn root(&mut self, fields: &Fields<RootField>) -> Result<(), Error> {
        self.out.push(b'{');
        for (position, (key, field)) in fields.iter().enumerate() {
            self.key(position, key);
            self.root_field(field)?;
        }
        self.out.push(b'}');
        Ok(())
    }

    fn root_field(&mut self, field: &RootField) -> Result<(), Error> {
        match field {
            RootField::Constant(json) => self.out.extend_from_slice(json),
            RootField::Viewer(field) => match (field, self.viewer) {
                (ViewerField::Role, Some(viewer)) => write_text(viewer.role, self.out),
                (ViewerField::Locale, Some(viewer)) => write_text(viewer.locale, self.out),
                (ViewerField::TimeZone, Some(viewer)) => write_text(viewer.time_zone, self.out),
                (_, None) => self.null(),
            },
            RootField::Object(fields) => self.root(fields)?,
            RootField::One { list, object } => {
                let rows = &self.lists[*list];
                match rows.root().rows.next() {
                    Some(row) => self.object(rows, row, object),
                    None => self.null(),
                }
            }
            RootField::List { list, object } => {
                let rows = &self.lists[*list];
                self.list(&rows.root(), |writer, row| writer.object(rows, row, object));
            }
            RootField::Connection { list, shape } => {
                let rows = &self.lists[*list];
                self.connection(rows, &rows.root(), shape);
            }
            RootField::Groups { list, fields } => {
                let rows = &self.lists[*list];
                self.list(&rows.root(), |writer, row| writer.figures(fields, &|position| rows.cell(row, position)));
            }
            RootField::Nodes(shape) => self.nodes(shape),
            RootField::Search(shape) => self.search(shape),
            RootField::Written { step, object } => {
                let rows = self.written[*step].rows;
                let row = rows.root().rows.next().ok_or_else(|| {
                    Error::new(Code::Forbidden, "The record was written, but you may not see it any more.")
                })?;
                self.object(rows, row, object);
            }
            RootField::WrittenList { step, id, object } => self.written_list(&self.written[*step], *id, object),
            RootField::WrittenId { step } => match self.written[*step].ids.first() {
                Some(id) => self.id(*id),
                None => self.null(),
            },
            RootField::Bulk { step, fields } => self.bulk(self.written[*step].ids, fields),
        }
        Ok(())
    }

    fn written_list(&mut self, written: &Written<'_, R>, id: Option<usize>, object: &ObjectShape) {
        let rows = written.rows;
        let mut shown: Vec<usize> = rows.root().rows.collect();
        if let Some(id) = id {
            let texts = written.ids.iter().enumerate().map(|(position, id)| (id.to_string(), position));
            let places: FxHashMap<String, usize> = texts.collect();
            shown.sort_by_key(|row| rows.cell(*row, id).text().and_then(|id| places.get(id)).copied());
        }
        self.out.push(b'[');
        for (position, row) in shown.into_iter().enumerate() {
            if position > 0 {
                self.out.push(b',');
            }
            self.object(rows, row, object);
        }
        self.out.push(b']');
    }

    fn bulk(&mut self, ids: &[Uuid], fields: &Fields<BulkField>) {
        self.out.push(b'{');
        for (position, (key, field)) in fields.iter().enumerate() {
            self.key(position, key);
            match field {
                BulkField::Constant(json) => self.out.extend_from_slice(json),
                BulkField::Count => self.integer(i64::try_from(ids.len()).unwrap_or(i64::MAX)),
                BulkField::Ids => {
                    self.out.push(b'[');
                    for (position, id) in ids.iter().enumerate() {
                        if position > 0 {
                            self.out.push(b',');
                        }
                        self.id(*id);
                    }
                    self.out.push(b']');
                }
            }
        }
        self.out.push(b'}');
    }

    fn id(&mut self, id: Uuid) {
        write_text(id.hyphenated().encode_lower(&mut Uuid::encode_buffer()), self.out);
    }

    fn nodes(&mut self, shape: &NodesShape) {
        self.out.push(b'[');
        for (position, entry) in shape.entries.iter().enumerate() {
            if position > 0 {
                self.out.push(b',');
            }
            let found = entry.as_ref().and_then(|(id, list)| {
                let (list, output, object) = &shape.lists[*list];
                let rows = &self.lists[*list];
                Some((rows, row_of(rows, *output, id)?, object))
            });
            match found {
                Some((rows, row, object)) => self.object(rows, row, object),
                None => self.null(),
            }
        }
        self.out.push(b']');
    }

    fn object(&mut self, rows: &R, row: usize, object: &ObjectShape) {
        self.out.push(b'{');
        for (position, (key, field)) in object.fields.iter().enumerate() {
            self.key(position, key);
            self.field(rows, row, field);
        }
        self.out.push(b'}');
    }

    fn field(&mut self, rows: &R, row: usize, field: &FieldShape) {
        match field {
            FieldShape::Constant(json) => self.out.extend_from_slice(json),
            FieldShape::Cell { output, encoding } => self.cell(rows.cell(row, *output), *encoding),
            FieldShape::Group { parts, object } => {
                if parts.iter().all(|part| rows.cell(row, *part) == Cell::Null) {
                    self.null();
                } else {
                    self.object(rows, row, object);
                }
            }
            FieldShape::FileLink { id } => match rows.cell(row, *id) {
                Cell::Text(id) => write_text(&self.cursors.key.file_link(&self.cursors.links, id), self.out),
                _ => self.null(),
            },
            FieldShape::ToOne(targets) => self.reference(rows, row, targets),
            FieldShape::ToMany { child, parent, shape } => {
                let related = rows.child(*child);
                let page = match rows.cell(row, *parent) {
                    Cell::Text(id) => related.of_parent(id),
                    _ => Group::default(),
                };
                self.connection(related, &page, shape);
            }
            FieldShape::History { history, parent, shape } => {
                let entries = rows.history(*history);
                let page = match rows.cell(row, *parent) {
                    Cell::Text(id) => entries.of_parent(id),
                    _ => Group::default(),
                };
                self.connection(entries, &page, shape);
            }
            FieldShape::Entry(field) => self.entry(rows, row, field),
            FieldShape::Computed(computing) => {
                match self.cursors.computed.get(*computing).and_then(|column| column.get(row)) {
                    Some(json) if !json.is_empty() => self.out.extend_from_slice(json),
                    _ => self.null(),
                }
            }
        }
    }

    fn reference(&mut self, rows: &R, row: usize, targets: &[Target]) {
        match targets.iter().find(|target| rows.cell(row, target.id) != Cell::Null) {
            Some(target) => self.object(rows, row, &target.object),
            None => self.null(),
        }
    }

    fn cell(&mut self, cell: Cell<'_>, encoding: Encoding) {
        write_cell(cell, encoding, self.out);
    }

    fn connection(&mut self, rows: &R, page: &Group, shape: &ConnectionShape) {
        self.out.push(b'{');
        for (position, (key, field)) in shape.fields.iter().enumerate() {
            self.key(position, key);
            match field {
                ConnectionField::Constant(json) => self.out.extend_from_slice(json),
                ConnectionField::TotalCount(position) => self.cell(rows.total(page, *position), Encoding::Count),
                ConnectionField::Aggregate(fields) => {
                    self.figures(fields, &|position| rows.total(page, position));
                }
                ConnectionField::Nodes(object) => {
                    self.list(page, |writer, row| writer.object(rows, row, object));
                }
                ConnectionField::Edges(edge) => self.list(page, |writer, row| writer.edge(rows, row, edge, shape)),
                ConnectionField::PageInfo(fields) => self.page_info(rows, page, fields, shape),
            }
        }
        self.out.push(b'}');
    }

    fn figures<'r>(&mut self, fields: &Fields<FigureField>, figure: &dyn Fn(usize) -> Cell<'r>) {
        self.out.push(b'{');
        for (position, (key, field)) in fields.iter().enumerate() {
            self.key(position, key);
            match field {
                FigureField::Constant(json) => self.out.extend_from_slice(json),
                FigureField::Cell { position, encoding } => self.cell(figure(*position), *encoding),
                FigureField::Object(fields) => self.figures(fields, figure),
            }
        }
        self.out.push(b'}');
    }

    fn list(&mut self, page: &Group, mut item: impl FnMut(&mut Self, usize)) {
        self.out.push(b'[');
        for row in page.rows.clone() {
            if row > page.rows.start {
                self.out.push(b',');
            }
            item(self, row);
        }
        self.out.push(b']');
    }

    fn edge(&mut self, rows: &R, row: usize, fields: &Fields<EdgeField>, shape: &ConnectionShape) {
        self.out.push(b'{');
        for (position, (key, field)) in fields.iter().enumerate() {
            self.key(position, key);
            match field {
                EdgeField::Constant(json) => self.out.extend_from_slice(json),
                EdgeField::Cursor => self.cursor(rows, Some(row), shape),
                EdgeField::Node(object) => self.object(rows, row, object),
                EdgeField::Link(field) => self.field(rows, row, field),
            }
        }
        self.out.push(b'}');
    }

    fn page_info(&mut self, rows: &R, page: &Group, fields: &Fields<PageInfoField>, shape: &ConnectionShape) {
        let (next, previous) = if shape.from_end { (shape.cut, page.has_more) } else { (page.has_more, shape.cut) };
        self.out.push(b'{');
        for (position, (key, field)) in fields.iter().enumerate() {
            self.key(position, key);
            match field {
                PageInfoField::Constant(json) => self.out.extend_from_slice(json),
                PageInfoField::HasNextPage => self.boolean(next),
                PageInfoField::HasPreviousPage => self.boolean(previous),
                PageInfoField::StartCursor => self.cursor(rows, page.rows.clone().next(), shape),
                PageInfoField::EndCursor => self.cursor(rows, page.rows.clone().next_back(), shape),
            }
        }
        self.out.push(b'}');
    }

    fn cursor(&mut self, rows: &R, row: Option<usize>, shape: &ConnectionShape) {
        let (Some(row), Some(cursor)) = (row, &shape.cursor) else { return self.null() };
        let mut place = vec![b'['];
        for (position, key) in cursor.keys.iter().enumerate() {
            if position > 0 {
                place.push(b',');
            }
            match rows.cell(row, *key) {
                Cell::Null => place.extend_from_slice(b"null"),
                Cell::Boolean(truth) => place.extend_from_slice(if truth { b"true" } else { b"false" }),
                Cell::Integer(number) => place.extend_from_slice(itoa::Buffer::new().format(number).as_bytes()),
                Cell::Text(text) => write_text(text, &mut place),
            }
        }
        place.push(b']');
        // Base64 of the URL alphabet needs no escapes.
        self.out.push(b'"');
        let context = &self.cursors.contexts[cursor.context];
        self.out.extend_from_slice(self.cursors.key.seal(context, &place).as_bytes());
        self.out.push(b'"');
    }

    fn key(&mut self, position: usize, key: &[u8]) {
        if position > 0 {
            self.out.push(b',');
        }
        self.out.extend_from_slice(key);
    }

    fn integer(&mut self, number: i64) {
        self.out.extend_from_slice(itoa::Buffer::new().format(number).as_bytes());
    }

    fn boolean(&mut self, truth: bool) {
        self.out.extend_from_slice(if truth { b"true" } else { b"false" });
    }

    fn null(&mut self) {
        self.out.extend_from_slice(b"null");
    }
}

/// Appends a value of a row.
pub(crate) fn write_cell(cell: Cell<'_>, encoding: Encoding, out: &mut Vec<u8>) {
    let duration = |seconds: i64, out: &mut Vec<u8>| {
        out.push(b'"');
        out.extend_from_slice(cardine_model::duration::text(seconds).as_bytes());
        out.push(b'"');
    };
    let integer = |number: i64, out: &mut Vec<u8>| out.extend_from_slice(itoa::Buffer::new().format(number).as_bytes());
    match (cell, encoding) {
        (Cell::Null, Encoding::Count) => out.push(b'0'),
        (Cell::Null, _) => out.extend_from_slice(b"null"),
        (Cell::Boolean(truth), _) => out.extend_from_slice(if truth { b"true" } else { b"false" }),
        (Cell::Integer(number), Encoding::NumberText) => {
            out.push(b'"');
            integer(number, out);
            out.push(b'"');
        }
        (Cell::Integer(seconds), Encoding::Duration) => duration(seconds, out),
        // An `Int` has 32 bits; a computed number beyond that has no value that could be shown.
        (Cell::Integer(number), Encoding::Count) => integer(number, out),
        (Cell::Integer(number), _) if i32::try_from(number).is_err() => out.extend_from_slice(b"null"),
        (Cell::Integer(number), _) => integer(number, out),
        (Cell::Text(text), Encoding::Number) if text.parse::<i32>().is_err() => out.extend_from_slice(b"null"),
        (Cell::Text(text), Encoding::Number | Encoding::Count | Encoding::Raw) => {
            out.extend_from_slice(text.as_bytes())
        }
        // A computed one comes as the text of its seconds; beyond 64 bits it has no value that could be shown.
        (Cell::Text(text), Encoding::Duration) if !text.contains('P') => match text.parse() {
            Ok(seconds) => duration(seconds, out),
            Err(_) => out.extend_from_slice(b"null"),
        },
        (Cell::Text(text), Encoding::Plain | Encoding::NumberText | Encoding::Duration) => {
            out.push(b'"');
            out.extend_from_slice(text.as_bytes());
            out.push(b'"');
        }
        (Cell::Text(text), Encoding::Decimal { scale }) => write_decimal(text, scale, out),
        (Cell::Text(text), Encoding::Text) => write_text(text, out),
    }
}

/// Appends a decimal as a JSON string, with zeros up to `scale` digits after the point. It has no more than that already.
pub(crate) fn write_decimal(text: &str, scale: u8, out: &mut Vec<u8>) {
    let digits = text.find('.').map(|point| text.len() - point - 1);
    out.push(b'"');
    out.extend_from_slice(text.as_bytes());
    if digits.is_none() && scale > 0 {
        out.push(b'.');
    }
    out.extend(std::iter::repeat_n(b'0', usize::from(scale).saturating_sub(digits.unwrap_or(0))));
    out.push(b'"');
}

/// Appends text as a JSON string. Runs without special characters are copied whole.
pub(crate) fn write_text(text: &str, out: &mut Vec<u8>) {
    const HEX: &[u8; 16] = b"0123456789abcdef";
    out.push(b'"');
    let mut rest = text.as_bytes();
    loop {
        let (plain, special) = rest.split_at(plain_length(rest));
        out.extend_from_slice(plain);
        let Some((byte, after)) = special.split_first() else { break };
        match byte {
            b'"' => out.extend_from_slice(b"\\\""),
            b'\\' => out.extend_from_slice(b"\\\\"),
            b'\n' => out.extend_from_slice(b"\\n"),
            b'\r' => out.extend_from_slice(b"\\r"),
            b'\t' => out.extend_from_slice(b"\\t"),
            control => {
                out.extend_from_slice(b"\\u00");
                out.extend_from_slice(&[HEX[usize::from(control >> 4)], HEX[usize::from(control & 15)]]);
            }
        }
        rest = after;
    }
    out.push(b'"');
}

/// How many bytes stand before the first that needs an escape; all of them if none does. Looks at eight at a time.
pub(crate) fn plain_length(bytes: &[u8]) -> usize {
    const ONES: u64 = u64::from_ne_bytes([0x01; 8]);
    const HIGHS: u64 = u64::from_ne_bytes([0x80; 8]);
    // The high bit of each byte that is zero, and maybe of others behind one: enough to know that there is none.
    let zeros = |word: u64| word.wrapping_sub(ONES) & !word & HIGHS;
    let mut chunks = bytes.chunks_exact(8);
    let mut length = 0;
    for chunk in &mut chunks {
        let word = u64::from_ne_bytes(chunk.try_into().expect("chunks of eight"));
        let controls = word.wrapping_sub(ONES * 0x20) & !word & HIGHS;
        if controls | zeros(word ^ (ONES * u64::from(b'"'))) | zeros(word ^ (ONES * u64::from(b'\\'))) != 0 {
            break;
        }
        length += 8;
    }
    let needs_escape = |byte: &u8| matches!(byte, b'"' | b'\\' | 0..=0x1f);
    bytes[length..].iter().position(needs_escape).map_or(bytes.len(), |position| length + position)
}

#[cfg(test)]
mod tests;
