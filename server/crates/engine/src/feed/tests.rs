//! What a follower reads, from memory and from the outbox alike, and how it learns that something is missing.

use cardine_store::Store;
use cardine_store::platform::events::{NewEvent, delete_events, insert_events};
use chrono::{TimeDelta, Utc};
use serde_json::json;
use uuid::Uuid;

use super::{CHANGES_MAX, Following, KEPT_MAX, Read};
use crate::change::tests::database::Database;

/// Writes that many events of a module in one transaction; the engine is not told.
async fn write(store: &Store, module: &'static str, count: usize) {
    store
        .write(move |tx| {
            Box::pin(async move {
                for number in 0..count {
                    let event = NewEvent {
                        at: Utc::now(),
                        module,
                        record: Uuid::now_v7(),
                        kind: "CREATED",
                        actor: None,
                        depth: 0,
                        before: None,
                        after: Some(json!({"id": Uuid::now_v7().to_string()}).to_string().into()),
                        changed: json!([number.to_string()]).to_string().into(),
                    };
                    insert_events(tx, &[event]).await?;
                }
                Ok::<_, cardine_store::StoreError>(())
            })
        })
        .await
        .unwrap();
}

/// Everything after a place, read to the end; and where that is.
async fn read_on(following: &Following, mut place: i64) -> (Vec<i64>, i64) {
    following.now().await.unwrap();
    let mut seqs = Vec::new();
    loop {
        let read = following.read(place).await.unwrap();
        assert!(!read.missed && read.changes.len() <= CHANGES_MAX);
        assert!(read.changes.iter().all(|change| change.module == "Lead"));
        seqs.extend(read.changes.iter().map(|change| change.seq));
        if read.through == place {
            return (seqs, place);
        }
        place = read.through;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_follower_reads_its_modules_changes_in_order_from_wherever_they_are() {
    for database in Database::each().await {
        let engine = database.engine().await;
        let store = engine.store();
        write(store, "Lead", 3).await;
        let following = engine.feed().follow("Lead");
        let begin = following.now().await.unwrap();
        assert_eq!(begin, 3, "what was there before");
        write(store, "Contact", 150).await;
        write(store, "Lead", 250).await;
        let (seqs, place) = read_on(&following, begin).await;
        assert_eq!(seqs, (154..=403).collect::<Vec<i64>>());
        assert_eq!(place, 403);
        // From before it was followed: from the outbox.
        let (seqs, _) = read_on(&following, 1).await;
        assert_eq!(seqs, [2, 3].into_iter().chain(154..=403).collect::<Vec<i64>>());
        // More than memory holds.
        write(store, "Lead", KEPT_MAX + 200).await;
        let (seqs, _) = read_on(&following, place).await;
        assert_eq!(seqs, (404..=403 + KEPT_MAX as i64 + 200).collect::<Vec<i64>>());

        // Nobody follows; then somebody does again.
        drop(following);
        write(store, "Lead", 2).await;
        let again = engine.feed().follow("Lead");
        let begin = again.now().await.unwrap();
        assert_eq!(begin, 605 + KEPT_MAX as i64);
        write(store, "Lead", 1).await;
        assert_eq!(read_on(&again, begin).await.0, [begin + 1]);
        assert_eq!(read_on(&again, begin - 2).await.0, [begin - 1, begin, begin + 1]);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn who_was_away_for_too_long_is_told_so() {
    for database in Database::each().await {
        let engine = database.engine().await;
        let store = engine.store();
        write(store, "Lead", 10).await;
        let following = engine.feed().follow("Lead");
        following.now().await.unwrap();
        let old = Utc::now() + TimeDelta::seconds(1);
        store.write(move |tx| Box::pin(delete_events(tx, old, 5))).await.unwrap();
        let missed = |read: Read| {
            assert_eq!((read.missed, read.through, read.changes.len()), (true, 10, 0));
        };
        missed(following.read(4).await.unwrap());
        assert_eq!(read_on(&following, 5).await.0, [6, 7, 8, 9, 10], "the sixth is the first that is kept");
        store.write(move |tx| Box::pin(delete_events(tx, old, 5))).await.unwrap();
        missed(following.read(9).await.unwrap());
        assert_eq!(read_on(&following, 10).await.0, [] as [i64; 0]);
        // What came in the meantime is in memory, though it is kept no longer.
        write(store, "Lead", 1).await;
        following.now().await.unwrap();
        store.write(move |tx| Box::pin(delete_events(tx, old + TimeDelta::days(1), 5))).await.unwrap();
        assert_eq!(read_on(&following, 10).await.0, [11]);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_change_of_the_module_wakes_and_others_do_not() {
    for database in Database::each().await {
        let engine = database.engine().await;
        let (mut leads, mut contacts) = (engine.feed().follow("Lead"), engine.feed().follow("Contact"));
        leads.now().await.unwrap();
        write(engine.store(), "Lead", 1).await;
        leads.changed().await;
        assert_eq!(read_on(&leads, 0).await.0, [1]);
        assert!(futures_util::FutureExt::now_or_never(contacts.changed()).is_none());
        write(engine.store(), "Contact", 1).await;
        contacts.changed().await;
    }
}
