//! Actors of earlier requests: what is alike in requests of one user is made once.
//!
//! They stand beside the rights that they hold, in what is derived of one access epoch and one catalog version, and go with it.

use std::sync::Arc;

use cardine_access::{Actor, Scopes};
use rustc_hash::FxHashMap;
use uuid::Uuid;

/// Actors that are kept of one user, who asks by a browser, a telephone and some keys at the same time.
const OF_USER_MAX: usize = 4;
/// Actors that are kept; beyond it all are made anew. Callers choose what theirs are made for, so there must be a bound.
const ALL_MAX: usize = 10_000;

/// What of a request its actor is made for, beside the user. Whatever an actor depends on stands here, or is the same for a whole
/// access epoch and catalog version.
#[derive(Debug, Clone, Copy)]
pub(super) struct MadeFor<'a> {
    pub scopes: Option<&'a Arc<Scopes>>,
    pub time_zone: Option<&'a str>,
    pub languages: Option<&'a str>,
}

/// Actors by user; of each user those made last at the end.
#[derive(Debug, Default)]
pub(super) struct KnownActors {
    by_user: FxHashMap<Uuid, Vec<Known>>,
    count: usize,
}

#[derive(Debug)]
struct Known {
    scopes: Option<Arc<Scopes>>,
    time_zone: Option<Box<str>>,
    languages: Option<Box<str>>,
    actor: Arc<Actor>,
}

impl Known {
    fn is_for(&self, wanted: MadeFor<'_>) -> bool {
        self.scopes.as_ref() == wanted.scopes
            && self.time_zone.as_deref() == wanted.time_zone
            && self.languages.as_deref() == wanted.languages
    }
}

impl KnownActors {
    /// The user's actor that was made for the same.
    pub(super) fn find(&self, user: Uuid, wanted: MadeFor<'_>) -> Option<Arc<Actor>> {
        let known = self.by_user.get(&user)?.iter().find(|known| known.is_for(wanted))?;
        Some(Arc::clone(&known.actor))
    }

    /// Keeps an actor for the requests that come.
    pub(super) fn keep(&mut self, user: Uuid, made_for: MadeFor<'_>, actor: &Arc<Actor>) {
        // Another request may have made it meanwhile.
        if self.find(user, made_for).is_some() {
            return;
        }
        if self.count >= ALL_MAX {
            self.clear();
        }
        let own = self.by_user.entry(user).or_default();
        if own.len() >= OF_USER_MAX {
            own.remove(0);
        } else {
            self.count += 1;
        }
        own.push(Known {
            scopes: made_for.scopes.cloned(),
            time_zone: made_for.time_zone.map(Box::from),
            languages: made_for.languages.map(Box::from),
            actor: Arc::clone(actor),
        });
    }

    /// All of them.
    #[cfg(test)]
    pub(super) fn all(&self) -> impl Iterator<Item = &Arc<Actor>> {
        self.by_user.values().flatten().map(|known| &known.actor)
    }

    /// Forgets all.
    pub(super) fn clear(&mut self) {
        self.by_user.clear();
        self.count = 0;
    }
}

#[cfg(test)]
mod tests {
    use cardine_access::{Rights, Scope};
    use cardine_model::Catalog;

    use super::*;

    const NOTHING: MadeFor<'static> = MadeFor { scopes: None, time_zone: None, languages: None };

    fn actor(number: u128) -> Arc<Actor> {
        let catalog = Catalog {
            version: 1,
            modules: Vec::new(),
            by_name: FxHashMap::default(),
            inputs: FxHashMap::default(),
            stored_rollups: FxHashMap::default(),
        };
        Arc::new(Actor {
            user: Some(Uuid::from_u128(number)),
            role: String::new(),
            rights: Arc::new(Rights::resolve(&catalog, &[], true)),
            visible_owners: Arc::default(),
            shared_owners: Arc::default(),
            principals: Arc::default(),
            time_zone: String::new(),
            languages: String::new(),
        })
    }

    #[test]
    fn each_thing_that_an_actor_is_made_for_makes_another() {
        let scopes = |texts: &[&str]| -> Arc<Scopes> {
            Arc::new(texts.iter().map(|text| Scope::parse(text).unwrap()).collect())
        };
        let (reads, writes, nothing) =
            (scopes(&["records:read"]), scopes(&["records:write"]), Arc::<Scopes>::default());
        let made_for = [
            NOTHING,
            MadeFor { scopes: Some(&reads), ..NOTHING },
            MadeFor { scopes: Some(&writes), ..NOTHING },
            MadeFor { scopes: Some(&nothing), ..NOTHING },
            MadeFor { time_zone: Some("Europe/Rome"), ..NOTHING },
            MadeFor { languages: Some("Europe/Rome"), ..NOTHING },
            MadeFor { languages: Some("it"), ..NOTHING },
        ];
        for (position, one) in made_for.into_iter().enumerate() {
            let (mut known, user, made) = (KnownActors::default(), Uuid::from_u128(1), actor(1));
            known.keep(user, one, &made);
            for (other, wanted) in made_for.into_iter().enumerate() {
                assert_eq!(known.find(user, wanted).is_some(), position == other, "{one:?} {wanted:?}");
                assert!(known.find(Uuid::from_u128(2), wanted).is_none());
            }
            assert!(Arc::ptr_eq(&known.find(user, one).unwrap(), &made));
        }
        // Scopes are what they say, whichever key says it.
        let (mut known, again) = (KnownActors::default(), scopes(&["records:read"]));
        known.keep(Uuid::nil(), MadeFor { scopes: Some(&reads), ..NOTHING }, &actor(1));
        assert!(known.find(Uuid::nil(), MadeFor { scopes: Some(&again), ..NOTHING }).is_some());
    }

    #[test]
    fn both_bounds_hold_and_those_made_last_stay() {
        let (mut known, made) = (KnownActors::default(), actor(1));
        let zones: Vec<String> = (0..2 * OF_USER_MAX).map(|zone| zone.to_string()).collect();
        let made_for = |zone: &'static str| MadeFor { time_zone: Some(zone), ..NOTHING };
        let user = Uuid::from_u128(1);
        for zone in &zones {
            let made_for = MadeFor { time_zone: Some(zone), ..NOTHING };
            for _ in 0..3 {
                known.keep(user, made_for, &made);
            }
            assert!(known.find(user, made_for).is_some());
        }
        assert_eq!((known.by_user[&user].len(), known.count), (OF_USER_MAX, OF_USER_MAX));
        assert!(known.find(user, made_for("0")).is_none());
        for number in 2..=(ALL_MAX + 5) as u128 {
            known.keep(Uuid::from_u128(number), NOTHING, &made);
            assert!(known.count <= ALL_MAX);
        }
        assert_eq!(known.by_user.values().map(Vec::len).sum::<usize>(), known.count);
        assert!(known.find(Uuid::from_u128(ALL_MAX as u128), NOTHING).is_some());
        known.clear();
        assert!(known.by_user.is_empty() && known.count == 0);
    }
}
