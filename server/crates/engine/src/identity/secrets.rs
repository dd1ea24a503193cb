//! Secrets that all servers of one database share, such as the key that authenticates cursors.

use async_recursion::async_recursion as boxed;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use cardine_store::platform::settings::keep_setting;
use rand::TryRng as _;
use rand::rngs::SysRng;

use crate::{Engine, EngineError};

impl Engine {
    /// The secret of this name: 32 random bytes, made by whoever asks first.
    #[boxed]
    pub async fn shared_secret(&self, name: &str) -> Result<Vec<u8>, EngineError> {
        let mut bytes = [0; 32];
        SysRng.try_fill_bytes(&mut bytes).map_err(|error| {
            tracing::error!(%error, "the operating system gives no random bytes");
            EngineError::Internal
        })?;
        let (key, offer) = (format!("secret.{name}"), STANDARD.encode(bytes));
        let write = self.store().write(move |tx| {
            let (key, offer) = (key.clone(), offer.clone());
            Box::pin(async move { Ok::<_, EngineError>(keep_setting(tx, &key, &offer).await?) })
        });
        STANDARD.decode(write.await?).map_err(|_| {
            tracing::error!("a shared secret in the database cannot be read");
            EngineError::Internal
        })
    }
}
