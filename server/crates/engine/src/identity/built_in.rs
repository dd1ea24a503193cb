//! The roles that every installation has, made where they are missing, with what they grant to begin with: what the documents under
//! `schema/roles/` say. From then on they are the administrators', and no later start changes them.

use cardine_access::ModuleGrant;
use cardine_model::Catalog;
use cardine_model::resolve::role_documents;
use cardine_store::platform::access::{GrantRow, RoleRow, find_role, insert_role, put_grant};
use cardine_store::{Store, WriteTx};
use chrono::Utc;
use uuid::Uuid;

use super::{AccessState, ChangedBy, audit, begin_change, load};
use crate::EngineError;
use crate::as_code::RoleDocument;

/// Bound by nothing.
pub const ADMINISTRATOR: &str = "administrator";
/// Of requests without a token.
pub const ANONYMOUS: &str = "anonymous";

/// Makes the built-in roles that the database has not, and loads the rights.
pub(crate) async fn bootstrap(store: &Store, catalog: &Catalog) -> Result<AccessState, EngineError> {
    let state = load(store).await?;
    let mut missing = parse(&role_documents())?;
    missing.retain(|role| state.role_named(&role.name).is_none());
    if missing.is_empty() {
        return Ok(state);
    }
    for role in &mut missing {
        // A module that was taken away may come back as another one, which starts closed.
        role.access.retain(|module, _| catalog.module_by_name(module).is_some());
    }
    let by = ChangedBy::system("system", Utc::now());
    store
        .write(move |tx| {
            let missing = missing.clone();
            Box::pin(async move {
                begin_change(tx).await?;
                for role in &missing {
                    // Another process may have been here first.
                    if find_role(tx, &role.name).await?.is_none() {
                        make(tx, &by, role).await?;
                    }
                }
                Ok::<_, EngineError>(())
            })
        })
        .await?;
    load(store).await
}

async fn make(tx: &mut WriteTx, by: &ChangedBy, document: &RoleDocument) -> Result<(), EngineError> {
    let parent = match &document.parent {
        None => None,
        Some(parent) => find_role(tx, parent).await?.map(|role| role.id),
    };
    let role = RoleRow {
        id: Uuid::now_v7(),
        name: document.name.clone(),
        label: document.label.as_ref().map(ToString::to_string),
        parent,
        administrator: document.administrator,
    };
    insert_role(tx, &role, by.at, by.actor).await?;
    for (module, grant) in &document.access {
        let ModuleGrant { create, read, update, delete, fields } = grant.clone();
        let fields = serde_json::to_string(&fields).map_err(|_| EngineError::Internal)?;
        let module = module.clone();
        put_grant(tx, &GrantRow { role: role.id, module, create, read, update, delete, fields }).await?;
    }
    let changes = serde_json::json!({"name": {"old": null, "new": document.name}, "access": document.access});
    Ok(audit(tx, by, "CREATED", "Role", role.id, changes).await?)
}

/// The roles of these documents, each behind its parent.
fn parse(documents: &[(&str, &str)]) -> Result<Vec<RoleDocument>, EngineError> {
    let mut waiting = Vec::with_capacity(documents.len());
    for (file, text) in documents {
        let role: RoleDocument = serde_json::from_str(text).map_err(|error| {
            tracing::error!(file, %error, "the document of a role cannot be read");
            EngineError::Internal
        })?;
        waiting.push(role);
    }
    let mut ordered: Vec<RoleDocument> = Vec::with_capacity(waiting.len());
    while !waiting.is_empty() {
        let before = ordered.len();
        let is_next = |role: &RoleDocument, known: &[RoleDocument]| {
            role.parent.as_ref().is_none_or(|parent| known.iter().any(|known| known.name == *parent))
        };
        let (next, later): (Vec<_>, Vec<_>) = waiting.into_iter().partition(|role| is_next(role, &ordered));
        ordered.extend(next);
        waiting = later;
        if ordered.len() == before {
            tracing::error!(role = waiting[0].name, "a role's parent is not among the documents of roles");
            return Err(EngineError::Internal);
        }
    }
    Ok(ordered)
}

#[cfg(test)]
mod tests {
    use cardine_model::resolve::builtin_catalog;

    use super::*;

    #[test]
    fn built_in_roles_grant_what_there_is() {
        let (roles, catalog) = (parse(&role_documents()).unwrap(), builtin_catalog(1).unwrap());
        for role in &roles {
            for (name, grant) in &role.access {
                let module = catalog.module_by_name(name).unwrap_or_else(|| panic!("{}: {name}", role.name));
                assert!(!module.platform && grant.read, "{}: {name}: without read, nothing else counts", role.name);
                for field in grant.fields.keys().filter(|field| *field != "*") {
                    assert!(module.field_named(field).is_some(), "{}: {name}.{field}", role.name);
                }
            }
        }
        let named = |name: &str| roles.iter().find(|role| role.name == name).unwrap();
        assert!(named(ADMINISTRATOR).administrator && named(ANONYMOUS).access.is_empty());
        assert_eq!(roles.iter().filter(|role| role.administrator).count(), 1);
    }

    #[test]
    fn a_role_stands_behind_its_parent() {
        let document = |name: &str, parent: &str| {
            let parent = if parent.is_empty() { "null".to_owned() } else { format!("\"{parent}\"") };
            format!(r#"{{"name": "{name}", "label": "x", "parent": {parent}, "access": {{}}}}"#)
        };
        let (low, middle, high) = (document("low", "middle"), document("middle", "high"), document("high", ""));
        let roles = parse(&[("a", &low), ("b", &middle), ("c", &high)]).unwrap();
        assert_eq!(roles.iter().map(|role| role.name.as_str()).collect::<Vec<_>>(), ["high", "middle", "low"]);
        for faulty in [vec![("a", low.as_str())], vec![("a", "{}")], vec![("a", r#"{"name": "x", "typo": 1}"#)]] {
            assert!(parse(&faulty).is_err(), "{faulty:?}");
        }
    }
}
