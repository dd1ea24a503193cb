//! Questions about lists and the lists of each record: order, page, number and figures, as GraphQL and in memory.

use std::cmp::Ordering;

use serde_json::{Value as Json, json};

use crate::chance::Chance;
use crate::figure::{self, Figure};
use crate::filter::Filter;
use crate::record::{FIELDS, Kind, Record, shown};
use crate::value::Value;

/// One key of an order; the last is always the code.
#[derive(Debug, Clone)]
pub struct Key {
    above: bool,
    field: usize,
    direction: &'static str,
}

#[derive(Debug)]
pub struct List {
    filter: Filter,
    order: Vec<Key>,
    page: &'static str,
    figures: Vec<Figure>,
    below: Option<Box<List>>,
}

const DIRECTIONS: [&str; 6] =
    ["ASC", "DESC", "ASC_NULLS_FIRST", "DESC_NULLS_LAST", "ASC_NULLS_LAST", "DESC_NULLS_FIRST"];

/// Whether a direction is descending, and whether absent values stand first.
pub fn direction(word: &str) -> (bool, bool) {
    let descending = word.starts_with("DESC");
    (descending, if word.contains("NULLS") { word.ends_with("FIRST") } else { descending })
}

pub fn random_direction(chance: &mut Chance) -> &'static str {
    chance.of(&DIRECTIONS)
}

impl List {
    pub fn random(chance: &mut Chance) -> Self {
        let below = (chance.below(3) == 0).then(|| {
            let page = chance.of(&["first: 2", "last: 2", "first: 2, offset: 1"]);
            Box::new(Self { page, below: None, ..Self::flat(chance, 1) })
        });
        Self { below, ..Self::flat(chance, 3) }
    }

    fn flat(chance: &mut Chance, depth: usize) -> Self {
        let keys = (0..chance.below(4)).map(|_| {
            let field = loop {
                let field = chance.below(FIELDS.len());
                if FIELDS[field].1 != Kind::Options {
                    break field;
                }
            };
            Key { above: chance.below(4) == 0, field, direction: random_direction(chance) }
        });
        let order = keys.collect();
        let page =
            chance.of(&["first: 100", "first: 7", "last: 7", "first: 5, offset: 3", "last: 4, offset: 2", "first: 0"]);
        Self { filter: Filter::random(chance, depth), order, page, figures: figure::some(chance), below: None }
    }

    pub fn text(&self, field: &str) -> String {
        let key = |key: &Key| {
            let name = FIELDS[key.field].0;
            if key.above {
                format!("{{above: {{{name}: {}}}}}, ", key.direction)
            } else {
                format!("{{{name}: {}}}, ", key.direction)
            }
        };
        let order: String = self.order.iter().map(key).collect();
        let values: Vec<&str> = FIELDS.iter().map(|(name, _)| *name).collect();
        let nodes = match &self.below {
            Some(below) => format!("code {}", below.text("below")),
            None => format!("code {} above {{ code }}", values.join(" ")),
        };
        format!(
            "{field}(filter: {}, orderBy: [{order}{{code: ASC}}], {}) {{ totalCount aggregate {{ {} }} nodes {{ {nodes} }} pageInfo {{ hasNextPage hasPreviousPage }} }}",
            self.filter.text(),
            self.page,
            figure::selection(&self.figures),
        )
    }

    /// What the list of those records is, of which those count that meet the filter.
    pub fn answer(&self, records: &[Record], among: &[usize]) -> Json {
        let mut met: Vec<usize> = among
            .iter()
            .copied()
            .filter(|position| self.filter.decide(records, Some(*position)) == Some(true))
            .collect();
        met.sort_by(|one, other| self.compare(records, *one, *other));
        let number = |word: &str| {
            self.page
                .split(", ")
                .find_map(|part| part.strip_prefix(word))
                .map(|count| count.parse::<usize>().expect("a number"))
        };
        let offset = number("offset: ").unwrap_or(0);
        let (page, next, previous) = match (number("first: "), number("last: ")) {
            (Some(first), _) => {
                let rest = met.get(offset.min(met.len())..).unwrap_or_default();
                (rest[..first.min(rest.len())].to_vec(), rest.len() > first, offset > 0)
            }
            (_, last) => {
                let rest = &met[..met.len().saturating_sub(offset)];
                let last = last.expect("one end or the other");
                (rest[rest.len().saturating_sub(last)..].to_vec(), offset > 0, rest.len() > last)
            }
        };
        let all: Vec<&Record> = met.iter().map(|position| &records[*position]).collect();
        let nodes: Vec<Json> = page.iter().map(|position| self.node(records, *position)).collect();
        json!({
            "totalCount": met.len(), "aggregate": figure::answer(&self.figures, &all), "nodes": nodes,
            "pageInfo": {"hasNextPage": next, "hasPreviousPage": previous},
        })
    }

    fn node(&self, records: &[Record], position: usize) -> Json {
        let record = &records[position];
        let mut node = json!({"code": record.code});
        if let Some(below) = &self.below {
            let mine: Vec<usize> = (0..records.len()).filter(|other| records[*other].above == Some(position)).collect();
            node["below"] = below.answer(records, &mine);
            return node;
        }
        for (field, (name, kind)) in FIELDS.iter().enumerate() {
            node[name] = shown(&record.values[field], *kind);
        }
        node["above"] = record.above.map_or(Json::Null, |above| json!({"code": records[above].code}));
        node
    }

    fn compare(&self, records: &[Record], one: usize, other: usize) -> Ordering {
        let value = |key: &Key, position: usize| {
            let record = if key.above { records[position].above } else { Some(position) };
            record.map_or(Value::Null, |record| records[record].values[key.field].clone())
        };
        let by_keys = self.order.iter().map(|key| {
            let (descending, nulls_first) = direction(key.direction);
            value(key, one).ordered(&value(key, other), descending, nulls_first)
        });
        by_keys.fold(Ordering::Equal, Ordering::then).then_with(|| records[one].code.cmp(&records[other].code))
    }
}
