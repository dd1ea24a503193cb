//! Each type of field from its definition to filters and orders: what goes in comes out, what is faulty is told with its place.

use cardine_tests::{Answer, Client, on_both_databases};
use serde_json::{Value, json};

/// A module with the types that have a form of their own, and `indexed` as what is added later.
async fn create_places(admin: &Client) {
    let fields = json!([
        {"name": "code", "type": "text", "required": true},
        {"name": "length", "type": "duration"},
        {"name": "billing", "type": "address"},
        {"name": "point", "type": "geoPoint"},
        {"name": "extra", "type": "json", "schema": {"type": "object"}},
        {"name": "page", "type": "richText"},
        {"name": "traits", "type": "multiChoice", "options": [{"value": "NEAR"}, {"value": "LARGE"}, {"value": "DEAR"}]},
        {"name": "above", "type": "reference", "to": "Place", "inverse": "below"},
        {"name": "hours", "type": "formula", "returns": "decimal", "scale": 2, "rule": "length / 3600"},
        {"name": "isNear", "type": "formula", "returns": "boolean", "rule": "billing.city == \"Bologna\" || above.billing.city == \"Bologna\""},
        {"name": "longest", "type": "rollup", "relation": "below", "function": "MAX", "field": "length"},
        {"name": "cities", "type": "rollup", "relation": "below", "function": "COUNT_DISTINCT", "field": "billing.city"}
    ]);
    let definition = json!({"name": "Place", "plural": "Places", "nameField": "code", "fields": fields,
        "indexes": [{"fields": ["billing.city"]}],
        "validations": [{"rule": "billing.country == null || billing.country != \"Nowhere\"", "message": "Nobody lives there.", "fields": ["billing"]}]});
    admin.create_module(definition).await.ok();
}

async fn codes(client: &Client, arguments: &str) -> Vec<String> {
    let answer = client.query(&format!("{{ places({arguments}) {{ totalCount nodes {{ code }} }} }}")).await;
    let places = answer.ok()["places"].clone();
    let nodes = places["nodes"].as_array().expect("nodes").clone();
    assert_eq!(places["totalCount"], json!(nodes.len()), "{arguments}");
    nodes.iter().map(|node| node["code"].as_str().expect("a code").to_owned()).collect()
}

async fn filtered(client: &Client, filter: &str) -> String {
    codes(client, &format!("filter: {filter}, orderBy: [{{code: ASC}}]")).await.concat()
}

async fn create(client: &Client, data: Value) -> Answer {
    let mutation = "mutation($data: PlaceCreate!) { createPlace(data: $data) { id code length billing { street city country } \
                    point { latitude longitude } page traits extra } }";
    client.query_with(mutation, json!({"data": data})).await
}

fn issues(answer: &Answer) -> Vec<String> {
    let issues = answer.errors()[0]["extensions"]["issues"].as_array().expect("issues").clone();
    issues.iter().map(|issue| format!("{} {}", issue["path"], issue["rule"].as_str().expect("a rule"))).collect()
}

on_both_databases! {
    async fn durations_have_one_form_and_a_length(server: Server) {
        let admin = server.admin().await;
        create_places(&admin).await;
        for (code, length, shown) in [
            ("a", json!("PT90M"), json!("PT1H30M")),
            ("b", json!("P1W"), json!("P7D")),
            ("c", json!("-PT1S"), json!("-PT1S")),
            ("d", json!("PT0S"), json!("PT0S")),
            ("e", json!(null), json!(null)),
            ("f", json!("P3652500D"), json!("P3652500D")),
        ] {
            let created = create(&admin, json!({"code": code, "length": length})).await;
            assert_eq!(created.ok()["createPlace"]["length"], shown);
        }
        for (filter, expected) in [
            ("{length: {eq: \"PT5400S\"}}", "a"),
            ("{length: {ne: \"PT5400S\"}}", "bcdf"),
            ("{length: {in: [\"P7D\", \"PT0S\"]}}", "bd"),
            ("{length: {notIn: [\"P7D\", \"PT0S\"]}}", "acf"),
            ("{length: {gt: \"PT0S\", lt: \"P8D\"}}", "ab"),
            ("{length: {lte: \"PT0S\"}}", "cd"),
            ("{length: {isNull: true}}", "e"),
            ("{hours: {eq: \"1.5\"}}", "a"),
            ("{hours: {lt: 0}}", ""),
        ] {
            assert_eq!(filtered(&admin, filter).await, expected, "{filter}");
        }
        assert_eq!(codes(&admin, "orderBy: [{length: ASC}]").await.concat(), "cdabfe");
        assert_eq!(codes(&admin, "orderBy: [{length: DESC_NULLS_LAST}]").await.concat(), "fbadce");
        let page = admin.query("{ places(orderBy: [{length: ASC}], first: 2) { pageInfo { endCursor } } }").await;
        let cursor = page.ok()["places"]["pageInfo"]["endCursor"].to_string();
        let rest = admin.query(&format!("{{ places(orderBy: [{{length: ASC}}], after: {cursor}) {{ nodes {{ code }} }} }}")).await;
        assert_eq!(rest.ok()["places"]["nodes"][0]["code"], "a");
        for (faulty, word) in [("P1M", "months"), ("PT0.5S", "whole seconds"), ("1h", "ISO 8601"), ("P99999999D", "10,000 years")] {
            let refused = create(&admin, json!({"code": "x", "length": faulty})).await;
            let message = refused.errors()[0]["message"].as_str().expect("a message").to_owned();
            assert!(message.contains(word) && message.contains("length"), "{message}");
        }
    }

    async fn an_address_is_written_filtered_and_ordered_by_its_parts(server: Server) {
        let admin = server.admin().await;
        create_places(&admin).await;
        let one = create(&admin, json!({"code": "a", "billing": {"street": "Via Emilia 1", "city": "Bologna", "country": "Italia"}})).await;
        let one = one.ok()["createPlace"].clone();
        assert_eq!(one["billing"], json!({"street": "Via Emilia 1", "city": "Bologna", "country": "Italia"}));
        for (code, billing) in [("b", json!({"city": "Àosta"})), ("c", json!(null)), ("d", json!({"street": "Weg 2", "city": "Zürich"})), ("e", json!({}))] {
            create(&admin, json!({"code": code, "billing": billing, "aboveId": one["id"]})).await.ok();
        }
        for (filter, expected) in [
            ("{billing: {city: {eq: \"BOLOGNA\"}}}", "a"),
            ("{billing: {city: {in: [\"bologna\", \"zürich\"]}, street: {startsWith: \"w\"}}}", "d"),
            ("{billing: {isNull: true}}", "ce"),
            ("{billing: {isNull: false}}", "abd"),
            ("{billing: {street: {isNull: true}}}", "bce"),
            ("{not: {billing: {city: {contains: \"o\"}}}}", "d"),
            ("{billing: {}}", "abcde"),
            ("{above: {billing: {city: {eq: \"bologna\"}}}}", "bcde"),
            ("{below: {some: {billing: {city: {eq: \"zürich\"}}}}}", "a"),
            ("{isNear: {eq: true}}", "abcde"),
            ("{cities: {eq: 2}}", "a"),
        ] {
            assert_eq!(filtered(&admin, filter).await, expected, "{filter}");
        }
        assert_eq!(codes(&admin, "orderBy: [{billing: {city: ASC}}, {code: ASC}]").await.concat(), "badce");
        assert_eq!(codes(&admin, "orderBy: [{above: {billing: {city: DESC_NULLS_LAST}}}, {code: DESC}]").await.concat(), "edcba");

        // Parts that are left out keep their value; null clears, one part or all.
        let update = |data: Value| {
            let (admin, id) = (admin.clone(), one["id"].clone());
            async move {
                let mutation = "mutation($id: ID!, $data: PlaceUpdate!) { updatePlace(id: $id, data: $data) { version billing { __typename street c: city state } } }";
                admin.query_with(mutation, json!({"id": id, "data": data})).await.ok()["updatePlace"].clone()
            }
        };
        let changed = update(json!({"billing": {"city": "Modena", "street": null}})).await;
        assert_eq!(changed["billing"], json!({"__typename": "Address", "street": null, "c": "Modena", "state": null}));
        let changed = update(json!({"billing": null})).await;
        assert_eq!((&changed["billing"], &changed["version"]), (&json!(null), &json!(3)));

        // Several faults come at once, each at its part; rules read parts, too.
        let long = "x".repeat(121);
        let faulty = create(&admin, json!({"code": null, "billing": {"city": long, "country": long}, "point": {"latitude": "90.5", "longitude": "-180.1"}})).await;
        assert_eq!(faulty.errors()[0]["extensions"]["code"], "BAD_USER_INPUT");
        let faulty = create(&admin, json!({"code": "x", "billing": {"city": long, "country": long}, "point": {"latitude": "90.5", "longitude": "-180.1"}})).await;
        assert_eq!(
            issues(&faulty),
            [
                r#"["data","billing","city"] maxLength"#,
                r#"["data","billing","country"] maxLength"#,
                r#"["data","point","latitude"] range"#,
                r#"["data","point","longitude"] range"#
            ]
        );
        let nowhere = create(&admin, json!({"code": "x", "billing": {"country": "Nowhere"}})).await;
        assert_eq!(issues(&nowhere), [r#"["data","billing"] validation"#]);
        let unknown = create(&admin, json!({"code": "x", "billing": {"zip": "40121"}})).await;
        assert!(unknown.errors()[0]["message"].as_str().expect("a message").contains("\"zip\" is not defined by type \"AddressInput\""));
    }

    async fn a_place_on_earth_has_both_degrees_or_none(server: Server) {
        let admin = server.admin().await;
        create_places(&admin).await;
        let point = |latitude: &str, longitude: &str| json!({"latitude": latitude, "longitude": longitude});
        for (code, given) in [("a", point("44.4949", "11.3426")), ("b", point("-90", "180")), ("c", json!(null)), ("d", point("0", "-0.0000001"))] {
            create(&admin, json!({"code": code, "point": given})).await.ok();
        }
        let answer = admin.query("{ places(orderBy: [{code: ASC}]) { nodes { point { latitude longitude } } } }").await;
        assert_eq!(
            answer.ok()["places"]["nodes"],
            json!([{"point": point("44.4949000", "11.3426000")}, {"point": point("-90.0000000", "180.0000000")}, {"point": null}, {"point": point("0.0000000", "-0.0000001")}])
        );
        for (filter, expected) in [
            ("{point: {latitude: {gte: \"40\", lte: \"50\"}, longitude: {gte: \"10\", lte: \"12\"}}}", "a"),
            ("{point: {isNull: true}}", "c"),
            ("{point: {longitude: {lt: 0}}}", "d"),
        ] {
            assert_eq!(filtered(&admin, filter).await, expected, "{filter}");
        }
        assert_eq!(codes(&admin, "orderBy: [{point: {latitude: DESC_NULLS_LAST}}]").await.concat(), "adbc");
        let half = create(&admin, json!({"code": "x", "point": {"latitude": "1"}})).await;
        assert!(half.errors()[0]["message"].as_str().expect("a message").contains("GeoPointInput.longitude"), "{half}");
        let fine = create(&admin, json!({"code": "x", "point": point("1.12345678", "1")})).await;
        assert_eq!(issues(&fine), [r#"["data","point","latitude"] scale"#]);
    }

    async fn values_inside_json_are_compared_by_path(server: Server) {
        let admin = server.admin().await;
        create_places(&admin).await;
        for (code, extra) in [
            ("a", json!({"n": 5, "s": "Straße", "b": true, "deep": {"list": [{"x": 1.5}, "two"]}, "two words": 1})),
            ("b", json!({"n": 5.0, "s": "STRASSE", "b": false, "deep": {"list": []}})),
            ("c", json!({"n": "5", "s": 7, "b": null, "deep": {"list": {"0": {"x": 15e-1}}}})),
            ("d", json!({"n": 1e300, "s": "", "b": "true", "deep": null})),
            ("e", json!({"n": -0.0, "s": ["Straße"], "0": "zero"})),
            ("f", json!(null)),
        ] {
            create(&admin, json!({"code": code, "extra": extra})).await.ok();
        }
        for (filter, expected) in [
            ("{path: \"$.n\", eq: 5}", "ab"),
            ("{path: \"$.n\", eq: 5.0}", "ab"),
            ("{path: \"$.n\", eq: \"5\"}", "c"),
            ("{path: \"$.n\", ne: 5}", "cde"),
            ("{path: \"$.n\", in: [\"5\", 0]}", "ce"),
            ("{path: \"$.n\", notIn: [\"5\", 0]}", "abd"),
            ("{path: \"$.n\", notIn: []}", "abcdef"),
            ("{path: \"$.n\", in: []}", ""),
            ("{path: \"$.n\", gt: 4.99}", "abd"),
            ("{path: \"$.n\", lte: 5}", "abe"),
            ("{path: \"$.n\", gt: \"4\"}", "c"),
            ("{path: \"$.s\", eq: \"strasse\"}", "ab"),
            ("{path: \"$.s\", contains: \"RASS\"}", "ab"),
            ("{path: \"$.s\", startsWith: \"str\", endsWith: \"SSE\"}", "ab"),
            ("{path: \"$.s\", lt: \"t\"}", "abd"),
            ("{path: \"$.s\", ne: \"strasse\"}", "cde"),
            ("{path: \"$.b\", eq: true}", "a"),
            ("{path: \"$.b\", ne: true}", "bd"),
            ("{path: \"$.b\", isNull: true}", "cef"),
            ("{path: \"$.deep\", isNull: false}", "abc"),
            ("{path: \"$.deep.list[0].x\", eq: 1.5}", "ac"),
            ("{path: \"$.deep.list[1]\", eq: \"TWO\"}", "a"),
            ("{path: \"$.deep.list[1].x\", isNull: true}", "abcdef"),
            ("{path: \"$[\\\"two words\\\"]\", gte: 1}", "a"),
            ("{path: \"$[0]\", eq: \"zero\"}", "e"),
            ("{path: \"$.nothing\", ne: 1}", ""),
            ("{path: \"$\", isNull: true}", "f"),
            ("{isNull: false}", "abcde"),
            ("{path: \"$.n\", eq: null}", ""),
        ] {
            assert_eq!(filtered(&admin, &format!("{{extra: {filter}}}")).await, expected, "{filter}");
            // What the operand is does not change the question: it may come by variable.
        }
        assert_eq!(filtered(&admin, "{not: {extra: {path: \"$.n\", lt: 5}}}").await, "abd");
        let by_variable = "query($value: JSON, $path: String) { places(filter: {extra: {path: $path, eq: $value}}, orderBy: [{code: ASC}]) { nodes { code } } }";
        for (value, count) in [(json!(5), 2), (json!("5"), 1), (json!(true), 0)] {
            let answer = admin.query_with(by_variable, json!({"value": value, "path": "$.n"})).await;
            assert_eq!(answer.ok()["places"]["nodes"].as_array().expect("nodes").len(), count, "{value}");
        }
        for (filter, place, word) in [
            ("{path: \"n\", eq: 1}", r#"["filter","extra","path"] path"#, "begins with $"),
            ("{path: \"$[-1]\", eq: 1}", r#"["filter","extra","path"] path"#, "begins with $"),
            ("{path: \"$.n\", eq: {a: 1}}", r#"["filter","extra","eq"] type"#, "a text, a number or a truth value"),
            ("{path: \"$.n\", in: [[1]]}", r#"["filter","extra","in"] type"#, "a text, a number or a truth value"),
            ("{path: \"$.n\", lt: true}", r#"["filter","extra","lt"] type"#, "have an order"),
        ] {
            let refused = admin.query(&format!("{{ places(filter: {{extra: {filter}}}) {{ nodes {{ code }} }} }}")).await;
            assert_eq!(issues(&refused), [place], "{refused}");
            assert!(refused.errors()[0]["message"].as_str().expect("a message").contains(word), "{refused}");
        }
        let unfit = create(&admin, json!({"code": "x", "extra": [1]})).await;
        assert_eq!(issues(&unfit), [r#"["data","extra"] schema"#]);
    }

    async fn rich_text_is_stored_without_what_could_run(server: Server) {
        let admin = server.admin().await;
        create_places(&admin).await;
        let created = create(&admin, json!({"code": "a", "page": "<p onclick=\"x()\">Hi <b>you</b><script>alert(1)</script></p>"})).await;
        assert_eq!(created.ok()["createPlace"]["page"], "<p>Hi <b>you</b></p>");
        let id = created.ok()["createPlace"]["id"].clone();
        let mutation = "mutation($id: ID!, $page: String) { updatePlace(id: $id, data: {page: $page}) { page } }";
        let updated = admin.query_with(mutation, json!({"id": id, "page": "<a href=\"javascript:x()\">y</a> 1 < 2"})).await;
        assert_eq!(updated.ok()["updatePlace"]["page"], "<a rel=\"noopener noreferrer\">y</a> 1 &lt; 2");
    }

    async fn several_choices_are_asked_for_one_any_or_all(server: Server) {
        let admin = server.admin().await;
        create_places(&admin).await;
        for (code, traits) in [("a", json!(["NEAR", "LARGE"])), ("b", json!(["LARGE"])), ("c", json!([])), ("d", json!(null)), ("e", json!(["DEAR", "NEAR", "DEAR"]))] {
            create(&admin, json!({"code": code, "traits": traits})).await.ok();
        }
        for (filter, expected) in [
            ("{has: NEAR}", "ae"),
            ("{hasAny: [LARGE, DEAR]}", "abe"),
            ("{hasAny: []}", ""),
            ("{hasAll: [NEAR, LARGE]}", "a"),
            ("{hasAll: []}", "abce"),
            ("{isNull: true}", "d"),
        ] {
            assert_eq!(filtered(&admin, &format!("{{traits: {filter}}}")).await, expected, "{filter}");
        }
        assert_eq!(filtered(&admin, "{not: {traits: {has: NEAR}}}").await, "bc");
        let answer = admin.query("{ places(filter: {code: {eq: \"e\"}}) { nodes { traits } } }").await;
        assert_eq!(answer.ok()["places"]["nodes"][0]["traits"], json!(["DEAR", "NEAR"]));
    }

    async fn every_type_can_be_added_to_a_module_with_records(server: Server) {
        let admin = server.admin().await;
        admin.create_module(json!({"name": "Place", "plural": "Places", "fields": [{"name": "code", "type": "text"}]})).await.ok();
        admin.create("Place", json!({"code": "old"})).await;
        for field in [
            json!({"name": "length", "type": "duration", "required": true, "default": "P1W", "indexed": true}),
            json!({"name": "billing", "type": "address", "required": true, "default": {"country": "Italia"}}),
            json!({"name": "point", "type": "geoPoint", "default": {"latitude": "1", "longitude": "2.5"}}),
            json!({"name": "page", "type": "richText", "required": true, "default": "<b>x</b><script>y</script>"}),
        ] {
            admin.add_field("Place", field.clone()).await.ok();
        }
        let missing = admin.add_field("Place", json!({"name": "other", "type": "address", "required": true})).await;
        assert!(missing.errors()[0]["message"].as_str().expect("a message").contains("required"), "{missing}");
        admin.create("Place", json!({"code": "new", "billing": {"city": "Roma"}})).await;
        let answer = admin
            .query("{ places(orderBy: [{code: DESC}]) { nodes { length billing { city country } point { latitude longitude } page } } }")
            .await;
        let given = json!({"latitude": "1.0000000", "longitude": "2.5000000"});
        assert_eq!(
            answer.ok()["places"]["nodes"],
            json!([
                {"length": "P7D", "billing": {"city": null, "country": "Italia"}, "point": null, "page": "<b>x</b>"},
                {"length": "P7D", "billing": {"city": "Roma", "country": "Italia"}, "point": given, "page": "<b>x</b>"}
            ])
        );
        let emptied = admin.query("mutation { createPlace(data: {billing: null}) { id } }").await;
        assert!(!emptied.errors().is_empty(), "{emptied}");
    }

    async fn an_address_is_hidden_as_a_whole(server: Server) {
        let admin = server.admin().await;
        create_places(&admin).await;
        create(&admin, json!({"code": "a", "billing": {"city": "Bologna"}})).await.ok();
        admin.create_role("reader", None).await;
        let rights = |access: &str| json!({"read": true, "update": true, "fields": {"*": "WRITE", "billing": access}});
        admin.set_access("reader", "Place", rights("NONE")).await;
        let reader = server.create_user_with_role("reader").await;
        for text in [
            "{ places { nodes { billing { city } } } }",
            "{ places(filter: {billing: {city: {eq: \"Bologna\"}}}) { nodes { code } } }",
            "{ places(orderBy: [{billing: {city: ASC}}]) { nodes { code } } }",
            "{ places { nodes { isNear } } }",
            "mutation { updatePlace(id: \"x\", data: {billing: null}) { code } }",
        ] {
            let refused = reader.query(text).await;
            let message = refused.errors()[0]["message"].as_str().expect("a message").to_owned();
            assert!(message.contains("billing") || message.contains("isNear"), "{text}: {message}");
            assert!(!message.contains("city"), "{text}: {message}");
        }
        let types = reader.query("{ a: __type(name: \"Address\") { name } b: __type(name: \"AddressFilter\") { name } c: __type(name: \"AddressInput\") { name } g: __type(name: \"GeoPointInput\") { name } }").await;
        assert_eq!(types.ok(), &json!({"a": null, "b": null, "c": null, "g": {"name": "GeoPointInput"}}));
        admin.set_access("reader", "Place", rights("READ")).await;
        let types = reader.query("{ a: __type(name: \"Address\") { name } c: __type(name: \"AddressInput\") { name } places { nodes { code } } }").await;
        assert_eq!(types.ok()["a"]["name"], "Address");
        assert_eq!(types.ok()["c"], json!(null));
        let unknown = admin.admin_query_with(
            "mutation { setAccess(role: \"reader\", module: \"Place\", fields: {\"billing.city\": \"READ\"}) { name } }", json!({})).await;
        assert!(!unknown.errors().is_empty(), "{unknown}");
    }

    async fn a_reference_to_several_modules_is_asked_for_by_module(server: Server) {
        let admin = server.admin().await;
        for (name, plural) in [("Plant", "Plants"), ("Animal", "Animals")] {
            let fields = json!([{"name": "title", "type": "text"}, {"name": "weight", "type": "integer"}]);
            admin.create_module(json!({"name": name, "plural": plural, "fields": fields})).await.ok();
        }
        let fields = json!([
            {"name": "text", "type": "text"},
            {"name": "subject", "type": "reference", "to": ["Plant", "Animal"], "inverse": "labels"},
            {"name": "anything", "type": "reference", "to": "*", "inverse": "remarks"}
        ]);
        admin.create_module(json!({"name": "Label", "plural": "Labels", "fields": fields})).await.ok();
        let plant = admin.create("Plant", json!({"title": "Fern", "weight": 1})).await;
        let animal = admin.create("Animal", json!({"title": "Fox", "weight": 7})).await;
        for (text, subject) in [("a", json!(plant)), ("b", json!(animal)), ("c", json!(animal)), ("d", json!(null))] {
            admin.create("Label", json!({"text": text, "subjectId": subject, "anythingId": subject})).await;
        }
        let labels = |filter: &str| {
            let text = format!("{{ labels(filter: {filter}, orderBy: [{{text: ASC}}]) {{ nodes {{ text }} }} }}");
            let admin = admin.clone();
            async move {
                let answer = admin.query(&text).await;
                let nodes = answer.ok()["labels"]["nodes"].as_array().expect("nodes").clone();
                nodes.iter().map(|node| node["text"].as_str().expect("text").to_owned()).collect::<String>()
            }
        };
        for (filter, expected) in [
            ("{subject: {plant: {}}}".to_owned(), "a"),
            ("{subject: {animal: {}}}".to_owned(), "bc"),
            ("{subject: {animal: {weight: {gt: 5}}}}".to_owned(), "bc"),
            ("{subject: {animal: {weight: {gt: 9}}}}".to_owned(), ""),
            ("{or: [{subject: {plant: {title: {eq: \"FERN\"}}}}, {subject: {isNull: true}}]}".to_owned(), "ad"),
            // What is known to be of another module is not one of these: not unknown, but false.
            ("{not: {subject: {plant: {weight: {eq: 1}}}}}".to_owned(), "bcd"),
            ("{subject: {plant: {}, animal: {}}}".to_owned(), ""),
            ("{subject: {isNull: false}}".to_owned(), "abc"),
            (format!("{{subjectId: {{in: [\"{plant}\"]}}}}"), "a"),
            ("{anything: {animal: {labels: {some: {text: {eq: \"b\"}}}}}}".to_owned(), "bc"),
        ] {
            assert_eq!(labels(&filter).await, expected, "{filter}");
        }
        let answer = admin
            .query("{ labels(orderBy: [{text: ASC}], first: 2) { nodes { subject { __typename ... on Plant { title } ... on Animal { name: title weight } } } } \
                    animals { nodes { labels(orderBy: [{text: DESC}], first: 1) { totalCount nodes { text } } remarks { totalCount } } } \
                    plants(filter: {labels: {some: {text: {eq: \"a\"}}}}) { totalCount } }")
            .await;
        assert_eq!(
            answer.ok(),
            &json!({
                "labels": {"nodes": [{"subject": {"__typename": "Plant", "title": "Fern"}}, {"subject": {"__typename": "Animal", "name": "Fox", "weight": 7}}]},
                "animals": {"nodes": [{"labels": {"totalCount": 2, "nodes": [{"text": "c"}]}, "remarks": {"totalCount": 2}}]},
                "plants": {"totalCount": 1}
            })
        );
        let refused = admin.query("{ labels(orderBy: [{subject: {plant: {title: ASC}}}]) { nodes { text } } }").await;
        assert!(refused.errors()[0]["message"].as_str().expect("a message").contains("\"subject\" is not defined by type \"LabelOrderBy\""), "{refused}");
        let owners = admin.query("{ labels(filter: {owner: {user: {}}}) { totalCount } none: labels(filter: {owner: {group: {}}}) { totalCount } }").await;
        assert_eq!(owners.ok(), &json!({"labels": {"totalCount": 4}, "none": {"totalCount": 0}}));

        // For whom one of the modules does not exist, its records are no subjects, and its filter is no field.
        admin.create_role("botanist", None).await;
        let rights = json!({"read": true, "fields": {"*": "READ"}});
        for module in ["Label", "Plant"] {
            admin.set_access("botanist", module, rights.clone()).await;
        }
        let everything = json!({"name": "Board", "plural": "Boards", "sharing": "PUBLIC_READ", "fields": [{"name": "x", "type": "text"}]});
        admin.create_module(everything).await.ok();
        let botanist = server.create_user_with_role("botanist").await;
        let hidden = botanist.query("{ labels(filter: {subject: {animal: {}}}) { totalCount } }").await;
        assert!(hidden.errors()[0]["message"].as_str().expect("a message").contains("\"animal\" is not defined by type \"LabelSubjectFilter\""), "{hidden}");
        let types = botanist.query("{ __type(name: \"LabelSubjectFilter\") { inputFields { name } } }").await;
        assert_eq!(types.ok()["__type"]["inputFields"], json!([{"name": "plant"}, {"name": "isNull"}]));
    }
}
