//! Browser sessions, and the one-time codes that open them.

use serde_json::to_string;

use super::actions;
use crate::model::{Actor, Scopes, UtcTime};
use crate::store::{Command, Session, StoreError, Tx};

/// Records a one-time login code by its hash.
#[derive(Clone, Debug)]
pub struct AddLoginCode {
    /// SHA-256 of the code.
    pub hash: [u8; 32],
    /// When it ends.
    pub expires_at: UtcTime,
}

impl Command for AddLoginCode {
    type Output = ();

    async fn apply(self, tx: &mut Tx<'_>) -> Result<(), StoreError> {
        let hash = self.hash.as_slice();
        let (now, end) = (tx.now().to_string(), self.expires_at.to_string());
        sqlx::query!(
            "INSERT INTO login_codes (hash, created_at, expires_at) VALUES ($1, $2, $3)",
            hash,
            now,
            end
        )
        .execute(tx.db())
        .await?;
        Ok(())
    }
}

/// Uses a one-time code up. Gives whether it was good.
#[derive(Clone, Debug)]
pub struct RedeemLoginCode {
    /// SHA-256 of the code.
    pub hash: [u8; 32],
}

impl Command for RedeemLoginCode {
    type Output = bool;

    async fn apply(self, tx: &mut Tx<'_>) -> Result<bool, StoreError> {
        let hash = self.hash.as_slice();
        let now = tx.now().to_string();
        let used = sqlx::query!(
            "DELETE FROM login_codes WHERE hash = $1 AND expires_at > $2",
            hash,
            now
        )
        .execute(tx.db())
        .await?;
        Ok(used.rows_affected() == 1)
    }
}

/// Opens a session.
#[derive(Clone, Debug)]
pub struct AddSession {
    /// SHA-256 of the session's cookie.
    pub hash: [u8; 32],
    /// What it may do.
    pub scopes: Scopes,
    /// When it ends.
    pub expires_at: UtcTime,
    /// Who.
    pub by: Actor,
}

impl Command for AddSession {
    type Output = Session;

    async fn apply(self, tx: &mut Tx<'_>) -> Result<Session, StoreError> {
        let session = Session {
            id: tx.new_id(),
            scopes: self.scopes,
            by: self.by.id.clone(),
            created_at: tx.now(),
            seen_at: tx.now(),
            expires_at: self.expires_at,
        };
        let (id, hash) = (session.id.to_string(), self.hash.as_slice());
        let scopes = to_string(&session.scopes).unwrap_or_default();
        let (now, end) = (tx.now().to_string(), self.expires_at.to_string());
        sqlx::query!(
            "INSERT INTO sessions (id, hash, scopes, made_by, created_at, seen_at, expires_at)
             VALUES ($1, $2, $3, $4, $5, $5, $6)",
            id,
            hash,
            scopes,
            session.by,
            now,
            end
        )
        .execute(tx.db())
        .await?;
        tx.accepted(&self.by, actions::LOGIN, session.id, "")
            .await?;
        Ok(session)
    }
}

/// A session was used. Callers keep this to once a minute.
#[derive(Clone, Debug)]
pub struct TouchSession {
    /// SHA-256 of the session's cookie.
    pub hash: [u8; 32],
    /// When it ends now.
    pub expires_at: UtcTime,
}

impl Command for TouchSession {
    type Output = ();

    async fn apply(self, tx: &mut Tx<'_>) -> Result<(), StoreError> {
        let hash = self.hash.as_slice();
        let (now, end) = (tx.now().to_string(), self.expires_at.to_string());
        sqlx::query!(
            "UPDATE sessions SET seen_at = $2, expires_at = $3 WHERE hash = $1",
            hash,
            now,
            end
        )
        .execute(tx.db())
        .await?;
        Ok(())
    }
}

/// Ends a session.
#[derive(Clone, Debug)]
pub struct DropSession {
    /// SHA-256 of the session's cookie.
    pub hash: [u8; 32],
    /// Who.
    pub by: Actor,
}

impl Command for DropSession {
    type Output = ();

    async fn apply(self, tx: &mut Tx<'_>) -> Result<(), StoreError> {
        let hash = self.hash.as_slice();
        let gone = sqlx::query!("DELETE FROM sessions WHERE hash = $1 RETURNING id", hash)
            .fetch_optional(tx.db())
            .await?;
        if let Some(gone) = gone {
            tx.accepted(&self.by, actions::LOGOUT, gone.id, "").await?;
        }
        Ok(())
    }
}
