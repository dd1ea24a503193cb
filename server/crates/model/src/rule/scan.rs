//! The first pass over a rule's text: takes out the literals, whose exact value CEL's parser would lose, and bounds the
//! nesting before anything recursive runs.

mod nesting;

use std::collections::BTreeMap;

use nesting::Nesting;

use super::{DEPTH_MAX, RuleIssue};
use crate::Decimal;

/// A rule's text, ready for a parser of CEL.
pub(super) struct Scan {
    /// As long as the source, in ASCII: literals and reserved words are one name padded with spaces, comments are spaces.
    pub masked: String,
    /// What was taken out, by its position.
    pub atoms: BTreeMap<usize, Atom>,
}

/// What stands behind a masked name.
#[derive(Debug, Clone, PartialEq)]
pub(super) enum Atom {
    /// A number literal.
    Number(Decimal),
    /// A text literal, as written, with its quotes.
    Text(String),
    /// A name that CEL reserves but a field may have.
    Name(String),
}

/// Words that CEL keeps for other languages' sake; fields may bear them.
const RESERVED: [&str; 17] = [
    "as",
    "break",
    "const",
    "continue",
    "else",
    "for",
    "function",
    "if",
    "import",
    "let",
    "loop",
    "package",
    "namespace",
    "return",
    "var",
    "void",
    "while",
];

/// Reads `source` into tokens.
pub(super) fn scan(source: &str) -> Result<Scan, Vec<RuleIssue>> {
    let mut scanner = Scanner {
        source,
        bytes: source.as_bytes(),
        position: 0,
        masked: Vec::with_capacity(source.len()),
        atoms: BTreeMap::new(),
        nesting: vec![Nesting::new(b' ', 0)],
        after_operand: false,
        issues: Vec::new(),
    };
    while scanner.position < source.len() {
        scanner.token();
    }
    if let Some(open) = scanner.nesting[1..].last() {
        let (position, bracket) = (open.position, char::from(open.bracket));
        scanner.issue(position, format!("this `{bracket}` is not closed"));
    }
    scanner.end_part();
    if scanner.issues.is_empty() && scanner.nesting[0].deepest > DEPTH_MAX {
        scanner.issue(0, too_deep());
    }
    if !scanner.issues.is_empty() {
        return Err(scanner.issues);
    }
    let masked = String::from_utf8(scanner.masked).expect("the masked text is ASCII");
    Ok(Scan { masked, atoms: scanner.atoms })
}

pub(super) fn too_deep() -> String {
    format!("the rule is nested more than {DEPTH_MAX} levels deep; split it into several fields or rules")
}

struct Scanner<'a> {
    source: &'a str,
    bytes: &'a [u8],
    position: usize,
    masked: Vec<u8>,
    atoms: BTreeMap<usize, Atom>,
    /// The brackets that are open, the whole rule first.
    nesting: Vec<Nesting>,
    /// Whether the last token ends an operand, so that `-` is a difference and not a sign.
    after_operand: bool,
    issues: Vec<RuleIssue>,
}

impl<'a> Scanner<'a> {
    fn token(&mut self) {
        let start = self.position;
        match self.bytes[start] {
            b' ' | b'\t' | b'\n' | b'\r' | 0x0C => self.keep(1),
            b'/' if self.byte(1) == b'/' => {
                let length = self.rest().find('\n').unwrap_or(self.rest().len());
                self.blank(length);
            }
            b'"' | b'\'' => self.text(0, false),
            b'0'..=b'9' => self.number(),
            b'.' if self.byte(1).is_ascii_digit() => {
                self.issue(start, "a number needs a digit before its point, as in `0.5`".to_owned());
                self.blank(1);
            }
            first if first == b'_' || first.is_ascii_alphabetic() => self.word(),
            _ => self.symbol(),
        }
    }

    fn word(&mut self) {
        let length = self.rest().bytes().take_while(|byte| *byte == b'_' || byte.is_ascii_alphanumeric()).count();
        let word = &self.rest()[..length];
        if matches!(self.byte(length), b'"' | b'\'') {
            if matches!(word, "r" | "R") {
                return self.text(1, true);
            }
            let problem = format!("`{word}` before a text is not part of the rule language; leave it out");
            self.issue(self.position, problem);
            return self.text(length, false);
        }
        if RESERVED.contains(&word) {
            self.atom(length, Atom::Name(word.to_owned()));
        } else if word == "in" {
            self.operator(3);
            self.keep(length);
        } else {
            self.operand(length);
        }
    }

    fn number(&mut self) {
        let start = self.position;
        let digits = |text: &str| text.bytes().take_while(u8::is_ascii_digit).count();
        let mut length = digits(self.rest());
        if self.byte(length) == b'.' && self.byte(length + 1).is_ascii_digit() {
            length += 1 + digits(&self.rest()[length + 1..]);
        }
        let tail =
            self.rest()[length..].bytes().take_while(|byte| *byte == b'_' || byte.is_ascii_alphanumeric()).count();
        let number = Decimal::parse(&self.rest()[..length]);
        match number {
            _ if tail > 0 => {
                self.issue(start, "a number is written with digits and a point only, as in `12.5`".to_owned());
                self.blank(length + tail);
            }
            None => {
                self.issue(start, "this number has more than 100 characters".to_owned());
                self.blank(length);
            }
            Some(number) => {
                self.atom(length, Atom::Number(number));
                if self.bytes[self.position..].iter().find(|byte| !byte.is_ascii_whitespace()) == Some(&b'(') {
                    self.issue(start, "a number cannot be called like a function".to_owned());
                }
            }
        }
    }

    /// A text literal that starts `prefix` bytes before its quote.
    fn text(&mut self, prefix: usize, raw: bool) {
        let start = self.position;
        let quote = self.byte(prefix);
        let triple = self.byte(prefix + 1) == quote && self.byte(prefix + 2) == quote;
        let width = if triple { 3 } else { 1 };
        let mut end = prefix + width;
        loop {
            match self.byte(end) {
                0 if start + end >= self.bytes.len() => {
                    self.issue(start, format!("this text is not closed; a `{}` is missing", char::from(quote)));
                    return self.blank(self.rest().len());
                }
                b'\n' if !triple => {
                    self.issue(start, "a text must end on its own line; write a line break as `\\n`".to_owned());
                    return self.blank(self.rest().len());
                }
                b'\\' if !raw => end += 2,
                byte if byte == quote && (!triple || (self.byte(end + 1) == quote && self.byte(end + 2) == quote)) => {
                    end += width;
                    break;
                }
                _ => end += 1,
            }
        }
        let literal = self.rest()[..end].to_owned();
        self.atom(end, Atom::Text(literal));
    }

    fn symbol(&mut self) {
        let start = self.position;
        let two = &self.bytes[start..self.bytes.len().min(start + 2)];
        match two {
            b"<>" => return self.refuse(2, "does not compare; use `!=`"),
            b"==" | b"!=" | b"<=" | b">=" => self.operator(3),
            b"&&" => self.operator(2),
            b"||" => self.operator(1),
            b".?" | b"[?" => {
                return self.refuse(2, "is not part of the rule language; a missing value is null");
            }
            _ => {
                match two[0] {
                    b'<' | b'>' => self.operator(3),
                    b'+' => self.operator(4),
                    b'-' if self.after_operand => self.operator(4),
                    b'*' | b'/' | b'%' => self.operator(5),
                    b'-' | b'!' => self.top().sign(),
                    b'.' => self.operator(7),
                    b'?' => {
                        self.operator(0);
                        self.top().conditions.push(start);
                    }
                    b':' => {
                        if self.top().conditions.pop().is_none() {
                            // Within braces it is their echo.
                            if self.issues.is_empty() {
                                self.issue(start, "this `:` has no `?` before it".to_owned());
                            }
                            return self.blank(1);
                        }
                        self.top().part();
                        self.after_operand = false;
                    }
                    b'(' | b'[' => {
                        if self.after_operand {
                            self.operator(7);
                        }
                        self.open(two[0]);
                    }
                    b')' | b']' => return self.close(two[0]),
                    b',' => {
                        self.end_part();
                        self.after_operand = false;
                    }
                    b'=' => return self.refuse(1, "does not compare; use `==`"),
                    b'&' => return self.refuse(1, "is not an operator; use `&&`"),
                    b'|' => return self.refuse(1, "is not an operator; use `||`"),
                    b'{' | b'}' => {
                        self.issue(
                            start,
                            "the rule language has no maps or messages, so `{` and `}` mean nothing".to_owned(),
                        );
                        return self.blank(1);
                    }
                    _ => {
                        let length = self.rest().chars().next().map_or(1, char::len_utf8);
                        return self.refuse(length, "does not belong in a rule outside of a text in quotes");
                    }
                }
                return self.keep(1);
            }
        }
        self.keep(2);
    }

    fn open(&mut self, bracket: u8) {
        self.nesting.push(Nesting::new(bracket, self.position));
        // Told once: further brackets change nothing.
        if self.nesting.len() == DEPTH_MAX + 2 {
            self.issue(self.position, too_deep());
        }
    }

    fn close(&mut self, bracket: u8) {
        let opening = if bracket == b')' { b'(' } else { b'[' };
        if self.nesting.len() == 1 || self.top().bracket != opening {
            let opening = char::from(opening);
            return self.refuse(1, &format!("closes no `{opening}`"));
        }
        self.end_part();
        let inner = self.nesting.pop().expect("a bracket is open");
        self.top().operand = inner.deepest + 1;
        self.keep(1);
        self.after_operand = true;
    }

    /// Ends what stands between brackets or commas.
    fn end_part(&mut self) {
        let top = self.top();
        top.finish();
        if let Some(position) = std::mem::take(&mut top.conditions).pop() {
            let message = "this `?` has no `:`; it is written `condition ? then : otherwise`";
            self.issue(position, message.to_owned());
        }
    }

    fn operator(&mut self, precedence: usize) {
        self.top().operator(precedence);
        self.after_operand = false;
    }

    fn operand(&mut self, length: usize) {
        self.top().operand = 1;
        self.keep(length);
        self.after_operand = true;
    }

    /// Masks the next `length` bytes, which stand for `atom`.
    fn atom(&mut self, length: usize, atom: Atom) {
        self.atoms.insert(self.position, atom);
        self.top().operand = 1;
        self.masked.push(b'_');
        self.masked.resize(self.position + length, b' ');
        self.position += length;
        self.after_operand = true;
    }

    fn refuse(&mut self, length: usize, why: &str) {
        let symbol = self.rest()[..length].to_owned();
        self.issue(self.position, format!("`{symbol}` {why}"));
        self.blank(length);
    }

    fn keep(&mut self, length: usize) {
        let end = self.position + length;
        self.masked.extend_from_slice(&self.bytes[self.position..end]);
        self.position = end;
    }

    fn blank(&mut self, length: usize) {
        self.position += length;
        self.masked.resize(self.position, b' ');
    }

    /// Tells each fault once, where it is first.
    fn issue(&mut self, position: usize, message: String) {
        if self.issues.iter().any(|issue| issue.message == message) {
            return;
        }
        self.issues.push(RuleIssue { position, message });
    }

    /// The byte `ahead` of the position; 0 past the end.
    fn byte(&self, ahead: usize) -> u8 {
        self.bytes.get(self.position + ahead).copied().unwrap_or(0)
    }

    fn rest(&self) -> &'a str {
        &self.source[self.position..]
    }

    fn top(&mut self) -> &mut Nesting {
        self.nesting.last_mut().expect("the whole rule is never popped")
    }
}
