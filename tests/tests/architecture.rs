//! The page on architecture names files and tests that are there.

use cardine_tests::repository;

const PAGE: &str = "docs/architecture.md";

#[test]
fn every_invariant_is_held_by_a_test_that_is_there() {
    let files = repository::text_files();
    let (_, page) = files.iter().find(|(path, _)| path == PAGE).expect("the page is there");
    let rows = invariants(page);
    assert!(rows.len() >= 15, "only {} invariants were found", rows.len());
    let sources: Vec<&(String, String)> = files.iter().filter(|(path, _)| path.ends_with(".rs")).collect();
    let missing: Vec<String> = rows.iter().flat_map(|row| missing_in(row, &sources)).collect();
    assert!(missing.is_empty(), "{PAGE} names what is not there:\n{}", missing.join("\n"));
}

#[test]
fn a_test_that_is_not_there_is_found() {
    let file = ("tests/tests/a.rs".to_owned(), "#[test]\nfn all_is_well() {}".to_owned());
    let missing = |row: &str| missing_in(row, &[&file]);
    assert!(missing("| All is well | `tests/tests/a.rs`: `all_is_well` |").is_empty());
    assert_eq!(missing("| All is well | `tests/tests/a.rs`: `all_is_well`, `all_is_better` |"), ["all_is_better"]);
    assert_eq!(missing("| All is well | `tests/tests/b.rs`: `all_is_well` |"), ["tests/tests/b.rs"]);
    assert_eq!(missing("| All is well | nothing |"), ["no test: | All is well | nothing |"]);
}

/// The rows of the last table.
fn invariants(page: &str) -> Vec<&str> {
    let table = page.split("## What always holds").nth(1).unwrap_or_default();
    table.lines().filter(|line| line.starts_with("| ") && !line.starts_with("| ---")).skip(1).collect()
}

/// What a row has between backticks behind its first cell, if it is neither a file nor a function of the row's files.
fn missing_in(row: &str, sources: &[&(String, String)]) -> Vec<String> {
    let holders = row.splitn(3, '|').nth(2).unwrap_or_default();
    let names: Vec<&str> = holders.split('`').skip(1).step_by(2).collect();
    let is_known = |name: &str| match name {
        path if path.ends_with(".rs") => sources.iter().any(|(known, _)| known == path),
        // A type or a function of the program, as in `Authorised`.
        word if !word.contains('_') || word == "render_list" => true,
        test => sources.iter().any(|(path, text)| names.contains(&path.as_str()) && defines(text, test)),
    };
    if !names.iter().any(|name| name.ends_with(".rs")) {
        return vec![format!("no test: {row}")];
    }
    // Where the file itself is missing, its tests need not be told as well.
    let files: Vec<&&str> = names.iter().filter(|name| name.ends_with(".rs") && !is_known(name)).collect();
    if !files.is_empty() {
        return files.into_iter().map(|file| (*file).to_owned()).collect();
    }
    names.iter().filter(|name| !is_known(name)).map(|name| (*name).to_owned()).collect()
}

fn defines(text: &str, function: &str) -> bool {
    text.contains(&format!("fn {function}("))
}
