//! Where two opinions on a document may differ, and why; every other difference is a fault.

/// What somebody finds wrong with a document; nothing if it is valid.
pub type Verdict = Vec<String>;

/// A difference that is meant: whether all that Cardine says is of that kind.
struct Stricter {
    why: &'static str,
    says: fn(message: &str, text: &str) -> bool,
    /// What else it may say, if one message at least is of that kind.
    with: &'static [&'static str],
}

/// Where Cardine refuses what graphql-js takes.
const STRICTER: &[Stricter] = &[
    Stricter {
        why: "an operation of a kind that the schema has not; graphql-js finds that out when it executes",
        says: |message, _| message.starts_with("BAD_USER_INPUT: The schema has no "),
        with: &[],
    },
    Stricter {
        why: "a variable that may be null as the one field of a @oneOf object: September 2025, 5.8.5; graphql-js 17 has it",
        says: |message, _| message.contains("must be non-nullable to be used for the oneOf type"),
        with: &[],
    },
    Stricter {
        why: "@skip or @include at the root of a subscription: September 2025, 5.2.4.1; graphql-js 17 has it",
        says: |message, _| message.contains("must not use `@skip` or `@include` directives in the top level selection"),
        // graphql-js does not see what such a directive takes out.
        with: &["must not select an introspection top level field", "must select only one top level field"],
    },
    Stricter {
        why: "a field that shares its place with __typename and is no String!: graphql-js knows no type of __typename there",
        says: |message, text| {
            message.contains("conflict because they return conflicting types")
                && message.contains("\"String!\"")
                && text.contains("__typename")
        },
        with: &[],
    },
    Stricter {
        why: "an integer of more than 64 bits: it would lose digits, and no record has such an id",
        says: |message, text| {
            message.contains("has more digits than a number of 64 bits keeps")
                && text.contains("123456789012345678901234567890")
        },
        with: &[],
    },
    Stricter {
        why: "the character U+0000, which PostgreSQL cannot store",
        says: |message, text| message.contains("the character U+0000 cannot be stored") && text.contains('\0'),
        with: &[],
    },
];

/// What graphql-js and Cardine do not agree on.
pub fn against_graphql_js(text: &str, ours: &Verdict, reference: &Verdict) -> Option<String> {
    if ours.is_empty() == reference.is_empty() {
        return None;
    }
    let meant = |stricter: &&Stricter| {
        let says = |message: &&String| (stricter.says)(message, text);
        let may_say = |message: &String| says(&message) || stricter.with.iter().any(|with| message.contains(with));
        ours.iter().any(|message| says(&message)) && ours.iter().all(may_say)
    };
    match STRICTER.iter().find(meant) {
        Some(_) => None,
        None => Some(format!("{text}\n  Cardine: {ours:?}\n  graphql-js: {reference:?}")),
    }
}

/// What async-graphql cannot read or does not look at, so that it is not asked.
struct Blind {
    why: &'static str,
    has: fn(plain_text: &str) -> bool,
}

const BLIND: &[Blind] = &[
    Blind {
        why: "it looks at nothing that belongs to __typename",
        has: |text| ["__typename (", "__typename @", "__typename {"].iter().any(|place| text.contains(place)),
    },
    Blind { why: "its parser has no \\u{…} and no pairs of surrogates", has: |text| text.contains("\\u") },
    Blind {
        why: "its parser takes words that begin with true, false or null for these",
        has: |text| text.contains("nullable") || text.contains("trueish"),
    },
    Blind { why: "its includeDeprecated takes no null", has: |text| text.contains("includeDeprecated : null") },
    Blind { why: "an integer of more than 64 bits is no ID to it", has: |text| text.contains("9223372036854775808") },
];

/// What graphql-js says where async-graphql looks too. It is lax about values and the types of variables.
const NOTICED: &[&str] = &[
    "Syntax Error: Expected",
    "Cannot query field",
    "Unknown fragment",
    "cannot condition on non composite type",
    "can never be of type",
    "Cannot spread fragment",
    "There can be only one fragment",
    "There can be only one operation",
    "There can be only one variable",
    "This anonymous operation must be the only",
    "is never used",
];

/// What async-graphql and Cardine do not agree on, of a document as plain text.
pub fn against_async_graphql(text: &str, ours: &Verdict, reference: &Verdict, other: &Verdict) -> Option<String> {
    let blind = BLIND.iter().any(|blind| (blind.has)(text));
    let noticed = |message: &String| NOTICED.iter().any(|part| message.contains(part));
    let must_refuse = reference.iter().any(noticed);
    if blind || (other.is_empty() && !must_refuse) || other.is_empty() == ours.is_empty() {
        return None;
    }
    Some(format!("{text}\n  Cardine: {ours:?}\n  graphql-js: {reference:?}\n  async-graphql: {other:?}"))
}

/// The reasons, for who reads the test's output.
pub fn reasons() -> impl Iterator<Item = &'static str> {
    STRICTER.iter().map(|stricter| stricter.why).chain(BLIND.iter().map(|blind| blind.why))
}
