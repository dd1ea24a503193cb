//! What is retired stays in the database until its time is over, and what the server calls a field stays the same.

use chrono::{TimeDelta, Utc};
use serde_json::json;

use super::database::{Database, administrator, run};
use crate::EngineError;
use crate::change::ids::is_identified;

#[tokio::test(flavor = "multi_thread")]
async fn what_was_retired_long_ago_is_purged_by_itself_and_nothing_else_is() {
    for database in Database::each().await {
        let engine = database.engine().await;
        let ctx = administrator(&engine);
        for name in ["Gadget", "Widget"] {
            let fields = json!([{"name": "one", "type": "text"}, {"name": "two", "type": "text"}]);
            let document = json!({"name": name, "plural": format!("{name}s"), "fields": fields});
            engine.create_module(&ctx, document, false).await.unwrap();
        }
        engine.retire_module(&ctx, "Widget", false, false).await.unwrap();
        engine.retire_field(&ctx, ("Gadget", "one"), false, false).await.unwrap();
        let month_later = Utc::now() + TimeDelta::days(31);
        assert_eq!(engine.purge_expired(month_later).await.unwrap(), 0, "without a retention it is kept for good");
        engine.set_retention(Some(TimeDelta::days(30)));
        assert_eq!(engine.purge_expired(Utc::now() + TimeDelta::days(29)).await.unwrap(), 0);
        assert_eq!(engine.purge_expired(month_later).await.unwrap(), 2);
        assert!(engine.retired_modules().await.unwrap().is_empty());
        assert!(engine.snapshot().catalog.module_by_name("Gadget").unwrap().definition().retired.is_empty());
        assert!(engine.snapshot().catalog.module_by_name("Gadget").unwrap().field_named("two").is_some());
        assert_eq!(engine.check_tables().await.unwrap(), Vec::<String>::new());
        let gone = engine.restore_field(&administrator(&engine), ("Gadget", "one"), false).await;
        assert!(matches!(gone, Err(EngineError::Validation(_))), "{gone:?}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_field_keeps_its_id_under_every_name_and_a_new_one_gets_another() {
    for database in Database::each().await {
        let engine = database.engine().await;
        let ctx = administrator(&engine);
        let id = |module: &str, field: &str| {
            let catalog = engine.snapshot().catalog.clone();
            let module = catalog.module_by_name(module).unwrap();
            let id = module.stable_field_id(module.field_named(field).unwrap().id);
            assert_eq!(module.field_with_stable_id(id.unwrap()).unwrap().name, field);
            (module.definition().id.unwrap(), id.unwrap())
        };
        let document = json!({"name": "Gadget", "plural": "Gadgets", "fields": [{"name": "one", "type": "text"}]});
        engine.create_module(&ctx, document, false).await.unwrap();
        let first = id("Gadget", "one");
        engine.rename_field(&ctx, ("Gadget", "one"), "two", false).await.unwrap();
        engine.rename_module(&ctx, "Gadget", "Device", None, false).await.unwrap();
        engine.update_field(&ctx, ("Device", "two"), json!({"label": "Two"}), false).await.unwrap();
        engine.change_field_type(&ctx, ("Device", "two"), json!("longText"), false).await.unwrap();
        assert_eq!(id("Device", "two"), first);
        engine.add_field(&ctx, "Device", json!({"name": "one", "type": "text"}), false).await.unwrap();
        assert_ne!(id("Device", "one").1, first.1);
        engine.retire_field(&ctx, ("Device", "two"), false, false).await.unwrap();
        engine.restore_field(&ctx, ("Device", "two"), false).await.unwrap();
        assert_eq!(id("Device", "two"), first);
        engine.retire_field(&ctx, ("Device", "two"), false, false).await.unwrap();
        engine.purge_field(&ctx, ("Device", "two"), false).await.unwrap();
        engine.add_field(&ctx, "Device", json!({"name": "two", "type": "text"}), false).await.unwrap();
        assert_ne!(id("Device", "two").1, first.1);
        let own = engine.snapshot().catalog.clone();
        let own = own.modules.iter().filter(|module| !module.platform && module.link.is_none());
        assert!(own.clone().all(|module| is_identified(&module.definition())));
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn definitions_of_an_older_program_get_their_ids_at_the_start() {
    for database in Database::each().await {
        drop(database.engine().await);
        let document = r#"{"name": "Old", "plural": "Olds", "fields": [{"name": "one", "type": "text"}]}"#;
        let engine = database.engine().await;
        let made = serde_json::from_str(document).unwrap();
        engine.create_module(&administrator(&engine), made, false).await.unwrap();
        let before = engine.snapshot().catalog.version;
        drop(engine);
        run(&database.store, &format!("UPDATE module_definition SET definition = '{document}' WHERE name = 'Old'"))
            .await;
        let engine = database.engine().await;
        let catalog = engine.snapshot().catalog.clone();
        assert_eq!(catalog.version, before + 1);
        assert!(is_identified(&catalog.module_by_name("Old").unwrap().definition()));
        assert_eq!(database.engine().await.snapshot().catalog.version, before + 1, "once");
    }
}
