//! Webhooks that come in: sources, what they sign with, deliveries and what became of them.

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::state::words;
use super::{Id, UtcTime};

words! {
    /// How a sender signs.
    WebhookScheme {
        /// GitHub: `X-Hub-Signature-256`, HMAC-SHA256 of the body.
        Github = "github",
        /// Standard Webhooks: `v1` (HMAC-SHA256) and `v1a` (Ed25519) over id, time and body.
        Standard = "standard",
        /// HMAC-SHA256 in headers of the sender's own.
        Hmac = "hmac",
    }

    /// How a signature is written.
    SignatureEncoding {
        /// Hexadecimal.
        Hex = "hex",
        /// Base64.
        Base64 = "base64",
    }

    /// What became of a delivery.
    DeliveryState {
        /// Accepted and durable; no module has judged it.
        Waiting = "waiting",
        /// A module has applied it.
        Applied = "applied",
        /// A module found that it cannot be applied.
        Refused = "refused",
        /// A module tried and could not.
        Failed = "failed",
    }

    /// What happened to a delivery.
    AttemptKind {
        /// The sender's first delivery was accepted.
        Received = "received",
        /// The sender delivered it again.
        Duplicate = "duplicate",
        /// The sender's id came with another body.
        Conflict = "conflict",
        /// An operator had it announced again.
        Replay = "replay",
        /// A module judged it.
        Verdict = "verdict",
    }
}

/// Where a sender of its own kind puts what is checked.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct HmacHeaders {
    /// The header with the signature.
    #[schema(example = "x-signature")]
    pub signature_header: String,
    /// How the signature is written.
    pub encoding: SignatureEncoding,
    /// What stands before the signature, such as `sha256=`.
    #[serde(default)]
    pub prefix: String,
    /// The header with the delivery's id; without one the body's digest is the id.
    #[serde(default)]
    pub id_header: Option<String>,
    /// The header with the time in seconds; `<time>.<body>` is signed then, and the body else.
    #[serde(default)]
    pub timestamp_header: Option<String>,
}

/// How deliveries of a source are checked.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct SourceSettings {
    /// How the sender signs.
    pub scheme: WebhookScheme,
    /// The headers; needed for `hmac`, and only there.
    #[serde(default)]
    pub hmac: Option<HmacHeaders>,
    /// How far a signed time may be from ours, in seconds.
    #[serde(default = "default_tolerance")]
    pub tolerance_s: u32,
    /// Deliveries a minute; 0 for no bound.
    #[serde(default = "default_rate")]
    pub rate_per_minute: u32,
}

impl SourceSettings {
    /// The usual settings of a scheme that needs none of its own.
    pub fn of(scheme: WebhookScheme) -> Self {
        Self {
            scheme,
            hmac: None,
            tolerance_s: default_tolerance(),
            rate_per_minute: default_rate(),
        }
    }

    /// Whether the sender's delivery id is signed. Where it is not, whoever saw one delivery could
    /// send it again under another id, so the body's digest counts, too.
    pub fn id_is_signed(&self) -> bool {
        self.scheme == WebhookScheme::Standard
    }
}

fn default_tolerance() -> u32 {
    300
}

fn default_rate() -> u32 {
    600
}

/// A secret without its text.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct WebhookSecret {
    /// Its id.
    pub id: Id,
    /// When it was set.
    pub created_at: UtcTime,
    /// When it stops working.
    pub expires_at: Option<UtcTime>,
    /// When a delivery was last signed with it, to the minute.
    pub last_used_at: Option<UtcTime>,
}

/// Who may send.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct WebhookSource {
    /// The name in its address.
    pub name: String,
    /// How its deliveries are checked.
    #[serde(flatten)]
    pub settings: SourceSettings,
    /// Its secrets, newest first.
    pub secrets: Vec<WebhookSecret>,
    /// Who made it.
    pub by: String,
    /// When it was made.
    pub created_at: UtcTime,
    /// When it was last changed.
    pub changed_at: UtcTime,
}

/// How what a sender could not deliver is asked for again.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct ReconcileSettings {
    /// Where the hook is at GitHub, such as `repos/example/project/hooks/1`.
    pub hook: String,
    /// The address of GitHub's API.
    pub api_url: String,
    /// Minutes between two runs.
    pub every_min: u32,
}

impl ReconcileSettings {
    /// The usual settings for a hook.
    pub fn of(hook: &str) -> Self {
        Self {
            hook: hook.to_owned(),
            api_url: "https://api.github.com".to_owned(),
            every_min: 60,
        }
    }
}

/// What came of a run.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct ReconcileReport {
    /// Deliveries of the last three days.
    pub looked_at: u64,
    /// Those that nobody has taken.
    pub missing: u64,
    /// Those that were asked for again.
    pub requested: u64,
    /// Those that were tried five times and are left to people.
    pub given_up: u64,
    /// Why it did not do all; none where it did.
    pub error: Option<String>,
}

/// How a source is reconciled.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct WebhookReconcile {
    /// How.
    #[serde(flatten)]
    pub settings: ReconcileSettings,
    /// Who turned it on or changed it.
    pub by: String,
    /// When.
    pub changed_at: UtcTime,
    /// When it last ran.
    pub last_run_at: Option<UtcTime>,
    /// What came of that.
    pub last_report: Option<ReconcileReport>,
}

/// A delivery without its body.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct WebhookDelivery {
    /// Its id here.
    pub id: Id,
    /// The source.
    pub source: String,
    /// The sender's id for it.
    pub sender_id: String,
    /// SHA-256 of the body, in hex.
    pub digest: String,
    /// The sender's word for what happened, such as `pull_request`.
    pub kind: Option<String>,
    /// The body's media type.
    pub media_type: Option<String>,
    /// Which secret it was signed with.
    pub secret: String,
    /// The number of the event that announced it.
    pub seq: u64,
    /// What became of it.
    pub state: DeliveryState,
    /// Bytes of the body.
    pub size: u64,
    /// Whether the body is still kept.
    pub body_kept: bool,
    /// When it was accepted.
    pub received_at: UtcTime,
    /// When its state last changed.
    pub changed_at: UtcTime,
}

/// Something that happened to a delivery.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct DeliveryAttempt {
    /// Counts from 0, which is the sender's first.
    pub number: u64,
    /// When.
    pub time: UtcTime,
    /// What.
    pub kind: AttemptKind,
    /// Who: the source, a module, or an operator as the audit trail names them.
    pub actor: String,
    /// The verdict's code.
    pub code: Option<String>,
    /// In words.
    pub detail: String,
    /// The number of the event that told of it.
    pub seq: Option<u64>,
}
