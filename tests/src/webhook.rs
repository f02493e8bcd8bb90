//! A sender of webhooks that signs as GitHub does.

use hmac::{Hmac, KeyInit as _, Mac as _};
use sha2::Sha256;

/// `X-Hub-Signature-256` of a body.
///
/// # Panics
/// Never: HMAC takes keys of any length.
pub fn signature(secret: &str, body: &[u8]) -> String {
    let mut mac = Hmac::<Sha256>::new_from_slice(secret.as_bytes()).expect("a key of any length");
    mac.update(body);
    format!("sha256={}", hex::encode(mac.finalize().into_bytes()))
}
