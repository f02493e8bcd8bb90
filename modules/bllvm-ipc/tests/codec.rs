//! Properties of the codec, and a short deterministic run of what the fuzz targets fuzz.

mod fuzzed;

use bllvm_ipc::{Frame, Kind, WireError};
use bytes::{Bytes, BytesMut};
use proptest::prelude::*;
use serde_json::Value;

fn any_frame() -> impl Strategy<Value = Frame> {
    let kind = prop::sample::select(&Kind::ALL[..]);
    let body = prop::collection::vec(any::<u8>(), 0..300);
    (kind, any::<u8>(), any::<u16>(), any::<u64>(), body).prop_map(
        |(kind, flags, method, id, body)| Frame {
            kind,
            flags,
            method,
            id,
            body: body.into(),
        },
    )
}

fn read_all(buffer: &mut BytesMut) -> Result<Vec<Frame>, WireError> {
    let mut frames = Vec::new();
    while let Some(frame) = Frame::read_from(buffer, 4096, 8192)? {
        frames.push(frame);
    }
    Ok(frames)
}

proptest! {
    #[test]
    fn frames_survive_any_chunking(
        frames in prop::collection::vec(any_frame(), 1..8),
        chunks in prop::collection::vec(1_usize..64, 1..64),
    ) {
        let mut wire = BytesMut::new();
        for frame in &frames {
            frame.write_to(&mut wire);
        }
        let mut wire = wire.freeze();
        let mut buffer = BytesMut::new();
        let mut read = Vec::new();
        for size in chunks.iter().cycle() {
            if wire.is_empty() {
                break;
            }
            buffer.extend_from_slice(&wire.split_to((*size).min(wire.len())));
            read.extend(read_all(&mut buffer).expect("all of them are valid"));
        }
        prop_assert!(buffer.is_empty());
        prop_assert_eq!(read, frames);
    }

    #[test]
    fn no_bytes_panic_and_no_length_makes_it_reserve_beyond_the_limit(
        bytes in prop::collection::vec(any::<u8>(), 0..200),
    ) {
        let mut buffer = BytesMut::from(&bytes[..]);
        let _ = read_all(&mut buffer);
        prop_assert!(buffer.capacity() <= 3 * 8192);
        fuzzed::frames(&bytes);
    }

    #[test]
    fn a_changed_byte_never_panics_and_reads_as_one_frame_at_most(
        frame in any_frame(),
        at in any::<prop::sample::Index>(),
        value in any::<u8>(),
    ) {
        let mut bytes = frame.to_bytes().to_vec();
        let at = at.index(bytes.len());
        bytes[at] = value;
        if let Ok(frames) = read_all(&mut BytesMut::from(&bytes[..])) {
            prop_assert!(frames.len() <= 1 + bytes.len() / 20);
        }
        fuzzed::frames(&bytes);
    }
}

/// A seeded generator: the same bytes in every run.
struct Seeded(u64);

impl Seeded {
    fn next(&mut self) -> u64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        self.0
    }

    fn below(&mut self, limit: usize) -> usize {
        usize::try_from(self.next() % limit.max(1) as u64).unwrap_or(0)
    }

    /// A golden message with a few of its bytes changed, cut or doubled.
    fn mutated(&mut self, corpus: &[Bytes]) -> Vec<u8> {
        let mut bytes = corpus[self.below(corpus.len())].to_vec();
        for _ in 0..=self.below(4) {
            let at = self.below(bytes.len());
            match self.below(4) {
                0 => bytes.truncate(at.max(1)),
                1 => bytes.extend_from_within(at..),
                _ => bytes[at] = u8::try_from(self.below(256)).unwrap_or(0),
            }
        }
        bytes
    }
}

fn corpus() -> Vec<Bytes> {
    let text = include_str!("../vectors/v1.json");
    let vectors: Vec<Value> = serde_json::from_str(text).expect("it is JSON");
    let bytes = vectors.iter().map(|vector| {
        let hex = vector["hex"].as_str().expect("hex");
        hex.parse::<bllvm_ipc::types::Hex>().expect("hex").0.into()
    });
    bytes.collect()
}

#[test]
fn a_short_run_of_the_fuzz_targets_finds_nothing() {
    let corpus = corpus();
    let mut random = Seeded(0x0b11_f00d);
    for _ in 0..20_000 {
        fuzzed::frames(&random.mutated(&corpus));
    }
    for _ in 0..300 {
        // The first vector is the hello.
        fuzzed::hello(&random.mutated(&corpus[..1]));
    }
}
