//! Strings of the schema definition language: quoted, or as the block strings in which descriptions stand.

/// The text in quotes. JSON's escapes are GraphQL's too (<https://spec.graphql.org/September2025/#sec-String-Value>).
pub(super) fn quoted(text: &str) -> String {
    serde_json::to_string(text).expect("text goes into memory")
}

/// A description at `indent`: a block string if that can hold the text, else a quoted one.
pub(super) fn description(text: &str, indent: &str) -> String {
    if !fits_block(text) {
        return format!("{indent}{}", quoted(text));
    }
    let escaped = text.replace("\"\"\"", "\\\"\"\"");
    if !escaped.contains('\n') && !escaped.ends_with(['"', '\\']) {
        return format!("{indent}\"\"\"{escaped}\"\"\"");
    }
    let mut block = format!("{indent}\"\"\"\n");
    for line in escaped.lines() {
        // An indent alone would become a part of the text.
        if !line.is_empty() {
            block.extend([indent, line]);
        }
        block.push('\n');
    }
    block.extend([indent, "\"\"\""]);
    block
}

/// A block string takes away the indent that its lines share and blank lines at its ends, and knows no escapes.
fn fits_block(text: &str) -> bool {
    let blank = |character: char| matches!(character, ' ' | '\t' | '\n');
    !text.is_empty()
        && !text.starts_with(blank)
        && !text.ends_with(blank)
        && !text.chars().any(|character| character.is_control() && !matches!(character, '\n' | '\t'))
}
