//! Secrets that requests outside are signed with: each follows from its name and the installation's key, so none is kept.

use cardine_plugin_host::HmacAlgorithm;
use hmac::{Hmac, KeyInit as _, Mac as _};
use sha2::{Sha256, Sha512};

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

    /// The code of a header that is such a signature of this body, made at most [`SIGNATURE_AGE_MAX`] seconds before or after now. However
    /// the header is written, the code of one signature is the same.
    pub(crate) fn signed<'h>(&self, name: &str, now: i64, body: &[u8], header: &'h str) -> Option<&'h str> {
        let (second, code) = header.strip_prefix("t=")?.split_once(",v1=")?;
        let second = second.parse::<i64>().ok()?;
        let is_fresh = now.checked_sub(second).is_some_and(|age| age.unsigned_abs() <= SIGNATURE_AGE_MAX);
        let expected = self.signature(name, second, body);
        let (_, expected) = expected.split_once(",v1=")?;
        (is_fresh && is_same(expected, code)).then_some(code)
    }

    /// The part of an address that nobody guesses: it follows from the workflow's name and the path that it chose.
    pub(crate) fn address(&self, workflow: &str, path: &str) -> String {
        let mut mac = self.0.clone();
        // No name of a secret holds a line break.
        mac.update(format!("address\n{workflow}\n{path}").as_bytes());
        hexadecimal(&mac.finalize().into_bytes()[..16])
    }
}

/// How far a signature's second may be from ours.
pub(crate) const SIGNATURE_AGE_MAX: u64 = 300;

/// Whether a header holds the code of this body under the secret: hexadecimal digits, which the algorithm's name and `=` may precede.
pub fn is_code(secret: &str, algorithm: HmacAlgorithm, body: &[u8], header: &str) -> bool {
    const ANY_LENGTH: &str = "HMAC takes a key of any length";
    let (name, expected) = match algorithm {
        HmacAlgorithm::Sha256 => {
            let mut mac = Hmac::<Sha256>::new_from_slice(secret.as_bytes()).expect(ANY_LENGTH);
            mac.update(body);
            ("sha256=", hexadecimal(&mac.finalize().into_bytes()))
        }
        HmacAlgorithm::Sha512 => {
            let mut mac = Hmac::<Sha512>::new_from_slice(secret.as_bytes()).expect(ANY_LENGTH);
            mac.update(body);
            ("sha512=", hexadecimal(&mac.finalize().into_bytes()))
        }
    };
    let code = header.strip_prefix(name).unwrap_or(header);
    is_same(&expected, &code.to_ascii_lowercase())
}

/// Compares what is secret: how long it takes tells nothing of where a difference is.
pub(crate) fn is_same(expected: &str, given: &str) -> bool {
    let differences = expected.bytes().zip(given.bytes()).fold(0, |all, (one, other)| all | (one ^ other));
    expected.len() == given.len() && differences == 0
}

fn hexadecimal(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_code_is_of_one_secret_and_body() {
        // The second test case of RFC 4231.
        let (key, body) = ("Jefe", b"what do ya want for nothing?");
        let short = "5bdcc146bf60754e6a042426089575c75a003f089d2739839dec58b964ec3843";
        let long = "164b7a7bfcf819e2e395fbe73b56e0a387bd64222e831fd610270cd7ea2505549758bf75c05a994a6d034f65f8f0e6fdcaeab1a34d4a6b4b636e070a38bce737";
        assert!(is_code(key, HmacAlgorithm::Sha256, body, short));
        assert!(is_code(key, HmacAlgorithm::Sha256, body, &format!("sha256={}", short.to_uppercase())));
        assert!(is_code(key, HmacAlgorithm::Sha512, body, long));
        for wrong in ["", "sha256=", &short[1..], &short.replace('5', "6"), long] {
            assert!(!is_code(key, HmacAlgorithm::Sha256, body, wrong), "{wrong}");
        }
        assert!(!is_code("jefe", HmacAlgorithm::Sha256, body, short));
        assert!(!is_code(key, HmacAlgorithm::Sha256, b"what", short));
    }

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

    #[test]
    fn a_signature_is_believed_near_its_second_for_its_body_and_secret_alone() {
        let key = WebhookKey::new(&[1; 32]);
        let header = key.signature("erp", 1_000, b"{}");
        let is_signed = |name, now, body: &[u8], header: &str| key.signed(name, now, body, header).is_some();
        assert!(is_signed("erp", 1_300, b"{}", &header) && is_signed("erp", 700, b"{}", &header));
        assert!(!is_signed("erp", 1_301, b"{}", &header) && !is_signed("erp", 699, b"{}", &header));
        assert!(!is_signed("crm", 1_000, b"{}", &header) && !is_signed("erp", 1_000, b"[]", &header));
        let later = header.replace("t=1000", "t=1001");
        for faulty in ["", "t=1000", "t=1000,v1=", "t=x,v1=y", &header[..header.len() - 1], &later] {
            assert!(!is_signed("erp", 1_000, b"{}", faulty), "{faulty}");
        }
        assert!(!is_signed("erp", i64::MIN, b"{}", &header));
        // Written otherwise it is no other signature.
        let other = header.replace("t=1000", "t=+01000");
        assert_eq!(key.signed("erp", 1_000, b"{}", &other), key.signed("erp", 1_000, b"{}", &header));
    }

    #[test]
    fn an_address_is_of_one_workflow_path_and_installation() {
        let key = WebhookKey::new(&[1; 32]);
        let address = key.address("orders", "in");
        assert_eq!(address.len(), 32);
        for other in [
            key.address("orders", "out"),
            key.address("deals", "in"),
            WebhookKey::new(&[2; 32]).address("orders", "in"),
        ] {
            assert_ne!(address, other);
        }
    }
}
