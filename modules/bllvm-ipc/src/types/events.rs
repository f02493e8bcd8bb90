//! Subscribing to events, publishing them, and bodies of webhooks.

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::{Sample, wire_types};
use crate::event::EventEnvelope;

wire_types! {
    /// Subscribes to events; replaces an earlier subscription.
    SubscribeRequest {
        /// Patterns: `*`, `chain.*`, or a whole type.
        types: Vec<String> = vec!["chain.*".to_owned()],
        /// Deliver durable events after this number; none resumes at the last acknowledged one.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        after: Option<u64> = None,
    }

    /// Where the feed starts.
    Subscribed {
        /// Events after this number will come.
        after: u64 = 41,
        /// The oldest number that the journal still has.
        first: u64 = 1,
    }

    /// An event in the module's own namespace.
    PublishRequest {
        /// Type; must start with the module's name (without `bllvm-`) and a dot.
        #[serde(rename = "type")]
        kind: String = "lightning.payment_received".to_owned(),
        /// Journaled (true) or lossy (false).
        durable: bool = true,
        /// The type's own fields.
        data: serde_json::Value = serde_json::json!({ "amount_msat": 1000 }),
    }

    /// The event's place.
    Published {
        /// Its sequence number; 0 for a lossy one.
        seq: u64 = 42,
    }

    /// Names an inbound webhook delivery.
    WebhookBodyRequest {
        /// The delivery's id, from its event.
        delivery: String = "01J0000000000000000000000".to_owned(),
    }

    /// What became of a webhook delivery.
    WebhookVerdict {
        /// The delivery's id, from its event.
        delivery: String = "01J0000000000000000000000".to_owned(),
        /// `applied`, `refused` (it cannot be applied) or `failed` (it could not be, this time).
        verdict: String = "refused".to_owned(),
        /// A stable word for the reason; a-z, 0-9 and _, at most 64.
        code: Option<String> = Some("unknown_repository".to_owned()),
        /// In words, for people; at most 1,000 characters.
        detail: String = "no rules for example/example".to_owned(),
    }

    /// Events as a list.
    Events {
        /// Ascending.
        items: Vec<EventEnvelope> = vec![],
    }
}
