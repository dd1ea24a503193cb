//! A booking as the host tells it, and whether two of them want the same thing.

use cardine_plugin::Value;

/// A booking that takes equipment for some days.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Booking {
    /// The equipment's id.
    pub equipment: String,
    /// The first day, `YYYY-MM-DD`; such texts order as the days do.
    pub starts_on: String,
    /// The last day, which is taken too.
    pub ends_on: String,
}

impl Booking {
    /// None of one that takes nothing: it is over, was called off, or lacks something.
    pub fn of(record: &Value) -> Option<Self> {
        let text = |key: &str| record.get(key).and_then(Value::as_str);
        if matches!(text("status"), Some("RETURNED" | "CANCELLED")) {
            return None;
        }
        Some(Self {
            equipment: text("equipmentId")?.to_owned(),
            starts_on: text("startsOn")?.to_owned(),
            ends_on: text("endsOn")?.to_owned(),
        })
    }

    /// Whether both take the same equipment on some day.
    pub fn overlaps(&self, other: &Self) -> bool {
        self.equipment == other.equipment && self.starts_on <= other.ends_on && other.starts_on <= self.ends_on
    }
}

#[cfg(test)]
mod tests {
    use cardine_plugin::serde_json::json;

    use super::*;

    fn booking(equipment: &str, starts_on: &str, ends_on: &str) -> Booking {
        Booking { equipment: equipment.to_owned(), starts_on: starts_on.to_owned(), ends_on: ends_on.to_owned() }
    }

    #[test]
    fn days_are_taken_from_the_first_to_the_last() {
        let taken = booking("e", "2026-03-02", "2026-03-05");
        for (starts_on, ends_on, overlaps) in [
            ("2026-03-05", "2026-03-09", true),
            ("2026-03-01", "2026-03-02", true),
            ("2026-03-03", "2026-03-04", true),
            ("2026-02-01", "2026-04-01", true),
            ("2026-03-06", "2026-03-09", false),
            ("2026-02-01", "2026-03-01", false),
        ] {
            let other = booking("e", starts_on, ends_on);
            assert_eq!((taken.overlaps(&other), other.overlaps(&taken)), (overlaps, overlaps), "{starts_on} {ends_on}");
        }
        assert!(!taken.overlaps(&booking("f", "2026-03-02", "2026-03-05")));
    }

    #[test]
    fn what_is_over_takes_nothing() {
        let of = |status: Value| {
            Booking::of(
                &json!({"equipmentId": "e", "startsOn": "2026-03-02", "endsOn": "2026-03-05", "status": status}),
            )
        };
        assert!(of(json!("BOOKED")).is_some() && of(json!("HANDED_OUT")).is_some() && of(json!(null)).is_some());
        assert!(of(json!("RETURNED")).is_none() && of(json!("CANCELLED")).is_none());
        assert!(Booking::of(&json!({"equipmentId": null, "startsOn": "2026-03-02", "endsOn": "2026-03-05"})).is_none());
    }
}
