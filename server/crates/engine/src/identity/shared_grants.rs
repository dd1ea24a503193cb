//! Grants as they are kept in memory: equal ones once, however many roles have them on however many modules.

use std::collections::BTreeMap;
use std::sync::Arc;

use cardine_access::ModuleGrant;
use rustc_hash::FxHashSet;

/// What was kept so far.
#[derive(Default)]
pub(super) struct SharedGrants {
    modules: FxHashSet<Arc<str>>,
    grants: FxHashSet<Arc<ModuleGrant>>,
}

impl SharedGrants {
    /// A grant on a module, shared with the equal ones before it.
    pub fn share(&mut self, module: &str, grant: ModuleGrant) -> (Arc<str>, Arc<ModuleGrant>) {
        let known = self.modules.get(module).cloned();
        let module = known.unwrap_or_else(|| {
            let module: Arc<str> = module.into();
            self.modules.insert(Arc::clone(&module));
            module
        });
        let known = self.grants.get(&grant).cloned();
        let grant = known.unwrap_or_else(|| {
            let grant = Arc::new(grant);
            self.grants.insert(Arc::clone(&grant));
            grant
        });
        (module, grant)
    }

    /// As [`Self::share`], for all grants of one source.
    pub fn share_all(&mut self, grants: BTreeMap<String, ModuleGrant>) -> BTreeMap<Arc<str>, Arc<ModuleGrant>> {
        grants.into_iter().map(|(module, grant)| self.share(&module, grant)).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn equal_grants_are_kept_once_and_others_apart() {
        let mut shared = SharedGrants::default();
        let read = || ModuleGrant { read: true, ..ModuleGrant::default() };
        let (deal, first) = shared.share("Deal", read());
        let (same, second) = shared.share("Deal", read());
        assert!(Arc::ptr_eq(&deal, &same) && Arc::ptr_eq(&first, &second));
        let (lead, third) = shared.share("Lead", read());
        assert!(*lead == *"Lead" && Arc::ptr_eq(&first, &third));
        let (_, other) = shared.share("Deal", ModuleGrant { update: true, ..read() });
        assert!(other.update && !first.update);
    }
}
