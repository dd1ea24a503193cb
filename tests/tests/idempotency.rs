//! `Idempotency-Key`: a repeated request takes effect once and gets the first answer, over restarts and several servers.

use cardine_tests::{Answer, Backend, Client, Launch, on_both_databases};
use reqwest::Method;
use serde_json::{Value, json};

const CREATE: &str = "mutation($name: String!) { createOrganization(data: {name: $name}) { id number name version } }";

async fn send(client: &Client, key: &str, text: &str, variables: Value) -> Answer {
    let request = client.request(Method::POST, "/graphql").header("idempotency-key", key);
    Answer::of(request.json(&json!({"query": text, "variables": variables}))).await
}

async fn count(client: &Client) -> Value {
    client.query("{ organizations { totalCount } }").await.ok()["organizations"]["totalCount"].clone()
}

on_both_databases! {
    async fn a_repeated_request_takes_effect_once_and_gets_the_first_answer(mut server: Server) {
        let admin = server.admin().await;
        let first = send(&admin, "k-1", CREATE, json!({"name": "A"})).await;
        first.ok();
        let again = send(&admin, "k-1", CREATE, json!({"name": "A"})).await;
        assert_eq!((again.status, &again.text), (first.status, &first.text));
        assert_eq!(count(&admin).await, 1);
        // What has become of the record meanwhile is not what was answered.
        let id = first.ok()["createOrganization"]["id"].clone();
        let change = "mutation($id: ID!) { updateOrganization(id: $id, data: {name: \"B\"}) { version } }";
        assert_eq!(send(&admin, "k-2", change, json!({"id": id})).await.ok()["updateOrganization"]["version"], 2);
        assert_eq!(send(&admin, "k-2", change, json!({"id": id})).await.ok()["updateOrganization"]["version"], 2);
        assert_eq!(send(&admin, "k-1", CREATE, json!({"name": "A"})).await.text, first.text);
        // Another key is another request.
        assert_ne!(send(&admin, "k-3", CREATE, json!({"name": "A"})).await.text, first.text);
        server.kill_hard();
        server.restart().await;
        let admin = server.admin().await;
        assert_eq!(send(&admin, "k-1", CREATE, json!({"name": "A"})).await.text, first.text);
        assert_eq!(count(&admin).await, 2);
    }

    async fn what_is_done_to_many_is_done_once(server: Server) {
        let admin = server.admin().await;
        let id = admin.create("Organization", json!({"name": "A"})).await;
        admin.query_with("mutation($id: ID!) { deleteOrganization(id: $id) { id } }", json!({"id": id})).await.ok();
        for (key, mutation) in [("restore", "restoreOrganizations"), ("destroy", "destroyOrganizations")] {
            let text = format!("mutation($id: ID!) {{ {mutation}(filter: {{id: {{eq: $id}}}}) {{ count ids }} }}");
            let first = send(&admin, key, &text, json!({"id": id})).await;
            assert_eq!(first.ok()[mutation], json!({"count": 1, "ids": [id]}));
            assert_eq!(send(&admin, key, &text, json!({"id": id})).await.text, first.text);
            let other = send(&admin, &format!("{key}-again"), &text, json!({"id": id})).await;
            assert_eq!(other.ok()[mutation]["count"], 0);
        }
    }

    async fn an_answer_is_given_again_for_a_day(backend: Backend) {
        // With the variable, a server believes when a request was sent.
        let server = Launch::new(backend).variable("CARDINE_TEST_FAILPOINTS", "").start().await;
        let admin = server.admin().await;
        let at = async |moment: &str, name: &str| {
            let request = admin.request(Method::POST, "/graphql").header("idempotency-key", "k");
            let request = request.header("cardine-test-moment", moment);
            Answer::of(request.json(&json!({"query": CREATE, "variables": {"name": name}}))).await
        };
        let first = at("2026-06-15T12:00:00.000Z", "A").await;
        first.ok();
        assert_eq!(at("2026-06-16T11:59:59.000Z", "A").await.text, first.text);
        at("2026-06-16T11:59:59.000Z", "B").await.refused("CONFLICT");
        assert_eq!(count(&admin).await, 1);
        // After a day the key is a new one, for any request.
        let next = at("2026-06-16T12:00:01.000Z", "B").await;
        assert_eq!(next.ok()["createOrganization"]["name"], "B");
        assert_eq!(at("2026-06-16T12:00:02.000Z", "B").await.text, next.text);
        assert_eq!(count(&admin).await, 2);
    }

    async fn a_key_belongs_to_one_request_of_one_user(server: Server) {
        let admin = server.admin().await;
        let all = json!({"create": true, "read": true, "update": true, "fields": {"*": "WRITE"}});
        admin.create_role("clerk", None).await;
        admin.set_access("clerk", "Organization", all).await;
        let clerk = server.create_user_with_role("clerk").await;
        send(&admin, "k", CREATE, json!({"name": "A"})).await.ok();
        let other_variables = send(&admin, "k", CREATE, json!({"name": "B"})).await;
        let other_text = send(&admin, "k", "mutation { createOrganization(data: {name: \"A\"}) { id } }", json!({})).await;
        for refused in [other_variables, other_text] {
            assert!(refused.refused("CONFLICT").text.contains("Idempotency-Key"), "{refused}");
        }
        assert_eq!(count(&admin).await, 1);
        let theirs = send(&clerk, "k", CREATE, json!({"name": "A"})).await;
        assert_eq!(theirs.ok()["createOrganization"]["number"], "ACC-00002", "another user's key is another key");
        // Queries need no key, and take none.
        let text = "{ organizations { totalCount } }";
        assert_eq!(send(&admin, "q", text, json!({})).await.ok()["organizations"]["totalCount"], 2);
        send(&admin, "k-4", CREATE, json!({"name": "C"})).await.ok();
        assert_eq!(send(&admin, "q", text, json!({})).await.ok()["organizations"]["totalCount"], 3);
    }

    async fn what_failed_may_be_sent_again(server: Server) {
        let admin = server.admin().await;
        let text = "mutation($id: ID!) { updateOrganization(id: $id, data: {employees: 5}, ifVersion: 2) { version } }";
        let id = admin.create("Organization", json!({"name": "A"})).await;
        send(&admin, "k", text, json!({"id": id})).await.refused("CONFLICT");
        admin.query_with("mutation($id: ID!) { updateOrganization(id: $id, data: {employees: 4}) { version } }", json!({"id": id})).await.ok();
        assert_eq!(send(&admin, "k", text, json!({"id": id})).await.ok()["updateOrganization"]["version"], 3);
        assert_eq!(send(&admin, "k", text, json!({"id": id})).await.ok()["updateOrganization"]["version"], 3);
    }

    async fn many_at_once_with_one_key_are_one(server: Server) {
        let admin = server.admin().await;
        let racers: Vec<_> = (0..20).map(|_| {
            let admin = admin.clone();
            tokio::spawn(async move { send(&admin, "race", CREATE, json!({"name": "R"})).await })
        }).collect();
        let mut answers = Vec::new();
        for racer in racers {
            let answer = racer.await.expect("it ends");
            answer.ok();
            answers.push(answer.text);
        }
        answers.dedup();
        assert_eq!(answers.len(), 1, "{answers:?}");
        assert_eq!(count(&admin).await, 1);
    }

    async fn a_faulty_key_is_refused(server: Server) {
        let admin = server.admin().await;
        for key in ["", "two words", "è", &"k".repeat(256)] {
            let refused = send(&admin, key, CREATE, json!({"name": "A"})).await;
            assert_eq!((refused.status, refused.codes()), (400, vec!["BAD_USER_INPUT"]), "{key:?}: {refused}");
        }
        let twice = admin.request(Method::POST, "/graphql").header("idempotency-key", "a").header("idempotency-key", "b");
        assert_eq!(Answer::of(twice.json(&json!({"query": "{ me { role } }"}))).await.status, 400);
        send(&admin, &"k".repeat(255), CREATE, json!({"name": "A"})).await.ok();
        let unknown = send(&server.anonymous(), "k", "mutation { createOrganization(data: {name: \"A\"}) { id } }", json!({})).await;
        assert!(!unknown.errors().is_empty());
        assert_eq!(count(&admin).await, 1);
    }

    async fn several_servers_share_the_answers(backend: Backend) {
        if backend == Backend::Sqlite {
            return;
        }
        let server = Launch::new(backend).start().await;
        let other = server.another().await;
        let (one, two) = (server.admin().await, other.admin().await);
        let first = send(&one, "k", CREATE, json!({"name": "A"})).await;
        first.ok();
        assert_eq!(send(&two, "k", CREATE, json!({"name": "A"})).await.text, first.text);
        let racers: Vec<_> = (0..10).map(|n| {
            let client = if n % 2 == 0 { one.clone() } else { two.clone() };
            tokio::spawn(async move { send(&client, "race", CREATE, json!({"name": "R"})).await.text })
        }).collect();
        let mut answers = Vec::new();
        for racer in racers {
            answers.push(racer.await.expect("it ends"));
        }
        answers.dedup();
        assert_eq!(answers.len(), 1, "{answers:?}");
        assert_eq!(count(&two).await, 2);
    }
}
