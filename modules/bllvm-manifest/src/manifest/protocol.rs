//! The versions of the IPC protocol a module speaks.

use serde::{Serialize, Serializer};
use toml::Value;
use utoipa::openapi::RefOr;
use utoipa::openapi::schema::{ArrayBuilder, Schema};
use utoipa::{PartialSchema, ToSchema};

use super::reader::Section;

/// An inclusive range of IPC protocol versions. Written `1` or `[1, 2]`; absent means `1`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ProtocolRange {
    /// The oldest version spoken.
    pub min: u16,
    /// The newest version spoken.
    pub max: u16,
}

impl Default for ProtocolRange {
    fn default() -> Self {
        Self { min: 1, max: 1 }
    }
}

impl Serialize for ProtocolRange {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        [self.min, self.max].serialize(serializer)
    }
}

impl PartialSchema for ProtocolRange {
    fn schema() -> RefOr<Schema> {
        ArrayBuilder::new()
            .description(Some("Oldest and newest IPC version spoken"))
            .items(u16::schema())
            .min_items(Some(2))
            .max_items(Some(2))
            .into()
    }
}

impl ToSchema for ProtocolRange {}

impl ProtocolRange {
    const KEY: &str = "protocol";

    /// Whether a version lies in the range.
    pub fn contains(self, version: u16) -> bool {
        (self.min..=self.max).contains(&version)
    }

    pub(super) fn read(top: &mut Section<'_>) -> Option<Self> {
        let range = match top.take(Self::KEY)? {
            Value::Array(pair) if pair.len() == 2 => Self {
                min: version(top, &pair[0])?,
                max: version(top, &pair[1])?,
            },
            Value::Array(_) => {
                top.wrong(Self::KEY, "a range has two versions", "write `[1, 2]`");
                return None;
            }
            // Quoted like every other version in the file, so it is understood too.
            Value::String(text) => {
                let Ok(number) = text.parse::<i64>() else {
                    top.wrong(Self::KEY, "is no protocol version", "write `1` or `[1, 2]`");
                    return None;
                };
                let only = version(top, &Value::Integer(number))?;
                Self {
                    min: only,
                    max: only,
                }
            }
            other => {
                let only = version(top, &other)?;
                Self {
                    min: only,
                    max: only,
                }
            }
        };
        if range.min > range.max {
            top.wrong(
                Self::KEY,
                "starts above its end",
                "write the older version first",
            );
            return None;
        }
        Some(range)
    }
}

fn version(top: &Section<'_>, value: &Value) -> Option<u16> {
    let number = top.integer_in(ProtocolRange::KEY, value, 1..=u64::from(u16::MAX))?;
    u16::try_from(number).ok()
}
