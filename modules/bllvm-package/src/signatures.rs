//! `module.sig`: signatures over the exact bytes of `module.toml`.
//!
//! ```text
//! bllvm-signatures 1
//! ed25519 <32 hex digits: key id> <128 hex digits: signature>
//! ```
//!
//! Each byte of the file has one meaning: there is one spelling, so that a changed byte is either a
//! file that cannot be read or another signature.

use std::fmt;

use crate::key::lower_hex;
use crate::{KeyId, PublicKey, SecretKey};

/// More signatures are refused.
pub const MAX_SIGNATURES: usize = 16;
/// A larger file is refused before anything looks into it.
pub const MAX_SIGNATURE_BYTES: usize = 4096;

const HEAD: &str = "bllvm-signatures 1\n";
const LINE: &str = "ed25519";

/// What a signature is for. It is part of what is signed, so that a signature given for one thing
/// says nothing about another.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Purpose {
    /// A package's `module.toml`.
    Manifest,
    /// A publisher's new keys.
    KeySet,
    /// A registry's index.
    Index,
}

impl Purpose {
    fn tag(self) -> &'static [u8] {
        match self {
            Self::Manifest => b"bllvm-module-manifest-v1\0",
            Self::KeySet => b"bllvm-publisher-keys-v1\0",
            Self::Index => b"bllvm-registry-index-v1\0",
        }
    }

    /// The bytes that are signed: the tag, the length (8 bytes, big-endian), the message.
    pub fn signed_bytes(self, message: &[u8]) -> Vec<u8> {
        let length = (message.len() as u64).to_be_bytes();
        [self.tag(), &length, message].concat()
    }
}

/// Why a text is not a list of signatures.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum SignatureError {
    /// It is too large to be one.
    #[error("it has {size} bytes; at most {MAX_SIGNATURE_BYTES} are read")]
    TooLarge {
        /// Its size.
        size: usize,
    },
    /// Another version, or something else.
    #[error("line 1 is not `bllvm-signatures 1`")]
    Head,
    /// A line that is none.
    #[error("line {line} is not `ed25519 <32 hex digits> <128 hex digits>`")]
    Line {
        /// Its number, from 1.
        line: usize,
    },
    /// No line at all.
    #[error("it holds no signature")]
    Empty,
    /// Too many.
    #[error("it holds more than {MAX_SIGNATURES} signatures")]
    TooMany,
    /// A key that signs twice.
    #[error("the key {key} signs twice; one signature of each key is enough")]
    Twice {
        /// The key.
        key: KeyId,
    },
}

/// Signatures, each by another key.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Signatures(Vec<(KeyId, [u8; 64])>);

impl Signatures {
    /// Reads the bytes of a `module.sig`.
    ///
    /// # Errors
    /// See [`SignatureError`].
    pub fn parse(bytes: &[u8]) -> Result<Self, SignatureError> {
        if bytes.len() > MAX_SIGNATURE_BYTES {
            return Err(SignatureError::TooLarge { size: bytes.len() });
        }
        let text = std::str::from_utf8(bytes).map_err(|_| SignatureError::Head)?;
        let body = text.strip_prefix(HEAD).ok_or(SignatureError::Head)?;
        let mut signatures = Self::default();
        for (number, line) in (2..).zip(body.split_inclusive('\n')) {
            let (key, signature) = parse_line(line).ok_or(SignatureError::Line { line: number })?;
            signatures.push(key, signature)?;
        }
        if signatures.0.is_empty() {
            return Err(SignatureError::Empty);
        }
        Ok(signatures)
    }

    /// Signs, in place of an earlier signature of the same key.
    ///
    /// # Errors
    /// Where there are [`MAX_SIGNATURES`] already.
    pub fn add(
        &mut self,
        key: &SecretKey,
        purpose: Purpose,
        message: &[u8],
    ) -> Result<(), SignatureError> {
        let id = key.public().id();
        self.0.retain(|(other, _)| *other != id);
        self.push(id, key.sign(&purpose.signed_bytes(message)))
    }

    fn push(&mut self, key: KeyId, signature: [u8; 64]) -> Result<(), SignatureError> {
        if self.0.iter().any(|(other, _)| *other == key) {
            return Err(SignatureError::Twice { key });
        }
        if self.0.len() == MAX_SIGNATURES {
            return Err(SignatureError::TooMany);
        }
        self.0.push((key, signature));
        Ok(())
    }

    /// The keys that claim to have signed.
    pub fn keys(&self) -> impl Iterator<Item = KeyId> {
        self.0.iter().map(|(key, _)| *key)
    }

    /// Whether this key signed the message.
    pub fn verifies(&self, key: &PublicKey, purpose: Purpose, message: &[u8]) -> bool {
        let id = key.id();
        let found = self.0.iter().find(|(other, _)| *other == id);
        found.is_some_and(|(_, signature)| key.verifies(&purpose.signed_bytes(message), signature))
    }
}

/// The one spelling of a line, with its end.
fn parse_line(line: &str) -> Option<(KeyId, [u8; 64])> {
    let mut words = line.strip_suffix('\n')?.split(' ');
    let (kind, key, digits) = (words.next()?, words.next()?, words.next()?);
    if kind != LINE || words.next().is_some() {
        return None;
    }
    let mut signature = [0; 64];
    lower_hex(digits, &mut signature)?;
    Some((key.parse().ok()?, signature))
}

impl fmt::Display for Signatures {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(HEAD)?;
        for (key, signature) in &self.0 {
            writeln!(f, "{LINE} {key} {}", hex::encode(signature))?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn signed(count: u8) -> Signatures {
        let mut all = Signatures::default();
        for seed in 0..count {
            let key = SecretKey::from_seed([seed; 32]);
            all.add(&key, Purpose::Manifest, b"text").unwrap();
        }
        all
    }

    #[test]
    fn every_limit_has_its_own_refusal() {
        let line = signed(1).to_string();
        let only_line = line.strip_prefix(HEAD).unwrap();
        let parse = |text: &str| Signatures::parse(text.as_bytes()).unwrap_err();
        assert_eq!(parse(""), SignatureError::Head);
        assert_eq!(parse("bllvm-signatures 2\n"), SignatureError::Head);
        assert_eq!(parse(HEAD), SignatureError::Empty);
        assert_eq!(
            parse(&format!("{HEAD}\n")),
            SignatureError::Line { line: 2 }
        );
        assert_eq!(parse(line.trim_end()), SignatureError::Line { line: 2 });
        assert_eq!(parse(&line.replace('\n', "\r\n")), SignatureError::Head);
        assert_eq!(parse(&format!("{line} ")), SignatureError::Line { line: 3 });
        assert!(matches!(
            parse(&format!("{line}{only_line}")),
            SignatureError::Twice { .. }
        ));
        assert!(matches!(
            parse(&"x".repeat(MAX_SIGNATURE_BYTES + 1)),
            SignatureError::TooLarge { .. }
        ));
    }

    #[test]
    fn the_most_signatures_are_read_and_one_more_is_not() {
        let most = signed(16);
        assert_eq!(
            Signatures::parse(most.to_string().as_bytes()),
            Ok(most.clone())
        );
        let mut more = most;
        let another = SecretKey::from_seed([99; 32]);
        assert_eq!(
            more.add(&another, Purpose::Manifest, b""),
            Err(SignatureError::TooMany)
        );
    }

    #[test]
    fn signing_again_replaces() {
        let key = SecretKey::from_seed([0; 32]);
        let mut all = signed(2);
        all.add(&key, Purpose::Manifest, b"other").unwrap();
        assert_eq!(all.keys().count(), 2);
        assert!(all.verifies(&key.public(), Purpose::Manifest, b"other"));
    }

    #[test]
    fn a_signature_is_good_for_its_purpose_only() {
        let key = SecretKey::from_seed([0; 32]).public();
        let all = signed(1);
        assert!(all.verifies(&key, Purpose::Manifest, b"text"));
        assert!(!all.verifies(&key, Purpose::KeySet, b"text"));
        assert_ne!(
            Purpose::Manifest.signed_bytes(b"x"),
            Purpose::Manifest.signed_bytes(b"x\0")
        );
    }
}
