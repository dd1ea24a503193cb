//! Subscriptions: every gate of a query stands before them too, and no token means nobody.

use cardine_tests::on_both_databases;
use serde_json::{Value, json};

use crate::cast::Cast;

on_both_databases! {
    async fn a_websocket_has_every_gate_that_http_has(server: Server) {
        let cast = Cast::new(server).await;
        let person = cast.other.create("Person", json!({"name": "Of other"})).await;
        let aliases: String = (0..101).map(|n| format!("a{n}: name ")).collect();
        let texts = [
            "{ people { nodes { salary } } }".to_owned(), "{ people(filter: {salary: {gt: \"1\"}}) { totalCount } }".to_owned(), "{ leads { totalCount } }".to_owned(),
            "{ people { nodes { name }".to_owned(), "{ people(first: 2000) { totalCount } }".to_owned(), format!("{{ people {{ nodes {{ {aliases} }} }} }}"),
            format!("mutation {{ updatePerson(id: \"{person}\", data: {{name: \"x\"}}) {{ id }} }}"), format!("mutation {{ deletePerson(id: \"{person}\") {{ id }} }}"),
            "mutation { createPerson(data: {name: \"x\", salary: \"1\"}) { id } }".to_owned(), "query($x: Int!) { people(first: $x) { totalCount } }".to_owned(),
            "{ __schema { types { fields { type { fields { type { fields { name } } } } } } } }".to_owned(),
        ];
        for caller in [&cast.rep, &cast.guest] {
            let mut socket = caller.websocket().await;
            for (position, text) in texts.iter().enumerate() {
                let over_http = caller.query(text).await;
                let id = format!("{position}");
                socket.send(&json!({"type": "subscribe", "id": id, "payload": {"query": text}})).await;
                let answer = socket.receive().await;
                // What is refused before it runs is told by `error`, what fails then by `next`.
                let errors = if answer["type"] == "error" { &answer["payload"] } else { &answer["payload"]["errors"] };
                let messages = |errors: &Value| -> Vec<String> {
                    errors.as_array().into_iter().flatten().map(|error| format!("{} {}", error["extensions"]["code"], error["message"])).collect()
                };
                assert!(!over_http.errors().is_empty(), "{text}: {over_http}");
                assert_eq!(messages(errors), messages(&over_http.body["errors"]), "{text}");
                if answer["type"] == "next" {
                    assert_eq!(socket.receive().await["type"], "complete");
                }
            }
        }
    }

    async fn a_connection_without_a_token_is_anonymous(server: Server) {
        let cast = Cast::new(server).await;
        let mut socket = cast.guest.websocket().await;
        socket.send(&json!({"type": "subscribe", "id": "me", "payload": {"query": "{ me { role modules { name } } }"}})).await;
        assert_eq!(socket.next("me").await["me"], json!({"role": "anonymous", "modules": []}));
        assert_eq!(socket.receive().await["type"], "complete");
        for (id, text) in [("a", "subscription { personChanges { kind id record { name } } }"), ("b", "subscription { userChanges { id } }"), ("c", "mutation { createPerson(data: {name: \"x\"}) { id } }")] {
            socket.send(&json!({"type": "subscribe", "id": id, "payload": {"query": text}})).await;
            assert_eq!(socket.error(id).await, ["BAD_USER_INPUT"], "{text}");
        }
        // Nor does what a payload claims make more of it.
        for payload in [json!({}), json!({"token": "x"}), json!({"role": "administrator"}), json!({"user": {"id": "1"}})] {
            let mut socket = cast.guest.unbegun_websocket().await;
            socket.send(&json!({"type": "connection_init", "payload": payload})).await;
            assert_eq!(socket.receive().await["type"], "connection_ack", "{payload}");
            socket.send(&json!({"type": "subscribe", "id": "me", "payload": {"query": "{ me { role } }"}})).await;
            assert_eq!(socket.next("me").await["me"]["role"], "anonymous", "{payload}");
        }
    }

    async fn a_subscriber_hears_of_own_records_in_own_fields(server: Server) {
        let cast = Cast::new(server).await;
        let text = "subscription { personChanges { kind changedFields record { name stage } } }";
        let mut of_rep = cast.rep.websocket().await;
        of_rep.subscribe("a", text, json!({})).await;
        // Of another's records nothing is told, and of one's own only what may be read.
        cast.other.create("Person", json!({"name": "Of other"})).await;
        let own = cast.rep.create("Person", json!({"name": "Own"})).await;
        assert_eq!(of_rep.next("a").await["personChanges"]["record"]["name"], "Own");
        cast.set(&own, json!({"salary": "5", "memo": "secret", "stage": "OLD"})).await;
        let change = of_rep.next("a").await;
        assert_eq!(change["personChanges"], json!({"kind": "UPDATED", "changedFields": ["stage"], "record": {"name": "Own", "stage": "OLD"}}));
    }
}
