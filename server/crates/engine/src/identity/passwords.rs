//! Passwords as hashes: changing one, and resetting a forgotten one by a link that is mailed.

use async_recursion::async_recursion as boxed;
use cardine_store::WriteTx;
use cardine_store::platform::access::{find_user, update_password_hash};
use cardine_store::platform::attempts::take_turns;
use cardine_store::platform::mail::insert_mail;
use cardine_store::platform::password_resets::{
    NewReset, any_unprepared, count_mails_to, count_requests_from, delete_old_resets, fetch_reset, insert_reset,
    insert_reset_token, revoke_resets_of, set_mail, take_unprepared, use_reset,
};
use cardine_store::platform::sessions::revoke_sessions_of;
use chrono::{DateTime, TimeDelta, Utc};
use serde_json::json;
use uuid::Uuid;

use super::{ChangedBy, audit};
use crate::mail::Mail;
use crate::{Engine, EngineError};

/// How long a link is good.
pub const RESET_LIFETIME: TimeDelta = TimeDelta::minutes(30);
/// The time in which mails and requests are counted.
const WINDOW: TimeDelta = TimeDelta::hours(1);
/// The name of the mail with the link; its parameter `reset` is the request that it answers.
pub const RESET_MAIL: &str = "password-reset";

/// How many resets may be asked for in an hour.
#[derive(Debug, Clone, Copy)]
pub struct ResetLimits {
    /// Mails to one user.
    pub per_user: usize,
    /// Requests from one network.
    pub per_network: usize,
}

impl Engine {
    /// Gives a user another password, which ends all its sessions but the one that is to stay. `old` is what is stored as far
    /// as the caller knows: if another change came first, this one is a conflict. `None`: whatever is stored.
    #[boxed]
    pub async fn set_password(
        &self,
        by: ChangedBy,
        user: Uuid,
        old: Option<String>,
        new: String,
        stays: Option<Uuid>,
    ) -> Result<(), EngineError> {
        let write = self.store().write(move |tx| {
            let (old, new) = (old.clone(), new.clone());
            Box::pin(async move {
                find_user(tx, user).await?.ok_or(EngineError::NotFound)?;
                if !update_password_hash(tx, user, old.as_deref(), &new, by.at, by.actor).await? {
                    let message = "the password was changed meanwhile".to_owned();
                    return Err(EngineError::Conflict { message, issues: Vec::new() });
                }
                end_access(tx, user, stays, by.at).await?;
                audit(tx, &by, "PASSWORD_CHANGED", "User", user, json!({})).await?;
                Ok(())
            })
        });
        write.await
    }

    /// Notes that somebody asks for a reset, in the same way whether a user has the address or not. False if the network has
    /// asked too often.
    #[boxed]
    pub async fn request_reset(
        &self,
        user: Option<Uuid>,
        network: &str,
        limits: ResetLimits,
        now: DateTime<Utc>,
    ) -> Result<bool, EngineError> {
        let reset = NewReset {
            id: Uuid::now_v7(),
            user,
            network: network.to_owned(),
            requested_at: now,
            expires_at: now + RESET_LIFETIME,
        };
        let write = self.store().write(move |tx| {
            let reset = reset.clone();
            Box::pin(async move {
                take_turns(tx, &format!("reset from {}", reset.network)).await?;
                if count_requests_from(tx, &reset.network, now - WINDOW).await? >= limits.per_network as i64 {
                    return Ok(false);
                }
                insert_reset(tx, &reset).await?;
                Ok::<_, EngineError>(true)
            })
        });
        let taken = write.await?;
        if taken {
            self.wake_mail();
        }
        Ok(taken)
    }

    /// Queues the mail of one request that waits for it, if there is somebody to get it who has not got enough. False if no
    /// request waits.
    #[boxed]
    pub async fn prepare_reset(&self, limits: ResetLimits, now: DateTime<Utc>) -> Result<bool, EngineError> {
        let waits = self.store().read(|tx| Box::pin(async move { Ok::<_, EngineError>(any_unprepared(tx).await?) }));
        if !waits.await? {
            return Ok(false);
        }
        let write = self.store().write(move |tx| Box::pin(async move { prepare(tx, limits, now).await }));
        write.await
    }

    /// Stores one more token of a request, as it is about to be mailed. False if the request is of no use any more.
    #[boxed]
    pub async fn add_reset_token(&self, reset: Uuid, hash: String, now: DateTime<Utc>) -> Result<bool, EngineError> {
        let write = self.store().write(move |tx| {
            let hash = hash.clone();
            Box::pin(async move { Ok::<_, EngineError>(insert_reset_token(tx, reset, &hash, now).await?) })
        });
        write.await
    }

    /// Whether a token could be used now.
    #[boxed]
    pub async fn reset_is_open(&self, hash: String, now: DateTime<Utc>) -> Result<bool, EngineError> {
        let read = self
            .store()
            .read(move |tx| Box::pin(async move { Ok::<_, EngineError>(fetch_reset(tx, &hash, now).await?) }));
        Ok(read.await?.is_some())
    }

    /// Uses a token, once: sets the user's password and ends all sessions. `None` if the token is not good, or not any more.
    #[boxed]
    pub async fn reset_password(
        &self,
        hash: String,
        password_hash: String,
        now: DateTime<Utc>,
    ) -> Result<Option<Uuid>, EngineError> {
        let write = self.store().write(move |tx| {
            let (hash, password_hash) = (hash.clone(), password_hash.clone());
            Box::pin(async move {
                let Some(user) = use_reset(tx, &hash, now).await? else { return Ok(None) };
                if !find_user(tx, user).await?.is_some_and(|user| user.active) {
                    return Ok(None);
                }
                update_password_hash(tx, user, None, &password_hash, now, Some(user)).await?;
                end_access(tx, user, None, now).await?;
                let by = ChangedBy { actor: Some(user), ..ChangedBy::system("auth", now) };
                audit(tx, &by, "PASSWORD_RESET", "User", user, json!({})).await?;
                Ok::<_, EngineError>(Some(user))
            })
        });
        write.await
    }

    /// Forgets requests of which nothing follows any more; gives how many.
    #[boxed]
    pub async fn delete_old_resets(&self, now: DateTime<Utc>) -> Result<u64, EngineError> {
        let write = self
            .store()
            .write(move |tx| Box::pin(async move { Ok::<_, EngineError>(delete_old_resets(tx, now - WINDOW).await?) }));
        write.await
    }
}

/// What every change of a user's credentials does: sessions end, and links that were mailed become useless.
pub(super) async fn end_access(
    tx: &mut WriteTx,
    user: Uuid,
    stays: Option<Uuid>,
    now: DateTime<Utc>,
) -> Result<(), EngineError> {
    revoke_sessions_of(tx, user, stays, now).await?;
    revoke_resets_of(tx, user, now).await?;
    Ok(())
}

async fn prepare(tx: &mut WriteTx, limits: ResetLimits, now: DateTime<Utc>) -> Result<bool, EngineError> {
    let Some((reset, user)) = take_unprepared(tx, now).await? else { return Ok(false) };
    let Some(user) = user else { return Ok(true) };
    take_turns(tx, &format!("reset of {user}")).await?;
    // The address that is stored, not the one that was typed.
    let Some(row) = find_user(tx, user).await?.filter(|user| user.active) else { return Ok(true) };
    if count_mails_to(tx, user, now - WINDOW).await? >= limits.per_user as i64 {
        tracing::info!(%user, "no more mails to reset a password within this hour");
        return Ok(true);
    }
    let mail = Mail {
        recipient: row.email,
        template: RESET_MAIL.to_owned(),
        locale: row.locale.unwrap_or_else(|| "en".to_owned()),
        parameters: json!({"reset": reset, "name": row.name}),
        useful_for: RESET_LIFETIME,
    };
    let mail = mail.queued(now)?;
    insert_mail(tx, &mail).await?;
    set_mail(tx, reset, mail.id).await?;
    Ok(true)
}
