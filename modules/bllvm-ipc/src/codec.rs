//! Bodies: MessagePack maps with field names, or raw bytes.

use bytes::Bytes;
use serde::Serialize;
use serde::de::DeserializeOwned;

/// A value that a body can carry.
pub trait Wire: Sized {
    /// Whether the body is raw bytes, which the RAW flag marks and the bulk limit bounds.
    const RAW: bool = false;

    /// Encodes the body.
    ///
    /// # Errors
    /// What the codec said.
    fn to_body(&self) -> Result<Bytes, String>;

    /// Decodes the body.
    ///
    /// # Errors
    /// What the codec said, with the field's name where there is one.
    fn from_body(body: &Bytes) -> Result<Self, String>;
}

impl<T: Serialize + DeserializeOwned> Wire for T {
    fn to_body(&self) -> Result<Bytes, String> {
        encode(self)
    }

    fn from_body(body: &Bytes) -> Result<Self, String> {
        rmp_serde::from_slice(body).map_err(|error| error.to_string())
    }
}

/// Encodes any serialisable value as a MessagePack map with field names.
///
/// # Errors
/// What the codec said.
pub fn encode<T: Serialize + ?Sized>(value: &T) -> Result<Bytes, String> {
    rmp_serde::to_vec_named(value)
        .map(Bytes::from)
        .map_err(|error| error.to_string())
}

/// A raw body: blocks and other bulk, never copied.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Raw(pub Bytes);

impl Wire for Raw {
    const RAW: bool = true;

    fn to_body(&self) -> Result<Bytes, String> {
        Ok(self.0.clone())
    }

    fn from_body(body: &Bytes) -> Result<Self, String> {
        Ok(Self(body.clone()))
    }
}
