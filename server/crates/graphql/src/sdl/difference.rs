//! What differs between two schemas, as lines of the schema definition language that come and go.

use std::collections::{BTreeMap, BTreeSet};

use super::printed;
use crate::schema::Schema;

/// Lines that are told; who changes more reads the schema.
const LINES_MAX: usize = 2_000;

/// The lines that differ, with `+` and `-` before them, each in the definition that it stands in; descriptions are not compared.
pub fn difference(before: &Schema<'_>, after: &Schema<'_>) -> Vec<String> {
    let mut lines = compared(&printed(before, false), &printed(after, false));
    let more = lines.len().saturating_sub(LINES_MAX);
    if more > 0 {
        lines.truncate(LINES_MAX);
        lines.push(format!("… and {more} lines more"));
    }
    lines
}

/// The first line of a definition, and the entries in it, each in one line.
#[derive(Debug, PartialEq, Eq)]
struct Definition {
    head: String,
    entries: Vec<String>,
}

fn compared(before: &str, after: &str) -> Vec<String> {
    let (before, after) = (definitions(before), definitions(after));
    let names: BTreeSet<&String> = before.keys().chain(after.keys()).collect();
    let mut lines = Vec::new();
    for name in names {
        match (before.get(name), after.get(name)) {
            (Some(old), Some(new)) if old == new => {}
            (Some(old), Some(new)) => changed(old, new, &mut lines),
            (Some(gone), None) => whole('-', gone, &mut lines),
            (None, Some(new)) => whole('+', new, &mut lines),
            (None, None) => {}
        }
    }
    lines
}

/// Definitions stand apart by empty lines; of two words the second is the name.
fn definitions(text: &str) -> BTreeMap<String, Definition> {
    let mut found = BTreeMap::new();
    for block in text.split("\n\n") {
        let mut lines = block.lines().filter(|line| !line.is_empty());
        let Some(head) = lines.next() else { continue };
        let Some(name) = head.split(' ').nth(1) else { continue };
        let mut entries: Vec<String> = Vec::new();
        // Arguments stand in lines of their own between the field's brackets.
        let mut open: Option<(String, Vec<&str>)> = None;
        for line in lines.filter(|line| *line != "}") {
            let line = line.trim_start();
            match &mut open {
                None if line.ends_with('(') => open = Some((line.to_owned(), Vec::new())),
                None => entries.push(line.to_owned()),
                Some((start, arguments)) if line.starts_with(')') => {
                    entries.push(format!("{start}{}{line}", arguments.join(", ")));
                    open = None;
                }
                Some((_, arguments)) => arguments.push(line),
            }
        }
        found.insert(name.to_owned(), Definition { head: head.to_owned(), entries });
    }
    found
}

fn whole(sign: char, definition: &Definition, lines: &mut Vec<String>) {
    lines.push(format!("{sign} {}", definition.head));
    lines.extend(definition.entries.iter().map(|entry| format!("{sign}   {entry}")));
    if definition.head.ends_with('{') {
        lines.push(format!("{sign} }}"));
    }
}

fn changed(old: &Definition, new: &Definition, lines: &mut Vec<String>) {
    if old.head == new.head {
        lines.push(format!("  {}", new.head));
    } else {
        lines.push(format!("- {}", old.head));
        lines.push(format!("+ {}", new.head));
    }
    let (kept, there): (BTreeSet<&String>, BTreeSet<&String>) =
        (new.entries.iter().collect(), old.entries.iter().collect());
    lines.extend(old.entries.iter().filter(|entry| !kept.contains(entry)).map(|entry| format!("-   {entry}")));
    lines.extend(new.entries.iter().filter(|entry| !there.contains(entry)).map(|entry| format!("+   {entry}")));
    if new.head.ends_with('{') {
        lines.push("  }".to_owned());
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const BEFORE: &str = "type Query {\n  deals(\n    first: Int = 50\n    after: String\n  ): [Deal!]!\n  me: Viewer!\n}\n\n\
        type Deal implements Node {\n  id: ID!\n  amount: Decimal @deprecated(reason: \"gone (soon)\")\n}\n\nunion Owner = User | Group\n\n\
        scalar Decimal\n";

    #[test]
    fn equal_schemas_differ_in_nothing() {
        assert_eq!(compared(BEFORE, BEFORE), Vec::<String>::new());
    }

    #[test]
    fn lines_are_told_in_their_definitions() {
        let after = BEFORE
            .replace("    after: String\n", "    after: String\n    last: Int\n")
            .replace("  amount: Decimal @deprecated(reason: \"gone (soon)\")\n", "  score: Int\n")
            .replace(
                "union Owner = User | Group\n\n",
                "union Owner = User | Group | Team\n\ntype Team {\n  id: ID!\n}\n\n",
            )
            .replace("scalar Decimal\n", "");
        assert_eq!(
            compared(BEFORE, &after),
            [
                "  type Deal implements Node {",
                "-   amount: Decimal @deprecated(reason: \"gone (soon)\")",
                "+   score: Int",
                "  }",
                "- scalar Decimal",
                "- union Owner = User | Group",
                "+ union Owner = User | Group | Team",
                "  type Query {",
                "-   deals(first: Int = 50, after: String): [Deal!]!",
                "+   deals(first: Int = 50, after: String, last: Int): [Deal!]!",
                "  }",
                "+ type Team {",
                "+   id: ID!",
                "+ }",
            ]
        );
    }
}
