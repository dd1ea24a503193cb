//! What administrators change.

use std::collections::BTreeMap;
use std::str::FromStr as _;

use async_graphql::{Context, ID, Object, Result};
use cardine_access::FieldAccess;
use cardine_engine::EngineError;
use cardine_engine::identity::{AccessPatch, Assignment, NewUser, UserPatch};
use cardine_model::{Issue, path};
use cardine_workflow::Grant;
use serde_json::Value as Json;
use uuid::Uuid;

use super::AdminContext;
use super::error::{graphql_error, invalid};
use super::people::{Role, User};
use super::upload::{PackageFile, read_package};
use super::workflow::{Plugin, Run, Workflow, fetch_run, fetch_workflows};

/// What is not changed elsewhere.
#[derive(Default)]
pub struct BaseMutation;

#[Object]
impl BaseMutation {
    /// Makes a role that may do nothing yet. Those above it see its users' records.
    async fn create_role(
        &self,
        ctx: &Context<'_>,
        name: String,
        parent: Option<String>,
        label: Option<Json>,
    ) -> Result<Role> {
        let AdminContext { app, request, .. } = ctx.data_unchecked();
        let label = label.filter(|label| !label.is_null());
        let made = app.engine.create_role(request.into(), &name, parent.as_deref(), label).await;
        role(ctx, made.map_err(graphql_error)?)
    }

    /// Sets what a role may do with a module. What is left out keeps its value; `fields` replaces all that was there:
    /// `{"*": "READ", "salary": "NONE"}`.
    #[allow(clippy::too_many_arguments)]
    async fn set_access(
        &self,
        ctx: &Context<'_>,
        role: String,
        module: String,
        create: Option<bool>,
        read: Option<bool>,
        update: Option<bool>,
        delete: Option<bool>,
        fields: Option<Json>,
    ) -> Result<Role> {
        let AdminContext { app, request, .. } = ctx.data_unchecked();
        let fields = fields.filter(|fields| !fields.is_null()).map(|fields| parse_fields(&fields)).transpose()?;
        let patch = AccessPatch { create, read, update, delete, fields };
        let set = app.engine.set_access(request.into(), &role, &module, patch).await;
        self::role(ctx, set.map_err(graphql_error)?)
    }

    /// Makes a user. Without a password it cannot sign in by one.
    async fn create_user(
        &self,
        ctx: &Context<'_>,
        email: String,
        password: Option<String>,
        name: Option<String>,
        role: String,
    ) -> Result<User> {
        let AdminContext { app, request, .. } = ctx.data_unchecked();
        let password_hash = match password {
            None => None,
            Some(password) => {
                let hashed = app.auth.passwords.hash(&password).await;
                Some(hashed.map_err(|unfit| invalid(Issue::new(path!["password"], "length", unfit.to_string())))?)
            }
        };
        let new = NewUser { email, name, role, password_hash, locale: None, time_zone: None };
        let made = app.engine.create_user(request.into(), new).await;
        user(ctx, made.map_err(graphql_error)?)
    }

    /// Gives a user another role, permission sets or groups, each by name. What is left out stays.
    async fn assign_user(
        &self,
        ctx: &Context<'_>,
        user: ID,
        role: Option<String>,
        permission_sets: Option<Vec<String>>,
        groups: Option<Vec<String>>,
    ) -> Result<User> {
        let AdminContext { app, request, .. } = ctx.data_unchecked();
        let id = parse_id(&user, "user")?;
        let assignment = Assignment { role, permission_sets, groups };
        app.engine.assign_user(request.into(), id, assignment).await.map_err(graphql_error)?;
        self::user(ctx, id)
    }

    /// Changes what a user is called, the address to sign in with, its language (BCP 47) and its time zone (IANA name). What is left
    /// out stays; an empty text takes language or time zone away. With another address all sessions end.
    async fn update_user(
        &self,
        ctx: &Context<'_>,
        user: ID,
        email: Option<String>,
        name: Option<String>,
        locale: Option<String>,
        time_zone: Option<String>,
    ) -> Result<User> {
        let AdminContext { app, request, .. } = ctx.data_unchecked();
        let id = parse_id(&user, "user")?;
        if time_zone.as_deref().is_some_and(|zone| !zone.is_empty() && chrono_tz::Tz::from_str(zone).is_err()) {
            return Err(invalid(Issue::new(
                path!["timeZone"],
                "timeZone",
                "this is not an IANA name such as Europe/Rome",
            )));
        }
        let is_tag =
            |tag: &str| tag.len() <= 35 && tag.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'-');
        if locale.as_deref().is_some_and(|locale| !is_tag(locale)) {
            return Err(invalid(Issue::new(path!["locale"], "locale", "this is not a language such as it or en-GB")));
        }
        let patch = UserPatch { email, name, locale, time_zone };
        app.engine.update_user(request.into(), id, patch).await.map_err(graphql_error)?;
        app.auth.forget_tokens();
        self::user(ctx, id)
    }

    /// Sets a user's password, where mail cannot reach them. All their sessions end.
    async fn set_password(&self, ctx: &Context<'_>, user: ID, password: String) -> Result<User> {
        let AdminContext { app, request, .. } = ctx.data_unchecked();
        let id = parse_id(&user, "user")?;
        let hash = app.auth.passwords.hash(&password).await;
        let hash = hash.map_err(|unfit| invalid(Issue::new(path!["password"], "length", unfit.to_string())))?;
        app.engine.set_password(request.into(), id, None, hash, None).await.map_err(graphql_error)?;
        app.auth.forget_tokens();
        self::user(ctx, id)
    }

    /// Lets a user sign in, or no more; then its sessions end at once.
    async fn set_user_active(&self, ctx: &Context<'_>, user: ID, active: bool) -> Result<User> {
        let AdminContext { app, request, .. } = ctx.data_unchecked();
        let id = parse_id(&user, "user")?;
        app.engine.set_user_active(request.into(), id, active).await.map_err(graphql_error)?;
        app.auth.forget_tokens();
        self::user(ctx, id)
    }

    /// Saves a workflow under its name, in place of one that has it. `definition` is a document of
    /// `/schema/workflow.schema.json`; the caller becomes its author.
    async fn save_workflow(&self, ctx: &Context<'_>, definition: Json) -> Result<Workflow> {
        let AdminContext { app, request, .. } = ctx.data_unchecked();
        let saved = cardine_workflow::save_workflow(&app.engine, &app.outside.plugins, request, definition).await;
        let id = saved.map_err(graphql_error)?;
        let saved = fetch_workflows(ctx).await?.into_iter().find(|workflow| workflow.id.0 == id.to_string());
        saved.ok_or_else(|| graphql_error(EngineError::NotFound))
    }

    /// Starts a run of a workflow whose trigger is `manual`, about a record if the workflow has a module. Rules see the input as
    /// `trigger.input`.
    async fn start_workflow(
        &self,
        ctx: &Context<'_>,
        workflow: String,
        record: Option<ID>,
        input: Option<Json>,
    ) -> Result<Run> {
        let AdminContext { app, request, .. } = ctx.data_unchecked();
        let record = record.map(|id| parse_id(&id, "record")).transpose()?;
        let input = input.unwrap_or(Json::Null);
        let started = cardine_workflow::start_workflow(&app.engine, request, &workflow, record, input).await;
        fetch_run(ctx, started.map_err(graphql_error)?).await
    }

    /// Ends a run that has not ended. A step that is under way records nothing any more.
    async fn cancel_run(&self, ctx: &Context<'_>, id: ID) -> Result<Run> {
        let AdminContext { app, request, .. } = ctx.data_unchecked();
        let id = parse_id(&id, "id")?;
        cardine_workflow::cancel_run(&app.engine, request, id).await.map_err(graphql_error)?;
        fetch_run(ctx, id).await
    }

    /// Takes a failed run off the list of those that wait for somebody. It ends as cancelled, and keeps its error.
    async fn dismiss_run(&self, ctx: &Context<'_>, id: ID) -> Result<Run> {
        let AdminContext { app, request, .. } = ctx.data_unchecked();
        let id = parse_id(&id, "id")?;
        cardine_workflow::dismiss_run(&app.engine, request, id).await.map_err(graphql_error)?;
        fetch_run(ctx, id).await
    }

    /// Lets a failed or cancelled run go on where it ended, or from an earlier step outside of loops.
    async fn retry_run(&self, ctx: &Context<'_>, id: ID, step: Option<String>) -> Result<Run> {
        let AdminContext { app, request, .. } = ctx.data_unchecked();
        let id = parse_id(&id, "id")?;
        cardine_workflow::retry_run(&app.engine, request, id, step).await.map_err(graphql_error)?;
        fetch_run(ctx, id).await
    }

    /// Lets a failed or cancelled run go on behind the step at which it ended, whose output is null.
    async fn skip_step(&self, ctx: &Context<'_>, id: ID) -> Result<Run> {
        let AdminContext { app, request, .. } = ctx.data_unchecked();
        let id = parse_id(&id, "id")?;
        cardine_workflow::skip_step(&app.engine, request, id).await.map_err(graphql_error)?;
        fetch_run(ctx, id).await
    }

    /// Installs a plugin's package, in place of one of the same name; with `dryRun` it is only checked. `grant` is part of
    /// its manifest's `permissions`, in their form; left out, an installed plugin keeps its grant and a new one gets nothing.
    async fn install_plugin(
        &self,
        ctx: &Context<'_>,
        file: PackageFile,
        grant: Option<Json>,
        dry_run: Option<bool>,
    ) -> Result<Plugin> {
        let AdminContext { app, request, .. } = ctx.data_unchecked();
        let package = read_package(ctx, file).await?;
        let grant = grant.filter(|grant| !grant.is_null()).map_or(Grant::AsBefore, Grant::These);
        let installed = if dry_run.unwrap_or(false) {
            app.outside.plugins.check(&app.engine, request, package, grant).await
        } else {
            app.outside.plugins.install(&app.engine, request, package, grant).await
        };
        installed.map(Plugin::from).map_err(|error| graphql_error(error.into()))
    }
}

/// A role as it is after the change: not in the request's own snapshot, which is older.
pub(super) fn role(ctx: &Context<'_>, id: Uuid) -> Result<Role> {
    let access = &ctx.data_unchecked::<AdminContext>().app.engine.snapshot().access;
    let found = access.role(id).map(|role| Role::of(role, access));
    found.ok_or_else(|| graphql_error(EngineError::NotFound))
}

fn user(ctx: &Context<'_>, id: Uuid) -> Result<User> {
    let access = &ctx.data_unchecked::<AdminContext>().app.engine.snapshot().access;
    access.user(id).map(User::from).ok_or_else(|| graphql_error(EngineError::NotFound))
}

pub(super) fn parse_id(id: &ID, argument: &str) -> Result<Uuid> {
    id.parse().map_err(|_| invalid(Issue::new(path![argument], "id", "this is not an id")))
}

fn parse_fields(fields: &Json) -> Result<BTreeMap<String, FieldAccess>> {
    let Json::Object(entries) = fields else {
        let message = "fields is an object: {\"*\": \"READ\", \"salary\": \"NONE\"}";
        return Err(invalid(Issue::new(path!["fields"], "type", message)));
    };
    let mut parsed = BTreeMap::new();
    let mut issues = Vec::new();
    for (name, access) in entries {
        match serde_json::from_value(access.clone()) {
            Ok(access) => {
                parsed.insert(name.clone(), access);
            }
            Err(_) => {
                let message = format!("the access to {name} is NONE, READ or WRITE");
                issues.push(Issue::new(path!["fields", name.as_str()], "enum", message));
            }
        }
    }
    if issues.is_empty() { Ok(parsed) } else { Err(graphql_error(EngineError::Validation(issues))) }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn field_access_is_one_of_three_words() {
        let fields = parse_fields(&json!({"*": "READ", "a": "WRITE", "b": "NONE"})).unwrap();
        assert_eq!(fields["*"], FieldAccess::Read);
        assert_eq!((fields["a"], fields["b"]), (FieldAccess::Write, FieldAccess::None));
        for faulty in [json!({"a": "read"}), json!({"a": true}), json!(["a"]), json!("READ")] {
            assert!(parse_fields(&faulty).is_err(), "{faulty}");
        }
    }
}
