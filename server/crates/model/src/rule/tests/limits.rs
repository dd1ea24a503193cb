//! Hostile rules: too long, too deep, too large, or no rules at all. None may overflow a small stack.

use std::thread;

use super::fixture::*;

/// As on a worker thread, whose stack is 2 MiB by default.
fn refused(source: &str) -> String {
    let source = source.to_owned();
    let check = move || issues(&source)[0].message.clone();
    thread::Builder::new().stack_size(1 << 21).spawn(check).expect("a thread").join().expect("no panic")
}

fn accepted(source: &str) {
    let source = source.to_owned();
    let check = move || {
        let rule = rule(&source);
        rule.eval(&Record::sample());
        rule.inputs();
    };
    thread::Builder::new().stack_size(1 << 21).spawn(check).expect("a thread").join().expect("no panic");
}

#[test]
fn length_is_limited() {
    let filler = |length: usize| format!("1 //{}", "é".repeat(length - 4));
    accepted(&filler(4_096));
    assert!(refused(&filler(4_097)).contains("at most 4096"), "{}", refused(&filler(4_097)));
}

#[test]
fn depth_is_limited_in_every_direction() {
    let deep = |open: &str, middle: &str, close: &str, count: usize| open.repeat(count) + middle + &close.repeat(count);
    accepted(&deep("(", "1", ")", 60));
    accepted(&deep("abs(", "1", ")", 30));
    accepted(&deep("!(", "urgent", ")", 30));
    accepted(&format!("1{}", " + 1".repeat(60)));
    accepted(&"1 == 2 ? 1 : ".repeat(20).to_string().add("2"));
    accepted(&vec!["amount == 1"; 100].join(" && "));
    accepted(&vec!["amount == 1 && urgent"; 80].join(" || "));
    for source in [
        deep("(", "1", ")", 65),
        deep("(", "1", ")", 2_000),
        deep("(", "1", "", 4_000),
        deep("[", "1", "]", 2_000),
        deep("abs(", "1", ")", 800),
        deep("!(", "urgent", ")", 1_300),
        deep("-(", "1", ")", 1_300),
        deep("-(1 + ", "1", ")", 500),
        format!("1{}", "+1".repeat(2_000)),
        format!("1{}", "<1".repeat(2_000)),
        format!("a{}", ".a".repeat(2_000)),
        format!("a{}", ".a()".repeat(1_000)),
        format!("a{}", "[1]".repeat(1_000)),
        format!("a{}", "(1)".repeat(1_000)),
        format!("1{}", "?1:1".repeat(1_000)),
        format!("{}1", "1?1:".repeat(1_000)),
        format!("1{}", " in 1".repeat(800)),
    ] {
        let message = refused(&source);
        assert!(message.contains("nested more than 64") || message.contains("not closed"), "{source}: {message}");
    }
}

#[test]
fn size_is_limited() {
    let list = |count: usize| format!("amount in [{}]", vec!["1"; count].join(","));
    accepted(&list(498));
    assert!(refused(&list(499)).contains("at most 500"), "{}", refused(&list(499)));
    assert!(refused(&list(2_000)).contains("at most 500"));
}

#[test]
fn hostile_text_is_refused_in_time() {
    for source in [
        "!".repeat(4_096),
        "-".repeat(4_096),
        "?".repeat(4_096),
        ":".repeat(4_096),
        ".".repeat(4_096),
        ",".repeat(4_096),
        "a ".repeat(2_048),
        "a,".repeat(2_048),
        "1 ".repeat(2_048),
        "\"\" ".repeat(1_300),
        "&&".repeat(2_048),
        "a&&".repeat(1_300),
        "(".repeat(4_096),
        ")".repeat(4_096),
        "[(".repeat(2_048),
        "f(,".repeat(20),
        "in ".repeat(1_300),
        "== ".repeat(1_300),
        "\\".repeat(4_096),
        "`".repeat(4_096),
        "é".repeat(4_096),
        "\u{0}".repeat(4_096),
        "{".repeat(4_096),
        "'".repeat(4_096),
        "\"".repeat(4_095),
        String::new(),
        " ".repeat(4_000),
        "// only a note".to_owned(),
        "has(".repeat(60),
        "x.all(".repeat(60),
        "x.map(y, ".repeat(60),
        "a ? b".repeat(60),
    ] {
        refused(&source);
    }
}

use std::ops::Add as _;
