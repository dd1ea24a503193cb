//! Secrets that requests outside are signed with: each follows from its name and the installation's key, so none is kept.

use hmac::{Hmac, KeyInit as _, Mac as _};
use sha2::Sha256;

/// The key that secrets follow from; the same on all servers of one database.
#[derive(Clone)]
pub struct WebhookKey(Hmac<Sha256>);

impl std::fmt::Debug for WebhookKey {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("WebhookKey(…)")
    }
}

impl WebhookKey {
    /// Of any length; 32 random bytes are right.
    pub fn new(secret: &[u8]) -> Self {
        Self(Hmac::new_from_slice(secret).expect("HMAC takes a key of any length"))
    }

    /// The secret of this name, which whoever is called checks signatures with: 64 hexadecimal digits.
    pub fn secret(&self, name: &str) -> String {
        let mut mac = self.0.clone();
        mac.update(name.as_bytes());
        hexadecimal(&mac.finalize().into_bytes())
    }

    /// `t=…,v1=…`: the second since 1970, and the HMAC-SHA256 of `{second}.{body}` under the secret of this name.
    pub(crate) fn signature(&self, name: &str, second: i64, body: &[u8]) -> String {
        let mut mac =
            Hmac::<Sha256>::new_from_slice(self.secret(name).as_bytes()).expect("HMAC takes a key of any length");
        mac.update(second.to_string().as_bytes());
        mac.update(b".");
        mac.update(body);
        format!("t={second},v1={}", hexadecimal(&mac.finalize().into_bytes()))
    }
}

fn hexadecimal(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_signature_is_of_one_secret_moment_and_body() {
        let key = WebhookKey::new(&[1; 32]);
        let signature = key.signature("erp", 7, b"{}");
        assert!(signature.starts_with("t=7,v1=") && signature.len() == 7 + 64, "{signature}");
        assert_eq!(signature, key.signature("erp", 7, b"{}"));
        let code = |signature: &str| signature.split("v1=").nth(1).map(str::to_owned);
        for other in [
            key.signature("crm", 7, b"{}"),
            key.signature("erp", 8, b"{}"),
            key.signature("erp", 7, b"[]"),
            WebhookKey::new(&[2; 32]).signature("erp", 7, b"{}"),
        ] {
            assert_ne!(code(&signature), code(&other));
        }
        assert_ne!(key.secret("erp"), key.secret("crm"));
    }
}
