//! `serve --demo`: fills an empty database with the demo company of `schema/demo`, through the same door as every client.

use std::collections::{HashMap, HashSet};

use anyhow::{Context as _, bail, ensure};
use cardine_engine::identity::{ChangedBy, NewUser};
use cardine_engine::{Engine, RequestContext};
use cardine_graphql::cursor::CursorKey;
use cardine_graphql::limits::Limits;
use cardine_graphql::{Front, Request};
use cardine_model::catalog::Module;
use cardine_model::resolve::demo_documents;
use cardine_store::platform::settings::{fetch_setting, put_setting};
use chrono::{DateTime, Days, NaiveDate, Utc};
use serde::Deserialize;
use serde_json::{Map, Value as Json, json};

/// The document of users: they are made by the platform, not by a mutation of the records API.
const USERS: &str = "User";
/// The setting that tells how far an earlier start has got, and its two values.
const PROGRESS: &str = "demo";
const BEGUN: &str = "begun";
const LOADED: &str = "loaded";
/// Records a mutation: as many as the default limits let through.
const BATCH: usize = 500;

#[derive(Deserialize)]
struct Index {
    files: Vec<String>,
}

#[derive(Deserialize)]
struct File {
    module: String,
    records: Vec<Record>,
}

#[derive(Deserialize)]
struct Record {
    key: String,
    data: Map<String, Json>,
}

/// Loads it, unless it was loaded before.
pub async fn load(engine: &Engine) -> anyhow::Result<()> {
    let documents: HashMap<_, _> = demo_documents().into_iter().collect();
    let document = |name: &str| documents.get(name).copied().with_context(|| format!("{name} is not in this program"));
    let index: Index = serde_json::from_str(document("index.json")?)?;
    let mut files = Vec::new();
    for name in &index.files {
        let file: File = serde_json::from_str(document(name)?).with_context(|| name.clone())?;
        files.push(file);
    }
    match read_progress(engine).await?.as_deref() {
        Some(LOADED) => return Ok(()),
        Some(_) => bail!("an earlier start broke off while it loaded them; begin again with an empty database"),
        None => write_progress(engine, BEGUN).await?,
    }
    let mut loader = Loader { engine, today: Utc::now().date_naive(), ids: HashMap::new() };
    for file in files {
        let name = file.module.clone();
        loader.load_file(file).await.with_context(|| format!("the records of {name}"))?;
    }
    engine.refresh_statistics().await?;
    write_progress(engine, LOADED).await
}

async fn read_progress(engine: &Engine) -> anyhow::Result<Option<String>> {
    let read = engine.store().read(|tx| Box::pin(async move { fetch_setting(tx, PROGRESS).await }));
    Ok(read.await?)
}

async fn write_progress(engine: &Engine, progress: &'static str) -> anyhow::Result<()> {
    let write = engine.store().write(move |tx| Box::pin(async move { put_setting(tx, PROGRESS, progress).await }));
    Ok(write.await?)
}

/// How many records can be made at once: as long as none refers to another one of them.
fn batch_length(records: &[Record]) -> usize {
    let mut keys = HashSet::new();
    let refers = |record: &Record, keys: &HashSet<&str>| {
        let one = record.data.values().filter_map(|value| value.get("ref"));
        let many = record.data.values().filter_map(|value| value.get("refs").and_then(Json::as_array)).flatten();
        one.chain(many).filter_map(Json::as_str).any(|key| keys.contains(key))
    };
    for (position, record) in records.iter().take(BATCH).enumerate() {
        if refers(record, &keys) {
            return position;
        }
        keys.insert(record.key.as_str());
    }
    records.len().min(BATCH)
}

struct Loader<'a> {
    engine: &'a Engine,
    today: NaiveDate,
    /// The id of each record, by its key.
    ids: HashMap<String, String>,
}

impl Loader<'_> {
    async fn load_file(&mut self, file: File) -> anyhow::Result<()> {
        if file.module == USERS {
            for record in file.records {
                self.create_user(record).await?;
            }
            return Ok(());
        }
        let mut rest = file.records.as_slice();
        while !rest.is_empty() {
            let (batch, others) = rest.split_at(batch_length(rest));
            self.create_records(&file.module, batch).await?;
            rest = others;
        }
        Ok(())
    }

    async fn create_user(&mut self, record: Record) -> anyhow::Result<()> {
        let text = |name: &str| record.data.get(name).and_then(Json::as_str).map(str::to_owned);
        let new = NewUser {
            email: text("email").context("a user without an address")?,
            name: text("name"),
            role: text("role").context("a user without a role")?,
            password_hash: None,
            locale: text("locale"),
            time_zone: text("timeZone"),
        };
        let id = self.engine.create_user(ChangedBy::system("demo", Utc::now()), new).await?;
        self.ids.insert(record.key, id.to_string());
        Ok(())
    }

    /// One mutation for all of `records`.
    async fn create_records(&mut self, module: &str, records: &[Record]) -> anyhow::Result<()> {
        let context = self.context();
        let catalog = context.catalog();
        let found = catalog.module_by_name(module).context("there is no such module")?;
        let inputs = records.iter().map(|record| self.input(found, record).with_context(|| record.key.clone()));
        let variables = Map::from_iter([("data".to_owned(), Json::Array(inputs.collect::<anyhow::Result<_>>()?))]);
        let plural = &found.plural;
        let query = format!("mutation($data: [{module}Create!]!) {{ made: create{plural}(data: $data) {{ id }} }}");
        let request = Request { query, variables, ..Request::default() };
        let front = Front::new(Limits::default(), CursorKey::new(b"no cursor is made here"));
        let answer = cardine_graphql::execute(&front, self.engine, &context, &request, true).await;
        let answer: Json = serde_json::from_slice(&answer.body)?;
        ensure!(answer.get("errors").is_none(), "{}", answer["errors"]);
        for (position, record) in records.iter().enumerate() {
            let id = answer["data"]["made"][position]["id"].as_str().context("a record without an id")?;
            self.ids.insert(record.key.clone(), id.to_owned());
        }
        Ok(())
    }

    /// The data as the mutation's input has it: references by id, links as connections, days as dates.
    fn input(&self, module: &Module, record: &Record) -> anyhow::Result<Json> {
        let id = |name: &str, key: &Json| {
            let id = key.as_str().and_then(|key| self.ids.get(key));
            id.with_context(|| format!("{name} leads to {key}, which is not before it"))
        };
        let mut input = Map::new();
        for (name, value) in &record.data {
            if let Some(key) = value.get("ref") {
                input.insert(format!("{name}Id"), json!(id(name, key)?));
            } else if let Some(keys) = value.get("refs").and_then(Json::as_array) {
                let ids = keys.iter().map(|key| id(name, key)).collect::<anyhow::Result<Vec<_>>>()?;
                input.insert(name.clone(), json!({"connect": ids}));
            } else if value.get("daysFromToday").is_some() {
                let is_known = module.field_named(name).is_some();
                ensure!(is_known, "there is no field {name}");
                input.insert(name.clone(), json!(self.day(value)?));
            } else {
                input.insert(name.clone(), value.clone());
            }
        }
        Ok(Json::Object(input))
    }

    /// `{"daysFromToday": -3}`, with `"time": "09:30:00"` an instant.
    fn day(&self, value: &Json) -> anyhow::Result<String> {
        let days = value["daysFromToday"].as_i64().context("daysFromToday is no integer")?;
        let distance = Days::new(days.unsigned_abs());
        let day = if days < 0 { self.today.checked_sub_days(distance) } else { self.today.checked_add_days(distance) };
        let day = day.context("daysFromToday is beyond the calendar")?;
        match value.get("time").map(Json::as_str) {
            None => Ok(day.to_string()),
            Some(Some(time)) => Ok(format!("{day}T{time}Z")),
            Some(None) => bail!("time is no text"),
        }
    }

    fn context(&self) -> RequestContext {
        let snapshot = self.engine.snapshot();
        let actor = snapshot.access.system(&snapshot.catalog);
        let now: DateTime<Utc> = Utc::now();
        let mut context = self.engine.request(snapshot, actor, now, self.today);
        context.via = "import";
        context
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn record(key: &str, refers_to: &str) -> Record {
        let data = json!({"name": key, "parent": {"ref": refers_to}});
        serde_json::from_value(json!({"key": key, "data": data})).unwrap_or_else(|error| panic!("{error}"))
    }

    #[test]
    fn a_batch_ends_before_a_record_that_needs_one_of_it() {
        let records = [record("a", "z"), record("b", "z"), record("c", "a"), record("d", "c")];
        assert_eq!(batch_length(&records), 2);
        assert_eq!(batch_length(&records[2..]), 1);
        assert_eq!(batch_length(&records[3..]), 1);
        let many: Vec<Record> = (0..600).map(|number| record(&number.to_string(), "z")).collect();
        assert_eq!(batch_length(&many), BATCH);
    }
}
