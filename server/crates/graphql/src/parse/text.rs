//! What strings mean: escapes, and the indentation of block strings
//! (<https://spec.graphql.org/September2025/#sec-String-Value>).

/// The text between `"` and `"`, or what is wrong in it.
pub(super) fn string(raw: &str) -> Result<String, String> {
    let mut text = String::with_capacity(raw.len());
    let mut rest = raw;
    while let Some(position) = rest.find('\\') {
        text.push_str(&rest[..position]);
        let (character, length) = escape(&rest[position..])?;
        text.push(character);
        rest = &rest[position + length..];
    }
    text.push_str(rest);
    Ok(text)
}

/// The character that an escape at the start of `raw` stands for, and the escape's length.
fn escape(raw: &str) -> Result<(char, usize), String> {
    let plain = match raw.as_bytes().get(1) {
        Some(b'u') => return unicode(raw),
        Some(b'"') => '"',
        Some(b'\\') => '\\',
        Some(b'/') => '/',
        Some(b'b') => '\u{8}',
        Some(b'f') => '\u{C}',
        Some(b'n') => '\n',
        Some(b'r') => '\r',
        Some(b't') => '\t',
        _ => return Err(unknown(raw, 2)),
    };
    Ok((plain, 2))
}

fn unicode(raw: &str) -> Result<(char, usize), String> {
    if let Some(braced) = raw.strip_prefix("\\u{") {
        let end = braced.find('}').ok_or_else(|| unknown(raw, 3))?;
        let digits = &braced[..end];
        // Any number of zeros may stand in front.
        let significant = digits.trim_start_matches('0');
        let code = if digits.is_empty() || significant.len() > 6 { None } else { hexadecimal(digits) };
        let character = code.and_then(char::from_u32).ok_or_else(|| unknown(raw, end + 4))?;
        return Ok((character, end + 4));
    }
    let unit = |raw: &str| hexadecimal(raw.strip_prefix("\\u")?.get(..4)?);
    let first = unit(raw).ok_or_else(|| unknown(raw, 6))?;
    if let Some(character) = char::from_u32(first) {
        return Ok((character, 6));
    }
    // Beyond 16 bits, two of them stand for one character, as in JSON.
    let second = raw.get(6..).and_then(unit).ok_or_else(|| unknown(raw, 6))?;
    let both = [first, second].map(|unit| u16::try_from(unit).unwrap_or_default());
    match char::decode_utf16(both).next() {
        Some(Ok(character)) => Ok((character, 12)),
        _ => Err(unknown(raw, 6)),
    }
}

/// Nothing but digits: no sign, which the standard library would take.
fn hexadecimal(digits: &str) -> Option<u32> {
    let plain = digits.bytes().all(|byte| byte.is_ascii_hexdigit());
    let significant = digits.trim_start_matches('0');
    let number = if significant.is_empty() { "0" } else { significant };
    plain.then(|| u32::from_str_radix(number, 16).ok()).flatten()
}

fn unknown(raw: &str, length: usize) -> String {
    let shown: String = raw.chars().take(length.min(12)).collect();
    format!("There is no escape {shown} in strings.")
}

/// The text between `"""` and `"""`, without the indentation that all lines share and without blank lines around it.
pub(super) fn block(raw: &str) -> String {
    let raw = raw.replace("\\\"\"\"", "\"\"\"");
    let lines: Vec<&str> = lines(&raw);
    let indent = |line: &&str| line.len() - line.trim_start_matches([' ', '\t']).len();
    let is_blank = |line: &&str| indent(line) == line.len();
    let shared = lines.iter().skip(1).filter(|line| !is_blank(line)).map(indent).min().unwrap_or(0);
    let Some(first) = lines.iter().position(|line| !is_blank(line)) else { return String::new() };
    let last = lines.iter().rposition(|line| !is_blank(line)).unwrap_or(first);
    let mut text = String::with_capacity(raw.len());
    for (position, line) in lines.iter().enumerate().take(last + 1).skip(first) {
        if position > first {
            text.push('\n');
        }
        // The first line stands behind the quotes: its indentation says nothing.
        text.push_str(if position == 0 { line } else { line.get(shared..).unwrap_or_default() });
    }
    text
}

fn lines(text: &str) -> Vec<&str> {
    let mut lines = Vec::new();
    let mut rest = text;
    while let Some(end) = rest.find(['\n', '\r']) {
        lines.push(&rest[..end]);
        let both = rest[end..].starts_with("\r\n");
        rest = &rest[end + 1 + usize::from(both)..];
    }
    lines.push(rest);
    lines
}
