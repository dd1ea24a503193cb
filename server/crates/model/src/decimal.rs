//! Exact decimals of any size: what every number of a record, a rule and an answer is computed with.
//!
//! Numbers that fit keep their digits in an `i128`; larger ones in a big integer. Both are kept without trailing zeros
//! after the point, so that equality and hashing are those of the number and not of how it was written.

mod text;

use std::borrow::Cow;
use std::cmp::Ordering;
use std::ops::{Add, Mul, Neg, Sub};

use bigdecimal::num_bigint::{BigInt, Sign};
use bigdecimal::num_traits::{Signed, ToPrimitive, Zero};

/// Digits after the point to which a quotient is carried.
pub const QUOTIENT_SCALE: u32 = 20;

/// Largest power of ten that an `i128` holds.
const POWER_MAX: u32 = 38;

/// An exact decimal; `1.0` equals `1.00`.
#[derive(Clone, PartialEq, Eq, Hash)]
pub struct Decimal(Repr);

/// Always in its only form: least scale, and `Small` wherever the digits fit (`i128::MIN` apart, so that each has its negative).
#[derive(Clone, PartialEq, Eq, Hash)]
enum Repr {
    Small { digits: i128, scale: u32 },
    Big { digits: Box<BigInt>, scale: u32 },
}

impl Decimal {
    /// Zero.
    pub const ZERO: Self = Self(Repr::Small { digits: 0, scale: 0 });

    /// A whole number.
    pub fn from_i64(number: i64) -> Self {
        Self(Repr::Small { digits: i128::from(number), scale: 0 })
    }

    /// `mantissa` / 10^`scale`.
    pub fn from_parts(mantissa: i128, scale: u32) -> Self {
        if mantissa == i128::MIN {
            return Self::from_big(BigInt::from(mantissa), scale);
        }
        let (mut digits, mut scale) = (mantissa, scale);
        if digits == 0 {
            return Self::ZERO;
        }
        while scale > 0 && digits % 10 == 0 {
            digits /= 10;
            scale -= 1;
        }
        Self(Repr::Small { digits, scale })
    }

    /// The number without its sign.
    pub fn abs(&self) -> Self {
        if self.is_negative() { -self } else { self.clone() }
    }

    /// Whether it is zero.
    pub fn is_zero(&self) -> bool {
        matches!(self.0, Repr::Small { digits: 0, .. })
    }

    /// Whether it is below zero.
    pub fn is_negative(&self) -> bool {
        match &self.0 {
            Repr::Small { digits, .. } => *digits < 0,
            Repr::Big { digits, .. } => digits.is_negative(),
        }
    }

    /// The quotient carried to 20 digits after the point, the further ones cut off; `None` if `divisor` is zero.
    pub fn checked_div_20(&self, divisor: &Self) -> Option<Self> {
        if divisor.is_zero() {
            return None;
        }
        // self / divisor · 10^20 = (a · 10^(20 + scale of b)) / (b · 10^(scale of a))
        let raise = i64::from(QUOTIENT_SCALE) + i64::from(divisor.scale()) - i64::from(self.scale());
        let raise_dividend = u32::try_from(raise).unwrap_or(0);
        let raise_divisor = u32::try_from(-raise).unwrap_or(0);
        if let (Repr::Small { digits: a, .. }, Repr::Small { digits: b, .. }) = (&self.0, &divisor.0) {
            let raised = power_of_ten(raise_dividend).and_then(|power| a.checked_mul(power));
            let divided = power_of_ten(raise_divisor).and_then(|power| b.checked_mul(power));
            if let (Some(raised), Some(divided)) = (raised, divided) {
                return Some(Self::from_parts(raised.checked_div(divided)?, QUOTIENT_SCALE));
            }
        }
        let dividend = self.big_digits().into_owned() * big_power_of_ten(raise_dividend);
        let divisor = divisor.big_digits().into_owned() * big_power_of_ten(raise_divisor);
        Some(Self::from_big(dividend / divisor, QUOTIENT_SCALE))
    }

    /// The remainder of the division to a whole quotient, with this number's sign; `None` if `divisor` is zero.
    pub fn rem(&self, divisor: &Self) -> Option<Self> {
        if divisor.is_zero() {
            return None;
        }
        if let Some((a, b, scale)) = aligned(self, divisor) {
            return Some(Self::from_parts(a.checked_rem(b)?, scale));
        }
        let (a, b, scale) = aligned_big(self, divisor);
        Some(Self::from_big(a % b, scale))
    }

    /// Rounded half away from zero to at most `scale` digits after the point.
    pub fn round(&self, scale: u32) -> Self {
        let own = self.scale();
        if own <= scale {
            return self.clone();
        }
        if let (Repr::Small { digits, .. }, Some(unit)) = (&self.0, power_of_ten(own - scale)) {
            let (quotient, rest) = (digits / unit, digits % unit);
            // `unit` is even, and half of it is compared so that doubling `rest` cannot overflow.
            let away = if rest.abs() >= unit / 2 { digits.signum() } else { 0 };
            return Self::from_parts(quotient + away, scale);
        }
        let digits = self.big_digits();
        let unit = big_power_of_ten(own - scale);
        let (quotient, rest) = (digits.as_ref() / &unit, digits.as_ref() % &unit);
        let away = if rest.abs() * 2 >= unit { digits.signum() } else { BigInt::zero() };
        Self::from_big(quotient + away, scale)
    }

    /// Digits after the point, without trailing zeros.
    pub fn scale(&self) -> u32 {
        match self.0 {
            Repr::Small { scale, .. } | Repr::Big { scale, .. } => scale,
        }
    }

    /// The same as [`Decimal::scale`].
    pub fn fraction_digits(&self) -> u32 {
        self.scale()
    }

    /// Digits before the point, without leading zeros; none for `0.5`.
    pub fn integer_digits(&self) -> u32 {
        let all = match &self.0 {
            Repr::Small { digits: 0, .. } => 0,
            Repr::Small { digits, .. } => digits.unsigned_abs().ilog10() + 1,
            Repr::Big { digits, .. } => u32::try_from(digits.magnitude().to_str_radix(10).len()).unwrap_or(u32::MAX),
        };
        all.saturating_sub(self.scale())
    }

    /// Digits before and after the point.
    pub fn total_digits(&self) -> u32 {
        self.integer_digits().saturating_add(self.scale())
    }

    /// The number as an integer; `None` if it has a fraction or needs more than 64 bits.
    pub fn to_i64(&self) -> Option<i64> {
        match self.0 {
            Repr::Small { digits, scale: 0 } => i64::try_from(digits).ok(),
            _ => None,
        }
    }

    fn from_big(mut digits: BigInt, mut scale: u32) -> Self {
        let ten = BigInt::from(10);
        while scale > 0 && (&digits % &ten).is_zero() {
            if digits.is_zero() {
                return Self::ZERO;
            }
            digits /= &ten;
            scale -= 1;
        }
        match digits.to_i128() {
            Some(small) if small != i128::MIN => Self::from_parts(small, scale),
            _ => Self(Repr::Big { digits: Box::new(digits), scale }),
        }
    }

    fn big_digits(&self) -> Cow<'_, BigInt> {
        match &self.0 {
            Repr::Small { digits, .. } => Cow::Owned(BigInt::from(*digits)),
            Repr::Big { digits, .. } => Cow::Borrowed(digits),
        }
    }
}

impl From<i64> for Decimal {
    fn from(number: i64) -> Self {
        Self::from_i64(number)
    }
}

impl Add for &Decimal {
    type Output = Decimal;

    fn add(self, other: Self) -> Decimal {
        if let Some((a, b, scale)) = aligned(self, other)
            && let Some(sum) = a.checked_add(b)
        {
            return Decimal::from_parts(sum, scale);
        }
        let (a, b, scale) = aligned_big(self, other);
        Decimal::from_big(a + b, scale)
    }
}

impl Sub for &Decimal {
    type Output = Decimal;

    fn sub(self, other: Self) -> Decimal {
        self + &-other
    }
}

impl Mul for &Decimal {
    type Output = Decimal;

    fn mul(self, other: Self) -> Decimal {
        let scale = self.scale() + other.scale();
        if let (Repr::Small { digits: a, .. }, Repr::Small { digits: b, .. }) = (&self.0, &other.0)
            && let Some(product) = a.checked_mul(*b)
        {
            return Decimal::from_parts(product, scale);
        }
        Decimal::from_big(self.big_digits().as_ref() * other.big_digits().as_ref(), scale)
    }
}

impl Neg for &Decimal {
    type Output = Decimal;

    fn neg(self) -> Decimal {
        match &self.0 {
            Repr::Small { digits, scale } => Decimal(Repr::Small { digits: -digits, scale: *scale }),
            Repr::Big { digits, scale } => Decimal::from_big(-digits.as_ref(), *scale),
        }
    }
}

impl PartialOrd for Decimal {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl Ord for Decimal {
    fn cmp(&self, other: &Self) -> Ordering {
        if let Some((a, b, _)) = aligned(self, other) {
            return a.cmp(&b);
        }
        let (a, b, _) = aligned_big(self, other);
        a.cmp(&b)
    }
}

/// Both numbers' digits at one scale, if they fit.
fn aligned(a: &Decimal, b: &Decimal) -> Option<(i128, i128, u32)> {
    let (Repr::Small { digits: a, scale: a_scale }, Repr::Small { digits: b, scale: b_scale }) = (&a.0, &b.0) else {
        return None;
    };
    Some(match a_scale.cmp(b_scale) {
        Ordering::Equal => (*a, *b, *a_scale),
        Ordering::Less => (a.checked_mul(power_of_ten(b_scale - a_scale)?)?, *b, *b_scale),
        Ordering::Greater => (*a, b.checked_mul(power_of_ten(a_scale - b_scale)?)?, *a_scale),
    })
}

fn aligned_big(a: &Decimal, b: &Decimal) -> (BigInt, BigInt, u32) {
    let scale = a.scale().max(b.scale());
    let raise = |number: &Decimal| number.big_digits().into_owned() * big_power_of_ten(scale - number.scale());
    (raise(a), raise(b), scale)
}

fn power_of_ten(exponent: u32) -> Option<i128> {
    (exponent <= POWER_MAX).then(|| 10_i128.pow(exponent))
}

fn big_power_of_ten(exponent: u32) -> BigInt {
    BigInt::from_biguint(Sign::Plus, bigdecimal::num_bigint::BigUint::from(10_u8).pow(exponent))
}

#[cfg(test)]
mod tests;
