//! `[webhooks]`: where messages that go out may be sent to.

use super::reader::{self, Key, Reader};
use crate::webhooks::outgoing::{AllowedAddresses, Net};

const ALLOW: Key = Key::new(
    "webhooks.allow_addresses",
    "[]",
    "Addresses and ranges that outgoing webhooks may be sent to beside the public internet, such as\n10.0.0.0/8. Private, link-local and loopback addresses are refused else, and plain http is for\nthese only.",
);

pub(super) const KEYS: &[Key] = &[ALLOW];

/// The settings of webhooks.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct WebhookSettings {
    /// Where messages may go beside the public internet.
    pub allowed: AllowedAddresses,
}

impl WebhookSettings {
    pub(super) fn read(reader: &mut Reader) -> Self {
        Self {
            allowed: reader.get(&ALLOW, nets),
        }
    }
}

fn nets(value: &toml::Value) -> Result<AllowedAddresses, String> {
    let nets: Result<Vec<Net>, String> = reader::texts(value)?
        .iter()
        .map(|text| text.parse().map_err(|why| format!("has {why}")))
        .collect();
    Ok(AllowedAddresses::new(nets?))
}
