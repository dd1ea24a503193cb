//! Formulas over rollups over formulas, over several modules: right at once after any write, for filters and orders too.

use cardine_tests::{Chance, Client, Server, on_both_databases};
use serde_json::{Value, json};

/// Cents and pieces are whole, so that sums are exact here too.
#[derive(Debug, Clone)]
struct Line {
    order: String,
    cents: i64,
    pieces: i64,
}

async fn prepare(server: &Server) -> Client {
    let admin = server.admin().await;
    let reference = |to: &str, inverse: &str, on_delete: &str| json!({"name": to.to_lowercase(), "type": "reference", "to": to, "inverse": inverse, "onDelete": on_delete});
    let region = json!({"name": "Region", "plural": "Regions", "fields": [{"name": "code", "type": "text"}, {"name": "rate", "type": "integer"}]});
    let branch = json!({"name": "Branch", "plural": "Branches", "fields": [{"name": "code", "type": "text"}, reference("Region", "branches", "RESTRICT")]});
    let order = json!({"name": "Purchase", "plural": "Purchases", "fields": [{"name": "code", "type": "text"}, reference("Branch", "purchases", "SET_NULL")]});
    let line = json!({"name": "Line", "plural": "Lines", "fields": [
        {"name": "cents", "type": "integer"}, {"name": "pieces", "type": "integer"}, reference("Purchase", "lines", "CASCADE"),
        {"name": "amount", "type": "formula", "returns": "decimal", "scale": 0, "rule": "cents * pieces"}]});
    for module in [region, branch, order, line] {
        admin.create_module(module).await.ok();
    }
    let sum = |name: &str, relation: &str, field: &str| json!({"name": name, "type": "rollup", "relation": relation, "function": "SUM", "field": field});
    let formula = |name: &str, rule: &str| json!({"name": name, "type": "formula", "returns": "decimal", "scale": 0, "rule": rule});
    for (module, field) in [
        ("Purchase", sum("total", "lines", "amount")),
        // Up to the region, down again, and up once more.
        ("Purchase", formula("taxed", "coalesce(total, 0) * (100 + coalesce(branch.region.rate, 0))")),
        ("Branch", sum("turnover", "purchases", "taxed")),
        (
            "Branch",
            json!({"name": "large", "type": "rollup", "relation": "purchases", "function": "COUNT", "filter": "taxed > 100000"}),
        ),
        ("Branch", formula("points", "coalesce(turnover, 0) + large * 7")),
        ("Region", sum("score", "branches", "points")),
        ("Region", formula("rank", "coalesce(score, 0) * 2 - rate")),
        ("Line", formula("share", "purchase.branch.region.rank - amount")),
    ] {
        admin.add_field(module, field).await.ok();
    }
    admin
}

/// The records that are there, by their stored fields alone.
struct World {
    /// Id and rate.
    regions: Vec<(String, i64)>,
    /// Id and region.
    branches: Vec<(String, String)>,
    /// Id and branch.
    purchases: Vec<(String, Option<String>)>,
    lines: Vec<Line>,
}

async fn list(admin: &Client, list: &str, fields: &str) -> Vec<Value> {
    let answer = admin.query(&format!("{{ {list}(first: 1000) {{ nodes {{ id {fields} }} }} }}")).await;
    answer.ok()[list]["nodes"].as_array().expect("nodes").clone()
}

fn text(value: &Value) -> String {
    value.as_str().expect("a text").to_owned()
}

/// A number, whether it is shown as one or, being large, as text.
fn number(value: &Value) -> i64 {
    value.as_i64().or_else(|| value.as_str()?.parse().ok()).unwrap_or_default()
}

impl World {
    async fn read(admin: &Client) -> Self {
        let of = |node: &Value, name: &str| (text(&node["id"]), node[name].clone());
        Self {
            regions: list(admin, "regions", "rate")
                .await
                .iter()
                .map(|node| (text(&node["id"]), number(&node["rate"])))
                .collect(),
            branches: list(admin, "branches", "regionId")
                .await
                .iter()
                .map(|node| of(node, "regionId"))
                .map(|(id, region)| (id, text(&region)))
                .collect(),
            purchases: list(admin, "purchases", "branchId")
                .await
                .iter()
                .map(|node| of(node, "branchId"))
                .map(|(id, branch)| (id, branch.as_str().map(str::to_owned)))
                .collect(),
            lines: list(admin, "lines", "cents pieces purchaseId")
                .await
                .iter()
                .map(|node| Line {
                    order: text(&node["purchaseId"]),
                    cents: number(&node["cents"]),
                    pieces: number(&node["pieces"]),
                })
                .collect(),
        }
    }

    fn taxed(&self, purchase: &(String, Option<String>)) -> i64 {
        let total: i64 =
            self.lines.iter().filter(|line| line.order == purchase.0).map(|line| line.cents * line.pieces).sum();
        let branch = purchase.1.as_ref().and_then(|id| self.branches.iter().find(|branch| branch.0 == *id));
        let region = branch.and_then(|branch| self.regions.iter().find(|region| region.0 == branch.1));
        total * (100 + region.map_or(0, |region| region.1))
    }

    fn points(&self, branch: &str) -> i64 {
        let taxed: Vec<i64> = self
            .purchases
            .iter()
            .filter(|purchase| purchase.1.as_deref() == Some(branch))
            .map(|purchase| self.taxed(purchase))
            .collect();
        let large = taxed.iter().filter(|taxed| **taxed > 100_000).count();
        taxed.iter().sum::<i64>() + i64::try_from(large).expect("few") * 7
    }

    fn rank(&self, region: &(String, i64)) -> i64 {
        let score: i64 =
            self.branches.iter().filter(|branch| branch.1 == region.0).map(|branch| self.points(&branch.0)).sum();
        score * 2 - region.1
    }
}

/// What is shown, filtered and ordered by is what the stored fields come to.
async fn all_is_right(admin: &Client) {
    let world = World::read(admin).await;
    for node in list(admin, "purchases", "taxed").await {
        let purchase = world.purchases.iter().find(|known| known.0 == text(&node["id"])).expect("a purchase");
        assert_eq!(number(&node["taxed"]), world.taxed(purchase), "{node}");
    }
    for node in list(admin, "branches", "points").await {
        assert_eq!(number(&node["points"]), world.points(&text(&node["id"])), "{node}");
    }
    let mut ranks: Vec<i64> = world.regions.iter().map(|region| world.rank(region)).collect();
    ranks.sort_unstable();
    let answer = admin.query("{ regions(orderBy: [{rank: ASC}]) { nodes { rank } } }").await;
    let shown: Vec<i64> =
        answer.ok()["regions"]["nodes"].as_array().expect("nodes").iter().map(|node| number(&node["rank"])).collect();
    assert_eq!(shown, ranks);
    let middle = ranks[ranks.len() / 2];
    let answer = admin.query(&format!("{{ regions(filter: {{rank: {{gte: \"{middle}\"}}}}) {{ totalCount }} }}")).await;
    assert_eq!(answer.ok()["regions"]["totalCount"], json!(ranks.iter().filter(|rank| **rank >= middle).count()));
}

/// One write of any module on the way; it may be refused where something still needs the record.
async fn write_something(admin: &Client, chance: &mut Chance) {
    let world = World::read(admin).await;
    let gone: Vec<String> = {
        let answer = admin.query("{ purchases(first: 1000, deleted: ONLY) { nodes { id } } }").await;
        answer.ok()["purchases"]["nodes"].as_array().expect("nodes").iter().map(|node| text(&node["id"])).collect()
    };
    let region = chance.item(&world.regions).0.clone();
    let branch = chance.item(&world.branches).0.clone();
    let Some(purchase) = (!world.purchases.is_empty()).then(|| chance.item(&world.purchases).0.clone()) else {
        let text = "mutation($branch: ID!) { createPurchase(data: {branchId: $branch, lines: {create: [{cents: 70, pieces: 9}]}}) { id } }";
        admin.query_with(text, json!({"branch": branch})).await.ok();
        return;
    };
    let (cents, pieces) = (chance.below(500), chance.below(9));
    let (text, variables) = match chance.below(9) {
        0 | 1 => (
            "mutation($id: ID!, $cents: Int!, $pieces: Int!) { createLine(data: {purchaseId: $id, cents: $cents, pieces: $pieces}) { share } }",
            json!({"id": purchase, "cents": cents, "pieces": pieces}),
        ),
        2 => (
            "mutation($id: ID!, $cents: Int!) { updateLines(filter: {purchaseId: {eq: $id}}, data: {cents: $cents}) { count } }",
            json!({"id": purchase, "cents": cents}),
        ),
        3 => (
            "mutation($id: ID!, $branch: ID) { updatePurchase(id: $id, data: {branchId: $branch}) { taxed } }",
            json!({"id": purchase, "branch": if chance.one_in(5) { Value::Null } else { json!(branch) }}),
        ),
        4 => (
            "mutation($id: ID!, $region: ID!) { updateBranch(id: $id, data: {regionId: $region}) { points } }",
            json!({"id": branch, "region": region}),
        ),
        5 => (
            "mutation($id: ID!, $rate: Int!) { updateRegion(id: $id, data: {rate: $rate}) { rank } }",
            json!({"id": region, "rate": cents}),
        ),
        6 => ("mutation($id: ID!) { deletePurchase(id: $id) { id } }", json!({"id": purchase})),
        7 if !gone.is_empty() => {
            ("mutation($id: ID!) { restorePurchase(id: $id) { taxed } }", json!({"id": chance.item(&gone)}))
        }
        _ => (
            "mutation($branch: ID!, $cents: Int!) { createPurchase(data: {branchId: $branch, lines: {create: [{cents: $cents, pieces: 3}, {cents: 1, pieces: 1}]}}) { taxed } }",
            json!({"branch": branch, "cents": cents}),
        ),
    };
    admin.query_with(text, variables).await.ok();
}

on_both_databases! {
    async fn what_is_computed_over_several_hops_is_right_after_any_write(server: Server) {
        let admin = prepare(&server).await;
        let regions = admin.create_many("Region", [json!({"rate": 22}), json!({"rate": 4}), json!({"rate": 0})]).await;
        admin.create_many("Branch", (0..5).map(|number| json!({"regionId": regions[number % 3]}))).await;
        let mut chance = Chance::new(41);
        for _ in 0..50 {
            write_something(&admin, &mut chance).await;
            all_is_right(&admin).await;
        }
        // A formula that goes all the way up, and what the mutation itself answers.
        let world = World::read(&admin).await;
        let purchase = world.purchases.iter().find(|purchase| purchase.1.is_some()).expect("one of a branch").0.clone();
        let text = "mutation($id: ID!) { createLine(data: {purchaseId: $id, cents: 1000, pieces: 7}) { share purchase { branch { points region { rank } } } } }";
        let answer = admin.query_with(text, json!({"id": purchase})).await;
        let (made, world) = (answer.ok()["createLine"].clone(), World::read(&admin).await);
        let branch = world.purchases.iter().find(|known| known.0 == purchase).and_then(|known| known.1.clone()).expect("a branch");
        let region = &world.branches.iter().find(|known| known.0 == branch).expect("there").1;
        let rank = world.rank(world.regions.iter().find(|known| known.0 == *region).expect("there"));
        assert_eq!(number(&made["purchase"]["branch"]["points"]), world.points(&branch), "{made}");
        assert_eq!((number(&made["purchase"]["branch"]["region"]["rank"]), number(&made["share"])), (rank, rank - 7000), "{made}");
    }
}
