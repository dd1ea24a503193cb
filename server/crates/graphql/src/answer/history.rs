//! What an entry of a history shows beside its own values: users, and the changes of fields.

use cardine_engine::{Cell, Group};

use super::{Rows, Writer};
use crate::shape::{Encoding, EntryField, FieldChangeField};

/// Positions in a change's row.
const KEY: usize = 0;
const OLD: usize = 1;
const NEW: usize = 2;
/// Position among a history's children; the users follow.
const HISTORY_CHANGES: usize = 0;
/// Position in an entry's row.
const ENTRY_ID: usize = 0;

impl<R: Rows> Writer<'_, R> {
    pub(super) fn entry(&mut self, rows: &R, row: usize, field: &EntryField) {
        match field {
            EntryField::User { child, id, object } => {
                let users = rows.child(*child);
                match part_of(users, rows.cell(row, *id)).rows.next() {
                    Some(user) => self.object(users, user, object),
                    None => self.null(),
                }
            }
            EntryField::Via(output) => {
                let via = rows.cell(row, *output).text().unwrap_or_default();
                let word: &[u8] = match via {
                    "api" => b"\"API\"",
                    "workflow" => b"\"WORKFLOW\"",
                    "plugin" => b"\"PLUGIN\"",
                    "import" => b"\"IMPORT\"",
                    // What else writes records is the server itself.
                    _ => b"\"SYSTEM\"",
                };
                self.out.extend_from_slice(word);
            }
            EntryField::Changes { fields, names } => {
                let changes = rows.child(HISTORY_CHANGES);
                let name = |row: usize| {
                    let key = changes.cell(row, KEY).text().unwrap_or_default();
                    names.get(key).map_or(b"\"\"".as_slice(), Vec::as_slice)
                };
                // By the names of today: the keys, by which they come, say nothing to people.
                let mut order: Vec<usize> = part_of(changes, rows.cell(row, ENTRY_ID)).rows.collect();
                order.sort_by(|one, other| name(*one).cmp(name(*other)));
                self.out.push(b'[');
                for (place, row) in order.into_iter().enumerate() {
                    if place > 0 {
                        self.out.push(b',');
                    }
                    self.out.push(b'{');
                    for (position, (key, field)) in fields.iter().enumerate() {
                        self.key(position, key);
                        match field {
                            FieldChangeField::Constant(json) => self.out.extend_from_slice(json),
                            FieldChangeField::Name => self.out.extend_from_slice(name(row)),
                            FieldChangeField::Old => self.cell(changes.cell(row, OLD), Encoding::Raw),
                            FieldChangeField::New => self.cell(changes.cell(row, NEW), Encoding::Raw),
                        }
                    }
                    self.out.push(b'}');
                }
                self.out.push(b']');
            }
        }
    }
}

fn part_of<R: Rows>(rows: &R, parent: Cell<'_>) -> Group {
    parent.text().map(|id| rows.of_parent(id)).unwrap_or_default()
}
