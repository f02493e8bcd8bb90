//! bllvm-launch.
fn main() {}
