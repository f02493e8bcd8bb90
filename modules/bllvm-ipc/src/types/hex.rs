//! Hashes and bytes: binary in MessagePack, lower-case hex in JSON.

use std::fmt;
use std::str::FromStr;

use serde::de::{self, Visitor};
use serde::{Deserialize, Deserializer, Serialize, Serializer};
use utoipa::ToSchema;

macro_rules! hash_newtype {
    ($(#[doc = $doc:literal])+ $name:ident) => {
        $(#[doc = $doc])+
        /// Inside: the 32 bytes in the order in which they are hashed. As text: reversed hex.
        #[derive(Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord, Hash, ToSchema)]
        #[schema(value_type = String, example = "0f9188f13cb7b2c71f2a335e3a4fc328bf5beb436012afca590b1a11466e2206")]
        pub struct $name(pub [u8; 32]);

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                self.0.iter().rev().try_for_each(|byte| write!(f, "{byte:02x}"))
            }
        }

        impl fmt::Debug for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                fmt::Display::fmt(self, f)
            }
        }

        impl FromStr for $name {
            type Err = HexError;

            fn from_str(text: &str) -> Result<Self, HexError> {
                let mut bytes: [u8; 32] = decode_hex(text)?
                    .try_into()
                    .map_err(|_| HexError::Length { expected: 64, found: text.len() })?;
                bytes.reverse();
                Ok(Self(bytes))
            }
        }

        impl Serialize for $name {
            fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
                if serializer.is_human_readable() {
                    serializer.collect_str(self)
                } else {
                    serializer.serialize_bytes(&self.0)
                }
            }
        }

        impl<'de> Deserialize<'de> for $name {
            fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
                if deserializer.is_human_readable() {
                    String::deserialize(deserializer)?.parse().map_err(de::Error::custom)
                } else {
                    let bytes = deserializer.deserialize_bytes(BytesVisitor)?;
                    bytes.try_into().map(Self).map_err(|found: Vec<u8>| {
                        de::Error::custom(format!("a hash has 32 bytes, not {}", found.len()))
                    })
                }
            }
        }
    };
}

hash_newtype! {
    /// A block's hash.
    BlockHash
}
hash_newtype! {
    /// A transaction's id.
    Txid
}

/// Text that is not hex, or not of the right length.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum HexError {
    /// A character outside 0-9a-f.
    #[error("`{0}` is not a hexadecimal digit")]
    Digit(char),
    /// Too short, too long, or odd.
    #[error("{found} hexadecimal digits where {expected} belong")]
    Length {
        /// Digits that belong there; 0 stands for any even number.
        expected: usize,
        /// Digits that are there.
        found: usize,
    },
}

fn decode_hex(text: &str) -> Result<Vec<u8>, HexError> {
    if let Some(bad) = text.chars().find(|c| !c.is_ascii_hexdigit()) {
        return Err(HexError::Digit(bad));
    }
    if !text.len().is_multiple_of(2) {
        return Err(HexError::Length {
            expected: 0,
            found: text.len(),
        });
    }
    let digit = |byte: u8| match byte {
        b'0'..=b'9' => byte - b'0',
        b'a'..=b'f' => byte - b'a' + 10,
        _ => byte - b'A' + 10,
    };
    Ok(text
        .as_bytes()
        .chunks_exact(2)
        .map(|pair| digit(pair[0]) << 4 | digit(pair[1]))
        .collect())
}

struct BytesVisitor;

impl<'de> Visitor<'de> for BytesVisitor {
    type Value = Vec<u8>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("bytes")
    }

    fn visit_bytes<E: de::Error>(self, bytes: &[u8]) -> Result<Vec<u8>, E> {
        Ok(bytes.to_vec())
    }

    fn visit_byte_buf<E: de::Error>(self, bytes: Vec<u8>) -> Result<Vec<u8>, E> {
        Ok(bytes)
    }

    fn visit_seq<A: de::SeqAccess<'de>>(self, mut seq: A) -> Result<Vec<u8>, A::Error> {
        let mut bytes = Vec::new();
        while let Some(byte) = seq.next_element()? {
            bytes.push(byte);
        }
        Ok(bytes)
    }
}

/// Bytes: binary in MessagePack, hex in JSON.
#[derive(Clone, Default, PartialEq, Eq, PartialOrd, Ord, Hash, ToSchema)]
#[schema(value_type = String, example = "51")]
pub struct Hex(pub Vec<u8>);

impl fmt::Display for Hex {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.iter().try_for_each(|byte| write!(f, "{byte:02x}"))
    }
}

impl fmt::Debug for Hex {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

impl FromStr for Hex {
    type Err = HexError;

    fn from_str(text: &str) -> Result<Self, HexError> {
        decode_hex(text).map(Self)
    }
}

impl Serialize for Hex {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        if serializer.is_human_readable() {
            serializer.collect_str(self)
        } else {
            serializer.serialize_bytes(&self.0)
        }
    }
}

impl<'de> Deserialize<'de> for Hex {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        if deserializer.is_human_readable() {
            String::deserialize(deserializer)?
                .parse()
                .map_err(de::Error::custom)
        } else {
            deserializer.deserialize_bytes(BytesVisitor).map(Self)
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn hashes_are_reversed_hex_in_json_and_plain_bytes_on_the_wire() {
        let mut bytes = [0; 32];
        bytes[0] = 0xab;
        let hash = BlockHash(bytes);
        let json = serde_json::to_string(&hash).unwrap();
        assert_eq!(json, format!("\"{}ab\"", "00".repeat(31)));
        assert_eq!(serde_json::from_str::<BlockHash>(&json).unwrap(), hash);
        let packed = rmp_serde::to_vec(&hash).unwrap();
        assert_eq!(packed[..3], [0xc4, 32, 0xab]);
        assert_eq!(rmp_serde::from_slice::<BlockHash>(&packed).unwrap(), hash);
    }

    #[test]
    fn bad_hex_names_the_digit_and_the_length() {
        assert_eq!("0g".parse::<Hex>(), Err(HexError::Digit('g')));
        assert_eq!(
            "000".parse::<Hex>(),
            Err(HexError::Length {
                expected: 0,
                found: 3
            })
        );
        assert_eq!(
            "00".parse::<Txid>(),
            Err(HexError::Length {
                expected: 64,
                found: 2
            })
        );
    }
}
