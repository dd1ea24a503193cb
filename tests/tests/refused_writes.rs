//! After a refused mutation every table and file is as it was: each kind of mutation, refused for each reason, alone and behind
//! one that would have been taken.

mod tables;

use cardine_tests::{Answer, Client, Server, on_both_databases};
use serde_json::{Value, json};
use tables::{Kept, differences, everything};

/// The kinds of mutations, `DATA`, `ID`, `VERSION` and `SHOWN` standing for what an attempt fills in.
const KINDS: [(&str, &str); 13] = [
    ("create", "createBox(data: {DATA}) { SHOWN }"),
    ("createMany", "createBoxes(data: [{code: \"fine\"}, {DATA}]) { SHOWN }"),
    ("update", "updateBox(id: \"ID\", data: {DATA}VERSION) { SHOWN }"),
    ("updateMany", "updateBoxes(filter: {id: {eq: \"ID\"}}, data: {DATA}) { SHOWN }"),
    ("upsert", "upsertBox(match: {code: \"new\"}, data: {DATA}) { SHOWN }"),
    (
        "upsertMany",
        "upsertBoxes(data: [{match: {code: \"own\"}, data: {count: 8}}, {match: {code: \"new\"}, data: {DATA}}]) { SHOWN }",
    ),
    ("delete", "deleteBox(id: \"ID\"VERSION) { SHOWN }"),
    ("deleteMany", "deleteBoxes(filter: {id: {eq: \"ID\"}}) { SHOWN }"),
    ("restore", "restoreBox(id: \"ID\") { SHOWN }"),
    ("restoreMany", "restoreBoxes(filter: {id: {eq: \"ID\"}}) { SHOWN }"),
    ("destroy", "destroyBox(id: \"ID\")"),
    ("destroyMany", "destroyBoxes(filter: {id: {eq: \"ID\"}}) { SHOWN }"),
    ("merge", "mergeBoxes(ids: [\"OTHER\"], into: \"ID\", data: {DATA}) { SHOWN }"),
];

/// What an attempt fills in.
#[derive(Clone, Copy)]
struct Filled<'a> {
    data: &'a str,
    id: &'a str,
    version: &'a str,
    /// In place of what the kind shows.
    shown: Option<&'a str>,
}

struct Shop {
    server: Server,
    clerk: Client,
    reader: Client,
    /// Of the clerk, free, held back by an item, deleted, to be merged; and one that only a peer sees.
    own: String,
    held: String,
    deleted: String,
    other: String,
    hidden: String,
}

impl Shop {
    async fn new(server: Server) -> Self {
        let admin = server.admin().await;
        let boxes = json!({"name": "Box", "plural": "Boxes", "fields": [
            {"name": "code", "type": "text", "unique": true, "maxLength": 20},
            {"name": "serial", "type": "autoNumber", "format": "B-{000}"},
            {"name": "count", "type": "integer", "min": 0},
            {"name": "secret", "type": "text"},
            {"name": "grade", "type": "integer"},
            {"name": "outer", "type": "reference", "to": "Box", "inverse": "inner"}],
            "search": ["code"], "validations": [{"rule": "count != 13", "message": "not that one"}]});
        admin.create_module(boxes).await.ok();
        let items = json!({"name": "Item", "plural": "Items", "fields": [
            {"name": "title", "type": "text", "required": true},
            {"name": "box", "type": "reference", "to": "Box", "inverse": "items", "onDelete": "RESTRICT"}]});
        admin.create_module(items).await.ok();
        admin.create_role("clerk", None).await;
        admin.create_role("reader", None).await;
        let all = json!({"create": true, "read": true, "update": true, "delete": true});
        let with = |mut rights: Value, fields: Value| {
            rights["fields"] = fields;
            rights
        };
        let fields = json!({"*": "WRITE", "secret": "NONE", "grade": "READ"});
        admin.set_access("clerk", "Box", with(all.clone(), fields)).await;
        admin.set_access("clerk", "Item", with(all, json!({"*": "WRITE"}))).await;
        admin.set_access("reader", "Box", with(json!({"read": true}), json!({"*": "READ"}))).await;
        let clerk = server.create_user_with_role("clerk").await;
        let peer = server.create_user_with_role("clerk").await;
        let reader = server.create_user_with_role("reader").await;
        let codes = ["own", "held", "deleted", "other"].map(|code| json!({"code": code, "count": 1}));
        let ids = clerk.create_many("Box", codes).await;
        let hidden = peer.create("Box", json!({"code": "taken", "count": 1})).await;
        clerk.create("Item", json!({"title": "i", "boxId": ids[1]})).await;
        clerk.query_with("mutation($id: ID!) { deleteBox(id: $id) { id } }", json!({"id": ids[2]})).await.ok();
        let [own, held, deleted, other] = <[String; 4]>::try_from(ids).expect("four boxes");
        Self { server, clerk, reader, own, held, deleted, other, hidden }
    }

    fn text(&self, kind: &str, template: &str, filled: Filled<'_>) -> String {
        let many = ["updateMany", "deleteMany", "restoreMany", "destroyMany"].contains(&kind);
        let shown = filled.shown.unwrap_or(if many { "count" } else { "id code" });
        let text = template.replace("DATA", filled.data).replace("ID", filled.id).replace("OTHER", &self.other);
        text.replace("VERSION", filled.version).replace("SHOWN", shown)
    }

    /// What is tried with a kind of mutation: why it is refused, who tries, with what, and the code of the refusal.
    fn attempts(&self, kind: &str, template: &str) -> Vec<(&'static str, &Client, String, &'static str)> {
        let plain = Filled { data: "count: 2", id: &self.own, version: "", shown: None };
        let takes_data = template.contains("DATA");
        let by_id = template.contains("\"ID\"") && !template.contains("filter");
        let mut attempts = Vec::new();
        let mut try_it = |why: &'static str, by, filled: Filled<'_>, code| {
            attempts.push((why, by, self.text(kind, template, filled), code));
        };
        try_it("no right", &self.reader, plain, "BAD_USER_INPUT");
        if template.contains("SHOWN") {
            try_it("a hidden field is shown", &self.clerk, Filled { shown: Some("secret"), ..plain }, "BAD_USER_INPUT");
        }
        if by_id {
            try_it("the record is hidden", &self.clerk, Filled { id: &self.hidden, ..plain }, "NOT_FOUND");
            let nobody = "019a0000-0000-7000-8000-000000000000";
            try_it("there is no record", &self.clerk, Filled { id: nobody, ..plain }, "NOT_FOUND");
        }
        if template.contains("VERSION") {
            try_it("another version", &self.clerk, Filled { version: ", ifVersion: 9", ..plain }, "CONFLICT");
        }
        if ["delete", "deleteMany", "destroy", "destroyMany"].contains(&kind) {
            try_it("it is held back", &self.clerk, Filled { id: &self.held, ..plain }, "CONFLICT");
        }
        if kind == "restore" {
            try_it("it is not deleted", &self.clerk, plain, "NOT_FOUND");
        } else if by_id && kind != "destroy" {
            try_it("it is deleted", &self.clerk, Filled { id: &self.deleted, ..plain }, "NOT_FOUND");
        }
        if takes_data {
            let with = |data| Filled { data, ..plain };
            try_it("a hidden field", &self.clerk, with("secret: \"x\""), "BAD_USER_INPUT");
            try_it("a field to be read only", &self.clerk, with("grade: 1"), "BAD_USER_INPUT");
            try_it("a field of the system", &self.clerk, with("version: 7"), "BAD_USER_INPUT");
            try_it("a faulty value", &self.clerk, with("count: -1"), "VALIDATION_FAILED");
            try_it("a broken rule", &self.clerk, with("count: 13"), "VALIDATION_FAILED");
            try_it("a wrong type", &self.clerk, with("count: \"two\""), "BAD_USER_INPUT");
            try_it(
                "an owner who is none",
                &self.clerk,
                with("ownerId: \"019a0000-0000-7000-8000-000000000000\""),
                "VALIDATION_FAILED",
            );
            let hidden = format!("outerId: \"{}\"", self.hidden);
            try_it("a reference to what is hidden", &self.clerk, with(&hidden), "VALIDATION_FAILED");
            // Somebody else's value is a conflict, whether or not the record can be seen.
            try_it("a unique value", &self.clerk, with("code: \"taken\""), "CONFLICT");
            if kind != "updateMany" {
                try_it(
                    "a fault inside",
                    &self.clerk,
                    with("items: {create: [{title: \"a\"}, {title: null}]}"),
                    "BAD_USER_INPUT",
                );
                try_it(
                    "a rule inside",
                    &self.clerk,
                    with("inner: {create: [{count: 5}, {count: 13}]}"),
                    "VALIDATION_FAILED",
                );
                let connect = format!("inner: {{connect: [\"{}\"]}}", self.hidden);
                try_it("a hidden record inside", &self.clerk, with(&connect), "VALIDATION_FAILED");
            }
        }
        attempts
    }

    async fn unchanged(&self, before: &Kept, what: &str, answer: &Answer) {
        let after = everything(&self.server).await;
        assert!(*before == after, "{what} changed {:#?}\n{answer}", differences(before, &after));
    }
}

on_both_databases! {
    async fn a_refused_mutation_leaves_every_table_and_file_as_it_was(server: Server) {
        let shop = Shop::new(server).await;
        let before = everything(&shop.server).await;
        assert!(before.keys().any(|name| name == "outbox") && before["box"].len() == 5, "{:?}", before.keys());
        let good = "good: createBox(data: {code: \"good\", inner: {create: [{code: \"inside\"}]}}) { id }";
        for (kind, template) in KINDS {
            for (why, by, text, code) in shop.attempts(kind, template) {
                let what = format!("{kind}, {why}");
                let answer = by.query(&format!("mutation {{ {text} }}")).await;
                assert_eq!((answer.codes(), answer.data()), (vec![code], &Value::Null), "{what}: {text} {answer}");
                shop.unchanged(&before, &what, &answer).await;
                // Behind one that would be taken, and with another behind it.
                let answer = by.query(&format!("mutation {{ {good} {text} last: createBox(data: {{code: \"last\"}}) {{ id }} }}")).await;
                assert!(!answer.codes().is_empty() && answer.data().is_null(), "{what}: {answer}");
                shop.unchanged(&before, &format!("{what}, behind a good one"), &answer).await;
            }
        }
    }

    async fn requests_that_never_run_leave_everything_as_it_was(server: Server) {
        let shop = Shop::new(server).await;
        let before = everything(&shop.server).await;
        let nobody = shop.clerk.with_token("no-such-token");
        let many: Vec<Value> = (0..501).map(|n| json!({"code": format!("n{n}")})).collect();
        let inner: Vec<Value> = (0..400).map(|_| json!({"count": 1})).collect();
        let deep: Vec<Value> = (0..13).map(|_| json!({"count": 1, "inner": {"create": inner}})).collect();
        let create_many = "mutation($data: [BoxCreate!]!) { createBoxes(data: $data) { id } }";
        for (kind, template) in KINDS {
            let filled = Filled { data: "count: 2", id: &shop.own, version: "", shown: None };
            let text = shop.text(kind, template, filled);
            let root_fields: Vec<String> = (0..21).map(|n| format!("a{n}: {text}")).collect();
            for (why, by, request, code) in [
                ("cut off", &shop.clerk, format!("mutation {{ {}", &text), "BAD_USER_INPUT"),
                ("unknown token", &nobody, format!("mutation {{ {text} }}"), "UNAUTHENTICATED"),
                ("no token", &shop.server.anonymous(), format!("mutation {{ {text} }}"), "BAD_USER_INPUT"),
                ("too many", &shop.clerk, format!("mutation {{ {} }}", root_fields.join(" ")), "LIMIT_EXCEEDED"),
                ("no variable", &shop.clerk, format!("mutation($x: Int!) {{ {text} y: createBox(data: {{count: $x}}) {{ id }} }}"), "BAD_USER_INPUT"),
                ("not said which", &shop.clerk, format!("mutation A {{ {text} }} mutation B {{ {text} }}"), "BAD_USER_INPUT"),
            ] {
                let answer = by.query(&request).await;
                assert_eq!(answer.codes(), [code], "{kind}, {why}: {answer}");
                shop.unchanged(&before, &format!("{kind}, {why}"), &answer).await;
            }
            let escaped: String = format!("mutation {{ {text} }}").bytes().map(|byte| format!("%{byte:02X}")).collect();
            let answer = shop.clerk.get(&format!("/graphql?query={escaped}")).await;
            assert!(!answer.codes().is_empty() || answer.status >= 400, "{kind}, by GET: {answer}");
            shop.unchanged(&before, &format!("{kind}, by GET"), &answer).await;
        }
        for (why, data) in [("501 records", many), ("5,200 records inside", deep)] {
            let answer = shop.clerk.query_with(create_many, json!({"data": data})).await;
            assert_eq!(answer.codes(), ["LIMIT_EXCEEDED"], "{why}");
            shop.unchanged(&before, why, &answer).await;
        }
        // What reaches nothing is no fault, and changes nothing either.
        let hidden = json!({"id": shop.hidden});
        for text in [
            "mutation($id: ID!) { updateBoxes(filter: {id: {eq: $id}}, data: {count: 3}) { count } }",
            "mutation($id: ID!) { deleteBoxes(filter: {id: {eq: $id}}) { count } }",
            "mutation($id: ID!) { restoreBoxes(filter: {id: {eq: $id}}) { count } }",
            "mutation($id: ID!) { destroyBoxes(filter: {id: {eq: $id}}) { count } }",
        ] {
            let answer = shop.clerk.query_with(text, hidden.clone()).await;
            assert!(answer.errors().is_empty() && answer.text.contains("\"count\":0"), "{answer}");
            shop.unchanged(&before, text, &answer).await;
        }
        // And what is taken is seen, so that this sees.
        shop.clerk.create("Box", json!({"code": "seen"})).await;
        assert!(everything(&shop.server).await != before);
    }

    async fn a_refused_change_of_rights_leaves_everything_as_it_was(server: Server) {
        let shop = Shop::new(server).await;
        let admin = shop.server.admin().await;
        let text = "{ users { id email } }";
        let users = admin.admin_query(text).await;
        let own = users.ok()["users"].as_array().expect("users").iter().find(|user| user["email"] == "admin@example.org").expect("the administrator")["id"].clone();
        let before = everything(&shop.server).await;
        let faulty = [
            "createRole(name: \"clerk\") { name }".to_owned(),
            "createRole(name: \"x\", parent: \"nobody\") { name }".to_owned(),
            "updateRole(name: \"clerk\", parent: \"clerk\") { name }".to_owned(),
            "setAccess(role: \"clerk\", module: \"Nothing\", read: true) { name }".to_owned(),
            "setAccess(role: \"clerk\", module: \"Box\", fields: {nothing: \"READ\"}) { name }".to_owned(),
            "setAccess(role: \"administrator\", module: \"Box\", read: false) { name }".to_owned(),
            "createUser(email: \"ADMIN@example.org\", role: \"clerk\") { id }".to_owned(),
            "createUser(email: \"x@example.org\", role: \"nobody\") { id }".to_owned(),
            format!("assignUser(user: {own}, role: \"clerk\") {{ id }}"),
            format!("setUserActive(user: {own}, active: false) {{ id }}"),
            "savePermissionSet(name: \"x\", access: {Nothing: {read: true}}) { name }".to_owned(),
            "saveGroup(name: \"x\", members: [\"019a0000-0000-7000-8000-000000000000\"]) { name }".to_owned(),
            "saveSharingRule(rule: {name: \"x\", module: \"Box\", rule: \"count >\", with: {role: \"clerk\"}, access: READ}) { name }".to_owned(),
            "setRecordRule(role: \"clerk\", module: \"Box\", rule: \"count\") { name }".to_owned(),
            "shareRecord(module: \"Item\", id: \"019a0000-0000-7000-8000-000000000000\", with: {role: \"clerk\"}, access: READ) { delete }".to_owned(),
            "deleteSharingRule(name: \"x\")".to_owned(),
            "createModule(definition: {name: \"Box\", plural: \"Boxes\", fields: []}) { version }".to_owned(),
            "addField(module: \"Box\", field: {name: \"count\", type: \"text\"}) { version }".to_owned(),
        ];
        for text in faulty {
            let answer = admin.admin_query(&format!("mutation {{ {text} }}")).await;
            assert!(!answer.codes().is_empty() && answer.data().is_null(), "{text}: {answer}");
            shop.unchanged(&before, &text, &answer).await;
        }
        for text in ["createRole(name: \"mine\") { name }", "setAccess(role: \"clerk\", module: \"Box\", fields: {secret: \"READ\"}) { name }", "createModule(definition: {name: \"Own\", plural: \"Owns\", fields: [{name: \"a\", type: \"text\"}]}) { version }"] {
            for (by, code) in [(&shop.clerk, "FORBIDDEN"), (&shop.server.anonymous(), "UNAUTHENTICATED")] {
                let answer = by.admin_query(&format!("mutation {{ {text} }}")).await;
                assert_eq!(answer.codes(), [code], "{answer}");
                shop.unchanged(&before, text, &answer).await;
            }
        }
    }
}
