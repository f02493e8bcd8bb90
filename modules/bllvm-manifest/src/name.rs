//! Names that come from outside and end up in paths, on screens and in
//! environment variables. Each is checked once, here, and is a type from then on.

use std::fmt;
use std::path::Path;
use std::str::FromStr;

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

/// Why a text is not the name it should be.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("`{shown}` is not a {what}: {reason}")]
pub struct NameError {
    what: &'static str,
    shown: String,
    reason: &'static str,
}

impl NameError {
    fn new(what: &'static str, text: &str, reason: &'static str) -> Self {
        Self {
            what,
            shown: shorten(text),
            reason,
        }
    }

    /// The rule that was broken, without the text that broke it.
    pub fn reason(&self) -> &'static str {
        self.reason
    }
}

/// A text made fit for one line of an error: short and without control characters.
pub(crate) fn shorten(text: &str) -> String {
    let mut shown: String = text.chars().take(64).flat_map(char::escape_debug).collect();
    if text.chars().nth(64).is_some() {
        shown.push('…');
    }
    shown
}

macro_rules! text_type {
    ($(#[$meta:meta])* $name:ident, $what:literal, $check:path) => {
        $(#[$meta])*
        #[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, ToSchema)]
        #[serde(try_from = "String")]
        #[schema(value_type = String)]
        pub struct $name(String);

        impl $name {
            /// Checks the text.
            ///
            /// # Errors
            /// Says which rule the text breaks.
            pub fn new(text: impl Into<String>) -> Result<Self, NameError> {
                let text = text.into();
                match $check(&text) {
                    Ok(()) => Ok(Self(text)),
                    Err(reason) => Err(NameError::new($what, &text, reason)),
                }
            }

            /// The text.
            pub fn as_str(&self) -> &str {
                &self.0
            }
        }

        impl FromStr for $name {
            type Err = NameError;
            fn from_str(text: &str) -> Result<Self, NameError> {
                Self::new(text)
            }
        }

        impl TryFrom<String> for $name {
            type Error = NameError;
            fn try_from(text: String) -> Result<Self, NameError> {
                Self::new(text)
            }
        }

        impl TryFrom<&str> for $name {
            type Error = NameError;
            fn try_from(text: &str) -> Result<Self, NameError> {
                Self::new(text)
            }
        }

        impl From<$name> for String {
            fn from(name: $name) -> Self {
                name.0
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.pad(&self.0)
            }
        }

        impl AsRef<str> for $name {
            fn as_ref(&self) -> &str {
                &self.0
            }
        }

        impl AsRef<Path> for $name {
            fn as_ref(&self) -> &Path {
                Path::new(&self.0)
            }
        }

        impl std::borrow::Borrow<str> for $name {
            fn borrow(&self) -> &str {
                &self.0
            }
        }

        impl PartialEq<str> for $name {
            fn eq(&self, other: &str) -> bool {
                self.0 == other
            }
        }

        impl PartialEq<&str> for $name {
            fn eq(&self, other: &&str) -> bool {
                self.0 == *other
            }
        }
    };
}

text_type! {
    /// A module's name: `a-z`, `0-9` and single dashes, 1 to 64 characters,
    /// starting with a letter. Safe as a folder name, in a URL and in a log.
    ModuleName, "module name", check_module_name
}

text_type! {
    /// The name of a listening socket, as a module finds it in `LISTEN_FDNAMES`:
    /// spelled like a module's name, and not `bllvm`, which is the channel's.
    ListenerName, "listener name", check_listener_name
}

text_type! {
    /// The file name of a module's program or script: no folder in it, at most 128 bytes.
    EntryPoint, "entry point", check_entry_point
}

text_type! {
    /// A path below a module's folder, with `/` between its parts and no way out of it.
    RelativePath, "path inside the module's folder", check_relative_path
}

fn check_module_name(text: &str) -> Result<(), &'static str> {
    if text.is_empty() {
        return Err("it is empty");
    }
    if text.len() > 64 {
        return Err("it is longer than 64 characters");
    }
    if !text
        .bytes()
        .all(|b| matches!(b, b'a'..=b'z' | b'0'..=b'9' | b'-'))
    {
        return Err("only a-z, 0-9 and - are allowed");
    }
    if !text.starts_with(|c: char| c.is_ascii_lowercase()) {
        return Err("it must start with a letter");
    }
    if text.ends_with('-') {
        return Err("it must not end with a dash");
    }
    if text.contains("--") {
        return Err("it must not contain two dashes in a row");
    }
    Ok(())
}

fn check_listener_name(text: &str) -> Result<(), &'static str> {
    if text == "bllvm" {
        return Err("this name belongs to the channel between module and node");
    }
    check_module_name(text)
}

fn check_entry_point(text: &str) -> Result<(), &'static str> {
    if text.len() > 128 {
        return Err("it is longer than 128 bytes");
    }
    if text.contains('/') {
        return Err("it must be a plain file name, without a folder");
    }
    check_path_part(text)
}

fn check_relative_path(text: &str) -> Result<(), &'static str> {
    if text.len() > 255 {
        return Err("it is longer than 255 bytes");
    }
    if text.starts_with('/') {
        return Err("it must be relative, so not start with /");
    }
    if text.split('/').count() > 16 {
        return Err("it has more than 16 parts");
    }
    text.split('/').try_for_each(check_path_part)
}

fn check_path_part(part: &str) -> Result<(), &'static str> {
    if part.is_empty() {
        return Err("it has an empty part");
    }
    if part == "." || part == ".." {
        return Err("`.` and `..` are not allowed");
    }
    if part.contains('\\') {
        return Err("backslashes are not allowed");
    }
    if part.chars().any(char::is_control) {
        return Err("control characters are not allowed");
    }
    if part.starts_with('-') {
        return Err("a part must not start with a dash");
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn good_module_names_are_taken() {
        for name in ["a", "block-clock", "x1", "a-1-b", &"a".repeat(64)] {
            assert_eq!(ModuleName::new(name).unwrap().as_str(), name);
        }
    }

    #[test]
    fn bad_module_names_say_which_rule_they_break() {
        for (name, rule) in [
            ("", "empty"),
            ("Lightning", "a-z"),
            ("1a", "start with a letter"),
            ("-a", "start with a letter"),
            ("a-", "end with a dash"),
            ("a--b", "two dashes"),
            ("a_b", "a-z"),
            ("../etc", "a-z"),
            ("a\0", "a-z"),
            (&"a".repeat(65), "longer than 64"),
        ] {
            let error = ModuleName::new(name).unwrap_err();
            assert!(error.to_string().contains(rule), "{name:?}: {error}");
        }
    }

    #[test]
    fn an_entry_point_is_a_plain_file_name() {
        assert!(EntryPoint::new("block-clock").is_ok());
        assert!(EntryPoint::new("module.py").is_ok());
        for bad in [
            "",
            ".",
            "..",
            "a/b",
            "/bin/sh",
            "a\0b",
            "a\\b",
            "-rf",
            &"a".repeat(129),
        ] {
            assert!(EntryPoint::new(bad).is_err(), "{bad:?}");
        }
    }

    #[test]
    fn a_relative_path_stays_inside() {
        assert!(RelativePath::new("schema/config.json").is_ok());
        for bad in [
            "",
            "/etc/passwd",
            "../x",
            "a/../../x",
            "a//b",
            "a/./b",
            "a/",
        ] {
            assert!(RelativePath::new(bad).is_err(), "{bad:?}");
        }
    }

    #[test]
    fn the_channels_name_is_no_listener() {
        assert!(ListenerName::new("bllvm").is_err());
        assert!(ListenerName::new("http").is_ok());
    }

    #[test]
    fn an_error_stays_on_one_short_line() {
        let error = ModuleName::new("a\n".repeat(500)).unwrap_err().to_string();
        assert!(!error.contains('\n'));
        assert!(error.len() < 300);
    }

    #[test]
    fn serde_checks_too() {
        assert!(serde_json::from_str::<ModuleName>("\"ok-1\"").is_ok());
        assert!(serde_json::from_str::<ModuleName>("\"No\"").is_err());
    }

    proptest! {
        #[test]
        fn any_text_is_a_name_exactly_if_the_rule_says_so(text in "[a-zA-Z0-9_./-]{0,70}") {
            let parts_ok = text.split('-').all(|part| {
                !part.is_empty() && part.bytes().all(|b| b.is_ascii_lowercase() || b.is_ascii_digit())
            });
            let rule = text.len() <= 64
                && parts_ok
                && text.starts_with(|c: char| c.is_ascii_lowercase());
            prop_assert_eq!(ModuleName::new(text).is_ok(), rule);
        }

        #[test]
        fn no_text_panics_and_no_path_escapes(text in any::<String>()) {
            let _ = ModuleName::new(text.clone());
            let _ = EntryPoint::new(text.clone());
            if let Ok(path) = RelativePath::new(text) {
                let path: &Path = path.as_ref();
                prop_assert!(path.components().all(|c| matches!(c, std::path::Component::Normal(_))));
            }
        }
    }
}
