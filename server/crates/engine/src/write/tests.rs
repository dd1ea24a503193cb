//! What a refused mutation leaves behind: nothing, in no table.

use cardine_model::catalog::ModuleId;
use cardine_model::{Catalog, Value};
use cardine_store::{ColumnType, Store};
use serde_json::json;
use uuid::Uuid;

use super::{Data, Keyed, Mutated, MutationStep, ToMany, ToOne, Write};
use crate::change::tests::database::{Database, administrator, nobody, rows};
use crate::{Engine, EngineError, RequestContext};

/// Every row of every table, as text; without those that FTS5 keeps for itself.
async fn everything(store: &Store) -> Vec<String> {
    let columns = cardine_sql::ddl::records::select_columns(store.dialect());
    let text = ColumnType::Text;
    let columns = rows(store, &columns.text, vec![text, text, text, ColumnType::Boolean]).await;
    let mut tables: Vec<(String, Vec<String>)> = Vec::new();
    for column in columns.into_iter().filter(|column| !column[0].starts_with("_ft_")) {
        match tables.last_mut() {
            Some((table, columns)) if *table == column[0] => columns.push(column[1].clone()),
            _ => tables.push((column[0].clone(), vec![column[1].clone()])),
        }
    }
    let mut all = Vec::new();
    for (table, columns) in tables {
        let columns: Vec<String> = columns.iter().map(|column| format!("\"{column}\"")).collect();
        let row = match store.dialect() {
            cardine_sql::Dialect::Sqlite => format!("json_array({})", columns.join(", ")),
            cardine_sql::Dialect::Postgres => "row_to_json(t)::text".to_owned(),
        };
        let found = rows(store, &format!("SELECT {row} FROM \"{table}\" t ORDER BY 1"), vec![text]).await;
        all.extend(found.into_iter().map(|row| format!("{table}: {}", row[0])));
    }
    all
}

struct World {
    engine: Engine,
    ctx: RequestContext,
    boxes: ModuleId,
    items: ModuleId,
}

impl World {
    async fn new(database: &Database) -> Self {
        let engine = database.engine().await;
        let ctx = administrator(&engine);
        let boxes = json!({"name": "Box", "plural": "Boxes", "fields": [
            {"name": "code", "type": "text", "unique": true}, {"name": "serial", "type": "autoNumber", "format": "{0}"},
            {"name": "count", "type": "integer", "min": 0}],
            "search": ["code"], "validations": [{"rule": "count != 13", "message": "not that one"}]});
        engine.create_module(&ctx, boxes, false).await.unwrap();
        let ctx = administrator(&engine);
        let items = json!({"name": "Item", "plural": "Items", "fields": [
            {"name": "kept", "type": "reference", "to": "Box", "inverse": "keptItems", "onDelete": "RESTRICT"},
            {"name": "inside", "type": "reference", "to": "Box", "inverse": "items", "onDelete": "CASCADE"}]});
        engine.create_module(&ctx, items, false).await.unwrap();
        let ctx = administrator(&engine);
        let (boxes, items) = (ctx.catalog().by_name["Box"], ctx.catalog().by_name["Item"]);
        Self { engine, ctx, boxes, items }
    }

    fn catalog(&self) -> &Catalog {
        self.ctx.catalog()
    }

    fn data(&self, module: ModuleId, values: &[(&str, Value)]) -> Data {
        let module = self.catalog().module(module);
        let value = |(name, value): &(&str, Value)| (module.field_named(name).unwrap().id, value.clone());
        values.iter().map(value).collect::<Vec<_>>().into()
    }

    fn a_box(&self, code: &str, count: i64) -> Data {
        self.data(self.boxes, &[("code", Value::Text(code.to_owned())), ("count", Value::Integer(count))])
    }

    async fn write(&self, ctx: &RequestContext, writes: Vec<Write>) -> Result<Vec<Vec<Uuid>>, EngineError> {
        let step = |write| MutationStep { write, then: None, values: Vec::new() };
        match self.engine.mutate(ctx, writes.into_iter().map(step).collect(), None).await {
            Ok(Mutated::Done(results)) => Ok(results.into_iter().map(|result| result.ids).collect()),
            Ok(Mutated::Answered(_)) => panic!("nothing was asked twice"),
            Err(failed) => Err(failed.error),
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_refused_mutation_leaves_every_table_as_it_was() {
    for database in Database::each().await {
        let world = World::new(&database).await;
        let (boxes, items) = (world.boxes, world.items);
        let data = vec![world.a_box("A", 1), world.a_box("B", 2), world.a_box("C", 3)];
        let made = world.write(&world.ctx, vec![Write::CreateMany { module: boxes, data }]).await.unwrap();
        let [a, b, c] = made[0][..] else { panic!("{made:?}") };
        let kept = world.data(items, &[("kept", Value::Id(a)), ("inside", Value::Id(b))]);
        world.write(&world.ctx, vec![Write::Create { module: items, data: kept }]).await.unwrap();
        let relation = |name: &str| world.catalog().module(boxes).relation_named(name).unwrap().id;
        let inside = world.catalog().module(items).field_named("inside").unwrap().id;
        let nested = |list: ToMany| Data { to_many: vec![(relation("items"), list)], ..world.a_box("N", 1) };
        let create = |data| Write::Create { module: boxes, data };
        let update = |id, data, if_version| Write::Update { module: boxes, id, data, if_version };
        let merge = |into, data| Write::Merge { module: boxes, ids: vec![a, b], into, data, dry_run: false };
        let other_box = ToOne::Create(world.a_box("O", -1));
        let with_box = Data { to_one: vec![(inside, other_box)], ..Data::default() };
        let before = everything(&database.store).await;
        assert!(before.iter().any(|row| row.starts_with("outbox: ")), "{before:?}");

        let good = create(world.a_box("good", 1));
        let refused = [
            vec![good.clone(), create(world.a_box("x", -1))],
            vec![good.clone(), create(world.a_box("a", 1))],
            vec![good.clone(), create(world.a_box("x", 13))],
            vec![Write::CreateMany { module: boxes, data: vec![world.a_box("x", 1), world.a_box("X", 1)] }],
            vec![Write::CreateMany { module: boxes, data: vec![world.a_box("x", 13), world.a_box("y", -1)] }],
            vec![create(nested(ToMany { create: vec![Data::default()], connect: vec![c], ..ToMany::default() }))],
            vec![Write::Create { module: items, data: with_box }],
            vec![good.clone(), update(a, world.a_box("B", 5), None)],
            vec![good.clone(), update(a, world.a_box("A", 13), None)],
            vec![good.clone(), update(a, world.a_box("A", 5), Some(9))],
            vec![good.clone(), update(Uuid::now_v7(), world.a_box("A", 5), None)],
            vec![good.clone(), Write::Delete { module: boxes, id: a, if_version: None }],
            vec![Write::Delete { module: boxes, id: b, if_version: None }, create(world.a_box("x", -1))],
            vec![Write::Destroy { module: boxes, id: c }, Write::Destroy { module: boxes, id: a }],
            vec![Write::Delete { module: boxes, id: c, if_version: None }, Write::Restore { module: boxes, id: a }],
            vec![merge(c, world.a_box("C", 13))],
            vec![merge(Uuid::now_v7(), Data::default())],
            vec![Write::Upsert {
                module: boxes,
                key: world.a_box("C", 0).values[..1].to_vec(),
                data: world.a_box("C", 13),
            }],
            vec![Write::UpsertMany {
                module: boxes,
                entries: [("new", 1), ("C", 13)]
                    .map(|(code, count)| Keyed {
                        key: world.a_box(code, 0).values[..1].to_vec(),
                        data: world.a_box(code, count),
                    })
                    .to_vec(),
            }],
        ];
        for writes in refused {
            let told = format!("{writes:?}");
            assert!(world.write(&world.ctx, writes).await.is_err(), "{told}");
            assert_eq!(everything(&database.store).await, before, "{told}");
        }
        // Whoever has no rights is told so, or that there is nothing, before anything is looked at.
        let stranger = nobody(&world.engine);
        for write in [
            good,
            update(a, world.a_box("x", 1), None),
            Write::Destroy { module: boxes, id: c },
            merge(c, Data::default()),
        ] {
            let refused = world.write(&stranger, vec![write]).await.unwrap_err();
            assert!(matches!(refused, EngineError::Forbidden(_) | EngineError::NotFound), "{refused:?}");
            assert_eq!(everything(&database.store).await, before);
        }
        // And what is not refused is seen, so that this test sees.
        world.write(&world.ctx, vec![merge(c, Data::default())]).await.unwrap();
        assert_ne!(everything(&database.store).await, before);
    }
}
