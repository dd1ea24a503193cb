//! The two counters that tell every process whether what it keeps in memory is still true.

use tokio::sync::watch;

/// How often the catalog and the rights have changed. Both only grow; a value of 0 means that it was not read yet.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct PlatformState {
    /// The version of the catalog.
    pub catalog_version: i64,
    /// Grows with each change of users, groups, roles or grants.
    pub access_epoch: i64,
}

/// Tells a newer state to those who watch; an older one, such as from a slower reader, changes nothing.
pub(crate) fn raise(sender: &watch::Sender<PlatformState>, seen: Option<PlatformState>) {
    let Some(seen) = seen else { return };
    sender.send_if_modified(|known| {
        let newest = PlatformState {
            catalog_version: known.catalog_version.max(seen.catalog_version),
            access_epoch: known.access_epoch.max(seen.access_epoch),
        };
        let grows = newest != *known;
        *known = newest;
        grows
    });
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_older_state_is_not_told() {
        let (sender, mut receiver) = watch::channel(PlatformState { catalog_version: 3, access_epoch: 5 });
        receiver.mark_unchanged();
        raise(&sender, Some(PlatformState { catalog_version: 2, access_epoch: 5 }));
        assert!(!receiver.has_changed().unwrap());
        raise(&sender, Some(PlatformState { catalog_version: 2, access_epoch: 6 }));
        assert!(receiver.has_changed().unwrap());
        assert_eq!(*receiver.borrow(), PlatformState { catalog_version: 3, access_epoch: 6 });
    }
}
