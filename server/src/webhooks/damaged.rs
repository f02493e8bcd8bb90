//! Deliveries of every scheme with damaged heads and bodies: nothing panics, and what is taken is what
//! was signed.

#[path = "../../../modules/bllvm-package/tests/damage/mod.rs"]
mod damage;

use axum::http::{HeaderMap, HeaderName, HeaderValue};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use ed25519_dalek::{Signer as _, SigningKey};

use super::live::{LiveSecret, LiveSource};
use super::redact::redacted;
use super::secret::parse_secret;
use super::sign::sign;
use super::verify::verify;
use crate::model::{HmacHeaders, Id, SignatureEncoding, SourceSettings, UtcTime, WebhookScheme};

const NOW: UtcTime = UtcTime::from_unix_ms(1_649_367_553_000);
const BODY: &[u8] = br#"{"action":"opened","zen":"Keep it logically awesome.","token":"s3cr3t"}"#;
/// What heads and bodies are made of.
const PIECES: &[&[u8]] = &[
    b"\n",
    b"\r\n",
    b": ",
    b",",
    b" ",
    b".",
    b"=",
    b"==",
    b"v1,",
    b"v1a,",
    b"v2,",
    b"sha256=",
    b"sha1=",
    b"-1",
    b"0",
    b"9223372036854775808",
    b"18446744073709551616",
    b"1e3",
    b"\0",
    b"\xff",
    b"\xe2\x80\xae",
    b"\x1f\x8b\x08\x00",
    b"content-encoding: gzip\n",
    b"transfer-encoding: chunked\n",
    b"webhook-id: msg_2\n",
    b"webhook-timestamp: 1649367553\n",
    b"x-github-delivery: 2\n",
];

fn source(settings: SourceSettings, secrets: &[&str]) -> LiveSource {
    let scheme = settings.scheme;
    let secret = |text: &&str| LiveSecret {
        id: Id(ulid::Ulid::from_parts(1, 1)),
        key: parse_secret(scheme, text).unwrap(),
        expires_at: None,
        last_used_at: std::sync::Mutex::default(),
    };
    LiveSource {
        name: "any".to_owned(),
        settings,
        secrets: secrets.iter().map(secret).collect(),
        rate: std::sync::Arc::default(),
    }
}

fn own(encoding: SignatureEncoding, timed: bool) -> SourceSettings {
    SourceSettings {
        hmac: Some(HmacHeaders {
            signature_header: "x-signature".to_owned(),
            encoding,
            prefix: "hmac ".to_owned(),
            id_header: Some("x-id".to_owned()),
            timestamp_header: timed.then(|| "x-time".to_owned()),
        }),
        ..SourceSettings::of(WebhookScheme::Hmac)
    }
}

/// Head and body as one text, as they go over a line.
fn written(headers: &HeaderMap) -> Vec<u8> {
    let mut text = Vec::new();
    for (name, value) in headers {
        text.extend([name.as_str().as_bytes(), b": ", value.as_bytes(), b"\n"].concat());
    }
    text.push(b'\n');
    text.extend(BODY);
    text
}

/// What a server would have read of it: lines that are no headers are left out.
fn read(text: &[u8]) -> (HeaderMap, &[u8]) {
    let (mut headers, mut rest) = (HeaderMap::new(), text);
    while let Some(end) = rest.iter().position(|byte| *byte == b'\n') {
        let (line, after) = (&rest[..end], &rest[end + 1..]);
        rest = after;
        if line.is_empty() {
            break;
        }
        let Some(colon) = line.iter().position(|byte| *byte == b':') else {
            continue;
        };
        let name = HeaderName::from_bytes(&line[..colon]);
        let value = HeaderValue::from_bytes(line[colon + 1..].trim_ascii());
        if let (Ok(name), Ok(value)) = (name, value) {
            headers.append(name, value);
        }
    }
    (headers, rest)
}

fn same(one: &HeaderMap, other: &HeaderMap, names: &[&str]) -> bool {
    names.iter().all(|name| one.get(*name) == other.get(*name))
}

#[test]
fn no_damaged_delivery_makes_a_panic_or_is_taken_for_another() {
    const WHSEC: &str = "whsec_C2FVsBQIhrscChlQIMV+b5sSYspob7oD";
    let private = SigningKey::from_bytes(&[7; 32]);
    let public = format!(
        "whpk_{}",
        STANDARD.encode(private.verifying_key().as_bytes())
    );
    let github = source(
        SourceSettings::of(WebhookScheme::Github),
        &["It's a Secret to Everybody", "another one of sixteen"],
    );
    let standard = source(
        SourceSettings::of(WebhookScheme::Standard),
        &[WHSEC, &public],
    );
    let secret = ["a secret of some length"];
    let hex = source(own(SignatureEncoding::Hex, false), &secret);
    let timed = source(own(SignatureEncoding::Base64, true), &secret);
    let signed = |source: &LiveSource| sign(source, "msg_1", NOW, BODY).unwrap();
    let mut asymmetric = signed(&standard);
    let message = [&b"msg_1.1649367553."[..], BODY].concat();
    let signature = STANDARD.encode(private.sign(&message).to_bytes());
    asymmetric.insert(
        "webhook-signature",
        format!("v1,AAAA v1a,{signature}").parse().unwrap(),
    );
    let cases: [(&str, &LiveSource, HeaderMap, &[&str]); 5] = [
        ("GitHub", &github, signed(&github), &[]),
        (
            "v1",
            &standard,
            signed(&standard),
            &["webhook-id", "webhook-timestamp"],
        ),
        (
            "v1a",
            &standard,
            asymmetric,
            &["webhook-id", "webhook-timestamp"],
        ),
        ("own, hex", &hex, signed(&hex), &[]),
        ("own, timed", &timed, signed(&timed), &["x-time"]),
    ];
    let texts: Vec<Vec<u8>> = cases.iter().map(|case| written(&case.2)).collect();
    for ((what, source, headers, _), text) in cases.iter().zip(&texts) {
        let (again, body) = read(text);
        assert_eq!((&again, body), (headers, BODY), "{what}");
        verify(Some(*source), headers, BODY, NOW).unwrap_or_else(|why| panic!("{what}: {why}"));
    }
    let texts: Vec<&[u8]> = texts.iter().map(Vec::as_slice).collect();
    let mut taken = 0_u64;
    damage::fuzz("webhook delivery", &texts, PIECES, |text| {
        let (headers, body) = read(text);
        for (what, source, signed, bound) in &cases {
            if verify(Some(*source), &headers, body, NOW).is_ok() {
                taken += 1;
                assert_eq!(body, BODY, "{what}: another body");
                assert!(same(&headers, signed, bound), "{what}: another {bound:?}");
            }
        }
        assert!(verify(None, &headers, body, NOW).is_err(), "of nobody");
        let _ = redacted(body);
    });
    // Damage beside what is signed does no harm, so that the others are refused for a reason.
    assert!(taken > 0);
    println!("webhook delivery: {taken} were taken, each with what was signed");
}
