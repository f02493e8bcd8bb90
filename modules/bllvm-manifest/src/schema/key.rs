//! The two names of a place in a configuration: the dotted key people read and
//! the JSON pointer programs use.

use std::fmt::Write as _;

/// Joins the parts of a key with dots, quoting as TOML does where a part is not plain.
///
/// ```
/// assert_eq!(bllvm_manifest::dotted_key(["http", "bind"]), "http.bind");
/// assert_eq!(bllvm_manifest::dotted_key(["peers", "a.b"]), "peers.\"a.b\"");
/// ```
pub fn dotted_key<'k>(parts: impl IntoIterator<Item = &'k str>) -> String {
    let mut key = KeyPath::default();
    for part in parts {
        key = key.child(part);
    }
    key.dotted
}

/// One part of a key as TOML writes it.
pub(super) fn quoted(part: &str) -> String {
    let bare = |b: u8| b.is_ascii_alphanumeric() || b == b'-' || b == b'_';
    if !part.is_empty() && part.bytes().all(bare) {
        return part.to_owned();
    }
    let mut text = String::from("\"");
    for c in part.chars() {
        match c {
            '"' | '\\' => {
                text.push('\\');
                text.push(c);
            }
            c if c.is_control() => {
                // Writing to a String cannot fail.
                let _ = write!(text, "\\u{:04X}", u32::from(c));
            }
            c => text.push(c),
        }
    }
    text.push('"');
    text
}

/// Where in a configuration something is.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct KeyPath {
    pub(super) dotted: String,
    pub(super) pointer: String,
}

impl KeyPath {
    pub(super) fn child(&self, key: &str) -> Self {
        let dot = if self.dotted.is_empty() { "" } else { "." };
        Self {
            dotted: format!("{}{dot}{}", self.dotted, quoted(key)),
            pointer: format!(
                "{}/{}",
                self.pointer,
                key.replace('~', "~0").replace('/', "~1")
            ),
        }
    }

    pub(super) fn item(&self, index: usize) -> Self {
        Self {
            dotted: format!("{}[{index}]", self.dotted),
            pointer: format!("{}/{index}", self.pointer),
        }
    }

    /// Stands for all entries of a list or of a map with free names.
    pub(super) fn every(&self) -> Self {
        let dot = if self.dotted.is_empty() { "" } else { "." };
        Self {
            dotted: format!("{}{dot}*", self.dotted),
            pointer: format!("{}/*", self.pointer),
        }
    }
}
