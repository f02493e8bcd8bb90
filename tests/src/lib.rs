//! What the behaviour tests share: programs, deadlines, repeat counts.

pub mod programs;
pub mod wait;

/// How often to repeat: the full count under `./test --full`, a twentieth of it otherwise.
pub fn times(full: u32) -> u32 {
    if std::env::var_os("BLLVM_TEST_FULL").is_some_and(|value| value == "1") {
        full
    } else {
        full.div_ceil(20)
    }
}
