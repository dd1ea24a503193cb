//! What a module's feature `calendarShares` says: with whom users share when they are busy.

use serde::Deserialize;

use crate::catalog::{Catalog, Field, FieldKind, Module, ModuleId, Relation};
use crate::feature::Feature;
use crate::{Issue, path};

/// The feature as the module's document has it. Where a name leads nowhere, nothing is shared.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct SharedCalendars {
    /// The modules whose records make a user busy, by the feature `recurrence`.
    pub of: Vec<String>,
    /// A reference to the user whose calendar it is.
    pub user: String,
    /// A choice: how it is shared.
    pub mode: String,
    /// The options by which it is shared with everybody.
    #[serde(default)]
    pub everybody: Vec<String>,
    /// Those by which it is shared with the users of `users`.
    #[serde(default)]
    pub chosen: Vec<String>,
    /// References to users.
    #[serde(default)]
    pub users: Option<String>,
    /// A choice: how much is shown to those with whom it is shared.
    #[serde(default)]
    pub detail: Option<String>,
    /// Its options by which they see what the user is busy with.
    #[serde(default)]
    pub details: Vec<String>,
}

impl SharedCalendars {
    /// The reference to the user whose calendar it is, and the choice.
    pub fn fields<'m>(&self, module: &'m Module) -> Option<(&'m Field, &'m Field)> {
        let user = module.field_named(&self.user).filter(|field| is_user(module, field))?;
        let mode = module.field_named(&self.mode).filter(|field| is_choice(field))?;
        Some((user, mode))
    }

    /// The choice that says how much is shown.
    pub fn detail_field<'m>(&self, module: &'m Module) -> Option<&'m Field> {
        module.field_named(self.detail.as_ref()?).filter(|field| is_choice(field))
    }

    /// The relation to the users with whom it is shared.
    pub fn chosen_users<'m>(&self, catalog: &Catalog, module: &'m Module) -> Option<&'m Relation> {
        let relation = module.relation_named(self.users.as_ref()?)?;
        let is_theirs = relation.through.is_some() && leads_to_users(module, catalog.related_module(relation));
        is_theirs.then_some(relation)
    }
}

impl Feature for SharedCalendars {
    const NAME: &'static str = "calendarShares";

    fn check(&self, catalog: &Catalog, module: &Module) -> Vec<Issue> {
        let mut issues = Vec::new();
        for (position, name) in self.of.iter().enumerate() {
            let place = path!["of", position];
            match catalog.module_by_name(name) {
                None => issues.push(Issue::new(place, "unknownModule", format!("there is no module `{name}`"))),
                Some(of) if of.recurrence.as_ref().is_none_or(|recurrence| recurrence.fields(of).is_none()) => {
                    let message = format!("`{name}` must have the feature `recurrence`");
                    issues.push(Issue::new(place, "type", message));
                }
                Some(_) => {}
            }
        }
        let mut own = |key: &str, name: &str, fits: bool, kind: &str| {
            if module.field_named(name).is_none() {
                let message = format!("`{}` has no field `{name}`", module.name);
                issues.push(Issue::new(path![key], "unknownField", message));
            } else if !fits {
                issues.push(Issue::new(path![key], "type", format!("`{name}` must be {kind}")));
            }
        };
        let is_user = module.field_named(&self.user).is_some_and(|field| is_user(module, field));
        own("user", &self.user, is_user, "a stored reference to `User` alone");
        let mode = module.field_named(&self.mode);
        own("mode", &self.mode, mode.is_some_and(is_choice), "a stored choice");
        if let Some(users) = &self.users {
            own("users", users, self.chosen_users(catalog, module).is_some(), "references to `User`");
        }
        let detail = self.detail.as_ref().and_then(|name| module.field_named(name));
        if let Some(name) = &self.detail {
            own("detail", name, detail.is_some_and(is_choice), "a stored choice");
        }
        let named =
            [("everybody", &self.everybody, mode), ("chosen", &self.chosen, mode), ("details", &self.details, detail)];
        for (key, values, field) in named {
            let Some(FieldKind::Choice { options, .. }) = field.map(|field| &field.kind) else { continue };
            for (position, value) in values.iter().enumerate() {
                if !options.iter().any(|option| option.value == *value) {
                    let name = field.map(|field| field.name.as_str()).unwrap_or_default();
                    let message = format!("`{name}` has no option `{value}`");
                    issues.push(Issue::new(path![key, position], "unknownOption", message));
                }
            }
        }
        if !self.details.is_empty() && self.detail.is_none() {
            let message = "`detail` is missing: the choice of which these are options".to_owned();
            issues.push(Issue::new(path!["details"], "missing", message));
        }
        if !self.chosen.is_empty() && self.users.is_none() {
            issues.push(Issue::new(
                path!["chosen"],
                "missing",
                "`users` is missing: with whom it is shared".to_owned(),
            ));
        }
        issues
    }
}

/// Whether it is the module of users, whom each record has as those who made it.
fn leads_to_users(module: &Module, target: ModuleId) -> bool {
    let created_by = module.field(Module::CREATED_BY).reference();
    created_by.is_some_and(|reference| reference.targets == [target])
}

fn is_user(module: &Module, field: &Field) -> bool {
    let targets =
        field.reference().filter(|_| field.column.is_some() && !field.system).map(|reference| &reference.targets);
    targets.is_some_and(|targets| matches!(targets.as_slice(), [one] if leads_to_users(module, *one)))
}

fn is_choice(field: &Field) -> bool {
    field.column.is_some() && matches!(field.kind, FieldKind::Choice { .. })
}
