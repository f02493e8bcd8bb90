//! Behaviour tests over HTTP, sockets and processes.
