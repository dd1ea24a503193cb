//! The name that was probably meant, for messages about unknown names.

/// `; did you mean …?` if one of `known` is near `unknown`, else nothing.
pub(super) fn did_you_mean<'a>(unknown: &str, known: impl IntoIterator<Item = &'a str>) -> String {
    // The distance is quadratic in the length; names are at most 48 long, hostile text is not worth the time.
    if unknown.chars().count() > 64 {
        return String::new();
    }
    let near = known
        .into_iter()
        // At least as many edits as the lengths differ by; most names are put aside by that alone.
        .filter(|name| name.len().abs_diff(unknown.len()) <= name.len() / 3 + 1)
        .map(|name| (distance(unknown, name), name))
        .filter(|(distance, name)| *distance <= name.len() / 3 + 1)
        .min();
    near.map(|(_, name)| format!("; did you mean `{name}`?"))
        .unwrap_or_default()
}

/// Edits without regard to case: letters added, removed or replaced (Levenshtein).
fn distance(left: &str, right: &str) -> usize {
    let left: Vec<char> = left.to_lowercase().chars().collect();
    let right: Vec<char> = right.to_lowercase().chars().collect();
    let mut row: Vec<usize> = (0..=right.len()).collect();
    for (line, left_char) in left.iter().enumerate() {
        let mut diagonal = row[0];
        row[0] = line + 1;
        for (column, right_char) in right.iter().enumerate() {
            let replaced = diagonal + usize::from(left_char != right_char);
            diagonal = row[column + 1];
            row[column + 1] = replaced.min(row[column] + 1).min(diagonal + 1);
        }
    }
    row[right.len()]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn near_names_are_suggested_and_far_ones_are_not() {
        let known = ["amount", "stage", "closeDate"];
        assert_eq!(did_you_mean("ammount", known), "; did you mean `amount`?");
        assert_eq!(
            did_you_mean("closedate", known),
            "; did you mean `closeDate`?"
        );
        assert_eq!(did_you_mean("xyzzy", known), "");
        assert_eq!(did_you_mean(&"x".repeat(1000), known), "");
    }
}
