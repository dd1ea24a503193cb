//! The record rules of a caller: which sharing rules mean it, what they open, and what its role's rules narrow.

use std::sync::Arc;

use cardine_access::{RecordAction, RecordRules, SharedOwners};
use cardine_model::Value;
use cardine_model::catalog::{Catalog, ModuleId};
use cardine_model::rule::{Expr, RuleType, TypedRule};
use rustc_hash::FxHashSet;
use uuid::Uuid;

use super::sharing::typed_condition;
use super::state::Caller;
use super::{AccessState, SharedRecords};

const ACTIONS: [RecordAction; 3] = [RecordAction::Read, RecordAction::Update, RecordAction::Delete];

impl AccessState {
    /// Positions of the sharing rules that mean the caller.
    pub(super) fn sharing_rules_for(&self, caller: &Caller<'_>) -> Vec<usize> {
        let (user, role) = (caller.user.map(|user| user.id), caller.role.map(|role| role.id));
        let groups = caller.user.map_or(&[][..], |user| &user.groups);
        let rules = self.sharing_rules().iter().enumerate();
        let meant = rules.filter(|(_, rule)| self.is_meant(rule.with, user, role, groups));
        meant.map(|(position, _)| position).collect()
    }

    /// What opens and narrows records for callers of a role whom these sharing rules mean. A rule that no longer fits the
    /// catalog opens nothing and lets nothing through.
    pub(super) fn record_rules_for(
        &self,
        catalog: &Catalog,
        role: Option<Uuid>,
        sharing_rules: &[usize],
    ) -> Vec<(ModuleId, RecordRules)> {
        let own = catalog.modules.iter().filter(|module| !module.platform);
        own.filter_map(|module| {
            let mut rules = RecordRules { shares: self.has_shares(&module.name), ..RecordRules::default() };
            if let Some(source) = role.and_then(|role| self.record_rule(role, &module.name)) {
                rules.narrowing.push(typed_condition(catalog, module.id, source).unwrap_or_else(|fault| {
                    tracing::warn!(
                        module = module.name,
                        fault,
                        "a record rule does not fit its module any more: nothing is let through"
                    );
                    Arc::new(never())
                }));
            }
            for position in sharing_rules {
                let rule = &self.sharing_rules()[*position];
                if rule.module != module.name {
                    continue;
                }
                match &rule.records {
                    SharedRecords::OwnedBy(_) => rules.shared_owners = true,
                    SharedRecords::Rule(source) => match typed_condition(catalog, module.id, source) {
                        Ok(condition) => rules.opening.push((rule.opens, condition)),
                        Err(fault) => tracing::warn!(
                            name = rule.name,
                            fault,
                            "a sharing rule does not fit its module any more: it opens nothing"
                        ),
                    },
                }
            }
            let bears = rules.shares || rules.shared_owners || !rules.narrowing.is_empty() || !rules.opening.is_empty();
            bears.then_some((module.id, rules))
        })
        .collect()
    }

    /// Whose records these sharing rules open, by module and action.
    pub(super) fn owners_by_rules(&self, catalog: &Catalog, sharing_rules: &[usize]) -> Arc<[SharedOwners]> {
        let mut shared = Vec::new();
        for module in catalog.modules.iter().filter(|module| !module.platform) {
            for action in ACTIONS {
                let mut owners = FxHashSet::default();
                for position in sharing_rules {
                    let rule = &self.sharing_rules()[*position];
                    if let SharedRecords::OwnedBy(principal) = rule.records
                        && rule.module == module.name
                        && rule.opens.covers(action)
                    {
                        owners.extend(self.owners_of(principal));
                    }
                }
                if !owners.is_empty() {
                    let mut owners: Vec<Uuid> = owners.into_iter().collect();
                    owners.sort_unstable();
                    shared.push(SharedOwners { module: module.id, action, owners: owners.into() });
                }
            }
        }
        shared.into()
    }
}

/// True of no record.
fn never() -> TypedRule {
    TypedRule { source: "false".to_owned(), expr: Expr::Literal(Value::Boolean(false)), ty: RuleType::Boolean }
}
