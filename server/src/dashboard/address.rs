//! Addresses inside the dashboard.

use std::fmt::Write as _;

/// The path, if it leads to a page of ours: other hosts, other schemes and control characters do
/// not.
pub fn own(path: &str) -> Option<&str> {
    let inside = path.starts_with('/')
        && !path.starts_with("//")
        && path
            .bytes()
            .all(|byte| byte.is_ascii_graphic() && byte != b'\\')
        && path.len() <= 2048;
    inside.then_some(path)
}

/// Text as a value in a query.
pub fn encode(text: &str) -> String {
    let mut encoded = String::with_capacity(text.len());
    for byte in text.bytes() {
        if byte.is_ascii_alphanumeric() || b"-._~".contains(&byte) {
            encoded.push(byte.into());
        } else {
            // Writing to a string does not fail.
            let _ = write!(encoded, "%{byte:02X}");
        }
    }
    encoded
}

/// A path with the fields of a query that are not empty.
pub fn with_query(path: &str, fields: &[(&str, &str)]) -> String {
    let query: Vec<_> = fields
        .iter()
        .filter(|(_, value)| !value.is_empty())
        .map(|(name, value)| format!("{name}={}", encode(value)))
        .collect();
    if query.is_empty() {
        return path.to_owned();
    }
    format!("{path}?{}", query.join("&"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_paths_of_our_own_are_followed() {
        for fine in ["/", "/modules/clock?x=1", "/a%20b"] {
            assert_eq!(own(fine), Some(fine));
        }
        for bad in [
            "",
            "//evil.example",
            "/\\evil.example",
            "http://evil.example",
            "/a\r\nb",
            "/a b",
            "javascript:alert(1)",
            "/ä",
        ] {
            assert_eq!(own(bad), None, "{bad}");
        }
    }

    #[test]
    fn a_query_holds_what_is_set() {
        assert_eq!(with_query("/a", &[("q", ""), ("level", "")]), "/a");
        assert_eq!(
            with_query("/a", &[("q", "x&y ü"), ("n", "1")]),
            "/a?q=x%26y%20%C3%BC&n=1"
        );
    }
}
