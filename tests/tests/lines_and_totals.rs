//! Lines and totals: roundings, compound and withheld taxes to the cent, on the page's modules and on invoices; nobody writes a sum.

use cardine_tests::document::blocks_of;
use cardine_tests::{Client, Server, on_both_databases};
use serde_json::{Value, json};

const PAGE: &str = "docs/features/lines-and-totals.md";

fn blocks(info: &str) -> Vec<String> {
    blocks_of(PAGE).into_iter().filter(|block| block.info == info).map(|block| block.text).collect()
}

/// The page's modules with their sums; somebody who may read and write them, and one who sees totals and no lines.
async fn prepare(server: &Server) -> (Client, Client) {
    let admin = server.admin().await;
    let parsed: Vec<Value> = blocks("json").iter().map(|text| serde_json::from_str(text).expect("JSON")).collect();
    for definition in &parsed[..2] {
        admin.create_module(definition.clone()).await.ok();
    }
    for field in parsed[2].as_array().expect("fields") {
        admin.add_field("Bill", field.clone()).await.ok();
    }
    for role in ["clerk", "reader"] {
        admin.create_role(role, None).await;
    }
    for module in ["Bill", "BillLine"] {
        admin
            .set_access(
                "clerk",
                module,
                json!({"create": true, "read": true, "update": true, "fields": {"*": "WRITE"}}),
            )
            .await;
    }
    (server.create_user_with_role("clerk").await, admin)
}

/// What a new bill comes to.
async fn bill(caller: &Client, head: Value, lines: &[Value]) -> Value {
    let mut data = head;
    data["lines"] = json!({"create": lines});
    let text = "mutation($data: BillCreate!) { createBill(data: $data) { amount tax withheld total } }";
    caller.query_with(text, json!({"data": data})).await.ok()["createBill"].clone()
}

fn sums(amount: &str, tax: &str, withheld: &str, total: &str) -> Value {
    json!({"amount": amount, "tax": tax, "withheld": withheld, "total": total})
}

on_both_databases! {
    async fn amounts_are_rounded_where_the_definition_says(server: Server) {
        let (clerk, admin) = prepare(&server).await;
        let two = [json!({"price": "55.55", "taxPercent": 23}), json!({"price": "11.11", "taxPercent": 23})];
        assert_eq!(bill(&clerk, json!({}), &two).await, sums("66.66", "15.34", "0.00", "82.00"));
        assert_eq!(bill(&clerk, json!({"rounding": "DOCUMENT"}), &two).await, sums("66.66", "15.33", "0.00", "81.99"));
        for (line, amount, tax, total) in [
            (json!({"quantity": "9.5", "price": "124.75"}), "1185.13", "0.00", "1185.13"),
            (json!({"quantity": "2.25", "price": "64.22", "discountPercent": 100}), "0.00", "0.00", "0.00"),
            (json!({"quantity": "-9.5", "price": "124.75"}), "-1185.13", "0.00", "-1185.13"),
            // Compound: on the amount and the first tax.
            (json!({"price": "100", "taxPercent": 5, "compoundPercent": "9.5"}), "100.00", "14.98", "114.98"),
        ] {
            assert_eq!(bill(&clerk, json!({}), std::slice::from_ref(&line)).await, sums(amount, tax, "0.00", total), "{line}");
        }
        // More digits of a price than of an amount, so that a total that was agreed is met.
        let agreed = [json!({"price": "2314.815", "taxPercent": 8})];
        assert_eq!(bill(&clerk, json!({}), &agreed).await, sums("2314.82", "185.19", "0.00", "2500.01"));
        assert_eq!(bill(&clerk, json!({"rounding": "DOCUMENT"}), &agreed).await, sums("2314.82", "185.18", "0.00", "2500.00"));
        // Compound taxes by line and by document differ, too.
        let many: Vec<Value> = (0..3).map(|_| json!({"price": "0.10", "taxPercent": 5, "compoundPercent": "9.5"})).collect();
        assert_eq!(bill(&clerk, json!({}), &many).await["tax"], "0.06");
        assert_eq!(bill(&clerk, json!({"rounding": "DOCUMENT"}), &many).await["tax"], "0.04");
        // Of what is withheld, nothing is in the tax.
        assert_eq!(bill(&clerk, json!({"withheldPercent": 20, "fund": "40"}), &[json!({"price": "1000", "taxPercent": 22})]).await, sums("1000.00", "220.00", "200.00", "1060.00"));
        assert_eq!(bill(&clerk, json!({}), &[]).await, json!({"amount": "0.00", "tax": "0.00", "withheld": "0.00", "total": "0.00"}));
        // A sum is in no input, whoever asks.
        for caller in [&clerk, &admin] {
            caller.query("mutation { updateBills(filter: {id: {isNull: false}}, data: {total: \"1\"}) { count } }").await.refused("BAD_USER_INPUT");
        }
    }

    async fn totals_are_for_who_may_read_what_they_are_of(server: Server) {
        let (clerk, admin) = prepare(&server).await;
        clerk.create("Bill", json!({"title": "one", "lines": {"create": [{"price": "10", "taxPercent": 22}]}})).await;
        admin.set_access("reader", "Bill", json!({"read": true, "fields": {"*": "READ"}})).await;
        let reader = server.create_user_with_role("reader").await;
        // Without the lines there is no sum of them.
        reader.query("{ bills { nodes { total } } }").await.refused("BAD_USER_INPUT");
        admin.set_access("reader", "BillLine", json!({"read": true, "fields": {"*": "READ"}})).await;
        assert_eq!(reader.query("{ bills { nodes { total } } }").await.ok()["bills"]["nodes"], json!([]), "others' bills are out of sight");
        assert_eq!(clerk.query("{ bills { nodes { total } } }").await.ok()["bills"]["nodes"], json!([{"total": "12.20"}]));
    }

    async fn an_italian_invoice_is_right_to_the_cent(server: Server) {
        let seller = server.create_user_with_role("sales-person").await;
        let organization = seller.create("Organization", json!({"name": "Officine Rossi"})).await;
        let manager = server.create_user_with_role("sales-manager").await;
        let service = manager.create("Service", json!({"name": "Consulting", "unitPrice": "82.30"})).await;
        let made = seller.query_with(&blocks("graphql")[0], json!({"organization": organization, "service": service})).await;
        let expected: Value = serde_json::from_str(&blocks("json answer")[0]).expect("JSON");
        assert_eq!(made.ok(), &expected);
        let invoice = async |head: Value, lines: Value| {
            let mut data = json!({"subject": "I", "organizationId": organization, "lines": {"create": lines}});
            data.as_object_mut().expect("an object").extend(head.as_object().expect("an object").clone());
            let text = "mutation($data: InvoiceCreate!) { createInvoice(data: $data) { taxTotal deductedTaxesTotal total lines { nodes { taxTotal } } } }";
            seller.query_with(text, json!({"data": data})).await.ok()["createInvoice"].clone()
        };
        let two = json!([{"position": 1, "itemId": service, "listPrice": "55.55", "taxPercent": 23}, {"position": 2, "itemId": service, "listPrice": "11.11", "taxPercent": 23}]);
        for (rounding, tax, total) in [("LINE", "15.34", "82.00"), ("DOCUMENT", "15.33", "81.99")] {
            let made = invoice(json!({"rounding": rounding}), two.clone()).await;
            assert_eq!((&made["taxTotal"], &made["total"]), (&json!(tax), &json!(total)), "{rounding}");
        }
        let agreed = json!([{"position": 1, "itemId": service, "listPrice": "2314.815", "taxPercent": 8}]);
        for (rounding, total) in [("LINE", "2500.01"), ("DOCUMENT", "2500.00")] {
            assert_eq!(invoice(json!({"rounding": rounding}), agreed.clone()).await["total"], total, "{rounding}");
        }
        // Compound: by the line and on the total alike; an agent's commission, half of which tax is withheld on.
        let hundred = json!([{"position": 1, "itemId": service, "listPrice": "100", "taxPercent": 5, "compoundTaxPercent": "9.5"}]);
        assert_eq!(invoice(json!({}), hundred.clone()).await["taxTotal"], "14.98");
        assert_eq!(invoice(json!({"rounding": "DOCUMENT"}), hundred.clone()).await["taxTotal"], "14.98");
        assert_eq!(invoice(json!({"taxMode": "GROUP", "groupTaxPercent": 5, "groupCompoundTaxPercent": "9.5"}), hundred.clone()).await["taxTotal"], "14.98");
        // The second tax is on the first as it is shown; rounded by document, on the exact one.
        let half = json!([{"position": 1, "itemId": service, "listPrice": "0.50"}]);
        for (rounding, tax) in [("LINE", "0.11"), ("DOCUMENT", "0.10")] {
            let group = json!({"taxMode": "GROUP", "rounding": rounding, "groupTaxPercent": 9, "groupCompoundTaxPercent": 10});
            assert_eq!(invoice(group.clone(), half.clone()).await["taxTotal"], tax, "{rounding}");
            let mut data = json!({"subject": "Q", "organizationId": organization, "stage": "CREATED", "lines": {"create": half}});
            data.as_object_mut().expect("an object").extend(group.as_object().expect("an object").clone());
            let quote = seller.query_with("mutation($data: QuoteCreate!) { createQuote(data: $data) { taxTotal } }", json!({"data": data})).await;
            assert_eq!(quote.ok()["createQuote"]["taxTotal"], tax, "{rounding}");
        }
        let agent = invoice(json!({"taxMode": "GROUP", "groupTaxPercent": 22, "deductedTaxPercent": 23, "deductedTaxBasePercent": 50}), hundred).await;
        assert_eq!((&agent["taxTotal"], &agent["deductedTaxesTotal"], &agent["total"]), (&json!("22.00"), &json!("11.50"), &json!("110.50")));
    }

    async fn a_quotes_taxes_go_with_it_to_the_invoice(server: Server) {
        let admin = server.admin().await;
        let service = admin.create("Service", json!({"name": "Consulting", "unitPrice": "100"})).await;
        let organization = admin.create("Organization", json!({"name": "Officine Rossi"})).await;
        let quote = admin.create("Quote", json!({"subject": "Q", "organizationId": organization, "stage": "CREATED", "rounding": "DOCUMENT", "deductedTaxPercent": 20, "deductedTaxOn": "WITHOUT_CHARGES", "chargesTotal": "40",
            "lines": {"create": [{"position": 1, "itemId": service, "listPrice": "55.55", "taxPercent": 23}, {"position": 2, "itemId": service, "listPrice": "11.11", "taxPercent": 23}]}})).await;
        admin.query_with("mutation($id: ID!) { convertQuote(id: $id) { id } }", json!({"id": quote})).await.ok();
        let order = admin.query("{ salesOrders { nodes { id taxTotal deductedTaxesTotal total } } }").await;
        let expected = json!({"taxTotal": "15.33", "deductedTaxesTotal": "13.33", "total": "108.66"});
        let same = |found: &Value| expected.as_object().expect("an object").iter().all(|(name, value)| found[name] == *value);
        let found = order.ok()["salesOrders"]["nodes"][0].clone();
        assert!(same(&found), "{found}");
        admin.query_with("mutation($id: ID!) { convertSalesOrder(id: $id) { id } }", json!({"id": found["id"]})).await.ok();
        let invoice = admin.query("{ invoices { nodes { taxTotal deductedTaxesTotal total } } }").await;
        assert!(same(&invoice.ok()["invoices"]["nodes"][0]), "{invoice}");
    }
}
