//! One record becomes several, by what its module declares: in one transaction, under the caller's rights, once.

use cardine_tests::{Answer, Client, Server, on_both_databases, repository};
use serde_json::{Value, json};

const CONVERT: &str = "mutation($id: ID!, $firm: FirmUpdate, $firmId: ID, $person: PersonUpdate, $sale: SaleUpdate, $version: Int) {
    convertInquiry(id: $id, firm: $firm, firmId: $firmId, person: $person, sale: $sale, ifVersion: $version) { answered answeredAt firm { title size source } } }";

fn conversion() -> Value {
    json!({"conversion": {"done": "answered", "at": "answeredAt", "targets": [
        {"name": "firm", "module": "Firm", "when": "company", "keep": "firm", "fields": {"title": "company", "size": "staff", "source": "note", "ready": "answered"}},
        {"name": "person", "module": "Person", "fields": {"name": "person", "email": "email", "firm": {"target": "firm"}, "inquiry": {"target": "this"}}, "takes": ["calls"]},
        {"name": "sale", "module": "Sale", "optional": true, "fields": {"person": {"target": "person"}}, "takes": ["calls"]},
    ]}})
}

fn inquiry(features: &Value) -> Value {
    json!({"name": "Inquiry", "plural": "Inquiries", "features": features, "fields": [
        {"name": "person", "type": "text"}, {"name": "company", "type": "text"}, {"name": "email", "type": "email"}, {"name": "staff", "type": "integer"},
        {"name": "note", "type": "text"}, {"name": "answered", "type": "boolean", "default": false}, {"name": "answeredAt", "type": "dateTime"},
        {"name": "firm", "type": "reference", "to": "Firm"}]})
}

/// Inquiries that become firms, persons and sales, with calls about them; and a clerk who does not read the notes.
async fn prepare(server: &Server) -> (Client, Client) {
    let admin = server.admin().await;
    for definition in [
        json!({"name": "Firm", "plural": "Firms", "fields": [
            {"name": "title", "type": "text", "required": true, "maxLength": 20}, {"name": "size", "type": "integer"}, {"name": "source", "type": "text"}, {"name": "ready", "type": "boolean"}]}),
        inquiry(&Value::Null),
        json!({"name": "Person", "plural": "Persons", "fields": [
            {"name": "name", "type": "text", "required": true}, {"name": "email", "type": "email", "unique": true}, {"name": "firm", "type": "reference", "to": "Firm", "inverse": "persons"},
            {"name": "inquiry", "type": "reference", "to": "Inquiry"}]}),
        json!({"name": "Sale", "plural": "Sales", "fields": [
            {"name": "due", "type": "date", "required": true}, {"name": "person", "type": "reference", "to": "Person", "inverse": "sales"}]}),
        json!({"name": "Call", "plural": "Calls", "fields": [
            {"name": "title", "type": "text"}, {"name": "about", "type": "reference", "to": ["Inquiry", "Person", "Sale"], "inverse": "calls"}]}),
    ] {
        let mut definition = definition;
        if definition["features"].is_null() {
            definition.as_object_mut().expect("an object").remove("features");
        }
        admin.create_module(definition).await.ok();
    }
    admin.change("updateModule", json!({"name": "Inquiry", "patch": {"features": conversion()}})).await.ok();
    admin.create_role("clerk", None).await;
    for module in ["Firm", "Person", "Sale", "Call"] {
        admin
            .set_access(
                "clerk",
                module,
                json!({"create": true, "read": true, "update": true, "fields": {"*": "WRITE"}}),
            )
            .await;
    }
    admin
        .set_access(
            "clerk",
            "Inquiry",
            json!({"create": true, "read": true, "update": true, "fields": {"*": "WRITE", "note": "NONE"}}),
        )
        .await;
    let clerk = server.create_user_with_role("clerk").await;
    (admin, clerk)
}

fn full() -> Value {
    json!({"person": "Anna Rossi", "company": "Rossi", "email": "anna@example.org", "staff": 12, "note": "secret"})
}

async fn convert(caller: &Client, id: &str, more: Value) -> Answer {
    let mut variables = json!({"id": id});
    variables.as_object_mut().expect("an object").extend(more.as_object().expect("an object").clone());
    caller.query_with(CONVERT, variables).await
}

async fn counts(caller: &Client) -> Value {
    let answer = caller.query("{ firms { totalCount } persons { totalCount } sales { totalCount } }").await;
    json!(["firms", "persons", "sales"].map(|list| answer.ok()[list]["totalCount"].clone()))
}

fn faults(answer: &Answer) -> Vec<String> {
    let mut faults: Vec<String> = answer
        .issues()
        .iter()
        .map(|issue| format!("{} {}", issue["rule"].as_str().expect("a rule"), issue["path"]))
        .collect();
    faults.sort();
    faults
}

on_both_databases! {
    async fn a_record_becomes_several_and_what_belongs_to_it_moves(server: Server) {
        let (admin, _) = prepare(&server).await;
        let id = admin.create("Inquiry", full()).await;
        admin.create_many("Call", ["one", "two"].map(|title| json!({"title": title, "aboutId": id}))).await;
        let answer = convert(&admin, &id, json!({"person": {"name": "Anna"}, "sale": {"due": "2026-06-30"}})).await;
        let converted = &answer.ok()["convertInquiry"];
        assert_eq!((&converted["answered"], &converted["firm"]), (&json!(true), &json!({"title": "Rossi", "size": 12, "source": "secret"})));
        assert!(converted["answeredAt"].is_string(), "{answer}");
        let made = admin.query("{ firms { nodes { ready persons { nodes { name email inquiry { person } calls(orderBy: [{title: ASC}]) { nodes { title } } sales { nodes { due calls { totalCount } } } } } } } inquiries { nodes { calls { totalCount } } } }").await;
        assert_eq!(made.ok(), &json!({"firms": {"nodes": [{"ready": true, "persons": {"nodes": [{
            "name": "Anna", "email": "anna@example.org", "inquiry": {"person": "Anna Rossi"}, "calls": {"nodes": [{"title": "one"}, {"title": "two"}]},
            "sales": {"nodes": [{"due": "2026-06-30", "calls": {"totalCount": 0}}]},
        }]}}]}, "inquiries": {"nodes": [{"calls": {"totalCount": 0}}]}}));
        // Once is enough.
        let again = convert(&admin, &id, json!({})).await;
        again.refused("VALIDATION_FAILED");
        assert_eq!((faults(&again), counts(&admin).await), (vec!["converted [\"id\"]".to_owned()], json!([1, 1, 1])));
    }

    async fn every_fault_is_told_at_once_and_nothing_is_made(server: Server) {
        let (admin, _) = prepare(&server).await;
        admin.create("Person", json!({"name": "Other", "email": "taken@example.org"})).await;
        let id = admin.create("Inquiry", json!({"company": "A name that is far too long", "email": "new@example.org"})).await;
        let answer = convert(&admin, &id, json!({"sale": {}})).await;
        answer.refused("VALIDATION_FAILED");
        assert_eq!(faults(&answer), ["maxLength [\"firm\",\"title\"]", "required [\"person\",\"name\"]", "required [\"sale\",\"due\"]"]);
        let taken = convert(&admin, &id, json!({"firm": {"title": "Short"}, "person": {"name": "A", "email": "taken@example.org"}})).await;
        taken.refused("CONFLICT");
        let stale = convert(&admin, &id, json!({"firm": {"title": "Short"}, "person": {"name": "A"}, "version": 7})).await;
        stale.refused("CONFLICT");
        assert_eq!(counts(&admin).await, json!([0, 1, 0]));
        let inquiry = admin.query("{ inquiries { nodes { answered version firm { title } } } }").await;
        assert_eq!(inquiry.ok()["inquiries"]["nodes"], json!([{"answered": false, "version": 1, "firm": null}]));
    }

    async fn a_record_that_is_there_is_taken_if_it_is_seen(server: Server) {
        let (admin, clerk) = prepare(&server).await;
        let hidden = admin.create("Firm", json!({"title": "Hidden"})).await;
        let own = clerk.create("Firm", json!({"title": "Own"})).await;
        let id = clerk.create("Inquiry", json!({"person": "Bruno", "company": "Rossi"})).await;
        for unknown in [hidden.as_str(), id.as_str()] {
            let answer = convert(&clerk, &id, json!({"firmId": unknown})).await;
            answer.refused("VALIDATION_FAILED");
            assert_eq!(faults(&answer), ["reference [\"firmId\"]"]);
        }
        convert(&clerk, &id, json!({"firmId": own, "firm": {}})).await.refused("BAD_USER_INPUT");
        let answer = convert(&clerk, &id, json!({"firmId": own})).await;
        assert_eq!(answer.ok()["convertInquiry"]["firm"]["title"], "Own");
        assert_eq!(counts(&clerk).await, json!([1, 1, 0]));
        // Without a company no firm is made, and the person stands alone.
        let alone = clerk.create("Inquiry", json!({"person": "Carla"})).await;
        assert_eq!(convert(&clerk, &alone, json!({})).await.ok()["convertInquiry"]["firm"], Value::Null);
        assert_eq!(counts(&clerk).await, json!([1, 2, 0]));
    }

    async fn it_is_done_under_the_callers_rights(server: Server) {
        let (admin, clerk) = prepare(&server).await;
        let data = json!({"person": "Anna", "company": "Rossi", "note": "secret", "ownerId": clerk.own_id().await});
        let id = admin.create("Inquiry", data).await;
        let theirs = admin.create("Inquiry", full()).await;
        convert(&clerk, &theirs, json!({})).await.refused("NOT_FOUND");
        // What they may not read is not copied to where they may.
        let answer = convert(&clerk, &id, json!({})).await;
        assert_eq!(answer.ok()["convertInquiry"]["firm"], json!({"title": "Rossi", "size": null, "source": null}));
        // Without the right to change inquiries there is no such mutation; without that to make firms there are no arguments for them.
        admin.set_access("clerk", "Firm", json!({"create": false})).await;
        let without = clerk.query_with("mutation($id: ID!) { convertInquiry(id: $id, firmId: $id) { id } }", json!({"id": id})).await;
        without.refused("BAD_USER_INPUT");
        admin.set_access("clerk", "Inquiry", json!({"update": false})).await;
        clerk.query_with("mutation($id: ID!) { convertInquiry(id: $id) { id } }", json!({"id": id})).await.refused("BAD_USER_INPUT");
    }

    async fn who_may_only_write_a_record_takes_nothing_along_that_goes_with_it(server: Server) {
        let (admin, clerk) = prepare(&server).await;
        let remark = json!({"name": "Remark", "plural": "Remarks", "sharing": "CONTROLLED_BY_PARENT", "parent": "about", "fields": [
            {"name": "title", "type": "text"}, {"name": "about", "type": "reference", "to": ["Inquiry", "Person"], "inverse": "remarks", "required": true, "onDelete": "CASCADE"}]});
        admin.create_module(remark).await.ok();
        let mut taking = conversion();
        taking["conversion"]["targets"][1]["takes"] = json!(["calls", "remarks"]);
        admin.change("updateModule", json!({"name": "Inquiry", "patch": {"features": taking}})).await.ok();
        let ids = admin.create_many("Inquiry", ["with", "without"].map(|person| json!({"person": person}))).await;
        admin.create("Remark", json!({"title": "said", "aboutId": ids[0]})).await;
        let own = clerk.own_id().await;
        let share = async |id: &str, delete: bool| {
            let text = "mutation($id: ID!, $with: ID!, $delete: Boolean!) { shareRecord(module: \"Inquiry\", id: $id, with: {user: $with}, access: WRITE, delete: $delete) { access } }";
            admin.admin_query_with(text, json!({"id": id, "with": own, "delete": delete})).await.ok();
        };
        for id in &ids {
            share(id, false).await;
        }
        convert(&clerk, &ids[0], json!({"person": {"name": "a"}})).await.refused("FORBIDDEN");
        convert(&clerk, &ids[1], json!({"person": {"name": "b"}})).await.ok();
        share(&ids[0], true).await;
        convert(&clerk, &ids[0], json!({"person": {"name": "c"}})).await.ok();
        let taken = admin.query("{ persons(filter: {name: {eq: \"c\"}}) { nodes { remarks { nodes { title } } } } }").await;
        assert_eq!(taken.ok()["persons"]["nodes"], json!([{"remarks": {"nodes": [{"title": "said"}]}}]));
    }

    async fn a_faulty_declaration_is_refused_and_names_are_followed(server: Server) {
        let (admin, _) = prepare(&server).await;
        for (pointer, value, expected) in [
            ("/conversion/done", json!("person"), "type [\"patch\",\"features\",\"conversion\",\"done\"]"),
            ("/conversion/at", json!("nothing"), "unknownField [\"patch\",\"features\",\"conversion\",\"at\"]"),
            ("/conversion/targets/0/module", json!("Nobody"), "unknownModule [\"patch\",\"features\",\"conversion\",\"targets\",0,\"module\"]"),
            ("/conversion/targets/0/keep", json!("person"), "type [\"patch\",\"features\",\"conversion\",\"targets\",0,\"keep\"]"),
            ("/conversion/targets/1/name", json!("firm"), "nameTaken [\"patch\",\"features\",\"conversion\",\"targets\",1,\"name\"]"),
            ("/conversion/targets/0/fields/size", json!("person"), "type [\"patch\",\"features\",\"conversion\",\"targets\",0,\"fields\",\"size\"]"),
            ("/conversion/targets/1/fields/firm/target", json!("sale"), "type [\"patch\",\"features\",\"conversion\",\"targets\",1,\"fields\",\"firm\"]"),
            ("/conversion/targets/1/takes/0", json!("sales"), "type [\"patch\",\"features\",\"conversion\",\"targets\",1,\"takes\",0]"),
        ] {
            let mut features = conversion();
            *features.pointer_mut(pointer).expect(pointer) = value;
            let answer = admin.change("updateModule", json!({"name": "Inquiry", "patch": {"features": features}})).await;
            answer.refused("VALIDATION_FAILED");
            // Others may follow from it.
            assert!(faults(&answer).iter().any(|fault| fault == expected), "{pointer}: {answer}");
        }
        admin.change("renameField", json!({"module": "Inquiry", "name": "company", "to": "employer"})).await.ok();
        admin.change("renameField", json!({"module": "Firm", "name": "title", "to": "label"})).await.ok();
        admin.change("renameModule", json!({"name": "Person", "to": "Human", "plural": "Humans"})).await.ok();
        let id = admin.create("Inquiry", json!({"person": "Anna", "employer": "Rossi"})).await;
        let answer = admin.query_with("mutation($id: ID!) { convertInquiry(id: $id) { firm { label } } }", json!({"id": id})).await;
        assert_eq!(answer.ok()["convertInquiry"]["firm"]["label"], "Rossi");
        let humans = admin.query("{ humans { nodes { name firm { label } } } }").await;
        assert_eq!(humans.ok()["humans"]["nodes"], json!([{"name": "Anna", "firm": {"label": "Rossi"}}]));
        // What is retired later is passed over.
        admin.change("retireModule", json!({"name": "Sale", "force": true})).await.ok();
        let next = admin.create("Inquiry", json!({"person": "Bruno", "employer": "Bruni"})).await;
        admin.query_with("mutation($id: ID!) { convertInquiry(id: $id) { firm { label } } }", json!({"id": next})).await.ok();
    }

    async fn several_conversions_are_mutations_of_their_own(server: Server) {
        let (admin, clerk) = prepare(&server).await;
        for name in ["sold", "closed"] {
            admin.add_field("Inquiry", json!({"name": name, "type": "boolean", "default": false})).await.ok();
        }
        let sale = |name: &str, done: &str| json!({"name": name, "done": done, "targets": [{"name": "sale", "module": "Sale"}]});
        let several = json!([conversion()["conversion"], sale("sale", "sold"), sale("goToEnd", "closed"), sale("again", "closed")]);
        let declare = async |conversions: &Value| {
            admin.change("updateModule", json!({"name": "Inquiry", "patch": {"features": {"conversion": conversions}}})).await
        };
        declare(&several).await.ok();
        admin.set_access("clerk", "Inquiry", json!({"fields": {"*": "WRITE"}})).await;
        let id = clerk.create("Inquiry", json!({"person": "Anna"})).await;
        let to_sale = async |mutation: &str| {
            let text = format!("mutation($id: ID!) {{ it: {mutation}(id: $id, sale: {{due: \"2026-06-30\"}}) {{ answered sold closed }} }}");
            clerk.query_with(&text, json!({"id": id})).await
        };
        let state = |answered: bool, sold: bool, closed: bool| json!({"answered": answered, "sold": sold, "closed": closed});
        // Each is done once, whatever was done before of the others.
        assert_eq!(to_sale("convertInquiryToSale").await.ok()["it"], state(false, true, false));
        assert_eq!(faults(&to_sale("convertInquiryToSale").await), ["converted [\"id\"]"]);
        convert(&clerk, &id, json!({})).await.ok();
        assert_eq!(faults(&convert(&clerk, &id, json!({})).await), ["converted [\"id\"]"]);
        assert_eq!(to_sale("convertInquiryToGoToEnd").await.ok()["it"], state(true, true, true));
        // Two with the same boolean exclude each other.
        for mutation in ["convertInquiryToGoToEnd", "convertInquiryToAgain"] {
            assert_eq!(faults(&to_sale(mutation).await), ["converted [\"id\"]"]);
        }
        assert_eq!(counts(&clerk).await, json!([0, 1, 2]));
        to_sale("convertInquiryToFirm").await.refused("BAD_USER_INPUT");
        // Faults are told in their place, and a name has one owner.
        for (position, key, value, rule) in [(1, "done", json!("person"), "type"), (2, "name", json!("sAle"), "nameTaken"), (3, "name", Value::Null, "nameTaken")] {
            let mut faulty = several.clone();
            match value {
                Value::Null => { faulty[position].as_object_mut().expect("an object").remove(key); }
                value => faulty[position][key] = value,
            }
            let answer = declare(&faulty).await;
            answer.refused("VALIDATION_FAILED");
            let expected = format!("{rule} [\"patch\",\"features\",\"conversion\",{position},\"{key}\"]");
            assert!(faults(&answer).contains(&expected), "{expected}: {answer}");
        }
        let other = admin.create_module(json!({"name": "InquiryToSale", "plural": "InquiriesToSale", "fields": [{"name": "title", "type": "text"}]})).await;
        assert_eq!(faults(&other), ["nameTaken [\"definition\",\"name\"]"], "{other}");
        // New names are followed, by the mutation too; and without the right to make what it makes there is none.
        admin.change("renameField", json!({"module": "Inquiry", "name": "sold", "to": "traded"})).await.ok();
        admin.change("renameModule", json!({"name": "Sale", "to": "Deal", "plural": "Deals"})).await.ok();
        admin.change("renameModule", json!({"name": "Inquiry", "to": "Request", "plural": "Requests"})).await.ok();
        let next = clerk.create("Request", json!({"person": "Bruno"})).await;
        let text = "mutation($id: ID!) { convertRequestToSale(id: $id, sale: {due: \"2026-06-30\"}) { traded } }";
        assert_eq!(clerk.query_with(text, json!({"id": next})).await.ok()["convertRequestToSale"]["traded"], true);
        admin.set_access("clerk", "Deal", json!({"create": false})).await;
        clerk.query_with(text, json!({"id": next})).await.refused("BAD_USER_INPUT");
        let mutations = clerk.query("{ __schema { mutationType { fields { name } } } }").await;
        let names = mutations.ok()["__schema"]["mutationType"]["fields"].as_array().expect("fields").iter();
        let names: Vec<&str> = names.filter_map(|field| field["name"].as_str()).filter(|name| name.starts_with("convert")).collect();
        assert_eq!(names, ["convertRequest"]);
    }

    async fn an_opportunity_becomes_a_project_and_a_quote(server: Server) {
        let seller = server.create_user_with_role("sales-person").await;
        let customer = seller.create("Organization", json!({"name": "Officine Rossi"})).await;
        let deal = json!({"name": "Panels", "organizationId": customer, "closeDate": "2026-06-30", "stage": "PROSPECTING"});
        let deal = seller.create("Opportunity", deal).await;
        let to_quote = "mutation($id: ID!) { convertOpportunityToQuote(id: $id) { convertedToQuote convertedToProject quotes { nodes { subject organization { name } } } } }";
        let quoted = seller.query_with(to_quote, json!({"id": deal})).await;
        assert_eq!(quoted.ok()["convertOpportunityToQuote"], json!({"convertedToQuote": true, "convertedToProject": false,
            "quotes": {"nodes": [{"subject": "Panels", "organization": {"name": "Officine Rossi"}}]}}));
        assert_eq!(faults(&seller.query_with(to_quote, json!({"id": deal})).await), ["converted [\"id\"]"]);
        let admin = server.admin().await;
        let to_project = admin.query_with("mutation($id: ID!) { convertOpportunity(id: $id) { convertedToProject } }", json!({"id": deal})).await;
        assert_eq!(to_project.ok()["convertOpportunity"]["convertedToProject"], true);
        // A quote is to somebody.
        let nobody = seller.create("Opportunity", json!({"name": "Who?", "closeDate": "2026-06-30", "stage": "PROSPECTING"})).await;
        assert_eq!(faults(&seller.query_with(to_quote, json!({"id": nobody})).await), ["required [\"quote\",\"organizationId\"]"]);
    }

    async fn lists_are_made_again_as_their_reader_sees_them(server: Server) {
        let (admin, _) = prepare(&server).await;
        for definition in [
            json!({"name": "Article", "plural": "Articles", "fields": [{"name": "title", "type": "text"}]}),
            json!({"name": "Offer", "plural": "Offers", "fields": [
                {"name": "code", "type": "autoNumber", "format": "O-{000}"}, {"name": "place", "type": "address"}, {"name": "ordered", "type": "boolean"}]}),
            json!({"name": "OfferLine", "plural": "OfferLines", "sharing": "CONTROLLED_BY_PARENT", "parent": "offer", "fields": [
                {"name": "offer", "type": "reference", "to": "Offer", "inverse": "lines", "required": true}, {"name": "article", "type": "reference", "to": "Article"},
                {"name": "count", "type": "integer"}, {"name": "margin", "type": "integer"}]}),
            json!({"name": "Purchase", "plural": "Purchases", "fields": [
                {"name": "code", "type": "text"}, {"name": "place", "type": "address"}, {"name": "town", "type": "text"}, {"name": "offer", "type": "reference", "to": "Offer"}]}),
            json!({"name": "PurchaseLine", "plural": "PurchaseLines", "sharing": "CONTROLLED_BY_PARENT", "parent": "purchase", "fields": [
                {"name": "purchase", "type": "reference", "to": "Purchase", "inverse": "lines", "required": true}, {"name": "article", "type": "reference", "to": "Article"},
                {"name": "count", "type": "integer", "max": 10}, {"name": "margin", "type": "integer"}]}),
        ] {
            admin.create_module(definition).await.ok();
        }
        let target = json!({"name": "purchase", "module": "Purchase",
            "fields": {"code": "code", "place": "place", "town": "place.city", "offer": {"target": "this"}, "owner": "owner"},
            "copies": [{"list": "lines", "module": "PurchaseLine", "to": "purchase", "fields": {"article": "article", "count": "count", "margin": "margin"}}]});
        let features = |target: &Value| json!({"name": "Offer", "patch": {"features": {"conversion": {"done": "ordered", "targets": [target]}}}});
        admin.change("updateModule", features(&target)).await.ok();
        for (pointer, value, expected) in [
            ("/copies/0/list", json!("rows"), "unknownRelation"), ("/copies/0/module", json!("Nobody"), "unknownModule"), ("/copies/0/to", json!("article"), "type"),
            ("/copies/0/fields/count", json!("article"), "type"), ("/copies/0/fields/margin", json!("nothing"), "unknownField"), ("/fields/place", json!("code"), "type"), ("/name", json!("ifVersion"), "nameTaken"),
        ] {
            let mut faulty = target.clone();
            *faulty.pointer_mut(pointer).expect(pointer) = value;
            let answer = admin.change("updateModule", features(&faulty)).await;
            answer.refused("VALIDATION_FAILED");
            let place = pointer.split('/').skip(1).fold("[\"patch\",\"features\",\"conversion\",\"targets\",0".to_owned(), |place, name| match name {
                "0" => format!("{place},0"),
                name => format!("{place},\"{name}\""),
            });
            assert_eq!(faults(&answer), [format!("{expected} {place}]")], "{pointer}");
        }
        for (module, hidden) in [("Offer", ""), ("OfferLine", "margin"), ("Purchase", ""), ("PurchaseLine", ""), ("Article", "")] {
            let mut fields = json!({"*": "WRITE"});
            if !hidden.is_empty() {
                fields[hidden] = json!("NONE");
            }
            admin.set_access("clerk", module, json!({"create": true, "read": true, "update": true, "fields": fields})).await;
        }
        let clerk = server.create_user_with_role("clerk").await;
        let owner = clerk.own_id().await;
        let hidden = admin.create("Article", json!({"title": "Hidden"})).await;
        let known = clerk.create("Article", json!({"title": "Known"})).await;
        let lines = |count: i64| json!({"create": [{"articleId": known, "count": 2, "margin": 50}, {"articleId": hidden, "count": count, "margin": 60}]});
        let offer = |count: i64| json!({"place": {"city": "Modena", "country": "Italia"}, "ownerId": owner, "lines": lines(count)});
        let convert = "mutation($id: ID!) { convertOffer(id: $id) { ordered } }";
        let id = admin.create("Offer", offer(11)).await;
        let refused = clerk.query_with(convert, json!({"id": id})).await;
        refused.refused("VALIDATION_FAILED");
        assert_eq!(faults(&refused), ["range [\"purchase\",\"lines\",1,\"count\"]"]);
        assert_eq!(admin.query("{ purchases { totalCount } offers { nodes { ordered } } }").await.ok(), &json!({"purchases": {"totalCount": 0}, "offers": {"nodes": [{"ordered": null}]}}));
        let id = admin.create("Offer", offer(3)).await;
        clerk.query_with(convert, json!({"id": id})).await.ok();
        let made = admin.query("{ purchases { nodes { code town place { city country } offer { ordered lines { totalCount } } lines(orderBy: [{count: ASC}]) { nodes { count margin article { title } } } } } }").await;
        assert_eq!(made.ok()["purchases"]["nodes"], json!([{"code": "O-002", "town": "Modena", "place": {"city": "Modena", "country": "Italia"}, "offer": {"ordered": true, "lines": {"totalCount": 2}},
            "lines": {"nodes": [{"count": 2, "margin": null, "article": {"title": "Known"}}, {"count": 3, "margin": null, "article": null}]}}]));
        // The administrator sees all of it; the new record is the same one's as the old one.
        let id = admin.create("Offer", offer(4)).await;
        admin.query_with(convert, json!({"id": id})).await.ok();
        let lines = admin.query("{ purchaseLines(filter: {count: {eq: 4}}) { nodes { margin article { title } purchase { ownerId } } } }").await;
        assert_eq!(lines.ok()["purchaseLines"]["nodes"], json!([{"margin": 60, "article": {"title": "Hidden"}, "purchase": {"ownerId": owner}}]));
        // Names are followed here too.
        for (module, name, to) in [("OfferLine", "count", "pieces"), ("PurchaseLine", "purchase", "of"), ("PurchaseLine", "count", "quantity")] {
            admin.change("renameField", json!({"module": module, "name": name, "to": to})).await.ok();
        }
        let mut offer = offer(5);
        for line in offer["lines"]["create"].as_array_mut().expect("lines") {
            line["pieces"] = line.as_object_mut().expect("a line").remove("count").expect("a count");
        }
        let id = admin.create("Offer", offer).await;
        admin.query_with(convert, json!({"id": id})).await.ok();
        let lines = admin.query("{ purchaseLines(filter: {quantity: {eq: 5}}) { totalCount } }").await;
        assert_eq!(lines.ok()["purchaseLines"]["totalCount"], 1);
    }

    async fn what_comes_with_the_server_is_sound(server: Server) {
        let admin = server.admin().await;
        let files = repository::text_files().into_iter().filter(|(path, _)| path.starts_with("schema/modules/") && path.ends_with(".json"));
        let mut checked = 0;
        for (path, text) in files {
            let definition: Value = serde_json::from_str(&text).expect("a definition is JSON");
            if definition["features"].is_object() {
                // With one more of them they are looked at anew.
                let patch = json!({"features": {"tasks": {"priority": definition["fields"][0]["name"]}}});
                let answer = admin.change("updateModule", json!({"name": definition["name"], "patch": patch})).await;
                assert!(answer.errors().is_empty(), "{path}: {answer}");
                checked += 1;
            }
        }
        assert!(checked >= 5, "{checked}");
    }

    async fn a_lead_becomes_organization_contact_and_opportunity(server: Server) {
        let seller = server.create_user_with_role("sales-person").await;
        let lead = seller.create("Lead", json!({"lastName": "Rossi", "firstName": "Anna", "company": "Officine Rossi", "email": "anna@example.org", "city": "Modena", "leadSource": "TRADE_SHOW"})).await;
        seller.create("Task", json!({"subject": "Call", "startAt": "2026-03-01T08:00:00Z", "dueDate": "2026-03-05", "parentId": lead})).await;
        seller.create("Comment", json!({"content": "Asked at the fair.", "recordId": lead})).await;
        let text = "mutation($id: ID!) { convertLead(id: $id, opportunity: {name: \"Panels\", closeDate: \"2026-06-30\", stage: PROSPECTING}) { converted
            convertedOrganization { name billingCity tasks { nodes { subject } } } convertedContact { firstName mailingCity organization { name } comments { nodes { content } } }
            convertedOpportunity { name leadSource contact { lastName } } } }";
        let answer = seller.query_with(text, json!({"id": lead})).await;
        assert_eq!(answer.ok()["convertLead"], json!({"converted": true,
            "convertedOrganization": {"name": "Officine Rossi", "billingCity": "Modena", "tasks": {"nodes": [{"subject": "Call"}]}},
            "convertedContact": {"firstName": "Anna", "mailingCity": "Modena", "organization": {"name": "Officine Rossi"}, "comments": {"nodes": [{"content": "Asked at the fair."}]}},
            "convertedOpportunity": {"name": "Panels", "leadSource": "TRADE_SHOW", "contact": {"lastName": "Rossi"}}}));
    }

    async fn a_quote_becomes_an_order_and_the_order_an_invoice(server: Server) {
        let seller = server.create_user_with_role("sales-person").await;
        let admin = server.admin().await;
        let customer = seller.create("Organization", json!({"name": "Officine Rossi"})).await;
        let item = admin.create("Service", json!({"name": "Work"})).await;
        let lines = [("12.5", "80", json!(null)), ("3", "33.33", json!("9.99"))].into_iter().enumerate().map(|(position, (quantity, price, discount))| {
            json!({"position": position + 1, "itemId": item, "quantity": quantity, "listPrice": price, "discountAmount": discount, "taxPercent": "22"})
        });
        let quote = json!({"subject": "Work", "organizationId": customer, "billingCity": "Modena", "taxMode": "INDIVIDUAL", "deductedTaxPercent": "20", "chargesTotal": "15", "lines": {"create": lines.collect::<Vec<_>>()}});
        let quote = seller.create("Quote", quote).await;
        let quoted = seller.query_with("mutation($id: ID!) { convertQuote(id: $id) { ordered preTaxTotal taxTotal deductedTaxesTotal total salesOrders { nodes { id total quote { subject } lines { totalCount } } } } }", json!({"id": quote})).await;
        let quoted = &quoted.ok()["convertQuote"];
        assert_eq!((&quoted["preTaxTotal"], &quoted["taxTotal"], &quoted["deductedTaxesTotal"], &quoted["total"]), (&json!("1105.00"), &json!("239.80"), &json!("221.00"), &json!("1123.80")));
        let order = &quoted["salesOrders"]["nodes"][0];
        assert_eq!((&order["total"], &order["lines"]["totalCount"], &order["quote"]["subject"]), (&json!("1123.80"), &json!(2), &json!("Work")));
        let text = "mutation($id: ID!) { convertSalesOrder(id: $id) { invoiced invoices { nodes { billingCity subtotal deductedTaxesTotal total quote { id } lines(orderBy: [{position: ASC}]) { nodes { netTotal } } } } } }";
        let invoiced = seller.query_with(text, json!({"id": order["id"]})).await;
        assert_eq!(invoiced.ok()["convertSalesOrder"], json!({"invoiced": true, "invoices": {"nodes": [{"billingCity": "Modena", "subtotal": "1090.00", "deductedTaxesTotal": "221.00",
            "total": "1123.80", "quote": {"id": quote}, "lines": {"nodes": [{"netTotal": "1220.00"}, {"netTotal": "109.80"}]}}]}}));
        seller.query_with(text, json!({"id": order["id"]})).await.refused("VALIDATION_FAILED");
        let ticket = admin.create("Ticket", json!({"title": "Panel is dark", "solution": "Push the < button"})).await;
        admin.query_with("mutation($id: ID!) { convertTicket(id: $id) { inKnowledgeBase } }", json!({"id": ticket})).await.ok();
        let articles = admin.query("{ faqs { nodes { question answer status } } }").await;
        assert_eq!(articles.ok()["faqs"]["nodes"], json!([{"question": "Panel is dark", "answer": "Push the &lt; button", "status": "DRAFT"}]));
        // One without a solution has no answer to tell.
        let open = admin.create("Ticket", json!({"title": "Panel is dark again"})).await;
        let refused = admin.query_with("mutation($id: ID!) { convertTicket(id: $id) { id } }", json!({"id": open})).await;
        refused.refused("VALIDATION_FAILED");
        assert_eq!(faults(&refused), ["required [\"article\",\"answer\"]"]);
    }

    async fn an_opportunity_inherits_the_campaign_of_its_lead(server: Server) {
        let admin = server.admin().await;
        // A field of one's own, mapped like any other.
        let field = json!({"name": "campaign", "type": "reference", "to": "Campaign", "inverse": "leads"});
        admin.add_field("Lead", field).await.ok();
        let definition = admin.admin_query("{ module(name: \"Lead\") { definition } }").await;
        let mut features = definition.ok()["module"]["definition"]["features"].clone();
        features["conversion"]["targets"][2]["fields"]["campaign"] = json!("campaign");
        admin.change("updateModule", json!({"name": "Lead", "patch": {"features": features}})).await.ok();
        let campaign = admin.create("Campaign", json!({"name": "Fair", "closeDate": "2026-06-30"})).await;
        let lead = admin.create("Lead", json!({"lastName": "Rossi", "campaignId": campaign})).await;
        let text = "mutation($id: ID!) { convertLead(id: $id, opportunity: {name: \"Panels\", closeDate: \"2026-06-30\"}) { convertedOpportunity { campaign { name } } } }";
        let answer = admin.query_with(text, json!({"id": lead})).await;
        assert_eq!(answer.ok()["convertLead"]["convertedOpportunity"]["campaign"]["name"], "Fair");
    }
}
