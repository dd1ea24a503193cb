//! What becomes of a file's name as its uploader gives it: it is shown to people and never used as a path.

/// Most characters of a name.
pub const NAME_LENGTH_MAX: usize = 255;

/// A name without folders, without what cannot be seen or turns the direction of reading, and without dots and spaces at its ends.
pub(super) fn clean(given: &str) -> String {
    let last = given.rsplit(['/', '\\']).next().unwrap_or_default();
    let visible: String = last.chars().filter(|character| !is_hidden(*character)).collect();
    let name: String = visible.trim_matches(is_margin).chars().take(NAME_LENGTH_MAX).collect();
    // What was cut off may leave a space at the end.
    let name = name.trim_end_matches(is_margin);
    if name.is_empty() { "file".to_owned() } else { name.to_owned() }
}

fn is_margin(character: char) -> bool {
    character.is_whitespace() || character == '.'
}

/// Control characters, and the characters of Unicode that format or direct text without being seen.
fn is_hidden(character: char) -> bool {
    character.is_control()
        || matches!(character,
            '\u{ad}' | '\u{61c}' | '\u{180e}' | '\u{200b}'..='\u{200f}' | '\u{2028}'..='\u{202e}' | '\u{2060}'..='\u{206f}'
            | '\u{feff}' | '\u{fff9}'..='\u{fffb}' | '\u{e0000}'..='\u{e007f}')
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_has_no_folders_and_nothing_unseen() {
        for (given, name) in [
            ("contract.pdf", "contract.pdf"),
            ("../../etc/passwd", "passwd"),
            ("D:\\letters\\x\\offer.docx", "offer.docx"),
            ("..", "file"),
            ("", "file"),
            ("a/", "file"),
            (" . .hidden. ", "hidden"),
            ("two\0parts\r\n.txt", "twoparts.txt"),
            ("invoice\u{202e}fdp.exe", "invoicefdp.exe"),
            ("%2e%2e%2fx", "%2e%2e%2fx"),
            ("‥․．", "‥․．"),
            ("Übersicht 2026 \"neu\".pdf", "Übersicht 2026 \"neu\".pdf"),
        ] {
            assert_eq!(clean(given), name, "{given:?}");
        }
        assert_eq!(clean(&"x".repeat(300)).chars().count(), NAME_LENGTH_MAX);
        assert_eq!(clean(&format!("{} y", "x".repeat(254))).chars().count(), 254);
    }
}
