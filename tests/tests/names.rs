//! The server knows no built-in module by name, and the repository names nobody's machine.

use std::collections::BTreeSet;

use cardine_tests::repository;
use cardine_tests::rust_code::{is_server_code, tokens};
use serde_json::Value;

/// Words that are a module's name and stand in the server for something else: the word, where (the start of the
/// path), and what it means there.
const EXCEPTIONS: [(&str, &str, &str); 4] = [
    ("Comments", "server/src/command/as_code.rs", "what a file says to its readers alone"),
    ("Document", "server/", "the text of a definition"),
    ("Documents", "server/crates/engine/src/change/", "definitions that come as files"),
    ("Email", "server/", "a form of text"),
];

/// Beginnings of paths on somebody's machine, and hosts of package registries (a lock file of Cargo names its
/// registry by an address that is the same everywhere). In two parts, so that this file passes its own test.
const FOREIGN: [(&str, &str); 12] = [
    ("/wo", "rk/"),
    ("/ro", "ot/"),
    ("/ho", "me/"),
    ("/Us", "ers/"),
    ("C:", "\\"),
    ("index.crates", ".io"),
    ("static.crates", ".io"),
    ("registry.npmjs", ".org"),
    ("files.pythonhosted", ".org"),
    ("deb.debian", ".org"),
    ("security.debian", ".org"),
    ("proxy.golang", ".org"),
];

#[test]
fn server_names_no_built_in_module() {
    let modules = built_in_names();
    let files = repository::text_files().into_iter().filter(|(path, _)| is_server_code(path));
    let found: Vec<String> = files.flat_map(|(path, text)| found_in(&path, &text, &modules)).collect();
    assert!(found.is_empty(), "the server must not know these modules:\n{}", found.join("\n"));
}

#[test]
fn a_module_named_in_server_code_is_found() {
    let modules = BTreeSet::from(["Campaign".to_owned(), "Campaigns".to_owned()]);
    let found = |text: &str| found_in("server/src/main.rs", text, &modules);

    assert_eq!(found("struct Campaign;"), ["server/src/main.rs:1: Campaign"]);
    assert_eq!(found("fn f() {\n    table(\"the Campaigns of today\")\n}"), ["server/src/main.rs:2: Campaigns"]);
    assert_eq!(found("macro_call!(r#\"{\"module\": \"Campaign\"}\"#);").len(), 1);
    assert_eq!(found("#[cfg(test)]\nmod tests { }\nconst NAME: &str = \"Campaign\";").len(), 1, "after the tests");
    assert_eq!(found("#[cfg(not(test))]\nmod real { struct Campaign; }").len(), 1);
    assert_eq!(found("#[test]\nfn case() {}\nstruct Campaign;").len(), 1);

    assert!(found("//! Such as Campaign.\n/// A Campaign has leads.\nstruct CampaignLike; // Campaign").is_empty());
    assert!(found("#[cfg(test)]\nmod tests { const NAME: &str = \"Campaign\"; }").is_empty());
    assert!(found("#[cfg(test)]\nfn fixture() -> &'static str { \"Campaign\" }").is_empty());
    assert!(found("#[cfg(test)]\nuse model::Campaign;\nconst CAMPAIGN: &str = \"campaign\";").is_empty());
}

#[test]
fn no_file_names_a_machine_or_a_registry() {
    let files = repository::text_files().into_iter();
    let found: Vec<String> = files.flat_map(|(path, text)| foreign_in(&path, &text)).collect();
    assert!(found.is_empty(), "paths and hosts that are not the project's:\n{}", found.join("\n"));
}

#[test]
fn a_path_of_somebodys_machine_is_found() {
    let path = format!("see {}me/ann/cardine", "/ho");
    assert_eq!(foreign_in("README.md", &format!("first\n{path}\n")).len(), 1);
    assert!(foreign_in("README.md", "https://example.org/home/page, server/workflow/root/x").is_empty());
}

/// `Name` and `Plural` of every definition under schema/modules/.
fn built_in_names() -> BTreeSet<String> {
    let files = repository::text_files().into_iter();
    let definitions = files.filter(|(path, _)| path.starts_with("schema/modules/") && path.ends_with(".json"));
    let names: BTreeSet<String> = definitions
        .flat_map(|(path, text)| {
            let definition: Value = serde_json::from_str(&text).unwrap_or_else(|error| panic!("{path}: {error}"));
            ["name", "plural"]
                .map(|key| definition[key].as_str().unwrap_or_else(|| panic!("{path}: no {key}")).to_owned())
        })
        .collect();
    assert!(!names.is_empty(), "no definitions under schema/modules/");
    names
}

/// Identifiers and the words of literals.
fn found_in(path: &str, text: &str, modules: &BTreeSet<String>) -> Vec<String> {
    let words = tokens(path, text).into_iter().flat_map(|(line, token)| {
        let text = token.to_string();
        let words = text.split(|c: char| !c.is_alphanumeric() && c != '_').filter(|word| modules.contains(*word));
        words.map(|word| (line, word.to_owned())).collect::<Vec<_>>()
    });
    let excepted = |word: &str| EXCEPTIONS.iter().any(|(name, place, _)| *name == word && path.starts_with(place));
    words.filter(|(_, word)| !excepted(word)).map(|(line, word)| format!("{path}:{line}: {word}")).collect()
}

fn foreign_in(path: &str, text: &str) -> Vec<String> {
    let foreign = FOREIGN.map(|(start, end)| format!("{start}{end}"));
    let lines = text.lines().enumerate();
    lines
        .filter_map(|(index, line)| {
            let word = foreign.iter().find(|word| stands_alone(line, word))?;
            Some(format!("{path}:{}: {word}", index + 1))
        })
        .collect()
}

/// As a path of its own, not inside a longer one or an address: `https://example.org/…`.
fn stands_alone(line: &str, word: &str) -> bool {
    line.match_indices(word).any(|(index, _)| {
        let before = line[..index].chars().next_back();
        !word.starts_with('/')
            || before.is_none_or(|c| !(c.is_alphanumeric() || matches!(c, '/' | '.' | '_' | '-' | '}')))
    })
}
