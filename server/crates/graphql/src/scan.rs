//! A cheap look at the query text before the parser, which recurses: its size, how deep its brackets are nested, and input
//! objects that name a field twice, which the parser would silently merge; and how often variables are named.

use std::collections::HashSet;

use async_graphql_parser::Pos;

use crate::error::Error;
use crate::limits::Limits;

/// Checks the text in one pass, with memory in proportion to the nesting.
pub fn scan(text: &str, limits: &Limits) -> Result<(), Error> {
    if text.len() > limits.text_bytes {
        return Err(Error::limit("bytes of query text", limits.text_bytes, text.len()));
    }
    Scanner { text, bytes: text.as_bytes(), position: 0, open: Vec::new(), variables: 0, limits }.run()
}

struct Scanner<'a> {
    text: &'a str,
    bytes: &'a [u8],
    position: usize,
    open: Vec<Bracket<'a>>,
    variables: usize,
    limits: &'a Limits,
}

enum Bracket<'a> {
    /// A selection, a list, or the inside of parentheses.
    Other { in_arguments: bool },
    /// An input object, with the names met so far: a set, as there may be as many as fit into the text.
    Object(HashSet<&'a str>),
}

impl<'a> Scanner<'a> {
    fn run(mut self) -> Result<(), Error> {
        while let Some(byte) = self.bytes.get(self.position) {
            match byte {
                b'#' => self.skip_comment(),
                b'"' => self.skip_string(),
                b'{' | b'[' | b'(' => self.open(*byte)?,
                b'}' | b']' | b')' => {
                    self.open.pop();
                    self.position += 1;
                }
                b'$' => self.variable()?,
                b'_' | b'a'..=b'z' | b'A'..=b'Z' => self.name()?,
                _ => self.position += 1,
            }
        }
        Ok(())
    }

    fn open(&mut self, bracket: u8) -> Result<(), Error> {
        let in_arguments = bracket == b'('
            || match self.open.last() {
                Some(Bracket::Object(_)) => true,
                Some(Bracket::Other { in_arguments }) => *in_arguments,
                None => false,
            };
        let object = bracket == b'{' && in_arguments;
        self.open.push(if object { Bracket::Object(HashSet::new()) } else { Bracket::Other { in_arguments } });
        self.position += 1;
        if self.open.len() > self.limits.nesting {
            let found = format!("more than {}", self.limits.nesting);
            return Err(Error::limit("nested brackets", self.limits.nesting, found).at(self.place(self.position - 1)));
        }
        Ok(())
    }

    fn variable(&mut self) -> Result<(), Error> {
        self.variables += 1;
        self.position += 1;
        if self.variables > self.limits.variables {
            let found = format!("more than {}", self.limits.variables);
            return Err(Error::limit("places of variables", self.limits.variables, found));
        }
        Ok(())
    }

    fn name(&mut self) -> Result<(), Error> {
        let start = self.position;
        while self.bytes.get(self.position).is_some_and(|byte| byte.is_ascii_alphanumeric() || *byte == b'_') {
            self.position += 1;
        }
        let name = &self.text[start..self.position];
        let is_key = self.next_is_colon();
        if let (Some(Bracket::Object(names)), true) = (self.open.last_mut(), is_key)
            && !names.insert(name)
        {
            let message = format!("There can be only one input field named \"{name}\".");
            return Err(Error::input(message).at(self.place(start)));
        }
        Ok(())
    }

    /// A name in an input object is a field's if a colon follows; enum values and variables have none.
    fn next_is_colon(&self) -> bool {
        let mut rest = self.bytes[self.position..].iter();
        loop {
            match rest.next() {
                Some(b' ' | b'\t' | b'\n' | b'\r' | b',') => {}
                Some(b'#') => while rest.next().is_some_and(|byte| !matches!(byte, b'\n' | b'\r')) {},
                other => return other == Some(&b':'),
            }
        }
    }

    fn skip_comment(&mut self) {
        while self.bytes.get(self.position).is_some_and(|byte| !matches!(byte, b'\n' | b'\r')) {
            self.position += 1;
        }
    }

    fn skip_string(&mut self) {
        if self.bytes[self.position..].starts_with(b"\"\"\"") {
            self.position += 3;
            while self.position < self.bytes.len() {
                match &self.bytes[self.position..] {
                    [b'\\', b'"', b'"', b'"', ..] => self.position += 4,
                    [b'"', b'"', b'"', ..] => {
                        self.position += 3;
                        return;
                    }
                    _ => self.position += 1,
                }
            }
            return;
        }
        self.position += 1;
        while let Some(byte) = self.bytes.get(self.position) {
            self.position += if *byte == b'\\' { 2 } else { 1 };
            if matches!(byte, b'"' | b'\n' | b'\r') {
                return;
            }
        }
        self.position = self.bytes.len();
    }

    fn place(&self, position: usize) -> Pos {
        let before = &self.text[..position];
        let line_start = before.rfind('\n').map_or(0, |newline| newline + 1);
        Pos { line: before.matches('\n').count() + 1, column: before[line_start..].chars().count() + 1 }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::error::Code;

    fn refusal(text: &str) -> Option<Error> {
        scan(text, &Limits::default()).err()
    }

    #[test]
    fn deep_nesting_is_refused_before_the_parser_sees_it() {
        for bracket in ["{", "[", "(", "{a", "{a(b:[", "query($a:[["] {
            let error = refusal(&bracket.repeat(60_000 / bracket.len())).unwrap();
            assert_eq!(error.code, Code::LimitExceeded, "{bracket}");
        }
        assert_eq!(refusal(&format!("{}a{}", "{a".repeat(64), "}".repeat(64))), None);
    }

    #[test]
    fn brackets_in_strings_and_comments_are_not_counted() {
        let many = "{".repeat(200);
        assert_eq!(refusal(&format!("{{ a(b: \"{many}\\\"{many}\") }} # {many}")), None);
        assert_eq!(refusal(&format!("{{ a(b: \"\"\"{many} \\\"\"\" {many}\"\"\") }}")), None);
        assert!(refusal(&format!("{{ a(b: \"\") {many} }}")).is_some());
    }

    #[test]
    fn an_input_object_names_a_field_once() {
        let error = refusal("{\n  a(b: {c: 1, d: {c: 1}, c: 2}) }").unwrap();
        assert_eq!(error.message, "There can be only one input field named \"c\".");
        assert_eq!((error.locations[0].line, error.locations[0].column), (2, 26));
        assert_eq!(refusal("{ a(b: {c: c, d: $c}) c c: c }"), None);
    }

    #[test]
    fn variables_are_counted_in_all_their_places() {
        let uses = |count: usize| format!("query($x: [Int]) {{ a(b: [{}]) }}", "$x,".repeat(count));
        assert_eq!(refusal(&uses(1_999)), None);
        assert_eq!(refusal(&uses(2_000)).unwrap().code, Code::LimitExceeded);
        assert_eq!(refusal(&format!("{{ a(b: \"{}\") }}", "$".repeat(5_000))), None);
    }

    #[test]
    fn an_object_with_very_many_fields_is_looked_at_once() {
        let fields: String = (0..7_000).map(|name| format!("f{name:x}:1,")).collect();
        let start = std::time::Instant::now();
        assert_eq!(refusal(&format!("{{a(b:{{{fields}}})}}")), None);
        // Compared with each other they would take some seconds in this build.
        assert!(start.elapsed() < std::time::Duration::from_secs(1));
    }

    #[test]
    fn a_text_beyond_64_kib_is_refused() {
        let text = " ".repeat(64 * 1024 + 1);
        let message = "The limit of 65536 bytes of query text is exceeded: the request has 65537.";
        assert_eq!(refusal(&text).unwrap().message, message);
        assert_eq!(refusal(&text[1..]), None);
    }
}
