//! `[catalog]`: how registries are read.

use std::path::PathBuf;
use std::time::Duration;

use super::reader::{self, Key, Reader};

const REFRESH: Key = Key::new(
    "catalog.refresh",
    "\"24 h\"",
    "How often the indexes of registries are fetched by the clock, give or take a tenth; \"never\" leaves\nit to `bllvm-node catalog refresh`.",
);
const CA_FILE: Key = Key::derived(
    "catalog.ca_file",
    "\"/etc/bllvm/authorities.pem\"",
    "A file of certificates (PEM) whose owners may certify https:// registries, too, beside the\nsystem's.",
);

pub(super) const KEYS: &[Key] = &[REFRESH, CA_FILE];

/// How registries are read.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Catalog {
    /// Between two looks at a registry; none where nobody looks by the clock.
    pub refresh: Option<Duration>,
    /// More authorities.
    pub ca_file: Option<PathBuf>,
}

impl Catalog {
    pub(super) fn read(reader: &mut Reader) -> Self {
        Self {
            refresh: reader.get(&REFRESH, often),
            ca_file: reader.path(CA_FILE.path),
        }
    }
}

fn often(value: &toml::Value) -> Result<Option<Duration>, String> {
    if value.as_str() == Some("never") {
        return Ok(None);
    }
    reader::duration(value).map(Some)
}
