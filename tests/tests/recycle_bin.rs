//! The recycle bin, by the page's own modules and requests: what is in it, who sees it, takes it back and removes it for good.

use cardine_tests::document::blocks_of;
use cardine_tests::{Answer, Client, Server, on_both_databases};
use serde_json::{Value, json};

const PAGE: &str = "docs/features/recycle-bin.md";

/// The page's request with this name.
fn request(name: &str) -> String {
    let begins =
        |text: &str| text.starts_with(&format!("query {name}(")) || text.starts_with(&format!("mutation {name}("));
    blocks_of(PAGE).into_iter().map(|block| block.text).find(|text| begins(text)).expect("a request of this name")
}

async fn act(caller: &Client, name: &str, id: &str) -> Answer {
    caller.query_with(&request(name), json!({"id": id})).await
}

/// The page's modules; somebody above, two who delete below, and one who does not.
async fn prepare(server: &Server) -> [Client; 4] {
    let admin = server.admin().await;
    for block in blocks_of(PAGE).into_iter().filter(|block| block.info == "json") {
        admin.create_module(serde_json::from_str(&block.text).expect("JSON")).await.ok();
    }
    for (role, parent) in [("head", None), ("fitter", Some("head")), ("writer", Some("head"))] {
        admin.create_role(role, parent).await;
        for module in ["Machine", "Part"] {
            let rights = json!({"create": true, "read": true, "update": true, "delete": role != "writer", "fields": {"*": "WRITE"}});
            admin.set_access(role, module, rights).await;
        }
    }
    let user = |role| server.create_user_with_role(role);
    [user("head").await, user("fitter").await, user("fitter").await, user("writer").await]
}

async fn machine(caller: &Client, number: &str) -> String {
    let data = json!({"name": format!("Lathe {number}"), "number": number, "parts": {"create": [{"name": "Chuck"}, {"name": "Tailstock"}]}});
    caller.create("Machine", data).await
}

/// The names in the caller's bin, the latest first.
async fn bin(caller: &Client) -> Vec<String> {
    let answer = caller.query_with(&request("bin"), json!({"since": "2000-01-01T00:00:00Z"})).await;
    let nodes = answer.ok()["machines"]["nodes"].as_array().expect("nodes");
    assert_eq!(answer.ok()["machines"]["totalCount"].as_u64(), Some(nodes.len() as u64));
    nodes.iter().map(|node| node["name"].as_str().expect("a name").to_owned()).collect()
}

on_both_databases! {
    async fn what_is_deleted_is_in_the_bin_and_comes_back_whole(server: Server) {
        let [_, fitter, _, _] = prepare(&server).await;
        let id = machine(&fitter, "1").await;
        // One part went before: it does not come back with the machine.
        fitter.query("mutation { deleteParts(filter: {name: {eq: \"Tailstock\"}}) { count } }").await.ok();
        assert!(act(&fitter, "put", &id).await.ok()["deleteMachine"]["deletedAt"].is_string());
        let gone = fitter.query_with("query($id: ID!) { machine(id: $id) { id } node(id: $id) { id } machines { totalCount } parts { totalCount } }", json!({"id": id})).await;
        assert_eq!(gone.ok(), &json!({"machine": null, "node": null, "machines": {"totalCount": 0}, "parts": {"totalCount": 0}}));
        let shown = fitter.query_with(&request("bin"), json!({})).await;
        let node = &shown.ok()["machines"]["nodes"][0];
        assert_eq!((&node["name"], &node["history"]["nodes"][0]["action"]), (&json!("Lathe 1"), &json!("DELETED")));
        assert!(node["updatedBy"]["name"].is_string() && node["deletedAt"].is_string(), "{shown}");
        let mut parts: Vec<&Value> = node["parts"]["nodes"].as_array().expect("parts").iter().map(|part| &part["name"]).collect();
        parts.sort_by_key(|name| name.to_string());
        assert_eq!(parts, ["Chuck", "Tailstock"]);
        // Its unique value is free; as long as somebody else has it, it does not come back.
        let other = machine(&fitter, "1").await;
        act(&fitter, "back", &id).await.refused("CONFLICT");
        act(&fitter, "put", &other).await.ok();
        assert_eq!(bin(&fitter).await, ["Lathe 1", "Lathe 1"]);
        let back = act(&fitter, "back", &id).await;
        assert_eq!(back.ok()["restoreMachine"], json!({"name": "Lathe 1", "deletedAt": null, "parts": {"nodes": [{"name": "Chuck"}]}}));
        assert_eq!(bin(&fitter).await.len(), 1);
        act(&fitter, "back", &id).await.refused("NOT_FOUND");
    }

    async fn who_may_delete_sees_takes_back_and_removes_what_is_in_their_reach(server: Server) {
        let [head, fitter, peer, writer] = prepare(&server).await;
        let ids = [machine(&fitter, "1").await, machine(&fitter, "2").await, machine(&writer, "3").await];
        for id in &ids[..2] {
            act(&fitter, "put", id).await.ok();
        }
        assert_eq!((bin(&fitter).await, bin(&head).await, bin(&peer).await), (vec!["Lathe 2".to_owned(), "Lathe 1".to_owned()], vec!["Lathe 2".to_owned(), "Lathe 1".to_owned()], vec![]));
        // What is out of reach was never there, in the bin or not.
        for name in ["put", "back", "remove"] {
            for id in [&ids[0], &ids[2]] {
                let hidden = act(&peer, name, id).await;
                let never = act(&peer, name, "01900000-0000-7000-8000-000000000000").await;
                assert_eq!(hidden.refused("NOT_FOUND").text, never.text);
            }
        }
        // Without the right there is neither the argument nor the mutations, for one's own records too.
        writer.query_with(&request("bin"), json!({})).await.refused("BAD_USER_INPUT");
        for name in ["put", "back", "remove"] {
            act(&writer, name, &ids[2]).await.refused("BAD_USER_INPUT");
        }
        // From above, records in the bin and others are removed, with what they took along.
        act(&head, "back", &ids[1]).await.ok();
        for id in &ids[..2] {
            assert_eq!(act(&head, "remove", id).await.ok()["destroyMachine"], json!(id));
        }
        assert_eq!((bin(&head).await, bin(&fitter).await), (vec![], vec![]));
        act(&head, "back", &ids[0]).await.refused("NOT_FOUND");
        let left = head.query("{ machines(deleted: INCLUDE) { nodes { number } } parts(deleted: INCLUDE) { nodes { machine { number } } } }").await;
        assert_eq!(left.ok(), &json!({"machines": {"nodes": [{"number": "3"}]}, "parts": {"nodes": [{"machine": {"number": "3"}}, {"machine": {"number": "3"}}]}}));
        let audit = server.admin().await.admin_query("{ audit(filter: {action: \"DESTROYED\", module: \"Machine\"}) { changes } }").await;
        assert!(audit.ok()["audit"].as_array().is_some_and(|entries| entries.len() == 2) && audit.text.contains("Lathe 1"), "{audit}");
    }
}
