//! The header `Range` (RFC 9110, section 14): one part of a content, in bytes.

use std::ops::Range;

/// What to send.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Part {
    /// All of it: nothing else was asked for, or in a way that a server may leave unheard, such as several parts.
    Whole,
    /// This part, which has at least one byte.
    Some(Range<u64>),
    /// The content has no such part.
    None,
}

/// What the header means for a content of `size` bytes.
pub fn part_of(header: Option<&str>, size: u64) -> Part {
    let Some((first, last)) = header.and_then(|header| header.trim().strip_prefix("bytes=")?.split_once('-')) else {
        return Part::Whole;
    };
    match (number(first), number(last)) {
        // The last so many bytes.
        (Some(None), Some(Some(count))) => match size.min(count) {
            0 => Part::None,
            count => Part::Some(size - count..size),
        },
        (Some(Some(first)), Some(last)) => {
            if last.is_some_and(|last| last < first) {
                return Part::Whole;
            }
            let end = last.map_or(size, |last| last.saturating_add(1).min(size));
            if first < end { Part::Some(first..end) } else { Part::None }
        }
        _ => Part::Whole,
    }
}

/// A number, or none in an empty text; nothing if it is neither. One that is too long is as good as the longest.
#[expect(clippy::option_option, reason = "left out is not the same as faulty")]
fn number(text: &str) -> Option<Option<u64>> {
    if text.is_empty() {
        return Some(None);
    }
    let is_number = text.len() <= 40 && text.bytes().all(|byte| byte.is_ascii_digit());
    is_number.then(|| Some(text.parse().unwrap_or(u64::MAX)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_part_is_cut_at_the_end() {
        for (header, part) in [
            ("bytes=0-0", 0..1),
            ("bytes=0-", 0..10),
            ("bytes=3-5", 3..6),
            ("bytes=9-99999999999999999999999", 9..10),
            ("bytes=-3", 7..10),
            ("bytes=-11", 0..10),
        ] {
            assert_eq!(part_of(Some(header), 10), Part::Some(part), "{header}");
        }
    }

    #[test]
    fn what_is_beyond_the_content_cannot_be_had() {
        for header in
            ["bytes=10-", "bytes=10-11", "bytes=-0", "bytes=18446744073709551615-", "bytes=99999999999999999999-"]
        {
            assert_eq!(part_of(Some(header), 10), Part::None, "{header}");
        }
    }

    #[test]
    fn what_is_no_range_is_left_unheard() {
        let headers = [
            "",
            "bytes",
            "bytes=",
            "bytes=-",
            "bytes=5-3",
            "bytes=a-b",
            "bytes=0-1,3-4",
            "lines=0-1",
            "bytes=+1-2",
            "bytes=--1",
        ];
        assert_eq!(part_of(None, 10), Part::Whole);
        for header in headers {
            assert_eq!(part_of(Some(header), 10), Part::Whole, "{header}");
        }
    }
}
