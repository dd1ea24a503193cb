//! Permission sets, groups, sharing and record rules: what administrators read and change of who reaches which record.

use std::collections::BTreeMap;

use async_graphql::{Context, Enum, ID, InputObject, Object, OneofObject, Result, SimpleObject};
use cardine_access::{ModuleGrant, Opens};
use cardine_engine::EngineError;
use cardine_engine::identity::{
    AccessState, Decision, PermissionSet as StoredSet, Principal, Share, ShareRow, SharedRecords,
    SharingRule as StoredRule,
};
use cardine_model::{Issue, PathSegment, path};
use serde_json::Value as Json;
use uuid::Uuid;

use super::AdminContext;
use super::error::{graphql_error, invalid};
use super::mutation::parse_id;
use super::people::{Group, ModuleAccess, Role, User, access_name, newest};

/// Grants that users have beside their role's.
#[derive(SimpleObject)]
pub struct PermissionSet {
    /// Its id.
    id: ID,
    /// Its name, unique.
    name: String,
    /// Text, or text by language.
    label: Option<Json>,
    /// What it grants.
    access: Vec<ModuleAccess>,
}

/// Opens records of one module to some users.
#[derive(SimpleObject)]
pub struct SharingRule {
    /// Its name, unique.
    name: String,
    /// The module's name.
    module: String,
    /// Whose records are opened; null where a rule says which.
    owned_by: Option<PrincipalName>,
    /// Of which records it is true; null where the owner says which.
    rule: Option<String>,
    /// To whom.
    with: PrincipalName,
    /// How far.
    access: SharedAccess,
    /// Whether deleting is open too.
    delete: bool,
}

/// Users by what they have in common: exactly one of the fields is set.
#[derive(SimpleObject, Default)]
pub struct PrincipalName {
    /// Those with the role of this name.
    role: Option<String>,
    /// Those with the role of this name or one below it.
    role_and_below: Option<String>,
    /// The members of the group of this name.
    group: Option<String>,
    /// The user with this id.
    user: Option<ID>,
}

/// Users by what they have in common.
#[derive(OneofObject)]
pub enum PrincipalInput {
    /// Those with the role of this name.
    Role(String),
    /// Those with the role of this name or one below it.
    RoleAndBelow(String),
    /// The members of the group of this name.
    Group(String),
    /// The user with this id.
    User(ID),
}

/// How far sharing opens a record.
#[derive(Enum, Debug, Clone, Copy, PartialEq, Eq)]
pub enum SharedAccess {
    /// To see it.
    Read,
    /// To see and change it.
    Write,
}

/// Which records a sharing rule opens: those of owners, or those of which a rule is true.
#[derive(InputObject)]
pub struct SharingRuleInput {
    /// Its name; a rule that has it is replaced.
    name: String,
    /// The module's name.
    module: String,
    /// Whose records.
    owned_by: Option<PrincipalInput>,
    /// Of which records this is true, such as `industry == "BANKING"`.
    rule: Option<String>,
    /// To whom.
    with: PrincipalInput,
    /// How far.
    access: SharedAccess,
    /// Whether deleting is open too.
    #[graphql(default)]
    delete: bool,
}

/// A record shared with one user, group or role.
#[derive(SimpleObject)]
pub struct RecordShare {
    /// To whom.
    with: PrincipalName,
    /// How far.
    access: SharedAccess,
    /// Whether deleting is open too.
    delete: bool,
}

/// What a user may do, and why.
#[derive(SimpleObject)]
pub struct AccessExplanation {
    /// Create records of the module.
    create: bool,
    /// Read records of the module.
    read: bool,
    /// Update records of the module.
    update: bool,
    /// Delete records of the module.
    delete: bool,
    /// What decides it.
    because: Vec<String>,
    /// The field that was asked about.
    field: Option<FieldExplanation>,
    /// The record that was asked about.
    record: Option<RecordExplanation>,
}

/// What a user may do with a field, and why.
#[derive(SimpleObject)]
pub struct FieldExplanation {
    /// `NONE`, `READ` or `WRITE`.
    access: String,
    /// What decides it.
    because: Vec<String>,
}

/// Whether a user reaches a record, and why.
#[derive(SimpleObject)]
pub struct RecordExplanation {
    /// See it.
    read: bool,
    /// Change it.
    update: bool,
    /// Delete it.
    delete: bool,
    /// What decides it.
    because: Vec<String>,
}

/// A user who may see a value.
#[derive(SimpleObject)]
pub struct Seer {
    /// The user.
    user: User,
    /// Whether the value may be changed too.
    may_change: bool,
}

/// Reads who reaches what.
#[derive(Default)]
pub struct AccessQuery;

#[Object]
impl AccessQuery {
    /// All permission sets.
    async fn permission_sets(&self, ctx: &Context<'_>) -> Vec<PermissionSet> {
        newest(ctx).access.permission_sets().iter().map(PermissionSet::from).collect()
    }

    /// All sharing rules.
    async fn sharing_rules(&self, ctx: &Context<'_>) -> Vec<SharingRule> {
        let access = &newest(ctx).access;
        access.sharing_rules().iter().map(|rule| SharingRule::of(rule, access)).collect()
    }

    /// With whom a record is shared by itself.
    async fn record_shares(&self, ctx: &Context<'_>, id: ID) -> Result<Vec<RecordShare>> {
        let AdminContext { app, .. } = ctx.data_unchecked();
        let shares = app.engine.record_shares(parse_id(&id, "id")?).await.map_err(graphql_error)?;
        let access = &newest(ctx).access;
        Ok(shares.iter().map(|share| RecordShare::of(share, access)).collect())
    }

    /// What a user may do with a module, and with a field and a record of it where they are named; each with its reasons.
    async fn explain_access(
        &self,
        ctx: &Context<'_>,
        user: ID,
        module: String,
        record: Option<ID>,
        field: Option<String>,
    ) -> Result<AccessExplanation> {
        let AdminContext { app, request, .. } = ctx.data_unchecked();
        let user = parse_id(&user, "user")?;
        let record = record.map(|record| parse_id(&record, "record")).transpose()?;
        let decision = app.engine.explain_access(request, user, &module, record, field.as_deref()).await;
        decision.map(AccessExplanation::from).map_err(graphql_error)
    }

    /// All active users who may see this field of this record.
    async fn who_can_see(&self, ctx: &Context<'_>, module: String, field: String, record: ID) -> Result<Vec<Seer>> {
        let AdminContext { app, request, .. } = ctx.data_unchecked();
        let record = parse_id(&record, "record")?;
        let seers = app.engine.who_can_see(request, &module, &field, record).await.map_err(graphql_error)?;
        let access = &request.snapshot.access;
        let known = seers.into_iter().filter_map(|seer| {
            access.user(seer.user).map(|user| Seer { user: User::from(user), may_change: seer.may_change })
        });
        Ok(known.collect())
    }
}

/// Changes who reaches what.
#[derive(Default)]
pub struct AccessMutation;

#[Object]
impl AccessMutation {
    /// Gives a role another place in the tree, or another label. What is left out stays; `parent: null` puts it at the top.
    async fn update_role(
        &self,
        ctx: &Context<'_>,
        name: String,
        parent: async_graphql::MaybeUndefined<String>,
        label: Option<Json>,
    ) -> Result<Role> {
        let AdminContext { app, request, .. } = ctx.data_unchecked();
        let parent = match &parent {
            async_graphql::MaybeUndefined::Undefined => None,
            async_graphql::MaybeUndefined::Null => Some(None),
            async_graphql::MaybeUndefined::Value(parent) => Some(Some(parent.as_str())),
        };
        let id = app.engine.update_role(request.into(), &name, parent, label).await.map_err(graphql_error)?;
        super::mutation::role(ctx, id)
    }

    /// Takes a role away, with what it grants, its record rules and what was shared with it alone. One that users have, that other
    /// roles stand below, or that sharing rules, workflows or modules name, stays: the answer tells all of them.
    async fn delete_role(&self, ctx: &Context<'_>, name: String) -> Result<bool> {
        let AdminContext { app, request, .. } = ctx.data_unchecked();
        app.engine.delete_role(request.into(), &name).await.map_err(graphql_error)?;
        Ok(true)
    }

    /// Saves a permission set under its name, in place of one that has it. `access` says what it grants, by module:
    /// `{"Deal": {"read": true, "fields": {"*": "READ"}}}`.
    async fn save_permission_set(
        &self,
        ctx: &Context<'_>,
        name: String,
        label: Option<Json>,
        access: Json,
    ) -> Result<PermissionSet> {
        let AdminContext { app, request, .. } = ctx.data_unchecked();
        let access = parse_access(&access)?;
        let label = label.filter(|label| !label.is_null());
        let saved = app.engine.save_permission_set(request.into(), &name, label, access).await;
        let id = saved.map_err(graphql_error)?;
        let found = newest(ctx).access.permission_sets().iter().find(|set| set.id == id).map(PermissionSet::from);
        found.ok_or_else(|| graphql_error(EngineError::NotFound))
    }

    /// Takes a permission set away, from everybody who has it too.
    async fn delete_permission_set(&self, ctx: &Context<'_>, name: String) -> Result<bool> {
        let AdminContext { app, request, .. } = ctx.data_unchecked();
        app.engine.delete_permission_set(request.into(), &name).await.map_err(graphql_error)?;
        Ok(true)
    }

    /// Makes a group if there is none of this name. `members`, where given, are all its members from now on.
    async fn save_group(&self, ctx: &Context<'_>, name: String, members: Option<Vec<ID>>) -> Result<Group> {
        let AdminContext { app, request, .. } = ctx.data_unchecked();
        let members = members.map(|members| members.iter().map(|id| parse_id(id, "members")).collect::<Result<_>>());
        let saved = app.engine.save_group(request.into(), &name, members.transpose()?).await;
        let id = saved.map_err(graphql_error)?;
        Ok(Group::of(name.trim(), id))
    }

    /// Takes a group away, with its members and what was shared with it alone. One that owns records, or that sharing rules,
    /// workflows, modules or records name, stays: the answer tells all of them.
    async fn delete_group(&self, ctx: &Context<'_>, name: String) -> Result<bool> {
        let AdminContext { app, request, .. } = ctx.data_unchecked();
        app.engine.delete_group(request.into(), &name).await.map_err(graphql_error)?;
        Ok(true)
    }

    /// Saves a sharing rule under its name, in place of one that has it.
    async fn save_sharing_rule(&self, ctx: &Context<'_>, rule: SharingRuleInput) -> Result<SharingRule> {
        let AdminContext { app, request, .. } = ctx.data_unchecked();
        let access = newest(ctx).access.clone();
        let records = match (rule.owned_by, rule.rule) {
            (Some(owners), None) => SharedRecords::OwnedBy(principal(&access, owners, path!["rule", "ownedBy"])?),
            (None, Some(source)) => SharedRecords::Rule(source),
            _ => {
                let message =
                    "a sharing rule says whose records it opens, by ownedBy, or which, by rule: one of the two";
                return Err(invalid(Issue::new(path!["rule", "rule"], "oneOf", message)));
            }
        };
        let with = principal(&access, rule.with, path!["rule", "with"])?;
        let opens = Opens { update: rule.access == SharedAccess::Write, delete: rule.delete };
        let name = rule.name.clone();
        let stored = StoredRule { name: rule.name, module: rule.module, records, with, opens };
        app.engine.save_sharing_rule(request.into(), stored).await.map_err(graphql_error)?;
        let access = &newest(ctx).access;
        let found = access.sharing_rules().iter().find(|rule| rule.name == name);
        found.map(|rule| SharingRule::of(rule, access)).ok_or_else(|| graphql_error(EngineError::NotFound))
    }

    /// Takes a sharing rule away.
    async fn delete_sharing_rule(&self, ctx: &Context<'_>, name: String) -> Result<bool> {
        let AdminContext { app, request, .. } = ctx.data_unchecked();
        app.engine.delete_sharing_rule(request.into(), &name).await.map_err(graphql_error)?;
        Ok(true)
    }

    /// Opens one record to a user, a group or a role, in place of what was opened to the same before.
    async fn share_record(
        &self,
        ctx: &Context<'_>,
        module: String,
        id: ID,
        with: PrincipalInput,
        access: SharedAccess,
        delete: Option<bool>,
    ) -> Result<Vec<RecordShare>> {
        let AdminContext { app, request, .. } = ctx.data_unchecked();
        let with = principal(&newest(ctx).access, with, path!["with"])?;
        let opens = Opens { update: access == SharedAccess::Write, delete: delete.unwrap_or(false) };
        let share = Share { record: parse_id(&id, "id")?, with, opens };
        app.engine.share_record(request.into(), &module, share).await.map_err(graphql_error)?;
        self.shares_of(ctx, share.record).await
    }

    /// Ends the sharing of one record with a user, a group or a role.
    async fn unshare_record(
        &self,
        ctx: &Context<'_>,
        module: String,
        id: ID,
        with: PrincipalInput,
    ) -> Result<Vec<RecordShare>> {
        let AdminContext { app, request, .. } = ctx.data_unchecked();
        let with = principal(&newest(ctx).access, with, path!["with"])?;
        let share = Share { record: parse_id(&id, "id")?, with, opens: Opens::default() };
        app.engine.unshare_record(request.into(), &module, share).await.map_err(graphql_error)?;
        self.shares_of(ctx, share.record).await
    }

    /// Sets the rule that narrows which records of a module a role reaches, such as `ownerId == actor.id`; null takes it away.
    async fn set_record_rule(
        &self,
        ctx: &Context<'_>,
        role: String,
        module: String,
        rule: Option<String>,
    ) -> Result<Role> {
        let AdminContext { app, request, .. } = ctx.data_unchecked();
        let set = app.engine.set_record_rule(request.into(), &role, &module, rule.as_deref()).await;
        super::mutation::role(ctx, set.map_err(graphql_error)?)
    }
}

impl AccessMutation {
    async fn shares_of(&self, ctx: &Context<'_>, record: Uuid) -> Result<Vec<RecordShare>> {
        let AdminContext { app, .. } = ctx.data_unchecked();
        let shares = app.engine.record_shares(record).await.map_err(graphql_error)?;
        let access = &newest(ctx).access;
        Ok(shares.iter().map(|share| RecordShare::of(share, access)).collect())
    }
}

/// Whom an input that stands `at` means.
fn principal(access: &AccessState, input: PrincipalInput, at: Vec<PathSegment>) -> Result<Principal> {
    let unknown = |key: &str, rule: &str, message: String| {
        let path = at.iter().cloned().chain([key.into()]).collect();
        invalid(Issue::new(path, rule, message))
    };
    let role = |name: &str, key: &str| {
        let found = access.role_named(name).map(|role| role.id);
        found.ok_or_else(|| unknown(key, "unknownRole", format!("there is no role named {name}")))
    };
    Ok(match input {
        PrincipalInput::Role(name) => Principal::Role(role(&name, "role")?),
        PrincipalInput::RoleAndBelow(name) => Principal::RoleAndBelow(role(&name, "roleAndBelow")?),
        PrincipalInput::Group(name) => {
            let found = access.groups().find(|(known, _)| *known == name).map(|(_, id)| id);
            let message = format!("there is no group named {name}");
            Principal::Group(found.ok_or_else(|| unknown("group", "unknownGroup", message))?)
        }
        PrincipalInput::User(id) => {
            let user: Uuid = id.parse().map_err(|_| unknown("user", "id", "this is not an id".to_owned()))?;
            let found = access.user(user).map(|user| user.id);
            let message = format!("there is no user with the id {user}");
            Principal::User(found.ok_or_else(|| unknown("user", "unknownUser", message))?)
        }
    })
}

fn parse_access(access: &Json) -> Result<BTreeMap<String, ModuleGrant>> {
    let Json::Object(modules) = access else {
        let message = "access is an object by module: {\"Deal\": {\"read\": true, \"fields\": {\"*\": \"READ\"}}}";
        return Err(invalid(Issue::new(path!["access"], "type", message)));
    };
    let mut parsed = BTreeMap::new();
    let mut issues = Vec::new();
    for (module, grant) in modules {
        match serde_json::from_value::<ModuleGrant>(grant.clone()) {
            Ok(grant) => {
                parsed.insert(module.clone(), grant);
            }
            Err(_) => {
                let message = "a module's entry has create, read, update and delete, each true or false, and fields with NONE, READ or WRITE by name";
                issues.push(Issue::new(path!["access", module.as_str()], "type", message));
            }
        }
    }
    if issues.is_empty() { Ok(parsed) } else { Err(graphql_error(EngineError::Validation(issues))) }
}

impl From<&StoredSet> for PermissionSet {
    fn from(set: &StoredSet) -> Self {
        Self {
            id: ID(set.id.to_string()),
            name: set.name.clone(),
            label: set.label.as_deref().and_then(|label| serde_json::from_str(label).ok()),
            access: set.grants.modules.iter().map(|(module, grant)| ModuleAccess::of(module, grant)).collect(),
        }
    }
}

impl SharingRule {
    fn of(rule: &StoredRule, access: &AccessState) -> Self {
        let (owned_by, source) = match &rule.records {
            SharedRecords::OwnedBy(owners) => (Some(PrincipalName::of(*owners, access)), None),
            SharedRecords::Rule(source) => (None, Some(source.clone())),
        };
        Self {
            name: rule.name.clone(),
            module: rule.module.clone(),
            owned_by,
            rule: source,
            with: PrincipalName::of(rule.with, access),
            access: if rule.opens.update { SharedAccess::Write } else { SharedAccess::Read },
            delete: rule.opens.delete,
        }
    }
}

impl RecordShare {
    fn of(share: &ShareRow, access: &AccessState) -> Self {
        let with = match share.kind.as_str() {
            "user" => Principal::User(share.principal),
            "group" => Principal::Group(share.principal),
            _ => Principal::Role(share.principal),
        };
        Self {
            with: PrincipalName::of(with, access),
            access: if share.opens_update { SharedAccess::Write } else { SharedAccess::Read },
            delete: share.opens_delete,
        }
    }
}

impl PrincipalName {
    fn of(principal: Principal, access: &AccessState) -> Self {
        let role = |id| access.role(id).map(|role| role.name.clone());
        match principal {
            Principal::Role(id) => Self { role: role(id), ..Self::default() },
            Principal::RoleAndBelow(id) => Self { role_and_below: role(id), ..Self::default() },
            Principal::Group(wanted) => {
                let group = access.groups().find(|(_, id)| *id == wanted).map(|(name, _)| name.to_owned());
                Self { group, ..Self::default() }
            }
            Principal::User(id) => Self { user: Some(ID(id.to_string())), ..Self::default() },
        }
    }
}

impl From<Decision> for AccessExplanation {
    fn from(decision: Decision) -> Self {
        Self {
            create: decision.create,
            read: decision.read,
            update: decision.update,
            delete: decision.delete,
            because: decision.because,
            field: decision
                .field
                .map(|field| FieldExplanation { access: access_name(field.access).to_owned(), because: field.because }),
            record: decision.record.map(|record| RecordExplanation {
                read: record.read,
                update: record.update,
                delete: record.delete,
                because: record.because,
            }),
        }
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn what_a_set_grants_is_read_strictly() {
        let parsed = parse_access(&json!({"Deal": {"read": true, "fields": {"*": "READ"}}})).unwrap();
        assert!(parsed["Deal"].read && !parsed["Deal"].delete);
        assert_eq!(parsed["Deal"].field("anything"), cardine_access::FieldAccess::Read);
        for faulty in [
            json!([]),
            json!({"Deal": true}),
            json!({"Deal": {"reed": true}}),
            json!({"Deal": {"fields": {"a": "read"}}}),
        ] {
            assert!(parse_access(&faulty).is_err(), "{faulty}");
        }
    }
}
