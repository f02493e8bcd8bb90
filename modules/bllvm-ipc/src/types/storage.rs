//! A module's own values.

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::{Hex, Sample, wire_types};

wire_types! {
    /// Names a stored value.
    StorageKey {
        /// At most 1,024 bytes.
        key: Hex = Hex(b"tip".to_vec()),
    }

    /// A stored value, or none.
    StorageValue {
        /// The value.
        value: Option<Hex> = Some(Hex(vec![1])),
    }

    /// Stores a value.
    StoragePut {
        /// At most 1,024 bytes.
        key: Hex = Hex(b"tip".to_vec()),
        /// At most 512 KiB.
        value: Hex = Hex(vec![1]),
    }

    /// Asks for the values under a prefix, in key order.
    StorageScan {
        /// Keys start with it.
        prefix: Hex = Hex(b"t".to_vec()),
        /// Only keys after this one.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        after: Option<Hex> = None,
        /// At most so many, 1,000 at the most.
        limit: u32 = 100,
    }

    /// A page of values.
    StoragePage {
        /// The entries.
        items: Vec<StoragePut> = vec![StoragePut::sample()],
        /// Whether more follow.
        more: bool = false,
    }

    /// One change of a transaction: a put, or a delete where `value` is missing.
    StorageChange {
        /// The key.
        key: Hex = Hex(b"tip".to_vec()),
        /// The new value.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        value: Option<Hex> = Some(Hex(vec![1])),
    }

    /// Changes that happen together or not at all.
    StorageTransaction {
        /// In order.
        changes: Vec<StorageChange> = vec![StorageChange::sample()],
    }
}
