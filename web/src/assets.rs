//! The static files, embedded, under names that hold their hash: whoever
//! serves them may say `immutable`. Nothing is read from disk at run time.

use std::sync::LazyLock;

use sha2::{Digest, Sha256};

/// One static file, ready to serve.
#[derive(Debug)]
pub struct Asset {
    /// The name in the source tree, as templates ask for it: `app.css`.
    pub name: &'static str,
    /// The name on the wire, with hash: `app.0f3a….css`.
    pub file_name: String,
    /// The address: `/assets/app.0f3a….css`.
    pub url: String,
    /// For `Content-Type`.
    pub content_type: &'static str,
    /// For `ETag`, quotes included.
    pub etag: String,
    /// The content.
    pub bytes: &'static [u8],
}

/// What to send as `Cache-Control` with an asset found by its hashed name.
pub const CACHE_CONTROL: &str = "public, max-age=31536000, immutable";

const CSS: &str = "text/css; charset=utf-8";
const JS: &str = "text/javascript; charset=utf-8";
const SVG: &str = "image/svg+xml";

const FILES: [(&str, &str, &[u8]); 7] = [
    ("app.css", CSS, include_bytes!("../static/app.css")),
    ("app.js", JS, include_bytes!("../static/app.js")),
    ("favicon.svg", SVG, include_bytes!("../static/favicon.svg")),
    ("icons.svg", SVG, include_bytes!("../static/icons.svg")),
    (
        "htmx.min.js",
        JS,
        include_bytes!("../static/vendor/htmx.min.js"),
    ),
    (
        "hx-sse.min.js",
        JS,
        include_bytes!("../static/vendor/hx-sse.min.js"),
    ),
    (
        "pico.min.css",
        CSS,
        include_bytes!("../static/vendor/pico.min.css"),
    ),
];

static ASSETS: LazyLock<Vec<Asset>> = LazyLock::new(|| {
    FILES
        .iter()
        .map(|&(name, kind, bytes)| Asset::new(name, kind, bytes))
        .collect()
});

impl Asset {
    fn new(name: &'static str, content_type: &'static str, bytes: &'static [u8]) -> Self {
        let digest = hex::encode(Sha256::digest(bytes));
        let hash = &digest[..16];
        let file_name = match name.rsplit_once('.') {
            Some((stem, extension)) => format!("{stem}.{hash}.{extension}"),
            None => format!("{name}.{hash}"),
        };
        Self {
            name,
            url: format!("/assets/{file_name}"),
            file_name,
            content_type,
            etag: format!("\"{hash}\""),
            bytes,
        }
    }
}

/// All static files.
pub fn all() -> &'static [Asset] {
    &ASSETS
}

/// The file with this hashed name, as it stands in the address.
pub fn find(file_name: &str) -> Option<&'static Asset> {
    ASSETS.iter().find(|asset| asset.file_name == file_name)
}

/// The address of a file by its name in the source tree. An unknown name gives
/// an address that nobody serves; a test keeps templates from asking for one.
pub fn url(name: &str) -> &'static str {
    ASSETS
        .iter()
        .find(|asset| asset.name == name)
        .map_or("/assets/unknown", |asset| &asset.url)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_asset_is_found_by_the_name_that_its_address_ends_with() {
        for asset in all() {
            let name = asset.url.strip_prefix("/assets/").unwrap();
            assert_eq!(find(name).unwrap().name, asset.name);
            assert!(!asset.bytes.is_empty());
        }
        assert!(find("app.css").is_none());
    }

    #[test]
    fn vendored_files_are_those_that_vendored_md_lists() {
        let listed = include_str!("../static/vendor/VENDORED.md");
        for asset in all().iter().filter(|asset| asset.name.contains(".min.")) {
            let digest = hex::encode(Sha256::digest(asset.bytes));
            assert!(
                listed.contains(&digest),
                "{} is not the file that is listed",
                asset.name
            );
        }
    }
}
