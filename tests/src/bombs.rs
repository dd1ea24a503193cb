//! Requests that are small to send and would be dear to serve, each with the code that refuses it.

use std::fmt::Write as _;

use serde_json::{Value, json};

/// One request.
#[derive(Debug, Clone)]
pub struct Bomb {
    /// What it tries.
    pub name: String,
    /// The body, as it is sent.
    pub body: String,
    /// `LIMIT_EXCEEDED`, or `BAD_USER_INPUT` for what is faulty in itself.
    pub code: &'static str,
}

const LIMIT: &str = "LIMIT_EXCEEDED";
const FAULTY: &str = "BAD_USER_INPUT";

/// All of them, for a server with the built-in modules, sent by somebody who may read all.
#[must_use]
pub fn bombs() -> Vec<Bomb> {
    let mut list = List(Vec::new());
    fragments(&mut list);
    selections(&mut list);
    directives(&mut list);
    introspection(&mut list);
    depth(&mut list);
    inputs(&mut list);
    list.0
}

struct List(Vec<Bomb>);

impl List {
    fn raw(&mut self, name: impl Into<String>, code: &'static str, body: String) {
        self.0.push(Bomb { name: name.into(), body, code });
    }

    fn query(&mut self, name: impl Into<String>, code: &'static str, query: &str) {
        self.query_with(name, code, query, &json!({}));
    }

    fn query_with(&mut self, name: impl Into<String>, code: &'static str, query: &str, variables: &Value) {
        self.raw(name, code, json!({"query": query, "variables": variables}).to_string());
    }
}

fn many(count: usize, each: impl Fn(usize) -> String) -> String {
    (0..count).map(each).collect::<Vec<_>>().join(" ")
}

/// `open` so many times, `inner`, and as many times `close`.
fn nested(count: usize, open: &str, inner: &str, close: &str) -> String {
    format!("{}{inner}{}", open.repeat(count), close.repeat(count))
}

fn fragments(list: &mut List) {
    for (width, levels) in [(2, 26), (3, 20), (10, 15), (100, 10), (1_000, 4)] {
        for leaf in ["me { role }", "...Unknown"] {
            let mut text = "{ ...F0 }".to_owned();
            for level in 0..levels {
                let spreads = format!("...F{} ", level + 1).repeat(width);
                let _ = write!(text, " fragment F{level} on Query {{ {spreads} }}");
            }
            let _ = write!(text, " fragment F{levels} on Query {{ {leaf} }}");
            list.query(format!("fragments unfold to {width}^{levels} {leaf}"), LIMIT, &text);
        }
    }
    for length in [1, 2, 200] {
        let circle = many(length, |n| format!("fragment F{n} on Query {{ ...F{} }}", (n + 1) % length));
        list.query(format!("a circle of {length} fragments"), FAULTY, &format!("{{ ...F0 }} {circle}"));
    }
    let chain = many(1_000, |n| format!("fragment F{n} on Query {{ ...F{} }}", (n + 1) % 1_000));
    list.query("a circle of 1000 fragments", LIMIT, &format!("{{ ...F0 }} {chain}"));
    let unused = many(1_000, |n| format!("fragment F{n} on Query {{ me {{ role }} }}"));
    list.query("1000 fragments that nothing uses", LIMIT, &format!("{{ me {{ role }} }} {unused}"));
}

fn selections(list: &mut List) {
    let inner = (0..8)
        .fold("id".to_owned(), |inner, _| format!("organization {{ contacts(first: 100) {{ nodes {{ {inner} }} }} }}"));
    list.query("lists in lists, 8 times", LIMIT, &format!("{{ contacts(first: 100) {{ nodes {{ {inner} }} }} }}"));
    let rows = "{ organizations(first: 1000) { nodes { contacts(first: 1000) { nodes { id } } } } }";
    list.query("a million rows", LIMIT, rows);
    for field in ["me { role }", "organizations { totalCount }", "node(id: 1) { id }", "__typename"] {
        let text = many(1_000, |n| format!("a{n}: {field}"));
        list.query(format!("1000 aliases of {field}"), LIMIT, &format!("{{ {text} }}"));
    }
    let (half, rest) = (many(60, |n| format!("a{n}: role")), many(60, |n| format!("b{n}: role")));
    let text = format!("{{ me {{ {half} ...F }} }} fragment F on Viewer {{ {rest} }}");
    list.query("aliases through a fragment", LIMIT, &text);
    list.query("the same field 12000 times", LIMIT, &format!("{{ me {{ {} }} }}", "role ".repeat(12_000)));
    let overlapping = (0..7).fold("id".to_owned(), |inner, _| format!("organization {{ {inner} }} ").repeat(3));
    list.query("overlapping selections", LIMIT, &format!("{{ contacts {{ nodes {{ {overlapping} }} }} }}"));
    let operations = many(1_000, |n| format!("query Q{n} {{ me {{ role }} }}"));
    list.query("1000 operations", LIMIT, &operations);
    list.query("2000 unknown fields", FAULTY, &format!("{{ me {{ {} }} }}", many(1_900, |n| format!("f{n}"))));
    let batch: Vec<Value> = (0..1_000).map(|_| json!({"query": "{ me { role } }"})).collect();
    list.raw("a batch of 1000", FAULTY, Value::Array(batch).to_string());
}

fn directives(list: &mut List) {
    let flood = "@a ".repeat(5_000);
    let valid = "@include(if: true) ".repeat(1_000);
    for (place, text) in [
        ("a field", format!("{{ me {flood} {{ role }} }}")),
        ("a field, all valid", format!("{{ me {valid} {{ role }} }}")),
        ("an operation", format!("query Q {flood} {{ me {{ role }} }}")),
        ("a fragment", format!("{{ ...F }} fragment F on Query {flood} {{ me {{ role }} }}")),
        ("a spread", format!("{{ ...F {flood} }} fragment F on Query {{ me {{ role }} }}")),
        ("an inline fragment", format!("{{ ... on Query {flood} {{ me {{ role }} }} }}")),
        ("a variable", format!("query Q($x: Int {flood}) {{ contacts(first: $x) {{ totalCount }} }}")),
    ] {
        list.query(format!("directives on {place}"), LIMIT, &text);
    }
}

fn introspection(list: &mut List) {
    let circle = |levels: usize| nested(levels, "fields { type { ", "name", " } }");
    list.query("circular introspection", LIMIT, &format!("{{ __schema {{ types {{ {} }} }} }}", circle(2)));
    list.query("deep circular introspection", LIMIT, &format!("{{ __schema {{ types {{ {} }} }} }}", circle(15)));
    list.query(
        "circular introspection of a type",
        LIMIT,
        &format!("{{ __type(name: \"Contact\") {{ {} }} }}", circle(4)),
    );
    let possible = nested(4, "possibleTypes { interfaces { ", "name", " } }");
    list.query("interfaces and their types", LIMIT, &format!("{{ __type(name: \"Node\") {{ {possible} }} }}"));
    let aliases = many(90, |n| format!("a{n}: types {{ fields {{ name type {{ name }} }} }}"));
    list.query("all types 90 times", LIMIT, &format!("{{ __schema {{ {aliases} }} }}"));
    let split = "{ __schema { types { ...F } } } fragment F on __Type { fields { type { ...G } } } \
                 fragment G on __Type { fields { type { name } } }";
    list.query("circular introspection through fragments", LIMIT, split);
}

fn depth(list: &mut List) {
    for (what, text) in [
        ("selections", format!("{{ {} }}", nested(5_000, "a { ", "b", "}"))),
        ("lists", format!("{{ nodes(ids: {}) {{ id }} }}", nested(5_000, "[", "1", "]"))),
        ("objects", format!("{{ contacts(filter: {}) {{ totalCount }} }}", nested(5_000, "{not: ", "{}", "}"))),
        ("types", format!("query($x: {}) {{ me {{ role }} }}", nested(5_000, "[", "Int", "]"))),
        ("mixed brackets that stay open", format!("{{a(b:{}", "[{c:".repeat(9_000))),
    ] {
        list.query(format!("5000 levels of {what}"), LIMIT, &text);
    }
    list.query("brackets that stay open", FAULTY, &"{".repeat(60_000));
    let query = "query($x: ContactFilter) { contacts(filter: $x) { totalCount } }";
    let variables = nested(5_000, "{\"not\": ", "{}", "}");
    let body = format!("{{\"query\": {}, \"variables\": {{\"x\": {variables}}}}}", json!(query));
    list.raw("5000 levels in variables", FAULTY, body);
    list.raw("a body of brackets", LIMIT, "[".repeat(1_000_000));
    let filter = nested(30, "{\"organization\": ", "{\"name\": {\"eq\": \"x\"}}", "}");
    let filter: Value = serde_json::from_str(
        &filter.replace("{\"organization\": {\"organization\":", "{\"organization\": {\"parent\":"),
    )
    .unwrap_or_default();
    list.query_with("a filter through 30 relations", FAULTY, query, &json!({"x": filter}));
}

fn inputs(list: &mut List) {
    let create = "mutation($x: ContactCreate!) { createContact(data: $x) { id } }";
    let unknown: Value = (0..60_000).map(|n| (format!("f{n}"), json!(1))).collect::<serde_json::Map<_, _>>().into();
    list.query_with("an input of 60000 unknown fields", FAULTY, create, &json!({"x": unknown}));
    let filters: Vec<Value> = (0..50_000).map(|_| json!({"f": {}})).collect();
    let query = "query($x: [ContactFilter!]) { contacts(filter: {or: $x}) { totalCount } }";
    list.query_with("a list of 50000 faulty filters", LIMIT, query, &json!({"x": filters}));
    let filters: Vec<Value> = (0..11_000).map(|_| json!({"f": 1})).collect();
    list.query_with("a list of 11000 faulty filters", FAULTY, query, &json!({"x": filters}));
    let filters: Vec<Value> = (0..5_900).map(|_| json!({"lastName": {"eq": "x"}})).collect();
    list.query_with("a filter of 5900 conditions", LIMIT, query, &json!({"x": filters}));
    let ids: Vec<usize> = (100_000..250_000).collect();
    list.query_with("150000 ids", LIMIT, "query($x: [ID!]!) { nodes(ids: $x) { id } }", &json!({"x": ids}));
    list.raw(
        "a body beyond the limit",
        LIMIT,
        json!({"query": "{ me { role } }", "x": "x".repeat(2 << 20)}).to_string(),
    );
    list.query("a text beyond the limit", LIMIT, &format!("{{ me {{ role }} }} #{}", "x".repeat(70_000)));

    let fields = many(7_000, |n| format!("f{n:x}: 1"));
    list.query(
        "an object of 7000 unknown fields",
        FAULTY,
        &format!("mutation {{ createContact(data: {{ {fields} }}) {{ id }} }}"),
    );
    let same = many(7_000, |_| "lastName: 1".to_owned());
    list.query(
        "a field of an object 7000 times",
        FAULTY,
        &format!("mutation {{ createContact(data: {{ {} }}) {{ id }} }}", &same[..60_000]),
    );
    let arguments = many(3_000, |n| format!("a{n:x}: 1"));
    list.query(
        "3000 unknown arguments, twice",
        FAULTY,
        &format!("{{ contacts({arguments}) {{ totalCount }} contacts({arguments}) {{ totalCount }} }}"),
    );
    let defined = many(1_500, |n| format!("$v{n:x}: ID"));
    let used = many(3_000, |n| format!("$v{:x}", n % 1_500));
    list.query("4500 places of variables", LIMIT, &format!("query({defined}) {{ nodes(ids: [{used}]) {{ id }} }}"));
    let operations = many(100, |n| format!("query Q{n} {{ ...F }}"));
    let used = "$v ".repeat(15_000);
    list.query(
        "variables of a fragment in 100 operations",
        LIMIT,
        &format!("{operations} fragment F on Query {{ nodes(ids: [{used}]) {{ id }} }}"),
    );
    list.query(
        "a number of 60000 digits",
        FAULTY,
        &format!("{{ contacts(first: {}) {{ totalCount }} }}", "9".repeat(60_000)),
    );
    list.query("a text that does not end", FAULTY, &format!("{{ contacts(after: \"{}", "\\\"".repeat(30_000)));
}
