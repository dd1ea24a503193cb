//! Cursors: a place in an order as opaque text that nobody but this server can make, bound to the list that it came from.

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use cardine_model::Value;
use hmac::{Hmac, KeyInit as _, Mac as _};
use sha2::{Digest as _, Sha256};

/// Bytes of the authentication code in a cursor: half of SHA-256's, which is beyond guessing.
const CODE_LENGTH: usize = 16;
/// Longest cursor that is looked at: texts in an order key are bounded by their fields.
const LENGTH_MAX: usize = 64 * 1024;

/// The secret that cursors are authenticated with; the same on all servers of one database.
#[derive(Clone)]
pub struct CursorKey(Hmac<Sha256>);

impl std::fmt::Debug for CursorKey {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("CursorKey(…)")
    }
}

/// What a cursor belongs to: the module, order and filter of a list, filter values included.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct CursorContext([u8; 32]);

impl CursorKey {
    /// A key of any length; 32 random bytes are right.
    pub fn new(secret: &[u8]) -> Self {
        Self(Hmac::new_from_slice(secret).expect("HMAC takes a key of any length"))
    }

    /// The cursor of a place, given as the text of a JSON array with a value per order key.
    pub fn seal(&self, context: &CursorContext, place: &[u8]) -> String {
        let mut bytes = self.code(context, place).to_vec();
        bytes.extend_from_slice(place);
        URL_SAFE_NO_PAD.encode(bytes)
    }

    /// The place of a cursor; `None` if it was not made by [`CursorKey::seal`] for this context.
    pub fn open(&self, context: &CursorContext, cursor: &str) -> Option<Vec<serde_json::Value>> {
        if cursor.len() > LENGTH_MAX {
            return None;
        }
        let bytes = URL_SAFE_NO_PAD.decode(cursor).ok()?;
        let (code, place) = bytes.split_at_checked(CODE_LENGTH)?;
        self.mac(context, place).verify_truncated_left(code).ok()?;
        serde_json::from_slice(place).ok()
    }

    /// A code over bytes that serve another purpose than a list's cursor, which `purpose` names.
    pub(crate) fn mac_for(&self, purpose: &[u8]) -> Hmac<Sha256> {
        let mut mac = self.0.clone();
        mac.update(purpose);
        mac
    }

    fn code(&self, context: &CursorContext, place: &[u8]) -> [u8; CODE_LENGTH] {
        let code = self.mac(context, place).finalize().into_bytes();
        let mut truncated = [0; CODE_LENGTH];
        truncated.copy_from_slice(&code[..CODE_LENGTH]);
        truncated
    }

    fn mac(&self, context: &CursorContext, place: &[u8]) -> Hmac<Sha256> {
        let mut mac = self.0.clone();
        mac.update(b"cardine cursor 1");
        mac.update(&context.0);
        mac.update(place);
        mac
    }
}

/// Gathers what a cursor belongs to. Each part is told with its length, so that two lists never give the same bytes.
#[derive(Default)]
pub struct ContextBuilder(Sha256);

impl ContextBuilder {
    /// A name, or a mark of structure.
    pub fn text(&mut self, text: &str) {
        self.0.update((text.len() as u64).to_be_bytes());
        self.0.update(text.as_bytes());
    }

    /// A value of the filter.
    pub fn value(&mut self, value: &Value) {
        match value {
            Value::List(items) => {
                self.text("list");
                self.0.update((items.len() as u64).to_be_bytes());
                items.iter().for_each(|item| self.value(item));
            }
            // Decimals are equal as numbers, and are printed as such.
            Value::Decimal(number) => self.text(&number.to_string()),
            other => self.text(&format!("{other:?}")),
        }
    }

    /// All of it.
    pub fn finish(self) -> CursorContext {
        CursorContext(self.0.finalize().into())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn context(text: &str) -> CursorContext {
        let mut builder = ContextBuilder::default();
        builder.text(text);
        builder.finish()
    }

    #[test]
    fn a_cursor_opens_only_where_it_was_sealed() {
        let key = CursorKey::new(&[1; 32]);
        let cursor = key.seal(&context("a"), br#"["x",null]"#);
        assert_eq!(key.open(&context("a"), &cursor), Some(vec!["x".into(), serde_json::Value::Null]));
        assert_eq!(key.open(&context("b"), &cursor), None);
        assert_eq!(CursorKey::new(&[2; 32]).open(&context("a"), &cursor), None);
    }

    #[test]
    fn a_changed_cursor_does_not_open() {
        let key = CursorKey::new(&[1; 32]);
        let cursor = key.seal(&context("a"), br#"["x"]"#);
        for position in 0..cursor.len() {
            let mut bytes = cursor.clone().into_bytes();
            bytes[position] = if bytes[position] == b'A' { b'B' } else { b'A' };
            let changed = String::from_utf8(bytes).unwrap();
            assert_eq!(key.open(&context("a"), &changed), None, "{position}");
        }
        for forged in ["", "A", "WyJ4Il0", "💥", &cursor[1..], &"A".repeat(100_000)] {
            assert_eq!(key.open(&context("a"), forged), None);
        }
    }
}
