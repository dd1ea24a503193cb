//! Injection: text is never part of a statement, a name, a rule or a template; numbers and dates have bounds.

use cardine_tests::on_both_databases;
use serde_json::{Value, json};

use crate::cast::{Cast, people, tells_no_insides};

/// What breaks out of quotes, comments, identifiers, patterns and encodings.
const PAYLOADS: [&str; 24] = [
    "' OR '1'='1",
    "'; DROP TABLE person; --",
    "\"; DROP TABLE \"person\"; --",
    "') OR 1=1 --",
    "1; SELECT pg_sleep(5)",
    "'||(SELECT password_hash FROM \"user\" LIMIT 1)||'",
    "${7*7}",
    "{{7*7}}",
    "%",
    "_",
    "%%",
    "\\",
    "\\'",
    "$1",
    "?1",
    "$$x$$",
    "`id`",
    "]]>",
    "\u{2019} OR 1=1",
    "\u{ff07}",
    "a\u{301}",
    "randomblob(1000000000)",
    "\r\nX-Injected: 1",
    "../../etc/passwd",
];

on_both_databases! {
    async fn text_is_never_part_of_a_statement(server: Server) {
        let cast = Cast::new(server).await;
        for payload in PAYLOADS {
            let id = cast.rep.create("Person", json!({"name": payload, "prefs": {"k": payload}})).await;
            let text = "query($id: ID!, $t: String!, $j: JSON) {
                person(id: $id) { name prefs } eq: people(filter: {name: {eq: $t}}) { totalCount } in: people(filter: {name: {in: [$t, \"zzz\"]}}) { totalCount }
                contains: people(filter: {name: {contains: $t}}, orderBy: [{name: ASC}]) { nodes { name } } starts: people(filter: {name: {startsWith: $t}}) { totalCount } ends: people(filter: {name: {endsWith: $t}}) { totalCount }
                json: people(filter: {prefs: {path: \"$.k\", eq: $j}}) { totalCount }
                groups: personGroups(groupBy: [{name: true}], filter: {name: {eq: $t}}) { key { name } count } duplicatesOfPerson(data: {name: $t}) { id } }";
            let answer = cast.rep.query_with(text, json!({"id": id, "t": payload, "j": payload})).await;
            let data = answer.ok();
            assert_eq!(data["person"], json!({"name": payload, "prefs": {"k": payload}}), "it comes back as it went in");
            for found in ["eq", "in", "starts", "ends", "json"] {
                assert_eq!(data[found]["totalCount"], 1, "{payload:?}: {found}: {answer}");
            }
            assert_eq!(data["contains"]["nodes"], json!([{"name": payload}]), "{payload:?}");
            assert_eq!(data["groups"], json!([{"key": {"name": payload}, "count": 1}]));
            cast.rep.query_with("mutation($id: ID!) { destroyPerson(id: $id) }", json!({"id": id})).await.ok();
        }
        // Each text that an operation takes elsewhere.
        let before = cast.rep.create("Person", json!({"name": "stays"})).await;
        for payload in PAYLOADS {
            for (text, variables) in [
                ("query($t: String!) { search(text: $t, first: 3) { totalCount } }", json!({"t": payload})),
                ("query($t: String!) { search(text: \"a\", modules: [$t]) { totalCount } }", json!({"t": payload})),
                ("query($t: String!) { people(filter: {prefs: {path: $t, isNull: false}}) { totalCount } }", json!({"t": format!("$[\"{payload}\"]")})),
                ("query($t: String) { people(after: $t) { totalCount } }", json!({"t": payload})),
                ("query($t: String) { people(before: $t, last: 1) { totalCount } }", json!({"t": payload})),
                ("query($t: ID!) { node(id: $t) { id } person(id: $t) { id } }", json!({"t": payload})),
                ("query($t: [ID!]!) { nodes(ids: $t) { id } }", json!({"t": [payload]})),
                ("query($t: String!) { __type(name: $t) { name } }", json!({"t": payload})),
                ("mutation($t: ID!) { updatePerson(id: $t, data: {stage: NEW}) { id } }", json!({"t": payload})),
                ("mutation($t: ID!) { createPerson(data: {name: \"x\", companyId: $t}) { id } }", json!({"t": payload})),
            ] {
                let answer = cast.rep.query_with(text, variables).await;
                tells_no_insides(&answer);
            }
            for (text, variables) in [
                ("query($t: String!) { module(name: $t) { name } }", json!({"t": payload})),
                ("mutation($t: String!) { createRole(name: $t) { name } }", json!({"t": payload})),
                ("mutation($t: String!) { setAccess(role: \"rep\", module: $t, read: true) { name } }", json!({"t": payload})),
                ("mutation($t: String!) { setRecordRule(role: \"rep\", module: \"Person\", rule: $t) { name } }", json!({"t": payload})),
                ("mutation($t: String!) { createUser(email: $t, role: \"rep\") { id } }", json!({"t": payload})),
                ("mutation($t: String!) { saveGroup(name: \"g\", members: []) { id } deleteSharingRule(name: $t) }", json!({"t": payload})),
                ("query($t: ID!) { explainAccess(user: $t, module: \"Person\") { read } }", json!({"t": payload})),
            ] {
                let answer = cast.admin.admin_query_with(text, variables).await;
                tells_no_insides(&answer);
            }
            let request = cast.rep.request(reqwest::Method::POST, "/graphql").header("time-zone", payload.replace(|c: char| !(' '..='~').contains(&c), "x"));
            let answer = cardine_tests::Answer::of(request.json(&json!({"query": "{ me { role } }"}))).await;
            tells_no_insides(&answer);
        }
        assert_eq!(people(&cast.rep).await, ["stays"]);
        cast.rep.query_with("query($id: ID!) { person(id: $id) { name } }", json!({"id": before})).await.ok();
    }

    async fn directions_names_and_pages_are_no_text(server: Server) {
        let cast = Cast::new(server).await;
        for text in [
            "{ people(orderBy: \"name\") { totalCount } }", "{ people(orderBy: [{name: \"ASC; DROP TABLE person\"}]) { totalCount } }", "{ people(orderBy: [{\"t1.name\": ASC}]) { totalCount } }",
            "{ people(orderBy: [{name: ASC_NULLS_SOMEWHERE}]) { totalCount } }", "{ people(first: \"1; DROP TABLE person\") { totalCount } }", "{ people(offset: \"0 UNION SELECT 1\") { totalCount } }",
            "{ personGroups(groupBy: [\"name\"]) { count } }", "{ personGroups(groupBy: [{createdAt: \"MONTH'\"}]) { count } }", "{ people(filter: \"1=1\") { totalCount } }",
            "{ people(filter: {name: {like: \"%\"}}) { totalCount } }", "{ people(filter: {name: {regex: \"^a\"}}) { totalCount } }", "{ people(filter: {name: \"x\"}) { totalCount } }",
            "{ people { aggregate { sum { name } } } }", "{ people(search: \"x\") { totalCount } }",
        ] {
            tells_no_insides(cast.rep.query(text).await.refused("BAD_USER_INPUT"));
        }
        for variables in [json!({"o": [{"name": "ASC --"}]}), json!({"o": [{"t1.name": "ASC"}]}), json!({"o": "name"}), json!({"o": [{"name": 1}]}), json!({"o": [{"name": "ASC", "stage": "ASC"}]})] {
            tells_no_insides(cast.rep.query_with("query($o: [PersonOrderBy!]) { people(orderBy: $o) { totalCount } }", variables).await.refused("BAD_USER_INPUT"));
        }
    }

    async fn names_types_and_defaults_of_definitions_are_plain(server: Server) {
        let cast = Cast::new(server).await;
        let version = cast.administer("{ catalogVersion }", json!({})).await;
        let module = |name: &str, plural: &str, fields: Value| json!({"name": name, "plural": plural, "fields": fields});
        let field = |field: Value| module("Probe", "Probes", json!([field]));
        let long = "A".repeat(49);
        let mut faulty: Vec<Value> = ["probe", "Pro be", "Probe\"", "Probe`", "Probe]", "Pro\u{0}be", "Probe%", "Probe$1", "Probe?", "\u{1f986}", "\u{202e}eborP", "_Probe", "__Probe", "1Probe", "", "Pröbe", &long, "Probe; DROP TABLE user", "<script>", "Query", "Mutation", "String", "ID", "PageInfo", "User", "person", "PERSON", "PersonFilter", "Contact"]
            .iter().map(|name| module(name, &format!("{name}s"), json!([{"name": "a", "type": "text"}]))).collect();
        faulty.extend(["Name", "na me", "name\"", "name'", "na\u{0}me", "name;", "_name", "__name", "1name", "", "nàme", "id", "ID", "version", "ownerId", "createdAt", "history", "select\"", "name--", &"a".repeat(49)]
            .iter().map(|name| field(json!({"name": name, "type": "text"}))));
        faulty.extend([
            json!({"name": "a", "type": "numeric(10,2); drop table person"}), json!({"name": "a", "type": "text", "maxLength": "10); DROP TABLE person; --"}), json!({"name": "a", "type": "decimal", "scale": "2)"}),
            json!({"name": "a", "type": "decimal", "scale": 99}), json!({"name": "a", "type": "integer", "default": "now()"}), json!({"name": "a", "type": "integer", "default": "0); DROP TABLE person; --"}),
            json!({"name": "a", "type": "integer", "check": "1=1"}), json!({"name": "a", "type": "reference", "to": "user\"; --"}), json!({"name": "a", "type": "reference", "to": "Session"}),
            json!({"name": "a", "type": "choice", "options": [{"value": "a'); DROP TABLE person; --"}]}), json!({"name": "a", "type": "autoNumber", "format": "'); DROP TABLE person; --"}),
            json!({"name": "a", "type": "text", "pattern": "(a+)+$("}), json!({"name": "a", "type": "formula", "rule": "1; DROP TABLE person", "returns": "integer"}), json!({"name": "a", "type": "reference", "to": "Person", "inverse": "x\"y"}),
        ].into_iter().map(field));
        for definition in faulty {
            let answer = cast.admin.create_module(definition.clone()).await;
            assert!(!answer.codes().is_empty() && answer.data().is_null(), "{definition}");
            tells_no_insides(&answer);
        }
        assert_eq!(cast.administer("{ catalogVersion }", json!({})).await, version);
        // Two fields that differ by case alone, or by what the API makes of them.
        for fields in [json!([{"name": "ab", "type": "text"}, {"name": "aB", "type": "text"}]), json!([{"name": "x", "type": "reference", "to": "Person"}, {"name": "xId", "type": "text"}])] {
            cast.admin.create_module(module("Probe", "Probes", fields)).await.refused("VALIDATION_FAILED");
        }
        // Words of SQL are names like others, and a default that looks like SQL is a text.
        let fields = json!([{"name": "select", "type": "text", "default": "'); DROP TABLE person; --"}, {"name": "table", "type": "integer"}, {"name": "order", "type": "text", "unique": true}, {"name": "from", "type": "reference", "to": "Person", "inverse": "where"}]);
        cast.admin.create_module(module("Group2", "Order", fields)).await.ok();
        let answer = cast.admin.query("mutation { createGroup2(data: {table: 1, order: \"x\"}) { select table order from { id } } }").await;
        assert_eq!(answer.ok()["createGroup2"], json!({"select": "'); DROP TABLE person; --", "table": 1, "order": "x", "from": null}));
    }

    async fn what_stands_in_a_value_is_not_evaluated(server: Server) {
        let cast = Cast::new(server).await;
        for payload in ["{{ 1 + 1 }}", "{{ record.salary }}", "${7*7}", "#{7*7}", "<%= 7*7 %>", "=1+1", "@SUM(1)", "{{steps.x.output}}"] {
            let id = cast.rep.create("Person", json!({"name": payload})).await;
            let answer = cast.rep.query_with("query($id: ID!) { person(id: $id) { name } }", json!({"id": id})).await;
            assert_eq!(answer.ok()["person"]["name"], payload);
        }
        for rule in ["system(\"id\")", "import(\"os\")", "name.constructor", "__proto__", "eval(\"1\")", "[].map(x, x)", "name.matches(\"(a+)+$\")", "owner.passwordHash", "actor.passwordHash", "env(\"PATH\")", "name + ; name", "(((((((((((((((((((((((((((((((((((((((((((((((((((((((((((((((((1)))))))))"] {
            let answer = cast.admin.add_field("Person", json!({"name": "made", "type": "formula", "rule": rule, "returns": "text"})).await;
            tells_no_insides(answer.refused("VALIDATION_FAILED"));
        }
        let nested = format!("{}1{}", "(".repeat(5_000), ")".repeat(5_000));
        let answer = cast.admin.add_field("Person", json!({"name": "made", "type": "formula", "rule": nested, "returns": "integer"})).await;
        tells_no_insides(answer.refused("VALIDATION_FAILED"));
    }

    async fn numbers_and_dates_beyond_all_bounds_are_refused(server: Server) {
        let cast = Cast::new(server).await;
        let fields = json!([{"name": "whole", "type": "integer"}, {"name": "big", "type": "integer", "big": true}, {"name": "money", "type": "money"}, {"name": "day", "type": "date"}, {"name": "moment", "type": "dateTime"}, {"name": "span", "type": "duration"}]);
        cast.admin.create_module(json!({"name": "Gauge", "plural": "Gauges", "fields": fields})).await.ok();
        let digits = "9".repeat(400);
        for (field, values) in [
            ("whole", vec![json!(2_147_483_648_i64), json!(-2_147_483_649_i64), json!(1e10), json!(1.5), json!("1"), json!("1e9")]),
            ("big", vec![json!("9223372036854775808"), json!("1e1000000000"), json!(digits), json!("0x10"), json!("NaN"), json!(1.5)]),
            ("money", vec![json!("1e1000000000"), json!("1e-1000000000"), json!("NaN"), json!("Infinity"), json!("-inf"), json!(digits), json!(0.1), json!("1.234"), json!("1,5"), json!("")]),
            ("day", vec![json!("999999-01-01"), json!("-0001-01-01"), json!("2026-02-30"), json!("2026-1-1"), json!("today"), json!(20260101)]),
            ("moment", vec![json!("999999-01-01T00:00:00Z"), json!("2026-01-01T24:00:01Z"), json!("2026-01-01"), json!("2026-01-01T00:00:00"), json!("2026-01-01T00:00:00+24:00")]),
            ("span", vec![json!("P1Y"), json!("P1M"), json!("P99999999999999999999D"), json!("PT1e9S"), json!("P"), json!("1")]),
        ] {
            for value in values {
                let answer = cast.admin.query_with("mutation($data: GaugeCreate!) { createGauge(data: $data) { id } }", json!({"data": {field: value}})).await;
                assert!(["BAD_USER_INPUT", "VALIDATION_FAILED"].contains(&answer.codes().first().copied().unwrap_or_default()), "{field} {value}: {answer}");
                tells_no_insides(&answer);
                let answer = cast.admin.query_with("query($filter: GaugeFilter!) { gauges(filter: $filter) { totalCount } }", json!({"filter": {field: {"gt": value}}})).await;
                tells_no_insides(&answer);
            }
        }
        assert_eq!(cast.admin.query("{ gauges { totalCount } }").await.ok()["gauges"]["totalCount"], 0);
        for (text, field) in [("mutation { createGauge(data: {whole: 2147483647, big: \"9223372036854775807\", money: \"-0\", day: \"9999-12-31\"}) { whole big money day } }", "createGauge")] {
            let answer = cast.admin.query(text).await;
            assert_eq!(answer.ok()[field], json!({"whole": 2_147_483_647, "big": "9223372036854775807", "money": "0.00", "day": "9999-12-31"}));
        }
    }
}
