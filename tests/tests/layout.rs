//! The sources keep to the house's form: each file says what it is for, and no test is switched off.

use cardine_tests::repository;

/// File names that say nothing about what belongs into the file, so that everything ends up there.
const EMPTY_NAMES: [&str; 5] = ["util", "utils", "helper", "helpers", "common"];

#[test]
fn every_rust_file_begins_with_what_it_is_for() {
    let silent = rust_files().into_iter().filter(|(_, text)| !says_what_it_is_for(text));
    assert_none("begin with `//! ` and a sentence", silent.map(|(path, _)| path).collect());
}

#[test]
fn no_file_is_named_after_nothing() {
    let nameless = rust_files().into_iter().map(|(path, _)| path).filter(|path| has_empty_name(path));
    assert_none("name them after what they are for", nameless.collect());
}

#[test]
fn no_test_is_switched_off() {
    let attribute = concat!("#[", "ignore");
    let switched_off = rust_files().into_iter().filter(|(_, text)| text.contains(attribute));
    assert_none("mend or remove the ignored tests", switched_off.map(|(path, _)| path).collect());
}

/// The body of an `async fn` is compiled where it is awaited, once more in each crate, with all that it awaits; boxed, it is compiled where it
/// stands. Without this the topmost crate takes as long to build as all below it.
#[test]
fn what_crates_above_await_is_boxed() {
    let borders = ["engine", "graphql", "workflow", "auth", "admin"].map(|name| format!("server/crates/{name}/src/"));
    let ours = |path: &str| borders.iter().any(|border| path.starts_with(border)) && !path.contains("/tests");
    let unboxed = rust_files().into_iter().filter(|(path, text)| ours(path) && has_unboxed_border(text));
    assert_none("write `#[boxed]` right before `pub async fn`", unboxed.map(|(path, _)| path).collect());
}

#[test]
fn a_file_that_breaks_the_form_is_found() {
    assert!(has_unboxed_border("/// Reads.\npub async fn read() {}\n"));
    assert!(!has_unboxed_border("/// Reads.\n#[boxed]\n    pub async fn read() {}\n"));
    assert!(says_what_it_is_for("//! Sends mail.\n"));
    assert!(!says_what_it_is_for("//!\n//! Sends mail.\n"));
    assert!(!says_what_it_is_for("use std::fmt;\n"));
    assert!(has_empty_name("server/src/utils.rs") && has_empty_name("server/src/common/mail.rs"));
    assert!(!has_empty_name("server/src/common_table.rs"));
}

fn says_what_it_is_for(text: &str) -> bool {
    let first_line = text.lines().next().unwrap_or_default();
    first_line.strip_prefix("//! ").is_some_and(|sentence| !sentence.trim().is_empty())
}

fn has_unboxed_border(text: &str) -> bool {
    let lines: Vec<&str> = text.lines().map(str::trim).collect();
    lines.windows(2).any(|pair| pair[1].starts_with("pub async fn ") && pair[0] != "#[boxed]")
}

fn has_empty_name(path: &str) -> bool {
    path.split('/').any(|part| EMPTY_NAMES.contains(&part.strip_suffix(".rs").unwrap_or(part)))
}

fn rust_files() -> Vec<(String, String)> {
    let ours = |path: &str| ["server/", "migrations/", "tests/"].iter().any(|folder| path.starts_with(folder));
    let files = repository::text_files().into_iter().filter(|(path, _)| path.ends_with(".rs") && ours(path));
    let files: Vec<_> = files.collect();
    assert!(files.len() > 20, "the sources were not found: {files:?}");
    files
}

fn assert_none(demand: &str, paths: Vec<String>) {
    assert!(paths.is_empty(), "{demand}:\n{}", paths.join("\n"));
}
