//! Side doors: errors, introspection, caches, callers side by side, rights that change, logs, and pages that should not be there.

use cardine_tests::server::ADMIN_PASSWORD;
use cardine_tests::{Answer, Client, on_both_databases};
use reqwest::Method;
use serde_json::{Value, json};

use crate::cast::{Cast, address, id_of, people, same_as_unknown, tells_no_insides};
use crate::tables::everything;

on_both_databases! {
    async fn errors_tell_nothing_of_the_inside(server: Server) {
        let cast = Cast::new(server).await;
        let fields = json!({"name": "Sample", "plural": "Samples", "fields": [
            {"name": "text", "type": "text", "unique": true}, {"name": "long", "type": "longText"}, {"name": "whole", "type": "integer"}, {"name": "big", "type": "integer", "big": true},
            {"name": "money", "type": "money"}, {"name": "day", "type": "date"}, {"name": "clock", "type": "time"}, {"name": "moment", "type": "dateTime"}, {"name": "span", "type": "duration"},
            {"name": "mail", "type": "email"}, {"name": "site", "type": "url"}, {"name": "phone", "type": "phone"}, {"name": "data", "type": "json"}, {"name": "to", "type": "reference", "to": "Sample", "inverse": "from"},
            {"name": "pick", "type": "choice", "options": [{"value": "A"}]}, {"name": "sure", "type": "boolean"}]});
        cast.admin.create_module(fields).await.ok();
        let long = "x".repeat(300_000);
        let digits = "9".repeat(400);
        let values = [
            json!("\u{0}"), json!("a\u{0}b"), json!("' OR 1=1; --"), json!("\\"), json!("\u{fffd}\u{202e}\u{1f986}"), json!(long), json!(digits), json!(2_147_483_648_i64), json!(-2_147_483_649_i64),
            json!(9_223_372_036_854_775_807_u64), json!(1e300), json!(-0.0), json!(0.1), json!("1e1000000000"), json!("NaN"), json!("Infinity"), json!("-0"), json!("999999-01-01"), json!("0000-00-00"),
            json!("2026-02-30"), json!("25:61:61"), json!("2026-01-01T00:00:00+99:99"), json!("P999999999999D"), json!("http://"), json!("a@b"), json!([]), json!([[[[]]]]), json!({}), json!({"a": {"b": []}}),
            json!(true), json!("019a0000-0000-7000-8000-000000000000"), json!("__proto__"), json!(""),
        ];
        for field in ["text", "long", "whole", "big", "money", "day", "clock", "moment", "span", "mail", "site", "phone", "data", "toId", "pick", "sure", "ownerId", "id"] {
            for value in &values {
                let data = json!({field: value});
                let write = cast.admin.query_with("mutation($data: SampleCreate!) { createSample(data: $data) { id } }", json!({"data": data})).await;
                tells_no_insides(&write);
                let filter = json!({field: {"eq": value}});
                let read = cast.admin.query_with("query($filter: SampleFilter!) { samples(filter: $filter) { totalCount } }", json!({"filter": filter})).await;
                tells_no_insides(&read);
            }
        }
        for body in [&b"{\"query\": \"{ me { role } }\", \"variables\": {\"a\": \"\\ud800\"}}"[..], b"\xff\xfe", b"{\"query\": \"\xc3\x28\"}", b"{", b"[]", b"null", b"{\"query\": 5}", b"{\"query\": \"{ me { role } }\", \"variables\": [1]}"] {
            for path in ["/graphql", "/admin/graphql", "/auth/sign-in", "/auth/refresh"] {
                let answer = cast.admin.post_raw(path, "application/json", body.to_vec()).await;
                tells_no_insides(&answer);
            }
        }
        // A value that another record has is told as the caller's own input, and nothing else of that record.
        cast.admin.query("mutation { createSample(data: {text: \"mine\", long: \"hidden words\"}) { id } }").await.ok();
        let answer = cast.admin.query("mutation { createSample(data: {text: \"MINE\"}) { id } }").await;
        if !answer.errors().is_empty() {
            tells_no_insides(answer.refused("CONFLICT").never_says("hidden words"));
        }
        assert!(!cast.server.log().contains("panicked"), "{}", cast.server.log());
    }

    async fn a_hidden_type_and_one_that_never_was_answer_alike(server: Server) {
        let cast = Cast::new(server).await;
        for caller in [&cast.rep, &cast.guest] {
            for hidden in ["Lead", "LeadFilter", "LeadConnection", "LeadCreate", "LeadChange", "LeadOrderBy", "LeadGroupKey", "LeadRating"] {
                let ask = |name: &str| format!("{{ __type(name: \"{name}\") {{ name kind fields {{ name }} inputFields {{ name }} enumValues {{ name }} }} }}");
                let unknown = hidden.replace("Lead", "Zead");
                let (answer, twin) = (caller.query(&ask(hidden)).await, caller.query(&ask(&unknown)).await);
                assert_eq!((answer.status, &answer.text), (twin.status, &twin.text), "{hidden}");
                same_as_unknown(caller, &format!("query($x: {hidden}) {{ me {{ role }} }}"), hidden).await;
                same_as_unknown(caller, &format!("{{ node(id: \"1\") {{ ... on {hidden} {{ id }} }} }}"), hidden).await;
            }
        }
        // Administrators have them.
        let answer = cast.admin.query("{ __type(name: \"LeadFilter\") { name } }").await;
        assert_eq!(answer.ok()["__type"]["name"], "LeadFilter");
    }

    async fn no_message_guesses_what_was_meant(server: Server) {
        let cast = Cast::new(server).await;
        for (text, hidden) in [
            ("{ people { nodes { salery } } }", "salary"), ("{ people { nodes { salar } } }", "salary"), ("{ people(filter: {badg: {eq: \"1\"}}) { totalCount } }", "badge"),
            ("{ people(orderBy: [{yearl: ASC}]) { totalCount } }", "yearly"), ("mutation { createPerson(data: {name: \"x\", mem: \"y\"}) { id } }", "memo"),
            ("{ leds { totalCount } }", "leads"), ("{ __type(name: \"Led\") { name } }", "Lead"), ("query($x: LeadFilte) { me { role } }", "LeadFilter"),
            ("{ people(filter: {stage: {eq: OLDE}}) { totalCount } }", "did you mean"),
        ] {
            for caller in [&cast.rep, &cast.guest] {
                let answer = caller.query(text).await;
                assert!(!answer.text.to_lowercase().contains(&format!("\"{}\"", hidden.to_lowercase())), "{answer}");
                answer.never_says("did you mean");
            }
        }
        for text in ["{ peopel { totalCount } }", "{ person(id: \"1\") { nam } }"] {
            cast.guest.query(text).await.never_says("people").never_says("name\\\"");
        }
    }

    async fn nothing_is_kept_by_caches_in_between(server: Server) {
        let cast = Cast::new(server).await;
        cast.rep.create("Person", json!({"name": "Ann"})).await;
        let get = address("/graphql", &[("query", "{ people { nodes { name } } }")]);
        for caller in [&cast.rep, &cast.guest, &cast.rep.with_token("nobody")] {
            for request in [
                caller.request(Method::GET, &get), caller.request(Method::POST, "/graphql").json(&json!({"query": "{ me { role } }"})),
                caller.request(Method::GET, "/graphql/schema.graphql"), caller.request(Method::POST, "/admin/graphql").json(&json!({"query": "{ users { email } }"})),
                caller.request(Method::POST, "/auth/sign-in").json(&json!({"email": "x@example.org", "password": "y"})),
            ] {
                let answer = Answer::of(request).await;
                let cached = answer.headers.get("cache-control").and_then(|value| value.to_str().ok()).unwrap_or_default();
                assert!(cached.contains("no-store"), "{cached:?} {answer}");
            }
        }
        // The same address gives each caller an answer of their own.
        let own = cast.rep.get(&get).await;
        assert_eq!(own.ok()["people"]["nodes"], json!([{"name": "Ann"}]));
        let others = cast.other.get(&get).await;
        assert_eq!(others.ok()["people"]["nodes"], json!([]));
    }

    async fn callers_side_by_side_get_their_own_answers(server: Server) {
        let cast = Cast::new(server).await;
        let mut callers = Vec::new();
        for n in 0..6 {
            let caller = cast.server.create_user_with_role("rep").await;
            let name = format!("Only of {n}");
            caller.create("Person", json!({"name": name})).await;
            callers.push((id_of(&caller).await, name, caller));
        }
        let asking: Vec<_> = (0..48).map(|n| {
            let (id, name, caller): (String, String, Client) = callers[n % callers.len()].clone();
            tokio::spawn(async move {
                for _ in 0..12 {
                    let answer = caller.query("{ me { user { id } role } people { totalCount nodes { name owner { ... on User { id } } } } }").await;
                    let expected = json!({"me": {"user": {"id": id}, "role": "rep"}, "people": {"totalCount": 1, "nodes": [{"name": name, "owner": {"id": id}}]}});
                    assert_eq!(answer.ok(), &expected);
                }
            })
        }).collect();
        for asked in asking {
            asked.await.expect("everybody got their own");
        }
    }

    async fn a_right_that_is_taken_away_by_any_route_is_gone_in_the_next_request(server: Server) {
        let cast = Cast::new(server).await;
        let (rep, other) = (id_of(&cast.rep).await, id_of(&cast.other).await);
        let person = cast.other.create("Person", json!({"name": "Ann"})).await;
        let group = cast.administer("mutation($m: [ID!]) { saveGroup(name: \"Desk\", members: $m) { id } }", json!({"m": [rep]})).await["saveGroup"]["id"].clone();
        cast.other.create("Person", json!({"name": "Bea", "ownerId": group})).await;
        assert_eq!(people(&cast.rep).await, ["Bea"], "as a member of the group");
        let sees = |names: &'static [&'static str]| {
            let rep = cast.rep.clone();
            async move { assert_eq!(people(&rep).await, names) }
        };
        let routes: [(&str, Value, &[&str]); 12] = [
            ("mutation($u: ID!) { assignUser(user: $u, groups: []) { id } }", json!({"u": rep}), &[]),
            ("mutation($m: [ID!]) { saveGroup(name: \"Desk\", members: $m) { id } }", json!({"m": [rep]}), &["Bea"]),
            ("mutation { saveGroup(name: \"Desk\", members: []) { id } }", json!({}), &[]),
            ("mutation($id: ID!, $u: ID!) { shareRecord(module: \"Person\", id: $id, with: {user: $u}, access: READ) { delete } }", json!({"id": person, "u": rep}), &["Ann"]),
            ("mutation($id: ID!, $u: ID!) { unshareRecord(module: \"Person\", id: $id, with: {user: $u}) { delete } }", json!({"id": person, "u": rep}), &[]),
            ("mutation($u: ID!) { saveSharingRule(rule: {name: \"peer\", module: \"Person\", ownedBy: {user: $u}, with: {role: \"rep\"}, access: READ}) { name } }", json!({"u": other}), &["Ann"]),
            ("mutation { setRecordRule(role: \"rep\", module: \"Person\", rule: \"name != \\\"Ann\\\"\") { name } }", json!({}), &[]),
            ("mutation { setRecordRule(role: \"rep\", module: \"Person\") { name } }", json!({}), &["Ann"]),
            ("mutation { deleteSharingRule(name: \"peer\") }", json!({}), &[]),
            ("mutation($u: ID!) { createRole(name: \"chief\") { id } assignUser(user: $u, role: \"chief\") { id } setAccess(role: \"chief\", module: \"Person\", read: true, fields: {name: \"READ\"}) { id } updateRole(name: \"rep\", parent: \"chief\") { id } }", json!({"u": rep}), &["Ann"]),
            ("mutation { updateRole(name: \"rep\", parent: null) { id } }", json!({}), &[]),
            ("mutation { updateRole(name: \"rep\", parent: \"chief\") { id } }", json!({}), &["Ann"]),
        ];
        for (text, variables, names) in routes {
            cast.administer(text, variables).await;
            sees(names).await;
        }
        let unknown = |text: &'static str| same_as_unknown(&cast.rep, text, "people");
        for (give, take) in [
            ("mutation { setAccess(role: \"chief\", module: \"Person\", read: true) { id } }", "mutation { setAccess(role: \"chief\", module: \"Person\", read: false) { id } }"),
            ("mutation($u: ID!) { savePermissionSet(name: \"p\", access: {Person: {read: true, fields: {name: \"READ\"}}}) { id } assignUser(user: $u, permissionSets: [\"p\"]) { id } }", "mutation { savePermissionSet(name: \"p\", access: {}) { id } }"),
            ("mutation { savePermissionSet(name: \"p\", access: {Person: {read: true, fields: {name: \"READ\"}}}) { id } }", "mutation($u: ID!) { assignUser(user: $u, permissionSets: []) { id } }"),
            ("mutation($u: ID!) { assignUser(user: $u, permissionSets: [\"p\"]) { id } }", "mutation { deletePermissionSet(name: \"p\") }"),
            ("mutation { setAccess(role: \"chief\", module: \"Person\", read: true) { id } }", "mutation($u: ID!) { createRole(name: \"guestly\") { id } assignUser(user: $u, role: \"guestly\") { id } }"),
        ] {
            cast.administer(give, json!({"u": rep})).await;
            cast.rep.query("{ people { nodes { name } } }").await.ok();
            cast.administer(take, json!({"u": rep})).await;
            unknown("{ people { nodes { name } } }").await;
        }
        cast.administer("mutation($u: ID!) { setUserActive(user: $u, active: false) { id } }", json!({"u": rep})).await;
        assert_eq!(cast.rep.query("{ me { role } }").await.codes(), ["UNAUTHENTICATED"]);
    }

    async fn passwords_and_tokens_stand_in_no_log_no_table_and_no_answer(server: Server) {
        let cast = Cast::new(server).await;
        let key = cast.administer("mutation { createApiKey(name: \"k\") { secret } }", json!({})).await["createApiKey"]["secret"].clone();
        let key = key.as_str().expect("a secret").to_owned();
        let tokens = cast.guest.post("/auth/sign-in", &json!({"email": "admin@example.org", "password": ADMIN_PASSWORD})).await;
        let token = |name: &str| tokens.body[name].as_str().expect("a token").to_owned();
        let secrets = [ADMIN_PASSWORD.to_owned(), token("accessToken"), token("refreshToken"), key.clone(), "rep likes long passwords".to_owned()];
        let by_key = cast.guest.with_token(&key);
        by_key.query("{ me { role } }").await.ok();
        // Where secrets should not be sent they are not repeated either.
        for secret in &secrets {
            for path in ["/graphql", "/nowhere", "/setup", "/auth/sign-in", "/health/ready"] {
                let answer = cast.guest.get(&address(path, &[("token", secret), ("access_token", secret)])).await;
                answer.never_says(secret);
            }
            cast.guest.post("/auth/sign-in", &json!({"email": "x@example.org", "password": secret})).await.never_says(secret);
            cast.guest.post("/auth/refresh", &json!({"refreshToken": format!("{secret}x")})).await.never_says(secret);
            by_key.query(&format!("{{ person(id: \"{secret}\") {{ id }} }}")).await.never_says(secret);
        }
        let kept = everything(&cast.server).await;
        let log = cast.server.log();
        for secret in &secrets {
            assert!(!log.contains(secret.as_str()), "the log says {secret:?}:\n{log}");
            for (table, rows) in &kept {
                let found = rows.iter().any(|row| row.windows(secret.len()).any(|part| part == secret.as_bytes()));
                assert!(!found, "{table} holds {secret:?}");
            }
        }
        let text = "{ users { id name email role { name } } audit(first: 100) { changes } roles { name } }";
        let answer = cast.admin.admin_query(text).await;
        answer.never_says("argon2").never_says("hash").never_says(&key);
        cast.admin.get("/metrics").await.never_says("token");
    }

    async fn there_is_no_page_that_should_not_be_there(server: Server) {
        let cast = Cast::new(server).await;
        for path in [
            "/debug", "/debug/pprof", "/debug/vars", "/env", "/actuator", "/actuator/env", "/.env", "/.git/config", "/config", "/console", "/admin", "/admin/", "/graphql/", "/graphql//schema.graphql",
            "/playground", "/voyager", "/api", "/server-status", "/schema/../cardine.toml", "/schema/..%2f..%2fCargo.toml", "/assets/graphiql/..%2f..%2f..%2fetc%2fpasswd", "/schema/%00", "/data/cardine.db", "/swagger.json",
        ] {
            for caller in [&cast.guest, &cast.admin] {
                let answer = caller.get(path).await;
                assert_eq!(answer.status, 404, "{path}: {answer}");
                tells_no_insides(&answer);
            }
        }
        // Who calls is decided by the header, whatever the address looks like.
        for path in ["/admin/graphql?x=/health/live", "/admin/graphql?/auth/sign-in", "/admin/graphql?x=/schema/module.schema.json#"] {
            assert_eq!(cast.guest.post(path, &json!({"query": "{ users { email } }"})).await.codes(), ["UNAUTHENTICATED"], "{path}");
        }
        let metrics = cast.guest.get("/metrics").await;
        metrics.never_says("example.org").never_says("people").never_says("postgres://");
    }

    async fn markup_in_values_is_data_of_a_json_answer(server: Server) {
        let cast = Cast::new(server).await;
        let markup = "<script>alert(1)</script><img src=x onerror=alert(2)>\u{2028}</script>";
        let id = cast.rep.create("Person", json!({"name": markup})).await;
        for caller in [&cast.rep, &cast.manager] {
            let answer = caller.query_with("query($id: ID!) { person(id: $id) { name } search(text: \"script\", first: 1) { nodes { title snippet } } }", json!({"id": id})).await;
            assert_eq!(answer.ok()["person"]["name"], markup);
            let of = |name: &str| answer.headers.get(name).and_then(|value| value.to_str().ok()).unwrap_or_default().to_owned();
            assert!(of("content-type").starts_with("application/graphql-response+json"), "{}", of("content-type"));
            assert_eq!(of("x-content-type-options"), "nosniff");
            assert!(of("content-security-policy").contains("default-src 'none'"), "{}", of("content-security-policy"));
        }
        // A browser that opens a path with markup gets no page made of it.
        let answer = cast.guest.get("/%3Cscript%3Ealert(1)%3C/script%3E").await;
        assert!(answer.status == 404 && !answer.text.contains("<script>"), "{answer}");
    }
}
