//! What a search found: each hit from the row of its record, with the part of its text that shows a word.

use cardine_engine::Cell;
use cardine_model::text::words;

use super::{Rows, Writer, row_of, write_text};
use crate::shape::{Fields, HitField, HitPlace, NoticePart, SearchField, SearchShape};

/// Most characters of a snippet, `…` apart.
const SNIPPET_LENGTH_MAX: usize = 160;

/// A hit whose record was read.
struct Shown<'a, R> {
    place: &'a HitPlace,
    rows: &'a R,
    row: usize,
    terms: &'a [String],
}

impl<'a, R: Rows> Writer<'a, R> {
    pub(super) fn search(&mut self, shape: &SearchShape) {
        self.out.push(b'{');
        for (position, (key, field)) in shape.fields.iter().enumerate() {
            self.key(position, key);
            match field {
                SearchField::Constant(json) => self.out.extend_from_slice(json),
                SearchField::Hits(forms) => self.hits(shape, forms),
                SearchField::Hit(form) => match self.find(shape, shape.places.first()) {
                    Some(shown) => self.hit(&shown, form),
                    None => self.null(),
                },
            }
        }
        self.out.push(b'}');
    }

    /// A record that went away since it was found is left out.
    fn hits(&mut self, shape: &SearchShape, forms: &[Fields<HitField>]) {
        self.out.push(b'[');
        let mut is_first = true;
        for place in &shape.places {
            let (Some(shown), Some(form)) = (self.find(shape, Some(place)), forms.get(place.module)) else {
                continue;
            };
            if !is_first {
                self.out.push(b',');
            }
            is_first = false;
            self.hit(&shown, form);
        }
        self.out.push(b']');
    }

    /// What was found, with the row of its record.
    fn find<'s>(&self, shape: &'s SearchShape, place: Option<&'s HitPlace>) -> Option<Shown<'s, R>>
    where
        'a: 's,
    {
        let place = place?;
        let of_module = shape.modules.get(place.module)?;
        let rows: &'a R = &self.lists[of_module.list];
        let row = row_of(rows, of_module.id, &place.id)?;
        Some(Shown { place, rows, row, terms: &shape.terms })
    }

    fn hit(&mut self, hit: &Shown<'_, R>, fields: &Fields<HitField>) {
        self.out.push(b'{');
        for (position, (key, field)) in fields.iter().enumerate() {
            self.key(position, key);
            match field {
                HitField::Constant(json) => self.out.extend_from_slice(json),
                HitField::Cursor => write_text(&hit.place.cursor, self.out),
                HitField::At => write_text(&hit.place.at, self.out),
                HitField::Way => write_text(&hit.place.way, self.out),
                HitField::Ends => match hit.place.time.as_ref().and_then(|time| time.ends.as_ref()) {
                    Some(ends) => write_text(ends, self.out),
                    None => self.null(),
                },
                HitField::Recurs => {
                    let recurs = hit.place.time.as_ref().is_some_and(|time| time.recurs);
                    self.out.extend_from_slice(if recurs { b"true" } else { b"false" });
                }
                HitField::Notice(part) => {
                    let notice = hit.place.notice.as_ref();
                    let text = notice.and_then(|notice| match part {
                        NoticePart::Id => Some(&notice.id),
                        NoticePart::ReadAt => notice.read_at.as_ref(),
                    });
                    match text {
                        Some(text) => write_text(text, self.out),
                        None => self.null(),
                    }
                }
                HitField::Score => self.out.extend_from_slice(hit.place.score.to_string().as_bytes()),
                HitField::Node(fields) => self.hit(hit, fields),
                HitField::Record(object) => self.object(hit.rows, hit.row, object),
                HitField::Title(output) => match hit.rows.cell(hit.row, *output) {
                    Cell::Text(text) => write_text(text, self.out),
                    _ => self.null(),
                },
                HitField::Snippet(outputs) => {
                    let snippets = outputs.iter().filter_map(|(output, is_rich)| {
                        let Cell::Text(text) = hit.rows.cell(hit.row, *output) else { return None };
                        match is_rich {
                            true => words::snippet(&words::plain(text), hit.terms, SNIPPET_LENGTH_MAX),
                            false => words::snippet(text, hit.terms, SNIPPET_LENGTH_MAX),
                        }
                    });
                    match { snippets }.next() {
                        Some(snippet) => write_text(&snippet, self.out),
                        None => self.null(),
                    }
                }
            }
        }
        self.out.push(b'}');
    }
}
