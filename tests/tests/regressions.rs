//! Faults that were found by attack: each is a case that failed once.

use cardine_tests::on_both_databases;
use serde_json::{Value, json};

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

/// Records of every kind that the cases below need.
async fn define_visits(admin: &cardine_tests::Client) {
    admin
        .create_module(json!({"name": "Visit", "plural": "Visits", "fields": [
            {"name": "code", "type": "text"}, {"name": "at", "type": "dateTime"}, {"name": "notes", "type": "json"},
        ]}))
        .await
        .ok();
}

on_both_databases! {
    async fn a_cursor_holds_however_equal_arguments_are_written(server: Server) {
        let admin = server.admin().await;
        define_visits(&admin).await;
        admin.create_many("Visit", ["a", "b", "c"].map(|code| json!({"code": code}))).await;
        let page = async |client: &cardine_tests::Client, arguments: &str, variables: serde_json::Value| {
            let query = format!("query($f: VisitFilter, $o: [VisitOrderBy!]) {{ visits(first: 1{arguments}) {{ edges {{ cursor node {{ code }} }} }} x: visits(filter: $f, orderBy: $o) {{ totalCount }} }}");
            client.query_with(&query, variables).await
        };
        let cursor = page(&admin, "", json!({})).await.ok()["visits"]["edges"][0]["cursor"].as_str().expect("a cursor").to_owned();
        let after = format!(", after: \"{cursor}\"");
        let same = [
            "", ", filter: null", ", filter: {}", ", filter: {and: []}", ", filter: {and: [{}, {code: {}}]}", ", orderBy: []", ", orderBy: null", ", deleted: EXCLUDE",
            ", filter: $f, orderBy: $o",
        ];
        for (arguments, variables) in same.iter().map(|same| (*same, json!({}))).chain([(same[8], json!({"f": {"and": []}, "o": []})), (same[8], json!({"f": {}}))]) {
            let answer = page(&admin, &format!("{after}{arguments}"), variables.clone()).await;
            assert_eq!(answer.ok()["visits"]["edges"][0]["node"]["code"], "b", "{arguments} {variables}");
        }
        for other in [", filter: {or: []}", ", filter: {not: {}}", ", filter: {code: {isNull: false}}", ", orderBy: [{code: ASC}]", ", deleted: INCLUDE"] {
            page(&admin, &format!("{after}{other}"), json!({})).await.refused("BAD_USER_INPUT");
        }
        // The order in which conditions are written means nothing either.
        let one = page(&admin, ", filter: {code: {gte: \"a\", lt: \"z\"}, at: {isNull: true}}", json!({})).await;
        let cursor = one.ok()["visits"]["edges"][0]["cursor"].clone();
        let other = page(&admin, &format!(", after: {cursor}, filter: {{at: {{isNull: true}}, code: {{lt: \"z\", gte: \"a\"}}}}"), json!({})).await;
        assert_eq!(other.ok()["visits"]["edges"][0]["node"]["code"], "b");

        // Nor does the right to delete, which brings an argument with a default.
        admin.create_role("visitor", None).await;
        admin.set_access("visitor", "Visit", json!({"create": true, "read": true, "fields": {"*": "WRITE"}})).await;
        let visitor = server.create_user_with_role("visitor").await;
        visitor.create_many("Visit", ["d", "e"].map(|code| json!({"code": code}))).await;
        let cursor = page(&visitor, "", json!({})).await.ok()["visits"]["edges"][0]["cursor"].clone();
        admin.set_access("visitor", "Visit", json!({"delete": true})).await;
        let next = page(&visitor, &format!(", after: {cursor}"), json!({})).await;
        assert_eq!(next.ok()["visits"]["edges"][0]["node"]["code"], "e");
    }
}

on_both_databases! {
    async fn a_fault_of_a_span_is_told_once_and_with_its_whole_path(server: Server) {
        let admin = server.admin().await;
        define_visits(&admin).await;
        for (arguments, path) in [
            ("filter: {at: {within: {last: \"PT0S\"}}}", json!(["filter", "at", "within", "last"])),
            ("filter: {or: [{}, {not: {at: {within: {next: \"-P1D\"}}}}]}", json!(["filter", "or", 1, "not", "at", "within", "next"])),
            ("filter: {at: {within: {last: \"P99999999D\"}}}", json!(["filter", "at", "within", "last"])),
            ("filter: {at: {within: {this: CENTURY}}}", json!(["filter", "at", "within", "this"])),
        ] {
            let answer = admin.query(&format!("{{ visits({arguments}) {{ totalCount }} }}")).await;
            let paths: Vec<_> = answer.refused("BAD_USER_INPUT").issues().iter().map(|issue| issue["path"].clone()).collect();
            assert_eq!(paths, [path], "{answer}");
        }
        let having = "{ visitGroups(groupBy: [{code: true}], having: {max: {at: {within: {last: \"PT0S\"}}}}) { count } }";
        let answer = admin.query(having).await;
        assert_eq!(answer.refused("BAD_USER_INPUT").issues()[0]["path"], json!(["having", "max", "at", "within", "last"]));
        // One of several is wrong in itself, and that there are several is told too.
        let both = admin.query("{ visits(filter: {at: {within: {last: \"x\", this: DAY}}}) { totalCount } }").await;
        assert_eq!(both.refused("BAD_USER_INPUT").issues().len(), 2);
    }
}

on_both_databases! {
    async fn numbers_in_documents_keep_their_digits_or_are_refused(server: Server) {
        let admin = server.admin().await;
        define_visits(&admin).await;
        let create = async |notes: &str| {
            let query = json!("mutation($notes: JSON) { createVisit(data: {notes: $notes}) { notes } }");
            let body = format!("{{\"query\": {query}, \"variables\": {{\"notes\": {notes}}}}}");
            admin.post_raw("/graphql", "application/json", body).await
        };
        for kept in ["{\"n\": 0.1}", "{\"n\": -12345.678901}", "{\"n\": 18446744073709551615}", "{\"n\": \"123456789012345678901234567890.5\"}"] {
            let answer = create(kept).await;
            let shown = answer.ok()["createVisit"]["notes"].to_string();
            assert_eq!(shown, kept.replace(": ", ":"));
        }
        for lost in ["123456789012345678901234567890.5", "18446744073709551617", "0.12345678901234567890123", "1e-400"] {
            let answer = create(&format!("{{\"n\": [1, {lost}]}}")).await;
            answer.refused("BAD_USER_INPUT");
            assert!(answer.text.contains(lost) && answer.text.contains("write it as a string"), "{answer}");
            let literal = admin.query(&format!("mutation {{ createVisit(data: {{notes: {{n: {lost}}}}}) {{ id }} }}")).await;
            literal.refused("BAD_USER_INPUT");
        }
        assert_eq!(admin.query("{ visits { totalCount } }").await.ok()["visits"]["totalCount"], 4);
    }
}

on_both_databases! {
    async fn a_path_into_a_document_names_any_key(server: Server) {
        let admin = server.admin().await;
        define_visits(&admin).await;
        let notes = json!({"a\"b": 1, "back\\slash": 2, "x\"].y": 3, "tab\t": 4});
        admin.create("Visit", json!({"code": "v", "notes": notes})).await;
        for (path, number) in [("$[\"a\\\"b\"]", 1), ("$[\"back\\\\slash\"]", 2), ("$[\"x\\\"].y\"]", 3), ("$[\"tab\\t\"]", 4)] {
            let query = "query($path: String, $n: JSON) { visits(filter: {notes: {path: $path, eq: $n}}) { totalCount } }";
            for (asked, count) in [(number, 1), (number + 1, 0)] {
                let answer = admin.query_with(query, json!({"path": path, "n": asked})).await;
                assert_eq!(answer.ok()["visits"]["totalCount"], count, "{path} {asked}");
            }
        }
        let open = admin.query_with("query($path: String) { visits(filter: {notes: {path: $path, isNull: false}}) { totalCount } }", json!({"path": "$[\"a\"b\"]"})).await;
        assert_eq!(open.refused("BAD_USER_INPUT").issues()[0]["path"], json!(["filter", "notes", "path"]));
    }
}

on_both_databases! {
    async fn text_goes_by_code_points_wherever_it_comes_from(server: Server) {
        let admin = server.admin().await;
        // By code points, digits and letters stand before `|` and `~`; by the rules of a language, behind.
        let label = "size > 5 ? \"~ large\" : (size > 2 ? \"É medium\" : \"b small\")";
        let module = json!({"name": "Bottle", "plural": "Bottles", "fields": [
            {"name": "code", "type": "text"}, {"name": "size", "type": "integer"}, {"name": "data", "type": "json"},
            {"name": "label", "type": "formula", "returns": "text", "rule": label},
            {"name": "digits", "type": "formula", "returns": "text", "rule": "text(size)"},
            {"name": "isEarly", "type": "formula", "returns": "boolean", "rule": "text(size) < \"~\""},
        ]});
        admin.create_module(module).await.ok();
        let bottle = |(size, code): (usize, &&str)| json!({"code": code, "size": size, "data": {"code": code}});
        admin.create_many("Bottle", ["a", "b", "|", "È", "m", "~", "z", "9"].iter().enumerate().map(bottle)).await;
        let asked = "{
            labels: bottles(orderBy: [{label: ASC}, {size: ASC}]) { nodes { size isEarly } aggregate { min { label } max { label } } }
            groups: bottleGroups(groupBy: [{label: true}]) { count }
            late: bottles(filter: {label: {gte: \"c\"}}) { totalCount }
            digits: bottles(filter: {digits: {lt: \"~\"}}) { totalCount }
            documents: bottles(filter: {data: {path: \"$.code\", lt: \"m\"}}, orderBy: [{size: ASC}]) { nodes { code } }
        }";
        let answer = admin.query(asked).await;
        let sizes = [0, 1, 2, 3, 4, 5, 6, 7].map(|size| json!({"size": size, "isEarly": true}));
        assert_eq!(*answer.ok(), json!({
            "labels": {"nodes": sizes, "aggregate": {"min": {"label": "b small"}, "max": {"label": "~ large"}}},
            "groups": [{"count": 3}, {"count": 3}, {"count": 2}],
            "late": {"totalCount": 5},
            "digits": {"totalCount": 8},
            "documents": {"nodes": [{"code": "a"}, {"code": "b"}, {"code": "È"}, {"code": "9"}]},
        }));
        let mut walked = Vec::new();
        let mut after = Value::Null;
        loop {
            let page = "query($after: String) { bottles(first: 3, after: $after, orderBy: [{label: DESC}, {digits: DESC}]) { nodes { size } pageInfo { hasNextPage endCursor } } }";
            let answer = admin.query_with(page, json!({"after": after})).await;
            let found = &answer.ok()["bottles"];
            walked.extend(found["nodes"].as_array().expect("a list").iter().map(|node| node["size"].as_i64().expect("a number")));
            if found["pageInfo"]["hasNextPage"] == false {
                break;
            }
            after = found["pageInfo"]["endCursor"].clone();
        }
        assert_eq!(walked, [7, 6, 5, 4, 3, 2, 1, 0]);
    }

    async fn periods_at_the_ends_of_the_calendar_are_dates(server: Server) {
        let admin = server.admin().await;
        define_visits(&admin).await;
        for at in ["0001-01-01T00:00:00Z", "2026-05-04T12:00:00Z", "9999-12-31T23:59:59.999Z"] {
            admin.create("Visit", json!({"at": at})).await;
        }
        admin.create("Visit", json!({"code": "never"})).await;
        for (zone, part, expected) in [
            ("Europe/Rome", "DAY", ["0001-01-01", "2026-05-04", "9999-12-31"]),
            ("America/New_York", "DAY", ["0001-01-01", "2026-05-04", "9999-12-31"]),
            ("Europe/Rome", "WEEK", ["0001-01-01", "2026-05-04", "9999-12-27"]),
            ("Europe/Rome", "MONTH", ["0001-01-01", "2026-05-01", "9999-12-01"]),
            ("America/New_York", "QUARTER", ["0001-01-01", "2026-04-01", "9999-10-01"]),
            ("America/New_York", "YEAR", ["0001-01-01", "2026-01-01", "9999-01-01"]),
        ] {
            let query = format!("{{ visitGroups(groupBy: [{{at: {part}}}], orderBy: [{{key: {{at: ASC}}}}]) {{ key {{ at }} count }} }}");
            let request = admin.request(reqwest::Method::POST, "/graphql").header("time-zone", zone).json(&json!({"query": query}));
            let answer = cardine_tests::Answer::of(request).await;
            let keys: Vec<_> = answer.ok()["visitGroups"].as_array().expect("groups").iter().map(|group| group["key"]["at"].clone()).collect();
            assert_eq!(keys, [json!(expected[0]), json!(expected[1]), json!(expected[2]), json!(null)], "{zone} {part}");
        }
    }
}

on_both_databases! {
    async fn a_server_that_is_asked_to_end_warns_of_nothing(mut server: Server) {
        let admin = server.admin().await;
        let mut socket = admin.websocket().await;
        socket.subscribe("s", "subscription { organizationChanges { kind } }", json!({})).await;
        admin.create("Organization", json!({"name": "Last"})).await;
        let _ = socket.next("s").await;
        drop(socket);
        assert!(server.stop().success());
        let log = server.log();
        assert!(!log.contains("WARN") && !log.contains("ERROR"), "{log}");
    }
}
