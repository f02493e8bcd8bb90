//! Secrets that are shown once: 256 random bits, of which only the hash is kept.
//!
//! A plain hash is enough, because nobody can guess 256 bits; a slow one is for what people make
//! up, and would let strangers burn our processor.

use zeroize::Zeroizing;

use crate::control::secret_hash;

/// A new secret.
pub(super) struct Secret(Zeroizing<String>);

impl std::fmt::Debug for Secret {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("[redacted]")
    }
}

impl Secret {
    /// Random bytes as hex.
    pub(super) fn new() -> Self {
        let mut bytes = Zeroizing::new([0_u8; 32]);
        // Without randomness no secret is one.
        getrandom::fill(&mut *bytes).expect("the system gives random bytes");
        Self(Zeroizing::new(hex::encode(*bytes)))
    }

    /// The text, to be shown once.
    pub(super) fn reveal(&self) -> &str {
        &self.0
    }

    /// What is kept.
    pub(super) fn hash(&self) -> [u8; 32] {
        secret_hash(&self.0)
    }
}
