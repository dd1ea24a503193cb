//! Reads and writes of what is not changed go on without an error while modules and fields change all the time, in one process and,
//! on PostgreSQL, in several on one database.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};

use cardine_tests::shifting::{Changes, User};
use cardine_tests::{Backend, Client, on_both_databases};
use serde_json::json;
use tokio::task::JoinHandle;

/// How many changes; `CARDINE_TEST_CHANGES` says otherwise.
fn changes() -> usize {
    std::env::var("CARDINE_TEST_CHANGES").ok().and_then(|count| count.parse().ok()).unwrap_or(40)
}

/// Works until it is told to stop; panics at the first wrong answer.
fn busy(client: Client, stop: &Arc<AtomicBool>, answered: &Arc<AtomicUsize>) -> JoinHandle<()> {
    let (stop, answered) = (Arc::clone(stop), Arc::clone(answered));
    tokio::spawn(async move {
        let mut user = User::new(client);
        while !stop.load(Ordering::Relaxed) {
            user.request().await;
            answered.fetch_add(1, Ordering::Relaxed);
        }
    })
}

async fn change_while_busy(clients: &[Client]) {
    let admin = &clients[0];
    admin.create_module(Changes::module()).await.ok();
    // Each process serves the new version by itself.
    for client in clients {
        let known = || async { client.query("{ shiftings { totalCount } }").await.errors().is_empty().then_some(()) };
        cardine_tests::eventually("the module is known", known).await;
    }
    let (stop, answered) = (Arc::new(AtomicBool::new(false)), Arc::new(AtomicUsize::new(0)));
    let busy: Vec<_> =
        clients.iter().flat_map(|client| [0, 1].map(|_| busy(client.clone(), &stop, &answered))).collect();
    let mut random = Changes::new(20_261_122);
    for number in 0..changes() {
        let seen = answered.load(Ordering::Relaxed);
        // By each process in turn: one whose snapshot is older plans anew.
        random.make_next(&clients[number % clients.len()]).await;
        cardine_tests::eventually("a request was answered meanwhile", || async {
            (answered.load(Ordering::Relaxed) > seen || busy.iter().any(JoinHandle::is_finished)).then_some(())
        })
        .await;
    }
    stop.store(true, Ordering::Relaxed);
    for busy in busy {
        busy.await.expect("no request failed");
    }
}

on_both_databases! {
    async fn nobody_who_uses_other_fields_notices_changes(server: Server) {
        let admin = server.admin().await;
        admin.create("Organization", json!({"name": "Steady"})).await;
        change_while_busy(&[admin]).await;
    }

    async fn nor_do_they_notice_jobs(mut server: Server) {
        // Whatever goes through more than a few records is a job.
        server.set_variable("CARDINE_JOB_ROWS", "5");
        server.restart().await;
        let admin = server.admin().await;
        admin.create("Organization", json!({"name": "Steady"})).await;
        change_while_busy(&[admin]).await;
    }

    async fn nor_does_anybody_of_several_processes(server: Server) {
        if server.backend() == Backend::Postgres {
            let others = [server.another().await, server.another().await];
            let clients = [server.admin().await, others[0].admin().await, others[1].admin().await];
            change_while_busy(&clients).await;
        }
    }
}
