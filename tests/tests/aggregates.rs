//! Figures over many records: aggregates of lists and of each parent's, and groups by values, references and periods.

use cardine_tests::{Answer, Client, on_both_databases};
use reqwest::Method;
use serde_json::{Value, json};

/// Two shops and their sales; one sale has no shop and hardly a value.
async fn fill(admin: &Client) {
    let shop = json!({"name": "Shop", "plural": "Shops", "nameField": "name", "fields": [
        {"name": "name", "type": "text", "required": true}, {"name": "city", "type": "text"},
    ]});
    let sale = json!({"name": "Sale", "plural": "Sales", "nameField": "code", "fields": [
        {"name": "code", "type": "text", "required": true}, {"name": "amount", "type": "money"}, {"name": "pieces", "type": "integer"},
        {"name": "serial", "type": "integer", "big": true}, {"name": "day", "type": "date"}, {"name": "at", "type": "dateTime"},
        {"name": "clock", "type": "time"}, {"name": "paid", "type": "boolean"},
        {"name": "stage", "type": "choice", "options": [{"value": "NEW"}, {"value": "WON"}, {"value": "LOST"}]},
        {"name": "tags", "type": "multiChoice", "options": [{"value": "A"}, {"value": "B"}]}, {"name": "extra", "type": "json"},
        {"name": "shop", "type": "reference", "to": "Shop", "inverse": "sales"},
        {"name": "each", "type": "formula", "returns": "decimal", "scale": 3, "rule": "amount / pieces"},
    ]});
    for definition in [shop, sale] {
        admin.create_module(definition).await.ok();
    }
    for (name, rule) in [("income", "SUM"), ("saleCount", "COUNT")] {
        let mut rollup = json!({"name": name, "type": "rollup", "relation": "sales", "function": rule});
        if rule == "SUM" {
            rollup["field"] = json!("amount");
        }
        admin.add_field("Shop", rollup).await.ok();
    }
    let shops = admin
        .create_many(
            "Shop",
            [json!({"name": "Uno", "city": "Èlba"}), json!({"name": "Due", "city": "elba"}), json!({"name": "Tre"})],
        )
        .await;
    admin
        .create_many(
            "Sale",
            [
                json!({"code": "b", "amount": "10.10", "pieces": 3, "serial": "9223372036854775807", "day": "2026-01-31", "at": "2026-03-28T22:59:59.999Z",
                    "clock": "09:30:00", "paid": true, "stage": "WON", "tags": ["A"], "extra": {"x": 1}, "shopId": shops[0]}),
                json!({"code": "È", "amount": "0.20", "pieces": 3, "serial": "9223372036854775807", "day": "2026-02-01", "at": "2026-03-28T23:00:00Z",
                    "clock": "10:00:00", "paid": false, "stage": "WON", "shopId": shops[0]}),
                json!({"code": "e", "amount": "-5.30", "pieces": 2147483647, "day": "2026-01-01", "at": "2026-03-29T21:59:59Z", "stage": "NEW", "shopId": shops[1]}),
                json!({"code": "Ä", "amount": "5", "pieces": 2147483647, "day": "2025-12-29", "at": "2026-03-29T22:00:00Z", "shopId": shops[1]}),
                json!({"code": "z"}),
            ],
        )
        .await;
}

async fn groups(client: &Client, arguments: &str, selection: &str) -> Value {
    let answer = client.query(&format!("{{ saleGroups({arguments}) {{ {selection} }} }}")).await;
    answer.ok()["saleGroups"].clone()
}

async fn in_zone(client: &Client, zone: &str, query: &str) -> Answer {
    let request = client.request(Method::POST, "/graphql").header("time-zone", zone);
    Answer::of(request.json(&json!({"query": query}))).await
}

on_both_databases! {
    async fn an_aggregate_is_over_the_filter_and_not_the_page(server: Server) {
        let admin = server.admin().await;
        fill(&admin).await;
        let answer = admin.query("{ sales(first: 1, filter: {code: {ne: \"z\"}}) {
            totalCount nodes { code }
            aggregate {
                count sum { amount pieces serial each } avg { amount pieces serial }
                min { code amount pieces day at clock stage each } max { code amount serial day at clock stage }
                countDistinct { code amount pieces stage shopId paid day }
            }
        } }").await;
        assert_eq!(answer.ok()["sales"], json!({
            "totalCount": 4, "nodes": [{"code": "b"}],
            "aggregate": {
                "count": 4,
                "sum": {"amount": "10.00", "pieces": "4294967300", "serial": "18446744073709551614", "each": "3.434"},
                "avg": {"amount": "2.50", "pieces": "1073741825.00", "serial": "9223372036854775807.00"},
                "min": {"code": "Ä", "amount": "-5.30", "pieces": 3, "day": "2025-12-29", "at": "2026-03-28T22:59:59.999Z", "clock": "09:30:00", "stage": "NEW", "each": "0.000"},
                "max": {"code": "È", "amount": "10.10", "serial": "9223372036854775807", "day": "2026-02-01", "at": "2026-03-29T22:00:00.000Z", "clock": "10:00:00", "stage": "WON"},
                "countDistinct": {"code": 4, "amount": 4, "pieces": 2, "stage": 2, "shopId": 2, "paid": 2, "day": 4},
            },
        }));
        let nothing = admin.query("{ sales(filter: {code: {eq: \"nobody\"}}) { aggregate { count sum { amount pieces } avg { amount } min { code } countDistinct { code } } } }").await;
        assert_eq!(nothing.ok()["sales"]["aggregate"], json!({
            "count": 0, "sum": {"amount": null, "pieces": null}, "avg": {"amount": null}, "min": {"code": null}, "countDistinct": {"code": 0},
        }));
    }

    async fn an_aggregate_of_related_records_is_each_parents_own(server: Server) {
        let admin = server.admin().await;
        fill(&admin).await;
        let answer = admin.query("{ shops(orderBy: [{name: ASC}]) { nodes { name
            sales(first: 0, filter: {amount: {gt: -1}}) { totalCount aggregate { count sum { amount } max { code } countDistinct { stage } } } } } }").await;
        assert_eq!(answer.ok()["shops"]["nodes"], json!([
            {"name": "Due", "sales": {"totalCount": 1, "aggregate": {"count": 1, "sum": {"amount": "5.00"}, "max": {"code": "Ä"}, "countDistinct": {"stage": 0}}}},
            {"name": "Tre", "sales": {"totalCount": 0, "aggregate": {"count": 0, "sum": {"amount": null}, "max": {"code": null}, "countDistinct": {"stage": 0}}}},
            {"name": "Uno", "sales": {"totalCount": 2, "aggregate": {"count": 2, "sum": {"amount": "10.30"}, "max": {"code": "È"}, "countDistinct": {"stage": 1}}}},
        ]));
    }

    async fn deleted_records_are_in_an_aggregate_where_they_are_in_the_list(server: Server) {
        let admin = server.admin().await;
        fill(&admin).await;
        let found = admin.query("{ sales(filter: {code: {eq: \"b\"}}) { nodes { id } } }").await;
        let id = found.ok()["sales"]["nodes"][0]["id"].clone();
        admin.query_with("mutation($id: ID!) { deleteSale(id: $id) { id } }", json!({"id": id})).await.ok();
        let answer = admin.query("{ live: sales { aggregate { count sum { amount } } } all: sales(deleted: INCLUDE) { aggregate { count sum { amount } } }
            gone: sales(deleted: ONLY) { aggregate { count sum { amount } } } saleGroups(groupBy: [{paid: true}]) { key { paid } count } }").await;
        let figures = |count: i64, sum: &str| json!({"aggregate": {"count": count, "sum": {"amount": sum}}});
        assert_eq!(answer.ok(), &json!({
            "live": figures(4, "-0.10"), "all": figures(5, "10.00"), "gone": figures(1, "10.10"),
            "saleGroups": [{"key": {"paid": false}, "count": 1}, {"key": {"paid": null}, "count": 3}],
        }));
    }

    async fn groups_are_by_values_and_by_what_references_lead_to(server: Server) {
        let admin = server.admin().await;
        fill(&admin).await;
        let by_stage = groups(&admin, "groupBy: [{stage: true}]", "key { stage } count sum { amount }").await;
        assert_eq!(by_stage, json!([
            {"key": {"stage": "NEW"}, "count": 1, "sum": {"amount": "-5.30"}},
            {"key": {"stage": "WON"}, "count": 2, "sum": {"amount": "10.30"}},
            {"key": {"stage": null}, "count": 2, "sum": {"amount": "5.00"}},
        ]));
        // Texts are different as soon as a letter is, and stand in the order of texts.
        let by_city = groups(&admin, "groupBy: [{shop: {city: true}}]", "key { stage shop { city name } } count").await;
        assert_eq!(by_city, json!([
            {"key": {"stage": null, "shop": {"city": "elba", "name": null}}, "count": 2},
            {"key": {"stage": null, "shop": {"city": "Èlba", "name": null}}, "count": 2},
            {"key": {"stage": null, "shop": {"city": null, "name": null}}, "count": 1},
        ]));
        let computed = groups(&admin, "groupBy: [{shop: {income: true}}, {each: true}], filter: {stage: {eq: WON}}", "key { each shop { income } } count").await;
        assert_eq!(computed, json!([
            {"key": {"each": "0.067", "shop": {"income": "10.30"}}, "count": 1}, {"key": {"each": "3.367", "shop": {"income": "10.30"}}, "count": 1},
        ]));
        let by_shop = admin.query("{ saleGroups(groupBy: [{shopId: true}], orderBy: [{key: {shop: {id: DESC_NULLS_LAST}}}]) { key { shopId shop { name } } count }
            shops(orderBy: [{id: DESC}]) { nodes { id } } shopGroups(groupBy: [{saleCount: true}]) { key { saleCount } sum { saleCount income } count } }").await;
        let ids = &by_shop.ok()["shops"]["nodes"];
        assert_eq!(by_shop.ok()["saleGroups"], json!([
            {"key": {"shopId": ids[1]["id"], "shop": null}, "count": 2}, {"key": {"shopId": ids[2]["id"], "shop": null}, "count": 2}, {"key": {"shopId": null, "shop": null}, "count": 1},
        ]));
        assert_eq!(by_shop.ok()["shopGroups"], json!([
            {"key": {"saleCount": 0}, "sum": {"saleCount": "0", "income": null}, "count": 1},
            {"key": {"saleCount": 2}, "sum": {"saleCount": "4", "income": "10.00"}, "count": 2},
        ]));
    }

    async fn groups_are_by_periods_of_the_callers_time_zone(server: Server) {
        let admin = server.admin().await;
        fill(&admin).await;
        for (part, expected) in [
            ("DAY", vec!["2025-12-29", "2026-01-01", "2026-01-31", "2026-02-01"]),
            ("WEEK", vec!["2025-12-29", "2025-12-29", "2026-01-26", "2026-01-26"]),
            ("MONTH", vec!["2025-12-01", "2026-01-01", "2026-01-01", "2026-02-01"]),
            ("QUARTER", vec!["2025-10-01", "2026-01-01", "2026-01-01", "2026-01-01"]),
            ("YEAR", vec!["2025-01-01", "2026-01-01", "2026-01-01", "2026-01-01"]),
        ] {
            let found = groups(&admin, &format!("filter: {{day: {{isNull: false}}}}, groupBy: [{{day: {part}}}]"), "key { day } count").await;
            let mut keys = Vec::new();
            for group in found.as_array().expect("groups") {
                let count = group["count"].as_u64().expect("a count");
                keys.extend((0..count).map(|_| group["key"]["day"].as_str().expect("a day").to_owned()));
            }
            assert_eq!(keys, expected, "{part}");
        }
        // Four instants within 24 hours: the clocks of Rome change in between, and its midnights are not an hour apart from UTC's any more.
        let by_day = "{ saleGroups(groupBy: [{at: DAY}], filter: {at: {isNull: false}}) { key { at } count } }";
        for (zone, expected) in [
            ("UTC", vec![("2026-03-28", 2), ("2026-03-29", 2)]),
            ("Europe/Rome", vec![("2026-03-28", 1), ("2026-03-29", 2), ("2026-03-30", 1)]),
            ("Asia/Calcutta", vec![("2026-03-29", 2), ("2026-03-30", 2)]),
            ("America/New_York", vec![("2026-03-28", 2), ("2026-03-29", 2)]),
        ] {
            let answer = in_zone(&admin, zone, by_day).await;
            let expected: Vec<Value> = expected.into_iter().map(|(day, count)| json!({"key": {"at": day}, "count": count})).collect();
            assert_eq!(answer.ok()["saleGroups"], json!(expected), "{zone}");
        }
        let by_month = "{ saleGroups(groupBy: [{at: MONTH}]) { key { at } count } }";
        assert_eq!(in_zone(&admin, "Pacific/Apia", by_month).await.ok()["saleGroups"], json!([{"key": {"at": "2026-03-01"}, "count": 4}, {"key": {"at": null}, "count": 1}]));
        let unknown = in_zone(&admin, "Europe/Atlantis", by_day).await;
        assert_eq!((unknown.status, unknown.codes()), (400, vec!["BAD_USER_INPUT"]), "{unknown}");
    }

    async fn groups_are_chosen_and_ordered_by_their_figures(server: Server) {
        let admin = server.admin().await;
        fill(&admin).await;
        let codes = |groups: Value| -> Vec<String> {
            groups.as_array().expect("groups").iter().map(|group| group["key"]["stage"].as_str().unwrap_or("none").to_owned()).collect()
        };
        for (arguments, expected) in [
            ("having: {count: {gt: 1}}", vec!["WON", "none"]),
            ("having: {count: {gt: 1}, sum: {amount: {gte: \"10.30\"}}}", vec!["WON"]),
            ("having: {count: {in: [1, 3]}}", vec!["NEW"]),
            ("having: {count: {notIn: []}}", vec!["NEW", "WON", "none"]),
            ("having: {sum: {pieces: {lt: \"7\", gt: 5}}}", vec!["WON"]),
            ("having: {sum: {serial: {eq: \"1\"}}}", vec![]),
            ("having: {sum: {serial: {isNull: true}}}", vec!["NEW", "none"]),
            ("having: {avg: {amount: {ne: \"5.15\"}}}", vec!["NEW", "none"]),
            ("having: {min: {code: {eq: \"Ä\"}}}", vec!["none"]),
            ("having: {max: {code: {contains: \"È\"}}}", vec!["WON"]),
            ("having: {max: {day: {lte: \"2026-01-01\"}, stage: {eq: NEW}}}", vec!["NEW"]),
            ("having: {countDistinct: {shopId: {eq: 1}}}", vec!["NEW", "WON", "none"]),
            ("having: {countDistinct: {code: {lt: null}}}", vec![]),
            ("having: {}", vec!["NEW", "WON", "none"]),
            ("orderBy: [{count: DESC}]", vec!["WON", "none", "NEW"]),
            ("orderBy: [{count: DESC}, {sum: {amount: ASC}}]", vec!["none", "WON", "NEW"]),
            ("orderBy: [{key: {stage: DESC}}]", vec!["none", "WON", "NEW"]),
            ("orderBy: [{sum: {serial: DESC_NULLS_LAST}}, {key: {stage: ASC_NULLS_FIRST}}]", vec!["WON", "none", "NEW"]),
            ("orderBy: [{max: {code: ASC}}]", vec!["NEW", "WON", "none"]),
            ("orderBy: [{min: {amount: DESC}}], first: 2", vec!["none", "WON"]),
            ("orderBy: [{countDistinct: {day: DESC}}], first: 1", vec!["WON"]),
            ("first: 0", vec![]),
        ] {
            let found = groups(&admin, &format!("groupBy: [{{stage: true}}], {arguments}"), "key { stage }").await;
            assert_eq!(codes(found), expected, "{arguments}");
        }
    }

    async fn faulty_questions_about_groups_are_told_what_is_wrong(server: Server) {
        let admin = server.admin().await;
        fill(&admin).await;
        for (arguments, message) in [
            ("groupBy: []", "`groupBy` must name a key; figures over all records are the `aggregate` of the list."),
            ("groupBy: [{stage: false}]", "`stage` must be true: leave it out to group by something else."),
            ("groupBy: [{day: MONTH}, {day: YEAR}]", "A field can be grouped by one period only: its key has one value."),
            ("groupBy: [{stage: true}], orderBy: [{key: {code: ASC}}]", "The groups can be ordered by what they are grouped by, and by figures."),
            ("groupBy: [{stage: true}], first: -1", "`first` must not be negative, found -1."),
            ("groupBy: [{stage: true}], first: 1001", "`first` may be at most 1000, found 1001."),
            ("groupBy: [{stage: true}], having: {count: null}", "A condition must not be null: leave it out, or ask for an absent value with `isNull`."),
        ] {
            let answer = admin.query(&format!("{{ saleGroups({arguments}) {{ count }} }}")).await;
            assert_eq!(answer.refused("BAD_USER_INPUT").errors()[0]["message"], message, "{arguments}");
        }
        for arguments in [
            "groupBy: [{day: true}]", "groupBy: [{stage: MONTH}]", "groupBy: [{stage: true, day: DAY}]", "groupBy: [{tags: true}]", "groupBy: [{extra: true}]",
            "groupBy: [{id: true}]", "groupBy: [{shop: true}]", "groupBy: [{stage: true}], having: {sum: {code: {gt: 1}}}", "groupBy: [{stage: true}], orderBy: [{sum: {day: ASC}}]",
            "groupBy: [{stage: true}], orderBy: [{count: ASC, sum: {amount: ASC}}]", "groupBy: [{stage: true}], after: \"x\"", "first: 3",
        ] {
            admin.query(&format!("{{ saleGroups({arguments}) {{ count }} }}")).await.refused("BAD_USER_INPUT");
        }
        for selection in ["sum { code }", "avg { day }", "min { paid }", "min { extra }", "countDistinct { extra }", "countDistinct { tags }", "sum { version }", "key { tags }"] {
            admin.query(&format!("{{ saleGroups(groupBy: [{{stage: true}}]) {{ {selection} }} }}")).await.refused("BAD_USER_INPUT");
        }
        let many: String = (0..21).map(|_| "{stage: true} ").collect();
        admin.query(&format!("{{ saleGroups(groupBy: [{many}]) {{ count }} }}")).await.refused("LIMIT_EXCEEDED");
        let list = "saleGroups(groupBy: [{stage: true}], first: 1000) { count }";
        let costly: String = (0..19).map(|n| format!("a{n}: {list} ")).collect();
        admin.query(&format!("{{ {costly} }}")).await.ok();
        let nested = "{ shops(first: 1000) { nodes { sales(first: 49) { aggregate { count } nodes { id } } } } more: saleGroups(groupBy: [{stage: true}], first: 1) { count } }";
        admin.query(nested).await.refused("LIMIT_EXCEEDED");
    }

    async fn a_module_without_numbers_has_no_sums(server: Server) {
        let admin = server.admin().await;
        fill(&admin).await;
        admin.create_module(json!({"name": "Word", "plural": "Words", "fields": [{"name": "text", "type": "text"}]})).await.ok();
        let answer = admin.query("{ sum: __type(name: \"WordSum\") { name } avg: __type(name: \"WordAvg\") { name } having: __type(name: \"WordSumHaving\") { name }
            order: __type(name: \"WordNumberOrderBy\") { name } aggregate: __type(name: \"WordAggregate\") { fields { name } } conditions: __type(name: \"WordHaving\") { inputFields { name } } }").await;
        let named = |names: &[&str]| -> Vec<Value> { names.iter().map(|name| json!({"name": name})).collect() };
        let measures = ["count", "min", "max", "countDistinct"];
        assert_eq!(answer.ok(), &json!({
            "sum": null, "avg": null, "having": null, "order": null,
            "aggregate": {"fields": named(&measures)}, "conditions": {"inputFields": named(&measures)},
        }));
        admin.query("{ words { aggregate { sum { text } } } }").await.refused("BAD_USER_INPUT");
    }
}
