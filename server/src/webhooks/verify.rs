//! Whether a delivery was signed with one of its source's live secrets.
//!
//! Each check costs nearly the same whatever is wrong: two secrets are always tried, and every
//! comparison is in constant time. Nothing of the body is read as anything but bytes.
//!
//! What is signed is id, time and body with full stops between them. It says which is which only where
//! id and time have none: a signed body with two full stops in it could else be sent again as a longer
//! id, another time and a shorter body.

use axum::http::HeaderMap;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use ed25519_dalek::Signature;
use hmac::{Hmac, KeyInit as _, Mac as _};
use sha2::Sha256;
use subtle::ConstantTimeEq as _;

use super::live::{LiveSecret, LiveSource};
use super::secret::Key;
use crate::model::{HmacHeaders, Id, SignatureEncoding, UtcTime, WebhookScheme};

/// Signatures of one delivery that are looked at.
const MAX_SIGNATURES: usize = 8;
/// Longest id of a sender.
const MAX_ID: usize = 256;
/// Secrets that are always tried.
const TRIED: usize = 2;
/// Tried where a source has fewer live secrets. It fits nothing: what it computes is thrown away.
const NOBODYS: [u8; 32] = [0x5a; 32];

/// A delivery that is the sender's.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Proof {
    /// Which secret signed it.
    pub secret: Id,
    /// The sender's id; none where it has none, so that the digest is its id.
    pub sender_id: Option<String>,
    /// The sender's word for what happened.
    pub kind: Option<String>,
}

/// Why a delivery is not taken.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Unproven {
    /// The source is unknown, or nothing that was signed fits. Which one is nobody's business.
    #[error("the source or the signature is not known here: check the address and the secret")]
    Signature,
    /// It is signed, and too old or too new.
    #[error(
        "the signed time is {off_s} s from this node's clock and {tolerance_s} s are allowed: \
         deliver it again with a new time, and check both clocks"
    )]
    Stale {
        /// How far.
        off_s: u64,
        /// How far is allowed.
        tolerance_s: u32,
    },
    /// It is signed, and its id is missing or not fit to be kept.
    #[error(
        "the header `{header}` must have the delivery's id: 1 to 256 printable ASCII characters, \
         without a full stop where the id is signed"
    )]
    Id {
        /// Where the id belongs.
        header: String,
    },
}

/// What is signed, and by what.
struct Signed<'a> {
    /// Comes before the body.
    head: Vec<u8>,
    body: &'a [u8],
    /// HMACs that were sent.
    macs: Vec<Vec<u8>>,
    /// Ed25519 signatures that were sent.
    signatures: Vec<Signature>,
}

/// Checks a delivery of a source, or of one that is not known.
///
/// # Errors
/// [`Unproven`]; in particular the same for an unknown source and a bad signature.
pub fn verify(
    source: Option<&LiveSource>,
    headers: &HeaderMap,
    body: &[u8],
    now: UtcTime,
) -> Result<Proof, Unproven> {
    let scheme = source.map_or(WebhookScheme::Github, |source| source.settings.scheme);
    let hmac = source.and_then(|source| source.settings.hmac.as_ref());
    let signed = match (scheme, hmac) {
        (WebhookScheme::Standard, _) => standard(headers, body),
        (WebhookScheme::Hmac, Some(own)) => of_own_kind(own, headers, body),
        _ => github(headers, body),
    };
    let live = source.map(|source| source.live(now)).unwrap_or_default();
    let secret = signer(&live, &signed).ok_or(Unproven::Signature)?;
    // From here on the sender is who it says, and may be told what is wrong.
    let settings = &source.ok_or(Unproven::Signature)?.settings;
    let time = match (scheme, hmac) {
        (WebhookScheme::Standard, _) => text(headers, "webhook-timestamp"),
        (_, Some(own)) => own
            .timestamp_header
            .as_deref()
            .and_then(|name| text(headers, name)),
        _ => None,
    };
    if let Some(time) = time {
        let then: i64 = time.parse().unwrap_or(i64::MIN);
        let off_s = (now.unix_ms().div_euclid(1000)).abs_diff(then);
        if off_s > u64::from(settings.tolerance_s) {
            return Err(Unproven::Stale {
                off_s,
                tolerance_s: settings.tolerance_s,
            });
        }
    }
    let (id_header, kind_header) = match (scheme, hmac) {
        (WebhookScheme::Standard, _) => (Some("webhook-id"), None),
        (WebhookScheme::Hmac, Some(own)) => (own.id_header.as_deref(), None),
        _ => (Some("x-github-delivery"), Some("x-github-event")),
    };
    let sender_id = match id_header {
        None => None,
        Some(header) => Some(
            text(headers, header)
                .filter(|id| fits(id) && !(settings.id_is_signed() && id.contains('.')))
                .map(str::to_owned)
                .ok_or_else(|| Unproven::Id {
                    header: header.to_owned(),
                })?,
        ),
    };
    let kind = kind_header
        .and_then(|header| text(headers, header))
        .filter(|kind| fits(kind))
        .map(str::to_owned);
    Ok(Proof {
        secret,
        sender_id,
        kind,
    })
}

fn github<'a>(headers: &HeaderMap, body: &'a [u8]) -> Signed<'a> {
    let signature =
        text(headers, "x-hub-signature-256").and_then(|all| all.strip_prefix("sha256="));
    Signed {
        head: Vec::new(),
        body,
        macs: signature
            .and_then(|hex| hex::decode(hex).ok())
            .into_iter()
            .collect(),
        signatures: Vec::new(),
    }
}

fn standard<'a>(headers: &HeaderMap, body: &'a [u8]) -> Signed<'a> {
    let header = |name| text(headers, name).unwrap_or_default();
    let (mut macs, mut signatures) = (Vec::new(), Vec::new());
    let time = seconds(headers, "webhook-timestamp");
    let all = time
        .map(|_| header("webhook-signature"))
        .unwrap_or_default();
    let all = all.split(' ').take(MAX_SIGNATURES);
    for (version, encoded) in all.filter_map(|one| one.split_once(',')) {
        let Ok(bytes) = STANDARD.decode(encoded) else {
            continue;
        };
        match version {
            "v1" => macs.push(bytes),
            "v1a" => signatures.extend(Signature::from_slice(&bytes)),
            _ => {}
        }
    }
    let (id, time) = (header("webhook-id"), time.unwrap_or_default());
    Signed {
        head: format!("{id}.{time}.").into_bytes(),
        body,
        macs,
        signatures,
    }
}

fn of_own_kind<'a>(own: &HmacHeaders, headers: &HeaderMap, body: &'a [u8]) -> Signed<'a> {
    let timed = own.timestamp_header.as_deref();
    let time = timed.map(|name| seconds(headers, name));
    let signature = text(headers, &own.signature_header)
        .filter(|_| time != Some(None))
        .and_then(|all| all.strip_prefix(own.prefix.as_str()))
        .and_then(|encoded| match own.encoding {
            SignatureEncoding::Hex => hex::decode(encoded).ok(),
            SignatureEncoding::Base64 => STANDARD.decode(encoded).ok(),
        });
    let head = time.map(|time| format!("{}.", time.unwrap_or_default()).into_bytes());
    Signed {
        head: head.unwrap_or_default(),
        body,
        macs: signature.into_iter().collect(),
        signatures: Vec::new(),
    }
}

/// The live secret that signed it.
fn signer(live: &[&LiveSecret], signed: &Signed<'_>) -> Option<Id> {
    let mut found = None;
    for place in 0..TRIED {
        let secret = live.get(place);
        // A public key does this work, too, so that it looks like a secret that does not fit.
        let shared = match secret.map(|secret| &secret.key) {
            Some(Key::Shared(key)) => key.as_slice(),
            _ => &NOBODYS,
        };
        let mut mac =
            Hmac::<Sha256>::new_from_slice(shared).expect("HMAC takes keys of any length");
        mac.update(&signed.head);
        mac.update(signed.body);
        let tag = mac.finalize().into_bytes();
        // All are compared, whichever fits.
        let fits = signed
            .macs
            .iter()
            .fold(false, |good, sent| good | bool::from(tag.ct_eq(sent)));
        let good = match secret.map(|secret| &secret.key) {
            Some(Key::Public(key)) => {
                let message = [signed.head.as_slice(), signed.body].concat();
                let good = |one| key.verify_strict(&message, one).is_ok();
                signed.signatures.iter().any(good)
            }
            _ => fits,
        };
        if let (true, Some(secret)) = (good, secret) {
            found = found.or(Some(secret.id));
        }
    }
    found
}

/// A time as Unix seconds in digits, which is what may be signed.
fn seconds<'h>(headers: &'h HeaderMap, name: &str) -> Option<&'h str> {
    let digits = |text: &&str| !text.is_empty() && text.bytes().all(|b| b.is_ascii_digit());
    text(headers, name).filter(digits)
}

/// A header that comes once and is text.
fn text<'h>(headers: &'h HeaderMap, name: &str) -> Option<&'h str> {
    let mut all = headers.get_all(name).iter();
    let first = all.next()?;
    if all.next().is_some() {
        return None;
    }
    first.to_str().ok()
}

fn fits(id: &str) -> bool {
    (1..=MAX_ID).contains(&id.len()) && id.bytes().all(|b| b.is_ascii_graphic() || b == b' ')
}
