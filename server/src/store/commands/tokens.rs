//! Tokens of callers.

use std::collections::BTreeSet;

use bllvm_manifest::ModuleName;
use serde_json::to_string;

use super::actions;
use crate::model::{Actor, Id, Scopes, UtcTime};
use crate::store::{Command, StoreError, Token, Tx};

/// Records a token by its hash.
#[derive(Clone, Debug)]
pub struct AddToken {
    /// What people call it.
    pub name: String,
    /// SHA-256 of the token.
    pub hash: [u8; 32],
    /// What it may do.
    pub scopes: Scopes,
    /// The modules that it is bound to; none where it is not bound.
    pub modules: BTreeSet<ModuleName>,
    /// When it ends.
    pub expires_at: Option<UtcTime>,
    /// Who.
    pub by: Actor,
}

impl Command for AddToken {
    type Output = Token;

    async fn apply(self, tx: &mut Tx<'_>) -> Result<Token, StoreError> {
        let token = Token {
            id: tx.new_id(),
            name: self.name,
            scopes: self.scopes,
            modules: self.modules,
            by: self.by.id.clone(),
            created_at: tx.now(),
            expires_at: self.expires_at,
            revoked_at: None,
            last_used_at: None,
        };
        let (id, now) = (token.id.to_string(), tx.now().to_string());
        let hash = self.hash.as_slice();
        let scopes = to_string(&token.scopes).unwrap_or_default();
        let modules = to_string(&token.modules).unwrap_or_default();
        let expires_at = self.expires_at.map(|moment| moment.to_string());
        sqlx::query!(
            "INSERT INTO tokens (id, name, hash, scopes, modules, made_by, created_at, expires_at)
             VALUES ($1, $2, $3, $4, $5, $6, $7, $8)",
            id,
            token.name,
            hash,
            scopes,
            modules,
            token.by,
            now,
            expires_at
        )
        .execute(tx.db())
        .await?;
        let detail = if token.modules.is_empty() {
            scopes
        } else {
            format!("{scopes} on {modules}")
        };
        tx.accepted(&self.by, actions::CREATE_TOKEN, token.id, &detail)
            .await?;
        Ok(token)
    }
}

/// Takes a token back.
#[derive(Clone, Debug)]
pub struct RevokeToken {
    /// The token.
    pub id: Id,
    /// Who.
    pub by: Actor,
}

impl Command for RevokeToken {
    type Output = ();

    async fn apply(self, tx: &mut Tx<'_>) -> Result<(), StoreError> {
        let (id, now) = (self.id.to_string(), tx.now().to_string());
        let revoked = sqlx::query!(
            "UPDATE tokens SET revoked_at = coalesce(revoked_at, $2) WHERE id = $1",
            id,
            now
        )
        .execute(tx.db())
        .await?;
        if revoked.rows_affected() == 0 {
            return Err(StoreError::not_found("token", self.id));
        }
        tx.accepted(&self.by, actions::REVOKE_TOKEN, self.id, "")
            .await
    }
}

/// A token was used. Callers keep this to once a minute.
#[derive(Clone, Copy, Debug)]
pub struct TouchToken {
    /// The token.
    pub id: Id,
}

impl Command for TouchToken {
    type Output = ();

    async fn apply(self, tx: &mut Tx<'_>) -> Result<(), StoreError> {
        let (id, now) = (self.id.to_string(), tx.now().to_string());
        sqlx::query!("UPDATE tokens SET last_used_at = $2 WHERE id = $1", id, now)
            .execute(tx.db())
            .await?;
        Ok(())
    }
}
