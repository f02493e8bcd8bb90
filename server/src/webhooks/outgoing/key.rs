//! What messages are signed with: Standard Webhooks `v1` (HMAC-SHA256) and `v1a` (Ed25519).

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use ed25519_dalek::{Signer as _, SigningKey};
use hmac::{Hmac, KeyInit as _, Mac as _};
use sha2::Sha256;
use zeroize::Zeroizing;

use crate::model::{Id, SigningScheme};

/// Bytes of a secret, as Standard Webhooks has it.
const BYTES: std::ops::RangeInclusive<usize> = 24..=64;
/// Bytes of a secret that is made here, and of an Ed25519 key.
const NEW: usize = 32;

/// Why a text is no key.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum KeyError {
    /// Neither of the two kinds.
    #[error(
        "a key starts with `whsec_` (v1: a shared secret) or `whsk_` (v1a: an Ed25519 private key)"
    )]
    Prefix,
    /// A public key.
    #[error("`whpk_` is a public key, which cannot sign: give the private one, `whsk_…`")]
    Public,
    /// Not base64.
    #[error("what follows `{0}` is not base64")]
    Base64(&'static str),
    /// A secret of another size.
    #[error("what follows `whsec_` is 24 to 64 bytes in base64; this is {0} bytes")]
    Length(usize),
    /// No Ed25519 key.
    #[error("what follows `whsk_` is not an Ed25519 key: 32 bytes, or 64 with its public half")]
    Private,
    /// A key of the other scheme than was asked for.
    #[error("the key is for `{found}`, and `{asked}` was asked for")]
    Scheme {
        /// What was asked for.
        asked: SigningScheme,
        /// What it is for.
        found: SigningScheme,
    },
}

/// Something to sign with.
pub enum OutgoingKey {
    /// Shared with the receiver.
    Shared(Zeroizing<Vec<u8>>),
    /// Of which the receiver has the public half.
    Private(Box<SigningKey>),
}

impl std::fmt::Debug for OutgoingKey {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(match self {
            Self::Shared(_) => "Shared([redacted])",
            Self::Private(_) => "Private([redacted])",
        })
    }
}

impl OutgoingKey {
    /// Reads a key, `whsec_…` or `whsk_…`.
    ///
    /// # Errors
    /// [`KeyError`], without any of the text.
    pub fn read(text: &str) -> Result<Self, KeyError> {
        if text.starts_with("whpk_") {
            return Err(KeyError::Public);
        }
        if let Some(encoded) = text.strip_prefix("whsk_") {
            let bytes = STANDARD
                .decode(encoded)
                .map_err(|_| KeyError::Base64("whsk_"))?;
            let bytes = Zeroizing::new(bytes);
            let seed: Zeroizing<[u8; NEW]> = match bytes.len() {
                NEW | 64 => Zeroizing::new(bytes[..NEW].try_into().map_err(|_| KeyError::Private)?),
                _ => return Err(KeyError::Private),
            };
            let key = SigningKey::from_bytes(&seed);
            if bytes.len() == 64 && key.verifying_key().as_bytes() != &bytes[NEW..] {
                return Err(KeyError::Private);
            }
            return Ok(Self::Private(Box::new(key)));
        }
        let encoded = text.strip_prefix("whsec_").ok_or(KeyError::Prefix)?;
        let bytes = STANDARD
            .decode(encoded)
            .map_err(|_| KeyError::Base64("whsec_"))?;
        if !BYTES.contains(&bytes.len()) {
            return Err(KeyError::Length(bytes.len()));
        }
        Ok(Self::Shared(Zeroizing::new(bytes)))
    }

    /// How it signs.
    pub fn scheme(&self) -> SigningScheme {
        match self {
            Self::Shared(_) => SigningScheme::V1,
            Self::Private(_) => SigningScheme::V1a,
        }
    }

    /// What the receiver checks with, where that is public.
    pub fn public(&self) -> Option<String> {
        match self {
            Self::Shared(_) => None,
            Self::Private(key) => Some(format!(
                "whpk_{}",
                STANDARD.encode(key.verifying_key().as_bytes())
            )),
        }
    }

    /// Signs `id.time.body`, as it goes into `webhook-signature`.
    pub fn sign(&self, id: &str, time: i64, body: &str) -> String {
        let signed = format!("{id}.{time}.{body}");
        match self {
            Self::Shared(key) => {
                let mut mac =
                    Hmac::<Sha256>::new_from_slice(key).expect("HMAC takes keys of any length");
                mac.update(signed.as_bytes());
                format!("v1,{}", STANDARD.encode(mac.finalize().into_bytes()))
            }
            Self::Private(key) => {
                let signature = key.sign(signed.as_bytes());
                format!("v1a,{}", STANDARD.encode(signature.to_bytes()))
            }
        }
    }
}

/// Makes a new key.
pub fn new_key(scheme: SigningScheme) -> Zeroizing<String> {
    let mut bytes = Zeroizing::new([0; NEW]);
    getrandom::fill(&mut *bytes).expect("the system gives random bytes");
    let prefix = match scheme {
        SigningScheme::V1 => "whsec_",
        SigningScheme::V1a => "whsk_",
    };
    Zeroizing::new(format!("{prefix}{}", STANDARD.encode(*bytes)))
}

/// Encrypts a key for its endpoint.
pub fn seal_key(
    host: &crate::configuration::SecretKey,
    endpoint: &str,
    id: Id,
    text: &str,
) -> Vec<u8> {
    host.seal_bytes(&context(endpoint, id), text.as_bytes())
}

/// Opens what [`seal_key`] made.
pub(super) fn open_key(
    host: &crate::configuration::SecretKey,
    endpoint: &str,
    id: Id,
    sealed: &[u8],
) -> Option<OutgoingKey> {
    let text = host.open_bytes(&context(endpoint, id), sealed)?;
    OutgoingKey::read(std::str::from_utf8(&text).ok()?).ok()
}

fn context(endpoint: &str, id: Id) -> String {
    format!("bllvm-webhook-endpoint-v1/{endpoint}/{id}")
}

#[cfg(test)]
mod tests {
    use super::*;

    const ID: &str = "msg_27UH4WbU6Z5A5EzD8u03UvzRbpk";
    const TIME: i64 = 1_649_367_553;
    const BODY: &str = r#"{"email":"test@example.com","username":"test_user"}"#;

    #[test]
    fn the_published_signatures_come_out() {
        let key = OutgoingKey::read("whsec_C2FVsBQIhrscChlQIMV+b5sSYspob7oD").unwrap();
        assert_eq!(
            key.sign(ID, TIME, BODY),
            "v1,tZ1I4/hDygAJgO5TYxiSd6Sd0kDW6hPenDe+bTa3Kkw="
        );
        // The key of RFC 8032's first example; the signature was made by OpenSSL.
        let seed = "nWGxne/9WmC6hEr0kuwsxERJxWl7MmkZcDusAxyuf2A=";
        let key = OutgoingKey::read(&format!("whsk_{seed}")).unwrap();
        let public = "whpk_11qYAYKxCrfVS/7TyWQHOg7hcvPapiMlrwIaaPcHURo=";
        assert_eq!(key.public().as_deref(), Some(public));
        assert_eq!(
            key.sign(ID, TIME, BODY),
            "v1a,jfp5j4J3Buv9EPOcc9Bqo8rJqAO1H6lrRl0WZQdzVZI6IttNPT8HSLyPvUvY54dJJt2BQGA01di1ePvigCwlCw=="
        );
    }

    #[test]
    fn a_new_key_reads_back_as_what_was_asked_for() {
        for scheme in SigningScheme::ALL {
            let (one, other) = (new_key(*scheme), new_key(*scheme));
            assert_eq!(OutgoingKey::read(&one).unwrap().scheme(), *scheme);
            assert_ne!(*one, *other);
        }
    }

    #[test]
    fn what_is_no_key_is_refused_with_the_way_out() {
        let why = |text: &str| OutgoingKey::read(text).unwrap_err();
        assert_eq!(why("secret"), KeyError::Prefix);
        assert_eq!(why("whpk_AAAA"), KeyError::Public);
        assert_eq!(why("whsec_%"), KeyError::Base64("whsec_"));
        assert_eq!(why("whsec_AAAA"), KeyError::Length(3));
        assert_eq!(why("whsk_AAAA"), KeyError::Private);
        let halves = format!("whsk_{}", STANDARD.encode([7; 64]));
        assert_eq!(why(&halves), KeyError::Private);
    }
}
