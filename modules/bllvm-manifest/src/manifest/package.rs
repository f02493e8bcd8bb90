//! `[package]`: what packaging adds to a manifest, so that one signature over
//! `module.toml` covers every file. Nobody writes it by hand.

use jiff::Timestamp;
use serde::Serialize;
use toml::Value;
use utoipa::ToSchema;

use super::reader::Section;
use crate::digest::Digest;
use crate::name::RelativePath;

/// TOML's whole numbers end here.
const MAX_INTEGER: u64 = i64::MAX.unsigned_abs();

/// What a package contains, for which system, by whom and until when.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, ToSchema)]
pub struct Package {
    /// The target triple the program was built for, or `any` for scripts.
    pub target: String,
    /// Grows with every release; a smaller one is a downgrade.
    pub release_seq: u64,
    /// After this moment the package is no longer taken as current.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<String>, format = DateTime)]
    pub expires: Option<Timestamp>,
    /// Who signs it: a name the operator binds to keys.
    pub publisher: String,
    /// Every file but `module.toml` and `module.sig`.
    pub files: Vec<PackageFile>,
}

/// One file of a package.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, ToSchema)]
pub struct PackageFile {
    /// Where it lies.
    pub path: RelativePath,
    /// The digest of its bytes.
    pub sha256: Digest,
    /// Its size in bytes.
    pub size: u64,
}

impl Package {
    pub(super) fn read(top: &mut Section<'_>) -> Option<Self> {
        let mut section = top.section("package")?;
        section.has("target", "\"x86_64-unknown-linux-gnu\"");
        section.has("release_seq", "1");
        section.has("publisher", "\"example.org\"");
        section.has("files", "[…]");
        let target = section.text("target", 64);
        let release_seq = section.integer("release_seq", 1..=MAX_INTEGER);
        let publisher = section.text("publisher", 128);
        for (key, text) in [("target", &target), ("publisher", &publisher)] {
            if text.as_ref().is_some_and(|text| !text.bytes().all(is_word)) {
                section.wrong(key, "contains other characters than a-z, 0-9, . _ -", "");
            }
        }
        let expires = read_moment(&mut section);
        let mut files: Vec<PackageFile> = Vec::new();
        for mut entry in section.sections("files", 512) {
            let Some(file) = read_file(&mut entry) else {
                continue;
            };
            if files.iter().any(|other| other.path == file.path) {
                entry.wrong(
                    "path",
                    format!("`{}` is listed twice", file.path),
                    "remove one",
                );
            } else if matches!(file.path.as_str(), "module.toml" | "module.sig") {
                entry.wrong(
                    "path",
                    "cannot vouch for itself",
                    "leave it out of the list",
                );
            } else {
                files.push(file);
            }
        }
        Some(Self {
            target: target?,
            release_seq: release_seq?,
            expires,
            publisher: publisher?,
            files,
        })
    }
}

fn is_word(b: u8) -> bool {
    b.is_ascii_lowercase() || b.is_ascii_digit() || matches!(b, b'.' | b'_' | b'-')
}

fn read_file(entry: &mut Section<'_>) -> Option<PackageFile> {
    entry.has("path", "\"bin/example\"");
    entry.has("sha256", "\"sha256:…\"");
    entry.has("size", "0");
    let path = entry.parsed("path", "a path inside the package");
    let sha256 = entry.parsed("sha256", "");
    let size = entry.integer("size", 0..=MAX_INTEGER);
    Some(PackageFile {
        path: path?,
        sha256: sha256?,
        size: size?,
    })
}

/// A moment, as a TOML date or as text.
fn read_moment(section: &mut Section<'_>) -> Option<Timestamp> {
    const KEY: &str = "expires";
    let text = match section.take(KEY)? {
        Value::String(text) => text,
        Value::Datetime(moment) => moment.to_string(),
        other => {
            section.mistyped(KEY, "a moment", &other);
            return None;
        }
    };
    let moment = text.parse().ok();
    if moment.is_none() {
        section.wrong(
            KEY,
            "is no moment in time",
            "write \"2027-01-31T00:00:00Z\"",
        );
    }
    moment
}
