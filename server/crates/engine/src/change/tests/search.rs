//! The index of the search is kept by the database: through writes, through changes of what is searched, and for records that were there before.

use std::sync::Arc;

use cardine_model::definition::ModuleDefinition;
use cardine_model::resolve::resolve;
use cardine_model::{Catalog, Value};
use cardine_query::{Search, SearchPlace, SearchedModule, Slot, authorise_search};
use cardine_sql::{Dialect, ddl};
use serde_json::{Value as Json, json};
use uuid::Uuid;

use super::database::{Database, administrator, run};
use crate::{Engine, Hits, RequestContext};

fn note(search: &Json) -> Json {
    json!({
        "name": "Note", "plural": "Notes", "nameField": "title", "search": search,
        "fields": [{"name": "title", "type": "text"}, {"name": "rank", "type": "text"}, {"name": "body", "type": "longText"}]
    })
}

fn id(number: u32) -> Uuid {
    Uuid::from_u128(0x0190_0000_0000_7000_8000_0000_0000_0000 + u128::from(number))
}

/// Writes as nothing in Cardine does: the index must not depend on who writes.
async fn insert(engine: &Engine, number: u32, title: &str, rank: &str, body: &str) {
    let text = |text: &str| if text.is_empty() { "NULL".to_owned() } else { format!("'{}'", text.replace('\'', "''")) };
    let now = match engine.store().dialect() {
        Dialect::Sqlite => "'2026-01-01T00:00:00.000Z'",
        Dialect::Postgres => "now()",
    };
    let statement = format!(
        "INSERT INTO note (id, version, created_at, updated_at, title, rank, body) VALUES ('{}', 1, {now}, {now}, {}, {}, {})",
        id(number),
        text(title),
        text(rank),
        text(body)
    );
    run(engine.store(), &statement).await;
}

/// The page after `after` of what all `terms` are found in, as the last digits of the ids with their scores.
async fn page(engine: &Engine, ctx: &RequestContext, terms: &str, first: i64, after: Option<(i64, u32)>) -> Hits {
    let catalog = ctx.catalog();
    let module = catalog.module_by_name("Note").unwrap();
    let mut values: Vec<Value> = cardine_model::text::words::words(terms).into_iter().map(Value::Text).collect();
    let terms = (0..u32::try_from(values.len()).unwrap()).map(Slot).collect();
    let mut slot = |value| {
        values.push(value);
        Slot(u32::try_from(values.len()).unwrap() - 1)
    };
    let title = Some(module.name_field.unwrap()).filter(|field| module.search.contains(field));
    let search = Search {
        modules: vec![SearchedModule { module: module.id, fields: module.search.clone(), title }],
        terms,
        first: slot(Value::Integer(first)),
        after: after
            .map(|(score, number)| SearchPlace { score: slot(Value::Integer(score)), id: slot(Value::Id(id(number))) }),
        rows: true,
        count: true,
    };
    let search = authorise_search(search, catalog, &ctx.actor.rights).unwrap();
    engine.search(ctx, vec![search], Arc::from(values)).await.unwrap().remove(0)
}

async fn found(engine: &Engine, terms: &str) -> Vec<(u32, i64)> {
    let hits = page(engine, &administrator(engine), terms, 100, None).await;
    assert_eq!((hits.total as usize, hits.has_more), (hits.page.len(), false));
    hits.page.iter().map(|hit| ((hit.id.as_u128() & 0xffff) as u32, hit.score)).collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_written_is_found_by_where_it_stands() {
    for database in Database::each().await {
        let engine = database.engine().await;
        let ctx = administrator(&engine);
        engine.create_module(&ctx, note(&json!(["title", "rank", "body"])), false).await.unwrap();
        insert(&engine, 1, "Caffè Rossi", "", "In Milano, perché no").await;
        insert(&engine, 2, "Rossini", "rossi", "").await;
        insert(&engine, 3, "", "", "Rossetti in MILANO").await;
        insert(&engine, 4, "", "Straße", "").await;
        assert_eq!(found(&engine, "rossi").await, [(1, 4), (2, 3)]);
        assert_eq!(found(&engine, "ross").await, [(1, 3), (2, 3), (3, 1)]);
        assert_eq!(found(&engine, "milano ross").await, [(1, 1), (3, 1)]);
        assert_eq!(found(&engine, "Milano Rossi").await, [(1, 2)]);
        assert_eq!(found(&engine, "PERCHE caffe").await, [(1, 2)]);
        assert_eq!(found(&engine, "strasse").await, [(4, 2)]);
        assert_eq!(found(&engine, "ossi").await, []);

        run(engine.store(), &format!("UPDATE note SET title = 'Bianchi' WHERE id = '{}'", id(1))).await;
        assert_eq!(found(&engine, "rossi").await, [(2, 3)]);
        assert_eq!(found(&engine, "bianchi milano").await, [(1, 2)]);
        run(engine.store(), &format!("UPDATE note SET rank = NULL, title = NULL WHERE id = '{}'", id(2))).await;
        assert_eq!(found(&engine, "rossi").await, []);
        run(engine.store(), &format!("UPDATE note SET deleted_at = created_at WHERE id = '{}'", id(1))).await;
        assert_eq!(found(&engine, "milano").await, [(3, 2)]);
        run(engine.store(), &format!("UPDATE note SET deleted_at = NULL WHERE id = '{}'", id(1))).await;
        assert_eq!(found(&engine, "milano").await, [(1, 2), (3, 2)]);
        run(engine.store(), &format!("DELETE FROM note WHERE id = '{}'", id(3))).await;
        assert_eq!(found(&engine, "milano").await, [(1, 2)]);
        insert(&engine, 3, "Nuovo", "", "").await;
        assert_eq!(found(&engine, "nuovo").await, [(3, 4)]);
        assert_eq!(engine.check_tables().await.unwrap(), Vec::<String>::new());
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn pages_follow_each_other_without_gaps() {
    for database in Database::each().await {
        let engine = database.engine().await;
        let ctx = administrator(&engine);
        engine.create_module(&ctx, note(&json!(["title", "body"])), false).await.unwrap();
        let ctx = administrator(&engine);
        for number in 1..=25 {
            let title = ["Alfa", "Alfabeto", "Beta"][number as usize % 3];
            insert(&engine, number, title, "", if number % 2 == 0 { "alfa" } else { "alfabeto" }).await;
        }
        let all = page(&engine, &ctx, "alfa", 100, None).await;
        assert_eq!((all.page.len(), all.total), (25, 25));
        assert!(all.page.windows(2).all(|pair| (-pair[0].score, pair[0].id) < (-pair[1].score, pair[1].id)));
        let (mut seen, mut after) = (Vec::new(), None);
        loop {
            let part = page(&engine, &ctx, "alfa", 4, after).await;
            assert_eq!(part.total, 25);
            seen.extend(part.page.iter().copied());
            let Some(last) = part.page.last().filter(|_| part.has_more) else { break };
            after = Some((last.score, (last.id.as_u128() & 0xffff) as u32));
        }
        assert_eq!(seen, all.page);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_changed_list_of_fields_changes_what_is_found() {
    for database in Database::each().await {
        let engine = database.engine().await;
        let ctx = administrator(&engine);
        engine.create_module(&ctx, note(&json!([])), false).await.unwrap();
        insert(&engine, 1, "Rossi", "Verdi", "Bianchi").await;
        let lists = [json!(["title"]), json!(["title", "body"]), json!(["rank"]), json!([]), json!(["body", "title"])];
        let mut before = Catalog::clone(&engine.snapshot().catalog);
        for list in lists {
            let after = with_note(&before, &list);
            let statements = ddl::difference(engine.store().dialect(), Some(&before), &after);
            assert!(!statements.is_empty());
            for statement in statements {
                run(engine.store(), &statement).await;
            }
            let engine = database.engine_with(after.clone());
            let expected = |name: &str| list.as_array().unwrap().contains(&json!(name));
            for (term, name) in [("rossi", "title"), ("verdi", "rank"), ("bianchi", "body")] {
                if list != json!([]) {
                    assert_eq!(found(&engine, term).await.len(), usize::from(expected(name)), "{term} in {list}");
                }
            }
            assert_eq!(engine.check_tables().await.unwrap(), Vec::<String>::new(), "{list}");
            // Writes go on, whatever is searched.
            run(engine.store(), "UPDATE note SET body = body, title = title").await;
            before = after;
        }
    }
}

fn with_note(catalog: &Catalog, search: &Json) -> Catalog {
    let definitions = |platform| -> Vec<ModuleDefinition> {
        let modules = catalog.modules.iter().filter(|module| module.platform == platform && module.link.is_none());
        let modules = modules.filter(|module| module.name != "Note");
        modules.map(|module| module.definition()).collect()
    };
    let mut modules = definitions(false);
    modules.push(serde_json::from_value(note(search)).unwrap());
    resolve(catalog.version, &definitions(true), &modules).unwrap()
}
