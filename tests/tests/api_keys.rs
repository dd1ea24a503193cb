//! API keys: what their scopes leave of their owner's rights, by every way, and what ends them.
#![allow(clippy::unwrap_used, reason = "in a test a panic is how it fails; clippy sees only functions marked #[test]")]

mod hand;

use cardine_tests::{Answer, Backend, Client, eventually, on_both_databases};
use serde_json::{Value, json};

/// What an operation needs of a key.
#[derive(Debug, Clone, Copy, PartialEq)]
enum Need {
    Read(&'static str),
    Write(&'static str),
    Admin,
}

/// What the page on the API says of scopes, in a few lines: the second opinion.
fn opens(scopes: &[&str], need: Need) -> bool {
    let has = |scope: &str| scopes.contains(&scope);
    match need {
        Need::Admin => has("admin"),
        Need::Write(module) => has("records:write") || has(&format!("{module}:write")),
        Need::Read(module) => {
            has("records:read") || has(&format!("{module}:read")) || opens(scopes, Need::Write(module))
        }
    }
}

const SCOPES: [&[&str]; 7] = [
    &["records:read"],
    &["records:write"],
    &["Organization:read"],
    &["Organization:write"],
    &["Contact:write", "Organization:read"],
    &["admin"],
    &["admin", "records:read"],
];

/// Operations by `/graphql`; `$id` is an organization, which none of them that succeeds takes away.
const OPERATIONS: [(Need, &str); 11] = [
    (Need::Read("Organization"), "query($id: ID!) { organization(id: $id) { name } }"),
    (Need::Read("Organization"), "{ organizations { totalCount } }"),
    (Need::Read("Organization"), "{ organizationGroups(groupBy: [{industry: true}]) { count } }"),
    (Need::Read("Contact"), "{ contacts { totalCount nodes { lastName } } }"),
    (Need::Read("User"), "{ users { nodes { name } } }"),
    (Need::Write("Organization"), "mutation { createOrganization(data: {name: \"New\"}) { id } }"),
    (
        Need::Write("Organization"),
        "mutation($id: ID!) { updateOrganization(id: $id, data: {website: \"https://x.example\"}) { id } }",
    ),
    (
        Need::Write("Organization"),
        "mutation($id: ID!) { updateOrganizations(filter: {id: {eq: $id}}, data: {employees: 3}) { count } }",
    ),
    (Need::Write("Organization"), "mutation { deleteOrganizations(filter: {name: {eq: \"Nobody\"}}) { count } }"),
    (Need::Write("Contact"), "mutation { createContact(data: {lastName: \"Rossi\"}) { id } }"),
    (Need::Write("Lead"), "mutation { deleteLeads(filter: {lastName: {eq: \"Nobody\"}}) { count } }"),
];

/// Operations by `/admin/graphql`.
const ADMINISTRATION: [&str; 4] = [
    "{ users { email } }",
    "{ modules { name } }",
    "mutation { createRole(name: \"made-by-a-key\") { name } }",
    "mutation { addField(module: \"Organization\", field: {name: \"byKey\", type: \"text\"}, dryRun: true) { applied } }",
];

async fn organization(client: &Client) -> String {
    let made = client.query("mutation { createOrganization(data: {name: \"Acme\"}) { id } }").await;
    made.ok()["createOrganization"]["id"].as_str().unwrap().to_owned()
}

fn succeeded(answer: &Answer) -> bool {
    answer.status == 200 && answer.errors().is_empty() && answer.body.get("error").is_none()
}

on_both_databases! {
    async fn a_scope_follows_a_new_name_and_who_takes_the_old_one_is_not_opened(server: Server) {
        let admin = server.admin().await;
        let module = |name: &str, plural: &str| json!({"name": name, "plural": plural, "fields": [{"name": "title", "type": "text"}]});
        admin.create_module(module("Boat", "Boats")).await.ok();
        admin.create("Boat", json!({"title": "Elba"})).await;
        let key = admin.with_api_key(Some(&["Boat:read"])).await;
        let both = admin.with_api_key(Some(&["Boat:write", "Contact:read"])).await;
        let list = |plural: &str| format!("{{ {plural} {{ nodes {{ title }} }} }}");
        key.query(&list("boats")).await.ok();
        let dry = admin.change("renameModule", json!({"name": "Boat", "to": "Ship", "plural": "Ships", "dryRun": true})).await;
        assert!(dry.ok()["change"]["warnings"].to_string().contains("the API key "), "{dry}");
        admin.change("renameModule", json!({"name": "Boat", "to": "Ship", "plural": "Ships"})).await.ok();
        for key in [&key, &both] {
            eventually("the key opens the module by its new name", || async {
                let answer = key.query(&list("ships")).await;
                (answer.data()["ships"]["nodes"] == json!([{"title": "Elba"}])).then_some(())
            }).await;
        }
        both.create("Ship", json!({"title": "Giglio"})).await;
        admin.create_module(module("Boat", "Boats")).await.ok();
        key.query(&list("boats")).await.refused("BAD_USER_INPUT");
        // What is purged is forgotten, and nothing but that is opened or closed.
        admin.change("retireModule", json!({"name": "Ship", "force": true})).await.ok();
        admin.change("purgeModule", json!({"name": "Ship"})).await.ok();
        admin.create_module(module("Ship", "Ships")).await.ok();
        for key in [&key, &both] {
            eventually("the key does not open who has the name now", || async {
                key.query(&list("ships")).await.body.get("errors").map(|_| ())
            }).await;
            key.query(&list("boats")).await.refused("BAD_USER_INPUT");
        }
        key.query("{ contacts { totalCount } }").await.refused("BAD_USER_INPUT");
        both.query("{ contacts { totalCount } }").await.ok();
    }

    async fn each_scope_opens_what_it_names_and_nothing_else(server: Server) {
        let admin = server.admin().await;
        let id = organization(&admin).await;
        for scopes in SCOPES {
            let key = admin.with_api_key(Some(scopes)).await;
            for (need, operation) in OPERATIONS {
                let variables = if operation.contains("$id") { json!({"id": id}) } else { json!({}) };
                let answer = key.query_with(operation, variables).await;
                assert_eq!(succeeded(&answer), opens(scopes, need), "{scopes:?} {operation}: {answer}");
                if !opens(scopes, need) {
                    answer.refused("BAD_USER_INPUT");
                }
            }
            for operation in ADMINISTRATION {
                let answer = key.admin_query(operation).await;
                let open = opens(scopes, Need::Admin);
                // A role of this name is made once.
                let conflict = answer.codes() == ["CONFLICT"];
                assert_eq!(succeeded(&answer) || conflict, open, "{scopes:?} {operation}: {answer}");
                if !open {
                    answer.refused("FORBIDDEN");
                }
            }
        }
    }

    async fn a_key_takes_and_gives_files_as_far_as_its_scopes(server: Server) {
        let admin = server.admin().await;
        let scan = json!({"name": "scan", "type": "file"});
        let module = |name: &str| json!({"name": name, "plural": format!("{name}s"), "fields": [scan.clone()]});
        admin.create_module(module("Paper")).await.ok();
        admin.create_module(module("Letter")).await.ok();
        let held = admin.upload("held.txt", *b"held").await;
        admin.create("Paper", json!({"scanId": held})).await;
        let fresh = admin.upload("fresh.txt", *b"fresh").await;
        // What of uploading, reading the file of a record, and reading one that no record holds yet is left.
        for (scopes, upload, of_record, own) in [
            (None, true, true, true),
            (Some(&["records:read"][..]), false, true, false),
            (Some(&["records:write"]), true, true, true),
            (Some(&["Paper:read"]), false, true, false),
            (Some(&["Paper:write"]), true, true, true),
            (Some(&["Letter:read"]), false, false, false),
            (Some(&["Letter:write", "Organization:read"]), true, false, true),
            (Some(&["Organization:write"]), false, false, false),
            (Some(&["admin"]), false, false, false),
        ] {
            let key = admin.with_api_key(scopes).await;
            let answer = key.send_file("by-key.txt", *b"by key").await;
            assert_eq!(answer.status, if upload { 201 } else { 403 }, "{scopes:?}: {answer}");
            for (file, content, open) in [(&held, &b"held"[..], of_record), (&fresh, &b"fresh"[..], own)] {
                let found = key.download(file).await;
                assert_eq!(found.status, if open { 200 } else { 404 }, "{scopes:?} {}", String::from_utf8_lossy(content));
                assert_eq!(found.content == content, open, "{scopes:?}");
            }
            let attach = "mutation($file: ID!) { createPaper(data: {scanId: $file}) { id } }";
            let attached = key.query_with(attach, json!({"file": held})).await;
            let writes = scopes.is_none_or(|scopes| opens(scopes, Need::Write("Paper")));
            assert_eq!(succeeded(&attached), writes, "{scopes:?}: {attached}");
        }
        assert!(server.contents().0.len() <= 2 + 4, "what was refused left nothing");
    }

    async fn a_subscription_of_a_key_is_bound_by_its_scopes(server: Server) {
        let admin = server.admin().await;
        for scopes in SCOPES {
            let key = admin.with_api_key(Some(scopes)).await;
            let mut socket = key.websocket().await;
            socket.subscribe("1", "subscription { organizationChanges { record { name } } }", json!({})).await;
            if opens(scopes, Need::Read("Organization")) {
                organization(&admin).await;
                assert_eq!(socket.next("1").await["organizationChanges"]["record"]["name"], "Acme", "{scopes:?}");
            } else {
                assert_eq!(socket.error("1").await, ["BAD_USER_INPUT"], "{scopes:?}");
            }
        }
        // Two keys that ask the same are told by their own scopes.
        let subscription = "subscription { organizationChanges { record { name owner { __typename } } } }";
        let (all, some) = (admin.with_api_key(None).await, admin.with_api_key(Some(&["Organization:read"])).await);
        let (mut all, mut some) = (all.websocket().await, some.websocket().await);
        all.subscribe("1", subscription, json!({})).await;
        some.subscribe("1", subscription, json!({})).await;
        organization(&admin).await;
        assert_eq!(all.next("1").await["organizationChanges"]["record"]["owner"]["__typename"], "User");
        assert_eq!(some.error("1").await, ["BAD_USER_INPUT"], "users are not in its scopes, so owners are not either");
    }

    async fn a_key_for_reading_finds_nothing_to_write_with(server: Server) {
        let key = server.admin().await.with_api_key(Some(&["records:read"])).await;
        let schema = "{ __schema { mutationType { name } types { name kind } } }";
        let answer = key.query(schema).await;
        let schema = &answer.ok()["__schema"];
        assert!(schema["mutationType"].is_null(), "{schema}");
        let names: Vec<&str> = schema["types"].as_array().unwrap().iter().map(|ty| ty["name"].as_str().unwrap()).collect();
        assert!(names.contains(&"Organization") && names.contains(&"OrganizationFilter"));
        for gone in ["Mutation", "OrganizationCreate", "OrganizationUpdate", "BulkResult"] {
            assert!(!names.contains(&gone), "{gone}");
        }
        let sdl = key.get("/graphql/schema.graphql").await;
        sdl.never_says("type Mutation").never_says("input OrganizationCreate");
        let me = key.query("{ me { modules { name read create update delete } } }").await;
        for module in me.ok()["me"]["modules"].as_array().unwrap() {
            assert_eq!([&module["create"], &module["update"], &module["delete"]], [&json!(false); 3], "{module}");
        }
    }

    async fn a_key_never_does_more_than_its_owner_may_at_the_moment(server: Server) {
        let admin = server.admin().await;
        admin.create_role("clerk", None).await;
        admin.set_access("clerk", "Organization", json!({"read": true, "fields": {"*": "READ", "annualRevenue": "NONE"}})).await;
        let seller = server.create_user_with_role("clerk").await;
        let keys = [seller.with_api_key(None).await, seller.with_api_key(Some(&["records:write", "admin"])).await];
        let create = "mutation { createOrganization(data: {name: \"Acme\"}) { id } }";
        for key in &keys {
            key.query("{ organizations { totalCount } }").await.ok();
            key.query(create).await.refused("BAD_USER_INPUT");
            key.query("{ organizations { nodes { annualRevenue } } }").await.refused("BAD_USER_INPUT");
            key.query("{ contacts { totalCount } }").await.refused("BAD_USER_INPUT");
            key.admin_query("{ users { email } }").await.refused("FORBIDDEN");
        }
        admin.set_access("clerk", "Organization", json!({"create": true, "fields": {"*": "WRITE"}})).await;
        for key in &keys {
            key.query(create).await.ok();
        }
        admin.set_access("clerk", "Organization", json!({"read": false, "create": false})).await;
        for key in &keys {
            key.query("{ organizations { totalCount } }").await.refused("BAD_USER_INPUT");
        }
    }

    async fn an_unknown_scope_is_refused_with_those_that_there_are(server: Server) {
        let admin = server.admin().await;
        admin.create_role("clerk", None).await;
        admin.set_access("clerk", "Organization", json!({"read": true, "fields": {"*": "READ"}})).await;
        let seller = server.create_user_with_role("clerk").await;
        let create = |scopes: Value| json!({"name": "test", "scopes": scopes});
        for scope in ["", "read", "records", "records:delete", "organization:read", "Organization:*", "Nothing:read", "Lead:read"] {
            let answer = seller.create_api_key(create(json!(["Organization:read", scope]))).await;
            let issue = &answer.refused("VALIDATION_FAILED").issues()[0];
            assert_eq!(issue["path"], json!(["scopes", 1]), "{scope}: {answer}");
            let message = issue["message"].as_str().unwrap();
            assert!(message.contains("records:read") && message.contains("Organization"), "{message}");
            assert!(!message.contains("Lead") && !message.contains("Contact"), "a hidden module is not told: {message}");
        }
        admin.create_api_key(create(json!(["Lead:read"]))).await.ok();
        seller.create_api_key(create(json!([]))).await.refused("VALIDATION_FAILED");
        for (key, path) in [
            (json!({"name": " "}), json!(["name"])),
            (json!({"name": "x", "expiresAt": "2020-01-01T00:00:00Z"}), json!(["expiresAt"])),
        ] {
            assert_eq!(seller.create_api_key(key).await.refused("VALIDATION_FAILED").issues()[0]["path"], path);
        }
    }

    async fn a_key_is_shown_once_and_ends_when_it_is_revoked(server: Server) {
        let seller = server.create_user_with_role("sales-person").await;
        let made = seller.create_api_key(json!({"name": "import", "scopes": ["records:read"]})).await;
        let (id, secret) = (&made.ok()["createApiKey"]["id"], made.data()["createApiKey"]["secret"].as_str().unwrap());
        let key = seller.with_token(secret);
        let mut socket = key.websocket().await;
        key.query("{ me { role } }").await.ok();
        let listed = eventually("it is noted that the key is used", || async {
            let listed = seller.admin_query("{ apiKeys { id name scopes createdAt lastUsedAt expiresAt } }").await;
            (!listed.ok()["apiKeys"][0]["lastUsedAt"].is_null()).then_some(listed)
        });
        let listed = listed.await;
        listed.never_says(secret).never_says(&secret[4..]);
        let [one] = listed.data()["apiKeys"].as_array().unwrap().as_slice() else { panic!("{listed}") };
        assert_eq!((&one["id"], &one["name"], &one["scopes"]), (id, &json!("import"), &json!(["records:read"])));
        let other = match server.backend() {
            Backend::Postgres => Some(server.another().await),
            Backend::Sqlite => None,
        };
        let elsewhere = other.as_ref().map(|other| other.anonymous().with_token(secret));
        if let Some(elsewhere) = &elsewhere {
            elsewhere.query("{ me { role } }").await.ok();
        }
        seller.admin_query_with("mutation($id: ID!) { revokeApiKey(id: $id) }", json!({"id": id})).await.ok();
        assert_eq!(key.query("{ me { role } }").await.status, 401);
        assert_eq!(socket.closed().await, 4403);
        if let Some(elsewhere) = &elsewhere {
            eventually("the other process refuses the key", || async {
                (elsewhere.query("{ me { role } }").await.status == 401).then_some(())
            }).await;
        }
        let listed = seller.admin_query("{ apiKeys { id } }").await;
        assert_eq!(listed.ok()["apiKeys"], json!([]));
        let again = seller.admin_query_with("mutation($id: ID!) { revokeApiKey(id: $id) }", json!({"id": id})).await;
        again.refused("NOT_FOUND");
    }

    async fn nobody_sees_or_ends_anothers_key_but_administrators(server: Server) {
        let admin = server.admin().await;
        let (ann, bob) = (server.create_user_with_role("sales-person").await, server.create_user_with_role("sales-person").await);
        let made = ann.create_api_key(json!({"name": "anns"})).await;
        let id = made.ok()["createApiKey"]["id"].clone();
        let (list, revoke) = ("query($user: ID!) { apiKeys(user: $user) { name } }", "mutation($id: ID!) { revokeApiKey(id: $id) }");
        let user = json!({"user": ann.own_id().await});
        bob.admin_query_with(list, user.clone()).await.refused("FORBIDDEN");
        bob.admin_query_with(revoke, json!({"id": id})).await.refused("NOT_FOUND");
        let listed = admin.admin_query_with(list, user).await;
        assert_eq!(listed.ok()["apiKeys"], json!([{"name": "anns"}]));
        admin.admin_query_with(revoke, json!({"id": id})).await.ok();
    }

    async fn a_key_manages_no_credentials(server: Server) {
        let admin = server.admin().await;
        let seller = server.create_user_with_role("sales-person").await;
        for key in [admin.with_api_key(None).await, admin.with_api_key(Some(&["admin"])).await, seller.with_api_key(None).await] {
            for operation in [
                "mutation { createApiKey(name: \"more\") { secret } }",
                "mutation { revokeAllSessions }",
                "mutation { changePassword(current: \"correct horse battery staple\", new: \"stolen by a key\") }",
                "mutation { revokeSession(id: \"00000000-0000-7000-8000-000000000000\") }",
            ] {
                key.admin_query(operation).await.refused("FORBIDDEN");
            }
        }
        server.admin().await;
    }

    async fn a_key_does_nothing_for_a_user_who_may_not_sign_in(server: Server) {
        let admin = server.admin().await;
        let seller = server.create_user_with_role("sales-person").await;
        let (key, id) = (seller.with_api_key(None).await, seller.own_id().await);
        let mut socket = key.websocket().await;
        admin.set_user_active(&id, false).await;
        assert_eq!(key.query("{ me { role } }").await.status, 401);
        assert_eq!(seller.query("{ me { role } }").await.status, 401);
        assert_eq!(socket.closed().await, 4403);
    }

    async fn long_after_the_sign_in_a_key_needs_the_password(server: Server) {
        let admin = server.admin().await;
        hand::run(&server, match server.backend() {
            Backend::Sqlite => "UPDATE session SET signed_in_at = '2020-01-01T00:00:00.000Z'",
            Backend::Postgres => "UPDATE session SET signed_in_at = '2020-01-01T00:00:00Z'",
        }).await;
        // What the server believes of a token, it believes for a second.
        let answer = eventually("the sign-in was long ago", || async {
            let answer = admin.create_api_key(json!({"name": "later"})).await;
            (!succeeded(&answer)).then_some(answer)
        }).await;
        assert_eq!(answer.refused("FORBIDDEN").issues()[0]["path"], json!(["password"]));
        admin.create_api_key(json!({"name": "later", "password": "wrong"})).await.refused("FORBIDDEN");
        admin.create_api_key(json!({"name": "later", "password": cardine_tests::server::ADMIN_PASSWORD})).await.ok();
    }

    async fn a_user_has_a_bounded_number_of_keys(server: Server) {
        let seller = server.create_user_with_role("sales-person").await;
        let many: String = (0..20).map(|n| format!("k{n}: createApiKey(name: \"k\") {{ id }} ")).collect();
        for _ in 0..5 {
            seller.admin_query(&format!("mutation {{ {many} }}")).await.ok();
        }
        seller.create_api_key(json!({"name": "one more"})).await.refused("LIMIT_EXCEEDED");
    }
}
