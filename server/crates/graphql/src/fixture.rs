//! A small company for tests: modules that use what a question can use, and callers who may see different parts of it.

use cardine_access::{FieldAccess, Grants, ModuleGrant, Rights};
use cardine_model::Catalog;
use cardine_model::resolve::{parse_document, platform_documents, resolve};
use serde_json::{Map, Value as Json, json};
use uuid::Uuid;

use crate::compile::{Located, Operation, Setting, Viewer};
use crate::cursor::CursorKey;
use crate::error::Error;
use crate::limits::Limits;
use crate::prepare::Prepared;
use crate::protocol::Request;
use crate::schema::Schema;

/// Accounts with deals, contacts and tasks; `secret…` is for administrators only, and so are vaults.
pub(crate) fn catalog() -> Catalog {
    let documents = [
        json!({"name": "Account", "plural": "Accounts", "fields": [
            {"name": "name", "type": "text", "required": true},
            {"name": "industry", "type": "choice", "options": [{"value": "BANKING"}, {"value": "RETAIL"}]},
            {"name": "tags", "type": "multiChoice", "options": [{"value": "HOT"}, {"value": "COLD"}]},
            {"name": "employees", "type": "integer"},
            {"name": "website", "type": "url"},
            {"name": "parent", "type": "reference", "to": "Account", "inverse": "subsidiaries"},
            {"name": "revenue", "type": "rollup", "relation": "deals", "function": "SUM", "field": "amount"},
            {"name": "secretRating", "type": "integer"},
            {"name": "vault", "type": "reference", "to": "Vault", "inverse": "accounts"}
        ]}),
        json!({"name": "Deal", "plural": "Deals", "fields": [
            {"name": "title", "type": "text", "required": true},
            {"name": "amount", "type": "money"},
            {"name": "views", "type": "integer", "big": true},
            {"name": "stage", "type": "choice", "required": true, "default": "OPEN",
             "options": [{"value": "OPEN"}, {"value": "WON"}, {"value": "LOST", "active": false}]},
            {"name": "closeDate", "type": "date"},
            {"name": "callAt", "type": "time"},
            {"name": "won", "type": "boolean"},
            {"name": "notes", "type": "json"},
            {"name": "account", "type": "reference", "to": "Account", "inverse": "deals"},
            {"name": "double", "type": "formula", "rule": "amount * 2", "returns": "money"},
            {"name": "secretMargin", "type": "decimal"},
            {"name": "secretStage", "type": "choice", "options": [{"value": "HUSH"}]},
            {"name": "secretDouble", "type": "formula", "rule": "secretMargin * 2", "returns": "decimal"}
        ]}),
        json!({"name": "Contact", "plural": "Contacts", "fields": [
            {"name": "lastName", "type": "text", "required": true},
            {"name": "email", "type": "email"},
            {"name": "account", "type": "reference", "to": "Account", "inverse": "contacts"}
        ]}),
        json!({"name": "Task", "plural": "Tasks", "fields": [
            {"name": "subject", "type": "text", "required": true},
            {"name": "dueAt", "type": "dateTime"},
            {"name": "parent", "type": "reference", "to": ["Account", "Deal", "Vault"], "inverse": "tasks"}
        ]}),
        json!({"name": "Vault", "plural": "Vaults", "fields": [{"name": "code", "type": "text"}]}),
    ];
    let definition = |document: &Json| parse_document(document).unwrap();
    let platform = platform_documents();
    let platform: Vec<_> = platform.iter().map(|(_, text)| definition(&serde_json::from_str(text).unwrap())).collect();
    resolve(1, &platform, &documents.iter().map(definition).collect::<Vec<_>>()).unwrap()
}

/// Sees and may do everything.
pub(crate) fn administrator(catalog: &Catalog) -> Rights {
    Rights::resolve(catalog, &[&Grants { administrator: true, ..Grants::default() }], true)
}

/// Everything but secrets and vaults; may read accounts only.
pub(crate) fn sales(catalog: &Catalog) -> Rights {
    let secret = ["secretRating", "secretMargin", "secretStage"];
    let fields = |access| {
        let hidden = secret.iter().map(|name| ((*name).to_owned(), FieldAccess::None));
        hidden.chain([("*".to_owned(), access)]).collect()
    };
    let all = ModuleGrant { create: true, read: true, update: true, delete: true, fields: fields(FieldAccess::Write) };
    let read = ModuleGrant { read: true, fields: fields(FieldAccess::Read), ..ModuleGrant::default() };
    let modules = [("Account", read), ("Deal", all.clone()), ("Contact", all.clone()), ("Task", all)];
    Rights::resolve(catalog, &[&Grants::of(modules)], true)
}

/// One caller with what a request is compiled against.
pub(crate) struct World {
    pub catalog: Catalog,
    pub rights: Rights,
    pub limits: Limits,
    pub cursors: CursorKey,
    pub located: Located,
}

pub(crate) const USER: Uuid = Uuid::from_u128(0x0190_0000_0000_7000_8000_0000_0000_0001);

impl World {
    pub fn new(rights: impl Fn(&Catalog) -> Rights) -> Self {
        let catalog = catalog();
        let rights = rights(&catalog);
        let (limits, cursors) = (Limits::default(), CursorKey::new(&[7; 32]));
        Self { catalog, rights, limits, cursors, located: Located::default() }
    }

    pub fn schema(&self) -> Schema<'_> {
        Schema { catalog: &self.catalog, rights: &self.rights, language: "en" }
    }

    pub fn setting(&self) -> Setting<'_> {
        let viewer = Viewer { user: Some(USER), role: "sales", locale: "it", time_zone: "Europe/Rome" };
        Setting { schema: self.schema(), limits: &self.limits, cursors: &self.cursors, viewer }
    }

    pub fn compile(&self, query: &str, variables: Json) -> Result<Operation, Vec<Error>> {
        let variables = match variables {
            Json::Object(variables) => variables,
            _ => Map::new(),
        };
        let request = Request { query: query.to_owned(), variables, ..Request::default() };
        let prepared = Prepared::new(self.setting(), &request)?;
        prepared.compile(self.setting(), &self.located)
    }

    /// The messages with which a request is refused.
    pub fn refusals(&self, query: &str, variables: Json) -> Vec<String> {
        match self.compile(query, variables) {
            Ok(_) => Vec::new(),
            Err(errors) => errors.into_iter().map(|error| error.message).collect(),
        }
    }
}
