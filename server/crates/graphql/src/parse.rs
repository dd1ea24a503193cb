//! The text of an executable document becomes its syntax tree (<https://spec.graphql.org/September2025/#sec-Language>).
//!
//! The tree's types are those of `async-graphql-parser`, which the administration's library takes too; its own parser is
//! not used: it refuses what the specification allows (`\u{…}`, directives after a default) and takes what it refuses
//! (`queryDeals { … }`), and it bounds no nesting but that of selections. This one goes through the text once.

mod document;
mod lexer;
mod text;
mod value;

use async_graphql_parser::Pos;
use async_graphql_parser::types::ExecutableDocument;

use crate::error::Error;
use crate::limits::Limits;
use lexer::{Lexer, Token};

/// Parses a query text that is not too long and not too deep.
pub fn parse(text: &str, limits: &Limits) -> Result<ExecutableDocument, Error> {
    if text.len() > limits.text_bytes {
        return Err(Error::limit("bytes of query text", limits.text_bytes, text.len()));
    }
    Parser::new(text, limits)?.document()
}

/// One token ahead, how many brackets are open, and how many places of variables were met.
struct Parser<'a> {
    lexer: Lexer<'a>,
    token: Token<'a>,
    position: Pos,
    open: usize,
    variables: usize,
    limits: &'a Limits,
}

impl<'a> Parser<'a> {
    fn new(text: &'a str, limits: &'a Limits) -> Result<Self, Error> {
        let mut lexer = Lexer::new(text);
        let (token, position) = lexer.read()?;
        Ok(Self { lexer, token, position, open: 0, variables: 0, limits })
    }

    fn advance(&mut self) -> Result<(), Error> {
        (self.token, self.position) = self.lexer.read()?;
        self.variables += usize::from(self.is(b'$'));
        if self.variables > self.limits.variables {
            let found = format!("more than {}", self.limits.variables);
            return Err(Error::limit("places of variables", self.limits.variables, found).at(self.position));
        }
        Ok(())
    }

    fn is(&self, punctuator: u8) -> bool {
        self.token == Token::Punctuator(punctuator)
    }

    /// Goes past the punctuator if it is next.
    fn skip(&mut self, punctuator: u8) -> Result<bool, Error> {
        let found = self.is(punctuator);
        if found {
            self.advance()?;
        }
        Ok(found)
    }

    fn expect(&mut self, punctuator: u8) -> Result<(), Error> {
        if self.skip(punctuator)? { Ok(()) } else { Err(self.unexpected(&format!("\"{}\"", punctuator as char))) }
    }

    /// Goes past an opening bracket, unless too many are open: what follows is parsed by recursion.
    fn open(&mut self, bracket: u8) -> Result<(), Error> {
        if self.is(bracket) {
            self.open += 1;
            if self.open > self.limits.nesting {
                let found = format!("more than {}", self.limits.nesting);
                return Err(Error::limit("nested brackets", self.limits.nesting, found).at(self.position));
            }
        }
        self.expect(bracket)
    }

    /// Goes past a closing bracket if it is next.
    fn close(&mut self, bracket: u8) -> Result<bool, Error> {
        let found = self.skip(bracket)?;
        self.open -= usize::from(found);
        Ok(found)
    }

    /// One item or more, between brackets.
    fn several<T>(
        &mut self,
        brackets: [u8; 2],
        mut item: impl FnMut(&mut Self) -> Result<T, Error>,
    ) -> Result<Vec<T>, Error> {
        let [start, end] = brackets;
        self.open(start)?;
        let mut items = vec![item(self)?];
        while !self.close(end)? {
            items.push(item(self)?);
        }
        Ok(items)
    }

    /// As [`Self::several`], or none without brackets.
    fn optional<T>(
        &mut self,
        brackets: [u8; 2],
        item: impl FnMut(&mut Self) -> Result<T, Error>,
    ) -> Result<Vec<T>, Error> {
        if self.is(brackets[0]) { self.several(brackets, item) } else { Ok(Vec::new()) }
    }

    fn unexpected(&self, wanted: &str) -> Error {
        syntax_error(&format!("Expected {wanted}, found {}.", self.token), self.position)
    }
}

fn syntax_error(message: &str, position: Pos) -> Error {
    Error::input(format!("Syntax error: {message}")).at(position)
}

#[cfg(test)]
mod tests;
