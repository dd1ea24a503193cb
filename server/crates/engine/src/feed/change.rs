//! One change of a record as the feed tells it: decoded once, its images prepared once per version of the catalog.

use std::fmt::Write as _;
use std::sync::{Arc, Mutex};

use cardine_access::Rights;
use cardine_failpoints::switched_off;
use cardine_model::catalog::{Catalog, Field, FieldKind, Module};
use cardine_model::{ScalarType, Value};
use cardine_sql::write::stored_fields;
use cardine_store::platform::feed::OutboxRow;
use serde_json::{Map, Value as Json};
use uuid::Uuid;

use super::NOTIFICATIONS;
use crate::record::{Record, json_name, json_of_value};

/// A committed change of a record.
#[derive(Debug)]
pub struct RecordChange {
    /// Its place: changes of one record are in the order of their numbers.
    pub seq: i64,
    /// The record's module, by the name that it had.
    pub module: String,
    /// The record.
    pub record: Uuid,
    /// The names of the stored fields that changed, in the API's form (`accountId`), and of relations whose links did.
    pub changed: Vec<String>,
    before: Option<Map<String, Json>>,
    after: Option<Map<String, Json>>,
    /// What it takes in memory, about.
    pub(super) bytes: usize,
    prepared: Mutex<Option<(u64, Arc<Images>)>>,
}

/// The record before and after as the statements over images take them: the inner text of a JSON object.
#[derive(Debug)]
pub(super) struct Images {
    /// `None` if there was no live record.
    pub before: Option<String>,
    /// `None` if there is no live record.
    pub after: Option<String>,
    /// When the record was deleted by the change, as JSON.
    pub gone: Option<String>,
}

impl RecordChange {
    pub(super) fn decode(row: OutboxRow) -> Arc<Self> {
        let image = |text: Option<String>| {
            let text = text?;
            serde_json::from_str(&text)
                .inspect_err(|error| tracing::error!(seq = row.seq, %error, "an image of an event cannot be read"))
                .ok()
        };
        let bytes = row.before.as_ref().map_or(0, String::len) + row.after.as_ref().map_or(0, String::len);
        Arc::new(Self {
            bytes,
            seq: row.seq,
            record: row.record,
            changed: serde_json::from_str(&row.changed).unwrap_or_default(),
            before: image(row.before),
            after: image(row.after),
            module: row.module,
            prepared: Mutex::default(),
        })
    }

    /// Of an event that tells of a notification: its id. The user's is that of the record.
    pub fn notification(&self) -> Option<Uuid> {
        let id = self.after.as_ref().filter(|_| self.module == NOTIFICATIONS)?.get("id")?;
        Uuid::try_parse(id.as_str()?).ok()
    }

    /// Whether there was no record before, not even a deleted one.
    pub fn is_first(&self) -> bool {
        self.before.is_none()
    }

    /// Whether the record is gone or deleted now.
    pub fn is_last(&self) -> bool {
        !self.after.as_ref().is_some_and(is_live)
    }

    /// Its images, each value as its field takes it in this version of the catalog: what no longer fits is null.
    pub(super) fn images(&self, catalog: &Catalog, module: &Module) -> Arc<Images> {
        let mut prepared = self.prepared.lock().expect("preparing does not panic");
        match &*prepared {
            Some((version, images)) if *version == catalog.version => Arc::clone(images),
            _ => {
                let image = |image: &Option<Map<String, Json>>| {
                    let image = image.as_ref().filter(|image| is_live(image))?;
                    let record = Record::from_json(module, image);
                    let mut text = String::new();
                    for field in stored_fields(module).filter(|field| fits(field, record.get(field.id))) {
                        let column = field.column.as_deref().unwrap_or_default();
                        let separator = if text.is_empty() { "" } else { "," };
                        let _ = write!(text, "{separator}\"{column}\":{}", json_of_value(record.get(field.id)));
                    }
                    Some(text)
                };
                let gone = self.after.as_ref().map(|after| Record::from_json(module, after));
                let gone = gone.map(|gone| gone.get(Module::DELETED_AT).clone()).filter(|gone| !gone.is_null());
                let gone = gone.map(|gone| json_of_value(&gone).to_string());
                let images = Arc::new(Images { before: image(&self.before), after: image(&self.after), gone });
                *prepared = Some((catalog.version, Arc::clone(&images)));
                images
            }
        }
    }
}

fn is_live(image: &Map<String, Json>) -> bool {
    image.get("deletedAt").is_none_or(Json::is_null)
}

/// Whether a value is one of the field's column: of an event from before a change of the field's type it need not be.
fn fits(field: &Field, value: &Value) -> bool {
    match value {
        Value::Null => false,
        Value::List(_) => matches!(field.kind, FieldKind::MultiChoice { .. }),
        Value::Id(_) => field.reference().is_some() || field.scalar() == Some(ScalarType::Id),
        value => match (field.scalar(), value) {
            (Some(ScalarType::Json), _)
            | (Some(ScalarType::Integer | ScalarType::BigInteger | ScalarType::Duration), Value::Integer(_))
            | (Some(ScalarType::Decimal { .. }), Value::Decimal(_))
            | (Some(ScalarType::Boolean), Value::Boolean(_))
            | (Some(ScalarType::Date), Value::Date(_))
            | (Some(ScalarType::Time), Value::Time(_))
            | (Some(ScalarType::DateTime), Value::DateTime(_)) => true,
            (
                Some(ScalarType::Text | ScalarType::Choice | ScalarType::Email | ScalarType::Phone | ScalarType::Url),
                Value::Text(_),
            ) => !matches!(field.kind, FieldKind::MultiChoice { .. }),
            _ => false,
        },
    }
}

/// The names under which a change tells fields to somebody who may read those that `is_readable`: an address once, whichever of
/// its parts changed, and nothing of what every change touches (version and the like); and the relations by links, if they are readable.
pub(super) fn told_names(module: &Module, changed: &[String], rights: &Rights) -> Vec<String> {
    let mut names = Vec::new();
    for field in module.fields.iter().filter(|field| !field.system || field.id == Module::OWNER) {
        let whole = field.part_of.map_or(field, |whole| module.field(whole));
        let is_readable = rights.can_read(module.id, whole.id) || switched_off!("field.changed");
        if !is_readable || !changed.contains(&json_name(field)) {
            continue;
        }
        let name = json_name(whole);
        if !names.contains(&name) {
            names.push(name);
        }
    }
    let linked = module.relations.iter().filter(|relation| relation.through.is_some());
    for relation in linked.filter(|relation| changed.contains(&relation.name) && rights.can_read_relation(relation)) {
        // On the side that has the reference it is a field too.
        if !names.contains(&relation.name) {
            names.push(relation.name.clone());
        }
    }
    names
}
