//! What may be done with every module and field of a catalog, packed: a role over a large catalog is then a few kilobytes.

use std::ops::Deref;

use cardine_model::FieldId;

use crate::grant::FieldAccess;

/// How many accesses stand in a byte.
const IN_BYTE: usize = 4;

/// The rights over all modules, by position.
#[derive(Debug, Default)]
pub(crate) struct Mask {
    modules: Vec<Place>,
    /// The access to each field, two bits each, module after module.
    fields: Vec<u8>,
    /// Accesses in `fields`.
    length: u32,
}

#[derive(Debug, Clone, Copy)]
struct Place {
    actions: Actions,
    /// Where its fields begin.
    start: u32,
}

/// What may be done with the records of one module.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Actions {
    /// Create records.
    pub create: bool,
    /// Read records; without it the module does not exist.
    pub read: bool,
    /// Update records.
    pub update: bool,
    /// Delete, restore and destroy records.
    pub delete: bool,
    /// Of links: walk from one of their records to the other. A module of links cannot be read as such.
    pub(crate) follow: bool,
}

/// What may be done with one module: its [`Actions`], and the access to its fields.
#[derive(Debug, Clone, Copy)]
pub struct Permitted<'a> {
    mask: &'a Mask,
    actions: Actions,
    start: u32,
    end: u32,
}

impl Mask {
    pub(crate) fn module(&self, position: usize) -> Permitted<'_> {
        let Place { actions, start } = self.modules[position];
        let end = self.modules.get(position + 1).map_or(self.length, |next| next.start);
        Permitted { mask: self, actions, start, end }
    }

    fn add(&mut self, actions: Actions, fields: &[FieldAccess]) {
        self.modules.push(Place { actions, start: self.length });
        for access in fields {
            let (byte, shift) = place_of(self.length);
            if byte == self.fields.len() {
                self.fields.push(0);
            }
            self.fields[byte] |= (*access as u8) << shift;
            self.length += 1;
        }
    }
}

impl<'m> FromIterator<(Actions, &'m [FieldAccess])> for Mask {
    fn from_iter<T: IntoIterator<Item = (Actions, &'m [FieldAccess])>>(modules: T) -> Self {
        let mut mask = Self::default();
        modules.into_iter().for_each(|(actions, fields)| mask.add(actions, fields));
        mask.modules.shrink_to_fit();
        mask.fields.shrink_to_fit();
        mask
    }
}

impl Permitted<'_> {
    /// The access to `field`; none where the module has no such field.
    pub fn access(&self, field: FieldId) -> FieldAccess {
        let position = self.start.saturating_add(field.0);
        if position >= self.end {
            return FieldAccess::None;
        }
        let (byte, shift) = place_of(position);
        match (self.mask.fields[byte] >> shift) & 0b11 {
            0 => FieldAccess::None,
            1 => FieldAccess::Read,
            _ => FieldAccess::Write,
        }
    }
}

impl Deref for Permitted<'_> {
    type Target = Actions;

    fn deref(&self) -> &Actions {
        &self.actions
    }
}

fn place_of(position: u32) -> (usize, usize) {
    let position = position as usize;
    (position / IN_BYTE, position % IN_BYTE * 2)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_field_has_its_own_access_and_none_has_its_neighbours() {
        use FieldAccess::{None, Read, Write};
        let modules: Vec<Vec<FieldAccess>> =
            vec![vec![Write, None, Read], vec![], vec![Read], vec![None, Write, Write, Read, None], vec![Write; 9]];
        let actions =
            |position: usize| Actions { create: position.is_multiple_of(2), read: true, ..Actions::default() };
        let mask: Mask =
            modules.iter().enumerate().map(|(position, fields)| (actions(position), fields.as_slice())).collect();
        for (position, fields) in modules.iter().enumerate() {
            let permitted = mask.module(position);
            assert_eq!(*permitted, actions(position));
            for (field, access) in (0..).zip(fields) {
                assert_eq!(permitted.access(FieldId(field)), *access, "field {field} of module {position}");
            }
            for beyond in [fields.len() as u32, fields.len() as u32 + 1, u32::MAX] {
                assert_eq!(permitted.access(FieldId(beyond)), None, "a field that module {position} has not");
            }
        }
    }
}
