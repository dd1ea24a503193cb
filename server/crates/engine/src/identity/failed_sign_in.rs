//! Sign-ins that failed, for administrators' eyes.

use async_recursion::async_recursion as boxed;
use cardine_store::platform::events::{NewAudit, insert_audit};
use serde_json::{Map, Value as Json};
use uuid::Uuid;

use super::ChangedBy;
use super::users::normalised_email;
use crate::{Engine, EngineError};

impl Engine {
    /// Notes that somebody could not sign in with this address: whose it is, if it is somebody's. What is no address is not
    /// kept, as people type passwords in the wrong place.
    #[boxed]
    pub async fn note_failed_sign_in(&self, by: ChangedBy, user: Option<Uuid>, email: &str) -> Result<(), EngineError> {
        let mut changes = Map::new();
        if let Ok(email) = normalised_email(email) {
            changes.insert("email".to_owned(), email.into());
        }
        let write = self.store().write(move |tx| {
            let changes = Json::Object(changes.clone());
            Box::pin(async move {
                let entry = NewAudit {
                    at: by.at,
                    actor: None,
                    on_behalf_of: None,
                    via: by.via,
                    action: "SIGN_IN_FAILED",
                    module: Some("User"),
                    record: user,
                    changes: changes.to_string().into(),
                    request: by.request,
                };
                Ok::<_, EngineError>(insert_audit(tx, &entry).await?)
            })
        });
        write.await
    }
}
