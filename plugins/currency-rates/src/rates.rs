//! Rates as an address answers with them, and the operation that writes them.

use cardine_plugin::Value;
use cardine_plugin::serde_json::{self, Map, json};

/// The rates of a day.
#[derive(Debug, Clone, PartialEq)]
pub struct Rates {
    /// The currency that they are told in.
    pub base: String,
    /// The day, `YYYY-MM-DD`.
    pub date: String,
    /// Code and rate, the rate as a decimal of at most six digits after the point.
    pub rates: Vec<(String, String)>,
}

impl Rates {
    /// Reads `{"base": "EUR", "date": "2026-03-02", "rates": {"USD": 1.08}}`; what is no currency or no rate is a fault of all.
    ///
    /// # Errors
    /// What is wrong.
    pub fn parse(body: &[u8]) -> Result<Self, String> {
        let answer: Value = serde_json::from_slice(body).map_err(|_| "the answer is no JSON".to_owned())?;
        let text = |key: &str| {
            answer
                .get(key)
                .and_then(Value::as_str)
                .map(str::to_owned)
                .ok_or_else(|| format!("the answer has no `{key}`"))
        };
        let given = answer.get("rates").and_then(Value::as_object).ok_or("the answer has no `rates`")?;
        let mut rates = Vec::with_capacity(given.len());
        for (code, rate) in given {
            let is_code = code.len() == 3 && code.bytes().all(|byte| byte.is_ascii_uppercase());
            match rate.as_f64().filter(|rate| is_code && rate.is_finite() && *rate > 0.0) {
                Some(rate) => rates.push((code.clone(), format!("{rate:.6}"))),
                None => return Err(format!("`{code}` has no rate that can be written")),
            }
        }
        Ok(Self { base: text("base")?, date: text("date")?, rates })
    }

    /// One operation, and so one transaction, for some of the rates, with its variables.
    pub fn mutation(&self, some: &[(String, String)]) -> (String, Value) {
        let (mut declared, mut fields, mut variables) = (Vec::new(), Vec::new(), Map::new());
        for (position, (code, rate)) in some.iter().enumerate() {
            declared.push(format!("$m{position}: ReferenceRateUnique!, $d{position}: ReferenceRateCreate!"));
            fields.push(format!("r{position}: upsertReferenceRate(match: $m{position}, data: $d{position}) {{ id }}"));
            variables.insert(format!("m{position}"), json!({"currency": code}));
            let data = json!({"currency": code, "base": self.base, "rate": rate, "date": self.date});
            variables.insert(format!("d{position}"), data);
        }
        (format!("mutation({}) {{ {} }}", declared.join(", "), fields.join(" ")), Value::Object(variables))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_answer_is_read() {
        let rates =
            Rates::parse(br#"{"base": "EUR", "date": "2026-03-02", "rates": {"USD": 1.08, "JPY": 161}}"#).unwrap();
        let expected =
            [("USD", "1.080000"), ("JPY", "161.000000")].map(|(code, rate)| (code.to_owned(), rate.to_owned()));
        let mut found = rates.rates.clone();
        found.sort_by(|one, other| other.cmp(one));
        assert_eq!(
            (rates.base.as_str(), rates.date.as_str(), found.as_slice()),
            ("EUR", "2026-03-02", expected.as_slice())
        );
    }

    #[test]
    fn what_is_no_rate_is_refused() {
        for faulty in [
            "<html>",
            "{}",
            r#"{"base": "EUR", "date": "2026-03-02"}"#,
            r#"{"base": "EUR", "date": "2026-03-02", "rates": {"usd": 1}}"#,
            r#"{"base": "EUR", "date": "2026-03-02", "rates": {"USD": "1"}}"#,
            r#"{"base": "EUR", "date": "2026-03-02", "rates": {"USD": -1}}"#,
            r#"{"date": "2026-03-02", "rates": {"USD": 1}}"#,
        ] {
            assert!(Rates::parse(faulty.as_bytes()).is_err(), "{faulty}");
        }
    }

    #[test]
    fn rates_are_variables_and_never_text() {
        let rates = Rates {
            base: "EUR".to_owned(),
            date: "2026-03-02".to_owned(),
            rates: vec![("USD".to_owned(), "1.08".to_owned())],
        };
        let (document, variables) = rates.mutation(&rates.rates);
        assert!(!document.contains("USD"), "{document}");
        assert_eq!(variables["d0"]["rate"], "1.08");
    }
}
