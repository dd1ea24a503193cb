//! The formula: a logarithmic scale of the amount, worked out on its decimal digits.
//!
//! With the amount written as `m × 10^e`, `1 ≤ m < 10`, the score is
//!
//! ```text
//! floor(20 × (e − 2 + (m − 1) / 9)), held within 0 and 100
//! ```
//!
//! so 100 scores 0, 1,000 scores 20, 10,000 scores 40, 100,000 scores 60, 1,000,000 scores 80, and
//! 10,000,000 or more scores 100; between two powers of ten it follows a straight line. Amounts
//! below 100, zero and negative amounts score 0.
//!
//! No floating point: the line's steps lie at m = 1 + 0.45 × k, which have at most two decimals, so
//! the first three digits of `m` decide exactly.

const POINTS_PER_DECADE: i64 = 20;
const FIRST_EXPONENT: i64 = 2;

/// The score of a decimal number in plain notation (`-12.50`); `None` if it is not one.
pub fn score(amount: &str) -> Option<u8> {
    let (negative, unsigned) = match amount.strip_prefix('-') {
        Some(rest) => (true, rest),
        None => (false, amount),
    };
    let (whole, fraction) = match unsigned.split_once('.') {
        Some((whole, fraction)) if !fraction.is_empty() => (whole, fraction),
        Some(_) => return None,
        None => (unsigned, ""),
    };
    let digits_only = |text: &str| text.bytes().all(|byte| byte.is_ascii_digit());
    if whole.is_empty() || !digits_only(whole) || !digits_only(fraction) {
        return None;
    }
    let whole = whole.trim_start_matches('0');
    if negative || whole.is_empty() {
        return Some(0);
    }
    let exponent = i64::try_from(whole.len()).ok()? - 1;
    let leading_three = whole
        .bytes()
        .chain(fraction.bytes())
        .chain(std::iter::repeat(b'0'))
        .take(3)
        .fold(0, |number, digit| number * 10 + i64::from(digit - b'0'));
    let points = POINTS_PER_DECADE * (exponent - FIRST_EXPONENT) + POINTS_PER_DECADE * (leading_three - 100) / 900;
    u8::try_from(points.clamp(0, 100)).ok()
}

#[cfg(test)]
mod tests {
    use super::score;

    #[test]
    fn powers_of_ten_are_twenty_points_apart() {
        let scores = ["100", "1000", "10000", "100000", "1000000", "10000000"].map(score);
        assert_eq!(scores, [Some(0), Some(20), Some(40), Some(60), Some(80), Some(100)]);
    }

    #[test]
    fn a_straight_line_lies_between_two_powers() {
        assert_eq!(score("55000"), Some(50));
        assert_eq!(score("14499.99"), Some(40));
        assert_eq!(score("14500.00"), Some(41));
        assert_eq!(score("164002.75"), Some(61));
    }

    #[test]
    fn the_ends_are_held() {
        assert_eq!(score("0"), Some(0));
        assert_eq!(score("-5000000"), Some(0));
        assert_eq!(score("99.99"), Some(0));
        assert_eq!(score("0.000001"), Some(0));
        assert_eq!(score(&"9".repeat(300)), Some(100));
    }

    #[test]
    fn leading_zeros_do_not_count() {
        assert_eq!(score("0001000.50"), score("1000.50"));
    }

    #[test]
    fn what_is_no_plain_decimal_is_refused() {
        for text in ["", "-", ".5", "5.", "1e6", "1,000", "+5", "٣", "12.5.1", " 7"] {
            assert_eq!(score(text), None, "{text:?}");
        }
    }
}
