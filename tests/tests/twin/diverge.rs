//! From one world to two that differ in nothing but what a caller must not see.
//!
//! Both begin as copies, so that what is seen has the same ids and cursors. Then the administrator changes each in its own way: values of
//! fields that the caller does not have, records that the caller does not see, what leads from seen to unseen ones and back, and,
//! where the caller may not delete, deleted records. What is changed of a seen record is changed in both, so that its version tells nothing.
//! The administrator's requests say when they are (`cardine-test-moment`), so that times and new ids are alike too.
//!
//! Not hidden, and so alike in both worlds: what decides who sees a record (owner, parent, the fields in rules), unique values
//! (an allowed difference: they conflict seen or not), and what a rule of the module reads of records that the caller may change,
//! as whoever writes is told whether the rule holds.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use cardine_tests::{Chance, Client, Server};
use serde_json::{Value as Json, json};

use super::base::{Base, address, apart, caller, change, ids_seen, random_links, started, write};
use super::modules::{MODULES, hideable, value};
use super::moments::Moments;
use super::profile::Profile;
use super::schema::Schema;
use super::values::Ids;

/// Two servers that have ended, with the data of two worlds.
pub struct Twins {
    pub a: Server,
    pub b: Server,
    pub ids: Ids,
    /// Fields of readable modules that the caller does not have.
    pub hidden: BTreeMap<&'static str, Vec<(&'static str, &'static str)>>,
}

/// What the caller has of a module.
struct Known {
    readable: bool,
    may_delete: bool,
    /// Those of the fields that may differ.
    hidden: Vec<(&'static str, &'static str)>,
}

struct Diverging<'a> {
    base: &'a Base,
    profile: &'a Profile,
    chance: &'a mut Chance,
    /// The administrator's, of both worlds.
    admins: [Client; 2],
    moments: Moments,
    known: BTreeMap<&'static str, Known>,
    seen: BTreeMap<String, Vec<String>>,
    /// Records that were made in one world or both and are not seen.
    made: BTreeSet<String>,
    /// Records that are in one world alone, by module.
    lopsided: BTreeMap<String, Vec<String>>,
}

pub async fn twins(base: &Arc<Base>, profile: &Profile, seed: u64) -> Twins {
    let copied = || {
        let base = Arc::clone(base);
        started(move || base.server.copy())
    };
    let (a, b) = tokio::join!(copied(), copied());
    let callers = [caller(&a, profile).await, caller(&b, profile).await];
    let schema = Schema::of(&callers[0]).await;
    let mut seen = BTreeMap::new();
    for (module, _) in MODULES {
        seen.insert(module.to_owned(), ids_seen(&callers[0], module).await);
    }
    let mut diverging = Diverging {
        base,
        profile,
        chance: &mut Chance::new(seed),
        admins: [a.admin().await, b.admin().await],
        moments: Moments::new(),
        known: MODULES.iter().map(|(module, _)| (*module, known(&schema, module))).collect(),
        seen,
        made: BTreeSet::new(),
        lopsided: BTreeMap::new(),
    };
    diverging.change_what_is_deleted().await;
    diverging.change_seen().await;
    diverging.change_unseen().await;
    diverging.make_unseen().await;
    diverging.delete_unseen().await;
    if profile.role == "anonymous" {
        diverging.admins[1].create_user("unseen@example.org", "a pass phrase of many words", "stranger").await;
    }
    let mut unseen: BTreeSet<String> = diverging.made.clone();
    for (module, ids) in &base.ids {
        let seen = &diverging.seen[module];
        unseen.extend(ids.iter().filter(|id| !seen.contains(id)).cloned());
    }
    let readable = diverging.known.iter().filter(|(_, known)| known.readable);
    let seen: BTreeMap<String, Vec<String>> =
        readable.map(|(module, _)| ((*module).to_owned(), diverging.seen[*module].clone())).collect();
    // Were they not alike in this, it would be the fault of this file, and no difference would mean anything.
    for (module, ids) in &seen {
        for caller in &callers {
            assert_eq!(&ids_seen(caller, module).await, ids, "{} as {}", module, profile.name);
        }
    }
    let hidden = diverging.known.iter().filter(|(_, known)| known.readable);
    let hidden = hidden.map(|(module, known)| (*module, known.hidden.clone())).collect();
    let ended = |mut server: Server| {
        apart(move || async move {
            assert!(server.stop().success());
            server
        })
    };
    let (a, b) = tokio::join!(ended(a), ended(b));
    let ids = Ids { seen, unseen: unseen.into_iter().collect(), lopsided: std::mem::take(&mut diverging.lopsided) };
    Twins { a, b, ids, hidden }
}

fn known(schema: &Schema, module: &'static str) -> Known {
    let ty = schema.get(module);
    let has = |name: &str| ty.fields.iter().any(|field| field.name == name);
    let hidden = hideable(module).iter().filter(|(name, _)| !has(name)).copied().collect();
    let delete = format!("delete{module}");
    let may_delete = schema.get("Mutation").fields.iter().any(|field| field.name == delete);
    Known { readable: !ty.fields.is_empty(), may_delete, hidden }
}

impl Diverging<'_> {
    /// The same record in both worlds, at the same moment, each with its own values.
    async fn both(&mut self, module: &str, id: &str, data: [Json; 2]) {
        let moment = self.moments.next();
        for (admin, data) in self.admins.iter().zip(data) {
            change(admin, module, id, data, Some(&moment)).await;
        }
    }

    async fn one(&mut self, world: usize, module: &str, id: &str, data: Json) {
        let moment = self.moments.next();
        change(&self.admins[world], module, id, data, Some(&moment)).await;
    }

    async fn create(&mut self, world: usize, module: &str, data: Json, moment: &str) -> String {
        let text = format!("mutation($data: {module}Create!) {{ made: create{module}(data: $data) {{ id }} }}");
        let made = write(&self.admins[world], &text, json!({"data": data}), Some(moment)).await;
        made["made"]["id"].as_str().expect("an id").to_owned()
    }

    async fn delete(&mut self, world: usize, module: &str, id: &str, moment: &str) {
        let text = format!("mutation($id: ID!) {{ delete{module}(id: $id) {{ id }} }}");
        write(&self.admins[world], &text, json!({"id": id}), Some(moment)).await;
    }

    fn values(&mut self, fields: &[(&'static str, &'static str)]) -> Json {
        let mut data = json!({});
        for (name, kind) in fields {
            let mut given = value(self.chance, kind);
            while given.is_null() {
                given = value(self.chance, kind);
            }
            data[*name] = given;
        }
        data
    }

    fn unseen_of(&self, module: &str) -> Vec<String> {
        self.base.ids[module].iter().filter(|id| !self.seen[module].contains(id)).cloned().collect()
    }

    /// The values that the caller does not have, of the records that it sees; and where their references lead out of sight.
    async fn change_seen(&mut self) {
        for (module, _) in MODULES {
            if !self.known[module].readable {
                continue;
            }
            let hidden = self.known[module].hidden.clone();
            for id in self.seen[module].clone() {
                if !hidden.is_empty() {
                    // Both change then, whatever was there before.
                    let nothing: Json = hidden.iter().map(|(name, _)| ((*name).to_owned(), Json::Null)).collect();
                    self.both(module, &id, [nothing.clone(), nothing]).await;
                    let data = [self.values(&hidden), self.values(&hidden)];
                    self.both(module, &id, data).await;
                }
                self.lead_out_of_sight(module, &id).await;
            }
        }
    }

    async fn lead_out_of_sight(&mut self, module: &str, id: &str) {
        // What a rule reads differs only where the caller may not write.
        let limits = match module {
            "Plan" => Some([json!({"limit": "1.00"}), json!({"limit": "9000.00"})]),
            "Deal" if !self.may_update(module, id).await => {
                Some([json!({"limit": "10.00"}), json!({"limit": "9000.00"})])
            }
            _ => None,
        };
        if let Some(limits) = limits {
            self.both(module, id, limits).await;
        }
        let hides = |module: &str, field: &str, profile: &Profile| {
            (profile.grants)().iter().any(|(name, rights)| *name == module && rights["fields"][field] == "NONE")
        };
        if module == "Deal" && hides("Deal", "advisers", self.profile) {
            let persons = self.base.ids["Person"].clone();
            self.both(module, id, [json!({"advisers": {"set": []}}), json!({"advisers": {"set": []}})]).await;
            self.both(module, id, [json!({"agentId": null}), json!({"agentId": null})]).await;
            // One of them in sight, so that the hidden way leads to what is told elsewhere.
            let seen = self.seen["Person"].clone();
            let near = if seen.is_empty() { &persons } else { &seen };
            let mut one = |of: &[String]| json!(self.chance.item(of));
            let (adviser, agent) = ([one(near), one(&persons)], [one(&persons), one(near)]);
            let data = [0, 1].map(|world| json!({"advisers": {"connect": [adviser[world]]}, "agentId": agent[world]}));
            self.both(module, id, data).await;
        }
        if module == "Deal" && self.known["Person"].readable {
            // Of two that are out of sight, one is linked in either world.
            let unseen: Vec<String> = self.unseen_of("Person").into_iter().take(2).collect();
            if let [first, second] = &unseen[..] {
                let [neither, one, other] = [
                    json!({"persons": {"disconnect": unseen}}),
                    json!({"persons": {"link": [{"id": first, "share": "1.00"}]}}),
                    json!({"persons": {"link": [{"id": second, "share": "2.00"}]}}),
                ];
                self.both(module, id, [neither.clone(), neither]).await;
                self.both(module, id, [one, other]).await;
                let lopsided = self.lopsided.entry("Person".to_owned()).or_default();
                lopsided.extend(unseen.iter().filter(|id| !lopsided.contains(id)).cloned().collect::<Vec<_>>());
            }
        }
        let (reference, target) = match module {
            "Firm" if self.chance.one_in(2) => ("vaultId", "Vault"),
            "Firm" => ("parentId", "Firm"),
            "Person" | "Deal" | "Plan" => ("firmId", "Firm"),
            _ => return,
        };
        let targets = self.unseen_of(target);
        if !self.chance.one_in(2) || targets.len() < 2 {
            return;
        }
        self.both(module, id, [json!({reference: null}), json!({reference: null})]).await;
        let first = self.chance.below(targets.len());
        let second = (first + 1 + self.chance.below(targets.len() - 1)) % targets.len();
        self.both(module, id, [json!({reference: targets[first]}), json!({reference: targets[second]})]).await;
    }

    async fn may_update(&self, module: &str, id: &str) -> bool {
        let Some(user) = self.base.users.get(&address(self.profile.role)) else { return false };
        let text = "query($user: ID!, $module: String!, $id: ID!) { \
             explainAccess(user: $user, module: $module, record: $id) { update record { update } } }";
        let variables = json!({"user": user, "module": module, "id": id});
        let answer = self.admins[0].admin_query_with(text, variables).await;
        let told = &answer.ok()["explainAccess"];
        told["update"] == true && told["record"]["update"] == true
    }

    /// Each in its own way.
    async fn change_unseen(&mut self) {
        for (module, _) in MODULES {
            let decides = ["trade", "stage"];
            let fields: Vec<_> = hideable(module).iter().filter(|(name, _)| !decides.contains(name)).copied().collect();
            for id in self.unseen_of(module) {
                for world in [0, 1] {
                    let mut data = self.values(&fields);
                    let persons = &self.base.ids["Person"];
                    let place = persons.iter().position(|person| module == "Person" && *person == id);
                    // Those before it stand above it, so that there is no circle.
                    if let Some(place) = place.filter(|place| *place > 0) {
                        data["bossId"] = json!(self.chance.item(&persons[..place]));
                    }
                    if module != "Note" {
                        for (name, link) in random_links(module, &self.base.ids, self.chance) {
                            let is_list = link.get("link").is_some() || link.get("connect").is_some();
                            if name != "vaultId" && !is_list {
                                data[name] = link;
                            }
                        }
                    }
                    self.one(world, module, &id, data).await;
                }
            }
        }
    }

    /// Gone in one world.
    async fn delete_unseen(&mut self) {
        for module in ["Person", "Deal", "Note", "Vault"] {
            for id in self.unseen_of(module) {
                if self.chance.one_in(8) {
                    let (world, moment) = (self.chance.below(2), self.moments.next());
                    self.delete(world, module, &id, &moment).await;
                    self.lopsided.entry(module.to_owned()).or_default().push(id);
                }
            }
        }
    }

    /// Records in one world or both, of others than the caller.
    async fn make_unseen(&mut self) {
        for (module, _) in MODULES {
            let readable = self.known[module].readable;
            if readable && module == "Plan" {
                continue; // Everybody who may read plans reads all.
            }
            for world in [0, 1] {
                for _ in 0..self.chance.below(4) + world * 2 {
                    let moment = self.moments.next();
                    let mut data = self.values(hideable(module));
                    let owner = match self.base.users.get(&address(self.profile.role)) {
                        Some(own) if !readable && self.chance.one_in(2) => own.clone(),
                        _ => self.base.users[&address("stranger")].clone(),
                    };
                    data["ownerId"] = json!(owner);
                    match module {
                        "Firm" => data["trade"] = json!(self.chance.of(&["BANK", "SHOP"])),
                        "Person" => data["email"] = value(self.chance, "EmailAddress"),
                        "Plan" => data["price"] = json!("1.00"),
                        _ => {}
                    }
                    for (name, link) in random_links(module, &self.base.ids, self.chance) {
                        data[name] = link;
                    }
                    if module == "Note" {
                        let firms = self.unseen_of("Firm");
                        data["firmId"] = json!(self.chance.item(&firms));
                    }
                    let made = self.create(world, module, data, &moment).await;
                    self.lopsided.entry(module.to_owned()).or_default().push(made.clone());
                    self.made.insert(made);
                }
            }
        }
    }

    /// Who may not delete does not see what was deleted: records that were seen, with values of each world's own, and referred to by
    /// records that are seen.
    async fn change_what_is_deleted(&mut self) {
        for (module, _) in MODULES {
            let Known { readable, may_delete, .. } = self.known[module];
            if !readable || may_delete {
                continue;
            }
            for _ in 0..2 {
                let moment = self.moments.next();
                let mut data = [self.values(hideable(module)), self.values(hideable(module))];
                let owner = self.base.users.get(&address(self.profile.role));
                let (email, firm) =
                    (value(self.chance, "EmailAddress"), self.chance.item(&self.base.ids["Firm"]).clone());
                for data in &mut data {
                    data["ownerId"] = owner.map_or(Json::Null, |owner| json!(owner));
                    match module {
                        "Firm" => data["trade"] = json!("BANK"),
                        "Person" => data["email"] = email.clone(),
                        "Plan" => data["price"] = json!("1.00"),
                        "Note" => data["firmId"] = json!(firm),
                        _ => {}
                    }
                }
                let mut made = String::new();
                for (world, data) in data.into_iter().enumerate() {
                    made = self.create(world, module, data, &moment).await;
                }
                let referring = match module {
                    "Firm" => Some(("Deal", "firmId")).filter(|_| !self.seen["Deal"].is_empty()),
                    _ => None,
                };
                if let Some((module, field)) = referring {
                    let id = self.chance.item(&self.seen[module]).clone();
                    self.both(module, &id, [json!({field: made}), json!({field: made})]).await;
                }
                let moment = self.moments.next();
                for world in [0, 1] {
                    self.delete(world, module, &made, &moment).await;
                }
                self.made.insert(made);
            }
        }
    }
}
