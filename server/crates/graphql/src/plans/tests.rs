//! What was compiled for one request serves another exactly where compiling for that one would give the same.

use serde_json::{Value as Json, json};

use super::*;
use crate::compile::Viewer;
use crate::fixture::{USER, World, administrator, sales};
use crate::prepare::Prepared;

struct Asked {
    inputs: Inputs,
    operation: Operation,
}

fn request(query: &str, variables: &Json) -> Request {
    let variables = variables.as_object().cloned().unwrap_or_default();
    Request { query: query.to_owned(), variables, ..Request::default() }
}

fn ask(world: &World, query: &str, variables: &Json) -> Asked {
    let request = request(query, variables);
    let document = Arc::new(Document::new(world.setting(), query, None).unwrap());
    let inputs = document.coerce(world.setting(), &request.variables).unwrap();
    let prepared = Prepared::with(document, inputs.clone(), &request.variables);
    let operation = prepared.compile(world.setting(), &world.located).unwrap();
    Asked { inputs, operation }
}

/// Whether what was compiled for `one` serves `other`; and that it gives the same then as compiling anew.
fn serves(world: &World, query: &str, one: &Json, other: &Json) -> bool {
    let (one, other) = (ask(world, query, one), ask(world, query, other));
    let lists = format!("{:?}", one.operation.lists);
    let plan = Plan::new(one.operation, |_| ReadPlan::default());
    let Some(served) = plan.serve(world.setting(), &other.inputs, &world.located.modules) else { return false };
    let fresh = &other.operation;
    assert_eq!(lists, format!("{:?}", fresh.lists), "{query}");
    assert_eq!(*served.values, *fresh.values, "{query}");
    assert_eq!(served.contexts, fresh.contexts, "{query}");
    assert_eq!(format!("{:?}", plan.shape()), format!("{:?}", fresh.shape), "{query}");
    true
}

const BY_VALUES: &str = "query ($t: String, $s: [DealStage!], $a: Decimal, $o: Int, $n: Int) {
    deals(filter: {title: {contains: $t}, stage: {in: $s}, or: [{amount: {gt: $a}}, {amount: {isNull: true}}]}, offset: $o, first: $n) {
        edges { cursor node { id } } totalCount } }";
const BY_FILTER: &str = "query ($f: DealFilter, $o: [DealOrderBy!]) { deals(filter: $f, orderBy: $o) { nodes { id } pageInfo { endCursor } } }";

#[test]
fn values_of_filters_and_offsets_are_parameters() {
    let world = World::new(sales);
    let of = |title: &str, stages: Json, amount: &str, offset: u32| json!({"t": title, "s": stages, "a": amount, "o": offset, "n": 5});
    let one = of("a", json!(["WON"]), "1.00", 3);
    assert!(serves(&world, BY_VALUES, &one, &of("b", json!(["OPEN", "WON"]), "2.50", 7)));
    assert!(serves(&world, BY_VALUES, &one, &of("", json!([]), "-1", 1)));
    for (name, value) in [("o", json!(0)), ("o", Json::Null), ("n", json!(6)), ("t", Json::Null), ("s", Json::Null)] {
        let mut other = one.clone();
        other[name] = value;
        assert!(!serves(&world, BY_VALUES, &one, &other), "{other}");
        assert!(!serves(&world, BY_VALUES, &other, &one), "{other}");
    }
    let mut absent = one.clone();
    absent.as_object_mut().unwrap().remove("t");
    assert!(!serves(&world, BY_VALUES, &one, &absent));
}

#[test]
fn the_form_of_a_filter_and_the_whole_order_decide() {
    let world = World::new(sales);
    let one = json!({"f": {"title": {"eq": "a"}, "account": {"name": {"contains": "x"}}}, "o": [{"amount": "DESC"}]});
    let same = json!({"f": {"title": {"eq": "b"}, "account": {"name": {"contains": "y"}}}, "o": [{"amount": "DESC"}]});
    assert!(serves(&world, BY_FILTER, &one, &same));
    for (f, o) in [
        (json!({"title": {"ne": "a"}, "account": {"name": {"contains": "x"}}}), json!([{"amount": "DESC"}])),
        (json!({"title": {"eq": null}, "account": {"name": {"contains": "x"}}}), json!([{"amount": "DESC"}])),
        (json!({"title": {"eq": "a"}}), json!([{"amount": "DESC"}])),
        (json!({"title": {"eq": "a"}, "account": {"name": {"contains": "x"}}}), json!([{"amount": "ASC"}])),
        (json!({"title": {"eq": "a"}, "account": {"name": {"contains": "x"}}}), json!([{"title": "DESC"}])),
        (json!({"title": {"eq": "a"}, "account": {"name": {"contains": "x"}}}), json!([])),
        (json!({}), json!([{"amount": "DESC"}])),
    ] {
        assert!(!serves(&world, BY_FILTER, &one, &json!({"f": f, "o": o})), "{f} {o}");
    }
    let null = |truth: bool| json!({"f": {"title": {"isNull": truth}}});
    assert!(!serves(&world, BY_FILTER, &null(true), &null(false)));
}

#[test]
fn what_includes_and_skips_decides() {
    let world = World::new(sales);
    let query = "query ($a: Boolean!, $b: Boolean!, $id: ID!) { deal(id: $id) { id title @include(if: $a) stage @skip(if: $b) } }";
    let of = |a: bool, b: bool, id: u128| json!({"a": a, "b": b, "id": uuid::Uuid::from_u128(id).to_string()});
    assert!(serves(&world, query, &of(true, false, 1), &of(true, false, 2)));
    assert!(!serves(&world, query, &of(true, false, 1), &of(false, false, 1)));
    assert!(!serves(&world, query, &of(true, false, 1), &of(true, true, 1)));
}

#[test]
fn a_variable_that_is_a_parameter_here_and_decides_there_decides() {
    let world = World::new(sales);
    let query = "query ($n: Int) { accounts(first: $n, filter: {employees: {gt: $n}}) { totalCount } }";
    assert!(serves(&world, query, &json!({"n": 5}), &json!({"n": 5})));
    assert!(!serves(&world, query, &json!({"n": 5}), &json!({"n": 6})));
}

#[test]
fn cursors_are_opened_in_every_request() {
    let world = World::new(sales);
    let list = "deals(orderBy: [{amount: DESC}], filter: {title: {eq: TITLE}}";
    let query = format!(
        "query ($c: String, $t: String) {{ {}, after: $c) {{ nodes {{ id }} }} }}",
        list.replace("TITLE", "$t")
    );
    let cursor = |title: &str, place: Json| {
        let first = format!("{{ {}) {{ pageInfo {{ endCursor }} }} }}", list.replace("TITLE", &format!("{title:?}")));
        let first = ask(&world, &first, &json!({}));
        json!({"c": world.cursors.seal(&first.operation.contexts[0], place.to_string().as_bytes()), "t": title})
    };
    let ids = ["01900000-0000-7000-8000-00000000000a", "01900000-0000-7000-8000-00000000000b"];
    let one = cursor("a", json!(["12.50", ids[0]]));
    assert!(serves(&world, &query, &one, &cursor("a", json!(["7.00", ids[1]]))));
    assert!(serves(&world, &query, &one, &cursor("b", json!(["7.00", ids[1]]))));
    assert!(
        !serves(&world, &query, &one, &cursor("a", json!([null, ids[0]]))),
        "the statement is another one after an absent value"
    );
    assert!(!serves(&world, &query, &one, &json!({"t": "a"})));
    let plan = Plan::new(ask(&world, &query, &one).operation, |_| ReadPlan::default());
    assert!(!format!("{plan:?}").contains("12.5"), "nothing of the first request is kept");
    for forged in [json!({"c": one["c"], "t": "b"}), json!({"c": "x", "t": "a"})] {
        let request = request(&query, &forged);
        let document = Document::new(world.setting(), &query, None).unwrap();
        let inputs = document.coerce(world.setting(), &request.variables).unwrap();
        assert!(plan.serve(world.setting(), &inputs, &FxHashMap::default()).is_none(), "{forged}");
    }
}

#[test]
fn what_is_of_one_request_is_not_kept() {
    let world = World::new(sales);
    for query in [
        "{ nodes(ids: [1]) { id } }",
        "{ me { role } nodes(ids: []) { id } }",
        "mutation { deleteDeal(id: 1) { id } }",
        // It is in the language of the one who asked.
        "{ me { role } __schema { queryType { description } } }",
        "{ __type(name: \"Deal\") { fields { description } } }",
    ] {
        assert!(!serves(&world, query, &json!({}), &json!({})), "{query}");
    }
    for query in ["{ deals { totalCount } __typename }", "{ me { role } node(id: 1) { id } }"] {
        assert!(serves(&world, query, &json!({}), &json!({})), "{query}");
    }
    // What is long in itself is made anew.
    let flags: String = ["name", "create", "read", "update", "delete"]
        .map(|flag| format!("{}_{flag}: {flag} ", "a".repeat(60)))
        .concat();
    let lists: String = (0..5).map(|list| format!("list{list}: modules {{ {flags} }} ")).collect();
    let all: String = (0..16).map(|caller| format!("caller{caller}: me {{ {lists} }} ")).collect();
    let all = Plan::new(ask(&world, &format!("{{ {all} }}"), &json!({})).operation, |_| ReadPlan::default());
    let short = Plan::new(ask(&world, "{ me { role } }", &json!({})).operation, |_| ReadPlan::default());
    let (plans, known) =
        (Plans::default(), |query: &str| Plans::default().find(world.setting(), &request(query, &json!({}))).unwrap());
    for (plan, query, kept) in [(all, "{ a: __typename }", false), (short, "{ b: __typename }", true)] {
        let (plan, known) = (Arc::new(plan), known(query));
        assert_eq!(plan.constant_bytes() <= CONSTANT_BYTES_MAX, kept, "{} bytes", plan.constant_bytes());
        plans.keep(&known, &plan);
        assert_eq!(known.plan(world.setting(), &Vec::new(), &FxHashMap::default()).is_some(), kept);
    }
}

#[test]
fn documents_are_known_by_text_operation_and_rights() {
    let plans = Plans::default();
    let (one, other) = (World::new(sales), World::new(administrator));
    let find = |world: &World, name: Option<&str>| {
        let query = "query A { deals { totalCount } } query B { tasks { totalCount } }".to_owned();
        let request = Request { query, operation_name: name.map(str::to_owned), ..Request::default() };
        plans.find(world.setting(), &request).unwrap()
    };
    let known = find(&one, Some("A"));
    assert!(Arc::ptr_eq(&known, &find(&one, Some("A"))));
    assert!(!Arc::ptr_eq(&known, &find(&one, Some("B"))));
    assert!(!Arc::ptr_eq(&known, &find(&other, Some("A"))));
    assert_eq!(plans.len(), 3);
    let hidden = request("{ deals { nodes { secretMargin } } }", &json!({}));
    assert!(plans.find(other.setting(), &hidden).is_ok());
    assert!(plans.find(one.setting(), &hidden).is_err());
}

#[test]
fn what_is_kept_is_bounded() {
    let world = World::new(sales);
    let plans = Plans::with_capacity(256 * 1024);
    for number in 0..2_000 {
        plans.find(world.setting(), &request(&format!("{{ deals {{ n{number}: totalCount }} }}"), &json!({}))).unwrap();
    }
    assert!(plans.len() < 500, "{}", plans.len());

    let query = "query ($n: Int) { deals(first: $n) { nodes { id } } }";
    let known = plans.find(world.setting(), &request(query, &json!({}))).unwrap();
    for size in 0..100 {
        let asked = ask(&world, query, &json!({"n": size}));
        plans.keep(&known, &Arc::new(Plan::new(asked.operation, |_| ReadPlan::default())));
        assert!(known.plan(world.setting(), &asked.inputs, &FxHashMap::default()).is_some());
    }
    assert_eq!(known.plans.read().unwrap().len(), PLANS_OF_TEXT_MAX);
    let first = ask(&world, query, &json!({"n": 1})).inputs;
    assert!(known.plan(world.setting(), &first, &FxHashMap::default()).is_none(), "the oldest went");
}

#[test]
fn the_callers_person_is_no_part_of_a_plan() {
    let world = World::new(sales);
    let query = "{ me { role locale timeZone user { id } modules { name create } } }";
    assert!(serves(&world, query, &json!({}), &json!({})));
    let plan = Plan::new(ask(&world, query, &json!({})).operation, |_| ReadPlan::default());
    let kept = format!("{plan:?}");
    for own in [USER.to_string().as_str(), "sales", "Europe/Rome"] {
        assert!(!kept.contains(own), "{own} is in {kept}");
    }
    // Somebody else with equal rights is served as themselves, and nobody is not served as somebody.
    let other = Uuid::from_u128(7);
    let viewer = |user| Viewer { user, role: "other", locale: "en", time_zone: "UTC" };
    let none = FxHashMap::default();
    let served = plan.serve(Setting { viewer: viewer(Some(other)), ..world.setting() }, &Vec::new(), &none).unwrap();
    assert_eq!(*served.values, [Value::Id(other)]);
    assert!(plan.serve(Setting { viewer: viewer(None), ..world.setting() }, &Vec::new(), &none).is_none());
}

#[test]
fn a_node_is_looked_for_again_by_each_request() {
    let query = "query ($id: ID!) { node(id: $id) { id ... on Deal { title } ... on Account { name } } }";
    let ids = [1, 2, 3, 4].map(Uuid::from_u128);
    let mut world = World::new(sales);
    let module = |world: &World, name: &str| world.catalog.module_by_name(name).unwrap().id;
    let (deal, account) = (module(&world, "Deal"), module(&world, "Account"));
    world.located.modules.extend([(ids[0], deal), (ids[1], deal), (ids[2], account)]);
    let of = |id: Uuid| json!({"id": id.to_string()});
    assert!(serves(&world, query, &of(ids[0]), &of(ids[1])), "another record of the module");
    assert!(!serves(&world, query, &of(ids[0]), &of(ids[2])), "one of another module");
    assert!(!serves(&world, query, &of(ids[0]), &of(ids[3])), "one that is not there");
    assert!(!serves(&world, query, &of(ids[3]), &of(ids[0])));
    assert!(serves(&world, query, &of(ids[3]), &json!({"id": "none"})), "nothing for nothing");

    let Asked { operation, inputs } = ask(&world, query, &of(ids[0]));
    let plan = Plan::new(operation, |_| ReadPlan::default());
    assert_eq!(plan.node_ids(&inputs), Some(vec![ids[0]]));
    assert_eq!(plan.node_ids(&ask(&world, query, &json!({"id": "none"})).inputs), Some(Vec::new()));
    // What was there and is deleted meanwhile.
    assert!(plan.serve(world.setting(), &inputs, &FxHashMap::default()).is_none());
}
