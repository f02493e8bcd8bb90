//! The embedded base node on libbitcoinkernel.
