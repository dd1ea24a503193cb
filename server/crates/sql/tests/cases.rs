//! Cases: a question, with its statements on both databases beside it, in `cases/*.txt`.
//!
//! `CARDINE_UPDATE_CASES=1` writes the statements anew; the change is then read like any other.
#![allow(clippy::unwrap_used, reason = "in a test a panic is how it fails; clippy sees only functions marked #[test]")]

#[path = "../../access/tests/company/mod.rs"]
mod company;
mod question;

use std::fmt::Write as _;
use std::path::{Path, PathBuf};

use cardine_access::Rights;
use cardine_model::Catalog;
use cardine_query::{History, List, authorise};
use cardine_sql::{Dialect, Found, ListStatements, Statement, render_list};
use serde_json::Value as Json;

const DIALECTS: [(&str, Dialect); 2] = [("SQLite", Dialect::Sqlite), ("PostgreSQL", Dialect::Postgres)];

struct Case {
    /// What is above the statements: a sentence and the question.
    head: String,
    statements: String,
    caller: String,
    question: Json,
}

#[test]
fn questions_become_their_statements() {
    let catalog = company::catalog();
    let mut wrong = Vec::new();
    let files = files();
    for file in &files {
        let case = read(file);
        let made = statements(&catalog, &case);
        if case.statements == made {
            continue;
        }
        if std::env::var_os("CARDINE_UPDATE_CASES").is_some() {
            std::fs::write(file, format!("{}{made}", case.head)).unwrap();
        } else {
            wrong.push(format!("{}:\n{made}", file.display()));
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
    assert!(files.len() >= 8, "only {} cases", files.len());
}

#[test]
fn the_number_of_statements_is_that_of_the_lists_and_counts_asked_for() {
    let catalog = company::catalog();
    for file in files() {
        let case = read(&file);
        let list = question::question(&catalog, &case.question);
        let asked = asked(&list);
        for (_, dialect) in DIALECTS {
            let made = all(&render(&catalog, &case, dialect)).len();
            // Nothing of what is found goes into them, so more rows cannot make more statements.
            assert_eq!(made, asked, "{}", file.display());
        }
    }
}

#[test]
fn values_are_parameters_and_never_text() {
    let catalog = company::catalog();
    for file in files() {
        let case = read(&file);
        for (name, dialect) in DIALECTS {
            for (_, statement) in all(&render(&catalog, &case, dialect)) {
                let text = statement.text.replace(r"ESCAPE '\'", "");
                assert!(!text.contains('\''), "a literal in {name} of {}: {text}", file.display());
            }
        }
    }
}

fn files() -> Vec<PathBuf> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("cases");
    let entries = std::fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path());
    let mut files: Vec<_> = entries.filter(|path| path.extension().is_some_and(|kind| kind == "txt")).collect();
    files.sort();
    files
}

/// A sentence, `as <caller>`, the question, and behind the first line of `===` the statements.
fn read(file: &Path) -> Case {
    let text = std::fs::read_to_string(file).unwrap();
    let at = text.find("\n===").map_or(text.len(), |at| at + 1);
    let (head, statements) = (text[..at].to_owned(), text[at..].to_owned());
    let start = head.find('{').unwrap_or_else(|| panic!("{}: no question", file.display()));
    let caller = head[..start].lines().find_map(|line| line.strip_prefix("as ")).unwrap_or("administrator").to_owned();
    let question = serde_json::from_str(&head[start..]).unwrap_or_else(|error| panic!("{}: {error}", file.display()));
    Case { head, statements, caller, question }
}

fn render(catalog: &Catalog, case: &Case, dialect: Dialect) -> ListStatements {
    let rights = match case.caller.as_str() {
        "sales" => company::sales(catalog),
        "broad sales" => company::sales(catalog).with_broad_reach(true),
        _ => Rights::resolve(catalog, &[&company::administrator()], true),
    };
    let list = authorise(question::question(catalog, &case.question), catalog, &rights).unwrap();
    let found = if case.question["found"] == "written" { Found::Written } else { Found::Asked };
    render_list(dialect, catalog, &rights, &list, found)
}

fn asked(list: &List) -> usize {
    usize::from(list.rows)
        + usize::from(!list.totals.is_empty())
        + list.children.iter().map(|child| asked(&child.list)).sum::<usize>()
        + list.histories.iter().map(asked_of_history).sum::<usize>()
}

fn asked_of_history(history: &History) -> usize {
    let own = [history.rows, history.count, history.changes].map(usize::from).iter().sum::<usize>();
    own + history.users.iter().map(|user| asked(&user.list)).sum::<usize>()
}

/// Every statement with its place: the root's, then those of the nested lists.
fn all(list: &ListStatements) -> Vec<(String, &Statement)> {
    let own = [("rows", &list.rows), ("totals", &list.totals)];
    let own = own.into_iter().filter_map(|(name, statement)| Some((name.to_owned(), statement.as_ref()?)));
    let nested = list.children.iter().enumerate().flat_map(|(position, child)| {
        all(child).into_iter().map(move |(place, statement)| (format!("child {position} {place}"), statement))
    });
    let histories = list.histories.iter().enumerate().flat_map(|(position, history)| {
        all(history).into_iter().map(move |(place, statement)| (format!("history {position} {place}"), statement))
    });
    own.chain(nested).chain(histories).collect()
}

fn statements(catalog: &Catalog, case: &Case) -> String {
    let mut text = String::new();
    for (name, dialect) in DIALECTS {
        for (place, statement) in all(&render(catalog, case, dialect)) {
            let _ = writeln!(text, "=== {name}: {place}\n{}", wrapped(&statement.text));
            for (position, param) in statement.params.iter().enumerate() {
                let _ = writeln!(text, "-- {}: {param:?}", position + 1);
            }
            let _ = writeln!(text, "-- columns: {:?}", statement.columns);
        }
    }
    text
}

/// Each clause on a line of its own, as deep as its brackets.
fn wrapped(statement: &str) -> String {
    const CLAUSES: [&str; 9] = [
        " FROM ",
        " LEFT JOIN ",
        " CROSS JOIN ",
        " WHERE ",
        " GROUP BY ",
        " HAVING ",
        " ORDER BY ",
        " LIMIT ",
        " AND ",
    ];
    let mut text = String::new();
    let mut depth = 0_usize;
    for (position, character) in statement.char_indices() {
        match character {
            '(' => depth += 1,
            ')' => depth -= 1,
            // A list parameter taken apart stays on its line.
            ' ' if statement[..position].ends_with("(SELECT value") => {}
            ' ' if CLAUSES.iter().any(|clause| statement[position..].starts_with(clause)) => {
                let indent = depth + usize::from(statement[position..].starts_with(" AND "));
                text.push('\n');
                text.push_str(&"  ".repeat(indent));
                continue;
            }
            _ => {}
        }
        text.push(character);
    }
    text
}
