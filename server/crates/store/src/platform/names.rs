//! What the platform's own tables say of modules and fields by name: brought along when a name changes, forgotten when a thing is gone.

use cardine_model::Value;
use cardine_sql::{ColumnType, Dialect};

use super::access::{change, select, text_of};
use crate::{StoreError, WriteTx};

/// In every table with a module's name: from its old name to its new one.
const RENAME_MODULE: [&str; 8] = [
    r#"UPDATE "role_grant" SET "module" = $1::text WHERE "module" = $2::text"#,
    r#"UPDATE "sharing_rule" SET "module" = $1::text WHERE "module" = $2::text"#,
    r#"UPDATE "record_rule" SET "module" = $1::text WHERE "module" = $2::text"#,
    r#"UPDATE "record_share" SET "module" = $1::text WHERE "module" = $2::text"#,
    r#"UPDATE "auto_number" SET "module" = $1::text WHERE "module" = $2::text"#,
    r#"UPDATE "outbox" SET "module" = $1::text WHERE "module" = $2::text"#,
    r#"UPDATE "_notification" SET "module" = $1::text WHERE "module" = $2::text"#,
    r#"UPDATE "_turn" SET "module" = $1::text WHERE "module" = $2::text"#,
];

/// What those tables have of a module.
const FORGET_MODULE: [&str; 8] = [
    r#"DELETE FROM "role_grant" WHERE "module" = $1::text"#,
    r#"DELETE FROM "sharing_rule" WHERE "module" = $1::text"#,
    r#"DELETE FROM "record_rule" WHERE "module" = $1::text"#,
    r#"DELETE FROM "record_share" WHERE "module" = $1::text"#,
    r#"DELETE FROM "auto_number" WHERE "module" = $1::text"#,
    r#"DELETE FROM "outbox" WHERE "module" = $1::text"#,
    r#"DELETE FROM "_notification" WHERE "module" = $1::text"#,
    r#"DELETE FROM "_turn" WHERE "module" = $1::text"#,
];

/// A field's name in the documents of a module's events: module, old name, new name. At the top of the document alone: what is
/// inside a value may have the same name. `char(36)` is `$`, which would be a parameter.
const RENAME_IN_EVENTS_ON_SQLITE: [&str; 2] = [
    r#"UPDATE "outbox" SET "before" = json_set(json_remove("before", char(36) || '.' || $2), char(36) || '.' || $3, json("before" -> $2))
        WHERE "module" = $1 AND ("before" -> $2) IS NOT NULL"#,
    r#"UPDATE "outbox" SET "after" = json_set(json_remove("after", char(36) || '.' || $2), char(36) || '.' || $3, json("after" -> $2))
        WHERE "module" = $1 AND ("after" -> $2) IS NOT NULL"#,
];

/// The same.
const RENAME_IN_EVENTS_ON_POSTGRES: [&str; 2] = [
    r#"UPDATE "outbox" SET "before" = (("before"::jsonb - $2::text) || jsonb_build_object($3::text, "before"::jsonb -> $2::text))::text
        WHERE "module" = $1::text AND ("before"::jsonb -> $2::text) IS NOT NULL"#,
    r#"UPDATE "outbox" SET "after" = (("after"::jsonb - $2::text) || jsonb_build_object($3::text, "after"::jsonb -> $2::text))::text
        WHERE "module" = $1::text AND ("after"::jsonb -> $2::text) IS NOT NULL"#,
];

/// What a document is that names fields.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum DocumentKind {
    /// JSON: access by field name.
    Grant,
    /// JSON: grants by module.
    PermissionSet,
    /// JSON with a rule in it.
    SharingRule,
    /// A rule.
    RecordRule,
    /// A workflow's JSON.
    Workflow,
    /// The JSON of one of its versions.
    WorkflowVersion,
    /// JSON: the state of a run that has not ended.
    Run,
    /// JSON: what a plugin was granted.
    PluginGrant,
    /// JSON: the scopes of an API key.
    ApiKey,
    /// The manifest of a plugin in service, which is part of its package and stays as it is.
    PluginManifest,
}

/// A document that names fields, and where it is kept.
#[derive(Debug, Clone)]
pub struct NamedDocument {
    /// What it is.
    pub kind: DocumentKind,
    /// The module that it is about; empty where the document tells.
    pub module: String,
    /// What people call it.
    pub name: String,
    /// The document.
    pub text: String,
    key: (String, String),
}

/// All documents of the platform that name fields.
pub async fn fetch_documents(tx: &mut WriteTx) -> Result<Vec<NamedDocument>, StoreError> {
    let mut documents = Vec::new();
    for (kind, text) in [
        (
            DocumentKind::Grant,
            r#"SELECT g."role_id", g."module", r."name", g."fields" FROM "role_grant" g JOIN "role" r ON r."id" = g."role_id" ORDER BY r."name", g."module""#,
        ),
        (DocumentKind::PermissionSet, r#"SELECT "id", '', "name", "access" FROM "permission_set" ORDER BY "name""#),
        (
            DocumentKind::RecordRule,
            r#"SELECT g."role_id", g."module", r."name", g."rule" FROM "record_rule" g JOIN "role" r ON r."id" = g."role_id" ORDER BY r."name", g."module""#,
        ),
        (DocumentKind::Workflow, r#"SELECT "id", '', "name", "definition" FROM "workflow" ORDER BY "name""#),
        (
            DocumentKind::WorkflowVersion,
            r#"SELECT v."workflow_id", CAST(v."version" AS text), w."name", v."definition" FROM "workflow_version" v
                JOIN "workflow" w ON w."id" = v."workflow_id" ORDER BY w."name", v."version""#,
        ),
        (
            DocumentKind::Run,
            r#"SELECT "id", '', '', "state" FROM "workflow_run" WHERE "finished_at" IS NULL ORDER BY "id""#,
        ),
        (DocumentKind::PluginGrant, r#"SELECT "id", '', "name", "grants" FROM "plugin" ORDER BY "name""#),
        (
            DocumentKind::ApiKey,
            r#"SELECT "id", '', "name", "scopes" FROM "api_key" WHERE "revoked_at" IS NULL AND "scopes" <> '[]' ORDER BY "name", "id""#,
        ),
        (
            DocumentKind::PluginManifest,
            r#"SELECT "id", '', "name", "manifest" FROM "plugin" WHERE "active" ORDER BY "name""#,
        ),
    ] {
        let columns = [ColumnType::Id, ColumnType::Text, ColumnType::Text, ColumnType::Text];
        documents.extend(fetch(tx, kind, text, &columns).await?);
    }
    let text = r#"SELECT "name", "module", "name", "definition" FROM "sharing_rule" ORDER BY "name""#;
    let columns = [ColumnType::Text; 4];
    documents.extend(fetch(tx, DocumentKind::SharingRule, text, &columns).await?);
    Ok(documents)
}

async fn fetch(
    tx: &mut WriteTx,
    kind: DocumentKind,
    text: &str,
    columns: &[ColumnType; 4],
) -> Result<Vec<NamedDocument>, StoreError> {
    let rows = select(tx, text, &[], columns).await?;
    (0..rows.len())
        .map(|row| {
            let module = text_of(&rows, row, 1)?;
            let key = (text_of(&rows, row, 0)?, module.clone());
            Ok(NamedDocument { kind, module, name: text_of(&rows, row, 2)?, text: text_of(&rows, row, 3)?, key })
        })
        .collect()
}

/// Puts another text in the document's place.
pub async fn put_document(tx: &mut WriteTx, document: &NamedDocument, text: &str) -> Result<(), StoreError> {
    let statement = match document.kind {
        DocumentKind::Grant => {
            r#"UPDATE "role_grant" SET "fields" = $1::text WHERE "role_id" = $2::uuid AND "module" = $3::text"#
        }
        DocumentKind::RecordRule => {
            r#"UPDATE "record_rule" SET "rule" = $1::text WHERE "role_id" = $2::uuid AND "module" = $3::text"#
        }
        DocumentKind::PermissionSet => r#"UPDATE "permission_set" SET "access" = $1::text WHERE "id" = $2::uuid"#,
        DocumentKind::WorkflowVersion => {
            r#"UPDATE "workflow_version" SET "definition" = $1::text WHERE "workflow_id" = $2::uuid AND CAST("version" AS text) = $3::text"#
        }
        DocumentKind::Workflow => r#"UPDATE "workflow" SET "definition" = $1::text WHERE "id" = $2::uuid"#,
        DocumentKind::Run => r#"UPDATE "workflow_run" SET "state" = $1::text WHERE "id" = $2::uuid"#,
        DocumentKind::PluginGrant => r#"UPDATE "plugin" SET "grants" = $1::text WHERE "id" = $2::uuid"#,
        DocumentKind::ApiKey => r#"UPDATE "api_key" SET "scopes" = $1::text WHERE "id" = $2::uuid"#,
        DocumentKind::PluginManifest => return Err(StoreError::corrupt("a manifest other than its package's")),
        DocumentKind::SharingRule => r#"UPDATE "sharing_rule" SET "definition" = $1::text WHERE "name" = $2::text"#,
    };
    let key = match document.kind {
        DocumentKind::SharingRule => Value::Text(document.key.0.clone()),
        _ => Value::Id(document.key.0.parse().map_err(|_| StoreError::corrupt("an id that is none"))?),
    };
    let mut values = vec![Value::Text(text.to_owned()), key];
    if matches!(document.kind, DocumentKind::Grant | DocumentKind::RecordRule | DocumentKind::WorkflowVersion) {
        values.push(Value::Text(document.key.1.clone()));
    }
    change(tx, statement, &values).await.map(|_| ())
}

/// Starts a workflow no more.
pub async fn switch_workflow_off(tx: &mut WriteTx, name: &str) -> Result<(), StoreError> {
    let text = r#"UPDATE "workflow" SET "status" = 'PAUSED' WHERE "name" = $1::text"#;
    change(tx, text, &[Value::Text(name.to_owned())]).await.map(|_| ())
}

/// A module is called otherwise: in grants, rules, shares, counters and events.
pub async fn rename_module(tx: &mut WriteTx, from: &str, to: &str) -> Result<(), StoreError> {
    for text in RENAME_MODULE {
        change(tx, text, &[to, from].map(|name| Value::Text(name.to_owned()))).await?;
    }
    Ok(())
}

/// Forgets a module's grants, rules, shares, counters and events.
pub async fn forget_module(tx: &mut WriteTx, module: &str) -> Result<(), StoreError> {
    for text in FORGET_MODULE {
        change(tx, text, &[Value::Text(module.to_owned())]).await?;
    }
    Ok(())
}

/// A field is called otherwise: in its counter, and in the events that somebody may still read. `names` are those that events
/// have for it, old and new: `accountId` of a reference.
pub async fn rename_field(
    tx: &mut WriteTx,
    module: &str,
    (from, to): (&str, &str),
    names: (&str, &str),
) -> Result<(), StoreError> {
    let text = r#"UPDATE "auto_number" SET "field" = $1::text WHERE "module" = $2::text AND "field" = $3::text"#;
    let values = [to, module, from].map(|text| Value::Text(text.to_owned()));
    change(tx, text, &values).await?;
    let (old, new) = names;
    let in_events = match tx.dialect() {
        Dialect::Sqlite => RENAME_IN_EVENTS_ON_SQLITE,
        Dialect::Postgres => RENAME_IN_EVENTS_ON_POSTGRES,
    };
    for text in in_events {
        change(tx, text, &[module, old, new].map(|name| Value::Text(name.to_owned()))).await?;
    }
    let text = r#"UPDATE "outbox" SET "changed" = replace(replace("changed", $2::text, $3::text), $4::text, $5::text) WHERE "module" = $1::text"#;
    let values =
        [module.to_owned(), format!("\"{old}\""), format!("\"{new}\""), format!("\"{old}."), format!("\"{new}.")];
    change(tx, text, &values.map(Value::Text)).await.map(|_| ())
}

/// Forgets a field's counter.
pub async fn forget_field(tx: &mut WriteTx, module: &str, field: &str) -> Result<(), StoreError> {
    let text = r#"DELETE FROM "auto_number" WHERE "module" = $1::text AND "field" = $2::text"#;
    change(tx, text, &[module, field].map(|text| Value::Text(text.to_owned()))).await.map(|_| ())
}
