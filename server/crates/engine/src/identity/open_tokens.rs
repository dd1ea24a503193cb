//! Whether the tokens that long connections were begun with are still good.

use async_recursion::async_recursion as boxed;
use cardine_store::platform::tokens::fetch_good_tokens;
use chrono::{DateTime, Utc};
use uuid::Uuid;

use crate::{Engine, EngineError};

impl Engine {
    /// Those of these sessions and API keys that are good now.
    #[boxed]
    pub async fn good_tokens(&self, ids: Vec<Uuid>, now: DateTime<Utc>) -> Result<Vec<Uuid>, EngineError> {
        let read = self
            .store()
            .read(move |tx| Box::pin(async move { Ok::<_, EngineError>(fetch_good_tokens(tx, &ids, now).await?) }));
        read.await
    }
}
