//! A module that random changes go over while others use what nobody changes of it: the changes, each of which can be made, and one
//! user's requests.

use std::time::{Duration, Instant};

use serde_json::{Value, json};

use crate::chance::Chance;
use crate::{Client, eventually};

/// Random changes of the module `Shifting` and of modules beside it. Its fields `name` and `amount` are left alone.
#[derive(Debug)]
pub struct Changes {
    chance: Chance,
    number: usize,
    state: State,
}

/// What there is.
#[derive(Debug, Clone, Default)]
struct State {
    fields: Vec<Changing>,
    retired: Vec<Changing>,
    modules: Vec<String>,
    retired_modules: Vec<String>,
}

/// A field that changes.
#[derive(Debug, Clone)]
struct Changing {
    name: String,
    kind: Kind,
}

/// What may be done with a field, as records have nothing but its default in it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Kind {
    Text,
    Number,
    RequiredInteger,
    RequiredDecimal,
    Choice,
    Other,
}

/// Changes that may be refused before one is made.
const REFUSED_MAX: usize = 100;

/// A mutation's name and its arguments.
type Change = (&'static str, Value);

impl Changes {
    /// The same changes for the same seed, as long as each is made.
    #[must_use]
    pub fn new(seed: u64) -> Self {
        Self { chance: Chance::new(seed), number: 0, state: State::default() }
    }

    /// The module as it is in the beginning.
    #[must_use]
    pub fn module() -> Value {
        json!({"name": "Shifting", "plural": "Shiftings", "fields": [
            {"name": "name", "type": "text", "required": true, "maxLength": 60, "unique": true},
            {"name": "amount", "type": "money", "indexed": true}]})
    }

    /// Has the next one made, and waits for its job if it becomes one. One that is refused, because something that is retired still needs
    /// what it would change, is passed over.
    ///
    /// # Panics
    /// If one is refused for another reason, or its job fails.
    pub async fn make_next(&mut self, admin: &Client) {
        for _ in 0..REFUSED_MAX {
            let before = self.state.clone();
            if make(admin, self.next()).await {
                return;
            }
            self.state = before;
        }
        panic!("{REFUSED_MAX} changes were refused one after the other");
    }

    fn next(&mut self) -> Change {
        self.number += 1;
        match self.chance.below(20) {
            0..4 => self.add(),
            4..6 => self.rename(),
            6..8 => self.update(),
            8..11 => self.convert(),
            11 => self.update_module(),
            12..14 => self.retire(),
            14 => self.restore(),
            15 => self.purge(),
            16 => self.create_module(),
            17 => self.rename_module(),
            18 => self.retire_module(),
            _ => self.end_module(),
        }
    }

    fn add(&mut self) -> Change {
        let kinds = [
            (Kind::Text, json!({"type": "text", "maxLength": 50, "indexed": true})),
            (Kind::Text, json!({"type": "text", "unique": true, "maxLength": 50})),
            (Kind::RequiredInteger, json!({"type": "integer", "required": true, "default": 1})),
            (Kind::Choice, json!({"type": "choice", "options": [{"value": "ONE"}, {"value": "TWO"}]})),
            (Kind::Other, json!({"type": "reference", "to": "Organization"})),
            (Kind::Other, json!({"type": "references", "to": "Product"})),
            (Kind::Other, json!({"type": "formula", "returns": "decimal", "rule": "amount * 2"})),
        ];
        let (kind, mut field) = self.chance.item(&kinds).clone();
        let name = format!("field{}", self.number);
        field["name"] = json!(name);
        self.state.fields.push(Changing { name, kind });
        ("addField", json!({"module": "Shifting", "field": field}))
    }

    fn rename(&mut self) -> Change {
        if self.state.fields.is_empty() {
            return self.add();
        }
        let to = format!("renamed{}", self.number);
        let field = self.any_field();
        let from = std::mem::replace(&mut field.name, to.clone());
        ("renameField", json!({"module": "Shifting", "name": from, "to": to}))
    }

    fn update(&mut self) -> Change {
        if self.state.fields.is_empty() {
            return self.add();
        }
        let number = self.number;
        let Changing { name, kind } = self.any_field().clone();
        let patch = match (kind, number % 3) {
            (Kind::Text, 0) => json!({"unique": true}),
            (Kind::Text, 1) => json!({"unique": null, "maxLength": 60 + number}),
            (Kind::Choice, 0) => {
                json!({"options": [{"value": "ONE"}, {"value": "TWO"}, {"value": format!("N{number}")}]})
            }
            (Kind::Choice, 1) => json!({"options": [{"value": "ONE"}]}),
            (Kind::Number | Kind::RequiredInteger, 0) => json!({"indexed": true}),
            (Kind::Number | Kind::RequiredInteger, 1) => json!({"indexed": null}),
            _ => json!({"label": format!("Label {number}")}),
        };
        ("updateField", json!({"module": "Shifting", "name": name, "patch": patch}))
    }

    fn convert(&mut self) -> Change {
        let is_convertible = |field: &&mut Changing| !matches!(field.kind, Kind::Other | Kind::RequiredDecimal);
        let Some(field) = self.state.fields.iter_mut().rev().find(is_convertible) else { return self.add() };
        let (kind, to) = match field.kind {
            Kind::Text => {
                (Kind::Number, json!({"type": "integer", "unique": null, "indexed": null, "maxLength": null}))
            }
            Kind::RequiredInteger => (Kind::RequiredDecimal, json!({"type": "decimal", "scale": 2, "default": "1"})),
            _ => (Kind::Text, json!({"type": "text", "indexed": null})),
        };
        field.kind = kind;
        let name = field.name.clone();
        // The next time it is another one's turn.
        self.state.fields.rotate_right(1);
        ("changeFieldType", json!({"module": "Shifting", "name": name, "to": to}))
    }

    fn update_module(&mut self) -> Change {
        let column = self.state.fields.iter().find(|field| field.kind != Kind::Other).map(|field| field.name.clone());
        let set = column.map_or(Value::Null, |name| json!([{"fields": ["name", name]}]));
        let patch = match self.number % 4 {
            0 => json!({"search": ["name"]}),
            1 => json!({"search": null}),
            2 => json!({"uniques": set}),
            _ => json!({"uniques": null, "indexes": set}),
        };
        ("updateModule", json!({"name": "Shifting", "patch": patch}))
    }

    fn retire(&mut self) -> Change {
        if self.state.fields.is_empty() {
            return self.add();
        }
        let position = self.chance.below(self.state.fields.len());
        let field = self.state.fields.remove(position);
        let name = field.name.clone();
        self.state.retired.push(field);
        ("retireField", json!({"module": "Shifting", "name": name, "force": true}))
    }

    fn restore(&mut self) -> Change {
        let Some(mut field) = self.state.retired.pop() else { return self.retire() };
        let name = field.name.clone();
        // It may have come back without `required`.
        if matches!(field.kind, Kind::RequiredInteger | Kind::RequiredDecimal) {
            field.kind = Kind::Other;
        }
        self.state.fields.push(field);
        ("restoreField", json!({"module": "Shifting", "name": name}))
    }

    fn purge(&mut self) -> Change {
        let Some(field) = self.state.retired.pop() else { return self.retire() };
        ("purgeField", json!({"module": "Shifting", "name": field.name}))
    }

    fn create_module(&mut self) -> Change {
        let number = self.number;
        let (name, plural) = (format!("Made{number}"), format!("Mades{number}"));
        let reference =
            json!({"name": "shifting", "type": "reference", "to": "Shifting", "inverse": format!("mades{number}")});
        let fields = json!([reference, {"name": "title", "type": "text"}]);
        self.state.modules.push(name.clone());
        ("createModule", json!({"definition": {"name": name, "plural": plural, "fields": fields}}))
    }

    fn rename_module(&mut self) -> Change {
        let to = format!("Named{}", self.number);
        let Some(name) = self.state.modules.last_mut() else { return self.create_module() };
        let from = std::mem::replace(name, to.clone());
        ("renameModule", json!({"name": from, "to": to, "plural": format!("{to}s")}))
    }

    fn retire_module(&mut self) -> Change {
        let Some(name) = self.state.modules.pop() else { return self.create_module() };
        self.state.retired_modules.push(name.clone());
        ("retireModule", json!({"name": name, "force": true}))
    }

    fn end_module(&mut self) -> Change {
        let Some(name) = self.state.retired_modules.pop() else { return self.retire_module() };
        if self.number.is_multiple_of(2) {
            return ("purgeModule", json!({"name": name}));
        }
        self.state.modules.push(name.clone());
        ("restoreModule", json!({"name": name}))
    }

    fn any_field(&mut self) -> &mut Changing {
        let position = self.chance.below(self.state.fields.len());
        &mut self.state.fields[position]
    }
}

/// False if it was refused for the sake of something that is retired.
async fn make(admin: &Client, (name, arguments): Change) -> bool {
    let told = arguments.to_string();
    let answer = admin.change(name, arguments).await;
    if !answer.errors().is_empty() {
        let message = answer.errors()[0]["message"].as_str().unwrap_or_default().to_lowercase();
        assert!(message.contains("retired"), "{name} {told}: {answer}");
        return false;
    }
    let Some(job) = answer.data()["change"]["job"].as_str().map(str::to_owned) else { return true };
    let text = format!("{{ job(id: \"{job}\") {{ state finishedAt error {{ message }} }} }}");
    let ended = eventually("the job ends", || async {
        let job = admin.admin_query(&text).await.ok()["job"].clone();
        (!job["finishedAt"].is_null()).then_some(job)
    });
    let ended = ended.await;
    assert_eq!(ended["state"], "DONE", "{name} {told}: {ended}");
    true
}

/// One user of what nobody changes.
#[derive(Debug)]
pub struct User {
    client: Client,
    number: usize,
    record: Option<(String, String)>,
}

impl User {
    /// Who works by this client.
    #[must_use]
    pub fn new(client: Client) -> Self {
        Self { client, number: 0, record: None }
    }

    /// Makes the next request: a record is created, read in several ways, changed, and some are deleted. Tells how long it took.
    ///
    /// # Panics
    /// If the answer is not the right one.
    pub async fn request(&mut self) -> Duration {
        self.number += 1;
        let (round, step) = (self.number / 4, self.number % 4);
        let began;
        match (step, self.record.clone()) {
            (1, Some((id, name))) => {
                let text = format!("{{ shifting(id: \"{id}\") {{ name }} shiftings(filter: {{name: {{eq: \"{name}\"}}}}, orderBy: [{{amount: DESC}}]) {{
                    totalCount nodes {{ amount }} aggregate {{ sum {{ amount }} }} }} organizations(first: 3) {{ nodes {{ name }} }} }}");
                began = Instant::now();
                let read = self.client.query(&text).await;
                let read = read.ok();
                assert_eq!(read["shifting"]["name"], json!(name));
                assert_eq!(read["shiftings"]["totalCount"], 1);
                assert_eq!(read["shiftings"]["aggregate"]["sum"]["amount"], json!("7.00"));
            }
            (2, Some((id, _))) => {
                let text =
                    format!("mutation {{ updateShifting(id: \"{id}\", data: {{amount: \"{round}\"}}) {{ amount }} }}");
                began = Instant::now();
                let changed = self.client.query(&text).await;
                assert_eq!(changed.ok()["updateShifting"]["amount"], json!(format!("{round}.00")));
            }
            (3, Some((id, _))) if round.is_multiple_of(3) => {
                began = Instant::now();
                self.client.query(&format!("mutation {{ deleteShifting(id: \"{id}\") {{ id }} }}")).await.ok();
                self.record = None;
            }
            (3, Some((id, name))) => {
                began = Instant::now();
                let read = self.client.query(&format!("{{ shifting(id: \"{id}\") {{ name amount }} }}")).await;
                assert_eq!(read.ok()["shifting"], json!({"name": name, "amount": format!("{round}.00")}));
            }
            _ => {
                let name = format!("n{}", uuid::Uuid::new_v4().simple());
                let text = format!(
                    "mutation {{ createShifting(data: {{name: \"{name}\", amount: \"7\"}}) {{ id name amount }} }}"
                );
                began = Instant::now();
                let created = self.client.query(&text).await;
                let created = created.ok()["createShifting"].clone();
                assert_eq!((&created["name"], &created["amount"]), (&json!(name), &json!("7.00")));
                self.number -= self.number % 4;
                self.record = Some((created["id"].as_str().expect("an id").to_owned(), name));
            }
        }
        began.elapsed()
    }
}
