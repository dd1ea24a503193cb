//! The roles that every installation has, made where they are missing on the first start. None but the administrator's grants anything.

use cardine_store::Store;
use cardine_store::platform::access::{RoleRow, find_role, insert_role};
use chrono::Utc;
use uuid::Uuid;

use super::{AccessState, ChangedBy, audit, begin_change, load};
use crate::EngineError;

/// Bound by nothing.
pub const ADMINISTRATOR: &str = "administrator";
/// Of requests without a token.
pub const ANONYMOUS: &str = "anonymous";

/// Name, parent, label by language. A parent stands before its children.
const ROLES: [(&str, Option<&str>, &str, &str); 7] = [
    (ADMINISTRATOR, None, "Administrator", "Amministratore"),
    ("sales-manager", None, "Sales manager", "Responsabile vendite"),
    ("sales-person", Some("sales-manager"), "Sales person", "Venditore"),
    ("marketing", None, "Marketing", "Marketing"),
    ("support-agent", None, "Support agent", "Operatore assistenza"),
    ("portal-customer", None, "Portal customer", "Cliente del portale"),
    (ANONYMOUS, None, "Anonymous", "Anonimo"),
];

/// Makes the built-in roles if the database has none, and loads the rights.
pub(crate) async fn bootstrap(store: &Store) -> Result<AccessState, EngineError> {
    let state = load(store).await?;
    if ROLES.iter().all(|(name, ..)| state.role_named(name).is_some()) {
        return Ok(state);
    }
    let by = ChangedBy::system("system", Utc::now());
    store
        .write(move |tx| {
            Box::pin(async move {
                begin_change(tx).await?;
                for (name, parent, english, italian) in ROLES {
                    // Another process may have been here first.
                    if find_role(tx, name).await?.is_some() {
                        continue;
                    }
                    let parent = match parent {
                        None => None,
                        Some(parent) => find_role(tx, parent).await?.map(|role| role.id),
                    };
                    let role = RoleRow {
                        id: Uuid::now_v7(),
                        name: name.to_owned(),
                        label: Some(serde_json::json!({"en": english, "it": italian}).to_string()),
                        parent,
                        administrator: name == ADMINISTRATOR,
                    };
                    insert_role(tx, &role, by.at, by.actor).await?;
                    audit(tx, &by, "CREATED", "Role", role.id, serde_json::json!({"name": {"old": null, "new": name}}))
                        .await?;
                }
                Ok::<_, EngineError>(())
            })
        })
        .await?;
    load(store).await
}
