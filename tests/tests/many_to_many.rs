//! Many-to-many relations: links with values of their own, read and written from both sides, seen by whom both records are seen.

use cardine_tests::{Answer, Client, Server, on_both_databases};
use serde_json::{Value, json};

/// Orders and goods, linked with a quantity and a role.
async fn prepare(server: &Server) -> (Client, Vec<String>) {
    let admin = server.admin().await;
    let goods = json!({"name": "Good", "plural": "Goods", "fields": [
        {"name": "title", "type": "text"}, {"name": "price", "type": "money"}, {"name": "maker", "type": "text"}
    ]});
    admin.create_module(goods).await.ok();
    let orders = json!({"name": "Order", "plural": "Orders", "fields": [
        {"name": "code", "type": "text"},
        {"name": "items", "type": "references", "to": "Good", "inverse": "orders", "link": {"fields": [
            {"name": "quantity", "type": "decimal", "scale": 1, "min": 0, "required": true, "default": 1},
            {"name": "role", "type": "choice", "options": [{"value": "MAIN"}, {"value": "SPARE"}]},
            {"name": "wait", "type": "duration"}
        ]}},
        {"name": "before", "type": "references", "to": "Order", "inverse": "after"},
        {"name": "itemCount", "type": "rollup", "relation": "items", "function": "COUNT"},
        {"name": "pieces", "type": "rollup", "relation": "items", "function": "SUM", "field": "quantity", "filter": "good.price > 1"}
    ]});
    admin.create_module(orders).await.ok();
    let goods = [("apple", "1.50", "A"), ("bolt", "0.10", "B"), ("cable", "7.00", "A"), ("drum", "20.00", "C")];
    let goods = goods.map(|(title, price, maker)| json!({"title": title, "price": price, "maker": maker}));
    (admin.clone(), admin.create_many("Good", goods).await)
}

async fn order(client: &Client, code: &str, items: Value) -> String {
    client.create("Order", json!({"code": code, "items": items})).await
}

async fn change(client: &Client, id: &str, items: Value) -> Answer {
    let text = "mutation($id: ID!, $items: OrderItemsInput) { updateOrder(id: $id, data: {items: $items}) { \
                items(orderBy: [{title: ASC}]) { totalCount edges { quantity role node { title } } } } }";
    client.query_with(text, json!({"id": id, "items": items})).await
}

/// `title quantity role` of each item.
fn shown(answer: &Answer) -> Vec<String> {
    let items = &answer.ok()["updateOrder"]["items"];
    let edges = items["edges"].as_array().expect("edges");
    assert_eq!(items["totalCount"], json!(edges.len()));
    let word = |value: &Value| value.as_str().unwrap_or("-").to_owned();
    edges
        .iter()
        .map(|edge| format!("{} {} {}", word(&edge["node"]["title"]), word(&edge["quantity"]), word(&edge["role"])))
        .collect()
}

async fn codes(client: &Client, filter: &str) -> String {
    let text = format!("{{ orders(filter: {filter}, orderBy: [{{code: ASC}}]) {{ totalCount nodes {{ code }} }} }}");
    let answer = client.query(&text).await;
    let orders = answer.ok()["orders"].clone();
    let codes: Vec<&str> =
        orders["nodes"].as_array().expect("nodes").iter().map(|node| node["code"].as_str().expect("a code")).collect();
    assert_eq!(orders["totalCount"], json!(codes.len()), "{filter}");
    codes.concat()
}

on_both_databases! {
    async fn links_are_made_changed_and_removed(server: Server) {
        let (admin, goods) = prepare(&server).await;
        let [a, b, c, d] = &goods[..] else { panic!("four goods") };
        let id = order(&admin, "x", json!({"connect": [b, a, b], "link": [{"id": c, "quantity": "2.5", "role": "MAIN"}]})).await;
        let unchanged = change(&admin, &id, json!({})).await;
        assert_eq!(shown(&unchanged), ["apple 1.0 -", "bolt 1.0 -", "cable 2.5 MAIN"]);
        for (items, expected) in [
            (json!({"disconnect": [b, d]}), vec!["apple 1.0 -", "cable 2.5 MAIN"]),
            (json!({"connect": [c]}), vec!["apple 1.0 -", "cable 2.5 MAIN"]),
            (json!({"link": [{"id": c, "role": null}, {"id": d, "quantity": 4}]}), vec!["apple 1.0 -", "cable 2.5 -", "drum 4.0 -"]),
            (json!({"set": [c, b]}), vec!["bolt 1.0 -", "cable 2.5 -"]),
            (json!({"set": [b], "link": [{"id": a, "quantity": "0"}]}), vec!["apple 0.0 -", "bolt 1.0 -"]),
            (json!({"set": []}), vec![]),
            (json!(null), vec![]),
        ] {
            assert_eq!(shown(&change(&admin, &id, items.clone()).await), expected, "{items}");
        }
        // From the other side.
        let text = "mutation($id: ID!, $orders: [ID!]) { updateGood(id: $id, data: {orders: {set: $orders}}) { orders { nodes { code } edges { quantity } } } }";
        let answer = admin.query_with(text, json!({"id": a, "orders": [id]})).await;
        assert_eq!(answer.ok()["updateGood"]["orders"], json!({"nodes": [{"code": "x"}], "edges": [{"quantity": "1.0"}]}));
        assert_eq!(shown(&change(&admin, &id, json!({})).await), ["apple 1.0 -"]);

        // All faults are told with their places, and nothing is written.
        let nobody = "01890a5d-ac96-774b-bcce-b302099a8058";
        let missing = change(&admin, &id, json!({"connect": [b, nobody], "set": [a, nobody, "x"]})).await;
        missing.refused("VALIDATION_FAILED");
        let places: Vec<String> = missing.issues().iter().map(|issue| issue["path"].to_string()).collect();
        assert_eq!(places, [r#"["data","items","connect",1]"#, r#"["data","items","set",2]"#]);
        let faulty = change(&admin, &id, json!({"link": [{"id": b, "quantity": "1"}, {"id": c, "quantity": "-1"}]})).await;
        faulty.refused("VALIDATION_FAILED");
        assert_eq!(faulty.issues()[0]["path"], json!(["data", "items", "link", 1, "quantity"]));
        let absent = change(&admin, &id, json!({"link": [{"id": c, "quantity": null}]})).await;
        assert_eq!(absent.issues()[0]["rule"], "required");
        change(&admin, &id, json!({"link": [{"quantity": "1"}]})).await.refused("BAD_USER_INPUT");
        change(&admin, nobody, json!({"set": []})).await.refused("NOT_FOUND");
        assert_eq!(shown(&change(&admin, &id, json!({})).await), ["apple 1.0 -"]);
    }

    async fn linked_records_are_listed_filtered_and_paged_per_parent(server: Server) {
        let (admin, goods) = prepare(&server).await;
        let [a, b, c, d] = &goods[..] else { panic!("four goods") };
        order(&admin, "x", json!({"link": [{"id": a, "quantity": 3, "wait": "P1D"}, {"id": b, "quantity": 2}, {"id": c, "role": "SPARE"}]})).await;
        order(&admin, "y", json!({"connect": [c, d]})).await;
        order(&admin, "z", json!({})).await;
        let answer = admin
            .query("{ orders(orderBy: [{code: ASC}]) { nodes { code itemCount pieces \
                    items(first: 1, orderBy: [{price: DESC}], filter: {maker: {in: [\"A\", \"C\"]}}) { \
                      totalCount pageInfo { hasNextPage } nodes { title } edges { __typename quantity role wait cursor node { title orders { totalCount } } } } } } }")
            .await;
        let nodes = answer.ok()["orders"]["nodes"].as_array().expect("nodes").clone();
        let line = |node: &Value| {
            let (items, edge) = (&node["items"], &node["items"]["edges"][0]);
            json!([node["code"], node["itemCount"], node["pieces"], items["totalCount"], items["pageInfo"]["hasNextPage"], items["nodes"][0]["title"],
                   edge["quantity"], edge["role"], edge["wait"], edge["node"]["orders"]["totalCount"]])
        };
        let lines: Vec<Value> = nodes.iter().map(line).collect();
        assert_eq!(
            lines,
            [
                json!(["x", 3, "4.0", 2, true, "cable", "1.0", "SPARE", null, 2]),
                json!(["y", 2, "2.0", 2, true, "drum", "1.0", null, null, 1]),
                json!(["z", 0, null, 0, false, null, null, null, null, null])
            ]
        );
        assert_eq!(nodes[0]["items"]["edges"][0]["__typename"], "OrderItemsEdge");
        let cursor = nodes[0]["items"]["edges"][0]["cursor"].to_string();
        let next = admin
            .query(&format!("{{ orders(filter: {{code: {{eq: \"x\"}}}}) {{ nodes {{ items(first: 1, after: {cursor}, orderBy: [{{price: DESC}}], filter: {{maker: {{in: [\"A\", \"C\"]}}}}) \
                             {{ nodes {{ title }} edges {{ wait }} pageInfo {{ hasNextPage hasPreviousPage }} }} }} }} }}"))
            .await;
        assert_eq!(
            next.ok()["orders"]["nodes"][0]["items"],
            json!({"nodes": [{"title": "apple"}], "edges": [{"wait": "P1D"}], "pageInfo": {"hasNextPage": false, "hasPreviousPage": true}})
        );
        for (filter, expected) in [
            ("{items: {some: {title: {eq: \"CABLE\"}}}}", "xy"),
            ("{items: {none: {title: {eq: \"cable\"}}}}", "z"),
            ("{items: {every: {maker: {ne: \"B\"}}}}", "yz"),
            ("{items: {some: {}}}", "xy"),
            ("{items: {some: {orders: {some: {code: {eq: \"y\"}}}, maker: {eq: \"A\"}}}}", "xy"),
            ("{itemCount: {gt: 2}}", "x"),
            ("{pieces: {lt: \"3\"}}", "y"),
        ] {
            assert_eq!(codes(&admin, filter).await, expected, "{filter}");
        }
        let last = admin.query("{ orders(filter: {code: {eq: \"x\"}}) { nodes { items(last: 2, orderBy: [{title: ASC}]) { nodes { title } pageInfo { hasPreviousPage } } } } }").await;
        assert_eq!(last.ok()["orders"]["nodes"][0]["items"], json!({"nodes": [{"title": "bolt"}, {"title": "cable"}], "pageInfo": {"hasPreviousPage": true}}));

        let figures = admin
            .query("{ orders(orderBy: [{code: ASC}]) { nodes { items(filter: {maker: {eq: \"A\"}}, first: 1) { aggregate { count sum { price } max { title } countDistinct { maker } } } } } }")
            .await;
        let figures: Vec<Value> = figures.ok()["orders"]["nodes"].as_array().expect("nodes").iter().map(|node| node["items"]["aggregate"].clone()).collect();
        assert_eq!(figures[0], json!({"count": 2, "sum": {"price": "8.50"}, "max": {"title": "cable"}, "countDistinct": {"maker": 1}}));
        assert_eq!(figures[2]["count"], 0);

        // A deleted record is linked with nothing.
        admin.query(&format!("mutation {{ deleteGood(id: \"{c}\") {{ id }} }}")).await.ok();
        assert_eq!(codes(&admin, "{itemCount: {eq: 1}}").await, "y");
        assert_eq!(codes(&admin, "{items: {some: {title: {eq: \"cable\"}}}}").await, "");
        let again = admin.query(&format!("mutation {{ createOrder(data: {{items: {{connect: [\"{c}\"]}}}}) {{ id }} }}")).await;
        again.refused("VALIDATION_FAILED");
    }

    async fn a_module_can_be_linked_with_itself(server: Server) {
        let (admin, _) = prepare(&server).await;
        let first = admin.create("Order", json!({"code": "a"})).await;
        let second = admin.create("Order", json!({"code": "b", "before": {"connect": [first]}})).await;
        admin.create("Order", json!({"code": "c", "before": {"connect": [first, second]}})).await;
        let answer = admin.query("{ orders(orderBy: [{code: ASC}]) { nodes { before { nodes { code } } after(orderBy: [{code: DESC}]) { nodes { code } } } } }").await;
        let list = |codes: &[&str]| json!({"nodes": codes.iter().map(|code| json!({"code": code})).collect::<Vec<_>>()});
        assert_eq!(
            answer.ok()["orders"]["nodes"],
            json!([{"before": list(&[]), "after": list(&["c", "b"])}, {"before": list(&["a"]), "after": list(&["c"])}, {"before": list(&["a", "b"]), "after": list(&[])}])
        );
        assert_eq!(codes(&admin, "{before: {some: {before: {none: {}}}}}").await, "bc");
    }

    async fn a_link_is_there_for_whom_both_of_its_records_are(server: Server) {
        let (admin, goods) = prepare(&server).await;
        let [a, b, c, _] = &goods[..] else { panic!("four goods") };
        for role in ["clerk", "porter"] {
            admin.create_role(role, None).await;
        }
        let rights = json!({"create": true, "read": true, "update": true, "delete": true, "fields": {"*": "WRITE"}});
        for module in ["Order", "Good"] {
            admin.set_access("clerk", module, rights.clone()).await;
            admin.set_access("porter", module, rights.clone()).await;
        }
        let clerk = server.create_user_with_role("clerk").await;
        let own = clerk.create("Good", json!({"title": "own", "price": "5"})).await;
        let id = order(&clerk, "x", json!({"connect": [own]})).await;
        // The administrator links what the clerk does not see.
        assert_eq!(shown(&change(&admin, &id, json!({"connect": [a, c]})).await).len(), 3);
        assert_eq!(shown(&change(&clerk, &id, json!({})).await), ["own 1.0 -"]);
        assert_eq!(codes(&clerk, "{itemCount: {eq: 1}, pieces: {eq: \"1\"}}").await, "x");
        assert_eq!(codes(&clerk, "{items: {some: {maker: {eq: \"A\"}}}}").await, "");
        assert_eq!(codes(&clerk, "{items: {every: {title: {eq: \"own\"}}}}").await, "x");
        // Nor can the clerk take it away, or tell that it is there.
        assert_eq!(shown(&change(&clerk, &id, json!({"disconnect": [a]})).await), ["own 1.0 -"]);
        assert_eq!(shown(&change(&clerk, &id, json!({"set": []})).await), Vec::<String>::new());
        assert_eq!(shown(&change(&admin, &id, json!({})).await), ["apple 1.0 -", "cable 1.0 -"]);
        for (items, place) in [
            (json!({"link": [{"id": own, "quantity": 1}, {"id": own, "quantity": 2}]}), json!(["data", "items", "link", 1])),
            (json!({"connect": [own], "disconnect": [own]}), json!(["data", "items", "disconnect", 0])),
        ] {
            let twice = change(&clerk, &id, items).await;
            assert_eq!(twice.refused("VALIDATION_FAILED").issues()[0]["path"], place, "{twice}");
        }
        for hidden in [a, b] {
            change(&clerk, &id, json!({"connect": [hidden]})).await.refused("VALIDATION_FAILED");
            change(&clerk, &id, json!({"link": [{"id": hidden, "quantity": 9}]})).await.refused("VALIDATION_FAILED");
        }
        let mine = order(&admin, "y", json!({"connect": [own]})).await;
        let text = format!("{{ good(id: \"{own}\") {{ orders {{ totalCount nodes {{ code }} }} }} }}");
        assert_eq!(clerk.query(&text).await.ok()["good"]["orders"], json!({"totalCount": 0, "nodes": []}));
        assert_eq!(admin.query(&text).await.ok()["good"]["orders"]["totalCount"], 1);
        change(&clerk, &mine, json!({"set": []})).await.refused("NOT_FOUND");

        // The reference's rights are those of both sides and of the link.
        admin.set_access("porter", "Order", json!({"fields": {"*": "WRITE", "items": "READ"}})).await;
        let porter = server.create_user_with_role("porter").await;
        let order = porter.create("Order", json!({"code": "p"})).await;
        let refused = change(&porter, &order, json!({"set": []})).await;
        refused.refused("BAD_USER_INPUT");
        assert_eq!(porter.query("{ orders { nodes { items { totalCount edges { quantity } } } } }").await.ok()["orders"]["nodes"].as_array().map(Vec::len), Some(1));
        let types = "{ a: __type(name: \"OrderItemsInput\") { name } b: __type(name: \"GoodOrdersLinkInput\") { name } c: __type(name: \"OrderItemsEdge\") { name } d: __type(name: \"OrderItemsRole\") { name } e: __type(name: \"OrderItems\") { name } }";
        assert_eq!(porter.query(types).await.ok(), &json!({"a": null, "b": null, "c": {"name": "OrderItemsEdge"}, "d": {"name": "OrderItemsRole"}, "e": null}));
        admin.set_access("porter", "Order", json!({"fields": {"*": "WRITE", "items": "NONE"}})).await;
        for text in [
            "{ orders { nodes { items { totalCount } } } }",
            "{ goods { nodes { orders { totalCount } } } }",
            "{ orders(filter: {items: {some: {}}}) { totalCount } }",
            "{ goods(filter: {orders: {some: {}}}) { totalCount } }",
            "{ orders { nodes { itemCount } } }",
            "mutation { createGood(data: {orders: {set: []}}) { id } }",
        ] {
            porter.query(text).await.refused("BAD_USER_INPUT");
        }
        assert_eq!(porter.query(types).await.ok(), &json!({"a": null, "b": null, "c": null, "d": null, "e": null}));
        admin.set_access("porter", "Order", json!({"fields": {"*": "WRITE"}})).await;
        admin.set_access("porter", "Good", json!({"read": false})).await;
        porter.query("{ orders { nodes { items { totalCount } } } }").await.refused("BAD_USER_INPUT");
    }

    async fn links_belong_to_the_record_that_has_the_reference(server: Server) {
        let (admin, goods) = prepare(&server).await;
        admin.create_role("clerk", None).await;
        let rights = json!({"create": true, "read": true, "update": true, "fields": {"*": "WRITE"}});
        for module in ["Order", "Good"] {
            admin.set_access("clerk", module, rights.clone()).await;
        }
        let clerk = server.create_user_with_role("clerk").await;
        let theirs = order(&admin, "theirs", json!({"connect": [goods[0]]})).await;
        let closed = order(&admin, "closed", json!({"connect": [goods[0]]})).await;
        let user = clerk.query("{ me { user { id } } }").await.ok()["me"]["user"]["id"].as_str().expect("an id").to_owned();
        let share = "mutation($module: String!, $record: ID!, $user: ID!, $access: SharedAccess!) { shareRecord(module: $module, id: $record, with: {user: $user}, access: $access) { access } }";
        let shared = async |module: &str, record: &str, access: &str| {
            admin.admin_query_with(share, json!({"module": module, "record": record, "user": user, "access": access})).await.ok();
        };
        shared("Order", &theirs, "READ").await;
        shared("Good", &goods[0], "WRITE").await;
        shared("Good", &goods[1], "READ").await;
        // Whoever may only read an order changes its items from neither side.
        let from_good = async |orders: serde_json::Value| {
            let text = "mutation($id: ID!, $orders: GoodOrdersInput) { updateGood(id: $id, data: {orders: $orders}) { orders { nodes { code } } } }";
            clerk.query_with(text, json!({"id": goods[0], "orders": orders})).await
        };
        change(&clerk, &theirs, json!({"set": []})).await.refused("NOT_FOUND");
        for (orders, place) in [
            (json!({"disconnect": [theirs]}), json!(["data", "orders", "disconnect", 0])),
            (json!({"link": [{"id": theirs, "quantity": 9}]}), json!(["data", "orders", "link", 0])),
            (json!({"connect": [closed]}), json!(["data", "orders", "connect", 0])),
        ] {
            let refused = from_good(orders).await;
            assert_eq!(refused.refused("VALIDATION_FAILED").issues()[0]["path"], place, "{refused}");
        }
        let kept = from_good(json!({"set": []})).await;
        assert_eq!(kept.ok()["updateGood"]["orders"]["nodes"], json!([{"code": "theirs"}]), "what is only left out stays");
        assert_eq!(shown(&change(&admin, &theirs, json!({})).await), ["apple 1.0 -"]);
        assert_eq!(shown(&change(&admin, &closed, json!({})).await), ["apple 1.0 -"]);
        // To refer to a record, it is enough to see it; and one's own orders are changed from the other side too.
        let own = order(&clerk, "own", json!({"connect": [goods[1]]})).await;
        let both = from_good(json!({"connect": [own, theirs]})).await;
        assert_eq!(both.ok()["updateGood"]["orders"]["nodes"].as_array().map(Vec::len), Some(2), "those that are linked stay so");
        shared("Order", &theirs, "WRITE").await;
        assert_eq!(from_good(json!({"set": []})).await.ok()["updateGood"]["orders"]["nodes"], json!([]));
        assert_eq!(shown(&change(&admin, &closed, json!({})).await), ["apple 1.0 -"], "out of sight");

        // Without the right to change orders, goods offer nothing to change.
        admin.set_access("clerk", "Order", json!({"update": false})).await;
        let types = "{ a: __type(name: \"GoodOrdersInput\") { name } b: __type(name: \"OrderItemsInput\") { name } }";
        assert_eq!(clerk.query(types).await.ok(), &json!({"a": null, "b": {"name": "OrderItemsInput"}}));
        from_good(json!({"set": []})).await.refused("BAD_USER_INPUT");
    }

    async fn both_records_of_a_link_are_told_of_its_change(server: Server) {
        let (admin, goods) = prepare(&server).await;
        admin.create_role("clerk", None).await;
        let rights = json!({"create": true, "read": true, "update": true, "fields": {"*": "WRITE"}});
        admin.set_access("clerk", "Good", rights.clone()).await;
        admin.set_access("clerk", "Order", json!({"read": true, "fields": {"*": "READ", "items": "NONE"}})).await;
        let clerk = server.create_user_with_role("clerk").await;
        let own = clerk.create("Good", json!({"title": "own"})).await;
        let id = order(&admin, "x", json!({})).await;
        let mut socket = admin.websocket().await;
        let mut theirs = clerk.websocket().await;
        socket.subscribe("o", "subscription { orderChanges { kind id changedFields } }", json!({})).await;
        socket.subscribe("g", "subscription { goodChanges { kind id changedFields record { orders { totalCount } } } }", json!({})).await;
        theirs.subscribe("g", "subscription { goodChanges { kind id changedFields } }", json!({})).await;
        let mut told = async || {
            let mut told = std::collections::BTreeMap::new();
            for _ in 0..2 {
                let message = socket.receive().await;
                told.insert(message["id"].as_str().expect("an id").to_owned(), message["payload"]["data"].clone());
            }
            told
        };
        for (items, count) in [
            (json!({"connect": [own]}), 1),
            (json!({"link": [{"id": own, "quantity": 2}]}), 1),
            (json!({"disconnect": [own]}), 0),
        ] {
            change(&admin, &id, items.clone()).await.ok();
            let told = told().await;
            assert_eq!(told["o"]["orderChanges"], json!({"kind": "UPDATED", "id": id, "changedFields": ["items"]}), "{items}");
            let expected = json!({"kind": "UPDATED", "id": own, "changedFields": ["orders"], "record": {"orders": {"totalCount": count}}});
            assert_eq!(told["g"]["goodChanges"], expected, "{items}");
            // A relation that is hidden is not named.
            assert_eq!(theirs.next("g").await["goodChanges"], json!({"kind": "UPDATED", "id": own, "changedFields": []}));
        }
        // What changes nothing is told to nobody: the next that comes is of the next change.
        change(&admin, &id, json!({"disconnect": [own, goods[1]]})).await.ok();
        let text = "mutation($id: ID!, $orders: [ID!]) { updateGood(id: $id, data: {orders: {connect: $orders}}) { id } }";
        admin.query_with(text, json!({"id": own, "orders": [id]})).await.ok();
        let told = told().await;
        assert_eq!(told["o"]["orderChanges"]["changedFields"], json!(["items"]));
        assert_eq!(told["g"]["goodChanges"]["changedFields"], json!(["orders"]));
    }

    async fn links_come_to_modules_with_records(server: Server) {
        let (admin, goods) = prepare(&server).await;
        let id = order(&admin, "x", json!({})).await;
        let field = json!({"name": "gifts", "type": "references", "to": "Good", "inverse": "giftOf"});
        admin.add_field("Order", field.clone()).await.ok();
        let text = "mutation($id: ID!, $goods: [ID!]) { updateOrder(id: $id, data: {gifts: {connect: $goods}}) { gifts { nodes { title giftOf { totalCount } orders { totalCount } } } } }";
        let answer = admin.query_with(text, json!({"id": id, "goods": [goods[0]]})).await;
        assert_eq!(answer.ok()["updateOrder"]["gifts"]["nodes"], json!([{"title": "apple", "giftOf": {"totalCount": 1}, "orders": {"totalCount": 0}}]));
        admin.add_field("Order", field).await.refused("VALIDATION_FAILED");
        // A module of links is none that anybody could name.
        let modules = admin.admin_query("{ modules { name } module(name: \"OrderGifts\") { name } }").await;
        assert!(!modules.ok()["modules"].to_string().contains("OrderGifts"), "{modules}");
        assert_eq!(modules.ok()["module"], json!(null));
        let taken = admin.create_module(json!({"name": "OrderGifts", "plural": "OrderGiftsList", "fields": []})).await;
        taken.refused("VALIDATION_FAILED");
        let reference = json!({"name": "linkOf", "type": "reference", "to": "OrderGifts"});
        admin.add_field("Order", reference).await.refused("VALIDATION_FAILED");
    }

    async fn links_follow_a_merge_and_end_with_a_destroyed_record(server: Server) {
        let (admin, goods) = prepare(&server).await;
        let kept = order(&admin, "K", json!({"link": [{"id": goods[0], "quantity": "2"}, {"id": goods[1], "role": "MAIN"}]})).await;
        let merged = order(&admin, "M", json!({"link": [{"id": goods[1], "role": "SPARE"}, {"id": goods[2], "quantity": "5"}]})).await;
        let other = order(&admin, "O", json!({})).await;
        let before = "mutation($id: ID!, $ids: [ID!]) { updateOrder(id: $id, data: {before: {connect: $ids}}) { id } }";
        admin.query_with(before, json!({"id": merged, "ids": [kept, other]})).await.ok();
        let merge = "mutation($ids: [ID!]!, $into: ID!) { mergeOrders(ids: $ids, into: $into) { itemCount before { nodes { code } } } }";
        let answer = admin.query_with(merge, json!({"ids": [merged], "into": kept})).await;
        assert_eq!(answer.ok()["mergeOrders"], json!({"itemCount": 3, "before": {"nodes": [{"code": "O"}]}}), "it does not stand before itself");
        assert_eq!(shown(&change(&admin, &kept, json!({})).await), ["apple 2.0 -", "bolt 1.0 MAIN", "cable 5.0 -"]);
        admin.query_with("mutation($id: ID!) { destroyGood(id: $id) }", json!({"id": goods[0]})).await.ok();
        assert_eq!(shown(&change(&admin, &kept, json!({})).await), ["bolt 1.0 MAIN", "cable 5.0 -"]);
        assert_eq!(codes(&admin, "{itemCount: {eq: 2}}").await, "K");
    }

    async fn links_are_made_with_many_records_and_inside_others(server: Server) {
        let (admin, goods) = prepare(&server).await;
        let text = "mutation($data: [OrderCreate!]!) { createOrders(data: $data) { code itemCount } }";
        let data = json!([{"code": "A", "items": {"connect": [goods[0], goods[1]]}}, {"code": "B", "items": {"link": [{"id": goods[0], "quantity": "3"}]}}]);
        let answer = admin.query_with(text, json!({"data": data})).await;
        assert_eq!(answer.ok()["createOrders"], json!([{"code": "A", "itemCount": 2}, {"code": "B", "itemCount": 1}]));
        let faulty = json!([{"code": "C"}, {"code": "D", "items": {"link": [{"id": goods[0]}, {"id": goods[1], "quantity": "-1"}]}}]);
        let refused = admin.query_with(text, json!({"data": faulty})).await;
        assert_eq!(refused.refused("VALIDATION_FAILED").issues()[0]["path"], json!(["data", 1, "items", "link", 1, "quantity"]));
        assert_eq!(codes(&admin, "{}").await, "AB");
        let many = "mutation { updateOrders(filter: {code: {eq: \"A\"}}, data: {items: {set: []}}) { count } }";
        admin.query(many).await.refused("BAD_USER_INPUT");
    }
}
