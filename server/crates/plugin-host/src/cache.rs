//! Keeps compiled components in a private folder, so that a start need not compile.

use std::fs::{self, OpenOptions};
use std::io::{self, Read, Write};
use std::path::{Path, PathBuf};

use wasmtime::Engine;
use wasmtime::component::Component;

use crate::sealed_code::{SealKey, code_name};

const KEY_FILE: &str = "seal.key";

/// The folder of compiled code.
pub(crate) struct CodeCache {
    folder: PathBuf,
    key: SealKey,
}

impl CodeCache {
    /// Opens the folder, and makes it and its key if need be.
    pub(crate) fn open(folder: &Path) -> io::Result<Self> {
        make_private_folder(folder)?;
        let key_path = folder.join(KEY_FILE);
        let key = match read_key(&key_path)? {
            Some(key) => key,
            None => make_key(&key_path)?,
        };
        Ok(Self { folder: folder.to_owned(), key: SealKey::new(key) })
    }

    /// The compiled component, if it is there and its seal is right.
    pub(crate) fn fetch(&self, engine: &Engine, component_digest: &str) -> Option<Component> {
        let name = code_name(engine, component_digest);
        let sealed = fs::read(self.folder.join(&name)).ok()?;
        let component = self.key.open(engine, &name, &sealed);
        if component.is_none() {
            tracing::warn!(file = name, "compiled plugin code is not as it was written; compiling anew");
        }
        component
    }

    /// Keeps a compiled component. That it cannot be kept is logged and does no harm.
    pub(crate) fn store(&self, engine: &Engine, component_digest: &str, component: &Component) {
        let name = code_name(engine, component_digest);
        match component.serialize() {
            Ok(code) => self.keep(&name, &self.key.seal(&name, &code)),
            Err(error) => tracing::warn!(%error, file = name, "compiled plugin code cannot be kept"),
        }
    }

    /// Keeps code that a process compiled which this server started for that, and gives the component; none if it is of another version.
    pub(crate) fn adopt(&self, engine: &Engine, component_digest: &str, code: &[u8]) -> Option<Component> {
        let name = code_name(engine, component_digest);
        let sealed = self.key.seal(&name, code);
        let component = self.key.open(engine, &name, &sealed)?;
        self.keep(&name, &sealed);
        Some(component)
    }

    fn keep(&self, name: &str, sealed: &[u8]) {
        if let Err(error) = self.write(name, sealed) {
            tracing::warn!(%error, file = name, "compiled plugin code cannot be kept");
        }
    }

    /// Writes beside the target and renames, so that nobody reads half a file.
    fn write(&self, name: &str, sealed: &[u8]) -> io::Result<()> {
        let unfinished = self.folder.join(format!("{}.unfinished", uuid::Uuid::now_v7()));
        private_file(&unfinished)?.write_all(sealed)?;
        fs::rename(&unfinished, self.folder.join(name))
    }
}

fn make_private_folder(folder: &Path) -> io::Result<()> {
    fs::create_dir_all(folder)?;
    #[cfg(unix)]
    {
        use std::os::unix::fs::PermissionsExt;
        fs::set_permissions(folder, fs::Permissions::from_mode(0o700))?;
    }
    Ok(())
}

/// The key in the file; none if there is no file, or if others could have read or written it.
fn read_key(path: &Path) -> io::Result<Option<[u8; 32]>> {
    let file = match fs::File::open(path) {
        Ok(file) => file,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
        Err(error) => return Err(error),
    };
    #[cfg(unix)]
    {
        use std::os::unix::fs::PermissionsExt;
        if file.metadata()?.permissions().mode() & 0o077 != 0 {
            return Ok(None);
        }
    }
    let mut content = Vec::new();
    file.take(33).read_to_end(&mut content)?;
    Ok(content.try_into().ok())
}

/// Makes a key, or takes the one that another server has made in the same moment.
fn make_key(path: &Path) -> io::Result<[u8; 32]> {
    let mut key = [0; 32];
    rand::fill(&mut key);
    let unfinished = path.with_extension(format!("{}.unfinished", uuid::Uuid::now_v7()));
    private_file(&unfinished)?.write_all(&key)?;
    if path.exists() && read_key(path)?.is_none() {
        fs::remove_file(path)?;
    }
    // A link, unlike a renaming, does not replace a file that has appeared meanwhile.
    let linked = fs::hard_link(&unfinished, path);
    match linked {
        Ok(()) => {
            fs::remove_file(&unfinished)?;
            Ok(key)
        }
        Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {
            fs::remove_file(&unfinished)?;
            read_key(path)?.ok_or_else(|| io::Error::other("the key file keeps changing"))
        }
        // A file system without links.
        Err(_) => fs::rename(&unfinished, path).map(|()| key),
    }
}

fn private_file(path: &Path) -> io::Result<fs::File> {
    let mut options = OpenOptions::new();
    options.write(true).create_new(true);
    #[cfg(unix)]
    {
        use std::os::unix::fs::OpenOptionsExt;
        options.mode(0o600);
    }
    options.open(path)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[cfg(unix)]
    #[test]
    fn folder_and_key_are_private_and_a_readable_key_is_replaced() {
        use std::os::unix::fs::PermissionsExt;
        let mode = |path: &Path| fs::metadata(path).unwrap().permissions().mode() & 0o777;
        let folder = tempfile::tempdir().unwrap();
        let cache = folder.path().join("code");
        CodeCache::open(&cache).unwrap();
        let key_path = cache.join(KEY_FILE);
        assert_eq!((mode(&cache), mode(&key_path)), (0o700, 0o600));
        let first = fs::read(&key_path).unwrap();
        CodeCache::open(&cache).unwrap();
        assert_eq!(fs::read(&key_path).unwrap(), first, "a private key stays");
        fs::set_permissions(&key_path, fs::Permissions::from_mode(0o644)).unwrap();
        CodeCache::open(&cache).unwrap();
        assert_ne!(fs::read(&key_path).unwrap(), first, "a key that others could read is replaced");
        assert_eq!(mode(&key_path), 0o600);
    }
}
