//! Writes JSON objects and lists into the response, keeping to the limit of its size.

use super::TooLarge;
use super::selection::Selected;
use crate::schema::{Schema, Words};

/// What every step of writing gives.
pub(super) type Written = Result<(), TooLarge>;

/// Where the answer goes, and where it comes from.
pub(super) struct Writer<'a> {
    pub(super) schema: Schema<'a>,
    out: &'a mut Vec<u8>,
    /// The length of `out` beyond which nothing more is written.
    length_max: usize,
    limit_bytes: usize,
}

impl<'a> Writer<'a> {
    pub(super) fn new(schema: Schema<'a>, limit_bytes: usize, out: &'a mut Vec<u8>) -> Self {
        let length_max = out.len().saturating_add(limit_bytes);
        Self { schema, out, length_max, limit_bytes }
    }

    /// An object with a value for each of `fields`.
    pub(super) fn object(
        &mut self,
        fields: &[Selected],
        mut value: impl FnMut(&mut Self, &Selected) -> Written,
    ) -> Written {
        self.check_size()?;
        self.out.push(b'{');
        for (position, field) in fields.iter().enumerate() {
            if position > 0 {
                self.out.push(b',');
            }
            self.out.extend_from_slice(&field.key);
            value(self, field)?;
        }
        self.out.push(b'}');
        Ok(())
    }

    pub(super) fn list<T>(
        &mut self,
        items: impl IntoIterator<Item = T>,
        mut value: impl FnMut(&mut Self, T) -> Written,
    ) -> Written {
        self.out.push(b'[');
        for (position, item) in items.into_iter().enumerate() {
            if position > 0 {
                self.out.push(b',');
            }
            value(self, item)?;
        }
        self.out.push(b']');
        Ok(())
    }

    pub(super) fn string(&mut self, text: &str) -> Written {
        serde_json::to_writer(&mut *self.out, text).expect("text goes into memory");
        Ok(())
    }

    /// A name of the schema, which has nothing to escape.
    pub(super) fn name(&mut self, name: &str) -> Written {
        self.out.push(b'"');
        self.out.extend_from_slice(name.as_bytes());
        self.out.push(b'"');
        Ok(())
    }

    pub(super) fn text_or_null(&mut self, text: Option<&str>) -> Written {
        match text {
            Some(text) => self.string(text),
            None => self.null(),
        }
    }

    pub(super) fn words(&mut self, words: Option<&Words>) -> Written {
        let language = self.schema.language;
        self.text_or_null(words.map(|words| words.text(language)).as_deref())
    }

    pub(super) fn flag(&mut self, flag: bool) -> Written {
        self.out.extend_from_slice(if flag { b"true" } else { b"false" });
        Ok(())
    }

    pub(super) fn null(&mut self) -> Written {
        self.out.extend_from_slice(b"null");
        Ok(())
    }

    fn check_size(&self) -> Written {
        if self.out.len() > self.length_max { Err(TooLarge { limit_bytes: self.limit_bytes }) } else { Ok(()) }
    }
}
