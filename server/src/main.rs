//! bllvm-node: parses the command line, runs one command, flushes.
fn main() {}
