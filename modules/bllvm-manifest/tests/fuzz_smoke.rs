//! Damaged manifests: whatever a stranger wrote, it is read or refused, in bounded time and words.
#![expect(clippy::unwrap_used, reason = "a test that cannot go on says where")]

use bllvm_manifest::Manifest;

const GOOD: &str = include_str!("fixtures/module.toml");
const ROUNDS: u32 = 10_000;
/// What TOML and the manifest's own words are made of.
const PIECES: &[&str] = &[
    "\n",
    "\"",
    "'''",
    "[",
    "]",
    "[[",
    "{",
    "}",
    "=",
    ".",
    ",",
    "#",
    "\\u0000",
    "\\",
    "-1",
    "1e999",
    "nan",
    "true",
    "0x",
    "9223372036854775808",
    "1979-05-27",
    "[package]",
    "[dependencies]",
    "name = ",
    "version = \"",
    "\u{feff}",
    "\u{202e}",
    "../",
    "/dev/zero",
];

/// A small generator with a seed, so that a failure can be repeated.
struct Dice(u64);

impl Dice {
    fn next(&mut self) -> u64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        self.0
    }

    fn below(&mut self, end: usize) -> usize {
        usize::try_from(self.next() % end.max(1) as u64).unwrap()
    }
}

/// One to four damages: bytes changed, cut out, doubled, or a piece put in.
fn damaged(dice: &mut Dice) -> Vec<u8> {
    let mut bytes = GOOD.as_bytes().to_vec();
    for _ in 0..=dice.below(4) {
        let at = dice.below(bytes.len());
        let end = (at + 1 + dice.below(40)).min(bytes.len());
        match dice.below(4) {
            0 if !bytes.is_empty() => bytes[at] = u8::try_from(dice.below(256)).unwrap(),
            1 => drop(bytes.drain(at..end)),
            2 => {
                let piece = bytes[at..end].to_vec();
                let to = dice.below(bytes.len());
                bytes.splice(to..to, piece);
            }
            _ => {
                let piece = PIECES[dice.below(PIECES.len())].bytes();
                bytes.splice(at..at, piece);
            }
        }
    }
    bytes
}

#[test]
fn a_damaged_manifest_is_read_the_same_again_or_refused_in_words() {
    let mut dice = Dice(0x6d6f_6475_6c65_2e74);
    let (mut read, mut refused) = (0, 0);
    for round in 0..ROUNDS {
        let text = String::from_utf8_lossy(&damaged(&mut dice)).into_owned();
        match Manifest::parse(&text) {
            Ok(manifest) => {
                read += 1;
                let again = Manifest::parse(&manifest.to_toml().unwrap());
                assert_eq!(again.unwrap(), manifest, "round {round}: {text}");
            }
            Err(error) => {
                refused += 1;
                let words = format!("{error} {}", error.help());
                assert!(words.trim().len() > 10, "round {round}: {words:?}");
                assert!(words.len() < 20_000, "round {round}: {} bytes", words.len());
            }
        }
    }
    assert!(
        read > 100 && refused > 100,
        "{read} read, {refused} refused"
    );
}
