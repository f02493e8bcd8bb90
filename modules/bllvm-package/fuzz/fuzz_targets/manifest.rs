//! A `module.toml` from a stranger. The corpus is best begun with the repository's own.
#![no_main]

#[path = "../../tests/fuzzed/mod.rs"]
#[allow(dead_code, reason = "each target uses one of its functions")]
mod fuzzed;

libfuzzer_sys::fuzz_target!(|data: &[u8]| fuzzed::manifest(data));
