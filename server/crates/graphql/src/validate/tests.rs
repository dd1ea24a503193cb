//! Each rule of validation with a request that breaks it, and hidden names in every place where a name can stand.

use std::time::{Duration, Instant};

use serde_json::{Value as Json, json};

use crate::error::Code;
use crate::fixture::{World, sales};
use crate::prepare::Prepared;
use crate::protocol::Request;

#[test]
fn each_rule_refuses_what_breaks_it() {
    let world = World::new(sales);
    for (query, messages) in [
        // Operations
        (
            "subscription { dealChanges { id } nodes: taskChanges { id } }",
            vec!["Anonymous Subscription must select only one top level field."],
        ),
        (
            "subscription A { dealChanges { id } ... on Subscription { b: dealChanges { id } } }",
            vec!["Subscription \"A\" must select only one top level field."],
        ),
        (
            "subscription { __typename }",
            vec!["Anonymous Subscription must not select an introspection top level field."],
        ),
        (
            "subscription A($x: Boolean!) { dealChanges @include(if: $x) { id } }",
            vec!["Subscription \"A\" must not use `@skip` or `@include` directives in the top level selection."],
        ),
        (
            "subscription { ...F } fragment F on Subscription { ... @skip(if: false) { dealChanges { id } } }",
            vec!["Anonymous Subscription must not use `@skip` or `@include` directives in the top level selection."],
        ),
        ("subscription { userChanges { id } }", vec!["Cannot query field \"userChanges\" on type \"Subscription\"."]),
        ("subscription { vaultChanges { id } }", vec!["Cannot query field \"vaultChanges\" on type \"Subscription\"."]),
        (
            "subscription { dealChanges(filter: {secretMargin: {gt: 1}}) { id } }",
            vec!["Field \"secretMargin\" is not defined by type \"DealFilter\"."],
        ),
        ("query A { me { role } } query A { me { role } }", vec!["There can be only one operation named \"A\"."]),
        (
            "{ me { role } } query A { me { role } }",
            vec!["An operation without a name must be the only operation of the document."],
        ),
        // Fields
        ("{ nothing }", vec!["Cannot query field \"nothing\" on type \"Query\"."]),
        (
            "{ me { role { x } } }",
            vec!["Field \"role\" must not have a selection since type \"String!\" has no subfields."],
        ),
        ("{ me }", vec!["Field \"me\" of type \"Viewer!\" must have a selection of subfields."]),
        ("{ deals { nodes } }", vec!["Field \"nodes\" of type \"[Deal!]!\" must have a selection of subfields."]),
        ("{ tasks { nodes { parent { id } } } }", vec!["Cannot query field \"id\" on type \"TaskParent\"."]),
        ("mutation { deals { totalCount } }", vec!["Cannot query field \"deals\" on type \"Mutation\"."]),
        ("{ deals { __schema { description } } }", vec!["Cannot query field \"__schema\" on type \"DealConnection\"."]),
        // Arguments
        (
            "{ deal { id } }",
            vec!["Argument \"id\" of type \"ID!\" is required on field \"Query.deal\", but it was not provided."],
        ),
        ("{ deal(id: 1, x: 2) { id } }", vec!["Unknown argument \"x\" on field \"Query.deal\"."]),
        ("{ deal(id: 1, id: 2) { id } }", vec!["There can be only one argument named \"id\"."]),
        ("{ deal(id: null) { id } }", vec!["Expected a value of type \"ID!\", found null."]),
        // Fragments
        ("{ ...A }", vec!["Unknown fragment \"A\"."]),
        ("{ me { role } } fragment A on Query { me { role } }", vec!["Fragment \"A\" is never used."]),
        ("{ ... on Nothing { me { role } } }", vec!["Unknown type \"Nothing\"."]),
        ("{ ... on String { me { role } } }", vec!["Fragment cannot condition on non composite type \"String\"."]),
        (
            "{ ...A } fragment A on Deal { id }",
            vec!["Fragment \"A\" cannot be spread here as objects of type \"Query\" can never be of type \"Deal\"."],
        ),
        (
            "{ tasks { nodes { parent { ... on Contact { id } } } } }",
            vec!["Fragment cannot be spread here as objects of type \"TaskParent\" can never be of type \"Contact\"."],
        ),
        (
            "{ ...A } fragment A on Query { me { role } } fragment A on Query { me { role } }",
            vec!["There can be only one fragment named \"A\"."],
        ),
        // Values
        ("{ deals(first: \"1\") { totalCount } }", vec!["Int cannot represent the value \"1\"."]),
        ("{ deals(first: 1.0) { totalCount } }", vec!["Int cannot represent the value 1.0."]),
        (
            "{ deals(first: 2147483648) { totalCount } }",
            vec!["Int cannot represent the value 2147483648: it has 32 bits."],
        ),
        (
            "{ deals(filter: {amount: {eq: 12.5}}) { totalCount } }",
            vec![
                "Decimal cannot represent the value 12.5: write it as a string, such as \"12.50\", so that it stays exact.",
            ],
        ),
        (
            "query ($amount: Decimal = \"12345678901234567890123456789\") { deals(filter: {amount: {in: [$amount, \"1234567890123456789012345678.9\", \"001234567890123456789012345.670\"]}}) { totalCount } }",
            vec![
                "Decimal cannot represent the value \"12345678901234567890123456789\": it has at most 28 digits, those after the point included.",
                "Decimal cannot represent the value \"1234567890123456789012345678.9\": it has at most 28 digits, those after the point included.",
            ],
        ),
        (
            "{ deals(filter: {amount: {eq: 123456789012345678901}}) { totalCount } }",
            vec![
                "The number 123456789012345678901 has more digits than a number of 64 bits keeps: write it as a string.",
            ],
        ),
        (
            "{ deals(filter: {stage: {eq: \"WON\"}}) { totalCount } }",
            vec!["Enum \"DealStage\" cannot represent the value \"WON\"."],
        ),
        (
            "{ deals(filter: {stage: {eq: NO}}) { totalCount } }",
            vec!["Value \"NO\" does not exist in \"DealStage\" enum."],
        ),
        ("{ deals(filter: {title: {eq: 1}}) { totalCount } }", vec!["String cannot represent the value 1."]),
        (
            "{ deals(filter: {won: {eq: \"true\"}}) { totalCount } }",
            vec!["Boolean cannot represent the value \"true\"."],
        ),
        (
            "{ deals(filter: {closeDate: {eq: \"2026-02-30\"}}) { totalCount } }",
            vec!["Date cannot represent the value \"2026-02-30\": it is YYYY-MM-DD."],
        ),
        (
            "{ deals(filter: {callAt: {eq: \"9:00\"}}) { totalCount } }",
            vec!["Time cannot represent the value \"9:00\": it is HH:MM:SS."],
        ),
        (
            "{ tasks(filter: {dueAt: {eq: \"2026-01-01\"}}) { totalCount } }",
            vec![
                "DateTime cannot represent the value \"2026-01-01\": it is by RFC 3339, such as 2026-01-31T12:00:00Z.",
            ],
        ),
        (
            "{ deals(filter: {views: {eq: \"9223372036854775808\"}}) { totalCount } }",
            vec!["BigInt cannot represent the value \"9223372036854775808\": it is a whole number of at most 64 bits."],
        ),
        ("{ deals(filter: 1) { totalCount } }", vec!["Expected an object of type \"DealFilter\", found 1."]),
        ("{ deals(filter: {x: 1}) { totalCount } }", vec!["Field \"x\" is not defined by type \"DealFilter\"."]),
        (
            "{ deals(filter: {won: {isNull: true, isNull: true}}) { totalCount } }",
            vec!["There can be only one input field named \"isNull\"."],
        ),
        (
            "{ deals(orderBy: [{title: ASC, amount: ASC}]) { totalCount } }",
            vec!["Exactly one field of \"DealOrderBy\" must be given, found 2."],
        ),
        ("{ deals(orderBy: {}) { totalCount } }", vec!["Exactly one field of \"DealOrderBy\" must be given, found 0."]),
        ("{ deals(orderBy: {title: null}) { totalCount } }", vec!["Field \"DealOrderBy.title\" must not be null."]),
        (
            "mutation { createDeal(data: {}) { id } }",
            vec!["Field \"DealCreate.title\" of required type \"String!\" was not provided."],
        ),
        (
            "mutation { createDeal(data: {title: null, stage: NO, amount: 1.5}) { id } }",
            vec![
                "Expected a value of type \"String!\", found null.",
                "Value \"NO\" does not exist in \"DealStage\" enum.",
                "Decimal cannot represent the value 1.5: write it as a string, such as \"12.50\", so that it stays exact.",
            ],
        ),
        // Directives
        ("{ me @nothing { role } }", vec!["Unknown directive \"@nothing\"."]),
        ("{ me @deprecated { role } }", vec!["Directive \"@deprecated\" may not be used on FIELD."]),
        ("query @skip(if: true) { me { role } }", vec!["Directive \"@skip\" may not be used on QUERY."]),
        (
            "{ me @skip(if: true) @skip(if: true) { role } }",
            vec!["The directive \"@skip\" can only be used once at this location."],
        ),
        (
            "{ me @skip { role } }",
            vec!["Argument \"if\" of type \"Boolean!\" is required on directive \"@skip\", but it was not provided."],
        ),
        // Variables
        ("query ($a: ID!, $a: ID!) { deal(id: $a) { id } }", vec!["There can be only one variable named \"$a\"."]),
        ("query ($a: Deal) { deal(id: $a) { id } }", vec!["Variable \"$a\" cannot be non-input type \"Deal\"."]),
        ("query ($a: Nothing) { deal(id: $a) { id } }", vec!["Unknown type \"Nothing\"."]),
        ("query ($a: ID) { me { role } }", vec!["Variable \"$a\" is never used."]),
        ("{ deal(id: $a) { id } }", vec!["Variable \"$a\" is not defined."]),
        ("{ ...A } fragment A on Query { deal(id: $a) { id } }", vec!["Variable \"$a\" is not defined."]),
        (
            "query ($a: ID) { deal(id: $a) { id } }",
            vec!["Variable \"$a\" of type \"ID\" used in position expecting type \"ID!\"."],
        ),
        (
            "query ($a: String!) { deal(id: $a) { id } }",
            vec!["Variable \"$a\" of type \"String!\" used in position expecting type \"ID!\"."],
        ),
        (
            "query ($a: SortOrder) { deals(orderBy: [{title: $a}]) { totalCount } }",
            vec!["Variable \"$a\" must be non-nullable to be used for the oneOf type \"DealOrderBy\"."],
        ),
        ("query ($a: Int = \"x\") { deals(first: $a) { totalCount } }", vec!["Int cannot represent the value \"x\"."]),
        // Fields that share a place
        (
            "{ deals { nodes { x: title x: amount } } }",
            vec![
                "Fields \"x\" conflict because they return conflicting types \"String!\" and \"Decimal\". Use different aliases on the fields to fetch both if this was intentional.",
            ],
        ),
        (
            "{ deals(first: 1) { totalCount } deals(first: 2) { totalCount } }",
            vec![
                "Fields \"deals\" conflict because they have differing arguments. Use different aliases on the fields to fetch both if this was intentional.",
            ],
        ),
        (
            "{ me { x: role } ...A } fragment A on Query { me { x: locale } }",
            vec![
                "Fields \"x\" conflict because \"role\" and \"locale\" are different fields. Use different aliases on the fields to fetch both if this was intentional.",
            ],
        ),
        (
            "{ tasks { nodes { parent { ... on Deal { x: title } ... on Account { x: employees } } } } }",
            vec![
                "Fields \"x\" conflict because they return conflicting types \"String!\" and \"Int\". Use different aliases on the fields to fetch both if this was intentional.",
            ],
        ),
    ] {
        assert_eq!(world.refusals(query, json!({})), messages, "{query}");
    }
}

#[test]
fn what_the_rules_allow_passes() {
    let world = World::new(sales);
    for query in [
        "query ($a: ID = \"x\") { deal(id: $a) { id } }",
        "query ($a: [DealStage!]) { deals(filter: {stage: {in: $a}}) { totalCount } }",
        "query ($a: DealStage = WON) { deals(filter: {stage: {in: [$a]}}) { totalCount } }",
        "{ tasks { nodes { parent { ... on Deal { x: title } ... on Account { x: name } } } } }",
        "{ deals { nodes { id } nodes { id title } } deals { totalCount } }",
        "{ node(id: \"x\") { ... on Deal { title } ...A } } fragment A on Task { subject }",
        "{ tasks { nodes { owner { ... on Node { id } } } } }",
        "{ __type(name: \"Deal\") { name fields(includeDeprecated: true) { name } } __typename }",
        "query ($a: Boolean!) { me { role @skip(if: $a) locale @include(if: $a) @skip(if: false) } }",
    ] {
        let query = query.replace("($a: Boolean!)", "($a: Boolean = true)");
        assert_eq!(world.refusals(&query, json!({})), Vec::<String>::new(), "{query}");
    }
}

/// Every place where a name can stand, with `NAME` in it: a module's field, with its value if it needs one.
const FIELD_PLACES: [&str; 14] = [
    "{ deals { nodes { NAME } } }",
    "{ deals { nodes { NAME { x } } } }",
    "{ deals { nodes { a: NAME(x: $y) } } }",
    "{ accounts { nodes { deals { nodes { NAME } } } } }",
    "{ deals(filter: {NAME: {eq: 1}}) { totalCount } }",
    "{ deals(filter: {NAME: $x}) { totalCount } }",
    "{ deals(filter: {and: [{not: {NAME: {isNull: true}}}]}) { totalCount } }",
    "{ accounts(filter: {deals: {some: {NAME: {gt: 1}}}}) { totalCount } }",
    "{ contacts(filter: {account: {deals: {none: {NAME: {eq: 1}}}}}) { totalCount } }",
    "{ deals(orderBy: [{NAME: ASC}]) { totalCount } }",
    "{ deals(orderBy: [{NAME: {name: ASC}}]) { totalCount } }",
    "mutation { createDeal(data: {title: \"x\", NAME: 1}) { id } }",
    "mutation { updateDeal(id: \"x\", data: {NAME: null}) { id } }",
    "mutation { createDeal(data: {title: \"x\"}) { NAME } }",
];

#[test]
fn a_hidden_field_is_an_unknown_one_in_every_place() {
    let world = World::new(sales);
    for place in FIELD_PLACES {
        let refusal = |name: &str| {
            let refusals = world.refusals(&place.replace("NAME", name), json!({}));
            assert!(!refusals.is_empty(), "{place} with {name}");
            refusals.iter().map(|message| message.replace(name, "NAME")).collect::<Vec<_>>()
        };
        for hidden in ["secretMargin", "secretStage", "secretDouble"] {
            assert_eq!(refusal(hidden), refusal("neverExisted"), "{place} with {hidden}");
        }
    }
}

#[test]
fn a_hidden_module_is_an_unknown_one_in_every_place() {
    let world = World::new(sales);
    for (place, hidden, unknown) in [
        ("{ NAME(id: 1) { id } }", "vault", "nothing"),
        ("{ NAME { totalCount } }", "vaults", "nothings"),
        ("{ NAME(filter: {code: {eq: \"x\"}}) { nodes { code } } }", "vaults", "nothings"),
        ("{ accounts { nodes { NAME { code } } } }", "vault", "nothing"),
        ("{ accounts { nodes { NAME } } }", "vaultId", "nothingId"),
        ("{ accounts(filter: {NAME: {isNull: true}}) { totalCount } }", "vaultId", "nothingId"),
        ("{ accounts(filter: {NAME: {code: {eq: \"x\"}}}) { totalCount } }", "vault", "nothing"),
        ("{ accounts(orderBy: [{NAME: {code: ASC}}]) { totalCount } }", "vault", "nothing"),
        ("{ tasks { nodes { parent { ... on NAME { id } } } } }", "Vault", "Nothing"),
        ("{ node(id: 1) { ...A } } fragment A on NAME { id }", "Vault", "Nothing"),
        ("query ($a: NAME) { me { role } }", "VaultFilter", "NothingFilter"),
        ("query ($a: NAME!) { me { role } }", "DealSecretStage", "DealNothing"),
        ("query ($a: [NAME!]) { deals(filter: $a) { totalCount } }", "DealSecretStageFilter", "DealNothingFilter"),
        ("mutation { NAME(data: {code: \"x\"}) { id } }", "createVault", "createNothing"),
        ("mutation { NAME(id: 1) { id } }", "deleteVault", "deleteNothing"),
        // Visible, but not writable: these mutations do not exist either.
        ("mutation { NAME(data: {name: \"x\"}) { id } }", "createAccount", "createNothing"),
        ("mutation { NAME(id: 1) { id } }", "deleteAccount", "deleteNothing"),
        ("mutation { NAME(id: 1, data: {name: \"x\"}) { id } }", "updateUser", "updateNothing"),
        ("query ($a: NAME) { me { role } }", "AccountCreate", "NothingCreate"),
        ("{ accounts(NAME: ONLY) { totalCount } }", "deleted", "nothing"),
    ] {
        let refusal = |name: &str| {
            let refusals = world.refusals(&place.replace("NAME", name), json!({}));
            assert!(!refusals.is_empty(), "{place} with {name}");
            refusals.iter().map(|message| message.replace(name, "NAME")).collect::<Vec<_>>()
        };
        assert_eq!(refusal(hidden), refusal(unknown), "{place} with {hidden}");
    }
}

#[test]
fn introspection_by_name_does_not_tell_hidden_from_unknown() {
    let world = World::new(sales);
    let answer = |name: &str| {
        let query = format!("{{ __type(name: \"{name}\") {{ name kind fields {{ name }} }} }}");
        let operation = world.compile(&query, json!({})).unwrap();
        format!("{:?}", operation.shape)
    };
    for hidden in
        ["Vault", "VaultFilter", "DealSecretStage", "DealSecretStageFilter", "AccountCreate", "VaultConnection"]
    {
        assert_eq!(answer(hidden), answer("Nothing"), "{hidden}");
    }
    assert_ne!(answer("Deal"), answer("Nothing"));
}

#[test]
fn variables_are_coerced_on_every_request() {
    let world = World::new(sales);
    let query = "query ($id: ID!, $n: Int, $f: DealFilter) { deal(id: $id) { id } deals(first: $n, filter: $f) { totalCount } }";
    for (variables, messages) in [
        (json!({"id": "x", "n": 2.0, "f": {"stage": {"in": "WON"}}, "ignored": 1}), vec![]),
        (json!({"id": 7, "n": null, "f": null}), vec![]),
        (json!({}), vec!["Variable \"$id\" of required type \"ID!\" was not provided."]),
        (
            json!({"id": null, "n": "1"}),
            vec![
                "Variable \"$id\" got an invalid value: id: Expected a value of type \"ID!\", found null.",
                "Variable \"$n\" got an invalid value: first: Int cannot represent the value \"1\".",
            ],
        ),
        (
            json!({"id": "x", "f": {"secretMargin": {"eq": 1}}}),
            vec![
                "Variable \"$f\" got an invalid value: filter.secretMargin: Field \"secretMargin\" is not defined by type \"DealFilter\".",
            ],
        ),
        (
            json!({"id": "x", "f": {"title": {"eq": "a\u{0}b"}}}),
            vec![
                "Variable \"$f\" got an invalid value: filter.title.eq: String cannot represent the value \"a\\u0000b\": the character U+0000 cannot be stored.",
            ],
        ),
    ] {
        assert_eq!(world.refusals(query, variables), messages);
    }
    let errors =
        world.compile(query, json!({"id": "x", "f": {"title": {"eq": 1}, "amount": {"eq": 1.5}}})).unwrap_err();
    let paths: Vec<Json> = errors[0].issues.iter().map(|issue| serde_json::to_value(&issue.path).unwrap()).collect();
    assert_eq!(paths, [json!(["filter", "title", "eq"]), json!(["filter", "amount", "eq"])]);
    assert_eq!(errors[0].code, Code::BadUserInput);
}

#[test]
fn a_variables_fault_is_told_by_the_argument_that_it_is_for() {
    let world = World::new(sales);
    for (query, variables, path) in [
        (
            "mutation ($d: DealCreate!) { createDeal(data: $d) { id } }",
            json!({"d": {"title": "x", "amount": 1.5}}),
            json!(["data", "amount"]),
        ),
        ("mutation ($d: DealCreate!) { createDeal(data: $d) { id } }", json!({}), json!(["data"])),
        (
            "query ($a: Decimal!) { ...F } fragment F on Query { deals(filter: {and: [{}, {amount: {in: [1, $a]}}]}) { totalCount } }",
            json!({"a": true}),
            json!(["filter", "and", 1, "amount", "in", 1]),
        ),
        ("query ($b: Boolean!) { me { role @skip(if: $b) } }", json!({"b": "x"}), json!(["if"])),
        ("query ($a: Int = \"x\") { deals(first: $a) { totalCount } }", json!({}), json!(["first"])),
        ("{ deals(filter: {amount: {eq: true}}) { totalCount } }", json!({}), json!(["filter", "amount", "eq"])),
    ] {
        let errors = world.compile(query, variables).unwrap_err();
        assert_eq!(serde_json::to_value(&errors[0].issues[0].path).unwrap(), path, "{query}: {errors:?}");
    }
}

#[test]
fn the_operation_is_chosen_by_name() {
    let world = World::new(sales);
    let refusal = |query: &str, name: Option<&str>| {
        let request =
            Request { query: query.to_owned(), operation_name: name.map(str::to_owned), ..Request::default() };
        Prepared::new(world.setting(), &request)
            .map(|prepared| prepared.is_mutation())
            .map_err(|errors| errors[0].message.clone())
    };
    let two = "query A { me { role } } mutation B { deleteDeal(id: 1) { id } }";
    assert_eq!(refusal(two, Some("A")), Ok(false));
    assert_eq!(refusal(two, Some("B")), Ok(true));
    assert_eq!(refusal(two, Some("C")), Err("The document has no operation named \"C\".".to_owned()));
    let several = "The document has several operations: tell by `operationName` which one to execute.";
    assert_eq!(refusal(two, None), Err(several.to_owned()));
    assert_eq!(refusal("query A { me { role } }", None), Ok(false));
    assert!(refusal("{ me { role } }", Some("A")).is_err());
}

#[test]
fn an_answer_has_at_most_twenty_errors() {
    let world = World::new(sales);
    let query = format!("{{ deals {{ nodes {{ {} }} }} }}", "wrong ".repeat(1_000));
    assert_eq!(world.refusals(&query, json!({})).len(), 20);
}

#[test]
fn overlapping_fields_are_compared_in_bounded_time() {
    let world = World::new(sales);
    let same = format!("{{ {} }}", "me { role } ".repeat(20)).replace("role", &"role ".repeat(90));
    let deep = |depth: usize| {
        let open = "parent { ... on Account { ".repeat(depth);
        format!(
            "{{ accounts {{ nodes {{ {open} name {} {open} id {} }} }} }}",
            "} ".repeat(2 * depth),
            "} ".repeat(2 * depth)
        )
    };
    let start = Instant::now();
    assert_eq!(world.refusals(&same, json!({})), Vec::<String>::new());
    assert_eq!(world.refusals(&deep(10), json!({})), Vec::<String>::new());
    let many = format!("{{ accounts {{ nodes {{ {} }} }} }}", "name ".repeat(1_990));
    assert_eq!(world.refusals(&many, json!({})), Vec::<String>::new());
    assert!(start.elapsed() < Duration::from_secs(3), "{:?}", start.elapsed());
}

#[test]
fn huge_variables_are_refused_fast() {
    let world = World::new(sales);
    let query = "query ($f: DealFilter) { deals(filter: $f) { totalCount } }";
    let mut deep = json!({"won": {"eq": true}});
    for _ in 0..100 {
        deep = json!({"not": deep});
    }
    let wide: Vec<Json> = (0..30_000).map(|_| json!({"won": {"eq": true}})).collect();
    let start = Instant::now();
    assert!(world.compile(query, json!({"f": deep})).is_err() || start.elapsed() < Duration::from_secs(1));
    assert_eq!(world.compile(query, json!({"f": {"and": wide}})).unwrap_err()[0].code, Code::LimitExceeded);
    assert!(start.elapsed() < Duration::from_secs(5), "{:?}", start.elapsed());
}
