//! Formulas and rollups: exact, null where there is no value, the same in selection, filter and order and on both databases.

use cardine_tests::{Answer, Backend, Client, Server, on_both_databases};
use serde_json::{Value, json};

fn formula(name: &str, returns: &str, scale: Option<u8>, rule: &str) -> Value {
    let mut field = json!({"name": name, "type": "formula", "returns": returns, "rule": rule});
    if let Some(scale) = scale {
        field["scale"] = json!(scale);
    }
    field
}

fn rollup(name: &str, function: &str, field: Option<&str>, filter: Option<&str>) -> Value {
    let mut rollup = json!({"name": name, "type": "rollup", "relation": "lines", "function": function});
    if let Some(field) = field {
        rollup["field"] = json!(field);
    }
    if let Some(filter) = filter {
        rollup["filter"] = json!(filter);
    }
    rollup
}

/// Bills, their lines and the shop that made them.
async fn prepare(server: &Server) -> Client {
    let admin = server.admin().await;
    let shop = json!({"name": "Shop", "plural": "Shops", "fields": [
        {"name": "name", "type": "text", "required": true}, {"name": "discount", "type": "percent"},
        {"name": "kind", "type": "choice", "options": [{"value": "RETAIL"}, {"value": "WHOLESALE"}]},
    ]});
    admin.create_module(shop).await.ok();
    let bill = json!({"name": "Bill", "plural": "Bills", "nameField": "code", "fields": [
        {"name": "code", "type": "text", "required": true},
        {"name": "shop", "type": "reference", "to": "Shop", "inverse": "bills"},
        {"name": "a", "type": "decimal", "scale": 4}, {"name": "b", "type": "decimal", "scale": 4},
        {"name": "n", "type": "integer"}, {"name": "big", "type": "decimal", "scale": 2},
        {"name": "paid", "type": "boolean"}, {"name": "due", "type": "date"},
    ]});
    admin.create_module(bill).await.ok();
    let line = json!({"name": "Line", "plural": "Lines", "fields": [
        {"name": "bill", "type": "reference", "to": "Bill", "inverse": "lines"},
        {"name": "price", "type": "money"}, {"name": "pieces", "type": "integer"}, {"name": "code", "type": "text"},
        {"name": "day", "type": "date"}, {"name": "free", "type": "boolean", "default": false},
    ]});
    admin.create_module(line).await.ok();
    for field in [
        formula("total", "decimal", Some(4), "a + b - 0.0001 + 0.0001"),
        formula("product", "decimal", Some(8), "a * b"),
        formula("quotient", "decimal", Some(2), "a / b"),
        formula("chained", "decimal", Some(2), "100 / 10 / 5"),
        formula("left", "integer", None, "10 - 3 - 2"),
        formula("sixth", "decimal", Some(2), "quotient / 2"),
        formula("isLarge", "boolean", None, "a > b && n >= 2"),
        formula("word", "text", None, "paid ? \"paid\" : \"open\""),
        formula("net", "decimal", Some(2), "a * (1 - shop.discount / 100)"),
        formula("shopKind", "text", None, "shop.kind == \"RETAIL\" ? shop.name : \"other\""),
        formula("bigger", "decimal", Some(2), "big + 0.01"),
        formula("negated", "decimal", Some(2), "-a"),
        formula("atLeast", "decimal", Some(2), "coalesce(a, 0) + 1"),
        formula("rounded", "decimal", Some(2), "round(a, 2) * 2"),
    ] {
        admin.add_field("Bill", field).await.ok();
    }
    for field in [
        rollup("lineCount", "COUNT", None, None),
        rollup("priceSum", "SUM", Some("price"), None),
        rollup("priceMean", "AVG", Some("price"), None),
        rollup("priceMin", "MIN", Some("price"), None),
        rollup("priceMax", "MAX", Some("price"), None),
        rollup("pieceSum", "SUM", Some("pieces"), None),
        rollup("pieceMean", "AVG", Some("pieces"), None),
        rollup("codes", "COUNT_DISTINCT", Some("code"), None),
        rollup("firstDay", "MIN", Some("day"), None),
        rollup("freeCount", "COUNT", None, Some("free == true")),
        rollup("dearSum", "SUM", Some("price"), Some("price > 10 && free != true")),
    ] {
        admin.add_field("Bill", field).await.ok();
    }
    for field in [
        formula("meanPrice", "money", None, "priceSum / lineCount"),
        formula("doubleMean", "decimal", Some(4), "meanPrice * 2"),
        formula("share", "percent", None, "coalesce(dearSum, 0) / priceSum * 100"),
    ] {
        admin.add_field("Bill", field).await.ok();
    }
    admin
}

async fn fill(admin: &Client) {
    let shops = admin
        .create_many(
            "Shop",
            [
                json!({"name": "Alfa", "discount": "12.5", "kind": "RETAIL"}),
                json!({"name": "Beta", "kind": "WHOLESALE"}),
            ],
        )
        .await;
    let bills = [
        json!({"code": "one", "shopId": shops[0], "a": "10", "b": "3", "n": 2, "big": "99999999999999999999999999.98", "paid": true}),
        json!({"code": "two", "shopId": shops[1], "a": "-0.005", "b": "1", "n": 5, "big": "-99999999999999999999999999.99", "paid": false}),
        json!({"code": "three", "a": "1", "b": "0", "n": null}),
        json!({"code": "four", "shopId": shops[0], "b": "2.5", "n": 3}),
        json!({"code": "five", "a": "0.125", "b": "0.0001", "n": 1, "big": "0.00"}),
    ];
    let ids = admin.create_many("Bill", bills).await;
    let line = |bill: usize, price: Value, pieces: Value, code: &str, day: &str, free: bool| json!({"billId": ids[bill], "price": price, "pieces": pieces, "code": code, "day": day, "free": free});
    let lines = [
        line(0, json!("10.01"), json!(1), "x", "2026-03-01", false),
        line(0, json!("10.01"), json!(2), "X", "2026-02-28", true),
        line(0, json!("0.01"), json!(2), "x", "2026-12-31", false),
        line(1, json!("99999999999999999999999999.99"), json!(2_000_000_000), "y", "2026-01-01", false),
        line(1, json!("0.01"), json!(2_000_000_000), "z", "2026-01-02", false),
        line(1, Value::Null, Value::Null, "z", "2026-01-03", true),
        line(2, Value::Null, json!(7), "z", "2026-01-03", false),
    ];
    admin.create_many("Line", lines).await;
}

async fn bill(admin: &Client, code: &str, fields: &str) -> Value {
    let text = format!("query($code: String!) {{ bills(filter: {{code: {{eq: $code}}}}) {{ nodes {{ {fields} }} }} }}");
    let answer = admin.query_with(&text, json!({"code": code})).await;
    answer.ok()["bills"]["nodes"][0].clone()
}

async fn codes(admin: &Client, arguments: &str) -> Vec<String> {
    let answer = admin.query(&format!("{{ bills({arguments}) {{ totalCount nodes {{ code }} }} }}")).await;
    let page = &answer.ok()["bills"];
    let nodes = page["nodes"].as_array().expect("nodes are a list");
    assert_eq!(page["totalCount"], nodes.len(), "{answer}");
    nodes.iter().map(|node| node["code"].as_str().expect("a code").to_owned()).collect()
}

/// The answers of a long script, which must be the same to the byte on both databases.
async fn script(admin: &Client) -> Vec<String> {
    let all = "code total product quotient chained left sixth isLarge word net shopKind bigger negated atLeast \
        lineCount priceSum priceMean priceMin priceMax pieceSum pieceMean codes firstDay freeCount dearSum meanPrice doubleMean share";
    let mut answers =
        vec![admin.query(&format!("{{ bills(orderBy: [{{code: ASC}}]) {{ nodes {{ {all} }} }} }}")).await.text];
    for field in all.split(' ') {
        for direction in ["ASC", "DESC", "ASC_NULLS_FIRST", "DESC_NULLS_LAST"] {
            let text = format!(
                "{{ bills(orderBy: [{{{field}: {direction}}}, {{code: ASC}}]) {{ nodes {{ code {field} }} }} }}"
            );
            answers.push(admin.query(&text).await.text);
        }
        for condition in ["isNull: true", "isNull: false"] {
            let text = format!(
                "{{ bills(filter: {{{field}: {{{condition}}}}}, orderBy: [{{code: ASC}}]) {{ totalCount nodes {{ code }} }} }}"
            );
            answers.push(admin.query(&text).await.text);
        }
    }
    for (field, value) in [
        ("quotient", "3.33"),
        ("product", "30"),
        ("net", "8.75"),
        ("priceMean", "6.68"),
        ("doubleMean", "13.3533"),
        ("share", "49.98"),
        ("bigger", "99999999999999999999999999.99"),
        ("priceSum", "100000000000000000000000000.00"),
    ] {
        for operator in ["eq", "ne", "lt", "lte", "gt", "gte"] {
            let text = format!(
                "{{ bills(filter: {{{field}: {{{operator}: \"{value}\"}}}}, orderBy: [{{code: ASC}}]) {{ totalCount nodes {{ code }} }} }}"
            );
            answers.push(admin.query(&text).await.text);
        }
    }
    answers
}

on_both_databases! {
    async fn a_formula_gives_a_length_of_time(server: Server) {
        let admin = server.admin().await;
        let calls = json!({"name": "Call", "plural": "Calls", "nameField": "code", "fields": [
            {"name": "code", "type": "text", "required": true}, {"name": "from", "type": "dateTime"}, {"name": "to", "type": "dateTime"},
            {"name": "share", "type": "decimal", "scale": 4}, {"name": "pause", "type": "duration"},
            {"name": "line", "type": "reference", "to": "Call", "inverse": "parts"},
            {"name": "took", "type": "formula", "returns": "duration", "rule": "from.secondsUntil(to)"},
            {"name": "net", "type": "formula", "returns": "duration", "rule": "took - coalesce(pause, 0)"},
            {"name": "third", "type": "formula", "returns": "duration", "rule": "took / 3 * coalesce(share, 1)"},
            {"name": "isLong", "type": "formula", "returns": "boolean", "rule": "third > duration(\"PT20M\")"},
            {"name": "endless", "type": "formula", "returns": "duration", "rule": "took * 1000000000000000000"}]});
        admin.create_module(calls).await.ok();
        let call = |code: &str, to: Value, pause: Value| json!({"code": code, "from": "2026-03-01T08:00:00Z", "to": to, "pause": pause});
        let ids = admin.create_many("Call", [
            call("hour", json!("2026-03-01T09:00:00Z"), json!("PT15M")),
            call("split", json!("2026-03-01T08:00:10.500Z"), Value::Null),
            call("back", json!("2026-02-28T08:00:00Z"), json!("PT1S")),
            call("open", Value::Null, json!("PT1H")),
            call("none", json!("2026-03-01T08:00:00Z"), Value::Null),
        ]).await;
        let answer = admin.query("{ calls(orderBy: [{took: ASC}]) { nodes { code took net third isLong endless } } }").await;
        let node = |code: &str, took: &str, net: &str, third: &str, is_long: bool| json!({"code": code, "took": took, "net": net, "third": third, "isLong": is_long, "endless": null});
        let mut none = node("none", "PT0S", "PT0S", "PT0S", false);
        none["endless"] = json!("PT0S");
        assert_eq!(answer.ok()["calls"]["nodes"], json!([
            node("back", "-P1D", "-P1DT1S", "-PT8H", false), none, node("split", "PT11S", "PT11S", "PT4S", false),
            node("hour", "PT1H", "PT45M", "PT20M", false),
            {"code": "open", "took": null, "net": null, "third": null, "isLong": null, "endless": null}]));
        // Filtered, paged, grouped and summed as it is shown.
        for (filter, found) in [("took: {eq: \"PT11S\"}", 1), ("took: {gt: \"PT0S\"}", 2), ("net: {in: [\"PT45M\", \"PT0S\"]}", 2), ("took: {isNull: true}", 1), ("took: {lt: \"-PT23H\"}", 1)] {
            let answer = admin.query(&format!("{{ calls(filter: {{{filter}}}) {{ totalCount }} }}")).await;
            assert_eq!(answer.ok()["calls"]["totalCount"], found, "{filter}");
        }
        let page = "query($at: String) { calls(orderBy: [{took: DESC_NULLS_LAST}], first: 2, after: $at) { nodes { code } pageInfo { endCursor } } }";
        let answer = admin.query_with(page, json!({"at": null})).await;
        assert_eq!(answer.ok()["calls"]["nodes"], json!([{"code": "hour"}, {"code": "split"}]));
        let answer = admin.query_with(page, json!({"at": answer.ok()["calls"]["pageInfo"]["endCursor"]})).await;
        assert_eq!(answer.ok()["calls"]["nodes"], json!([{"code": "none"}, {"code": "back"}]));
        let figures = "{ calls { aggregate { sum { took } avg { took pause } min { took } max { net } countDistinct { took } } } \
            callGroups(groupBy: [{took: true}], having: {sum: {took: {gte: \"PT11S\"}}}, orderBy: [{key: {took: DESC}}]) { key { took } sum { took } } }";
        let answer = admin.query(figures).await;
        assert_eq!(answer.ok()["calls"]["aggregate"], json!({"sum": {"took": "-PT22H59M49S"}, "avg": {"took": "-PT5H44M57S", "pause": "PT25M"},
            "min": {"took": "-P1D"}, "max": {"net": "PT45M"}, "countDistinct": {"took": 4}}));
        assert_eq!(answer.ok()["callGroups"], json!([{"key": {"took": "PT1H"}, "sum": {"took": "PT1H"}}, {"key": {"took": "PT11S"}, "sum": {"took": "PT11S"}}]));
        // Written by nobody, and of no other form.
        admin.query_with("mutation($id: ID!) { updateCall(id: $id, data: {took: \"PT1S\"}) { id } }", json!({"id": ids[0]})).await.refused("BAD_USER_INPUT");
        admin.add_field("Call", formula("bad", "duration", Some(2), "took")).await.refused("VALIDATION_FAILED");
        admin.add_field("Call", formula("bad", "duration", None, "from")).await.refused("VALIDATION_FAILED");
        let longest = json!({"name": "longest", "type": "rollup", "relation": "parts", "function": "MAX", "field": "took"});
        let refused = admin.add_field("Call", longest).await;
        assert!(refused.refused("VALIDATION_FAILED").text.contains("need a field of the type `duration`"), "{refused}");
    }

    async fn arithmetic_is_exact_and_rounds_half_away_from_zero(server: Server) {
        let admin = prepare(&server).await;
        fill(&admin).await;
        let one = bill(&admin, "one", "total product quotient chained left sixth isLarge word net shopKind bigger negated atLeast").await;
        assert_eq!(one, json!({"total": "13.0000", "product": "30.00000000", "quotient": "3.33", "chained": "2.00", "left": 5,
            // 10 / 3 / 2 = 1.666…: over the unrounded value, not over 3.33.
            "sixth": "1.67", "isLarge": true, "word": "paid", "net": "8.75", "shopKind": "Alfa",
            "bigger": "99999999999999999999999999.99", "negated": "-10.00", "atLeast": "11.00"}));
        let two = bill(&admin, "two", "total quotient isLarge word negated bigger product atLeast shopKind").await;
        assert_eq!(two, json!({"total": "0.9950", "quotient": "-0.01", "isLarge": false, "word": "open", "negated": "0.01",
            "bigger": "-99999999999999999999999999.98", "product": "-0.00500000", "atLeast": "1.00", "shopKind": "other"}));
        let five = bill(&admin, "five", "quotient negated product rounded").await;
        // 0.125 is rounded before it is doubled.
        assert_eq!(five, json!({"quotient": "1250.00", "negated": "-0.13", "product": "0.00001250", "rounded": "0.26"}));
        assert_eq!(codes(&admin, "filter: {rounded: {eq: \"0.26\"}}, orderBy: [{rounded: DESC}]").await, ["five"]);
    }

    async fn what_is_divided_by_zero_or_has_no_value_is_null(server: Server) {
        let admin = prepare(&server).await;
        fill(&admin).await;
        let three = bill(&admin, "three", "quotient sixth total isLarge word net shopKind").await;
        assert_eq!(three, json!({"quotient": null, "sixth": null, "total": "1.0000", "isLarge": null, "word": "open", "net": null, "shopKind": "other"}));
        let four = bill(&admin, "four", "quotient total negated atLeast isLarge net bigger").await;
        assert_eq!(four, json!({"quotient": null, "total": null, "negated": null, "atLeast": "1.00", "isLarge": null, "net": null, "bigger": null}));
        assert_eq!(codes(&admin, "filter: {quotient: {isNull: true}}, orderBy: [{code: ASC}]").await, ["four", "three"]);
        // Other operators never match null, not even `ne`.
        assert_eq!(codes(&admin, "filter: {quotient: {ne: \"3.33\"}}, orderBy: [{code: ASC}]").await, ["five", "two"]);
        assert_eq!(codes(&admin, "filter: {not: {quotient: {eq: \"3.33\"}}, isLarge: {isNull: false}}, orderBy: [{code: ASC}]").await, ["five", "two"]);
    }

    async fn rollups_count_and_sum_what_their_filter_meets(server: Server) {
        let admin = prepare(&server).await;
        fill(&admin).await;
        let fields = "lineCount priceSum priceMean priceMin priceMax pieceSum pieceMean codes firstDay freeCount dearSum meanPrice doubleMean share";
        assert_eq!(bill(&admin, "one", fields).await, json!({
            "lineCount": 3, "priceSum": "20.03", "priceMean": "6.68", "priceMin": "0.01", "priceMax": "10.01", "pieceSum": "5",
            "pieceMean": "1.67", "codes": 2, "firstDay": "2026-02-28", "freeCount": 1, "dearSum": "10.01",
            // 20.03 / 3 * 2 = 13.35333…, over the unrounded mean; 10.01 / 20.03 = 49.975 %.
            "meanPrice": "6.68", "doubleMean": "13.3533", "share": "49.98"}));
        let two = bill(&admin, "two", "lineCount priceSum pieceSum codes freeCount").await;
        assert_eq!(two, json!({"lineCount": 3, "priceSum": "100000000000000000000000000.00", "pieceSum": "4000000000", "codes": 2, "freeCount": 1}));
        let three = bill(&admin, "three", "lineCount priceMean priceMin priceMax pieceSum").await;
        assert_eq!(three, json!({"lineCount": 1, "priceMean": null, "priceMin": null, "priceMax": null, "pieceSum": "7"}));
        let four = bill(&admin, "four", "lineCount codes freeCount priceMin firstDay meanPrice").await;
        assert_eq!(four, json!({"lineCount": 0, "codes": 0, "freeCount": 0, "priceMin": null, "firstDay": null, "meanPrice": null}));
    }

    async fn formulas_and_rollups_filter_and_order_by_their_rounded_values(server: Server) {
        let admin = prepare(&server).await;
        fill(&admin).await;
        assert_eq!(codes(&admin, "filter: {quotient: {eq: \"3.33\"}}").await, ["one"]);
        assert_eq!(codes(&admin, "filter: {priceMean: {eq: \"6.68\"}, meanPrice: {in: [\"6.68\"]}}").await, ["one"]);
        assert_eq!(codes(&admin, "filter: {lineCount: {gte: 3}, priceSum: {gt: \"99999999999999999999999999.99\"}}").await, ["two"]);
        assert_eq!(codes(&admin, "filter: {word: {eq: \"paid\"}}").await, ["one"]);
        assert_eq!(codes(&admin, "filter: {isLarge: {eq: true}}").await, ["one"]);
        assert_eq!(codes(&admin, "filter: {firstDay: {lt: \"2026-02-28\"}}, orderBy: [{firstDay: ASC}]").await, ["two", "three"]);
        assert_eq!(codes(&admin, "orderBy: [{quotient: DESC_NULLS_LAST}, {code: ASC}]").await, ["five", "one", "two", "four", "three"]);
        assert_eq!(codes(&admin, "orderBy: [{lineCount: DESC}, {code: DESC}]").await, ["two", "one", "three", "four", "five"]);
        assert_eq!(codes(&admin, "orderBy: [{bigger: ASC}, {code: ASC}]").await, ["two", "five", "one", "four", "three"]);
        // A record that changes, moves or goes is counted at once.
        let text = "{ bills(filter: {code: {in: [\"one\", \"four\"]}}, orderBy: [{code: ASC}]) { nodes { id lines(orderBy: [{price: DESC}, {id: ASC}]) { nodes { id } } } } }";
        let answer = admin.query(text).await;
        let at = |path: &str| answer.ok().pointer(path).cloned().unwrap_or_default();
        let change = "mutation($move: ID!, $drop: ID!, $to: ID!) { updateLine(id: $move, data: {billId: $to, price: \"2.22\"}) { id } deleteLine(id: $drop) { id } }";
        let variables = json!({"move": at("/bills/nodes/1/lines/nodes/0/id"), "drop": at("/bills/nodes/1/lines/nodes/1/id"), "to": at("/bills/nodes/0/id")});
        let _ = admin.query_with(change, variables).await.ok();
        assert_eq!(bill(&admin, "one", "lineCount priceSum").await, json!({"lineCount": 1, "priceSum": "0.01"}));
        assert_eq!(bill(&admin, "four", "lineCount priceSum").await, json!({"lineCount": 1, "priceSum": "2.22"}));
    }

    async fn formulas_follow_references_and_nested_lists(server: Server) {
        let admin = prepare(&server).await;
        fill(&admin).await;
        let text = "{ shops(orderBy: [{name: ASC}]) { nodes { name bills(filter: {net: {isNull: false}}, orderBy: [{net: DESC}]) { totalCount nodes { code net lineCount } } } }
            lines(filter: {bill: {quotient: {gt: \"3\"}, lineCount: {eq: 3}}}, orderBy: [{bill: {priceSum: ASC}}, {price: ASC}], first: 1) { totalCount nodes { price bill { net } } } }";
        let answer = admin.query(text).await;
        assert_eq!(answer.ok(), &json!({
            "shops": {"nodes": [
                {"name": "Alfa", "bills": {"totalCount": 1, "nodes": [{"code": "one", "net": "8.75", "lineCount": 3}]}},
                {"name": "Beta", "bills": {"totalCount": 0, "nodes": []}},
            ]},
            "lines": {"totalCount": 3, "nodes": [{"price": "0.01", "bill": {"net": "8.75"}}]},
        }));
    }

    async fn a_cycle_is_refused_with_its_path(server: Server) {
        let admin = prepare(&server).await;
        let answer = admin.create_module(json!({"name": "Loop", "plural": "Loops", "fields": [
            formula("first", "decimal", Some(2), "second + 1"), formula("second", "decimal", Some(2), "third * 2"),
            formula("third", "decimal", Some(2), "first / 3"),
        ]})).await;
        answer.refused("VALIDATION_FAILED");
        let text = answer.issues().iter().map(|issue| issue["message"].to_string()).collect::<String>();
        for name in ["first", "second", "third"] {
            assert!(text.contains(name), "the cycle's path names {name}: {answer}");
        }
        admin.query("{ loops { totalCount } }").await.refused("BAD_USER_INPUT");
        // Over a relation and back: a line's formula over its bill's sum of that formula.
        admin.add_field("Line", formula("upper", "decimal", Some(2), "bill.priceSum + 1")).await.ok();
        let back = json!({"name": "uppers", "type": "rollup", "relation": "lines", "function": "SUM", "field": "upper"});
        let over = admin.add_field("Bill", back).await;
        let sum = admin.add_field("Bill", formula("over", "decimal", Some(2), "uppers + 1")).await;
        let cycle = admin.add_field("Line", formula("self", "decimal", Some(2), "self + 1")).await;
        cycle.refused("VALIDATION_FAILED");
        // A sum over a formula over another sum is no cycle.
        let _ = (over.ok(), sum.ok());
    }

    async fn faulty_rules_are_refused_with_what_would_be_right(server: Server) {
        let admin = prepare(&server).await;
        for (rule, says) in [
            ("ammount + 1", "ammount"), ("a +", ""), ("a + code", "text"), ("code > 5", ""), ("a = 1", "=="), ("shop.nothing", "nothing"),
            ("a == 1e3", ""), ("(((((a", ""), ("1; drop table lead", ""),
        ] {
            let answer = admin.add_field("Bill", formula("bad", "decimal", Some(2), rule)).await;
            answer.refused("VALIDATION_FAILED").never_says("create table");
            assert!(answer.text.contains(says), "{rule}: {answer}");
            let path = answer.issues()[0]["path"].as_array().expect("a path");
            assert_eq!(path.last(), Some(&json!("rule")), "{answer}");
        }
        admin.add_field("Bill", formula("bad", "boolean", None, "a + 1")).await.refused("VALIDATION_FAILED");
        admin.add_field("Bill", rollup("bad", "SUM", Some("code"), None)).await.refused("VALIDATION_FAILED");
        admin.add_field("Bill", rollup("bad", "SUM", Some("price"), Some("price + 1"))).await.refused("VALIDATION_FAILED");
        admin.query("{ bills { nodes { bad } } }").await.refused("BAD_USER_INPUT");
    }

    async fn numbers_are_exact_on_the_way_in(server: Server) {
        let admin = prepare(&server).await;
        let create = |a: Value| {
            let admin = admin.clone();
            async move {
                let text = "mutation($data: BillCreate!) { createBill(data: $data) { a big } }";
                admin.query_with(text, json!({"data": {"code": "n", "a": a}})).await
            }
        };
        let stored = |answer: &Answer| answer.ok()["createBill"]["a"].clone();
        for (given, expected) in [(json!("12.5"), "12.5000"), (json!(7), "7.0000"), (json!("-0"), "0.0000"), (json!("0.0001"), "0.0001"), (json!("12.50000"), "12.5000")] {
            assert_eq!(stored(&create(given).await), expected);
        }
        for (faulty, code) in [(json!(1.5), "BAD_USER_INPUT"), (json!("abc"), "BAD_USER_INPUT"), (json!(true), "BAD_USER_INPUT"), (json!("1e3"), "BAD_USER_INPUT"),
            (json!("0.00001"), "VALIDATION_FAILED"), (json!("1000000000000000000000000"), "VALIDATION_FAILED")] {
            let answer = create(faulty.clone()).await;
            answer.refused(code);
            assert_eq!(answer.issues()[0]["path"], json!(["data", "a"]), "{answer}");
        }
    }
}

/// What one database answers, the other answers to the byte.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn both_databases_answer_alike_to_the_byte() {
    if !Backend::Postgres.is_available() {
        return;
    }
    let mut answers = Vec::new();
    for backend in [Backend::Sqlite, Backend::Postgres] {
        let server = Server::start(backend).await;
        let admin = prepare(&server).await;
        fill(&admin).await;
        answers.push(script(&admin).await);
    }
    let postgres = answers.pop().expect("two databases");
    let sqlite = answers.pop().expect("two databases");
    assert!(sqlite.len() > 150 && sqlite.iter().all(|answer| !answer.contains("\"errors\"")), "{sqlite:#?}");
    for (one, other) in sqlite.iter().zip(&postgres) {
        assert_eq!(one, other);
    }
}
