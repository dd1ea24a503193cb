//! When files go: with the clock in hand, on both databases.

use bytes::Bytes;
use cardine_model::Value;
use cardine_store::{ColumnType, FileStore, FilesUrl};
use chrono::{TimeDelta, Utc};
use serde_json::json;

use super::{FileRow, ORPHAN_GRACE, UNATTACHED_RETENTION, UploadBounds};
use crate::change::tests::database::{Database, administrator, rows};
use crate::{Engine, EngineError, MutationStep, RequestContext, Write};

const BOUNDS: UploadBounds = UploadBounds { bytes: 1_000, unattached: 10 };

struct World {
    engine: Engine,
    ctx: RequestContext,
    files: FileStore,
    _folder: tempfile::TempDir,
}

impl World {
    async fn new(database: &Database) -> Self {
        let engine = database.engine().await;
        let folder = tempfile::tempdir().unwrap();
        let files = FileStore::open(&FilesUrl::Folder(folder.path().join("files"))).unwrap();
        // Not by `set_files`, which would sweep beside the case.
        assert!(engine.0.files.set(files.clone()).is_ok());
        let module = json!({"name": "Paper", "plural": "Papers", "fields": [{"name": "scan", "type": "file"}, {"name": "photo", "type": "image"}]});
        engine.create_module(&administrator(&engine), module, false).await.unwrap();
        let mut ctx = administrator(&engine);
        std::sync::Arc::make_mut(&mut ctx.actor).user = Some(uuid::Uuid::now_v7());
        Self { engine, ctx, files, _folder: folder }
    }

    async fn upload(&self, content: &'static [u8]) -> Result<FileRow, EngineError> {
        let mut upload = self.engine.begin_upload(&self.ctx, "a.bin", BOUNDS).await?;
        upload.write(Bytes::from_static(content)).await?;
        upload.finish().await
    }

    async fn hold(&self, file: &FileRow) {
        let module = self.ctx.catalog().module_by_name("Paper").unwrap();
        let field = module.field_named("scan").unwrap().id;
        let write = Write::Create { module: module.id, data: vec![(field, Value::Id(file.id))].into() };
        let step = MutationStep { write, then: None, values: Vec::new() };
        self.engine.mutate(&self.ctx, vec![step], None).await.unwrap();
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn an_upload_waits_a_day_for_a_record() {
    for database in Database::each().await {
        let world = World::new(&database).await;
        let (held, forgotten) = (world.upload(b"held").await.unwrap(), world.upload(b"forgotten").await.unwrap());
        world.hold(&held).await;
        let soon = Utc::now() + UNATTACHED_RETENTION - TimeDelta::minutes(1);
        assert_eq!(world.engine.remove_free_files(soon).await.unwrap(), 0);
        assert!(world.engine.find_file(&world.ctx, forgotten.id).await.unwrap().is_some());
        let later = Utc::now() + UNATTACHED_RETENTION + TimeDelta::minutes(1);
        assert_eq!(world.engine.remove_free_files(later).await.unwrap(), 1);
        assert_eq!(world.engine.find_file(&world.ctx, forgotten.id).await.unwrap(), None);
        assert_eq!(world.files.size(forgotten.id).await.unwrap(), None);
        assert_eq!(world.files.size(held.id).await.unwrap(), Some(4));
        assert!(world.engine.find_file(&world.ctx, held.id).await.unwrap().is_some());
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_file_that_a_record_holds_does_not_go_whatever_its_row_says() {
    for database in Database::each().await {
        let world = World::new(&database).await;
        let file = world.upload(b"held").await.unwrap();
        world.hold(&file).await;
        let free = format!("UPDATE \"file\" SET \"free_at\" = \"created_at\" WHERE \"id\" = '{}'", file.id);
        world
            .engine
            .store()
            .write(move |tx| {
                let free = free.clone();
                Box::pin(async move { tx.run_ddl(&free).await })
            })
            .await
            .unwrap();
        assert_eq!(world.engine.remove_free_files(Utc::now()).await.unwrap(), 0);
        assert!(world.files.size(file.id).await.unwrap().is_some());
        let free = rows(
            &database.store,
            "SELECT count(*) FROM \"file\" WHERE \"free_at\" IS NOT NULL",
            vec![ColumnType::Integer],
        )
        .await;
        assert_eq!(free[0][0], "0", "it is not looked at again");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn contents_without_a_row_go_when_they_are_old_enough() {
    for database in Database::each().await {
        let world = World::new(&database).await;
        let file = world.upload(b"sound").await.unwrap();
        let mut upload = world.engine.begin_upload(&world.ctx, "b", BOUNDS).await.unwrap();
        upload.write(Bytes::from_static(b"unfinished")).await.unwrap();
        let orphan = uuid::Uuid::now_v7();
        let mut content = world.files.write(orphan).await.unwrap();
        content.write(Bytes::from_static(b"orphan")).await.unwrap();
        content.finish().await.unwrap();
        let found = world.engine.check_files(Some(&world.files)).await.unwrap();
        assert_eq!((found.sound, found.without_row, found.without_content), (1, vec![orphan], Vec::new()));
        assert_eq!(
            world.engine.remove_orphan_contents(Utc::now()).await.unwrap(),
            0,
            "it may be of an upload that goes on"
        );
        let later = Utc::now() + ORPHAN_GRACE + TimeDelta::minutes(1);
        assert_eq!(world.engine.remove_orphan_contents(later).await.unwrap(), 2, "the orphan and the unfinished one");
        assert_eq!(
            (world.files.size(orphan).await.unwrap(), world.files.size(file.id).await.unwrap()),
            (None, Some(5))
        );
        world.files.remove(file.id).await.unwrap();
        let found = world.engine.check_files(Some(&world.files)).await.unwrap();
        assert_eq!((found.sound, found.without_content), (0, vec![file.id]));
        let read = world.engine.read_content(&file, 0..5).await;
        assert!(matches!(read, Err(EngineError::Internal)));
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn an_upload_beyond_a_bound_leaves_nothing() {
    for database in Database::each().await {
        let world = World::new(&database).await;
        let mut upload = world.engine.begin_upload(&world.ctx, "a", BOUNDS).await.unwrap();
        upload.write(Bytes::from(vec![0; 1_000])).await.unwrap();
        assert!(matches!(upload.write(Bytes::from_static(b"x")).await, Err(EngineError::Limit(_))));
        drop(upload);
        assert!(matches!(world.upload(b"").await, Err(EngineError::Validation(_))));
        for _ in 0..BOUNDS.unattached {
            world.upload(b"x").await.unwrap();
        }
        assert!(matches!(world.upload(b"x").await, Err(EngineError::Limit(_))));
        let nobody = RequestContext {
            actor: std::sync::Arc::new(cardine_access::Actor { user: None, ..(*world.ctx.actor).clone() }),
            ..world.ctx.clone()
        };
        assert!(matches!(world.engine.begin_upload(&nobody, "a", BOUNDS).await, Err(EngineError::Forbidden(_))));
        let found = world.engine.check_files(Some(&world.files)).await.unwrap();
        assert_eq!((found.sound, found.without_row.len()), (BOUNDS.unattached, 0));
    }
}
