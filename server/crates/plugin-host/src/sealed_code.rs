//! The one place that turns stored native code back into something that runs, behind a seal.

use std::hash::{Hash, Hasher};

use hmac::{Hmac, KeyInit, Mac};
use sha2::{Digest, Sha256};
use wasmtime::Engine;
use wasmtime::component::Component;

const SEAL_BYTES: usize = 32;

/// A key with which the server seals the code that it compiled. Whoever does not have it cannot
/// make the server run native code by writing into the cache folder.
pub(crate) struct SealKey([u8; 32]);

impl SealKey {
    pub(crate) fn new(key: [u8; 32]) -> Self {
        Self(key)
    }

    /// The code with its seal in front. `name` is sealed along: a file under another name is void.
    pub(crate) fn seal(&self, name: &str, code: &[u8]) -> Vec<u8> {
        let seal = self.mac(name, code).finalize().into_bytes();
        [seal.as_slice(), code].concat()
    }

    /// The component whose sealed code this is; none if the seal is not ours, or if the engine has
    /// changed since.
    pub(crate) fn open(&self, engine: &Engine, name: &str, sealed: &[u8]) -> Option<Component> {
        let (seal, code) = sealed.split_at_checked(SEAL_BYTES)?;
        self.mac(name, code).verify_slice(seal).ok()?;
        // SAFETY: `deserialize` demands bytes that `Component::serialize` made and nobody changed.
        // The seal was just verified over exactly these bytes in memory, and only this server has
        // its key, which it uses on nothing but the output of `Component::serialize`, and of
        // `Engine::precompile_component` in a process of the same program that it started for that.
        #[allow(unsafe_code)]
        let component = unsafe { Component::deserialize(engine, code) };
        component.ok()
    }

    fn mac(&self, name: &str, code: &[u8]) -> Hmac<Sha256> {
        let mut mac = Hmac::<Sha256>::new_from_slice(&self.0).expect("HMAC takes keys of any length");
        mac.update(&(name.len() as u64).to_le_bytes());
        mac.update(name.as_bytes());
        mac.update(code);
        mac
    }
}

/// The name under which compiled code is kept: the component's digest and all that compiled code
/// depends on (version, settings, processor).
pub(crate) fn code_name(engine: &Engine, component_digest: &str) -> String {
    let mut hasher = DigestHasher(Sha256::new());
    engine.precompile_compatibility_hash().hash(&mut hasher);
    let engine_digest = crate::package::hex(&hasher.0.finalize()[..8]);
    format!("{component_digest}-{engine_digest}.cwasm")
}

/// Feeds `Hash` into SHA-256: the standard hasher may differ between two builds.
struct DigestHasher(Sha256);

impl Hasher for DigestHasher {
    fn write(&mut self, bytes: &[u8]) {
        self.0.update(bytes);
    }

    fn finish(&self) -> u64 {
        let digest = self.0.clone().finalize();
        u64::from_le_bytes(digest[..8].try_into().expect("a digest has 32 bytes"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_unchanged_code_under_its_own_name_opens() {
        let engine = Engine::default();
        let component = Component::new(&engine, wat::parse_str("(component)").unwrap()).unwrap();
        let key = SealKey::new([7; 32]);
        let sealed = key.seal("a", &component.serialize().unwrap());
        assert!(key.open(&engine, "a", &sealed).is_some());
        assert!(key.open(&engine, "b", &sealed).is_none(), "another name");
        assert!(SealKey::new([8; 32]).open(&engine, "a", &sealed).is_none(), "another key");
        assert!(key.open(&engine, "a", &sealed[..20]).is_none(), "cut short");
        let mut changed = sealed.clone();
        *changed.last_mut().unwrap() ^= 1;
        assert!(key.open(&engine, "a", &changed).is_none(), "one bit changed");
    }
}
