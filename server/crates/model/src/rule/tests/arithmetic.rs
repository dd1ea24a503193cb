//! Arithmetic of rules against that of `bigdecimal`, on random expressions.

use std::str::FromStr;

use bigdecimal::num_bigint::BigInt;
use bigdecimal::{BigDecimal, RoundingMode, Zero};
use proptest::prelude::*;

use super::fixture::*;
use crate::{Decimal, Value};

/// An expression for the rule language, with what it must give.
#[derive(Debug, Clone)]
struct Sample {
    source: String,
    value: Option<BigDecimal>,
}

fn number() -> impl Strategy<Value = Sample> {
    let literal = prop_oneof![
        "[0-9]{1,4}",
        "[0-9]{1,3}\\.[0-9]{1,3}",
        Just("0".to_owned()),
        Just("12345678901234567890.123".to_owned()),
    ];
    prop_oneof![
        6 => literal.prop_map(|source| Sample { value: BigDecimal::from_str(&source).ok(), source }),
        1 => Just(Sample { source: "discount".to_owned(), value: None }),
        1 => Just(Sample { source: "expectedLeads".to_owned(), value: Some(BigDecimal::from(3)) }),
        1 => Just(Sample { source: "amount".to_owned(), value: BigDecimal::from_str("1250.5").ok() }),
    ]
}

fn expression() -> impl Strategy<Value = Sample> {
    number().prop_recursive(5, 40, 2, |inner| {
        prop_oneof![
            6 => (inner.clone(), "[-+*/%]", inner.clone()).prop_map(|(left, op, right)| Sample {
                source: format!("({} {op} {})", left.source, right.source),
                value: left.value.zip(right.value).and_then(|(left, right)| operate(&op, &left, &right)),
            }),
            1 => inner.clone().prop_map(|x| Sample { source: format!("-{}", x.source), value: x.value.map(|x| -x) }),
            1 => inner.clone().prop_map(|x| Sample { source: format!("abs({})", x.source), value: x.value.map(|x| x.abs()) }),
            1 => (inner.clone(), 0..6_i64).prop_map(|(x, digits)| Sample {
                source: format!("round({}, {digits})", x.source),
                value: x.value.map(|x| x.with_scale_round(digits, RoundingMode::HalfUp)),
            }),
            1 => (inner.clone(), inner.clone()).prop_map(|(a, b)| Sample {
                source: format!("coalesce({}, {})", a.source, b.source),
                value: a.value.or(b.value),
            }),
            1 => (inner.clone(), inner).prop_map(|(a, b)| Sample {
                source: format!("max({}, {})", a.source, b.source),
                value: a.value.zip(b.value).map(|(a, b)| a.max(b)),
            }),
        ]
    })
}

fn operate(op: &str, left: &BigDecimal, right: &BigDecimal) -> Option<BigDecimal> {
    Some(match op {
        "+" => left + right,
        "-" => left - right,
        "*" => left * right,
        _ if right.is_zero() => return None,
        "%" => left % right,
        _ => cut_quotient(left, right),
    })
}

/// Long division on whole numbers: both to one scale, twenty zeros behind the dividend, and the rest thrown away.
fn cut_quotient(left: &BigDecimal, right: &BigDecimal) -> BigDecimal {
    let scale = left.fractional_digit_count().max(right.fractional_digit_count()).max(0);
    let whole = |number: &BigDecimal| number.with_scale(scale).into_bigint_and_exponent().0;
    BigDecimal::new(whole(left) * BigInt::from(10).pow(20) / whole(right), 20)
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(400))]

    #[test]
    fn random_expressions_give_what_bigdecimal_gives(sample in expression()) {
        let Ok(rule) = super::super::check(&sample.source, &context(super::super::Expected::Number), &World) else {
            return Err(TestCaseError::reject("beyond the limits"));
        };
        match (rule.eval(&Record::sample()), sample.value) {
            (Value::Null, None) => {}
            (Value::Decimal(number), Some(expected)) => {
                prop_assert_eq!(BigDecimal::from_str(&number.to_string()).expect("a number"), expected, "{}", sample.source);
            }
            (given, expected) => prop_assert!(false, "{} gives {:?}, not {:?}", sample.source, given, expected),
        }
    }
}

#[test]
fn literals_keep_every_digit() {
    for literal in ["0.1", "12345678901234567890.123", "0.00000000000000000001", "9007199254740993", "1.10"] {
        let expected = Value::Decimal(Decimal::parse(literal).expect("a decimal"));
        assert_eq!(rule(literal).eval(&Record::sample()), expected);
        assert_eq!(rule(&format!("  {literal} // note")).eval(&Record::sample()), expected);
    }
    assert_eq!(
        rule("-0.1").expr,
        super::super::Expr::Literal(Value::Decimal(Decimal::parse("-0.1").expect("a decimal")))
    );
    assert_eq!(rule("0.1 + 0.2 == 0.3").eval(&Record::sample()), Value::Boolean(true));
}

#[test]
fn operators_bind_as_in_cel() {
    for (source, result) in [
        ("2 + 3 * 4", "14"),
        ("(2 + 3) * 4", "20"),
        ("10 - 4 - 3", "3"),
        ("2 - -3", "5"),
        ("-2 * -3", "6"),
        ("100 / 10 / 2", "5"),
        ("7 % 4 * 2", "6"),
        ("-7 % 4", "-3"),
        ("1 + 2 == 3 && 2 > 1 ? 1 : 0", "1"),
        ("1 - (2 - 3)", "2"),
        ("--5", "5"),
    ] {
        assert_eq!(
            rule(source).eval(&Record::sample()),
            Value::Decimal(Decimal::parse(result).expect("a decimal")),
            "{source}"
        );
    }
}
