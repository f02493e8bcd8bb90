//! Behaviour over HTTP, sockets and processes: the real server, the real database, real children.

#[cfg(feature = "kernel")]
mod base_node;
