//! Webhooks that go out: who is told, what messages are signed with, and what became of each.

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::state::words;
use super::{Id, UtcTime};

words! {
    /// How a message is signed, as Standard Webhooks names it.
    SigningScheme {
        /// HMAC-SHA256 with a shared secret, `whsec_…`.
        V1 = "v1",
        /// Ed25519; the receiver needs the public key only, `whpk_…`.
        V1a = "v1a",
    }

    /// Whether an endpoint is sent to.
    EndpointState {
        /// What it asked for is sent to it.
        Enabled = "enabled",
        /// Nothing is sent to it; `reason` says why.
        Disabled = "disabled",
    }

    /// What became of a message.
    MessageState {
        /// It is to be sent.
        Waiting = "waiting",
        /// The receiver took it.
        Delivered = "delivered",
        /// All tries failed; it is sent again on request only.
        Failed = "failed",
    }

    /// What came of an attempt.
    AttemptCode {
        /// The receiver answered 2xx.
        Delivered = "delivered",
        /// The receiver answered something else.
        Status = "status",
        /// The receiver answered 3xx, which is not followed.
        Redirect = "redirect",
        /// The receiver answered 410: it wants nothing more, and the endpoint is disabled.
        Gone = "gone",
        /// There was no whole answer in time.
        Timeout = "timeout",
        /// Its name has no address.
        Dns = "dns",
        /// Its address is one that the node must not be led to.
        AddressRefused = "address_refused",
        /// Nobody listens there.
        Connect = "connect",
        /// Its certificate does not prove its name, or TLS failed.
        Tls = "tls",
        /// The connection broke before the answer was whole.
        BrokenAnswer = "broken_answer",
        /// The node has no key that opens to sign with.
        NoKey = "no_key",
    }
}

/// What is sent where.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct EndpointSettings {
    /// Where messages are posted to.
    #[schema(example = "https://example.org/hooks/bllvm")]
    pub url: String,
    /// Which durable events: whole types, namespaces such as `chain.*`, or `*`.
    #[schema(example = json!(["chain.*", "module.crashed"]))]
    pub events: Vec<String>,
    /// Whether a message waits until the one before it was delivered or has failed.
    #[serde(default)]
    pub ordered: bool,
    /// How long an attempt may take, in seconds: 1 to 30.
    #[serde(default = "default_timeout")]
    pub timeout_s: u32,
    /// For people.
    #[serde(default)]
    pub description: String,
}

impl EndpointSettings {
    /// The usual settings.
    pub fn of(url: &str, events: &[&str]) -> Self {
        Self {
            url: url.to_owned(),
            events: events.iter().map(|one| (*one).to_owned()).collect(),
            ordered: false,
            timeout_s: default_timeout(),
            description: String::new(),
        }
    }
}

/// Standard Webhooks asks for 15 to 30 seconds.
pub(crate) fn default_timeout() -> u32 {
    15
}

/// A key without what signs.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct EndpointKey {
    /// Its id.
    pub id: Id,
    /// How it signs.
    pub scheme: SigningScheme,
    /// What the receiver checks with; none for `v1`, whose secret is shown once.
    pub public: Option<String>,
    /// When it was set.
    pub created_at: UtcTime,
    /// When it stops signing.
    pub expires_at: Option<UtcTime>,
}

/// Who is told.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct WebhookEndpoint {
    /// Its name.
    pub name: String,
    /// What is sent where.
    #[serde(flatten)]
    pub settings: EndpointSettings,
    /// Whether it is sent to.
    pub state: EndpointState,
    /// Why it is disabled; empty where it is not.
    pub reason: String,
    /// Its keys, newest first.
    pub keys: Vec<EndpointKey>,
    /// Events up to this number are queued for it.
    pub cursor: u64,
    /// How its lane is.
    #[serde(flatten)]
    pub lane: Lane,
    /// Messages that are to be sent.
    pub waiting: u64,
    /// Messages whose tries all failed.
    pub failed: u64,
    /// Who made it.
    pub by: String,
    /// When it was made.
    pub created_at: UtcTime,
    /// When it was last changed.
    pub changed_at: UtcTime,
}

/// How sending to an endpoint goes: its circuit breaker.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Lane {
    /// Attempts that failed in a row, whichever message they were for.
    pub failures: u32,
    /// When the first of them was.
    pub failing_since: Option<UtcTime>,
    /// Nothing is sent before; none where nothing is held.
    pub held_until: Option<UtcTime>,
}

/// A message without its body.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct WebhookMessage {
    /// Its id; the receiver sees `msg_` and this as `webhook-id`, the same in every attempt.
    pub id: Id,
    /// Who is told.
    pub endpoint: String,
    /// The number of its event; none for a test.
    pub seq: Option<u64>,
    /// The event's type.
    pub kind: String,
    /// What became of it.
    pub state: MessageState,
    /// Tries on the present schedule.
    pub tries: u32,
    /// When it is tried next.
    pub due_at: Option<UtcTime>,
    /// Bytes of its body.
    pub size: u64,
    /// When it was queued.
    pub created_at: UtcTime,
    /// When it last changed.
    pub changed_at: UtcTime,
}

/// One attempt.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct MessageAttempt {
    /// Counts from 1.
    pub number: u64,
    /// When it began.
    pub time: UtcTime,
    /// How long it took.
    pub duration_ms: u64,
    /// What came of it.
    pub code: AttemptCode,
    /// The HTTP status that the receiver answered.
    pub status: Option<u16>,
    /// In words.
    pub detail: String,
    /// The first kibibyte of the answer's body.
    pub reply: Option<String>,
}
