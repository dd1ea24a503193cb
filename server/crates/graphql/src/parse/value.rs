//! Values, arguments, directives and types (<https://spec.graphql.org/September2025/#sec-Input-Values>).

use async_graphql_parser::Positioned;
use async_graphql_parser::types::{BaseType, Directive, Type};
use async_graphql_value::{Name, Value};
use cardine_model::json_value::survives;
use indexmap::IndexMap;
use indexmap::map::Entry;
use serde_json::Number;

use super::lexer::Token;
use super::{Parser, syntax_error, text};
use crate::error::Error;
use crate::extent;

/// Whether variables may stand in a value: not where it must be the same for every request.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Variables {
    Allowed,
    Refused,
}

/// A name with its value.
pub(super) type Argument = (Positioned<Name>, Positioned<Value>);

impl Parser<'_> {
    pub(super) fn name(&mut self) -> Result<Positioned<Name>, Error> {
        let Token::Name(name) = self.token else { return Err(self.unexpected("a name")) };
        let name = Positioned::new(Name::new(name), self.position);
        self.advance()?;
        Ok(name)
    }

    pub(super) fn arguments(&mut self, variables: Variables) -> Result<Vec<Argument>, Error> {
        self.optional([b'(', b')'], |parser| {
            let name = parser.name()?;
            parser.expect(b':')?;
            Ok((name, parser.value(variables)?))
        })
    }

    pub(super) fn directives(&mut self, variables: Variables) -> Result<Vec<Positioned<Directive>>, Error> {
        let mut directives = Vec::new();
        while self.is(b'@') {
            let position = self.position;
            self.advance()?;
            let name = self.name()?;
            let arguments = self.arguments(variables)?;
            directives.push(Positioned::new(Directive { name, arguments }, position));
        }
        Ok(directives)
    }

    pub(super) fn value(&mut self, variables: Variables) -> Result<Positioned<Value>, Error> {
        let position = self.position;
        let value = match self.token {
            Token::Punctuator(b'[') => Value::List(self.list(variables)?),
            Token::Punctuator(b'{') => Value::Object(self.object(variables)?),
            Token::Punctuator(b'$') if variables == Variables::Allowed => {
                self.advance()?;
                return Ok(Positioned::new(Value::Variable(self.name()?.node), position));
            }
            Token::Punctuator(b'$') => return Err(self.unexpected("a value without variables")),
            _ => {
                let value = self.leaf()?;
                self.advance()?;
                value
            }
        };
        Ok(Positioned::new(value, position))
    }

    fn leaf(&self) -> Result<Value, Error> {
        Ok(match self.token {
            Token::Name("true") => Value::Boolean(true),
            Token::Name("false") => Value::Boolean(false),
            Token::Name("null") => Value::Null,
            Token::Name(name) => Value::Enum(Name::new(name)),
            Token::Int(digits) => Value::Number(match (digits.parse::<i64>(), digits.parse::<u64>()) {
                (Ok(number), _) => number.into(),
                (_, Ok(number)) => number.into(),
                _ => self.float(digits)?,
            }),
            Token::Float(digits) => Value::Number(self.float(digits)?),
            Token::Text(raw) => {
                Value::String(text::string(raw).map_err(|message| syntax_error(&message, self.position))?)
            }
            Token::Block(raw) => Value::String(text::block(raw)),
            _ => return Err(self.unexpected("a value")),
        })
    }

    fn float(&self, digits: &str) -> Result<Number, Error> {
        let number = digits.parse().ok().and_then(Number::from_f64);
        let number = number.ok_or_else(|| syntax_error("The number is too large.", self.position))?;
        if survives(digits) { Ok(number) } else { Err(extent::too_precise(digits).at(self.position)) }
    }

    fn list(&mut self, variables: Variables) -> Result<Vec<Value>, Error> {
        self.open(b'[')?;
        let mut items = Vec::new();
        while !self.close(b']')? {
            items.push(self.value(variables)?.node);
        }
        Ok(items)
    }

    fn object(&mut self, variables: Variables) -> Result<IndexMap<Name, Value>, Error> {
        self.open(b'{')?;
        let mut fields = IndexMap::new();
        while !self.close(b'}')? {
            let name = self.name()?;
            self.expect(b':')?;
            let value = self.value(variables)?.node;
            match fields.entry(name.node) {
                Entry::Vacant(entry) => {
                    entry.insert(value);
                }
                // A rule of validation, looked at here because the tree keeps each field once.
                Entry::Occupied(entry) => {
                    let message = format!("There can be only one input field named \"{}\".", entry.key());
                    return Err(Error::input(message).at(name.pos));
                }
            }
        }
        Ok(fields)
    }

    pub(super) fn ty(&mut self) -> Result<Positioned<Type>, Error> {
        let position = self.position;
        let base = if self.is(b'[') {
            self.open(b'[')?;
            let item = self.ty()?.node;
            if !self.close(b']')? {
                return Err(self.unexpected("\"]\""));
            }
            BaseType::List(Box::new(item))
        } else {
            BaseType::Named(self.name()?.node)
        };
        let nullable = !self.skip(b'!')?;
        Ok(Positioned::new(Type { base, nullable }, position))
    }
}
