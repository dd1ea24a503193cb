//! Lists and records: filters, order, cursor pages, relations to any depth, unions, nodes, and what GraphQL itself promises.

use cardine_tests::{Answer, Client, on_both_databases};
use serde_json::{Value, json};

/// Four organizations, their contacts and opportunities.
async fn fill(admin: &Client) -> Vec<String> {
    let organizations = admin
        .create_many(
            "Organization",
            [
                json!({"name": "Èlite Caffè", "industry": "BANKING", "employees": 10, "annualRevenue": "100.50", "billingCity": "Bologna"}),
                json!({"name": "elio", "employees": 5, "annualRevenue": "99.99", "billingCity": "Roma"}),
                json!({"name": "Straße 7", "industry": "BANKING", "employees": null, "billingCity": "BOLOGNA"}),
                json!({"name": "Zeta 100%_\\", "employees": 10, "annualRevenue": "-1"}),
            ],
        )
        .await;
    let contact = |name: &str, organization: usize, call: bool| json!({"lastName": name, "organizationId": organizations[organization], "doNotCall": call});
    admin
        .create_many(
            "Contact",
            [
                contact("Anna", 0, false),
                contact("Bruno", 0, true),
                contact("Carla", 0, false),
                contact("Dario", 1, true),
                contact("Elsa", 1, true),
                json!({"lastName": "Alone"}),
            ],
        )
        .await;
    organizations
}

async fn names(client: &Client, arguments: &str) -> Vec<String> {
    let answer = client.query(&format!("{{ organizations({arguments}) {{ totalCount nodes {{ name }} }} }}")).await;
    texts(&answer.ok()["organizations"]["nodes"], "name")
}

fn texts(nodes: &Value, field: &str) -> Vec<String> {
    let nodes = nodes.as_array().expect("nodes are a list");
    nodes.iter().map(|node| node[field].as_str().expect("text").to_owned()).collect()
}

const E: &str = "Èlite Caffè";
const S: &str = "Straße 7";
const Z: &str = "Zeta 100%_\\";

on_both_databases! {
    async fn filters_compare_and_combine(server: Server) {
        let admin = server.admin().await;
        fill(&admin).await;
        let by_name = "orderBy: [{name: ASC}]";
        for (filter, expected) in [
            ("{}", vec!["elio", E, S, Z]),
            ("{employees: {eq: 10}}", vec![E, Z]),
            ("{employees: {ne: 10}}", vec!["elio"]),
            ("{employees: {in: [5, 7]}}", vec!["elio"]),
            ("{employees: {in: []}}", vec![]),
            ("{employees: {notIn: []}}", vec!["elio", E, S, Z]),
            ("{employees: {notIn: [10]}}", vec!["elio"]),
            ("{employees: {isNull: true}}", vec![S]),
            ("{employees: {isNull: false}}", vec!["elio", E, Z]),
            ("{employees: {gt: 5, lte: 10}}", vec![E, Z]),
            // Whatever is compared with null is unknown.
            ("{employees: {eq: null}}", vec![]),
            ("{employees: {isNull: null}}", vec![]),
            ("{annualRevenue: {gte: \"99.99\", lt: \"100.5\"}}", vec!["elio"]),
            ("{annualRevenue: {eq: \"100.500\"}}", vec![E]),
            ("{annualRevenue: {lt: 0}}", vec![Z]),
            ("{industry: {eq: BANKING}}", vec![E, S]),
            ("{industry: {isNull: true}}", vec!["elio", Z]),
            ("{and: [{employees: {eq: 10}}, {industry: {eq: BANKING}}]}", vec![E]),
            ("{or: [{employees: {eq: 5}}, {industry: {eq: BANKING}, employees: {isNull: true}}]}", vec!["elio", S]),
            ("{or: []}", vec![]),
            ("{and: []}", vec!["elio", E, S, Z]),
            // As in rules: what is compared with nothing is neither true nor false, and so is its opposite.
            ("{not: {employees: {eq: 10}}}", vec!["elio"]),
            ("{not: {employees: {isNull: false}}}", vec![S]),
            ("{not: {or: [{employees: {eq: 10}}, {employees: {isNull: true}}]}}", vec!["elio"]),
            ("{billingCity: {eq: \"bologna\"}}", vec![E, S]),
            ("{billingCity: {in: [\"ROMA\"]}}", vec!["elio"]),
            ("{name: {contains: \"ELI\"}}", vec!["elio"]),
            ("{name: {contains: \"CAFFÈ\"}}", vec![E]),
            ("{name: {startsWith: \"èL\"}}", vec![E]),
            ("{name: {contains: \"STRASSE\"}}", vec![S]),
            ("{name: {endsWith: \" 7\"}}", vec![S]),
            // What is a pattern to SQL is only text here.
            ("{name: {contains: \"%\"}}", vec![Z]),
            ("{name: {contains: \"_\"}}", vec![Z]),
            ("{name: {endsWith: \"\\\\\"}}", vec![Z]),
            ("{name: {contains: \"'; drop table organization; --\"}}", vec![]),
        ] {
            assert_eq!(names(&admin, &format!("filter: {filter}, {by_name}")).await, expected, "{filter}");
        }
    }

    async fn filters_reach_over_relations(server: Server) {
        let admin = server.admin().await;
        let organizations = fill(&admin).await;
        let by_name = "orderBy: [{name: ASC}]";
        for (filter, expected) in [
            ("{contacts: {some: {doNotCall: {eq: true}}}}", vec!["elio", E]),
            ("{contacts: {none: {doNotCall: {eq: true}}}}", vec![S, Z]),
            // Every one of none is true.
            ("{contacts: {every: {doNotCall: {eq: true}}}}", vec!["elio", S, Z]),
            ("{contacts: {some: {}}}", vec!["elio", E]),
            ("{contacts: {some: {lastName: {eq: \"ANNA\"}}, none: {lastName: {eq: \"zoe\"}}}}", vec![E]),
            ("{not: {contacts: {some: {lastName: {startsWith: \"a\"}}}}}", vec!["elio", S, Z]),
        ] {
            assert_eq!(names(&admin, &format!("filter: {filter}, {by_name}")).await, expected, "{filter}");
        }
        let contacts = |filter: String| {
            let admin = admin.clone();
            async move {
                let answer = admin.query(&format!("{{ contacts(filter: {filter}, orderBy: [{{lastName: ASC}}]) {{ nodes {{ lastName }} }} }}")).await;
                texts(&answer.ok()["contacts"]["nodes"], "lastName")
            }
        };
        assert_eq!(contacts("{organization: {name: {contains: \"lite\"}, employees: {gt: 1}}}".into()).await, ["Anna", "Bruno", "Carla"]);
        assert_eq!(contacts(format!("{{organizationId: {{eq: \"{}\"}}}}", organizations[1])).await, ["Dario", "Elsa"]);
        assert_eq!(contacts("{organizationId: {isNull: true}}".into()).await, ["Alone"]);
        assert_eq!(contacts("{organization: {contacts: {some: {lastName: {eq: \"Dario\"}}}}}".into()).await, ["Dario", "Elsa"]);
    }

    async fn order_folds_text_and_puts_nulls_where_it_says(server: Server) {
        let admin = server.admin().await;
        fill(&admin).await;
        for (order, expected) in [
            ("{name: ASC}", ["elio", E, S, Z]),
            ("{name: DESC}", [Z, S, E, "elio"]),
            ("{employees: ASC}, {name: ASC}", ["elio", E, Z, S]),
            ("{employees: DESC}, {name: DESC}", [S, Z, E, "elio"]),
            ("{employees: ASC_NULLS_FIRST}, {name: ASC}", [S, "elio", E, Z]),
            ("{employees: DESC_NULLS_LAST}, {name: ASC}", [E, Z, "elio", S]),
            ("{annualRevenue: ASC}", [Z, "elio", E, S]),
        ] {
            assert_eq!(names(&admin, &format!("orderBy: [{order}]")).await, expected, "{order}");
        }
        let answer = admin.query("{ contacts(orderBy: [{organization: {name: DESC}}, {lastName: DESC}]) { nodes { lastName } } }").await;
        assert_eq!(texts(&answer.ok()["contacts"]["nodes"], "lastName"), ["Alone", "Carla", "Bruno", "Anna", "Elsa", "Dario"]);
        admin.query("{ organizations(orderBy: [{name: ASC, employees: ASC}]) { totalCount } }").await.refused("BAD_USER_INPUT");
        admin.query("{ organizations(orderBy: [{}]) { totalCount } }").await.refused("BAD_USER_INPUT");
    }

    async fn cursors_walk_forward_and_backward_and_stay_while_records_come(server: Server) {
        let admin = server.admin().await;
        let products = (0..25).map(|n| json!({"name": format!("P{n:02}"), "qtyInStock": n % 4}));
        admin.create_many("Product", products).await;
        let page = |arguments: String| {
            let admin = admin.clone();
            async move {
                let text = format!("{{ products(orderBy: [{{qtyInStock: DESC}}, {{name: ASC}}], {arguments}) {{ totalCount edges {{ cursor node {{ name }} }}
                    pageInfo {{ hasNextPage hasPreviousPage startCursor endCursor }} }} }}");
                admin.query(&text).await.ok()["products"].clone()
            }
        };
        let mut expected: Vec<(i32, String)> = (0..25).map(|n| (-(n % 4), format!("P{n:02}"))).collect();
        expected.sort();
        let expected: Vec<String> = expected.into_iter().map(|(_, name)| name).collect();
        let of = |page: &Value| -> Vec<String> {
            let edges = page["edges"].as_array().expect("edges");
            edges.iter().map(|edge| edge["node"]["name"].as_str().expect("name").to_owned()).collect()
        };

        let first = page("first: 10".into()).await;
        assert_eq!(of(&first), expected[..10]);
        assert_eq!(first["totalCount"], 25);
        assert_eq!((&first["pageInfo"]["hasNextPage"], &first["pageInfo"]["hasPreviousPage"]), (&json!(true), &json!(false)));
        assert_eq!(first["pageInfo"]["startCursor"], first["edges"][0]["cursor"]);
        assert_eq!(first["pageInfo"]["endCursor"], first["edges"][9]["cursor"]);
        // Records that come before the cursor move nothing on the next page.
        admin.create_many("Product", (0..5).map(|n| json!({"name": format!("A{n}"), "qtyInStock": 99}))).await;
        let second = page(format!("first: 10, after: {}", first["pageInfo"]["endCursor"])).await;
        assert_eq!(of(&second), expected[10..20]);
        assert_eq!(second["totalCount"], 30);
        let third = page(format!("first: 10, after: {}", second["pageInfo"]["endCursor"])).await;
        assert_eq!(of(&third), expected[20..]);
        assert_eq!((&third["pageInfo"]["hasNextPage"], &third["pageInfo"]["hasPreviousPage"]), (&json!(false), &json!(true)));
        let back = page(format!("last: 10, before: {}", third["pageInfo"]["startCursor"])).await;
        assert_eq!(of(&back), expected[10..20]);
        assert_eq!((&back["pageInfo"]["hasNextPage"], &back["pageInfo"]["hasPreviousPage"]), (&json!(true), &json!(true)));
        assert_eq!(of(&page("last: 3".into()).await), expected[22..]);
        // Ties of null keys too.
        let nulls = "{ products(first: 2, orderBy: [{unitPrice: ASC}]) { nodes { name } pageInfo { endCursor } } }";
        let one = admin.query(nulls).await.ok()["products"].clone();
        let two = admin.query(&nulls.replace("first: 2,", &format!("first: 100, after: {},", one["pageInfo"]["endCursor"]))).await.ok()["products"].clone();
        assert_eq!(two["nodes"].as_array().map(Vec::len), Some(28));
        let empty = page("first: 0".into()).await;
        assert_eq!((of(&empty), &empty["totalCount"]), (vec![], &json!(30)));

        for faulty in ["first: -1", "first: 1001", "last: -1", "first: 5, last: 5", "after: \"x\"", "after: \"\"", "first: 5, offset: -1"] {
            let answer = admin.query(&format!("{{ products({faulty}) {{ totalCount }} }}")).await;
            assert!(matches!(answer.codes().as_slice(), ["BAD_USER_INPUT" | "LIMIT_EXCEEDED"]), "{faulty}: {answer}");
        }
        // A cursor of another order, and one that somebody changed.
        let cursor = first["pageInfo"]["endCursor"].as_str().expect("a cursor").to_owned();
        let mut forged = cursor.clone();
        forged.replace_range(5..6, if &cursor[5..6] == "A" { "B" } else { "A" });
        for (order, cursor) in [("{name: ASC}", &cursor), ("{qtyInStock: DESC}, {name: ASC}", &forged)] {
            let answer = admin.query(&format!("{{ products(orderBy: [{order}], after: \"{cursor}\") {{ totalCount }} }}")).await;
            answer.refused("BAD_USER_INPUT");
        }
    }

    async fn offsets_leave_out_the_first(server: Server) {
        let admin = server.admin().await;
        fill(&admin).await;
        assert_eq!(names(&admin, "orderBy: [{name: ASC}], first: 2, offset: 1").await, [E, S]);
        assert_eq!(names(&admin, "orderBy: [{name: ASC}], offset: 9").await, [""; 0]);
    }

    async fn lists_nest_and_page_per_parent(server: Server) {
        let admin = server.admin().await;
        fill(&admin).await;
        let text = "{ organizations(orderBy: [{name: ASC}], first: 3) { nodes { name
            contacts(first: 2, orderBy: [{lastName: DESC}]) { totalCount nodes { lastName organization { name contacts(first: 1, orderBy: [{lastName: ASC}]) { nodes { lastName } } } } pageInfo { hasNextPage endCursor } }
            quiet: contacts(filter: {doNotCall: {eq: true}}) { totalCount nodes { lastName } } } } }";
        let answer = admin.query(text).await;
        let nodes = &answer.ok()["organizations"]["nodes"];
        let elio = json!({"lastName": "Elsa", "organization": {"name": "elio", "contacts": {"nodes": [{"lastName": "Dario"}]}}});
        assert_eq!(nodes[0]["contacts"]["nodes"][0], elio);
        assert_eq!((&nodes[0]["contacts"]["totalCount"], &nodes[0]["contacts"]["pageInfo"]["hasNextPage"]), (&json!(2), &json!(false)));
        assert_eq!(texts(&nodes[1]["contacts"]["nodes"], "lastName"), ["Carla", "Bruno"]);
        assert_eq!((&nodes[1]["contacts"]["totalCount"], &nodes[1]["contacts"]["pageInfo"]["hasNextPage"]), (&json!(3), &json!(true)));
        assert_eq!(nodes[1]["quiet"], json!({"totalCount": 1, "nodes": [{"lastName": "Bruno"}]}));
        assert_eq!(nodes[2]["contacts"], json!({"totalCount": 0, "nodes": [], "pageInfo": {"hasNextPage": false, "endCursor": null}}));
        let cursor = &nodes[1]["contacts"]["pageInfo"]["endCursor"];
        let rest = admin.query(&format!("{{ organizations(filter: {{name: {{startsWith: \"è\"}}}}) {{ nodes {{ contacts(first: 2, after: {cursor}, orderBy: [{{lastName: DESC}}]) {{ nodes {{ lastName }} }} }} }} }}")).await;
        assert_eq!(texts(&rest.ok()["organizations"]["nodes"][0]["contacts"]["nodes"], "lastName"), ["Anna"]);
    }

    async fn aliases_fragments_variables_and_directives_work_together(server: Server) {
        let admin = server.admin().await;
        fill(&admin).await;
        let text = "query Q($name: String!, $full: Boolean!, $first: Int = 1, $filter: OrganizationFilter) {
            one: organizations(filter: {name: {eq: $name}}, first: $first) { ...Page }
            two: organizations(filter: $filter, orderBy: {name: ASC}) { ...Page total: totalCount }
        }
        fragment Page on OrganizationConnection { __typename nodes { ...Row } }
        fragment Row on Organization { label: name ... @include(if: $full) { employees } billingCity @skip(if: $full) ... on Node { kind: __typename } }";
        let variables = json!({"name": "ELIO", "full": true, "filter": {"employees": {"eq": 10}}, "unused": 1});
        let answer = admin.query_with(text, variables).await;
        assert_eq!(answer.ok(), &json!({
            "one": {"__typename": "OrganizationConnection", "nodes": [{"label": "elio", "employees": 5, "kind": "Organization"}]},
            "two": {"__typename": "OrganizationConnection", "nodes": [{"label": E, "employees": 10, "kind": "Organization"}, {"label": Z, "employees": 10, "kind": "Organization"}], "total": 2},
        }));
        let answer = admin.query_with(text, json!({"name": "elio", "full": false, "first": 5})).await;
        assert_eq!(answer.ok()["one"]["nodes"], json!([{"label": "elio", "billingCity": "Roma", "kind": "Organization"}]));
        admin.query_with(text, json!({"full": true})).await.refused("BAD_USER_INPUT");
        let two = json!({"query": "query A { me { role } } query B { b: me { role } }", "operationName": "B"});
        assert_eq!(admin.post("/graphql", &two).await.body, json!({"data": {"b": {"role": "administrator"}}}));
        // Members come in the order of the selection.
        let order = admin.query("{ z: me { role } a: me { role } __typename }").await;
        assert!(order.text.contains(r#"{"data":{"z":{"role":"administrator"},"a":{"role":"administrator"},"__typename":"Query"}"#), "{order}");
    }

    async fn unions_and_nodes_say_what_they_are(server: Server) {
        let admin = server.admin().await;
        let organizations = fill(&admin).await;
        let lead = admin.create("Lead", json!({"lastName": "Verdi"})).await;
        let task = |parent: &str| json!({"subject": "Call", "startAt": "2026-05-01T10:00:00+02:00", "dueDate": "2026-05-02", "parentId": parent});
        let tasks = admin.create_many("Task", [task(&lead), task(&organizations[1]), json!({"subject": "Free", "startAt": "2026-05-01T08:00:00Z", "dueDate": "2026-05-02"})]).await;
        let text = "{ tasks(orderBy: [{subject: ASC}, {id: ASC}]) { nodes { startAt parentId parent { __typename ... on Lead { lastName } ... on Organization { name } ... on Node { id } } owner { __typename ... on User { email } } } } }";
        let answer = admin.query(text).await;
        let nodes = &answer.ok()["tasks"]["nodes"];
        assert_eq!(nodes[0]["parent"], json!({"__typename": "Lead", "lastName": "Verdi", "id": lead}));
        assert_eq!(nodes[1]["parent"], json!({"__typename": "Organization", "name": "elio", "id": organizations[1]}));
        assert_eq!((&nodes[2]["parent"], &nodes[2]["parentId"]), (&Value::Null, &Value::Null));
        assert_eq!(nodes[0]["startAt"], "2026-05-01T08:00:00.000Z");
        assert_eq!(nodes[0]["owner"], json!({"__typename": "User", "email": "admin@example.org"}));
        let answer = admin.query("{ leads { nodes { tasks { nodes { subject } } } } }").await;
        assert_eq!(answer.ok()["leads"]["nodes"][0]["tasks"]["nodes"], json!([{"subject": "Call"}]));

        let absent = uuid::Uuid::now_v7();
        let text = "query($ids: [ID!]!, $lead: ID!) { nodes(ids: $ids) { __typename id ... on Task { subject } } node(id: $lead) { ... on Lead { lastName } } lead(id: $lead) { lastName } task(id: $lead) { id } }";
        let answer = admin.query_with(text, json!({"ids": [tasks[2], absent, lead, tasks[0]], "lead": lead})).await;
        assert_eq!(answer.ok(), &json!({
            "nodes": [{"__typename": "Task", "id": tasks[2], "subject": "Free"}, null, {"__typename": "Lead", "id": lead}, {"__typename": "Task", "id": tasks[0], "subject": "Call"}],
            "node": {"lastName": "Verdi"}, "lead": {"lastName": "Verdi"}, "task": null,
        }));
        let answer = admin.query_with(text, json!({"ids": vec![absent; 1001], "lead": lead})).await;
        assert_eq!(answer.refused("LIMIT_EXCEEDED").errors()[0]["locations"], json!([{"line": 1, "column": 35}]));
    }

    async fn records_are_written_with_versions_and_deleted_softly(server: Server) {
        let admin = server.admin().await;
        let text = "mutation { createLead(data: {lastName: \"Neri\", email: \"Neri@EXAMPLE.org\", phone: \"+39 051 12-34\", annualRevenue: \"12.5\"}) {
            id version lastName email phone annualRevenue status number createdAt updatedAt deletedAt createdBy { email } owner { ... on User { email } } ownerId } }";
        let created = admin.query(text).await.ok()["createLead"].clone();
        assert_eq!((&created["version"], &created["email"], &created["phone"], &created["annualRevenue"], &created["status"]), (&json!(1), &json!("Neri@example.org"), &json!("+390511234"), &json!("12.50"), &json!("NOT_CONTACTED")));
        assert_eq!((&created["number"], &created["deletedAt"], &created["createdBy"]["email"]), (&json!("LEA-00001"), &Value::Null, &json!("admin@example.org")));
        assert_eq!(created["createdAt"], created["updatedAt"]);
        let id = created["id"].clone();
        let update = "mutation($id: ID!, $data: LeadUpdate!, $v: Int) { updateLead(id: $id, data: $data, ifVersion: $v) { version lastName phone } }";
        let answer = admin.query_with(update, json!({"id": id, "data": {"lastName": "Bianchi", "phone": null}, "v": 1})).await;
        assert_eq!(answer.ok()["updateLead"], json!({"version": 2, "lastName": "Bianchi", "phone": null}));
        admin.query_with(update, json!({"id": id, "data": {"lastName": "Late"}, "v": 1})).await.refused("CONFLICT");
        let faulty = admin.query_with(update, json!({"id": id, "data": {"lastName": null, "email": "no address", "employees": -1}})).await;
        let paths: Vec<_> = faulty.refused("VALIDATION_FAILED").issues().iter().map(|issue| issue["path"].clone()).collect();
        for field in ["lastName", "email", "employees"] {
            assert!(paths.contains(&json!(["data", field])), "{faulty}");
        }
        let answer = admin.query_with("mutation($id: ID!) { deleteLead(id: $id) { id deletedAt } }", json!({"id": id})).await;
        assert!(answer.ok()["deleteLead"]["deletedAt"].is_string());
        let answer = admin.query_with("query($id: ID!) { lead(id: $id) { id } leads { totalCount } all: leads(deleted: INCLUDE) { totalCount } gone: leads(deleted: ONLY) { nodes { lastName } } }", json!({"id": id})).await;
        assert_eq!(answer.ok(), &json!({"lead": null, "leads": {"totalCount": 0}, "all": {"totalCount": 1}, "gone": {"nodes": [{"lastName": "Bianchi"}]}}));
        admin.query_with(update, json!({"id": id, "data": {"lastName": "Ghost"}})).await.refused("NOT_FOUND");
    }

    async fn all_mutations_of_an_operation_take_effect_or_none(server: Server) {
        let admin = server.admin().await;
        let text = "mutation($absent: ID!) { one: createLead(data: {lastName: \"One\"}) { id } two: updateLead(id: $absent, data: {lastName: \"Two\"}) { id } }";
        let answer = admin.query_with(text, json!({"absent": uuid::Uuid::now_v7()})).await;
        assert_eq!(answer.refused("NOT_FOUND").errors()[0]["path"], json!(["two"]));
        assert_eq!(admin.query("{ leads { totalCount } }").await.ok()["leads"]["totalCount"], 0);
        let answer = admin.query("mutation { a: createLead(data: {lastName: \"A\"}) { number } b: createLead(data: {lastName: \"B\"}) { number } }").await;
        assert_eq!(answer.ok().as_object().map(serde_json::Map::len), Some(2));
    }

    async fn introspection_by_the_standard_query_describes_the_whole_schema(server: Server) {
        let admin = server.admin().await;
        let answer = admin.query(STANDARD_INTROSPECTION).await;
        let schema = &answer.ok()["__schema"];
        let types = schema["types"].as_array().expect("types");
        let named = |name: &str| types.iter().find(|ty| ty["name"] == name);
        for name in ["Query", "Mutation", "Lead", "LeadFilter", "LeadOrderBy", "LeadConnection", "LeadEdge", "LeadCreate", "LeadUpdate", "LeadStatus", "TaskParent", "Owner", "Node", "Decimal", "DateTime", "__Type"] {
            assert!(named(name).is_some(), "{name} is described");
        }
        // Every type that is referred to is described.
        let mut open = vec![schema];
        while let Some(value) = open.pop() {
            match value {
                Value::Object(members) => {
                    if let (Some(Value::String(kind)), Some(Value::String(name))) = (members.get("kind"), members.get("name")) {
                        assert!(named(name).is_some_and(|ty| ty["kind"] == *kind), "{kind} {name} is referred to and not described");
                    }
                    open.extend(members.values());
                }
                Value::Array(items) => open.extend(items),
                _ => {}
            }
        }
        let lead = named("Lead").expect("it is there");
        let last_name = lead["fields"].as_array().expect("fields").iter().find(|field| field["name"] == "lastName").expect("the field");
        assert_eq!(last_name["type"], json!({"kind": "NON_NULL", "name": null, "ofType": {"kind": "SCALAR", "name": "String", "ofType": null}}));
        assert_eq!(named("LeadOrderBy").expect("it is there")["isOneOf"], true);
        let sdl = admin.get("/graphql/schema.graphql").await;
        assert_eq!(sdl.status, 200);
        for text in ["type Lead implements Node", "input LeadFilter", "union TaskParent =", "input LeadOrderBy @oneOf", "createLead(", "scalar Decimal"] {
            assert!(sdl.text.contains(text), "the SDL has {text}");
        }
    }

    async fn every_page_is_a_connection_by_relays_specification(server: Server) {
        let admin = server.admin().await;
        let query = "{ __schema { types { name fields { name args { name type { name } } type { name kind ofType { name kind ofType { kind ofType { name } } } } } } } }";
        let answer = admin.query(query).await;
        let types = answer.ok()["__schema"]["types"].as_array().expect("types").clone();
        let named = |name: &Value| types.iter().find(|ty| ty["name"] == *name).unwrap_or_else(|| panic!("no type {name}"));
        let field = |ty: &Value, name: &str| {
            let fields = ty["fields"].as_array().expect("fields");
            fields.iter().find(|field| field["name"] == name).cloned().unwrap_or_else(|| panic!("{} has no {name}", ty["name"]))
        };
        let mut connections = Vec::new();
        for ty in types.iter().filter(|ty| ty["name"].as_str().is_some_and(|name| name.ends_with("Connection"))) {
            connections.push(ty["name"].clone());
            assert_eq!(field(ty, "pageInfo")["type"]["ofType"]["name"], "PageInfo", "{}", ty["name"]);
            // [XEdge!]!
            let edge = field(ty, "edges")["type"]["ofType"]["ofType"]["ofType"]["name"].clone();
            assert_eq!(field(named(&edge), "cursor")["type"]["ofType"]["name"], "String", "{edge}");
            field(named(&edge), "node");
        }
        assert!(connections.len() > 50, "{connections:?}");
        let mut pages = 0;
        for ty in types.iter().filter(|ty| ty["fields"].is_array()) {
            for page in ty["fields"].as_array().expect("fields").iter().filter(|page| connections.contains(&page["type"]["ofType"]["name"])) {
                for (argument, scalar) in [("first", "Int"), ("after", "String")] {
                    let found = page["args"].as_array().expect("arguments").iter().find(|found| found["name"] == argument);
                    assert_eq!(found.map(|found| &found["type"]["name"]), Some(&json!(scalar)), "{}.{}", ty["name"], page["name"]);
                }
                pages += 1;
            }
        }
        assert!(pages > connections.len(), "{pages}");
    }

    async fn a_browser_gets_graphiql_from_this_server_alone(server: Server) {
        let nobody = server.anonymous();
        for path in ["/graphql", "/admin/graphql"] {
            let page = Answer::of(nobody.request(reqwest::Method::GET, path).header("accept", "text/html,application/xhtml+xml,*/*;q=0.8")).await;
            assert_eq!(page.status, 200, "{page}");
            assert!(page.headers["content-type"].to_str().is_ok_and(|value| value.starts_with("text/html")));
            let policy = page.headers["content-security-policy"].to_str().expect("a policy");
            assert!(policy.contains("default-src") && !policy.contains("http:") && !policy.contains("https:") && !policy.contains("unsafe-eval"), "{policy}");
            assert!(!page.text.contains("http://") && !page.text.contains("https://") && !page.text.contains("//unpkg"), "nothing is loaded from elsewhere: {}", page.text);
            let mut assets = 0;
            for attribute in ["src=\"", "href=\""] {
                for part in page.text.split(attribute).skip(1) {
                    let address = part.split('"').next().expect("a closed attribute");
                    if address.starts_with("data:") {
                        continue;
                    }
                    let base = reqwest::Url::parse(&format!("{}{path}", server.address())).expect("an address");
                    let address = base.join(address).expect("a relative address");
                    let asset = nobody.get(address.path()).await;
                    assert_eq!(asset.status, 200, "{address}");
                    assert!(asset.text.len() > 100, "{address}");
                    assets += 1;
                }
            }
            assert!(assets >= 4, "scripts and style sheets: {}", page.text);
        }
        assert_eq!(nobody.get("/").await.status, 200);
    }
}

/// The query that `graphql-js` sends, with all its options.
const STANDARD_INTROSPECTION: &str = "query IntrospectionQuery {
  __schema {
    description
    queryType { name kind }
    mutationType { name kind }
    subscriptionType { name kind }
    types { ...FullType }
    directives { name description isRepeatable locations args(includeDeprecated: true) { ...InputValue } }
  }
}
fragment FullType on __Type {
  kind name description specifiedByURL isOneOf
  fields(includeDeprecated: true) {
    name description
    args(includeDeprecated: true) { ...InputValue }
    type { ...TypeRef }
    isDeprecated deprecationReason
  }
  inputFields(includeDeprecated: true) { ...InputValue }
  interfaces { ...TypeRef }
  enumValues(includeDeprecated: true) { name description isDeprecated deprecationReason }
  possibleTypes { ...TypeRef }
}
fragment InputValue on __InputValue { name description type { ...TypeRef } defaultValue isDeprecated deprecationReason }
fragment TypeRef on __Type {
  kind name
  ofType { kind name ofType { kind name ofType { kind name ofType { kind name ofType { kind name ofType { kind name ofType { kind name ofType { kind name ofType { kind name } } } } } } } } }
}";
