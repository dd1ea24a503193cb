//! Every type of field with its options: written, read, filtered, ordered, grouped, told by introspection, and refused with the place.

use cardine_tests::{Answer, Client, on_both_databases};
use serde_json::{Value, json};

/// One type with its options, two values of which the first comes first, and values that are refused.
struct Case {
    definition: Value,
    /// Of the output, in which values are written too.
    output: &'static str,
    filter: &'static str,
    first: Value,
    second: Value,
    refused: Vec<Value>,
    is_ordered: bool,
}

fn case(
    definition: Value,
    (output, filter): (&'static str, &'static str),
    (first, second): (Value, Value),
    refused: Vec<Value>,
) -> Case {
    Case { definition, output, filter, first, second, refused, is_ordered: true }
}

fn cases() -> Vec<Case> {
    let options = json!([{"value": "LATE", "order": 1}, {"value": "EARLY", "order": 2, "color": "#00FF00"}, {"value": "GONE", "active": false}]);
    let text = ("String", "StringFilter");
    let number = ("Decimal", "DecimalFilter");
    vec![
        case(
            json!({"name": "word", "type": "text", "maxLength": 6, "pattern": "[a-z]+", "indexed": true}),
            text,
            (json!("abc"), json!("abd")),
            vec![json!("abcdefg"), json!("ABC"), json!(5)],
        ),
        case(
            json!({"name": "story", "type": "longText", "maxLength": 4}),
            text,
            (json!("abc"), json!("abd")),
            vec![json!("abcde"), json!(["a"])],
        ),
        case(
            json!({"name": "page", "type": "richText", "maxLength": 20}),
            text,
            (json!("<b>a</b>"), json!("<b>b</b>")),
            vec![json!("x".repeat(21))],
        ),
        case(
            json!({"name": "mail", "type": "email"}),
            ("EmailAddress", "StringFilter"),
            (json!("ann@example.org"), json!("bob@example.org")),
            vec![json!("ann"), json!("a b@example.org")],
        ),
        case(
            json!({"name": "call", "type": "phone"}),
            ("PhoneNumber", "StringFilter"),
            (json!("+390512345678"), json!("+390512345679")),
            vec![json!("call me")],
        ),
        case(
            json!({"name": "site", "type": "url"}),
            ("URL", "StringFilter"),
            (json!("https://a.example/"), json!("https://b.example/")),
            vec![json!("javascript:alert(1)")],
        ),
        case(
            json!({"name": "count", "type": "integer", "min": 1, "max": 9}),
            ("Int", "IntFilter"),
            (json!(2), json!(3)),
            vec![json!(0), json!(10), json!("2"), json!(2.5)],
        ),
        case(
            json!({"name": "serial", "type": "integer", "big": true}),
            ("BigInt", "BigIntFilter"),
            (json!("9007199254740993"), json!("9007199254740994")),
            vec![json!("9223372036854775808"), json!("x")],
        ),
        case(
            json!({"name": "ratio", "type": "decimal", "scale": 3, "min": "0.5", "max": 9}),
            number,
            (json!("1.500"), json!("2.000")),
            vec![json!("0.499"), json!("9.001"), json!("1.0001"), json!(1.5)],
        ),
        case(
            json!({"name": "share", "type": "percent"}),
            number,
            (json!("-1.50"), json!("2.00")),
            vec![json!("1.001"), json!("45%")],
        ),
        case(
            json!({"name": "price", "type": "money", "min": 0}),
            number,
            (json!("9.99"), json!("10.00")),
            vec![json!("-0.01"), json!("1,5")],
        ),
        case(
            json!({"name": "isNew", "type": "boolean"}),
            ("Boolean", "BooleanFilter"),
            (json!(false), json!(true)),
            vec![json!("yes"), json!(1)],
        ),
        case(
            json!({"name": "day", "type": "date"}),
            ("Date", "DateFilter"),
            (json!("2026-01-31"), json!("2026-02-01")),
            vec![json!("2026-02-30"), json!("31.1.2026")],
        ),
        case(
            json!({"name": "hour", "type": "time"}),
            ("Time", "TimeFilter"),
            (json!("09:30:00"), json!("12:00:00")),
            vec![json!("25:00:00"), json!("noon")],
        ),
        case(
            json!({"name": "moment", "type": "dateTime"}),
            ("DateTime", "DateTimeFilter"),
            (json!("2026-01-31T09:30:00.000Z"), json!("2026-01-31T09:30:00.001Z")),
            vec![json!("2026-01-31"), json!("2026-01-31T09:30:00")],
        ),
        case(
            json!({"name": "length", "type": "duration"}),
            ("Duration", "DurationFilter"),
            (json!("PT1H"), json!("P1D")),
            vec![json!("P1M"), json!("1h")],
        ),
        case(
            json!({"name": "state", "type": "choice", "options": options, "indexed": true}),
            ("KitState", "KitStateFilter"),
            (json!("LATE"), json!("EARLY")),
            vec![json!("GONE"), json!("NONE"), json!("late")],
        ),
        Case {
            is_ordered: false,
            ..case(
                json!({"name": "tags", "type": "multiChoice", "options": options}),
                ("KitTags", "KitTagsFilter"),
                (json!(["LATE"]), json!(["LATE", "EARLY"])),
                vec![json!(["NONE"]), json!(["GONE"])],
            )
        },
        Case {
            is_ordered: false,
            ..case(
                json!({"name": "extra", "type": "json", "schema": {"type": "object", "required": ["a"]}}),
                ("JSON", "JSONFilter"),
                (json!({"a": 1}), json!({"a": [true, null]})),
                vec![json!([1]), json!({"b": 1})],
            )
        },
    ]
}

impl Case {
    fn name(&self) -> &str {
        self.definition["name"].as_str().expect("a name")
    }

    fn holds_several(&self) -> bool {
        self.first.is_array()
    }
}

async fn prepare(admin: &Client) -> Vec<Case> {
    let cases = cases();
    let mut fields = vec![json!({"name": "code", "type": "text", "unique": true})];
    fields.extend(cases.iter().map(|case| case.definition.clone()));
    admin.create_module(json!({"name": "Kit", "plural": "Kits", "nameField": "code", "fields": fields})).await.ok();
    cases
}

async fn create(admin: &Client, shown: &str, data: Value) -> Answer {
    admin
        .query_with(
            &format!("mutation($data: KitCreate!) {{ createKit(data: $data) {{ id {shown} }} }}"),
            json!({"data": data}),
        )
        .await
}

/// The codes of what is listed, one after the other; `$v` stands for a value of this type.
async fn codes(admin: &Client, arguments: &str, value: Option<(&str, &Value)>) -> String {
    let (head, variables) = match value {
        Some((ty, value)) => (format!("query($v: {ty}) "), json!({"v": value})),
        None => (String::new(), json!({})),
    };
    let answer =
        admin.query_with(&format!("{head}{{ kits({arguments}) {{ totalCount nodes {{ code }} }} }}"), variables).await;
    let kits = &answer.ok()["kits"];
    let nodes = kits["nodes"].as_array().expect("nodes");
    assert_eq!(kits["totalCount"], json!(nodes.len()), "{arguments}");
    nodes.iter().map(|node| node["code"].as_str().expect("a code")).collect()
}

/// The codes of what meets a filter on a field, by code.
async fn sorted(admin: &Client, name: &str, filter: &str, value: Option<(&str, &Value)>) -> String {
    codes(admin, &format!("filter: {{{name}: {filter}}}, orderBy: [{{code: ASC}}]"), value).await
}

/// The name of a type inside its wrappers.
fn inner(ty: &Value) -> &Value {
    if ty["ofType"].is_null() { &ty["name"] } else { inner(&ty["ofType"]) }
}

/// The member of this name, of a list of introspection.
fn member<'a>(answer: &'a Answer, list: &str, name: &str) -> Option<&'a Value> {
    answer.ok().pointer(list)?.as_array()?.iter().find(|member| member["name"] == name)
}

on_both_databases! {
    async fn each_type_is_written_read_filtered_and_ordered(server: Server) {
        let admin = server.admin().await;
        for case in prepare(&admin).await {
            let name = case.name();
            for (code, value) in [("a", Some(&case.first)), ("b", Some(&case.second)), ("c", Some(&Value::Null)), ("d", None)] {
                let mut data = json!({"code": code});
                if let Some(value) = value {
                    data[name] = value.clone();
                }
                let made = create(&admin, name, data).await;
                assert_eq!(made.ok()["createKit"][name], *value.unwrap_or(&Value::Null), "{name}");
            }
            // E-mail addresses and the like are filtered like any text.
            let operand = if case.filter == "StringFilter" { "String" } else { case.output };
            let list = format!("[{operand}!]");
            let list = list.as_str();
            assert_eq!(sorted(&admin, name, "{isNull: true}", None).await, "cd", "{name}");
            assert_eq!(sorted(&admin, name, "{isNull: false}", None).await, "ab", "{name}");
            if case.holds_several() {
                assert_eq!(sorted(&admin, name, "{hasAny: $v}", Some((list, &case.first))).await, "ab", "{name}");
                assert_eq!(sorted(&admin, name, "{hasAll: $v}", Some((list, &case.second))).await, "b", "{name}");
                assert_eq!(sorted(&admin, name, "{has: $v}", Some((case.output, &case.second[1]))).await, "b", "{name}");
            } else if case.output != "JSON" {
                let both = json!([case.first, case.second]);
                for (operator, ty, value, found) in [
                    ("eq", operand, &case.first, "a"), ("ne", operand, &case.first, "b"),
                    ("in", list, &both, "ab"), ("notIn", list, &both, ""), ("in", list, &json!([]), ""), ("notIn", list, &json!([case.second]), "a"),
                ] {
                    assert_eq!(sorted(&admin, name, &format!("{{{operator}: $v}}"), Some((ty, value))).await, found, "{name} {operator}");
                }
                if case.output != "Boolean" && !case.output.starts_with("Kit") {
                    for (operator, found) in [("lt", ""), ("lte", "a"), ("gt", "b"), ("gte", "ab")] {
                        assert_eq!(sorted(&admin, name, &format!("{{{operator}: $v}}"), Some((operand, &case.first))).await, found, "{name} {operator}");
                    }
                }
            }
            if case.is_ordered {
                for (direction, found) in [("ASC", "abcd"), ("DESC", "cdba"), ("ASC_NULLS_FIRST", "cdab"), ("DESC_NULLS_LAST", "bacd")] {
                    assert_eq!(codes(&admin, &format!("orderBy: [{{{name}: {direction}}}, {{code: ASC}}]"), None).await, found, "{name} {direction}");
                }
                let part = if matches!(case.output, "Date" | "DateTime") { "DAY" } else { "true" };
                let text = format!("{{ kitGroups(groupBy: [{{{name}: {part}}}], orderBy: [{{key: {{{name}: ASC}}}}]) {{ key {{ {name} }} count }} }}");
                let answer = admin.query(&text).await;
                let counts: Vec<u64> = answer.ok()["kitGroups"].as_array().expect("groups").iter().filter_map(|group| group["count"].as_u64()).collect();
                assert_eq!(counts, if case.output == "DateTime" { vec![2, 2] } else { vec![1, 1, 2] }, "{name}: {answer}");
            }
            // Null clears, and what is left out stays.
            let update = "mutation($data: KitUpdate!) { updateKits(filter: {code: {eq: \"a\"}}, data: $data) { count } }";
            for (data, is_there) in [(json!({"code": "a"}), true), (json!({name: null}), false), (json!({name: case.second}), true)] {
                admin.query_with(update, json!({"data": data})).await.ok();
                assert_eq!(sorted(&admin, name, "{isNull: false}", None).await.starts_with('a'), is_there, "{name} {data}");
            }
            admin.query("mutation { deleteKits(filter: {id: {isNull: false}}) { count } }").await.ok();
        }
    }

    async fn each_type_refuses_what_it_does_not_take(server: Server) {
        let admin = server.admin().await;
        for case in prepare(&admin).await {
            let name = case.name();
            for value in &case.refused {
                let answer = create(&admin, name, json!({"code": "x", name: value})).await;
                assert!(matches!(answer.codes().as_slice(), ["VALIDATION_FAILED" | "BAD_USER_INPUT"]), "{name} {value}: {answer}");
                let place = |issue: &&Value| issue["path"].as_array().is_some_and(|path| path.starts_with(&[json!("data"), json!(name)]));
                assert!(answer.issues().iter().any(place), "{name} {value}: {answer}");
            }
        }
        assert_eq!(admin.query("{ kits { totalCount } }").await.ok()["kits"]["totalCount"], 0);
    }

    async fn each_type_is_told_by_introspection(server: Server) {
        let admin = server.admin().await;
        let cases = prepare(&admin).await;
        let ty = "type { name ofType { name ofType { name ofType { name } } } }";
        let inputs = ["Create", "Update", "Filter", "OrderBy", "GroupBy"].map(|input| format!("{input}: __type(name: \"Kit{input}\") {{ inputFields {{ name {ty} }} }}"));
        let answer = admin.query(&format!("{{ kit: __type(name: \"Kit\") {{ fields {{ name {ty} }} }} {} }}", inputs.concat())).await;
        for case in cases {
            let name = case.name();
            let of = |list: &str| member(&answer, list, name).map(|member| inner(&member["type"]).clone());
            for list in ["/kit/fields", "/Create/inputFields", "/Update/inputFields"] {
                assert_eq!(of(list), Some(json!(case.output)), "{name} {list}");
            }
            assert_eq!(of("/Filter/inputFields"), Some(json!(case.filter)), "{name}");
            assert_eq!(of("/OrderBy/inputFields").is_some(), case.is_ordered, "{name}");
            assert_eq!(of("/GroupBy/inputFields").is_some(), case.is_ordered, "{name}");
        }
        let answer = admin.query("{ __type(name: \"KitState\") { enumValues(includeDeprecated: true) { name isDeprecated } } }").await;
        let values: Vec<(&Value, &Value)> = answer.ok()["__type"]["enumValues"].as_array().expect("values").iter().map(|value| (&value["name"], &value["isDeprecated"])).collect();
        assert_eq!(values, [(&json!("LATE"), &json!(false)), (&json!("EARLY"), &json!(false)), (&json!("GONE"), &json!(true))], "in their order, the retired one last");
    }

    async fn options_of_all_types_do_what_they_say(server: Server) {
        let admin = server.admin().await;
        admin.create_module(json!({"name": "Kit", "plural": "Kits", "fields": [
            {"name": "code", "type": "text", "unique": true, "required": true},
            {"name": "level", "type": "integer", "required": true, "default": 3},
            {"name": "opened", "type": "date", "default": {"rule": "today()"}},
            {"name": "twice", "type": "integer", "default": {"rule": "level * 2"}},
            {"name": "sealed", "type": "text", "readOnly": true, "default": "wax"},
            {"name": "old", "type": "text", "deprecated": "Use code."},
        ]})).await.ok();
        let made = create(&admin, "code level opened twice sealed", json!({"code": "a"})).await;
        let today = made.ok()["createKit"]["opened"].clone();
        assert_eq!(made.ok()["createKit"]["level"], 3);
        assert_eq!((&made.ok()["createKit"]["sealed"], made.ok()["createKit"]["twice"].as_i64()), (&json!("wax"), Some(6)));
        assert_eq!(today.as_str().map(str::len), Some("2026-01-31".len()));
        assert_eq!(create(&admin, "opened", json!({"code": "b", "opened": null})).await.ok()["createKit"]["opened"], Value::Null);
        create(&admin, "", json!({"code": "a"})).await.refused("CONFLICT");
        create(&admin, "", json!({})).await.refused("BAD_USER_INPUT");
        create(&admin, "", json!({"code": "c", "level": null})).await.refused("VALIDATION_FAILED");
        create(&admin, "", json!({"code": "c", "sealed": "gum"})).await.refused("BAD_USER_INPUT");
        let answer = admin.query("{ kit: __type(name: \"Kit\") { fields(includeDeprecated: true) { name isDeprecated deprecationReason type { kind } } } \
            create: __type(name: \"KitCreate\") { inputFields(includeDeprecated: true) { name isDeprecated type { kind } } } }").await;
        let old = member(&answer, "/kit/fields", "old").expect("it is shown");
        assert_eq!((&old["isDeprecated"], &old["deprecationReason"]), (&json!(true), &json!("Use code.")));
        for (list, name, kind) in [
            ("/kit/fields", "code", Some("NON_NULL")), ("/kit/fields", "level", Some("NON_NULL")), ("/kit/fields", "opened", Some("SCALAR")),
            ("/create/inputFields", "code", Some("NON_NULL")), ("/create/inputFields", "level", Some("SCALAR")), ("/create/inputFields", "sealed", None),
        ] {
            assert_eq!(member(&answer, list, name).and_then(|member| member["type"]["kind"].as_str()), kind, "{list} {name}");
        }
    }
}
