//! The SDL of a small catalog as golden text, and what it leaves out.

use super::{sdl, text};
use crate::introspection::fixture::{HIDDEN, administrator, catalog, salesperson, stranger};
use crate::schema::Schema;

/// The definitions that the gadgets' module brings. With `UPDATE_GOLDEN` set, the file is written anew instead; the change is
/// then seen in its diff.
#[test]
fn every_kind_of_field_is_printed() {
    let catalog = catalog();
    let rights = administrator(&catalog);
    let printed = sdl(&Schema { catalog: &catalog, rights: &rights, language: "en" });
    let of_gadgets = |definition: &&str| {
        let opens = |line: &str| ["Gadget", "scalar"].iter().any(|word| line.contains(word)) && !line.starts_with(' ');
        definition.lines().any(opens)
    };
    let definitions = definitions(&printed);
    let printed = Vec::from_iter(definitions.iter().map(String::as_str).filter(of_gadgets)).join("\n\n") + "\n";
    let path = concat!(env!("CARGO_MANIFEST_DIR"), "/src/sdl/golden.graphql");
    if std::env::var_os("UPDATE_GOLDEN").is_some() {
        std::fs::write(path, &printed).unwrap();
    }
    let golden = std::fs::read_to_string(path).unwrap();
    for (line, (printed, golden)) in printed.lines().zip(golden.lines()).enumerate() {
        assert_eq!(printed, golden, "line {}", line + 1);
    }
    assert_eq!(printed.lines().count(), golden.lines().count());
}

/// What stands between empty lines, but for those inside descriptions.
fn definitions(printed: &str) -> Vec<String> {
    let mut found: Vec<String> = Vec::new();
    for part in printed.split("\n\n") {
        match found.last_mut().filter(|open| open.matches("\"\"\"").count() % 2 == 1) {
            Some(open) => {
                open.push_str("\n\n");
                open.push_str(part);
            }
            None => found.push(part.to_owned()),
        }
    }
    found
}

#[test]
fn what_a_caller_may_not_read_is_not_printed() {
    let catalog = catalog();
    let rights = administrator(&catalog);
    let all = sdl(&Schema { catalog: &catalog, rights: &rights, language: "en" });
    let rights = salesperson(&catalog);
    let some = sdl(&Schema { catalog: &catalog, rights: &rights, language: "en" });
    for hidden in HIDDEN {
        assert!(all.contains(hidden), "{hidden} should be seen by an administrator");
        assert!(!some.contains(hidden), "{hidden} should be hidden");
    }
}

#[test]
fn stranger_sees_no_module_and_no_mutation() {
    let catalog = catalog();
    let rights = stranger(&catalog);
    let printed = sdl(&Schema { catalog: &catalog, rights: &rights, language: "en" });
    assert!(printed.contains("type Query {"));
    for hidden in ["Gadget", "gadget", "Maker", "Mutation", "Node", "Owner"] {
        assert!(!printed.contains(hidden), "{hidden} in\n{printed}");
    }
}

#[test]
fn printed_schema_can_be_parsed() {
    let catalog = catalog();
    for rights in [administrator(&catalog), salesperson(&catalog), stranger(&catalog)] {
        let printed = sdl(&Schema { catalog: &catalog, rights: &rights, language: "en" });
        async_graphql_parser::parse_schema(&printed).unwrap_or_else(|error| panic!("{error}\n{printed}"));
    }
}

#[test]
fn description_is_a_block_where_a_block_can_hold_it() {
    let described = |text: &str, indent: &str| {
        let mut out = String::new();
        text::push_description(&mut out, text, indent);
        out
    };
    assert_eq!(described("One line.", "  "), "  \"\"\"One line.\"\"\"");
    assert_eq!(described("A \"word\"", ""), "\"\"\"\nA \"word\"\n\"\"\"");
    assert_eq!(described("One\n\n  two", "  "), "  \"\"\"\n  One\n\n    two\n  \"\"\"");
    assert_eq!(described("\"\"\"x", ""), "\"\"\"\\\"\"\"x\"\"\"");
    assert_eq!(described(" kept ", ""), "\" kept \"");
    assert_eq!(described("bell\u{7}", ""), "\"bell\\u0007\"");
    assert_eq!(described("", ""), "\"\"");
}
