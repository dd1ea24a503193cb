//! Why somebody may do something, or not; and who may see a value. Decided by what every request is decided by.

use std::sync::Arc;

use async_recursion::async_recursion as boxed;
use cardine_access::{FieldAccess, Opens};
use cardine_model::catalog::{Catalog, Module};
use cardine_model::definition::Sharing;
use cardine_model::rule::TypedRule;
use cardine_model::{Issue, Value, path};
use cardine_sql::select_reach;
use cardine_store::platform::sharing::fetch_shares;
use cardine_store::{Bindings, ReadTx};
use futures_util::FutureExt as _;
use rustc_hash::FxHashMap;
use uuid::Uuid;

use super::named::Named;
use super::sharing::typed_condition;
use super::state::Caller;
use super::{AccessState, SharedRecords, UserAccess};
use crate::{Engine, EngineError, RequestContext};

/// What a user may do with a module, a field of it and a record of it, each with what decides it.
#[derive(Debug, Clone, Default)]
pub struct Decision {
    /// Create records.
    pub create: bool,
    /// Read records.
    pub read: bool,
    /// Update records.
    pub update: bool,
    /// Delete records.
    pub delete: bool,
    /// What grants, or why nothing does.
    pub because: Vec<String>,
    /// The field, if one was asked about.
    pub field: Option<FieldDecision>,
    /// The record, if one was asked about.
    pub record: Option<RecordDecision>,
}

/// What a user may do with a field.
#[derive(Debug, Clone)]
pub struct FieldDecision {
    /// Nothing, see it, or change it.
    pub access: FieldAccess,
    /// What grants, or why nothing does.
    pub because: Vec<String>,
}

/// Whether a user reaches a record, by the record alone: what may be done with its module comes on top.
#[derive(Debug, Clone)]
pub struct RecordDecision {
    /// See it.
    pub read: bool,
    /// Change it.
    pub update: bool,
    /// Delete it.
    pub delete: bool,
    /// What opens it and what narrows it.
    pub because: Vec<String>,
}

/// A user who may see a value, and whether it may be changed.
#[derive(Debug, Clone)]
pub struct Seer {
    /// The user's id.
    pub user: Uuid,
    /// Whether the value may be changed too.
    pub may_change: bool,
}

impl Engine {
    /// What a user may do and why. `field` is any name that the module's records show.
    #[boxed]
    pub async fn explain_access(
        &self,
        ctx: &RequestContext,
        user: Uuid,
        module: &str,
        record: Option<Uuid>,
        field: Option<&str>,
    ) -> Result<Decision, EngineError> {
        let (access, catalog) = (&ctx.snapshot.access, ctx.catalog());
        let user = access.user(user).ok_or(EngineError::NotFound)?;
        let module = module_named(catalog, module)?;
        let named = field.map(|name| Named::find(module, name)).transpose()?;
        let Some(actor) = access.actor(catalog, user.id, None, None) else {
            let because = vec!["the user is not active".to_owned()];
            return Ok(Decision { because, ..Decision::default() });
        };
        let rights = actor.rights.module(module.id);
        let mut decision = Decision {
            create: rights.create,
            read: rights.read,
            update: rights.update,
            delete: rights.delete,
            because: access.grants_on(user, module),
            field: named.map(|named| {
                let allowed = named.access(&actor.rights, module);
                let because = access.grants_on_field(user, catalog, module, named, allowed);
                FieldDecision { access: allowed, because }
            }),
            record: None,
        };
        if let Some(record) = record {
            let asking = RequestContext { actor: Arc::new(actor), ..ctx.clone() };
            decision.record = Some(self.explain_record(&asking, user, module, record).await?);
        }
        Ok(decision)
    }

    async fn explain_record(
        &self,
        asking: &RequestContext,
        user: &UserAccess,
        module: &Module,
        record: Uuid,
    ) -> Result<RecordDecision, EngineError> {
        let (access, catalog) = (&asking.snapshot.access, asking.catalog());
        let role = user.role.and_then(|role| access.role(role));
        let mut named: Vec<(String, Arc<TypedRule>)> = Vec::new();
        let meant = access.sharing_rules_for(&Caller { user: Some(user), role, signed_in: true, scopes: None });
        for position in &meant {
            let rule = &access.sharing_rules()[*position];
            if let SharedRecords::Rule(source) = &rule.records
                && rule.module == module.name
                && let Ok(typed) = typed_condition(catalog, module.id, source)
            {
                named.push((format!("the sharing rule {} {}", rule.name, told(rule.opens)), typed));
            }
        }
        let opening = named.len();
        if let Some(role) = role
            && let Some(source) = access.record_rule(role.id, &module.name)
            && let Ok(typed) = typed_condition(catalog, module.id, source)
        {
            named.push((format!("the record rule of the role {}", role.name), typed));
        }
        let rules: Vec<_> = named.iter().map(|(_, rule)| &rule.expr).collect();
        let rights = &asking.actor.rights;
        let statement = select_reach(self.store().dialect(), catalog, rights, module.id, &rules);
        let context = asking.clone();
        let values = [Value::Id(record)];
        let (row, shares) = self
            .store()
            .read(move |tx: &mut ReadTx| {
                async move {
                    let rows = tx.query(&statement, &Bindings { values: &values, ..context.bindings(&[]) }).await?;
                    Ok::<_, EngineError>((rows, fetch_shares(tx, record).await?))
                }
                .boxed()
            })
            .await?;
        if row.is_empty() {
            return Err(EngineError::NotFound);
        }
        let truth = |column| row.cell(0, column).boolean().unwrap_or(false);
        let owner = row.cell(0, 3).text().and_then(|owner| owner.parse().ok());
        let mut because = access.ways_by_owner(user, module, owner, &meant);
        if rights.administrator {
            because = vec!["administrators reach every record".to_owned()];
        }
        because.extend((0..opening).filter(|rule| truth(rule + 4)).map(|rule| named[rule].0.clone()));
        for share in shares.iter().filter(|share| asking.actor.principals.contains(&share.principal)) {
            let opens = Opens { update: share.opens_update, delete: share.opens_delete };
            because.push(format!("the record is shared with the {} {}", with_whom(access, share), told(opens)));
        }
        for (rule, (name, _)) in named.iter().enumerate().skip(opening) {
            let outcome = if truth(rule + 4) { "lets it through" } else { "keeps it out" };
            because.push(format!("{name} {outcome}"));
        }
        if because.is_empty() {
            because.push("nothing opens it: neither its owner, nor the module's sharing, a rule or a share".to_owned());
        }
        Ok(RecordDecision { read: truth(0), update: truth(1), delete: truth(2), because })
    }

    /// All active users who may see a field of a record.
    #[boxed]
    pub async fn who_can_see(
        &self,
        ctx: &RequestContext,
        module: &str,
        field: &str,
        record: Uuid,
    ) -> Result<Vec<Seer>, EngineError> {
        let (access, catalog) = (&ctx.snapshot.access, ctx.catalog());
        let module = module_named(catalog, module)?;
        let named = Named::find(module, field)?;
        let mut statements = FxHashMap::default();
        let mut asked = Vec::new();
        for user in access.users() {
            let Some(actor) = access.actor(catalog, user.id, None, None) else { continue };
            let allowed = named.access(&actor.rights, module);
            if allowed == FieldAccess::None {
                continue;
            }
            let may_update = !named.is_of_the_record() || actor.rights.module(module.id).update;
            let may_change = may_update && allowed == FieldAccess::Write;
            let statement = || select_reach(self.store().dialect(), catalog, &actor.rights, module.id, &[]);
            statements.entry(actor.rights.serial).or_insert_with(statement);
            asked.push((RequestContext { actor: Arc::new(actor), ..ctx.clone() }, user.id, may_change));
        }
        let values = [Value::Id(record)];
        let named_is_of_the_record = named.is_of_the_record();
        self.store()
            .read(move |tx: &mut ReadTx| {
                async move {
                    let mut seers = Vec::new();
                    for (asking, user, may_change) in &asked {
                        let statement = &statements[&asking.actor.rights.serial];
                        let bindings = Bindings { values: &values, ..asking.bindings(&[]) };
                        let row = tx.query(statement, &bindings).await?;
                        let truth = |column| !row.is_empty() && row.cell(0, column).boolean().unwrap_or(false);
                        if truth(0) {
                            let may_change = *may_change && (!named_is_of_the_record || truth(1));
                            seers.push(Seer { user: *user, may_change });
                        }
                    }
                    Ok(seers)
                }
                .boxed()
            })
            .await
    }
}

impl AccessState {
    /// The sources of grants of a user, by what people call them.
    fn sources<'a>(&'a self, user: &'a UserAccess) -> impl Iterator<Item = (String, &'a cardine_access::Grants)> {
        let role = user.role.and_then(|role| self.role(role));
        let role = role.map(|role| (format!("the role {}", role.name), &role.grants));
        let sets = self.permission_sets().iter().filter(|set| user.permission_sets.contains(&set.id));
        role.into_iter().chain(sets.map(|set| (format!("the permission set {}", set.name), &set.grants)))
    }

    fn grants_on(&self, user: &UserAccess, module: &Module) -> Vec<String> {
        let mut because = Vec::new();
        for (source, grants) in self.sources(user) {
            if grants.administrator {
                because.push(format!("{source} is bound by nothing"));
            } else if let Some(grant) = grants.modules.get(module.name.as_str()) {
                let actions = [
                    ("create", grant.create),
                    ("read", grant.read),
                    ("update", grant.update),
                    ("delete", grant.delete),
                ];
                let granted: Vec<&str> =
                    actions.iter().filter(|(_, granted)| *granted).map(|(name, _)| *name).collect();
                if !granted.is_empty() {
                    because.push(format!("{source} grants {}", granted.join(", ")));
                }
            }
        }
        if because.is_empty() {
            because.push(format!("neither the role nor a permission set grants anything on {}", module.name));
        } else if !because.iter().any(|reason| reason.contains("read") || reason.contains("bound by nothing")) {
            because.push("without read, nothing else counts".to_owned());
        }
        because
    }

    fn grants_on_field(
        &self,
        user: &UserAccess,
        catalog: &Catalog,
        module: &Module,
        named: Named<'_>,
        access: FieldAccess,
    ) -> Vec<String> {
        let mut because = Vec::new();
        let mut granted = false;
        let (deciding, id) = named.decided_by(catalog, module);
        let asked = module;
        let (module, field) = (catalog.module(deciding), catalog.field(deciding, id));
        if let Named::Relation(relation) = named {
            because.push(format!("{} shows {} by their {}", relation.name, module.plural, field.name));
        }
        let shown = because.len();
        let field = field.name.as_str();
        for (source, grants) in self.sources(user) {
            if grants.administrator {
                because.push(format!("{source} is bound by nothing"));
                granted = true;
            } else if let Some(grant) = grants.modules.get(module.name.as_str()) {
                let by = if grant.fields.contains_key(field) { field } else { "*" };
                let told = match grant.field(field) {
                    FieldAccess::None => "NONE",
                    FieldAccess::Read => "READ",
                    FieldAccess::Write => "WRITE",
                };
                granted |= grant.field(field) > FieldAccess::None;
                because.push(format!("{source} says {told} by {by:?}"));
            }
        }
        if because.len() == shown {
            because.push(format!("neither the role nor a permission set grants anything on {}", module.name));
        } else if granted && access == FieldAccess::None {
            let reason = if asked.id != deciding {
                format!("the user may not read both {} and {}", asked.name, module.name)
            } else if catalog.inputs_of(deciding, id).is_empty() {
                "it leads to no module that the user may read".to_owned()
            } else {
                "it is made of a field that the user may not read".to_owned()
            };
            because.push(reason);
        }
        because
    }

    /// What opens a record by its owner, the module's sharing, or a sharing rule over owners.
    fn ways_by_owner(&self, user: &UserAccess, module: &Module, owner: Option<Uuid>, meant: &[usize]) -> Vec<String> {
        let mut because = Vec::new();
        match module.sharing {
            Sharing::Private => {}
            Sharing::PublicRead => {
                because.push(format!("{} are open to read for everyone who may read the module", module.plural))
            }
            Sharing::PublicReadWrite => {
                because.push(format!(
                    "{} are open to read and write for everyone who may do so with the module",
                    module.plural
                ));
            }
            Sharing::ControlledByParent => because.push("who reaches the parent reaches the record".to_owned()),
        }
        let Some(owner) = owner else { return because };
        if owner == user.id {
            because.push("the user owns it".to_owned());
        }
        if user.groups.contains(&owner) {
            because.push("a group of the user owns it".to_owned());
        }
        if user.role.is_some_and(|role| self.owners_below(role).contains(&owner)) {
            because.push("the user's role stands above the owner's".to_owned());
        }
        for position in meant {
            let rule = &self.sharing_rules()[*position];
            if let SharedRecords::OwnedBy(principal) = rule.records
                && rule.module == module.name
                && self.owners_of(principal).contains(&owner)
            {
                because.push(format!("the sharing rule {} {}", rule.name, told(rule.opens)));
            }
        }
        because
    }
}

fn with_whom(access: &AccessState, share: &cardine_store::platform::sharing::ShareRow) -> String {
    let name = match share.kind.as_str() {
        "user" => access.user(share.principal).map(|user| user.email.clone()),
        "role" => access.role(share.principal).map(|role| role.name.clone()),
        _ => access.groups().find(|(_, id)| *id == share.principal).map(|(name, _)| name.to_owned()),
    };
    format!("{} {}", share.kind, name.unwrap_or_else(|| share.principal.to_string()))
}

fn told(opens: Opens) -> &'static str {
    match (opens.update, opens.delete) {
        (false, false) => "opens it to read",
        (true, false) => "opens it to read and write",
        (false, true) => "opens it to read and delete",
        (true, true) => "opens it to read, write and delete",
    }
}

fn module_named<'a>(catalog: &'a Catalog, name: &str) -> Result<&'a Module, EngineError> {
    catalog.module_by_name(name).ok_or_else(|| {
        let message = format!("there is no module named {name}");
        EngineError::Validation(vec![Issue::new(path!["module"], "unknownModule", message)])
    })
}
