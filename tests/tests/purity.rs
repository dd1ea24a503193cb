//! What the lower crates leave to others: input and output, the clock and chance; and where a name becomes an SQL identifier.

use cardine_tests::repository;
use cardine_tests::rust_code::{is_server_code, tokens};
use proc_macro2::TokenTree;

/// Ranks 0 to 3: what they answer depends on what they are given alone.
const PURE: [&str; 4] = ["server/crates/model/", "server/crates/access/", "server/crates/query/", "server/crates/sql/"];

/// What reads the clock, makes chance, or reaches files, the network, the process or another thread.
const IMPURE: [&str; 25] = [
    "SystemTime",
    "Instant",
    "Local",
    "now_v1",
    "now_v6",
    "now_v7",
    "new_v4",
    "rand",
    "fs",
    "net",
    "io",
    "process",
    "thread",
    "stdin",
    "stdout",
    "stderr",
    "print",
    "println",
    "eprint",
    "eprintln",
    "dbg",
    "tokio",
    "Mutex",
    "RwLock",
    "var_os",
];

/// The one file where a name is put between the quotes of an identifier.
const IDENTIFIERS: &str = "server/crates/sql/src/ident.rs";

/// Words behind which a table, a column or an index is named.
const NAMED_BEHIND: [&str; 9] =
    ["FROM ", "INTO ", "UPDATE ", "JOIN ", "TABLE ", "INDEX ", "COLUMN ", "EXISTS ", "REFERENCES "];

#[test]
fn the_lower_ranks_do_no_io_and_know_no_clock() {
    let is_pure = |path: &str| {
        is_server_code(path) && !path.ends_with("/build.rs") && PURE.iter().any(|crate_| path.starts_with(crate_))
    };
    let files: Vec<_> = repository::text_files().into_iter().filter(|(path, _)| is_pure(path)).collect();
    assert!(files.len() > 30, "the sources were not found");
    let found: Vec<String> = files.iter().flat_map(|(path, text)| impure_in(path, text)).collect();
    assert!(found.is_empty(), "these belong into a higher crate:\n{}", found.join("\n"));
}

#[test]
fn io_and_clock_are_found() {
    let found = |text: &str| impure_in("server/crates/model/src/x.rs", text).len();
    assert_eq!(found("fn f() { std::fs::read(path) }"), 1);
    assert_eq!(found("use std::{io, collections};"), 1);
    assert_eq!(found("fn f() -> DateTime<Utc> { Utc::now() }"), 1);
    assert_eq!(found("fn f() { let home = std::env::var(name); }"), 1);
    assert_eq!(found("fn f() { println!(\"{x}\") }"), 1);
    assert_eq!(found("fn now(&self) -> Now; fn f() { scope.now(); include!(env!(\"OUT_DIR\")) }"), 0);
    assert_eq!(found("#[cfg(test)]\nmod tests { use std::fs; }\n// std::fs"), 0);
}

#[test]
fn a_name_becomes_an_sql_identifier_in_one_file() {
    let files = repository::text_files().into_iter();
    let files: Vec<_> = files.filter(|(path, _)| is_server_code(path) && path != IDENTIFIERS).collect();
    let found: Vec<String> = files.iter().flat_map(|(path, text)| identifiers_in(path, text)).collect();
    assert!(found.is_empty(), "use `ident::quote`, in the SQL crate:\n{}", found.join("\n"));
    let own = repository::text_files().into_iter().find(|(path, _)| path == IDENTIFIERS);
    let (path, text) = own.expect("the file with the quotes is there");
    assert!(!quotes_in(&path, &text).is_empty(), "nothing is quoted in {IDENTIFIERS}: is it still the one?");
}

#[test]
fn an_identifier_made_elsewhere_is_found() {
    let sql = |text: &str| identifiers_in("server/crates/sql/src/list.rs", text).len();
    assert_eq!(sql(r#"fn f() { format!("\"{name}\"") }"#), 1);
    assert_eq!(sql(r#"fn f() { text.push('"') }"#), 1);
    assert_eq!(sql(r#"fn f() { format!("SELECT \"id\" FROM {from} WHERE {}", quote(name)) }"#), 0);
    let store = |text: &str| identifiers_in("server/crates/store/src/rows.rs", text).len();
    assert_eq!(store(r#"fn f() { format!("DELETE FROM {table} WHERE id = $1") }"#), 1);
    assert_eq!(store(r#"fn f() { format!("SELECT \"{name}\" from x") }"#), 1);
    assert_eq!(store(r#"fn f() { ("DELETE FROM session WHERE id = $1", format!("no field \"{name}\"")) }"#), 0);
}

/// What starts programs: the host of plugins, which starts its own once more to compile a component within bounds; and the command line, which builds
/// plugins with their languages' tools.
const STARTS_PROGRAMS: [&str; 2] =
    ["server/crates/plugin-host/src/compiler.rs", "server/src/command/plugin_project.rs"];

#[test]
fn a_serving_process_starts_no_program_but_its_own() {
    let files = repository::text_files().into_iter().filter(|(path, _)| is_server_code(path));
    let starts = |(path, text): &(String, String)| starts_programs(path, text);
    let found: Vec<String> = files.filter(starts).map(|(path, _)| path).collect();
    assert_eq!(found, STARTS_PROGRAMS);
}

#[test]
fn a_start_of_a_program_is_found() {
    for text in [
        "use std::process::Command;",
        "use std::process::{Command, exit};",
        "fn f() { process::Command::new(x) }",
        "fn f() { libc::execve(x) }",
    ] {
        assert!(starts_programs("server/src/x.rs", text), "{text}");
    }
    assert!(!starts_programs("server/src/x.rs", "use clap::Command; use std::process::ExitCode;"));
}

fn starts_programs(path: &str, text: &str) -> bool {
    let words: Vec<String> = tokens(path, text).iter().map(|(_, token)| token.to_string()).collect();
    let is_command = |position: usize| {
        // `process::Command`, alone or in braces with others.
        let behind = words[position + 1..].iter().take(16).take_while(|word| !matches!(word.as_str(), ";" | "}" | "("));
        words[position] == "process" && behind.into_iter().any(|word| word == "Command")
    };
    let calls = ["execve", "execv", "execvp", "fork", "posix_spawn", "popen"];
    (0..words.len()).any(|position| is_command(position) || calls.contains(&words[position].as_str()))
}

fn impure_in(path: &str, text: &str) -> Vec<String> {
    let tokens = tokens(path, text);
    let word = |position: usize| tokens.get(position).map(|(_, token)| token.to_string()).unwrap_or_default();
    let is_impure = |position: usize, word_here: &str| match word_here {
        // As a function of a type, not of a scope that was handed in.
        "now" => position > 0 && word(position - 1) == ":",
        // The macro is answered by the compiler.
        "env" => word(position + 1) != "!",
        other => IMPURE.contains(&other),
    };
    let positions = (0..tokens.len()).filter(|position| matches!(tokens[*position].1, TokenTree::Ident(_)));
    let found = positions.filter(|position| is_impure(*position, &word(*position)));
    found.map(|position| format!("{path}:{}: {}", tokens[position].0, word(position))).collect()
}

fn identifiers_in(path: &str, text: &str) -> Vec<String> {
    let mut found = if path.starts_with("server/crates/sql/") { quotes_in(path, text) } else { Vec::new() };
    if !path.starts_with("server/crates/sql/") {
        let literals = literals(path, text).into_iter();
        let named = literals.filter(|(_, literal)| {
            let is_named = NAMED_BEHIND.iter().any(|word| literal.contains(&format!("{word}{{")));
            is_named || (literal.contains("SELECT ") && literal.contains("\\\"{"))
        });
        found.extend(named.map(|(line, literal)| format!("{path}:{line}: {literal}")));
    }
    found
}

/// Literals that put something between double quotes.
fn quotes_in(path: &str, text: &str) -> Vec<String> {
    let literals = literals(path, text).into_iter();
    let quoting = literals.filter(|(_, literal)| literal.contains("\\\"{") || literal == "'\"'");
    quoting.map(|(line, literal)| format!("{path}:{line}: {literal}")).collect()
}

fn literals(path: &str, text: &str) -> Vec<(usize, String)> {
    let tokens = tokens(path, text).into_iter();
    let literals = tokens.filter(|(_, token)| matches!(token, TokenTree::Literal(_)));
    literals.map(|(line, token)| (line, token.to_string())).collect()
}
