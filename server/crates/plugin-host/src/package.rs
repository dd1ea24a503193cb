//! Makes and opens `.cardine` packages: a zip of `plugin.json`, `plugin.wasm` and documents.

use std::collections::BTreeMap;
use std::io::{Cursor, Read, Write};

use sha2::{Digest, Sha256};
use zip::write::SimpleFileOptions;
use zip::{CompressionMethod, DateTime, ZipArchive, ZipWriter};

use crate::component::is_component;
use crate::issue::Issue;
use crate::manifest::Manifest;

const MANIFEST: &str = "plugin.json";
const COMPONENT: &str = "plugin.wasm";
/// Holds the signature of all other files.
pub(crate) const SIGNATURE: &str = "signature.json";
/// What a package may hold in all, packed and unpacked.
const ARCHIVE_BYTES_MAX: usize = 64 << 20;
const UNPACKED_BYTES_MAX: u64 = 96 << 20;
const ENTRIES_MAX: usize = 256;
const MANIFEST_BYTES_MAX: u64 = 1 << 20;
const SIGNATURE_BYTES_MAX: u64 = 4 << 10;
/// The most that an operator may allow; the configured bound is checked when a plugin is loaded.
const COMPONENT_BYTES_MAX: u64 = 64 << 20;

/// A package whose manifest was checked. Nothing of it has run.
#[derive(Debug, Clone)]
pub struct Package {
    manifest: Manifest,
    component: Vec<u8>,
    digest: String,
    /// SHA-256 and name of each file but the signature, by name.
    #[cfg_attr(not(feature = "runtime"), expect(dead_code, reason = "only servers look at signatures"))]
    listing: String,
    #[cfg_attr(not(feature = "runtime"), expect(dead_code, reason = "only servers look at signatures"))]
    signature: Option<Vec<u8>>,
}

/// Why a package was refused.
#[derive(Debug, thiserror::Error)]
pub enum PackageError {
    /// The archive itself is malformed, dangerous or too large.
    #[error("not a usable .cardine package: {0}")]
    Archive(String),
    /// The manifest has issues.
    #[error("plugin.json has {} issue(s): {}", .0.len(), list(.0))]
    Manifest(Vec<Issue>),
    /// It is signed, but not so.
    #[error("the package's signature is not valid: {0}")]
    Signature(String),
}

impl Package {
    /// Opens a package in memory; no file is ever written.
    ///
    /// # Errors
    /// [`PackageError::Archive`] for archives that are too large in any way or hold names that
    /// could leave their folder; [`PackageError::Manifest`] with all issues of `plugin.json`.
    pub fn read(bytes: &[u8]) -> Result<Self, PackageError> {
        let archive = |message: String| PackageError::Archive(message);
        if bytes.len() > ARCHIVE_BYTES_MAX {
            return Err(archive(format!("larger than {} MiB", ARCHIVE_BYTES_MAX >> 20)));
        }
        let mut zip =
            ZipArchive::new(Cursor::new(bytes)).map_err(|error| archive(format!("not a zip archive: {error}")))?;
        if zip.len() > ENTRIES_MAX {
            return Err(archive(format!("more than {ENTRIES_MAX} files")));
        }
        let mut unpacked_left = UNPACKED_BYTES_MAX;
        let (mut manifest, mut component, mut signature) = (None, None, None);
        let mut digests = BTreeMap::new();
        for index in 0..zip.len() {
            let entry = zip.by_index(index).map_err(|error| archive(error.to_string()))?;
            let name = entry.name().map_err(|error| archive(error.to_string()))?.into_owned();
            check_name(&name).map_err(archive)?;
            if entry.is_symlink() {
                return Err(archive(format!("{name:?} is a symbolic link")));
            }
            let (slot, bytes_max) = match name.as_str() {
                MANIFEST => (Some(&mut manifest), MANIFEST_BYTES_MAX),
                COMPONENT => (Some(&mut component), COMPONENT_BYTES_MAX),
                SIGNATURE => (Some(&mut signature), SIGNATURE_BYTES_MAX),
                _ => (None, UNPACKED_BYTES_MAX),
            };
            // The sizes in an archive's directory are claims; only what comes out counts.
            let bytes_max = bytes_max.min(unpacked_left);
            let mut content = Vec::new();
            let mut bounded = entry.take(bytes_max + 1);
            let mut digest = Digesting::default();
            let read = match slot {
                Some(_) => bounded.read_to_end(&mut content).map(|length| length as u64),
                None => std::io::copy(&mut bounded, &mut digest),
            };
            digest.0.update(&content);
            let read = read.map_err(|error| archive(format!("{name:?} cannot be unpacked: {error}")))?;
            if read > bytes_max {
                return Err(archive(format!("{name:?} unpacks to more than {bytes_max} bytes")));
            }
            unpacked_left -= read;
            if let Some(slot) = slot {
                *slot = Some(content);
            }
            if digests.insert(name.clone(), hex(&digest.0.finalize())).is_some() {
                return Err(archive(format!("{name:?} stands in it twice")));
            }
        }
        let manifest = manifest.ok_or_else(|| archive(format!("it has no {MANIFEST}")))?;
        let component = component.ok_or_else(|| archive(format!("it has no {COMPONENT}")))?;
        digests.remove(SIGNATURE);
        let listing = digests.iter().map(|(name, digest)| format!("{digest}  {name}\n")).collect();
        Ok(Self { listing, signature, ..Self::from_parts(&manifest, component)? })
    }

    /// A package from its two parts, as [`Package::read`] would find them in an archive.
    ///
    /// # Errors
    /// As [`Package::read`].
    pub fn from_parts(manifest: &[u8], component: Vec<u8>) -> Result<Self, PackageError> {
        let text = std::str::from_utf8(manifest)
            .map_err(|_| PackageError::Archive(format!("{MANIFEST} is not UTF-8 text")))?;
        let manifest = Manifest::parse(text).map_err(PackageError::Manifest)?;
        if !is_component(&component) {
            let message = format!("{COMPONENT} is not a WebAssembly component");
            return Err(PackageError::Archive(message));
        }
        let digest = hex(&Sha256::digest(&component));
        Ok(Self { manifest, component, digest, listing: String::new(), signature: None })
    }

    /// The checked manifest.
    pub fn manifest(&self) -> &Manifest {
        &self.manifest
    }

    /// The component's bytes.
    pub fn component(&self) -> &[u8] {
        &self.component
    }

    /// SHA-256 of the component, in lower-case hexadecimal digits.
    pub fn digest(&self) -> &str {
        &self.digest
    }

    #[cfg(feature = "runtime")]
    pub(crate) fn listing(&self) -> &str {
        &self.listing
    }

    #[cfg(feature = "runtime")]
    pub(crate) fn signature(&self) -> Option<&[u8]> {
        self.signature.as_deref()
    }
}

/// Takes the digest of what is written.
#[derive(Default)]
struct Digesting(Sha256);

impl Write for Digesting {
    fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
        self.0.update(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> std::io::Result<()> {
        Ok(())
    }
}

/// Alike for all files, so that equal inputs make equal bytes.
pub(crate) fn file_options() -> SimpleFileOptions {
    SimpleFileOptions::default()
        .compression_method(CompressionMethod::Deflated)
        .last_modified_time(DateTime::default())
        .unix_permissions(0o644)
}

/// Packs a manifest and a component, both checked; equal inputs make equal bytes.
///
/// # Errors
/// As [`Package::read`].
pub fn pack(manifest: &[u8], component: &[u8]) -> Result<Vec<u8>, PackageError> {
    Package::from_parts(manifest, component.to_vec())?;
    let options = file_options();
    let mut zip = ZipWriter::new(Cursor::new(Vec::new()));
    for (name, content) in [(MANIFEST, manifest), (COMPONENT, component)] {
        zip.start_file(name, options)
            .and_then(|()| zip.write_all(content).map_err(Into::into))
            .map_err(|error| PackageError::Archive(error.to_string()))?;
    }
    let packed = zip.finish().map_err(|error| PackageError::Archive(error.to_string()))?;
    Ok(packed.into_inner())
}

/// Names are compared and shown, never opened as paths; strange ones are refused all the same,
/// because other tools do unpack archives.
fn check_name(name: &str) -> Result<(), String> {
    let strange = name.is_empty()
        || name.len() > 255
        || name.starts_with('/')
        || name.contains(['\\', '\0', ':'])
        || name.split('/').any(|part| part == ".." || part == ".");
    if strange {
        return Err(format!("the file name {name:?} is not allowed"));
    }
    Ok(())
}

pub(crate) fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

fn list(issues: &[Issue]) -> String {
    let lines: Vec<String> = issues.iter().map(ToString::to_string).collect();
    lines.join("; ")
}

#[cfg(test)]
mod tests {
    use super::*;

    const MANIFEST_TEXT: &[u8] = br#"{"name": "p", "version": "1.0.0", "title": "P", "api": "0.1"}"#;

    fn component() -> Vec<u8> {
        wat::parse_str("(component)").unwrap()
    }

    fn zip_of(files: &[(&str, &[u8])]) -> Vec<u8> {
        let mut zip = ZipWriter::new(Cursor::new(Vec::new()));
        for (name, content) in files {
            zip.start_file(*name, SimpleFileOptions::default()).unwrap();
            zip.write_all(content).unwrap();
        }
        zip.finish().unwrap().into_inner()
    }

    fn refusal(bytes: &[u8]) -> String {
        Package::read(bytes).unwrap_err().to_string()
    }

    #[test]
    fn what_was_packed_is_read_back() {
        let packed = pack(MANIFEST_TEXT, &component()).unwrap();
        let package = Package::read(&packed).unwrap();
        assert_eq!(package.manifest().name(), "p");
        assert_eq!(package.component(), component());
        assert_eq!(package.digest().len(), 64);
    }

    #[test]
    fn packing_is_reproducible() {
        assert_eq!(pack(MANIFEST_TEXT, &component()).unwrap(), pack(MANIFEST_TEXT, &component()).unwrap());
    }

    #[test]
    fn extra_documents_are_allowed() {
        let bytes = zip_of(&[("plugin.json", MANIFEST_TEXT), ("plugin.wasm", &component()), ("docs/README.md", b"#")]);
        assert!(Package::read(&bytes).is_ok());
    }

    #[test]
    fn a_name_that_leaves_its_folder_is_refused() {
        for name in ["../evil", "/etc/passwd", "a/../../b", "c:\\x", "a\\b"] {
            let bytes = zip_of(&[("plugin.json", MANIFEST_TEXT), ("plugin.wasm", &component()), (name, b"x")]);
            assert!(refusal(&bytes).contains("not allowed"), "{name}");
        }
    }

    #[test]
    fn a_zip_bomb_is_refused() {
        let bomb = vec![b' '; 2 << 20];
        let bytes = zip_of(&[("plugin.json", &bomb), ("plugin.wasm", &component())]);
        assert!(bytes.len() < 100_000, "the bomb must be small when packed");
        assert!(refusal(&bytes).contains("unpacks to more than"));
    }

    #[test]
    fn many_documents_together_are_bounded() {
        let large = vec![0_u8; 40 << 20];
        let files: Vec<(&str, &[u8])> = vec![("a", &large), ("b", &large), ("c", &large)];
        assert!(refusal(&zip_of(&files)).contains("unpacks to more than"));
    }

    #[test]
    fn missing_parts_are_named() {
        assert!(refusal(&zip_of(&[("plugin.wasm", &component())])).contains("plugin.json"));
        assert!(refusal(&zip_of(&[("plugin.json", MANIFEST_TEXT)])).contains("plugin.wasm"));
        assert!(refusal(b"hello").contains("zip"));
    }

    #[test]
    fn text_and_core_modules_are_no_components() {
        for wrong in [b"(component)".to_vec(), wat::parse_str("(module)").unwrap()] {
            let bytes = zip_of(&[("plugin.json", MANIFEST_TEXT), ("plugin.wasm", &wrong)]);
            assert!(refusal(&bytes).contains("not a WebAssembly component"));
        }
    }

    #[test]
    fn a_truncated_archive_is_refused() {
        let packed = pack(MANIFEST_TEXT, &component()).unwrap();
        for length in 0..packed.len() {
            assert!(Package::read(&packed[..length]).is_err(), "{length} bytes");
        }
    }
}
