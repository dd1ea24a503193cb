//! Addresses of files: for a few minutes whoever has one is taken for the user that it was made for, and for this file alone.
//!
//! It is a way to show an image or to hand a download to a browser, which sends no token. It gives no right: what the user may
//! read is asked anew at each use.

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use cardine_failpoints::switched_off;
use hmac::{Hmac, Mac as _};
use sha2::Sha256;
use uuid::Uuid;

use crate::cursor::CursorKey;

const PURPOSE: &[u8] = b"cardine file 1";
/// How long an address serves at least.
const LIFE_SECONDS: i64 = 300;
/// Addresses of the same minute are the same, so that browsers find what they have.
const ROUND_SECONDS: i64 = 60;

/// To whom files are linked.
#[derive(Debug, Clone, Copy, Default)]
pub struct FileLinks<'a> {
    /// What stands before the file's id.
    pub base: &'a str,
    /// The user; an anonymous caller's address has nothing to prove.
    pub user: Option<Uuid>,
    /// Until when, in seconds of Unix time.
    pub until: i64,
}

impl FileLinks<'_> {
    /// Until when an address serves that is made `now`.
    pub fn until(now: i64) -> i64 {
        (now + LIFE_SECONDS + ROUND_SECONDS - 1).div_euclid(ROUND_SECONDS) * ROUND_SECONDS
    }
}

impl CursorKey {
    /// The address of the file with this id.
    pub fn file_link(&self, links: &FileLinks<'_>, id: &str) -> String {
        let FileLinks { base, user, until } = links;
        match (user, Uuid::try_parse(id)) {
            (Some(user), Ok(file)) => {
                let code = URL_SAFE_NO_PAD.encode(self.file_mac(file, *user, *until).finalize().into_bytes());
                format!("{base}{id}?user={}&until={until}&code={code}", user.simple())
            }
            _ => format!("{base}{id}"),
        }
    }

    /// The user that an address was made for, by the parameters in it; `None` if it was not made so, or serves no longer.
    pub fn open_file_link(&self, file: Uuid, query: &str, now: i64) -> Option<Uuid> {
        let (mut user, mut until, mut code) = (None, None, None);
        for part in query.split('&') {
            let (name, value) = part.split_once('=')?;
            let slot = match name {
                "user" => &mut user,
                "until" => &mut until,
                "code" => &mut code,
                _ => return None,
            };
            if slot.replace(value).is_some() {
                return None;
            }
        }
        let user = Uuid::try_parse(user?).ok()?;
        let until: i64 = until?.parse().ok()?;
        let code = URL_SAFE_NO_PAD.decode(code?).ok()?;
        let is_ours = self.file_mac(file, user, until).verify_slice(&code).is_ok() || switched_off!("file.link");
        let is_valid = now < until || switched_off!("file.until");
        (is_ours && is_valid).then_some(user)
    }

    fn file_mac(&self, file: Uuid, user: Uuid, until: i64) -> Hmac<Sha256> {
        let mut mac = self.mac_for(PURPOSE);
        mac.update(file.as_bytes());
        mac.update(user.as_bytes());
        mac.update(&until.to_be_bytes());
        mac
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const NOW: i64 = 1_800_000_007;

    fn link(key: &CursorKey, file: Uuid, user: Uuid) -> String {
        let links = FileLinks { base: "", user: Some(user), until: FileLinks::until(NOW) };
        let link = key.file_link(&links, &file.to_string());
        link.split_once('?').unwrap().1.to_owned()
    }

    #[test]
    fn an_address_serves_its_file_for_its_time_alone() {
        let (key, other) = (CursorKey::new(&[1; 32]), CursorKey::new(&[2; 32]));
        let (file, user) = (Uuid::from_u128(7), Uuid::from_u128(9));
        let query = link(&key, file, user);
        assert_eq!(key.open_file_link(file, &query, NOW), Some(user));
        assert_eq!(key.open_file_link(file, &query, NOW + LIFE_SECONDS - 1), Some(user));
        assert_eq!(key.open_file_link(file, &query, NOW + LIFE_SECONDS + ROUND_SECONDS), None);
        assert_eq!(key.open_file_link(Uuid::from_u128(8), &query, NOW), None);
        assert_eq!(other.open_file_link(file, &query, NOW), None);
    }

    #[test]
    fn a_changed_address_does_not_serve() {
        let key = CursorKey::new(&[1; 32]);
        let (file, user) = (Uuid::from_u128(7), Uuid::from_u128(9));
        let query = link(&key, file, user);
        for end in 0..query.len() {
            assert_eq!(key.open_file_link(file, &query[..end], NOW), None, "{end}");
        }
        for position in 0..query.len() {
            let mut bytes = query.clone().into_bytes();
            bytes[position] = if bytes[position] == b'1' { b'2' } else { b'1' };
            let changed = String::from_utf8(bytes).unwrap();
            assert_eq!(key.open_file_link(file, &changed, NOW), None, "{changed}");
        }
        for more in ["&user=x", "&x=1", "&"] {
            assert_eq!(key.open_file_link(file, &format!("{query}{more}"), NOW), None, "{more}");
        }
    }

    #[test]
    fn addresses_of_one_minute_are_the_same() {
        assert_eq!(FileLinks::until(600), 900);
        assert_eq!(FileLinks::until(601), 960);
        assert_eq!(FileLinks::until(660), 960);
    }
}
