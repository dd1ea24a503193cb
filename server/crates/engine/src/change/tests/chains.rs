//! Any chain of changes ends in the tables and documents of a fresh installation of its last state.

use cardine_model::Value;
use cardine_model::catalog::{Field, Module};
use cardine_model::definition::ModuleDefinition;
use cardine_sql::Dialect;
use cardine_store::{ColumnType, Store};
use uuid::Uuid;

use super::choices::{FIELDS, field_patch, module_patch, new_field, new_module, other_type, value};
use super::database::{Database, administrator, rows};
use crate::change::bootstrap::bootstrap_with;
use crate::change::load::parse_built_in;
use crate::change::plan::Change;
use crate::{Data, Engine, EngineError, MutationStep, Write};
use cardine_model::resolve::module_documents;

/// Changes of one chain; `CARDINE_TEST_CHAIN` says how many.
fn length() -> usize {
    std::env::var("CARDINE_TEST_CHAIN").ok().and_then(|length| length.parse().ok()).unwrap_or(60)
}

/// Where the choices of chains begin: these, and as many more as `CARDINE_TEST_CHAINS` says.
fn seeds(usual: [u64; 2]) -> impl Iterator<Item = u64> {
    let more = std::env::var("CARDINE_TEST_CHAINS").ok().and_then(|count| count.parse().ok()).unwrap_or(0);
    usual.into_iter().chain((1..=more).map(move |number| usual[1] * 1_000 + number))
}

/// Choices that are the same on every run.
pub(super) struct Chance(pub(super) u64);

impl Chance {
    pub(super) fn below(&mut self, bound: usize) -> usize {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        usize::try_from(self.0 % bound as u64).unwrap()
    }

    pub(super) fn of<T: Clone>(&mut self, choices: &[T]) -> Option<T> {
        if choices.is_empty() { None } else { Some(choices[self.below(choices.len())].clone()) }
    }
}

const MODULES: [&str; 3] = ["Alpha", "Beta", "Gamma"];
/// The next change; most can be made.
pub(super) fn next_change(chance: &mut Chance, engine: &Engine) -> Change {
    let catalog = engine.snapshot().catalog.clone();
    let ours = |module: &&Module| MODULES.iter().any(|name| module.name.starts_with(name)) && module.link.is_none();
    let modules: Vec<&Module> = catalog.modules.iter().map(std::convert::AsRef::as_ref).filter(ours).collect();
    let names: Vec<String> = modules.iter().map(|module| module.name.clone()).collect();
    let anew = chance.of(&MODULES).unwrap().to_owned();
    let Some(module) = chance.of(&modules) else {
        // The names may be those of modules that are retired.
        return match catalog.version > 1 && chance.below(2) == 0 {
            true => Change::RestoreModule { module: anew },
            false => Change::CreateModule { definition: new_module(chance, &anew) },
        };
    };
    let definition = module.definition();
    let fields: Vec<String> = definition.fields.iter().map(|field| field.name.clone()).collect();
    let retired: Vec<String> = definition.retired.iter().map(|retired| retired.field.name.clone()).collect();
    let field = chance.of(&fields).unwrap_or_else(|| "none".to_owned());
    let hidden = chance.of(&retired).unwrap_or_else(|| "none".to_owned());
    let module = module.name.clone();
    match chance.below(22) {
        0 | 1 => Change::CreateModule { definition: new_module(chance, &anew) },
        2..=6 => Change::AddField { module, field: new_field(chance, &names) },
        7 | 8 => Change::RenameField { module, field, to: chance.of(&FIELDS).unwrap().to_owned() },
        9 => Change::RenameModule { module, to: format!("{anew}{}", chance.below(3)), plural: None },
        10 | 11 => Change::UpdateField { module, field, patch: field_patch(chance) },
        12 => {
            let document = serde_json::to_value(definition.written()).unwrap();
            let fields = document["fields"].as_array().cloned().unwrap_or_default();
            Change::UpdateModule { module, patch: module_patch(chance, &fields) }
        }
        13 | 14 => Change::ConvertField { module, field, to: other_type(chance) },
        15 | 16 => Change::RetireField { module, field, force: chance.below(2) == 0 },
        17 => Change::RestoreField { module, field: hidden },
        18 => Change::PurgeField { module, field: hidden },
        19 => Change::RetireModule { module, force: chance.below(2) == 0 },
        20 => Change::RestoreModule { module: format!("{anew}{}", ["", "0", "1"][chance.below(3)]) },
        _ => Change::PurgeModule { module: anew },
    }
}

/// Makes a record of one of the modules, with values that conversions must care for; false if it was refused, or there is no module.
pub(super) async fn write_record(chance: &mut Chance, engine: &Engine) -> bool {
    let ctx = administrator(engine);
    let ours = |module: &&Module| MODULES.iter().any(|name| module.name.starts_with(name)) && module.link.is_none();
    let modules: Vec<&Module> = ctx.catalog().modules.iter().map(std::convert::AsRef::as_ref).filter(ours).collect();
    let Some(module) = chance.of(&modules) else { return false };
    let number = chance.below(1_000);
    // A record that is there already, whose rollups are others by the new one.
    let ids = format!(r#"SELECT "id" FROM "{}" WHERE "deleted_at" IS NULL ORDER BY "id" LIMIT 3"#, module.table);
    let ids: Vec<String> = rows(engine.store(), &ids, vec![ColumnType::Id]).await.into_iter().flatten().collect();
    let above = chance.of(&ids).and_then(|id| id.parse().ok()).map(Value::Id);
    let is_above = |field: &Field| field.reference().is_some_and(|reference| reference.targets == [module.id]);
    let value = |field: &Field| value(field, number, above.as_ref().filter(|_| is_above(field)));
    let writable = module.fields.iter().filter(|field| !field.system && !field.read_only);
    let values: Vec<_> = writable.filter_map(|field| Some((field.id, value(field)?))).collect();
    let write = Write::Create { module: module.id, data: Data::from(values) };
    let step = MutationStep { write, then: None, values: Vec::new() };
    match engine.mutate(&ctx, vec![step], None).await {
        Ok(_) => true,
        Err(failed) => match failed.error {
            EngineError::Validation(_) | EngineError::Conflict { .. } => false,
            other => panic!("{other:?}"),
        },
    }
}

/// Tables, columns, indexes, triggers and constraints, without the order of columns.
pub(super) async fn structure(store: &Store) -> Vec<String> {
    use ColumnType::{Boolean, Text};
    let columns = cardine_sql::ddl::records::select_columns(store.dialect());
    let mut all: Vec<String> = rows(store, &columns.text, vec![Text, Text, Text, Boolean])
        .await
        .into_iter()
        .map(|row| format!("column {}", row.join(" ")))
        .collect();
    let texts = match store.dialect() {
        Dialect::Sqlite => {
            r#"SELECT "type" || ' ' || "name" || ' ' || "tbl_name" || ' ' || COALESCE("sql", '') FROM sqlite_schema WHERE "type" IN ('index', 'trigger') OR "sql" LIKE 'CREATE VIRTUAL%'"#
        }
        Dialect::Postgres => {
            r#"SELECT 'index ' || indexdef FROM pg_indexes WHERE schemaname = current_schema()
                UNION ALL SELECT 'constraint ' || conrelid::regclass::text || ' ' || conname || ' ' || pg_get_constraintdef(oid) FROM pg_constraint WHERE contype <> 'n' AND connamespace = current_schema()::regnamespace"#
        }
    };
    all.extend(rows(store, texts, vec![Text]).await.into_iter().map(|mut row| row.remove(0)));
    all.sort();
    all
}

pub(super) fn documents(engine: &Engine) -> Vec<ModuleDefinition> {
    let snapshot = engine.snapshot();
    let own = snapshot.catalog.modules.iter().filter(|module| !module.platform && module.link.is_none());
    own.map(|module| module.definition().written()).collect()
}

/// Purges all that is retired, so that only the last state is left.
pub(super) async fn purge_all(engine: &Engine) {
    let ctx = administrator(engine);
    for retired in engine.retired_modules().await.unwrap() {
        engine.purge_module(&ctx, &retired.definition.name, false).await.unwrap();
    }
    let snapshot = engine.snapshot();
    for module in &snapshot.catalog.modules {
        for retired in &module.definition().retired {
            let ctx = administrator(engine);
            engine.purge_field(&ctx, (&module.name, &retired.field.name), false).await.unwrap();
        }
    }
}

/// Makes a change, and runs the job if it becomes one. False if it was refused.
async fn make(engine: &Engine, change: Change) -> Result<bool, EngineError> {
    let job = match engine.change(&administrator(engine), change, false).await {
        Ok(change) => change.job,
        Err(EngineError::Validation(_) | EngineError::Conflict { .. }) => return Ok(false),
        Err(error) => return Err(error),
    };
    let Some(id) = job else { return Ok(true) };
    let (token, mut attempts) = (Uuid::new_v4(), 0);
    loop {
        engine.run_next_job(token, &mut attempts).await?;
        let job = engine.job(id).await?.unwrap();
        match job.state.as_str() {
            "RUNNING" => assert!(attempts < 2, "{job:?}"),
            "DONE" => return Ok(true),
            _ => {
                assert!(job.errors.iter().all(|issue| issue.rule != "internal") && !job.errors.is_empty(), "{job:?}");
                return Ok(false);
            }
        }
    }
}

/// `job_rows` is how many records make a change a job; none if none do.
async fn run_chain(seed: u64, job_rows: Option<usize>) {
    // Both kinds make the same choices, as far as their catalogs are alike.
    for (database, fresh) in Database::each().await.into_iter().zip(Database::each().await) {
        let engine = database.engine().await;
        engine.set_job_rows(job_rows.unwrap_or(usize::MAX));
        let mut chance = Chance(seed);
        let (mut made, mut written) = (Vec::new(), 0);
        for _ in 0..length() {
            let change = next_change(&mut chance, &engine);
            let told = format!("{change:?}");
            match make(&engine, change).await {
                Ok(true) => made.push(told),
                Ok(false) => {}
                Err(error) => panic!("{seed}: {told}: {error:?}, after {made:#?}"),
            }
            written += usize::from(write_record(&mut chance, &engine).await);
            let differences = engine.check_tables().await.unwrap();
            assert!(differences.is_empty(), "{seed}: {differences:#?}, after {made:#?}");
            let rollups = engine.check_rollups().await.unwrap();
            assert!(rollups.is_empty(), "{seed}: {rollups:#?}, after {made:#?}");
        }
        assert!(made.len() > length() / 3, "{made:#?}");
        assert!(written > length() / 4, "{seed}: the changes went through {written} records only, after {made:#?}");
        purge_all(&engine).await;

        let last = documents(&engine);
        let mut built_in = parse_built_in(&module_documents());
        built_in.retain(|definition| last.iter().all(|known| known.name != definition.name));
        built_in.extend(last.clone());
        let installed = fresh.engine_with(bootstrap_with(&fresh.store, built_in).await.unwrap());
        let mut again = documents(&installed);
        again.sort_by(|one, other| one.name.cmp(&other.name));
        assert_eq!(again, last, "{seed}");
        let (one, other) = (structure(&database.store).await, structure(&fresh.store).await);
        let only = |these: &[String], those: &[String]| -> Vec<String> {
            these.iter().filter(|line| !those.contains(line)).cloned().collect()
        };
        assert!(
            one == other,
            "{seed}: only after the chain: {:#?}\nonly when installed: {:#?}\nafter {made:#?}",
            only(&one, &other),
            only(&other, &one)
        );
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_chain_of_changes_ends_as_a_fresh_installation() {
    for seed in seeds([1, 20_260_101]) {
        run_chain(seed, None).await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn another_chain_ends_as_a_fresh_installation() {
    for seed in seeds([77, 4_242]) {
        run_chain(seed, None).await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_chain_whose_changes_are_jobs_ends_as_a_fresh_installation() {
    for seed in seeds([5, 20_261_122]) {
        run_chain(seed, Some(1)).await;
    }
}
