//! What a source signs with, read from its text: a shared secret, or the sender's public key.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use ed25519_dalek::VerifyingKey;
use zeroize::Zeroizing;

use crate::model::WebhookScheme;

/// Bytes of a secret that is made here.
const NEW_BYTES: usize = 32;
/// Fewest bytes of a shared secret, as Standard Webhooks has it.
const LEAST: usize = 16;
/// Most bytes of a shared secret.
const MOST: usize = 256;

/// Why a text is no secret.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum SecretError {
    /// Too short or too long.
    #[error("a secret has {LEAST} to {MOST} bytes; this one has {0}")]
    Length(usize),
    /// Not base64 where base64 is meant.
    #[error("what follows `{0}` is not base64; copy the secret as the sender shows it")]
    Base64(&'static str),
    /// A public key that is none.
    #[error("what follows `whpk_` is not an Ed25519 public key of 32 bytes")]
    PublicKey,
    /// A private key.
    #[error(
        "`whsk_` is the sender's private key, which stays with the sender: give the public one, `whpk_…`"
    )]
    PrivateKey,
    /// A Standard Webhooks secret without its prefix.
    #[error(
        "a Standard Webhooks secret starts with `whsec_` (shared) or `whpk_` (the sender's public key)"
    )]
    Prefix,
}

/// A secret, ready to check with.
pub enum Key {
    /// Shared with the sender.
    Shared(Zeroizing<Vec<u8>>),
    /// The sender's public key.
    Public(Box<VerifyingKey>),
}

impl std::fmt::Debug for Key {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(match self {
            Self::Shared(_) => "Shared([redacted])",
            Self::Public(_) => "Public",
        })
    }
}

/// Reads a secret as the scheme writes it.
///
/// # Errors
/// [`SecretError`], without any of the text.
pub fn parse_secret(scheme: WebhookScheme, text: &str) -> Result<Key, SecretError> {
    let shared = |bytes: Vec<u8>| match bytes.len() {
        LEAST..=MOST => Ok(Key::Shared(Zeroizing::new(bytes))),
        other => Err(SecretError::Length(other)),
    };
    if scheme != WebhookScheme::Standard {
        return shared(text.as_bytes().to_vec());
    }
    if text.starts_with("whsk_") {
        return Err(SecretError::PrivateKey);
    }
    if let Some(key) = text.strip_prefix("whpk_") {
        let bytes = STANDARD
            .decode(key)
            .map_err(|_| SecretError::Base64("whpk_"))?;
        return <[u8; 32]>::try_from(bytes)
            .ok()
            .and_then(|bytes| VerifyingKey::from_bytes(&bytes).ok())
            .map(|key| Key::Public(Box::new(key)))
            .ok_or(SecretError::PublicKey);
    }
    let secret = text.strip_prefix("whsec_").ok_or(SecretError::Prefix)?;
    shared(
        STANDARD
            .decode(secret)
            .map_err(|_| SecretError::Base64("whsec_"))?,
    )
}

/// Makes a new shared secret as the scheme writes it.
pub fn new_secret(scheme: WebhookScheme) -> Zeroizing<String> {
    let mut bytes = Zeroizing::new([0; NEW_BYTES]);
    getrandom::fill(&mut *bytes).expect("the system gives random bytes");
    Zeroizing::new(match scheme {
        WebhookScheme::Standard => format!("whsec_{}", STANDARD.encode(*bytes)),
        WebhookScheme::Github | WebhookScheme::Hmac => hex::encode(*bytes),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_new_secret_reads_back_and_is_never_the_same() {
        for scheme in WebhookScheme::ALL {
            let (one, other) = (new_secret(*scheme), new_secret(*scheme));
            assert!(parse_secret(*scheme, &one).is_ok());
            assert_ne!(*one, *other);
        }
    }

    #[test]
    fn what_is_no_secret_is_refused_with_the_way_out() {
        let standard = |text: &str| parse_secret(WebhookScheme::Standard, text).unwrap_err();
        assert_eq!(standard("plain-secret-of-some-length"), SecretError::Prefix);
        assert_eq!(standard("whsec_%%%"), SecretError::Base64("whsec_"));
        assert_eq!(standard("whsec_AAAA"), SecretError::Length(3));
        assert_eq!(standard("whsk_AAAA"), SecretError::PrivateKey);
        assert_eq!(standard("whpk_AAAA"), SecretError::PublicKey);
        let github = parse_secret(WebhookScheme::Github, "short").unwrap_err();
        assert_eq!(github, SecretError::Length(5));
    }
}
