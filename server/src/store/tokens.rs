//! Tokens, read. The tokens themselves are nowhere: only their hashes are kept.

use std::collections::BTreeSet;

use bllvm_manifest::ModuleName;

use super::row::{from_json, parsed, parsed_option};
use super::{Store, StoreError};
use crate::model::{Id, Scopes, UtcTime};

const TABLE: &str = "tokens";

/// A token without its secret.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Token {
    /// Its id.
    pub id: Id,
    /// What people call it.
    pub name: String,
    /// What it may do.
    pub scopes: Scopes,
    /// The modules that it is bound to; none where it is not bound.
    pub modules: BTreeSet<ModuleName>,
    /// Who made it.
    pub by: String,
    /// When it was made.
    pub created_at: UtcTime,
    /// When it ends.
    pub expires_at: Option<UtcTime>,
    /// When it was taken back.
    pub revoked_at: Option<UtcTime>,
    /// When it was last used, to the minute.
    pub last_used_at: Option<UtcTime>,
}

impl Token {
    /// Whether it opens anything at that moment.
    pub fn is_valid(&self, now: UtcTime) -> bool {
        self.revoked_at.is_none() && self.expires_at.is_none_or(|end| now < end)
    }
}

struct TokenRow {
    id: String,
    name: String,
    scopes: String,
    modules: String,
    made_by: String,
    created_at: String,
    expires_at: Option<String>,
    revoked_at: Option<String>,
    last_used_at: Option<String>,
}

impl TryFrom<TokenRow> for Token {
    type Error = StoreError;

    fn try_from(row: TokenRow) -> Result<Self, StoreError> {
        Ok(Self {
            id: parsed(TABLE, &row.id)?,
            name: row.name,
            scopes: from_json(TABLE, &row.scopes)?,
            modules: from_json(TABLE, &row.modules)?,
            by: row.made_by,
            created_at: parsed(TABLE, &row.created_at)?,
            expires_at: parsed_option(TABLE, row.expires_at.as_deref())?,
            revoked_at: parsed_option(TABLE, row.revoked_at.as_deref())?,
            last_used_at: parsed_option(TABLE, row.last_used_at.as_deref())?,
        })
    }
}

impl Store {
    /// Every token, newest first.
    pub async fn tokens(&self) -> Result<Vec<Token>, StoreError> {
        sqlx::query_as!(
            TokenRow,
            "SELECT id, name, scopes, modules, made_by, created_at, expires_at, revoked_at,
                    last_used_at
             FROM tokens ORDER BY id DESC"
        )
        .fetch_all(self.db())
        .await?
        .into_iter()
        .map(Token::try_from)
        .collect()
    }

    /// The token with this SHA-256, valid or not.
    pub async fn token_by_hash(&self, hash: &[u8; 32]) -> Result<Option<Token>, StoreError> {
        let hash = hash.as_slice();
        sqlx::query_as!(
            TokenRow,
            "SELECT id, name, scopes, modules, made_by, created_at, expires_at, revoked_at,
                    last_used_at
             FROM tokens WHERE hash = $1",
            hash
        )
        .fetch_optional(self.db())
        .await?
        .map(Token::try_from)
        .transpose()
    }
}
