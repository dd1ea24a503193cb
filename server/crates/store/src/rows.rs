//! The rows of a result: cells beside each other, and one text for all that is text in them.

use std::fmt;

use crate::StoreError;

/// One value of a result, uniform over the databases (see [`cardine_sql::ColumnType`]).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Cell<'a> {
    /// No value.
    Null,
    /// True or false.
    Boolean(bool),
    /// An integer.
    Integer(i64),
    /// Text as the API shows it; decimals, dates, ids, lists and JSON too.
    Text(&'a str),
}

impl<'a> Cell<'a> {
    /// The text; `None` if it is null or no text.
    pub fn text(self) -> Option<&'a str> {
        match self {
            Self::Text(text) => Some(text),
            _ => None,
        }
    }

    /// The integer; `None` if it is null or no integer.
    pub fn integer(self) -> Option<i64> {
        match self {
            Self::Integer(number) => Some(number),
            _ => None,
        }
    }

    /// The truth value; `None` if it is null or none.
    pub fn boolean(self) -> Option<bool> {
        match self {
            Self::Boolean(truth) => Some(truth),
            _ => None,
        }
    }

    /// Whether there is no value.
    pub fn is_null(self) -> bool {
        self == Self::Null
    }
}

/// The rows of a result, without an allocation per cell.
#[derive(Default, Clone)]
pub struct RowSet {
    columns: usize,
    rows: usize,
    cells: Vec<StoredCell>,
    text: String,
}

#[derive(Clone, Copy)]
enum StoredCell {
    Null,
    Boolean(bool),
    Integer(i64),
    /// From this byte of the text, this many.
    Text(u32, u32),
}

impl RowSet {
    /// How many rows.
    pub fn len(&self) -> usize {
        self.rows
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.rows == 0
    }

    /// How many columns; those of the statement.
    pub fn columns(&self) -> usize {
        self.columns
    }

    /// The value in a row (from 0) and a column (from 0).
    ///
    /// # Panics
    /// If there is no such row or column.
    // Called for each value of an answer, from other crates.
    #[inline]
    pub fn cell(&self, row: usize, column: usize) -> Cell<'_> {
        assert!(column < self.columns, "column {column} of {}", self.columns);
        match self.cells[row * self.columns + column] {
            StoredCell::Null => Cell::Null,
            StoredCell::Boolean(truth) => Cell::Boolean(truth),
            StoredCell::Integer(number) => Cell::Integer(number),
            StoredCell::Text(start, length) => Cell::Text(&self.text[start as usize..][..length as usize]),
        }
    }
}

impl RowSet {
    /// The integer in the first row's first column; `None` without a row, or if it is null.
    pub fn first_integer(&self) -> Option<i64> {
        if self.is_empty() { None } else { self.cell(0, 0).integer() }
    }

    /// Puts rows of the same columns behind these.
    pub(crate) fn append(&mut self, mut more: Self) -> Result<(), StoreError> {
        if self.columns == 0 {
            *self = more;
            return Ok(());
        }
        debug_assert_eq!(self.columns, more.columns);
        let moved = u32::try_from(self.text.len()).map_err(|_| StoreError::internal("a result of more than 4 GiB"))?;
        for cell in &mut more.cells {
            if let StoredCell::Text(start, _) = cell {
                *start = start.checked_add(moved).ok_or_else(|| StoreError::internal("a result of more than 4 GiB"))?;
            }
        }
        self.cells.extend(more.cells);
        self.text.push_str(&more.text);
        self.rows += more.rows;
        Ok(())
    }

    /// The same rows in another order; `order` names each row (from 0) once.
    ///
    /// # Panics
    /// If `order` names a row that is not there.
    pub fn reordered(self, order: &[usize]) -> Self {
        let rows = order.iter().flat_map(|row| &self.cells[row * self.columns..][..self.columns]);
        let cells = rows.copied().collect();
        Self { cells, rows: order.len(), ..self }
    }
}

impl fmt::Debug for RowSet {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let row = |row| (0..self.columns).map(|column| self.cell(row, column)).collect::<Vec<_>>();
        formatter.debug_list().entries((0..self.rows).map(row)).finish()
    }
}

/// Bytes of text that a value usually takes: an id has 36, a choice or a date about 10.
const TEXT_OF_CELL: usize = 24;

/// Fills a [`RowSet`], cell by cell, row by row.
pub(crate) struct RowSetBuilder(RowSet);

impl RowSetBuilder {
    /// With room for one row of usual values: a record by its key asks for memory once.
    pub(crate) fn new(columns: usize) -> Self {
        let (cells, text) = (Vec::with_capacity(columns), String::with_capacity(TEXT_OF_CELL * columns));
        Self(RowSet { columns, cells, text, rows: 0 })
    }

    pub(crate) fn null(&mut self) {
        self.0.cells.push(StoredCell::Null);
    }

    pub(crate) fn boolean(&mut self, truth: bool) {
        self.0.cells.push(StoredCell::Boolean(truth));
    }

    pub(crate) fn integer(&mut self, number: i64) {
        self.0.cells.push(StoredCell::Integer(number));
    }

    /// A text that `write` appends to what it is given.
    pub(crate) fn text_with(
        &mut self,
        write: impl FnOnce(&mut String) -> Result<(), StoreError>,
    ) -> Result<(), StoreError> {
        let start = self.0.text.len();
        write(&mut self.0.text)?;
        let length = self.0.text.len() - start;
        let (Ok(start), Ok(length)) = (u32::try_from(start), u32::try_from(length)) else {
            return Err(StoreError::internal("a result of more than 4 GiB"));
        };
        self.0.cells.push(StoredCell::Text(start, length));
        Ok(())
    }

    pub(crate) fn text(&mut self, text: &str) -> Result<(), StoreError> {
        self.text_with(|out| {
            out.push_str(text);
            Ok(())
        })
    }

    pub(crate) fn end_row(&mut self) {
        self.0.rows += 1;
        debug_assert_eq!(self.0.cells.len(), self.0.rows * self.0.columns);
    }

    pub(crate) fn finish(self) -> RowSet {
        self.0
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn cells_are_read_where_they_were_put() {
        let mut builder = RowSetBuilder::new(3);
        for row in 0..2 {
            builder.integer(row);
            builder.text(&format!("è{row}")).unwrap();
            builder.null();
            builder.end_row();
        }
        let rows = builder.finish();
        assert_eq!((rows.len(), rows.columns()), (2, 3));
        assert_eq!(rows.cell(1, 0), Cell::Integer(1));
        assert_eq!(rows.cell(1, 1), Cell::Text("è1"));
        assert_eq!(rows.cell(0, 2), Cell::Null);
        assert_eq!(std::mem::size_of::<StoredCell>(), 16);
    }

    #[test]
    fn rows_are_put_behind_each_other() {
        let rows = |text: &str| {
            let mut builder = RowSetBuilder::new(2);
            builder.text(text).unwrap();
            builder.integer(1);
            builder.end_row();
            builder.finish()
        };
        let mut all = RowSet::default();
        for text in ["è", "", "second"] {
            all.append(rows(text)).unwrap();
        }
        assert_eq!(all.len(), 3);
        assert_eq!([0, 1, 2].map(|row| all.cell(row, 0)), ["è", "", "second"].map(Cell::Text));
        assert_eq!(all.cell(2, 1), Cell::Integer(1));
    }

    #[test]
    #[should_panic(expected = "column 1 of 1")]
    fn a_column_beyond_the_last_is_not_the_next_rows_first() {
        let mut builder = RowSetBuilder::new(1);
        for _ in 0..2 {
            builder.null();
            builder.end_row();
        }
        builder.finish().cell(0, 1);
    }
}
