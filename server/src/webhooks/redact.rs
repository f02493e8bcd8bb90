//! A body as people are shown it: what looks like a secret is covered.

use serde::Serialize;
use serde_json::Value;
use utoipa::ToSchema;

/// Parts of keys whose values are covered.
const SECRET_WORDS: [&str; 9] = [
    "secret",
    "token",
    "password",
    "passphrase",
    "authorization",
    "api_key",
    "apikey",
    "private_key",
    "credential",
];
/// What stands in their place.
const COVER: &str = "[redacted]";

/// A body as it is shown.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, ToSchema)]
pub struct Shown {
    /// `json`, `text` or `hex`.
    pub form: &'static str,
    /// The body: JSON indented, text as it is, other bytes in hex.
    pub text: String,
    /// Values that were covered.
    pub redacted: u64,
}

/// Shows a body.
pub fn redacted(body: &[u8]) -> Shown {
    if let Ok(mut value) = serde_json::from_slice::<Value>(body) {
        let redacted = cover(&mut value);
        return Shown {
            form: "json",
            text: serde_json::to_string_pretty(&value).unwrap_or_default(),
            redacted,
        };
    }
    match std::str::from_utf8(body) {
        Ok(text) => Shown {
            form: "text",
            text: text.to_owned(),
            redacted: 0,
        },
        Err(_) => Shown {
            form: "hex",
            text: hex::encode(body),
            redacted: 0,
        },
    }
}

/// Covers what is below a telling key; gives how many values.
fn cover(value: &mut Value) -> u64 {
    match value {
        Value::Object(fields) => fields
            .iter_mut()
            .map(|(key, value)| {
                let key = key.to_ascii_lowercase().replace('-', "_");
                let telling = SECRET_WORDS.iter().any(|word| key.contains(word));
                if telling && !value.is_null() {
                    *value = COVER.into();
                    return 1;
                }
                cover(value)
            })
            .sum(),
        Value::Array(items) => items.iter_mut().map(cover).sum(),
        _ => 0,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn values_below_telling_keys_are_covered_wherever_they_are() {
        let body = br#"{"a":[{"Access-Token":"t0p","b":1}],"secret":{"deep":"s3"},"note":"ok"}"#;
        let shown = redacted(body);
        assert_eq!((shown.form, shown.redacted), ("json", 2));
        assert!(!shown.text.contains("t0p") && !shown.text.contains("s3"));
        assert!(shown.text.contains("ok"));
    }

    #[test]
    fn what_is_not_json_is_text_or_hex() {
        assert_eq!(redacted(b"plain").form, "text");
        assert_eq!(redacted(&[0xff, 0x00]).text, "ff00");
    }
}
