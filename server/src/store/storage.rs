//! Modules' own key-value storage, read.

use bllvm_manifest::ModuleName;

use super::row::count;
use super::{Store, StoreError};

/// One change of a transaction.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct StorageChange {
    /// The key.
    pub key: Vec<u8>,
    /// The new value; none removes it.
    pub value: Option<Vec<u8>>,
}

/// A stored value and its key.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct StorageEntry {
    /// The key.
    pub key: Vec<u8>,
    /// The value.
    pub value: Vec<u8>,
}

impl Store {
    /// One value.
    pub async fn storage_get(
        &self,
        module: &ModuleName,
        key: &[u8],
    ) -> Result<Option<Vec<u8>>, StoreError> {
        let module = module.as_str();
        Ok(sqlx::query_scalar!(
            "SELECT value FROM storage WHERE module = $1 AND key = $2",
            module,
            key
        )
        .fetch_optional(self.db())
        .await?)
    }

    /// Up to `limit` entries whose keys start with `prefix`, in key order, after `after`; and
    /// whether more follow.
    pub async fn storage_scan(
        &self,
        module: &ModuleName,
        prefix: &[u8],
        after: Option<&[u8]>,
        limit: u32,
    ) -> Result<(Vec<StorageEntry>, bool), StoreError> {
        let module = module.as_str();
        let rows = i64::from(limit) + 1;
        let length = i64::try_from(prefix.len()).unwrap_or(i64::MAX);
        let end = after_prefix(prefix);
        // An answer must fit one frame, so that values are bounded together, too.
        let mut entries = sqlx::query_as!(
            StorageEntry,
            "SELECT key, value FROM storage
             WHERE module = $1 AND key >= $2 AND ($3 IS NULL OR key < $3)
               AND substr(key, 1, $4) = $2 AND ($5 IS NULL OR key > $5)
             ORDER BY key LIMIT $6",
            module,
            prefix,
            end,
            length,
            after,
            rows
        )
        .fetch_all(self.db())
        .await?;
        let mut bytes = 0;
        let fits = entries
            .iter()
            .take(limit as usize)
            .take_while(|entry| {
                bytes += entry.key.len() + entry.value.len();
                bytes <= MAX_SCAN_BYTES
            })
            .count()
            .max(1);
        let more = entries.len() > fits;
        entries.truncate(fits);
        Ok((entries, more))
    }

    /// Bytes that a module holds, keys included.
    pub async fn storage_bytes(&self, module: &ModuleName) -> Result<u64, StoreError> {
        let module = module.as_str();
        let bytes =
            sqlx::query_scalar!("SELECT bytes FROM storage_usage WHERE module = $1", module)
                .fetch_optional(self.db())
                .await?;
        Ok(bytes.map_or(0, count))
    }
}

/// Bytes of one scan's entries; as hex text they take twice that, and a frame takes 1 MiB.
const MAX_SCAN_BYTES: usize = 400 << 10;

/// The smallest key beyond all that start with `prefix`; none where there is no such key.
fn after_prefix(prefix: &[u8]) -> Option<Vec<u8>> {
    let last = prefix.iter().rposition(|byte| *byte < u8::MAX)?;
    let mut end = prefix[..=last].to_vec();
    end[last] += 1;
    Some(end)
}

#[cfg(test)]
mod tests {
    use super::after_prefix;

    #[test]
    fn a_prefix_ends_before_the_next_key_of_its_length() {
        assert_eq!(after_prefix(b"ab"), Some(b"ac".to_vec()));
        assert_eq!(after_prefix(&[1, 255]), Some(vec![2]));
        assert_eq!(after_prefix(&[255]), None);
        assert_eq!(after_prefix(b""), None);
    }
}
