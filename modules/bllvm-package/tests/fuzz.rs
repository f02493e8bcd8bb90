//! What the fuzz targets read, damaged at random for a while: seconds in each run of the tests, ten
//! minutes each under `./test --full`. `BLLVM_TEST_FUZZ_SECONDS` says otherwise.

#![expect(clippy::unwrap_used, reason = "a test stops at the first surprise")]

#[expect(dead_code, reason = "not every format is damaged here")]
mod fuzzed;

use std::time::{Duration, Instant};

use bllvm_package::{Index, Purpose, SecretKey, Signatures};

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

/// A small generator with a seed, so that a failure can be repeated.
struct Dice(u64);

impl Dice {
    fn below(&mut self, end: usize) -> usize {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        usize::try_from(self.0 % end.max(1) as u64).unwrap()
    }
}

/// One to nine damages: bytes changed, cut out, doubled, or a piece put in.
fn damaged(good: &[u8], dice: &mut Dice) -> Vec<u8> {
    let mut bytes = good.to_vec();
    for _ in 0..=dice.below(8) {
        let at = dice.below(bytes.len());
        let end = (at + 1 + dice.below(60)).min(bytes.len());
        match dice.below(4) {
            0 if !bytes.is_empty() => bytes[at] ^= u8::try_from(1 + dice.below(255)).unwrap(),
            1 => drop(bytes.drain(at.min(end)..end)),
            2 => {
                let piece = bytes[at.min(end)..end].to_vec();
                let to = dice.below(bytes.len());
                bytes.splice(to..to, piece);
            }
            _ => {
                let piece = PIECES[dice.below(PIECES.len())].iter().copied();
                bytes.splice(at..at, piece);
            }
        }
    }
    bytes
}

fn seconds() -> u64 {
    let said = std::env::var("BLLVM_TEST_FUZZ_SECONDS").ok();
    let full = std::env::var_os("BLLVM_TEST_FULL").is_some_and(|value| value == "1");
    said.and_then(|text| text.parse().ok())
        .unwrap_or(if full { 600 } else { 2 })
}

fn fuzz(what: &str, good: &[&[u8]], read: fn(&[u8])) {
    let time = Duration::from_secs(seconds());
    let (begin, mut rounds) = (Instant::now(), 0_u64);
    let mut dice = Dice(0x6d6f_6475_6c65_2e74);
    while begin.elapsed() < time || rounds < 1000 {
        for good in good {
            read(&damaged(good, &mut dice));
        }
        rounds += good.len() as u64;
    }
    println!("{what}: {rounds} inputs in {} s, no panic", time.as_secs());
}

#[test]
fn no_damaged_manifest_makes_a_panic() {
    let packed = format!("{MANIFEST}{PACKAGE}");
    let good = [MANIFEST.as_bytes(), packed.as_bytes()];
    fuzz("module.toml", &good, fuzzed::manifest);
}

#[test]
fn no_damaged_signature_makes_a_panic() {
    let mut all = Signatures::default();
    for seed in [1, 2, 3] {
        let key = SecretKey::from_seed([seed; 32]);
        all.add(&key, Purpose::Manifest, b"text").unwrap();
    }
    let text = all.to_string();
    fuzz("module.sig", &[text.as_bytes()], fuzzed::signatures);
}

#[test]
fn no_damaged_index_makes_a_panic() {
    let written = Index::parse(INDEX.as_bytes()).unwrap().to_bytes();
    fuzz("index", &[INDEX.as_bytes(), &written], fuzzed::index);
}
