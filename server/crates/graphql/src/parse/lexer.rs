//! Tokens with their places (<https://spec.graphql.org/September2025/#sec-Language.Source-Text>).

use std::fmt;

use async_graphql_parser::Pos;

use super::syntax_error;
use crate::error::Error;

/// A lexical token; texts are still as they stand between their quotes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Token<'a> {
    /// One of `! $ & ( ) : = @ [ ] { | }`.
    Punctuator(u8),
    /// `...`
    Spread,
    Name(&'a str),
    Int(&'a str),
    Float(&'a str),
    /// Between `"` and `"`.
    Text(&'a str),
    /// Between `"""` and `"""`.
    Block(&'a str),
    /// The document's end.
    End,
}

impl fmt::Display for Token<'_> {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Punctuator(byte) => write!(out, "\"{}\"", *byte as char),
            Self::Spread => out.write_str("\"...\""),
            Self::Name(text) | Self::Int(text) | Self::Float(text) => write!(out, "\"{}\"", shortened(text)),
            Self::Text(_) | Self::Block(_) => out.write_str("a string"),
            Self::End => out.write_str("the end"),
        }
    }
}

/// As much of a name or number as a message shows.
fn shortened(text: &str) -> &str {
    &text[..text.len().min(60)]
}

/// Goes through the text once.
pub(super) struct Lexer<'a> {
    text: &'a str,
    bytes: &'a [u8],
    at: usize,
    line: usize,
    line_start: usize,
    /// Bytes on this line that begin no character: columns count characters.
    continuations: usize,
}

impl<'a> Lexer<'a> {
    pub(super) fn new(text: &'a str) -> Self {
        Self { text, bytes: text.as_bytes(), at: 0, line: 1, line_start: 0, continuations: 0 }
    }

    /// The next token and where it begins; at the end, the end again.
    pub(super) fn read(&mut self) -> Result<(Token<'a>, Pos), Error> {
        self.skip_ignored();
        let position = self.position();
        let Some(byte) = self.peek(0) else { return Ok((Token::End, position)) };
        let token = match byte {
            b'!' | b'$' | b'&' | b'(' | b')' | b':' | b'=' | b'@' | b'[' | b']' | b'{' | b'|' | b'}' => {
                self.at += 1;
                Token::Punctuator(byte)
            }
            b'.' if self.peek(1) == Some(b'.') && self.peek(2) == Some(b'.') => {
                self.at += 3;
                Token::Spread
            }
            b'"' if self.bytes[self.at..].starts_with(b"\"\"\"") => self.block(position)?,
            b'"' => self.string(position)?,
            b'-' | b'0'..=b'9' => self.number(position)?,
            byte if is_name_start(byte) => {
                let start = self.at;
                self.skip_while(is_name_part);
                Token::Name(&self.text[start..self.at])
            }
            _ => {
                let character = self.text[self.at..].chars().next().unwrap_or_default();
                return Err(syntax_error(&format!("The character {character:?} is not expected here."), position));
            }
        };
        Ok((token, position))
    }

    fn position(&self) -> Pos {
        Pos { line: self.line, column: self.at - self.line_start - self.continuations + 1 }
    }

    fn peek(&self, ahead: usize) -> Option<u8> {
        self.bytes.get(self.at + ahead).copied()
    }

    fn skip_while(&mut self, is_part: impl Fn(u8) -> bool) {
        while self.peek(0).is_some_and(&is_part) {
            self.at += 1;
        }
    }

    /// White space, line ends, commas, comments and byte order marks mean nothing.
    fn skip_ignored(&mut self) {
        while let Some(byte) = self.peek(0) {
            match byte {
                b' ' | b'\t' | b',' => self.at += 1,
                b'\n' | b'\r' => self.step(),
                b'#' => {
                    while self.peek(0).is_some_and(|byte| !is_line_end(byte)) {
                        self.step();
                    }
                }
                0xEF if self.bytes[self.at..].starts_with("\u{FEFF}".as_bytes()) => {
                    for _ in 0..3 {
                        self.step();
                    }
                }
                _ => return,
            }
        }
    }

    /// Goes over one byte where lines may end and characters may have several bytes.
    fn step(&mut self) {
        let byte = self.bytes[self.at];
        self.at += 1;
        match byte {
            b'\r' if self.peek(0) == Some(b'\n') => {}
            b'\n' | b'\r' => {
                self.line += 1;
                self.line_start = self.at;
                self.continuations = 0;
            }
            _ => self.continuations += usize::from(byte & 0xC0 == 0x80),
        }
    }

    fn string(&mut self, position: Pos) -> Result<Token<'a>, Error> {
        self.at += 1;
        let start = self.at;
        loop {
            match self.peek(0) {
                Some(b'"') => break,
                Some(b'\\') if self.peek(1).is_some_and(|byte| !is_line_end(byte)) => {
                    self.step();
                    self.step();
                }
                Some(byte) if !is_line_end(byte) && byte != b'\\' => self.step(),
                _ => return Err(syntax_error("The string does not end on its line.", position)),
            }
        }
        self.at += 1;
        Ok(Token::Text(&self.text[start..self.at - 1]))
    }

    fn block(&mut self, position: Pos) -> Result<Token<'a>, Error> {
        self.at += 3;
        let start = self.at;
        loop {
            match &self.bytes[self.at..] {
                [b'"', b'"', b'"', ..] => break,
                [b'\\', b'"', b'"', b'"', ..] => self.at += 4,
                [] => return Err(syntax_error("The block string does not end.", position)),
                _ => self.step(),
            }
        }
        self.at += 3;
        Ok(Token::Block(&self.text[start..self.at - 3]))
    }

    fn number(&mut self, position: Pos) -> Result<Token<'a>, Error> {
        let start = self.at;
        self.at += usize::from(self.peek(0) == Some(b'-'));
        let mut faulty = if self.peek(0) == Some(b'0') {
            self.at += 1;
            // Zeros in front are for other languages' octal numbers.
            self.peek(0).is_some_and(|byte| byte.is_ascii_digit())
        } else {
            !self.digits()
        };
        let mut is_float = false;
        if !faulty && self.peek(0) == Some(b'.') {
            is_float = true;
            self.at += 1;
            faulty = !self.digits();
        }
        if !faulty && matches!(self.peek(0), Some(b'e' | b'E')) {
            is_float = true;
            self.at += 1;
            self.at += usize::from(matches!(self.peek(0), Some(b'+' | b'-')));
            faulty = !self.digits();
        }
        if faulty || self.peek(0).is_some_and(|byte| byte == b'.' || is_name_start(byte)) {
            return Err(syntax_error("Such a number is not written this way.", position));
        }
        let text = &self.text[start..self.at];
        Ok(if is_float { Token::Float(text) } else { Token::Int(text) })
    }

    /// Goes over digits, and tells whether there was one.
    fn digits(&mut self) -> bool {
        let start = self.at;
        self.skip_while(|byte| byte.is_ascii_digit());
        self.at > start
    }
}

fn is_line_end(byte: u8) -> bool {
    matches!(byte, b'\n' | b'\r')
}

fn is_name_start(byte: u8) -> bool {
    byte.is_ascii_alphabetic() || byte == b'_'
}

fn is_name_part(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || byte == b'_'
}
