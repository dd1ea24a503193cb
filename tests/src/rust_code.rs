//! The server's Rust sources as tokens, for tests about what may not stand in them: without comments and without tests.

use std::str::FromStr as _;

use proc_macro2::{Delimiter, TokenStream, TokenTree};

/// Tests with their fixtures, and benches, may use what every reader knows; they are no part of the server.
#[must_use]
pub fn is_server_code(path: &str) -> bool {
    let is_test =
        path.split('/').any(|part| matches!(part, "tests" | "benches" | "tests.rs" | "fixture.rs" | "examples"));
    (path.starts_with("server/") || path.starts_with("migrations/")) && path.ends_with(".rs") && !is_test
}

/// The tokens of `text` with their lines, brackets taken apart.
///
/// Comments are no tokens, except documentation, which is an attribute; so attributes are passed over, and with
/// `#[cfg(test)]` and `#[test]` the item behind them.
///
/// # Panics
/// If `text`, the file at `path`, is not Rust.
#[must_use]
pub fn tokens(path: &str, text: &str) -> Vec<(usize, TokenTree)> {
    let stream = TokenStream::from_str(text).unwrap_or_else(|error| panic!("{path} is not Rust: {error}"));
    let mut tokens = Vec::new();
    collect(stream, &mut tokens);
    tokens
}

fn collect(stream: TokenStream, found: &mut Vec<(usize, TokenTree)>) {
    let mut tokens = stream.into_iter().peekable();
    while let Some(token) = tokens.next() {
        match token {
            TokenTree::Punct(mark) if mark.as_char() == '#' => {
                tokens.next_if(|next| matches!(next, TokenTree::Punct(mark) if mark.as_char() == '!'));
                let attribute = tokens.next_if(|next| matches!(next, TokenTree::Group(_)));
                if attribute.is_some_and(|attribute| is_for_tests(&attribute)) {
                    let _ = tokens.by_ref().find(ends_item);
                }
            }
            TokenTree::Group(group) => collect(group.stream(), found),
            token => found.push((token.span().start().line, token)),
        }
    }
}

fn is_for_tests(attribute: &TokenTree) -> bool {
    let TokenTree::Group(group) = attribute else {
        return false;
    };
    let text: String = group.stream().to_string().split_whitespace().collect();
    text == "cfg(test)" || text == "test" || text.ends_with("::test")
}

fn ends_item(token: &TokenTree) -> bool {
    match token {
        TokenTree::Group(group) => group.delimiter() == Delimiter::Brace,
        TokenTree::Punct(mark) => mark.as_char() == ';',
        _ => false,
    }
}
