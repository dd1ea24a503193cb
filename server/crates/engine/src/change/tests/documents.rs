//! Documents brought into any database make of it what they describe, or change nothing.

use std::sync::Arc;

use cardine_model::resolve::module_documents;
use cardine_model::{Catalog, Issue};
use cardine_store::ColumnType;
use serde_json::{Value as Json, json};

use super::chains::{Chance, documents, next_change, purge_all, structure, write_record};
use super::database::{Database, administrator, everything, rows};
use crate::as_code::{Applied, CheckedWorkflow, Document, Fate, Going, Kind, Wanted, WorkflowDocuments};
use crate::change::bootstrap::bootstrap_with;
use crate::change::load::parse_built_in;
use crate::{Engine, EngineError};

/// Knows no workflow.
#[derive(Debug)]
struct NoWorkflows;

impl WorkflowDocuments for NoWorkflows {
    fn check(&self, _: &Catalog, _: &(dyn Fn(&str) -> bool + Sync), _: &Json) -> Result<CheckedWorkflow, Vec<Issue>> {
        Err(Vec::new())
    }
}

fn wanted(documents: Vec<Document>, prune: bool) -> Wanted {
    Wanted {
        documents,
        unread: Vec::new(),
        kinds: vec![Kind::Module],
        prune,
        author: None,
        going: Going::default(),
        beside: None,
    }
}

async fn apply(engine: &Engine, wanted: Wanted, dry_run: bool) -> Result<Applied, EngineError> {
    engine.apply_definitions(&administrator(engine), wanted, Arc::new(NoWorkflows), dry_run).await
}

async fn modules_of(engine: &Engine) -> Vec<Document> {
    let definitions = engine.definitions(&administrator(engine)).await.unwrap();
    definitions.documents.into_iter().filter(|document| document.kind == Kind::Module).collect()
}

async fn chain(engine: &Engine, seed: u64, length: usize, with_records: bool) {
    let mut chance = Chance(seed);
    for _ in 0..length {
        let change = next_change(&mut chance, engine);
        match engine.change(&administrator(engine), change, false).await {
            Ok(_) | Err(EngineError::Validation(_) | EngineError::Conflict { .. }) => {}
            Err(error) => panic!("{seed}: {error:?}"),
        }
        if with_records {
            write_record(&mut chance, engine).await;
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn what_a_chain_made_is_made_of_a_database_with_another_history() {
    let mut made = 0;
    for seed in 1..=4_u64 {
        for (one, other) in Database::each().await.into_iter().zip(Database::each().await) {
            let (from, to) = (one.engine().await, other.engine().await);
            chain(&from, seed * 7_919, 30, false).await;
            chain(&to, seed * 104_729, 30, seed % 2 == 0).await;
            let files = modules_of(&from).await;
            let before = everything(&other.store).await;
            let told = apply(&to, wanted(files.clone(), true), true).await;
            assert_eq!(everything(&other.store).await, before, "{seed}: a dry run changes nothing");
            let applied = apply(&to, wanted(files.clone(), true), false).await;
            assert_eq!(
                told.as_ref()
                    .map(|told| (&told.differences, &told.change.statements))
                    .map_err(|error| format!("{error:?}")),
                applied
                    .as_ref()
                    .map(|done| (&done.differences, &done.change.statements))
                    .map_err(|error| format!("{error:?}")),
                "{seed}: it tells what is done"
            );
            let differences = to.check_tables().await.unwrap();
            assert!(differences.is_empty(), "{seed}: {differences:#?}");
            match applied {
                Ok(_) => made += 1,
                Err(EngineError::Validation(_)) => {
                    assert_eq!(everything(&other.store).await, before, "{seed}: what is refused changes nothing");
                    continue;
                }
                Err(error) => panic!("{seed}: {error:?}"),
            }
            assert_eq!(documents(&to), documents(&from), "{seed}");
            assert_eq!(to.check_rollups().await.unwrap(), [], "{seed}");
            let again = apply(&to, wanted(files, true), false).await.unwrap();
            assert!(!again.change.applied && again.differences.is_empty(), "{seed}: {again:?}");
            purge_all(&to).await;
            let last = documents(&to);
            let mut built_in = parse_built_in(&module_documents());
            built_in.retain(|definition| last.iter().all(|known| known.name != definition.name));
            built_in.extend(last);
            for fresh in
                Database::each().await.into_iter().filter(|fresh| fresh.store.dialect() == to.store().dialect())
            {
                let _installed = fresh.engine_with(bootstrap_with(&fresh.store, built_in.clone()).await.unwrap());
                let (found, expected) = (structure(&other.store).await, structure(&fresh.store).await);
                let only = |these: &[String], those: &[String]| -> Vec<String> {
                    these.iter().filter(|line| !those.contains(line)).cloned().collect()
                };
                assert!(found == expected, "{seed}: {:#?}\n{:#?}", only(&found, &expected), only(&expected, &found));
            }
        }
    }
    assert!(made > 0, "none of the chains could be brought in");
}

fn module(name: &str, fields: Json) -> Document {
    let content = json!({"name": name, "plural": format!("{name}Several"), "fields": fields});
    Document { kind: Kind::Module, name: name.to_owned(), content }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_field_that_was_retired_comes_back_with_what_the_file_says_now() {
    for database in Database::each().await {
        let engine = database.engine().await;
        let files = |fields| vec![module("Alpha", fields)];
        let whole = json!([{"name": "title", "type": "text", "maxLength": 80}, {"name": "size", "type": "integer"}]);
        apply(&engine, wanted(files(whole), false), false).await.unwrap();
        let ctx = administrator(&engine);
        engine.retire_field(&ctx, ("Alpha", "size"), false, false).await.unwrap();
        let back = json!([{"name": "size", "type": "decimal", "scale": 1}, {"name": "title", "type": "text", "maxLength": 80, "unique": true}]);
        let applied = apply(&engine, wanted(files(back), false), false).await.unwrap();
        assert!(matches!(&applied.differences[0].fate, Fate::Changed(lines) if lines.len() > 1), "{applied:?}");
        assert_eq!(engine.check_tables().await.unwrap(), Vec::<String>::new());
        let catalog = &engine.snapshot().catalog;
        let definition = catalog.module_by_name("Alpha").unwrap().definition();
        assert_eq!(definition.fields.iter().map(|field| field.kind.as_str()).collect::<Vec<_>>(), ["decimal", "text"]);
        assert!(definition.retired.is_empty());
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_stored_rollup_that_comes_back_has_what_it_has_missed() {
    for database in Database::each().await {
        let engine = database.engine().await;
        let fields = |rollups: &[Json]| {
            let mut fields = vec![
                json!({"name": "size", "type": "integer"}),
                json!({"name": "above", "type": "reference", "to": "Alpha", "inverse": "below"}),
            ];
            fields.extend_from_slice(rollups);
            vec![module("Alpha", Json::Array(fields))]
        };
        let count = json!({"name": "count", "type": "rollup", "relation": "below", "function": "COUNT", "scope": "ALL", "stored": true});
        apply(&engine, wanted(fields(std::slice::from_ref(&count)), false), false).await.unwrap();
        let mut chance = Chance(5);
        for is_kept in [true, false] {
            if !is_kept {
                let ctx = administrator(&engine);
                engine.retire_field(&ctx, ("Alpha", "count"), false, false).await.unwrap();
            }
            for _ in 0..12 {
                write_record(&mut chance, &engine).await;
            }
        }
        apply(&engine, wanted(fields(&[count]), false), false).await.unwrap();
        assert_eq!(engine.check_rollups().await.unwrap(), []);
        let text = r#"SELECT sum("count") FROM "alpha""#;
        let sum = rows(engine.store(), text, vec![ColumnType::Integer]).await;
        let text = r#"SELECT count("above_id") FROM "alpha""#;
        assert_eq!(sum, rows(engine.store(), text, vec![ColumnType::Integer]).await);
        assert!(sum[0][0].parse::<u32>().unwrap() > 12, "{sum:?}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn who_is_no_administrator_may_neither_read_nor_apply_all_of_it() {
    for database in Database::each().await.into_iter().take(1) {
        let engine = database.engine().await;
        let nobody = super::database::nobody(&engine);
        assert!(matches!(engine.definitions(&nobody).await, Err(EngineError::Forbidden(_))));
        let applied = engine.apply_definitions(&nobody, wanted(Vec::new(), false), Arc::new(NoWorkflows), false).await;
        assert!(matches!(applied, Err(EngineError::Forbidden(_))));
    }
}
