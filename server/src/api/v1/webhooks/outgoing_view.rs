//! Outgoing webhooks as the API shows them.

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use crate::control::{NewEndpoint, Tested};
use crate::model::{
    AttemptCode, EndpointSettings, Id, MessageAttempt, MessageState, SigningScheme, UtcTime,
    WebhookEndpoint, WebhookMessage, default_timeout,
};
use crate::webhooks::Shown;

/// A new endpoint.
#[derive(Clone, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct NewEndpointBody {
    /// Its name: 1 to 64 of a-z, 0-9 and -.
    pub name: String,
    /// Where messages are posted to: https, to the public internet.
    #[schema(example = "https://example.org/hooks/bllvm")]
    pub url: String,
    /// Which durable events: whole types, namespaces such as `chain.*`, or `*`.
    #[schema(example = json!(["chain.*", "module.crashed"]))]
    pub events: Vec<String>,
    /// Whether a message waits until the one before it was delivered or has failed.
    #[serde(default)]
    pub ordered: bool,
    /// How long an attempt may take, in seconds: 1 to 30; 15 where it is missing.
    #[serde(default = "default_timeout")]
    pub timeout_s: u32,
    /// For people.
    #[serde(default)]
    pub description: String,
    /// How messages are signed; `v1` where it is missing.
    #[serde(default)]
    pub signing: Option<SigningScheme>,
    /// What they are signed with: `whsec_…` for `v1`, `whsk_…` for `v1a`. Without one it is made
    /// here.
    #[serde(default)]
    pub key: Option<String>,
}

impl NewEndpointBody {
    /// What is sent where.
    pub fn settings(&self) -> EndpointSettings {
        EndpointSettings {
            url: self.url.clone(),
            events: self.events.clone(),
            ordered: self.ordered,
            timeout_s: self.timeout_s,
            description: self.description.clone(),
        }
    }
}

impl std::fmt::Debug for NewEndpointBody {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("NewEndpointBody")
            .field("name", &self.name)
            .finish_non_exhaustive()
    }
}

/// Asks for a new key.
#[derive(Clone, Default, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct KeyRotation {
    /// How messages are signed from now on; as before where it is missing.
    #[serde(default)]
    pub signing: Option<SigningScheme>,
    /// The new key; without one it is made here.
    #[serde(default)]
    pub key: Option<String>,
    /// How long the one before signs beside it, in seconds; a day where it is missing.
    #[serde(default)]
    pub overlap_s: Option<u64>,
}

impl std::fmt::Debug for KeyRotation {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("KeyRotation")
            .field("overlap_s", &self.overlap_s)
            .finish_non_exhaustive()
    }
}

/// Asks for an endpoint to be sent to again.
#[derive(Clone, Debug, Default, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct EnableRequest {
    /// Whether the events since it was disabled are left out.
    #[serde(default)]
    pub from_now: bool,
}

/// An endpoint, and the secret that was made for it.
#[derive(Clone, Serialize, ToSchema)]
pub struct NewEndpointView {
    /// The endpoint.
    #[serde(flatten)]
    pub endpoint: WebhookEndpoint,
    /// The secret that the receiver checks with, shown this once; missing where the caller brought
    /// it, and for `v1a`, where the newest key's `public` is what the receiver needs.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub secret: Option<String>,
}

impl std::fmt::Debug for NewEndpointView {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("NewEndpointView")
            .field("endpoint", &self.endpoint)
            .finish_non_exhaustive()
    }
}

impl From<NewEndpoint> for NewEndpointView {
    fn from(made: NewEndpoint) -> Self {
        Self {
            endpoint: made.endpoint,
            secret: made.secret,
        }
    }
}

/// What came of a test.
#[derive(Clone, Debug, Serialize, Deserialize, ToSchema)]
pub struct TestView {
    /// The message.
    pub message: Id,
    /// Whether the receiver took it.
    pub delivered: bool,
    /// What came of the attempt.
    pub code: AttemptCode,
    /// The HTTP status that the receiver answered.
    pub status: Option<u16>,
    /// In words.
    pub detail: String,
    /// The beginning of the answer's body.
    pub reply: Option<String>,
}

impl From<Tested> for TestView {
    fn from(Tested { message, sent }: Tested) -> Self {
        Self {
            message,
            delivered: sent.code == AttemptCode::Delivered,
            code: sent.code,
            status: sent.status,
            detail: sent.detail,
            reply: sent.reply,
        }
    }
}

/// Which messages to send again; at least one field.
#[derive(Clone, Debug, Default, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct RedeliverRequest {
    /// Only in this state: `failed` or `delivered`.
    #[serde(default)]
    pub state: Option<MessageState>,
    /// Only queued at this moment or later.
    #[serde(default)]
    pub since: Option<UtcTime>,
    /// Only queued before this moment.
    #[serde(default)]
    pub until: Option<UtcTime>,
}

/// A message with every attempt and its body.
#[derive(Clone, Debug, Serialize, ToSchema)]
pub struct MessageView {
    /// The message.
    #[serde(flatten)]
    pub message: WebhookMessage,
    /// Every attempt, oldest first.
    pub attempts: Vec<MessageAttempt>,
    /// The body, as far as people are shown it.
    pub body: Shown,
}
