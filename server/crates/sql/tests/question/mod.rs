//! Questions as short JSON, by names instead of ids, for cases that people read.
//!
//! ```json
//! {"list": "Deal", "take": "first", "where": {"all": ["title Contains", {"some": ["lines", "text Eq"]}]},
//!  "totals": ["count", "sum value"], "order": ["closeDate desc nulls first", "id"], "after": ["value", "null"], "outputs": ["id", "account.name"],
//!  "children": [{"relation": "lines", "list": "Line", "outputs": ["id"]}],
//!  "histories": [{"at": "account", "take": "last", "before": ["value"], "count": true, "changes": true, "actor": {"list": "User", "take": "one", "outputs": ["name"]}}]}
//! ```
//!
//! Each value takes the next slot, in the order of the text: the filter's, the page's, then those of the nested lists.
#![allow(dead_code, clippy::unwrap_used, reason = "each test uses its part, and a panic is how it fails")]

use cardine_model::catalog::{Catalog, FieldPath, Module};
use cardine_query::{
    Child, CompareOp, DatePart, Deleted, ENTRY_ACTOR, Filter, GroupCondition, GroupKey, GroupOrder, GroupTerm,
    GroupTest, Grouping, History, HistoryUser, KeysetValue, List, Measure, Nulls, OrderKey, Page, Quantifier, Slot,
    Span, Take,
};
use serde_json::Value as Json;

use crate::company::{module, path, relation_of, way};

/// The list that `json` describes.
pub fn question(catalog: &Catalog, json: &Json) -> List {
    Reading { catalog, slots: 0 }.list(json)
}

struct Reading<'a> {
    catalog: &'a Catalog,
    slots: u32,
}

impl<'a> Reading<'a> {
    fn slot(&mut self) -> Slot {
        self.slots += 1;
        Slot(self.slots - 1)
    }

    fn list(&mut self, json: &Json) -> List {
        let module = module(self.catalog, json["list"].as_str().unwrap());
        let filter = json.get("where").map(|filter| self.filter(module, filter));
        let take = match json["take"].as_str().unwrap_or("first") {
            "one" => Take::One,
            "last" => Take::Last(self.slot()),
            _ => Take::First(self.slot()),
        };
        let page = Page {
            take,
            after: json.get("after").map(|keys| self.keyset(keys)),
            before: json.get("before").map(|keys| self.keyset(keys)),
            offset: (json["offset"] == true).then(|| self.slot()),
        };
        let order = json.get("order").map_or_else(
            || vec![self.key(module, "id")],
            |keys| texts(keys).map(|key| self.key(module, key)).collect(),
        );
        let outputs: Vec<FieldPath> = json.get("outputs").map_or_else(Vec::new, |outputs| self.paths(module, outputs));
        let children = json.get("children").and_then(Json::as_array).into_iter().flatten();
        let children = children.map(|child| self.child(module, &outputs, child)).collect();
        let histories = json.get("histories").and_then(Json::as_array).into_iter().flatten();
        let histories = histories.map(|history| self.history(module, &outputs, history)).collect();
        let deleted = match json["deleted"].as_str() {
            Some("include") => Deleted::Include,
            Some("only") => Deleted::Only,
            _ => Deleted::Exclude,
        };
        let totals = json.get("totals").map_or_else(Vec::new, |totals| self.measures(module, totals));
        let groups = json.get("groups").map(|groups| self.grouping(module, groups));
        let order = if groups.is_some() { Vec::new() } else { order };
        List {
            module: module.id,
            filter,
            order,
            page,
            deleted,
            outputs,
            rows: json["rows"] != false,
            totals,
            groups,
            children,
            histories,
        }
    }

    /// `count`, or a function and a field: `sum amount`.
    fn measures(&self, module: &Module, measures: &Json) -> Vec<Measure> {
        let measure = |text: &str| {
            let Some((function, field)) = text.split_once(' ') else { return Measure::Count };
            let path = path(self.catalog, module, field);
            match function {
                "sum" => Measure::Sum(path),
                "avg" => Measure::Avg(path),
                "min" => Measure::Min(path),
                "max" => Measure::Max(path),
                "countDistinct" => Measure::CountDistinct(path),
                other => panic!("{other} is no measure"),
            }
        };
        texts(measures).map(measure).collect()
    }

    /// `{"by": ["closeDate month"], "measures": […], "having": ["0 Gt"], "order": ["key 0 desc", "measure 0"]}`.
    fn grouping(&mut self, module: &Module, json: &Json) -> Grouping {
        let key = |text: &str| {
            let (field, part) =
                text.split_once(' ').map_or((text, None), |(field, part)| (field, DatePart::of_word(part)));
            GroupKey { path: path(self.catalog, module, field), part }
        };
        let keys = texts(&json["by"]).map(key).collect();
        let measures = self.measures(module, &json["measures"]);
        let having = json.get("having").map_or_else(Vec::new, |having| {
            texts(having)
                .map(|text| {
                    let (measure, what) = text.split_once(' ').unwrap();
                    let test = match what {
                        "is null" => GroupTest::IsNull { negated: false },
                        op => GroupTest::Compare { op: operator(op), operand: self.slot() },
                    };
                    GroupCondition { measure: measure.parse().unwrap(), test }
                })
                .collect()
        });
        let order = texts(&json["order"]).map(|text| {
            let words: Vec<&str> = text.split(' ').collect();
            let position = words[1].parse().unwrap();
            GroupOrder {
                by: if words[0] == "key" { GroupTerm::Key(position) } else { GroupTerm::Measure(position) },
                descending: words.contains(&"desc"),
                nulls: if text.ends_with("nulls first") { Nulls::First } else { Nulls::Last },
            }
        });
        let order = order.collect();
        Grouping { keys, measures, having, order }
    }

    fn paths(&self, module: &Module, texts_of: &Json) -> Vec<FieldPath> {
        texts(texts_of).map(|text| path(self.catalog, module, text)).collect()
    }

    fn child(&mut self, module: &Module, outputs: &[FieldPath], json: &Json) -> Child {
        let at = json["at"].as_str().map_or_else(Vec::new, |at| way(self.catalog, module, at));
        let owner = at.last().map_or(module, |hop| self.catalog.module(hop.target));
        let id = FieldPath { hops: at.clone(), field: Module::ID };
        let parent_output = outputs.iter().position(|output| *output == id).expect("the parent's id is an output");
        Child {
            parent_output,
            at,
            relation: relation_of(owner, json["relation"].as_str().unwrap()),
            list: self.list(json),
        }
    }

    fn history(&mut self, module: &Module, outputs: &[FieldPath], json: &Json) -> History {
        let at = json["at"].as_str().map_or_else(Vec::new, |at| way(self.catalog, module, at));
        let id = FieldPath { hops: at.clone(), field: Module::ID };
        let take = if json["take"] == "last" { Take::Last(self.slot()) } else { Take::First(self.slot()) };
        let after = json.get("after").map(|keys| self.keyset(keys));
        let before = json.get("before").map(|keys| self.keyset(keys));
        let actor = json.get("actor").map(|user| HistoryUser { entry_value: ENTRY_ACTOR, list: self.list(user) });
        History {
            parent_output: outputs.iter().position(|output| *output == id).expect("the record's id is an output"),
            at,
            page: Page { take, after, before, offset: None },
            rows: json["rows"] != false,
            count: json["count"] == true,
            changes: json["changes"] == true,
            users: actor.into_iter().collect(),
        }
    }

    fn key(&self, module: &Module, text: &str) -> OrderKey {
        OrderKey {
            path: path(self.catalog, module, text.split(' ').next().unwrap()),
            descending: text.contains(" desc"),
            nulls: if text.ends_with("nulls first") { Nulls::First } else { Nulls::Last },
        }
    }

    fn keyset(&mut self, keys: &Json) -> Vec<KeysetValue> {
        texts(keys).map(|key| KeysetValue { slot: self.slot(), is_null: key == "null" }).collect()
    }

    /// `field Op`, `field is null`, `field alike`, `{"all": […]}`, `{"any": […]}`, `{"not": …}` or `{"some": ["way.relation", …]}`.
    fn filter(&mut self, module: &Module, json: &Json) -> Filter {
        if let Some(text) = json.as_str() {
            return self.condition(module, text);
        }
        let (kind, inner) = json.as_object().unwrap().iter().next().unwrap();
        let mut parts = || inner.as_array().unwrap().iter().map(|part| self.filter(module, part)).collect();
        match kind.as_str() {
            "all" => Filter::All(parts()),
            "any" => Filter::Any(parts()),
            "not" => Filter::Not(Box::new(self.filter(module, inner))),
            kind => self.related(module, kind, inner),
        }
    }

    fn condition(&mut self, module: &Module, text: &str) -> Filter {
        let (field, what) = text.split_once(' ').unwrap();
        let path = path(self.catalog, module, field);
        match what {
            "is null" => Filter::IsNull { path, negated: false },
            "is not null" => Filter::IsNull { path, negated: true },
            "within last" => Filter::Within { path, span: Span::Last(self.slot()) },
            "within next" => Filter::Within { path, span: Span::Next(self.slot()) },
            op if let Some(part) = op.strip_prefix("within this ") => {
                Filter::Within { path, span: Span::This(DatePart::of_word(part).unwrap()) }
            }
            "alike" => Filter::Alike { field: path.field, record: self.slot() },
            op => Filter::Compare { path, op: operator(op), operand: self.slot() },
        }
    }

    fn related(&mut self, module: &Module, kind: &str, inner: &Json) -> Filter {
        let quantifier = match kind {
            "some" => Quantifier::Some,
            "none" => Quantifier::None,
            "every" => Quantifier::Every,
            other => panic!("{other} is no filter"),
        };
        let text = inner[0].as_str().unwrap();
        let (at, name) =
            text.rsplit_once('.').map_or((Vec::new(), text), |(at, name)| (way(self.catalog, module, at), name));
        let owner = at.last().map_or(module, |hop| self.catalog.module(hop.target));
        let relation = relation_of(owner, name);
        let related = self.catalog.module(owner.relation(relation).module);
        Filter::Related { at, relation, quantifier, filter: Box::new(self.filter(related, &inner[1])) }
    }
}

fn texts(json: &Json) -> impl Iterator<Item = &str> {
    json.as_array().unwrap().iter().map(|text| text.as_str().unwrap())
}

fn operator(name: &str) -> CompareOp {
    match name {
        "Eq" => CompareOp::Eq,
        "Ne" => CompareOp::Ne,
        "Lt" => CompareOp::Lt,
        "Lte" => CompareOp::Lte,
        "Gt" => CompareOp::Gt,
        "Gte" => CompareOp::Gte,
        "Contains" => CompareOp::Contains,
        "StartsWith" => CompareOp::StartsWith,
        "EndsWith" => CompareOp::EndsWith,
        "In" => CompareOp::In,
        "NotIn" => CompareOp::NotIn,
        "Has" => CompareOp::Has,
        "HasAny" => CompareOp::HasAny,
        "HasAll" => CompareOp::HasAll,
        other => panic!("{other} is no operator"),
    }
}
