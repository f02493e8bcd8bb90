//! Frames from a stranger. The corpus is best begun with the messages of `vectors/v1.json`.
#![no_main]

#[path = "../../tests/fuzzed/mod.rs"]
#[allow(dead_code, reason = "each target uses one of its functions")]
mod fuzzed;

libfuzzer_sys::fuzz_target!(|data: &[u8]| fuzzed::frames(data));
