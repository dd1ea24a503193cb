//! PostgreSQL's binary `numeric` ↔ plain decimal text, digit by digit.
//!
//! The format: four 16-bit numbers (how many digits, weight of the first, sign, digits after the point to show), then the
//! digits to the base 10,000 (`numeric_send` in PostgreSQL's `numeric.c`).

use bytes::{BufMut as _, BytesMut};

use crate::StoreError;

const POSITIVE: u16 = 0x0000;
const NEGATIVE: u16 = 0x4000;

/// Writes the number that `text` is: `-?digits(.digits)?`.
pub(super) fn encode(text: &str, out: &mut BytesMut) -> Result<(), StoreError> {
    let refused = || StoreError::internal("a decimal that is not written as one");
    let (sign, digits) = text.strip_prefix('-').map_or((POSITIVE, text), |digits| (NEGATIVE, digits));
    let (whole, fraction) = digits.split_once('.').unwrap_or((digits, ""));
    if whole.is_empty() || !digits.bytes().all(|byte| byte.is_ascii_digit() || byte == b'.') || fraction.contains('.') {
        return Err(refused());
    }
    let whole = whole.trim_start_matches('0');
    let shown = u16::try_from(fraction.len()).map_err(|_| refused())?;

    // Groups of four, counted from the point.
    let mut groups: Vec<u16> = Vec::with_capacity((whole.len() + fraction.len()) / 4 + 2);
    let (head, rest) = whole.split_at(whole.len() % 4);
    if !head.is_empty() {
        groups.push(group(head));
    }
    groups.extend(rest.as_bytes().chunks(4).map(|chunk| chunk.iter().fold(0, push_digit)));
    let mut weight = i16::try_from(groups.len()).map_err(|_| refused())? - 1;
    groups.extend(fraction.as_bytes().chunks(4).map(|chunk| {
        let shift = 10_u16.pow(u32::try_from(4 - chunk.len()).expect("at most 4"));
        chunk.iter().fold(0, push_digit) * shift
    }));
    let zeros = groups.iter().take_while(|group| **group == 0).count();
    groups.drain(..zeros);
    weight -= i16::try_from(zeros).map_err(|_| refused())?;
    while groups.last() == Some(&0) {
        groups.pop();
    }

    let is_zero = groups.is_empty();
    out.put_u16(u16::try_from(groups.len()).map_err(|_| refused())?);
    out.put_i16(if is_zero { 0 } else { weight });
    out.put_u16(if is_zero { POSITIVE } else { sign });
    out.put_u16(shown);
    groups.into_iter().for_each(|group| out.put_u16(group));
    Ok(())
}

/// Appends the number in plain digits, with as many after the point as PostgreSQL shows.
pub(super) fn decode(bytes: &[u8], out: &mut String) -> Result<(), StoreError> {
    let damaged = || StoreError::corrupt("a numeric that is none");
    let word =
        |position: usize| bytes.get(2 * position..2 * position + 2).map(|pair| u16::from_be_bytes([pair[0], pair[1]]));
    let head = |position: usize| word(position).ok_or_else(damaged);
    let (count, weight, sign, shown) = (head(0)?, head(1)?.cast_signed(), head(2)?, head(3)?);
    let group = |position: usize| word(position + 4);
    let whole = bytes.len() == 8 + 2 * usize::from(count);
    if !whole || (0..usize::from(count)).filter_map(group).any(|group| group > 9_999) {
        return Err(damaged());
    }
    match sign {
        POSITIVE => {}
        NEGATIVE => out.push('-'),
        _ => return Err(StoreError::corrupt("a numeric that is infinite or not a number")),
    }
    let group_at = |position: i32| {
        let position = i32::from(weight) - position;
        usize::try_from(position).ok().and_then(group).unwrap_or(0)
    };
    if weight < 0 {
        out.push('0');
    }
    for position in (0..=i32::from(weight)).rev() {
        let digits = digits_of(group_at(position));
        let leading = if position == i32::from(weight) {
            digits.iter().take_while(|digit| **digit == b'0').count().min(3)
        } else {
            0
        };
        push_ascii(&digits[leading..], out);
    }
    if shown > 0 {
        out.push('.');
    }
    let mut left = usize::from(shown);
    let mut position = -1;
    while left > 0 {
        let digits = digits_of(group_at(position));
        push_ascii(&digits[..left.min(4)], out);
        left = left.saturating_sub(4);
        position -= 1;
    }
    Ok(())
}

fn group(digits: &str) -> u16 {
    digits.as_bytes().iter().fold(0, push_digit)
}

fn push_digit(number: u16, digit: &u8) -> u16 {
    number * 10 + u16::from(digit - b'0')
}

fn digits_of(group: u16) -> [u8; 4] {
    [1_000, 100, 10, 1].map(|unit| b'0' + u8::try_from(group / unit % 10).expect("less than ten"))
}

fn push_ascii(digits: &[u8], out: &mut String) {
    out.push_str(std::str::from_utf8(digits).expect("digits are ASCII"));
}

#[cfg(test)]
mod tests {
    use super::*;

    fn round_trip(text: &str) -> String {
        let mut bytes = BytesMut::new();
        encode(text, &mut bytes).unwrap();
        let mut out = String::new();
        decode(&bytes, &mut out).unwrap();
        out
    }

    #[test]
    fn every_digit_survives() {
        for text in [
            "0",
            "0.00",
            "1",
            "-1",
            "10",
            "9999",
            "10000",
            "10001.0001",
            "0.1",
            "0.0001",
            "0.00001",
            "-0.00000000000000000001",
            "1234567890123456789012345678",
            "-9999999999999999.9999999999",
            "100000000",
            "0.5000",
            "12.50",
            "1000.0000000000",
        ] {
            assert_eq!(round_trip(text), text);
        }
        assert_eq!(round_trip("-0.00"), "0.00");
        assert_eq!(round_trip("007.5"), "7.5");
    }

    #[test]
    fn the_bytes_are_postgresqls() {
        let mut bytes = BytesMut::new();
        // select numeric_send(-12345.678)
        encode("-12345.678", &mut bytes).unwrap();
        assert_eq!(&bytes[..], [0, 3, 0, 1, 0x40, 0, 0, 3, 0, 1, 0x09, 0x29, 0x1a, 0x7c]);
    }

    #[test]
    fn what_is_no_number_is_refused() {
        for text in ["", "-", ".5", "1e3", "1.2.3", "+1", " 1", "NaN"] {
            assert!(encode(text, &mut BytesMut::new()).is_err(), "{text}");
        }
        let not_a_number = [0, 0, 0, 0, 0xc0, 0, 0, 0];
        assert!(matches!(decode(&not_a_number, &mut String::new()), Err(StoreError::Corrupt(_))));
        assert!(matches!(decode(&[0, 2, 0, 0, 0, 0, 0, 0, 0, 1], &mut String::new()), Err(StoreError::Corrupt(_))));
    }
}
