//! A delivery of our own making, signed as a source's sender would: for the test button.

use axum::http::{HeaderMap, HeaderName, HeaderValue};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use bytes::Bytes;
use hmac::{Hmac, KeyInit as _, Mac as _};
use sha2::Sha256;

use super::live::LiveSource;
use super::secret::Key;
use super::{IntakeError, Receipt, Webhooks};
use crate::model::{Id, SignatureEncoding, UtcTime, WebhookScheme};

impl Webhooks {
    /// Sends a delivery of our own making through a source, from its signature to its row; none
    /// where the source has no shared secret to sign it with.
    pub async fn send_test(
        &self,
        source: &str,
        id: Id,
        now: UtcTime,
    ) -> Option<Result<Receipt, IntakeError>> {
        let live = self.source(source)?;
        let body =
            serde_json::json!({ "type": "test", "source": source, "timestamp": now, "id": id });
        let body = Bytes::from(body.to_string());
        let headers = sign(&live, &id.to_string(), now, &body)?;
        Some(self.receive(source, &headers, body).await)
    }
}

/// The headers that a sender of this source would send.
pub(super) fn sign(source: &LiveSource, id: &str, now: UtcTime, body: &[u8]) -> Option<HeaderMap> {
    let mut live = source.live(now).into_iter();
    let key = live.find_map(|secret| match &secret.key {
        Key::Shared(key) => Some(key),
        Key::Public(_) => None,
    })?;
    let tag = |head: &str| {
        let mut mac = Hmac::<Sha256>::new_from_slice(key).expect("HMAC takes keys of any length");
        mac.update(head.as_bytes());
        mac.update(body);
        mac.finalize().into_bytes()
    };
    let time = (now.unix_ms().div_euclid(1000)).to_string();
    let mut headers = HeaderMap::new();
    let mut set = |name: &str, value: String| {
        if let (Ok(name), Ok(value)) = (
            HeaderName::from_bytes(name.as_bytes()),
            HeaderValue::from_str(&value),
        ) {
            headers.insert(name, value);
        }
    };
    set("content-type", "application/json".to_owned());
    match (source.settings.scheme, &source.settings.hmac) {
        (WebhookScheme::Standard, _) => {
            let signature = STANDARD.encode(tag(&format!("{id}.{time}.")));
            set("webhook-signature", format!("v1,{signature}"));
            set("webhook-id", id.to_owned());
            set("webhook-timestamp", time);
        }
        (WebhookScheme::Hmac, Some(own)) => {
            let head = own.timestamp_header.as_ref().map(|_| format!("{time}."));
            let tag = tag(&head.unwrap_or_default());
            let encoded = match own.encoding {
                SignatureEncoding::Hex => hex::encode(tag),
                SignatureEncoding::Base64 => STANDARD.encode(tag),
            };
            set(&own.signature_header, format!("{}{encoded}", own.prefix));
            if let Some(name) = &own.id_header {
                set(name, id.to_owned());
            }
            if let Some(name) = &own.timestamp_header {
                set(name, time);
            }
        }
        _ => {
            set(
                "x-hub-signature-256",
                format!("sha256={}", hex::encode(tag(""))),
            );
            set("x-github-delivery", id.to_owned());
            set("x-github-event", "test".to_owned());
        }
    }
    Some(headers)
}
