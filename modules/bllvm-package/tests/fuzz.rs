//! What the fuzz targets read, damaged at random for a while.

#![expect(clippy::unwrap_used, reason = "a test stops at the first surprise")]

mod damage;
#[expect(dead_code, reason = "not every format is damaged here")]
mod fuzzed;

use bllvm_package::{Index, Purpose, SecretKey, Signatures};
use damage::fuzz;

const MANIFEST: &str = include_str!("../../bllvm-manifest/tests/fixtures/module.toml");
const PACKAGE: &str = r#"
[package]
target = "any"
release_seq = 1
publisher = "p"
[[package.files]]
path = "block-clock"
size = 1
sha256 = "sha256:e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"
"#;
const INDEX: &str = r#"{"format":1,"registry":"example.org","seq":7,"expires":"2027-01-01T00:00:00Z",
"mirrors":["https://a.example/"],"releases":[{"module":"hello","version":"0.1.0","target":"any","release_seq":1,
"publisher":"example.org","digest":"sha256:e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855",
"bytes":10,"path":"packages/hello/1","description":"d","notes":"n"}],"revoked":[{"digest":
"sha256:e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b856","reason":"r"}]}"#;
/// What the three formats are made of, and what breaks parsers.
const PIECES: &[&[u8]] = &[
    b"\n",
    b"\"",
    b"'''",
    b"[[[[[[[[",
    b"{{{{{{{{",
    b"]",
    b"}",
    b"=",
    b":",
    b".",
    b",",
    b"#",
    b"\\u0000",
    b"\\",
    b"-1",
    b"1e999",
    b"nan",
    b"null",
    b"true",
    b"18446744073709551616",
    b"9223372036854775808",
    b"1979-05-27",
    b"[package]",
    b"\xff\xfe",
    b"\xef\xbb\xbf",
    b"\xe2\x80\xae",
    b"../",
    b"/dev/zero",
    b"ed25519:",
    b"\0",
    b"0.0.0-a+b",
];

#[test]
fn no_damaged_manifest_makes_a_panic() {
    let packed = format!("{MANIFEST}{PACKAGE}");
    let good = [MANIFEST.as_bytes(), packed.as_bytes()];
    fuzz("module.toml", &good, PIECES, fuzzed::manifest);
}

#[test]
fn no_damaged_signature_makes_a_panic() {
    let mut all = Signatures::default();
    for seed in [1, 2, 3] {
        let key = SecretKey::from_seed([seed; 32]);
        all.add(&key, Purpose::Manifest, b"text").unwrap();
    }
    let text = all.to_string();
    fuzz("module.sig", &[text.as_bytes()], PIECES, fuzzed::signatures);
}

#[test]
fn no_damaged_index_makes_a_panic() {
    let written = Index::parse(INDEX.as_bytes()).unwrap().to_bytes();
    fuzz(
        "index",
        &[INDEX.as_bytes(), &written],
        PIECES,
        fuzzed::index,
    );
}
