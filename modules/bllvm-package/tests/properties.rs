//! What holds for any input: signatures and keys have one spelling, and a changed bit is refused.

#![expect(clippy::unwrap_used, reason = "a test stops at the first surprise")]

mod fuzzed;

use bllvm_package::{KeySet, Publisher, Purpose, SecretKey, Signatures};
use proptest::prelude::*;

fn signed(seeds: &[u8], message: &[u8]) -> Signatures {
    let mut all = Signatures::default();
    for seed in seeds {
        all.add(
            &SecretKey::from_seed([*seed; 32]),
            Purpose::Manifest,
            message,
        )
        .unwrap();
    }
    all
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn nothing_that_a_stranger_writes_panics(data in prop::collection::vec(any::<u8>(), 0..512)) {
        fuzzed::signatures(&data);
        fuzzed::key_set(&data);
        fuzzed::manifest(&data);
        fuzzed::index(&data);
    }

    #[test]
    fn nothing_that_is_almost_right_panics(at in 0_usize..400, byte in any::<u8>()) {
        let seeds = [1, 2];
        let keys: Vec<_> = seeds.iter().map(|seed| SecretKey::from_seed([*seed; 32]).public()).collect();
        let publisher = Publisher::new(&keys, 1).unwrap();
        let set = KeySet { name: "example.org".to_owned(), version: 1, publisher };
        let manifest = "name = \"a\"\nversion = \"1.0.0\"\nentry_point = \"a\"\n[package]\ntarget = \"any\"\n\
                        release_seq = 1\npublisher = \"p\"\n[[package.files]]\npath = \"a\"\nsize = 1\n\
                        sha256 = \"sha256:e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855\"\n";
        for (text, read) in [
            (signed(&seeds, b"text").to_string(), fuzzed::signatures as fn(&[u8])),
            (set.to_string(), fuzzed::key_set),
            (manifest.to_owned(), fuzzed::manifest),
        ] {
            let mut bytes = text.into_bytes();
            let at = at % bytes.len();
            bytes[at] = byte;
            read(&bytes);
        }
    }

    #[test]
    fn a_flipped_bit_is_never_a_good_signature(bit in 0_usize..8 * 320, flip_message in any::<bool>()) {
        let message = b"name = \"hello\"\n".to_vec();
        let mut changed = message.clone();
        let mut bytes = signed(&[1, 2], &message).to_string().into_bytes();
        let target = if flip_message { &mut changed } else { &mut bytes };
        let at = bit / 8 % target.len();
        target[at] ^= 1 << (bit % 8);
        let keys = [1, 2].map(|seed| SecretKey::from_seed([seed; 32]).public());
        let both = Signatures::parse(&bytes)
            .is_ok_and(|read| keys.iter().all(|key| read.verifies(key, Purpose::Manifest, &changed)));
        prop_assert!(!both);
    }
}
