//! Answers kept for callers that repeat a request, read.

use super::{Store, StoreError};

/// A kept answer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Remembered {
    /// Digest of the request that was answered.
    pub fingerprint: String,
    /// The answer's status.
    pub status: u16,
    /// The answer's body.
    pub body: Vec<u8>,
}

impl Store {
    /// The answer that was kept under a key.
    pub async fn remembered(&self, key: &str) -> Result<Option<Remembered>, StoreError> {
        let row = sqlx::query!(
            "SELECT fingerprint, status, body FROM idempotency WHERE key = $1",
            key
        )
        .fetch_optional(self.db())
        .await?;
        Ok(row.map(|row| Remembered {
            fingerprint: row.fingerprint,
            status: u16::try_from(row.status).unwrap_or(500),
            body: row.body,
        }))
    }
}
