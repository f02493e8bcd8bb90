//! Good bytes, damaged at random for a while: seconds in each run of the tests, ten minutes each under
//! `./test --full`. `BLLVM_TEST_FUZZ_SECONDS` says otherwise. Other packages' tests use it by its path.

use std::time::{Duration, Instant};

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

/// One to nine damages: bytes changed, cut out, doubled, or one of `pieces` put in.
fn damaged(good: &[u8], pieces: &[&[u8]], dice: &mut Dice) -> Vec<u8> {
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
                let piece = pieces[dice.below(pieces.len())].iter().copied();
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

/// Gives `read` all of `good` again and again, each time damaged in another way.
pub fn fuzz(what: &str, good: &[&[u8]], pieces: &[&[u8]], mut read: impl FnMut(&[u8])) {
    let time = Duration::from_secs(seconds());
    let (begin, mut rounds) = (Instant::now(), 0_u64);
    let mut dice = Dice(0x6d6f_6475_6c65_2e74);
    while begin.elapsed() < time || rounds < 1000 {
        for good in good {
            read(&damaged(good, pieces, &mut dice));
        }
        rounds += good.len() as u64;
    }
    println!("{what}: {rounds} inputs in {} s, no panic", time.as_secs());
}
