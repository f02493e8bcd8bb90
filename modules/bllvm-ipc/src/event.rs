//! Events as they travel: one envelope, three classes.

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

/// How an event type is kept and delivered. Fixed per type.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
#[repr(u16)]
pub enum EventClass {
    /// Journaled before anyone sees it; at least once per cursor, in order.
    Durable = 1,
    /// Coalesced by key: only the newest counts.
    Latest = 2,
    /// Drop-oldest, with a gap notice that accounts for every missing one.
    Lossy = 3,
}

impl EventClass {
    /// The class that travels in the header's method field.
    pub fn from_header(method: u16) -> Option<Self> {
        match method {
            1 => Some(Self::Durable),
            2 => Some(Self::Latest),
            3 => Some(Self::Lossy),
            _ => None,
        }
    }
}

/// An event. The journal, REST, SSE and IPC show the same fields.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct EventEnvelope {
    /// Sequence number in the journal (durable), or in the publisher's feed (others).
    pub seq: u64,
    /// Namespaced type, such as `chain.block_connected`.
    #[serde(rename = "type")]
    pub kind: String,
    /// How it is kept and delivered.
    pub class: EventClass,
    /// Who published it: `host`, or a module's name. Set by the host.
    pub publisher: String,
    /// When it was journaled, RFC 3339 UTC.
    pub time: String,
    /// The type's own fields.
    #[schema(value_type = Object)]
    pub data: serde_json::Value,
}

/// Whether an event type fits a subscription pattern: `*`, `chain.*`, or a whole type.
pub fn matches(pattern: &str, kind: &str) -> bool {
    match pattern.strip_suffix('*') {
        Some(prefix) => kind.starts_with(prefix),
        None => pattern == kind,
    }
}

#[cfg(test)]
mod tests {
    use super::matches;

    #[test]
    fn patterns_match_a_type_a_namespace_or_all() {
        assert!(matches("*", "chain.block_connected"));
        assert!(matches("chain.*", "chain.block_connected"));
        assert!(matches("chain.block_connected", "chain.block_connected"));
        assert!(!matches("chain.*", "chained.x"));
        assert!(!matches("chain", "chain.block_connected"));
    }
}
