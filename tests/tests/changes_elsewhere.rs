//! While one server process changes modules, another one that does not know yet never reads one thing by the name or type of another.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};

use cardine_tests::{Backend, Client, Server, eventually};
use serde_json::{Value, json};
use tokio::task::JoinHandle;

const RECORDS: usize = 5;

/// Two processes, of which the second is the caller's with the role `clerk`; SQLite serves one.
async fn start() -> Option<(Server, Server, Client, Client)> {
    if !Backend::Postgres.is_available() {
        return None;
    }
    let server = Server::start(Backend::Postgres).await;
    let other = server.another().await;
    let admin = server.admin().await;
    let fields = json!([{"name": "open", "type": "text"}, {"name": "secret", "type": "text"}, {"name": "number", "type": "text", "indexed": true}]);
    let machine = json!({"name": "Machine", "plural": "Machines", "sharing": "PUBLIC_READ", "fields": fields});
    admin.create_module(machine).await.ok();
    let records = (0..RECORDS)
        .map(|n| json!({"open": format!("open {n}"), "secret": format!("secret {n}"), "number": n.to_string()}));
    admin.create_many("Machine", records).await;
    admin.create_role("clerk", None).await;
    admin.set_access("clerk", "Machine", json!({"read": true, "fields": {"open": "READ", "number": "READ"}})).await;
    let clerk = server.create_user_with_role("clerk").await;
    let there = other.anonymous().with_token(clerk.token().expect("a token"));
    let known = || async { there.query("{ machines { totalCount } }").await.errors().is_empty().then_some(()) };
    eventually("the other server knows the module", known).await;
    Some((server, other, admin, there))
}

/// Reads a field until it is told to stop; tells of how many answers had it. `is_right` is what a value may be.
fn read(
    client: Client,
    field: &'static str,
    stop: &Arc<AtomicBool>,
    answered: &Arc<AtomicUsize>,
    is_right: fn(&Value) -> bool,
) -> JoinHandle<usize> {
    let (stop, answered) = (Arc::clone(stop), Arc::clone(answered));
    tokio::spawn(async move {
        let mut had = 0;
        while !stop.load(Ordering::Relaxed) {
            let answer = client
                .query(&format!("{{ machines(filter: {{{field}: {{isNull: false}}}}) {{ nodes {{ {field} }} }} }}"))
                .await;
            if answer.errors().is_empty() {
                let nodes = answer.data()["machines"]["nodes"].as_array().unwrap_or_else(|| panic!("{answer}"));
                assert!(nodes.len() == RECORDS && nodes.iter().all(|node| is_right(&node[field])), "{answer}");
                had += 1;
            } else {
                // What is said of any name that there is not.
                answer.refused("BAD_USER_INPUT");
            }
            answered.fetch_add(1, Ordering::Relaxed);
        }
        had
    })
}

async fn rename(admin: &Client, from: &str, to: &str) {
    admin.change("renameField", json!({"module": "Machine", "name": from, "to": to})).await.ok();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn who_was_made_and_signed_in_here_is_known_there_at_once() {
    let Some((server, other, ..)) = start().await else { return };
    for _ in 0..10 {
        let user = server.create_user_with_role("clerk").await;
        let there = other.anonymous().with_token(user.token().expect("a token"));
        assert_eq!(there.query("{ machines { totalCount } }").await.ok()["machines"]["totalCount"], RECORDS);
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_name_that_another_field_takes_never_shows_it_to_who_may_not_see_it() {
    let Some((_server, _other, admin, there)) = start().await else { return };
    let (stop, answered) = (Arc::new(AtomicBool::new(false)), Arc::new(AtomicUsize::new(0)));
    let is_open = |value: &Value| value.as_str().is_some_and(|text| text.starts_with("open"));
    let reading = read(there.clone(), "open", &stop, &answered, is_open);
    for _ in 0..2 {
        // The clerk's grant follows the field: `open` is the secret one for a while.
        rename(&admin, "open", "aside").await;
        rename(&admin, "secret", "open").await;
        let seen = answered.load(Ordering::Relaxed);
        eventually("it is read meanwhile", || async {
            (answered.load(Ordering::Relaxed) > seen || reading.is_finished()).then_some(())
        })
        .await;
        rename(&admin, "open", "secret").await;
        rename(&admin, "aside", "open").await;
    }
    let shown = || async { there.query("{ machines { nodes { open } } }").await.errors().is_empty().then_some(()) };
    eventually("the field is back", shown).await;
    stop.store(true, Ordering::Relaxed);
    assert!(reading.await.expect("no answer was wrong") > 0, "it was read");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_field_of_another_type_is_read_by_its_old_type_or_its_new_one() {
    let Some((_server, _other, admin, there)) = start().await else { return };
    let (stop, answered) = (Arc::new(AtomicBool::new(false)), Arc::new(AtomicUsize::new(0)));
    let is_number = |value: &Value| value.as_str().map_or_else(|| value.is_i64(), |text| text.parse::<i64>().is_ok());
    let reading = read(there, "number", &stop, &answered, is_number);
    for _ in 0..3 {
        for to in [json!("integer"), json!("text"), json!({"type": "decimal", "scale": 0}), json!("text")] {
            admin.change("changeFieldType", json!({"module": "Machine", "name": "number", "to": to})).await.ok();
            let seen = answered.load(Ordering::Relaxed);
            eventually("it is read meanwhile", || async {
                (answered.load(Ordering::Relaxed) > seen + 1 || reading.is_finished()).then_some(())
            })
            .await;
        }
    }
    stop.store(true, Ordering::Relaxed);
    assert!(reading.await.expect("no answer was wrong") > 0, "it was read");
}
