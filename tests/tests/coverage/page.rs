//! The page of coverage has each point once, and each test that it names is there.

use std::collections::BTreeSet;

use cardine_tests::repository;

fn text_of(path: &str) -> String {
    std::fs::read_to_string(repository::root().join(path)).unwrap_or_else(|error| panic!("{path}: {error}"))
}

/// The cells of the table's rows.
fn rows(page: &str) -> Vec<Vec<String>> {
    let rows = page.lines().filter(|line| line.starts_with("| S"));
    rows.map(|row| row.trim_matches('|').split('|').map(|cell| cell.trim().to_owned()).collect()).collect()
}

/// The names in backticks of a cell that are a test's: `file.rs` or `folder/file.rs`, then functions.
fn tests_named(cell: &str) -> Vec<(String, Vec<String>)> {
    let mut found: Vec<(String, Vec<String>)> = Vec::new();
    for name in cell.split('`').skip(1).step_by(2) {
        if name.ends_with(".rs") {
            found.push((name.to_owned(), Vec::new()));
        } else if let Some((_, functions)) = found.last_mut() {
            functions.push(name.to_owned());
        }
    }
    found
}

#[test]
fn each_point_is_told_once_and_its_tests_are_there() {
    let page = text_of("docs/coverage.md");
    let rows = rows(&page);
    let points: Vec<&str> = rows.iter().map(|row| row[0].as_str()).collect();
    let expected: Vec<String> = (1..=59).map(|number| format!("S{number:02}")).collect();
    assert_eq!(points, expected);
    let mut named = BTreeSet::new();
    for row in &rows {
        let [point, _, state, proof] = row.as_slice() else { panic!("{row:?} has not four cells") };
        assert!(["done", "partly", "waiting", "–"].contains(&state.as_str()), "{point}: {state}");
        let tests = tests_named(proof);
        let is_named = tests.iter().any(|(_, functions)| !functions.is_empty());
        assert_eq!(
            is_named,
            state == "done" || state == "partly",
            "{point}: a test for what is there, none for what waits"
        );
        for (file, functions) in tests {
            let text = text_of(&format!("tests/tests/{file}"));
            for function in functions {
                assert!(text.contains(&format!("fn {function}(")), "{point}: {file} has no test {function}");
                named.insert(function);
            }
        }
    }
    for file in ["activities", "customers", "projects", "sales", "service"] {
        let text = text_of(&format!("tests/tests/coverage/{file}.rs"));
        for test in text
            .split("async fn ")
            .skip(1)
            .filter_map(|rest| rest.split('(').next())
            .filter(|name| name.starts_with('s') && name[1..3].parse::<u8>().is_ok())
        {
            assert!(named.contains(test), "coverage/{file}.rs: {test} is not on the page");
        }
    }
}

#[test]
fn names_of_tests_are_found_in_a_cell() {
    let cell = "`reads.rs`: `one`, `two`; `coverage/sales.rs`: `three`";
    let names = |names: &[&str]| names.iter().map(|name| (*name).to_owned()).collect::<Vec<_>>();
    assert_eq!(
        tests_named(cell),
        [("reads.rs".to_owned(), names(&["one", "two"])), ("coverage/sales.rs".to_owned(), names(&["three"]))]
    );
    assert!(tests_named("a `word` that is no test's").is_empty());
}
