//! A change resolves what it touches as all documents together would, and leaves the rest as it is.

use std::sync::Arc;

use serde_json::{Value as Json, json};

use super::{definition, platform};
use crate::definition::ModuleDefinition;
use crate::resolve::change::Change;
use crate::resolve::{ModuleIssue, resolve, resolve_change};
use crate::{Catalog, ModuleId};

/// Names of which some collide with what others derive.
const NAMES: [&str; 7] = ["Deal", "Lead", "Account", "Order", "DealStage", "DealPeers", "LeadUp"];
const SEEDS: u64 = 20;
const STEPS: usize = 30;

/// Random choices, the same for the same seed.
struct Chance(u64);

impl Chance {
    fn below(&mut self, bound: usize) -> usize {
        // Knuth's MMIX generator: its upper bits are random enough here.
        self.0 = self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (self.0 >> 33) as usize % bound
    }

    fn one<'a>(&mut self, of: &[&'a str]) -> &'a str {
        of[self.below(of.len())]
    }

    fn field(&mut self) -> Json {
        let target = self.one(&NAMES);
        match self.below(15) {
            0 => json!({"name": self.one(&["a", "note"]), "type": "text", "pattern": "[a-z]+", "default": "x"}),
            1 | 2 => json!({"name": self.one(&["a", "b"]), "type": self.one(&["integer", "decimal", "money"])}),
            3 => json!({"name": self.one(&["a", "day"]), "type": "date", "indexed": true}),
            4 => {
                let values: &[&str] = if self.below(2) == 0 { &["NEW", "WON"] } else { &["NEW", "LOST"] };
                let options: Vec<Json> = values.iter().map(|value| json!({"value": value})).collect();
                json!({"name": self.one(&["stage", "state"]), "type": "choice", "options": options})
            }
            5 | 6 => {
                let mut field = json!({"name": self.one(&["up", "next"]), "type": "reference", "to": target});
                if self.below(3) > 0 {
                    field["inverse"] = json!(self.one(&["downs", "backs", "stage"]));
                }
                field
            }
            7 => {
                let to = vec![json!("*"), json!([target, self.one(&NAMES)])].swap_remove(self.below(2));
                let mut field = json!({"name": "any", "type": "reference", "to": to});
                if self.below(2) == 0 {
                    field["inverse"] = json!(self.one(&["anyOf", "allOf"]));
                }
                field
            }
            8 => {
                let mut field = json!({"name": self.one(&["peers", "friends"]), "type": "references", "to": target});
                if self.below(2) == 0 {
                    field["inverse"] = json!(self.one(&["peerOf", "backs"]));
                }
                if self.below(2) == 0 {
                    field["link"] = json!({"fields": [{"name": "share", "type": "percent"}]});
                }
                field
            }
            9 | 10 => {
                let rules = ["a * 2", "up.a + 1", "up.up.b - a", "up.f + next.total", "g + 1", "total / count", "f"];
                json!({"name": self.one(&["f", "g"]), "type": "formula", "returns": "decimal", "rule": self.one(&rules)})
            }
            11 => {
                let rule =
                    self.one(&["up.stage == \"WON\"", "up.day > day", "stage == \"NEW\"", "up.place.city == \"Rome\""]);
                json!({"name": "is", "type": "formula", "returns": "boolean", "rule": rule})
            }
            12 => {
                let (relation, function) = (self.one(&["downs", "backs", "anyOf", "peers"]), self.one(&["SUM", "MAX"]));
                let field = self.one(&["a", "b", "day", "total", "f"]);
                json!({"name": "total", "type": "rollup", "relation": relation, "function": function, "field": field})
            }
            13 => {
                let filter = self.one(&["a > 1", "up.a > 1", "stage == \"LOST\""]);
                json!({"name": "count", "type": "rollup", "relation": self.one(&["downs", "backs"]), "function": "COUNT", "filter": filter})
            }
            _ => vec![
                json!({"name": "place", "type": "address"}),
                json!({"name": "data", "type": "json", "schema": {"type": "object"}}),
                json!({"name": "d", "type": "decimal", "default": {"rule": "a + 1"}}),
                json!({"name": "number", "type": "autoNumber", "format": "{000}"}),
            ]
            .swap_remove(self.below(4)),
        }
    }

    fn module(&mut self, name: &str) -> Json {
        let mut fields = vec![json!({"name": "title", "type": "text"}), json!({"name": "a", "type": "decimal"})];
        fields.extend((0..self.below(3)).map(|_| self.field()));
        json!({"name": name, "plural": format!("{name}s"), "fields": fields})
    }

    /// What goes and what comes in its place.
    fn change(&mut self, catalog: &Catalog) -> (Vec<String>, Vec<Json>) {
        let modules = catalog.modules.iter().filter(|module| !module.platform && module.link.is_none());
        let mut documents: Vec<Json> = modules.map(|module| serde_json::from_str(&module.document).unwrap()).collect();
        let name = |document: &Json| document["name"].as_str().unwrap().to_owned();
        if documents.is_empty() || self.below(6) == 0 {
            let name = self.one(&NAMES);
            return (Vec::new(), vec![self.module(name)]);
        }
        let mut changed = documents.swap_remove(self.below(documents.len()));
        let mut gone = vec![name(&changed)];
        let fields = changed["fields"].as_array_mut().unwrap();
        match self.below(12) {
            0 => return (gone, Vec::new()),
            1 => {
                let name = self.one(&NAMES);
                changed["name"] = json!(name);
                changed["plural"] = json!(format!("{name}s"));
            }
            2 | 3 if !fields.is_empty() => {
                fields.remove(self.below(fields.len()));
            }
            4 => changed["search"] = json!(["title"]),
            5 => changed["nameField"] = json!(self.one(&["title", "number", "a"])),
            6 => changed["validations"] = json!([{"rule": "a > 0 || old.a > 0", "message": "No", "fields": ["a"]}]),
            7 if !fields.is_empty() => {
                let position = self.below(fields.len());
                let field = self.field();
                fields[position] = field;
            }
            8 if !documents.is_empty() => {
                // Two at once.
                let mut other = documents.swap_remove(self.below(documents.len()));
                gone.push(name(&other));
                let field = self.field();
                other["fields"].as_array_mut().unwrap().push(field);
                return (gone, vec![other, changed]);
            }
            _ => {
                let field = self.field();
                fields.push(field);
            }
        }
        (gone, vec![changed])
    }
}

/// All that a catalog says, in one order.
fn told(catalog: &Catalog) -> String {
    let mut by_name: Vec<_> = catalog.by_name.iter().collect();
    by_name.sort();
    let mut inputs: Vec<_> = catalog.inputs.iter().collect();
    inputs.sort();
    format!("{:?} {by_name:?} {inputs:?} {}", catalog.modules, catalog.version)
}

fn resolve_together(base: &Catalog, gone: &[&str], come: &[ModuleDefinition]) -> Result<Catalog, Vec<ModuleIssue>> {
    let stays = base.modules.iter().filter(|module| !module.platform && module.link.is_none());
    let stays = stays.filter(|module| !gone.contains(&module.name.as_str())).map(|module| module.definition());
    let modules: Vec<ModuleDefinition> = stays.chain(come.iter().cloned()).collect();
    resolve(base.version + 1, &platform(), &modules)
}

#[test]
fn any_change_leads_to_what_all_documents_together_lead_to() {
    let (mut good, mut bad, mut touched) = (0, 0, 0);
    for seed in 0..SEEDS {
        let mut chance = Chance(seed);
        let mut catalog = resolve(1, &platform(), &[]).unwrap();
        for step in 0..STEPS {
            let (gone, come) = chance.change(&catalog);
            let gone: Vec<&str> = gone.iter().map(String::as_str).collect();
            let Ok(come) = come.into_iter().map(serde_json::from_value).collect::<Result<Vec<ModuleDefinition>, _>>()
            else {
                continue;
            };
            let told_change = || format!("seed {seed}, step {step}: without {gone:?}, with {come:#?}");
            let version = catalog.version + 1;
            let quick = Change::new(&catalog, &gone, &come).and_then(|change| change.resolve(version));
            match resolve_together(&catalog, &gone, &come) {
                Ok(together) => {
                    good += 1;
                    if let Some(quick) = &quick {
                        touched += 1;
                        assert!(told(quick) == told(&together), "{}", told_change());
                    }
                    catalog = quick.unwrap_or(together);
                }
                Err(issues) => {
                    bad += 1;
                    assert!(quick.is_none(), "{}\n{issues:#?}", told_change());
                    assert_eq!(
                        resolve_change(&catalog, version, &gone, &come).err(),
                        Some(issues),
                        "{}",
                        told_change()
                    );
                }
            }
        }
    }
    println!("{good} good changes, {touched} of them by what they touch; {bad} bad ones");
    assert!(good > 150 && bad > 150, "{good} good, {bad} bad");
    assert_eq!(touched, good, "what is sound needs no second look");
}

/// Modules in a row, each referring to the one before and computing with it.
fn row(count: usize) -> Catalog {
    let module = |number: usize| {
        let mut fields = vec![json!({"name": "amount", "type": "decimal"})];
        if number > 0 {
            fields.extend([
                json!({"name": "up", "type": "reference", "to": format!("Part{}", number - 1), "inverse": "downs"}),
                json!({"name": "more", "type": "formula", "returns": "decimal", "rule": "up.amount + amount"}),
            ]);
        }
        definition(&json!({"name": format!("Part{number}"), "plural": format!("Parts{number}"), "fields": fields}))
    };
    resolve(1, &platform(), &(0..count).map(module).collect::<Vec<_>>()).unwrap()
}

/// The names of the modules that are not the same in memory.
fn made_anew(base: &Catalog, next: &Catalog) -> Vec<String> {
    let shared = |id: ModuleId| {
        base.modules.get(id.0 as usize).is_some_and(|old| Arc::ptr_eq(old, &next.modules[id.0 as usize]))
    };
    next.modules.iter().filter(|module| !shared(module.id)).map(|module| module.name.clone()).collect()
}

fn change_one(base: &Catalog, name: &str, change: impl FnOnce(&mut Vec<Json>)) -> Catalog {
    let mut document: Json = serde_json::from_str(&base.module_by_name(name).unwrap().document).unwrap();
    change(document["fields"].as_array_mut().unwrap());
    resolve_change(base, base.version + 1, &[name], &[definition(&document)]).unwrap()
}

#[test]
fn what_a_change_does_not_touch_is_shared() {
    let base = row(8);
    let added = change_one(&base, "Part3", |fields| {
        fields.push(json!({"name": "twice", "type": "formula", "returns": "decimal", "rule": "amount * 2"}));
    });
    assert_eq!(made_anew(&base, &added), ["Part3"]);
    let referring = change_one(&base, "Part3", |fields| {
        fields.push(json!({"name": "other", "type": "reference", "to": "Part6", "inverse": "others"}));
    });
    assert_eq!(made_anew(&base, &referring), ["Part3", "Part6"], "the one that gets a relation, too");
    let retyped = change_one(&base, "Part3", |fields| fields[0] = json!({"name": "amount", "type": "integer"}));
    assert_eq!(made_anew(&base, &retyped), ["Part3", "Part4"], "the one that computes with it, too");
    let same = resolve_change(&base, 2, &[], &[]).unwrap();
    assert_eq!((made_anew(&base, &same), same.version), (Vec::new(), 2));
}

/// Before its readers are resolved anew, they still know the field by where it was: behind the end of what is left.
#[test]
fn a_field_that_moves_is_read_where_it_is() {
    let part = json!({"name": "Part", "plural": "Parts", "fields": [
        {"name": "note", "type": "text"}, {"name": "amount", "type": "decimal"}, {"name": "weight", "type": "decimal"}]});
    let filter = "weight > 1 && up.weight > 0";
    let reader = json!({"name": "Reader", "plural": "Readers", "fields": [
        {"name": "part", "type": "reference", "to": "Part"},
        {"name": "up", "type": "reference", "to": "Reader", "inverse": "downs"},
        {"name": "weight", "type": "formula", "returns": "decimal", "rule": "part.weight * 2"},
        {"name": "all", "type": "rollup", "relation": "downs", "function": "SUM", "field": "weight", "filter": filter}]});
    let base = resolve(1, &platform(), &[definition(&part), definition(&reader)]).unwrap();
    for left in [1, 2] {
        let mut less = part.clone();
        less["fields"].as_array_mut().unwrap().drain(..left);
        let less = [definition(&less)];
        let next = resolve_change(&base, 2, &["Part"], &less).unwrap();
        assert_eq!(told(&next), told(&resolve_together(&base, &["Part"], &less).unwrap()));
        assert_eq!(made_anew(&base, &next), ["Part", "Reader"]);
    }
}

#[test]
fn faults_that_a_change_causes_elsewhere_are_all_told() {
    let base = row(4);
    let told = |gone: &[&str], come: &[Json]| {
        let come: Vec<_> = come.iter().map(definition).collect();
        let issues = resolve_change(&base, 2, gone, &come).expect_err("should be refused");
        issues.into_iter().map(|ModuleIssue { module, issue }| format!("{module} {issue}")).collect::<Vec<_>>()
    };
    let gone = told(&["Part1"], &[]);
    assert!(gone.iter().any(|issue| issue.starts_with("Part2 fields[1].to: there is no module \"Part1\"")), "{gone:?}");
    let without_amount = json!({"name": "Part1", "plural": "Parts1", "fields": [
        {"name": "up", "type": "reference", "to": "Part0", "inverse": "downs"}, {"name": "size", "type": "text", "pattern": "[a-z]+", "default": "5"}]});
    let issues = told(&["Part1"], &[without_amount]);
    assert!(issues.iter().any(|issue| issue.starts_with("Part2 fields[2].rule")), "{issues:?}");
    assert!(issues.iter().any(|issue| issue.starts_with("Part1 fields[1].default")), "{issues:?}");
    // A module whose types another's field has.
    let enumerated = json!({"name": "Deal", "plural": "Deals", "fields": [{"name": "stage", "type": "choice", "options": [{"value": "A"}]}]});
    let base = resolve(1, &platform(), &[definition(&enumerated)]).unwrap();
    let taken = json!({"name": "DealStage", "plural": "DealStages", "fields": [{"name": "a", "type": "text"}]});
    let issues = resolve_change(&base, 2, &[], &[definition(&taken)]).expect_err("should be refused");
    assert_eq!(issues.len(), 1);
    assert_eq!(issues[0].module, "Deal", "a module outranks another's field");
}
