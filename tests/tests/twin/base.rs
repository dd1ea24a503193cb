//! The world that all twins are copies of: modules, roles, users of every profile, and records of theirs and of others.

use std::collections::BTreeMap;
use std::future::Future;

use cardine_tests::{Backend, Chance, Client, Launch, Server};
use serde_json::{Value as Json, json};

use super::modules::{MODULES, definition, hideable, later_fields, plural, value};
use super::profile::{PROFILES, Profile};
use super::values::WORDS;

pub const PASSWORD: &str = "a long enough pass phrase";

/// How many records of each module there are.
const RECORDS: [(&str, usize); 6] =
    [("Vault", 24), ("Firm", 36), ("Person", 45), ("Deal", 54), ("Note", 45), ("Plan", 18)];

/// A server that has ended, its records' ids, and what callers need to be known by it.
pub struct Base {
    pub server: Server,
    pub ids: BTreeMap<String, Vec<String>>,
    /// By e-mail address.
    pub users: BTreeMap<String, String>,
}

impl Base {
    pub async fn build(backend: Backend, seed: u64) -> Base {
        // The variable makes it a server that lets tests say when it is.
        // Time is no part of what is compared.
        let launch = Launch::new(backend).variable("CARDINE_LIMIT_EXECUTION_MS", "120000");
        let mut server = launch.variable("CARDINE_TEST_FAILPOINTS", "").start().await;
        let admin = server.admin().await;
        for (name, _) in MODULES {
            admin.create_module(definition(name)).await.ok();
        }
        for (module, field) in later_fields() {
            admin.add_field(module, field).await.ok();
        }
        for (role, parent) in [
            ("auditor", None),
            ("head", Some("auditor")),
            ("seller", Some("head")),
            ("partner", None),
            ("clerk", None),
            ("portal", None),
            ("stranger", None),
        ] {
            admin.create_role(role, parent).await;
        }
        for profile in &PROFILES {
            for (module, rights) in (profile.grants)() {
                admin.set_access(profile.role, module, rights).await;
            }
        }
        let everything =
            json!({"create": true, "read": true, "update": true, "delete": true, "fields": {"*": "WRITE"}});
        for (module, _) in MODULES {
            admin.set_access("stranger", module, everything.clone()).await;
        }
        let users = make_users(&admin).await;
        let ids = make_records(&admin, &users, &mut Chance::new(seed)).await;
        share(&admin, &users, &ids).await;
        server.gather_statistics().await;
        assert!(server.stop().success());
        Base { server, ids, users }
    }
}

/// Starts a server, without holding up whoever else is at work meanwhile.
pub async fn started(server: impl FnOnce() -> Server + Send + 'static) -> Server {
    apart(move || async move {
        let mut server = server();
        server.restart().await;
        server
    })
    .await
}

/// Does what waits for processes and databases on a thread of its own.
pub async fn apart<T: Send + 'static, F: Future<Output = T>>(work: impl FnOnce() -> F + Send + 'static) -> T {
    let runtime = tokio::runtime::Handle::current();
    let done = tokio::task::spawn_blocking(move || runtime.block_on(work())).await;
    done.unwrap_or_else(|error| std::panic::resume_unwind(error.into_panic()))
}

/// The caller of a profile.
pub async fn caller(server: &Server, profile: &Profile) -> Client {
    match profile.role {
        "anonymous" => server.anonymous(),
        role => server.sign_in(&address(role), PASSWORD).await,
    }
}

pub fn address(role: &str) -> String {
    format!("{role}@example.org")
}

/// One of each role, a peer of the seller's, and a group that the partner is in. A group's name stands beside the addresses.
async fn make_users(admin: &Client) -> BTreeMap<String, String> {
    let roles = ["auditor", "head", "seller", "partner", "clerk", "portal", "stranger"];
    for role in roles {
        admin.create_user(&address(role), PASSWORD, role).await;
    }
    admin.create_user(&address("peer"), PASSWORD, "seller").await;
    let answer = admin.admin_query("{ users { id email } }").await;
    let users = answer.ok()["users"].as_array().expect("users").clone();
    let text = |user: &Json, key: &str| user[key].as_str().expect("a text").to_owned();
    let mut users: BTreeMap<String, String> =
        users.iter().map(|user| (text(user, "email"), text(user, "id"))).collect();
    let save = "mutation($members: [ID!]) { saveGroup(name: \"crew\", members: $members) { id } }";
    let saved = admin.admin_query_with(save, json!({"members": [users[&address("partner")]]})).await;
    users.insert("crew".to_owned(), text(&saved.ok()["saveGroup"], "id"));
    users
}

async fn make_records(
    admin: &Client,
    users: &BTreeMap<String, String>,
    chance: &mut Chance,
) -> BTreeMap<String, Vec<String>> {
    let owners: Vec<&String> = users.iter().filter(|(name, _)| !name.starts_with("admin")).map(|(_, id)| id).collect();
    let mut ids: BTreeMap<String, Vec<String>> = BTreeMap::new();
    for (module, count) in RECORDS {
        let records: Vec<Json> = (0..count)
            .map(|number| {
                let mut record = random_values(module, chance);
                record["ownerId"] = json!(chance.item(&owners));
                match module {
                    "Firm" => record["trade"] = json!(["BANK", "FARM", "SHOP"][number % 3]),
                    "Deal" => record["stage"] = json!(["OPEN", "WON", "LOST", "SHUT"][chance.below(4)]),
                    "Plan" => record["price"] = json!("1.00"),
                    _ => {}
                }
                if module == "Plan" && number % 3 == 0 {
                    record["ownerId"] = json!(users[&address("seller")]);
                }
                for (name, value) in random_links(module, &ids, chance) {
                    record[name] = value;
                }
                record
            })
            .collect();
        let made = admin.create_many(module, records).await;
        ids.insert(module.to_owned(), made);
    }
    let (firms, vaults, plans) = (ids["Firm"].clone(), ids["Vault"].clone(), ids["Plan"].clone());
    for (position, firm) in firms.iter().enumerate().filter(|(position, _)| position % 2 == 1) {
        change(admin, "Firm", firm, json!({"parentId": chance.item(&firms[..position])}), None).await;
    }
    let persons = ids["Person"].clone();
    for (position, person) in persons.iter().enumerate().skip(1) {
        change(admin, "Person", person, json!({"bossId": chance.item(&persons[..position])}), None).await;
    }
    for (position, vault) in vaults.iter().enumerate() {
        let plan = if position % 4 == 0 { json!(chance.item(&plans)) } else { Json::Null };
        change(admin, "Vault", vault, json!({"firmId": chance.item(&firms), "planId": plan}), None).await;
    }
    ids
}

/// A value for most of the fields that may be hidden.
pub fn random_values(module: &str, chance: &mut Chance) -> Json {
    let mut record = json!({});
    for (name, kind) in hideable(module) {
        let required = *name == "name" && module == "Firm";
        if required || !chance.one_in(6) {
            record[*name] = value(chance, kind);
        }
    }
    if module == "Person" {
        record["email"] = value(chance, "EmailAddress");
    }
    record
}

/// References to records that are there.
pub fn random_links(
    module: &str,
    ids: &BTreeMap<String, Vec<String>>,
    chance: &mut Chance,
) -> Vec<(&'static str, Json)> {
    let mut one = |module: &str| json!(chance.item(&ids[module]));
    match module {
        "Firm" => vec![("vaultId", one("Vault"))],
        "Vault" if ids.contains_key("Plan") => {
            let plan = if chance.one_in(2) { json!(chance.item(&ids["Plan"])) } else { Json::Null };
            vec![("firmId", json!(chance.item(&ids["Firm"]))), ("planId", plan)]
        }
        "Person" | "Plan" => vec![("firmId", one("Firm"))],
        "Note" => {
            let about = if chance.one_in(2) { "Deal" } else { "Person" };
            vec![("firmId", json!(chance.item(&ids["Firm"]))), ("aboutId", json!(chance.item(&ids[about])))]
        }
        "Deal" => {
            let (firm, agent) = (one("Firm"), one("Person"));
            let persons = &ids["Person"];
            let first = chance.below(persons.len());
            let [first, second, third] = [first, first + 3, first + 7].map(|place| &persons[place % persons.len()]);
            let links: Vec<Json> =
                [first, second].map(|person| json!({"id": person, "part": WORDS[0], "share": "1.50"})).to_vec();
            let advisers = [second, third];
            vec![
                ("firmId", firm),
                ("agentId", agent),
                ("persons", json!({"link": links})),
                ("advisers", json!({"connect": advisers})),
            ]
        }
        _ => Vec::new(),
    }
}

/// What sharing rules, shares and record rules open and narrow.
async fn share(admin: &Client, users: &BTreeMap<String, String>, ids: &BTreeMap<String, Vec<String>>) {
    for rule in [
        json!({"name": "farms", "module": "Firm", "rule": "trade == \"FARM\"", "with": {"role": "partner"}, "access": "READ"}),
        json!({"name": "clerks", "module": "Deal", "ownedBy": {"role": "clerk"}, "with": {"role": "partner"}, "access": "READ"}),
    ] {
        let text = "mutation($rule: SharingRuleInput!) { saveSharingRule(rule: $rule) { name } }";
        admin.admin_query_with(text, json!({"rule": rule})).await.ok();
    }
    // Some of them with somebody else.
    for (module, access, with, first) in [
        ("Deal", "READ", "partner", 0),
        ("Deal", "WRITE", "partner", 10),
        ("Firm", "READ", "partner", 0),
        ("Person", "READ", "partner", 0),
        ("Deal", "READ", "peer", 4),
        ("Firm", "READ", "peer", 4),
    ] {
        for id in &ids[module][first..first + 4] {
            let text = "mutation($module: String!, $id: ID!, $user: ID!, $access: SharedAccess!) { \
                 shareRecord(module: $module, id: $id, with: {user: $user}, access: $access) { access } }";
            let user = &users[&address(with)];
            let variables = json!({"module": module, "id": id, "user": user, "access": access});
            admin.admin_query_with(text, variables).await.ok();
        }
    }
    for (module, rule) in [("Firm", "trade != \"FARM\""), ("Deal", "stage != \"SHUT\"")] {
        let text = "mutation($module: String!, $rule: String) { setRecordRule(role: \"auditor\", module: $module, rule: $rule) { name } }";
        admin.admin_query_with(text, json!({"module": module, "rule": rule})).await.ok();
    }
}

/// Changes a record, at a moment where one is given.
pub async fn change(admin: &Client, module: &str, id: &str, data: Json, moment: Option<&str>) {
    let text =
        format!("mutation($id: ID!, $data: {module}Update!) {{ update{module}(id: $id, data: $data) {{ id }} }}");
    write(admin, &text, json!({"id": id, "data": data}), moment).await;
}

/// Sends an administrator's mutation that must succeed.
pub async fn write(admin: &Client, text: &str, variables: Json, moment: Option<&str>) -> Json {
    let mut request = admin.request(reqwest::Method::POST, "/graphql");
    if let Some(moment) = moment {
        request = request.header("cardine-test-moment", moment);
    }
    let answer = cardine_tests::Answer::of(request.json(&json!({"query": text, "variables": variables}))).await;
    answer.ok().clone()
}

/// The ids of all records of a module that a caller sees.
pub async fn ids_seen(caller: &Client, module: &str) -> Vec<String> {
    let root = lower_first(plural(module));
    let answer = caller.query(&format!("{{ {root}(first: 1000) {{ nodes {{ id }} }} }}")).await;
    let nodes = answer.body["data"][&root]["nodes"].as_array().cloned().unwrap_or_default();
    nodes.iter().filter_map(|node| node["id"].as_str().map(str::to_owned)).collect()
}

pub fn lower_first(name: &str) -> String {
    let mut characters = name.chars();
    characters.next().map(|first| first.to_ascii_lowercase()).into_iter().chain(characters).collect()
}
