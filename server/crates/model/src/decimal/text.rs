//! Decimals as text: reading, writing, and comparing texts in place.

use std::cmp::Ordering;
use std::fmt;

use bigdecimal::num_bigint::{BigInt, Sign};

use super::{Decimal, Repr};

/// Longest text that is read, in characters.
pub const LENGTH_MAX: usize = 100;

impl Decimal {
    /// Reads `-?digits(.digits)?`, of at most 100 characters: no exponent, no plus sign, no spaces.
    pub fn parse(text: &str) -> Option<Self> {
        if text.len() > LENGTH_MAX {
            return None;
        }
        let plain = Plain::parse(text)?;
        let scale = u32::try_from(plain.fraction.len()).ok()?;
        let digits = || plain.integer.bytes().chain(plain.fraction.bytes()).map(|byte| byte - b'0');
        if plain.integer.len() + plain.fraction.len() <= 38 {
            let magnitude = digits().fold(0_i128, |number, digit| number * 10 + i128::from(digit));
            return Some(Self::from_parts(if plain.negative { -magnitude } else { magnitude }, scale));
        }
        let sign = if plain.negative { Sign::Minus } else { Sign::Plus };
        let digits: Vec<u8> = digits().collect();
        Some(Self::from_big(BigInt::from_radix_be(sign, &digits, 10)?, scale))
    }

    /// The number rounded half away from zero, with exactly `scale` digits after the point; zero has no sign.
    pub fn to_fixed(&self, scale: u32) -> String {
        let mut text = Vec::with_capacity(32);
        self.write_fixed(scale, &mut text);
        String::from_utf8(text).expect("digits, a sign and a point are ASCII")
    }

    /// Appends what [`Decimal::to_fixed`] gives.
    pub fn write_fixed(&self, scale: u32, out: &mut Vec<u8>) {
        let rounded;
        let number = if self.scale() > scale {
            rounded = self.round(scale);
            &rounded
        } else {
            self
        };
        number.write_digits(out);
        let own = number.scale();
        if own == 0 && scale > 0 {
            out.push(b'.');
        }
        out.extend(std::iter::repeat_n(b'0', (scale - own) as usize));
    }

    /// Appends the number with its own digits only.
    fn write_digits(&self, out: &mut Vec<u8>) {
        let scale = self.scale() as usize;
        if self.is_negative() {
            out.push(b'-');
        }
        let mut buffer = [0_u8; 40];
        let big;
        let digits: &[u8] = match &self.0 {
            Repr::Small { digits, .. } => write_magnitude(digits.unsigned_abs(), &mut buffer),
            Repr::Big { digits, .. } => {
                big = digits.magnitude().to_str_radix(10).into_bytes();
                &big
            }
        };
        let integer = digits.len().saturating_sub(scale);
        if integer == 0 {
            out.push(b'0');
        }
        out.extend_from_slice(&digits[..integer]);
        if scale > 0 {
            out.push(b'.');
            out.extend(std::iter::repeat_n(b'0', scale.saturating_sub(digits.len())));
            out.extend_from_slice(&digits[integer..]);
        }
    }

    /// Orders two texts as the decimals that they write, without allocating; the order of a database collation.
    ///
    /// It is total: texts that are no plain decimals come after all that are, and among themselves by their bytes.
    pub fn compare_text(a: &str, b: &str) -> Ordering {
        match (Plain::parse(a), Plain::parse(b)) {
            (Some(a), Some(b)) => a.cmp(&b),
            (Some(_), None) => Ordering::Less,
            (None, Some(_)) => Ordering::Greater,
            (None, None) => a.as_bytes().cmp(b.as_bytes()),
        }
    }
}

impl fmt::Display for Decimal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut text = Vec::with_capacity(32);
        self.write_digits(&mut text);
        f.write_str(std::str::from_utf8(&text).expect("digits, a sign and a point are ASCII"))
    }
}

impl fmt::Debug for Decimal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

/// A plain decimal's parts in the text that holds it, without the zeros that mean nothing.
#[derive(PartialEq, Eq)]
struct Plain<'a> {
    negative: bool,
    integer: &'a str,
    fraction: &'a str,
}

impl<'a> Plain<'a> {
    fn parse(text: &'a str) -> Option<Self> {
        let (negative, unsigned) = match text.strip_prefix('-') {
            Some(unsigned) => (true, unsigned),
            None => (false, text),
        };
        let (integer, fraction) = unsigned.split_once('.').unwrap_or((unsigned, "0"));
        let is_digits = |part: &str| !part.is_empty() && part.bytes().all(|byte| byte.is_ascii_digit());
        if !is_digits(integer) || !is_digits(fraction) {
            return None;
        }
        let integer = integer.trim_start_matches('0');
        let fraction = fraction.trim_end_matches('0');
        let is_zero = integer.is_empty() && fraction.is_empty();
        Some(Self { negative: negative && !is_zero, integer, fraction })
    }

    fn cmp(&self, other: &Self) -> Ordering {
        let magnitude = || {
            let by_integer = self.integer.len().cmp(&other.integer.len()).then_with(|| self.integer.cmp(other.integer));
            // Without trailing zeros, the order of fractions is that of their texts: "5" is above "25", and "2" below it.
            by_integer.then_with(|| self.fraction.cmp(other.fraction))
        };
        match (self.negative, other.negative) {
            (false, true) => Ordering::Greater,
            (true, false) => Ordering::Less,
            (false, false) => magnitude(),
            (true, true) => magnitude().reverse(),
        }
    }
}

/// The digits of `number`, in the end of `buffer`.
fn write_magnitude(mut number: u128, buffer: &mut [u8; 40]) -> &[u8] {
    let mut start = buffer.len();
    // Most numbers fit 64 bits, where a division costs a fraction of one of 128 bits.
    while number > u128::from(u64::MAX) {
        start -= 1;
        buffer[start] = b'0' + (number % 10) as u8;
        number /= 10;
    }
    let mut number = number as u64;
    while number > 0 {
        start -= 1;
        buffer[start] = b'0' + (number % 10) as u8;
        number /= 10;
    }
    &buffer[start..]
}
