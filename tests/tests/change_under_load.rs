//! Reads and writes of what is not changed go on without an error while modules and fields change all the time, in one process and,
//! on PostgreSQL, in several on one database.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};

use cardine_tests::chance::Chance;
use cardine_tests::{Backend, Client, on_both_databases};
use serde_json::{Value, json};
use tokio::task::JoinHandle;

/// How many changes; `CARDINE_TEST_CHANGES` says otherwise.
fn changes() -> usize {
    std::env::var("CARDINE_TEST_CHANGES").ok().and_then(|count| count.parse().ok()).unwrap_or(40)
}

/// The next change of the module `Shifting`, whose fields `name` and `amount` nobody touches.
fn next(
    chance: &mut Chance,
    fields: &mut Vec<String>,
    retired: &mut Vec<String>,
    number: usize,
) -> (&'static str, Value) {
    let of = |name: &str| json!({"module": "Shifting", "name": name});
    let with = |mut arguments: Value, key: &str, value: Value| {
        arguments[key] = value;
        arguments
    };
    let kinds = [
        json!({"type": "text", "maxLength": 50, "indexed": true}),
        json!({"type": "integer", "required": true, "default": 1}),
        json!({"type": "reference", "to": "Organization"}),
        json!({"type": "references", "to": "Product"}),
        json!({"type": "formula", "returns": "decimal", "rule": "amount * 2"}),
        json!({"type": "text", "unique": true}),
    ];
    let choice = chance.below(8);
    if fields.is_empty() || choice < 2 {
        let name = format!("field{number}");
        let field = with(chance.item(&kinds).clone(), "name", json!(name));
        fields.push(name);
        return ("addField", json!({"module": "Shifting", "field": field}));
    }
    let position = chance.below(fields.len());
    let field = fields[position].clone();
    match choice {
        2 => {
            let to = format!("renamed{number}");
            fields[position] = to.clone();
            ("renameField", with(of(&field), "to", json!(to)))
        }
        3 => ("updateField", with(of(&field), "patch", json!({"label": format!("Label {number}")}))),
        4 => (
            "updateModule",
            json!({"name": "Shifting", "patch": {"search": if number.is_multiple_of(2) { json!(["name"]) } else { Value::Null }}}),
        ),
        5 => {
            fields.remove(position);
            retired.push(field.clone());
            ("retireField", with(of(&field), "force", json!(true)))
        }
        6 if !retired.is_empty() => {
            let field = retired.remove(0);
            fields.push(field.clone());
            ("restoreField", of(&field))
        }
        7 if !retired.is_empty() => ("purgeField", of(&retired.remove(0))),
        _ => (
            "createModule",
            json!({"definition": {"name": format!("Made{number}"), "plural": format!("Mades{number}"),
            "fields": [{"name": "shifting", "type": "reference", "to": "Shifting", "inverse": format!("mades{number}")}]}}),
        ),
    }
}

/// Reads and writes until it is told to stop; panics at the first error.
fn busy(client: Client, stop: &Arc<AtomicBool>, answered: &Arc<AtomicUsize>) -> JoinHandle<()> {
    let (stop, answered) = (Arc::clone(stop), Arc::clone(answered));
    tokio::spawn(async move {
        let mut count = 0;
        while !stop.load(Ordering::Relaxed) {
            count += 1;
            let name = format!("n{}", uuid::Uuid::new_v4().simple());
            let created = client.query(&format!("mutation {{ createShifting(data: {{name: \"{name}\", amount: \"{count}\"}}) {{ id name amount }} }}")).await;
            let created = created.ok()["createShifting"].clone();
            assert_eq!((&created["name"], &created["amount"]), (&json!(name), &json!(format!("{count}.00"))));
            let id = created["id"].as_str().expect("an id").to_owned();
            let read = client.query(&format!("{{ shifting(id: \"{id}\") {{ name }} shiftings(filter: {{name: {{eq: \"{name}\"}}}}, orderBy: [{{amount: DESC}}]) {{
                totalCount nodes {{ amount }} aggregate {{ sum {{ amount }} }} }} organizations(first: 3) {{ nodes {{ name }} }} }}")).await;
            let read = read.ok();
            assert_eq!(read["shifting"]["name"], json!(name));
            assert_eq!(read["shiftings"]["totalCount"], 1);
            assert_eq!(read["shiftings"]["aggregate"]["sum"]["amount"], json!(format!("{count}.00")));
            client
                .query(&format!("mutation {{ updateShifting(id: \"{id}\", data: {{amount: \"1\"}}) {{ amount }} }}"))
                .await
                .ok();
            if count % 3 == 0 {
                client.query(&format!("mutation {{ deleteShifting(id: \"{id}\") {{ id }} }}")).await.ok();
            }
            answered.fetch_add(1, Ordering::Relaxed);
        }
    })
}

async fn change_while_busy(clients: &[Client]) {
    let admin = &clients[0];
    admin
        .create_module(json!({"name": "Shifting", "plural": "Shiftings", "fields": [
            {"name": "name", "type": "text", "required": true, "maxLength": 60, "unique": true},
            {"name": "amount", "type": "money", "indexed": true}]}))
        .await
        .ok();
    // Each process serves the new version by itself.
    for client in clients {
        let known = || async { client.query("{ shiftings { totalCount } }").await.errors().is_empty().then_some(()) };
        cardine_tests::eventually("the module is known", known).await;
    }
    let (stop, answered) = (Arc::new(AtomicBool::new(false)), Arc::new(AtomicUsize::new(0)));
    let busy: Vec<_> =
        clients.iter().flat_map(|client| [0, 1].map(|_| busy(client.clone(), &stop, &answered))).collect();
    let mut chance = Chance::new(20_261_122);
    let (mut fields, mut retired) = (Vec::new(), Vec::new());
    for number in 0..changes() {
        let seen = answered.load(Ordering::Relaxed);
        let (name, arguments) = next(&mut chance, &mut fields, &mut retired, number);
        let told = arguments.to_string();
        // By each process in turn: one whose snapshot is older plans anew.
        let answer = clients[number % clients.len()].change(name, arguments).await;
        assert!(answer.errors().is_empty(), "{name} {told}: {answer}");
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

    async fn nor_does_anybody_of_several_processes(server: Server) {
        if server.backend() == Backend::Postgres {
            let others = [server.another().await, server.another().await];
            let clients = [server.admin().await, others[0].admin().await, others[1].admin().await];
            change_while_busy(&clients).await;
        }
    }
}
