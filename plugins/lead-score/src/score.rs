//! The score: points for the status, the source, the size of the company, and the ways to reach it.

/// What is known of a lead.
#[derive(Debug, Clone, Copy, Default)]
pub struct Known<'a> {
    /// Its status.
    pub status: Option<&'a str>,
    /// Where it comes from.
    pub source: Option<&'a str>,
    /// Revenue of a year, as a decimal.
    pub revenue: Option<&'a str>,
    /// People who work there.
    pub employees: Option<i64>,
    /// Whether it can be written to.
    pub has_email: bool,
    /// Whether it can be called.
    pub has_phone: bool,
}

impl Known<'_> {
    /// From 0 to 100.
    pub fn score(&self) -> u32 {
        let status = match self.status {
            // What leads nowhere has no score, whatever else is known of it.
            Some("JUNK_LEAD" | "LOST_LEAD") => return 0,
            Some("HOT" | "QUALIFIED") => 40,
            Some("WARM" | "PRE_QUALIFIED") => 30,
            Some("CONTACTED" | "CONTACT_IN_FUTURE") => 20,
            Some("COLD") => 5,
            _ => 10,
        };
        let source = match self.source {
            Some("EXISTING_CUSTOMER" | "PARTNER" | "WORD_OF_MOUTH") => 20,
            Some("CONFERENCE" | "TRADE_SHOW" | "WEB_SITE") => 12,
            Some(_) => 5,
            None => 0,
        };
        let employees = match self.employees {
            Some(100..) => 10,
            Some(10..) => 5,
            _ => 0,
        };
        let reach = 5 * u32::from(self.has_email) + 5 * u32::from(self.has_phone);
        status + source + self.size() + employees + reach
    }

    /// By the digits of the revenue before the point: 4 points for each above three, 20 at most.
    fn size(&self) -> u32 {
        let digits = self.revenue.map_or(0, |revenue| revenue.bytes().take_while(u8::is_ascii_digit).count());
        4 * u32::try_from(digits).unwrap_or(u32::MAX).saturating_sub(3).min(5)
    }
}

/// `A` to `D`.
pub fn grade(score: u32) -> &'static str {
    match score {
        75.. => "A",
        50.. => "B",
        25.. => "C",
        _ => "D",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_score_is_beyond_its_bounds() {
        let best = Known {
            status: Some("HOT"),
            source: Some("PARTNER"),
            revenue: Some("99999999999.00"),
            employees: Some(i64::MAX),
            has_email: true,
            has_phone: true,
        };
        assert_eq!(best.score(), 100);
        assert_eq!(Known { status: Some("LOST_LEAD"), ..best }.score(), 0);
        assert_eq!(Known::default().score(), 10);
    }

    #[test]
    fn a_larger_company_scores_more() {
        let of = |revenue| Known { revenue: Some(revenue), ..Known::default() }.score();
        let scores: Vec<u32> = ["-5.00", "999.00", "1000.00", "100000.00", "9999999.00", "10000000.00"].map(of).into();
        assert!(scores.is_sorted() && scores[0] == scores[1] && scores[1] < scores[2], "{scores:?}");
        assert_eq!([74, 75, 49, 25, 24].map(grade), ["B", "A", "C", "C", "D"]);
    }
}
