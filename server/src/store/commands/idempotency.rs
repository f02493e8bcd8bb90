//! Answers kept for callers that repeat a request.

use crate::model::Once;
use crate::store::{Command, StoreError, Tx};

/// Keeps an answer under a key; its effect may be kept there already. The first answer stays.
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
             VALUES ($1, $2, $3, $4, $5)
             ON CONFLICT (key) DO UPDATE SET status = $3, body = $4
                 WHERE status = 0 AND fingerprint = $2",
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

impl Tx<'_> {
    /// Something of a request was accepted: from this transaction on, its repetition is known, also
    /// where its answer is never kept.
    pub(in crate::store) async fn begun(&mut self, once: &Once) -> Result<(), StoreError> {
        let now = self.now().to_string();
        sqlx::query!(
            "INSERT INTO idempotency (key, fingerprint, status, body, created_at)
             VALUES ($1, $2, 0, x'', $3) ON CONFLICT (key) DO NOTHING",
            once.key,
            once.fingerprint,
            now
        )
        .execute(self.db())
        .await?;
        Ok(())
    }
}
