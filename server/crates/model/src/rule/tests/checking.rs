//! What the type checker accepts and refuses, where it points, and what it says.

use super::super::*;
use super::fixture::*;
use crate::catalog::{FieldId, Hop};
use crate::{Decimal, Value};

/// The only fault: the text from its position on must start with `at`, and its message must hold `says`.
fn refused(source: &str, at: &str, says: &str) {
    let issues = issues(source);
    assert_eq!(issues.len(), 1, "{source}: {issues:?}");
    assert!(source[issues[0].position..].starts_with(at), "{source}: {issues:?}");
    assert!(issues[0].message.contains(says), "{source}: {issues:?}");
}

#[test]
fn types_are_found() {
    for (source, ty) in [
        ("amount * 2", RuleType::Number),
        ("name + \" \" + account.name", RuleType::Text),
        ("urgent && amount > 1", RuleType::Boolean),
        ("closeDate", RuleType::Date),
        ("today()", RuleType::Date),
        ("now()", RuleType::DateTime),
        ("callTime", RuleType::Time),
        ("accountId", RuleType::Id),
        ("account", RuleType::Id),
        ("actor.id", RuleType::Id),
        ("tags", RuleType::TextList),
        ("urgent ? null : closeDate", RuleType::Date),
        ("coalesce(null, amount)", RuleType::Number),
        ("null", RuleType::Null),
        ("name.size()", RuleType::Number),
        ("size(name)", RuleType::Number),
        ("stage", RuleType::Text),
    ] {
        assert_eq!(rule(source).ty, ty, "{source}");
    }
}

#[test]
fn fields_are_resolved_to_ids() {
    let own = |index| FieldPath::own(FieldId(index));
    let hop = Hop { field: FieldId(13), target: ACCOUNT };
    let industry = FieldPath { hops: vec![hop], field: FieldId(1) };
    assert_eq!(rule("amount").expr, Expr::Field(Root::Record, own(1)));
    assert_eq!(rule("record.amount").expr, Expr::Field(Root::Record, own(1)));
    assert_eq!(rule("old.amount").expr, Expr::Field(Root::Old, own(1)));
    assert_eq!(rule("account . industry").expr, Expr::Field(Root::Record, industry.clone()));
    assert_eq!(rule("old.account.industry").expr, Expr::Field(Root::Old, industry));
    assert_eq!(rule("account").expr, rule("accountId").expr);
    let twice = FieldPath { hops: vec![hop, Hop { field: FieldId(3), target: ACCOUNT }], field: FieldId(0) };
    assert_eq!(rule("account.account.name").expr, Expr::Field(Root::Record, twice));
    // CEL reserves these words; fields may have them.
    assert_eq!(rule("package").expr, Expr::Field(Root::Record, own(11)));
    assert_eq!(rule("package == \"gold\"").eval(&Record::sample()), Value::Boolean(true));
    assert_eq!(rule("account.function").eval(&Record::sample()), Value::Text("x".to_owned()));
}

#[test]
fn inputs_are_each_named_once_in_order() {
    let rule = rule("amount > old.amount && account.industry == \"BANKING\" ? amount : coalesce(discount, budgetCost)");
    let names: Vec<_> = rule.inputs().iter().map(|(root, path)| (*root, path.hops.len(), path.field.0)).collect();
    assert_eq!(
        names,
        [(Root::Record, 0, 1), (Root::Old, 0, 1), (Root::Record, 1, 1), (Root::Record, 0, 4), (Root::Record, 0, 2)]
    );
    assert!(super::fixture::rule("now() > createdAt || actor.id == ownerId").inputs().len() == 2);
    assert!(super::fixture::rule("1 + 2").inputs().is_empty());
}

#[test]
fn all_faults_are_told_at_once() {
    let source = "ammount > \"x\" && stage == \"WON\" && foo(1) > nope.bar && \"a\" < 1";
    let found: Vec<_> = issues(source).into_iter().map(|issue| (issue.position, issue.message)).collect();
    let positions: Vec<_> = found.iter().map(|(position, _)| &source[*position..*position + 3]).collect();
    assert_eq!(positions.len(), 5, "{found:?}");
    assert!(found[0].1.contains("no field `ammount`; did you mean `amount`?"), "{found:?}");
    assert!(found.iter().any(|(_, message)| message.contains("no function `foo`")), "{found:?}");
    assert!(found.iter().any(|(_, message)| message.contains("no field `nope`")), "{found:?}");
}

#[test]
fn at_most_twenty_faults_are_told() {
    assert_eq!(issues(&vec!["nope > 1"; 60].join(" && ")).len(), 20);
    assert_eq!(issues(&"é".repeat(100)).len(), 1);
}

#[test]
fn unknown_names_are_refused() {
    refused("amount + closedate", "closedate", "no field `closedate`; did you mean `closeDate`?");
    refused("zzz", "zzz", "there is no field `zzz`");
    refused("account.industri == \"BANKING\"", "industri", "did you mean `industry`?");
    refused("rownd(1, 2)", "rownd", "no function `rownd`; did you mean `round`?");
    refused("amount.name", "name", "`amount` is a number, so it has no field `name`");
    refused("accountId.name", "name", "`accountId` is an id");
    refused("parent.name", "name", "several modules");
    refused("actor", "actor", "actor.id");
    refused("actor.email", "email", "actor.id");
    refused("old", "old", "old.name");
    refused("package(1)", "package", "no function `package`");
    refused("import", "import", "no field `import`");
}

#[test]
fn types_must_fit() {
    refused("amount + name", "+", "`+` does not fit a number and a text");
    refused("name - name", "-", "both must be numbers");
    refused("amount == \"5\"", "==", "a number is written without quotes");
    refused("closeDate > \"2026-01-31\"", ">", "date(\"2026-01-31\")");
    refused("createdAt > closeDate", ">", "a date with time and a date");
    refused("urgent < true", "<", "have an order");
    refused("tags == tags", "==", "list.has(x)");
    refused("tags == \"VIP\"", "==", "list.has(x)");
    refused("amount && urgent", "&&", "both must be conditions");
    refused("!amount", "amount", "`!` needs true or false, but this is a number");
    refused("-name", "name", "`-` needs a number, but this is a text");
    refused("amount ? 1 : 2", "amount", "`?` needs true or false");
    refused("urgent ? 1 : \"a\"", "?", "a number and a text");
    refused("amount + null", "+", "coalesce");
    refused("amount > null", ">", "always be null");
    refused("null && urgent", "&&", "always be null");
    refused("coalesce(1, \"a\")", "\"a\"", "one type");
    refused("min(1, closeDate)", "closeDate", "one type");
    refused("min(name, name)", "name", "numbers, dates or times");
    refused("max(1, null)", "null", "coalesce");
    refused("amount in [1, \"a\"]", "\"a\"", "one type");
    refused("1 in []", "in", "empty");
    refused("1 in amount", "amount", "a list is expected");
    refused("[1, 2]", "[", "right of `in`");
    refused("1.2.name", "1.2", "only references have fields");
}

#[test]
fn choices_take_their_options_only() {
    assert_eq!(rule("stage == \"CLOSED_WON\"").eval(&Record::sample()), Value::Boolean(true));
    assert_eq!(rule("\"NEW\" != stage").eval(&Record::sample()), Value::Boolean(true));
    refused("stage == \"CLOSED_WNO\"", "\"CLOSED_WNO\"", "no option \"CLOSED_WNO\"; did you mean `CLOSED_WON`?");
    refused("\"X\" != stage", "\"X\"", "it has \"NEW\", \"NEGOTIATION\"");
    refused("stage in [\"NEW\", \"OLD\"]", "\"OLD\"", "no option \"OLD\"");
    refused("tags.has(\"VPI\")", "\"VPI\"", "no option");
    refused("\"NONE\" in tags", "\"NONE\"", "no option");
    refused("old.stage == \"WON\"", "\"WON\"", "no option");
    refused("account.industry == \"BANK\"", "\"BANK\"", "no option");
}

#[test]
fn ids_compare_with_ids() {
    assert_eq!(rule("ownerId == actor.id").eval(&Record::sample()), Value::Boolean(true));
    assert_eq!(rule(&format!("ownerId == \"{ACTOR}\"")).eval(&Record::sample()), Value::Boolean(true));
    assert_eq!(rule(&format!("account in [actor.id, \"{ACTOR}\"]")).eval(&Record::sample()), Value::Boolean(false));
    refused("ownerId == \"me\"", "\"me\"", "\"me\" is not an id");
    refused("ownerId == 5", "==", "an id and a number");
}

#[test]
fn dates_are_checked_when_saved() {
    for source in [
        "date(\"2026-01-31\")",
        "time(\"23:59:59\")",
        "datetime(\"2026-01-31T10:00:00.123Z\")",
        "datetime(\"2026-01-31T10:00:00+02:00\")",
    ] {
        rule(source);
    }
    for source in [
        "date(\"2026-02-30\")",
        "date(\"2026-1-31\")",
        "date(\"31.01.2026\")",
        "date(\"+12026-01-31\")",
        "date(\"0000-01-31\")",
        "datetime(\"0000-06-01T00:00:00Z\")",
        "time(\"24:00:00\")",
        "time(\"9:30\")",
        "datetime(\"2026-01-31\")",
        "datetime(\"2026-01-31T10:00:00\")",
        "datetime(\"2026-01-31T10:00:00.1234Z\")",
        "datetime(\"2026-12-31T23:59:60Z\")",
    ] {
        refused(source, "\"", "it is written as in");
    }
    refused("date(name)", "name", "in quotes");
    assert_eq!(rule("datetime(\"2026-01-31T10:00:00+02:00\")").expr, rule("datetime(\"2026-01-31T08:00:00Z\")").expr);
}

#[test]
fn calls_take_their_arguments_only() {
    refused("now(1)", "now", "`now` is written `now()`");
    refused("round(1)", "round", "round(x, 2)");
    refused("round(1, 21)", "21", "from 0 to 20");
    refused("round(1, amount)", "amount", "from 0 to 20");
    refused("round(1, 1.5)", "1.5", "from 0 to 20");
    refused("abs(name)", "name", "`abs` needs a number");
    refused("min(1)", "min", "min(a, b)");
    refused("startsWith(name, \"a\")", "startsWith", "text.startsWith(x)");
    refused("name.contains(1)", "1", "`contains` needs a text");
    refused("amount.size()", "amount", "`size` needs a text");
    refused("name.has(\"a\")", "name", "a list is expected");
    refused("tags.has(1)", "1", "holds texts");
}

#[test]
fn the_rest_of_cel_is_refused_clearly() {
    refused("has(account.name)", "has", "x != null");
    refused("tags.exists(t, t == \"VIP\")", "exists", "not part of the rule language");
    refused("tags.all(t, t == \"VIP\")", "all", "not part of the rule language");
    refused("tags[0] == \"VIP\"", "[", "list.has(x)");
    refused("{\"a\": 1}", "{", "no maps");
    refused("b\"abc\" == name", "b\"", "`b` before a text");
    refused("amount == 1e3", "1e3", "digits and a point only");
    refused("amount == 0x1F", "0x1F", "digits and a point only");
    refused("amount == 5u", "5u", "digits and a point only");
    refused("amount == .5", ".5", "a digit before its point");
    refused("amount = 5", "= 5", "use `==`");
    refused("urgent & urgent", "&", "use `&&`");
    refused("urgent | urgent", "|", "use `||`");
    refused("`amount` > 1", "`", "does not belong");
    refused("5(1)", "5", "cannot be called");
    refused("name == \"a\\q\"", "\"a", "escape");
    refused("name == \"a\\u0000\"", "\"a", "U+0000");
    refused("name == \"abc", "\"abc", "not closed");
    refused("name == \"a\nb\"", "\"a", "line");
}

#[test]
fn faults_of_syntax_are_pointed_at() {
    for (source, at, says) in [
        ("amount +", "", "ends where a value is missing"),
        ("(amount", "(amount", "not closed"),
        ("amount)", ")", "closes no `(`"),
        ("(amount]", "]", "closes no `[`"),
        ("amount amount", "amount", "not expected"),
        ("1 +* 2", "* 2", "`*` is not expected here"),
        ("amount ==", "", "missing"),
        ("", "", "empty"),
        ("urgent ? 1", "?", "this `?` has no `:`"),
        ("(urgent ? 1) : 2", "?", "this `?` has no `:`"),
        ("1 : 2", ":", "this `:` has no `?`"),
        ("urgent and urgent", "and", "written `&&`"),
        ("amount not in [1]", "not", "written `!`"),
        ("amount <> 1", "<>", "use `!=`"),
    ] {
        let issues = issues(source);
        let last =
            issues.iter().find(|issue| issue.message.contains(says)).unwrap_or_else(|| panic!("{source}: {issues:?}"));
        assert!(source[last.position..].starts_with(at), "{source}: {issues:?}");
    }
    // Positions count bytes, also behind letters of two.
    let source = "name == \"èèè\" && nmae == \"é\"";
    refused(source, "nmae", "did you mean `name`?");
    refused("name == \"è\" // è\n && amount == nope", "nope", "no field `nope`");
}

#[test]
fn texts_are_read_as_cel_reads_them() {
    for (source, text) in [
        (r#""a""#, "a"),
        ("'a\"b'", "a\"b"),
        (r#""\"\\\n\u00e8""#, "\"\\\nè"),
        (r#"r"\n""#, "\\n"),
        (
            r#""""two
lines""""#,
            "two\nlines",
        ),
        ("\"è😀\"", "è😀"),
        ("\"// no note\"", "// no note"),
        ("\"(\"", "("),
        ("''", ""),
    ] {
        assert_eq!(rule(source).eval(&Record::sample()), Value::Text(text.to_owned()), "{source}");
    }
}

#[test]
fn a_place_may_forbid_what_makes_no_sense_there() {
    let narrow = Context { allow_old: false, allow_relations: false, ..context(Expected::Boolean) };
    let refusals =
        |source: &str| check(source, &narrow, &World).map(|rule| rule.expr).expect_err(source)[0].message.clone();
    assert!(refusals("old.amount > 1").contains("`old` is not known here"));
    assert!(refusals("account.name == \"x\"").contains("own fields only"));
    assert!(refusals("amount + 1").contains("gives a number, but true or false is expected"));
    for source in ["amount > 1", "account == null", "null"] {
        assert!(check(source, &narrow, &World).is_ok(), "{source}");
    }
    let expected = |expected, source| check(source, &context(expected), &World).is_ok();
    assert!(expected(Expected::Number, "amount") && !expected(Expected::Number, "name"));
    assert!(expected(Expected::Text, "name") && !expected(Expected::Text, "amount"));
    assert!(
        expected(Expected::Type(RuleType::Date), "closeDate") && !expected(Expected::Type(RuleType::Date), "now()")
    );
}

#[test]
fn functions_give_what_they_say() {
    let number = |text: &str| Value::Decimal(Decimal::parse(text).expect("a decimal"));
    for (source, result) in [
        ("account.name.size()", number("6")),
        ("\"😀è\".size()", number("2")),
        ("account.name.endsWith(\"È\")", Value::Boolean(true)),
        ("account.name.startsWith(\"büro\")", Value::Boolean(false)),
        ("name.contains(\"\")", Value::Boolean(true)),
        ("\"VIP\" in tags", Value::Boolean(true)),
        ("tags.has(\"WEB\")", Value::Boolean(false)),
        ("round(-2.5, 0)", number("-3")),
        ("max(closeDate, today()) == today()", Value::Boolean(true)),
        ("min(3, 1, 2)", number("1")),
        ("\"Z\" < \"a\"", Value::Boolean(true)),
        ("\"e\" == \"E\"", Value::Boolean(false)),
        ("callTime < time(\"10:00:00\")", Value::Boolean(true)),
        ("now() > createdAt", Value::Boolean(true)),
        ("expectedLeads", number("3")),
        ("stage != old.stage", Value::Boolean(true)),
    ] {
        assert_eq!(rule(source).eval(&Record::sample()), result, "{source}");
    }
}
