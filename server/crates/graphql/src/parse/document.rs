//! Operations, fragments and selections (<https://spec.graphql.org/September2025/#sec-Document>).

use std::collections::HashMap;
use std::collections::hash_map::Entry;

use async_graphql_parser::types::{
    DocumentOperations, ExecutableDocument, Field, FragmentDefinition, FragmentSpread, InlineFragment,
    OperationDefinition, OperationType, Selection, SelectionSet, TypeCondition, VariableDefinition,
};
use async_graphql_parser::{Pos, Positioned};
use async_graphql_value::Name;

use super::lexer::Token;
use super::value::Variables;
use super::{Parser, syntax_error, text};
use crate::error::Error;

type Operations = HashMap<Name, Positioned<OperationDefinition>>;
type Fragments = HashMap<Name, Positioned<FragmentDefinition>>;

impl<'a> Parser<'a> {
    pub(super) fn document(mut self) -> Result<ExecutableDocument, Error> {
        let mut anonymous = None;
        let mut named = Operations::new();
        let mut fragments = Fragments::new();
        while self.token != Token::End {
            let described = self.description()?;
            let position = self.position;
            match self.token {
                Token::Punctuator(b'{') if !described => {
                    let operation = self.operation(OperationType::Query, position, Vec::new())?;
                    lone(&mut anonymous, operation)?;
                }
                Token::Name("fragment") => self.fragment(&mut fragments)?,
                _ => {
                    let ty = self.operation_type()?;
                    let name = if let Token::Name(_) = self.token { Some(self.name()?) } else { None };
                    let variables = self.optional([b'(', b')'], Self::variable)?;
                    let operation = self.operation(ty, position, variables)?;
                    match name {
                        None => lone(&mut anonymous, operation)?,
                        Some(name) => insert(&mut named, "operation", name, operation)?,
                    }
                }
            }
        }
        let operations = match anonymous {
            None if named.is_empty() => return Err(Error::input("The document has no operation.")),
            None => DocumentOperations::Multiple(named),
            Some(operation) if named.is_empty() => DocumentOperations::Single(operation),
            Some(operation) => return Err(not_alone(operation.pos)),
        };
        Ok(ExecutableDocument { operations, fragments })
    }

    /// Goes past a description, which is for who reads the text.
    fn description(&mut self) -> Result<bool, Error> {
        match self.token {
            Token::Text(raw) => {
                text::string(raw).map_err(|message| syntax_error(&message, self.position))?;
            }
            Token::Block(_) => {}
            _ => return Ok(false),
        }
        self.advance()?;
        Ok(true)
    }

    fn operation_type(&mut self) -> Result<OperationType, Error> {
        let ty = match self.token {
            Token::Name("query") => OperationType::Query,
            Token::Name("mutation") => OperationType::Mutation,
            Token::Name("subscription") => OperationType::Subscription,
            _ => return Err(self.unexpected("an operation or a fragment")),
        };
        self.advance()?;
        Ok(ty)
    }

    /// What follows an operation's name and variables.
    fn operation(
        &mut self,
        ty: OperationType,
        position: Pos,
        variable_definitions: Vec<Positioned<VariableDefinition>>,
    ) -> Result<Positioned<OperationDefinition>, Error> {
        let directives = self.directives(Variables::Allowed)?;
        let selection_set = self.selection_set()?;
        Ok(Positioned::new(OperationDefinition { ty, variable_definitions, directives, selection_set }, position))
    }

    fn variable(&mut self) -> Result<Positioned<VariableDefinition>, Error> {
        self.description()?;
        let position = self.position;
        self.expect(b'$')?;
        let name = self.name()?;
        self.expect(b':')?;
        let var_type = self.ty()?;
        let default_value = if self.skip(b'=')? {
            let value = self.value(Variables::Refused)?;
            let constant = value.node.into_const().expect("no variable was let in");
            Some(Positioned::new(constant, value.pos))
        } else {
            None
        };
        let directives = self.directives(Variables::Refused)?;
        Ok(Positioned::new(VariableDefinition { name, var_type, directives, default_value }, position))
    }

    fn fragment(&mut self, fragments: &mut Fragments) -> Result<(), Error> {
        let position = self.position;
        self.advance()?;
        if self.token == Token::Name("on") {
            return Err(self.unexpected("a fragment's name"));
        }
        let name = self.name()?;
        let type_condition = self.type_condition()?.ok_or_else(|| self.unexpected("\"on\""))?;
        let directives = self.directives(Variables::Allowed)?;
        let selection_set = self.selection_set()?;
        let fragment = FragmentDefinition { type_condition, directives, selection_set };
        insert(fragments, "fragment", name, Positioned::new(fragment, position))
    }

    fn type_condition(&mut self) -> Result<Option<Positioned<TypeCondition>>, Error> {
        let position = self.position;
        if self.token != Token::Name("on") {
            return Ok(None);
        }
        self.advance()?;
        Ok(Some(Positioned::new(TypeCondition { on: self.name()? }, position)))
    }

    fn selection_set(&mut self) -> Result<Positioned<SelectionSet>, Error> {
        let position = self.position;
        let items = self.several([b'{', b'}'], Self::selection)?;
        Ok(Positioned::new(SelectionSet { items }, position))
    }

    fn selection(&mut self) -> Result<Positioned<Selection>, Error> {
        let position = self.position;
        let selection = if self.token == Token::Spread {
            self.advance()?;
            match self.token {
                Token::Name(name) if name != "on" => {
                    let fragment_name = self.name()?;
                    let directives = self.directives(Variables::Allowed)?;
                    Selection::FragmentSpread(Positioned::new(FragmentSpread { fragment_name, directives }, position))
                }
                _ => {
                    let type_condition = self.type_condition()?;
                    let directives = self.directives(Variables::Allowed)?;
                    let selection_set = self.selection_set()?;
                    let inline = InlineFragment { type_condition, directives, selection_set };
                    Selection::InlineFragment(Positioned::new(inline, position))
                }
            }
        } else {
            Selection::Field(Positioned::new(self.field()?, position))
        };
        Ok(Positioned::new(selection, position))
    }

    fn field(&mut self) -> Result<Field, Error> {
        let first = self.name()?;
        let (alias, name) = if self.skip(b':')? { (Some(first), self.name()?) } else { (None, first) };
        let arguments = self.arguments(Variables::Allowed)?;
        let directives = self.directives(Variables::Allowed)?;
        let selection_set =
            if self.is(b'{') { self.selection_set()? } else { Positioned::new(SelectionSet::default(), self.position) };
        Ok(Field { alias, name, arguments, directives, selection_set })
    }
}

/// Keeps the operation without a name, of which there is one at most.
fn lone(
    anonymous: &mut Option<Positioned<OperationDefinition>>,
    operation: Positioned<OperationDefinition>,
) -> Result<(), Error> {
    let position = operation.pos;
    match anonymous.replace(operation) {
        None => Ok(()),
        Some(_) => Err(not_alone(position)),
    }
}

fn not_alone(position: Pos) -> Error {
    Error::input("An operation without a name must be the only operation of the document.").at(position)
}

fn insert<T>(definitions: &mut HashMap<Name, T>, kind: &str, name: Positioned<Name>, new: T) -> Result<(), Error> {
    match definitions.entry(name.node) {
        Entry::Vacant(entry) => {
            entry.insert(new);
            Ok(())
        }
        Entry::Occupied(entry) => {
            let message = format!("There can be only one {kind} named \"{}\".", entry.key());
            Err(Error::input(message).at(name.pos))
        }
    }
}
