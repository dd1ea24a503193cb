//! A campaign's planned and actual figures: the tutorial as printed, its arithmetic checked apart, and who may see what.

use std::collections::HashMap;
use std::process::Command;

use cardine_tests::document::{Block, blocks_of};
use cardine_tests::{Client, Server, on_both_databases, repository};
use serde_json::{Map, Value, json};

const TUTORIAL: &str = "docs/campaign-tutorial.md";

/// Fields of the tutorial that depend on the budget.
const BUDGET_FIGURES: [&str; 9] = [
    "budgetCost",
    "expectedCostPerLead",
    "expectedReturn",
    "expectedReturnOnBudget",
    "actualCostPerLead",
    "actualCostPerOrder",
    "actualCostPerCustomer",
    "actualReturn",
    "actualReturnOnBudget",
];

/// The callers of the tutorial, as they sign in, and what its answers told.
struct Reader<'a> {
    server: &'a Server,
    callers: HashMap<String, Client>,
    told: Map<String, Value>,
}

impl<'a> Reader<'a> {
    fn new(server: &'a Server) -> Self {
        Reader { server, callers: HashMap::new(), told: Map::new() }
    }

    async fn caller(&mut self, name: &str) -> Client {
        if let Some(client) = self.callers.get(name) {
            return client.clone();
        }
        let client = match name {
            "admin" => self.server.admin().await,
            "maria" => self.server.sign_in("maria@example.org", "maria enters campaigns").await,
            "carla" => self.server.sign_in("carla@example.org", "carla reads from above").await,
            other => panic!("the tutorial knows no {other}"),
        };
        self.callers.insert(name.to_owned(), client.clone());
        client
    }

    /// Runs a block with the variables and the expected answer that the following blocks print.
    async fn run(&mut self, block: &Block, following: &[Block]) {
        let caller_name = block.info.strip_prefix("graphql ").expect("a request's caller");
        let caller = self.caller(caller_name).await;
        let mut variables = self.variables(&block.text);
        let mut expected = None;
        for next in following {
            match next.info.as_str() {
                "json variables" => {
                    let printed: Value = parse(next);
                    variables.extend(printed.as_object().expect("variables are an object").clone());
                }
                "json answer" => expected = Some(("answer", parse(next))),
                "json errors" => expected = Some(("errors", parse(next))),
                _ => break,
            }
        }
        let answer = if caller_name == "admin" {
            caller.admin_query_with(&block.text, Value::Object(variables)).await
        } else {
            caller.query_with(&block.text, Value::Object(variables)).await
        };
        let place = format!("{TUTORIAL}:{}", block.line);
        match expected {
            Some(("errors", messages)) => {
                let found: Vec<&Value> = answer.errors().iter().map(|error| &error["message"]).collect();
                assert_eq!(json!(found), messages, "{place}: {answer}");
            }
            Some((_, printed)) => self.compare(answer.ok(), &printed, &place),
            None => {
                let _ = answer.ok();
            }
        }
    }

    fn variables(&self, text: &str) -> Map<String, Value> {
        let used = |name: &str| text.contains(&format!("${name}:"));
        self.told.iter().filter(|(name, _)| used(name)).map(|(name, id)| (name.clone(), id.clone())).collect()
    }

    /// Compares with a printed answer in which `<name>` stands for an id, which is kept under that name.
    fn compare(&mut self, found: &Value, printed: &Value, place: &str) {
        if let (Some(name), Value::String(id)) = (placeholder(printed), found) {
            self.told.insert(name.to_owned(), json!(id));
            return;
        }
        match (found, printed) {
            (Value::Object(found), Value::Object(printed)) => {
                let names = |object: &Map<String, Value>| object.keys().cloned().collect::<Vec<_>>();
                assert_eq!(names(found), names(printed), "{place}");
                for (name, value) in found {
                    self.compare(value, &printed[name], &format!("{place} {name}"));
                }
            }
            (found, printed) => assert_eq!(found, printed, "{place}"),
        }
    }

    fn told(&self, name: &str) -> &str {
        self.told[name].as_str().expect("ids are text")
    }

    /// Runs the script that the tutorial names.
    async fn run_script(&mut self, block: &Block) {
        assert!(block.text.starts_with("examples/campaign/enter.sh "), "{block:?}");
        let maria = self.caller("maria").await;
        let mut script = Command::new(repository::root().join("examples/campaign/enter.sh"));
        script.arg(self.server.address()).arg(maria.token().expect("Maria is signed in"));
        script.args([self.told("campaign"), self.told("customer")]);
        let output = tokio::task::spawn_blocking(move || script.output())
            .await
            .expect("the script does not panic")
            .expect("bash is installed");
        assert!(
            output.status.success(),
            "{}{}",
            String::from_utf8_lossy(&output.stdout),
            String::from_utf8_lossy(&output.stderr)
        );
        assert_eq!(String::from_utf8_lossy(&output.stdout), "Entered 174 people.\n");
    }
}

fn parse(block: &Block) -> Value {
    serde_json::from_str(&block.text).unwrap_or_else(|error| panic!("{TUTORIAL}:{}: {error}", block.line))
}

fn placeholder(value: &Value) -> Option<&str> {
    value.as_str()?.strip_prefix('<')?.strip_suffix('>')
}

/// All that the administrator does in the tutorial.
async fn prepare(server: &Server) -> Reader<'_> {
    let mut reader = Reader::new(server);
    let blocks = blocks_of(TUTORIAL);
    for (position, block) in blocks.iter().enumerate() {
        if block.info == "graphql admin" {
            reader.run(block, &blocks[position + 1..]).await;
        }
    }
    reader
}

/// One campaign of the deck's table, entered by Maria; gives the campaign's id.
async fn enter_campaign(maria: &Client) -> String {
    let campaign = maria
        .create(
            "Campaign",
            json!({
                "name": "Spring mailing", "closeDate": "2026-06-30", "budgetCost": 500, "paymentTerms": "monthly",
                "expectedLeads": 50, "expectedCustomers": 13, "expectedSales": "60000", "costShare": "0.86",
            }),
        )
        .await;
    let customer = maria.create("Organization", json!({"name": "Officine Rossi"})).await;
    let leads =
        (1..=173).map(|n| json!({"lastName": format!("Lead {n}"), "converted": n <= 44, "campaignId": campaign}));
    let mut people = maria.create_many("Lead", leads).await;
    people.push(maria.create("Contact", json!({"lastName": "Only contacted"})).await);
    let members = people.iter().map(|person| json!({"campaignId": campaign, "memberId": person}));
    assert_eq!(maria.create_many("CampaignMember", members).await.len(), 174);
    let quotes =
        (1..=78).map(|n| json!({"subject": format!("Quote {n}"), "organizationId": customer, "campaignId": campaign}));
    maria.create_many("Quote", quotes).await;
    let orders = (1..=9).map(|n| {
        let total = if n == 9 { "18222.51" } else { "18222.53" };
        json!({"subject": format!("Order {n}"), "organizationId": customer, "campaignId": campaign, "chargesTotal": total})
    });
    maria.create_many("SalesOrder", orders).await;
    campaign
}

/// `numerator / denominator` with two digits, half away from zero, by whole numbers alone.
fn quotient(numerator: i128, denominator: i128) -> String {
    let hundredfold = numerator * 100;
    let (whole, rest) = (hundredfold / denominator, hundredfold % denominator);
    let away = i128::from(2 * rest.abs() >= denominator.abs()) * (numerator * denominator).signum();
    let rounded = whole + away;
    let sign = if rounded < 0 { "-" } else { "" };
    format!("{sign}{}.{:02}", rounded.abs() / 100, rounded.abs() % 100)
}

#[test]
fn our_own_arithmetic_rounds_half_away_from_zero() {
    assert_eq!(quotient(5, 1000), "0.01");
    assert_eq!(quotient(-5, 1000), "-0.01");
    assert_eq!(quotient(4, 1000), "0.00");
    assert_eq!(quotient(22_460_385, 1000), "22460.39");
    assert_eq!(quotient(-12, 1), "-12.00");
}

async fn figures(caller: &Client, campaign: &str) -> Value {
    let text = "query($id: ID!) { campaign(id: $id) {
        reachedAudience actualLeads actualCustomers actualQuotes actualOrders actualSales
        expectedCostPerLead expectedAverageOrder expectedReturn expectedReturnOnBudget
        actualCostPerLead actualCostPerOrder actualCostPerCustomer actualAverageOrder actualReturn actualReturnOnBudget
        leadsPerAudience quotesPerLead ordersPerLead customersPerLead } }";
    let answer = caller.query_with(text, json!({"id": campaign})).await;
    answer.ok()["campaign"].clone()
}

/// What the table must say for these counts; sales in cents, the budget being 500.00 and the share of costs 0.86.
fn expected(audience: i128, leads: i128, customers: i128, quotes: i128, orders: i128, sales: i128) -> Value {
    let actual_return = sales * 14 - 500 * 100 * 100;
    json!({
        "reachedAudience": audience, "actualLeads": leads, "actualCustomers": customers, "actualQuotes": quotes,
        "actualOrders": orders, "actualSales": quotient(sales, 100),
        "expectedCostPerLead": quotient(500, 50), "expectedAverageOrder": quotient(60_000, 13),
        "expectedReturn": quotient(60_000 * 14 - 500 * 100, 100),
        "expectedReturnOnBudget": quotient(60_000 * 14 - 500 * 100, 100 * 500),
        "actualCostPerLead": quotient(500, leads), "actualCostPerOrder": quotient(500, orders),
        "actualCostPerCustomer": quotient(500, customers), "actualAverageOrder": quotient(sales, 100 * orders),
        "actualReturn": quotient(actual_return, 10_000), "actualReturnOnBudget": quotient(actual_return, 10_000 * 500),
        "leadsPerAudience": quotient(leads * 100, audience), "quotesPerLead": quotient(quotes * 100, leads),
        "ordersPerLead": quotient(orders * 100, leads), "customersPerLead": quotient(customers * 100, leads),
    })
}

on_both_databases! {
    async fn the_tutorial_gives_what_it_prints(server: Server) {
        let mut reader = Reader::new(&server);
        let blocks = blocks_of(TUTORIAL);
        for (position, block) in blocks.iter().enumerate() {
            if block.info.starts_with("graphql ") {
                reader.run(block, &blocks[position + 1..]).await;
            } else if block.info == "sh" && block.text.starts_with("examples/") {
                reader.run_script(block).await;
            }
        }
        assert!(reader.told.contains_key("campaign"), "the tutorial entered a campaign");
    }

    async fn figures_agree_with_arithmetic_of_our_own_and_follow_every_change(server: Server) {
        let mut reader = prepare(&server).await;
        let maria = reader.caller("maria").await;
        let campaign = enter_campaign(&maria).await;
        let found = figures(&maria, &campaign).await;
        assert_eq!(found, expected(174, 173, 44, 78, 9, 16_400_275));
        // What the slide prints, misprints apart.
        for (field, printed) in [
            ("expectedCostPerLead", "10.00"), ("expectedAverageOrder", "4615.38"), ("actualCostPerOrder", "55.56"),
            ("actualCostPerLead", "2.89"), ("actualAverageOrder", "18222.53"), ("actualReturn", "22460.39"),
            ("expectedReturn", "7900.00"), ("leadsPerAudience", "99.43"), ("quotesPerLead", "45.09"),
            ("ordersPerLead", "5.20"), ("customersPerLead", "25.43"),
        ] {
            assert_eq!(found[field], printed, "{field}");
        }

        // An order goes, a lead moves to another campaign, one is won, a quote is added, one order is corrected.
        let other = maria.create("Campaign", json!({"name": "Other", "closeDate": "2026-07-31"})).await;
        let list = "query($id: ID!) { campaign(id: $id) {
            salesOrders(first: 1, orderBy: [{subject: DESC}]) { nodes { id total } }
            leads(first: 1, filter: {converted: {eq: true}}) { nodes { id } }
            open: leads(first: 1, filter: {converted: {eq: false}}) { nodes { id } }
            quotes(first: 1) { nodes { organizationId } } } }";
        let answer = maria.query_with(list, json!({"id": campaign})).await;
        let at = |path: &str| answer.ok()["campaign"].pointer(path).cloned().unwrap_or_default();
        assert_eq!(at("/salesOrders/nodes/0/total"), "18222.51");
        let change = "mutation($order: ID!, $lead: ID!, $won: ID!, $other: ID!, $campaign: ID!, $customer: ID!) {
            updateSalesOrder(id: $order, data: {chargesTotal: \"-0.01\"}) { id }
            moved: updateLead(id: $lead, data: {campaignId: $other}) { campaignId }
            won: updateLead(id: $won, data: {converted: true}) { id }
            createQuote(data: {subject: \"One more\", organizationId: $customer, campaignId: $campaign}) { id } }";
        let variables = json!({"order": at("/salesOrders/nodes/0/id"), "lead": at("/leads/nodes/0/id"),
            "won": at("/open/nodes/0/id"), "other": other, "campaign": campaign,
            "customer": at("/quotes/nodes/0/organizationId")});
        let _ = maria.query_with(change, variables).await.ok();
        assert_eq!(figures(&maria, &campaign).await, expected(174, 172, 44, 79, 9, 8 * 1_822_253 - 1));
        assert_eq!(figures(&maria, &other).await["customersPerLead"], "100.00");

        // A deleted order counts no more; only a role that may delete can do it.
        server.admin().await.set_access("campaign-worker", "SalesOrder", json!({"delete": true})).await;
        let delete = "mutation($id: ID!) { deleteSalesOrder(id: $id) { id } }";
        let _ = maria.query_with(delete, json!({"id": at("/salesOrders/nodes/0/id")})).await.ok();
        assert_eq!(figures(&maria, &campaign).await, expected(174, 172, 44, 79, 8, 8 * 1_822_253));
    }

    async fn an_empty_campaign_divides_by_nothing(server: Server) {
        let mut reader = prepare(&server).await;
        let maria = reader.caller("maria").await;
        let campaign = maria.create("Campaign", json!({"name": "Empty", "closeDate": "2026-06-30"})).await;
        let found = figures(&maria, &campaign).await;
        assert_eq!((&found["reachedAudience"], &found["actualSales"]), (&json!(0), &Value::Null));
        for field in ["actualCostPerLead", "actualAverageOrder", "leadsPerAudience", "actualReturn", "expectedReturnOnBudget"] {
            assert_eq!(found[field], Value::Null, "{field}");
        }
    }

    async fn who_may_not_read_the_budget_sees_no_figure_that_tells_it(server: Server) {
        let mut reader = prepare(&server).await;
        let maria = reader.caller("maria").await;
        let campaign = maria.create("Campaign", json!({
            "name": "Secret budget", "closeDate": "2026-06-30", "budgetCost": "777.77", "expectedLeads": 7,
        })).await;
        let carla = reader.caller("carla").await;
        let plain = carla.query_with("query($id: ID!) { campaign(id: $id) { name expectedLeads actualLeads } }", json!({"id": campaign})).await;
        assert_eq!(plain.ok()["campaign"]["expectedLeads"], 7);

        for field in BUDGET_FIGURES {
            for text in [
                format!("{{ campaigns {{ nodes {{ {field} }} }} }}"),
                format!("{{ campaigns(filter: {{{field}: {{gt: \"1\"}}}}) {{ totalCount }} }}"),
                format!("{{ campaigns(orderBy: [{{{field}: ASC}}]) {{ totalCount }} }}"),
                format!("{{ leads(filter: {{campaign: {{{field}: {{gt: \"1\"}}}}}}) {{ totalCount }} }}"),
                format!("{{ leads(orderBy: [{{campaign: {{{field}: ASC}}}}]) {{ totalCount }} }}"),
            ] {
                // The same text with a name of the same length that was never there, put back in the answer.
                let unknown = "q".repeat(field.len());
                let twin = carla.query(&text.replace(field, &unknown)).await;
                let answer = carla.query(&text).await;
                answer.refused("BAD_USER_INPUT").never_says("777");
                assert_eq!(answer.status, twin.status);
                assert_eq!(answer.text, twin.text.replace(&unknown, field), "{text}");
            }
        }
        let schema = carla.query("{ campaign: __type(name: \"Campaign\") { fields { name } }
            filter: __type(name: \"CampaignFilter\") { inputFields { name } }
            order: __type(name: \"CampaignOrderBy\") { inputFields { name } } }").await;
        let _ = schema.ok();
        let sdl = carla.get("/graphql/schema.graphql").await;
        for field in BUDGET_FIGURES {
            schema.never_says(&format!("\"{field}\""));
            sdl.never_says(&format!(" {field}:"));
        }
        assert!(schema.text.contains("\"actualAverageOrder\"") && sdl.text.contains(" actualAverageOrder:"));
        // Maria, who may, finds it in the same places.
        let maria_sees = maria.query("{ campaigns(filter: {budgetCost: {gt: \"777\"}}, orderBy: [{actualReturn: ASC}]) { nodes { budgetCost } } }").await;
        assert_eq!(maria_sees.ok()["campaigns"]["nodes"], json!([{"budgetCost": "777.77"}]));
    }
}
