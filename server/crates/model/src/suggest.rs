//! The name that was probably meant, for messages about unknown names.

/// Longer text is not compared: the distance is quadratic in the length, names have at most 48 letters, and hostile text
/// is not worth the time.
const LENGTH_MAX: usize = 64;

/// `; did you mean …?` with the one of `names` nearest to `wrong` (equal but for case, else at most a third of its letters
/// apart), or nothing.
pub fn did_you_mean<'a>(wrong: &str, names: impl IntoIterator<Item = &'a str>) -> String {
    nearest(wrong, names).map_or_else(String::new, |name| format!("; did you mean `{name}`?"))
}

fn nearest<'a>(wrong: &str, names: impl IntoIterator<Item = &'a str>) -> Option<&'a str> {
    let length = wrong.chars().count();
    if length > LENGTH_MAX {
        return None;
    }
    let wrong = wrong.to_lowercase();
    let most = (length / 3).clamp(1, 3);
    names
        .into_iter()
        // At least as many edits as the lengths differ by; most names are put aside by that alone.
        .filter(|name| name.chars().count().abs_diff(length) <= most)
        .map(|name| (distance(&wrong, &name.to_lowercase()), name))
        .filter(|(distance, _)| *distance <= most)
        .min_by_key(|(distance, _)| *distance)
        .map(|(_, name)| name)
}

/// Letters to add, take away, change or swap with the next (optimal string alignment).
fn distance(a: &str, b: &str) -> usize {
    let a: Vec<char> = a.chars().collect();
    let b: Vec<char> = b.chars().collect();
    let mut rows = vec![vec![0; b.len() + 1]; a.len() + 1];
    for i in 0..=a.len() {
        for j in 0..=b.len() {
            rows[i][j] = match (i, j) {
                (0, _) => j,
                (_, 0) => i,
                _ => {
                    let change = rows[i - 1][j - 1] + usize::from(a[i - 1] != b[j - 1]);
                    let shift = rows[i - 1][j].min(rows[i][j - 1]) + 1;
                    let swapped = i > 1 && j > 1 && a[i - 1] == b[j - 2] && a[i - 2] == b[j - 1];
                    let swap = if swapped { rows[i - 2][j - 2] + 1 } else { usize::MAX };
                    change.min(shift).min(swap)
                }
            };
        }
    }
    rows[a.len()][b.len()]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_near_names_are_suggested() {
        let names = ["amount", "stage", "closeDate"];
        assert_eq!(did_you_mean("ammount", names), "; did you mean `amount`?");
        assert_eq!(nearest("closedate", names), Some("closeDate"));
        assert_eq!(nearest("stgae", names), Some("stage"));
        assert_eq!(nearest("stag", names), Some("stage"));
        assert_eq!(did_you_mean("stxyz", names), "");
        assert_eq!(nearest("city", names), None);
        assert_eq!(nearest(&"x".repeat(1000), [&*"x".repeat(999)]), None);
    }
}
