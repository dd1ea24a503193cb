//! Points about customers, what is known of them and how they are grouped: S05, S06, S08, S15, S16, S17, S35, S38, S47.

use cardine_tests::on_both_databases;
use serde_json::json;

on_both_databases! {
    async fn s05_colleagues_comment_on_records(server: Server) {
        let (one, other) = (server.create_user_with_role("sales-person").await, server.create_user_with_role("sales-person").await);
        let customer = one.create("Organization", json!({"name": "Officine Rossi"})).await;
        let first = one.create("Comment", json!({"content": "They ask for a discount.", "recordId": customer})).await;
        one.create("Comment", json!({"content": "Ten percent at most.", "recordId": customer, "parentCommentId": first, "isPrivate": true})).await;
        let text = "query($id: ID!) { organization(id: $id) { comments(orderBy: [{createdAt: ASC}]) { nodes { content isPrivate replies { nodes { content } } } } } comments { totalCount } }";
        let told = one.query_with(text, json!({"id": customer})).await;
        let comments = json!([
            {"content": "They ask for a discount.", "isPrivate": false, "replies": {"nodes": [{"content": "Ten percent at most."}]}},
            {"content": "Ten percent at most.", "isPrivate": true, "replies": {"nodes": []}},
        ]);
        assert_eq!(told.ok()["organization"]["comments"]["nodes"], comments);
        // A comment is seen by those who see its record, and by nobody else.
        let hidden = other.query_with(text, json!({"id": customer})).await;
        assert_eq!(hidden.ok(), &json!({"organization": null, "comments": {"totalCount": 0}}));
    }

    async fn s06_a_phase_of_life_is_a_field_with_history(server: Server) {
        let admin = server.admin().await;
        let phases = ["AWARENESS", "EXPLORATION", "EXPANSION", "COMMITMENT", "DISSOLUTION"].map(|value| json!({"value": value}));
        admin.add_field("Organization", json!({"name": "phase", "type": "choice", "options": phases, "indexed": true})).await.ok();
        let ids = admin.create_many("Organization", [("a", "100"), ("b", "200"), ("c", "50")].map(|(name, worth)| json!({"name": name, "annualRevenue": worth, "phase": "AWARENESS"}))).await;
        let text = "mutation($id: ID!) { updateOrganization(id: $id, data: {phase: EXPANSION}) { history(first: 1) { nodes { changes { field old new } } } } }";
        let answer = admin.query_with(text, json!({"id": ids[0]})).await;
        let change = &answer.ok()["updateOrganization"]["history"]["nodes"][0]["changes"];
        assert_eq!(change, &json!([{"field": "phase", "old": "AWARENESS", "new": "EXPANSION"}]));
        let groups = admin.query("{ organizationGroups(groupBy: [{phase: true}]) { key { phase } count sum { annualRevenue } } }").await;
        assert_eq!(groups.ok()["organizationGroups"], json!([
            {"key": {"phase": "AWARENESS"}, "count": 2, "sum": {"annualRevenue": "250.00"}},
            {"key": {"phase": "EXPANSION"}, "count": 1, "sum": {"annualRevenue": "100.00"}},
        ]));
    }

    async fn s08_a_customer_is_read_whole_in_one_query(server: Server) {
        let admin = server.admin().await;
        let customer = admin.create("Organization", json!({"name": "Officine Rossi"})).await;
        let product = admin.create("Product", json!({"name": "Controller"})).await;
        admin.create("Contact", json!({"lastName": "Rossi", "organizationId": customer})).await;
        admin.create("Opportunity", json!({"name": "Panels", "organizationId": customer, "closeDate": "2026-05-01", "stage": "PROSPECTING", "amount": "100"})).await;
        admin.create("Invoice", json!({"subject": "I", "organizationId": customer, "lines": {"create": [{"position": 1, "itemId": product, "quantity": 2, "listPrice": "10"}]}})).await;
        admin.create("Ticket", json!({"title": "Broken", "organizationId": customer, "status": "OPEN"})).await;
        admin.create("Project", json!({"name": "Line 3", "customerId": customer})).await;
        admin.create("Asset", json!({"name": "Controller 7", "productId": product, "serialNumber": "7", "organizationId": customer, "dateSold": "2026-01-01", "dateInService": "2026-01-02"})).await;
        admin.create("ServiceContract", json!({"subject": "Yearly", "customerId": customer})).await;
        admin.create("Event", json!({"subject": "Visit", "type": "MEETING", "parentId": customer, "startAt": "2026-03-01T09:00:00Z", "endAt": "2026-03-01T10:00:00Z"})).await;
        let text = "query($id: ID!) { organization(id: $id) { name
            contacts { nodes { lastName } } opportunities { nodes { name amount } } invoices { nodes { subject total } } tickets { nodes { title } }
            projects { nodes { name } } assets { nodes { name } } serviceContracts { nodes { subject } } events { nodes { subject } } } }";
        let whole = admin.query_with(text, json!({"id": customer})).await;
        assert_eq!(whole.ok()["organization"], json!({
            "name": "Officine Rossi", "contacts": {"nodes": [{"lastName": "Rossi"}]}, "opportunities": {"nodes": [{"name": "Panels", "amount": "100.00"}]},
            "invoices": {"nodes": [{"subject": "I", "total": "20.00"}]}, "tickets": {"nodes": [{"title": "Broken"}]}, "projects": {"nodes": [{"name": "Line 3"}]},
            "assets": {"nodes": [{"name": "Controller 7"}]}, "serviceContracts": {"nodes": [{"subject": "Yearly"}]}, "events": {"nodes": [{"subject": "Visit"}]},
        }));
    }

    async fn s15_leads_organizations_and_contacts_stand_for_themselves(server: Server) {
        let seller = server.create_user_with_role("sales-person").await;
        seller.create("Lead", json!({"lastName": "Verdi", "company": "Somewhere"})).await;
        seller.create("Organization", json!({"name": "Alone"})).await;
        let contact = seller.create("Contact", json!({"lastName": "Bianchi"})).await;
        let answer = seller.query_with("query($id: ID!) { contact(id: $id) { lastName organization { name } } }", json!({"id": contact})).await;
        assert_eq!(answer.ok()["contact"], json!({"lastName": "Bianchi", "organization": null}));
        let nameless = "mutation { createContact(data: {firstName: \"Anna\"}) { id } }";
        seller.query(nameless).await.refused("BAD_USER_INPUT");
    }

    async fn s16_cards_hold_person_address_class_and_ways_to_reach(server: Server) {
        let admin = server.admin().await;
        let card = json!({"lastName": "Neri", "title": "Buyer", "street": "Via Emilia 1", "city": "Modena", "postalCode": "41121", "status": "HOT", "leadSource": "WEB_SITE",
            "rating": "ACTIVE", "industry": "MACHINERY", "employees": 12, "phone": "+39059123456", "mobile": "+393331234567", "email": "neri@example.org"});
        let lead = admin.create("Lead", card).await;
        let text = "query($id: ID!) { lead(id: $id) { title city postalCode status leadSource rating industry employees phone mobile email } }";
        let answer = admin.query_with(text, json!({"id": lead})).await;
        assert_eq!(answer.ok()["lead"], json!({"title": "Buyer", "city": "Modena", "postalCode": "41121", "status": "HOT", "leadSource": "WEB_SITE", "rating": "ACTIVE",
            "industry": "MACHINERY", "employees": 12, "phone": "+39059123456", "mobile": "+393331234567", "email": "neri@example.org"}));
        // The cards are examples: each company adds what it needs.
        admin.add_field("Lead", json!({"name": "vatNumber", "type": "text", "maxLength": 20})).await.ok();
        let added = admin.query_with("mutation($id: ID!) { updateLead(id: $id, data: {vatNumber: \"IT01234567890\"}) { vatNumber } }", json!({"id": lead})).await;
        assert_eq!(added.ok()["updateLead"]["vatNumber"], "IT01234567890");
    }

    async fn s17_any_record_has_documents(server: Server) {
        let admin = server.admin().await;
        let document = admin.create("Document", json!({"title": "Contract", "locationType": "EXTERNAL", "externalProvider": "URL", "externalId": "https://example.org/contract"})).await;
        let lead = admin.create("Lead", json!({"lastName": "Neri"})).await;
        let ticket = admin.create("Ticket", json!({"title": "Broken", "status": "OPEN"})).await;
        for record in [&lead, &ticket] {
            admin.create("RecordDocument", json!({"documentId": document, "recordId": record})).await;
        }
        let text = "query($lead: ID!, $ticket: ID!) { lead(id: $lead) { recordDocuments { nodes { document { title } } } } ticket(id: $ticket) { recordDocuments { totalCount } }
            documents { nodes { links { nodes { record { __typename } } } } } }";
        let answer = admin.query_with(text, json!({"lead": lead, "ticket": ticket})).await;
        assert_eq!(answer.ok()["lead"]["recordDocuments"]["nodes"], json!([{"document": {"title": "Contract"}}]));
        assert_eq!(answer.ok()["ticket"]["recordDocuments"]["totalCount"], 1);
        assert_eq!(answer.ok()["documents"]["nodes"][0]["links"]["nodes"].as_array().expect("links").len(), 2);
        let twice = admin.query_with("mutation($d: ID!, $r: ID!) { createRecordDocument(data: {documentId: $d, recordId: $r}) { id } }", json!({"d": document, "r": lead})).await;
        twice.refused("CONFLICT");
        // A module of one's own gets them by one change of the reference.
        admin.create_module(json!({"name": "Vessel", "plural": "Vessels", "fields": [{"name": "title", "type": "text"}]})).await.ok();
        let modules = admin.admin_query("{ module(name: \"RecordDocument\") { definition } }").await;
        let mut fields = modules.ok()["module"]["definition"]["fields"].clone();
        let reference = fields.as_array_mut().expect("fields").iter_mut().find(|field| field["name"] == "record").expect("the reference");
        reference["to"].as_array_mut().expect("targets").push(json!("Vessel"));
        let to = reference["to"].clone();
        admin.change("updateField", json!({"module": "RecordDocument", "name": "record", "patch": {"to": to}})).await.ok();
        let vessel = admin.create("Vessel", json!({"title": "Argo"})).await;
        admin.create("RecordDocument", json!({"documentId": document, "recordId": vessel})).await;
        let own = admin.query("{ vessels { nodes { recordDocuments { nodes { document { title } } } } } }").await;
        assert_eq!(own.ok()["vessels"]["nodes"][0]["recordDocuments"]["nodes"][0]["document"]["title"], "Contract");
    }

    async fn s35_documents_stand_in_folders_and_have_versions(server: Server) {
        let admin = server.admin().await;
        let sales = admin.create("DocumentFolder", json!({"name": "Sales"})).await;
        let signed = admin.create("DocumentFolder", json!({"name": "Signed", "parentId": sales})).await;
        let external = |title: &str, folder: &str| json!({"title": title, "folderId": folder, "locationType": "EXTERNAL", "externalId": "https://example.org/x"});
        admin.create("Document", external("Offer", &signed)).await;
        let below = "query($id: ID!) { documents(filter: {folder: {ancestors: {some: {id: {eq: $id}}}}}) { nodes { title folder { name } } } documentFolder(id: $id) { documentCount descendants { totalCount } } }";
        let answer = admin.query_with(below, json!({"id": sales})).await;
        assert_eq!(answer.ok()["documents"]["nodes"], json!([{"title": "Offer", "folder": {"name": "Signed"}}]));
        assert_eq!(answer.ok()["documentFolder"], json!({"documentCount": 0, "descendants": {"totalCount": 1}}));
        // A folder that holds something stays, and a folder cannot stand inside itself.
        admin.query_with("mutation($id: ID!) { deleteDocumentFolder(id: $id) { id } }", json!({"id": signed})).await.refused("CONFLICT");
        let circle = "mutation($a: ID!, $b: ID!) { updateDocumentFolder(id: $a, data: {parentId: $b}) { id } }";
        admin.query_with(circle, json!({"a": sales, "b": signed})).await.refused("VALIDATION_FAILED");
        // What is elsewhere says where.
        admin.query("mutation { createDocument(data: {title: \"Nowhere\", locationType: EXTERNAL}) { id } }").await.refused("VALIDATION_FAILED");
    }

    async fn s38_people_companies_and_vendors_are_one_address_book(server: Server) {
        let seller = server.create_user_with_role("sales-person").await;
        let contact = seller.create("Contact", json!({"lastName": "Montanari", "type": "SUPPLIER"})).await;
        seller.create("Organization", json!({"name": "Montanari e figli"})).await;
        seller.create("Vendor", json!({"name": "Montanari forniture", "contacts": {"connect": [contact]}})).await;
        let answer = seller.query("{ search(text: \"montanari\") { nodes { module } } vendors { nodes { contacts { nodes { lastName } } } } }").await;
        let mut modules: Vec<&str> = answer.ok()["search"]["nodes"].as_array().expect("hits").iter().filter_map(|hit| hit["module"].as_str()).collect();
        modules.sort_unstable();
        assert_eq!(modules, ["Contact", "Organization", "Vendor"]);
        assert_eq!(answer.ok()["vendors"]["nodes"][0]["contacts"]["nodes"], json!([{"lastName": "Montanari"}]));
    }

    async fn s47_a_campaign_lists_leads_contacts_and_organizations(server: Server) {
        let marketing = server.create_user_with_role("marketing").await;
        let campaign = marketing.create("Campaign", json!({"name": "Fair", "closeDate": "2026-06-30"})).await;
        let people = [
            marketing.create("Lead", json!({"lastName": "L"})).await,
            marketing.create("Contact", json!({"lastName": "C"})).await,
            marketing.create("Organization", json!({"name": "O"})).await,
        ];
        marketing.create_many("CampaignMember", people.iter().map(|person| json!({"campaignId": campaign, "memberId": person}))).await;
        let list = marketing.create("TargetList", json!({"name": "All of them", "campaigns": {"connect": [campaign]}})).await;
        marketing.create_many("TargetListMember", people.iter().enumerate().map(|(n, person)| json!({"targetListId": list, "memberId": person, "optedOut": n == 0}))).await;
        let answer = marketing.query("{ campaigns { nodes { members(orderBy: [{createdAt: ASC}, {id: ASC}]) { nodes { member { __typename } } } targetLists { nodes { entryCount optedOutCount } } } } }").await;
        assert_eq!(answer.ok()["campaigns"]["nodes"][0], json!({
            "members": {"nodes": [{"member": {"__typename": "Lead"}}, {"member": {"__typename": "Contact"}}, {"member": {"__typename": "Organization"}}]},
            "targetLists": {"nodes": [{"entryCount": 3, "optedOutCount": 1}]},
        }));
        let again = marketing.query_with("mutation($l: ID!, $p: ID!) { createTargetListMember(data: {targetListId: $l, memberId: $p}) { id } }", json!({"l": list, "p": people[0]})).await;
        again.refused("CONFLICT");
    }
}
