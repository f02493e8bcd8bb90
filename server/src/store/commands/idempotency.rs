//! Answers kept for callers that repeat a request.

use crate::store::{Command, StoreError, Tx};

/// Keeps an answer under a key. The first one stays.
#[derive(Clone, Debug)]
pub struct Remember {
    /// The caller and the key it gave.
    pub key: String,
    /// Digest of the request, so that another request with the same key is told apart.
    pub fingerprint: String,
    /// The answer's status.
    pub status: u16,
    /// The answer's body.
    pub body: Vec<u8>,
}

impl Command for Remember {
    type Output = ();

    async fn apply(self, tx: &mut Tx<'_>) -> Result<(), StoreError> {
        let now = tx.now().to_string();
        sqlx::query!(
            "INSERT INTO idempotency (key, fingerprint, status, body, created_at)
             VALUES ($1, $2, $3, $4, $5) ON CONFLICT (key) DO NOTHING",
            self.key,
            self.fingerprint,
            self.status,
            self.body,
            now
        )
        .execute(tx.db())
        .await?;
        Ok(())
    }
}
