//! Decimals against the arithmetic of `bigdecimal` and of `i128`.

use std::collections::HashSet;
use std::str::FromStr;

use bigdecimal::{BigDecimal, RoundingMode};
use proptest::prelude::*;

use super::*;

fn decimal(text: &str) -> Decimal {
    Decimal::parse(text).unwrap_or_else(|| panic!("{text} is a decimal"))
}

fn oracle(number: &Decimal) -> BigDecimal {
    BigDecimal::from_str(&number.to_string()).expect("Display writes a number")
}

fn same(number: &Decimal, expected: &BigDecimal) -> Result<(), TestCaseError> {
    prop_assert_eq!(oracle(number), expected.clone());
    // The only form: what is equal has equal parts.
    let again = decimal_of(expected);
    prop_assert_eq!(number, &again);
    Ok(())
}

fn decimal_of(number: &BigDecimal) -> Decimal {
    let (digits, scale) = number.as_bigint_and_exponent();
    if scale >= 0 {
        Decimal::from_big(digits, u32::try_from(scale).expect("small"))
    } else {
        Decimal::from_big(digits * big_power_of_ten(u32::try_from(-scale).expect("small")), 0)
    }
}

fn any_decimal() -> impl Strategy<Value = Decimal> {
    prop_oneof![
        4 => (any::<i64>(), 0_u32..12).prop_map(|(digits, scale)| Decimal::from_parts(i128::from(digits), scale)),
        2 => (-1000_i128..1000, 0_u32..4).prop_map(|(digits, scale)| Decimal::from_parts(digits, scale)),
        2 => (any::<i128>(), 0_u32..40).prop_map(|(digits, scale)| Decimal::from_parts(digits, scale)),
        1 => "-?[0-9]{1,60}\\.[0-9]{1,38}".prop_map(|text| decimal(&text)),
        1 => Just(Decimal::from_parts(i128::MAX, 3)),
        1 => Just(Decimal::from_parts(i128::MIN, 0)),
    ]
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(2000))]

    #[test]
    fn arithmetic_is_that_of_bigdecimal(a in any_decimal(), b in any_decimal()) {
        let (x, y) = (oracle(&a), oracle(&b));
        same(&(&a + &b), &(&x + &y))?;
        same(&(&a - &b), &(&x - &y))?;
        same(&(&a * &b), &(&x * &y))?;
        same(&-&a, &-&x)?;
        same(&a.abs(), &x.abs())?;
        prop_assert_eq!(a.cmp(&b), x.cmp(&y));
        prop_assert_eq!(Decimal::compare_text(&a.to_string(), &b.to_string()), x.cmp(&y));
        if b.is_zero() {
            prop_assert_eq!(a.checked_div_20(&b), None);
            prop_assert_eq!(a.rem(&b), None);
        } else {
            let rest = a.rem(&b).expect("the divisor is not zero");
            same(&rest, &(&x % &y))?;
            // a = quotient · b + rest of the division, where the quotient has 20 digits and is cut towards zero.
            let quotient = a.checked_div_20(&b).expect("the divisor is not zero");
            prop_assert!(quotient.scale() <= 20);
            let error = &a.abs() - &(&quotient.abs() * &b.abs());
            prop_assert!(error >= Decimal::ZERO);
            prop_assert!(error < &b.abs() * &Decimal::from_parts(1, 20));
            prop_assert!(quotient.is_zero() || quotient.is_negative() == (a.is_negative() != b.is_negative()));
        }
    }

    #[test]
    fn small_numbers_divide_as_integers_do(a in -10_000_000_i128..10_000_000, b in 1_i128..10_000) {
        let quotient = Decimal::from_parts(a, 2).checked_div_20(&Decimal::from_parts(-b, 2));
        prop_assert_eq!(quotient, Some(Decimal::from_parts(a * 10_i128.pow(20) / -b, 20)));
        let rest = Decimal::from_parts(a, 2).rem(&Decimal::from_parts(-b, 2));
        prop_assert_eq!(rest, Some(Decimal::from_parts(a % b, 2)));
    }

    #[test]
    fn rounding_is_half_away_from_zero(a in any_decimal(), scale in 0_u32..45) {
        let expected = oracle(&a).with_scale_round(i64::from(scale), RoundingMode::HalfUp);
        same(&a.round(scale), &expected)?;
        let fixed = a.to_fixed(scale);
        let fraction = fixed.split_once('.').map_or(0, |(_, fraction)| fraction.len());
        prop_assert_eq!(fraction, scale as usize);
        prop_assert_eq!(decimal_of(&BigDecimal::from_str(&fixed).expect("a number")), decimal_of(&expected));
        prop_assert!(!(fixed.starts_with('-') && decimal_of(&expected).is_zero()), "{}", fixed);
    }

    #[test]
    fn what_is_written_is_read_again(a in any_decimal()) {
        let text = a.to_string();
        if text.len() <= 100 {
            prop_assert_eq!(Decimal::parse(&text), Some(a.clone()));
        }
        let plain = oracle(&a).normalized().to_plain_string();
        prop_assert_eq!(text.trim_start_matches('-').replace('.', "").trim_matches('0').len(),
            plain.trim_start_matches('-').replace('.', "").trim_matches('0').len());
        prop_assert_eq!(a.total_digits(), a.integer_digits() + a.fraction_digits());
    }

    #[test]
    fn texts_have_one_total_order(texts in proptest::collection::vec("-{0,2}[0-9a.]{0,5}", 3)) {
        let (a, b, c) = (&texts[0], &texts[1], &texts[2]);
        let compare = Decimal::compare_text;
        prop_assert_eq!(compare(a, b), compare(b, a).reverse());
        prop_assert_eq!(compare(a, a), Ordering::Equal);
        if compare(a, b) != Ordering::Greater && compare(b, c) != Ordering::Greater {
            prop_assert_ne!(compare(a, c), Ordering::Greater);
        }
        if compare(a, b) == Ordering::Equal {
            prop_assert_eq!(compare(a, c), compare(b, c));
        }
        if let (Some(a), Some(b)) = (Decimal::parse(a), Decimal::parse(b)) {
            prop_assert_eq!(compare(&texts[0], &texts[1]), a.cmp(&b));
        }
    }
}

#[test]
fn only_plain_notation_is_read() {
    for text in ["0", "-0", "007", "12.50", "-0.001", "12345678901234567890.123", &"9".repeat(100)] {
        assert!(Decimal::parse(text).is_some(), "{text}");
    }
    for text in [
        "",
        "-",
        ".",
        "1.",
        ".5",
        "+1",
        "1e3",
        "1_000",
        " 1",
        "1 ",
        "--1",
        "1.2.3",
        "0x10",
        "NaN",
        "١",
        &"9".repeat(101),
    ] {
        assert!(Decimal::parse(text).is_none(), "{text}");
    }
}

#[test]
fn equal_numbers_are_one_key() {
    let set: HashSet<Decimal> = ["1", "1.0", "1.00", "01"].into_iter().map(decimal).collect();
    assert_eq!(set.len(), 1);
    assert_ne!(decimal("1"), decimal("1.01"));
    assert_eq!(decimal("-0.0"), Decimal::ZERO);
    assert!(!decimal("-0.0").is_negative());
}

#[test]
fn fixed_text_has_exactly_its_digits() {
    for (number, scale, fixed) in [
        ("0", 2, "0.00"),
        ("-0.001", 2, "0.00"),
        ("-0.005", 2, "-0.01"),
        ("0.005", 2, "0.01"),
        ("2.5", 0, "3"),
        ("-2.5", 0, "-3"),
        ("12.5", 2, "12.50"),
        ("12", 0, "12"),
        ("100", 3, "100.000"),
        ("0.05", 4, "0.0500"),
        ("999.995", 2, "1000.00"),
        ("12345678901234567890123456789012345678901.5", 0, "12345678901234567890123456789012345678902"),
    ] {
        assert_eq!(decimal(number).to_fixed(scale), fixed, "{number} to {scale}");
    }
    let mut out = b"amount: ".to_vec();
    decimal("1.2").write_fixed(2, &mut out);
    assert_eq!(out, b"amount: 1.20");
}

#[test]
fn quotients_are_cut_and_not_rounded() {
    let third = decimal("2").checked_div_20(&decimal("3")).expect("not zero");
    assert_eq!(third.to_string(), "0.66666666666666666666");
    assert_eq!(decimal("-2").checked_div_20(&decimal("3")).expect("not zero").to_string(), "-0.66666666666666666666");
    assert_eq!(decimal("1").checked_div_20(&decimal("8")), Some(decimal("0.125")));
    assert_eq!(decimal("1").checked_div_20(&decimal("0.00")), None);
}

#[test]
fn digits_are_counted_without_meaningless_zeros() {
    for (number, integer, fraction) in [("0", 0, 0), ("0.5", 0, 1), ("0.05", 0, 2), ("10", 2, 0), ("0012.340", 2, 2)] {
        let number = decimal(number);
        assert_eq!((number.integer_digits(), number.fraction_digits()), (integer, fraction), "{number}");
    }
    assert_eq!(decimal(&"9".repeat(60)).total_digits(), 60);
}

#[test]
fn integers_come_back_only_whole_and_in_range() {
    assert_eq!(decimal("9223372036854775807").to_i64(), Some(i64::MAX));
    assert_eq!(decimal("-9223372036854775808.0").to_i64(), Some(i64::MIN));
    assert_eq!(decimal("9223372036854775808").to_i64(), None);
    assert_eq!(decimal("1.5").to_i64(), None);
}
