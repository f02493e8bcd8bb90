//! Answers kept for callers that repeat a request, read.

use super::{Store, StoreError};

/// What is kept of a request.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Remembered {
    /// Digest of the request.
    pub fingerprint: String,
    /// Its answer; none where it was carried out, and the node ended before it answered.
    pub answer: Option<RememberedAnswer>,
}

/// A kept answer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RememberedAnswer {
    /// Its status.
    pub status: u16,
    /// Its body.
    pub body: Vec<u8>,
}

impl Store {
    /// What was kept under a key.
    pub async fn remembered(&self, key: &str) -> Result<Option<Remembered>, StoreError> {
        let row = sqlx::query!(
            "SELECT fingerprint, status, body FROM idempotency WHERE key = $1",
            key
        )
        .fetch_optional(self.db())
        .await?;
        Ok(row.map(|row| Remembered {
            fingerprint: row.fingerprint,
            answer: (row.status != 0).then(|| RememberedAnswer {
                status: u16::try_from(row.status).unwrap_or(500),
                body: row.body,
            }),
        }))
    }
}
