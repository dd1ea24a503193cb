//! Users: making one, giving it a role, letting it sign in or no more.

use async_recursion::async_recursion as boxed;
use cardine_model::text::account_key;
use cardine_model::{Issue, path};
use cardine_store::platform::access::{
    UserRow, count_administrators, fetch_password_hash, find_name_of_role, find_role, find_user, find_user_by_email,
    insert_user, update_user_active, update_user_role, update_user_words,
};
use cardine_store::platform::permission_sets::{find_groups_of, find_permission_sets_of};
use serde_json::json;
use uuid::Uuid;

use super::passwords::end_access;
use super::permission_sets::{assign_groups, assign_permission_sets};
use super::roles::unknown_role;
use super::{ADMINISTRATOR, ChangedBy, audit, begin_change};
use crate::{Engine, EngineError};

/// A user to be made.
#[derive(Clone)]
pub struct NewUser {
    /// To sign in with; stored folded.
    pub email: String,
    /// For people; the address if left out.
    pub name: Option<String>,
    /// The role's name.
    pub role: String,
    /// A PHC string; without one the user cannot sign in by password.
    pub password_hash: Option<String>,
    /// BCP 47.
    pub locale: Option<String>,
    /// IANA name.
    pub time_zone: Option<String>,
}

/// What is to be different of a user; `None` leaves what is there, an empty text takes it away where that can be.
#[derive(Debug, Clone, Default)]
pub struct UserPatch {
    /// To sign in with; another one ends all sessions.
    pub email: Option<String>,
    /// For people.
    pub name: Option<String>,
    /// BCP 47.
    pub locale: Option<String>,
    /// IANA name.
    pub time_zone: Option<String>,
}

/// What a user is given; `None` leaves what is there.
#[derive(Debug, Clone, Default)]
pub struct Assignment {
    /// The role's name.
    pub role: Option<String>,
    /// The names of all its permission sets.
    pub permission_sets: Option<Vec<String>>,
    /// The names of all its groups.
    pub groups: Option<Vec<String>>,
}

impl Engine {
    /// Makes a user.
    #[boxed]
    pub async fn create_user(&self, by: ChangedBy, new: NewUser) -> Result<Uuid, EngineError> {
        self.insert_user(by, new, false).await
    }

    /// Makes the first administrator; `Ok(None)` if there is one already, which another process may have made just now.
    #[boxed]
    pub async fn create_first_administrator(
        &self,
        by: ChangedBy,
        email: &str,
        password_hash: String,
    ) -> Result<Option<Uuid>, EngineError> {
        let new = NewUser {
            email: email.to_owned(),
            name: None,
            role: ADMINISTRATOR.to_owned(),
            password_hash: Some(password_hash),
            locale: None,
            time_zone: None,
        };
        match self.insert_user(by, new, true).await {
            Ok(id) => Ok(Some(id)),
            Err(EngineError::Forbidden(_)) => Ok(None),
            Err(error) => Err(error),
        }
    }

    async fn insert_user(&self, by: ChangedBy, new: NewUser, only_as_first: bool) -> Result<Uuid, EngineError> {
        let email = normalised_email(&new.email)?;
        let name = match new.name.as_deref() {
            None => email.clone(),
            Some(name) => checked_name(name)?.unwrap_or_else(|| email.clone()),
        };
        let id = Uuid::now_v7();
        let user = UserRow {
            id,
            name,
            email,
            role: None,
            active: true,
            locale: new.locale.clone(),
            time_zone: new.time_zone.clone(),
        };
        let write = self.store().write(move |tx| {
            let (mut user, new) = (user.clone(), new.clone());
            Box::pin(async move {
                begin_change(tx).await?;
                if only_as_first && count_administrators(tx).await? > 0 {
                    return Err(EngineError::Forbidden("there is an administrator already".to_owned()));
                }
                if find_user_by_email(tx, &user.email).await?.is_some() {
                    return Err(address_is_taken(&user.email));
                }
                let role = find_role(tx, &new.role).await?.ok_or_else(|| unknown_role("role", &new.role))?;
                user.role = Some(role.id);
                insert_user(tx, &user, new.password_hash.as_deref(), by.at, by.actor).await?;
                let new = |value: &str| json!({"old": null, "new": value});
                let changes = json!({"name": new(&user.name), "email": new(&user.email), "role": new(&role.name)});
                audit(tx, &by, "CREATED", "User", user.id, changes).await?;
                Ok(())
            })
        });
        write.await?;
        self.reload().await?;
        Ok(id)
    }

    /// Changes what a user is called and where its mail goes.
    #[boxed]
    pub async fn update_user(&self, by: ChangedBy, user: Uuid, patch: UserPatch) -> Result<(), EngineError> {
        let email = patch.email.as_deref().map(normalised_email).transpose()?;
        let name = patch.name.as_deref().map(checked_name).transpose()?.flatten();
        let write = self.store().write(move |tx| {
            let (patch, email, name) = (patch.clone(), email.clone(), name.clone());
            Box::pin(async move {
                begin_change(tx).await?;
                let old = find_user(tx, user).await?.ok_or(EngineError::NotFound)?;
                let mut new = old.clone();
                if let Some(email) = email.filter(|email| *email != old.email) {
                    if find_user_by_email(tx, &email).await?.is_some() {
                        return Err(address_is_taken(&email));
                    }
                    new.email = email;
                    // Whoever reads the old address must get nothing more by it.
                    end_access(tx, user, None, by.at).await?;
                }
                new.name = name.unwrap_or(new.name);
                let replaced = |new: Option<String>, old: Option<String>| match new.as_deref().map(str::trim) {
                    None => old,
                    Some("") => None,
                    Some(text) => Some(text.to_owned()),
                };
                new.locale = replaced(patch.locale, new.locale);
                new.time_zone = replaced(patch.time_zone, new.time_zone);
                update_user_words(tx, &new, by.at, by.actor).await?;
                let mut changes = serde_json::Map::new();
                let told = |row: &UserRow| {
                    let (name, email) = (row.name.clone(), row.email.clone());
                    [
                        ("name", Some(name)),
                        ("email", Some(email)),
                        ("locale", row.locale.clone()),
                        ("timeZone", row.time_zone.clone()),
                    ]
                };
                for ((field, old), (_, new)) in told(&old).into_iter().zip(told(&new)) {
                    if old != new {
                        changes.insert(field.to_owned(), json!({"old": old, "new": new}));
                    }
                }
                audit(tx, &by, "UPDATED", "User", user, changes.into()).await?;
                Ok::<_, EngineError>(())
            })
        });
        write.await?;
        self.reload().await
    }

    /// Gives a user another role, permission sets or groups; what is `None` stays. The last administrator keeps their role.
    #[boxed]
    pub async fn assign_user(&self, by: ChangedBy, user: Uuid, assignment: Assignment) -> Result<(), EngineError> {
        let write = self.store().write(move |tx| {
            let assignment = assignment.clone();
            Box::pin(async move {
                begin_change(tx).await?;
                let old = find_user(tx, user).await?.ok_or(EngineError::NotFound)?;
                let mut changes = serde_json::Map::new();
                if let Some(name) = &assignment.role {
                    let role = find_role(tx, name).await?.ok_or_else(|| unknown_role("role", name))?;
                    update_user_role(tx, user, role.id, by.at, by.actor).await?;
                    refuse_no_administrator(count_administrators(tx).await?)?;
                    let before = match old.role {
                        Some(role) => find_name_of_role(tx, role).await?,
                        None => None,
                    };
                    changes.insert("role".to_owned(), json!({"old": before, "new": role.name}));
                }
                if let Some(names) = &assignment.permission_sets {
                    let before = find_permission_sets_of(tx, user).await?;
                    assign_permission_sets(tx, user, names).await?;
                    let after = find_permission_sets_of(tx, user).await?;
                    changes.insert("permissionSets".to_owned(), json!({"old": before, "new": after}));
                }
                if let Some(names) = &assignment.groups {
                    let before = find_groups_of(tx, user).await?;
                    assign_groups(tx, user, names).await?;
                    let after = find_groups_of(tx, user).await?;
                    changes.insert("groups".to_owned(), json!({"old": before, "new": after}));
                }
                audit(tx, &by, "UPDATED", "User", user, changes.into()).await?;
                Ok::<_, EngineError>(())
            })
        });
        write.await?;
        self.reload().await
    }

    /// Lets a user sign in, or no more; then all its sessions end too. The last administrator stays.
    #[boxed]
    pub async fn set_user_active(&self, by: ChangedBy, user: Uuid, active: bool) -> Result<(), EngineError> {
        let write = self.store().write(move |tx| {
            Box::pin(async move {
                begin_change(tx).await?;
                let old = find_user(tx, user).await?.ok_or(EngineError::NotFound)?;
                update_user_active(tx, user, active, by.at, by.actor).await?;
                refuse_no_administrator(count_administrators(tx).await?)?;
                if !active {
                    end_access(tx, user, None, by.at).await?;
                }
                let changes = json!({"active": {"old": old.active, "new": active}});
                audit(tx, &by, "UPDATED", "User", user, changes).await?;
                Ok::<_, EngineError>(())
            })
        });
        write.await?;
        self.reload().await
    }

    /// The stored password hash of a user that may sign in.
    #[boxed]
    pub async fn password_hash(&self, user: Uuid) -> Result<Option<String>, EngineError> {
        self.store().read(move |tx| Box::pin(async move { Ok(fetch_password_hash(tx, user).await?) })).await
    }
}

/// A name as it is stored; `None` for an empty one.
fn checked_name(name: &str) -> Result<Option<String>, EngineError> {
    let name = name.trim();
    if name.chars().count() > 255 || name.contains(char::is_control) {
        let message = "a name has at most 255 characters, and no line breaks";
        return Err(EngineError::Validation(vec![Issue::new(path!["name"], "maxLength", message)]));
    }
    Ok((!name.is_empty()).then(|| name.to_owned()))
}

fn address_is_taken(email: &str) -> EngineError {
    let message = format!("there is a user with the address {email} already");
    let issues = vec![Issue::new(path!["email"], "unique", message.clone())];
    EngineError::Conflict { message, issues }
}

/// The address as it is stored and compared.
pub(super) fn normalised_email(email: &str) -> Result<String, EngineError> {
    let email = account_key(email);
    if email.len() <= 254 && email_address::EmailAddress::is_valid(&email) {
        return Ok(email);
    }
    let message = "this is not an e-mail address such as ann@example.org";
    Err(EngineError::Validation(vec![Issue::new(path!["email"], "email", message)]))
}

fn refuse_no_administrator(left: i64) -> Result<(), EngineError> {
    if left > 0 {
        return Ok(());
    }
    let message = "this is the last administrator who may sign in: make another one first".to_owned();
    Err(EngineError::Conflict { message, issues: Vec::new() })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses_are_folded_and_checked() {
        assert_eq!(normalised_email(" Ann@Example.ORG ").unwrap(), "ann@example.org");
        assert_eq!(normalised_email("ａnn@example.org").unwrap(), "ann@example.org", "full-width letters");
        assert_ne!(normalised_email("admin@exámple.com").unwrap(), "admin@example.com", "a look-alike is another");
        for faulty in ["", "ann", "ann@", "@example.org", "ann example@x.org", &format!("{}@x.org", "a".repeat(250))] {
            assert!(normalised_email(faulty).is_err(), "{faulty}");
        }
    }
}
