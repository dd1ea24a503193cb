//! Faults that were found by attack: each is a case that failed once.

use cardine_tests::on_both_databases;
use serde_json::json;

on_both_databases! {
    async fn a_missing_value_of_a_hidden_field_does_not_tell_its_name(server: Server) {
        let admin = server.admin().await;
        admin
            .create_module(json!({"name": "Parcel", "plural": "Parcels", "fields": [
                {"name": "label", "type": "text", "required": true},
                {"name": "declaredWorth", "type": "money", "required": true},
            ]}))
            .await
            .ok();
        admin.create_role("packer", None).await;
        let fields = json!({"*": "WRITE", "declaredWorth": "NONE"});
        admin.set_access("packer", "Parcel", json!({"create": true, "read": true, "fields": fields})).await;
        let packer = server.create_user_with_role("packer").await;
        let answer = packer.query("mutation { createParcel(data: {label: \"one\"}) { id } }").await;
        answer.refused("VALIDATION_FAILED").never_says("declaredWorth");
        assert_eq!(answer.issues()[0]["path"], json!(["data"]));
        let named = admin.query_with("mutation($data: ParcelCreate!) { createParcel(data: $data) { id } }", json!({"data": {"label": "one"}})).await;
        named.refused("BAD_USER_INPUT");
        assert_eq!(packer.query("{ parcels { totalCount } }").await.ok()["parcels"]["totalCount"], 0);
    }
}

on_both_databases! {
    async fn sums_of_whole_numbers_are_exact_beyond_64_bits(server: Server) {
        let admin = server.admin().await;
        admin
            .create_module(json!({"name": "Shelf", "plural": "Shelves", "fields": [{"name": "label", "type": "text"}]}))
            .await
            .ok();
        admin
            .create_module(json!({"name": "Grain", "plural": "Grains", "fields": [
                {"name": "count", "type": "integer", "big": true},
                {"name": "shelf", "type": "reference", "to": "Shelf", "inverse": "grains"},
            ]}))
            .await
            .ok();
        let rollup = json!({"name": "total", "type": "rollup", "relation": "grains", "function": "SUM", "field": "count", "scope": "ALL"});
        admin.add_field("Shelf", rollup).await.ok();
        for (label, counts) in [("small", ["2", "1"]), ("large", ["9223372036854775807", "9223372036854775807"])] {
            let shelf = admin.create("Shelf", json!({"label": label})).await;
            for count in counts {
                admin.create("Grain", json!({"count": count, "shelfId": shelf})).await;
            }
        }
        let by_total = admin.query("{ shelves(orderBy: [{total: DESC}]) { nodes { label total } } }").await;
        let expected = json!([{"label": "large", "total": "18446744073709551614"}, {"label": "small", "total": "3"}]);
        assert_eq!(by_total.ok()["shelves"]["nodes"], expected);
        for (filter, count) in [("gt: \"3\"", 1), ("eq: \"3\"", 1), ("in: [\"3\", \"4\"]", 1), ("lte: \"3\"", 1), ("notIn: [\"3\"]", 1)] {
            let found = admin.query(&format!("{{ shelves(filter: {{total: {{{filter}}}}}) {{ totalCount }} }}")).await;
            assert_eq!(found.ok()["shelves"]["totalCount"], count, "{filter}");
        }
        let first = admin.query("{ shelves(orderBy: [{total: ASC}], first: 1) { edges { cursor } } }").await;
        let cursor = first.ok()["shelves"]["edges"][0]["cursor"].clone();
        let rest = "query($after: String) { shelves(orderBy: [{total: ASC}], after: $after) { nodes { label } } }";
        let rest = admin.query_with(rest, json!({"after": cursor})).await;
        assert_eq!(rest.ok()["shelves"]["nodes"], json!([{"label": "large"}]));
    }
}

on_both_databases! {
    async fn a_needle_of_any_length_is_looked_for(server: Server) {
        let admin = server.admin().await;
        admin.create("Organization", json!({"name": "100 % Sicilia_\\ S.r.l."})).await;
        let text = "query($filter: StringFilter) { organizations(filter: {name: $filter}) { totalCount } }";
        for (needle, count) in [("%_".repeat(200_000), 0), ("% s".to_owned(), 1), ("a_\\".to_owned(), 1), ("a_x".to_owned(), 0)] {
            let answer = admin.query_with(text, json!({"filter": {"contains": needle}})).await;
            assert_eq!(answer.ok()["organizations"]["totalCount"], count);
        }
        for (filter, count) in [
            (json!({"startsWith": "100 %"}), 1),
            (json!({"startsWith": "00"}), 0),
            (json!({"endsWith": "S.R.L."}), 1),
            (json!({"endsWith": "100"}), 0),
            (json!({"startsWith": "", "endsWith": ""}), 1),
        ] {
            let answer = admin.query_with(text, json!({"filter": filter})).await;
            assert_eq!(answer.ok()["organizations"]["totalCount"], count, "{filter}");
        }
    }
}

on_both_databases! {
    async fn an_unknown_key_does_not_keep_other_faults_back(server: Server) {
        let admin = server.admin().await;
        let definition = json!({"name": "Faulty", "plural": "Faulties", "fields": [
            {"name": "lead", "type": "reference", "to": "Nope"},
            {"name": "height", "type": "decimal", "scale": 11},
            {"name": "double", "type": "formula", "returns": "decimal", "rule": "nope + 1"},
            {"name": "label", "type": "text", "bogus": 1},
            {"name": "code", "type": "text", "pattern": "("},
        ]});
        let answer = admin.create_module(definition).await;
        let issues = answer.refused("VALIDATION_FAILED").issues();
        let mut paths: Vec<String> = issues.iter().map(|issue| issue["path"].to_string()).collect();
        paths.sort();
        let expected = [
            r#"["definition","fields",0,"to"]"#,
            r#"["definition","fields",1,"scale"]"#,
            r#"["definition","fields",2,"rule"]"#,
            r#"["definition","fields",3,"bogus"]"#,
            r#"["definition","fields",4,"pattern"]"#,
        ];
        assert_eq!(paths, expected);
    }
}

on_both_databases! {
    async fn what_a_default_rule_gives_meets_the_rules_of_its_field(server: Server) {
        let admin = server.admin().await;
        admin
            .create_module(json!({"name": "Crate", "plural": "Crates", "fields": [
                {"name": "side", "type": "decimal", "scale": 2},
                {"name": "pieces", "type": "integer", "big": true},
                {"name": "mark", "type": "text"},
                {"name": "area", "type": "decimal", "scale": 2, "default": {"rule": "side * side"}},
                {"name": "few", "type": "integer", "default": {"rule": "pieces"}},
                {"name": "twice", "type": "text", "maxLength": 5, "default": {"rule": "mark + mark"}},
                {"name": "square", "type": "formula", "returns": "integer", "rule": "pieces * pieces"},
            ]}))
            .await
            .ok();
        let create = "mutation($data: CrateCreate!) { createCrate(data: $data) { area few twice square } }";
        let fits = json!({"side": "1.55", "pieces": "7", "mark": "ab"});
        let answer = admin.query_with(create, json!({"data": fits})).await;
        let expected = json!({"area": "2.40", "few": 7, "twice": "abab", "square": 49});
        assert_eq!(answer.ok()["createCrate"], expected);
        let huge = json!({"side": "99999999999999999999999999.99", "pieces": "9223372036854775807", "mark": "abc"});
        let answer = admin.query_with(create, json!({"data": huge})).await;
        let issues = answer.refused("VALIDATION_FAILED").issues();
        let paths: Vec<_> = issues.iter().map(|issue| issue["path"].clone()).collect();
        assert_eq!(paths, [json!(["data", "area"]), json!(["data", "few"]), json!(["data", "twice"])]);
        // A formula beyond what its type can show has no value to show, and fails no other record.
        let large = json!({"pieces": "9223372036854775807", "few": 1});
        let answer = admin.query_with(create, json!({"data": large})).await;
        assert_eq!(answer.ok()["createCrate"]["square"], json!(null));
        let counted = admin.query("{ crates(filter: {square: {gt: 48}}, orderBy: [{square: DESC}]) { totalCount nodes { square } } }").await;
        assert_eq!(counted.ok()["crates"], json!({"totalCount": 2, "nodes": [{"square": null}, {"square": 49}]}));
    }
}

on_both_databases! {
    async fn operations_that_write_the_same_records_do_not_wait_in_a_circle(server: Server) {
        let admin = server.admin().await;
        let mut ids = Vec::new();
        for number in 0..4 {
            ids.push(admin.create("Organization", json!({"name": format!("Hot {number}")})).await);
        }
        let operation = |turn: usize| {
            let update = |place: usize| {
                let id = &ids[(place * (turn % 3 + 1) + turn) % ids.len()];
                format!("u{place}: updateOrganization(id: \"{id}\", data: {{employees: {turn}}}) {{ id }}")
            };
            format!("mutation {{ {} }}", (0..4).map(update).collect::<Vec<_>>().join(" "))
        };
        let operations: Vec<String> = (0..60).map(operation).collect();
        let answers = futures_util::future::join_all(operations.iter().map(|text| admin.query(text))).await;
        for answer in answers {
            answer.ok();
        }
    }
}

on_both_databases! {
    async fn a_record_is_not_deleted_while_another_comes_to_need_it(server: Server) {
        let admin = server.admin().await;
        admin
            .create_module(json!({"name": "Dock", "plural": "Docks", "fields": [{"name": "label", "type": "text"}]}))
            .await
            .ok();
        admin
            .create_module(json!({"name": "Boat", "plural": "Boats", "fields": [
                {"name": "dock", "type": "reference", "to": "Dock", "inverse": "boats", "onDelete": "RESTRICT"},
            ]}))
            .await
            .ok();
        for _ in 0..20 {
            let dock = admin.create("Dock", json!({"label": "x"})).await;
            let delete = format!("mutation {{ deleteDock(id: \"{dock}\") {{ id }} }}");
            let create = format!("mutation {{ createBoat(data: {{dockId: \"{dock}\"}}) {{ id }} }}");
            let (deleted, created) = futures_util::join!(admin.query(&delete), admin.query(&create));
            let refused = [&deleted, &created].into_iter().filter(|answer| !answer.codes().is_empty()).count();
            assert_eq!(refused, 1, "{} {}", deleted.text, created.text);
        }
    }
}
