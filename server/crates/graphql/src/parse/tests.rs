//! The language by the specification: what is read and what is refused; against async-graphql's parser where both agree.

use async_graphql_parser::parse_query;
use async_graphql_parser::types::{DocumentOperations, ExecutableDocument, Selection};
use async_graphql_value::Value;

use super::*;
use crate::error::Code;

fn parsed(text: &str) -> Result<ExecutableDocument, Error> {
    parse(text, &Limits::default())
}

fn message(text: &str) -> String {
    parsed(text).expect_err(text).message
}

/// The value of the argument in `{ a(b: …) }`.
fn value(literal: &str) -> Value {
    let document = parsed(&format!("{{ a(b: {literal}) }}")).unwrap_or_else(|error| panic!("{literal}: {error}"));
    let DocumentOperations::Single(operation) = document.operations else { panic!("one operation") };
    let Selection::Field(field) = &operation.node.selection_set.node.items[0].node else { panic!("a field") };
    field.node.arguments[0].1.node.clone()
}

fn text(literal: &str) -> String {
    match value(literal) {
        Value::String(text) => text,
        other => panic!("{literal} is {other}"),
    }
}

#[test]
fn another_parser_reads_the_same() {
    for query in [
        "{ a }",
        "query { a }",
        "query A { a } mutation B { b } subscription C { c }",
        "query A($x: Int! = 3, $y: [[String!]!]! @skip(if: true), $z: In) @d(x: $x) { a }",
        "{ a: b(c: $d, e: [1, -2, 3.5e-3, [], {}], f: {g: null, h: {i: true}}) @include(if: $x) @skip(if: false) { j } }",
        "{ ...A ... on B @x { c } ... { d } ... @skip(if: $e) { f } } fragment A on B @y { on }",
        "{ query mutation fragment on: on true false null subscription }",
        "{ a(b: ENUM, c: query, d: on) }",
        "\u{FEFF}# è\n{ è: 1 }",
        "# è 日本\r\n{\r\n  a(b: \"è日本\", c: 1)\n d # x\n\t, e }",
        "{ a(b: \"\\u00e8 \\\" \\\\ \\/ \\b\\f\\n\\r\\t\") }",
        "{ a(b: \"\"\"\n    one\n\n      two\n    \"\"\", c: \"\"\"x\"\"\", d: \"\"\"\"\"\") }",
        "{ a(b: \"\", c: 0, d: -0.0, e: 1e10, f: 18446744073709551615) }",
    ] {
        match (parsed(query), parse_query(query)) {
            (Ok(ours), Ok(theirs)) => {
                let [ours, theirs] = [ours, theirs].map(|document| serde_json::to_value(document).unwrap());
                assert_eq!(without_places_of_nothing(ours), without_places_of_nothing(theirs), "{query}");
            }
            (Err(_), Err(_)) => {}
            (ours, theirs) => panic!("{query}: {ours:?} {theirs:?}"),
        }
    }
}

/// Where a selection set would be that is not there, and which of two positions a type has, is nobody's business.
fn without_places_of_nothing(mut json: serde_json::Value) -> serde_json::Value {
    match &mut json {
        serde_json::Value::Object(fields) => {
            let nothing = fields.get("node").is_some_and(|node| node["items"].as_array().is_some_and(Vec::is_empty));
            if nothing {
                fields.remove("pos");
            }
            fields.values_mut().for_each(|value| *value = without_places_of_nothing(value.take()));
        }
        serde_json::Value::Array(items) => {
            items.iter_mut().for_each(|value| *value = without_places_of_nothing(value.take()));
        }
        _ => {}
    }
    json
}

#[test]
fn strings_have_every_escape_of_the_specification() {
    for (literal, meant) in [
        (r#""\u{1F600} \u{0000E8} \u{0}""#, "😀 è \0"),
        (r#""\uD83D\uDE00 \u00e8""#, "😀 è"),
        (r#""\"\\\/\b\f\n\r\t""#, "\"\\/\u{8}\u{C}\n\r\t"),
        ("\"\"", ""),
        ("\"tab\tand è\"", "tab\tand è"),
        (r#""""\u00e8 \n "quoted" """"#, r#"\u00e8 \n "quoted" "#),
        (r#""""a \""" b""""#, "a \"\"\" b"),
        ("\"\"\"\n  one\r\n    two\r\n\n  three\n  \"\"\"", "one\n  two\n\nthree"),
        ("\"\"\"  one\n  two\n \"\"\"", "  one\ntwo"),
        ("\"\"\" \n\t\n\"\"\"", ""),
    ] {
        assert_eq!(text(literal), meant, "{literal}");
    }
}

#[test]
fn faulty_strings_are_refused() {
    for literal in [
        "\"",
        "\"\"\"",
        "\"\"\" \\\"\"\"",
        "\"a\nb\"",
        "\"a\rb\"",
        "\"a\\",
        "\"a\\\n\"",
        r#""\x""#,
        r#""\u12""#,
        r#""\u12g4""#,
        r#""\u+123""#,
        r#""\u{}""#,
        r#""\u{110000}""#,
        r#""\u{D83D}""#,
        r#""\u{1F600""#,
        r#""\u{-1}""#,
        r#""\uD83D""#,
        r#""\uDE00\uD83D""#,
        r#""\uD83D\u0041""#,
        r#""\u{FFFFFFFFFFFF}""#,
    ] {
        let error = parsed(&format!("{{ a(b: {literal}) }}")).expect_err(literal);
        assert!(error.message.starts_with("Syntax error: "), "{literal}: {error}");
        assert_eq!((error.code, error.locations[0]), (Code::BadUserInput, Pos { line: 1, column: 8 }), "{literal}");
    }
}

#[test]
fn numbers_are_read_whole() {
    assert_eq!(value("-9223372036854775808"), Value::Number(i64::MIN.into()));
    assert_eq!(value("18446744073709551615"), Value::Number(u64::MAX.into()));
    assert_eq!(value("-0"), Value::Number(0.into()));
    assert_eq!(value("1.5E+2"), Value::Number(serde_json::Number::from_f64(150.0).unwrap()));
    for faulty in
        ["01", "-", "-a", "1.", "1.e1", ".5", "1e", "1e+", "0x1", "1a", "1.5.2", "1_000", "00", "-01", "1e999"]
    {
        assert!(message(&format!("{{ a(b: {faulty}) }}")).starts_with("Syntax error: "), "{faulty}");
    }
}

#[test]
fn words_may_begin_as_others_do() {
    assert_eq!(value("trueish"), Value::Enum(async_graphql_value::Name::new("trueish")));
    assert_eq!(value("NULLABLE"), Value::Enum(async_graphql_value::Name::new("NULLABLE")));
    assert_eq!(value("nullable"), Value::Enum(async_graphql_value::Name::new("nullable")));
    assert_eq!(value("false"), Value::Boolean(false));
    assert_eq!(message("queryDeals { a }"), "Syntax error: Expected an operation or a fragment, found \"queryDeals\".");
    assert!(parsed("fragment onto on A { a } { ...onto }").is_ok());
    assert!(message("fragment on on A { a } { ...on }").starts_with("Syntax error: "));
    assert!(message("{ ...onto { a } }").starts_with("Syntax error: "));
    assert!(parsed("{ ... on onto { a } }").is_ok());
}

#[test]
fn what_the_specification_has_and_others_forgot_is_read() {
    assert!(parsed("query ($a: Int = 1 @skip(if: true) @x) { a }").is_ok());
    assert!(parsed("\"What it is for.\" query A(\"\"\"Why.\"\"\" $a: Int) { a } \"x\" fragment F on A { a }").is_ok());
    assert!(message("\"x\" { a }").starts_with("Syntax error: "));
}

#[test]
fn what_is_no_document_is_refused() {
    for faulty in [
        "",
        "#",
        "{",
        "}",
        "{}",
        "{ }",
        "{ a",
        "{ a { } }",
        "{ a() }",
        "{ a(b) }",
        "{ a(b:) }",
        "{ a(: 1) }",
        "{ a: }",
        "{ a: b: c }",
        "{ @a }",
        "{ a @ }",
        "{ a @b() }",
        "{ .. a }",
        "{ ...}",
        "{ ... on { a } }",
        "query A() { a }",
        "query A",
        "query A B { a }",
        "query ($a) { a }",
        "query ($a: ) { a }",
        "query ($a: [A) { a }",
        "query ($a: A!!) { a }",
        "query (a: A) { a }",
        "query ($a: A = $b) { a }",
        "query ($a: A = [$b]) { a }",
        "query ($a: A @b(c: $d)) { a }",
        "fragment A { a }",
        "fragment A on { a }",
        "fragment A($a: Int) on B { a }",
        "type A { a: Int }",
        "{ a } extend type A { a: Int }",
        "{ a(b: [1) }",
        "{ a(b: {c}) }",
        "{ a(b: {c: 1) }",
        "{ a & b }",
        "{ a | b }",
        "{ è }",
        "{ a } \u{0}",
        "{ a(b: $) }",
        "{ a(b: !) }",
    ] {
        let error = parsed(faulty).expect_err(faulty);
        assert_eq!(error.code, Code::BadUserInput, "{faulty}");
        assert!(!error.message.contains('\n'), "{faulty}: {error}");
    }
}

#[test]
fn names_are_defined_once() {
    for (query, expected, column) in [
        ("{ a } { b }", "An operation without a name must be the only operation of the document.", 7),
        ("query A { a } { b }", "An operation without a name must be the only operation of the document.", 15),
        ("query A { a } query A { b }", "There can be only one operation named \"A\".", 21),
        ("{ ...A } fragment A on B { a } fragment A on B { a }", "There can be only one fragment named \"A\".", 41),
        ("{ a(b: {c: 1, d: {c: 1}, c: 2}) }", "There can be only one input field named \"c\".", 26),
    ] {
        let error = parsed(query).expect_err(query);
        assert_eq!((error.message.as_str(), error.locations[0].column), (expected, column), "{query}");
    }
    assert!(parsed("{ a(b: {c: c, d: $c}) c c: c }").is_ok());
}

#[test]
fn places_count_lines_and_characters() {
    for (query, line, column) in [
        ("{ a\n  b(", 2, 5),
        ("{ a\r\n  b(", 2, 5),
        ("{ a\r  b(", 2, 5),
        ("{ a(b: \"è日😀\") c(", 1, 17),
        ("# è\n{ a(b: \"\"\"\n è\n è\"\"\") b(", 4, 10),
    ] {
        let error = parsed(query).expect_err(query);
        assert_eq!(error.locations[0], Pos { line, column }, "{query}");
        assert_eq!(error.message, "Syntax error: Expected a name, found the end.");
    }
}

#[test]
fn deep_nesting_is_refused_before_it_recurses() {
    for bracket in ["{a", "{a(b:[", "query($a:[[", "{a(b:{c:", "{...{", "{a(b:"] {
        let head = if bracket.starts_with("query") { bracket } else { "" };
        let rest = if head.is_empty() { bracket } else { "[" };
        let error = parsed(&format!("{head}{}", rest.repeat(60_000 / rest.len()))).expect_err(bracket);
        // What cannot stand within itself is no syntax before it is too deep.
        assert!(error.code == Code::LimitExceeded || error.message.starts_with("Syntax error: "), "{bracket}: {error}");
    }
    let lists = format!("{{a(b:{}{})}}", "[".repeat(62), "]".repeat(62));
    assert!(parsed(&lists).is_ok());
    assert_eq!(
        message(&lists.replace("[]", "[[]]")),
        "The limit of 64 nested brackets is exceeded: the request has more than 64."
    );
    let selections = format!("{}a{}", "{a".repeat(64), "}".repeat(64));
    assert!(parsed(&selections).is_ok());
    assert!(parsed(&format!("{{a{selections}}}")).is_err());
    // One after the other they are no nesting.
    assert!(parsed(&format!("{{{}}}", "a(b:[{}]){c}".repeat(1_000))).is_ok());
}

#[test]
fn a_text_beyond_64_kib_is_refused() {
    let text = format!("{{a{}}}", " ".repeat(64 * 1024 - 2));
    assert_eq!(message(&text), "The limit of 65536 bytes of query text is exceeded: the request has 65537.");
    assert!(parsed(&text.replacen(' ', "", 1)).is_ok());
}

#[test]
fn variables_are_counted_in_all_their_places() {
    let uses = |count: usize| format!("query($x: [Int]) {{ a(b: [{}]) }}", "$x,".repeat(count));
    assert!(parsed(&uses(1_999)).is_ok());
    assert_eq!(parsed(&uses(2_000)).unwrap_err().code, Code::LimitExceeded);
    assert!(parsed(&format!("{{ a(b: \"{}\") }}", "$".repeat(5_000))).is_ok());
}

#[test]
fn an_object_with_very_many_fields_is_looked_at_once() {
    let fields: String = (0..7_000).map(|name| format!("f{name:x}:1,")).collect();
    let start = std::time::Instant::now();
    assert!(parsed(&format!("{{a(b:{{{fields}}})}}")).is_ok());
    assert_eq!(message(&format!("{{a(b:{{{fields} f0:1}})}}")), "There can be only one input field named \"f0\".");
    assert!(start.elapsed() < std::time::Duration::from_secs(1), "{:?}", start.elapsed());
}
