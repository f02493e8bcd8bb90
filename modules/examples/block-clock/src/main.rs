//! block-clock.
fn main() {}
