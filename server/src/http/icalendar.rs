//! Calendars as text, by RFC 5545: lines of at most 75 bytes, texts with their signs escaped, times in UTC.

use cardine_engine::calendar::CalendarEntry;
use chrono::{DateTime, NaiveDate, Utc};

/// Bytes of a line, its end apart (section 3.1).
const LINE_MAX: usize = 75;

/// The calendar of these entries, called `name`; one without a title is called `untitled`, and all where they are not to be `named`. Each time that a record of a series occurs is an
/// entry of its own: what is left out or moved by daylight saving needs no rule that every program would have to follow alike.
pub fn write(name: &str, untitled: &str, named: bool, entries: &[CalendarEntry]) -> String {
    let mut out = String::new();
    let mut line = |text: &str| fold(text, &mut out);
    line("BEGIN:VCALENDAR");
    line("VERSION:2.0");
    line("PRODID:-//Cardine//Calendar//EN");
    line("CALSCALE:GREGORIAN");
    line("METHOD:PUBLISH");
    line(&format!("X-WR-CALNAME:{}", escaped(name)));
    line("REFRESH-INTERVAL;VALUE=DURATION:PT15M");
    for entry in entries {
        line("BEGIN:VEVENT");
        match entry.recurs {
            true => line(&format!("UID:{}-{}", entry.record, instant(entry.starts))),
            false => line(&format!("UID:{}", entry.record)),
        }
        line(&format!("DTSTAMP:{}", instant(entry.changed)));
        match entry.days {
            Some((first, after)) => {
                line(&format!("DTSTART;VALUE=DATE:{}", day(first)));
                line(&format!("DTEND;VALUE=DATE:{}", day(after)));
            }
            None => {
                line(&format!("DTSTART:{}", instant(entry.starts)));
                // What ends when it begins has no end (section 3.6.1).
                if let Some(ends) = entry.ends.filter(|ends| *ends > entry.starts) {
                    line(&format!("DTEND:{}", instant(ends)));
                }
            }
        }
        line(&format!("SUMMARY:{}", escaped(entry.title.as_deref().filter(|_| named).unwrap_or(untitled))));
        line("END:VEVENT");
    }
    line("END:VCALENDAR");
    out
}

fn instant(at: DateTime<Utc>) -> String {
    at.format("%Y%m%dT%H%M%SZ").to_string()
}

fn day(day: NaiveDate) -> String {
    day.format("%Y%m%d").to_string()
}

/// Section 3.3.11. Other control characters cannot stand in a text.
fn escaped(text: &str) -> String {
    let mut escaped = String::with_capacity(text.len());
    for character in text.chars() {
        match character {
            '\\' | ';' | ',' => {
                escaped.push('\\');
                escaped.push(character);
            }
            '\n' => escaped.push_str("\\n"),
            '\t' => escaped.push('\t'),
            control if control.is_control() => {}
            other => escaped.push(other),
        }
    }
    escaped
}

/// Appends a line, folded where it is too long: between characters, and the rest behind a space.
fn fold(line: &str, out: &mut String) {
    let mut length = 0;
    for character in line.chars() {
        if length + character.len_utf8() > LINE_MAX {
            out.push_str("\r\n ");
            length = 1;
        }
        out.push(character);
        length += character.len_utf8();
    }
    out.push_str("\r\n");
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_are_folded_between_characters() {
        let mut out = String::new();
        fold(&"è".repeat(100), &mut out);
        let lines: Vec<&str> = out.split_terminator("\r\n").collect();
        assert!(lines.iter().all(|line| line.len() <= LINE_MAX), "{lines:?}");
        assert!(lines.len() == 3 && lines[1..].iter().all(|line| line.starts_with(' ')), "{lines:?}");
        assert_eq!(lines.concat().replace(' ', ""), "è".repeat(100));
    }

    #[test]
    fn a_text_cannot_leave_its_line() {
        assert_eq!(escaped("a\r\nEND:VEVENT;x,y\\\u{7}"), "a\\nEND:VEVENT\\;x\\,y\\\\");
    }
}
