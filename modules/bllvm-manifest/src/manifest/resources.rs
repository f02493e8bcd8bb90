//! `[resources]`: what a module may use at most.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};
use toml::Value;
use utoipa::ToSchema;

use super::reader::Section;

/// The most a module may use; the host's operator can set less or more.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, ToSchema)]
pub struct Resources {
    /// Memory, all processes together.
    pub memory: ByteSize,
    /// Processor time in percent of one core: 200 is two cores.
    #[serde(rename = "cpu")]
    #[schema(rename = "cpu")]
    pub cpu_percent: u32,
    /// Processes and threads.
    pub pids: u32,
    /// Open files in each process.
    pub files: u32,
    /// The size of each file that it writes.
    pub file_size: ByteSize,
}

impl Default for Resources {
    fn default() -> Self {
        Self {
            memory: ByteSize::mib(256),
            cpu_percent: 100,
            pids: 64,
            files: 1024,
            file_size: ByteSize::mib(1024),
        }
    }
}

impl Resources {
    pub(super) fn read(top: &mut Section<'_>) -> Self {
        let default = Self::default();
        let Some(mut section) = top.section("resources") else {
            return default;
        };
        let mut number = |key: &str, low: u64, high: u64, default: u32| {
            section
                .integer(key, low..=high)
                .and_then(|n| u32::try_from(n).ok())
                .unwrap_or(default)
        };
        Self {
            cpu_percent: number("cpu", 1, 100_000, default.cpu_percent),
            pids: number("pids", 1, 32_768, default.pids),
            files: number("files", 16, 1_048_576, default.files),
            memory: read_size(&mut section, "memory", 4).unwrap_or(default.memory),
            file_size: read_size(&mut section, "file_size", 1).unwrap_or(default.file_size),
        }
    }
}

fn read_size(section: &mut Section<'_>, key: &str, least_mib: u64) -> Option<ByteSize> {
    const MOST: ByteSize = ByteSize::mib(1 << 20);
    const HELP: &str = "write `\"256MiB\"` or `\"1GiB\"`";
    let least = ByteSize::mib(least_mib);
    let size = match section.take(key)? {
        Value::String(text) => match text.parse::<ByteSize>() {
            Ok(size) => size,
            Err(error) => {
                section.wrong(key, error.to_string(), HELP);
                return None;
            }
        },
        other => {
            section.mistyped(key, "a size with its unit", &other);
            return None;
        }
    };
    if !(least..=MOST).contains(&size) {
        section.wrong(
            key,
            format!("{size} is out of range"),
            format!("{least} to {MOST}"),
        );
        return None;
    }
    Some(size)
}

/// A number of bytes, written with a unit: `"64KiB"`, `"256MiB"`, `"1GiB"`, `"4096B"`.
#[derive(
    Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, ToSchema,
)]
#[serde(try_from = "String", into = "String")]
#[schema(value_type = String, example = "256MiB")]
pub struct ByteSize(u64);

/// Why a text is not a size.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("is no size: a whole number and one of B, KiB, MiB, GiB, TiB")]
pub struct ByteSizeError;

/// Largest first, as printing needs them.
const UNITS: [(&str, u64); 5] = [
    ("TiB", 1 << 40),
    ("GiB", 1 << 30),
    ("MiB", 1 << 20),
    ("KiB", 1 << 10),
    ("B", 1),
];

impl ByteSize {
    /// So many bytes.
    pub const fn bytes(bytes: u64) -> Self {
        Self(bytes)
    }

    /// So many mebibytes.
    pub const fn mib(mib: u64) -> Self {
        Self(mib.saturating_mul(1 << 20))
    }

    /// The number of bytes.
    pub const fn as_bytes(self) -> u64 {
        self.0
    }
}

impl fmt::Display for ByteSize {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (unit, size) = UNITS
            .into_iter()
            .find(|(_, size)| self.0 != 0 && self.0.is_multiple_of(*size))
            .unwrap_or(("B", 1));
        write!(f, "{}{unit}", self.0 / size)
    }
}

impl FromStr for ByteSize {
    type Err = ByteSizeError;

    fn from_str(text: &str) -> Result<Self, ByteSizeError> {
        let digits = text.bytes().take_while(u8::is_ascii_digit).count();
        let (number, unit) = text.split_at(digits);
        let (_, size) = UNITS
            .into_iter()
            .find(|(name, _)| *name == unit.trim_start_matches(' '))
            .ok_or(ByteSizeError)?;
        let number: u64 = number.parse().map_err(|_| ByteSizeError)?;
        number.checked_mul(size).map(Self).ok_or(ByteSizeError)
    }
}

impl TryFrom<String> for ByteSize {
    type Error = ByteSizeError;

    fn try_from(text: String) -> Result<Self, ByteSizeError> {
        text.parse()
    }
}

impl From<ByteSize> for String {
    fn from(size: ByteSize) -> Self {
        size.to_string()
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn sizes_are_read_and_written() {
        assert_eq!("256MiB".parse(), Ok(ByteSize::mib(256)));
        assert_eq!("64 KiB".parse(), Ok(ByteSize::bytes(65_536)));
        assert_eq!(ByteSize::mib(2048).to_string(), "2GiB");
        assert_eq!(ByteSize::bytes(1500).to_string(), "1500B");
        for bad in ["", "256", "MiB", "1.5GiB", "-1MiB", "1mb", "99999999999TiB"] {
            assert_eq!(bad.parse::<ByteSize>(), Err(ByteSizeError), "{bad}");
        }
    }

    proptest! {
        #[test]
        fn a_size_comes_back(bytes in any::<u64>()) {
            let size = ByteSize::bytes(bytes);
            prop_assert_eq!(size.to_string().parse::<ByteSize>(), Ok(size));
        }

        #[test]
        fn no_text_panics(text in any::<String>()) {
            let _ = text.parse::<ByteSize>();
        }
    }
}
