//! Strings of the schema definition language: quoted, or as the block strings in which descriptions stand.

/// The text in quotes. JSON's escapes are GraphQL's too (<https://spec.graphql.org/September2025/#sec-String-Value>).
pub(super) fn quoted(text: &str) -> String {
    serde_json::to_string(text).expect("text goes into memory")
}

/// Appends a description at `indent`: a block string if that can hold the text, else a quoted one.
pub(super) fn push_description(out: &mut String, text: &str, indent: &str) {
    out.push_str(indent);
    if !fits_block(text) {
        out.push_str(&quoted(text));
        return;
    }
    out.push_str("\"\"\"");
    if !text.contains('\n') && !text.ends_with(['"', '\\']) {
        push_escaped(out, text);
    } else {
        out.push('\n');
        for line in text.lines() {
            // An indent alone would become a part of the text.
            if !line.is_empty() {
                out.push_str(indent);
                push_escaped(out, line);
            }
            out.push('\n');
        }
        out.push_str(indent);
    }
    out.push_str("\"\"\"");
}

fn push_escaped(out: &mut String, text: &str) {
    if text.contains('"') {
        out.push_str(&text.replace("\"\"\"", "\\\"\"\""));
    } else {
        out.push_str(text);
    }
}

/// A block string takes away the indent that its lines share and blank lines at its ends, and knows no escapes.
fn fits_block(text: &str) -> bool {
    let blank = |character: char| matches!(character, ' ' | '\t' | '\n');
    !text.is_empty()
        && !text.starts_with(blank)
        && !text.ends_with(blank)
        && !text.chars().any(|character| character.is_control() && !matches!(character, '\n' | '\t'))
}
