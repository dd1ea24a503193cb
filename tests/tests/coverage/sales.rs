//! Points about selling: S09, S25, S32, S39, S49, S51, and the sums of documents to the cent.

use cardine_tests::{Client, on_both_databases};
use serde_json::{Value, json};

async fn opportunity(client: &Client, name: &str, amount: &str, probability: i64, more: Value) -> String {
    let mut data = json!({"name": name, "amount": amount, "probability": probability, "closeDate": "2026-05-10", "stage": "PROSPECTING"});
    data.as_object_mut().expect("an object").extend(more.as_object().expect("an object").clone());
    client.create("Opportunity", data).await
}

/// An invoice with these lines, and what the server makes of it.
async fn invoice(client: &Client, head: Value, lines: &[Value]) -> Value {
    let customer = client.create("Organization", json!({"name": "Officine Rossi"})).await;
    let item = client.create("Service", json!({"name": "Work"})).await;
    let lines = lines.iter().enumerate().map(|(position, line)| {
        let mut line = line.clone();
        line["position"] = json!(position + 1);
        line["itemId"] = json!(item);
        line
    });
    let mut data =
        json!({"subject": "Work", "organizationId": customer, "lines": {"create": lines.collect::<Vec<_>>()}});
    data.as_object_mut().expect("an object").extend(head.as_object().expect("an object").clone());
    let id = client.create("Invoice", data).await;
    let text = "query($id: ID!) { invoice(id: $id) { subtotal discountTotal preTaxTotal taxTotal deductedTaxesTotal total balance
        lines(orderBy: [{position: ASC}]) { nodes { amount amountAfterDiscount taxTotal netTotal } } } }";
    client.query_with(text, json!({"id": id})).await.ok()["invoice"].clone()
}

on_both_databases! {
    async fn s09_the_best_opportunities_come_first(server: Server) {
        let admin = server.admin().await;
        for (name, amount, probability) in [("likely", "100", 90), ("large", "1000", 20), ("small", "10", 100)] {
            opportunity(&admin, name, amount, probability, json!({})).await;
        }
        let best = admin.query("{ opportunities(orderBy: [{weightedAmount: DESC}], first: 2) { nodes { name weightedAmount } } }").await;
        assert_eq!(best.ok()["opportunities"]["nodes"], json!([{"name": "large", "weightedAmount": "200.00"}, {"name": "likely", "weightedAmount": "90.00"}]));
    }

    async fn s25_the_four_examples_of_reports_are_group_queries(server: Server) {
        let admin = server.admin().await;
        let customer = admin.create("Organization", json!({"name": "Officine Rossi"})).await;
        let item = admin.create("Product", json!({"name": "Controller"})).await;
        opportunity(&admin, "open", "100", 10, json!({})).await;
        opportunity(&admin, "won", "200", 100, json!({"stage": "CLOSED_WON", "closeDate": "2026-04-20"})).await;
        for (day, price) in [("2026-01-15", "10"), ("2026-03-31", "20"), ("2026-04-01", "40")] {
            let lines = json!({"create": [{"position": 1, "itemId": item, "quantity": 1, "listPrice": price}]});
            admin.create("Invoice", json!({"subject": "I", "organizationId": customer, "invoiceDate": day, "lines": lines})).await;
        }
        admin.create_many("Ticket", ["OPEN", "CLOSED", "CLOSED"].map(|status| json!({"title": "T", "status": status, "organizationId": customer}))).await;
        admin.create_many("Lead", [("HOT", "MACHINERY"), ("HOT", "MACHINERY"), ("COLD", "MEDIA")].map(|(status, industry)| json!({"lastName": "L", "status": status, "industry": industry}))).await;
        let reports = admin.query("{
            offers: opportunityGroups(groupBy: [{closeDate: MONTH}, {stage: true}]) { key { closeDate stage } count sum { amount } }
            invoices: invoiceGroups(groupBy: [{invoiceDate: QUARTER}]) { key { invoiceDate } count sum { total } }
            interventions: ticketGroups(groupBy: [{status: true}]) { key { status } count }
            hotLeads: leadGroups(groupBy: [{industry: true}], filter: {status: {eq: HOT}}) { key { industry } count }
        }").await;
        assert_eq!(reports.ok(), &json!({
            "offers": [{"key": {"closeDate": "2026-04-01", "stage": "CLOSED_WON"}, "count": 1, "sum": {"amount": "200.00"}}, {"key": {"closeDate": "2026-05-01", "stage": "PROSPECTING"}, "count": 1, "sum": {"amount": "100.00"}}],
            "invoices": [{"key": {"invoiceDate": "2026-01-01"}, "count": 2, "sum": {"total": "30.00"}}, {"key": {"invoiceDate": "2026-04-01"}, "count": 1, "sum": {"total": "40.00"}}],
            "interventions": [{"key": {"status": "OPEN"}, "count": 1}, {"key": {"status": "CLOSED"}, "count": 2}],
            "hotLeads": [{"key": {"industry": "MACHINERY"}, "count": 2}],
        }));
    }

    async fn s32_a_sale_has_its_documents_with_lines(server: Server) {
        let admin = server.admin().await;
        let customer = admin.create("Organization", json!({"name": "Officine Rossi"})).await;
        let vendor = admin.create("Vendor", json!({"name": "Montaggi"})).await;
        let product = admin.create("Product", json!({"name": "Controller", "qtyInStock": "5"})).await;
        let sale = opportunity(&admin, "Panels", "100", 50, json!({"organizationId": customer})).await;
        let line = |quantity: i64| json!({"create": [{"position": 1, "itemId": product, "quantity": quantity, "listPrice": "10"}]});
        let quote = admin.create("Quote", json!({"subject": "Q", "organizationId": customer, "opportunityId": sale, "stage": "CREATED", "lines": line(3)})).await;
        let order = admin.create("SalesOrder", json!({"subject": "S", "organizationId": customer, "opportunityId": sale, "quoteId": quote, "lines": line(3)})).await;
        let bought = admin.create("PurchaseOrder", json!({"subject": "P", "vendorId": vendor, "salesOrderId": order, "status": "RECEIVED_SHIPMENT", "lines": line(4)})).await;
        let invoice = admin.create("Invoice", json!({"subject": "I", "organizationId": customer, "opportunityId": sale, "quoteId": quote, "salesOrderId": order, "lines": line(3)})).await;
        let way = "{ opportunities(first: 1) { nodes { quotes(first: 1) { nodes { linesTotal salesOrders(first: 1) { nodes { linesTotal invoices(first: 1) { nodes { total } } purchaseOrders(first: 1) { nodes { total vendor { name } } } } } } } } } }";
        let answer = admin.query(way).await;
        assert_eq!(answer.ok()["opportunities"]["nodes"][0]["quotes"]["nodes"], json!([{"linesTotal": "30.00", "salesOrders": {"nodes": [{
            "linesTotal": "30.00", "invoices": {"nodes": [{"total": "30.00"}]}, "purchaseOrders": {"nodes": [{"total": "40.00", "vendor": {"name": "Montaggi"}}]},
        }]}}]));
        // Stock is what the documents come to, whatever order they change in.
        let stock = async || admin.query("{ products { nodes { receivedQty invoicedQty computedStock } } }").await.ok()["products"]["nodes"][0].clone();
        assert_eq!(stock().await, json!({"receivedQty": "4.0000", "invoicedQty": "3.0000", "computedStock": "6.0000"}));
        for (module, id, status, left) in [("Invoice", &invoice, "CANCEL", "9.0000"), ("Invoice", &invoice, "SENT", "6.0000"), ("PurchaseOrder", &bought, "APPROVED", "2.0000")] {
            let text = format!("mutation($id: ID!) {{ update{module}(id: $id, data: {{status: {status}}}) {{ id }} }}");
            admin.query_with(&text, json!({"id": id})).await.ok();
            assert_eq!(stock().await["computedStock"], left, "{module} {status}");
        }
    }

    async fn s32_sums_are_right_to_the_cent_and_nobody_writes_them(server: Server) {
        let admin = server.admin().await;
        // An Italian invoice of a professional: VAT on the work, the withholding tax on what is charged before VAT.
        let made = invoice(&admin, json!({"deductedTaxPercent": 20, "received": "100"}), &[json!({"quantity": "12.5", "listPrice": "80", "taxPercent": 22})]).await;
        assert_eq!(made, json!({"subtotal": "1000.00", "discountTotal": "0.00", "preTaxTotal": "1000.00", "taxTotal": "220.00", "deductedTaxesTotal": "200.00", "total": "1020.00", "balance": "920.00",
            "lines": {"nodes": [{"amount": "1000.00", "amountAfterDiscount": "1000.00", "taxTotal": "220.00", "netTotal": "1220.00"}]}}));
        // Tax by line and tax on the total differ by a cent.
        let two = [json!({"quantity": 1, "listPrice": "55.55", "taxPercent": 23}), json!({"quantity": 1, "listPrice": "11.11", "taxPercent": 23})];
        assert_eq!(invoice(&admin, json!({"taxMode": "INDIVIDUAL"}), &two).await["taxTotal"], "15.34");
        assert_eq!(invoice(&admin, json!({"taxMode": "GROUP", "groupTaxPercent": 23}), &two).await["taxTotal"], "15.33");
        // Half a cent goes up; nothing is left of all.
        assert_eq!(invoice(&admin, json!({}), &[json!({"quantity": "9.5", "listPrice": "124.75"})]).await["total"], "1185.13");
        assert_eq!(invoice(&admin, json!({}), &[json!({"quantity": "2.25", "listPrice": "64.22", "discountPercent": 100})]).await["total"], "0.00");
        // Discounts of lines and of the document, charges, an adjustment.
        let head = json!({"discountPercent": 10, "chargesTotal": "15", "taxMode": "GROUP", "groupTaxPercent": 22, "adjustment": "-0.50"});
        let made = invoice(&admin, head, &[json!({"quantity": 3, "listPrice": "33.33", "discountAmount": "9.99"})]).await;
        assert_eq!((&made["subtotal"], &made["discountTotal"], &made["preTaxTotal"], &made["taxTotal"], &made["total"]), (&json!("90.00"), &json!("9.00"), &json!("96.00"), &json!("21.12"), &json!("116.62")));
        // An invoice without lines asks for nothing, and no client says what a sum is.
        assert_eq!(invoice(&admin, json!({}), &[]).await["total"], "0.00");
        admin.query("mutation { updateInvoices(filter: {}, data: {total: \"1\"}) { count } }").await.refused("BAD_USER_INPUT");
        let both = "mutation($id: ID!) { updateInvoiceLine(id: $id, data: {discountPercent: 1, discountAmount: 1}) { id } }";
        let lines = admin.query("{ invoiceLines(first: 1) { nodes { id } } }").await;
        admin.query_with(both, json!({"id": lines.ok()["invoiceLines"]["nodes"][0]["id"]})).await.refused("VALIDATION_FAILED");
    }

    async fn s39_products_services_and_their_prices_are_a_catalogue(server: Server) {
        let manager = server.create_user_with_role("sales-manager").await;
        let euro = manager.create("Currency", json!({"name": "Euro", "code": "EUR", "symbol": "€", "conversionRate": 1, "isBase": true})).await;
        let book = manager.create("PriceBook", json!({"name": "Resellers", "currencyId": euro})).await;
        let product = manager.create("Product", json!({"name": "Controller", "unitPrice": "100"})).await;
        let service = manager.create("Service", json!({"name": "Training", "unitPrice": "850", "usageUnit": "DAYS"})).await;
        for (item, price) in [(&product, "82"), (&service, "700")] {
            manager.create("PriceBookEntry", json!({"priceBookId": book, "itemId": item, "listPrice": price})).await;
        }
        let answer = manager.query("{ priceBooks { nodes { entryCount currency { code } } } products { nodes { unitPrice priceBookEntries { nodes { listPrice priceBook { name } } } } } }").await;
        assert_eq!(answer.ok(), &json!({
            "priceBooks": {"nodes": [{"entryCount": 2, "currency": {"code": "EUR"}}]},
            "products": {"nodes": [{"unitPrice": "100.00", "priceBookEntries": {"nodes": [{"listPrice": "82.0000", "priceBook": {"name": "Resellers"}}]}}]},
        }));
        manager.query_with("mutation($b: ID!, $i: ID!) { createPriceBookEntry(data: {priceBookId: $b, itemId: $i, listPrice: 1}) { id } }", json!({"b": book, "i": product})).await.refused("CONFLICT");
        let base = "mutation { createCurrency(data: {name: \"X\", code: \"XXX\", symbol: \"X\", conversionRate: 2, isBase: true}) { id } }";
        manager.query(base).await.refused("VALIDATION_FAILED");
    }

    async fn s49_a_campaigns_opportunities_are_followed(server: Server) {
        let admin = server.admin().await;
        let campaign = admin.create("Campaign", json!({"name": "Fair", "closeDate": "2026-06-30"})).await;
        opportunity(&admin, "one", "100", 50, json!({"campaignId": campaign})).await;
        opportunity(&admin, "two", "300", 50, json!({"campaignId": campaign, "stage": "CLOSED_WON"})).await;
        opportunity(&admin, "other", "999", 50, json!({})).await;
        let answer = admin.query("{ campaigns { nodes { opportunities { totalCount aggregate { sum { amount } } } won: opportunities(filter: {stage: {eq: CLOSED_WON}}) { aggregate { sum { amount } } } } } }").await;
        assert_eq!(answer.ok()["campaigns"]["nodes"][0], json!({"opportunities": {"totalCount": 2, "aggregate": {"sum": {"amount": "400.00"}}}, "won": {"aggregate": {"sum": {"amount": "300.00"}}}}));
    }

    async fn s51_pipeline_and_forecast_are_by_line_and_by_user(server: Server) {
        let one = server.create_user_with_role("sales-person").await;
        let other = server.create_user_with_role("sales-person").await;
        let manager = server.create_user_with_role("sales-manager").await;
        opportunity(&one, "a", "100", 50, json!({"productLine": "HARDWARE"})).await;
        opportunity(&one, "b", "200", 10, json!({"productLine": "HARDWARE", "closeDate": "2026-06-01"})).await;
        opportunity(&other, "c", "400", 25, json!({"productLine": "SOFTWARE"})).await;
        let forecast = "{ byLine: opportunityGroups(groupBy: [{productLine: true}]) { key { productLine } count sum { amount weightedAmount } }
            byMonth: opportunityGroups(groupBy: [{closeDate: MONTH}]) { key { closeDate } sum { weightedAmount } }
            byUser: opportunityGroups(groupBy: [{ownerId: true}], orderBy: [{sum: {weightedAmount: ASC}}]) { key { ownerId } sum { weightedAmount } } }";
        let whole = manager.query(forecast).await;
        assert_eq!(whole.ok()["byLine"], json!([
            {"key": {"productLine": "HARDWARE"}, "count": 2, "sum": {"amount": "300.00", "weightedAmount": "70.00"}},
            {"key": {"productLine": "SOFTWARE"}, "count": 1, "sum": {"amount": "400.00", "weightedAmount": "100.00"}},
        ]));
        assert_eq!(whole.ok()["byMonth"], json!([{"key": {"closeDate": "2026-05-01"}, "sum": {"weightedAmount": "150.00"}}, {"key": {"closeDate": "2026-06-01"}, "sum": {"weightedAmount": "20.00"}}]));
        assert_eq!(whole.ok()["byUser"], json!([
            {"key": {"ownerId": one.own_id().await}, "sum": {"weightedAmount": "70.00"}}, {"key": {"ownerId": other.own_id().await}, "sum": {"weightedAmount": "100.00"}},
        ]));
        // Each sees the own share of it.
        assert_eq!(one.query(forecast).await.ok()["byLine"].as_array().expect("groups").len(), 1);
    }
}
