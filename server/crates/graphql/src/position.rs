//! Positions: the place of a change as opaque text that only servers of this database can make and read.
//!
//! The number is hidden, not only authenticated: how fast it grows would tell how much others write.

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use hmac::Mac as _;

use crate::cursor::CursorKey;

const CODE: &[u8] = b"cardine position code 1";
const PAD: &[u8] = b"cardine position pad 1";
const CODE_LENGTH: usize = 16;
const LENGTH: usize = CODE_LENGTH + 8;

impl CursorKey {
    /// The position of a number; always the same one, so that clients may compare.
    pub fn seal_position(&self, number: i64) -> String {
        let mut bytes = [0; LENGTH];
        let (code, hidden) = bytes.split_at_mut(CODE_LENGTH);
        code.copy_from_slice(&self.position_code(number));
        hidden.copy_from_slice(&(number ^ self.position_pad(code)).to_be_bytes());
        URL_SAFE_NO_PAD.encode(bytes)
    }

    /// The number of a position; `None` if it was not made by [`CursorKey::seal_position`] with this key.
    pub fn open_position(&self, position: &str) -> Option<i64> {
        let bytes: [u8; LENGTH] = URL_SAFE_NO_PAD.decode(position).ok()?.try_into().ok()?;
        let (code, hidden) = bytes.split_at(CODE_LENGTH);
        let number = i64::from_be_bytes(hidden.try_into().ok()?) ^ self.position_pad(code);
        let mut mac = self.mac_for(CODE);
        mac.update(&number.to_be_bytes());
        mac.verify_truncated_left(code).ok()?;
        Some(number)
    }

    fn position_code(&self, number: i64) -> [u8; CODE_LENGTH] {
        let mut mac = self.mac_for(CODE);
        mac.update(&number.to_be_bytes());
        let mut code = [0; CODE_LENGTH];
        code.copy_from_slice(&mac.finalize().into_bytes()[..CODE_LENGTH]);
        code
    }

    /// What the number is hidden under: known only with the key, and different for each number.
    fn position_pad(&self, code: &[u8]) -> i64 {
        let mut mac = self.mac_for(PAD);
        mac.update(code);
        let mut pad = [0; 8];
        pad.copy_from_slice(&mac.finalize().into_bytes()[..8]);
        i64::from_be_bytes(pad)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_position_is_read_back_by_its_key_alone() {
        let (key, other) = (CursorKey::new(&[1; 32]), CursorKey::new(&[2; 32]));
        for number in [0, 1, 7_000_000_000, i64::MAX] {
            let position = key.seal_position(number);
            assert_eq!(key.open_position(&position), Some(number));
            assert_eq!(other.open_position(&position), None);
            assert_eq!(position, key.seal_position(number));
        }
    }

    #[test]
    fn a_changed_position_is_none_at_all() {
        let key = CursorKey::new(&[1; 32]);
        let position = key.seal_position(42);
        for place in 0..position.len() {
            let mut bytes = position.clone().into_bytes();
            bytes[place] = if bytes[place] == b'A' { b'B' } else { b'A' };
            assert_eq!(key.open_position(&String::from_utf8(bytes).unwrap()), None, "{place}");
        }
        for forged in ["", "42", "é", &position[1..], &format!("{position}A"), &"A".repeat(32)] {
            assert_eq!(key.open_position(forged), None, "{forged}");
        }
    }

    #[test]
    fn neighbours_have_nothing_in_common() {
        let key = CursorKey::new(&[1; 32]);
        let hidden = |number| URL_SAFE_NO_PAD.decode(key.seal_position(number)).unwrap()[CODE_LENGTH..].to_vec();
        let (one, next) = (hidden(1_000), hidden(1_001));
        assert!(one.iter().zip(&next).filter(|(one, next)| one == next).count() < 5, "{one:?} {next:?}");
    }
}
