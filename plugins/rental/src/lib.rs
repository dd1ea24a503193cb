//! Equipment rental: refuses bookings of equipment that is booked already for one of their days.

pub mod booking;

use cardine_plugin::serde_json::{self, json};
use cardine_plugin::{CallContext, Change, Decision, Issue, Manifest, Plugin, PluginError, Value};

use booking::Booking;

/// The plugin `rental`.
pub struct Rental;

impl Plugin for Rental {
    fn describe() -> Manifest {
        Manifest::from_json(include_str!("../plugin.json"))
    }

    fn before_write(
        context: &CallContext,
        _module: &str,
        _operation: &str,
        changes: &[Change],
    ) -> Result<Vec<Decision>, PluginError> {
        let extra: Value = serde_json::from_str(&context.extra).unwrap_or_default();
        let siblings = extra
            .get("siblings")
            .and_then(Value::as_array)
            .ok_or_else(|| PluginError::Failed("the server did not tell which bookings there are".to_owned()))?;
        let known: Vec<Booking> = siblings.iter().filter_map(Booking::of).collect();
        let wanted: Vec<Option<Booking>> =
            changes.iter().map(|change| change.after.as_ref().and_then(Booking::of)).collect();
        let decide = |(position, booking): (usize, &Option<Booking>)| {
            let Some(booking) = booking else { return Decision::Keep };
            // Of those that are written together the first ones win.
            let earlier = wanted[..position].iter().flatten();
            match known.iter().chain(earlier).find(|other| booking.overlaps(other)) {
                None => Decision::Keep,
                Some(other) => Decision::Veto(vec![refusal(other, &context.locale)]),
            }
        };
        Ok(wanted.iter().enumerate().map(decide).collect())
    }
}

fn refusal(other: &Booking, locale: &str) -> Issue {
    let (from, to) = (&other.starts_on, &other.ends_on);
    let message = match locale.starts_with("it") {
        true => format!("l'attrezzatura è già prenotata dal {from} al {to}"),
        false => format!("the equipment is booked already from {from} to {to}"),
    };
    let params = json!({"from": from, "to": to});
    Issue { params, ..Issue::at("startsOn", "booked-already", message) }
}

cardine_plugin::export_plugin!(Rental);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_refusal_speaks_the_callers_language() {
        let booking = Booking::of(
            &json!({"equipmentId": "e", "startsOn": "2026-03-01", "endsOn": "2026-03-05", "status": "BOOKED"}),
        );
        let other = booking.unwrap();
        assert!(refusal(&other, "it-IT").message.contains("prenotata dal 2026-03-01"));
        assert!(refusal(&other, "en").message.contains("booked already"));
    }
}
