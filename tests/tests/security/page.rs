//! The page on security names tests that are there, and all of these.

use std::collections::BTreeSet;

use cardine_tests::repository;

const PAGE: &str = "docs/security.md";

/// Each `path/to/file.rs::name_of_a_test` of a text.
fn named_tests(text: &str) -> BTreeSet<(String, String)> {
    let quoted = text.split('`').skip(1).step_by(2);
    let named = quoted.filter_map(|word| word.split_once(".rs::"));
    named.map(|(file, test)| (format!("{file}.rs"), test.to_owned())).collect()
}

#[test]
fn every_test_that_the_page_names_is_there() {
    let page = std::fs::read_to_string(repository::root().join(PAGE)).expect("the page is there");
    let named = named_tests(&page);
    assert!(named.len() > 60, "{}", named.len());
    let is_missing = |(file, test): &&(String, String)| {
        let source = std::fs::read_to_string(repository::root().join(file)).unwrap_or_default();
        !source.contains(&format!("fn {test}("))
    };
    let missing: Vec<_> = named.iter().filter(is_missing).collect();
    assert!(missing.is_empty(), "{PAGE} names tests that are not there: {missing:#?}");
}

#[test]
fn every_attack_is_on_the_page() {
    let page = std::fs::read_to_string(repository::root().join(PAGE)).expect("the page is there");
    let named = named_tests(&page);
    for group in ["fields", "files", "injection", "realtime", "records", "side_doors", "writes"] {
        let file = format!("tests/tests/security/{group}.rs");
        let source = std::fs::read_to_string(repository::root().join(&file)).expect("the file is there");
        let tests = source.lines().filter_map(|line| line.trim_start().strip_prefix("async fn "));
        let tests = tests.filter(|test| test.contains("(server: Server)"));
        for test in tests.filter_map(|test| test.split_once('(')).map(|(name, _)| name.to_owned()) {
            assert!(named.contains(&(file.clone(), test.clone())), "{PAGE} does not name {file}::{test}");
        }
    }
}

#[test]
fn names_are_read_from_between_quotes() {
    let found = named_tests("| x | `tests/a.rs::one`, `tests/b/c.rs::two` and `not::one` |");
    let expected =
        [("tests/a.rs", "one"), ("tests/b/c.rs", "two")].map(|(file, test)| (file.to_owned(), test.to_owned()));
    assert_eq!(found, BTreeSet::from(expected));
}
