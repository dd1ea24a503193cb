//! Three-valued logic, written out, and what null does.

use super::fixture::*;
use crate::Value;

/// The three truths, and a rule that gives each; null is a comparison with a missing number.
const TRUTHS: [(Option<bool>, &str); 3] = [(Some(true), "urgent"), (Some(false), "!urgent"), (None, "discount > 1")];

fn truth(source: &str) -> Option<bool> {
    match rule(source).eval(&Record::sample()) {
        Value::Boolean(truth) => Some(truth),
        Value::Null => None,
        other => panic!("{source} gives {other:?}"),
    }
}

fn text(truth: Option<bool>) -> &'static str {
    TRUTHS.iter().find(|(known, _)| *known == truth).map(|(_, text)| *text).expect("one of three")
}

#[test]
fn and_is_that_of_sql() {
    const T: Option<bool> = Some(true);
    const F: Option<bool> = Some(false);
    const N: Option<bool> = None;
    let table = [(T, T, T), (T, F, F), (T, N, N), (F, T, F), (F, F, F), (F, N, F), (N, T, N), (N, F, F), (N, N, N)];
    for (left, right, result) in table {
        assert_eq!(truth(&format!("({}) && ({})", text(left), text(right))), result, "{left:?} && {right:?}");
    }
}

#[test]
fn or_is_that_of_sql() {
    const T: Option<bool> = Some(true);
    const F: Option<bool> = Some(false);
    const N: Option<bool> = None;
    let table = [(T, T, T), (T, F, T), (T, N, T), (F, T, T), (F, F, F), (F, N, N), (N, T, T), (N, F, N), (N, N, N)];
    for (left, right, result) in table {
        assert_eq!(truth(&format!("({}) || ({})", text(left), text(right))), result, "{left:?} || {right:?}");
    }
}

#[test]
fn not_keeps_null() {
    assert_eq!([truth("!urgent"), truth("!(!urgent)"), truth("!(discount > 1)")], [Some(false), Some(true), None]);
}

#[test]
fn a_null_condition_is_not_met() {
    let record = Record::sample();
    assert!(rule("urgent").is_met(&record));
    assert!(!rule("!urgent").is_met(&record));
    assert!(!rule("discount > 1").is_met(&record));
    assert!(!rule("!(discount > 1)").is_met(&record));
    assert_eq!(rule("discount > 1 ? \"a\" : \"b\"").eval(&record), Value::Text("b".to_owned()));
}

#[test]
fn null_goes_through_everything_but_the_test_for_it() {
    for source in [
        "discount + 1",
        "1 - discount",
        "-discount",
        "discount * 0",
        "discount / 2",
        "2 / discount",
        "discount % 2",
        "discount == 1",
        "discount != 1",
        "discount < 1",
        "discount == discount",
        "abs(discount)",
        "round(discount, 2)",
        "min(discount, 1)",
        "max(1, discount)",
        "discount in [1, 2]",
        "expectedLeads in [1, discount]",
        "1 / (amount - amount)",
        "5 % 0",
        "account.account == ownerId",
        "parent == actor.id",
    ] {
        assert_eq!(rule(source).eval(&Record::sample()), Value::Null, "{source}");
    }
    for (source, result) in [
        ("discount == null", true),
        ("null == discount", true),
        ("discount != null", false),
        ("amount == null", false),
        ("amount != null", true),
        ("1 / 0 == null", true),
        ("expectedLeads in [3, discount]", true),
        ("parent == null", true),
        ("parentId == null", true),
        ("account != null", true),
        ("account.creditLimit == null", true),
        ("coalesce(discount, null, 5) == 5", true),
        ("(discount > 1) == null", true),
        ("null == null", true),
    ] {
        assert_eq!(rule(source).eval(&Record::sample()), Value::Boolean(result), "{source}");
    }
}

#[test]
fn a_list_without_value_is_null() {
    let mut record = Record::sample();
    record.0["tags"] = serde_json::Value::Null;
    for source in ["tags.has(\"VIP\")", "\"VIP\" in tags"] {
        assert_eq!(rule(source).eval(&record), Value::Null, "{source}");
        assert!(rule(source).is_met(&Record::sample()), "{source}");
    }
}
