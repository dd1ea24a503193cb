//! Tokens: 256 random bits behind a prefix that tells what they are for; the database holds their SHA-256 alone.

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use rand::TryRng as _;
use rand::rngs::SysRng;
use sha2::{Digest as _, Sha256};

/// What a token is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum SecretKind {
    /// Sent with every request for a few minutes.
    Access,
    /// Exchanged once for the next pair.
    Refresh,
    /// Of a program; lasts until it expires or is revoked.
    ApiKey,
    /// Of the page that makes the first administrator.
    Setup,
    /// In the cookie of a browser.
    Console,
    /// In the link that is mailed to who forgot the password.
    Reset,
}

impl SecretKind {
    fn prefix(self) -> &'static str {
        match self {
            Self::Access => "cat_",
            Self::Refresh => "crt_",
            Self::ApiKey => "cak_",
            Self::Setup => "cst_",
            Self::Console => "ccs_",
            Self::Reset => "cpr_",
        }
    }
}

/// A token in clear: shown to its owner once, never stored, never logged.
#[derive(Clone, PartialEq, Eq)]
pub struct Secret {
    kind: SecretKind,
    text: String,
}

/// The SHA-256 of a token: what is stored. A plain hash is enough, because the token has 256 random bits.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct SecretHash(pub [u8; 32]);

impl Secret {
    /// A new one, from the operating system's randomness.
    pub fn generate(kind: SecretKind) -> Self {
        let mut bytes = [0; 32];
        // Without randomness no token is safe, so there is nothing to go on with.
        SysRng.try_fill_bytes(&mut bytes).expect("the operating system gives random bytes");
        Self { kind, text: format!("{}{}", kind.prefix(), URL_SAFE_NO_PAD.encode(bytes)) }
    }

    /// One that a client sent, if it has the form of this kind.
    pub fn parse(text: &str, kind: SecretKind) -> Option<Self> {
        let body = text.strip_prefix(kind.prefix())?;
        // What is too long for it is no token either.
        let mut bytes = [0; 33];
        let length = URL_SAFE_NO_PAD.decode_slice(body, &mut bytes).ok()?;
        (length == 32).then(|| Self { kind, text: text.to_owned() })
    }

    /// What is stored of it.
    pub fn hash(&self) -> SecretHash {
        SecretHash(Sha256::digest(self.text.as_bytes()).into())
    }

    /// What it is for.
    pub fn kind(&self) -> SecretKind {
        self.kind
    }

    /// What a page shows beside the cookie that holds this secret: who can send both has read an answer of this server, and no
    /// foreign page can.
    pub fn csrf_token(&self) -> String {
        let digest = Sha256::new_with_prefix("csrf ").chain_update(&self.text).finalize();
        URL_SAFE_NO_PAD.encode(digest)
    }

    /// The text, to show it to its owner.
    pub fn reveal(&self) -> &str {
        &self.text
    }
}

impl std::fmt::Debug for Secret {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Secret(…)")
    }
}

impl SecretHash {
    /// As hexadecimal text: the form in the database.
    pub fn to_hex(self) -> String {
        self.0.iter().map(|byte| format!("{byte:02x}")).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_token_is_long_random_and_of_one_kind() {
        let token = Secret::generate(SecretKind::Access);
        assert_eq!(token.reveal().len(), 4 + 43);
        assert_ne!(token, Secret::generate(SecretKind::Access));
        assert_eq!(Secret::parse(token.reveal(), SecretKind::Access), Some(token.clone()));
        assert_eq!(Secret::parse(token.reveal(), SecretKind::Refresh), None, "a refresh token is no access token");
        assert_eq!(Secret::parse(&token.reveal()[..46], SecretKind::Access), None);
        for behind in ["=", "A", "AA", "AAAA", &"A".repeat(9_000)] {
            assert_eq!(Secret::parse(&format!("{}{behind}", token.reveal()), SecretKind::Access), None);
        }
    }

    #[test]
    fn the_token_of_a_page_tells_nothing_of_the_cookie() {
        let (one, other) = (Secret::generate(SecretKind::Console), Secret::generate(SecretKind::Console));
        assert_eq!(one.csrf_token(), one.clone().csrf_token());
        assert_ne!(one.csrf_token(), other.csrf_token());
        assert!(!one.csrf_token().contains(&one.reveal()[4..]) && one.csrf_token() != one.hash().to_hex());
    }

    #[test]
    fn a_token_is_never_printed() {
        let token = Secret::generate(SecretKind::ApiKey);
        assert!(!format!("{token:?}").contains(token.reveal()));
        assert_eq!(token.hash().to_hex().len(), 64);
    }
}
