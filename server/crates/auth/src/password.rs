//! Passwords: argon2id, off the request threads, a few at a time, and in the same time whether the user exists or not.

use async_recursion::async_recursion as boxed;
use std::sync::Arc;

use argon2::Argon2;
use argon2::password_hash::{PasswordHasher as _, PasswordVerifier as _};
use tokio::sync::Semaphore;

/// Bytes of UTF-8. The lower bound is that of NIST SP 800-63B; the upper keeps hashing cheap for the server.
pub const LENGTH_BYTES: std::ops::RangeInclusive<usize> = 8..=256;

/// Hashes and verifies in a bounded pool: each takes 19 MiB and tens of milliseconds, and anybody may ask for it.
#[derive(Debug, Clone)]
pub struct Passwords {
    permits: Arc<Semaphore>,
    /// Verified against where there is no user.
    decoy: Arc<str>,
}

/// A password that cannot be taken.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("a password must have 8 to 256 bytes")]
pub struct UnfitPassword;

impl Passwords {
    /// With as many workers as there are cores.
    pub fn new() -> Self {
        let workers = std::thread::available_parallelism().map_or(2, usize::from);
        Self { permits: Arc::new(Semaphore::new(workers)), decoy: hash("no user has this password").into() }
    }

    /// What is stored of a new password: a PHC string.
    #[boxed]
    pub async fn hash(&self, password: &str) -> Result<String, UnfitPassword> {
        if !LENGTH_BYTES.contains(&password.len()) {
            return Err(UnfitPassword);
        }
        let password = password.to_owned();
        Ok(self.run(move || hash(&password)).await)
    }

    /// Whether the password is the stored one. `stored` is `None` for unknown users and those without a password; that
    /// takes as long and is always false.
    #[boxed]
    pub async fn verify(&self, password: &str, stored: Option<&str>) -> bool {
        if password.len() > *LENGTH_BYTES.end() {
            return false;
        }
        let password = password.to_owned();
        let exists = stored.is_some();
        let stored = stored.map_or_else(|| self.decoy.clone(), Arc::from);
        self.run(move || verify(&password, &stored)).await && exists
    }

    async fn run<T: Send + 'static>(&self, work: impl FnOnce() -> T + Send + 'static) -> T {
        let permit = self.permits.clone().acquire_owned().await.expect("the semaphore is never closed");
        let work = move || {
            let result = work();
            drop(permit);
            result
        };
        tokio::task::spawn_blocking(work).await.expect("hashing does not panic")
    }
}

impl Default for Passwords {
    fn default() -> Self {
        Self::new()
    }
}

fn hash(password: &str) -> String {
    Argon2::default().hash_password(password.as_bytes()).expect("a password of any length can be hashed").to_string()
}

fn verify(password: &str, stored: &str) -> bool {
    Argon2::default().verify_password(password.as_bytes(), stored).is_ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn the_right_password_alone_is_right() {
        let passwords = Passwords::new();
        let stored = passwords.hash("correct horse").await.unwrap();
        assert!(stored.starts_with("$argon2id$"), "{stored}");
        assert!(passwords.verify("correct horse", Some(&stored)).await);
        assert!(!passwords.verify("correct horsf", Some(&stored)).await);
        assert!(!passwords.verify("correct horse", Some("not a hash")).await);
    }

    #[tokio::test]
    async fn nobody_signs_in_as_an_unknown_user() {
        assert!(!Passwords::new().verify("no user has this password", None).await);
    }

    #[tokio::test]
    async fn bytes_beyond_the_72nd_count() {
        let passwords = Passwords::new();
        let long = "x".repeat(100);
        let stored = passwords.hash(&long).await.unwrap();
        assert!(passwords.verify(&long, Some(&stored)).await);
        assert!(!passwords.verify(&format!("{}y", "x".repeat(99)), Some(&stored)).await);
    }

    #[tokio::test]
    async fn short_and_endless_passwords_are_refused() {
        let passwords = Passwords::new();
        for unfit in ["", "1234567", &"x".repeat(257)] {
            assert_eq!(passwords.hash(unfit).await, Err(UnfitPassword));
        }
        assert!(passwords.hash("12345678").await.is_ok());
    }
}
