//! Webhooks as the API shows them.

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use crate::control::NewWebhookSecret;
use crate::model::{
    AttemptKind, DeliveryAttempt, HmacHeaders, Id, SourceSettings, WebhookDelivery, WebhookScheme,
    WebhookSource,
};
use crate::webhooks::Receipt;

/// A delivery that is in the inbox.
#[derive(Clone, Copy, Debug, Serialize, Deserialize, ToSchema)]
pub struct ReceiptView {
    /// Its id here.
    pub delivery: Id,
    /// Whether it was there before.
    pub duplicate: bool,
}

impl From<Receipt> for ReceiptView {
    fn from(receipt: Receipt) -> Self {
        Self {
            delivery: receipt.delivery,
            duplicate: receipt.duplicate,
        }
    }
}

/// A new source.
#[derive(Clone, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct NewSource {
    /// The last part of its address: 1 to 64 of a-z, 0-9 and -.
    pub name: String,
    /// How the sender signs.
    pub scheme: WebhookScheme,
    /// The headers; needed for `hmac`, and only there.
    #[serde(default)]
    pub hmac: Option<HmacHeaders>,
    /// How far a signed time may be from ours, in seconds; 300 where it is missing.
    #[serde(default)]
    pub tolerance_s: Option<u32>,
    /// Deliveries a minute; 0 for no bound, 600 where it is missing.
    #[serde(default)]
    pub rate_per_minute: Option<u32>,
    /// What the sender signs with: a text of 16 to 256 bytes, or for Standard Webhooks `whsec_…`
    /// or the sender's public key `whpk_…`. Without one it is made here.
    #[serde(default)]
    pub secret: Option<String>,
}

/// Asks for a new secret.
#[derive(Clone, Default, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct Rotation {
    /// The new secret; without one it is made here.
    #[serde(default)]
    pub secret: Option<String>,
    /// How long the one before goes on working, in seconds; a day where it is missing.
    #[serde(default)]
    pub overlap_s: Option<u64>,
}

impl NewSource {
    /// How its deliveries are checked.
    pub fn settings(&self) -> SourceSettings {
        let usual = SourceSettings::of(self.scheme);
        SourceSettings {
            hmac: self.hmac.clone(),
            tolerance_s: self.tolerance_s.unwrap_or(usual.tolerance_s),
            rate_per_minute: self.rate_per_minute.unwrap_or(usual.rate_per_minute),
            ..usual
        }
    }
}

impl std::fmt::Debug for NewSource {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("NewSource")
            .field("name", &self.name)
            .finish_non_exhaustive()
    }
}

impl std::fmt::Debug for Rotation {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Rotation")
            .field("overlap_s", &self.overlap_s)
            .finish_non_exhaustive()
    }
}

/// A source, and the secret that was made for it.
#[derive(Clone, Serialize, ToSchema)]
pub struct NewSecretView {
    /// The source.
    #[serde(flatten)]
    pub source: WebhookSource,
    /// The address that the sender needs, below this node's own.
    pub path: String,
    /// The secret, shown this once; missing where the caller brought it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub secret: Option<String>,
}

impl std::fmt::Debug for NewSecretView {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("NewSecretView")
            .field("source", &self.source)
            .finish_non_exhaustive()
    }
}

impl From<NewWebhookSecret> for NewSecretView {
    fn from(made: NewWebhookSecret) -> Self {
        Self {
            path: format!("/webhooks/{}", made.source.name),
            source: made.source,
            secret: made.secret,
        }
    }
}

/// A delivery with everything that happened to it.
#[derive(Clone, Debug, Serialize, ToSchema)]
pub struct DeliveryView {
    /// The delivery.
    #[serde(flatten)]
    pub delivery: WebhookDelivery,
    /// Everything that happened to it, oldest first.
    pub attempts: Vec<DeliveryAttempt>,
    /// Modules that have acknowledged its event.
    pub acknowledged_by: Vec<String>,
}

impl DeliveryView {
    /// The sender's first delivery is not kept apart, and is shown as the first of all.
    pub fn new(
        delivery: WebhookDelivery,
        later: Vec<DeliveryAttempt>,
        acknowledged_by: Vec<String>,
    ) -> Self {
        let first = DeliveryAttempt {
            number: 0,
            time: delivery.received_at,
            kind: AttemptKind::Received,
            actor: delivery.source.clone(),
            code: None,
            detail: "accepted".to_owned(),
            seq: Some(delivery.seq),
        };
        let mut attempts = vec![first];
        attempts.extend(later);
        Self {
            delivery,
            attempts,
            acknowledged_by,
        }
    }
}
