//! Signatures of packages: whoever holds a key answers for every file of a package, by Ed25519.

use std::io::{Cursor, Write as _};

use ring::rand::SystemRandom;
use ring::signature::{ED25519, Ed25519KeyPair, KeyPair as _, UnparsedPublicKey};
use serde::{Deserialize, Serialize};
use zip::{ZipArchive, ZipWriter};

use crate::package::{Package, PackageError, SIGNATURE, file_options, hex};

/// What stands before the list of files, so that a signature of something else is none of a package.
const PURPOSE: &str = "cardine package 1\n";

/// The file of a package that holds its signature, in hexadecimal digits.
#[derive(Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct SignatureFile {
    key: String,
    signature: String,
}

/// A new key to sign with: what is to be kept (PKCS #8), and the public key that servers trust, in hexadecimal digits.
///
/// # Errors
/// The operating system gives no random bytes.
pub fn generate_key() -> Result<(Vec<u8>, String), PackageError> {
    let fault = |_| PackageError::Signature("no key can be made".to_owned());
    let secret = Ed25519KeyPair::generate_pkcs8(&SystemRandom::new()).map_err(fault)?;
    let secret = secret.as_ref().to_vec();
    let public = hex(key_pair(&secret)?.public_key().as_ref());
    Ok((secret, public))
}

/// The package with a signature of all its files, in place of one that it had.
///
/// # Errors
/// It is no sound package, or the key is none.
pub fn sign(package: &[u8], secret: &[u8]) -> Result<Vec<u8>, PackageError> {
    let key = key_pair(secret)?;
    let listing = Package::read(package)?.signed_text();
    let signature = SignatureFile { key: hex(key.public_key().as_ref()), signature: hex(key.sign(&listing).as_ref()) };
    let signature = serde_json::to_vec(&signature).expect("two texts are JSON");
    let mut zip = ZipArchive::new(Cursor::new(package)).map_err(archive)?;
    let mut signed = ZipWriter::new(Cursor::new(Vec::new()));
    for index in 0..zip.len() {
        let entry = zip.by_index_raw(index).map_err(archive)?;
        if entry.name().map_err(archive)? != SIGNATURE {
            signed.raw_copy_file(entry).map_err(archive)?;
        }
    }
    signed.start_file(SIGNATURE, file_options()).map_err(archive)?;
    signed.write_all(&signature).map_err(archive)?;
    Ok(signed.finish().map_err(archive)?.into_inner())
}

impl Package {
    /// The key that signed the package, in hexadecimal digits; none if it has no signature.
    ///
    /// # Errors
    /// There is a signature, and it is not one of these files.
    pub fn signer(&self) -> Result<Option<String>, PackageError> {
        let fault = |message: &str| PackageError::Signature(message.to_owned());
        let Some(file) = self.signature() else { return Ok(None) };
        let file: SignatureFile = serde_json::from_slice(file).map_err(|_| fault("it is not in the form of one"))?;
        let (Some(key), Some(signature)) = (bytes_of(&file.key), bytes_of(&file.signature)) else {
            return Err(fault("it is not in hexadecimal digits"));
        };
        let verified = UnparsedPublicKey::new(&ED25519, &key).verify(&self.signed_text(), &signature);
        verified.map_err(|_| fault("the files are not those that were signed"))?;
        Ok(Some(hex(&key)))
    }

    fn signed_text(&self) -> Vec<u8> {
        [PURPOSE, self.listing()].concat().into_bytes()
    }
}

/// Whether a text is a public key as [`generate_key`] gives it.
pub fn is_public_key(text: &str) -> bool {
    text.len() == 64 && text.bytes().all(|digit| matches!(digit, b'0'..=b'9' | b'a'..=b'f'))
}

fn archive(error: impl std::fmt::Display) -> PackageError {
    PackageError::Archive(error.to_string())
}

fn key_pair(secret: &[u8]) -> Result<Ed25519KeyPair, PackageError> {
    Ed25519KeyPair::from_pkcs8(secret).map_err(|_| PackageError::Signature("this is no key to sign with".to_owned()))
}

fn bytes_of(digits: &str) -> Option<Vec<u8>> {
    if !digits.len().is_multiple_of(2) || !digits.is_ascii() {
        return None;
    }
    (0..digits.len()).step_by(2).map(|at| u8::from_str_radix(&digits[at..at + 2], 16).ok()).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::package::pack;

    const MANIFEST: &[u8] = br#"{"name": "p", "version": "1.0.0", "title": "P", "api": "0.1"}"#;

    fn package() -> Vec<u8> {
        pack(MANIFEST, &wat::parse_str("(component)").unwrap()).unwrap()
    }

    fn files(package: &[u8]) -> Vec<(String, Vec<u8>)> {
        let mut zip = ZipArchive::new(Cursor::new(package)).unwrap();
        let read = |index| {
            let mut entry = zip.by_index(index).unwrap();
            let mut content = Vec::new();
            std::io::copy(&mut entry, &mut content).unwrap();
            (entry.name().unwrap().into_owned(), content)
        };
        (0..ZipArchive::new(Cursor::new(package)).unwrap().len()).map(read).collect()
    }

    fn zip_of(files: &[(String, Vec<u8>)]) -> Vec<u8> {
        let mut zip = ZipWriter::new(Cursor::new(Vec::new()));
        for (name, content) in files {
            zip.start_file(name, file_options()).unwrap();
            zip.write_all(content).unwrap();
        }
        zip.finish().unwrap().into_inner()
    }

    #[test]
    fn a_signed_package_names_its_signer() {
        let (secret, public) = generate_key().unwrap();
        assert!(is_public_key(&public) && !is_public_key("x"));
        assert_eq!(Package::read(&package()).unwrap().signer().unwrap(), None);
        let signed = sign(&package(), &secret).unwrap();
        assert_eq!(Package::read(&signed).unwrap().signer().unwrap(), Some(public));
        // Signed again, it has the other signature alone.
        let (other, other_public) = generate_key().unwrap();
        let again = sign(&signed, &other).unwrap();
        assert_eq!(Package::read(&again).unwrap().signer().unwrap(), Some(other_public));
        assert!(sign(&package(), b"no key").is_err());
    }

    #[test]
    fn every_change_of_a_signed_package_is_seen() {
        let (secret, _) = generate_key().unwrap();
        let signed = files(&sign(&package(), &secret).unwrap());
        let refused = |files: &[(String, Vec<u8>)]| Package::read(&zip_of(files)).unwrap().signer().is_err();
        assert!(!refused(&signed), "packed anew, the files are the same");
        let mut changed = signed.clone();
        changed[0].1 = String::from_utf8(changed[0].1.clone()).unwrap().replace("1.0.0", "1.0.1").into_bytes();
        assert!(refused(&changed), "another manifest");
        let mut more = signed.clone();
        more.push(("README.md".to_owned(), b"x".to_vec()));
        assert!(refused(&more), "one more file");
        let mut garbage = signed.clone();
        garbage.last_mut().unwrap().1 = b"{}".to_vec();
        assert!(refused(&garbage), "no signature in the file of one");
    }
}
