//! Browser sessions, read.

use super::row::{from_json, parsed};
use super::{Store, StoreError};
use crate::model::{Id, Scopes, UtcTime};

const TABLE: &str = "sessions";

/// A session without its cookie.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Session {
    /// Its id.
    pub id: Id,
    /// What it may do.
    pub scopes: Scopes,
    /// How it was opened.
    pub by: String,
    /// When it was opened.
    pub created_at: UtcTime,
    /// When it was last used, to the minute.
    pub seen_at: UtcTime,
    /// When it ends.
    pub expires_at: UtcTime,
}

impl Session {
    /// Whether it opens anything at that moment.
    pub fn is_valid(&self, now: UtcTime) -> bool {
        now < self.expires_at
    }
}

impl Store {
    /// The session whose cookie has this SHA-256, valid or not.
    pub async fn session_by_hash(&self, hash: &[u8; 32]) -> Result<Option<Session>, StoreError> {
        let hash = hash.as_slice();
        let row = sqlx::query!(
            "SELECT id, scopes, made_by, created_at, seen_at, expires_at
             FROM sessions WHERE hash = $1",
            hash
        )
        .fetch_optional(self.db())
        .await?;
        row.map(|row| {
            Ok(Session {
                id: parsed(TABLE, &row.id)?,
                scopes: from_json(TABLE, &row.scopes)?,
                by: row.made_by,
                created_at: parsed(TABLE, &row.created_at)?,
                seen_at: parsed(TABLE, &row.seen_at)?,
                expires_at: parsed(TABLE, &row.expires_at)?,
            })
        })
        .transpose()
    }
}
