//! From text to CEL's syntax tree, by the `cel` crate's parser; every name, literal and position stays exact.

use std::collections::BTreeMap;

use cel::common::ast::{Expr, LiteralValue, SourceInfo};
use cel::parser::{Expression, Parser};

use super::scan::{Atom, scan};
use super::{DEPTH_MAX, RuleIssue, SOURCE_LENGTH_MAX};
use crate::Value;

/// A parsed rule.
pub(super) struct Parsed {
    /// The tree. Literals are names in it; see [`Parsed::atom`].
    pub root: Expression,
    positions: SourceInfo,
    masked: String,
    atoms: BTreeMap<usize, Name>,
}

/// What a name in the tree stands for.
#[derive(Debug, Clone, PartialEq)]
pub(super) enum Name {
    /// A number or a text.
    Literal(Value),
    /// A name that the tree cannot hold.
    Reserved(String),
}

/// Parses `source` within the limits of length and depth.
pub(super) fn parse(source: &str) -> Result<Parsed, Vec<RuleIssue>> {
    let length = source.chars().count();
    if length > SOURCE_LENGTH_MAX {
        let message = format!("the rule has {length} characters; at most {SOURCE_LENGTH_MAX} are allowed");
        return Err(vec![RuleIssue { position: 0, message }]);
    }
    let scan = scan(source)?;
    if scan.masked.trim().is_empty() {
        return Err(vec![RuleIssue { position: 0, message: "the rule is empty".to_owned() }]);
    }
    let mut issues = Vec::new();
    let mut atoms = BTreeMap::new();
    for (position, atom) in scan.atoms {
        match name(atom) {
            Ok(name) => drop(atoms.insert(position, name)),
            Err(message) => issues.push(RuleIssue { position, message }),
        }
    }
    if !issues.is_empty() {
        return Err(issues);
    }
    // The scan has bounded the depth; the parser's own limit also counts what brackets nothing.
    let parser = Parser::new().max_recursion_depth(2 * DEPTH_MAX as u16).error_recovery_limit(3);
    match parser.parse_with_source_info(&scan.masked) {
        Ok((root, positions)) => Ok(Parsed { root, positions, masked: scan.masked, atoms }),
        Err(errors) => Err(syntax_issues(source, &scan.masked, &errors.errors)),
    }
}

impl Parsed {
    /// Where `node` is, in bytes from the start of the rule.
    pub fn position(&self, node: &Expression) -> usize {
        self.positions.offset_for(node.id).map_or(0, |(start, _)| start as usize)
    }

    /// What the name `node` stands for, if it is not itself.
    pub fn atom(&self, node: &Expression) -> Option<&Name> {
        self.atoms.get(&self.position(node))
    }

    /// The position of the next name after `position`: of the field behind a point.
    pub fn name_after(&self, position: usize) -> usize {
        let is_part = |byte: &u8| *byte == b'_' || byte.is_ascii_alphanumeric();
        let rest = &self.masked.as_bytes()[position..];
        position + rest.iter().position(is_part).unwrap_or(0)
    }

    /// The position of the name before `position`: of the function whose bracket opens there.
    pub fn name_before(&self, position: usize) -> usize {
        let is_part = |byte: u8| byte == b'_' || byte.is_ascii_alphanumeric();
        let before = self.masked[..position].trim_end();
        before.len() - before.bytes().rev().take_while(|byte| is_part(*byte)).count()
    }

    /// What stands behind the name at `position`, where the tree has only its mask.
    pub fn atom_at(&self, position: usize) -> Option<&Name> {
        self.atoms.get(&position)
    }
}

fn name(atom: Atom) -> Result<Name, String> {
    Ok(match atom {
        Atom::Number(number) => Name::Literal(Value::Decimal(number)),
        Atom::Text(literal) => Name::Literal(Value::Text(text(&literal)?)),
        Atom::Name(name) => Name::Reserved(name),
    })
}

/// The text that a literal writes, by CEL's escapes.
fn text(literal: &str) -> Result<String, String> {
    let text = match Parser::new().parse(literal).map(|node| node.expr) {
        Ok(Expr::Literal(LiteralValue::String(text))) => text.inner().to_owned(),
        _ => {
            return Err("this text has an escape that is none; a backslash is written `\\\\`".to_owned());
        }
    };
    if text.contains('\0') {
        return Err("a text cannot hold the character U+0000".to_owned());
    }
    Ok(text)
}

/// The parser's faults, in the words of this language.
fn syntax_issues(source: &str, masked: &str, errors: &[cel::ParseError]) -> Vec<RuleIssue> {
    let mut issues: Vec<RuleIssue> = Vec::new();
    for error in errors {
        let position = offset(masked, error.pos);
        // One fault makes several errors at one place.
        if issues.iter().any(|issue| issue.position == position) {
            continue;
        }
        let rest = source.get(position..).unwrap_or("");
        let message = match token(rest) {
            "" => "the rule ends where a value is missing".to_owned(),
            "and" | "AND" => "the operator is written `&&`".to_owned(),
            "or" | "OR" => "the operator is written `||`".to_owned(),
            "not" | "NOT" => "the operator is written `!`, as in `!(x in [1, 2])`".to_owned(),
            token => format!("`{token}` is not expected here"),
        };
        issues.push(RuleIssue { position, message });
    }
    // What follows the first fault of syntax is mostly its echo.
    issues.truncate(1);
    issues
}

/// The byte at a line and column, both from 1.
fn offset(masked: &str, (line, column): (isize, isize)) -> usize {
    let lines = usize::try_from(line - 1).unwrap_or(0);
    let start: usize = masked.split_inclusive('\n').take(lines).map(str::len).sum();
    (start + usize::try_from(column - 1).unwrap_or(0)).min(masked.trim_end().len())
}

/// The first word or sign of `rest`, to show.
fn token(rest: &str) -> &str {
    let is_part = |character: char| character == '_' || character == '.' || character.is_alphanumeric();
    let word = rest.find(|character| !is_part(character)).unwrap_or(rest.len());
    let length = if word > 0 { word } else { rest.chars().next().map_or(0, char::len_utf8) };
    &rest[..length]
}
