//! Ed25519 keys and how they are written.

use std::fmt;
use std::str::FromStr;

use ed25519_dalek::{Signature, Signer as _, SigningKey, VerifyingKey};
use serde::{Deserialize, Serialize};
use sha2::{Digest as _, Sha256};
use utoipa::ToSchema;
use zeroize::Zeroizing;

const PUBLIC_PREFIX: &str = "ed25519:";
const SECRET_PREFIX: &str = "bllvm-secret-ed25519:";

/// Why a text is not a key.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum KeyError {
    /// It is spelled otherwise.
    #[error("a public key is written `ed25519:` and 64 lower-case hex digits")]
    Public,
    /// It is spelled otherwise.
    #[error("a key id is written as 32 lower-case hex digits")]
    Id,
    /// It is spelled otherwise. The text is not repeated, since it may be a secret.
    #[error("a secret key is written `bllvm-secret-ed25519:` and 64 lower-case hex digits")]
    Secret,
    /// A point that is on no curve, or one with which anybody can sign.
    #[error("these 32 bytes are no usable Ed25519 key")]
    Weak,
}

/// A key that checks signatures, written `ed25519:<64 hex digits>`.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, ToSchema)]
#[serde(try_from = "String", into = "String")]
#[schema(value_type = String, example = "ed25519:d75a980182b10ab7d54bfed3c964073a0ee172f3daa62325af021a68f707511a")]
pub struct PublicKey([u8; 32]);

/// What a signature names its key by: the first 16 bytes of the SHA-256 of the key's.
///
/// It finds the key and vouches for nothing: signatures are checked and counted by the key itself.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, ToSchema)]
#[serde(try_from = "String", into = "String")]
#[schema(value_type = String, example = "21fe31dfa154a261626bf854046fd227")]
pub struct KeyId([u8; 16]);

/// A key that signs. It is wiped from memory when dropped, and never printed by `Debug`.
pub struct SecretKey(SigningKey);

impl PublicKey {
    /// Takes the bytes of a key.
    ///
    /// # Errors
    /// Where they are no point of the curve, or one of small order.
    pub fn from_bytes(bytes: [u8; 32]) -> Result<Self, KeyError> {
        match VerifyingKey::from_bytes(&bytes) {
            Ok(key) if !key.is_weak() => Ok(Self(bytes)),
            _ => Err(KeyError::Weak),
        }
    }

    /// The 32 bytes.
    pub const fn as_bytes(&self) -> &[u8; 32] {
        &self.0
    }

    /// What signatures name it by.
    pub fn id(&self) -> KeyId {
        let hash: [u8; 32] = Sha256::digest(self.0).into();
        let mut id = [0; 16];
        id.copy_from_slice(&hash[..16]);
        KeyId(id)
    }

    pub(crate) fn verifies(&self, message: &[u8], signature: &[u8; 64]) -> bool {
        // Strict: refuses what some verifiers take and others do not.
        VerifyingKey::from_bytes(&self.0).is_ok_and(|key| {
            key.verify_strict(message, &Signature::from_bytes(signature))
                .is_ok()
        })
    }
}

impl SecretKey {
    /// The key of 32 random bytes.
    pub fn from_seed(seed: [u8; 32]) -> Self {
        Self(SigningKey::from_bytes(&seed))
    }

    /// Its public half.
    pub fn public(&self) -> PublicKey {
        PublicKey(self.0.verifying_key().to_bytes())
    }

    /// The text of a key file.
    pub fn to_text(&self) -> Zeroizing<String> {
        let mut text = Zeroizing::new(String::with_capacity(96));
        text.push_str(SECRET_PREFIX);
        text.push_str(&Zeroizing::new(hex::encode(self.0.as_bytes())));
        text
    }

    /// Reads the text of a key file.
    ///
    /// # Errors
    /// Where it is spelled otherwise.
    pub fn parse(text: &str) -> Result<Self, KeyError> {
        let mut seed = Zeroizing::new([0; 32]);
        let digits = text.strip_prefix(SECRET_PREFIX).ok_or(KeyError::Secret)?;
        lower_hex(digits, &mut *seed).ok_or(KeyError::Secret)?;
        Ok(Self(SigningKey::from_bytes(&seed)))
    }

    pub(crate) fn sign(&self, message: &[u8]) -> [u8; 64] {
        self.0.sign(message).to_bytes()
    }
}

impl fmt::Debug for SecretKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "SecretKey(of {})", self.public())
    }
}

/// One spelling per value, so that texts can be compared.
pub(crate) fn lower_hex(digits: &str, into: &mut [u8]) -> Option<()> {
    if digits.bytes().any(|b| b.is_ascii_uppercase()) {
        return None;
    }
    hex::decode_to_slice(digits, into).ok()
}

impl fmt::Display for PublicKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{PUBLIC_PREFIX}{}", hex::encode(self.0))
    }
}

impl fmt::Display for KeyId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&hex::encode(self.0))
    }
}

impl FromStr for PublicKey {
    type Err = KeyError;

    fn from_str(text: &str) -> Result<Self, KeyError> {
        let mut bytes = [0; 32];
        let digits = text.strip_prefix(PUBLIC_PREFIX).ok_or(KeyError::Public)?;
        lower_hex(digits, &mut bytes).ok_or(KeyError::Public)?;
        Self::from_bytes(bytes)
    }
}

impl FromStr for KeyId {
    type Err = KeyError;

    fn from_str(text: &str) -> Result<Self, KeyError> {
        let mut bytes = [0; 16];
        lower_hex(text, &mut bytes).ok_or(KeyError::Id)?;
        Ok(Self(bytes))
    }
}

macro_rules! as_text {
    ($($name:ident),+) => { $(
        impl fmt::Debug for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                fmt::Display::fmt(self, f)
            }
        }

        impl TryFrom<String> for $name {
            type Error = KeyError;

            fn try_from(text: String) -> Result<Self, KeyError> {
                text.parse()
            }
        }

        impl From<$name> for String {
            fn from(value: $name) -> Self {
                value.to_string()
            }
        }
    )+ };
}

as_text!(PublicKey, KeyId);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_first_test_vector_of_rfc_8032_signs_and_verifies() {
        let text =
            "bllvm-secret-ed25519:9d61b19deffd5a60ba844af492ec2cc44449c5697b326919703bac031cae7f60";
        let key = SecretKey::parse(text).unwrap();
        assert_eq!(
            key.public().to_string(),
            "ed25519:d75a980182b10ab7d54bfed3c964073a0ee172f3daa62325af021a68f707511a"
        );
        let signature = key.sign(b"");
        assert!(
            hex::encode(signature).starts_with("e5564300c360ac729086e2cc806e828a84877f1eb8e5d974")
        );
        assert!(key.public().verifies(b"", &signature));
        assert!(!key.public().verifies(b"x", &signature));
        assert_eq!(*key.to_text(), text);
    }

    #[test]
    fn texts_have_one_spelling() {
        let key = SecretKey::from_seed([1; 32]).public();
        let text = key.to_string();
        assert_eq!(text.parse(), Ok(key));
        assert_eq!(
            text.to_uppercase().parse::<PublicKey>(),
            Err(KeyError::Public)
        );
        let upper = format!("ed25519:{}", text[8..].to_uppercase());
        assert_eq!(upper.parse::<PublicKey>(), Err(KeyError::Public));
        assert_eq!(text[..70].parse::<PublicKey>(), Err(KeyError::Public));
        assert_eq!(key.id().to_string().parse(), Ok(key.id()));
        assert!("21fe".parse::<KeyId>().is_err());
    }

    #[test]
    fn a_key_with_which_anybody_can_sign_is_refused() {
        let mut identity = [0; 32];
        identity[0] = 1;
        assert_eq!(PublicKey::from_bytes(identity), Err(KeyError::Weak));
        assert_eq!(PublicKey::from_bytes([0; 32]), Err(KeyError::Weak));
    }

    #[test]
    fn a_secret_shows_only_its_public_half() {
        let key = SecretKey::from_seed([3; 32]);
        let shown = format!("{key:?}");
        assert!(shown.contains(&key.public().to_string()));
        assert!(!shown.contains("0303"));
        let wrong = SecretKey::parse("bllvm-secret-ed25519:0303").unwrap_err();
        assert!(!wrong.to_string().contains("0303"), "{wrong}");
    }
}
