//! The fenced blocks of the project's documents, so that cases run what is printed.

use crate::repository;

/// A block between two fences of a Markdown document.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Block {
    /// The words behind the opening fence: a language, then what is to be done with it, such as `graphql admin`.
    pub info: String,
    /// What stands between the fences, with its last line's end.
    pub text: String,
    /// The opening fence's line in the document, from 1.
    pub line: usize,
}

/// The blocks of a document of the repository, in order.
///
/// # Panics
/// If the document is not there, or a fence is not closed.
#[must_use]
pub fn blocks_of(path: &str) -> Vec<Block> {
    let text = std::fs::read_to_string(repository::root().join(path)).unwrap_or_else(|error| panic!("{path}: {error}"));
    blocks(&text)
}

/// The blocks of a Markdown text, in order.
///
/// # Panics
/// If a fence is not closed.
#[must_use]
pub fn blocks(markdown: &str) -> Vec<Block> {
    let mut found = Vec::new();
    let mut open: Option<Block> = None;
    for (position, line) in markdown.lines().enumerate() {
        match (line.strip_prefix("```"), open.take()) {
            (Some(""), Some(block)) => found.push(block),
            (Some(info), None) => {
                open = Some(Block { info: info.trim().to_owned(), text: String::new(), line: position + 1 });
            }
            (_, Some(mut block)) => {
                block.text.push_str(line);
                block.text.push('\n');
                open = Some(block);
            }
            (None, None) => {}
        }
    }
    assert!(open.is_none(), "a fence is not closed: {open:?}");
    found
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn blocks_have_their_words_text_and_line() {
        let found = blocks("Text\n```graphql admin\n{ a }\n{ b }\n```\nmore\n```\nx\n```\n");
        assert_eq!(found.len(), 2);
        assert_eq!(
            (found[0].info.as_str(), found[0].text.as_str(), found[0].line),
            ("graphql admin", "{ a }\n{ b }\n", 2)
        );
        assert_eq!(found[1].info, "");
    }

    #[test]
    #[should_panic(expected = "not closed")]
    fn an_open_fence_is_a_fault() {
        let _ = blocks("```json\n{}\n");
    }
}
